//! Owns the sum of all bounds: the most memory that peers can make the server hold, part by part.
//!
//! The one idea: every buffer has a bound, so there is a worst case, and it can be written down. It counts what is allocated
//! in user space because of peers, each part at its fullest and all connections at once. No server meets it: a connection
//! that collects content is not at the same time one whose answers are not read.
//!
//! ```text
//!   a connection:  state + received + head + queued + content …   × connections_max × listeners
//!   a thread:      free lists + what is alive while something grows             × workers
//!   the process:   tables, events of watched connections, what applications keep
//! ```
//!
//! Not in it: the program itself and the stacks of its threads, the kernel's socket buffers, what the allocator rounds up,
//! and what handlers allocate besides the content that they collect: an answer's fields and ready content above all.
//!
//! Never: guesses low: where a type grows by doubling, the doubled size counts.

use crate::http::bounds::InForce;
use crate::http::field::FieldLine;
use crate::http::h1::line_room;
use crate::http::server::BATCH_BYTES;
use crate::http::{Limits, recycle, request, response};
use crate::net::admission::Caps;
use crate::net::buffer::{self, Buffer, LARGE_PIECE_BYTES, PIECE_BYTES};
use crate::net::output::{self, COPY_BYTES_MAX, Output};
use crate::net::{registry, tap};

/// The state of a connection: its task, halves, card, timers, and those of a request that it serves. About 1 KiB is
/// measured while it waits and 2 KiB while it is busy; a test holds the sizes of the types to half of this, and the rest
/// is for what has no size to be looked up: boxed futures of answers, what the runtime enters of a task and a socket.
pub(crate) const STATE_BYTES: u64 = 8 * 1024;

/// The fields of one answer, and of a refusal besides what it repeats of the target.
const ANSWER_FIELDS_BYTES: u64 = 4 * 1024;

/// An event without the bytes that it shows: itself and the text of a decision.
pub(crate) const EVENT_BYTES: u64 = 512;

/// What a part is held for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Each {
    /// Each connection.
    Connection,
    /// Each thread that serves.
    Thread,
    /// The process.
    Process,
}

impl Each {
    /// Its name.
    pub fn name(self) -> &'static str {
        match self {
            Each::Connection => "connection",
            Each::Thread => "thread",
            Each::Process => "process",
        }
    }
}

/// One part of the sum.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Part {
    /// What is held.
    pub what: &'static str,
    /// Why it can be so much.
    pub why: &'static str,
    /// What it is held for.
    pub each: Each,
    /// Bytes for one of those, or the bound that is off.
    pub bytes: Result<u64, &'static str>,
}

impl Part {
    /// What the process holds once.
    pub const fn of_process(what: &'static str, why: &'static str, bytes: u64) -> Part {
        Part { what, why, each: Each::Process, bytes: Ok(bytes) }
    }
}

/// The most memory that peers can make the server hold.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Memory {
    /// Its parts.
    pub parts: Vec<Part>,
    /// Connections at all listeners, or the bound that is off.
    pub connections: Result<u64, &'static str>,
    /// Threads that serve.
    pub threads: u64,
}

impl Memory {
    /// Bytes of one part, times what it is held for.
    ///
    /// # Errors
    /// The bound that is off.
    pub fn bytes_of(&self, part: &Part) -> Result<u64, &'static str> {
        let times = match part.each {
            Each::Connection => self.connections?,
            Each::Thread => self.threads,
            Each::Process => 1,
        };
        Ok(part.bytes?.saturating_mul(times))
    }

    /// Bytes of all parts.
    ///
    /// # Errors
    /// The bounds that are off, in order.
    pub fn total(&self) -> Result<u64, Vec<&'static str>> {
        let (mut total, mut off) = (0_u64, Vec::new());
        for part in &self.parts {
            match self.bytes_of(part) {
                Ok(bytes) => total = total.saturating_add(bytes),
                Err(bound) if off.contains(&bound) => {}
                Err(bound) => off.push(bound),
            }
        }
        if off.is_empty() { Ok(total) } else { Err(off) }
    }

    /// Bytes of one connection.
    ///
    /// # Errors
    /// The bound that is off.
    pub fn of_connection(&self) -> Result<u64, &'static str> {
        let parts = self.parts.iter().filter(|part| part.each == Each::Connection);
        parts.map(|part| part.bytes).try_fold(0_u64, |sum, bytes| Ok(sum.saturating_add(bytes?)))
    }
}

pub(super) fn of(in_force: &InForce) -> Memory {
    let InForce { limits, listener, listeners, workers, deadlines: _ } = in_force;
    let listeners = *listeners as u64;
    let connections = bound("connections_max", listener.caps.connections_max as u64);
    let connections = connections.map(|connections| connections.saturating_mul(listeners));
    let mut parts = of_connection(limits);
    parts.extend(of_thread(limits));
    parts.extend(of_process(&listener.caps, listeners, connections));
    Memory { parts, connections, threads: *workers as u64 }
}

