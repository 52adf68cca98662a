//! Owns the parsing of an answer's head, as its client reads it: the status-line, the field lines, the empty line; and the
//! passing over of interim answers before it.
//!
//! The one idea: a server may be an enemy, too. What it says is read as strictly as a request, written down as offsets,
//! and bounded in all: what comes before the answer counts as much as the answer.
//!
//! ```text
//!   HTTP/1.1 103 Early Hints\r\n … \r\n      Interim: passed over, its bytes counted
//!   HTTP/1.1 200 OK\r\nX: y\r\n\r\n          Line ─▶ Reason ─▶ Fields ─▶ done
//!   └─ 12 bytes ┘└reason┘
//! ```
//!
//! Spec: RFC 9112 2.3, 4 and 5; RFC 9110 15 (status codes), 15.2 (interim answers). Stricter than they demand: no empty
//! line before the status-line, a code from 100 to 599 (15 would treat others as a 5xx), CR LF at every line end (bare LF
//! only with `lenient_lines`), no interim answer that declares content. Against one demand: RFC 9112 4 has a space behind the code also when no reason follows.
//! Many servers leave both out, and nobody reads an answer otherwise for it.
//! Never: does I/O; knows what was asked; looks at what fields mean ([`super::framing`]); takes 101 for interim: what
//! follows it is another protocol.
//! Invariants: the first fault in byte order is reported, at the same byte however the input was split; a byte is looked
//! at a few times at most.
//! Limits: `head_bytes_max` (of all heads of one answer together), `field_lines_max`, `lenient_lines`.

use std::fmt;

use crate::http::field::{FieldLine, Fields};
use crate::http::h1::field_section::{FieldSectionParser, LineRules, Progress, Stop, classify};
use crate::http::h1::framing::declared_at;
use crate::http::h1::grammar;
use crate::http::h1::head::Span;
use crate::http::{Fault, Limits, ProtocolError, Status, Version};

/// What is wrong with an answer's head.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum AnswerFault {
    /// It does not begin with `HTTP/`: another protocol answers, TLS say.
    NotHttp,
    /// Its version is neither 1.0 nor a later 1.x (RFC 9112 2.3).
    Version,
    /// Its status code is not three digits from 100 to 599 between spaces (RFC 9110 15).
    StatusCode,
    /// Its reason phrase holds a control byte (RFC 9112 4).
    ReasonByte,
    /// Its status-line does not end in CR LF (RFC 9112 2.2).
    StatusLineEnd,
    /// It has switched to another protocol, and nobody asked it to (RFC 9110 15.2.2).
    SwitchedUnasked,
    /// An interim answer declares content, which it cannot have (RFC 9110 15.2).
    InterimContent,
    /// It, with the interim answers before it, is longer than `head_bytes_max`.
    HeadTooLarge,
    /// What could be wrong with a request, too: a field line, or the framing.
    Message(Fault),
}

/// What is wrong with an answer's head, and where.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct AnswerError {
    /// What is wrong.
    pub fault: AnswerFault,
    /// Offset of the offending byte from the first byte of the head.
    pub at: usize,
}

impl AnswerFault {
    /// This fault at byte `at`.
    pub fn at(self, at: usize) -> AnswerError {
        AnswerError { fault: self, at }
    }

    /// What is wrong, in a few words, without a full stop.
    pub fn title(self) -> &'static str {
        match self {
            AnswerFault::NotHttp => "it does not begin with HTTP/",
            AnswerFault::Version => "its version is not HTTP/1.0 or HTTP/1.1",
            AnswerFault::StatusCode => "its status code is not three digits from 100 to 599",
            AnswerFault::ReasonByte => "its reason phrase holds a control byte",
            AnswerFault::StatusLineEnd => "its status-line does not end in CR LF",
            AnswerFault::SwitchedUnasked => "it switches to a protocol that nobody asked for",
            AnswerFault::InterimContent => "an interim answer declares content",
            AnswerFault::HeadTooLarge => "its head is too long",
            AnswerFault::Message(fault) => fault.title(),
        }
    }
}

impl From<ProtocolError> for AnswerError {
    fn from(error: ProtocolError) -> AnswerError {
        AnswerFault::Message(error.fault).at(error.at)
    }
}

impl fmt::Display for AnswerError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}, at byte {}", self.fault.title(), self.at)
    }
}

