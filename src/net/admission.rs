//! Owns who may have a connection: the total cap, the cap per address, the permits, the counts.
//!
//! The one idea: a permit is the connection's right to exist, and its drop is the only way to give that back. Nobody
//! counts down by hand, so that a panic or a forgotten path cannot lose a seat.
//!
//! ```text
//!  seat() --waits for the total cap--> seat --admit(address)--> Ok(permit)         counted at its network, too
//!                                                          |--> Err(Some(permit))  its network is full: refuse it
//!                                                          '--> Err(None)          too many are being refused: close it
//!  Permit dropped: network counted down, seat back, waiters woken
//! ```
//!
//! A refusal takes a seat for as long as its peer takes to read it. So only a part of the seats is for refusals: one
//! address that connects again and again would otherwise take them all by being refused.
//!
//! Spec: RFC 4291 2.5.4 for the /64: an interface identifier has 64 bits, so that one machine may use all addresses of
//! such a prefix.
//! Never: sees a socket; waits while holding a lock.
//! Invariants: `open` is the number of permits out, at most `connections_max`. A network is in the table only while it
//! has a connection, so that the table is bounded too.
//! Limits: `connections_max`, `connections_per_address_max`, and `REFUSED_PART` below.

use std::collections::HashMap;
use std::collections::hash_map::Entry;
use std::net::{IpAddr, Ipv6Addr};
use std::sync::atomic::{AtomicU64, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, MutexGuard};

use tokio::sync::{Notify, Semaphore, SemaphorePermit};

use crate::net::lock::lock;

/// Of so many seats one may be taken by a connection that is being refused; of fewer, one still.
const REFUSED_PART: usize = 16;

/// How many connections there may be.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Caps {
    /// Connections open at once. Default 10,000. Larger: more descriptors (`ulimit -n`) and memory. The peer waits.
    pub connections_max: usize,
    /// Connections open at once from one IPv4 address or one IPv6 /64. Default 256. Larger: one client can take a larger
    /// part of `connections_max`. The peer is answered a refusal by the protocol's driver, or sees a close while a 16th
    /// of all seats are taken by such refusals.
    pub connections_per_address_max: usize,
    /// Whether `connections_per_address_max` holds for loopback addresses too. Default no: a proxy or a load generator
    /// on this machine is one address and many clients.
    pub cap_loopback: bool,
}

impl Caps {
    /// Connections that may be being refused at a time.
    pub fn refusals_max(&self) -> usize {
        (self.connections_max / REFUSED_PART).max(1)
    }
}

impl Default for Caps {
    fn default() -> Self {
        Caps { connections_max: 10_000, connections_per_address_max: 256, cap_loopback: false }
    }
}

/// What has happened at a listener since it was bound.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Counts {
    /// Connections handed out, refused ones included.
    pub accepted: u64,
    /// Permits out now.
    pub open: usize,
    /// Times that accepting stood still because `connections_max` was reached.
    pub full: u64,
    /// Connections handed out as [`Arrival::OverLimit`](super::Arrival::OverLimit).
    pub over_address_limit: u64,
    /// Connections closed without a word because no descriptor was left.
    pub shed: u64,
    /// Connections closed without a word because too many were being refused.
    pub unheard: u64,
    /// Calls of `accept` that failed.
    pub errors: u64,
}

impl Counts {
    /// What has happened here and there.
    pub fn and(self, other: Counts) -> Counts {
        Counts {
            accepted: self.accepted + other.accepted,
            open: self.open + other.open,
            full: self.full + other.full,
            over_address_limit: self.over_address_limit + other.over_address_limit,
            shed: self.shed + other.shed,
            unheard: self.unheard + other.unheard,
            errors: self.errors + other.errors,
        }
    }
}

/// Reads the [`Counts`] of a listener, also after it is closed. Clones read the same.
#[derive(Clone, Debug)]
pub struct Counters(pub(super) Arc<Admission>);

impl Counters {
    /// The counts now; each is exact, together they may be a moment apart.
    pub fn read(&self) -> Counts {
        let tally = &self.0.tally;
        Counts {
            accepted: tally.accepted.load(Ordering::Relaxed),
            open: tally.open.load(Ordering::Relaxed),
            full: tally.full.load(Ordering::Relaxed),
            over_address_limit: tally.over_address_limit.load(Ordering::Relaxed),
            shed: tally.shed.load(Ordering::Relaxed),
            unheard: tally.unheard.load(Ordering::Relaxed),
            errors: tally.errors.load(Ordering::Relaxed),
        }
    }
}

