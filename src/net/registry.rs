//! Owns the table of open connections: a small card for each, which its connection keeps up to date and anyone may read.
//!
//! The one idea: one writer and many readers. A connection writes what its card says with plain stores, so that keeping the
//! table costs a request almost nothing; `/inspect`, metrics and the shutdown read it. Since the table knows the deadline of
//! every connection that waits, it also watches them: one timer for all. And it knows how many of them still keep what they
//! work with (they are *warm*), and tells each when that has lasted long enough.
//!
//! Never: holds bytes of a message (that is [`crate::net::tap`]); keeps a card after its [`Registered`] is dropped.
//! Invariant: a card's waker is the waker of the task that drives its connection.

use std::future::Future;
use std::net::SocketAddr;
use std::sync::atomic::{AtomicBool, AtomicU8, AtomicU32, AtomicU64, AtomicUsize, Ordering::Relaxed};
use std::sync::{Arc, Mutex, MutexGuard};
use std::task::Waker;
use std::time::Duration;

use tokio::time::{Instant, sleep_until};

use crate::net::deadline::{Phase, earlier, within};
use crate::net::lock::lock;

/// Parts of the table, each with its own lock, so that accepting on one core does not wait for another.
pub(crate) const SHARDS: usize = 16;

/// The least time between two looks for deadlines that have passed.
pub(crate) const LOOK_GAP: Duration = Duration::from_millis(50);

/// How long a connection that waits stays warm: as long as one that is busy may take for its next request.
pub(crate) const WARM_TIME: Duration = Duration::from_millis(500);

/// Connections that wait and are warm, at most: what they keep is given back late, and then lies between what others hold.
pub(crate) const WARM_MAX: usize = 256;

/// No deadline is armed.
const NEVER: u64 = u64::MAX;

/// The table of open connections.
#[derive(Debug)]
pub struct Registry {
    next: AtomicU64,
    warm: AtomicUsize,
    shards: [Mutex<Shard>; SHARDS],
}

/// A part of the table.
#[derive(Debug, Default)]
struct Shard {
    /// Each card knows its place, which makes this half as large as a map, and a card as quick to take out.
    cards: Vec<Arc<Card>>,
    /// How many were here and are closed, and what they had counted.
    closed: u64,
    closed_traffic: Traffic,
}

/// What has come and gone.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Traffic {
    /// Bytes received.
    pub received_bytes: u64,
    /// Bytes sent.
    pub sent_bytes: u64,
    /// Requests answered, and messages of WebSockets received.
    pub served: u64,
}

/// The table in a few numbers.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Census {
    /// Open connections by phase, in the order of [`Phase::ALL`].
    pub phases: [usize; Phase::ALL.len()],
    /// Connections that were open before.
    pub closed: u64,
    /// What went over these connections, and over all that were open before. It never goes back.
    pub traffic: Traffic,
}

/// What one connection says about itself.
#[derive(Debug)]
pub struct Card {
    id: u64,
    peer: SocketAddr,
    accepted: Instant,
    /// Since it was accepted, as is what follows.
    since_ms: AtomicU64,
    deadline_ms: AtomicU64,
    received: AtomicU64,
    sent: AtomicU64,
    served: AtomicU64,
    unread: AtomicU32,
    queued: AtomicU32,
    /// Where it stands in its part of the table. Written and read under that part's lock.
    place: AtomicU32,
    phase: AtomicU8,
    /// Its time to wait is over, and nobody has looked yet.
    due: AtomicBool,
    /// It keeps what it works with although it waits.
    warm: AtomicBool,
    waker: Mutex<Option<Waker>>,
}

/// A card as it stood at one moment.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Snapshot {
    /// Number of the connection, from 1 in the order of accepting.
    pub id: u64,
    /// Address of the peer.
    pub peer: SocketAddr,
    /// Where it is in its life.
    pub phase: Phase,
    /// Milliseconds since it was accepted.
    pub age_ms: u64,
    /// Milliseconds in this phase.
    pub in_phase_ms: u64,
    /// Milliseconds until the deadline of this phase, when one is armed.
    pub deadline_left_ms: Option<u64>,
    /// Bytes received and not yet used.
    pub unread_bytes: u32,
    /// Bytes queued to be sent.
    pub queued_bytes: u32,
    /// Bytes received in all.
    pub received_bytes: u64,
    /// Bytes sent in all.
    pub sent_bytes: u64,
    /// Requests answered, and messages of a WebSocket received.
    pub served: u64,
}

