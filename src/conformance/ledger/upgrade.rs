//! Owns the rows on Upgrade: invitations to another protocol, most of which are ignored.
//!
//! Spec: RFC 9110 7.6.1, 7.8, 15.2.2, 15.5.22.
//! Never: code beside the rows.

use crate::conformance::Requirement;
use crate::conformance::requirement::Step::Send;
use crate::conformance::requirement::{choice, must, should};
use crate::conformance::seen::ensure;

use super::shape::{echo, get};

pub(super) const ROWS: &[Requirement] = &[
    must("upgrade/unknown", "RFC 9110 7.8", "nobody switches to a protocol that the client did not name")
        .decided("200")
        .probe(&[Send(get!("Connection: upgrade, close", "Upgrade: x-unknown/1"))], |seen| {
            let switched = seen.answers.iter().find(|answer| answer.status == 101);
            let named = switched.map(|answer| answer.field("Upgrade").unwrap_or_default());
            ensure(named.is_none_or(|protocol| protocol == "x-unknown/1"), || format!("a switch to {named:?}"))
        }),
    choice("upgrade/ignored", "RFC 9110 7.8", "an invitation may be ignored: the answer is the usual one")
        .decided("200")
        .probe(&[Send(get!("Connection: upgrade, close", "Upgrade: x-unknown/1, TLS/1.0"))], |seen| seen.served()),
    choice("upgrade/h2c", "RFC 9113 3.1", "an invitation to HTTP/2 over cleartext is obsolete, and may be ignored")
        .decided("200")
        .probe(
            &[Send(get!(
                "Connection: Upgrade, HTTP2-Settings, close",
                "Upgrade: h2c",
                "HTTP2-Settings: AAMAAABkAAQAAP__"
            ))],
            |seen| seen.served(),
        ),
    choice("upgrade/with-content", "RFC 9110 7.8", "an invitation that is ignored does not change the framing")
        .decided("200")
        .probe(
            &[Send(echo!("Connection: upgrade, close", "Upgrade: h2c, websocket", "Content-Length: 5"; "hello"))],
            |seen| seen.last(&[200])?.says(b"hello"),
        ),
    must("upgrade/http10", "RFC 9110 7.8", "an Upgrade field in HTTP/1.0 is ignored, whatever Connection says")
        .decided("200")
        .probe(
            &[Send("GET {get} HTTP/1.0\r\nHost: {host}\r\nConnection: upgrade\r\nUpgrade: websocket, h2c\r\n\r\n")],
            |seen| seen.served(),
        ),
    should("upgrade/without-option", "RFC 9110 7.6.1", "an Upgrade field without the option was forwarded by mistake")
        .decided("200")
        .probe(&[Send(get!("Upgrade: websocket, h2c", "Connection: close"))], |seen| seen.served()),
    must("upgrade/names-its-protocols", "RFC 9110 15.5.22", "a 101 and a 426 name their protocols in Upgrade")
        .decided("426 to who did not invite us, with both fields")
        .test("nobody_is_upgraded_without_an_invitation"),
    must("upgrade/continue-first", "RFC 9110 7.8", "where a client expects both, 100 comes before 101")
        .decided("100, then 101")
        .test("a_client_that_expects_both_is_asked_before_the_switch"),
    must("upgrade/bytes", "RFC 9110 7.8", "the new protocol begins behind the request, and loses no byte")
        .decided("what was read and not used is handed over")
        .test("an_upgrade_hands_over_every_unread_byte_and_no_other"),
];
