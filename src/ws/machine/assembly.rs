//! Owns a message while it is put together.
//!
//! The one idea: one vector, that the message is when it is whole. Behind what has come there may be room for what is
//! still to come, so that it is read from the socket to where it will stay.
//!
//! ```text
//!   bytes   │ come: unmasked, for text validated │ room, zeros │
//!                                                ^ filled      ^ bytes.len()
//! ```
//!
//! Spec: RFC 6455 5.4 (fragments are concatenated), 8.1 (text).
//! Never: grows by what was announced: at most double what has come, and [`ROOM_BYTES`].
//! Invariants: `filled <= bytes.len()`, and equal where payload is compressed; of a text, `bytes[..filled]` went through the validator.
#![allow(unsafe_code, reason = "one call: text that was validated piece by piece is text")]

use bytes::Bytes;

use crate::ws::deflate::{Deflate, InflateError};
use crate::ws::machine::room::{self, ROOM_BYTES};
use crate::ws::mask;
use crate::ws::message::{Message, Text};
use crate::ws::utf8::Utf8Validator;
use crate::ws::violation::Violation;

/// A message of which something is still to come.
#[derive(Debug)]
pub(super) struct Assembly {
    content: Content,
    bytes: Vec<u8>,
    filled: usize,
}

#[derive(Debug)]
enum Content {
    Text(Utf8Validator),
    Binary,
}

/// What is known of the payload that comes next.
#[derive(Clone, Copy, Debug)]
pub(super) struct Coming {
    /// Bytes that are missing of its frame.
    pub(super) missing: usize,
    /// Whether its frame is the last of the message.
    pub(super) last: bool,
}

impl Assembly {
    pub(super) fn new(is_text: bool) -> Assembly {
        let content = if is_text { Content::Text(Utf8Validator::default()) } else { Content::Binary };
        Assembly { content, bytes: Vec::new(), filled: 0 }
    }

    /// Bytes of the message so far.
    pub(super) fn len(&self) -> usize {
        self.filled
    }

    /// Adds payload that has come, masked with `key` from `offset` on.
    pub(super) fn push(
        &mut self,
        payload: &[u8],
        key: Option<[u8; 4]>,
        offset: usize,
        coming: Coming,
    ) -> Result<(), Violation> {
        if coming.missing > 0 {
            self.find_room(payload.len().saturating_add(coming.missing));
        }
        let start = self.filled;
        let (into_room, behind) = payload.split_at(payload.len().min(self.bytes.len() - start));
        self.bytes[start..start + into_room.len()].copy_from_slice(into_room);
        if !behind.is_empty() {
            self.reserve(behind.len(), coming);
            self.bytes.extend_from_slice(behind);
        }
        self.take(payload.len(), key, offset)
    }

    /// Adds what compressed payload comes to; `last` is the end of the message.
    pub(super) fn inflate(
        &mut self,
        deflate: &mut Deflate,
        payload: &[u8],
        last: bool,
        bytes_max: usize,
    ) -> Result<(), Violation> {
        let inflated = deflate.inflate(payload, last, &mut self.bytes, bytes_max);
        // Text that came out before a fault is wrong before it, however the payload was cut.
        self.take(self.bytes.len() - self.filled, None, 0)?;
        inflated.map_err(|error| match error {
            InflateError::Corrupt => Violation::CorruptCompression,
            InflateError::TooLarge => Violation::MessageTooLarge,
        })
    }

    /// Room for payload that is still to come; [`take`](Assembly::take) says how much of it has.
    pub(super) fn room(&mut self, coming: Coming) -> &mut [u8] {
        self.find_room(coming.missing);
        let len = self.filled + coming.missing.min(ROOM_BYTES.max(self.filled));
        if self.bytes.len() < len {
            self.reserve(0, coming);
            self.bytes.resize(len, 0);
        }
        &mut self.bytes[self.filled..len]
    }

    /// Takes the first `count` bytes of the room.
    pub(super) fn take(&mut self, count: usize, key: Option<[u8; 4]>, offset: usize) -> Result<(), Violation> {
        let come = &mut self.bytes[self.filled..][..count];
        if let Some(key) = key {
            mask::apply(come, key, offset);
        }
        if let Content::Text(validator) = &mut self.content {
            validator.push(come).map_err(|_| Violation::TextNotUtf8)?;
        }
        self.filled += count;
        Ok(())
    }

    /// The message, all of which has come.
    pub(super) fn finish(self) -> Result<Message, Violation> {
        let bytes = whole(self.bytes, self.filled);
        match self.content {
            Content::Binary => Ok(Message::Binary(bytes)),
            Content::Text(mut validator) => {
                validator.finish().map_err(|_| Violation::TextNotUtf8)?;
                // SAFETY: all of it went through the validator, in order, and the validator says that it ends well.
                Ok(Message::Text(unsafe { Text::from_validated(bytes) }))
            }
        }
    }

    /// Takes a room for `bytes` that are to come, when nothing has come yet and they are worth it.
    fn find_room(&mut self, bytes: usize) {
        if self.bytes.is_empty() && bytes >= room::WORTH_BYTES {
            self.bytes = room::take();
        }
    }

    /// Makes the vector large enough for `come` bytes and, as far as that is decent, for those that are coming.
    fn reserve(&mut self, come: usize, coming: Coming) {
        let have = self.filled + come;
        let ahead = coming.missing.min(ROOM_BYTES.max(have));
        let more = (have + ahead).saturating_sub(self.bytes.len());
        // Fragments behind this one may follow, and each would move the vector. Behind the last one nothing does.
        if coming.last { self.bytes.reserve_exact(more) } else { self.bytes.reserve(more) }
    }
}

/// The first `filled` of `bytes`, which may lie in a room.
fn whole(mut bytes: Vec<u8>, filled: usize) -> Bytes {
    if bytes.capacity() == ROOM_BYTES && bytes.len() == ROOM_BYTES {
        return room::into_bytes(bytes, filled);
    }
    bytes.truncate(filled);
    // What grew with many fragments may be half empty.
    if bytes.capacity() - filled > filled / 4 {
        bytes.shrink_to_fit();
    }
    Bytes::from(bytes)
}
