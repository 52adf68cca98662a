//! Owns signatures: how a receiver knows that a message is ours, is whole, and is new.
//!
//! ```text
//!   webhook-id: msg_p5jX…  ─┐
//!   webhook-timestamp: 1614265330 ─┤ "id.timestamp.content" ──HMAC-SHA256, key = the secret's bytes──> base64
//!   content ─┘                                                                                           │
//!                                        webhook-signature: v1,g0hM9…  [v1,… by the secret of before] <──┘
//! ```
//!
//! The one idea: the time is signed, too. A copy that is sent again later is a true signature over an old time, and whoever
//! looks at both refuses it; a message that comes twice within the tolerance has the same `webhook-id`.
//!
//! Spec: Standard Webhooks 1.0 ("Signature scheme", "Webhook timestamp", "Key rotation"); RFC 2104 (HMAC). A secret has 24 to
//! 64 bytes.
//! Never: shows a secret by `Debug`; compares signatures byte by byte.

use std::fmt;
use std::str::FromStr;
use std::time::Duration;

use base64::Engine;
use base64::engine::general_purpose::STANDARD;

use crate::crypto;

/// The message's name.
pub const ID: &str = "webhook-id";

/// Unix seconds of the attempt.
pub const TIMESTAMP: &str = "webhook-timestamp";

/// Signatures, one by each secret that is valid.
pub const SIGNATURE: &str = "webhook-signature";

/// How far the time of a message may be from the receiver's: Standard Webhooks leaves it to the receiver, and its libraries take
/// this.
pub const TOLERANCE: Duration = Duration::from_secs(5 * 60);

/// Signatures of one message that are looked at.
const SIGNATURES_MAX: usize = 8;

const PREFIX: &str = "whsec_";

/// Bytes of a secret.
const BYTES: std::ops::RangeInclusive<usize> = 24..=64;

/// What the server and one endpoint know.
#[derive(Clone, PartialEq, Eq)]
pub struct Secret(Vec<u8>);

/// A text is no secret.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct NoSecret;

/// Why a message is not taken for ours.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Unsigned {
    /// This field is missing, or stands twice.
    Field(&'static str),
    /// The time is no number.
    Timestamp,
    /// It is older than the tolerance: a copy that somebody kept.
    TooOld,
    /// It is of the future.
    TooNew,
    /// None of its signatures is right.
    Wrong,
}

/// The three fields of a message.
#[derive(Clone, Copy, Debug)]
pub struct Signed<'a> {
    /// `webhook-id`.
    pub id: &'a str,
    /// `webhook-timestamp`.
    pub timestamp: &'a str,
    /// `webhook-signature`.
    pub signature: &'a str,
}

impl Secret {
    /// A new one, of 32 bytes.
    pub fn random() -> Secret {
        Secret(crypto::random::<32>().to_vec())
    }

    /// As a store has kept it.
    ///
    /// # Errors
    /// When it has not 24 to 64 bytes.
    pub fn of_bytes(bytes: &[u8]) -> Result<Secret, NoSecret> {
        if BYTES.contains(&bytes.len()) { Ok(Secret(bytes.to_vec())) } else { Err(NoSecret) }
    }

    /// For a store.
    pub fn bytes(&self) -> &[u8] {
        &self.0
    }

    /// As its owner is told it.
    pub fn expose(&self) -> String {
        format!("{PREFIX}{}", STANDARD.encode(&self.0))
    }

    /// `v1,` and the signature of this message.
    pub fn sign(&self, id: &str, timestamp: i64, content: &[u8]) -> String {
        let mut signed = format!("{id}.{timestamp}.").into_bytes();
        signed.extend_from_slice(content);
        format!("v1,{}", STANDARD.encode(crypto::hmac_sha256(&self.0, &signed)))
    }
}

/// The value of [`SIGNATURE`]: one signature by each of `secrets`.
pub fn sign(secrets: &[&Secret], id: &str, timestamp: i64, content: &[u8]) -> String {
    let signatures: Vec<String> = secrets.iter().map(|secret| secret.sign(id, timestamp, content)).collect();
    signatures.join(" ")
}

/// Whether a message is ours, and new at `now` (Unix seconds), as a receiver finds out that has `secret`.
///
/// # Errors
/// Why not.
pub fn verify(secret: &Secret, signed: Signed<'_>, content: &[u8], now: i64) -> Result<(), Unsigned> {
    let timestamp = seconds(signed.timestamp).ok_or(Unsigned::Timestamp)?;
    let tolerance = TOLERANCE.as_secs() as i64;
    if timestamp < now.saturating_sub(tolerance) {
        return Err(Unsigned::TooOld);
    }
    if timestamp > now.saturating_add(tolerance) {
        return Err(Unsigned::TooNew);
    }
    let expected = secret.sign(signed.id, timestamp, content);
    let mut found = signed.signature.split(' ').take(SIGNATURES_MAX);
    // Other versions may stand beside ours: they are passed over, as any wrong one is.
    let is_ours = found.any(|signature| crypto::is_same(signature.as_bytes(), expected.as_bytes()));
    if is_ours { Ok(()) } else { Err(Unsigned::Wrong) }
}

/// One spelling: digits. A sign or a zero in front would be a second spelling of what was signed.
fn seconds(text: &str) -> Option<i64> {
    let is_plain = text.len() <= 12 && !text.starts_with('0') && text.bytes().all(|byte| byte.is_ascii_digit());
    if is_plain { text.parse().ok() } else { None }
}

