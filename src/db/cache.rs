//! Owns copies in Redis of what a database would have to be asked for again: cache-aside.
//!
//! ```text
//!   read ──> owed? ──no──> GET ──value──> answer
//!              │yes         └─nothing, or no Redis─> flight: LEASE ── load ── FILL, if the lease is still there ──> answer
//!              └────────────────────────────────────>        └ somebody was faster: his value
//!   write: change() ── the database commits ── end(): DEL          DEL takes values and leases alike
//! ```
//!
//! The one idea: the database is right, and a copy may only be left where nothing has changed since it was read. So the reader
//! takes a lease before he asks the database, an invalidation deletes it, and a copy without its lease is not kept.
//!
//! What holds while Redis answers: after [`Cache::invalidate`] has returned, no read that begins gives what was there before the
//! change, on any node. What holds otherwise: this node reads the keys that Redis could not be told of from the database until
//! it was told; other nodes may read an old copy meanwhile. If this node dies before, or Redis comes back with what it had on
//! its disk, for no longer than [`CacheConfig::ttl`] after the copy was read from the database.
//!
//! Without a Redis nothing is kept, and the database is asked: memory of this process would not hear of the changes that other nodes
//! make, and what could be bounded by time alone would be wrong for that time.
//!
//! Never: fails because of Redis; waits for it again and again; keeps an error.
//! Limits: [`CacheConfig`].

mod entry;
mod flights;
mod owed;

use std::pin::Pin;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use bytes::Bytes;
use prometheus_client::metrics::gauge::Gauge;
use prometheus_client::registry::Registry;
use redis::cmd;
use tokio::task::JoinSet;
use tokio::time::Instant;

use super::presence::pause;
use super::tally::{Tally, outcomes};
use super::{Redis, Unavailable};
use crate::crypto;
use crate::net::lock::lock;
use entry::{Coding, Entry, Lease};
use flights::Flights;
use owed::Owed;

/// A key that is longer is never kept.
const KEY_BYTES_MAX: usize = 256;

/// For how long Redis is not asked after it was late. Upkeep finds out meanwhile whether it is there.
const LATE_TIME: Duration = Duration::from_millis(500);

/// What a cache is made with.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct CacheConfig {
    /// What is kept: a part of the keys in Redis, and of the names in `/metrics`.
    pub name: &'static str,
    /// Raised when values are written in another way: those of before are misses. Default: 0.
    pub shape: u8,
    /// How long a value is kept at most after it was asked for. Default: 60 s.
    pub ttl: Duration,
    /// The same for the word that there is none. Default: 5 s.
    pub negative_ttl: Duration,
    /// By what part of its time, at most and at random, a copy goes sooner: what came together does not go together. Default: 0.2.
    pub jitter: f64,
    /// How long a read waits for Redis. Default: 20 ms, so that a database that hangs as well is told of within 250 ms.
    pub patience: Duration,
    /// How long a load may take and be kept all the same. Default: 10 s.
    pub load_time: Duration,
    /// A larger value is not kept. Default: 256 KiB.
    pub value_bytes_max: usize,
    /// Of how many keys it is remembered that Redis has not been told. Default: 10,000.
    pub owed_max: usize,
}

impl Default for CacheConfig {
    fn default() -> Self {
        CacheConfig {
            name: "cache",
            shape: 0,
            ttl: Duration::from_secs(60),
            negative_ttl: Duration::from_secs(5),
            jitter: 0.2,
            patience: Duration::from_millis(20),
            load_time: Duration::from_secs(10),
            value_bytes_max: 256 * 1024,
            owed_max: 10_000,
        }
    }
}

/// A cache. Clones share it.
#[derive(Clone)]
pub struct Cache {
    shared: Arc<Shared>,
    /// Ends when the last handle goes.
    _upkeep: Arc<JoinSet<()>>,
}

struct Shared {
    redis: Option<Redis>,
    config: CacheConfig,
    coding: Coding,
    flights: Arc<Flights>,
    owed: Owed,
    /// Redis was late, and is not asked until then.
    late_until: Mutex<Option<Instant>>,
    reads: Tally,
    loads: Tally,
    fills: Tally,
    invalidations: Tally,
    keys_owed: Gauge,
}

/// A write that is at work. Its keys are not read from Redis until it is over.
#[must_use = "it is over when it ends, and given up when it is dropped"]
pub struct Change {
    shared: Arc<Shared>,
    keys: Vec<Arc<str>>,
    is_over: bool,
}

