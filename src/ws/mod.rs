//! WebSocket (RFC 6455), from the bytes up.

pub mod accept_key;
pub mod client;
pub mod close;
pub mod frame;
pub mod handshake;
pub mod keys;
pub mod limits;
pub mod machine;
pub mod mask;
pub mod message;
pub mod utf8;
pub mod violation;
