//! Owns a node of the issuer for tests: its routes as a function, with the accounts and the clock that all nodes share.

use std::sync::Arc;
use std::sync::atomic::AtomicU64;
use std::sync::atomic::Ordering::Relaxed;
use std::time::{Duration, Instant};

use firstbyte::app::accounts::hasher::{Cost, PasswordHash};
use firstbyte::app::accounts::throttle::{Quota, Throttle, ThrottleConfig};
use firstbyte::app::accounts::{self, AccountName, Accounts, AccountsConfig, Role};
use firstbyte::app::identity::clock::Clock;
use firstbyte::app::identity::{self, Identity, IdentityConfig, store::Store};
use firstbyte::http::router::Routes;
use firstbyte::http::test::{Answer, call};
use firstbyte::http::{Request, Router};
use serde_json::Value;
use tokio::time::sleep;

use crate::server::SOON;

pub const NOW: u64 = 1_800_000_000;
const PASSWORD: &str = "analytical-engine";

/// What all nodes share besides the store.
#[derive(Clone)]
pub struct World {
    pub accounts: Accounts,
    pub clock: Arc<AtomicU64>,
}

/// One node.
#[derive(Clone)]
pub struct Node {
    pub routes: Arc<Routes>,
}

impl World {
    pub async fn new() -> World {
        let quota = Quota { burst: 1_000_000, interval: Duration::from_secs(1) };
        let throttle = ThrottleConfig { name: quota, address: quota, registration: quota, ..ThrottleConfig::default() };
        let store = accounts::store::Store::empty(10);
        let hash = bcrypt::hash(PASSWORD, 4).unwrap();
        let (name, hash) = (AccountName::parse("ada").unwrap(), PasswordHash::parse(&hash).unwrap());
        store.add(&name, &Role::ALL, &hash).await.unwrap();
        let config = AccountsConfig { cost: Cost::of_tests(4), hashes_max: 2, waiting_hashes_max: 1_000 };
        let accounts = Accounts::new(config, store, Throttle::memory(throttle));
        World { accounts, clock: Arc::new(AtomicU64::new(NOW)) }
    }

    /// A node over `store`, when that answers.
    pub async fn node(&self, config: IdentityConfig, store: Store) -> Node {
        let node = self.early_node(config, store);
        soon(async || (node.get("/identity/.well-known/jwks.json").await.status.code() == 200).then_some(())).await;
        node
    }

    /// A node over `store`, whether that answers or not.
    pub fn early_node(&self, config: IdentityConfig, store: Store) -> Node {
        let clock = Arc::clone(&self.clock);
        let config = IdentityConfig { clock: Clock::of(move || clock.load(Relaxed)), ..config };
        let identity = Identity::new(config, self.accounts.clone(), store);
        let routes = identity::routes(Router::new(()), identity).build().unwrap();
        Node { routes: Arc::new(routes) }
    }

    pub fn wait(&self, seconds: u64) {
        self.clock.fetch_add(seconds, Relaxed);
    }
}

impl Node {
    pub async fn get(&self, target: &str) -> Answer {
        call(&*self.routes, Request::get(target)).await
    }

    /// A form from the client of the lesson.
    pub async fn post(&self, target: &str, pairs: &[(&str, &str)]) -> Answer {
        call(&*self.routes, form(target, pairs).with("Authorization", basic("demo-cli:"))).await
    }

    pub async fn log_in(&self) -> Value {
        let pairs = [("grant_type", "password"), ("username", "ada"), ("password", PASSWORD)];
        let answer = self.post("/identity/token", &pairs).await;
        assert_eq!(answer.status.code(), 200, "{}", answer.text());
        answer.json()
    }

    /// The status of a refresh, and the next refresh token.
    pub async fn refresh(&self, token: &str) -> (u16, String) {
        let answer = self.post("/identity/token", &[("grant_type", "refresh_token"), ("refresh_token", token)]).await;
        (answer.status.code(), text(&answer.json(), "refresh_token"))
    }

    pub async fn robot(&self) -> Answer {
        let request = form("/identity/token", &[("grant_type", "client_credentials")]);
        call(&*self.routes, request.with("Authorization", basic("stock-robot:only-for-the-lesson"))).await
    }

    pub async fn is_active(&self, token: &str) -> bool {
        let request = form("/identity/introspect", &[("token", token)]);
        let answer = call(&*self.routes, request.with("Authorization", basic("catalog:only-for-the-lesson"))).await;
        assert_eq!(answer.status.code(), 200, "{}", answer.text());
        answer.json::<Value>()["active"] == Value::Bool(true)
    }

    /// The status of a rotation by an admin who asks for it, with these parameters.
    pub async fn rotate_keys(&self, pairs: &[(&str, &str)]) -> u16 {
        let password = [("grant_type", "password"), ("username", "ada"), ("password", PASSWORD)];
        let more = [("scope", "keys:rotate"), ("audience", "identity")];
        let login = self.post("/identity/token", &[&password[..], &more].concat()).await;
        let admin = text(&login.json(), "access_token");
        let request = form("/identity/keys/rotate", pairs).with("Authorization", format!("Bearer {admin}"));
        call(&*self.routes, request).await.status.code()
    }
}

/// What `asked` gives, as soon as it gives something.
pub async fn soon<T>(asked: impl AsyncFn() -> Option<T>) -> T {
    let begun = Instant::now();
    loop {
        if let Some(given) = asked().await {
            return given;
        }
        assert!(begun.elapsed() < SOON, "nothing comes");
        sleep(Duration::from_millis(5)).await;
    }
}

pub fn form(target: &str, pairs: &[(&str, &str)]) -> Request {
    let content = form_urlencoded::Serializer::new(String::new()).extend_pairs(pairs).finish();
    Request::post(target, content).with("Content-Type", "application/x-www-form-urlencoded")
}

pub fn basic(credentials: &str) -> String {
    use base64::Engine;
    format!("Basic {}", base64::engine::general_purpose::STANDARD.encode(credentials))
}

pub fn text(json: &Value, name: &str) -> String {
    json[name].as_str().unwrap_or_default().to_owned()
}
