//! Keys come, are renewed, outlive their issuer for a while, and nobody's unknown key makes it be asked more than it
//! should be.

use std::sync::Mutex;
use std::sync::atomic::{AtomicUsize, Ordering};

use tokio::time::advance;

use super::*;
use crate::jwt::{Algorithm, Keys, SigningKey};

/// An issuer that says what it is told to, and counts.
#[derive(Clone, Default)]
struct Scripted {
    fetches: Arc<AtomicUsize>,
    keys: Arc<Mutex<Option<Jwks>>>,
}

impl Scripted {
    fn publish(&self, keys: &[&SigningKey]) {
        let keys: Vec<_> = keys.iter().map(|key| key.verifying()).collect();
        *self.keys.lock().expect("no panic") = Some(Jwks::of(&keys));
    }

    fn go_away(&self) {
        *self.keys.lock().expect("no panic") = None;
    }

    fn fetches(&self) -> usize {
        self.fetches.load(Ordering::Relaxed)
    }

    /// Keys of this issuer, which takes 100 ms to answer.
    fn cache(&self) -> KeyCache {
        let scripted = self.clone();
        let source = KeySource::new(move || {
            let scripted = scripted.clone();
            async move {
                scripted.fetches.fetch_add(1, Ordering::Relaxed);
                sleep(Duration::from_millis(100)).await;
                scripted.keys.lock().expect("no panic").clone().ok_or(FetchError::NoKeys)
            }
        });
        KeyCache::new(source, KeyCacheConfig::default())
    }
}

fn key() -> SigningKey {
    SigningKey::generate(Algorithm::EdDSA).expect("a key")
}

/// Lets the upkeep work through a span, a tenth of a second at a time.
async fn pass(span: Duration) {
    for _ in 0..span.as_millis() / 100 {
        advance(Duration::from_millis(100)).await;
        tokio::task::yield_now().await;
    }
}

#[tokio::test(start_paused = true)]
async fn the_first_request_waits_for_the_first_keys() {
    let (issuer, key) = (Scripted::default(), key());
    issuer.publish(&[&key]);
    let cache = issuer.cache();
    assert!(cache.check().is_err());
    let keys = cache.current().await.expect("keys");
    assert!(keys.key(key.kid()).is_some());
    assert_eq!((cache.check(), cache.state().keys, issuer.fetches()), (Ok(()), 1, 1));
}

#[tokio::test(start_paused = true)]
async fn without_an_issuer_there_are_no_keys_until_it_comes() {
    let issuer = Scripted::default();
    let cache = issuer.cache();
    let no_keys = NoKeys { retry_after: Duration::from_secs(1) };
    assert_eq!(cache.current().await.err(), Some(no_keys));
    assert!(cache.check().expect_err("no keys").starts_with("there are no keys: "), "{cache:?}");
    issuer.publish(&[&key()]);
    pass(Duration::from_millis(1_200)).await;
    assert!(cache.current().await.is_ok());
    issuer.publish(&[]);
    pass(Duration::from_secs(61)).await;
    assert_eq!(cache.state().keys, 1, "an empty set is a failure");
}

#[tokio::test(start_paused = true)]
async fn keys_are_renewed_and_withdrawn_ones_forgotten() {
    let (issuer, old, new) = (Scripted::default(), key(), key());
    issuer.publish(&[&old]);
    let cache = issuer.cache();
    cache.current().await.expect("keys");
    issuer.publish(&[&new]);
    pass(Duration::from_secs(61)).await;
    let keys = cache.current().await.expect("keys");
    assert!(keys.key(old.kid()).is_none() && keys.key(new.kid()).is_some());
    assert_eq!(issuer.fetches(), 2);
}

#[tokio::test(start_paused = true)]
async fn an_unknown_key_is_asked_for_once_whoever_shows_it() {
    let (issuer, old, new) = (Scripted::default(), key(), key());
    issuer.publish(&[&old]);
    let cache = issuer.cache();
    let seen = cache.current().await.expect("keys");
    issuer.publish(&[&old, &new]);
    pass(Duration::from_secs(5)).await;
    let many = (0..1_000).map(|_| {
        let (cache, seen) = (cache.clone(), Arc::clone(&seen));
        tokio::spawn(async move { cache.beyond(&seen).await })
    });
    for answer in many.collect::<Vec<_>>() {
        let keys = answer.await.expect("no panic").expect("the issuer is there").expect("newer keys");
        assert!(keys.key(new.kid()).is_some());
    }
    assert_eq!(issuer.fetches(), 2);
}

