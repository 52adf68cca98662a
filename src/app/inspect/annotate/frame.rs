//! Owns the words for frames: what a header says bit by bit, and what a payload was.
//!
//! ```text
//!   out   0..6   \x81\x85\x37\xfa\x21\x3d   opcode 0x1 text, FIN, the whole message: 5 bytes, masked with 37fa213d   RFC 6455 5.2
//!   out          hello                      text message, 5 bytes                                                   RFC 6455 5.6
//! ```
//!
//! Offsets count from the first byte behind the handshake. A payload has none: it is shown as its message is, put together,
//! unmasked and decompressed.
//!
//! Spec: RFC 6455 5.2 (header), 5.4 (fragments), 5.5 (control frames), 7.4 (close codes); RFC 7692 6 (RSV1).

use std::borrow::Cow;
use std::fmt::Write;

use super::{Kind, LINE_BYTES_MAX, Line, Way, count};
use crate::http::explain::escape;
use crate::net::tap::Part;
use crate::ws::CloseCode;
use crate::ws::frame::{self, Header, Opcode};
use crate::ws::trace;

/// What a header says.
pub(super) struct Told {
    pub kind: Kind,
    /// Its bytes, each as an escape.
    pub text: String,
    pub note: String,
    pub section: &'static str,
    /// Bytes that follow it on the wire.
    pub payload: u64,
}

/// The words for the header of a frame.
pub(super) fn header(bytes: &[u8]) -> Told {
    let text = escaped(bytes);
    match frame::parse(bytes) {
        Ok(Some((header, _))) => {
            Told { kind: kind(&header), text, note: words(&header), section: section(&header), payload: header.length }
        }
        _ => Told {
            kind: Kind::Framing,
            text,
            note: trace::FRAME_HEADER.name.to_owned(),
            section: "RFC 6455 5.2",
            payload: 0,
        },
    }
}

/// Each byte as an escape: in a header no byte is a character.
pub(super) fn escaped(bytes: &[u8]) -> String {
    bytes.iter().fold(String::new(), |text, byte| text + &format!("\\x{byte:02x}"))
}

/// The line for a payload, as its message is.
pub(super) fn payload(way: Way, part: Part, bytes: &[u8], length: usize) -> Line {
    let shown = &bytes[..bytes.len().min(LINE_BYTES_MAX)];
    let mut text = if part == trace::TEXT { visible(shown) } else { escape(shown) };
    if shown.len() < length {
        text.push('…');
    }
    let note = match (part, bytes) {
        (trace::CLOSE, [high, low, ..]) => close(u16::from_be_bytes([*high, *low])),
        _ => format!("{}, {}", part.name, count(length)),
    };
    Line { way, kind: Kind::Content, bytes: None, text, note: Cow::Owned(note), section: part.section }
}

fn kind(header: &Header) -> Kind {
    match header.opcode {
        Opcode::Text | Opcode::Binary | Opcode::Close => Kind::Start,
        Opcode::Continuation | Opcode::Ping | Opcode::Pong => Kind::Framing,
    }
}

fn words(header: &Header) -> String {
    let Header { fin, rsv1, opcode, mask, length } = header;
    let mut words = format!("opcode {:#x} {opcode}", *opcode as u8);
    words += if *fin { ", FIN" } else { "" };
    words += if *rsv1 { ", RSV1: compressed" } else { "" };
    words += match (opcode, fin) {
        (Opcode::Text | Opcode::Binary, true) => ", the whole message: ",
        (Opcode::Text | Opcode::Binary, false) => ", its first fragment: ",
        (Opcode::Continuation, false) => ", the next fragment: ",
        (Opcode::Continuation, true) => ", the last fragment: ",
        _ => ": ",
    };
    words += &count(usize::try_from(*length).unwrap_or(usize::MAX));
    if let Some(key) = mask {
        words += ", masked with ";
        for byte in key {
            // Writing to a String does not fail.
            let _ = write!(words, "{byte:02x}");
        }
    }
    words
}

fn section(header: &Header) -> &'static str {
    match header.opcode {
        _ if header.rsv1 => "RFC 7692 6",
        Opcode::Close => "RFC 6455 5.5.1",
        Opcode::Ping => "RFC 6455 5.5.2",
        Opcode::Pong => "RFC 6455 5.5.3",
        _ if !header.fin || header.opcode == Opcode::Continuation => "RFC 6455 5.4",
        _ => "RFC 6455 5.2",
    }
}

