//! Accounts are kept in a real PostgreSQL, and attempts are counted in a real Redis, as they are in memory.

use firstbyte::app::accounts::store::{MIGRATIONS, Store};
use firstbyte::app::accounts::throttle::Throttle;
use firstbyte::db::Redis;

use crate::database::Database;
use crate::services::{Kind, Shared};
use crate::suites::accounts as suite;

#[tokio::test]
async fn postgresql_keeps_accounts_as_memory_does() {
    let Some(database) = Database::new(MIGRATIONS) else { return };
    let postgres = database.open(MIGRATIONS);
    while postgres.check().await.is_err() {}
    suite::store(Store::postgres(postgres)).await;
}

#[tokio::test]
async fn redis_counts_attempts_as_memory_does() {
    let Some(shared) = Shared::of(Kind::Redis) else { return };
    let redis = Redis::open(&shared.url.parse().unwrap()).unwrap();
    while redis.check().await.is_err() {}
    suite::throttle(|config| Throttle::redis(config, redis.clone())).await;
}
