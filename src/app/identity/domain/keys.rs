//! Owns the life of a signing key, and what a rotation does.
//!
//! ```text
//!   next ───rotate───> active ───rotate───> retired ───the last token it signed has expired───> gone
//!   published          signs                verifies
//! ```
//!
//! The one idea: a key is published before it signs, and stays published for as long as anything that it has signed may be
//! shown. So no verifier meets a key that it could not have known, and a rotation refuses nobody.
//!
//! All rules are here, as functions from the list of keys to the next list; a store applies them under its lock, so that ten
//! nodes that start at once, or two that rotate, do it one behind the other.
//!
//! Each key has its algorithm for life. Another one comes in as the next key is made, and signs after the rotation behind that.
//!
//! Spec: RFC 7517 4.5 (`kid`), 5 (a set of keys, for the time of a change).
//! Never: shows a private key; lets a key sign that is not active.
//! Invariants: one key is active, at most one is next; names are unique.
//! Limits: [`KEYS_MAX`].

use std::fmt;

use crate::jwt::{Algorithm, KeyError, SigningKey};

/// Keys that are kept at a time. Who rotates faster than they go is refused.
pub const KEYS_MAX: usize = 16;

/// What a key is for, now.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum State {
    /// It will sign after the next rotation.
    Next,
    /// It signs.
    Active,
    /// It has signed, and verifies.
    Retired {
        /// Until then, in Unix seconds.
        until: u64,
    },
}

/// A key as it is kept. Whoever reads it can sign.
#[derive(Clone, PartialEq, Eq)]
pub struct StoredKey {
    /// Its name.
    pub kid: String,
    /// What it signs with.
    pub algorithm: Algorithm,
    /// Its private half, as [`SigningKey::to_pkcs8`] gives it.
    pub private: Vec<u8>,
    /// What it is for.
    pub state: State,
    /// Since when, in Unix seconds.
    pub since: u64,
}

/// Where new keys come from.
pub trait Source {
    /// A key of `algorithm`. Of [`Algorithm::RS256`] it may be the same one each time.
    ///
    /// # Errors
    /// When none can be made.
    fn key(&self, algorithm: Algorithm) -> Result<SigningKey, KeyError>;
}

/// Why keys stay as they are.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kept {
    /// So many are retired and not gone yet.
    TooMany {
        /// Seconds until the first one is.
        retry_after: u64,
    },
    /// There is no key to take the place of the active one.
    NoNext(KeyError),
    /// Another node was faster: the active key is not the one that was to be rotated.
    Another,
}

impl State {
    /// As it is written.
    pub fn name(self) -> &'static str {
        match self {
            State::Next => "next",
            State::Active => "active",
            State::Retired { .. } => "retired",
        }
    }
}

impl StoredKey {
    fn of(key: &SigningKey, state: State, since: u64) -> StoredKey {
        let (kid, private) = (key.kid().to_owned(), key.to_pkcs8().to_vec());
        StoredKey { kid, algorithm: key.algorithm(), private, state, since }
    }
}

/// The keys that a node needs to start: one that signs and, if it can be had, one behind it, which is of `algorithm`.
///
/// # Errors
/// When there is no key at all, and none can be made.
pub fn started(
    keys: &[StoredKey],
    now: u64,
    algorithm: Algorithm,
    source: &dyn Source,
) -> Result<Vec<StoredKey>, Kept> {
    let mut keys = living(keys, now);
    if !keys.iter().any(|key| key.state == State::Active) {
        let key = another(&keys, algorithm, source)?;
        keys.push(StoredKey::of(&key, State::Active, now));
    }
    // One that has signed nothing yet gives way.
    let is_other = |key: &StoredKey| key.state == State::Next && key.algorithm != algorithm;
    if (keys.iter().any(is_other) || !keys.iter().any(|key| key.state == State::Next))
        && let Ok(key) = another(&keys, algorithm, source)
    {
        keys.retain(|key| key.state != State::Next);
        keys.push(StoredKey::of(&key, State::Next, now));
    }
    Ok(keys)
}

