//! Owns one exchange up to the head of its answer: sends, and reads what comes meanwhile.
//!
//! ```text
//!   Link ──▶ is it silent? ──▶ request-head queued ──▶ ┌ sending ┐ ──▶ answer-head ──▶ Answer{body: Receiving}
//!                 │ no: Unasked, or stale              │ reading │         └── all content is there: back to the pool
//!                 ▼                                    └─────────┘
//! ```
//!
//! Both halves are polled each time, so that an answer that comes early is read early.
//!
//! Spec: RFC 9112 4 (answers), 6.3, 9.2 (an answer belongs to the request before it), 9.3, 9.5; RFC 9110 15.2 (interim).
//! Never: takes what came before the request for its answer; decides whether to try again (that is [`super`]).
//! Limits: `answer`, `head`, `write_rate`, `head_bytes_max` of [`ClientConfig`].

use std::task::{Context, Poll, ready};
use std::time::Duration;

use bytes::Bytes;
use tokio::time::Instant;

use crate::http::client::config::ClientConfig;
use crate::http::client::error::{ClientError, Phase};
use crate::http::client::pool::{Lease, Link, is_silent};
use crate::http::client::receiving::Receiving;
use crate::http::client::sending::{SendError, Sending};
use crate::http::h1::answer_head::{AnswerError, AnswerFault, AnswerHead, AnswerParser, Found};
use crate::http::h1::encode::{OutgoingHead, encode_request_head};
use crate::http::h1::framing::decide_answer;
use crate::http::h1::machine::Receive;
use crate::http::{Body, Fields, Limits, Method, Status, Version};
use crate::net::connection::Lost;
use crate::net::deadline::{earlier, within};

/// One request on one connection, until the head of its answer has come.
pub(super) struct Exchange {
    link: Link,
    sending: Sending,
    method: Method,
    limits: Limits,
    times: Times,
    parser: AnswerParser,
    head: AnswerHead,
    /// Bytes of an answer have come.
    has_begun: bool,
    /// When the answer's head must have come, once the request is sent.
    answer_until: Option<Instant>,
    /// When the head in hand must have come.
    head_until: Option<Instant>,
}

/// How long things may take.
#[derive(Clone, Copy)]
struct Times {
    answer: Duration,
    head: Duration,
    /// The end of the whole request.
    until: Option<Instant>,
}

/// The head of an answer.
pub(super) struct Head {
    pub(super) status: Status,
    pub(super) version: Version,
    pub(super) fields: Fields,
}

impl Exchange {
    /// The exchange that begins with `head`, and goes on with `content`.
    pub(super) fn new(
        mut link: Link,
        head: &OutgoingHead<'_>,
        content: Body,
        config: &ClientConfig,
        until: Option<Instant>,
    ) -> Exchange {
        encode_request_head(head, link.outbound.output.tail());
        Exchange {
            link,
            sending: Sending::new(content, head.content),
            method: head.method,
            limits: config.limits(),
            times: Times { answer: config.answer, head: config.head, until },
            parser: AnswerParser::default(),
            head: AnswerHead::default(),
            has_begun: false,
            answer_until: None,
            head_until: None,
        }
    }

    /// Sends the request and reads the head of its answer.
    ///
    /// # Cancel safety
    /// None: who drops the future drops the exchange, and the connection with it.
    pub(super) async fn run(&mut self) -> Result<Head, ClientError> {
        let silent = std::future::poll_fn(|cx| Poll::Ready(is_silent(&mut self.link.inbound, cx))).await;
        match (silent, self.link.inbound.is_ended()) {
            (true, _) => std::future::poll_fn(|cx| self.poll(cx)).await,
            (false, true) => Err(ClientError::Ended(Phase::Write)),
            // RFC 9112 9.2: an answer that came before its request is none.
            (false, false) => Err(ClientError::Unasked),
        }
    }

    /// Whether any byte of an answer has come.
    pub(super) fn has_begun(&self) -> bool {
        self.has_begun
    }

    /// The content behind `head`. Where all of it has come already, the connection goes back at once.
    pub(super) fn into_body(mut self, lease: Lease, head: &Head, config: &ClientConfig) -> Result<Body, AnswerError> {
        let decided = decide_answer(head.version, self.method, head.status, &head.fields);
        // Closed before its place is free.
        let framing = decided.inspect_err(|_| self.link.outbound.abort())?;
        if !framing.keep_alive || head.status.is_error() {
            // RFC 9112 9.5: who closes reads no more, and who says no has said what becomes of the content.
            self.sending.break_off();
        }
        let mut receive = Receive::of_answer(framing.content());
        // RFC 9110 7.5: any other answer that comes early leaves the request to be sent on, by whoever reads its content.
        let whole = if self.sending.is_over() { take_whole(&mut self.link, &mut receive) } else { None };
        let receiving =
            Receiving::new(self.link, self.sending, receive, lease, framing.keep_alive, (config, self.times.until));
        Ok(match whole {
            Some(content) => {
                receiving.settle();
                Body::from(content)
            }
            None => Body::source(receiving),
        })
    }

