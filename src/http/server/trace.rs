//! Owns the words in which the driver tells a tap what the bytes are and what it decided, and the masking of secrets.
//!
//! Everything here runs only while somebody watches.
//!
//! Never: lets the value of Authorization, Proxy-Authorization, Cookie or Set-Cookie through; changes an offset: a masked
//! byte stands where its original stood.

use tokio::time::Instant;

use crate::http::h1::framing::{AnswerContent, AnswerFraming, Content, RequestFraming};
use crate::http::h1::machine::{Receive, Received};
use crate::http::{Limits, Problem, ProtocolError, Status};
use crate::net::deadline::Phase;
use crate::net::registry::Card;
use crate::net::tap::{Part, Tap, What};

/// A request's head, whole and understood.
pub const REQUEST_HEAD: Part = Part { name: "request head", section: "RFC 9112 3" };
/// What was understood of a head before the byte that refused it.
pub const REFUSED_HEAD: Part = Part { name: "refused head", section: "RFC 9112 2.2" };
/// The rest of a refused head, from the offending byte on.
pub const REFUSED_REST: Part = Part { name: "refused from here", section: "RFC 9112 2.2" };
/// The head of an answer.
pub const ANSWER_HEAD: Part = Part { name: "answer head", section: "RFC 9112 4" };
/// The bytes that begin every answer, sent ahead; [`ANSWER_HEAD`] goes on behind them.
pub const ANSWER_BEGIN: Part = Part { name: "answer begun", section: "RFC 9112 4" };
/// An interim answer.
pub const INTERIM_HEAD: Part = Part { name: "interim answer", section: "RFC 9110 15.2" };
/// Content that is not chunked.
pub const CONTENT: Part = Part { name: "content", section: "RFC 9112 6" };
/// The line of a chunk, perhaps with the line end of the data before it.
pub const CHUNK_LINE: Part = Part { name: "chunk size", section: "RFC 9112 7.1" };
/// The data of a chunk, or a part of it.
pub const CHUNK_DATA: Part = Part { name: "chunk data", section: "RFC 9112 7.1" };
/// What ends chunked content: in an answer the last chunk too.
pub const LAST_CHUNK: Part = Part { name: "last chunk, trailers", section: "RFC 9112 7.1.2" };
/// Framing of chunks that has come in part. Not shown: it may be half a trailer, and half a secret cannot be masked.
pub const CHUNK_PART: Part = Part { name: "part of a chunk line or trailer", section: "RFC 9112 7.1" };

/// Fields whose values are secrets.
const SECRET: [&[u8]; 4] = [b"authorization", b"proxy-authorization", b"cookie", b"set-cookie"];

/// `head` with every secret value replaced by asterisks, byte for byte. A refused head is no better understood than its
/// sender deserves, so a bare CR ends a line here too, and a folded line belongs to the one before.
pub(crate) fn masked(head: &[u8]) -> Vec<u8> {
    let mut masked = head.to_vec();
    let mut secret = false;
    for line in masked.split_mut(|&byte| matches!(byte, b'\r' | b'\n')).filter(|line| !line.is_empty()) {
        let folded = secret && matches!(line[0], b' ' | b'\t');
        let colon = line.iter().position(|&byte| byte == b':');
        let named = |colon: &usize| SECRET.iter().any(|name| line[..*colon].trim_ascii().eq_ignore_ascii_case(name));
        let value = if folded { Some(0) } else { colon.filter(named).map(|colon| colon + 1) };
        secret = value.is_some();
        if let Some(value) = value {
            mask(&mut line[value..]);
        }
    }
    masked
}

fn mask(value: &mut [u8]) {
    value.iter_mut().filter(|byte| byte.is_ascii_graphic() || !byte.is_ascii()).for_each(|byte| *byte = b'*');
}

pub(super) fn head_received(tap: &mut Tap, head: &[u8], framing: &Result<RequestFraming, ProtocolError>) {
    match framing {
        Ok(framing) => {
            tap.received(REQUEST_HEAD, &masked(head));
            framing_decided(tap, framing);
        }
        Err(error) => head_refused(tap, head, error.at),
    }
}

/// Tells a head that was refused at byte `at`: what was understood, and the rest.
pub(super) fn head_refused(tap: &mut Tap, head: &[u8], at: usize) {
    let head = masked(head);
    let (understood, rest) = head.split_at(at.min(head.len()));
    for (part, bytes) in [(REFUSED_HEAD, understood), (REFUSED_REST, rest)] {
        if !bytes.is_empty() {
            tap.received(part, bytes);
        }
    }
}

