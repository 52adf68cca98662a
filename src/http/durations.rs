//! Owns how long requests took, by method, route and status: the one thing that is counted for each of them.
//!
//! The one idea: what a request is counted as is a number, and the number finds its counters without a lock. A slot of the
//! table is written once and never changed, so finding it is a multiplication and a comparison; each thread has counters of
//! its own in it, so that no two cores write to the same line of memory.
//!
//! ```text
//!   route ┐
//!   method├─ key ──hash──> slot ──> Series ┬ shard of this thread: 15 buckets, sum ── record
//!   status┘                  └ full: `others`├ shard …
//!                                           └ added up ──────────────────────────────── each
//! ```
//!
//! Spec: OpenTelemetry semantic conventions for HTTP, `http.server.request.duration`: its buckets, `_OTHER` for methods that
//! RFC 9110 and RFC 5789 do not name; its SDK's overflow attribute for what there is no room for.
//! Never: locks or allocates, but for the first request of its kind; sees a path, a host or a method that a client made up.
//! Invariant: what is counted is counted once, in one bucket of one series.
//! Limits: [`SERIES_MAX`] series.

use std::cell::Cell;
use std::fmt;
use std::sync::atomic::{AtomicU64, AtomicUsize, Ordering::Relaxed};
use std::sync::{Arc, OnceLock};
use std::time::Duration;

use crate::http::route_id::RouteId;
use crate::http::{Method, Status};

/// Series that are told apart; one more takes what has no room. Larger: more memory, and more for others to store.
pub const SERIES_MAX: usize = 4096;

/// Upper ends of the buckets, each in its bucket: those that OpenTelemetry advises for HTTP.
pub const BOUNDS: [Duration; 14] = [
    Duration::from_millis(5),
    Duration::from_millis(10),
    Duration::from_millis(25),
    Duration::from_millis(50),
    Duration::from_millis(75),
    Duration::from_millis(100),
    Duration::from_millis(250),
    Duration::from_millis(500),
    Duration::from_millis(750),
    Duration::from_secs(1),
    Duration::from_millis(2500),
    Duration::from_secs(5),
    Duration::from_millis(7500),
    Duration::from_secs(10),
];

/// Bytes that they take with all series in use.
pub const BYTES_MAX: u64 = (SERIES_MAX * (size_of::<Series>() + size_of::<OnceLock<Box<Series>>>())) as u64;

/// Slots that are looked at for one key. With so many others in a row, the table is as good as full.
const PROBES_MAX: usize = 64;

/// Threads that count without meeting each other.
const SHARDS: usize = 8;

/// The durations of one process, shared by its servers.
pub struct Durations {
    slots: Box<[OnceLock<Box<Series>>]>,
    others: Series,
}

/// What a request is counted as.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Kind {
    /// Its method, or `None` for one that is not registered, or that nobody understood.
    pub method: Option<Method>,
    /// The pattern of its route without the method, where it found one.
    pub route: Option<&'static str>,
    /// How it was answered. 499 where the client had left before it was, 503 where the server would not wait.
    pub status: u16,
}

/// How long some requests took.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Observed {
    /// How many in each bucket, those beyond the last bound at the end.
    pub buckets: [u64; BOUNDS.len() + 1],
    /// All of them together.
    pub sum: Duration,
}

/// The counters of one kind.
struct Series {
    key: Key,
    shards: [Shard; SHARDS],
}

/// Those of some threads, on lines of memory of their own.
#[derive(Default)]
#[repr(align(128))]
struct Shard {
    buckets: [AtomicU64; BOUNDS.len() + 1],
    nanos: AtomicU64,
}

/// A kind as a number: `route << 16 | method << 12 | status`.
#[derive(Clone, Copy, PartialEq, Eq)]
struct Key(u64);

impl Durations {
    /// A table of nothing.
    pub fn new() -> Arc<Durations> {
        let slots = std::iter::repeat_with(OnceLock::new).take(SERIES_MAX).collect();
        Arc::new(Durations { slots, others: Series::new(Key(u64::MAX)) })
    }

