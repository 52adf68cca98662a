//! Owns the response: a status, fields, content, and what the server needs to know besides.
//!
//! The one idea: small to move (one boxed head and a body) and built by value, so that a middleware adds its field in one
//! expression. Whatever a handler may return becomes one through [`IntoResponse`].
//!
//! Spec: RFC 9110 15 (status), 6.4.1 (content), 8.3 (Content-Type).
//! Never: frames: Content-Length, Transfer-Encoding, Connection and Date are the encoder's.
//! Invariant: no field value can split the message; see [`Fields::append_escaped`].

use std::time::Duration;

use std::fmt;

use bytes::Bytes;
use serde::Serialize;

use crate::http::explain::Problem;
use crate::http::field::{OwnLine, name};
use crate::http::recycle::{Recycle, Recycled, recycled_by_thread};
use crate::http::upgrade::OnUpgrade;
use crate::http::{Body, Fields, Status};

/// The answer to a request.
pub struct Response {
    head: Recycled<Head>,
    body: Body,
}

pub(crate) struct Head {
    pub(crate) status: Status,
    pub(crate) fields: Fields,
    pub(crate) pattern: Option<&'static str>,
    pub(crate) problem: Option<Box<Problem>>,
    pub(crate) upgrade: Option<OnUpgrade>,
    pub(crate) close: bool,
    pub(crate) endless: bool,
}

impl Default for Head {
    fn default() -> Self {
        Head {
            status: Status::OK,
            fields: Fields::new(),
            pattern: None,
            problem: None,
            upgrade: None,
            close: false,
            endless: false,
        }
    }
}

// What handlers return most.
const TEXT: OwnLine = OwnLine::new("Content-Type: text/plain; charset=utf-8\r\n");
const HTML: OwnLine = OwnLine::new("Content-Type: text/html; charset=utf-8\r\n");
const JSON: OwnLine = OwnLine::new("Content-Type: application/json\r\n");
const BYTES: OwnLine = OwnLine::new("Content-Type: application/octet-stream\r\n");

/// Bytes of fields that a recycled head may keep.
pub(crate) const KEPT_BYTES_MAX: usize = 4096;

impl Recycle for Head {
    recycled_by_thread!();

    fn recycle(&mut self) -> bool {
        self.status = Status::OK;
        self.fields.clear();
        self.pattern = None;
        self.problem = None;
        self.upgrade = None;
        self.close = false;
        self.endless = false;
        self.fields.bytes.capacity() <= KEPT_BYTES_MAX
    }
}

impl Response {
    /// A response without content.
    pub fn new(status: Status) -> Response {
        let mut head = Recycled::<Head>::take();
        head.status = status;
        Response { head, body: Body::empty() }
    }

    /// `200 OK` with `content` of a type that is one of ours.
    #[inline]
    fn of_type(content_type: &OwnLine, content: Body) -> Response {
        let mut head = Recycled::<Head>::take();
        head.fields.push_own(content_type);
        Response { head, body: content }
    }

    /// `200 OK` with text.
    pub fn text(text: impl Into<Body>) -> Response {
        Response::of_type(&TEXT, text.into())
    }

    /// `200 OK` with a page.
    pub fn html(page: impl Into<Body>) -> Response {
        Response::of_type(&HTML, page.into())
    }

    /// `200 OK` with `value` as JSON; `500` when it cannot be serialised (a map with keys that are no strings, say).
    pub fn json(value: &impl Serialize) -> Response {
        match serde_json::to_vec(value) {
            Ok(json) => Response::of_type(&JSON, json.into()),
            Err(error) => Problem::internal(format!("the answer cannot be written as JSON: {error}")).into_response(),
        }
    }

    /// A redirect (RFC 9110 15.4) with `status` to `location`.
    pub fn redirect(status: Status, location: &str) -> Response {
        Response::new(status).with(name::LOCATION, location)
    }

    /// Adds a field line. Bytes that would split the message become spaces.
    ///
    /// # Panics
    /// When `name` is no token: names come from the program, not from a peer.
    pub fn with(mut self, name: &str, value: impl AsRef<[u8]>) -> Response {
        self.head.fields.append_escaped(name, value);
        self
    }

    /// Replaces the content and its type.
    pub fn with_content(mut self, content_type: &str, content: impl Into<Body>) -> Response {
        self.head.fields.remove(name::CONTENT_TYPE);
        self.head.fields.append_escaped(name::CONTENT_TYPE, content_type);
        self.body = content.into();
        self
    }

    /// Replaces the status.
    pub fn with_status(mut self, status: Status) -> Response {
        self.head.status = status;
        self
    }

    /// Says when to ask again (RFC 9110 10.2.3): in whole seconds, after which `wait` has passed.
    pub fn with_retry_after(self, wait: Duration) -> Response {
        let seconds = wait.as_millis().div_ceil(1_000).max(1);
        self.with(name::RETRY_AFTER, seconds.to_string())
    }

    /// Closes the connection after this response, and announces it (RFC 9112 9.6).
    pub fn with_close(mut self) -> Response {
        self.head.close = true;
        self
    }

