//! Owns the words in which the driver tells a tap what the bytes are, and the masking of secrets.
//!
//! Everything here runs only while somebody watches.
//!
//! Never: lets the value of Authorization, Proxy-Authorization, Cookie or Set-Cookie through; changes an offset: a masked
//! byte stands where its original stood.

use tokio::time::Instant;

use crate::http::h1::framing::{Content, RequestFraming};
use crate::http::h1::machine::{Receive, Received};
use crate::http::{Limits, ProtocolError};
use crate::net::deadline::Phase;
use crate::net::tap::{Part, Tap, What};

pub(super) const REQUEST_HEAD: Part = Part { name: "request head", section: "RFC 9112 3" };
pub(super) const REFUSED_HEAD: Part = Part { name: "refused head", section: "RFC 9112 2.2" };
pub(super) const ANSWER_HEAD: Part = Part { name: "answer head", section: "RFC 9112 4" };
pub(super) const INTERIM_HEAD: Part = Part { name: "interim answer", section: "RFC 9110 15.2" };
pub(super) const CONTENT: Part = Part { name: "content", section: "RFC 9112 6" };
pub(super) const CHUNK_LINE: Part = Part { name: "chunk size", section: "RFC 9112 7.1" };
pub(super) const CHUNK_DATA: Part = Part { name: "chunk data", section: "RFC 9112 7.1" };
pub(super) const LAST_CHUNK: Part = Part { name: "last chunk, trailers", section: "RFC 9112 7.1.2" };

/// Fields whose values are secrets.
const SECRET: [&[u8]; 4] = [b"authorization", b"proxy-authorization", b"cookie", b"set-cookie"];

/// `head` with every secret value replaced by asterisks, byte for byte.
pub(super) fn masked(head: &[u8]) -> Vec<u8> {
    let mut masked = head.to_vec();
    for line in masked.split_mut(|&byte| byte == b'\n') {
        let Some(colon) = line.iter().position(|&byte| byte == b':') else { continue };
        let (name, value) = line.split_at_mut(colon);
        if SECRET.iter().any(|secret| name.trim_ascii().eq_ignore_ascii_case(secret)) {
            value[1..]
                .iter_mut()
                .filter(|byte| byte.is_ascii_graphic() || !byte.is_ascii())
                .for_each(|byte| *byte = b'*');
        }
    }
    masked
}

pub(super) fn head_received(tap: &mut Tap, head: &[u8], framing: &Result<RequestFraming, ProtocolError>) {
    tap.received(REQUEST_HEAD, &masked(head));
    // A refusal is told when it is answered.
    if let Ok(framing) = framing {
        framing_decided(tap, framing);
    }
}

pub(super) fn head_sent(tap: &mut Tap, already_sent: usize, head: &[u8]) {
    if already_sent > 0 {
        tap.decided("the first bytes were sent ahead, to see whether the peer still reads", "RFC 9112 4");
    }
    tap.sent(ANSWER_HEAD, head);
}

fn framing_decided(tap: &mut Tap, framing: &RequestFraming) {
    let content = match framing.content {
        Content::None => "no content".to_owned(),
        Content::Length(length) => format!("{length} bytes of content"),
        Content::Chunked => "content in chunks".to_owned(),
    };
    let connection = if framing.keep_alive { "the connection stays open" } else { "the connection closes" };
    tap.decided(format!("{content}; {connection}"), "RFC 9112 6.3 and 9.3");
}

pub(super) fn content_received(tap: &mut Tap, received: Received, chunked: bool, bytes: &[u8]) {
    let part = match received {
        Received::Content if chunked => CHUNK_DATA,
        Received::Content => CONTENT,
        Received::Framing => CHUNK_LINE,
        Received::End => LAST_CHUNK,
        Received::NeedMore => return,
    };
    if !bytes.is_empty() {
        tap.received(part, &masked_trailers(part, bytes));
    }
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
    tap.tell(What::Entered { from, to });
    if let Some(deadline) = deadline {
        tap.tell(What::Armed { phase: to, left: deadline.saturating_duration_since(Instant::now()) });
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn secrets_are_masked_and_nothing_moves() {
        let head =
            b"GET / HTTP/1.1\r\nCOOKIE: a=b; c\r\nX: y\r\nauthorization:Basic eA==\r\nSet-Cookie : z\xff\r\n\r\n";
        let masked = masked(head);
        assert_eq!(
            masked,
            b"GET / HTTP/1.1\r\nCOOKIE: **** *\r\nX: y\r\nauthorization:***** ****\r\nSet-Cookie : **\r\n\r\n"
        );
        assert_eq!(masked.len(), head.len());
    }
}
