//! `firstbyte service` in a process of its own, and an issuer that comes, goes, rotates its keys and lies.

use std::net::SocketAddr;
use std::process::Command;
use std::sync::{Arc, Mutex};
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use firstbyte::http::{IntoResponse, Request, Response, Server as HttpServer, Status};
use firstbyte::jwt::{Algorithm, Claims, Jwks, SigningKey};
use firstbyte::net::{Listener, ListenerConfig};
use rustix::process::Signal;
use tokio::runtime::Runtime;

use crate::server::{Server, firstbyte, run, wait_for};
use crate::tools;

/// What the issuer answers.
#[derive(Clone, Default)]
struct Says {
    /// Nothing but 503.
    away: bool,
    issuer: Option<String>,
    jwks_uri: Option<String>,
    jwks: String,
    /// Requests for keys so far.
    asked: usize,
}

/// An issuer made of our own server, in this process.
struct Issuer {
    addr: SocketAddr,
    says: Arc<Mutex<Says>>,
    // Ends the server when it is dropped.
    _runtime: Runtime,
}

impl Issuer {
    fn start() -> Issuer {
        let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(1).enable_all().build().unwrap();
        let listener = runtime.block_on(async {
            Listener::bind(SocketAddr::from(([127, 0, 0, 1], 0)), ListenerConfig::default()).unwrap()
        });
        let addr = listener.local_addr().unwrap();
        let says = Arc::new(Mutex::new(Says { away: true, ..Says::default() }));
        let shared = Arc::clone(&says);
        let handler = move |request: Request| {
            let answer = answer(addr, &mut shared.lock().unwrap(), request.target());
            async move { answer }
        };
        runtime.spawn(HttpServer::new(handler).serve(listener));
        Issuer { addr, says, _runtime: runtime }
    }

    fn url(&self) -> String {
        format!("http://{}/identity", self.addr)
    }

    fn say(&self, change: impl FnOnce(&mut Says)) {
        change(&mut self.says.lock().unwrap());
    }

    fn publish(&self, keys: &[&SigningKey]) {
        let keys: Vec<_> = keys.iter().map(|key| key.verifying()).collect();
        self.say(|says| (says.away, says.jwks) = (false, Jwks::of(&keys).to_json()));
    }

    fn asked(&self) -> usize {
        self.says.lock().unwrap().asked
    }

    fn claims(&self) -> Claims {
        let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap().as_secs();
        Claims {
            iss: self.url(),
            sub: "ada".to_owned(),
            aud: vec!["catalog".to_owned()],
            exp: now + 300,
            nbf: now,
            iat: now,
            jti: "1".to_owned(),
            scope: "catalog:read".parse().unwrap(),
            roles: Vec::new(),
            client_id: None,
        }
    }
}

fn answer(addr: SocketAddr, says: &mut Says, target: &str) -> Response {
    let own = format!("http://{addr}/identity");
    match target {
        _ if says.away => Status::SERVICE_UNAVAILABLE.into_response(),
        "/identity/.well-known/openid-configuration" => {
            let issuer = says.issuer.clone().unwrap_or_else(|| own.clone());
            let jwks_uri = says.jwks_uri.clone().unwrap_or_else(|| format!("{own}/.well-known/jwks.json"));
            Response::json(&serde_json::json!({"issuer": issuer, "jwks_uri": jwks_uri, "more": {"is": "ignored"}}))
        }
        "/identity/.well-known/jwks.json" => {
            says.asked += 1;
            Response::text(says.jwks.clone()).with("Content-Type", "application/jwk-set+json")
        }
        _ => Status::NOT_FOUND.into_response(),
    }
}

fn service(name: &str, issuer: &str) -> Server {
    let mut command = firstbyte();
    command.args(["service", name, "--listen", "127.0.0.1:0", "--issuer", issuer]);
    Server::spawn(command)
}

/// Status and head of the answer to a request with this token.
fn ask(service: &Server, target: &str, token: &str) -> (u16, String) {
    let request = format!(
        "GET {target} HTTP/1.1\r\nHost: {}\r\nAuthorization: Bearer {token}\r\nConnection: close\r\n\r\n",
        service.addr
    );
    let answer = service.exchange(request.as_bytes());
    let status = answer.split(' ').nth(1).and_then(|status| status.parse().ok()).unwrap_or_default();
    (status, answer)
}

