//! Owns signatures: keys that sign and keys that verify, each bound to the one algorithm that it was made for.
//!
//! ```text
//!   PrivateKey ──sign(message)──> signature ──> PublicKey::is_signed(message, signature)
//!       └───────── public() ──────────────────────^   └ parts() ──> the raw numbers, for whoever publishes the key
//! ```
//!
//! The one idea: there is no call that takes a key and an algorithm. Whoever could choose the algorithm at the call
//! could have a public key taken for the secret of an HMAC, which is how most libraries for tokens were once broken.
//!
//! Spec: RFC 7518 3.2 (HMAC: no key shorter than its hash), 3.3 (RSA: 2048 bits and more), 3.4 (ECDSA: two numbers of
//! fixed length, no DER), RFC 8032 5.1 (Ed25519), RFC 5208 (PKCS#8), RFC 7468 10 (its PEM).
//! Never: shows a private key or a secret by `Debug`; takes a point that is not on P-256, or one of Ed25519 that whoever likes
//! can sign for. That 32 bytes are no point of Ed25519 at all is seen at the signature, which none is then.
//! Limits: RSA keys that verify have [`RSA_BITS`] bits, those that sign at most 4096.

use std::fmt;
use std::ops::RangeInclusive;

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use ring::rand::SystemRandom;
use ring::signature::{
    ECDSA_P256_SHA256_FIXED, ECDSA_P256_SHA256_FIXED_SIGNING, ED25519, EcdsaKeyPair, Ed25519KeyPair, KeyPair,
    RSA_PKCS1_2048_8192_SHA256, RSA_PKCS1_SHA256, RsaKeyPair, RsaPublicKeyComponents, UnparsedPublicKey,
};
use ring::{agreement, hmac};

use crate::crypto::random;

/// Bits of an RSA key whose signatures are verified. Less can be factored; more makes verifying slow.
pub const RSA_BITS: RangeInclusive<usize> = 2048..=8192;

/// Bytes of a secret that authenticates by HMAC-SHA256.
pub const SECRET_BYTES: RangeInclusive<usize> = 32..=512;

/// y of the points of Ed25519 that are of order 1, 2, 4 or 8, in every spelling of less than 2^255: p is 2^255 - 19.
const SMALL_ORDER: [[u8; 32]; 7] = [
    little_endian(0x00, 0x00, 0x00),
    little_endian(0x01, 0x00, 0x00),
    [
        0x26, 0xe8, 0x95, 0x8f, 0xc2, 0xb2, 0x27, 0xb0, 0x45, 0xc3, 0xf4, 0x89, 0xf2, 0xef, 0x98, 0xf0, 0xd5, 0xdf,
        0xac, 0x05, 0xd3, 0xc6, 0x33, 0x39, 0xb1, 0x38, 0x02, 0x88, 0x6d, 0x53, 0xfc, 0x05,
    ],
    [
        0xc7, 0x17, 0x6a, 0x70, 0x3d, 0x4d, 0xd8, 0x4f, 0xba, 0x3c, 0x0b, 0x76, 0x0d, 0x10, 0x67, 0x0f, 0x2a, 0x20,
        0x53, 0xfa, 0x2c, 0x39, 0xcc, 0xc6, 0x4e, 0xc7, 0xfd, 0x77, 0x92, 0xac, 0x03, 0x7a,
    ],
    // p - 1, p, p + 1.
    little_endian(0xec, 0xff, 0x7f),
    little_endian(0xed, 0xff, 0x7f),
    little_endian(0xee, 0xff, 0x7f),
];

const fn little_endian(first: u8, between: u8, last: u8) -> [u8; 32] {
    let mut bytes = [between; 32];
    (bytes[0], bytes[31]) = (first, last);
    bytes
}

/// How something is signed; named as in RFC 7518 3.1 and RFC 8037 3.1.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Algorithm {
    /// HMAC with SHA-256: whoever can verify can sign.
    HS256,
    /// RSASSA-PKCS1-v1_5 with SHA-256.
    RS256,
    /// ECDSA on P-256 with SHA-256.
    ES256,
    /// Ed25519.
    EdDSA,
}

/// A key that signs.
pub struct PrivateKey {
    pair: Pair,
    bytes: Vec<u8>,
}

enum Pair {
    Secret(hmac::Key),
    Rsa(Box<RsaKeyPair>),
    P256(Box<EcdsaKeyPair>),
    Ed25519(Ed25519KeyPair),
}

/// A key that verifies. That of [`Algorithm::HS256`] is the secret itself.
#[derive(Clone)]
pub struct PublicKey(Public);