/// The right to one open connection. Drop it after the stream: its drop tells that a descriptor is free.
#[derive(Debug)]
pub struct Permit {
    admission: Arc<Admission>,
    /// Where it is counted besides its seat, unless its address is exempt.
    counted: Option<Counted>,
}

/// What a permit is counted as.
#[derive(Clone, Copy, Debug)]
enum Counted {
    /// A connection of this network.
    Network(IpAddr),
    /// A refusal.
    Refusal,
}

impl Drop for Permit {
    fn drop(&mut self) {
        self.admission.release(self.counted);
    }
}

/// The caps and what is taken of them, shared by a listener and its permits.
#[derive(Debug)]
pub(super) struct Admission {
    seats: Semaphore,
    networks: Mutex<HashMap<IpAddr, usize>>,
    /// Refusals that may begin now.
    refusals: Semaphore,
    caps: Caps,
    pub(super) tally: Tally,
    /// Told whenever a permit is dropped.
    pub(super) closed: Notify,
}

impl Admission {
    pub(super) fn new(caps: Caps) -> Admission {
        assert!(caps.connections_max.min(caps.connections_per_address_max) > 0, "a cap of 0 serves nobody");
        Admission {
            seats: Semaphore::new(caps.connections_max.min(Semaphore::MAX_PERMITS)),
            networks: Mutex::default(),
            refusals: Semaphore::new(caps.refusals_max().min(Semaphore::MAX_PERMITS)),
            caps,
            tally: Tally::default(),
            closed: Notify::new(),
        }
    }

    /// Waits for a seat of the total cap. It is given back when dropped.
    pub(super) async fn seat(&self) -> SemaphorePermit<'_> {
        if let Ok(seat) = self.seats.try_acquire() {
            return seat;
        }
        self.tally.full.fetch_add(1, Ordering::Relaxed);
        self.seats.acquire().await.expect("the semaphore is never closed")
    }

    /// Turns the seat into a permit for a connection from `address`: `Ok` when it is to be served, `Err` when its
    /// network has its full number. Without a permit the seat is free again.
    pub(super) fn admit(
        self: &Arc<Self>,
        seat: SemaphorePermit<'_>,
        address: IpAddr,
    ) -> Result<Permit, Option<Permit>> {
        let capped = self.caps.cap_loopback || !address.is_loopback();
        let counted = match capped.then(|| network(address)) {
            None => None,
            Some(network) if self.count(network) => Some(Counted::Network(network)),
            Some(_) => return Err(self.refuse(seat)),
        };
        Ok(self.permit(seat, counted))
    }

    fn refuse(self: &Arc<Self>, seat: SemaphorePermit<'_>) -> Option<Permit> {
        let Ok(refusal) = self.refusals.try_acquire() else {
            self.tally.unheard.fetch_add(1, Ordering::Relaxed);
            return None;
        };
        refusal.forget();
        self.tally.over_address_limit.fetch_add(1, Ordering::Relaxed);
        Some(self.permit(seat, Some(Counted::Refusal)))
    }

    fn permit(self: &Arc<Self>, seat: SemaphorePermit<'_>, counted: Option<Counted>) -> Permit {
        seat.forget();
        self.tally.accepted.fetch_add(1, Ordering::Relaxed);
        self.tally.open.fetch_add(1, Ordering::Relaxed);
        Permit { admission: Arc::clone(self), counted }
    }

    /// Waits until no permit is out.
    pub(super) async fn drained(&self) {
        loop {
            // Made before the question, so that a close that comes in between is not slept through.
            let closed = self.closed.notified();
            if self.tally.open.load(Ordering::Acquire) == 0 {
                return;
            }
            closed.await;
        }
    }

    /// Counts a connection from `network`. False, and not counted, when it has its full number.
    fn count(&self, network: IpAddr) -> bool {
        let mut networks = self.networks();
        let open = networks.entry(network).or_default();
        let fits = *open < self.caps.connections_per_address_max;
        *open += usize::from(fits);
        fits
    }

    fn release(&self, counted: Option<Counted>) {
        match counted {
            Some(Counted::Network(network)) => self.count_down(network),
            Some(Counted::Refusal) => self.refusals.add_permits(1),
            None => {}
        }
        self.tally.open.fetch_sub(1, Ordering::Release);
        self.seats.add_permits(1);
        self.closed.notify_waiters();
    }

    fn count_down(&self, network: IpAddr) {
        if let Entry::Occupied(mut open) = self.networks().entry(network) {
            *open.get_mut() -= 1;
            if *open.get() == 0 {
                open.remove();
            }
        }
    }

    fn networks(&self) -> MutexGuard<'_, HashMap<IpAddr, usize>> {
        lock(&self.networks)
    }
}

