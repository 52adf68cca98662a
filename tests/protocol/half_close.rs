//! Peers that finish, leave or reset at any stage, and connections that are handed over.

use std::future::poll_fn;
use std::io::IoSlice;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use firstbyte::http::router::{Disconnect, RouteOptions, Routes};
use firstbyte::http::test::{TestConnection, TestServer};
use firstbyte::http::upgrade::Upgraded;
use firstbyte::http::{Request, Response, Router, Server};
use firstbyte::net::context::{Context, Reason};
use firstbyte::net::transport::{ReadHalf, WriteHalf};
use tokio::time::{Instant, sleep};

use crate::stage::{After, send, server, state, summary, wire};

#[tokio::test(start_paused = true)]
async fn a_client_that_has_finished_is_answered() {
    let server = server();
    for (sent, answers) in [
        ("", &[][..]),
        ("||", &[]),
        ("GET /hello HTTP/1.1|Host: x||", &["200 hello"]),
        ("GET /hello HTTP/1.1|Host: x||||", &["200 hello"]),
        ("GET /hello HTTP/1.1|Ho", &["400 H1-END-001 close"]),
        ("GET /hello HTTP/1.1|Host: x||GET", &["200 hello", "400 H1-END-001 close"]),
        ("GET /slow HTTP/1.1|Host: x||", &["200 slow"]),
        ("GET /slow HTTP/1.0||", &["200 close slow"]),
        ("GET /stuck HTTP/1.1|Host: x||", &["503 HTTP-SERVER-002"]),
        ("GET /stream HTTP/1.1|Host: x||", &["200 piece 0;piece 1;piece 2;"]),
        (
            "GET /hello HTTP/1.1|Host: x||GET /hello HTTP/1.1|Host: x||GET /slow HTTP/1.1|Host: x||",
            &["200 hello", "200 hello", "200 slow"],
        ),
        (
            "GET /slow HTTP/1.1|Host: x||GET /slow HTTP/1.1|Host: x||GET / HTTP/1.1||",
            &["200 slow", "200 slow", "400 H1-HOST-001 close"],
        ),
        ("POST /collect HTTP/1.1|Host: x|Content-Length: 5||hello", &["200 5 bytes"]),
        ("POST /echo HTTP/1.1|Host: x|Transfer-Encoding: chunked||5|hello|0||", &["200 hello"]),
    ] {
        let sent = wire(sent);
        for cut in 0..=sent.len() {
            let mut connection = server.connect();
            send(&mut connection, &sent.as_bytes()[..cut]).await;
            send(&mut connection, &sent.as_bytes()[cut..]).await;
            connection.finish().await;
            for answer in answers {
                assert_eq!(summary(&connection.read_response().await), *answer, "{sent:?} cut at {cut}");
            }
            connection.expect_closed().await;
        }
    }
}

#[tokio::test(start_paused = true)]
async fn the_first_bytes_of_the_answer_tell_whether_the_peer_reads() {
    let server = server();
    for (request, before, after) in [
        ("GET /slow HTTP/1.1|Host: x||", "HTTP/1.1 ", "200 OK\r\n"),
        ("GET /hello HTTP/1.1|Host: x||GET /slow HTTP/1.1|Host: x||", "helloHTTP/1.1 ", "200 OK\r\n"),
        ("GET /stuck HTTP/1.1|Host: x||", "HTTP/1.1 ", "503 Service Unavailable\r\n"),
    ] {
        let mut connection = server.connect();
        send(&mut connection, wire(request).as_bytes()).await;
        connection.finish().await;
        let seen = String::from_utf8(connection.received().await).unwrap();
        assert!(seen.ends_with(before), "{seen:?}");
        let rest = String::from_utf8(connection.read_to_end().await.unwrap()).unwrap();
        assert!(rest.starts_with(after), "{rest:?}");
    }
}

/// What became of handlers.
#[derive(Clone, Default)]
struct Log(Arc<Mutex<Vec<String>>>);

