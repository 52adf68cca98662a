//! A real PostgreSQL that goes and comes back, an RSA key from OpenSSL, and curl over a socket.

use std::process::Command;
use std::time::{Duration, Instant};

use firstbyte::app::identity::keyring::KeysConfig;
use firstbyte::app::identity::{IdentityConfig, MIGRATIONS, store::Store};
use firstbyte::db::Postgres;
use firstbyte::http::Server;
use firstbyte::jwt::Algorithm;
use firstbyte::net::{Listener, ListenerConfig};
use serde_json::Value;
use tokio::time::sleep;

use super::tools::{Node, World, soon, text};
use crate::database::Database;
use crate::services::{Kind, Service};
use crate::tools;

/// Longer than the promise of 250 ms: other tests run at the same time.
const TOLD_TIME: Duration = Duration::from_secs(1);

/// Longer than the promise of a second, likewise.
const BACK_TIME: Duration = Duration::from_secs(5);

/// Asks while the store is away, and says how long an answer took at most.
async fn told(node: &Node, token: &str) -> Duration {
    let mut longest = Duration::ZERO;
    for _ in 0..10 {
        let begun = Instant::now();
        let answer = node.post("/identity/token", &[("grant_type", "refresh_token"), ("refresh_token", token)]).await;
        longest = longest.max(begun.elapsed());
        assert_eq!((answer.status.code(), answer.field("retry-after")), (503, Some("1")), "{}", answer.text());
        assert_eq!(answer.json::<Value>()["error"], "temporarily_unavailable");
        sleep(Duration::from_millis(10)).await;
    }
    longest
}

#[tokio::test]
async fn while_postgresql_is_away_it_is_said_in_time_and_no_token_is_lost() {
    let Some(mut service) = Service::start(Kind::Postgres) else { return };
    let world = World::new().await;
    let postgres = Postgres::open(&service.url().parse().unwrap(), MIGRATIONS).unwrap();
    let node = world.node(IdentityConfig::default(), Store::postgres(postgres)).await;
    let login = node.log_in().await;
    let mut token = text(&login, "refresh_token");
    for is_killed in [true, false] {
        if is_killed {
            service.kill()
        } else {
            service.pause()
        }
        let longest = told(&node, &token).await;
        assert_eq!(node.robot().await.status.code(), 200, "who needs no store is served, for a while");
        assert_eq!(node.get("/identity/.well-known/jwks.json").await.status.code(), 200);
        if is_killed {
            service.start_again()
        } else {
            service.resume()
        }
        let begun = Instant::now();
        token = loop {
            let (status, next) = node.refresh(&token).await;
            if status == 200 {
                break next;
            }
            assert_eq!(status, 503);
            assert!(begun.elapsed() < BACK_TIME, "it is not used again");
            sleep(Duration::from_millis(10)).await;
        };
        let back = begun.elapsed();
        println!("identity: told within {longest:?}, back after {back:?}");
        assert!(longest < TOLD_TIME && back < BACK_TIME);
        assert!(node.is_active(&text(&login, "access_token")).await, "nobody was logged out");
    }
}

#[tokio::test]
async fn a_node_that_starts_without_its_database_says_so_and_goes_on_when_it_is_there() {
    let Some(mut service) = Service::start(Kind::Postgres) else { return };
    service.kill();
    let world = World::new().await;
    let postgres = Postgres::open(&service.url().parse().unwrap(), MIGRATIONS).unwrap();
    let node = world.early_node(IdentityConfig::default(), Store::postgres(postgres));
    for answer in [node.robot().await, node.get("/identity/.well-known/jwks.json").await] {
        assert_eq!((answer.status.code(), answer.field("retry-after")), (503, Some("1")));
    }
    assert_eq!(node.get("/identity").await.status.code(), 200, "the page is there");
    service.start_again();
    soon(async || (node.robot().await.status.code() == 200).then_some(())).await;
}

#[tokio::test]
async fn an_rsa_key_of_openssl_signs() {
    let Some(openssl) = tools::find("openssl") else { return };
    let made =
        Command::new(openssl).args(["genpkey", "-algorithm", "RSA", "-pkeyopt", "rsa_keygen_bits:2048"]).output();
    let rsa_pem = Some(String::from_utf8(made.unwrap().stdout).unwrap());
    let world = World::new().await;
    let keys = KeysConfig { algorithm: Algorithm::RS256, rsa_pem, ..KeysConfig::default() };
    let node = world.node(IdentityConfig { keys, ..IdentityConfig::default() }, Store::memory(10)).await;
    let access = text(&node.log_in().await, "access_token");
    assert!(node.is_active(&access).await);
    let jwks: Value = node.get("/identity/.well-known/jwks.json").await.json();
    assert_eq!((&jwks["keys"][0]["kty"], &jwks["keys"][0]["alg"]), (&"RSA".into(), &"RS256".into()));
    assert_eq!(node.rotate_keys(&[]).await, 409, "there is no other one to take its place");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn curl_logs_in_refreshes_and_is_refused_over_postgresql() {
    let Some(curl) = tools::find("curl") else { return };
    let Some(database) = Database::new(MIGRATIONS) else { return };
    let world = World::new().await;
    let node = world.node(IdentityConfig::default(), Store::postgres(database.open(MIGRATIONS))).await;
    let listener = Listener::bind(([127, 0, 0, 1], 0).into(), ListenerConfig::default()).unwrap();
    let url = format!("http://{}/identity", listener.local_addr().unwrap());
    let server = tokio::spawn(Server::new(node.routes).serve(listener));
    let ask = async |path: &str, args: &[&str]| {
        let mut command = tokio::process::Command::new(&curl);
        let output = command.args(["-s", "-w", "\n%{http_code}", &format!("{url}{path}")]).args(args).output().await;
        let printed = String::from_utf8(output.unwrap().stdout).unwrap();
        let (content, status) = printed.rsplit_once('\n').unwrap();
        (status.to_owned(), serde_json::from_str::<Value>(content).unwrap_or_default())
    };
    let login = "grant_type=password&client_id=demo-cli&username=ada&password=analytical-engine&audience=identity";
    let (status, login) = ask("/token", &["-d", login]).await;
    assert_eq!(status, "200");
    let refresh = |token: &str| format!("grant_type=refresh_token&client_id=demo-cli&refresh_token={token}");
    let first = text(&login, "refresh_token");
    let (status, second) = ask("/token", &["-d", &refresh(&first)]).await;
    assert_eq!(status, "200");
    let bearer = format!("Authorization: Bearer {}", text(&second, "access_token"));
    assert_eq!(ask("/userinfo", &["-H", &bearer]).await.1["name"], "ada");
    assert_eq!(ask("/token", &["-d", &refresh(&text(&second, "refresh_token"))]).await.0, "200");
    assert_eq!(ask("/token", &["-d", &refresh(&first)]).await.0, "400");
    assert_eq!(ask("/userinfo", &["-H", &bearer]).await.0, "401");
    let robot = ["-u", "stock-robot:only-for-the-lesson", "-d", "grant_type=client_credentials"];
    assert_eq!(ask("/token", &robot).await.0, "200");
    server.abort();
}
