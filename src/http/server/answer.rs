//! Owns the way of an answer to the wire, and what becomes of content that nobody read.
//!
//! ```text
//!   Response ─> first piece ─> is the content settled? ─> framing ─> head ─> pieces ─> drain ─> next request
//!                   │ failed          │ refused
//!                   └────> the failure is the answer, as long as no byte of another was sent
//! ```
//!
//! While a handler streams an answer out of content that is still coming, the head waits for the first piece: content that
//! turns out to be malformed is then still answered with 400.
//!
//! Spec: RFC 9112 6.3 (length), 7.1 (chunks), 8 (incomplete messages), 9.3 (unread content and reuse); RFC 9110 10.1.1.
//! Never: produces while more than `output_bytes_max` wait to be sent.
//! Limits: `output_bytes_max`, `drain_bytes_max`, `write_rate`.

use std::sync::Arc;
use std::task::{Context, Poll, ready};

use bytes::Bytes;
use tokio::time::Instant;

use crate::http::body::BodyError;
use crate::http::caught::caught;
use crate::http::date;
use crate::http::explain::{Place, Problem, Style};
use crate::http::field::name;
use crate::http::h1::chunked;
use crate::http::h1::encode::{AnswerHead, Connection, encode_answer_head};
use crate::http::h1::framing::{AnswerContent, AnswerFraming, decide_response};
use crate::http::h1::machine::{Receive, Received};
use crate::http::route_id::RouteId;
use crate::http::server::content::Loan;
use crate::http::server::drive::{Asked, Driver, End, MaybeLoan};
use crate::http::server::refusal::Refusal;
use crate::http::server::{Shared, trace};
use crate::http::tally::{Reached, Tally};
use crate::http::upgrade::OnUpgrade;
use crate::http::{Body, IntoResponse, Limits, Response, Status};
use crate::net::buffer::PIECE_BYTES;
use crate::net::connection::Lost;
use crate::net::deadline::{Phase, within};
use crate::net::transport::Transport;

/// Bytes that are queued before a write, as long as the answer has more ready and as many may wait.
pub(crate) const BATCH_BYTES: usize = 16 * 1024;

/// What is left of a request's content when its answer begins.
enum Rest<T: Transport> {
    /// Nothing.
    Done,
    /// Somebody still reads it.
    Lent(Arc<Loan<T::Reader>>),
    /// Nobody read it.
    Unread {
        receive: Receive,
        /// The client waits for a 100 that it will not get.
        unasked: bool,
    },
}

/// A streamed answer whose head is queued.
struct Begun {
    framing: AnswerFraming,
    body: Body,
    endless: bool,
}

/// One piece of an answer's content, or its end.
type Piece = Option<Result<Bytes, BodyError>>;

impl<T: Transport> Driver<T> {
    /// Queues an answer that is all there, to a request of which nothing is left. Waits for nothing.
    #[inline]
    pub(super) fn answer_ready<H>(
        &mut self,
        shared: &Shared<H>,
        asked: &Asked,
        mut response: Response,
    ) -> Result<(), End> {
        let framing = self.begin_answer(shared, asked, &mut response, 0, true);
        if framing.sends_content {
            self.queue_ready(response.body_mut());
        }
        self.count(shared, asked, response.status());
        self.finish_answer(framing, response.head_mut().upgrade.take())
    }

