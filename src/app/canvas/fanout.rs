//! Owns what joins the nodes of one canvas: whatever a room says on one node is heard by the same room on the others.
//!
//! The one idea: a broker carries it, and may lose it. Publishing never waits and nothing is sent twice; what was lost is
//! found and mended by what the nodes say to each other ([`replica`](super::replica)), as soon as they hear each other again.
//!
//! ```text
//!   room ──publish──> queue, 8 MiB ──> driver ──> Redis: firstbyte:canvas:{room}
//!                     └ full: dropped    │        NATS:  firstbyte.canvas.{room}
//!   rooms <──next───  queue, 8 MiB <─────┘
//!          Joined     └ full: dropped
//!          Heard
//!   on the wire:  origin, 8 bytes │ message
//! ```
//!
//! The handle and the events are the same for every broker; a driver is a task between them and a client library.
//!
//! Never: waits for the broker in the way of a room; repeats what it could not send; gives a node what it has said itself.
//! Invariants: [`Event::Joined`] comes after every (re)connection, before anything that is heard on it.
//! Limits: [`QUEUE_BYTES_MAX`] each way, [`MESSAGE_BYTES_MAX`] a message.

mod link;
mod nats;
mod redis;

use std::fmt;
use std::future::poll_fn;
use std::pin::Pin;
use std::str::FromStr;
use std::sync::Arc;
use std::sync::atomic::Ordering::Relaxed;

use bytes::Bytes;
use futures_core::Stream;

use super::domain::RoomName;
use crate::db::url::{ServiceUrl, UrlError};
pub use link::Event;
use link::{Driver, Queued, Status};

/// What may wait for the broker, or for the rooms, in bytes: some minutes of drawing.
pub const QUEUE_BYTES_MAX: usize = 8 << 20;

/// A message, in bytes. NATS takes 1 MiB unless it is told otherwise, and what goes around it counts.
pub const MESSAGE_BYTES_MAX: usize = 512 << 10;

/// Where the broker is: `redis://[user:password@]host[:port]` or `nats://[user:password@]host[:port]`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Broker {
    /// Redis pub/sub.
    Redis(ServiceUrl),
    /// NATS subjects.
    Nats(ServiceUrl),
}

/// Says to the other nodes what rooms of this one have to say. A clone says it through the same connection.
#[derive(Clone)]
pub struct Fanout {
    queue: link::Sender<Queued>,
    status: Arc<Status>,
}

/// What comes from the other nodes.
pub struct Events {
    queue: link::Receiver<Event>,
}

impl Fanout {
    /// Joins the nodes at `broker`, as soon as it is there: it need not be yet. Must be called in a tokio runtime.
    ///
    /// The connection ends when all handles and the events are dropped.
    pub fn join(broker: &Broker) -> (Fanout, Events) {
        let (fanout, events, driver) = Fanout::with_driver(broker.to_string());
        match broker {
            Broker::Redis(url) => tokio::spawn(redis::run(url.clone(), driver)),
            Broker::Nats(url) => tokio::spawn(nats::run(url.clone(), driver)),
        };
        (fanout, events)
    }

    /// Says `message` in `room` to the other nodes. Never waits: while the queue is full it is dropped.
    ///
    /// # Panics
    /// When `message` is larger than [`MESSAGE_BYTES_MAX`].
    pub fn publish(&self, room: &RoomName, message: Bytes) {
        assert!(message.len() <= MESSAGE_BYTES_MAX, "{} bytes are too many for a message", message.len());
        let size = message.len();
        if !self.queue.offer(Queued { room: room.clone(), message }, size) {
            self.status.lost.fetch_add(1, Relaxed);
        }
    }

    /// Whether the broker is there. What is published while it is not may be dropped.
    pub fn is_joined(&self) -> bool {
        self.status.joined.load(Relaxed)
    }

    /// Waits until the broker has what was published. What is published meanwhile may be dropped: this is for the end.
    ///
    /// # Cancel safety
    /// Nothing is lost when it is dropped.
    pub async fn flushed(&self) {
        self.queue.emptied(QUEUE_BYTES_MAX).await;
    }

    fn with_driver(broker: String) -> (Fanout, Events, Driver) {
        let (outgoing, queued) = link::queue(QUEUE_BYTES_MAX);
        let (incoming, events) = link::queue(QUEUE_BYTES_MAX);
        let status = Arc::default();
        let driver = Driver::new(queued, incoming, Arc::clone(&status), broker);
        (Fanout { queue: outgoing, status }, Events { queue: events }, driver)
    }
}

impl Events {
    /// The next event. `None` when the connection has ended, which it does only after all handles are dropped.
    ///
    /// # Cancel safety
    /// Nothing is lost when it is dropped.
    pub async fn next(&mut self) -> Option<Event> {
        self.queue.next().await.map(|taken| taken.item)
    }
}

impl FromStr for Broker {
    type Err = UrlError;

    fn from_str(text: &str) -> Result<Broker, UrlError> {
        let url: ServiceUrl = text.parse()?;
        match url.scheme() {
            "redis" => redis::check(&url).map(|()| Broker::Redis(url)),
            "nats" => nats::check(&url).map(|()| Broker::Nats(url)),
            _ => Err(UrlError::Scheme),
        }
    }
}

impl fmt::Display for Broker {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Broker::Redis(url) | Broker::Nats(url) => url.fmt(f),
        }
    }
}

/// The next item of a stream that a client library gives.
async fn next<S: Stream + Unpin>(stream: &mut S) -> Option<S::Item> {
    poll_fn(|context| Pin::new(&mut *stream).poll_next(context)).await
}
