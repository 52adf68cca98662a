use super::*;
use crate::http::middleware::order_line;

#[path = "../../../tests/suites/inventory/mod.rs"]
mod suite;

#[test]
fn the_chain_is_in_order() {
    let config = InventoryConfig::default();
    let cache = Cache::new(None, config.cache);
    let inventory = Inventory::new(config.service, Repositories::memory(config.memory), cache, None);
    let expected = "request_id → trusted_proxies → logger → problems → recover → security_headers → same_origin → \
                    body_limit → timeout";
    assert_eq!(order_line(&routes(InventoryConfig::default(), inventory)).as_deref(), Ok(expected));
}

#[tokio::test]
async fn memory_keeps_products_and_orders_as_every_repository_does() {
    suite::all(Repositories::memory(MemoryConfig::default())).await;
}
