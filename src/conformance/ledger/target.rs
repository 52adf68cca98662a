//! Owns the rows on the request-target: its forms and its bytes.
//!
//! Spec: RFC 9112 3.2, RFC 9110 4.2, RFC 3986.
//! Never: code beside the rows.

use crate::conformance::Requirement;
use crate::conformance::requirement::{Step::Send, must};

pub(super) const ROWS: &[Requirement] =
    &[must("target/fragment", "RFC 9112 3.2", "a request-target holds no fragment: it is invalid, and answered 400")
        .decided("400 H1-TARGET-002")
        .probe(&[Send("GET {get}#part HTTP/1.1\r\nHost: {host}\r\n\r\n")], |seen| seen.refused(&[400]))];
