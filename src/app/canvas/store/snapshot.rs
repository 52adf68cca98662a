//! Owns how a room is written down: its pixels with their stamps, and how its sequence numbers may go on.
//!
//! ```text
//!   "firstbyte canvas\n" │ version, 1 byte │ goes on, 1 │ epoch, 4 │ seq, 4 │ stamped pixels │ CRC-32 of all before, 4
//!    └ foreign, if not      └ newer, if not 1                                                 └ damaged, if not
//! ```
//!
//! The first line is for the person who looks into the file.
//!
//! Never: takes a part of what is damaged.

use std::fmt;

use flate2::Crc;

use crate::app::canvas::grid::{Grid, Tile};
use crate::app::canvas::protocol::Position;
use crate::app::canvas::stamped;

const MAGIC: &[u8] = b"firstbyte canvas\n";
const VERSION: u8 = 1;
const CRC_BYTES: usize = 4;

/// What is kept of a room.
#[derive(Clone, Debug, Default)]
pub struct Snapshot {
    /// Its pixels.
    pub grid: Grid,
    /// How far its members are, when they have just these pixels: it was closed, and nothing was drawn since.
    pub position: Option<Position>,
}

/// Why bytes are no snapshot.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Corrupt {
    /// They are something else.
    Foreign,
    /// A version that is not known.
    Version(u8),
    /// They are not what was written.
    Damaged,
    /// They were written like that: by something else, or by a fault of ours.
    Malformed(stamped::Malformed),
}

impl Snapshot {
    /// As it is kept.
    pub fn encode(&self) -> Vec<u8> {
        let mut pixels: Vec<_> = Tile::all().flat_map(|tile| self.grid.export(tile)).collect();
        stamped::sort(&mut pixels);
        let Position { epoch, seq } = self.position.unwrap_or(Position { epoch: 0, seq: 0 });
        let mut bytes = [MAGIC, &[VERSION, self.position.is_some().into()]].concat();
        bytes.extend(epoch.to_be_bytes());
        bytes.extend(seq.to_be_bytes());
        stamped::encode(&pixels, &mut bytes);
        bytes.extend(crc(&bytes));
        bytes
    }

    /// What was kept.
    ///
    /// # Errors
    /// Why it is not served.
    pub fn parse(bytes: &[u8]) -> Result<Snapshot, Corrupt> {
        let rest = bytes.strip_prefix(MAGIC).ok_or(Corrupt::Foreign)?;
        match rest.first() {
            Some(&VERSION) => {}
            Some(&other) => return Err(Corrupt::Version(other)),
            None => return Err(Corrupt::Damaged),
        }
        let (before, sum) = bytes.split_last_chunk::<CRC_BYTES>().ok_or(Corrupt::Damaged)?;
        if crc(before) != *sum {
            return Err(Corrupt::Damaged);
        }
        let (head, pixels) = before[MAGIC.len()..].split_first_chunk().ok_or(Corrupt::Damaged)?;
        let mut grid = Grid::default();
        for pixel in stamped::parse(pixels).map_err(Corrupt::Malformed)? {
            grid.merge(pixel);
        }
        Ok(Snapshot { grid, position: position(*head) })
    }
}

fn position([_, goes_on, epoch_and_seq @ ..]: [u8; 10]) -> Option<Position> {
    let both = u64::from_be_bytes(epoch_and_seq);
    (goes_on != 0).then_some(Position { epoch: (both >> 32) as u32, seq: both as u32 })
}

fn crc(bytes: &[u8]) -> [u8; CRC_BYTES] {
    let mut crc = Crc::new();
    crc.update(bytes);
    crc.sum().to_be_bytes()
}

impl fmt::Display for Corrupt {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Corrupt::Foreign => f.write_str("it is no picture of ours"),
            Corrupt::Version(version) => write!(f, "it is of version {version}, and this program knows {VERSION}"),
            Corrupt::Damaged => f.write_str("its checksum is not that of its content"),
            Corrupt::Malformed(wrong) => wrong.fmt(f),
        }
    }
}

impl std::error::Error for Corrupt {}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::app::canvas::domain::{Colour, Place};
    use crate::app::canvas::grid::{NodeId, Pixel, Stamp};
    use crate::app::canvas::replica::Digests;

    fn snapshot(position: Option<Position>) -> Snapshot {
        let mut grid = Grid::default();
        for (place, time) in [(7, 1), (300, 1), (65_535, 9)] {
            let stamp = Stamp::new(time, NodeId::new(3));
            grid.merge(Pixel { place: Place(place), colour: Colour::of_low_bits(5), stamp });
        }
        Snapshot { grid, position }
    }

    #[test]
    fn a_room_goes_on_where_it_was() {
        for position in [None, Some(Position { epoch: 7, seq: u32::MAX }), Some(Position { epoch: 0, seq: 0 })] {
            let kept = snapshot(position);
            let mut read = Snapshot::parse(&kept.encode()).expect("our own");
            assert_eq!(read.position, position);
            assert_eq!(Digests::of(&read.grid), Digests::of(&kept.grid));
            assert_eq!(read.grid.next_stamp(NodeId::new(1)).time(), 10, "what is drawn next is later");
            assert_eq!(read.encode(), kept.encode());
        }
        assert!(Snapshot::parse(&Snapshot::default().encode()).expect("our own").grid.is_untouched());
    }

    #[test]
    fn what_is_damaged_is_not_served() {
        let good = snapshot(Some(Position { epoch: 1, seq: 2 })).encode();
        let check = |bytes: &[u8], expected| assert_eq!(Snapshot::parse(bytes).err(), Some(expected), "{bytes:?}");
        check(b"", Corrupt::Foreign);
        check(b"\x89PNG\r\n", Corrupt::Foreign);
        check(&MAGIC[1..], Corrupt::Foreign);
        check(MAGIC, Corrupt::Damaged);
        check(&[MAGIC, &[2]].concat(), Corrupt::Version(2));
        check(&[&good[..], b"\n"].concat(), Corrupt::Damaged);
        check(&vec![0; good.len()], Corrupt::Foreign);
        for end in MAGIC.len() + 1..good.len() {
            check(&good[..end], Corrupt::Damaged);
        }
        for at in MAGIC.len() + 1..good.len() {
            for bit in 0..8 {
                let mut bytes = good.clone();
                bytes[at] ^= 1 << bit;
                check(&bytes, Corrupt::Damaged);
            }
        }
    }

    #[test]
    fn a_good_checksum_makes_no_good_pixels() {
        let check = |pixels: &[u8], expected| {
            let mut bytes = [MAGIC, &[VERSION], &[0; 9], pixels].concat();
            bytes.extend(crc(&bytes));
            assert_eq!(Snapshot::parse(&bytes).err(), expected, "{pixels:?}");
        };
        check(&[], None);
        check(&[1], Some(Corrupt::Malformed(stamped::Malformed::Short)));
        check(&[0; 13], Some(Corrupt::Malformed(stamped::Malformed::Never)));
        let mut short = [MAGIC, &[VERSION], &[0; 8]].concat();
        short.extend(crc(&short));
        assert_eq!(Snapshot::parse(&short).err(), Some(Corrupt::Damaged), "no seq");
    }
}
