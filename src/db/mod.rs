//! Owns what joins applications to the services that keep their data: Redis and PostgreSQL.
//!
//! The one idea: a service that is away is an answer, and no wait. One task for each service looks whether it is there; whoever
//! asks for something learns within [`PATIENCE`] that it is not, says 503, and never hangs with it.
//!
//! ```text
//!   store ──> Redis,    ──> Presence: here? ──yes──> command, statement ──> answer
//!             Postgres         ▲    └──no──> Unavailable ──> 503, Retry-After
//!                              │
//!                           upkeep: connect · migrate · ask · connect again
//! ```
//!
//! Never: shows a client why a service is away; repeats what may have been done; ends the process because a service is away.
//! Limits: [`PATIENCE`], [`PostgresConfig`].

mod bounds;
pub mod cache;
pub mod migrations;
pub mod postgres;
mod presence;
pub mod redis;
mod tally;
pub mod url;

use std::fmt;
use std::sync::Arc;
use std::time::Duration;

pub use bounds::rows as bounds;
pub use cache::{Cache, CacheConfig};
pub use migrations::Migration;
pub use postgres::{Failure, Postgres, PostgresConfig};
pub use presence::PATIENCE;
pub use redis::Redis;
pub use url::{ServiceUrl, UrlError};

/// What an application says in `Retry-After`: a service that is back is used again within this.
pub const RETRY_AFTER: Duration = Duration::from_secs(1);

/// A service that did not do as asked, or not in time. Its words are for the log.
#[derive(Clone, Debug)]
pub struct Unavailable {
    /// `Redis` or `PostgreSQL`.
    pub service: &'static str,
    /// Its address, without who logs in.
    at: Arc<str>,
    why: Arc<str>,
}

impl fmt::Display for Unavailable {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} at {}: {}", self.service, self.at, self.why)
    }
}

impl std::error::Error for Unavailable {}
