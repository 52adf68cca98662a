//! Owns where refresh families and signing keys are kept: in memory, or in PostgreSQL.
//!
//! The one idea: a store compares and swaps, and decides nothing. Whether a token may be exchanged is judged on what was read;
//! the exchange happens only if that still is so. Of any number of exchanges of one token, on any number of nodes, one
//! happens.
//!
//! ```text
//!   find ──> judge ──> rotate: current = from? ─yes─> current = to, spent = from     one winner
//!     ^                                └no──┐
//!     └─────────────── judge again ─────────┘
//! ```
//!
//! A process that dies between the exchange and its answer has lost the answer, and nothing else: the client asks again, and
//! within the grace it is given the same successor.
//!
//! Never: holds a token; keeps a family that was revoked: what is not there is not valid.
//! Invariants: an account has at most so many families as it is allowed; one key is active.

mod memory;
mod postgres;

use std::fmt;
use std::sync::Arc;

use crate::app::identity::domain::family::{Family, FamilyId, Rotation};
use crate::app::identity::domain::keys::{Kept, StoredKey};
use crate::db;
use memory::Memory;
use postgres::Postgres;

pub(super) use memory::FAMILY_BYTES_MAX;

/// Keeps families and keys. A clone keeps them in the same place.
#[derive(Clone)]
pub struct Store {
    form: Form,
}

#[derive(Clone)]
enum Form {
    Memory(Arc<Memory>),
    Postgres(Postgres),
}

/// Why a store did not do as asked. The details are for the log.
#[derive(Debug)]
#[non_exhaustive]
pub enum StoreError {
    /// It keeps as many families as it may.
    Full,
    /// It cannot be reached, or did not answer in time.
    Unavailable(Box<dyn std::error::Error + Send + Sync>),
    /// It holds, or says, what it should not.
    Failed(Box<dyn std::error::Error + Send + Sync>),
}

/// Why keys were not changed.
#[derive(Debug)]
pub enum ChangeError {
    /// There is a reason to keep them.
    Kept(Kept),
    /// The store did not do as asked.
    Store(StoreError),
}

impl Store {
    /// Families and keys in memory, at most `families_max`: gone with the process.
    pub fn memory(families_max: usize) -> Store {
        Store { form: Form::Memory(Arc::new(Memory::new(families_max))) }
    }

    /// Families and keys in a database, which all its nodes share. It has the [`MIGRATIONS`](super::MIGRATIONS).
    pub fn postgres(database: db::Postgres) -> Store {
        Store { form: Form::Postgres(Postgres::new(database)) }
    }

    /// Adds a family. When its account has `of_account_max` already, the one that would end first gives way.
    ///
    /// # Cancel safety
    /// Dropped, it was done or not, as a whole. So it is for all of these.
    ///
    /// # Errors
    /// When there is no room for it, and when the store does not answer.
    pub async fn begin(&self, family: &Family, of_account_max: usize) -> Result<(), StoreError> {
        match &self.form {
            Form::Memory(memory) => memory.begin(family, of_account_max),
            Form::Postgres(postgres) => postgres.begin(family, of_account_max).await,
        }
    }

    /// The family called `id`, live or not.
    ///
    /// # Errors
    /// A store that does not answer.
    pub async fn find(&self, id: FamilyId) -> Result<Option<Family>, StoreError> {
        match &self.form {
            Form::Memory(memory) => Ok(memory.find(id)),
            Form::Postgres(postgres) => postgres.find(id).await,
        }
    }

    /// Exchanges a token of the family called `id`, if it is its current one. Whether it was.
    ///
    /// # Errors
    /// A store that does not answer: then it may have been done.
    pub async fn rotate(&self, id: FamilyId, rotation: &Rotation) -> Result<bool, StoreError> {
        match &self.form {
            Form::Memory(memory) => Ok(memory.rotate(id, rotation)),
            Form::Postgres(postgres) => postgres.rotate(id, rotation).await,
        }
    }

    /// Ends the family called `id`. Whether it was there.
    ///
    /// # Errors
    /// A store that does not answer.
    pub async fn revoke(&self, id: FamilyId) -> Result<bool, StoreError> {
        match &self.form {
            Form::Memory(memory) => Ok(memory.revoke(id)),
            Form::Postgres(postgres) => postgres.revoke(id).await,
        }
    }

    /// Forgets families that have ended, and nonces whose grace is over. How many families.
    ///
    /// # Errors
    /// A store that does not answer.
    pub async fn sweep(&self, now: u64, grace: u64) -> Result<u64, StoreError> {
        match &self.form {
            Form::Memory(memory) => Ok(memory.sweep(now, grace)),
            Form::Postgres(postgres) => postgres.sweep(now, grace).await,
        }
    }

    /// The keys, in any order.
    ///
    /// # Errors
    /// A store that does not answer.
    pub async fn keys(&self) -> Result<Vec<StoredKey>, StoreError> {
        match &self.form {
            Form::Memory(memory) => Ok(memory.keys()),
            Form::Postgres(postgres) => postgres.keys().await,
        }
    }

    /// Puts the keys that `change` makes of those that there are in their place, while nobody else does. The keys then.
    ///
    /// # Errors
    /// Why `change` keeps them; a store that does not answer.
    pub async fn change_keys<F>(&self, change: F) -> Result<Vec<StoredKey>, ChangeError>
    where
        F: FnOnce(&[StoredKey]) -> Result<Vec<StoredKey>, Kept> + Send,
    {
        match &self.form {
            Form::Memory(memory) => memory.change_keys(change).map_err(ChangeError::Kept),
            Form::Postgres(postgres) => postgres.change_keys(change).await,
        }
    }
}

impl fmt::Display for StoreError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            StoreError::Full => f.write_str("there is no room for another family of tokens"),
            StoreError::Unavailable(error) => write!(f, "the tokens cannot be reached: {error}"),
            StoreError::Failed(error) => write!(f, "the tokens cannot be read: {error}"),
        }
    }
}

impl std::error::Error for StoreError {}

/// Where nobody has asked for a change, there is no key that signs because none can be made.
impl From<ChangeError> for StoreError {
    fn from(error: ChangeError) -> StoreError {
        match error {
            ChangeError::Kept(kept) => StoreError::Unavailable(Box::new(kept)),
            ChangeError::Store(error) => error,
        }
    }
}

impl From<StoreError> for ChangeError {
    fn from(error: StoreError) -> ChangeError {
        ChangeError::Store(error)
    }
}

impl fmt::Display for ChangeError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            ChangeError::Kept(kept) => kept.fmt(f),
            ChangeError::Store(error) => error.fmt(f),
        }
    }
}

impl std::error::Error for ChangeError {}
