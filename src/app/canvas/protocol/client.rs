//! Owns what clients say.
//!
//! The one idea: a stroke borrows its points from the message. It is walked once to count its pixels and once to draw them.
//!
//! Invariants: a [`Stroke`] has a point, and sets at most [`STROKE_PIXELS_MAX`] pixels.

use std::fmt;

use crate::app::canvas::domain::{COLOURS, Colour, Place, Point, STROKE_PIXELS_MAX, line, line_pixels};
use crate::app::canvas::protocol::{Position, Token};

const HELLO: u8 = 0x01;
const STROKE: u8 = 0x02;
const CURSOR: u8 = 0x03;
const UNDO: u8 = 0x04;
const HIDE: u8 = 0x05;

/// Flag: the stroke goes on with the one before.
const GOES_ON: u8 = 1;

/// Flag: the points are not joined.
const DOTS: u8 = 2;

/// Bytes of the longest message: a stroke of as many points as it may have.
pub const MESSAGE_BYTES_MAX: usize = 3 + 2 * STROKE_PIXELS_MAX;

/// What a client says.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum FromClient<'a> {
    /// The first message.
    Hello(Hello),
    /// It draws.
    Stroke(Stroke<'a>),
    /// It points.
    Cursor(Point),
    /// It takes its last stroke back.
    Undo,
    /// It points nowhere.
    Hide,
}

/// Who a client is, and what it has.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Hello {
    /// As an earlier Welcome gave it.
    pub token: Option<Token>,
    /// Up to where it knows the room.
    pub has: Option<Position>,
}

/// Pixels of one colour.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Stroke<'a> {
    /// Whether undo takes it back with the one before.
    pub goes_on: bool,
    /// Whether each point stands alone.
    pub is_dots: bool,
    /// The colour.
    pub colour: Colour,
    /// x, y.
    points: &'a [[u8; 2]],
}

/// What is wrong with a message.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Malformed {
    /// It has no byte.
    Empty,
    /// Its type is none.
    Type(u8),
    /// Its length is not that of its type.
    Length(&'static str),
    /// A stroke has flags that mean nothing.
    Flags(u8),
    /// A stroke has a colour that is none.
    Colour(u8),
    /// A stroke sets more pixels than [`STROKE_PIXELS_MAX`].
    TooLong,
}

impl<'a> FromClient<'a> {
    /// The message in these bytes.
    ///
    /// # Errors
    /// The first thing that is wrong with it.
    pub fn parse(message: &'a [u8]) -> Result<FromClient<'a>, Malformed> {
        let (&kind, body) = message.split_first().ok_or(Malformed::Empty)?;
        match kind {
            HELLO => Hello::parse(body).map(FromClient::Hello),
            STROKE => Stroke::parse(body).map(FromClient::Stroke),
            CURSOR => match *body {
                [x, y] => Ok(FromClient::Cursor(Point { x, y })),
                _ => Err(Malformed::Length("a Cursor has 3 bytes")),
            },
            UNDO if body.is_empty() => Ok(FromClient::Undo),
            HIDE if body.is_empty() => Ok(FromClient::Hide),
            UNDO | HIDE => Err(Malformed::Length("Undo and Hide have one byte")),
            _ => Err(Malformed::Type(kind)),
        }
    }

    /// The bytes of the message.
    pub fn encode(&self) -> Vec<u8> {
        match self {
            FromClient::Hello(hello) => hello.encode(),
            FromClient::Stroke(stroke) => stroke.encode(),
            FromClient::Cursor(at) => vec![CURSOR, at.x, at.y],
            FromClient::Undo => vec![UNDO],
            FromClient::Hide => vec![HIDE],
        }
    }
}

impl Hello {
    fn parse(body: &[u8]) -> Result<Hello, Malformed> {
        const WRONG: Malformed = Malformed::Length("a Hello has 25 bytes");
        let (token, body) = body.split_first_chunk::<16>().ok_or(WRONG)?;
        let (epoch, body) = body.split_first_chunk().ok_or(WRONG)?;
        let seq = <[u8; 4]>::try_from(body).map_err(|_| WRONG)?;
        let has = Position { epoch: u32::from_be_bytes(*epoch), seq: u32::from_be_bytes(seq) };
        let token = (*token != [0; 16]).then_some(Token(*token));
        Ok(Hello { token, has: (has != Position::default()).then_some(has) })
    }

