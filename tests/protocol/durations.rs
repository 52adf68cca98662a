//! What each request is counted as: the route that it found, how it was answered, how long that took.

use std::future::pending;
use std::sync::Arc;
use std::time::Duration;

use firstbyte::http::body::Body;
use firstbyte::http::durations::{Durations, Observed};
use firstbyte::http::router::Routes;
use firstbyte::http::server::Watched;
use firstbyte::http::test::TestServer;
use firstbyte::http::{Method, Request, Response, Router, Server, Status};
use firstbyte::net::deadline::Phase;
use tokio::time::sleep;

use crate::stage::wire;

/// A server that counts, and its counts.
fn counting() -> (TestServer<Routes>, Arc<Durations>) {
    let inner = Router::new(())
        .route("GET /api/things/{id}", |(), _| async { "a thing" })
        .route("GET /api/fails", |(), _| async { Response::new(Status::SERVICE_UNAVAILABLE) });
    let routes = Router::new(())
        .route("GET /plain", |(), _| async { "plain" })
        .route("POST /plain", |(), request: Request| async move { request.into_content() })
        .route("GET /slow", |(), _| async {
            sleep(Duration::from_millis(30)).await;
            "slow"
        })
        .route("GET /never", |(), _| pending::<&'static str>())
        .route("GET /panics", |(), _| async { if true { panic!("on purpose") } else { "never" } })
        .route("GET /streams", |(), _| async {
            let (sender, body) = Body::channel(1);
            tokio::spawn(async move {
                for piece in ["one", "two", "three"] {
                    sleep(Duration::from_millis(100)).await;
                    sender.send(piece).await.expect("somebody reads");
                }
            });
            body
        })
        .route("GET /upgrade", |(), _| async { Response::upgrade("silence", |_| pending()) })
        .mount("/api", inner.build().unwrap());
    let durations = Durations::new();
    let watched = Watched { durations: Some(Arc::clone(&durations)), ..Watched::default() };
    (TestServer::new(Server::new(routes.build().unwrap()).watched_by(&watched)), durations)
}

/// Every kind as `METHOD route status count milliseconds`, in order.
fn counted(durations: &Durations) -> Vec<String> {
    let mut rows = Vec::new();
    durations.each(|kind, observed: &Observed| {
        let method = kind.method.map_or("_OTHER".to_owned(), |method: Method| method.to_string());
        let (count, sum) = (observed.count(), observed.sum.as_millis());
        rows.push(format!("{method} {} {} {count} {sum}", kind.route.unwrap_or("-"), kind.status));
    });
    rows.sort();
    rows
}

/// Sends `requests` over one connection, reads as many answers, and compares what was counted.
async fn check(requests: &str, answers: usize, expected: &[&str]) {
    let (server, durations) = counting();
    let mut connection = server.connect();
    connection.send(wire(requests)).await;
    for _ in 0..answers {
        connection.read_response().await;
    }
    connection.close().await;
    assert_eq!(counted(&durations), expected, "{requests}");
}

const GET: &str = " HTTP/1.1|Host: a||";

#[tokio::test(start_paused = true)]
async fn an_answer_is_counted_by_the_route_that_gave_it() {
    for (target, expected) in [
        ("GET /plain", "GET /plain 200 1 0"),
        ("GET /plain?all=1", "GET /plain 200 1 0"),
        ("GET /slow", "GET /slow 200 1 30"),
        ("GET /api/things/7", "GET /api/things/{id} 200 1 0"),
        ("GET /api/fails", "GET /api/fails 503 1 0"),
        ("GET /streams", "GET /streams 200 1 300"),
        ("GET /panics", "GET /panics 500 1 0"),
    ] {
        check(&format!("{target}{GET}"), 1, &[expected]).await;
    }
    check("POST /plain HTTP/1.1|Host: a|Content-Length: 3||abc", 1, &["POST /plain 200 1 0"]).await;
}

#[tokio::test(start_paused = true)]
async fn requests_behind_each_other_are_counted_each_from_its_own_beginning() {
    let requests = format!("GET /slow{GET}GET /plain{GET}GET /slow{GET}");
    check(&requests, 3, &["GET /plain 200 1 0", "GET /slow 200 2 60"]).await;
}

#[tokio::test(start_paused = true)]
async fn what_clients_make_up_makes_no_kinds() {
    for (request, expected) in [
        // Paths.
        ("GET /wp-login.php", "GET - 404 1 0"),
        ("GET /api/nothing/here", "GET /api/{rest...} 404 1 0"),
        ("DELETE /plain", "DELETE - 405 1 0"),
        ("OPTIONS *", "OPTIONS - 204 1 0"),
        // Methods.
        ("BREW /plain", "_OTHER - 501 1 0"),
        ("get /plain", "_OTHER - 501 1 0"),
        // Heads that are refused before anybody looks for a route.
        ("GET /plain HTTP/1.1|Bad Name: x||", "GET - 400 1 0"),
        ("GET /plain HTTP/3.0|Host: a||", "GET - 505 1 0"),
        ("G(T /plain HTTP/1.1|Host: a||", "_OTHER - 400 1 0"),
        ("POST /plain HTTP/1.1|Host: a|Content-Length: 1|Transfer-Encoding: chunked||", "POST - 400 1 0"),
    ] {
        let request = if request.contains('|') { request.to_owned() } else { format!("{request}{GET}") };
        check(&request, 1, &[expected]).await;
    }
}

#[tokio::test(start_paused = true)]
async fn many_made_up_requests_are_few_kinds() {
    let (server, durations) = counting();
    for n in 0..200 {
        let mut connection = server.connect();
        connection.send(wire(&format!("M{n} /x{n} HTTP/1.1|Host: h{n}||GET /y{n} HTTP/1.1|Host: h{n}||"))).await;
        connection.read_response().await;
        connection.read_response().await;
        connection.close().await;
    }
    assert_eq!(counted(&durations), ["GET - 404 200 0", "_OTHER - 501 200 0"]);
}

#[tokio::test(start_paused = true)]
async fn a_handler_that_is_given_up_is_counted_with_its_route() {
    // The handler's deadline.
    check(&format!("GET /never{GET}"), 1, &["GET /never 503 1 30000"]).await;
}

#[tokio::test(start_paused = true)]
async fn a_client_that_has_left_is_counted_as_in_the_log() {
    let (server, durations) = counting();
    let mut connection = server.connect();
    connection.send(wire(&format!("GET /never{GET}"))).await;
    sleep(Duration::from_millis(20)).await;
    connection.reset().await;
    assert_eq!(counted(&durations), ["GET /never 499 1 20"]);
}

#[tokio::test(start_paused = true)]
async fn another_protocol_is_no_part_of_the_request_that_led_to_it() {
    let (server, durations) = counting();
    let mut connection = server.connect();
    connection.send(wire("GET /upgrade HTTP/1.1|Host: a|Connection: upgrade|Upgrade: silence||")).await;
    assert_eq!(connection.read_head().await.status.code(), 101);
    sleep(Duration::from_secs(3600)).await;
    assert_eq!(counted(&durations), ["GET /upgrade 101 1 0"]);
    assert_eq!(server.watched().registry.census().phases[Phase::Upgraded as usize], 1);
}

#[tokio::test(start_paused = true)]
async fn what_a_shutdown_cuts_is_counted_as_in_the_log() {
    let (server, durations) = counting();
    let mut connection = server.connect();
    connection.send(wire(&format!("GET /never{GET}"))).await;
    sleep(Duration::from_millis(20)).await;
    server.force_down();
    connection.close().await;
    assert_eq!(counted(&durations), ["GET /never 503 1 20"]);
}

#[tokio::test(start_paused = true)]
async fn a_head_that_does_not_come_is_counted_from_its_first_byte() {
    let (server, durations) = counting();
    let mut connection = server.connect();
    connection.send("GET /pl").await;
    assert_eq!(connection.read_response().await.status.code(), 408);
    connection.close().await;
    assert_eq!(counted(&durations), ["GET - 408 1 5000"]);
}

#[tokio::test(start_paused = true)]
async fn a_connection_on_which_nothing_was_asked_is_no_request() {
    let (server, durations) = counting();
    server.connect().close().await;
    let idle = server.connect();
    sleep(Duration::from_secs(600)).await;
    idle.close().await;
    assert!(counted(&durations).is_empty());
}
