use std::net::{IpAddr, SocketAddr};

use serde_json::{Value, json};

use super::domain::{Device, NewSession, SessionId};
use super::error::{Done, Error};
use super::store::Replaced;
use super::*;
use crate::app::accounts::Obstacle;
use crate::app::accounts::hasher::Cost;
use crate::app::accounts::throttle::Quota;
use crate::crypto::Token;
use crate::http::middleware::order_line;
use crate::http::test::{Answer, call};
use crate::http::{Method, Request};

const PASSWORD: &str = "analytical-engine";
const FORM: &str = "application/x-www-form-urlencoded";

/// The application, and what it works on.
struct Stage<H> {
    handler: H,
    accounts: Accounts,
    store: Store,
}

/// A browser: it keeps its cookie.
#[derive(Clone, Default)]
struct Browser {
    cookie: Option<String>,
    csrf: String,
}

fn quota(burst: u32) -> Quota {
    Quota { burst, interval: Duration::from_secs(60) }
}

fn stage_with(lifetime: Lifetime, throttle: ThrottleConfig) -> Stage<impl Handler> {
    let config = AccountsConfig { cost: Cost::of_tests(4), hashes_max: 2, waiting_hashes_max: 64 };
    let accounts = Accounts::new(config, accounts::store::Store::empty(100), Throttle::memory(throttle));
    let store = Store::memory(lifetime, 1_000);
    let handler = routes(SessionConfig::default(), accounts.clone(), store.clone());
    Stage { handler, accounts, store }
}

fn stage() -> Stage<impl Handler> {
    let throttle = ThrottleConfig {
        name: quota(1_000),
        address: quota(1_000),
        registration: quota(1_000),
        ..ThrottleConfig::default()
    };
    stage_with(Lifetime::default(), throttle)
}

impl<H: Handler> Stage<H> {
    async fn ask(&self, browser: &mut Browser, mut request: Request) -> Answer {
        if let Some(cookie) = &browser.cookie {
            request = request.with("Cookie", format!("__Host-session={cookie}"));
        }
        let answer = call(&self.handler, request).await;
        assert_eq!(answer.field("cache-control"), Some("no-store"), "{answer:?}");
        if let Some(set) = answer.field("set-cookie") {
            let (value, attributes) =
                set.strip_prefix("__Host-session=").and_then(|set| set.split_once("; ")).expect("ours");
            let is_cleared = attributes.contains("Expires=Thu, 01 Jan 1970");
            assert_eq!(is_cleared, value.is_empty());
            assert!(
                attributes.ends_with("Secure; HttpOnly; SameSite=Strict") && attributes.starts_with("Path=/; "),
                "{set}"
            );
            browser.cookie = (!is_cleared).then(|| value.to_owned());
        }
        if answer.field("content-type") == Some("application/json") {
            let json: Value = answer.json();
            json["data"]["csrf"].as_str().inspect(|csrf| browser.csrf = (*csrf).to_owned());
        }
        answer
    }

    /// The status and the code of an answer of the API.
    async fn api(&self, browser: &mut Browser, method: Method, path: &str, content: Value) -> (u16, Value) {
        let mut request = Request::of(method, &format!("/session/api/{path}")).with("X-CSRF-Token", &browser.csrf);
        if !content.is_null() {
            request = request.with("Content-Type", "application/json").with_content(content.to_string());
        }
        let answer = self.ask(browser, request).await;
        let json = if answer.content.is_empty() { Value::Null } else { answer.json() };
        (
            answer.status.code(),
            if json["success"] == true { json["data"].clone() } else { json["error"]["code"].clone() },
        )
    }

    async fn post(&self, browser: &mut Browser, path: &str, content: Value) -> (u16, Value) {
        self.api(browser, Method::POST, path, content).await
    }

    async fn get(&self, browser: &mut Browser, path: &str) -> (u16, Value) {
        self.api(browser, Method::GET, path, Value::Null).await
    }

