//! Owns the content of an answer while it comes: the source behind its body, which owns the connection.
//!
//! ```text
//!   Receiving { link, sending, lease } ── pieces ──▶ caller
//!        │ the last byte: settle ──▶ pool      when the request is sent, the answer allows it, and nothing is behind it
//!        │     and the request is not sent: the end waits for it
//!        └ dropped, error ─────────▶ closed
//! ```
//!
//! Content of which more than a buffer is to come is read past the buffer, into a [`Piece`] that goes on with it.
//!
//! Spec: RFC 9110 7.5 (an early answer does not end its request); RFC 9112 6.3, 7.1, 8 (incomplete answers), 9.3, 9.6.
//! Never: reads what nobody asked for; calls content complete that is not; gives a connection back with bytes in it.
//! Limits: `content_rate`, `total`; chunk lines and trailers by [`Limits`].

use std::pin::Pin;
use std::task::{Context, Poll, ready};

use bytes::Bytes;
use tokio::time::Instant;

use crate::http::body::{BodyError, Source};
use crate::http::client::config::ClientConfig;
use crate::http::client::error::ClientError;
use crate::http::client::pool::{Lease, Link};
use crate::http::client::sending::{SendError, Sending};
use crate::http::explain::Problem;
use crate::http::h1::machine::{Receive, Received};
use crate::http::{Fields, Limits};
use crate::net::buffer::{LARGE_PIECE_BYTES, PIECE_BYTES, Piece};
use crate::net::deadline::{RateWatch, earlier};

/// Content that is coming.
pub(super) struct Receiving {
    /// Until the last byte.
    at_work: Option<AtWork>,
    receive: Receive,
    keep_alive: bool,
    limits: Limits,
    rate: RateWatch,
    until: Option<Instant>,
    trailers: Option<Fields>,
}

/// What is held while content comes.
struct AtWork {
    // Closed before its place is free.
    link: Link,
    sending: Sending,
    lease: Lease,
}

impl Receiving {
    pub(super) fn new(
        link: Link,
        sending: Sending,
        receive: Receive,
        lease: Lease,
        keep_alive: bool,
        (config, until): (&ClientConfig, Option<Instant>),
    ) -> Receiving {
        Receiving {
            at_work: Some(AtWork { link, sending, lease }),
            receive,
            keep_alive,
            limits: config.limits(),
            rate: RateWatch::new(config.content_rate),
            until,
            trailers: None,
        }
    }

    /// All content has come: gives the connection back when it may be used again, and closes it when not.
    pub(super) fn settle(mut self) {
        self.end();
    }

    fn end(&mut self) {
        let Some(AtWork { link, sending, lease }) = self.at_work.take() else { return };
        // RFC 9112 9.3: both messages are over, both sides want to go on, and nothing is behind the answer: what is there
        // belongs to no request.
        let is_whole = self.receive.is_ended() && sending.is_sent();
        let is_clean = link.inbound.buffer.is_empty() && !link.inbound.is_ended();
        if self.keep_alive && is_whole && is_clean {
            lease.give_back(link);
        }
    }

    /// Ends, unless there is more of the request to be sent.
    fn end_if_sent(&mut self) {
        if self.at_work.as_ref().is_some_and(|work| work.sending.is_over()) {
            self.end();
        }
    }

    /// The answer is whole, the request is not: ready when it is sent, or nobody reads it.
    fn poll_request(&mut self, cx: &mut Context<'_>) -> Poll<Result<(), BodyError>> {
        let Some(AtWork { link, sending, .. }) = &mut self.at_work else { return Poll::Ready(Ok(())) };
        if !sending.is_over() {
            let inbound = &mut link.inbound;
            let watched = inbound.buffer.is_empty() && !inbound.is_ended();
            if !watched || inbound.poll_fill(cx, PIECE_BYTES).is_pending() {
                return self.poll_patience(cx).map(Err);
            }
            // RFC 9112 9.5: behind its answer comes the server's end, or what belongs to no request.
            sending.break_off();
        }
        self.end();
        Poll::Ready(Ok(()))
    }

    /// Breaks off: the connection is closed.
    fn fail(&mut self, error: BodyError) -> BodyError {
        self.at_work = None;
        error
    }

    /// Breaks off since time ran out: by the peer's fault, unless it waits for content that our caller does not produce.
    fn fail_late(&mut self) -> BodyError {
        let is_ours = |work: &AtWork| !work.sending.is_over() && work.link.outbound.stalled_until().is_none();
        let is_ours = self.at_work.as_ref().is_some_and(is_ours);
        self.fail(if is_ours { BodyError::Source(Box::new(ClientError::Stalled)) } else { BodyError::TooSlow })
    }

