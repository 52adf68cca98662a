//! Owns where accounts are kept: in memory, or in PostgreSQL.
//!
//! The one idea: a password is replaced only if it still is the one that was looked at, by its generation. Of two changes
//! at once one happens.
//!
//! Never: knows a password.
//! Invariants: a name is one account's; a generation only rises.

mod memory;
mod postgres;

use std::fmt;
use std::sync::Arc;

use crate::app::accounts::domain::{Account, AccountId, AccountName, Role};
use crate::app::accounts::hasher::PasswordHash;
use crate::db::Postgres;
use memory::Memory;

pub use memory::DEMO;
pub use postgres::MIGRATIONS;

/// Keeps accounts. A clone keeps them in the same place.
#[derive(Clone)]
pub struct Store {
    form: Form,
}

#[derive(Clone)]
enum Form {
    Memory(Arc<Memory>),
    Postgres(Postgres),
}

/// An account with the hash of its password.
#[derive(Clone, Debug)]
pub struct Credentials {
    /// The account.
    pub account: Account,
    /// The hash.
    pub hash: PasswordHash,
}

/// Why a store did not do as asked. The details are for the log.
#[derive(Debug)]
#[non_exhaustive]
pub enum StoreError {
    /// Another account has the name.
    Taken,
    /// It keeps as many accounts as it may.
    Full,
    /// It cannot be reached, or did not answer in time.
    Unavailable(Box<dyn std::error::Error + Send + Sync>),
    /// It holds, or says, what it should not.
    Failed(Box<dyn std::error::Error + Send + Sync>),
}

impl Store {
    /// Accounts in memory, at most `accounts_max`: gone with the process. None so far.
    pub fn empty(accounts_max: usize) -> Store {
        Store { form: Form::Memory(Arc::new(Memory::new(accounts_max))) }
    }

    /// Accounts in memory, at most [`ACCOUNTS_MAX`](super::ACCOUNTS_MAX), those of [`DEMO`] among them.
    pub fn memory() -> Store {
        Store { form: Form::Memory(Arc::new(Memory::with_demo(super::ACCOUNTS_MAX))) }
    }

    /// Accounts in a PostgreSQL that was opened with [`MIGRATIONS`].
    pub fn postgres(postgres: Postgres) -> Store {
        Store { form: Form::Postgres(postgres) }
    }

    /// The most bytes that `accounts_max` accounts take in memory.
    pub fn bytes_max(accounts_max: usize) -> u64 {
        Memory::bytes_max(accounts_max)
    }

    /// Adds an account.
    ///
    /// # Errors
    /// When the name is taken, or there is no room.
    pub async fn add(&self, name: &AccountName, roles: &[Role], hash: &PasswordHash) -> Result<Account, StoreError> {
        match &self.form {
            Form::Memory(memory) => memory.add(name, roles, hash),
            Form::Postgres(postgres) => postgres::add(postgres, name, roles, hash).await,
        }
    }

    /// The account called `name`.
    ///
    /// # Errors
    /// A store that does not answer.
    pub async fn named(&self, name: &str) -> Result<Option<Credentials>, StoreError> {
        match &self.form {
            Form::Memory(memory) => Ok(memory.named(name)),
            Form::Postgres(postgres) => postgres::named(postgres, name).await,
        }
    }

    /// The account with number `id`.
    ///
    /// # Errors
    /// A store that does not answer.
    pub async fn numbered(&self, id: AccountId) -> Result<Option<Credentials>, StoreError> {
        match &self.form {
            Form::Memory(memory) => Ok(memory.numbered(id)),
            Form::Postgres(postgres) => postgres::numbered(postgres, id).await,
        }
    }

    /// Gives `account` another password, and the next generation, if it still is of its generation. The account as it is
    /// then, or nothing when it is not.
    ///
    /// # Errors
    /// A store that does not answer.
    pub async fn change_hash(&self, account: &Account, hash: &PasswordHash) -> Result<Option<Account>, StoreError> {
        self.replace_hash(account, hash, 1).await
    }

    /// Keeps the same password of `account` under another hash, if it still is of its generation.
    ///
    /// # Errors
    /// A store that does not answer.
    pub async fn rehash(&self, account: &Account, hash: &PasswordHash) -> Result<(), StoreError> {
        self.replace_hash(account, hash, 0).await.map(drop)
    }

    async fn replace_hash(
        &self,
        account: &Account,
        hash: &PasswordHash,
        step: u32,
    ) -> Result<Option<Account>, StoreError> {
        match &self.form {
            Form::Memory(memory) => Ok(memory.replace_hash(account, hash, step)),
            Form::Postgres(postgres) => postgres::replace_hash(postgres, account, hash, step).await,
        }
    }
}

impl fmt::Display for StoreError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            StoreError::Taken => f.write_str("the name is taken"),
            StoreError::Full => f.write_str("there is no room for another account"),
            StoreError::Unavailable(error) => write!(f, "the accounts cannot be reached: {error}"),
            StoreError::Failed(error) => write!(f, "the accounts cannot be read: {error}"),
        }
    }
}

impl std::error::Error for StoreError {}
