//! Owns the chunked transfer coding: a decoder that is fed bytes as they come, and the encoder.
//!
//! The one idea: framing bytes are taken as soon as they are there, so nobody has to keep half a chunk line; data is
//! never copied, only counted.
//!
//! ```text
//!   5;a=b\r\n hello \r\n0\r\n Sum: 1\r\n\r\n            ┌── size > 0 ──▶ Data ──┐
//!   ───────── ───── ──────── ───────────────            │                       │
//!   Line      Data  Line     Trailers          ───▶ Line ◀──────────────────────┘
//!                                                       └── size 0 ────▶ Trailers ──▶ Done
//! ```
//!
//! Spec: RFC 9112 7.1 (chunks), 7.1.1 (extensions), 7.1.2 (trailers); RFC 9110 5.6.4 (quoted-string), 6.5.1 (what may
//! not be a trailer). Stricter than they demand: CR LF always, whatever `lenient_lines` says; a trailer field that belongs
//! into the head is refused, not dropped. Against one demand: RFC 9110 5.6.3 has a recipient parse and remove the bad
//! white space that 7.1.1 allows in a chunk line. It is refused here, because readers differ on it, no client sends it, and
//! that is what requests are smuggled with.
//! Never: buffers data, merges trailers into the head's fields, acts on an extension.
//! Invariants: `NeedMore` has used the whole input; the first fault in byte order is reported, its offset counted from
//! the first byte of the content; what is kept is bounded by `trailer_bytes_max`.
//! Limits: `chunk_line_bytes_max`, `chunk_extension_bytes_max`, `trailer_bytes_max`, `field_lines_max`.

use crate::http::field::{Fields, push_line};
use crate::http::h1::field_section::{FieldSectionParser, LineRules, Progress};
use crate::http::h1::grammar;
use crate::http::{Fault, Limits, ProtocolError};

/// What one call of [`Decoder::step`] came to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Step {
    /// How many bytes of the input are done with.
    pub used: usize,
    /// What they were.
    pub event: Event,
}

/// What the decoder found.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Event {
    /// Framing that goes on behind the input, all of which is used.
    NeedMore,
    /// A chunk's line; so many bytes of data follow. 0 is the last chunk: the trailers follow.
    ChunkHead {
        /// Bytes of data in the chunk.
        size: u64,
    },
    /// Data: the first `len` bytes of the input, never 0.
    Data {
        /// Bytes of data, the same as [`Step::used`].
        len: usize,
    },
    /// The content is over, and what is behind it belongs to the next message.
    End,
}

/// Takes the chunked coding off a stream of bytes.
#[derive(Clone, Debug, Default)]
pub struct Decoder {
    state: State,
    /// Bytes of the content stream used so far.
    at: usize,
    /// Bytes of chunk extensions so far, over all chunks.
    extension_bytes: usize,
    trailers: Fields,
}

#[derive(Clone, Copy, Debug, Default)]
enum State {
    /// Before the first chunk's line.
    #[default]
    Start,
    /// Behind a chunk's data, before the CR LF that ends it.
    DataEnd,
    /// In a chunk's line, with the CR LF that ends it and the one that ends the data before it.
    Line(Line),
    /// In a chunk's data, so many bytes before its end.
    Data { left: u64 },
    /// In the trailer section, whose bytes are kept in `trailers`.
    Trailers(FieldSectionParser),
    /// Behind the empty line.
    Done,
}

/// How much of a chunk's line is there.
#[derive(Clone, Copy, Debug)]
struct Line {
    part: Part,
    size: u64,
    /// Bytes of the line so far.
    len: usize,
}

/// The part of a chunk's line that the last byte belongs to, or that the next one begins.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Part {
    DataEnd,
    DataLineFeed,
    FirstDigit,
    Size,
    FirstOfName,
    Name,
    FirstOfValue,
    Value,
    Quoted,
    QuotedPair,
    QuotedEnd,
    LineFeed,
}

