//! Owns the hand-over of a connection to another protocol, with the bytes that came too early for us.
//!
//! The one idea: after `101 Switching Protocols` the connection belongs to a task that the handler has given, and the
//! bytes that were read past the request are the first thing it reads.
//!
//! Spec: RFC 9110 7.8 (Upgrade), 15.2.2 (101).
//! Never: loses an unread byte; speaks HTTP after the 101.

use std::fmt;
use std::future::Future;
use std::io;
use std::pin::Pin;
use std::task::{Context, Poll};

use crate::http::field::name;
use crate::http::{Response, Status};
use crate::net::buffer::Buffer;
use crate::net::transport::{ReadHalf, WriteHalf};

/// A connection that has left HTTP.
pub struct Upgraded {
    /// The receiving half. Yields the unread bytes first.
    pub reader: Unread,
    /// The sending half.
    pub writer: Box<dyn WriteHalf>,
}

/// A receiving half that yields the bytes which were read too early, then those of the connection.
pub struct Unread {
    buffer: Buffer,
    reader: Box<dyn ReadHalf>,
}

pub(crate) type Task = Pin<Box<dyn Future<Output = ()> + Send>>;

/// What is to be done with the connection after the 101.
pub(crate) struct OnUpgrade(pub(crate) Box<dyn FnOnce(Upgraded) -> Task + Send>);

impl Upgraded {
    pub(crate) fn new(reader: impl ReadHalf, buffer: Buffer, writer: impl WriteHalf) -> Upgraded {
        Upgraded { reader: Unread { buffer, reader: Box::new(reader) }, writer: Box::new(writer) }
    }
}

impl Response {
    /// `101 Switching Protocols` to `protocol`; `task` gets the connection once that is sent. The task is dropped when a
    /// shutdown has drained for long enough.
    pub fn upgrade<F, T>(protocol: &str, task: F) -> Response
    where
        F: FnOnce(Upgraded) -> T + Send + 'static,
        T: Future<Output = ()> + Send + 'static,
    {
        let mut response = Response::new(Status::SWITCHING_PROTOCOLS).with(name::UPGRADE, protocol);
        response.head_mut().upgrade = Some(OnUpgrade(Box::new(|upgraded| Box::pin(task(upgraded)))));
        response
    }
}

impl ReadHalf for Unread {
    fn poll_read(&mut self, cx: &mut Context<'_>, into: &mut [u8]) -> Poll<io::Result<usize>> {
        if self.buffer.is_empty() {
            return self.reader.poll_read(cx, into);
        }
        let count = self.buffer.len().min(into.len());
        into[..count].copy_from_slice(&self.buffer.unread()[..count]);
        self.buffer.consume(count);
        self.buffer.release();
        Poll::Ready(Ok(count))
    }
}

impl fmt::Debug for Upgraded {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Upgraded").field("unread", &self.reader.buffer.len()).finish_non_exhaustive()
    }
}
