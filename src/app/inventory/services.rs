//! Owns what can be done with products and orders: the steps, in their order, and what is tried again.
//!
//! ```text
//!   handlers ──> Inventory ──> Repositories
//!                   └ judge what is there ─> change that version ─┬─> done
//!                        ▲                                        ├─> another was faster: judge again
//!                        └────────────────────────────────────────┘   attempts_max, then the client is told
//! ```
//!
//! The one idea: a repository does one unit of work and says when another was in the way; whether it is begun again is decided
//! here, within the time of the request.
//!
//! Never: sees a request or an answer; knows what a repository is made of.

mod orders;
mod products;

use std::sync::Arc;
use std::time::Duration;

use tokio::time::sleep;

use crate::app::inventory::error::Error;
use crate::app::inventory::repositories::Repositories;
use crate::crypto;
use crate::net::context::Context;

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
}

impl Inventory {
    /// Over `repositories`.
    pub fn new(config: ServiceConfig, repositories: Repositories) -> Inventory {
        Inventory { shared: Arc::new(Shared { config, repositories }) }
    }

    fn repositories(&self) -> &Repositories {
        &self.shared.repositories
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
                Err(Error::Contended) => {}
                done => return done,
            }
            let pause =
                Duration::from_micros(u64::from(u16::from_le_bytes(crypto::random())) * pause_max * 1_000 >> 16);
            if context.remaining().is_some_and(|left| left <= pause) {
                return Err(Error::Contended);
            }
            sleep(pause).await;
        }
        attempt().await
    }
}
