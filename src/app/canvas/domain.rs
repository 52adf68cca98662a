//! Owns what the canvas is made of: places, colours, names of rooms, and which pixels a line sets.
//!
//! The one idea: what is out of range cannot be said. A coordinate is a byte on a grid of 256 by 256, so no point of a
//! peer lies outside; only colours and names must be parsed.
//!
//! ```text
//!      x 0 … 255          place = y × 256 + x, from 0 to 65,535
//!    y 0 ┌─────┐
//!      … │     │          a u16, which is what is stored, sent and merged
//!    255 └─────┘
//! ```
//!
//! Never: does I/O.

use std::fmt;

/// Pixels in a row, and rows.
pub const SIDE: usize = 256;

/// Pixels of a grid.
pub const PLACES: usize = SIDE * SIDE;

/// Colours, the blank one included.
pub const COLOURS: usize = 32;

/// Pixels that one stroke sets.
pub const STROKE_PIXELS_MAX: usize = 4_096;

/// Characters of a room's name.
pub const NAME_CHARS_MAX: usize = 64;

/// Red, green and blue of each colour.
pub const PALETTE: [[u8; 3]; COLOURS] = [
    [0xff, 0xff, 0xff],
    [0xe4, 0xe4, 0xe4],
    [0xb8, 0xb8, 0xb8],
    [0x88, 0x88, 0x88],
    [0x55, 0x55, 0x55],
    [0x22, 0x22, 0x22],
    [0x00, 0x00, 0x00],
    [0x6d, 0x00, 0x1a],
    [0xbe, 0x00, 0x39],
    [0xff, 0x45, 0x00],
    [0xff, 0xa8, 0x00],
    [0xff, 0xd6, 0x35],
    [0xff, 0xf8, 0xb8],
    [0x00, 0x57, 0x3a],
    [0x00, 0xa3, 0x68],
    [0x00, 0xcc, 0x78],
    [0x7e, 0xed, 0x56],
    [0x00, 0x75, 0x6f],
    [0x00, 0x9e, 0xaa],
    [0x00, 0xcc, 0xc0],
    [0x24, 0x50, 0xa4],
    [0x36, 0x90, 0xea],
    [0x51, 0xe9, 0xf4],
    [0x49, 0x3a, 0xc1],
    [0x6a, 0x5c, 0xff],
    [0x94, 0xb3, 0xff],
    [0x81, 0x1e, 0x9f],
    [0xb4, 0x4a, 0xc0],
    [0xff, 0x99, 0xaa],
    [0xde, 0x10, 0x7f],
    [0x6d, 0x48, 0x2f],
    [0x9c, 0x69, 0x26],
];

/// A point: column and row.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Point {
    /// The column, from the left.
    pub x: u8,
    /// The row, from the top.
    pub y: u8,
}

/// A point as one number, `y × 256 + x`: the order of the pixels in a snapshot.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Place(pub u16);

/// An index of the palette.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Colour(u8);

/// The name of a room: 1 to [`NAME_CHARS_MAX`] of `a-z`, `0-9` and `-`.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct RoomName(Box<str>);

/// Why a word is no name of a room.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum WrongName {
    /// It has no character.
    Empty,
    /// It has more than [`NAME_CHARS_MAX`].
    TooLong,
    /// One of its characters is none of `a-z`, `0-9` and `-`.
    Character(char),
}

impl Point {
    /// The same as one number.
    pub fn place(self) -> Place {
        Place(u16::from_be_bytes([self.y, self.x]))
    }
}

impl Place {
    /// The same as an index.
    pub fn index(self) -> usize {
        usize::from(self.0)
    }

    /// All places, in their order.
    pub fn all() -> impl DoubleEndedIterator<Item = Place> {
        (0..=u16::MAX).map(Place)
    }
}

impl Colour {
    /// What nobody has drawn on.
    pub const BLANK: Colour = Colour(0);

    /// The colour with this index, if there is one.
    pub const fn new(index: u8) -> Option<Colour> {
        if (index as usize) < COLOURS { Some(Colour(index)) } else { None }
    }

    /// The colour in the low five bits, which can be none that is missing.
    pub const fn of_low_bits(byte: u8) -> Colour {
        Colour(byte % COLOURS as u8)
    }

    /// Its index.
    pub fn index(self) -> u8 {
        self.0
    }
}

impl RoomName {
    /// The name, if it is one.
    ///
    /// # Errors
    /// The first thing that is wrong with it.
    pub fn parse(name: &str) -> Result<RoomName, WrongName> {
        let is_good = |&char: &char| matches!(char, 'a'..='z' | '0'..='9' | '-');
        match name.chars().find(|char| !is_good(char)) {
            _ if name.is_empty() => Err(WrongName::Empty),
            Some(char) => Err(WrongName::Character(char)),
            None if name.len() > NAME_CHARS_MAX => Err(WrongName::TooLong),
            None => Ok(RoomName(name.into())),
        }
    }