    async fn form(&self, browser: &mut Browser, path: &str, content: &str) -> Answer {
        let request = Request::post(&format!("/session/{path}"), content.to_owned()).with("Content-Type", FORM);
        self.ask(browser, request).await
    }

    /// A browser in which `name` has just registered.
    async fn registered(&self, name: &str) -> Browser {
        let mut browser = Browser::default();
        let (status, _) = self.post(&mut browser, "register", json!({"name": name, "password": PASSWORD})).await;
        assert_eq!(status, 201);
        browser
    }

    async fn logged_in(&self, name: &str) -> Browser {
        let mut browser = Browser::default();
        let (status, me) = self.post(&mut browser, "login", json!({"name": name, "password": PASSWORD})).await;
        assert_eq!((status, &me["name"]), (200, &json!(name)));
        browser
    }

    async fn is_logged_in(&self, browser: &Browser) -> bool {
        self.get(&mut browser.clone(), "me").await.0 == 200
    }
}

#[tokio::test]
async fn the_chain_is_in_order() {
    let stage = stage();
    let handler = routes(SessionConfig::default(), stage.accounts.clone(), stage.store.clone());
    let expected = "request_id → trusted_proxies → logger → recover → security_headers → ";
    assert!(order_line(&handler).expect("an order").starts_with(expected));
    let patterns: Vec<_> = table()
        .iter()
        .flat_map(|routes| routes.patterns().map(|pattern| pattern.text().to_owned()).collect::<Vec<_>>())
        .collect();
    assert!(patterns.contains(&"GET /session".to_owned()) && patterns.contains(&"GET /session/api/me".to_owned()));
}

#[tokio::test]
async fn who_registers_is_logged_in_and_known_until_he_leaves() {
    let stage = stage();
    let mut ada = Browser::default();
    assert_eq!(stage.get(&mut ada, "me").await, (401, json!("not_logged_in")));
    let (status, me) = stage.post(&mut ada, "register", json!({"name": "Ada", "password": PASSWORD})).await;
    assert_eq!((status, &me["name"], &me["roles"]), (201, &json!("ada"), &json!(["customer"])));
    assert_eq!(ada.cookie.as_ref().map(String::len), Some(43));
    let (status, again) = stage.get(&mut ada, "me").await;
    assert_eq!((status, again), (200, me));
    let left = ada.clone();
    assert_eq!(stage.post(&mut ada, "logout", Value::Null).await, (204, Value::Null));
    assert_eq!(ada.cookie, None, "the cookie is taken back");
    assert!(!stage.is_logged_in(&left).await, "and who kept it has nothing");
    assert_eq!(stage.post(&mut ada, "logout", Value::Null).await.0, 204, "who is logged out is logged out");
}

#[tokio::test]
async fn all_that_is_wrong_with_a_login_is_one_answer() {
    let stage = stage();
    stage.registered("ada").await;
    let mut seen = Vec::new();
    for (name, password) in [
        ("ada", "difference-engine"),
        ("ada", ""),
        ("ada", "x".repeat(73).as_str()),
        ("ada", "x".repeat(1000).as_str()),
        ("ada", "nul\0nul\0"),
        ("nobody", PASSWORD),
        ("", PASSWORD),
        ("<script>", PASSWORD),
    ] {
        let content = json!({"name": name, "password": password}).to_string();
        let request = Request::post("/session/api/login", content).with("Content-Type", "application/json");
        let answer = call(&stage.handler, request).await;
        assert_eq!(answer.field("www-authenticate"), Some("Cookie realm=\"firstbyte\""));
        let fields: Vec<_> = answer
            .fields
            .iter()
            .filter(|(name, _)| *name != "X-Request-Id")
            .map(|(name, value)| (name.to_owned(), value.to_vec()))
            .collect();
        seen.push((answer.status, fields, answer.content));
    }
    assert_eq!(seen[0].0.code(), 401);
    assert!(seen.iter().all(|answer| *answer == seen[0]), "{seen:?}");
}

