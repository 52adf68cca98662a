//! Owns the reading of answers: what a client makes of the bytes of any server, good or bad.
//!
//! The one idea: a judge must see what is there. So nothing is refused: what a client is told to bear is borne and noted
//! in [`Answer::faults`], and from the first byte that is no answer on everything is kept as [`Seen::rest`].
//!
//! ```text
//!   HTTP/1.1 100 Continue ··· HTTP/1.1 200 OK ··· content ··· HTTP/1.1 400 Bad Request ··· what is this
//!   ───── Head ──────────▶ ──── Head ─────────▶ ─ Content ─▶ ──── Head ──────────────────▶ ─── Rest ───
//! ```
//!
//! Spec: RFC 9112 2.2, 4 and 5 (as lenient as a recipient of responses may be), 6.3 (length of a response), 7.1 (chunks,
//! by our own strict decoder); RFC 9110 15.2 (interim answers).
//! Never: does I/O; panics, whatever comes.
//! Invariants: the work is linear in the bytes, however they are cut; what is made of them is the same.
//! Limits: on one connection [`KEPT_BYTES_MAX`] of content, of heads, of rest and of everything, and [`LINES_MAX`] of heads;
//! what goes beyond is counted, and heads beyond are rest. On one head [`HEAD_BYTES_MAX`], [`FIELD_LINES_MAX`],
//! [`FAULTS_MAX`]. In all [`ANSWERS_MAX`].

use crate::conformance::answer::Answer;
use crate::conformance::seen::{Ending, Seen};
use crate::http::h1::chunked::{Decoder, Event};
use crate::http::h1::grammar;
use crate::http::{Fields, Limits};

/// Bytes that are kept of all answers' content, and again of their heads, of the rest, and of everything.
pub const KEPT_BYTES_MAX: usize = 1 << 20;

/// Lines of all heads on one connection: a short one costs more than its bytes.
pub const LINES_MAX: usize = 16 * FIELD_LINES_MAX;

/// Bytes of a head; a longer one is no answer.
pub const HEAD_BYTES_MAX: usize = 256 << 10;

/// Field lines that are kept of a head.
pub const FIELD_LINES_MAX: usize = 1000;

/// Answers on one connection; what follows is rest.
pub const ANSWERS_MAX: usize = 1000;

/// Faults that are noted of one head.
pub const FAULTS_MAX: usize = 8;

/// Bytes of a faulty line that are shown.
const SHOWN_BYTES: usize = 60;

/// Takes in what a server sends, in any pieces, and makes answers of it.
#[derive(Debug)]
pub struct Receiver {
    /// For each final answer, whether it is one to HEAD.
    heads: Vec<bool>,
    limits: Limits,
    state: State,
    /// The head in hand.
    head: Vec<u8>,
    /// Where its last line begins.
    line: usize,
    answers: Vec<Answer>,
    finals: usize,
    content_kept: usize,
    heads_kept: usize,
    lines_kept: usize,
    rest: Vec<u8>,
    received: Vec<u8>,
    received_count: u64,
}

/// What the next byte belongs to.
#[derive(Debug)]
enum State {
    Head,
    /// Content, so many bytes before its end.
    Length(u64),
    Chunked(Box<Decoder>),
    /// Content that ends with the connection. It is never whole when its framing is faulty.
    UntilClose {
        faulty: bool,
    },
    /// What follows malformed chunks: where the next message begins, nobody knows.
    Lost,
    /// Nothing that HTTP knows.
    Rest,
}

impl Receiver {
    /// A receiver on a new connection. `heads` tells of each request whether it was HEAD; all others were not.
    pub fn new(heads: Vec<bool>) -> Receiver {
        Receiver {
            heads,
            limits: Limits { chunk_line_bytes_max: 64 << 10, trailer_bytes_max: 64 << 10, ..Limits::default() },
            state: State::Head,
            head: Vec::new(),
            line: 0,
            answers: Vec::new(),
            finals: 0,
            content_kept: 0,
            heads_kept: 0,
            lines_kept: 0,
            rest: Vec::new(),
            received: Vec::new(),
            received_count: 0,
        }
    }

