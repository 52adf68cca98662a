//! Owns the heads of answers on their way out (those of requests are in [`encode_request_head`]): status-line, fields, and the framing fields that nobody else may write.
//!
//! ```text
//!   HTTP/1.1 200 OK\r\n                    the first nine bytes are the same for every answer: PREFIX
//!   Content-Type: text/plain\r\n           the handler's lines, in its order
//!   Date: …\r\n Server: firstbyte\r\n      ours, unless the handler wrote its own
//!   Content-Length: 13\r\n                 what framing decided
//!   \r\n
//! ```
//!
//! Spec: RFC 9112 4 (status-line), 5 (field lines), 6.1, 6.2, 9.6; RFC 9110 6.6.1 (Date).
//! Never: lets a handler's Content-Length, Transfer-Encoding or Connection through: two opinions on framing are one
//! too many.

use crate::http::date::DateLine;
use crate::http::field::{Known, push_line};
use crate::http::h1::framing::AnswerContent;
use crate::http::{Fields, Status, Version};

mod request;

pub use request::{OutgoingHead, encode_request_head};

/// The bytes with which every answer begins.
pub const PREFIX: &[u8] = b"HTTP/1.1 ";

/// The interim answer that asks for content (RFC 9110 10.1.1).
pub const CONTINUE: &[u8] = b"HTTP/1.1 100 Continue\r\n\r\n";

/// What goes into a head besides the handler's own lines.
#[derive(Clone, Copy, Debug)]
pub struct AnswerHead<'a> {
    /// The status.
    pub status: Status,
    /// The handler's lines.
    pub fields: &'a Fields,
    /// How the content is framed.
    pub content: AnswerContent,
    /// What the client is told about the connection.
    pub connection: Connection,
    /// Now.
    pub date: DateLine,
}

/// What the `Connection` field says (RFC 9112 9.3 and 9.6, RFC 9110 7.8).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Connection {
    /// Nothing: the version's default holds.
    Default,
    /// `keep-alive`, to a client of HTTP/1.0 that asked for it.
    KeepAlive,
    /// `close`.
    Close,
    /// `upgrade`.
    Upgrade,
}

impl Connection {
    /// What must be said to a client of `version` when the connection stays open or not.
    pub fn of(version: Version, stays_open: bool) -> Connection {
        match (version, stays_open) {
            (_, false) => Connection::Close,
            (Version::Http10, true) => Connection::KeepAlive,
            (Version::Http11, true) => Connection::Default,
        }
    }
}

/// Bytes that are made room for at once, besides the handler's lines: more than any head of ours needs.
const OUR_BYTES_MAX: usize = 256;

/// Appends the head to `out`, without its [`PREFIX`] when the answer `has_begun` with it.
#[inline]
pub fn encode_answer_head(head: &AnswerHead<'_>, has_begun: bool, out: &mut Vec<u8>) {
    out.reserve(head.fields.bytes.len() + OUR_BYTES_MAX);
    encode_status_line(head.status, has_begun, out);
    let Written { dated, named, invites } = encode_lines(head.fields, out);
    // RFC 9110 5.3: a field that is no list stands once.
    if !dated {
        out.extend_from_slice(head.date.as_bytes());
    }
    if !named {
        out.extend_from_slice(b"Server: firstbyte\r\n");
    }
    encode_framing(head.content, out);
    // RFC 9110 7.8: whoever sends Upgrade also sends the connection option.
    out.extend_from_slice(match (head.connection, invites) {
        (Connection::Default, false) => b"\r\n",
        (Connection::KeepAlive, false) => b"Connection: keep-alive\r\n\r\n",
        (Connection::Close, false) => b"Connection: close\r\n\r\n",
        (Connection::Default, true) | (Connection::Upgrade, _) => b"Connection: upgrade\r\n\r\n",
        (Connection::KeepAlive, true) => b"Connection: keep-alive, upgrade\r\n\r\n",
        (Connection::Close, true) => b"Connection: close, upgrade\r\n\r\n",
    });
}

#[inline]
fn encode_status_line(status: Status, has_begun: bool, out: &mut Vec<u8>) {
    if status == Status::OK && !has_begun {
        // Of a length that the compiler knows: a store, not a call.
        return out.extend_from_slice(b"HTTP/1.1 200 OK\r\n");
    }
    if !has_begun {
        out.extend_from_slice(PREFIX);
    }
    out.extend_from_slice(itoa::Buffer::new().format(status.code()).as_bytes());
    // RFC 9112 4: the space stands even when no phrase follows.
    out.push(b' ');
    out.extend_from_slice(status.phrase().as_bytes());
    out.extend_from_slice(b"\r\n");
}

