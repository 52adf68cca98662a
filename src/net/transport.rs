//! Owns the seam between a connection and what carries its bytes: one trait for a duplex stream, two for its halves.
//!
//! The one idea: HTTP reads and writes at the same time, and hands the read side to whoever consumes the content. So a
//! stream comes apart into two halves that live and die on their own; nothing ever needs both behind one lock.
//!
//! ```text
//!                    +-- Reader: poll_read ------------> bytes of the peer, 0 at its FIN
//!  Transport::split -+
//!                    +-- Writer: poll_write, poll_shutdown (FIN), abort (RST), poll_gone (RST seen?)
//! ```
//!
//! A FIN and a reset are different messages. A FIN says "I send no more": a half-closed client still waits for its
//! answer. A reset says "I take no more": work for that peer is wasted. [`WriteHalf::poll_gone`] reports only the latter.
//!
//! Spec: RFC 9293 3.6 (closing a connection, half-close), 3.5.2 (reset generation), 3.10.5 (abort).
//! Never: buffers; retries; knows what the bytes mean. TLS and UNIX sockets join by implementing [`Transport`].
//! Invariants: dropping the write half sends a FIN if none was sent and nothing was aborted. Dropping both halves closes the socket; when the
//! kernel still holds unread input it then sends a reset, which can overtake the answer at the peer: whoever closes
//! must read first (RFC 9112 9.6).

use std::fmt;
use std::future::Future;
use std::io::{self, IoSlice};
use std::net::Shutdown;
use std::pin::Pin;
use std::sync::{Arc, Weak};
use std::task::{Context, Poll, ready};

use socket2::SockRef;
use tokio::io::{AsyncRead, AsyncWrite, Interest, ReadBuf};
use tokio::net::TcpStream;
use tokio::net::tcp::{OwnedReadHalf, OwnedWriteHalf};
use tokio::sync::Notify;

/// A duplex byte stream that comes apart into two halves.
pub trait Transport: Send + 'static {
    /// The half that receives.
    type Reader: ReadHalf;
    /// The half that sends.
    type Writer: WriteHalf;

    /// Takes the stream apart. Each half may move to another task.
    fn split(self) -> (Self::Reader, Self::Writer);
}

/// The receiving half of a [`Transport`].
pub trait ReadHalf: Send + Unpin + 'static {
    /// Reads at most `into.len()` bytes into the front of `into` and says how many; 0 means that the peer sent its FIN.
    /// Takes at most one `recv` when bytes are waiting. No byte is lost when the caller stops asking.
    ///
    /// # Errors
    /// What the stream reports, `ConnectionReset` foremost.
    ///
    /// # Panics
    /// When `into` is empty: the answer 0 would then say two things.
    fn poll_read(&mut self, cx: &mut Context<'_>, into: &mut [u8]) -> Poll<io::Result<usize>>;
}

