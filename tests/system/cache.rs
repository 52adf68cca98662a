//! The cache on a real Redis: loaded once, never old while Redis is well, and in nobody's way when it is not.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, AtomicUsize, Ordering};
use std::time::{Duration, Instant};

use bytes::Bytes;
use firstbyte::db::{Cache, CacheConfig, Redis};
use prometheus_client::encoding::text::encode;
use prometheus_client::registry::Registry;
use redis::{Cmd, FromRedisValue, cmd};
use tokio::task::JoinSet;
use tokio::time::{sleep, timeout};

use crate::server::SOON;
use crate::services::{BACK_TIME, Kind, Service, Shared, TOLD_TIME};

/// Readers of the race, and how often each reads.
const READERS: usize = 24;
const READS: usize = 400;

/// A database of one number, and what it has been asked.
#[derive(Clone, Default)]
struct Source {
    value: Arc<AtomicU64>,
    loads: Arc<AtomicUsize>,
}

impl Source {
    /// Reads the number, and is slow to say it.
    async fn load(self) -> Result<Option<Bytes>, &'static str> {
        self.loads.fetch_add(1, Ordering::SeqCst);
        let value = self.value.load(Ordering::SeqCst);
        sleep(Duration::from_micros(fastrand::u64(..3_000))).await;
        Ok(Some(Bytes::from(value.to_string())))
    }

    fn loads(&self) -> usize {
        self.loads.load(Ordering::SeqCst)
    }
}

/// A node: a connection and a cache of its own.
#[derive(Clone)]
struct Node {
    redis: Redis,
    cache: Cache,
}

impl Node {
    /// More patient than one of an application: a busy machine is no fault.
    async fn new(url: &str, name: &'static str) -> Node {
        Node::with(url, CacheConfig { name, patience: SOON, ..CacheConfig::default() }).await
    }

    async fn with(url: &str, config: CacheConfig) -> Node {
        let redis = Redis::open_with(&url.parse().unwrap(), config.patience.max(Duration::from_millis(225))).unwrap();
        let begun = Instant::now();
        while let Err(why) = redis.check().await {
            assert!(begun.elapsed() < SOON, "{why}");
        }
        Node { cache: Cache::new(Some(redis.clone()), config), redis }
    }

    async fn read(&self, key: &str, source: &Source) -> u64 {
        let value = self.cache.read(key, source.clone().load()).await.unwrap().unwrap();
        std::str::from_utf8(&value).unwrap().parse().unwrap()
    }

    async fn ask<T: FromRedisValue>(&self, command: &Cmd) -> T {
        self.redis.run(command).await.unwrap()
    }

    /// A number of `/metrics`.
    fn count(&self, name: &str) -> u64 {
        let (mut registry, mut text) = (Registry::default(), String::new());
        self.cache.register(&mut registry);
        encode(&mut text, &registry).unwrap();
        let line = text
            .lines()
            .find(|line| !line.starts_with('#') && line.contains(name))
            .unwrap_or_else(|| panic!("{name}: {text}"));
        line.rsplit(' ').next().unwrap().parse().unwrap()
    }
}

/// A name that no other test uses in a Redis that others use, too.
fn unique(name: &str) -> &'static str {
    format!("{name}_{:016x}", fastrand::u64(..)).leak()
}

#[tokio::test]
async fn what_is_loaded_is_kept_for_its_time_and_what_is_not_there_for_a_shorter_one() {
    let Some(shared) = Shared::of(Kind::Redis) else { return };
    let (name, source) = (unique("kept"), Source::default());
    let node = Node::new(&shared.url, name).await;
    for _ in 0..3 {
        assert_eq!(node.read("there", &source).await, 0);
        let nothing = node.cache.read("absent", async { Ok::<_, ()>(None) }).await;
        assert_eq!(nothing, Ok(None));
    }
    assert_eq!(source.loads(), 1);
    assert_eq!((node.count("reads_total{outcome=\"hit\"}"), node.count("reads_total{outcome=\"negative\"}")), (2, 2));
    for (key, least, most) in [("there", 47_000, 60_000), ("absent", 3_000, 5_000)] {
        let left: u64 = node.ask(cmd("PTTL").arg(format!("firstbyte:cache:{name}:{key}"))).await;
        assert!((least..=most).contains(&left), "{key}: {left} ms");
    }
    source.value.store(1, Ordering::SeqCst);
    node.cache.invalidate(&["there", "absent"]).await;
    assert_eq!(node.read("there", &source).await, 1);
    let there_now = node.cache.read("absent", async { Ok::<_, ()>(Some(Bytes::from_static(b"now"))) }).await;
    assert_eq!(there_now, Ok(Some(Bytes::from_static(b"now"))));
}

