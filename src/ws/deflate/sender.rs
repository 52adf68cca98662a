//! Owns the sending direction: a message into a compressed payload, when that is worth it.
//!
//! The one idea: the window holds what the peer has inflated and nothing else. A message that is sent as it is never gets into
//! it, so trying and giving up leaves no trace.
//!
//! Spec: RFC 7692 7.2.1 (compression), 7.1.1 (context takeover), 7.1.2 (window sizes).
//! Never: hands out a payload that is not smaller than its message.
//! Invariants: the window is what the peer's decompressor can refer to.

use bytes::Bytes;
use flate2::{FlushCompress, Status};

use super::pool::Compressor;
use super::{Compression, Window};

/// What a flush ends with and a payload leaves out: the rest of an empty block without compression.
pub(super) const EMPTY_BLOCK_END: [u8; 4] = [0x00, 0x00, 0xFF, 0xFF];

/// Messages that are passed over at most, after a long row of those that did not get smaller, before one is tried again.
const PASSED_OVER_MAX: u32 = 63;

/// The sending direction.
#[derive(Debug)]
pub(super) struct Sender {
    level: u32,
    window_bits: u8,
    message_bytes_min: usize,
    window: Option<Window>,
    /// Messages in a row that did not get smaller.
    failures: u32,
    /// Messages still to be passed over without a try.
    pass_over: u32,
}

impl Sender {
    /// A direction with nothing sent. With a `window`, messages may refer to those before them.
    pub(super) fn new(config: &Compression, window_bits: u8, window: Option<Window>) -> Sender {
        Sender {
            level: config.level.clamp(1, 9),
            window_bits,
            message_bytes_min: config.message_bytes_min,
            window,
            failures: 0,
            pass_over: 0,
        }
    }

    pub(super) fn deflate(&mut self, message: &[u8]) -> Option<Bytes> {
        if message.len() < self.message_bytes_min {
            return None;
        }
        if self.pass_over > 0 {
            self.pass_over -= 1;
            return None;
        }
        let payload = self.compress(message);
        match (&payload, &mut self.window) {
            (Some(_), Some(window)) => window.push(message),
            (Some(_), None) => {}
            (None, _) => return self.give_up(),
        }
        self.failures = 0;
        payload
    }

    /// Who sends pictures sends more of them: the longer the row of failures, the rarer the next try.
    #[cold]
    fn give_up(&mut self) -> Option<Bytes> {
        self.pass_over = ((1 << self.failures) - 1).min(PASSED_OVER_MAX);
        self.failures = (self.failures + 1).min(PASSED_OVER_MAX.ilog2() + 1);
        None
    }

    fn compress(&self, message: &[u8]) -> Option<Bytes> {
        // zlib makes no window below 9 bits, but with 9 it looks back at most 250 bytes: it leaves out the 262 that its
        // longest match may need in front. So that is a window of 8 bits, too.
        let mut compressor = Compressor::take(self.window_bits.max(9), self.level);
        if let Some(window) = &self.window {
            compressor.stream.set_dictionary(window.bytes()).ok()?;
        }
        let Compressor { stream, output, .. } = &mut compressor;
        // Room for a payload that is as long as the message and what is cut from it: too long if it is filled.
        output.reserve_exact(message.len() + EMPTY_BLOCK_END.len());
        let room = output.capacity();
        let status = stream.compress_vec(message, output, FlushCompress::Sync);
        if !matches!(status, Ok(Status::Ok)) || output.len() == room {
            // It goes with what it still holds: zlib-rs 0.6.8 does not forget all of that when it is reset, and the next
            // message, of whatever connection, would come out wrong.
            return None;
        }
        let payload = output.strip_suffix(&EMPTY_BLOCK_END).filter(|payload| payload.len() < message.len());
        let payload = payload.map(Bytes::copy_from_slice);
        compressor.give();
        payload
    }
}
