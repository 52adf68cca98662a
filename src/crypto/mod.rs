//! Owns cryptography: the few things that the rest asks for, on the crate `ring`, which is named nowhere else.
//!
//! The one idea: what cannot be got wrong by its caller. Random values come from the system and from nowhere else, values that
//! are compared in secret are compared in constant time, a [`Token`] is only ever kept as its [`TokenHash`], and a key signs or
//! verifies with the algorithm that it was made for.
//!
//! Spec: FIPS 180-4 (SHA-256), RFC 2104 (HMAC), RFC 7518 3 and RFC 8032 (signatures).
//! Never: invents anything; falls back to anything weaker.

mod signature;
mod token;

pub use signature::{Algorithm, KeyError, PrivateKey, PublicKey, PublicParts, RSA_BITS, SECRET_BYTES};
pub use token::{NoToken, TOKEN_CHARS, Token, TokenHash};

use ring::rand::{SecureRandom, SystemRandom};
use ring::{digest, hmac};

/// Bytes that nobody can foresee.
///
/// # Panics
/// When the system has none, which it can lack only before it has started up.
pub fn random<const N: usize>() -> [u8; N] {
    let mut bytes = [0; N];
    SystemRandom::new().fill(&mut bytes).expect("the system has random bytes");
    bytes
}

/// SHA-256.
pub fn sha256(bytes: &[u8]) -> [u8; 32] {
    let mut hash = [0; 32];
    hash.copy_from_slice(digest::digest(&digest::SHA256, bytes).as_ref());
    hash
}

/// HMAC-SHA256.
pub fn hmac_sha256(key: &[u8], bytes: &[u8]) -> [u8; 32] {
    let mut tag = [0; 32];
    tag.copy_from_slice(hmac::sign(&hmac::Key::new(hmac::HMAC_SHA256, key), bytes).as_ref());
    tag
}

/// Whether two secrets are the same. How long it takes tells their lengths, and nothing else about them.
pub fn is_same(one: &[u8], other: &[u8]) -> bool {
    // Tags under a key that is used once: an early difference of the secrets is none of the tags.
    let key = hmac::Key::new(hmac::HMAC_SHA256, &random::<32>());
    hmac::verify(&key, one, hmac::sign(&key, other).as_ref()).is_ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn hex(bytes: &[u8]) -> String {
        bytes.iter().map(|byte| format!("{byte:02x}")).collect()
    }

    #[test]
    fn digests_are_those_of_the_standards() {
        // FIPS 180-4, example of one block.
        assert_eq!(hex(&sha256(b"abc")), "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad");
        // RFC 4231 4.3, test case 2.
        let tag = "5bdcc146bf60754e6a042426089575c75a003f089d2739839dec58b964ec3843";
        assert_eq!(hex(&hmac_sha256(b"Jefe", b"what do ya want for nothing?")), tag);
    }

    #[test]
    fn secrets_are_compared_whole() {
        assert!(is_same(b"", b"") && is_same(b"secret", b"secret"));
        for other in [&b""[..], b"secre", b"Secret", b"secrets", b"secret\0"] {
            assert!(!is_same(b"secret", other), "{other:?}");
        }
    }

    #[test]
    fn random_bytes_do_not_come_again() {
        assert_ne!(random::<32>(), random::<32>());
    }
}