#[tokio::test(start_paused = true)]
async fn as_long_as_nobody_has_asked_nobody_says_that_a_key_is_unknown() {
    let (issuer, old, new) = (Scripted::default(), key(), key());
    issuer.publish(&[&old]);
    let cache = issuer.cache();
    let seen = cache.current().await.expect("keys");
    // New keys a moment after a fetch, and whoever invents names keeps it from being long ago.
    issuer.publish(&[&new]);
    let begun = Instant::now();
    let NoKeys { retry_after } = cache.beyond(&seen).await.expect_err("it is not known to be unknown");
    assert_eq!((begun.elapsed(), retry_after, issuer.fetches()), (Duration::ZERO, Duration::from_secs(4), 1));
    pass(retry_after).await;
    let keys = cache.beyond(&seen).await.expect("it was worth coming again").expect("newer keys");
    assert!(keys.key(new.kid()).is_some());
}

#[tokio::test(start_paused = true)]
async fn an_issuer_that_hangs_knows_nothing() {
    let hangs = KeySource::new({
        let fetches = AtomicUsize::new(0);
        move || {
            let is_first = fetches.fetch_add(1, Ordering::Relaxed) == 0;
            async move {
                if !is_first {
                    sleep(Duration::from_secs(4)).await;
                }
                Ok(Jwks::of([&key().verifying()]))
            }
        }
    });
    let cache = KeyCache::new(hangs, KeyCacheConfig::default());
    let seen = cache.current().await.expect("keys");
    pass(Duration::from_secs(5)).await;
    let begun = Instant::now();
    assert!(cache.beyond(&seen).await.is_err(), "the fetch goes on, and has said nothing yet");
    assert!(begun.elapsed() < Duration::from_secs(3), "{:?}", begun.elapsed());
}

#[tokio::test(start_paused = true)]
async fn a_flood_of_invented_keys_makes_few_fetches() {
    let issuer = Scripted::default();
    issuer.publish(&[&key()]);
    let cache = issuer.cache();
    cache.current().await.expect("keys");
    let before = issuer.fetches();
    for _ in 0..3_000 {
        let seen = cache.current().await.expect("keys");
        let (flooding, patient) = (cache.clone(), cache.clone());
        let leaves = tokio::spawn(async move { flooding.beyond(&seen).await });
        tokio::task::yield_now().await;
        leaves.abort();
        drop(patient);
        advance(Duration::from_millis(10)).await;
    }
    let fetches = issuer.fetches() - before;
    assert!((5..=7).contains(&fetches), "{fetches} fetches in 30 s");
}

#[tokio::test(start_paused = true)]
async fn keys_outlive_their_issuer_for_an_hour() {
    let (issuer, key) = (Scripted::default(), key());
    issuer.publish(&[&key]);
    let cache = issuer.cache();
    let seen = cache.current().await.expect("keys");
    issuer.go_away();
    pass(Duration::from_secs(59 * 60)).await;
    assert!(cache.current().await.expect("still good").key(key.kid()).is_some());
    assert_eq!(cache.check(), Ok(()));
    assert!(cache.state().failure.is_some());
    assert!(cache.beyond(&seen).await.is_err(), "nobody can tell");
    pass(Duration::from_secs(2 * 60)).await;
    assert!(cache.current().await.is_err());
    assert!(cache.check().expect_err("too old").starts_with("the keys are 36"), "{cache:?}");
    issuer.publish(&[&key]);
    pass(Duration::from_millis(1_200)).await;
    assert!(cache.current().await.is_ok());
}

#[tokio::test(start_paused = true)]
async fn with_the_last_cache_the_fetching_ends() {
    let issuer = Scripted::default();
    issuer.publish(&[&key()]);
    let cache = issuer.cache();
    cache.current().await.expect("keys");
    drop(cache);
    pass(Duration::from_secs(120)).await;
    assert_eq!(issuer.fetches(), 1);
}
