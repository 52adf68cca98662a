//! Owns the grid: the colour of each pixel, and who wrote it last.
//!
//! The one idea: every pixel carries a stamp, and the larger stamp wins. Then it does not matter in which order, how often
//! and by which way the pixels of other nodes come: who has merged the same ones has the same grid.
//!
//! ```text
//!   stamp   time, 40 bits │ node, 24 bits        time: by the clock, or one more than any that this node has seen
//!                                               (Lamport), whichever is later
//!
//!   written last:  the larger (time, node, colour)
//!   merge          takes the larger of two: commutative, associative, idempotent
//!   digest         of a tile of 32 × 32: the same where the pixels are; changes with each pixel at the cost of two hashes
//! ```
//!
//! By Lamport's rule alone a node that has seen nothing yet would begin at 1, and what is drawn there would vanish as soon as
//! older pixels come from elsewhere. The clock makes it later; the rule makes it right where clocks differ.
//!
//! The colour is the last to decide, so that even two nodes that have drawn the same number by chance agree.
//!
//! Never: does I/O, reads a clock.
//! Invariants: a colour without a stamp is blank; `time` is at least that of every stamp; `digests` fit the pixels.

use crate::app::canvas::domain::{Colour, PLACES, Place, SIDE};

/// Pixels in a row of a tile, and rows of it.
pub const TILE_SIDE: usize = 32;

/// Tiles of a grid.
pub const TILES: usize = (SIDE / TILE_SIDE) * (SIDE / TILE_SIDE);

/// Pixels of a tile.
pub const TILE_PLACES: usize = TILE_SIDE * TILE_SIDE;

const NODE_BITS: u32 = 24;

/// When a pixel was written, and at which node. Zero: never.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Stamp(u64);

/// The number of a node, drawn by chance: 24 bits.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct NodeId(u32);

/// A pixel as nodes tell each other of it, and as it is stored.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Pixel {
    /// Where.
    pub place: Place,
    /// What was written.
    pub colour: Colour,
    /// When, and by which node.
    pub stamp: Stamp,
}

/// The number of a tile, from 0 to [`TILES`] less one, row by row.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Tile(u8);

/// The pixels of a room.
#[derive(Clone, Debug)]
pub struct Grid {
    colours: Box<[Colour; PLACES]>,
    /// By tile, from the first pixel that is written to it.
    stamps: Vec<Option<Box<[Stamp; TILE_PLACES]>>>,
    digests: [u64; TILES],
    time: u64,
}

impl NodeId {
    /// The number in the low 24 bits.
    pub fn new(number: u32) -> NodeId {
        NodeId(number & ((1 << NODE_BITS) - 1))
    }

    /// The number.
    pub fn number(self) -> u32 {
        self.0
    }
}

impl Stamp {
    /// Of what was never written.
    pub const NEVER: Stamp = Stamp(0);

    /// The largest time. In hundredths of a second it lasts for 348 years.
    const TIME_MAX: u64 = u64::MAX >> NODE_BITS;

    /// At `time`, or as late as there is.
    pub fn new(time: u64, node: NodeId) -> Stamp {
        Stamp(time.min(Stamp::TIME_MAX) << NODE_BITS | u64::from(node.0))
    }

    /// As it is sent and stored.
    pub fn to_u64(self) -> u64 {
        self.0
    }

    /// What was sent or stored: each number is a stamp.
    pub fn from_u64(number: u64) -> Stamp {
        Stamp(number)
    }

    /// Its time.
    pub fn time(self) -> u64 {
        self.0 >> NODE_BITS
    }

    /// Its node.
    pub fn node(self) -> NodeId {
        NodeId::new(self.0 as u32)
    }
}

impl Tile {
    /// The tile with this number, if there is one.
    pub fn new(number: u8) -> Option<Tile> {
        (usize::from(number) < TILES).then_some(Tile(number))
    }

    /// The tile of a place.
    pub fn of(place: Place) -> Tile {
        Tile(split(place).0 as u8)
    }

    /// All tiles.
    pub fn all() -> impl Iterator<Item = Tile> {
        (0..TILES as u8).map(Tile)
    }

    /// Its number.
    pub fn number(self) -> u8 {
        self.0
    }

    /// Its places, row by row.
    fn places(self) -> impl Iterator<Item = Place> {
        let across = SIDE / TILE_SIDE;
        let (top, left) = (usize::from(self.0) / across * TILE_SIDE, usize::from(self.0) % across * TILE_SIDE);
        (0..TILE_PLACES).map(move |at| Place(((top + at / TILE_SIDE) * SIDE + left + at % TILE_SIDE) as u16))
    }
}

