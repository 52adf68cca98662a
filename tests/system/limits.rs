//! The page of bounds: what a client runs into is on it a moment later.

use std::io::Write;
use std::net::TcpStream;

use serde_json::Value;

use crate::server::{Server, read_to_end, run, wait_for};

fn limits(server: &Server) -> Value {
    let head = "GET /limits HTTP/1.1\r\nHost: localhost\r\nAccept: application/json\r\nConnection: close\r\n\r\n";
    let answer = server.exchange(head.as_bytes());
    serde_json::from_str(answer.split_once("\r\n\r\n").unwrap().1).unwrap()
}

fn hits(limits: &Value, name: &str) -> u64 {
    let rows = limits["bounds"].as_array().unwrap();
    rows.iter().find(|row| row["name"] == name).unwrap()["hits"].as_u64().unwrap()
}

#[test]
fn what_was_met_is_on_the_page() {
    let server = Server::start(&["--first-byte-deadline=200ms", "--head-deadline=200ms", "--head-bytes-max=1KiB"]);
    let names = ["head_bytes_max", "head_deadline", "first_byte_deadline", "idle_deadline"];
    let before = limits(&server);
    assert_eq!(names.map(|name| hits(&before, name)), [0; 4]);
    let large = format!("GET / HTTP/1.1\r\nHost: x\r\nX: {}\r\n\r\n", "x".repeat(2000));
    assert!(server.exchange(large.as_bytes()).starts_with("HTTP/1.1 431 "));
    assert!(server.exchange(b"GET / HT").starts_with("HTTP/1.1 408 "));
    assert_eq!(read_to_end(&mut server.connect()), "");
    let after = limits(&server);
    assert_eq!(names.map(|name| hits(&after, name)), [1, 1, 1, 0]);
    assert_eq!(after["counts"]["accepted"], 5);
    assert!(after["memory"]["bytes_max"].as_u64().is_some());
}

#[test]
fn a_panic_is_counted_on_the_page() {
    let server = Server::start(&[]);
    for panics in 0..3 {
        let limits = limits(&server);
        assert_eq!(limits["counts"]["panics"], panics);
        let refused = limits["refusals"].as_array().unwrap().iter().find(|row| row["code"] == "HTTP-SERVER-001");
        assert_eq!(refused.map_or(0, |row| row["count"].as_u64().unwrap()), panics);
        let answer = server.exchange(b"GET /panic HTTP/1.1\r\nHost: x\r\n\r\n");
        assert!(answer.starts_with("HTTP/1.1 500 "), "{answer}");
    }
}

#[test]
fn what_applications_bound_and_keep_is_shown_and_printed() {
    let server = Server::start(&[]);
    let limits = limits(&server);
    let parts = limits["memory"]["parts"].as_array().unwrap();
    for part in ["chain: addresses", "chain: quotes"] {
        assert!(parts.iter().any(|row| row["what"] == part), "{part}");
    }
    let printed = String::from_utf8(run(&["serve", "--print-limits"]).stdout).unwrap();
    let names = limits["bounds"].as_array().unwrap().iter().map(|row| &row["name"]);
    for name in names.chain(parts.iter().map(|part| &part["what"])) {
        let begins = format!("{} ", name.as_str().unwrap());
        assert!(printed.lines().any(|line| line.trim_start_matches([' ', '*']).starts_with(&begins)), "{name}");
    }
}

#[test]
fn limits_are_printed_without_serving() {
    let output = run(&["serve", "--print-limits", "--content-bytes-max=off"]);
    let text = String::from_utf8(output.stdout).unwrap();
    assert_eq!(output.status.code(), Some(0));
    assert!(text.contains("Memory: unbounded, because content_bytes_max is off"), "{text}");
    assert!(text.lines().all(|line| line.chars().count() <= 120), "{text}");
}

/// Connections that are held. One seat is left for whoever asks.
const HELD: usize = 49;

/// Has each of the connections do the same until all are in `phase`, and holds the growth against what the page says of
/// `parts`.
fn check_memory(begin: &str, phase: &str, parts: &[&str]) {
    let server = Server::start(&["--connections-max=50", "--content-bytes-max=64KiB", "--log=error"]);
    // A first one brings in code.
    drop(hold(&server, begin, phase, 1));
    wait_for("it is gone", || server.phases().is_empty().then_some(()));
    let memory = &limits(&server)["memory"];
    let rows = memory["parts"].as_array().unwrap();
    let bytes = |row: &Value| row["bytes"].as_u64().unwrap();
    let of_connections = rows.iter().filter(|row| parts.contains(&row["what"].as_str().unwrap())).map(bytes);
    let of_threads = rows.iter().filter(|row| row["each"] == "thread").map(bytes);
    let most = of_connections.sum::<u64>() + of_threads.sum::<u64>();
    assert!(most < memory["bytes_max"].as_u64().unwrap());
    let before = server.forget_peak();
    let _held = hold(&server, begin, phase, HELD);
    let grown = (server.status_of("VmHWM:").saturating_sub(before)) * 1024;
    eprintln!("{HELD} connections in {phase}: +{} KiB of at most {} KiB", grown / 1024, most / 1024);
    assert!(grown <= most, "{phase}: {grown} of {most} bytes");
    assert!(grown > 0 && limits(&server)["memory"] == *memory, "{phase}: nothing was held");
}

fn hold(server: &Server, begin: &str, phase: &str, count: usize) -> Vec<TcpStream> {
    let mut held: Vec<TcpStream> = (0..count).map(|_| server.connect()).collect();
    held.iter_mut().for_each(|stream| stream.write_all(begin.as_bytes()).unwrap());
    server.wait_for_phases(&vec![phase; count]);
    // What is not read from is in the kernel. All else has arrived.
    if phase != "write" {
        wait_for("all is read", || (received(server, begin.len()) == count).then_some(()));
    }
    held
}

/// How many connections have sent so many bytes.
fn received(server: &Server, bytes: usize) -> usize {
    let ask = b"GET /inspect/connections HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n";
    let answer = server.exchange(ask);
    let table: Value = serde_json::from_str(answer.split_once("\r\n\r\n").unwrap().1).unwrap();
    table["open"].as_array().unwrap().iter().filter(|row| row["received"] == bytes).count()
}

#[test]
fn connections_at_their_limits_hold_no_more_than_the_page_says() {
    let half_a_head = format!("GET / HTTP/1.1\r\nHost: x\r\nX: {}", "x".repeat(60 << 10));
    check_memory(&half_a_head, "head", &["state", "received bytes", "head"]);
    let unread = "GET /bytes/30000 HTTP/1.1\r\nHost: x\r\n\r\n".repeat(1000);
    check_memory(&unread, "write", &["state", "received bytes", "head", "queued answers"]);
    let content = format!("POST /anything HTTP/1.1\r\nHost: x\r\nContent-Length: 65536\r\n\r\n{}", "x".repeat(65_535));
    check_memory(&content, "handler", &["state", "received bytes", "head", "content"]);
}
