//! What stands beside the tables: jobs that come with their order, and copies in Redis.

use firstbyte::app::inventory::repositories::Repositories;
use firstbyte::app::inventory::services::CONFIRM;
use firstbyte::app::inventory::{Inventory, InventoryConfig, MIGRATIONS};
use firstbyte::app::queue::domain::Filter;
use firstbyte::app::queue::{self, Queue, QueueConfig};
use firstbyte::db::Postgres;
use firstbyte::db::cache::{Cache, CacheConfig};
use firstbyte::http::Method;
use firstbyte::net::context::Context;
use prometheus_client::registry::Registry;
use serde_json::{Value, json};

use super::opened_with;
use crate::client as wire;
use crate::database::Database;
use crate::server::{SOON, Server, wait_for};
use crate::services::{Kind, Shared};
use crate::sessions;
use crate::suites::inventory::client::{Client, id, order, post, product, with_json};

fn inventory(postgres: &Postgres, cache: Cache, queue: Option<Queue>) -> Inventory {
    let config = InventoryConfig::default();
    Inventory::new(config.service, Repositories::postgres(postgres.clone()), cache, queue)
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_job_comes_with_its_order_or_not_at_all() {
    let migrations = [MIGRATIONS, queue::MIGRATIONS].concat();
    let Some(database) = Database::new(&migrations) else { return };
    let postgres = opened_with(&database, &migrations).await;
    let queue = Queue::postgres(QueueConfig::default(), postgres.clone());
    let inventory = inventory(&postgres, Cache::new(None, CacheConfig::default()), Some(queue.clone()));
    let client = Client::of(InventoryConfig::default(), inventory.clone());
    let product = client.product(json!({"stock": 3})).await;
    let place = |quantity: i64, key: &str| {
        let mut content = order(&[(&product, quantity)]);
        content["notify"] = json!(true);
        post("/orders", &content).with("Idempotency-Key", key)
    };
    let jobs = async || queue.list(&Filter::default(), None, 10).await.unwrap().jobs;
    assert_eq!(client.ask(place(4, "too-many")).await.status.code(), 409);
    assert_eq!(jobs().await.len(), 0);
    for _ in 0..2 {
        assert_eq!(client.ask(place(1, "one")).await.status.code(), 201);
    }
    let placed: Value = client.ask(place(1, "one")).await.json();
    let jobs = jobs().await;
    assert_eq!((jobs.len(), jobs[0].kind.text()), (1, CONFIRM));
    assert_eq!(jobs[0].payload, json!({"order_id": placed["data"]["id"]}));
    let number = id(&placed["data"]).parse().unwrap();
    for _ in 0..2 {
        inventory.confirm(&Context::root(), number).await.unwrap();
    }
    let cancel = client.post(&format!("/orders/{number}/cancel"), &json!({})).await;
    assert_eq!((cancel.status.code(), client.stock(&product).await), (409, 2));
    let mut registry = Registry::default();
    inventory.register(&mut registry);
    let mut text = String::new();
    prometheus_client::encoding::text::encode(&mut text, &registry).unwrap();
    for line in ["placed\"} 1", "replayed\"} 2", "out_of_stock\"} 1", "confirmed\"} 1", "cancelled\"} 0"] {
        assert!(text.contains(&format!("firstbyte_inventory_orders_total{{outcome=\"{line}")), "{line}: {text}");
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_one_node_changes_no_node_reads_from_a_copy() {
    let (Some(database), Some(shared)) = (Database::new(MIGRATIONS), Shared::of(Kind::Redis)) else { return };
    let mut nodes = Vec::new();
    for _ in 0..2 {
        let cache = Cache::new(Some(sessions::open(&shared.url).await), patient());
        let postgres = opened_with(&database, MIGRATIONS).await;
        nodes.push(Client::of(InventoryConfig::default(), inventory(&postgres, cache, None)));
    }
    let product = nodes[0].product(json!({"stock": 100})).await;
    let path = format!("/products/{}", id(&product));
    let seen = async || {
        let (one, other) = (nodes[0].get(&path).await, nodes[1].get(&path).await);
        assert_eq!(one, other);
        one.1["data"].clone()
    };
    assert_eq!(seen().await, product);
    // A copy is there: what somebody does to the row by hand is not seen.
    let session = database.session().await;
    session.execute("UPDATE inventory_products SET name = 'by hand'", &[]).await.unwrap();
    assert_eq!(seen().await, product, "both have read the copy");
    for round in 0..5_i64 {
        let (writer, reader) = (&nodes[(round % 2) as usize], &nodes[((round + 1) % 2) as usize]);
        let patch = json!({"name": format!("round {round}")});
        let patch = with_json(Method::PATCH, &path, "application/merge-patch+json", &patch).with("If-Match", "*");
        assert_eq!(writer.ask(patch).await.status.code(), 200);
        assert_eq!(seen().await["name"], format!("round {round}"));
        let placed = reader.order(&[(&product, 1)]).await.json::<Value>();
        assert_eq!(seen().await["stock"], 100 - 1);
        assert_eq!(
            writer.post(&format!("/orders/{}/cancel", id(&placed["data"])), &json!({})).await.status.code(),
            200
        );
        assert_eq!(seen().await["stock"], 100);
    }
    let gone = with_json(Method::DELETE, &path, "application/json", &json!({})).with("If-Match", "*");
    assert_eq!(nodes[0].ask(gone).await.status.code(), 204);
    assert_eq!((nodes[0].get(&path).await.0, nodes[1].get(&path).await.0), (404, 404));
}

/// More patient with Redis than an application: a busy machine is no fault.
fn patient() -> CacheConfig {
    CacheConfig { patience: SOON, ..InventoryConfig::default().cache }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn who_changes_nothing_leaves_the_copies_as_they_are() {
    let (Some(database), Some(shared)) = (Database::new(MIGRATIONS), Shared::of(Kind::Redis)) else { return };
    let cache = Cache::new(Some(sessions::open(&shared.url).await), patient());
    let postgres = opened_with(&database, MIGRATIONS).await;
    let node = Client::of(InventoryConfig::default(), inventory(&postgres, cache.clone(), None));
    let product = node.product(json!({"stock": 1})).await;
    let path = format!("/products/{}", id(&product));
    let place = |quantity| post("/orders", &order(&[(&product, quantity)])).with("Idempotency-Key", "once");
    assert_eq!(node.ask(place(1)).await.status.code(), 201);
    let copy = node.get(&path).await.1["data"].clone();
    assert_eq!(copy["stock"], 0);
    let session = database.session().await;
    session.execute("UPDATE inventory_products SET name = 'by hand'", &[]).await.unwrap();
    let patch = |content: Value, tag| {
        with_json(Method::PATCH, &path, "application/merge-patch+json", &content).with("If-Match", tag)
    };
    for (request, status) in [
        (place(1), 201),
        (place(2), 422),
        (place(1).with("Idempotency-Key", "another"), 400),
        (post("/orders", &order(&[(&product, 1)])).with("Idempotency-Key", "sold-out"), 409),
        (patch(json!({"name": "x"}), "\"v1\""), 412),
        (patch(json!({"name": ""}), "*"), 422),
    ] {
        assert_eq!(node.ask(request).await.status.code(), status);
        assert_eq!(node.get(&path).await.1["data"], copy, "the copy is read as before");
    }
    // Another release has left a copy that this one cannot read.
    cache.invalidate(&[id(&product)]).await;
    let strange = async { Ok::<_, std::convert::Infallible>(Some(bytes::Bytes::from_static(b"{}"))) };
    cache.read(id(&product), strange).await.unwrap();
    for _ in 0..2 {
        assert_eq!(node.get(&path).await.1["data"]["name"], "by hand");
    }
}

/// What a server answers to `content`.
fn sent(server: &Server, path: &str, content: &Value) -> Value {
    let content = content.to_string();
    let head =
        format!("POST /api/v1{path} HTTP/1.1\r\nHost: x\r\nContent-Type: application/json\r\nIdempotency-Key: one\r\n");
    let mut client = wire::Client::connect(server.addr).unwrap();
    client.send(format!("{head}Content-Length: {}\r\n\r\n{content}", content.len()).as_bytes());
    serde_json::from_slice(&client.read_answer().unwrap().content).unwrap()
}

#[test]
fn what_is_served_confirms_its_orders() {
    let database = Database::new(&[]);
    let url = database.as_ref().map(|database| database.url().expose().to_owned());
    let in_database = url.as_ref().map(|url| vec!["--database-url", url]);
    for args in [Some(Vec::new()), in_database].into_iter().flatten() {
        let server = Server::start(&args);
        let product = wait_for("a product", || {
            let product = sent(&server, "/products", &product(json!({})));
            (product["success"] == true).then(|| product["data"].clone())
        });
        let mut content = order(&[(&product, 1)]);
        content["notify"] = json!(true);
        let placed = sent(&server, "/orders", &content)["data"].clone();
        assert_eq!(placed["status"], "placed", "{placed}");
        wait_for("the confirmation", || {
            let mut client = wire::Client::connect(server.addr).unwrap();
            let found = client.get(&format!("/api/v1/orders/{}", id(&placed))).unwrap();
            let found: Value = serde_json::from_slice(&found.content).unwrap();
            (found["data"]["status"] == "confirmed").then_some(())
        });
    }
}