/// An open connection's place in the table. Dropping it takes the card out.
#[derive(Debug)]
pub struct Registered {
    registry: Arc<Registry>,
    card: Arc<Card>,
}

impl Registry {
    /// An empty table.
    pub fn new() -> Arc<Registry> {
        let shards = std::array::from_fn(|_| Mutex::default());
        Arc::new(Registry { next: AtomicU64::new(1), warm: AtomicUsize::new(0), shards })
    }

    /// Enters a connection.
    pub fn register(self: &Arc<Self>, peer: SocketAddr, now: Instant) -> Registered {
        let id = self.next.fetch_add(1, Relaxed);
        let card = Card::new(id, peer, now);
        let mut shard = self.shard(id);
        card.place.store(shard.cards.len() as u32, Relaxed);
        shard.cards.push(Arc::clone(&card));
        drop(shard);
        Registered { registry: Arc::clone(self), card }
    }

    /// All open connections, oldest first.
    pub fn snapshots(&self) -> Vec<Snapshot> {
        let now = Instant::now();
        let mut all = Vec::new();
        for shard in &self.shards {
            all.extend(lock(shard).cards.iter().map(|card| card.snapshot(now)));
        }
        all.sort_unstable_by_key(|snapshot| snapshot.id);
        all
    }

    /// All connections counted. It looks at each and allocates nothing.
    pub fn census(&self) -> Census {
        let mut census = Census::default();
        for shard in &self.shards {
            // Under one lock: a connection that closes meanwhile is counted as open or as closed, and not as both.
            let shard = lock(shard);
            census.closed += shard.closed;
            census.traffic.add(shard.closed_traffic);
            for card in &shard.cards {
                census.phases[card.phase() as usize] += 1;
                census.traffic.add(card.traffic());
            }
        }
        census
    }

    /// How many connections are open.
    pub fn len(&self) -> usize {
        self.shards.iter().map(|shard| lock(shard).cards.len()).sum()
    }

    /// Whether no connection is open.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// Lets every connection look up: something that concerns all has changed, a shutdown say.
    pub fn wake_all(&self) {
        for shard in &self.shards {
            // Not under the lock: who is woken may leave the table at once.
            let cards: Vec<Arc<Card>> = lock(shard).cards.clone();
            cards.iter().for_each(|card| card.wake());
        }
    }

    /// Wakes the connections whose time to wait, or to stay warm, is over, again and again, as long as the table is there.
    /// A timer for each would cost more memory than all else that an idle connection holds.
    ///
    /// It looks when the next deadline passes, but no later than `within` from the last look: that is how late a connection may
    /// be told whose deadline is shorter.
    ///
    /// # Cancel safety
    /// Dropping the future loses nothing.
    pub fn watch_deadlines(self: &Arc<Self>, within: Duration) -> impl Future<Output = ()> + Send + use<> {
        let table = Arc::downgrade(self);
        async move {
            while let Some(table) = table.upgrade() {
                let now = Instant::now();
                let next = table.wake_due(now).map_or(now + within, |next| next.min(now + within));
                drop(table);
                sleep_until(next.max(now + LOOK_GAP)).await;
            }
        }
    }

    /// Wakes the connections that are due at `now`. Says when the next one is.
    fn wake_due(&self, now: Instant) -> Option<Instant> {
        let mut next = None;
        let mut due = Vec::new();
        for shard in &self.shards {
            for card in lock(shard).cards.iter().filter(|card| card.phase() == Phase::Idle) {
                match earlier(card.deadline_at(), card.warm_until()) {
                    Some(end) if end <= now => due.push(Arc::clone(card)),
                    end => next = earlier(next, end),
                }
            }
        }
        due.iter().for_each(|card| card.is_now_due());
        next
    }

    fn shard(&self, id: u64) -> MutexGuard<'_, Shard> {
        lock(&self.shards[id as usize % SHARDS])
    }
}

