//! Owns the words for what the tap tells: one event becomes lines that a person can read, each with its bytes, its meaning
//! and the section that defines it.
//!
//! The one idea: the bytes stand as they were on the wire, escaped, line by line, and beside each line stands why it is
//! there.
//!
//! ```text
//!   in    0..16   GET / HTTP/1.1\r\n     request-line: GET, origin-form      RFC 9112 3
//!   in   16..25   Host: x\r\n            the site that is asked for          RFC 9112 3.2
//!   in   25..27   \r\n                   the head ends                       RFC 9112 2.1
//!   .             idle -> handler        the handler is at work
//! ```
//!
//! Offsets count as refusals do: from the first byte of a head, and for content from the first byte behind it.
//!
//! Spec: RFC 9112 2.1 (message), 3 (request-line), 4 (status-line), 5 (field lines), 7.1 (chunks).
//! Never: does I/O; decides anything: bytes that were refused are shown up to where they were understood.
//! Invariant: the bytes of a line are those between its offsets, unless its text says that it was cut.

use std::borrow::Cow;
use std::time::Duration;

use serde::Serialize;

use crate::app::inspect::fields;
use crate::http::explain::escape;
use crate::http::server::trace;
use crate::net::deadline::Phase;
use crate::net::registry::Snapshot;
use crate::net::tap::{Event, Part, What};
use crate::ws::trace as ws_trace;

mod frame;

/// Bytes of one line that are shown.
pub const LINE_BYTES_MAX: usize = 256;

/// One line for people.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Line {
    /// Which way the bytes went.
    pub way: Way,
    /// What it is, to choose a colour by.
    pub kind: Kind,
    /// Offset of the first byte and of the one behind the last, when that is known.
    pub bytes: Option<(u64, u64)>,
    /// The bytes, escaped, or what happened.
    pub text: String,
    /// What it means.
    pub note: Cow<'static, str>,
    /// The section that says so; empty where no standard does.
    pub section: &'static str,
}

/// Which way bytes went.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Way {
    /// From the peer.
    In,
    /// To the peer.
    Out,
    /// Nowhere: something happened here.
    Here,
}

/// What a line is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Kind {
    /// A request-line or status-line.
    Start,
    /// A field line.
    Field,
    /// Bytes that only frame: empty lines, chunk sizes.
    Framing,
    /// Content.
    Content,
    /// A change of phase, a fill of buffers.
    State,
    /// A deadline.
    Deadline,
    /// A decision.
    Decision,
    /// Bytes that were refused.
    Refused,
    /// The beginning or the end of the connection.
    Life,
}

/// Turns the events of one connection, in order, into lines. It remembers only where the next byte stands.
#[derive(Clone, Copy, Debug, Default)]
pub struct Annotator {
    received: Cursor,
    sent: Cursor,
}

/// Where the next byte stands, unless the beginning was missed.
#[derive(Clone, Copy, Debug, Default)]
struct Cursor(Option<u64>);

impl Annotator {
    /// An annotator that has seen nothing: offsets are known from the first head on.
    pub fn new() -> Annotator {
        Annotator::default()
    }

    /// The lines for `event`, which is the next of its connection.
    pub fn annotate(&mut self, event: &Event) -> Vec<Line> {
        match &event.what {
            What::Received { part, bytes, length } => self.received.annotate(Way::In, *part, bytes, *length),
            What::Sent { part, bytes, length } => self.sent.annotate(Way::Out, *part, bytes, *length),
            what => vec![happening(what)],
        }
    }

    /// Events were missed: offsets are unknown until the next head.
    pub fn missed(&mut self) {
        *self = Annotator::default();
    }
}

/// The lines of a request's head that stands alone.
pub fn request_head(head: &[u8]) -> Vec<Line> {
    Cursor::default().annotate(Way::In, trace::REQUEST_HEAD, head, head.len())
}

