//! Owns how long a handler may take for its answer.
//!
//! The one idea: the deadline is told before it is enforced. It stands in the request's context first, so that a handler
//! can ask `remaining()` and give up early, or pass the rest of its time on; one that does not ask is dropped at it.
//!
//! The time runs from here to the head of the answer. Waiting for the request's content counts; sending the content of
//! the answer does not: its own deadline is the server's `write_rate`.
//!
//! Whose fault it is, is told by what the handler waits for when its time is up: `408` when it is the client's content,
//! `503` when it is anything else.
//!
//! Spec: RFC 9110 15.5.9 (408), 15.6.4 (503).
//! Never: extends a deadline that stands nearer: the context keeps the nearer one, and whoever set it enforces it.
//! Place: innermost, so that it measures the handler and nothing else.

use std::future::{Future, poll_fn};
use std::pin::pin;
use std::task::Poll;
use std::time::Duration;

use tokio::time::{Instant, timeout_at};

use crate::http::handler::Link;
use crate::http::middleware::Place;
use crate::http::{Fault, Handler, IntoResponse, Middleware, Problem, Request, Response};

/// Answers when the layers inside have not answered in time, and drops them: `408` where they still wait for the
/// request's content, else `503`.
#[derive(Clone, Copy, Debug)]
pub struct Timeout {
    limit: Duration,
}

impl Timeout {
    /// Answers within `limit`. One that is longer than the clock can count is none.
    pub const fn new(limit: Duration) -> Timeout {
        Timeout { limit }
    }
}

impl Middleware for Timeout {
    async fn handle<N: Handler>(&self, mut request: Request, next: &N) -> Response {
        let Some(deadline) = Instant::now().checked_add(self.limit) else { return next.handle(request).await };
        request.stop_at(deadline);
        let awaited = request.content().awaited();
        let mut handling = pin!(next.handle(request));
        // Most handlers answer at once: no timer is made for them. Others are polled twice when they are first waited for.
        let at_once = poll_fn(|cx| Poll::Ready(handling.as_mut().poll(cx))).await;
        if let Poll::Ready(response) = at_once {
            return response;
        }
        if let Ok(response) = timeout_at(deadline, handling).await {
            return response;
        }
        let limit_ms = self.limit.as_millis();
        if awaited.is_some_and(|awaited| awaited.is_waiting()) {
            // Nobody waits for the rest of it, so no other request can follow.
            let detail = format!("the content was not there within {limit_ms} ms");
            return Problem::new(Fault::ContentTimeout).with_detail(detail).into_response().with_close();
        }
        let detail = format!("no answer within {limit_ms} ms");
        Problem::new(Fault::HandlerTimedOut).with_detail(detail).into_response()
    }

    fn link(&self) -> Link {
        Link { name: "timeout", place: Some(Place::Timeout) }
    }
}

#[cfg(test)]
mod tests {
    use tokio::time::sleep;

    use super::*;
    use crate::http::{Body, Rejection, Status};
    use crate::net::context::Reason;

    const LIMIT: Duration = Duration::from_millis(500);

    async fn answered_after(work: Duration) -> (Status, Duration) {
        let start = Instant::now();
        let handler = Timeout::new(LIMIT).around(move |_: Request| async move {
            sleep(work).await;
            "done"
        });
        (handler.handle(Request::get("/")).await.status(), start.elapsed())
    }

    #[tokio::test(start_paused = true)]
    async fn a_handler_in_time_is_left_alone_and_a_late_one_is_cut_at_the_deadline() {
        for ms in [0, 1, 499] {
            let work = Duration::from_millis(ms);
            assert_eq!(answered_after(work).await, (Status::OK, work));
        }
        for ms in [502, 600_000] {
            let (status, took) = answered_after(Duration::from_millis(ms)).await;
            assert_eq!(status, Status::SERVICE_UNAVAILABLE, "{ms} ms");
            assert!(took >= LIMIT && took <= LIMIT + Duration::from_millis(1), "{took:?}");
        }
    }

    async fn status(handler: impl Handler, content: Body) -> u16 {
        Timeout::new(LIMIT).around(handler).handle(Request::post("/", content)).await.status().code()
    }

    #[tokio::test(start_paused = true)]
    async fn who_waits_for_the_client_blames_the_client_and_who_works_does_not() {
        async fn reads(mut request: Request) -> Result<(), Rejection> {
            request.content().collect(100).await?;
            std::future::pending().await
        }
        async fn ignores(_: Request) {
            std::future::pending().await
        }
        let (sender, silent) = Body::channel(1);
        let (ended, whole) = Body::channel(1);
        drop(ended);
        assert_eq!(status(reads, silent).await, 408);
        assert_eq!(status(reads, whole).await, 503);
        assert_eq!(status(reads, Body::from("at hand")).await, 503);
        drop(sender);
        let (_sender, silent) = Body::channel(1);
        assert_eq!(status(ignores, silent).await, 503);
    }

    #[tokio::test]
    async fn an_endless_limit_is_none() {
        let handler = Timeout::new(Duration::MAX).around(|_: Request| async { "done" });
        assert_eq!(handler.handle(Request::get("/")).await.status(), Status::OK);
    }

    #[tokio::test(start_paused = true)]
    async fn the_handler_reads_how_much_time_is_left() {
        let handler = Timeout::new(LIMIT).around(|request: Request| async move {
            let at_first = request.context().remaining();
            sleep(Duration::from_millis(100)).await;
            format!("{at_first:?} {:?}", request.context().remaining())
        });
        let mut response = handler.handle(Request::get("/")).await;
        assert_eq!(response.body_mut().collect(100).await.expect("text"), "Some(500ms) Some(400ms)");
    }

    #[tokio::test(start_paused = true)]
    async fn a_nearer_deadline_stays_in_force() {
        let mut request = Request::get("/");
        let near = request.context().child_with_deadline(Instant::now() + Duration::from_millis(10));
        request.set_context(near);
        let handler = Timeout::new(LIMIT)
            .around(|request: Request| async move { format!("{:?}", request.context().cancelled().await) });
        let mut response = handler.handle(request).await;
        assert_eq!(response.body_mut().collect(100).await.expect("text"), format!("{:?}", Reason::DeadlineExceeded));
    }

    #[tokio::test(start_paused = true)]
    async fn the_late_handler_is_dropped_and_the_answer_names_the_limit() {
        let (alive, dropped) = tokio::sync::oneshot::channel::<()>();
        let alive = std::sync::Mutex::new(Some(alive));
        let handler = Timeout::new(LIMIT).around(move |_: Request| {
            let alive = alive.lock().expect("no panic").take();
            async move {
                std::future::pending::<()>().await;
                drop(alive);
            }
        });
        let response = handler.handle(Request::get("/")).await;
        assert_eq!(response.problem().and_then(Problem::detail), Some("no answer within 500 ms"));
        assert!(dropped.await.is_err(), "the handler's future is gone");
    }
}
