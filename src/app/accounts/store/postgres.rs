//! Owns accounts in PostgreSQL: a row for each.
//!
//! The one idea: each question is one statement, and what must not happen twice is a constraint or a condition of it. Of two
//! registrations of one name the database refuses one; of two changes of a password the second finds another generation.
//!
//! Never: reads a row and writes it back.

use tokio_postgres::Row;

use super::{Credentials, StoreError};
use crate::app::accounts::domain::{Account, AccountId, AccountName, Role};
use crate::app::accounts::hasher::PasswordHash;
use crate::db::{Failure, Migration, Postgres};

/// The shape that the database needs.
pub const MIGRATIONS: &[Migration] = &[Migration {
    name: "accounts/0001_accounts",
    sql: include_str!("../migrations/0001_accounts.sql"),
    down: Some(include_str!("../migrations/0001_accounts.down.sql")),
}];

const ADD: &str = "INSERT INTO accounts (id, name, roles, password_hash) VALUES ($1, $2, $3, $4)";
const NAMED: &str = "SELECT id, name, roles, generation, password_hash FROM accounts WHERE name = $1";
const NUMBERED: &str = "SELECT id, name, roles, generation, password_hash FROM accounts WHERE id = $1";
const REPLACE_HASH: &str = "UPDATE accounts SET password_hash = $3, generation = generation + $4
    WHERE id = $1 AND generation = $2
    RETURNING id, name, roles, generation, password_hash";

/// The constraint that says that a name is taken.
const NAME_KEY: &str = "accounts_name_key";

pub(super) async fn add(
    postgres: &Postgres,
    name: &AccountName,
    roles: &[Role],
    hash: &PasswordHash,
) -> Result<Account, StoreError> {
    let account = Account { id: AccountId::random(), name: name.clone(), roles: roles.to_vec(), generation: 1 };
    let roles: Vec<&str> = roles.iter().map(|role| role.text()).collect();
    let mut client = postgres.client().await?;
    match client.execute(ADD, &[&account.id.uuid(), &name.text(), &roles, &hash.expose()]).await {
        Err(Failure::Unique { constraint }) if constraint == NAME_KEY => Err(StoreError::Taken),
        Err(failure) => Err(failure.into()),
        Ok(_) => Ok(account),
    }
}

pub(super) async fn named(postgres: &Postgres, name: &str) -> Result<Option<Credentials>, StoreError> {
    let row = postgres.client().await?.query_opt(NAMED, &[&name]).await?;
    row.as_ref().map(credentials).transpose()
}

pub(super) async fn numbered(postgres: &Postgres, id: AccountId) -> Result<Option<Credentials>, StoreError> {
    let row = postgres.client().await?.query_opt(NUMBERED, &[&id.uuid()]).await?;
    row.as_ref().map(credentials).transpose()
}

/// Replaces the hash of an account that still is of its generation, which rises by `step`.
pub(super) async fn replace_hash(
    postgres: &Postgres,
    account: &Account,
    hash: &PasswordHash,
    step: u32,
) -> Result<Option<Account>, StoreError> {
    let (generation, step) = (account.generation as i32, step as i32);
    let mut client = postgres.client().await?;
    let row = client.query_opt(REPLACE_HASH, &[&account.id.uuid(), &generation, &hash.expose(), &step]).await?;
    row.as_ref().map(credentials).transpose().map(|found| found.map(|found| found.account))
}

/// What a row says. Somebody else may write into the table, so nothing is taken for granted.
fn credentials(row: &Row) -> Result<Credentials, StoreError> {
    let roles: Vec<String> = row.try_get("roles").map_err(failed)?;
    let name: String = row.try_get("name").map_err(failed)?;
    let generation: i32 = row.try_get("generation").map_err(failed)?;
    let hash: String = row.try_get("password_hash").map_err(failed)?;
    let account = Account {
        id: AccountId::of_uuid(row.try_get("id").map_err(failed)?),
        name: AccountName::parse(&name).map_err(failed)?,
        // A role of a newer node is none here.
        roles: roles.iter().filter_map(|role| Role::parse(role)).collect(),
        generation: u32::try_from(generation).map_err(failed)?,
    };
    Ok(Credentials { account, hash: PasswordHash::parse(&hash).map_err(failed)? })
}

fn failed(error: impl std::error::Error + Send + Sync + 'static) -> StoreError {
    StoreError::Failed(Box::new(error))
}

impl From<Failure> for StoreError {
    fn from(failure: Failure) -> StoreError {
        match failure {
            failure if failure.is_passing() => StoreError::Unavailable(Box::new(failure)),
            failure => StoreError::Failed(Box::new(failure)),
        }
    }
}