    /// Sends any other answer, as far as sending needs no later wait, and settles the request's content.
    pub(super) async fn answer<H>(
        &mut self,
        shared: &Shared<H>,
        asked: &Asked,
        mut response: Response,
        loan: MaybeLoan<T>,
    ) -> Result<(), End> {
        let first = self.first_piece(shared, asked.deadline, &mut response, loan.as_ref()).await;
        let mut first = first.map_err(|end| self.unanswered(shared, asked, end))?;
        let limits = &shared.config.limits;
        let (rest, refused) = self.settle(&mut response, loan, shared);
        if let Some(problem) = refused {
            (response, first) = (problem.into_response().with_close(), None);
        }
        let taken = if let Some(Some(Ok(piece))) = &first { piece.len() as u64 } else { 0 };
        if response.head_mut().upgrade.is_some() && rest.is_unasked() {
            // RFC 9110 10.1.1: with Upgrade beside Expect, a 100 must be sent before the 101.
            self.ask_for_content();
        }
        if asked.keep_alive && rest.is_too_long(limits) && !response.head_mut().close {
            shared.watch.tally.reached(Reached::DrainBytes);
        }
        let framing = self.begin_answer(shared, asked, &mut response, taken, rest.allows_reuse(limits));
        let (mut head, body) = response.into_parts();
        let (status, upgrade) = (head.status, head.upgrade.take());
        let mut begun = Begun { framing, body, endless: head.endless };
        drop(head);
        let sent = if begun.framing.sends_content && !self.queue_ready(&mut begun.body) {
            self.stream(shared, &mut begun, first).await
        } else {
            Ok(())
        };
        self.now = Instant::now();
        // Whether it was sent or broke off, its body goes here, and gives back what it was made of.
        drop(begun);
        self.count(shared, asked, status);
        match sent.and_then(|()| self.finish_answer(framing, upgrade)) {
            Ok(()) => self.drain(shared, rest).await,
            // RFC 9110 7.8: the other protocol begins behind the content.
            Err(End::Upgraded(upgrade)) => self.drain(shared, rest).await.and(Err(End::Upgraded(upgrade))),
            Err(end) => {
                // What is back is lingered on.
                if let Rest::Lent(loan) = rest {
                    self.inbound = loan.take_back().map(|returned| returned.inbound);
                }
                Err(end)
            }
        }
    }

    /// Decides framing and persistence and queues the head. `taken` bytes of the content were taken from its body.
    #[inline]
    fn begin_answer<H>(
        &mut self,
        shared: &Shared<H>,
        asked: &Asked,
        response: &mut Response,
        taken: u64,
        reusable: bool,
    ) -> AnswerFraming {
        if response.problem().is_some() {
            word(response, self.style(shared, asked), shared);
        }
        let (head, body) = response.parts();
        let stays_open = reusable && asked.keep_alive && !head.close && !shared.watch.shutdown.is_draining();
        let length = length(head.status, body).map(|left| left + taken);
        let framing = decide_response(asked.method, asked.version, stays_open, head.status, length);
        if self.tap.is_watched() {
            if let Some(problem) = &head.problem {
                trace::refused(&mut self.tap, problem);
            }
            trace::answer_decided(&mut self.tap, head.status, head.pattern, &framing);
            self.enter(Phase::Write, None);
        }
        let connection = match &head.upgrade {
            Some(_) => Connection::Upgrade,
            None => Connection::of(asked.version, framing.keep_alive),
        };
        self.encode_head(head.status, &head.fields, framing.declared, connection);
        self.ends_by_close = framing.declared == AnswerContent::UntilClose;
        framing
    }

    #[inline]
    fn finish_answer(&mut self, framing: AnswerFraming, upgrade: Option<OnUpgrade>) -> Result<(), End> {
        self.card.served();
        self.until(None);
        match upgrade {
            Some(upgrade) => Err(End::Upgraded(upgrade)),
            None if framing.keep_alive => Ok(()),
            None => Err(End::Finished("the answer was the last")),
        }
    }

    /// Queues a refusal as an answer that closes.
    pub(super) fn answer_refusal<H>(&mut self, shared: &Shared<H>, refusal: Refusal) {
        let mut response = refusal.problem.into_response();
        word(&mut response, refusal.style, shared);
        if let (Some(durations), Some(method)) = (&shared.watch.durations, refusal.method) {
            // A head that was waited for has begun when its first byte came.
            let began = if self.card.phase() == Phase::Head { self.card.since() } else { self.now };
            durations.record(method, RouteId::NONE, response.status(), began.elapsed());
        }
        let (head, mut body) = response.into_parts();
        // The words of a problem are always all there.
        let declared = AnswerContent::Length(body.length().unwrap_or_default());
        self.encode_head(head.status, &head.fields, declared, Connection::Close);
        if refusal.has_content {
            self.queue_ready(&mut body);
        }
    }

