//! Owns the public keys of the issuer, as the services have them: fetched before they are needed, and kept while it is
//! away.
//!
//! ```text
//!               every minute, sooner while it fails, and when an unknown key is shown
//!   KeySource ──fetch── upkeep, one task ──> Known { keys, fetched, tried } ──> current(): every request, no waiting
//!                          └──<── wanted, at most once in five seconds ──<───── beyond(): waits for the next fetch
//! ```
//!
//! The one idea: requests read, one task fetches. However many show keys that nobody knows, there is one fetch at a
//! time and few in a minute; and no client that leaves takes a fetch with it.
//!
//! Spec: RFC 7517 5, RFC 9068 4 (keys are got from the issuer), RFC 8414 3 (by [`issuer`](super::issuer)).
//! Never: believes half of a set; fetches for a token that is not well-formed.
//! Limits: [`KeyCacheConfig`]; a set has at most [`JWKS_KEYS_MAX`](crate::jwt::JWKS_KEYS_MAX) keys.

use std::fmt;
use std::future::Future;
use std::pin::Pin;
use std::sync::Arc;
use std::time::Duration;

use tokio::sync::{Notify, watch};
use tokio::task::AbortHandle;
use tokio::time::{Instant, sleep, sleep_until, timeout};

use crate::app::services::issuer::{FetchError, Issuer};
use crate::http::client::Client;
use crate::jwt::Jwks;

/// When keys are fetched, and how long they are relied on.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct KeyCacheConfig {
    /// From one fetch to the next. Default: 60 s. Larger: a key that was withdrawn is relied on for longer.
    pub refresh: Duration,
    /// From a fetch that failed to the next, in the end; the first few times less, since an issuer that starts beside
    /// its services is there in a moment. Default: 1 s. Larger: an issuer that comes back is noticed later.
    pub retry: Duration,
    /// Between two fetches because of unknown keys. Default: 5 s. Larger: a new key is learnt later; smaller: whoever
    /// invents names of keys makes us ask the issuer more often.
    pub unknown: Duration,
    /// For how long a request waits for a fetch, and before that until it is time for one. Default: 1 s. Larger: the issuer's slowness is that of its services.
    pub wait: Duration,
    /// How old keys may be that verify. Default: 1 h. Larger: a service outlives its issuer for longer, and relies for
    /// longer on keys that may have been withdrawn meanwhile.
    pub age_max: Duration,
}

impl Default for KeyCacheConfig {
    fn default() -> Self {
        KeyCacheConfig {
            refresh: Duration::from_secs(60),
            retry: Duration::from_secs(1),
            unknown: Duration::from_secs(5),
            wait: Duration::from_secs(1),
            age_max: Duration::from_secs(60 * 60),
        }
    }
}

/// Half of the pause behind the first fetch that failed; it doubles with each.
const RETRY_FIRST: Duration = Duration::from_millis(25);

/// Failures in a row that are worth a line in the log.
const FAILURES_TOLD: u32 = 4;

/// Where keys are had from.
#[derive(Clone)]
pub struct KeySource(Arc<dyn Fn() -> Fetching + Send + Sync>);

type Fetching = Pin<Box<dyn Future<Output = Result<Jwks, FetchError>> + Send>>;

/// The keys. A clone is the same one; with the last one the fetching ends.
#[derive(Clone)]
pub struct KeyCache(Arc<Shared>);

struct Shared {
    config: KeyCacheConfig,
    known: Arc<watch::Sender<Known>>,
    wanted: Arc<Notify>,
    upkeep: AbortHandle,
}

/// What is known at a time.
#[derive(Clone, Debug, Default)]
struct Known {
    keys: Option<Arc<Jwks>>,
    /// When the keys were fetched.
    fetched: Option<Instant>,
    /// When fetching was last tried.
    tried: Option<Instant>,
    /// Why that failed.
    failure: Option<String>,
    /// How often in a row.
    failures: u32,
}

/// There are no keys that may be relied on.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct NoKeys {
    /// When there may be some.
    pub retry_after: Duration,
}

/// What there is, for whoever watches over it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct KeyState {
    /// Keys that verify.
    pub keys: usize,
    /// How old they are.
    pub age: Option<Duration>,
    /// Why the last fetch failed, if it did.
    pub failure: Option<String>,
}

