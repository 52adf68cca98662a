//! Owns the rows on Range: an option that may be ignored, and in many places must be.
//!
//! Spec: RFC 9110 13.1.5, 14.2, 14.4, 15.3.7.
//! Never: code beside the rows.

use crate::conformance::Requirement;
use crate::conformance::requirement::Step::{Send, SendHead};
use crate::conformance::requirement::{choice, must};
use crate::conformance::seen::ensure;

use super::shape::{echo, get};

pub(super) const ROWS: &[Requirement] = &[
    must("range/partial", "RFC 9110 15.3.7", "a 206 with one part says in Content-Range which one it is")
        .decided("200")
        .probe(&[Send(get!("Range: bytes=0-0", "Connection: close"))], |seen| {
            let answer = seen.last(&[200, 206])?;
            if answer.status == 206 { answer.has("Content-Range") } else { Ok(()) }
        }),
    must(
        "range/partial-content",
        "RFC 9110 14.4, 15.3.7",
        "the content of a 206 is the range that Content-Range names",
    )
    .decided("200")
    .probe(&[Send(get!("Range: bytes=0-0", "Connection: close"))], |seen| {
        let answer = seen.last(&[200, 206])?;
        let is_one = answer.field("Content-Range").is_some_and(|range| range.starts_with("bytes 0-0/"));
        let is_fine = answer.status != 206 || !is_one || answer.length == 1;
        ensure(is_fine, || format!("{} bytes of content for one", answer.length))
    }),
    choice("range/ignored", "RFC 9110 14.2", "Range may be ignored")
        .decided("200")
        .probe(&[Send(get!("Range: bytes=0-0", "Connection: close"))], |seen| seen.refused(&[200, 206])),
    must("range/post", "RFC 9110 14.2", "Range is for GET: with POST it is ignored")
        .decided("200")
        .probe(&[Send(echo!("Range: bytes=0-0", "Content-Length: 5", "Connection: close"; "hello"))], |seen| {
            seen.last(&[200])?.says(b"hello")
        }),
    must("range/head", "RFC 9110 14.2", "Range is for GET: with HEAD it is ignored, and all is described")
        .decided("200")
        .probe(
            &[SendHead("HEAD {get} HTTP/1.1\r\nHost: {host}\r\nRange: bytes=0-0\r\nConnection: close\r\n\r\n")],
            |seen| seen.served(),
        ),
    must("range/unit", "RFC 9110 14.2", "a Range in a unit that is not understood is ignored")
        .decided("200")
        .probe(&[Send(get!("Range: x-lines=0-0", "Connection: close"))], |seen| seen.served()),
    choice("range/malformed", "RFC 9110 14.2", "a Range that is invalid may be ignored")
        .decided("200")
        .probe(&[Send(get!("Range: bytes=all, please", "Connection: close"))], |seen| seen.served()),
    choice("range/overlapping", "RFC 9110 14.2", "many ranges that overlap may be ignored: they are an attack")
        .decided("200")
        .probe(
            &[Send(get!("Range: bytes=0-,0-,0-,0-,0-,0-,0-,0-,0-,0-,0-,0-,0-,0-,0-,0-", "Connection: close"))],
            |seen| seen.served(),
        ),
    must("range/if-range-alone", "RFC 9110 13.1.5", "If-Range without Range is ignored")
        .decided("200")
        .probe(&[Send(get!("If-Range: \"no-such-tag\"", "Connection: close"))], |seen| seen.served()),
    must("range/if-range-other", "RFC 9110 13.1.5", "Range is ignored where If-Range does not match")
        .decided("200")
        .probe(&[Send(get!("If-Range: \"no-such-tag\"", "Range: bytes=0-0", "Connection: close"))], |seen| {
            seen.served()
        }),
];
