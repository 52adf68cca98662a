//! Fuzzes what an application may put into an answer: any field name and value, any status, any content.
//!
//! ```text
//!   status, lines, content, trailers ── Response ──> server ──> bytes ──> a strict reader: one answer, the same lines in
//!                                                                         the same order, the same content, no byte more
//! ```
//!
//! A name that is no token is refused, a value that would split the message is refused or escaped, and framing fields
//! are the encoder's alone: what is left of them cannot be seen by the reader.

#![no_main]

use std::pin::Pin;
use std::sync::{Arc, Mutex};
use std::task::{Context, Poll};

use arbitrary::Arbitrary;
use bytes::Bytes;
use firstbyte::http::body::{BodyError, Source};
use firstbyte::http::h1::chunked::{Whole, decode_whole};
use firstbyte::http::test::TestServer;
use firstbyte::http::{Body, Fields, Handler, Limits, Method, Request, Response, Server, Status};
use firstbyte_fuzz::judge::answers::read_answer;
use firstbyte_fuzz::tape::{Paused, lock};
use libfuzzer_sys::fuzz_target;

/// What the encoder writes itself.
const FRAMING: [&str; 3] = ["Content-Length", "Transfer-Encoding", "Connection"];

/// What it adds where a handler has not.
const ADDED: [&str; 2] = ["Date", "Server"];

thread_local! {
    static STAGE: Stage = Stage::default();
}

fuzz_target!(|made: Made<'_>| STAGE.with(|stage| stage.play(&made)));

/// One answer, and what it is an answer to.
#[derive(Arbitrary, Debug)]
struct Made<'a> {
    to: To,
    status: u16,
    lines: Vec<Line<'a>>,
    content_type: Option<&'a str>,
    content: &'a [u8],
    streamed: bool,
    trailers: Vec<Line<'a>>,
    closes: bool,
}

#[derive(Arbitrary, Clone, Copy, Debug)]
enum To {
    Get,
    Head,
    GetOfHttp10,
}

#[derive(Arbitrary, Debug)]
struct Line<'a> {
    how: How,
    name: Name<'a>,
    value: &'a [u8],
}

#[derive(Arbitrary, Clone, Copy, Debug)]
enum How {
    Append,
    AppendEscaped,
    Set,
}

#[derive(Arbitrary, Clone, Copy, Debug)]
enum Name<'a> {
    ContentLength,
    TransferEncoding,
    Connection,
    Date,
    SetCookie,
    Location,
    Other(&'a str),
}

impl<'a> Name<'a> {
    fn text(self) -> &'a str {
        match self {
            Name::ContentLength => "content-Length",
            Name::TransferEncoding => "Transfer-encoding",
            Name::Connection => "CONNECTION",
            Name::Date => "Date",
            Name::SetCookie => "Set-Cookie",
            Name::Location => "Location",
            Name::Other(name) => name,
        }
    }
}

impl Made<'_> {
    fn fields(lines: &[Line<'_>]) -> Fields {
        let mut fields = Fields::new();
        // Heads of ours have no limit; the reader here has one.
        for line in lines.iter().take(16) {
            let (name, before) = (line.name.text(), fields.len());
            let added = match line.how {
                How::Append => fields.append(name, line.value),
                How::Set => fields.set(name, line.value),
                // It is for names of the program: others are a panic.
                How::AppendEscaped => Fields::new().append(name, "").map(|()| fields.append_escaped(name, line.value)),
            };
            match added {
                Ok(()) => check_kept(line, fields.iter().last().expect("a line")),
                Err(_) => assert_eq!(fields.len(), before, "a refused line stays out"),
            }
        }
        fields
    }

    /// The answer: its status is never an interim one, which the server replaces.
    fn response(&self) -> Response {
        let status = Status::new(200 + self.status % 400).expect("200 to 599");
        let mut response = Response::new(status);
        if let Some(content_type) = self.content_type {
            response = response.with_content(content_type, Body::empty());
        }
        let type_lines: Vec<Vec<u8>> = response.fields().iter().map(|(_, value)| value.to_vec()).collect();
        *response.fields_mut() = Made::fields(&self.lines);
        for value in type_lines {
            response = response.with("Content-Type", value);
        }
        *response.body_mut() = if self.streamed {
            let (first, second) = self.content.split_at(self.content.len() / 2);
            let pieces = [second, first].map(Bytes::copy_from_slice).to_vec();
            Body::source(Streamed { pieces, trailers: Some(Made::fields(&self.trailers)) })
        } else {
            Body::from(self.content.to_vec())
        };
        if self.closes { response.with_close() } else { response }
    }
}

/// What was added says what it was given, but for bytes that would split it.
fn check_kept(line: &Line<'_>, (name, value): (&str, &[u8])) {
    let harmless = |byte: &u8| matches!(byte, b'\t' | b' '..=b'~' | 0x80..);
    assert_eq!(name, line.name.text());
    assert!(name.bytes().all(|byte| byte.is_ascii_graphic() && !b"\"(),/:;<=>?@[\\]{}".contains(&byte)), "{name:?}");
    let expected = line.value.iter().map(|byte| if harmless(byte) { *byte } else { b' ' });
    assert!(value.iter().copied().eq(expected), "{line:?} became {value:?}");
}

