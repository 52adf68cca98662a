//! The queue over a real PostgreSQL.

use firstbyte::app::queue::MIGRATIONS;
use firstbyte::app::queue::store::Store;

use crate::database::Database;
use crate::suites::queue as suite;

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn postgresql_keeps_jobs_as_every_store_does() {
    let Some(database) = Database::new(MIGRATIONS) else { return };
    suite::store(Store::postgres(database.open(MIGRATIONS))).await;
}