    /// The name.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl fmt::Display for RoomName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl fmt::Debug for RoomName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl fmt::Display for WrongName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            WrongName::Empty => write!(f, "a room has a name"),
            WrongName::TooLong => write!(f, "a room's name has at most {NAME_CHARS_MAX} characters"),
            WrongName::Character(char) => {
                write!(f, "{char:?} is in the name; a room's name has only a-z, 0-9 and -")
            }
        }
    }
}

impl std::error::Error for WrongName {}

/// The pixels that a line sets, both ends included: Bresenham's, the same at every client.
pub fn line(from: Point, to: Point) -> impl Iterator<Item = Point> {
    let (mut x, mut y) = (i32::from(from.x), i32::from(from.y));
    let (end_x, end_y) = (i32::from(to.x), i32::from(to.y));
    let (dx, dy) = ((end_x - x).abs(), -(end_y - y).abs());
    let (step_x, step_y) = ((end_x - x).signum(), (end_y - y).signum());
    let mut error = dx + dy;
    (0..line_pixels(from, to)).map(move |_| {
        // Between two points of the grid: each fits a byte.
        let point = Point { x: x as u8, y: y as u8 };
        let twice = 2 * error;
        if twice >= dy {
            error += dy;
            x += step_x;
        }
        if twice <= dx {
            error += dx;
            y += step_y;
        }
        point
    })
}

/// How many pixels a line sets.
pub fn line_pixels(from: Point, to: Point) -> usize {
    usize::from(from.x.abs_diff(to.x).max(from.y.abs_diff(to.y))) + 1
}

#[cfg(test)]
mod tests {
    use super::*;

    /// What the document says that clients do.
    fn as_documented(from: Point, to: Point) -> Vec<Point> {
        let (mut x, mut y) = (i32::from(from.x), i32::from(from.y));
        let (end_x, end_y) = (i32::from(to.x), i32::from(to.y));
        let (dx, dy) = ((end_x - x).abs(), -(end_y - y).abs());
        let (step_x, step_y) = (if x < end_x { 1 } else { -1 }, if y < end_y { 1 } else { -1 });
        let mut error = dx + dy;
        let mut points = Vec::new();
        loop {
            points.push(Point { x: x as u8, y: y as u8 });
            if (x, y) == (end_x, end_y) {
                return points;
            }
            let twice = 2 * error;
            if twice >= dy {
                error += dy;
                x += step_x;
            }
            if twice <= dx {
                error += dx;
                y += step_y;
            }
        }
    }

    #[test]
    fn a_line_is_the_one_that_the_document_draws() {
        let mut random = fastrand::Rng::with_seed(5);
        let mut point = || Point { x: random.u8(..), y: random.u8(..) };
        for _ in 0..2_000 {
            let (from, to) = (point(), point());
            let drawn: Vec<Point> = line(from, to).collect();
            assert_eq!(drawn, as_documented(from, to), "{from:?} to {to:?}");
            assert_eq!(drawn.len(), line_pixels(from, to));
        }
        let alone = Point { x: 255, y: 0 };
        assert_eq!(line(alone, alone).collect::<Vec<_>>(), [alone]);
    }

    #[test]
    fn a_room_has_a_plain_name() {
        for name in ["a", "lobby", "room-7", "0", "-", &"x".repeat(64)] {
            assert_eq!(RoomName::parse(name).expect("a name").as_str(), name);
        }
        for (name, wrong) in [
            ("", WrongName::Empty),
            ("A", WrongName::Character('A')),
            ("a b", WrongName::Character(' ')),
            ("../lobby", WrongName::Character('.')),
            ("a*", WrongName::Character('*')),
            ("a>", WrongName::Character('>')),
            ("é", WrongName::Character('é')),
            ("a\n", WrongName::Character('\n')),
            ("lobby/ws", WrongName::Character('/')),
            (&"x".repeat(65), WrongName::TooLong),
        ] {
            assert_eq!(RoomName::parse(name), Err(wrong), "{name:?}");
        }
    }

    #[test]
    fn a_place_counts_rows_and_colours_end() {
        assert_eq!(Point { x: 3, y: 2 }.place(), Place(2 * 256 + 3));
        assert_eq!((Colour::new(31).map(Colour::index), Colour::new(32)), (Some(31), None));
        let all: std::collections::HashSet<_> = PALETTE.iter().collect();
        assert_eq!(all.len(), COLOURS, "two colours look the same");
    }
}
