//! Owns the in-memory stream: two ends joined without a kernel, with TCP's manners, for tests under a paused clock.
//!
//! The one idea: a test over memory is worth as much as memory behaves like the network. So an end has what a socket
//! has: a bounded receive buffer, a FIN that may have arrived, a reset that may have arrived. The tests below play the
//! same scripts over both and expect the same outcomes.
//!
//! ```text
//!  one end                                     the other end
//!  writer --bytes, at most `capacity`--------> received -> reader: the bytes, in order
//!         --FIN (shutdown, writer dropped)---> fin      -> reader: 0, after the bytes
//!         --reset (`reset`, unread at close)-> reset    -> reader: ConnectionReset, after the bytes
//!                                                          writer: an error; poll_gone: ready
//! ```
//!
//! Closing an end (dropping both halves) after everything was read sends a FIN; with unread bytes it sends a reset, as
//! Linux does. A server that closes before it has read what it refused shows here that its answer can be lost. Bytes
//! written to a closed end are taken once and answered by a reset.
//!
//! Spec: RFC 9293 3.6 (closing a connection), 3.5.2 (reset generation).
//! Stricter than TCP on Linux: an error is reported each time it is met, not once; halves that are dropped reader first,
//! with unread bytes, send a reset alone, where tokio's TCP halves send a FIN before it.
//! Never: holds its lock while waking. Injects faults: a [`Transport`](super::transport::Transport) that wraps this one
//! can.
//! Invariants: `received.len() <= capacity`; `fin`, `reset` and `closed` never clear; a reset leaves received bytes
//! readable.

use std::collections::VecDeque;
use std::io::{self, ErrorKind, IoSlice, Read};
use std::sync::{Arc, Mutex};
use std::task::{Context, Poll, Waker};
use std::{cmp, mem};

use super::transport::{Duplex, ReadHalf, WriteHalf};
use crate::net::lock::lock;

/// Two joined streams. Each direction holds at most `capacity` bytes that were written and not yet read; a writer that
/// finds no room waits.
///
/// # Panics
/// When `capacity` is 0: nothing could ever be sent.
pub fn duplex(capacity: usize) -> (MemoryStream, MemoryStream) {
    assert!(capacity > 0, "a stream needs room");
    let wire = Arc::new(Mutex::new([End::new(capacity), End::new(capacity)]));
    (MemoryStream::new(&wire, Side::Left), MemoryStream::new(&wire, Side::Right))
}

/// One end of an in-memory connection: a [`Transport`](crate::net::transport::Transport) for the side under test, tokio's
/// `AsyncRead` and `AsyncWrite` for the test itself.
pub type MemoryStream = Duplex<MemoryReader, MemoryWriter>;

impl MemoryStream {
    fn new(wire: &Arc<Mutex<[End; 2]>>, side: Side) -> MemoryStream {
        let port = || Port { wire: Arc::clone(wire), side };
        Duplex { reader: MemoryReader(port()), writer: MemoryWriter(port()) }
    }

    /// Resets the connection. The peer can still read what has arrived, then gets `ConnectionReset`.
    pub fn reset(self) {
        self.reader.0.with(|_, peer, wake| peer.reset(wake));
    }
}

/// The receiving half of a [`MemoryStream`].
pub struct MemoryReader(Port);

/// The sending half of a [`MemoryStream`]. Dropping it sends the FIN.
pub struct MemoryWriter(Port);

impl ReadHalf for MemoryReader {
    fn poll_read(&mut self, cx: &mut Context<'_>, into: &mut [u8]) -> Poll<io::Result<usize>> {
        assert!(!into.is_empty(), "a read needs room");
        self.0.with(|own, peer, wake| own.read(peer, cx, into, wake))
    }
}

impl WriteHalf for MemoryWriter {
    fn poll_write(&mut self, cx: &mut Context<'_>, slices: &[IoSlice<'_>]) -> Poll<io::Result<usize>> {
        self.0.with(|own, peer, wake| own.write(peer, cx, slices, wake))
    }

    fn poll_shutdown(&mut self, _: &mut Context<'_>) -> Poll<io::Result<()>> {
        self.0.with(|_, peer, wake| peer.finish(wake));
        Poll::Ready(Ok(()))
    }

    fn poll_gone(&mut self, cx: &mut Context<'_>) -> Poll<()> {
        self.0.with(|own, _, _| if own.reset { Poll::Ready(()) } else { wait(&mut own.wakers.gone, cx) })
    }

    fn abort(&mut self) {
        self.0.with(|_, peer, wake| peer.reset(wake));
        self.0.with(|own, _, wake| own.reset(wake));
    }
}

