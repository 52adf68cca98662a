//! Owns what is sent: messages that say when they were sent, and whose every byte is known.
//!
//! ```text
//!   0000000000000007 00000000000f4240 ghijklmnopqrstuvwxyzabcdef…
//!   ──── number ──── ─ nanoseconds ── ──────── filler ─────────      hexadecimal, so that it may go as text, too
//! ```
//!
//! Never: believes that what came back is what was sent.

/// Bytes of number and time: the least that a message has.
pub const STAMP_BYTES: usize = 32;

/// What a message says about itself.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Stamp {
    /// Which one it is of its sender, or of the room.
    pub number: u64,
    /// When it was sent, in nanoseconds since the measurement began.
    pub at: u64,
}

impl Stamp {
    /// Writes it at the beginning of a message.
    pub fn write(self, message: &mut [u8]) {
        let digits = |value: u64, out: &mut [u8]| {
            for (index, byte) in out.iter_mut().enumerate() {
                *byte = b"0123456789abcdef"[(value >> (60 - 4 * index) & 0xf) as usize];
            }
        };
        let (number, rest) = message.split_at_mut(STAMP_BYTES / 2);
        digits(self.number, number);
        digits(self.at, &mut rest[..STAMP_BYTES / 2]);
    }

    /// Reads it, unless these are no digits.
    pub fn read(bytes: &[u8]) -> Option<Stamp> {
        let value = |digits: &[u8]| {
            digits.iter().try_fold(0, |value, digit| match digit {
                b'0'..=b'9' => Some(value << 4 | u64::from(digit - b'0')),
                b'a'..=b'f' => Some(value << 4 | u64::from(digit - b'a' + 10)),
                _ => None,
            })
        };
        let (number, rest) = bytes.split_at_checked(STAMP_BYTES / 2)?;
        Some(Stamp { number: value(number)?, at: value(rest.get(..STAMP_BYTES / 2)?)? })
    }
}

/// A message of `size` bytes without its stamp.
pub fn filler(size: usize) -> Vec<u8> {
    (b'a'..=b'z').cycle().take(size).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_stamp_is_read_as_it_was_written() {
        for (number, at) in [(0, 0), (7, 1_000_000), (u64::MAX, 0x0123_4567_89ab_cdef)] {
            let mut message = filler(40);
            Stamp { number, at }.write(&mut message);
            assert_eq!(Stamp::read(&message), Some(Stamp { number, at }));
            assert_eq!(&message[STAMP_BYTES..], b"ghijklmn");
        }
    }

    #[test]
    fn what_is_no_stamp_is_none() {
        for bytes in [
            &b""[..],
            &[b'0'; 31],
            b"0000000000000000000000000000000g",
            b"000000000000000000000000000000 0",
            &[b'A'; 32],
        ] {
            assert_eq!(Stamp::read(bytes), None, "{}", bytes.escape_ascii());
        }
    }
}
