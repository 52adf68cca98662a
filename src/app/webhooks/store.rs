//! Owns where webhooks are kept: in memory, or in PostgreSQL.
//!
//! ```text
//!   publish ──one step──> message, and a pending delivery for each endpoint that wants it
//!   claim ──> those that are due, least at work first ──lease──> one node has each ──finish──> delivered, failed, pending again
//!                                                          └ the node dies: the lease ends, another node claims it
//! ```
//!
//! The one idea: a delivery is somebody's for a time, and not for ever. Who claims gets a lease and a fence, a number that
//! rises with each claim; who finishes shows the fence, and if somebody has claimed it since, nothing is written. So a delivery
//! is done at least once, whoever dies, and its state is written by one.
//!
//! Fair: of endpoints that have something due, the one with the least at work is served first, then the one that has waited for
//! longest. An endpoint with hundreds of messages takes no worker from another one that has one, and no room: what is pending
//! is bounded for each, and what comes beyond that is given up there, and nowhere else.
//!
//! Never: sends anything. Invariants: a delivery is claimed by one node at a time; at one host no more are at work than the
//! claim allows, all nodes together; what is pending is bounded.

mod memory;
mod postgres;

use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use jiff::Timestamp;

use crate::app::webhooks::clock::Clock;
use crate::app::webhooks::domain::event::{EventType, Filter};
use crate::app::webhooks::domain::retry::Verdict;
use crate::app::webhooks::domain::signature::Secret;
use crate::app::webhooks::domain::url::EndpointUrl;
use crate::app::webhooks::domain::{Attempt, Delivery, DeliveryId, Endpoint, EndpointId, Message, MessageId, State};
use crate::db::Postgres;
use memory::Memory;

pub use postgres::MIGRATIONS;

/// Attempts that are kept of a delivery: the last ones.
pub const ATTEMPTS_MAX: u32 = 50;

/// Messages that one sweep forgets at most.
pub const SWEPT_MAX: u64 = 1_000;

/// Keeps webhooks. A clone keeps them in the same place.
#[derive(Clone)]
pub struct Store {
    form: Form,
}

#[derive(Clone)]
enum Form {
    Memory(Arc<Memory>),
    Postgres(postgres::Store),
}

/// How much a store keeps.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Bounds {
    /// Endpoints. Default: 1,000. When they are there, registering is refused with 507.
    pub endpoints_max: usize,
    /// Deliveries that are pending. Default: 10,000. When they are there, events are refused with 503. It is exact in memory;
    /// with PostgreSQL all who publish at one moment may pass it together, each by one event.
    pub pending_max: usize,
    /// Those of one endpoint. Default: 500; of one that fails, no more than are free besides. What comes beyond that is written
    /// down as failed, untried, at that endpoint: the event is taken, and the others have it.
    pub pending_at_endpoint_max: usize,
    /// Messages that are kept in memory, with their deliveries. Default: 1,000: the oldest that is finished is forgotten for
    /// a new one.
    pub messages_max: usize,
    /// How long PostgreSQL keeps a message that is finished. Default: 7 days.
    pub retention: Duration,
}

/// What is changed of an endpoint: what is `None` stays.
#[derive(Clone, Debug, Default)]
pub struct Change {
    /// Another place.
    pub url: Option<EndpointUrl>,
    /// Other events.
    pub events: Option<Filter>,
    /// Another description.
    pub description: Option<String>,
    /// Whether anything is sent to it. What is pending is cancelled when it is disabled.
    pub enabled: Option<bool>,
    /// Another secret; the present one signs beside it until this long from now.
    pub secret: Option<(Secret, Duration)>,
}

/// An event that was taken.
#[derive(Clone, Debug)]
pub struct NewMessage {
    /// Its type.
    pub event_type: EventType,
    /// What is sent.
    pub payload: Bytes,
    /// The client's key: the same event is not taken twice under one key.
    pub key: Option<Key>,
}

/// What a client calls its request.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Key {
    /// The key.
    pub text: String,
    /// A hash of what was asked under it.
    pub request: [u8; 32],
}

/// What has become of an event.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Published {
    /// The message.
    pub message: Message,
    /// How many endpoints want it.
    pub deliveries: usize,
    /// At how many of them there was no room for it.
    pub overflowed: usize,
    /// Whether it was made now, and not by an earlier request with the same key.
    pub is_new: bool,
}

/// What may be claimed.
#[derive(Clone, Debug)]
pub struct Claim {
    /// How many at most.
    pub limit: usize,
    /// How many may be at work at one host.
    pub at_host_max: usize,
    /// Hosts at which fewer may be: those with an open circuit.
    pub hosts: Vec<(String, usize)>,
    /// How long they are the claimant's.
    pub lease: Duration,
}

