//! Owns families and keys in PostgreSQL: two tables, and every statement on them.
//!
//! The one idea: the row decides. An exchange is one `UPDATE` that names the token it exchanges: of fifty at once the database
//! lets one change the row, and the others find that it is not what they named. That takes no more than the lock of a row.
//!
//! Where more than one row has to agree (so many families of an account, one active key), a transaction takes an advisory
//! lock first; it goes with the transaction, however that ends.
//!
//! An exchange that comes late does nothing: a server that was stopped reads what lay in its socket when it goes on, and by
//! then whoever asked was told to come again. Late is judged by the clock of the database alone, before and at the exchange.
//!
//! Never: reads what it has no use for; sends a token.

use tokio_postgres::Row;

use crate::app::identity::domain::family::{Family, FamilyId, Rotation, Spent};
use crate::app::identity::domain::keys::{Kept, State, StoredKey};
use crate::app::identity::store::{ChangeError, StoreError};
use crate::crypto::TokenHash;
use crate::db::postgres::{Client, Transaction};
use crate::db::{self, Failure};
use crate::jwt::Algorithm;

/// The lock of the keys: `identity` in ASCII.
const KEYS_LOCK: i64 = i64::from_be_bytes(*b"identity");

/// Families that one sweep forgets, and nonces.
const SWEPT_MAX: i64 = 10_000;

/// After this an exchange is late: a part of the grace, so that the rest of it is left to whoever comes again.
const LATE_MS: i64 = 3_000;

const CLOCK: &str = "SELECT (extract(epoch FROM clock_timestamp()) * 1000)::bigint";

/// Another account's lock may have the same number: then the two wait for each other, and nothing else.
const LOCK_SUBJECT: &str = "SELECT pg_advisory_xact_lock(hashtextextended($1, 1))";

const MAKE_ROOM: &str = "DELETE FROM identity_families WHERE id IN
    (SELECT id FROM identity_families WHERE subject = $1 ORDER BY ends_at DESC OFFSET $2)";

const BEGIN: &str = "INSERT INTO identity_families
    (id, subject, client, scopes, audience, generation, seal_key, current, expires_at, ends_at)
    VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10)";

const FIND: &str = "SELECT subject, client, scopes, audience, generation, seal_key, current, spent, spent_at, nonce,
    expires_at, ends_at FROM identity_families WHERE id = $1";

const ROTATE: &str =
    "UPDATE identity_families SET spent = current, current = $3, nonce = $4, spent_at = $5, ends_at = $6
    WHERE id = $1 AND current = $2 AND (extract(epoch FROM clock_timestamp()) * 1000)::bigint < $7";

const REVOKE: &str = "DELETE FROM identity_families WHERE id = $1";

/// The end is asked for twice: a row that was refreshed while this waited for it is looked at again by the outer one alone.
const SWEEP: &str = "DELETE FROM identity_families WHERE ends_at <= $1 AND id IN
    (SELECT id FROM identity_families WHERE ends_at <= $1 LIMIT $2)";

const FORGET_NONCES: &str = "UPDATE identity_families SET nonce = NULL WHERE spent_at <= $1 AND id IN
    (SELECT id FROM identity_families WHERE nonce IS NOT NULL AND spent_at <= $1 LIMIT $2)";

const KEYS: &str = "SELECT kid, algorithm, private, state, since, until FROM identity_keys";

const DROP_KEYS: &str = "DELETE FROM identity_keys WHERE NOT kid = ANY($1)";

const PUT_KEY: &str = "INSERT INTO identity_keys (kid, algorithm, private, state, since, until)
    VALUES ($1, $2, $3, $4, $5, $6)
    ON CONFLICT (kid) DO UPDATE SET state = $4, since = $5, until = $6";

#[derive(Clone)]
pub(super) struct Postgres {
    database: db::Postgres,
}

impl Postgres {
    pub(super) fn new(database: db::Postgres) -> Postgres {
        Postgres { database }
    }

