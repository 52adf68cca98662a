//! Orders: they take what there is, all of it or nothing, once for their key, and give it back once.

use std::collections::BTreeSet;
use std::time::Duration;

use firstbyte::http::Request;
use serde_json::{Value, json};

use super::client::{Client, id, order, post, refused, told, unique};

pub async fn all(client: &Client) {
    an_order_takes_its_stock_and_keeps_its_prices(client).await;
    what_is_wrong_with_an_order_is_told(client).await;
    an_order_of_which_a_line_cannot_be_had_takes_nothing(client).await;
    an_order_that_is_sent_again_counts_once(client).await;
    what_was_refused_leaves_its_key_free(client).await;
    an_order_gives_its_stock_back_once(client).await;
    orders_are_listed_newest_first(client).await;
}

async fn an_order_takes_its_stock_and_keeps_its_prices(client: &Client) {
    let (bolt, nut) = (client.product(json!({})).await, client.product(json!({"price_cents": 1})).await);
    let answer = client.order(&[(&bolt, 3), (&nut, 10), (&bolt, 2)]).await;
    let (status, placed) = told(&answer);
    assert_eq!(status, 201, "{placed}");
    let data = &placed["data"];
    assert_eq!(
        (&data["status"], &data["total_cents"], &data["currency"]),
        (&json!("placed"), &json!(1_260), &json!("EUR"))
    );
    let lines = data["lines"].as_array().unwrap();
    let first = json!({"product_id": bolt["id"], "sku": bolt["sku"], "quantity": 3, "unit_price_cents": 250});
    assert_eq!((lines.len(), &lines[0]), (3, &first));
    assert_eq!((client.stock(&bolt).await, client.stock(&nut).await), (5, 0));
    let now = client.ask(Request::get(&format!("/api/v1/products/{}", id(&bolt)))).await;
    assert_eq!(now.field("etag"), Some("\"v2\""), "whoever changes it has to see what is left");
    let found = client.ask(Request::get(answer.field("location").unwrap())).await;
    assert_eq!(found.json::<Value>(), placed);
}

async fn what_is_wrong_with_an_order_is_told(client: &Client) {
    let product = client.product(json!({})).await;
    let good = order(&[(&product, 1)]);
    let missing = refused(&client.post("/orders", &good).await);
    assert_eq!((missing.0, missing.1.as_str()), (400, "idempotency_key_missing"));
    for (content, places) in [
        (json!({}), &["/lines"][..]),
        (json!({"lines": []}), &["/lines"]),
        (
            json!({"lines": [{"product_id": "7", "quantity": 1_001}], "pay": true}),
            &["/pay", "/lines/0/product_id", "/lines/0/quantity"],
        ),
        (json!({"lines": [{"product_id": product["id"], "quantity": "1"}]}), &["/lines/0/quantity"]),
        (json!({"lines": good["lines"], "notify": "yes"}), &["/notify"]),
    ] {
        let answer = client.ask(post("/orders", &content).with("Idempotency-Key", unique("key"))).await;
        let (status, code, errors) = refused(&answer);
        assert_eq!((status, code.as_str()), (422, "invalid"));
        assert_eq!(errors.iter().map(|(place, _)| place.as_str()).collect::<Vec<_>>(), places);
    }
    assert_eq!(client.stock(&product).await, 10);
}

async fn an_order_of_which_a_line_cannot_be_had_takes_nothing(client: &Client) {
    let (one, other) = (client.product(json!({})).await, client.product(json!({})).await);
    let gone = json!({"id": uuid::Uuid::nil()});
    let francs = client.product(json!({"currency": "CHF"})).await;
    for (lines, expected) in [
        (&[(&one, 1), (&other, 11)][..], &[("/lines/1/quantity", "out_of_stock")][..]),
        (&[(&one, 6), (&other, 1), (&one, 6)], &[("/lines/2/quantity", "out_of_stock")]),
        (&[(&other, 1), (&gone, 1)], &[("/lines/1/product_id", "unknown_product")]),
        (&[(&other, 1), (&francs, 1)], &[("/lines/1/product_id", "mixed_currencies")]),
        (
            &[(&one, 11), (&gone, 1)],
            &[("/lines/0/quantity", "out_of_stock"), ("/lines/1/product_id", "unknown_product")],
        ),
    ] {
        let (status, code, errors) = refused(&client.order(lines).await);
        assert_eq!((status, code.as_str()), (409, "out_of_stock"));
        let expected: Vec<_> = expected.iter().map(|(at, code)| ((*at).to_owned(), (*code).to_owned())).collect();
        assert_eq!(errors, expected);
    }
    assert_eq!((client.stock(&one).await, client.stock(&other).await, client.stock(&francs).await), (10, 10, 10));
    let unchanged = client.get(&format!("/products/{}", id(&one))).await.1;
    assert_eq!(unchanged["data"], one, "not even its version");
}

