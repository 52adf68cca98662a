//! Owns middleware that is written as a function.
//!
//! The one idea: a closure cannot be generic over the handler inside, so it gets a [`Next`] of the concrete one. That
//! costs one reference count for each request and no box.
//!
//! Never: has a place in the order: its author knows where it belongs.

use std::future::Future;
use std::sync::Arc;

use crate::http::handler::Link;
use crate::http::{Handler, IntoResponse, Request, Response};

/// `around` standing around `inner`.
///
/// ```
/// use firstbyte::http::middleware::from_fn;
/// use firstbyte::http::{Handler, Request};
///
/// let timed = from_fn(
///     |request, next| async move {
///         let start = std::time::Instant::now();
///         let response = next.handle(request).await;
///         response.with("Server-Timing", format!("handler;dur={}", start.elapsed().as_millis()))
///     },
///     |_: Request| async { "Hello, World!" },
/// );
/// # let runtime = tokio::runtime::Builder::new_current_thread().build()?;
/// # let response = runtime.block_on(timed.handle(Request::get("/")));
/// # assert!(response.field("server-timing").is_some());
/// # Ok::<(), std::io::Error>(())
/// ```
pub fn from_fn<F, H, Answer>(around: F, inner: H) -> FromFn<F, H>
where
    F: Fn(Request, Next<H>) -> Answer + Send + Sync + 'static,
    H: Handler,
    Answer: Future + Send,
    Answer::Output: IntoResponse,
{
    FromFn { around, next: Next(Arc::new(inner)) }
}

/// A function around a handler. Made by [`from_fn`].
#[derive(Debug)]
pub struct FromFn<F, H> {
    around: F,
    next: Next<H>,
}

/// What stands inside of a function: its `handle` goes on.
#[derive(Debug)]
pub struct Next<H>(Arc<H>);

impl<H: Handler> Next<H> {
    /// The answer of the layers inside.
    pub async fn handle(&self, request: Request) -> Response {
        self.0.handle(request).await
    }
}

#[diagnostic::do_not_recommend]
impl<F, H, Answer> Handler for FromFn<F, H>
where
    F: Fn(Request, Next<H>) -> Answer + Send + Sync + 'static,
    H: Handler,
    Answer: Future + Send,
    Answer::Output: IntoResponse,
{
    fn handle(&self, request: Request) -> impl Future<Output = Response> + Send {
        let answer = (self.around)(request, Next(Arc::clone(&self.next.0)));
        async move { answer.await.into_response() }
    }

    fn describe(&self, chain: &mut Vec<Link>) {
        chain.push(Link { name: std::any::type_name::<F>(), place: None });
        self.next.0.describe(chain);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::http::Middleware;
    use crate::http::Status;
    use crate::http::middleware::{Logger, order};

    #[tokio::test]
    async fn a_function_goes_on_or_answers_itself() {
        let handler = from_fn(
            |request, next| async move {
                match request.field("authorization") {
                    Some(_) => Ok(next.handle(request).await.with("X-Seen", "1")),
                    None => Err(Status::UNAUTHORIZED),
                }
            },
            |_: Request| async { "secret" },
        );
        assert_eq!(handler.handle(Request::get("/")).await.status(), Status::UNAUTHORIZED);
        let response = handler.handle(Request::get("/").with("Authorization", "x")).await;
        assert_eq!((response.status(), response.field("x-seen")), (Status::OK, Some("1")));
    }

    #[test]
    fn the_chain_inside_is_still_described() {
        let chain = from_fn(
            |request, next| async move { next.handle(request).await },
            Logger.around(|_: Request| async { "" }),
        );
        let names = order(&chain).expect("the right order");
        assert_eq!((names.len(), names[1]), (2, "logger"));
    }
}
