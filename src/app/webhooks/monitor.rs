//! Owns what is seen of the work while it is done: who is at what, and what has just become of it.
//!
//! ```text
//!   workers ──begin, end──> Monitor ──Change──> broadcast, CHANGES_MAX ──> a watcher: one SSE stream each
//!                              └──────snapshot─────────────────────────────────^ first
//! ```
//!
//! The one idea: nobody who works waits for anybody who looks. A watcher that is too slow loses changes, is told so, and begins
//! again with a snapshot.
//!
//! Never: knows of the work of other nodes.

use std::sync::{Arc, Mutex};

use serde::Serialize;
use tokio::sync::broadcast;

use crate::app::webhooks::domain::{Attempt, DeliveryId, EndpointId, MessageId, State};
use crate::app::webhooks::store::{Claimed, Published};
use crate::net::lock::lock;

/// Changes that a watcher may be behind.
pub(super) const CHANGES_MAX: usize = 1_024;

/// Hosts that are shown.
pub(super) const CIRCUITS_MAX: usize = 50;

/// What a worker is at.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub(super) struct Work {
    pub(super) delivery: DeliveryId,
    pub(super) message: MessageId,
    pub(super) endpoint: EndpointId,
    pub(super) url: String,
    /// From 1.
    pub(super) attempt: u32,
}

/// A host that is left alone, or probed.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize)]
pub(super) struct Circuit {
    pub(super) host: String,
    pub(super) state: &'static str,
    /// For how long it is left alone, as of when this was told.
    pub(super) retry_in_ms: Option<u64>,
    /// How often it was, in all.
    pub(super) opened: u64,
}

/// What has happened.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[serde(tag = "is", rename_all = "snake_case")]
pub(super) enum Change {
    /// A worker has begun, or is free.
    Worker { number: usize, work: Option<Work> },
    /// An attempt was made.
    Delivery {
        delivery: DeliveryId,
        message: MessageId,
        endpoint: EndpointId,
        state: State,
        attempt: Attempt,
        next_in_ms: Option<u64>,
        /// Whether its endpoint was disabled by it.
        disabled: bool,
    },
    /// A host is left alone, or is so no longer: all of them, at most [`CIRCUITS_MAX`].
    Circuits { circuits: Vec<Circuit> },
    /// An event was taken.
    Message { message: MessageId, deliveries: usize },
}

/// As of the last change.
struct Seen {
    workers: Vec<Option<Work>>,
    circuits: Vec<Circuit>,
}

#[derive(Clone)]
pub(super) struct Monitor {
    seen: Arc<Mutex<Seen>>,
    changes: broadcast::Sender<Arc<Change>>,
}

impl Monitor {
    pub(super) fn new(workers: usize) -> Monitor {
        let seen = Seen { workers: vec![None; workers], circuits: Vec::new() };
        Monitor { seen: Arc::new(Mutex::new(seen)), changes: broadcast::channel(CHANGES_MAX).0 }
    }

    pub(super) fn begin(&self, number: usize, claimed: &Claimed) {
        let work = Work {
            delivery: claimed.delivery,
            message: claimed.message.id,
            endpoint: claimed.endpoint.id,
            url: claimed.endpoint.url.to_string(),
            attempt: claimed.attempts + 1,
        };
        self.set(number, Some(work));
    }

    pub(super) fn end(&self, number: usize) {
        self.set(number, None);
    }

    pub(super) fn published(&self, published: &Published) {
        self.tell(Change::Message { message: published.message.id, deliveries: published.deliveries });
    }

    pub(super) fn tell(&self, change: Change) {
        // Nobody may be looking.
        let _ = self.changes.send(Arc::new(change));
    }

    /// Which hosts are left alone now, in any order.
    pub(super) fn circuits(&self, mut circuits: Vec<Circuit>) {
        circuits.sort_unstable();
        circuits.truncate(CIRCUITS_MAX);
        let mut seen = lock(&self.seen);
        let is = |circuits: &[Circuit]| -> Vec<_> {
            circuits.iter().map(|one| (one.host.clone(), one.state, one.opened)).collect()
        };
        if is(&seen.circuits) != is(&circuits) {
            seen.circuits.clone_from(&circuits);
            self.tell(Change::Circuits { circuits });
        }
    }

    /// What each worker is at, which hosts are left alone, and all changes from then on.
    pub(super) fn watch(&self) -> (Vec<Option<Work>>, Vec<Circuit>, broadcast::Receiver<Arc<Change>>) {
        let seen = lock(&self.seen);
        (seen.workers.clone(), seen.circuits.clone(), self.changes.subscribe())
    }

    fn set(&self, number: usize, work: Option<Work>) {
        let mut seen = lock(&self.seen);
        if let Some(worker) = seen.workers.get_mut(number) {
            worker.clone_from(&work);
        }
        // Under the lock: who takes a snapshot sees each change once, in it or behind it.
        self.tell(Change::Worker { number, work });
    }
}
