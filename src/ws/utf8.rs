//! Owns the question whether bytes that arrive in pieces are UTF-8.
//!
//! The one idea: whole characters are for the vector code of `simdutf8`; a character that a piece cuts in two, at most
//! three bytes of it, is kept and completed by the next piece. What no further byte can complete is refused at once.
//!
//! ```text
//!   pieces:     │ a b c E2 82 │ AC d │
//!   simdutf8:     a b c                      d
//!   held:               E2 82 ▶ E2 82 AC
//! ```
//!
//! Spec: RFC 6455 8.1 (invalid text fails the connection), 5.6 (a character may be split between frames); RFC 3629 4 (the
//! ABNF of UTF-8: no surrogates, no overlong forms, nothing above U+10FFFF).
//! Never: replaces, repairs or stores text.
//! Invariant: fewer than four bytes are held, and some continuation of them is UTF-8.

use std::str;

/// The bytes are not UTF-8, whatever follows.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct InvalidUtf8;

/// All of `bytes` as text.
///
/// # Errors
/// When they are not UTF-8.
#[inline]
pub fn validate(bytes: &[u8]) -> Result<&str, InvalidUtf8> {
    simdutf8::basic::from_utf8(bytes).map_err(|_| InvalidUtf8)
}

/// Validates text piece by piece.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Utf8Validator {
    held: [u8; 3],
    held_len: u8,
}

impl Utf8Validator {
    /// Takes the next piece.
    ///
    /// # Errors
    /// As soon as a byte is there that cannot be part of UTF-8.
    pub fn push(&mut self, piece: &[u8]) -> Result<(), InvalidUtf8> {
        let rest = self.complete(piece)?;
        let whole = rest.len() - cut_character(rest).len();
        validate(&rest[..whole])?;
        self.hold(&rest[whole..])
    }

    /// The end of the text.
    ///
    /// # Errors
    /// When its last character is not whole.
    pub fn finish(&mut self) -> Result<(), InvalidUtf8> {
        if self.held_len == 0 { Ok(()) } else { Err(InvalidUtf8) }
    }

    /// Completes the character that is held, as far as `piece` goes; what is behind it is the rest.
    fn complete<'a>(&mut self, piece: &'a [u8]) -> Result<&'a [u8], InvalidUtf8> {
        let mut rest = piece;
        while self.held_len > 0 {
            let Some((&byte, behind)) = rest.split_first() else { break };
            let len = usize::from(self.held_len);
            let mut character = [0; 4];
            character[..len].copy_from_slice(&self.held[..len]);
            character[len] = byte;
            self.held_len = 0;
            self.hold(&character[..=len])?;
            rest = behind;
        }
        Ok(rest)
    }

    /// Holds the beginning of a character; one that is whole needs not be held.
    fn hold(&mut self, beginning: &[u8]) -> Result<(), InvalidUtf8> {
        match str::from_utf8(beginning) {
            Ok(_) => Ok(()),
            // No error length: the end came too early, and nothing before it is wrong.
            Err(error) if error.error_len().is_none() => {
                self.held[..beginning.len()].copy_from_slice(beginning);
                self.held_len = beginning.len() as u8;
                Ok(())
            }
            Err(_) => Err(InvalidUtf8),
        }
    }
}

