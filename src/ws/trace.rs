//! Owns the names under which a tap is told what the bytes of a WebSocket are.
//!
//! Never: decides anything; tells anything while nobody watches.

use crate::net::tap::{Part, Tap};
use crate::ws::close::Close;
use crate::ws::message::Message;

/// The header of a frame.
pub const FRAME_HEADER: Part = Part { name: "frame header", section: "RFC 6455 5.2" };
/// Bytes that no header begins with.
pub const NO_FRAME: Part = Part { name: "no header of a frame begins so", section: "RFC 6455 5.2" };
/// A text message, unmasked and put together.
pub const TEXT: Part = Part { name: "text message", section: "RFC 6455 5.6" };
/// A binary message, unmasked and put together.
pub const BINARY: Part = Part { name: "binary message", section: "RFC 6455 5.6" };
/// What a ping carries.
pub const PING: Part = Part { name: "ping payload", section: "RFC 6455 5.5.2" };
/// What a pong carries.
pub const PONG: Part = Part { name: "pong payload", section: "RFC 6455 5.5.3" };
/// Code and reason of a Close.
pub const CLOSE: Part = Part { name: "close payload", section: "RFC 6455 5.5.1" };

/// All that a frame's payload may be, as its message is.
pub const PAYLOADS: [Part; 5] = [TEXT, BINARY, PING, PONG, CLOSE];

/// What such a message is.
pub(super) fn message(message: &Message) -> Part {
    if message.is_text() { TEXT } else { BINARY }
}

/// Tells that `message` goes out behind `header`.
#[cold]
pub(super) fn sent(tap: &mut Tap, header: &[u8], message: &Message) {
    tap.sent(FRAME_HEADER, header);
    tap.sent(self::message(message), message.as_bytes());
}

/// The bytes of a Close frame's payload (RFC 6455 5.5.1).
pub(super) fn close_payload(close: Option<&Close>) -> Vec<u8> {
    close.map_or_else(Vec::new, |close| [&close.code().get().to_be_bytes(), close.reason().as_bytes()].concat())
}
