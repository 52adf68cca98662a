//! Owns the opening handshake: how HTTP becomes WebSocket, seen from both ends.
//!
//! Spec: RFC 6455 4. The only files of `ws` that name `crate::http`.

pub mod client;
pub mod server;
pub mod url;

pub use server::upgrade;
