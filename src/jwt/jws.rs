//! Owns the form of a signed token: three parts, a header, and what may stand in it.
//!
//! ```text
//!   token ──> at most 8 KiB ──> three parts ──> base64url, one spelling ──> header: alg, kid, typ, nothing that steers
//!                                  └─────── the first two, with the dot between them, are what is signed
//! ```
//!
//! The one idea: a token has one spelling. What decodes to the same bytes and is written otherwise is refused, so that
//! whoever keeps a list of tokens keeps all of them.
//!
//! Spec: RFC 7515 3.1, 4.1, 5.2, 7.1; RFC 7519 5.1 (`typ`); RFC 9068 2.1; RFC 4648 3.5 (canonical encoding).
//! Never: takes a key, or the place of one, from a token.

use std::fmt;

use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;

use crate::jwt::json::Members;
use crate::jwt::keys::is_kid;
use crate::jwt::{Refused, SigningKey, VerifyingKey};

/// Most bytes of a token: as much as fits into a head of a request, four times over.
pub const TOKEN_BYTES_MAX: usize = 8 * 1024;

/// What a header must not have, since it would have us do something:
/// - `crit` (RFC 7515 4.1.11): extensions that must be understood; we understand none;
/// - `jwk`, `jku`, `x5u`, `x5c` (4.1.2 to 4.1.6): the token's own key, or where to fetch it (RFC 8725 3.10);
/// - `zip`, `enc`, `b64`: content that is compressed, encrypted or not encoded (RFC 7516 4.1, RFC 7797);
/// - `cty` (RFC 7519 5.2): a token within the token.
const REFUSED_MEMBERS: [&str; 9] = ["crit", "jwk", "jku", "x5u", "x5c", "zip", "enc", "b64", "cty"];

/// A token, taken apart and not yet believed.
pub struct Jws<'a> {
    header: Members,
    kid: Option<String>,
    signed: &'a str,
    payload: Vec<u8>,
    signature: Vec<u8>,
}

/// A part of a token.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[allow(missing_docs)]
pub enum Part {
    Header,
    Claims,
    Signature,
}

/// How a text is no token.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Malformed {
    /// It does not have three parts.
    Parts,
    /// A part is not base64url, is padded, or has bits that mean nothing.
    Encoding(Part),
    /// A part is no JSON object, or one with a name that stands twice.
    Json(Part),
    /// A member is missing, of another type than it should be, or out of bounds.
    Member(&'static str),
    /// The header has a member that would have us do something.
    Steering(&'static str),
}

impl<'a> Jws<'a> {
    /// Takes a token apart.
    ///
    /// # Errors
    /// [`Refused::TooLong`] and [`Refused::Malformed`]; the header is judged before anything else is decoded.
    pub fn parse(token: &'a str) -> Result<Jws<'a>, Refused> {
        if token.len() > TOKEN_BYTES_MAX {
            return Err(Refused::TooLong);
        }
        let (signed, signature) = token.rsplit_once('.').ok_or(Malformed::Parts)?;
        let (header, payload) = signed.split_once('.').ok_or(Malformed::Parts)?;
        if payload.contains('.') {
            return Err(Malformed::Parts.into());
        }
        let header = Members::parse(&decode(header, Part::Header)?).ok_or(Malformed::Json(Part::Header))?;
        let kid = judge(&header)?;
        let payload = decode(payload, Part::Claims)?;
        let signature = decode(signature, Part::Signature)?;
        Ok(Jws { header, kid, signed, payload, signature })
    }

    /// The key that it names.
    pub fn kid(&self) -> Option<&str> {
        self.kid.as_deref()
    }

    /// What it carries. Nobody's word before [`verify`](Jws::verify).
    pub fn payload(&self) -> &[u8] {
        &self.payload
    }

    /// Whether it says of itself that it is an access token (RFC 9068 4). Media types do not tell cases apart, and
    /// `application/` may be left out (RFC 7515 4.1.9).
    pub fn is_access_token(&self) -> bool {
        let kind = self.header.member("typ").and_then(|value| value.as_str()).unwrap_or_default();
        let prefix = "application/";
        let kind = match kind.get(..prefix.len()) {
            Some(start) if start.eq_ignore_ascii_case(prefix) => &kind[prefix.len()..],
            _ => kind,
        };
        kind.eq_ignore_ascii_case("at+jwt")
    }

    /// Whether `key` has signed it.
    ///
    /// # Errors
    /// [`Refused::Algorithm`] and [`Refused::Signature`].
    pub fn verify(&self, key: &VerifyingKey) -> Result<(), Refused> {
        // RFC 8725 3.1: the key's algorithm is the only one there is; the token's word for it is compared and nothing
        // else.
        if self.header.member("alg").and_then(|value| value.as_str()) != Some(key.algorithm().name()) {
            return Err(Refused::Algorithm);
        }
        if key.is_signed(self.signed.as_bytes(), &self.signature) { Ok(()) } else { Err(Refused::Signature) }
    }
}

/// A token that `key` signs, with `payload` as it is.
pub(super) fn sign(key: &SigningKey, header: &str, payload: &[u8]) -> String {
    let mut token = URL_SAFE_NO_PAD.encode(header);
    token.push('.');
    URL_SAFE_NO_PAD.encode_string(payload, &mut token);
    let signature = key.sign_bytes(token.as_bytes());
    token.push('.');
    URL_SAFE_NO_PAD.encode_string(signature, &mut token);
    token
}

/// RFC 7515 2: base64url without padding. The engine refuses bits that mean nothing (RFC 4648 3.5).
fn decode(part: &str, name: Part) -> Result<Vec<u8>, Malformed> {
    URL_SAFE_NO_PAD.decode(part).map_err(|_| Malformed::Encoding(name))
}

/// The `kid` of a header in which nothing is that must not be.
fn judge(header: &Members) -> Result<Option<String>, Malformed> {
    if let Some(name) = REFUSED_MEMBERS.into_iter().find(|name| header.member(name).is_some()) {
        return Err(Malformed::Steering(name));
    }
    header.text("alg").map_err(Malformed::Member)?.ok_or(Malformed::Member("alg"))?;
    header.text("typ").map_err(Malformed::Member)?;
    let kid = header.text("kid").map_err(Malformed::Member)?;
    match kid {
        Some(kid) if !is_kid(kid) => Err(Malformed::Member("kid")),
        kid => Ok(kid.map(str::to_owned)),
    }
}

impl fmt::Display for Part {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Part::Header => "header",
            Part::Claims => "claims",
            Part::Signature => "signature",
        })
    }
}

impl fmt::Display for Malformed {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Malformed::Parts => f.write_str("a token has three parts with a dot between them"),
            Malformed::Encoding(part) => write!(f, "the {part} of the token is not base64url"),
            Malformed::Json(part) => write!(f, "the {part} of the token is no JSON object whose names stand once"),
            Malformed::Member(name) => write!(f, "{name} is missing in the token, or is not what it should be"),
            Malformed::Steering(name) => write!(f, "the header of the token has {name}, which is never obeyed"),
        }
    }
}

impl std::error::Error for Malformed {}
