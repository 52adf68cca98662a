//! `firstbyte ws` as testers use it: in scripts, against our own server and against one that does what it is told.

use std::io::{Read, Write};
use std::net::{TcpListener, TcpStream};
use std::process::{Output, Stdio};
use std::thread::{self, JoinHandle};

use firstbyte::ws::accept_key::accept_key;

use crate::server::{SOON, Server, firstbyte, run, wait_for};

/// Talks to `path` of `server` in these lines.
fn talk(server: &Server, path: &str, args: &[&str], input: &[u8]) -> Output {
    talk_to(&format!("ws://{}{path}", server.addr), args, input)
}

fn talk_to(url: &str, args: &[&str], input: &[u8]) -> Output {
    let mut command = firstbyte();
    command.arg("ws").arg(url).args(args).stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped());
    let mut child = command.spawn().unwrap();
    let (mut stdin, input) = (child.stdin.take().unwrap(), input.to_vec());
    // Beside it: what is not read yet must not keep it from writing.
    let writing = thread::spawn(move || drop(stdin.write_all(&input)));
    let output = child.wait_with_output().unwrap();
    writing.join().unwrap();
    output
}

#[track_caller]
fn check(output: &Output, code: i32, stdout: &str, stderr: &[&str]) {
    let (out, err) = (String::from_utf8_lossy(&output.stdout), String::from_utf8_lossy(&output.stderr));
    assert_eq!((output.status.code(), &*out), (Some(code), stdout), "{err}");
    let missing: Vec<_> = stderr.iter().filter(|words| !err.contains(**words)).collect();
    assert!(missing.is_empty(), "{missing:?} of {err}");
    assert!(!out.contains('\u{1b}') && !err.contains('\u{1b}'), "neither colours nor what a peer has chosen: {err}");
}

#[test]
fn a_line_is_a_message_and_a_message_a_line() {
    let server = Server::start(&[]);
    let said = "hello\r\n\n//ws\n/binary 00 ff10\n{\"a\":\t1}\nü\u{1b}[2J\n/ping are you there\n/help\n";
    let heard = "hello\n\n/ws\nbinary, 3 bytes: 00ff10\n{\"a\":\t1}\nü\\u{1b}[2J\n";
    check(&talk(&server, "/ws", &[], said.as_bytes()), 0, heard, &[" ms later: \"are you there\"", "/binary HEX"]);
    let without_line_end = talk(&server, "/ws", &["--no-compression"], b"last");
    check(&without_line_end, 0, "last\n", &[]);
}

#[test]
fn a_long_input_is_sent_while_its_answers_are_read() {
    let server = Server::start(&[]);
    let lines: String = (0..4000).map(|number| format!("{number} {}\n", "x".repeat(number % 3000))).collect();
    check(&talk(&server, "/ws", &["--count", "4000", "--wait", "20"], lines.as_bytes()), 0, &lines, &[]);
}

#[test]
fn exit_codes_tell_how_it_went() {
    let server = Server::start(&[]);
    check(&talk(&server, "/ws", &[], b"/close 4000 enough\n"), 0, "", &[]);
    check(&talk(&server, "/ws", &["--count", "2"], b"a\nb\nc\n"), 0, "a\nb\n", &[]);
    check(&talk(&server, "/ws", &["--count", "2"], b"a\n"), 1, "a\n", &[]);
    check(&talk(&server, "/ws", &[], b"/nonsense\nb\n"), 2, "b\n", &["not sent: /nonsense is no command"]);
    check(&talk(&server, "/ws", &[], b"\xff\n/close 1006\n"), 2, "", &["no UTF-8", "1006", "RFC 6455 7.4"]);
    check(&talk(&server, "/nowhere", &[], b""), 1, "", &["answered 404 Not Found and not 101", "HTTP-ROUTE-001"]);
    let unused = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap();
    check(&talk_to(&format!("{unused}/ws"), &[], b""), 1, "", &["Connection refused", "Is it running"]);
    check(&talk_to("wss://127.0.0.1/", &[], b""), 2, "", &["needs TLS"]);
    check(&talk(&server, "/ws", &["--protocol", "a b"], b""), 2, "", &["no subprotocol"]);
    check(&talk(&server, "/ws", &["--header", "Upgrade: x"], b""), 2, "", &["says Upgrade itself"]);
    assert_eq!(run(&["ws"]).status.code(), Some(2));
    assert_eq!(run(&["ws", "--help"]).status.code(), Some(0));
}