/// Waits until `token` is answered with `status`.
fn wait_for_status(service: &Server, token: &str, status: u16) {
    wait_for(&format!("status {status}"), || (ask(service, "/catalog/items", token).0 == status).then_some(()));
}

fn key() -> SigningKey {
    SigningKey::generate(Algorithm::EdDSA).unwrap()
}

#[test]
fn a_service_starts_without_its_issuer_and_outlives_it() {
    let (issuer, key) = (Issuer::start(), key());
    let token = key.sign(&issuer.claims());
    let mut service = service("catalog", &issuer.url());
    let (status, answer) = ask(&service, "/catalog/items", &token);
    assert_eq!(status, 503, "{answer}");
    assert!(answer.contains("\r\nRetry-After: 1\r\n") && answer.contains("HTTP-AUTH-005"), "{answer}");
    assert_eq!(ask(&service, "/healthz", "").0, 200);
    let (status, ready) = ask(&service, "/readyz", "");
    assert_eq!(status, 503, "{ready}");
    assert!(ready.contains("keys"), "{ready}");

    issuer.publish(&[&key]);
    wait_for_status(&service, &token, 200);
    wait_for("readiness", || (ask(&service, "/readyz", "").0 == 200).then_some(()));
    issuer.say(|says| says.away = true);
    for _ in 0..20 {
        assert_eq!(ask(&service, "/catalog/items", &token).0, 200, "it verifies by itself");
    }
    // Nobody can tell whether another key exists; the ones that are known go on.
    let other = self::key().sign(&issuer.claims());
    assert_eq!(ask(&service, "/catalog/items", &other).0, 503);
    assert_eq!(ask(&service, "/catalog/items", &token).0, 200);

    service.signal(Signal::TERM);
    assert_eq!(service.exit_code(), Some(0), "{}", service.stderr());
    assert!(!service.stderr().contains(token.rsplit('.').next().unwrap()), "a token is in the log");
}

#[test]
fn a_new_key_is_learnt_when_it_is_first_shown_and_a_flood_of_invented_ones_asks_seldom() {
    let (issuer, old, new) = (Issuer::start(), key(), key());
    issuer.publish(&[&old]);
    let service = service("catalog", &issuer.url());
    wait_for_status(&service, &old.sign(&issuer.claims()), 200);
    issuer.publish(&[&old, &new]);
    wait_for_status(&service, &new.sign(&issuer.claims()), 200);
    let before = issuer.asked();
    for _ in 0..200 {
        let (status, answer) = ask(&service, "/catalog/items", &key().sign(&issuer.claims()));
        assert!([401, 503].contains(&status), "{answer}");
    }
    assert_eq!(ask(&service, "/catalog/items", &new.sign(&issuer.claims())).0, 200, "known keys are good meanwhile");
    assert!(issuer.asked() - before <= 2, "{} fetches", issuer.asked() - before);
}

/// A set that is good, and longer than any is read.
fn endless(jwks: &str) -> String {
    format!("{jwks}{}", " ".repeat(70_000))
}

/// Changes what an issuer of this URL says, given the URL of another one.
type Lie = fn(&mut Says, &str, &str);

