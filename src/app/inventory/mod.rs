//! Owns the production API: products that are kept, found and changed, and orders that take their stock.
//!
//! ```text
//!   request_id → trusted_proxies → logger → problems → recover → security_headers → same_origin → body_limit → timeout
//!     → handlers ──> services ──> repositories ──> memory │ PostgreSQL
//!           └────────────┴─────────────┴──> domain
//! ```
//!
//! The one idea: layers that know only what is below them. A handler knows HTTP and no database, a repository SQL and no HTTP,
//! the service between them neither, and the domain nothing but its rules. A test reads the sources and sees to it.
//!
//! Spec: RFC 9110 (methods, conditions), RFC 7396 (merge patch), RFC 9457 (problems), RFC 8288 (Link).
//! Never: asks who somebody is: whoever reaches it may do all of it, but for pages of other origins.
//! Limits: [`InventoryConfig`].

mod bounds;
pub mod domain;
pub mod error;
mod handlers;
mod openapi;
pub mod page;
pub mod repositories;
pub mod services;

use std::time::Duration;

use crate::app::queue::{Queue, QueueConfig};
use crate::db::Migration;
use crate::db::cache::{Cache, CacheConfig};
use crate::http::bounds::{Bound, Part};
use crate::http::middleware::trusted_proxies::Cidr;
use crate::http::middleware::{
    BodyLimit, Logger, Recover, RequestId, SameOrigin, SecurityHeaders, Timeout, TrustedProxies,
};
use crate::http::router::Routes;
use crate::http::{Handler, Middleware};
use handlers::Problems;
use repositories::{MemoryConfig, Repositories};

pub use services::{Inventory, ServiceConfig, confirm_orders};

/// Where the application is mounted.
pub const PREFIX: &str = "/api/v1";

/// What gives the database its shape.
pub const MIGRATIONS: &[Migration] = &[Migration {
    name: "inventory/0001_inventory",
    sql: include_str!("migrations/0001_inventory.sql"),
    down: Some(include_str!("migrations/0001_inventory.down.sql")),
}];

/// What the application is given at its start.
#[derive(Clone, Debug)]
pub struct InventoryConfig {
    /// How things are done.
    pub service: ServiceConfig,
    /// How much is kept where there is no database.
    pub memory: MemoryConfig,
    /// How copies of products are kept in Redis, where there is one.
    pub cache: CacheConfig,
    /// Proxies whose word on the client's address is believed. Default: none.
    pub trusted_proxies: Vec<Cidr>,
    /// Bytes of content of a request. Default: 64 KiB; the longest product has some 15, escaped 60.
    pub content_bytes_max: u64,
    /// Bytes of content where many products come at once. Default: 1 MiB.
    pub bulk_bytes_max: u64,
    /// Time for an answer. Default: 5 s.
    pub timeout: Duration,
}

impl Default for InventoryConfig {
    fn default() -> Self {
        InventoryConfig {
            service: ServiceConfig::default(),
            memory: MemoryConfig::default(),
            cache: CacheConfig { name: "products", ..CacheConfig::default() },
            trusted_proxies: Vec::new(),
            content_bytes_max: 64 * 1024,
            bulk_bytes_max: 1 << 20,
            timeout: Duration::from_secs(5),
        }
    }
}

impl InventoryConfig {
    /// Rows for the catalogue of bounds: each limit and deadline of the application.
    pub fn bounds(&self) -> Vec<Bound> {
        bounds::rows(self)
    }

    /// The memory that clients can make the application keep, where there is no database.
    pub fn kept(&self) -> Vec<Part> {
        bounds::kept(self)
    }
}

/// The application, to be mounted at [`PREFIX`].
pub fn routes(config: InventoryConfig, inventory: Inventory) -> impl Handler {
    // Inside out: the last line is the outermost layer.
    let chain = handlers::routes(inventory, config.content_bytes_max, config.bulk_bytes_max);
    let chain = Timeout::new(config.timeout).around(chain);
    let chain = BodyLimit::new(config.bulk_bytes_max.max(config.content_bytes_max)).around(chain);
    let chain = SameOrigin.around(chain);
    let chain = SecurityHeaders::default().around(chain);
    let chain = Recover.around(chain);
    let chain = Problems.around(chain);
    let chain = Logger.around(chain);
    let chain = TrustedProxies::new(config.trusted_proxies).around(chain);
    RequestId.around(chain)
}

/// The routes of the application alone, over nothing: for whoever lists them.
pub fn table() -> [Routes; 2] {
    let inventory = in_memory();
    [handlers::routes(inventory.clone(), 0, 0), page::table(inventory)]
}

/// Over nothing but memory, which is empty.
fn in_memory() -> Inventory {
    let config = InventoryConfig::default();
    let (cache, queue) = (Cache::new(None, config.cache), Queue::memory(QueueConfig::default()));
    Inventory::new(config.service, Repositories::memory(config.memory), cache, Some(queue))
}

/// Over a database that nobody reaches.
#[cfg(test)]
fn out_of_reach() -> Inventory {
    let url = "postgres://127.0.0.1:1/nobody".parse().expect("an address");
    let database = crate::db::Postgres::open(&url, &[]).expect("a handle");
    let config = InventoryConfig::default();
    Inventory::new(config.service, Repositories::postgres(database), Cache::new(None, config.cache), None)
}

#[cfg(test)]
mod tests;
