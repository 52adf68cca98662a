//! Owns what a connection at work does while it waits: for bytes, for its handler, for the peer to read and go.
//!
//! The one idea: every wait does the same four things: it sends what is queued, it looks whether the peer is still there,
//! it obeys its deadline, and it listens for the end of the server.
//!
//! Spec: RFC 9112 9.5 (time-outs), 9.6 (lingering close).
//! Never: reads more than [`AHEAD_BYTES_MAX`] while a handler is at work or the peer does not read.

use std::sync::Arc;
use std::task::{Context, Poll, ready};
use std::time::Duration;

use tokio::time::Instant;

use crate::http::h1::encode;
use crate::http::server::content::Loan;
use crate::http::server::drive::{Driver, End};
use crate::http::server::refusal::Refusal;
use crate::http::server::{Shared, trace};
use crate::http::tally::Reached;
use crate::http::upgrade::OnUpgrade;
use crate::http::{Fault, Handler};
use crate::net::buffer::PIECE_BYTES;
use crate::net::connection::{Connection, Lost};
use crate::net::context::Reason;
use crate::net::deadline::{Deadlines, Phase, earlier, within};
use crate::net::shutdown;
use crate::net::tap::What;
use crate::net::transport::Transport;

/// Bytes of later requests that are read while a handler is at work: enough to notice that the peer is gone.
pub(crate) const AHEAD_BYTES_MAX: usize = PIECE_BYTES;

/// How long a connection lingers at most while the server is shutting down: a peer that never closes must not hold it.
pub(crate) const DRAINING_LINGER: Duration = Duration::from_millis(250);

impl<T: Transport> Driver<T> {
    /// Waits for bytes of the next head.
    pub(super) async fn await_bytes<H>(&mut self, shared: &Shared<H>) -> Result<(), End> {
        self.enter_head_phase(shared);
        std::future::poll_fn(|cx| self.poll_bytes(shared, cx)).await
    }

    /// Waits until there is room for another answer.
    pub(super) async fn await_output_room<H>(&mut self, shared: &Shared<H>) -> Result<(), End> {
        if !self.unread().is_empty() {
            shared.watch.tally.reached(Reached::OutputBytes);
        }
        self.await_room(shared, shared.config.limits.output_bytes_max).await
    }

    /// Waits until fewer than `bytes_max` bytes are queued: a client that does not read is not worked for, and no
    /// deadline but that of reading runs against it.
    pub(super) async fn await_room<H>(&mut self, shared: &Shared<H>, bytes_max: usize) -> Result<(), End> {
        self.enter(Phase::Write, None);
        let room = std::future::poll_fn(|cx| {
            self.watch_peer(shared, None, cx)?;
            if self.outbound.output.len() < bytes_max.max(1) {
                return Poll::Ready(Ok(()));
            }
            ready!(self.poll_expired(cx))?;
            Poll::Ready(Err(End::Lost(Lost::TooSlow)))
        })
        .await;
        self.now = Instant::now();
        room
    }

    /// Idle or within a head: that decides how long we wait, from the last answer or from the head's first byte on.
    fn enter_head_phase<H>(&mut self, shared: &Shared<H>) {
        let deadlines = &shared.config.deadlines;
        let anew = std::mem::take(&mut self.awaits_next);
        match (self.has_head_begun(), self.card.phase()) {
            (true, Phase::Head) | (false, Phase::Idle) if !anew => {}
            (true, _) => self.enter(Phase::Head, within(self.now, deadlines.head)),
            (false, _) => self.enter(Phase::Idle, within(self.now, deadlines.idle)),
        }
    }

    /// Whether nothing of another request has come, all is sent, and there is time left to wait.
    fn is_idle(&self) -> bool {
        let in_time = self.deadline.is_none_or(|deadline| deadline > self.now);
        in_time && self.card.phase() == Phase::Idle && self.unread().is_empty() && self.outbound.output.is_empty()
    }

    /// Empty lines begin no head (RFC 9112 2.2).
    fn has_head_begun(&self) -> bool {
        self.unread().iter().any(|byte| !matches!(byte, b'\r' | b'\n'))
    }

