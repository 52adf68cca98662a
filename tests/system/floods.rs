//! Messages without end: each is cut at its bound, its client can read why, and none of it stays in memory.

use std::io::{ErrorKind, Write};
use std::net::{Shutdown, TcpStream};
use std::time::{Duration, Instant};

use crate::server::{Server, read_to_end, wait_for};

/// Begins as `opening` says, goes on with `piece` again and again, and is answered with `status`.
pub struct Flood {
    name: &'static str,
    opening: &'static str,
    piece: &'static str,
    status: u16,
}

const CHUNKED: &str = "POST /echo HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\n";
/// A route that takes as much content as any does unless it says otherwise.
const CHUNKED_BOUNDED: &str = "POST /anything HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\n";
/// A chunk that carries one byte and 62 of an extension.
const EXTENDED: &str = "1;name=aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa\r\nx\r\n";

#[rustfmt::skip]
pub const HEADS: &[Flood] = &[
    Flood { name: "empty lines", opening: "", piece: "\r\n", status: 400 },
    Flood { name: "empty lines behind a request", opening: "GET /plaintext HTTP/1.1\r\nHost: x\r\n\r\n", piece: "\r\n",
            status: 400 },
    Flood { name: "a method", opening: "", piece: "A", status: 501 },
    Flood { name: "spaces", opening: "GET ", piece: " ", status: 400 },
    Flood { name: "a target", opening: "GET /", piece: "a", status: 414 },
    Flood { name: "a version", opening: "GET / HTTP/1.1", piece: "1", status: 400 },
    Flood { name: "a field name", opening: "GET / HTTP/1.1\r\n", piece: "a", status: 431 },
    Flood { name: "white space before a value", opening: "GET / HTTP/1.1\r\nHost:", piece: " ", status: 431 },
    Flood { name: "a field value", opening: "GET / HTTP/1.1\r\nHost: ", piece: "a", status: 431 },
    Flood { name: "field lines", opening: "GET / HTTP/1.1\r\n", piece: "a: b\r\n", status: 431 },
    Flood { name: "cookies",
            opening: "GET / HTTP/1.1\r\n", piece: "Cookie: aaaaaaaaaaaaaaaaaaaaaaaaaaaaaa\r\n", status: 431 },
    Flood { name: "no HTTP at all", opening: "\x16\x03\x01\x02", piece: "\x01\x02\x03\x04", status: 400 },
];

#[rustfmt::skip]
pub const CONTENTS: &[Flood] = &[
    Flood { name: "a declared length",
            opening: "POST /anything HTTP/1.1\r\nHost: x\r\nContent-Length: 9999999999\r\n\r\n",
            piece: "xxxxxxxxxxxxxxxx", status: 413 },
    Flood { name: "a length past counting",
            opening: "POST /anything HTTP/1.1\r\nHost: x\r\nContent-Length: 99999999999999999999\r\n\r\n",
            piece: "xxxxxxxxxxxxxxxx", status: 400 },
    Flood { name: "content where none is read",
            opening: "GET /plaintext HTTP/1.1\r\nHost: x\r\nContent-Length: 9999999999\r\n\r\n",
            piece: "xxxxxxxxxxxxxxxx", status: 413 },
    Flood { name: "content where nothing is",
            opening: "POST /nowhere HTTP/1.1\r\nHost: x\r\nContent-Length: 9999999999\r\n\r\n",
            piece: "xxxxxxxxxxxxxxxx", status: 404 },
    Flood { name: "chunks", opening: CHUNKED_BOUNDED, piece: "10\r\n0123456789abcdef\r\n", status: 413 },
    Flood { name: "chunks of one byte", opening: CHUNKED_BOUNDED, piece: "1\r\nx\r\n", status: 413 },
    Flood { name: "one chunk",
            opening: "POST /anything HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\nffffffff\r\n",
            piece: "xxxxxxxxxxxxxxxx", status: 413 },
    Flood { name: "zeros before a size", opening: CHUNKED, piece: "0", status: 400 },
    Flood { name: "digits of a size", opening: CHUNKED, piece: "f", status: 400 },
    Flood { name: "an extension", opening: "POST /echo HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\n1;a=",
            piece: "b", status: 400 },
    Flood { name: "a quoted extension",
            opening: "POST /echo HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\n1;a=\"",
            piece: "b", status: 400 },
    Flood { name: "extensions", opening: CHUNKED_BOUNDED, piece: EXTENDED, status: 400 },
    Flood { name: "a trailer", opening: "POST /echo HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\n0\r\nA: ",
            piece: "b", status: 431 },
    Flood { name: "trailers", opening: "POST /echo HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n",
            piece: "A: b\r\n", status: 431 },
];

impl Flood {
    /// Sends up to `bytes` of it, as fast as they are taken, and reads what the server says until it closes.
    pub fn pour(&self, mut stream: TcpStream, bytes: usize) -> String {
        let mut sending = stream.try_clone().unwrap();
        std::thread::scope(|scope| {
            scope.spawn(move || {
                let wave = self.piece.repeat(WAVE_BYTES / self.piece.len());
                let waves = std::iter::repeat_n(wave.as_bytes(), bytes / WAVE_BYTES);
                // The server may close before all is sent: that is for the answer to tell.
                let _ =
                    std::iter::once(self.opening.as_bytes()).chain(waves).try_for_each(|wave| sending.write_all(wave));
                let _ = sending.shutdown(Shutdown::Write);
            });
            read_to_end(&mut stream)
        })
    }