impl Registered {
    /// Whether the connection, which waits, may keep what it works with: most that were asked once are asked again, and
    /// giving it back and making it anew costs more than an answer. [`Registry::watch_deadlines`] tells when that has lasted
    /// for `WARM_TIME`, and [`Card::take_due`] says so. At most `WARM_MAX` connections may at a time.
    #[inline]
    pub fn keep_warm(&self) -> bool {
        self.card.warm.load(Relaxed) || self.warm_up()
    }

    #[cold]
    fn warm_up(&self) -> bool {
        let places = &self.registry.warm;
        let taken = places.try_update(Relaxed, Relaxed, |warm| (warm < WARM_MAX).then_some(warm + 1)).is_ok();
        self.card.warm.store(taken, Relaxed);
        taken
    }

    /// Leaves the place of a warm connection to another.
    pub fn cool(&self) {
        if self.card.warm.load(Relaxed) {
            self.card.warm.store(false, Relaxed);
            self.registry.warm.fetch_sub(1, Relaxed);
        }
    }
}

impl Drop for Registered {
    fn drop(&mut self) {
        self.cool();
        let mut shard = self.registry.shard(self.card.id);
        let place = self.card.place.load(Relaxed);
        shard.cards.swap_remove(place as usize);
        shard.closed += 1;
        shard.closed_traffic.add(self.card.traffic());
        if let Some(moved) = shard.cards.get(place as usize) {
            moved.place.store(place, Relaxed);
        }
    }
}

impl std::ops::Deref for Registered {
    type Target = Arc<Card>;

    fn deref(&self) -> &Arc<Card> {
        &self.card
    }
}

impl Traffic {
    fn add(&mut self, more: Traffic) {
        self.received_bytes += more.received_bytes;
        self.sent_bytes += more.sent_bytes;
        self.served += more.served;
    }
}

impl Card {
    pub(crate) fn new(id: u64, peer: SocketAddr, accepted: Instant) -> Arc<Card> {
        Arc::new(Card {
            id,
            peer,
            accepted,
            since_ms: AtomicU64::new(0),
            deadline_ms: AtomicU64::new(NEVER),
            received: AtomicU64::new(0),
            sent: AtomicU64::new(0),
            served: AtomicU64::new(0),
            unread: AtomicU32::new(0),
            queued: AtomicU32::new(0),
            place: AtomicU32::new(0),
            phase: AtomicU8::new(Phase::Idle as u8),
            due: AtomicBool::new(false),
            warm: AtomicBool::new(false),
            waker: Mutex::new(None),
        })
    }

    /// Number of the connection.
    pub fn id(&self) -> u64 {
        self.id
    }

    /// Address of the peer.
    pub fn peer(&self) -> SocketAddr {
        self.peer
    }

    /// When it was accepted.
    pub fn accepted(&self) -> Instant {
        self.accepted
    }

    /// Where the connection is.
    #[inline]
    pub fn phase(&self) -> Phase {
        Phase::ALL[usize::from(self.phase.load(Relaxed))]
    }

    /// When it entered its phase, to the millisecond.
    pub fn since(&self) -> Instant {
        self.accepted + Duration::from_millis(self.since_ms.load(Relaxed))
    }

    /// Says who is to be woken when something happens that the connection cannot see: the task that drives it.
    pub fn driven_by(&self, waker: &Waker) {
        *lock(&self.waker) = Some(waker.clone());
    }

    /// Wakes the task that drives the connection.
    pub fn wake(&self) {
        if let Some(waker) = lock(&self.waker).clone() {
            waker.wake();
        }
    }

    /// Enters a phase.
    #[inline]
    pub fn enter(&self, phase: Phase, now: Instant) {
        self.phase.store(phase as u8, Relaxed);
        self.since_ms.store(self.millis(now), Relaxed);
    }

    /// Says which deadline is armed.
    #[inline]
    pub fn deadline(&self, deadline: Option<Instant>) {
        // Rounded up, so that nothing is over too early.
        let millis = |deadline: Instant| {
            let after = deadline.saturating_duration_since(self.accepted);
            after.as_secs().saturating_mul(1_000) + u64::from(after.subsec_nanos().div_ceil(1_000_000))
        };
        self.deadline_ms.store(deadline.map_or(NEVER, millis), Relaxed);
    }

