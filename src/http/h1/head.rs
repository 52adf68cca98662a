//! Owns the parsing of a request's head: empty lines before it, the request-line, the field lines, the empty line.
//!
//! The one idea: nothing is copied. The parser walks the bytes and writes down where each piece lies. A head that is whole
//! and in the usual spelling is read by `common`; here is all else: what comes in pieces, and every fault.
//!
//! ```text
//!   GET /x HTTP/1.1\r\nHost: a\r\n\r\n        Before ─▶ Method ─▶ Target ─▶ Version ─▶ Fields ─▶ done
//!   ^^^ ^^                                      ▲ │ empty line
//!   method 0..3  target 4..6                    └─┘
//! ```
//!
//! Spec: RFC 9112 2.2, 2.3, 3 and 5. Stricter than they demand: exactly one SP between the parts of the request-line,
//! CR LF at every line end (bare LF only with `lenient_lines`), folded lines refused.
//! Never: does I/O, knows methods, looks inside the request-target ([`crate::http::target`]) or at what fields mean
//! ([`super::framing`]).
//! Invariants: the first fault in byte order is reported, at the same byte however the input was split; each byte is
//! looked at a few times at most, so the work is linear in the bytes; in steady state nothing is allocated.
//! Limits: `head_bytes_max`, `field_lines_max`, `target_bytes_max`, `method_bytes_max`, `leading_empty_lines_max`,
//! `lenient_lines`.

use crate::http::field::{FieldLine, Fields};
use crate::http::h1::common::{Reached, WholeHead};
use crate::http::h1::field_section::{FieldSectionParser, LineRules, Stop, classify};
use crate::http::h1::{grammar, scan};
use crate::http::method::METHOD_BYTES_MAX;
use crate::http::{Fault, Limits, ProtocolError, Version};

pub use crate::http::h1::field_section::Progress;

/// Where one piece of a head lies: offsets into the bytes received.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Span {
    /// Offset of its first byte.
    pub start: u32,
    /// Offset behind its last byte.
    pub end: u32,
}

impl Span {
    /// The piece of `bytes` that this span names.
    ///
    /// # Panics
    /// When `bytes` are not those that the span was taken from, and shorter.
    #[inline]
    pub fn of(self, bytes: &[u8]) -> &[u8] {
        &bytes[self.start as usize..self.end as usize]
    }

    #[inline]
    pub(crate) fn new(start: usize, end: usize) -> Span {
        Span { start: start as u32, end: end as u32 }
    }
}

/// What the parser writes: kept by the caller between calls and cleared for the next head.
#[derive(Debug)]
pub struct RequestHead {
    pub(crate) method: Span,
    pub(crate) target: Span,
    /// Whether the target holds only what [`grammar::PLAIN_PATH`] does: no query, no triplet, no dot segment.
    pub(crate) target_is_plain: bool,
    pub(crate) version: Version,
    pub(crate) lines: Vec<FieldLine>,
}

impl Default for RequestHead {
    fn default() -> RequestHead {
        let nowhere = Span::default();
        RequestHead {
            method: nowhere,
            target: nowhere,
            target_is_plain: false,
            version: Version::Http11,
            lines: Vec::new(),
        }
    }
}

impl RequestHead {
    /// Where the method lies: a token that [`crate::http::Method`] can hold.
    pub fn method(&self) -> Span {
        self.method
    }

    /// Where the request-target lies: for [`crate::http::target::parse_target`].
    pub fn target(&self) -> Span {
        self.target
    }

    /// The version that the request is treated as.
    pub fn version(&self) -> Version {
        self.version
    }

    /// Takes the field lines away, together with `head`, the bytes they point into.
    pub fn take_fields(&mut self, head: Vec<u8>) -> Fields {
        Fields::received(head, std::mem::take(&mut self.lines))
    }
}

