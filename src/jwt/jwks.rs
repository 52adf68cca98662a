//! Owns key sets: the public keys that an issuer publishes, as a document and as keys.
//!
//! ```text
//!   {"keys":[{"kty":"OKP","crv":"Ed25519","x":"…","kid":"…","use":"sig","alg":"EdDSA"}, …]}
//! ```
//!
//! The one idea: what is not understood is left out, and what is wrong refuses the whole. A key of a kind that we do
//! not know is for somebody else (RFC 7517 5); a key of ours with a private half in it, or two keys of one name, says
//! that the issuer has lost its way, and half of such a set is no better.
//!
//! Spec: RFC 7517 4, 5; RFC 7518 6; RFC 8037 2.
//! Stricter: `kid` is required and stands once; `alg`, where it stands, is that of the key.
//! Never: holds or prints a secret; takes a key that is for encryption, or too weak.
//! Limits: [`JWKS_BYTES_MAX`], [`JWKS_KEYS_MAX`].

use std::fmt;

use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use serde_json::Value;

use crate::crypto::{Algorithm, KeyError, PublicKey, PublicParts};
use crate::jwt::json::Members;
use crate::jwt::keys::{is_kid, required_members};
use crate::jwt::{Keys, VerifyingKey};

/// Most bytes of a set.
pub const JWKS_BYTES_MAX: usize = 64 * 1024;

/// Most keys of a set, those for others too.
pub const JWKS_KEYS_MAX: usize = 32;

/// Members that are of private keys and secrets (RFC 7518 6.2.2, 6.3.2, 6.4.1).
const PRIVATE_MEMBERS: [&str; 8] = ["d", "p", "q", "dp", "dq", "qi", "oth", "k"];

/// Public keys, by name.
#[derive(Clone, Debug, Default)]
pub struct Jwks {
    keys: Vec<VerifyingKey>,
}

