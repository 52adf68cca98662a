//! Owns a WebSocket connection at work: it reads, lets the machine judge, hands messages over, sends what is queued, and watches
//! the time, beside the application's task and in the same one.
//!
//! The one idea: application and driver are polled by turns until neither has anything to do. A message is handed over without
//! a wake-up, its answer is encoded without one, and all answers of one read leave in one write.
//!
//! ```text
//!        ┌──────────────────────── until nothing moves ────────────────────────┐
//!   read or parse ──message──> mailbox ──> application ──queue──> encode ──> flush, before the next read
//!        └─ ping ─> pong · Close ─> Close · violation ─> Close ───────────────┘
//!
//!   Open ──Close sent──> Closing ──Close received──> Ending: FIN, read until the peer's ──> over
//!     └──Close received, answered ───────────────────┘  (a client waits for the server's FIN first)
//! ```
//!
//! Spec: RFC 6455 5.5 (control frames), 7 (closing), 7.1.1 (the server closes the stream first), 10.4.
//! Never: keeps protocol state: that is the [`Machine`]; reads while more than [`OUTPUT_BYTES_MAX`] wait for the peer, so that who
//! does not read is not read from.
//! Invariant: dropping it at any point leaks nothing. The kernel resets what was sent to a peer of which something was not read.
//! Limits: those of [`Config`].

use std::future::Future;
use std::pin::{Pin, pin};
use std::sync::Arc;
use std::task::{Context, Poll};

use tokio::time::Instant;

use crate::net::buffer::PIECE_BYTES;
use crate::net::connection::{Connection, Inbound, Lost, Outbound};
use crate::net::deadline::{RateWatch, Timer, earlier, within};
use crate::net::registry::Card;
use crate::net::shutdown::Shutdown;
use crate::net::tap::{Part, Tap};
use crate::net::transport::{ReadHalf, WriteHalf};
use crate::ws::close::{Close, CloseCode};
use crate::ws::config::{Config, Deadlines};
use crate::ws::frame::{self, HEADER_BYTES_MAX};
use crate::ws::keys::Keys;
use crate::ws::machine::{ControlFrame, Event, Machine, State};
use crate::ws::outbox::{Mailbox, Next, Outgoing};
use crate::ws::socket::{Ended, Late};
use crate::ws::trace;
use crate::ws::violation::Violation;

/// Bytes that may wait for the peer before nothing more is encoded, and nothing more is read.
pub(super) const OUTPUT_BYTES_MAX: usize = 64 * 1024;

/// Turns of driver and application before other tasks get theirs.
const TURNS_MAX: usize = 256;

/// One connection and what drives it.
pub(super) struct Driver {
    inbound: Inbound<Box<dyn ReadHalf>>,
    outbound: Outbound<Box<dyn WriteHalf>>,
    machine: Machine,
    mailbox: Arc<Mailbox>,
    /// A client's masking keys; a server has none.
    keys: Option<Box<Keys>>,
    deadlines: Deadlines,
    card: Arc<Card>,
    tap: Tap,
    shutdown: Shutdown,
    timer: Timer,
    /// The last time the clock was read: at most one wake-up old.
    now: Instant,
    /// The peer is listened to: neither the application nor the peer keeps us from it.
    reads: bool,
    /// When the last byte came, and when the last message went or came.
    heard: Instant,
    used: Instant,
    /// When the peer was asked whether it is there, until it says anything.
    asked: Option<Instant>,
    /// How a message that has begun is coming.
    coming: Option<Box<RateWatch>>,
    /// Nothing is read until the application has taken its message, or had its chance to answer it.
    awaits_application: bool,
    /// What ends the connection behind a message to which there may be an answer, and when that is no longer waited for.
    held: Option<(LastWord, Option<Instant>)>,
    /// How it ends, once that is known.
    ending: Option<Ending>,
}

/// An end that has begun.
#[derive(Debug)]
struct Ending {
    ended: Ended,
    /// When it is over, whatever the peer does.
    until: Option<Instant>,
}

/// The last of the peer that is looked at.
#[derive(Debug)]
enum LastWord {
    Close(Option<Close>),
    Violation(Violation),
}

/// What a step came to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Step {
    /// There may be more to do.
    Moved,
    /// The peer is to send or to take something.
    Waits,
    /// The stream is of no more use.
    Over,
}

