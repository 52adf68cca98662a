//! Owns the rows, one file a part of the message, in the order in which a request meets them.
//!
//! Spec: each row names its section.
//! Never: code beside the rows.
//! Invariant: ids are unique, and their family is the file's.

mod target;

use crate::conformance::Requirement;

/// All rows.
pub fn rows() -> impl Iterator<Item = &'static Requirement> {
    [target::ROWS].into_iter().flatten()
}
