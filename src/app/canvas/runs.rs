//! Owns runs: how a number of pixels of one colour is written.
//!
//! The one idea: a pixel alone takes one byte, so that nothing takes more than a byte a pixel, and a blank grid takes 500.
//!
//! ```text
//!   ┌───────────┬──────────────┐ ┌──────────────┐
//!   │ count − 1 │    colour    │ │  count − 8   │   the second byte only where the first three bits are all 1
//!   └───────────┴──────────────┘ └──────────────┘
//!      3 bits        5 bits           8 bits           1 to 7 pixels, 8 to 263
//! ```
//!
//! Never: takes a colour that is none, for five bits hold no other.

use crate::app::canvas::domain::{Colour, PLACES, Place};

/// Pixels of the longest run.
pub const RUN_PIXELS_MAX: usize = SHORT_MAX + 1 + u8::MAX as usize;

/// Pixels of a run that has no second byte.
const SHORT_MAX: usize = 7;

const COLOUR_BITS: u32 = 5;

/// A number of pixels of one colour.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Run {
    /// How many, from 1 to [`RUN_PIXELS_MAX`].
    pub count: usize,
    /// Their colour.
    pub colour: Colour,
}

impl Run {
    /// Writes it behind `bytes`.
    fn encode(self, bytes: &mut Vec<u8>) {
        debug_assert!((1..=RUN_PIXELS_MAX).contains(&self.count));
        let short = self.count.min(SHORT_MAX + 1);
        bytes.push((short as u8 - 1) << COLOUR_BITS | self.colour.index());
        if short > SHORT_MAX {
            bytes.push((self.count - SHORT_MAX - 1) as u8);
        }
    }

    /// The first run of `bytes`, and what is behind it; `None` when they end within it.
    fn split_first(bytes: &[u8]) -> Option<(Run, &[u8])> {
        let (&first, rest) = bytes.split_first()?;
        let colour = Colour::of_low_bits(first);
        let count = usize::from(first >> COLOUR_BITS) + 1;
        if count <= SHORT_MAX {
            return Some((Run { count, colour }, rest));
        }
        let (&more, rest) = rest.split_first()?;
        Some((Run { count: count + usize::from(more), colour }, rest))
    }
}

/// Writes all pixels of a grid behind `bytes`.
pub fn encode_all(colours: &[Colour; PLACES], bytes: &mut Vec<u8>) {
    for same in colours.chunk_by(|one, next| one == next) {
        for run in same.chunks(RUN_PIXELS_MAX) {
            Run { count: run.len(), colour: run[0] }.encode(bytes);
        }
    }
}

/// The pixels of a whole grid; `None` when the runs are more or less than that.
pub fn parse_all(mut bytes: &[u8]) -> Option<Box<[Colour; PLACES]>> {
    let mut colours = Vec::with_capacity(PLACES);
    while !bytes.is_empty() {
        let (run, rest) = Run::split_first(bytes)?;
        if colours.len() + run.count > PLACES {
            return None;
        }
        colours.resize(colours.len() + run.count, run.colour);
        bytes = rest;
    }
    colours.into_boxed_slice().try_into().ok()
}

/// Writes some pixels of a grid behind `bytes`, each run with its place before it. `places` rise.
pub fn encode_some(places: impl IntoIterator<Item = Place>, colours: &[Colour; PLACES], bytes: &mut Vec<u8>) {
    let mut places = places.into_iter().peekable();
    while let Some(place) = places.next() {
        let mut run = Run { count: 1, colour: colours[place.index()] };
        let goes_on = |run: Run, next: Place| {
            next.index() == place.index() + run.count
                && colours[next.index()] == run.colour
                && run.count < RUN_PIXELS_MAX
        };
        while places.next_if(|&next| goes_on(run, next)).is_some() {
            run.count += 1;
        }
        bytes.extend_from_slice(&place.0.to_be_bytes());
        run.encode(bytes);
    }
}