    fn encode(&self) -> Vec<u8> {
        let mut message = vec![HELLO];
        message.extend_from_slice(&self.token.map_or([0; 16], |token| token.0));
        self.has.unwrap_or_default().encode(&mut message);
        message
    }
}

impl<'a> Stroke<'a> {
    /// A stroke.
    ///
    /// # Errors
    /// When it has no point, or sets too many pixels.
    pub fn new(goes_on: bool, is_dots: bool, colour: Colour, points: &'a [[u8; 2]]) -> Result<Stroke<'a>, Malformed> {
        let stroke = Stroke { goes_on, is_dots, colour, points };
        if points.is_empty() {
            Err(Malformed::Length("a Stroke has a point"))
        } else if stroke.pixels() > STROKE_PIXELS_MAX {
            Err(Malformed::TooLong)
        } else {
            Ok(stroke)
        }
    }

    fn parse(body: &'a [u8]) -> Result<Stroke<'a>, Malformed> {
        let (&[flags, colour], points) =
            body.split_first_chunk().ok_or(Malformed::Length("a Stroke has flags and a colour"))?;
        if flags & !(GOES_ON | DOTS) != 0 {
            return Err(Malformed::Flags(flags));
        }
        let colour = Colour::new(colour).ok_or(Malformed::Colour(colour))?;
        let (points, half) = points.as_chunks();
        if !half.is_empty() {
            return Err(Malformed::Length("a point of a Stroke has two bytes"));
        }
        Stroke::new(flags & GOES_ON != 0, flags & DOTS != 0, colour, points)
    }

    fn encode(&self) -> Vec<u8> {
        let flags = if self.goes_on { GOES_ON } else { 0 } | if self.is_dots { DOTS } else { 0 };
        let mut message = vec![STROKE, flags, self.colour.index()];
        message.extend_from_slice(self.points.as_flattened());
        message
    }

    /// How many pixels it sets, those that it sets twice counted twice.
    pub fn pixels(&self) -> usize {
        if self.is_dots {
            return self.points.len();
        }
        1 + self.lines().map(|(from, to)| line_pixels(from, to) - 1).sum::<usize>()
    }

    /// The places that it sets, in their order.
    pub fn places(&self) -> impl Iterator<Item = Place> {
        let dots = if self.is_dots { self.points } else { &self.points[..1] };
        let lines = if self.is_dots { &[] } else { self.points };
        let joined = joints(lines).flat_map(|(from, to)| line(from, to).skip(1));
        dots.iter().map(point).chain(joined).map(Point::place)
    }

    fn lines(&self) -> impl Iterator<Item = (Point, Point)> {
        joints(self.points)
    }
}

fn joints(points: &[[u8; 2]]) -> impl Iterator<Item = (Point, Point)> {
    points.windows(2).map(|ends| (point(&ends[0]), point(&ends[1])))
}

fn point(&[x, y]: &[u8; 2]) -> Point {
    Point { x, y }
}

impl fmt::Display for Malformed {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Malformed::Empty => write!(f, "a message has at least one byte"),
            Malformed::Type(kind) => write!(f, "no message has type 0x{kind:02x}"),
            Malformed::Length(rule) => write!(f, "the length is wrong: {rule}"),
            Malformed::Flags(flags) => write!(f, "flags 0x{flags:02x}: only bits 0 and 1 mean something"),
            Malformed::Colour(colour) => write!(f, "colour {colour}: there are {COLOURS}, from 0"),
            Malformed::TooLong => write!(f, "a Stroke sets at most {STROKE_PIXELS_MAX} pixels"),
        }
    }
}

impl std::error::Error for Malformed {}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;
    use proptest::test_runner::RngSeed;

    use super::*;

    fn colour(index: u8) -> Colour {
        Colour::new(index).expect("a colour")
    }

