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

    async fn rotate_keys(&self, pairs: &[(&str, &str)]) -> Answer {
        let admin = text(&self.log_in("demo-cli").await, "access_token");
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
    assert_eq!(other.aud, ["catalog", "billing", "identity"], "all, when nobody is named");
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
async fn a_refresh_token_is_exchanged_once_and_a_second_use_ends_the_family() {
    let stage = stage().await;
    let login = stage.log_in("demo-cli").await;
    let (first, access) = (text(&login, "refresh_token"), text(&login, "access_token"));
    let (status, second) = stage.next(&first).await;
    assert_eq!((status, second == first), (200, false));
    let (status, third) = stage.next(&second).await;
    assert_eq!(status, 200);
    assert!(stage.is_active(&third).await && stage.is_active(&access).await && !stage.is_active(&second).await);
    // The thief comes with a copy of the first one.
    assert_eq!(stage.next(&first).await.0, 400);
    // And the owner with the last one that was given out: neither is believed any more.
    assert_eq!(stage.next(&third).await.0, 400);
    assert!(!stage.is_active(&third).await && !stage.is_active(&access).await);
    assert!(stage.verify_offline(&access).await.is_ok(), "who verifies offline believes it until it expires");
}

#[tokio::test]
async fn an_answer_that_was_lost_is_given_again_within_the_grace_and_not_behind_it() {
    let stage = stage().await;
    let first = text(&stage.log_in("demo-cli").await, "refresh_token");
    let (_, second) = stage.next(&first).await;
    stage.wait(9);
    assert_eq!(stage.next(&first).await, (200, second.clone()));
    stage.wait(1);
    assert_eq!(stage.next(&first).await.0, 400);
    assert_eq!(stage.next(&second).await.0, 400, "the family has ended");
}

#[tokio::test]
async fn scope_and_audience_of_a_refresh_shrink_for_that_access_token_alone() {
    let stage = stage().await;
    let mut token = text(&stage.log_in("demo-cli").await, "refresh_token");
    for (more, scope) in [
        (&[("scope", "catalog:read"), ("audience", "catalog")][..], "catalog:read"),
        (&[], "catalog:read catalog:write billing:read billing:write"),
    ] {
        let pairs = [("grant_type", "refresh_token"), ("client_id", "demo-cli"), ("refresh_token", &token)];
        let answer: Value = stage.token(&[&pairs[..], more].concat()).await.json();
        assert_eq!(answer["scope"], json!(scope));
        token = text(&answer, "refresh_token");
    }
    let pairs = [("grant_type", "refresh_token"), ("client_id", "demo-cli"), ("refresh_token", &token)];
    for (more, error) in [(("scope", "admin"), "invalid_scope"), (("audience", "elsewhere"), "invalid_target")] {
        let refused: Value = stage.token(&[&pairs[..], &[more]].concat()).await.json();
        assert_eq!(refused["error"], json!(error));
    }
    assert_eq!(stage.next(&token).await.0, 200, "who asks for too much has spent nothing");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn of_fifty_at_once_one_wins_and_within_the_grace_all_get_its_successor() {
    let stage = Arc::new(stage().await);
    let first = text(&stage.log_in("demo-cli").await, "refresh_token");
    let answers = race(&stage, &first).await;
    assert!(answers.iter().all(|(status, _)| *status == 200), "{answers:?}");
    let successors: HashSet<&String> = answers.iter().map(|(_, next)| next).collect();
    assert_eq!(successors.len(), 1, "one exchange, one successor");
    assert_eq!(stage.next(successors.into_iter().next().expect("one")).await.0, 200);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn without_grace_one_of_fifty_at_once_gets_tokens_and_the_others_end_the_family() {
    let stage = Arc::new(stage_with(IdentityConfig { grace: Duration::ZERO, ..IdentityConfig::default() }).await);
    let first = text(&stage.log_in("demo-cli").await, "refresh_token");
    let answers = race(&stage, &first).await;
    let winners: Vec<&String> = answers.iter().filter(|(status, _)| *status == 200).map(|(_, next)| next).collect();
    assert_eq!(winners.len(), 1, "{answers:?}");
    assert_eq!(stage.next(winners[0]).await.0, 400);
}

/// Fifty refreshes with one token.
async fn race(stage: &Arc<Stage>, token: &str) -> Vec<(u16, String)> {
    let mut racers = tokio::task::JoinSet::new();
    for _ in 0..50 {
        let (stage, token) = (Arc::clone(stage), token.to_owned());
        racers.spawn(async move { stage.next(&token).await });
    }
    racers.join_all().await
}

#[tokio::test]
async fn forged_refresh_tokens_open_nothing_and_end_nothing() {
    let stage = stage().await;
    let token = text(&stage.log_in("demo-cli").await, "refresh_token");
    let mut accepted = 0;
    for at in 4..token.len() {
        for other in ['A', 'z', '-', '.', '='] {
            let mut forged: Vec<char> = token.chars().collect();
            if forged[at] == other {
                continue;
            }
            forged[at] = other;
            let forged: String = forged.into_iter().collect();
            accepted += usize::from(stage.next(&forged).await.0 == 200);
        }
    }
    let login = text(&stage.log_in("demo-cli").await, "access_token");
    for other in [&login, &token[4..], &format!("{token} "), &format!("{token}{token}"), "fbr_", "null"] {
        accepted += usize::from(stage.next(other).await.0 == 200);
    }
    assert_eq!(accepted, 0);
    assert_eq!(stage.next(&token).await.0, 200, "and the family goes on");
}

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
async fn a_new_password_ends_what_was_begun_with_the_old_one() {
    let stage = stage().await;
    let login = stage.log_in("demo-cli").await;
    let ada = stage.accounts.authenticate("ada", PASSWORD, [127, 0, 0, 1].into()).await.expect("ada");
    assert!(stage.is_active(&text(&login, "access_token")).await);
    let hash = PasswordHash::parse(&bcrypt::hash("another-engine", 4).expect("a hash")).expect("a hash");
    assert!(stage.store.change_hash(&ada, &hash).await.expect("it answers").is_some());
    assert!(!stage.is_active(&text(&login, "access_token")).await);
    assert!(!stage.is_active(&text(&login, "refresh_token")).await);
    assert_eq!(stage.next(&text(&login, "refresh_token")).await.0, 400);
}

#[tokio::test]
async fn a_login_ends_when_it_is_idle_and_in_any_case() {
    let day = 24 * 60 * 60;
    let stage = stage().await;
    let idle = text(&stage.log_in("demo-cli").await, "refresh_token");
    let mut used = text(&stage.log_in("demo-cli").await, "refresh_token");
    for _ in 0..5 {
        stage.wait(6 * day);
        let (status, next) = stage.next(&used).await;
        used = next;
        if stage.clock.load(Relaxed) < NOW + 30 * day {
            assert_eq!(status, 200);
        } else {
            assert_eq!(status, 400);
        }
    }
    assert_eq!(stage.next(&idle).await.0, 400);
    stage.identity.store.sweep(stage.clock.load(Relaxed), 10).await.expect("memory");
    let last = stage.log_in("demo-cli").await;
    assert_eq!(last["expires_in"], json!(300));
}

#[tokio::test]
async fn the_last_access_token_does_not_outlive_its_login() {
    let config = IdentityConfig { refresh_time: Duration::from_secs(400), ..IdentityConfig::default() };
    let stage = stage_with(config).await;
    let token = text(&stage.log_in("demo-cli").await, "refresh_token");
    stage.wait(350);
    let answer: Value = stage.refresh("demo-cli", &token).await.json();
    assert_eq!(answer["expires_in"], json!(50));
}

#[tokio::test]
async fn an_account_has_so_many_logins_and_the_oldest_gives_way() {
    let stage = stage_with(IdentityConfig { families_of_account_max: 3, ..IdentityConfig::default() }).await;
    let mut tokens = Vec::new();
    for _ in 0..4 {
        tokens.push(text(&stage.log_in("demo-cli").await, "refresh_token"));
        stage.wait(1);
    }
    let mut statuses = Vec::new();
    for token in &tokens {
        statuses.push(stage.next(token).await.0);
    }
    assert_eq!(statuses, [400, 200, 200, 200]);
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
    let ring = stage.identity.keyring.ring();
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
    let login = stage.log_in("demo-cli").await;
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
    let pairs = [("client_id", "demo-cli"), ("grant_type", "password"), ("username", "ada"), ("password", PASSWORD)];
    let for_catalog: Value = stage.token(&[&pairs[..], &[("audience", "catalog")]].concat()).await.json();
    for refused in ["x", &text(&login, "refresh_token"), &text(&for_catalog, "access_token")] {
        let answer = ask(Request::get("/identity/userinfo"), refused).await;
        assert_eq!(answer.status.code(), 401, "{refused:.30}");
        assert!(answer.field("www-authenticate").is_some_and(|challenge| challenge.contains("invalid_token")));
    }
    let robot: Value =
        stage.ask(basic(form("/identity/token", &[("grant_type", "client_credentials")]), ROBOT)).await.json();
    let answer = ask(Request::get("/identity/userinfo"), &text(&robot, "access_token")).await;
    assert_eq!(answer.status.code(), 403, "a robot is nobody");
    // Here revocation is seen at once.
    stage.ask(form("/identity/revoke", &[("client_id", "demo-cli"), ("token", &access)])).await;
    assert_eq!(ask(Request::get("/identity/userinfo"), &access).await.status.code(), 401);
}

#[tokio::test]
async fn keys_are_rotated_by_an_admin_and_what_they_have_signed_is_valid_to_its_end() {
    let stage = stage().await;
    let answer = stage.ask(form("/identity/keys/rotate", &[])).await;
    assert_eq!(answer.status.code(), 401);
    let pairs = [("client_id", "demo-cli"), ("grant_type", "password"), ("username", "bob"), ("password", PASSWORD)];
    let bob: Value = stage.token(&pairs).await.json();
    let bob =
        form("/identity/keys/rotate", &[]).with("Authorization", format!("Bearer {}", text(&bob, "access_token")));
    assert_eq!(stage.ask(bob).await.status.code(), 403);

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
    stage.identity.keyring.read_within(Duration::ZERO).await.expect("memory");
    assert!(stage.verify_offline(&old).await.is_ok(), "to its end");
    stage.wait(300 + LEEWAY.as_secs());
    stage.identity.keyring.read_within(Duration::ZERO).await.expect("memory");
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
        assert_eq!(stage.rotate_keys(&[]).await.status.code(), 200);
        for token in &tokens {
            assert!(stage.verify_offline(token).await.is_ok());
            assert!(stage.is_active(token).await);
        }
    }
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
            let key = stage.identity.keyring.ring().listed()[0].clone();
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
    let second: Value = stage.rotate_keys(&[]).await.json();
    assert_eq!(algorithm(&second, 0), "ES256");
    let token = text(&stage.log_in("demo-cli").await, "access_token");
    assert!(stage.verify_offline(&token).await.is_ok());
    for (pairs, status, error) in
        [([("algorithm", "none")], 400, "invalid_request"), ([("algorithm", "es256")], 400, "invalid_request")]
    {
        let refused = stage.rotate_keys(&pairs).await;
        assert_eq!((refused.status.code(), refused.json::<Value>()["error"].clone()), (status, json!(error)));
    }
    let mut last = stage.rotate_keys(&[]).await;
    while last.status.code() == 200 {
        last = stage.rotate_keys(&[]).await;
    }
    assert_eq!((last.status.code(), last.json::<Value>()["error"].clone()), (429, json!("too_many_keys")));
    assert!(last.field("retry-after").and_then(|after| after.parse().ok()).is_some_and(|after: u64| after > 300));
}

#[tokio::test]
async fn a_key_that_has_signed_for_long_enough_is_rotated_by_itself() {
    let stage = stage().await;
    stage.identity.keyring.signing().await.expect("memory");
    let active = |stage: &Stage| stage.identity.keyring.ring().signing().map(|key| key.kid().to_owned());
    let first = active(&stage);
    stage.wait(30 * 24 * 60 * 60);
    stage.identity.keyring.read_within(Duration::ZERO).await.expect("memory");
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

#[tokio::test]
async fn memory_has_an_end_and_nobody_is_logged_out_for_it() {
    let login = |subject: &str| domain::family::Login {
        subject: subject.to_owned(),
        generation: 0,
        client: "demo-cli".to_owned(),
        scopes: domain::scope::known(&["catalog:read"]),
        audience: vec!["catalog".to_owned()],
    };
    let lifetimes = Lifetimes { absolute: 100, idle: 10, grace: 1 };
    let store = Store::memory(2);
    let begin = |subject: &str| domain::family::Family::begin(login(subject), NOW, &lifetimes).0;
    let families = [begin("ada"), begin("bob"), begin("eve")];
    for (family, fits) in families.iter().zip([true, true, false]) {
        assert_eq!(store.begin(family, 32).await.is_ok(), fits, "{family:?}");
        assert_eq!(store.find(family.id).await.expect("memory").is_some(), fits);
    }
    assert_eq!(store.sweep(NOW + 10, 1).await.expect("memory"), 2);
    assert!(store.begin(&families[2], 32).await.is_ok());
}
