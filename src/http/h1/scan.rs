//! Owns the search for the bytes at which a head's pieces end, by vector instructions where the machine has them.
//!
//! The one idea: a block of 64 bytes is looked at once and becomes two words of 64 bits, in which a 1 is a byte that no
//! field name, or no field value, can hold. Where a piece ends is then the number of zeros at the low end of a word.
//!
//! ```text
//!   bytes      A c c e p t :   * / * . . H o s t :        (. for CR and LF)
//!   name       0 0 0 0 0 0 1 1 0 1 0 1 1 0 0 0 0 1
//!   value      0 0 0 0 0 0 0 0 0 0 0 1 1 0 0 0 0 0        written from the low bit on
//!              ^ the name: 6 zeros       ^ the next line: both words shifted by 13
//! ```
//!
//! A line costs two shifts and two counts of zeros, whatever its length; a block costs some thirty instructions. Which
//! instructions there are is asked once. What needs them runs as a whole inside of a function compiled for them
//! (`Work`), so that the searches are part of it and not calls. On a machine without any, `run` says `None`.
//!
//! Spec: none of its own; the classes are those of [`grammar`](crate::http::h1::grammar).
//! Never: reads a byte behind the end of what it is given; decides what a stop means.
//! Invariants: all lanes find what asking `grammar` about one byte after the other finds (a test compares them); the
//! token of lanes is only made on a machine that has them.

#![cfg_attr(
    not(target_arch = "x86_64"),
    allow(dead_code, unused_variables, reason = "nothing searches by lanes there")
)]

#[cfg(target_arch = "x86_64")]
mod x86;

/// Ways to search, of which [`use_only`] chooses one.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Twin {
    /// 32 bytes at a time.
    Avx2,
    /// Sixteen bytes at a time.
    Ssse3,
    /// No vector instructions: heads are read byte by byte.
    Portable,
}

impl Twin {
    /// All of them, the widest first.
    pub const ALL: [Twin; 3] = [Twin::Avx2, Twin::Ssse3, Twin::Portable];
}

/// Lets the whole process search by `twin` from now on, so that a fuzzer can compare it with the others. False, and nothing is
/// changed, when this machine lacks it.
#[doc(hidden)]
pub fn use_only(twin: Twin) -> bool {
    #[cfg(target_arch = "x86_64")]
    return x86::use_only(twin);
    #[cfg(not(target_arch = "x86_64"))]
    return twin == Twin::Portable;
}

/// Bytes of a block: a bit of a word each.
pub(crate) const BLOCK: usize = u64::BITS as usize;

/// Instructions that look at many bytes at once.
pub(crate) trait Lanes: Copy {
    /// The stops among the 64 bytes from `at` on, which is at most the number of bytes. Behind the last byte there are
    /// stops of either kind.
    fn stops(self, bytes: &[u8], at: usize) -> Stops;

    /// The first byte from `from` on that is outside of `class`, or the number of bytes.
    fn class_end(self, bytes: &[u8], from: usize, class: &Class) -> usize;
}

/// What ends a name and what ends a value in a block. The lowest bit is its first byte.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Stops {
    /// Bytes that are no `tchar`.
    pub(crate) name: u64,
    /// Bytes that may not stand in a field value.
    pub(crate) value: u64,
}

/// What is done with some bytes by lanes.
pub(crate) trait Work {
    /// What comes of it.
    type Output;

    /// Does it. To be `#[inline(always)]`: what is not inside of the function compiled for the lanes calls them.
    fn run<L: Lanes>(self, lanes: L, bytes: &[u8]) -> Self::Output;
}

/// Does `work` with each of the lanes of this machine.
#[cfg(test)]
fn with_each<W: Work + Copy>(bytes: &[u8], work: W) {
    #[cfg(target_arch = "x86_64")]
    {
        x86::Avx2::ask().map(|lanes| lanes.run(bytes, work));
        x86::Ssse3::ask().map(|lanes| lanes.run(bytes, work));
    }
}

/// Does `work` with the widest lanes of this machine; `None` when it has none.
#[inline]
pub(crate) fn run<W: Work>(bytes: &[u8], work: W) -> Option<W::Output> {
    #[cfg(target_arch = "x86_64")]
    match x86::in_use() {
        x86::InUse::Avx2(lanes) => return Some(lanes.run(bytes, work)),
        x86::InUse::Ssse3(lanes) => return Some(lanes.run(bytes, work)),
        x86::InUse::Neither => {}
    }
    None
}