async fn an_order_that_is_sent_again_counts_once(client: &Client) {
    let product = client.product(json!({})).await;
    let key = unique("key");
    let place = |quantity| post("/orders", &order(&[(&product, quantity)])).with("Idempotency-Key", &key);
    let sent = (0..20).map(|_| {
        let (client, request) = (client.clone(), place(2));
        tokio::spawn(async move { client.ask(request).await })
    });
    let mut ids = BTreeSet::new();
    for answer in sent.collect::<Vec<_>>() {
        let answer = answer.await.unwrap();
        match answer.status.code() {
            201 => {
                ids.insert(id(&answer.json::<Value>()["data"]).to_owned());
            }
            _ => {
                let (status, code, _) = refused(&answer);
                assert_eq!((status, code.as_str()), (409, "idempotency_key_at_work"));
                assert_eq!(answer.field("retry-after"), Some("1"));
            }
        }
    }
    assert_eq!((ids.len(), client.stock(&product).await), (1, 8), "twenty times, and once");
    let again = client.ask(place(2)).await;
    assert_eq!((again.status.code(), again.field("idempotency-replayed")), (201, Some("true")));
    assert!(ids.contains(id(&again.json::<Value>()["data"])));
    let (status, code, _) = refused(&client.ask(place(3)).await);
    assert_eq!((status, code.as_str()), (422, "idempotency_key_reused"));
    let spelled = Request::post("/api/v1/orders", format!(" {} ", order(&[(&product, 2)])));
    let spelled = spelled.with("Content-Type", "application/json").with("Idempotency-Key", &key);
    assert_eq!(client.ask(spelled).await.field("idempotency-replayed"), Some("true"), "spaces are no content");
}

async fn what_was_refused_leaves_its_key_free(client: &Client) {
    let product = client.product(json!({"stock": 1})).await;
    let key = unique("key");
    let place = || post("/orders", &order(&[(&product, 2)])).with("Idempotency-Key", &key);
    assert_eq!(client.ask(place()).await.status.code(), 409);
    let path = format!("/products/{}", id(&product));
    let more = super::client::with_json(
        firstbyte::http::Method::PATCH,
        &path,
        "application/merge-patch+json",
        &json!({"stock": 2}),
    );
    assert_eq!(client.ask(more.with("If-Match", "\"v1\"")).await.status.code(), 200);
    let placed = client.ask(place()).await;
    assert_eq!((placed.status.code(), placed.field("idempotency-replayed")), (201, None));
}

async fn an_order_gives_its_stock_back_once(client: &Client) {
    let product = client.product(json!({})).await;
    let placed = client.order(&[(&product, 4), (&product, 2)]).await.json::<Value>()["data"].clone();
    assert_eq!(client.stock(&product).await, 4);
    let path = format!("/orders/{}/cancel", id(&placed));
    let cancels = (0..10).map(|_| {
        let (client, path) = (client.clone(), path.clone());
        tokio::spawn(async move { client.post(&path, &json!({})).await.status.code() })
    });
    let mut statuses = Vec::new();
    for cancel in cancels.collect::<Vec<_>>() {
        statuses.push(cancel.await.unwrap());
    }
    statuses.sort_unstable();
    assert_eq!((statuses[0], &statuses[1..]), (200, &[409; 9][..]));
    assert_eq!(client.stock(&product).await, 10);
    let again = refused(&client.post(&path, &json!({})).await);
    assert_eq!((again.0, again.1.as_str()), (409, "not_cancellable"));
    let found = client.get(&format!("/orders/{}", id(&placed))).await.1;
    assert_eq!(found["data"]["status"], "cancelled");
    let nobody = refused(&client.post(&format!("/orders/{}/cancel", uuid::Uuid::nil()), &json!({})).await);
    assert_eq!((nobody.0, nobody.1.as_str()), (404, "order_not_found"));
}

async fn orders_are_listed_newest_first(client: &Client) {
    let product = client.product(json!({"stock": 100})).await;
    let mut placed = Vec::new();
    for _ in 0..5 {
        placed.push(client.order(&[(&product, 1)]).await.json::<Value>()["data"].clone());
        tokio::time::sleep(Duration::from_millis(1)).await;
    }
    placed.reverse();
    let (mut rows, mut after) = (Vec::new(), String::new());
    while rows.len() < 5 {
        let (status, page) = client.get(&format!("/orders?limit=2&status=placed{after}")).await;
        assert_eq!(status, 200, "{page}");
        rows.extend(page["data"].as_array().unwrap().iter().cloned());
        after = format!("&after={}", page["meta"]["next"].as_str().unwrap());
    }
    assert_eq!(rows[..5], placed[..]);
    for query in ["status=lost", "limit=0", "after=x", "sort=name"] {
        assert_eq!(client.get(&format!("/orders?{query}")).await.0, 422, "{query}");
    }
}
