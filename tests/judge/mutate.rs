//! Owns mutants: the files of the corpus with a few changes each, the same ones every time.
//!
//! The one idea: a mutant is drawn from its number alone. Whoever fails on one says its number and its bytes, and it is
//! there again.

use super::draw::Draw;

/// Bytes that mean something in a message.
const BYTES: &[u8] = b"\r\n\t :;,/#%?\"<>{}|\\\0\x0b\x7f\x80\xffHTP.0129Aa-_[]@";

/// Most changes of a mutant.
const CHANGES: usize = 3;

/// The mutant of `seeds` with this number.
pub fn mutant(seeds: &[Vec<u8>], number: usize) -> Vec<u8> {
    let mut draw = Draw::of(&number.to_le_bytes());
    let mut bytes = draw.of_these(seeds).clone();
    for _ in 0..draw.next(CHANGES + 1) {
        change(&mut bytes, seeds, &mut draw);
    }
    bytes
}

fn change(bytes: &mut Vec<u8>, seeds: &[Vec<u8>], draw: &mut Draw) {
    let at = draw.next(bytes.len() + 1);
    let piece = |bytes: &[u8], len: usize| at..bytes.len().min(at + len);
    match draw.next(16) {
        0..4 => {
            bytes.splice(piece(bytes, 1), [byte(draw)]);
        }
        4..8 => bytes.insert(at, byte(draw)),
        8..10 => drop(bytes.drain(piece(bytes, 1 + draw.next(5)))),
        10..12 => {
            let again = bytes[piece(bytes, 1 + draw.next(39))].to_vec();
            bytes.splice(at..at, again);
        }
        12..14 => bytes.extend(draw.of_these(seeds)),
        14 => drop(bytes.splice(at.., draw.of_these(seeds).iter().copied())),
        _ => bytes.truncate(at),
    }
}

fn byte(draw: &mut Draw) -> u8 {
    if draw.next(2) == 0 { *draw.of_these(BYTES) } else { draw.next(256) as u8 }
}
