//! Owns the rows on the version of HTTP: how it is spelled, and which ones are spoken. What differs for 1.0 stands where it
//! differs: `connection/http10-closes`, `answer/http10` and others.
//!
//! Spec: RFC 9112 2.3; RFC 9110 2.5, 6.2 and 15.6.6.
//! Never: code beside the rows.

use super::{CLOSE, HIDDEN, LAST};
use crate::conformance::Requirement;
use crate::conformance::requirement::Step::{Await, Send};
use crate::conformance::requirement::{choice, should};
use crate::conformance::seen::ensure;

pub(super) const ROWS: &[Requirement] = &[
    // The answer's own version.
    should("version/of-answer", "RFC 9110 6.2", "an answer to HTTP/1.1 says HTTP/1.1").decided("200").probe(
        &[Send("GET {get} HTTP/1.1\r\n"), LAST],
        |seen| {
            let answer = seen.answered(&[200])?;
            ensure(answer.version == "HTTP/1.1", || answer.version.clone())
        },
    ),
    should("version/of-answer-to-1-0", "RFC 9110 6.2", "an answer to HTTP/1.0 says HTTP/1.1, the highest of its major")
        .decided("200")
        .probe(&[Send("GET {get} HTTP/1.0\r\n"), LAST], |seen| {
            let answer = seen.answered(&[200])?;
            ensure(answer.version == "HTTP/1.1", || answer.version.clone())
        }),
    should("version/of-refusal", "RFC 9110 6.2", "a refusal says HTTP/1.1, though the version was not understood")
        .decided("400 H1-VERSION-002")
        .probe(&[Send("GET {get} HTTP/x.y\r\n"), LAST], |seen| {
            let answer = seen.answered(&[400, 505])?;
            ensure(answer.version == "HTTP/1.1", || answer.version.clone())
        }),
    // HTTP/1.0.
    choice("version/1-0", "RFC 9112 2.3", "HTTP/1.0 is served")
        .decided("200")
        .probe(&[Send("GET {get} HTTP/1.0\r\n"), LAST], |seen| seen.served()),
    // Versions that are not ours.
    should("version/higher-minor", "RFC 9110 6.2", "HTTP/1.2 is processed as HTTP/1.1")
        .decided("200")
        .probe(&[Send("GET {get} HTTP/1.2\r\n"), LAST], |seen| seen.served()),
    should("version/highest-minor", "RFC 9110 6.2", "HTTP/1.9 is processed as HTTP/1.1, which persists")
        .decided("200, twice")
        .probe(&[Send("GET {get} HTTP/1.9\r\nHost: {host}\r\n\r\n"), Await, HIDDEN], |seen| seen.served_all(2)),
    should("version/higher-minor-needs-host", "RFC 9110 6.2, RFC 9112 3.2", "HTTP/1.2 without Host is refused too")
        .decided("400 H1-HOST-001")
        .probe(&[Send("GET {get} HTTP/1.2\r\n"), CLOSE], |seen| seen.answered(&[400, 505]).map(drop)),
    choice("version/2-0", "RFC 9110 6.2", "a higher major version is refused with 505")
        .decided("505 H1-VERSION-003")
        .probe(&[Send("GET {get} HTTP/2.0\r\n"), LAST], |seen| seen.refused(&[505])),
    choice("version/0-9", "RFC 9110 6.2", "a lower major version is refused with 505")
        .decided("505 H1-VERSION-003")
        .probe(&[Send("GET {get} HTTP/0.9\r\n"), LAST], |seen| seen.refused(&[505])),
    choice("version/2-preface", "RFC 9110 6.2, RFC 9113 3.4", "the preface of HTTP/2 is refused with 505")
        .decided("505 H1-VERSION-003")
        .probe(&[Send("PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n")], |seen| seen.refused(&[505])),
    should("version/505-explains", "RFC 9110 15.6.6", "a 505 says why, and what is spoken instead")
        .decided("505 H1-VERSION-003")
        .probe(&[Send("GET {get} HTTP/3.0\r\n"), LAST], |seen| {
            let answer = seen.answered(&[505, 400])?;
            ensure(answer.status != 505 || !answer.content.is_empty(), || format!("{} without content", answer.status))
        }),
    // What is no version.
    should("version/missing", "RFC 9112 2.2, 3", "a request-line without a version is answered 400, not HTTP/0.9")
        .decided("400 H1-VERSION-001")
        .probe(&[Send("GET {get}\r\n"), LAST], |seen| seen.refused(&[400, 505])),
    should("version/lower-case", "RFC 9112 2.2, 2.3", "the version is case-sensitive: http/1.1 is answered 400")
        .decided("400 H1-VERSION-002")
        .probe(&[Send("GET {get} http/1.1\r\n"), LAST], |seen| seen.refused(&[400, 505])),
    should("version/without-minor", "RFC 9112 2.2, 2.3", "a version has two digits: HTTP/1 is answered 400")
        .decided("400 H1-VERSION-002")
        .probe(&[Send("GET {get} HTTP/1\r\n"), LAST], |seen| seen.refused(&[400, 505])),
    should("version/without-dot", "RFC 9112 2.2, 2.3", "a version has a dot: HTTP/11 is answered 400")
        .decided("400 H1-VERSION-002")
        .probe(&[Send("GET {get} HTTP/11\r\n"), LAST], |seen| seen.refused(&[400, 505])),
    should("version/two-digit-minor", "RFC 9112 2.2, 2.3", "the minor version is one digit: HTTP/1.10 is answered 400")
        .decided("400 H1-LINE-010")
        .probe(&[Send("GET {get} HTTP/1.10\r\n"), LAST], |seen| seen.refused(&[400, 505])),
    should("version/leading-zero", "RFC 9112 2.2, 2.3", "the major version is one digit: HTTP/01.1 is refused")
        .decided("505 H1-VERSION-003: a major version of 0, as far as it is read")
        .probe(&[Send("GET {get} HTTP/01.1\r\n"), LAST], |seen| seen.refused(&[400, 505])),
    should("version/tail", "RFC 9112 2.2, 2.3", "a version ends the line: HTTP/1.1;a is answered 400")
        .decided("400 H1-LINE-010")
        .probe(&[Send("GET {get} HTTP/1.1;a\r\n"), LAST], |seen| seen.refused(&[400, 505])),
    should("version/other-protocol", "RFC 9112 2.2, 2.3", "the name is HTTP: RTSP/1.0 is answered 400")
        .decided("400 H1-VERSION-002")
        .probe(&[Send("GET {get} RTSP/1.0\r\n"), LAST], |seen| seen.refused(&[400, 505])),
];
