//! Redirections, over the wire.

use firstbyte::http::client::{ClientConfig, Outgoing};
use firstbyte::http::{IntoResponse, Method, Request, Response, Server, Status};

use super::*;

/// Redirects by its path, and says what it sees at `/end`.
async fn maze(request: Request) -> Response {
    let to = |status, location: &str| Response::redirect(status, location).with_content("text/plain", "elsewhere");
    match request.target_path() {
        "/temporary" => to(Status::TEMPORARY_REDIRECT, "/end"),
        "/other" => to(Status::SEE_OTHER, "end"),
        "/moved" => to(Status::PERMANENT_REDIRECT, "http://elsewhere/end"),
        "/away" => to(Status::FOUND, "http://elsewhere/end"),
        "/loop" => to(Status::FOUND, "/loop"),
        "/nowhere" => to(Status::FOUND, "javascript:alert(1)"),
        "/long" => Response::redirect(Status::FOUND, "/end").with_content("text/plain", "x".repeat(100_000)),
        _ => {
            let secrets = request.fields().contains("Authorization");
            let (method, host) = (request.method(), request.authority().unwrap_or("").to_owned());
            let mut request = request;
            let content = request.content().collect(100).await.unwrap();
            let content = String::from_utf8_lossy(&content).into_owned();
            format!("{method} {host} {content:?} secrets: {secrets}").into_response()
        }
    }
}

async fn check(method: Method, path: &str, redirects: usize, expected: &str, opened: u64) {
    let client = local(ClientConfig::default(), Server::new(maze));
    let request = Outgoing::new(method, &url(&format!("http://peer{path}"))).with("Authorization", "Bearer secret");
    let request = if method == Method::POST { request.with_content("abc") } else { request };
    assert_eq!(outcome(&client, request.redirects(redirects)).await, expected, "{path}");
    assert_eq!(client.counts().opened, opened, "{path}");
}

#[tokio::test(start_paused = true)]
async fn redirections_are_followed_when_asked_and_only_then() {
    check(Method::GET, "/temporary", 0, "307 elsewhere", 1).await;
    check(Method::GET, "/temporary", 1, "200 GET peer \"\" secrets: true", 1).await;
    check(Method::POST, "/temporary", 5, "200 POST peer \"abc\" secrets: true", 1).await;
    check(Method::POST, "/other", 5, "200 GET peer \"\" secrets: true", 1).await;
    check(Method::GET, "/away", 5, "200 GET elsewhere \"\" secrets: false", 2).await;
    // RFC 9110 15.4.9: the same request, to another origin. What it says there was for it, its credentials were not.
    check(Method::POST, "/moved", 5, "200 POST elsewhere \"abc\" secrets: false", 2).await;
    check(Method::GET, "/loop", 5, "TooManyRedirects(5); Peer", 1).await;
    check(Method::GET, "/nowhere", 5, "Location(Some(Scheme)); Peer", 1).await;
    check(Method::GET, "/long", 5, "200 GET peer \"\" secrets: true", 2).await;
}