impl std::error::Error for AnswerError {}

/// What the parser writes: kept by the caller between calls.
#[derive(Debug)]
pub struct AnswerHead {
    version: Version,
    status: Status,
    reason: Span,
    lines: Vec<FieldLine>,
}

impl Default for AnswerHead {
    fn default() -> AnswerHead {
        AnswerHead { version: Version::Http11, status: Status::OK, reason: Span::default(), lines: Vec::new() }
    }
}

impl AnswerHead {
    /// The version that the answer is treated as.
    pub fn version(&self) -> Version {
        self.version
    }

    /// The status.
    pub fn status(&self) -> Status {
        self.status
    }

    /// Where the reason phrase lies, perhaps empty. RFC 9112 4: it means nothing to a program.
    pub fn reason(&self) -> Span {
        self.reason
    }

    /// Takes the field lines away, together with `head`, the bytes they point into.
    pub fn take_fields(&mut self, head: Vec<u8>) -> Fields {
        Fields::received(head, std::mem::take(&mut self.lines))
    }
}

/// What the bytes at hand came to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Found {
    /// All bytes are in order, and the head does not end among them.
    NeedMore,
    /// The first `len` bytes are the head of an interim answer, 1xx but 101. Another head follows.
    Interim {
        /// Its bytes, the empty line included.
        len: usize,
    },
    /// The first `len` bytes are the head of the answer.
    Answer {
        /// Its bytes, the empty line included.
        len: usize,
    },
}

/// A resumable parser of the heads of one answer. Holds no bytes.
#[derive(Clone, Copy, Debug, Default)]
pub struct AnswerParser {
    stage: Stage,
    /// Bytes of the interim heads before the one in hand.
    passed: usize,
}

/// The piece of the head in hand.
#[derive(Clone, Copy, Debug, Default)]
enum Stage {
    /// The status-line, up to its reason phrase.
    #[default]
    Line,
    /// The reason phrase, of which this byte is the first not yet looked at.
    Reason { scanned: usize },
    /// The field lines.
    Fields(FieldSectionParser),
}

/// What stands before the version's minor number.
const NAME: &[u8] = b"HTTP/1.";

/// `HTTP/1.1 200`: all of it has its fixed place.
const LINE_BEGIN: usize = 12;

impl AnswerParser {
    /// Parses what has arrived. `input` is everything received since this head began: the bytes of the last call, and
    /// more; behind an interim answer, those behind it.
    ///
    /// # Errors
    /// The first fault in byte order. The parser is of no use then.
    pub fn parse(&mut self, input: &[u8], limits: &Limits, head: &mut AnswerHead) -> Result<Found, AnswerError> {
        let bytes_max = limits.head_bytes_max.min(u32::MAX as usize - 1).saturating_sub(self.passed);
        let window = input.get(..bytes_max).unwrap_or(input);
        match self.step(window, limits, head)? {
            Progress::NeedMore if window.len() < bytes_max => Ok(Found::NeedMore),
            Progress::NeedMore => Err(AnswerFault::HeadTooLarge.at(bytes_max)),
            Progress::Done { len } if is_interim(head.status) => {
                if let Some(at) = declared_at(&head.lines, input) {
                    return Err(AnswerFault::InterimContent.at(at));
                }
                *self = AnswerParser { stage: Stage::Line, passed: self.passed + len };
                Ok(Found::Interim { len })
            }
            Progress::Done { len } => Ok(Found::Answer { len }),
        }
    }

    fn step(&mut self, input: &[u8], limits: &Limits, head: &mut AnswerHead) -> Result<Progress, AnswerError> {
        if matches!(self.stage, Stage::Line) {
            check_line_begin(input)?;
            let Some(begin) = input.first_chunk::<LINE_BEGIN>() else { return Ok(Progress::NeedMore) };
            (head.version, head.status) = version_and_status(begin)?;
            head.lines.clear();
            self.stage = Stage::Reason { scanned: LINE_BEGIN };
        }
        if let Stage::Reason { scanned } = self.stage {
            let end = reason_end(input, scanned)?;
            let next = match classify(input, end, limits.lenient_lines) {
                Stop::LineEnd { next } => next,
                Stop::InputEnd => {
                    self.stage = Stage::Reason { scanned: end };
                    return Ok(Progress::NeedMore);
                }
                Stop::Refused(error) => return Err(AnswerFault::StatusLineEnd.at(error.at)),
                Stop::Byte(_) => return Err(AnswerFault::ReasonByte.at(end)),
            };
            head.reason = Span::new(end.min(LINE_BEGIN + 1), end);
            self.stage = Stage::Fields(FieldSectionParser::starting_at(next));
        }
        match &mut self.stage {
            Stage::Fields(fields) => Ok(fields.parse(input, LineRules::of_head(limits), &mut head.lines)?),
            Stage::Line | Stage::Reason { .. } => Ok(Progress::NeedMore),
        }
    }
}

