//! Fuzzes a whole server against hyper's: the same bytes to both, over memory, and the same handler behind them.
//!
//! ```text
//!   bytes ──> ours ──> handler: requests seen ──┐
//!         └─> hyper ─> handler: requests seen ──┴─ ours are the first of hyper's: equal in method, target, host and content
//!                                                  where hyper's go on, ours has answered with a refusal of `STRICTER`
//! ```
//!
//! Against the first rule there are two exceptions: HTTP/1.2 to HTTP/1.9, which hyper does not know, are HTTP/1.1 to us
//! (RFC 9110 2.5); and an absolute target may hold a percent triplet in its host, which its `Uri` cannot (RFC 3986 3.2.2).
//! Content that breaks off counts as not seen.

#![no_main]

use std::convert::Infallible;
use std::io;
use std::pin::Pin;
use std::sync::{Arc, Mutex};
use std::task::{Context, Poll};

use firstbyte::http::error::CATALOGUE;
use firstbyte::http::input::Rejection;
use firstbyte::http::test::TestServer;
use firstbyte::http::{Fault, Handler, IntoResponse, Limits, Method, Request, Response, Server};
use firstbyte_fuzz::judge::answers::read_answer;
use firstbyte_fuzz::judge::begun::{Begun, requests_begun};
use firstbyte_fuzz::judge::heads::{STRICTER as STRICTER_HEADS, has_later_minor};
use firstbyte_fuzz::tape::{Paused, Tape, lock};
use http_body_util::{BodyExt, Empty};
use hyper::Uri;
use hyper::body::{Bytes, Incoming};
use hyper::rt::{Read, ReadBufCursor, Write};
use hyper::server::conn::http1;
use hyper::service::service_fn;
use libfuzzer_sys::fuzz_target;

/// What hyper hands to its handler and we refuse, besides the heads that its parser takes and ours does not
/// (`tests/judge/heads.rs`): the fault, the section that lets us or makes us, and why.
const STRICTER: &[(Fault, &str, &str)] = &[
    (Fault::MissingHost, "RFC 9112 3.2", "400 is a must"),
    (Fault::DuplicateHost, "RFC 9112 3.2", "400 is a must: two readers may take one each"),
    (Fault::InvalidHost, "RFC 9112 3.2", "400 is a must"),
    (Fault::EmptyHost, "RFC 9110 4.2.1", "an http URI has a host"),
    (Fault::TargetForm, "RFC 9112 3.2", "one of four forms, and not a path without its slash"),
    (Fault::AsteriskWithoutOptions, "RFC 9112 3.2.4", "only OPTIONS may ask for *"),
    (Fault::ConnectWithoutAuthority, "RFC 9112 3.2.3", "CONNECT names a host and a port, and no other method does"),
    (Fault::UnknownScheme, "RFC 9112 3.2.2", "we are no proxy for other schemes"),
    (Fault::HttpsInTheClear, "RFC 9110 7.4", "421: there is no TLS here"),
    (Fault::InvalidTargetAuthority, "RFC 9110 4.2", "user information is one way to hide a host"),
    (Fault::BadPercentEncoding, "RFC 3986 2.1", "decoders differ on what it means"),
    (Fault::EncodedNul, "RFC 3986 7.3", "it ends the path for some that read it behind us"),
    (Fault::PathAboveRoot, "RFC 3986 5.2.4", "whoever climbs out means to"),
    (Fault::UnknownExpectation, "RFC 9110 10.1.1", "417, which is allowed"),
    (Fault::ContentNotAllowed, "RFC 9110 9.3", "content of CONNECT and TRACE would be the next reader's request"),
    (Fault::LengthAndTransferEncoding, "RFC 9112 6.3", "two lengths; may be refused, and smuggling is why"),
    (Fault::DuplicateContentLength, "RFC 9112 6.3", "equal or not, somebody in between has not looked"),
    (Fault::MalformedTransferEncoding, "RFC 9112 7.1", "empty members and parameters are read in several ways"),
    (Fault::UnknownTransferCoding, "RFC 9112 6.1", "501: hyper hands over what is still coded"),
    (Fault::ChunkedTwice, "RFC 9112 6.1", "a sender must not"),
    (Fault::ChunkedNotFinal, "RFC 9112 6.1", "last, and also before another coding: hyper looks at the last one only"),
    (Fault::ChunkLineEnd, "RFC 9112 7.1", "CR LF, and nothing else"),
    (Fault::WhitespaceInChunkLine, "RFC 9112 7.1.1", "bad white space: readers differ on it"),
    (Fault::InvalidChunkExtension, "RFC 9112 7.1.1", "hyper looks for the line's end only"),
    (Fault::ForbiddenTrailer, "RFC 9110 6.5.1", "refused, not dropped"),
];

