//! Keys that turn while they are used.

use super::*;
use crate::app::identity::domain::keys::PUBLISH_SECONDS;
use crate::jwt::Keys;

#[tokio::test]
async fn keys_are_rotated_by_an_admin_and_what_they_have_signed_is_valid_to_its_end() {
    let stage = stage().await;
    let answer = stage.ask(form("/identity/keys/rotate", &[])).await;
    assert_eq!(answer.status.code(), 401);
    let mut pairs = vec![("client_id", "demo-cli"), ("grant_type", "password"), ("password", PASSWORD)];
    pairs.extend([("username", "bob"), ("scope", "keys:rotate"), ("audience", "identity")]);
    let bob = text(&stage.token(&pairs).await.json(), "access_token");
    // Bob asks for all that is needed and has no role; ada has it, and her tokens were not asked for for this.
    let without_scope = stage.log_in_for(&[("audience", "identity")]).await;
    let elsewhere = stage.log_in_for(&[("scope", "keys:rotate")]).await;
    let usual = stage.log_in_for(&[]).await;
    for (token, status) in [(bob, 403), (without_scope, 403), (elsewhere, 401), (usual, 401)] {
        let request = form("/identity/keys/rotate", &[]).with("Authorization", format!("Bearer {token}"));
        assert_eq!(stage.ask(request).await.status.code(), status);
    }

    let kid = |token: &str| jwt::Jws::parse(token).expect("a token").kid().map(str::to_owned);
    let old = text(&stage.log_in("demo-cli").await, "access_token");
    let before = stage.ask(Request::get("/identity/.well-known/jwks.json")).await;
    let rotated: Value = stage.rotate_keys(&[]).await.json();
    let states: Vec<String> =
        rotated["keys"].as_array().expect("a list").iter().map(|key| text(key, "state")).collect();
    assert_eq!(states, ["active", "next", "retired"]);
    let new = text(&stage.log_in("demo-cli").await, "access_token");
    assert_ne!(kid(&old), kid(&new));
    // A verifier that has fetched before the rotation has the new key already.
    let known = Jwks::parse(&before.content).expect("a key set");
    let expected = Expected { issuer: ISSUER, audience: "billing", now: NOW, leeway: 0 };
    assert!(jwt::verify(&new, &known, &expected).is_ok(), "it was published before it signed");
    stage.wait(299);
    stage.identity.inner.keyring.read_within(Duration::ZERO).await.expect("memory");
    assert!(stage.verify_offline(&old).await.is_ok(), "to its end");
    stage.wait(300 + LEEWAY.as_secs());
    stage.identity.inner.keyring.read_within(Duration::ZERO).await.expect("memory");
    assert_eq!(
        stage.verify_offline(&old).await.err().map(|refused| refused.to_string().contains("none of ours")),
        Some(true)
    );
}

#[tokio::test]
async fn no_token_is_refused_while_keys_turn() {
    let stage = stage_with(IdentityConfig { families_of_account_max: 1_000, ..IdentityConfig::default() }).await;
    let mut tokens = Vec::new();
    for _ in 0..10 {
        for _ in 0..5 {
            tokens.push(text(&stage.log_in("demo-cli").await, "access_token"));
        }
        // Those that are valid still; and a verifier that has fetched just before the rotation.
        let before = stage.ask(Request::get("/identity/.well-known/jwks.json")).await;
        assert_eq!(stage.rotate_keys(&[]).await.status.code(), 200);
        for token in &tokens {
            assert!(stage.verify_offline(token).await.is_ok());
            assert!(stage.is_active(token).await);
        }
        let new = text(&stage.log_in("demo-cli").await, "access_token");
        let known = Jwks::parse(&before.content).expect("a key set");
        let expected = Expected { issuer: ISSUER, audience: "catalog", now: stage.clock.load(Relaxed), leeway: 0 };
        assert!(jwt::verify(&new, &known, &expected).is_ok(), "no key signs that was not published before");
        let again = stage.rotate_keys(&[]).await;
        assert_eq!((again.status.code(), again.field("retry-after")), (429, Some("360")));
        assert_eq!(again.json::<Value>()["error"], json!("too_soon"));
        stage.wait(PUBLISH_SECONDS);
        tokens.clear();
    }
}

#[tokio::test]
async fn a_stolen_key_is_withdrawn_at_once_with_all_that_lay_beside_it() {
    let stage = stage().await;
    let token = text(&stage.log_in("demo-cli").await, "access_token");
    stage.rotate_keys(&[]).await;
    let stolen = stage.ask(Request::get("/identity/.well-known/jwks.json")).await;
    let stolen = Jwks::parse(&stolen.content).expect("a key set");
    assert_eq!(stage.rotate_keys(&[("withdraw", "maybe")]).await.status.code(), 400);
    assert_eq!(stage.rotate_keys(&[("withdraw", "true"), ("algorithm", "RS256")]).await.status.code(), 409);
    assert!(stage.verify_offline(&token).await.is_ok(), "what was refused has changed nothing");
    // It waits for nobody, though the next key was made a moment ago.
    let withdrawn: Value = stage.rotate_keys(&[("withdraw", "true")]).await.json();
    let states: Vec<String> =
        withdrawn["keys"].as_array().expect("a list").iter().map(|key| text(key, "state")).collect();
    assert_eq!(states, ["active", "next"]);
    assert!(stage.verify_offline(&token).await.is_err() && !stage.is_active(&token).await);
    let ring = stage.identity.inner.keyring.ring();
    assert!(stolen.keys().iter().all(|key| ring.key(key.kid()).is_none()));
    let new = text(&stage.log_in("demo-cli").await, "access_token");
    assert!(stage.verify_offline(&new).await.is_ok() && stage.is_active(&new).await);
}