    /// Counts one more request.
    #[inline]
    pub(crate) fn record(&self, method: Option<Method>, route: RouteId, status: Status, took: Duration) {
        self.series(Key::new(method, route, status)).add(took);
    }

    /// Shows every kind there has been, in no order.
    pub fn each(&self, mut f: impl FnMut(Kind, &Observed)) {
        for series in self.slots.iter().filter_map(OnceLock::get) {
            f(series.key.kind(), &series.observed());
        }
    }

    /// The requests for whose kind there was no room.
    pub fn others(&self) -> Observed {
        self.others.observed()
    }

    fn series(&self, key: Key) -> &Series {
        let start = key.hash();
        for probe in 0..PROBES_MAX {
            let slot = &self.slots[(start + probe) % SERIES_MAX];
            // Two that come at once for one slot: the second one finds the first, and goes on unless it is its own.
            let series = slot.get_or_init(|| Box::new(Series::new(key)));
            if series.key == key {
                return series;
            }
        }
        &self.others
    }
}

impl Observed {
    /// How many requests.
    pub fn count(&self) -> u64 {
        self.buckets.iter().sum()
    }
}

impl Series {
    fn new(key: Key) -> Series {
        Series { key, shards: Default::default() }
    }

    #[inline]
    fn add(&self, took: Duration) {
        let shard = &self.shards[shard_of_thread()];
        // Nearly all requests are in the first one.
        let bucket = BOUNDS.iter().position(|bound| took <= *bound).unwrap_or(BOUNDS.len());
        shard.buckets[bucket].fetch_add(1, Relaxed);
        shard.nanos.fetch_add(took.as_nanos() as u64, Relaxed);
    }

    fn observed(&self) -> Observed {
        let mut observed = Observed::default();
        for shard in &self.shards {
            for (sum, count) in observed.buckets.iter_mut().zip(&shard.buckets) {
                *sum += count.load(Relaxed);
            }
            observed.sum += Duration::from_nanos(shard.nanos.load(Relaxed));
        }
        observed
    }
}

/// Which counters this thread has. Threads that share them count right, but slower.
#[inline]
fn shard_of_thread() -> usize {
    thread_local! {
        static SHARD: Cell<usize> = const { Cell::new(usize::MAX) };
    }
    static NEXT: AtomicUsize = AtomicUsize::new(0);
    SHARD.with(|shard| {
        if shard.get() == usize::MAX {
            shard.set(NEXT.fetch_add(1, Relaxed) % SHARDS);
        }
        shard.get() % SHARDS
    })
}

impl Key {
    fn new(method: Option<Method>, route: RouteId, status: Status) -> Key {
        // From 1; 0 is every other one.
        let method = method.and_then(|method| method.registered_index()).map_or(0, |index| index as u64 + 1);
        Key(u64::from(route.number()) << 16 | method << 12 | u64::from(status.code()))
    }

    fn kind(self) -> Kind {
        let method = (self.0 >> 12 & 0xf) as usize;
        Kind {
            method: method.checked_sub(1).and_then(|index| Method::REGISTERED.get(index)).copied(),
            route: RouteId::from_number((self.0 >> 16) as u32).name(),
            status: (self.0 & 0xfff) as u16,
        }
    }

    /// Fibonacci hashing: the upper bits of a product with the golden ratio are spread well for keys that lie close together.
    fn hash(self) -> usize {
        (self.0.wrapping_mul(0x9e37_79b9_7f4a_7c15) >> (u64::BITS - SERIES_MAX.ilog2())) as usize
    }
}