#[test]
fn a_trace_shows_both_ways_and_no_secret_and_keeps_the_output_clean() {
    let server = Server::start(&["--trace"]);
    let args = ["--trace", "--no-compression", "--header", "Cookie: secret=1"];
    let output = talk(&server, "/ws", &args, b"hello\n/close 1001 bye\n");
    let frames = [
        "opcode 0x1 text, FIN, the whole message: 5 bytes, masked with ",
        "text message, 5 bytes, RFC 6455 5.6",
        "opcode 0x8 close, FIN: 5 bytes, masked with ",
        "1001 going away: A server stops, or a page is left., RFC 6455 5.5.1",
        r"\x81\x05 ",
        "over: Close 1001 going away",
    ];
    let client_only = ["connected to ", "GET /ws HTTP/1.1", "Cookie: ********", "HTTP/1.1 101 Switching Protocols"];
    check(&output, 0, "hello\n", &[&client_only[..], &frames].concat());
    wait_for("the other end of the same", || frames.iter().all(|words| server.stderr().contains(words)).then_some(()));
    assert!(!server.stderr().contains("secret"));
}

/// A server for one client: it agrees to what it is told to, says `frames`, and gives back the request.
fn scripted(agrees: &'static str, frames: &'static [u8]) -> (String, JoinHandle<String>) {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let url = format!("ws://{}/chat?a=b", listener.local_addr().unwrap());
    let serving = thread::spawn(move || {
        let (mut stream, _) = listener.accept().unwrap();
        stream.set_read_timeout(Some(SOON)).unwrap();
        let request = read_head(&mut stream);
        let key = request.split_once("Sec-WebSocket-Key: ").unwrap().1.lines().next().unwrap().to_owned();
        let accept = accept_key(key.as_bytes());
        let head = "HTTP/1.1 101 Yes\r\nUpgrade: websocket\r\nConnection: Upgrade\r\nSec-WebSocket-Accept:";
        stream.write_all(format!("{head} {accept}\r\n{agrees}\r\n").as_bytes()).unwrap();
        stream.write_all(frames).unwrap();
        let mut rest = Vec::new();
        // A reset is an end, too.
        let _ = stream.read_to_end(&mut rest);
        request
    });
    (url, serving)
}

fn read_head(stream: &mut TcpStream) -> String {
    let mut head = Vec::new();
    while !head.ends_with(b"\r\n\r\n") {
        let mut byte = [0];
        stream.read_exact(&mut byte).unwrap();
        head.push(byte[0]);
    }
    String::from_utf8(head).unwrap()
}

#[test]
fn flags_say_what_is_asked() {
    let (url, serving) = scripted("Sec-WebSocket-Protocol: b\r\n", b"\x88\x02\x03\xe8");
    let args = ["--protocol", "a", "--protocol", "b", "--origin", "http://x", "--header", "Authorization: Basic eA=="];
    check(&talk_to(&url, &[&args[..], &["--no-compression", "--wait", "20"]].concat(), b""), 0, "", &[]);
    let request = serving.join().unwrap();
    assert!(request.starts_with("GET /chat?a=b HTTP/1.1\r\n"), "{request}");
    for line in ["Sec-WebSocket-Protocol: a, b", "Origin: http://x", "Authorization: Basic eA=="] {
        assert!(request.contains(&format!("\r\n{line}\r\n")), "{line}: {request}");
    }
    assert!(!request.contains("Extensions"), "{request}");
}

#[test]
fn what_a_server_does_is_told() {
    let told = |frames, code, stdout: &str, stderr: &[&str]| {
        let (url, serving) = scripted("", frames);
        check(&talk_to(&url, &["--wait", "20"], b""), code, stdout, stderr);
        serving.join().unwrap();
    };
    told(b"\x89\x02hi\x81\x02ok\x88\x02\x03\xe8", 0, "ok\n", &["ping, and it was answered: \"hi\""]);
    told(b"\x8a\x01x\x88\x00", 0, "", &["pong, which nobody has asked for: \"x\""]);
    told(b"\x88\x07\x03\xf5later", 1, "", &["closed: 1013 try again later. ", "The server says: later"]);
    told(b"\x83\x00", 1, "", &["the peer has broken a rule: this opcode is reserved (RFC 6455 5.2)"]);
    told(b"\x81\x01\xff", 1, "", &["RFC 6455 8.1"]);
}

#[test]
fn a_server_that_agrees_to_what_was_not_offered_is_left() {
    let (url, serving) = scripted("Sec-WebSocket-Protocol: c\r\n", b"");
    check(&talk_to(&url, &["--protocol", "a"], b""), 1, "", &["has chosen the subprotocol `c`"]);
    serving.join().unwrap();
}
