//! Owns a spell of work of a connection: read a head, lend the content, call the handler, send the answer, again.
//!
//! ```text
//!            ┌───────────────────────── kept alive ─────────────────────────────────┐
//!            v                                                                      │
//!   parse_head ──head──> open_request ──Request──> handler ──Response──> answer ────┤
//!       │ refused            │ refused               │ gone                         │ not kept alive
//!       v                    v                       v                              v
//!     close: answer the refusal, flush, FIN, linger until the peer has read it
//! ```
//!
//! When nothing of another request has come for a moment and all is sent, the connection goes back to [`Idle`].
//!
//! This is the only place where bytes, time and handlers meet; what it decides is decided by the cores in
//! [`h1`](crate::http::h1). It keeps no protocol state across an await but in `self`, so the task may be dropped at any
//! point.
//!
//! Spec: RFC 9112 9 (connections), 9.6 (tear-down); RFC 9110 10.1.1 (100 Continue), 15.5.9 (408).
//! Never: closes without a word while a request has begun.
//! Invariant: `inbound` is `None` exactly while it is lent.

use std::convert::Infallible;
use std::future::Future;
use std::pin::{Pin, pin};
use std::sync::Arc;
use std::task::{Context, Poll, ready};
use std::time::Duration;

use bytes::Bytes;
use tokio::time::Instant;

use crate::http::caught::poll_caught;
use crate::http::durations::Durations;
use crate::http::explain::{Problem, Style};
use crate::http::field::Known;
use crate::http::h1::framing::{Content, RequestFraming};
use crate::http::h1::head::{HeadParser, Progress};
use crate::http::h1::machine::Receive;
use crate::http::h1::{chunked, encode};
use crate::http::recycle::Recycled;
use crate::http::request::{Head, Peer};
use crate::http::route_id::RouteId;
use crate::http::server::answer::final_answer;
use crate::http::server::content::{self, Loan};
use crate::http::server::idle::{Idle, Left};
use crate::http::server::refusal::{Refusal, accept_lines, style};
use crate::http::server::{Shared, trace};
use crate::http::tally::Reached;
use crate::http::upgrade::OnUpgrade;
use crate::http::{Body, Fault, Handler, IntoResponse, Method, Request, Response, Status, Version};
use crate::net::connection::{Inbound, Lost, Outbound};
use crate::net::context::{self, Reason};
use crate::net::deadline::{Phase, Timer, within};
use crate::net::registry::Registered;
use crate::net::shutdown;
use crate::net::tap::Tap;
use crate::net::transport::Transport;

/// One connection and what drives it.
pub(super) struct Driver<T: Transport> {
    pub(super) inbound: Option<Inbound<T::Reader>>,
    pub(super) outbound: Outbound<T::Writer>,
    pub(super) card: Registered,
    pub(super) tap: Tap,
    pub(super) timer: Timer,
    /// When the phase must be over.
    pub(super) deadline: Option<Instant>,
    /// The last time the clock was read: at most one wake-up old.
    pub(super) now: Instant,
    /// The first bytes of the next answer are already queued: see [`Driver::probe`].
    pub(super) answer_begun: bool,
    /// The end of the connection is the end of an answer that is being sent, and is not yet sent.
    pub(super) ends_by_close: bool,
    /// A request was answered, and its phase is not yet left.
    pub(super) awaits_next: bool,
    pub(super) peer: Served,
}

/// The peer of a connection that is served. Its context ends with the connection, also when the task is dropped.
pub(super) struct Served(pub(super) Arc<Peer>);

impl Drop for Served {
    fn drop(&mut self) {
        self.0.cancel(Reason::PeerGone);
    }
}

/// What must be remembered of a request while its handler has it.
#[derive(Clone, Copy, Debug)]
pub(super) struct Asked {
    pub(super) method: Method,
    pub(super) version: Version,
    pub(super) keep_alive: bool,
    /// Whether the client has invited us to another protocol.
    pub(super) upgrade: bool,
    pub(super) wording: Wording,
    /// When its head was there.
    pub(super) began: Instant,
    /// When its handler must have answered.
    pub(super) deadline: Option<Instant>,
}

