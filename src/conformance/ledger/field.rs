//! Owns the rows on field lines: names, the colon, white space, values, folding, lists, sizes.
//!
//! Where what a server made of a field cannot be seen, a probe uses one that shows: Host, without which a request is
//! refused, and Connection, whose `close` ends it.
//!
//! Spec: RFC 9112 2.2, 5, 5.1 and 5.2; RFC 9110 5.1 to 5.6 and 17.10; RFC 6585 5.
//! Never: code beside the rows.

use super::{CLOSE, HIDDEN, LAST};
use crate::conformance::Requirement;
use crate::conformance::requirement::Step::{Await, Fill, Raw, Send};
use crate::conformance::requirement::{choice, must, should};
use crate::conformance::seen::ensure;

pub(super) const ROWS: &[Requirement] = &[
    // Names.
    must("field/name-case", "RFC 9110 2.4, 5.1", "field names are case-insensitive")
        .decided("200, and the close is heard")
        .probe(&[Send("GET {get} HTTP/1.1\r\nhOST: {host}\r\nCONNECTION: close\r\n\r\n")], |seen| seen.served()),
    should("field/unknown", "RFC 9110 5.1", "a field that nobody knows is ignored")
        .decided("200")
        .probe(&[Send("GET {get} HTTP/1.1\r\nX-Nobody-Knows: this\r\n"), LAST], |seen| seen.served()),
    should("field/name-of-marks", "RFC 9110 5.1, 5.6.2", "a field whose name is any token is no error: it is ignored")
        .decided("200")
        .probe(&[Send("GET {get} HTTP/1.1\r\n!#$%&'*+-.^_`|~9: a\r\n"), LAST], |seen| seen.served()),
    choice("field/underscore", "RFC 9110 17.10", "Content_Length is no other spelling of Content-Length")
        .decided("200, twice")
        .probe(&[Send("GET {get} HTTP/1.1\r\nHost: {host}\r\nContent_Length: 30\r\n\r\n"), Await, HIDDEN], |seen| {
            seen.served_all(2)
        }),
    should("field/name-empty", "RFC 9112 2.2, 5", "a line that begins with its colon is answered 400")
        .decided("400 H1-HEAD-005")
        .probe(&[Send("GET {get} HTTP/1.1\r\n: a\r\n"), LAST], |seen| seen.refused(&[400])),
    should("field/colon-missing", "RFC 9112 2.2, 5", "a line without a colon is answered 400")
        .decided("400 H1-HEAD-008")
        .probe(&[Send("GET {get} HTTP/1.1\r\nX-A\r\n"), LAST], |seen| seen.refused(&[400])),
    should("field/name-delimiter", "RFC 9112 2.2, RFC 9110 5.1", "a name is a token: a bracket in it is answered 400")
        .decided("400 H1-HEAD-007")
        .probe(&[Send("GET {get} HTTP/1.1\r\nX(A): b\r\n"), LAST], |seen| seen.refused(&[400])),
    should("field/name-space", "RFC 9112 2.2, RFC 9110 5.1", "a name is a token: a space in it is answered 400")
        .decided("400 H1-HEAD-006")
        .probe(&[Send("GET {get} HTTP/1.1\r\nX A: b\r\n"), LAST], |seen| seen.refused(&[400])),
    should("field/name-nul", "RFC 9112 2.2, RFC 9110 5.1", "a name is a token: a NUL in it is answered 400")
        .decided("400 H1-HEAD-007")
        .probe(&[Send("GET {get} HTTP/1.1\r\nX-A\0B: b\r\n"), LAST], |seen| seen.refused(&[400])),
    should("field/name-not-ascii", "RFC 9112 2.2, RFC 9110 5.1", "a name is a token: a byte from 0x80 on is refused")
        .decided("400 H1-HEAD-007")
        .probe(&[Send("GET {get} HTTP/1.1\r\nX-"), Raw(b"\xc4"), Send(": b\r\n"), LAST], |seen| seen.refused(&[400])),
    // White space around the name.
    must("field/space-before-colon", "RFC 9112 5.1", "white space between name and colon is answered 400")
        .decided("400 H1-HEAD-006")
        .probe(&[Send("GET {get} HTTP/1.1\r\nX-A : b\r\n"), LAST], |seen| seen.bad_request()),
    must("field/tab-before-colon", "RFC 9112 5.1", "a tab between name and colon is answered 400")
        .decided("400 H1-HEAD-006")
        .probe(&[Send("GET {get} HTTP/1.1\r\nX-A\t: b\r\n"), LAST], |seen| seen.bad_request()),
    must("field/space-before-colon-of-length", "RFC 9112 5.1", "a space behind Content-Length is answered 400")
        .decided("400 H1-HEAD-006")
        .probe(&[Send("GET {get} HTTP/1.1\r\nHost: {host}\r\nContent-Length : 60\r\n\r\n"), HIDDEN], |seen| {
            seen.refused(&[400])
        }),
    must("field/space-before-colon-of-coding", "RFC 9112 5.1", "a space behind Transfer-Encoding is answered 400")
        .decided("400 H1-HEAD-006")
        .probe(
            &[Send("POST {post} HTTP/1.1\r\nHost: {host}\r\nTransfer-Encoding : chunked\r\n\r\n0\r\n\r\n"), HIDDEN],
            |seen| seen.refused(&[400]),
        ),
    must("field/space-before-first", "RFC 9112 2.2", "white space before the first field line: refused, or no field")
        .decided("400 H1-HEAD-003")
        .probe(&[Send("GET {get} HTTP/1.1\r\n Host: {host}\r\n"), CLOSE], |seen| seen.bad_request()),
    choice("field/space-before-first-refused", "RFC 9112 2.2", "white space before the first field line is refused")
        .decided("400 H1-HEAD-003")
        .probe(&[Send("GET {get} HTTP/1.1\r\n\tX-A: b\r\n"), LAST], |seen| seen.refused(&[400])),
    // Folded lines.
    must("field/fold", "RFC 9112 5.2", "a folded line is refused or part of the value before it, and no field")
        .decided("400 H1-HEAD-004")
        .probe(&[Send("GET {get} HTTP/1.1\r\nX-A: b\r\n Host: {host}\r\n"), CLOSE], |seen| seen.bad_request()),
    must("field/fold-with-tab", "RFC 9112 5.2", "a line folded with a tab is refused or part of a value, and no field")
        .decided("400 H1-HEAD-004")
        .probe(&[Send("GET {get} HTTP/1.1\r\nX-A: b\r\n\tHost: {host}\r\n"), CLOSE], |seen| seen.bad_request()),
    must("field/fold-of-host", "RFC 9112 5.2, 3.2", "a folded value is refused or read whole: it is not cut off")
        .decided("400 H1-HEAD-004")
        .probe(&[Send("GET {get} HTTP/1.1\r\nHost: {host}\r\n elsewhere\r\n"), CLOSE], |seen| seen.bad_request()),
    choice("field/fold-refused", "RFC 9112 5.2", "a folded line is refused, not unfolded")
        .decided("400 H1-HEAD-004")
        .probe(&[Send("GET {get} HTTP/1.1\r\nX-A: b\r\n c\r\n"), LAST], |seen| seen.refused(&[400])),
    choice("field/fold-of-nothing", "RFC 9112 5.2", "a line of white space is refused, and does not end the head")
        .decided("400 H1-HEAD-004")
        .probe(&[Send("GET {get} HTTP/1.1\r\nX-A: b\r\n \r\n"), LAST], |seen| seen.refused(&[400])),
    // Values.
    must("field/white-space", "RFC 9110 5.5, RFC 9112 5.1", "white space around a value is no part of it")
        .decided("200, and the close is heard")
        .probe(&[Send("GET {get} HTTP/1.1\r\nHost: \t {host}\t \r\nConnection:\t\tclose   \r\n\r\n")], |seen| {
            seen.served()
        }),
    must("field/no-white-space", "RFC 9110 2.4, RFC 9112 5", "there need be no white space around a value")
        .decided("200, and the close is heard")
        .probe(&[Send("GET {get} HTTP/1.1\r\nHost:{host}\r\nConnection:close\r\n\r\n")], |seen| seen.served()),
    must("field/empty-value", "RFC 9110 2.4, 5.5", "a value may be empty, and the next line is not taken for it")
        .decided("200, and the close is heard")
        .probe(&[Send("GET {get} HTTP/1.1\r\nX-A:\r\nX-B: \r\n"), LAST], |seen| seen.served()),
    should("field/obs-text", "RFC 9110 5.5", "bytes of 0x80 or more are opaque data")
        .decided("200")
        .probe(&[Send("GET {get} HTTP/1.1\r\nX-A: caf"), Raw(b"\xe9 \x80\xff"), Send("\r\n"), LAST], |seen| {
            seen.served()
        }),
    must("field/nul-in-host", "RFC 9110 5.5, RFC 9112 3.2", "a NUL in a value is refused or a space: it ends nothing")
        .decided("400 H1-HEAD-009")
        .probe(&[Send("GET {get} HTTP/1.1\r\nHost: {host}\0.elsewhere\r\n"), CLOSE], |seen| seen.bad_request()),
    must("field/cr-in-host", "RFC 9110 5.5, RFC 9112 3.2", "a CR in a value is refused or a space: it ends nothing")
        .decided("400 H1-LINE-002")
        .probe(&[Send("GET {get} HTTP/1.1\r\nHost: {host}\r.elsewhere\r\n"), CLOSE], |seen| seen.bad_request()),
    must("field/cr-hides-no-field", "RFC 9110 5.5", "a CR in a value is refused or a space: no field begins")
        .decided("400 H1-LINE-002")
        .probe(&[Send("GET {get} HTTP/1.1\r\nX-A: b\rHost: {host}\r\n"), CLOSE], |seen| seen.bad_request()),
    choice("field/nul-refused", "RFC 9110 5.5", "a NUL is refused, not replaced")
        .decided("400 H1-HEAD-009")
        .probe(&[Send("GET {get} HTTP/1.1\r\nX-A: b\0c\r\n"), LAST], |seen| seen.refused(&[400])),
    choice("field/cr-refused", "RFC 9110 5.5", "a CR is refused, not replaced")
        .decided("400 H1-LINE-002")
        .probe(&[Send("GET {get} HTTP/1.1\r\nX-A: b\rc\r\n"), LAST], |seen| seen.refused(&[400])),
    choice("field/control", "RFC 9110 5.5", "other control bytes are refused, not retained")
        .decided("400 H1-HEAD-009")
        .probe(&[Send("GET {get} HTTP/1.1\r\nX-A: \x1b[2J\r\n"), LAST], |seen| seen.refused(&[400])),
    choice("field/vertical-tab", "RFC 9110 5.5, 5.6.3", "a vertical tab around a value is refused, not trimmed")
        .decided("400 H1-HEAD-009")
        .probe(&[Send("GET {get} HTTP/1.1\r\nConnection:\x0bclose\r\n"), LAST], |seen| seen.refused(&[400])),
    // Lists, and the order of lines.
    must("field/lists", "RFC 9110 5.6.1.2", "empty members of a list are ignored")
        .decided("200, and the close is heard")
        .probe(&[Send("GET {get} HTTP/1.1\r\nHost: {host}\r\nConnection: , ,x-a,\t, close ,\r\n\r\n")], |seen| {
            seen.served()
        }),
    must("field/order", "RFC 9110 2.4, 5.3", "lines of different names have no order: Host may be the last")
        .decided("200")
        .probe(&[Send("GET {get} HTTP/1.1\r\nConnection: close\r\nX-A: b\r\nHost: {host}\r\n\r\n")], |seen| {
            seen.served()
        }),
    // Sizes.
    choice("field/long-value", "RFC 9110 5.4, 17.5", "a cookie of 4096 octets is no attack")
        .decided("200")
        .probe(&[Send("GET {get} HTTP/1.1\r\nCookie: a="), Fill("b", 4094), Send("\r\n"), LAST], |seen| seen.served()),
    choice("field/fifty-lines", "RFC 9110 5.4, 17.5", "a head of fifty lines is no attack")
        .decided("200, up to a hundred (field_lines_max)")
        .probe(&[Send("GET {get} HTTP/1.1\r\n"), Fill("X-A: b\r\n", 50), LAST], |seen| seen.served()),
    must("field/line-too-long", "RFC 9110 5.4", "a line too long for the server is answered 4xx, or it is read")
        .decided("431 H1-HEAD-001")
        .probe(&[Send("GET {get} HTTP/1.1\r\nX-A: "), Fill("b", 200_000), Send("\r\n"), LAST], |seen| {
            if seen.answered(&[200]).is_ok() { Ok(()) } else { seen.blamed() }
        }),
    must("field/name-too-long", "RFC 9110 5.4", "a name too long for the server is answered 4xx, or it is read")
        .decided("431 H1-HEAD-001")
        .probe(&[Send("GET {get} HTTP/1.1\r\n"), Fill("X", 200_000), Send(": a\r\n"), LAST], |seen| {
            if seen.answered(&[200]).is_ok() { Ok(()) } else { seen.blamed() }
        }),
    must("field/too-many-lines", "RFC 9110 5.4", "too many lines are answered 4xx, or read: none is ignored")
        .decided("431 H1-HEAD-002")
        .probe(&[Send("GET {get} HTTP/1.1\r\n"), Fill("X-A: b\r\n", 5000), LAST], |seen| {
            if seen.answered(&[200]).is_ok() { Ok(()) } else { seen.blamed() }
        }),
    choice("field/too-large-is-431", "RFC 6585 5", "the status for a head that is too large is 431")
        .decided("431 H1-HEAD-001")
        .probe(&[Send("GET {get} HTTP/1.1\r\nX-A: "), Fill("b", 200_000), Send("\r\n"), LAST], |seen| {
            seen.refused(&[431])
        }),
    should("field/too-large-names-it", "RFC 6585 5", "a 431 for one field says which one")
        .decided("431 H1-HEAD-001")
        .probe(
            &[Send("GET {get} HTTP/1.1\r\nHost: {host}\r\nX-Long: "), Fill("b", 200_000), Send("\r\n\r\n")],
            |seen| {
                let answer = seen.answered(&[431, 400, 413, 200])?;
                let names = String::from_utf8_lossy(&answer.content).contains("X-Long");
                ensure(answer.status != 431 || names, || "a 431 that names no field".to_owned())
            },
        ),
    choice("field/without-end", "RFC 9110 17.5", "a head without end is refused before it ends")
        .decided("431 H1-HEAD-002")
        .probe(&[Send("GET {get} HTTP/1.1\r\n"), Fill("X-A: b\r\n", 20_000)], |seen| seen.refused(&[431])),
];