    #[test]
    fn messages_look_as_the_document_says() {
        let check = |bytes: &[u8], expected: FromClient<'_>| {
            assert_eq!(FromClient::parse(bytes), Ok(expected), "{bytes:?}");
            assert_eq!(expected.encode(), bytes);
        };
        let mut hello = [0; 25];
        hello[0] = 0x01;
        check(&hello, FromClient::Hello(Hello::default()));
        hello[1..17].fill(7);
        hello[17..].copy_from_slice(&[0, 0, 1, 2, 0, 0, 0, 9]);
        let has = Position { epoch: 258, seq: 9 };
        check(&hello, FromClient::Hello(Hello { token: Some(Token([7; 16])), has: Some(has) }));
        check(&[0x03, 4, 5], FromClient::Cursor(Point { x: 4, y: 5 }));
        check(&[0x04], FromClient::Undo);
        check(&[0x05], FromClient::Hide);
        let stroke = Stroke::new(false, false, colour(31), &[[0, 0], [255, 1]]).expect("a stroke");
        check(&[0x02, 0, 31, 0, 0, 255, 1], FromClient::Stroke(stroke));
        let stroke = Stroke::new(true, true, colour(0), &[[9, 8]]).expect("a stroke");
        check(&[0x02, 3, 0, 9, 8], FromClient::Stroke(stroke));
    }

    #[test]
    fn what_is_no_message_is_refused_in_words() {
        let check = |bytes: &[u8], expected: &str| {
            let words = FromClient::parse(bytes).expect_err("malformed").to_string();
            assert!(words.contains(expected), "{bytes:?}: {words}");
            assert!(words.len() <= 123, "no room in a Close: {words}");
        };
        check(&[], "at least one byte");
        for kind in [0x00, 0x06, 0x7f, 0x81, 0xff] {
            check(&[kind], "no message has type");
        }
        for len in [0, 1, 23, 25, 100] {
            check(&[&[0x01][..], &vec![1; len]].concat(), "25 bytes");
        }
        for body in [[].as_slice(), &[1], &[1, 2, 3]] {
            check(&[&[0x03][..], body].concat(), "3 bytes");
        }
        check(&[0x04, 0], "one byte");
        check(&[0x05, 0], "one byte");
        check(&[0x02], "flags and a colour");
        check(&[0x02, 0], "flags and a colour");
        check(&[0x02, 0, 1], "has a point");
        check(&[0x02, 0, 1, 7], "two bytes");
        check(&[0x02, 0, 1, 7, 7, 7], "two bytes");
        check(&[0x02, 4, 1, 7, 7], "bits 0 and 1");
        check(&[0x02, 0x80, 1, 7, 7], "bits 0 and 1");
        check(&[0x02, 0, 32, 7, 7], "colour 32");
        check(&[0x02, 0, 255, 7, 7], "colour 255");
        check(&[&[0x02, 2, 1][..], &[7; 2 * 4_097]].concat(), "4096 pixels");
        // A short message that would draw a lot: each line is 255 pixels long.
        let zigzag: Vec<u8> = [[0, 0], [255, 255]].into_iter().cycle().take(18).flatten().collect();
        check(&[&[0x02, 0, 1][..], &zigzag].concat(), "4096 pixels");
    }

    #[test]
    fn a_stroke_sets_what_it_counts() {
        let check = |is_dots, points: &[[u8; 2]], expected: &[u16]| {
            let stroke = Stroke::new(false, is_dots, colour(1), points).expect("a stroke");
            let places: Vec<u16> = stroke.places().map(|place| place.0).collect();
            assert_eq!(places, expected);
            assert_eq!(stroke.pixels(), expected.len());
        };
        check(false, &[[1, 0]], &[1]);
        check(true, &[[1, 0]], &[1]);
        check(false, &[[1, 0], [3, 0], [3, 1]], &[1, 2, 3, 259]);
        check(true, &[[1, 0], [3, 0], [3, 1]], &[1, 3, 259]);
        check(false, &[[2, 2], [0, 0]], &[514, 257, 0]);
        check(false, &[[1, 0], [1, 0]], &[1]);
    }

    fn config(cases: u32) -> ProptestConfig {
        ProptestConfig { cases, rng_seed: RngSeed::Fixed(1), failure_persistence: None, ..ProptestConfig::default() }
    }

    proptest! {
        #![proptest_config(config(256))]

        #[test]
        fn bytes_from_anywhere_are_a_message_or_not(bytes in prop::collection::vec(any::<u8>(), 0..64), kind in 0..8u8) {
            let bytes = [&[kind][..], &bytes].concat();
            if let Ok(message) = FromClient::parse(&bytes) {
                prop_assert_eq!(&message.encode(), &bytes);
                if let FromClient::Stroke(stroke) = message {
                    prop_assert_eq!(stroke.places().count(), stroke.pixels());
                }
            }
        }
    }
}
