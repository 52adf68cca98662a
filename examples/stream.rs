//! Streams both ways: content is read as it comes and answered as it is made. Nothing is collected, and a slow end slows the
//! other one down.
//!
//! ```sh
//! cargo run --example stream -- 8080
//! curl -N http://127.0.0.1:8080/count
//! head -c 1000000000 /dev/zero | curl -T - http://127.0.0.1:8080/measure
//! ```

#![allow(clippy::print_stdout, reason = "a program may print, a library may not")]

use std::net::{Ipv4Addr, SocketAddr};
use std::time::Duration;

use firstbyte::http::router::RouteOptions;
use firstbyte::http::{Body, Rejection, Request, Router, Server};
use firstbyte::net::{Listener, ListenerConfig};

/// Sends a number every tenth of a second.
async fn count(_: (), _: Request) -> Body {
    let (sender, body) = Body::channel(1);
    tokio::spawn(async move {
        for number in 1..=5 {
            // The error says that the client has left: nobody counts for nobody.
            if sender.send(format!("{number}\n")).await.is_err() {
                return;
            }
            tokio::time::sleep(Duration::from_millis(100)).await;
        }
    });
    body
}

/// Reads content of any size, a piece at a time.
async fn measure(_: (), request: Request) -> Result<String, Rejection> {
    let mut content = request.into_content();
    let (mut bytes, mut pieces) = (0, 0);
    while let Some(piece) = content.next().await.transpose()? {
        bytes += piece.len();
        pieces += 1;
    }
    Ok(format!("{bytes} bytes in {pieces} pieces\n"))
}

#[tokio::main]
async fn main() -> Result<(), Box<dyn std::error::Error>> {
    let port = std::env::args().nth(1).map_or(Ok(0), |port| port.parse())?;
    let listener = Listener::bind(SocketAddr::from((Ipv4Addr::LOCALHOST, port)), ListenerConfig::default())?;
    println!("http://{}", listener.local_addr()?);

    let unbounded = RouteOptions { content_bytes_max: Some(u64::MAX), ..RouteOptions::default() };
    let routes = Router::new(()).route("GET /count", count).route_with("PUT /measure", unbounded, measure).build()?;
    Server::new(routes).serve(listener).await;
    Ok(())
}
