//! Sessions over real sockets and a real Redis: used by curl, kept whatever becomes of the store.

use std::net::SocketAddr;
use std::process::Command;
use std::time::{Duration, Instant};

use firstbyte::app::accounts::hasher::Cost;
use firstbyte::app::accounts::throttle::{Quota, Throttle, ThrottleConfig};
use firstbyte::app::accounts::{self, Accounts, AccountsConfig};
use firstbyte::app::page;
use firstbyte::app::session::store::{Lifetime, Store};
use firstbyte::app::session::{self, PREFIX, SessionConfig};
use firstbyte::db::Redis;
use firstbyte::http::test::{Answer, call};
use firstbyte::http::{Handler, Request, Router, Server};
use firstbyte::net::{Listener, ListenerConfig};
use tokio::time::sleep;

use crate::server::{self, Folder, SOON};
use crate::services::{BACK_TIME, Kind, Service, Shared, TOLD_TIME};
use crate::suites::sessions as suite;
use crate::tools;

pub const PASSWORD: &str = "analytical-engine";

/// Lets everybody try as often as he likes.
pub fn unthrottled() -> ThrottleConfig {
    let quota = Quota { burst: 1_000_000, interval: Duration::from_millis(1) };
    ThrottleConfig { name: quota, address: quota, registration: quota, ..ThrottleConfig::default() }
}

/// Accounts in memory, `ada` among them.
pub async fn accounts(cost: Cost, throttle: Throttle) -> Accounts {
    accounts_in(accounts::store::Store::empty(1_000), cost, throttle).await
}

/// Accounts in `store`, `ada` among them.
pub async fn accounts_in(store: accounts::store::Store, cost: Cost, throttle: Throttle) -> Accounts {
    let config = AccountsConfig { cost, ..AccountsConfig::default() };
    let accounts = Accounts::new(config, store, throttle);
    accounts.register("ada", PASSWORD, [192, 0, 2, 1].into()).await.unwrap();
    accounts
}

/// The application over `accounts` and `store`, with all that its page needs.
pub fn application(accounts: Accounts, store: Store) -> impl Handler {
    let application = session::routes(SessionConfig::default(), accounts, store);
    let router = page::routes(session::assets(Router::new(()))).mount(PREFIX, application);
    router.route("GET /plaintext", |(), _| async { "Hello, World!" }).build().unwrap()
}

/// Serves `handler` on a port of its own, for as long as the runtime lives.
pub fn serve(handler: impl Handler) -> SocketAddr {
    let listener = Listener::bind(([127, 0, 0, 1], 0).into(), ListenerConfig::default()).unwrap();
    let addr = listener.local_addr().unwrap();
    tokio::spawn(Server::new(handler).serve(listener));
    addr
}

/// A login, as a form.
pub fn login(name: &str, password: &str) -> Request {
    let content = format!("name={name}&password={password}");
    Request::post("/session/api/login", content).with("Content-Type", "application/x-www-form-urlencoded")
}

fn me(cookie: &str) -> Request {
    Request::get("/session/api/me").with("Cookie", cookie)
}

/// The cookie that an answer sets.
fn cookie(answer: &Answer) -> String {
    let set = answer.field("set-cookie").unwrap_or_else(|| panic!("{answer:?}"));
    set.split(';').next().unwrap().to_owned()
}

pub async fn open(url: &str) -> Redis {
    let redis = Redis::open(&url.parse().unwrap()).unwrap();
    while redis.check().await.is_err() {
        sleep(Duration::from_millis(5)).await;
    }
    redis
}

#[tokio::test]
async fn redis_keeps_sessions_as_memory_does() {
    let Some(shared) = Shared::of(Kind::Redis) else { return };
    let redis = open(&shared.url).await;
    suite::store(|lifetime| Store::redis(lifetime, redis.clone())).await;
}

