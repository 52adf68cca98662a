//! What raw bytes get: line endings, pipelines, half-closed and vanished clients.

use std::io::Write;
use std::net::Shutdown;
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

use crate::client::Client;
use crate::server::{Server, read_to_end, wait_for};
use crate::tools;

/// What nc prints when it is given `input`.
fn nc(server: &Server, input: &str) -> Option<String> {
    let nc = tools::find("nc")?;
    let (ip, port) = (server.addr.ip().to_string(), server.addr.port().to_string());
    let mut child =
        Command::new(nc).args(["-N", &ip, &port]).stdin(Stdio::piped()).stdout(Stdio::piped()).spawn().unwrap();
    child.stdin.take().unwrap().write_all(input.as_bytes()).unwrap();
    Some(String::from_utf8(child.wait_with_output().unwrap().stdout).unwrap())
}

#[test]
fn nc_is_answered_and_bare_line_feeds_are_explained() {
    let strict = Server::start(&[]);
    let Some(answer) = nc(&strict, "GET /hello/ada HTTP/1.1\r\nHost: x\r\n\r\n") else { return };
    assert!(answer.starts_with("HTTP/1.1 200 OK\r\n") && answer.contains("ada"), "{answer}");
    let refused = nc(&strict, "GET /hello/ada HTTP/1.1\nHost: x\n\n").unwrap();
    assert!(refused.starts_with("HTTP/1.1 400 "), "{refused}");
    let here = format!("nc -N {} {}", strict.addr.ip(), strict.addr.port());
    for expected in ["H1-", "at byte 23", "^", "RFC 9112", "--lenient-lines", &here, "codes     /errors"] {
        assert!(refused.contains(expected), "{expected} is not in {refused}");
    }
    let listed = nc(&strict, "GET /errors HTTP/1.0\r\n\r\n").unwrap();
    assert!(listed.contains(&here) && ![":8080", " 8080"].iter().any(|other| listed.contains(other)), "{listed}");
    let lenient = Server::start(&["--lenient-lines"]);
    let answer = nc(&lenient, "GET /hello/ada HTTP/1.1\nHost: x\n\n").unwrap();
    assert!(answer.starts_with("HTTP/1.1 200 OK\r\n"), "{answer}");
    let refused = nc(&lenient, "POST /echo HTTP/1.1\nHost: x\nTransfer-Encoding: chunked\n\n2\nhi\n0\n\n").unwrap();
    assert!(refused.contains("400 "), "never in chunk lines: {refused}");
}

/// Sends ten thousand requests and one more in one write, and says after how long all answers were there, in order.
fn pipeline(server: &Server) -> Duration {
    const COUNT: usize = 10_000;
    let mut requests: Vec<u8> =
        (0..COUNT).flat_map(|id| format!("GET /users/{id} HTTP/1.1\r\nHost: x\r\n\r\n").into_bytes()).collect();
    requests.extend(b"GET /users/last HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n");
    let mut stream = server.connect();
    let mut sending = stream.try_clone().unwrap();
    let begin = Instant::now();
    let sender = std::thread::spawn(move || sending.write_all(&requests).unwrap());
    let answers = read_to_end(&mut stream);
    let took = begin.elapsed();
    sender.join().unwrap();
    let contents: Vec<&str> =
        answers.split("HTTP/1.1 200 OK\r\n").skip(1).map(|answer| answer.split_once("\r\n\r\n").unwrap().1).collect();
    assert_eq!(contents.len(), COUNT + 1);
    for (id, content) in contents[..COUNT].iter().enumerate() {
        assert_eq!(content.trim(), id.to_string());
    }
    took
}

#[test]
fn ten_thousand_pipelined_requests_are_answered_in_order() {
    pipeline(&Server::start(&[]));
}

#[test]
#[ignore = "measures the release build: make soak"]
fn ten_thousand_pipelined_requests_take_a_fifth_of_a_second_at_most() {
    let server = Server::start(&[]);
    let took = (0..10).map(|_| pipeline(&server)).min().unwrap();
    eprintln!("10,001 pipelined requests: all answers after {took:?}, at best of ten");
    assert!(took <= Duration::from_millis(200), "{took:?}");
}

#[test]
fn a_hundred_half_closed_clients_of_a_hundred_are_answered() {
    let server = Server::start(&[]);
    for path in ["/plaintext", "/drip?ms=300", "/slow?ms=2000"] {
        let ask = |_| {
            let mut stream = server.connect();
            stream.write_all(format!("GET {path} HTTP/1.1\r\nHost: x\r\n\r\n").as_bytes()).unwrap();
            stream.shutdown(Shutdown::Write).unwrap();
            stream
        };
        let asked: Vec<_> = (0..100).map(ask).collect();
        for mut stream in asked {
            let answer = read_to_end(&mut stream);
            assert!(answer.starts_with("HTTP/1.1 200 OK\r\n"), "{path}: {answer}");
        }
    }
}

#[test]
fn a_panic_is_a_500_and_the_end_of_its_connection_alone() {
    let server = Server::start(&["--log-format=text"]);
    let mut other = Client::connect(server.addr).unwrap();
    assert_eq!(other.get("/plaintext").unwrap().status, 200);
    for _ in 0..3 {
        let mut panicking = Client::connect(server.addr).unwrap();
        let answer = panicking.get("/panic").unwrap();
        assert_eq!((answer.status, answer.closes), (500, true));
        assert_eq!(panicking.read_to_end().unwrap(), b"");
    }
    assert_eq!(other.get("/plaintext").unwrap().status, 200);
    let log = server.stderr();
    assert_eq!(log.matches("a handler panicked").count(), 3, "{log}");
    assert!(!log.contains("\nthread '"), "it is told as a line among the others: {log}");
}

#[test]
fn a_handler_is_cancelled_when_its_client_leaves() {
    let mut server = Server::start(&[]);
    for leave_by_reset in [true, false] {
        let mut stream = server.connect();
        stream.write_all(b"GET /slow?ms=60000 HTTP/1.1\r\nHost: x\r\n\r\n").unwrap();
        server.wait_for_phases(&["handler"]);
        if leave_by_reset {
            rustix::net::sockopt::set_socket_linger(&stream, Some(Duration::ZERO)).unwrap();
        }
        drop(stream);
    }
    // Were a handler still at work, the shutdown would wait for it until its deadline, and cut it.
    server.signal(rustix::process::Signal::TERM);
    assert_eq!(server.exit_code(), Some(0), "{}", server.stderr());
}

#[test]
fn descriptors_come_back() {
    let server = Server::start(&[]);
    let before = server.descriptors();
    let streams: Vec<_> = (0..50).map(|_| server.connect()).collect();
    wait_for("fifty more", || (server.descriptors() >= before + 50).then_some(()));
    drop(streams);
    wait_for("none more", || (server.descriptors() <= before).then_some(()));
}
