//! Owns the two traits that everything above the protocol is made of: a handler answers, a middleware stands around one.
//!
//! The one idea: both are plain async functions over owned values, composed by type. A chain of middleware is one
//! nested struct and one future; no layer allocates.
//!
//! ```text
//!   Around { Logger, Around { Timeout, handler } }
//!   request ──> Logger ──> Timeout ──> handler ──> Timeout ──> Logger ──> response
//! ```
//!
//! Spec: none; RFC 9110 3.3 names what they pass around.
//! Never: reports readiness, queues or fails: a handler that cannot serve answers 503.

use std::future::Future;
use std::sync::Arc;

use crate::http::{IntoResponse, Request, Response};

/// Answers requests.
///
/// Any `async fn(Request) -> impl IntoResponse` is one. The future is dropped when the client leaves, unless the route says
/// otherwise: what must not stop half-way belongs into a task of its own.
#[diagnostic::on_unimplemented(
    message = "`{Self}` does not handle requests",
    label = "not a handler",
    note = "a handler is `async fn(Request) -> impl IntoResponse`, or a type with `impl Handler`",
    note = "a function with state, `async fn(S, Request) -> impl IntoResponse`, goes into `Router::route`"
)]
pub trait Handler: Send + Sync + 'static {
    /// The answer to `request`. Infallible: an error is an answer too.
    fn handle(&self, request: Request) -> impl Future<Output = Response> + Send;

    /// Tells the middleware that stands around, outermost first. [`Around`] does; a plain handler has none.
    fn describe(&self, _chain: &mut Vec<Link>) {}
}

/// Stands around a handler: sees the request before it and the response after it.
///
/// ```
/// use firstbyte::http::{Handler, Middleware, Request, Response};
///
/// struct Stamp;
///
/// impl Middleware for Stamp {
///     async fn handle<N: Handler>(&self, request: Request, next: &N) -> Response {
///         next.handle(request).await.with("X-Stamp", "seen")
///     }
/// }
/// ```
#[diagnostic::on_unimplemented(
    message = "`{Self}` is not a middleware",
    label = "not a middleware",
    note = "write `impl Middleware` with `async fn handle<N: Handler>(&self, request: Request, next: &N) -> Response`"
)]
pub trait Middleware: Send + Sync + 'static {
    /// The answer to `request`, usually that of `next`.
    fn handle<N: Handler>(&self, request: Request, next: &N) -> impl Future<Output = Response> + Send;

    /// Its name and its place in the order, shown at start-up and checked by
    /// [`middleware::order`](crate::http::middleware::order).
    fn link(&self) -> Link {
        Link { name: std::any::type_name::<Self>(), place: None }
    }

    /// This middleware around `inner`.
    fn around<H: Handler>(self, inner: H) -> Around<Self, H>
    where
        Self: Sized,
    {
        Around { middleware: self, inner }
    }
}

/// One middleware of a chain, as [`Handler::describe`] tells it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Link {
    /// What it is called in the printed chain.
    pub name: &'static str,
    /// Where it belongs, or `None` for one that may stand anywhere.
    pub place: Option<crate::http::middleware::Place>,
}

/// A middleware and what it stands around. Made by [`Middleware::around`].
#[derive(Clone, Debug)]
pub struct Around<M, H> {
    middleware: M,
    inner: H,
}

#[diagnostic::do_not_recommend]
impl<M: Middleware, H: Handler> Handler for Around<M, H> {
    fn handle(&self, request: Request) -> impl Future<Output = Response> + Send {
        self.middleware.handle(request, &self.inner)
    }

    fn describe(&self, chain: &mut Vec<Link>) {
        chain.push(self.middleware.link());
        self.inner.describe(chain);
    }
}

impl<F, Answer> Handler for F
where
    F: Fn(Request) -> Answer + Send + Sync + 'static,
    Answer: Future + Send,
    Answer::Output: IntoResponse,
{
    fn handle(&self, request: Request) -> impl Future<Output = Response> + Send {
        let answer = self(request);
        async move { answer.await.into_response() }
    }
}

#[diagnostic::do_not_recommend]
impl<H: Handler> Handler for Arc<H> {
    fn handle(&self, request: Request) -> impl Future<Output = Response> + Send {
        H::handle(self, request)
    }

    fn describe(&self, chain: &mut Vec<Link>) {
        H::describe(self, chain);
    }
}
