//! The smallest server: one function answers everything.
//!
//! ```sh
//! cargo run --example hello -- 8080
//! curl http://127.0.0.1:8080/
//! ```

#![allow(clippy::print_stdout, reason = "a program may print, a library may not")]

use std::net::{Ipv4Addr, SocketAddr};

use firstbyte::http::{Request, Server};
use firstbyte::net::{Listener, ListenerConfig};

async fn hello(request: Request) -> String {
    format!("Hello, {}!\n", request.peer().addr().ip())
}

#[tokio::main]
async fn main() -> Result<(), Box<dyn std::error::Error>> {
    let port = std::env::args().nth(1).map_or(Ok(0), |port| port.parse())?;
    let listener = Listener::bind(SocketAddr::from((Ipv4Addr::LOCALHOST, port)), ListenerConfig::default())?;
    println!("http://{}", listener.local_addr()?);

    Server::new(hello).serve(listener).await;
    Ok(())
}