    /// Takes the next bytes.
    pub fn take(&mut self, bytes: &[u8]) {
        self.received_count += bytes.len() as u64;
        keep(&mut self.received, bytes);
        let mut input = bytes;
        while !input.is_empty() {
            let used = self.step(input);
            input = &input[used..];
        }
    }

    /// How many answers have come whole.
    pub fn answers_whole(&self) -> usize {
        self.answers.iter().rev().skip_while(|answer| !answer.is_whole).count()
    }

    /// Whether a final answer has come whole.
    pub fn has_final(&self) -> bool {
        self.answers.iter().any(|answer| answer.is_whole && !answer.is_interim())
    }

    /// How many bytes have come.
    pub fn received_count(&self) -> u64 {
        self.received_count
    }

    /// All that was seen, when the connection has ended so.
    pub fn finish(mut self, ending: Ending) -> Seen {
        // RFC 9112 8: content that ends with the connection is whole when it was closed in order.
        if matches!(self.state, State::UntilClose { faulty: false }) && ending == Ending::Closed {
            self.end_answer();
        }
        keep(&mut self.rest, &self.head);
        let Receiver { answers, rest, received, received_count, .. } = self;
        Seen { answers, rest, ending, ran_out: false, received, received_count }
    }

    /// Takes the first bytes off `input`, which is not empty, and says how many.
    fn step(&mut self, input: &[u8]) -> usize {
        match &mut self.state {
            State::Head => self.head_line(input),
            State::Length(left) => {
                let used = usize::try_from(*left).unwrap_or(usize::MAX).min(input.len());
                *left -= used as u64;
                let is_over = *left == 0;
                self.content(&input[..used]);
                if is_over {
                    self.end_answer();
                }
                used
            }
            State::Chunked(decoder) => match decoder.step(input, &self.limits) {
                Ok(step) => {
                    match step.event {
                        Event::Data { len } => self.content(&input[..len]),
                        Event::End => self.end_answer(),
                        Event::NeedMore | Event::ChunkHead { .. } => {}
                    }
                    step.used
                }
                Err(error) => {
                    self.fault(format!("malformed chunks: {}", error.fault.title()));
                    self.state = State::Lost;
                    0
                }
            },
            State::UntilClose { .. } => {
                self.content(input);
                input.len()
            }
            State::Lost => input.len(),
            State::Rest => {
                keep(&mut self.rest, input);
                input.len()
            }
        }
    }

    /// Takes a line of a head, or what has come of it.
    fn head_line(&mut self, input: &[u8]) -> usize {
        let end = memchr::memchr(b'\n', input).map(|at| at + 1);
        let used = end.unwrap_or(input.len());
        self.head.extend_from_slice(&input[..used]);
        if !begins_answer(&self.head) || self.head.len() > HEAD_BYTES_MAX || self.answers.len() >= ANSWERS_MAX {
            self.give_up_head();
        } else if end.is_some() {
            let line = std::mem::replace(&mut self.line, self.head.len());
            if matches!(&self.head[line..], b"\n" | b"\r\n") {
                self.end_head();
            }
        }
        used
    }

    /// What was taken for a head is none.
    fn give_up_head(&mut self) {
        let head = std::mem::take(&mut self.head);
        keep(&mut self.rest, &head);
        self.state = State::Rest;
    }

