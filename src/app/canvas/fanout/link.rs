//! Owns what lies between the rooms and a driver: two queues bounded in bytes, and whether the broker is there.
//!
//! The one idea: a message in a queue holds as many permits as it has bytes; who reads it gives them back.
//!
//! Invariants: an offer never waits. [`Event::Joined`] and [`Event::Away`] are never dropped.

use std::fmt;
use std::sync::Arc;
use std::sync::atomic::Ordering::Relaxed;
use std::sync::atomic::{AtomicBool, AtomicU64};

use bytes::Bytes;
use tokio::sync::{OwnedSemaphorePermit, Semaphore, mpsc};

use super::MESSAGE_BYTES_MAX;
use crate::app::canvas::domain::RoomName;
use crate::app::canvas::random::random;

/// What every message costs beside its bytes, so that small ones are bounded, too.
const MESSAGE_COST_BYTES: usize = 128;

const ORIGIN_BYTES: usize = 8;

/// What is heard from the other nodes.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Event {
    /// The broker is there, for the first time or again: what was said in between was not heard.
    Joined,
    /// It was there, and is not any more.
    Away,
    /// Another node has said something.
    Heard {
        /// In which room.
        room: RoomName,
        /// Which node: the same for all that one process says.
        origin: u64,
        /// What it has said.
        message: Bytes,
    },
}

/// A message that waits for the broker.
pub(super) struct Queued {
    pub room: RoomName,
    pub message: Bytes,
}

/// How the driver fares.
#[derive(Default)]
pub(super) struct Status {
    pub joined: AtomicBool,
    /// Messages that were dropped since the broker was last there, either way.
    pub lost: AtomicU64,
}

/// The driver's side of a [`Fanout`](super::Fanout).
pub(super) struct Driver {
    /// What is to be published. At its end the driver ends.
    pub queued: Receiver<Queued>,
    pub rooms: Rooms,
}

/// Where a driver tells what it hears, and how it fares.
pub(super) struct Rooms {
    events: Sender<Event>,
    status: Arc<Status>,
    /// Tells its own messages, which a broker may give back, from those of others.
    origin: [u8; ORIGIN_BYTES],
    /// What the log calls it.
    broker: String,
    /// Whether it was said that the broker was not there to begin with.
    told_away: AtomicBool,
}

pub(super) struct Sender<T> {
    queue: mpsc::UnboundedSender<(T, Option<OwnedSemaphorePermit>)>,
    room: Arc<Semaphore>,
}

pub(super) struct Receiver<T> {
    queue: mpsc::UnboundedReceiver<(T, Option<OwnedSemaphorePermit>)>,
}

/// An item that takes its room in the queue until it is dropped.
pub(super) struct Taken<T> {
    pub item: T,
    _room: Option<OwnedSemaphorePermit>,
}

/// A queue for `bytes_max`.
pub(super) fn queue<T>(bytes_max: usize) -> (Sender<T>, Receiver<T>) {
    let (sender, receiver) = mpsc::unbounded_channel();
    (Sender { queue: sender, room: Arc::new(Semaphore::new(bytes_max)) }, Receiver { queue: receiver })
}

impl<T> Sender<T> {
    /// Queues `item`, which has `bytes`, unless there is no room for it. False when it was dropped.
    pub fn offer(&self, item: T, bytes: usize) -> bool {
        let cost = u32::try_from(bytes + MESSAGE_COST_BYTES).unwrap_or(u32::MAX);
        let Ok(permit) = Arc::clone(&self.room).try_acquire_many_owned(cost) else { return false };
        self.queue.send((item, Some(permit))).is_ok()
    }

    /// Waits until everything was taken from the queue, and what became of it is done. Until then no offer has room.
    pub async fn emptied(&self, bytes_max: usize) {
        let all = u32::try_from(bytes_max).unwrap_or(u32::MAX);
        let _ = self.room.acquire_many(all).await;
    }

    /// Queues `item`, room or not.
    fn force(&self, item: T) {
        // Nobody is left to hear it: then nobody misses it.
        let _ = self.queue.send((item, None));
    }
}

impl<T> Clone for Sender<T> {
    fn clone(&self) -> Self {
        Sender { queue: self.queue.clone(), room: Arc::clone(&self.room) }
    }
}

impl<T> Receiver<T> {
    /// The next item; `None` when there is no sender any more. Cancel-safe.
    pub async fn next(&mut self) -> Option<Taken<T>> {
        self.queue.recv().await.map(Taken::new)
    }

    /// Whether all senders are gone.
    pub fn is_closed(&self) -> bool {
        self.queue.is_closed()
    }

    /// The next item, if it is there already.
    pub fn next_now(&mut self) -> Option<Taken<T>> {
        self.queue.try_recv().ok().map(Taken::new)
    }
}

impl<T> Taken<T> {
    fn new((item, room): (T, Option<OwnedSemaphorePermit>)) -> Taken<T> {
        Taken { item, _room: room }
    }
}

impl Driver {
    pub fn new(queued: Receiver<Queued>, events: Sender<Event>, status: Arc<Status>, broker: String) -> Driver {
        let origin = random().to_be_bytes();
        Driver { queued, rooms: Rooms { events, status, origin, broker, told_away: AtomicBool::new(false) } }
    }
}

impl Rooms {
    /// The broker is there. Says so, once.
    pub fn joined(&self) {
        if !self.status.joined.swap(true, Relaxed) {
            let lost = self.status.lost.swap(0, Relaxed);
            tracing::info!(broker = self.broker, lost, "the broker of the canvas is there");
        }
        self.events.force(Event::Joined);
    }

    /// The broker is gone, or not there yet. Says so, once.
    pub fn away(&self, why: &dyn fmt::Display) {
        let was_joined = self.status.joined.swap(false, Relaxed);
        if was_joined {
            self.events.force(Event::Away);
        }
        if !self.told_away.swap(true, Relaxed) || was_joined {
            tracing::warn!(broker = self.broker, %why, "the broker of the canvas is away: this node draws alone");
        }
    }

    /// The broker is there and refuses something.
    pub fn complain(&self, why: &dyn fmt::Display) {
        tracing::warn!(broker = self.broker, %why, "the broker of the canvas complains");
    }

    /// Messages were queued or on their way, and nobody will hear them.
    pub fn lost(&self, messages: usize) {
        self.status.lost.fetch_add(messages as u64, Relaxed);
    }

    /// `message` as it goes to the broker.
    pub fn envelope(&self, message: &[u8]) -> Vec<u8> {
        [&self.origin, message].concat()
    }

    /// Hands on what came from the broker, unless it is our own, or nothing that we understand.
    pub fn heard(&self, room: &str, mut payload: Bytes) {
        let Some(origin) = payload.first_chunk().copied().filter(|origin| *origin != self.origin) else { return };
        let message = payload.split_off(ORIGIN_BYTES);
        let bytes = message.len();
        let Ok(room) = RoomName::parse(room) else { return };
        let event = Event::Heard { room, origin: u64::from_be_bytes(origin), message };
        if bytes > MESSAGE_BYTES_MAX || !self.events.offer(event, bytes) {
            self.lost(1);
        }
    }
}
