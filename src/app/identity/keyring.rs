//! Owns the signing keys as this node knows them, and how it learns of others.
//!
//! ```text
//!   store ──each second, or on a key that is not known──> Ring: one that signs, all that verify, the document
//!     ^                                                     │
//!     └── start, rotate: under the store's lock             └──> sign · verify · publish, without asking anybody
//! ```
//!
//! The one idea: a ring is read whole and never changed, so whoever signs or verifies holds one list and no lock.
//!
//! A node that cannot reach the store goes on with what it knows, for [`STALE_TIME`]: then another node may have rotated, and
//! it would sign with a key whose end is fixed already. A retired key verifies for that much longer, so that what was signed
//! meanwhile is valid to its end.
//!
//! Keys that can be read are used at once; what is to be changed of them (one that is gone, one that is old) waits for the
//! store's lock, and nobody waits for that. A read that failed has failed for all who were waiting for it.
//!
//! Never: asks the store more than once at a time, nor more often than [`READ_TIME`] because of a key that a client has made up;
//! holds a request longer than [`PATIENCE`] for its keys.

use std::fmt;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use tokio::time::{Instant, timeout};

use crate::app::identity::clock::Clock;
use crate::app::identity::domain::keys::{self, Kept, Source, State, StoredKey, Turn};
use crate::app::identity::store::{ChangeError, Store, StoreError};
use crate::crypto::{self, TokenHash};
use crate::db::PATIENCE;
use crate::jwt::{Algorithm, Jwks, KeyError, Keys, SigningKey, VerifyingKey};
use crate::net::lock::lock;

/// How often the store is asked for its keys. Another node's rotation is known within this.
pub const READ_TIME: Duration = Duration::from_secs(1);

/// For how long keys are used to sign without having been seen in the store.
pub const STALE_TIME: Duration = Duration::from_secs(30);

/// For how long a read that failed is the answer to whoever asks next.
const FAILED_TIME: Duration = Duration::from_millis(100);

/// Which keys are made, and how long one signs.
#[derive(Clone)]
pub struct KeysConfig {
    /// The algorithm of keys that are made. Default: EdDSA.
    pub algorithm: Algorithm,
    /// A private RSA key in PEM, as `openssl genpkey` writes it: RSA keys are not made here. Default: none.
    pub rsa_pem: Option<String>,
    /// After so long a key is rotated without being told to. Default: 30 days.
    pub life: Duration,
}

impl Default for KeysConfig {
    fn default() -> Self {
        const DAY: Duration = Duration::from_secs(24 * 60 * 60);
        KeysConfig { algorithm: Algorithm::EdDSA, rsa_pem: None, life: 30 * DAY }
    }
}

impl fmt::Debug for KeysConfig {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let KeysConfig { algorithm, rsa_pem, life } = self;
        let rsa_pem = rsa_pem.as_ref().map(|_| "***");
        f.debug_struct("KeysConfig")
            .field("algorithm", algorithm)
            .field("rsa_pem", &rsa_pem)
            .field("life", life)
            .finish()
    }
}

impl Source for KeysConfig {
    fn key(&self, algorithm: Algorithm) -> Result<SigningKey, KeyError> {
        match (algorithm, &self.rsa_pem) {
            (Algorithm::RS256, Some(pem)) => SigningKey::from_pem(algorithm, pem),
            _ => SigningKey::generate(algorithm),
        }
    }
}

/// The keys of a node.
pub(super) struct Keyring {
    config: KeysConfig,
    /// Seconds for which a key verifies when it has ceased to sign.
    verifies: u64,
    store: Store,
    clock: Clock,
    known: Mutex<Known>,
    reading: tokio::sync::Mutex<()>,
}

#[derive(Default)]
struct Known {
    ring: Arc<Ring>,
    read: Option<Instant>,
    /// Whether this node has looked after the keys once, as it does at its start.
    is_started: bool,
    failed: Option<(Instant, Unread)>,
}

/// Why keys were not read, for everybody who waits for them.
#[derive(Clone)]
enum Unread {
    Unavailable(Arc<str>),
    Failed(Arc<str>),
}

/// All keys at one moment.
#[derive(Default)]
pub(super) struct Ring {
    stored: Vec<StoredKey>,
    signing: Option<SigningKey>,
    verifying: Vec<VerifyingKey>,
    jwks: Jwks,
    document: String,
    tag: String,
}

