//! Owns what a room shows: its grid, what has changed since the last delta, and the numbers of deltas.
//!
//! The one idea: writing only marks. Whoever draws, here, by undoing, or on another node, sets a bit; a tick turns the bits
//! into one delta, which is encoded once and holds what the places have become, not how.
//!
//! ```text
//!   draw, undo ──┐          ┌─ changed ── cut ──> Delta, for the members
//!                ├─> Grid ──┤
//!   hear ────────┘          └─ drawn ── take_drawn ──> pixels, for the other nodes (only what was written here)
//! ```
//!
//! Never: does I/O, knows who is there.
//! Invariants: a snapshot that is kept has the number of the last delta. A place whose colour was written is in the next
//! delta, whether it is another colour or not: a client may have drawn something else ahead.

use std::time::{Duration, SystemTime, UNIX_EPOCH};

use bytes::Bytes;

use crate::app::canvas::domain::{Colour, PLACES};
use crate::app::canvas::grid::{Grid, NodeId, Pixel, Stamp};
use crate::app::canvas::protocol::{self, Position};
use crate::app::canvas::random::random;
use crate::app::canvas::replica::{self, Replica};
use crate::app::canvas::{deltas::Deltas, places::Places};
use crate::ws::Prepared;

/// What a room shows.
#[derive(Debug)]
pub struct Ground {
    grid: Grid,
    node: NodeId,
    epoch: u32,
    deltas: Deltas,
    snapshot: Option<Prepared>,
    changed: Places,
    drawn: Places,
}

impl Ground {
    /// The most bytes that it takes: the grid, two sets of places, the deltas, and a snapshot.
    pub const BYTES_MAX: usize = Grid::BYTES_MAX + 2 * PLACES / 8 + Deltas::BYTES_MAX + PLACES;

    /// `grid`, as the beginning of an epoch.
    pub fn new(grid: Grid, node: NodeId) -> Ground {
        Ground {
            grid,
            node,
            epoch: any_epoch(),
            deltas: Deltas::default(),
            snapshot: None,
            changed: Places::default(),
            drawn: Places::default(),
        }
    }

    /// The grid.
    pub fn grid(&self) -> &Grid {
        &self.grid
    }

    /// The moment of the last delta.
    pub fn position(&self) -> Position {
        Position { epoch: self.epoch, seq: self.deltas.seq() }
    }

    /// A stamp for what is about to be written.
    pub fn stamp(&mut self) -> Stamp {
        self.grid.advance(hundredths());
        self.grid.next_stamp(self.node)
    }

    /// Writes one pixel. What was there before, unless that was written later or is the same.
    pub fn write(&mut self, pixel: Pixel) -> Option<Pixel> {
        let before = self.grid.pixel(pixel.place);
        // A client may have drawn ahead what has lost here.
        self.changed.insert(pixel.place);
        if !self.grid.merge(pixel) {
            return None;
        }
        self.drawn.insert(pixel.place);
        Some(before)
    }

    /// Takes what another node has said. The messages that answer it.
    ///
    /// # Errors
    /// What is wrong with it. Nothing of it was taken.
    pub fn hear(
        &mut self,
        replica: &mut Replica,
        message: &[u8],
        now: std::time::Instant,
    ) -> Result<Vec<Bytes>, replica::Malformed> {
        let merged = replica.hear(message, &mut self.grid, now)?;
        merged.pixels.iter().for_each(|pixel| self.changed.insert(pixel.place));
        Ok(merged.answer)
    }

    /// Takes pixels from where they were kept.
    pub fn restore(&mut self, pixels: &[Pixel]) {
        for &pixel in pixels {
            if self.grid.merge(pixel) {
                self.changed.insert(pixel.place);
            }
        }
    }

    /// Goes on behind `position`, whose deltas are part of the grid. Nobody must have been told anything yet.
    pub fn go_on_behind(&mut self, position: Position) {
        self.epoch = position.epoch;
        self.deltas = Deltas::behind(position.seq);
        self.snapshot = None;
        self.changed.clear();
    }

    /// The position, if it says all: whoever is there has the whole grid.
    pub fn settled(&self) -> Option<Position> {
        self.changed.is_empty().then(|| self.position())
    }

    /// The delta of all that was written since the last one; `None` when nothing was. When numbers have ended, a new epoch
    /// begins, and the members need a snapshot.
    pub fn cut(&mut self) -> Option<Cut> {
        if self.changed.is_empty() {
            return None;
        }
        self.snapshot = None;
        let (grid, changed) = (&self.grid, &self.changed);
        let cut = self.deltas.push(|seq| Prepared::new(protocol::delta(seq, changed.iter(), grid.colours())));
        self.changed.clear();
        Some(cut.map_or_else(
            || {
                self.epoch = any_epoch();
                Cut::NewEpoch
            },
            Cut::Delta,
        ))
    }

