//! Owns a connection as two halves with their buffers, and the two things done with them: fill and flush.
//!
//! The one idea: bytes that arrived are in the [`Buffer`], or with who asked for them by [`Inbound::poll_read_past`], and
//! bytes to be sent are in the [`Output`]; no future holds any. So whatever is awaited may be dropped at any point and
//! nothing is lost.
//!
//! ```text
//!   peer ──> reader ──fill──> Buffer ──> protocol ──> Output ──flush──> writer ──> peer
//!            └────── Inbound ──────┘                  └────── Outbound ──────┘
//! ```
//!
//! The halves are apart because content is read by a handler while the driver keeps the right to write.
//!
//! Never: knows what the bytes mean.
//! Invariant: after an end or an error, a half yields only that.

use std::fmt;
use std::io;
use std::sync::Arc;
use std::task::{Context, Poll, ready};

use tokio::time::Instant;

use crate::net::buffer::Buffer;
use crate::net::deadline::{Rate, RateWatch};
use crate::net::output::Output;
use crate::net::registry::Card;
use crate::net::shutdown::Shutdown;
use crate::net::tap::Tap;
use crate::net::transport::{ReadHalf, WriteHalf};

/// The receiving half: reader and read buffer.
#[derive(Debug)]
pub struct Inbound<R> {
    /// Bytes that have arrived and are not yet used.
    pub buffer: Buffer,
    reader: R,
    end: Option<StreamEnd>,
}

/// How a stream has ended.
#[derive(Clone, Copy, Debug)]
enum StreamEnd {
    Fin,
    Failed(io::ErrorKind),
}

impl StreamEnd {
    /// What a read comes to from then on.
    fn told(self) -> io::Result<usize> {
        match self {
            StreamEnd::Fin => Ok(0),
            StreamEnd::Failed(kind) => Err(kind.into()),
        }
    }
}

impl<R: ReadHalf> Inbound<R> {
    /// A half that has received nothing.
    pub fn new(reader: R) -> Inbound<R> {
        Inbound { buffer: Buffer::new(), reader, end: None }
    }

    /// Whether nothing more will come: the peer has sent its last byte (a FIN), or the stream has failed.
    pub fn is_ended(&self) -> bool {
        self.end.is_some()
    }

    /// Reads once, up to `bytes_max` unread bytes. Ready with their number, 0 at the end of the stream. A full buffer
    /// is read into no more: the caller must have room.
    ///
    /// # Errors
    /// Those of the transport.
    ///
    /// # Cancel safety
    /// What was read is in the buffer.
    ///
    /// # Panics
    /// When the buffer holds `bytes_max` bytes.
    pub fn poll_fill(&mut self, cx: &mut Context<'_>, bytes_max: usize) -> Poll<io::Result<usize>> {
        let Inbound { buffer, reader, end } = self;
        if let Some(end) = end {
            return Poll::Ready(end.told());
        }
        let room = buffer.room(bytes_max);
        assert!(!room.is_empty(), "filled a full buffer");
        let read = poll_read(reader, end, cx, room);
        match read {
            Poll::Ready(Ok(count)) => buffer.filled(count),
            Poll::Ready(Err(_)) => {}
            Poll::Pending => buffer.release(),
        }
        read
    }

    /// Reads once, past the buffer, which must be empty; who may find something in it reads by [`ReadHalf`]. Ready with the
    /// number of bytes, 0 at the end of the stream.
    ///
    /// # Errors
    /// Those of the transport.
    ///
    /// # Cancel safety
    /// When it is pending, nothing was read.
    ///
    /// # Panics
    /// When the buffer holds bytes, or `into` has no room.
    pub fn poll_read_past(&mut self, cx: &mut Context<'_>, into: &mut [u8]) -> Poll<io::Result<usize>> {
        assert!(self.buffer.is_empty(), "bytes would be overtaken");
        self.buffer.release();
        poll_read(&mut self.reader, &mut self.end, cx, into)
    }

    /// The same half, its reader behind a pointer, for a protocol that does not know what carries it.
    pub fn boxed(self) -> Inbound<Box<dyn ReadHalf>> {
        Inbound { buffer: self.buffer, reader: Box::new(self.reader), end: self.end }
    }
}

/// What is in the buffer first, then what comes.
impl<R: ReadHalf> ReadHalf for Inbound<R> {
    fn poll_read(&mut self, cx: &mut Context<'_>, into: &mut [u8]) -> Poll<io::Result<usize>> {
        if self.buffer.is_empty() {
            return self.poll_read_past(cx, into);
        }
        let count = self.buffer.len().min(into.len());
        into[..count].copy_from_slice(&self.buffer.unread()[..count]);
        self.buffer.consume(count);
        self.buffer.release();
        Poll::Ready(Ok(count))
    }
}

