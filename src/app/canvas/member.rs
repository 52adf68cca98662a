//! Owns how one member keeps up with its room.
//!
//! The one idea: whoever is too slow for deltas gets none until nothing waits for it any more, and then a snapshot: what it
//! missed costs no memory, and it is abreast again at once.
//!
//! ```text
//!               more than QUEUED_BYTES_MAX wait, or the queue is full
//!     Abreast ─────────────────────────────────────────────────────> Behind
//!        ▲                                                           │    │
//!        └───────────── nothing waits: Notice, Snapshot ─────────────┘    │ after BEHIND_TIME, or too often
//!                                                                         ▼
//!                                                                       1013
//! ```
//!
//! Never: waits, or makes others wait.
//! Limits: [`QUEUED_BYTES_MAX`], [`BEHIND_TIME`], [`RESYNCS_MAX`].

use std::sync::Arc;
use std::time::Duration;

use tokio::time::Instant;

use crate::app::canvas::domain::PLACES;
use crate::app::canvas::presence::Told;
use crate::app::canvas::protocol::{self, Notice};
use crate::ws::{CloseCode, Prepared, Sender};

/// Bytes that may wait for a member before it is behind: two of the largest snapshots.
pub const QUEUED_BYTES_MAX: usize = 2 * PLACES;

/// How long a member may be behind.
pub const BEHIND_TIME: Duration = Duration::from_secs(5);

/// Snapshots for being behind, in [`RESYNCS_TIME`].
pub const RESYNCS_MAX: u32 = 10;

/// The time in which they are counted.
pub const RESYNCS_TIME: Duration = Duration::from_secs(60);

/// Between two snapshots for strokes that were refused.
const OWED_EVERY: Duration = Duration::from_secs(1);

/// The way to a member: a WebSocket, or what a test puts in its place.
pub trait Peer: Send + Sync {
    /// Queues a message, if there is room for it. Whether there was.
    fn try_send(&self, message: Prepared) -> bool;

    /// Bytes that wait.
    fn queued_bytes(&self) -> usize;

    /// Ends the connection, and drops what waits.
    fn cut(&self, code: CloseCode, reason: &str);
}

impl Peer for Sender {
    fn try_send(&self, message: Prepared) -> bool {
        Sender::try_send(self, message).is_ok()
    }

    fn queued_bytes(&self) -> usize {
        Sender::queued_bytes(self)
    }

    fn cut(&self, code: CloseCode, reason: &str) {
        Sender::cut(self, code, reason);
    }
}

/// A member, as its room sees it.
pub struct Member {
    peer: Arc<dyn Peer>,
    pace: Pace,
    /// The presence that it knows.
    presence: u64,
    /// When it is to get a snapshot although it is abreast.
    owed: Option<Instant>,
    owed_last: Option<Instant>,
    resyncs: u32,
    resyncs_since: Instant,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Pace {
    /// It gets deltas.
    Abreast,
    /// It gets nothing until it has read what waits.
    Behind { since: Instant },
    /// It was closed.
    Hopeless,
}

/// What one tick has for all members.
pub struct Tick<'a> {
    /// When it is.
    pub now: Instant,
    /// What was drawn.
    pub delta: Option<&'a Prepared>,
    /// Whether everybody needs a snapshot.
    pub all_anew: bool,
    /// Who is there.
    pub presence: Option<&'a Told>,
    /// Everything, with the delta; made when somebody needs it.
    pub snapshot: &'a dyn Fn() -> Prepared,
}

impl Member {
    /// A member that has just been told everything. `all_sent`: whether there was room for it.
    pub fn new(peer: Arc<dyn Peer>, all_sent: bool, now: Instant) -> Member {
        let pace = if all_sent { Pace::Abreast } else { Pace::Behind { since: now } };
        Member { peer, pace, presence: 0, owed: None, owed_last: None, resyncs: 0, resyncs_since: now }
    }

    /// Something that this member alone is told.
    pub fn notice(&self, notice: Notice) {
        // Who has no room for it has no eye for it either.
        let _ = self.peer.try_send(Prepared::new(protocol::notice(notice)));
    }

    /// A stroke was refused, which the client may have drawn ahead: it gets a snapshot, at most once a second. Whether this
    /// is the first stroke for that.
    pub fn owe_snapshot(&mut self, now: Instant) -> bool {
        let is_first = self.owed.is_none();
        let earliest = self.owed_last.map_or(now, |last| now.max(last + OWED_EVERY));
        self.owed.get_or_insert(earliest);
        is_first
    }

    /// Closes it.
    pub fn close(&mut self, code: CloseCode, reason: &str) {
        self.pace = Pace::Hopeless;
        self.peer.cut(code, reason);
    }

    /// Tells it what is new.
    pub fn tell(&mut self, tick: &Tick<'_>) {
        match self.pace {
            Pace::Abreast => self.go_on(tick),
            Pace::Behind { since } => self.catch_up(since, tick),
            Pace::Hopeless => return,
        }
        if let Some(told) = tick.presence
            && told.version != self.presence
            && self.peer.queued_bytes() == 0
            && self.peer.try_send(told.message.clone())
        {
            self.presence = told.version;
        }
    }

    /// When it needs a tick, though nobody draws: presence or a snapshot are still to be told, or its time is over.
    pub fn deadline(&self, presence: u64, next_tick: Instant) -> Option<Instant> {
        match self.pace {
            Pace::Hopeless => None,
            Pace::Behind { .. } => Some(next_tick),
            Pace::Abreast if self.presence != presence => Some(next_tick),
            Pace::Abreast => self.owed.map(|owed| owed.max(next_tick)),
        }
    }

    fn go_on(&mut self, tick: &Tick<'_>) {
        let is_owed = self.owed.is_some_and(|owed| owed <= tick.now);
        let news = if tick.all_anew || is_owed { Some((tick.snapshot)()) } else { tick.delta.cloned() };
        let Some(news) = news else { return };
        if self.peer.queued_bytes() > QUEUED_BYTES_MAX || !self.peer.try_send(news) {
            self.pace = Pace::Behind { since: tick.now };
        } else if is_owed {
            self.told_all(tick.now);
        }
    }

    fn catch_up(&mut self, since: Instant, tick: &Tick<'_>) {
        if self.peer.queued_bytes() > 0 {
            if tick.now >= since + BEHIND_TIME {
                self.close(CloseCode::TRY_AGAIN_LATER, "too slow: what waits was not read in time");
            }
            return;
        }
        if tick.now >= self.resyncs_since + RESYNCS_TIME {
            (self.resyncs, self.resyncs_since) = (0, tick.now);
        }
        if self.resyncs == RESYNCS_MAX {
            return self.close(CloseCode::TRY_AGAIN_LATER, "too slow: it fell behind again and again");
        }
        self.notice(Notice::TooSlow);
        if self.peer.try_send((tick.snapshot)()) {
            self.pace = Pace::Abreast;
            self.resyncs += 1;
            self.told_all(tick.now);
        }
    }

    fn told_all(&mut self, now: Instant) {
        if self.owed.take().is_some() {
            self.owed_last = Some(now);
        }
    }
}