    fn unread(&self) -> &[u8] {
        self.inbound.as_ref().map_or(&[][..], |inbound| inbound.buffer.unread())
    }

    fn poll_bytes<H>(&mut self, shared: &Shared<H>, cx: &mut Context<'_>) -> Poll<Result<(), End>> {
        self.poll_flush_idle(shared, cx)?;
        let inbound = self.inbound.as_mut().expect("content is back before the next head");
        if let Poll::Ready(filled) = inbound.poll_fill(cx, shared.config.limits.head_bytes_max) {
            let unread = inbound.buffer.len();
            self.now = Instant::now();
            return Poll::Ready(match filled {
                Err(_) => Err(End::Lost(Lost::Gone)),
                Ok(0) if !self.has_head_begun() => Err(End::Finished("the peer has finished")),
                Ok(0) => Err(self.head_refused(shared, Fault::IncompleteHead)),
                Ok(count) => {
                    self.filled(count, unread);
                    Ok(())
                }
            });
        }
        self.tell_buffers();
        let draining = self.hurry(shared)?;
        let is_due = self.card.take_due();
        if is_due {
            self.now = Instant::now();
        }
        let is_idle = !draining && self.is_idle();
        if is_idle && !is_due && self.card.keep_warm() {
            // No timer is armed: the table wakes it when this has lasted too long.
            return Poll::Pending;
        }
        self.card.cool();
        if is_idle {
            return Poll::Ready(Err(End::Idle));
        }
        ready!(self.poll_expired(cx))?;
        if draining {
            shared.watch.tally.reached(Reached::DrainIdle);
        }
        Poll::Ready(Err(match (self.card.phase(), draining) {
            (Phase::Head, false) => self.head_refused(shared, Fault::HeadTimeout),
            (Phase::Head, true) => self.head_refused(shared, Fault::Draining),
            (_, false) => {
                let is_first = self.card.snapshot(self.now).served == 0;
                shared.watch.tally.reached(if is_first { Reached::FirstByte } else { Reached::Idle });
                End::Finished("nothing came in time")
            }
            (_, true) => End::Finished("the server is shutting down"),
        }))
    }

    /// Sends what is queued. A client that still takes its answer is not idle: its time begins when that is sent.
    fn poll_flush_idle<H>(&mut self, shared: &Shared<H>, cx: &mut Context<'_>) -> Result<(), End> {
        let was_queued = !self.outbound.output.is_empty();
        let flushed = self.poll_flush(cx)?;
        if self.card.phase() == Phase::Idle {
            if flushed.is_pending() {
                self.until(None);
            } else if was_queued && self.deadline.is_none() {
                self.now = Instant::now();
                self.enter(Phase::Idle, within(self.now, shared.config.deadlines.idle));
            }
        }
        Ok(())
    }

    /// While the server is draining, the next request is waited for no longer than `drain_idle` from the signal, or from an
    /// answer that began before it and did not say that it would be the last. A connection that was closed at once would
    /// take the request with it that is on its way. Says whether it is draining.
    ///
    /// # Errors
    /// When it will wait no longer.
    pub(super) fn hurry<H>(&mut self, shared: &Shared<H>) -> Result<bool, End> {
        let Some(since) = shared.watch.shutdown.draining_since() else { return Ok(false) };
        if shared.watch.shutdown.phase() == shutdown::Phase::Forced {
            return Err(End::Forced);
        }
        if self.card.phase() == Phase::Idle && !self.outbound.output.is_empty() {
            // It is not idle: it still takes its answer.
            return Ok(true);
        }
        let since = if self.card.phase() == Phase::Head { since } else { since.max(self.card.since()) };
        self.until(earlier(self.deadline, within(since, shared.config.deadlines.drain_idle)));
        Ok(true)
    }

    /// Refuses a head that has begun and will not be waited for.
    fn head_refused<H>(&mut self, shared: &Shared<H>, fault: Fault) -> End {
        // Not `unread()`, which would borrow the tap too.
        let unread = self.inbound.as_ref().map_or(&[][..], |inbound| inbound.buffer.unread());
        if self.tap.is_watched() {
            trace::head_refused(&mut self.tap, unread, unread.len());
        }
        End::Refused(Refusal::of_head(shared, unread, fault.at(unread.len())))
    }