#[tokio::test]
async fn a_registration_says_what_is_wrong() {
    let stage = stage();
    stage.registered("ada").await;
    for (name, password, status, code) in [
        ("ada", PASSWORD, 409, "name_taken"),
        ("a", PASSWORD, 422, "invalid_account"),
        ("bob", "short", 422, "invalid_account"),
        ("bob", &"é".repeat(37), 422, "invalid_account"),
        ("bob", "bob", 422, "invalid_account"),
    ] {
        let content = json!({"name": name, "password": password});
        assert_eq!(
            stage.post(&mut Browser::default(), "register", content).await,
            (status, json!(code)),
            "{name} {password}"
        );
    }
    for (content, content_type, status) in [
        ("{", "application/json", 400),
        ("{}", "application/json", 422),
        ("name=ada", FORM, 422),
        ("name=ada&password=x", "text/plain", 415),
        (" ".repeat(5_000).as_str(), "application/json", 413),
    ] {
        let request = Request::post("/session/api/register", content.to_owned()).with("Content-Type", content_type);
        let answer = call(&stage.handler, request).await;
        assert_eq!(
            (answer.status.code(), &answer.json::<Value>()["success"]),
            (status, &json!(false)),
            "{content:.20}"
        );
    }
}

#[tokio::test]
async fn a_token_is_made_here_and_never_taken_over() {
    let stage = stage();
    // Fixation: whoever has put a token into a browser does not know the one that counts after the login.
    let planted = Token::random().expose();
    let mut ada = Browser { cookie: Some(planted.clone()), csrf: String::new() };
    assert_eq!(stage.get(&mut ada, "me").await, (401, json!("not_logged_in")));
    assert_eq!(ada.cookie, Some(planted.clone()), "it opens nothing, and who took it back might take a newer one");
    ada.cookie = Some(planted.clone());
    stage.post(&mut ada, "register", json!({"name": "ada", "password": PASSWORD})).await;
    let first = ada.clone();
    assert!(first.cookie.is_some() && first.cookie != Some(planted.clone()));
    assert!(!stage.is_logged_in(&Browser { cookie: Some(planted), csrf: String::new() }).await);
    // One that is known goes with the next login: also one of another account.
    stage.post(&mut ada, "login", json!({"name": "ada", "password": PASSWORD})).await;
    assert!(ada.cookie != first.cookie && stage.is_logged_in(&ada).await && !stage.is_logged_in(&first).await);
    let mut bob = stage.registered("bob").await;
    bob.cookie.clone_from(&ada.cookie);
    stage.post(&mut bob, "login", json!({"name": "bob", "password": PASSWORD})).await;
    assert!(stage.is_logged_in(&bob).await && !stage.is_logged_in(&ada).await);
}

#[tokio::test]
async fn what_is_no_token_opens_nothing_and_is_taken_back() {
    let stage = stage();
    let known = stage.registered("ada").await.cookie.expect("a cookie");
    for value in [
        "",
        "x",
        "../../etc/passwd",
        "*",
        &"A".repeat(42),
        &"A".repeat(44),
        &known[1..],
        &format!("{known}="),
        "__Host-session",
    ] {
        let mut browser = Browser { cookie: Some(value.to_owned()), csrf: String::new() };
        assert_eq!(stage.get(&mut browser, "me").await, (401, json!("not_logged_in")), "{value}");
        assert_eq!(browser.cookie, None);
    }
    let session = format!("__Host-session={known}");
    for cookies in
        [format!("{session}; {session}"), format!("{session}; __Host-session=evil"), "__Host-session=a b".to_owned()]
    {
        let answer = call(&stage.handler, Request::get("/session/api/me").with("Cookie", &cookies)).await;
        assert_eq!(
            (answer.status.code(), &answer.json::<Value>()["error"]["code"]),
            (400, &json!("invalid_cookie")),
            "{cookies}"
        );
        assert!(answer.field("set-cookie").is_some_and(|set| set.starts_with("__Host-session=;")));
        let page = call(&stage.handler, Request::get("/session").with("Cookie", &cookies)).await;
        assert_eq!(page.status.code(), 400);
    }
}