impl Default for Grid {
    fn default() -> Grid {
        Grid { colours: Box::new([Colour::BLANK; PLACES]), stamps: vec![None; TILES], digests: [0; TILES], time: 0 }
    }
}

impl Grid {
    /// The most bytes that a grid takes.
    pub const BYTES_MAX: usize = size_of::<Grid>() + PLACES + PLACES * size_of::<Stamp>() + TILES * 8;

    /// The colour at `place`.
    pub fn colour(&self, place: Place) -> Colour {
        self.colours[place.index()]
    }

    /// All colours, in the order of their places.
    pub fn colours(&self) -> &[Colour; PLACES] {
        &self.colours
    }

    /// When `place` was written.
    pub fn stamp(&self, place: Place) -> Stamp {
        let (tile, at) = split(place);
        self.stamps[tile].as_ref().map_or(Stamp::NEVER, |stamps| stamps[at])
    }

    /// The pixel at `place`, as it is told to others.
    pub fn pixel(&self, place: Place) -> Pixel {
        Pixel { place, colour: self.colour(place), stamp: self.stamp(place) }
    }

    /// Lets it be at least `time`, in hundredths of a second since whenever all nodes agree on.
    pub fn advance(&mut self, time: u64) {
        self.time = self.time.max(time);
    }

    /// The stamp for what is written next at `node`: later than all that this grid has seen.
    pub fn next_stamp(&mut self, node: NodeId) -> Stamp {
        self.time = (self.time + 1).min(Stamp::TIME_MAX);
        Stamp::new(self.time, node)
    }

    /// Takes `pixel` if it was written later than what is there. Whether it was.
    pub fn merge(&mut self, pixel: Pixel) -> bool {
        self.time = self.time.max(pixel.stamp.time());
        let there = self.pixel(pixel.place);
        let is_later = (pixel.stamp, pixel.colour) > (there.stamp, there.colour);
        if pixel.stamp == Stamp::NEVER || !is_later {
            return false;
        }
        let (tile, at) = split(pixel.place);
        let stamps = self.stamps[tile].get_or_insert_with(|| Box::new([Stamp::NEVER; TILE_PLACES]));
        stamps[at] = pixel.stamp;
        self.colours[pixel.place.index()] = pixel.colour;
        self.digests[tile] ^= hash(there) ^ hash(pixel);
        true
    }

    /// A number that two grids share when they have the same pixels in this tile, and (but for one chance in 2^64) only
    /// then. A tile that nobody has written to has 0.
    pub fn digest(&self, tile: Tile) -> u64 {
        self.digests[usize::from(tile.0)]
    }

    /// A number for the whole grid, as [`digest`](Grid::digest) is one for a tile.
    pub fn fingerprint(&self) -> u64 {
        self.digests.iter().fold(0, |all, &digest| mixed(all ^ digest))
    }

    /// What was written in this tile, to be merged elsewhere.
    pub fn export(&self, tile: Tile) -> Vec<Pixel> {
        let Some(stamps) = &self.stamps[usize::from(tile.0)] else { return Vec::new() };
        let written = tile.places().zip(stamps.iter()).filter(|(_, stamp)| **stamp != Stamp::NEVER);
        written.map(|(place, &stamp)| Pixel { place, colour: self.colour(place), stamp }).collect()
    }

    /// Whether nobody has ever written to it.
    pub fn is_untouched(&self) -> bool {
        self.stamps.iter().all(Option::is_none)
    }
}

/// A place as its tile and its number in that.
fn split(place: Place) -> (usize, usize) {
    let (x, y) = (place.index() % SIDE, place.index() / SIDE);
    let tile = y / TILE_SIDE * (SIDE / TILE_SIDE) + x / TILE_SIDE;
    (tile, y % TILE_SIDE * TILE_SIDE + x % TILE_SIDE)
}

/// A pixel's share of its tile's digest; nothing for one that was never written.
fn hash(pixel: Pixel) -> u64 {
    if pixel.stamp == Stamp::NEVER {
        return 0;
    }
    let what = u64::from(pixel.place.0) << 8 | u64::from(pixel.colour.index());
    mixed(pixel.stamp.0 ^ mixed(what))
}