    fn filled(&mut self, count: usize, unread: usize) {
        self.card.received(count);
        if self.tap.is_watched() {
            self.tap.tell(What::Buffers { unread, queued: self.outbound.output.len() });
        }
    }

    /// Puts on the card what is still in the buffers when there is nothing to do but wait. The half that is lent tells
    /// for itself.
    fn tell_buffers(&self) {
        if let Some(inbound) = &self.inbound {
            self.card.unread(inbound.buffer.len());
        }
        self.card.queued(self.outbound.output.len());
    }

    /// Sends what is queued, asks for content where the handler wants it, and looks whether the peer is still there.
    ///
    /// # Errors
    /// Why nobody waits for the answer any more.
    pub(super) fn watch_peer<H>(
        &mut self,
        shared: &Shared<H>,
        loan: Option<&Arc<Loan<T::Reader>>>,
        cx: &mut Context<'_>,
    ) -> Result<(), End> {
        if shared.watch.shutdown.phase() == shutdown::Phase::Forced {
            self.peer.0.cancel(Reason::Shutdown);
            return Err(End::Forced);
        }
        // It does not wait for a request: another connection may stay warm for that.
        self.card.cool();
        if loan.is_some_and(|loan| loan.take_continue()) {
            self.ask_for_content();
        }
        let _ = self.poll_flush(cx)?;
        self.tell_buffers();
        if self.is_peer_gone(cx)? {
            self.cancel_peer();
            return Err(End::Lost(Lost::Gone));
        }
        Ok(())
    }

    /// RFC 9110 10.1.1: `100 Continue`.
    pub(super) fn ask_for_content(&mut self) {
        self.outbound.output.tail().extend_from_slice(encode::CONTINUE);
        if self.tap.is_watched() {
            self.tap.sent(trace::INTERIM_HEAD, encode::CONTINUE);
        }
    }

    fn is_peer_gone(&mut self, cx: &mut Context<'_>) -> Result<bool, End> {
        if let Some(inbound) = &mut self.inbound {
            while !inbound.is_ended() && inbound.buffer.len() < AHEAD_BYTES_MAX {
                match inbound.poll_fill(cx, AHEAD_BYTES_MAX) {
                    Poll::Pending => return Ok(false),
                    Poll::Ready(Err(_)) => return Ok(true),
                    Poll::Ready(Ok(count)) => self.card.received(count),
                }
            }
            if inbound.is_ended() && self.card.phase() == Phase::Handler {
                self.probe();
                let _ = self.poll_flush(cx)?;
            }
        }
        Ok(self.outbound.poll_gone(cx).is_ready())
    }

    /// Everything that works for this peer may stop.
    fn cancel_peer(&self) {
        self.peer.0.cancel(Reason::PeerGone);
    }

    /// Sends what is queued. An error is the end.
    pub(super) fn poll_flush(&mut self, cx: &mut Context<'_>) -> Result<Poll<()>, End> {
        let before = self.outbound.output.len();
        if before == 0 {
            return Ok(Poll::Ready(()));
        }
        let flushed = self.outbound.poll_flush(cx);
        self.card.sent(before - self.outbound.output.len());
        match flushed {
            Poll::Ready(Ok(())) => {
                self.outbound.output.release();
                Ok(Poll::Ready(()))
            }
            Poll::Ready(Err(lost)) => {
                self.cancel_peer();
                Err(End::Lost(lost))
            }
            Poll::Pending => {
                if self.tap.is_watched() && self.outbound.output.len() != before {
                    let unread = self.inbound.as_ref().map_or(0, |inbound| inbound.buffer.len());
                    self.tap.tell(What::Buffers { unread, queued: self.outbound.output.len() });
                }
                Ok(Poll::Pending)
            }
        }
    }