/// The sending half of a [`Transport`].
pub trait WriteHalf: Send + Unpin + 'static {
    /// Writes a prefix of the concatenated `slices` and says how many bytes were taken. `Pending` means that none was.
    ///
    /// # Errors
    /// What the stream reports: `BrokenPipe` or `ConnectionReset` when the peer takes no more.
    fn poll_write(&mut self, cx: &mut Context<'_>, slices: &[IoSlice<'_>]) -> Poll<io::Result<usize>>;

    /// Sends the FIN: no more writes, reads go on. Doing it twice, or after a reset, is no error.
    ///
    /// # Errors
    /// What the stream reports.
    fn poll_shutdown(&mut self, cx: &mut Context<'_>) -> Poll<io::Result<()>>;

    /// Ready once the connection is dead and nothing sent now can arrive: the peer has reset it, or the kernel has given
    /// up retransmitting. Pending otherwise, with the waker registered. A FIN alone leaves it pending, even when the read
    /// half has seen it. Stays ready. Costs nothing until asked for.
    fn poll_gone(&mut self, cx: &mut Context<'_>) -> Poll<()>;

    /// Gives up what [`WriteHalf::poll_gone`] keeps in order to wait; asked again it begins anew.
    fn rest(&mut self) {}

    /// Resets the connection now (RFC 9293 3.10.5): the peer cannot take what it got for all there was. What is still on its
    /// way may be lost. Nothing can be sent or received any more.
    fn abort(&mut self);
}

/// Two halves as one stream again, also when they never belonged together: a [`Transport`], and tokio's `AsyncRead` and
/// `AsyncWrite` for code that knows no halves. Nothing is buffered. Shutting it down sends the FIN; what the peer still
/// sends can be read.
pub struct Duplex<R, W> {
    // Dropped in this order: the writer, last, then knows that the stream closes and whether a FIN still fits.
    /// The receiving half.
    pub reader: R,
    /// The sending half.
    pub writer: W,
}

impl<R: ReadHalf, W: WriteHalf> Transport for Duplex<R, W> {
    type Reader = R;
    type Writer = W;

    fn split(self) -> (R, W) {
        (self.reader, self.writer)
    }
}

impl<R: ReadHalf, W: Unpin> AsyncRead for Duplex<R, W> {
    fn poll_read(mut self: Pin<&mut Self>, cx: &mut Context<'_>, room: &mut ReadBuf<'_>) -> Poll<io::Result<()>> {
        if room.remaining() > 0 {
            let count = ready!(self.reader.poll_read(cx, room.initialize_unfilled()))?;
            room.advance(count);
        }
        Poll::Ready(Ok(()))
    }
}

impl<R: Unpin, W: WriteHalf> AsyncWrite for Duplex<R, W> {
    fn poll_write(mut self: Pin<&mut Self>, cx: &mut Context<'_>, bytes: &[u8]) -> Poll<io::Result<usize>> {
        self.writer.poll_write(cx, &[IoSlice::new(bytes)])
    }

    fn poll_write_vectored(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        slices: &[IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        self.writer.poll_write(cx, slices)
    }

    fn is_write_vectored(&self) -> bool {
        true
    }

    fn poll_flush(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<io::Result<()>> {
        Poll::Ready(Ok(()))
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        self.writer.poll_shutdown(cx)
    }
}

impl<R, W> fmt::Debug for Duplex<R, W> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Duplex").finish_non_exhaustive()
    }
}

impl<R: ReadHalf + ?Sized> ReadHalf for Box<R> {
    fn poll_read(&mut self, cx: &mut Context<'_>, into: &mut [u8]) -> Poll<io::Result<usize>> {
        (**self).poll_read(cx, into)
    }
}

impl<W: WriteHalf + ?Sized> WriteHalf for Box<W> {
    fn poll_write(&mut self, cx: &mut Context<'_>, slices: &[IoSlice<'_>]) -> Poll<io::Result<usize>> {
        (**self).poll_write(cx, slices)
    }

    fn poll_shutdown(&mut self, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        (**self).poll_shutdown(cx)
    }

    fn poll_gone(&mut self, cx: &mut Context<'_>) -> Poll<()> {
        (**self).poll_gone(cx)
    }

    fn rest(&mut self) {
        (**self).rest();
    }

    fn abort(&mut self) {
        (**self).abort();
    }
}

impl Transport for TcpStream {
    type Reader = TcpReader;
    type Writer = TcpWriter;

    fn split(self) -> (TcpReader, TcpWriter) {
        let (reader, writer) = self.into_split();
        let line = Arc::new(Line { half: writer, failed: Notify::new() });
        (TcpReader { half: reader, line: Arc::downgrade(&line) }, TcpWriter { line, reset: None })
    }
}

/// The receiving half of a TCP connection.
pub struct TcpReader {
    half: OwnedReadHalf,
    line: Weak<Line>,
}

/// The sending half of a TCP connection. Dropping it sends the FIN.
pub struct TcpWriter {
    line: Arc<Line>,
    /// Waits for the reset. Made at the first [`WriteHalf::poll_gone`], so that a connection whose handlers answer at
    /// once never pays for it. [`Gone`] once there was one.
    reset: Option<Pin<Box<dyn Future<Output = ()> + Send>>>,
}

/// A wait that is over, and stays so.
struct Gone;

impl Future for Gone {
    type Output = ();

    fn poll(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<()> {
        Poll::Ready(())
    }
}

/// What the wait for a reset shares with the halves. Only the writer keeps it alive.
struct Line {
    half: OwnedWriteHalf,
    /// A read has failed. The kernel tells an error once, to whoever asks first: what the reader was told, no event may
    /// tell any more.
    failed: Notify,
}

impl ReadHalf for TcpReader {
    fn poll_read(&mut self, cx: &mut Context<'_>, into: &mut [u8]) -> Poll<io::Result<usize>> {
        assert!(!into.is_empty(), "a read needs room");
        let mut room = ReadBuf::new(into);
        // Not `readable` with `try_read`: after a short read tokio knows here that the socket is empty, and saves the
        // `recv` that would only say so.
        let read = ready!(Pin::new(&mut self.half).poll_read(cx, &mut room));
        if let (Err(_), Some(line)) = (&read, self.line.upgrade()) {
            line.failed.notify_one();
        }
        Poll::Ready(read.map(|()| room.filled().len()))
    }
}

impl WriteHalf for TcpWriter {
    fn poll_write(&mut self, cx: &mut Context<'_>, slices: &[IoSlice<'_>]) -> Poll<io::Result<usize>> {
        loop {
            ready!(self.line.socket().poll_write_ready(cx))?;
            // Most writes have one slice. The kernel takes it by `send` for less than by `writev`, which takes a list.
            let written = match slices {
                [slice] => self.line.half.try_write(slice),
                slices => self.line.half.try_write_vectored(slices),
            };
            match written {
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => continue,
                written => {
                    if written.is_err() {
                        self.reset = Some(Box::pin(Gone));
                    }
                    return Poll::Ready(written);
                }
            }
        }
    }

