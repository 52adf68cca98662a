//! What raw bytes get: line endings, pipelines, half-closed and vanished clients, deadlines.

use std::io::{Read, Write};
use std::net::Shutdown;
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

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

#[test]
fn a_slow_head_is_cut_at_its_deadline() {
    let server = Server::start(&["--head-deadline=300ms"]);
    let mut stream = server.connect();
    let mut again = server.connect();
    again.write_all(b"GET /plaintext HTTP/1.1\r\nHost: x\r\n\r\n").unwrap();
    let start = Instant::now();
    // Each byte arrives in time for the next one; together they do not.
    let trickle = std::thread::spawn({
        let mut stream = stream.try_clone().unwrap();
        move || {
            for byte in b"GET /plaintext HTTP/1.1\r\nHost: aaaaaaaaaaaaaaaaaaaaaaaaaaa" {
                if stream.write_all(&[*byte]).is_err() {
                    return;
                }
                std::thread::sleep(Duration::from_millis(20));
            }
        }
    });
    let mut answer = [0; 12];
    stream.read_exact(&mut answer).unwrap();
    assert_eq!(&answer, b"HTTP/1.1 408");
    assert!(start.elapsed() >= Duration::from_millis(300), "{:?}", start.elapsed());
    drop(stream);
    trickle.join().unwrap();
    // It holds for every request of a connection.
    again.write_all(b"GET /pl").unwrap();
    let answers = read_to_end(&mut again);
    assert!(answers.contains("Hello, World!") && answers.contains("HTTP/1.1 408 "), "{answers}");
}

#[test]
fn a_silent_connection_is_closed() {
    let server = Server::start(&["--first-byte-deadline=200ms"]);
    assert_eq!(server.exchange(b""), "");
}

#[test]
fn ten_thousand_pipelined_requests_are_answered_in_order() {
    const COUNT: usize = 10_000;
    let server = Server::start(&[]);
    let mut requests: Vec<u8> =
        (0..COUNT).flat_map(|id| format!("GET /users/{id} HTTP/1.1\r\nHost: x\r\n\r\n").into_bytes()).collect();
    requests.extend(b"GET /users/last HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n");
    let mut stream = server.connect();
    let mut sending = stream.try_clone().unwrap();
    let sender = std::thread::spawn(move || sending.write_all(&requests).unwrap());
    let answers = read_to_end(&mut stream);
    sender.join().unwrap();
    let contents: Vec<&str> =
        answers.split("HTTP/1.1 200 OK\r\n").skip(1).map(|answer| answer.split_once("\r\n\r\n").unwrap().1).collect();
    assert_eq!(contents.len(), COUNT + 1);
    for (id, content) in contents[..COUNT].iter().enumerate() {
        assert_eq!(content.trim(), id.to_string());
    }
}

#[test]
fn a_half_closed_client_is_answered() {
    let server = Server::start(&[]);
    for path in ["/plaintext", "/slow?ms=300"] {
        let mut stream = server.connect();
        stream.write_all(format!("GET {path} HTTP/1.1\r\nHost: x\r\n\r\n").as_bytes()).unwrap();
        stream.shutdown(Shutdown::Write).unwrap();
        let answer = read_to_end(&mut stream);
        assert!(answer.starts_with("HTTP/1.1 200 OK\r\n"), "{path}: {answer}");
    }
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
