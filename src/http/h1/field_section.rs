//! Owns the parsing of a field section: the field lines of a head or of trailers, up to the empty line.
//!
//! The one idea: the parser can stop behind any byte and go on there. What it must remember between two calls is three
//! numbers, so a section that trickles in costs the same as one that arrives at once.
//!
//! ```text
//!   Accept: text/html\r\nHo            input ends here: the line in hand is kept as numbers
//!                        ^ ^
//!                     line scanned     colon: not yet seen
//! ```
//!
//! Spec: RFC 9112 2.2, 5.1 and 5.2; RFC 9110 5.1 and 5.5. Stricter than they demand: a bare LF is refused unless asked
//! for, a bare CR always, and a folded line is refused where a server may also unfold it.
//! Never: looks at a byte more than twice, allocates other than for `lines`, knows what a field means.
//! Invariant: the first fault in byte order is the one reported, so the verdict is the same however the bytes arrive.
//! Limits: `field_lines_max`; in heads `lenient_lines`.

use crate::http::field::{FieldLine, Known};
use crate::http::h1::grammar;
use crate::http::{Fault, Limits, ProtocolError};

/// What one call of a parser came to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Progress {
    /// All bytes are in order and the end is not among them.
    NeedMore,
    /// The end was found.
    Done {
        /// How many bytes of the input belong to what was parsed, the empty line at its end included.
        len: usize,
    },
}

/// Longest field name, in bytes: what a [`FieldLine`] can say.
pub(crate) const NAME_BYTES_MAX: usize = u16::MAX as usize;

/// The rules that differ between the section of a head and that of trailers.
#[derive(Clone, Copy, Debug)]
pub(crate) struct LineRules {
    /// Whether a bare LF ends a line.
    lenient: bool,
    /// Most field lines.
    lines_max: usize,
}

impl LineRules {
    pub(crate) fn of_head(limits: &Limits) -> LineRules {
        LineRules { lenient: limits.lenient_lines, lines_max: limits.field_lines_max }
    }

    /// Chunked content is strict: trailers are the last place where two readers may differ about an end.
    pub(crate) fn of_trailers(limits: &Limits) -> LineRules {
        LineRules { lenient: false, lines_max: limits.field_lines_max }
    }
}

/// Where a field section was left when the input ran out.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct FieldSectionParser {
    /// First byte of the line in hand.
    line: usize,
    /// Its colon, once found.
    colon: Option<usize>,
    /// First byte not yet looked at.
    scanned: usize,
}

impl FieldSectionParser {
    /// A parser of the section whose first byte is `input[start]`.
    pub(crate) fn starting_at(start: usize) -> FieldSectionParser {
        FieldSectionParser { line: start, colon: None, scanned: start }
    }

    /// Parses what has arrived. `input` is what it was at the last call, and more.
    #[inline]
    pub(crate) fn parse(
        &mut self,
        input: &[u8],
        rules: LineRules,
        lines: &mut Vec<FieldLine>,
    ) -> Result<Progress, ProtocolError> {
        let FieldSectionParser { mut line, mut colon, mut scanned } = *self;
        loop {
            let found = match colon {
                None if lines.len() < rules.lines_max => find_colon(input, line, scanned),
                _ => colon,
            };
            let Some(name_end) = found else {
                if input[line..].starts_with(b"\r\n") {
                    return Ok(Progress::Done { len: line + 2 });
                }
                return self.stop_in_name(input, rules, line, scanned, lines.len());
            };
            // From the line's first byte, not from the colon: a name holds nothing that ends a value, and so the
            // processor need not know where the colon is before it looks for the end.
            let value_end = grammar::field_value_end(input, if colon.is_some() { scanned } else { line });
            let Some(next) = line_end(input, value_end, rules) else {
                return self.stop_in_value(input, rules, line, name_end, value_end);
            };
            lines.push(field_line(input, line, name_end, value_end));
            (line, colon, scanned) = (next, None, next);
        }
    }

