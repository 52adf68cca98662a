mod keys;
mod look;
mod refresh;

use std::collections::HashSet;
use std::sync::atomic::AtomicU64;
use std::sync::atomic::Ordering::Relaxed;

use serde_json::{Value, json};

use super::domain::refused::is_description;
use super::*;
use crate::app::accounts::hasher::{Cost, PasswordHash};
use crate::app::accounts::throttle::{Quota, Throttle, ThrottleConfig};
use crate::app::accounts::{self, AccountName, AccountsConfig};
use crate::http::pattern::Pattern;
use crate::http::router::Routes;
use crate::http::test::{Answer, call};
use crate::jwt::{self, Algorithm, Claims, Expected, SigningKey};

const NOW: u64 = 1_800_000_000;
const PASSWORD: &str = "analytical-engine";
const ISSUER: &str = "http://127.0.0.1:8080/identity";

/// An issuer with its accounts, whose clock stands.
struct Stage {
    routes: Routes,
    identity: Identity,
    accounts: Accounts,
    store: accounts::store::Store,
    clock: Arc<AtomicU64>,
}

async fn stage() -> Stage {
    stage_with(IdentityConfig::default()).await
}

async fn stage_with(config: IdentityConfig) -> Stage {
    let cost = Cost::of_tests(4);
    let quota = Quota { burst: 1_000_000, interval: Duration::from_secs(1) };
    let throttle = ThrottleConfig { name: quota, address: quota, registration: quota, ..ThrottleConfig::default() };
    let store = accounts::store::Store::empty(10);
    let hash = bcrypt::hash(PASSWORD, 4).expect("a hash");
    for (name, roles) in [("ada", &Role::ALL[..]), ("bob", &[Role::Customer])] {
        let (name, hash) = (AccountName::parse(name), PasswordHash::parse(&hash));
        store.add(&name.expect("a name"), roles, &hash.expect("a hash")).await.expect("room");
    }
    let accounts = AccountsConfig { cost, hashes_max: 2, waiting_hashes_max: 1_000 };
    let accounts = Accounts::new(accounts, store.clone(), Throttle::memory(throttle));
    let clock = Arc::new(AtomicU64::new(NOW));
    let seconds = Arc::clone(&clock);
    let config = IdentityConfig { clock: Clock::of(move || seconds.load(Relaxed)), ..config };
    let identity = Identity::new(config, accounts.clone(), Store::memory(1_000));
    let routes = routes(Router::new(()), identity.clone()).build().expect("the routes fit");
    Stage { routes, identity, accounts, store, clock }
}

/// Clients of the lesson, and a few that it has no use for.
fn more_clients() -> IdentityConfig {
    let mut clients = IdentityConfig::default().clients;
    let both = [GrantType::Password, GrantType::RefreshToken];
    clients.push(Client::public("other-cli").may(&both, &["catalog:read"]));
    clients.push(Client::public("once-cli").may(&[GrantType::Password], &["catalog:read"]));
    clients.push(Client::confidential("shop", "s/+ =").may(&both, &["catalog:read"]));
    IdentityConfig { clients, ..IdentityConfig::default() }
}

fn form(target: &str, pairs: &[(&str, &str)]) -> Request {
    let content = form_urlencoded::Serializer::new(String::new()).extend_pairs(pairs).finish();
    Request::post(target, content).with("Content-Type", "application/x-www-form-urlencoded")
}

fn basic(request: Request, credentials: &str) -> Request {
    use base64::Engine;
    let credentials = base64::engine::general_purpose::STANDARD.encode(credentials);
    request.with("Authorization", format!("Basic {credentials}"))
}

const ROBOT: &str = "stock-robot:only-for-the-lesson";

impl Stage {
    async fn ask(&self, request: Request) -> Answer {
        call(&self.routes, request).await
    }

    async fn token(&self, pairs: &[(&str, &str)]) -> Answer {
        self.ask(form("/identity/token", pairs)).await
    }