impl Log {
    fn take(&self) -> Vec<String> {
        std::mem::take(&mut self.0.lock().unwrap())
    }

    fn add(&self, line: impl Into<String>) {
        self.0.lock().unwrap().push(line.into());
    }

    /// Written when dropped, with what the context says then.
    fn guard(&self, context: &Context) -> Guard {
        Guard { log: self.clone(), context: context.clone(), done: false }
    }
}

struct Guard {
    log: Log,
    context: Context,
    done: bool,
}

impl Drop for Guard {
    fn drop(&mut self) {
        let what = if self.done { "done" } else { "dropped" };
        self.log.add(format!("{what} {:?}", self.context.reason()));
    }
}

/// One handler that works for five seconds, after its content has come, under each policy.
fn observed() -> (TestServer<Routes>, Log) {
    async fn work(log: Log, mut request: Request) -> &'static str {
        let mut guard = log.guard(request.context());
        while let Some(Ok(_)) = request.content().next().await {}
        sleep(Duration::from_secs(5)).await;
        guard.done = true;
        "worked"
    }
    let log = Log::default();
    let mut router = Router::new(log.clone()).route("/cancel", work);
    for (pattern, disconnect) in [("/notify", Disconnect::Notify), ("/detach", Disconnect::Detach)] {
        router = router.route_with(pattern, RouteOptions { disconnect, ..RouteOptions::default() }, work);
    }
    (TestServer::new(Server::new(router.build().unwrap())), log)
}

#[tokio::test(start_paused = true)]
async fn what_becomes_of_a_handler_is_the_routes_choice() {
    let (server, log) = observed();
    for (path, at_once, at_last) in [
        ("/cancel", &["dropped Some(PeerGone)"][..], &[][..]),
        ("/notify", &[], &["done Some(PeerGone)"]),
        ("/detach", &[], &["done None"]),
    ] {
        for reset in [true, false] {
            let mut connection = server.connect();
            send(&mut connection, wire(&format!("GET {path} HTTP/1.1|Host: x||")).as_bytes()).await;
            sleep(Duration::from_secs(1)).await;
            let begin = Instant::now();
            // A close is a FIN first; that nobody reads any more shows when the answer's first bytes are refused.
            if reset {
                connection.reset().await
            } else {
                connection.close().await
            }
            assert!(begin.elapsed() < Duration::from_millis(10), "{path} {reset}");
            assert_eq!(log.take(), at_once, "{path} {reset}");
            sleep(Duration::from_secs(10)).await;
            assert_eq!(log.take(), at_last, "{path} {reset}");
        }
    }
}

#[tokio::test(start_paused = true)]
async fn a_peer_that_leaves_behind_its_content_is_noticed() {
    let (server, log) = observed();
    let mut connection = server.connect();
    send(&mut connection, wire("POST /cancel HTTP/1.1|Host: x|Content-Length: 5||").as_bytes()).await;
    send(&mut connection, b"hello").await;
    sleep(Duration::from_secs(1)).await;
    connection.close().await;
    assert_eq!(log.take(), ["dropped Some(PeerGone)"]);
    // One that has only finished is answered.
    let mut connection = server.connect();
    send(&mut connection, wire("POST /cancel HTTP/1.1|Host: x|Content-Length: 5||").as_bytes()).await;
    send(&mut connection, b"hello").await;
    connection.finish().await;
    assert_eq!(summary(&connection.read_response().await), "200 worked");
    assert_eq!(log.take(), ["done None"]);
}

