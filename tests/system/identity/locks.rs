//! Somebody holds a lock in PostgreSQL, as a node does that was stopped in the middle: what goes on, and what is told in time.

use std::time::{Duration, Instant};

use firstbyte::app::identity::domain::family::{Family, Lifetimes, Login};
use firstbyte::app::identity::domain::scope;
use firstbyte::app::identity::{IdentityConfig, MIGRATIONS, store::Store};
use firstbyte::db::Postgres;
use tokio::task::JoinSet;
use tokio::time::sleep;

use super::tools::{NOW, World, soon};
use crate::database::Database;

const LIFETIMES: Lifetimes = Lifetimes { absolute: 1_000, idle: 100, grace: 10 };

/// Longer than the promise of 250 ms: other tests run at the same time.
const TOLD_TIME: Duration = Duration::from_secs(2);

/// Longer than an exchange may take on its way.
const LATE: Duration = Duration::from_millis(3_200);

/// A statement of ours waits for the lock that this test holds.
const WAITS: &str = "SELECT FROM pg_stat_activity
    WHERE wait_event_type = 'Lock' AND datname = current_database() AND query LIKE $1";

fn login() -> Login {
    Login {
        subject: "ada".to_owned(),
        generation: 1,
        client: "demo-cli".to_owned(),
        scopes: scope::known(&["catalog:read"]),
        audience: vec!["catalog".to_owned()],
    }
}

/// Waits until a statement that begins like this waits.
async fn waits(observer: &tokio_postgres::Client, statement: &str) {
    soon(async || (!observer.query(WAITS, &[&statement]).await.unwrap().is_empty()).then_some(())).await;
}

#[tokio::test]
async fn keys_that_can_be_read_sign_though_somebody_holds_their_lock() {
    let Some(database) = Database::new(MIGRATIONS) else { return };
    let world = World::new().await;
    let open = || Store::postgres(Postgres::open(&database.url(), MIGRATIONS).unwrap());
    drop(world.node(IdentityConfig::default(), open()).await);
    let stopped = database.session().await;
    let lock = i64::from_be_bytes(*b"identity");
    stopped.batch_execute(&format!("BEGIN; SELECT pg_advisory_xact_lock({lock})")).await.unwrap();
    let node = world.early_node(IdentityConfig::default(), open());
    soon(async || (node.robot().await.status.code() == 200).then_some(())).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn who_waits_for_keys_that_cannot_be_read_is_told_so_in_time_with_all_others() {
    let Some(database) = Database::new(MIGRATIONS) else { return };
    let world = World::new().await;
    let stopped = database.session().await;
    stopped.batch_execute("BEGIN; LOCK TABLE identity_keys").await.unwrap();
    let store = Store::postgres(Postgres::open(&database.url(), MIGRATIONS).unwrap());
    let node = world.early_node(IdentityConfig::default(), store);
    let mut asked = JoinSet::new();
    for number in 0..50 {
        let node = node.clone();
        asked.spawn(async move {
            sleep(Duration::from_millis(number * 20)).await;
            let begun = Instant::now();
            let answer = node.robot().await;
            assert_eq!((answer.status.code(), answer.field("retry-after")), (503, Some("1")));
            begun.elapsed()
        });
    }
    let longest = asked.join_all().await.into_iter().max().unwrap();
    assert!(longest < TOLD_TIME, "{longest:?}");
    stopped.batch_execute("COMMIT").await.unwrap();
    soon(async || (node.robot().await.status.code() == 200).then_some(())).await;
}

#[tokio::test]
async fn an_exchange_that_comes_late_is_not_done() {
    let Some(database) = Database::new(MIGRATIONS) else { return };
    let store = Store::postgres(database.open(MIGRATIONS));
    let (family, token) = Family::begin(login(), NOW, &LIFETIMES);
    soon(async || store.begin(&family, 32).await.ok()).await;
    let (stopped, observer) = (database.session().await, database.session().await);
    stopped.batch_execute("BEGIN; LOCK TABLE identity_families").await.unwrap();
    let rotation = family.rotation(&token, NOW, &LIFETIMES);
    let late = tokio::spawn({
        let (store, id) = (store.clone(), family.id);
        async move { store.rotate(id, &rotation).await }
    });
    waits(&observer, "UPDATE identity_families%").await;
    sleep(LATE).await;
    stopped.batch_execute("COMMIT").await.unwrap();
    assert!(!late.await.unwrap().unwrap(), "whoever asked was told to come again, and still has his token");
    assert!(store.rotate(family.id, &rotation).await.unwrap());
}

#[tokio::test]
async fn what_is_refreshed_while_the_sweep_waits_for_it_is_not_swept() {
    let Some(database) = Database::new(MIGRATIONS) else { return };
    let store = Store::postgres(database.open(MIGRATIONS));
    let (family, _) = Family::begin(login(), NOW, &LIFETIMES);
    soon(async || store.begin(&family, 32).await.ok()).await;
    let (other, observer) = (database.session().await, database.session().await);
    other.batch_execute("BEGIN; UPDATE identity_families SET ends_at = expires_at").await.unwrap();
    let sweep = tokio::spawn({
        let store = store.clone();
        async move { store.sweep(NOW + 150, LIFETIMES.grace).await }
    });
    waits(&observer, "DELETE FROM identity_families%").await;
    other.batch_execute("COMMIT").await.unwrap();
    assert_eq!(sweep.await.unwrap().unwrap(), 0);
    assert!(store.find(family.id).await.unwrap().is_some());
}