    /// No name and colon: the empty line, a fault, or no more bytes.
    #[cold]
    fn stop_in_name(
        &mut self,
        input: &[u8],
        rules: LineRules,
        line: usize,
        scanned: usize,
        lines_before: usize,
    ) -> Result<Progress, ProtocolError> {
        let end = grammar::token_end(input, scanned);
        let empty = end == line;
        let stop = classify(input, end, rules.lenient);
        if lines_before >= rules.lines_max && !matches!(input.get(line), None | Some(b'\r' | b'\n')) {
            return Err(Fault::TooManyFieldLines.at(line));
        }
        if end - line > NAME_BYTES_MAX {
            return Err(Fault::HeadTooLarge.at(line + NAME_BYTES_MAX));
        }
        match stop {
            Stop::LineEnd { next } if empty => Ok(Progress::Done { len: next }),
            Stop::InputEnd => {
                *self = FieldSectionParser { line, colon: None, scanned: end };
                Ok(Progress::NeedMore)
            }
            Stop::Refused(error) => Err(error),
            Stop::LineEnd { .. } => Err(Fault::MissingColon.at(end)),
            Stop::Byte(b' ' | b'\t') if empty && lines_before == 0 => Err(Fault::WhitespaceBeforeFirstField.at(end)),
            Stop::Byte(b' ' | b'\t') if empty => Err(Fault::ObsFold.at(end)),
            Stop::Byte(b' ' | b'\t') => Err(Fault::WhitespaceBeforeColon.at(end)),
            Stop::Byte(b':') => Err(Fault::EmptyFieldName.at(end)),
            Stop::Byte(_) => Err(Fault::FieldNameByte.at(end)),
        }
    }

    /// No line end behind the value: a fault, or no more bytes.
    #[cold]
    fn stop_in_value(
        &mut self,
        input: &[u8],
        rules: LineRules,
        line: usize,
        colon: usize,
        end: usize,
    ) -> Result<Progress, ProtocolError> {
        match classify(input, end, rules.lenient) {
            Stop::Refused(error) => Err(error),
            Stop::Byte(_) => Err(Fault::FieldValueByte.at(end)),
            Stop::InputEnd | Stop::LineEnd { .. } => {
                *self = FieldSectionParser { line, colon: Some(colon), scanned: end };
                Ok(Progress::NeedMore)
            }
        }
    }
}

/// The colon behind the name that begins at `line` and is scanned up to `scanned`.
#[inline]
fn find_colon(input: &[u8], line: usize, scanned: usize) -> Option<usize> {
    let end = grammar::token_end(input, scanned);
    let is_name = end > line && end - line <= NAME_BYTES_MAX;
    (is_name && input.get(end) == Some(&b':')).then_some(end)
}

/// Why a scan stopped at a byte.
pub(crate) enum Stop {
    /// There is no such byte yet, or a CR whose next byte is not there.
    InputEnd,
    /// A line ends here, and the next one begins at `next`.
    LineEnd { next: usize },
    /// A CR or LF that ends no line.
    Refused(ProtocolError),
    /// Any other byte.
    Byte(u8),
}

/// Tells what stands at `at`.
pub(crate) fn classify(input: &[u8], at: usize, lenient: bool) -> Stop {
    match (input.get(at), input.get(at + 1)) {
        (None, _) | (Some(b'\r'), None) => Stop::InputEnd,
        (Some(b'\r'), Some(b'\n')) => Stop::LineEnd { next: at + 2 },
        // RFC 9112 2.2: a bare CR makes the element invalid. Read as a space it would hide a line from other readers.
        (Some(b'\r'), Some(_)) => Stop::Refused(Fault::BareCr.at(at)),
        (Some(b'\n'), _) if lenient => Stop::LineEnd { next: at + 1 },
        (Some(b'\n'), _) => Stop::Refused(Fault::BareLf.at(at)),
        (Some(&byte), _) => Stop::Byte(byte),
    }
}

/// Where the next line begins when one ends at `at`.
#[inline]
pub(crate) fn line_end(input: &[u8], at: usize, rules: LineRules) -> Option<usize> {
    match input.get(at..)? {
        [b'\r', b'\n', ..] => Some(at + 2),
        [b'\n', ..] if rules.lenient => Some(at + 1),
        _ => None,
    }
}

/// The line whose name begins at `start`.
#[inline]
fn field_line(input: &[u8], start: usize, colon: usize, end: usize) -> FieldLine {
    let name = &input[start..colon];
    let (leading, len) = trim(&input[colon + 1..end]);
    FieldLine {
        name_start: start as u32,
        value_start: (colon + 1 + leading) as u32,
        value_len: len as u32,
        name_len: name.len() as u16,
        known: Known::of(name),
    }
}

/// How much white space leads a value, and how long it is without what leads and trails (RFC 9112 5.1).
#[inline]
fn trim(value: &[u8]) -> (usize, usize) {
    match value {
        [b' ', first, .., last] if *first > b' ' && *last > b' ' => (1, value.len() - 1),
        _ => {
            let start = value.trim_ascii_start();
            (value.len() - start.len(), start.trim_ascii_end().len())
        }
    }
}
