//! Owns close codes and what a Close frame says.
//!
//! The one idea: a Close frame says nothing, or a code and perhaps a reason; it never says a reason without a code.
//!
//! ```text
//!   payload:  (empty)                          no code: `None`
//!             ┌──────────┬───────────────────┐
//!             │ code, 16 │ reason, UTF-8     │  `Some(Close)`
//!             └──────────┴───────────────────┘
//!               2 bytes    at most 123
//! ```
//!
//! Spec: RFC 6455 5.5.1 (the payload), 7.4.1 (codes), 7.4.2 (ranges); 1012, 1013 and 1014 as IANA's registry has them.
//! Never: lets a code through that must not stand in a frame, 1005, 1006 and 1015 above all.
//! Invariant: a [`Close`] fits a control frame.

use std::fmt;

use crate::ws::message::Text;
use crate::ws::utf8;
use crate::ws::violation::Violation;

/// Bytes of the longest reason: those of a control frame's payload (RFC 6455 5.5) without the code.
pub const REASON_BYTES_MAX: usize = 123;

/// Why a connection is closed (RFC 6455 7.4).
#[derive(Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct CloseCode(u16);

macro_rules! codes {
    ($( $(#[doc = $doc:literal])+ $constant:ident $code:literal $name:literal; )+) => {
        impl CloseCode {
            $( $(#[doc = $doc])+ pub const $constant: CloseCode = CloseCode($code); )+

            /// What the code is called, or the empty string for one that applications define.
            pub fn name(self) -> &'static str {
                match self.0 {
                    $( $code => $name, )+
                    1004 => "reserved",
                    1005 => "no code was received",
                    1006 => "closed without a Close frame",
                    1015 => "TLS handshake failed",
                    _ => "",
                }
            }

            /// What the code means, in a sentence.
            pub fn meaning(self) -> &'static str {
                match self.0 {
                    $( $code => concat!($($doc),+).trim_ascii_start(), )+
                    1005 => "The peer has said Close, and not why.",
                    1006 => "The stream has ended without a Close frame.",
                    1015 => "There was no TLS connection.",
                    3000..=3999 => "Registered by a library or a framework.",
                    4000..=4999 => "Defined by the application.",
                    _ => "No specification defines it.",
                }
            }

            /// RFC 6455 7.4.1 and IANA's registry.
            fn is_registered(self) -> bool {
                matches!(self.0, $( $code )|+)
            }
        }
    };
}

codes! {
    /// What the connection was for is done.
    NORMAL 1000 "normal";
    /// A server stops, or a page is left.
    GOING_AWAY 1001 "going away";
    /// The peer broke the protocol.
    PROTOCOL_ERROR 1002 "protocol error";
    /// A kind of data that is not accepted here, such as binary where text is expected.
    UNSUPPORTED 1003 "unsupported data";
    /// Data that is not what its message says: text that is not UTF-8.
    INVALID_DATA 1007 "invalid data";
    /// Against what is allowed here.
    POLICY 1008 "policy violation";
    /// A message that is too large to be taken.
    TOO_LARGE 1009 "message too large";
    /// A client that needs an extension which the server has not agreed to.
    EXTENSION 1010 "extension missing";
    /// Something unexpected keeps a server from going on.
    INTERNAL 1011 "internal error";
    /// The service restarts; come again.
    SERVICE_RESTART 1012 "service restart";
    /// Too much to do; come again later.
    TRY_AGAIN_LATER 1013 "try again later";
    /// A server behind this one failed.
    BAD_GATEWAY 1014 "bad gateway";
}

impl CloseCode {
    /// The code with this number; whether it may stand in a frame is [`may_be_sent`](CloseCode::may_be_sent).
    pub const fn new(code: u16) -> CloseCode {
        CloseCode(code)
    }

    /// Its number.
    pub const fn get(self) -> u16 {
        self.0
    }

    /// Whether a Close frame may hold it: registered, or from the ranges for frameworks and applications.
    pub fn may_be_sent(self) -> bool {
        // RFC 6455 7.4.2: 3000-3999 are registered by libraries, 4000-4999 are private. Codes below 3000 that no
        // specification defines are refused, too: a peer that sends one does not follow any.
        self.is_registered() || matches!(self.0, 3000..=4999)
    }
}

impl fmt::Display for CloseCode {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.name() {
            "" => write!(f, "{}", self.0),
            name => write!(f, "{} {name}", self.0),
        }
    }
}

impl fmt::Debug for CloseCode {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "CloseCode({})", self.0)
    }
}

