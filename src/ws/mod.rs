//! WebSocket.

pub mod deflate;
mod role;

pub use role::Role;
