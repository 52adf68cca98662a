//! Webhooks over real sockets: real `serve`, real receivers, a real PostgreSQL, nodes that are killed.

use std::collections::{HashMap, HashSet};
use std::io::Write;
use std::net::SocketAddr;
use std::process::{Command, Stdio};
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use firstbyte::app::webhooks::domain::State;
use firstbyte::app::webhooks::store::{MIGRATIONS, Store};
use firstbyte::http::{IntoResponse, Request, Response, Server as HttpServer, Status};
use firstbyte::net::{Listener, ListenerConfig};
use rustix::process::Signal;
use serde_json::{Value, json};
use tokio::runtime::Runtime;
use tokio::time::sleep;

use crate::chromium::Browser;
use crate::database::Database;
use crate::server::{Server, wait_for};
use crate::suites::webhooks as suite;
use crate::tools;

#[tokio::test]
async fn postgresql_keeps_webhooks_as_memory_does() {
    let databases = Mutex::new(Vec::new());
    if Database::new(MIGRATIONS).is_none() {
        return;
    }
    suite::store(async || {
        let database = Database::new(MIGRATIONS).unwrap();
        let postgres = database.open(MIGRATIONS);
        while postgres.check().await.is_err() {
            sleep(Duration::from_millis(5)).await;
        }
        databases.lock().unwrap().push(database);
        Store::postgres(suite::BOUNDS, postgres)
    })
    .await;
}

/// What came: to which receiver, and the message as it was sent.
#[derive(Clone, Debug)]
struct Came {
    receiver: usize,
    id: String,
    timestamp: String,
    signature: String,
    content: String,
}

/// Receivers at ports of their own, in this process.
struct Receivers {
    addrs: Vec<SocketAddr>,
    came: Arc<Mutex<Vec<Came>>>,
    // Ends them when it is dropped.
    runtime: Runtime,
}

impl Receivers {
    fn start(count: usize, latency: Duration) -> Receivers {
        let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(1).enable_all().build().unwrap();
        let came = Arc::new(Mutex::new(Vec::new()));
        let start = |receiver| {
            let listener = runtime.block_on(async {
                Listener::bind(SocketAddr::from(([127, 0, 0, 1], 0)), ListenerConfig::default()).unwrap()
            });
            let (addr, came) = (listener.local_addr().unwrap(), Arc::clone(&came));
            let handler = move |request: Request| receive(receiver, latency, Arc::clone(&came), request);
            runtime.spawn(HttpServer::new(handler).serve(listener));
            addr
        };
        let addrs = (0..count).map(start).collect();
        Receivers { addrs, came, runtime }
    }

    fn came(&self) -> Vec<Came> {
        self.came.lock().unwrap().clone()
    }

    /// How many receivers have got something.
    fn reached(&self) -> usize {
        self.came().iter().map(|came| came.receiver).collect::<HashSet<_>>().len()
    }
}

async fn receive(receiver: usize, latency: Duration, came: Arc<Mutex<Vec<Came>>>, mut request: Request) -> Response {
    let content = String::from_utf8(request.bytes().await.unwrap().to_vec()).unwrap();
    {
        let field = |name| request.field(name).unwrap_or_default().to_owned();
        let (id, timestamp) = (field("webhook-id"), field("webhook-timestamp"));
        came.lock().unwrap().push(Came { receiver, id, timestamp, signature: field("webhook-signature"), content });
    }
    sleep(latency).await;
    Status::NO_CONTENT.into_response()
}

fn ask(server: &Server, method: &str, target: &str, content: &Value) -> (u16, Value) {
    let content = content.to_string();
    let answer = server.exchange(
        format!(
            "{method} {target} HTTP/1.1\r\nHost: x\r\nContent-Type: application/json\r\nContent-Length: {}\r\n\
             Connection: close\r\n\r\n{content}",
            content.len()
        )
        .as_bytes(),
    );
    let status = answer.split(' ').nth(1).and_then(|status| status.parse().ok()).unwrap_or_default();
    let content = answer.split_once("\r\n\r\n").map(|(_, content)| content).unwrap_or_default();
    (status, serde_json::from_str(content).unwrap_or_default())
}