impl Driver {
    pub(super) fn new(
        connection: Connection,
        config: &Config,
        machine: Machine,
        mailbox: Arc<Mailbox>,
        keys: Option<Keys>,
    ) -> Driver {
        let Connection { inbound, writer, card, tap, shutdown } = connection;
        let now = Instant::now();
        Driver {
            inbound,
            outbound: Outbound::new(writer, config.deadlines.write_rate),
            machine,
            mailbox,
            keys: keys.map(Box::new),
            deadlines: config.deadlines.clone(),
            card,
            tap,
            shutdown,
            timer: Timer::default(),
            now,
            reads: false,
            heard: now,
            used: now,
            asked: None,
            coming: None,
            awaits_application: false,
            held: None,
            ending: None,
        }
    }

    /// Drives the connection to its end, `task` beside it. When the connection is over, `task` may take as long as a closing
    /// handshake to end.
    ///
    /// # Cancel safety
    /// Dropping the future drops the connection and the task.
    pub(super) async fn run(mut self, task: impl Future<Output = ()>) {
        let mut task = pin!(task);
        let mut application = Application { task: task.as_mut(), is_over: false };
        std::future::poll_fn(|cx| self.poll(&mut application, cx)).await;
        let last_moment = self.deadlines.close;
        drop(self);
        if !application.is_over {
            // What it still awaits has nothing to do with this connection, which it was told is over.
            let _ = tokio::time::timeout(last_moment, task).await;
        }
    }

    fn poll(&mut self, application: &mut Application<'_, impl Future<Output = ()>>, cx: &mut Context<'_>) -> Poll<()> {
        self.mailbox.awake();
        self.now = Instant::now();
        self.machine.tell_headers(self.tap.is_watched());
        if self.shutdown.is_draining() {
            self.mailbox.close(Close::new(CloseCode::GOING_AWAY, "the server is shutting down"));
        }
        application.poll(cx);
        for _ in 0..TURNS_MAX {
            let received = self.receive(cx);
            if received == Step::Moved {
                application.poll(cx);
            }
            let sent = self.encode_queued();
            let step = match (received, sent) {
                (Step::Over, _) => Step::Over,
                (Step::Waits, Step::Waits) => self.wait(cx),
                _ => Step::Moved,
            };
            match step {
                Step::Moved => {}
                Step::Waits => {
                    if self.sleep(cx) {
                        return Poll::Pending;
                    }
                }
                Step::Over => {
                    self.over(cx);
                    return Poll::Ready(());
                }
            }
        }
        // Others get their turn.
        cx.waker().wake_by_ref();
        Poll::Pending
    }

    // What comes.

    /// Takes the next message, as far as it has come.
    fn receive(&mut self, cx: &mut Context<'_>) -> Step {
        if let Some((last, until)) = self.held.take() {
            return self.hold(last, until, cx);
        }
        if !self.mailbox.wants_message() && !self.machine.state().is_close_received() {
            self.reads = false;
            self.awaits_application = true;
            return Step::Waits;
        }
        self.awaits_application = false;
        loop {
            let received = match self.machine.receive(self.inbound.buffer.unread_mut(), self.now.into_std()) {
                Ok(received) => received,
                Err(violation) => return self.ends_with(LastWord::Violation(violation), cx),
            };
            self.inbound.buffer.consume(received.used);
            match received.event {
                Some(event) => {
                    if self.happened(event, cx) {
                        return Step::Moved;
                    }
                }
                None => return self.read(cx),
            }
        }
    }

    /// Reads once. All answers to what was read before leave first, in one write.
    fn read(&mut self, cx: &mut Context<'_>) -> Step {
        if self.flush(cx) == Step::Over {
            return Step::Over;
        }
        if self.outbound.output.len() > OUTPUT_BYTES_MAX {
            self.reads = false;
            return Step::Waits;
        }
        let room = self.machine.room();
        let direct = !room.is_empty() && self.inbound.buffer.is_empty();
        let read = if direct { self.inbound.poll_read_past(cx, room) } else { self.inbound.poll_fill(cx, PIECE_BYTES) };
        if !std::mem::replace(&mut self.reads, true) {
            // Nobody listened meanwhile.
            self.heard = self.now;
        }
        let count = match read {
            Poll::Pending => return Step::Waits,
            Poll::Ready(Ok(count @ 1..)) => count,
            Poll::Ready(_) => return self.stream_ended(),
        };
        self.heard(count);
        if direct {
            match self.machine.filled(count) {
                Ok(Some(event)) => drop(self.happened(event, cx)),
                Ok(None) => {}
                Err(violation) => return self.ends_with(LastWord::Violation(violation), cx),
            }
        }
        Step::Moved
    }

    fn heard(&mut self, count: usize) {
        self.card.received(count);
        self.heard = self.now;
        self.asked = None;
        if let Some(coming) = &mut self.coming {
            coming.moved(self.now, count);
        }
    }

