//! Owns what a person does with the shape of a database: looks at it, and takes files back.
//!
//! ```text
//!   firstbyte_migrations, by time:  0001 ── 0002 ── 0003      down ──lock──> is 0003 ours, as it was applied? ──yes──> its way
//!                                                     ^                                  └no──> nothing is done          back
//! ```
//!
//! The one idea: what was applied last is taken back first, a file a transaction, and each looks for itself under the lock what
//! the last one is. Two who do this at once do it one after the other, and each takes back what he was shown and nothing else.
//!
//! Never: takes back what a newer program has applied, or what was edited since: the way back belongs to another file.

use tokio::task::JoinSet;
use tokio::time::timeout;
use tokio_postgres::{Client, GenericClient};

use super::{Migration, MigrationError, lock, there};
use crate::db::postgres::connector::Connector;
use crate::db::presence::CONNECT_TIME;
use crate::db::{PostgresConfig, ServiceUrl};

/// A session with a database whose shape is looked at or changed by hand.
pub struct Session {
    /// For [`apply`](super::apply).
    pub client: Client,
    /// Moves its bytes.
    _driver: JoinSet<()>,
}

/// A file, and how it stands with it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Standing {
    /// Its name.
    pub name: String,
    /// Whether it was applied.
    pub state: State,
    /// When, by the clock of the database.
    pub applied_at: Option<jiff::Timestamp>,
}

/// How far files are taken back.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Goal<'a> {
    /// The last one.
    Last,
    /// All that came after this one.
    Stays(&'a str),
    /// All.
    Nothing,
}

/// How it stands with a file.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum State {
    /// As it is in the program.
    Applied,
    /// Not yet.
    Pending,
    /// It was edited after it had been applied.
    Changed,
    /// The program has no such file: a newer one has.
    Unknown,
}

impl Session {
    /// Connects to the database at `url`.
    ///
    /// # Errors
    /// Words for whoever has asked.
    pub async fn open(url: &ServiceUrl) -> Result<Session, String> {
        let connector = Connector::new(url, PostgresConfig::default().statement_time);
        let connector = connector.map_err(|error| format!("{url}: {error}"))?;
        let opened = timeout(CONNECT_TIME * 10, connector.open()).await;
        let opened = opened.map_err(|_| format!("{url} does not answer"))?;
        let (client, connection) = opened.map_err(|error| format!("{url}: {}", MigrationError::Database(error)))?;
        let mut driver = JoinSet::new();
        driver.spawn(async move { drop(connection.await) });
        Ok(Session { client, _driver: driver })
    }
}

/// How it stands with all files, those that only the database knows behind the others.
///
/// # Errors
/// See [`MigrationError`].
pub async fn status(client: &Client, migrations: &[Migration]) -> Result<Vec<Standing>, MigrationError> {
    let rows = there(client).await?;
    let ours = migrations.iter().map(|migration| {
        let row = rows.iter().find(|row| row.name == migration.name);
        let state = match row {
            None => State::Pending,
            Some(row) if row.checksum == migration.checksum() => State::Applied,
            Some(_) => State::Changed,
        };
        Standing { name: migration.name.to_owned(), state, applied_at: row.map(|row| row.applied_at) }
    });
    let unknown = rows.iter().filter(|row| migrations.iter().all(|migration| migration.name != row.name));
    let unknown =
        unknown.map(|row| Standing { name: row.name.clone(), state: State::Unknown, applied_at: Some(row.applied_at) });
    Ok(ours.chain(unknown).collect())
}

/// What is taken back in turn on the way to `goal`.
///
/// # Errors
/// [`MigrationError::NotApplied`], and why one of them cannot be taken back.
pub async fn way_down(
    client: &impl GenericClient,
    migrations: &[Migration],
    goal: Goal<'_>,
) -> Result<Vec<Migration>, MigrationError> {
    let mut rows = there(client).await?;
    let place = |name: &str| migrations.iter().position(|migration| migration.name == name);
    // What came last by the clock, and of what came at the same time, what is later in the program.
    rows.sort_by_key(|row| std::cmp::Reverse((row.applied_at, place(&row.name))));
    let count = match goal {
        Goal::Last => rows.len().min(1),
        Goal::Nothing => rows.len(),
        Goal::Stays(name) => rows
            .iter()
            .position(|row| row.name == name)
            .ok_or_else(|| MigrationError::NotApplied { name: name.to_owned() })?,
    };
    let back = rows.into_iter().take(count).map(|row| match place(&row.name).map(|place| migrations[place]) {
        None => Err(MigrationError::Unknown { name: row.name }),
        Some(migration) if migration.down.is_none() => Err(MigrationError::NoWayBack { name: migration.name }),
        Some(migration) => migration.compare(&row.checksum).map(|()| migration),
    });
    back.collect()
}

/// Takes `expected` back, the last file on the way to `goal`. Whether it was there: somebody else may have done so.
///
/// # Cancel safety
/// When it is dropped, the file is taken back as a whole or not at all.
///
/// # Errors
/// See [`MigrationError`]. Nothing was done then, nor when a file further on the way cannot be taken back.
pub async fn down(
    client: &mut Client,
    migrations: &[Migration],
    goal: Goal<'_>,
    expected: &str,
) -> Result<bool, MigrationError> {
    let transaction = client.transaction().await?;
    lock(&transaction).await?;
    if there(&transaction).await?.iter().all(|row| row.name != expected) {
        return Ok(false);
    }
    let way = way_down(&transaction, migrations, goal).await?;
    let last = way.first().filter(|first| first.name == expected);
    let Some((migration, sql)) = last.and_then(|last| Some((last, last.down?))) else {
        return Err(MigrationError::NotLast { name: expected.to_owned() });
    };
    let failed = |error| MigrationError::Failed { name: migration.name, error };
    transaction.batch_execute(sql).await.map_err(failed)?;
    let forget = "DELETE FROM firstbyte_migrations WHERE name = $1";
    transaction.execute(forget, &[&migration.name]).await.map_err(failed)?;
    transaction.commit().await.map_err(failed)?;
    Ok(true)
}