#[derive(Clone)]
enum Public {
    Secret(hmac::Key),
    Rsa(RsaPublicKeyComponents<Vec<u8>>),
    /// Uncompressed: 4, x, y (SEC 1 2.3.3).
    P256([u8; 65]),
    Ed25519([u8; 32]),
}

/// The numbers that a public key is made of, big-endian (Ed25519: as RFC 8032 5.1.2 has them).
#[derive(Clone, Debug, PartialEq, Eq)]
#[allow(missing_docs)]
pub enum PublicParts {
    Rsa { n: Vec<u8>, e: Vec<u8> },
    P256 { x: [u8; 32], y: [u8; 32] },
    Ed25519 { x: [u8; 32] },
}

/// Bytes are no key of the algorithm.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum KeyError {
    /// No private key in PKCS#8, or not one of this algorithm, or one that is too short.
    Private,
    /// No `PRIVATE KEY` in PEM.
    Pem,
    /// A secret that is shorter or longer than [`SECRET_BYTES`].
    Secret,
    /// An RSA modulus that is not odd, has leading zeros, or is shorter or longer than [`RSA_BITS`].
    Modulus,
    /// An RSA exponent that is even, below 3, has leading zeros or more than 32 bits.
    Exponent,
    /// A point that does not lie on the curve, or whose multiples are eight at most.
    Point,
    /// RSA keys are not generated here: `openssl genpkey -algorithm RSA` does it.
    NotGenerated,
}

impl Algorithm {
    /// Every one.
    pub const ALL: [Algorithm; 4] = [Algorithm::HS256, Algorithm::RS256, Algorithm::ES256, Algorithm::EdDSA];

    /// Its registered name.
    pub fn name(self) -> &'static str {
        match self {
            Algorithm::HS256 => "HS256",
            Algorithm::RS256 => "RS256",
            Algorithm::ES256 => "ES256",
            Algorithm::EdDSA => "EdDSA",
        }
    }

    /// The one of that name, which is spelled in one way only (RFC 7515 4.1.1).
    pub fn named(name: &str) -> Option<Algorithm> {
        Algorithm::ALL.into_iter().find(|algorithm| algorithm.name() == name)
    }
}

impl PrivateKey {
    /// A new key, from the random bytes of the system.
    ///
    /// # Errors
    /// [`KeyError::NotGenerated`] for [`Algorithm::RS256`].
    pub fn generate(algorithm: Algorithm) -> Result<PrivateKey, KeyError> {
        let random_bytes = SystemRandom::new();
        let bytes = match algorithm {
            Algorithm::HS256 => random::<32>().to_vec(),
            Algorithm::RS256 => return Err(KeyError::NotGenerated),
            Algorithm::ES256 => EcdsaKeyPair::generate_pkcs8(&ECDSA_P256_SHA256_FIXED_SIGNING, &random_bytes)
                .expect("the system has random bytes")
                .as_ref()
                .to_vec(),
            Algorithm::EdDSA => {
                Ed25519KeyPair::generate_pkcs8(&random_bytes).expect("the system has random bytes").as_ref().to_vec()
            }
        };
        PrivateKey::from_pkcs8(algorithm, &bytes)
    }

    /// The key of these bytes: PKCS#8 (RFC 5208) in DER, for [`Algorithm::HS256`] the secret itself.
    ///
    /// # Errors
    /// [`KeyError`], when they are none of `algorithm`.
    pub fn from_pkcs8(algorithm: Algorithm, bytes: &[u8]) -> Result<PrivateKey, KeyError> {
        let pair = match algorithm {
            Algorithm::HS256 => Pair::Secret(secret(bytes)?),
            Algorithm::RS256 => {
                let pair = RsaKeyPair::from_pkcs8(bytes).map_err(no_key)?;
                // What nobody would verify is not signed: a modulus may have a few bits too few here.
                let public: RsaPublicKeyComponents<Vec<u8>> = pair.public().into();
                rsa(&public.n, &public.e)?;
                Pair::Rsa(Box::new(pair))
            }
            Algorithm::ES256 => EcdsaKeyPair::from_pkcs8(&ECDSA_P256_SHA256_FIXED_SIGNING, bytes, &SystemRandom::new())
                .map(|pair| Pair::P256(Box::new(pair)))
                .map_err(no_key)?,
            // Most programs write Ed25519 keys without their public half (RFC 8410 7), which is then computed.
            Algorithm::EdDSA => Ed25519KeyPair::from_pkcs8_maybe_unchecked(bytes).map(Pair::Ed25519).map_err(no_key)?,
        };
        Ok(PrivateKey { pair, bytes: bytes.to_vec() })
    }