    /// Asks a streamed answer for its first piece, so that a failure can still become the answer. An answer that is
    /// not ready sends its head now, unless it may depend on content that is still coming.
    async fn first_piece<H>(
        &mut self,
        shared: &Shared<H>,
        deadline: Option<Instant>,
        response: &mut Response,
        loan: Option<&Arc<Loan<T::Reader>>>,
    ) -> Result<Option<Piece>, End> {
        if response.body().is_ready() {
            return Ok(None);
        }
        let body = response.body_mut();
        let mut pending = false;
        let first = std::future::poll_fn(|cx| {
            if let Poll::Ready(piece) = poll_body(body, cx) {
                return Poll::Ready(Ok(Some(piece)));
            }
            if !loan.is_some_and(|loan| loan.is_out()) {
                return Poll::Ready(Ok(None));
            }
            if !std::mem::replace(&mut pending, true) {
                self.enter(Phase::Handler, deadline);
            }
            match ready!(self.poll_while_handling(shared, loan, cx)) {
                Ok(timed_out) => Poll::Ready(Err(Ok(timed_out))),
                Err(end) => Poll::Ready(Err(Err(end))),
            }
        });
        let first = first.await;
        if pending {
            self.now = Instant::now();
        }
        match first {
            Ok(Some(Some(Err(error)))) => {
                // A source of ours that failed may have panicked: nobody knows in which state.
                let ours = matches!(error, BodyError::Source(_));
                *response = Problem::of_body(error).into_response();
                response.head_mut().close = ours;
                Ok(None)
            }
            Ok(first) => Ok(first),
            Err(Ok(timed_out)) => {
                *response = timed_out;
                Ok(None)
            }
            Err(Err(end)) => Err(end),
        }
    }

    /// Finds out what is left of the content. That it was refused while a handler read it, or is found to be malformed
    /// in what has already come, takes the place of an answer that says nothing is wrong.
    fn settle<H>(
        &mut self,
        response: &mut Response,
        loan: MaybeLoan<T>,
        shared: &Shared<H>,
    ) -> (Rest<T>, Option<Problem>) {
        let Some(loan) = loan else { return (Rest::Done, None) };
        let Some(returned) = loan.take_back() else { return (Rest::Lent(loan), None) };
        self.inbound = Some(returned.inbound);
        let mut receive = returned.receive;
        let refused = match returned.refused {
            None => self.skip_buffered(&mut receive, &shared.config.limits).err(),
            refused => refused,
        };
        response.head_mut().close |= refused.is_some();
        let unasked = loan.is_unasked();
        let rest = if receive.is_ended() { Rest::Done } else { Rest::Unread { receive, unasked } };
        if response.status().is_error() {
            count_untold(refused, response, &shared.watch.tally);
            return (rest, None);
        }
        (rest, refused)
    }

    /// Drops what has come of content that nobody will read.
    fn skip_buffered(&mut self, receive: &mut Receive, limits: &Limits) -> Result<u64, Problem> {
        let inbound = self.inbound.as_mut().expect("the half is back");
        let chunked = matches!(receive, Receive::Chunked(_));
        let mut skipped = 0;
        loop {
            let unread = inbound.buffer.unread();
            let stepped = receive.step(unread, limits);
            let (used, received) =
                stepped.map_err(|error| Problem::of_content(error, unread, receive.taken()).with_limit_of(limits))?;
            if self.tap.is_watched() {
                trace::content_received(&mut self.tap, received, chunked, &unread[..used]);
            }
            inbound.buffer.consume(used);
            skipped += used as u64;
            if receive.is_ended() || received == Received::NeedMore {
                return Ok(skipped);
            }
        }
    }

