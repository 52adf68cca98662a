use std::net::SocketAddr;

use serde_json::{Value, json};

use super::domain::{NewQuote, Page, Quote, QuoteId};
use super::store::StoreError;
use super::*;
use crate::http::middleware::order_line;
use crate::http::test::{Answer, call};
use crate::http::{Method, Request};

fn chain() -> impl Handler {
    routes(ChainConfig::default())
}

async fn get(target: &str) -> (u16, Value) {
    ask(Request::get(target)).await
}

async fn ask(request: Request) -> (u16, Value) {
    let answer = call(&chain(), request).await;
    (answer.status.code(), answer.json())
}

fn post(quote: &Value) -> Request {
    Request::post("/chain/quotes", quote.to_string()).with("Content-Type", "application/json")
}

#[test]
fn the_chain_is_in_order_and_can_be_shown() {
    let expected = "request_id → trusted_proxies → logger → envelope → recover → security_headers → cors → rate_limit → \
                    body_limit → timeout";
    assert_eq!(order_line(&chain()).as_deref(), Ok(expected));
    let wrong = Timeout::new(Duration::from_secs(1)).around(chain());
    assert_eq!(order_line(&wrong).expect_err("the wrong order").outer, "timeout");
}

#[tokio::test]
async fn a_list_comes_in_pages() {
    let (status, first) = get("/chain/quotes").await;
    assert_eq!((status, &first["success"]), (200, &json!(true)));
    assert_eq!(first["meta"], json!({"page": 1, "limit": 10, "total": 30, "pages": 3}));
    assert_eq!(first["data"].as_array().map(Vec::len), Some(10));
    let (_, page) = get("/chain/quotes?page=4&limit=8").await;
    assert_eq!(
        page["data"].as_array().map(|quotes| quotes.iter().map(|q| &q["id"]).collect()),
        Some(vec![&json!(25), &json!(26), &json!(27), &json!(28), &json!(29), &json!(30)])
    );
    let (status, past) = get("/chain/quotes?page=4294967295&limit=100").await;
    assert_eq!((status, &past["data"]), (200, &json!([])));
}

#[tokio::test]
async fn a_page_that_cannot_be_had_is_refused_with_every_reason() {
    let (status, refused) = get("/chain/quotes?page=0&limit=101").await;
    assert_eq!((status, &refused["error"]["code"]), (400, &json!("invalid_query")));
    assert_eq!(refused["error"]["fields"], json!({"page": "is counted from 1", "limit": "is from 1 to 100"}));
    for target in
        ["/chain/quotes?page=x", "/chain/quotes?page=-1", "/chain/quotes?limit=99999999999", "/chain/quotes?page="]
    {
        let (status, refused) = get(target).await;
        assert_eq!((status, &refused["error"]["code"]), (400, &json!("HTTP-INPUT-006")), "{target}");
    }
}

#[tokio::test]
async fn one_quote_has_a_number() {
    let (status, quote) = get("/chain/quotes/3").await;
    assert_eq!((status, &quote["data"]["author"]), (200, &json!("René Descartes")));
    let (status, missing) = get("/chain/quotes/31").await;
    assert_eq!((status, &missing["error"]["code"]), (404, &json!("quote_not_found")));
    for target in ["/chain/quotes/x", "/chain/quotes/-1", "/chain/quotes/99999999999999999999"] {
        let (status, refused) = get(target).await;
        assert_eq!((status, &refused["error"]["code"]), (400, &json!("HTTP-INPUT-004")), "{target}");
    }
}

#[tokio::test]
async fn a_random_quote_is_not_kept_by_caches() {
    let answer = call(&chain(), Request::get("/chain/quotes/random")).await;
    assert_eq!((answer.status.code(), answer.field("cache-control")), (200, Some("no-store")));
    assert!(answer.json::<Value>()["data"]["id"].as_u64().is_some_and(|id| (1..=30).contains(&id)));
}

#[tokio::test]
async fn a_quote_is_added_and_found_where_the_answer_says() {
    let chain = chain();
    let quote = json!({"text": "Know thyself.", "author": "Delphi", "source": "the temple"});
    let added = call(&chain, post(&quote)).await;
    assert_eq!((added.status.code(), added.field("location")), (201, Some("/chain/quotes/31")));
    let found: Value = call(&chain, Request::get("/chain/quotes/31")).await.json();
    assert_eq!(found, added.json::<Value>());
    assert_eq!(found["data"], json!({"id": 31, "text": "Know thyself.", "author": "Delphi", "source": "the temple"}));
}

#[tokio::test]
async fn what_is_no_quote_is_refused_by_what_is_wrong_with_it() {
    let (status, refused) = ask(post(&json!({"text": "", "year": 1}))).await;
    assert_eq!((status, &refused["error"]["code"]), (422, &json!("invalid_quote")));
    let fields = json!({"text": "is empty", "author": "is missing", "year": "is not known; a quote has text, author and source"});
    assert_eq!(refused["error"]["fields"], fields);
    for (request, status, code) in [
        (post(&json!([])), 422, "HTTP-INPUT-002"),
        (Request::post("/chain/quotes", "{").with("Content-Type", "application/json"), 400, "HTTP-INPUT-001"),
        (Request::post("/chain/quotes", "{}"), 415, "HTTP-INPUT-003"),
        (Request::post("/chain/quotes", "text=x").with("Content-Type", "text/plain"), 415, "HTTP-INPUT-003"),
        (Request::post("/chain/quotes", vec![b' '; 16 * 1024 + 1]), 413, "H1-CONTENT-001"),
        (Request::of(Method::DELETE, "/chain/quotes"), 405, "HTTP-ROUTE-002"),
        (Request::get("/chain/nowhere"), 404, "HTTP-ROUTE-001"),
    ] {
        let words = format!("{request:?}");
        let (seen, refused) = ask(request).await;
        assert_eq!(
            (seen, &refused["success"], &refused["error"]["code"]),
            (status, &json!(false), &json!(code)),
            "{words}"
        );
    }
}

