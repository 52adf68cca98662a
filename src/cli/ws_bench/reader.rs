//! Owns the reading of what a server sends: frames are taken apart and each byte is compared, and nothing is kept.
//!
//! The one idea: the load client must cost less than the server that it loads, so a message is checked where it lies and
//! forgotten. That rules out messages in fragments and compressed ones: neither is asked for.
//!
//! ```text
//!   [ header ][ stamp │ filler ················ ][ header ]…
//!     ≤ 14      32: read   compared as it comes
//! ```
//!
//! Spec: RFC 6455 5.2, 5.5.
//! Never: allocates; holds more than a header and the first bytes of a payload.

use std::fmt;
use std::rc::Rc;

use firstbyte::ws::frame::{self, CONTROL_PAYLOAD_BYTES_MAX, HEADER_BYTES_MAX, Header, Opcode};
use firstbyte::ws::violation::Violation;

use super::message::{STAMP_BYTES, Stamp};

/// What has come, whole.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Heard {
    /// A message with a stamp, and the bytes that belong behind it.
    Message(Stamp),
    /// A message that nobody has sent so.
    Wrong,
    /// A ping with so many bytes of payload.
    Ping(usize),
    /// A pong, which nobody has asked for.
    Pong,
    /// A Close frame with so many bytes of payload.
    Close(usize),
}

/// Why a server cannot be read.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Fault {
    /// It breaks the protocol.
    Violation(Violation),
    /// It sends messages in fragments.
    Fragments,
}

/// Takes frames apart.
pub struct Reader {
    expected: Rc<[u8]>,
    opcode: Opcode,
    header: [u8; HEADER_BYTES_MAX],
    header_len: usize,
    frame: Option<Frame>,
    /// How the payload in hand begins.
    begin: [u8; CONTROL_PAYLOAD_BYTES_MAX],
}

/// A frame whose payload is awaited.
struct Frame {
    header: Header,
    /// Bytes of the payload that have come.
    at: usize,
    is_right: bool,
}

impl Reader {
    /// A reader that expects messages as long as `expected` and, behind their stamps, of the same bytes.
    pub fn new(expected: Rc<[u8]>, opcode: Opcode) -> Reader {
        let (header, begin) = ([0; HEADER_BYTES_MAX], [0; CONTROL_PAYLOAD_BYTES_MAX]);
        Reader { expected, opcode, header, header_len: 0, frame: None, begin }
    }

    /// Takes bytes off `input` up to the end of a frame, and tells what it was.
    ///
    /// # Errors
    /// What the server sends cannot be read.
    #[inline]
    pub fn read(&mut self, input: &mut &[u8]) -> Result<Option<Heard>, Fault> {
        if self.frame.is_none() && !self.read_header(input)? {
            return Ok(None);
        }
        Ok(self.read_payload(input))
    }

    /// The payload, so long, of the ping or Close that was told last.
    pub fn payload(&self, length: usize) -> &[u8] {
        &self.begin[..length]
    }

    #[inline]
    fn read_header(&mut self, input: &mut &[u8]) -> Result<bool, Fault> {
        if self.header_len == 0 {
            match frame::parse(input).map_err(Fault::Violation)? {
                Some((header, len)) => {
                    *input = &input[len..];
                    return self.begin(header).map(|()| true);
                }
                None => {
                    self.header[..input.len()].copy_from_slice(input);
                    self.header_len = input.len();
                    *input = &[];
                    return Ok(false);
                }
            }
        }
        self.read_header_on(input)
    }

    /// The header goes on from the bytes before.
    #[cold]
    fn read_header_on(&mut self, input: &mut &[u8]) -> Result<bool, Fault> {
        while let Some((&byte, rest)) = input.split_first() {
            *input = rest;
            self.header[self.header_len] = byte;
            self.header_len += 1;
            if let Some((header, _)) = frame::parse(&self.header[..self.header_len]).map_err(Fault::Violation)? {
                self.header_len = 0;
                return self.begin(header).map(|()| true);
            }
        }
        Ok(false)
    }

    fn begin(&mut self, header: Header) -> Result<(), Fault> {
        let Header { fin, rsv1, opcode, mask, length } = header;
        if !fin || opcode == Opcode::Continuation {
            return Err(Fault::Fragments);
        }
        if mask.is_some() {
            return Err(Fault::Violation(Violation::Masked));
        }
        if rsv1 {
            return Err(Fault::Violation(Violation::CompressionNotAgreed));
        }
        let is_right = opcode.is_control() || opcode == self.opcode && length == self.expected.len() as u64;
        self.frame = Some(Frame { header, at: 0, is_right });
        Ok(())
    }

    #[inline]
    fn read_payload(&mut self, input: &mut &[u8]) -> Option<Heard> {
        let Frame { header, at, is_right } = self.frame.as_mut()?;
        let left = usize::try_from(header.length).unwrap_or(usize::MAX) - *at;
        let (bytes, rest) = input.split_at(input.len().min(left));
        *input = rest;
        if let Some(room) = self.begin.get_mut(*at..) {
            let count = room.len().min(bytes.len());
            room[..count].copy_from_slice(&bytes[..count]);
        }
        if *is_right && !header.opcode.is_control() {
            let behind = STAMP_BYTES.saturating_sub(*at).min(bytes.len());
            *is_right = bytes[behind..] == self.expected[*at + behind..*at + bytes.len()];
        }
        *at += bytes.len();
        if bytes.len() < left {
            return None;
        }
        let (opcode, length, is_right) = (header.opcode, *at, *is_right);
        self.frame = None;
        Some(self.heard(opcode, length, is_right))
    }

