//! What a queue does as a whole, over memory.

use super::store::Store;

#[path = "../../../tests/suites/queue.rs"]
mod suite;

#[tokio::test]
async fn memory_keeps_jobs_as_every_store_does() {
    suite::store(Store::memory(1_000)).await;
}