    #[inline]
    fn encode_head(
        &mut self,
        status: Status,
        fields: &crate::http::Fields,
        content: AnswerContent,
        connection: Connection,
    ) {
        let has_begun = std::mem::take(&mut self.answer_begun);
        let head = AnswerHead { status, fields, content, connection, date: date::current(self.now) };
        let out = self.outbound.output.tail();
        let start = out.len();
        encode_answer_head(&head, has_begun, out);
        if self.tap.is_watched() {
            let sent = trace::masked(&self.outbound.output.tail()[start..]);
            self.tap.sent(trace::ANSWER_HEAD, &sent);
        }
    }

    /// Queues content that is all there; false when it is not.
    #[inline]
    fn queue_ready(&mut self, body: &mut Body) -> bool {
        let Some(content) = body.take_ready() else { return false };
        if self.tap.is_watched() && !content.is_empty() {
            self.tap.sent(trace::CONTENT, &content);
        }
        self.queue(content);
        true
    }

    /// Sends a streamed answer, piece after piece, as fast as it is produced and read.
    async fn stream<H>(&mut self, shared: &Shared<H>, begun: &mut Begun, mut first: Option<Piece>) -> Result<(), End> {
        let declared = begun.framing.declared;
        self.enter(Phase::Write, None);
        let mut left = if let AnswerContent::Length(length) = declared { length } else { u64::MAX };
        loop {
            let piece = match first.take() {
                Some(piece) => piece,
                None => std::future::poll_fn(|cx| self.poll_piece(shared, begun, cx)).await?,
            };
            match piece {
                Some(Ok(bytes)) if bytes.len() as u64 <= left => {
                    left -= if declared == AnswerContent::Chunked { 0 } else { bytes.len() as u64 };
                    self.queue_piece(declared, bytes);
                }
                Some(Ok(_)) => return Err(End::Broken("the answer is longer than it said".to_owned())),
                Some(Err(error)) => {
                    shared.watch.tally.refused(error.fault());
                    return Err(End::Broken(format!("the answer broke off: {error}")));
                }
                None if matches!(declared, AnswerContent::Length(_)) && left > 0 => {
                    return Err(End::Broken("the answer is shorter than it said".to_owned()));
                }
                None => {
                    self.queue_end(declared, &mut begun.body);
                    return Ok(());
                }
            }
        }
    }

    /// The next piece, when there is room for it. Flushes while it waits, or when enough is queued.
    fn poll_piece<H>(
        &mut self,
        shared: &Shared<H>,
        begun: &mut Begun,
        cx: &mut Context<'_>,
    ) -> Poll<Result<Piece, End>> {
        if begun.endless && shared.watch.shutdown.is_draining() {
            return Poll::Ready(Ok(None));
        }
        let body = &mut begun.body;
        let queued = self.outbound.output.len();
        let most = shared.config.limits.output_bytes_max.max(1);
        let batch = BATCH_BYTES.min(most);
        if queued < batch
            && let Poll::Ready(piece) = poll_body(body, cx)
        {
            return Poll::Ready(Ok(piece));
        }
        // Nobody is asked for content any more: a 100 behind the answer's head would be part of it.
        self.watch_peer(shared, None, cx)?;
        // Room that flushing has made is used; otherwise the write or the body will wake us.
        if queued >= batch
            && self.outbound.output.len() < most
            && let Poll::Ready(piece) = poll_body(body, cx)
        {
            return Poll::Ready(Ok(piece));
        }
        match ready!(self.poll_expired(cx)) {
            Ok(()) => Poll::Ready(Err(End::Lost(Lost::TooSlow))),
            Err(end) => Poll::Ready(Err(end)),
        }
    }

    fn queue(&mut self, content: Bytes) {
        if !content.is_empty() {
            self.outbound.output.push(content);
        }
    }

