//! Each program of `examples/` starts, says where it is, and does what its header promises.

use std::io::Write;
use std::path::Path;
use std::process::Command;
use std::time::Duration;

use rustix::process::Signal;

use crate::server::{Server, read_to_end};

/// Cargo replaces itself by the example, so that the child is the example.
fn start(example: &str) -> Server {
    let mut command = Command::new(std::env::var_os("CARGO").unwrap_or("cargo".into()));
    command.args(["run", "--quiet", "--example", example, "--"]).arg("0");
    command.current_dir(env!("CARGO_MANIFEST_DIR")).env("CARGO_TARGET_DIR", target());
    Server::spawn(command)
}

/// Where cargo builds: what is built already is not built again.
pub fn target() -> &'static Path {
    Path::new(env!("CARGO_TARGET_TMPDIR")).parent().unwrap()
}

fn get(server: &Server, path: &str, fields: &str) -> String {
    server.exchange(format!("GET {path} HTTP/1.1\r\nHost: x\r\n{fields}Connection: close\r\n\r\n").as_bytes())
}

#[test]
fn hello_greets() {
    let server = start("hello");
    assert!(get(&server, "/any", "").ends_with("\r\n\r\nHello, 127.0.0.1!\n"));
}

#[test]
fn middleware_asks_for_the_word() {
    let server = start("middleware");
    let refused = get(&server, "/users/7", "");
    assert!(refused.starts_with("HTTP/1.1 401 ") && refused.contains("\r\nWWW-Authenticate: Bearer\r\n"), "{refused}");
    assert!(refused.to_lowercase().contains("\r\nx-request-id: "), "{refused}");
    let let_in = get(&server, "/users/7", "Authorization: Bearer open sesame\r\n");
    assert!(let_in.starts_with("HTTP/1.1 200 ") && let_in.ends_with("user 7\n"), "{let_in}");
    let wrong = get(&server, "/users/seven", "Authorization: Bearer open sesame\r\n");
    assert!(wrong.starts_with("HTTP/1.1 400 "), "{wrong}");
}

#[test]
fn stream_counts_and_measures() {
    let server = start("stream");
    let counted = get(&server, "/count", "");
    assert!(counted.contains("\r\n2\r\n5\n\r\n0\r\n\r\n"), "in chunks: {counted}");
    let content = vec![b'x'; 3_000_000];
    let mut stream = server.connect();
    let head = "PUT /measure HTTP/1.1\r\nHost: x\r\nConnection: close\r\nContent-Length: 3000000\r\n\r\n";
    stream.write_all(head.as_bytes()).unwrap();
    stream.write_all(&content).unwrap();
    let measured = read_to_end(&mut stream);
    assert!(measured.contains("\r\n\r\n3000000 bytes in "), "{measured}");
}

#[test]
fn graceful_finishes_what_is_at_work() {
    let mut server = start("graceful");
    let mut stream = server.connect();
    stream.write_all(b"GET / HTTP/1.1\r\nHost: x\r\n\r\n").unwrap();
    std::thread::sleep(Duration::from_millis(100));
    server.signal(Signal::TERM);
    let answer = read_to_end(&mut stream);
    assert!(answer.starts_with("HTTP/1.1 200 ") && answer.contains("done, with Some("), "{answer}");
    assert_eq!(server.exit_code(), Some(0));
}