/// Why a document is no key set that may be relied on.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum JwksError {
    /// It has more than [`JWKS_BYTES_MAX`] bytes.
    TooLong,
    /// It has more than [`JWKS_KEYS_MAX`] keys.
    TooManyKeys,
    /// It is no JSON object with a list of objects called `keys`, or a name stands twice in one of them.
    Json,
    /// A key has no name, or one that no header could have.
    Kid,
    /// Two keys have this name.
    Twice(String),
    /// A key has this member, which only private keys and secrets have.
    Private(&'static str),
    /// A member of a key is missing, or is not what it should be.
    Member(&'static str),
    /// The numbers of a key make none that may be relied on.
    Key(KeyError),
}

impl Jwks {
    /// The set of the public ones of `keys`. That of [`Algorithm::HS256`] is none.
    pub fn of<'a>(keys: impl IntoIterator<Item = &'a VerifyingKey>) -> Jwks {
        Jwks { keys: keys.into_iter().filter(|key| key.parts().is_some()).cloned().collect() }
    }

    /// The keys in a document that verify signatures of ours.
    ///
    /// # Errors
    /// [`JwksError`]: then none of its keys is to be relied on.
    pub fn parse(json: &[u8]) -> Result<Jwks, JwksError> {
        if json.len() > JWKS_BYTES_MAX {
            return Err(JwksError::TooLong);
        }
        let document = Members::parse(json).ok_or(JwksError::Json)?;
        let Some(Value::Array(listed)) = document.into_member("keys") else { return Err(JwksError::Json) };
        if listed.len() > JWKS_KEYS_MAX {
            return Err(JwksError::TooManyKeys);
        }
        let mut keys: Vec<VerifyingKey> = Vec::new();
        for jwk in listed {
            let Some(key) = key_of(jwk)? else { continue };
            if keys.key(key.kid()).is_some() {
                return Err(JwksError::Twice(key.kid().to_owned()));
            }
            keys.push(key);
        }
        Ok(Jwks { keys })
    }

    /// The keys.
    pub fn keys(&self) -> &[VerifyingKey] {
        &self.keys
    }

    /// As a document.
    pub fn to_json(&self) -> String {
        let keys: Vec<String> = self.keys.iter().filter_map(printed).collect();
        format!(r#"{{"keys":[{}]}}"#, keys.join(","))
    }
}

impl Keys for Jwks {
    fn key(&self, kid: &str) -> Option<&VerifyingKey> {
        self.keys.as_slice().key(kid)
    }
}

/// The members that make the key, and then what it is for.
fn printed(key: &VerifyingKey) -> Option<String> {
    let members = required_members(&key.parts()?);
    let members = members.strip_suffix('}')?;
    Some(format!(r#"{members},"kid":"{}","use":"sig","alg":"{}"}}"#, key.kid(), key.algorithm()))
}

/// The key that an entry of a set is: none, when it is of a kind that we do not know or not for verifying.
fn key_of(jwk: Value) -> Result<Option<VerifyingKey>, JwksError> {
    let jwk = Members::of(jwk).ok_or(JwksError::Json)?;
    if let Some(name) = PRIVATE_MEMBERS.into_iter().find(|name| jwk.member(name).is_some()) {
        return Err(JwksError::Private(name));
    }
    let kty = text(&jwk, "kty")?.ok_or(JwksError::Member("kty"))?;
    let algorithm = match (kty, text(&jwk, "crv")?) {
        ("RSA", None) => Algorithm::RS256,
        ("EC", Some("P-256")) => Algorithm::ES256,
        ("OKP", Some("Ed25519")) => Algorithm::EdDSA,
        _ => return Ok(None),
    };
    if !is_for_verifying(&jwk, algorithm)? {
        return Ok(None);
    }
    let parts = match algorithm {
        Algorithm::RS256 => PublicParts::Rsa { n: number(&jwk, "n")?, e: number(&jwk, "e")? },
        Algorithm::ES256 => PublicParts::P256 { x: coordinate(&jwk, "x")?, y: coordinate(&jwk, "y")? },
        _ => PublicParts::Ed25519 { x: coordinate(&jwk, "x")? },
    };
    let kid = text(&jwk, "kid")?.filter(|kid| is_kid(kid)).ok_or(JwksError::Kid)?;
    let key = PublicKey::from_parts(&parts).map_err(JwksError::Key)?;
    Ok(Some(VerifyingKey::new(kid, key)))
}

/// RFC 7517 4.2 to 4.4: a key may say what it is for, and one that says nothing is for all that it can.
fn is_for_verifying(jwk: &Members, algorithm: Algorithm) -> Result<bool, JwksError> {
    let verifies = match jwk.member("key_ops") {
        None => true,
        Some(Value::Array(operations)) => operations.iter().any(|operation| operation == "verify"),
        Some(_) => return Err(JwksError::Member("key_ops")),
    };
    let signs = text(jwk, "use")?.is_none_or(|usage| usage == "sig");
    match text(jwk, "alg")? {
        // Another algorithm for keys of its kind, RSA-OAEP say, is somebody else's business; a key cannot be of two of
        // ours.
        Some(name) if name != algorithm.name() && Algorithm::named(name).is_none() => Ok(false),
        Some(name) if name != algorithm.name() => Err(JwksError::Member("alg")),
        _ => Ok(verifies && signs),
    }
}

fn text<'a>(jwk: &'a Members, name: &'static str) -> Result<Option<&'a str>, JwksError> {
    jwk.text(name).map_err(JwksError::Member)
}

/// RFC 7518 2: base64urlUInt, whose first byte is not zero; [`PublicKey::from_parts`] sees to that.
fn number(jwk: &Members, name: &'static str) -> Result<Vec<u8>, JwksError> {
    let text = text(jwk, name)?.ok_or(JwksError::Member(name))?;
    URL_SAFE_NO_PAD.decode(text).map_err(|_| JwksError::Member(name))
}

/// RFC 7518 6.2.1.2: as long as the curve's numbers are, leading zeros too.
fn coordinate(jwk: &Members, name: &'static str) -> Result<[u8; 32], JwksError> {
    number(jwk, name)?.try_into().map_err(|_| JwksError::Member(name))
}

impl fmt::Display for JwksError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            JwksError::TooLong => write!(f, "the key set has more than {JWKS_BYTES_MAX} bytes"),
            JwksError::TooManyKeys => write!(f, "the key set has more than {JWKS_KEYS_MAX} keys"),
            JwksError::Json => f.write_str("the key set is no JSON object with a list of objects called keys"),
            JwksError::Kid => f.write_str("a key of the set has no kid, or one that no header could have"),
            JwksError::Twice(kid) => write!(f, "two keys of the set are called {kid}"),
            JwksError::Private(name) => write!(f, "a key of the set shows {name}, which is private"),
            JwksError::Member(name) => write!(f, "{name} of a key is missing, or is not what it should be"),
            JwksError::Key(error) => write!(f, "a key of the set is none to rely on: {error}"),
        }
    }
}

