//! Owns the rows on Expect: the question whether content is wanted, asked before it is sent.
//!
//! Spec: RFC 9110 8.6, 10.1.1, 15.2, 15.2.1; RFC 9112 6.1.
//! Never: code beside the rows.

use crate::conformance::Requirement;
use crate::conformance::answer::Answer;
use crate::conformance::requirement::Step::{Await, Finish, Pause, Send, SendHead};
use crate::conformance::requirement::{choice, must, should};
use crate::conformance::seen::ensure;

use super::shape::{echo, get};

pub(super) const ROWS: &[Requirement] = &[
    must("expect/continue", "RFC 9110 10.1.1", "content that is wanted is asked for with 100, before it comes")
        .decided("200")
        .probe(
            &[Send(echo!("Expect: 100-continue", "Content-Length: 5", "Connection: close"; "")), Await, Send("hello")],
            |seen| seen.asked_or_refused(b"hello"),
        ),
    must("expect/continue-chunked", "RFC 9110 10.1.1", "chunked content that is wanted is asked for with 100 too")
        .decided("200")
        .probe(
            &[
                Send(echo!("Expect: 100-continue", "Transfer-Encoding: chunked", "Connection: close"; "")),
                Await,
                Send("5\r\nhello\r\n0\r\n\r\n"),
            ],
            |seen| seen.asked_or_refused(b"hello"),
        ),
    must(
        "expect/continue-fields",
        "RFC 9110 8.6, RFC 9112 6.1",
        "a 100 declares no content: neither a length nor a coding",
    )
    .decided("200")
    .probe(
        &[Send(echo!("Expect: 100-continue", "Content-Length: 5", "Connection: close"; "")), Await, Send("hello")],
        |seen| {
            seen.all(1)?;
            let mut interim = seen.answers.iter().filter(|answer| answer.is_interim());
            interim.try_for_each(|answer| answer.lacks("Content-Length").and(answer.lacks("Transfer-Encoding")))
        },
    ),
    must("expect/case", "RFC 9110 2.4, 10.1.1", "100-continue is case-insensitive, and so is the name of its field")
        .decided("200")
        .probe(
            &[Send(echo!("EXPECT: 100-Continue", "Content-Length: 5", "Connection: close"; "")), Await, Send("hello")],
            |seen| seen.asked_or_refused(b"hello"),
        ),
    must("expect/http10", "RFC 9110 10.1.1", "Expect is ignored in HTTP/1.0: no 1xx, however long it takes")
        .decided("200")
        .probe(
            &[
                Send("POST {echo} HTTP/1.0\r\nHost: {host}\r\nExpect: 100-continue\r\nContent-Length: 5\r\n\r\n"),
                Pause,
                Send("hello"),
            ],
            |seen| seen.without_interim()?.last(&[200])?.says(b"hello"),
        ),
    must("expect/head", "RFC 9110 10.1.1", "a HEAD that waits with its content is answered").decided("200").probe(
        &[
            SendHead("HEAD {get} HTTP/1.1\r\nHost: {host}\r\nExpect: 100-continue\r\nContent-Length: 5\r\n\r\n"),
            Await,
            Finish,
        ],
        |seen| ensure(!seen.answers.is_empty(), || "no answer".to_owned()),
    ),
    choice("expect/content-is-here", "RFC 9110 10.1.1", "no 100 is needed when content has come with its head")
        .decided("none is sent")
        .test("a_client_is_asked_to_continue_only_when_its_content_is_wanted"),
    choice("expect/no-content", "RFC 9110 10.1.1", "no 100 is needed when no content is to come")
        .decided("200")
        .probe(&[Send(get!("Expect: 100-continue", "Connection: close"))], |seen| {
            seen.without_interim()?.last(&[200]).map(drop)
        }),
    choice("expect/unknown", "RFC 9110 10.1.1", "an expectation that is not known may be answered with 417")
        .decided("417 H1-EXPECT-001")
        .probe(&[Send(get!("Expect: a-good-day"))], |seen| seen.refused(&[417])),
    choice("expect/unknown-beside", "RFC 9110 10.1.1", "what is unknown beside 100-continue may be met with 417")
        .decided("417 H1-EXPECT-001")
        .probe(
            &[Send(echo!("Expect: 100-continue, a-good-day=now", "Content-Length: 5"; "")), Await, Finish],
            |seen| seen.without_interim()?.refused(&[417]),
        ),
    choice("expect/too-large", "RFC 9110 10.1.1", "content that is too large is refused at once, and not asked for")
        .decided("413 H1-CONTENT-001")
        .probe(&[Send(echo!("Expect: 100-continue", "Content-Length: 1099511627776"; "")), Await, Finish], |seen| {
            seen.without_interim()?.refused(&[413])
        }),
    should("expect/refused", "RFC 9110 10.1.1", "an answer in place of 100 says how it goes on")
        .decided("404 HTTP-ROUTE-001 and a close: whether the content follows is not known")
        .probe(
            &[
                Send("POST /nothing/is/here HTTP/1.1\r\nHost: {host}\r\n"),
                Send("Expect: 100-continue\r\nContent-Length: 18\r\n\r\n"),
                Await,
                Send("GET / HTTP/1.1\r\n\r\n"),
                Send(get!("Connection: close")),
            ],
            |seen| {
                let says_close = seen.finals().next().is_some_and(Answer::announces_close);
                if says_close { seen.only().map(drop) } else { seen.all(2).map(drop) }
            },
        ),
    must("expect/refused-content", "RFC 9112 9.3", "content that comes after its refusal is no request")
        .decided("404 HTTP-ROUTE-001")
        .probe(
            &[
                Send("POST /nothing/is/here HTTP/1.1\r\nHost: {host}\r\n"),
                Send("Expect: 100-continue\r\nContent-Length: 18\r\n\r\n"),
                Await,
                Send("GET / HTTP/1.1\r\n\r\n"),
                Send(get!("Connection: close")),
            ],
            |seen| seen.hid_nothing(),
        ),
];
