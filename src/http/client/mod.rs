//! Owns the client: sends a request to the origin that its URL names, and gives back the answer while its content still comes.
//!
//! The one idea: nothing runs beside the caller. Whoever awaits the answer drives the connection, whoever reads the content
//! drives it on, and whoever stops stops it; what protocol there is lives in the same cores as the server's
//! ([`h1`](crate::http::h1)).
//!
//! ```text
//!   Outgoing ─▶ lease ─▶ take_idle ─────────▶ Exchange ─▶ head ─▶ Answer { body ──▶ pieces ──▶ end: back to the pool }
//!               (pool)      └─ none: connect ─┘    │                   └── dropped early: closed
//!                                                  └─ stale, idempotent: once more, on a new connection
//! ```
//!
//! ```no_run
//! use firstbyte::http::Url;
//! use firstbyte::http::client::{Client, ClientConfig, Outgoing};
//!
//! # async fn run() -> Result<(), Box<dyn std::error::Error>> {
//! let client = Client::new(ClientConfig::default());
//! let url = Url::parse("http://127.0.0.1:8080/.well-known/jwks.json")?;
//! let mut answer = client.send(Outgoing::get(&url).with("Accept", "application/json")).await?;
//! let content = answer.collect().await?;
//! println!("{}: {} bytes", answer.status, content.len());
//! # Ok(()) }
//! ```
//!
//! Spec: RFC 9110 9.2.2 (what may be repeated), 15.4 (redirections); RFC 9112 9 (connections), 9.3.1 (retries).
//! Never: pipelines; follows a redirection that it was not asked to follow; repeats what may have been done, unless doing it
//! twice is as good as once; keeps cookies or caches.
//! Limits: all in [`ClientConfig`].

mod answer;
pub mod breaker;
mod config;
mod connector;
mod error;
mod exchange;
mod outgoing;
mod pool;
pub mod public_only;
mod receiving;
mod redirect;
mod sending;

use std::fmt;
use std::sync::Arc;

use bytes::Bytes;
use tokio::time::{Instant, timeout_at};

use crate::http::client::exchange::Exchange;
use crate::http::client::pool::{Lease, Link, Pool};
use crate::http::h1::encode::OutgoingHead;
use crate::http::h1::framing::frame_request;
use crate::http::{Body, Method, authority};
use crate::net::deadline::{earlier, within};

pub use answer::Answer;
pub use config::ClientConfig;
pub use connector::{Connecting, Connector, Stream, Tcp, boxed};
pub use error::{Blame, ClientError, Phase};
pub use outgoing::Outgoing;
pub use pool::Counts;
pub use public_only::PublicOnly;

/// Sends requests. Its clones share their connections.
#[derive(Clone)]
pub struct Client(Arc<Shared>);

struct Shared {
    config: Arc<ClientConfig>,
    connector: Box<dyn Connector>,
    pool: Arc<Pool>,
}

impl Client {
    /// A client over TCP.
    pub fn new(config: ClientConfig) -> Client {
        Client::with_connector(config, Tcp)
    }

    /// A client whose connections are opened by `connector`.
    pub fn with_connector(config: ClientConfig, connector: impl Connector) -> Client {
        let config = Arc::new(config);
        Client(Arc::new(Shared { pool: Pool::new(Arc::clone(&config)), config, connector: Box::new(connector) }))
    }

    /// What it obeys.
    pub fn config(&self) -> &ClientConfig {
        &self.0.config
    }

    /// What it has done so far, and holds.
    pub fn counts(&self) -> Counts {
        self.0.pool.counts()
    }

    /// Sends `request` and gives back its answer as soon as its head has come.
    ///
    /// # Errors
    /// [`ClientError`]: who erred, and how far it went. An answer that says no, 404 say, is an answer.
    ///
    /// # Cancel safety
    /// Dropping the future closes the connection. Whether the server has acted on the request is not known then.
    ///
    /// # Panics
    /// Outside of a tokio runtime.
    pub async fn send(&self, request: Outgoing) -> Result<Answer, ClientError> {
        check(&request)?;
        let until = within(Instant::now(), request.within.unwrap_or(self.0.config.total));
        let mut request = request;
        for _ in 0..=request.redirects_max {
            let kept = request.repeatable();
            let mut answer = self.exchange(&mut request, kept.as_ref(), until).await?;
            let Some(next) = redirect::decide(&request, kept, &answer)? else { return Ok(answer) };
            // What it says besides is for nobody. Read to its end, it leaves a connection to use again.
            let _ = answer.collect_within(self.0.config.drain_bytes_max).await;
            request = next;
        }
        Err(ClientError::TooManyRedirects(request.redirects_max))
    }