    pub(super) async fn begin(&self, family: &Family, of_account_max: usize) -> Result<(), StoreError> {
        let kept = number(of_account_max.saturating_sub(1) as u64);
        let mut client = self.client().await?;
        let mut transaction = client.transaction().await?;
        transaction.execute(LOCK_SUBJECT, &[&family.subject]).await?;
        transaction.execute(MAKE_ROOM, &[&family.subject, &kept]).await?;
        let (id, seal_key, current) = (&family.id.bytes()[..], &family.seal_key[..], &family.current.bytes()[..]);
        let (generation, scopes) = (i64::from(family.generation), family.scopes.to_string());
        let (expires_at, ends_at) = (number(family.expires_at), number(family.ends_at));
        let Family { subject, client: owner, audience, .. } = family;
        transaction
            .execute(
                BEGIN,
                &[&id, subject, owner, &scopes, audience, &generation, &seal_key, &current, &expires_at, &ends_at],
            )
            .await?;
        Ok(transaction.commit().await?)
    }

    pub(super) async fn find(&self, id: FamilyId) -> Result<Option<Family>, StoreError> {
        let row = self.client().await?.query_opt(FIND, &[&&id.bytes()[..]]).await?;
        row.map(|row| family(id, &row)).transpose()
    }

    pub(super) async fn rotate(&self, id: FamilyId, rotation: &Rotation) -> Result<bool, StoreError> {
        let Rotation { from, to, nonce, at, ends_at } = rotation;
        let (id, from, to, nonce) = (&id.bytes()[..], &from.bytes()[..], &to.bytes()[..], &nonce[..]);
        let (at, ends_at) = (number(*at), number(*ends_at));
        let mut client = self.client().await?;
        let clock = client.query(CLOCK, &[]).await?;
        let clock: i64 = clock.first().ok_or_else(|| strange("there is no time"))?.try_get(0)?;
        let late = clock + LATE_MS;
        Ok(client.execute(ROTATE, &[&id, &from, &to, &nonce, &at, &ends_at, &late]).await? == 1)
    }

    pub(super) async fn revoke(&self, id: FamilyId) -> Result<bool, StoreError> {
        Ok(self.client().await?.execute(REVOKE, &[&&id.bytes()[..]]).await? == 1)
    }

    pub(super) async fn sweep(&self, now: u64, grace: u64) -> Result<u64, StoreError> {
        let mut client = self.client().await?;
        // Each does its part, whatever becomes of the other.
        let swept = client.execute(SWEEP, &[&number(now), &SWEPT_MAX]).await;
        client.execute(FORGET_NONCES, &[&number(now.saturating_sub(grace)), &SWEPT_MAX]).await?;
        Ok(swept?)
    }

    pub(super) async fn keys(&self) -> Result<Vec<StoredKey>, StoreError> {
        self.client().await?.query(KEYS, &[]).await?.iter().map(key).collect()
    }

    pub(super) async fn change_keys<F>(&self, change: F) -> Result<Vec<StoredKey>, ChangeError>
    where
        F: FnOnce(&[StoredKey]) -> Result<Vec<StoredKey>, Kept> + Send,
    {
        let mut client = self.client().await?;
        let mut transaction = client.transaction().await.map_err(StoreError::from)?;
        transaction.execute("SELECT pg_advisory_xact_lock($1)", &[&KEYS_LOCK]).await.map_err(StoreError::from)?;
        let rows = transaction.query(KEYS, &[]).await.map_err(StoreError::from)?;
        let before = rows.iter().map(key).collect::<Result<Vec<_>, _>>()?;
        let after = change(&before).map_err(ChangeError::Kept)?;
        put(&mut transaction, &before, &after).await.map_err(StoreError::from)?;
        transaction.commit().await.map_err(StoreError::from)?;
        Ok(after)
    }

    async fn client(&self) -> Result<Client, StoreError> {
        Ok(self.database.client().await?)
    }
}

