//! Owns the events of connections: who watches sees every byte and every decision, and nobody watching costs one load.
//!
//! The one idea: the driver asks once a step whether somebody watches. Only then is anything built, copied or sent.
//!
//! ```text
//!   connection ── Tap ── watched? ──no──> nothing
//!                           │yes
//!                           ├──> ring of this connection   (EVENTS_MAX events, RING_BYTES_MAX bytes)
//!                           └──> broadcast to all watchers (LIVE_EVENTS_MAX; a slow one is told what it missed)
//! ```
//!
//! Never: knows what the bytes mean: a [`Part`] is a name and a section that the protocol gives. Never holds secrets: the
//! protocol masks them before it tells.
//! Limits: the constants below; memory is given back when the last watcher leaves.

use std::collections::VecDeque;
use std::net::SocketAddr;
use std::sync::atomic::{AtomicUsize, Ordering::Relaxed};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use bytes::Bytes;
use tokio::sync::broadcast;
use tokio::time::Instant;

use crate::net::deadline::Phase;
use crate::net::lock::lock;
use crate::net::registry::{Card, Snapshot};

/// Events kept for one connection.
pub const EVENTS_MAX: usize = 256;
/// Bytes of messages kept for one connection.
pub const RING_BYTES_MAX: usize = 64 * 1024;
/// Bytes of one event; what is longer is cut and says so.
pub const EVENT_BYTES_MAX: usize = 8 * 1024;
/// Connections whose events are kept, open or closed, the latest first.
pub const HISTORIES_MAX: usize = 128;
/// Events that a watcher may lag behind before it loses some.
pub const LIVE_EVENTS_MAX: usize = 1024;

/// What a stretch of bytes is, in the words of its protocol.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Part {
    /// Its name, such as `field line`.
    pub name: &'static str,
    /// The section that defines it, such as `RFC 9112 5`.
    pub section: &'static str,
}

/// One thing that happened to a connection.
#[derive(Clone, Debug)]
pub struct Event {
    /// Number of the connection.
    pub connection: u64,
    /// Time since the connection was accepted.
    pub at: Duration,
    /// The moment itself, to compare with other connections.
    pub when: Instant,
    /// What happened.
    pub what: What,
}

/// What may happen to a connection.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum What {
    /// It was accepted.
    Accepted {
        /// Address of the peer.
        peer: SocketAddr,
    },
    /// We are the client, and have connected.
    Connected {
        /// Address of the peer.
        peer: SocketAddr,
    },
    /// Bytes came in and were understood as `part`.
    Received {
        /// What they are.
        part: Part,
        /// The bytes, cut at [`EVENT_BYTES_MAX`]; none when the protocol does not show them.
        bytes: Bytes,
        /// How many there were.
        length: usize,
    },
    /// Bytes went out.
    Sent {
        /// What they are.
        part: Part,
        /// The bytes, cut at [`EVENT_BYTES_MAX`].
        bytes: Bytes,
        /// How many there were.
        length: usize,
    },
    /// It entered a phase.
    Entered {
        /// The phase it left.
        from: Phase,
        /// The phase it is in now.
        to: Phase,
    },
    /// A deadline was armed.
    Armed {
        /// What it bounds.
        phase: Phase,
        /// Time until it fires.
        left: Duration,
    },
    /// A deadline has fired.
    Fired {
        /// What it bounded.
        phase: Phase,
    },
    /// How full the buffers are.
    Buffers {
        /// Bytes received and not yet used.
        unread: usize,
        /// Bytes queued to be sent.
        queued: usize,
    },
    /// The protocol decided something worth knowing.
    Decided {
        /// What was decided.
        decision: String,
        /// The section it obeys.
        section: &'static str,
    },
    /// It is over.
    Closed {
        /// Why.
        why: String,
        /// What it came to: its card as it left the table.
        card: Snapshot,
    },
}

/// The place where events meet their watchers. One for a server.
#[derive(Debug)]
pub struct Hub {
    watchers: AtomicUsize,
    /// Counts up when the last watcher leaves, so that a tap knows that its history was given back.
    generation: AtomicUsize,
    live: broadcast::Sender<Arc<Event>>,
    histories: Mutex<VecDeque<Arc<History>>>,
}

