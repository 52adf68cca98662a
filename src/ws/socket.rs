//! Owns what applications see of a WebSocket: messages in, messages out, how it ended.
//!
//! The one idea: an application waits for messages and sends them. Everything else, pings, deadlines, the closing handshake,
//! flushing, goes on beside it in the same task, whatever it awaits.
//!
//! ```text
//!   task(Socket) ── next().await ──> Message        Sender ── try_send ─┐ from any task
//!                └─ send().await ─────────────────────────────────────> queue ──> driver ──> peer
//! ```
//!
//! Spec: RFC 6455 6 (sending and receiving), 7 (closing).
//! Never: blocks the driver: a task that takes no message leaves it in the peer's kernel, not in our memory.

use std::fmt;
use std::net::SocketAddr;
use std::sync::Arc;

use crate::ws::close::{Close, CloseCode};
use crate::ws::message::Message;
use crate::ws::outbox::{Mailbox, Outgoing};
use crate::ws::violation::Violation;

/// One end of a WebSocket. Dropping it closes with 1000, behind what was sent.
#[derive(Debug)]
pub struct Socket {
    mailbox: Arc<Mailbox>,
    peer: SocketAddr,
    protocol: Option<String>,
}

/// A handle that sends, for other tasks. Clones are the same handle. It does not keep the connection open.
#[derive(Clone, Debug)]
pub struct Sender {
    mailbox: Arc<Mailbox>,
    overflow: Overflow,
    slot: u32,
}

/// What a [`Sender`] does when the queue is full.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Overflow {
    /// [`Sender::send`] waits, [`Sender::try_send`] says [`Refused::Full`].
    Wait,
    /// The oldest message of the queue is dropped, whoever queued it.
    DropOldest,
    /// The last message of this handle is replaced, if it is still in the queue, full or not: the newest counts. With a full
    /// queue and none to replace it says [`Refused::Full`].
    Coalesce,
    /// The connection is closed with 1013, and what waits in the queue is dropped: who does not read must come again.
    Close,
}

/// Why a message was not queued.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Refused {
    /// Too much waits already.
    Full,
    /// The connection is over, or is being closed.
    Closed,
}

/// The connection is over, or is being closed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Closed;

/// How a connection has ended.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Ended {
    /// Both sides have said Close. With what the peer said, if it said anything.
    Closed(Option<Close>),
    /// The peer has broken a rule, and was told.
    Violated(Violation),
    /// The peer has not done in time what it had to.
    TimedOut(Late),
    /// The stream has ended without a Close, as when a process dies (RFC 6455 7.1.5: 1006).
    Gone,
}

/// What the peer has not done in time.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Late {
    /// It has not answered a ping.
    Pong,
    /// It has begun a message and does not go on.
    Message,
    /// Nobody has said anything.
    Idle,
    /// It does not read.
    Write,
    /// It has not answered our Close.
    Close,
}

impl Socket {
    pub(super) fn new(mailbox: Arc<Mailbox>, peer: SocketAddr, protocol: Option<String>) -> Socket {
        Socket { mailbox, peer, protocol }
    }

    /// The next message. `None` when there will be no more; [`Socket::ended`] then says why. While nobody takes a message, the
    /// next one is not read, and the peer's pings wait with it.
    ///
    /// # Cancel safety
    /// Dropping the future loses nothing.
    pub async fn next(&mut self) -> Option<Message> {
        std::future::poll_fn(|cx| self.mailbox.poll_next(cx)).await
    }

    /// Queues a message, and waits while the queue is full. It is sent while this task awaits anything, or as soon as it ends.
    ///
    /// # Errors
    /// [`Closed`]: it will not be sent.
    ///
    /// # Cancel safety
    /// Dropped before it is ready, nothing is sent.
    pub async fn send(&self, message: impl Into<Outgoing>) -> Result<(), Closed> {
        self.mailbox.send(message.into()).await
    }

    /// A handle that sends, for other tasks.
    pub fn sender(&self, overflow: Overflow) -> Sender {
        Sender { mailbox: Arc::clone(&self.mailbox), overflow, slot: self.mailbox.slot() }
    }

