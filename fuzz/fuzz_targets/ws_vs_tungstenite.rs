//! Fuzzes the machine of `firstbyte::ws` against tungstenite's reading of the same bytes.
//!
//! ```text
//!   ours      theirs             is
//!   open      more               agreement, when the events are equal
//!   closed    closed             so, too
//!   failed    refused            so, too
//!   failed    more               agreement, when the frame is not whole yet: they judge whole frames, we judge at once
//!   failed    anything           explained, when `STRICTER` says why we refuse
//!   the rest                     a fault in one of us
//! ```
//!
//! Never: compares what only one of us has: limits on control frames and fragments are off, and so is compression.

#![no_main]

use std::io::{self, Read, Write};

use bytes::Bytes;
use firstbyte::ws::machine::{Event, Machine};
use firstbyte::ws::violation::Violation;
use firstbyte::ws::{Limits, Message, Role, frame};
use firstbyte_fuzz::judge::draw::Draw;
use firstbyte_fuzz::judge::frames::{End, Way, play};
use libfuzzer_sys::fuzz_target;
use tungstenite::protocol::{Role as TheirRole, WebSocketConfig};
use tungstenite::{Error, WebSocket};

/// What we refuse and tungstenite accepts; the section that says so; what they do.
const STRICTER: &[(Violation, &str, &str)] = &[
    (Violation::LengthNotMinimal, "RFC 6455 5.2", "a length may be written in more bytes than it needs"),
    (Violation::LongControl, "RFC 6455 5.2", "so it may in a control frame, where one of 126 and more never fits"),
    (Violation::CloseCodeNotAllowed, "RFC 6455 7.4", "the Close frame is handed over, and answered by 1002"),
];

/// Bytes of a frame and of a message.
const BYTES_MAX: usize = 1_024;

const LIMITS: Limits = Limits {
    frame_bytes_max: BYTES_MAX as u64,
    message_bytes_max: BYTES_MAX,
    fragments_max: u32::MAX,
    control_frames_per_second: u32::MAX,
};

/// What either of us has read.
#[derive(Debug, PartialEq, Eq)]
enum Seen {
    Text(Bytes),
    Binary(Bytes),
    Ping(Bytes),
    Pong(Bytes),
    Close(Option<(u16, String)>),
}

/// Where they stopped.
#[derive(Debug)]
enum TheirEnd {
    More,
    Closed,
    Refused(#[allow(dead_code, reason = "shown when we differ")] Error),
}

fuzz_target!(|input: &[u8]| {
    let role = *Draw::of(input).of_these(&[Role::Server, Role::Client]);
    let machine = || Machine::new(role, LIMITS, None);
    let ours = play(machine(), [input], Way::Receive);
    let seen: Vec<Seen> = ours.events.into_iter().map(Seen::from).collect();
    let (their_seen, their_end) = theirs(input, role);
    let agree = match (ours.end, &their_end) {
        (End::Failed(violation), _) if STRICTER.iter().any(|(listed, ..)| *listed == violation) => {
            their_seen.starts_with(&seen)
        }
        (End::Open, TheirEnd::More) | (End::Closed, TheirEnd::Closed) | (End::Failed(_), TheirEnd::Refused(_)) => {
            seen == their_seen
        }
        (End::Failed(_), TheirEnd::More) => {
            let whole = play(machine(), [&input[..whole_frames(input)]], Way::Receive);
            seen == their_seen && whole.end == End::Open
        }
        _ => false,
    };
    let ends = (ours.end, their_end);
    assert!(agree, "{role:?} {}\n{ends:?}\n{seen:?}\n{their_seen:?}", input.escape_ascii());
});

/// Bytes of the frames at the beginning of `input` that are whole.
fn whole_frames(input: &[u8]) -> usize {
    let mut at = 0;
    while let Ok(Some((header, len))) = frame::parse(&input[at..]) {
        let Some(end) = usize::try_from(header.length).ok().and_then(|length| length.checked_add(at + len)) else { break };
        if end > input.len() {
            break;
        }
        at = end;
    }
    at
}

impl From<Event> for Seen {
    fn from(event: Event) -> Seen {
        match event {
            Event::Message(message @ Message::Text(_)) => Seen::Text(message.into()),
            Event::Message(Message::Binary(bytes)) => Seen::Binary(bytes),
            Event::Ping(payload) => Seen::Ping(Bytes::copy_from_slice(&payload)),
            Event::Pong(payload) => Seen::Pong(Bytes::copy_from_slice(&payload)),
            Event::Close(close) => Seen::Close(close.map(|close| (close.code().get(), close.reason().to_string()))),
            Event::Header(header) => panic!("nobody asked for {header:?}"),
        }
    }
}

/// What they make of it.
fn theirs(input: &[u8], role: Role) -> (Vec<Seen>, TheirEnd) {
    let their_role = if role == Role::Server { TheirRole::Server } else { TheirRole::Client };
    let config = WebSocketConfig::default().max_frame_size(Some(BYTES_MAX)).max_message_size(Some(BYTES_MAX));
    let mut socket = WebSocket::from_raw_socket(Tape(input), their_role, Some(config));
    let mut seen = Vec::new();
    loop {
        let event = match socket.read() {
            Ok(message) => message,
            // RFC 6455 7.1.1: bytes behind a Close frame are dropped; they call them an error.
            Err(_) if matches!(seen.last(), Some(Seen::Close(_))) => return (seen, TheirEnd::Closed),
            Err(Error::Io(error)) if error.kind() == io::ErrorKind::WouldBlock => return (seen, TheirEnd::More),
            Err(error) => return (seen, TheirEnd::Refused(error)),
        };
        seen.push(match event {
            tungstenite::Message::Text(text) => Seen::Text(text.into()),
            tungstenite::Message::Binary(bytes) => Seen::Binary(bytes),
            tungstenite::Message::Ping(bytes) => Seen::Ping(bytes),
            tungstenite::Message::Pong(bytes) => Seen::Pong(bytes),
            tungstenite::Message::Close(close) => {
                Seen::Close(close.map(|close| (close.code.into(), close.reason.to_string())))
            }
            tungstenite::Message::Frame(frame) => panic!("nobody asked for {frame:?}"),
        });
    }
}

/// Bytes that have come, behind which nothing comes for now; what is written is dropped.
struct Tape<'a>(&'a [u8]);

impl Read for Tape<'_> {
    fn read(&mut self, into: &mut [u8]) -> io::Result<usize> {
        if self.0.is_empty() { Err(io::ErrorKind::WouldBlock.into()) } else { self.0.read(into) }
    }
}

impl Write for Tape<'_> {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}