    /// Says that the content ends only with the connection, as a stream of events does: a shutdown need not wait for its
    /// end, and ends it between two pieces.
    pub fn with_endless_content(mut self) -> Response {
        self.head.endless = true;
        self
    }

    /// The status.
    pub fn status(&self) -> Status {
        self.head.status
    }

    /// The field lines.
    pub fn fields(&self) -> &Fields {
        &self.head.fields
    }

    /// The field lines, to change them.
    pub fn fields_mut(&mut self) -> &mut Fields {
        &mut self.head.fields
    }

    /// The value of the first field line called `name`, when it is UTF-8.
    pub fn field(&self, name: &str) -> Option<&str> {
        self.head.fields.text(name)
    }

    /// The content.
    pub fn body(&self) -> &Body {
        &self.body
    }

    /// The content, to read or replace it.
    pub fn body_mut(&mut self) -> &mut Body {
        &mut self.body
    }

    /// The route's pattern that answered, such as `GET /users/{id}`, when a router did.
    pub fn pattern(&self) -> Option<&'static str> {
        self.head.pattern
    }

    /// What went wrong, when this is an answer of the server's catalogue.
    pub fn problem(&self) -> Option<&Problem> {
        self.head.problem.as_deref()
    }

    pub(crate) fn head_mut(&mut self) -> &mut Head {
        &mut self.head
    }

    pub(crate) fn parts(&self) -> (&Head, &Body) {
        (&self.head, &self.body)
    }

    pub(crate) fn into_parts(self) -> (Recycled<Head>, Body) {
        (self.head, self.body)
    }
}

impl fmt::Debug for Response {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Response")
            .field("status", &self.head.status)
            .field("fields", &self.head.fields)
            .field("body", &self.body)
            .finish()
    }
}

/// What a handler may return.
#[diagnostic::on_unimplemented(
    message = "`{Self}` cannot be sent as a response",
    label = "not a response",
    note = "return `Response`, text, bytes, `Status`, `Json(value)`, `(Status, content)`, or a `Result` of two of these"
)]
pub trait IntoResponse {
    /// The response.
    fn into_response(self) -> Response;
}

#[diagnostic::do_not_recommend]
impl IntoResponse for Response {
    fn into_response(self) -> Response {
        self
    }
}

#[diagnostic::do_not_recommend]
impl IntoResponse for Status {
    fn into_response(self) -> Response {
        Response::new(self)
    }
}

#[diagnostic::do_not_recommend]
impl IntoResponse for () {
    fn into_response(self) -> Response {
        Response::new(Status::NO_CONTENT)
    }
}

macro_rules! text_into_response {
    ($($text:ty),+) => { $(
        #[diagnostic::do_not_recommend]
        impl IntoResponse for $text {
            fn into_response(self) -> Response {
                Response::text(self)
            }
        }
    )+ };
}

text_into_response!(&'static str, String);

macro_rules! bytes_into_response {
    ($($bytes:ty),+) => { $(
        #[diagnostic::do_not_recommend]
        impl IntoResponse for $bytes {
            fn into_response(self) -> Response {
                Response::of_type(&BYTES, self.into())
            }
        }
    )+ };
}

bytes_into_response!(Bytes, Vec<u8>, Body);

#[diagnostic::do_not_recommend]
impl<T: IntoResponse> IntoResponse for (Status, T) {
    fn into_response(self) -> Response {
        self.1.into_response().with_status(self.0)
    }
}

#[diagnostic::do_not_recommend]
impl<T: IntoResponse, E: IntoResponse> IntoResponse for Result<T, E> {
    fn into_response(self) -> Response {
        match self {
            Ok(answer) => answer.into_response(),
            Err(error) => error.into_response(),
        }
    }
}

/// A value that is sent as JSON.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Json<T>(pub T);

#[diagnostic::do_not_recommend]
impl<T: Serialize> IntoResponse for Json<T> {
    fn into_response(self) -> Response {
        Response::json(&self.0)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_handlers_return_becomes_a_response() {
        let check = |response: Response, status: Status, content_type: Option<&str>| {
            assert_eq!((response.status(), response.field("content-type")), (status, content_type));
        };
        check("hi".into_response(), Status::OK, Some("text/plain; charset=utf-8"));
        check(().into_response(), Status::NO_CONTENT, None);
        check((Status::CREATED, Json(1)).into_response(), Status::CREATED, Some("application/json"));
        check(Err::<(), _>(Status::FORBIDDEN).into_response(), Status::FORBIDDEN, None);
        check(Bytes::from_static(b"x").into_response(), Status::OK, Some("application/octet-stream"));
    }

    #[test]
    fn what_cannot_be_json_is_an_internal_error() {
        let unwritable = std::collections::HashMap::from([((1, 2), 3)]);
        assert_eq!(Response::json(&unwritable).status(), Status::INTERNAL_SERVER_ERROR);
    }

    #[test]
    fn a_value_from_outside_cannot_split_the_response() {
        let response = Response::redirect(Status::FOUND, "/x\r\nSet-Cookie: a=b");
        assert_eq!(response.field("location"), Some("/x  Set-Cookie: a=b"));
    }

    #[test]
    fn it_is_small_to_move() {
        assert!(size_of::<Response>() <= 64, "{} bytes", size_of::<Response>());
    }
}