#[tokio::test]
async fn nothing_is_changed_without_the_token_of_the_session() {
    let stage = stage();
    let mut ada = stage.registered("ada").await;
    let other = stage.logged_in("ada").await;
    let id = SessionId::of(&other.cookie.as_ref().expect("a cookie").parse::<Token>().expect("a token").hash());
    let right = ada.csrf.clone();
    for wrong in ["", "x", &other.csrf, &right.to_lowercase(), &format!("{right}=")] {
        ada.csrf = wrong.to_owned();
        let change = json!({"current": PASSWORD, "new": "difference-engine"});
        for (method, path, content) in [
            (Method::POST, "logout", Value::Null),
            (Method::POST, "logout", json!({"csrf": wrong})),
            (Method::POST, "logout-everywhere", Value::Null),
            (Method::POST, "password", change),
            (Method::DELETE, &format!("sessions/{id}"), Value::Null),
        ] {
            assert_eq!(
                stage.api(&mut ada, method, path, content).await,
                (403, json!("wrong_csrf_token")),
                "{path} {wrong}"
            );
        }
        for path in ["logout", "logout-everywhere", "password", &format!("sessions/{id}/end")] {
            let content = format!("csrf={wrong}&current={PASSWORD}&new=difference-engine");
            assert_eq!(stage.form(&mut ada, path, &content).await.status.code(), 403, "{path}");
        }
    }
    assert!(stage.is_logged_in(&ada).await && stage.is_logged_in(&other).await);
    assert_eq!(stage.accounts.work().rounds >> 4, 2, "no password was looked at for it");
}

#[tokio::test]
async fn what_pages_of_other_origins_send_is_refused_whatever_they_know() {
    let stage = stage();
    let mut ada = stage.registered("ada").await;
    let csrf = ada.csrf.clone();
    for (field, value) in [
        ("Origin", "http://evil.example"),
        ("Origin", "null"),
        ("Origin", "http://localhost:1"),
        ("Sec-Fetch-Site", "same-site"),
        ("Sec-Fetch-Site", "cross-site"),
    ] {
        for path in [
            "login",
            "register",
            "logout",
            "password",
            "api/login",
            "api/register",
            "api/logout",
            "api/logout-everywhere",
        ] {
            let request =
                Request::post(&format!("/session/{path}"), format!("csrf={csrf}&name=ada&password={PASSWORD}"))
                    .with("Content-Type", FORM)
                    .with("X-CSRF-Token", &csrf)
                    .with(field, value);
            let answer = stage.ask(&mut ada, request).await;
            assert_eq!((answer.status.code(), answer.field("set-cookie")), (403, None), "{path} {value}");
            assert!(answer.text().contains("HTTP-ACCESS-"), "{}", answer.text());
        }
    }
    assert!(stage.is_logged_in(&ada).await);
}

#[tokio::test]
async fn another_password_ends_every_other_session_and_gives_this_one_a_new_token() {
    let stage = stage();
    let mut here = stage.registered("ada").await;
    let (elsewhere, bob) = (stage.logged_in("ada").await, stage.registered("bob").await);
    let before = here.clone();
    let wrong = json!({"current": "difference-engine", "new": "engine-of-the-night"});
    assert_eq!(stage.post(&mut here, "password", wrong).await, (403, json!("wrong_password")));
    let short = json!({"current": PASSWORD, "new": "short"});
    assert_eq!(stage.post(&mut here, "password", short).await, (422, json!("invalid_account")));
    assert!(stage.is_logged_in(&before).await && stage.is_logged_in(&elsewhere).await);
    let change = json!({"current": PASSWORD, "new": "engine-of-the-night"});
    assert_eq!(stage.post(&mut here, "password", change).await.0, 200);
    assert!(here.cookie != before.cookie && here.csrf != before.csrf);
    assert!(stage.is_logged_in(&here).await && stage.is_logged_in(&bob).await);
    assert!(!stage.is_logged_in(&before).await && !stage.is_logged_in(&elsewhere).await);
}

