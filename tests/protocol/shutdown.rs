//! Shutdown at every stage of a connection: what is at work is finished, and told that it was the last.

use std::sync::atomic::{AtomicUsize, Ordering::Relaxed};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use firstbyte::http::test::TestServer;
use firstbyte::http::{Request, Response, Server};
use firstbyte::net::context::Reason;
use firstbyte::net::deadline::Phase;
use tokio::time::{Instant, sleep};

use crate::stage::{send, server, summary, wire};

/// What a client does before the shutdown and after it, and what it is answered.
struct Stage {
    before: &'static str,
    answered: &'static [&'static str],
    after: &'static str,
    last: &'static [&'static str],
    /// The most seconds it may take from the shutdown to the end of the connection.
    within: f64,
}

#[rustfmt::skip]
const STAGES: &[Stage] = &[
    // Idle: a request that was on its way is awaited a moment, then a FIN; a client that does not close holds it another.
    Stage { before: "", answered: &[], after: "", last: &[], within: 0.5 },
    Stage { before: "||", answered: &[], after: "", last: &[], within: 0.5 },
    Stage { before: "GET /hello HTTP/1.1|Host: x||", answered: &["200 hello"], after: "", last: &[], within: 0.5 },
    // The request that was on its way is answered, and told that it was the last.
    Stage { before: "", answered: &[], after: "GET /hello HTTP/1.1|Host: x||", last: &["200 close hello"], within: 0.3 },
    Stage { before: "GET /hello HTTP/1.1|Host: x||", answered: &["200 hello"], after: "GET /hello HTTP/1.1|Host: x||",
            last: &["200 close hello"], within: 0.3 },
    Stage { before: "GET /hello HTTP/1.1|Ho", answered: &[], after: "st: x||", last: &["200 close hello"], within: 0.3 },
    // Half a head does not hold it, and is told why.
    Stage { before: "GET /hello HTTP/1.1|Ho", answered: &[], after: "", last: &["503 HTTP-SERVER-005 close"],
            within: 0.5 },
    Stage { before: "GET /hello HTTP/1.1|Ho", answered: &[], after: "st: x|", last: &["503 HTTP-SERVER-005 close"],
            within: 0.5 },
    Stage { before: "GET /hello HTTP/1.1|Host: x||GET", answered: &["200 hello"], after: "",
            last: &["503 HTTP-SERVER-005 close"], within: 0.5 },
    // A handler at work answers, and what is pipelined behind the answer that says close is not served.
    Stage { before: "GET /slow HTTP/1.1|Host: x||", answered: &[], after: "", last: &["200 close slow"], within: 2.3 },
    Stage { before: "GET /slow HTTP/1.1|Host: x||GET /slow HTTP/1.1|Host: x||", answered: &[], after: "",
            last: &["200 close slow"], within: 2.3 },
    // A request whose content is on its way.
    Stage { before: "POST /collect HTTP/1.1|Host: x|Content-Length: 5||he", answered: &[], after: "llo",
            last: &["200 close 5 bytes"], within: 0.3 },
    Stage { before: "POST /echo HTTP/1.1|Host: x|Content-Length: 5||", answered: &[], after: "hello",
            last: &["200 close hello"], within: 0.3 },
    // Content that nobody reads is not waited for.
    Stage { before: "POST /ignore HTTP/1.1|Host: x|Content-Length: 5||he", answered: &["200 ignored"], after: "",
            last: &[], within: 0.5 },
    Stage { before: "POST /ignore HTTP/1.1|Host: x|Content-Length: 5||he", answered: &["200 ignored"],
            after: "lloGET /hello HTTP/1.1|Host: x||", last: &["200 close hello"], within: 0.3 },
];

#[tokio::test(start_paused = true)]
async fn what_was_begun_is_finished_and_nothing_else() {
    for stage in STAGES {
        let server = server();
        let mut connection = server.connect();
        send(&mut connection, wire(stage.before).as_bytes()).await;
        for answer in stage.answered {
            assert_eq!(summary(&connection.read_response().await), *answer, "{}", stage.before);
        }
        let begin = Instant::now();
        server.shut_down();
        send(&mut connection, wire(stage.after).as_bytes()).await;
        for answer in stage.last {
            assert_eq!(summary(&connection.read_response().await), *answer, "{}", stage.before);
        }
        assert_eq!(connection.read_to_end().await.unwrap(), b"", "{}", stage.before);
        while !connection.is_over() {
            sleep(Duration::from_millis(1)).await;
        }
        assert!(begin.elapsed().as_secs_f64() < stage.within, "{} {:?}", stage.before, begin.elapsed());
        assert!(server.watched().registry.is_empty());
    }
}

