//! What is counted: each bound that is met, once and under its own name, and nothing of what is in order.

use std::time::Duration;

use firstbyte::http::error::CATALOGUE;
use firstbyte::http::router::Routes;
use firstbyte::http::tally::{Reached, Tally};
use firstbyte::http::test::{TestConnection, TestServer};
use firstbyte::http::{Limits, Server};
use firstbyte::net::deadline::Deadlines;
use tokio::task::yield_now;
use tokio::time::{sleep, timeout};

use crate::stage::{routes, send, wire};

/// Everything that was counted, in the order of the catalogue and then of the bounds.
fn counted(tally: &Tally) -> Vec<(&'static str, u64)> {
    let refusals = CATALOGUE.iter().map(|entry| (entry.code, tally.refusals(entry.fault)));
    let reached = Reached::ALL.iter().map(|reached| (reached.name(), tally.times(*reached)));
    refusals.chain(reached).filter(|(_, count)| *count > 0).collect()
}

/// What a client does to a server.
#[derive(Clone, Copy, Debug)]
enum Act {
    Sends(&'static str),
    /// So many bytes.
    SendsMany(usize),
    /// So many times: a byte, then 100 ms. It goes on when nobody takes them any more.
    Trickles(usize),
    Waits(u64),
    /// Reads for a while and throws away what it reads.
    Reads,
    Finishes,
    /// The server is told to stop.
    Drains,
}
use Act::*;

async fn act(server: &TestServer<Routes>, connection: &mut TestConnection, act: Act) {
    match act {
        Sends(text) => send(connection, wire(text).as_bytes()).await,
        SendsMany(count) => {
            let _ = timeout(Duration::from_secs(1), connection.try_send(vec![b'x'; count])).await;
        }
        Trickles(count) => {
            for _ in 0..count {
                send(connection, b"x").await;
                sleep(Duration::from_millis(100)).await;
            }
        }
        Waits(seconds) => sleep(Duration::from_secs(seconds)).await,
        Reads => {
            sleep(Duration::from_millis(10)).await;
            connection.received().await;
        }
        Finishes => connection.finish().await,
        Drains => {
            server.shut_down();
            yield_now().await;
        }
    }
}

/// Runs the script against a server of its own, over a wire of 64 KiB, and says what was counted.
async fn play(script: &[Act]) -> Vec<(&'static str, u64)> {
    let limits = Limits { drain_bytes_max: 100, ..Limits::default() };
    let server = TestServer::new(Server::new(routes()).limits(limits).deadlines(Deadlines::default()));
    let mut connection = server.connect();
    for step in script {
        act(&server, &mut connection, *step).await;
    }
    sleep(Duration::from_millis(1)).await;
    counted(&server.watched().tally)
}

async fn check(script: &[Act], expected: &[(&str, u64)]) {
    assert_eq!(play(script).await, expected, "{script:?}");
}

const HELLO: Act = Sends("GET /hello HTTP/1.1|Host: x||");
const UPLOAD: &str = "POST /collect HTTP/1.1|Host: x|Content-Length: 5||";

#[tokio::test(start_paused = true)]
async fn what_is_in_order_is_not_counted() {
    for script in [
        &[HELLO, Reads, HELLO, Reads][..],
        &[Sends(UPLOAD), Sends("hello"), Reads],
        &[Sends("POST /ignore HTTP/1.1|Host: x|Content-Length: 50||"), Trickles(50), Reads],
        &[Sends("GET /stream HTTP/1.1|Host: x||"), Reads, Waits(59)],
        &[Sends("POST /refuse HTTP/1.1|Host: x|Content-Length: 5||hello"), Reads],
        &[HELLO, Finishes, Reads],
        &[HELLO, Reads, Drains, Reads, Finishes],
        &[],
    ] {
        check(script, &[]).await;
    }
}

#[tokio::test(start_paused = true)]
async fn time_that_is_up_is_counted_once() {
    for (script, expected) in [
        (&[Waits(9)][..], &[("first_byte_deadline", 1), ("linger_deadline", 1)][..]),
        (&[Waits(6), Finishes, Waits(9)], &[("first_byte_deadline", 1)]),
        (&[Sends("||"), Waits(6), Finishes], &[("first_byte_deadline", 1)]),
        (&[HELLO, Reads, Waits(61), Finishes], &[("idle_deadline", 1)]),
        (&[Sends("GET /he"), Waits(6), Finishes], &[("H1-TIME-001", 1)]),
        (&[HELLO, Sends("GET /he"), Waits(6), Finishes], &[("H1-TIME-001", 1)]),
        (&[Sends("GET /stuck HTTP/1.1|Host: x||"), Waits(31)], &[("HTTP-SERVER-002", 1), ("handler_deadline", 1)]),
        (&[Sends(UPLOAD), Waits(11), Finishes], &[("H1-TIME-002", 1), ("content_rate", 1)]),
        // The answer had begun: nobody is told, and it is counted all the same.
        (
            &[Sends("POST /echo HTTP/1.1|Host: x|Content-Length: 5||he"), Reads, Waits(11), Finishes],
            &[("H1-TIME-002", 1), ("content_rate", 1)],
        ),
        // It was to be dropped.
        (&[Sends("POST /ignore HTTP/1.1|Host: x|Content-Length: 5||"), Waits(11), Finishes], &[("content_rate", 1)]),
        (&[Sends("GET /bytes/1000000 HTTP/1.1|Host: x||"), Waits(80), Finishes], &[("write_rate", 1)]),
        (&[Sends("GET /endless HTTP/1.1|Host: x||"), Waits(80)], &[("write_rate", 1)]),
        (&[Sends("GET /bytes/1000000 HTTP/1.1|Host: x|Connection: close||"), Waits(80)], &[("write_rate", 1)]),
        (&[Sends("GET /close HTTP/1.1|Host: x||"), Waits(3)], &[("linger_deadline", 1)]),
        (&[Sends("GET /close HTTP/1.1|Host: x||"), Trickles(300)], &[("linger_sending_deadline", 1)]),
        (&[Sends("GET /close HTTP/1.1|Host: x||"), Reads, Drains, Waits(1)], &[("draining_linger", 1)]),
        (&[HELLO, Reads, Drains, Waits(1)], &[("draining_linger", 1), ("drain_idle_deadline", 1)]),
        (
            &[Sends("GET /he"), Drains, Waits(1)],
            &[("HTTP-SERVER-005", 1), ("draining_linger", 1), ("drain_idle_deadline", 1)],
        ),
    ] {
        check(script, expected).await;
    }
}

#[tokio::test(start_paused = true)]
async fn what_is_too_much_is_counted_once() {
    for (script, expected) in [
        (&[Sends("POST /ignore HTTP/1.1|Host: x|Content-Length: 101||"), Finishes][..], &[("drain_bytes_max", 1)][..]),
        (&[Sends("POST /ignore HTTP/1.1|Host: x|Content-Length: 101|Connection: close||"), Finishes], &[]),
        // A task has the content while the answer goes: whether the rest is too much turns out behind it.
        (
            &[Sends("POST /first HTTP/1.1|Host: x|Content-Length: 200||h"), Reads, SendsMany(199), Reads, Finishes],
            &[("drain_bytes_max", 1)],
        ),
        (
            &[Sends("GET /bytes/100000 HTTP/1.1|Host: x||GET /bytes/100000 HTTP/1.1|Host: x||"), Reads, HELLO, Reads],
            &[("output_bytes_max", 1)],
        ),
        (
            &[Sends("POST /collect HTTP/1.1|Host: x|Content-Length: 9000000||"), Finishes],
            &[("H1-CONTENT-001", 1), ("drain_bytes_max", 1)],
        ),
    ] {
        check(script, expected).await;
    }
}

#[tokio::test(start_paused = true)]
async fn a_refusal_is_counted_once_whoever_tells_it() {
    for (script, code) in [
        (&[Sends("GET /hello HTTP/1.1|Host : x||")][..], "H1-HEAD-006"),
        (&[Sends("GET /hello HTTP/1.1||")], "H1-HOST-001"),
        (&[Sends("GET /hello HTTP/1.1|Ho"), Finishes], "H1-END-001"),
        (&[Sends("GET /nowhere HTTP/1.1|Host: x||")], "HTTP-ROUTE-001"),
        (&[Sends("GET /panic HTTP/1.1|Host: x||")], "HTTP-SERVER-001"),
        (&[Sends(UPLOAD), Finishes], "H1-CONTENT-002"),
        (&[Sends("GET /break HTTP/1.1|Host: x||"), Reads], "HTTP-SERVER-006"),
        // Told with the head, by the handler, in its place, by nobody because of another error, behind the answer.
        (&[Sends("POST /collect HTTP/1.1|Host: x|Transfer-Encoding: chunked||zz|")], "H1-CHUNK-001"),
        (&[Sends("POST /collect HTTP/1.1|Host: x|Transfer-Encoding: chunked||"), Sends("zz|")], "H1-CHUNK-001"),
        (
            &[Sends("POST /echo HTTP/1.1|Host: x|Transfer-Encoding: chunked||"), Sends("1|a|"), Sends("zz|")],
            "H1-CHUNK-001",
        ),
        (&[Sends("POST /refuse HTTP/1.1|Host: x|Transfer-Encoding: chunked||1|a|zz")], "H1-CHUNK-001"),
        (&[Sends("POST /keep HTTP/1.1|Host: x|Transfer-Encoding: chunked||"), Sends("zz|"), Waits(2)], "H1-CHUNK-001"),
    ] {
        let script = [script, &[Finishes]].concat();
        let finishes = script.iter().filter(|act| matches!(act, Finishes)).count();
        check(&script[..script.len() - (finishes - 1)], &[(code, 1)]).await;
    }
}
