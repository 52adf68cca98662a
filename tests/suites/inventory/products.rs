//! Products: added, read, changed by whoever has seen them, deleted.

use firstbyte::http::{Method, Request};
use serde_json::{Value, json};

use super::client::{Client, id, post, product, refused, told, unique, with_json};

const PATCH_TYPE: &str = "application/merge-patch+json";

pub async fn all(client: &Client) {
    a_product_is_found_where_the_answer_says(client).await;
    what_is_wrong_is_told_at_once_and_with_its_place(client).await;
    what_cannot_be_read_is_told_by_its_status(client).await;
    an_sku_is_that_of_one_living_product(client).await;
    many_are_added_or_none(client).await;
    what_a_client_has_is_not_sent_again(client).await;
    nobody_overwrites_what_he_has_not_seen(client).await;
    a_product_is_replaced_and_patched(client).await;
    a_deleted_product_is_gone(client).await;
    a_key_counts_once(client).await;
}

fn change(method: Method, product: &Value, tag: &str, content: &Value) -> Request {
    let content_type = if method == Method::PATCH { PATCH_TYPE } else { "application/json" };
    with_json(method, &format!("/products/{}", id(product)), content_type, content).with("If-Match", tag)
}

async fn a_product_is_found_where_the_answer_says(client: &Client) {
    let wanted = product(json!({"description": "two\nlines", "tags": ["steel", "é"], "currency": "CHF"}));
    let added = client.post("/products", &wanted).await;
    assert_eq!((added.status.code(), added.field("etag")), (201, Some("\"v1\"")), "{}", added.text());
    let content: Value = added.json();
    for (name, member) in wanted.as_object().unwrap() {
        assert_eq!(&content["data"][name], member, "{name}");
    }
    let location = added.field("location").unwrap();
    let found = client.ask(Request::get(location)).await;
    assert_eq!((found.status.code(), found.json::<Value>()), (200, content));
    assert_eq!((found.field("etag"), found.field("cache-control")), (Some("\"v1\""), Some("no-cache")));
    let head = client.ask(Request::of(Method::HEAD, location)).await;
    assert_eq!((head.status.code(), head.field("etag")), (200, Some("\"v1\"")));
}

async fn what_is_wrong_is_told_at_once_and_with_its_place(client: &Client) {
    let wrong = json!({"sku": "x", "name": "a\0b", "price_cents": -1, "tags": ["", 1], "year": 1});
    let answer = client.post("/products", &wrong).await;
    let expected = [
        ("/sku", "length"),
        ("/name", "control_character"),
        ("/price_cents", "out_of_range"),
        ("/tags/0", "length"),
        ("/tags/1", "type"),
        ("/year", "unknown"),
    ];
    let expected = expected.map(|(place, code)| (place.to_owned(), code.to_owned())).to_vec();
    assert_eq!(refused(&answer), (422, "invalid".to_owned(), expected));
    let added = client.product(json!({})).await;
    for (request, parameter) in [
        (Request::get("/api/v1/products?color=red"), "color"),
        (Request::get(&format!("/api/v1/products/{}?x", id(&added))), "x"),
        (post("/products?x=1", &product(json!({}))), "x"),
        (Request::get("/api/v1/products?after=garbage"), "after"),
    ] {
        let (status, code, errors) = refused(&client.ask(request).await);
        assert_eq!((status, code.as_str(), errors[0].0.as_str()), (422, "invalid", parameter));
    }
}

async fn what_cannot_be_read_is_told_by_its_status(client: &Client) {
    let raw =
        |content: &str| Request::post("/api/v1/products", content.to_owned()).with("Content-Type", "application/json");
    let deep = format!("{}{}", "[".repeat(200), "]".repeat(200));
    for (request, status, code) in [
        (raw("{"), 400, "HTTP-INPUT-001"),
        (raw(""), 400, "HTTP-INPUT-001"),
        (raw("{\"name\": \"\\ud800\"}"), 400, "HTTP-INPUT-001"),
        (raw("{\"price_cents\": 1e999}"), 400, "HTTP-INPUT-001"),
        (raw(&deep), 400, "HTTP-INPUT-001"),
        (raw("{\"name\": \"a\", \"name\": \"b\"}"), 422, "HTTP-INPUT-002"),
        (raw("{\"price_cents\": 9223372036854775808}"), 422, "invalid"),
        (raw("[]"), 422, "invalid"),
        (Request::post("/api/v1/products", "{}"), 415, "HTTP-INPUT-003"),
        (Request::post("/api/v1/products", "a=b").with("Content-Type", "text/plain"), 415, "HTTP-INPUT-003"),
        (raw(&" ".repeat(65 * 1024)), 413, "H1-CONTENT-001"),
        (Request::get("/api/v1/products/7"), 404, "product_not_found"),
        (Request::get("/api/v1/products/%01"), 404, "product_not_found"),
        (Request::get("/api/v1/products/%FF"), 404, "product_not_found"),
        (Request::get(&format!("/api/v1/products/{}", uuid::Uuid::nil())), 404, "product_not_found"),
        (Request::get("/api/v1/orders/x"), 404, "order_not_found"),
        (Request::get("/api/v1/nothing"), 404, "HTTP-ROUTE-001"),
        (Request::of(Method::DELETE, "/api/v1/products"), 405, "HTTP-ROUTE-002"),
        (post("/products", &product(json!({}))).with("Idempotency-Key", "a b"), 400, "idempotency_key_malformed"),
        (post("/products", &product(json!({}))).with("Origin", "https://evil.example"), 403, "HTTP-ACCESS-003"),
    ] {
        let words = format!("{request:?}");
        let answer = client.ask(request).await;
        let (seen, found, _) = refused(&answer);
        assert_eq!((seen, found.as_str()), (status, code), "{words:.300}");
        assert_eq!(answer.field("allow").is_some(), status == 405);
    }
    let twice = refused(&client.ask(raw("{\"tags\": [{\"a\": 1, \"a\": 2}]}")).await);
    assert_eq!(twice.2[0].0, "/tags/0/a");
}