#[tokio::test(start_paused = true)]
async fn a_reset_ends_the_connection_at_every_stage() {
    let server = server();
    for (stage, sent) in [
        ("idle", ""),
        ("half a head", "GET /hello HT"),
        ("between requests", "GET /hello HTTP/1.1|Host: x||"),
        ("handler", "GET /stuck HTTP/1.1|Host: x||"),
        ("handler, more behind it", "GET /stuck HTTP/1.1|Host: x||GET /hello HTTP/1.1|Host: x||"),
        ("content read", "POST /collect HTTP/1.1|Host: x|Content-Length: 5||he"),
        ("content echoed", "POST /echo HTTP/1.1|Host: x|Content-Length: 50000||he"),
        ("content drained", "POST /ignore HTTP/1.1|Host: x|Content-Length: 5||he"),
        ("content kept", "POST /keep HTTP/1.1|Host: x|Content-Length: 5||he"),
        ("answer", "GET /endless HTTP/1.1|Host: x||"),
        ("large answer", "GET /bytes/1000000 HTTP/1.1|Host: x||"),
        ("lingering", "GET /close HTTP/1.1|Host: x||"),
    ] {
        let mut connection = server.connect();
        send(&mut connection, wire(sent).as_bytes()).await;
        sleep(Duration::from_millis(100)).await;
        let begin = Instant::now();
        connection.reset().await;
        let most = if stage == "content kept" { 1.0 } else { 0.01 };
        assert!(begin.elapsed().as_secs_f64() < most, "{stage}: {:?}", begin.elapsed());
        assert!(server.watched().registry.is_empty(), "{stage}");
    }
}

/// Sends all it reads back, and a full stop at the end.
async fn echo(mut upgraded: Upgraded) {
    let mut room = [0; 7];
    loop {
        let count = poll_fn(|cx| upgraded.reader.poll_read(cx, &mut room)).await.unwrap();
        let bytes = if count == 0 { b"." } else { &room[..count] };
        poll_fn(|cx| upgraded.writer.poll_write(cx, &[IoSlice::new(bytes)])).await.unwrap();
        if count == 0 {
            return;
        }
    }
}

fn upgrading() -> TestServer<Routes> {
    let router = Router::new(()).route("/upgrade", |(), _| async { Response::upgrade("echo", echo) }).route(
        "/upgrade-late",
        |(), _| async {
            sleep(Duration::from_secs(1)).await;
            Response::upgrade("echo", echo)
        },
    );
    TestServer::new(Server::new(router.build().unwrap()))
}

async fn switch(connection: &mut TestConnection) {
    let answer = connection.read_response().await;
    assert_eq!((answer.status.code(), answer.field("upgrade")), (101, Some("echo")));
    assert_eq!(answer.field("connection"), Some("upgrade"));
}

#[tokio::test(start_paused = true)]
async fn an_upgrade_hands_over_every_unread_byte_and_no_other() {
    let server = upgrading();
    let invitation = "HTTP/1.1|Host: x|Connection: upgrade|Upgrade: echo|";
    let early = "GET / HTTP/1.1|Host: x||early bytes";
    for (begin, expected) in [
        (format!("GET /upgrade {invitation}|"), early),
        (format!("GET /upgrade-late {invitation}|"), early),
        // RFC 9110 7.8: content is the request's, and comes first.
        (format!("POST /upgrade {invitation}Content-Length: 7||content"), early),
        (format!("POST /upgrade {invitation}Transfer-Encoding: chunked||3|abc|0||"), early),
    ] {
        let all = wire(&format!("{begin}{expected}"));
        for cut in 1..all.len() {
            let mut connection = server.connect();
            send(&mut connection, &all.as_bytes()[..cut]).await;
            send(&mut connection, &all.as_bytes()[cut..]).await;
            switch(&mut connection).await;
            connection.send("more").await;
            connection.finish().await;
            let said = String::from_utf8(connection.read_to_end().await.unwrap()).unwrap();
            assert_eq!(said, wire(expected) + "more.", "{begin} cut at {cut}");
        }
    }
}

