//! Owns the receiving direction: the payload of a compressed message, as it arrives, into the message.
//!
//! The one idea: a decompressor is borrowed when enough of a message is there, and given back behind its last byte. What the
//! next message may refer to is put together from the message itself.
//!
//! ```text
//!             ┌─ few bytes ─┐          ┌─── bytes ───┐
//!             ▼             │          ▼             │
//!   nothing ─ held as they came ─▶ inside a stream ──┴─ last ─▶ its end, 00 00 FF FF, is put back; a block is over?
//!      ▲                              │     ▲                     │
//!      │                              └─────┘ final block:        │ the window remembers the message
//!      │                        a new stream, the same window     │
//!      └──────────────────────────────────────────────────────────┘
//! ```
//!
//! Spec: RFC 7692 7.2.2 (decompression), 7.2.1 (blocks with BFINAL, padded to a byte, and more behind them), 7.2.3.6 (an empty
//! message is one octet, 00). More lenient than they demand: a message has ended, too, behind 00 00 FF FF, behind a final
//! block, or when it has no octet at all, since zlib writes nothing when it is flushed twice. Stricter: a message that ends
//! inside a block is refused, for nobody knows what it would have said.
//! Never: makes more than it was allowed to, not even for a moment, whatever the ratio.
//! Invariants: between messages no decompressor is held; a byte that has come costs a byte until [`HELD_MAX`] are there.

use std::fmt;

use flate2::{Decompress, FlushDecompress, Status};

use super::sender::EMPTY_BLOCK_END;
use super::{Window, pool};

/// A block without content that says it is the last: at the end of a block it ends the stream, inside of one it does not.
const FINAL_EMPTY_BLOCK: [u8; 5] = [0x01, 0x00, 0x00, 0xFF, 0xFF];

/// Final blocks of one message. Each makes a new stream, which costs more than its two bytes: with the window to be copied
/// each time, a message of them would take a second.
const FINAL_BLOCKS_MAX: u32 = 1024;

/// Room made for a piece of output at once, in bytes, at least and at most.
const ROOM_MIN: usize = 256;
const ROOM_MAX: usize = 64 * 1024;

/// Bytes that one byte of input is expected to come to.
const RATIO_EXPECTED: usize = 4;

/// Most bytes back to which a message can refer (RFC 1951 2).
const DISTANCE_MAX: usize = 32 * 1024;

/// Bytes of a message that are held as they came before a decompressor is borrowed for them: a peer that sends a byte and
/// waits does not hold 47 KiB by it.
const HELD_MAX: usize = 4 * 1024;

/// Why a compressed message is refused.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum InflateError {
    /// It is not DEFLATE, ends inside a block, or refers to what it may not (RFC 7692 7.2.2).
    Corrupt,
    /// It would come to more bytes than are allowed.
    TooLarge,
}

impl fmt::Display for InflateError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            InflateError::Corrupt => "the compressed message is corrupt (RFC 7692 7.2.2)",
            InflateError::TooLarge => "the message is too large once inflated",
        })
    }
}

impl std::error::Error for InflateError {}

/// The receiving direction.
#[derive(Debug)]
pub(super) struct Receiver {
    window: Option<Window>,
    /// The beginning of a message that has no stream yet.
    held: Vec<u8>,
    stream: Option<Stream>,
}

impl Receiver {
    /// A direction with nothing received. With a `window`, messages may refer to those before them.
    pub(super) fn new(window: Option<Window>) -> Receiver {
        Receiver { window, held: Vec::new(), stream: None }
    }

    pub(super) fn inflate(
        &mut self,
        bytes: &[u8],
        last: bool,
        into: &mut Vec<u8>,
        bytes_max: usize,
    ) -> Result<(), InflateError> {
        if !last && self.hold(bytes) {
            return Ok(());
        }
        let window = self.window.as_ref().map_or(&[][..], Window::bytes);
        let stream = match &mut self.stream {
            Some(stream) => stream,
            None => self.stream.insert(Stream::begin(window)?),
        };
        stream.inflate(&std::mem::take(&mut self.held), into, bytes_max, window)?;
        stream.inflate(bytes, into, bytes_max, window)?;
        if last {
            stream.end(into, bytes_max, window)?;
            self.stream.take().into_iter().for_each(Stream::give_back);
            self.window.iter_mut().for_each(|window| window.push(into));
        }
        Ok(())
    }

    #[cfg(test)]
    pub(super) fn memory_bytes(&self) -> usize {
        let borrowed = self.stream.as_ref().map_or(0, |_| pool::DECOMPRESSOR_BYTES);
        self.window.as_ref().map_or(0, Window::memory_bytes) + self.held.capacity() + borrowed
    }

