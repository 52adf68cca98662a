//! Owns what the nodes of one room say to each other, so that all end with the same grid whatever the broker loses.
//!
//! The one idea: anti-entropy. Pixels are told once, as they are drawn, and that may fail. From time to time each node tells
//! what it has, as a digest for each tile; who has something else there tells its pixels of these tiles. A grid takes pixels in
//! any order and any number of times, so nothing has to be numbered, confirmed or remembered.
//!
//! ```text
//!   node A                       node B
//!     │ ── Pixels ──────────────> │  merged               a stroke
//!     │ ── Pixels ────x           │  lost                 a cut
//!     │ ── Digests ─────────────> │  tile 7 differs       at most 2 s later
//!     │ <─────────────── Pixels ─ │  B's tile 7: nothing new for A
//!     │ <────────────── Digests ─ │  B has reason to ask, too: at most 2 s later
//!     │ ── Pixels ──────────────> │  A's tile 7: the grids are the same
//! ```
//!
//! Digests are told on joining, after each time that the broker was away, within [`SOON`] of anything that happens, and every
//! [`SELDOM`] while nothing does. No message makes another at once but digests that differ, and these are rare: so no storm.
//!
//! ```text
//!   Pixels    0x01 │ stamped pixels
//!   Digests   0x02 │ tiles that were written to, 8 bytes, a bit for each, tile 0 the lowest │ their digests, 8 each
//! ```
//!
//! Numbers are unsigned and big-endian. A message of another type comes from a newer node, and is refused.
//!
//! Never: does I/O, reads a clock; merges a part of a message that is malformed.
//! Limits: [`MESSAGE_BYTES_MAX`].

use std::fmt;
use std::time::{Duration, Instant};

use bytes::Bytes;

use crate::app::canvas::fanout::MESSAGE_BYTES_MAX;
use crate::app::canvas::grid::{Grid, Pixel, TILES, Tile};
use crate::app::canvas::stamped;

/// Within what time digests follow what has happened.
pub const SOON: Duration = Duration::from_secs(2);

/// The time between digests while nothing happens: what was lost without anybody knowing is mended after this.
pub const SELDOM: Duration = Duration::from_secs(30);

const PIXELS: u8 = 0x01;
const DIGESTS: u8 = 0x02;

/// So many fit a message, though each has a stamp of its own.
const MESSAGE_PIXELS_MAX: usize = (MESSAGE_BYTES_MAX - 1) / stamped::PIXEL_BYTES_MAX;

/// A room's part in this, on one node.
#[derive(Clone, Debug)]
pub struct Replica {
    /// When digests are to be told.
    next: Instant,
}

/// What another node's message has led to.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Merged {
    /// Pixels that this grid has taken: its members do not know them yet.
    pub pixels: Vec<Pixel>,
    /// Messages that are to be published.
    pub answer: Vec<Bytes>,
}

/// Something that a node says.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Message {
    /// Pixels to be merged.
    Pixels(Vec<Pixel>),
    /// What it has.
    Digests(Digests),
}

/// A number for each tile, by which grids are compared.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Digests(Box<[u64; TILES]>);

/// Why a message is refused.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Malformed {
    /// It has no byte.
    Empty,
    /// Its type is none that is known: of a newer node, perhaps.
    Type(u8),
    /// It ends in the middle of something.
    Short,
    /// Something follows where it should end.
    Long,
    /// Its pixels are none.
    Pixels(stamped::Malformed),
    /// It has more than [`MESSAGE_BYTES_MAX`].
    TooLarge,
}

impl Replica {
    /// One that tells its digests at once.
    pub fn new(now: Instant) -> Replica {
        Replica { next: now }
    }

    /// The broker is there, or there again: whatever was said meanwhile was not heard.
    pub fn joined(&mut self, now: Instant) {
        self.next = now;
    }

    /// Pixels were drawn here: the messages that tell the others.
    pub fn drew(&mut self, pixels: &[Pixel], now: Instant) -> Vec<Bytes> {
        self.soon(now);
        encode_pixels(pixels.to_vec())
    }

    /// Takes what another node has said.
    ///
    /// # Errors
    /// What is wrong with the message. Nothing of it was merged.
    pub fn hear(&mut self, message: &[u8], grid: &mut Grid, now: Instant) -> Result<Merged, Malformed> {
        let (merged, something) = match Message::parse(message)? {
            Message::Pixels(mut pixels) => {
                pixels.retain(|&pixel| grid.merge(pixel));
                let something = !pixels.is_empty();
                (Merged { pixels, answer: Vec::new() }, something)
            }
            Message::Digests(theirs) => {
                let answer = encode_pixels(theirs.differing(grid));
                // What they have and we do not, they learn from ours.
                (Merged { pixels: Vec::new(), answer }, theirs != Digests::of(grid))
            }
        };
        if something {
            self.soon(now);
        }
        Ok(merged)
    }

