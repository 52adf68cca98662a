//! Owns the rules of framing: where the content of a message ends and whether the connection outlives it. Every rule
//! against request smuggling lives here and nowhere else.
//!
//! The one idea: smuggling needs two readers that disagree about where a request ends. So whatever two readers have
//! ever been seen to read differently is refused, even where the RFC offers a way to go on.
//!
//! ```text
//!   Content-Length   Transfer-Encoding     content
//!   ──────────────   ──────────────────    ───────────────────────────────────────────────
//!   none             none                  None
//!   one number       none                  Length
//!   none             chunked, HTTP/1.1     Chunked
//!   anything else                          refused with 400, or 501 for a coding we lack
//! ```
//!
//! Spec: RFC 9112 3.2 (Host), 6.1, 6.2, 6.3, 9.3; RFC 9110 7.6.1 (Connection), 7.8 (Upgrade), 8.6 (Content-Length),
//! 9.3.6 and 9.3.8 (no content for CONNECT and TRACE), 10.1.1 (Expect).
//! Stricter than they demand:
//! - Content-Length beside Transfer-Encoding is refused (6.3 item 3 would let the latter win);
//! - two Content-Length lines, or a list in one, are refused even when all say the same (6.3 item 5 would accept);
//! - empty members of Transfer-Encoding (`, chunked`) and parameters (`chunked;q=1`) are refused;
//! - an empty Host is refused: every http URI has a host (RFC 9110 4.2.1), and RFC 9112 3.3 lets a server say no;
//! - content with CONNECT or TRACE is refused.
//!
//! An answer as its client sees it is decided in [`answer`](decide_answer), by the same readers of the same fields.
//! Never: reads content, changes a field.
//! Invariant: the first fault in the order of the lines is reported; missing lines last.

use crate::http::authority::validate_authority_in;
use crate::http::field::{FieldLine, Fields, Known, spells};
use crate::http::h1::grammar;
use crate::http::h1::head::Span;
use crate::http::{Fault, Method, ProtocolError, Status, Version};

mod answer;

pub(in crate::http::h1) use answer::declared_at;
pub use answer::{decide_answer, frame_request};

/// How long the content of a request is (RFC 9112 6.3).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Content {
    /// There is none (item 7).
    None,
    /// So many bytes follow the head, perhaps 0 (item 6).
    Length(u64),
    /// Chunks follow, up to the last one and its trailers (item 4).
    Chunked,
}

/// What the fields of a request's head say about its framing and its connection.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct RequestFraming {
    /// How long the content is.
    pub content: Content,
    /// Whether the connection may outlive the exchange.
    pub keep_alive: bool,
    /// Whether the client waits for a 100 before it sends its content. Only when content will follow.
    pub expect_continue: bool,
    /// Whether the client invites us to another protocol: an Upgrade field, and the `upgrade` connection option.
    pub upgrade: bool,
    /// Where the value of the Host line lies in the bytes of the fields. A target in absolute-form overrides it.
    pub host: Option<Span>,
}

/// Decides from the head of a request where its content ends.
///
/// # Errors
/// The first fault in the order of the lines, at the offending byte of the line's value; [`Fault::MissingHost`] at the
/// end of the head.
#[inline]
pub fn decide_request(version: Version, method: Method, fields: &Fields) -> Result<RequestFraming, ProtocolError> {
    let mut seen = Seen::new(version, &fields.bytes);
    for line in &fields.lines {
        match line.known {
            Known::Other | Known::Accept | Known::IfMatch | Known::IfNoneMatch | Known::Date | Known::Server => {}
            Known::Host => seen.host(line)?,
            Known::ContentLength => seen.content_length(line)?,
            Known::TransferEncoding => seen.transfer_encoding(line)?,
            Known::Connection => seen.connection(line),
            Known::Expect => seen.expect(line)?,
            Known::Upgrade => seen.upgrade_field = true,
        }
    }
    seen.decide(method)
}

/// What the lines said so far.
struct Seen<'a> {
    version: Version,
    bytes: &'a [u8],
    host: Option<Span>,
    length: Option<(u64, usize)>,
    codings: Option<Codings>,
    close: bool,
    keep_alive: bool,
    upgrade_option: bool,
    upgrade_field: bool,
    expect_continue: bool,
}