    fn poll(&mut self, cx: &mut Context<'_>) -> Poll<Result<Head, ClientError>> {
        self.poll_send(cx)?;
        loop {
            if let Some(head) = self.parse().map_err(ClientError::Malformed)? {
                return Poll::Ready(Ok(head));
            }
            match self.link.inbound.poll_fill(cx, self.limits.head_bytes_max) {
                Poll::Ready(Ok(0)) => return Poll::Ready(Err(ClientError::Ended(self.phase()))),
                Poll::Ready(Ok(_)) => self.has_begun = true,
                Poll::Ready(Err(error)) => return Poll::Ready(Err(ClientError::Lost(self.phase(), error))),
                Poll::Pending => return self.poll_time(cx).map(Err),
            }
        }
    }

    fn poll_send(&mut self, cx: &mut Context<'_>) -> Result<(), ClientError> {
        match self.sending.poll(&mut self.link.outbound, cx) {
            Poll::Ready(Err(SendError::Caller(error))) => return Err(error),
            Poll::Ready(Err(SendError::Lost(Lost::TooSlow))) => return Err(ClientError::TimedOut(Phase::Write)),
            // What the server said before it stopped reading is still to be read (RFC 9112 9.6).
            Poll::Ready(Err(SendError::Lost(Lost::Gone)) | Ok(())) if self.answer_until.is_none() => {
                self.answer_until = within(Instant::now(), self.times.answer);
            }
            Poll::Ready(_) | Poll::Pending => {}
        }
        Ok(())
    }

    /// Goes on parsing in what has come.
    fn parse(&mut self) -> Result<Option<Head>, AnswerError> {
        loop {
            let unread = self.link.inbound.buffer.unread();
            match self.parser.parse(unread, &self.limits, &mut self.head)? {
                Found::NeedMore => return Ok(None),
                Found::Interim { len } => {
                    self.link.inbound.buffer.consume(len);
                    self.head_until = None;
                }
                // RFC 9110 15.2.2: nobody asked for another protocol.
                Found::Answer { .. } if self.head.status() == Status::SWITCHING_PROTOCOLS => {
                    return Err(AnswerFault::SwitchedUnasked.at(0));
                }
                Found::Answer { len } => {
                    let fields = self.head.take_fields(unread[..len].to_vec());
                    self.link.inbound.buffer.consume(len);
                    return Ok(Some(Head { status: self.head.status(), version: self.head.version(), fields }));
                }
            }
        }
    }

    fn phase(&self) -> Phase {
        match (self.has_begun, self.sending.is_over()) {
            (true, _) => Phase::Head,
            (false, true) => Phase::Answer,
            (false, false) => Phase::Write,
        }
    }

    fn poll_time(&mut self, cx: &mut Context<'_>) -> Poll<ClientError> {
        if !self.link.inbound.buffer.is_empty() && self.head_until.is_none() {
            self.head_until = within(Instant::now(), self.times.head);
        }
        let read_until = earlier(self.head_until, self.answer_until);
        let until = earlier(earlier(read_until, self.link.outbound.stalled_until()), self.times.until);
        ready!(self.link.timer.poll_expired(until, cx));
        // Nothing is queued for the peer, and no word of it was due.
        let is_ours = !self.sending.is_over() && self.link.outbound.stalled_until().is_none() && read_until.is_none();
        Poll::Ready(if is_ours { ClientError::Stalled } else { ClientError::TimedOut(self.phase()) })
    }
}

/// The content, when its length is known and all of it has come.
fn take_whole(link: &mut Link, receive: &mut Receive) -> Option<Bytes> {
    let left = match receive {
        Receive::Ended(_) => 0,
        Receive::Length { left, .. } => {
            usize::try_from(*left).ok().filter(|&left| left <= link.inbound.buffer.len())?
        }
        Receive::Chunked(_) | Receive::UntilClose { .. } => return None,
    };
    let content = Bytes::copy_from_slice(&link.inbound.buffer.unread()[..left]);
    link.inbound.buffer.consume(left);
    *receive = Receive::Ended(None);
    Some(content)
}