#[tokio::test]
async fn an_error_is_told_and_not_kept() {
    let Some(shared) = Shared::of(Kind::Redis) else { return };
    let (node, source) = (Node::new(&shared.url, unique("errors")).await, Source::default());
    let failed = node.cache.read("key", async { Err("the database is away") }).await;
    assert_eq!(failed, Err("the database is away"));
    assert_eq!(node.read("key", &source).await, 0);
    assert_eq!(node.read("key", &source).await, 0);
    assert_eq!(source.loads(), 1, "what was left of the failure is in nobody's way");
}

#[tokio::test]
async fn what_somebody_else_has_put_there_is_a_miss_and_written_over() {
    let Some(shared) = Shared::of(Kind::Redis) else { return };
    let (name, source) = (unique("foreign"), Source::default());
    let node = Node::new(&shared.url, name).await;
    let key = format!("firstbyte:cache:{name}:key");
    let poisons = [
        cmd("SET").arg(&key).arg("{\"id\":1}").clone(),
        cmd("SET").arg(&key).arg("").clone(),
        cmd("SET").arg(&key).arg(&b"1\x01Vof another shape"[..]).clone(),
        cmd("SET").arg(&key).arg(&b"1\x00X"[..]).clone(),
        cmd("SET").arg(&key).arg(&b"1\x00Lshort"[..]).clone(),
        cmd("SET").arg(&key).arg(&b"1\x00Nothing"[..]).clone(),
        cmd("RPUSH").arg(&key).arg("a list").clone(),
    ];
    for (number, poison) in poisons.iter().enumerate() {
        node.ask::<()>(cmd("DEL").arg(&key)).await;
        node.ask::<()>(poison).await;
        source.value.store(number as u64, Ordering::SeqCst);
        for _ in 0..2 {
            assert_eq!(node.read("key", &source).await, number as u64, "{poison:?}");
        }
        assert_eq!(source.loads(), number + 1, "{poison:?}");
    }
}

#[tokio::test]
async fn what_is_too_large_is_not_kept_and_long_keys_are_not_asked_for() {
    let Some(shared) = Shared::of(Kind::Redis) else { return };
    let config = CacheConfig { name: unique("large"), patience: SOON, value_bytes_max: 4, ..CacheConfig::default() };
    let node = Node::with(&shared.url, config).await;
    for (value, kept) in [(&b"1234"[..], 1), (b"12345", 0)] {
        let before = node.count("fills_total{outcome=\"kept\"}");
        let read = node.cache.read("key", async { Ok::<_, ()>(Some(Bytes::from_static(value))) }).await;
        assert_eq!(read, Ok(Some(Bytes::from_static(value))));
        assert_eq!(node.count("fills_total{outcome=\"kept\"}") - before, kept);
        node.cache.invalidate(&["key"]).await;
    }
    let (long, source) = ("k".repeat(10_000), Source::default());
    node.cache.invalidate(&[&long]).await;
    assert_eq!((node.read(&long, &source).await, node.read(&long, &source).await), (0, 0));
    assert_eq!((source.loads(), node.count("bypass")), (2, 2));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_thousand_readers_of_what_is_not_there_load_it_once() {
    let Some(shared) = Shared::of(Kind::Redis) else { return };
    let (node, source) = (Node::new(&shared.url, unique("stampede")).await, Source::default());
    let mut readers = JoinSet::new();
    for _ in 0..1_000 {
        let (node, source) = (node.clone(), source.clone());
        readers.spawn(async move { node.read("key", &source).await });
    }
    assert!(timeout(SOON, readers.join_all()).await.unwrap().iter().all(|value| *value == 0));
    assert_eq!(source.loads(), 1);
}

/// Two nodes, many readers, and a writer who knows what was committed and invalidated when a reader begins.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn no_read_that_begins_after_an_invalidation_is_older_than_it() {
    let Some(shared) = Shared::of(Kind::Redis) else { return };
    let name = unique("race");
    let nodes = [Node::new(&shared.url, name).await, Node::new(&shared.url, name).await];
    let (source, invalidated) = (Source::default(), Arc::new(AtomicU64::new(0)));
    let mut readers = JoinSet::new();
    for reader in 0..READERS {
        let (node, source, invalidated) = (nodes[reader % 2].clone(), source.clone(), Arc::clone(&invalidated));
        readers.spawn(async move {
            for _ in 0..READS {
                let at_least = invalidated.load(Ordering::SeqCst);
                let value = node.read("key", &source).await;
                assert!(value >= at_least, "{value} was read after {at_least} was written and invalidated");
                sleep(Duration::from_micros(fastrand::u64(..1_000))).await;
            }
        });
    }
    let writer = tokio::spawn({
        let (nodes, source) = (nodes.clone(), source.clone());
        async move {
            for version in 1.. {
                let node = &nodes[fastrand::usize(..2)];
                let change = fastrand::bool().then(|| node.cache.change(&["key"]));
                source.value.store(version, Ordering::SeqCst);
                match change {
                    Some(change) => change.end().await,
                    None => node.cache.invalidate(&["key"]).await,
                }
                invalidated.store(version, Ordering::SeqCst);
                sleep(Duration::from_micros(fastrand::u64(..6_000))).await;
            }
        }
    });
    while let Some(read) = timeout(SOON * 3, readers.join_next()).await.expect("none is stuck") {
        read.unwrap();
    }
    writer.abort();
    let sum = |name: &str| nodes.iter().map(|node| node.count(name)).sum::<u64>();
    let (hits, kept, refused) = (
        sum("reads_total{outcome=\"hit\"}"),
        sum("fills_total{outcome=\"kept\"}"),
        sum("fills_total{outcome=\"refused\"}"),
    );
    println!("{} reads, {hits} hits, {} loads, {kept} kept, {refused} refused", READERS * READS, source.loads());
    assert!(hits > 0 && kept > 0 && refused > 0, "the race was one");
}