#[tokio::test]
async fn a_session_of_an_older_password_counts_no_more_though_nobody_ended_it() {
    let stage = stage();
    let mut ada = stage.registered("ada").await;
    let me = stage.get(&mut ada, "me").await.1;
    let id = me["id"].as_str().and_then(|id| id.parse().ok()).expect("an id");
    // As when the store of sessions was away just then.
    let home = IpAddr::from([127, 0, 0, 1]);
    stage.accounts.change_password(id, PASSWORD, "engine-of-the-night", home).await.expect("it is right");
    assert_eq!(stage.get(&mut ada, "me").await, (401, json!("not_logged_in")));
    assert_eq!(stage.store.list(id).await.expect("it answers"), []);
}

/// Nodes that share sessions and not accounts, or a node that has been started again: it shall not end what it cannot read.
#[tokio::test]
async fn a_session_of_an_account_that_is_not_here_opens_nothing_and_stays() {
    let stage = stage();
    let token = Token::random();
    let session = NewSession::of(&suite::account(), token.hash(), Device::of(None));
    stage.store.open(session, Replaced::Nothing).await.expect("it answers").expect("room");
    let mut browser = Browser { cookie: Some(token.expose()), csrf: String::new() };
    assert_eq!(stage.get(&mut browser, "me").await, (401, json!("not_logged_in")));
    assert!(browser.cookie.is_some() && stage.store.find(&token.hash()).await.expect("it answers").is_some());
}

#[tokio::test]
async fn what_is_done_is_told_though_the_sessions_are_away() {
    let stage = stage();
    let nowhere = crate::db::Redis::open(&"redis://127.0.0.1:1".parse().expect("a URL")).expect("a URL");
    let store = Store::redis(Lifetime::default(), nowhere);
    let handler = routes(SessionConfig::default(), stage.accounts.clone(), store.clone());
    let stage = Stage { handler, accounts: stage.accounts, store };
    let registration = json!({"name": "ada", "password": PASSWORD});
    let done = stage.post(&mut Browser::default(), "register", registration.clone()).await;
    assert_eq!(done, (503, json!("done_without_session")));
    let page = stage.form(&mut Browser::default(), "register", &format!("name=bob&password={PASSWORD}")).await;
    assert_eq!((page.status.code(), page.field("retry-after")), (503, Some("1")));
    assert!(page.text().contains("The account was made"), "{}", page.text());
    assert_eq!(stage.post(&mut Browser::default(), "login", registration).await, (503, json!("unavailable")));
    let changed = Error::Obstacle(Obstacle::Unavailable("away".into())).after(Done::PasswordChanged);
    assert!(changed.message().starts_with("the password was changed"), "{}", changed.message());
}

/// Many programs name a type with every request.
#[tokio::test]
async fn who_shows_the_token_in_the_head_may_send_any_content() {
    let stage = stage();
    let ada = stage.registered("ada").await;
    let cookie = format!("__Host-session={}", ada.cookie.as_ref().expect("a cookie"));
    for (kind, content) in [("application/json", ""), ("application/json", "{"), ("text/plain", "x")] {
        let other = stage.logged_in("ada").await;
        let id = SessionId::of(&other.cookie.as_ref().expect("a cookie").parse::<Token>().expect("a token").hash());
        let request = Request::of(Method::DELETE, &format!("/session/api/sessions/{id}"))
            .with("Cookie", &cookie)
            .with("X-CSRF-Token", &ada.csrf)
            .with("Content-Type", kind)
            .with_content(content);
        assert_eq!(call(&stage.handler, request).await.status.code(), 204, "{kind} {content}");
    }
    let form = format!("csrf={}", ada.csrf);
    let request = Request::post("/session/api/logout", form)
        .with("Cookie", &cookie)
        .with("Content-Type", "application/x-www-form-urlencoded; of=json");
    assert_eq!(call(&stage.handler, request).await.status.code(), 204);
}