impl Decoder {
    /// Takes the next event off `input`, the bytes behind those used so far. Behind [`Event::End`] it stays there.
    ///
    /// # Errors
    /// The first fault in byte order. The decoder is of no use then: where the next message begins is not known.
    #[inline]
    pub fn step(&mut self, input: &[u8], limits: &Limits) -> Result<Step, ProtocolError> {
        let step = match self.state {
            State::Start => self.next_line(Part::FirstDigit, input, limits)?,
            State::DataEnd => self.next_line(Part::DataEnd, input, limits)?,
            State::Line(line) => self.line(line, input, limits)?,
            State::Data { left } => self.data(left, input),
            State::Trailers(_) if self.trailers.bytes.is_empty() && input.starts_with(b"\r\n") => {
                self.state = State::Done;
                Step { used: 2, event: Event::End }
            }
            State::Trailers(section) => self.trailer_section(section, input, limits)?,
            State::Done => Step { used: 0, event: Event::End },
        };
        self.at = self.at.saturating_add(step.used);
        Ok(step)
    }

    /// Bytes of the content stream used so far.
    pub fn taken(&self) -> usize {
        self.at
    }

    /// The trailer fields, to be taken after [`Event::End`].
    pub fn take_trailers(&mut self) -> Fields {
        let Fields { bytes, lines, .. } = std::mem::take(&mut self.trailers);
        Fields::received(bytes, lines)
    }

    /// Takes a line from its beginning, at once when it is plain and whole.
    #[inline]
    fn next_line(&mut self, part: Part, input: &[u8], limits: &Limits) -> Result<Step, ProtocolError> {
        match plain_line(part, input, limits) {
            Some((used, size)) => Ok(self.begin_chunk(used, size)),
            None if input.is_empty() => Ok(Step { used: 0, event: Event::NeedMore }),
            None => self.line(Line { part, size: 0, len: 0 }, input, limits),
        }
    }

    /// Takes a line byte by byte.
    #[cold]
    fn line(&mut self, mut line: Line, input: &[u8], limits: &Limits) -> Result<Step, ProtocolError> {
        for (index, &byte) in input.iter().enumerate() {
            if line.part == Part::LineFeed && byte == b'\n' {
                return Ok(self.begin_chunk(index + 1, line.size));
            }
            self.push(&mut line, byte, limits).map_err(|fault| fault.at(self.at + index))?;
        }
        self.state = State::Line(line);
        Ok(Step { used: input.len(), event: Event::NeedMore })
    }

    #[inline]
    fn begin_chunk(&mut self, used: usize, size: u64) -> Step {
        self.state = if size > 0 { State::Data { left: size } } else { State::Trailers(FieldSectionParser::default()) };
        Step { used, event: Event::ChunkHead { size } }
    }

    /// Takes one byte into the line.
    fn push(&mut self, line: &mut Line, byte: u8, limits: &Limits) -> Result<(), Fault> {
        line.part = line.part.after(byte)?;
        match line.part {
            Part::DataEnd | Part::DataLineFeed | Part::FirstDigit | Part::LineFeed => return Ok(()),
            Part::Size => {
                // RFC 9112 7.1: a recipient must expect sizes that its integers cannot hold.
                let room = (line.size >> 60 == 0).then_some(line.size << 4).ok_or(Fault::ChunkSizeOverflow)?;
                line.size = room | u64::from(grammar::hex_value(byte).unwrap_or_default());
            }
            _ => self.extension_bytes += 1,
        }
        line.len += 1;
        if line.len > limits.chunk_line_bytes_max {
            return Err(Fault::ChunkLineTooLong);
        }
        // RFC 9112 7.1.1: a server ought to limit the total length of the extensions of a request.
        if self.extension_bytes > limits.chunk_extension_bytes_max {
            return Err(Fault::ChunkExtensionsTooLong);
        }
        Ok(())
    }

    #[inline]
    fn data(&mut self, left: u64, input: &[u8]) -> Step {
        let len = usize::try_from(left).unwrap_or(usize::MAX).min(input.len());
        let left = left - len as u64;
        self.state = if left > 0 { State::Data { left } } else { State::DataEnd };
        Step { used: len, event: if len > 0 { Event::Data { len } } else { Event::NeedMore } }
    }

    #[inline(never)]
    fn trailer_section(
        &mut self,
        mut section: FieldSectionParser,
        input: &[u8],
        limits: &Limits,
    ) -> Result<Step, ProtocolError> {
        let held = self.trailers.bytes.len();
        let start = self.at - held;
        // RFC 9112 7.1: the empty line behind the trailer-section is no part of it.
        let bytes_max = limits.trailer_bytes_max.saturating_add(2);
        let room = bytes_max.saturating_sub(held).min(input.len());
        self.trailers.bytes.extend_from_slice(&input[..room]);
        let bytes = &self.trailers.bytes;
        let progress = section.parse(bytes, LineRules::of_trailers(limits), &mut self.trailers.lines);
        match progress.map_err(|error| of_chunked(error.fault).at(start + error.at))? {
            Progress::NeedMore if held + room >= bytes_max => Err(Fault::TrailersTooLarge.at(start + bytes_max)),
            Progress::NeedMore => {
                self.state = State::Trailers(section);
                Ok(Step { used: room, event: Event::NeedMore })
            }
            Progress::Done { len } => {
                self.trailers.bytes.truncate(len);
                self.state = State::Done;
                self.refuse_forbidden_trailers(start)?;
                Ok(Step { used: len - held, event: Event::End })
            }
        }
    }