    async fn log_in(&self, client: &str) -> Value {
        let pairs = [("grant_type", "password"), ("client_id", client), ("username", "ada"), ("password", PASSWORD)];
        let answer = self.token(&pairs).await;
        assert_eq!(answer.status.code(), 200, "{}", answer.text());
        answer.json()
    }

    async fn refresh(&self, client: &str, token: &str) -> Answer {
        self.token(&[("grant_type", "refresh_token"), ("client_id", client), ("refresh_token", token)]).await
    }

    /// The status of a refresh, and the next refresh token.
    async fn next(&self, token: &str) -> (u16, String) {
        let answer = self.refresh("demo-cli", token).await;
        (answer.status.code(), text(&answer.json::<Value>(), "refresh_token"))
    }

    async fn introspect(&self, credentials: &str, token: &str) -> Value {
        let answer = self.ask(basic(form("/identity/introspect", &[("token", token)]), credentials)).await;
        assert_eq!(answer.status.code(), 200, "{}", answer.text());
        answer.json()
    }

    async fn is_active(&self, token: &str) -> bool {
        self.introspect("catalog:only-for-the-lesson", token).await["active"] == json!(true)
    }

    fn wait(&self, seconds: u64) {
        self.clock.fetch_add(seconds, Relaxed);
    }

    /// The token of ada, who asks for more than is usual.
    async fn log_in_for(&self, more: &[(&str, &str)]) -> String {
        let pairs =
            [("grant_type", "password"), ("client_id", "demo-cli"), ("username", "ada"), ("password", PASSWORD)];
        text(&self.token(&[&pairs[..], more].concat()).await.json(), "access_token")
    }

    async fn rotate_keys(&self, pairs: &[(&str, &str)]) -> Answer {
        let admin = self.log_in_for(&[("scope", "keys:rotate"), ("audience", "identity")]).await;
        self.ask(form("/identity/keys/rotate", pairs).with("Authorization", format!("Bearer {admin}"))).await
    }

    /// What a service finds that has the published keys and nothing else.
    async fn verify_offline(&self, token: &str) -> Result<Claims, jwt::Refused> {
        let jwks = self.ask(Request::get("/identity/.well-known/jwks.json")).await;
        let jwks = Jwks::parse(&jwks.content).expect("a key set");
        let expected = Expected { issuer: ISSUER, audience: "catalog", now: self.clock.load(Relaxed), leeway: 0 };
        jwt::verify(token, &jwks, &expected)
    }
}

fn text(json: &Value, name: &str) -> String {
    json[name].as_str().unwrap_or_default().to_owned()
}

