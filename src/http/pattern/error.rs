//! Owns what can be wrong in the text of a pattern, and how each fault is explained to the one who wrote it.
//!
//! The one idea: the reader of these errors is a programmer whose server does not start. Each says what is wrong, points
//! at it, and says what to write instead:
//!
//! ```text
//!   bad route pattern: a wildcard is a whole segment
//!       GET /users/u{id}
//!                   ^ write `/{name}/` and look inside the value; `%7B` is a plain brace
//! ```
//!
//! Never: seen by a peer.

use std::fmt;

/// Why a text is no pattern. It prints as three lines: what is wrong, the text with a caret, and what to write.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PatternError {
    /// The text that was refused.
    pub text: Box<str>,
    /// Offset in `text` of what is wrong, in bytes. At most its length.
    pub at: usize,
    /// What is wrong there.
    pub fault: PatternFault,
}

/// What can be wrong in the text of a pattern.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
#[allow(missing_docs)]
pub enum PatternFault {
    NoPath,
    Method,
    MethodCase,
    Space,
    Host,
    HostWildcard,
    Port,
    EmptySegment,
    DotSegment,
    Escape,
    Octet,
    PartOfSegment,
    ForeignWildcard,
    Name,
    NameTwice,
    RestNotLast,
    TooManySegments,
}

impl PatternFault {
    /// What is wrong, and what to write instead.
    fn explained(self) -> (&'static str, &'static str) {
        match self {
            PatternFault::NoPath => ("there is no path", "end with a path, such as `/users/{id}` or `/`"),
            PatternFault::Method => {
                ("this is no method", "write a token such as GET or PURGE, or leave it out for any")
            }
            PatternFault::MethodCase => {
                ("methods are case-sensitive (RFC 9110 9.1)", "write it in capitals: no client sends it like this")
            }
            PatternFault::Space => {
                ("method and path are not apart by one space", "write `GET /path` or `GET host/path`")
            }
            PatternFault::Host => {
                ("this is no host name", "write labels of letters, digits, `-` and `_`, with one dot between two")
            }
            PatternFault::HostWildcard => {
                ("a host has at most one wildcard, its first label", "write `*.example.com/path`; `*` is one label")
            }
            PatternFault::Port => ("a host pattern has no port", "leave it out: the port does not choose the route"),
            PatternFault::EmptySegment => ("a segment is empty", "write one slash between two segments"),
            PatternFault::DotSegment => {
                ("a normalised path has no dot segments, so this would match nothing", "leave the segment out")
            }
            PatternFault::Escape => ("`%` begins no escape", "write two hexadecimal digits after it, or `%25` for `%`"),
            PatternFault::Octet => {
                ("this does not stand in a path", "write it as `%` and two digits; a query is no part of a pattern")
            }
            PatternFault::PartOfSegment => {
                ("a wildcard is a whole segment", "write `/{name}/` and look inside the value; `%7B` is a plain brace")
            }
            PatternFault::ForeignWildcard => {
                ("wildcards are not written like this", "write `{name}` for one segment, `{name...}` for the rest")
            }
            PatternFault::Name => (
                "a wildcard's name is letters, digits and `_`",
                "write `{name}`, or `{name...}` for the rest of the path",
            ),
            PatternFault::NameTwice => ("two wildcards have this name", "rename one: both values go to one handler"),
            PatternFault::RestNotLast => ("something follows the rest of the path", "end the pattern at `{name...}`"),
            PatternFault::TooManySegments => ("a pattern has at most 64 segments", "take the rest as `{name...}`"),
        }
    }
}

impl fmt::Display for PatternError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (wrong, remedy) = self.fault.explained();
        let column = self.text[..self.at].chars().count();
        write!(f, "bad route pattern: {wrong}\n    {}\n    {:column$}^ {remedy}", self.text, "")
    }
}

impl std::error::Error for PatternError {}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::http::pattern::{Pattern, SEGMENTS_MAX};

    #[test]
    fn an_error_points_at_the_place() {
        let error = Pattern::parse("GET /é/u{id}").expect_err("not whole").to_string();
        let lines: Vec<&str> = error.lines().collect();
        assert_eq!(lines[0], "bad route pattern: a wildcard is a whole segment");
        assert_eq!(lines[1], "    GET /é/u{id}");
        assert!(lines[2].starts_with("            ^ write `/{name}/`"), "{error}");
    }

    #[test]
    fn the_bound_is_the_one_that_holds() {
        assert!(PatternFault::TooManySegments.explained().0.contains(&SEGMENTS_MAX.to_string()));
    }
}
