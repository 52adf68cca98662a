//! Owns the rows on the lines of a message and on the request-line: line ends, empty lines, white space, the method.
//!
//! Spec: RFC 9112 2.1, 2.2, 3 and 3.1; RFC 9110 9.1.
//! Never: code beside the rows.

use super::{CLOSE, HIDDEN, LAST};
use crate::conformance::Requirement;
use crate::conformance::requirement::Step::{Await, Fill, Finish, Raw, Send};
use crate::conformance::requirement::{choice, must, should};

pub(super) const ROWS: &[Requirement] = &[
    // The bytes of a message.
    must("line/octets", "RFC 9112 2.2", "a message is parsed as octets: half of a UTF-8 sequence swallows no CR LF")
        .decided("200, and the close is heard")
        .probe(
            &[
                Send("GET {get} HTTP/1.1\r\nHost: {host}\r\nX-A: "),
                Raw(b"\xe2\x82"),
                Send("\r\nConnection: close\r\n\r\n"),
            ],
            |seen| seen.only().map(|_| ()),
        ),
    should("line/garbage", "RFC 9112 2.2", "a word alone is no request-line: 400, and the connection closes")
        .decided("400 H1-LINE-008")
        .probe(&[Send("hello\r\n\r\n"), HIDDEN], |seen| seen.refused(&[400])),
    should("line/binary", "RFC 9112 2.2", "bytes that are no text are no request-line: 400, and the connection closes")
        .decided("400 H1-LINE-006")
        .probe(&[Raw(b"\x80\x01\xff\xfe\0\r\n\r\n"), HIDDEN], |seen| seen.refused(&[400])),
    should(
        "line/response",
        "RFC 9112 2.1, 2.2",
        "a response, sent to a server, is a request of an unknown or invalid kind",
    )
    .decided("400 H1-LINE-006")
    .probe(&[Send("HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n"), HIDDEN], |seen| seen.refused(&[400, 501, 505])),
    choice("line/tls", "RFC 9112 2.2, 9.7", "a TLS handshake at a port without TLS is told so, which shows in logs")
        .decided("400 H1-LINE-004")
        .probe(&[Raw(b"\x16\x03\x01\x02\0\x01\0\x01\xfc\x03\x03firstbyte\r\n\r\n")], |seen| seen.refused(&[400])),
    must("line/unfinished", "RFC 9110 5.3", "a request is applied only when the whole header section has come")
        .decided("400 H1-END-001")
        .probe(&[Send("GET {get} HTTP/1.1\r\nHost: {host}\r\nConnection: close\r\n"), Finish], |seen| seen.gave_up()),
    choice("line/unfinished-is-told", "RFC 9112 8", "a head that ends with the connection is told so by 400")
        .decided("400 H1-END-001")
        .probe(&[Send("GET {get} HTT"), Finish], |seen| seen.refused(&[400])),
    // Line ends.
    must("line/bare-cr-ends-no-line", "RFC 9112 2.2", "a bare CR ends no line: it is invalid, or a space")
        .decided("400 H1-LINE-002")
        .probe(&[Send("GET {get} HTTP/1.1\rHost: {host}\r\n"), CLOSE], |seen| seen.gave_up()),
    must("line/bare-cr-ends-no-head", "RFC 9112 2.2", "CR LF and a bare CR are no empty line: the head goes on")
        .decided("400 H1-LINE-002")
        .probe(&[Send("GET {get} HTTP/1.1\r\nHost: {host}\r\n\r"), HIDDEN], |seen| seen.gave_up()),
    choice("line/bare-cr-before-crlf", "RFC 9112 2.2", "a CR before CR LF is a bare CR, not a part of the line's end")
        .decided("400 H1-LINE-002")
        .probe(&[Send("GET {get} HTTP/1.1\r\r\n"), LAST], |seen| seen.refused(&[400])),
    choice("line/bare-cr-for-space", "RFC 9112 3", "a bare CR does not stand for the space in the request-line")
        .decided("400 H1-LINE-002")
        .probe(&[Send("GET {get}\rHTTP/1.1\r\n"), LAST], |seen| seen.refused(&[400])),
    choice("line/bare-lf", "RFC 9112 2.2", "a request-line may end in a bare LF: smuggling loves it")
        .decided("400 H1-LINE-001, unless --lenient-lines asks for it")
        .probe(&[Send("GET {get} HTTP/1.1\n"), LAST], |seen| seen.refused(&[400])),
    choice("line/bare-lf-after-field", "RFC 9112 2.2", "a field line may end in a bare LF: smuggling loves it")
        .decided("400 H1-LINE-001, unless --lenient-lines asks for it")
        .probe(&[Send("GET {get} HTTP/1.1\r\nX-A: b\n"), LAST], |seen| seen.refused(&[400])),
    choice("line/bare-lf-ends-head", "RFC 9112 2.2", "the empty line may be a bare LF, which other readers do not see")
        .decided("400 H1-LINE-001, unless --lenient-lines asks for it")
        .probe(&[Send("GET {get} HTTP/1.1\r\nHost: {host}\r\n\n"), HIDDEN], |seen| seen.refused(&[400])),
    choice("line/bare-lf-first", "RFC 9112 2.2", "an empty line before the request-line is CR LF, not a bare LF")
        .decided("400 H1-LINE-001, unless --lenient-lines asks for it")
        .probe(&[Send("\nGET {get} HTTP/1.1\r\n"), LAST], |seen| seen.refused(&[400])),
    // Empty lines before the request-line.
    should("line/empty-line-before", "RFC 9112 2.2", "an empty line before the request-line is ignored")
        .decided("200")
        .probe(&[Send("\r\nGET {get} HTTP/1.1\r\n"), LAST], |seen| seen.served()),
    should("line/empty-line-between", "RFC 9112 2.2", "an empty line between requests is ignored: old clients send it")
        .decided("200, twice")
        .probe(
            &[Send("GET {get} HTTP/1.1\r\nHost: {host}\r\n\r\n"), Await, Send("\r\nGET {get} HTTP/1.1\r\n"), LAST],
            |seen| seen.served_all(2),
        ),
    choice("line/empty-lines", "RFC 9112 2.2", "one empty line before a request-line is ignored: more are a choice")
        .decided("200, up to eight of them (leading_empty_lines_max)")
        .probe(&[Fill("\r\n", 4), Send("GET {get} HTTP/1.1\r\n"), LAST], |seen| seen.served()),
    choice("line/empty-lines-without-end", "RFC 9112 2.2", "empty lines without end are not read for ever")
        .decided("400 H1-LINE-003")
        .probe(&[Fill("\r\n", 20_000), HIDDEN], |seen| seen.refused(&[400])),
    // The parts of the request-line.
    should("line/method-alone", "RFC 9112 2.2, 3", "a request-line needs three parts: a method alone is answered 400")
        .decided("400 H1-LINE-008")
        .probe(&[Send("GET\r\n"), LAST], |seen| seen.refused(&[400])),
    should("line/target-missing", "RFC 9112 2.2, 3", "a request-line needs three parts: without a target it is 400")
        .decided("400 H1-VERSION-001")
        .probe(&[Send("GET HTTP/1.1\r\n"), LAST], |seen| seen.refused(&[400])),
    should("line/target-empty", "RFC 9112 2.2, 3", "a request-line needs three parts: two spaces are no empty target")
        .decided("400 H1-LINE-009")
        .probe(&[Send("GET  HTTP/1.1\r\n"), LAST], |seen| seen.refused(&[400])),
    should("line/fourth-part", "RFC 9112 2.2, 3", "a request-line has three parts: a second version is answered 400")
        .decided("400 H1-LINE-010")
        .probe(&[Send("GET {get} HTTP/1.1 HTTP/1.1\r\n"), LAST], |seen| seen.refused(&[400])),
    should("line/two-request-lines", "RFC 9112 2.2, 5", "a second request-line is no field line: it is answered 400")
        .decided("400 H1-HEAD-006")
        .probe(&[Send("GET {get} HTTP/1.1\r\n"), HIDDEN], |seen| seen.refused(&[400])),
    choice("line/space-first", "RFC 9112 3", "no white space stands before the method, though it may be ignored")
        .decided("400 H1-LINE-005")
        .probe(&[Send(" GET {get} HTTP/1.1\r\n"), LAST], |seen| seen.refused(&[400])),
    choice("line/two-spaces-before-target", "RFC 9112 3", "one space stands before the target; more may be accepted")
        .decided("400 H1-LINE-009")
        .probe(&[Send("GET  {get} HTTP/1.1\r\n"), LAST], |seen| seen.refused(&[400])),
    choice("line/two-spaces-before-version", "RFC 9112 3", "one space stands before the version; more may be accepted")
        .decided("400 H1-LINE-009")
        .probe(&[Send("GET {get}  HTTP/1.1\r\n"), LAST], |seen| seen.refused(&[400])),
    choice("line/space-last", "RFC 9112 3", "no white space follows the version, though it may be ignored")
        .decided("400 H1-LINE-010")
        .probe(&[Send("GET {get} HTTP/1.1 \r\n"), LAST], |seen| seen.refused(&[400])),
    choice("line/tab", "RFC 9112 3", "a tab does not stand for the space, though it may be taken for one")
        .decided("400 H1-LINE-006")
        .probe(&[Send("GET\t{get}\tHTTP/1.1\r\n"), LAST], |seen| seen.refused(&[400])),
    choice("line/form-feed", "RFC 9112 3", "a form feed does not stand for the space, though it may be taken for one")
        .decided("400 H1-TARGET-001")
        .probe(&[Send("GET {get}\x0cHTTP/1.1\r\n"), LAST], |seen| seen.refused(&[400])),
    // The method.
    should("line/method-of-marks", "RFC 9110 5.6.2, 9.1", "any token is a method: it is unknown, not malformed")
        .decided("501 HTTP-ROUTE-003")
        .probe(&[Send("!#$%&'*+-.^_`|~ {get} HTTP/1.1\r\n"), LAST], |seen| seen.refused(&[501])),
    should("line/method-too-long", "RFC 9112 3", "a method longer than any that is known is answered 501")
        .decided("501 H1-LINE-007")
        .probe(&[Fill("X", 64), Send(" {get} HTTP/1.1\r\n"), LAST], |seen| seen.refused(&[501])),
    choice("line/method-without-end", "RFC 9112 3", "a method without end is refused before it ends")
        .decided("501 H1-LINE-007")
        .probe(&[Fill("X", 40_000)], |seen| seen.refused(&[501, 400, 414, 431])),
    should("line/method-delimiter", "RFC 9112 2.2, 3.1", "a method is a token: a colon in it is answered 400")
        .decided("400 H1-LINE-006")
        .probe(&[Send("GET: {get} HTTP/1.1\r\n"), LAST], |seen| seen.refused(&[400])),
    should("line/method-nul", "RFC 9112 2.2, 3.1", "a method is a token: a NUL in it is answered 400")
        .decided("400 H1-LINE-006")
        .probe(&[Send("GET\0 {get} HTTP/1.1\r\n"), LAST], |seen| seen.refused(&[400])),
    should("line/method-not-ascii", "RFC 9112 2.2, 3.1", "a method is a token: a byte from 0x80 on is answered 400")
        .decided("400 H1-LINE-006")
        .probe(&[Raw(b"G\xc9T"), Send(" {get} HTTP/1.1\r\n"), LAST], |seen| seen.refused(&[400])),
];
