//! Judges what a client makes of arbitrary bytes that a server sends it, cut arbitrarily.
//!
//! ```text
//!   bytes ── whole ────────────┐
//!         ── cut at few places ┼─ cores ── the same verdict at the same offset ── httparse: the same status and lines
//!         ── byte by byte ─────┘              │
//!         ── cut, over memory ── Client ──────┴─ the same answer, or the same fault: the driver adds and loses nothing
//! ```
//!
//! How the bytes are cut, and which method was asked, is drawn from the bytes themselves. The bytes end with a FIN.

use std::fmt;

use firstbyte::http::body::BodyError;
use firstbyte::http::client::{Client, ClientConfig, ClientError, Connecting, Connector, Outgoing, boxed};
use firstbyte::http::h1::answer_head::{AnswerError, AnswerFault, AnswerHead, AnswerParser, Found};
use firstbyte::http::h1::framing::decide_answer;
use firstbyte::http::h1::machine::{Receive, Received};
use firstbyte::http::url::Origin;
use firstbyte::http::{Fault, Fields, Limits, Method, Status, Url};
use firstbyte::net::duplex;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::runtime::{Builder, Runtime};
use tokio::task::yield_now;

use super::draw::Draw;

/// Bytes that the wire holds in each direction: little, so that writes have to wait.
const WIRE_BYTES: usize = 512;

/// Most places at which an input is cut.
const CUTS: usize = 6;

const HEAD_BYTES_MAX: usize = 1_024;
const FIELD_LINES_MAX: usize = 12;

/// What a client makes of some bytes, and then the end.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Outcome {
    /// No head of an answer is whole.
    More,
    /// The head is refused.
    Refused(AnswerError),
    /// An answer.
    Answer(Seen),
}

/// An answer.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Seen {
    pub status: u16,
    pub lines: Vec<(String, Vec<u8>)>,
    pub content: Vec<u8>,
    /// Why the content is not whole.
    pub fault: Option<ContentFault>,
    pub trailers: Vec<(String, Vec<u8>)>,
    /// Whether the connection may be used again, as far as the answer has a say in it.
    pub keep_alive: bool,
    /// Bytes behind the answer.
    pub left: usize,
}

/// Why content is not whole.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ContentFault {
    Malformed(Fault),
    Incomplete,
}

/// A runtime in which one client after the other asks.
pub struct Asking(Runtime);

impl Default for Asking {
    fn default() -> Asking {
        Asking(Builder::new_current_thread().enable_time().start_paused(true).build().expect("a runtime"))
    }
}

impl Asking {
    /// Judges `bytes` as the answer to a method that is drawn from them.
    pub fn judge(&self, bytes: &[u8]) -> Outcome {
        let mut draw = Draw::of(bytes);
        let method = *draw.of_these(&[Method::GET, Method::GET, Method::POST, Method::HEAD, Method::CONNECT]);
        self.judge_to(method, bytes, &mut draw)
    }

    /// Judges `bytes` as the answer to `method`.
    pub fn judge_to(&self, method: Method, bytes: &[u8], draw: &mut Draw) -> Outcome {
        let outcome = of_cores(method, bytes, [bytes.len()]);
        let cuts = draw.cuts(bytes.len(), CUTS);
        assert_eq!(outcome, of_cores(method, bytes, cuts.iter().copied()), "{method}, cut at {cuts:?}");
        if draw.next(16) == 0 {
            assert_eq!(outcome, of_cores(method, bytes, 0..=bytes.len()), "{method}, byte by byte");
        }
        if let Outcome::Answer(seen) = &outcome {
            agree_with_httparse(seen, bytes);
            assert!(seen.lines.len() <= FIELD_LINES_MAX);
        }
        if method != Method::CONNECT {
            self.agree_with_client(method, bytes, &cuts, &outcome);
        }
        outcome
    }