outcomes! {
    /// What a read has met.
    enum Read {
        Hit = "hit",
        Negative = "negative",
        Miss = "miss",
        /// Redis was not asked, or did not say.
        Bypass = "bypass",
    }
}

outcomes! {
    /// What has come of a load.
    enum Load {
        Done = "done",
        Failed = "failed",
    }
}

outcomes! {
    /// What has become of a copy.
    enum Fill {
        Kept = "kept",
        /// There was an invalidation meanwhile, or somebody was faster.
        Refused = "refused",
        TooLarge = "too_large",
        Failed = "failed",
    }
}

outcomes! {
    /// What Redis has heard of an invalidation.
    enum Told {
        AtOnce = "at_once",
        Owed = "owed",
        Later = "later",
    }
}

enum Look {
    Found(Option<Bytes>),
    Missing,
    Bypass,
}

impl Cache {
    /// A cache in `redis`. Without one, every read is a load.
    ///
    /// # Panics
    /// With a Redis: outside of a tokio runtime. When `jitter` is no part of 1.
    pub fn new(redis: Option<Redis>, config: CacheConfig) -> Cache {
        assert!((0.0..=1.0).contains(&config.jitter), "a part of the time");
        let shared = Arc::new(Shared {
            redis,
            config,
            coding: Coding { shape: config.shape },
            flights: Arc::default(),
            owed: Owed::new(config.owed_max, config.ttl.max(config.negative_ttl)),
            late_until: Mutex::default(),
            reads: Tally::of::<Read>(),
            loads: Tally::of::<Load>(),
            fills: Tally::of::<Fill>(),
            invalidations: Tally::of::<Told>(),
            keys_owed: Gauge::default(),
        });
        let mut tasks = JoinSet::new();
        if let Some(redis) = shared.redis.clone() {
            tasks.spawn(pay(Arc::clone(&shared), redis));
        }
        Cache { shared, _upkeep: Arc::new(tasks) }
    }

    /// What is kept under `key`, or what `load` gives, which is then kept. `None` is kept as well: there is no such thing.
    ///
    /// Readers of one key share a load that begins after they have asked, in a task of its own. A load that fails is shared
    /// with nobody: each of the others then has his own, with his own deadline.
    ///
    /// # Errors
    /// Those of `load`, and none of Redis.
    ///
    /// # Cancel safety
    /// Nothing is lost when it is dropped. A load goes on as long as anybody waits for it.
    pub async fn read<E: Send + 'static>(
        &self,
        key: &str,
        load: impl Future<Output = Result<Option<Bytes>, E>> + Send + 'static,
    ) -> Result<Option<Bytes>, E> {
        let shared = &self.shared;
        let Some(key) = shared.key(key).filter(|_| shared.redis.is_some()) else {
            shared.reads.add(Read::Bypass);
            return shared.loaded(load).await;
        };
        let read = match shared.look(&key).await {
            Look::Found(answer) => {
                shared.reads.add(if answer.is_some() { Read::Hit } else { Read::Negative });
                return Ok(answer);
            }
            Look::Missing => Read::Miss,
            Look::Bypass => Read::Bypass,
        };
        shared.reads.add(read);
        // Whoever flies takes his own load with him: when the flight that he is on fails, he needs it still.
        let load = Arc::new(Mutex::new(Some(Box::pin(load))));
        let flying = Arc::clone(shared).fly(Arc::clone(&key), Arc::clone(&load));
        match shared.flights.board(&key, flying).await {
            Some(answer) => answer,
            None => {
                let load = lock(&load).take().expect("only a pilot has spent his load, and he has its answer");
                shared.loaded(load).await
            }
        }
    }

    /// What is kept under `keys` is not read any more: they have changed, and the change is committed. See [`Cache::change`]
    /// for a change that may be given up.
    ///
    /// # Cancel safety
    /// Once it was polled, Redis is told even if it is dropped.
    pub async fn invalidate(&self, keys: &[&str]) {
        self.change(keys).end().await;
    }

    /// A write of `keys` begins: called before it is committed, and ended after. Nothing of them is read from Redis by this node
    /// meanwhile. When it is dropped, because the client has left, nobody knows whether the commit was on its way: Redis is
    /// told at once, and again when it surely has arrived.
    pub fn change(&self, keys: &[&str]) -> Change {
        let shared = Arc::clone(&self.shared);
        let is_over = shared.redis.is_none();
        let keys: Vec<_> = if is_over { Vec::new() } else { keys.iter().filter_map(|key| shared.key(key)).collect() };
        shared.owed.begin(&keys);
        Change { shared, keys, is_over }
    }

    /// Its counters. One cache of a name that is in use; each has names of its own.
    pub fn register(&self, registry: &mut Registry) {
        let Shared { config, reads, loads, fills, invalidations, keys_owed, .. } = &*self.shared;
        let registry = registry.sub_registry_with_prefix(format!("firstbyte_cache_{}", config.name));
        reads.register(registry, "reads", "Reads of the cache; the ratio of hits is (hit + negative) / all");
        loads.register(registry, "loads", "Times that what is not in the cache was asked for");
        fills.register(registry, "fills", "Copies that were to be kept");
        invalidations.register(registry, "invalidations", "Keys of which Redis was to be told that they have changed");
        registry.register(
            "keys_owed",
            "Keys that are not read from Redis, because they are being changed",
            keys_owed.clone(),
        );
    }
}

