//! The page of bounds: what a client runs into is on it a moment later.

use serde_json::Value;

use crate::server::{Server, read_to_end, run};

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
fn limits_are_printed_without_serving() {
    let output = run(&["serve", "--print-limits", "--content-bytes-max=off"]);
    let text = String::from_utf8(output.stdout).unwrap();
    assert_eq!(output.status.code(), Some(0));
    assert!(text.contains("Memory: unbounded, because content_bytes_max is off"), "{text}");
    assert!(text.lines().all(|line| line.chars().count() <= 120), "{text}");
}