    fn poll_shutdown(&mut self, _: &mut Context<'_>) -> Poll<io::Result<()>> {
        let sent = SockRef::from(self.line.socket()).shutdown(Shutdown::Write);
        Poll::Ready(sent.or_else(|error| if error.kind() == io::ErrorKind::NotConnected { Ok(()) } else { Err(error) }))
    }

    fn poll_gone(&mut self, cx: &mut Context<'_>) -> Poll<()> {
        let line = &self.line;
        let reset = self.reset.get_or_insert_with(|| Box::pin(until_reset(Arc::clone(line))));
        ready!(reset.as_mut().poll(cx));
        self.reset = Some(Box::pin(Gone));
        Poll::Ready(())
    }

    fn rest(&mut self) {
        self.reset = None;
    }

    fn abort(&mut self) {
        // Not a close that lingers for no time: the drop of a half sends its FIN before that, and the peer would take it for
        // the end. The one error is a connection that is gone.
        let _ = rustix::net::connect_unspec(self.line.socket());
    }
}

impl Line {
    fn socket(&self) -> &TcpStream {
        self.half.as_ref()
    }
}

/// Waits for the kernel's error event. Interest in reading or writing would not do: both are ready all along once the
/// peer has sent its FIN and the send buffer has room.
async fn until_reset(line: Arc<Line>) {
    let event = async {
        // The one error is that the runtime shuts down: nothing can be sent then either.
        while line.half.ready(Interest::ERROR).await.is_ok_and(|ready| !ready.is_error()) {}
    };
    tokio::select! {
        () = event => {}
        () = line.failed.notified() => {}
    }
}

#[cfg(test)]
mod tests {
    use std::future::poll_fn;
    use std::time::Duration;

    use tokio::io::{AsyncReadExt, AsyncWriteExt};
    use tokio::net::TcpListener;
    use tokio::time::timeout;

    use super::*;

    /// Longer than any event on the loopback interface takes, even on a busy machine.
    const SOON: Duration = Duration::from_secs(5);
    /// How long a state is watched that must not change.
    const QUIET: Duration = Duration::from_millis(30);

    async fn connected() -> (TcpReader, TcpWriter, TcpStream) {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let client = TcpStream::connect(listener.local_addr().unwrap()).await.unwrap();
        let (reader, writer) = listener.accept().await.unwrap().0.split();
        (reader, writer, client)
    }

    async fn read(reader: &mut impl ReadHalf, into: &mut [u8]) -> io::Result<usize> {
        timeout(SOON, poll_fn(|cx| reader.poll_read(cx, into))).await.expect("bytes or an end in time")
    }

    async fn write(writer: &mut impl WriteHalf, bytes: &[&[u8]]) -> io::Result<usize> {
        let slices: Vec<_> = bytes.iter().map(|bytes| IoSlice::new(bytes)).collect();
        timeout(SOON, poll_fn(|cx| writer.poll_write(cx, &slices))).await.expect("room in time")
    }

    async fn shutdown(writer: &mut impl WriteHalf) -> io::Result<()> {
        poll_fn(|cx| writer.poll_shutdown(cx)).await
    }

    async fn gone_within(writer: &mut impl WriteHalf, limit: Duration) -> bool {
        timeout(limit, poll_fn(|cx| writer.poll_gone(cx))).await.is_ok()
    }

    #[tokio::test]
    async fn bytes_go_both_ways_and_slices_arrive_in_order() {
        let (mut reader, mut writer, mut client) = connected().await;
        client.write_all(b"ping").await.unwrap();
        let mut room = [0; 16];
        assert_eq!(read(&mut reader, &mut room).await.unwrap(), 4);
        assert_eq!(&room[..4], b"ping");
        assert_eq!(write(&mut writer, &[b"po", b"", b"ng"]).await.unwrap(), 4);
        shutdown(&mut writer).await.unwrap();
        shutdown(&mut writer).await.unwrap();
        let mut answer = Vec::new();
        client.read_to_end(&mut answer).await.unwrap();
        assert_eq!(answer, b"pong");
    }

