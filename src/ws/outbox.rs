//! Owns what the tasks of an application and the driver of a connection share: the message that has come, the queue of those
//! that are to go, and how it ended.
//!
//! The one idea: one lock, held for a few instructions, and a driver that says whether it sleeps: whoever queues a message
//! wakes it only then. A thousand messages for a driver that is at work cost no wake-up.
//!
//! ```text
//!   driver ──message──> inbox (one place) ──> Socket::next
//!   driver <──frames─── queue (bounded)   <── Socket::send, Sender::try_send … from any task
//!          ──ended────> everybody
//! ```
//!
//! Never: does I/O; knows frames.
//! Invariants: a message that was taken from the queue is sent, or the connection is over; behind a Close nothing is queued.
//! Limits: `queue_bytes_max`, `queue_messages_max` of [`Config`](crate::ws::Config).

use std::collections::VecDeque;
use std::sync::atomic::{AtomicBool, Ordering::Relaxed};
use std::sync::{Mutex, MutexGuard};
use std::task::{Context, Poll, Waker};

use tokio::sync::Notify;

use crate::net::lock::lock;
use crate::ws::close::{Close, CloseCode};
use crate::ws::machine::Payload;
use crate::ws::message::{Message, Prepared};
use crate::ws::socket::{Closed, Ended, Overflow, Refused};

/// Bytes that a queued message counts for beside its own: its place.
const PLACE_BYTES: usize = size_of::<Queued>();

/// What is to be sent.
#[derive(Clone, Debug)]
pub enum Outgoing {
    /// A message, to be encoded for this connection.
    Message(Message),
    /// One that is encoded already, for many.
    Prepared(Prepared),
    /// A ping, for those who want to know more than the driver does by itself: its pong is told to who watches.
    Ping(Box<Payload>),
}

impl Outgoing {
    fn len(&self) -> usize {
        match self {
            Outgoing::Message(message) => message.len(),
            Outgoing::Prepared(prepared) => prepared.frame().len(),
            Outgoing::Ping(payload) => payload.len(),
        }
    }
}

impl<M: Into<Message>> From<M> for Outgoing {
    fn from(message: M) -> Self {
        Outgoing::Message(message.into())
    }
}

impl From<Prepared> for Outgoing {
    fn from(prepared: Prepared) -> Self {
        Outgoing::Prepared(prepared)
    }
}

/// What the driver takes from the queue.
pub(super) enum Next {
    Send(Outgoing),
    Close(Close),
}

/// What one connection's driver and its users share.
#[derive(Debug)]
pub(super) struct Mailbox {
    state: Mutex<State>,
    /// A message waits for the application. Written under the lock; the driver, which alone sets it, reads it without.
    is_full: AtomicBool,
    /// Something waits for the driver. Written under the lock; who reads it without may be told a moment late, and asks
    /// again under the lock before it sleeps.
    has_next: AtomicBool,
    /// There may be room, or it is over.
    changed: Notify,
    queue_bytes_max: usize,
    queue_messages_max: usize,
}

#[derive(Debug, Default)]
struct State {
    inbox: Option<Message>,
    /// A message was taken, and none was asked for since: there may be an answer to it.
    answering: bool,
    /// The driver waits until that is over.
    held: bool,
    /// Who waits for a message.
    reader: Option<Waker>,
    /// The application takes no more messages: its [`Socket`](crate::ws::Socket) is dropped.
    deaf: bool,
    queue: VecDeque<Queued>,
    queued_bytes: usize,
    /// Somebody was told that the queue is full.
    awaits_room: bool,
    /// Taken from the queue, and not yet with the kernel.
    unsent_bytes: usize,
    /// The last message was said to be the last; what to close with, until the driver takes it.
    closing: Option<Close>,
    closed: bool,
    driver: Option<Waker>,
    /// The driver has looked, found nothing, and will look again when it is woken.
    asleep: bool,
    slots: u32,
    ended: Option<Ended>,
}

#[derive(Debug)]
struct Queued {
    outgoing: Outgoing,
    /// The handle whose last word this is, where a newer one takes its place.
    slot: u32,
}

/// No handle's: nothing takes the place of such a message.
const NO_SLOT: u32 = 0;

impl Mailbox {
    pub(super) fn new(queue_bytes_max: usize, queue_messages_max: usize) -> Mailbox {
        Mailbox {
            state: Mutex::default(),
            is_full: AtomicBool::new(false),
            has_next: AtomicBool::new(false),
            changed: Notify::new(),
            queue_bytes_max,
            queue_messages_max,
        }
    }

    /// A number for a handle that coalesces.
    pub(super) fn slot(&self) -> u32 {
        let mut state = self.lock();
        state.slots += 1;
        state.slots
    }

    // What the application does.

