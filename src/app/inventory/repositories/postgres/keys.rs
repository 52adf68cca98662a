//! Owns keys and their answers in PostgreSQL.
//!
//! The one idea: a key is claimed by a lock that goes with the transaction, and completed by a row that comes with it. A process
//! that dies has neither; nobody waits for a key that is at work, he is told so.

use serde::Serialize;
use serde::de::DeserializeOwned;
use serde_json::Value;

use super::strange;
use crate::app::inventory::domain::Claim;
use crate::app::inventory::error::Error;
use crate::db::postgres::{Client, Transaction};

/// Keys that have ended and are forgotten when one is claimed: twice as many as come.
const FORGOTTEN_MAX: i64 = 2;

/// Another key may have the same number: then one of the two is told to come again.
const LOCK: &str = "SELECT pg_try_advisory_xact_lock(hashtextextended($1 || ' ' || $2, 7))";

/// A statement of its own, behind the lock: it sees what whoever had the lock before has committed.
const LOOK: &str =
    "SELECT content, answer FROM inventory_keys WHERE route = $1 AND key = $2 AND expires_at > statement_timestamp()";

const KEEP: &str = "INSERT INTO inventory_keys (route, key, content, answer, expires_at)
    VALUES ($1, $2, $3, $4, statement_timestamp() + $5 * interval '1 millisecond')
    ON CONFLICT (route, key) DO UPDATE
    SET content = excluded.content, answer = excluded.answer, expires_at = excluded.expires_at";

/// Those that somebody else is at are left to him.
const FORGET: &str = "DELETE FROM inventory_keys WHERE (route, key) IN
    (SELECT route, key FROM inventory_keys WHERE expires_at <= statement_timestamp()
     ORDER BY expires_at LIMIT $1 FOR UPDATE SKIP LOCKED)";

/// Forgets keys that have ended, before one is claimed and outside of its transaction: it holds nobody up.
pub(super) async fn forget(client: &mut Client) -> Result<(), Error> {
    client.execute(FORGET, &[&FORGOTTEN_MAX]).await?;
    Ok(())
}

/// Claims a key for this transaction; or finds the answer that was kept for it.
pub(super) async fn claim<T: DeserializeOwned>(
    transaction: &mut Transaction<'_>,
    claim: &Claim,
) -> Result<Option<T>, Error> {
    let (route, key) = (claim.route, claim.key.text());
    let locked = transaction.query_opt(LOCK, &[&route, &key]).await?.ok_or_else(|| strange("no lock was tried"))?;
    if !locked.try_get::<_, bool>(0)? {
        return Err(Error::KeyAtWork);
    }
    let Some(row) = transaction.query_opt(LOOK, &[&route, &key]).await? else { return Ok(None) };
    let content: Vec<u8> = row.try_get(0)?;
    if content != claim.content {
        return Err(Error::KeyReused);
    }
    let answer: Value = row.try_get(1)?;
    serde_json::from_value(answer).map(Some).map_err(|error| Error::Failed(Box::new(error)))
}

/// Keeps `answer` with what the transaction changes.
pub(super) async fn keep(
    transaction: &mut Transaction<'_>,
    claim: &Claim,
    answer: &impl Serialize,
) -> Result<(), Error> {
    let answer = serde_json::to_value(answer).map_err(|error| Error::Failed(Box::new(error)))?;
    let ttl_ms = claim.ttl.as_millis() as f64;
    let (route, key, content) = (claim.route, claim.key.text(), &claim.content[..]);
    transaction.execute(KEEP, &[&route, &key, &content, &answer, &ttl_ms]).await?;
    Ok(())
}
