//! Owns webhooks in PostgreSQL: four tables, and every statement on them.
//!
//! The one idea: the database's clock is the only one. When a delivery is due, when a lease ends and what came first is judged
//! by `clock_timestamp()`, so nodes whose clocks differ agree.
//!
//! A claim costs as much as there are endpoints, however much is pending: of each it reads the beginning of an index. Rows that
//! another node is claiming are skipped, not waited for, and looked at again once they are locked.
//!
//! Never: reads a row and writes it back, but under a lock.

mod statements;

use std::collections::HashMap;
use std::time::Duration;

use bytes::Bytes;
use jiff::Timestamp;
use tokio_postgres::Row;
use uuid::Uuid;

use super::{
    ATTEMPTS_MAX, Backlog, Bounds, Change, Claim, Claimed, Finished, Key, Logged, NewMessage, Published, SWEPT_MAX,
    StoreError, silence,
};
use crate::app::webhooks::domain::event::{EventType, Filter};
use crate::app::webhooks::domain::id::Id;
use crate::app::webhooks::domain::retry::Verdict;
use crate::app::webhooks::domain::signature::Secret;
use crate::app::webhooks::domain::url::{EndpointUrl, Reach};
use crate::app::webhooks::domain::{
    Attempt, Delivery, DeliveryId, Disabled, Endpoint, EndpointId, Message, MessageId, PREVIOUS_MAX, Previous, State,
};
use crate::db::postgres::{Client, Transaction};
use crate::db::{Failure, Migration, Postgres};
use statements::*;

/// The shape that the database needs.
pub const MIGRATIONS: &[Migration] = &[Migration {
    name: "webhooks/0001_webhooks",
    sql: include_str!("../migrations/0001_webhooks.sql"),
    down: Some(include_str!("../migrations/0001_webhooks.down.sql")),
}];

/// The lock of the endpoints' number: `webhooks` in ASCII.
const ENDPOINTS_LOCK: i64 = i64::from_be_bytes(*b"webhooks");

/// The lock of those who claim: `webclaim` in ASCII.
const CLAIM_LOCK: i64 = i64::from_be_bytes(*b"webclaim");

#[derive(Clone)]
pub(super) struct Store {
    bounds: Bounds,
    database: Postgres,
}

impl Store {
    pub(super) fn new(bounds: Bounds, database: Postgres) -> Store {
        Store { bounds, database }
    }

    pub(super) async fn add(&self, endpoint: &Endpoint) -> Result<(), StoreError> {
        let Endpoint { id, url, events, description, secret, created_at, .. } = endpoint;
        let (url, host, events, max) =
            (url.to_string(), url.host(), events.patterns(), count(self.bounds.endpoints_max));
        let mut client = self.client().await?;
        let mut transaction = client.transaction().await?;
        // Of many who register at once each has to see the others.
        transaction.execute("SELECT pg_advisory_xact_lock($1)", &[&ENDPOINTS_LOCK]).await?;
        let added = transaction
            .execute(ADD, &[&id.uuid(), &url, &host, &events, description, &secret.bytes(), created_at, &max])
            .await?;
        transaction.commit().await?;
        if added == 1 { Ok(()) } else { Err(StoreError::EndpointsFull) }
    }

    pub(super) async fn endpoints(&self) -> Result<Vec<Endpoint>, StoreError> {
        let rows = self.client().await?.query(ENDPOINTS, &[]).await?;
        Ok(rows.iter().filter_map(|row| readable("endpoint", row, endpoint(row))).collect())
    }

    pub(super) async fn endpoint(&self, id: EndpointId) -> Result<Option<Endpoint>, StoreError> {
        let row = self.client().await?.query_opt(ENDPOINT, &[&id.uuid()]).await?;
        row.as_ref().map(endpoint).transpose()
    }