#[tokio::test]
async fn every_refusal_has_its_status_its_code_and_words_that_may_be_sent() {
    let stage = stage_with(more_clients()).await;
    let check = async |what: &str, request: Request, status: u16, error: &str| {
        let answer = stage.ask(request).await;
        let json: Value = answer.json();
        assert_eq!((answer.status.code(), json["error"].as_str()), (status, Some(error)), "{what}: {json}");
        assert_eq!(answer.field("cache-control"), Some("no-store"), "{what}");
        let description = text(&json, "error_description");
        assert!(!description.is_empty() && is_description(&description), "{what}: {description}");
        assert_eq!(answer.field("www-authenticate").is_some(), status == 401 || status == 403, "{what}");
    };
    let token = |pairs: &[(&str, &str)]| form("/identity/token", pairs);
    let cli = ("client_id", "demo-cli");
    let password = [cli, ("grant_type", "password"), ("username", "ada"), ("password", PASSWORD)];
    let with = |more: &[(&'static str, &'static str)]| token(&[&password[..], more].concat());
    let robot = |more: &[(&str, &str)]| basic(token(&[&[("grant_type", "client_credentials")], more].concat()), ROBOT);

    // How it came: RFC 6749 3.2.
    let query = form("/identity/token?client_id=demo-cli", &password[1..]);
    check("a query", query, 400, "invalid_request").await;
    let untyped = Request::post("/identity/token", "grant_type=password");
    check("no type", untyped, 400, "invalid_request").await;
    let json = Request::post("/identity/token", "{}").with("Content-Type", "application/json");
    check("JSON", json, 400, "invalid_request").await;
    check("a parameter twice", with(&[("username", "bob")]), 400, "invalid_request").await;
    check("a client twice", with(&[cli]), 400, "invalid_request").await;
    check("nothing", token(&[]), 401, "invalid_client").await;
    // Who: 2.3, 3.2.1.
    check("no client", token(&password[1..]), 401, "invalid_client").await;
    check("an unknown client", token(&[("client_id", "nobody"), password[1]]), 401, "invalid_client").await;
    check("a wrong secret", basic(token(&[]), "stock-robot:x"), 401, "invalid_client").await;
    check("no secret", token(&[("client_id", "stock-robot")]), 401, "invalid_client").await;
    check("a secret of a public client", with(&[("client_secret", "x")]), 401, "invalid_client").await;
    check("another scheme", token(&[cli]).with("Authorization", "Bearer x"), 401, "invalid_client").await;
    check("two ways", robot(&[("client_secret", "only-for-the-lesson")]), 400, "invalid_request").await;
    check("two names", robot(&[cli]), 400, "invalid_request").await;
    // What for: 4, 5.2.
    check("no grant", token(&[cli]), 400, "invalid_request").await;
    check("an empty grant", token(&[cli, ("grant_type", "")]), 400, "invalid_request").await;
    for grant in ["authorization_code", "PASSWORD", "urn:ietf:params:oauth:grant-type:device_code"] {
        check(grant, token(&[cli, ("grant_type", grant)]), 400, "unsupported_grant_type").await;
    }
    check("itself", token(&[cli, ("grant_type", "client_credentials")]), 400, "unauthorized_client").await;
    let robot_as_ada = basic(token(&password[1..]), ROBOT);
    check("a robot with a password", robot_as_ada, 400, "unauthorized_client").await;
    check("no password", token(&password[..3]), 400, "invalid_request").await;
    check("no refresh token", token(&[cli, ("grant_type", "refresh_token")]), 400, "invalid_request").await;
    // Whether it is true.
    let mut wrong = password;
    for (username, secret) in [("ada", "x"), ("nobody", PASSWORD), ("", PASSWORD), ("ada", " analytical-engine")] {
        (wrong[2].1, wrong[3].1) = (username, secret);
        let error = if username.is_empty() { "invalid_request" } else { "invalid_grant" };
        check("a wrong password", token(&wrong), 400, error).await;
    }
    for made_up in ["x", &"x".repeat(4_000), &format!("fbr_{}", "A".repeat(86))] {
        let pairs = [cli, ("grant_type", "refresh_token"), ("refresh_token", made_up)];
        check("a made up token", token(&pairs), 400, "invalid_grant").await;
    }
    // How much: 3.3, RFC 8707 2.
    for scope in ["admin", "catalog:read admin", " ", "catalog:read\u{e9}", "\"", "catalog:read  catalog:write"] {
        check(scope, with(&[("scope", scope.to_owned().leak())]), 400, "invalid_scope").await;
    }
    check("more than the robot's", robot(&[("scope", "billing:read")]), 400, "invalid_scope").await;
    check("an unknown audience", with(&[("audience", "elsewhere")]), 400, "invalid_target").await;
    check("an unknown resource", with(&[("resource", "https://a.example/catalog")]), 400, "invalid_target").await;
    // Too much of it.
    check("a long value", with(&[("state", "x".repeat(5_000).leak())]), 400, "invalid_request").await;
    let many: Vec<(String, String)> = (0..100).map(|n| (format!("p{n}"), "x".to_owned())).collect();
    let many: Vec<(&str, &str)> = many.iter().map(|(name, value)| (name.as_str(), value.as_str())).collect();
    check("many parameters", token(&many), 400, "invalid_request").await;
    // The other routes.
    for route in ["/identity/revoke", "/identity/introspect"] {
        check(route, form(route, &[("token", "x")]), 401, "invalid_client").await;
        check(route, basic(form(route, &[]), ROBOT), 400, "invalid_request").await;
        check(route, basic(form(&format!("{route}?token=x"), &[]), ROBOT), 400, "invalid_request").await;
    }
    check("a public client looks", form("/identity/introspect", &[cli, ("token", "x")]), 401, "invalid_client").await;
}