impl FromStr for Secret {
    type Err = NoSecret;

    fn from_str(text: &str) -> Result<Secret, NoSecret> {
        let bytes = text.strip_prefix(PREFIX).and_then(|text| STANDARD.decode(text).ok()).ok_or(NoSecret)?;
        Secret::of_bytes(&bytes)
    }
}

impl fmt::Debug for Secret {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("whsec_***")
    }
}

impl fmt::Display for NoSecret {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("is whsec_ and 24 to 64 bytes in base64")
    }
}

impl std::error::Error for NoSecret {}

impl fmt::Display for Unsigned {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Unsigned::Field(name) => write!(f, "{name} is missing, or stands twice"),
            Unsigned::Timestamp => write!(f, "{TIMESTAMP} is no number of seconds"),
            Unsigned::TooOld => f.write_str("it is too old: a copy, perhaps"),
            Unsigned::TooNew => f.write_str("it is of the future"),
            Unsigned::Wrong => f.write_str("none of its signatures is right"),
        }
    }
}

impl std::error::Error for Unsigned {}

#[cfg(test)]
mod tests {
    use super::*;

    // The vector that Standard Webhooks' libraries are tested with.
    const SECRET: &str = "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw";
    const MESSAGE: &str = "msg_p5jXN8AQM9LWM0D4loKWxJek";
    const AT: i64 = 1_614_265_330;
    const CONTENT: &[u8] = br#"{"test": 2432232314}"#;
    const RIGHT: &str = "v1,g0hM9SsE+OTPJTGt/tmIKtSyZlE3uFJELVlNIOLJ1OE=";

    fn check(timestamp: &str, signature: &str, content: &[u8], now: i64, expected: Result<(), Unsigned>) {
        let secret = SECRET.parse().expect("a secret");
        let signed = Signed { id: MESSAGE, timestamp, signature };
        assert_eq!(verify(&secret, signed, content, now), expected, "{timestamp} {signature} {now}");
    }

    #[test]
    fn the_published_vector_is_signed_and_verified() {
        let secret: Secret = SECRET.parse().expect("a secret");
        assert_eq!(secret.sign(MESSAGE, AT, CONTENT), RIGHT);
        assert_eq!(secret.expose(), SECRET);
        check("1614265330", RIGHT, CONTENT, AT, Ok(()));
        for beside in [format!("v1,AAAA {RIGHT}"), format!("{RIGHT} v1a,AAAA"), format!("v2,x  {RIGHT}")] {
            check("1614265330", &beside, CONTENT, AT, Ok(()));
        }
        check("1614265330", RIGHT, CONTENT, AT + 300, Ok(()));
        check("1614265330", RIGHT, CONTENT, AT - 300, Ok(()));
    }

    #[test]
    fn what_is_forged_changed_or_old_is_refused() {
        let wrong = Err(Unsigned::Wrong);
        check("1614265330", RIGHT, CONTENT, AT + 301, Err(Unsigned::TooOld));
        check("1614265330", RIGHT, CONTENT, AT - 301, Err(Unsigned::TooNew));
        check("1614265330", RIGHT, CONTENT, i64::MAX, Err(Unsigned::TooOld));
        check("1614265331", RIGHT, CONTENT, AT, wrong);
        check("1614265330", RIGHT, br#"{"test":2432232314}"#, AT, wrong);
        check("1614265330", RIGHT, b"", AT, wrong);
        for timestamp in ["", "-1", "+1614265330", "01614265330", "1614265330 ", "1614265330.0", "1e9", "9999999999999"]
        {
            check(timestamp, RIGHT, CONTENT, AT, Err(Unsigned::Timestamp));
        }
        let other_version = RIGHT.replace("v1", "v2");
        let bare = &RIGHT[3..];
        for signature in ["", "v1", "v1,", " ", bare, &other_version, &RIGHT[..RIGHT.len() - 1], &RIGHT.to_lowercase()]
        {
            check("1614265330", signature, CONTENT, AT, wrong);
        }
        // So many that looking at all of them would be work for nothing.
        check("1614265330", &format!("{}{RIGHT}", "v1,x ".repeat(8)), CONTENT, AT, wrong);
    }

    #[test]
    fn both_secrets_sign_while_one_takes_the_place_of_the_other() {
        let (old, new) = (Secret::random(), Secret::random());
        let signature = sign(&[&new, &old], MESSAGE, AT, CONTENT);
        let signed = Signed { id: MESSAGE, timestamp: "1614265330", signature: &signature };
        for secret in [&old, &new] {
            assert_eq!(verify(secret, signed, CONTENT, AT), Ok(()));
        }
        assert_eq!(verify(&Secret::random(), signed, CONTENT, AT), Err(Unsigned::Wrong));
    }

    #[test]
    fn what_is_no_secret_is_refused_and_one_is_not_shown() {
        for text in [
            "",
            "whsec_",
            "MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw",
            "whsec_AAAA",
            "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaS",
            "whsec_!!",
        ] {
            assert_eq!(text.parse::<Secret>(), Err(NoSecret), "{text}");
        }
        assert_eq!(Secret::of_bytes(&[0; 65]), Err(NoSecret));
        assert_eq!(format!("{:?}", Secret::random()), "whsec_***");
    }
}