    pub(super) async fn change(&self, id: EndpointId, change: &Change) -> Result<Option<Endpoint>, StoreError> {
        let (url, host) = (change.url.as_ref().map(EndpointUrl::to_string), change.url.as_ref().map(EndpointUrl::host));
        let events = change.events.as_ref().map(Filter::patterns);
        let secret = change.secret.as_ref().map(|(secret, _)| secret.bytes());
        let overlap = change.secret.as_ref().map(|(_, overlap)| overlap.as_secs_f64());
        let mut client = self.client().await?;
        let mut transaction = client.transaction().await?;
        let row = transaction
            .query_opt(
                CHANGE,
                &[
                    &id.uuid(),
                    &url,
                    &host,
                    &events,
                    &change.description,
                    &secret,
                    &overlap,
                    &change.enabled,
                    &count(PREVIOUS_MAX),
                ],
            )
            .await?;
        if row.is_none() && secret.is_some() && transaction.query_opt(ENDPOINT, &[&id.uuid()]).await?.is_some() {
            return Err(StoreError::Rotated);
        }
        if change.enabled == Some(false) {
            transaction.execute(CANCEL, &[&id.uuid()]).await?;
        }
        transaction.commit().await?;
        row.as_ref().map(endpoint).transpose()
    }

    pub(super) async fn remove(&self, id: EndpointId) -> Result<bool, StoreError> {
        Ok(self.client().await?.execute(REMOVE, &[&id.uuid()]).await? == 1)
    }

    pub(super) async fn publish(&self, new: &NewMessage) -> Result<Published, StoreError> {
        let mut client = self.client().await?;
        let mut transaction = client.transaction().await?;
        let published = self.publish_in(&mut transaction, new).await?;
        transaction.commit().await?;
        Ok(published)
    }

    async fn publish_in(&self, transaction: &mut Transaction<'_>, new: &NewMessage) -> Result<Published, StoreError> {
        let (id, payload) = (MessageId::new(Timestamp::now()), std::str::from_utf8(&new.payload).map_err(failed)?);
        let (key, request) = new.key.as_ref().map(|Key { text, request }| (text, &request[..])).unzip();
        // The key first: who comes second with it waits here for the first, and then finds it.
        let added = transaction
            .query_opt(ADD_MESSAGE, &[&id.uuid(), &new.event_type.as_str(), &payload, &key, &request])
            .await?;
        let Some(row) = added else { return earlier(transaction, new).await };
        let wanting = wanting(transaction, &new.event_type).await?;
        let (at_endpoint, pending) = pending(transaction).await?;
        let free = self.bounds.pending_max.saturating_sub(pending + wanting.len());
        let has_room = |(endpoint, is_failing): &(Uuid, bool)| {
            at_endpoint.get(endpoint).copied().unwrap_or_default() < self.bounds.share(*is_failing, free)
        };
        let (taking, full): (Vec<_>, Vec<_>) = wanting.into_iter().partition(has_room);
        if pending + taking.len() > self.bounds.pending_max {
            return Err(StoreError::PendingFull);
        }
        for (statement, endpoints) in [(ADD_DELIVERIES, &taking), (ADD_FAILED, &full)] {
            let ids: Vec<Uuid> = endpoints.iter().map(|_| DeliveryId::new(Timestamp::now()).uuid()).collect();
            let endpoints: Vec<Uuid> = endpoints.iter().map(|(endpoint, _)| *endpoint).collect();
            if !ids.is_empty() {
                transaction.execute(statement, &[&id.uuid(), &ids, &endpoints]).await?;
            }
        }
        let message = Message {
            id,
            event_type: new.event_type.clone(),
            payload: new.payload.clone(),
            created_at: row.try_get("created_at")?,
        };
        let (deliveries, overflowed) = (taking.len() + full.len(), full.len());
        Ok(Published { message, deliveries, overflowed, is_new: true })
    }

    pub(super) async fn message(&self, id: MessageId) -> Result<Option<(Message, Vec<Logged>)>, StoreError> {
        let mut client = self.client().await?;
        let Some(row) = client.query_opt(MESSAGE, &[&id.uuid()]).await? else { return Ok(None) };
        let rows = client.query(OF_MESSAGE, &[&id.uuid()]).await?;
        Ok(Some((message(&row)?, logged(&mut client, &rows).await?)))
    }

