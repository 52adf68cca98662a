//! Sessions are kept in a real Redis as they are in memory, whatever becomes of it.

use firstbyte::app::session::store::Store;
use firstbyte::db::Redis;

use crate::services::{Kind, Shared};
use crate::suites::sessions as suite;

#[tokio::test]
async fn redis_keeps_sessions_as_memory_does() {
    let Some(shared) = Shared::of(Kind::Redis) else { return };
    let redis = Redis::open(&shared.url.parse().unwrap()).unwrap();
    while redis.check().await.is_err() {}
    suite::store(|lifetime| Store::redis(lifetime, redis.clone())).await;
}