#[tokio::test]
async fn a_session_lives_in_redis_as_long_as_it_may_and_a_use_gives_time() {
    let Some(shared) = Shared::of(Kind::Redis) else { return };
    let redis = open(&shared.url).await;
    let minute = Duration::from_secs(60);
    let lifetime = Lifetime { idle: 10 * minute, absolute: 15 * minute, touch: Duration::ZERO, per_account_max: 3 };
    let store = Store::redis(lifetime, redis.clone());
    let ada = suite::account();
    let session = suite::opened(&store, &ada).await;
    let key = format!("firstbyte:session:{}", session.hash);
    let left = async || Duration::from_millis(redis.run::<u64>(redis::cmd("PTTL").arg(&key)).await.unwrap());
    assert!(left().await > 9 * minute && left().await <= 10 * minute);
    // As if it had been opened and used earlier than it was.
    let age = async |age: Duration| {
        let created = session.created.0 - age.as_millis() as u64;
        redis
            .run::<()>(redis::cmd("HSET").arg(&key).arg("created").arg(created).arg("used").arg(created))
            .await
            .unwrap();
        redis.run::<()>(redis::cmd("PEXPIRE").arg(&key).arg(60_000)).await.unwrap();
    };
    age(4 * minute).await;
    assert!(store.find(&session.hash).await.unwrap().is_some());
    assert!(left().await > 9 * minute, "a use gives all of it");
    age(12 * minute).await;
    assert!(store.find(&session.hash).await.unwrap().is_some());
    assert!(left().await > 2 * minute && left().await <= 3 * minute, "but no more than is left in all");
    age(15 * minute).await;
    assert!(store.find(&session.hash).await.unwrap().is_none() && store.list(ada.id).await.unwrap().is_empty());
    let keys: Vec<String> = redis.run(redis::cmd("KEYS").arg(format!("*{}*", session.hash))).await.unwrap();
    assert!(keys.is_empty(), "{keys:?}");

    let patient = Store::redis(Lifetime { touch: minute, ..lifetime }, redis.clone());
    let session = suite::opened(&patient, &ada).await;
    let key = format!("firstbyte:session:{}", session.hash);
    redis.run::<()>(redis::cmd("PEXPIRE").arg(&key).arg(60_000)).await.unwrap();
    assert!(patient.find(&session.hash).await.unwrap().is_some());
    let left: u64 = redis.run(redis::cmd("PTTL").arg(&key)).await.unwrap();
    assert!(left <= 60_000, "a use within a minute is not written down");
}

/// A Redis that evicts, which it must not be asked to, loses the list before the sessions: nobody reads it.
#[tokio::test]
async fn whoever_has_lost_his_list_logs_out_all_the_same() {
    let Some(shared) = Shared::of(Kind::Redis) else { return };
    let redis = open(&shared.url).await;
    let each_use_is_written = Lifetime { touch: Duration::ZERO, ..Lifetime::default() };
    let store = Store::redis(each_use_is_written, redis.clone());
    let lost = Store::redis(Lifetime::default(), redis.clone());
    let accounts = accounts(Cost::of_tests(4), Throttle::memory(unthrottled())).await;
    let handler = application(accounts.clone(), lost.clone());
    for path in ["logout", "logout-everywhere"] {
        let answer = call(&handler, login("ada", PASSWORD)).await;
        let (cookie, json) = (cookie(&answer), answer.json::<serde_json::Value>());
        let id = json["data"]["id"].as_str().unwrap().to_owned();
        let list = format!("firstbyte:sessions:{id}");
        redis.run::<()>(redis::cmd("DEL").arg(&list)).await.unwrap();
        let leave = Request::post(&format!("/session/api/{path}"), "")
            .with("Cookie", &cookie)
            .with("X-CSRF-Token", json["data"]["csrf"].as_str().unwrap());
        assert_eq!(call(&handler, leave).await.status.code(), 204, "{path}");
        assert_eq!(call(&handler, me(&cookie)).await.status.code(), 401, "{path}");
    }
    // A use that is written down writes the list again.
    let ada = suite::account();
    let (one, other) = (suite::opened(&store, &ada).await, suite::opened(&store, &ada).await);
    redis.run::<()>(redis::cmd("DEL").arg(format!("firstbyte:sessions:{}", ada.id))).await.unwrap();
    for session in [&one, &other] {
        assert!(store.find(&session.hash).await.unwrap().is_some());
    }
    assert_eq!(store.end_all(ada.id).await.unwrap(), 2);
    assert!(store.find(&one.hash).await.unwrap().is_none() && store.find(&other.hash).await.unwrap().is_none());
}

#[tokio::test]
async fn a_list_lives_as_long_as_the_longest_of_its_sessions() {
    let Some(shared) = Shared::of(Kind::Redis) else { return };
    let redis = open(&shared.url).await;
    let node = |minutes: u64| {
        let absolute = Duration::from_secs(minutes * 60);
        Store::redis(Lifetime { absolute, touch: Duration::ZERO, ..Lifetime::default() }, redis.clone())
    };
    let ada = suite::account();
    let session = suite::opened(&node(60), &ada).await;
    // Another node is set to other times, as in the midst of an update.
    suite::opened(&node(1), &ada).await;
    let left = async || {
        let list = format!("firstbyte:sessions:{}", ada.id);
        redis.run::<u64>(redis::cmd("PTTL").arg(&list)).await.unwrap() / 60_000
    };
    assert!((59..=60).contains(&left().await), "it is not shortened");
    assert!(node(600).find(&session.hash).await.unwrap().is_some());
    assert!((599..=600).contains(&left().await), "and a use that gives a session time gives it to the list");
}

