//! What the routes answer.

use super::*;
use crate::http::Method;

fn check(answer: &Answer, status: u16, code: &str) {
    let told: Value = answer.json();
    assert_eq!((answer.status.code(), &told["error"]["code"]), (status, &json!(code)), "{}", answer.text());
}

#[tokio::test]
async fn an_endpoint_is_registered_shown_changed_and_removed() {
    let stage = stage(config(), async |_, _| ok().await);
    let new = json!({"url": "http://93.184.215.14/hook", "events": ["order.*"], "description": "mine"});
    let answer = stage.post("/webhooks/endpoints", new).await;
    assert_eq!(answer.status, Status::CREATED, "{}", answer.text());
    assert_eq!(answer.field("cache-control"), Some("no-store"));
    let place = answer.field("location").expect("a place").to_owned();
    let told: Value = answer.json();
    let secret = told["data"]["secret"].as_str().expect("told once").to_owned();
    assert!(secret.parse::<Secret>().is_ok());
    for target in [place.as_str(), "/webhooks/endpoints"] {
        let shown = stage.get(target).await;
        assert_eq!(shown.status, Status::OK);
        assert!(!shown.text().contains("whsec_"), "and not again: {}", shown.text());
    }
    let patch = json!({"events": ["*"], "enabled": false});
    let changed: Value = stage.send(Method::PATCH, &place, patch).await.json();
    assert_eq!((&changed["data"]["events"], &changed["data"]["disabled"]), (&json!(["*"]), &json!("by_owner")));
    let rotated: Value = stage.post(&format!("{place}/rotate"), json!({})).await.json();
    assert_ne!(rotated["data"]["secret"], json!(secret));
    assert!(rotated["data"]["previous_secret_until"].is_string());
    assert_eq!(stage.send(Method::DELETE, &place, json!({})).await.status, Status::NO_CONTENT);
    check(&stage.get(&place).await, 404, "not_found");
    let own = json!({"url": "http://93.184.215.14/", "events": ["a"], "secret": secret});
    let told: Value = stage.post("/webhooks/endpoints", own).await.json();
    assert_eq!(told["data"]["secret"], json!(secret), "one's own");
}

#[tokio::test]
async fn what_leads_inside_is_not_registered() {
    let stage = stage(config(), async |_, _| ok().await);
    let public = json!({"url": "http://93.184.215.14/", "events": ["*"]});
    let place = stage.post("/webhooks/endpoints", public).await.field("location").expect("a place").to_owned();
    for url in [
        "http://127.0.0.1/",
        "http://[::1]:8080/",
        "http://169.254.169.254/latest/meta-data/",
        "http://[::ffff:169.254.169.254]/",
        "http://0x7f.1/",
        "http://2130706433/",
        "http://localhost/",
        "http://localhost./",
        "http://user@93.184.215.14/",
        "http://93.184.215.14:6379/",
        "https://93.184.215.14/",
        "file:///etc/passwd",
    ] {
        let answer = stage.post("/webhooks/endpoints", json!({"url": url, "events": ["*"]})).await;
        check(&answer, 422, "invalid");
        assert!(answer.json::<Value>()["error"]["fields"]["url"].is_string(), "{url}");
        check(&stage.send(Method::PATCH, &place, json!({"url": url})).await, 422, "invalid");
    }
}

#[tokio::test]
async fn a_published_secret_signs_for_the_demonstration_alone() {
    let stage = stage(config(), async |_, _| ok().await);
    let own = stage.endpoint("http://r2.demo.invalid/mine", "*").await;
    for _ in 0..2 {
        let demo = stage.post("/webhooks/demo", json!({"receivers": 3, "latency_ms": 0})).await;
        assert_eq!(demo.status, Status::ACCEPTED, "{}", demo.text());
    }
    let endpoints = stage.webhooks.store().endpoints().await.expect("a store");
    assert_eq!((endpoints.len(), &endpoints[0]), (4, &own), "and what was somebody's own is so still");
    let real = json!({"url": "http://93.184.215.14/"});
    for endpoint in &endpoints {
        let answer = stage.send(Method::PATCH, &format!("/webhooks/endpoints/{}", endpoint.id), real.clone()).await;
        let expected = if *endpoint == own { Status::OK } else { Status::UNPROCESSABLE_CONTENT };
        assert_eq!(answer.status, expected, "{}", answer.text());
    }
}

#[tokio::test]
async fn a_host_that_cannot_be_looked_up_now_is_not_refused_for_good() {
    let mut config = config();
    config.lookups_max = 0;
    let stage = stage(config, async |_, _| ok().await);
    let named = json!({"url": "http://hooks.example.com/", "events": ["*"]});
    let busy = stage.post("/webhooks/endpoints", named).await;
    check(&busy, 503, "too_many_lookups");
    assert_eq!(busy.field("retry-after"), Some("5"));
}

#[tokio::test]
async fn a_secret_is_rotated_as_often_as_there_is_room_for_those_before() {
    let stage = stage(config(), async |_, _| ok().await);
    let place = format!("/webhooks/endpoints/{}/rotate", stage.endpoint("http://a.example/", "*").await.id);
    for _ in 0..domain::PREVIOUS_MAX {
        assert_eq!(stage.post(&place, json!({})).await.status, Status::OK);
    }
    check(&stage.post(&place, json!({})).await, 409, "rotated_too_often");
}

