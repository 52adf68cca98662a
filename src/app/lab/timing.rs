//! Owns the answers that take their time, as long as they are told.
//!
//! Spec: WHATWG HTML 9.2 (events); RFC 9110 15.3.5 (204, which ends a client's reconnecting).
//! Never: sleeps where dropping the answer would not end the sleep.

use std::pin::Pin;
use std::task::{Context, Poll, ready};
use std::time::Duration;

use bytes::Bytes;
use futures_core::Stream;
use serde::Deserialize;
use tokio::time::{Instant, Interval, interval_at, sleep};

use crate::http::body::Source;
use crate::http::sse::Event;
use crate::http::{Body, BodyError, Fault, Rejection, Request, Response, Status};

use super::{DRIP_BYTES_MAX, LINES_MAX, WAIT_MS_MAX, within};

/// Milliseconds between two pieces of a drip, at the least.
const DRIP_STEP_MS: u64 = 10;

/// How long, how much, how often: the query of all routes here.
#[derive(Deserialize)]
struct Pace {
    ms: Option<u64>,
    bytes: Option<u64>,
    count: Option<u64>,
}

impl Pace {
    fn ms(&self, default: u64) -> Result<u64, Rejection> {
        within(Fault::InvalidQueryField, "ms", self.ms.unwrap_or(default), WAIT_MS_MAX)
    }

    fn bytes(&self, default: u64) -> Result<u64, Rejection> {
        within(Fault::InvalidQueryField, "bytes", self.bytes.unwrap_or(default), DRIP_BYTES_MAX)
    }

    fn count(&self, default: u64) -> Result<u64, Rejection> {
        within(Fault::InvalidQueryField, "count", self.count.unwrap_or(default), LINES_MAX)
    }
}

/// `GET /slow?ms=2000`
pub(super) async fn slow(request: Request) -> Result<String, Rejection> {
    let pace: Pace = request.query()?;
    let ms = pace.ms(2000)?;
    sleep(Duration::from_millis(ms)).await;
    Ok(format!("waited {ms} ms\n"))
}

/// `GET /drip?bytes=10&ms=1000`: the head at once, then so many bytes spread over so much time.
pub(super) async fn drip(request: Request) -> Result<Response, Rejection> {
    let pace: Pace = request.query()?;
    let bytes = pace.bytes(10)?;
    let ms = pace.ms(1000)?;
    let steps = bytes.min((ms / DRIP_STEP_MS).max(1));
    let every = Duration::from_millis(ms).checked_div(steps as u32).unwrap_or_default();
    Ok(Response::text(Body::source(Drip { paced: Paced::new(0..steps, every, every), steps, bytes, sent: 0 })))
}

struct Drip {
    paced: Paced,
    steps: u64,
    bytes: u64,
    sent: u64,
}

impl Source for Drip {
    fn poll_next(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Result<Bytes, BodyError>>> {
        let Some(step) = ready!(Pin::new(&mut self.paced).poll_next(cx)) else { return Poll::Ready(None) };
        let due = self.bytes * (step + 1) / self.steps;
        let piece = vec![b'*'; (due - self.sent) as usize];
        self.sent = due;
        Poll::Ready(Some(Ok(piece.into())))
    }

    fn length(&self) -> Option<u64> {
        Some(self.bytes - self.sent)
    }
}

/// `GET /sse?count=10&ms=1000`: numbered events. A client that comes back gets those it has not seen, and 204 after the
/// last, which tells it to stay away.
pub(super) async fn sse(request: Request) -> Result<Response, Rejection> {
    let pace: Pace = request.query()?;
    let count = pace.count(10)?;
    let ms = pace.ms(1000)?;
    let seen = request.field("Last-Event-ID").and_then(|id| id.parse().ok()).unwrap_or(0);
    if seen >= count {
        return Ok(Response::new(Status::NO_CONTENT));
    }
    let paced = Paced::new(seen + 1..count + 1, Duration::ZERO, Duration::from_millis(ms));
    Ok(Response::sse(Ticks { paced, count }))
}

struct Ticks {
    paced: Paced,
    count: u64,
}

impl Stream for Ticks {
    type Item = Event;

    fn poll_next(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Event>> {
        let tick = ready!(Pin::new(&mut self.paced).poll_next(cx));
        Poll::Ready(tick.map(|tick| Event::data(format!("tick {tick} of {}", self.count)).with_id(tick)))
    }
}

/// Counts, one number each interval. After a pause of its reader it catches up.
struct Paced {
    numbers: std::ops::Range<u64>,
    /// `None` counts without waiting.
    interval: Option<Interval>,
}

impl Paced {
    fn new(numbers: std::ops::Range<u64>, first: Duration, every: Duration) -> Paced {
        let interval = || interval_at(Instant::now() + first, every);
        Paced { numbers, interval: (!every.is_zero()).then(interval) }
    }
}

impl Stream for Paced {
    type Item = u64;

    fn poll_next(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<u64>> {
        if !self.numbers.is_empty()
            && let Some(interval) = &mut self.interval
        {
            ready!(interval.poll_tick(cx));
        }
        Poll::Ready(self.numbers.next())
    }
}