/// The bytes at the end of `bytes` that may be a character which goes on behind them: none, or one to three.
fn cut_character(bytes: &[u8]) -> &[u8] {
    for len in 1..=bytes.len().min(3) {
        let at = bytes.len() - len;
        match bytes[at] {
            0x80..=0xbf => {}
            // RFC 3629 3: a lead byte says how long its character is.
            0xc0..=0xdf if len < 2 => return &bytes[at..],
            0xe0..=0xef if len < 3 => return &bytes[at..],
            0xf0..=0xff => return &bytes[at..],
            _ => break,
        }
    }
    &[]
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Texts and bytes that are no text, with the length of what may still become text.
    const CASES: &[(&[u8], Option<usize>)] = &[
        (b"", None),
        (b"plain", None),
        ("κόσμε".as_bytes(), None),
        ("\u{0}\u{7f}\u{80}\u{7ff}\u{800}\u{ffff}\u{10000}\u{10ffff}".as_bytes(), None),
        ("\u{d7ff}\u{e000}\u{fffd}".as_bytes(), None),
        (b"\xef\xbb\xbfmark", None),
        // Continuation bytes where none belongs.
        (b"\x80", Some(0)),
        (b"a\xbf", Some(1)),
        (b"\xc3\xa9\xa9", Some(2)),
        // Lead bytes that no character has.
        (b"\xc0\x80", Some(0)),
        (b"\xc1\xbf", Some(0)),
        (b"\xf5\x80\x80\x80", Some(0)),
        (b"\xf8\x88\x80\x80\x80", Some(0)),
        (b"\xfe", Some(0)),
        (b"\xff", Some(0)),
        // Overlong forms.
        (b"\xe0\x80\xaf", Some(1)),
        (b"\xe0\x9f\xbf", Some(1)),
        (b"\xf0\x80\x80\xaf", Some(1)),
        (b"\xf0\x8f\xbf\xbf", Some(1)),
        // Surrogates.
        (b"\xed\xa0\x80", Some(1)),
        (b"\xed\xbf\xbf", Some(1)),
        (b"\xed\xa0\x80\xed\xb0\x80", Some(1)),
        // Above U+10FFFF.
        (b"\xf4\x90\x80\x80", Some(1)),
        // Characters that break off.
        (b"\xc3a", Some(1)),
        (b"\xe2\x82a", Some(2)),
        (b"\xf0\x9f\x98a", Some(3)),
        (b"\xe2\x82\xe2\x82\xac", Some(2)),
        // RFC 3629 and Autobahn's: text, a surrogate, text.
        (b"\xce\xba\xe1\xbd\xb9\xcf\x83\xce\xbc\xce\xb5\xed\xa0\x80edited", Some(12)),
    ];

    #[test]
    fn the_first_impossible_byte_is_refused_however_the_text_is_cut() {
        for &(bytes, impossible) in CASES {
            assert_eq!(validate(bytes).is_err(), impossible.is_some(), "{bytes:x?}");
            assert_eq!(refused_at(bytes), impossible, "{bytes:x?}");
            for first in 0..=bytes.len() {
                for second in first..=bytes.len() {
                    let mut validator = Utf8Validator::default();
                    let pieces = [&bytes[..first], &bytes[first..second], &bytes[second..]];
                    let result = pieces.iter().try_for_each(|piece| validator.push(piece));
                    assert_eq!(result.and_then(|()| validator.finish()).is_err(), impossible.is_some(), "{pieces:x?}");
                }
            }
        }
    }

    /// The byte that is refused when they come one by one.
    fn refused_at(bytes: &[u8]) -> Option<usize> {
        let mut validator = Utf8Validator::default();
        bytes.iter().position(|&byte| validator.push(&[byte]).is_err())
    }

    #[test]
    fn text_must_not_end_inside_of_a_character() {
        for bytes in [&b"\xc3"[..], b"a\xe2\x82", b"\xf0\x9f\x98", b"\xf4\x8f\xbf"] {
            let mut validator = Utf8Validator::default();
            assert_eq!(validator.push(bytes), Ok(()));
            assert_eq!(validator.finish(), Err(InvalidUtf8), "{bytes:x?}");
        }
    }

    #[test]
    fn it_agrees_with_the_standard_library_on_all_short_sequences() {
        // A first byte of each kind, then any three of those at the edges of what may follow.
        let edges = [0x00, 0x7f, 0x80, 0x8f, 0x90, 0x9f, 0xa0, 0xbf, 0xc0, 0xc2, 0xe0, 0xed, 0xf0, 0xf4, 0xff];
        for first in 0..=255u8 {
            for (a, b, c) in itertools(&edges) {
                let bytes = [first, a, b, c];
                let expected = str::from_utf8(&bytes)
                    .err()
                    .and_then(|error| error.error_len().map(|len| error.valid_up_to() + len));
                let refused = refused_at(&bytes);
                assert_eq!(refused.is_some(), expected.is_some(), "{bytes:x?}");
                assert!(refused <= expected, "{bytes:x?}");
            }
        }
    }

    fn itertools(edges: &[u8]) -> impl Iterator<Item = (u8, u8, u8)> {
        edges.iter().flat_map(move |&a| edges.iter().flat_map(move |&b| edges.iter().map(move |&c| (a, b, c))))
    }
}