    /// Obeys an event. Whether it is one that the application is to see.
    fn happened(&mut self, event: Event, cx: &Context<'_>) -> bool {
        match event {
            Event::Header(header) => self.tap.received(trace::FRAME_HEADER, &header.encode()),
            Event::Message(message) => {
                if self.tap.is_watched() {
                    self.tap.received(trace::message(&message), message.as_bytes());
                }
                self.card.served();
                self.used = self.now;
                self.coming = None;
                self.mailbox.deliver(message, cx);
                return true;
            }
            Event::Ping(payload) => {
                if self.tap.is_watched() {
                    self.tap.received(trace::PING, &payload);
                }
                // RFC 6455 5.5.2: unless a Close has been received; 5.5.1: and behind ours nothing is sent.
                if self.machine.state() == State::Open {
                    let mask = self.mask();
                    self.queue_control(trace::PONG, |machine| machine.encode_pong(&payload, mask), &payload);
                }
            }
            Event::Pong(payload) => {
                if self.tap.is_watched() {
                    self.tap.received(trace::PONG, &payload);
                }
            }
            Event::Close(close) => {
                self.ends_with(LastWord::Close(close), cx);
                return true;
            }
        }
        false
    }

    /// RFC 6455 5.5.1: a Close is answered by one, with its code; then the stream is closed.
    fn closed_by_peer(&mut self, close: Option<Close>, cx: &Context<'_>) {
        if self.tap.is_watched() {
            self.tap.received(trace::CLOSE, &trace::close_payload(close.as_ref()));
        }
        self.encode_queued();
        let answer = close.as_ref().map(|close| Close::new(close.code(), ""));
        self.say_close(answer.as_ref());
        self.finish(Ended::Closed(close), cx);
    }

    fn ends_with(&mut self, last: LastWord, cx: &Context<'_>) -> Step {
        self.hold(last, within(self.now, self.deadlines.close), cx)
    }

    /// An application that has taken a message has its chance to answer it: the answer is sent before our Close (RFC 6455
    /// 5.5.1 lets us delay that).
    fn hold(&mut self, last: LastWord, until: Option<Instant>, cx: &Context<'_>) -> Step {
        let is_past = until.is_some_and(|until| until <= self.now);
        if !is_past && self.mailbox.may_be_answering() {
            self.held = Some((last, until));
            self.reads = false;
            self.awaits_application = true;
            return Step::Waits;
        }
        match last {
            LastWord::Close(close) => self.closed_by_peer(close, cx),
            LastWord::Violation(violation) => self.violated(violation, cx),
        }
        Step::Moved
    }

    /// RFC 6455 7.1.7: the peer is told why, and nothing more of it is looked at.
    fn violated(&mut self, violation: Violation, cx: &Context<'_>) {
        if self.tap.is_watched() {
            self.tell_violation(violation);
        }
        self.inbound.buffer.consume(self.inbound.buffer.len());
        // What the application has answered to the messages before it goes first.
        self.encode_queued();
        self.say_close(Some(&Close::from(violation)));
        self.finish(Ended::Violated(violation), cx);
    }

    #[cold]
    fn tell_violation(&mut self, violation: Violation) {
        let unread = self.inbound.buffer.unread();
        if frame::parse(unread).is_err() {
            self.tap.received(trace::NO_FRAME, &unread[..unread.len().min(HEADER_BYTES_MAX)]);
        }
        self.tap.decided(format!("refused: {}", violation.reason()), violation.section());
    }

    /// The peer sends nothing more. What was said to it before is still sent, for as long as a Close may take.
    fn stream_ended(&mut self) -> Step {
        let until = within(self.now, self.deadlines.close);
        self.ending.get_or_insert(Ending { ended: Ended::Gone, until });
        if self.outbound.output.is_empty() { Step::Over } else { Step::Waits }
    }

    // What goes.

    /// Encodes what is queued, while there is room for it.
    fn encode_queued(&mut self) -> Step {
        let mut step = Step::Waits;
        while let Some(next) = self.mailbox.take(self.is_hungry()) {
            match next {
                Next::Send(outgoing) if !self.machine.state().is_close_sent() => self.encode(outgoing),
                Next::Send(_) => {}
                Next::Close(close) => self.begin_close(&close, Ended::TimedOut(Late::Close)),
            }
            step = Step::Moved;
        }
        step
    }

    fn is_hungry(&self) -> bool {
        self.outbound.output.len() < OUTPUT_BYTES_MAX
    }