fn of_connection(limits: &Limits) -> Vec<Part> {
    let part = |what, why, bytes| Part { what, why, each: Each::Connection, bytes };
    let piece = received_bytes_max(limits).max(LARGE_PIECE_BYTES as u64);
    vec![
        part("state", "its task, card and timers, and where parser and content stand", Ok(STATE_BYTES)),
        part("received bytes", "twice head_bytes_max: the buffer doubles to make room", Ok(held_received(limits))),
        part("head", "its own copy of head_bytes_max, and 32 bytes for each of field_lines_max", Ok(head(limits))),
        part("queued answers", "four times output_bytes_max: as much may be sent and not yet moved", queued(limits)),
        part("refusal", "its words, which name the target", Ok(refusal(limits))),
        part("trailers", "trailer_bytes_max and their lines, doubled as they grow", trailers(limits)),
        part(
            "content",
            "content_bytes_max, doubled as it grows, where a handler collects it; and three pieces",
            bound("content_bytes_max", limits.content_bytes_max)
                .map(|content| content.saturating_mul(2).saturating_add(piece.saturating_mul(3))),
        ),
    ]
}

fn of_thread(limits: &Limits) -> Vec<Part> {
    let part = |what, why, bytes| Part { what, why, each: Each::Thread, bytes };
    let heads = 2 * recycle::KEPT_MAX as u64;
    let kept = buffer::KEPT_MAX * PIECE_BYTES + buffer::LARGE_KEPT_MAX * LARGE_PIECE_BYTES;
    let kept = (kept + output::KEPT_MAX * output::KEPT_BYTES_MAX) as u64;
    let head = request::KEPT_BYTES_MAX.max(response::KEPT_BYTES_MAX) as u64 + lines(limits, limits.head_bytes_max);
    let content = bound("content_bytes_max", limits.content_bytes_max);
    vec![
        part("free lists", "buffers and heads that the next connection takes", Ok(kept + heads * head)),
        part(
            "growth",
            "what is moved lies there twice for a moment",
            content.map(|content| content.saturating_add(held_received(limits))),
        ),
    ]
}

fn of_process(caps: &Caps, listeners: u64, connections: Result<u64, &'static str>) -> Vec<Part> {
    let part = |what, why, bytes| Part { what, why, each: Each::Process, bytes };
    let networks = |connections| listeners.saturating_mul(map(connections, size_of::<(std::net::IpAddr, usize)>()));
    let networks = bound("connections_max", caps.connections_max as u64).map(networks);
    let cards = |connections| (registry::SHARDS as u64).saturating_mul(list(connections, size_of::<usize>()));
    let ring = tap::RING_BYTES_MAX as u64 + tap::EVENTS_MAX as u64 * EVENT_BYTES;
    let live = tap::LIVE_EVENTS_MAX as u64 * (tap::EVENT_BYTES_MAX as u64 + EVENT_BYTES);
    vec![
        part(
            "tables",
            "one entry a connection, one a network; they do not shrink",
            connections.map(cards).and_then(|cards| networks.map(|networks| cards.saturating_add(networks))),
        ),
        part(
            "events",
            "of histories_max connections, while somebody watches",
            Ok(tap::HISTORIES_MAX as u64 * ring + live),
        ),
    ]
}

/// The most unread bytes of a connection.
fn received_bytes_max(limits: &Limits) -> u64 {
    limits.head_bytes_max.max(PIECE_BYTES) as u64
}

fn held_received(limits: &Limits) -> u64 {
    Buffer::held_max(limits.head_bytes_max.max(PIECE_BYTES)) as u64
}

fn head(limits: &Limits) -> u64 {
    let copied = limits.head_bytes_max.max(2 * request::KEPT_BYTES_MAX) as u64;
    copied + lines(limits, limits.head_bytes_max)
}

/// Two lists of lines: the parser's and the head's. The shortest line has four bytes, and lists begin with some room and
/// grow by doubling.
fn lines(limits: &Limits, section_bytes_max: usize) -> u64 {
    let lines = limits.field_lines_max.min(section_bytes_max / b"a:\r\n".len()).max(line_room::LINES_MIN) as u64;
    let places = lines.checked_next_power_of_two().unwrap_or(u64::MAX);
    places.saturating_mul(2 * size_of::<FieldLine>() as u64)
}

fn queued(limits: &Limits) -> Result<u64, &'static str> {
    let before = bound("output_bytes_max", limits.output_bytes_max as u64)?.max(BATCH_BYTES as u64);
    let unsent = before.saturating_add(COPY_BYTES_MAX as u64 + ANSWER_FIELDS_BYTES);
    Ok(Output::held_max(unsent))
}