/// The keys after a rotation of the one called `active`; any, if it is not named. What has signed verifies for `verifies`
/// seconds more. Behind the next key one of `algorithm` is made.
///
/// # Errors
/// See [`Kept`].
pub fn rotated(
    keys: &[StoredKey],
    now: u64,
    verifies: u64,
    active: Option<&str>,
    algorithm: Algorithm,
    source: &dyn Source,
) -> Result<Vec<StoredKey>, Kept> {
    let mut keys = living(keys, now);
    if active.is_some_and(|kid| !keys.iter().any(|key| key.state == State::Active && key.kid == kid)) {
        return Err(Kept::Another);
    }
    if keys.len() >= KEYS_MAX {
        return Err(Kept::TooMany { retry_after: first_gone(&keys).saturating_sub(now).max(1) });
    }
    if !keys.iter().any(|key| key.state == State::Next) {
        let key = another(&keys, algorithm, source)?;
        keys.push(StoredKey::of(&key, State::Next, now));
    }
    for key in keys.iter_mut().filter(|key| matches!(key.state, State::Next | State::Active)) {
        let until = now.saturating_add(verifies);
        key.state = if key.state == State::Next { State::Active } else { State::Retired { until } };
        key.since = now;
    }
    // One that cannot be had now, an RSA key above all, can be before the next rotation.
    if let Ok(key) = another(&keys, algorithm, source) {
        keys.push(StoredKey::of(&key, State::Next, now));
    }
    Ok(keys)
}

/// The keys that are not gone.
pub fn living(keys: &[StoredKey], now: u64) -> Vec<StoredKey> {
    let is_gone = |key: &&StoredKey| matches!(key.state, State::Retired { until } if until <= now);
    keys.iter().filter(|key| !is_gone(key)).cloned().collect()
}

fn first_gone(keys: &[StoredKey]) -> u64 {
    let until = |key: &StoredKey| if let State::Retired { until } = key.state { Some(until) } else { None };
    keys.iter().filter_map(until).min().unwrap_or(0)
}

/// A key that is not among `keys`.
fn another(keys: &[StoredKey], algorithm: Algorithm, source: &dyn Source) -> Result<SigningKey, Kept> {
    let key = source.key(algorithm).map_err(Kept::NoNext)?;
    if keys.iter().any(|other| other.kid == key.kid()) { Err(Kept::NoNext(KeyError::NotGenerated)) } else { Ok(key) }
}

impl fmt::Debug for StoredKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let StoredKey { kid, algorithm, state, since, .. } = self;
        write!(f, "StoredKey({kid}, {algorithm}, {state:?} since {since})")
    }
}

impl fmt::Display for Kept {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Kept::TooMany { retry_after } => write!(f, "too many keys are retired; one is gone in {retry_after} s"),
            Kept::NoNext(error) => write!(f, "there is no next key: {error}"),
            Kept::Another => f.write_str("the active key is another one by now"),
        }
    }
}

impl std::error::Error for Kept {}

#[cfg(test)]
mod tests {
    use super::*;

    const NOW: u64 = 1_800_000_000;
    const VERIFIES: u64 = 420;

    /// Makes keys, but no RSA key.
    struct Made;

    /// Has one key, whatever is asked for.
    struct One(Vec<u8>);

    impl Source for Made {
        fn key(&self, algorithm: Algorithm) -> Result<SigningKey, KeyError> {
            SigningKey::generate(algorithm)
        }
    }

    impl Source for One {
        fn key(&self, algorithm: Algorithm) -> Result<SigningKey, KeyError> {
            SigningKey::from_pkcs8(algorithm, &self.0)
        }
    }

    fn start() -> Vec<StoredKey> {
        started(&[], NOW, Algorithm::EdDSA, &Made).expect("keys can be made")
    }

    fn rotate(keys: &[StoredKey], now: u64) -> Result<Vec<StoredKey>, Kept> {
        rotated(keys, now, VERIFIES, None, Algorithm::EdDSA, &Made)
    }

