//! Owns keys with a name: the ones that sign tokens, the ones that verify them, and how a token finds its own.
//!
//! The one idea: a key's name is computed from the key, so that two nodes that share a key call it the same, and a name
//! cannot come to mean another key.
//!
//! Spec: RFC 7515 4.1.4 (`kid`), RFC 7638 3 (thumbprints), RFC 8037 2.
//! Never: the thumbprint of a secret (RFC 7638 7: it could be guessed from it): its name is a tag under the secret.

use std::fmt;

use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;

use crate::crypto::{Algorithm, KeyError, PrivateKey, PublicKey, PublicParts, sha256};
use crate::jwt::{Claims, jws};

/// Most characters of a key's name.
pub const KID_CHARS_MAX: usize = 128;

/// Where a token's key is looked up.
pub trait Keys {
    /// The key called `kid`.
    fn key(&self, kid: &str) -> Option<&VerifyingKey>;
}

/// A key that signs tokens.
#[derive(Debug)]
pub struct SigningKey {
    kid: String,
    key: PrivateKey,
}

/// A key that verifies tokens. That of [`Algorithm::HS256`] can sign as well, and is never shown to anyone.
#[derive(Clone, Debug)]
pub struct VerifyingKey {
    kid: String,
    key: PublicKey,
}

impl SigningKey {
    /// A new key.
    ///
    /// # Errors
    /// [`KeyError::NotGenerated`] for [`Algorithm::RS256`].
    pub fn generate(algorithm: Algorithm) -> Result<SigningKey, KeyError> {
        PrivateKey::generate(algorithm).map(SigningKey::of)
    }

    /// The key of these bytes, as [`to_pkcs8`](SigningKey::to_pkcs8) gives them or as PKCS#8 in DER; a secret as it is.
    ///
    /// # Errors
    /// [`KeyError`], when they are none of `algorithm`.
    pub fn from_pkcs8(algorithm: Algorithm, bytes: &[u8]) -> Result<SigningKey, KeyError> {
        PrivateKey::from_pkcs8(algorithm, bytes).map(SigningKey::of)
    }

    /// The key in a PEM of type `PRIVATE KEY`, as `openssl genpkey` writes it.
    ///
    /// # Errors
    /// [`KeyError`], when there is none of `algorithm`.
    pub fn from_pem(algorithm: Algorithm, pem: &str) -> Result<SigningKey, KeyError> {
        PrivateKey::from_pem(algorithm, pem).map(SigningKey::of)
    }

    fn of(key: PrivateKey) -> SigningKey {
        SigningKey { kid: name_of(&key), key }
    }

    /// Its bytes, for a store: PKCS#8, of [`Algorithm::HS256`] the secret. Whoever has them can sign.
    pub fn to_pkcs8(&self) -> &[u8] {
        self.key.to_pkcs8()
    }

    /// Its name.
    pub fn kid(&self) -> &str {
        &self.kid
    }

    /// What it signs with.
    pub fn algorithm(&self) -> Algorithm {
        self.key.algorithm()
    }

    /// The key that verifies what this one signs.
    pub fn verifying(&self) -> VerifyingKey {
        VerifyingKey { kid: self.kid.clone(), key: self.key.public() }
    }

    /// An access token that says `claims` (RFC 9068 2).
    pub fn sign(&self, claims: &Claims) -> String {
        let header = format!(r#"{{"typ":"at+jwt","alg":"{}","kid":"{}"}}"#, self.algorithm(), self.kid);
        jws::sign(self, &header, &claims.to_json())
    }

    /// The signature of anything.
    pub(super) fn sign_bytes(&self, bytes: &[u8]) -> Vec<u8> {
        self.key.sign(bytes)
    }
}

impl VerifyingKey {
    /// The key of that name.
    ///
    /// # Panics
    /// When `kid` could not stand in a header: 1 to [`KID_CHARS_MAX`] visible characters without quotes and
    /// backslashes.
    pub fn new(kid: &str, key: PublicKey) -> VerifyingKey {
        assert!(is_kid(kid), "{kid:?} is no name of a key");
        VerifyingKey { kid: kid.to_owned(), key }
    }

    /// Its name.
    pub fn kid(&self) -> &str {
        &self.kid
    }

    /// What it verifies.
    pub fn algorithm(&self) -> Algorithm {
        self.key.algorithm()
    }

    /// Its public half, by itself. [`Algorithm::HS256`] has none.
    pub fn parts(&self) -> Option<PublicParts> {
        self.key.parts()
    }

    /// Whether `signature` is of `bytes`.
    pub(super) fn is_signed(&self, bytes: &[u8], signature: &[u8]) -> bool {
        self.key.is_signed(bytes, signature)
    }
}

impl Keys for VerifyingKey {
    fn key(&self, kid: &str) -> Option<&VerifyingKey> {
        (self.kid == kid).then_some(self)
    }
}

impl Keys for [VerifyingKey] {
    fn key(&self, kid: &str) -> Option<&VerifyingKey> {
        self.iter().find(|key| key.kid == kid)
    }
}

impl Keys for Vec<VerifyingKey> {
    fn key(&self, kid: &str) -> Option<&VerifyingKey> {
        self.as_slice().key(kid)
    }
}

/// Whether a text may name a key. It is quoted in logs and headers, and looked up in tables that are not ours.
pub(super) fn is_kid(text: &str) -> bool {
    let visible = |byte: u8| byte.is_ascii_graphic() && !matches!(byte, b'"' | b'\\');
    (1..=KID_CHARS_MAX).contains(&text.len()) && text.bytes().all(visible)
}

fn name_of(key: &PrivateKey) -> String {
    match key.public().parts() {
        Some(parts) => thumbprint(&parts),
        None => URL_SAFE_NO_PAD.encode(&key.sign(b"firstbyte: the name of this secret")[..16]),
    }
}

/// RFC 7638 3: the hash of the required members, in the order of their names and without a space.
pub(super) fn thumbprint(parts: &PublicParts) -> String {
    URL_SAFE_NO_PAD.encode(sha256(required_members(parts).as_bytes()))
}

/// The members of a JWK that make the key (RFC 7638 3.2, RFC 8037 2), in the order of their names.
pub(super) fn required_members(parts: &PublicParts) -> String {
    let base64 = |bytes: &[u8]| URL_SAFE_NO_PAD.encode(bytes);
    match parts {
        PublicParts::Rsa { n, e } => format!(r#"{{"e":"{}","kty":"RSA","n":"{}"}}"#, base64(e), base64(n)),
        PublicParts::P256 { x, y } => {
            format!(r#"{{"crv":"P-256","kty":"EC","x":"{}","y":"{}"}}"#, base64(x), base64(y))
        }
        PublicParts::Ed25519 { x } => format!(r#"{{"crv":"Ed25519","kty":"OKP","x":"{}"}}"#, base64(x)),
    }
}

impl fmt::Display for VerifyingKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} ({})", self.kid, self.algorithm())
    }
}