    fn end_head(&mut self) {
        self.heads_kept += self.head.len();
        self.lines_kept += memchr::memchr_iter(b'\n', &self.head).count();
        let is_too_much = self.heads_kept > KEPT_BYTES_MAX || self.lines_kept > LINES_MAX;
        let Some(answer) = parse_head(&self.head).filter(|_| !is_too_much) else { return self.give_up_head() };
        self.head.clear();
        self.line = 0;
        let is_head = self.heads.get(self.finals).copied().unwrap_or(false);
        self.finals += usize::from(!answer.is_interim());
        let framing = framing(&answer, is_head);
        self.answers.push(answer);
        match framing {
            Ok(State::Length(0)) => self.end_answer(),
            Ok(state) => self.state = state,
            Err(fault) => {
                self.fault(fault.to_owned());
                self.state = State::UntilClose { faulty: true };
            }
        }
    }

    fn content(&mut self, bytes: &[u8]) {
        let room = (KEPT_BYTES_MAX - self.content_kept).min(bytes.len());
        self.content_kept += room;
        if let Some(answer) = self.answers.last_mut() {
            answer.content.extend_from_slice(&bytes[..room]);
            answer.length += bytes.len() as u64;
        }
    }

    fn end_answer(&mut self) {
        self.state = State::Head;
        if let Some(answer) = self.answers.last_mut() {
            answer.is_whole = true;
            if answer.status == 101 {
                // RFC 9110 7.8: what follows is another protocol.
                self.state = State::Rest;
            }
        }
    }

    fn fault(&mut self, fault: String) {
        if let Some(answer) = self.answers.last_mut() {
            answer.faults.push(fault);
        }
    }
}

/// Appends what there is room for.
fn keep(kept: &mut Vec<u8>, bytes: &[u8]) {
    let room = KEPT_BYTES_MAX.saturating_sub(kept.len()).min(bytes.len());
    kept.extend_from_slice(&bytes[..room]);
}

/// Whether an answer may begin so.
fn begins_answer(head: &[u8]) -> bool {
    let begin = b"HTTP/";
    head.starts_with(begin) || begin.starts_with(head)
}

/// RFC 9112 6.3, as the receiver of a response: how far the content goes.
fn framing(answer: &Answer, is_head: bool) -> Result<State, &'static str> {
    if is_head || answer.status < 200 || matches!(answer.status, 204 | 304) {
        return Ok(State::Length(0));
    }
    if answer.fields.contains("Transfer-Encoding") {
        if answer.version == "HTTP/1.0" {
            // RFC 9112 6.1: such framing is faulty, even when there is a Content-Length.
            return Err("Transfer-Encoding in HTTP/1.0");
        }
        let last = answer.fields.list("Transfer-Encoding").last();
        let is_chunked = last.is_some_and(|coding| coding.eq_ignore_ascii_case(b"chunked"));
        // Item 4: another last coding ends with the connection.
        return Ok(if is_chunked { State::Chunked(Box::default()) } else { State::UntilClose { faulty: false } });
    }
    if !answer.fields.contains("Content-Length") {
        return Ok(State::UntilClose { faulty: false });
    }
    // Item 5: a list of one and the same number is that number.
    let mut lengths = answer.fields.list("Content-Length");
    let first = lengths.next().unwrap_or_default();
    let is_number = !first.is_empty() && first.iter().all(u8::is_ascii_digit);
    let length = std::str::from_utf8(first).ok().filter(|_| is_number).and_then(|digits| digits.parse().ok());
    length.filter(|_| lengths.all(|other| other == first)).map(State::Length).ok_or("an invalid Content-Length")
}

/// The answer that begins with `head`, unless it has no status-line.
fn parse_head(head: &[u8]) -> Option<Answer> {
    let mut faults = Vec::new();
    let mut lines = head.split_inclusive(|&byte| byte == b'\n').map(|line| strip_line_end(line, &mut faults));
    let line = lines.next()?;
    let lines: Vec<&[u8]> = lines.take_while(|line| !line.is_empty()).collect();
    let (version, status) = status_line(line, &mut faults)?;
    let fields = fields(&lines, &mut faults);
    Some(Answer { status, version, fields, content: Vec::new(), length: 0, is_whole: false, faults })
}

