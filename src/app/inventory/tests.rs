use serde_json::json;

use super::*;
use crate::http::middleware::order_line;

#[path = "../../../tests/suites/inventory/mod.rs"]
mod suite;

#[test]
fn the_chain_is_in_order() {
    let expected = "request_id → trusted_proxies → logger → problems → recover → security_headers → same_origin → \
                    body_limit → timeout";
    assert_eq!(order_line(&routes(InventoryConfig::default(), in_memory())).as_deref(), Ok(expected));
}

#[tokio::test]
async fn what_does_not_fit_is_refused_and_the_rest_goes_on() {
    let full = |memory: MemoryConfig| async move {
        let client = suite::client::Client::new(Repositories::demo(memory));
        let product = suite::client::product(json!({}));
        let key = || suite::client::unique("key");
        let add = suite::client::post("/products", &product).with("Idempotency-Key", key());
        let lines = json!({"lines": [{"product_id": "01990000-0000-7000-8000-000000000001", "quantity": 1}]});
        let order = suite::client::post("/orders", &lines).with("Idempotency-Key", key());
        let (add, order) = (client.ask(add).await.status.code(), client.ask(order).await.status.code());
        assert_eq!(client.get("/products?sort=-stock&limit=1").await.0, 200);
        (add, order)
    };
    let config = MemoryConfig::default();
    assert_eq!(full(config).await, (201, 201));
    assert_eq!(full(MemoryConfig { products_max: 6, ..config }).await, (507, 201));
    assert_eq!(full(MemoryConfig { orders_max: 0, ..config }).await, (201, 507));
    assert_eq!(full(MemoryConfig { answers_bytes_max: 100, ..config }).await, (507, 507));
}

#[tokio::test]
async fn what_there_is_to_try_it_with_could_have_been_added_by_a_client() {
    let client = suite::client::Client::new(Repositories::demo(MemoryConfig::default()));
    let (_, list) = client.get("/products").await;
    let products = list["data"].as_array().expect("a list");
    assert_eq!(products.len(), 6);
    for (product, number) in products.iter().zip(1..) {
        assert_eq!(product["id"], format!("01990000-0000-7000-8000-{number:0>12}"));
        let details: domain::Details = serde_json::from_value(product.clone()).expect("a product");
        let again = domain::Details::parse(serde_json::to_value(&details).expect("JSON"));
        assert_eq!(again.expect("nothing is wrong"), details);
    }
}

#[tokio::test]
async fn memory_keeps_products_and_orders_as_every_repository_does() {
    suite::all(Repositories::memory(MemoryConfig::default())).await;
}
