//! Owns the peer on axum: its router, on hyper, as `axum::serve` puts them together.
//!
//! Defaults but for TCP_NODELAY, which axum's documentation shows how to set.

use std::io;
use std::net::Ipv4Addr;

use axum::Router;
use axum::body::Body;
use axum::http::header::{CONTENT_TYPE, SERVER};
use axum::response::IntoResponse;
use axum::routing::{get, post};
use axum::serve::ListenerExt;
use tokio::net::TcpListener;

#[tokio::main]
async fn main() -> io::Result<()> {
    let port = std::env::args().nth(1).and_then(|port| port.parse().ok()).expect("usage: axum PORT");
    let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, port)).await?;
    println!("listening on http://{}", listener.local_addr()?);
    let listener = listener.tap_io(|stream| {
        let _ = stream.set_nodelay(true);
    });
    let router = Router::new().route("/", get(hello)).route("/plaintext", get(hello)).route("/echo", post(echo));
    axum::serve(listener, router).await
}

async fn hello() -> impl IntoResponse {
    ([(SERVER, "axum"), (CONTENT_TYPE, "text/plain")], "Hello, World!")
}

async fn echo(content: Body) -> impl IntoResponse {
    ([(SERVER, "axum"), (CONTENT_TYPE, "application/octet-stream")], content)
}