#[derive(Debug)]
struct History {
    connection: u64,
    generation: usize,
    ring: Mutex<Ring>,
}

#[derive(Debug, Default)]
struct Ring {
    events: VecDeque<Arc<Event>>,
    bytes: usize,
    /// Events that had to go: the number of the oldest that is kept.
    gone: u64,
    /// Its history had to make room for another one: nobody can ask for it, so nothing more is kept.
    evicted: bool,
}

/// Events kept of one connection.
#[derive(Clone, Debug)]
pub struct Kept {
    /// The number of the first event, counted from the first that was recorded of the connection. Larger than the one
    /// asked for when events between had to go.
    pub first: u64,
    /// The events, oldest first.
    pub events: Vec<Arc<Event>>,
}

/// A connection's end of the tap. Clones tell of the same connection.
#[derive(Clone, Debug)]
pub struct Tap {
    hub: Arc<Hub>,
    card: Arc<Card>,
    history: Option<Arc<History>>,
}

/// A watcher. While one is there, events are recorded.
#[derive(Debug)]
pub struct Watch {
    hub: Arc<Hub>,
    live: broadcast::Receiver<Arc<Event>>,
}

impl Hub {
    /// A hub without watchers.
    pub fn new() -> Arc<Hub> {
        Arc::new(Hub {
            watchers: AtomicUsize::new(0),
            generation: AtomicUsize::new(0),
            live: broadcast::Sender::new(LIVE_EVENTS_MAX),
            histories: Mutex::default(),
        })
    }

    /// A tap for a new connection.
    pub fn tap(self: &Arc<Self>, card: &Arc<Card>) -> Tap {
        Tap { hub: Arc::clone(self), card: Arc::clone(card), history: None }
    }

    /// Starts to watch.
    pub fn watch(self: &Arc<Self>) -> Watch {
        let live = self.live.subscribe();
        self.watchers.fetch_add(1, Relaxed);
        Watch { hub: Arc::clone(self), live }
    }

    /// The events kept of one connection, from number `from` on, so that a reader who comes again gets what is new.
    pub fn history(&self, connection: u64, from: u64) -> Option<Kept> {
        let history = lock(&self.histories).iter().find(|history| history.connection == connection).cloned()?;
        let kept = lock(&history.ring).kept(from);
        Some(kept)
    }

    /// The last events of the connections that are over and whose events are kept, the latest connection first.
    pub fn closed(&self) -> Vec<Arc<Event>> {
        let histories: Vec<_> = lock(&self.histories).iter().cloned().collect();
        let last = histories.iter().filter_map(|history| lock(&history.ring).events.back().cloned());
        last.filter(|event| event.is_end()).collect()
    }

    #[inline]
    fn is_watched(&self) -> bool {
        self.watchers.load(Relaxed) > 0
    }

    fn open_history(&self, connection: u64) -> Arc<History> {
        let mut histories = lock(&self.histories);
        // Read under the lock under which it counts up: what is listed is always of this generation.
        let generation = self.generation.load(Relaxed);
        let history = Arc::new(History { connection, generation, ring: Mutex::default() });
        if let Some(open) = histories.iter().find(|open| open.connection == connection) {
            return Arc::clone(open);
        }
        if histories.len() == HISTORIES_MAX {
            // The oldest that is over; an open connection keeps its history as long as it can.
            let oldest = histories.iter().rposition(|history| history.is_over()).unwrap_or(HISTORIES_MAX - 1);
            if let Some(evicted) = histories.remove(oldest) {
                *lock(&evicted.ring) = Ring { evicted: true, ..Ring::default() };
            }
        }
        histories.push_front(Arc::clone(&history));
        history
    }
}

impl Watch {
    /// The next event, or how many were missed because this watcher was too slow.
    ///
    /// # Cancel safety
    /// Dropping the future loses nothing.
    pub async fn next(&mut self) -> Result<Arc<Event>, Missed> {
        match self.live.recv().await {
            Ok(event) => Ok(event),
            Err(broadcast::error::RecvError::Lagged(count)) => Err(Missed(count)),
            // The hub holds the sender and this watcher holds the hub.
            Err(broadcast::error::RecvError::Closed) => std::future::pending().await,
        }
    }
}