/// The transfer codings so far, over all lines (RFC 9112 6.1).
#[derive(Clone, Copy)]
struct Codings {
    /// Where the last one stands.
    last_at: usize,
    /// Whether the last one is `chunked`.
    chunked: bool,
    /// Where the first one stands that is not `chunked`.
    unknown_at: Option<usize>,
}

impl<'a> Seen<'a> {
    fn new(version: Version, bytes: &'a [u8]) -> Seen<'a> {
        Seen {
            version,
            bytes,
            host: None,
            length: None,
            codings: None,
            close: false,
            keep_alive: false,
            upgrade_option: false,
            upgrade_field: false,
            expect_continue: false,
        }
    }

    /// RFC 9112 3.2: 400 for any request with two Host lines or an invalid one.
    fn host(&mut self, line: &FieldLine) -> Result<(), ProtocolError> {
        let (value, at) = (line.value(self.bytes), line.value_start as usize);
        if self.host.is_some() {
            return Err(Fault::DuplicateHost.at(at));
        }
        if value.is_empty() {
            return Err(Fault::EmptyHost.at(at));
        }
        let span = Span::new(at, at + value.len());
        validate_authority_in(self.bytes, span).map_err(|wrong| Fault::InvalidHost.at(at + wrong))?;
        self.host = Some(span);
        Ok(())
    }

    /// RFC 9110 8.6: `1*DIGIT`. RFC 9112 6.3 item 5: anything else is an unrecoverable error.
    fn content_length(&mut self, line: &FieldLine) -> Result<(), ProtocolError> {
        let (value, at) = (line.value(self.bytes), line.value_start as usize);
        if self.codings.is_some() {
            return Err(Fault::LengthAndTransferEncoding.at(at));
        }
        if self.length.is_some() {
            return Err(Fault::DuplicateContentLength.at(at));
        }
        self.length = Some((parse_length(value).map_err(|(fault, wrong)| fault.at(at + wrong))?, at));
        Ok(())
    }

    fn transfer_encoding(&mut self, line: &FieldLine) -> Result<(), ProtocolError> {
        let at = line.value_start as usize;
        // RFC 9112 6.1: a coding in HTTP/1.0 was forwarded by somebody who did not understand it.
        if self.version == Version::Http10 {
            return Err(Fault::TransferEncodingInHttp10.at(at));
        }
        if self.length.is_some() {
            return Err(Fault::LengthAndTransferEncoding.at(at));
        }
        for (offset, member) in members(line.value(self.bytes)) {
            self.codings = Some(Codings::after(self.codings, member, at + offset)?);
        }
        Ok(())
    }

    /// RFC 9110 7.6.1: options are case-insensitive; unknown ones concern nobody here.
    #[inline]
    fn connection(&mut self, line: &FieldLine) {
        let value = line.value(self.bytes);
        // What nearly every client sends, when it sends this field: one option, and no list to be taken apart.
        if !self.option(value) {
            self.options(value);
        }
    }

    #[cold]
    fn options(&mut self, value: &[u8]) {
        members(value).for_each(|(_, option)| _ = self.option(option));
    }

    /// Notes one connection option; whether it is one that is known here. `option` may be no token, but it has no CR, and
    /// that is the one byte that [`spells`] could take for a `-`.
    #[inline]
    fn option(&mut self, option: &[u8]) -> bool {
        let seen = match option.len() {
            5 if spells(option, b"close") => &mut self.close,
            7 if spells(option, b"upgrade") => &mut self.upgrade_option,
            10 if spells(option, b"keep-alive") => &mut self.keep_alive,
            _ => return false,
        };
        *seen = true;
        true
    }

    /// RFC 9110 10.1.1: the one known expectation; ignored in HTTP/1.0.
    fn expect(&mut self, line: &FieldLine) -> Result<(), ProtocolError> {
        if self.version == Version::Http10 {
            return Ok(());
        }
        for (offset, member) in members(line.value(self.bytes)).filter(|(_, member)| !member.is_empty()) {
            if !member.eq_ignore_ascii_case(b"100-continue") {
                return Err(Fault::UnknownExpectation.at(line.value_start as usize + offset));
            }
            self.expect_continue = true;
        }
        Ok(())
    }

    fn decide(self, method: Method) -> Result<RequestFraming, ProtocolError> {
        let content = self.content(method)?;
        let http11 = self.version == Version::Http11;
        if http11 && self.host.is_none() {
            return Err(Fault::MissingHost.at(self.bytes.len()));
        }
        Ok(RequestFraming {
            content,
            // RFC 9112 9.3, in its order: close, then the version, then keep-alive.
            keep_alive: !self.close && (http11 || self.keep_alive),
            expect_continue: self.expect_continue && !matches!(content, Content::None | Content::Length(0)),
            // RFC 9110 7.8: ignored in HTTP/1.0.
            upgrade: http11 && self.upgrade_field && self.upgrade_option,
            host: self.host,
        })
    }

    fn content(&self, method: Method) -> Result<Content, ProtocolError> {
        let (content, at) = match (self.codings, self.length) {
            (Some(codings), _) => (codings.decide()?, codings.last_at),
            (None, Some((length, at))) => (Content::Length(length), at),
            (None, None) => return Ok(Content::None),
        };
        // RFC 9110 9.3.6 and 9.3.8: neither has content. What follows would be another reader's next request.
        let without_content = method == Method::CONNECT || method == Method::TRACE;
        if without_content && content != Content::Length(0) {
            return Err(Fault::ContentNotAllowed.at(at));
        }
        Ok(content)
    }
}

impl Codings {
    /// The codings when `member` follows those `before` it.
    fn after(before: Option<Codings>, member: &[u8], at: usize) -> Result<Codings, ProtocolError> {
        if member.is_empty() || !member.iter().all(|&byte| grammar::is_token(byte)) {
            return Err(Fault::MalformedTransferEncoding.at(at));
        }
        let chunked = member.eq_ignore_ascii_case(b"chunked");
        if before.is_some_and(|codings| codings.chunked) {
            // RFC 9112 6.1: chunked at most once; 6.3 item 4: and as the last one.
            return Err(if chunked { Fault::ChunkedTwice } else { Fault::ChunkedNotFinal }.at(at));
        }
        let unknown_before = before.and_then(|codings| codings.unknown_at);
        Ok(Codings { last_at: at, chunked, unknown_at: unknown_before.or((!chunked).then_some(at)) })
    }