impl Keyring {
    /// The keys in `store`. An access token lives for `access_time` at most, and clocks differ by `leeway`.
    pub fn new(config: KeysConfig, store: Store, clock: Clock, access_time: Duration, leeway: Duration) -> Keyring {
        let verifies = (access_time + leeway + STALE_TIME).as_secs() + 1;
        Keyring { config, verifies, store, clock, known: Mutex::default(), reading: tokio::sync::Mutex::default() }
    }

    /// The keys as they are known, which may be none.
    pub fn ring(&self) -> Arc<Ring> {
        Arc::clone(&lock(&self.known).ring)
    }

    /// The keys, one of which may sign.
    ///
    /// # Errors
    /// A store that was not there for [`STALE_TIME`], or never; one that has not answered within [`PATIENCE`].
    pub async fn signing(&self) -> Result<Arc<Ring>, StoreError> {
        match timeout(PATIENCE, self.read_within(STALE_TIME)).await {
            Ok(Err(error)) => Err(error),
            Ok(Ok(())) => Ok(self.ring()),
            // They may have been read, and be waiting for a change.
            Err(_) if self.is_fresh(STALE_TIME) => Ok(self.ring()),
            Err(_) => Err(StoreError::Unavailable("the keys were not read in time".into())),
        }
    }

    /// The keys, not older than `age`, read again where they are. Takes as long as the store does.
    ///
    /// # Errors
    /// A store that does not answer.
    ///
    /// # Cancel safety
    /// The keys are read by whoever asks next.
    pub async fn read_within(&self, age: Duration) -> Result<(), StoreError> {
        if self.is_fresh(age) {
            return Ok(());
        }
        let asked = Instant::now();
        let _reading = self.reading.lock().await;
        // Another one may have read them while this one waited, or have been told that they cannot be.
        if self.is_fresh(age) {
            return Ok(());
        }
        if let Some((at, unread)) = lock(&self.known).failed.clone()
            && (at >= asked || at.elapsed() < FAILED_TIME)
        {
            return Err(unread.into());
        }
        let read = self.read().await;
        let failed = read.as_ref().err().map(|error| (Instant::now(), Unread::of(error)));
        lock(&self.known).failed = failed;
        read
    }

    fn is_fresh(&self, age: Duration) -> bool {
        lock(&self.known).read.is_some_and(|read| read.elapsed() < age)
    }

    /// Rotates the active key. Behind the next one, a key of `behind` is made, or one of the usual kind.
    ///
    /// # Errors
    /// Why the keys stay as they are; a store that does not answer.
    pub async fn rotate(&self, behind: Option<Algorithm>) -> Result<Arc<Ring>, ChangeError> {
        let (now, source, turn) = (self.clock.now(), self.config.clone(), Turn { behind, ..self.turn() });
        self.change(move |keys| keys::rotated(keys, now, turn, &source)).await?;
        Ok(self.ring())
    }

    /// Makes new keys of `algorithm`, or of the usual kind, in place of all that there are.
    ///
    /// # Errors
    /// Why the keys stay as they are; a store that does not answer.
    pub async fn withdraw(&self, algorithm: Option<Algorithm>) -> Result<Arc<Ring>, ChangeError> {
        let (now, source) = (self.clock.now(), self.config.clone());
        let algorithm = algorithm.unwrap_or(source.algorithm);
        self.change(move |keys| keys::withdrawn(keys, now, algorithm, &source)).await?;
        Ok(self.ring())
    }

    async fn read(&self) -> Result<(), StoreError> {
        let stored = self.store.keys().await?;
        let now = self.clock.now();
        let Some(active) = stored.iter().find(|key| key.state == State::Active) else { return self.start(now).await };
        self.learn(keys::living(&stored, now))?;
        let is_started = lock(&self.known).is_started;
        let cared = match active.since.saturating_add(self.config.life.as_secs()) <= now {
            _ if !is_started => self.start(now).await,
            true if self.may_turn(&stored, &active.kid, now) => self.rotate_old(&active.kid, now).await,
            _ => self.fill(&stored, now).await,
        };
        if let Err(error) = cared {
            tracing::debug!(%error, "the keys are used as they are, and were to be changed");
        }
        Ok(())
    }

    async fn start(&self, now: u64) -> Result<(), StoreError> {
        let source = self.config.clone();
        self.change(move |keys| keys::started(keys, now, source.algorithm, &source)).await?;
        lock(&self.known).is_started = true;
        Ok(())
    }

    /// Puts in what is missing and takes out what is gone. The lock is taken only where there is something to do.
    async fn fill(&self, stored: &[StoredKey], now: u64) -> Result<(), StoreError> {
        let source = self.config.clone();
        let fill = move |keys: &[StoredKey]| keys::filled(keys, now, source.algorithm, &source);
        if fill(stored).is_ok_and(|filled| filled != stored) {
            self.change(fill).await?;
        }
        Ok(())
    }

