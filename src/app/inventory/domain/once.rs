//! Owns what makes a request that is sent twice count once.
//!
//! ```text
//!   key, content ──> nobody has it ──────> done, and kept with its answer       First
//!                    same content ───────> the answer that was kept              Again
//!                    other content ──────> refused: the key is used up           422
//!                    at work elsewhere ──> refused: come again                   409
//! ```
//!
//! The one idea: the key, the change and the answer are kept together or not at all. Whatever is refused leaves no key behind,
//! so that the same request may go well later.
//!
//! A key belongs to nobody: there are no accounts here, so all who ask share them, and whoever guesses another's key and content
//! is given his answer. So a key is one that nobody else takes: a UUID, as the draft recommends (2.1). What stands in front and
//! knows who asks may put that before the key.
//!
//! Spec: draft-ietf-httpapi-idempotency-key-header-07, which is none yet: 2.2 (uniqueness), 2.4 (fingerprint), 2.6, 2.7.
//! Limits: [`KEY_BYTES_MAX`].

use std::time::Duration;

/// Bytes of a key.
pub const KEY_BYTES_MAX: usize = 255;

/// A key that a client has chosen: visible ASCII.
#[derive(Clone, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Key(String);

/// A request that is to be done once.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Claim {
    /// What is asked for: one key may stand for one thing each.
    pub route: &'static str,
    /// The client's key.
    pub key: Key,
    /// SHA-256 of the content, in an order of its own.
    pub content: [u8; 32],
    /// How long the answer is kept.
    pub ttl: Duration,
}

/// What has come of a request.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Once<T> {
    /// It was done just now.
    First(T),
    /// It was done before, and this was the answer.
    Again(T),
}

impl Key {
    /// The key that `text` is.
    pub fn parse(text: &str) -> Option<Key> {
        let is_visible = text.bytes().all(|byte| byte.is_ascii_graphic());
        (is_visible && (1..=KEY_BYTES_MAX).contains(&text.len())).then(|| Key(text.to_owned()))
    }

    /// As it was sent.
    pub fn text(&self) -> &str {
        &self.0
    }
}

impl<T> Once<T> {
    /// The same for another value.
    pub fn map<U>(self, make: impl FnOnce(T) -> U) -> Once<U> {
        match self {
            Once::First(value) => Once::First(make(value)),
            Once::Again(value) => Once::Again(make(value)),
        }
    }

    /// What it is about.
    pub fn value(&self) -> &T {
        let (Once::First(value) | Once::Again(value)) = self;
        value
    }

    /// The same, taken out.
    pub fn into_value(self) -> T {
        let (Once::First(value) | Once::Again(value)) = self;
        value
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_key_is_visible_and_short() {
        for text in ["a", "\"8e03978e-40d5-43dd-bc93-6894a57f9324\"", &"~".repeat(255)] {
            assert_eq!(Key::parse(text).as_ref().map(Key::text), Some(text));
        }
        for text in ["", " ", "a b", "a\0", "é", "\u{7f}", &"x".repeat(256)] {
            assert_eq!(Key::parse(text), None, "{text:?}");
        }
    }
}
