//! Owns the rows on the request-target: its four forms, each with right and wrong methods, its length, its bytes.
//!
//! Spec: RFC 9112 3 and 3.2; RFC 9110 4.1, 4.2, 7.1, 7.4, 9.3.6 and 15.5.15; RFC 3986.
//! Never: code beside the rows.

use super::{CLOSE, HIDDEN, LAST};
use crate::conformance::Requirement;
use crate::conformance::requirement::Step::{Await, Fill, Raw, Send};
use crate::conformance::requirement::{choice, must, should};
use crate::conformance::seen::ensure;

pub(super) const ROWS: &[Requirement] = &[
    // Absolute-form.
    must("target/absolute", "RFC 9112 3.2.2", "a server accepts the absolute-form, though it is no proxy")
        .decided("200")
        .probe(&[Send("GET http://{host}{get} HTTP/1.1\r\n"), LAST], |seen| seen.served()),
    must("target/absolute-beats-host", "RFC 9112 3.2.2", "the host of an absolute-form counts, not the Host field")
        .decided("200")
        .probe(&[Send("GET http://{host}{get} HTTP/1.1\r\nHost: elsewhere.invalid\r\n"), CLOSE], |seen| seen.served()),
    must("target/absolute-in-1-0", "RFC 9112 3.2.2", "the absolute-form is accepted in HTTP/1.0 too, without a Host")
        .decided("200")
        .probe(&[Send("GET http://{host}{get} HTTP/1.0\r\n\r\n")], |seen| seen.served()),
    must("target/absolute-in-capitals", "RFC 9110 2.4, 4.2.3", "schemes are case-insensitive: HTTP: is http:")
        .decided("200")
        .probe(&[Send("GET HTTP://{host}{get} HTTP/1.1\r\n"), LAST], |seen| seen.served()),
    should("target/absolute-without-path", "RFC 9110 4.2.3", "a URI with an empty path is or leads to the one with /")
        .decided("200, twice")
        .probe(
            &[
                Send("GET http://{host}/ HTTP/1.1\r\nHost: {host}\r\n\r\n"),
                Await,
                Send("GET http://{host} HTTP/1.1\r\n"),
                LAST,
            ],
            |seen| {
                let both = seen.up_to(2)?;
                let Some(second) = both.get(1) else { return Ok(()) };
                let (slash, empty) = (both[0].status, second.status);
                ensure(empty == slash || empty == 301, || format!("{slash}, then {empty}"))
            },
        ),
    must("target/absolute-without-host", "RFC 9110 4.2.1", "an http URI with an empty host is rejected")
        .decided("400 H1-TARGET-008")
        .probe(&[Send("GET http://{get} HTTP/1.1\r\n"), LAST], |seen| seen.gave_up()),
    must("target/absolute-port-without-host", "RFC 9110 4.2.1", "an http URI with a port and no host is rejected")
        .decided("400 H1-TARGET-008")
        .probe(&[Send("GET http://:80{get} HTTP/1.1\r\n"), LAST], |seen| seen.gave_up()),
    should("target/absolute-userinfo", "RFC 9110 4.2.4", "a user in a URI from outside is an error: it hides the host")
        .decided("400 H1-TARGET-008")
        .probe(&[Send("GET http://somebody@{host}{get} HTTP/1.1\r\n"), LAST], |seen| seen.blamed()),
    should("target/absolute-bad-port", "RFC 9112 3.2", "the port of a URI is digits, or the request-line is invalid")
        .decided("400 H1-TARGET-008")
        .probe(&[Send("GET http://elsewhere.invalid:8o{get} HTTP/1.1\r\n"), LAST], |seen| seen.invalid_line()),
    choice("target/absolute-port-too-large", "RFC 9112 3.2.2", "a port of more than 65535 fits the grammar, no server")
        .decided("400 H1-TARGET-008")
        .probe(&[Send("GET http://elsewhere.invalid:65536{get} HTTP/1.1\r\n"), LAST], |seen| seen.blamed()),
    must("target/https-in-the-clear", "RFC 9110 7.4", "an https resource is not served on a connection without TLS")
        .decided("421 H1-TARGET-012")
        .probe(&[Send("GET https://{host}{get} HTTP/1.1\r\n"), LAST], |seen| seen.gave_up()),
    choice("target/other-scheme", "RFC 9110 7.4", "a URI of another scheme names nothing here")
        .decided("400 H1-TARGET-007")
        .probe(&[Send("GET ftp://{host}{get} HTTP/1.1\r\n"), LAST], |seen| seen.blamed()),
    // Authority-form.
    must("target/connect-empty-port", "RFC 9110 9.3.6", "CONNECT to an empty port is rejected")
        .decided("400 H1-TARGET-006")
        .probe(&[Send("CONNECT elsewhere.invalid: HTTP/1.1\r\n"), LAST], |seen| seen.gave_up()),
    must("target/connect-invalid-port", "RFC 9110 9.3.6", "CONNECT to a port that is no number is rejected")
        .decided("400 H1-TARGET-006")
        .probe(&[Send("CONNECT elsewhere.invalid:https HTTP/1.1\r\n"), LAST], |seen| seen.gave_up()),
    must("target/connect-port-too-large", "RFC 9110 9.3.6", "CONNECT to a port that TCP does not have is rejected")
        .decided("400 H1-TARGET-006")
        .probe(&[Send("CONNECT elsewhere.invalid:65536 HTTP/1.1\r\n"), LAST], |seen| seen.gave_up()),
    choice("target/connect-without-port", "RFC 9112 3.2.3", "CONNECT names its port: there is no default one")
        .decided("400 H1-TARGET-006")
        .probe(&[Send("CONNECT elsewhere.invalid HTTP/1.1\r\n"), LAST], |seen| seen.refused(&[400, 405, 501])),
    choice("target/connect-with-path", "RFC 9112 3.2, 3.2.3", "CONNECT names nothing but a host and a port")
        .decided("400 H1-TARGET-006")
        .probe(&[Send("CONNECT {get} HTTP/1.1\r\n"), LAST], |seen| seen.refused(&[400, 405, 501])),
    choice("target/authority-with-get", "RFC 9112 3.2, RFC 9110 7.1", "the authority-form is for CONNECT, not GET")
        .decided("400 H1-TARGET-004")
        .probe(&[Send("GET {host} HTTP/1.1\r\n"), LAST], |seen| seen.invalid_line()),
    // Asterisk-form.
    choice("target/asterisk-as-absolute", "RFC 9112 3.2.4", "OPTIONS with a URI without a path asks for the server")
        .decided("204")
        .probe(&[Send("OPTIONS http://{host} HTTP/1.1\r\n"), LAST], |seen| seen.answered(&[200, 204]).map(drop)),
    choice("target/asterisk-with-get", "RFC 9112 3.2, RFC 9110 7.1", "the asterisk-form is for OPTIONS, not GET")
        .decided("400 H1-TARGET-005")
        .probe(&[Send("GET * HTTP/1.1\r\n"), LAST], |seen| seen.invalid_line()),
    should("target/asterisk-and-more", "RFC 9112 3.2, 3.2.4", "the asterisk-form is one byte: more is invalid")
        .decided("400 H1-TARGET-004")
        .probe(&[Send("OPTIONS *{get} HTTP/1.1\r\n"), LAST], |seen| seen.invalid_line()),
    // Origin-form, and what is none of the four.
    should("target/without-slash", "RFC 9112 3.2, 3.2.1", "a path begins with /: another one is invalid, 400 or 301")
        .decided("400 H1-TARGET-004")
        .probe(&[Send("GET index.html HTTP/1.1\r\n"), LAST], |seen| seen.invalid_line()),
    should("target/backslash-first", "RFC 9112 3.2, 3.2.1", "a path begins with /: a backslash is none")
        .decided("400 H1-TARGET-004")
        .probe(&[Send("GET \\index.html HTTP/1.1\r\n"), LAST], |seen| seen.invalid_line()),
    choice("target/dot-segments", "RFC 9110 4.2.3", "dot segments may be removed, or lead to a redirect")
        .decided("200")
        .probe(&[Send("GET /a/..{get} HTTP/1.1\r\n"), LAST], |seen| {
            seen.answered(&[200, 301, 302, 307, 308]).map(drop)
        }),
    choice("target/encoded-dot-segments", "RFC 9110 4.2.3", "encoded dot segments may be decoded and removed")
        .decided("200")
        .probe(&[Send("GET /a/%2e%2E{get} HTTP/1.1\r\n"), LAST], |seen| {
            seen.answered(&[200, 301, 302, 307, 308]).map(drop)
        }),
    choice("target/one-spelling", "RFC 9110 4.2.3", "%61 may be read as a, and %7e as ~, before routing")
        .decided("unreserved triplets are decoded, others put into capitals; %2F stays what it is")
        .test("a_path_gets_one_spelling"),
    choice("target/above-root", "RFC 9110 17.3", "a path that climbs above its root is refused, not clipped")
        .decided("400 H1-TARGET-011")
        .probe(&[Send("GET /../../etc/passwd HTTP/1.1\r\n"), LAST], |seen| seen.refused(&[400])),
    choice("target/above-root-encoded", "RFC 9110 17.3", "a path that climbs above its root by %2e is refused too")
        .decided("400 H1-TARGET-011")
        .probe(&[Send("GET /%2e%2e/%2E%2e/etc/passwd HTTP/1.1\r\n"), LAST], |seen| seen.refused(&[400])),
    choice("target/encoded-nul", "RFC 9110 17.3", "a path with %00 is refused: files end there")
        .decided("400 H1-TARGET-010")
        .probe(&[Send("GET /a%00.html HTTP/1.1\r\n"), LAST], |seen| seen.refused(&[400])),
    // Lengths.
    should("target/8000-octets", "RFC 9110 4.1, RFC 9112 3", "a request-line of nearly 8000 octets is supported")
        .decided("200")
        .probe(&[Send("GET /?"), Fill("a", 7980), Send(" HTTP/1.1\r\n"), LAST], |seen| {
            let status = seen.only()?.status;
            let is_read = (200..500).contains(&status) && ![400, 413, 414, 431].contains(&status);
            ensure(is_read, || format!("{status}, as if it were too long"))
        }),
    must("target/too-long", "RFC 9112 3", "a target that is too long for the server is answered 414, or it is read")
        .decided("414 H1-TARGET-003")
        .probe(&[Send("GET {get}?"), Fill("a", 100_000), Send(" HTTP/1.1\r\n"), LAST], |seen| {
            seen.answered(&[414, 200, 404]).map(drop)
        }),
    choice("target/without-end", "RFC 9110 17.5", "a target without end is refused before it ends")
        .decided("414 H1-TARGET-003")
        .probe(&[Send("GET {get}?"), Fill("a", 100_000)], |seen| seen.refused(&[414])),
    // Bytes.
    should("target/fragment", "RFC 9112 3.2", "a request-target holds no fragment: it is invalid, 400 or 301")
        .decided("400 H1-TARGET-002")
        .probe(&[Send("GET {get}#part HTTP/1.1\r\n"), LAST], |seen| seen.invalid_line()),
    should("target/space", "RFC 9112 3.2", "a space in the target is not repaired: 400, or 301 rightly spelled")
        .decided("400 H1-VERSION-002")
        .probe(&[Send("GET {get}?a b HTTP/1.1\r\n"), LAST], |seen| seen.invalid_line()),
    should("target/space-hides-a-version", "RFC 9112 3.2", "a version inside the target does not end it")
        .decided("400 H1-LINE-010")
        .probe(&[Send("GET {get} HTTP/1.0 HTTP/1.1\r\nHost: {host}\r\n\r\n"), HIDDEN], |seen| seen.invalid_line()),
    should("target/control", "RFC 9112 3.2", "a control byte in the target is invalid: 400 or 301")
        .decided("400 H1-TARGET-001")
        .probe(&[Send("GET {get}?a\x01b HTTP/1.1\r\n"), LAST], |seen| seen.invalid_line()),
    should("target/nul", "RFC 9112 3.2", "a NUL in the target is invalid: 400 or 301")
        .decided("400 H1-TARGET-001")
        .probe(&[Send("GET {get}?a\0b HTTP/1.1\r\n"), LAST], |seen| seen.invalid_line()),
    should("target/not-ascii", "RFC 9112 3.2", "a byte of 0x80 or more in the target is invalid: 400 or 301")
        .decided("400 H1-TARGET-001")
        .probe(&[Send("GET {get}?"), Raw(b"caf\xc3\xa9"), Send(" HTTP/1.1\r\n"), LAST], |seen| seen.invalid_line()),
    should("target/quote", "RFC 9112 3.2", "a double quote in the target is invalid: 400 or 301")
        .decided("400 H1-TARGET-001")
        .probe(&[Send("GET {get}?\"a\" HTTP/1.1\r\n"), LAST], |seen| seen.invalid_line()),
    should("target/angle-brackets", "RFC 9112 3.2", "angle brackets around the target are invalid: 400 or 301")
        .decided("400 H1-TARGET-001")
        .probe(&[Send("GET <{get}> HTTP/1.1\r\n"), LAST], |seen| seen.invalid_line()),
    should("target/backslash", "RFC 9112 3.2", "a backslash in a path, / to some, is invalid: 400 or 301")
        .decided("400 H1-TARGET-001")
        .probe(&[Send("GET /a\\..\\b HTTP/1.1\r\n"), LAST], |seen| seen.invalid_line()),
    should("target/path-marks", "RFC 9112 3.2", "brackets, braces and bars in a path are invalid: 400 or 301")
        .decided("400 H1-TARGET-001")
        .probe(&[Send("GET /[a]{b}|c^ HTTP/1.1\r\n"), LAST], |seen| seen.invalid_line()),
    should("target/query-marks", "RFC 9112 3.2", "brackets, braces, bars in a query are invalid: 400 or 301")
        .decided("200: browsers send []{}|\\^` as they are, and a query of them names no other resource")
        .departs("heads_are_judged_the_same_however_they_arrive"),
    should("target/bad-percent", "RFC 9112 3.2", "a % without two hex digits is invalid: 400 or 301")
        .decided("400 H1-TARGET-009")
        .probe(&[Send("GET /100%zz HTTP/1.1\r\n"), LAST], |seen| seen.invalid_line()),
    should("target/percent-at-end", "RFC 9112 3.2", "a % at the end of the target is invalid: 400 or 301")
        .decided("400 H1-TARGET-009")
        .probe(&[Send("GET {get}?a=100% HTTP/1.1\r\n"), LAST], |seen| seen.invalid_line()),
];
