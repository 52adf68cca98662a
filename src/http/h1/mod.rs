//! HTTP/1.1 as bytes (RFC 9112): no I/O, no async, no clock.
//!
//! [`grammar`] names the byte classes, [`head`] finds the start-line and the field lines of a request, [`answer_head`]
//! those of an answer (with `field_section`, which
//! trailers share; `common` is its fast way, on the masks of [`scan`]), [`framing`] decides how long the content is,
//! [`chunked`] takes it apart and puts it together.

pub mod answer_head;
pub mod chunked;
mod common;
pub mod encode;
pub(crate) mod field_section;
pub mod framing;
pub mod grammar;
pub mod head;
pub(crate) mod line_room;
pub mod machine;
pub mod scan;
