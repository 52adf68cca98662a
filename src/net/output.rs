//! Owns the bytes that are to be sent and are not yet: one write queue a connection.
//!
//! The one idea: small pieces are copied side by side into one pooled buffer, large ones are kept as they are, and one
//! vectored write takes them all. All answers of one read batch leave in one system call.
//!
//! ```text
//!   copied:  head1 content1 head2 | head3 content3
//!   shared:                       ^ 64 KiB of content2, sent from where it lies
//! ```
//!
//! Never: bounds itself: the driver asks [`Output::len`] and stops producing; that is the backpressure.
//! Invariants: positions in `shared` ascend and lie in `sent..=copied.len()`; `copied` holds at most as many bytes that
//! are sent as bytes that are not, or 16 KiB; an empty queue owns no memory after [`Output::release`].

use std::collections::VecDeque;
use std::io::{self, IoSlice};
use std::task::{Context, Poll, ready};

use bytes::Bytes;

use crate::net::free_list::FreeList;
use crate::net::transport::WriteHalf;

/// A piece up to this many bytes is copied beside its neighbours; a larger one is sent from where it lies.
pub const COPY_BYTES_MAX: usize = 4 * 1024;

/// Slices given to one vectored write.
const SLICES_MAX: usize = 16;

/// Bytes that are sent and still lie before those that are not. Moving fewer is not worth it.
pub(crate) const SENT_BYTES_MAX: usize = 16 * 1024;

/// Free buffers kept a thread, and the capacity above which one is not kept.
pub(crate) const KEPT_MAX: usize = 64;
pub(crate) const KEPT_BYTES_MAX: usize = 32 * 1024;

thread_local! {
    static FREE: FreeList<Vec<u8>> = const { FreeList::new(KEPT_MAX) };
}

/// A write queue.
#[derive(Debug, Default)]
pub struct Output {
    copied: Vec<u8>,
    sent: usize,
    shared: VecDeque<(usize, Bytes)>,
    shared_bytes: usize,
}

impl Output {
    /// A queue that owns no memory yet.
    pub fn new() -> Output {
        Output::default()
    }

    /// The most memory, in bytes, of a queue that never has more than `unsent_max` bytes to send, the pieces not counted
    /// that are sent from where they lie: as many bytes may be sent and not yet moved away, and it grows by doubling.
    pub fn held_max(unsent_max: u64) -> u64 {
        let copied = unsent_max.max(SENT_BYTES_MAX as u64).saturating_mul(4);
        let places = (unsent_max / COPY_BYTES_MAX as u64 + 4).checked_next_power_of_two().unwrap_or(u64::MAX);
        copied.saturating_add(places.saturating_mul(size_of::<(usize, Bytes)>() as u64))
    }

    /// Bytes queued.
    #[inline]
    pub fn len(&self) -> usize {
        self.copied.len() - self.sent + self.shared_bytes
    }

    /// Whether nothing is queued.
    #[inline]
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// The end of the queue, for an encoder to write to. Nothing but appending is allowed.
    #[inline]
    pub fn tail(&mut self) -> &mut Vec<u8> {
        if self.copied.capacity() == 0 {
            self.copied = FreeList::take(&FREE).unwrap_or_default();
        }
        &mut self.copied
    }

    /// Queues `piece`.
    #[inline]
    pub fn push(&mut self, piece: Bytes) {
        if piece.len() <= COPY_BYTES_MAX {
            self.tail().extend_from_slice(&piece);
        } else {
            self.shared_bytes += piece.len();
            self.shared.push_back((self.copied.len(), piece));
        }
    }

    /// Writes until nothing is queued.
    ///
    /// # Errors
    /// Those of the transport, and [`io::ErrorKind::WriteZero`].
    ///
    /// # Cancel safety
    /// What was written is no longer queued; nothing is written twice.
    pub fn poll_flush(&mut self, writer: &mut impl WriteHalf, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        while !self.is_empty() {
            let written = if self.shared.is_empty() {
                ready!(writer.poll_write(cx, &[IoSlice::new(&self.copied[self.sent..])]))?
            } else {
                ready!(self.poll_write_vectored(writer, cx))?
            };
            if written == 0 {
                return Poll::Ready(Err(io::ErrorKind::WriteZero.into()));
            }
            self.advance(written);
        }
        Poll::Ready(Ok(()))
    }

    /// Gives the memory back when nothing is queued.
    #[inline]
    pub fn release(&mut self) {
        if self.is_empty() && self.copied.capacity() > 0 {
            let mut copied = std::mem::take(&mut self.copied);
            self.sent = 0;
            copied.clear();
            give_back(copied);
        }
    }

    fn poll_write_vectored(&self, writer: &mut impl WriteHalf, cx: &mut Context<'_>) -> Poll<io::Result<usize>> {
        let mut slices = [IoSlice::new(&[]); SLICES_MAX];
        let mut count = 0;
        let mut from = self.sent;
        for (position, piece) in self.shared.iter().take(SLICES_MAX / 2) {
            if *position > from {
                slices[count] = IoSlice::new(&self.copied[from..*position]);
                count += 1;
                from = *position;
            }
            slices[count] = IoSlice::new(piece);
            count += 1;
        }
        if count < SLICES_MAX && self.shared.len() <= SLICES_MAX / 2 && from < self.copied.len() {
            slices[count] = IoSlice::new(&self.copied[from..]);
            count += 1;
        }
        writer.poll_write(cx, &slices[..count])
    }

