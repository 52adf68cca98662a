//! Owns the rows on conditional requests: what is judged for a resource of which nothing is known, and what is ignored.
//!
//! The one idea: every resource has some representation or none, so `*` and a tag that nobody has are fair to all.
//!
//! Spec: RFC 9110 8.6, 13.1, 13.2, 15.4.5.
//! Never: code beside the rows.

use crate::conformance::Requirement;
use crate::conformance::requirement::Step::{Await, Send, SendHead};
use crate::conformance::requirement::must;
use crate::conformance::seen::ensure;

use super::shape::{echo, get};

pub(super) const ROWS: &[Requirement] = &[
    must("condition/none-match-any", "RFC 9110 13.1.2", "If-None-Match: * wants nothing to be there: else 304 to GET")
        .decided("304")
        .probe(&[Send(get!("If-None-Match: *", "Connection: close"))], |seen| seen.refused(&[304])),
    must("condition/match-any", "RFC 9110 13.1.1", "If-Match: * wants something to be there, and it is")
        .decided("200")
        .probe(&[Send(get!("If-Match: *", "Connection: close"))], |seen| seen.refused(&[200])),
    must("condition/match-other", "RFC 9110 13.1.1", "where no tag of If-Match is there the request is not performed")
        .decided("412 HTTP-CONDITION-001")
        .probe(&[Send(get!("If-Match: \"no-such-tag\"", "Connection: close"))], |seen| {
            let status = seen.only()?.status;
            ensure(status >= 300, || format!("{status}, as if there were no condition"))
        }),
    must("condition/not-modified", "RFC 9110 15.4.5", "a 304 has no content, and of the 200 what caches need")
        .decided("200, then 304")
        .probe(
            &[Send(get!()), Await, Send(get!("If-None-Match: *")), Await, Send(get!("Connection: close"))],
            |seen| {
                let answers = seen.up_to(3)?;
                let Some(second) = answers.get(1) else { return Ok(()) };
                let missing = FOR_CACHES.iter().find(|name| answers[0].has(name).is_ok() && second.has(name).is_err());
                ensure(second.status != 304 || missing.is_none(), || format!("304 without {missing:?}"))
            },
        ),
    must("condition/not-modified-length", "RFC 9110 8.6", "a Content-Length in a 304 is that of the 200")
        .decided("200, then 304")
        .probe(
            &[Send(get!()), Await, Send(get!("If-None-Match: *")), Await, Send(get!("Connection: close"))],
            |seen| {
                let answers = seen.up_to(3)?;
                let &[full, second, again] = &answers[..] else { return Ok(()) };
                let length = full.length.to_string();
                let said = second.field("Content-Length").filter(|_| second.status == 304).unwrap_or(&length);
                let changes = again.length != full.length;
                ensure(changes || said == length, || format!("Content-Length: {said}, and the 200 has {length} bytes"))
            },
        ),
    must("condition/none-match-any-head", "RFC 9110 13.1.2", "If-None-Match: * answers HEAD with 304 too")
        .decided("304")
        .probe(
            &[SendHead("HEAD {get} HTTP/1.1\r\nHost: {host}\r\nIf-None-Match: *\r\nConnection: close\r\n\r\n")],
            |seen| seen.refused(&[304]),
        ),
    must(
        "condition/match-first",
        "RFC 9110 13.2.2",
        "If-Match is evaluated first: where it is false, nothing else counts",
    )
    .decided("412 HTTP-CONDITION-001")
    .probe(&[Send(get!("If-None-Match: *", "If-Match: \"no-such-tag\"", "Connection: close"))], |seen| {
        let status = seen.only()?.status;
        ensure(status >= 300 && status != 304, || format!("{status}, as if there were no If-Match"))
    }),
    must("condition/other-tag", "RFC 9110 13.1.2", "If-None-Match with tags that do not match changes nothing")
        .decided("200")
        .probe(&[Send(get!("If-None-Match: \"no-such-tag\", W/\"nor-this\"", "Connection: close"))], |seen| {
            seen.served()
        }),
    must("condition/modified-invalid", "RFC 9110 13.1.3", "If-Modified-Since without a valid date is ignored")
        .decided("200")
        .probe(&[Send(get!("If-Modified-Since: the day before", "Connection: close"))], |seen| seen.served()),
    must("condition/modified-list", "RFC 9110 13.1.3", "If-Modified-Since with two dates is ignored")
        .decided("200")
        .probe(
            &[Send(get!(
                "If-Modified-Since: Fri, 01 Jan 2100 00:00:00 GMT, Fri, 01 Jan 2100 00:00:00 GMT",
                "Connection: close"
            ))],
            |seen| seen.served(),
        ),
    must("condition/modified-beside-tag", "RFC 9110 13.1.3", "If-Modified-Since beside If-None-Match is ignored")
        .decided("200")
        .probe(
            &[Send(get!(
                "If-None-Match: \"no-such-tag\"",
                "If-Modified-Since: Fri, 01 Jan 2100 00:00:00 GMT",
                "Connection: close"
            ))],
            |seen| seen.served(),
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
        .probe(&[Send(get!("If-Unmodified-Since: once upon a time", "Connection: close"))], |seen| seen.served()),
    must("condition/behind-an-error", "RFC 9110 13.2.1", "conditions are ignored where there is an error anyway")
        .decided("404 HTTP-ROUTE-001")
        .probe(
            &[
                Send("GET /nothing/is/here HTTP/1.1\r\nHost: {host}\r\n\r\n"),
                Send("GET /nothing/is/here HTTP/1.1\r\nHost: {host}\r\nConnection: close\r\n"),
                Send("If-Match: \"no-such-tag\"\r\nIf-None-Match: *\r\n\r\n"),
            ],
            |seen| {
                let answers = seen.up_to(2)?;
                let is_there = answers[0].status < 300;
                answers.get(1).filter(|_| !is_there).map_or(Ok(()), |second| second.is(answers[0].status))
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
                let answers = seen.up_to(2)?;
                answers.get(1).map_or(Ok(()), |second| second.is(answers[0].status))
            },
        ),
];

/// What a 304 says when the 200 would (RFC 9110 15.4.5).
const FOR_CACHES: &[&str] = &["Cache-Control", "Content-Location", "Date", "ETag", "Expires", "Vary"];