    /// Whether a rotation of the key called `kid` has a chance. An RSA key for which there is no other one goes on signing.
    fn may_turn(&self, stored: &[StoredKey], kid: &str, now: u64) -> bool {
        keys::rotated(stored, now, Turn { active: Some(kid), ..self.turn() }, &self.config).is_ok()
    }

    /// Rotates a key that has signed for long enough, unless somebody else has.
    async fn rotate_old(&self, kid: &str, now: u64) -> Result<(), StoreError> {
        let (source, turn) = (self.config.clone(), self.turn());
        let change = move |keys: &[StoredKey]| keys::rotated(keys, now, Turn { active: Some(kid), ..turn }, &source);
        match self.change(change).await {
            // The next read has what somebody else has made of them.
            Err(ChangeError::Kept(_)) => Ok(()),
            changed => Ok(changed?),
        }
    }

    fn turn(&self) -> Turn<'static> {
        Turn { verifies: self.verifies, active: None, behind: None, usual: self.config.algorithm }
    }

    async fn change<F>(&self, change: F) -> Result<(), ChangeError>
    where
        F: FnOnce(&[StoredKey]) -> Result<Vec<StoredKey>, Kept> + Send,
    {
        let stored = self.store.change_keys(change).await?;
        Ok(self.learn(stored)?)
    }

    fn learn(&self, stored: Vec<StoredKey>) -> Result<(), StoreError> {
        let ring = self.ring();
        let is_same = ring.signing.is_some() && ring.stored == stored;
        let ring = if is_same { ring } else { Arc::new(Ring::of(stored)?) };
        let mut known = lock(&self.known);
        (known.ring, known.read) = (ring, Some(Instant::now()));
        Ok(())
    }
}

impl Unread {
    fn of(error: &StoreError) -> Unread {
        let words = error.to_string().into();
        if let StoreError::Failed(_) = error { Unread::Failed(words) } else { Unread::Unavailable(words) }
    }
}

impl From<Unread> for StoreError {
    fn from(unread: Unread) -> StoreError {
        match unread {
            Unread::Unavailable(words) => StoreError::Unavailable(words.to_string().into()),
            Unread::Failed(words) => StoreError::Failed(words.to_string().into()),
        }
    }
}

impl Ring {
    fn of(mut stored: Vec<StoredKey>) -> Result<Ring, StoreError> {
        // A store may give them in any order.
        stored.sort_by(|one, other| one.kid.cmp(&other.kid));
        let (mut signing, mut verifying) = (None, Vec::new());
        for stored in &stored {
            let key = match SigningKey::from_pkcs8(stored.algorithm, &stored.private) {
                Ok(key) => key,
                Err(error) if stored.state == State::Active => {
                    return Err(StoreError::Failed(format!("key {}: {error}", stored.kid).into()));
                }
                // What it has signed is refused; that is no reason to refuse all else.
                Err(error) => {
                    tracing::error!(kid = stored.kid, %error, "a key that does not sign cannot be read: it is passed over");
                    continue;
                }
            };
            verifying.push(key.verifying());
            if stored.state == State::Active {
                signing = Some(key);
            }
        }
        let jwks = Jwks::of(&verifying);
        let document = jwks.to_json();
        // The same at each node that has these keys.
        let tag = format!("\"{}\"", &TokenHash::of_bytes(crypto::sha256(document.as_bytes())).to_string()[..16]);
        Ok(Ring { stored, signing, verifying, jwks, document, tag })
    }

    /// The key that signs.
    pub fn signing(&self) -> Option<&SigningKey> {
        self.signing.as_ref()
    }

    /// The public keys.
    pub fn jwks(&self) -> &Jwks {
        &self.jwks
    }

    /// The public keys as a document, and its entity tag.
    pub fn document(&self) -> (&str, &str) {
        (&self.document, &self.tag)
    }

    /// The keys with their states: first the one that signs.
    pub fn listed(&self) -> Vec<&StoredKey> {
        let rank = |key: &StoredKey| match key.state {
            State::Active => (0, 0),
            State::Next => (1, 0),
            State::Retired { until } => (2, u64::MAX - until),
        };
        let mut listed: Vec<&StoredKey> = self.stored.iter().collect();
        listed.sort_by_key(|key| rank(key));
        listed
    }
}

impl Keys for Ring {
    fn key(&self, kid: &str) -> Option<&VerifyingKey> {
        self.verifying.key(kid)
    }
}
