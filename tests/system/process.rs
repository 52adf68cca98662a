//! How the process ends: by signals, with requests at work, with clients that hold on.

use rustix::process::Signal;
use std::io::Write;

use crate::server::{Server, read_to_end, wait_for};

fn slow(ms: u32) -> String {
    format!("GET /slow?ms={ms} HTTP/1.1\r\nHost: x\r\n\r\n")
}

/// Waits until the log says that draining has begun.
fn wait_for_draining(server: &Server) {
    wait_for("draining", || server.stderr().contains("draining").then_some(()));
}

#[test]
fn either_signal_ends_it_cleanly() {
    for signal in [Signal::TERM, Signal::INT] {
        let mut server = Server::start(&[]);
        server.signal(signal);
        assert_eq!(server.exit_code(), Some(0));
        assert!(server.stderr().contains("\"connections\":0"), "{}", server.stderr());
    }
}

#[test]
fn a_request_at_work_is_answered_whole_and_idle_peers_do_not_hold_it() {
    let mut server = Server::start(&[]);
    let _silent = server.connect();
    let mut idle = server.connect();
    idle.write_all(b"GET /plaintext HTTP/1.1\r\nHost: x\r\n\r\n").unwrap();
    let mut half = server.connect();
    half.write_all(b"GET /plaintext HTTP/1.1\r\n").unwrap();
    let mut working = server.connect();
    working.write_all(slow(1500).as_bytes()).unwrap();
    server.wait_for_phases(&["handler", "head", "idle", "idle"]);
    server.signal(Signal::TERM);
    let answer = read_to_end(&mut working);
    assert!(answer.starts_with("HTTP/1.1 200 "), "{answer}");
    assert!(answer.contains("\r\nConnection: close\r\n"), "{answer}");
    assert!(read_to_end(&mut idle).contains("Hello, World!"));
    let refused = read_to_end(&mut half);
    assert!(refused.starts_with("HTTP/1.1 503 "), "{refused}");
    assert_eq!(server.exit_code(), Some(0));
}

#[test]
fn the_second_signal_cuts() {
    let mut server = Server::start(&[]);
    let mut working = server.connect();
    working.write_all(slow(60_000).as_bytes()).unwrap();
    server.wait_for_phases(&["handler"]);
    server.signal(Signal::TERM);
    wait_for_draining(&server);
    server.signal(Signal::INT);
    assert_eq!(server.exit_code(), Some(3));
    assert!(server.stderr().contains("\"connections\":1"), "{}", server.stderr());
    assert!(!read_to_end(&mut working).contains("200 OK"));
}

#[test]
fn the_drain_deadline_cuts() {
    let mut server = Server::start(&["--drain-deadline=100ms"]);
    let mut working = server.connect();
    working.write_all(slow(60_000).as_bytes()).unwrap();
    server.wait_for_phases(&["handler"]);
    server.signal(Signal::TERM);
    assert_eq!(server.exit_code(), Some(3));
}

#[test]
fn a_stopped_server_refuses_connections() {
    let mut server = Server::start(&[]);
    server.signal(Signal::TERM);
    server.exit_code();
    assert!(std::net::TcpStream::connect(server.addr).is_err());
}

#[test]
fn the_start_says_what_stands_around_each_application_and_where_data_is() {
    let server = Server::start(&["--log-format=text"]);
    let stderr = server.stderr();
    assert!(stderr.contains("application=\"chain\" middleware=\"request_id → "), "{stderr}");
    assert!(stderr.contains("in memory: data goes with the process"), "{stderr}");
    assert!(!stderr.contains('\x1b'), "no colours where no terminal is: {stderr}");
}

#[test]
fn a_trace_tells_the_life_of_a_connection_to_its_end() {
    let mut server = Server::start(&["--trace", "--log=error"]);
    server.exchange(b"GET /hello/ada HTTP/1.1\r\nHost: x\r\nCookie: secret\r\nConnection: close\r\n\r\n");
    server.signal(Signal::TERM);
    assert_eq!(server.exit_code(), Some(0));
    let trace = server.stderr();
    let told = ["accepted from", "GET /hello/ada HTTP/1.1", "RFC 9112 3", "HTTP/1.1 200 OK", "closed: "];
    let places: Vec<_> = told.iter().map(|told| trace.find(told)).collect();
    assert!(places.is_sorted() && places.iter().all(Option::is_some), "{places:?}\n{trace}");
    assert!(!trace.contains("secret"), "{trace}");
}
