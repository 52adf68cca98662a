//! Who may what, at both services: 401 for those who are not known, 403 for those who may not, and nothing in between.

use std::convert::Infallible;
use std::future::ready;
use std::time::{SystemTime, UNIX_EPOCH};

use serde_json::{Value, json};

use super::key_cache::KeySource;
use super::*;
use crate::http::middleware::order_line;
use crate::http::test::{Answer, call};
use crate::http::{Method, Request};
use crate::jwt::{Algorithm, Claims, Jwks, SigningKey};

const ISSUER: &str = "http://127.0.0.1:8080/identity";

struct Stage {
    key: Arc<SigningKey>,
    keys: KeyCache,
}

impl Stage {
    fn new() -> Stage {
        let key = Arc::new(SigningKey::generate(Algorithm::EdDSA).expect("a key"));
        let published = Arc::clone(&key);
        let source = KeySource::local(move || ready(Ok::<_, Infallible>(Jwks::of([&published.verifying()]))));
        Stage { key, keys: KeyCache::new(source, KeyCacheConfig::default()) }
    }

    /// A token for both services.
    fn token(&self, subject: &str, scopes: &str, roles: &[&str]) -> String {
        let now = SystemTime::now().duration_since(UNIX_EPOCH).expect("a clock").as_secs();
        self.key.sign(&Claims {
            iss: ISSUER.to_owned(),
            sub: subject.to_owned(),
            aud: vec![CATALOG.to_owned(), BILLING.to_owned()],
            exp: now + 60,
            nbf: now,
            iat: now,
            jti: "1".to_owned(),
            scope: scopes.parse().expect("scopes"),
            roles: roles.iter().map(|&role| role.to_owned()).collect(),
            client_id: None,
        })
    }

    async fn ask(&self, request: Request, token: &str) -> Answer {
        self.ask_without(request.with("Authorization", format!("Bearer {token}"))).await
    }

    async fn ask_without(&self, request: Request) -> Answer {
        let config = ServicesConfig::default();
        match request.target().starts_with(CATALOG_PREFIX) {
            true => call(&catalog(&config, self.keys.clone()), request).await,
            false => call(&billing(&config, self.keys.clone()), request).await,
        }
    }
}

fn json_post(target: &str, content: &Value) -> Request {
    Request::post(target, content.to_string()).with("Content-Type", "application/json")
}

#[tokio::test]
async fn the_chains_are_in_order_and_can_be_shown() {
    let expected = "request_id → logger → envelope → recover → security_headers → front → bearer → body_limit → \
                    timeout";
    let (config, stage) = (ServicesConfig::default(), Stage::new());
    assert_eq!(order_line(&catalog(&config, stage.keys.clone())).as_deref(), Ok(expected));
    assert_eq!(order_line(&billing(&config, stage.keys.clone())).as_deref(), Ok(expected));
}

#[tokio::test]
async fn what_a_token_grants_is_what_its_bearer_may() {
    let stage = Stage::new();
    let item = json!({"name": "A relay", "cents": 300});
    let invoice = json!({"customer": "bob", "text": "A relay", "cents": 300});
    let requests = || {
        [
            Request::get("/catalog/items"),
            json_post("/catalog/items", &item),
            Request::of(Method::DELETE, "/catalog/items/1"),
            Request::get("/billing/invoices"),
            Request::get("/billing/invoices/all"),
            json_post("/billing/invoices", &invoice),
        ]
    };
    const ALL: &str = "catalog:read catalog:write billing:read billing:write";
    for (scopes, roles, expected) in [
        ("", &[][..], [403, 403, 403, 403, 403, 403]),
        ("", &["customer", "accountant", "admin"], [403, 403, 403, 403, 403, 403]),
        ("catalog:read", &["customer"], [200, 403, 403, 403, 403, 403]),
        ("catalog:read catalog:write", &["customer"], [200, 201, 403, 403, 403, 403]),
        ("catalog:write", &["admin"], [403, 201, 204, 403, 403, 403]),
        ("billing:read", &["customer"], [403, 403, 403, 200, 403, 403]),
        ("billing:read", &["accountant"], [403, 403, 403, 200, 200, 403]),
        (ALL, &["customer"], [200, 201, 403, 200, 403, 403]),
        (ALL, &["accountant"], [200, 201, 403, 200, 200, 201]),
        (ALL, &["accountant", "admin"], [200, 201, 204, 200, 200, 201]),
    ] {
        let token = stage.token("bob", scopes, roles);
        for (request, expected) in requests().into_iter().zip(expected) {
            let what = format!("{} {}", request.method(), request.target());
            let answer = stage.ask(request, &token).await;
            assert_eq!(answer.status.code(), expected, "{what} by {roles:?} with {scopes:?}");
            let challenged =
                answer.field("WWW-Authenticate").is_some_and(|challenge| challenge.contains("insufficient_scope"));
            assert_eq!(challenged, expected == 403);
        }
    }
}

