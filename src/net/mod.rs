//! Bytes and time: sockets, buffers, deadlines, cancellation, shutdown. Knows no HTTP.
//!
//! ```text
//!  listener --TcpStream + Permit--> transport --halves--> (buffers, connection) --> the protocol driver
//!                                   memory: the same halves without a kernel, for tests
//!  shutdown: when to stop        context: who still wants the result, and until when
//! ```
//!
//! Never: names `crate::http`. The layering test reads the `use` lines.

pub mod memory;
pub mod transport;

pub use memory::{MemoryStream, duplex};
pub use transport::{ReadHalf, Transport, WriteHalf};
