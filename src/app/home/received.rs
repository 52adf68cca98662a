//! Owns the visitor's own request, put together again and explained line by line.
//!
//! The head is not kept as it came, so it is written anew from its parts: one space where there was white space, and
//! names as they were sent.
//!
//! Spec: RFC 9112 2.1 (message).
//! Never: shows the value of a secret field.

use crate::app::inspect::annotate::{Line, request_head};
use crate::http::Request;
use crate::http::server::trace::masked;

/// A request's head.
pub(super) struct Received(Vec<u8>);

impl Received {
    pub(super) fn of(request: &Request) -> Received {
        let mut head =
            format!("{} {} {}\r\n", request.content_method(), request.target(), request.version()).into_bytes();
        for (name, value) in request.fields().iter() {
            head.extend_from_slice(name.as_bytes());
            head.extend_from_slice(b": ");
            head.extend_from_slice(value);
            head.extend_from_slice(b"\r\n");
        }
        head.extend_from_slice(b"\r\n");
        Received(masked(&head))
    }

    pub(super) fn lines(&self) -> Vec<Line> {
        request_head(&self.0)
    }
}
