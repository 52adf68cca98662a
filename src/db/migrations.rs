//! Owns the shape of a database: files of SQL that are applied once each, in order, by whichever node comes first.
//!
//! ```text
//!   files in the program:   0001 ── 0002 ── 0003        lock ─> is it there? ─no─> apply, write down ─> commit
//!   firstbyte_migrations:   0001 ── 0002                                     └yes─> go on
//!                           └ another checksum: stop
//! ```
//!
//! The one idea: one transaction a file, under one lock of the database. A node that dies in the middle leaves nothing behind,
//! lock included, and ten nodes that start at once apply each file once. What is there already is seen without the lock.
//!
//! A file that was applied is never edited: its checksum says when it was, and the node stays unready. A file that the
//! database has and the program has not belongs to a newer node, while the nodes are being replaced one by one: it is let be.
//!
//! A node never goes back: a person does, [by hand](by_hand).
//!
//! Never: applies a part of a file.
//! Limits: [`LOOK_TIME`], [`LOCK_TIME`], [`TABLE_TIME`], [`FILE_TIME`].

pub mod by_hand;

use std::collections::HashSet;
use std::fmt;
use std::time::Duration;

use tokio::time::timeout;
use tokio_postgres::{Client, GenericClient, Transaction};

use super::postgres::failure;
use crate::crypto;

/// How long the database may take to say what was applied. One that has vanished says nothing, and may be back elsewhere.
pub const LOOK_TIME: Duration = Duration::from_secs(2);

/// How long a node waits for another one that applies the same file.
pub const LOCK_TIME: Duration = Duration::from_secs(30);

/// How long a statement of a file waits for a table that somebody else uses. All who want the table after it wait behind it.
pub const TABLE_TIME: Duration = Duration::from_secs(2);

/// How long one statement of a file may take.
pub const FILE_TIME: Duration = Duration::from_secs(300);

/// The lock of the database: `firstbyt` in ASCII.
const LOCK: i64 = i64::from_be_bytes(*b"firstbyt");

const TABLE: &str = "CREATE TABLE IF NOT EXISTS firstbyte_migrations (
    name       text        PRIMARY KEY,
    checksum   text        NOT NULL,
    applied_at timestamptz NOT NULL DEFAULT now()
)";

/// A file of SQL, embedded by `include_str!`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Migration {
    /// Where it is, as in `accounts/0001_accounts`. It is known by this for ever.
    pub name: &'static str,
    /// Statements without `BEGIN` and `COMMIT`.
    pub sql: &'static str,
    /// Statements that take it back. `None`: there is no way back.
    pub down: Option<&'static str>,
}

/// What is written down of a file that was applied.
struct Row {
    name: String,
    checksum: String,
    applied_at: jiff::Timestamp,
}

/// What a run has done.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Applied {
    /// Files that this node has applied.
    pub names: Vec<&'static str>,
    /// Files of newer nodes.
    pub unknown: Vec<String>,
}

/// Why a database has not the shape that it needs.
#[derive(Debug)]
#[non_exhaustive]
pub enum MigrationError {
    /// A file was edited after it had been applied.
    Changed {
        /// The file.
        name: &'static str,
    },
    /// A file of ours could not be applied.
    Failed {
        /// The file.
        name: &'static str,
        /// What the database says to it.
        error: tokio_postgres::Error,
    },
    /// A file was to be taken back that has no way back.
    NoWayBack {
        /// The file.
        name: &'static str,
    },
    /// A file was to be taken back that a newer program has applied.
    Unknown {
        /// The file.
        name: String,
    },
    /// A file was to be taken back that is not the last one any more.
    NotLast {
        /// The file.
        name: String,
    },
    /// A file was to stay that was not applied.
    NotApplied {
        /// The file.
        name: String,
    },
    /// The database has not said what was applied.
    Silent,
    /// The database could not be asked.
    Database(tokio_postgres::Error),
}

impl Migration {
    /// SHA-256 of its statements, in hexadecimal.
    pub fn checksum(&self) -> String {
        crypto::sha256(self.sql.as_bytes()).iter().map(|byte| format!("{byte:02x}")).collect()
    }
}

/// Applies those of `migrations` that the database behind `client` has not. Does nothing else with it.
///
/// # Cancel safety
/// When it is dropped, each file was applied as a whole or not at all.
///
/// # Errors
/// See [`MigrationError`]. Files before the one that failed stay applied.
///
/// # Panics
/// When two files have one name.
pub async fn apply(client: &mut Client, migrations: &[Migration]) -> Result<Applied, MigrationError> {
    let names = names(migrations);
    let there = timeout(LOOK_TIME, there(client)).await.map_err(|_| MigrationError::Silent)??;
    let unknown = there.iter().map(|row| &row.name).filter(|name| !names.contains(name.as_str()));
    let mut applied = Applied { names: Vec::new(), unknown: unknown.cloned().collect() };
    applied.unknown.sort();
    for migration in migrations {
        match there.iter().find(|row| row.name == migration.name) {
            Some(row) => migration.compare(&row.checksum)?,
            None if apply_one(client, migration).await? => applied.names.push(migration.name),
            None => {}
        }
    }
    Ok(applied)
}

