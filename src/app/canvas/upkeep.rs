//! Owns the task of one room: ticks, what is kept of it, and its end.
//!
//! The one idea: everything that a room does by itself is done here, one thing after the other, so nothing of it needs a lock.
//!
//! ```text
//!   ┌─> tick ──> TICK ──> drawn? due? ──> keep ──> empty for EMPTY_TIME, and kept? ──> given up ──> keep a last time
//!   │                                               └ no
//!   └────── until somebody draws, comes or goes, the store has found something, or a deadline
//! ```
//!
//! Where the members were is kept only behind the end: if the room went on, others than they would have its numbers.
//!
//! Never: gives up a room that would be lost with it; only [`Canvas`] does that, when it needs the place.
//! Limits: [`TICK`], [`EMPTY_TIME`].

use std::future::pending;
use std::sync::Arc;
use std::time::Duration;

use tokio::sync::mpsc;
use tokio::time::{Instant, sleep, sleep_until};

use crate::app::canvas::room::{Room, TICK};
use crate::app::canvas::rooms::Canvas;
use crate::app::canvas::store::{Found, Keeper, Schedule, Store};

/// How long an empty room is kept when nothing is lost with it.
pub const EMPTY_TIME: Duration = Duration::from_secs(60);

/// How often an empty room whose store is away is looked at.
const LOOK_AGAIN: Duration = Duration::from_secs(1);

/// What a room does by itself.
pub struct Upkeep {
    canvas: Canvas,
    room: Arc<Room>,
    kept: Option<Kept>,
}

/// The way to the store.
struct Kept {
    keeper: Keeper,
    found: mpsc::UnboundedReceiver<Found>,
    schedule: Schedule,
    /// Of what was last seen.
    fingerprint: u64,
    /// Of what was last given to the keeper.
    given: Option<u64>,
}

impl Upkeep {
    /// The upkeep of `room`. Must be called in a tokio runtime.
    pub fn new(canvas: Canvas, room: Arc<Room>, store: Option<Store>) -> Upkeep {
        let kept = store.map(|store| {
            let (keeper, found) = Keeper::spawn(store, room.name().clone());
            Kept { keeper, found, schedule: Schedule::default(), fingerprint: room.fingerprint(), given: None }
        });
        Upkeep { canvas, room, kept }
    }

    /// Goes on until the room is given up, or the process ends.
    pub async fn run(mut self) {
        loop {
            let next = self.room.tick();
            sleep(TICK).await;
            let next = next.into_iter().chain(self.keep()).chain(self.empty_until()).min();
            if self.is_over() {
                return self.end().await;
            }
            tokio::select! {
                () = self.room.woken() => {}
                () = until(next) => {}
                found = found(&mut self.kept) => self.room.found(&found),
                () = self.canvas.ending() => return self.end().await,
            }
        }
    }

    /// Keeps what is due. When something will be, if nothing is drawn until then.
    fn keep(&mut self) -> Option<Instant> {
        let kept = self.kept.as_mut()?;
        let now = Instant::now().into_std();
        let fingerprint = self.room.fingerprint();
        if std::mem::replace(&mut kept.fingerprint, fingerprint) != fingerprint {
            kept.schedule.drawn(now);
        }
        if kept.schedule.is_due(now) {
            kept.give(&self.room);
        }
        if kept.keeper.is_kept()
            && let Some(given) = kept.given
        {
            self.room.is_kept(given);
        }
        kept.schedule.deadline().map(Instant::from_std)
    }

    /// When the room is to be given up, if nobody comes until then.
    fn empty_until(&self) -> Option<Instant> {
        let since = self.room.empty_since()?;
        let is_left = self.kept.is_none() && !self.room.loses_nothing();
        (!is_left).then(|| (since + EMPTY_TIME).max(Instant::now() + LOOK_AGAIN))
    }

    /// Gives the room up when it is time. Whether it is over.
    fn is_over(&mut self) -> bool {
        let Some(since) = self.room.empty_since() else { return false };
        if self.room.is_closed() {
            return true;
        }
        Instant::now() >= since + EMPTY_TIME && self.room.loses_nothing() && self.canvas.give_up(&self.room)
    }

    /// Keeps the room a last time: now that nobody can join it any more, with where its members were.
    async fn end(mut self) {
        self.room.tick();
        if let Some(kept) = &mut self.kept {
            kept.give_last(&self.room);
            kept.keeper.kept().await;
        }
    }
}

impl Kept {
    /// Gives the keeper how the room is now.
    fn give(&mut self, room: &Room) {
        let picture = room.picture(false);
        self.given = Some(picture.grid.fingerprint());
        self.keeper.keep(picture);
    }

    /// The same with where its members are, unless nobody has ever drawn.
    fn give_last(&mut self, room: &Room) {
        if !room.ground(|ground| ground.grid().is_untouched()) {
            self.keeper.keep(room.picture(true));
        }
    }
}

/// What the store has found; never, without one.
async fn found(kept: &mut Option<Kept>) -> Found {
    match kept {
        Some(kept) => match kept.found.recv().await {
            Some(found) => found,
            None => pending().await,
        },
        None => pending().await,
    }
}

async fn until(next: Option<Instant>) {
    match next {
        Some(next) => sleep_until(next).await,
        None => pending().await,
    }
}
