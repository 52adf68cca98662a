//! firstbyte: an HTTP/1.1 server from the first byte up.

pub mod app;
pub mod http;
pub mod net;
