//! Owns the life of a signing key, and what a rotation does.
//!
//! ```text
//!   next ───rotate───> active ───rotate───> retired ───the last token it signed has expired───> gone
//!   published          signs                verifies
//! ```
//!
//! The one idea: a key is published before it signs, for as long as any verifier may keep the list without asking, and stays
//! published for as long as anything that it has signed may be shown. So no verifier meets a key that it could not have
//! known, and a rotation refuses nobody. Who rotates sooner is told to wait.
//!
//! That is for keys that are well. One that was stolen is [`withdrawn`]: it is gone at once with all that lay
//! beside it, and what they have signed is refused by whoever asks for the list again.
//!
//! All rules are here, as functions from the list of keys to the next list; a store applies them under its lock, so that ten
//! nodes that start at once, or two that rotate, do it one behind the other.
//!
//! Each key has its algorithm for life. Another one comes in as the next key is made, and signs after the rotation behind that.
//!
//! Spec: RFC 7517 4.5 (`kid`), 5 (a set of keys, for the time of a change).
//! Never: shows a private key; lets a key sign that is not active.
//! Invariants: one key is active, at most one is next; names are unique.
//! Limits: [`KEYS_MAX`], [`PUBLISH_SECONDS`].

use std::fmt;

use crate::jwt::{Algorithm, KeyError, SigningKey};

/// Keys that are kept at a time. Who rotates faster than they go is refused.
pub const KEYS_MAX: usize = 16;

/// For how long the list may be kept without asking, by whoever is told so in its `Cache-Control`.
pub const LIST_KEPT_SECONDS: u64 = 300;

/// For how long a key is published before it signs: a verifier that asks each minute, by way of a cache that had the list
/// already, has it then.
pub const PUBLISH_SECONDS: u64 = LIST_KEPT_SECONDS + 60;

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

/// Which rotation is wanted.
#[derive(Clone, Copy, Debug)]
pub struct Turn<'a> {
    /// Seconds for which a key verifies when it has ceased to sign.
    pub verifies: u64,
    /// The key that is to be rotated; any, if it is not named.
    pub active: Option<&'a str>,
    /// What the key behind the next one is made with. Named, it has to be made.
    pub behind: Option<Algorithm>,
    /// What it is made with otherwise, if it can be.
    pub usual: Algorithm,
}

/// Why keys stay as they are.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kept {
    /// The next key was not published for long enough: there are verifiers that have not seen it.
    TooSoon {
        /// Seconds until it may sign.
        retry_after: u64,
    },
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
    let mut keys = filled(keys, now, algorithm, source)?;
    // One that has signed nothing yet gives way.
    if keys.iter().any(|key| key.state == State::Next && key.algorithm != algorithm)
        && let Ok(key) = another(&keys, algorithm, source)
    {
        keys.retain(|key| key.state != State::Next);
        keys.push(StoredKey::of(&key, State::Next, now));
    }
    Ok(keys)
}

/// The keys without those that are gone, and with those that are missing: one that signs, and one behind it of whatever
/// algorithm. The same keys where nothing is to be done.
///
/// # Errors
/// When there is no key at all, and none can be made.
pub fn filled(keys: &[StoredKey], now: u64, algorithm: Algorithm, source: &dyn Source) -> Result<Vec<StoredKey>, Kept> {
    let mut keys = living(keys, now);
    if !keys.iter().any(|key| key.state == State::Active) {
        let key = another(&keys, algorithm, source)?;
        keys.push(StoredKey::of(&key, State::Active, now));
    }
    // One that cannot be had now, an RSA key above all, can be before the next rotation.
    if !keys.iter().any(|key| key.state == State::Next)
        && let Ok(key) = another(&keys, algorithm, source)
    {
        keys.push(StoredKey::of(&key, State::Next, now));
    }
    Ok(keys)
}

