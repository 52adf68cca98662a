//! Owns what can be done with products and orders: the steps, in their order, and what is tried again.
//!
//! ```text
//!   handlers ──> Inventory ─┬─> Cache: a product by its number
//!                   │       └─> Repositories
//!                   └ judge what is there ─> change that version ─┬─> done
//!                        ▲                                        ├─> another was faster: judge again
//!                        └────────────────────────────────────────┘   attempts_max, then the client is told
//! ```
//!
//! The one idea: a repository does one unit of work and says when another was in the way; whether it is begun again is decided
//! here, within the time of the request.
//!
//! Never: sees a request or an answer; knows what a repository is made of.

mod metrics;
mod orders;
mod products;

use std::sync::Arc;
use std::time::Duration;

use prometheus_client::registry::Registry;
use tokio::time::sleep;
use uuid::Uuid;

use crate::app::inventory::error::Error;
use crate::app::inventory::repositories::Repositories;
use crate::app::queue::Queue;
use crate::crypto;
use crate::db::cache::Cache;
use crate::net::context::Context;
use metrics::{Event, Metrics};

pub use orders::{CONFIRM, confirm_orders};

/// The longest pause before the second attempt; it doubles for each further one.
const PAUSE_MS: u64 = 4;

/// What is to be known of how things are done.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ServiceConfig {
    /// How long the answer to an idempotency key is kept. Default: 24 h.
    pub key_ttl: Duration,
    /// How often something is begun when others are in the way. Default: 8.
    pub attempts_max: u32,
}

impl Default for ServiceConfig {
    fn default() -> Self {
        ServiceConfig { key_ttl: Duration::from_secs(24 * 60 * 60), attempts_max: 8 }
    }
}

/// Products and orders. A clone is the same.
#[derive(Clone)]
pub struct Inventory {
    shared: Arc<Shared>,
}

struct Shared {
    config: ServiceConfig,
    repositories: Repositories,
    cache: Cache,
    queue: Option<Queue>,
    metrics: Metrics,
}

impl Inventory {
    /// Over `repositories`. Products are read through `cache`; whoever is to be told of an order is so by a job of `queue`,
    /// which is kept where the orders are.
    pub fn new(config: ServiceConfig, repositories: Repositories, cache: Cache, queue: Option<Queue>) -> Inventory {
        let metrics = Metrics::default();
        Inventory { shared: Arc::new(Shared { config, repositories, cache, queue, metrics }) }
    }

    /// Its counters, and those of its cache.
    pub fn register(&self, registry: &mut Registry) {
        self.shared.metrics.register(registry);
        self.shared.cache.register(registry);
    }

    fn repositories(&self) -> &Repositories {
        &self.shared.repositories
    }

    /// What comes of `work`, which changes these products, if `has_changed` says so of it. Copies of them are not read while it is
    /// at work. What was refused leaves them as they were; where nobody knows whether it was done, they are given up for longer.
    async fn changing<T>(
        &self,
        ids: impl Iterator<Item = Uuid>,
        work: impl Future<Output = Result<T, Error>>,
        has_changed: impl FnOnce(&T) -> bool,
    ) -> Result<T, Error> {
        let keys: Vec<String> = ids.map(|id| id.to_string()).collect();
        let keys: Vec<&str> = keys.iter().map(String::as_str).collect();
        let change = self.shared.cache.change(&keys);
        let done = work.await;
        match &done {
            Ok(done) if !has_changed(done) => change.nothing_done(),
            Err(error) if error.is_without_effect() => change.nothing_done(),
            Err(Error::Unavailable(_) | Error::TimedOut(_)) => drop(change),
            _ => change.end().await,
        }
        done
    }

    fn count(&self, event: Event) {
        self.shared.metrics.count(event);
    }

    /// What comes of `attempt`, which is made again when another was in the way.
    async fn attempt<T, A>(&self, context: &Context, mut attempt: impl FnMut() -> A) -> Result<T, Error>
    where
        A: Future<Output = Result<T, Error>>,
    {
        for pause_max in
            (0..self.shared.config.attempts_max.saturating_sub(1)).map(|doubled| PAUSE_MS << doubled.min(6))
        {
            match attempt().await {
                Err(Error::Contended) => self.count(Event::BegunAgain),
                done => return done,
            }
            let part = f64::from(u16::from_le_bytes(crypto::random())) / f64::from(u16::MAX);
            let pause = Duration::from_millis(pause_max).mul_f64(part);
            if context.remaining().is_some_and(|left| left <= pause) {
                return Err(Error::Contended);
            }
            sleep(pause).await;
        }
        attempt().await
    }
}