/// So many events were missed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Missed(pub u64);

impl Drop for Watch {
    fn drop(&mut self) {
        if self.hub.watchers.fetch_sub(1, Relaxed) == 1 {
            let mut histories = lock(&self.hub.histories);
            self.hub.generation.fetch_add(1, Relaxed);
            histories.clear();
        }
    }
}

impl Tap {
    /// Whether anybody watches: ask once a step, before building anything to tell.
    #[inline]
    pub fn is_watched(&self) -> bool {
        self.hub.is_watched()
    }

    /// Tells that bytes came in.
    #[cold]
    pub fn received(&mut self, part: Part, bytes: &[u8]) {
        self.tell(What::Received { part, bytes: cut(bytes), length: bytes.len() });
    }

    /// Tells that bytes came in that are not shown.
    #[cold]
    pub fn received_unseen(&mut self, part: Part, length: usize) {
        self.tell(What::Received { part, bytes: Bytes::new(), length });
    }

    /// Tells that bytes went out.
    #[cold]
    pub fn sent(&mut self, part: Part, bytes: &[u8]) {
        self.tell(What::Sent { part, bytes: cut(bytes), length: bytes.len() });
    }

    /// Tells a decision and the section it obeys.
    #[cold]
    pub fn decided(&mut self, decision: impl Into<String>, section: &'static str) {
        self.tell(What::Decided { decision: decision.into(), section });
    }

    /// Tells anything.
    #[cold]
    pub fn tell(&mut self, what: What) {
        if !self.is_watched() {
            return;
        }
        let generation = self.hub.generation.load(Relaxed);
        if self.history.as_ref().is_none_or(|history| history.generation != generation) {
            self.history = Some(self.hub.open_history(self.card.id()));
            if !matches!(what, What::Accepted { .. } | What::Connected { .. }) {
                self.record(What::Accepted { peer: self.card.peer() }, Duration::ZERO);
            }
        }
        self.record(what, self.card.accepted().elapsed());
    }

    fn record(&self, what: What, at: Duration) {
        let event = Arc::new(Event { connection: self.card.id(), at, when: self.card.accepted() + at, what });
        if let Some(history) = &self.history {
            lock(&history.ring).push(Arc::clone(&event));
        }
        // Without receivers the watchers have just left.
        let _ = self.hub.live.send(event);
    }
}

impl Ring {
    fn push(&mut self, event: Arc<Event>) {
        if self.evicted {
            return;
        }
        self.bytes += event.kept_bytes();
        self.events.push_back(event);
        while self.events.len() > EVENTS_MAX || self.bytes > RING_BYTES_MAX {
            let Some(oldest) = self.events.pop_front() else { return };
            self.bytes -= oldest.kept_bytes();
            self.gone += 1;
        }
    }

    fn kept(&self, from: u64) -> Kept {
        let first = from.max(self.gone);
        let skipped = usize::try_from(first - self.gone).unwrap_or(usize::MAX);
        Kept { first, events: self.events.iter().skip(skipped).cloned().collect() }
    }
}

impl History {
    fn is_over(&self) -> bool {
        lock(&self.ring).events.back().is_some_and(|last| last.is_end())
    }
}

impl Event {
    fn is_end(&self) -> bool {
        matches!(self.what, What::Closed { .. })
    }

    fn kept_bytes(&self) -> usize {
        match &self.what {
            What::Received { bytes, .. } | What::Sent { bytes, .. } => bytes.len(),
            _ => 0,
        }
    }
}

fn cut(bytes: &[u8]) -> Bytes {
    Bytes::copy_from_slice(&bytes[..bytes.len().min(EVENT_BYTES_MAX)])
}

#[cfg(test)]
mod tests {
    use super::*;

    const PART: Part = Part { name: "content", section: "RFC 9112 6" };

    fn tap(hub: &Arc<Hub>, connection: u64) -> Tap {
        hub.tap(&Card::new(connection, SocketAddr::from(([127, 0, 0, 1], 9)), Instant::now()))
    }

