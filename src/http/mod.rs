//! What HTTP means (RFC 9110), and HTTP/1.1 on the wire (RFC 9112).
//!
//! ```text
//!   bytes ─> h1 ─> server (driver) ─> Request ─> middleware ─> router ─> handler
//!   bytes <─ h1 <─ server (driver) <─ Response <──────────────────────────┘
//!
//!   Outgoing ─> client ─> h1 ─> bytes        the other way round, by the same cores
//!   Answer <─── client <─ h1 <─ bytes
//! ```

pub mod authority;
pub mod body;
pub mod bounds;
pub(crate) mod caught;
pub mod client;
pub(crate) mod condition;
pub mod cookie;
pub mod date;
pub mod durations;
pub mod envelope;
pub mod error;
pub mod explain;
pub mod field;
pub mod h1;
pub mod handler;
pub mod input;
pub mod limits;
pub mod method;
pub mod middleware;
pub mod pattern;
pub(crate) mod recycle;
pub mod request;
pub mod response;
pub(crate) mod route_id;
pub mod route_tree;
pub mod router;
pub mod server;
pub mod sse;
pub mod status;
pub mod tally;
pub mod target;
pub mod test;
pub mod upgrade;
pub mod url;
pub mod version;

pub use body::{Body, BodyError};
pub use error::{Fault, ProtocolError};
pub use explain::Problem;
pub use field::Fields;
pub use handler::{Handler, Middleware};
pub use input::Rejection;
pub use limits::Limits;
pub use method::Method;
pub use request::Request;
pub use response::{IntoResponse, Json, Response};
pub use router::{BuildError, Router};
pub use server::Server;
pub use status::Status;
pub use target::Target;
pub use url::Url;
pub use version::Version;