#[tokio::test]
async fn an_event_under_a_key_is_taken_once() {
    let stage = stage(config(), async |_, _| ok().await);
    stage.endpoint("http://a.example/", "*").await;
    let send = async |key: &str, data: u32| {
        let request = Request::post("/webhooks/events", json!({"type": "a", "data": data}).to_string())
            .with("Content-Type", "application/json")
            .with("Idempotency-Key", key);
        call(&stage.routes, request).await
    };
    let (first, again) = (send("k", 1).await, send("k", 1).await);
    assert_eq!((first.status, again.status), (Status::ACCEPTED, Status::ACCEPTED));
    assert_eq!((first.text(), again.field("idempotency-replayed")), (again.text(), Some("true")));
    check(&send("k", 2).await, 422, "key_reused");
    assert_ne!(send("l", 1).await.text(), first.text());
    for key in ["", "a b", "é", &"k".repeat(129)] {
        check(&send(key, 1).await, 400, "invalid_key");
    }
    let twice = Request::post("/webhooks/events", "{}").with("Idempotency-Key", "a").with("Idempotency-Key", "b");
    check(&call(&stage.routes, twice).await, 400, "invalid_key");
}

#[tokio::test]
async fn what_is_wrong_is_told_with_its_code() {
    let mut config = config();
    (config.store.endpoints_max, config.store.pending_max) = (2, 1);
    let stage = stage(config, async |_, _| std::future::pending().await);
    check(&stage.post("/webhooks/events", json!({"type": "Order", "data": 1})).await, 422, "invalid");
    let missing = "msg_00000000000070008000000000000000";
    check(&stage.get(&format!("/webhooks/events/{missing}")).await, 404, "not_found");
    let wrong_kind = stage.get(&format!("/webhooks/endpoints/{missing}")).await;
    assert_eq!(wrong_kind.status, Status::BAD_REQUEST, "{}", wrong_kind.text());
    let nobody = "dlv_00000000000070008000000000000000";
    check(&stage.post(&format!("/webhooks/deliveries/{nobody}/replay"), json!({})).await, 404, "not_found");
    for _ in 0..2 {
        stage.endpoint("http://a.example/", "*").await;
    }
    let full = stage.post("/webhooks/events", json!({"type": "a", "data": 1})).await;
    check(&full, 503, "too_much_pending");
    assert_eq!(full.field("retry-after"), Some("5"));
    let new = json!({"url": "http://93.184.215.14/", "events": ["*"]});
    check(&stage.post("/webhooks/endpoints", new).await, 507, "store_full");
    check(&stage.post("/webhooks/demo", json!({"receivers": 0})).await, 422, "invalid");
}

#[tokio::test]
async fn pages_of_other_origins_change_nothing() {
    let stage = stage(config(), async |_, _| ok().await);
    let handler = routes(stage.webhooks.clone());
    let foreign = Request::post("/webhooks/demo", "").with("Origin", "http://evil.example");
    assert_eq!(call(&handler, foreign).await.status, Status::FORBIDDEN);
    let own = call(&handler, Request::post("/webhooks/demo", "")).await;
    assert_eq!(own.status, Status::ACCEPTED, "{}", own.text());
    let long = Request::post("/webhooks/events", "x".repeat(40_000)).with("Content-Type", "application/json");
    assert_eq!(call(&handler, long).await.status, Status::CONTENT_TOO_LARGE);
}

#[tokio::test]
async fn the_page_can_be_read_without_its_script() {
    let stage = stage(config(), async |_, _| ok().await);
    stage.endpoint("http://a.example/b", "*").await;
    let html = |answer: Answer| answer.text().to_owned();
    let page = async || html(call(&stage.routes, Request::get("/webhooks").with("Accept", "text/html")).await);
    assert!(page().await.contains("no event yet"));
    stage.event("order.created").await;
    stage.done().await;
    let after = page().await;
    assert!(after.contains("order.created") && after.contains("a.example") && after.contains("delivered"), "{after}");
    assert!(!after.contains("<b>") && !after.contains(" style=") && !after.contains("onclick"), "{after}");
    assert_eq!(after.matches("<li></li>").count(), 10);
    let text = stage.get("/webhooks").await;
    assert!(text.text().contains("0 of 10 workers") && text.text().contains("curl -i -X POST"), "{}", text.text());
}

#[tokio::test(start_paused = true)]
async fn whoever_watches_sees_workers_and_deliveries_as_they_are() {
    let mut config = config();
    config.watchers_max = 1;
    let stage = stage(config, async |_, _| {
        sleep(Duration::from_millis(50)).await;
        ok().await
    });
    stage.endpoint("http://a.example/", "*").await;
    let mut live = stage.routes.handle(Request::get("/webhooks/live")).await;
    check(&stage.get("/webhooks/live").await, 503, "too_many_watchers");
    stage.event("a").await;
    stage.done().await;
    let mut seen = String::new();
    while !seen.contains("\"delivered\"") {
        seen += std::str::from_utf8(&live.body_mut().next().await.expect("more").expect("a piece")).expect("text");
    }
    let places: Vec<_> =
        ["event: workers", "\"is\":\"message\"", "\"is\":\"worker\"", "http://a.example/", "\"is\":\"delivery\""]
            .iter()
            .map(|told| seen.find(told).unwrap_or_else(|| panic!("{told}: {seen}")))
            .collect();
    assert!(places.is_sorted(), "{seen}");
    stage.shutdown.begin();
    while let Some(piece) = live.body_mut().next().await {
        piece.expect("it ends as it should");
    }
}

#[test]
fn the_table_is_there_without_anybody_at_work() {
    assert_eq!(table().patterns().count(), 15);
}