    /// Everything. With what was written since the last delta, which the next one tells again.
    pub fn snapshot(&mut self) -> Prepared {
        let at = self.position();
        let snapshot = self.snapshot.get_or_insert_with(|| Prepared::new(protocol::snapshot(at, self.grid.colours())));
        snapshot.clone()
    }

    /// The deltas behind `has`, if all of them are kept.
    pub fn since(&self, has: Position) -> Option<impl Iterator<Item = &Prepared>> {
        if has.epoch == self.epoch { self.deltas.since(has.seq) } else { None }
    }

    /// What was written here and not yet told to other nodes.
    pub fn take_drawn(&mut self) -> Vec<Pixel> {
        let drawn = self.drawn.iter().map(|place| self.grid.pixel(place)).collect();
        self.drawn.clear();
        drawn
    }
}

/// What a tick leads to.
#[derive(Debug)]
pub enum Cut {
    /// A delta for all.
    Delta(Prepared),
    /// A snapshot for all.
    NewEpoch,
}

/// The time of day, as nodes agree on it: since the beginning of 2026.
fn hundredths() -> u64 {
    const BEGINNING: Duration = Duration::from_secs(1_767_225_600);
    let now = SystemTime::now().duration_since(UNIX_EPOCH + BEGINNING).unwrap_or_default();
    u64::try_from(now.as_millis() / 10).unwrap_or(u64::MAX)
}

/// An epoch that no client has seen, but by chance.
fn any_epoch() -> u32 {
    (random() as u32).max(1)
}

/// The colour and stamp that a pixel had, and the stamp with which it was drawn over.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Overdrawn {
    /// The colour before.
    pub colour: Colour,
    /// Its stamp before.
    pub stamp: Stamp,
    /// That of what was drawn.
    pub own: Stamp,
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::app::canvas::domain::Place;
    use crate::app::canvas::protocol::FromServer;

    fn ground() -> Ground {
        Ground::new(Grid::default(), NodeId::new(1))
    }

    fn draw(ground: &mut Ground, place: u16) {
        let stamp = ground.stamp();
        let pixel = Pixel { place: Place(place), colour: Colour::of_low_bits(3), stamp };
        assert!(ground.write(pixel).is_some());
    }

    fn parsed(message: &Prepared) -> FromServer {
        FromServer::parse(message.message().as_bytes()).expect("a message")
    }

    #[test]
    fn a_delta_follows_what_was_drawn_and_a_snapshot_has_its_number() {
        let mut ground = ground();
        assert!(ground.cut().is_none());
        assert!(matches!(parsed(&ground.snapshot()), FromServer::Snapshot(Position { seq: 0, .. }, _)));
        draw(&mut ground, 7);
        assert_eq!(ground.settled(), None);
        let Some(Cut::Delta(delta)) = ground.cut() else { panic!("a delta") };
        assert!(matches!(parsed(&delta), FromServer::Delta(1, runs) if runs.len() == 1));
        assert_eq!(ground.settled(), Some(ground.position()));
        let FromServer::Snapshot(at, colours) = parsed(&ground.snapshot()) else { panic!("a snapshot") };
        assert_eq!((at, colours[7].index()), (ground.position(), 3));
        assert_eq!(ground.take_drawn().len(), 1);
        assert!(ground.take_drawn().is_empty() && ground.cut().is_none());
    }

    #[test]
    fn numbers_go_on_behind_what_was_kept_and_end_in_a_new_epoch() {
        let mut ground = ground();
        let last = Position { epoch: 9, seq: u32::MAX - 1 };
        ground.go_on_behind(last);
        assert_eq!(ground.since(last).map(Iterator::count), Some(0));
        draw(&mut ground, 1);
        assert!(matches!(ground.cut(), Some(Cut::Delta(_))));
        assert_eq!(ground.since(last).map(Iterator::count), Some(1));
        draw(&mut ground, 2);
        assert!(matches!(ground.cut(), Some(Cut::NewEpoch)));
        assert!(ground.position().epoch != 9 && ground.position().seq == 0);
        assert!(ground.since(last).is_none(), "who comes back gets a snapshot");
    }

    #[test]
    fn what_is_drawn_first_on_a_node_wins_over_what_was_drawn_elsewhere_before() {
        let mut elsewhere = ground();
        (0..1_000).for_each(|_| draw(&mut elsewhere, 7));
        let mut here = ground();
        draw(&mut here, 7);
        let earlier = Pixel { stamp: Stamp::new(1_000, NodeId::new(2)), ..elsewhere.grid().pixel(Place(7)) };
        here.restore(&[earlier]);
        assert_ne!(here.grid().pixel(Place(7)), earlier);
    }
}
