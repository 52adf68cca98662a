//! Owns the rows on where the content of a request ends, which is what requests are smuggled with.
//!
//! The one idea: behind each doubtful message stands another request. It may be answered only by a server that may take
//! the first one for a whole message.
//!
//! Spec: RFC 9112 6.1, 6.2, 6.3, 9.3, 11.2; RFC 9110 8.6, 5.6.1.
//! Never: code beside the rows.

use crate::conformance::Requirement;
use crate::conformance::requirement::Step::{Finish, Send, SendHead};
use crate::conformance::requirement::{choice, must, should};

use super::shape::{echo, get, hiding, post};

pub(super) const ROWS: &[Requirement] = &[
    // Content-Length.
    must("framing/length", "RFC 9112 6.3", "content is as long as Content-Length says, and the next request begins behind it")
        .decided("200")
        .probe(&[Send(echo!("Content-Length: 5"; "hello")), Send(get!("Connection: close"))], |seen| {
            seen.all(2)?[0].says(b"hello")
        }),
    must("framing/no-length", "RFC 9112 6.3", "without Content-Length and Transfer-Encoding a request has no content; 411 is allowed")
        .decided("200")
        .probe(&[Send(post!(; "")), Send(get!("Connection: close"))], |seen| {
            seen.all(2).map(|_| ()).or_else(|_| seen.refused(&[400, 411]))
        }),
    must("framing/length-leading-zeros", "RFC 9110 8.6", "Content-Length is decimal digits, as many as one likes")
        .decided("200")
        .probe(&[Send(echo!("Content-Length: 000000000000000000000000000005", "Connection: close"; "hello"))], |seen| {
            seen.last(&[200])?.says(b"hello")
        }),
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
    must("framing/length-letter", "RFC 9112 6.3", "a Content-Length with anything behind its digits is invalid: 400 and a close")
        .decided("400 H1-FRAME-009")
        .probe(hiding!("Content-Length: 5;"; "hello"), |seen| seen.refused(&[400])),
    must("framing/length-control", "RFC 9112 6.3", "a control byte is no white space before Content-Length: 400 and a close")
        .decided("400 H1-HEAD-009")
        .probe(hiding!("Content-Length: \x0b5"; "hello"), |seen| seen.refused(&[400])),
    must("framing/lengths-differ", "RFC 9112 6.3", "two Content-Length lines that differ are invalid: 400 and a close")
        .decided("400 H1-FRAME-007")
        .probe(hiding!("Content-Length: 5", "Content-Length: 0"; "hello"), |seen| seen.refused(&[400])),
    must("framing/length-list-differs", "RFC 9112 6.3", "a list of different Content-Lengths is invalid: 400 and a close")
        .decided("400 H1-FRAME-008")
        .probe(hiding!("Content-Length: 5, 0"; "hello"), |seen| seen.refused(&[400])),
    must("framing/length-beside-empty", "RFC 9112 6.3", "a Content-Length beside an empty one is invalid: 400 and a close")
        .decided("400 H1-FRAME-009")
        .probe(hiding!("Content-Length:", "Content-Length: 5"; "hello"), |seen| seen.refused(&[400])),
    choice("framing/lengths-equal", "RFC 9110 8.6", "two Content-Length lines that agree may be taken for one or refused")
        .decided("400 H1-FRAME-007")
        .probe(hiding!("Content-Length: 5", "Content-Length: 5"; "hello"), |seen| seen.refused(&[400])),
    choice("framing/length-list-equal", "RFC 9110 8.6", "a list of the same Content-Length may be taken for one or refused")
        .decided("400 H1-FRAME-008")
        .probe(hiding!("Content-Length: 5, 5"; "hello"), |seen| seen.refused(&[400])),
    choice("framing/length-list-of-one", "RFC 9110 8.6", "a Content-Length with a comma behind it may be taken for one or refused")
        .decided("400 H1-FRAME-008")
        .probe(hiding!("Content-Length: 5,"; "hello"), |seen| seen.refused(&[400])),
    must("framing/length-wraps-64", "RFC 9110 8.6", "a Content-Length past 64 bits does not wrap around")
        .decided("400 H1-FRAME-010")
        .probe(hiding!("Content-Length: 18446744073709551621"; "hello"), |seen| seen.gave_up()),
    must("framing/length-wraps-32", "RFC 9110 8.6", "a Content-Length past 32 bits does not wrap around")
        .decided("413 H1-CONTENT-001")
        .probe(
            &[Send(echo!("Content-Length: 4294967301"; "hello")), Send(get!()), Finish],
            |seen| seen.gave_up(),
        ),
    // Transfer-Encoding.
    must("framing/chunked", "RFC 9112 6.1", "chunked content is understood, whatever the case of its name and the space around it")
        .decided("200")
        .probe(
            &[
                Send(echo!("Transfer-Encoding:chunked"; "5\r\nhello\r\n0\r\n\r\n")),
                Send(echo!("TRANSFER-ENCODING: \t CHUNKED\t ", "Connection: close"; "5\r\nhello\r\n0\r\n\r\n")),
            ],
            |seen| seen.all(2)?.into_iter().try_for_each(|answer| answer.says(b"hello")),
        ),
    must("framing/chunked-and-length", "RFC 9112 6.1", "Transfer-Encoding beside Content-Length: the connection closes behind the answer")
        .decided("400 H1-FRAME-001")
        .probe(hiding!("Transfer-Encoding: chunked", "Content-Length: 5"; "0\r\n\r\n"), |seen| seen.only().map(|_| ())),
    must("framing/length-and-chunked", "RFC 9112 6.1", "Content-Length beside Transfer-Encoding: the connection closes behind the answer")
        .decided("400 H1-FRAME-001")
        .probe(hiding!("Content-Length: 0", "Transfer-Encoding: chunked"; "0\r\n\r\n"), |seen| seen.only().map(|_| ())),
    choice("framing/chunked-and-length-refused", "RFC 9112 6.3", "Transfer-Encoding beside Content-Length may be refused, and ought to be handled as an error")
        .decided("400 H1-FRAME-001")
        .probe(hiding!("Content-Length: 10", "Transfer-Encoding: chunked"; "5\r\nhello\r\n0\r\n\r\n"), |seen| {
            seen.refused(&[400])
        }),
    must("framing/http10-chunked", "RFC 9112 6.1", "Transfer-Encoding in HTTP/1.0 is faulty framing: the connection closes")
        .decided("400 H1-FRAME-002")
        .probe(
            &[
                Send("POST {post} HTTP/1.0\r\nHost: {host}\r\nConnection: keep-alive\r\nTransfer-Encoding: chunked\r\n\r\n"),
                Send("5\r\nhello\r\n0\r\n\r\n"),
                Send(get!()),
            ],
            |seen| seen.only().map(|_| ()),
        ),
    must("framing/http10-chunked-and-length", "RFC 9112 6.1", "Transfer-Encoding in HTTP/1.0 is faulty framing even beside Content-Length")
        .decided("400 H1-FRAME-002")
        .probe(
            &[
                Send("POST {post} HTTP/1.0\r\nHost: {host}\r\nConnection: keep-alive\r\nTransfer-Encoding: chunked\r\n"),
                Send("Content-Length: 5\r\n\r\n0\r\n\r\n"),
                Send(get!()),
            ],
            |seen| seen.only().map(|_| ()),
        ),
    must("framing/chunked-not-last", "RFC 9112 6.3", "where chunked is not the last coding the length is not known: 400 and a close")
        .decided("400 H1-FRAME-003")
        .probe(hiding!("Transfer-Encoding: chunked, gzip"; "0\r\n\r\n"), |seen| seen.refused(&[400])),
    must("framing/chunked-not-last-line", "RFC 9112 6.3", "the codings of all lines are one list: where chunked is not its last the length is not known")
        .decided("400 H1-FRAME-003")
        .probe(hiding!("Transfer-Encoding: chunked", "Transfer-Encoding: identity"; "0\r\n\r\n"), |seen| {
            seen.refused(&[400, 501])
        }),
    must("framing/not-chunked", "RFC 9112 6.3", "where there is no chunked the length is not known: 400 (501 when the coding is not understood) and a close")
        .decided("400 H1-FRAME-003")
        .probe(hiding!("Transfer-Encoding: gzip"; "0\r\n\r\n"), |seen| seen.refused(&[400, 501])),
    must("framing/not-chunked-and-length", "RFC 9112 6.3", "Content-Length does not help where the last coding is not chunked")
        .decided("400 H1-FRAME-001")
        .probe(hiding!("Transfer-Encoding: xchunked", "Content-Length: 5"; "hello"), |seen| seen.refused(&[400, 501])),
    should("framing/unknown-coding", "RFC 9112 6.1", "a transfer coding that is not understood is answered with 501")
        .decided("501 H1-FRAME-005")
        .probe(hiding!("Transfer-Encoding: x-unknown, chunked"; "0\r\n\r\n"), |seen| seen.refused(&[501])),
    should("framing/unknown-coding-line", "RFC 9112 6.1", "a coding that is not understood may stand on a line of its own: 501")
        .decided("501 H1-FRAME-005")
        .probe(hiding!("Transfer-Encoding: x-unknown", "Transfer-Encoding: chunked"; "0\r\n\r\n"), |seen| {
            seen.refused(&[501])
        }),
    should("framing/chunked-parameter", "RFC 9112 7.1", "chunked has no parameters: one is an error")
        .decided("400 H1-FRAME-006")
        .probe(hiding!("Transfer-Encoding: chunked;q=1"; "0\r\n\r\n"), |seen| seen.refused(&[400, 501])),
    choice("framing/chunked-twice", "RFC 9112 6.1", "nobody may chunk twice; what to do when somebody says so is not said")
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
    choice("framing/coding-comma-before", "RFC 9110 5.6.1.2", "empty members of a list are to be ignored")
        .decided("400 H1-FRAME-006, against the text: readers differ on an empty member, and this field decides where a request ends")
        .probe(hiding!("Transfer-Encoding: , chunked"; "0\r\n\r\n"), |seen| seen.refused(&[400, 501])),
    choice("framing/coding-comma-behind", "RFC 9110 5.6.1.2", "empty members of a list are to be ignored, the last one too")
        .decided("400 H1-FRAME-006, against the text: readers differ on an empty member, and this field decides where a request ends")
        .probe(hiding!("Transfer-Encoding: chunked,"; "0\r\n\r\n"), |seen| seen.refused(&[400, 501])),
    // Content where none is expected.
    must("framing/get-content", "RFC 9112 6", "framing does not depend on the method: content of a GET is no request")
        .decided("200")
        .probe(
            &[Send(get!("Content-Length: 18")), Send("GET / HTTP/1.1\r\n\r\n"), Send(get!("Connection: close"))],
            |seen| seen.hid_nothing(),
        ),
    must("framing/get-chunks", "RFC 9112 6", "framing does not depend on the method: chunks of a GET are no request")
        .decided("200")
        .probe(
            &[Send(get!("Transfer-Encoding: chunked")), Send("12\r\nGET / HTTP/1.1\r\n\r\n\r\n0\r\n\r\n"), Send(get!("Connection: close"))],
            |seen| seen.hid_nothing(),
        ),
    must("framing/head-content", "RFC 9112 6", "framing does not depend on the method: content of a HEAD is no request")
        .decided("200")
        .probe(
            &[
                SendHead("HEAD {get} HTTP/1.1\r\nHost: {host}\r\nContent-Length: 18\r\n\r\nGET / HTTP/1.1\r\n\r\n"),
                Send(get!("Connection: close")),
            ],
            |seen| seen.hid_nothing(),
        ),
    must("framing/delete-content", "RFC 9112 6", "framing does not depend on the method: content of a DELETE is no request")
        .decided("404 HTTP-ROUTE-001")
        .probe(
            &[
                Send("DELETE /nothing/is/here HTTP/1.1\r\nHost: {host}\r\nContent-Length: 18\r\n\r\n"),
                Send("GET / HTTP/1.1\r\n\r\n"),
                Send(get!("Connection: close")),
            ],
            |seen| seen.hid_nothing(),
        ),
    must("framing/unread-content", "RFC 9112 9.3", "content that nobody wants is read nevertheless, or the connection closes")
        .decided("404 HTTP-ROUTE-001")
        .probe(
            &[
                Send("POST /nothing/is/here HTTP/1.1\r\nHost: {host}\r\nContent-Length: 18\r\n\r\n"),
                Send("GET / HTTP/1.1\r\n\r\n"),
                Send(get!("Connection: close")),
            ],
            |seen| seen.hid_nothing(),
        ),
];
