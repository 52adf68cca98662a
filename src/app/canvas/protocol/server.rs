//! Owns what the server says.
//!
//! The one idea: what goes to many is written from where it lies, once; what a client reads is a value.
//!
//! Never: writes more than a byte a pixel.

use bytes::Bytes;

use crate::app::canvas::domain::{Colour, PALETTE, PLACES, Place, Point, SIDE};
use crate::app::canvas::protocol::{Cursor, MemberId, Notice, Token};
use crate::app::canvas::runs::{self, Run};

const WELCOME: u8 = 0x81;
const SNAPSHOT: u8 = 0x82;
const DELTA: u8 = 0x83;
const PRESENCE: u8 = 0x84;
const NOTICE: u8 = 0x85;

/// Flag: Deltas follow, and no Snapshot.
const RESUMED: u8 = 1;

/// Flag: the token was known.
const KNOWN: u8 = 2;

/// A moment of a room.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Position {
    /// Which life of the room; never 0.
    pub epoch: u32,
    /// How many deltas it has had.
    pub seq: u32,
}

/// How a member is received.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Welcome {
    /// It gets what it has missed as Deltas.
    pub resumed: bool,
    /// It is somebody who was here before.
    pub known: bool,
    /// Its number.
    pub member: MemberId,
    /// For its next Hello.
    pub token: Token,
}

/// What the server says, as a client reads it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum FromServer {
    /// The answer to Hello.
    Welcome(Welcome),
    /// Everything.
    Snapshot(Position, Box<[Colour; PLACES]>),
    /// What was drawn in a tick.
    Delta(u32, Vec<(Place, Run)>),
    /// Who is here.
    Presence {
        /// How many.
        members: u32,
        /// Where they point.
        cursors: Vec<Cursor>,
    },
    /// Words, with a code.
    Notice(u8, String),
}

impl Position {
    pub(super) fn encode(self, message: &mut Vec<u8>) {
        message.extend_from_slice(&self.epoch.to_be_bytes());
        message.extend_from_slice(&self.seq.to_be_bytes());
    }
}

/// A Welcome.
pub fn welcome(welcome: &Welcome) -> Bytes {
    let flags = if welcome.resumed { RESUMED } else { 0 } | if welcome.known { KNOWN } else { 0 };
    let mut message = vec![WELCOME, flags];
    message.extend_from_slice(&welcome.member.to_be_bytes());
    message.extend_from_slice(&welcome.token.0);
    for side in [SIDE as u16; 2] {
        message.extend_from_slice(&side.to_be_bytes());
    }
    message.extend_from_slice(PALETTE.as_flattened());
    message.into()
}

/// A Snapshot of a grid.
pub fn snapshot(at: Position, colours: &[Colour; PLACES]) -> Bytes {
    let mut message = vec![SNAPSHOT];
    at.encode(&mut message);
    runs::encode_all(colours, &mut message);
    message.into()
}

/// A Delta: what has become of `places`, which rise.
pub fn delta(seq: u32, places: impl IntoIterator<Item = Place>, colours: &[Colour; PLACES]) -> Bytes {
    let mut message = vec![DELTA];
    message.extend_from_slice(&seq.to_be_bytes());
    runs::encode_some(places, colours, &mut message);
    message.into()
}

/// A Presence.
pub fn presence(members: u32, cursors: impl IntoIterator<Item = Cursor>) -> Bytes {
    let mut message = vec![PRESENCE];
    message.extend_from_slice(&members.to_be_bytes());
    for Cursor { member, at } in cursors {
        message.extend_from_slice(&member.to_be_bytes());
        message.extend_from_slice(&[at.x, at.y]);
    }
    message.into()
}

/// A Notice.
pub fn notice(notice: Notice) -> Bytes {
    [&[NOTICE, notice.code()], notice.words().as_bytes()].concat().into()
}

