//! The queue over a real PostgreSQL.

use firstbyte::app::queue::store::Store;
use firstbyte::app::queue::{MIGRATIONS, Queue, QueueConfig};

use crate::database::Database;
use crate::suites::{queue as suite, workers};

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn postgresql_keeps_jobs_as_every_store_does() {
    let Some(database) = Database::new(MIGRATIONS) else { return };
    suite::store(Store::postgres(database.open(MIGRATIONS))).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn workers_do_their_work_over_postgresql() {
    let Some(database) = Database::new(MIGRATIONS) else { return };
    workers::workers(Queue::postgres(QueueConfig::default(), database.open(MIGRATIONS))).await;
}