    pub(super) async fn latest(&self) -> Result<Option<MessageId>, StoreError> {
        let row = self.client().await?.query_opt(LATEST, &[]).await?;
        row.map(|row| Ok(Id::of_uuid(row.try_get(0)?))).transpose()
    }

    pub(super) async fn deliveries(&self, id: EndpointId, limit: usize) -> Result<Option<Vec<Logged>>, StoreError> {
        let mut client = self.client().await?;
        if client.query_opt(ENDPOINT, &[&id.uuid()]).await?.is_none() {
            return Ok(None);
        }
        let rows = client.query(OF_ENDPOINT, &[&id.uuid(), &count(limit)]).await?;
        logged(&mut client, &rows).await.map(Some)
    }

    pub(super) async fn replay(&self, id: DeliveryId) -> Result<Option<Delivery>, StoreError> {
        let mut client = self.client().await?;
        let mut transaction = client.transaction().await?;
        let Some(row) = transaction.query_opt(REPLAYED, &[&id.uuid()]).await? else { return Ok(None) };
        if row.try_get("is_disabled")? {
            return Err(StoreError::Disabled);
        }
        let (at_endpoint, pending) = pending(&mut transaction).await?;
        let at_endpoint = at_endpoint.get(&row.try_get("endpoint_id")?).copied().unwrap_or_default();
        let is_full = pending >= self.bounds.pending_max || at_endpoint >= self.bounds.pending_at_endpoint_max;
        if is_full && row.try_get::<_, &str>("state")? != State::Pending.name() {
            return Err(StoreError::PendingFull);
        }
        let row = transaction.query_opt(REPLAY, &[&id.uuid()]).await?;
        transaction.commit().await?;
        row.map(|row| delivery(&row, None)).transpose()
    }

    pub(super) async fn claim(&self, claim: &Claim) -> Result<Vec<Claimed>, StoreError> {
        let (hosts, most): (Vec<&str>, Vec<i64>) =
            claim.hosts.iter().map(|(host, most)| (&**host, count(*most))).unzip();
        let (limit, at_host_max, lease) = (count(claim.limit), count(claim.at_host_max), claim.lease.as_secs_f64());
        let mut client = self.client().await?;
        let mut transaction = client.transaction().await?;
        // Two who count at once what is at work at a host would not see what the other one takes.
        transaction.execute("SELECT pg_advisory_xact_lock($1)", &[&CLAIM_LOCK]).await?;
        let mut rows = transaction.query(CLAIM, &[&limit, &at_host_max, &hosts, &most, &lease]).await?;
        transaction.commit().await?;
        if rows.is_empty() {
            return Ok(Vec::new());
        }
        // An UPDATE returns rows in any order.
        let order =
            |row: &Row| (row.get::<_, i64>("place"), row.get::<_, Timestamp>("due_at"), row.get::<_, Uuid>("id"));
        rows.sort_by_key(order);
        let ids = |column: &str| rows.iter().map(|row| row.try_get::<_, Uuid>(column)).collect::<Result<Vec<_>, _>>();
        let endpoints = client.query(ENDPOINTS_OF, &[&ids("endpoint_id")?]).await?;
        let messages = client.query(MESSAGES_OF, &[&ids("message_id")?]).await?;
        let mut all = Vec::new();
        for row in &rows {
            match claimed(row, &endpoints, &messages) {
                Ok(claimed) => all.extend(claimed),
                Err(error) => {
                    tracing::error!(%error, "a delivery cannot be read: it is given up");
                    let (id, fence): (Uuid, i64) = (row.try_get("id")?, row.try_get("fence")?);
                    client.execute(UNREADABLE, &[&id, &fence]).await?;
                }
            }
        }
        Ok(all)
    }