    /// One request and its answer. `kept` is its content, if it may be sent twice.
    async fn exchange(
        &self,
        request: &mut Outgoing,
        kept: Option<&Bytes>,
        until: Option<Instant>,
    ) -> Result<Answer, ClientError> {
        let mut lease = self.0.pool.lease(request.url.origin(), until).await?;
        if let Some(link) = lease.take_idle() {
            match self.attempt(request, link, lease, until).await {
                // RFC 9110 9.2.2, RFC 9112 9.3.1: once, and over no other connection that is as old.
                Err(Failed { lease: Some(again), .. }) if request.method.is_idempotent() && kept.is_some() => {
                    request.content = Body::from(kept.cloned().unwrap_or_default());
                    lease = again;
                }
                answered => return answered.map_err(|failed| failed.error),
            }
        }
        let link = self.connect(&lease, until).await?;
        self.attempt(request, link, lease, until).await.map_err(|failed| failed.error)
    }

    async fn connect(&self, lease: &Lease, until: Option<Instant>) -> Result<Link, ClientError> {
        let link = lease.open();
        let connecting = self.0.connector.connect(lease.origin());
        let connected = match earlier(until, within(Instant::now(), self.0.config.connect)) {
            Some(until) => timeout_at(until, connecting).await.map_err(|_| ClientError::TimedOut(Phase::Connect))?,
            None => connecting.await,
        };
        connected.map(link).map_err(ClientError::Connect)
    }

    /// One request over one connection, up to the head of its answer.
    async fn attempt(
        &self,
        request: &mut Outgoing,
        link: Link,
        lease: Lease,
        until: Option<Instant>,
    ) -> Result<Answer, Failed> {
        let config = &*self.0.config;
        let content = std::mem::take(&mut request.content);
        let head = OutgoingHead {
            method: request.method,
            target: request.url.target(),
            host: request.fields.text("Host").unwrap_or(request.url.authority()),
            fields: &request.fields,
            content: frame_request(request.method, content.length()),
            close: false,
        };
        let mut exchange = Exchange::new(link, &head, content, config, until);
        let head = match exchange.run().await {
            Ok(head) => head,
            Err(error) => {
                let is_stale = error.is_end() && !exchange.has_begun();
                // Closed before its place is free.
                drop(exchange);
                return Err(Failed { error, lease: is_stale.then_some(lease) });
            }
        };
        let body = exchange.into_body(lease, &head, config);
        let body = body.map_err(|error| Failed { error: ClientError::Malformed(error), lease: None })?;
        let exchange::Head { status, version, fields } = head;
        let (url, content_bytes_max) = (request.url.clone(), config.content_bytes_max);
        Ok(Answer { status, version, fields, body, url, content_bytes_max })
    }
}

/// An exchange without an answer.
struct Failed {
    error: ClientError,
    /// The place, when the connection ended before a word of an answer: where it was an old one, the server may have closed
    /// it before the request arrived.
    lease: Option<Lease>,
}

fn check(request: &Outgoing) -> Result<(), ClientError> {
    // RFC 9110 9.3.6 and 9.3.8.
    let is_trace_with_content = request.method == Method::TRACE && !request.content.is_empty();
    if request.method == Method::CONNECT || is_trace_with_content {
        return Err(ClientError::Method(request.method));
    }
    let mut hosts = request.fields.all("Host");
    match (hosts.next(), hosts.next()) {
        (None, _) => Ok(()),
        (Some(host), None) => authority::validate_authority(host).map_err(|_| ClientError::Host),
        (Some(_), Some(_)) => Err(ClientError::Host),
    }
}

impl fmt::Debug for Client {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Client").field("counts", &self.counts()).finish_non_exhaustive()
    }
}