    /// Ready when the phase has lasted long enough, with an error when it is the peer that does not read.
    pub(super) fn poll_expired(&mut self, cx: &mut Context<'_>) -> Poll<Result<(), End>> {
        let stalled = self.outbound.stalled_until();
        ready!(self.timer.poll_expired(earlier(self.deadline, stalled), cx));
        self.now = Instant::now();
        if stalled.is_some_and(|until| until <= self.now) {
            if self.tap.is_watched() {
                self.tap.tell(What::Fired { phase: Phase::Write });
            }
            self.cancel_peer();
            return Poll::Ready(Err(End::Lost(Lost::TooSlow)));
        }
        if self.tap.is_watched() {
            self.tap.tell(What::Fired { phase: self.card.phase() });
        }
        Poll::Ready(Ok(()))
    }

    /// Says the last word and lets the peer read it.
    pub(super) async fn end<H: Handler>(mut self, shared: &Shared<H>, end: End) {
        let why = match end {
            End::Idle => return,
            End::Finished(why) => why.to_owned(),
            End::Refused(refusal) => {
                let why = format!("refused: {}", refusal.problem.fault().code());
                if self.tap.is_watched() {
                    trace::refused(&mut self.tap, &refusal.problem);
                }
                self.answer_refusal(shared, *refusal);
                why
            }
            End::Upgraded(task) => return self.upgrade(shared, task).await,
            End::Lost(Lost::Gone) => return self.closed("the peer is gone"),
            End::Lost(Lost::TooSlow) => {
                let why = self.does_not_read(shared);
                return self.closed(why);
            }
            End::Forced => return self.closed("the shutdown would not wait"),
            End::Broken(why) if self.ends_by_close => {
                // The kernel gets what was produced, and may drop it at the reset: after a FIN it would look like all there was.
                let taken = self.await_room(shared, 1).await;
                self.count_slow(shared, &taken);
                return self.closed(&why);
            }
            End::Broken(why) => why,
        };
        if !self.outbound.output.is_empty() {
            self.enter(Phase::Write, None);
        }
        let mut linger_until = None;
        let lingered = std::future::poll_fn(|cx| self.poll_linger(shared, &mut linger_until, cx)).await;
        match lingered {
            Ok(()) => self.closed(&why),
            Err(cut) => self.closed(&format!("{why}; {cut}")),
        }
    }

