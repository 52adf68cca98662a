//! Owns the lab: small routes with known answers, for those who test a client, a proxy or this server.
//!
//! The one idea: every answer follows from its request alone, so a test can say beforehand what it will be. `README.md`
//! beside this file shows each route with a line to try.
//!
//! ```text
//!   hello    what never changes          reflect  what came, sent back
//!   produce  content made as it is sent  timing   answers that take their time
//!   answer   a status that was ordered           socket   WebSockets: an echo, and rooms
//! ```
//!
//! Spec: RFC 9110, section by section in the files.
//! Never: keeps anything between two requests, but who is in a room; holds content that it streams.
//! Limits: each route states its own, below.

mod answer;
mod bounds;
mod hello;
mod produce;
mod reflect;
mod socket;
mod timing;

use std::future::Future;

pub use bounds::{bounds, kept};

use crate::http::router::RouteOptions;
use crate::http::{Fault, Problem, Rejection, Request, Router};

/// Bytes of content that `/echo` sends back: 2 GiB. It holds a piece at a time.
pub const ECHO_BYTES_MAX: u64 = 2 << 30;

/// Bytes that `/bytes/{n}` makes: 1 GiB.
pub const BYTES_MAX: u64 = 1 << 30;

/// Bytes that `/big` makes: 64 MiB.
pub const BIG_BYTES: u64 = 64 << 20;

/// Milliseconds that `/slow`, `/drip` and one interval of `/sse` may take. The handler deadline may be shorter, and answers
/// `/slow` with 503 then.
pub const WAIT_MS_MAX: u64 = 60_000;

/// Bytes that `/drip` spreads over its time.
pub const DRIP_BYTES_MAX: u64 = 1 << 20;

/// Lines of `/stream/{n}`, and events of `/sse`.
pub const LINES_MAX: u64 = 100_000;

/// Hops of `/redirect/{n}`. No client follows so many.
pub const REDIRECTS_MAX: u64 = 1_000;

/// Bytes of content that `/anything` shows. It reads the rest, and says how much that was.
pub const SHOWN_BYTES_MAX: usize = 64 * 1024;

/// Bytes of a message that `/ws` and `/room/{name}` take: 16 MiB, as much as conformance suites send.
pub const MESSAGE_BYTES_MAX: usize = 16 << 20;

/// Rooms that are open at a time.
pub const ROOMS_MAX: usize = 1_024;

/// Bytes of a room's name.
pub const ROOM_NAME_BYTES_MAX: usize = 64;

/// Adds the lab's routes to `router`.
pub fn routes<S: Clone + Send + Sync + 'static>(router: Router<S>) -> Router<S> {
    let rooms = socket::Rooms::default();
    let echo = RouteOptions { content_bytes_max: Some(ECHO_BYTES_MAX), ..RouteOptions::default() };
    router
        .route("GET /plaintext", stateless(hello::plaintext))
        .route("GET /json", stateless(hello::json))
        .route("GET /hello/{name}", stateless(hello::hello))
        .route("GET /users/{id}", stateless(hello::user))
        .route_with("POST /echo", echo, stateless(reflect::echo))
        .route_with("PUT /echo", echo, stateless(reflect::echo))
        .route_with("PATCH /echo", echo, stateless(reflect::echo))
        .route("GET /headers", stateless(reflect::headers))
        .route("GET /ip", stateless(reflect::ip))
        .route("/anything", stateless(reflect::anything))
        .route("/anything/{rest...}", stateless(reflect::anything))
        .route("GET /cookies", stateless(reflect::cookies))
        .route("GET /cookies/set", stateless(reflect::set_cookies))
        .route("GET /bytes/{n}", stateless(produce::bytes))
        .route("GET /big", stateless(produce::big))
        .route("GET /stream/{n}", stateless(produce::stream))
        .route("GET /trailers", stateless(produce::trailers))
        .route("GET /slow", stateless(timing::slow))
        .route("GET /drip", stateless(timing::drip))
        .route("GET /sse", stateless(timing::sse))
        .route("/status/{code}", stateless(answer::status))
        .route("GET /redirect/{n}", stateless(answer::redirect))
        .route("GET /panic", stateless(answer::panic))
        .route("GET /ws", stateless(socket::echo))
        .route("GET /room/{name}", stateless(move |request| socket::room(rooms.clone(), request)))
}

/// A handler for a router whose state it does not need.
fn stateless<S, F, A>(handler: F) -> impl Fn(S, Request) -> A + Send + Sync + 'static
where
    F: Fn(Request) -> A + Send + Sync + 'static,
    A: Future + Send + 'static,
{
    move |_, request| handler(request)
}

/// A number of the path that is at most `max`.
fn path_number(request: &Request, name: &str, max: u64) -> Result<u64, Rejection> {
    within(Fault::InvalidPathParameter, name, request.path(name)?, max)
}

fn within(fault: Fault, field: &str, value: u64, max: u64) -> Result<u64, Rejection> {
    if value <= max { Ok(value) } else { Err(refused(fault, field, format!("{value} is more than {max}"))) }
}

fn refused(fault: Fault, field: &str, detail: impl Into<String>) -> Rejection {
    Problem::new(fault).with_field(field).with_detail(detail).into()
}

#[cfg(test)]
mod tests;