    fn agree_with_client(&self, method: Method, bytes: &[u8], cuts: &[usize], outcome: &Outcome) {
        let asked = self.0.block_on(ask(method, bytes, cuts));
        match (asked, outcome) {
            (Ok(asked), Outcome::Answer(seen)) => {
                // Whether the connection is used again depends on when its end comes.
                let seen = Seen { keep_alive: false, left: 0, ..seen.clone() };
                assert_eq!(asked, seen, "{method}, cut at {cuts:?}");
            }
            (Err(ClientError::Malformed(error)), Outcome::Refused(expected)) => assert_eq!(error, *expected),
            (Err(ClientError::Ended(_)), Outcome::More) => {}
            // The end comes before the request.
            (Err(ClientError::Ended(_)), _) if bytes.is_empty() => {}
            (asked, outcome) => panic!("{method}: the client has {asked:?}, the cores have {outcome:?}"),
        }
    }
}

fn limits() -> Limits {
    Limits { head_bytes_max: HEAD_BYTES_MAX, field_lines_max: FIELD_LINES_MAX, ..Limits::default() }
}

/// What the cores make of bytes that arrive up to each of `ends`.
fn of_cores(method: Method, bytes: &[u8], ends: impl IntoIterator<Item = usize>) -> Outcome {
    let limits = limits();
    let (mut parser, mut head, mut start) = (AnswerParser::default(), AnswerHead::default(), 0);
    let mut answer: Option<(Seen, Receive)> = None;
    for end in ends {
        while answer.is_none() {
            match parser.parse(&bytes[start..end], &limits, &mut head) {
                Err(error) => return Outcome::Refused(error),
                Ok(Found::NeedMore) => break,
                Ok(Found::Interim { len }) => start += len,
                Ok(Found::Answer { len }) => {
                    if head.status() == Status::SWITCHING_PROTOCOLS {
                        return Outcome::Refused(AnswerFault::SwitchedUnasked.at(0));
                    }
                    let fields = head.take_fields(bytes[start..start + len].to_vec());
                    start += len;
                    match decide_answer(head.version(), method, head.status(), &fields) {
                        Err(error) => return Outcome::Refused(error.into()),
                        Ok(framing) => {
                            let seen = Seen {
                                status: head.status().code(),
                                lines: lines(&fields),
                                content: Vec::new(),
                                fault: None,
                                trailers: Vec::new(),
                                keep_alive: framing.keep_alive,
                                left: 0,
                            };
                            answer = Some((seen, Receive::of_answer(framing.content())));
                        }
                    }
                }
            }
        }
        if let Some((seen, receive)) = &mut answer {
            start += receive_some(&bytes[start..end], receive, seen, &limits);
        }
    }
    let Some((mut seen, mut receive)) = answer else { return Outcome::More };
    if seen.fault.is_none() && !receive.close() {
        seen.fault = Some(ContentFault::Incomplete);
    }
    seen.trailers = receive.take_trailers().map(|trailers| lines(&trailers)).unwrap_or_default();
    seen.left = if seen.fault.is_none() { bytes.len() - start } else { 0 };
    Outcome::Answer(seen)
}

/// Takes content off `bytes` and says how many were used.
fn receive_some(bytes: &[u8], receive: &mut Receive, seen: &mut Seen, limits: &Limits) -> usize {
    let mut used = 0;
    while seen.fault.is_none() && !receive.is_ended() {
        match receive.step(&bytes[used..], limits) {
            Err(error) => seen.fault = Some(ContentFault::Malformed(error.fault)),
            Ok((_, Received::NeedMore)) if used == bytes.len() => break,
            Ok((count, received)) => {
                if received == Received::Content {
                    seen.content.extend_from_slice(&bytes[used..used + count]);
                }
                used += count;
            }
        }
    }
    used
}

fn lines(fields: &Fields) -> Vec<(String, Vec<u8>)> {
    fields.iter().map(|(name, value)| (name.to_owned(), value.to_vec())).collect()
}

