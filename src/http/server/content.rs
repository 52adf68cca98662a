//! Owns content on loan: while a handler reads a request's content, it holds the connection's receiving half.
//!
//! The one idea: whoever reads the content reads the socket. Nothing runs beside it, nothing is queued, and a handler
//! that does not read is a client that is not read from.
//!
//! ```text
//!   driver ── lends Inbound ──> Lent (in the request's Body) ── pieces ──> handler
//!      ^                          │ end, error or drop
//!      └───── Loan: Returned <────┘
//! ```
//!
//! Content of which more than a buffer is known to be to come is read past the buffer, into a [`Piece`] that goes on with it.
//!
//! Spec: RFC 9112 6.3 (length), 7.1 (chunks), 8 (incomplete); RFC 9110 10.1.1: `100 Continue` is asked for when the
//! handler first reads, and only when nothing has come yet.
//! Never: keeps the half longer than the body lives; writes: the driver sends the 100.
//! Limits: `content_rate` of the deadlines, chunk and trailer limits, [`LARGE_PIECE_BYTES`].

use std::io;
use std::pin::Pin;
use std::sync::atomic::{AtomicBool, Ordering::Relaxed};
use std::sync::{Arc, Mutex, MutexGuard};
use std::task::{Context, Poll, ready};

use bytes::Bytes;
use tokio::time::Instant;

use crate::http::body::{BodyError, Source};
use crate::http::explain::Problem;
use crate::http::h1::machine::{Receive, Received};
use crate::http::server::trace;
use crate::http::tally::{Reached, Tally};
use crate::http::{Fault, Fields, Limits};
use crate::net::buffer::{LARGE_PIECE_BYTES, PIECE_BYTES, Piece};
use crate::net::connection::Inbound;
use crate::net::deadline::{Deadlines, Phase, RateWatch, Timer};
use crate::net::lock::lock;
use crate::net::registry::Card;
use crate::net::tap::{Tap, What};
use crate::net::transport::ReadHalf;

/// The driver's end of a loan.
pub(super) struct Loan<R> {
    card: Arc<Card>,
    wants_continue: AtomicBool,
    /// The client waits for a 100 that was not sent. Whether it will send its content after another answer is up to it.
    unasked: AtomicBool,
    /// Content has come since the driver last asked.
    moved: AtomicBool,
    returned: Mutex<Option<Returned<R>>>,
}

/// What comes back.
pub(super) struct Returned<R> {
    pub(super) inbound: Inbound<R>,
    pub(super) receive: Receive,
    /// Why the peer's content was refused, when it was.
    pub(super) refused: Option<Problem>,
}

impl<R> Loan<R> {
    /// The half and the state it came back in, once.
    pub(super) fn take_back(&self) -> Option<Returned<R>> {
        self.returned().take()
    }

    /// Whether content has come since this was last asked.
    pub(super) fn take_moved(&self) -> bool {
        self.moved.swap(false, Relaxed)
    }

    /// The half, once all content has come.
    pub(super) fn take_back_whole(&self) -> Option<Inbound<R>> {
        let is_whole = |returned: &mut Returned<R>| returned.receive.is_ended() && returned.refused.is_none();
        self.returned().take_if(is_whole).map(|returned| returned.inbound)
    }

    /// Whether the half is still out.
    pub(super) fn is_out(&self) -> bool {
        self.returned().is_none()
    }

    /// Whether `100 Continue` is to be sent now. True once.
    pub(super) fn take_continue(&self) -> bool {
        let wanted = self.wants_continue.load(Relaxed) && self.wants_continue.swap(false, Relaxed);
        if wanted {
            self.unasked.store(false, Relaxed);
        }
        wanted
    }

    /// Whether the client waits for `100 Continue` and has sent nothing.
    pub(super) fn is_unasked(&self) -> bool {
        self.unasked.load(Relaxed)
    }

    /// A poisoned lock guards a plain slot.
    fn returned(&self) -> MutexGuard<'_, Option<Returned<R>>> {
        lock(&self.returned)
    }
}