/// RFC 9110 15.2: 1xx. RFC 9110 15.2.2: behind a 101 there is no other answer.
fn is_interim(status: Status) -> bool {
    status.is_informational() && status != Status::SWITCHING_PROTOCOLS
}

/// RFC 9112 4: each of the first twelve bytes by itself, so that the fault shows as soon as its byte does.
fn check_line_begin(input: &[u8]) -> Result<(), AnswerError> {
    let fault = |at: usize, byte: u8| match at {
        0..5 if byte != NAME[at] => Some(AnswerFault::NotHttp),
        5..7 if byte != NAME[at] => Some(AnswerFault::Version),
        7 if !byte.is_ascii_digit() => Some(AnswerFault::Version),
        8 if byte != b' ' => Some(AnswerFault::Version),
        9 if !(b'1'..=b'5').contains(&byte) => Some(AnswerFault::StatusCode),
        10 | 11 if !byte.is_ascii_digit() => Some(AnswerFault::StatusCode),
        _ => None,
    };
    let first = input.iter().take(LINE_BEGIN).enumerate().find_map(|(at, &byte)| Some(fault(at, byte)?.at(at)));
    first.map_or(Ok(()), Err)
}

fn version_and_status(begin: &[u8; LINE_BEGIN]) -> Result<(Version, Status), AnswerError> {
    // RFC 9110 2.5: a later minor version is treated as the highest that is known.
    let version = if begin[7] == b'0' { Version::Http10 } else { Version::Http11 };
    let code = begin[9..].iter().fold(0, |code, digit| code * 10 + u16::from(digit - b'0'));
    let status = Status::new(code).ok_or(AnswerFault::StatusCode.at(9))?;
    Ok((version, status))
}