thread_local! {
    static PEERS: Peers = Peers::default();
}

fuzz_target!(|input: &[u8]| PEERS.with(|peers| peers.compare(input)));

/// A request as a handler sees it, its content read to the end.
#[derive(Debug, PartialEq, Eq)]
struct Handled {
    method: String,
    target: Uri,
    host: Option<String>,
    content: Vec<u8>,
}

impl Handled {
    fn has_triplet_in_host(&self) -> bool {
        self.host.as_ref().is_some_and(|host| host.contains('%'))
    }
}

/// What a handler of ours was given; `None` where the content broke off.
type Log = Arc<Mutex<Vec<Option<Handled>>>>;

/// Both servers.
struct Peers {
    clock: Paused,
    ours: TestServer<Recording>,
    log: Log,
    limits: Limits,
}

impl Default for Peers {
    fn default() -> Peers {
        let (log, limits) = (Log::default(), Limits::default());
        let server = Server::new(Recording(Arc::clone(&log))).limits(limits.clone()).terse_errors(true);
        Peers { clock: Paused::default(), ours: TestServer::new(server), log, limits }
    }
}

/// Reads all content and answers nothing.
struct Recording(Log);

impl Handler for Recording {
    async fn handle(&self, mut request: Request) -> Response {
        match request.content().collect(u64::MAX).await {
            Ok(content) => {
                let handled = Handled {
                    method: request.method().to_string(),
                    // As hyper would read it: where it cannot, it has refused it.
                    target: request.target().parse().unwrap_or_default(),
                    host: request.authority().map(str::to_owned),
                    content: content.to_vec(),
                };
                lock(&self.0).push(Some(handled));
                ().into_response()
            }
            Err(error) => {
                lock(&self.0).push(None);
                Rejection::from(error).into_response()
            }
        }
    }
}

impl Peers {
    fn compare(&self, input: &[u8]) {
        let (ours, sent) = self.ours(input);
        let theirs = self.theirs(input);
        let answers = read_answers(input, &sent, &self.limits);
        let refusal = answers.last().and_then(Refusal::of);
        let shown = || {
            let (input, sent) = (input.escape_ascii(), sent.escape_ascii());
            format!("{input}\nours: {ours:?} {refusal:?}\nanswered: {sent}\ntheirs: {theirs:?}")
        };
        let whole: Vec<&Handled> = ours.iter().map_while(Option::as_ref).collect();
        for (index, handled) in whole.iter().enumerate() {
            match theirs.get(index) {
                None if has_later_minor(input) || handled.has_triplet_in_host() => return,
                other => assert!(other == Some(handled), "request {index} is another: {}", shown()),
            }
        }
        assert!(answers.iter().zip(&whole).all(|(answer, _)| answer.status == 204), "served and refused: {}", shown());
        if theirs.len() > whole.len() {
            assert!(refusal.is_some_and(Refusal::is_listed), "hyper saw more: {}", shown());
        }
    }

