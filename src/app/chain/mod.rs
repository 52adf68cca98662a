//! Owns the first application: a small public JSON API of quotes, behind the whole chain of middleware.
//!
//! The one idea: the application is ten lines a handler, because everything that all requests have in common stands
//! around it, once, in an order that is checked. `README.md` beside this file teaches with it.
//!
//! ```text
//!   request_id → trusted_proxies → logger → envelope → recover → security_headers → cors
//!     → rate_limit → body_limit → timeout → router → handlers → store
//! ```
//!
//! Spec: RFC 9110 9.3.3 (POST), 10.2.2 (Location), 15.3.2 (201), 15.5.21 (422).
//! Never: authenticates: anybody may read, and add up to the bound.
//! Limits: [`ChainConfig`].

mod bounds;
pub mod domain;
pub mod error;
mod handlers;
pub mod memory;
mod seeds;
pub mod store;

use std::sync::Arc;
use std::time::Duration;

use crate::http::bounds::{Bound, Part};
use crate::http::envelope::Envelope;
use crate::http::middleware::rate_limit::ADDRESSES_MAX;
use crate::http::middleware::trusted_proxies::Cidr;
use crate::http::middleware::{
    BodyLimit, Cors, Logger, RateLimit, Recover, RequestId, SecurityHeaders, Timeout, TrustedProxies,
};
use crate::http::router::Routes;
use crate::http::{Handler, Method, Middleware, Router};
use memory::MemoryStore;
use store::QuoteStore;

/// Where the application is mounted.
pub const PREFIX: &str = "/chain";

/// What the application is given at its start.
#[derive(Clone, Debug)]
pub struct ChainConfig {
    /// Requests that one address is served in any span of `window`. Default: 100.
    pub requests_max: u16,
    /// The span. Default: 60 s; at most [`WINDOW_MAX`](crate::http::middleware::rate_limit::WINDOW_MAX).
    pub window: Duration,
    /// Addresses that are counted at a time. Default: 2^20, which takes up to 64 MiB when each comes once.
    pub addresses_max: usize,
    /// Proxies whose word on the client's address is believed. Default: none.
    pub trusted_proxies: Vec<Cidr>,
    /// Pages that may read the answers, and the methods they may use. Default: all pages, and the methods of the routes.
    pub cors: Cors,
    /// Bytes of content of a request. Default: 16 KiB; a quote has less than two.
    pub content_bytes_max: u64,
    /// Time for an answer. Default: 5 s.
    pub timeout: Duration,
    /// Quotes that are kept. Default: 1,000. When they are there, adding one is refused with 507.
    pub quotes_max: usize,
}

impl Default for ChainConfig {
    fn default() -> Self {
        ChainConfig {
            requests_max: 100,
            window: Duration::from_secs(60),
            addresses_max: ADDRESSES_MAX,
            trusted_proxies: Vec::new(),
            cors: Cors::any().methods(&[Method::GET, Method::HEAD, Method::POST]),
            content_bytes_max: 16 * 1024,
            timeout: Duration::from_secs(5),
            quotes_max: 1_000,
        }
    }
}

impl ChainConfig {
    /// Rows for the catalogue of bounds: each limit and deadline of the application.
    pub fn bounds(&self) -> Vec<Bound> {
        bounds::rows(self)
    }

    /// The memory that clients can make the application keep, over quotes in memory.
    ///
    /// # Panics
    /// When a limit is zero.
    pub fn kept(&self) -> Vec<Part> {
        bounds::kept(self)
    }

    fn rate_limit(&self) -> RateLimit {
        RateLimit::new(self.requests_max, self.window).addresses_max(self.addresses_max)
    }
}

/// The application over quotes in memory, to be mounted at [`PREFIX`].
pub fn routes(config: ChainConfig) -> impl Handler {
    let store = MemoryStore::seeded(config.quotes_max);
    routes_over(store, config)
}

/// The application over any store.
///
/// # Panics
/// When a limit of `config` is zero.
pub fn routes_over(store: impl QuoteStore, config: ChainConfig) -> impl Handler {
    let limit = config.rate_limit();
    // Inside out: the last line is the outermost layer.
    let chain = table_over(store);
    let chain = Timeout::new(config.timeout).around(chain);
    let chain = BodyLimit::new(config.content_bytes_max).around(chain);
    let chain = limit.around(chain);
    let chain = config.cors.around(chain);
    let chain = SecurityHeaders::default().around(chain);
    let chain = Recover.around(chain);
    let chain = Envelope.around(chain);
    let chain = Logger.around(chain);
    let chain = TrustedProxies::new(config.trusted_proxies).around(chain);
    RequestId.around(chain)
}

/// The routes of the application alone, over an empty store: for whoever lists them.
pub fn table() -> Routes {
    table_over(MemoryStore::seeded(0))
}

fn table_over<S: QuoteStore>(store: S) -> Routes {
    let routes = Router::new(Arc::new(store)).group(PREFIX, |router| {
        router
            .route("GET /quotes", handlers::list::<S>)
            .route("POST /quotes", handlers::add::<S>)
            .route("GET /quotes/random", handlers::random::<S>)
            .route("GET /quotes/{id}", handlers::one::<S>)
    });
    routes.build().expect("four patterns that do not meet")
}

#[cfg(test)]
mod tests;