#[tokio::test]
async fn sessions_are_listed_and_ended_one_by_one_or_all() {
    let stage = stage();
    let mut first = stage.registered("ada").await;
    let (mut second, bob) = (stage.logged_in("ada").await, stage.registered("bob").await);
    let (status, list) = stage.get(&mut first, "sessions").await;
    let list = list.as_array().expect("a list").clone();
    assert_eq!((status, list.len()), (200, 2));
    assert_eq!((&list[0]["current"], &list[1]["current"]), (&json!(false), &json!(true)), "the last one first");
    assert_eq!(list[0]["device"], "something unknown");
    assert!(!list[0].to_string().contains(second.cookie.as_ref().expect("a cookie")));
    let path = format!("sessions/{}", list[0]["id"].as_str().expect("an id"));
    let mut not_ada = bob.clone();
    assert_eq!(stage.api(&mut not_ada, Method::DELETE, &path, Value::Null).await, (404, json!("session_not_found")));
    assert_eq!(stage.api(&mut first, Method::DELETE, &path, Value::Null).await.0, 204);
    assert_eq!(stage.api(&mut first, Method::DELETE, &path, Value::Null).await.0, 404);
    for id in ["x", "*", &"0".repeat(32)] {
        let path = format!("sessions/{id}");
        assert_eq!(stage.api(&mut first, Method::DELETE, &path, Value::Null).await.0, 404);
    }
    assert_eq!(stage.get(&mut second, "me").await.0, 401);
    let third = stage.logged_in("ada").await;
    assert_eq!(stage.post(&mut first.clone(), "logout-everywhere", Value::Null).await.0, 204);
    assert!(!stage.is_logged_in(&first).await && !stage.is_logged_in(&third).await && stage.is_logged_in(&bob).await);
}

#[tokio::test]
async fn an_account_has_so_many_sessions_and_the_oldest_goes() {
    let stage = stage_with(Lifetime { per_account_max: 3, ..Lifetime::default() }, ThrottleConfig::default());
    let mut browsers = vec![stage.registered("ada").await];
    for _ in 0..4 {
        browsers.push(stage.logged_in("ada").await);
    }
    let mut known = Vec::new();
    for browser in &browsers {
        known.push(stage.is_logged_in(browser).await);
    }
    assert_eq!(known, [false, false, true, true, true]);
}

#[tokio::test]
async fn a_flood_of_guesses_is_told_to_wait() {
    let throttle = ThrottleConfig { name: quota(3), ..ThrottleConfig::default() };
    let stage = stage_with(Lifetime::default(), throttle);
    stage.registered("ada").await;
    for name in ["ada", "nobody"] {
        let mut seen = Vec::new();
        for _ in 0..4 {
            let content = format!("name={name}&password=difference-engine");
            let request = Request::post("/session/api/login", content).with("Content-Type", FORM);
            let answer = call(&stage.handler, request).await;
            seen.push((answer.status.code(), answer.field("retry-after").map(str::to_owned)));
        }
        assert_eq!(seen[2..], [(401, None), (429, Some("60".to_owned()))], "{name}");
        let page = stage.form(&mut Browser::default(), "login", &format!("name={name}&password={PASSWORD}")).await;
        assert_eq!((page.status.code(), page.field("retry-after")), (429, Some("60")));
    }
}

#[tokio::test]
async fn attempts_are_counted_for_the_client_and_not_for_what_it_says() {
    let throttle = ThrottleConfig { address: quota(1), ..ThrottleConfig::default() };
    let stage = stage_with(Lifetime::default(), throttle);
    let status = async |name: &str, peer: [u8; 4], forwarded: &str| {
        let request = Request::post("/session/api/login", format!("name={name}&password={PASSWORD}"))
            .with("Content-Type", FORM)
            .with_peer(SocketAddr::from((peer, 4711)))
            .with("X-Forwarded-For", forwarded);
        call(&stage.handler, request).await.status.code()
    };
    assert_eq!(status("user1", [192, 0, 2, 1], "198.51.100.1").await, 401);
    assert_eq!(status("user2", [192, 0, 2, 1], "198.51.100.2").await, 429);
    assert_eq!(status("user3", [192, 0, 2, 2], "198.51.100.2").await, 401);
}