#[tokio::test]
async fn a_secret_is_not_guessed_at_without_end_and_its_client_is_not_kept_out_elsewhere() {
    let stage = stage().await;
    let pairs = [("grant_type", "client_credentials"), ("token", "x")];
    let from = |request: Request, address: [u8; 4]| request.with_peer((address, 1).into());
    let mut refused = 0;
    for route in ["/identity/token", "/identity/revoke", "/identity/introspect"].into_iter().cycle().take(60) {
        let guess = basic(form(route, &pairs), "stock-robot:guessed");
        let answer = stage.ask(from(guess, [192, 0, 2, 1])).await;
        let is_told = answer.status.code() == 429 && answer.field("retry-after").is_some();
        assert!(is_told || answer.status.code() == 401, "{}", answer.text());
        refused += usize::from(is_told);
    }
    assert_eq!(refused, 50, "at all routes together");
    let robot = |address| from(basic(form("/identity/token", &pairs[..1]), ROBOT), address);
    assert_eq!(stage.ask(robot([192, 0, 2, 1])).await.status.code(), 429, "right or wrong, from there");
    for _ in 0..60 {
        assert_eq!(stage.ask(robot([192, 0, 2, 2])).await.status.code(), 200, "right ones cost nothing");
    }
    let public = stage.log_in("demo-cli").await;
    assert_eq!(public["token_type"], json!("Bearer"), "who has no secret guesses at none");
}

#[tokio::test]
async fn too_much_content_is_refused_without_being_read_and_other_methods_too() {
    let stage = stage().await;
    let large = stage.token(&[("client_id", &"x".repeat(20_000))]).await;
    assert_eq!(large.status.code(), 413);
    for route in ["/identity/token", "/identity/revoke", "/identity/introspect"] {
        let answer = stage.ask(Request::get(&format!("{route}?client_id=demo-cli"))).await;
        assert_eq!((answer.status.code(), answer.field("allow")), (405, Some("OPTIONS, POST")), "{route}");
    }
}

#[tokio::test]
async fn a_login_is_answered_as_the_rfc_says_and_verified_by_who_has_the_keys() {
    let stage = stage().await;
    let pairs = [
        ("grant_type", "password"),
        ("client_id", "demo-cli"),
        ("username", "ada"),
        ("password", PASSWORD),
        ("scope", "catalog:read billing:read"),
        ("audience", "catalog"),
        ("unknown", "is ignored"),
    ];
    let answer = stage.token(&pairs).await;
    assert_eq!((answer.status.code(), answer.field("content-type")), (200, Some("application/json")));
    assert_eq!((answer.field("cache-control"), answer.field("pragma")), (Some("no-store"), Some("no-cache")));
    let json: Value = answer.json();
    assert_eq!((&json["token_type"], &json["expires_in"]), (&json!("Bearer"), &json!(300)));
    assert_eq!(json["scope"], json!("catalog:read billing:read"));
    let claims = stage.verify_offline(&text(&json, "access_token")).await.expect("it is valid");
    assert_eq!((claims.iss.as_str(), &claims.aud[..]), (ISSUER, &["catalog".to_owned()][..]));
    assert_eq!((claims.iat, claims.nbf, claims.exp), (NOW, NOW, NOW + 300));
    assert_eq!(claims.roles, ["customer", "accountant", "admin"]);
    assert_eq!(claims.client_id.as_deref(), Some("demo-cli"));
    let ada = stage.accounts.authenticate("ada", PASSWORD, [127, 0, 0, 1].into()).await.expect("ada");
    assert_eq!(claims.sub, ada.id.to_string());
    let other = stage.log_in("demo-cli").await;
    let other = stage.verify_offline(&text(&other, "access_token")).await.expect("it is valid");
    assert_ne!(claims.jti, other.jti);
    assert_eq!(other.aud, ["catalog", "billing"], "all services, when nobody is named");
    assert!(!other.scope.to_string().contains("keys:rotate"), "it has to be asked for");
}