    fn queue_piece(&mut self, declared: AnswerContent, piece: Bytes) {
        if declared != AnswerContent::Chunked {
            if self.tap.is_watched() {
                self.tap.sent(trace::CONTENT, &piece);
            }
            return self.queue(piece);
        }
        let out = self.outbound.output.tail();
        let start = out.len();
        chunked::encode_chunk_head(piece.len(), out);
        if self.tap.is_watched() {
            let line = self.outbound.output.tail()[start..].to_vec();
            self.tap.sent(trace::CHUNK_LINE, &line);
            self.tap.sent(trace::CHUNK_DATA, &piece);
            self.tap.sent(trace::CHUNK_LINE, chunked::CHUNK_DATA_END);
        }
        self.queue(piece);
        self.outbound.output.tail().extend_from_slice(chunked::CHUNK_DATA_END);
    }

    fn queue_end(&mut self, declared: AnswerContent, body: &mut Body) {
        if declared != AnswerContent::Chunked {
            return;
        }
        let trailers = body.trailers();
        let out = self.outbound.output.tail();
        let start = out.len();
        chunked::encode_end(out, trailers.as_ref());
        if self.tap.is_watched() {
            let end = trace::masked(&self.outbound.output.tail()[start..]);
            self.tap.sent(trace::LAST_CHUNK, &end);
        }
    }

    /// Reads and drops what is left of the content, so that the connection can be used again.
    async fn drain<H>(&mut self, shared: &Shared<H>, rest: Rest<T>) -> Result<(), End> {
        let mut receive = match rest {
            Rest::Done => return Ok(()),
            Rest::Unread { receive, .. } => receive,
            Rest::Lent(loan) => match self.await_return(shared, &loan).await? {
                Receive::Ended(_) => return Ok(()),
                receive => receive,
            },
        };
        let limits = &shared.config.limits;
        let mut left = limits.drain_bytes_max;
        self.now = Instant::now();
        self.enter(Phase::Content, within(self.now, shared.config.deadlines.content_rate.over));
        loop {
            let skipped = self.skip_buffered(&mut receive, limits);
            left = match skipped.map(|skipped| left.checked_sub(skipped)) {
                Ok(Some(left)) => left,
                Ok(None) => {
                    shared.watch.tally.reached(Reached::DrainBytes);
                    return Err(End::Finished("more content was left unread than is drained"));
                }
                Err(problem) => {
                    shared.watch.tally.refused(problem.fault());
                    return Err(End::Finished("unread content was malformed"));
                }
            };
            if receive.is_ended() {
                return Ok(());
            }
            std::future::poll_fn(|cx| self.poll_unread(shared, cx)).await?;
        }
    }

    fn poll_unread<H>(&mut self, shared: &Shared<H>, cx: &mut Context<'_>) -> Poll<Result<(), End>> {
        let _ = self.poll_flush(cx)?;
        let inbound = self.inbound.as_mut().expect("the half is back");
        match inbound.poll_fill(cx, PIECE_BYTES) {
            Poll::Ready(Ok(0)) => return Poll::Ready(Err(End::Finished("the peer has finished"))),
            Poll::Ready(Ok(count)) => {
                self.card.received(count);
                return Poll::Ready(Ok(()));
            }
            Poll::Ready(Err(_)) => return Poll::Ready(Err(End::Lost(Lost::Gone))),
            Poll::Pending => {}
        }
        let draining = self.hurry(shared)?;
        ready!(self.poll_expired(cx))?;
        shared.watch.tally.reached(if draining { Reached::DrainIdle } else { Reached::ContentRate });
        Poll::Ready(Err(End::Finished(match draining {
            true => "the server is shutting down",
            false => "unread content came too slowly",
        })))
    }