/// What a handler has said itself.
struct Written {
    dated: bool,
    named: bool,
    invites: bool,
}

/// Appends the handler's lines without those about framing. Most have none of them and lie as they are sent: one copy.
#[inline]
fn encode_lines(fields: &Fields, out: &mut Vec<u8>) -> Written {
    let known = fields.lines.iter().fold(0, |known, line| known | line.known.bit());
    match fields.as_sent() {
        Some(lines) if known & OF_FRAMING == 0 => out.extend_from_slice(lines),
        _ => {
            for line in fields.lines.iter().filter(|line| line.known.bit() & OF_FRAMING == 0) {
                push_line(line.name(&fields.bytes), line.value(&fields.bytes), out);
            }
        }
    }
    let says = |name: Known| known & name.bit() != 0;
    Written { dated: says(Known::Date), named: says(Known::Server), invites: says(Known::Upgrade) }
}

/// The names that are the encoder's alone.
const OF_FRAMING: u16 = Known::ContentLength.bit() | Known::TransferEncoding.bit() | Known::Connection.bit();

#[inline]
fn encode_framing(content: AnswerContent, out: &mut Vec<u8>) {
    match content {
        AnswerContent::None | AnswerContent::UntilClose => {}
        AnswerContent::Length(length) => {
            out.extend_from_slice(b"Content-Length: ");
            out.extend_from_slice(itoa::Buffer::new().format(length).as_bytes());
            out.extend_from_slice(b"\r\n");
        }
        AnswerContent::Chunked => out.extend_from_slice(b"Transfer-Encoding: chunked\r\n"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const DATE: &[u8; 29] = b"Sun, 06 Nov 1994 08:49:37 GMT";

    fn check(status: Status, lines: &[(&str, &str)], content: AnswerContent, connection: Connection, expected: &str) {
        let mut fields = Fields::new();
        for (name, value) in lines {
            fields.append(name, value).expect("a valid line");
        }
        let head = AnswerHead { status, fields: &fields, content, connection, date: DateLine::new(*DATE) };
        for begun in [&b""[..], PREFIX] {
            let mut out = begun.to_vec();
            encode_answer_head(&head, !begun.is_empty(), &mut out);
            assert_eq!(std::str::from_utf8(&out), Ok(expected));
        }
    }

    #[test]
    fn heads_are_status_lines_then_fields_then_framing() {
        check(
            Status::OK,
            &[("Content-Type", "text/plain")],
            AnswerContent::Length(13),
            Connection::Default,
            "HTTP/1.1 200 OK\r\nContent-Type: text/plain\r\nDate: Sun, 06 Nov 1994 08:49:37 GMT\r\n\
             Server: firstbyte\r\nContent-Length: 13\r\n\r\n",
        );
        check(
            Status::new(299).expect("a status"),
            &[("Date", "mine")],
            AnswerContent::Chunked,
            Connection::Close,
            "HTTP/1.1 299 \r\nDate: mine\r\nServer: firstbyte\r\nTransfer-Encoding: chunked\r\nConnection: close\r\n\r\n",
        );
    }

    #[test]
    fn what_a_handler_says_of_itself_stands_once() {
        check(
            Status::NO_CONTENT,
            &[("server", "mine/1.0"), ("date", "mine")],
            AnswerContent::None,
            Connection::Default,
            "HTTP/1.1 204 No Content\r\nserver: mine/1.0\r\ndate: mine\r\n\r\n",
        );
    }

    #[test]
    fn an_invitation_to_upgrade_is_an_option_of_the_connection() {
        for (connection, options) in [(Connection::Default, "upgrade"), (Connection::Close, "close, upgrade")] {
            check(
                Status::UPGRADE_REQUIRED,
                &[("Upgrade", "websocket"), ("Date", "mine")],
                AnswerContent::Length(0),
                connection,
                &format!(
                    "HTTP/1.1 426 Upgrade Required\r\nUpgrade: websocket\r\nDate: mine\r\nServer: firstbyte\r\n\
                     Content-Length: 0\r\nConnection: {options}\r\n\r\n"
                ),
            );
        }
    }

    #[test]
    fn a_handler_has_no_say_in_framing() {
        let lines = [("Content-Length", "1"), ("transfer-encoding", "gzip"), ("CONNECTION", "keep-alive"), ("A", "b")];
        check(
            Status::NO_CONTENT,
            &lines,
            AnswerContent::None,
            Connection::KeepAlive,
            "HTTP/1.1 204 No Content\r\nA: b\r\nDate: Sun, 06 Nov 1994 08:49:37 GMT\r\nServer: firstbyte\r\n\
             Connection: keep-alive\r\n\r\n",
        );
    }
}