    /// Holds a beginning that is too short to borrow a decompressor for it.
    fn hold(&mut self, bytes: &[u8]) -> bool {
        let is_short = self.stream.is_none() && self.held.len() + bytes.len() <= HELD_MAX;
        if is_short {
            self.held.extend_from_slice(bytes);
        }
        is_short
    }
}

/// A message that has begun.
#[derive(Debug)]
struct Stream {
    decompressor: Decompress,
    /// The last four bytes that went in, the newest lowest: whether the message has ended without the end that is left out.
    newest: u32,
    /// The last block so far was a final one, or there is none yet.
    at_start: bool,
    final_blocks: u32,
}

impl Stream {
    fn begin(window: &[u8]) -> Result<Stream, InflateError> {
        let mut stream =
            Stream { decompressor: pool::take_decompressor(), newest: u32::MAX, at_start: true, final_blocks: 0 };
        stream.refer_to(window)?;
        Ok(stream)
    }

    fn give_back(self) {
        pool::give_decompressor(self.decompressor);
    }

    /// Inflates a piece of the payload.
    fn inflate(
        &mut self,
        mut bytes: &[u8],
        into: &mut Vec<u8>,
        bytes_max: usize,
        window: &[u8],
    ) -> Result<(), InflateError> {
        for &byte in &bytes[bytes.len().saturating_sub(4)..] {
            self.newest = self.newest << 8 | u32::from(byte);
        }
        while !bytes.is_empty() {
            let (used, status) = self.step(bytes, into, bytes_max)?;
            if used == 0 {
                return Err(InflateError::Corrupt);
            }
            bytes = &bytes[used..];
            self.at_start = status == Status::StreamEnd;
            if self.at_start {
                self.begin_again(into, window)?;
            }
        }
        Ok(())
    }

    /// RFC 7692 7.2.2: the end that the peer has left out is put back. Behind it a block must be over.
    fn end(&mut self, into: &mut Vec<u8>, bytes_max: usize, window: &[u8]) -> Result<(), InflateError> {
        let len = into.len();
        if !self.at_start && self.newest != u32::from_be_bytes(EMPTY_BLOCK_END) {
            self.inflate(&EMPTY_BLOCK_END, into, bytes_max, window)?;
        }
        let (used, status) = self.step(&FINAL_EMPTY_BLOCK, into, bytes_max)?;
        let is_over = status == Status::StreamEnd && used == FINAL_EMPTY_BLOCK.len() && into.len() == len;
        if is_over { Ok(()) } else { Err(InflateError::Corrupt) }
    }

    /// Inflates until `bytes` are used or a final block has ended.
    fn step(&mut self, bytes: &[u8], into: &mut Vec<u8>, bytes_max: usize) -> Result<(usize, Status), InflateError> {
        let start = self.decompressor.total_in();
        loop {
            let used = (self.decompressor.total_in() - start) as usize;
            make_room(into, bytes.len() - used, bytes_max);
            let status = self.decompressor.decompress_vec(&bytes[used..], into, FlushDecompress::None);
            if into.len() > bytes_max {
                into.truncate(bytes_max);
                return Err(InflateError::TooLarge);
            }
            let status = status.map_err(|_| InflateError::Corrupt)?;
            // Where room is left over, nothing waits inside.
            if into.len() < into.capacity() || status == Status::StreamEnd {
                return Ok(((self.decompressor.total_in() - start) as usize, status));
            }
        }
    }

    /// RFC 7692 7.2.1: behind a final block, from the next byte on, another one follows. It refers to the same window.
    fn begin_again(&mut self, message: &[u8], window: &[u8]) -> Result<(), InflateError> {
        self.final_blocks += 1;
        if self.final_blocks > FINAL_BLOCKS_MAX {
            return Err(InflateError::Corrupt);
        }
        self.decompressor.reset(false);
        self.refer_to(window)?;
        self.refer_to(&message[message.len().saturating_sub(DISTANCE_MAX)..])
    }

    fn refer_to(&mut self, bytes: &[u8]) -> Result<(), InflateError> {
        self.decompressor.set_dictionary(bytes).map(drop).map_err(|_| InflateError::Corrupt)
    }
}

/// Makes room for some output where there is none: for one byte more than allowed at most, which shows what is too large.
fn make_room(into: &mut Vec<u8>, bytes_in: usize, bytes_max: usize) {
    if into.len() == into.capacity() {
        let expected = (RATIO_EXPECTED * bytes_in).clamp(ROOM_MIN, ROOM_MAX).max(into.len());
        let allowed = bytes_max.saturating_sub(into.len()).saturating_add(1);
        into.reserve_exact(expected.min(allowed));
    }
}