/// Writes what differs: who retires first, then who signs, then who is next, so that no state has two keys in between.
async fn put(transaction: &mut Transaction<'_>, before: &[StoredKey], after: &[StoredKey]) -> Result<(), Failure> {
    let kids: Vec<&str> = after.iter().map(|key| key.kid.as_str()).collect();
    transaction.execute(DROP_KEYS, &[&kids]).await?;
    let mut changed: Vec<&StoredKey> = after.iter().filter(|key| !before.contains(key)).collect();
    changed.sort_by_key(|key| match key.state {
        State::Retired { .. } => 0,
        State::Active => 1,
        State::Next => 2,
    });
    for StoredKey { kid, algorithm, private, state, since } in changed {
        let until = if let State::Retired { until } = state { Some(number(*until)) } else { None };
        transaction
            .execute(PUT_KEY, &[kid, &algorithm.name(), private, &state.name(), &number(*since), &until])
            .await?;
    }
    Ok(())
}

fn family(id: FamilyId, row: &Row) -> Result<Family, StoreError> {
    let scopes: &str = row.try_get("scopes")?;
    Ok(Family {
        id,
        subject: row.try_get("subject")?,
        client: row.try_get("client")?,
        scopes: scopes.parse().map_err(|error| StoreError::Failed(Box::new(error)))?,
        audience: row.try_get("audience")?,
        generation: u32::try_from(row.try_get::<_, i64>("generation")?).map_err(strange)?,
        seal_key: bytes(row.try_get("seal_key")?)?,
        current: TokenHash::of_bytes(bytes(row.try_get("current")?)?),
        spent: spent(row)?,
        expires_at: seconds(row.try_get("expires_at")?)?,
        ends_at: seconds(row.try_get("ends_at")?)?,
    })
}

fn spent(row: &Row) -> Result<Option<Spent>, StoreError> {
    let (hash, at): (Option<&[u8]>, Option<i64>) = (row.try_get("spent")?, row.try_get("spent_at")?);
    let (Some(hash), Some(at)) = (hash, at) else { return Ok(None) };
    let nonce = row.try_get::<_, Option<&[u8]>>("nonce")?.map(bytes).transpose()?;
    Ok(Some(Spent { hash: TokenHash::of_bytes(bytes(hash)?), at: seconds(at)?, nonce }))
}

fn key(row: &Row) -> Result<StoredKey, StoreError> {
    let (algorithm, state): (&str, &str) = (row.try_get("algorithm")?, row.try_get("state")?);
    let until = row.try_get::<_, Option<i64>>("until")?.map(seconds).transpose()?;
    Ok(StoredKey {
        kid: row.try_get("kid")?,
        algorithm: Algorithm::named(algorithm).ok_or_else(|| strange(format!("{algorithm} is no algorithm")))?,
        private: row.try_get("private")?,
        state: match (state, until) {
            ("next", None) => State::Next,
            ("active", None) => State::Active,
            ("retired", Some(until)) => State::Retired { until },
            _ => return Err(strange(format!("{state} is no state of a key"))),
        },
        since: seconds(row.try_get("since")?)?,
    })
}

fn bytes<const N: usize>(bytes: &[u8]) -> Result<[u8; N], StoreError> {
    bytes.try_into().map_err(|error: std::array::TryFromSliceError| StoreError::Failed(Box::new(error)))
}

/// Unix seconds as a `bigint`: those that do not fit are further away than any end.
fn number(seconds: u64) -> i64 {
    i64::try_from(seconds).unwrap_or(i64::MAX)
}

fn seconds(number: i64) -> Result<u64, StoreError> {
    u64::try_from(number).map_err(strange)
}

fn strange(what: impl Into<Box<dyn std::error::Error + Send + Sync>>) -> StoreError {
    StoreError::Failed(what.into())
}

impl From<Failure> for StoreError {
    fn from(failure: Failure) -> StoreError {
        match failure {
            failure if failure.is_passing() => StoreError::Unavailable(Box::new(failure)),
            failure => StoreError::Failed(Box::new(failure)),
        }
    }
}

impl From<tokio_postgres::Error> for StoreError {
    fn from(error: tokio_postgres::Error) -> StoreError {
        Failure::from(error).into()
    }
}
