//! Owns webhooks: an event comes in once, is answered at once, and goes out signed to everybody who wants it, until they have it
//! or it is given up. `README.md` beside this file teaches with it.
//!
//! ```text
//!   POST /webhooks/events ──> store ──202──>
//!                               │ due
//!                               v
//!                          dispatcher: 10 workers ──> sender ──> Client ──> Reserved ─┬─> receivers of the demonstration
//!                               │ a circuit a host     signs                          └─> PublicOnly: looked at, then dialled
//!                               └──> monitor ──SSE──> /webhooks
//!
//!   request_id → logger → envelope → recover → security_headers → same_origin → body_limit → timeout → router
//! ```
//!
//! The one idea: whoever sends an event waits for no receiver, and no receiver waits for another. What is to be done is written
//! down first; whoever is free takes it from there, at any node.
//!
//! Spec: Standard Webhooks 1.0; RFC 9110 15.3.3 (202), 10.2.3 (Retry-After), 15.5.11 (410).
//! Never: dials an address that is not public, unless told that it may; follows a redirection; keeps what a receiver answers;
//! knows who asks: whoever reaches these routes may register endpoints and send events.
//! Limits: [`WebhooksConfig`].

mod bounds;
pub mod clock;
mod demo;
mod dispatcher;
pub mod domain;
pub mod error;
mod handlers;
pub mod input;
mod metrics;
mod monitor;
mod page;
mod sender;
pub mod store;

use std::io;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use jiff::Timestamp;
use prometheus_client::registry::Registry;
use tokio::sync::{Notify, Semaphore, broadcast};
use tokio::task::JoinHandle;
use tokio::time::timeout;

use crate::http::bounds::{Bound, Part};
use crate::http::client::breaker::{BreakerConfig, Breakers};
use crate::http::client::public_only::System;
use crate::http::client::{Client, ClientConfig, Connector, PublicOnly};
use crate::http::envelope::Envelope;
use crate::http::middleware::{BodyLimit, Logger, Recover, RequestId, SameOrigin, SecurityHeaders, Timeout};
use crate::http::router::Routes;
use crate::http::{Handler, Middleware, Router};
use crate::net::lock::lock;
use crate::net::shutdown::Shutdown;
use clock::{Chance, Clock};
use demo::{Receivers, Reserved};
use dispatcher::Shared;
use domain::retry::Backoff;
use domain::url::{EndpointUrl, Reach};
use error::Error;
use input::FieldErrors;
use metrics::Metrics;
use monitor::{Change, Circuit, Monitor, Work};
use sender::Sender;
use store::{Bounds, NewMessage, Published, Store, StoreError};

pub use store::MIGRATIONS;

/// Where the application is mounted.
pub const PREFIX: &str = "/webhooks";

/// Bytes around the data of an event in what is sent.
const FRAME_BYTES: u64 = 256;

/// What the application is given at its start.
#[derive(Clone, Debug)]
pub struct WebhooksConfig {
    /// Whether endpoints may be at addresses that are not public. Default: no. Where others can register endpoints, they reach
    /// with it whatever this machine reaches.
    pub allow_private: bool,
    /// Attempts at a time. Default: 10.
    pub workers: usize,
    /// Attempts at a time at one host and port, by all nodes together. Default: 4: less than half of the workers, so that two
    /// slow hosts leave some to the others, and enough to keep one connection busy while others come about.
    pub at_host_max: usize,
    /// An attempt in all. Default: 15 s, and never more: what is longer is cut.
    pub try_time: Duration,
    /// Bytes of an answer that are read. Default: 64 KiB.
    pub answer_bytes_max: u64,
    /// When it is tried again.
    pub backoff: Backoff,
    /// When a host is left alone.
    pub breaker: BreakerConfig,
    /// How long an endpoint may fail at every attempt before it is disabled. Default: 3 days.
    pub failing_max: Duration,
    /// How long a secret signs beside the one that has replaced it. Default: 24 h.
    pub overlap: Duration,
    /// How long a delivery is one node's. Default: 20 s.
    pub lease: Duration,
    /// For what is at work when the process is to end. Default: 5 s.
    pub drain: Duration,
    /// How much is kept.
    pub store: Bounds,
    /// Bytes of content of a request. Default: 32 KiB.
    pub content_bytes_max: u64,
    /// Time for an answer. Default: 5 s.
    pub timeout: Duration,
    /// For the look-up of a host that is being registered. Default: 2 s.
    pub look_time: Duration,
    /// Hosts that are being registered and looked up at a time. Default: 16. It holds a thread for each.
    pub lookups_max: usize,
    /// Readers of the live page. Default: 64.
    pub watchers_max: usize,
    /// What time it is.
    pub clock: Clock,
    /// What chance there is.
    pub chance: Chance,
}

