//! Owns the framing of an answer as its client sees it, and of a request as its client writes it.
//!
//! The one idea: a client that reads an answer otherwise than the server meant it takes the rest of it for the answer to
//! its next request. So an answer that two readers could read differently is refused, and the connection with it.
//!
//! ```text
//!   asked, answered                  Content-Length   Transfer-Encoding     content
//!   ───────────────────────────────  ──────────────   ──────────────────    ─────────────────────────────
//!   HEAD, or 1xx, 204, 304           whatever is in order                   none: the head is all
//!   CONNECT and 2xx                  whatever is in order                   none: a tunnel begins
//!   else                             one number       none                  Length
//!                                    none             chunked, HTTP/1.1     Chunked
//!                                    none             none                  UntilClose
//!                                    anything else                          refused
//! ```
//!
//! Spec: RFC 9112 6.1, 6.2, 6.3, 9.3; RFC 9110 8.6, 9.3.6. Stricter than they demand: as [`super`] for requests; an answer
//! whose coding does not end in chunked is refused (6.3 item 4 would read until the close). Content that 6.3 item 1 says
//! is not there, and its sender declares: an interim answer with it is refused, since what follows would be read as the
//! answer; after a 204 with it the connection is not used again.
//! Never: reads content.

use super::{AnswerContent, AnswerFraming, Content, Seen, opens_tunnel};
use crate::http::field::{FieldLine, Known};
use crate::http::{Fields, Method, ProtocolError, Status, Version};

impl AnswerFraming {
    /// What follows the head.
    pub fn content(&self) -> AnswerContent {
        if self.sends_content { self.declared } else { AnswerContent::None }
    }
}

/// Decides where the content of the answer to a request of `method` ends, and whether the connection outlives it, as far
/// as the answer has a say in it.
///
/// # Errors
/// The first fault in the order of the lines.
pub fn decide_answer(
    version: Version,
    method: Method,
    status: Status,
    fields: &Fields,
) -> Result<AnswerFraming, ProtocolError> {
    let mut seen = Seen::new(version, &fields.bytes);
    for line in &fields.lines {
        match line.known {
            Known::ContentLength => seen.content_length(line)?,
            Known::TransferEncoding => seen.transfer_encoding(line)?,
            Known::Connection => seen.connection(line),
            _ => {}
        }
    }
    let declared = match (seen.codings, seen.length) {
        (Some(codings), _) => {
            codings.decide()?;
            AnswerContent::Chunked
        }
        (None, Some((length, _))) => AnswerContent::Length(length),
        // RFC 9112 6.3 item 8.
        (None, None) => AnswerContent::UntilClose,
    };
    let sends_content = has_content(method, status);
    // RFC 9112 9.3, in its order: close, then the version, then keep-alive.
    let wanted = !seen.close && (version == Version::Http11 || seen.keep_alive);
    let ends_by_close = sends_content && declared == AnswerContent::UntilClose;
    let is_last = ends_by_close || opens_tunnel(method, status) || declares_in_vain(status, declared);
    let keep_alive = wanted && !is_last;
    Ok(AnswerFraming { declared, sends_content, keep_alive })
}

/// Where the lines of a head that no content follows declare some.
pub(in crate::http::h1) fn declared_at(lines: &[FieldLine], bytes: &[u8]) -> Option<usize> {
    let declares = |line: &&FieldLine| match line.known {
        Known::TransferEncoding => true,
        Known::ContentLength => line.value(bytes) != b"0",
        _ => false,
    };
    lines.iter().find(declares).map(|line| line.value_start as usize)
}

/// How the content of a request of `method` is framed, when it has `length` bytes, or nobody knows how many.
pub fn frame_request(method: Method, length: Option<u64>) -> Content {
    match length {
        // RFC 9110 8.6: a length of 0 is said where content has a meaning, and nothing where it has none.
        Some(0) if !matches!(method, Method::POST | Method::PUT | Method::PATCH) => Content::None,
        Some(length) => Content::Length(length),
        None => Content::Chunked,
    }
}

/// RFC 9112 6.3 items 1 and 2. A 205 is no exception there: what it declares, it sends.
fn has_content(method: Method, status: Status) -> bool {
    method != Method::HEAD && !status.forbids_content() && !opens_tunnel(method, status)
}

