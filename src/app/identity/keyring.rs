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
//! Never: asks the store more than once at a time, nor more often than [`READ_TIME`] because of a key that a client has made up.

use std::fmt;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use tokio::time::Instant;

use crate::app::identity::clock::Clock;
use crate::app::identity::domain::keys::{self, Source, State, StoredKey};
use crate::app::identity::store::{ChangeError, Store, StoreError};
use crate::crypto::{self, TokenHash};
use crate::jwt::{Algorithm, Jwks, KeyError, Keys, SigningKey, VerifyingKey};
use crate::net::lock::lock;

/// How often the store is asked for its keys. Another node's rotation is known within this.
pub const READ_TIME: Duration = Duration::from_secs(1);

/// For how long keys are used to sign without having been seen in the store.
pub const STALE_TIME: Duration = Duration::from_secs(30);

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

#[derive(Clone, Default)]
struct Known {
    ring: Arc<Ring>,
    read: Option<Instant>,
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
    /// A store that was not there for [`STALE_TIME`], or never.
    pub async fn signing(&self) -> Result<Arc<Ring>, ChangeError> {
        self.read_within(STALE_TIME).await?;
        Ok(self.ring())
    }

    /// The keys, not older than `age`, read again where they are.
    ///
    /// # Errors
    /// A store that does not answer.
    pub async fn read_within(&self, age: Duration) -> Result<(), ChangeError> {
        let is_fresh = || lock(&self.known).read.is_some_and(|read| read.elapsed() < age);
        if is_fresh() {
            return Ok(());
        }
        let _reading = self.reading.lock().await;
        // Another one may have read them while this one waited.
        if is_fresh() { Ok(()) } else { self.read().await }
    }

    /// Rotates the active key. Behind the next one, a key of `algorithm` is made, or one of the usual kind.
    ///
    /// # Errors
    /// Why the keys stay as they are; a store that does not answer.
    pub async fn rotate(&self, algorithm: Option<Algorithm>) -> Result<Arc<Ring>, ChangeError> {
        let _reading = self.reading.lock().await;
        let algorithm = algorithm.unwrap_or(self.config.algorithm);
        let (now, verifies, source) = (self.clock.now(), self.verifies, self.config.clone());
        let change = move |keys: &[StoredKey]| keys::rotated(keys, now, verifies, None, algorithm, &source);
        let stored = self.store.change_keys(change).await?;
        self.learn(stored)?;
        Ok(self.ring())
    }

    async fn read(&self) -> Result<(), ChangeError> {
        let stored = self.store.keys().await?;
        let now = self.clock.now();
        let is_first = lock(&self.known).read.is_none();
        let active = stored.iter().find(|key| key.state == State::Active);
        let stored = match active {
            Some(active) if active.since.saturating_add(self.config.life.as_secs()) <= now => {
                self.rotate_old(active.kid.clone(), now).await?
            }
            Some(_) if !is_first && keys::living(&stored, now).len() == stored.len() => stored,
            _ => self.start(now).await?,
        };
        self.learn(stored)?;
        Ok(())
    }

    async fn start(&self, now: u64) -> Result<Vec<StoredKey>, ChangeError> {
        let source = self.config.clone();
        let change = move |keys: &[StoredKey]| keys::started(keys, now, source.algorithm, &source);
        self.store.change_keys(change).await
    }

    /// Rotates a key that has signed for long enough, unless somebody else has.
    async fn rotate_old(&self, kid: String, now: u64) -> Result<Vec<StoredKey>, ChangeError> {
        let (verifies, source) = (self.verifies, self.config.clone());
        let change =
            move |keys: &[StoredKey]| keys::rotated(keys, now, verifies, Some(&kid), source.algorithm, &source);
        match self.store.change_keys(change).await {
            // It goes on signing: an RSA key for which there is no other one, say.
            Err(ChangeError::Kept(_)) => Ok(self.store.keys().await?),
            changed => changed,
        }
    }

    fn learn(&self, stored: Vec<StoredKey>) -> Result<(), StoreError> {
        let ring = self.ring();
        let is_same = ring.signing.is_some() && ring.stored == stored;
        let ring = if is_same { ring } else { Arc::new(Ring::of(stored)?) };
        *lock(&self.known) = Known { ring, read: Some(Instant::now()) };
        Ok(())
    }
}

impl Ring {
    fn of(mut stored: Vec<StoredKey>) -> Result<Ring, StoreError> {
        // A store may give them in any order.
        stored.sort_by(|one, other| one.kid.cmp(&other.kid));
        let (mut signing, mut verifying) = (None, Vec::new());
        for stored in &stored {
            let key = SigningKey::from_pkcs8(stored.algorithm, &stored.private)
                .map_err(|error| StoreError::Failed(format!("key {}: {error}", stored.kid).into()))?;
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