    /// Flushes, sends a FIN, and reads until the peer closes too: a close with unread bytes would reset the connection
    /// and may take the answer with it (RFC 9112 9.6).
    fn poll_linger<H>(
        &mut self,
        shared: &Shared<H>,
        until: &mut Option<Instant>,
        cx: &mut Context<'_>,
    ) -> Poll<Result<(), &'static str>> {
        if shared.watch.shutdown.phase() == shutdown::Phase::Forced {
            return Poll::Ready(Err("the shutdown would not wait"));
        }
        let before = self.outbound.output.len();
        let finished = self.outbound.poll_finish(cx);
        self.card.sent(before - self.outbound.output.len());
        let finished = match finished {
            Poll::Ready(Err(Lost::Gone)) => return Poll::Ready(Err("the peer is gone")),
            Poll::Ready(Err(Lost::TooSlow)) => return Poll::Ready(Err(self.does_not_read(shared))),
            finished => finished.is_ready(),
        };
        if finished {
            self.enter_linger(shared, until);
        }
        while let Some(inbound) = &mut self.inbound {
            if inbound.is_ended() && finished {
                return Poll::Ready(Ok(()));
            }
            inbound.buffer.consume(inbound.buffer.len());
            match inbound.poll_fill(cx, PIECE_BYTES) {
                Poll::Ready(Ok(0)) if !finished => break,
                Poll::Ready(Ok(_)) => self.linger_on(shared, *until),
                Poll::Ready(Err(_)) => return Poll::Ready(Err("the peer has reset the connection")),
                Poll::Pending => break,
            }
        }
        if finished && self.inbound.is_none() {
            return Poll::Ready(Err("a task holds the content"));
        }
        match ready!(self.poll_expired(cx)) {
            Ok(()) => {
                shared.watch.tally.reached(self.linger_bound(shared, *until));
                Poll::Ready(Err("the peer has not closed in time"))
            }
            Err(_) => Poll::Ready(Err(self.does_not_read(shared))),
        }
    }

    /// Counts that the last answer was not taken, when it was not.
    fn count_slow<H>(&self, shared: &Shared<H>, taken: &Result<(), End>) {
        if let Err(End::Lost(Lost::TooSlow)) = taken {
            self.does_not_read(shared);
        }
    }

    /// Counts that the peer has not taken what waits for it, and says so.
    fn does_not_read<H>(&self, shared: &Shared<H>) -> &'static str {
        shared.watch.tally.reached(Reached::WriteRate);
        "the peer does not read"
    }

    /// Which bound has ended the lingering.
    fn linger_bound<H>(&self, shared: &Shared<H>, until: Option<Instant>) -> Reached {
        let Deadlines { linger, linger_sending, .. } = shared.config.deadlines;
        if shared.watch.shutdown.is_draining() {
            Reached::LingerDraining
        } else if self.deadline == until && linger != linger_sending {
            Reached::LingerSending
        } else {
            Reached::Linger
        }
    }

    /// The time to linger begins when the last byte is sent: until then a peer that reads at the least rate is served.
    fn enter_linger<H>(&mut self, shared: &Shared<H>, until: &mut Option<Instant>) {
        let now = Instant::now();
        if self.card.phase() != Phase::Linger {
            self.ends_by_close = false;
            self.now = now;
            *until = within(now, shared.config.deadlines.linger_sending);
            self.enter(Phase::Linger, within(now, shared.config.deadlines.linger));
        }
        if shared.watch.shutdown.is_draining() {
            self.until(earlier(self.deadline, within(now, DRAINING_LINGER)));
        }
    }

    /// The peer still sends what nobody reads. Many clients read no answer before they have sent all; the time to linger
    /// runs anew for them.
    fn linger_on<H>(&mut self, shared: &Shared<H>, until: Option<Instant>) {
        if self.card.phase() == Phase::Linger && !shared.watch.shutdown.is_draining() {
            let silence = within(Instant::now(), shared.config.deadlines.linger);
            self.until(earlier(silence, until));
        }
    }

    /// Hands the connection over, with the bytes that came too early. A forced shutdown ends the new protocol too.
    async fn upgrade<H>(mut self, shared: &Shared<H>, task: OnUpgrade) {
        let taken = self.await_room(shared, 1).await;
        self.count_slow(shared, &taken);
        if taken.is_err() {
            return self.closed("the peer has not taken the answer");
        }
        let Some(inbound) = self.inbound.take() else { return self.closed("a task holds the content") };
        self.enter(Phase::Upgraded, None);
        // The card stays in the table as long as the other protocol lasts.
        let Driver { outbound, card, mut tap, peer: _peer, .. } = self;
        let mut task = (task.0)(Connection {
            inbound: inbound.boxed(),
            writer: Box::new(outbound.into_writer()),
            card: Arc::clone(&card),
            tap: tap.clone(),
            shutdown: shared.watch.shutdown.clone(),
        });
        // The card is woken when the phase of the server changes.
        std::future::poll_fn(|cx| match task.as_mut().poll(cx) {
            Poll::Pending if shared.watch.shutdown.phase() < shutdown::Phase::Forced => Poll::Pending,
            _ => Poll::Ready(()),
        })
        .await;
        drop(task);
        if tap.is_watched() {
            // Before the phase changes: what the card says is of the other protocol.
            trace::closed(&mut tap, &card, "the protocol that took over has ended");
        }
        card.enter(Phase::Closed, Instant::now());
    }

    /// What was not sent will not be. A FIN would say that it was all; and kernels keep what nobody takes behind one.
    fn closed(&mut self, why: &str) {
        if self.ends_by_close || !self.outbound.output.is_empty() {
            self.outbound.abort();
        }
        self.now = Instant::now();
        self.enter(Phase::Closed, None);
        if self.tap.is_watched() {
            trace::closed(&mut self.tap, &self.card, why);
        }
    }
}
