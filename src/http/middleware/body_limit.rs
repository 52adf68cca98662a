//! Owns how much content the routes inside accept.
//!
//! The one idea: what the head declares is refused at the head; what it does not declare is counted as it comes.
//!
//! Spec: RFC 9110 15.5.14 (413).
//! Never: reads content.
//! Limits: its own, in bytes; give the largest that a route inside accepts. A route may state a smaller one; a larger one
//! has no effect.
//! Place: behind the limiter, since a refusal here costs next to nothing; before the timeout.

use crate::http::handler::Link;
use crate::http::middleware::Place;
use crate::http::{BodyError, Handler, IntoResponse, Middleware, Problem, Request, Response};

/// Answers `413` to content that is declared longer than a limit, and ends longer content in
/// [`BodyError::TooLarge`] where it passes the limit.
#[derive(Clone, Copy, Debug)]
pub struct BodyLimit {
    bytes_max: u64,
}

impl BodyLimit {
    /// Accepts `bytes_max` bytes of content.
    pub const fn new(bytes_max: u64) -> BodyLimit {
        BodyLimit { bytes_max }
    }
}

impl Middleware for BodyLimit {
    async fn handle<N: Handler>(&self, mut request: Request, next: &N) -> Response {
        if request.content().length().is_some_and(|length| length > self.bytes_max) {
            return Problem::of_body(BodyError::TooLarge { limit: self.bytes_max }).into_response();
        }
        request.cap_content(self.bytes_max);
        next.handle(request).await
    }

    fn link(&self) -> Link {
        Link { name: "body_limit", place: Some(Place::BodyLimit) }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::http::router::RouteOptions;
    use crate::http::{Body, IntoResponse, Problem, Router, Status};

    async fn read_all(mut request: Request) -> Response {
        match request.content().collect(u64::MAX).await {
            Ok(content) => content.into_response(),
            Err(error) => Problem::of_body(error).into_response(),
        }
    }

    async fn status_of(content: impl Into<Body>) -> Status {
        BodyLimit::new(4).around(read_all).handle(Request::post("/", content)).await.status()
    }

    #[tokio::test]
    async fn content_up_to_the_limit_is_read() {
        for content in ["", "a", "abcd"] {
            assert_eq!(status_of(content).await, Status::OK, "{content:?}");
        }
    }

    #[tokio::test]
    async fn declared_content_is_refused_before_the_handler_runs() {
        async fn unreached(_: Request) -> Response {
            panic!("the head was enough to refuse")
        }
        for length in [5, 6, 100_000] {
            let response = BodyLimit::new(4).around(unreached).handle(Request::post("/", vec![b'x'; length])).await;
            assert_eq!(response.status(), Status::CONTENT_TOO_LARGE);
            let detail = response.problem().and_then(Problem::detail);
            assert_eq!(detail, Some("at most 4 bytes of content are accepted here"));
        }
    }

    #[tokio::test]
    async fn undeclared_content_is_cut_where_it_passes_the_limit() {
        for (pieces, expected) in [
            (vec!["ab", "cd"], Status::OK),
            (vec!["ab", "cde"], Status::CONTENT_TOO_LARGE),
            (vec!["a"; 5], Status::CONTENT_TOO_LARGE),
        ] {
            let (sender, body) = Body::channel(8);
            for piece in &pieces {
                sender.send(*piece).await.expect("room");
            }
            drop(sender);
            assert_eq!(status_of(body).await, expected, "{pieces:?}");
        }
    }

    #[tokio::test]
    async fn a_route_inside_may_lower_the_limit_and_not_raise_it() {
        for (route_max, expected) in [(2, Status::CONTENT_TOO_LARGE), (3, Status::OK), (100, Status::OK)] {
            let options = RouteOptions { content_bytes_max: Some(route_max), ..RouteOptions::default() };
            let routes = Router::new(()).route_with("POST /", options, |(), request| read_all(request));
            let handler = BodyLimit::new(4).around(routes.build().expect("a table"));
            for (content, expected) in [("abc", expected), ("abcde", Status::CONTENT_TOO_LARGE)] {
                let (sender, body) = Body::channel(1);
                sender.send(content).await.expect("room");
                drop(sender);
                for body in [body, Body::from(content)] {
                    let status = handler.handle(Request::post("/", body)).await.status();
                    assert_eq!(status, expected, "{content:?} where the route accepts {route_max}");
                }
            }
        }
    }

    #[tokio::test]
    async fn handlers_can_ask_for_the_limit() {
        let handler =
            BodyLimit::new(4).around(|request: Request| async move { request.content_bytes_max().to_string() });
        let mut response = handler.handle(Request::get("/")).await;
        assert_eq!(response.body_mut().collect(10).await.expect("text"), "4");
    }
}