impl Default for WebhooksConfig {
    fn default() -> WebhooksConfig {
        let second = Duration::from_secs(1);
        WebhooksConfig {
            allow_private: false,
            workers: 10,
            at_host_max: 4,
            try_time: TRY_TIME_MAX,
            answer_bytes_max: 64 * 1024,
            backoff: Backoff::default(),
            breaker: BreakerConfig::default(),
            failing_max: 3 * 24 * 3_600 * second,
            overlap: 24 * 3_600 * second,
            lease: 20 * second,
            drain: 5 * second,
            store: Bounds::default(),
            content_bytes_max: 32 * 1024,
            timeout: 5 * second,
            look_time: 2 * second,
            lookups_max: 16,
            watchers_max: 64,
            clock: Clock::system(),
            chance: Chance::system(),
        }
    }
}

/// The longest attempt.
const TRY_TIME_MAX: Duration = Duration::from_secs(15);

impl WebhooksConfig {
    /// Rows for the catalogue of bounds: each limit and deadline of the application.
    pub fn bounds(&self) -> Vec<Bound> {
        bounds::rows(self)
    }

    /// The memory that clients can make the application keep. `is_memory`: without a database.
    pub fn kept(&self, is_memory: bool) -> Vec<Part> {
        bounds::kept(self, is_memory)
    }

    /// Bytes that are sent at most: what JSON takes may be a few times what it was written in.
    fn payload_bytes_max(&self) -> u64 {
        6 * self.content_bytes_max + FRAME_BYTES
    }

    /// The bounds of the client that sends.
    fn client(&self) -> ClientConfig {
        ClientConfig {
            answer: self.try_time,
            total: self.try_time,
            connections_per_origin_max: self.at_host_max,
            connections_max: 4 * self.workers,
            waiting_max: self.workers,
            head_bytes_max: 16 * 1024,
            content_bytes_max: self.answer_bytes_max,
            ..ClientConfig::default()
        }
    }
}

/// The application's handle. A clone is the same.
#[derive(Clone)]
pub struct Webhooks {
    shared: Arc<Shared>,
    looker: PublicOnly,
    receivers: Receivers,
    watchers: Arc<Semaphore>,
    demonstrating: Arc<tokio::sync::Mutex<()>>,
    shutdown: Shutdown,
    /// Told by [`Webhooks::end`].
    ended: Shutdown,
    dispatcher: Arc<Mutex<Option<JoinHandle<()>>>>,
}

impl Webhooks {
    /// Begins to send what is due in `store`, until `shutdown` drains or [`Webhooks::end`] is called.
    ///
    /// # Panics
    /// Outside of a tokio runtime; when there are no workers, or a lease is shorter than an attempt.
    pub fn new(config: WebhooksConfig, store: Store, shutdown: Shutdown) -> Webhooks {
        let public = PublicOnly::new(config.allow_private);
        Webhooks::over(config, store, shutdown, public)
    }

    /// The same over another connector, in the place of the one that asks for public addresses: for tests.
    ///
    /// # Panics
    /// As [`Webhooks::new`].
    pub fn over(config: WebhooksConfig, store: Store, shutdown: Shutdown, connector: impl Connector) -> Webhooks {
        let webhooks = Webhooks::idle(config, store, shutdown, connector);
        let dispatcher =
            dispatcher::run(Arc::clone(&webhooks.shared), webhooks.shutdown.clone(), webhooks.ended.clone());
        *lock(&webhooks.dispatcher) = Some(tokio::spawn(dispatcher));
        webhooks
    }

    /// All but the workers.
    fn idle(mut config: WebhooksConfig, store: Store, shutdown: Shutdown, connector: impl Connector) -> Webhooks {
        config.try_time = config.try_time.min(TRY_TIME_MAX);
        assert!(config.workers > 0 && config.at_host_max > 0, "without workers nothing is sent");
        assert!(config.lease > config.try_time + Duration::from_secs(1), "a lease is longer than an attempt");
        let receivers = Receivers::new(config.clock.clone());
        let connector = Reserved::before(receivers.clone(), connector);
        let sender = Sender {
            client: Client::with_connector(config.client(), connector),
            clock: config.clock.clone(),
            try_time: config.try_time,
            answer_bytes_max: config.answer_bytes_max,
        };
        let shared = Arc::new(Shared {
            breakers: Breakers::new(config.breaker, config.store.endpoints_max),
            monitor: Monitor::new(config.workers),
            metrics: Metrics::new(),
            chance: config.chance.clone(),
            wake: Notify::new(),
            sender,
            store,
            config,
        });
        Webhooks {
            looker: PublicOnly::over(System::new(shared.config.lookups_max), shared.config.allow_private),
            watchers: Arc::new(Semaphore::new(shared.config.watchers_max)),
            demonstrating: Arc::default(),
            receivers,
            shared,
            shutdown,
            ended: Shutdown::new(),
            dispatcher: Arc::default(),
        }
    }

    /// Takes an event for whoever wants it, and does not wait until anybody has it. For other applications too.
    ///
    /// # Errors
    /// As [`Store::publish`].
    pub async fn publish(&self, message: &NewMessage) -> Result<Published, StoreError> {
        let published = self.shared.store.publish(message).await?;
        if published.is_new {
            self.shared.metrics.events.inc();
            self.shared.metrics.overflowed.inc_by(published.overflowed as u64);
            self.shared.monitor.published(&published);
            self.wake();
        }
        Ok(published)
    }

