mod api;
mod delivery;

use std::sync::atomic::{AtomicUsize, Ordering::Relaxed};

use serde_json::{Value, json};
use tokio::time::{Instant, sleep};

use super::domain::signature::{self, Secret, Signed, verify};
use super::domain::url::host_of;
use super::*;
use crate::http::client::{Connecting, boxed};
use crate::http::test::{Answer, TestServer, WIRE_BYTES, call};
use crate::http::url::Origin;
use crate::http::{Request, Response, Server, Status};
use crate::net::memory::duplex;

#[path = "../../../tests/suites/webhooks.rs"]
mod suite;

#[tokio::test]
async fn memory_keeps_webhooks_as_every_store_does() {
    suite::store(async || Store::memory(suite::BOUNDS, Clock::system())).await;
}

/// What came to a receiver.
#[derive(Clone, Debug)]
struct Came {
    host: String,
    /// Since the stage was set up.
    at: Duration,
    id: String,
    timestamp: String,
    signature: String,
    content: Vec<u8>,
}

/// What receivers have seen, and how many of them were at work at once.
#[derive(Clone, Default)]
struct Log {
    came: Arc<Mutex<Vec<Came>>>,
    at_work: Arc<AtomicUsize>,
    most: Arc<AtomicUsize>,
}

impl Log {
    fn all(&self) -> Vec<Came> {
        lock(&self.came).clone()
    }

    fn at(&self, host: &str) -> Vec<Came> {
        self.all().into_iter().filter(|came| came.host == host).collect()
    }

    /// When each came to `host`, in milliseconds.
    fn times(&self, host: &str) -> Vec<u64> {
        self.at(host).iter().map(|came| came.at.as_millis() as u64).collect()
    }
}

fn came(request: &Request, at: Duration, content: Vec<u8>) -> Came {
    let field = |name| request.field(name).unwrap_or_default().to_owned();
    let host = request.authority().unwrap_or_default().to_owned();
    let (id, timestamp, signature) = (field(signature::ID), field(signature::TIMESTAMP), field(signature::SIGNATURE));
    Came { host, at, id, timestamp, signature, content }
}

/// The whole application over memory, whose clock stands until everybody waits. All hosts lead to one server.
struct Stage {
    webhooks: Webhooks,
    routes: Routes,
    log: Log,
    shutdown: Shutdown,
}

/// Leads all hosts to one server, over memory.
struct ToStage<H>(TestServer<H>);

impl<H: Handler> Connector for ToStage<H> {
    fn connect<'a>(&'a self, _: &'a Origin) -> Connecting<'a> {
        let (near, far) = duplex(WIRE_BYTES);
        tokio::spawn(self.0.drive(([127, 0, 0, 1], 0).into(), far));
        Box::pin(async move { Ok(boxed(near)) })
    }
}

fn config() -> WebhooksConfig {
    let begun = "2026-11-21T12:00:00Z".parse().expect("a time");
    WebhooksConfig { clock: Clock::from(begun), chance: Chance::seeded(1), ..WebhooksConfig::default() }
}

/// `answer` is what a host answers to its n-th request, from 1.
fn stage<A, F>(config: WebhooksConfig, answer: A) -> Stage
where
    A: Fn(String, usize) -> F + Clone + Send + Sync + 'static,
    F: Future<Output = Response> + Send,
{
    let (log, begun) = (Log::default(), Instant::now());
    let seen = log.clone();
    let handler = move |mut request: Request| {
        let (log, answer) = (seen.clone(), answer.clone());
        async move {
            let content = request.bytes().await.expect("content").to_vec();
            let came = came(&request, begun.elapsed(), content);
            let host = came.host.clone();
            let count = {
                let mut all = lock(&log.came);
                all.push(came);
                all.iter().filter(|came| came.host == host).count()
            };
            log.most.fetch_max(log.at_work.fetch_add(1, Relaxed) + 1, Relaxed);
            let answer = answer(host, count).await;
            log.at_work.fetch_sub(1, Relaxed);
            answer
        }
    };
    let connector = ToStage(TestServer::new(Server::new(handler)));
    let (shutdown, store) = (Shutdown::new(), Store::memory(config.store, config.clock.clone()));
    let webhooks = Webhooks::over(config, store, shutdown.clone(), connector);
    Stage { routes: table_of(webhooks.clone()), webhooks, log, shutdown }
}

async fn ok() -> Response {
    Response::new(Status::NO_CONTENT)
}

impl Stage {
    async fn send(&self, method: crate::http::Method, target: &str, content: Value) -> Answer {
        let request = Request::of(method, target).with("Content-Type", "application/json");
        call(&self.routes, request.with_content(content.to_string())).await
    }

    async fn post(&self, target: &str, content: Value) -> Answer {
        self.send(crate::http::Method::POST, target, content).await
    }

    async fn get(&self, target: &str) -> Answer {
        call(&self.routes, Request::get(target)).await
    }

    /// Puts an endpoint into the store, as if its host had been found. What signs for it.
    async fn endpoint(&self, url: &str, events: &str) -> domain::Endpoint {
        let url = EndpointUrl::parse(url, Reach::Public).expect("a URL");
        let events = domain::event::Filter::parse(&[events]).expect("a filter");
        let endpoint = domain::Endpoint::new(self.webhooks.now(), url, events, String::new(), Secret::random());
        self.webhooks.store().add(&endpoint).await.expect("room");
        endpoint
    }

    /// Sends an event. Where its deliveries are told of.
    async fn event(&self, kind: &str) -> String {
        let answer = self.post("/webhooks/events", json!({"type": kind, "data": {"n": 1}})).await;
        assert_eq!(answer.status, Status::ACCEPTED, "{}", answer.text());
        answer.field("location").expect("a place").to_owned()
    }

    async fn deliveries(&self, event: &str) -> Vec<Value> {
        let told: Value = self.get(event).await.json();
        told["data"]["deliveries"].as_array().expect("deliveries").clone()
    }

    /// Waits until nothing is pending. How long that took.
    async fn done(&self) -> Duration {
        let begun = Instant::now();
        while self.webhooks.store().backlog().await.expect("a store").pending > 0 {
            assert!(begun.elapsed() < Duration::from_secs(100_000), "something is pending for ever");
            // An hour is not looked at in milliseconds.
            let is_long = begun.elapsed() > Duration::from_secs(60);
            sleep(Duration::from_millis(if is_long { 1_000 } else { 1 })).await;
        }
        begun.elapsed()
    }
}
