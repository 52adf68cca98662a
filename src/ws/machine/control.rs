//! Owns control frames: small enough to lie where they are, without an allocation.
//!
//! Spec: RFC 6455 5.5 (125 bytes at most).
//! Invariant: a payload is no longer than that.

use std::fmt;
use std::ops::Deref;

use crate::ws::frame::{CONTROL_PAYLOAD_BYTES_MAX, HEADER_BYTES_MAX, Header};
use crate::ws::mask;

/// The payload of a control frame, inline.
#[derive(Clone, Copy, PartialEq, Eq)]
pub struct Payload {
    bytes: [u8; CONTROL_PAYLOAD_BYTES_MAX],
    len: u8,
}

impl Payload {
    /// These bytes.
    ///
    /// # Panics
    /// When there are more than 125 (RFC 6455 5.5).
    pub fn new(bytes: &[u8]) -> Payload {
        let mut payload = Payload::default();
        payload.push(bytes);
        payload
    }

    pub(super) fn push(&mut self, bytes: &[u8]) {
        let at = usize::from(self.len);
        self.bytes[at..at + bytes.len()].copy_from_slice(bytes);
        self.len += bytes.len() as u8;
    }
}

impl Default for Payload {
    fn default() -> Payload {
        Payload { bytes: [0; CONTROL_PAYLOAD_BYTES_MAX], len: 0 }
    }
}

impl Deref for Payload {
    type Target = [u8];

    fn deref(&self) -> &[u8] {
        &self.bytes[..usize::from(self.len)]
    }
}

impl fmt::Debug for Payload {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "b\"{}\"", self.escape_ascii())
    }
}

/// A control frame as it is sent, inline.
#[derive(Clone, Copy, PartialEq, Eq)]
pub struct ControlFrame {
    bytes: [u8; HEADER_BYTES_MAX + CONTROL_PAYLOAD_BYTES_MAX],
    len: u8,
}

impl ControlFrame {
    pub(super) fn new(header: &Header, payload: &[u8]) -> ControlFrame {
        let mut bytes = [0; HEADER_BYTES_MAX + CONTROL_PAYLOAD_BYTES_MAX];
        let encoded = header.encode();
        let end = encoded.len() + payload.len();
        bytes[..encoded.len()].copy_from_slice(&encoded);
        bytes[encoded.len()..end].copy_from_slice(payload);
        if let Some(key) = header.mask {
            mask::apply(&mut bytes[encoded.len()..end], key, 0);
        }
        ControlFrame { bytes, len: end as u8 }
    }
}

impl Deref for ControlFrame {
    type Target = [u8];

    fn deref(&self) -> &[u8] {
        &self.bytes[..usize::from(self.len)]
    }
}

impl fmt::Debug for ControlFrame {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:02x?}", &**self)
    }
}