    pub(super) fn poll_next(&self, cx: &mut Context<'_>) -> Poll<Option<Message>> {
        let mut state = self.lock();
        if let Some(message) = state.inbox.take() {
            self.is_full.store(false, Relaxed);
            state.answering = true;
            state.wake_driver();
            return Poll::Ready(Some(message));
        }
        state.answered();
        if state.ended.is_some() {
            return Poll::Ready(None);
        }
        if !state.reader.as_ref().is_some_and(|reader| reader.will_wake(cx.waker())) {
            state.reader = Some(cx.waker().clone());
        }
        Poll::Pending
    }

    /// Queues `outgoing`, or says why not and gives it back. `slot` is that of a handle that coalesces.
    pub(super) fn queue(&self, outgoing: Outgoing, overflow: Overflow, slot: u32) -> Result<(), (Refused, Outgoing)> {
        let mut state = self.lock();
        if state.closed {
            return Err((Refused::Closed, outgoing));
        }
        if overflow == Overflow::Coalesce && state.queue.iter().any(|queued| queued.slot == slot) {
            state.replace(outgoing, slot);
            return Ok(());
        }
        while self.is_full(&state, outgoing.len()) {
            match overflow {
                Overflow::Wait | Overflow::Coalesce => {
                    state.awaits_room = true;
                    return Err((Refused::Full, outgoing));
                }
                Overflow::DropOldest => state.drop_oldest(),
                Overflow::Close => {
                    drop(state);
                    self.cut(too_slow());
                    return Err((Refused::Closed, outgoing));
                }
            }
        }
        state.queued_bytes += outgoing.len() + PLACE_BYTES;
        state.queue.push_back(Queued { outgoing, slot: if overflow == Overflow::Coalesce { slot } else { NO_SLOT } });
        self.has_next.store(true, Relaxed);
        state.wake_driver();
        Ok(())
    }

    /// Queues `outgoing` as soon as there is room.
    ///
    /// # Cancel safety
    /// Dropped before it is ready, nothing was queued.
    pub(super) async fn send(&self, outgoing: Outgoing) -> Result<(), Closed> {
        let mut waiting = match self.queue(outgoing, Overflow::Wait, NO_SLOT) {
            Ok(()) => return Ok(()),
            Err((Refused::Closed, _)) => return Err(Closed),
            Err((Refused::Full, outgoing)) => outgoing,
        };
        loop {
            let mut changed = std::pin::pin!(self.changed.notified());
            // From here on no change is missed.
            changed.as_mut().enable();
            match self.queue(waiting, Overflow::Wait, NO_SLOT) {
                Ok(()) => return Ok(()),
                Err((Refused::Closed, _)) => return Err(Closed),
                Err((Refused::Full, outgoing)) => waiting = outgoing,
            }
            changed.await;
        }
    }

    /// Lets the connection end with `close`, behind what is queued.
    pub(super) fn close(&self, close: Close) {
        self.lock().close(close);
        self.changed.notify_waiters();
    }

    /// Lets the connection end with `close` and forgets what is queued.
    pub(super) fn cut(&self, close: Close) {
        let mut state = self.lock();
        state.forget_queue();
        state.close(close);
        // A Close that stood behind the queue goes now.
        state.wake_driver();
        drop(state);
        self.changed.notify_waiters();
    }

    /// As [`Mailbox::close`], instead of a Close that is not sent yet.
    pub(super) fn fail(&self, close: Close) {
        let mut state = self.lock();
        state.closed &= state.closing.is_none();
        state.close(close);
        drop(state);
        self.changed.notify_waiters();
    }

    /// The application takes no more messages; what it has queued is sent.
    pub(super) fn leave(&self) {
        let mut state = self.lock();
        state.deaf = true;
        state.inbox = None;
        state.answered();
        self.is_full.store(false, Relaxed);
        state.close(Close::new(CloseCode::NORMAL, ""));
        // It may have closed before, and left a message.
        state.wake_driver();
        drop(state);
        self.changed.notify_waiters();
    }

    /// Whether nothing more is taken to be sent.
    pub(super) fn is_closed(&self) -> bool {
        self.lock().closed
    }

    /// Waits until nothing more is taken.
    pub(super) async fn closed(&self) {
        loop {
            let mut changed = std::pin::pin!(self.changed.notified());
            changed.as_mut().enable();
            if self.is_closed() {
                return;
            }
            changed.await;
        }
    }

    pub(super) fn queued_bytes(&self) -> usize {
        let state = self.lock();
        state.queued_bytes + state.unsent_bytes
    }

    pub(super) fn ended(&self) -> Option<Ended> {
        self.lock().ended.clone()
    }

    // What the driver does.

    /// Whether a message can be handed over now.
    pub(super) fn wants_message(&self) -> bool {
        !self.is_full.load(Relaxed)
    }