impl Drop for MemoryReader {
    fn drop(&mut self) {
        self.0.with(|own, peer, wake| own.drop_half(peer, wake));
    }
}

impl Drop for MemoryWriter {
    fn drop(&mut self) {
        self.0.with(|own, peer, wake| {
            own.drop_half(peer, wake);
            peer.finish(wake);
        });
    }
}

/// Which of the two ends is one's own.
#[derive(Clone, Copy)]
enum Side {
    Left,
    Right,
}

/// Access to the wire from one side.
struct Port {
    wire: Arc<Mutex<[End; 2]>>,
    side: Side,
}

impl Port {
    /// Runs `act` on one's own end and the peer's under the lock, then wakes without it.
    fn with<T>(&self, act: impl FnOnce(&mut End, &mut End, &mut Wakers) -> T) -> T {
        let mut wake = Wakers::default();
        let mut ends = lock(&self.wire);
        let [left, right] = &mut *ends;
        let outcome = match self.side {
            Side::Left => act(left, right, &mut wake),
            Side::Right => act(right, left, &mut wake),
        };
        drop(ends);
        wake.all();
        outcome
    }
}

/// What has arrived at one end, and who waits there.
struct End {
    capacity: usize,
    received: VecDeque<u8>,
    /// The peer's FIN has arrived.
    fin: bool,
    /// The peer's reset has arrived.
    reset: bool,
    halves_dropped: u8,
    /// Both halves are dropped.
    closed: bool,
    wakers: Wakers,
}

impl End {
    fn new(capacity: usize) -> End {
        let (received, wakers) = (VecDeque::new(), Wakers::default());
        End { capacity, received, fin: false, reset: false, halves_dropped: 0, closed: false, wakers }
    }

    fn read(
        &mut self,
        peer: &mut End,
        cx: &mut Context<'_>,
        into: &mut [u8],
        wake: &mut Wakers,
    ) -> Poll<io::Result<usize>> {
        let count = cmp::min(into.len(), self.received.len());
        if count > 0 {
            wake.writing = peer.wakers.writing.take();
            Poll::Ready(self.received.read_exact(&mut into[..count]).map(|()| count))
        } else if self.fin {
            Poll::Ready(Ok(0))
        } else if self.reset {
            Poll::Ready(Err(ErrorKind::ConnectionReset.into()))
        } else {
            wait(&mut self.wakers.reading, cx)
        }
    }

