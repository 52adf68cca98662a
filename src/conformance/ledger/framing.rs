//! Owns the rows on where the content of a request ends, which is what requests are smuggled with.
//!
//! The one idea: behind each doubtful message stands another request. It may be answered only by a server that may take
//! the first one for a whole message.
//!
//! Spec: RFC 9112 6.1, 6.2, 6.3, 9.3, 11.2; RFC 9110 8.6, 5.6.1.
//! Never: code beside the rows.

use crate::conformance::Requirement;
use crate::conformance::requirement::Step::{Fill, Finish, Send, SendHead};
use crate::conformance::requirement::{choice, must, should};

use super::shape::{echo, get, hiding, post};

pub(super) const ROWS: &[Requirement] = &[
    // Content-Length.
    must(
        "framing/length",
        "RFC 9110 2.4, RFC 9112 6.3",
        "content ends as Content-Length says; the next request begins there",
    )
    .decided("200")
    .probe(&[Send(echo!("Content-Length: 5"; "hello")), Send(get!("Connection: close"))], |seen| {
        seen.up_to(2)?[0].says(b"hello")
    }),
    must("framing/no-length", "RFC 9110 2.4, RFC 9112 6.3", "a request that declares no content has none")
        .decided("200")
        .probe(&[Send(post!(; "")), Send(get!("Connection: close"))], |seen| {
            seen.up_to(2).map(drop).or_else(|_| seen.refused(&[400, 411]))
        }),
    must("framing/length-leading-zeros", "RFC 9110 8.6", "Content-Length is decimal digits, as many as one likes")
        .decided("200")
        .probe(
            &[Send(echo!("Content-Length: 000000000000000000000000000005", "Connection: close"; "hello"))],
            |seen| seen.last(&[200])?.says(b"hello"),
        ),
    must("framing/length-plus", "RFC 9112 6.3", "a Content-Length with a sign is invalid: 400 and a close")
        .decided("400 H1-FRAME-009")
        .probe(hiding!("Content-Length: +5"; "hello"), |seen| seen.refused(&[400])),
    must("framing/length-minus", "RFC 9112 6.3", "a negative Content-Length is invalid: 400 and a close")
        .decided("400 H1-FRAME-009")
        .probe(hiding!("Content-Length: -5"; ""), |seen| seen.refused(&[400])),
    must("framing/length-hex", "RFC 9112 6.3", "a Content-Length in hex is invalid: 400 and a close")
        .decided("400 H1-FRAME-009")
        .probe(hiding!("Content-Length: 0x5"; "hello"), |seen| seen.refused(&[400])),
    must("framing/length-fraction", "RFC 9112 6.3", "a Content-Length with a fraction is invalid: 400 and a close")
        .decided("400 H1-FRAME-009")
        .probe(hiding!("Content-Length: 5.0"; "hello"), |seen| seen.refused(&[400])),
    must("framing/length-empty", "RFC 9112 6.3", "an empty Content-Length is invalid: 400 and a close")
        .decided("400 H1-FRAME-009")
        .probe(hiding!("Content-Length:"; ""), |seen| seen.refused(&[400])),
    must("framing/length-space", "RFC 9112 6.3", "a Content-Length with a space inside is invalid: 400 and a close")
        .decided("400 H1-FRAME-009")
        .probe(hiding!("Content-Length: 5 5"; "hello"), |seen| seen.refused(&[400])),
    must("framing/length-tail", "RFC 9112 6.3", "what stands behind the digits makes it invalid: 400 and a close")
        .decided("400 H1-FRAME-009")
        .probe(hiding!("Content-Length: 5;"; "hello"), |seen| seen.refused(&[400])),
    must("framing/length-control", "RFC 9112 6.3", "a control byte is no white space before a length: 400 and a close")
        .decided("400 H1-HEAD-009")
        .probe(hiding!("Content-Length: \x0b5"; "hello"), |seen| seen.refused(&[400])),
    must("framing/lengths-differ", "RFC 9112 6.3", "two lengths that differ are invalid: 400 and a close")
        .decided("400 H1-FRAME-007")
        .probe(hiding!("Content-Length: 5", "Content-Length: 0"; "hello"), |seen| seen.refused(&[400])),
    must("framing/length-list-differs", "RFC 9112 6.3", "a list of lengths that differ is invalid: 400 and a close")
        .decided("400 H1-FRAME-008")
        .probe(hiding!("Content-Length: 5, 0"; "hello"), |seen| seen.refused(&[400])),
    must("framing/length-beside-empty", "RFC 9112 6.3", "a length beside an empty one is invalid: 400 and a close")
        .decided("400 H1-FRAME-009")
        .probe(hiding!("Content-Length:", "Content-Length: 5"; "hello"), |seen| seen.refused(&[400])),
    choice("framing/lengths-equal", "RFC 9110 8.6", "two lengths that agree may be taken for one or refused")
        .decided("400 H1-FRAME-007")
        .probe(hiding!("Content-Length: 5", "Content-Length: 5"; "hello"), |seen| seen.refused(&[400])),
    choice("framing/length-list-equal", "RFC 9110 8.6", "a list of the same length may be taken for it or refused")
        .decided("400 H1-FRAME-008")
        .probe(hiding!("Content-Length: 5, 5"; "hello"), |seen| seen.refused(&[400])),
    choice("framing/length-list-of-one", "RFC 9110 8.6", "a length and a comma may be taken for the length or refused")
        .decided("400 H1-FRAME-008")
        .probe(hiding!("Content-Length: 5,"; "hello"), |seen| seen.refused(&[400])),
    must("framing/length-wraps-64", "RFC 9110 8.6", "a Content-Length past 64 bits does not wrap around")
        .decided("400 H1-FRAME-010")
        .probe(hiding!("Content-Length: 18446744073709551621"; "hello"), |seen| seen.gave_up()),
    must("framing/length-wraps-32", "RFC 9110 8.6", "a Content-Length past 32 bits does not wrap around")
        .decided("413 H1-CONTENT-001")
        .probe(
            &[Send(echo!("Content-Length: 4294967301"; "hello")), Send(get!("Connection: close")), Finish],
            |seen| seen.gave_up(),
        ),
    // Transfer-Encoding.
    must("framing/chunked", "RFC 9112 7.1", "chunked content is understood")
        .decided("200")
        .probe(&[Send(echo!("Transfer-Encoding: chunked", "Connection: close"; "5\r\nhello\r\n0\r\n\r\n"))], |seen| {
            seen.unchunked(b"hello")
        }),
    must("framing/chunked-case", "RFC 9110 2.4, RFC 9112 7", "the names of codings are case-insensitive")
        .decided("200")
        .probe(&[Send(echo!("TRANSFER-ENCODING: Chunked", "Connection: close"; "5\r\nhello\r\n0\r\n\r\n"))], |seen| {
            seen.unchunked(b"hello")
        }),
    must(
        "framing/chunked-space",
        "RFC 9110 5.5, RFC 9112 5.1",
        "white space around a coding, tabs too, is no part of it",
    )
    .decided("200")
    .probe(&[Send(echo!("Transfer-Encoding:\t chunked \t", "Connection: close"; "5\r\nhello\r\n0\r\n\r\n"))], |seen| {
        seen.unchunked(b"hello")
    }),
    must("framing/both", "RFC 9112 6.1", "both length and coding, the coding first: one last answer")
        .decided("400 H1-FRAME-001")
        .probe(hiding!("Transfer-Encoding: chunked", "Content-Length: 5"; "0\r\n\r\n"), |seen| seen.only().map(drop)),
    must("framing/both-length-first", "RFC 9112 6.1", "both length and coding, the length first: one last answer")
        .decided("400 H1-FRAME-001")
        .probe(hiding!("Content-Length: 0", "Transfer-Encoding: chunked"; "0\r\n\r\n"), |seen| seen.only().map(drop)),
    choice(
        "framing/both-refused",
        "RFC 9112 6.1, 6.3",
        "length and coding together may be refused, or the coding counts",
    )
    .decided("400 H1-FRAME-001")
    .probe(hiding!("Content-Length: 10", "Transfer-Encoding: chunked"; "5\r\nhello\r\n0\r\n\r\n"), |seen| {
        seen.refused(&[400])
    }),
    must("framing/http10-chunked", "RFC 9112 6.1", "Transfer-Encoding in HTTP/1.0 is faulty framing: a close")
        .decided("400 H1-FRAME-002")
        .probe(
            &[
                Send("POST {post} HTTP/1.0\r\nHost: {host}\r\nConnection: keep-alive\r\n"),
                Send("Transfer-Encoding: chunked\r\n\r\n5\r\nhello\r\n0\r\n\r\n"),
                Send(get!("Connection: close")),
            ],
            |seen| seen.only().map(drop),
        ),
    must("framing/http10-both", "RFC 9112 6.1", "Transfer-Encoding in HTTP/1.0 is faulty, a length or not")
        .decided("400 H1-FRAME-002")
        .probe(
            &[
                Send("POST {post} HTTP/1.0\r\nHost: {host}\r\nConnection: keep-alive\r\n"),
                Send("Transfer-Encoding: chunked\r\nContent-Length: 5\r\n\r\n0\r\n\r\n"),
                Send(get!("Connection: close")),
            ],
            |seen| seen.only().map(drop),
        ),
    // 6.1 has a coding that is not known answered with 501.
    must("framing/chunked-not-last", "RFC 9112 6.1, 6.3", "where chunked is not last: 400, or 501, and a close")
        .decided("400 H1-FRAME-003")
        .probe(hiding!("Transfer-Encoding: chunked, gzip"; "0\r\n\r\n"), |seen| seen.refused(&[400, 501])),
    must("framing/chunked-not-last-line", "RFC 9112 6.3", "the codings of all lines are one list, chunked its last")
        .decided("400 H1-FRAME-003")
        .probe(hiding!("Transfer-Encoding: chunked", "Transfer-Encoding: identity"; "0\r\n\r\n"), |seen| {
            seen.refused(&[400, 501])
        }),
    must("framing/not-chunked", "RFC 9112 6.3", "without chunked the length is not known: 400, or 501, and a close")
        .decided("400 H1-FRAME-003")
        .probe(hiding!("Transfer-Encoding: gzip"; "0\r\n\r\n"), |seen| seen.refused(&[400, 501])),
    must("framing/not-chunked-and-length", "RFC 9112 6.3", "Content-Length does not help where chunked is not last")
        .decided("400 H1-FRAME-001")
        .probe(hiding!("Transfer-Encoding: xchunked", "Content-Length: 5"; "hello"), |seen| seen.refused(&[400, 501])),
    should("framing/unknown-coding", "RFC 9112 6.1", "a coding that is not understood is answered with 501")
        .decided("501 H1-FRAME-005")
        .probe(hiding!("Transfer-Encoding: x-unknown, chunked"; "0\r\n\r\n"), |seen| seen.first()?.is(501)),
    should("framing/unknown-coding-line", "RFC 9112 6.1", "a coding on another line that is not understood: 501")
        .decided("501 H1-FRAME-005")
        .probe(hiding!("Transfer-Encoding: x-unknown", "Transfer-Encoding: chunked"; "0\r\n\r\n"), |seen| {
            seen.first()?.is(501)
        }),
    should("framing/chunked-parameter", "RFC 9112 7.1", "chunked has no parameters: one is an error")
        .decided("400 H1-FRAME-006")
        .probe(hiding!("Transfer-Encoding: chunked;q=1"; "0\r\n\r\n"), |seen| seen.refused(&[400, 501])),
    choice("framing/chunked-twice", "RFC 9112 6.1", "nobody may chunk twice; what to do about it is not said")
        .decided("400 H1-FRAME-004")
        .probe(hiding!("Transfer-Encoding: chunked, chunked"; "0\r\n\r\n"), |seen| seen.refused(&[400])),
    choice("framing/chunked-twice-line", "RFC 9112 6.1", "nobody may chunk twice, nor say so on two lines")
        .decided("400 H1-FRAME-004")
        .probe(hiding!("Transfer-Encoding: chunked", "Transfer-Encoding: chunked"; "0\r\n\r\n"), |seen| {
            seen.refused(&[400])
        }),
    must("framing/coding-empty", "RFC 9112 6.3", "an empty Transfer-Encoding has no chunked at its end")
        .decided("400 H1-FRAME-006")
        .probe(hiding!("Transfer-Encoding:"; ""), |seen| seen.refused(&[400, 501])),
    must("framing/coding-suffix", "RFC 9112 6.3", "a coding whose name only ends in chunked is another one")
        .decided("400 H1-FRAME-003")
        .probe(hiding!("Transfer-Encoding: xchunked"; "0\r\n\r\n"), |seen| seen.refused(&[400, 501])),
    must("framing/coding-words", "RFC 9112 6.3", "a coding behind a word and a space is no coding")
        .decided("400 H1-FRAME-006")
        .probe(hiding!("Transfer-Encoding: x chunked"; "0\r\n\r\n"), |seen| seen.refused(&[400, 501])),
    must("framing/coding-quoted", "RFC 9112 6.3", "a coding is a token, and in quotes is none")
        .decided("400 H1-FRAME-006")
        .probe(hiding!("Transfer-Encoding: \"chunked\""; "0\r\n\r\n"), |seen| seen.refused(&[400, 501])),
    must("framing/coding-control-before", "RFC 9112 6.3", "a control byte is no white space before a coding")
        .decided("400 H1-HEAD-009")
        .probe(hiding!("Transfer-Encoding: \x0bchunked"; "0\r\n\r\n"), |seen| seen.refused(&[400, 501])),
    must("framing/coding-control-behind", "RFC 9112 6.3", "a control byte is no white space behind a coding")
        .decided("400 H1-HEAD-009")
        .probe(hiding!("Transfer-Encoding: chunked\x0b"; "0\r\n\r\n"), |seen| seen.refused(&[400, 501])),
    must("framing/comma-before", "RFC 9112 9.3, 11.2", "behind an empty member before chunked no request hides")
        .decided("400 H1-FRAME-006")
        .probe(hiding!("Transfer-Encoding: , chunked"; "0\r\n\r\n"), |seen| seen.hid_nothing()),
    must("framing/comma-behind", "RFC 9112 9.3, 11.2", "behind an empty member after chunked no request hides")
        .decided("400 H1-FRAME-006")
        .probe(hiding!("Transfer-Encoding: chunked,"; "0\r\n\r\n"), |seen| seen.hid_nothing()),
    must("framing/comma-before-ignored", "RFC 9110 5.6.1.2", "an empty member before chunked is ignored")
        .decided("400 H1-FRAME-006: readers differ on it, and it decides where a request ends")
        .departs("smuggling_is_refused"),
    must("framing/comma-behind-ignored", "RFC 9110 5.6.1.2", "an empty member behind chunked is ignored")
        .decided("400 H1-FRAME-006: readers differ on it, and it decides where a request ends")
        .departs("smuggling_is_refused"),
    // Content where none is expected.
    must(
        "framing/get-content",
        "RFC 9112 6, 9.3",
        "content of a GET is no request: framing does not depend on the method",
    )
    .decided("200")
    .probe(
        &[Send(get!("Content-Length: 18")), Send("GET / HTTP/1.1\r\n\r\n"), Send(get!("Connection: close"))],
        |seen| seen.hid_nothing(),
    ),
    must(
        "framing/get-chunks",
        "RFC 9112 6, 9.3",
        "chunks of a GET are no request: framing does not depend on the method",
    )
    .decided("200")
    .probe(
        &[
            Send(get!("Transfer-Encoding: chunked")),
            Send("12\r\nGET / HTTP/1.1\r\n\r\n\r\n0\r\n\r\n"),
            Send(get!("Connection: close")),
        ],
        |seen| seen.hid_nothing(),
    ),
    must(
        "framing/head-content",
        "RFC 9112 6, 9.3",
        "content of a HEAD is no request: framing has nothing to do with it",
    )
    .decided("200")
    .probe(
        &[
            SendHead("HEAD {get} HTTP/1.1\r\nHost: {host}\r\nContent-Length: 18\r\n\r\nGET / HTTP/1.1\r\n\r\n"),
            Send(get!("Connection: close")),
        ],
        |seen| seen.hid_nothing(),
    ),
    must("framing/delete-content", "RFC 9112 6, 9.3", "content of a DELETE is no request")
        .decided("404 HTTP-ROUTE-001")
        .probe(
            &[
                Send("DELETE /nothing/is/here HTTP/1.1\r\nHost: {host}\r\nContent-Length: 18\r\n\r\n"),
                Send("GET / HTTP/1.1\r\n\r\n"),
                Send(get!("Connection: close")),
            ],
            |seen| seen.hid_nothing(),
        ),
    must("framing/unread-content", "RFC 9112 9.3", "content that nobody wants is read, or followed by a close")
        .decided("404 HTTP-ROUTE-001")
        .probe(
            &[
                Send("POST /nothing/is/here HTTP/1.1\r\nHost: {host}\r\nContent-Length: 18\r\n\r\n"),
                Send("GET / HTTP/1.1\r\n\r\n"),
                Send(get!("Connection: close")),
            ],
            |seen| seen.hid_nothing(),
        ),
    must("framing/unread-much", "RFC 9112 9.3", "much content that nobody wants is read, or followed by a close")
        .decided("404 HTTP-ROUTE-001")
        .probe(
            &[
                Send("POST /nothing/is/here HTTP/1.1\r\nHost: {host}\r\nContent-Length: 252000\r\n\r\n"),
                Fill("GET / HTTP/1.1\r\n\r\n", 14_000),
                Send(get!("Connection: close")),
            ],
            |seen| seen.hid_nothing(),
        ),
];