    fn decide(self) -> Result<Content, ProtocolError> {
        match self {
            // RFC 9112 6.3 item 4: without chunked at its end the length cannot be known, and 400 is a must.
            Codings { chunked: false, last_at, .. } => Err(Fault::ChunkedNotFinal.at(last_at)),
            // RFC 9112 6.1: 501 for a coding that is not understood.
            Codings { unknown_at: Some(at), .. } => Err(Fault::UnknownTransferCoding.at(at)),
            Codings { chunked: true, unknown_at: None, .. } => Ok(Content::Chunked),
        }
    }
}

/// Parses `1*DIGIT`, or says what is wrong and where.
fn parse_length(value: &[u8]) -> Result<u64, (Fault, usize)> {
    if value.is_empty() {
        return Err((Fault::InvalidContentLength, 0));
    }
    let mut length = 0u64;
    for (at, &byte) in value.iter().enumerate() {
        if !byte.is_ascii_digit() {
            return Err((if byte == b',' { Fault::ContentLengthList } else { Fault::InvalidContentLength }, at));
        }
        let next = length.checked_mul(10).and_then(|length| length.checked_add(u64::from(byte - b'0')));
        length = next.ok_or((Fault::ContentLengthOverflow, at))?;
    }
    Ok(length)
}

/// The members of a list with their offsets, white space around them dropped, empty ones kept (RFC 9110 5.6.1).
fn members(value: &[u8]) -> impl Iterator<Item = (usize, &[u8])> {
    let mut next = 0;
    value.split(|&byte| byte == b',').map(move |member| {
        let leading = member.iter().take_while(|&&byte| grammar::is_white_space(byte)).count();
        let start = next + leading;
        next += member.len() + 1;
        (start, member.trim_ascii())
    })
}

/// What the head of an answer declares about its content.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum AnswerContent {
    /// Neither Content-Length nor Transfer-Encoding: the answer ends with its head.
    None,
    /// Content-Length.
    Length(u64),
    /// Transfer-Encoding: chunked.
    Chunked,
    /// Nothing, and the content ends with the connection (RFC 9112 6.3 item 8): for HTTP/1.0, length not known.
    UntilClose,
}