    /// Adds what is counted.
    pub fn register(&self, registry: &mut Registry) {
        self.shared.metrics.register(registry);
    }

    /// Claims nothing more, and waits until what is at work has ended: at most
    /// [`drain`](WebhooksConfig::drain) from now, or from when the shutdown began.
    ///
    /// # Cancel safety
    /// Dropping the future leaves the workers to their end.
    pub async fn end(&self) {
        self.ended.begin();
        let dispatcher = lock(&self.dispatcher).take();
        if let Some(dispatcher) = dispatcher {
            let _ = dispatcher.await;
        }
    }

    fn store(&self) -> &Store {
        &self.shared.store
    }

    fn config(&self) -> &WebhooksConfig {
        &self.shared.config
    }

    fn now(&self) -> Timestamp {
        self.shared.config.clock.now()
    }

    fn reach(&self) -> Reach {
        if self.shared.config.allow_private { Reach::Anywhere } else { Reach::Public }
    }

    /// The second half of the look at a URL that is being registered: what its host means now. It may mean something else later,
    /// and is looked at again at each connection.
    async fn look(&self, url: &EndpointUrl) -> Result<(), Error> {
        if url.is_demo() {
            return Ok(());
        }
        let origin = url.url().origin();
        let looked = timeout(self.shared.config.look_time, self.looker.look(origin.host(), origin.port())).await;
        let wrong = match looked {
            Ok(Ok(addresses)) if !addresses.is_empty() => return Ok(()),
            Ok(Err(error)) if error.kind() == io::ErrorKind::ResourceBusy => return Err(Error::LookUps),
            // Which of the two it is would tell strangers how things are called inside.
            Ok(looked) => {
                tracing::debug!(?looked, host = origin.host(), "a webhook's host is not taken");
                "has a host that cannot be found, or is not public"
            }
            Err(_) => "has a host that could not be looked up in time",
        };
        Err(Error::Invalid(FieldErrors::one("url", wrong)))
    }

    fn wake(&self) {
        self.shared.wake.notify_one();
    }

    fn demonstrating(&self) -> &tokio::sync::Mutex<()> {
        &self.demonstrating
    }

    fn watch(&self) -> (Vec<Option<Work>>, Vec<Circuit>, broadcast::Receiver<Arc<Change>>) {
        self.shared.monitor.watch()
    }

    fn watchers(&self) -> &Arc<Semaphore> {
        &self.watchers
    }

    fn shutdown(&self) -> &Shutdown {
        &self.shutdown
    }
}

/// The application, to be mounted at [`PREFIX`].
pub fn routes(webhooks: Webhooks) -> impl Handler {
    let config = webhooks.config().clone();
    // Inside out: the last line is the outermost layer.
    let chain = Timeout::new(config.timeout).around(table_of(webhooks));
    let chain = BodyLimit::new(config.content_bytes_max).around(chain);
    let chain = SameOrigin.around(chain);
    let chain = SecurityHeaders::default().around(chain);
    let chain = Recover.around(chain);
    let chain = Envelope.around(chain);
    let chain = Logger.around(chain);
    RequestId.around(chain)
}

/// The routes of the application alone, over nothing: for whoever lists them.
pub fn table() -> Routes {
    let config = WebhooksConfig::default();
    let store = Store::memory(config.store, config.clock.clone());
    table_of(Webhooks::idle(config, store, Shutdown::new(), PublicOnly::new(false)))
}

fn table_of(webhooks: Webhooks) -> Routes {
    let receivers = webhooks.receivers.clone();
    let router = Router::new(webhooks)
        .route("GET /webhooks", handlers::page)
        .route("GET /webhooks/live", handlers::live)
        .route("GET /webhooks/endpoints", handlers::list)
        .route("POST /webhooks/endpoints", handlers::register)
        .route("GET /webhooks/endpoints/{id}", handlers::one)
        .route("PATCH /webhooks/endpoints/{id}", handlers::change)
        .route("DELETE /webhooks/endpoints/{id}", handlers::remove)
        .route("POST /webhooks/endpoints/{id}/rotate", handlers::rotate)
        .route("POST /webhooks/endpoints/{id}/enable", handlers::enable)
        .route("GET /webhooks/endpoints/{id}/deliveries", handlers::deliveries)
        .route("POST /webhooks/events", handlers::publish)
        .route("GET /webhooks/events/{id}", handlers::event)
        .route("POST /webhooks/deliveries/{id}/replay", handlers::replay)
        .route("POST /webhooks/demo", handlers::demonstrate);
    receivers.route(router).build().expect("patterns that do not meet")
}

/// Adds the files that the page needs.
pub fn assets<S: Clone + Send + Sync + 'static>(router: Router<S>) -> Router<S> {
    page::assets(router)
}

#[cfg(test)]
mod tests;