async fn an_sku_is_that_of_one_living_product(client: &Client) {
    let (one, other) = (client.product(json!({})).await, client.product(json!({})).await);
    let taken = (409, "conflict".to_owned(), vec![("/sku".to_owned(), "taken".to_owned())]);
    let sku = json!({"sku": one["sku"]});
    assert_eq!(refused(&client.post("/products", &product(sku.clone())).await), taken);
    assert_eq!(refused(&client.ask(change(Method::PATCH, &other, "\"v1\"", &sku)).await), taken);
    assert_eq!(refused(&client.ask(change(Method::PUT, &other, "*", &product(sku.clone()))).await), taken);
    assert_eq!(client.get(&format!("/products/{}", id(&other))).await.1["data"], other, "nothing has changed");
    let same = client.ask(change(Method::PATCH, &one, "*", &sku)).await;
    assert_eq!(same.status.code(), 200, "its own SKU is nobody else's");
    let deleted = client.ask(change(Method::DELETE, &one, "*", &json!({}))).await;
    assert_eq!(deleted.status.code(), 204);
    assert_eq!(client.product(sku).await["sku"], one["sku"], "whoever is dead needs none");
}

async fn many_are_added_or_none(client: &Client) {
    let there = client.product(json!({})).await;
    let new = || product(json!({"tags": [unique("tag")]}));
    let (first, last) = (new(), new());
    let mixed = json!({"products": [first, product(json!({"sku": there["sku"]})), new(), {"sku": there["sku"]}]});
    let (status, _, errors) = refused(&client.post("/products/bulk", &mixed).await);
    assert_eq!((status, errors[0].0.as_str()), (422, "/products/3/name"));
    let other = client.product(json!({})).await;
    let taken = json!({"products": [first, product(json!({"sku": there["sku"]})), last, product(json!({"sku": other["sku"]}))]});
    let (status, code, errors) = refused(&client.post("/products/bulk", &taken).await);
    assert_eq!((status, code.as_str()), (409, "conflict"));
    assert_eq!(
        errors.iter().map(|(place, _)| place.as_str()).collect::<Vec<_>>(),
        ["/products/1/sku", "/products/3/sku"]
    );
    let tag = first["tags"][0].as_str().unwrap();
    assert_eq!(client.get(&format!("/products?tag={tag}")).await.1["data"], json!([]), "none of them is there");
    let all: Vec<Value> = (0..500).map(|_| new()).collect();
    let (status, added) = told(&client.post("/products/bulk", &json!({"products": all})).await);
    assert_eq!((status, added["data"].as_array().map(Vec::len)), (201, Some(500)));
    for (added, wanted) in added["data"].as_array().unwrap().iter().zip(&all).step_by(99) {
        assert_eq!(added["sku"], wanted["sku"], "in the order of the request");
        assert_eq!(&client.get(&format!("/products/{}", id(added))).await.1["data"], added);
    }
}

async fn what_a_client_has_is_not_sent_again(client: &Client) {
    let product = client.product(json!({})).await;
    let get = |name: &str, value: &str| Request::get(&format!("/api/v1/products/{}", id(&product))).with(name, value);
    for (name, value, status) in [
        ("If-None-Match", "\"v1\"", 304),
        ("If-None-Match", "W/\"v1\"", 304),
        ("If-None-Match", "*", 304),
        ("If-None-Match", "\"v2\"", 200),
        ("If-Match", "\"v1\"", 200),
        ("If-Match", "\"v2\"", 412),
    ] {
        let answer = client.ask(get(name, value)).await;
        assert_eq!(answer.status.code(), status, "{name}: {value}");
        assert_eq!(status == 304, answer.content.is_empty());
    }
}

