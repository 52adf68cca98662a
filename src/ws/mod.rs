//! WebSocket.

pub mod accept_key;
pub mod keys;