/// Runs with their places; `None` when the bytes end within one, or one goes past the end of the grid.
pub fn parse_some(mut bytes: &[u8]) -> Option<Vec<(Place, Run)>> {
    let mut runs = Vec::new();
    while !bytes.is_empty() {
        let (place, rest) = bytes.split_first_chunk()?;
        let place = Place(u16::from_be_bytes(*place));
        let (run, rest) = Run::split_first(rest)?;
        if place.index() + run.count > PLACES {
            return None;
        }
        runs.push((place, run));
        bytes = rest;
    }
    Some(runs)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;
    use proptest::test_runner::RngSeed;

    use super::*;

    fn colour(index: u8) -> Colour {
        Colour::new(index).expect("a colour")
    }

    /// A grid of runs of any length.
    fn grids() -> impl Strategy<Value = Box<[Colour; PLACES]>> {
        prop::collection::vec((1..2_000usize, 0..32u8), 0..200).prop_map(|runs| {
            let mut colours: Vec<Colour> =
                runs.into_iter().flat_map(|(count, index)| std::iter::repeat_n(colour(index), count)).collect();
            colours.resize(PLACES, Colour::BLANK);
            colours.into_boxed_slice().try_into().expect("as many as there are places")
        })
    }

    fn config(cases: u32) -> ProptestConfig {
        ProptestConfig { cases, rng_seed: RngSeed::Fixed(1), failure_persistence: None, ..ProptestConfig::default() }
    }

    proptest! {
        #![proptest_config(config(32))]

        #[test]
        fn a_grid_is_the_same_afterwards(colours in grids()) {
            let mut bytes = Vec::new();
            encode_all(&colours, &mut bytes);
            prop_assert!(bytes.len() <= PLACES);
            prop_assert_eq!(parse_all(&bytes), Some(colours));
        }

        #[test]
        fn some_pixels_are_the_same_afterwards(colours in grids(), mut places in prop::collection::vec(any::<u16>(), 0..300)) {
            // Neighbours, too.
            places.extend(places.clone().iter().map(|place| place.saturating_add(1)));
            places.sort_unstable();
            places.dedup();
            let mut bytes = Vec::new();
            encode_some(places.iter().copied().map(Place), &colours, &mut bytes);
            prop_assert!(bytes.len() <= 3 * places.len());
            let runs = parse_some(&bytes).expect("runs");
            let pixels: Vec<_> = runs
                .iter()
                .flat_map(|(place, run)| (place.index()..).take(run.count).map(|at| (at as u16, run.colour)))
                .collect();
            let expected: Vec<_> = places.iter().map(|&place| (place, colours[usize::from(place)])).collect();
            prop_assert_eq!(pixels, expected);
        }

        #[test]
        fn bytes_from_anywhere_are_runs_or_not(bytes in prop::collection::vec(any::<u8>(), 0..600)) {
            let _ = (parse_all(&bytes), parse_some(&bytes));
        }
    }

    #[test]
    fn runs_look_as_the_document_says() {
        let check = |count, index, expected: &[u8]| {
            let mut bytes = Vec::new();
            Run { count, colour: colour(index) }.encode(&mut bytes);
            assert_eq!(bytes, expected, "{count} of {index}");
            assert_eq!(Run::split_first(&bytes), Some((Run { count, colour: colour(index) }, [].as_slice())));
        };
        check(1, 0, &[0x00]);
        check(2, 3, &[0x23]);
        check(7, 31, &[0xDF]);
        check(8, 0, &[0xE0, 0]);
        check(13, 3, &[0xE3, 5]);
        check(263, 31, &[0xFF, 255]);
    }

    #[test]
    fn no_grid_takes_more_than_a_byte_a_pixel() {
        let mut bytes = Vec::new();
        let blank = [Colour::BLANK; PLACES];
        encode_all(&blank, &mut bytes);
        assert_eq!(bytes.len(), 2 * PLACES.div_ceil(RUN_PIXELS_MAX));
        bytes.clear();
        let noise: [Colour; PLACES] = std::array::from_fn(|place| colour((place % 2) as u8));
        encode_all(&noise, &mut bytes);
        assert_eq!(bytes.len(), PLACES);
    }

    #[test]
    fn what_is_too_long_or_too_short_is_no_grid() {
        let mut whole = Vec::new();
        encode_all(&[Colour::BLANK; PLACES], &mut whole);
        let longer = [whole.as_slice(), &[0]].concat();
        for bytes in [&whole[..whole.len() - 1], &whole[2..], &longer, &[], &[0xE0]] {
            assert_eq!(parse_all(bytes), None, "{} bytes", bytes.len());
        }
        for bytes in [[0].as_slice(), &[0, 0], &[0, 0, 0xE0], &[0xFF, 0xFF, 0x20], &[0, 0, 0, 9]] {
            assert_eq!(parse_some(bytes), None, "{bytes:?}");
        }
    }
}
