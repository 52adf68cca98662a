//! Judges tokens and key sets: arbitrary bytes are no token of ours, whatever our key signs is taken for what it says
//! or refused, and what is taken has one spelling.
//!
//! ```text
//!   bytes ── as they are ──> a token?    never: nobody has signed it
//!         ── header, claims, signed ──> Claims ──> printed and parsed again: the same; a letter changed: refused
//!         ── as a key set ──> Jwks ──> printed and parsed again: the same
//! ```

use std::sync::LazyLock;

use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use firstbyte::crypto::PrivateKey;
use firstbyte::jwt::{Algorithm, Claims, Expected, JWKS_KEYS_MAX, Jwks, SigningKey, VerifyingKey, verify};

use super::draw::Draw;

/// The secret of the judge, under a name that stands in the corpus.
const SECRET: &[u8] = b"a secret of thirty-two bytes, say";

/// Who is taken: the words of the corpus.
const EXPECTED: Expected<'_> = Expected { issuer: "i", audience: "a", now: 1_000, leeway: 5 };

static KEYS: LazyLock<Vec<VerifyingKey>> = LazyLock::new(|| {
    let secret = SigningKey::from_pkcs8(Algorithm::HS256, SECRET).unwrap();
    let others = [Algorithm::ES256, Algorithm::EdDSA].map(|algorithm| SigningKey::generate(algorithm).unwrap());
    others.iter().chain([&secret]).map(SigningKey::verifying).collect()
});

/// Whether a token was taken that these bytes made, and how many keys there were in the set that they are.
pub fn judge(input: &[u8]) -> (bool, usize) {
    if let Ok(text) = std::str::from_utf8(input) {
        assert!(verify(text, &*KEYS, &EXPECTED).is_err(), "nobody has signed it");
    }
    (judge_signed(input), judge_set(input))
}

fn judge_signed(input: &[u8]) -> bool {
    let cut = input.iter().position(|&byte| byte == b'\n').unwrap_or(input.len());
    let (header, payload) = (&input[..cut], input.get(cut + 1..).unwrap_or_default());
    // What stands for the name of the key becomes it.
    let header = String::from_utf8_lossy(header).replace("KID", KEYS[2].kid());
    if let Ok(claims) = Claims::parse(payload) {
        assert_eq!(Claims::parse(&claims.to_json()).as_ref(), Ok(&claims), "claims change when they are printed");
    }
    let signed = format!("{}.{}", URL_SAFE_NO_PAD.encode(&header), URL_SAFE_NO_PAD.encode(payload));
    let key = PrivateKey::from_pkcs8(Algorithm::HS256, SECRET).unwrap();
    let token = format!("{signed}.{}", URL_SAFE_NO_PAD.encode(key.sign(signed.as_bytes())));
    let Ok(claims) = verify(&token, &*KEYS, &EXPECTED) else { return false };
    assert_eq!(claims.iss, "i");
    assert!(claims.aud.iter().any(|audience| audience == "a"));
    assert!(claims.exp + 5 > 1_000 && claims.nbf <= 1_005 && claims.iat <= 1_005);
    let at = Draw::of(input).next(token.len());
    for letter in ["A", "_", "=", ".", " ", "\0"] {
        let changed = format!("{}{letter}{}", &token[..at], &token[at + 1..]);
        assert!(changed == token || verify(&changed, &*KEYS, &EXPECTED).is_err(), "two spellings: {changed}");
    }
    true
}

fn judge_set(input: &[u8]) -> usize {
    let Ok(set) = Jwks::parse(input) else { return 0 };
    assert!(set.keys().len() <= JWKS_KEYS_MAX);
    let printed = set.to_json();
    let again = Jwks::parse(printed.as_bytes()).unwrap_or_else(|error| panic!("{error}: {printed}"));
    assert_eq!(again.to_json(), printed);
    assert!(set.keys().iter().all(|key| key.algorithm() != Algorithm::HS256), "a secret is published");
    set.keys().len()
}