/// A delivery that is to be tried now, with all that takes.
#[derive(Clone, Debug)]
pub struct Claimed {
    /// The delivery.
    pub delivery: DeliveryId,
    /// Rises with each claim of it.
    pub fence: i64,
    /// Attempts before this one, since it was made or replayed.
    pub tries: u32,
    /// Attempts before this one in all.
    pub attempts: u32,
    /// What is sent.
    pub message: Message,
    /// To whom.
    pub endpoint: Endpoint,
}

/// What has come of an attempt that was written down.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Finished {
    /// What the delivery is now: what was cancelled meanwhile stays so.
    pub state: State,
    /// Whether the endpoint was disabled by it.
    pub disabled: bool,
}

/// A delivery with its attempts.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Logged {
    /// The delivery.
    pub delivery: Delivery,
    /// Its last attempts, the oldest first.
    pub attempts: Vec<Attempt>,
}

/// What is yet to be done.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Backlog {
    /// Deliveries that are pending, those at work included.
    pub pending: u64,
    /// Deliveries that are at work, at all nodes.
    pub at_work: u64,
    /// How long the first of them has been due.
    pub oldest: Duration,
}

/// Why a store did not do as asked. The details are for the log.
#[derive(Debug)]
#[non_exhaustive]
pub enum StoreError {
    /// It keeps as many endpoints as it may.
    EndpointsFull,
    /// As many deliveries are pending as may be.
    PendingFull,
    /// Another event was sent under this key.
    KeyReused,
    /// The delivery's endpoint is disabled.
    Disabled,
    /// The endpoint's secret was rotated as often as there is room for those that were replaced.
    Rotated,
    /// It cannot be reached, or did not answer in time.
    Unavailable(Box<dyn std::error::Error + Send + Sync>),
    /// It holds, or says, what it should not.
    Failed(Box<dyn std::error::Error + Send + Sync>),
}

impl Default for Bounds {
    fn default() -> Bounds {
        Bounds {
            endpoints_max: 1_000,
            pending_max: 10_000,
            pending_at_endpoint_max: 500,
            messages_max: 1_000,
            retention: Duration::from_secs(7 * 24 * 3_600),
        }
    }
}

/// Calls the same method of whichever form there is.
macro_rules! either {
    ($self:ident, $name:ident ( $($argument:expr),* )) => {
        match &$self.form {
            Form::Memory(memory) => memory.$name($($argument),*),
            Form::Postgres(postgres) => postgres.$name($($argument),*).await,
        }
    };
}

impl Store {
    /// In memory: gone with the process.
    pub fn memory(bounds: Bounds, clock: Clock) -> Store {
        Store { form: Form::Memory(Arc::new(Memory::new(bounds, clock))) }
    }

    /// In a PostgreSQL that was opened with [`MIGRATIONS`].
    pub fn postgres(bounds: Bounds, database: Postgres) -> Store {
        Store { form: Form::Postgres(postgres::Store::new(bounds, database)) }
    }

    /// Whether what is kept goes with the process.
    pub fn is_memory(&self) -> bool {
        matches!(self.form, Form::Memory(_))
    }

    /// The most bytes that all takes in memory, with payloads of up to `payload_bytes_max`.
    pub fn bytes_max(bounds: &Bounds, payload_bytes_max: u64) -> u64 {
        Memory::bytes_max(bounds, payload_bytes_max)
    }

    /// Registers an endpoint.
    ///
    /// # Errors
    /// [`StoreError::EndpointsFull`]; a store that does not answer.
    pub async fn add(&self, endpoint: &Endpoint) -> Result<(), StoreError> {
        either!(self, add(endpoint))
    }

    /// All endpoints, the oldest first.
    ///
    /// # Errors
    /// A store that does not answer.
    pub async fn endpoints(&self) -> Result<Vec<Endpoint>, StoreError> {
        either!(self, endpoints())
    }

    /// One endpoint.
    ///
    /// # Errors
    /// A store that does not answer.
    pub async fn endpoint(&self, id: EndpointId) -> Result<Option<Endpoint>, StoreError> {
        either!(self, endpoint(id))
    }

    /// Changes an endpoint. As it is then, if it is there.
    ///
    /// # Errors
    /// [`StoreError::Rotated`]; a store that does not answer.
    pub async fn change(&self, id: EndpointId, change: &Change) -> Result<Option<Endpoint>, StoreError> {
        either!(self, change(id, change))
    }

    /// Forgets an endpoint, and all that was sent to it. Whether it was there.
    ///
    /// # Errors
    /// A store that does not answer.
    pub async fn remove(&self, id: EndpointId) -> Result<bool, StoreError> {
        either!(self, remove(id))
    }

