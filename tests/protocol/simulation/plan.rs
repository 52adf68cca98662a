//! Owns what one seed decides: everything.
//!
//! ```text
//!   seed ──> Plan ─┬─ when the server is told to stop, and whether at once
//!                  └─ Script, one a client ─┬─ messages: what is asked, what must come
//!                                           ├─ acts: pieces, pauses, waits, and how it ends
//!                                           ├─ reading: how fast, and where it stops
//!                                           ├─ weather: what the network does to it
//!                                           └─ polls: after how many the server's task is dropped
//! ```
//!
//! The one idea: the plan is made before anything runs and is plain data. What happens then depends on nothing else: no
//! thread, no clock, no hash map, no address.

use std::fmt;
use std::ops::Range;
use std::time::Duration;

use fastrand::Rng;

use super::message::{INK_BYTES_MAX, Id, Message, one_of};
use super::network::Weather;

/// All that will happen.
#[derive(Clone, Debug)]
pub struct Plan {
    pub clients: Vec<Script>,
    /// Whether somebody looks at the events of all connections. It must make no difference.
    pub is_watched: bool,
    /// When the shutdown begins.
    pub stops_at: Option<Duration>,
    /// How long it waits until it is forced, when not for the whole drain deadline.
    pub forced_after: Option<Duration>,
}

/// One client.
#[derive(Clone, Debug)]
pub struct Script {
    pub connects_at: Duration,
    /// Bytes that the wire holds in each direction.
    pub wire_bytes: usize,
    pub messages: Vec<Message>,
    pub acts: Vec<Act>,
    pub reading: Reading,
    pub weather: Weather,
    /// After so many polls the driver is dropped.
    pub polls: usize,
}

/// One thing that the sending side does.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Act {
    /// Sends a part of the messages' bytes, which lie one behind the other.
    Send(Range<usize>),
    Pause(Duration),
    /// Waits until so many requests are answered.
    AwaitAnswers(usize),
    /// Waits until a request is told to go on, but not for ever (RFC 9110 10.1.1).
    AwaitContinue(usize),
    /// Sends no more when that request is answered already: its content is not wanted.
    StopIfAnswered(usize),
    /// FIN; it reads on.
    HalfClose,
    /// Sends no more, and says nothing; it reads on.
    StopSending,
    /// Closes both directions.
    Close,
    Reset,
}

/// How the receiving side reads.
#[derive(Clone, Copy, Debug)]
pub struct Reading {
    pub bytes_max: usize,
    pub pause: Duration,
    /// It stops after so many bytes, for so long.
    pub stop: Option<(usize, Duration)>,
}

/// For ever.
pub const FOR_EVER: Duration = Duration::MAX;

impl Plan {
    pub fn of(seed: u64) -> Plan {
        let mut rng = Rng::with_seed(seed);
        let most = if rng.u8(..4) == 0 { 8 } else { 3 };
        let clients = (0..rng.usize(1..=most)).map(|client| Script::roll(&mut rng, client)).collect();
        let stops_at = (rng.u8(..3) == 0).then(|| moment(&mut rng));
        let forced_after = rng.bool().then(|| Duration::from_millis(one_of(&mut rng, &[0, 0, 1, 100, 2_000])));
        Plan { clients, is_watched: rng.u8(..4) == 0, stops_at, forced_after }
    }
}

/// Most things happen early.
fn moment(rng: &mut Rng) -> Duration {
    let most = one_of(rng, &[1, 20, 500, 5_000, 30_000]);
    Duration::from_millis(rng.u64(..=most))
}

impl Script {
    fn roll(rng: &mut Rng, client: usize) -> Script {
        if rng.u8(..12) == 0 {
            return Script::greedy(rng, client);
        }
        let wire_bytes = one_of(rng, &[64 * 1024, 64 * 1024, 4096, 4096, 700, 60]);
        let weather = Weather::roll(rng);
        // What goes a few bytes at a time teaches as much when it is short.
        let bytes_max = match wire_bytes.min(weather.bytes_max) {
            ..100 => 300,
            100..1_000 => 1_500,
            _ => INK_BYTES_MAX / 2,
        };
        let count = rng.usize(1..=5);
        let messages: Vec<_> = (0..count).map(|index| Message::roll(rng, Id { client, index }, bytes_max)).collect();
        let pipelines = rng.u8(..3) == 0;
        let acts = acts(rng, &messages, pipelines);
        Script {
            connects_at: if rng.bool() { Duration::ZERO } else { moment(rng) },
            wire_bytes,
            messages,
            acts,
            reading: Reading::roll(rng),
            weather,
            polls: if rng.u8(..24) == 0 { rng.usize(1..40) } else { usize::MAX },
        }
    }

