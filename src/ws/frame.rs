//! Owns the header of a frame: parsing and encoding.
//!
//! The one idea: a byte is judged when it is there. The first two say most of it, so a peer that breaks a rule in them is
//! refused before it has sent a payload, or even a whole header.
//!
//! ```text
//!    0               1               2 …             … 10            … 14
//!   ┌─┬─┬─┬─┬───────┬─┬─────────────┬─────────────────┬───────────────┐
//!   │F│R│R│R│ opcode│M│ length 0-125│ 126: 16 bits    │ masking key   │ payload …
//!   │I│S│S│S│       │A│ or 126, 127 │ 127: 64 bits    │ if MASK is 1  │
//!   │N│1│2│3│       │S│             │ else nothing    │               │
//!   └─┴─┴─┴─┴───────┴─┴─────────────┴─────────────────┴───────────────┘
//! ```
//!
//! Spec: RFC 6455 5.2 (the layout), 5.5 (control frames). Which end masks, what RSV1 means, and what may follow what are
//! rules of the [machine](crate::ws::machine).
//! Never: looks at a payload.
//! Invariants: a header that is accepted is written again by [`Header::encode`] byte for byte; whether a header is
//! refused, and why, does not depend on how its bytes come.

use std::fmt;
use std::ops::Deref;

use crate::ws::violation::Violation;

/// Bytes of the longest header.
pub const HEADER_BYTES_MAX: usize = 14;

/// Bytes of the longest payload of a control frame (RFC 6455 5.5).
pub const CONTROL_PAYLOAD_BYTES_MAX: usize = 125;

const FIN: u8 = 0x80;
const RSV1: u8 = 0x40;
/// RSV2 and RSV3: no extension that is known here gives them a meaning.
const RSV23: u8 = 0x30;
const OPCODE: u8 = 0x0f;
const MASK: u8 = 0x80;
const LENGTH: u8 = 0x7f;
/// In place of a length: it follows in 16 bits.
const LENGTH_16: u8 = 126;
/// In place of a length: it follows in 64 bits.
const LENGTH_64: u8 = 127;

/// What a frame is (RFC 6455 5.2).
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Opcode {
    /// The next fragment of the message that has begun.
    Continuation = 0x0,
    /// The beginning of a text message, or all of it.
    Text = 0x1,
    /// The beginning of a binary message, or all of it.
    Binary = 0x2,
    /// The last frame of its sender.
    Close = 0x8,
    /// Asks for a pong.
    Ping = 0x9,
    /// Answers a ping.
    Pong = 0xa,
}

impl Opcode {
    /// Whether it is of a frame that is about the connection (RFC 6455 5.5) and not a piece of a message.
    pub fn is_control(self) -> bool {
        self as u8 & 0x8 != 0
    }

    /// The opcode of four bits, unless it is reserved.
    fn of(bits: u8) -> Option<Opcode> {
        Some(match bits {
            0x0 => Opcode::Continuation,
            0x1 => Opcode::Text,
            0x2 => Opcode::Binary,
            0x8 => Opcode::Close,
            0x9 => Opcode::Ping,
            0xa => Opcode::Pong,
            _ => return None,
        })
    }
}

impl fmt::Display for Opcode {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(match self {
            Opcode::Continuation => "continuation",
            Opcode::Text => "text",
            Opcode::Binary => "binary",
            Opcode::Close => "close",
            Opcode::Ping => "ping",
            Opcode::Pong => "pong",
        })
    }
}

/// All that stands before a payload.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Header {
    /// Whether this is the last frame of its message.
    pub fin: bool,
    /// Whether the message that begins here is compressed (RFC 7692 6).
    pub rsv1: bool,
    /// What the frame is.
    pub opcode: Opcode,
    /// The key that the payload is masked with.
    pub mask: Option<[u8; 4]>,
    /// Bytes of the payload, below 2^63.
    pub length: u64,
}

/// The header at the beginning of `bytes` and how long it is; `None` when it goes on behind them.
///
/// # Errors
/// As soon as a byte is there that no header may have.
#[inline]
pub fn parse(bytes: &[u8]) -> Result<Option<(Header, usize)>, Violation> {
    let Some(&first) = bytes.first() else { return Ok(None) };
    let (fin, opcode) = parse_first(first)?;
    let Some(&second) = bytes.get(1) else { return Ok(None) };
    let short = second & LENGTH;
    // RFC 6455 5.5: a control frame is short, and so is its length.
    if opcode.is_control() && usize::from(short) > CONTROL_PAYLOAD_BYTES_MAX {
        return Err(Violation::LongControl);
    }
    let Some((length, at)) = parse_length(short, &bytes[2..])? else { return Ok(None) };
    let header = |mask| Header { fin, rsv1: first & RSV1 != 0, opcode, mask, length };
    if second & MASK == 0 {
        return Ok(Some((header(None), 2 + at)));
    }
    let key = bytes[2 + at..].first_chunk();
    Ok(key.map(|key| (header(Some(*key)), 2 + at + key.len())))
}

