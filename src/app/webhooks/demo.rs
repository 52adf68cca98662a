//! Owns the demonstration: receivers that are as slow and as faulty as they are asked to be, and a way to them that opens no
//! other.
//!
//! ```text
//!   http://r7.demo.invalid/webhooks/demo/receivers/7?latency_ms=100
//!          └───── Reserved: host below demo.invalid? ──yes──> a server of nothing but receivers, over memory
//!                                                    └─no───> PublicOnly
//! ```
//!
//! The one idea: the demonstration needs no hole. Its names are below `.invalid`, which no resolver knows (RFC 6761 6.4); they
//! lead to a server in this process that has one route, and not to the one that listens. So it works without
//! `--webhooks-allow-private`, and each receiver is a host of its own, with its own share of workers and its own circuit.
//!
//! Their secrets are published, so that every node and every start agrees on them: whoever knows one can sign for a receiver of
//! a demonstration.
//!
//! Never: connects a name below `demo.invalid` to anything else.

use std::collections::HashMap;
use std::net::{Ipv4Addr, SocketAddr};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use serde::Deserialize;
use tokio::time::sleep;

use super::clock::Clock;
use super::domain::signature::{self, Secret, Signed, Unsigned, verify};
use super::domain::url::{DEMO_DOMAIN, is_demo};
use super::error::Error;
use crate::crypto;
use crate::http::client::{Connecting, Connector, Stream, boxed};
use crate::http::router::Routes;
use crate::http::test::{TestServer, WIRE_BYTES};
use crate::http::url::Origin;
use crate::http::{IntoResponse, Request, Response, Router, Server, Status};
use crate::net::lock::lock;
use crate::net::memory::duplex;

/// Receivers of a demonstration.
pub(super) const RECEIVERS_MAX: usize = 50;

/// The longest that a receiver waits before it answers.
pub(super) const LATENCY_MS_MAX: u64 = 20_000;

/// Messages that receivers remember, to count their attempts.
pub(super) const REMEMBERED_MAX: usize = 1_000;

/// What a receiver may answer. Who signs with a published secret asks for it, and each status is a row in the metrics.
const STATUSES: [u16; 7] = [204, 400, 404, 410, 429, 500, 503];

/// The type of the demonstration's events.
pub(super) const EVENT: &str = "demo.sent";

/// Dials receivers of the demonstration in memory, and leaves the rest to another.
pub(super) struct Reserved<C> {
    demo: Arc<TestServer<Routes>>,
    other: C,
}

impl<C: Connector> Reserved<C> {
    /// The receivers, and `other` for all other hosts.
    pub(super) fn before(receivers: Receivers, other: C) -> Reserved<C> {
        let routes = receivers.routes();
        Reserved { demo: Arc::new(TestServer::new(Server::new(routes))), other }
    }

    fn receiver(&self) -> Stream {
        let (near, far) = duplex(WIRE_BYTES);
        tokio::spawn(self.demo.drive(SocketAddr::from((Ipv4Addr::LOCALHOST, 0)), far));
        boxed(near)
    }
}

impl<C: Connector> Connector for Reserved<C> {
    fn connect<'a>(&'a self, origin: &'a Origin) -> Connecting<'a> {
        if is_demo(origin.host()) {
            return Box::pin(async { Ok(self.receiver()) });
        }
        self.other.connect(origin)
    }
}

/// The receivers. A clone is the same.
#[derive(Clone)]
pub(super) struct Receivers {
    clock: Clock,
    /// Attempts at each receiver by message, the last messages.
    seen: Arc<Mutex<HashMap<(usize, String), u32>>>,
}

/// How a receiver behaves.
#[derive(Clone, Copy, Debug, Default, Deserialize)]
#[serde(deny_unknown_fields)]
struct Behaviour {
    /// How long it thinks.
    #[serde(default)]
    latency_ms: u64,
    /// What it answers instead of 204: one of [`STATUSES`].
    status: Option<u16>,
    /// To how many attempts of a message it answers so: all, unless it is given.
    times: Option<u32>,
}

impl Receivers {
    pub(super) fn new(clock: Clock) -> Receivers {
        Receivers { clock, seen: Arc::default() }
    }

    fn routes(self) -> Routes {
        self.route(Router::new(())).build().expect("one pattern")
    }

    /// Adds them to other routes.
    pub(super) fn route<S: Clone + Send + Sync + 'static>(self, router: Router<S>) -> Router<S> {
        router.route("POST /webhooks/demo/receivers/{n}", move |_, request| receive(self.clone(), request))
    }

    /// How often this message has come to this receiver, this time included.
    fn count(&self, receiver: usize, message: &str) -> u32 {
        let mut seen = lock(&self.seen);
        if seen.len() >= REMEMBERED_MAX {
            seen.clear();
        }
        let count = seen.entry((receiver, message.to_owned())).or_default();
        *count += 1;
        *count
    }
}

async fn receive(receivers: Receivers, mut request: Request) -> Result<Response, Error> {
    let receiver: usize = request.path("n")?;
    let behaviour: Behaviour = request.query()?;
    let content = request.bytes().await?;
    let id = check(&request, receiver, &content, receivers.clock.now().as_second()).map_err(Error::Unsigned)?;
    sleep(Duration::from_millis(behaviour.latency_ms.min(LATENCY_MS_MAX))).await;
    let count = receivers.count(receiver, &id);
    let fails = behaviour.times.is_none_or(|times| count <= times);
    let status = behaviour.status.filter(|status| fails && STATUSES.contains(status)).and_then(Status::new);
    Ok(status.unwrap_or(Status::NO_CONTENT).into_response())
}

/// As any receiver does it: the fields, the time, the signature. The message's name.
fn check(request: &Request, receiver: usize, content: &[u8], now: i64) -> Result<String, Unsigned> {
    let field = |name: &'static str| {
        let mut all = request.fields().all(name);
        let one = all.next().filter(|_| all.next().is_none()).and_then(|value| std::str::from_utf8(value).ok());
        one.ok_or(Unsigned::Field(name))
    };
    let id = field(signature::ID)?;
    let signed = Signed { id, timestamp: field(signature::TIMESTAMP)?, signature: field(signature::SIGNATURE)? };
    verify(&secret(receiver), signed, content, now)?;
    Ok(id.chars().take(64).collect())
}

/// The secret of a receiver, which everybody knows.
pub(super) fn secret(receiver: usize) -> Secret {
    let bytes = crypto::hmac_sha256(b"firstbyte: receivers of the demonstration", &receiver.to_be_bytes());
    Secret::of_bytes(&bytes).expect("32 bytes are a secret")
}

/// Whether everybody knows a secret.
pub(super) fn is_published(other: &Secret) -> bool {
    (1..=RECEIVERS_MAX).any(|receiver| secret(receiver) == *other)
}

/// Where a receiver is. One that fails answers 503 twice before it takes a message.
pub(super) fn url(receiver: usize, latency_ms: u64, fails: bool) -> String {
    let fault = if fails { "&status=503&times=2" } else { "" };
    format!("http://r{receiver}.{DEMO_DOMAIN}/webhooks/demo/receivers/{receiver}?latency_ms={latency_ms}{fault}")
}