/// A resumable parser of one head after the other. Holds no bytes.
#[derive(Clone, Copy, Debug, Default)]
pub struct HeadParser {
    stage: Stage,
    /// First byte of the piece in hand.
    start: usize,
    /// First byte not yet looked at.
    scanned: usize,
    fields: FieldSectionParser,
}

/// Longest head: offsets in it, and a block behind it, are u32.
const BYTES_MAX: usize = u32::MAX as usize - 128;

/// The piece of the head in hand.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Stage {
    Before { empty_lines: usize },
    Method,
    Target,
    Version,
    Fields,
}

impl Default for Stage {
    fn default() -> Stage {
        Stage::Before { empty_lines: 0 }
    }
}

impl HeadParser {
    /// Parses what has arrived. `input` is everything received since this head began: the bytes of the last call, and
    /// more. When the head is done, or refused, the parser is ready for the next one.
    ///
    /// # Errors
    /// The first fault in byte order, with the offset of its byte in `input`.
    #[inline]
    pub fn parse(&mut self, input: &[u8], limits: &Limits, head: &mut RequestHead) -> Result<Progress, ProtocolError> {
        let bytes_max = limits.head_bytes_max.min(BYTES_MAX);
        let window = input.get(..bytes_max).unwrap_or(input);
        // Only at the first bytes of a head: what is read here is not read so again when more bytes come.
        if self.stage == Stage::default() && self.scanned == 0 {
            match scan::run(window, WholeHead { limits, head }) {
                Some(Reached::End(len)) => return Ok(Progress::Done { len }),
                Some(Reached::Line(line)) => {
                    (self.stage, self.fields) = (Stage::Fields, FieldSectionParser::starting_at(line));
                }
                Some(Reached::Start) | None => {}
            }
        }
        self.parse_with_care(window, bytes_max, limits, head)
    }

    /// Parses a head that came in pieces, or is not in the usual spelling, or wrong.
    #[inline(never)]
    fn parse_with_care(
        &mut self,
        window: &[u8],
        bytes_max: usize,
        limits: &Limits,
        head: &mut RequestHead,
    ) -> Result<Progress, ProtocolError> {
        let verdict = match self.step(window, limits, head) {
            Ok(Progress::NeedMore) if window.len() < bytes_max => return Ok(Progress::NeedMore),
            Ok(Progress::NeedMore) => Err(Fault::HeadTooLarge.at(bytes_max)),
            verdict => verdict,
        };
        *self = HeadParser::default();
        verdict
    }

    /// Runs the stages from the one in hand on. Where it stands is kept in locals and saved only when the input ends:
    /// most heads arrive whole.
    #[inline]
    fn step(&mut self, input: &[u8], limits: &Limits, head: &mut RequestHead) -> Result<Progress, ProtocolError> {
        let HeadParser { mut stage, mut start, mut scanned, mut fields } = *self;
        if let Stage::Before { empty_lines } = stage {
            head.lines.clear();
            match skip_empty_lines(input, scanned, empty_lines, limits)? {
                Before::Method { at } => (stage, start, scanned) = (Stage::Method, at, at),
                Before::InputEnd { at, empty_lines } => return self.pause(Stage::Before { empty_lines }, at, at),
            }
        }
        if stage == Stage::Method {
            let Some(end) = method_end(input, start, scanned, limits)? else {
                return self.pause(stage, start, scanned.max(input.len() - 1));
            };
            head.method = Span::new(start, end);
            (stage, start, scanned) = (Stage::Target, end + 1, end + 1);
        }
        if stage == Stage::Target {
            let Some(end) = target_end(input, start, scanned, limits)? else {
                return self.pause(stage, start, scanned.max(input.len() - 1));
            };
            head.target = Span::new(start, end);
            head.target_is_plain = grammar::plain_path_end(input, start) == end;
            (stage, start) = (Stage::Version, end + 1);
        }
        if stage == Stage::Version {
            let Some((version, next)) = version(input, start, limits)? else {
                return self.pause(stage, start, start);
            };
            head.version = version;
            fields = FieldSectionParser::starting_at(next);
        }
        let progress = fields.parse(input, LineRules::of_head(limits), &mut head.lines)?;
        if progress == Progress::NeedMore {
            (self.stage, self.fields) = (Stage::Fields, fields);
        }
        Ok(progress)
    }