#[tokio::test]
async fn the_page_works_by_forms_alone() {
    let stage = stage();
    let mut ada = Browser::default();
    let page = stage.ask(&mut ada, Request::get("/session")).await;
    assert_eq!((page.status.code(), page.field("content-type")), (200, Some("text/html; charset=utf-8")));
    assert!(page.field("content-security-policy").is_some_and(|policy| policy.contains("form-action 'self'")));
    assert!(!page.text().contains("<script") && !page.text().contains("maxlength"), "{}", page.text());
    let done = stage.form(&mut ada, "register", &format!("name=ada&password={PASSWORD}")).await;
    assert_eq!((done.status.code(), done.field("location")), (303, Some("/session")));
    let other = stage.logged_in("ada").await;
    let page = stage.ask(&mut ada, Request::get("/session")).await;
    assert!(page.text().contains("You are <b>ada</b>") && page.text().contains("this one"), "{}", page.text());
    let csrf = page
        .text()
        .split("name=\"csrf\" value=\"")
        .nth(1)
        .and_then(|rest| rest.split('"').next())
        .expect("a token")
        .to_owned();
    let end = page
        .text()
        .split("action=\"/session/")
        .find(|form| form.starts_with("sessions/"))
        .and_then(|rest| rest.split('"').next())
        .expect("another session")
        .to_owned();
    assert_eq!(stage.form(&mut ada, &end, &format!("csrf={csrf}")).await.status.code(), 303);
    assert!(!stage.is_logged_in(&other).await);
    let wrong = format!("csrf={csrf}&current=wrong-password&new=engine-of-the-night");
    let page = stage.form(&mut ada, "password", &wrong).await;
    assert_eq!(page.status.code(), 403);
    assert!(page.text().contains("role=\"alert\"") && page.text().contains("You are <b>ada</b>"), "{}", page.text());
    assert!(!page.text().contains("engine-of-the-night"), "no password comes back");
    let done = stage.form(&mut ada, "logout", &format!("csrf={csrf}")).await;
    assert_eq!((done.status.code(), &ada.cookie), (303, &None));
    let page = stage.form(&mut ada, "login", "name=%3Cscript%3E&password=difference-engine").await;
    assert_eq!((page.status.code(), page.field("www-authenticate").is_some()), (401, true));
    assert!(page.text().contains("Name and password do not belong together."));
    assert!(!page.text().contains("<script"), "{}", page.text());
}

#[path = "../../../tests/suites/sessions.rs"]
mod suite;

#[tokio::test]
async fn memory_keeps_sessions_as_every_store_does() {
    suite::store(|lifetime| Store::memory(lifetime, 1_000)).await;
}

#[tokio::test(start_paused = true)]
async fn a_use_gives_time_and_a_bound_is_kept() {
    let minute = Duration::from_secs(60);
    let store = Store::memory(Lifetime { idle: 10 * minute, absolute: 60 * minute, ..Lifetime::default() }, 5);
    let ada = suite::account();
    let session = suite::opened(&store, &ada).await;
    let is_there = async || store.find(&session.hash).await.expect("it answers").is_some();
    for _ in 0..11 {
        tokio::time::advance(5 * minute).await;
        assert!(is_there().await, "used in time");
    }
    tokio::time::advance(5 * minute).await;
    assert!(!is_there().await, "an hour in all");

    let first = suite::opened(&store, &suite::account()).await;
    tokio::time::advance(minute).await;
    let second = suite::opened(&store, &suite::account()).await;
    tokio::time::advance(Duration::from_secs(1)).await;
    assert!(store.find(&first.hash).await.expect("it answers").is_some(), "a use that is written down");
    for _ in 0..4 {
        suite::opened(&store, &suite::account()).await;
    }
    assert!(store.find(&second.hash).await.expect("it answers").is_none(), "the one that would end first has gone");
    assert!(store.find(&first.hash).await.expect("it answers").is_some());
    // A use within a minute is not written down, so it gives no time.
    tokio::time::advance(10 * minute - Duration::from_secs(1)).await;
    assert!(store.find(&first.hash).await.expect("it answers").is_some());
}
