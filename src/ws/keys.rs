//! Owns the masking keys of a client: each frame gets one that nobody can guess.
//!
//! The one idea: a key costs four bytes of the system's randomness, and a system call costs far more; so they are fetched
//! many at a time.
//!
//! ```text
//!   getrandom ──256 bytes──▶ ████████████░░░░   64 keys, taken one by one, each but once
//! ```
//!
//! Spec: RFC 6455 5.3 and 10.3: a new key for each frame, from a source that an application cannot predict.
//! Never: hands out a key twice; falls back to anything weaker.

use std::fmt;
use std::io;

/// Bytes that are fetched at once. Up to this many the system gives in one piece.
const BYTES: usize = 256;

/// A source of masking keys. One for each client connection; it holds 256 bytes.
pub struct Keys {
    bytes: [u8; BYTES],
    used: usize,
}

impl Keys {
    /// A source that has fetched its first keys, so that a system without randomness is known before a connection is.
    ///
    /// # Errors
    /// When the system has no random bytes.
    pub fn new() -> io::Result<Keys> {
        let mut keys = Keys { bytes: [0; BYTES], used: 0 };
        keys.fetch()?;
        Ok(keys)
    }

    /// The next key.
    ///
    /// # Panics
    /// When the system has no more random bytes, which it had before: no system is known that does so.
    #[inline]
    pub fn next_key(&mut self) -> [u8; 4] {
        if self.used == BYTES {
            self.fetch().expect("random bytes, of which there were some before");
        }
        let at = self.used;
        self.used += 4;
        [self.bytes[at], self.bytes[at + 1], self.bytes[at + 2], self.bytes[at + 3]]
    }

    #[cold]
    fn fetch(&mut self) -> io::Result<()> {
        getrandom::fill(&mut self.bytes)?;
        self.used = 0;
        Ok(())
    }
}

/// Keys that are still to be used are secrets.
impl fmt::Debug for Keys {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Keys").finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests {
    use std::collections::HashSet;

    use super::*;

    #[test]
    fn keys_do_not_come_again() {
        let (mut one, mut other) = (Keys::new().expect("random"), Keys::new().expect("random"));
        let drawn: HashSet<[u8; 4]> = (0..500).flat_map(|_| [one.next_key(), other.next_key()]).collect();
        // Two of a thousand are equal once in 8,600 runs, two pairs of them once in 150 million.
        assert!(drawn.len() >= 999, "{}", drawn.len());
    }

    #[test]
    fn what_is_still_to_be_used_is_not_shown() {
        assert_eq!(format!("{:?}", Keys::new().expect("random")), "Keys { .. }");
    }
}
