//! Owns messages: what an application sends and receives, whatever frames it travels in.
//!
//! The one idea: a message shares its bytes. A clone is a count, and one that goes to many is encoded once.
//!
//! ```text
//!   Prepared   │ header │ payload             │   one allocation
//!                         ▲
//!   Message               └ a slice of it
//! ```
//!
//! Spec: RFC 6455 5.6 (text and binary), 6.1 (sending).
//! Never: knows of masks or compression; those belong to a connection.

mod text;

use std::fmt;

use bytes::Bytes;

use crate::ws::frame::{Header, Opcode};

pub use text::Text;

/// A message, whole.
#[derive(Clone, PartialEq, Eq)]
pub enum Message {
    /// UTF-8.
    Text(Text),
    /// Any bytes.
    Binary(Bytes),
}

impl Message {
    /// Its bytes, of text as well.
    #[inline]
    pub fn as_bytes(&self) -> &[u8] {
        self.as_shared()
    }

    /// Its bytes, as they are shared.
    #[inline]
    pub fn as_shared(&self) -> &Bytes {
        match self {
            Message::Text(text) => text.as_shared(),
            Message::Binary(bytes) => bytes,
        }
    }

    /// How many bytes it has.
    pub fn len(&self) -> usize {
        self.as_bytes().len()
    }

    /// Whether it has none.
    pub fn is_empty(&self) -> bool {
        self.as_bytes().is_empty()
    }

    /// Whether it is text.
    pub fn is_text(&self) -> bool {
        matches!(self, Message::Text(_))
    }

    /// Its text, unless it is binary.
    pub fn as_text(&self) -> Option<&str> {
        if let Message::Text(text) = self { Some(text) } else { None }
    }

    /// What its first frame is called.
    pub(in crate::ws) fn opcode(&self) -> Opcode {
        if self.is_text() { Opcode::Text } else { Opcode::Binary }
    }
}

impl From<Text> for Message {
    fn from(text: Text) -> Message {
        Message::Text(text)
    }
}

impl From<&str> for Message {
    fn from(text: &str) -> Message {
        Message::Text(text.into())
    }
}

impl From<String> for Message {
    fn from(text: String) -> Message {
        Message::Text(text.into())
    }
}

impl From<Bytes> for Message {
    fn from(bytes: Bytes) -> Message {
        Message::Binary(bytes)
    }
}

impl From<Vec<u8>> for Message {
    fn from(bytes: Vec<u8>) -> Message {
        Message::Binary(bytes.into())
    }
}

impl From<Message> for Bytes {
    fn from(message: Message) -> Bytes {
        match message {
            Message::Text(text) => text.into(),
            Message::Binary(bytes) => bytes,
        }
    }
}

impl fmt::Debug for Message {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Message::Text(text) => write!(f, "Text({text:?})"),
            Message::Binary(bytes) => write!(f, "Binary({bytes:?})"),
        }
    }
}

/// A message as the one unmasked, uncompressed frame that holds it: encoded once, sent by a server to as many as like. A
/// clone is a count.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Prepared {
    frame: Bytes,
    /// Where its payload begins.
    payload_at: u8,
    is_text: bool,
}

impl Prepared {
    /// Encodes `message`: one allocation, one copy.
    pub fn new(message: impl Into<Message>) -> Prepared {
        let message = message.into();
        let length = message.len() as u64;
        let header = Header { fin: true, rsv1: false, opcode: message.opcode(), mask: None, length }.encode();
        let frame = Bytes::from([&header[..], message.as_bytes()].concat());
        Prepared { frame, payload_at: header.len() as u8, is_text: message.is_text() }
    }

    /// The message, a slice of the frame.
    pub fn message(&self) -> Message {
        let payload = self.frame.slice(usize::from(self.payload_at)..);
        match self.is_text {
            true => Message::Text(Text::try_from(payload).expect("it was text when it was encoded")),
            false => Message::Binary(payload),
        }
    }

    /// The frame: header and payload.
    pub fn frame(&self) -> &Bytes {
        &self.frame
    }

    /// The frame, no longer counted here.
    pub(in crate::ws) fn into_frame(self) -> Bytes {
        self.frame
    }

    /// The frame's header.
    pub(in crate::ws) fn header(&self) -> &[u8] {
        &self.frame[..usize::from(self.payload_at)]
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_message_is_what_it_was_made_of() {
        assert_eq!(Message::from("a").as_text(), Some("a"));
        assert_eq!(Message::from(String::from("a")), Message::from(Text::from("a")));
        let binary = Message::from(vec![1, 2]);
        assert_eq!((binary.as_text(), binary.len(), binary.is_text()), (None, 2, false));
        assert_eq!(binary, Message::from(Bytes::from_static(&[1, 2])));
        assert!(Message::from("").is_empty());
    }

    #[test]
    fn a_prepared_message_is_one_allocation() {
        for len in [0, 1, 125, 126, 65_535, 65_536] {
            for message in [Message::from("x".repeat(len)), Message::from(vec![b'x'; len])] {
                let prepared = Prepared::new(message.clone());
                assert_eq!(prepared.message(), message);
                let frame = prepared.frame();
                let (header, at) = crate::ws::frame::parse(frame).expect("no violation").expect("a whole header");
                assert_eq!((header.opcode, header.length, header.mask), (message.opcode(), len as u64, None));
                assert_eq!(frame[at..], *message.as_bytes());
                if len > 0 {
                    assert_eq!(frame[at..].as_ptr(), prepared.message().as_bytes().as_ptr());
                }
            }
        }
    }
}