const LIES: [(&str, Lie); 8] = [
    ("another issuer", |says, _, other| says.issuer = Some(other.to_owned())),
    ("a slash more", |says, own, _| says.issuer = Some(format!("{own}/"))),
    ("keys elsewhere", |says, _, other| says.jwks_uri = Some(format!("{other}/.well-known/jwks.json"))),
    ("keys nowhere", |says, _, _| says.jwks_uri = Some("/.well-known/jwks.json".to_owned())),
    ("keys of a file", |says, _, _| says.jwks_uri = Some("file:///etc/passwd".to_owned())),
    ("no set", |says, _, _| says.jwks = "<html>".to_owned()),
    ("a secret", |says, _, _| says.jwks = r#"{"keys":[{"kty":"oct","k":"AAAA","kid":"a"}]}"#.to_owned()),
    ("a set that is too long", |says, _, _| says.jwks = endless(&says.jwks)),
];

#[test]
fn an_issuer_that_lies_is_not_believed() {
    let (key, other) = (key(), Issuer::start());
    other.publish(&[&key]);
    // One process for each lie, all at once.
    let told = LIES.map(|(lie, tell)| {
        let liar = Issuer::start();
        let own = liar.url();
        liar.publish(&[&key]);
        liar.say(|says| tell(says, &own, &other.url()));
        (lie, service("catalog", &own), liar)
    });
    for (lie, service, liar) in &told {
        let token = key.sign(&liar.claims());
        wait_for(lie, || service.stderr().contains("cannot be fetched").then_some(()));
        assert_eq!(ask(service, "/catalog/items", &token).0, 503, "{lie}");
        liar.say(|says| (says.issuer, says.jwks_uri) = (None, None));
        liar.publish(&[&key]);
        wait_for_status(service, &token, 200);
        // The same key, and a token that is of another issuer.
        assert_eq!(ask(service, "/catalog/items", &key.sign(&other.claims())).0, 401, "{lie}");
    }
}

#[test]
fn an_issuer_that_does_not_answer_holds_nobody() {
    // It accepts, by its backlog, and says nothing.
    let silent = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let service = service("catalog", &format!("http://{}", silent.local_addr().unwrap()));
    let start = std::time::Instant::now();
    assert_eq!(ask(&service, "/catalog/items", &key().sign(&Issuer::start().claims())).0, 503);
    assert!(start.elapsed() < Duration::from_secs(3), "{:?}", start.elapsed());
    assert_eq!(ask(&service, "/healthz", "").0, 200);
}

#[test]
fn what_is_no_issuer_is_refused_before_anything_is_served() {
    for (args, words) in [
        (&["service", "catalog"][..], "--issuer: whose tokens are taken?"),
        (&["service", "catalog", "--issuer", "identity"], "--issuer: `identity`: "),
        (&["service", "catalog", "--issuer", "https://issuer.example"], "there is no TLS here yet"),
        (&["service", "catalog", "--issuer", "http://127.0.0.1:1/a?b"], "neither query nor fragment"),
        (&["service", "billing", "--issuer", "http://127.0.0.1:1", "--idle-deadline", "soon"], "--idle-deadline"),
        (&["service", "warehouse", "--issuer", "http://127.0.0.1:1"], "warehouse"),
    ] {
        let output = run(args);
        let stderr = String::from_utf8_lossy(&output.stderr).into_owned();
        assert_eq!(output.status.code(), Some(2), "{args:?}: {stderr}");
        assert!(stderr.contains(words), "{args:?}: {stderr}");
    }
}

/// The real issuer in one process, the services in two more.
#[test]
fn a_token_of_the_issuer_opens_services_in_other_processes() {
    if !tools::all(&["curl"]) {
        return;
    }
    let mut issuer = Server::start(&[]);
    let login = "grant_type=password&client_id=demo-cli&username=ada&password=analytical-engine";
    let output = Command::new("curl").args(["-s", "-d", login, &issuer.url("/identity/token")]).output().unwrap();
    let answer: serde_json::Value = serde_json::from_slice(&output.stdout).unwrap();
    let token = answer["access_token"].as_str().unwrap();
    let url = issuer.url("/identity");
    let (catalog, billing) = (service("catalog", &url), service("billing", &url));
    wait_for_status(&catalog, token, 200);
    wait_for("keys", || (ask(&billing, "/billing/invoices/all", token).0 == 200).then_some(()));
    assert_eq!(ask(&catalog, "/billing/invoices", token).0, 404, "each serves itself alone");
    // The issuer ends, and what it has signed goes on.
    issuer.signal(Signal::TERM);
    assert_eq!(issuer.exit_code(), Some(0), "{}", issuer.stderr());
    assert_eq!(ask(&catalog, "/catalog/items", token).0, 200);
    assert_eq!(ask(&billing, "/billing/invoices", token).0, 200);
}
