//! Owns the rows, one file a part of the message, in the order in which a request meets them.
//!
//! Spec: each row names its section.
//! Never: code beside the rows.
//! Invariant: ids are unique, and their family is the file's.

mod answer;
mod chunk;
mod condition;
mod connection;
mod expect;
mod framing;
mod method;
mod negotiation;
mod range;
mod shape;
mod target;
mod upgrade;

use crate::conformance::Requirement;

/// All rows.
pub fn rows() -> impl Iterator<Item = &'static Requirement> {
    let files = [
        target::ROWS,
        method::ROWS,
        framing::ROWS,
        chunk::ROWS,
        expect::ROWS,
        connection::ROWS,
        upgrade::ROWS,
        condition::ROWS,
        range::ROWS,
        negotiation::ROWS,
        answer::ROWS,
    ];
    files.into_iter().flatten()
}
