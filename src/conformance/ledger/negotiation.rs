//! Owns the rows on what a client would like, and on how its content is coded.
//!
//! Spec: RFC 9112 6.1, 7.4; RFC 9110 8.4, 10.1.4, 12.4.1, 12.5.3, 15.5.16.
//! Never: code beside the rows.

use crate::conformance::Requirement;
use crate::conformance::requirement::Step::Send;
use crate::conformance::requirement::{choice, must, should};

use super::shape::{echo, get};

pub(super) const ROWS: &[Requirement] = &[
    must("negotiation/te", "RFC 9112 6.1", "an answer is chunked at most once, and last, or ends with the connection")
        .decided("200")
        .probe(&[Send(get!("TE: trailers, gzip;q=0.5", "Connection: TE, close"))], |seen| {
            seen.last(&[200])?.is_framed_once()
        }),
    choice("negotiation/accept", "RFC 9110 12.4.1", "what cannot be had as it is wanted may be sent as it is")
        .decided("200")
        .probe(&[Send(get!("Accept: x-none/x-such", "Accept-Language: tlh", "Connection: close"))], |seen| {
            seen.served()
        }),
    should("negotiation/content-coding", "RFC 9110 12.5.3", "who takes only codings that are not known gets no coding")
        .decided("200")
        .probe(&[Send(get!("Accept-Encoding: x-unknown", "Connection: close"))], |seen| {
            seen.last(&[200])?.lacks("Content-Encoding")
        }),
    should("negotiation/coded-content", "RFC 9110 15.5.16", "a 415 for a coding says which ones are accepted")
        .decided("200")
        .probe(
            &[Send(echo!("Content-Encoding: x-unknown", "Content-Length: 5", "Connection: close"; "hello"))],
            |seen| {
                let answer = seen.only()?;
                if answer.status == 415 { answer.has("Accept-Encoding") } else { Ok(()) }
            },
        ),
];
