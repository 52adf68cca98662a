//! Owns masking: every byte of a payload xor a byte of a key of four.
//!
//! The one idea: the key, repeated, is a pattern as wide as a vector register, so that the compiler makes vector code
//! of a plain loop. Masking and unmasking are the same.
//!
//! ```text
//!   payload  H  e  l  l  o
//!   key      37 fa 21 3d 37 fa …      ▶  7f 9f 4d 51 58
//! ```
//!
//! Spec: RFC 6455 5.3.
//! Never: chooses a key; that needs entropy, and so the driver.

/// Bytes that are masked at once: two registers of AVX, four of SSE2 or NEON.
const WIDTH: usize = 64;

/// Bytes that [`extend`] copies before it masks them: few enough to be still in the first-level cache.
const COPIED: usize = 8 * 1024;

/// Masks `bytes`, or unmasks them. `offset` is the place of the first of them in the payload.
#[inline]
pub fn apply(bytes: &mut [u8], key: [u8; 4], offset: usize) {
    let key = rotated(key, offset);
    let word = u32::from_ne_bytes(key);
    let (wide, rest) = bytes.as_chunks_mut::<WIDTH>();
    let pattern = [word; WIDTH / 4];
    for chunk in wide {
        let (words, _) = chunk.as_chunks_mut::<4>();
        for (bytes, word) in words.iter_mut().zip(pattern) {
            *bytes = (u32::from_ne_bytes(*bytes) ^ word).to_ne_bytes();
        }
    }
    // What is left begins at a multiple of four, so the key is where it was.
    let (words, rest) = rest.as_chunks_mut::<4>();
    for bytes in words {
        *bytes = (u32::from_ne_bytes(*bytes) ^ word).to_ne_bytes();
    }
    for (byte, key) in rest.iter_mut().zip(key) {
        *byte ^= key;
    }
}

/// Appends `bytes` masked, or unmasked, to `into`.
pub fn extend(into: &mut Vec<u8>, bytes: &[u8], key: [u8; 4], offset: usize) {
    into.reserve(bytes.len());
    let mut at = offset;
    for piece in bytes.chunks(COPIED) {
        let start = into.len();
        into.extend_from_slice(piece);
        apply(&mut into[start..], key, at);
        at = at.wrapping_add(piece.len());
    }
}

/// The key as it is at `offset` (RFC 6455 5.3: octet i goes with octet i modulo 4).
#[inline]
fn rotated(mut key: [u8; 4], offset: usize) -> [u8; 4] {
    key.rotate_left(offset % 4);
    key
}

#[cfg(test)]
mod tests {
    use super::*;

    /// RFC 6455 5.3, as it is written there.
    fn plain(bytes: &[u8], key: [u8; 4], offset: usize) -> Vec<u8> {
        bytes.iter().enumerate().map(|(i, byte)| byte ^ key[(i + offset) % 4]).collect()
    }

    #[test]
    fn the_example_of_the_specification() {
        let mut hello = *b"Hello";
        apply(&mut hello, [0x37, 0xfa, 0x21, 0x3d], 0);
        assert_eq!(hello, [0x7f, 0x9f, 0x4d, 0x51, 0x58]);
    }

    #[test]
    fn every_length_offset_and_alignment_is_as_written() {
        let key = [0x01, 0x82, 0x43, 0xf4];
        let bytes: Vec<u8> = (0..3 * WIDTH + 8).map(|i| (i * 37) as u8).collect();
        for start in 0..8 {
            for end in start..bytes.len() {
                for offset in [0, 1, 2, 3, 4, 1021, usize::MAX] {
                    // The modulus is all that counts of an offset, also where the next one would not fit.
                    let expected = plain(&bytes[start..end], key, offset % 4);
                    let mut masked = bytes.clone();
                    apply(&mut masked[start..end], key, offset);
                    assert_eq!(masked[start..end], expected, "{start}..{end} at {offset}");
                    assert_eq!((&masked[..start], &masked[end..]), (&bytes[..start], &bytes[end..]), "bytes beside");
                }
            }
        }
    }

    #[test]
    fn extending_masks_what_is_added_and_nothing_else() {
        let key = [9, 8, 7, 6];
        let bytes: Vec<u8> = (0..COPIED * 2 + 77).map(|i| (i * 31) as u8).collect();
        for len in [0, 1, 3, 63, 64, 65, 1000, COPIED - 1, COPIED, COPIED + 1, bytes.len()] {
            for offset in 0..4 {
                let mut into = b"before".to_vec();
                extend(&mut into, &bytes[..len], key, offset);
                assert_eq!(into, [b"before", &plain(&bytes[..len], key, offset)[..]].concat(), "{len} at {offset}");
            }
        }
    }
}
