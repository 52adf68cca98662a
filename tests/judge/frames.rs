//! Judges the machine of `firstbyte::ws`: arbitrary bytes, cut arbitrarily, taken by `receive` alone or, where there is
//! room, read to where the message is put together.
//!
//! ```text
//!   bytes ── whole ───────────────┐
//!         ── cut, by `receive` ───┼── the same events, the same end
//!         ── cut, through `room` ─┘
//! ```
//!
//! Limits, role and cuts are drawn from the bytes themselves.

use std::time::Instant;

use firstbyte::ws::Role;
use firstbyte::ws::deflate::{Compression, Deflate, Params};
use firstbyte::ws::frame::HEADER_BYTES_MAX;
use firstbyte::ws::limits::Limits;
use firstbyte::ws::machine::{Event, Machine, State};
use firstbyte::ws::violation::Violation;

use super::draw::Draw;

/// Small, so that inputs of a few hundred bytes meet them; room is for frames of more than 4 KiB.
pub const SMALL: Limits =
    Limits { frame_bytes_max: 24_000, message_bytes_max: 20_000, fragments_max: 4, control_frames_per_second: 3 };

/// What a machine makes of some bytes.
#[derive(Debug, PartialEq, Eq)]
pub struct Verdict {
    pub events: Vec<Event>,
    pub end: End,
}

/// How it ends.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum End {
    /// It does not: more could come.
    Open,
    /// With a Close frame.
    Closed,
    /// With a violation.
    Failed(Violation),
}

/// Where payload that is still to come is read to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Way {
    /// To the buffer of whoever reads, always.
    Receive,
    /// To the machine's room, where there is some.
    Room,
}

/// Gives `pieces` to `machine` as a driver would.
///
/// # Panics
/// When what the machine promises does not hold.
pub fn play<'a>(mut machine: Machine, pieces: impl IntoIterator<Item = &'a [u8]>, way: Way) -> Verdict {
    let (mut player, now) = (Player::default(), Instant::now());
    let end = pieces.into_iter().try_for_each(|piece| player.give(&mut machine, piece, way, now));
    let closed = player.events.iter().any(|event| matches!(event, Event::Close(_)));
    assert_eq!(machine.state() != State::Open, closed || end.is_err());
    assert!(!(closed && machine.in_message()), "no message goes on behind a Close frame");
    let end = end.map_or_else(End::Failed, |()| if closed { End::Closed } else { End::Open });
    Verdict { events: player.events, end }
}

#[derive(Default)]
struct Player {
    /// What has arrived and is not taken.
    buffer: Vec<u8>,
    arrived: usize,
    events: Vec<Event>,
}

impl Player {
    fn give(&mut self, machine: &mut Machine, piece: &[u8], way: Way, now: Instant) -> Result<(), Violation> {
        self.arrived += piece.len();
        let mut piece = piece;
        while way == Way::Room && self.buffer.is_empty() && !piece.is_empty() {
            let room = machine.room();
            if room.is_empty() {
                break;
            }
            assert!(room.len() <= self.arrived + 64 * 1024, "{} bytes of room for {}", room.len(), self.arrived);
            let count = room.len().min(piece.len());
            room[..count].copy_from_slice(&piece[..count]);
            piece = &piece[count..];
            self.events.extend(machine.filled(count)?);
        }
        self.buffer.extend_from_slice(piece);
        loop {
            let received = machine.receive(&mut self.buffer, now)?;
            assert!(received.used <= self.buffer.len());
            self.buffer.drain(..received.used);
            let Some(event) = received.event else { break };
            self.events.push(event);
        }
        assert!(self.buffer.len() < HEADER_BYTES_MAX, "only a header may be kept back");
        Ok(())
    }
}

/// One end of a connection.
#[derive(Clone, Copy, Debug)]
pub struct Side {
    pub role: Role,
    pub limits: Limits,
    /// What was agreed on compression, if anything was.
    pub params: Option<Params>,
}

impl Side {
    pub fn machine(&self) -> Machine {
        let config = Compression {
            context_takeover: true,
            memory_bytes_max: 128 * 1024,
            message_bytes_min: 8,
            ..Compression::default()
        };
        let deflate = self.params.map(|params| Deflate::new(self.role, params, &config));
        Machine::new(self.role, self.limits, deflate)
    }
}

/// Judges `input`, and says what came of it.
///
/// # Panics
/// When the machine does not come to the same end however the bytes come, or does not keep its limits.
pub fn judge(input: &[u8]) -> Verdict {
    let mut draw = Draw::of(input);
    let isolated = Params { client_no_context_takeover: true, server_no_context_takeover: true, ..Params::default() };
    let side = Side {
        role: *draw.of_these(&[Role::Server, Role::Server, Role::Client]),
        limits: *draw.of_these(&[SMALL, SMALL, Limits::default()]),
        params: *draw.of_these(&[None, Some(Params::default()), Some(isolated)]),
    };
    judge_side(input, side, &mut draw)
}

/// Judges `input` as it is received by `side`.
///
/// # Panics
/// As [`judge`].
pub fn judge_side(input: &[u8], side: Side, draw: &mut Draw) -> Verdict {
    let whole = play(side.machine(), [input], Way::Receive);
    let cuts = draw.cuts(input.len(), 6);
    let cut = || cuts.windows(2).map(|cut| &input[cut[0]..cut[1]]);
    assert_eq!(whole, play(side.machine(), cut(), Way::Receive), "{side:?}, cut at {cuts:?}");
    assert_eq!(whole, play(side.machine(), cut(), Way::Room), "{side:?}, cut at {cuts:?}, through the room");
    if draw.next(16) == 0 {
        assert_eq!(whole, play(side.machine(), input.chunks(1), Way::Room), "{side:?}, byte by byte");
    }
    for event in &whole.events {
        check_bounds(event, &side.limits);
    }
    whole
}

fn check_bounds(event: &Event, limits: &Limits) {
    match event {
        Event::Message(message) => {
            assert!(message.len() <= limits.message_bytes_max);
            assert!(!message.is_text() || std::str::from_utf8(message.as_bytes()).is_ok());
        }
        Event::Close(Some(close)) => assert!(close.code().may_be_sent()),
        Event::Header(header) => panic!("nobody asked for {header:?}"),
        Event::Close(None) | Event::Ping(_) | Event::Pong(_) => {}
    }
}