    /// Remembers the piece in hand, and how far it was scanned: up to its last byte, which may be a CR that wants to
    /// be seen with its LF.
    fn pause(&mut self, stage: Stage, start: usize, scanned: usize) -> Result<Progress, ProtocolError> {
        (self.stage, self.start, self.scanned) = (stage, start, scanned);
        Ok(Progress::NeedMore)
    }
}

/// What stands behind the empty lines.
enum Before {
    /// The method.
    Method { at: usize },
    /// Nothing yet, or a CR whose next byte is not there.
    InputEnd { at: usize, empty_lines: usize },
}

/// RFC 9112 2.2: empty lines before a request-line are ignored, here up to a limit.
#[inline]
fn skip_empty_lines(
    input: &[u8],
    mut at: usize,
    mut empty_lines: usize,
    limits: &Limits,
) -> Result<Before, ProtocolError> {
    loop {
        match input.get(at) {
            Some(b'\r' | b'\n') if empty_lines == limits.leading_empty_lines_max => {
                return Err(Fault::TooManyEmptyLines.at(at));
            }
            Some(b'\r' | b'\n') => {}
            Some(&TLS_HANDSHAKE) => return Err(Fault::TlsHandshake.at(at)),
            Some(_) => return Ok(Before::Method { at }),
            None => return Ok(Before::InputEnd { at, empty_lines }),
        }
        match classify(input, at, limits.lenient_lines) {
            Stop::LineEnd { next } => (at, empty_lines) = (next, empty_lines + 1),
            Stop::Refused(error) => return Err(error),
            Stop::InputEnd | Stop::Byte(_) => return Ok(Before::InputEnd { at, empty_lines }),
        }
    }
}

/// RFC 9112 3.1: `method = token`, then one SP. The method's end, or `None` while the input ends first.
#[inline]
fn method_end(input: &[u8], start: usize, scanned: usize, limits: &Limits) -> Result<Option<usize>, ProtocolError> {
    let end = grammar::token_end(input, scanned);
    let bytes_max = limits.method_bytes_max.min(METHOD_BYTES_MAX);
    if end - start > bytes_max {
        return Err(Fault::MethodTooLong.at(start + bytes_max));
    }
    if input.get(end) == Some(&b' ') && end > start {
        return Ok(Some(end));
    }
    match classify(input, end, limits.lenient_lines) {
        Stop::InputEnd => Ok(None),
        Stop::Refused(error) => Err(error),
        Stop::LineEnd { .. } => Err(Fault::MissingTarget.at(end)),
        Stop::Byte(b' ' | b'\t') if end == start => Err(Fault::WhitespaceBeforeMethod.at(end)),
        Stop::Byte(_) => Err(Fault::MethodByte.at(end)),
    }
}

/// RFC 9112 3.2: no white space inside, and one SP behind it. The target's end, or `None` while the input ends first.
#[inline]
fn target_end(input: &[u8], start: usize, scanned: usize, limits: &Limits) -> Result<Option<usize>, ProtocolError> {
    let end = grammar::target_end(input, scanned);
    if end - start > limits.target_bytes_max {
        return Err(Fault::TargetTooLong.at(start + limits.target_bytes_max));
    }
    if input.get(end) == Some(&b' ') && end > start {
        return Ok(Some(end));
    }
    match classify(input, end, limits.lenient_lines) {
        Stop::InputEnd => Ok(None),
        Stop::Refused(error) => Err(error),
        Stop::LineEnd { .. } if end == start => Err(Fault::MissingTarget.at(end)),
        Stop::LineEnd { .. } => Err(Fault::MissingVersion.at(end)),
        Stop::Byte(b' ') => Err(Fault::ExtraSpace.at(end)),
        Stop::Byte(b'#') => Err(Fault::FragmentInTarget.at(end)),
        Stop::Byte(_) => Err(Fault::TargetByte.at(end)),
    }
}

