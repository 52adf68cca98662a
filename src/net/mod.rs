//! Bytes and time: sockets, buffers, deadlines, cancellation, shutdown. Knows no HTTP.
//!
//! ```text
//!  listener --TcpStream + Permit--> transport --halves--> (buffers, connection) --> the protocol driver
//!                                   memory: the same halves without a kernel, for tests
//!  shutdown: when to stop        context: who still wants the result, and until when
//! ```
//!
//! Never: names `crate::http`. The layering test reads the `use` lines.

pub mod admission;
pub mod buffer;
pub mod connection;
pub mod context;
pub mod deadline;
pub(crate) mod free_list;
pub mod listener;
pub(crate) mod lock;
pub mod memory;
pub mod output;
pub mod public;
pub mod registry;
pub mod shutdown;
pub mod tap;
pub mod transport;

pub use admission::{Caps, Counters, Counts, Permit};
pub use context::{Context, Reason};
pub use listener::{Arrival, Listener, ListenerConfig};
pub use memory::{MemoryStream, duplex};
pub use shutdown::{Phase, Shutdown};
pub use transport::{Duplex, ReadHalf, Transport, WriteHalf};