impl FromServer {
    /// The message in these bytes; `None` when they are none.
    pub fn parse(message: &[u8]) -> Option<FromServer> {
        let (&kind, body) = message.split_first()?;
        match kind {
            WELCOME => parse_welcome(body).map(FromServer::Welcome),
            SNAPSHOT => {
                let (epoch, body) = split_u32(body)?;
                let (seq, body) = split_u32(body)?;
                Some(FromServer::Snapshot(Position { epoch, seq }, runs::parse_all(body)?))
            }
            DELTA => {
                let (seq, body) = split_u32(body)?;
                Some(FromServer::Delta(seq, runs::parse_some(body)?))
            }
            PRESENCE => {
                let (members, body) = split_u32(body)?;
                let (cursors, rest) = body.as_chunks();
                rest.is_empty().then(|| FromServer::Presence { members, cursors: cursors.iter().map(cursor).collect() })
            }
            NOTICE => {
                let (&code, words) = body.split_first()?;
                Some(FromServer::Notice(code, str::from_utf8(words).ok()?.to_owned()))
            }
            _ => None,
        }
    }
}

fn parse_welcome(body: &[u8]) -> Option<Welcome> {
    let (&flags, body) = body.split_first()?;
    let (member, body) = split_u32(body)?;
    let (token, body) = body.split_first_chunk()?;
    let (sides, palette) = body.split_first_chunk::<4>()?;
    let fits = *sides == [1, 0, 1, 0] && *palette == *PALETTE.as_flattened();
    let welcome = Welcome { resumed: flags & RESUMED != 0, known: flags & KNOWN != 0, member, token: Token(*token) };
    fits.then_some(welcome)
}

fn cursor(&[a, b, c, d, x, y]: &[u8; 6]) -> Cursor {
    Cursor { member: u32::from_be_bytes([a, b, c, d]), at: Point { x, y } }
}

fn split_u32(bytes: &[u8]) -> Option<(u32, &[u8])> {
    let (number, rest) = bytes.split_first_chunk()?;
    Some((u32::from_be_bytes(*number), rest))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn messages_look_as_the_document_says() {
        let check = |bytes: &Bytes, begins: &[u8], expected: FromServer| {
            assert_eq!(bytes[..begins.len()], *begins);
            assert_eq!(FromServer::parse(bytes).as_ref(), Some(&expected));
            assert_eq!(FromServer::parse(&bytes[..begins.len() - 1]), None, "cut short");
        };
        let told = Welcome { resumed: true, known: false, member: 258, token: Token([9; 16]) };
        let begins = [&[0x81, 1, 0, 0, 1, 2][..], &[9; 16], &[1, 0, 1, 0, 0xff, 0xff, 0xff]].concat();
        check(&welcome(&told), &begins, FromServer::Welcome(told));

        let mut colours = Box::new([Colour::BLANK; PLACES]);
        colours[1] = Colour::of_low_bits(3);
        let at = Position { epoch: 7, seq: 9 };
        check(
            &snapshot(at, &colours),
            &[0x82, 0, 0, 0, 7, 0, 0, 0, 9, 0, 3],
            FromServer::Snapshot(at, colours.clone()),
        );

        let run = |count, index| Run { count, colour: Colour::of_low_bits(index) };
        let places = [Place(0), Place(1), Place(258), Place(259)];
        let runs = vec![(Place(0), run(1, 0)), (Place(1), run(1, 3)), (Place(258), run(2, 0))];
        let bytes = [0x83, 0, 0, 0, 5, 0, 0, 0, 0, 1, 3, 1, 2, 0x20];
        check(&delta(5, places, &colours), &bytes, FromServer::Delta(5, runs));

        let cursors = vec![Cursor { member: 2, at: Point { x: 4, y: 5 } }];
        let bytes = [0x84, 0, 0, 0, 3, 0, 0, 0, 2, 4, 5];
        check(&presence(3, cursors.clone()), &bytes, FromServer::Presence { members: 3, cursors });
    }

    #[test]
    fn every_notice_has_a_code_of_its_own_and_words() {
        let all = [Notice::TooFast, Notice::NothingToUndo, Notice::TooSlow, Notice::Apart, Notice::Together];
        for (at, told) in all.into_iter().enumerate() {
            let expected = FromServer::Notice(at as u8 + 1, told.words().to_owned());
            assert_eq!(FromServer::parse(&notice(told)), Some(expected));
        }
    }

    #[test]
    fn what_the_server_never_says_is_nothing() {
        for bytes in [[].as_slice(), &[0x01], &[0x85], &[0x85, 1, 0xff], &[0x84, 0, 0, 0, 1, 9], &[0x83, 0, 0, 0, 1, 9]]
        {
            assert_eq!(FromServer::parse(bytes), None, "{bytes:?}");
        }
    }
}
