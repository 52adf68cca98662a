//! Owns the sending direction: a message into a compressed payload, when that is worth it.
//!
//! The one idea: the window holds what the peer has inflated and nothing else. A message that is sent as it is never gets into
//! it, so trying and giving up leaves no trace.
//!
//! Spec: RFC 7692 7.2.1 (compression), 7.1.1 (context takeover), 7.1.2 (window sizes).
//! Never: hands out a payload that is not smaller than its message.
//! Invariants: the window is what the peer's decompressor can refer to.

use bytes::Bytes;
use flate2::FlushCompress;

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
    message_bytes_min: usize,
    window_bits: u8,
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
            message_bytes_min: config.message_bytes_min,
            window_bits,
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
        let window = self.window.as_ref().map_or(&[][..], Window::bytes);
        match compress(message, self.level, self.window_bits, window) {
            Some(payload) => {
                self.failures = 0;
                self.remember(message);
                Some(payload)
            }
            None => {
                self.give_up();
                None
            }
        }
    }

    #[cfg(test)]
    pub(super) fn memory_bytes(&self) -> usize {
        self.window.as_ref().map_or(0, Window::memory_bytes)
    }

    /// What was sent compressed, the peer remembers.
    fn remember(&mut self, message: &[u8]) {
        self.window.iter_mut().for_each(|window| window.push(message));
    }

    /// Who sends pictures sends more of them: the longer the row of failures, the rarer the next try.
    #[cold]
    fn give_up(&mut self) {
        self.pass_over = ((1 << self.failures) - 1).min(PASSED_OVER_MAX);
        self.failures = (self.failures + 1).min(PASSED_OVER_MAX.ilog2() + 1);
    }
}

/// Compresses `message`, which may refer to `window`, if it gets smaller by it.
fn compress(message: &[u8], level: u32, window_bits: u8, window: &[u8]) -> Option<Bytes> {
    // zlib makes no window below 9 bits, but with 9 it looks back at most 250 bytes: it leaves out the 262 that its longest
    // match may need in front. So that is a window of 8 bits, too.
    let mut compressor = Compressor::take(window_bits.max(9), level);
    // One that has given up goes with what it still holds: a reset of zlib-rs 0.6.8 does not forget all of that, and the next
    // message, of whatever connection, would come out wrong.
    let output = compressor.compress(message, window)?;
    // RFC 7692 7.2.1: the end of the flush is left out.
    let payload = output.strip_suffix(&EMPTY_BLOCK_END).filter(|payload| payload.len() < message.len());
    let payload = payload.map(Bytes::copy_from_slice);
    compressor.give();
    payload
}

impl Compressor {
    /// All that the message comes to. `None` when that is more than there is room for; some of it is then still inside.
    fn compress(&mut self, message: &[u8], window: &[u8]) -> Option<&[u8]> {
        if !window.is_empty() {
            self.stream.set_dictionary(window).ok()?;
        }
        // Room for a payload that is as long as the message and what is cut from it: too long if it is filled.
        self.output.reserve_exact(message.len() + EMPTY_BLOCK_END.len());
        self.stream.compress_vec(message, &mut self.output, FlushCompress::Sync).ok()?;
        (self.output.len() < self.output.capacity()).then_some(&self.output)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_not_worth_it_is_not_tried_each_time() {
        let mut sender = Sender::new(&Compression::default(), 15, None);
        let mut random = fastrand::Rng::with_seed(1);
        let (text, noise) = ([b'a'; 1000], [(); 1000].map(|()| random.u8(..)));
        assert_eq!(sender.deflate(&text[..255]), None, "below message_bytes_min");
        assert!(sender.deflate(&text[..256]).is_some());
        let mut tries = Vec::new();
        for at in 0..300 {
            if sender.pass_over == 0 {
                tries.push(at);
            }
            assert_eq!(sender.deflate(&noise), None);
        }
        assert_eq!(tries, [0, 1, 3, 7, 15, 31, 63, 127, 191, 255], "after a while each 64th");
        assert!((0..64).any(|_| sender.deflate(&text).is_some()), "what can be compressed is, before long");
        assert!(sender.deflate(&text).is_some(), "and then each time");
    }
}
