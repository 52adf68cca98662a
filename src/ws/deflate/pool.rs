//! Owns what a thread keeps of DEFLATE's machinery: compressors and decompressors that are lent for one message.
//!
//! The one idea: most connections are silent at any time. A compressor is cleared for the next message in 1 µs and made anew
//! in 3 µs or more; a decompressor is cleared in 10 ns and made in 200 ns.
//!
//! Never: keeps more than the two bounds below.

use std::cell::RefCell;

use flate2::{Compress, Compression, Decompress};

/// Compressors kept a thread: one for each window, 380 KiB at most. A message is compressed in one go, so no thread needs
/// two of a kind.
const COMPRESSORS_MAX: usize = 7;

/// Bytes of room for output that a compressor keeps: what a larger message needed is given back.
const OUTPUT_KEPT_MAX: usize = 128 * 1024;

/// Bytes of a decompressor, whatever the window.
#[cfg(test)]
pub(super) const DECOMPRESSOR_BYTES: usize = 47_552;

/// Decompressors kept a thread. A message borrows one from its first byte to its last.
const DECOMPRESSORS_MAX: usize = 8;

thread_local! {
    static COMPRESSORS: RefCell<Vec<Compressor>> = const { RefCell::new(Vec::new()) };
    static DECOMPRESSORS: RefCell<Vec<Decompress>> = const { RefCell::new(Vec::new()) };
}

/// A compressor, with the room in which it puts its output.
pub(super) struct Compressor {
    pub(super) stream: Compress,
    pub(super) output: Vec<u8>,
    window_bits: u8,
    level: u32,
}

impl Compressor {
    /// One that has seen nothing yet. `window_bits` is 9 to 15.
    pub(super) fn take(window_bits: u8, level: u32) -> Compressor {
        let take = |free: &RefCell<Vec<Compressor>>| {
            let mut free = free.borrow_mut();
            let fits = |free: &Compressor| (free.window_bits, free.level) == (window_bits, level);
            free.iter().position(fits).map(|at| free.swap_remove(at))
        };
        match COMPRESSORS.try_with(take).ok().flatten() {
            Some(mut compressor) => {
                compressor.stream.reset();
                compressor
            }
            None => {
                let stream = Compress::new_with_window_bits(Compression::new(level), false, window_bits);
                Compressor { stream, output: Vec::new(), window_bits, level }
            }
        }
    }

    /// Gives it back to the thread.
    pub(super) fn give(mut self) {
        self.output.clear();
        if self.output.capacity() > OUTPUT_KEPT_MAX {
            self.output = Vec::new();
        }
        let _ = COMPRESSORS.try_with(|free| {
            let mut free = free.borrow_mut();
            free.truncate(COMPRESSORS_MAX - 1);
            free.push(self);
        });
    }
}

/// A decompressor that has seen nothing yet, for windows of any size.
pub(super) fn take_decompressor() -> Decompress {
    let taken = DECOMPRESSORS.try_with(|free| free.borrow_mut().pop()).ok().flatten();
    taken.map_or_else(
        || Decompress::new(false),
        |mut decompressor| {
            decompressor.reset(false);
            decompressor
        },
    )
}

/// Gives a decompressor back to the thread.
pub(super) fn give_decompressor(decompressor: Decompress) {
    let _ = DECOMPRESSORS.try_with(|free| {
        let mut free = free.borrow_mut();
        if free.len() < DECOMPRESSORS_MAX {
            free.push(decompressor);
        }
    });
}
