//! The inventory over a real PostgreSQL: what it does as memory does, and what only a database can go through.

mod beside;
mod outage;
mod transactions;

use std::time::{Duration, Instant};

use firstbyte::app::inventory::MIGRATIONS;
use firstbyte::app::inventory::repositories::Repositories;
use firstbyte::db::{Migration, Postgres};
use tokio::time::sleep;

use crate::database::Database;
use crate::server::SOON;
use crate::suites::inventory as suite;

async fn opened(database: &Database) -> Postgres {
    opened_with(database, MIGRATIONS).await
}

/// A database, when it answers.
async fn opened_with(database: &Database, migrations: &[Migration]) -> Postgres {
    let postgres = database.open(migrations);
    let begun = Instant::now();
    while postgres.check().await.is_err() {
        assert!(begun.elapsed() < SOON, "it does not answer");
        sleep(Duration::from_millis(5)).await;
    }
    postgres
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn postgresql_keeps_products_and_orders_as_memory_does() {
    let Some(database) = Database::new(MIGRATIONS) else { return };
    suite::all(Repositories::postgres(opened(&database).await)).await;
}
