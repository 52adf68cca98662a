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

#[cfg(test)]
mod tests {
    use super::*;
    use crate::app::canvas::grid::{Grid, NodeId};

    /// Two members on one ground.
    struct Drawing {
        ground: Ground,
        ours: History,
        theirs: History,
    }

    fn drawing(budget: usize) -> Drawing {
        let budget = Arc::new(Budget::new(budget));
        let [ours, theirs] = std::array::from_fn(|_| History::new(Arc::clone(&budget)));
        Drawing { ground: Ground::new(Grid::default(), NodeId::new(1)), ours, theirs }
    }

    impl Drawing {
        fn draw(&mut self, colour: u8, places: std::ops::Range<u16>) {
            self.ours.draw(&mut self.ground, false, Colour::of_low_bits(colour), places.map(Place));
        }

        fn go_on(&mut self, colour: u8, places: std::ops::Range<u16>) {
            self.ours.draw(&mut self.ground, true, Colour::of_low_bits(colour), places.map(Place));
        }

        fn they_draw(&mut self, colour: u8, places: std::ops::Range<u16>) {
            self.theirs.draw(&mut self.ground, false, Colour::of_low_bits(colour), places.map(Place));
        }

        fn undo(&mut self) -> bool {
            self.ours.undo(&mut self.ground)
        }

        /// The first colours.
        #[track_caller]
        fn check(&self, expected: &[u8]) {
            let colours = self.ground.grid().colours();
            assert_eq!(colours[..expected.len()].iter().map(|colour| colour.index()).collect::<Vec<_>>(), expected);
        }
    }

    #[test]
    fn strokes_over_strokes_are_taken_back_one_by_one() {
        let mut drawing = drawing(100);
        drawing.draw(1, 0..3);
        drawing.draw(2, 1..4);
        drawing.draw(3, 1..2);
        drawing.check(&[1, 3, 2, 2]);
        assert!(drawing.undo());
        drawing.check(&[1, 2, 2, 2]);
        assert!(drawing.undo());
        drawing.check(&[1, 1, 1, 0]);
        assert!(drawing.undo());
        drawing.check(&[0, 0, 0, 0]);
        assert!(!drawing.undo(), "there is none left");
    }

    #[test]
    fn what_somebody_else_drew_over_it_stays() {
        let mut drawing = drawing(100);
        drawing.draw(1, 0..3);
        drawing.they_draw(2, 1..2);
        drawing.undo();
        drawing.check(&[0, 2, 0]);
        // Over theirs, and back to theirs; below it was ours, and is no more.
        drawing.draw(1, 0..3);
        drawing.they_draw(2, 1..2);
        drawing.draw(3, 0..3);
        drawing.undo();
        drawing.check(&[1, 2, 1]);
        drawing.undo();
        drawing.check(&[0, 2, 0]);
    }

    #[test]
    fn the_same_colour_by_somebody_else_is_theirs() {
        let mut drawing = drawing(100);
        drawing.draw(1, 0..2);
        drawing.they_draw(1, 0..1);
        drawing.undo();
        drawing.check(&[1, 0]);
    }

    #[test]
    fn a_stroke_that_goes_on_is_one() {
        let mut drawing = drawing(100);
        drawing.draw(1, 0..2);
        drawing.go_on(2, 1..3);
        drawing.go_on(3, 2..4);
        drawing.check(&[1, 2, 3, 3]);
        drawing.undo();
        drawing.check(&[0, 0, 0, 0]);
        assert!(!drawing.undo());
        // The first may say that it goes on, too.
        drawing.go_on(1, 0..1);
        assert!(drawing.undo());
        drawing.check(&[0]);
    }

    #[test]
    fn a_stroke_that_goes_on_over_another_comes_back_to_that() {
        let mut drawing = drawing(100);
        drawing.draw(1, 0..1);
        drawing.they_draw(2, 0..1);
        drawing.go_on(3, 0..1);
        drawing.undo();
        drawing.check(&[2]);
    }

    #[test]
    fn what_is_remembered_is_bounded_and_given_back() {
        let mut drawing = drawing(usize::MAX >> 1);
        for _ in 0..100 {
            drawing.draw(1, 0..1);
        }
        assert_eq!(drawing.ours.strokes.len(), STROKES_MAX);
        for stroke in 0..10 {
            drawing.draw(stroke, 0..4_000);
        }
        assert_eq!((drawing.ours.strokes.len(), drawing.ours.pixels), (2, 8_000));
        drawing.go_on(1, 4_000..5_000);
        assert_eq!((drawing.ours.strokes.len(), drawing.ours.pixels), (1, 5_000), "the oldest has made place");
        drawing.go_on(1, 5_000..9_000);
        assert_eq!((drawing.ours.strokes.len(), drawing.ours.pixels), (1, 4_000), "what is too large begins anew");
        let budget = Arc::clone(&drawing.ours.budget);
        assert_eq!(budget.left(), (usize::MAX >> 1) - 4_000);
        drop(drawing);
        assert_eq!(budget.left(), usize::MAX >> 1);
    }

    #[test]
    fn without_budget_the_own_oldest_goes_and_drawing_goes_on() {
        let mut drawing = drawing(10);
        drawing.they_draw(1, 0..4);
        drawing.draw(2, 0..4);
        drawing.draw(3, 0..4);
        drawing.draw(4, 0..20);
        drawing.check(&[4, 4, 4, 4, 4]);
        assert!(!drawing.undo(), "there was no room for it");
        assert_eq!(drawing.ours.budget.left(), 6, "theirs is untouched");
    }
}