fn refusal(limits: &Limits) -> u64 {
    4 * limits.target_bytes_max.min(limits.head_bytes_max) as u64 + 2 * ANSWER_FIELDS_BYTES
}

fn trailers(limits: &Limits) -> Result<u64, &'static str> {
    let bytes = bound("trailer_bytes_max", limits.trailer_bytes_max as u64)?;
    Ok(bytes.saturating_mul(2).saturating_add(lines(limits, limits.trailer_bytes_max)))
}

/// A list of so many entries, which grows by doubling.
fn list(entries: u64, entry_bytes: usize) -> u64 {
    let places = entries.max(4).checked_next_power_of_two().unwrap_or(u64::MAX);
    places.saturating_mul(entry_bytes as u64)
}

/// A hash table of so many entries: a power of two of places, of which an eighth stays free, and a byte beside each.
pub(crate) fn map(entries: u64, entry_bytes: usize) -> u64 {
    let places = entries.saturating_mul(8).div_ceil(7).max(4).checked_next_power_of_two().unwrap_or(u64::MAX);
    places.saturating_mul(entry_bytes as u64 + 1).saturating_add(16)
}

fn bound(name: &'static str, value: u64) -> Result<u64, &'static str> {
    if value == u64::MAX { Err(name) } else { Ok(value) }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::net::ListenerConfig;

    fn in_force(limits: Limits, connections_max: usize) -> InForce {
        let caps = Caps { connections_max, ..Caps::default() };
        let listener = ListenerConfig { caps, ..ListenerConfig::default() };
        InForce { limits, listener, listeners: 1, workers: 1, ..InForce::default() }
    }

    fn total(limits: Limits, connections_max: usize) -> Result<u64, Vec<&'static str>> {
        of(&in_force(limits, connections_max)).total()
    }

    #[test]
    fn it_rises_with_every_bound_that_it_follows_from() {
        let base = total(Limits::default(), 100).expect("bounded");
        let more = |limits| assert!(total(limits, 100).expect("bounded") > base);
        more(Limits { head_bytes_max: 128 * 1024, ..Limits::default() });
        more(Limits { field_lines_max: 200, ..Limits::default() });
        more(Limits { target_bytes_max: 16 * 1024, ..Limits::default() });
        more(Limits { content_bytes_max: 2 << 20, ..Limits::default() });
        more(Limits { trailer_bytes_max: 16 * 1024, ..Limits::default() });
        more(Limits { output_bytes_max: 128 * 1024, ..Limits::default() });
        assert!(total(Limits::default(), 200).expect("bounded") > base);
        for (listeners, workers) in [(2, 1), (1, 2)] {
            let more = InForce { listeners, workers, ..in_force(Limits::default(), 100) };
            assert!(of(&more).total().expect("bounded") > base);
        }
    }

    #[test]
    fn a_connection_is_the_sum_of_its_parts() {
        let memory = of(&in_force(Limits::default(), 100));
        let one = memory.of_connection().expect("bounded");
        let of_100: u64 = memory
            .parts
            .iter()
            .filter(|part| part.each == Each::Connection)
            .map(|part| memory.bytes_of(part).expect("bounded"))
            .sum();
        assert_eq!(of_100, 100 * one);
        assert!((2 << 20..4 << 20).contains(&one), "{one}: twice the content, and the rest is small beside it");
    }

    #[test]
    fn what_is_off_is_said_to_have_no_bound() {
        let off = Limits { content_bytes_max: u64::MAX, output_bytes_max: usize::MAX, ..Limits::default() };
        assert_eq!(total(off.clone(), 1), Err(vec!["output_bytes_max", "content_bytes_max"]));
        assert_eq!(total(off, usize::MAX), Err(vec!["connections_max", "content_bytes_max"]));
        assert_eq!(
            total(Limits { trailer_bytes_max: usize::MAX, ..Limits::default() }, 1),
            Err(vec!["trailer_bytes_max"])
        );
        // These end where the head does.
        let ended = Limits { field_lines_max: usize::MAX, target_bytes_max: usize::MAX, ..Limits::default() };
        assert!(total(ended, 1).is_ok());
    }

    #[test]
    fn nothing_overflows() {
        let large = Limits {
            head_bytes_max: 1 << 30,
            field_lines_max: usize::MAX,
            target_bytes_max: usize::MAX - 1,
            content_bytes_max: u64::MAX - 1,
            trailer_bytes_max: usize::MAX - 1,
            output_bytes_max: usize::MAX - 1,
            ..Limits::default()
        };
        assert_eq!(total(large, usize::MAX - 1), Ok(u64::MAX));
    }
}