    fn refuse_forbidden_trailers(&self, start: usize) -> Result<(), ProtocolError> {
        let forbidden = self.trailers.lines.iter().find(|line| is_forbidden_trailer(line.name(&self.trailers.bytes)));
        forbidden.map_or(Ok(()), |line| Err(Fault::ForbiddenTrailer.at(start + line.name_start as usize)))
    }
}

/// A fault of the trailer section as one of chunked content, where no setting takes a bare LF.
fn of_chunked(fault: Fault) -> Fault {
    if fault == Fault::BareLf { Fault::ChunkLineEnd } else { fault }
}

/// Digits of a size that is read at once: no more than fit without an overflow.
const PLAIN_DIGITS_MAX: usize = 8;

/// The line that nearly every chunk has, a few digits and CR LF, when all of it is there: its length and its size. It is
/// read without a state for each byte, which makes it three times as fast (`chunked` in `benches`). Every other line,
/// and every fault, is left to the states.
#[inline]
fn plain_line(part: Part, input: &[u8], limits: &Limits) -> Option<(usize, u64)> {
    let line = if part == Part::DataEnd { input.strip_prefix(CHUNK_DATA_END)? } else { input };
    let (mut size, mut digits) = (0, 0);
    loop {
        let &byte = line.get(digits)?;
        let value = HEX_VALUES[usize::from(byte)];
        if value == NO_HEX {
            break;
        }
        (size, digits) = (size << 4 | u64::from(value), digits + 1);
    }
    let ends = line[digits..].starts_with(b"\r\n");
    let fits = (1..=limits.chunk_line_bytes_max.min(PLAIN_DIGITS_MAX)).contains(&digits);
    (ends && fits).then_some((input.len() - line.len() + digits + 2, size))
}

/// The value of each hex digit; [`NO_HEX`] for any other byte.
static HEX_VALUES: [u8; 256] = {
    let mut values = [NO_HEX; 256];
    let mut byte = 0;
    while byte < 256 {
        if let Some(value) = grammar::hex_value(byte as u8) {
            values[byte] = value;
        }
        byte += 1;
    }
    values
};

const NO_HEX: u8 = u8::MAX;

impl Part {
    /// RFC 9112 7.1: `chunk-size [ chunk-ext ] CRLF`, where
    /// `chunk-ext = *( ";" chunk-ext-name [ "=" ( token / quoted-string ) ] )`.
    #[inline]
    fn after(self, byte: u8) -> Result<Part, Fault> {
        use Part::*;
        Ok(match (self, byte) {
            (DataEnd, b'\r') => DataLineFeed,
            (DataLineFeed, b'\n') => FirstDigit,
            // Data that is longer or shorter than its size: the next line would begin in the middle of something.
            (DataEnd | DataLineFeed, _) => return Err(Fault::ChunkDataEnd),
            (FirstDigit | Size, b'0'..=b'9' | b'a'..=b'f' | b'A'..=b'F') => Size,
            (Size | Name | Value | QuotedEnd, b'\r') => LineFeed,
            (Size | Name | Value | QuotedEnd, b';') => FirstOfName,
            (Name, b'=') => FirstOfValue,
            (FirstOfName | Name, _) if grammar::is_token(byte) => Name,
            (FirstOfValue | Value, _) if grammar::is_token(byte) => Value,
            (FirstOfValue, b'"') => Quoted,
            (Quoted, b'"') => QuotedEnd,
            (Quoted, b'\\') => QuotedPair,
            (Quoted, _) if grammar::is_quoted_text(byte) => Quoted,
            (QuotedPair, _) if grammar::is_field_value(byte) => Quoted,
            (LineFeed, _) | (_, b'\n') => return Err(Fault::ChunkLineEnd),
            (_, b' ' | b'\t') => return Err(Fault::WhitespaceInChunkLine),
            (FirstDigit | Size, _) => return Err(Fault::ChunkSizeByte),
            _ => return Err(Fault::InvalidChunkExtension),
        })
    }
}

