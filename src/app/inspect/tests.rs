use std::net::SocketAddr;
use std::time::Duration;

use serde_json::Value;
use tokio::time::Instant;

use super::*;
use crate::http::router::Routes;
use crate::http::test::{TestConnection, TestServer, call};
use crate::http::{Request, Router, Server, Status};
use crate::net::registry::Card;

/// Longer than a viewer waits for news.
const A_WHILE: Duration = Duration::from_secs(1);

/// A server with the inspector and one route besides.
fn server() -> TestServer<Routes> {
    let watched = Watched::default();
    let router = Router::new(()).route("POST /echo", |_, request: Request| async { request.into_content() });
    let routes = routes(router, Inspector::new(&watched, false)).build().expect("the routes fit");
    TestServer::new(Server::new(routes).watched_by(&watched))
}

fn is_watched(server: &TestServer<Routes>) -> bool {
    server.watched().hub.tap(&Card::new(0, SocketAddr::from(([127, 0, 0, 1], 9)), Instant::now())).is_watched()
}

async fn ask(connection: &mut TestConnection, path: &str) {
    connection.send(format!("GET {path} HTTP/1.1\r\nHost: localhost\r\n\r\n")).await;
}

/// The data of the next event called `name`.
async fn next_event(viewer: &mut TestConnection, name: &str) -> Value {
    loop {
        let piece = viewer.read_piece().await.expect("the stream goes on");
        let text = String::from_utf8(piece).expect("text");
        if let Some(data) = text.strip_prefix(&format!("event: {name}\ndata: ")) {
            return serde_json::from_str(data).expect("JSON");
        }
    }
}

/// What the lines say, as far as the table below names it.
fn texts(lines: &Value) -> Vec<String> {
    let lines = lines["lines"].as_array().expect("lines");
    let show = |line: &Value| {
        let way = line["way"].as_str().expect("a way");
        format!("{way} {}", line["text"].as_str().expect("a text"))
    };
    lines.iter().map(show).filter(|text| !text.contains("Date: ")).collect()
}

#[tokio::test(start_paused = true)]
async fn the_table_is_live_and_the_tap_goes_quiet_when_the_page_is_closed() {
    let server = server();
    let mut viewer = server.connect();
    assert!(!is_watched(&server));
    ask(&mut viewer, "/inspect/events").await;
    assert_eq!(viewer.read_head().await.field("content-type"), Some("text/event-stream"));
    let table = next_event(&mut viewer, "table").await;
    assert_eq!((&table["open"][0]["id"], &table["open"][0]["own"]), (&1.into(), &true.into()));
    assert!(is_watched(&server));

    let peer = server.connect();
    let table = next_event(&mut viewer, "table").await;
    assert_eq!((&table["open"][0]["id"], &table["open"][0]["phase"]), (&2.into(), &"idle".into()));
    peer.close().await;
    tokio::time::sleep(A_WHILE).await;
    let table = next_event(&mut viewer, "table").await;
    let table = if table["closed"][0].is_null() { next_event(&mut viewer, "table").await } else { table };
    assert_eq!((&table["closed"][0]["id"], &table["closed"][0]["why"]), (&2.into(), &"the peer has finished".into()));

    viewer.reset().await;
    tokio::time::sleep(A_WHILE).await;
    assert!(!is_watched(&server), "nobody looks any more");
}

#[tokio::test(start_paused = true)]
async fn an_exchange_is_told_from_the_accept_to_the_close() {
    let server = server();
    let _watch = server.watched().hub.watch();
    let mut peer = server.connect();
    peer.send("POST /echo HTTP/1.1\r\nHost: x\r\nCookie: secret\r\nContent-Length: 2\r\nConnection: close\r\n\r\nhi")
        .await;
    assert_eq!(peer.read_response().await.text(), "hi");
    peer.close().await;
    tokio::time::sleep(A_WHILE).await;

    let mut viewer = server.connect();
    ask(&mut viewer, "/inspect/connections/1/events").await;
    viewer.read_head().await;
    let told = texts(&next_event(&mut viewer, "lines").await);
    assert_eq!(next_event(&mut viewer, "over").await["closed"], true);
    assert_eq!(viewer.read_piece().await, None, "there is no more to tell");
    let expected = [
        "here accepted from 127.0.0.1:50000",
        "here idle: 5.0 s left",
        "here 88 bytes unread, 0 queued",
        r"in POST /echo HTTP/1.1\r\n",
        r"in Host: x\r\n",
        r"in Cookie: ******\r\n",
        r"in Content-Length: 2\r\n",
        r"in Connection: close\r\n",
        r"in \r\n",
        "here the request has 2 bytes of content",
        "in hi",
        "here idle -> handler",
        "here handler: 30.0 s left",
        "here 200 OK by POST /echo, 2 bytes of content",
        "here the connection will close",
        "here handler -> write",
        r"out HTTP/1.1 200 OK\r\n",
        r"out Content-Type: application/octet-stream\r\n",
        r"out Server: firstbyte\r\n",
        r"out Content-Length: 2\r\n",
        r"out Connection: close\r\n",
        r"out \r\n",
        "out hi",
        "here write -> linger",
        "here linger: 2.0 s left",
        "here linger -> closed",
        "here closed: the answer was the last",
    ];
    assert_eq!(told, expected);

    ask(&mut viewer, "/inspect/connections/1").await;
    assert_eq!(texts(&viewer.read_response().await.json()), expected, "the same at rest");
    ask(&mut viewer, "/inspect/connections/9").await;
    assert_eq!(viewer.read_response().await.status, Status::NOT_FOUND);
}

