//! Owns two services that know nobody's password: a catalogue and the invoices, for whoever brings a token of the
//! issuer.
//!
//! The one idea: authority is carried, not looked up. A service has the issuer's public keys and nothing else of it;
//! what somebody may do stands in what they bring. `README.md` beside this file teaches with it.
//!
//! ```text
//!   request_id → logger → envelope → recover → security_headers → front → bearer → body_limit → timeout → router ─ require → handler
//!                                                                   │       │
//!                                                     page for anybody      Verifier ── KeyCache ── KeySource: the same
//!                                                                                       process, or the issuer's URL
//! ```
//!
//! Spec: RFC 6750 3 (401 and 403), RFC 9068 4 (validation).
//! Never: asks the issuer about a token, so a token that was taken back is good here until it expires.
//! Limits: [`ServicesConfig`].

mod bounds;
pub mod domain;
pub mod error;
mod handlers;
pub mod issuer;
pub mod key_cache;
mod page;
pub mod store;
pub mod verifier;

use std::sync::Arc;
use std::time::Duration;

use crate::http::bounds::{Bound, Part};
use crate::http::envelope::Envelope;
use crate::http::middleware::{
    Authenticate, Bearer, BodyLimit, Logger, Recover, RequestId, Require, SecurityHeaders, Timeout,
};
use crate::http::router::Routes;
use crate::http::{Handler, Middleware, Router};
use domain::{Invoice, Item};
use key_cache::{KeyCache, KeyCacheConfig};
use page::{Front, Told};
use store::Shelf;
use verifier::Verifier;

/// Where the catalogue is mounted.
pub const CATALOG_PREFIX: &str = "/catalog";

/// Where the invoices are mounted.
pub const BILLING_PREFIX: &str = "/billing";

/// The audience of tokens for the catalogue, and its realm.
pub const CATALOG: &str = "catalog";

/// The audience of tokens for the invoices, and its realm.
pub const BILLING: &str = "billing";

/// What the services are given at their start.
#[derive(Clone, Debug)]
pub struct ServicesConfig {
    /// Whose tokens are taken: their `iss`. Default: `http://127.0.0.1:8080/identity`.
    pub issuer: String,
    /// When its keys are fetched.
    pub keys: KeyCacheConfig,
    /// Bytes of content of a request. Default: 4 KiB.
    pub content_bytes_max: u64,
    /// Time for an answer. Default: 5 s.
    pub timeout: Duration,
    /// Items that are kept, and invoices. Default: 1,000. When they are there, adding one is refused with 507.
    pub entries_max: usize,
}

impl Default for ServicesConfig {
    fn default() -> Self {
        ServicesConfig {
            issuer: "http://127.0.0.1:8080/identity".to_owned(),
            keys: KeyCacheConfig::default(),
            content_bytes_max: 4 * 1024,
            timeout: Duration::from_secs(5),
            entries_max: 1_000,
        }
    }
}

impl ServicesConfig {
    /// Rows for the catalogue of bounds: each limit and deadline of the services.
    pub fn bounds(&self) -> Vec<Bound> {
        bounds::rows(self)
    }

    /// The memory that clients can make the services keep.
    pub fn kept(&self) -> Vec<Part> {
        bounds::kept(self)
    }
}

/// The catalogue, to be mounted at [`CATALOG_PREFIX`].
pub fn catalog(config: &ServicesConfig, keys: KeyCache) -> impl Handler + use<> {
    let verifier = Verifier::new(&config.issuer, CATALOG, keys);
    chain(config, &page::CATALOG, Bearer::new(CATALOG, verifier), catalog_table(config.entries_max))
}

/// The invoices, to be mounted at [`BILLING_PREFIX`].
pub fn billing(config: &ServicesConfig, keys: KeyCache) -> impl Handler + use<> {
    let verifier = Verifier::new(&config.issuer, BILLING, keys);
    chain(config, &page::BILLING, Bearer::new(BILLING, verifier), billing_table(config.entries_max))
}

/// The routes of the catalogue alone, over a few items: for whoever lists them.
pub fn catalog_table(entries_max: usize) -> Routes {
    let items = Shelf::new(entries_max);
    for (name, cents) in [("A slide rule", 4_900), ("A box of punched cards", 1_250), ("A brass gear", 799)] {
        let _ = items.add(|id| Ok(Item { id, name: name.to_owned(), cents }));
    }
    let read = || Require::scope("catalog:read");
    let routes = Router::new(Arc::new(items)).group(CATALOG_PREFIX, |router| {
        router
            .route_behind("GET /items", read(), handlers::items)
            .route_behind("GET /items/{id}", read(), handlers::item)
            .route_behind("POST /items", Require::scope("catalog:write"), handlers::add_item)
            .route_behind(
                "DELETE /items/{id}",
                Require::scope("catalog:write").and_role("admin"),
                handlers::remove_item,
            )
    });
    routes.build().expect("four patterns that do not meet")
}

/// The routes of the invoices alone, over a few of them: for whoever lists them.
pub fn billing_table(entries_max: usize) -> Routes {
    let invoices = Shelf::new(entries_max);
    for (customer, text, cents) in [("charles", "A brass gear, 12 times", 9_588), ("grace", "A slide rule", 4_900)] {
        let make = |id| Ok(Invoice { id, customer: customer.to_owned(), text: text.to_owned(), cents });
        let _ = invoices.add(make);
    }
    let read = || Require::scope("billing:read");
    let accountant = Require::scope("billing:write").and_role("accountant");
    let routes = Router::new(Arc::new(invoices)).group(BILLING_PREFIX, |router| {
        router
            .route_behind("GET /invoices", read(), handlers::own_invoices)
            .route_behind("GET /invoices/all", read().and_role("accountant"), handlers::all_invoices)
            .route_behind("POST /invoices", accountant, handlers::add_invoice)
    });
    routes.build().expect("three patterns that do not meet")
}

fn chain<A: Authenticate>(
    config: &ServicesConfig,
    told: &'static Told,
    bearer: Bearer<A>,
    table: Routes,
) -> impl Handler + use<A> {
    // Inside out: the last line is the outermost layer.
    let chain = Timeout::new(config.timeout).around(table);
    let chain = BodyLimit::new(config.content_bytes_max).around(chain);
    let chain = bearer.around(chain);
    let chain = Front { told, issuer: config.issuer.clone() }.around(chain);
    let chain = SecurityHeaders::default().around(chain);
    let chain = Recover.around(chain);
    let chain = Envelope.around(chain);
    let chain = Logger.around(chain);
    RequestId.around(chain)
}

#[cfg(test)]
mod tests;
