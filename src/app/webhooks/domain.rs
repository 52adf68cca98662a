//! Owns what webhooks are made of: endpoints, messages, deliveries and their attempts.
//!
//! ```text
//!   Message ──1:n──> Delivery ──1:n──> Attempt          a message is one event; a delivery is one message for one endpoint;
//!                       │                               an attempt is one POST
//!   Endpoint ──1:n──────┘
//!
//!   Delivery:  pending ──2xx──> delivered            replay leads back to pending, from wherever
//!                 │ └── tries_max, 410, no room at its endpoint ──> failed
//!                 └──── endpoint disabled ──> cancelled
//! ```
//!
//! Never: keeps a byte of what a receiver answered: whoever registers endpoints could read other machines by it.

pub mod event;
pub mod id;
pub mod retry;
pub mod signature;
pub mod url;

use bytes::Bytes;
use jiff::Timestamp;
use serde::Serialize;

use event::{EventType, Filter};
pub use id::{DeliveryId, EndpointId, MessageId};
use signature::Secret;
use url::EndpointUrl;

/// Characters of a description.
pub const DESCRIPTION_CHARS_MAX: usize = 200;

/// Characters that are kept of what went wrong in an attempt.
pub const ERROR_CHARS_MAX: usize = 200;

/// Secrets that sign beside the present one: as often can a secret be rotated within `overlap`, by who has lost an answer say.
pub const PREVIOUS_MAX: usize = 3;

/// Characters of an `Idempotency-Key`.
pub const KEY_CHARS_MAX: usize = 128;

/// Where messages go.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Endpoint {
    /// Its name.
    pub id: EndpointId,
    /// Where it is.
    pub url: EndpointUrl,
    /// What it wants.
    pub events: Filter,
    /// What it is for, in its owner's words.
    pub description: String,
    /// What signs for it.
    pub secret: Secret,
    /// What signs beside that for a while, since the secret was rotated: the latest first, at most [`PREVIOUS_MAX`].
    pub previous: Vec<Previous>,
    /// Why nothing is sent to it; `None` while it is.
    pub disabled: Option<Disabled>,
    /// Since when every attempt has failed, with no long silence between two of them.
    pub failing_since: Option<Timestamp>,
    /// When the last of those failed.
    pub failed_at: Option<Timestamp>,
    /// When it was registered.
    pub created_at: Timestamp,
}

/// A secret that was replaced.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Previous {
    /// The secret.
    pub secret: Secret,
    /// When it signs no more.
    pub until: Timestamp,
}

/// Why nothing is sent to an endpoint.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Disabled {
    /// Its owner wants it so.
    ByOwner,
    /// It has answered 410.
    Gone,
    /// It has failed for too long.
    Failing,
}

/// An event, as it is sent.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Message {
    /// Its name: `webhook-id`, the same in every attempt.
    pub id: MessageId,
    /// Its type.
    #[serde(rename = "type")]
    pub event_type: EventType,
    /// The content that is sent, byte for byte, in every attempt.
    #[serde(skip)]
    pub payload: Bytes,
    /// When it was taken.
    pub created_at: Timestamp,
}

/// A message on its way to one endpoint.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Delivery {
    /// Its name.
    pub id: DeliveryId,
    /// What is delivered.
    pub message: MessageId,
    /// To whom.
    pub endpoint: EndpointId,
    /// How far it is.
    pub state: State,
    /// Attempts since it was made, or replayed: what counts against `tries_max`.
    pub tries: u32,
    /// When it is tried next. For pending ones only.
    pub next_at: Option<Timestamp>,
    /// When it was delivered or given up.
    pub finished_at: Option<Timestamp>,
    /// The last attempt.
    pub last: Option<Attempt>,
}

/// How far a delivery is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum State {
    /// It will be tried.
    Pending,
    /// The endpoint has taken it.
    Delivered,
    /// It was tried as often as may be, or the endpoint is gone; or it was not tried, since so many were pending there already.
    Failed,
    /// Its endpoint was disabled first.
    Cancelled,
}

/// One POST.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Attempt {
    /// From 1, replays included.
    pub number: u32,
    /// When it began.
    pub at: Timestamp,
    /// The status of the answer, if there was one.
    pub status: Option<u16>,
    /// How long it took.
    pub latency_ms: u32,
    /// Why there was no answer.
    pub error: Option<String>,
}

impl Endpoint {
    /// One that is registered at `now`.
    pub fn new(now: Timestamp, url: EndpointUrl, events: Filter, description: String, secret: Secret) -> Endpoint {
        Endpoint {
            id: EndpointId::new(now),
            url,
            events,
            description,
            secret,
            previous: Vec::new(),
            disabled: None,
            failing_since: None,
            failed_at: None,
            created_at: now,
        }
    }

    /// The secrets that sign at `now`: the present one first.
    pub fn secrets(&self, now: Timestamp) -> Vec<&Secret> {
        let previous = self.previous.iter().filter(|previous| now < previous.until).map(|previous| &previous.secret);
        std::iter::once(&self.secret).chain(previous).collect()
    }
}

impl Disabled {
    const ALL: [Disabled; 3] = [Disabled::ByOwner, Disabled::Gone, Disabled::Failing];

    /// Its name in a store.
    pub fn name(self) -> &'static str {
        match self {
            Disabled::ByOwner => "by_owner",
            Disabled::Gone => "gone",
            Disabled::Failing => "failing",
        }
    }

    /// The one of this name.
    pub fn named(name: &str) -> Option<Disabled> {
        Disabled::ALL.into_iter().find(|why| why.name() == name)
    }
}

impl State {
    const ALL: [State; 4] = [State::Pending, State::Delivered, State::Failed, State::Cancelled];

    /// Its name in a store.
    pub fn name(self) -> &'static str {
        match self {
            State::Pending => "pending",
            State::Delivered => "delivered",
            State::Failed => "failed",
            State::Cancelled => "cancelled",
        }
    }

    /// The one of this name.
    pub fn named(name: &str) -> Option<State> {
        State::ALL.into_iter().find(|state| state.name() == name)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_lead_back_to_what_they_name() {
        assert!(State::ALL.into_iter().all(|state| State::named(state.name()) == Some(state)));
        assert!(Disabled::ALL.into_iter().all(|why| Disabled::named(why.name()) == Some(why)));
        assert_eq!((State::named("done"), Disabled::named("")), (None, None));
    }
}
