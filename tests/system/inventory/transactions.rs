//! Transactions of the inventory, and what comes in their way: locks, deadlocks, connections that are killed.

use std::time::{Duration, Instant};

use firstbyte::app::inventory::repositories::Repositories;
use firstbyte::app::inventory::{InventoryConfig, MIGRATIONS, ServiceConfig};
use firstbyte::http::Request;
use serde_json::{Value, json};
use tokio::time::sleep;
use tokio_postgres::Client as Session;

use super::opened;
use crate::database::Database;
use crate::server::SOON;
use crate::suites::inventory::client::{Client, id, order, post, product, refused, unique};

/// A node over `database`, and a session beside it.
async fn node(database: &Database) -> (Client, Session) {
    (Client::new(Repositories::postgres(opened(database).await)), database.session().await)
}

fn uuid(value: &Value) -> uuid::Uuid {
    id(value).parse().unwrap()
}

/// Locks the row of `product` until the transaction of `session` ends.
async fn lock(session: &Session, product: &Value) {
    const LOCK: &str = "SELECT id FROM inventory_products WHERE id = $1 FOR UPDATE";
    session.execute(LOCK, &[&uuid(product)]).await.unwrap();
}

/// Waits until a backend waits for a lock, and says which one. Asked by a session of its own: within a transaction it would be
/// told the same again and again.
async fn waiting(session: &Session, count: i64) -> i32 {
    const WAITING: &str = "SELECT min(pid), count(*) FROM pg_stat_activity
        WHERE datname = current_database() AND wait_event_type = 'Lock'";
    let begun = Instant::now();
    loop {
        assert!(begun.elapsed() < SOON, "nobody waits");
        let row = session.query_one(WAITING, &[]).await.unwrap();
        if row.get::<_, i64>(1) >= count {
            return row.get(0);
        }
        sleep(Duration::from_millis(5)).await;
    }
}