/// How an answer is framed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct AnswerFraming {
    /// What its head declares.
    pub declared: AnswerContent,
    /// Whether content follows the head. An answer to HEAD, and a 304, may declare what they do not send.
    pub sends_content: bool,
    /// Whether the connection outlives the answer; if not, its head says `Connection: close`.
    pub keep_alive: bool,
}

/// Decides how the answer to a request of `method` and `version` is framed. `keep_alive` says whether both the request
/// and the server want the connection to go on; `length` is that of the content which the same GET would send, when it
/// is known (RFC 9110 8.6: so it must be `None` for a 304 that does not know it).
pub fn decide_response(
    method: Method,
    version: Version,
    keep_alive: bool,
    status: Status,
    length: Option<u64>,
) -> AnswerFraming {
    let declared = declare(method, version, status, length);
    // RFC 9110 9.3.6: behind a 2xx to CONNECT comes what a tunnel carries. Whoever opened one has no other request here.
    let keep_alive = keep_alive && declared != AnswerContent::UntilClose && !opens_tunnel(method, status);
    AnswerFraming { declared, sends_content: sends_content(method, status), keep_alive }
}

fn declare(method: Method, version: Version, status: Status, length: Option<u64>) -> AnswerContent {
    let tunnel = opens_tunnel(method, status);
    match (length, version) {
        // RFC 9110 8.6 and RFC 9112 6.1: neither field in a 1xx, a 204, or a 2xx to CONNECT.
        _ if tunnel || status.is_informational() || status == Status::NO_CONTENT => AnswerContent::None,
        // RFC 9110 15.3.6: a 205 has no content, but RFC 9112 6.3 gives it no empty line of its own.
        _ if status == Status::RESET_CONTENT => AnswerContent::Length(0),
        (Some(length), _) => AnswerContent::Length(length),
        // RFC 9112 6.3 item 1: the head ends these anyway, and RFC 9112 6.1 asks for no coding in them.
        (None, _) if !sends_content(method, status) => AnswerContent::None,
        (None, Version::Http11) => AnswerContent::Chunked,
        // RFC 9112 6.1: no Transfer-Encoding to HTTP/1.0.
        (None, Version::Http10) => AnswerContent::UntilClose,
    }
}

/// RFC 9112 6.3 items 1 and 2, and RFC 9110 15.3.6 for 205.
fn sends_content(method: Method, status: Status) -> bool {
    let tunnel = opens_tunnel(method, status);
    method != Method::HEAD && !status.forbids_content() && status != Status::RESET_CONTENT && !tunnel
}

