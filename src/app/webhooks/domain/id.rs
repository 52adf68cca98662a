//! Owns the names of things: a UUID that rises with time, behind a word that says what it names.
//!
//! ```text
//!   msg_0193a5c2f0b17c3e8d4e5f60718293a4        ep_…        dlv_…
//! ```
//!
//! The one idea: a name of one kind cannot stand where another kind is asked for, neither in the program nor in a URL.
//!
//! Spec: RFC 9562 5.7 (UUID version 7).

use std::cmp::Ordering;
use std::fmt;
use std::hash::{Hash, Hasher};
use std::marker::PhantomData;
use std::str::FromStr;
use std::sync::atomic::{AtomicU16, Ordering::Relaxed};

use jiff::Timestamp;
use serde::{Serialize, Serializer};
use uuid::{Builder, Uuid};

use crate::crypto;

/// The name of an endpoint.
pub type EndpointId = Id<OfEndpoint>;

/// The name of a message.
pub type MessageId = Id<OfMessage>;

/// The name of a delivery.
pub type DeliveryId = Id<OfDelivery>;

/// The name of a thing of one kind.
pub struct Id<K>(Uuid, PhantomData<K>);

/// What a name is of.
pub trait Kind {
    /// The word before it.
    const WORD: &'static str;
}

/// An endpoint.
pub enum OfEndpoint {}

/// A message.
pub enum OfMessage {}

/// A delivery.
pub enum OfDelivery {}

/// A text is no name of this kind.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct NoId {
    word: &'static str,
}

impl Kind for OfEndpoint {
    const WORD: &'static str = "ep";
}

impl Kind for OfMessage {
    const WORD: &'static str = "msg";
}

impl Kind for OfDelivery {
    const WORD: &'static str = "dlv";
}

impl<K> Id<K> {
    /// A new one, that comes after those that this process made before: within a millisecond a counter orders them.
    pub fn new(now: Timestamp) -> Id<K> {
        static NEXT: AtomicU16 = AtomicU16::new(0);
        let mut rest: [u8; 10] = crypto::random();
        // RFC 9562 6.2, method 1: twelve bits behind the version.
        rest[..2].copy_from_slice(&(NEXT.fetch_add(1, Relaxed) & 0x0fff).to_be_bytes());
        let millis = u64::try_from(now.as_millisecond()).unwrap_or_default();
        Id::of_uuid(Builder::from_unix_timestamp_millis(millis, &rest).into_uuid())
    }

    /// As a store keeps it.
    pub fn uuid(self) -> Uuid {
        self.0
    }

    /// One that a store has kept.
    pub const fn of_uuid(uuid: Uuid) -> Id<K> {
        Id(uuid, PhantomData)
    }
}

impl<K: Kind> FromStr for Id<K> {
    type Err = NoId;

    fn from_str(text: &str) -> Result<Id<K>, NoId> {
        let hex = text.strip_prefix(K::WORD).and_then(|rest| rest.strip_prefix('_'));
        // One spelling: `Uuid` would take hyphens, braces and capitals as well.
        let hex =
            hex.filter(|hex| hex.len() == 32 && hex.bytes().all(|byte| matches!(byte, b'0'..=b'9' | b'a'..=b'f')));
        hex.and_then(|hex| Uuid::parse_str(hex).ok()).map(Id::of_uuid).ok_or(NoId { word: K::WORD })
    }
}

impl<K: Kind> fmt::Display for Id<K> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}_{}", K::WORD, self.0.simple())
    }
}

impl<K: Kind> fmt::Debug for Id<K> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

impl<K: Kind> Serialize for Id<K> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

impl<K> Clone for Id<K> {
    fn clone(&self) -> Id<K> {
        *self
    }
}

impl<K> Copy for Id<K> {}

impl<K> PartialEq for Id<K> {
    fn eq(&self, other: &Id<K>) -> bool {
        self.0 == other.0
    }
}

impl<K> Eq for Id<K> {}

impl<K> PartialOrd for Id<K> {
    fn partial_cmp(&self, other: &Id<K>) -> Option<Ordering> {
        Some(self.cmp(other))
    }
}

impl<K> Ord for Id<K> {
    fn cmp(&self, other: &Id<K>) -> Ordering {
        self.0.cmp(&other.0)
    }
}

impl<K> Hash for Id<K> {
    fn hash<H: Hasher>(&self, state: &mut H) {
        self.0.hash(state);
    }
}

impl fmt::Display for NoId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}_ and 32 characters of 0-9a-f are expected", self.word)
    }
}

impl std::error::Error for NoId {}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_name_has_one_spelling_and_one_kind() {
        let id = MessageId::new(Timestamp::from_second(1_800_000_000).expect("a time"));
        let text = id.to_string();
        assert_eq!(text.parse(), Ok(id));
        assert_eq!(id.uuid().get_version_num(), 7);
        let bare = &text[4..];
        for other in [
            String::new(),
            bare.to_owned(),
            format!("ep_{bare}"),
            format!("msg{bare}"),
            format!("msg_{}", bare.to_uppercase()),
            format!("msg_{}", id.uuid().hyphenated()),
            format!("msg_{bare}0"),
            format!("msg_{bare} "),
            "msg_".to_owned(),
        ] {
            assert!(other.parse::<MessageId>().is_err(), "{other}");
        }
    }

    #[test]
    fn later_names_come_later() {
        let now = Timestamp::from_second(1_800_000_000).expect("a time");
        let mut names: Vec<DeliveryId> = (0..100).map(|_| Id::new(now)).collect();
        names.push(Id::new(now + jiff::SignedDuration::from_millis(1)));
        // The counter of other tests may wrap round within these; it does so once in 4,096.
        let falls = names.windows(2).filter(|pair| pair[0] >= pair[1]).count();
        assert!(falls <= 1, "{falls}");
    }
}
