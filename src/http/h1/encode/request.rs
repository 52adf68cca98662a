//! Owns the head of a request on its way out: request-line, Host, the caller's lines, and the framing fields that nobody else
//! may write.
//!
//! ```text
//!   GET /keys?x=1 HTTP/1.1\r\n             origin-form: path and query, nothing of the authority
//!   Host: keys.example:8080\r\n            first: RFC 9110 7.2 asks for it
//!   Accept: application/json\r\n           the caller's lines, in their order
//!   Content-Length: 13\r\n                 what framing decided
//!   \r\n
//! ```
//!
//! Spec: RFC 9112 3 and 3.2.1 (origin-form), 6.1, 6.2, 9.6; RFC 9110 7.2 (Host first), 7.6.1 (hop-by-hop fields).
//! Never: lets a caller's Content-Length, Transfer-Encoding or Connection through, nor what belongs to another hop or needs
//! an answer that nobody waits for (Expect, Upgrade, TE, Keep-Alive, Proxy-Connection); asks for a transfer coding.
//! Invariant: one request leaves, whatever its parts hold: each is checked for what could end its line.

use crate::http::field::{Known, push_line};
use crate::http::h1::framing::Content;
use crate::http::h1::grammar;
use crate::http::{Fields, Method};

/// What goes into a request's head.
#[derive(Clone, Copy, Debug)]
pub struct OutgoingHead<'a> {
    /// The method.
    pub method: Method,
    /// Path and query.
    pub target: &'a str,
    /// Host, and port when it is not the scheme's.
    pub host: &'a str,
    /// The caller's lines.
    pub fields: &'a Fields,
    /// How the content is framed.
    pub content: Content,
    /// Whether this is the connection's last request.
    pub close: bool,
}

/// Bytes that are made room for at once, besides the caller's lines, the target and the host.
const OUR_BYTES_MAX: usize = 128;

/// The names that are the encoder's alone, or nobody's.
const KNOWN_OURS: u16 = Known::Host.bit()
    | Known::ContentLength.bit()
    | Known::TransferEncoding.bit()
    | Known::Connection.bit()
    | Known::Expect.bit()
    | Known::Upgrade.bit();

/// RFC 9110 7.6.1: what concerns one connection, and is not [`KNOWN_OURS`].
const HOP_BY_HOP: [&[u8]; 3] = [b"keep-alive", b"proxy-connection", b"te"];

/// Appends the head to `out`.
///
/// # Panics
/// When target or host hold a byte that ends them: their parsers let none through.
pub fn encode_request_head(head: &OutgoingHead<'_>, out: &mut Vec<u8>) {
    assert!(is_whole(head.target), "no request-target: {:?}", head.target);
    assert!(is_whole(head.host), "no host: {:?}", head.host);
    out.reserve(head.fields.bytes.len() + head.target.len() + head.host.len() + OUR_BYTES_MAX);
    out.extend_from_slice(head.method.as_str().as_bytes());
    out.push(b' ');
    out.extend_from_slice(head.target.as_bytes());
    out.extend_from_slice(b" HTTP/1.1\r\n");
    push_line(b"Host", head.host.as_bytes(), out);
    for line in head.fields.lines.iter().filter(|line| line.known.bit() & KNOWN_OURS == 0) {
        let name = line.name(&head.fields.bytes);
        if !HOP_BY_HOP.iter().any(|hop| name.eq_ignore_ascii_case(hop)) {
            push_line(name, line.value(&head.fields.bytes), out);
        }
    }
    match head.content {
        Content::None => {}
        Content::Length(length) => {
            push_line(b"Content-Length", itoa::Buffer::new().format(length).as_bytes(), out);
        }
        Content::Chunked => push_line(b"Transfer-Encoding", b"chunked", out),
    }
    out.extend_from_slice(if head.close { b"Connection: close\r\n\r\n" } else { b"\r\n" });
}

/// Whether no byte of it ends a part of the request-line, or a line.
fn is_whole(part: &str) -> bool {
    !part.is_empty() && grammar::target_end(part.as_bytes(), 0) == part.len()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn encode(method: Method, fields: &[(&str, &str)], content: Content, close: bool) -> String {
        let mut lines = Fields::new();
        for (name, value) in fields {
            lines.append(name, value).expect("a valid line");
        }
        let mut out = Vec::new();
        let head = OutgoingHead { method, target: "/a?b", host: "h:1", fields: &lines, content, close };
        encode_request_head(&head, &mut out);
        String::from_utf8(out).expect("ASCII")
    }

    #[test]
    fn a_head_is_the_request_line_then_host_then_the_callers_lines_then_framing() {
        for (method, content, close, end) in [
            (Method::GET, Content::None, false, ""),
            (Method::PUT, Content::Length(0), false, "Content-Length: 0\r\n"),
            (Method::PUT, Content::Length(12), true, "Content-Length: 12\r\nConnection: close\r\n"),
            (Method::POST, Content::Chunked, false, "Transfer-Encoding: chunked\r\n"),
        ] {
            let expected = format!("{method} /a?b HTTP/1.1\r\nHost: h:1\r\nAccept: x\r\nx: \r\n{end}\r\n");
            assert_eq!(encode(method, &[("Accept", "x"), ("x", "")], content, close), expected);
        }
    }

    #[test]
    fn a_caller_has_no_say_in_framing_or_in_the_connection() {
        for (attack, name, value) in [
            ("a second host", "host", "other"),
            ("desync by a length of the caller's", "Content-Length", "0"),
            ("desync by a coding of the caller's", "transfer-encoding", "chunked"),
            ("fields hidden from the next hop", "CONNECTION", "close, Authorization"),
            ("waiting for an interim answer", "Expect", "100-continue"),
            ("another protocol", "Upgrade", "h2c"),
            ("a coding that is not understood", "te", "trailers, gzip"),
            ("a hop that is not ours", "Keep-Alive", "timeout=99"),
            ("a hop that is not ours", "Proxy-Connection", "keep-alive"),
        ] {
            let expected = "POST /a?b HTTP/1.1\r\nHost: h:1\r\nContent-Length: 3\r\n\r\n";
            assert_eq!(encode(Method::POST, &[(name, value)], Content::Length(3), false), expected, "{attack}");
        }
    }

    #[test]
    fn a_target_or_host_that_would_split_the_request_is_never_written() {
        for (target, host) in [("/ HTTP/1.1\r\nX: y", "h"), ("/a b", "h"), ("", "h"), ("/", "h\r\nX: y"), ("/", "")] {
            let encoded = std::panic::catch_unwind(|| {
                let fields = Fields::new();
                let head = OutgoingHead {
                    method: Method::GET,
                    target,
                    host,
                    fields: &fields,
                    content: Content::None,
                    close: false,
                };
                encode_request_head(&head, &mut Vec::new());
            });
            assert!(encoded.is_err(), "{target:?} {host:?}");
        }
    }
}
