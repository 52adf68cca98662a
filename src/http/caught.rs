//! Owns the catching of panics: one step of a handler, and what to answer when it does not return.
//!
//! Spec: RFC 9110 15.6.1 (500).
//! Never: sends what the panic said; polls a future again that has panicked.

use std::any::Any;
use std::future::Future;
use std::panic::AssertUnwindSafe;
use std::pin::Pin;
use std::sync::atomic::{AtomicU64, Ordering::Relaxed};
use std::task::{Context, Poll};

use crate::http::explain::Problem;
use crate::http::{Fault, IntoResponse, Response};

static PANICS: AtomicU64 = AtomicU64::new(0);

/// Panics of handlers since the process began.
pub(crate) fn panics() -> u64 {
    PANICS.load(Relaxed)
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
