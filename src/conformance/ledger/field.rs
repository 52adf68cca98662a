//! Owns the rows on field lines: names, the colon, white space, values, folding, lists, sizes.
//!
//! Where what a server made of a field cannot be seen, a probe uses one that shows: Host, without which a request is
//! refused, and Connection, whose `close` ends it.
//!
//! Spec: RFC 9112 2.2, 5, 5.1 and 5.2; RFC 9110 5.1 to 5.6 and 17.10; RFC 6585 5.
//! Never: code beside the rows.

use super::{HIDDEN, LAST};
use crate::conformance::Requirement;
use crate::conformance::requirement::Step::{Await, Fill, Raw, Send};
use crate::conformance::requirement::{choice, must, should};

pub(super) const ROWS: &[Requirement] = &[
    // Names.
    must("field/name-case", "RFC 9110 2.4, 5.1", "field names are case-insensitive")
        .decided("200, and the close is heard")
        .probe(&[Send("GET {get} HTTP/1.1\r\nhOST: {host}\r\nCONNECTION: close\r\n\r\n"), HIDDEN], |seen| {
            seen.served()
        }),
    should("field/unknown", "RFC 9110 5.1", "a field that nobody knows is ignored")
        .decided("200")
        .probe(&[Send("GET {get} HTTP/1.1\r\nX-Nobody-Knows: this\r\n"), LAST], |seen| seen.served()),
    should("field/name-of-marks", "RFC 9110 5.1, 5.6.2", "so is one whose name is any token")
        .decided("200")
        .probe(&[Send("GET {get} HTTP/1.1\r\n!#$%&'*+-.^_`|~9: a\r\n"), LAST], |seen| seen.served()),
    choice("field/underscore", "RFC 9110 17.10", "Content_Length is no other spelling of Content-Length")
        .decided("200, twice")
        .probe(&[Send("GET {get} HTTP/1.1\r\nHost: {host}\r\nContent_Length: 30\r\n\r\n"), Await, HIDDEN], |seen| {
            seen.served_all(2)
        }),
    should(
        "field/name-empty",
        "RFC 9112 2.2, 5",
        "a line that begins with its colon is answered 400, and the connection closes",
    )
    .decided("400 H1-HEAD-005")
    .probe(&[Send("GET {get} HTTP/1.1\r\n: a\r\n"), LAST], |seen| seen.refused(&[400])),
    should("field/colon-missing", "RFC 9112 2.2, 5", "so is a line without a colon")
        .decided("400 H1-HEAD-008")
        .probe(&[Send("GET {get} HTTP/1.1\r\nX-A\r\n"), LAST], |seen| seen.refused(&[400])),
    should(
        "field/name-delimiter",
        "RFC 9112 2.2, RFC 9110 5.1",
        "a name is a token: a parenthesis in it is answered 400",
    )
    .decided("400 H1-HEAD-007")
    .probe(&[Send("GET {get} HTTP/1.1\r\nX(A): b\r\n"), LAST], |seen| seen.refused(&[400])),
    should("field/name-space", "RFC 9112 2.2, RFC 9110 5.1", "so is a space")
        .decided("400 H1-HEAD-006")
        .probe(&[Send("GET {get} HTTP/1.1\r\nX A: b\r\n"), LAST], |seen| seen.refused(&[400])),
    should(
        "field/name-control",
        "RFC 9112 2.2, RFC 9110 5.1",
        "so is a control byte, though a terminal shows it as nothing",
    )
    .decided("400 H1-HEAD-007")
    .probe(&[Send("GET {get} HTTP/1.1\r\nX-\x08A: b\r\n"), LAST], |seen| seen.refused(&[400])),
    should("field/name-nul", "RFC 9112 2.2, RFC 9110 5.1", "so is a NUL, behind which a C string ends")
        .decided("400 H1-HEAD-007")
        .probe(&[Send("GET {get} HTTP/1.1\r\nX-A\0B: b\r\n"), LAST], |seen| seen.refused(&[400])),
    should("field/name-not-ascii", "RFC 9112 2.2, RFC 9110 5.1", "so is a byte of 0x80 or more")
        .decided("400 H1-HEAD-007")
        .probe(&[Send("GET {get} HTTP/1.1\r\nX-"), Raw(b"\xc4"), Send(": b\r\n"), LAST], |seen| seen.refused(&[400])),
    // White space around the name.
    must("field/space-before-colon", "RFC 9112 5.1", "white space between name and colon is answered 400")
        .decided("400 H1-HEAD-006")
        .probe(&[Send("GET {get} HTTP/1.1\r\nX-A : b\r\n"), LAST], |seen| seen.bad_request()),
    must("field/tab-before-colon", "RFC 9112 5.1", "a tab too")
        .decided("400 H1-HEAD-006")
        .probe(&[Send("GET {get} HTTP/1.1\r\nX-A\t: b\r\n"), LAST], |seen| seen.bad_request()),
    must(
        "field/space-before-colon-of-length",
        "RFC 9112 5.1",
        "also where it would hide a request in content that another reader sees",
    )
    .decided("400 H1-HEAD-006")
    .probe(&[Send("GET {get} HTTP/1.1\r\nHost: {host}\r\nContent-Length : 60\r\n\r\n"), HIDDEN], |seen| {
        seen.refused(&[400])
    }),
    must("field/space-before-colon-of-coding", "RFC 9112 5.1", "and before Transfer-Encoding")
        .decided("400 H1-HEAD-006")
        .probe(
            &[Send("POST {post} HTTP/1.1\r\nHost: {host}\r\nTransfer-Encoding : chunked\r\n\r\n0\r\n\r\n"), HIDDEN],
            |seen| seen.refused(&[400]),
        ),
    must(
        "field/space-before-first",
        "RFC 9112 2.2",
        "a line with white space before it, first of all, is refused or ignored: it is no Host",
    )
    .decided("400 H1-HEAD-003")
    .probe(&[Send("GET {get} HTTP/1.1\r\n Host: {host}\r\nConnection: close\r\n\r\n")], |seen| seen.bad_request()),
    choice("field/space-before-first-refused", "RFC 9112 2.2", "it is refused, also where nothing is lost with it")
        .decided("400 H1-HEAD-003")
        .probe(&[Send("GET {get} HTTP/1.1\r\n\tX-A: b\r\n"), LAST], |seen| seen.refused(&[400])),
    // Folded lines.
    must("field/fold", "RFC 9112 5.2", "a folded line is refused or part of the value before it: it is no Host")
        .decided("400 H1-HEAD-004")
        .probe(&[Send("GET {get} HTTP/1.1\r\nX-A: b\r\n Host: {host}\r\nConnection: close\r\n\r\n")], |seen| {
            seen.bad_request()
        }),
    must("field/fold-with-tab", "RFC 9112 5.2", "folded with a tab too")
        .decided("400 H1-HEAD-004")
        .probe(&[Send("GET {get} HTTP/1.1\r\nX-A: b\r\n\tHost: {host}\r\nConnection: close\r\n\r\n")], |seen| {
            seen.bad_request()
        }),
    must("field/fold-of-host", "RFC 9112 5.2, 3.2", "nor is a folded value cut off where it folds")
        .decided("400 H1-HEAD-004")
        .probe(&[Send("GET {get} HTTP/1.1\r\nHost: {host}\r\n elsewhere\r\nConnection: close\r\n\r\n")], |seen| {
            seen.bad_request()
        }),
    choice("field/fold-refused", "RFC 9112 5.2", "it is refused, not unfolded")
        .decided("400 H1-HEAD-004")
        .probe(&[Send("GET {get} HTTP/1.1\r\nX-A: b\r\n c\r\n"), LAST], |seen| seen.refused(&[400])),
    choice("field/fold-of-nothing", "RFC 9112 5.2", "nor does a line of white space end the head, or vanish")
        .decided("400 H1-HEAD-004")
        .probe(&[Send("GET {get} HTTP/1.1\r\nX-A: b\r\n \r\n"), LAST], |seen| seen.refused(&[400])),
    // Values.
    must("field/white-space", "RFC 9110 5.5, RFC 9112 5.1", "white space around a value is no part of it")
        .decided("200, and the close is heard")
        .probe(
            &[Send("GET {get} HTTP/1.1\r\nHost: \t {host}\t \r\nConnection:\t\tclose   \r\n\r\n"), HIDDEN],
            |seen| seen.served(),
        ),
    must("field/no-white-space", "RFC 9110 2.4, RFC 9112 5", "there need be none")
        .decided("200, and the close is heard")
        .probe(&[Send("GET {get} HTTP/1.1\r\nHost:{host}\r\nConnection:close\r\n\r\n"), HIDDEN], |seen| seen.served()),
    must("field/empty-value", "RFC 9110 2.4, 5.5", "a value may be empty, and the next line is not taken for it")
        .decided("200, and the close is heard")
        .probe(&[Send("GET {get} HTTP/1.1\r\nX-A:\r\nX-B: \r\n"), LAST, HIDDEN], |seen| seen.served()),
    should("field/obs-text", "RFC 9110 5.5", "bytes of 0x80 or more are opaque data")
        .decided("200")
        .probe(&[Send("GET {get} HTTP/1.1\r\nX-A: caf"), Raw(b"\xe9 \x80\xff"), Send("\r\n"), LAST], |seen| {
            seen.served()
        }),
    must(
        "field/nul-in-host",
        "RFC 9110 5.5, RFC 9112 3.2",
        "a NUL in a value does not end it: it is refused, or a space",
    )
    .decided("400 H1-HEAD-009")
    .probe(&[Send("GET {get} HTTP/1.1\r\nHost: {host}\0.elsewhere\r\nConnection: close\r\n\r\n")], |seen| {
        seen.bad_request()
    }),
    must("field/cr-in-host", "RFC 9110 5.5, RFC 9112 3.2", "nor does a CR: it is refused, or a space")
        .decided("400 H1-LINE-002")
        .probe(&[Send("GET {get} HTTP/1.1\r\nHost: {host}\r.elsewhere\r\nConnection: close\r\n\r\n")], |seen| {
            seen.bad_request()
        }),
    must("field/cr-hides-no-field", "RFC 9110 5.5, RFC 9112 2.2", "nor does a field begin behind a CR")
        .decided("400 H1-LINE-002")
        .probe(&[Send("GET {get} HTTP/1.1\r\nX-A: b\rHost: {host}\r\nConnection: close\r\n\r\n")], |seen| {
            seen.bad_request()
        }),
    choice("field/nul-refused", "RFC 9110 5.5", "a NUL is refused, not replaced")
        .decided("400 H1-HEAD-009")
        .probe(&[Send("GET {get} HTTP/1.1\r\nX-A: b\0c\r\n"), LAST], |seen| seen.refused(&[400])),
    choice("field/cr-refused", "RFC 9110 5.5", "a CR is refused, not replaced")
        .decided("400 H1-LINE-002")
        .probe(&[Send("GET {get} HTTP/1.1\r\nX-A: b\rc\r\n"), LAST], |seen| seen.refused(&[400])),
    choice("field/control", "RFC 9110 5.5", "other control bytes are refused, not retained")
        .decided("400 H1-HEAD-009")
        .probe(&[Send("GET {get} HTTP/1.1\r\nX-A: \x1b[2J\r\n"), LAST], |seen| seen.refused(&[400])),
    choice("field/delete", "RFC 9110 5.5", "DEL is a control byte too")
        .decided("400 H1-HEAD-009")
        .probe(&[Send("GET {get} HTTP/1.1\r\nX-A: b\x7f\r\n"), LAST], |seen| seen.refused(&[400])),
    choice(
        "field/vertical-tab",
        "RFC 9110 5.5, 5.6.3",
        "and no white space: a vertical tab before a value is refused, not trimmed",
    )
    .decided("400 H1-HEAD-009")
    .probe(&[Send("GET {get} HTTP/1.1\r\nConnection:\x0bclose\r\n"), LAST], |seen| seen.refused(&[400])),
    // Lists, and the order of lines.
    must("field/lists", "RFC 9110 5.6.1.2", "empty members of a list are ignored")
        .decided("200, and the close is heard")
        .probe(
            &[Send("GET {get} HTTP/1.1\r\nHost: {host}\r\nConnection: , ,x-a,\t, close ,\r\n\r\n"), HIDDEN],
            |seen| seen.served(),
        ),
    must("field/lines-of-one-name", "RFC 9110 2.4, 5.2", "lines of one name are one list")
        .decided("200, and the close is heard")
        .probe(
            &[Send("GET {get} HTTP/1.1\r\nConnection: x-a\r\nHost: {host}\r\nConnection: close\r\n\r\n"), HIDDEN],
            |seen| seen.served(),
        ),
    must(
        "field/order",
        "RFC 9110 2.4, 5.3",
        "the order of lines of different names is not significant: Host may be the last",
    )
    .decided("200")
    .probe(&[Send("GET {get} HTTP/1.1\r\nConnection: close\r\nX-A: b\r\nHost: {host}\r\n\r\n"), HIDDEN], |seen| {
        seen.served()
    }),
    // Sizes.
    choice("field/long-value", "RFC 9110 5.4, 17.5", "a cookie of 4096 octets is no attack")
        .decided("200")
        .probe(&[Send("GET {get} HTTP/1.1\r\nCookie: a="), Fill("b", 4094), Send("\r\n"), LAST], |seen| seen.served()),
    choice("field/fifty-lines", "RFC 9110 5.4, 17.5", "nor are fifty lines")
        .decided("200, up to a hundred (field_lines_max)")
        .probe(&[Send("GET {get} HTTP/1.1\r\n"), Fill("X-A: b\r\n", 50), LAST], |seen| seen.served()),
    must(
        "field/line-too-long",
        "RFC 9110 5.4",
        "a line that is longer than the server likes is answered 4xx, or it is read",
    )
    .decided("431 H1-HEAD-001")
    .probe(&[Send("GET {get} HTTP/1.1\r\nX-A: "), Fill("b", 200_000), Send("\r\n"), LAST], |seen| {
        if seen.answered(&[200]).is_ok() { Ok(()) } else { seen.blamed() }
    }),
    must("field/name-too-long", "RFC 9110 5.4", "so is a name").decided("431 H1-HEAD-001").probe(
        &[Send("GET {get} HTTP/1.1\r\n"), Fill("X", 200_000), Send(": a\r\n"), LAST],
        |seen| {
            if seen.answered(&[200]).is_ok() { Ok(()) } else { seen.blamed() }
        },
    ),
    must("field/too-many-lines", "RFC 9110 5.4", "so are more lines than it likes: none is ignored in silence")
        .decided("431 H1-HEAD-002")
        .probe(&[Send("GET {get} HTTP/1.1\r\n"), Fill("X-A: b\r\n", 5000), LAST], |seen| {
            if seen.answered(&[200]).is_ok() { Ok(()) } else { seen.blamed() }
        }),
    choice("field/too-large-is-431", "RFC 6585 5", "the status is 431, and the answer names the limit")
        .decided("431 H1-HEAD-001")
        .probe(&[Send("GET {get} HTTP/1.1\r\nX-A: "), Fill("b", 200_000), Send("\r\n"), LAST], |seen| {
            seen.refused(&[431])
        }),
    choice("field/without-end", "RFC 9110 17.5", "a head without end is refused before it ends")
        .decided("431 H1-HEAD-002")
        .probe(&[Send("GET {get} HTTP/1.1\r\n"), Fill("X-A: b\r\n", 20_000)], |seen| seen.refused(&[431])),
];