/// The keys after a rotation. Keys change their places, or nothing changes.
///
/// # Errors
/// See [`Kept`].
pub fn rotated(keys: &[StoredKey], now: u64, turn: Turn<'_>, source: &dyn Source) -> Result<Vec<StoredKey>, Kept> {
    let mut keys = living(keys, now);
    let active = keys.iter().find(|key| key.state == State::Active);
    if turn.active.is_some_and(|kid| active.is_none_or(|key| key.kid != kid)) {
        return Err(Kept::Another);
    }
    if keys.len() >= KEYS_MAX {
        return Err(Kept::TooMany { retry_after: first_gone(&keys).saturating_sub(now).max(1) });
    }
    let next = keys.iter().find(|key| key.state == State::Next).ok_or(Kept::NoNext(KeyError::NotGenerated))?;
    let signs_from = published(&keys, next);
    if now < signs_from {
        return Err(Kept::TooSoon { retry_after: signs_from - now });
    }
    for key in keys.iter_mut().filter(|key| matches!(key.state, State::Next | State::Active)) {
        // Not shorter than the next one is published: while a retired one is there, these are not the first two.
        let until = now.saturating_add(turn.verifies.max(PUBLISH_SECONDS));
        key.state = if key.state == State::Next { State::Active } else { State::Retired { until } };
        key.since = now;
    }
    match (another(&keys, turn.behind.unwrap_or(turn.usual), source), turn.behind) {
        (Ok(key), _) => keys.push(StoredKey::of(&key, State::Next, now)),
        (Err(kept), Some(_)) => return Err(kept),
        // One that cannot be had now, an RSA key above all, can be before the next rotation.
        (Err(_), None) => {}
    }
    Ok(keys)
}

/// New keys of `algorithm` in place of all there are: who has read one of them has read them all.
///
/// # Errors
/// When none can be made that is not among those that are withdrawn.
pub fn withdrawn(
    keys: &[StoredKey],
    now: u64,
    algorithm: Algorithm,
    source: &dyn Source,
) -> Result<Vec<StoredKey>, Kept> {
    let active = StoredKey::of(&another(keys, algorithm, source)?, State::Active, now);
    filled(&[active], now, algorithm, source)
}

