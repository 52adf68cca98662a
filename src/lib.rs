//! An HTTP/1.1 server from the first byte up, on raw tokio TCP, written to be read.
//!
//! ```no_run
//! use firstbyte::http::{Request, Server};
//!
//! #[tokio::main]
//! async fn main() -> std::io::Result<()> {
//!     Server::new(|_: Request| async { "Hello, World!\n" }).listen("127.0.0.1:8080").await?;
//!     Ok(())
//! }
//! ```
//!
//! # Reading order
//!
//! 1. [`net`]: bytes and time. A [`transport`](net::transport) comes apart into two halves; a
//!    [`buffer`](net::buffer) holds what has arrived, an [`output`](net::output) what is to be sent, a
//!    [`deadline`](net::deadline) says how long.
//! 2. [`http::h1`]: what the bytes are. [`head`](http::h1::head) finds the pieces, [`framing`](http::h1::framing) says
//!    how long the content is, [`chunked`](http::h1::chunked) takes it apart, [`machine`](http::h1::machine) follows
//!    one exchange. No I/O, no clock.
//! 3. [`http::server`]: the driver, the one loop where bytes, time and handlers meet.
//!    [`http::client`]: the same cores from the other end.
//! 4. [`http`]: what they mean. [`Request`](http::Request), [`Response`](http::Response), [`Body`](http::Body);
//!    [`Handler`](http::Handler) and [`Middleware`](http::Middleware); [`Router`](http::Router).
//! 5. [`ws`]: the same once more for WebSocket: [`frame`](ws::frame) and [`machine`](ws::machine) say what the bytes mean,
//!    [`Socket`](ws::Socket) is what an application sees.
//! 6. [`crypto`] and [`jwt`]: access tokens, which are verified where they are shown, without asking whoever made them.
//!    [`db`]: Redis and PostgreSQL, which may be away.
//! 7. [`app`]: what runs on it.
//! 8. [`conformance`]: what the RFCs require, and how to see whether any server keeps it.
//!
//! Imports go one way: `app`, `conformance` → `ws`, `http` → `net` → tokio; `app` → `db`, and → `jwt` → `crypto`.

// Suites of tests that stand in `tests/suites` name the crate as everybody else does.
#[cfg(test)]
extern crate self as firstbyte;

pub mod app;
pub mod conformance;
pub mod crypto;
pub mod db;
pub mod http;
pub mod json;
pub mod jwt;
pub mod net;
pub mod ws;