    fn check(&self, server: &Server, bytes: usize) {
        let answer = self.pour(server.connect(), bytes);
        let (until, _) = answer.split_once("\r\nConnection: close\r\n").unwrap_or((&answer, ""));
        let last = until.rfind("HTTP/1.1 ").map_or("", |at| &until[at..]);
        assert!(last.starts_with(&format!("HTTP/1.1 {} ", self.status)), "{}: {answer:?}", self.name);
        assert!(until.len() < answer.len(), "{}: no close is announced: {answer:?}", self.name);
    }
}

/// What is sent at once.
const WAVE_BYTES: usize = 64 * 1024;

/// Enough of each flood to reach every bound: chunks of one byte bring a mebibyte of content in six.
const ENOUGH: usize = 8 << 20;

/// Pours every flood, one after the other, and says by how many KiB the most memory that the process ever had has grown.
fn growth(server: &Server, floods: &[Flood], bytes: usize) -> u64 {
    // A first wave of each brings in code.
    floods.iter().for_each(|flood| drop(flood.pour(server.connect(), WAVE_BYTES)));
    let before = server.forget_peak();
    floods.iter().for_each(|flood| flood.check(server, bytes));
    server.status_of("VmHWM:").saturating_sub(before)
}

#[test]
fn a_message_without_end_is_cut_and_its_client_reads_why() {
    let server = Server::start(&["--log=error"]);
    let (heads, contents) = (growth(&server, HEADS, ENOUGH), growth(&server, CONTENTS, ENOUGH));
    assert!(heads + contents <= 1024, "heads: {heads} KiB, contents: {contents} KiB");
    assert!(server.exchange(b"GET /plaintext HTTP/1.0\r\n\r\n").ends_with("Hello, World!"));
    assert_eq!(server.stderr(), "", "a flood does not reach the log");
}

#[test]
#[ignore = "takes a minute, and measures the release build: make soak"]
fn sixty_four_mebibytes_of_anything_leave_nothing_behind() {
    const BYTES: usize = 64 << 20;
    let server = Server::start(&["--log=error"]);
    let heads = growth(&server, HEADS, BYTES);
    let contents = growth(&server, CONTENTS, BYTES);
    eprintln!("{} floods of heads: +{heads} KiB; {} of contents: +{contents} KiB", HEADS.len(), CONTENTS.len());
    assert!(heads <= 205, "heads: {heads} KiB");
    assert!(contents <= 1024, "contents: {contents} KiB");
}

/// More than the kernels of both ends hold.
const UNREAD_BYTES_MAX: usize = 64 << 20;

/// As many pipelined requests as a client gets rid of that reads no answer.
pub fn pipeline_unread(mut stream: TcpStream, path: &str) -> (TcpStream, usize) {
    stream.set_nonblocking(true).unwrap();
    let wave = format!("GET {path} HTTP/1.1\r\nHost: x\r\n\r\n").repeat(1_000);
    let (mut sent, mut last) = (0, Instant::now());
    while last.elapsed() < Duration::from_millis(300) && sent < UNREAD_BYTES_MAX {
        match stream.write(&wave.as_bytes()[sent % wave.len()..]) {
            Ok(count) => (sent, last) = (sent + count, Instant::now()),
            Err(error) if error.kind() != ErrorKind::WouldBlock => break,
            Err(_) => std::thread::sleep(Duration::from_millis(10)),
        }
    }
    (stream, sent)
}

const GOODBYE: &[u8] = b"GET /plaintext HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n";

/// Lets a client that reads nothing pipeline as much as it can, until it is cut, and says what that cost, in KiB.
fn cost_of_unread(server: &Server, path: &str) -> u64 {
    // A first few bring in code.
    let few = format!("GET {path} HTTP/1.1\r\nHost: x\r\n\r\n").repeat(3);
    assert!(server.exchange(&[few.as_bytes(), GOODBYE].concat()).ends_with("Hello, World!"));
    let before = server.forget_peak();
    let (_stream, sent) = pipeline_unread(server.connect(), path);
    let grown = server.status_of("VmHWM:").saturating_sub(before);
    assert!(sent < UNREAD_BYTES_MAX, "{path}: it reads on");
    wait_for("it is cut", || server.phases().is_empty().then_some(()));
    grown
}

#[test]
fn a_pipeline_whose_answers_nobody_reads_is_not_read_from() {
    let server = Server::start(&["--log=error", "--write-rate=1KiB/s over 500ms, credit 500ms"]);
    for path in ["/plaintext", "/bytes/30000", "/big"] {
        let grown = cost_of_unread(&server, path);
        assert!(grown <= 512, "{path}: {grown} KiB");
    }
}

#[test]
#[ignore = "takes a minute, and measures the release build: make soak"]
fn an_unread_pipeline_costs_half_a_mebibyte_at_most() {
    let server = Server::start(&["--log=error"]);
    for path in ["/plaintext", "/bytes/30000", "/big"] {
        let grown = cost_of_unread(&server, path);
        eprintln!("an unread pipeline of {path}: +{grown} KiB");
        assert!(grown <= 512, "{path}: {grown} KiB");
    }
}