/// Chunked content that arrived whole.
#[derive(Clone, Debug)]
pub struct Whole {
    /// How many bytes of the input it took.
    pub used: usize,
    /// The content, the coding taken off.
    pub content: Vec<u8>,
    /// The trailer fields.
    pub trailers: Fields,
}

/// Decodes chunked content that begins at `input[0]`, when all of it is there; `None` when it is not.
///
/// # Errors
/// As [`Decoder::step`].
pub fn decode_whole(input: &[u8], limits: &Limits) -> Result<Option<Whole>, ProtocolError> {
    let (mut decoder, mut content, mut used) = (Decoder::default(), Vec::new(), 0);
    loop {
        let rest = &input[used..];
        let step = decoder.step(rest, limits)?;
        used += step.used;
        match step.event {
            Event::NeedMore => return Ok(None),
            Event::ChunkHead { .. } => {}
            Event::Data { len } => content.extend_from_slice(&rest[..len]),
            Event::End => return Ok(Some(Whole { used, content, trailers: decoder.take_trailers() })),
        }
    }
}

/// What follows the data of each chunk.
pub const CHUNK_DATA_END: &[u8] = b"\r\n";

/// Appends the line of a chunk of `len` bytes. Its data and [`CHUNK_DATA_END`] follow.
///
/// # Panics
/// When `len` is 0: that would be the last chunk.
pub fn encode_chunk_head(len: usize, out: &mut Vec<u8>) {
    assert!(len > 0, "a chunk of 0 bytes would end the content");
    let digits = (usize::BITS - len.leading_zeros()).div_ceil(4);
    out.extend((0..digits).rev().map(|digit| HEX_DIGITS[len >> (4 * digit) & 0xf]));
    out.extend_from_slice(b"\r\n");
}

const HEX_DIGITS: &[u8; 16] = b"0123456789abcdef";

/// Appends the last chunk, the trailer section and the empty line. A trailer that may not be one is left out.
pub fn encode_end(out: &mut Vec<u8>, trailers: Option<&Fields>) {
    out.extend_from_slice(b"0\r\n");
    for (name, value) in trailers.iter().flat_map(|fields| fields.iter()) {
        if !is_forbidden_trailer(name.as_bytes()) {
            push_line(name.as_bytes(), value, out);
        }
    }
    out.extend_from_slice(b"\r\n");
}

/// RFC 9110 6.5.1: fields for framing, routing, authentication, request modifiers, response controls and the format of
/// the content come before it or not at all.
fn is_forbidden_trailer(name: &[u8]) -> bool {
    FORBIDDEN_TRAILERS.iter().any(|forbidden| name.eq_ignore_ascii_case(forbidden.as_bytes()))
}

const FORBIDDEN_TRAILERS: &[&str] = &[
    "Age",
    "Authorization",
    "Cache-Control",
    "Connection",
    "Content-Encoding",
    "Content-Length",
    "Content-Range",
    "Content-Type",
    "Cookie",
    "Date",
    "Expect",
    "Expires",
    "Forwarded",
    "Host",
    "If-Match",
    "If-Modified-Since",
    "If-None-Match",
    "If-Range",
    "If-Unmodified-Since",
    "Keep-Alive",
    "Location",
    "Max-Forwards",
    "Pragma",
    "Proxy-Authenticate",
    "Proxy-Authorization",
    "Proxy-Connection",
    "Range",
    "Retry-After",
    "Set-Cookie",
    "TE",
    "Trailer",
    "Transfer-Encoding",
    "Upgrade",
    "Vary",
    "WWW-Authenticate",
    "X-Forwarded-For",
    "X-Forwarded-Host",
    "X-Forwarded-Proto",
];

#[cfg(test)]
mod tests {
    use super::*;

    /// Content, trailer lines and bytes used; `None` while there is no end.
    type Verdict = Result<Option<(String, Vec<String>, usize)>, ProtocolError>;

    /// Feeds `input` up to each of `ends` in turn.
    fn feed(input: &[u8], ends: impl IntoIterator<Item = usize>, limits: &Limits) -> Verdict {
        let (mut decoder, mut content, mut used) = (Decoder::default(), Vec::new(), 0);
        for end in ends {
            loop {
                let rest = &input[used..end];
                let step = decoder.step(rest, limits)?;
                used += step.used;
                match step.event {
                    Event::NeedMore => {
                        assert_eq!(step.used, rest.len(), "what needs more has used everything");
                        break;
                    }
                    Event::ChunkHead { .. } => {}
                    Event::Data { len } => content.extend_from_slice(&rest[..len]),
                    Event::End => return Ok(Some((text(&content), shown(&decoder.take_trailers()), used))),
                }
            }
        }
        Ok(None)
    }

