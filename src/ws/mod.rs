//! WebSocket.

pub mod accept_key;
pub mod client;
pub mod handshake;
pub mod keys;
