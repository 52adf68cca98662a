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
    /// An event was taken.
    Message { message: MessageId, deliveries: usize },
}

#[derive(Clone)]
pub(super) struct Monitor {
    workers: Arc<Mutex<Vec<Option<Work>>>>,
    changes: broadcast::Sender<Arc<Change>>,
}

impl Monitor {
    pub(super) fn new(workers: usize) -> Monitor {
        Monitor { workers: Arc::new(Mutex::new(vec![None; workers])), changes: broadcast::channel(CHANGES_MAX).0 }
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

    /// What each worker is at, and all changes from then on.
    pub(super) fn watch(&self) -> (Vec<Option<Work>>, broadcast::Receiver<Arc<Change>>) {
        let workers = lock(&self.workers);
        (workers.clone(), self.changes.subscribe())
    }

    fn set(&self, number: usize, work: Option<Work>) {
        let mut workers = lock(&self.workers);
        if let Some(worker) = workers.get_mut(number) {
            worker.clone_from(&work);
        }
        // Under the lock: who takes a snapshot sees each change once, in it or behind it.
        self.tell(Change::Worker { number, work });
    }
}