impl std::error::Error for JwksError {}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::jwt::SigningKey;

    /// RFC 7515 A.3.1 and RFC 8037 A.2.
    const P256: &str = r#""kty":"EC","crv":"P-256","x":"f83OJ3D2xF1Bg8vub9tLe1gHMzV76e8Tus9uPHvRVEU","y":"x_FEzRu9m36HLN_tue659LNpXW6pCyStikYjKIWI5a0""#;
    const ED25519: &str = r#""kty":"OKP","crv":"Ed25519","x":"11qYAYKxCrfVS_7TyWQHOg7hcvPapiMlrwIaaPcHURo""#;
    /// RFC 7638 3.1.
    const RSA: &str = r#""kty":"RSA","n":"0vx7agoebGcQSuuPiLJXZptN9nndrQmbXEps2aiAFbWhM78LhWx4cbbfAAtVT86zwu1RK7aPFFxuhDR1L6tSoc_BJECPebWKRXjBZCiFV4n3oknjhMstn64tZ_2W-5JsGY4Hc5n9yBXArwl93lqt7_RN5w6Cf0h4QyQ5v-65YGjQR0_FDW2QvzqY368QQMicAtaSqzs8KJZgnYb9c7d0zgdAZHzu6qMQvRL5hajrn1n91CbOpbISD08qNLyrdkt-bFTWhAI4vMQFh6WeZu0fM4lFd2NcRwr3XPksINHaQ-G_xBniIqbw0Ls1jF44-csFCur-kEgU8awapJzKnqDKgw","e":"AQAB""#;

    fn set(jwks: &[String]) -> String {
        format!(r#"{{"keys":[{}]}}"#, jwks.join(","))
    }

    /// The names of the keys that one entry gives.
    fn check(members: &str, expected: Result<&[&str], JwksError>) {
        let parsed = Jwks::parse(set(&[format!("{{{members}}}")]).as_bytes());
        let names = parsed.map(|jwks| jwks.keys().iter().map(|key| key.kid().to_owned()).collect::<Vec<_>>());
        assert_eq!(names, expected.map(|names| names.iter().map(|&name| name.to_owned()).collect()), "{members}");
    }

    #[test]
    fn thumbprints_are_those_of_the_rfcs() {
        let thumbprint = |jwk: &str| {
            let jwks = Jwks::parse(set(&[format!(r#"{{{jwk},"kid":"a"}}"#)]).as_bytes()).expect("a key");
            crate::jwt::keys::thumbprint(&jwks.keys()[0].parts().expect("a public key"))
        };
        // RFC 7638 3.1, RFC 8037 A.3.
        assert_eq!(thumbprint(RSA), "NzbLsXh8uDCcd-6MNwXF4W_7noWXFZAfHkxZsRGC9Xs");
        assert_eq!(thumbprint(ED25519), "kPrK_qmxVWaYVA9wwBF6Iuo3vVzz7TxHCTwXBygrS4k");
    }

    #[test]
    fn what_is_printed_is_parsed_and_has_no_secrets() {
        let keys: Vec<VerifyingKey> = [Algorithm::HS256, Algorithm::ES256, Algorithm::EdDSA]
            .map(|algorithm| SigningKey::generate(algorithm).expect("a key").verifying())
            .to_vec();
        let printed = Jwks::of(&keys).to_json();
        let again = Jwks::parse(printed.as_bytes()).expect("a set");
        assert_eq!(again.to_json(), printed);
        assert!(again.key(keys[0].kid()).is_none(), "a secret is published");
        for key in &keys[1..] {
            let found = again.key(key.kid()).expect("the key");
            assert_eq!((found.algorithm(), found.parts()), (key.algorithm(), key.parts()));
        }
        assert_eq!(Jwks::default().to_json(), r#"{"keys":[]}"#);
    }

    #[test]
    fn keys_that_verify_are_taken_and_those_for_others_are_left() {
        for jwk in [P256, ED25519, RSA] {
            check(&format!(r#"{jwk},"kid":"a""#), Ok(&["a"]));
            check(&format!(r#"{jwk},"kid":"a","use":"sig","key_ops":["verify"],"x5t":"?","unknown":[1]"#), Ok(&["a"]));
            check(&format!(r#"{jwk},"kid":"a","use":"enc""#), Ok(&[]));
            check(&format!(r#"{jwk},"kid":"a","key_ops":["encrypt"]"#), Ok(&[]));
            check(&format!(r#"{jwk},"kid":"a","alg":"RSA-OAEP""#), Ok(&[]));
        }
        check(r#""kty":"EC","crv":"P-384","x":"AA","y":"AA","kid":"a""#, Ok(&[]));
        check(r#""kty":"AKP","alg":"ML-DSA-44","pub":"AA","kid":"a""#, Ok(&[]));
        check(r#""kty":"OKP","crv":"Ed448","x":"AA","kid":"a""#, Ok(&[]));
    }

    #[test]
    fn a_set_with_a_wrong_key_is_refused_whole() {
        for jwk in [P256, ED25519, RSA] {
            check(jwk, Err(JwksError::Kid));
            for kid in [r#""""#, r#""a b""#, r#""a\"b""#, r#""a\u0000""#, r#""é""#, &format!("\"{}\"", "a".repeat(129))]
            {
                check(&format!(r#"{jwk},"kid":{kid}"#), Err(JwksError::Kid));
            }
            check(&format!(r#"{jwk},"kid":7"#), Err(JwksError::Member("kid")));
            check(&format!(r#"{jwk},"kid":"a","use":7"#), Err(JwksError::Member("use")));
            check(&format!(r#"{jwk},"kid":"a","key_ops":"verify""#), Err(JwksError::Member("key_ops")));
            check(&format!(r#"{jwk},"kid":"a","alg":"HS256""#), Err(JwksError::Member("alg")));
            check(&format!(r#"{jwk},"kid":"a","d":"AA""#), Err(JwksError::Private("d")));
            check(&format!(r#"{jwk},"kid":"a","kid":"b""#), Err(JwksError::Json));
            let twice = set(&[format!(r#"{{{jwk},"kid":"a"}}"#), format!(r#"{{{P256},"kid":"a"}}"#)]);
            assert_eq!(Jwks::parse(twice.as_bytes()).err(), Some(JwksError::Twice("a".to_owned())));
        }
        check(r#""kty":"oct","k":"AA","kid":"a""#, Err(JwksError::Private("k")));
        check(r#""kid":"a""#, Err(JwksError::Member("kty")));
        check(r#""kty":"EC","crv":"P-256","kid":"a","x":"AA","y":"AA""#, Err(JwksError::Member("x")));
        check(&P256.replace(r#""x":"f8"#, r#""kid":"a","x":"f9"#), Err(JwksError::Key(KeyError::Point)));
        check(&P256.replace("5a0\"", "5a1\",\"kid\":\"a\""), Err(JwksError::Member("y")));
        check(&P256.replace("5a0\"", "5a0=\",\"kid\":\"a\""), Err(JwksError::Member("y")));
        // y = 1: anybody can sign for it.
        let anybody = URL_SAFE_NO_PAD.encode([&[1][..], &[0; 31]].concat());
        let point = Err(JwksError::Key(KeyError::Point));
        check(&format!(r#""kty":"OKP","crv":"Ed25519","x":"{anybody}","kid":"a""#), point);
        check(r#""kty":"RSA","n":"-w","e":"AQAB","kid":"a""#, Err(JwksError::Key(KeyError::Modulus)));
        check(&RSA.replace("AQAB\"", "Ag\",\"kid\":\"a\""), Err(JwksError::Key(KeyError::Exponent)));
    }

    #[test]
    fn what_is_no_set_is_refused() {
        for none in
            ["", "[]", "{}", r#"{"keys":{}}"#, r#"{"keys":[1]}"#, r#"{"keys":[],"keys":[]}"#, r#"{"keys":[]} x"#]
        {
            assert_eq!(Jwks::parse(none.as_bytes()).err(), Some(JwksError::Json), "{none}");
        }
        let unknown = |count: usize| set(&vec![r#"{"kty":"?"}"#.to_owned(); count]);
        assert!(Jwks::parse(unknown(JWKS_KEYS_MAX).as_bytes()).is_ok());
        assert_eq!(Jwks::parse(unknown(JWKS_KEYS_MAX + 1).as_bytes()).err(), Some(JwksError::TooManyKeys));
        let long = format!("{}{}", set(&[]), " ".repeat(JWKS_BYTES_MAX));
        assert_eq!(Jwks::parse(long.as_bytes()).err(), Some(JwksError::TooLong));
    }
}
