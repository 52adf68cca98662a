//! Owns what becomes of a panic in a handler: an answer, and a line in the log.
//!
//! The one idea: a panic is a fault of ours in one request. It ends that request with 500 and its connection, since nobody
//! knows in which state the handler left it; every other connection goes on.
//!
//! The driver catches panics too, for handlers without middleware. This layer stands further inside so that the log line
//! and the fields of the layers around it are there.
//!
//! Spec: RFC 9110 15.6.1 (500).
//! Never: sends what the panic said.

use std::any::Any;
use std::future::Future;
use std::panic::AssertUnwindSafe;
use std::pin::{Pin, pin};
use std::sync::atomic::{AtomicU64, Ordering::Relaxed};
use std::task::{Context, Poll};

use crate::http::explain::Problem;
use crate::http::handler::Link;
use crate::http::middleware::Place;
use crate::http::{Fault, Handler, IntoResponse, Middleware, Request, Response};

static PANICS: AtomicU64 = AtomicU64::new(0);

/// Turns a panic of the layers inside into `500` and a close.
#[derive(Clone, Copy, Debug, Default)]
pub struct Recover;

impl Middleware for Recover {
    async fn handle<N: Handler>(&self, request: Request, next: &N) -> Response {
        match caught(|| next.handle(request)) {
            Ok(handling) => catch_panic(handling).await,
            Err(answer) => answer,
        }
    }

    fn link(&self) -> Link {
        Link { name: "recover", place: Some(Place::Recover) }
    }
}

/// Panics of handlers since the process began.
pub fn panics() -> u64 {
    PANICS.load(Relaxed)
}

/// The answer of `handling`, or that to its panic.
async fn catch_panic(handling: impl Future<Output = Response>) -> Response {
    let mut handling = pin!(handling);
    std::future::poll_fn(|cx| poll_caught(handling.as_mut(), cx)).await
}

/// Polls `handling`; its panic is an answer too. It must not be polled again after that, so no broken state is seen.
pub(crate) fn poll_caught(handling: Pin<&mut impl Future<Output = Response>>, cx: &mut Context<'_>) -> Poll<Response> {
    caught(|| handling.poll(cx)).unwrap_or_else(Poll::Ready)
}

/// Runs one step of a handler, or says what to answer to its panic.
pub(crate) fn caught<T>(step: impl FnOnce() -> T) -> Result<T, Response> {
    std::panic::catch_unwind(AssertUnwindSafe(step)).map_err(|panic| answer(&*panic))
}

fn answer(panic: &(dyn Any + Send)) -> Response {
    PANICS.fetch_add(1, Relaxed);
    tracing::error!(panic = message(panic), "a handler panicked");
    Problem::new(Fault::HandlerPanicked).into_response().with_close()
}

fn message(panic: &(dyn Any + Send)) -> &str {
    let text = panic.downcast_ref::<&str>().copied();
    text.or_else(|| panic.downcast_ref::<String>().map(String::as_str)).unwrap_or("no message")
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::http::Status;

    #[tokio::test]
    async fn a_panic_before_or_after_an_await_is_a_500() {
        async fn at_once(_: Request) -> Response {
            panic!("now")
        }
        async fn later(_: Request) -> Response {
            tokio::task::yield_now().await;
            panic!("{}", "later")
        }
        let before = panics();
        let first = Recover.around(at_once).handle(Request::get("/")).await;
        let second = Recover.around(later).handle(Request::get("/")).await;
        for response in [first, second] {
            assert_eq!(response.status(), Status::INTERNAL_SERVER_ERROR);
            assert!(!format!("{response:?}").contains("later"), "{response:?}");
        }
        assert!(panics() >= before + 2);
    }
}
