//! Owns a set of places: a bit each.
//!
//! The one idea: it takes 8 KiB whatever is in it, adding costs one write, and it is walked in the order that a delta needs.

use crate::app::canvas::domain::{PLACES, Place};

/// A set of places.
#[derive(Clone, Debug)]
pub struct Places {
    words: Box<[u64; PLACES / 64]>,
    is_empty: bool,
}

impl Default for Places {
    fn default() -> Places {
        Places { words: Box::new([0; PLACES / 64]), is_empty: true }
    }
}

impl Places {
    /// Adds a place.
    pub fn insert(&mut self, place: Place) {
        self.words[place.index() / 64] |= 1 << (place.index() % 64);
        self.is_empty = false;
    }

    /// Whether none is in it.
    pub fn is_empty(&self) -> bool {
        self.is_empty
    }

    /// Removes all.
    pub fn clear(&mut self) {
        if !self.is_empty {
            self.words.fill(0);
            self.is_empty = true;
        }
    }

    /// Those that are in it, from the lowest to the highest.
    pub fn iter(&self) -> impl Iterator<Item = Place> {
        self.words.iter().enumerate().flat_map(|(at, &word)| {
            let rest = |word: &u64| Some(word & (word - 1)).filter(|rest| *rest != 0);
            let words = std::iter::successors(Some(word).filter(|word| *word != 0), rest);
            words.map(move |word| Place((at * 64) as u16 + word.trailing_zeros() as u16))
        })
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use super::*;

    #[test]
    fn it_holds_what_was_added_in_order() {
        let mut places = Places::default();
        assert!(places.is_empty() && places.iter().next().is_none());
        let mut random = fastrand::Rng::with_seed(5);
        let mut expected: BTreeSet<Place> = [0, 63, 64, 65, 65_535].map(Place).into();
        expected.extend((0..2_000).map(|_| Place(random.u16(..))));
        for &place in expected.iter().rev().chain(&expected) {
            places.insert(place);
        }
        assert!(places.iter().eq(expected));
        places.clear();
        assert!(places.is_empty() && places.iter().next().is_none());
    }
}