/// A line for what is not bytes.
fn happening(what: &What) -> Line {
    let here = |kind, text: String, note: Cow<'static, str>, section| Line {
        way: Way::Here,
        kind,
        bytes: None,
        text,
        note,
        section,
    };
    match what {
        What::Accepted { peer } => {
            here(Kind::Life, format!("accepted from {peer}"), "the connection begins".into(), "RFC 9112 9.1")
        }
        What::Connected { peer } => {
            here(Kind::Life, format!("connected to {peer}"), "the connection begins".into(), "RFC 9112 9.1")
        }
        What::Entered { from, to } => {
            here(Kind::State, format!("{} -> {}", from.name(), to.name()), meaning(*to).into(), "")
        }
        What::Armed { phase, left } => {
            let text = format!("{}: {} left", phase.name(), seconds(*left));
            here(Kind::Deadline, text, "a deadline is armed".into(), "RFC 9112 9.5")
        }
        What::Fired { phase } => {
            here(Kind::Deadline, format!("{}: time is up", phase.name()), "the deadline fired".into(), "RFC 9112 9.5")
        }
        What::Buffers { unread, queued } => {
            let text = format!("{unread} bytes unread, {queued} queued");
            here(Kind::State, text, "fill of the buffers".into(), "")
        }
        What::Decided { decision, section } => {
            let kind = if decision.starts_with("refused") { Kind::Refused } else { Kind::Decision };
            here(kind, decision.clone(), Cow::Borrowed("decided"), section)
        }
        What::Closed { why, card } => here(Kind::Life, format!("closed: {why}"), summary(card).into(), "RFC 9112 9.6"),
        What::Received { .. } | What::Sent { .. } => unreachable!("bytes have a way"),
    }
}

fn meaning(phase: Phase) -> &'static str {
    match phase {
        Phase::Idle => "nothing of a request has come",
        Phase::Head => "a part of a head has come",
        Phase::Handler => "the handler is at work",
        Phase::Content => "content is awaited",
        Phase::Write => "the answer is being sent",
        Phase::Linger => "the last word is said; the peer may read it",
        Phase::Upgraded => "another protocol takes over",
        Phase::Closed => "it is over",
    }
}

fn summary(card: &Snapshot) -> String {
    let Snapshot { phase, served, received_bytes, sent_bytes, age_ms, .. } = card;
    let requests = match (phase, served) {
        // The request that has led to it, and the messages that have come.
        (Phase::Upgraded, _) => "served",
        (_, 1) => "request",
        _ => "requests",
    };
    let age = if *age_ms < 1_000 { format!("{age_ms} ms") } else { seconds(Duration::from_millis(*age_ms)) };
    format!("{served} {requests} in {age}, {received_bytes} bytes in, {sent_bytes} out")
}

fn seconds(duration: Duration) -> String {
    format!("{:.1} s", duration.as_secs_f64())
}

impl Cursor {
    fn annotate(&mut self, way: Way, part: Part, bytes: &[u8], length: usize) -> Vec<Line> {
        let mut lines = Lines { way, cursor: self, lines: Vec::new() };
        match part {
            trace::REQUEST_HEAD | trace::REFUSED_HEAD => lines.head(bytes, REQUEST_LINE),
            trace::ANSWER_HEAD | trace::INTERIM_HEAD => lines.head(bytes, STATUS_LINE),
            trace::ANSWER_BEGIN => {
                lines.cursor.0 = Some(0);
                lines.push(Kind::Start, bytes, "status-line, so far", part.section);
            }
            trace::REFUSED_REST => lines.refused(bytes),
            trace::CHUNK_LINE => lines.chunk_line(bytes),
            trace::LAST_CHUNK => lines.last_chunk(bytes),
            trace::CHUNK_PART => {}
            ws_trace::NO_FRAME => {
                return vec![Line {
                    way,
                    kind: Kind::Refused,
                    bytes: None,
                    text: frame::escaped(bytes),
                    note: part.name.into(),
                    section: part.section,
                }];
            }
            ws_trace::FRAME_HEADER => lines.frame_header(bytes),
            // An empty one is told by its header.
            ws_trace::PING | ws_trace::PONG | ws_trace::CLOSE if length == 0 => return Vec::new(),
            part if ws_trace::PAYLOADS.contains(&part) => return vec![frame::payload(way, part, bytes, length)],
            part => lines.push(Kind::Content, bytes, format!("{}, {}", part.name, count(length)), part.section),
        }
        lines.unseen(part, length - bytes.len());
        // What follows a head is content, and counts anew.
        if matches!(part, trace::REQUEST_HEAD | trace::ANSWER_HEAD | trace::INTERIM_HEAD) {
            lines.cursor.0 = Some(0);
        }
        lines.lines
    }
}

