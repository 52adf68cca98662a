//! Owns where sessions are kept: in memory, or in Redis, where all nodes see them.
//!
//! ```text
//!   open ──> [ session ] <── find: and it is used       end, end_all ──> gone, at once and everywhere
//!               │  idle too long, or open too long: gone by itself
//!   account ──> its sessions, oldest first; one too many: the oldest goes
//! ```
//!
//! The one idea: each question is one step that nothing comes between. A session that is ended is not found any more by
//! whoever asks later, on whatever node, and using one never brings it back.
//!
//! Never: sees a token; keeps a session without its place in the account's list, or the other way round: but in a Redis that
//! evicts, which must not be asked to.

mod memory;
mod redis;

use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use crate::app::accounts::AccountId;
use crate::app::session::domain::{NewSession, Session, SessionId};
use crate::crypto::TokenHash;
use crate::db::{self, Unavailable};
use memory::Memory;
use redis::Redis;

/// How long sessions live, and how many there may be.
#[derive(Clone, Copy, Debug)]
pub struct Lifetime {
    /// Without a use. Default: 30 minutes.
    pub idle: Duration,
    /// In all. Default: 12 hours.
    pub absolute: Duration,
    /// A use that follows another by less is not written down: so `idle` may come to be shorter by as much. Default: a
    /// minute.
    pub touch: Duration,
    /// Sessions of one account. Default: 10. The oldest goes when another one is opened.
    pub per_account_max: usize,
}

impl Default for Lifetime {
    fn default() -> Self {
        let minute = Duration::from_secs(60);
        Lifetime { idle: 30 * minute, absolute: 12 * 60 * minute, touch: minute, per_account_max: 10 }
    }
}

/// Keeps sessions. A clone keeps them in the same place.
#[derive(Clone)]
pub struct Store {
    form: Form,
}

#[derive(Clone)]
enum Form {
    Memory(Arc<Memory>),
    Redis(Arc<Redis>),
}

/// What goes when a session is opened.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Replaced {
    /// Nothing.
    Nothing,
    /// The one that was used before.
    One(TokenHash),
    /// All of the account.
    All,
}

/// Why a store did not do as asked. The details are for the log.
#[derive(Debug)]
#[non_exhaustive]
pub enum StoreError {
    /// It cannot be reached, or did not answer in time.
    Unavailable(Box<dyn std::error::Error + Send + Sync>),
    /// It holds, or says, what it should not.
    Failed(Box<dyn std::error::Error + Send + Sync>),
}

impl Store {
    /// Sessions in memory, for one node: gone with the process. At most `sessions_max`: the one that ends first goes when
    /// there is another one.
    pub fn memory(lifetime: Lifetime, sessions_max: usize) -> Store {
        Store { form: Form::Memory(Arc::new(Memory::new(lifetime, sessions_max))) }
    }

    /// Sessions in Redis, for all nodes together.
    ///
    /// # Panics
    /// When an account may have no session.
    pub fn redis(lifetime: Lifetime, redis: db::Redis) -> Store {
        Store { form: Form::Redis(Arc::new(Redis::new(redis, lifetime))) }
    }

    /// The most bytes that `sessions_max` sessions take in memory.
    pub fn bytes_max(sessions_max: usize) -> u64 {
        Memory::bytes_max(sessions_max)
    }

    /// Opens a session, in place of what is `replaced`, and of all that the account has of earlier generations. Nothing, and
    /// nothing is done, when the account has one of a later generation: the password has been changed meanwhile.
    ///
    /// # Cancel safety
    /// Dropped, it was done or not, as a whole. So it is for all of these.
    ///
    /// # Errors
    /// A store that does not answer. Then it may have been done, too.
    pub async fn open(&self, new: NewSession, replaced: Replaced) -> Result<Option<Session>, StoreError> {
        match &self.form {
            Form::Memory(memory) => Ok(memory.open(new, replaced)),
            Form::Redis(redis) => Ok(redis.open(new, replaced).await?),
        }
    }

    /// The session under `hash`, which is thereby used.
    ///
    /// # Errors
    /// A store that does not answer.
    pub async fn find(&self, hash: &TokenHash) -> Result<Option<Session>, StoreError> {
        match &self.form {
            Form::Memory(memory) => Ok(memory.find(hash)),
            Form::Redis(redis) => Ok(redis.find(hash).await?),
        }
    }

    /// The sessions of `account`, the one that was opened last first.
    ///
    /// # Errors
    /// A store that does not answer.
    pub async fn list(&self, account: AccountId) -> Result<Vec<Session>, StoreError> {
        match &self.form {
            Form::Memory(memory) => Ok(memory.list(account)),
            Form::Redis(redis) => Ok(redis.list(account).await?),
        }
    }

    /// Ends the session under `hash`, as whoever holds its token can. Whether there was one.
    ///
    /// # Errors
    /// A store that does not answer.
    pub async fn end_held(&self, hash: &TokenHash) -> Result<bool, StoreError> {
        match &self.form {
            Form::Memory(memory) => Ok(memory.end_held(hash)),
            Form::Redis(redis) => Ok(redis.end_held(hash).await?),
        }
    }

    /// Ends the session of `account` that is named `id`. Whether there was one.
    ///
    /// # Errors
    /// A store that does not answer.
    pub async fn end(&self, account: AccountId, id: SessionId) -> Result<bool, StoreError> {
        match &self.form {
            Form::Memory(memory) => Ok(memory.end(account, id)),
            Form::Redis(redis) => Ok(redis.end(account, id).await?),
        }
    }

    /// Ends all sessions of `account`. How many there were.
    ///
    /// # Errors
    /// A store that does not answer.
    pub async fn end_all(&self, account: AccountId) -> Result<usize, StoreError> {
        match &self.form {
            Form::Memory(memory) => Ok(memory.end_all(account)),
            Form::Redis(redis) => Ok(redis.end_all(account).await?),
        }
    }
}

impl From<Unavailable> for StoreError {
    fn from(unavailable: Unavailable) -> StoreError {
        StoreError::Unavailable(Box::new(unavailable))
    }
}

impl fmt::Display for StoreError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            StoreError::Unavailable(error) => write!(f, "the sessions cannot be reached: {error}"),
            StoreError::Failed(error) => write!(f, "the sessions cannot be read: {error}"),
        }
    }
}

impl std::error::Error for StoreError {}
