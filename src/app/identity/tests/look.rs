//! What is told of a token, and to whom; what is revoked, and by whom.

use super::*;

#[tokio::test]
async fn a_token_is_worth_nothing_to_another_client() {
    let stage = stage_with(more_clients()).await;
    let login = stage.log_in("demo-cli").await;
    let (token, access) = (text(&login, "refresh_token"), text(&login, "access_token"));
    assert_eq!(stage.refresh("other-cli", &token).await.status.code(), 400);
    for stolen in [&token, &access] {
        let pairs = [("client_id", "other-cli"), ("token", stolen)];
        let refused: Value = stage.ask(form("/identity/revoke", &pairs)).await.json();
        assert_eq!(refused["error"], json!("invalid_grant"), "RFC 7009 2.1: it is told that this is refused");
    }
    for stranger in [ROBOT, "shop:s%2F%2B+%3D"] {
        assert_eq!(stage.introspect(stranger, &access).await, json!({"active": false}), "nor may it look into it");
    }
    assert_eq!(stage.next(&token).await.0, 200);
}

#[tokio::test]
async fn what_is_revoked_is_over_and_what_cannot_be_is_said_to_be() {
    let stage = stage().await;
    let revoke = async |token: &str| {
        let pairs = [("client_id", "demo-cli"), ("token", token), ("token_type_hint", "unknown")];
        let answer = stage.ask(form("/identity/revoke", &pairs)).await;
        (answer.status.code(), answer.json::<Value>()["error"].clone())
    };
    for kind in ["refresh_token", "access_token"] {
        let login = stage.log_in("demo-cli").await;
        assert_eq!(revoke(&text(&login, kind)).await, (200, Value::Null));
        assert_eq!(stage.next(&text(&login, "refresh_token")).await.0, 400, "by its {kind}");
        assert!(!stage.is_active(&text(&login, "access_token")).await);
        assert_eq!(revoke(&text(&login, kind)).await.0, 200, "a second time nothing is wrong either");
    }
    // A spent token is as good to end its family.
    let first = text(&stage.log_in("demo-cli").await, "refresh_token");
    let (_, second) = stage.next(&first).await;
    assert_eq!(revoke(&first).await.0, 200);
    assert_eq!(stage.next(&second).await.0, 400);
    for unknown in ["x", "a.b.c", &format!("fbr_{}", "A".repeat(86))] {
        assert_eq!(revoke(unknown).await, (200, Value::Null), "{unknown}");
    }
    let robot: Value =
        stage.ask(basic(form("/identity/token", &[("grant_type", "client_credentials")]), ROBOT)).await.json();
    let own = basic(form("/identity/revoke", &[("token", &text(&robot, "access_token"))]), ROBOT);
    assert_eq!(stage.ask(own).await.json::<Value>()["error"], json!("unsupported_token_type"));
}

#[tokio::test]
async fn of_a_token_that_is_not_valid_nothing_is_said_but_that() {
    let stage = stage().await;
    let login = stage.log_in("demo-cli").await;
    let access = text(&login, "access_token");
    let told = stage.introspect("catalog:only-for-the-lesson", &access).await;
    assert_eq!((&told["username"], &told["client_id"]), (&json!("ada"), &json!("demo-cli")));
    assert_eq!(
        (&told["exp"], &told["token_type"], &told["iss"]),
        (&json!(NOW + 300), &json!("Bearer"), &json!(ISSUER))
    );
    // Made by a key of nobody's, and by one of ours about an account that is not there.
    let claims = stage.verify_offline(&access).await.expect("it is valid");
    let stranger = SigningKey::generate(Algorithm::EdDSA).expect("a key").sign(&claims);
    let ring = stage.identity.inner.keyring.ring();
    let key = ring.signing().expect("a key");
    let nobody = key.sign(&Claims { sub: "018f2b6a-7c1e-7000-8000-000000000001".to_owned(), ..claims.clone() });
    let no_client = key.sign(&Claims { sub: "nobody".to_owned(), jti: "x".to_owned(), ..claims.clone() });
    let elsewhere = key.sign(&Claims { iss: "https://a.example".to_owned(), ..claims.clone() });
    let no_family = key.sign(&Claims { jti: format!("{}.x", "A".repeat(22)), ..claims.clone() });
    let cut = &access[..access.len() - 4];
    for forged in [&stranger, &nobody, &no_client, &elsewhere, &no_family, cut, "x", "a.b.c", &"x".repeat(4_000)] {
        let told = stage.introspect("catalog:only-for-the-lesson", forged).await;
        assert_eq!(told, json!({"active": false}), "{forged:.60}");
    }
    assert_eq!(stage.introspect("catalog:only-for-the-lesson", &access).await["active"], json!(true));
    stage.wait(300 + LEEWAY.as_secs());
    assert_eq!(stage.introspect("catalog:only-for-the-lesson", &access).await, json!({"active": false}));
}

#[tokio::test]
async fn who_the_bearer_is_is_told_to_the_bearer() {
    let stage = stage().await;
    let pairs = [("client_id", "demo-cli"), ("grant_type", "password"), ("username", "ada"), ("password", PASSWORD)];
    let for_here = [&pairs[..], &[("audience", "identity")]].concat();
    let login: Value = stage.token(&for_here).await.json();
    let access = text(&login, "access_token");
    let ask =
        async |request: Request, token: &str| stage.ask(request.with("Authorization", format!("Bearer {token}"))).await;
    for request in [Request::get("/identity/userinfo"), Request::post("/identity/userinfo", "")] {
        let told = ask(request, &access).await;
        assert_eq!(told.status.code(), 200);
        let told: Value = told.json();
        assert_eq!((&told["name"], &told["roles"]), (&json!("ada"), &json!(["customer", "accountant", "admin"])));
    }
    let answer = stage.ask(Request::get("/identity/userinfo")).await;
    assert_eq!(
        (answer.status.code(), answer.field("www-authenticate")),
        (401, Some("Bearer realm=\"firstbyte identity\""))
    );
    let for_catalog: Value = stage.token(&[&pairs[..], &[("audience", "catalog")]].concat()).await.json();
    let usual = text(&stage.log_in("demo-cli").await, "access_token");
    assert_eq!(ask(Request::get("/identity/userinfo"), &usual).await.status.code(), 401, "shown to services");
    for refused in ["x", &text(&login, "refresh_token"), &text(&for_catalog, "access_token")] {
        let answer = ask(Request::get("/identity/userinfo"), refused).await;
        assert_eq!(answer.status.code(), 401, "{refused:.30}");
        assert!(answer.field("www-authenticate").is_some_and(|challenge| challenge.contains("invalid_token")));
    }
    let robot: Value = stage
        .ask(basic(form("/identity/token", &[("grant_type", "client_credentials"), for_here[4]]), ROBOT))
        .await
        .json();
    let answer = ask(Request::get("/identity/userinfo"), &text(&robot, "access_token")).await;
    assert_eq!(answer.status.code(), 403, "a robot is nobody");
    // Here revocation is seen at once.
    stage.ask(form("/identity/revoke", &[("client_id", "demo-cli"), ("token", &access)])).await;
    assert_eq!(ask(Request::get("/identity/userinfo"), &access).await.status.code(), 401);
}
