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
//! Spec: as [`super::head`]; what is accepted here is accepted there, to the same numbers (the fuzz target `head` compares
//! them).
//! Never: refuses anything; reads a byte more than twice and a block beyond the head.
//! Limits: `method_bytes_max`, `target_bytes_max`, `field_lines_max`.

use crate::http::Version;
use crate::http::field::{FieldLine, Known};
use crate::http::h1::grammar;
use crate::http::h1::head::{RequestHead, Span};
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

/// A head from its first byte on.
pub(super) struct WholeHead<'a> {
    pub(super) input: &'a [u8],
    pub(super) limits: &'a Limits,
    pub(super) head: &'a mut RequestHead,
}

impl Work for WholeHead<'_> {
    type Output = Reached;

    #[inline(always)]
    fn run<L: Lanes>(self, lanes: L) -> Reached {
        let WholeHead { input, limits, head } = self;
        let stops = lanes.stops(input, 0);
        let Some(next) = request_line(lanes, input, stops, limits, head) else { return Reached::Start };
        field_lines(lanes, input, next, stops.from(next), limits.field_lines_max, &mut head.lines)
    }
}

#[inline(always)]
fn request_line<L: Lanes>(
    lanes: L,
    input: &[u8],
    stops: Stops,
    limits: &Limits,
    head: &mut RequestHead,
) -> Option<usize> {
    let method_end = stops.name.trailing_zeros() as usize;
    if method_end == 0 || method_end > METHOD_BYTES_MAX || method_end > limits.method_bytes_max {
        return None;
    }
    if *input.get(method_end)? != b' ' {
        return None;
    }
    let start = method_end + 1;
    let plain_end = lanes.class_end(input, start, grammar::PLAIN_PATH);
    let is_plain = *input.get(plain_end)? == b' ';
    let end = if is_plain { plain_end } else { lanes.class_end(input, plain_end, grammar::TARGET_CLASS) };
    if end == start || end - start > limits.target_bytes_max {
        return None;
    }
    let version = input.get(end..)?.first_chunk::<11>()?;
    if version[..8] != *b" HTTP/1." || version[7..] != *b".1\r\n" {
        return None;
    }
    head.method = Span::new(0, method_end);
    (head.target, head.target_is_plain) = (Span::new(start, end), is_plain);
    head.version = Version::Http11;
    Some(end + version.len())
}

/// Reads lines from `line` on.
#[inline(always)]
fn field_lines<L: Lanes>(
    lanes: L,
    input: &[u8],
    mut line: usize,
    mut stops: Stops,
    lines_max: usize,
    lines: &mut Vec<FieldLine>,
) -> Reached {
    loop {
        let mut block = line;
        if stops.value == 0 {
            stops = lanes.stops(input, line);
        }
        let name_len = stops.name.trailing_zeros() as usize;
        if stops.value == 0 {
            (block, stops) = lanes.next_value_stop(input, line + BLOCK);
        }
        let end_in_block = stops.value.trailing_zeros();
        let (name_end, value_end) = (line + name_len, block + end_in_block as usize);
        let (Some(colon), Some(end)) = (four(input, name_end), four(input, value_end.wrapping_sub(1))) else {
            return ended(input, line);
        };
        if colon[..2] != *b": " || colon[2] <= b' ' || end[0] <= b' ' || end[1..3] != *b"\r\n" || name_len == 0 {
            return ended(input, line);
        }
        if lines.len() >= lines_max {
            return ended(input, line);
        }
        lines.push(FieldLine {
            name_start: line as u32,
            value_start: name_end as u32 + 2,
            value_len: (value_end - name_end - 2) as u32,
            name_len: name_len as u16,
            known: Known::of(&input[line..name_end]),
        });
        line = value_end + 2;
        stops = Stops { name: stops.name >> end_in_block >> 2, value: stops.value >> end_in_block >> 2 };
    }
}

#[inline(always)]
fn ended(input: &[u8], line: usize) -> Reached {
    if input[line..].starts_with(b"\r\n") { Reached::End(line + 2) } else { Reached::Line(line) }
}

/// The four bytes from `at` on. One comparison: the four slices are of the same length.
#[inline(always)]
fn four(input: &[u8], at: usize) -> Option<[u8; 4]> {
    let places = input.len().checked_sub(3)?;
    let (a, b, c, d) = (&input[..places], &input[1..][..places], &input[2..][..places], &input[3..][..places]);
    if at < places { Some([a[at], b[at], c[at], d[at]]) } else { None }
}
