//! Owns the opening handshake.

pub mod client;
pub mod url;