/// RFC 9112 2.3: `HTTP-version`, case-sensitive, then the line end. The version and where the fields begin, or `None`
/// while the input ends first.
#[inline]
fn version(input: &[u8], start: usize, limits: &Limits) -> Result<Option<(Version, usize)>, ProtocolError> {
    if input.get(start..).unwrap_or_default().starts_with(b"HTTP/1.1\r\n") {
        return Ok(Some((Version::Http11, start + 10)));
    }
    version_by_bytes(input, start, limits)
}

/// Any version but the usual one. At most twelve bytes, so it starts again when more arrive.
#[cold]
fn version_by_bytes(input: &[u8], start: usize, limits: &Limits) -> Result<Option<(Version, usize)>, ProtocolError> {
    const PREFIX: &[u8] = b"HTTP/1.";
    const MAJOR: usize = 5;
    for (index, &expected) in PREFIX.iter().enumerate() {
        match input.get(start + index) {
            None => return Ok(None),
            Some(&byte) if byte == expected => {}
            Some(byte) if index == MAJOR && byte.is_ascii_digit() => {
                return Err(Fault::UnsupportedVersion.at(start + index));
            }
            Some(_) => return no_version(input, start, start + index, limits),
        }
    }
    let minor = start + PREFIX.len();
    // RFC 9110 2.5: a higher minor version is treated as the highest one known.
    let version = match input.get(minor) {
        None => return Ok(None),
        Some(b'0') => Version::Http10,
        Some(b'1'..=b'9') => Version::Http11,
        Some(_) => return no_version(input, start, minor, limits),
    };
    match classify(input, minor + 1, limits.lenient_lines) {
        Stop::InputEnd => Ok(None),
        Stop::LineEnd { next } => Ok(Some((version, next))),
        Stop::Refused(error) => Err(error),
        Stop::Byte(_) => Err(Fault::RequestLineTail.at(minor + 1)),
    }
}

/// What to call the byte at `at`, which continues no version.
fn no_version<T>(input: &[u8], start: usize, at: usize, limits: &Limits) -> Result<Option<T>, ProtocolError> {
    match classify(input, at, limits.lenient_lines) {
        Stop::InputEnd => Ok(None),
        Stop::Refused(error) => Err(error),
        Stop::LineEnd { .. } if at == start => Err(Fault::MissingVersion.at(at)),
        Stop::Byte(b' ') if at == start => Err(Fault::ExtraSpace.at(at)),
        Stop::LineEnd { .. } | Stop::Byte(_) => Err(Fault::MalformedVersion.at(at)),
    }
}

/// First byte of a TLS record that carries a handshake (RFC 8446 5.1). No method begins with it.
const TLS_HANDSHAKE: u8 = 0x16;

#[cfg(test)]
mod tests {
    use super::*;

    type Verdict = Result<Progress, ProtocolError>;

    /// Feeds `input` up to each of `ends` in turn, and says how it ended.
    fn feed(input: &[u8], ends: impl IntoIterator<Item = usize>, limits: &Limits) -> (Verdict, RequestHead) {
        let (mut parser, mut head) = (HeadParser::default(), RequestHead::default());
        for end in ends {
            let verdict = parser.parse(&input[..end], limits, &mut head);
            if verdict != Ok(Progress::NeedMore) {
                return (verdict, head);
            }
        }
        (Ok(Progress::NeedMore), head)
    }

    /// The verdict on `input`, which must be the same whole, at every split, byte by byte and before more bytes.
    fn check(input: &[u8], limits: &Limits, expected: Verdict) {
        let shown = String::from_utf8_lossy(input);
        let len = input.len();
        assert_eq!(feed(input, [len], limits).0, expected, "whole: {shown:?}");
        assert_eq!(feed(input, 0..=len, limits).0, expected, "byte by byte: {shown:?}");
        for split in 0..=len {
            assert_eq!(feed(input, [split, len], limits).0, expected, "split at {split}: {shown:?}");
        }
    }

