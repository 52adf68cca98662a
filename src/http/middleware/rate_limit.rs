//! Owns the rate limiter: in no span of the window is one address served more than the quota.
//!
//! The one idea: an exact [`sliding_window`] for each address, in a [`table`] that forgets idle addresses and has an end.
//!
//! ```text
//!   client ──key──> shard ──lock──> Table ──> served   ──> handler ──> RateLimit: "address";r=99;t=60
//!                                          └> refused  ──> 429, Retry-After
//!                                          └> full     ──> 503, Retry-After
//! ```
//!
//! Who is one address: an IPv4 address, also when it is written as IPv6 (`::ffff:192.0.2.1`); an IPv6 address by its /64,
//! since whoever has one address there has them all.
//!
//! What counts: every request that is let through, whatever comes of it. A refused one does not: who keeps knocking is
//! served as soon as who waits.
//!
//! When all places are taken by addresses that are not idle, a newcomer gets `503` with `Retry-After`. Nobody is served
//! uncounted, and nobody's count is forgotten early. The answer stands in the log as an error, since it is one.
//!
//! Spec: RFC 6585 4 (429), RFC 9110 10.2.3 (Retry-After), draft-ietf-httpapi-ratelimit-headers-11 (RateLimit,
//! RateLimit-Policy).
//! Never: waits; spawns; holds a lock while the handler runs.
//! Limits: `addresses_max`. An address that comes once costs 56 bytes and its bucket; one that uses its quota of 100 costs
//! 396 more. The default, 2^20 addresses, holds at most 64 MiB for the first kind and 456 MiB for the second.
//! Place: behind whatever knows the client, before anything is read or waited for.

pub mod sliding_window;
pub mod table;

use std::hash::{BuildHasher, RandomState};
use std::net::IpAddr;
use std::sync::Mutex;
use std::time::Duration;

use tokio::time::Instant;

use crate::http::field::{OwnStart, name};
use crate::http::handler::Link;
use crate::http::middleware::Place;
use crate::http::{Fault, Fields, Handler, IntoResponse, Middleware, Problem, Request, Response};
use crate::net::lock::lock;
use sliding_window::{Quota, Refused, Served, WINDOW_TICKS_MAX};
use table::{Table, Verdict};

/// Addresses remembered by default.
pub const ADDRESSES_MAX: usize = 1 << 20;

/// Longest window: 5 hours and 57 minutes.
pub const WINDOW_MAX: Duration = Duration::from_micros((WINDOW_TICKS_MAX - 1) * TICK_US);

/// Parts of the table with a lock of their own.
const SHARDS: usize = 64;

/// A tick. Short, so that a hundred requests do not fit into one.
const TICK_US: u64 = 10;
const TICKS_A_SECOND: u64 = 1_000_000 / TICK_US;

const RATE_LIMIT: OwnStart = OwnStart::new("RateLimit: \"address\";r=");
const RATE_LIMIT_POLICY: &str = "RateLimit-Policy";

/// Serves each address at most so many requests in any span of a window, and answers `429` to the others.
#[derive(Debug)]
pub struct RateLimit {
    requests: u16,
    window: Duration,
    shards: Box<[Mutex<Table>]>,
    hasher: RandomState,
    epoch: Instant,
    /// The window in whole seconds, rounded up: no time that is told is longer.
    window_seconds: u64,
    /// The line that says the quota, the same in each answer.
    policy: Fields,
}

impl Default for RateLimit {
    /// 100 requests in 60 seconds.
    fn default() -> Self {
        RateLimit::new(100, Duration::from_secs(60))
    }
}

