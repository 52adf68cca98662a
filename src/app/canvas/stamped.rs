//! Owns how pixels are written down with their stamps, for other nodes and for the store.
//!
//! The one idea: what was drawn in one tick has one stamp, so pixels are grouped by it.
//!
//! ```text
//!   groups, to the end:  stamp, 8 bytes │ number of pixels less one, 2 │ each: place, 2; colour, 1
//! ```
//!
//! Numbers are unsigned and big-endian. A grid takes 196 KiB when it was drawn in one tick, 832 KiB when each of its pixels
//! was drawn in another one.
//!
//! Never: panics for what it reads.

use std::fmt;

use crate::app::canvas::domain::{Colour, Place};
use crate::app::canvas::grid::{Pixel, Stamp};

/// What a pixel takes with a stamp of its own.
pub const PIXEL_BYTES_MAX: usize = GROUP_HEAD_BYTES + PIXEL_BYTES;

const GROUP_HEAD_BYTES: usize = 10;
const PIXEL_BYTES: usize = 3;

/// Pixels of a group: their number less one fits two bytes.
const GROUP_PIXELS_MAX: usize = 1 << 16;

/// Why bytes are no pixels.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Malformed {
    /// They end in the middle of a group.
    Short,
    /// There is no such colour.
    Colour(u8),
    /// A pixel that nobody has drawn.
    Never,
}

/// Brings pixels into the order in which they are written down.
pub fn sort(pixels: &mut [Pixel]) {
    pixels.sort_by_key(|pixel| (pixel.stamp, pixel.place));
}

/// Appends `pixels`, which are [sorted](sort).
pub fn encode(pixels: &[Pixel], into: &mut Vec<u8>) {
    let same_stamp = pixels.chunk_by(|one, next| one.stamp == next.stamp);
    for group in same_stamp.flat_map(|group| group.chunks(GROUP_PIXELS_MAX)) {
        into.extend(group[0].stamp.to_u64().to_be_bytes());
        into.extend(((group.len() - 1) as u16).to_be_bytes());
        for pixel in group {
            into.extend(pixel.place.0.to_be_bytes());
            into.push(pixel.colour.index());
        }
    }
}

/// The pixels that `bytes` hold, to their end.
///
/// # Errors
/// The first thing that is wrong with them.
pub fn parse(mut bytes: &[u8]) -> Result<Vec<Pixel>, Malformed> {
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
            Malformed::Short => f.write_str("a group of pixels ends too early"),
            Malformed::Colour(colour) => write!(f, "there is no colour {colour}"),
            Malformed::Never => f.write_str("a pixel has no stamp"),
        }
    }
}

impl std::error::Error for Malformed {}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::app::canvas::grid::NodeId;

    fn pixel(place: u16, time: u64) -> Pixel {
        Pixel { place: Place(place), colour: Colour::of_low_bits(7), stamp: Stamp::new(time, NodeId::new(1)) }
    }

    #[test]
    fn pixels_are_grouped_by_stamp() {
        let mut pixels = [pixel(9, 2), pixel(1, 1), pixel(8, 1)];
        sort(&mut pixels);
        let mut bytes = Vec::new();
        encode(&pixels, &mut bytes);
        let (one, two) = ([0, 0, 0, 0, 1, 0, 0, 1], [0, 0, 0, 0, 2, 0, 0, 1]);
        assert_eq!(bytes, [&one[..], &[0, 1, 0, 1, 7, 0, 8, 7], &two, &[0, 0, 0, 9, 7]].concat());
        assert_eq!(parse(&bytes), Ok(pixels.to_vec()));
        assert_eq!(parse(&[]), Ok(Vec::new()));
        for end in (1..bytes.len()).filter(|&end| end != 16) {
            assert_eq!(parse(&bytes[..end]), Err(Malformed::Short), "{end}");
        }
    }

    #[test]
    fn a_group_is_as_large_as_its_number_can_say() {
        let pixels = vec![pixel(3, 1); GROUP_PIXELS_MAX + 1];
        let mut bytes = Vec::new();
        encode(&pixels, &mut bytes);
        assert_eq!(bytes.len(), 2 * GROUP_HEAD_BYTES + pixels.len() * PIXEL_BYTES);
        assert_eq!(parse(&bytes), Ok(pixels));
    }

    #[test]
    fn what_is_no_pixel_is_refused() {
        let check = |parts: &[&[u8]], expected| assert_eq!(parse(&parts.concat()), Err(expected), "{parts:?}");
        let stamp = &[0, 0, 0, 1, 0, 0, 0, 1][..];
        check(&[&stamp[..7]], Malformed::Short);
        check(&[stamp], Malformed::Short);
        check(&[stamp, &[0]], Malformed::Short);
        check(&[stamp, &[0, 0]], Malformed::Short);
        check(&[stamp, &[0, 0], &[0, 9]], Malformed::Short);
        check(&[stamp, &[0, 1], &[0, 9, 1]], Malformed::Short);
        check(&[stamp, &[255, 255], &[0, 9, 1]], Malformed::Short);
        check(&[stamp, &[0, 0], &[0, 9, 1], &[0]], Malformed::Short);
        check(&[stamp, &[0, 0], &[0, 9, 32]], Malformed::Colour(32));
        check(&[stamp, &[0, 0], &[0, 9, 255]], Malformed::Colour(255));
        check(&[&[0; 8], &[0, 0], &[0, 9, 1]], Malformed::Never);
    }
}