#[tokio::test]
async fn a_full_store_says_so_and_is_still_read() {
    let chain = routes(ChainConfig { quotes_max: 30, ..ChainConfig::default() });
    let refused = call(&chain, post(&json!({"text": "x", "author": "y"}))).await;
    assert_eq!((refused.status.code(), &refused.json::<Value>()["error"]["code"]), (507, &json!("store_full")));
    assert_eq!(call(&chain, Request::get("/chain/quotes/30")).await.status.code(), 200);
}

/// A store that always fails, or never answers.
struct Broken {
    hangs: bool,
}

impl Broken {
    async fn fail<T>(&self) -> Result<T, StoreError> {
        if self.hangs {
            std::future::pending::<()>().await;
        }
        Err(StoreError::Failed("password of the database".into()))
    }
}

impl QuoteStore for Broken {
    async fn page(&self, _: Page) -> Result<(Vec<Quote>, u64), StoreError> {
        panic!("the secret of the panic")
    }

    async fn find(&self, _: QuoteId) -> Result<Option<Quote>, StoreError> {
        self.fail().await
    }

    async fn random(&self) -> Result<Option<Quote>, StoreError> {
        Ok(None)
    }

    async fn add(&self, _: NewQuote) -> Result<Quote, StoreError> {
        self.fail().await
    }
}

#[tokio::test(start_paused = true)]
async fn failures_inside_are_answered_in_the_envelope_and_keep_their_secrets() {
    for (hangs, target, status, code) in [
        (false, "/chain/quotes/1", 500, "HTTP-SERVER-007"),
        (false, "/chain/quotes", 500, "HTTP-SERVER-001"),
        (false, "/chain/quotes/random", 404, "quote_not_found"),
        (true, "/chain/quotes/1", 503, "HTTP-SERVER-002"),
    ] {
        let chain = routes_over(Broken { hangs }, ChainConfig::default());
        let answer = call(&chain, Request::get(target)).await;
        let json: Value = answer.json();
        assert_eq!((answer.status.code(), &json["error"]["code"]), (status, &json!(code)), "{target}");
        assert!(!answer.text().contains("password") && !answer.text().contains("secret"), "{}", answer.text());
    }
}

#[tokio::test(start_paused = true)]
async fn every_answer_carries_what_the_chain_adds() {
    let chain = routes(ChainConfig { requests_max: 2, ..ChainConfig::default() });
    let mut statuses = Vec::new();
    for _ in 0..3 {
        let answer = call(&chain, Request::get("/chain/quotes/1").with("Origin", "https://a.example")).await;
        statuses.push(answer.status.code());
        for name in
            ["x-request-id", "x-content-type-options", "content-security-policy", "ratelimit", "ratelimit-policy"]
        {
            assert!(answer.field(name).is_some(), "{name} of a {}", answer.status);
        }
        assert_eq!(answer.field("access-control-allow-origin"), Some("*"));
        tokio::time::advance(Duration::from_millis(1)).await;
    }
    assert_eq!(statuses, [200, 200, 429]);
    let refused: Answer = call(&chain, Request::get("/chain/quotes/1")).await;
    assert_eq!(
        (refused.field("retry-after"), &refused.json::<Value>()["error"]["code"]),
        (Some("60"), &json!("HTTP-SERVER-004"))
    );
    tokio::time::advance(Duration::from_secs(60)).await;
    assert_eq!(call(&chain, Request::get("/chain/quotes/1")).await.status.code(), 200);
}

#[tokio::test(start_paused = true)]
async fn clients_behind_a_trusted_proxy_are_counted_apart_and_others_cannot_pretend() {
    let trusted_proxies = vec!["10.0.0.0/8".parse().expect("a range")];
    let chain = routes(ChainConfig { requests_max: 1, trusted_proxies, ..ChainConfig::default() });
    let status = async |peer: &str, forwarded: &str| {
        let peer = SocketAddr::new(peer.parse().expect("an address"), 1);
        let request = Request::get("/chain/quotes/1").with_peer(peer).with("X-Forwarded-For", forwarded);
        call(&chain, request).await.status.code()
    };
    assert_eq!(status("10.0.0.1", "203.0.113.1").await, 200);
    assert_eq!(status("10.0.0.1", "203.0.113.2").await, 200);
    assert_eq!(status("10.0.0.2", "203.0.113.1").await, 429, "the same client through another proxy");
    assert_eq!(status("198.51.100.1", "203.0.113.3").await, 200);
    assert_eq!(status("198.51.100.1", "203.0.113.4").await, 429, "no proxy of ours");
}

#[tokio::test]
async fn a_preflight_is_answered_without_being_counted() {
    let chain = routes(ChainConfig { requests_max: 1, ..ChainConfig::default() });
    for _ in 0..3 {
        let preflight = Request::of(Method::OPTIONS, "/chain/quotes")
            .with("Origin", "https://a.example")
            .with("Access-Control-Request-Method", "POST");
        let answer = call(&chain, preflight).await;
        assert_eq!((answer.status.code(), answer.field("ratelimit")), (204, None));
        assert_eq!(answer.field("access-control-allow-methods"), Some("GET, HEAD, POST"), "what the routes have");
    }
    assert_eq!(call(&chain, Request::get("/chain/quotes/1")).await.status.code(), 200);
}
