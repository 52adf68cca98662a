//! Owns the way of one room's pictures to the store and back: when one is to be kept, and that it is kept at last.
//!
//! The one idea: the room gives away its latest picture and goes on drawing; a task beside it loads first, then keeps whatever
//! is the latest, again and again until the store has taken it.
//!
//! ```text
//!   room ──keep──> latest picture ──> task ──load, keep──> store
//!    ^                                 │        └ failed: wait, up to 5 s
//!    └────────────── Found ────────────┘
//!
//!   drawn ──5 s without more──> time to keep        drawn all the time ──30 s──> time to keep
//! ```
//!
//! Never: lets the room wait.
//! Invariants: one [`Found`] comes as soon as the store has answered for the first time, whatever it has.

use std::sync::Arc;
use std::time::{Duration, Instant};

use tokio::sync::{mpsc, watch};
use tokio::task::JoinHandle;
use tokio::time::sleep;

use super::{Snapshot, Store};
use crate::app::canvas::backoff;
use crate::app::canvas::domain::RoomName;
use crate::app::canvas::grid::{Pixel, Tile};
use crate::app::canvas::protocol::Position;

/// A room that nobody has drawn on for so long is kept.
pub const QUIET: Duration = Duration::from_secs(5);

/// One that is drawn on without a pause is kept so often. As much is lost when the machine stops.
pub const BUSY: Duration = Duration::from_secs(30);

/// When a room is to be kept.
#[derive(Clone, Copy, Debug, Default)]
pub struct Schedule {
    /// When it was drawn on for the first and the last time since it was kept.
    unkept: Option<(Instant, Instant)>,
}

/// Keeps the pictures of one room, until it is dropped.
pub struct Keeper {
    latest: watch::Sender<Latest>,
    /// How many pictures it was given.
    given: u64,
    /// How many of them are kept, or were replaced by a later one that is.
    kept: watch::Receiver<u64>,
    task: JoinHandle<()>,
}

/// The last picture, if there was one, and its number. Those before it are forgotten: a store that is away costs the memory
/// of one.
type Latest = (u64, Option<Arc<Snapshot>>);

/// What the store has that the room has not: to be merged, and told to its members.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Found {
    /// Pixels.
    pub pixels: Vec<Pixel>,
    /// Where the room's members were when it was closed, if nothing was drawn since. Good for a room with these pixels alone.
    pub position: Option<Position>,
}

impl Schedule {
    /// Somebody has drawn, here or elsewhere.
    pub fn drawn(&mut self, now: Instant) {
        self.unkept = Some(self.unkept.map_or((now, now), |(first, _)| (first, now)));
    }

    /// When the room is to be kept, if nothing is drawn until then.
    pub fn deadline(&self) -> Option<Instant> {
        self.unkept.map(|(first, last)| (first + BUSY).min(last + QUIET))
    }

    /// Whether it is time to keep the room: then it is taken for kept.
    pub fn is_due(&mut self, now: Instant) -> bool {
        let is_due = self.deadline().is_some_and(|deadline| deadline <= now);
        if is_due {
            self.unkept = None;
        }
        is_due
    }
}

impl Keeper {
    /// Begins to load the picture of `room`; what was found comes from the channel. Must be called in a tokio runtime.
    pub fn spawn(store: Store, room: RoomName) -> (Keeper, mpsc::UnboundedReceiver<Found>) {
        let (latest, given) = watch::channel((0, None));
        let (is_kept, kept) = watch::channel(0);
        let (found, receiver) = mpsc::unbounded_channel();
        let task = tokio::spawn(Task { store, room, given, kept: is_kept, found }.run());
        (Keeper { latest, given: 0, kept, task }, receiver)
    }

    /// Keeps `snapshot`, in place of the one that still waits.
    pub fn keep(&mut self, snapshot: Snapshot) {
        self.given += 1;
        self.latest.send_replace((self.given, Some(Arc::new(snapshot))));
    }

    /// Whether the store has what it was given.
    pub fn is_kept(&self) -> bool {
        *self.kept.borrow() == self.given
    }

    /// Waits until the store has what it was given: while the store is away, as long as it is.
    ///
    /// # Cancel safety
    /// Nothing is lost when it is dropped.
    pub async fn kept(&mut self) {
        let given = self.given;
        let _ = self.kept.wait_for(|kept| *kept == given).await;
    }
}

impl Drop for Keeper {
    fn drop(&mut self) {
        self.task.abort();
    }
}

/// What a keeper does beside the room.
struct Task {
    store: Store,
    room: RoomName,
    given: watch::Receiver<Latest>,
    kept: watch::Sender<u64>,
    found: mpsc::UnboundedSender<Found>,
}

impl Task {
    async fn run(mut self) {
        let loaded = self.load().await.unwrap_or_default();
        let pixels = Tile::all().flat_map(|tile| loaded.grid.export(tile)).collect();
        self.tell(Found { pixels, position: loaded.position });
        while self.given.changed().await.is_ok() {
            let pixels = self.keep().await;
            if !pixels.is_empty() {
                self.tell(Found { pixels, position: None });
            }
        }
    }

    async fn load(&self) -> Option<Snapshot> {
        let mut failures = 0;
        loop {
            let loaded = self.store.load(&self.room).await;
            self.store.note(&loaded);
            if let Ok(loaded) = loaded {
                return loaded;
            }
            failures += 1;
            sleep(backoff::after(failures)).await;
        }
    }

    /// Keeps the latest picture, or what comes after it meanwhile. Gives what the store had.
    async fn keep(&mut self) -> Vec<Pixel> {
        let mut failures = 0;
        loop {
            let (number, Some(latest)) = self.given.borrow_and_update().clone() else { return Vec::new() };
            let kept = self.store.keep(&self.room, &latest).await;
            self.store.note(&kept);
            if let Ok(pixels) = kept {
                self.kept.send_replace(number);
                return pixels;
            }
            failures += 1;
            sleep(backoff::after(failures)).await;
        }
    }

    fn tell(&self, found: Found) {
        // A room that does not listen any more has all that it needs.
        let _ = self.found.send(found);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_room_is_kept_when_it_falls_quiet_and_at_intervals_while_it_does_not() {
        let start = Instant::now();
        let at = |seconds: u64| start + Duration::from_secs(seconds);
        let mut schedule = Schedule::default();
        assert_eq!((schedule.deadline(), schedule.is_due(at(999))), (None, false));
        schedule.drawn(at(0));
        schedule.drawn(at(3));
        assert_eq!((schedule.deadline(), schedule.is_due(at(7))), (Some(at(8)), false));
        assert!(schedule.is_due(at(8)));
        assert!(!schedule.is_due(at(999)), "nothing was drawn since");
        let due: Vec<u64> = (100..200)
            .filter(|&second| {
                schedule.drawn(at(second));
                schedule.is_due(at(second))
            })
            .collect();
        assert_eq!(due, [130, 161, 192]);
    }
}