    pub(super) async fn finish(
        &self,
        claimed: &Claimed,
        attempt: &Attempt,
        verdict: Verdict,
        failing_max: Duration,
    ) -> Result<Option<Finished>, StoreError> {
        let (state, wait) = match verdict {
            Verdict::Delivered => (State::Delivered, 0.0),
            Verdict::Gone | Verdict::GivenUp => (State::Failed, 0.0),
            Verdict::Again(wait) => (State::Pending, wait.as_secs_f64()),
        };
        let (id, number) = (claimed.delivery.uuid(), signed(attempt.number));
        let mut client = self.client().await?;
        let mut transaction = client.transaction().await?;
        // The endpoint before its deliveries: so do all who disable one. What is not ours is not committed.
        let endpoint = claimed.endpoint.id.uuid();
        let lock = if verdict == Verdict::Delivered { WELL } else { LOCK_ENDPOINT };
        transaction.execute(lock, &[&endpoint]).await?;
        let finished = transaction.query_opt(FINISH, &[&id, &claimed.fence, &number, &state.name(), &wait]).await?;
        let Some(row) = finished else { return Ok(None) };
        let (status, latency) = (attempt.status.map(i32::from), signed(attempt.latency_ms));
        transaction.execute(ADD_ATTEMPT, &[&id, &number, &attempt.at, &status, &latency, &attempt.error]).await?;
        if attempt.number > ATTEMPTS_MAX {
            transaction.execute(FORGET_ATTEMPT, &[&id, &signed(attempt.number - ATTEMPTS_MAX)]).await?;
        }
        let disabled = judge(&mut transaction, endpoint, verdict, failing_max).await?;
        transaction.commit().await?;
        let state = state_of(&row)?;
        let is_cancelled = disabled && state == State::Pending;
        Ok(Some(Finished { state: if is_cancelled { State::Cancelled } else { state }, disabled }))
    }

    pub(super) async fn release(&self, claimed: &Claimed) -> Result<(), StoreError> {
        self.client().await?.execute(RELEASE, &[&claimed.delivery.uuid(), &claimed.fence]).await?;
        Ok(())
    }

    pub(super) async fn backlog(&self) -> Result<Backlog, StoreError> {
        let row = self.client().await?.query_opt(BACKLOG, &[]).await?.ok_or_else(|| strange("nothing is counted"))?;
        let number = |column: usize| Ok::<_, StoreError>(u64::try_from(row.try_get::<_, i64>(column)?).unwrap_or(0));
        let oldest = Duration::try_from_secs_f64(row.try_get(2)?).unwrap_or_default();
        Ok(Backlog { pending: number(0)?, at_work: number(1)?, oldest })
    }

    pub(super) async fn sweep(&self) -> Result<u64, StoreError> {
        let retention = self.bounds.retention.as_secs_f64();
        let swept_max = i64::try_from(SWEPT_MAX).unwrap_or(i64::MAX);
        Ok(self.client().await?.execute(SWEEP, &[&retention, &swept_max]).await?)
    }

    async fn client(&self) -> Result<Client, StoreError> {
        Ok(self.database.client().await?)
    }
}

/// Who wants such an event, and whether all has failed there lately.
async fn wanting(transaction: &mut Transaction<'_>, event_type: &EventType) -> Result<Vec<(Uuid, bool)>, StoreError> {
    let mut wanting = Vec::new();
    for row in transaction.query(WANTING, &[]).await? {
        let events: Vec<String> = row.try_get("events")?;
        let filter = readable("endpoint", &row, Filter::parse(&events).map_err(failed));
        if filter.is_some_and(|filter| filter.wants(event_type)) {
            wanting.push((row.try_get("id")?, row.try_get("is_failing")?));
        }
    }
    Ok(wanting)
}

/// How many are pending at each endpoint, and in all.
async fn pending(transaction: &mut Transaction<'_>) -> Result<(HashMap<Uuid, usize>, usize), StoreError> {
    let rows = transaction.query(PENDING, &[]).await?;
    let counted = rows.iter().map(|row| {
        let count = usize::try_from(row.try_get::<_, i64>(1)?).unwrap_or(usize::MAX);
        Ok((row.try_get(0)?, count))
    });
    let at_endpoint = counted.collect::<Result<HashMap<Uuid, usize>, StoreError>>()?;
    let all = at_endpoint.values().sum();
    Ok((at_endpoint, all))
}