    /// Waits for a task that kept the content beyond its answer.
    async fn await_return<H>(&mut self, shared: &Shared<H>, loan: &Arc<Loan<T::Reader>>) -> Result<Receive, End> {
        self.now = Instant::now();
        self.enter(Phase::Content, within(self.now, shared.config.deadlines.handler));
        let returned = std::future::poll_fn(|cx| {
            if let Some(returned) = loan.take_back() {
                return Poll::Ready(Ok(returned));
            }
            self.watch_peer(shared, None, cx)?;
            ready!(self.poll_expired(cx))?;
            shared.watch.tally.reached(Reached::Handler);
            Poll::Ready(Err(End::Finished("a task keeps the content")))
        })
        .await?;
        self.inbound = Some(returned.inbound);
        match returned.refused {
            Some(problem) => {
                shared.watch.tally.refused(problem.fault());
                Err(End::Finished("the content was refused"))
            }
            None => Ok(returned.receive),
        }
    }
}

impl<T: Transport> Rest<T> {
    /// Whether another request may follow. Known before the head is sent, so that a close is announced.
    fn allows_reuse(&self, limits: &Limits) -> bool {
        match self {
            // RFC 9110 10.1.1: a client that got its answer instead of a 100 may or may not send the content.
            _ if self.is_unasked() => false,
            Rest::Done | Rest::Lent(_) => true,
            Rest::Unread { receive, .. } => receive.left().is_some_and(|left| left <= limits.drain_bytes_max),
        }
    }

    /// Whether so much is left that it is not dropped to keep the connection, and nothing else is in the way.
    fn is_too_long(&self, limits: &Limits) -> bool {
        let Rest::Unread { receive, unasked: false } = self else { return false };
        receive.left().is_some_and(|left| left > limits.drain_bytes_max)
    }

    fn is_unasked(&self) -> bool {
        match self {
            Rest::Done => false,
            Rest::Lent(loan) => loan.is_unasked(),
            Rest::Unread { unasked, .. } => *unasked,
        }
    }
}

/// The next piece of an answer's content. A panic of its source is a failure of it.
fn poll_body(body: &mut Body, cx: &mut Context<'_>) -> Poll<Piece> {
    let panicked = |_| Poll::Ready(Some(Err(BodyError::Source("its source has panicked".into()))));
    caught(|| body.poll_next(cx)).unwrap_or_else(panicked)
}

/// What can be sent of `response` as an answer, which an interim status is not.
pub(super) fn final_answer(mut response: Response, asked: &Asked) -> Response {
    match &response.head_mut().upgrade {
        Some(_) if asked.upgrade => response,
        // RFC 9110 7.8: a server must not switch to a protocol to which the client has not invited it.
        Some(_) => {
            response.head_mut().upgrade = None;
            response.with_status(Status::UPGRADE_REQUIRED)
        }
        // RFC 9110 15.2: another answer would have to follow.
        None => Problem::internal(format!("{} is no final answer", response.status())).into_response(),
    }
}

/// The length that the answer's head may declare. RFC 9110 8.6: a 304 declares that of the 200 or none, and we do not
/// know it.
fn length(status: Status, body: &Body) -> Option<u64> {
    if status == Status::NOT_MODIFIED { None } else { body.length() }
}

/// Counts what was wrong with content where the answer is another error.
fn count_untold(refused: Option<Problem>, response: &Response, tally: &Tally) {
    let told = response.problem().map(Problem::fault);
    if let Some(fault) = refused.map(|problem| problem.fault()).filter(|fault| told != Some(*fault)) {
        tally.refused(fault);
    }
}

/// Words a problem as this client wants it, and for this server, and counts it. Words that an application has put in their
/// place stay.
fn word<H>(response: &mut Response, style: Style, shared: &Shared<H>) {
    let Some(problem) = response.head_mut().problem.take() else { return };
    shared.watch.tally.refused(problem.fault());
    if response.body().is_all(problem.render(Style::Text, Place::default()).1.as_bytes()) {
        let (content_type, words) = problem.render(style, shared.config.place);
        response.fields_mut().remove(name::CONTENT_TYPE);
        response.fields_mut().append_escaped(name::CONTENT_TYPE, content_type);
        *response.body_mut() = Body::from(words);
    }
    response.head_mut().problem = Some(problem);
}
