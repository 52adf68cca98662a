//! Owns the catalogue of violations: everything a peer can do wrong behind the handshake, with the close code that
//! answers it, the words of its reason, and the section that says so.
//!
//! The one idea: a refusal teaches. The machine names the rule that was broken; whoever sends the Close frame, writes a
//! log or a trace finds all it says here, and nowhere else.
//!
//! Spec: RFC 6455 7.1.7 (Fail the WebSocket Connection), 7.4.1 (close codes); the rules are cited row by row.
//! Never: carries data of the peer.
//! Invariant: every reason fits a Close frame (123 bytes, RFC 6455 5.5), and every code may be sent.

use std::fmt;

use crate::ws::close::CloseCode;

/// What is said about a violation.
#[derive(Clone, Copy, Debug)]
struct Entry {
    close_code: CloseCode,
    reason: &'static str,
    section: &'static str,
}

macro_rules! violations {
    ($( $violation:ident $code:ident $reason:literal section $section:literal; )+) => {
        /// A rule that a peer has broken. The connection has failed: it is told so by a Close frame, and nothing that it
        /// sends is looked at any more (RFC 6455 7.1.7).
        #[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
        #[non_exhaustive]
        pub enum Violation {
            $( #[doc = $reason] $violation, )+
        }

        impl Violation {
            /// All of them, in the order in which a frame meets them.
            pub const ALL: &[Violation] = &[ $( Violation::$violation, )+ ];
        }

        const ENTRIES: &[Entry] = &[
            $( Entry { close_code: CloseCode::$code, reason: $reason, section: $section }, )+
        ];
    };
}

violations! {
    // The header, as its bytes come.
    ReservedOpcode PROTOCOL_ERROR "this opcode is reserved"
        section "RFC 6455 5.2";
    ReservedBit PROTOCOL_ERROR "RSV2 and RSV3 must be 0: no extension was agreed that uses them"
        section "RFC 6455 5.2";
    FragmentedControl PROTOCOL_ERROR "a control frame must not be fragmented: its FIN bit must be 1"
        section "RFC 6455 5.5";
    LongControl PROTOCOL_ERROR "a control frame must not hold more than 125 bytes"
        section "RFC 6455 5.5";
    LengthTopBit PROTOCOL_ERROR "the most significant bit of a payload length must be 0"
        section "RFC 6455 5.2";
    LengthNotMinimal PROTOCOL_ERROR "a payload length must be written in as few bytes as it needs"
        section "RFC 6455 5.2";
    // The header, when it is whole.
    Unmasked PROTOCOL_ERROR "a client must mask its frames"
        section "RFC 6455 5.1";
    Masked PROTOCOL_ERROR "a server must not mask its frames"
        section "RFC 6455 5.1";
    CompressionNotAgreed PROTOCOL_ERROR "RSV1 must be 0: no extension was agreed that uses it"
        section "RFC 6455 5.2";
    CompressedControl PROTOCOL_ERROR "RSV1 must be 0 in a control frame: it is never compressed"
        section "RFC 7692 6";
    CompressedContinuation PROTOCOL_ERROR "RSV1 must be 0 in a continuation: the first frame has said it"
        section "RFC 7692 6";
    ControlFlood POLICY "too many control frames a second"
        section "RFC 6455 10.4";
    ContinuationWithoutMessage PROTOCOL_ERROR "a continuation must follow a frame of its message whose FIN bit is 0"
        section "RFC 6455 5.4";
    MessageInsideMessage PROTOCOL_ERROR "a message must not begin inside of another: a continuation was expected"
        section "RFC 6455 5.4";
    FrameTooLarge TOO_LARGE "this frame is larger than is accepted here"
        section "RFC 6455 10.4";
    MessageTooLarge TOO_LARGE "this message is larger than is accepted here"
        section "RFC 6455 10.4";
    TooManyFragments POLICY "this message has more fragments than are accepted here"
        section "RFC 6455 10.4";
    // The payload.
    TextNotUtf8 INVALID_DATA "a text message must be UTF-8"
        section "RFC 6455 8.1";
    CorruptCompression INVALID_DATA "this message cannot be decompressed"
        section "RFC 7692 7.2.2";
    CloseOfOneByte PROTOCOL_ERROR "the payload of a Close frame is empty or begins with a code of two bytes"
        section "RFC 6455 5.5.1";
    CloseCodeNotAllowed PROTOCOL_ERROR "this code must not stand in a Close frame"
        section "RFC 6455 7.4";
    CloseReasonNotUtf8 INVALID_DATA "the reason in a Close frame must be UTF-8"
        section "RFC 6455 5.5.1";
}

impl Violation {
    /// The code of the Close frame that answers it.
    pub fn close_code(self) -> CloseCode {
        self.entry().close_code
    }

    /// What is wrong, in at most 123 bytes: the reason of that Close frame.
    pub fn reason(self) -> &'static str {
        self.entry().reason
    }

    /// The section that says so, such as `RFC 6455 5.2`.
    pub fn section(self) -> &'static str {
        self.entry().section
    }

    fn entry(self) -> &'static Entry {
        &ENTRIES[self as usize]
    }
}

impl fmt::Display for Violation {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} ({})", self.reason(), self.section())
    }
}

impl std::error::Error for Violation {}

#[cfg(test)]
mod tests {
    use std::collections::HashSet;

    use super::*;
    use crate::ws::close::REASON_BYTES_MAX;

    #[test]
    fn every_violation_can_be_told() {
        let mut reasons = HashSet::new();
        for &violation in Violation::ALL {
            let reason = violation.reason();
            assert!(violation.close_code().may_be_sent(), "{violation:?}");
            assert!(!reason.is_empty() && reason.len() <= REASON_BYTES_MAX, "{violation:?}: {} bytes", reason.len());
            assert!(reasons.insert(reason), "{violation:?} repeats a reason");
            assert!(violation.section().starts_with("RFC "), "{violation:?}");
        }
        assert_eq!(Violation::ALL.len(), ENTRIES.len());
    }
}
