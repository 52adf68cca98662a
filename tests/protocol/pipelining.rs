//! Many requests in one write: in order, bounded, and over at the first that is refused.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering::Relaxed};
use std::time::Duration;

use firstbyte::http::test::{TestConnection, TestServer};
use firstbyte::http::{Handler, Limits, Request, Server};
use tokio::time::{Instant, sleep, timeout};

use crate::stage::{After, check, routes, server, state, summary, wire};

/// A connection whose wire holds all that these tests write.
fn connect(server: &TestServer<impl Handler>) -> TestConnection {
    server.connect_over(([127, 0, 0, 1], 1).into(), 4 << 20, |stream| stream)
}

#[tokio::test(start_paused = true)]
async fn ten_thousand_in_one_write_are_answered_in_order() {
    let server = server();
    let mut connection = connect(&server);
    let requests: String = (0..10_000).map(|n| format!("GET /bytes/{} HTTP/1.1|Host: x||", n % 7)).collect();
    connection.send(wire(&requests)).await;
    for n in 0..10_000 {
        assert_eq!(connection.read_response().await.content.len(), n % 7, "answer {n}");
    }
    assert_eq!(state(&mut connection).await, After::Open);
}

#[tokio::test(start_paused = true)]
async fn an_error_in_the_middle_ends_it_behind_the_answers_before() {
    let server = server();
    let hello = ("GET /hello HTTP/1.1|Host: x||", "200 hello");
    let slow = ("GET /slow HTTP/1.1|Host: x||", "200 slow");
    let ignored = ("GET /hello HTTP/1.1|Host: x||", "");
    for (middle, answer) in [
        ("GET / HTTP/1.1|Host : x||", "400 H1-HEAD-006 close"),
        ("GET / HTTP/1.1||", "400 H1-HOST-001 close"),
        ("POST /collect HTTP/1.1|Host: x|Transfer-Encoding: chunked||zz|", "400 H1-CHUNK-001 close"),
        ("GET /hello HTTP/1.1|Host: x|Connection: close||", "200 close hello"),
        ("GET /panic HTTP/1.1|Host: x||", "500 HTTP-SERVER-001 close"),
    ] {
        check(&server, &[hello, hello, (middle, answer), ignored, ignored], After::Closed).await;
    }
    check(&server, &[hello, slow, hello, slow, hello], After::Open).await;
}

#[tokio::test(start_paused = true)]
async fn a_broken_answer_does_not_take_those_before_it_along() {
    let server = server();
    for path in ["/break", "/breaks-at-once", "/panics-later", "/too-short", "/too-long"] {
        let mut connection = server.connect();
        let hello = "GET /hello HTTP/1.1|Host: x||";
        connection.send(wire(&format!("{hello}{hello}{hello}GET {path} HTTP/1.1|Host: x||{hello}"))).await;
        for _ in 0..3 {
            assert_eq!(summary(&connection.read_response().await), "200 hello", "{path}");
        }
        connection.read_head().await;
        assert!(connection.read_piece().await.unwrap().starts_with(b"begun"), "{path}");
        assert!(connection.try_read_piece().await.is_err(), "{path}: no last chunk");
    }
}

#[tokio::test(start_paused = true)]
async fn a_client_that_does_not_read_costs_a_bounded_number_of_answers() {
    const ANSWER_BYTES: usize = 32 * 1024;
    let served = Arc::new(AtomicUsize::new(0));
    let count = Arc::clone(&served);
    let server = TestServer::new(Server::new(move |_: Request| {
        count.fetch_add(1, Relaxed);
        async { vec![b'x'; ANSWER_BYTES] }
    }));
    let mut connection = server.connect();
    let requests = wire("GET / HTTP/1.1|Host: x||").repeat(1_000);
    let sent = timeout(Duration::from_secs(1), connection.send(&requests)).await;
    assert!(sent.is_ok(), "so many fit the wire and the read buffer");
    sleep(Duration::from_secs(1)).await;
    // 64 KiB on the wire, 64 KiB queued, and one more.
    assert!(served.load(Relaxed) <= 5, "{} were served", served.load(Relaxed));
    for _ in 0..1_000 {
        assert_eq!(connection.read_response().await.content.len(), ANSWER_BYTES);
    }
    assert_eq!(state(&mut connection).await, After::Open);
}

#[tokio::test(start_paused = true)]
async fn a_stream_that_is_not_read_keeps_to_a_small_limit_too() {
    const PIECE_BYTES: usize = 1024;
    for output_bytes_max in [0, 1, 2_000, 20_000] {
        let limits = Limits { output_bytes_max, ..Limits::default() };
        let server = TestServer::new(Server::new(routes()).limits(limits));
        let mut connection = server.connect_over(([127, 0, 0, 1], 1).into(), 100, |stream| stream);
        connection.send(wire("GET /endless HTTP/1.1|Host: x||")).await;
        sleep(Duration::from_secs(1)).await;
        let queued = server.watched().registry.snapshots()[0].queued_bytes as usize;
        // What lets the last piece pass, and that one with its head.
        assert!(queued <= output_bytes_max + 2 * PIECE_BYTES, "{queued} of {output_bytes_max}");
        connection.read_head().await;
        for _ in 0..100 {
            assert!(connection.read_piece().await.is_some());
        }
    }
}

#[tokio::test(start_paused = true)]
async fn a_slow_reader_is_not_told_that_its_next_head_is_late() {
    // What the server has read ends in half a head; the other half waits until there is room for answers again.
    let server = server();
    let mut connection = server.connect_over(([127, 0, 0, 1], 1).into(), 40_000, |stream| stream);
    connection.send(wire("GET /bytes/200000 HTTP/1.1|Host: x||")).await;
    connection.send(wire("GET /hello HTTP/1.1|Host: x||").repeat(1_200)).await;
    let begin = Instant::now();
    connection.read_head().await;
    let mut read = 0;
    while read < 200_000 {
        sleep(Duration::from_secs(4)).await;
        read += connection.read_piece().await.unwrap().len();
    }
    assert!(begin.elapsed() > Duration::from_secs(15));
    assert_eq!(connection.read_piece().await, None);
    for _ in 0..1_200 {
        assert_eq!(summary(&connection.read_response().await), "200 hello");
    }
}