impl RateLimit {
    /// Serves `requests` in any span of `window`.
    ///
    /// # Panics
    /// When `requests` is 0, or `window` is 0 or longer than [`WINDOW_MAX`].
    pub fn new(requests: u16, window: Duration) -> RateLimit {
        assert!(requests > 0, "a quota of no requests serves nobody");
        assert!(!window.is_zero() && window <= WINDOW_MAX, "a window lasts up to {WINDOW_MAX:?}");
        let window_seconds = window.as_millis().div_ceil(1000) as u64;
        let mut policy = Fields::new();
        policy.append_escaped(RATE_LIMIT_POLICY, format!("\"address\";q={requests};w={window_seconds}"));
        let (shards, hasher) = (Box::default(), RandomState::new());
        let epoch = Instant::now();
        RateLimit { requests, window, shards, hasher, epoch, window_seconds, policy }.addresses_max(ADDRESSES_MAX)
    }

    /// Remembers about `addresses_max` addresses: exactly a 64th of it, rounded up, for each 64th of the addresses.
    /// Forgets all that are remembered now.
    ///
    /// # Panics
    /// When `addresses_max` is 0 or past 2^32.
    pub fn addresses_max(mut self, addresses_max: usize) -> RateLimit {
        let slots_max = u32::try_from(addresses_max.div_ceil(SHARDS)).expect("at most 2^32 addresses");
        // A tick is a span and no point: two requests that lie `window` ticks apart by number may lie almost a tick less
        // apart in time. One tick more makes the promise exact.
        let ticks = self.window.as_micros().div_ceil(u128::from(TICK_US)) as u64 + 1;
        let quota = Quota { requests: self.requests, window: ticks };
        self.shards = (0..SHARDS).map(|_| Mutex::new(Table::new(quota, slots_max))).collect();
        self
    }

    /// How many addresses are remembered.
    pub fn addresses(&self) -> usize {
        self.shards.iter().map(|shard| lock(shard).len()).sum()
    }

    /// Bytes that the tables hold. Looks at every address.
    pub fn bytes_held(&self) -> usize {
        self.shards.iter().map(|shard| lock(shard).bytes_held() + size_of::<Mutex<Table>>()).sum()
    }

    /// The most bytes that the tables can come to hold: all places taken, by addresses that have used up their quota.
    pub fn bytes_held_max(&self) -> u64 {
        let tables = self.shards.iter().map(|shard| lock(shard).bytes_held_max() + size_of::<Mutex<Table>>() as u64);
        tables.sum()
    }

    fn ask(&self, client: IpAddr) -> Verdict {
        let key = key(client);
        let hash = self.hasher.hash_one(key);
        let mut table = lock(&self.shards[(hash >> 32) as usize % SHARDS]);
        // Read under the lock, so that time does not go back from one question to the next.
        let elapsed = self.epoch.elapsed();
        let now = elapsed.as_secs() * TICKS_A_SECOND + u64::from(elapsed.subsec_micros()) / TICK_US;
        table.ask(key, hash as u32, now)
    }

    fn refuse(&self, fault: Fault, detail: String, wait: u64) -> Response {
        let seconds = self.seconds(wait);
        let mut response = Problem::new(fault).with_detail(detail).into_response();
        self.tell(response.fields_mut(), 0, seconds);
        response.with(name::RETRY_AFTER, seconds.to_string())
    }

    /// Whole seconds, rounded up: after them the ticks have passed. The one tick that is counted beyond the window is
    /// shorter than the way to the client, and not told.
    fn seconds(&self, ticks: u64) -> u64 {
        ticks.div_ceil(TICKS_A_SECOND).min(self.window_seconds)
    }

    /// `left` more requests are served within `seconds`.
    fn tell(&self, fields: &mut Fields, left: u16, seconds: u64) {
        fields.extend(&self.policy);
        let (mut left_text, mut seconds_text) = (itoa::Buffer::new(), itoa::Buffer::new());
        let (left, seconds) = (left_text.format(left).as_bytes(), seconds_text.format(seconds).as_bytes());
        fields.push_own_with(&RATE_LIMIT, &[left, b";t=", seconds]);
    }
}