/// What we accept, httparse accepts too, with the same status and the same lines.
fn agree_with_httparse(seen: &Seen, bytes: &[u8]) {
    let mut rest = bytes;
    loop {
        let mut slots = [httparse::EMPTY_HEADER; FIELD_LINES_MAX];
        let mut head = httparse::Response::new(&mut slots);
        let parsed = httparse::ParserConfig::default().parse_response(&mut head, rest);
        // RFC 9110 2.5: later minor versions are no fault, and are one for httparse.
        if parsed == Err(httparse::Error::Version) {
            return;
        }
        let Ok(httparse::Status::Complete(len)) = parsed else { panic!("httparse has {parsed:?}, we have {seen:?}") };
        if head.code.is_some_and(|code| code < 200) {
            rest = &rest[len..];
            continue;
        }
        let theirs: Vec<_> = head.headers.iter().map(|line| (line.name.to_owned(), line.value.to_vec())).collect();
        assert_eq!((head.code, &theirs), (Some(seen.status), &seen.lines));
        return;
    }
}

/// What the client makes of `bytes` that come in pieces, and then the end.
async fn ask(method: Method, bytes: &[u8], cuts: &[usize]) -> Result<Seen, ClientError> {
    let pieces = cuts.windows(2).map(|cut| bytes[cut[0]..cut[1]].to_vec()).collect();
    let config =
        ClientConfig { head_bytes_max: HEAD_BYTES_MAX, field_lines_max: FIELD_LINES_MAX, ..ClientConfig::default() };
    let client = Client::with_connector(config, Scripted(pieces));
    let url = Url::parse("http://peer/").expect("an address");
    let mut answer = client.send(Outgoing::new(method, &url)).await?;
    let (mut content, mut fault) = (Vec::new(), None);
    while let Some(piece) = answer.next().await {
        match piece {
            Ok(piece) => content.extend_from_slice(&piece),
            Err(BodyError::Malformed(problem)) => fault = Some(ContentFault::Malformed(problem.fault())),
            Err(BodyError::Incomplete) => fault = Some(ContentFault::Incomplete),
            Err(error) => panic!("{error}"),
        }
    }
    let trailers = answer.body.trailers().map(|trailers| lines(&trailers)).unwrap_or_default();
    let (status, lines) = (answer.status.code(), lines(&answer.fields));
    drop(answer);
    let counts = client.counts();
    assert_eq!(counts.open, counts.idle, "what is over holds no connection");
    Ok(Seen { status, lines, content, fault, trailers, keep_alive: false, left: 0 })
}

/// A peer that reads one request, and then says these pieces.
struct Scripted(Vec<Vec<u8>>);

impl Connector for Scripted {
    fn connect<'a>(&'a self, _: &'a Origin) -> Connecting<'a> {
        let (ours, mut theirs) = duplex(WIRE_BYTES);
        let pieces = self.0.clone();
        tokio::spawn(async move {
            let mut request = Vec::new();
            while !request.ends_with(b"\r\n\r\n") {
                match theirs.read_buf(&mut request).await {
                    Ok(1..) => {}
                    _ => return,
                }
            }
            for piece in pieces {
                if theirs.write_all(&piece).await.is_err() {
                    return;
                }
                yield_now().await;
            }
            // A FIN, and nothing is read any more.
            let _ = theirs.shutdown().await;
            let _ = theirs.read_to_end(&mut request).await;
        });
        Box::pin(async move { Ok(boxed(ours)) })
    }
}

impl fmt::Display for Outcome {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Outcome::More => f.write_str("more"),
            Outcome::Refused(error) => write!(f, "refuse {:?} at {}", error.fault, error.at),
            Outcome::Answer(seen) => {
                let Seen { status, lines, content, fault, keep_alive, left, .. } = seen;
                let lives = if *keep_alive && fault.is_none() && *left == 0 { "kept" } else { "closed" };
                write!(f, "ok {status}, {} fields, {} bytes, {lives}", lines.len(), content.len())?;
                match fault {
                    None => write!(f, ", {left} left"),
                    Some(ContentFault::Malformed(fault)) => write!(f, ", content refused {}", fault.code()),
                    Some(ContentFault::Incomplete) => write!(f, ", content incomplete"),
                }
            }
        }
    }
}