    fn advance(&mut self, mut written: usize) {
        while let Some((position, piece)) = self.shared.front_mut() {
            let copied_before = (*position - self.sent).min(written);
            self.sent += copied_before;
            written -= copied_before;
            let from_piece = piece.len().min(written);
            let _ = piece.split_to(from_piece);
            self.shared_bytes -= from_piece;
            written -= from_piece;
            if !piece.is_empty() {
                return self.forget_sent();
            }
            self.shared.pop_front();
        }
        self.sent += written;
        if self.sent == self.copied.len() {
            self.sent = 0;
            self.copied.clear();
        }
        self.forget_sent();
    }

    /// Moves what is not sent to the front, once more is sent than that: each byte is moved once at most for each one
    /// that was sent. A peer that never takes all would otherwise leave everything it was ever sent in memory.
    fn forget_sent(&mut self) {
        if self.sent <= SENT_BYTES_MAX.max(self.copied.len() - self.sent) {
            return;
        }
        self.copied.drain(..self.sent);
        self.shared.iter_mut().for_each(|(position, _)| *position -= self.sent);
        self.sent = 0;
    }
}

impl Drop for Output {
    fn drop(&mut self) {
        let mut copied = std::mem::take(&mut self.copied);
        copied.clear();
        give_back(copied);
    }
}

fn give_back(copied: Vec<u8>) {
    if (1..=KEPT_BYTES_MAX).contains(&copied.capacity()) {
        FreeList::give(&FREE, copied);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::task::Waker;

    /// Takes at most `each` bytes a write.
    struct Sink {
        each: usize,
        taken: Vec<u8>,
        writes: usize,
    }

    impl WriteHalf for Sink {
        fn poll_write(&mut self, _: &mut Context<'_>, slices: &[IoSlice<'_>]) -> Poll<io::Result<usize>> {
            let all = slices.iter().flat_map(|slice| slice.iter().copied());
            let before = self.taken.len();
            self.taken.extend(all.take(self.each));
            self.writes += 1;
            Poll::Ready(Ok(self.taken.len() - before))
        }

        fn poll_shutdown(&mut self, _: &mut Context<'_>) -> Poll<io::Result<()>> {
            Poll::Ready(Ok(()))
        }

        fn poll_gone(&mut self, _: &mut Context<'_>) -> Poll<()> {
            Poll::Pending
        }

        fn abort(&mut self) {}
    }

    fn check(pieces: &[&[u8]], each: usize) -> usize {
        let mut output = Output::new();
        for piece in pieces {
            output.push(Bytes::copy_from_slice(piece));
        }
        let expected = pieces.concat();
        assert_eq!(output.len(), expected.len());
        let mut sink = Sink { each, taken: Vec::new(), writes: 0 };
        let flushed = output.poll_flush(&mut sink, &mut Context::from_waker(Waker::noop()));
        assert!(matches!(flushed, Poll::Ready(Ok(()))));
        assert!(sink.taken == expected, "the order is kept");
        assert!(output.is_empty());
        sink.writes
    }

    #[test]
    fn everything_leaves_in_order_however_little_is_taken() {
        let large = vec![b'L'; COPY_BYTES_MAX + 1];
        let other = vec![b'O'; COPY_BYTES_MAX * 2];
        for each in [1, 7, 4_096, 4_097, 10_000, usize::MAX] {
            check(&[b"small", &large, b"after", &other, &large, b"end"], each);
            check(&[&large, &other], each);
            check(&[b"a", b"b"], each);
        }
        let many: Vec<&[u8]> = std::iter::repeat_n([&large[..], b"x"], 40).flatten().collect();
        check(&many, 5_000);
    }

    #[test]
    fn small_answers_leave_in_one_write() {
        assert_eq!(check(&[&b"one"[..]; 100], usize::MAX), 1);
        let large = vec![b'L'; COPY_BYTES_MAX + 1];
        assert_eq!(check(&[b"head", &large, b"head"], usize::MAX), 1);
    }

    #[test]
    fn memory_is_given_back_when_all_is_sent() {
        let mut output = Output::new();
        output.push(Bytes::from_static(b"abc"));
        output.release();
        assert_eq!(output.len(), 3, "queued bytes stay");
        output.advance(3);
        output.release();
        assert_eq!(output.copied.capacity(), 0);
    }

    #[test]
    fn what_was_sent_is_forgotten_though_the_queue_never_empties() {
        let large = Bytes::from(vec![b'L'; COPY_BYTES_MAX + 1]);
        let (mut output, mut queued, mut sent) = (Output::new(), 0, 0);
        let mut sink = Sink { each: 3_000, taken: Vec::new(), writes: 0 };
        let mut expected = Vec::new();
        for round in 0..2_000 {
            let small = vec![round as u8; 1_000];
            for piece in [Bytes::from(small), large.slice(..if round % 3 == 0 { large.len() } else { 0 })] {
                queued += piece.len();
                expected.extend_from_slice(&piece);
                output.push(piece);
            }
            while queued - sent > 40_000 {
                let mut slices = Context::from_waker(Waker::noop());
                let Poll::Ready(Ok(written)) = output.poll_write_vectored(&mut sink, &mut slices) else { panic!() };
                output.advance(written);
                sent += written;
            }
            assert_eq!(output.len(), queued - sent);
            assert!(output.copied.len() <= 2 * 42_000, "{} bytes are held in round {round}", output.copied.len());
            let held = output.copied.capacity() + output.shared.capacity() * size_of::<(usize, Bytes)>();
            assert!(held as u64 <= Output::held_max(46_000), "{held} bytes are allocated in round {round}");
        }
        assert!(matches!(output.poll_flush(&mut sink, &mut Context::from_waker(Waker::noop())), Poll::Ready(Ok(()))));
        assert!(sink.taken == expected, "the order is kept");
    }
}