#[tokio::test]
async fn a_redis_that_is_stopped_costs_one_patience_and_what_it_was_not_told_is_not_read() {
    let Some(mut service) = Service::start(Kind::Redis) else { return };
    let config = CacheConfig { name: "stopped", ..CacheConfig::default() };
    let (node, other) = (Node::with(&service.url(), config).await, Node::with(&service.url(), config).await);
    let source = Source::default();
    assert_eq!((node.read("key", &source).await, other.read("key", &source).await), (0, 0));

    service.pause();
    let begun = Instant::now();
    for _ in 0..20 {
        assert_eq!(node.read("key", &source).await, 0);
    }
    assert!(begun.elapsed() < TOLD_TIME, "{:?}", begun.elapsed());
    source.value.store(1, Ordering::SeqCst);
    let begun = Instant::now();
    node.cache.invalidate(&["key"]).await;
    assert!(begun.elapsed() < TOLD_TIME, "{:?}", begun.elapsed());
    assert_eq!((node.read("key", &source).await, node.count("keys_owed")), (1, 1));

    // Redis has the old value still.
    service.resume();
    let begun = Instant::now();
    while node.count("keys_owed") > 0 {
        assert_eq!(node.read("key", &source).await, 1, "this node never reads it");
        assert!(begun.elapsed() < BACK_TIME);
        sleep(Duration::from_millis(1)).await;
    }
    let until = Instant::now() + BACK_TIME;
    for node in [&node, &other] {
        let before = node.count("reads_total{outcome=\"hit\"}");
        while node.count("reads_total{outcome=\"hit\"}") == before {
            assert_eq!(node.read("key", &source).await, 1);
            assert!(Instant::now() < until, "it is used again");
        }
    }
    println!("redis stopped: told and used again {:?} after it was back", begun.elapsed());

    service.kill();
    let begun = Instant::now();
    source.value.store(2, Ordering::SeqCst);
    node.cache.invalidate(&["key"]).await;
    for _ in 0..20 {
        assert_eq!(node.read("key", &source).await, 2);
    }
    assert!(begun.elapsed() < TOLD_TIME, "{:?}", begun.elapsed());
    service.start_again();
    while node.count("keys_owed") > 0 {
        assert_eq!(node.read("key", &source).await, 2);
        assert!(begun.elapsed() < SOON);
        sleep(Duration::from_millis(1)).await;
    }
}

#[tokio::test]
async fn a_change_that_is_given_up_is_told_now_and_when_it_has_surely_arrived() {
    let Some(shared) = Shared::of(Kind::Redis) else { return };
    let name = unique("given_up");
    let (node, other) = (Node::new(&shared.url, name).await, Node::new(&shared.url, name).await);
    let source = Source::default();
    assert_eq!(node.read("key", &source).await, 0);
    drop(node.cache.change(&["key"]));
    assert_eq!(node.count("keys_owed"), 1);
    // Its commit was on its way, and arrives when another node has read what was there before.
    assert_eq!(other.read("key", &source).await, 0);
    source.value.store(1, Ordering::SeqCst);
    assert_eq!(node.read("key", &source).await, 1);
    let begun = Instant::now();
    while other.read("key", &source).await == 0 {
        assert!(begun.elapsed() < SOON, "it is old");
        sleep(Duration::from_millis(10)).await;
    }
    while node.count("keys_owed") > 0 {
        assert!(begun.elapsed() < SOON, "the answer is on its way");
        sleep(Duration::from_millis(1)).await;
    }
}
