//! Owns the rows on connections: whether they persist, in which order answers come, and how they end.
//!
//! Spec: RFC 9112 6.3, 8, 9.2, 9.3, 9.3.2, 9.5, 9.6; RFC 9110 7.6.1.
//! Never: code beside the rows.

use crate::conformance::Requirement;
use crate::conformance::requirement::Step::{Await, Fill, Finish, Pause, Send};
use crate::conformance::requirement::{choice, must, should};
use crate::conformance::seen::{Ending, ensure};

use super::shape::{echo, get, hiding, post};

pub(super) const ROWS: &[Requirement] = &[
    // Persistence.
    should("connection/persists", "RFC 9112 9.3", "HTTP/1.1 persists: another request may follow an answer")
        .decided("200")
        .probe(&[Send(get!()), Await, Send(get!("Connection: close"))], |seen| seen.all(2).map(drop)),
    must("connection/says-that-it-does-not", "RFC 9112 9.3", "a server that does not persist says close in its answer")
        .decided("200, and it persists")
        .probe(&[Send(get!()), Await, Send(get!("Connection: close"))], |seen| seen.up_to(2).map(drop)),
    must("connection/close", "RFC 9112 9.6", "a request with close is the last: its answer is followed by a close")
        .decided("200")
        .probe(&[Send(get!("Connection: close")), Send(get!("Connection: close"))], |seen| seen.only().map(drop)),
    must("connection/close-case", "RFC 9110 2.4, 7.6.1", "connection options are case-insensitive")
        .decided("200")
        .probe(&[Send(get!("CONNECTION: Close")), Send(get!("Connection: close"))], |seen| seen.only().map(drop)),
    must("connection/close-in-list", "RFC 9110 5.6.1.2, 7.6.1", "close is found in a list, empty members and all")
        .decided("200")
        .probe(&[Send(get!("Connection: x-option, ,close , x-other")), Send(get!("Connection: close"))], |seen| {
            seen.only().map(drop)
        }),
    must("connection/close-in-second-line", "RFC 9110 2.4, 5.3", "close counts on a second Connection line too")
        .decided("200")
        .probe(&[Send(get!("Connection: keep-alive", "Connection: close")), Send(get!())], |seen| {
            seen.only().map(drop)
        }),
    should("connection/close-announced", "RFC 9112 9.6", "the answer before a close says so")
        .decided("200")
        .probe(&[Send(get!("Connection: close"))], |seen| seen.last(&[200])?.closes()),
    should("connection/close-announced-by-refusal", "RFC 9112 9.6", "a refusal before a close says so")
        .decided("400 H1-FRAME-009")
        .probe(hiding!("Content-Length: x"; ""), |seen| seen.only()?.closes()),
    choice("connection/unknown-option", "RFC 9110 7.6.1", "an option that is not known concerns nobody")
        .decided("200")
        .probe(&[Send(get!("Connection: closed, x-close")), Send(get!("Connection: close"))], |seen| {
            seen.all(2).map(drop)
        }),
    choice("connection/names-a-field", "RFC 9110 7.6.1", "an option that names a field does not hide it from us")
        .decided("200")
        .probe(&[Send(echo!("Connection: close, Content-Length, Host", "Content-Length: 5"; "hello"))], |seen| {
            seen.last(&[200])?.says(b"hello")
        }),
    must("connection/http10-closes", "RFC 9110 2.4, RFC 9112 9.3", "HTTP/1.0 does not persist unless it asks for it")
        .decided("200")
        .probe(&[Send("GET {get} HTTP/1.0\r\nHost: {host}\r\n\r\n"), Send(get!("Connection: close"))], |seen| {
            seen.only().map(drop)
        }),
    choice("connection/http10-keep-alive", "RFC 9112 9.3", "HTTP/1.0 with keep-alive may persist; the answer says so")
        .decided("200")
        .probe(
            &[
                Send("GET {get} HTTP/1.0\r\nHost: {host}\r\nConnection: Keep-Alive\r\n\r\n"),
                Await,
                Send(get!("Connection: close")),
            ],
            |seen| {
                let first = seen.all(2)?[0];
                ensure(first.has_option("keep-alive"), || "the first answer does not say keep-alive".to_owned())
            },
        ),
    must("connection/http10-close", "RFC 9112 9.6", "close counts in HTTP/1.0 too, and more than keep-alive")
        .decided("200")
        .probe(
            &[Send("GET {get} HTTP/1.0\r\nHost: {host}\r\nConnection: keep-alive, close\r\n\r\n"), Send(get!())],
            |seen| seen.only().map(drop),
        ),
    // Order.
    must("connection/order", "RFC 9112 9.3.2", "pipelined requests are answered in the order in which they came")
        .decided("200")
        .probe(
            &[Send(concat!(
                "POST {echo} HTTP/1.1\r\nHost: {host}\r\nContent-Length: 5\r\n\r\nfirst",
                "POST {echo} HTTP/1.1\r\nHost: {host}\r\nContent-Length: 6\r\n\r\nsecond",
                "POST {echo} HTTP/1.1\r\nHost: {host}\r\nContent-Length: 5\r\nConnection: close\r\n\r\nthird",
            ))],
            |seen| {
                let answers = seen.up_to(3)?;
                answers
                    .into_iter()
                    .zip([&b"first"[..], b"second", b"third"])
                    .try_for_each(|(answer, expected)| answer.says(expected))
            },
        ),
    choice("connection/many", "RFC 9112 9.3.2", "a hundred pipelined requests are answered")
        .decided("200")
        .probe(&[Fill(get!(), 99), Send(get!("Connection: close"))], |seen| seen.all(100).map(drop)),
    must("connection/error-between", "RFC 9112 9.3.2", "what came before an error is answered, what is behind it not")
        .decided("200")
        .probe(
            &[Send(concat!(
                "GET {get} HTTP/1.1\r\nHost: {host}\r\n\r\n",
                "GET {get} HTTP/1.1\r\nHost: {host}\r\nContent-Length: x\r\n\r\n",
                "GET {get} HTTP/1.1\r\nHost: {host}\r\n\r\n",
            ))],
            |seen| {
                let statuses: Vec<u16> = seen.up_to(2)?.iter().map(|answer| answer.status).collect();
                ensure([200, 400].starts_with(&statuses), || format!("{statuses:?}, not [200, 400]"))?;
                seen.closed()
            },
        ),
    choice("connection/in-pieces", "RFC 9112 9", "a request may come in pieces: the transport only keeps their order")
        .decided("200")
        .probe(
            &[
                Send("POST {echo} HT"),
                Pause,
                Send("TP/1.1\r\nHost: {host}\r\nConnection: close\r"),
                Pause,
                Send("\nContent-Length: 5\r\n\r\nhe"),
                Pause,
                Send("llo"),
            ],
            |seen| seen.last(&[200])?.says(b"hello"),
        ),
    // Half-close.
    choice("connection/fin-behind-head", "RFC 9112 9.6", "a client that closes behind a request is answered")
        .decided("200")
        .probe(&[Send(get!()), Finish], |seen| seen.refused(&[200])),
    choice("connection/fin-behind-content", "RFC 9112 9.6", "a client that closes behind its content is answered")
        .decided("200")
        .probe(&[Send(echo!("Content-Length: 5"; "hello")), Finish], |seen| seen.last(&[200])?.says(b"hello")),
    choice("connection/fin-behind-pipeline", "RFC 9112 9.6", "a client that closes behind three requests is answered")
        .decided("200")
        .probe(&[Send(get!()), Send(get!()), Send(get!()), Finish], |seen| seen.all(3).map(drop)),
    must("connection/fin-in-content", "RFC 9112 6.3", "content that ends before its length is incomplete: a close")
        .decided("400 H1-CONTENT-002, or the answer that has begun breaks off")
        .probe(&[Send(echo!("Content-Length: 10"; "hello")), Finish], |seen| seen.gave_up()),
    must("connection/fin-behind-100", "RFC 9112 6.3", "content that was asked for and does not come is incomplete")
        .decided("400 H1-CONTENT-002")
        .probe(&[Send(echo!("Expect: 100-continue", "Content-Length: 5"; "")), Await, Finish], |seen| seen.gave_up()),
    choice("connection/fin-in-second-head", "RFC 9112 8", "a second head that is cut off may be answered")
        .decided("200")
        .probe(&[Send(get!()), Send("GET {get} HTTP/1.1\r\nHost: "), Finish], |seen| seen.all(2).map(drop)),
    choice("connection/fin-at-once", "RFC 9112 9.5", "a connection that ends before a request is closed in silence")
        .decided("close")
        .probe(&[Finish], |seen| seen.closed_in_silence()),
    choice("connection/fin-in-empty-lines", "RFC 9112 9.5", "a connection of empty lines alone is closed in silence")
        .decided("close")
        .probe(&[Send("\r\n\r\n"), Finish], |seen| seen.closed_in_silence()),
    // Tear-down.
    choice("connection/lingers", "RFC 9112 9.6", "a refusal can be read by a client that goes on sending")
        .decided("400 H1-FRAME-009")
        .probe(&[Send(post!("Content-Length: x"; "")), Fill("0123456789abcdef", 65_536), Finish], |seen| {
            seen.last(&[400])?;
            ensure(seen.ending == Ending::Closed, || "the connection was reset".to_owned())
        }),
    choice("connection/lingers-on-an-upload", "RFC 9112 9.6", "the refusal of a large upload can be read")
        .decided("413 H1-CONTENT-001")
        .probe(&[Send(echo!("Content-Length: 1099511627776"; "")), Fill("0123456789abcdef", 65_536), Finish], |seen| {
            seen.last(&[413])?;
            ensure(seen.ending == Ending::Closed, || "the connection was reset".to_owned())
        }),
    should("connection/times-out", "RFC 9112 9.5", "who does not wait any longer closes in order")
        .decided("408, or a quiet close where nothing was begun")
        .test("silence_and_slow_heads_end"),
    should("connection/is-watched", "RFC 9112 9.5", "a connection is watched for its end at all times")
        .decided("a reset ends the handler")
        .test("a_reset_ends_the_connection_at_every_stage"),
];