    #[tokio::test]
    async fn nothing_is_kept_while_nobody_watches() {
        let hub = Hub::new();
        let mut tap = tap(&hub, 1);
        tap.received(PART, b"abc");
        assert!(hub.history(1, 0).is_none());
    }

    #[tokio::test]
    async fn a_watcher_sees_events_from_the_accept_on() {
        let hub = Hub::new();
        let mut watch = hub.watch();
        let mut tap = tap(&hub, 1);
        tap.received(PART, b"abc");
        assert!(matches!(watch.next().await.expect("no lag").what, What::Accepted { .. }));
        let expected = What::Received { part: PART, bytes: Bytes::from_static(b"abc"), length: 3 };
        assert_eq!(watch.next().await.expect("no lag").what, expected);
        assert_eq!(hub.history(1, 0).expect("kept").events.len(), 2);
    }

    #[tokio::test]
    async fn memory_is_bounded_in_events_bytes_and_connections() {
        let hub = Hub::new();
        let mut watch = hub.watch();
        let mut first = tap(&hub, 1);
        for _ in 0..EVENTS_MAX * 8 {
            first.sent(PART, &[b'x'; EVENT_BYTES_MAX * 2]);
        }
        let kept = hub.history(1, 0).expect("kept");
        assert_eq!(kept.events.iter().map(|event| event.kept_bytes()).sum::<usize>(), RING_BYTES_MAX);
        assert_eq!(kept.first + kept.events.len() as u64, 1 + EVENTS_MAX as u64 * 8, "who comes late sees the gap");
        assert_eq!(hub.history(1, kept.first + 1).expect("kept").events.len(), kept.events.len() - 1);
        for connection in 2..HISTORIES_MAX as u64 + 2 {
            tap(&hub, connection).decided("x", "");
        }
        assert!(hub.history(1, 0).is_none(), "the oldest goes first");
        assert!(hub.history(2, 0).is_some());
        assert!(watch.next().await.is_err(), "a slow watcher is told what it missed");
    }

    #[tokio::test]
    async fn those_that_are_over_are_told_apart() {
        let hub = Hub::new();
        let _watch = hub.watch();
        let registry = crate::net::registry::Registry::new();
        let peer = SocketAddr::from(([127, 0, 0, 1], 9));
        let card = registry.register(peer, Instant::now()).snapshot(Instant::now());
        tap(&hub, 1).tell(What::Closed { why: "x".to_owned(), card });
        tap(&hub, 2).decided("x", "");
        assert_eq!(hub.closed().iter().map(|event| event.connection).collect::<Vec<_>>(), [1]);
    }

    #[tokio::test]
    async fn the_last_watcher_takes_the_memory_with_it() {
        let hub = Hub::new();
        let (one, two) = (hub.watch(), hub.watch());
        tap(&hub, 1).decided("x", "");
        drop(one);
        assert!(hub.history(1, 0).is_some());
        drop(two);
        assert!(hub.history(1, 0).is_none());
        assert!(!hub.is_watched());
    }

    #[tokio::test]
    async fn an_open_connection_is_seen_by_the_next_watcher_too() {
        let hub = Hub::new();
        let mut tap = tap(&hub, 1);
        drop({
            let watch = hub.watch();
            tap.decided("seen", "");
            watch
        });
        tap.decided("unseen", "");
        let _watch = hub.watch();
        tap.decided("seen again", "");
        assert_eq!(hub.history(1, 0).expect("kept").events.len(), 2, "accepted and decided");
    }

    #[tokio::test]
    async fn a_history_that_made_room_for_another_holds_nothing() {
        let hub = Hub::new();
        let _watch = hub.watch();
        let mut first = tap(&hub, 1);
        first.decided("x", "");
        for connection in 2..HISTORIES_MAX as u64 + 2 {
            tap(&hub, connection).decided("x", "");
        }
        first.sent(PART, &[b'x'; EVENT_BYTES_MAX]);
        let history = first.history.as_ref().expect("it was opened");
        assert!(lock(&history.ring).events.is_empty(), "an open connection still holds its own");
    }
}
