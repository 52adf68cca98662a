//! Owns the peer on actix-ws: an echo at `/ws`, with a worker for each core.
//!
//! As its example does it. Defaults but for TCP_NODELAY and the size of a frame, which is 64 KiB and would not let the largest
//! messages with their header in.

use std::io;
use std::net::Ipv4Addr;

use actix_web::web::{self, Payload};
use actix_web::{App, Error, HttpRequest, HttpResponse, HttpServer};
use actix_ws::Message;

const FRAME_BYTES_MAX: usize = 1024 * 1024;

#[actix_web::main]
async fn main() -> io::Result<()> {
    let port: u16 = std::env::args().nth(1).and_then(|port| port.parse().ok()).expect("usage: ws-actix PORT");
    let server = HttpServer::new(|| App::new().route("/ws", web::get().to(echo)));
    let server = server.tcp_nodelay(true).bind((Ipv4Addr::LOCALHOST, port))?;
    for addr in server.addrs() {
        println!("listening on http://{addr}");
    }
    server.run().await
}

async fn echo(request: HttpRequest, content: Payload) -> Result<HttpResponse, Error> {
    let (response, mut session, messages) = actix_ws::handle(&request, content)?;
    let mut messages = messages.max_frame_size(FRAME_BYTES_MAX);
    actix_web::rt::spawn(async move {
        while let Some(Ok(message)) = messages.recv().await {
            let sent = match message {
                Message::Text(text) => session.text(text).await,
                Message::Binary(bytes) => session.binary(bytes).await,
                Message::Ping(payload) => session.pong(&payload).await,
                Message::Close(reason) => return drop(session.close(reason).await),
                _ => Ok(()),
            };
            if sent.is_err() {
                return;
            }
        }
    });
    Ok(response)
}