#[tokio::test]
async fn who_is_not_known_is_told_so_before_anything_else() {
    let stage = Stage::new();
    let scopes = "catalog:read billing:read";
    let refused = |challenge: &Answer| challenge.field("WWW-Authenticate").unwrap_or_default().to_owned();
    for (target, realm) in [("/catalog/items", "catalog"), ("/billing/nowhere", "billing")] {
        let token = stage.token("ada", scopes, &[]);
        let forged = format!("{}AAAA", &token[..token.len() - 4]);
        let answer = stage.ask(Request::get(target), &forged).await;
        let expected =
            format!("Bearer realm=\"{realm}\", error=\"invalid_token\", error_description=\"the token is not valid\"");
        assert_eq!((answer.status.code(), refused(&answer)), (401, expected));
        let json: Value = answer.json();
        assert_eq!((&json["success"], &json["error"]["code"]), (&json!(false), &json!("HTTP-AUTH-002")));
    }
    let unknown = Stage::new().token("ada", scopes, &[]);
    let answer = stage.ask(Request::get("/catalog/items"), &unknown).await;
    assert_eq!(answer.status.code(), 503, "a key that may have been published a moment ago");
    let config = ServicesConfig::default();
    let answer = call(&catalog(&config, stage.keys.clone()), Request::get("/catalog/items")).await;
    assert_eq!((answer.status.code(), refused(&answer).as_str()), (401, "Bearer realm=\"catalog\""));
    let json: Value = answer.json();
    assert_eq!(json["error"]["code"], "HTTP-AUTH-001");
}

#[tokio::test]
async fn a_token_for_one_service_is_worth_nothing_at_the_other() {
    let stage = Stage::new();
    let claims = Claims { aud: vec![BILLING.to_owned()], ..claims_of(&stage.token("ada", "catalog:read", &[])) };
    let answer = stage.ask(Request::get("/catalog/items"), &stage.key.sign(&claims)).await;
    assert_eq!(answer.status.code(), 401);
    assert!(answer.field("WWW-Authenticate").is_some_and(|challenge| challenge.contains("another service")));
    let expired = Claims { exp: claims.iat - 120, iat: claims.iat - 300, nbf: claims.iat - 300, ..claims };
    let expired = Claims { aud: vec![CATALOG.to_owned()], ..expired };
    let answer = stage.ask(Request::get("/catalog/items"), &stage.key.sign(&expired)).await;
    assert!(answer.field("WWW-Authenticate").is_some_and(|challenge| challenge.contains("has expired")));
}

fn claims_of(token: &str) -> Claims {
    Claims::parse(crate::jwt::Jws::parse(token).expect("a token").payload()).expect("claims")
}

#[tokio::test]
async fn own_invoices_are_those_of_the_subject() {
    let stage = Stage::new();
    let answer = stage.ask(Request::get("/billing/invoices"), &stage.token("grace", "billing:read", &[])).await;
    let json: Value = answer.json();
    let customers: Vec<&Value> =
        json["data"].as_array().expect("a list").iter().map(|entry| &entry["customer"]).collect();
    assert_eq!(customers, ["grace"]);
    let nobody = stage.ask(Request::get("/billing/invoices"), &stage.token("Grace", "billing:read", &[])).await;
    assert_eq!(nobody.json::<Value>()["data"], json!([]));
}

#[tokio::test]
async fn without_keys_it_is_said_when_to_come_again() {
    let keys = KeyCache::new(KeySource::local(|| ready(Err("none yet"))), KeyCacheConfig::default());
    let stage = Stage { keys, ..Stage::new() };
    let answer = stage.ask(Request::get("/catalog/items"), &stage.token("ada", "catalog:read", &[])).await;
    assert_eq!((answer.status.code(), answer.field("Retry-After")), (503, Some("1")));
    assert_eq!(answer.json::<Value>()["error"]["code"], "HTTP-AUTH-005");
}

#[tokio::test]
async fn what_is_added_is_found_and_what_is_wrong_is_named() {
    let stage = Stage::new();
    let token = stage.token("ada", "catalog:read catalog:write", &["admin"]);
    let service = catalog(&ServicesConfig::default(), stage.keys.clone());
    let ask = |request: Request| call(&service, request.with("Authorization", format!("Bearer {token}")));
    let added = ask(json_post("/catalog/items", &json!({"name": "A relay", "cents": 300}))).await;
    assert_eq!((added.status.code(), added.field("Location")), (201, Some("/catalog/items/4")));
    assert_eq!(ask(Request::get("/catalog/items/4")).await.json::<Value>()["data"]["name"], "A relay");
    assert_eq!(ask(Request::of(Method::DELETE, "/catalog/items/4")).await.status.code(), 204);
    assert_eq!(ask(Request::get("/catalog/items/4")).await.status.code(), 404);
    let wrong = ask(json_post("/catalog/items", &json!({"name": "", "cents": 0}))).await;
    assert_eq!((wrong.status.code(), &wrong.json::<Value>()["error"]["code"]), (422, &json!("invalid_item")));
    let long = ask(json_post("/catalog/items", &json!({"name": "x".repeat(5_000), "cents": 1}))).await;
    assert_eq!(long.status.code(), 413);
}

#[tokio::test]
async fn whoever_has_no_token_learns_what_to_bring() {
    let stage = Stage::new();
    for (told, table) in [(&page::CATALOG, catalog_table(0)), (&page::BILLING, billing_table(0))] {
        let listed: Vec<String> = told.routes.iter().map(|(route, _)| (*route).to_owned()).collect();
        let patterns: Vec<String> = table.patterns().map(ToString::to_string).collect();
        assert_eq!(listed, patterns);
    }
    for path in ["/catalog", "/billing"] {
        let page = stage.ask_without(Request::get(path).with("Accept", "text/html")).await;
        assert_eq!((page.status.code(), page.field("content-type")), (200, Some("text/html; charset=utf-8")));
        let text = stage.ask_without(Request::get(path)).await;
        assert!(text.text().contains(&format!("{ISSUER}/token")), "{}", text.text());
        assert_eq!(stage.ask_without(Request::post(path, "")).await.status.code(), 401);
    }
}