#[tokio::test(start_paused = true)]
async fn new_lines_follow_while_the_connection_lives() {
    let server = server();
    let (mut peer, mut viewer) = (server.connect(), server.connect());
    ask(&mut viewer, "/inspect/connections/1/events").await;
    viewer.read_head().await;
    peer.send("GET / HTTP/1.1\r\nHost").await;
    tokio::time::sleep(A_WHILE).await;
    let first = texts(&next_event(&mut viewer, "lines").await);
    assert_eq!(first.last().map(String::as_str), Some("here head: 5.0 s left"), "{first:?}");
    peer.send(" : x\r\n\r\n").await;
    let mut told = Vec::new();
    while !told.iter().any(|text: &String| text.contains("closed")) {
        told.extend(texts(&next_event(&mut viewer, "lines").await));
    }
    assert!(told.contains(&r"in  : x\r\n".to_owned()), "{told:?}");
    assert!(told.iter().any(|text| text.starts_with("here refused with 400 Bad Request: H1-HEAD-")), "{told:?}");
}

#[tokio::test(start_paused = true)]
async fn a_viewer_is_not_shown_to_itself() {
    let server = server();
    let mut viewer = server.connect();
    ask(&mut viewer, "/inspect/connections/1/events").await;
    viewer.read_head().await;
    assert_eq!(next_event(&mut viewer, "over").await["own"], true);
    assert_eq!(viewer.read_piece().await, None);
}

#[tokio::test(start_paused = true)]
async fn a_viewer_does_not_delay_the_shutdown() {
    let server = server();
    let mut viewer = server.connect();
    ask(&mut viewer, "/inspect/events").await;
    viewer.read_head().await;
    let begin = Instant::now();
    server.shut_down();
    while viewer.read_piece().await.is_some() {}
    assert!(begin.elapsed() < A_WHILE);
}

#[tokio::test]
async fn every_answer_is_guarded() {
    let watched = Watched::default();
    let routes = routes(Router::new(()), Inspector::new(&watched, false)).build().expect("the routes fit");
    for path in ["/inspect", "/inspect/events", "/inspect/connections", "/inspect/connections/1"] {
        let elsewhere = Request::get(path).with_peer(SocketAddr::from(([10, 0, 0, 1], 9)));
        let refused = call(&routes, elsewhere).await;
        assert_eq!(refused.status, Status::FORBIDDEN, "{path}");
        assert!(refused.text().contains("HTTP-ACCESS-001"), "{path}");
    }
    let page = call(&routes, Request::get("/inspect").with("Accept", "text/html")).await;
    assert!(page.field("content-security-policy").is_some_and(|policy| policy.starts_with("default-src 'none'")));
    assert!(!page.text().contains("style=") && !page.text().contains("<script>"), "no inline style or script");
    let text = call(&routes, Request::get("/inspect")).await;
    assert_eq!(text.field("content-type"), Some("text/plain; charset=utf-8"));
    let json: Value = call(&routes, Request::get("/inspect/connections")).await.json();
    assert_eq!(json["open_count"], 0);
}

#[test]
fn viewers_connections_are_remembered_up_to_a_bound() {
    let inspector = Inspector::new(&Watched::default(), false);
    (0..=OWN_MAX as u64).for_each(|id| inspector.own(id));
    inspector.own(1);
    assert!(!inspector.is_own(0) && inspector.is_own(1) && inspector.is_own(OWN_MAX as u64));
    assert_eq!(inspector.lock_own().len(), OWN_MAX);
}