    fn refuse(input: &str, fault: Fault, at: usize) {
        check(input.as_bytes(), &Limits::default(), Err(fault.at(at)));
    }

    #[test]
    fn the_pieces_lie_where_they_are_said_to() {
        let input = b"\r\nPUT /a?b HTTP/1.0\r\nHost:\t x \r\nEmpty:\r\n\r\nBODY";
        let (verdict, mut head) = feed(input, [input.len()], &Limits::default());
        assert_eq!(verdict, Ok(Progress::Done { len: input.len() - 4 }));
        assert_eq!((head.method().of(input), head.target().of(input)), (&b"PUT"[..], &b"/a?b"[..]));
        assert_eq!(head.version(), Version::Http10);
        let fields = head.take_fields(input.to_vec());
        assert_eq!(fields.iter().collect::<Vec<_>>(), [("Host", &b"x"[..]), ("Empty", b"")]);
    }

    #[test]
    fn a_parser_goes_on_to_the_next_head() {
        let (mut parser, mut head) = (HeadParser::default(), RequestHead::default());
        let limits = Limits::default();
        for _ in 0..3 {
            let done = parser.parse(b"GET / HTTP/1.1\r\nA: b\r\n\r\n", &limits, &mut head);
            assert_eq!(done, Ok(Progress::Done { len: 24 }));
            assert_eq!(head.lines.len(), 1);
            assert_eq!(parser.parse(b"\x16", &limits, &mut head), Err(Fault::TlsHandshake.at(0)));
        }
    }

    #[test]
    fn every_piece_is_bounded_while_it_is_incomplete() {
        let limits = Limits {
            head_bytes_max: 48,
            field_lines_max: 1,
            target_bytes_max: 4,
            method_bytes_max: 3,
            leading_empty_lines_max: 1,
            ..Limits::default()
        };
        for (input, fault, at) in [
            ("\r\n\r\n", Fault::TooManyEmptyLines, 2),
            ("GETT", Fault::MethodTooLong, 3),
            ("GET /1234", Fault::TargetTooLong, 8),
            ("GET / HTTP/1.1\r\nA: b\r\nB", Fault::TooManyFieldLines, 22),
            ("GET / HTTP/1.1\r\nA: b\r\nB d", Fault::TooManyFieldLines, 22),
            ("GET / HTTP/1.1\r\nA: 345678901234567890123456789012", Fault::HeadTooLarge, 48),
            ("GET / HTTP/1.1\r\nA12345678901234567890123456789012", Fault::HeadTooLarge, 48),
        ] {
            check(input.as_bytes(), &limits, Err(fault.at(at)));
        }
        check(b"GET / HTTP/1.1\r\nA: 345678901234567890123456\r\n\r\n", &limits, Ok(Progress::Done { len: 47 }));
    }

    #[test]
    fn a_bare_lf_ends_a_line_only_where_asked_for() {
        let lenient = Limits { lenient_lines: true, ..Limits::default() };
        check(b"\nGET / HTTP/1.1\nA: b\r\nC:\n\n", &lenient, Ok(Progress::Done { len: 26 }));
        check(b"GET / HTTP/1.1\nA b\n", &lenient, Err(Fault::WhitespaceBeforeColon.at(16)));
        check(b"GET /\n", &lenient, Err(Fault::MissingVersion.at(5)));
        check(b"GET / HTTP/1.1\nA: b\rC: d\n\n", &lenient, Err(Fault::BareCr.at(19)));
        refuse("GET / HTTP/1.1\nA: b\n\n", Fault::BareLf, 14);
        refuse("\nGET / HTTP/1.1\r\n\r\n", Fault::BareLf, 0);
        refuse("GET / HTTP/1.1\r\nA: b\n\r\n", Fault::BareLf, 20);
        refuse("GET / HTTP/1.1\r\nA: b\r\n\n", Fault::BareLf, 22);
    }