/// How the answer words what went wrong. Nothing does, for most requests, and then nobody looks at what they accept.
#[derive(Clone, Copy, Debug)]
pub(super) enum Wording {
    /// Nobody has looked. Nothing was read since, so the head is still in the read buffer: its `head_len` bytes begin
    /// `bytes_back` before the first unread one.
    InBuffer { head_len: usize, bytes_back: usize },
    /// The head was looked at.
    Decided(Style),
}

/// Why no more requests are served now.
pub(super) enum End {
    /// All is answered and sent, and nothing of another request has come.
    Idle,
    /// All was said: flush, FIN, and let the peer read.
    Finished(&'static str),
    /// The peer erred, or we cannot serve it: say so, then as `Finished`.
    Refused(Box<Refusal>),
    /// Nothing can be said any more.
    Lost(Lost),
    /// An answer broke off, and a close is the only way to tell (RFC 9112 8): as `Finished`, its end missing.
    Broken(String),
    /// The server will wait no longer.
    Forced,
    /// Another protocol takes over.
    Upgraded(OnUpgrade),
}

/// A head and what it says about its content and connection.
type Understood = (Recycled<Head>, RequestFraming);

impl Wording {
    /// So many bytes behind the head were consumed, too.
    fn passes(&mut self, bytes: usize) {
        if let Wording::InBuffer { bytes_back, .. } = self {
            *bytes_back += bytes;
        }
    }
}

/// A head that has come in part, and where its parser stands.
struct BegunHead {
    head: Recycled<Head>,
    parser: HeadParser,
}

/// The loan of a request's content, when it was not all there.
pub(super) type MaybeLoan<T> = Option<Arc<Loan<<T as Transport>::Reader>>>;

impl<T: Transport> Driver<T> {
    /// Takes up a connection at which something has happened.
    fn new<H>(shared: &Shared<H>, idle: Idle<T>) -> Driver<T> {
        let Idle { inbound, writer, card, tap, peer } = idle;
        Driver {
            inbound: Some(inbound),
            outbound: Outbound::new(writer, shared.config.deadlines.write_rate),
            deadline: card.deadline_at(),
            card,
            tap,
            timer: Timer::default(),
            now: Instant::now(),
            answer_begun: false,
            ends_by_close: false,
            awaits_next: false,
            peer,
        }
    }

    /// Serves request after request until none is there. `None` when the connection is over.
    pub(super) fn serve<H: Handler>(
        idle: Idle<T>,
        shared: Arc<Shared<H>>,
    ) -> impl Future<Output = Option<Left<T, H>>> + Send {
        // Made here, so that the future has room for the driver alone.
        let mut driver = Driver::new(&shared, idle);
        async move {
            let Err(end) = driver.exchanges(&shared).await;
            if let End::Idle = end {
                return Some((driver.into_idle(), shared));
            }
            Box::pin(driver.end(&shared, end)).await;
            None
        }
    }

    /// Gives back everything that an idle connection has no need of.
    fn into_idle(self) -> Idle<T> {
        let Driver { inbound, outbound, card, tap, peer, .. } = self;
        let inbound = inbound.expect("content is back before the next head");
        Idle { inbound, writer: outbound.into_writer(), card, tap, peer }
    }

    /// Answers `problem` before anything was asked.
    pub(super) async fn refuse<H: Handler>(mut idle: Idle<T>, shared: &Shared<H>, problem: Problem) {
        std::future::poll_fn(|cx| {
            idle.begin(shared, Phase::Write, cx);
            Poll::Ready(())
        })
        .await;
        Driver::new(shared, idle).end(shared, End::Refused(Refusal::of_nothing(shared, problem))).await;
    }