    fn encode(&mut self, outgoing: Outgoing) {
        self.used = self.now;
        let message = match outgoing {
            Outgoing::Message(message) => message,
            Outgoing::Prepared(prepared) if self.keys.is_some() => prepared.message(),
            Outgoing::Prepared(prepared) => {
                if self.tap.is_watched() {
                    trace::sent(&mut self.tap, prepared.header(), &prepared.message());
                }
                return self.outbound.output.push(prepared.into_frame());
            }
            Outgoing::Ping(payload) => {
                let mask = self.mask();
                return self.queue_control(trace::PING, |machine| machine.encode_ping(&payload, mask), &payload);
            }
        };
        let shown = self.tap.is_watched().then(|| message.clone());
        let mask = self.mask();
        let frame = self.machine.encode(message, mask);
        if let Some(shown) = shown {
            trace::sent(&mut self.tap, &frame.header, &shown);
        }
        self.outbound.output.tail().extend_from_slice(&frame.header);
        self.outbound.output.push(frame.payload);
    }

    /// Sends Close, unless that was done, and gives the peer time to answer.
    fn begin_close(&mut self, close: &Close, otherwise: Ended) {
        if self.ending.is_none() {
            self.say_close(Some(close));
            self.ending = Some(Ending { ended: otherwise, until: within(self.now, self.deadlines.close) });
        }
    }

    fn say_close(&mut self, close: Option<&Close>) {
        if !self.machine.state().is_close_sent() {
            let mask = self.mask();
            let payload = trace::close_payload(close);
            self.queue_control(trace::CLOSE, |machine| machine.encode_close(close, mask), &payload);
        }
    }

    fn queue_control(&mut self, part: Part, encode: impl FnOnce(&mut Machine) -> ControlFrame, payload: &[u8]) {
        let frame = encode(&mut self.machine);
        if self.tap.is_watched() {
            self.tap.sent(trace::FRAME_HEADER, &frame[..frame.len() - payload.len()]);
            if !payload.is_empty() {
                self.tap.sent(part, payload);
            }
        }
        self.outbound.output.tail().extend_from_slice(&frame);
    }

    fn mask(&mut self) -> Option<[u8; 4]> {
        self.keys.as_mut().map(|keys| keys.next_key())
    }

    fn flush(&mut self, cx: &mut Context<'_>) -> Step {
        let before = self.outbound.output.len();
        if before == 0 {
            return Step::Waits;
        }
        let flushed = self.outbound.poll_flush(cx);
        self.card.sent(before - self.outbound.output.len());
        match flushed {
            Poll::Ready(Ok(())) => {
                self.outbound.output.release();
                Step::Moved
            }
            Poll::Ready(Err(lost)) => self.lost(lost),
            Poll::Pending => Step::Waits,
        }
    }

    fn lost(&mut self, lost: Lost) -> Step {
        let ended = match lost {
            Lost::Gone => Ended::Gone,
            Lost::TooSlow => Ended::TimedOut(Late::Write),
        };
        self.ending.get_or_insert(Ending { ended, until: Some(self.now) });
        Step::Over
    }

    // How it ends.

    /// Both ends have said their last word: the application hears it now, and the stream is closed in peace.
    fn finish(&mut self, ended: Ended, cx: &Context<'_>) {
        self.mailbox.end(ended.clone(), Some(cx));
        let ended = match self.ending.take() {
            // We have begun, for a reason of our own.
            Some(Ending { ended: own @ Ended::TimedOut(_), .. }) if own != Ended::TimedOut(Late::Close) => own,
            _ => ended,
        };
        self.ending = Some(Ending { ended, until: within(self.now, self.deadlines.close) });
    }

    /// Nothing comes and nothing is queued: what is left is flushed, the stream is closed when it is time, and the time is
    /// looked at.
    fn wait(&mut self, cx: &mut Context<'_>) -> Step {
        // RFC 6455 7.1.1: the server closes first, so that it is the client whose port waits.
        if self.machine.state() == State::Closed && self.keys.is_none() {
            let before = self.outbound.output.len();
            let finished = self.outbound.poll_finish(cx);
            self.card.sent(before - self.outbound.output.len());
            if let Poll::Ready(Err(lost)) = finished {
                return self.lost(lost);
            }
        } else if self.flush(cx) == Step::Over {
            return Step::Over;
        }
        // Not before all that has come was looked at: the end may have come with the handshake.
        if self.reads && self.inbound.is_ended() && self.outbound.output.is_empty() {
            return Step::Over;
        }
        let deadline = self.deadline();
        match self.timer.poll_expired(deadline, cx) {
            Poll::Pending => {
                self.card.deadline(deadline);
                Step::Waits
            }
            Poll::Ready(()) => {
                self.now = Instant::now();
                self.expired()
            }
        }
    }