impl Middleware for RateLimit {
    async fn handle<N: Handler>(&self, request: Request, next: &N) -> Response {
        match self.ask(request.client()) {
            Verdict::Served(Served { left, frees_in }) => {
                let mut response = next.handle(request).await;
                self.tell(response.fields_mut(), left, self.seconds(frees_in));
                response
            }
            Verdict::Refused(Refused { wait }) => {
                let (requests, window, seconds) = (self.requests, self.window, self.seconds(wait));
                let detail =
                    format!("an address is served {requests} requests in {window:?}; the next one in {seconds} s");
                self.refuse(Fault::RateLimited, detail, wait)
            }
            Verdict::Full { wait } => {
                let detail = format!("no other address can be counted; try again in {} s", self.seconds(wait));
                self.refuse(Fault::TooManyAddresses, detail, wait)
            }
        }
    }

    fn link(&self) -> Link {
        Link { name: "rate_limit", place: Some(Place::RateLimit) }
    }
}

/// What is counted together. IPv4 addresses take keys that would be /64s of `0:1::/32`, which are nobody's: all of
/// `0000::/8` is reserved.
fn key(client: IpAddr) -> u64 {
    match client.to_canonical() {
        IpAddr::V4(addr) => 1 << 32 | u64::from(addr.to_bits()),
        IpAddr::V6(addr) => (addr.to_bits() >> 64) as u64,
    }
}

#[cfg(test)]
mod tests {
    use std::net::{Ipv4Addr, Ipv6Addr, SocketAddr};

    use tokio::time::advance;

    use super::*;
    use crate::http::Status;

    const MS: Duration = Duration::from_millis(1);