impl KeySource {
    /// Keys of the same process, which may have to look for them.
    pub fn local<F, E>(keys: impl Fn() -> F + Send + Sync + 'static) -> KeySource
    where
        F: Future<Output = Result<Jwks, E>> + Send + 'static,
        E: fmt::Display,
    {
        KeySource::new(move || {
            let keys = keys();
            async { keys.await.map_err(|error| FetchError::Local(error.to_string())) }
        })
    }

    /// The keys that an issuer publishes.
    pub fn remote(issuer: Issuer, client: Client) -> KeySource {
        let issuer = Arc::new(issuer);
        KeySource::new(move || {
            let (issuer, client) = (Arc::clone(&issuer), client.clone());
            async move { issuer.fetch(&client).await }
        })
    }

    fn new<F>(fetch: impl Fn() -> F + Send + Sync + 'static) -> KeySource
    where
        F: Future<Output = Result<Jwks, FetchError>> + Send + 'static,
    {
        KeySource(Arc::new(move || Box::pin(fetch())))
    }
}

impl KeyCache {
    /// The keys of `source`, which are fetched from now on.
    ///
    /// # Panics
    /// Outside of a tokio runtime.
    pub fn new(source: KeySource, config: KeyCacheConfig) -> KeyCache {
        let (known, wanted) = (Arc::new(watch::Sender::new(Known::default())), Arc::new(Notify::new()));
        let task = upkeep(source, config.clone(), Arc::clone(&known), Arc::clone(&wanted));
        let upkeep = tokio::spawn(task).abort_handle();
        KeyCache(Arc::new(Shared { config, known, wanted, upkeep }))
    }

    /// The keys, for a token that was just shown. Waits only for the very first fetch.
    ///
    /// # Errors
    /// [`NoKeys`], when none were ever fetched, or too long ago.
    pub async fn current(&self) -> Result<Arc<Jwks>, NoKeys> {
        let mut changes = self.0.known.subscribe();
        if changes.borrow().tried.is_none() {
            let _ = timeout(self.0.config.wait, changes.changed()).await;
        }
        changes.borrow().usable(&self.0.config).ok_or(NoKeys { retry_after: self.0.config.retry })
    }

    /// Keys that are newer than `seen`, which lacks one. Waits for a fetch, if it is time for one, or soon will be. None
    /// where the issuer was asked since and has no others.
    ///
    /// # Errors
    /// [`NoKeys`], when the issuer was not asked, or has not answered in time: nobody knows then whether the key exists.
    pub async fn beyond(&self, seen: &Arc<Jwks>) -> Result<Option<Arc<Jwks>>, NoKeys> {
        // What is published from here on counts as a change.
        let mut changes = self.0.known.subscribe();
        let KeyCacheConfig { unknown, wait, .. } = self.0.config;
        let due = {
            let known = changes.borrow();
            if let Some(keys) = known.usable(&self.0.config).filter(|_| known.is_newer_than(seen)) {
                return Ok(Some(keys));
            }
            known.tried.map_or(Duration::ZERO, |tried| unknown.saturating_sub(tried.elapsed()))
        };
        // Whoever cannot wait until it is time leaves no wish behind.
        let was_asked = due <= wait && {
            self.0.wanted.notify_one();
            timeout(due + wait, changes.changed()).await.is_ok()
        };
        let known = changes.borrow();
        match known.usable(&self.0.config) {
            Some(keys) if known.is_newer_than(seen) => Ok(Some(keys)),
            Some(_) if was_asked && known.failure.is_none() => Ok(None),
            // Who comes again then finds that it is about time.
            _ => Err(NoKeys { retry_after: due.saturating_sub(wait).max(self.0.config.retry) }),
        }
    }

    /// What there is.
    pub fn state(&self) -> KeyState {
        let known = self.0.known.borrow();
        let keys = known.usable(&self.0.config).map_or(0, |keys| keys.keys().len());
        KeyState { keys, age: known.fetched.map(|fetched| fetched.elapsed()), failure: known.failure.clone() }
    }

    /// Whether tokens can be verified: for readiness.
    ///
    /// # Errors
    /// Why not.
    pub fn check(&self) -> Result<(), String> {
        let state = self.state();
        if state.keys > 0 {
            return Ok(());
        }
        let why = state.failure.unwrap_or_else(|| "they were not fetched yet".to_owned());
        Err(match state.age {
            Some(age) => format!("the keys are {} s old: {why}", age.as_secs()),
            None => format!("there are no keys: {why}"),
        })
    }
}

impl Known {
    fn usable(&self, config: &KeyCacheConfig) -> Option<Arc<Jwks>> {
        let is_young = self.fetched.is_some_and(|fetched| fetched.elapsed() <= config.age_max);
        self.keys.clone().filter(|_| is_young)
    }

    fn is_newer_than(&self, seen: &Arc<Jwks>) -> bool {
        self.keys.as_ref().is_some_and(|keys| !Arc::ptr_eq(keys, seen))
    }

    /// What is known when this fetch has ended now.
    fn after(&self, fetched: Result<Jwks, FetchError>) -> Known {
        let now = Some(Instant::now());
        match fetched {
            Ok(keys) if keys.keys().is_empty() => self.failed(FetchError::NoKeys),
            Ok(keys) => Known { keys: Some(Arc::new(keys)), fetched: now, tried: now, ..Known::default() },
            Err(error) => self.failed(error),
        }
    }

    fn failed(&self, error: FetchError) -> Known {
        let failures = self.failures.saturating_add(1);
        if failures == FAILURES_TOLD {
            tracing::warn!(%error, "the issuer's keys cannot be fetched");
        }
        Known { tried: Some(Instant::now()), failure: Some(error.to_string()), failures, ..self.clone() }
    }

    /// Until the next fetch.
    fn pause(&self, config: &KeyCacheConfig) -> Duration {
        match self.failures {
            0 => config.refresh,
            failures => config.retry.min(RETRY_FIRST.saturating_mul(1 << failures.min(10))),
        }
    }
}

/// Fetches for as long as there is a cache.
async fn upkeep(source: KeySource, config: KeyCacheConfig, known: Arc<watch::Sender<Known>>, wanted: Arc<Notify>) -> ! {
    loop {
        let fetched = (source.0)().await;
        let after = known.borrow().after(fetched);
        let pause = after.pause(&config);
        let earliest = Instant::now() + config.unknown;
        known.send_replace(after);
        tokio::select! {
            () = sleep(pause) => {}
            () = async { wanted.notified().await; sleep_until(earliest).await } => {}
        }
    }
}

impl Drop for Shared {
    fn drop(&mut self) {
        self.upkeep.abort();
    }
}

impl fmt::Debug for KeySource {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("KeySource")
    }
}

impl fmt::Debug for KeyCache {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("KeyCache").field(&self.state()).finish()
    }
}

#[cfg(test)]
mod tests;
