//! Owns the reading of the head that nearly every client sends, from masks of a block instead of byte by byte.
//!
//! The one idea: this reads what is in order and in the usual spelling, and stops in front of everything else. What it
//! stops at, [`super::head`] and [`super::field_section`] read again with all their rules; so a fault has one place that
//! judges it, and this has none.
//!
//! ```text
//!   GET /plaintext HTTP/1.1\r\nHost: a\r\nAccept:*/*\r\n\r\n
//!   └── request_line ────────┘└─ line ──┘^
//!                                        no space behind the colon: from here on with care
//! ```
//!
//! A line is usual when its name has at most 64 bytes, one SP follows the colon, no white space is at either end of the
//! value, and CR LF ends it.
//!
//! Spec: as [`super::head`]; what is accepted here is accepted there, to the same numbers (the fuzz targets `head` and
//! `head_twins` compare them).
//! Never: refuses anything; reads a byte more than four times, or more than two blocks behind the head.
//! Limits: `method_bytes_max`, `target_bytes_max`, `field_lines_max`.

use crate::http::Version;
use crate::http::field::{FieldLine, Known};
use crate::http::h1::grammar;
use crate::http::h1::head::{RequestHead, Span};
use crate::http::h1::line_room::{LineRoom, LineWriter, write_behind};
use crate::http::h1::scan::{BLOCK, Lanes, Stops, Work};
use crate::http::limits::Limits;
use crate::http::method::METHOD_BYTES_MAX;

/// How far a head was read.
pub(super) enum Reached {
    /// Nowhere.
    Start,
    /// Its request-line, and the field lines up to the one that begins here.
    Line(usize),
    /// Its end, behind the empty line.
    End(usize),
}

/// A head that is read from its first byte on.
pub(super) struct WholeHead<'a> {
    pub(super) limits: &'a Limits,
    pub(super) head: &'a mut RequestHead,
}

impl Work for WholeHead<'_> {
    type Output = Reached;

    #[inline(always)]
    fn run<L: Lanes>(self, lanes: L, input: &[u8]) -> Reached {
        let WholeHead { limits, head } = self;
        head.lines.clear();
        let Some(next) = request_line(lanes, input, limits, head) else { return Reached::Start };
        let section = Section { lanes, input, line: next as u32 };
        let line = write_behind(&mut head.lines, limits.field_lines_max, section) as usize;
        if input[line..].starts_with(b"\r\n") { Reached::End(line + 2) } else { Reached::Line(line) }
    }
}

/// Where the request-line ends.
#[inline(always)]
fn request_line<L: Lanes>(lanes: L, input: &[u8], limits: &Limits, head: &mut RequestHead) -> Option<usize> {
    let method_end = if input.starts_with(b"GET ") { 3 } else { method_end(lanes, input)? };
    let start = method_end + 1;
    let plain_end = lanes.class_end(input, start, grammar::PLAIN_PATH);
    let is_plain = has_version(input, plain_end);
    let end = if is_plain { plain_end } else { lanes.class_end(input, plain_end, grammar::TARGET_CLASS) };
    let is_usual = is_plain || has_version(input, end);
    if !is_usual || method_end > limits.method_bytes_max || end == start || end - start > limits.target_bytes_max {
        return None;
    }
    head.method = Span::new(0, method_end);
    head.target = Span::new(start, end);
    head.target_is_plain = is_plain;
    head.version = Version::Http11;
    Some(end + VERSION.len())
}

/// The end of any method but the most frequent.
#[inline(always)]
fn method_end<L: Lanes>(lanes: L, input: &[u8]) -> Option<usize> {
    let end = lanes.class_end(input, 0, grammar::TOKEN_CLASS);
    let fits = end > 0 && end <= METHOD_BYTES_MAX;
    (fits && *input.get(end)? == b' ').then_some(end)
}

const VERSION: &[u8; 11] = b" HTTP/1.1\r\n";

/// Whether the request-line ends with the usual version behind a target that ends at `at`.
#[inline(always)]
fn has_version(input: &[u8], at: usize) -> bool {
    // Compared as two words that overlap.
    let version = input.get(at..).and_then(<[u8]>::first_chunk::<11>);
    version.is_some_and(|version| version[..8] == VERSION[..8] && version[7..] == VERSION[7..])
}

/// The lines of `input` from `line` on.
struct Section<'a, L> {
    lanes: L,
    input: &'a [u8],
    line: u32,
}

impl<L: Lanes> LineWriter for Section<'_, L> {
    type Output = u32;

    /// Where the line begins that is not usual, or has no room.
    #[inline(always)]
    fn write(self, room: &mut LineRoom<'_>) -> u32 {
        let Section { lanes, input, mut line } = self;
        // Offsets are u32, as in a span: so the compiler knows that a sum of them and a few does not overflow a usize.
        let mut stops = Stops { name: 0, value: 0 };
        let mut known_to = line;
        loop {
            if stops.name == 0 {
                (stops, known_to) = (lanes.stops(input, line as usize), line + BLOCK as u32);
            }
            if stops.name & 1 != 0 {
                return line;
            }
            let name_end = line + stops.name.trailing_zeros();
            let mut block = line;
            while stops.value == 0 {
                block = known_to;
                (stops, known_to) = (lanes.stops(input, block as usize), block + BLOCK as u32);
            }
            let place = stops.value.trailing_zeros();
            let value_end = block + place;
            let Some(name) = usual_line(input, line as usize, name_end as usize, value_end as usize) else {
                return line;
            };
            let field = FieldLine {
                name_start: line,
                value_start: name_end + 2,
                value_len: value_end - name_end - 2,
                name_len: (name_end - line) as u16,
                known: Known::of(name),
            };
            if room.push(field).is_none() {
                return line;
            }
            line = value_end + 2;
            stops = Stops { name: stops.name >> place >> 2, value: stops.value >> place >> 2 };
        }
    }
}

/// The name, when the line at `line` is usual. What stands around the colon, and around the end, is loaded once
/// and compared in a register.
#[inline(always)]
fn usual_line(input: &[u8], line: usize, name_end: usize, value_end: usize) -> Option<&[u8]> {
    let input = input.get(..value_end + 3)?;
    let colon = u32::from_le_bytes(*input.get(name_end..name_end + 4)?.first_chunk()?);
    let end = u32::from_le_bytes(*input.last_chunk()?);
    let is_usual = colon as u16 == u16::from_le_bytes(*b": ")
        && (colon >> 16) as u8 > b' '
        && (end >> 8) as u16 == u16::from_le_bytes(*b"\r\n")
        && end as u8 > b' ';
    if is_usual { input.get(line..name_end) } else { None }
}
