//! Owns what a parsed head tells, so that two ways to parse it can be compared.
//!
//! Never: parses.

use firstbyte::http::h1::head::{RequestHead, Span};
use firstbyte::http::{Fields, ProtocolError, Version};

/// One head: where its pieces lie, and what its lines say.
#[derive(Debug)]
pub struct Told {
    pub len: usize,
    pub method: Span,
    pub target: Span,
    pub version: Version,
    pub fields: Fields,
}

/// What a parser makes of some bytes; `None` when they are no whole head.
pub type Verdict = Result<Option<Told>, ProtocolError>;

impl Told {
    /// What `head` tells of its bytes.
    pub fn of(mut head: RequestHead, bytes: &[u8]) -> Told {
        let (method, target, version) = (head.method(), head.target(), head.version());
        Told { len: bytes.len(), method, target, version, fields: head.take_fields(bytes.to_vec()) }
    }
}

impl PartialEq for Told {
    fn eq(&self, other: &Told) -> bool {
        let pieces = |told: &Told| (told.len, told.method, told.target, told.version);
        pieces(self) == pieces(other) && self.fields.iter().eq(other.fields.iter())
    }
}