    fn in_state<'a>(keys: &'a [StoredKey], name: &str) -> Vec<&'a str> {
        keys.iter().filter(|key| key.state.name() == name).map(|key| key.kid.as_str()).collect()
    }

    #[test]
    fn a_start_makes_what_is_missing_and_nothing_else() {
        let keys = start();
        assert_eq!((in_state(&keys, "active").len(), in_state(&keys, "next").len(), keys.len()), (1, 1, 2));
        assert_eq!(started(&keys, NOW + 1, Algorithm::EdDSA, &Made), Ok(keys.clone()));
        let other = started(&keys, NOW + 1, Algorithm::ES256, &Made).expect("keys can be made");
        assert_eq!(in_state(&other, "active"), in_state(&keys, "active"), "what signs goes on");
        assert_ne!(in_state(&other, "next"), in_state(&keys, "next"));
    }

    #[test]
    fn a_rotation_moves_each_key_one_on() {
        let keys = start();
        let turned = rotate(&keys, NOW + 5).expect("a rotation");
        assert_eq!(in_state(&turned, "active"), in_state(&keys, "next"));
        assert_eq!(in_state(&turned, "retired"), in_state(&keys, "active"));
        assert_eq!(in_state(&turned, "next").len(), 1);
        let retired = turned.iter().find(|key| key.state.name() == "retired").expect("one");
        assert_eq!((retired.state, retired.since), (State::Retired { until: NOW + 5 + VERIFIES }, NOW + 5));
        let again = rotate(&turned, NOW + 6).expect("a rotation");
        let same = again.iter().find(|key| key.kid == retired.kid).expect("it verifies still");
        assert_eq!(same, retired, "a second rotation changes nothing of it");
    }

    #[test]
    fn a_key_is_gone_when_the_last_token_it_signed_has_expired() {
        let turned = rotate(&start(), NOW).expect("a rotation");
        let count = |now| started(&turned, now, Algorithm::EdDSA, &Made).expect("keys").len();
        assert_eq!((count(NOW + VERIFIES - 1), count(NOW + VERIFIES)), (3, 2));
    }

    #[test]
    fn of_two_rotations_of_one_key_one_happens() {
        let keys = start();
        let active = in_state(&keys, "active")[0];
        let by_name = |keys: &[StoredKey]| rotated(keys, NOW, VERIFIES, Some(active), Algorithm::EdDSA, &Made);
        let turned = by_name(&keys).expect("the first one");
        assert_eq!(by_name(&turned), Err(Kept::Another));
    }

    #[test]
    fn who_rotates_without_end_is_refused_and_told_how_long() {
        let mut keys = start();
        let refused = (0..100).find_map(|second| match rotate(&keys, NOW + second) {
            Ok(turned) => {
                keys = turned;
                None
            }
            Err(refused) => Some((second, refused)),
        });
        let Some((second, Kept::TooMany { retry_after })) = refused else { panic!("{refused:?}") };
        assert_eq!((keys.len(), second + retry_after), (KEYS_MAX, VERIFIES));
        assert!(rotate(&keys, NOW + second + retry_after).is_ok());
    }

    #[test]
    fn another_algorithm_comes_in_as_the_next_key() {
        let mut keys = start();
        for expected in [Algorithm::EdDSA, Algorithm::HS256] {
            keys = rotated(&keys, NOW, VERIFIES, None, Algorithm::HS256, &Made).expect("a rotation");
            let active = keys.iter().find(|key| key.state == State::Active).expect("one");
            assert_eq!(active.algorithm, expected);
        }
    }

    #[test]
    fn what_cannot_be_made_does_not_take_the_place_of_what_is_there() {
        assert!(matches!(started(&[], NOW, Algorithm::RS256, &Made), Err(Kept::NoNext(_))));
        let one = One(SigningKey::generate(Algorithm::ES256).expect("a key").to_pkcs8().to_vec());
        let keys = started(&[], NOW, Algorithm::ES256, &one).expect("there is one");
        assert_eq!((keys.len(), keys[0].state), (1, State::Active));
        let refused = rotated(&keys, NOW, VERIFIES, None, Algorithm::ES256, &one);
        assert!(matches!(refused, Err(Kept::NoNext(_))), "{refused:?}");
        let turned = rotated(&keys, NOW, VERIFIES, None, Algorithm::EdDSA, &Made).expect("another source has one");
        assert_eq!((in_state(&turned, "active").len(), in_state(&turned, "retired")), (1, vec![keys[0].kid.as_str()]));
    }

    #[test]
    fn private_keys_are_not_shown() {
        let keys = start();
        let shown = format!("{keys:?}");
        assert!(!shown.contains("private") && shown.len() < 300, "{shown}");
    }
}
