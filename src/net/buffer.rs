//! Owns the memory of what is received: one bounded read buffer a connection, and pieces for much content.
//!
//! The one idea: memory is held only while there is something in it. A buffer comes from the thread's free list when
//! bytes are about to arrive and goes back when the last one was consumed, so that an idle connection holds none.
//!
//! ```text
//!   [ consumed | unread | room ]
//!              start    end    capacity: PIECE_BYTES, doubling up to the bound its user gives
//! ```
//!
//! A [`Piece`] is not a part of it: content that is known to be long is read there, past the buffer, and goes on with it.
//!
//! Never: grows past the bound that [`Buffer::room`] was given; zeroes memory for each read.
//! Invariants: `start <= end <= bytes.len()`; an empty buffer that was [released](Buffer::release) owns no memory.

use bytes::Bytes;

use crate::net::free_list::FreeList;

/// Bytes of a pooled buffer: enough for most heads and a good read of content.
pub const PIECE_BYTES: usize = 16 * 1024;

/// Free buffers kept a thread: 1 MiB at most.
pub(crate) const KEPT_MAX: usize = 64;

/// Bytes of a [`Piece`].
pub const LARGE_PIECE_BYTES: usize = 64 * 1024;

/// Free pieces kept a thread: 1 MiB at most.
pub(crate) const LARGE_KEPT_MAX: usize = 16;

thread_local! {
    static FREE: FreeList<Box<[u8]>> = const { FreeList::new(KEPT_MAX) };
    static FREE_LARGE: FreeList<Box<[u8]>> = const { FreeList::new(LARGE_KEPT_MAX) };
}

/// A bounded read buffer.
#[derive(Debug, Default)]
pub struct Buffer {
    bytes: Box<[u8]>,
    start: usize,
    end: usize,
}

impl Buffer {
    /// A buffer that owns no memory yet.
    pub fn new() -> Buffer {
        Buffer::default()
    }

    /// The bytes not yet consumed.
    #[inline]
    pub fn unread(&self) -> &[u8] {
        &self.bytes[self.start..self.end]
    }

    /// The same, for a protocol that understands them where they lie.
    #[inline]
    pub fn unread_mut(&mut self) -> &mut [u8] {
        &mut self.bytes[self.start..self.end]
    }

    /// How many bytes are not yet consumed.
    #[inline]
    pub fn len(&self) -> usize {
        self.end - self.start
    }

    /// Whether all bytes are consumed.
    #[inline]
    pub fn is_empty(&self) -> bool {
        self.start == self.end
    }

    /// Marks `count` bytes as used.
    ///
    /// # Panics
    /// When there are fewer.
    #[inline]
    pub fn consume(&mut self, count: usize) {
        assert!(count <= self.len(), "{count} bytes consumed of {}", self.len());
        self.start += count;
    }

    /// The last `count` bytes that were consumed. They are there until there is [`room`](Buffer::room) for new ones, or the
    /// memory is given back.
    ///
    /// # Panics
    /// When they are there no more.
    #[inline]
    pub fn consumed(&self, count: usize) -> &[u8] {
        &self.bytes[self.start - count..self.start]
    }

    /// The most memory that a buffer has whose users never ask for more than `bytes_max` unread bytes: it doubles when
    /// they fill more than half of it and its end is reached.
    pub fn held_max(bytes_max: usize) -> usize {
        let mut held = PIECE_BYTES;
        while held / 2 < bytes_max.saturating_sub(1) && held <= usize::MAX / 4 {
            held *= 2;
        }
        held
    }

    /// Room for new bytes, or an empty slice when `bytes_max` unread ones are there. Moves or grows what is there at
    /// most once for each doubling, so filling stays linear.
    pub fn room(&mut self, bytes_max: usize) -> &mut [u8] {
        if self.len() >= bytes_max {
            return &mut [];
        }
        if self.is_empty() {
            (self.start, self.end) = (0, 0);
        }
        if self.bytes.is_empty() {
            self.bytes = take_free();
        } else if self.end == self.bytes.len() {
            self.make_room();
        }
        let limit = self.bytes.len().min(self.start.saturating_add(bytes_max));
        &mut self.bytes[self.end..limit]
    }

    /// Counts `count` bytes of [`Buffer::room`] as arrived.
    ///
    /// # Panics
    /// When there was less room.
    #[inline]
    pub fn filled(&mut self, count: usize) {
        assert!(count <= self.bytes.len() - self.end, "{count} bytes filled of {}", self.bytes.len() - self.end);
        self.end += count;
    }

    /// Gives the memory back when no byte is unread.
    #[inline]
    pub fn release(&mut self) {
        if self.is_empty() && !self.bytes.is_empty() {
            give_back(std::mem::take(&mut self.bytes));
            (self.start, self.end) = (0, 0);
        }
    }

    /// The end of the memory is reached: move the unread bytes to the front, or double when they fill more than half.
    fn make_room(&mut self) {
        let unread = self.len();
        if unread * 2 <= self.bytes.len() {
            self.bytes.copy_within(self.start..self.end, 0);
        } else {
            let mut larger = vec![0; self.bytes.len() * 2].into_boxed_slice();
            larger[..unread].copy_from_slice(self.unread());
            give_back(std::mem::replace(&mut self.bytes, larger));
        }
        (self.start, self.end) = (0, unread);
    }
}