/// What a Close frame with a payload says.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Close {
    code: CloseCode,
    reason: Text,
}

impl Close {
    /// A code and a reason, which may be empty. What is behind 123 bytes of the reason is left out, at a character's end.
    ///
    /// # Panics
    /// When the code [may not be sent](CloseCode::may_be_sent).
    pub fn new(code: CloseCode, reason: impl Into<Text>) -> Close {
        assert!(code.may_be_sent(), "{code} must not stand in a Close frame (RFC 6455 7.4)");
        let reason = reason.into();
        let end = reason.floor_char_boundary(REASON_BYTES_MAX);
        Close { code, reason: if end < reason.len() { Text::from(&reason[..end]) } else { reason } }
    }

    /// Its code.
    pub fn code(&self) -> CloseCode {
        self.code
    }

    /// Its reason, at most 123 bytes. RFC 6455 5.5.1: not for the eyes of users.
    pub fn reason(&self) -> &Text {
        &self.reason
    }

    /// Reads the payload of a Close frame.
    ///
    /// # Errors
    /// A code of one byte, one that must not stand there, a reason that is not UTF-8.
    pub(crate) fn parse(payload: &[u8]) -> Result<Option<Close>, Violation> {
        // RFC 6455 5.5.1: if there is a body, its first two bytes are the code.
        let Some((code, reason)) = payload.split_first_chunk() else {
            return if payload.is_empty() { Ok(None) } else { Err(Violation::CloseOfOneByte) };
        };
        let code = CloseCode(u16::from_be_bytes(*code));
        if !code.may_be_sent() {
            return Err(Violation::CloseCodeNotAllowed);
        }
        let reason = utf8::validate(reason).map_err(|_| Violation::CloseReasonNotUtf8)?;
        Ok(Some(Close { code, reason: Text::from(reason) }))
    }
}

impl From<Violation> for Close {
    fn from(violation: Violation) -> Close {
        Close::new(violation.close_code(), Text::from_static(violation.reason()))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn codes_are_allowed_as_the_registry_says() {
        let mut allowed = Vec::new();
        for code in 0..=u16::MAX {
            if CloseCode::new(code).may_be_sent() {
                allowed.push(code);
            }
        }
        let expected: Vec<u16> = (1000..=1003).chain(1007..=1014).chain(3000..=4999).collect();
        assert_eq!(allowed, expected);
    }

    #[test]
    fn payloads_are_read_as_the_section_says() {
        let check = |payload: &[u8], expected: Result<Option<(u16, &str)>, Violation>| {
            let close = Close::parse(payload);
            let seen = close.as_ref().map(|close| close.as_ref().map(|close| (close.code.get(), &*close.reason)));
            assert_eq!(seen, expected.as_ref().map(|it| *it), "{payload:?}");
        };
        check(b"", Ok(None));
        check(b"\x03\xe8", Ok(Some((1000, ""))));
        check(b"\x03\xe9bye", Ok(Some((1001, "bye"))));
        check(b"\x0b\xb8", Ok(Some((3000, ""))));
        check(b"\x13\x87\xc3\xa9", Ok(Some((4999, "é"))));
        check(b"\x03", Err(Violation::CloseOfOneByte));
        for code in [0u16, 999, 1004, 1005, 1006, 1015, 1016, 1100, 2000, 2999, 5000, 65535] {
            check(&code.to_be_bytes(), Err(Violation::CloseCodeNotAllowed));
        }
        check(b"\x03\xe8\xff", Err(Violation::CloseReasonNotUtf8));
        check(b"\x03\xe8\xc3", Err(Violation::CloseReasonNotUtf8));
        check(b"\x03\xe8\xed\xa0\x80", Err(Violation::CloseReasonNotUtf8));
    }

    #[test]
    fn long_reasons_are_cut_at_a_character() {
        let close = Close::new(CloseCode::NORMAL, "é".repeat(100));
        assert_eq!(close.reason().len(), 122);
        assert_eq!(Close::new(CloseCode::NORMAL, "x".repeat(123)).reason().len(), 123);
    }

    #[test]
    #[should_panic = "must not stand in a Close frame"]
    fn codes_that_are_never_sent_are_not_sent() {
        Close::new(CloseCode::new(1006), "");
    }
}