    fn text(bytes: &[u8]) -> String {
        String::from_utf8_lossy(bytes).into_owned()
    }

    fn shown(trailers: &Fields) -> Vec<String> {
        trailers.iter().map(|(name, value)| format!("{name}: {}", text(value))).collect()
    }

    /// The verdict must be the same whole, at every split, byte by byte, before more bytes, and by `decode_whole`.
    fn check_with(input: &str, limits: &Limits, expected: Verdict) {
        let (bytes, len) = (input.as_bytes(), input.len());
        assert_eq!(feed(bytes, [len], limits), expected, "whole: {input:?}");
        assert_eq!(feed(bytes, 0..=len, limits), expected, "byte by byte: {input:?}");
        for split in 0..=len {
            assert_eq!(feed(bytes, [split, len], limits), expected, "split at {split}: {input:?}");
        }
        if !matches!(expected, Ok(None)) {
            assert_eq!(feed(format!("{input}0\r\n").as_bytes(), [len + 3], limits), expected, "and more: {input:?}");
        }
        let whole = decode_whole(bytes, limits);
        let whole = whole.map(|whole| whole.map(|whole| (text(&whole.content), shown(&whole.trailers), whole.used)));
        assert_eq!(whole, expected, "decode_whole: {input:?}");
    }

    fn accept(input: &str, content: &str, trailers: &[&str]) {
        let trailers = trailers.iter().map(ToString::to_string).collect();
        check_with(input, &Limits::default(), Ok(Some((content.into(), trailers, input.len()))));
    }

    fn refuse(input: &str, fault: Fault, at: usize) {
        check_with(input, &Limits::default(), Err(fault.at(at)));
    }

    #[test]
    fn content_is_what_stands_in_the_chunks() {
        accept("0\r\n\r\n", "", &[]);
        accept("5\r\nhello\r\n6\r\n world\r\n0\r\n\r\n", "hello world", &[]);
        accept("00a\r\n0123456789\r\n000\r\n\r\n", "0123456789", &[]);
        accept("A\r\n\r\n0\r\n\r\n\r\n1\r\n0\r\n\r\n", "\r\n0\r\n\r\n\r\n1", &[]);
        accept("1;a;b=c;d=\"e \\\" ;\"\r\nx\r\n0\r\n\r\n", "x", &[]);
        accept("1\r\nx\r\n0;last=1\r\nSum: 1 \r\nsum:2\r\n\r\n", "x", &["Sum: 1", "sum: 2"]);
        for unfinished in ["", "5", "5\r", "5\r\nhel", "5\r\nhello\r", "0\r\n", "0\r\n\r", "0\r\nA: b\r\n"] {
            check_with(unfinished, &Limits::default(), Ok(None));
        }
    }