pub(super) fn refused(tap: &mut Tap, problem: &Problem) {
    let entry = problem.fault().entry();
    tap.decided(format!("refused with {}: {}, {}", entry.status, entry.code, entry.title), entry.section);
}

fn framing_decided(tap: &mut Tap, framing: &RequestFraming) {
    let content = match framing.content {
        Content::None => "no content".to_owned(),
        Content::Length(length) => format!("{length} bytes of content"),
        Content::Chunked => "content in chunks".to_owned(),
    };
    tap.decided(format!("the request has {content}"), "RFC 9112 6.3");
    if framing.expect_continue {
        tap.decided("100 Continue will be sent when the handler first reads", "RFC 9110 10.1.1");
    }
}

/// Tells the answer: which route gave it, how it is framed and what becomes of the connection.
pub(super) fn answer_decided(tap: &mut Tap, status: Status, pattern: Option<&str>, framing: &AnswerFraming) {
    let by = pattern.map_or(String::new(), |pattern| format!(" by {pattern}"));
    let content = match framing.declared {
        _ if !framing.sends_content => "no content".to_owned(),
        AnswerContent::None => "no content".to_owned(),
        AnswerContent::Length(length) => format!("{length} bytes of content"),
        AnswerContent::Chunked => "content in chunks".to_owned(),
        AnswerContent::UntilClose => "content until the close".to_owned(),
    };
    tap.decided(format!("{status}{by}, {content}"), "RFC 9112 6.3");
    let reuse = if framing.keep_alive { "the connection stays open" } else { "the connection will close" };
    tap.decided(reuse, "RFC 9112 9.3");
}

pub(super) fn content_received(tap: &mut Tap, received: Received, chunked: bool, bytes: &[u8]) {
    let part = match received {
        _ if bytes.is_empty() => return,
        Received::Content if chunked => CHUNK_DATA,
        Received::Content => CONTENT,
        Received::Framing => CHUNK_LINE,
        Received::End => LAST_CHUNK,
        Received::NeedMore => return tap.received_unseen(CHUNK_PART, bytes.len()),
    };
    tap.received(part, &masked_trailers(part, bytes));
}

fn masked_trailers(part: Part, bytes: &[u8]) -> Vec<u8> {
    if part == LAST_CHUNK { masked(bytes) } else { bytes.to_vec() }
}

/// Tells chunks that have arrived whole.
pub(super) fn chunks_received(tap: &mut Tap, mut bytes: &[u8], limits: &Limits) {
    let mut receive = Receive::of(Content::Chunked);
    while let Ok((used, received)) = receive.step(bytes, limits) {
        content_received(tap, received, true, &bytes[..used]);
        bytes = &bytes[used..];
        if receive.is_ended() || received == Received::NeedMore {
            return;
        }
    }
}

pub(super) fn entered(tap: &mut Tap, from: Phase, to: Phase, deadline: Option<Instant>) {
    if from != to {
        tap.tell(What::Entered { from, to });
    }
    if let Some(deadline) = deadline {
        tap.tell(What::Armed { phase: to, left: deadline.saturating_duration_since(Instant::now()) });
    }
}

pub(super) fn closed(tap: &mut Tap, card: &Card, why: &str) {
    tap.tell(What::Closed { why: why.to_owned(), card: card.snapshot(Instant::now()) });
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(head: &[u8], expected: &[u8]) {
        let masked = masked(head);
        assert_eq!(masked.escape_ascii().to_string(), expected.escape_ascii().to_string());
    }

    #[test]
    fn secrets_are_masked_and_nothing_moves() {
        check(
            b"GET / HTTP/1.1\r\nCOOKIE: a=b; c\r\nX: y\r\nauthorization:Basic eA==\r\nSet-Cookie : z\xff\r\n\r\n",
            b"GET / HTTP/1.1\r\nCOOKIE: **** *\r\nX: y\r\nauthorization:***** ****\r\nSet-Cookie : **\r\n\r\n",
        );
        check(b"Cookie: a=b", b"Cookie: ***");
        check(b" Cookie: a\r\nProxy-Authorization: b", b" Cookie: *\r\nProxy-Authorization: *");
    }

    #[test]
    fn a_line_that_is_malformed_hides_its_secret_too() {
        check(b"X: y\rCookie: a\r\n", b"X: y\rCookie: *\r\n");
        check(b"Cookie: a\n b\n\tc: d\nX: y\n", b"Cookie: *\n *\n\t** *\nX: y\n");
        check(b"X: y\r\n b\r\n", b"X: y\r\n b\r\n");
    }
}
