//! WebSocket (RFC 6455), from the bytes up.

pub mod close;
pub mod frame;
pub mod limits;
pub mod machine;
pub mod mask;
pub mod message;
pub mod utf8;
pub mod violation;
