//! Owns the messages of the canvas: bytes to values and back, for both sides.
//!
//! The one idea: the tables of `README.md`, as types. A message that parses is meant well; what is wrong with another is said
//! in words, for the reason of the close.
//!
//! Never: does I/O; panics for what a peer sends.

mod client;
mod server;

pub use client::MESSAGE_BYTES_MAX;
pub use client::{FromClient, Hello, Malformed, Stroke};
pub use server::{FromServer, Position, Welcome};
pub(super) use server::{delta, notice, presence, snapshot, welcome};

use std::fmt;

use crate::app::canvas::domain::Point;

/// The subprotocol.
pub const PROTOCOL: &str = "canvas.1";

/// By which a member goes on after its connection broke. Whoever knows it is that member.
#[derive(Clone, Copy, PartialEq, Eq, Hash)]
pub struct Token(pub(super) [u8; 16]);

/// The number of a member in its room.
pub type MemberId = u32;

/// Where a member points.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Cursor {
    /// Who.
    pub member: MemberId,
    /// Where.
    pub at: Point,
}

/// What a member is told besides pixels.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Notice {
    /// It draws too fast: this stroke was not drawn.
    TooFast,
    /// It has no stroke left to take back.
    NothingToUndo,
    /// It reads too slowly: it gets a snapshot.
    TooSlow,
    /// Other nodes are not reached.
    Apart,
    /// They are reached again.
    Together,
}

impl Notice {
    /// Its number.
    pub fn code(self) -> u8 {
        match self {
            Notice::TooFast => 1,
            Notice::NothingToUndo => 2,
            Notice::TooSlow => 3,
            Notice::Apart => 4,
            Notice::Together => 5,
        }
    }

    /// The same for people.
    pub fn words(self) -> &'static str {
        match self {
            Notice::TooFast => "You draw faster than this server takes it: the last stroke was not drawn.",
            Notice::NothingToUndo => "There is no stroke of yours to take back.",
            Notice::TooSlow => "Your connection is slower than the drawing: you get the picture anew.",
            Notice::Apart => "Other servers are not reached: who draws there sees this later.",
            Notice::Together => "All servers are reached again.",
        }
    }
}

// Not even the log is to know it.
impl fmt::Debug for Token {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Token(***)")
    }
}