    /// Requests and their answers, until no more are served now. One function, since what is kept across an await costs
    /// moves: a request that has come whole and is answered at once passes through without waiting anywhere.
    async fn exchanges<H: Handler>(&mut self, shared: &Shared<H>) -> Result<Infallible, End> {
        loop {
            if self.outbound.output.len() >= shared.config.limits.output_bytes_max {
                self.await_output_room(shared).await?;
            }
            let mut begun = None;
            let (head, framing) = loop {
                match self.parse_head(shared, &mut begun)? {
                    Some(understood) => break understood,
                    None => self.await_bytes(shared).await?,
                }
            };
            if shared.watch.shutdown.phase() == shutdown::Phase::Forced {
                // What its handler would do, nobody would be told.
                return Err(End::Forced);
            }
            let mut asked = self.asked(shared, &head, &framing);
            let (request, mut loan) = self.open_request(shared, head, &framing, &mut asked)?;
            // No deadline of its own tells such a context that the time is up: see `open_request`.
            let context = loan.is_some().then(|| request.context().clone());
            let watched = self.tap.is_watched();
            if watched {
                self.enter(Phase::Handler, asked.deadline);
            }
            let mut response = {
                // A block, so that what a handler does before its first await is caught too.
                let mut handling = pin!(async { shared.handler.handle(request).await });
                // A handler that answers at once is not worth a phase, unless somebody looks.
                match std::future::poll_fn(|cx| Poll::Ready(poll_caught(handling.as_mut(), cx))).await {
                    Poll::Ready(response) => response,
                    Poll::Pending => {
                        if !watched {
                            self.enter(Phase::Handler, asked.deadline);
                        }
                        self.decide_wording(shared, &mut asked);
                        match Box::pin(self.await_handler(shared, handling, &mut loan, context)).await {
                            Ok(response) => response,
                            Err(end) => return Err(self.unanswered(shared, &asked, end)),
                        }
                    }
                }
            };
            if watched {
                self.now = Instant::now();
            }
            if response.status().is_informational() {
                response = final_answer(response, &asked);
            }
            // The common answer is all there and waits for nothing. The other path is boxed: its state is large, and every
            // connection that goes to work would allocate it.
            match loan {
                None if response.body().is_ready() => self.answer_ready(shared, &asked, response)?,
                loan => {
                    self.decide_wording(shared, &mut asked);
                    let answered = Box::pin(self.answer(shared, &asked, response, loan)).await;
                    self.now = Instant::now();
                    answered?;
                }
            }
        }
    }

    /// What must be remembered of a request.
    fn asked<H>(&mut self, shared: &Shared<H>, head: &Head, framing: &RequestFraming) -> Asked {
        self.awaits_next = true;
        self.peer.0.lead_to(RouteId::NONE);
        Asked {
            method: head.method,
            version: head.version,
            keep_alive: framing.keep_alive,
            upgrade: framing.upgrade,
            wording: Wording::InBuffer { head_len: head.fields.bytes.len(), bytes_back: head.fields.bytes.len() },
            began: self.now,
            deadline: within(self.now, shared.config.deadlines.handler),
        }
    }

    /// Counts a request that is over: the last byte of its answer is on its way.
    #[inline]
    pub(super) fn count<H>(&mut self, shared: &Shared<H>, asked: &Asked, status: Status) {
        if let Some(durations) = &shared.watch.durations {
            self.count_in(durations, asked, status);
        }
    }

    fn count_in(&mut self, durations: &Durations, asked: &Asked, status: Status) {
        self.now = Instant::now();
        let took = self.now.saturating_duration_since(asked.began);
        durations.record(Some(asked.method), self.peer.0.route(), status, took);
    }

    /// Counts a request that is never answered, as the access log does: because of `end`.
    pub(super) fn unanswered<H>(&mut self, shared: &Shared<H>, asked: &Asked, end: End) -> End {
        let is_ours = matches!(end, End::Forced);
        let status = if is_ours { Status::SERVICE_UNAVAILABLE } else { Status::CLIENT_CLOSED_REQUEST };
        self.count(shared, asked, status);
        end
    }

