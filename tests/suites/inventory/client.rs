//! A client of the API, in process.

use std::sync::Arc;
use std::sync::atomic::AtomicU64;
use std::sync::atomic::Ordering::Relaxed;

use firstbyte::app::inventory::repositories::Repositories;
use firstbyte::app::inventory::{Inventory, InventoryConfig, routes};
use firstbyte::db::cache::Cache;
use firstbyte::http::test::Answer;
use firstbyte::http::{Handler, Method, Request, Response};
use serde_json::{Value, json};

/// Asks one node. Clones ask the same.
#[derive(Clone)]
pub struct Client {
    node: Arc<dyn Node>,
}

type Answering<'a> = std::pin::Pin<Box<dyn Future<Output = Response> + Send + 'a>>;

trait Node: Send + Sync {
    fn ask(&self, request: Request) -> Answering<'_>;
}

impl<H: Handler> Node for H {
    fn ask(&self, request: Request) -> Answering<'_> {
        Box::pin(self.handle(request))
    }
}

impl Client {
    pub fn new(repositories: Repositories) -> Client {
        Client::with(InventoryConfig::default(), repositories)
    }

    pub fn with(config: InventoryConfig, repositories: Repositories) -> Client {
        let cache = Cache::new(None, config.cache);
        let inventory = Inventory::new(config.service, repositories, cache, None);
        Client::of(config, inventory)
    }

    pub fn of(config: InventoryConfig, inventory: Inventory) -> Client {
        Client { node: Arc::new(routes(config, inventory)) }
    }

    pub async fn ask(&self, request: Request) -> Answer {
        Answer::of(self.node.ask(request).await).await
    }

    /// Status and content of a GET.
    pub async fn get(&self, path: &str) -> (u16, Value) {
        told(&self.ask(Request::get(&format!("/api/v1{path}"))).await)
    }

    pub async fn post(&self, path: &str, content: &Value) -> Answer {
        self.ask(post(path, content)).await
    }

    /// A new product with these members.
    pub async fn product(&self, members: Value) -> Value {
        let answer = self.post("/products", &product(members)).await;
        assert_eq!(answer.status.code(), 201, "{}", answer.text());
        answer.json::<Value>()["data"].clone()
    }

    /// An order under a key of its own.
    pub async fn order(&self, lines: &[(&Value, i64)]) -> Answer {
        self.ask(post("/orders", &order(lines)).with("Idempotency-Key", unique("key"))).await
    }

    pub async fn stock(&self, product: &Value) -> i64 {
        let (status, found) = self.get(&format!("/products/{}", id(product))).await;
        assert_eq!(status, 200, "{found}");
        found["data"]["stock"].as_i64().unwrap()
    }
}

/// Status and content.
pub fn told(answer: &Answer) -> (u16, Value) {
    (answer.status.code(), if answer.content.is_empty() { Value::Null } else { answer.json() })
}

/// Status and code of a problem, and its places and their codes.
pub fn refused(answer: &Answer) -> (u16, String, Vec<(String, String)>) {
    assert_eq!(answer.field("content-type"), Some("application/problem+json"), "{}", answer.text());
    let problem: Value = answer.json();
    assert_eq!(problem["status"], answer.status.code(), "{problem}");
    let text = |value: &Value| value.as_str().unwrap().to_owned();
    let errors = problem["errors"].as_array().cloned().unwrap_or_default();
    let place = |error: &Value| text(error.get("pointer").or(error.get("parameter")).unwrap());
    let errors = errors.iter().map(|error| (place(error), text(&error["code"]))).collect();
    (answer.status.code(), text(&problem["code"]), errors)
}

pub fn post(path: &str, content: &Value) -> Request {
    with_json(Method::POST, path, "application/json", content)
}

pub fn with_json(method: Method, path: &str, content_type: &str, content: &Value) -> Request {
    let request = Request::of(method, &format!("/api/v1{path}")).with("Content-Type", content_type);
    request.with_content(content.to_string())
}

/// A product that may be added, with these members.
pub fn product(members: Value) -> Value {
    let mut product = json!({"sku": unique("SKU"), "name": "Bolt", "price_cents": 250, "stock": 10});
    for (name, member) in members.as_object().unwrap() {
        product[name] = member.clone();
    }
    product
}

pub fn order(lines: &[(&Value, i64)]) -> Value {
    let line = |(product, quantity): &(&Value, i64)| json!({"product_id": product["id"], "quantity": quantity});
    json!({"lines": lines.iter().map(line).collect::<Vec<_>>()})
}

pub fn id(value: &Value) -> &str {
    value["id"].as_str().unwrap()
}

/// What nobody else calls anything.
pub fn unique(prefix: &str) -> String {
    static NEXT: AtomicU64 = AtomicU64::new(1);
    format!("{prefix}-{}", NEXT.fetch_add(1, Relaxed))
}
