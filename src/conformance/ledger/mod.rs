//! Owns the rows, one file a part of the message, in the order in which a request meets them.
//!
//! Where a section gives a meaning without a keyword ("field names are case-insensitive"), RFC 9110 2.4 binds:
//! a recipient interprets what it receives by the meaning defined for it. Such rows name both sections. Likewise 2.2 binds
//! a sender to the grammar.
//!
//! Spec: each row names its section.
//! Never: code beside the rows.
//! Invariant: ids are unique, and their family is the file's.

mod answer;
mod chunk;
mod condition;
mod connection;
mod expect;
mod field;
mod framing;
mod host;
mod line;
mod method;
mod negotiation;
mod range;
mod shape;
mod target;
mod upgrade;
mod version;

use crate::conformance::Requirement;
use crate::conformance::requirement::Step;

/// All rows.
pub fn rows() -> impl Iterator<Item = &'static Requirement> {
    let files = [
        line::ROWS,
        method::ROWS,
        target::ROWS,
        version::ROWS,
        field::ROWS,
        host::ROWS,
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

/// The end of a head that has what it needs, and is the last on its connection.
const CLOSE: Step = Step::Send("Connection: close\r\n\r\n");

/// All fields of a request that is in order and the last on its connection.
const LAST: Step = Step::Send("Host: {host}\r\nConnection: close\r\n\r\n");

/// A request that must not be answered: it hides behind what another one is refused for.
const HIDDEN: Step = Step::Send("GET {get} HTTP/1.1\r\nHost: {host}\r\nConnection: close\r\n\r\n");
