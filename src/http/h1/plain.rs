//! Owns the quick look: how far a path or a host goes that its byte class alone makes right.
//!
//! The one idea: nearly every path and host is letters, digits and a little punctuation. Over those, sixteen bytes are
//! passed at once; the rules that need more than a class begin at the first byte that is anything else.
//!
//! ```text
//!   GET /users/42?x=%20 HTTP/1.1            Host: 127.0.0.1:8080
//!       ─────────^ '?' ends the path              ─────────^ ':' begins the port
//! ```
//!
//! A block is marked byte by byte, without an early exit: the compiler makes vector instructions of it, and the first
//! mark is found by counting zeros. Asking a table about each byte cost 60 instructions more for a path of ten bytes
//! (`cargo run --release -p firstbyte-benches --bin instructions`).
//!
//! Spec: RFC 3986 3.2.2 (`reg-name`, `IPv4address`), 3.3 (`pchar`).
//! Never: judges a byte: what is not plain may be right, and its caller's rules say so.
//! Invariant: what is plain for a path is `pchar` or `/`, no `%` and no dot; what is plain for a host is `reg-name`, no `%`.

/// Where the plain bytes of a path end that lie in `bytes` from `from` on.
#[inline]
pub(crate) fn path_end(bytes: &[u8], from: usize) -> usize {
    // The third range holds the slash, the digits, ':' and ';'.
    plain_end(bytes, from, |byte| is_letter(byte) | (byte == b'-') | (byte == b'_') | matches!(byte, b'/'..=b';'))
}

/// Where the plain bytes of a host end that lie in `bytes` from `from` on.
#[inline]
pub(crate) fn host_end(bytes: &[u8], from: usize) -> usize {
    plain_end(bytes, from, |byte| is_letter(byte) | matches!(byte, b'-' | b'.') | byte.is_ascii_digit())
}

#[inline(always)]
const fn is_letter(byte: u8) -> bool {
    (byte | 0x20).is_ascii_lowercase()
}

/// The first byte from `from` on that is not plain, or the length of `bytes`, which `from` does not exceed.
#[inline(always)]
fn plain_end(bytes: &[u8], from: usize, is_plain: impl Fn(u8) -> bool) -> usize {
    let mut at = from;
    while let Some(block) = bytes.get(at..).and_then(|rest| rest.first_chunk::<16>()) {
        let others = u128::from_le_bytes(block.map(|byte| if is_plain(byte) { 0 } else { 0xff }));
        if others != 0 {
            return at + others.trailing_zeros() as usize / 8;
        }
        at += 16;
    }
    let tail = bytes.get(at..).unwrap_or_default();
    at + tail.iter().position(|&byte| !is_plain(byte)).unwrap_or(tail.len())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::http::h1::grammar;

    type End = fn(&[u8], usize) -> usize;
    type Member = fn(u8) -> bool;

    const ENDS: [(End, Member, &str); 2] =
        [(path_end, grammar::is_path, "-_/:;"), (host_end, grammar::is_reg_name, "-.")];

    /// Whether `byte` is plain where `punctuation` is.
    fn is_plain(byte: u8, punctuation: &str) -> bool {
        byte.is_ascii_alphanumeric() || punctuation.bytes().any(|plain| plain == byte)
    }

    #[test]
    fn what_is_plain_is_in_the_class_of_its_rule() {
        for (end, member, punctuation) in ENDS {
            for byte in 0..=u8::MAX {
                let plain = is_plain(byte, punctuation);
                assert!(!plain || member(byte) && byte != b'%');
                for bytes in [[byte; 1].as_slice(), &[byte; 16]] {
                    assert_eq!(end(bytes, 0), if plain { bytes.len() } else { 0 }, "{byte:#x}");
                }
            }
        }
    }

    #[test]
    fn the_end_is_found_at_every_place() {
        for (end, _, punctuation) in ENDS {
            for len in 0..50 {
                for from in 0..=len {
                    let mut bytes = vec![b'a'; len];
                    assert_eq!(end(&bytes, from), len);
                    for other in from..len {
                        assert!(!is_plain(b'%', punctuation));
                        bytes[other] = b'%';
                        assert_eq!(end(&bytes, from), other, "{bytes:?} from {from}");
                        bytes[other] = b'a';
                    }
                }
            }
        }
    }
}