    /// The deadline that is armed, to the millisecond.
    pub fn deadline_at(&self) -> Option<Instant> {
        match self.deadline_ms.load(Relaxed) {
            NEVER => None,
            millis => within(self.accepted, Duration::from_millis(millis)),
        }
    }

    fn warm_until(&self) -> Option<Instant> {
        self.warm.load(Relaxed).then(|| self.since() + WARM_TIME)
    }

    /// Whether [`Registry::watch_deadlines`] has found its time to wait, or to stay warm, to be over. True once.
    #[inline]
    pub fn take_due(&self) -> bool {
        self.due.load(Relaxed) && self.due.swap(false, Relaxed)
    }

    fn is_now_due(&self) {
        self.due.store(true, Relaxed);
        self.wake();
    }

    /// Counts received bytes.
    #[inline]
    pub fn received(&self, bytes: usize) {
        add(&self.received, bytes as u64);
    }

    /// Counts sent bytes.
    #[inline]
    pub fn sent(&self, bytes: usize) {
        add(&self.sent, bytes as u64);
    }

    /// Counts an answered request.
    #[inline]
    pub fn served(&self) {
        add(&self.served, 1);
    }

    /// Says how many bytes are received and not yet used.
    #[inline]
    pub fn unread(&self, bytes: usize) {
        self.unread.store(bytes as u32, Relaxed);
    }

    /// Says how many bytes are queued to be sent.
    #[inline]
    pub fn queued(&self, bytes: usize) {
        self.queued.store(bytes as u32, Relaxed);
    }

    fn traffic(&self) -> Traffic {
        Traffic {
            received_bytes: self.received.load(Relaxed),
            sent_bytes: self.sent.load(Relaxed),
            served: self.served.load(Relaxed),
        }
    }

    /// The card as it stands at `now`.
    pub fn snapshot(&self, now: Instant) -> Snapshot {
        let now_ms = self.millis(now);
        let deadline = self.deadline_ms.load(Relaxed);
        Snapshot {
            id: self.id,
            peer: self.peer,
            phase: self.phase(),
            age_ms: now_ms,
            in_phase_ms: now_ms.saturating_sub(self.since_ms.load(Relaxed)),
            deadline_left_ms: (deadline != NEVER).then(|| deadline.saturating_sub(now_ms)),
            unread_bytes: self.unread.load(Relaxed),
            queued_bytes: self.queued.load(Relaxed),
            received_bytes: self.received.load(Relaxed),
            sent_bytes: self.sent.load(Relaxed),
            served: self.served.load(Relaxed),
        }
    }

    fn millis(&self, at: Instant) -> u64 {
        at.saturating_duration_since(self.accepted).as_millis() as u64
    }
}