    /// Takes an event: a message, and a delivery for each endpoint that wants it now.
    ///
    /// # Errors
    /// [`StoreError::PendingFull`], [`StoreError::KeyReused`]; a store that does not answer: then it may have been taken, and
    /// the same key says.
    pub async fn publish(&self, message: &NewMessage) -> Result<Published, StoreError> {
        either!(self, publish(message))
    }

    /// A message with its deliveries, in the order of their endpoints.
    ///
    /// # Errors
    /// A store that does not answer.
    pub async fn message(&self, id: MessageId) -> Result<Option<(Message, Vec<Logged>)>, StoreError> {
        either!(self, message(id))
    }

    /// The message that was taken last.
    ///
    /// # Errors
    /// A store that does not answer.
    pub async fn latest(&self) -> Result<Option<MessageId>, StoreError> {
        either!(self, latest())
    }

    /// The last deliveries to an endpoint, the newest first; nothing when there is no such endpoint.
    ///
    /// # Errors
    /// A store that does not answer.
    pub async fn deliveries(&self, id: EndpointId, limit: usize) -> Result<Option<Vec<Logged>>, StoreError> {
        either!(self, deliveries(id, limit))
    }

    /// Makes a delivery pending again, whatever it was, with all its tries before it. What an attempt says that is under way is
    /// not written down.
    ///
    /// # Errors
    /// [`StoreError::Disabled`], [`StoreError::PendingFull`]; a store that does not answer.
    pub async fn replay(&self, id: DeliveryId) -> Result<Option<Delivery>, StoreError> {
        either!(self, replay(id))
    }

    /// Takes what is due.
    ///
    /// # Errors
    /// A store that does not answer: then a lease may have begun, and it ends.
    pub async fn claim(&self, claim: &Claim) -> Result<Vec<Claimed>, StoreError> {
        either!(self, claim(claim))
    }

    /// Writes down an attempt and what comes of it; nothing when the delivery is no longer this claimant's. An endpoint that has
    /// failed for `failing_max` is disabled, unless it was silent for a third of that: then it begins anew.
    ///
    /// # Errors
    /// A store that does not answer: then it may have been written, and doing it again changes nothing.
    pub async fn finish(
        &self,
        claimed: &Claimed,
        attempt: &Attempt,
        verdict: Verdict,
        failing_max: Duration,
    ) -> Result<Option<Finished>, StoreError> {
        either!(self, finish(claimed, attempt, verdict, failing_max))
    }

    /// Gives a claimed delivery back untried.
    ///
    /// # Errors
    /// A store that does not answer: then its lease ends by itself.
    pub async fn release(&self, claimed: &Claimed) -> Result<(), StoreError> {
        either!(self, release(claimed))
    }

    /// What is yet to be done.
    ///
    /// # Errors
    /// A store that does not answer.
    pub async fn backlog(&self) -> Result<Backlog, StoreError> {
        either!(self, backlog())
    }

    /// Forgets what is finished and old. How many messages: with [`SWEPT_MAX`] there may be more.
    ///
    /// # Errors
    /// A store that does not answer.
    pub async fn sweep(&self) -> Result<u64, StoreError> {
        either!(self, sweep())
    }
}

impl Bounds {
    /// How many may be pending at an endpoint, where so many more may be pending in all. What has failed gets no more than what
    /// is free: so any number of endpoints that are down leave room to one that is not.
    fn share(&self, is_failing: bool, free: usize) -> usize {
        if is_failing { self.pending_at_endpoint_max.min(free) } else { self.pending_at_endpoint_max }
    }
}

/// Without failing for so long an endpoint does not count as failing since before.
fn silence(failing_max: Duration) -> Duration {
    failing_max / 3
}

/// `time` before `now`, or as early as can be.
fn before(now: Timestamp, time: Duration) -> Timestamp {
    now.checked_sub(time).unwrap_or(Timestamp::MIN)
}

/// `time` after `now`, or as late as can be.
fn after(now: Timestamp, time: Duration) -> Timestamp {
    now.checked_add(time).unwrap_or(Timestamp::MAX)
}

impl fmt::Display for StoreError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            StoreError::EndpointsFull => f.write_str("there is no room for another endpoint"),
            StoreError::PendingFull => f.write_str("as many deliveries are pending as may be"),
            StoreError::KeyReused => f.write_str("another event was sent under this key"),
            StoreError::Disabled => f.write_str("the endpoint is disabled"),
            StoreError::Rotated => {
                f.write_str("as many secrets as may be sign for the endpoint: wait until one does no more")
            }
            StoreError::Unavailable(error) => write!(f, "the webhooks cannot be reached: {error}"),
            StoreError::Failed(error) => write!(f, "the webhooks cannot be read: {error}"),
        }
    }
}

impl std::error::Error for StoreError {}