impl Drop for Buffer {
    fn drop(&mut self) {
        if !self.bytes.is_empty() {
            give_back(std::mem::take(&mut self.bytes));
        }
    }
}

fn take_free() -> Box<[u8]> {
    FreeList::take(&FREE).unwrap_or_else(|| vec![0; PIECE_BYTES].into_boxed_slice())
}

fn give_back(bytes: Box<[u8]>) {
    if bytes.len() == PIECE_BYTES {
        FreeList::give(&FREE, bytes);
    }
}

/// Room for much content at once, which is passed on where it lies. It comes from the thread's free list and goes to that of
/// the thread where it is dropped.
#[derive(Debug)]
pub struct Piece(Box<[u8]>);

impl Piece {
    /// Room for [`LARGE_PIECE_BYTES`].
    pub fn take() -> Piece {
        Piece(FreeList::take(&FREE_LARGE).unwrap_or_else(|| vec![0; LARGE_PIECE_BYTES].into_boxed_slice()))
    }

    /// The room. What lies there is of no meaning.
    pub fn room(&mut self) -> &mut [u8] {
        &mut self.0
    }

    /// The first `len` bytes. Few are copied out: nobody who keeps them is to keep the whole piece.
    pub fn into_bytes(self, len: usize) -> Bytes {
        if len < LARGE_PIECE_BYTES / 2 {
            return Bytes::copy_from_slice(&self.0[..len]);
        }
        Bytes::from_owner(self).slice(..len)
    }
}

impl AsRef<[u8]> for Piece {
    fn as_ref(&self) -> &[u8] {
        &self.0
    }
}

impl Drop for Piece {
    fn drop(&mut self) {
        FreeList::give(&FREE_LARGE, std::mem::take(&mut self.0));
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn fill(buffer: &mut Buffer, bytes: &[u8], bytes_max: usize) -> usize {
        let room = buffer.room(bytes_max);
        let count = room.len().min(bytes.len());
        room[..count].copy_from_slice(&bytes[..count]);
        buffer.filled(count);
        count
    }

    #[test]
    fn bytes_come_out_in_order_across_moves_and_growth() {
        let mut buffer = Buffer::new();
        let sent: Vec<u8> = (0..200_000u32).map(|i| i as u8).collect();
        let (mut given, mut taken) = (0, 0);
        while taken < sent.len() {
            given += fill(&mut buffer, &sent[given..sent.len().min(given + 7_001)], 64 * 1024);
            let step = buffer.len().min(5_003);
            assert_eq!(&buffer.unread()[..step], &sent[taken..taken + step]);
            buffer.consume(step);
            taken += step;
        }
    }

    #[test]
    fn it_never_holds_more_than_its_bound() {
        let mut buffer = Buffer::new();
        while fill(&mut buffer, &[0; 5_000], 40_000) > 0 {}
        assert_eq!(buffer.len(), 40_000);
        assert!(buffer.room(40_000).is_empty());
    }

    #[test]
    fn its_memory_has_a_bound_that_can_be_met() {
        for bytes_max in [1, 100, PIECE_BYTES, PIECE_BYTES + 1, 40_000, 64 * 1024, 100_000] {
            let mut most = 0;
            // Whoever uses a byte at the right moment makes it grow the most.
            for used in [0, 1, 100, 5_000, bytes_max / 2] {
                let mut buffer = Buffer::new();
                for _ in 0..20 {
                    while fill(&mut buffer, &[0; 999], bytes_max) > 0 {}
                    buffer.consume(used.min(buffer.len()));
                    most = most.max(buffer.bytes.len());
                }
            }
            assert_eq!(Buffer::held_max(bytes_max), most, "{bytes_max}");
        }
    }

    #[test]
    fn an_empty_buffer_gives_its_memory_back() {
        let mut buffer = Buffer::new();
        fill(&mut buffer, b"abc", 100);
        buffer.release();
        assert_eq!(buffer.unread(), b"abc", "unread bytes stay");
        buffer.consume(3);
        assert_eq!(buffer.consumed(2), b"bc");
        buffer.release();
        assert!(buffer.bytes.is_empty());
        assert!(FreeList::take(&FREE).is_some());
    }

    #[test]
    fn a_piece_is_passed_on_where_it_lies_unless_it_holds_little() {
        for (len, stays) in [(0, false), (LARGE_PIECE_BYTES / 2 - 1, false), (LARGE_PIECE_BYTES / 2, true)] {
            let mut piece = Piece::take();
            piece.room()[..len].fill(7);
            let room = piece.room().as_ptr();
            let bytes = piece.into_bytes(len);
            assert!(bytes.len() == len && bytes.iter().all(|&byte| byte == 7));
            assert_eq!(bytes.as_ptr() == room, stays, "{len}");
            drop(bytes);
            assert_eq!(Piece::take().room().as_ptr(), room, "it came back");
        }
    }

    #[test]
    fn a_bound_that_is_off_bounds_nothing() {
        let mut buffer = Buffer::new();
        fill(&mut buffer, b"abc", usize::MAX);
        buffer.consume(1);
        assert_eq!(fill(&mut buffer, b"def", usize::MAX), 3);
        assert_eq!(buffer.unread(), b"bcdef");
    }
}