    /// Whether the application may still answer the last message that it took. If so, the driver is woken when that is over.
    pub(super) fn may_be_answering(&self) -> bool {
        let mut state = self.lock();
        state.held = state.answering;
        state.held
    }

    /// Hands a message over. Who waits for it in another task is woken; this one asks by itself.
    pub(super) fn deliver(&self, message: Message, cx: &Context<'_>) {
        let mut state = self.lock();
        if state.deaf {
            return;
        }
        state.inbox = Some(message);
        self.is_full.store(true, Relaxed);
        state.wake_reader(cx);
    }

    /// The next thing to send. While the driver is not `hungry`, that is none but a Close with nothing before it.
    pub(super) fn take(&self, hungry: bool) -> Option<Next> {
        if !self.has_next.load(Relaxed) {
            return None;
        }
        let mut state = self.lock();
        if !state.has_next(hungry) {
            return None;
        }
        let next = state.queue.pop_front();
        self.has_next.store(next.is_some() && state.has_next(true), Relaxed);
        let Some(Queued { outgoing, .. }) = next else { return state.closing.take().map(Next::Close) };
        state.queued_bytes -= outgoing.len() + PLACE_BYTES;
        if std::mem::take(&mut state.awaits_room) {
            self.changed.notify_waiters();
        }
        Some(Next::Send(outgoing))
    }

    /// Goes to sleep, unless there is something to take, or the application has done meanwhile what it `is_awaited` for: taken
    /// its message, or asked for the next. `unsent_bytes` are on their way to the kernel.
    pub(super) fn sleep(&self, cx: &Context<'_>, unsent_bytes: usize, hungry: bool, is_awaited: bool) -> bool {
        let mut state = self.lock();
        state.unsent_bytes = unsent_bytes;
        if is_awaited && state.inbox.is_none() && !state.held {
            return false;
        }
        if state.has_next(hungry) {
            self.has_next.store(true, Relaxed);
            return false;
        }
        if !state.driver.as_ref().is_some_and(|driver| driver.will_wake(cx.waker())) {
            state.driver = Some(cx.waker().clone());
        }
        state.asleep = true;
        true
    }

    /// The driver is at work, and looks before it sleeps: nobody needs to wake it.
    pub(super) fn awake(&self) {
        self.lock().asleep = false;
    }

    /// It is over. Nothing more is sent.
    pub(super) fn end(&self, ended: Ended, cx: Option<&Context<'_>>) {
        let mut state = self.lock();
        state.ended.get_or_insert(ended);
        state.closed = true;
        state.closing = None;
        state.forget_queue();
        state.unsent_bytes = 0;
        match cx {
            Some(cx) => state.wake_reader(cx),
            None => state.reader.take().into_iter().for_each(Waker::wake),
        }
        drop(state);
        self.changed.notify_waiters();
    }

    fn is_full(&self, state: &State, more: usize) -> bool {
        !state.queue.is_empty()
            && (state.queued_bytes + more > self.queue_bytes_max || state.queue.len() >= self.queue_messages_max)
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        lock(&self.state)
    }
}

impl State {
    fn has_next(&self, hungry: bool) -> bool {
        if self.queue.is_empty() { self.closing.is_some() } else { hungry }
    }

    fn replace(&mut self, outgoing: Outgoing, slot: u32) {
        if let Some(queued) = self.queue.iter_mut().find(|queued| queued.slot == slot) {
            self.queued_bytes = self.queued_bytes - queued.outgoing.len() + outgoing.len();
            queued.outgoing = outgoing;
        }
    }

    fn answered(&mut self) {
        self.answering = false;
        if std::mem::take(&mut self.held) {
            self.wake_driver();
        }
    }

    fn wake_driver(&mut self) {
        if std::mem::take(&mut self.asleep)
            && let Some(driver) = &self.driver
        {
            driver.wake_by_ref();
        }
    }

    /// The task that runs the driver asks for the message by itself.
    fn wake_reader(&mut self, cx: &Context<'_>) {
        if let Some(reader) = self.reader.take_if(|reader| !reader.will_wake(cx.waker())) {
            reader.wake();
        }
    }

    fn close(&mut self, close: Close) {
        if !self.closed {
            self.closed = true;
            self.closing = Some(close);
            self.wake_driver();
        }
    }

    fn drop_oldest(&mut self) {
        if let Some(oldest) = self.queue.pop_front() {
            self.queued_bytes -= oldest.outgoing.len() + PLACE_BYTES;
        }
    }

    fn forget_queue(&mut self) {
        self.queue = VecDeque::new();
        self.queued_bytes = 0;
    }
}

fn too_slow() -> Close {
    Close::new(CloseCode::TRY_AGAIN_LATER, "messages are not read as fast as they come")
}