    fn write(
        &mut self,
        peer: &mut End,
        cx: &mut Context<'_>,
        slices: &[IoSlice<'_>],
        wake: &mut Wakers,
    ) -> Poll<io::Result<usize>> {
        if let Some(error) = self.write_error(peer) {
            return Poll::Ready(Err(error.into()));
        }
        let offered: usize = slices.iter().map(|slice| slice.len()).sum();
        let count = cmp::min(offered, peer.capacity - peer.received.len());
        if offered > 0 && count == 0 {
            return wait(&mut self.wakers.writing, cx);
        }
        if count > 0 && peer.closed {
            self.reset(wake);
        } else {
            peer.receive(slices, count, wake);
        }
        Poll::Ready(Ok(count))
    }

    /// Why a write from here is refused. The kinds are those of Linux: a broken pipe after one's own FIN, and after a
    /// reset that followed the peer's FIN.
    fn write_error(&self, peer: &End) -> Option<ErrorKind> {
        if peer.fin || (self.reset && self.fin) {
            Some(ErrorKind::BrokenPipe)
        } else {
            self.reset.then_some(ErrorKind::ConnectionReset)
        }
    }

    /// The first `count` bytes of `slices` arrive here.
    fn receive(&mut self, slices: &[IoSlice<'_>], count: usize, wake: &mut Wakers) {
        let mut left = count;
        for slice in slices {
            let part = &slice[..cmp::min(left, slice.len())];
            self.received.extend(part);
            left -= part.len();
        }
        wake.reading = self.wakers.reading.take();
    }

    /// A FIN arrives here. One behind a reset does not count.
    fn finish(&mut self, wake: &mut Wakers) {
        if !self.reset {
            self.fin = true;
            wake.reading = self.wakers.reading.take();
        }
    }

    /// A reset arrives here.
    fn reset(&mut self, wake: &mut Wakers) {
        self.reset = true;
        *wake = mem::take(&mut self.wakers);
    }

    fn drop_half(&mut self, peer: &mut End, wake: &mut Wakers) {
        self.halves_dropped += 1;
        self.closed = self.halves_dropped == 2;
        if self.closed && !self.received.is_empty() {
            self.received = VecDeque::new();
            peer.reset(wake);
        }
    }
}

/// The tasks that wait at one end, by what they wait for.
#[derive(Default)]
struct Wakers {
    reading: Option<Waker>,
    writing: Option<Waker>,
    gone: Option<Waker>,
}

impl Wakers {
    fn all(self) {
        [self.reading, self.writing, self.gone].into_iter().flatten().for_each(Waker::wake);
    }
}

fn wait<T>(slot: &mut Option<Waker>, cx: &mut Context<'_>) -> Poll<T> {
    *slot = Some(cx.waker().clone());
    Poll::Pending
}

#[cfg(test)]
mod tests {
    use std::future::poll_fn;
    use std::time::Duration;

    use crate::net::transport::Transport;
    use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt};
    use tokio::net::{TcpListener, TcpStream};
    use tokio::time::timeout;

    use super::*;

    /// One step of a script. `Client…` is done by an unsplit stream, the rest by split halves; reads and writes state
    /// what they see, a read of "" being the FIN.
    #[derive(Clone, Copy, Debug)]
    enum Step {
        ClientSends(&'static str),
        ClientReads(Result<&'static str, ErrorKind>),
        ClientFin,
        ClientCloses,
        ClientResets,
        Reads(Result<&'static str, ErrorKind>),
        Writes(&'static str, Result<(), ErrorKind>),
        Fin,
        Closes,
        Gone,
        Alive,
    }
    use Step::*;

    const RESET: ErrorKind = ErrorKind::ConnectionReset;
    const PIPE: ErrorKind = ErrorKind::BrokenPipe;

    #[rustfmt::skip]
    const SCRIPTS: &[&[Step]] = &[
        // Bytes, a half-closed client answered, then both FINs.
        &[ClientSends("ask"), ClientFin, Reads(Ok("ask")), Reads(Ok("")), Reads(Ok("")), Alive,
          Writes("answer", Ok(())), Alive, Fin, ClientReads(Ok("answer")), ClientReads(Ok("")), Alive],
        // After one's own FIN nothing can be written, and reading goes on.
        &[Fin, Writes("x", Err(PIPE)), ClientReads(Ok("")), ClientSends("more"), Reads(Ok("more")), Fin],
        // A closed client is found out by the first write, refused by the second.
        &[ClientCloses, Reads(Ok("")), Alive, Writes("", Ok(())), Alive, Writes("x", Ok(())), Gone, Gone,
          Writes("y", Err(PIPE)), Reads(Ok("")), Fin],
        // A client that closes before it read the answer resets.
        &[Writes("answer", Ok(())), ClientSends("more"), ClientCloses, Gone, Reads(Ok("more")), Reads(Err(RESET))],
        // A reset leaves what had arrived.
        &[ClientSends("ask"), ClientResets, Gone, Reads(Ok("ask")), Reads(Err(RESET)), Fin],
        &[ClientResets, Gone, Writes("x", Err(RESET))],
        &[ClientFin, Reads(Ok("")), ClientResets, Gone, Writes("x", Err(PIPE)), Reads(Ok(""))],
        // A server that closes with unread input: the answer arrives here, later bytes are refused.
        &[ClientSends("ask"), Writes("answer", Ok(())), Closes, ClientReads(Ok("answer")), ClientReads(Ok(""))],
    ];

    trait Client: AsyncRead + AsyncWrite + Unpin {
        fn reset(self);
    }

    impl Client for MemoryStream {
        fn reset(self) {
            self.reset();
        }
    }

    impl Client for TcpStream {
        fn reset(self) {
            self.set_zero_linger().unwrap();
        }
    }

    /// One connection under a script.
    struct Stage<C, T: Transport> {
        client: Option<C>,
        halves: Option<(T::Reader, T::Writer)>,
    }

    impl<C: Client, T: Transport> Stage<C, T> {
        async fn play(script: &[Step], client: C, server: T) {
            let mut stage = Stage::<C, T> { client: Some(client), halves: Some(server.split()) };
            for (index, step) in script.iter().enumerate() {
                let done = timeout(Duration::from_secs(5), stage.step(*step)).await;
                done.unwrap_or_else(|_| panic!("step {index} of {script:?} hangs"));
            }
        }

        async fn step(&mut self, step: Step) {
            match step {
                ClientSends(text) => self.client().write_all(text.as_bytes()).await.unwrap(),
                ClientReads(expected) => {
                    let mut room = [0; 64];
                    let read = self.client().read(&mut room).await;
                    assert_eq!(seen(&room, &read), expected);
                }
                ClientFin => self.client().shutdown().await.unwrap(),
                ClientCloses => drop(self.client.take()),
                ClientResets => self.client.take().unwrap().reset(),
                Reads(expected) => {
                    let mut room = [0; 64];
                    let read = poll_fn(|cx| self.reader().poll_read(cx, &mut room)).await;
                    assert_eq!(seen(&room, &read), expected);
                }
                Writes(text, expected) => {
                    let slices = [IoSlice::new(text.as_bytes())];
                    let written = poll_fn(|cx| self.writer().poll_write(cx, &slices)).await;
                    assert_eq!(written.map_err(|error| error.kind()), expected.map(|()| text.len()));
                }
                Fin => poll_fn(|cx| self.writer().poll_shutdown(cx)).await.unwrap(),
                Closes => {
                    let (reader, writer) = self.halves.take().unwrap();
                    drop(writer);
                    drop(reader);
                }
                Gone => poll_fn(|cx| self.writer().poll_gone(cx)).await,
                Alive => {
                    let gone = timeout(Duration::from_millis(20), poll_fn(|cx| self.writer().poll_gone(cx))).await;
                    assert!(gone.is_err());
                }
            }
        }

        fn client(&mut self) -> &mut C {
            self.client.as_mut().unwrap()
        }

        fn reader(&mut self) -> &mut T::Reader {
            &mut self.halves.as_mut().unwrap().0
        }

        fn writer(&mut self) -> &mut T::Writer {
            &mut self.halves.as_mut().unwrap().1
        }
    }

    fn seen<'a>(room: &'a [u8], read: &io::Result<usize>) -> Result<&'a str, ErrorKind> {
        match read {
            Ok(count) => Ok(std::str::from_utf8(&room[..*count]).unwrap()),
            Err(error) => Err(error.kind()),
        }
    }

    #[tokio::test(start_paused = true)]
    async fn scripts_over_memory() {
        for script in SCRIPTS {
            let (client, server) = duplex(1024);
            Stage::play(script, client, server).await;
        }
    }

    #[tokio::test]
    async fn scripts_over_tcp() {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        for script in SCRIPTS {
            let client = TcpStream::connect(listener.local_addr().unwrap()).await.unwrap();
            let (server, _) = listener.accept().await.unwrap();
            Stage::play(script, client, server).await;
        }
    }

    #[tokio::test(start_paused = true)]
    async fn a_writer_without_room_waits_for_the_reader() {
        let (mut left, mut right) = duplex(4);
        assert_eq!(left.write_vectored(&[IoSlice::new(b"ab"), IoSlice::new(b"cdef")]).await.unwrap(), 4);
        assert!(timeout(Duration::from_secs(1), left.write(b"e")).await.is_err());
        let sender = tokio::spawn(async move { left.write_all(b"efghijkl").await });
        let mut all = String::new();
        right.read_to_string(&mut all).await.unwrap();
        sender.await.unwrap().unwrap();
        assert_eq!(all, "abcdefghijkl");
    }

    #[tokio::test(start_paused = true)]
    async fn every_waiting_task_hears_of_a_reset() {
        let (client, server) = duplex(1);
        let (mut reader, mut writer) = server.split();
        let reading = tokio::spawn(async move { poll_fn(|cx| reader.poll_read(cx, &mut [0; 8])).await });
        let writing = tokio::spawn(async move {
            let slices = [IoSlice::new(b"x")];
            while poll_fn(|cx| writer.poll_write(cx, &slices)).await.is_ok() {}
            poll_fn(|cx| writer.poll_gone(cx)).await;
        });
        tokio::task::yield_now().await;
        client.reset();
        assert_eq!(reading.await.unwrap().unwrap_err().kind(), RESET);
        writing.await.unwrap();
    }

    #[tokio::test(start_paused = true)]
    async fn a_writer_that_waits_for_a_closing_peer_fails() {
        let (client, mut server) = duplex(1);
        let writing = tokio::spawn(async move { server.write_all(b"more than fits").await });
        tokio::task::yield_now().await;
        drop(client);
        assert_eq!(writing.await.unwrap().unwrap_err().kind(), RESET);
    }
}
