//! Owns access tokens: a JSON object that an issuer signs and anyone who has its public keys can verify offline.
//!
//! ```text
//!   base64url({"typ":"at+jwt","alg":"EdDSA","kid":"…"}) . base64url({"iss":"…","sub":"…",…}) . base64url(signature)
//!                                │
//!   verify:  parts ─> header ─> typ ─> kid ──> key ──> alg ──> signature ──> claims ──> who, for whom, when
//!            what it is, without any arithmetic       │ of the key │         only what the key has signed is read
//! ```
//!
//! The one idea: the key decides. A token names a key that we have; what it says about its algorithm is only compared
//! with what that key was made for. A header that brings a key, or tells where to fetch one, is refused.
//!
//! Spec: RFC 7515 (JWS, compact serialization), RFC 7519 (JWT), RFC 9068 (access tokens: `at+jwt`), RFC 8725 (what went
//! wrong before).
//! Stricter: `kid` and `typ` are required; names of members stand once, whoever would take the first or the last;
//! numbers are whole; an access token lives for a day at most; no `crit`, no nested tokens, no compression.
//! Never: I/O; a clock: `now` is passed in; says why a signature is wrong.
//! Limits: a token has at most [`TOKEN_BYTES_MAX`] bytes, its JSON at most 64 members.

mod claims;
mod json;
mod jwks;
mod jws;
mod keys;

pub use crate::crypto::{Algorithm, KeyError};
pub use claims::{Claims, LIFETIME_SECONDS_MAX, NoScope, Scopes};
pub use jwks::{JWKS_BYTES_MAX, JWKS_KEYS_MAX, Jwks, JwksError};
pub use jws::{Jws, Malformed, Part, TOKEN_BYTES_MAX};
pub use keys::{KID_CHARS_MAX, Keys, SigningKey, VerifyingKey};

use std::fmt;

/// Most seconds that two clocks may differ.
pub const LEEWAY_SECONDS_MAX: u64 = 300;

/// What a token has to say to be taken.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Expected<'a> {
    /// Who has made it: its `iss`, byte by byte.
    pub issuer: &'a str,
    /// Whom it is for: one of its `aud`.
    pub audience: &'a str,
    /// Now, in seconds since 1970.
    pub now: u64,
    /// Seconds by which the issuer's clock may differ from ours; at most [`LEEWAY_SECONDS_MAX`].
    pub leeway: u64,
}

/// Why a token is not taken. For the log: a client is told that its token is not valid, and no more.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Refused {
    /// It has more than [`TOKEN_BYTES_MAX`] bytes.
    TooLong,
    /// It is no signed JWT.
    Malformed(Malformed),
    /// It is a JWT of another kind than an access token: one that tells a client who has logged in, say.
    Type,
    /// It names a key that we do not have.
    UnknownKey {
        /// Its name: a few visible characters, chosen by the peer.
        kid: String,
    },
    /// It names an algorithm that is not its key's.
    Algorithm,
    /// Its signature is not by its key.
    Signature,
    /// It is of another issuer.
    Issuer,
    /// It is for somebody else.
    Audience,
    /// It has expired.
    Expired,
    /// It is not valid yet, or was made in the future.
    NotYet,
    /// It lives longer than [`LIFETIME_SECONDS_MAX`].
    Lifetime,
}

/// What an access token says, when it is one that `expected` describes and one of `keys` has signed.
///
/// # Errors
/// [`Refused`]: the first reason of all, the cheap ones before the signature.
///
/// # Panics
/// When `expected` has a leeway above [`LEEWAY_SECONDS_MAX`].
pub fn verify(token: &str, keys: &(impl Keys + ?Sized), expected: &Expected<'_>) -> Result<Claims, Refused> {
    // Before anything that a peer sends: what is configured wrong is so from the first token on.
    assert!(expected.leeway <= LEEWAY_SECONDS_MAX, "clocks differ by minutes at most");
    let token = Jws::parse(token)?;
    if !token.is_access_token() {
        return Err(Refused::Type);
    }
    let kid = token.kid().ok_or(Malformed::Member("kid"))?;
    let key = keys.key(kid).ok_or_else(|| Refused::UnknownKey { kid: kid.to_owned() })?;
    token.verify(key)?;
    let claims = Claims::parse(token.payload())?;
    expected.check(&claims)?;
    Ok(claims)
}

impl Expected<'_> {
    fn check(&self, claims: &Claims) -> Result<(), Refused> {
        let (now, leeway) = (self.now, self.leeway);
        match claims {
            // RFC 9068 4, RFC 8725 3.8: exactly the issuer whose keys these are.
            _ if claims.iss != self.issuer => Err(Refused::Issuer),
            // RFC 7519 4.1.3: who is not among the audience must refuse.
            _ if !claims.aud.iter().any(|audience| audience == self.audience) => Err(Refused::Audience),
            // RFC 7519 4.1.4: now MUST be before it.
            _ if now >= claims.exp.saturating_add(leeway) => Err(Refused::Expired),
            // RFC 7519 4.1.5.
            _ if now.saturating_add(leeway) < claims.nbf.max(claims.iat) => Err(Refused::NotYet),
            _ if claims.exp.saturating_sub(claims.iat) > LIFETIME_SECONDS_MAX => Err(Refused::Lifetime),
            _ => Ok(()),
        }
    }
}

impl From<Malformed> for Refused {
    fn from(malformed: Malformed) -> Refused {
        Refused::Malformed(malformed)
    }
}

impl fmt::Display for Refused {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Refused::TooLong => write!(f, "the token has more than {TOKEN_BYTES_MAX} bytes"),
            Refused::Malformed(malformed) => malformed.fmt(f),
            Refused::Type => f.write_str("the token is no access token: its typ is not at+jwt"),
            Refused::UnknownKey { kid } => write!(f, "the token names the key {kid}, which is none of ours"),
            Refused::Algorithm => f.write_str("the token names another algorithm than that of its key"),
            Refused::Signature => f.write_str("the signature is not by the key that the token names"),
            Refused::Issuer => f.write_str("the token is of another issuer"),
            Refused::Audience => f.write_str("the token is for another audience"),
            Refused::Expired => f.write_str("the token has expired"),
            Refused::NotYet => f.write_str("the token is not valid yet"),
            Refused::Lifetime => write!(f, "the token lives longer than {LIFETIME_SECONDS_MAX} seconds"),
        }
    }
}

impl std::error::Error for Refused {}

#[cfg(test)]
mod tests;