/// Registers all receivers. Their secrets.
fn register(server: &Server, receivers: &Receivers) -> Vec<String> {
    let register = |addr: &SocketAddr| {
        let endpoint = json!({"url": format!("http://{addr}/hook"), "events": ["order.*"]});
        let (status, told) = ask(server, "POST", "/webhooks/endpoints", &endpoint);
        assert_eq!(status, 201, "{told}");
        told["data"]["secret"].as_str().unwrap().to_owned()
    };
    receivers.addrs.iter().map(register).collect()
}

/// Sends an event. Its name.
fn send(server: &Server) -> String {
    let event = json!({"type": "order.created", "data": {"é": [1, 2.5, null]}});
    let (status, told) = ask(server, "POST", "/webhooks/events", &event);
    assert_eq!(status, 202, "{told}");
    told["data"]["id"].as_str().unwrap().to_owned()
}

/// The deliveries of an event by their state.
fn states(server: &Server, event: &str) -> HashMap<String, usize> {
    let (_, told) = ask(server, "GET", &format!("/webhooks/events/{event}"), &json!({}));
    let mut states = HashMap::new();
    for delivery in told["data"]["deliveries"].as_array().into_iter().flatten() {
        *states.entry(delivery["state"].as_str().unwrap().to_owned()).or_default() += 1;
    }
    states
}

fn wait_for_delivered(server: &Server, event: &str, count: usize) {
    wait_for(&format!("{count} deliveries"), || {
        std::thread::sleep(Duration::from_millis(20));
        (states(server, event).get("delivered") == Some(&count)).then_some(())
    });
}

/// Verifies as a receiver would that is written in another language: secret, id, timestamp, signature, content in each line.
const PYTHON: &str = r#"
import base64, hashlib, hmac, json, sys
for line in sys.stdin:
    secret, id, timestamp, signature, content = json.loads(line)
    key = base64.b64decode(secret.removeprefix("whsec_"))
    signed = f"{id}.{timestamp}.{content}".encode()
    right = "v1," + base64.b64encode(hmac.new(key, signed, hashlib.sha256).digest()).decode()
    print("right" if right in signature.split(" ") else "wrong")
"#;

#[test]
fn fifty_receivers_at_real_ports_have_it_and_python_verifies_it() {
    let receivers = Receivers::start(50, Duration::from_millis(100));
    let server = Server::start(&["--webhooks-allow-private"]);
    let secrets = register(&server, &receivers);
    let begun = Instant::now();
    let event = send(&server);
    let answered = begun.elapsed();
    wait_for_delivered(&server, &event, 50);
    println!("50 receivers of 100 ms: answered after {answered:?}, delivered after {:?}", begun.elapsed());
    assert!(answered < Duration::from_millis(400), "{answered:?}");
    let came = receivers.came();
    assert_eq!((came.len(), receivers.reached()), (50, 50), "once each");
    assert!(came.iter().all(|one| one.id == event));

    let Some(python) = tools::find("python3") else { return };
    let mut verifying = Command::new(python);
    verifying.args(["-c", PYTHON]).stdin(Stdio::piped()).stdout(Stdio::piped());
    let mut verifying = verifying.spawn().unwrap();
    let mut lines = verifying.stdin.take().unwrap();
    for one in &came {
        let secret = &secrets[one.receiver];
        writeln!(lines, "{}", json!([secret, one.id, one.timestamp, one.signature, one.content])).unwrap();
    }
    // And one that is another's.
    let one = &came[0];
    let other = &secrets[(one.receiver + 1) % 50];
    writeln!(lines, "{}", json!([other, one.id, one.timestamp, one.signature, one.content])).unwrap();
    drop(lines);
    let told = String::from_utf8(verifying.wait_with_output().unwrap().stdout).unwrap();
    let told: Vec<_> = told.lines().collect();
    assert_eq!((told.len(), told[50]), (51, "wrong"));
    assert!(told[..50].iter().all(|verdict| *verdict == "right"), "{told:?}");
}

