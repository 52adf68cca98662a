//! Owns the refusal of a request that no handler sees: how it is worded, and whether it has content.
//!
//! The one idea: a head that cannot be trusted is still read for what its sender can read: it may have asked for JSON, and
//! for no content at all.
//!
//! Spec: RFC 9110 9.3.2 (no content to HEAD), 12.5.1 (Accept); RFC 9457 (problem details); RFC 6585 5 (431).
//! Never: decides anything but the wording: the head that it guesses from was refused.

use crate::http::explain::{Problem, Style, wants_json};
use crate::http::h1::grammar;
use crate::http::server::Shared;
use crate::http::server::drive::Asked;
use crate::http::{Fault, Method, ProtocolError};

/// Bytes of a field name that is told to the client. A longer one is seen where the head was cut.
const NAME_BYTES_MAX: usize = 64;

/// A problem, and how to tell it to this client.
pub(super) struct Refusal {
    pub(super) problem: Problem,
    pub(super) style: Style,
    /// Whether content may follow the answer's head.
    pub(super) has_content: bool,
    /// What was asked for, where a request had begun, as far as it was understood.
    pub(super) method: Option<Option<Method>>,
}

impl Refusal {
    /// Refuses a request whose head, `received` as far as it has come, was not understood.
    pub(super) fn of_head<H>(shared: &Shared<H>, received: &[u8], error: ProtocolError) -> Box<Refusal> {
        // Only what stands before the fault was understood, and that is the same however the bytes came.
        let understood = &received[..error.at.min(received.len())];
        let method = method(understood);
        let mut problem = Problem::of_bytes(error, received).with_limit_of(&shared.config.limits);
        // RFC 6585 5: where one field is at fault, the 431 should name it.
        if error.fault == Fault::HeadTooLarge
            && let Some(field) = longest_field(understood)
        {
            problem = problem.with_field(field);
        }
        let (style, has_content) = (style(shared, accept_lines(received)), method != Some(Method::HEAD));
        Box::new(Refusal { problem, style, has_content, method: Some(method) })
    }

    /// Refuses a connection that was not yet read from.
    pub(super) fn of_nothing<H>(shared: &Shared<H>, problem: Problem) -> Box<Refusal> {
        Box::new(Refusal { problem, style: style(shared, std::iter::empty()), has_content: true, method: None })
    }

    /// Refuses a request whose head was in order.
    pub(super) fn of_request(asked: &Asked, style: Style, problem: Problem) -> Box<Refusal> {
        Box::new(Refusal {
            problem,
            style,
            has_content: asked.method != Method::HEAD,
            method: Some(Some(asked.method)),
        })
    }
}

/// The method of a head whose request-line was understood as far as that.
fn method(understood: &[u8]) -> Option<Method> {
    let line = understood.trim_ascii_start();
    Method::parse(&line[..line.iter().position(|&byte| byte == b' ')?])
}

/// How the answers to a request word what went wrong.
pub(super) fn style<'a, H>(shared: &Shared<H>, mut accept: impl Iterator<Item = &'a [u8]>) -> Style {
    match (shared.config.terse_errors, accept.any(wants_json)) {
        (true, _) => Style::Terse,
        (false, true) => Style::Json,
        (false, false) => Style::Text,
    }
}

/// The name of the longest field line, the last of them where that is not complete: what made the head so large.
fn longest_field(head: &[u8]) -> Option<&str> {
    let lines = head.split(|&byte| byte == b'\n').skip(1);
    let name = lines.max_by_key(|line| line.len())?.split(|&byte| byte == b':').next()?;
    let is_name = name.len() <= NAME_BYTES_MAX && name.iter().all(|&byte| grammar::is_token(byte));
    std::str::from_utf8(name).ok().filter(|_| is_name && !name.is_empty())
}

/// The Accept lines of a head, whether it is in order or not.
pub(super) fn accept_lines(head: &[u8]) -> impl Iterator<Item = &[u8]> {
    head.split(|&byte| byte == b'\n').filter_map(|line| {
        let (name, value) = line.split_at_checked(b"accept:".len())?;
        name.eq_ignore_ascii_case(b"accept:").then_some(value.trim_ascii())
    })
}
