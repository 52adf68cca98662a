//! Owns a transport without a wire: all bytes of a client are there at once, and all that is sent to it is kept.

use std::io::{self, IoSlice};
use std::net::{Ipv4Addr, SocketAddr};
use std::sync::{Arc, Mutex, MutexGuard};
use std::task::{Context, Poll};
use std::time::Duration;

use bytes::Bytes;
use firstbyte::http::Handler;
use firstbyte::http::test::TestServer;
use firstbyte::net::{Duplex, ReadHalf, WriteHalf};
use tokio::runtime::{Builder, Runtime};
use tokio::time::timeout;

/// Longer than all deadlines of a connection together. Virtual: nobody waits.
const PATIENCE: Duration = Duration::from_secs(3_600);

/// What a client sends before its FIN.
pub struct Tape(pub Bytes);

impl ReadHalf for Tape {
    fn poll_read(&mut self, _: &mut Context<'_>, into: &mut [u8]) -> Poll<io::Result<usize>> {
        let piece = self.0.split_to(self.0.len().min(into.len()));
        into[..piece.len()].copy_from_slice(&piece);
        Poll::Ready(Ok(piece.len()))
    }
}

/// What was sent to a client.
#[derive(Clone, Default)]
struct Sent(Arc<Mutex<Vec<u8>>>);

impl WriteHalf for Sent {
    fn poll_write(&mut self, _: &mut Context<'_>, slices: &[IoSlice<'_>]) -> Poll<io::Result<usize>> {
        let mut sent = lock(&self.0);
        let before = sent.len();
        slices.iter().for_each(|slice| sent.extend_from_slice(slice));
        Poll::Ready(Ok(sent.len() - before))
    }

    fn poll_shutdown(&mut self, _: &mut Context<'_>) -> Poll<io::Result<()>> {
        Poll::Ready(Ok(()))
    }

    fn poll_gone(&mut self, _: &mut Context<'_>) -> Poll<()> {
        Poll::Pending
    }

    /// What was sent was sent.
    fn abort(&mut self) {}
}

/// A runtime whose clock stands still until everybody waits for it.
pub struct Paused(Runtime);

impl Default for Paused {
    fn default() -> Paused {
        Paused(Builder::new_current_thread().enable_time().start_paused(true).build().expect("a runtime"))
    }
}

impl Paused {
    /// What `work` comes to.
    ///
    /// # Panics
    /// When it takes longer than any connection may.
    pub fn run<T>(&self, work: impl Future<Output = T>) -> T {
        self.0.block_on(async { timeout(PATIENCE, work).await.expect("an end") })
    }

    /// All that `server` answers to `input`.
    pub fn answers<H: Handler>(&self, server: &TestServer<H>, input: &[u8]) -> Vec<u8> {
        let sent = Sent::default();
        let transport = Duplex { reader: Tape(Bytes::copy_from_slice(input)), writer: sent.clone() };
        let peer = SocketAddr::from((Ipv4Addr::LOCALHOST, 50_000));
        // Within the runtime: a connection looks at its clock as soon as it is made.
        self.run(async { server.drive(peer, transport).await });
        std::mem::take(&mut lock(&sent.0))
    }
}

/// # Panics
/// When somebody has panicked while it was locked.
pub fn lock<T: ?Sized>(shared: &Mutex<T>) -> MutexGuard<'_, T> {
    shared.lock().expect("no panic while locked")
}