/// Lines under construction, and where their next byte stands.
struct Lines<'a> {
    way: Way,
    cursor: &'a mut Cursor,
    lines: Vec<Line>,
}

impl Lines<'_> {
    /// A head: its start-line, its field lines, its empty line.
    fn head(&mut self, bytes: &[u8], start: StartLine) {
        // An answer that was begun ahead goes on where it stopped.
        let goes_on = self.way == Way::Out && start.section == STATUS_LINE.section && !bytes.starts_with(b"HTTP/");
        self.cursor.0 = if goes_on { self.cursor.0 } else { Some(0) };
        let mut started = false;
        for line in bytes.split_inclusive(|&byte| byte == b'\n') {
            match (started, is_empty_line(line)) {
                (false, true) => {
                    self.push(Kind::Framing, line, "an empty line before the request-line", "RFC 9112 2.2")
                }
                (false, false) => self.push(Kind::Start, line, (start.words)(line), start.section),
                (true, true) => self.push(Kind::Framing, line, "the head ends", "RFC 9112 2.1"),
                (true, false) => self.field_line(line),
            }
            started |= !is_empty_line(line);
        }
    }

    /// The header of a frame; its payload counts, too, and is told when its message is whole.
    fn frame_header(&mut self, bytes: &[u8]) {
        let frame::Told { kind, text, note, section, payload } = frame::header(bytes);
        let at = self.cursor.advance(bytes.len());
        self.lines.push(Line { way: self.way, kind, bytes: at, text, note: note.into(), section });
        self.cursor.advance(usize::try_from(payload).unwrap_or(usize::MAX));
    }

    fn field_line(&mut self, line: &[u8]) {
        let name = line.iter().position(|&byte| byte == b':').map(|colon| &line[..colon]);
        let (meaning, section) = match name.map(fields::lookup) {
            Some(Some(known)) => (known.meaning, known.section),
            Some(None) => ("a field line", "RFC 9112 5"),
            None => ("a field line, without a colon so far", "RFC 9112 5"),
        };
        self.push(Kind::Field, line, meaning, section);
    }

    /// The line with the offending byte; what is behind it is only counted.
    fn refused(&mut self, bytes: &[u8]) {
        let line_end = bytes.iter().position(|&byte| byte == b'\n').map_or(bytes.len(), |lf| lf + 1);
        let (line, rest) = bytes.split_at(line_end);
        let at = self.cursor.0.map_or(String::new(), |at| format!(" at byte {at}"));
        self.push(Kind::Refused, line, format!("refused{at}: the first byte that does not fit"), "RFC 9112 2.2");
        if !rest.is_empty() {
            self.skip(rest.len(), "not looked at");
        }
    }

    /// The line of a chunk, perhaps behind the line end of the data before it.
    fn chunk_line(&mut self, mut bytes: &[u8]) {
        if let Some(rest) = bytes.strip_prefix(b"\r\n") {
            self.push(Kind::Framing, b"\r\n", "the chunk's data ends", "RFC 9112 7.1");
            bytes = rest;
        }
        if !bytes.is_empty() {
            self.push(Kind::Framing, bytes, chunk_size(bytes), "RFC 9112 7.1");
        }
    }

    /// The last chunk where it was not told before, the trailers, and the empty line.
    fn last_chunk(&mut self, bytes: &[u8]) {
        for line in bytes.split_inclusive(|&byte| byte == b'\n') {
            if is_empty_line(line) {
                self.push(Kind::Framing, line, "the chunked content ends", "RFC 9112 7.1");
            } else if line.contains(&b':') {
                self.push(Kind::Field, line, "a trailer field line", "RFC 9112 7.1.2");
            } else {
                self.push(Kind::Framing, line, chunk_size(line), "RFC 9112 7.1");
            }
        }
    }

    /// Bytes that were not kept or are not shown.
    fn unseen(&mut self, part: Part, length: usize) {
        match part {
            _ if length == 0 => {}
            trace::CHUNK_PART => self.skip(length, part.name),
            _ => self.skip(length, "not kept"),
        }
    }

    fn skip(&mut self, length: usize, note: &'static str) {
        let bytes = self.cursor.advance(length);
        let text = format!("… {}", count(length));
        self.lines.push(Line { way: self.way, kind: Kind::Content, bytes, text, note: note.into(), section: "" });
    }

    fn push(&mut self, kind: Kind, bytes: &[u8], note: impl Into<Cow<'static, str>>, section: &'static str) {
        let shown = &bytes[..bytes.len().min(LINE_BYTES_MAX)];
        let mut text = escape(shown);
        if shown.len() < bytes.len() {
            text.push('…');
        }
        let bytes = self.cursor.advance(bytes.len());
        self.lines.push(Line { way: self.way, kind, bytes, text, note: note.into(), section });
    }
}