    /// Begins the closing handshake, behind what was sent. [`Socket::next`] goes on until the peer has closed.
    ///
    /// # Panics
    /// When `code` must not be sent (RFC 6455 7.4), or `reason` is longer than 123 bytes.
    pub fn close(&self, code: CloseCode, reason: &str) {
        self.mailbox.close(Close::new(code, reason));
    }

    /// How it ended, once it has.
    pub fn ended(&self) -> Option<Ended> {
        self.mailbox.ended()
    }

    /// The address of the peer.
    pub fn peer(&self) -> SocketAddr {
        self.peer
    }

    /// The subprotocol that was agreed on.
    pub fn protocol(&self) -> Option<&str> {
        self.protocol.as_deref()
    }
}

impl Drop for Socket {
    fn drop(&mut self) {
        self.mailbox.leave();
    }
}

impl Sender {
    /// Queues a message without waiting.
    ///
    /// # Errors
    /// [`Refused`]: it will not be sent.
    pub fn try_send(&self, message: impl Into<Outgoing>) -> Result<(), Refused> {
        self.mailbox.queue(message.into(), self.overflow, self.slot).map_err(|(refused, _)| refused)
    }

    /// Queues a message; with [`Overflow::Wait`] it waits while the queue is full.
    ///
    /// # Errors
    /// [`Refused`]: it will not be sent.
    ///
    /// # Cancel safety
    /// Dropped before it is ready, nothing is sent.
    pub async fn send(&self, message: impl Into<Outgoing>) -> Result<(), Refused> {
        match self.overflow {
            Overflow::Wait => self.mailbox.send(message.into()).await.map_err(|Closed| Refused::Closed),
            _ => self.try_send(message),
        }
    }

    /// Bytes of this connection that the kernel has not taken yet, whoever queued them.
    pub fn queued_bytes(&self) -> usize {
        self.mailbox.queued_bytes()
    }

    /// Begins the closing handshake, behind what is queued.
    ///
    /// # Panics
    /// As [`Socket::close`].
    pub fn close(&self, code: CloseCode, reason: &str) {
        self.mailbox.close(Close::new(code, reason));
    }

    /// As [`Sender::close`], but what is queued is dropped: for a peer that does not read. It then has as long as a closing
    /// handshake may take.
    ///
    /// # Panics
    /// As [`Socket::close`].
    pub fn cut(&self, code: CloseCode, reason: &str) {
        self.mailbox.cut(Close::new(code, reason));
    }

    /// Whether the connection is over, or is being closed.
    pub fn is_closed(&self) -> bool {
        self.mailbox.is_closed()
    }

    /// Waits until the connection is over, or is being closed.
    ///
    /// # Cancel safety
    /// Dropping the future loses nothing.
    pub async fn closed(&self) {
        self.mailbox.closed().await;
    }
}

impl fmt::Display for Ended {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Ended::Closed(None) => f.write_str("Close without a code"),
            Ended::Closed(Some(close)) if close.reason().is_empty() => write!(f, "Close {}", close.code()),
            Ended::Closed(Some(close)) => write!(f, "Close {}: {}", close.code(), close.reason().escape_debug()),
            Ended::Violated(violation) => write!(f, "the peer has broken a rule: {violation}"),
            Ended::TimedOut(late) => late.fmt(f),
            Ended::Gone => f.write_str("the stream has ended without a Close frame"),
        }
    }
}

impl fmt::Display for Late {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Late::Pong => "the peer has not answered a ping in time",
            Late::Message => "the peer has begun a message and sent it too slowly",
            Late::Idle => "nobody has said anything for long",
            Late::Write => "the peer has not read what was sent in time",
            Late::Close => "the peer has not answered Close in time",
        })
    }
}

impl fmt::Display for Refused {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Refused::Full => "the queue is full",
            Refused::Closed => "the connection is closed",
        })
    }
}

impl fmt::Display for Closed {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("the connection is closed")
    }
}

impl std::error::Error for Refused {}
impl std::error::Error for Closed {}
