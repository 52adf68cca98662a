//! Owns what one member can take back.
//!
//! The one idea: a stroke remembers, for each pixel, what it has drawn over and with which stamp it did so. Taking it back
//! writes the old colour only where that stamp still is: what somebody else has drawn since stays.
//!
//! ```text
//!   before        red over it       blue over that      undo              undo
//!   white, 1      red, 4            blue, 6             red, 7            white, 8
//!                 └ (white,1)→4     └ (red,4)→6          └ the first stroke now owns 7
//! ```
//!
//! A colour that comes back gets a new stamp, for stamps only rise; if it was the member's own, the stroke that drew it owns
//! the new stamp, so that it can be taken back, too.
//!
//! Never: takes back what another has drawn.
//! Invariants: [`STROKES_MAX`], [`PIXELS_MAX`] and those of the [`Budget`] hold.

use std::collections::{HashMap, VecDeque};
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering::Relaxed};

use crate::app::canvas::domain::{Colour, Place};
use crate::app::canvas::grid::{Pixel, Stamp};
use crate::app::canvas::ground::{Ground, Overdrawn};

/// Strokes that a member can take back.
pub const STROKES_MAX: usize = 64;

/// Pixels of all of them. More than one message draws.
pub const PIXELS_MAX: usize = 8_192;

/// What a pixel of a history takes, in bytes, with the room that a table keeps.
pub const PIXEL_BYTES: usize = 2 * (size_of::<(Place, Overdrawn)>() + 1);

type Stroke = HashMap<Place, Overdrawn>;

/// Pixels that all histories together may still remember.
#[derive(Debug)]
pub struct Budget(AtomicUsize);

/// What one member can take back.
#[derive(Debug)]
pub struct History {
    strokes: VecDeque<Stroke>,
    pixels: usize,
    budget: Arc<Budget>,
}

impl Budget {
    /// For so many pixels.
    pub fn new(pixels: usize) -> Budget {
        Budget(AtomicUsize::new(pixels))
    }

    fn take(&self, pixels: usize) -> bool {
        self.0.fetch_update(Relaxed, Relaxed, |left| left.checked_sub(pixels)).is_ok()
    }

    fn give_back(&self, pixels: usize) {
        self.0.fetch_add(pixels, Relaxed);
    }

    #[cfg(test)]
    pub(super) fn left(&self) -> usize {
        self.0.load(Relaxed)
    }
}

impl History {
    /// An empty one.
    pub fn new(budget: Arc<Budget>) -> History {
        History { strokes: VecDeque::new(), pixels: 0, budget }
    }

    /// Draws, and remembers what that has drawn over.
    pub fn draw(&mut self, ground: &mut Ground, goes_on: bool, colour: Colour, places: impl Iterator<Item = Place>) {
        let stamp = ground.stamp();
        let mut drawn = Stroke::new();
        for place in places {
            if let Some(before) = ground.write(Pixel { place, colour, stamp }) {
                drawn.insert(place, Overdrawn { colour: before.colour, stamp: before.stamp, own: stamp });
            }
        }
        self.remember(drawn, goes_on);
    }

    /// Takes the last stroke back. Whether there was one.
    pub fn undo(&mut self, ground: &mut Ground) -> bool {
        let Some(stroke) = self.strokes.pop_back() else { return false };
        self.release(stroke.len());
        let stamp = ground.stamp();
        for (place, overdrawn) in stroke {
            let is_own = ground.grid().stamp(place) == overdrawn.own;
            if is_own && ground.write(Pixel { place, colour: overdrawn.colour, stamp }).is_some() {
                self.own_again(place, overdrawn, stamp);
            }
        }
        true
    }

    /// Whether nothing can be taken back.
    pub fn is_empty(&self) -> bool {
        self.strokes.is_empty()
    }

    /// The stroke that had drawn what came back, if it was one of ours, owns it again.
    fn own_again(&mut self, place: Place, overdrawn: Overdrawn, stamp: Stamp) {
        let earlier = self.strokes.iter_mut().rev().find_map(|stroke| stroke.get_mut(&place));
        if let Some(earlier) = earlier.filter(|earlier| earlier.own == overdrawn.stamp) {
            earlier.own = stamp;
        }
    }

    fn remember(&mut self, mut drawn: Stroke, goes_on: bool) {
        let last = self.strokes.back().map_or(0, Stroke::len);
        // What grows too large to be remembered as one stroke becomes two.
        if goes_on
            && last > 0
            && last + drawn.len() <= PIXELS_MAX
            && let Some(mut stroke) = self.strokes.pop_back()
        {
            self.release(last);
            for (place, newer) in drawn {
                stroke.entry(place).and_modify(|older| *older = older.then(newer)).or_insert(newer);
            }
            drawn = stroke;
        }
        while !self.strokes.is_empty() && (self.strokes.len() >= STROKES_MAX || self.pixels + drawn.len() > PIXELS_MAX)
        {
            self.forget_oldest();
        }
        while !self.budget.take(drawn.len()) {
            if self.strokes.is_empty() {
                return;
            }
            self.forget_oldest();
        }
        self.pixels += drawn.len();
        self.strokes.push_back(drawn);
    }

    fn forget_oldest(&mut self) {
        if let Some(oldest) = self.strokes.pop_front() {
            self.release(oldest.len());
        }
    }

    fn release(&mut self, pixels: usize) {
        self.pixels -= pixels;
        self.budget.give_back(pixels);
    }
}

impl Drop for History {
    fn drop(&mut self) {
        self.budget.give_back(self.pixels);
    }
}

impl Overdrawn {
    /// Drawn over again by the same stroke: what was before both, unless somebody else came in between.
    fn then(self, newer: Overdrawn) -> Overdrawn {
        if newer.stamp == self.own { Overdrawn { own: newer.own, ..self } } else { newer }
    }
}