#[tokio::test]
async fn each_algorithm_signs_and_a_secret_is_not_published() {
    for algorithm in [Algorithm::EdDSA, Algorithm::ES256, Algorithm::HS256] {
        let keys = KeysConfig { algorithm, ..KeysConfig::default() };
        let stage = stage_with(IdentityConfig { keys, ..IdentityConfig::default() }).await;
        let login = stage.log_in("demo-cli").await;
        let token = text(&login, "access_token");
        assert_eq!(stage.verify_offline(&token).await.is_ok(), algorithm != Algorithm::HS256);
        assert!(stage.is_active(&token).await, "{algorithm} can be asked about");
        for page in ["/identity", "/identity/.well-known/jwks.json", "/identity/.well-known/openid-configuration"] {
            let shown = stage.ask(Request::get(page).with("Accept", "application/json")).await;
            let key = stage.identity.inner.keyring.ring().listed()[0].clone();
            use base64::Engine;
            let secret = base64::engine::general_purpose::URL_SAFE_NO_PAD.encode(&key.private);
            assert!(!shown.text().contains(&secret[..20]), "{page}");
        }
    }
}

#[tokio::test]
async fn another_algorithm_comes_in_by_two_rotations_and_nothing_is_refused() {
    let stage = stage().await;
    let algorithm = |rotated: &Value, at: usize| text(&rotated["keys"][at], "alg");
    let first: Value = stage.rotate_keys(&[("algorithm", "ES256")]).await.json();
    assert_eq!((algorithm(&first, 0), algorithm(&first, 1)), ("EdDSA".into(), "ES256".into()));
    // The usual kind is made where one is missing, and not in place of what was asked for.
    stage.wait(1_000);
    stage.identity.inner.keyring.read_within(Duration::ZERO).await.expect("memory");
    let second: Value = stage.rotate_keys(&[]).await.json();
    assert_eq!(algorithm(&second, 0), "ES256");
    let token = text(&stage.log_in("demo-cli").await, "access_token");
    assert!(stage.verify_offline(&token).await.is_ok());
    stage.wait(1_000);
    for (pairs, status, error) in [
        ([("algorithm", "none")], 400, "invalid_request"),
        ([("algorithm", "es256")], 400, "invalid_request"),
        ([("algorithm", "RS256")], 409, "no_next_key"),
    ] {
        let refused = stage.rotate_keys(&pairs).await;
        assert_eq!((refused.status.code(), refused.json::<Value>()["error"].clone()), (status, json!(error)));
    }
    let states: Vec<Value> =
        stage.rotate_keys(&[]).await.json::<Value>()["keys"].as_array().cloned().unwrap_or_default();
    assert_eq!(states.len(), 3, "what was refused has left a next key");
}

#[tokio::test]
async fn a_key_that_has_signed_for_long_enough_is_rotated_by_itself() {
    let stage = stage().await;
    stage.identity.inner.keyring.signing().await.expect("memory");
    let active = |stage: &Stage| stage.identity.inner.keyring.ring().signing().map(|key| key.kid().to_owned());
    let first = active(&stage);
    stage.wait(30 * 24 * 60 * 60);
    stage.identity.inner.keyring.read_within(Duration::ZERO).await.expect("memory");
    assert_ne!(active(&stage), first);
}

#[tokio::test]
async fn keys_may_be_kept_and_are_asked_for_by_their_tag() {
    let stage = stage().await;
    let jwks = stage.ask(Request::get("/identity/.well-known/jwks.json")).await;
    assert_eq!((jwks.status.code(), jwks.field("content-type")), (200, Some("application/jwk-set+json")));
    assert_eq!(jwks.field("cache-control"), Some("public, max-age=300"));
    let tag = jwks.field("etag").expect("a tag").to_owned();
    let again = stage.ask(Request::get("/identity/.well-known/jwks.json").with("If-None-Match", &tag)).await;
    assert_eq!((again.status.code(), again.content.len()), (304, 0));
    stage.rotate_keys(&[]).await;
    let turned = stage.ask(Request::get("/identity/.well-known/jwks.json").with("If-None-Match", &tag)).await;
    assert_eq!(turned.status.code(), 200);
    assert_eq!(stage.identity.jwks().await.expect("keys").to_json(), turned.text());
}

#[test]
fn a_configuration_shows_no_private_key() {
    let keys = KeysConfig { rsa_pem: Some("-----BEGIN PRIVATE KEY-----".to_owned()), ..KeysConfig::default() };
    let shown = format!("{:?}", IdentityConfig { keys, ..IdentityConfig::default() });
    assert!(!shown.contains("BEGIN") && !shown.contains("lesson"), "{shown}");
}