/// RFC 9112 2.2: a recipient may take a bare LF for the end of a line.
fn strip_line_end<'a>(line: &'a [u8], faults: &mut Vec<String>) -> &'a [u8] {
    let line = line.strip_suffix(b"\n").unwrap_or(line);
    line.strip_suffix(b"\r").unwrap_or_else(|| {
        note(faults, || format!("a line that ends in a bare LF: {}", shown(line)));
        line
    })
}

/// RFC 9112 4: version and status code. Whatever white space is between them is borne, and so is a missing reason.
fn status_line(line: &[u8], faults: &mut Vec<String>) -> Option<(String, u16)> {
    let text = String::from_utf8_lossy(line);
    let mut words = text.split_ascii_whitespace();
    let (version, status) = (words.next()?, words.next()?);
    let is_status = status.len() == 3 && status.bytes().all(|byte| byte.is_ascii_digit());
    let code: u16 = status.parse().ok().filter(|_| is_status)?;
    let is_ours = matches!(version.as_bytes(), [b'H', b'T', b'T', b'P', b'/', b'1', b'.', b'0'..=b'9']);
    let behind = text.strip_prefix(&format!("{version} {status}"));
    let is_spaced = behind.is_some_and(|behind| behind.is_empty() || behind.starts_with(' '));
    // RFC 9110 15: a code outside 100 to 599 is invalid.
    if !is_ours || !is_spaced || !(100..600).contains(&code) {
        note(faults, || format!("a malformed status-line: {}", shown(line)));
    }
    Some((version.to_owned(), code))
}

/// Adds a fault, where there is room.
fn note(faults: &mut Vec<String>, fault: impl FnOnce() -> String) {
    if faults.len() < FAULTS_MAX {
        faults.push(fault());
    }
}

fn fields(lines: &[&[u8]], faults: &mut Vec<String>) -> Fields {
    let mut unfolded: Vec<Vec<u8>> = Vec::new();
    for line in lines {
        match unfolded.last_mut() {
            // RFC 9112 5.2: a user agent reads a folded line as one.
            Some(before) if matches!(line.first(), Some(b' ' | b'\t')) => {
                note(faults, || format!("a folded line: {}", shown(line)));
                before.push(b' ');
                before.extend_from_slice(line.trim_ascii_start());
            }
            _ => unfolded.push(line.to_vec()),
        }
    }
    if unfolded.len() > FIELD_LINES_MAX {
        note(faults, || format!("{} field lines", unfolded.len()));
    }
    let mut fields = Fields::new();
    for line in unfolded.iter().take(FIELD_LINES_MAX) {
        if append(&mut fields, line).is_none() {
            note(faults, || format!("what is no field line: {}", shown(line)));
        }
    }
    fields
}

/// Adds a field line as well as it can be, or is `None` when something is wrong with it.
fn append(fields: &mut Fields, line: &[u8]) -> Option<()> {
    let colon = memchr::memchr(b':', line)?;
    let (name, value) = (&line[..colon], line[colon + 1..].trim_ascii());
    // RFC 9112 5.1: white space before the colon is no part of the name.
    let trimmed = std::str::from_utf8(name.trim_ascii()).ok()?;
    let is_name = !trimmed.is_empty() && trimmed.len() <= HEAD_BYTES_MAX.min(usize::from(u16::MAX));
    if !is_name || !trimmed.bytes().all(grammar::is_token) {
        return None;
    }
    // RFC 9110 5.5: CR, LF and NUL are replaced by a space.
    fields.append_escaped(trimmed, value);
    (trimmed.len() == name.len() && value.iter().all(|&byte| grammar::is_field_value(byte))).then_some(())
}

/// The beginning of a line, on one line.
fn shown(line: &[u8]) -> impl std::fmt::Display {
    line[..line.len().min(SHOWN_BYTES)].escape_ascii()
}

#[cfg(test)]
mod tests;