/// Content in two pieces, the last one first.
struct Streamed {
    pieces: Vec<Bytes>,
    trailers: Option<Fields>,
}

impl Source for Streamed {
    fn poll_next(mut self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<Option<Result<Bytes, BodyError>>> {
        Poll::Ready(self.pieces.pop().map(Ok))
    }

    fn trailers(mut self: Pin<&mut Self>) -> Option<Fields> {
        self.trailers.take()
    }
}

/// A server that answers with what it is given.
struct Stage {
    clock: Paused,
    server: TestServer<Answering>,
    next: Arc<Mutex<Option<Response>>>,
}

struct Answering(Arc<Mutex<Option<Response>>>);

impl Handler for Answering {
    async fn handle(&self, _: Request) -> Response {
        lock(&self.0).take().expect("one request, one answer")
    }
}

impl Default for Stage {
    fn default() -> Stage {
        let next = Arc::<Mutex<Option<Response>>>::default();
        let server = TestServer::new(Server::new(Answering(Arc::clone(&next))));
        Stage { clock: Paused::default(), server, next }
    }
}

impl Stage {
    fn play(&self, made: &Made<'_>) {
        let response = made.response();
        let (status, fields) = (response.status(), response.fields().clone());
        *lock(&self.next) = Some(response);
        let (method, request) = match made.to {
            To::Get => (Method::GET, "GET / HTTP/1.1\r\nHost: x\r\n\r\n"),
            To::Head => (Method::HEAD, "HEAD / HTTP/1.1\r\nHost: x\r\n\r\n"),
            To::GetOfHttp10 => (Method::GET, "GET / HTTP/1.0\r\nConnection: keep-alive\r\n\r\n"),
        };
        let sent = self.clock.answers(&self.server, request.as_bytes());
        let shown = || format!("{made:?}\n{}", sent.escape_ascii());
        let answer = read_answer(&sent, Some(method)).unwrap_or_else(|wrong| panic!("{wrong}: {}", shown()));
        assert_eq!((answer.status, answer.len, answer.broke_off), (status.code(), sent.len(), false), "{}", shown());
        let head = check_lines(&sent, &fields).unwrap_or_else(|wrong| panic!("{wrong}: {}", shown()));
        let bare = method == Method::HEAD || status.forbids_content() || status == Status::RESET_CONTENT;
        let expected = if bare { &[][..] } else { made.content };
        let content = &sent[head.len..];
        let content = if head.chunked && !bare { unchunked(content, made) } else { content.to_vec() };
        assert!(content == expected, "other content: {}", shown());
    }
}

struct Head {
    len: usize,
    chunked: bool,
}

/// The reader finds the lines that were given, in their order, and behind them those that the server adds.
fn check_lines(sent: &[u8], given: &Fields) -> Result<Head, String> {
    let mut slots = [httparse::EMPTY_HEADER; 32];
    let mut head = httparse::Response::new(&mut slots);
    let Ok(httparse::Status::Complete(len)) = head.parse(sent) else { return Err("no head".to_owned()) };
    let mut read = head.headers.iter();
    for (name, value) in given.iter().filter(|(name, _)| !is_one_of(name, &FRAMING)) {
        let line = read.next().ok_or("a line is missing")?;
        // RFC 9112 5.1: white space around a value is no part of it.
        if line.name != name || line.value != value.trim_ascii() {
            return Err(format!("{name} has become {}", line.name));
        }
    }
    let added: Vec<&str> = read.map(|line| line.name).collect();
    let once = |name: &&str| added.iter().filter(|other| other.eq_ignore_ascii_case(name)).count() == 1;
    let ours = |name: &&str| is_one_of(name, &FRAMING) || (is_one_of(name, &ADDED) && !given.contains(name));
    if !added.iter().all(|name| ours(name) && once(name)) {
        return Err(format!("lines that nobody wrote: {added:?}"));
    }
    Ok(Head { len, chunked: is_one_of("Transfer-Encoding", &added) })
}

fn is_one_of(name: &str, names: &[&str]) -> bool {
    names.iter().any(|other| other.eq_ignore_ascii_case(name))
}

/// The content, and that its trailers are those that were given, but for those that may not be.
fn unchunked(content: &[u8], made: &Made<'_>) -> Vec<u8> {
    let limits = Limits { trailer_bytes_max: usize::MAX, ..Limits::default() };
    let Whole { content, trailers, .. } = decode_whole(content, &limits).expect("chunks").expect("an end");
    let given = Made::fields(&made.trailers);
    let mut given = given.iter();
    for (name, value) in trailers.iter() {
        let found = given.any(|(other, given)| other == name && given.trim_ascii() == value);
        assert!(found, "a trailer that nobody wrote: {name}");
    }
    content
}