    #[test]
    fn what_is_no_chunk_is_refused() {
        for (input, fault, at) in [
            ("\r\n", Fault::ChunkSizeByte, 0),
            ("x\r\n", Fault::ChunkSizeByte, 0),
            ("0x5\r\n", Fault::ChunkSizeByte, 1),
            ("-1\r\n", Fault::ChunkSizeByte, 0),
            ("+5\r\n", Fault::ChunkSizeByte, 0),
            ("5_0\r\n", Fault::ChunkSizeByte, 1),
            (" 5\r\n", Fault::WhitespaceInChunkLine, 0),
            ("5 \r\n", Fault::WhitespaceInChunkLine, 1),
            ("5\t;a\r\n", Fault::WhitespaceInChunkLine, 1),
            ("5; a\r\n", Fault::WhitespaceInChunkLine, 2),
            ("5;a =b\r\n", Fault::WhitespaceInChunkLine, 3),
            ("10000000000000000\r\n", Fault::ChunkSizeOverflow, 16),
            ("5\nhello", Fault::ChunkLineEnd, 1),
            ("5\rhello", Fault::ChunkLineEnd, 2),
            ("5\r\r\n", Fault::ChunkLineEnd, 2),
            ("5;a\nhello", Fault::ChunkLineEnd, 3),
            ("5;\nhello", Fault::ChunkLineEnd, 2),
            ("5;\r\n", Fault::InvalidChunkExtension, 2),
            ("5;=a\r\n", Fault::InvalidChunkExtension, 2),
            ("5;a=\r\n", Fault::InvalidChunkExtension, 4),
            ("5;a=\"b\r\n", Fault::InvalidChunkExtension, 6),
            ("5;a=\"b\"c\r\n", Fault::InvalidChunkExtension, 7),
            ("5;a=\"\\\r\"\r\n", Fault::InvalidChunkExtension, 6),
            ("5;a\0\r\n", Fault::InvalidChunkExtension, 3),
            ("5\r\nhelloo\r\n", Fault::ChunkDataEnd, 8),
            ("5\r\nhello\n", Fault::ChunkDataEnd, 8),
            ("5\r\nhello\rx", Fault::ChunkDataEnd, 9),
            ("5\r\nhell\r\n0\r\n\r\n", Fault::ChunkDataEnd, 8),
            ("0\r\nA: b\n\r\n", Fault::ChunkLineEnd, 7),
            ("0\r\n\n", Fault::ChunkLineEnd, 3),
            ("0\r\n A: b\r\n\r\n", Fault::WhitespaceBeforeFirstField, 3),
            ("0\r\nGET / HTTP/1.1\r\n\r\n", Fault::WhitespaceBeforeColon, 6),
            ("0\r\nA: b\r\nContent-Length: 5\r\n\r\n", Fault::ForbiddenTrailer, 9),
            ("0\r\ntransfer-encoding: chunked\r\n\r\n", Fault::ForbiddenTrailer, 3),
            ("0\r\nHost: a\r\n\r\n", Fault::ForbiddenTrailer, 3),
            ("0\r\nAuthorization: a\r\n\r\n", Fault::ForbiddenTrailer, 3),
        ] {
            refuse(input, fault, at);
        }
    }

    #[test]
    fn what_carries_nothing_is_bounded() {
        let limits = Limits {
            chunk_line_bytes_max: 6,
            chunk_extension_bytes_max: 7,
            trailer_bytes_max: 10,
            field_lines_max: 2,
            lenient_lines: true,
            ..Limits::default()
        };
        for (input, fault, at) in [
            ("0000000", Fault::ChunkLineTooLong, 6),
            ("1;abcdef", Fault::ChunkLineTooLong, 6),
            ("1;abcd\r\nx\r\n1;ab", Fault::ChunkExtensionsTooLong, 14),
            ("0\r\nA: 456789012", Fault::TrailersTooLarge, 15),
            ("0\r\nA:\r\nB:\r\nC", Fault::TooManyFieldLines, 11),
            ("1\nx", Fault::ChunkLineEnd, 1),
            ("0\r\nA: b\n", Fault::ChunkLineEnd, 7),
        ] {
            check_with(input, &limits, Err(fault.at(at)));
        }
        check_with("0\r\nA: 45678\r\n\r\n", &limits, Ok(Some((String::new(), vec!["A: 45678".into()], 15))));
        let no_trailers = Limits { trailer_bytes_max: 0, ..limits };
        check_with("0\r\n\r\n", &no_trailers, Ok(Some((String::new(), vec![], 5))));
        check_with("0\r\nA:\r\n\r\n", &no_trailers, Err(Fault::TrailersTooLarge.at(5)));
    }

    #[test]
    fn what_is_encoded_is_decoded() {
        let mut trailers = Fields::new();
        for (name, value) in [("Sum", "1"), ("Content-Length", "5"), ("Host", "x"), ("Note", "")] {
            trailers.append(name, value).expect("valid");
        }
        for len in [1, 9, 15, 16, 17, 255, 256, 65_536] {
            let data = "x".repeat(len);
            let mut out = Vec::new();
            encode_chunk_head(len, &mut out);
            assert_eq!(out, format!("{len:x}\r\n").as_bytes());
            out.extend_from_slice(data.as_bytes());
            out.extend_from_slice(CHUNK_DATA_END);
            encode_end(&mut out, Some(&trailers));
            let whole = decode_whole(&out, &Limits::default()).expect("valid").expect("whole");
            assert_eq!((text(&whole.content), whole.used), (data, out.len()));
            assert_eq!(shown(&whole.trailers), ["Sum: 1", "Note: "]);
        }
        let mut out = Vec::new();
        encode_end(&mut out, None);
        assert_eq!(out, b"0\r\n\r\n");
    }
}