/// One row that somebody else has written does not keep the others from being read.
fn readable<T>(what: &str, row: &Row, read: Result<T, StoreError>) -> Option<T> {
    let id = row.try_get::<_, Uuid>("id").unwrap_or_default();
    read.inspect_err(|error| tracing::error!(%error, %id, what, "a row cannot be read: it is passed over")).ok()
}

/// What was made by an earlier request with this key.
async fn earlier(transaction: &mut Transaction<'_>, new: &NewMessage) -> Result<Published, StoreError> {
    let Some(Key { text, request }) = &new.key else { return Err(strange("a message without a key was there")) };
    let row = transaction.query_opt(EARLIER, &[text]).await?.ok_or_else(|| strange("a key has vanished"))?;
    if row.try_get::<_, &[u8]>("request")? != request {
        return Err(StoreError::KeyReused);
    }
    let deliveries = usize::try_from(row.try_get::<_, i64>("deliveries")?).map_err(failed)?;
    Ok(Published { message: message(&row)?, deliveries, overflowed: 0, is_new: false })
}

/// What an attempt means for its endpoint. Whether it was disabled.
async fn judge(
    transaction: &mut Transaction<'_>,
    endpoint: Uuid,
    verdict: Verdict,
    failing_max: Duration,
) -> Result<bool, StoreError> {
    let why = match verdict {
        Verdict::Delivered => return Ok(false),
        Verdict::Gone => Disabled::Gone,
        Verdict::Again(_) | Verdict::GivenUp => Disabled::Failing,
    };
    transaction.execute(ILL, &[&endpoint, &silence(failing_max).as_secs_f64()]).await?;
    let disabled = transaction.execute(DISABLE, &[&endpoint, &why.name(), &failing_max.as_secs_f64()]).await? == 1;
    if disabled {
        transaction.execute(CANCEL, &[&endpoint]).await?;
    }
    Ok(disabled)
}

async fn logged(client: &mut Client, rows: &[Row]) -> Result<Vec<Logged>, StoreError> {
    let ids = rows.iter().map(|row| row.try_get::<_, Uuid>("id")).collect::<Result<Vec<_>, _>>()?;
    let mut attempts: HashMap<Uuid, Vec<Attempt>> = HashMap::new();
    for row in client.query(ATTEMPTS, &[&ids]).await? {
        attempts.entry(row.try_get("delivery_id")?).or_default().push(attempt(&row)?);
    }
    let logged = ids.iter().zip(rows).map(|(id, row)| {
        let attempts = attempts.remove(id).unwrap_or_default();
        Ok(Logged { delivery: delivery(row, attempts.last().cloned())?, attempts })
    });
    logged.collect()
}

fn claimed(row: &Row, endpoints: &[Row], messages: &[Row]) -> Result<Option<Claimed>, StoreError> {
    let named = |rows: &'_ [Row], column: &str| -> Result<Option<usize>, StoreError> {
        let id: Uuid = row.try_get(column)?;
        Ok(rows.iter().position(|row| row.get::<_, Uuid>("id") == id))
    };
    // Removed in this moment: then there is nothing to be done.
    let Some((at, of)) = named(endpoints, "endpoint_id")?.zip(named(messages, "message_id")?) else { return Ok(None) };
    Ok(Some(Claimed {
        delivery: Id::of_uuid(row.try_get("id")?),
        fence: row.try_get("fence")?,
        tries: unsigned(row, "tries")?,
        attempts: unsigned(row, "attempts")?,
        message: message(&messages[of])?,
        endpoint: endpoint(&endpoints[at])?,
    }))
}