/// The names of files, each of which is there once.
pub(super) fn names(migrations: &[Migration]) -> HashSet<&'static str> {
    let names: HashSet<&str> = migrations.iter().map(|migration| migration.name).collect();
    assert_eq!(names.len(), migrations.len(), "two migrations have one name");
    names
}

/// What was applied, in no order.
async fn there(client: &impl GenericClient) -> Result<Vec<Row>, MigrationError> {
    let table = client.query_one("SELECT to_regclass('firstbyte_migrations') IS NOT NULL", &[]).await?;
    if !table.try_get::<_, bool>(0)? {
        return Ok(Vec::new());
    }
    let rows = client.query("SELECT name, checksum, applied_at FROM firstbyte_migrations", &[]).await?;
    let read = rows
        .iter()
        .map(|row| Ok(Row { name: row.try_get(0)?, checksum: row.try_get(1)?, applied_at: row.try_get(2)? }));
    read.collect::<Result<_, tokio_postgres::Error>>().map_err(MigrationError::Database)
}

/// Applies a file unless another node has done so meanwhile. Whether it did.
async fn apply_one(client: &mut Client, migration: &Migration) -> Result<bool, MigrationError> {
    let transaction = client.transaction().await?;
    lock(&transaction).await?;
    transaction.batch_execute(TABLE).await?;
    let row =
        transaction.query_opt("SELECT checksum FROM firstbyte_migrations WHERE name = $1", &[&migration.name]).await?;
    if let Some(row) = row {
        migration.compare(row.try_get(0)?)?;
        return Ok(false);
    }
    let failed = |error| MigrationError::Failed { name: migration.name, error };
    transaction.batch_execute(migration.sql).await.map_err(failed)?;
    let written = "INSERT INTO firstbyte_migrations (name, checksum) VALUES ($1, $2)";
    transaction.execute(written, &[&migration.name, &migration.checksum()]).await.map_err(failed)?;
    transaction.commit().await.map_err(failed)?;
    Ok(true)
}

/// Nobody else changes the shape until the transaction ends, which has its own time for each statement.
async fn lock(transaction: &Transaction<'_>) -> Result<(), MigrationError> {
    let (lock_ms, file_ms) = (LOCK_TIME.as_millis(), FILE_TIME.as_millis());
    let times = format!("SET LOCAL lock_timeout = {lock_ms}; SET LOCAL statement_timeout = {file_ms}");
    transaction.batch_execute(&times).await?;
    transaction.execute("SELECT pg_advisory_xact_lock($1)", &[&LOCK]).await?;
    transaction.batch_execute(&format!("SET LOCAL lock_timeout = {}", TABLE_TIME.as_millis())).await?;
    Ok(())
}

impl MigrationError {
    /// Whether it may be gone when the server is asked again in a moment.
    pub(super) fn is_of_server(&self) -> bool {
        match self {
            MigrationError::Changed { .. }
            | MigrationError::NoWayBack { .. }
            | MigrationError::Unknown { .. }
            | MigrationError::NotLast { .. }
            | MigrationError::NotApplied { .. } => false,
            MigrationError::Silent => true,
            // One that takes or waits too long does so the next time as well, and holds up others meanwhile.
            MigrationError::Failed { error, .. } => failure::is_of_server(error) && !failure::is_stopped(error),
            MigrationError::Database(error) => failure::is_of_server(error),
        }
    }
}

impl Migration {
    fn compare(&self, checksum: &str) -> Result<(), MigrationError> {
        if checksum == self.checksum() { Ok(()) } else { Err(MigrationError::Changed { name: self.name }) }
    }
}

impl From<tokio_postgres::Error> for MigrationError {
    fn from(error: tokio_postgres::Error) -> MigrationError {
        MigrationError::Database(error)
    }
}

impl fmt::Display for MigrationError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            MigrationError::Changed { name } => {
                write!(f, "migration {name} was edited after it had been applied: put it back, and add a new one")
            }
            MigrationError::Failed { name, error } => {
                write!(f, "migration {name} cannot be applied: {}", failure::words(error))
            }
            MigrationError::NoWayBack { name } => write!(f, "migration {name} has no way back"),
            MigrationError::Unknown { name } => {
                write!(f, "migration {name} is of a newer program, which can take it back; this one cannot")
            }
            MigrationError::NotLast { name } => {
                write!(f, "migration {name} is not the last one any more: look again what would be taken back")
            }
            MigrationError::NotApplied { name } => {
                write!(f, "migration {name} is not applied: nothing can come after it")
            }
            MigrationError::Silent => f.write_str("it does not say what was applied"),
            MigrationError::Database(error) => failure::words(error).fmt(f),
        }
    }
}

impl std::error::Error for MigrationError {}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn one_byte_more_is_another_file() {
        let file = Migration { name: "a/0001_a", sql: "CREATE TABLE a ()", down: None };
        let edited = Migration { sql: "CREATE TABLE a () ", ..file };
        assert!(file.compare(&file.checksum()).is_ok());
        let error = file.compare(&edited.checksum()).unwrap_err();
        assert!(error.to_string().contains("a/0001_a was edited"), "{error}");
        assert_eq!(file.checksum().len(), 64);
    }
}