    #[tokio::test]
    async fn dropping_the_writer_sends_fin_also_while_a_wait_for_the_reset_is_open() {
        let (mut reader, mut writer, mut client) = connected().await;
        assert!(!gone_within(&mut writer, QUIET).await);
        drop(writer);
        assert_eq!(client.read(&mut [0; 1]).await.unwrap(), 0);
        client.write_all(b"still read").await.unwrap();
        assert_eq!(read(&mut reader, &mut [0; 16]).await.unwrap(), 10);
    }

    #[tokio::test]
    async fn a_half_closed_client_is_not_gone_and_gets_its_answer() {
        let (mut reader, mut writer, mut client) = connected().await;
        client.shutdown().await.unwrap();
        assert_eq!(read(&mut reader, &mut [0; 16]).await.unwrap(), 0);
        assert!(!gone_within(&mut writer, QUIET).await);
        write(&mut writer, &[b"answer"]).await.unwrap();
        assert!(!gone_within(&mut writer, QUIET).await);
        drop(writer);
        let mut answer = Vec::new();
        client.read_to_end(&mut answer).await.unwrap();
        assert_eq!(answer, b"answer");
    }

    #[tokio::test]
    async fn a_closed_client_is_gone_once_its_kernel_refuses_bytes() {
        let (mut reader, mut writer, client) = connected().await;
        drop(client);
        assert_eq!(read(&mut reader, &mut [0; 16]).await.unwrap(), 0);
        assert!(!gone_within(&mut writer, QUIET).await, "a FIN alone may be a half-close");
        write(&mut writer, &[b"too late"]).await.unwrap();
        assert!(gone_within(&mut writer, SOON).await);
        assert!(gone_within(&mut writer, SOON).await, "it stays gone");
        assert_eq!(write(&mut writer, &[b"later"]).await.unwrap_err().kind(), io::ErrorKind::BrokenPipe);
        shutdown(&mut writer).await.unwrap();
    }

    #[tokio::test]
    async fn a_waiting_task_is_woken_by_the_reset_and_polled_twice_in_all() {
        let (_reader, mut writer, client) = connected().await;
        let (asked, mut first_ask) = tokio::sync::mpsc::unbounded_channel();
        let waiting = tokio::spawn(async move {
            poll_fn(|cx| {
                asked.send(()).unwrap();
                writer.poll_gone(cx)
            })
            .await;
        });
        first_ask.recv().await.unwrap();
        client.set_zero_linger().unwrap();
        drop(client);
        timeout(SOON, waiting).await.expect("the reset wakes").unwrap();
        assert!(first_ask.recv().await.is_some());
        assert!(first_ask.recv().await.is_none(), "it does not spin");
    }

    #[tokio::test]
    async fn a_reset_that_came_before_the_question_is_seen() {
        let (mut reader, mut writer, client) = connected().await;
        client.set_zero_linger().unwrap();
        drop(client);
        // The read takes the error from the socket before the kernel's event is fetched, which then shows none.
        assert_eq!(read(&mut reader, &mut [0; 16]).await.unwrap_err().kind(), io::ErrorKind::ConnectionReset);
        assert!(gone_within(&mut writer, SOON).await);
    }

    #[tokio::test]
    async fn what_is_aborted_does_not_look_finished() {
        let (_reader, mut writer, mut client) = connected().await;
        write(&mut writer, &[b"half"]).await.unwrap();
        let mut room = [0; 4];
        client.read_exact(&mut room).await.unwrap();
        writer.abort();
        writer.abort();
        drop(writer);
        assert_eq!(client.read(&mut room).await.unwrap_err().kind(), io::ErrorKind::ConnectionReset);
    }

    #[tokio::test]
    async fn a_full_send_buffer_is_backpressure() {
        let (_reader, mut writer, mut client) = connected().await;
        let block = vec![7; 1 << 20];
        let mut sent = 0;
        let slices = [IoSlice::new(&block)];
        while let Ok(taken) = timeout(QUIET, poll_fn(|cx| writer.poll_write(cx, &slices))).await {
            sent += taken.unwrap();
        }
        let mut received = vec![0; sent];
        client.read_exact(&mut received).await.unwrap();
        assert!(write(&mut writer, &[b"room again"]).await.is_ok());
    }

    #[tokio::test]
    async fn boxed_halves_are_halves_and_pairs_are_transports() {
        let (reader, writer, mut client) = connected().await;
        let boxed: Duplex<Box<dyn ReadHalf>, Box<dyn WriteHalf>> =
            Duplex { reader: Box::new(reader), writer: Box::new(writer) };
        let (mut reader, mut writer) = boxed.split();
        client.write_all(b"x").await.unwrap();
        assert_eq!(read(&mut reader, &mut [0; 16]).await.unwrap(), 1);
        assert_eq!(write(&mut writer, &[b"y"]).await.unwrap(), 1);
        assert!(!gone_within(&mut writer, QUIET).await);
        shutdown(&mut writer).await.unwrap();
    }
}