/// The handler's end of a loan: the source behind a request's body.
pub(super) struct Lent<R: ReadHalf> {
    inbound: Option<Inbound<R>>,
    receive: Receive,
    limits: Limits,
    rate: RateWatch,
    timer: Timer,
    chunked: bool,
    expects_continue: bool,
    /// Whether the tap knows of this wait.
    wait_told: bool,
    loan: Arc<Loan<R>>,
    tap: Tap,
    tally: Arc<Tally>,
    trailers: Option<Fields>,
}

/// Lends `inbound` for the content that `receive` still expects.
pub(super) fn lend<R: ReadHalf>(
    inbound: Inbound<R>,
    receive: Receive,
    expects_continue: bool,
    (limits, deadlines): (&Limits, &Deadlines),
    (card, tap, tally): (Arc<Card>, Tap, Arc<Tally>),
) -> (Arc<Loan<R>>, Lent<R>) {
    // RFC 9110 10.1.1: a client whose content is coming need not be asked for it.
    let expects_continue = expects_continue && inbound.buffer.is_empty();
    let loan = Arc::new(Loan {
        card,
        wants_continue: AtomicBool::new(false),
        unasked: AtomicBool::new(expects_continue),
        moved: AtomicBool::new(false),
        returned: Mutex::new(None),
    });
    let lent = Lent {
        inbound: Some(inbound),
        chunked: matches!(receive, Receive::Chunked(_)),
        receive,
        limits: limits.clone(),
        rate: RateWatch::new(deadlines.content_rate),
        timer: Timer::default(),
        expects_continue,
        wait_told: false,
        loan: Arc::clone(&loan),
        tap,
        tally,
        trailers: None,
    };
    (loan, lent)
}

impl<R: ReadHalf> Source for Lent<R> {
    fn poll_next(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Result<Bytes, BodyError>>> {
        loop {
            match self.step() {
                Ok(Some(Step::Piece(bytes))) => return Poll::Ready(Some(Ok(bytes))),
                Ok(Some(Step::End)) => return Poll::Ready(None),
                Ok(None) => {}
                Err(error) => return Poll::Ready(Some(Err(error))),
            }
            let read = if self.much_is_to_come() {
                self.poll_piece(cx).map_ok(Some)
            } else {
                self.poll_fill(cx).map_ok(|()| None)
            };
            match ready!(read) {
                Ok(None) => {}
                Ok(piece) => return Poll::Ready(piece.map(Ok)),
                Err(error) => return Poll::Ready(Some(Err(error))),
            }
        }
    }

    fn length(&self) -> Option<u64> {
        self.receive.left()
    }

    fn trailers(mut self: Pin<&mut Self>) -> Option<Fields> {
        self.trailers.take()
    }
}

enum Step {
    Piece(Bytes),
    End,
}

impl<R: ReadHalf> Lent<R> {
    /// What the bytes at hand yield; `None` when more are needed.
    fn step(&mut self) -> Result<Option<Step>, BodyError> {
        loop {
            let Some(inbound) = &mut self.inbound else { return Ok(Some(Step::End)) };
            let unread = inbound.buffer.unread();
            let stepped = self.receive.step(unread, &self.limits);
            let (used, received) = match stepped {
                Ok(step) => step,
                Err(error) => {
                    let problem = Problem::of_content(error, unread, self.receive.taken()).with_limit_of(&self.limits);
                    self.give_back(Some(problem.clone()));
                    return Err(BodyError::Malformed(Box::new(problem)));
                }
            };
            if self.tap.is_watched() {
                trace::content_received(&mut self.tap, received, self.chunked, &unread[..used]);
            }
            let piece = matches!(received, Received::Content).then(|| Bytes::copy_from_slice(&unread[..used]));
            inbound.buffer.consume(used);
            if self.receive.is_ended() {
                self.trailers = self.receive.take_trailers();
                self.give_back(None);
            }
            match (piece, received) {
                (Some(piece), _) => return Ok(Some(Step::Piece(piece))),
                (None, Received::NeedMore) => return Ok(None),
                (None, Received::End) => return Ok(Some(Step::End)),
                (None, Received::Framing | Received::Content) => {}
            }
        }
    }