impl Change {
    /// It is committed, or rolled back: tells Redis. When this returns, no read that begins anywhere gives what was there before,
    /// unless Redis could not be told.
    ///
    /// # Cancel safety
    /// Redis is told even if it is dropped.
    pub async fn end(mut self) {
        let since = Instant::now();
        let told = match (&self.shared.redis, self.keys.as_slice()) {
            (None, _) | (_, []) => return,
            (Some(_), _) if self.shared.is_late() => false,
            (Some(redis), keys) => self.shared.timed(delete(redis, keys)).await.is_ok(),
        };
        self.is_over = true;
        let Change { shared, keys, .. } = &self;
        if told {
            shared.owed.told(keys, since)
        } else {
            shared.owed.untold(keys)
        }
        keys.iter().for_each(|_| shared.invalidations.add(if told { Told::AtOnce } else { Told::Owed }));
        shared.count_owed();
    }

    /// It is certain that nothing was changed: copies are as good as they were, and are read again.
    pub fn nothing_done(mut self) {
        self.is_over = true;
        self.shared.owed.released(&self.keys);
        self.shared.count_owed();
    }
}

impl Drop for Change {
    fn drop(&mut self) {
        if !self.is_over {
            self.shared.owed.given_up(&self.keys);
            self.keys.iter().for_each(|_| self.shared.invalidations.add(Told::Owed));
            self.shared.count_owed();
        }
    }
}

/// A load that a flight takes when it is away.
type Loading<F> = Arc<Mutex<Option<Pin<Box<F>>>>>;

impl Shared {
    /// Its name in Redis. `None`: it is too long.
    fn key(&self, key: &str) -> Option<Arc<str>> {
        let is_short = key.len() <= KEY_BYTES_MAX;
        is_short.then(|| format!("firstbyte:cache:{}:{key}", self.config.name).into())
    }

    /// Redis, if `key` may be read from it.
    fn redis_for(&self, key: &str) -> Option<Redis> {
        if self.is_late() || self.owed.holds(key) {
            return None;
        }
        self.redis.as_ref().map(|redis| redis.with_answer_time(self.config.patience))
    }

    async fn look(&self, key: &str) -> Look {
        let Some(redis) = self.redis_for(key) else { return Look::Bypass };
        match self.timed(redis.run::<Option<Vec<u8>>>(cmd("GET").arg(key))).await {
            Err(_) => Look::Bypass,
            Ok(there) => match there.and_then(|bytes| self.coding.decode(&bytes.into())) {
                Some(Entry::Answer(answer)) => Look::Found(answer),
                Some(Entry::Lease(_)) | None => Look::Missing,
            },
        }
    }

    /// One flight: whatever Redis has by now, or a load, of which a copy is kept.
    async fn fly<E, F: Future<Output = Result<Option<Bytes>, E>>>(
        self: Arc<Self>,
        key: Arc<str>,
        load: Loading<F>,
    ) -> Result<Option<Bytes>, E> {
        let asked = Instant::now();
        let lease = match self.lease(&key).await {
            Some(Entry::Answer(answer)) => return Ok(answer),
            Some(Entry::Lease(lease)) => Some(lease),
            None => None,
        };
        let load = lock(&load).take().expect("a flight has one pilot");
        let answer = self.loaded(load).await?;
        if let Some(lease) = lease {
            self.fill(&key, &lease, answer.as_ref(), asked).await;
        }
        Ok(answer)
    }

    async fn loaded<E>(&self, load: impl Future<Output = Result<Option<Bytes>, E>>) -> Result<Option<Bytes>, E> {
        let answer = load.await;
        self.loads.add(if answer.is_ok() { Load::Done } else { Load::Failed });
        answer
    }

