use super::clock::Clock;
use super::store::Store;

#[path = "../../../tests/suites/webhooks.rs"]
mod suite;

#[tokio::test]
async fn memory_keeps_webhooks_as_every_store_does() {
    suite::store(async || Store::memory(suite::BOUNDS, Clock::system())).await;
}