    /// The next moment at which something is late.
    fn deadline(&mut self) -> Option<Instant> {
        let stalled = self.outbound.stalled_until();
        if let Some(ending) = &self.ending {
            return earlier(ending.until, stalled);
        }
        if let Some((_, until)) = &self.held {
            return earlier(*until, stalled);
        }
        let idle = earlier(within(self.used, self.deadlines.idle), stalled);
        earlier(idle, self.silence())
    }

    /// Until when the peer must say something, when it is listened to.
    fn silence(&mut self) -> Option<Instant> {
        if !self.reads {
            return None;
        }
        let Deadlines { ping_after, pong_within, message_rate, .. } = self.deadlines;
        let alive = match self.asked {
            Some(asked) => within(asked, pong_within),
            None => within(self.heard, ping_after),
        };
        if !self.machine.in_message() && self.inbound.buffer.is_empty() {
            self.coming = None;
            return alive;
        }
        let coming = self.coming.get_or_insert_with(|| Box::new(RateWatch::new(message_rate)));
        earlier(alive, coming.wait(self.now))
    }

    /// Something is late. The gravest comes first.
    fn expired(&mut self) -> Step {
        let is_past = |deadline: Option<Instant>, now| deadline.is_some_and(|deadline| deadline <= now);
        if self.ending.is_some() {
            return Step::Over;
        }
        if is_past(self.outbound.stalled_until(), self.now) {
            return self.lost(Lost::TooSlow);
        }
        if self.held.is_some() {
            return Step::Moved;
        }
        let now = self.now;
        if self.reads && is_past(self.coming.as_mut().and_then(|coming| coming.wait(now)), now) {
            self.late(Late::Message, CloseCode::POLICY, "a message has begun and comes too slowly");
        } else if self.reads && is_past(self.asked.and_then(|asked| within(asked, self.deadlines.pong_within)), now) {
            self.late(Late::Pong, CloseCode::POLICY, "a ping was not answered in time");
        } else if is_past(within(self.used, self.deadlines.idle), now) {
            self.late(Late::Idle, CloseCode::GOING_AWAY, "nobody has said anything for long");
        } else if self.reads && self.asked.is_none() && is_past(within(self.heard, self.deadlines.ping_after), now) {
            self.asked = Some(now);
            if self.tap.is_watched() {
                self.tap.decided("nothing was heard for long: a ping asks whether the peer is there", "RFC 6455 5.5.2");
            }
            let mask = self.mask();
            self.queue_control(trace::PING, |machine| machine.encode_ping(b"", mask), b"");
        }
        Step::Moved
    }

    fn late(&mut self, late: Late, code: CloseCode, reason: &'static str) {
        if self.tap.is_watched() {
            self.tap.decided(format!("{reason}: Close {}", code.get()), "RFC 6455 7.4.1");
        }
        self.mailbox.end(Ended::TimedOut(late), None);
        self.begin_close(&Close::new(code, reason), Ended::TimedOut(late));
    }

    /// Sleeps until something happens, unless something has.
    fn sleep(&mut self, cx: &Context<'_>) -> bool {
        let queued = self.outbound.output.len();
        self.card.queued(queued);
        self.card.unread(self.inbound.buffer.len());
        self.mailbox.sleep(cx, queued, self.is_hungry(), self.awaits_application)
    }

    /// What was not sent will not be: kernels keep what nobody takes behind a FIN.
    fn over(&mut self, cx: &Context<'_>) {
        if !self.outbound.output.is_empty() {
            self.outbound.abort();
        }
        let ended = self.ending.take().map_or(Ended::Gone, |ending| ending.ended);
        if self.tap.is_watched() {
            self.tap.decided(format!("over: {ended}"), "RFC 6455 7.1.4");
        }
        self.mailbox.end(ended, Some(cx));
    }
}

impl Drop for Driver {
    /// The task may have been dropped, by a forced shutdown, say: who holds a handle must know.
    fn drop(&mut self) {
        self.mailbox.end(Ended::Gone, None);
    }
}

/// The application's task, until it has ended.
struct Application<'a, T> {
    task: Pin<&'a mut T>,
    is_over: bool,
}

impl<T: Future<Output = ()>> Application<'_, T> {
    fn poll(&mut self, cx: &mut Context<'_>) {
        if !self.is_over {
            self.is_over = self.task.as_mut().poll(cx).is_ready();
        }
    }
}
