//! Owns the rows on the Host field: that there is one, that there is no other, and what it may hold.
//!
//! What the grammar of RFC 3986 allows and no server needs is [`choice`]: there we refuse more than is demanded.
//!
//! Spec: RFC 9112 3.2, 3.2.2 and 3.3; RFC 9110 4.2.1, 4.2.4 and 7.2; RFC 3986 3.2.2 and 3.2.3.
//! Never: code beside the rows.

use super::{HIDDEN, LAST};
use crate::conformance::Requirement;
use crate::conformance::requirement::Step::{Raw, Send};
use crate::conformance::requirement::{choice, must};

pub(super) const ROWS: &[Requirement] = &[
    // That there is one, and no other.
    must("host/missing", "RFC 9112 3.2", "an HTTP/1.1 request without Host is answered 400")
        .decided("400 H1-HOST-001")
        .probe(&[Send("GET {get} HTTP/1.1\r\nConnection: close\r\n\r\n")], |seen| seen.bad_request()),
    must(
        "host/missing-with-absolute",
        "RFC 9112 3.2, 3.2.2",
        "an HTTP/1.1 request without Host is answered 400, also where the target names the host",
    )
    .decided("400 H1-HOST-001")
    .probe(&[Send("GET http://{host}{get} HTTP/1.1\r\nConnection: close\r\n\r\n")], |seen| seen.bad_request()),
    must("host/twice", "RFC 9112 3.2", "two Host lines are answered 400: each reader may serve another site")
        .decided("400 H1-HOST-002")
        .probe(&[Send("GET {get} HTTP/1.1\r\nHost: elsewhere.invalid\r\n"), LAST], |seen| seen.bad_request()),
    must("host/twice-the-same", "RFC 9112 3.2", "two Host lines are answered 400, also when they say the same")
        .decided("400 H1-HOST-002")
        .probe(&[Send("GET {get} HTTP/1.1\r\nHost: {host}\r\n"), LAST], |seen| seen.bad_request()),
    must("host/twice-and-empty", "RFC 9112 3.2", "two Host lines are answered 400, also when one of them is empty")
        .decided("400 H1-HOST-002")
        .probe(&[Send("GET {get} HTTP/1.1\r\nHost: {host}\r\nHost:\r\nConnection: close\r\n\r\n")], |seen| {
            seen.bad_request()
        }),
    must("host/twice-in-1-0", "RFC 9112 3.2", "two Host lines are answered 400, in HTTP/1.0 too")
        .decided("400 H1-HOST-002")
        .probe(&[Send("GET {get} HTTP/1.0\r\nHost: {host}\r\n"), LAST], |seen| seen.bad_request()),
    must(
        "host/twice-with-absolute",
        "RFC 9112 3.2, 3.2.2",
        "two Host lines are answered 400, also where the target names the host",
    )
    .decided("400 H1-HOST-002")
    .probe(&[Send("GET http://{host}{get} HTTP/1.1\r\nHost: {host}\r\n"), LAST], |seen| seen.bad_request()),
    choice("host/missing-in-1-0", "RFC 9112 3.2", "an HTTP/1.0 request without Host is served")
        .decided("200")
        .probe(&[Send("GET {get} HTTP/1.0\r\n\r\n")], |seen| seen.served()),
    choice("host/empty", "RFC 9112 3.3, RFC 9110 4.2.1", "an empty Host is refused: an http URI has a host")
        .decided("400 H1-HOST-003")
        .probe(&[Send("GET {get} HTTP/1.1\r\nHost:\r\nConnection: close\r\n\r\n")], |seen| seen.refused(&[400])),
    choice(
        "host/refusal-closes",
        "RFC 9112 9.3, 11.2",
        "the connection closes behind an invalid Host: no later request is believed",
    )
    .decided("400 H1-HOST-004")
    .probe(&[Send("GET {get} HTTP/1.1\r\nHost: a b\r\n\r\n"), HIDDEN], |seen| seen.refused(&[400])),
    // Names.
    must("host/space", "RFC 9112 3.2, RFC 3986 3.2.2", "a Host with a space is invalid: 400")
        .decided("400 H1-HOST-004")
        .probe(&[Send("GET {get} HTTP/1.1\r\nHost: a b\r\nConnection: close\r\n\r\n")], |seen| seen.bad_request()),
    must(
        "host/list",
        "RFC 9112 3.2, RFC 3986 3.2.2",
        "a Host with two names, as a proxy joins two lines, is invalid: 400",
    )
    .decided("400 H1-HOST-004")
    .probe(&[Send("GET {get} HTTP/1.1\r\nHost: {host}, {host}\r\nConnection: close\r\n\r\n")], |seen| {
        seen.bad_request()
    }),
    must("host/userinfo", "RFC 9112 3.2, RFC 9110 7.2", "a Host with a user is invalid: 400")
        .decided("400 H1-HOST-004")
        .probe(&[Send("GET {get} HTTP/1.1\r\nHost: somebody@{host}\r\nConnection: close\r\n\r\n")], |seen| {
            seen.bad_request()
        }),
    must("host/path", "RFC 9112 3.2, RFC 9110 7.2", "a Host with a path is invalid: 400")
        .decided("400 H1-HOST-004")
        .probe(&[Send("GET {get} HTTP/1.1\r\nHost: {host}/a\r\nConnection: close\r\n\r\n")], |seen| seen.bad_request()),
    must("host/fragment", "RFC 9112 3.2, RFC 9110 7.2", "a Host with a fragment is invalid: 400")
        .decided("400 H1-HOST-004")
        .probe(&[Send("GET {get} HTTP/1.1\r\nHost: elsewhere.invalid#a\r\nConnection: close\r\n\r\n")], |seen| {
            seen.bad_request()
        }),
    must("host/uri", "RFC 9112 3.2, RFC 9110 7.2", "a Host that is a whole URI is invalid: 400")
        .decided("400 H1-HOST-004")
        .probe(&[Send("GET {get} HTTP/1.1\r\nHost: http://{host}\r\nConnection: close\r\n\r\n")], |seen| {
            seen.bad_request()
        }),
    must("host/backslash", "RFC 9112 3.2, RFC 3986 3.2.2", "a Host with a backslash is invalid: 400")
        .decided("400 H1-HOST-004")
        .probe(&[Send("GET {get} HTTP/1.1\r\nHost: a\\b\r\nConnection: close\r\n\r\n")], |seen| seen.bad_request()),
    must("host/script", "RFC 9112 3.2, RFC 3986 3.2.2", "a Host with angle brackets and quotes is invalid: 400")
        .decided("400 H1-HOST-004")
        .probe(&[Send("GET {get} HTTP/1.1\r\nHost: <script>\"a\"\r\nConnection: close\r\n\r\n")], |seen| {
            seen.bad_request()
        }),
    must("host/control", "RFC 9112 3.2, RFC 9110 5.5", "a Host with a control byte is invalid: 400")
        .decided("400 H1-HEAD-009")
        .probe(&[Send("GET {get} HTTP/1.1\r\nHost: a\x01b\r\nConnection: close\r\n\r\n")], |seen| seen.bad_request()),
    must("host/not-ascii", "RFC 9112 3.2, RFC 3986 3.2.2", "a Host with a byte of 0x80 or more is invalid: 400")
        .decided("400 H1-HOST-004")
        .probe(
            &[Send("GET {get} HTTP/1.1\r\nHost: b"), Raw(b"\xc3\xbc"), Send("cher\r\nConnection: close\r\n\r\n")],
            |seen| seen.bad_request(),
        ),
    must("host/bad-percent", "RFC 9112 3.2, RFC 3986 2.1", "a Host with a % without two hex digits is invalid: 400")
        .decided("400 H1-HOST-004")
        .probe(&[Send("GET {get} HTTP/1.1\r\nHost: a%zz\r\nConnection: close\r\n\r\n")], |seen| seen.bad_request()),
    choice("host/encoded-nul", "RFC 3986 3.2.2", "%00 in a name fits the grammar, and is refused")
        .decided("400 H1-HOST-004")
        .probe(&[Send("GET {get} HTTP/1.1\r\nHost: a%00b\r\nConnection: close\r\n\r\n")], |seen| seen.refused(&[400])),
    choice(
        "host/comma",
        "RFC 3986 3.2.2",
        "a comma fits the grammar of names, and is refused: it is what joined lines leave",
    )
    .decided("400 H1-HOST-004")
    .probe(&[Send("GET {get} HTTP/1.1\r\nHost: a,b\r\nConnection: close\r\n\r\n")], |seen| seen.refused(&[400])),
    choice(
        "host/underscore",
        "RFC 3986 3.2.2",
        "underscores, tildes and a dot at the end fit the grammar, and are accepted",
    )
    .decided("200")
    .probe(&[Send("GET {get} HTTP/1.1\r\nHost: a_b-c~d.example.\r\nConnection: close\r\n\r\n")], |seen| {
        seen.understood()
    }),
    choice(
        "host/encoded",
        "RFC 3986 3.2.2",
        "a name in UTF-8 with each byte encoded fits the grammar, and is accepted",
    )
    .decided("200")
    .probe(&[Send("GET {get} HTTP/1.1\r\nHost: b%C3%BCcher.example\r\nConnection: close\r\n\r\n")], |seen| {
        seen.understood()
    }),
    // Ports.
    must("host/port-letters", "RFC 9112 3.2, RFC 3986 3.2.3", "a Host with a port of letters is invalid: 400")
        .decided("400 H1-HOST-004")
        .probe(&[Send("GET {get} HTTP/1.1\r\nHost: a:http\r\nConnection: close\r\n\r\n")], |seen| seen.bad_request()),
    must("host/port-minus", "RFC 9112 3.2, RFC 3986 3.2.3", "a Host with a port with a minus is invalid: 400")
        .decided("400 H1-HOST-004")
        .probe(&[Send("GET {get} HTTP/1.1\r\nHost: a:-1\r\nConnection: close\r\n\r\n")], |seen| seen.bad_request()),
    must("host/port-plus", "RFC 9112 3.2, RFC 3986 3.2.3", "a Host with a port with a plus is invalid: 400")
        .decided("400 H1-HOST-004")
        .probe(&[Send("GET {get} HTTP/1.1\r\nHost: a:+80\r\nConnection: close\r\n\r\n")], |seen| seen.bad_request()),
    must("host/port-space", "RFC 9112 3.2, RFC 3986 3.2.3", "a Host with a space before its port is invalid: 400")
        .decided("400 H1-HOST-004")
        .probe(&[Send("GET {get} HTTP/1.1\r\nHost: a: 80\r\nConnection: close\r\n\r\n")], |seen| seen.bad_request()),
    must("host/two-ports", "RFC 9112 3.2, RFC 3986 3.2.3", "a Host with two ports is invalid: 400")
        .decided("400 H1-HOST-004")
        .probe(&[Send("GET {get} HTTP/1.1\r\nHost: a:80:80\r\nConnection: close\r\n\r\n")], |seen| seen.bad_request()),
    choice("host/port-too-large", "RFC 3986 3.2.3", "a port of more than 65535 fits the grammar, and is refused")
        .decided("400 H1-HOST-004")
        .probe(&[Send("GET {get} HTTP/1.1\r\nHost: a:65536\r\nConnection: close\r\n\r\n")], |seen| {
            seen.refused(&[400])
        }),
    choice(
        "host/port-alone",
        "RFC 3986 3.2.2, RFC 9110 4.2.1",
        "a port without a host fits the grammar, and is refused",
    )
    .decided("400 H1-HOST-004")
    .probe(&[Send("GET {get} HTTP/1.1\r\nHost: :80\r\nConnection: close\r\n\r\n")], |seen| seen.refused(&[400])),
    choice("host/port-empty", "RFC 9110 4.2.1", "an empty port is the default one")
        .decided("200")
        .probe(&[Send("GET {get} HTTP/1.1\r\nHost: elsewhere.invalid:\r\nConnection: close\r\n\r\n")], |seen| {
            seen.understood()
        }),
    // Addresses.
    choice("host/ipv4", "RFC 3986 3.2.2", "an IPv4 address is a host")
        .decided("200")
        .probe(&[Send("GET {get} HTTP/1.1\r\nHost: 127.0.0.1:80\r\nConnection: close\r\n\r\n")], |seen| {
            seen.understood()
        }),
    choice("host/ipv6", "RFC 3986 3.2.2", "an IPv6 address in brackets is a host")
        .decided("200")
        .probe(&[Send("GET {get} HTTP/1.1\r\nHost: [2001:db8::1]:80\r\nConnection: close\r\n\r\n")], |seen| {
            seen.understood()
        }),
    must(
        "host/ipv6-without-brackets",
        "RFC 9112 3.2, RFC 3986 3.2.2",
        "a Host with an IPv6 address without brackets is invalid: 400",
    )
    .decided("400 H1-HOST-004")
    .probe(&[Send("GET {get} HTTP/1.1\r\nHost: 2001:db8::1\r\nConnection: close\r\n\r\n")], |seen| seen.bad_request()),
    must(
        "host/open-bracket",
        "RFC 9112 3.2, RFC 3986 3.2.2",
        "a Host with a bracket that does not close is invalid: 400",
    )
    .decided("400 H1-HOST-004")
    .probe(&[Send("GET {get} HTTP/1.1\r\nHost: [::1\r\nConnection: close\r\n\r\n")], |seen| seen.bad_request()),
    must(
        "host/bracket-tail",
        "RFC 9112 3.2, RFC 3986 3.2.2",
        "a Host with something behind its bracket is invalid: 400",
    )
    .decided("400 H1-HOST-004")
    .probe(&[Send("GET {get} HTTP/1.1\r\nHost: [::1]a:80\r\nConnection: close\r\n\r\n")], |seen| seen.bad_request()),
    must("host/empty-brackets", "RFC 9112 3.2, RFC 3986 3.2.2", "a Host with brackets around nothing is invalid: 400")
        .decided("400 H1-HOST-004")
        .probe(&[Send("GET {get} HTTP/1.1\r\nHost: []\r\nConnection: close\r\n\r\n")], |seen| seen.bad_request()),
    must(
        "host/bad-ipv6",
        "RFC 9112 3.2, RFC 3986 3.2.2",
        "a Host with brackets around what is no IPv6 address is invalid: 400",
    )
    .decided("400 H1-HOST-004")
    .probe(&[Send("GET {get} HTTP/1.1\r\nHost: [12345::1]\r\nConnection: close\r\n\r\n")], |seen| seen.bad_request()),
    must(
        "host/ipv4-in-brackets",
        "RFC 9112 3.2, RFC 3986 3.2.2",
        "a Host with brackets around an IPv4 address is invalid: 400",
    )
    .decided("400 H1-HOST-004")
    .probe(&[Send("GET {get} HTTP/1.1\r\nHost: [192.0.2.1]\r\nConnection: close\r\n\r\n")], |seen| seen.bad_request()),
    choice("host/ipv6-zone", "RFC 3986 3.2.2", "an IPv6 zone is of one machine and no other: it is refused")
        .decided("400 H1-HOST-004")
        .probe(&[Send("GET {get} HTTP/1.1\r\nHost: [fe80::1%25eth0]\r\nConnection: close\r\n\r\n")], |seen| {
            seen.refused(&[400])
        }),
    choice(
        "host/ip-future",
        "RFC 3986 3.2.2",
        "an address of a kind that does not exist fits the grammar, and is refused",
    )
    .decided("400 H1-HOST-004")
    .probe(&[Send("GET {get} HTTP/1.1\r\nHost: [v7.a:b]\r\nConnection: close\r\n\r\n")], |seen| seen.refused(&[400])),
];