#[tokio::test]
async fn a_client_that_is_its_own_grant_gets_no_refresh_token() {
    let stage = stage_with(more_clients()).await;
    let answer = stage.ask(basic(form("/identity/token", &[("grant_type", "client_credentials")]), ROBOT)).await;
    let json: Value = answer.json();
    assert_eq!((answer.status.code(), &json["refresh_token"]), (200, &Value::Null));
    let claims = stage.verify_offline(&text(&json, "access_token")).await.expect("it is valid");
    assert_eq!((claims.sub.as_str(), claims.roles.len()), ("stock-robot", 0));
    assert_eq!(stage.log_in("once-cli").await["refresh_token"], Value::Null, "nor does one that may not refresh");
    let shop = [("grant_type", "password"), ("username", "ada"), ("password", PASSWORD)];
    let shop: Value = stage.ask(basic(form("/identity/token", &shop), "shop:s%2F%2B+%3D")).await.json();
    let token = text(&shop, "refresh_token");
    assert_eq!(stage.refresh("shop", &token).await.status.code(), 401, "a confidential client shows its secret again");
    let again = [("grant_type", "refresh_token"), ("refresh_token", &token)];
    assert_eq!(stage.ask(basic(form("/identity/token", &again), "shop:s%2F%2B+%3D")).await.status.code(), 200);
}

#[tokio::test]
async fn what_the_issuer_says_of_itself_is_where_it_says() {
    let stage = stage().await;
    let patterns: HashSet<String> = stage.routes.patterns().map(Pattern::text).map(str::to_owned).collect();
    let own = stage.ask(Request::get("/identity/.well-known/openid-configuration")).await;
    let root = stage.ask(Request::get("/.well-known/oauth-authorization-server/identity")).await;
    assert_eq!(own.text(), root.text());
    let told: Value = own.json();
    assert_eq!(told["issuer"], json!(ISSUER));
    for (member, method) in [
        ("token_endpoint", "POST"),
        ("revocation_endpoint", "POST"),
        ("introspection_endpoint", "POST"),
        ("userinfo_endpoint", "GET"),
        ("jwks_uri", "GET"),
    ] {
        let path = text(&told, member).replace("http://127.0.0.1:8080", "");
        assert!(patterns.contains(&format!("{method} {path}")), "{member}: {path} is none of {patterns:?}");
    }
    let grants: Vec<&str> = GrantType::ALL.map(GrantType::text).to_vec();
    assert_eq!(told["grant_types_supported"], json!(grants));
    assert_eq!(told["response_types_supported"], json!([]));
}

#[tokio::test]
async fn the_page_shows_states_and_commands_for_the_visitors_address() {
    let stage = stage().await;
    stage.rotate_keys(&[]).await;
    let html = stage.ask(Request::get("/identity").with("Accept", "text/html")).await;
    for expected in ["class=\"active\"", "class=\"next\"", "class=\"retired\"", "http://localhost/identity/token"] {
        assert!(html.text().contains(expected), "{expected}");
    }
    let plain = stage.ask(Request::get("/identity")).await;
    assert!(
        plain.text().contains("  active   EdDSA") && plain.text().contains("curl -s http://localhost/identity/token")
    );
}

#[tokio::test]
async fn upkeep_ends_with_the_issuer() {
    let stage = stage().await;
    let inner = Arc::downgrade(&stage.identity.inner);
    drop(stage);
    assert_eq!(inner.strong_count(), 0, "nothing else holds it");
}
