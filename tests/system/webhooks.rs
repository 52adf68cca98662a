//! Webhooks over real sockets, and over a real PostgreSQL.

use std::time::Duration;

use firstbyte::app::webhooks::store::{MIGRATIONS, Store};
use tokio::time::sleep;

use crate::database::Database;
use crate::suites::webhooks as suite;

#[tokio::test]
async fn postgresql_keeps_webhooks_as_memory_does() {
    let databases = std::sync::Mutex::new(Vec::new());
    if Database::new(MIGRATIONS).is_none() {
        return;
    }
    suite::store(async || {
        let database = Database::new(MIGRATIONS).unwrap();
        let postgres = database.open(MIGRATIONS);
        while postgres.check().await.is_err() {
            sleep(Duration::from_millis(5)).await;
        }
        databases.lock().unwrap().push(database);
        Store::postgres(suite::BOUNDS, postgres)
    })
    .await;
}