    /// What our handler sees, and what is answered.
    fn ours(&self, input: &[u8]) -> (Vec<Option<Handled>>, Vec<u8>) {
        let answers = self.clock.answers(&self.ours, input);
        (std::mem::take(&mut lock(&self.log)), answers)
    }

    /// What hyper's handler sees. It is given no timer.
    fn theirs(&self, input: &[u8]) -> Vec<Handled> {
        let log = Mutex::new(Vec::new());
        let service = service_fn(async |request: hyper::Request<Incoming>| {
            let (head, content) = request.into_parts();
            if let Ok(content) = content.collect().await {
                let authority = head.uri.authority().map(ToString::to_string);
                let host = head.headers.get("host").map(|host| String::from_utf8_lossy(host.as_bytes()).into_owned());
                lock(&log).push(Handled {
                    method: head.method.to_string(),
                    host: authority.or(host),
                    target: head.uri,
                    content: content.to_bytes().to_vec(),
                });
            }
            Ok::<_, Infallible>(hyper::Response::new(Empty::<Bytes>::new()))
        });
        let tape = HyperTape(Tape(Bytes::copy_from_slice(input)));
        let connection = http1::Builder::new().half_close(true).serve_connection(tape, service);
        // An error is its way to refuse.
        let _ = self.clock.run(connection);
        log.into_inner().expect("no panic while locked")
    }
}

/// What our last answer says, when it is a refusal.
#[derive(Clone, Copy, Debug)]
enum Refusal {
    For(Fault),
    /// An answer to HEAD names no fault.
    OfHead,
}

impl Refusal {
    fn of(answer: &Answered<'_>) -> Option<Refusal> {
        if answer.status < 400 {
            return None;
        }
        if answer.method == Some(Method::HEAD) {
            return Some(Refusal::OfHead);
        }
        let text = String::from_utf8_lossy(answer.bytes);
        let named = CATALOGUE.iter().find(|entry| text.contains(entry.code));
        Some(Refusal::For(named.unwrap_or_else(|| panic!("undocumented: {text}")).fault))
    }

    fn is_listed(self) -> bool {
        let Refusal::For(fault) = self else { return true };
        STRICTER.iter().chain(STRICTER_HEADS).any(|(listed, ..)| *listed == fault)
    }
}

/// One of our answers, and the method it is an answer to, where that is known.
struct Answered<'a> {
    status: u16,
    method: Option<Method>,
    bytes: &'a [u8],
}

/// Our answers to `input`, interim ones left out.
fn read_answers<'a>(input: &[u8], mut sent: &'a [u8], limits: &Limits) -> Vec<Answered<'a>> {
    let (begun, mut answers) = (requests_begun(input, limits), Vec::new());
    while !sent.is_empty() {
        let method = begun.get(answers.len()).and_then(Begun::method);
        let answer = read_answer(sent, method).expect("an answer");
        let (bytes, rest) = sent.split_at(answer.len);
        if answer.status != 100 {
            answers.push(Answered { status: answer.status, method, bytes });
        }
        sent = rest;
    }
    answers
}

/// The same bytes as hyper wants them.
struct HyperTape(Tape);

impl Read for HyperTape {
    fn poll_read(mut self: Pin<&mut Self>, _: &mut Context<'_>, mut into: ReadBufCursor<'_>) -> Poll<io::Result<()>> {
        let rest = &mut self.0.0;
        into.put_slice(&rest.split_to(rest.len().min(into.remaining())));
        Poll::Ready(Ok(()))
    }
}

/// Nobody reads what hyper answers.
impl Write for HyperTape {
    fn poll_write(self: Pin<&mut Self>, _: &mut Context<'_>, bytes: &[u8]) -> Poll<io::Result<usize>> {
        Poll::Ready(Ok(bytes.len()))
    }

    fn poll_flush(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<io::Result<()>> {
        Poll::Ready(Ok(()))
    }

    fn poll_shutdown(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<io::Result<()>> {
        Poll::Ready(Ok(()))
    }
}