    /// Whether more is known to be to come than fits into the buffer, which is empty.
    fn much_is_to_come(&self) -> bool {
        let is_empty = self.inbound.as_ref().is_some_and(|inbound| inbound.buffer.is_empty());
        is_empty && matches!(self.receive, Receive::Length { left, .. } if left > PIECE_BYTES as u64)
    }

    /// Reads content past the buffer, into memory that is passed on with it, not longer than the rate allows.
    fn poll_piece(&mut self, cx: &mut Context<'_>) -> Poll<Result<Bytes, BodyError>> {
        let inbound = self.inbound.as_mut().expect("more is to come");
        let mut piece = Piece::take();
        let left = usize::try_from(self.receive.left().unwrap_or_default()).unwrap_or(usize::MAX);
        let most = left.min(LARGE_PIECE_BYTES);
        let read = inbound.poll_read_past(cx, &mut piece.room()[..most]);
        let count = ready!(self.came(read, cx))?;
        let bytes = piece.into_bytes(count);
        // No more was read than is left, so it is content, all of it.
        let stepped = self.receive.step(&bytes, &self.limits);
        debug_assert_eq!(stepped, Ok((count, Received::Content)));
        if self.tap.is_watched() {
            trace::content_received(&mut self.tap, Received::Content, self.chunked, &bytes);
        }
        if self.receive.is_ended() {
            self.give_back(None);
        }
        Poll::Ready(Ok(bytes))
    }

    /// Waits for more bytes, not longer than the rate allows.
    fn poll_fill(&mut self, cx: &mut Context<'_>) -> Poll<Result<(), BodyError>> {
        let Some(inbound) = &mut self.inbound else { return Poll::Ready(Ok(())) };
        let read = inbound.poll_fill(cx, PIECE_BYTES);
        self.came(read, cx).map_ok(drop)
    }

    /// Takes note of what a read came to.
    fn came(&mut self, read: Poll<io::Result<usize>>, cx: &mut Context<'_>) -> Poll<Result<usize, BodyError>> {
        match read {
            Poll::Ready(Ok(count)) if count > 0 => {
                self.rate.moved(Instant::now(), count);
                self.expects_continue = false;
                self.loan.unasked.store(false, Relaxed);
                self.loan.moved.store(true, Relaxed);
                self.wait_told = false;
                self.loan.card.received(count);
                self.loan.card.unread(self.inbound.as_ref().map_or(0, |inbound| inbound.buffer.len()));
                Poll::Ready(Ok(count))
            }
            Poll::Ready(_) => {
                self.give_back(Some(Problem::new(Fault::ContentIncomplete)));
                Poll::Ready(Err(BodyError::Incomplete))
            }
            Poll::Pending => self.poll_patience(cx).map(Err),
        }
    }

    fn poll_patience(&mut self, cx: &mut Context<'_>) -> Poll<BodyError> {
        if std::mem::take(&mut self.expects_continue) {
            self.loan.wants_continue.store(true, Relaxed);
            self.loan.card.wake();
        }
        let now = Instant::now();
        let deadline = self.rate.wait(now);
        if self.tap.is_watched() {
            self.tell_wait(deadline, now);
        }
        ready!(self.timer.poll_expired(deadline, cx));
        if self.tap.is_watched() {
            self.tap.tell(What::Fired { phase: Phase::Content });
        }
        self.tally.reached(Reached::ContentRate);
        self.give_back(Some(Problem::new(Fault::ContentTimeout)));
        Poll::Ready(BodyError::TooSlow)
    }

    fn tell_wait(&mut self, deadline: Option<Instant>, now: Instant) {
        if let (Some(deadline), false) = (deadline, std::mem::replace(&mut self.wait_told, true)) {
            self.tap.tell(What::Armed { phase: Phase::Content, left: deadline - now });
        }
    }

    fn give_back(&mut self, refused: Option<Problem>) {
        let Some(inbound) = self.inbound.take() else { return };
        let receive = std::mem::replace(&mut self.receive, Receive::Ended(None));
        *self.loan.returned() = Some(Returned { inbound, receive, refused });
        self.loan.card.wake();
    }
}

impl<R: ReadHalf> Drop for Lent<R> {
    fn drop(&mut self) {
        self.give_back(None);
    }
}