#[test]
fn what_leads_inside_is_refused_when_it_is_registered() {
    let (receivers, server) = (Receivers::start(1, Duration::ZERO), Server::start(&[]));
    let port = receivers.addrs[0].port();
    for host in [
        "127.0.0.1",
        "127.1",
        "0x7f.1",
        "0x7f000001",
        "2130706433",
        "0177.0.0.1",
        "0.0.0.0",
        "0",
        "[::1]",
        "[::]",
        "[::ffff:127.0.0.1]",
        "[::ffff:7f00:1]",
        "[::127.0.0.1]",
        "[64:ff9b::7f00:1]",
        "[2002:7f00:1::]",
        "localhost",
        "localhost.",
        "LocalHost",
        "a.localhost",
        "ip6-localhost",
        "169.254.169.254",
        "[fe80::1]",
        "10.0.0.1",
        "user@127.0.0.1",
        "example.com@127.0.0.1",
    ] {
        let endpoint = json!({"url": format!("http://{host}:{port}/"), "events": ["*"]});
        let (status, told) = ask(&server, "POST", "/webhooks/endpoints", &endpoint);
        assert_eq!((status, &told["error"]["code"]), (422, &json!("invalid")), "{host}: {told}");
    }
    send(&server);
    assert!(receivers.came().is_empty());
}

/// `serve` with this database, and whatever else.
fn node(database: &Database, more: &[&str]) -> Server {
    let url = database.url().expose().to_owned();
    let server = Server::start(&[&["--database-url", &url], more].concat());
    wait_for("a database that has its shape", || {
        (ask(&server, "GET", "/webhooks/endpoints", &json!({})).0 == 200).then_some(())
    });
    server
}

#[test]
fn what_has_become_private_is_not_dialled() {
    let Some(database) = Database::new(&[]) else { return };
    let receivers = Receivers::start(1, Duration::ZERO);
    let open = node(&database, &["--webhooks-allow-private"]);
    register(&open, &receivers);
    drop(open);
    // The endpoint is in the database, as one is whose name has come to lead inside.
    let server = node(&database, &[]);
    let event = send(&server);
    wait_for("an attempt", || {
        let (_, told) = ask(&server, "GET", &format!("/webhooks/events/{event}"), &json!({}));
        let error = &told["data"]["deliveries"][0]["attempts"][0]["error"];
        (error == "the host cannot be found, or is not public").then_some(())
    });
    assert!(receivers.came().is_empty());
}

#[tokio::test]
async fn what_somebody_else_has_written_spoils_nothing_else() {
    let Some(database) = Database::new(MIGRATIONS) else { return };
    let postgres = database.open(MIGRATIONS);
    while postgres.check().await.is_err() {
        sleep(Duration::from_millis(5)).await;
    }
    let store = Store::postgres(suite::BOUNDS, postgres);
    let write = async |statement| database.session().await.execute(statement, &[]).await.unwrap();
    let bad = suite::add(&store, "http://bad.example/", &["*"]).await;
    let good = suite::add(&store, "http://good.example/", &["*"]).await;
    let event = suite::publish(&store, "a").await;
    write("UPDATE webhook_endpoints SET url = 'http://bad.example:6379/' WHERE host = 'bad.example:80'").await;
    assert_eq!(store.endpoints().await.unwrap(), std::slice::from_ref(&good));
    let [claimed] = suite::claim(&store, 2).await.try_into().expect("the one that can be read");
    assert_eq!(claimed.endpoint, good);
    let (_, logged) = store.message(event.message.id).await.unwrap().unwrap();
    assert_eq!(suite::states(&logged), [State::Failed, State::Pending], "and it is not claimed for ever");
    write("UPDATE webhook_endpoints SET events = '{!}' WHERE host = 'bad.example:80'").await;
    assert_eq!(suite::publish(&store, "a").await.deliveries, 1);
    assert!(store.remove(bad.id).await.unwrap());
}

#[test]
fn all_that_is_old_is_forgotten() {
    let Some(database) = Database::new(&[]) else { return };
    drop(node(&database, &[]));
    let runtime = Runtime::new().unwrap();
    let old = "INSERT INTO webhook_messages (id, event_type, payload, created_at)
        SELECT gen_random_uuid(), 'a', '{}', clock_timestamp() - interval '8 days' FROM generate_series(1, 2500)";
    runtime.block_on(async { database.session().await.execute(old, &[]).await.unwrap() });
    let _server = node(&database, &[]);
    wait_for("no old message", || {
        let count = "SELECT count(*) FROM webhook_messages";
        let left: i64 =
            runtime.block_on(async { database.session().await.query_one(count, &[]).await.unwrap().get(0) });
        (left == 0).then_some(())
    });
}