    /// What the bytes at hand yield: a piece, or the end; `None` when more are needed.
    fn step(&mut self) -> Result<Option<Option<Bytes>>, BodyError> {
        loop {
            let Some(AtWork { link, .. }) = &mut self.at_work else { return Ok(Some(None)) };
            if self.receive.is_ended() {
                return Ok(Some(None));
            }
            let unread = link.inbound.buffer.unread();
            let (used, received) = match self.receive.step(unread, &self.limits) {
                Ok(step) => step,
                Err(error) => {
                    let problem = Problem::of_content(error, unread, self.receive.taken()).with_limit_of(&self.limits);
                    return Err(self.fail(BodyError::Malformed(Box::new(problem))));
                }
            };
            let piece = matches!(received, Received::Content).then(|| Bytes::copy_from_slice(&unread[..used]));
            link.inbound.buffer.consume(used);
            if self.receive.is_ended() {
                self.trailers = self.receive.take_trailers();
                self.end_if_sent();
            }
            match (piece, received) {
                (Some(piece), _) => return Ok(Some(Some(piece))),
                (None, Received::NeedMore) => return Ok(None),
                (None, Received::End) => return Ok(Some(None)),
                (None, Received::Framing | Received::Content) => {}
            }
        }
    }

    /// Goes on with the request, where its answer came first.
    fn poll_send(&mut self, cx: &mut Context<'_>) -> Result<(), BodyError> {
        let Some(AtWork { link, sending, .. }) = &mut self.at_work else { return Ok(()) };
        let sent = sending.poll(&mut link.outbound, cx);
        let Poll::Ready(Err(error)) = sent else { return Ok(()) };
        match SendError::into_body_error(error) {
            Some(error) => Err(self.fail(error)),
            // The answer may be whole all the same.
            None => Ok(()),
        }
    }

    /// Whether more is to come than fits into the buffer, which is empty.
    fn much_is_to_come(&self) -> bool {
        let is_empty = self.at_work.as_ref().is_some_and(|work| work.link.inbound.buffer.is_empty());
        is_empty
            && match self.receive {
                Receive::Length { left, .. } => left > PIECE_BYTES as u64,
                Receive::UntilClose { taken } => taken > PIECE_BYTES as u64,
                Receive::Chunked(_) | Receive::Ended(_) => false,
            }
    }

    /// Reads once: into the buffer, or a piece past it. Ready with the piece, if it is one.
    fn poll_read(&mut self, cx: &mut Context<'_>) -> Poll<Result<Option<Bytes>, BodyError>> {
        let much = self.much_is_to_come();
        let Some(AtWork { link, .. }) = &mut self.at_work else { return Poll::Ready(Ok(None)) };
        let mut piece = much.then(Piece::take);
        let read = match &mut piece {
            Some(piece) => {
                let left = self.receive.left().and_then(|left| usize::try_from(left).ok()).unwrap_or(usize::MAX);
                let most = left.min(LARGE_PIECE_BYTES);
                link.inbound.poll_read_past(cx, &mut piece.room()[..most])
            }
            None => link.inbound.poll_fill(cx, PIECE_BYTES),
        };
        let count = match read {
            Poll::Ready(Ok(count)) if count > 0 => count,
            // RFC 9112 8: an end is one only where the answer has no other.
            Poll::Ready(Ok(_)) if self.receive.close() => {
                self.end();
                return Poll::Ready(Ok(None));
            }
            Poll::Ready(_) => return Poll::Ready(Err(self.fail(BodyError::Incomplete))),
            Poll::Pending => return self.poll_patience(cx).map(Err),
        };
        self.rate.moved(Instant::now(), count);
        let Some(piece) = piece else { return Poll::Ready(Ok(None)) };
        let bytes = piece.into_bytes(count);
        // No more was read than is left, so it is content, all of it.
        let stepped = self.receive.step(&bytes, &self.limits);
        debug_assert_eq!(stepped, Ok((count, Received::Content)));
        if self.receive.is_ended() {
            self.end_if_sent();
        }
        Poll::Ready(Ok(Some(bytes)))
    }

    fn poll_patience(&mut self, cx: &mut Context<'_>) -> Poll<BodyError> {
        let Some(AtWork { link, sending, .. }) = &mut self.at_work else { return Poll::Pending };
        // A server that waits for the rest of the request has nothing to say.
        let slow = if sending.is_over() { self.rate.wait(Instant::now()) } else { link.outbound.stalled_until() };
        ready!(link.timer.poll_expired(earlier(slow, self.until), cx));
        Poll::Ready(self.fail_late())
    }
}

impl Source for Receiving {
    fn poll_next(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Result<Bytes, BodyError>>> {
        if self.at_work.is_none() {
            return Poll::Ready(None);
        }
        // Content that never lets anybody wait has an end all the same.
        if self.until.is_some_and(|until| until <= Instant::now()) {
            return Poll::Ready(Some(Err(self.fail_late())));
        }
        if let Err(error) = self.poll_send(cx) {
            return Poll::Ready(Some(Err(error)));
        }
        loop {
            if self.receive.is_ended() {
                return self.poll_request(cx).map(|sent| sent.err().map(Err));
            }
            match self.step() {
                Ok(Some(None)) if self.at_work.is_some() => continue,
                Ok(Some(piece)) => return Poll::Ready(piece.map(Ok)),
                Ok(None) => {}
                Err(error) => return Poll::Ready(Some(Err(error))),
            }
            match ready!(self.poll_read(cx)) {
                Ok(None) => {}
                Ok(Some(piece)) => return Poll::Ready(Some(Ok(piece))),
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
