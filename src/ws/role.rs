//! Owns the word for which end of a connection this is.
//!
//! Spec: RFC 6455 5.1 (who masks), RFC 7692 7.1 (whose parameters are whose).

/// Which end of the connection this is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Role {
    /// It has accepted the handshake.
    Server,
    /// It has begun the handshake.
    Client,
}