    #[inline]
    fn heard(&self, opcode: Opcode, length: usize, is_right: bool) -> Heard {
        match opcode {
            Opcode::Ping => Heard::Ping(length),
            Opcode::Pong => Heard::Pong,
            Opcode::Close => Heard::Close(length),
            _ => match Stamp::read(&self.begin[..STAMP_BYTES]) {
                Some(stamp) if is_right => Heard::Message(stamp),
                _ => Heard::Wrong,
            },
        }
    }
}

impl fmt::Display for Fault {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Fault::Violation(violation) => write!(f, "the server breaks the protocol: {violation}"),
            Fault::Fragments => f.write_str("the server sends messages in fragments, which are not understood here"),
        }
    }
}

#[cfg(test)]
mod tests {
    use firstbyte::ws::mask;

    use super::super::message::filler;
    use super::*;

    fn frame(first: u8, payload: &[u8]) -> Vec<u8> {
        let opcode = match first & 0xf {
            0 => Opcode::Continuation,
            1 => Opcode::Text,
            2 => Opcode::Binary,
            8 => Opcode::Close,
            9 => Opcode::Ping,
            _ => Opcode::Pong,
        };
        let (fin, rsv1) = (first & 0x80 != 0, first & 0x40 != 0);
        let header = Header { fin, rsv1, opcode, mask: None, length: payload.len() as u64 };
        [&header.encode()[..], payload].concat()
    }

    fn message(size: usize, number: u64) -> Vec<u8> {
        let mut message = filler(size);
        Stamp { number, at: 5 }.write(&mut message);
        message
    }

    /// What is heard, the bytes coming in pieces of `piece`.
    fn heard(size: usize, bytes: &[u8], piece: usize) -> Result<Vec<Heard>, Fault> {
        let mut reader = Reader::new(filler(size).into(), Opcode::Binary);
        let mut heard = Vec::new();
        for mut input in bytes.chunks(piece) {
            while !input.is_empty() {
                heard.extend(reader.read(&mut input)?);
            }
        }
        Ok(heard)
    }

    fn check(size: usize, frames: &[Vec<u8>], expected: &Result<Vec<Heard>, Fault>) {
        let bytes = frames.concat();
        for piece in [1, 2, 3, 7, 31, 32, 33, 125, 1000, usize::MAX] {
            assert_eq!(&heard(size, &bytes, piece), expected, "{size} in pieces of {piece}");
        }
    }

    #[test]
    fn messages_are_heard_however_they_are_cut() {
        for size in [32, 33, 64, 125, 126, 1000, 65535, 65536] {
            let stamp = |number| Heard::Message(Stamp { number, at: 5 });
            let frames = [
                frame(0x82, &message(size, 1)),
                frame(0x89, b""),
                frame(0x89, &[7; 125]),
                frame(0x8a, b"x"),
                frame(0x82, &message(size, 2)),
                frame(0x88, b"\x03\xe8bye"),
            ];
            let expected = vec![stamp(1), Heard::Ping(0), Heard::Ping(125), Heard::Pong, stamp(2), Heard::Close(5)];
            check(size, &frames, &Ok(expected));
        }
    }

    #[test]
    fn what_was_not_sent_so_is_wrong() {
        let wrong = |frames: &[Vec<u8>]| check(64, frames, &Ok(vec![Heard::Wrong]));
        wrong(&[frame(0x82, b"")]);
        wrong(&[frame(0x82, &message(63, 1))]);
        wrong(&[frame(0x82, &message(65, 1))]);
        wrong(&[frame(0x81, &message(64, 1))]);
        wrong(&[frame(0x82, &[b'x'; 64])]);
        for at in [0, 31, 32, 63] {
            let mut message = message(64, 1);
            message[at] ^= 0x10;
            wrong(&[frame(0x82, &message)]);
        }
    }

    #[test]
    fn what_cannot_be_read_ends_it() {
        let fault = |frames: &[Vec<u8>], fault| check(64, frames, &Err(fault));
        fault(&[frame(0x02, &message(64, 1))], Fault::Fragments);
        fault(&[frame(0x80, &message(64, 1))], Fault::Fragments);
        fault(&[frame(0xc2, &message(64, 1))], Fault::Violation(Violation::CompressionNotAgreed));
        fault(&[vec![0x83, 0]], Fault::Violation(Violation::ReservedOpcode));
        let mut masked =
            Header { fin: true, rsv1: false, opcode: Opcode::Binary, mask: Some([1; 4]), length: 64 }.encode().to_vec();
        mask::extend(&mut masked, &message(64, 1), [1; 4], 0);
        fault(&[masked], Fault::Violation(Violation::Masked));
    }
}
