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
//!   Pixels    0x01 │ groups:  stamp, 8 bytes │ number of pixels less one, 2 │ each: place, 2; colour, 1
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

use crate::app::canvas::domain::{Colour, Place};
use crate::app::canvas::fanout::MESSAGE_BYTES_MAX;
use crate::app::canvas::grid::{Grid, Pixel, Stamp, TILES, Tile};

/// Within what time digests follow what has happened.
pub const SOON: Duration = Duration::from_secs(2);

/// The time between digests while nothing happens: what was lost without anybody knowing is mended after this.
pub const SELDOM: Duration = Duration::from_secs(30);

const PIXELS: u8 = 0x01;
const DIGESTS: u8 = 0x02;

const GROUP_HEAD_BYTES: usize = 10;
const PIXEL_BYTES: usize = 3;

/// Pixels of a group: their number less one fits two bytes.
const GROUP_PIXELS_MAX: usize = 1 << 16;

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
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Digests([u64; TILES]);

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
    /// There is no such colour.
    Colour(u8),
    /// A pixel that nobody has drawn.
    Never,
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
            [PIXELS, ref groups @ ..] => parse_pixels(groups).map(Message::Pixels),
            [DIGESTS, ref digests @ ..] => Digests::parse(digests).map(Message::Digests),
            [other, ..] => Err(Malformed::Type(other)),
        }
    }
}

impl Digests {
    /// Those of `grid`.
    pub fn of(grid: &Grid) -> Digests {
        let mut digests = [0; TILES];
        Tile::all().zip(&mut digests).for_each(|(tile, digest)| *digest = grid.digest(tile));
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
        let mask = u64::from_be_bytes(take(&mut bytes)?);
        let mut digests = [0; TILES];
        for (tile, digest) in digests.iter_mut().enumerate() {
            if mask >> tile & 1 == 1 {
                *digest = u64::from_be_bytes(take(&mut bytes)?);
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
pub fn encode_pixels(mut pixels: Vec<Pixel>) -> Vec<Bytes> {
    pixels.sort_by_key(|pixel| (pixel.stamp, pixel.place));
    let mut messages = Vec::new();
    let mut bytes = vec![PIXELS];
    for group in pixels.chunk_by(|one, next| one.stamp == next.stamp).flat_map(|group| group.chunks(GROUP_PIXELS_MAX)) {
        let mut rest = group;
        while !rest.is_empty() {
            let room = MESSAGE_BYTES_MAX.saturating_sub(bytes.len() + GROUP_HEAD_BYTES) / PIXEL_BYTES;
            let (fitting, others) = rest.split_at(room.min(rest.len()));
            if fitting.is_empty() {
                messages.push(std::mem::replace(&mut bytes, vec![PIXELS]).into());
            } else {
                encode_group(fitting, &mut bytes);
            }
            rest = others;
        }
    }
    if bytes.len() > 1 {
        messages.push(bytes.into());
    }
    messages
}

/// `pixels`: one at least, [`GROUP_PIXELS_MAX`] at most, all of one stamp.
fn encode_group(pixels: &[Pixel], into: &mut Vec<u8>) {
    into.extend(pixels[0].stamp.to_u64().to_be_bytes());
    into.extend(((pixels.len() - 1) as u16).to_be_bytes());
    for pixel in pixels {
        into.extend(pixel.place.0.to_be_bytes());
        into.push(pixel.colour.index());
    }
}

fn parse_pixels(mut bytes: &[u8]) -> Result<Vec<Pixel>, Malformed> {
    let mut pixels = Vec::with_capacity(bytes.len() / PIXEL_BYTES);
    while !bytes.is_empty() {
        let stamp = Stamp::from_u64(u64::from_be_bytes(take(&mut bytes)?));
        if stamp == Stamp::NEVER {
            return Err(Malformed::Never);
        }
        for _ in 0..=u16::from_be_bytes(take(&mut bytes)?) {
            let [high, low, colour] = take(&mut bytes)?;
            let colour = Colour::new(colour).ok_or(Malformed::Colour(colour))?;
            pixels.push(Pixel { place: Place(u16::from_be_bytes([high, low])), colour, stamp });
        }
    }
    Ok(pixels)
}

/// The next `N` bytes.
fn take<const N: usize>(bytes: &mut &[u8]) -> Result<[u8; N], Malformed> {
    let (first, rest) = bytes.split_first_chunk().ok_or(Malformed::Short)?;
    *bytes = rest;
    Ok(*first)
}

impl fmt::Display for Malformed {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Malformed::Empty => f.write_str("it is empty"),
            Malformed::Type(byte) => write!(f, "type {byte:#04x} is not known: is another node newer than this one?"),
            Malformed::Short => f.write_str("it ends too early"),
            Malformed::Long => f.write_str("something follows its end"),
            Malformed::Colour(colour) => write!(f, "there is no colour {colour}"),
            Malformed::Never => f.write_str("a pixel has no stamp"),
            Malformed::TooLarge => write!(f, "it has more than {MESSAGE_BYTES_MAX} bytes"),
        }
    }
}

impl std::error::Error for Malformed {}

#[cfg(test)]
mod tests;
