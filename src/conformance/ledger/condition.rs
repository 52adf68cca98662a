//! Owns the rows on conditional requests, as far as they hold for every server: what must be ignored.
//!
//! The one idea: whether a condition holds depends on the representation, which belongs to the application. That a
//! condition which cannot be judged changes nothing belongs to the protocol.
//!
//! Spec: RFC 9110 13.1, 13.2.
//! Never: code beside the rows.

use crate::conformance::Requirement;
use crate::conformance::requirement::Step::Send;
use crate::conformance::requirement::must;

use super::shape::{echo, get};

pub(super) const ROWS: &[Requirement] = &[
    must("condition/other-tag", "RFC 9110 13.1.2", "If-None-Match with tags that do not match changes nothing")
        .decided("200")
        .probe(&[Send(get!("If-None-Match: \"no-such-tag\", W/\"nor-this\"", "Connection: close"))], |seen| {
            seen.last(&[200]).map(|_| ())
        }),
    must("condition/modified-invalid", "RFC 9110 13.1.3", "If-Modified-Since without a valid date is ignored")
        .decided("200")
        .probe(&[Send(get!("If-Modified-Since: the day before", "Connection: close"))], |seen| {
            seen.last(&[200]).map(|_| ())
        }),
    must("condition/modified-list", "RFC 9110 13.1.3", "If-Modified-Since with two dates is ignored")
        .decided("200")
        .probe(
            &[Send(get!(
                "If-Modified-Since: Fri, 01 Jan 2100 00:00:00 GMT, Fri, 01 Jan 2100 00:00:00 GMT",
                "Connection: close"
            ))],
            |seen| seen.last(&[200]).map(|_| ()),
        ),
    must("condition/modified-beside-tag", "RFC 9110 13.1.3", "If-Modified-Since beside If-None-Match is ignored")
        .decided("200")
        .probe(
            &[Send(get!(
                "If-None-Match: \"no-such-tag\"",
                "If-Modified-Since: Fri, 01 Jan 2100 00:00:00 GMT",
                "Connection: close"
            ))],
            |seen| seen.last(&[200]).map(|_| ()),
        ),
    must("condition/modified-post", "RFC 9110 13.1.3", "If-Modified-Since is for GET and HEAD, and ignored with POST")
        .decided("200")
        .probe(
            &[Send(echo!(
                "If-Modified-Since: Fri, 01 Jan 2100 00:00:00 GMT",
                "Content-Length: 5",
                "Connection: close";
                "hello"
            ))],
            |seen| seen.last(&[200])?.says(b"hello"),
        ),
    must("condition/unmodified-invalid", "RFC 9110 13.1.4", "If-Unmodified-Since without a valid date is ignored")
        .decided("200")
        .probe(&[Send(get!("If-Unmodified-Since: once upon a time", "Connection: close"))], |seen| {
            seen.last(&[200]).map(|_| ())
        }),
    must("condition/behind-an-error", "RFC 9110 13.2.1", "conditions are ignored where there is an error anyway")
        .decided("404 HTTP-ROUTE-001")
        .probe(
            &[
                Send("GET /nothing/is/here HTTP/1.1\r\nHost: {host}\r\n\r\n"),
                Send("GET /nothing/is/here HTTP/1.1\r\nHost: {host}\r\nConnection: close\r\n"),
                Send("If-Match: \"no-such-tag\"\r\nIf-None-Match: *\r\n\r\n"),
            ],
            |seen| {
                let answers = seen.all(2)?;
                if answers[0].status < 300 { Ok(()) } else { answers[1].is(answers[0].status) }
            },
        ),
    must("condition/options", "RFC 9110 13.2.1", "conditions are ignored with OPTIONS, which selects nothing")
        .decided("204")
        .probe(
            &[
                Send("OPTIONS {get} HTTP/1.1\r\nHost: {host}\r\n\r\n"),
                Send("OPTIONS {get} HTTP/1.1\r\nHost: {host}\r\nConnection: close\r\n"),
                Send("If-Match: \"no-such-tag\"\r\nIf-None-Match: *\r\n\r\n"),
            ],
            |seen| {
                let answers = seen.all(2)?;
                answers[1].is(answers[0].status)
            },
        ),
];