#[inline]
fn parse_first(first: u8) -> Result<(bool, Opcode), Violation> {
    // RFC 6455 5.2: an unknown opcode, or a bit to which no extension gives a meaning, fails the connection.
    let opcode = Opcode::of(first & OPCODE).ok_or(Violation::ReservedOpcode)?;
    if first & RSV23 != 0 {
        return Err(Violation::ReservedBit);
    }
    let fin = first & FIN != 0;
    if opcode.is_control() && !fin {
        return Err(Violation::FragmentedControl);
    }
    Ok((fin, opcode))
}

/// The length that `short` announces, and how many of `bytes`, those behind it, belong to it.
#[inline]
fn parse_length(short: u8, bytes: &[u8]) -> Result<Option<(u64, usize)>, Violation> {
    match short {
        LENGTH_16 => parse_length_16(bytes),
        LENGTH_64 => parse_length_64(bytes),
        _ => Ok(Some((u64::from(short), 0))),
    }
}

fn parse_length_16(bytes: &[u8]) -> Result<Option<(u64, usize)>, Violation> {
    let Some(length) = bytes.first_chunk().map(|length| u16::from_be_bytes(*length)) else { return Ok(None) };
    // RFC 6455 5.2: in all cases, the minimal number of bytes.
    if length < u16::from(LENGTH_16) {
        return Err(Violation::LengthNotMinimal);
    }
    Ok(Some((u64::from(length), 2)))
}

fn parse_length_64(bytes: &[u8]) -> Result<Option<(u64, usize)>, Violation> {
    // RFC 6455 5.2: the most significant bit must be 0.
    if bytes.first().is_some_and(|&first| first & 0x80 != 0) {
        return Err(Violation::LengthTopBit);
    }
    // Six bytes of 0: the last two would have been enough.
    if bytes.first_chunk::<6>().is_some_and(|upper| *upper == [0; 6]) {
        return Err(Violation::LengthNotMinimal);
    }
    Ok(bytes.first_chunk().map(|length| (u64::from_be_bytes(*length), 8)))
}

impl Header {
    /// The header as it is sent.
    #[inline]
    pub fn encode(&self) -> HeaderBytes {
        debug_assert!(self.length < 1 << 63, "RFC 6455 5.2: lengths have 63 bits");
        let mut out = HeaderBytes { bytes: [0; HEADER_BYTES_MAX], len: 0 };
        let flags = if self.fin { FIN } else { 0 } | if self.rsv1 { RSV1 } else { 0 };
        let mask = if self.mask.is_some() { MASK } else { 0 };
        // RFC 6455 5.2: the shortest of the three forms.
        match self.length {
            0..=125 => out.push(&[flags | self.opcode as u8, mask | self.length as u8]),
            126..=0xffff => {
                out.push(&[flags | self.opcode as u8, mask | LENGTH_16]);
                out.push(&(self.length as u16).to_be_bytes());
            }
            _ => {
                out.push(&[flags | self.opcode as u8, mask | LENGTH_64]);
                out.push(&self.length.to_be_bytes());
            }
        }
        if let Some(key) = &self.mask {
            out.push(key);
        }
        out
    }
}

/// An encoded header.
#[derive(Clone, Copy, PartialEq, Eq)]
pub struct HeaderBytes {
    bytes: [u8; HEADER_BYTES_MAX],
    len: u8,
}

impl HeaderBytes {
    fn push(&mut self, bytes: &[u8]) {
        let at = usize::from(self.len);
        self.bytes[at..at + bytes.len()].copy_from_slice(bytes);
        self.len += bytes.len() as u8;
    }
}

impl Deref for HeaderBytes {
    type Target = [u8];

    #[inline]
    fn deref(&self) -> &[u8] {
        &self.bytes[..usize::from(self.len)]
    }
}

impl AsRef<[u8]> for HeaderBytes {
    fn as_ref(&self) -> &[u8] {
        self
    }
}

