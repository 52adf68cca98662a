//! Owns the protocol version of one HTTP/1.x message.
//!
//! Spec: RFC 9110 2.5 (a recipient that does not know a minor version treats it as the highest it knows), RFC 9112 2.3.
//! Never: orders versions; what a version allows is decided by [`crate::http::h1::framing`].

use std::fmt;

/// The version that a message is treated as.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Version {
    /// HTTP/1.0: the connection closes after each answer unless asked otherwise, no transfer coding, Host optional.
    Http10,
    /// HTTP/1.1, and every later HTTP/1.x.
    Http11,
}

impl Version {
    /// The version as it stands in a start-line.
    pub const fn as_str(self) -> &'static str {
        match self {
            Version::Http10 => "HTTP/1.0",
            Version::Http11 => "HTTP/1.1",
        }
    }
}

impl fmt::Display for Version {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}