#[tokio::test]
async fn what_somebody_else_has_written_into_redis_is_no_session() {
    let Some(shared) = Shared::of(Kind::Redis) else { return };
    let redis = open(&shared.url).await;
    let store = Store::redis(Lifetime::default(), redis.clone());
    let ada = suite::account();
    let right = suite::opened(&store, &ada).await;
    for (field, value) in [
        ("account", "x"),
        ("generation", "-1"),
        ("generation", "1e9"),
        ("created", "soon"),
        ("used", ""),
        ("secret", "short"),
    ] {
        let odd = suite::opened(&store, &ada).await;
        let key = format!("firstbyte:session:{}", odd.hash);
        redis.run::<()>(redis::cmd("HSET").arg(&key).arg(field).arg(value)).await.unwrap();
        assert_eq!(store.find(&odd.hash).await.unwrap(), None, "{field} {value}");
        assert_eq!(store.list(ada.id).await.unwrap(), std::slice::from_ref(&right), "and the others are there");
        redis.run::<()>(redis::cmd("DEL").arg(&key)).await.unwrap();
    }
    let odd = suite::opened(&store, &ada).await;
    let key = format!("firstbyte:session:{}", odd.hash);
    for (command, values) in [("HDEL", &["secret"][..]), ("DEL", &[]), ("SET", &["x"]), ("DEL", &[]), ("RPUSH", &["x"])]
    {
        redis.run::<redis::Value>(redis::cmd(command).arg(&key).arg(values)).await.unwrap();
        assert_eq!(store.find(&odd.hash).await.unwrap(), None, "{command}");
        assert_eq!(store.list(ada.id).await.unwrap(), std::slice::from_ref(&right), "{command}");
    }
    suite::opened(&store, &ada).await;
    assert!(store.find(&right.hash).await.unwrap().is_some());
}

#[tokio::test]
async fn two_nodes_share_sessions_and_what_one_ends_the_other_does_not_know() {
    let Some(shared) = Shared::of(Kind::Redis) else { return };
    let accounts = accounts(Cost::of_tests(4), Throttle::memory(unthrottled())).await;
    let node = async || application(accounts.clone(), Store::redis(Lifetime::default(), open(&shared.url).await));
    let (one, other) = (node().await, node().await);
    let answer = call(&one, login("ada", PASSWORD)).await;
    let (cookie, csrf) = (cookie(&answer), answer.json::<serde_json::Value>()["data"]["csrf"].clone());
    assert_eq!(call(&other, me(&cookie)).await.status.code(), 200);
    let logout =
        Request::post("/session/api/logout", "").with("Cookie", &cookie).with("X-CSRF-Token", csrf.as_str().unwrap());
    assert_eq!(call(&other, logout).await.status.code(), 204);
    assert_eq!(call(&one, me(&cookie)).await.status.code(), 401);
}

#[test]
fn a_node_that_shares_sessions_and_not_accounts_says_so_at_its_start() {
    let Some(shared) = Shared::of(Kind::Redis) else { return };
    for (args, is_warned) in [(&["--redis-url", &shared.url][..], true), (&[], false)] {
        let server = server::Server::start(args);
        let stderr = server.stderr();
        assert_eq!(stderr.contains("sessions are in Redis and accounts in memory"), is_warned, "{stderr}");
        assert!(!stderr.contains("passwords are published"), "nobody comes by on loopback: {stderr}");
    }
}

/// Asks until the answer is not 503, and says how long that took. Nobody waits for longer than `told_time` meanwhile.
async fn back(handler: &impl Handler, cookie: &str, told_time: Duration) -> (u16, Duration) {
    let begun = Instant::now();
    loop {
        let asked = Instant::now();
        let answer = call(handler, me(cookie)).await;
        assert!(asked.elapsed() < told_time, "{:?}", asked.elapsed());
        if answer.status.code() != 503 {
            return (answer.status.code(), begun.elapsed());
        }
        assert!(begun.elapsed() < SOON);
        sleep(Duration::from_millis(10)).await;
    }
}

#[tokio::test]
async fn a_redis_that_is_away_is_told_in_time_and_its_pause_logs_nobody_out() {
    println!("{}", a_redis_that_is_away_is_told_within(TOLD_TIME, BACK_TIME).await);
}

