//! What HTTP means (RFC 9110), and HTTP/1.1 on the wire (RFC 9112).

pub mod authority;
pub mod error;
pub mod field;
pub mod h1;
pub mod limits;
pub mod method;
pub mod status;
pub mod target;
pub mod version;

pub use error::{Fault, ProtocolError};
pub use field::Fields;
pub use limits::Limits;
pub use method::Method;
pub use status::Status;
pub use version::Version;