#[tokio::test(start_paused = true)]
async fn a_streaming_answer_goes_to_its_end() {
    let server = server();
    let mut connection = server.connect();
    send(&mut connection, wire("GET /bytes/1000000 HTTP/1.1|Host: x||").as_bytes()).await;
    let mut answer = connection.read_head().await;
    server.shut_down();
    while let Some(piece) = connection.read_piece().await {
        answer.content.extend(piece);
        sleep(Duration::from_millis(20)).await;
    }
    assert_eq!(answer.content.len(), 1_000_000);
    // Its head did not say that it would be the last: the request that follows it at once is answered.
    assert!(!answer.closes());
    connection.send(wire("GET /hello HTTP/1.1|Host: x||")).await;
    assert_eq!(summary(&connection.read_response().await), "200 close hello");
    connection.expect_closed().await;
}

#[tokio::test(start_paused = true)]
async fn the_card_tells_how_short_the_time_has_become() {
    let server = server();
    let mut connection = server.connect();
    send(&mut connection, wire("GET /hello HTTP/1.1|Host: x||").as_bytes()).await;
    connection.read_response().await;
    server.shut_down();
    for (phase, left) in [(Phase::Idle, 199), (Phase::Linger, 248)] {
        sleep(Duration::from_millis(1)).await;
        let card = &server.watched().registry.snapshots()[0];
        assert_eq!((card.phase, card.deadline_left_ms), (phase, Some(left)));
        sleep(Duration::from_millis(200)).await;
    }
}

#[tokio::test(start_paused = true)]
async fn connections_that_come_while_draining_are_served_once() {
    let server = server();
    server.shut_down();
    let mut connection = server.connect();
    connection.send(wire("GET /hello HTTP/1.1|Host: x||GET /hello HTTP/1.1|Host: x||")).await;
    assert_eq!(summary(&connection.read_response().await), "200 close hello");
    connection.expect_closed().await;
}

#[tokio::test(start_paused = true)]
async fn force_ends_every_stage_at_once() {
    for before in [
        "",
        "GET /hel",
        "GET /stuck HTTP/1.1|Host: x||",
        "POST /collect HTTP/1.1|Host: x|Content-Length: 5||he",
        "POST /echo HTTP/1.1|Host: x|Content-Length: 50000||he",
        "POST /ignore HTTP/1.1|Host: x|Content-Length: 5||he",
        "POST /keep HTTP/1.1|Host: x|Content-Length: 5||he",
        "GET /endless HTTP/1.1|Host: x||",
        "GET /bytes/1000000 HTTP/1.1|Host: x||",
        "GET /close HTTP/1.1|Host: x||",
    ] {
        for drain_first in [false, true] {
            let server = server();
            let mut connection = server.connect();
            send(&mut connection, wire(before).as_bytes()).await;
            sleep(Duration::from_millis(10)).await;
            if drain_first {
                server.shut_down();
                tokio::task::yield_now().await;
            }
            let begin = Instant::now();
            server.force_down();
            while !connection.is_over() {
                assert!(begin.elapsed().is_zero(), "{before} {drain_first}");
                tokio::task::yield_now().await;
            }
            assert!(server.watched().registry.is_empty(), "{before}");
        }
    }
}

#[tokio::test(start_paused = true)]
async fn no_handler_begins_after_the_force() {
    let begun = Arc::new(AtomicUsize::new(0));
    let count = Arc::clone(&begun);
    let server = TestServer::new(Server::new(move |_: Request| {
        count.fetch_add(1, Relaxed);
        async { "too late" }
    }));
    let mut connection = server.connect();
    // The bytes are there, and nobody has read them yet.
    connection.send(wire("GET / HTTP/1.1|Host: x||")).await;
    server.force_down();
    assert_eq!(connection.read_to_end().await.unwrap(), b"");
    assert_eq!(begun.load(Relaxed), 0);
}

#[tokio::test(start_paused = true)]
async fn a_forced_handler_sees_why() {
    for by_signal in [false, true] {
        forced_handler_sees_why(by_signal).await;
    }
}

async fn forced_handler_sees_why(by_signal: bool) {
    let seen = Arc::new(Mutex::new(None));
    let log = Arc::clone(&seen);
    let server = TestServer::new(Server::new(move |request: Request| {
        let log = Arc::clone(&log);
        let context = request.context().clone();
        tokio::spawn(async move { *log.lock().unwrap() = Some(context.cancelled().await) });
        std::future::pending::<Response>()
    }));
    let mut connection = server.connect();
    send(&mut connection, wire("GET / HTTP/1.1|Host: x||").as_bytes()).await;
    if by_signal {
        server.watched().shutdown.force();
        server.watched().registry.wake_all();
    } else {
        server.force_down();
    }
    sleep(Duration::from_millis(1)).await;
    assert_eq!(*seen.lock().unwrap(), Some(Reason::Shutdown));
    assert!(connection.is_over());
}