/// RFC 9110 8.6 and RFC 9112 6.1: neither field stands in a 1xx or 204. A 304, and what answers HEAD, may have both.
fn declares_in_vain(status: Status, declared: AnswerContent) -> bool {
    let may_not = status.is_informational() || status == Status::NO_CONTENT;
    may_not && matches!(declared, AnswerContent::Chunked | AnswerContent::Length(1..))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::http::Fault;
    use AnswerContent::{Chunked, Length, UntilClose};

    const CL: &str = "Content-Length";
    const TE: &str = "Transfer-Encoding";

    fn fields(lines: &[(&str, &str)]) -> Fields {
        let mut fields = Fields::new();
        for (name, value) in lines {
            fields.append(name, value).expect("a valid line");
        }
        fields
    }

    fn decide(version: Version, method: Method, code: u16, lines: &[(&str, &str)]) -> (AnswerContent, bool) {
        let status = Status::new(code).expect("a status");
        let framing = decide_answer(version, method, status, &fields(lines)).expect("in order");
        (framing.content(), framing.keep_alive)
    }

    #[test]
    fn content_ends_where_the_head_says() {
        for (method, code, lines, content, keep_alive) in [
            (Method::GET, 200, &[(CL, "5")][..], Length(5), true),
            (Method::GET, 200, &[(CL, "0")], Length(0), true),
            (Method::GET, 200, &[(TE, "Chunked")], Chunked, true),
            (Method::GET, 200, &[], UntilClose, false),
            (Method::POST, 500, &[], UntilClose, false),
            (Method::GET, 205, &[(CL, "5")], Length(5), true),
            (Method::GET, 205, &[], UntilClose, false),
            (Method::CONNECT, 403, &[(CL, "5")], Length(5), true),
            // No content, whatever is declared.
            (Method::HEAD, 200, &[(CL, "5")], AnswerContent::None, true),
            (Method::HEAD, 200, &[(TE, "chunked")], AnswerContent::None, true),
            (Method::HEAD, 200, &[], AnswerContent::None, true),
            (Method::GET, 304, &[(CL, "5")], AnswerContent::None, true),
            (Method::GET, 304, &[], AnswerContent::None, true),
            (Method::GET, 204, &[], AnswerContent::None, true),
            (Method::GET, 204, &[(CL, "0")], AnswerContent::None, true),
            (Method::CONNECT, 200, &[(CL, "5")], AnswerContent::None, false),
            // A server that declares content where there is none may send it: nothing is read behind it.
            (Method::GET, 204, &[(CL, "5")], AnswerContent::None, false),
            (Method::GET, 204, &[(TE, "chunked")], AnswerContent::None, false),
            (Method::GET, 101, &[(CL, "5")], AnswerContent::None, false),
        ] {
            assert_eq!(
                decide(Version::Http11, method, code, lines),
                (content, keep_alive),
                "{method} {code} {lines:?}"
            );
        }
    }

    #[test]
    fn a_connection_persists_as_both_versions_say() {
        for (version, option, expected) in [
            (Version::Http11, "", true),
            (Version::Http11, "keep-alive", true),
            (Version::Http11, "close", false),
            (Version::Http11, "x, CLOSE", false),
            (Version::Http11, "close, keep-alive", false),
            (Version::Http10, "", false),
            (Version::Http10, "Keep-Alive", true),
            (Version::Http10, "keep-alive, close", false),
        ] {
            let lines = [(CL, "1"), ("Connection", option)];
            assert_eq!(decide(version, Method::GET, 200, &lines).1, expected, "{version} {option}");
        }
    }

    #[test]
    fn answers_that_two_readers_read_differently_are_refused() {
        for (attack, lines, fault) in [
            ("desync by TE and CL", &[(TE, "chunked"), (CL, "5")][..], Fault::LengthAndTransferEncoding),
            ("desync by CL and TE", &[(CL, "5"), (TE, "chunked")], Fault::LengthAndTransferEncoding),
            ("two lengths", &[(CL, "5"), (CL, "6")], Fault::DuplicateContentLength),
            ("the same length twice", &[(CL, "5"), (CL, "5")], Fault::DuplicateContentLength),
            ("a list of lengths", &[(CL, "5, 5")], Fault::ContentLengthList),
            ("a signed length", &[(CL, "+5")], Fault::InvalidContentLength),
            ("a negative length", &[(CL, "-1")], Fault::InvalidContentLength),
            ("no length", &[(CL, "")], Fault::InvalidContentLength),
            ("a length beyond u64", &[(CL, "18446744073709551616")], Fault::ContentLengthOverflow),
            ("a coding that we did not ask for", &[(TE, "gzip, chunked")], Fault::UnknownTransferCoding),
            ("a coding without an end", &[(TE, "gzip")], Fault::ChunkedNotFinal),
            ("identity", &[(TE, "identity")], Fault::ChunkedNotFinal),
            ("chunked, not last", &[(TE, "chunked, gzip")], Fault::ChunkedNotFinal),
            ("chunked twice", &[(TE, "chunked"), (TE, "chunked")], Fault::ChunkedTwice),
            ("almost chunked", &[(TE, "chunked;a")], Fault::MalformedTransferEncoding),
        ] {
            for (method, code) in [(Method::GET, 200), (Method::HEAD, 200), (Method::GET, 204), (Method::CONNECT, 200)]
            {
                let status = Status::new(code).expect("a status");
                let verdict = decide_answer(Version::Http11, method, status, &fields(lines));
                assert_eq!(verdict.map_err(|error| error.fault), Err(fault), "{attack}: {method} {code}");
            }
        }
        let coded = decide_answer(Version::Http10, Method::GET, Status::OK, &fields(&[(TE, "chunked")]));
        assert_eq!(coded.map_err(|error| error.fault), Err(Fault::TransferEncodingInHttp10));
    }

    #[test]
    fn a_request_says_how_long_it_is_where_that_means_something() {
        for (method, length, expected) in [
            (Method::GET, Some(0), Content::None),
            (Method::DELETE, Some(0), Content::None),
            (Method::POST, Some(0), Content::Length(0)),
            (Method::PUT, Some(7), Content::Length(7)),
            (Method::GET, Some(7), Content::Length(7)),
            (Method::POST, None, Content::Chunked),
        ] {
            assert_eq!(frame_request(method, length), expected, "{method} {length:?}");
        }
    }
}