    /// Asks for much at once, and reads it late: what it costs must be bounded.
    fn greedy(rng: &mut Rng, client: usize) -> Script {
        let messages: Vec<_> = (0..10).map(|index| Message::greedy(rng, Id { client, index })).collect();
        Script {
            connects_at: Duration::ZERO,
            wire_bytes: one_of(rng, &[700, 4096]),
            acts: acts(rng, &messages, true),
            messages,
            reading: Reading {
                bytes_max: 16_384,
                pause: Duration::ZERO,
                stop: Some((rng.usize(..1_000), Duration::from_millis(rng.u64(1..9_000)))),
            },
            weather: Weather { bytes_max: usize::MAX, ..Weather::roll(rng) },
            polls: usize::MAX,
        }
    }

    /// All that the client would send.
    pub fn bytes(&self) -> Vec<u8> {
        let bytes: Vec<_> = self.messages.iter().map(|message| &message.bytes[..]).collect();
        bytes.concat()
    }
}

impl fmt::Display for Script {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "a wire of {} bytes; {}; {}", self.wire_bytes, self.reading, self.weather)?;
        match self.polls {
            usize::MAX => Ok(()),
            polls => write!(f, "; its driver is dropped after {polls} polls"),
        }
    }
}

impl fmt::Display for Reading {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "reads {} bytes every {:?}", self.bytes_max, self.pause)?;
        match self.stop {
            None => Ok(()),
            Some((bytes, FOR_EVER)) => write!(f, ", and none after {bytes}"),
            Some((bytes, time)) => write!(f, ", and stops after {bytes} for {time:?}"),
        }
    }
}

impl Reading {
    fn roll(rng: &mut Rng) -> Reading {
        let (bytes_max, pause_ms) = one_of(rng, &[(16_384, 0), (16_384, 0), (16_384, 30), (500, 3)]);
        let stop = match rng.u8(..16) {
            0 => Some((rng.usize(..3_000), FOR_EVER)),
            1 | 2 => Some((rng.usize(..3_000), Duration::from_millis(rng.u64(..=12_000)))),
            _ => None,
        };
        Reading { bytes_max, pause: Duration::from_millis(pause_ms), stop }
    }
}

/// What is sent, in which pieces, and what ends it.
fn acts(rng: &mut Rng, messages: &[Message], pipelines: bool) -> Vec<Act> {
    let mut acts = Vec::new();
    let mut start = 0;
    for (index, message) in messages.iter().enumerate() {
        if !pipelines && index > 0 {
            acts.push(Act::AwaitAnswers(index));
        }
        if rng.u8(..6) == 0 {
            let most = if index == 0 { 4_000 } else { 50_000 };
            acts.push(Act::Pause(Duration::from_millis(rng.u64(..=most))));
        }
        let (head, end) = (start + message.head_len, start + message.bytes.len());
        if message.expects_continue {
            pieces(rng, start..head, &mut acts);
            acts.push(Act::AwaitContinue(index));
            if rng.bool() {
                acts.push(Act::StopIfAnswered(index));
            }
            pieces(rng, head..end, &mut acts);
        } else {
            pieces(rng, start..end, &mut acts);
        }
        start = end;
    }
    end(rng, start, messages.len(), &mut acts);
    acts
}

/// A range whole, in some pieces, or byte by byte.
fn pieces(rng: &mut Rng, range: Range<usize>, acts: &mut Vec<Act>) {
    if range.is_empty() {
        return;
    }
    let mut cuts: Vec<usize> = match rng.u8(..32) {
        0 if range.len() < 120 => range.clone().skip(1).collect(),
        0..12 => (0..rng.usize(1..4)).map(|_| rng.usize(range.clone())).collect(),
        _ => Vec::new(),
    };
    cuts.sort_unstable();
    cuts.push(range.end);
    let pause_ms = one_of(rng, &[0, 1, 1, 30, 900]);
    let mut from = range.start;
    for cut in cuts {
        if cut > from {
            acts.extend([Act::Send(from..cut), Act::Pause(Duration::from_millis(rng.u64(..=pause_ms)))]);
            from = cut;
        }
    }
}

/// How it ends: after the last answer, or at any byte.
fn end(rng: &mut Rng, bytes: usize, requests: usize, acts: &mut Vec<Act>) {
    match rng.u8(..10) {
        0..4 => acts.extend([Act::AwaitAnswers(requests), Act::Close]),
        4 => acts.extend([Act::AwaitAnswers(requests), Act::HalfClose]),
        5 => acts.push(Act::StopSending),
        6 => acts.push(Act::HalfClose),
        _ => {
            cut(acts, rng.usize(..=bytes));
            let ends = [Act::HalfClose, Act::StopSending, Act::Close, Act::Reset];
            acts.extend(rng.choice(ends));
        }
    }
}

/// Leaves out what is sent behind `bytes`, and all that was to come after.
fn cut(acts: &mut Vec<Act>, bytes: usize) {
    let Some(at) = acts.iter().position(|act| matches!(act, Act::Send(range) if range.end > bytes)) else { return };
    acts.truncate(at + 1);
    if let Some(Act::Send(range)) = acts.last_mut() {
        range.end = bytes;
        if range.start == range.end {
            acts.pop();
        }
    }
}