/// Promise 24 as it stands: 250 ms, and what a handler and a timer take beside; a second.
#[tokio::test]
#[ignore = "on a machine that does nothing else"]
async fn a_redis_that_is_away_is_told_within_the_times_of_the_promise() {
    let (told_time, back_time) = (Duration::from_millis(275), Duration::from_secs(1));
    println!("{}", a_redis_that_is_away_is_told_within(told_time, back_time).await);
}

/// The times that it took, a line for each.
async fn a_redis_that_is_away_is_told_within(told_time: Duration, back_time: Duration) -> String {
    let Some(mut service) = Service::start(Kind::Redis) else { return String::new() };
    let mut figures = Vec::new();
    let redis = open(&service.url()).await;
    let accounts = accounts(Cost::of_tests(4), Throttle::redis(unthrottled(), redis.clone())).await;
    let handler = application(accounts.clone(), Store::redis(Lifetime::default(), redis));
    let cookie_of_ada = cookie(&call(&handler, login("ada", PASSWORD)).await);
    let told = async |what: &str, figures: &mut Vec<String>| {
        for request in
            [me(&cookie_of_ada), login("ada", PASSWORD), Request::get("/session").with("Cookie", &cookie_of_ada)]
        {
            let asked = Instant::now();
            let (rounds, answer) = (accounts.work().rounds, call(&handler, request).await);
            let took = asked.elapsed();
            figures.push(format!("redis {what}: told {} within {took:?}", answer.status));
            assert!(took < told_time);
            assert_eq!((answer.status.code(), answer.field("retry-after")), (503, Some("1")));
            assert_eq!(answer.field("set-cookie"), None, "and nobody is logged out");
            assert_eq!(accounts.work().rounds, rounds, "nothing was hashed in vain");
        }
    };
    for _ in 0..2 {
        service.pause();
        told("paused", &mut figures).await;
        service.resume();
        let (status, took) = back(&handler, &cookie_of_ada, told_time).await;
        figures.push(format!("redis resumed: {status} after {took:?}"));
        assert!(status == 200 && took < back_time, "the session is there: {status}, {took:?}");
    }
    service.kill();
    told("killed", &mut figures).await;
    service.start_again();
    let (status, took) = back(&handler, &cookie_of_ada, told_time).await;
    figures.push(format!("redis started again: {status} after {took:?}"));
    assert!(status == 401 && took < back_time, "what it held is lost: {status}, {took:?}");
    assert_eq!(call(&handler, login("ada", PASSWORD)).await.status.code(), 200);
    figures.join("\n")
}

#[tokio::test(flavor = "multi_thread")]
async fn curl_keeps_the_secure_cookie_on_loopback_and_a_foreign_page_gets_nowhere() {
    if !tools::all(&["curl"]) {
        return;
    }
    let accounts = accounts(Cost::of_tests(4), Throttle::memory(unthrottled())).await;
    let addr = serve(application(accounts, Store::memory(Lifetime::default(), 100)));
    for host in ["127.0.0.1", "localhost"] {
        let folder = Folder::new();
        let curl = |path: &str, args: &[&str]| {
            let url = format!("http://{host}:{}/session/{path}", addr.port());
            let mut command = Command::new("curl");
            command.args(["-s", "-b", "jar", "-c", "jar", "-w", "\n%{http_code}", &url]).args(args);
            let output = command.current_dir(folder.path()).output().unwrap();
            let text = String::from_utf8(output.stdout).unwrap();
            let (content, status) = text.rsplit_once('\n').unwrap();
            (status.parse::<u16>().unwrap(), content.to_owned())
        };
        let status = |path: &str, args: &[&str]| curl(path, args).0;
        assert_eq!(status("api/me", &[]), 401);
        assert_eq!(status("api/login", &["-d", "name=ada&password=analytical-engine"]), 200);
        let (code, me) = curl("api/me", &[]);
        assert_eq!(code, 200, "the cookie came back over plain HTTP to {host}");
        let csrf = me.split("\"csrf\":\"").nth(1).unwrap().split('"').next().unwrap();
        let field = format!("X-CSRF-Token: {csrf}");
        for attack in
            ["Origin: http://evil.example", "Origin: null", "Sec-Fetch-Site: same-site", "Sec-Fetch-Site: cross-site"]
        {
            assert_eq!(status("api/logout", &["-X", "POST", "-H", &field, "-H", attack]), 403, "{attack}");
        }
        assert_eq!(status("api/logout", &["-X", "POST"]), 403, "without its token");
        assert_eq!(status("api/me", &[]), 200);
        assert_eq!(status("api/logout", &["-X", "POST", "-H", &field]), 204);
        assert_eq!(status("api/me", &[]), 401);
    }
}
