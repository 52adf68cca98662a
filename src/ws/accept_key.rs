//! Owns the proof that a server has understood the opening handshake: the value of Sec-WebSocket-Accept.
//!
//! The one idea: nothing that merely echoes a request, and no cache, can make this value from that one.
//!
//! ```text
//!   Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==  ──+ GUID ──SHA-1──base64──▶  Sec-WebSocket-Accept: s3pPLMBiTxaQ9kYG…
//! ```
//!
//! Spec: RFC 6455 1.3, 4.1 (the client's item 4), 4.2.2 (item 5.4), 10.8 (why SHA-1 does no harm here).
//! Never: looks whether the key is one: the handshake does.

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use sha1::{Digest, Sha1};

/// RFC 6455 1.3: what no endpoint appends that does not know the protocol.
const GUID: &str = "258EAFA5-E914-47DA-95CA-C5AB0DC85B11";

/// The value of Sec-WebSocket-Accept for the value of Sec-WebSocket-Key: as it was sent, not decoded, and without the
/// white space around it.
pub fn accept_key(key: &[u8]) -> String {
    let digest = Sha1::new().chain_update(key.trim_ascii()).chain_update(GUID).finalize();
    STANDARD.encode(digest)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_example_of_the_rfc() {
        // RFC 6455 1.3.
        assert_eq!(accept_key(b"dGhlIHNhbXBsZSBub25jZQ=="), "s3pPLMBiTxaQ9kYGzzhZRbK+xOo=");
    }

    #[test]
    fn white_space_around_a_key_is_no_part_of_it() {
        assert_eq!(accept_key(b" \tdGhlIHNhbXBsZSBub25jZQ== "), accept_key(b"dGhlIHNhbXBsZSBub25jZQ=="));
        assert_ne!(accept_key(b"dGhlIHNhbXBsZSBub25jZQ"), accept_key(b"dGhlIHNhbXBsZSBub25jZQ=="));
    }
}