    /// Goes on parsing in what has arrived; `None` when the head is not complete. Most heads arrive whole, and nothing is
    /// made for their parser.
    fn parse_head<H>(
        &mut self,
        shared: &Shared<H>,
        begun: &mut Option<Box<BegunHead>>,
    ) -> Result<Option<Understood>, End> {
        let inbound = self.inbound.as_mut().expect("content is back before the next head");
        let unread = inbound.buffer.unread();
        if unread.is_empty() {
            return Ok(None);
        }
        let (mut head, mut parser) = match begun.take() {
            None => (Recycled::<Head>::take(), HeadParser::default()),
            Some(begun) => (begun.head, begun.parser),
        };
        let len = match parser.parse(unread, &shared.config.limits, &mut head.parsed) {
            Ok(Progress::Done { len }) => len,
            Ok(Progress::NeedMore) => {
                *begun = Some(Box::new(BegunHead { head, parser }));
                return Ok(None);
            }
            Err(error) => {
                if self.tap.is_watched() {
                    trace::head_refused(&mut self.tap, unread, error.at);
                }
                return Err(End::Refused(Refusal::of_head(shared, unread, error)));
            }
        };
        let framing = head.accept(&unread[..len], Arc::clone(&self.peer.0));
        inbound.buffer.consume(len);
        if self.tap.is_watched() {
            trace::head_received(&mut self.tap, &head.fields.bytes, &framing);
        }
        match framing {
            Ok(framing) => Ok(Some((head, framing))),
            Err(error) => Err(End::Refused(Refusal::of_head(shared, &head.fields.bytes, error))),
        }
    }

    /// The request as its handler gets it, and the loan of its content, when that was not all there.
    fn open_request<H>(
        &mut self,
        shared: &Shared<H>,
        mut head: Recycled<Head>,
        framing: &RequestFraming,
        asked: &mut Asked,
    ) -> Result<(Request, MaybeLoan<T>), End> {
        let bytes_max = shared.config.limits.content_bytes_max;
        head.content_bytes_max = bytes_max;
        head.deadline = asked.deadline;
        let opened = self.open_content(shared, &head, framing, asked);
        let (mut content, loan) =
            opened.map_err(|problem| End::Refused(Refusal::of_request(asked, self.style(shared, asked), problem)))?;
        content.limit(bytes_max);
        if loan.is_some() {
            // While content is coming the handler's deadline moves, and a context's cannot.
            head.deadline = None;
            head.time = Some(shared.config.deadlines.handler).filter(|time| *time < Duration::MAX);
        }
        Ok((Request::new(head, content), loan))
    }

    /// The request's content: all of it when it has arrived with the head, else a loan of the receiving half.
    fn open_content<H>(
        &mut self,
        shared: &Shared<H>,
        head: &Head,
        framing: &RequestFraming,
        asked: &mut Asked,
    ) -> Result<(Body, MaybeLoan<T>), Problem> {
        let config = &shared.config;
        let inbound = self.inbound.as_mut().expect("content is back before the next head");
        let unread = inbound.buffer.unread();
        match framing.content {
            Content::None | Content::Length(0) => return Ok((Body::empty(), None)),
            Content::Length(length) if length <= unread.len() as u64 => {
                let content = Bytes::copy_from_slice(&unread[..length as usize]);
                if self.tap.is_watched() {
                    self.tap.received(trace::CONTENT, &content);
                }
                inbound.buffer.consume(content.len());
                asked.wording.passes(content.len());
                return Ok((Body::from(content), None));
            }
            Content::Length(_) => {}
            Content::Chunked => {
                let whole = chunked::decode_whole(unread, &config.limits);
                let refused = |error| Problem::of_content(error, unread, 0).with_limit_of(&config.limits);
                if let Some(whole) = whole.map_err(refused)? {
                    if self.tap.is_watched() {
                        trace::chunks_received(&mut self.tap, &unread[..whole.used], &config.limits);
                    }
                    inbound.buffer.consume(whole.used);
                    asked.wording.passes(whole.used);
                    return Ok((Body::whole(whole.content, whole.trailers), None));
                }
            }
        }
        asked.wording = Wording::Decided(style(shared, head.fields.known(Known::Accept)));
        let inbound = self.inbound.take().expect("it was there a moment ago");
        let (loan, lent) = content::lend(
            inbound,
            Receive::of(framing.content),
            framing.expect_continue,
            (&config.limits, &config.deadlines),
            (Arc::clone(&self.card), self.tap.clone(), Arc::clone(&shared.watch.tally)),
        );
        Ok((Body::source(lent), Some(loan)))
    }

