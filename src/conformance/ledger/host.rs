//! Owns the rows on the Host field: that there is one, that there is no other, and what it may hold.
//!
//! What the grammar of RFC 3986 allows and no server needs is [`choice`]: there we refuse more than is demanded.
//!
//! Spec: RFC 9112 3.2, 3.2.2 and 3.3; RFC 9110 4.2.1, 4.2.4 and 7.2; RFC 3986 3.2.2 and 3.2.3.
//! Never: code beside the rows.

use super::{CLOSE, HIDDEN, LAST};
use crate::conformance::Requirement;
use crate::conformance::requirement::Step::{Raw, Send};
use crate::conformance::requirement::{choice, must};

pub(super) const ROWS: &[Requirement] = &[
    // That there is one, and no other.
    must("host/missing", "RFC 9112 3.2", "an HTTP/1.1 request without Host is answered 400")
        .decided("400 H1-HOST-001")
        .probe(&[Send("GET {get} HTTP/1.1\r\n"), CLOSE], |seen| seen.bad_request()),
    must("host/missing-with-absolute", "RFC 9112 3.2", "a missing Host is answered 400, also with an absolute-form")
        .decided("400 H1-HOST-001")
        .probe(&[Send("GET http://{host}{get} HTTP/1.1\r\n"), CLOSE], |seen| seen.bad_request()),
    must("host/twice", "RFC 9112 3.2", "two Host lines are answered 400: each reader may serve another site")
        .decided("400 H1-HOST-002")
        .probe(&[Send("GET {get} HTTP/1.1\r\nHost: elsewhere.invalid\r\n"), LAST], |seen| seen.bad_request()),
    must("host/twice-the-same", "RFC 9112 3.2", "two Host lines are answered 400, also when they say the same")
        .decided("400 H1-HOST-002")
        .probe(&[Send("GET {get} HTTP/1.1\r\nHost: {host}\r\n"), LAST], |seen| seen.bad_request()),
    must("host/twice-and-empty", "RFC 9112 3.2", "two Host lines are answered 400, also when one of them is empty")
        .decided("400 H1-HOST-002")
        .probe(&[Send("GET {get} HTTP/1.1\r\nHost: {host}\r\nHost:\r\n"), CLOSE], |seen| seen.bad_request()),
    must("host/twice-in-1-0", "RFC 9112 3.2", "two Host lines are answered 400, in HTTP/1.0 too")
        .decided("400 H1-HOST-002")
        .probe(&[Send("GET {get} HTTP/1.0\r\nHost: {host}\r\n"), LAST], |seen| seen.bad_request()),
    must("host/twice-with-absolute", "RFC 9112 3.2", "two Host lines are answered 400, also with an absolute-form")
        .decided("400 H1-HOST-002")
        .probe(&[Send("GET http://{host}{get} HTTP/1.1\r\nHost: {host}\r\n"), LAST], |seen| seen.bad_request()),
    choice("host/missing-in-1-0", "RFC 9112 3.2", "an HTTP/1.0 request without Host is served")
        .decided("200")
        .probe(&[Send("GET {get} HTTP/1.0\r\n\r\n")], |seen| seen.served()),
    choice("host/empty", "RFC 9112 3.3, RFC 9110 4.2.1", "an empty Host is refused: an http URI has a host")
        .decided("400 H1-HOST-003")
        .probe(&[Send("GET {get} HTTP/1.1\r\nHost:\r\n"), CLOSE], |seen| seen.refused(&[400])),
    choice("host/refusal-closes", "RFC 9112 9.3, 11.2", "the connection closes behind an invalid Host")
        .decided("400 H1-HOST-004")
        .probe(&[Send("GET {get} HTTP/1.1\r\nHost: a b\r\n\r\n"), HIDDEN], |seen| seen.refused(&[400])),
    // Names.
    must("host/space", "RFC 9112 3.2, RFC 3986 3.2.2", "a Host with a space is invalid: 400")
        .decided("400 H1-HOST-004")
        .probe(&[Send("GET {get} HTTP/1.1\r\nHost: a b\r\n"), CLOSE], |seen| seen.bad_request()),
    must("host/list", "RFC 9112 3.2, RFC 3986 3.2.2", "a Host with two names, as proxies join them, is invalid: 400")
        .decided("400 H1-HOST-004")
        .probe(&[Send("GET {get} HTTP/1.1\r\nHost: {host}, {host}\r\n"), CLOSE], |seen| seen.bad_request()),
    must("host/userinfo", "RFC 9112 3.2, RFC 9110 7.2", "a Host with a user is invalid: 400")
        .decided("400 H1-HOST-004")
        .probe(&[Send("GET {get} HTTP/1.1\r\nHost: somebody@{host}\r\n"), CLOSE], |seen| seen.bad_request()),
    must("host/path", "RFC 9112 3.2, RFC 9110 7.2", "a Host with a path is invalid: 400")
        .decided("400 H1-HOST-004")
        .probe(&[Send("GET {get} HTTP/1.1\r\nHost: {host}/a\r\n"), CLOSE], |seen| seen.bad_request()),
    must("host/fragment", "RFC 9112 3.2, RFC 9110 7.2", "a Host with a fragment is invalid: 400")
        .decided("400 H1-HOST-004")
        .probe(&[Send("GET {get} HTTP/1.1\r\nHost: elsewhere.invalid#a\r\n"), CLOSE], |seen| seen.bad_request()),
    must("host/uri", "RFC 9112 3.2, RFC 9110 7.2", "a Host that is a whole URI is invalid: 400")
        .decided("400 H1-HOST-004")
        .probe(&[Send("GET {get} HTTP/1.1\r\nHost: http://{host}\r\n"), CLOSE], |seen| seen.bad_request()),
    must("host/backslash", "RFC 9112 3.2, RFC 3986 3.2.2", "a Host with a backslash is invalid: 400")
        .decided("400 H1-HOST-004")
        .probe(&[Send("GET {get} HTTP/1.1\r\nHost: a\\b\r\n"), CLOSE], |seen| seen.bad_request()),
    must("host/script", "RFC 9112 3.2, RFC 3986 3.2.2", "a Host with angle brackets and quotes is invalid: 400")
        .decided("400 H1-HOST-004")
        .probe(&[Send("GET {get} HTTP/1.1\r\nHost: <script>\"a\"\r\n"), CLOSE], |seen| seen.bad_request()),
    must("host/control", "RFC 9112 3.2, RFC 9110 5.5", "a Host with a control byte is invalid: 400")
        .decided("400 H1-HEAD-009")
        .probe(&[Send("GET {get} HTTP/1.1\r\nHost: a\x01b\r\n"), CLOSE], |seen| seen.bad_request()),
    must("host/not-ascii", "RFC 9112 3.2, RFC 3986 3.2.2", "a Host with a byte of 0x80 or more is invalid: 400")
        .decided("400 H1-HOST-004")
        .probe(&[Send("GET {get} HTTP/1.1\r\nHost: b"), Raw(b"\xc3\xbc"), Send("cher\r\n"), CLOSE], |seen| {
            seen.bad_request()
        }),
    must("host/bad-percent", "RFC 9112 3.2, RFC 3986 2.1", "a Host with a % without two hex digits is invalid: 400")
        .decided("400 H1-HOST-004")
        .probe(&[Send("GET {get} HTTP/1.1\r\nHost: a%zz\r\n"), CLOSE], |seen| seen.bad_request()),
    choice("host/encoded-nul", "RFC 3986 3.2.2", "%00 in a name fits the grammar, and is refused")
        .decided("400 H1-HOST-004")
        .probe(&[Send("GET {get} HTTP/1.1\r\nHost: a%00b\r\n"), CLOSE], |seen| seen.refused(&[400])),
    choice("host/comma", "RFC 3986 3.2.2", "a comma fits the grammar of names, and is refused: proxies join with it")
        .decided("400 H1-HOST-004")
        .probe(&[Send("GET {get} HTTP/1.1\r\nHost: a,b\r\n"), CLOSE], |seen| seen.refused(&[400])),
    choice("host/underscore", "RFC 3986 3.2.2", "underscores, tildes and a last dot fit the grammar, and are accepted")
        .decided("200")
        .probe(&[Send("GET {get} HTTP/1.1\r\nHost: a_b-c~d.example.\r\n"), CLOSE], |seen| seen.understood()),
    choice("host/encoded", "RFC 3986 3.2.2", "a name in percent-encoded UTF-8 fits the grammar, and is accepted")
        .decided("200")
        .probe(&[Send("GET {get} HTTP/1.1\r\nHost: b%C3%BCcher.example\r\n"), CLOSE], |seen| seen.understood()),
    // Ports.
    must("host/port-letters", "RFC 9112 3.2, RFC 3986 3.2.3", "a Host with a port of letters is invalid: 400")
        .decided("400 H1-HOST-004")
        .probe(&[Send("GET {get} HTTP/1.1\r\nHost: a:http\r\n"), CLOSE], |seen| seen.bad_request()),
    must("host/port-minus", "RFC 9112 3.2, RFC 3986 3.2.3", "a Host with a port with a minus is invalid: 400")
        .decided("400 H1-HOST-004")
        .probe(&[Send("GET {get} HTTP/1.1\r\nHost: a:-1\r\n"), CLOSE], |seen| seen.bad_request()),
    must("host/port-plus", "RFC 9112 3.2, RFC 3986 3.2.3", "a Host with a port with a plus is invalid: 400")
        .decided("400 H1-HOST-004")
        .probe(&[Send("GET {get} HTTP/1.1\r\nHost: a:+80\r\n"), CLOSE], |seen| seen.bad_request()),
    must("host/port-space", "RFC 9112 3.2, RFC 3986 3.2.3", "a Host with a space before its port is invalid: 400")
        .decided("400 H1-HOST-004")
        .probe(&[Send("GET {get} HTTP/1.1\r\nHost: a: 80\r\n"), CLOSE], |seen| seen.bad_request()),
    must("host/two-ports", "RFC 9112 3.2, RFC 3986 3.2.3", "a Host with two ports is invalid: 400")
        .decided("400 H1-HOST-004")
        .probe(&[Send("GET {get} HTTP/1.1\r\nHost: a:80:80\r\n"), CLOSE], |seen| seen.bad_request()),
    choice("host/port-too-large", "RFC 3986 3.2.3", "a port of more than 65535 fits the grammar, and is refused")
        .decided("400 H1-HOST-004")
        .probe(&[Send("GET {get} HTTP/1.1\r\nHost: a:65536\r\n"), CLOSE], |seen| seen.refused(&[400])),
    choice("host/port-alone", "RFC 3986 3.2.2, RFC 9110 4.2.1", "a port without a host fits the grammar: refused")
        .decided("400 H1-HOST-004")
        .probe(&[Send("GET {get} HTTP/1.1\r\nHost: :80\r\n"), CLOSE], |seen| seen.refused(&[400])),
    choice("host/port-empty", "RFC 9110 4.2.1", "an empty port is the default one")
        .decided("200")
        .probe(&[Send("GET {get} HTTP/1.1\r\nHost: elsewhere.invalid:\r\n"), CLOSE], |seen| seen.understood()),
    // Addresses.
    choice("host/ipv4", "RFC 3986 3.2.2", "an IPv4 address is a host")
        .decided("200")
        .probe(&[Send("GET {get} HTTP/1.1\r\nHost: 127.0.0.1:80\r\n"), CLOSE], |seen| seen.understood()),
    choice("host/ipv6", "RFC 3986 3.2.2", "an IPv6 address in brackets is a host")
        .decided("200")
        .probe(&[Send("GET {get} HTTP/1.1\r\nHost: [2001:db8::1]:80\r\n"), CLOSE], |seen| seen.understood()),
    must("host/ipv6-without-brackets", "RFC 9112 3.2, RFC 3986 3.2.2", "a Host of bare IPv6 is invalid: 400")
        .decided("400 H1-HOST-004")
        .probe(&[Send("GET {get} HTTP/1.1\r\nHost: 2001:db8::1\r\n"), CLOSE], |seen| seen.bad_request()),
    must("host/open-bracket", "RFC 9112 3.2, RFC 3986 3.2.2", "a Host with a bracket left open is invalid: 400")
        .decided("400 H1-HOST-004")
        .probe(&[Send("GET {get} HTTP/1.1\r\nHost: [::1\r\n"), CLOSE], |seen| seen.bad_request()),
    must("host/bracket-tail", "RFC 9112 3.2, RFC 3986 3.2.2", "a Host with more behind its bracket is invalid: 400")
        .decided("400 H1-HOST-004")
        .probe(&[Send("GET {get} HTTP/1.1\r\nHost: [::1]a:80\r\n"), CLOSE], |seen| seen.bad_request()),
    must("host/empty-brackets", "RFC 9112 3.2, RFC 3986 3.2.2", "a Host with brackets around nothing is invalid: 400")
        .decided("400 H1-HOST-004")
        .probe(&[Send("GET {get} HTTP/1.1\r\nHost: []\r\n"), CLOSE], |seen| seen.bad_request()),
    must("host/bad-ipv6", "RFC 9112 3.2, RFC 3986 3.2.2", "a Host with brackets around no address is invalid: 400")
        .decided("400 H1-HOST-004")
        .probe(&[Send("GET {get} HTTP/1.1\r\nHost: [12345::1]\r\n"), CLOSE], |seen| seen.bad_request()),
    must("host/ipv4-in-brackets", "RFC 9112 3.2, RFC 3986 3.2.2", "a Host with IPv4 in brackets is invalid: 400")
        .decided("400 H1-HOST-004")
        .probe(&[Send("GET {get} HTTP/1.1\r\nHost: [192.0.2.1]\r\n"), CLOSE], |seen| seen.bad_request()),
    choice("host/ipv6-zone", "RFC 3986 3.2.2", "an IPv6 zone is of one machine and no other: it is refused")
        .decided("400 H1-HOST-004")
        .probe(&[Send("GET {get} HTTP/1.1\r\nHost: [fe80::1%25eth0]\r\n"), CLOSE], |seen| seen.refused(&[400])),
    choice("host/ip-future", "RFC 3986 3.2.2", "an address of no known kind fits the grammar, and is refused")
        .decided("400 H1-HOST-004")
        .probe(&[Send("GET {get} HTTP/1.1\r\nHost: [v7.a:b]\r\n"), CLOSE], |seen| seen.refused(&[400])),
];