fn opens_tunnel(method: Method, status: Status) -> bool {
    method == Method::CONNECT && status.is_success()
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Field lines as they lie in a head, without the request-line.
    fn fields(lines: &[(&str, &str)]) -> Fields {
        let mut fields = Fields::new();
        for (name, value) in lines {
            fields.append(name, value).expect("a valid line");
        }
        fields
    }

    fn decide(version: Version, lines: &[(&str, &str)]) -> Result<RequestFraming, ProtocolError> {
        decide_request(version, Method::POST, &fields(lines))
    }

    /// Refused with `fault`, at byte `at` of the value of line `index` (behind a Host line).
    fn refuse(lines: &[(&str, &str)], fault: Fault, index: usize, at: usize) {
        let lines = [&[("Host", "a")], lines].concat();
        let fields = fields(&lines);
        let expected = fault.at(fields.lines[index + 1].value_start as usize + at);
        assert_eq!(decide_request(Version::Http11, Method::POST, &fields), Err(expected), "{lines:?}");
    }

    #[test]
    fn content_is_framed_by_one_field_or_none() {
        for (lines, expected) in [
            (&[][..], Content::None),
            (&[("Content-Length", "0")], Content::Length(0)),
            (&[("content-length", "0042")], Content::Length(42)),
            (&[("Content-Length", "18446744073709551615")], Content::Length(u64::MAX)),
            (&[("TRANSFER-ENCODING", "Chunked")], Content::Chunked),
        ] {
            let all = [&[("Host", "a")], lines].concat();
            assert_eq!(decide(Version::Http11, &all).map(|framing| framing.content), Ok(expected), "{lines:?}");
        }
    }

    #[test]
    fn smuggling_is_refused() {
        const CL: &str = "Content-Length";
        const TE: &str = "Transfer-Encoding";
        for (lines, fault, index, at) in [
            (&[(CL, "5"), (TE, "chunked")][..], Fault::LengthAndTransferEncoding, 1, 0),
            (&[(TE, "chunked"), (CL, "5")], Fault::LengthAndTransferEncoding, 1, 0),
            (&[(CL, "0"), (TE, "identity")], Fault::LengthAndTransferEncoding, 1, 0),
            (&[(CL, "5"), (CL, "5")], Fault::DuplicateContentLength, 1, 0),
            (&[(CL, "5"), (CL, "6")], Fault::DuplicateContentLength, 1, 0),
            (&[(CL, "5, 5")], Fault::ContentLengthList, 0, 1),
            (&[(CL, "")], Fault::InvalidContentLength, 0, 0),
            (&[(CL, "+5")], Fault::InvalidContentLength, 0, 0),
            (&[(CL, "-0")], Fault::InvalidContentLength, 0, 0),
            (&[(CL, "0x5")], Fault::InvalidContentLength, 0, 1),
            (&[(CL, "5 5")], Fault::InvalidContentLength, 0, 1),
            (&[(CL, "5.0")], Fault::InvalidContentLength, 0, 1),
            (&[(CL, "٥")], Fault::InvalidContentLength, 0, 0),
            (&[(CL, "18446744073709551616")], Fault::ContentLengthOverflow, 0, 19),
            (&[(TE, "")], Fault::MalformedTransferEncoding, 0, 0),
            (&[(TE, ", chunked")], Fault::MalformedTransferEncoding, 0, 0),
            (&[(TE, "chunked,")], Fault::MalformedTransferEncoding, 0, 8),
            (&[(TE, "chunked;q=1")], Fault::MalformedTransferEncoding, 0, 0),
            (&[(TE, "\"chunked\"")], Fault::MalformedTransferEncoding, 0, 0),
            (&[(TE, "x chunked")], Fault::MalformedTransferEncoding, 0, 0),
            (&[(TE, "identity")], Fault::ChunkedNotFinal, 0, 0),
            (&[(TE, "xchunked")], Fault::ChunkedNotFinal, 0, 0),
            (&[(TE, "chunked, gzip")], Fault::ChunkedNotFinal, 0, 9),
            (&[(TE, "chunked"), (TE, "identity")], Fault::ChunkedNotFinal, 1, 0),
            (&[(TE, "chunked, chunked")], Fault::ChunkedTwice, 0, 9),
            (&[(TE, "chunked"), (TE, "chunked")], Fault::ChunkedTwice, 1, 0),
            (&[(TE, "gzip, chunked")], Fault::UnknownTransferCoding, 0, 0),
            (&[(TE, "gzip"), (TE, "chunked")], Fault::UnknownTransferCoding, 0, 0),
            (&[("Host", "b")], Fault::DuplicateHost, 0, 0),
            (&[("Expect", "200-ok")], Fault::UnknownExpectation, 0, 0),
            (&[("Expect", "100-continue, x")], Fault::UnknownExpectation, 0, 14),
        ] {
            refuse(lines, fault, index, at);
        }
    }

    #[test]
    fn host_is_needed_once() {
        for (version, lines, expected) in [
            (Version::Http11, &[][..], Err(Fault::MissingHost.at(0))),
            (Version::Http11, &[("Host", "")], Err(Fault::EmptyHost.at(6))),
            (Version::Http10, &[("Host", "")], Err(Fault::EmptyHost.at(6))),
            (Version::Http11, &[("Host", "a b")], Err(Fault::InvalidHost.at(7))),
            (Version::Http11, &[("Host", "a"), ("Host", "a")], Err(Fault::DuplicateHost.at(15))),
            (Version::Http10, &[("Host", "a"), ("Host", "a")], Err(Fault::DuplicateHost.at(15))),
            (Version::Http10, &[], Ok(None)),
            (Version::Http11, &[("HOST", "a:1")], Ok(Some(Span::new(6, 9)))),
        ] {
            assert_eq!(decide(version, lines).map(|framing| framing.host), expected, "{version} {lines:?}");
        }
    }

    #[test]
    fn http10_knows_no_transfer_coding_and_no_expectation() {
        let coded = decide(Version::Http10, &[("Transfer-Encoding", "chunked")]);
        assert_eq!(coded, Err(Fault::TransferEncodingInHttp10.at(19)));
        let lines = [("Expect", "100-continue"), ("Content-Length", "5"), ("Upgrade", "x"), ("Connection", "upgrade")];
        let framing = decide(Version::Http10, &lines).expect("valid");
        assert!(!framing.expect_continue && !framing.upgrade && !framing.keep_alive);
    }

    #[test]
    fn connect_and_trace_have_no_content() {
        for method in [Method::CONNECT, Method::TRACE] {
            for (name, value, refused) in
                [("Content-Length", "0", false), ("Content-Length", "1", true), ("Transfer-Encoding", "chunked", true)]
            {
                let verdict = decide_request(Version::Http11, method, &fields(&[("Host", "a"), (name, value)]));
                let expected = refused.then_some(Fault::ContentNotAllowed.at("Host: a\r\n: ".len() + name.len()));
                assert_eq!(verdict.err(), expected, "{method} {name}: {value}");
            }
        }
    }

    #[test]
    fn the_connection_persists_as_rfc_9112_9_3_says() {
        for (version, options, expected) in [
            (Version::Http11, "", true),
            (Version::Http11, "close", false),
            (Version::Http11, "x, CLOSE ,y", false),
            (Version::Http11, "keep-alive, close", false),
            (Version::Http11, "closed", true),
            (Version::Http10, "", false),
            (Version::Http10, "Keep-Alive", true),
            (Version::Http10, "keep-alive, close", false),
        ] {
            let framing = decide(version, &[("Host", "a"), ("Connection", options)]).expect("valid");
            assert_eq!(framing.keep_alive, expected, "{version} {options:?}");
        }
    }

    #[test]
    fn expectations_and_upgrades_are_seen() {
        for (lines, expect_continue, upgrade) in [
            (&[("Expect", "100-Continue"), ("Content-Length", "5")][..], true, false),
            (&[("Expect", "100-continue"), ("Content-Length", "0")], false, false),
            (&[("Expect", "100-continue")], false, false),
            (&[("Expect", ""), ("Content-Length", "5")], false, false),
            (&[("Upgrade", "websocket"), ("Connection", "keep-alive, Upgrade")], false, true),
            (&[("Upgrade", "websocket")], false, false),
            (&[("Connection", "upgrade")], false, false),
        ] {
            let framing = decide(Version::Http11, &[&[("Host", "a")], lines].concat()).expect("valid");
            assert_eq!((framing.expect_continue, framing.upgrade), (expect_continue, upgrade), "{lines:?}");
        }
    }

    #[test]
    fn answers_are_framed_by_method_version_and_status() {
        use AnswerContent as A;
        const ONE_ONE: Version = Version::Http11;
        const ONE_O: Version = Version::Http10;
        for (method, version, status, length, declared, sends_content, keep_alive) in [
            (Method::GET, ONE_ONE, 200, Some(5), A::Length(5), true, true),
            (Method::GET, ONE_ONE, 200, Some(0), A::Length(0), true, true),
            (Method::GET, ONE_ONE, 200, None, A::Chunked, true, true),
            (Method::GET, ONE_O, 200, None, A::UntilClose, true, false),
            (Method::GET, ONE_O, 200, Some(5), A::Length(5), true, true),
            (Method::HEAD, ONE_ONE, 200, Some(5), A::Length(5), false, true),
            (Method::HEAD, ONE_O, 200, None, A::None, false, true),
            (Method::GET, ONE_ONE, 101, Some(5), A::None, false, true),
            (Method::GET, ONE_ONE, 204, Some(5), A::None, false, true),
            (Method::GET, ONE_ONE, 205, Some(5), A::Length(0), false, true),
            (Method::GET, ONE_ONE, 304, Some(5), A::Length(5), false, true),
            (Method::GET, ONE_ONE, 304, None, A::None, false, true),
            (Method::CONNECT, ONE_ONE, 200, Some(5), A::None, false, false),
            (Method::CONNECT, ONE_ONE, 405, Some(5), A::Length(5), true, true),
        ] {
            let status = Status::new(status).expect("in range");
            let framing = decide_response(method, version, true, status, length);
            let expected = AnswerFraming { declared, sends_content, keep_alive };
            assert_eq!(framing, expected, "{method} {version} {status} {length:?}");
            assert!(!decide_response(method, version, false, status, length).keep_alive);
        }
    }
}