    /// The key in a PEM of type `PRIVATE KEY` (RFC 7468 10), as `openssl genpkey` writes it.
    ///
    /// # Errors
    /// [`KeyError`], when there is none of `algorithm`.
    pub fn from_pem(algorithm: Algorithm, pem: &str) -> Result<PrivateKey, KeyError> {
        let (_, rest) = pem.split_once("-----BEGIN PRIVATE KEY-----").ok_or(KeyError::Pem)?;
        let (lines, _) = rest.split_once("-----END PRIVATE KEY-----").ok_or(KeyError::Pem)?;
        let base64: String = lines.split_ascii_whitespace().collect();
        PrivateKey::from_pkcs8(algorithm, &STANDARD.decode(base64).map_err(|_| KeyError::Pem)?)
    }

    /// Its bytes, for a store: what [`from_pkcs8`](PrivateKey::from_pkcs8) takes.
    pub fn to_pkcs8(&self) -> &[u8] {
        &self.bytes
    }

    /// What it signs with.
    pub fn algorithm(&self) -> Algorithm {
        match self.pair {
            Pair::Secret(_) => Algorithm::HS256,
            Pair::Rsa(_) => Algorithm::RS256,
            Pair::P256(_) => Algorithm::ES256,
            Pair::Ed25519(_) => Algorithm::EdDSA,
        }
    }

    /// The signature of `message`.
    ///
    /// # Panics
    /// When the system has no random bytes, or computes an RSA signature wrong.
    pub fn sign(&self, message: &[u8]) -> Vec<u8> {
        match &self.pair {
            Pair::Secret(key) => hmac::sign(key, message).as_ref().to_vec(),
            Pair::Rsa(pair) => {
                let mut signature = vec![0; pair.public().modulus_len()];
                let signed = pair.sign(&RSA_PKCS1_SHA256, &SystemRandom::new(), message, &mut signature);
                signed.expect("a key that was accepted signs");
                signature
            }
            Pair::P256(pair) => {
                let signed = pair.sign(&SystemRandom::new(), message);
                signed.expect("a key that was accepted signs").as_ref().to_vec()
            }
            Pair::Ed25519(pair) => pair.sign(message).as_ref().to_vec(),
        }
    }

    /// The key that verifies what this one signs.
    pub fn public(&self) -> PublicKey {
        PublicKey(match &self.pair {
            Pair::Secret(key) => Public::Secret(key.clone()),
            Pair::Rsa(pair) => Public::Rsa(pair.public().into()),
            Pair::P256(pair) => Public::P256(sized(pair.public_key().as_ref())),
            Pair::Ed25519(pair) => Public::Ed25519(sized(pair.public_key().as_ref())),
        })
    }
}

impl PublicKey {
    /// The key of these numbers.
    ///
    /// # Errors
    /// [`KeyError`], when they make none that may be relied on.
    pub fn from_parts(parts: &PublicParts) -> Result<PublicKey, KeyError> {
        Ok(PublicKey(match parts {
            PublicParts::Rsa { n, e } => Public::Rsa(rsa(n, e)?),
            PublicParts::P256 { x, y } => Public::P256(point(x, y)?),
            PublicParts::Ed25519 { x } if is_of_small_order(x) => return Err(KeyError::Point),
            PublicParts::Ed25519 { x } => Public::Ed25519(*x),
        }))
    }

    /// The secret that is shared with whoever signs by [`Algorithm::HS256`].
    ///
    /// # Errors
    /// [`KeyError::Secret`].
    pub fn of_secret(bytes: &[u8]) -> Result<PublicKey, KeyError> {
        Ok(PublicKey(Public::Secret(secret(bytes)?)))
    }

    /// Its numbers; none of a secret.
    pub fn parts(&self) -> Option<PublicParts> {
        match &self.0 {
            Public::Secret(_) => None,
            Public::Rsa(key) => Some(PublicParts::Rsa { n: key.n.clone(), e: key.e.clone() }),
            Public::P256(point) => Some(PublicParts::P256 { x: sized(&point[1..33]), y: sized(&point[33..]) }),
            Public::Ed25519(x) => Some(PublicParts::Ed25519 { x: *x }),
        }
    }

    /// What it verifies.
    pub fn algorithm(&self) -> Algorithm {
        match self.0 {
            Public::Secret(_) => Algorithm::HS256,
            Public::Rsa(_) => Algorithm::RS256,
            Public::P256(_) => Algorithm::ES256,
            Public::Ed25519(_) => Algorithm::EdDSA,
        }
    }

    /// Bytes of every signature of its.
    pub fn signature_bytes(&self) -> usize {
        match &self.0 {
            Public::Secret(_) => 32,
            Public::Rsa(key) => key.n.len(),
            Public::P256(_) | Public::Ed25519(_) => 64,
        }
    }

