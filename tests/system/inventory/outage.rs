//! A PostgreSQL that is killed, that is stopped, that has no connection left: it is told in time, and used when it is back.

use std::time::{Duration, Instant};

use firstbyte::app::inventory::MIGRATIONS;
use firstbyte::app::inventory::repositories::Repositories;
use firstbyte::db::{Postgres, PostgresConfig};
use firstbyte::http::Request;
use serde_json::{Value, json};
use tokio::time::sleep;

use crate::database::Database;
use crate::server::SOON;
use crate::services::{BACK_TIME, Kind, Service, TOLD_TIME};
use crate::suites::inventory::client::{Client, id, order, post, product, refused, unique};

/// Asks everything that needs the database while it is away, and says how long an answer took at most.
async fn told(client: &Client, there: &Value, times: u32) -> Duration {
    let mut longest = Duration::ZERO;
    for _ in 0..times {
        for request in [
            Request::get(&format!("/api/v1/products/{}", id(there))),
            Request::get("/api/v1/products"),
            post("/products", &product(json!({}))),
            buying(there, &unique("away")),
        ] {
            let begun = Instant::now();
            let answer = client.ask(request).await;
            longest = longest.max(begun.elapsed());
            let (status, code, _) = refused(&answer);
            assert_eq!((status, code.as_str(), answer.field("retry-after")), (503, "unavailable", Some("1")));
            assert!(!answer.text().contains("127.0.0.1"), "nobody is told where it is");
        }
        sleep(Duration::from_millis(10)).await;
    }
    longest
}

/// Buys until the database does as asked, and says how long that took.
async fn back(client: &Client, product: &Value, key: &str) -> Duration {
    let begun = Instant::now();
    loop {
        match client.ask(buying(product, key)).await.status.code() {
            201 => return begun.elapsed(),
            // A server that was stopped may still be at the order of before.
            409 | 503 => assert!(begun.elapsed() < BACK_TIME, "it is not used again"),
            status => panic!("{status}"),
        }
        sleep(Duration::from_millis(10)).await;
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn while_postgresql_is_away_it_is_said_in_time_and_nobody_is_stuck() {
    let Some(mut service) = Service::start(Kind::Postgres) else { return };
    let postgres = Postgres::open(&service.url().parse().unwrap(), MIGRATIONS).unwrap();
    while postgres.check().await.is_err() {
        sleep(Duration::from_millis(5)).await;
    }
    let client = Client::new(Repositories::postgres(postgres));
    let product = client.product(json!({"stock": 1_000})).await;
    for (round, is_killed) in [true, false, true].into_iter().enumerate() {
        // Some are in the middle of an order when it happens, and whether that counts nobody is told.
        let keys: Vec<String> = (0..8).map(|number| format!("round-{round}-{number}")).collect();
        let orders = keys.iter().map(|key| {
            let (client, request) = (client.clone(), buying(&product, key));
            tokio::spawn(async move { client.ask(request).await.status.code() })
        });
        let orders: Vec<_> = orders.collect();
        tokio::task::yield_now().await;
        if is_killed {
            service.kill();
        } else {
            service.pause();
        }
        let begun = Instant::now();
        for order in orders {
            let status = order.await.unwrap();
            assert!([201, 503].contains(&status), "{status}");
        }
        let stuck = begun.elapsed();
        let longest = told(&client, &product, 5).await;
        if is_killed {
            service.start_again();
        } else {
            service.resume();
        }
        let returned = back(&client, &product, &keys[0]).await;
        println!("inventory: those at work ended after {stuck:?}, told within {longest:?}, back after {returned:?}");
        assert!(stuck < TOLD_TIME && longest < TOLD_TIME && returned < BACK_TIME);
        for key in &keys {
            back(&client, &product, key).await;
        }
        assert_eq!(client.stock(&product).await, 1_000 - 8 * (round as i64 + 1), "each key counts once");
    }
}

fn buying(product: &Value, key: &str) -> Request {
    post("/orders", &order(&[(product, 1)])).with("Idempotency-Key", key)
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn when_all_connections_are_held_others_are_told_in_time() {
    let Some(database) = Database::new(MIGRATIONS) else { return };
    let config = PostgresConfig { connections_max: 2, statement_time: SOON, ..PostgresConfig::default() };
    let postgres = Postgres::open_with(&database.url(), MIGRATIONS, config).unwrap();
    while postgres.check().await.is_err() {
        sleep(Duration::from_millis(5)).await;
    }
    let client = Client::new(Repositories::postgres(postgres.clone()));
    let product = client.product(json!({})).await;
    let held: Vec<_> = (0..2)
        .map(|_| {
            let postgres = postgres.clone();
            tokio::spawn(
                async move { postgres.client().await.unwrap().query("SELECT pg_sleep(30)", &[]).await.map(drop) },
            )
        })
        .collect();
    let session = database.session().await;
    const SLEEPING: &str =
        "SELECT count(*) FROM pg_stat_activity WHERE datname = current_database() AND wait_event = 'PgSleep'";
    while session.query_one(SLEEPING, &[]).await.unwrap().get::<_, i64>(0) < 2 {
        sleep(Duration::from_millis(5)).await;
    }
    let longest = told(&client, &product, 1).await;
    println!("inventory: all connections held: told within {longest:?}");
    assert!(longest < TOLD_TIME);
    for held in held {
        held.abort();
    }
    assert!(back(&client, &product, "free").await < BACK_TIME);
}