    /// When [`tell`](Replica::tell) is to be called next, unless something happens.
    pub fn deadline(&self) -> Instant {
        self.next
    }

    /// The digests of `grid`, to be published, when it is time for them.
    pub fn tell(&mut self, grid: &Grid, now: Instant) -> Option<Bytes> {
        if now < self.next {
            return None;
        }
        self.next = now + SELDOM;
        Some(Digests::of(grid).encode())
    }

    fn soon(&mut self, now: Instant) {
        self.next = self.next.min(now + SOON);
    }
}

impl Message {
    /// What `bytes` say.
    ///
    /// # Errors
    /// The first thing that is wrong with them.
    pub fn parse(bytes: &[u8]) -> Result<Message, Malformed> {
        if bytes.len() > MESSAGE_BYTES_MAX {
            return Err(Malformed::TooLarge);
        }
        match *bytes {
            [] => Err(Malformed::Empty),
            [PIXELS, ref pixels @ ..] => Ok(Message::Pixels(stamped::parse(pixels)?)),
            [DIGESTS, ref digests @ ..] => Digests::parse(digests).map(Message::Digests),
            [other, ..] => Err(Malformed::Type(other)),
        }
    }
}

impl Digests {
    /// Those of `grid`.
    pub fn of(grid: &Grid) -> Digests {
        let mut digests = Box::new([0; TILES]);
        Tile::all().zip(digests.iter_mut()).for_each(|(tile, digest)| *digest = grid.digest(tile));
        Digests(digests)
    }

    /// The message that tells them.
    pub fn encode(&self) -> Bytes {
        let written = self.0.iter().enumerate().filter(|(_, digest)| **digest != 0);
        let mask = written.clone().fold(0, |mask: u64, (tile, _)| mask | 1 << tile);
        let mut bytes = vec![DIGESTS];
        bytes.extend(mask.to_be_bytes());
        written.for_each(|(_, digest)| bytes.extend(digest.to_be_bytes()));
        bytes.into()
    }

    fn parse(mut bytes: &[u8]) -> Result<Digests, Malformed> {
        let mask = take_u64(&mut bytes)?;
        let mut digests = Box::new([0; TILES]);
        for (tile, digest) in digests.iter_mut().enumerate() {
            if mask >> tile & 1 == 1 {
                *digest = take_u64(&mut bytes)?;
            }
        }
        if bytes.is_empty() { Ok(Digests(digests)) } else { Err(Malformed::Long) }
    }

    /// The pixels of `grid` in all tiles that the other has otherwise.
    fn differing(&self, grid: &Grid) -> Vec<Pixel> {
        let differ = Tile::all().filter(|tile| grid.digest(*tile) != self.0[usize::from(tile.number())]);
        differ.flat_map(|tile| grid.export(tile)).collect()
    }
}

/// Messages with all of `pixels`, none of which is larger than [`MESSAGE_BYTES_MAX`]. None for no pixels.
fn encode_pixels(mut pixels: Vec<Pixel>) -> Vec<Bytes> {
    stamped::sort(&mut pixels);
    let message = |pixels| {
        let mut bytes = vec![PIXELS];
        stamped::encode(pixels, &mut bytes);
        bytes.into()
    };
    pixels.chunks(MESSAGE_PIXELS_MAX).map(message).collect()
}

/// The next eight bytes.
fn take_u64(bytes: &mut &[u8]) -> Result<u64, Malformed> {
    let (first, rest) = bytes.split_first_chunk().ok_or(Malformed::Short)?;
    *bytes = rest;
    Ok(u64::from_be_bytes(*first))
}

impl From<stamped::Malformed> for Malformed {
    fn from(wrong: stamped::Malformed) -> Malformed {
        Malformed::Pixels(wrong)
    }
}

impl fmt::Display for Malformed {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Malformed::Empty => f.write_str("it is empty"),
            Malformed::Type(byte) => write!(f, "type {byte:#04x} is not known: is another node newer than this one?"),
            Malformed::Short => f.write_str("it ends too early"),
            Malformed::Long => f.write_str("something follows its end"),
            Malformed::Pixels(wrong) => wrong.fmt(f),
            Malformed::TooLarge => write!(f, "it has more than {MESSAGE_BYTES_MAX} bytes"),
        }
    }
}

impl std::error::Error for Malformed {}

#[cfg(test)]
mod tests;
