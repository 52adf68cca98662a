//! Owns why something that was asked about an account is not done.
//!
//! The one idea: an enum for each question, so that whoever asks meets only what can happen. All that must not be told
//! apart by who logs in is one variant, [`AuthenticateError::Refused`].
//!
//! Never: answers a request: the applications do, each in its own shape.

use std::fmt;
use std::time::Duration;

use crate::app::accounts::domain::{NameError, PasswordError};
use crate::app::accounts::hasher::pool::Busy;
use crate::app::accounts::store::StoreError;
use crate::app::accounts::throttle;
use crate::db::RETRY_AFTER;

/// Details of a failure, for the log.
pub type Details = Box<dyn std::error::Error + Send + Sync>;

/// Why no account was looked at, whatever was asked.
#[derive(Debug)]
#[non_exhaustive]
pub enum Obstacle {
    /// There were too many attempts.
    Throttled {
        /// Until the next one may be made.
        retry_after: Duration,
    },
    /// Too many passwords wait to be hashed.
    Busy {
        /// Until there may be room.
        retry_after: Duration,
    },
    /// A store cannot be reached, or does not answer in time.
    Unavailable(Details),
    /// A store holds, or says, what it should not.
    Failed(Details),
}

/// Why there is no new account.
#[derive(Debug)]
#[non_exhaustive]
pub enum RegisterError {
    /// It is no name.
    Name(NameError),
    /// It is no password.
    Password(PasswordError),
    /// Another account has the name. To say so tells who exists, which cannot be helped where names are chosen freely: the
    /// throttle makes it slow.
    Taken,
    /// There is no room for another account.
    Full,
    /// Nothing was looked at.
    Obstacle(Obstacle),
}

/// Why somebody is not logged in.
#[derive(Debug)]
#[non_exhaustive]
pub enum AuthenticateError {
    /// There is no such account, or the password is another one, or one that no account can have.
    Refused,
    /// Nothing was looked at.
    Obstacle(Obstacle),
}

/// Why a password stays as it is.
#[derive(Debug)]
#[non_exhaustive]
pub enum ChangePasswordError {
    /// The new one is no password.
    Password(PasswordError),
    /// The present one is another one, or was changed meanwhile, or there is no such account.
    Refused,
    /// Nothing was looked at.
    Obstacle(Obstacle),
}

impl Obstacle {
    /// When it may be gone; nothing, when that will not be by itself.
    pub fn retry_after(&self) -> Option<Duration> {
        match self {
            Obstacle::Throttled { retry_after } | Obstacle::Busy { retry_after } => Some(*retry_after),
            Obstacle::Unavailable(_) => Some(RETRY_AFTER),
            Obstacle::Failed(_) => None,
        }
    }
}

impl From<Busy> for Obstacle {
    fn from(busy: Busy) -> Obstacle {
        Obstacle::Busy { retry_after: busy.retry_after }
    }
}

impl From<throttle::Refused> for Obstacle {
    fn from(refused: throttle::Refused) -> Obstacle {
        match refused {
            throttle::Refused::Throttled { retry_after } => Obstacle::Throttled { retry_after },
            throttle::Refused::Unavailable(details) => Obstacle::Unavailable(details),
        }
    }
}

impl From<StoreError> for Obstacle {
    fn from(error: StoreError) -> Obstacle {
        match error {
            StoreError::Unavailable(details) => Obstacle::Unavailable(details),
            StoreError::Failed(details) => Obstacle::Failed(details),
            // Of adding an account, which tells these by itself.
            other @ (StoreError::Taken | StoreError::Full) => Obstacle::Failed(Box::new(other)),
        }
    }
}

impl From<StoreError> for RegisterError {
    fn from(error: StoreError) -> RegisterError {
        match error {
            StoreError::Taken => RegisterError::Taken,
            StoreError::Full => RegisterError::Full,
            error => RegisterError::Obstacle(error.into()),
        }
    }
}

macro_rules! from_obstacles {
    ($($error:ident: $($of:ty),+;)+) => { $( $(
        impl From<$of> for $error {
            fn from(of: $of) -> $error {
                $error::Obstacle(of.into())
            }
        }
    )+ )+ };
}

from_obstacles! {
    RegisterError: Obstacle, Busy, throttle::Refused;
    AuthenticateError: Obstacle, Busy, throttle::Refused, StoreError;
    ChangePasswordError: Obstacle, Busy, throttle::Refused, StoreError;
}

impl fmt::Display for Obstacle {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Obstacle::Throttled { retry_after } => write!(f, "too many attempts; the next one in {retry_after:?}"),
            Obstacle::Busy { retry_after } => write!(f, "too many passwords wait to be hashed: {retry_after:?}"),
            Obstacle::Unavailable(details) => write!(f, "the accounts are away: {details}"),
            Obstacle::Failed(details) => write!(f, "the accounts failed: {details}"),
        }
    }
}

impl std::error::Error for Obstacle {}