/// What a row says. Somebody else may write into the table, so nothing is taken for granted; but an address that may not be
/// dialled is for the connection to refuse.
fn endpoint(row: &Row) -> Result<Endpoint, StoreError> {
    let (url, disabled): (&str, Option<&str>) = (row.try_get("url")?, row.try_get("disabled")?);
    let events: Vec<String> = row.try_get("events")?;
    let secret = Secret::of_bytes(row.try_get("secret")?).map_err(failed)?;
    let (secrets, untils): (Vec<&[u8]>, Vec<Timestamp>) =
        (row.try_get("previous_secrets")?, row.try_get("previous_untils")?);
    let previous = secrets.into_iter().zip(untils);
    let previous =
        previous.map(|(secret, until)| Ok(Previous { secret: Secret::of_bytes(secret).map_err(failed)?, until }));
    Ok(Endpoint {
        id: Id::of_uuid(row.try_get("id")?),
        url: EndpointUrl::parse(url, Reach::Anywhere).map_err(failed)?,
        events: Filter::parse(&events).map_err(failed)?,
        description: row.try_get("description")?,
        secret,
        previous: previous.collect::<Result<_, StoreError>>()?,
        disabled: disabled.and_then(Disabled::named),
        failing_since: row.try_get("failing_since")?,
        failed_at: row.try_get("failed_at")?,
        created_at: row.try_get("created_at")?,
    })
}

fn message(row: &Row) -> Result<Message, StoreError> {
    Ok(Message {
        id: Id::of_uuid(row.try_get("id")?),
        event_type: EventType::parse(row.try_get("event_type")?).map_err(failed)?,
        payload: Bytes::from(row.try_get::<_, String>("payload")?),
        created_at: row.try_get("created_at")?,
    })
}

fn delivery(row: &Row, last: Option<Attempt>) -> Result<Delivery, StoreError> {
    Ok(Delivery {
        id: Id::of_uuid(row.try_get("id")?),
        message: Id::of_uuid(row.try_get("message_id")?),
        endpoint: Id::of_uuid(row.try_get("endpoint_id")?),
        state: state_of(row)?,
        tries: unsigned(row, "tries")?,
        next_at: row.try_get("next_at")?,
        finished_at: row.try_get("finished_at")?,
        last,
    })
}

fn state_of(row: &Row) -> Result<State, StoreError> {
    let state: &str = row.try_get("state")?;
    State::named(state).ok_or_else(|| strange(format!("{state} is no state of a delivery")))
}

fn attempt(row: &Row) -> Result<Attempt, StoreError> {
    let status = row.try_get::<_, Option<i32>>("status")?.map(u16::try_from).transpose().map_err(failed)?;
    Ok(Attempt {
        number: unsigned(row, "number")?,
        at: row.try_get("at")?,
        status,
        latency_ms: unsigned(row, "latency_ms")?,
        error: row.try_get("error")?,
    })
}

fn unsigned(row: &Row, column: &str) -> Result<u32, StoreError> {
    u32::try_from(row.try_get::<_, i32>(column)?).map_err(failed)
}

/// A count that does not fit is further away than any bound.
fn signed(number: u32) -> i32 {
    i32::try_from(number).unwrap_or(i32::MAX)
}

fn count(number: usize) -> i64 {
    i64::try_from(number).unwrap_or(i64::MAX)
}

fn failed(error: impl std::error::Error + Send + Sync + 'static) -> StoreError {
    StoreError::Failed(Box::new(error))
}

fn strange(what: impl Into<Box<dyn std::error::Error + Send + Sync>>) -> StoreError {
    StoreError::Failed(what.into())
}

impl From<Failure> for StoreError {
    fn from(failure: Failure) -> StoreError {
        // Nobody is to blame who asks, and he may come again.
        if failure.is_passing() {
            return StoreError::Unavailable(Box::new(failure));
        }
        StoreError::Failed(Box::new(failure))
    }
}

impl From<tokio_postgres::Error> for StoreError {
    fn from(error: tokio_postgres::Error) -> StoreError {
        Failure::from(error).into()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_passes_is_answered_as_such() {
        for failure in [Failure::TimedOut, Failure::Serialization] {
            assert!(matches!(StoreError::from(failure), StoreError::Unavailable(_)));
        }
        let wrong = Failure::Check { constraint: "none".to_owned() };
        assert!(matches!(StoreError::from(wrong), StoreError::Failed(_)));
    }
}