fn close(code: u16) -> String {
    let code = CloseCode::new(code);
    format!("{code}: {}", code.meaning())
}

/// Text as it is, but for what would steer a terminal; a character that was cut is left out.
fn visible(bytes: &[u8]) -> String {
    let text = bytes.utf8_chunks().next().map_or("", |chunk| chunk.valid());
    text.chars().fold(String::new(), |mut shown, char| {
        if char.is_control() || char == '\\' {
            shown.extend(char.escape_debug());
        } else {
            shown.push(char);
        }
        shown
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(bytes: &[u8], text: &str, note: &str, section: &str, length: u64) {
        let told = header(bytes);
        assert_eq!((&*told.text, &*told.note, told.section, told.payload), (text, note, section, length));
    }

    #[test]
    fn a_header_is_told_bit_by_bit() {
        // The examples of RFC 6455 5.7.
        check(b"\x81\x05", r"\x81\x05", "opcode 0x1 text, FIN, the whole message: 5 bytes", "RFC 6455 5.2", 5);
        check(
            b"\x81\x85\x37\xfa\x21\x3d",
            r"\x81\x85\x37\xfa\x21\x3d",
            "opcode 0x1 text, FIN, the whole message: 5 bytes, masked with 37fa213d",
            "RFC 6455 5.2",
            5,
        );
        check(b"\x01\x03", r"\x01\x03", "opcode 0x1 text, its first fragment: 3 bytes", "RFC 6455 5.4", 3);
        check(b"\x00\x01", r"\x00\x01", "opcode 0x0 continuation, the next fragment: 1 byte", "RFC 6455 5.4", 1);
        check(b"\x80\x02", r"\x80\x02", "opcode 0x0 continuation, FIN, the last fragment: 2 bytes", "RFC 6455 5.4", 2);
        check(b"\x89\x05", r"\x89\x05", "opcode 0x9 ping, FIN: 5 bytes", "RFC 6455 5.5.2", 5);
        check(b"\x8a\x00", r"\x8a\x00", "opcode 0xa pong, FIN: 0 bytes", "RFC 6455 5.5.3", 0);
        check(b"\x88\x02", r"\x88\x02", "opcode 0x8 close, FIN: 2 bytes", "RFC 6455 5.5.1", 2);
        check(
            b"\x82\x7e\x01\x00",
            r"\x82\x7e\x01\x00",
            "opcode 0x2 binary, FIN, the whole message: 256 bytes",
            "RFC 6455 5.2",
            256,
        );
        check(
            b"\xc1\x07",
            r"\xc1\x07",
            "opcode 0x1 text, FIN, RSV1: compressed, the whole message: 7 bytes",
            "RFC 7692 6",
            7,
        );
        check(b"\x83\x00", r"\x83\x00", "frame header", "RFC 6455 5.2", 0);
    }

    #[test]
    fn a_payload_is_told_as_its_message_is() {
        let told = |part, bytes: &[u8], length| {
            let line = payload(Way::In, part, bytes, length);
            format!("{} | {} | {}", line.text, line.note, line.section)
        };
        assert_eq!(
            told(trace::TEXT, "ü\x1b[2J\n\\".as_bytes(), 8),
            r"ü\u{1b}[2J\n\\ | text message, 8 bytes | RFC 6455 5.6"
        );
        assert_eq!(
            told(trace::TEXT, "ab\u{fc}".as_bytes().split_at(3).0, 9),
            "ab… | text message, 9 bytes | RFC 6455 5.6"
        );
        assert_eq!(told(trace::BINARY, b"\0a", 2), r"\x00a | binary message, 2 bytes | RFC 6455 5.6");
        assert_eq!(
            told(trace::CLOSE, b"\x03\xe9bye", 5),
            r"\x03\xe9bye | 1001 going away: A server stops, or a page is left. | RFC 6455 5.5.1"
        );
        assert_eq!(told(trace::CLOSE, b"", 0), " | close payload, 0 bytes | RFC 6455 5.5.1");
        assert_eq!(
            told(trace::CLOSE, b"\x0f\xa0", 2),
            r"\x0f\xa0 | 4000: Defined by the application. | RFC 6455 5.5.1"
        );
    }
}
