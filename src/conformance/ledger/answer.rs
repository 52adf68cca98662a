//! Owns the rows on answers: what each of them must look like, good or bad.
//!
//! Spec: RFC 9112 4, 5, 6.1, 6.2, 6.3; RFC 9110 5.3, 5.6.7, 6.6.1, 8.3, 8.6, 9.3.2, 15.
//! Never: code beside the rows.

use crate::conformance::Requirement;
use crate::conformance::requirement::Step::{Await, Send, SendHead};
use crate::conformance::requirement::{must, should};
use crate::conformance::seen::ensure;

use super::shape::{echo, get, post};

pub(super) const ROWS: &[Requirement] = &[
    // Its lines.
    must("answer/status-line", "RFC 9112 4", "version, space, three digits, and a space even where no phrase follows")
        .decided("200")
        .probe(&[Send(get!("Connection: close"))], |seen| seen.begins_with_status_line()),
    must("answer/refusal-status-line", "RFC 9112 4", "a refusal begins with a status-line to the letter")
        .decided("400 H1-FRAME-009")
        .probe(&[Send(get!("Content-Length: x"))], |seen| seen.begins_with_status_line()),
    must(
        "answer/lines",
        "RFC 9110 2.2, RFC 9112 5",
        "field lines are well formed: a name, a colon, a value, CR LF; none is folded",
    )
    .decided("200")
    .probe(&[Send(get!("Connection: close"))], |seen| seen.last(&[200])?.well_formed()),
    must("answer/refusal-lines", "RFC 9110 2.2, RFC 9112 5", "the field lines of a refusal are well formed too")
        .decided("400 H1-FRAME-009")
        .probe(&[Send(get!("Content-Length: x"))], |seen| seen.only()?.well_formed()),
    must("answer/fields-once", "RFC 9110 5.3", "a field that is no list stands once")
        .decided("200")
        .probe(&[Send(get!("Connection: close"))], |seen| seen.last(&[200])?.repeats_none(SINGLE)),
    must("answer/refusal-fields-once", "RFC 9110 5.3", "a field that is no list stands once in a refusal too")
        .decided("400 H1-FRAME-009")
        .probe(&[Send(get!("Content-Length: x"))], |seen| seen.only()?.repeats_none(SINGLE)),
    must("answer/splitting", "RFC 9110 5.5", "no value that came from outside ends a line of the answer")
        .decided("control bytes become spaces, or the value is refused")
        .test("response_splitting_is_refused_or_escaped"),
    // Date.
    must("answer/date", "RFC 9110 6.6.1", "a server with a clock says in every 2xx when it was")
        .decided("200")
        .probe(&[Send(get!("Connection: close"))], |seen| seen.last(&[200])?.has("Date")),
    must("answer/refusal-date", "RFC 9110 6.6.1", "a server with a clock says in every 4xx when it was")
        .decided("400 H1-FRAME-009")
        .probe(&[Send(get!("Content-Length: x"))], |seen| seen.last(&[400])?.has("Date")),
    must("answer/not-found-date", "RFC 9110 6.6.1", "an answer that nothing is there says when that was")
        .decided("404 HTTP-ROUTE-001")
        .probe(&[Send("GET /nothing/is/here HTTP/1.1\r\nHost: {host}\r\nConnection: close\r\n\r\n")], |seen| {
            seen.only()?.has("Date")
        }),
    must("answer/date-format", "RFC 9110 5.6.7", "a date is written as an IMF-fixdate: Sun, 06 Nov 1994 08:49:37 GMT")
        .decided("200")
        .probe(&[Send(get!("Connection: close"))], |seen| {
            let dates = ["Date", "Last-Modified", "Expires"];
            seen.last(&[200])?.has_fixdates(&dates)
        }),
    // Where it ends.
    should("answer/delimited", "RFC 9112 6.3", "an answer has a length or is chunked, so that its end can be told")
        .decided("200")
        .probe(&[Send(get!("Connection: close"))], |seen| {
            let answer = seen.last(&[200])?;
            answer.has("Content-Length").or_else(|_| answer.has("Transfer-Encoding"))
        }),
    must("answer/one-framing", "RFC 9112 6.2", "no Content-Length stands beside Transfer-Encoding")
        .decided("200")
        .probe(&[Send(get!("Connection: close"))], |seen| seen.only()?.is_framed_once()),
    must("answer/echo-one-framing", "RFC 9112 6.2", "an answer to chunked content has one framing field at most")
        .decided("200")
        .probe(&[Send(echo!("Transfer-Encoding: chunked", "Connection: close"; "5\r\nhello\r\n0\r\n\r\n"))], |seen| {
            seen.only()?.is_framed_once()
        }),
    must("answer/refusal-one-framing", "RFC 9112 6.2", "a refusal has one framing field at most")
        .decided("400 H1-FRAME-009")
        .probe(&[Send(get!("Content-Length: x"))], |seen| seen.only()?.is_framed_once()),
    must("answer/http10", "RFC 9112 6.1", "no Transfer-Encoding is sent to HTTP/1.0")
        .decided("200")
        .probe(&[Send("GET {get} HTTP/1.0\r\nHost: {host}\r\n\r\n")], |seen| {
            seen.last(&[200])?.lacks("Transfer-Encoding")
        }),
    must("answer/http10-echo", "RFC 9112 6.1", "no Transfer-Encoding to HTTP/1.0, even if the length is not known")
        .decided("200")
        .probe(&[Send("POST {echo} HTTP/1.0\r\nHost: {host}\r\nContent-Length: 5\r\n\r\nhello")], |seen| {
            let answer = seen.last(&[200])?;
            answer.says(b"hello").and(answer.lacks("Transfer-Encoding"))
        }),
    must(
        "answer/nothing-between",
        "RFC 9110 2.2, RFC 9112 2.1",
        "the next answer begins where the content of the last one ends",
    )
    .decided("200")
    .probe(&[Send(get!()), Send(post!("Content-Length: 0"; "")), Send(get!("Connection: close"))], |seen| {
        seen.up_to(3).map(drop)
    }),
    must("answer/no-content", "RFC 9110 8.6", "an answer with 204 has neither Content-Length nor Transfer-Encoding")
        .decided("204")
        .probe(&[Send("OPTIONS * HTTP/1.1\r\nHost: {host}\r\nConnection: close\r\n\r\n")], |seen| {
            let answer = seen.only()?;
            if answer.status == 204 {
                answer.lacks("Content-Length").and(answer.lacks("Transfer-Encoding"))
            } else {
                Ok(())
            }
        }),
    must(
        "answer/without-content",
        "RFC 9110 8.6, 15.3.6, 15.4.5, RFC 9112 6.1",
        "1xx, 204, 205 and 304 have no content; 1xx and 204 declare none",
    )
    .decided("by method, version and status")
    .test("answers_are_framed_by_method_version_and_status"),
    // HEAD.
    must("answer/head", "RFC 9110 9.3.2", "an answer to HEAD has no content")
        .decided("200")
        .probe(&[SendHead("HEAD {get} HTTP/1.1\r\nHost: {host}\r\n\r\n"), Send(get!("Connection: close"))], |seen| {
            seen.up_to(2).map(drop)
        }),
    must("answer/head-not-found", "RFC 9110 9.3.2", "an answer to HEAD that nothing is there has no content")
        .decided("404 HTTP-ROUTE-001")
        .probe(
            &[SendHead("HEAD /nothing/is/here HTTP/1.1\r\nHost: {host}\r\n\r\n"), Send(get!("Connection: close"))],
            |seen| seen.up_to(2).map(drop),
        ),
    must("answer/head-refused", "RFC 9110 9.3.2", "a refusal of HEAD has no content")
        .decided("400 H1-FRAME-009")
        .probe(&[SendHead("HEAD {get} HTTP/1.1\r\nHost: {host}\r\nContent-Length: x\r\n\r\n")], |seen| {
            seen.refused(&[400])
        }),
    must("answer/head-length", "RFC 9110 8.6", "a Content-Length in an answer to HEAD is that of the same GET")
        .decided("200")
        .probe(
            &[
                Send(get!()),
                Await,
                SendHead("HEAD {get} HTTP/1.1\r\nHost: {host}\r\n\r\n"),
                Await,
                Send(get!("Connection: close")),
            ],
            |seen| {
                let answers = seen.up_to(3)?;
                let &[get, head, again] = &answers[..] else { return Ok(()) };
                let length = get.length.to_string();
                let said = head.field("Content-Length").unwrap_or(&length);
                // Of content that changes from one request to the next nothing can be said.
                let changes = again.length != get.length;
                ensure(changes || said == length, || format!("Content-Length: {said}, and GET sends {length} bytes"))
            },
        ),
    should("answer/head-fields", "RFC 9110 9.3.2", "an answer to HEAD has the fields of the same GET, framing aside")
        .decided("200")
        .probe(
            &[Send(get!()), Await, SendHead("HEAD {get} HTTP/1.1\r\nHost: {host}\r\nConnection: close\r\n\r\n")],
            |seen| {
                let answers = seen.up_to(2)?;
                let Some(head) = answers.get(1) else { return Ok(()) };
                let is_of_content = |name: &str| OF_CONTENT.iter().any(|other| other.eq_ignore_ascii_case(name));
                let missing = answers[0]
                    .fields
                    .iter()
                    .map(|(name, _)| name)
                    .find(|name| !is_of_content(name) && head.has(name).is_err());
                ensure(missing.is_none(), || format!("no {} in the answer to HEAD", missing.unwrap_or_default()))
            },
        ),
    // Content.
    should("answer/content-type", "RFC 9110 8.3", "an answer that has content says in Content-Type what it is")
        .decided("200")
        .probe(&[Send(get!("Connection: close"))], |seen| {
            let answer = seen.last(&[200])?;
            if answer.content.is_empty() { Ok(()) } else { answer.has("Content-Type") }
        }),
    should("answer/refusal-explains", "RFC 9110 15.5", "a 4xx has content that explains it")
        .decided("400 H1-FRAME-009")
        .probe(&[Send(get!("Content-Length: x"))], |seen| seen.last(&[400])?.explains()),
    should("answer/not-found-explains", "RFC 9110 15.5", "a 404 has content that explains it")
        .decided("404 HTTP-ROUTE-001")
        .probe(&[Send("GET /nothing/is/here HTTP/1.1\r\nHost: {host}\r\nConnection: close\r\n\r\n")], |seen| {
            seen.only()?.explains()
        }),
    should("answer/fault-explains", "RFC 9110 15.6", "a 5xx has content that explains it")
        .decided("500 with a code; details are logged and not sent")
        .test("a_handler_panics_where_it_likes"),
];

/// Fields that are no list (RFC 9110 5.3, 5.5).
const SINGLE: &[&str] = &["Content-Length", "Content-Type", "Date", "ETag", "Last-Modified", "Location", "Server"];

/// Fields that an answer to HEAD may leave out since only the making of the content yields them (RFC 9110 9.3.2), or that
/// belong to one exchange.
const OF_CONTENT: &[&str] = &[
    "connection",
    "content-digest",
    "content-length",
    "etag",
    "keep-alive",
    "repr-digest",
    "set-cookie",
    "trailer",
    "transfer-encoding",
    "vary",
];