#[test]
fn a_node_that_is_killed_leaves_nothing_undelivered() {
    let Some(database) = Database::new(&[]) else { return };
    let receivers = Receivers::start(40, Duration::from_millis(250));
    let flag = ["--webhooks-allow-private"];
    let first = node(&database, &flag);
    register(&first, &receivers);
    let event = send(&first);
    wait_for("the first deliveries", || (receivers.reached() >= 15).then_some(()));
    first.signal(Signal::KILL);
    let second = node(&database, &flag);
    // Twenty seconds later.
    let aged = "UPDATE webhook_deliveries SET lease_until = clock_timestamp() WHERE lease_until IS NOT NULL";
    let at_work = receivers.runtime.block_on(async { database.session().await.execute(aged, &[]).await.unwrap() });
    assert!(at_work > 0, "it was killed in the middle");
    wait_for_delivered(&second, &event, 40);
    let came = receivers.came();
    println!("killed with {at_work} at work: {} came to 40 receivers", came.len());
    assert_eq!(receivers.reached(), 40);
    assert!(came.len() <= 40 + 2 * 10, "{} came: only what was at work comes twice", came.len());
    assert!(came.iter().all(|one| one.id == event), "under one name");
}

#[test]
fn a_node_that_is_told_to_end_leaves_the_rest_to_the_next_start() {
    let Some(database) = Database::new(&[]) else { return };
    let receivers = Receivers::start(40, Duration::from_millis(250));
    let flag = ["--webhooks-allow-private"];
    let mut first = node(&database, &flag);
    register(&first, &receivers);
    let event = send(&first);
    wait_for("the first deliveries", || (receivers.reached() >= 5).then_some(()));
    first.signal(Signal::TERM);
    let begun = Instant::now();
    assert_eq!(first.exit_code(), Some(0));
    assert!(begun.elapsed() < Duration::from_secs(3), "{:?}", begun.elapsed());
    assert!(first.stderr().contains("webhooks are pending"), "{}", first.stderr());
    let before = receivers.came().len();
    assert!(before < 40, "{before}");
    let second = node(&database, &flag);
    wait_for_delivered(&second, &event, 40);
    assert_eq!((receivers.came().len(), receivers.reached()), (40, 40), "and nothing twice");
}

#[test]
fn memory_says_what_is_lost() {
    let mut server = Server::start(&[]);
    let demo = json!({"receivers": 1, "latency_ms": 20_000});
    assert_eq!(ask(&server, "POST", "/webhooks/demo", &demo).0, 202);
    server.signal(Signal::TERM);
    server.signal(Signal::TERM);
    server.exit_code();
    assert!(server.stderr().contains("they are lost"), "{}", server.stderr());
}

#[test]
fn the_page_shows_ten_workers_and_fifty_deliveries_as_they_happen() {
    let Some(mut browser) = Browser::start() else { return };
    let server = Server::start(&[]);
    browser.view(1280, "light");
    browser.open(&server.url("/webhooks"));
    browser.wait_until("document.getElementById('link').dataset.state === 'live'");
    let (status, _) = ask(&server, "POST", "/webhooks/demo", &json!({"latency_ms": 600, "failing": 5}));
    assert_eq!(status, 202);
    browser.wait_until("document.querySelectorAll('#workers [data-busy]').length === 10");
    browser.wait_until("document.querySelectorAll('#deliveries tr').length === 50");
    browser.screenshot("webhooks-at-work");
    browser.wait_until("document.getElementById('sum').textContent.startsWith('50 of 50 delivered')");
    browser.wait_until("document.querySelectorAll('#workers [data-busy]').length === 0");
    for (width, scheme) in [(375, "dark"), (1280, "dark"), (375, "light")] {
        browser.view(width, scheme);
        let overflow = browser.eval("document.documentElement.scrollWidth - innerWidth");
        assert!(overflow.as_i64() <= Some(0), "{overflow} pixels too wide for {width}");
        browser.screenshot(&format!("webhooks-{scheme}-{width}"));
    }
    // Receivers that answer at once are done before the page has asked who they are.
    for _ in 0..5 {
        let (status, _) = ask(&server, "POST", "/webhooks/demo", &json!({"latency_ms": 0}));
        assert_eq!(status, 202);
        browser.wait_until("document.getElementById('sum').textContent.startsWith('50 of 50 delivered')");
    }
    browser.eval("document.getElementById('demo').click()");
    browser.wait_until(
        "document.getElementById('sum').textContent.startsWith('0 of 50') || \
                        document.querySelectorAll('#workers [data-busy]').length > 0",
    );
    assert!(browser.complaints.is_empty(), "{:#?}", browser.complaints);
}
