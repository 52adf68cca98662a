//! Owns the peer on actix-web: its router and its own HTTP/1.1, with a worker for each core.
//!
//! Defaults but for TCP_NODELAY. Routes for HEAD are named because actix does not take GET to include it.

use std::io;
use std::net::Ipv4Addr;

use actix_web::http::header::{HeaderName, HeaderValue, SERVER};
use actix_web::web::{self, Payload};
use actix_web::{App, HttpResponse, HttpServer};

const NAME: (HeaderName, HeaderValue) = (SERVER, HeaderValue::from_static("actix"));

#[actix_web::main]
async fn main() -> io::Result<()> {
    let port: u16 = std::env::args().nth(1).and_then(|port| port.parse().ok()).expect("usage: actix PORT");
    let server = HttpServer::new(|| {
        let greeting = |path| web::resource(path).get(hello).route(web::head().to(hello));
        App::new().service(greeting("/")).service(greeting("/plaintext")).service(web::resource("/echo").post(echo))
    });
    let server = server.tcp_nodelay(true).bind((Ipv4Addr::LOCALHOST, port))?;
    for addr in server.addrs() {
        println!("listening on http://{addr}");
    }
    server.run().await
}

async fn hello() -> HttpResponse {
    HttpResponse::Ok().insert_header(NAME).content_type("text/plain").body("Hello, World!")
}

async fn echo(content: Payload) -> HttpResponse {
    HttpResponse::Ok().insert_header(NAME).content_type("application/octet-stream").streaming(content)
}