/// The first byte of `bytes` from `from` on that is outside of `class`, or their number, which `from` does not exceed.
pub(crate) fn class_end(bytes: &[u8], from: usize, class: &Class) -> usize {
    #[cfg(target_arch = "x86_64")]
    match x86::in_use() {
        x86::InUse::Avx2(lanes) => return lanes.class_end(bytes, from, class),
        x86::InUse::Ssse3(lanes) => return lanes.class_end(bytes, from, class),
        x86::InUse::Neither => {}
    }
    class.end(bytes, from)
}

/// A class of ASCII bytes as a matrix of bits, low halves of bytes by high halves: small enough for a vector register.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Class {
    /// By the low half of a byte; bit `n` is for the high half `n`.
    rows: [u8; 16],
}

impl Class {
    /// The bytes for which `members` is true.
    pub(crate) const fn of(members: &[bool; 128]) -> Class {
        let mut rows = [0; 16];
        let mut byte = 0;
        while byte < 128 {
            rows[byte & 0xf] |= (members[byte] as u8) << (byte >> 4);
            byte += 1;
        }
        Class { rows }
    }

    /// The first byte from `from` on that is not of this class, or the number of bytes.
    fn end(&self, bytes: &[u8], from: usize) -> usize {
        let rest = &bytes[from..];
        from + rest.iter().position(|&byte| !self.holds(byte)).unwrap_or(rest.len())
    }

    #[inline(always)]
    fn holds(&self, byte: u8) -> bool {
        let column = 1u8.checked_shl(u32::from(byte >> 4)).unwrap_or(0);
        self.rows[usize::from(byte & 0xf)] & column != 0
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::http::h1::grammar::{self, is_field_value, is_token};

    /// Compares every search, from every so manyth byte on, with asking about one byte after the other.
    #[derive(Clone, Copy)]
    struct Compare {
        every: usize,
    }

    impl Work for Compare {
        type Output = ();

        fn run<L: Lanes>(self, lanes: L, bytes: &[u8]) {
            for at in (0..=bytes.len()).step_by(self.every) {
                let block = &bytes[at..bytes.len().min(at + BLOCK)];
                let stops = Stops { name: mask(block, is_token), value: mask(block, is_field_value) };
                assert_eq!(lanes.stops(bytes, at), stops, "{at} in {bytes:?}");
                for (class, member) in CLASSES {
                    let end = bytes[at..].iter().position(|&byte| !member(byte)).map_or(bytes.len(), |len| at + len);
                    assert_eq!(lanes.class_end(bytes, at, class), end, "{at} in {bytes:?}");
                }
            }
        }
    }

    type Member = fn(u8) -> bool;

    const CLASSES: [(&Class, Member); 4] = [
        (grammar::TOKEN_CLASS, is_token),
        (grammar::PLAIN_PATH, |byte| grammar::is_path(byte) && !matches!(byte, b'%' | b'.')),
        (grammar::QUERY_CLASS, grammar::is_query),
        (grammar::TARGET_CLASS, grammar::is_target),
    ];

    /// A 1 for each byte of `block` that is no `member`, and for all behind it.
    fn mask(block: &[u8], member: Member) -> u64 {
        let members = block.iter().enumerate().filter(|&(_, &byte)| member(byte));
        !members.fold(0, |mask, (place, _)| mask | 1 << place)
    }

    #[test]
    fn every_byte_is_found_at_every_place() {
        for byte in 0..=u8::MAX {
            for place in 0..70 {
                let mut bytes = [b'a'; 70];
                bytes[place] = byte;
                with_each(&bytes, Compare { every: 50 });
            }
        }
    }

    #[test]
    fn all_lengths_are_searched_to_their_end_and_no_further() {
        for len in 0..150 {
            with_each(&vec![b'a'; len], Compare { every: 1 });
        }
    }

    #[test]
    fn any_bytes_are_searched_alike() {
        let mut random = fastrand::Rng::with_seed(7);
        for _ in 0..100 {
            let likely = b"aZ09-: \t\r\n/%.?";
            let byte = |random: &mut fastrand::Rng| match random.u8(..8) {
                0 => random.u8(..),
                _ => likely[random.usize(..likely.len())],
            };
            let bytes: Vec<u8> = (0..random.usize(..200)).map(|_| byte(&mut random)).collect();
            with_each(&bytes, Compare { every: 1 });
        }
    }
}