    /// Waits for a handler that has not answered at once, and watches the peer meanwhile.
    async fn await_handler<H>(
        &mut self,
        shared: &Shared<H>,
        mut handling: Pin<&mut impl Future<Output = Response>>,
        loan: &mut MaybeLoan<T>,
        context: Option<context::Context>,
    ) -> Result<Response, End> {
        let mut polled = true;
        let response = std::future::poll_fn(|cx| {
            if !std::mem::take(&mut polled)
                && let Poll::Ready(response) = poll_caught(handling.as_mut(), cx)
            {
                return Poll::Ready(Ok(response));
            }
            self.reclaim(shared, loan);
            let outcome = ready!(self.poll_while_handling(shared, loan.as_ref(), cx));
            if let (Ok(_timed_out), Some(context)) = (&outcome, &context) {
                context.cancel(Reason::DeadlineExceeded);
            }
            Poll::Ready(outcome)
        })
        .await;
        self.now = Instant::now();
        response
    }

    /// Looks at what the request accepts, before its head is overwritten.
    fn decide_wording<H>(&self, shared: &Shared<H>, asked: &mut Asked) {
        asked.wording = Wording::Decided(self.style(shared, asked));
    }

    /// How what went wrong is worded for whoever sent this request.
    pub(super) fn style<H>(&self, shared: &Shared<H>, asked: &Asked) -> Style {
        match (asked.wording, &self.inbound) {
            (Wording::Decided(style), _) => style,
            (Wording::InBuffer { head_len, bytes_back }, Some(inbound)) => {
                style(shared, accept_lines(&inbound.buffer.consumed(bytes_back)[..head_len]))
            }
            (Wording::InBuffer { .. }, None) => unreachable!("decided before the buffer was lent"),
        }
    }

    /// Takes the receiving half back as soon as all content has come: from then on a peer that leaves is noticed.
    fn reclaim<H>(&mut self, shared: &Shared<H>, loan: &mut MaybeLoan<T>) {
        if let Some(inbound) = loan.as_ref().and_then(|loan| loan.take_back_whole()) {
            self.inbound = Some(inbound);
            *loan = None;
            self.now = Instant::now();
            self.enter(Phase::Handler, within(self.now, shared.config.deadlines.handler));
        }
    }

    /// Ready when the handler's answer is not awaited any longer.
    pub(super) fn poll_while_handling<H>(
        &mut self,
        shared: &Shared<H>,
        loan: Option<&Arc<Loan<T::Reader>>>,
        cx: &mut Context<'_>,
    ) -> Poll<Result<Response, End>> {
        if let Err(end) = self.watch_peer(shared, loan, cx) {
            return Poll::Ready(Err(end));
        }
        loop {
            ready!(self.poll_expired(cx))?;
            if !loan.is_some_and(|loan| loan.take_moved()) {
                shared.watch.tally.reached(Reached::Handler);
                return Poll::Ready(Ok(Problem::new(Fault::HandlerTimedOut).into_response()));
            }
            // Content has come meanwhile: a long upload is judged by its rate, not by the handler's deadline.
            self.enter(Phase::Handler, within(self.now, shared.config.deadlines.handler));
        }
    }

    /// The first bytes of every answer are the same. Sending them to a peer that has said its last word tells a client
    /// that only closed its sending half, which reads on, from one that is gone, whose kernel answers with a reset.
    pub(super) fn probe(&mut self) {
        if !self.answer_begun {
            self.outbound.output.tail().extend_from_slice(encode::PREFIX);
            self.answer_begun = true;
            if self.tap.is_watched() {
                self.tap.decided("the peer has finished: is it gone, or does it still read?", "RFC 9112 9.6");
                self.tap.sent(trace::ANSWER_BEGIN, encode::PREFIX);
            }
        }
    }

    /// Moves the deadline of the phase, which the card tells too.
    pub(super) fn until(&mut self, deadline: Option<Instant>) {
        if deadline != self.deadline {
            self.deadline = deadline;
            self.card.deadline(deadline);
        }
    }

    pub(super) fn enter(&mut self, phase: Phase, deadline: Option<Instant>) {
        let from = self.card.phase();
        self.deadline = deadline;
        self.card.enter(phase, self.now);
        self.card.deadline(deadline);
        if self.tap.is_watched() {
            trace::entered(&mut self.tap, from, phase, deadline);
        }
    }
}