    /// Whether `signature` is of `message` by the other half of this key.
    pub fn is_signed(&self, message: &[u8], signature: &[u8]) -> bool {
        // Of another length it cannot be one: so much is known without any arithmetic.
        if signature.len() != self.signature_bytes() {
            return false;
        }
        let verified = match &self.0 {
            Public::Secret(key) => hmac::verify(key, message, signature),
            Public::Rsa(key) => key.verify(&RSA_PKCS1_2048_8192_SHA256, message, signature),
            Public::P256(point) => UnparsedPublicKey::new(&ECDSA_P256_SHA256_FIXED, point).verify(message, signature),
            Public::Ed25519(x) => UnparsedPublicKey::new(&ED25519, x).verify(message, signature),
        };
        verified.is_ok()
    }
}

/// RFC 7518 3.2: a key of the size of the hash output or larger MUST be used.
fn secret(bytes: &[u8]) -> Result<hmac::Key, KeyError> {
    let fits = SECRET_BYTES.contains(&bytes.len());
    fits.then(|| hmac::Key::new(hmac::HMAC_SHA256, bytes)).ok_or(KeyError::Secret)
}

/// RFC 7518 3.3: 2048 bits or larger. Leading zeros are refused, so that a key has one spelling (RFC 7518 6.3.1.1).
fn rsa(n: &[u8], e: &[u8]) -> Result<RsaPublicKeyComponents<Vec<u8>>, KeyError> {
    let is_odd = |number: &[u8]| number.last().is_some_and(|last| last % 2 == 1);
    let leading = |number: &[u8]| number.first().map_or(8, |first| first.leading_zeros() as usize);
    let bits = (n.len() * 8).saturating_sub(leading(n));
    if !RSA_BITS.contains(&bits) || leading(n) > 7 || !is_odd(n) {
        return Err(KeyError::Modulus);
    }
    if leading(e) > 7 || e.len() > 4 || !is_odd(e) || e == [1] {
        return Err(KeyError::Exponent);
    }
    Ok(RsaPublicKeyComponents { n: n.to_vec(), e: e.to_vec() })
}

/// RFC 7518 6.2.2 has x and y. That they lie on the curve is seen by an agreement, which begins with that check.
fn point(x: &[u8; 32], y: &[u8; 32]) -> Result<[u8; 65], KeyError> {
    let mut point = [4; 65];
    point[1..33].copy_from_slice(x);
    point[33..].copy_from_slice(y);
    let mine = agreement::EphemeralPrivateKey::generate(&agreement::ECDH_P256, &SystemRandom::new());
    let theirs = agreement::UnparsedPublicKey::new(&agreement::ECDH_P256, &point);
    mine.and_then(|mine| agreement::agree_ephemeral(mine, &theirs, |_| ())).map_err(|_| KeyError::Point)?;
    Ok(point)
}

/// Whether the multiples of a point of Ed25519 are eight at most (RFC 8032 5.1 has the cofactor): signatures that hold for it
/// are found without any key. An encoding is y, little-endian, with the sign of x in its highest bit.
fn is_of_small_order(encoded: &[u8; 32]) -> bool {
    let mut y = *encoded;
    y[31] &= 0x7f;
    SMALL_ORDER.contains(&y)
}

fn no_key(_: ring::error::KeyRejected) -> KeyError {
    KeyError::Private
}

fn sized<const N: usize>(bytes: &[u8]) -> [u8; N] {
    bytes.try_into().expect("keys of a curve have one length")
}

impl fmt::Display for Algorithm {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

impl fmt::Debug for PrivateKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "PrivateKey({}, ***)", self.algorithm())
    }
}

impl fmt::Debug for PublicKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "PublicKey({})", self.algorithm())
    }
}

impl fmt::Display for KeyError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            KeyError::Private => "this is no private key of the algorithm in PKCS#8, or one that is too short",
            KeyError::Pem => "there is no PEM of type PRIVATE KEY",
            KeyError::Secret => "a secret has 32 to 512 bytes",
            KeyError::Modulus => "an RSA modulus is odd, has 2048 to 8192 bits and no leading zeros",
            KeyError::Exponent => "an RSA exponent is odd, 3 or more, and has at most 32 bits",
            KeyError::Point => "the point does not lie on P-256, or is one of Ed25519 that anybody can sign for",
            KeyError::NotGenerated => "RSA keys are not generated here: openssl genpkey -algorithm RSA does it",
        })
    }
}

impl std::error::Error for KeyError {}

#[cfg(test)]
mod tests;