impl fmt::Debug for Durations {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let series = self.slots.iter().filter(|slot| slot.get().is_some()).count();
        f.debug_struct("Durations").field("series", &series).finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests {
    use std::thread;

    use super::*;
    use crate::http::pattern::Pattern;

    const MS: Duration = Duration::from_millis(1);

    fn all(durations: &Durations) -> Vec<(Kind, Observed)> {
        let mut all = Vec::new();
        durations.each(|kind, observed| all.push((kind, *observed)));
        all.sort_by_key(|(kind, _)| (kind.route, kind.status));
        all
    }

    fn of_one(took: Duration) -> Observed {
        let durations = Durations::new();
        durations.record(Some(Method::GET), RouteId::NONE, Status::OK, took);
        all(&durations)[0].1
    }

    #[test]
    fn a_bound_is_in_its_bucket_and_what_is_longer_in_the_next() {
        for (index, bound) in BOUNDS.into_iter().enumerate() {
            assert_eq!(of_one(bound).buckets[index], 1, "{bound:?}");
            assert_eq!(of_one(bound + Duration::from_nanos(1)).buckets[index + 1], 1, "beyond {bound:?}");
        }
        assert_eq!(of_one(Duration::ZERO).buckets[0], 1);
        assert_eq!(of_one(100_000_000 * MS).sum, 100_000_000 * MS);
    }

    #[test]
    fn each_kind_has_its_own() {
        let pattern: &'static Pattern = Box::leak(Box::new(Pattern::parse("GET /durations/{id}").expect("a pattern")));
        let (durations, route) = (Durations::new(), RouteId::of(pattern));
        for took in [1 * MS, 7 * MS, 7 * MS] {
            durations.record(Some(Method::PATCH), route, Status::OK, took);
        }
        durations.record(Some(Method::PATCH), route, Status::NOT_FOUND, MS);
        durations.record(Some(Method::GET), RouteId::NONE, Status::NOT_FOUND, MS);
        let found = all(&durations);
        let kind = |method, route, status| Kind { method: Some(method), route, status };
        let kinds: Vec<_> = found.iter().map(|(kind, _)| *kind).collect();
        let name = Some("/durations/{id}");
        let expected = [kind(Method::GET, None, 404), kind(Method::PATCH, name, 200), kind(Method::PATCH, name, 404)];
        assert_eq!(kinds, expected);
        assert_eq!((found[1].1.count(), found[1].1.sum), (3, 15 * MS));
        assert_eq!(found[1].1.buckets[..3], [1, 2, 0]);
    }

    #[test]
    fn every_registered_method_and_status_is_told_as_it_was_counted() {
        let durations = Durations::new();
        for method in Method::REGISTERED {
            for code in [100, 101, 200, 499, 599, 999] {
                let Some(status) = Status::new(code) else { continue };
                durations.record(Some(method), RouteId::NONE, status, MS);
                let mut found = false;
                durations.each(|kind, _| found |= kind == Kind { method: Some(method), route: None, status: code });
                assert!(found, "{method} {code}");
            }
        }
    }

    #[test]
    fn methods_that_clients_make_up_are_one() {
        let durations = Durations::new();
        for n in 0..1000 {
            let method = Method::parse(format!("M{n}").as_bytes());
            durations.record(method, RouteId::NONE, Status::NOT_IMPLEMENTED, MS);
        }
        durations.record(None, RouteId::NONE, Status::NOT_IMPLEMENTED, MS);
        let found = all(&durations);
        assert_eq!((found.len(), found[0].0.method, found[0].1.count()), (1, None, 1001));
    }

    #[test]
    fn where_no_room_is_left_they_are_counted_together() {
        let durations = Durations::new();
        let count = 2 * SERIES_MAX as u32;
        for number in 0..count {
            durations.record(None, RouteId::from_number(number), Status::OK, MS);
        }
        let kept: u64 = all(&durations).iter().map(|(_, observed)| observed.count()).sum();
        assert!(kept <= SERIES_MAX as u64 && kept > SERIES_MAX as u64 / 2, "{kept}");
        assert_eq!(kept + durations.others().count(), u64::from(count));
    }

    #[test]
    fn threads_that_count_at_once_lose_nothing_and_make_no_kind_twice() {
        let durations = Durations::new();
        thread::scope(|scope| {
            for _ in 0..4 {
                scope.spawn(|| {
                    for number in 0..20_000 {
                        durations.record(None, RouteId::from_number(number % 500), Status::OK, MS);
                    }
                });
            }
        });
        let found = all(&durations);
        assert_eq!(found.len(), 500);
        assert!(found.iter().all(|(_, observed)| observed.count() == 160 && observed.sum == 160 * MS));
    }
}
