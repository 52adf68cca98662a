//! Owns sessions: who has logged in is known again by a cookie, until he leaves, or is thrown out.
//!
//! ```text
//!   /session                the page: plain forms, which work without a script, and 303 behind each
//!   /session/api/…          the same for programs: JSON or a form in, the envelope out
//!        │
//!   request_id → trusted_proxies → logger → recover → security_headers
//!     → (api: envelope) → same_origin → body_limit → timeout → handlers ─┬─> accounts: who is it
//!                                                                        └─> store: which session
//! ```
//!
//! The one idea: a session is a row that the server can delete. Whatever ends it, a click, another password, time, it is
//! over at once and everywhere. That is what tokens which are checked without asking anybody cannot do; `README.md` beside
//! this file tells when which is right.
//!
//! Spec: RFC 6265 and its successor's draft (cookies), RFC 9110 9.3.3 (POST), 15.4.4 (303), 15.5.2 (401), 15.5.4 (403);
//! RFC 9111 5.2.2.5 (`no-store` on everything).
//! Never: adopts a token that it has not made; keeps one; lets a page of another origin change anything.
//! Limits: [`SessionConfig`].

mod api;
mod bounds;
pub mod domain;
pub mod error;
mod page;
pub mod store;
mod visit;

use std::time::Duration;

use crate::app::accounts::throttle::{Throttle, ThrottleConfig};
use crate::app::accounts::{self, Accounts, AccountsConfig};
use crate::http::bounds::{Bound, Part};
use crate::http::envelope::Envelope;
use crate::http::middleware::trusted_proxies::Cidr;
use crate::http::middleware::{
    BodyLimit, Logger, NoStore, Recover, RequestId, SameOrigin, SecurityHeaders, Timeout, TrustedProxies,
};
use crate::http::router::Routes;
use crate::http::{Handler, Middleware, Router};
use store::{Lifetime, Store};

/// Where the application is mounted.
pub const PREFIX: &str = "/session";

/// Where programs find it.
const API: &str = "/session/api";

/// What the application is given at its start.
#[derive(Clone, Debug)]
pub struct SessionConfig {
    /// How long sessions live, and how many an account may have.
    pub lifetime: Lifetime,
    /// Sessions that are kept in memory. Default: 100,000.
    pub sessions_max: usize,
    /// Proxies whose word on the client's address is believed. Default: none.
    pub trusted_proxies: Vec<Cidr>,
    /// Bytes of content of a request. Default: 4 KiB; a form has a few hundred.
    pub content_bytes_max: u64,
    /// Time for an answer. Default: 10 s, most of which a login may wait in a flood of others.
    pub timeout: Duration,
}

impl Default for SessionConfig {
    fn default() -> Self {
        SessionConfig {
            lifetime: Lifetime::default(),
            sessions_max: 100_000,
            trusted_proxies: Vec::new(),
            content_bytes_max: 4 * 1024,
            timeout: Duration::from_secs(10),
        }
    }
}

impl SessionConfig {
    /// Rows for the catalogue of bounds: each limit and deadline of the application.
    pub fn bounds(&self) -> Vec<Bound> {
        bounds::rows(self)
    }

    /// The memory that clients can make the application keep, over sessions in memory.
    pub fn kept(&self) -> Vec<Part> {
        bounds::kept(self)
    }
}

/// What handlers work with. A clone is the same.
#[derive(Clone)]
struct Sessions {
    accounts: Accounts,
    store: Store,
}

/// The application, to be mounted at [`PREFIX`].
pub fn routes(config: SessionConfig, accounts: Accounts, store: Store) -> impl Handler {
    let sessions = Sessions { accounts, store };
    let page = guarded(page::routes(sessions.clone()), &config);
    let api = Envelope.around(guarded(api::routes(sessions), &config));
    let both = Router::new(()).mount(API, api).mount(PREFIX, page).build().expect("two prefixes");
    let chain = SecurityHeaders::default().around(NoStore.around(both));
    let chain = Recover.around(chain);
    let chain = Logger.around(chain);
    let chain = TrustedProxies::new(config.trusted_proxies).around(chain);
    RequestId.around(chain)
}

/// The routes of the application alone, over nothing: for whoever lists them.
pub fn table() -> [Routes; 2] {
    let accounts = Accounts::new(
        AccountsConfig::default(),
        accounts::store::Store::empty(1),
        Throttle::memory(ThrottleConfig { entries_max: 1, ..ThrottleConfig::default() }),
    );
    let sessions = Sessions { accounts, store: Store::memory(Lifetime::default(), 1) };
    [page::routes(sessions.clone()), api::routes(sessions)]
}

/// Adds the files that the page needs.
pub fn assets<S: Clone + Send + Sync + 'static>(router: Router<S>) -> Router<S> {
    page::assets(router)
}

fn guarded(routes: Routes, config: &SessionConfig) -> impl Handler {
    let chain = Timeout::new(config.timeout).around(routes);
    let chain = BodyLimit::new(config.content_bytes_max).around(chain);
    SameOrigin.around(chain)
}

#[cfg(test)]
mod tests;