/// A connection as one protocol hands it to another: both halves, the bytes that are not used yet, and where its life is
/// told and ended.
pub struct Connection {
    /// The receiving half, and what has come too early.
    pub inbound: Inbound<Box<dyn ReadHalf>>,
    /// The sending half.
    pub writer: Box<dyn WriteHalf>,
    /// What the table says of it.
    pub card: Arc<Card>,
    /// Who watches it.
    pub tap: Tap,
    /// When it should end. A change of phase wakes the task that the card names.
    pub shutdown: Shutdown,
}

impl fmt::Debug for Connection {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Connection").field("card", &self.card).finish_non_exhaustive()
    }
}

/// Reads once, and remembers an end.
#[inline]
fn poll_read(
    reader: &mut impl ReadHalf,
    end: &mut Option<StreamEnd>,
    cx: &mut Context<'_>,
    into: &mut [u8],
) -> Poll<io::Result<usize>> {
    if let Some(end) = end {
        return Poll::Ready(end.told());
    }
    let read = ready!(reader.poll_read(cx, into));
    *end = match &read {
        Ok(0) => Some(StreamEnd::Fin),
        Ok(_) => None,
        Err(error) => Some(StreamEnd::Failed(error.kind())),
    };
    Poll::Ready(read)
}

/// The sending half: writer and write queue.
#[derive(Debug)]
pub struct Outbound<W> {
    /// Bytes that are to be sent.
    pub output: Output,
    writer: W,
    rate: Rate,
    /// Made when the peer first keeps us waiting, which most never do.
    slow: Option<Box<Slow>>,
    /// The FIN is sent.
    finished: bool,
}

/// How a peer takes what it has once not taken at once.
#[derive(Debug)]
struct Slow {
    watch: RateWatch,
    stalled: Option<Instant>,
}

/// Why nothing can be sent any more.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Lost {
    /// The peer has reset the connection, or the network has failed.
    Gone,
    /// The peer takes bytes more slowly than it must.
    TooSlow,
}

impl<W: WriteHalf> Outbound<W> {
    /// A half that has sent nothing.
    pub fn new(writer: W, rate: Rate) -> Outbound<W> {
        Outbound { output: Output::new(), writer, rate, slow: None, finished: false }
    }

    /// Sends what is queued. While it is pending, [`Outbound::stalled_until`] says how long the peer's patience lasts.
    ///
    /// # Errors
    /// [`Lost`]; the connection is of no use then.
    ///
    /// # Cancel safety
    /// What was sent is no longer queued; nothing is sent twice.
    pub fn poll_flush(&mut self, cx: &mut Context<'_>) -> Poll<Result<(), Lost>> {
        if self.output.is_empty() {
            return Poll::Ready(Ok(()));
        }
        let before = self.output.len();
        let flushed = self.output.poll_flush(&mut self.writer, cx);
        if let Poll::Ready(result) = flushed {
            if let Some(slow) = &mut self.slow
                && slow.stalled.take().is_some()
            {
                slow.watch.moved(Instant::now(), before);
            }
            return Poll::Ready(result.map_err(|_| Lost::Gone));
        }
        let slow = self.slow.get_or_insert_with(|| Box::new(Slow { watch: RateWatch::new(self.rate), stalled: None }));
        let now = Instant::now();
        let moved = before - self.output.len();
        if moved > 0 {
            slow.watch.moved(now, moved);
        }
        slow.stalled = slow.watch.wait(now);
        if slow.stalled.is_some_and(|until| until <= now) {
            return Poll::Ready(Err(Lost::TooSlow));
        }
        Poll::Pending
    }

    /// Until when the peer must take more of what is queued; `None` while nothing waits for it.
    pub fn stalled_until(&self) -> Option<Instant> {
        self.slow.as_ref().and_then(|slow| slow.stalled)
    }

    /// Sends all that is queued, then a FIN.
    ///
    /// # Errors
    /// [`Lost`].
    ///
    /// # Cancel safety
    /// As [`Outbound::poll_flush`].
    pub fn poll_finish(&mut self, cx: &mut Context<'_>) -> Poll<Result<(), Lost>> {
        ready!(self.poll_flush(cx))?;
        if !self.finished {
            ready!(self.writer.poll_shutdown(cx)).map_err(|_| Lost::Gone)?;
            self.finished = true;
        }
        Poll::Ready(Ok(()))
    }

    /// Resets the connection. What is queued is not sent any more.
    pub fn abort(&mut self) {
        self.writer.abort();
    }

    /// Ready when the peer has reset the connection.
    pub fn poll_gone(&mut self, cx: &mut Context<'_>) -> Poll<()> {
        self.writer.poll_gone(cx)
    }

    /// Takes the half apart; nothing may be queued. The writer keeps nothing that a connection at rest does not need.
    pub fn into_writer(mut self) -> W {
        debug_assert!(self.output.is_empty(), "bytes are lost");
        self.writer.rest();
        self.writer
    }
}
