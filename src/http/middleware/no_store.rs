//! Owns that answers are not kept which are for one client, or for one moment.
//!
//! Spec: RFC 9111 5.2.2.5 (`no-store`).
//! Never: overrules a handler that has said how long its answer is good.
//! Place: anywhere outside of what answers.

use crate::http::field::name;
use crate::http::handler::Link;
use crate::http::{Handler, Middleware, Request, Response};

/// Says on every answer that nobody keeps it, unless the answer says something else.
#[derive(Clone, Copy, Debug, Default)]
pub struct NoStore;

impl Middleware for NoStore {
    async fn handle<N: Handler>(&self, request: Request, next: &N) -> Response {
        let response = next.handle(request).await;
        if response.fields().contains(name::CACHE_CONTROL) {
            return response;
        }
        response.with(name::CACHE_CONTROL, "no-store")
    }

    fn link(&self) -> Link {
        Link { name: "no_store", place: None }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::http::test::call;

    #[tokio::test]
    async fn an_answer_is_not_kept_unless_it_says_how_long_it_is_good() {
        let check = async |said: Option<&'static str>, expected: &str| {
            let handler = NoStore.around(move |_: Request| async move {
                let response = Response::text("x");
                said.into_iter().fold(response, |response, said| response.with(name::CACHE_CONTROL, said))
            });
            let answer = call(&handler, Request::get("/")).await;
            assert_eq!(answer.field("Cache-Control"), Some(expected), "{said:?}");
        };
        check(None, "no-store").await;
        check(Some("max-age=60"), "max-age=60").await;
    }
}
