//! Owns why the issuer says no to a client, in the codes that OAuth has for it.
//!
//! The one idea: a code for the program, a sentence for the person who writes it. The sentence is ours, word for word: nothing
//! that was sent comes back, so it cannot break out of a quoted string, and no token ends up in a log by it.
//!
//! Spec: RFC 6749 5.2 (codes, and which bytes a description may have), RFC 7009 2.2.1 (`unsupported_token_type`),
//! RFC 8707 2 (`invalid_target`).

use std::fmt;

/// A code of OAuth.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Code {
    /// The request is malformed.
    InvalidRequest,
    /// Who asks is not who it says.
    InvalidClient,
    /// What is shown as a grant is none.
    InvalidGrant,
    /// The client may not use this kind of grant.
    UnauthorizedClient,
    /// Nobody may: it is not known here.
    UnsupportedGrantType,
    /// The scope is none, or more than the client may have.
    InvalidScope,
    /// The token is asked for an audience that is not known here.
    InvalidTarget,
    /// A token of this kind cannot be revoked.
    UnsupportedTokenType,
}

/// A refusal: its code, and what to do about it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Refused {
    /// The code.
    pub code: Code,
    /// For a person: printable ASCII without quotes and backslashes.
    pub description: &'static str,
}

impl Code {
    /// All of them.
    pub const ALL: [Code; 8] = [
        Code::InvalidRequest,
        Code::InvalidClient,
        Code::InvalidGrant,
        Code::UnauthorizedClient,
        Code::UnsupportedGrantType,
        Code::InvalidScope,
        Code::InvalidTarget,
        Code::UnsupportedTokenType,
    ];

    /// As it is sent.
    pub const fn text(self) -> &'static str {
        match self {
            Code::InvalidRequest => "invalid_request",
            Code::InvalidClient => "invalid_client",
            Code::InvalidGrant => "invalid_grant",
            Code::UnauthorizedClient => "unauthorized_client",
            Code::UnsupportedGrantType => "unsupported_grant_type",
            Code::InvalidScope => "invalid_scope",
            Code::InvalidTarget => "invalid_target",
            Code::UnsupportedTokenType => "unsupported_token_type",
        }
    }

    /// A refusal with this code.
    pub const fn because(self, description: &'static str) -> Refused {
        Refused { code: self, description }
    }
}

impl fmt::Display for Refused {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}: {}", self.code.text(), self.description)
    }
}

impl std::error::Error for Refused {}

/// Whether `description` may be sent as one (RFC 6749 5.2).
#[cfg(test)]
pub(crate) fn is_description(description: &str) -> bool {
    description.bytes().all(|byte| matches!(byte, 0x20..=0x21 | 0x23..=0x5b | 0x5d..=0x7e))
}