#[tokio::test(start_paused = true)]
async fn a_client_that_expects_both_is_asked_before_the_switch() {
    let mut connection = upgrading().connect();
    let head =
        "POST /upgrade HTTP/1.1|Host: x|Connection: upgrade|Upgrade: echo|Expect: 100-continue|Content-Length: 2||";
    send(&mut connection, wire(head).as_bytes()).await;
    assert_eq!(summary(&connection.read_response().await), "100");
    switch(&mut connection).await;
    connection.send("xxearly").await;
    connection.finish().await;
    assert_eq!(connection.read_to_end().await.unwrap(), b"early.");
}

#[tokio::test(start_paused = true)]
async fn nobody_is_upgraded_without_an_invitation() {
    let server = upgrading();
    for (request, expected, after) in [
        ("GET /upgrade HTTP/1.1|Host: x||", "426 upgrade", After::Open),
        ("GET /upgrade HTTP/1.1|Host: x|Upgrade: echo||", "426 upgrade", After::Open),
        ("GET /upgrade HTTP/1.0|Connection: upgrade|Upgrade: echo||", "426 close upgrade", After::Closed),
    ] {
        let mut connection = server.connect();
        send(&mut connection, wire(request).as_bytes()).await;
        let answer = connection.read_response().await;
        assert_eq!((summary(&answer).as_str(), answer.field("upgrade")), (expected, Some("echo")), "{request}");
        assert_eq!(state(&mut connection).await, after, "{request}");
    }
}

#[tokio::test(start_paused = true)]
async fn an_upgrade_to_a_half_closed_client_begins_with_its_end() {
    let server = upgrading();
    for path in ["/upgrade", "/upgrade-late"] {
        let mut connection = server.connect();
        let request = format!("GET {path} HTTP/1.1|Host: x|Connection: upgrade|Upgrade: echo||last");
        send(&mut connection, wire(&request).as_bytes()).await;
        connection.finish().await;
        switch(&mut connection).await;
        assert_eq!(connection.read_to_end().await.unwrap(), b"last.");
        connection.close().await;
    }
}

#[tokio::test(start_paused = true)]
async fn an_upgrade_whose_answer_nobody_reads_is_given_up() {
    let server = TestServer::new(Server::new(|_: Request| async { Response::upgrade("echo", echo) }));
    let mut connection = server.connect_over(([127, 0, 0, 1], 1).into(), 100, |stream| stream);
    send(&mut connection, wire("GET / HTTP/1.1|Host: x|Connection: upgrade|Upgrade: echo||").as_bytes()).await;
    sleep(Duration::from_secs(16)).await;
    assert!(connection.is_over() && server.watched().registry.is_empty());
}

#[tokio::test(start_paused = true)]
async fn the_reason_of_a_reset_is_that_the_peer_is_gone() {
    let log = Log::default();
    let seen = log.clone();
    let server = TestServer::new(Server::new(move |request: Request| {
        let (context, log) = (request.context().clone(), seen.clone());
        tokio::spawn(async move { log.add(format!("{:?}", context.cancelled().await)) });
        async { "answered" }
    }));
    // A task that outlives its answer is told when the connection ends, by whatever end.
    let mut connection = server.connect();
    send(&mut connection, wire("GET / HTTP/1.1|Host: x||").as_bytes()).await;
    assert_eq!(summary(&connection.read_response().await), "200 answered");
    assert_eq!(log.take(), Vec::<String>::new());
    connection.close().await;
    tokio::task::yield_now().await;
    assert_eq!(log.take(), [format!("{:?}", Reason::PeerGone)]);
}

#[tokio::test(start_paused = true)]
async fn what_is_sent_to_see_whether_the_peer_is_there_is_counted() {
    let server = server();
    let mut connection = server.connect();
    send(&mut connection, wire("GET /stuck HTTP/1.1|Host: x||").as_bytes()).await;
    connection.finish().await;
    let begun = connection.received().await;
    assert_eq!(begun, b"HTTP/1.1 ");
    assert_eq!(server.watched().registry.snapshots()[0].sent_bytes, begun.len() as u64);
}