/// SplitMix64's finisher: each bit of the input changes half of those of the output.
fn mixed(number: u64) -> u64 {
    let number = number.wrapping_add(0x9e37_79b9_7f4a_7c15);
    let number = (number ^ number >> 30).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    let number = (number ^ number >> 27).wrapping_mul(0x94d0_49bb_1331_11eb);
    number ^ number >> 31
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;
    use proptest::test_runner::RngSeed;

    use super::*;

    /// Pixels that meet often: few places in two tiles, few times, few nodes, few colours.
    fn pixels() -> impl Strategy<Value = Vec<Pixel>> {
        let pixel = (0..6u16, 0..4u64, 0..3u32, 0..4u8).prop_map(|(place, time, node, colour)| Pixel {
            place: Place(place * 13),
            colour: Colour::of_low_bits(colour),
            stamp: Stamp::new(time, NodeId::new(node)),
        });
        prop::collection::vec(pixel, 0..9)
    }

    fn merged<'a>(pixels: impl IntoIterator<Item = &'a Pixel>) -> Grid {
        let mut grid = Grid::default();
        for &pixel in pixels {
            grid.merge(pixel);
        }
        grid
    }

    fn exported(grid: &Grid) -> Vec<Pixel> {
        Tile::all().flat_map(|tile| grid.export(tile)).collect()
    }

    fn digests(grid: &Grid) -> Vec<u64> {
        Tile::all().map(|tile| grid.digest(tile)).collect()
    }

    fn check_same(one: &Grid, other: &Grid) {
        assert_eq!(exported(one), exported(other));
        assert_eq!(one.colours, other.colours);
        assert_eq!(digests(one), digests(other));
    }

    fn config(cases: u32) -> ProptestConfig {
        ProptestConfig { cases, rng_seed: RngSeed::Fixed(1), failure_persistence: None, ..ProptestConfig::default() }
    }

    proptest! {
        #![proptest_config(config(256))]

        #[test]
        fn grids_agree_in_whatever_order_and_however_often_pixels_come(
            (pixels, shuffled) in pixels().prop_flat_map(|pixels| (Just(pixels.clone()), Just(pixels).prop_shuffle())),
        ) {
            let once = merged(&pixels);
            check_same(&once, &merged(&shuffled));
            check_same(&once, &merged(pixels.iter().chain(&shuffled)));
        }

        #[test]
        fn grids_agree_however_they_are_grouped(one in pixels(), two in pixels(), three in pixels()) {
            let all = merged(one.iter().chain(&two).chain(&three));
            let later = exported(&merged(two.iter().chain(&three)));
            check_same(&all, &merged(one.iter().chain(&later)));
            let earlier = exported(&merged(one.iter().chain(&two)));
            check_same(&all, &merged(three.iter().chain(&earlier)));
        }

        #[test]
        fn digests_tell_grids_apart(one in pixels(), two in pixels()) {
            let (one, two) = (merged(&one), merged(&two));
            for tile in Tile::all() {
                prop_assert_eq!(one.digest(tile) == two.digest(tile), one.export(tile) == two.export(tile));
            }
        }

        #[test]
        fn what_is_written_next_wins(pixels in pixels(), place in any::<u16>(), node in any::<u32>()) {
            let mut grid = merged(&pixels);
            let stamp = grid.next_stamp(NodeId::new(node));
            let pixel = Pixel { place: Place(place), colour: Colour::BLANK, stamp };
            prop_assert!(grid.merge(pixel));
            prop_assert_eq!(grid.pixel(Place(place)), pixel);
            prop_assert!(!grid.merge(pixel), "once is enough");
        }
    }

    #[test]
    fn tiles_cover_the_grid_once() {
        let mut places: Vec<Place> = Tile::all().flat_map(Tile::places).collect();
        for tile in Tile::all() {
            assert!(tile.places().all(|place| Tile::of(place) == tile));
            assert!(tile.places().enumerate().all(|(at, place)| split(place) == (usize::from(tile.0), at)));
        }
        places.sort();
        assert!(places.into_iter().eq(Place::all()));
        assert_eq!((Tile::new(63).map(Tile::number), Tile::new(64)), (Some(63), None));
    }

    #[test]
    fn a_stamp_holds_its_parts_and_the_end_of_time_is_no_overflow() {
        let stamp = Stamp::new(7, NodeId::new(0x0100_0009));
        assert_eq!((stamp.time(), stamp.node().number()), (7, 9));
        assert_eq!(Stamp::from_u64(stamp.to_u64()), stamp);
        let mut grid = Grid::default();
        let last = Pixel { place: Place(1), colour: Colour::BLANK, stamp: Stamp::from_u64(u64::MAX) };
        assert!(grid.merge(last));
        assert_eq!(grid.next_stamp(NodeId::new(1)).time(), Stamp::TIME_MAX);
    }

    #[test]
    fn memory_comes_with_the_first_pixel_of_a_tile() {
        let mut grid = Grid::default();
        assert!(grid.is_untouched());
        let stamp = grid.next_stamp(NodeId::new(1));
        grid.merge(Pixel { place: Place(65_535), colour: Colour::of_low_bits(3), stamp });
        assert_eq!(grid.stamps.iter().flatten().count(), 1);
        assert!(!grid.is_untouched());
    }
}