/// Adds to a counter that has one writer: a load and a store, no locked instruction.
#[inline]
fn add(counter: &AtomicU64, count: u64) {
    counter.store(counter.load(Relaxed) + count, Relaxed);
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::time::Duration;

    fn peer() -> SocketAddr {
        SocketAddr::from(([127, 0, 0, 1], 9))
    }

    #[tokio::test(start_paused = true)]
    async fn a_card_tells_phase_time_and_deadline() {
        let registry = Registry::new();
        let registered = registry.register(peer(), Instant::now());
        tokio::time::advance(Duration::from_millis(70)).await;
        let now = Instant::now();
        registered.enter(Phase::Head, now);
        registered.deadline(Some(now + Duration::from_secs(5)));
        registered.unread(10);
        registered.queued(20);
        registered.received(10);
        registered.served();
        tokio::time::advance(Duration::from_millis(30)).await;
        let expected = Snapshot {
            id: 1,
            peer: peer(),
            phase: Phase::Head,
            age_ms: 100,
            in_phase_ms: 30,
            deadline_left_ms: Some(4_970),
            unread_bytes: 10,
            queued_bytes: 20,
            received_bytes: 10,
            sent_bytes: 0,
            served: 1,
        };
        assert_eq!(registry.snapshots(), [expected]);
    }

    #[tokio::test]
    async fn a_dropped_connection_leaves_the_table() {
        let registry = Registry::new();
        let mut many: Vec<_> = (0..100).map(|_| registry.register(peer(), Instant::now())).collect();
        assert_eq!(registry.len(), 100);
        for leaves in [99, 0, 50, 7, 7, 0] {
            drop(many.swap_remove(leaves % many.len()));
            let mut left: Vec<u64> = many.iter().map(|registered| registered.id()).collect();
            left.sort_unstable();
            let listed: Vec<u64> = registry.snapshots().iter().map(|snapshot| snapshot.id).collect();
            assert_eq!(listed, left);
        }
        drop(many);
        assert!(registry.is_empty());
    }

    #[tokio::test]
    async fn a_census_counts_the_open_by_phase_and_the_traffic_of_the_closed_too() {
        let registry = Registry::new();
        let many: Vec<_> = (0..40).map(|_| registry.register(peer(), Instant::now())).collect();
        for (index, registered) in many.iter().enumerate() {
            registered.received(10);
            registered.sent(100);
            registered.served();
            if index % 4 == 0 {
                registered.enter(Phase::Handler, Instant::now());
            }
        }
        let traffic = Traffic { received_bytes: 400, sent_bytes: 4_000, served: 40 };
        let phases = [30, 0, 10, 0, 0, 0, 0, 0];
        assert_eq!(registry.census(), Census { phases, closed: 0, traffic });
        drop(many);
        assert_eq!(registry.census(), Census { phases: [0; 8], closed: 40, traffic });
    }

    #[tokio::test(start_paused = true)]
    async fn who_has_waited_for_long_enough_is_told_once_and_in_time() {
        let registry = Registry::new();
        let watching = tokio::spawn(registry.watch_deadlines(Duration::from_millis(500)));
        let begin = Instant::now();
        let cards: Vec<_> = [700, 1_200, 1_201].map(|_| registry.register(peer(), begin)).into();
        for (card, after) in cards.iter().zip([700, 1_200, 1_201]) {
            card.deadline(Some(begin + Duration::from_millis(after)));
        }
        cards[2].enter(Phase::Handler, begin);
        for (after, expected) in
            [(699, [false; 3]), (2, [true, false, false]), (500, [false, true, false]), (9_000, [false; 3])]
        {
            tokio::time::sleep(Duration::from_millis(after)).await;
            for card in cards.iter().filter(|card| card.take_due()) {
                assert!(expected[card.id() as usize - 1], "after {:?}", begin.elapsed());
                // Its connection goes to work, and to its end.
                card.enter(Phase::Closed, Instant::now());
            }
        }
        assert!(cards.iter().map(|card| card.phase()).eq([Phase::Closed, Phase::Closed, Phase::Handler]));
        drop(cards);
        drop(registry);
        watching.await.expect("it ends with the table");
    }

    #[tokio::test(start_paused = true)]
    async fn some_connections_stay_warm_for_a_while() {
        let registry = Registry::new();
        let watching = tokio::spawn(registry.watch_deadlines(Duration::from_millis(500)));
        let mut many: Vec<_> = (0..=WARM_MAX).map(|_| registry.register(peer(), Instant::now())).collect();
        let last = many.pop().expect("one more than there are places");
        assert!(many.iter().all(Registered::keep_warm) && many.iter().all(Registered::keep_warm), "one place each");
        assert!(!last.keep_warm());
        many[0].cool();
        many[0].cool();
        assert!(last.keep_warm() && !many[0].keep_warm());
        drop(many.pop());
        assert!(many[0].keep_warm());

        tokio::time::sleep(WARM_TIME - Duration::from_millis(1)).await;
        assert!(!last.take_due());
        last.enter(Phase::Idle, Instant::now());
        tokio::time::sleep(LOOK_GAP).await;
        assert!(many.iter().all(|card| card.take_due()) && !last.take_due(), "it has just been asked again");
        many.iter().for_each(Registered::cool);
        tokio::time::sleep(WARM_TIME).await;
        assert!(last.take_due() && !many.iter().any(|card| card.take_due()));
        watching.abort();
    }

    #[tokio::test]
    async fn all_are_woken() {
        let registry = Registry::new();
        let registered = registry.register(peer(), Instant::now());
        let mut polls = 0;
        std::future::poll_fn(|cx| {
            polls += 1;
            registered.driven_by(cx.waker());
            if polls == 1 {
                registry.wake_all();
                return std::task::Poll::Pending;
            }
            std::task::Poll::Ready(())
        })
        .await;
        assert_eq!(polls, 2);
    }
}