/// From when on `next` is known to every verifier. Who knows any of the first two keys of a list knows both: they were
/// published together.
fn published(keys: &[StoredKey], next: &StoredKey) -> u64 {
    let is_of_the_first =
        keys.iter().all(|key| matches!(key.state, State::Next | State::Active) && key.since == next.since);
    if is_of_the_first { next.since } else { next.since.saturating_add(PUBLISH_SECONDS) }
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
            Kept::TooSoon { retry_after } => write!(f, "the next key is not known everywhere for {retry_after} s"),
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

    const TURN: Turn<'_> = Turn { verifies: VERIFIES, active: None, behind: None, usual: Algorithm::EdDSA };

    fn rotate(keys: &[StoredKey], now: u64) -> Result<Vec<StoredKey>, Kept> {
        rotated(keys, now, TURN, &Made)
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
        let again = rotate(&turned, NOW + 5 + PUBLISH_SECONDS).expect("a rotation");
        let same = again.iter().find(|key| key.kid == retired.kid).expect("it verifies still");
        assert_eq!(same, retired, "a second rotation changes nothing of it");
    }

    #[test]
    fn a_key_that_a_verifier_may_not_have_seen_does_not_sign() {
        let keys = start();
        let turned = rotate(&keys, NOW).expect("the first two were published together");
        for second in [0, 1, PUBLISH_SECONDS - 1] {
            let kept = Kept::TooSoon { retry_after: PUBLISH_SECONDS - second };
            assert_eq!(rotate(&turned, NOW + second), Err(kept), "after {second} s");
        }
        let again = rotate(&turned, NOW + PUBLISH_SECONDS).expect("it was published for long enough");
        assert_eq!(in_state(&again, "active"), in_state(&turned, "next"));
        // One that took the place of another one is as new as that one was.
        let other = started(&keys, NOW + 50, Algorithm::ES256, &Made).expect("keys can be made");
        assert_eq!(rotate(&other, NOW + 51), Err(Kept::TooSoon { retry_after: PUBLISH_SECONDS - 1 }));
        let lonely: Vec<StoredKey> = keys.iter().filter(|key| key.state == State::Active).cloned().collect();
        assert!(matches!(rotate(&lonely, NOW), Err(Kept::NoNext(_))), "none is made and signs in one step");
        let filled = filled(&lonely, NOW + 1, Algorithm::EdDSA, &Made).expect("keys can be made");
        assert_eq!(rotate(&filled, NOW + 1), Err(Kept::TooSoon { retry_after: PUBLISH_SECONDS }));
    }

    #[test]
    fn there_is_always_a_next_key_and_it_is_the_one_that_was_asked_for() {
        let asked = |algorithm| rotated(&start(), NOW, Turn { behind: Some(algorithm), ..TURN }, &Made);
        assert!(matches!(asked(Algorithm::RS256), Err(Kept::NoNext(_))), "nothing is rotated that cannot be filled");
        let turned = asked(Algorithm::ES256).expect("a rotation");
        // The retired one goes; what was asked for stays, and nothing is done twice.
        let later = filled(&turned, NOW + VERIFIES, Algorithm::EdDSA, &Made).expect("keys");
        assert_eq!((later.len(), in_state(&later, "next")), (2, in_state(&turned, "next")));
        assert_eq!(filled(&later, NOW + VERIFIES, Algorithm::EdDSA, &Made), Ok(later.clone()));
        let lonely: Vec<StoredKey> = later.iter().filter(|key| key.state == State::Active).cloned().collect();
        let again = filled(&lonely, NOW, Algorithm::EdDSA, &Made).expect("keys");
        assert_eq!((in_state(&again, "active"), in_state(&again, "next").len()), (in_state(&later, "active"), 1));
    }

    #[test]
    fn what_is_withdrawn_is_gone_at_once_and_new_ones_are_there() {
        let turned = rotate(&start(), NOW).expect("a rotation");
        let fresh = withdrawn(&turned, NOW + 1, Algorithm::EdDSA, &Made).expect("keys can be made");
        assert_eq!((in_state(&fresh, "active").len(), in_state(&fresh, "next").len(), fresh.len()), (1, 1, 2));
        assert!(fresh.iter().all(|key| turned.iter().all(|old| old.kid != key.kid)));
        let one = One(SigningKey::generate(Algorithm::ES256).expect("a key").to_pkcs8().to_vec());
        let keys = started(&[], NOW, Algorithm::ES256, &one).expect("there is one");
        let refused = withdrawn(&keys, NOW, Algorithm::ES256, &one);
        assert!(matches!(refused, Err(Kept::NoNext(_))), "the stolen one again");
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
        let by_name = |keys: &[StoredKey]| rotated(keys, NOW, Turn { active: Some(active), ..TURN }, &Made);
        let turned = by_name(&keys).expect("the first one");
        assert_eq!(by_name(&turned), Err(Kept::Another));
    }

    #[test]
    fn who_rotates_without_end_is_refused_and_told_how_long() {
        const LONG: u64 = 100_000;
        let rotate = |keys: &[StoredKey], now| rotated(keys, now, Turn { verifies: LONG, ..TURN }, &Made);
        let mut keys = start();
        let refused =
            (0..100).map(|turn| turn * PUBLISH_SECONDS).find_map(|second| match rotate(&keys, NOW + second) {
                Ok(turned) => {
                    keys = turned;
                    None
                }
                Err(refused) => Some((second, refused)),
            });
        let Some((second, Kept::TooMany { retry_after })) = refused else { panic!("{refused:?}") };
        assert_eq!((keys.len(), second + retry_after), (KEYS_MAX, LONG));
        assert!(rotate(&keys, NOW + second + retry_after).is_ok());
    }

    #[test]
    fn another_algorithm_comes_in_as_the_next_key() {
        let mut keys = start();
        for (turn, expected) in [(0, Algorithm::EdDSA), (1, Algorithm::HS256)] {
            let wanted = Turn { behind: Some(Algorithm::HS256), ..TURN };
            keys = rotated(&keys, NOW + turn * PUBLISH_SECONDS, wanted, &Made).expect("a rotation");
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
        let usual = Turn { usual: Algorithm::ES256, ..TURN };
        let refused = rotated(&keys, NOW, usual, &one);
        assert!(matches!(refused, Err(Kept::NoNext(_))), "{refused:?}");
        // Another source has one; behind it there is none, which is no reason not to change.
        let keys = started(&keys, NOW + 1, Algorithm::EdDSA, &Made).expect("keys");
        let turned = rotated(&keys, NOW + 1 + PUBLISH_SECONDS, usual, &one).expect("a rotation");
        assert_eq!((in_state(&turned, "active").len(), in_state(&turned, "retired").len(), turned.len()), (1, 1, 2));
    }

    #[test]
    fn private_keys_are_not_shown() {
        let keys = start();
        let shown = format!("{keys:?}");
        assert!(!shown.contains("private") && shown.len() < 300, "{shown}");
    }
}
