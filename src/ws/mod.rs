//! WebSocket (RFC 6455), from the bytes up.
//!
//! ```no_run
//! use firstbyte::http::{Request, Response, Server};
//! use firstbyte::ws::{self, Config, Socket};
//!
//! async fn echo(request: Request) -> Response {
//!     ws::upgrade(&request, &Config::default(), |mut socket: Socket| async move {
//!         while let Some(message) = socket.next().await {
//!             if socket.send(message).await.is_err() {
//!                 break;
//!             }
//!         }
//!     })
//! }
//!
//! # async fn run() -> std::io::Result<()> {
//! Server::new(echo).listen("127.0.0.1:8080").await?;
//! # Ok(()) }
//! ```
//!
//! The same types serve both ends: [`upgrade`] makes a [`Socket`] of a request, a client makes one of a URL.
//!
//! ```text
//!   frame · mask · utf8 · close · message ──> machine      what the bytes mean: no I/O, no clock
//!                                                │
//!   handshake ──> driver (one loop a connection) ┘── mailbox ── Socket, Sender ── the application
//! ```
//!
//! Never: names `crate::http`, but in the handshake.

pub mod accept_key;
pub mod client;
pub mod close;
pub mod config;
pub mod deflate;
mod driver;
pub mod frame;
pub mod handshake;
pub mod keys;
pub mod limits;
pub mod machine;
pub mod mask;
pub mod message;
mod outbox;
mod role;
mod socket;
pub mod trace;
pub mod utf8;
pub mod violation;

pub use close::{Close, CloseCode};
pub use config::{Config, Deadlines, Origins};
pub use handshake::upgrade;
pub use limits::Limits;
pub use message::{Message, Prepared, Text};
pub use outbox::Outgoing;
pub use role::Role;
pub use socket::{Closed, Ended, Late, Overflow, Refused, Sender, Socket};
pub use violation::Violation;