    #[test]
    fn what_is_no_request_line_is_refused() {
        for (input, fault, at) in [
            ("\x16\x03\x01\x02\x00", Fault::TlsHandshake, 0),
            ("\x00", Fault::MethodByte, 0),
            (" GET / HTTP/1.1\r\n", Fault::WhitespaceBeforeMethod, 0),
            ("GET\t/ HTTP/1.1\r\n", Fault::MethodByte, 3),
            ("G\u{e9}T / HTTP/1.1\r\n", Fault::MethodByte, 1),
            ("GET\r\n", Fault::MissingTarget, 3),
            ("GET \r\n", Fault::MissingTarget, 4),
            ("GET  / HTTP/1.1\r\n", Fault::ExtraSpace, 4),
            ("GET /  HTTP/1.1\r\n", Fault::ExtraSpace, 6),
            ("GET /\r\n", Fault::MissingVersion, 5),
            ("GET / \r\n", Fault::MissingVersion, 6),
            ("GET /a\rb HTTP/1.1\r\n", Fault::BareCr, 6),
            ("GET /a#b HTTP/1.1\r\n", Fault::FragmentInTarget, 6),
            ("GET /a\0 HTTP/1.1\r\n", Fault::TargetByte, 6),
            ("GET /\u{e9} HTTP/1.1\r\n", Fault::TargetByte, 5),
            ("GET /a b HTTP/1.1\r\n", Fault::MalformedVersion, 7),
            ("GET / http/1.1\r\n", Fault::MalformedVersion, 6),
            ("GET / HTTP/2.0\r\n", Fault::UnsupportedVersion, 11),
            ("GET / HTTP/0.9\r\n", Fault::UnsupportedVersion, 11),
            ("GET / HTTP/1\r\n", Fault::MalformedVersion, 12),
            ("GET / HTTP/1.x\r\n", Fault::MalformedVersion, 13),
            ("GET / HTTP/1.10\r\n", Fault::RequestLineTail, 14),
            ("GET / HTTP/1.1 \r\n", Fault::RequestLineTail, 14),
            ("GET / HTTP/1.1\r\r\n", Fault::BareCr, 14),
        ] {
            refuse(input, fault, at);
        }
    }

    #[test]
    fn what_is_no_field_line_is_refused() {
        const LINE: &str = "GET / HTTP/1.1\r\n";
        for (section, fault, at) in [
            (" Host: a\r\n", Fault::WhitespaceBeforeFirstField, 0),
            ("\tHost: a\r\n", Fault::WhitespaceBeforeFirstField, 0),
            ("A: b\r\n c\r\n", Fault::ObsFold, 6),
            (": b\r\n", Fault::EmptyFieldName, 0),
            ("A : b\r\n", Fault::WhitespaceBeforeColon, 1),
            ("A\t: b\r\n", Fault::WhitespaceBeforeColon, 1),
            ("A\r\n", Fault::MissingColon, 1),
            ("A\u{e9}: b\r\n", Fault::FieldNameByte, 1),
            ("A\0: b\r\n", Fault::FieldNameByte, 1),
            ("A(b): c\r\n", Fault::FieldNameByte, 1),
            ("A\rB: c\r\n", Fault::BareCr, 1),
            ("\rA: c\r\n", Fault::BareCr, 0),
            ("A: b\rB: c\r\n", Fault::BareCr, 4),
            ("A: b\0\r\n", Fault::FieldValueByte, 4),
            ("A: \x1b[31m\r\n", Fault::FieldValueByte, 3),
            ("A: \x7f\r\n", Fault::FieldValueByte, 3),
        ] {
            refuse(&format!("{LINE}{section}"), fault, LINE.len() + at);
        }
    }
}
