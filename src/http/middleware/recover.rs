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

use std::pin::pin;

use crate::http::caught::{self, poll_caught};
use crate::http::handler::Link;
use crate::http::middleware::Place;
use crate::http::{Handler, Middleware, Request, Response};

/// Turns a panic of the layers inside into `500` and a close.
#[derive(Clone, Copy, Debug, Default)]
pub struct Recover;

impl Middleware for Recover {
    async fn handle<N: Handler>(&self, request: Request, next: &N) -> Response {
        // A block, so that what a handler does before its first await is caught too.
        let mut handling = pin!(async { next.handle(request).await });
        std::future::poll_fn(|cx| poll_caught(handling.as_mut(), cx)).await
    }

    fn link(&self) -> Link {
        Link { name: "recover", place: Some(Place::Recover) }
    }
}

/// Panics of handlers since the process began, caught here or by the driver.
pub fn panics() -> u64 {
    caught::panics()
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
