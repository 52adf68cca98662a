//! A middleware of one's own among the stock ones, around a router.
//!
//! ```sh
//! cargo run --example middleware -- 8080
//! curl -i http://127.0.0.1:8080/users/7
//! curl -i -H 'Authorization: Bearer open sesame' http://127.0.0.1:8080/users/7
//! ```

#![allow(clippy::print_stdout, reason = "a program may print, a library may not")]

use std::net::{Ipv4Addr, SocketAddr};

use firstbyte::http::middleware::{RequestId, SecurityHeaders};
use firstbyte::http::{Handler, IntoResponse, Middleware, Rejection, Request, Response, Router, Server, Status};
use firstbyte::net::{Listener, ListenerConfig};

/// Lets those in who know the word.
struct Doorman {
    word: &'static str,
}

impl Middleware for Doorman {
    async fn handle<N: Handler>(&self, request: Request, next: &N) -> Response {
        let word = request.field("authorization").and_then(|value| value.strip_prefix("Bearer "));
        if word == Some(self.word) {
            return next.handle(request).await;
        }
        (Status::UNAUTHORIZED, "What is the word?\n").into_response().with("WWW-Authenticate", "Bearer")
    }
}

async fn user(_: (), request: Request) -> Result<String, Rejection> {
    Ok(format!("user {}\n", request.path::<u64>("id")?))
}

#[tokio::main]
async fn main() -> Result<(), Box<dyn std::error::Error>> {
    let port = std::env::args().nth(1).map_or(Ok(0), |port| port.parse())?;
    let listener = Listener::bind(SocketAddr::from((Ipv4Addr::LOCALHOST, port)), ListenerConfig::default())?;
    println!("http://{}", listener.local_addr()?);

    let routes = Router::new(()).route("GET /users/{id}", user).build()?;
    // The outermost is written last, and sees every answer.
    let guarded = Doorman { word: "open sesame" }.around(routes);
    let chain = RequestId.around(SecurityHeaders::default().around(guarded));
    Server::new(chain).serve(listener).await;
    Ok(())
}