impl fmt::Debug for HeaderBytes {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:02x?}", &**self)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const KEY: [u8; 4] = [0x37, 0xfa, 0x21, 0x3d];

    fn header(fin: bool, opcode: Opcode, mask: Option<[u8; 4]>, length: u64) -> Header {
        Header { fin, rsv1: false, opcode, mask, length }
    }

    /// A header is what is expected, whole and behind trailing bytes; every beginning of it needs more; and it is written
    /// again as it was.
    fn check(bytes: &[u8], expected: Header) {
        assert_eq!(parse(bytes), Ok(Some((expected, bytes.len()))), "{bytes:x?}");
        assert_eq!(parse(&[bytes, b"\xff\xff"].concat()), Ok(Some((expected, bytes.len()))), "{bytes:x?}, more behind");
        for end in 0..bytes.len() {
            assert_eq!(parse(&bytes[..end]), Ok(None), "{:x?}", &bytes[..end]);
        }
        assert_eq!(*expected.encode(), *bytes);
    }

    #[test]
    fn the_examples_of_the_specification() {
        use Opcode::*;
        check(b"\x81\x05", header(true, Text, None, 5));
        check(b"\x81\x85\x37\xfa\x21\x3d", header(true, Text, Some(KEY), 5));
        check(b"\x01\x03", header(false, Text, None, 3));
        check(b"\x80\x02", header(true, Continuation, None, 2));
        check(b"\x89\x05", header(true, Ping, None, 5));
        check(b"\x8a\x85\x37\xfa\x21\x3d", header(true, Pong, Some(KEY), 5));
        check(b"\x82\x7e\x01\x00", header(true, Binary, None, 256));
        check(b"\x82\x7f\0\0\0\0\0\x01\0\0", header(true, Binary, None, 65_536));
    }

    #[test]
    fn lengths_at_their_edges() {
        use Opcode::Binary;
        check(b"\x82\x00", header(true, Binary, None, 0));
        check(b"\x82\x7d", header(true, Binary, None, 125));
        check(b"\x82\x7e\x00\x7e", header(true, Binary, None, 126));
        check(b"\x82\xfe\xff\xff\x37\xfa\x21\x3d", header(true, Binary, Some(KEY), 65_535));
        check(b"\x82\x7f\x7f\xff\xff\xff\xff\xff\xff\xff", header(true, Binary, None, (1 << 63) - 1));
        let compressed = Header { rsv1: true, ..header(true, Opcode::Text, None, 1) };
        check(b"\xc1\x01", compressed);
        check(b"\x88\xfd\x37\xfa\x21\x3d", header(true, Opcode::Close, Some(KEY), 125));
    }

    #[test]
    fn a_header_is_refused_at_the_byte_that_shows_it() {
        let check = |bytes: &[u8], expected: Violation| {
            for end in 0..bytes.len() {
                assert_eq!(parse(&bytes[..end]), Ok(None), "{:x?}", &bytes[..end]);
            }
            assert_eq!(parse(bytes), Err(expected), "{bytes:x?}");
            assert_eq!(parse(&[bytes, &[0; 20]].concat()), Err(expected), "{bytes:x?}, zeros behind");
            assert_eq!(parse(&[bytes, &[0xff; 20]].concat()), Err(expected), "{bytes:x?}, ones behind");
        };
        for reserved in [0x3, 0x4, 0x5, 0x6, 0x7, 0xb, 0xc, 0xd, 0xe, 0xf] {
            check(&[0x80 | reserved], Violation::ReservedOpcode);
            check(&[reserved], Violation::ReservedOpcode);
        }
        for bits in [0x10, 0x20, 0x30, 0x50, 0x70] {
            check(&[0x81 | bits], Violation::ReservedBit);
            check(&[0x88 | bits], Violation::ReservedBit);
        }
        for control in [0x08, 0x09, 0x0a] {
            check(&[control], Violation::FragmentedControl);
            for long in [126, 127, 0xfe, 0xff] {
                check(&[0x80 | control, long], Violation::LongControl);
            }
        }
        check(b"\x82\x7e\x00\x00", Violation::LengthNotMinimal);
        check(b"\x82\xfe\x00\x7d", Violation::LengthNotMinimal);
        check(b"\x82\x7f\0\0\0\0\0\0", Violation::LengthNotMinimal);
        check(b"\x82\xff\x80", Violation::LengthTopBit);
        check(b"\x82\xff\xff", Violation::LengthTopBit);
    }
}