impl Cursor {
    fn advance(&mut self, length: usize) -> Option<(u64, u64)> {
        let start = self.0?;
        let end = start + length as u64;
        self.0 = Some(end);
        Some((start, end))
    }
}

fn is_empty_line(line: &[u8]) -> bool {
    matches!(line, b"\r\n" | b"\n")
}

/// How the first line of a head is told.
#[derive(Clone, Copy)]
struct StartLine {
    words: fn(&[u8]) -> String,
    section: &'static str,
}

const REQUEST_LINE: StartLine = StartLine { words: request_line, section: "RFC 9112 3" };
const STATUS_LINE: StartLine = StartLine { words: status_line, section: "RFC 9112 4" };

/// What a request-line says: its method and the form of its target (RFC 9112 3.2).
fn request_line(line: &[u8]) -> String {
    let mut parts = line.trim_ascii_end().split(|&byte| byte == b' ');
    let method = parts.next().unwrap_or_default();
    let form = match parts.next() {
        _ if method == b"CONNECT" => "authority-form",
        Some(b"*") => "asterisk-form",
        Some([b'/', ..]) => "origin-form",
        Some([_, ..]) => "absolute-form",
        _ => return "request-line".to_owned(),
    };
    format!("request-line: {}, {form}", escape(&method[..method.len().min(LINE_BYTES_MAX)]))
}

/// What a status-line says: the class of its status (RFC 9110 15).
fn status_line(line: &[u8]) -> String {
    let status = line.strip_prefix(b"HTTP/1.1 ").unwrap_or(line);
    let class = match status.first() {
        Some(b'1') => "interim",
        Some(b'2') => "successful",
        Some(b'3') => "a redirection",
        Some(b'4') => "the client erred",
        Some(b'5') => "the server failed",
        _ => return "status-line".to_owned(),
    };
    format!("status-line: {class}")
}

fn chunk_size(line: &[u8]) -> String {
    let digits = line.iter().take_while(|byte| byte.is_ascii_hexdigit()).count();
    let size = std::str::from_utf8(&line[..digits]).ok().and_then(|digits| u64::from_str_radix(digits, 16).ok());
    match size {
        Some(0) => "the last chunk: no data".to_owned(),
        Some(size) if digits < line.trim_ascii_end().len() => format!("a chunk of {size} bytes, with extensions"),
        Some(size) => format!("a chunk of {size} bytes"),
        None => "a chunk's line".to_owned(),
    }
}

fn count(bytes: usize) -> String {
    if bytes == 1 { "1 byte".to_owned() } else { format!("{bytes} bytes") }
}

#[cfg(test)]
mod tests;