async fn rows(session: &Session) -> (i64, i64, i64) {
    const COUNT: &str = "SELECT (SELECT count(*) FROM inventory_orders), (SELECT count(*) FROM inventory_order_lines),
        (SELECT count(*) FROM inventory_keys)";
    let row = session.query_one(COUNT, &[]).await.unwrap();
    (row.get(0), row.get(1), row.get(2))
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_connection_that_is_killed_in_the_middle_of_an_order_leaves_nothing_of_it() {
    let Some(database) = Database::new(MIGRATIONS) else { return };
    let (client, session) = node(&database).await;
    let observer = database.session().await;
    let (first, last) = (client.product(json!({})).await, client.product(json!({})).await);
    session.batch_execute("BEGIN").await.unwrap();
    lock(&session, &last).await;
    let content = order(&[(&first, 1), (&last, 1)]);
    let place = || post("/orders", &content).with("Idempotency-Key", "killed");
    let placing = tokio::spawn({
        let (client, request) = (client.clone(), place());
        async move { client.ask(request).await }
    });
    let pid = waiting(&observer, 1).await;
    let (status, code, _) = refused(&client.ask(place()).await);
    assert_eq!((status, code.as_str()), (409, "idempotency_key_at_work"), "nobody waits for it");
    session.execute("SELECT pg_terminate_backend($1)", &[&pid]).await.unwrap();
    let answer = placing.await.unwrap();
    assert_eq!((answer.status.code(), answer.field("retry-after")), (503, Some("1")), "{}", answer.text());
    session.batch_execute("ROLLBACK").await.unwrap();
    assert_eq!(rows(&session).await, (0, 0, 0));
    assert_eq!((client.stock(&first).await, client.stock(&last).await), (10, 10));
    let again = client.ask(place()).await;
    assert_eq!((again.status.code(), again.field("idempotency-replayed")), (201, None), "{}", again.text());
    assert_eq!((client.stock(&first).await, client.stock(&last).await), (9, 9));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_client_that_leaves_in_the_middle_of_an_order_leaves_nothing_of_it() {
    let Some(database) = Database::new(MIGRATIONS) else { return };
    let (client, session) = node(&database).await;
    let observer = database.session().await;
    let (first, last) = (client.product(json!({})).await, client.product(json!({})).await);
    session.batch_execute("BEGIN").await.unwrap();
    lock(&session, &last).await;
    let request = post("/orders", &order(&[(&first, 1), (&last, 1)])).with("Idempotency-Key", "left");
    let placing = tokio::spawn({
        let client = client.clone();
        async move { client.ask(request).await }
    });
    waiting(&observer, 1).await;
    placing.abort();
    const AT_WORK: &str = "SELECT count(*) FROM pg_stat_activity WHERE datname = current_database()
        AND pid <> pg_backend_pid() AND backend_type = 'client backend' AND state = 'active'";
    while observer.query_one(AT_WORK, &[]).await.unwrap().get::<_, i64>(0) > 0 {
        sleep(Duration::from_millis(5)).await;
    }
    session.batch_execute("ROLLBACK").await.unwrap();
    assert_eq!((rows(&session).await, client.stock(&first).await), ((0, 0, 0), 10));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn who_meets_a_deadlock_begins_again() {
    let Some(database) = Database::new(MIGRATIONS) else { return };
    let (client, session) = node(&database).await;
    let (first, last) = (client.product(json!({})).await, client.product(json!({})).await);
    let observer = database.session().await;
    // Somebody who keeps no order: it has the last one, and wants the first. It waits for long before it looks.
    session.batch_execute("SET deadlock_timeout = '60s'; BEGIN").await.unwrap();
    lock(&session, &last).await;
    let placing = tokio::spawn({
        let (client, lines) = (client.clone(), [first.clone(), last.clone()]);
        async move { client.order(&[(&lines[0], 1), (&lines[1], 1)]).await }
    });
    waiting(&observer, 1).await;
    lock(&session, &first).await;
    session.batch_execute("UPDATE inventory_products SET stock = 5; COMMIT").await.unwrap();
    let answer = placing.await.unwrap();
    assert_eq!(answer.status.code(), 201, "{}", answer.text());
    assert_eq!((client.stock(&first).await, client.stock(&last).await), (4, 4));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_statement_ends_with_the_time_of_its_request() {
    let Some(database) = Database::new(MIGRATIONS) else { return };
    let (patient, session) = node(&database).await;
    let observer = database.session().await;
    let product = patient.product(json!({})).await;
    let config = InventoryConfig { timeout: Duration::from_millis(300), ..InventoryConfig::default() };
    let hasty = Client::with(config, Repositories::postgres(opened(&database).await));
    session.batch_execute("BEGIN").await.unwrap();
    lock(&session, &product).await;
    let begun = Instant::now();
    let (status, code, _) = refused(&hasty.order(&[(&product, 1)]).await);
    assert_eq!(status, 503, "{code}");
    println!("inventory: a request of 300 ms ended after {:?}", begun.elapsed());
    const LOCKED: &str =
        "SELECT count(*) FROM pg_stat_activity WHERE datname = current_database() AND wait_event_type = 'Lock'";
    while observer.query_one(LOCKED, &[]).await.unwrap().get::<_, i64>(0) > 0 {
        sleep(Duration::from_millis(5)).await;
    }
    session.batch_execute("ROLLBACK").await.unwrap();
    assert_eq!(patient.stock(&product).await, 10);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_key_that_has_ended_is_anothers() {
    let Some(database) = Database::new(MIGRATIONS) else { return };
    let service = ServiceConfig { key_ttl: Duration::from_millis(1), ..ServiceConfig::default() };
    let config = InventoryConfig { service, ..InventoryConfig::default() };
    for repositories in [Repositories::memory(config.memory), Repositories::postgres(opened(&database).await)] {
        let client = Client::with(config.clone(), repositories);
        for _ in 0..3 {
            let add = post("/products", &product(json!({}))).with("Idempotency-Key", "short");
            let answer = client.ask(add).await;
            assert_eq!((answer.status.code(), answer.field("idempotency-replayed")), (201, None));
            let other = post("/products", &product(json!({}))).with("Idempotency-Key", unique("other"));
            assert_eq!(client.ask(other).await.status.code(), 201);
            sleep(Duration::from_millis(5)).await;
        }
    }
    let session = database.session().await;
    assert!(rows(&session).await.2 <= 3, "those that have ended are forgotten as others come");
}

/// A node that begins nothing again: who is told to stop is heard of.
async fn once(database: &Database) -> Client {
    let service = ServiceConfig { attempts_max: 1, ..ServiceConfig::default() };
    let config = InventoryConfig { service, ..InventoryConfig::default() };
    Client::with(config, Repositories::postgres(opened(database).await))
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn orders_of_the_same_products_in_any_order_do_not_stop_each_other() {
    let Some(database) = Database::new(MIGRATIONS) else { return };
    let client = once(&database).await;
    let mut products = Vec::new();
    for _ in 0..20 {
        products.push(client.product(json!({"stock": 1_000})).await);
    }
    for _ in 0..10 {
        let orders = (0..4).map(|number| {
            let mut lines: Vec<(&Value, i64)> = products.iter().map(|product| (product, 1)).collect();
            lines.rotate_left(number * 5);
            if number % 2 == 0 {
                lines.reverse();
            }
            let (client, content) = (client.clone(), order(&lines));
            tokio::spawn(async move {
                let answer = client.ask(post("/orders", &content).with("Idempotency-Key", unique("any"))).await;
                (answer.status.code(), answer.text().to_owned())
            })
        });
        for order in orders.collect::<Vec<_>>() {
            let (status, text) = order.await.unwrap();
            assert_eq!(status, 201, "{text}");
        }
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn two_who_add_the_same_in_another_order_do_not_stop_each_other() {
    let Some(database) = Database::new(MIGRATIONS) else { return };
    let client = once(&database).await;
    for _ in 0..10 {
        let products: Vec<Value> = (0..50).map(|_| product(json!({}))).collect();
        let reversed: Vec<&Value> = products.iter().rev().collect();
        let add = |content: Value| {
            let client = client.clone();
            tokio::spawn(async move { client.post("/products/bulk", &content).await.status.code() })
        };
        let (one, other) = (add(json!({"products": products})), add(json!({"products": reversed})));
        let mut statuses = [one.await.unwrap(), other.await.unwrap()];
        statuses.sort_unstable();
        assert_eq!(statuses, [201, 409]);
    }
    let found = client.ask(Request::get("/api/v1/products?limit=1")).await;
    assert_eq!(found.status.code(), 200);
}
