//! Owns the hand-over of a connection to another protocol, with the bytes that came too early for us.
//!
//! The one idea: after `101 Switching Protocols` the connection belongs to a task that the handler has given, and the
//! bytes that were read past the request are the first thing it reads.
//!
//! ```
//! use firstbyte::http::upgrade::Upgraded;
//! use firstbyte::http::{Request, Response};
//! use tokio::io::{AsyncReadExt, AsyncWriteExt};
//!
//! async fn shout(_: Request) -> Response {
//!     Response::upgrade("shout", |mut peer: Upgraded| async move {
//!         let mut bytes = [0; 1024];
//!         while let Ok(count @ 1..) = peer.read(&mut bytes).await {
//!             bytes[..count].make_ascii_uppercase();
//!             if peer.write_all(&bytes[..count]).await.is_err() {
//!                 return;
//!             }
//!         }
//!     })
//! }
//! # use firstbyte::http::{Handler, Status};
//! # let runtime = tokio::runtime::Builder::new_current_thread().build()?;
//! # assert_eq!(runtime.block_on(shout.handle(Request::get("/"))).status(), Status::SWITCHING_PROTOCOLS);
//! # Ok::<(), std::io::Error>(())
//! ```
//!
//! Spec: RFC 9110 7.8 (Upgrade), 15.2.2 (101).
//! Never: loses an unread byte; speaks HTTP after the 101.

use std::future::Future;
use std::pin::Pin;

use crate::http::field::name;
use crate::http::{Response, Status};
use crate::net::connection::{Connection, Inbound};
use crate::net::transport::{Duplex, ReadHalf, WriteHalf};

/// A connection that has left HTTP: tokio's `AsyncRead` and `AsyncWrite`, or its two halves for those who split it. The
/// receiving half yields the unread bytes first.
pub type Upgraded = Duplex<Inbound<Box<dyn ReadHalf>>, Box<dyn WriteHalf>>;

pub(crate) type Task = Pin<Box<dyn Future<Output = ()> + Send>>;

/// What is to be done with the connection after the 101.
pub(crate) struct OnUpgrade(pub(crate) Box<dyn FnOnce(Connection) -> Task + Send>);

impl Response {
    /// `101 Switching Protocols` to `protocol`; `task` gets the connection once that is sent. The task is dropped when a
    /// shutdown has drained for long enough.
    pub fn upgrade<F, T>(protocol: &str, task: F) -> Response
    where
        F: FnOnce(Upgraded) -> T + Send + 'static,
        T: Future<Output = ()> + Send + 'static,
    {
        Response::hand_over(protocol, |connection| {
            task(Duplex { reader: connection.inbound, writer: connection.writer })
        })
    }

    /// As [`Response::upgrade`], for a protocol that drives the connection as HTTP did: with its buffers, its card, its tap
    /// and the phase of the server.
    pub fn hand_over<F, T>(protocol: &str, task: F) -> Response
    where
        F: FnOnce(Connection) -> T + Send + 'static,
        T: Future<Output = ()> + Send + 'static,
    {
        let mut response = Response::new(Status::SWITCHING_PROTOCOLS).with(name::UPGRADE, protocol);
        response.head_mut().upgrade = Some(OnUpgrade(Box::new(|connection| Box::pin(task(connection)))));
        response
    }
}

#[cfg(test)]
mod tests {
    use std::io::IoSlice;
    use tokio::io::{AsyncReadExt, AsyncWriteExt};

    use super::*;
    use crate::net::memory::{MemoryStream, duplex};
    use crate::net::transport::Transport;

    /// A connection of which `early` was read too early, and its peer.
    fn upgraded(early: &[u8]) -> (Upgraded, MemoryStream) {
        let (ours, peer) = duplex(64);
        let (reader, writer) = ours.split();
        let mut inbound = Inbound::new(reader).boxed();
        inbound.buffer.room(64)[..early.len()].copy_from_slice(early);
        inbound.buffer.filled(early.len());
        (Duplex { reader: inbound, writer: Box::new(writer) }, peer)
    }

    #[tokio::test]
    async fn unread_bytes_come_first_in_pieces_as_large_as_there_is_room() {
        let (mut ours, mut peer) = upgraded(b"early");
        peer.write_all(b" late").await.expect("room");
        peer.shutdown().await.expect("open");
        let mut first = [0; 3];
        assert_eq!(ours.read(&mut []).await.expect("nothing is asked for"), 0);
        ours.read_exact(&mut first).await.expect("there");
        assert_eq!(&first, b"ear");
        let mut rest = String::new();
        ours.read_to_string(&mut rest).await.expect("to the FIN");
        assert_eq!(rest, "ly late");
    }

    #[tokio::test]
    async fn what_is_written_arrives_and_a_shutdown_leaves_the_way_in_open() {
        let (mut ours, mut peer) = upgraded(b"");
        let slices = [IoSlice::new(b"one "), IoSlice::new(b"two")];
        assert_eq!(ours.write_vectored(&slices).await.expect("room"), 7);
        ours.write_all(b" three").await.expect("room");
        ours.flush().await.expect("nothing is held");
        ours.shutdown().await.expect("open");
        let mut seen = String::new();
        peer.read_to_string(&mut seen).await.expect("to the FIN");
        assert_eq!(seen, "one two three");
        peer.write_all(b"still").await.expect("open");
        drop(peer);
        let mut answer = String::new();
        ours.read_to_string(&mut answer).await.expect("to the FIN");
        assert_eq!(answer, "still");
    }
}