    async fn hello(_: Request) -> &'static str {
        "hello"
    }

    fn from(client: &str) -> Request {
        let ip: IpAddr = client.parse().expect("an address");
        Request::get("/").with_peer(SocketAddr::new(ip, 4711))
    }

    fn seconds_of(response: &Response) -> u64 {
        response.field("retry-after").expect("Retry-After").parse().expect("whole seconds")
    }

    #[tokio::test(start_paused = true)]
    async fn the_hundred_and_first_is_refused_and_served_after_retry_after() {
        let handler = RateLimit::default().around(hello);
        for sent in 1..=100u64 {
            let response = handler.handle(from("192.0.2.1")).await;
            assert_eq!(response.status(), Status::OK);
            assert_eq!(response.field("ratelimit-policy"), Some("\"address\";q=100;w=60"));
            // From the first request on, no time is longer than the window.
            let expected = format!("\"address\";r={};t=60", 100 - sent);
            assert_eq!(response.field("ratelimit"), Some(expected.as_str()));
            advance(MS).await;
        }
        let refused = handler.handle(from("192.0.2.1")).await;
        assert_eq!((refused.status(), seconds_of(&refused)), (Status::TOO_MANY_REQUESTS, 60));
        assert_eq!(refused.field("ratelimit"), Some("\"address\";r=0;t=60"));
        assert_eq!(handler.handle(from("192.0.2.2")).await.status(), Status::OK, "another address is not touched");

        advance(Duration::from_secs(59)).await;
        let again = handler.handle(from("192.0.2.1")).await;
        assert_eq!((again.status(), seconds_of(&again)), (Status::TOO_MANY_REQUESTS, 1));
        advance(Duration::from_secs(1)).await;
        assert_eq!(handler.handle(from("192.0.2.1")).await.status(), Status::OK);
    }

    #[tokio::test(start_paused = true)]
    async fn refusals_are_not_counted() {
        let handler = RateLimit::new(2, Duration::from_secs(10)).around(hello);
        let mut served = Vec::new();
        for second in 0..40 {
            if handler.handle(from("192.0.2.1")).await.status() == Status::OK {
                served.push(second);
            }
            advance(1000 * MS).await;
        }
        assert_eq!(served, [0, 1, 11, 12, 22, 23, 33, 34], "a tick more than 10 s, asked once a second");
    }

    #[test]
    fn an_address_is_counted_by_what_its_owner_controls() {
        let same = |a: &str, b: &str| key(a.parse().expect("an address")) == key(b.parse().expect("an address"));
        for (a, b) in
            [("192.0.2.1", "::ffff:192.0.2.1"), ("2001:db8:1:2::1", "2001:db8:1:2:ffff:ffff:ffff:ffff"), ("::1", "::2")]
        {
            assert!(same(a, b), "{a} and {b}");
        }
        for (a, b) in [
            ("192.0.2.1", "192.0.2.2"),
            ("2001:db8:1:2::1", "2001:db8:1:3::1"),
            ("127.0.0.1", "::1"),
            ("0.0.0.0", "::"),
            ("192.0.2.1", "::192.0.2.1"),
        ] {
            assert!(!same(a, b), "{a} and {b}");
        }
    }

    #[tokio::test(start_paused = true)]
    async fn a_million_addresses_are_counted_in_a_bounded_memory() {
        let limit = RateLimit::default();
        let flood = |start: u32, count: u32| {
            (start..start + count)
                .map(|address| limit.ask(Ipv4Addr::from_bits(address).into()))
                .filter(|verdict| matches!(verdict, Verdict::Served(_)))
                .count()
        };
        assert_eq!((flood(0, 1_000_000), limit.addresses()), (1_000_000, 1_000_000));
        let held = limit.bytes_held();
        assert!(held <= 64 << 20, "{held} bytes");

        let served = flood(1_000_000, 100_000);
        assert!(served <= ADDRESSES_MAX - 1_000_000, "{served} served past the bound");
        assert_eq!(limit.addresses(), 1_000_000 + served);
        advance(Duration::from_secs(61)).await;
        assert_eq!(flood(2_000_000, 100_000), 100_000, "all are idle: each newcomer finds a place");
        assert!(limit.addresses() < 1_000_000 && limit.bytes_held() <= 64 << 20, "{} bytes", limit.bytes_held());
    }

    #[tokio::test(start_paused = true)]
    async fn a_full_table_whose_addresses_have_used_their_quota_is_as_large_as_is_said() {
        for (requests, addresses) in [(100, 10_000), (5, 1), (1, 4096), (2, 100_000)] {
            let limit = RateLimit::new(requests, Duration::from_secs(60)).addresses_max(addresses);
            for address in 0..2 * addresses.max(SHARDS) as u32 {
                for _ in 0..requests {
                    limit.ask(Ipv4Addr::from_bits(address).into());
                }
            }
            let (held, max) = (limit.bytes_held() as u64, limit.bytes_held_max());
            assert!(held <= max && max <= held * 2, "{requests} of {addresses}: {held} of {max} bytes");
        }
    }

    #[tokio::test(start_paused = true)]
    async fn when_no_place_is_left_newcomers_wait_and_the_known_are_served() {
        let handler = RateLimit::new(2, Duration::from_secs(10)).addresses_max(1).around(hello);
        let mut statuses = Vec::new();
        for network in 0..1000u16 {
            let client = Ipv6Addr::new(0x2001, 0xdb8, 0, network, 0, 0, 0, 1).to_string();
            statuses.push(handler.handle(from(&client)).await.status());
        }
        assert_eq!(statuses.iter().filter(|&&status| status == Status::OK).count(), SHARDS);
        assert_eq!(statuses[999], Status::SERVICE_UNAVAILABLE);
        let refused = handler.handle(from("2001:db8:0:3e7::1")).await;
        assert_eq!(refused.problem().map(Problem::fault), Some(Fault::TooManyAddresses));
        assert_eq!(handler.handle(from("2001:db8::1")).await.status(), Status::OK);
        advance(Duration::from_secs(seconds_of(&refused)) + MS).await;
        assert_eq!(handler.handle(from("2001:db8:0:3e7::1")).await.status(), Status::OK);
    }

    #[test]
    fn many_threads_together_get_one_quota() {
        let limit = RateLimit::default();
        let served: usize = std::thread::scope(|scope| {
            let ask = || (0..500).filter(|_| matches!(limit.ask([192, 0, 2, 1].into()), Verdict::Served(_))).count();
            let threads: Vec<_> = (0..8).map(|_| scope.spawn(ask)).collect();
            threads.into_iter().map(|thread| thread.join().expect("no panic")).sum()
        });
        assert_eq!(served, 100);
    }
}
