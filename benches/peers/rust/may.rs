//! Owns the peer on may_minihttp: coroutines with stacks of their own on may, heads by httparse.
//!
//! It does little of HTTP and does that fast: no chunked content, no `Connection: close`, no refusals but a closed
//! connection. What it leaves out is not added here; its stack size is the one of its own example for TechEmpower.

use std::io::{self, Read};
use std::net::{Ipv4Addr, TcpListener};

use may_minihttp::{HttpServer, HttpService, Request, Response};

#[derive(Clone)]
struct Service;

fn main() -> io::Result<()> {
    let port: u16 = std::env::args().nth(1).and_then(|port| port.parse().ok()).expect("usage: may PORT");
    // may_minihttp does not say where it listens, so a free port is found and left for it.
    let addr = TcpListener::bind((Ipv4Addr::LOCALHOST, port))?.local_addr()?;
    may::config().set_stack_size(0x1000);
    let server = HttpServer(Service).start(addr)?;
    println!("listening on http://{addr}");
    server.join().map_err(|_| io::Error::other("the server panicked"))
}

impl HttpService for Service {
    fn call(&mut self, request: Request, response: &mut Response) -> io::Result<()> {
        match (request.path(), request.method()) {
            ("/" | "/plaintext", "GET") => {
                response.header("Content-Type: text/plain").body("Hello, World!");
            }
            ("/echo", "POST") => {
                let mut content = Vec::new();
                request.body().read_to_end(&mut content)?;
                response.header("Content-Type: application/octet-stream").body_vec(content);
            }
            ("/" | "/plaintext", _) => {
                response.status_code(405, "Method Not Allowed").header("Allow: GET");
            }
            ("/echo", _) => {
                response.status_code(405, "Method Not Allowed").header("Allow: POST");
            }
            _ => {
                response.status_code(404, "Not Found");
            }
        }
        Ok(())
    }
}
