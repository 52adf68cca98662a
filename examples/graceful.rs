//! Ends well: a signal stops accepting, what is at work is finished, a second signal cuts it.
//!
//! ```sh
//! cargo run --example graceful -- 8080
//! curl http://127.0.0.1:8080/ &
//! kill -TERM $(pgrep -x graceful)      # the answer arrives all the same
//! ```

#![allow(clippy::print_stdout, reason = "a program may print, a library may not")]

use std::net::{Ipv4Addr, SocketAddr};
use std::process::ExitCode;
use std::time::Duration;

use firstbyte::http::server::{Ended, Watched};
use firstbyte::http::{Request, Server};
use firstbyte::net::deadline::Deadlines;
use firstbyte::net::{Listener, ListenerConfig};

async fn think(request: Request) -> String {
    tokio::time::sleep(Duration::from_millis(500)).await;
    // A handler may look how long it is still waited for.
    format!("done, with {:?} to spare\n", request.context().remaining())
}

#[tokio::main]
async fn main() -> Result<ExitCode, Box<dyn std::error::Error>> {
    let port = std::env::args().nth(1).map_or(Ok(0), |port| port.parse())?;
    let watched = Watched::default();
    watched.shutdown.listen_for_signals()?;
    let listener = Listener::bind(SocketAddr::from((Ipv4Addr::LOCALHOST, port)), ListenerConfig::default())?;
    println!("http://{}", listener.local_addr()?);

    let deadlines = Deadlines { drain: Duration::from_secs(5), ..Deadlines::default() };
    match Server::new(think).deadlines(deadlines).watched_by(&watched).serve(listener).await {
        Ended::Drained => Ok(ExitCode::SUCCESS),
        Ended::Cut { connections } => {
            eprintln!("{connections} connections were cut");
            Ok(ExitCode::FAILURE)
        }
    }
}
