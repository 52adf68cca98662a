//! WebSocket.

pub mod accept_key;
pub mod handshake;
pub mod keys;