/// Where the reason phrase ends that was scanned up to `scanned`, or the input does.
fn reason_end(input: &[u8], scanned: usize) -> Result<usize, AnswerError> {
    match input.get(LINE_BEGIN) {
        None | Some(b' ' | b'\r' | b'\n') => Ok(grammar::field_value_end(input, scanned)),
        Some(_) => Err(AnswerFault::StatusCode.at(LINE_BEGIN)),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    type Verdict = Result<Option<(u16, String, Vec<(String, String)>, usize)>, AnswerError>;

    /// Parses bytes that arrive as `prefixes`. Interim answers are passed over; the length is that of all heads.
    fn parse(input: &[u8], ends: impl Iterator<Item = usize>, limits: &Limits) -> Verdict {
        let (mut parser, mut head, mut start) = (AnswerParser::default(), AnswerHead::default(), 0);
        for end in ends {
            loop {
                match parser.parse(&input[start..end], limits, &mut head)? {
                    Found::NeedMore => break,
                    Found::Interim { len } => start += len,
                    Found::Answer { len } => {
                        let bytes = input[start..start + len].to_vec();
                        let reason = String::from_utf8_lossy(head.reason().of(&bytes)).into_owned();
                        let fields = head.take_fields(bytes);
                        let text = |value: &[u8]| String::from_utf8_lossy(value).into_owned();
                        let lines = fields.iter().map(|(name, value)| (name.to_owned(), text(value))).collect();
                        return Ok(Some((head.status().code(), reason, lines, start + len)));
                    }
                }
            }
        }
        Ok(None)
    }

    /// Whole, byte by byte, at every split, and with bytes behind it.
    fn check_within(input: &[u8], limits: &Limits, expected: &Verdict) {
        let shown = input.escape_ascii();
        let whole = input.len();
        assert_eq!(&parse(input, std::iter::once(whole), limits), expected, "{shown}");
        assert_eq!(&parse(input, 0..=whole, limits), expected, "byte by byte: {shown}");
        for cut in 0..whole {
            assert_eq!(&parse(input, [cut, whole].into_iter(), limits), expected, "cut at {cut}: {shown}");
        }
        if !matches!(expected, Ok(None)) {
            let longer = [input, b"HTTP/1.1 500 Next\r\n\r\n"].concat();
            assert_eq!(&parse(&longer, std::iter::once(longer.len()), limits), expected, "with more behind: {shown}");
        }
    }

    fn check(input: &str, expected: &Verdict) {
        check_within(input.as_bytes(), &Limits::default(), expected);
    }

    fn answer(code: u16, reason: &str, lines: &[(&str, &str)], len: usize) -> Verdict {
        let lines = lines.iter().map(|(name, value)| (name.to_string(), value.to_string())).collect();
        Ok(Some((code, reason.to_owned(), lines, len)))
    }

    #[test]
    fn answers_are_read() {
        check("HTTP/1.1 200 OK\r\nA: b\r\nC:d\r\n\r\n", &answer(200, "OK", &[("A", "b"), ("C", "d")], 30));
        check("HTTP/1.0 404 \r\n\r\n", &answer(404, "", &[], 17));
        check("HTTP/1.9 599\r\n\r\n", &answer(599, "", &[], 16));
        check("HTTP/1.1 200 a b\tc\u{e9} \r\n\r\n", &answer(200, "a b\tc\u{e9} ", &[], 25));
        check("HTTP/1.1 101 X\r\nUpgrade: y\r\n\r\n", &answer(101, "X", &[("Upgrade", "y")], 30));
    }

    #[test]
    fn interim_answers_are_passed_over() {
        let interim = "HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 103\r\nLink: x\r\n\r\n";
        check(&format!("{interim}HTTP/1.1 204 No\r\n\r\n"), &answer(204, "No", &[], interim.len() + 19));
        check(interim, &Ok(None));
        check("HTTP/1.1 100 X\r\nContent-Length: 0\r\n\r\n", &Ok(None));
        for line in ["Content-Length: 1", "content-length: x", "Transfer-Encoding: chunked"] {
            let at = 16 + line.find(' ').expect("a space") + 1;
            check(&format!("HTTP/1.1 100 X\r\n{line}\r\n\r\n"), &Err(AnswerFault::InterimContent.at(at)));
        }
    }

    #[test]
    fn what_is_not_all_there_is_waited_for() {
        for begin in [
            "",
            "H",
            "HTTP/1.1 20",
            "HTTP/1.1 200",
            "HTTP/1.1 200 O",
            "HTTP/1.1 200 OK\r",
            "HTTP/1.1 200 OK\r\nA: b\r\n",
        ] {
            check(begin, &Ok(None));
        }
    }

    #[test]
    fn what_is_no_answer_is_refused_at_its_first_wrong_byte() {
        use AnswerFault::*;
        for (attack, input, fault, at) in [
            ("another protocol", "SSH-2.0-OpenSSH_9.6\r\n", NotHttp, 0),
            ("a TLS alert", "\u{15}\u{3}\u{1}\0\u{2}", NotHttp, 0),
            ("an empty line, as before a request", "\r\nHTTP/1.1 200 OK\r\n\r\n", NotHttp, 0),
            ("the name in lower case", "http/1.1 200 OK\r\n\r\n", NotHttp, 0),
            ("a request", "GET / HTTP/1.1\r\n\r\n", NotHttp, 0),
            ("HTTP/2 on a line", "HTTP/2 200\r\n\r\n", Version, 5),
            ("two digits", "HTTP/1.10 200\r\n\r\n", Version, 8),
            ("no minor version", "HTTP/1. 200\r\n\r\n", Version, 7),
            ("two spaces", "HTTP/1.1  200 OK\r\n\r\n", StatusCode, 9),
            ("a tab for the space", "HTTP/1.1\t200 OK\r\n\r\n", Version, 8),
            ("a code of letters", "HTTP/1.1 2O0 OK\r\n\r\n", StatusCode, 10),
            ("a code of two digits", "HTTP/1.1 20 OK\r\n\r\n", StatusCode, 11),
            ("a code of four digits", "HTTP/1.1 2000 OK\r\n\r\n", StatusCode, 12),
            ("a sign", "HTTP/1.1 +20 OK\r\n\r\n", StatusCode, 9),
            ("a class that does not exist", "HTTP/1.1 600 OK\r\n\r\n", StatusCode, 9),
            ("a class that does not exist", "HTTP/1.1 099 OK\r\n\r\n", StatusCode, 9),
            ("a line cut by a bare LF", "HTTP/1.1 200 OK\nA: b\r\n\r\n", StatusLineEnd, 15),
            ("a line hidden behind a bare CR", "HTTP/1.1 200 OK\rSet-Cookie: a=b\r\n\r\n", StatusLineEnd, 15),
            ("a NUL in the reason", "HTTP/1.1 200 O\0K\r\n\r\n", ReasonByte, 14),
            ("an escape for a terminal", "HTTP/1.1 200 \u{1b}[2J\r\n\r\n", ReasonByte, 13),
            ("a folded line", "HTTP/1.1 200 OK\r\nA: b\r\n c\r\n\r\n", Message(Fault::ObsFold), 23),
            (
                "a space before the first field",
                "HTTP/1.1 200 OK\r\n A: b\r\n\r\n",
                Message(Fault::WhitespaceBeforeFirstField),
                17,
            ),
            (
                "a space before the colon",
                "HTTP/1.1 200 OK\r\nContent-Length : 1\r\n\r\n",
                Message(Fault::WhitespaceBeforeColon),
                31,
            ),
            (
                "a split answer: a bare LF in a value",
                "HTTP/1.1 200 OK\r\nA: b\nSet-Cookie: c\r\n\r\n",
                Message(Fault::BareLf),
                21,
            ),
            (
                "a split answer: a bare CR in a value",
                "HTTP/1.1 200 OK\r\nA: b\rSet-Cookie: c\r\n\r\n",
                Message(Fault::BareCr),
                21,
            ),
            ("a NUL in a value", "HTTP/1.1 200 OK\r\nA: \0\r\n\r\n", Message(Fault::FieldValueByte), 20),
            ("a fault behind an interim answer", "HTTP/1.1 100\r\n\r\nSSH", NotHttp, 0),
        ] {
            let verdict = parse(input.as_bytes(), std::iter::once(input.len()), &Limits::default());
            assert_eq!(verdict, Err(fault.at(at)), "{attack}");
            check(input, &Err(fault.at(at)));
        }
    }

    #[test]
    fn heads_are_bounded_with_the_interim_ones_before_them() {
        let tight = Limits { head_bytes_max: 60, field_lines_max: 2, ..Limits::default() };
        let long = format!("HTTP/1.1 200 {}", "x".repeat(60));
        check_within(long.as_bytes(), &tight, &Err(AnswerFault::HeadTooLarge.at(60)));
        let lines = "HTTP/1.1 200 OK\r\nA: b\r\nC: d\r\nE: f\r\n\r\n";
        check_within(lines.as_bytes(), &tight, &Err(AnswerFault::Message(Fault::TooManyFieldLines).at(29)));
        let endless = "HTTP/1.1 100 Continue\r\n\r\n".repeat(3);
        check_within(endless.as_bytes(), &tight, &Err(AnswerFault::HeadTooLarge.at(10)));
        let fits = "HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 200 ok\r\nA: bcdefghijkl\r\n\r\n";
        assert_eq!(fits.len(), 60);
        check_within(fits.as_bytes(), &tight, &answer(200, "ok", &[("A", "bcdefghijkl")], 60));
    }

    #[test]
    fn a_head_that_trickles_costs_what_it_costs_whole() {
        // Read again from its beginning at each byte, this would take minutes.
        let limits = Limits { head_bytes_max: 1 << 20, ..Limits::default() };
        let long = "x".repeat(1 << 18);
        for input in
            [format!("HTTP/1.1 200 {long}\r\n\r\n"), format!("HTTP/1.1 200 OK\r\nX: {long}\r\n{long}: y\r\n\r\n")]
        {
            let verdict = parse(input.as_bytes(), 0..=input.len(), &limits);
            assert_eq!(verdict, parse(input.as_bytes(), std::iter::once(input.len()), &limits));
        }
    }

    #[test]
    fn a_bare_lf_is_taken_where_it_is_asked_for() {
        let lenient = Limits { lenient_lines: true, ..Limits::default() };
        check_within(b"HTTP/1.1 200 OK\nA: b\n\n", &lenient, &answer(200, "OK", &[("A", "b")], 22));
    }
}