    async fn lease(&self, key: &str) -> Option<Entry> {
        let redis = self.redis_for(key)?;
        let script = self.coding.lease(key, self.config.load_time);
        let there: Vec<u8> = self.timed(redis.run_script(&script)).await.ok()?;
        self.coding.decode(&there.into())
    }

    /// Keeps a copy of what was asked for at `asked`: its time runs from then.
    async fn fill(&self, key: &str, lease: &Lease, answer: Option<&Bytes>, asked: Instant) {
        let time = self.time(answer.is_some()).saturating_sub(asked.elapsed());
        let is_large = answer.is_some_and(|value| value.len() > self.config.value_bytes_max);
        let fill = match self.redis_for(key) {
            _ if is_large => Fill::TooLarge,
            Some(redis) if !time.is_zero() => {
                match self.timed(redis.run_script(&self.coding.fill(key, lease, answer, time))).await {
                    Ok(true) => Fill::Kept,
                    Ok(false) => Fill::Refused,
                    Err(_) => Fill::Failed,
                }
            }
            _ => Fill::Refused,
        };
        self.fills.add(fill);
    }

    /// How long an answer is kept: its time, less a random part.
    fn time(&self, is_value: bool) -> Duration {
        let time = if is_value { self.config.ttl } else { self.config.negative_ttl };
        let chance = f64::from(u16::from_be_bytes(crypto::random())) / f64::from(u16::MAX);
        time.mul_f64(1.0 - self.config.jitter * chance)
    }

    /// Notices that Redis is late, so that nobody waits for it for a while.
    async fn timed<T>(&self, asked: impl Future<Output = Result<T, Unavailable>>) -> Result<T, Unavailable> {
        let begun = Instant::now();
        let answer = asked.await;
        if answer.is_err() && begun.elapsed() >= self.config.patience {
            *lock(&self.late_until) = Some(Instant::now() + LATE_TIME);
        }
        answer
    }

    fn is_late(&self) -> bool {
        lock(&self.late_until).is_some_and(|until| Instant::now() < until)
    }

    fn count_owed(&self) {
        self.keys_owed.set(i64::try_from(self.owed.count()).unwrap_or(i64::MAX));
    }
}

/// Tells Redis what it could not be told, for as long as anybody has a handle.
async fn pay(shared: Arc<Shared>, redis: Redis) {
    loop {
        let due = shared.owed.due().await;
        let since = Instant::now();
        if delete(&redis, &due).await.is_ok() {
            shared.owed.delivered(&due, since);
            due.iter().for_each(|_| shared.invalidations.add(Told::Later));
            shared.count_owed();
        } else {
            pause().await;
        }
    }
}

async fn delete(redis: &Redis, keys: &[Arc<str>]) -> Result<(), Unavailable> {
    let mut command = cmd("DEL");
    for key in keys {
        command.arg(&**key);
    }
    redis.run(&command).await
}

#[cfg(test)]
mod tests {
    use prometheus_client::encoding::text::encode;

    use super::*;
    use crate::db::PATIENCE;

    async fn load(answer: Result<Option<&'static str>, &'static str>) -> Result<Option<Bytes>, &'static str> {
        answer.map(|value| value.map(|value| Bytes::from_static(value.as_bytes())))
    }

    #[tokio::test]
    async fn without_a_redis_every_read_is_a_load() {
        let cache = Cache::new(None, CacheConfig { name: "words", ..CacheConfig::default() });
        for answer in [Ok(Some("one")), Ok(None), Err("broken"), Ok(Some("two"))] {
            assert_eq!(cache.read("key", load(answer)).await, load(answer).await);
            cache.invalidate(&["key"]).await;
            drop(cache.change(&["key"]));
        }
        let (mut registry, mut text) = (Registry::default(), String::new());
        cache.register(&mut registry);
        encode(&mut text, &registry).expect("to a string");
        for line in [
            "firstbyte_cache_words_reads_total{outcome=\"bypass\"} 4",
            "firstbyte_cache_words_reads_total{outcome=\"hit\"} 0",
            "firstbyte_cache_words_loads_total{outcome=\"done\"} 3",
            "firstbyte_cache_words_loads_total{outcome=\"failed\"} 1",
            "firstbyte_cache_words_keys_owed 0",
        ] {
            assert!(text.lines().any(|shown| shown == line), "{line}: {text}");
        }
    }

    /// Whoever reads waits for Redis first, and then for the database.
    #[test]
    fn two_that_hang_are_told_of_within_a_quarter_of_a_second() {
        assert!(CacheConfig::default().patience + PATIENCE <= Duration::from_millis(250));
    }
}
