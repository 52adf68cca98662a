//! What HTTP means (RFC 9110), and HTTP/1.1 on the wire (RFC 9112).

pub mod error;
pub mod field;
pub mod h1;
pub mod limits;
pub mod method;
pub mod pattern;
pub mod route_tree;
pub mod status;

pub use error::{Fault, ProtocolError};
pub use field::Fields;
pub use limits::Limits;
pub use method::Method;
pub use status::Status;