#[derive(Debug, Default)]
pub(super) struct Tally {
    accepted: AtomicU64,
    open: AtomicUsize,
    full: AtomicU64,
    over_address_limit: AtomicU64,
    pub(super) shed: AtomicU64,
    unheard: AtomicU64,
    pub(super) errors: AtomicU64,
}

/// What counts as one client: an IPv4 address, or an IPv6 /64.
pub(crate) fn network(address: IpAddr) -> IpAddr {
    match address {
        IpAddr::V4(_) => address,
        IpAddr::V6(address) => Ipv6Addr::from_bits(address.to_bits() >> 64 << 64).into(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn admission(connections_max: usize, connections_per_address_max: usize) -> Arc<Admission> {
        Arc::new(Admission::new(Caps { connections_max, connections_per_address_max, cap_loopback: false }))
    }

    async fn admit(admission: &Arc<Admission>, address: &str) -> Result<Permit, Permit> {
        let admitted = admission.admit(admission.seat().await, address.parse().unwrap());
        admitted.map_err(|refused| refused.expect("few are being refused"))
    }

    /// Admits one after the other, keeps all, and expects `+` for a permit and `-` for a refusal.
    async fn check(connections_per_address_max: usize, addresses: &[&str], expected: &str) {
        let admission = admission(99, connections_per_address_max);
        let mut permits = Vec::new();
        for address in addresses {
            permits.push(admit(&admission, address).await);
        }
        let seen: String = permits.iter().map(|permit| if permit.is_ok() { '+' } else { '-' }).collect();
        assert_eq!(seen, expected, "{addresses:?}");
        let counts = Counters(Arc::clone(&admission)).read();
        assert_eq!((counts.open, counts.over_address_limit), (seen.len(), seen.matches('-').count() as u64));
        drop(permits);
        assert_eq!(admission.tally.open.load(Ordering::Relaxed), 0);
        assert!(admission.networks().is_empty(), "the table forgets");
    }

    #[tokio::test]
    async fn one_client_is_an_ipv4_address_or_an_ipv6_64() {
        check(1, &["192.0.2.1", "192.0.2.1", "192.0.2.2"], "+-+").await;
        check(2, &["192.0.2.1", "192.0.2.1", "192.0.2.1"], "++-").await;
        check(1, &["2001:db8:1:2::1", "2001:db8:1:2:ffff:ffff:ffff:ffff", "2001:db8:1:3::1"], "+-+").await;
        check(1, &["127.0.0.1", "127.0.0.1", "::1", "::1"], "++++").await;
    }

    #[tokio::test]
    async fn a_refused_connection_gives_nothing_back_to_its_address() {
        let admission = admission(99, 1);
        let first = admit(&admission, "192.0.2.1").await;
        drop(admit(&admission, "192.0.2.1").await.unwrap_err());
        assert!(admit(&admission, "192.0.2.1").await.is_err());
        drop(first);
        assert!(admit(&admission, "192.0.2.1").await.is_ok());
    }

    #[tokio::test(start_paused = true)]
    async fn a_seat_is_waited_for_and_refusals_take_one_too() {
        let admission = admission(2, 1);
        let _served = admit(&admission, "192.0.2.1").await.unwrap();
        let refused = admit(&admission, "192.0.2.1").await.unwrap_err();
        let limit = std::time::Duration::from_secs(1);
        assert!(tokio::time::timeout(limit, admission.seat()).await.is_err());
        drop(refused);
        drop(admission.seat().await);
        drop(admission.seat().await);
        assert_eq!(admission.tally.full.load(Ordering::Relaxed), 1);
    }

    #[tokio::test]
    async fn refusals_do_not_take_all_seats() {
        let admission = admission(2 * REFUSED_PART, 1);
        let _served = admit(&admission, "192.0.2.1").await.unwrap();
        let refused = admit(&admission, "192.0.2.1").await.unwrap_err();
        let _other = admit(&admission, "192.0.2.1").await.unwrap_err();
        let again = || async { admission.admit(admission.seat().await, "192.0.2.1".parse().unwrap()) };
        for _ in 0..100 {
            assert!(matches!(again().await, Err(None)));
        }
        let Counts { accepted, open, over_address_limit, unheard, .. } = Counters(Arc::clone(&admission)).read();
        assert_eq!((accepted, open, over_address_limit, unheard), (3, 3, 2, 100));
        assert!(admit(&admission, "192.0.2.2").await.is_ok(), "another address finds a seat");
        drop(refused);
        assert!(matches!(again().await, Err(Some(_))));
    }

    #[test]
    #[should_panic(expected = "serves nobody")]
    fn a_cap_of_nothing_is_refused() {
        admission(9, 0);
    }
}