async fn nobody_overwrites_what_he_has_not_seen(client: &Client) {
    let product = client.product(json!({})).await;
    let patch = json!({"name": "Nut"});
    for method in [Method::PUT, Method::PATCH, Method::DELETE] {
        let mut request = change(method, &product, "*", &patch);
        request.fields_mut().remove("If-Match");
        assert_eq!(refused(&client.ask(request).await).1, "if_match_missing", "{method}");
        let content = if method == Method::PUT { super::client::product(json!({})) } else { patch.clone() };
        for tag in ["\"v2\"", "W/\"v1\"", "v1", ""] {
            let answer = refused(&client.ask(change(method, &product, tag, &content)).await);
            assert_eq!((answer.0, answer.1.as_str()), (412, "stale"), "{method} {tag}");
        }
    }
    assert_eq!(client.get(&format!("/products/{}", id(&product))).await.1["data"], product);
    let changes = (0..20).map(|number| {
        let (client, product) = (client.clone(), product.clone());
        tokio::spawn(async move {
            let patch = json!({"name": format!("Nut {number}")});
            client.ask(change(Method::PATCH, &product, "\"v1\"", &patch)).await.status.code()
        })
    });
    let mut statuses = Vec::new();
    for change in changes.collect::<Vec<_>>() {
        statuses.push(change.await.unwrap());
    }
    statuses.sort_unstable();
    assert_eq!((statuses[0], &statuses[1..]), (200, &[412; 19][..]), "one of twenty");
}

async fn a_product_is_replaced_and_patched(client: &Client) {
    let before = client.product(json!({"description": "d", "tags": ["a"]})).await;
    let answer = client.ask(change(Method::PATCH, &before, "\"v1\"", &json!({"stock": 3, "description": null}))).await;
    let patched = answer.json::<Value>()["data"].clone();
    assert_eq!((answer.status.code(), answer.field("etag")), (200, Some("\"v2\"")));
    assert_eq!((&patched["stock"], &patched["description"], &patched["tags"]), (&json!(3), &json!(""), &json!(["a"])));
    assert_eq!((&patched["version"], &patched["created_at"]), (&json!(2), &before["created_at"]));
    let whole = product(json!({"name": "Other"}));
    let answer = client.ask(change(Method::PUT, &before, "\"v1\", \"v2\"", &whole)).await;
    let replaced = answer.json::<Value>()["data"].clone();
    assert_eq!((answer.status.code(), answer.field("etag")), (200, Some("\"v3\"")));
    assert_eq!((&replaced["name"], &replaced["tags"]), (&json!("Other"), &json!([])), "what is left out is nothing");
    assert_eq!(client.get(&format!("/products/{}", id(&before))).await.1["data"], replaced);
    let wrong = client.ask(change(Method::PATCH, &before, "*", &json!({"name": null, "version": 9}))).await;
    let expected = [("/name", "missing"), ("/version", "unknown")].map(|(at, code)| (at.to_owned(), code.to_owned()));
    assert_eq!(refused(&wrong), (422, "invalid".to_owned(), expected.to_vec()));
    let typed = with_json(Method::PATCH, &format!("/products/{}", id(&before)), "application/json", &json!({}));
    let answer = client.ask(typed.with("If-Match", "*")).await;
    assert_eq!((answer.status.code(), answer.field("accept-patch")), (415, Some(PATCH_TYPE)));
}

async fn a_deleted_product_is_gone(client: &Client) {
    let product = client.product(json!({"tags": [unique("tag")]})).await;
    let delete = || change(Method::DELETE, &product, "*", &json!({}));
    let deleted = client.ask(delete()).await;
    assert_eq!((deleted.status.code(), deleted.content.len()), (204, 0));
    assert_eq!(client.ask(delete()).await.status.code(), 404);
    assert_eq!(client.get(&format!("/products/{}", id(&product))).await.0, 404);
    let tag = product["tags"][0].as_str().unwrap();
    assert_eq!(client.get(&format!("/products?tag={tag}")).await.1["data"], json!([]));
    for method in [Method::PUT, Method::PATCH] {
        let content = if method == Method::PUT { super::client::product(json!({})) } else { json!({}) };
        assert_eq!(client.ask(change(method, &product, "*", &content)).await.status.code(), 404, "{method}");
    }
}

async fn a_key_counts_once(client: &Client) {
    let (wanted, key) = (product(json!({})), unique("key"));
    let add = |wanted: &Value| post("/products", wanted).with("Idempotency-Key", &key);
    let first = client.ask(add(&wanted)).await;
    assert_eq!((first.status.code(), first.field("idempotency-replayed")), (201, None));
    let again = client.ask(add(&wanted)).await;
    assert_eq!((again.status.code(), again.field("idempotency-replayed")), (201, Some("true")));
    for name in ["location", "etag"] {
        assert_eq!(first.field(name), again.field(name));
    }
    assert_eq!(first.json::<Value>(), again.json::<Value>());
    let other = refused(&client.ask(add(&product(json!({})))).await);
    assert_eq!((other.0, other.1.as_str()), (422, "idempotency_key_reused"));
    let bulk = post("/products/bulk", &json!({"products": [product(json!({}))]})).with("Idempotency-Key", &key);
    assert_eq!(client.ask(bulk).await.status.code(), 201, "of another route it is another key");
}
