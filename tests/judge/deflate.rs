//! What must hold for permessage-deflate, whatever is sent and whatever arrives.
//!
//! ```text
//!   message ── Deflate ── payload ─┬─ a second reader: the message, no reference beyond the agreed window
//!                                  └─ Deflate, in pieces: the message
//!   payload of a stranger ─────────┬─ a second reader ────┐
//!                                  ├─ Deflate, whole ─────┼─ the same message, or all refuse it
//!                                  └─ Deflate, in pieces ─┘  and never more than was allowed
//! ```

use firstbyte::ws::Role;
use firstbyte::ws::deflate::{Compression, Deflate, InflateError, Params};

use super::draw::Draw;
use super::inflate::{MESSAGE_MAX, inflate};

/// One direction of a connection, both its ends, and what went over it.
pub struct Conversation {
    role: Role,
    params: Params,
    config: Compression,
    sender: Deflate,
    receiver: Deflate,
    /// As the receiver, but never given pieces.
    whole: Deflate,
    /// All that was sent compressed.
    seen: Vec<u8>,
    takeover: bool,
    window_bits: u8,
}

impl Conversation {
    /// A connection with drawn parameters.
    pub fn new(draw: &mut Draw) -> Conversation {
        let (takeover, window_bits) = (draw.next(2) == 0, 8 + draw.next(8) as u8);
        let config = Compression {
            level: 1 + draw.next(9) as u32,
            context_takeover: takeover,
            memory_bytes_max: 64 * 1024,
            message_bytes_min: 100 * draw.next(2),
            ..Compression::default()
        };
        let params = Params {
            server_no_context_takeover: !takeover,
            client_no_context_takeover: !takeover,
            server_max_window_bits: Some(window_bits),
            client_max_window_bits: Some(window_bits),
        };
        let role = *draw.of_these(&[Role::Server, Role::Client]);
        let [sender, receiver, whole] = ends(role, params, &config);
        Conversation { role, params, config, sender, receiver, whole, seen: Vec::new(), takeover, window_bits }
    }

    /// Sends a message and reads it again. Returns its payload when it was compressed.
    pub fn send(&mut self, message: &[u8], draw: &mut Draw) -> Option<Vec<u8>> {
        let payload = self.sender.deflate(message)?;
        assert!(payload.len() < message.len());
        let read = inflate(&payload, self.remembered()).expect("we wrote it");
        assert!(read.message == message);
        assert!(read.farthest <= 1 << self.window_bits, "{} bytes back, {} bits", read.farthest, self.window_bits);
        let whole = receive_whole(&mut self.whole, &payload, message.len());
        assert!(whole.as_deref() == Ok(message));
        let cuts = draw.cuts(payload.len(), 6);
        let pieces = receive(&mut self.receiver, &payload, &cuts, message.len());
        assert!(pieces.as_deref() == Ok(message), "cut at {cuts:?}");
        self.seen.extend_from_slice(message);
        Some(payload.to_vec())
    }

    /// Receives the payload of a stranger.
    pub fn receive(&mut self, payload: &[u8], draw: &mut Draw) {
        let expected = inflate(payload, self.remembered()).map(|read| read.message);
        let len = expected.as_ref().map_or(MESSAGE_MAX, Vec::len);
        let bytes_max = *draw.of_these(&[MESSAGE_MAX, len, len.saturating_sub(1), len / 2]);
        let cuts = draw.cuts(payload.len(), 6);
        let whole = receive_whole(&mut self.whole, payload, bytes_max);
        let pieces = receive(&mut self.receiver, payload, &cuts, bytes_max);
        assert_eq!(whole, pieces, "cut at {cuts:?}");
        match (expected, whole) {
            (Some(message), Ok(read)) => {
                assert!(message == read);
                // Its sender was another one: ours knows nothing of it.
                [self.sender, ..] = ends(self.role, self.params, &self.config);
                self.seen.extend(message);
            }
            (Some(_), Err(InflateError::TooLarge)) => {
                assert!(bytes_max < len);
                self.begin_again();
            }
            (None, Err(_)) => self.begin_again(),
            (expected, seen) => panic!("{expected:?}, but {seen:?}"),
        }
    }

    fn begin_again(&mut self) {
        [self.sender, self.receiver, self.whole] = ends(self.role, self.params, &self.config);
        self.seen.clear();
    }

    /// What the next message may refer to.
    fn remembered(&self) -> &[u8] {
        let from = if self.takeover { self.seen.len().saturating_sub(1 << self.window_bits) } else { self.seen.len() };
        &self.seen[from..]
    }
}

/// Who sends, and two who receive.
fn ends(role: Role, params: Params, config: &Compression) -> [Deflate; 3] {
    let other = if role == Role::Server { Role::Client } else { Role::Server };
    [role, other, other].map(|role| Deflate::new(role, params, config))
}

/// Receives a payload that arrives at once.
fn receive_whole(deflate: &mut Deflate, payload: &[u8], bytes_max: usize) -> Result<Vec<u8>, InflateError> {
    let mut into = Vec::new();
    let result = deflate.inflate(payload, true, &mut into, bytes_max);
    assert!(into.len() <= bytes_max, "no byte more than allowed");
    result.map(|()| into)
}

/// Receives a payload that arrives cut at `cuts`.
fn receive(deflate: &mut Deflate, payload: &[u8], cuts: &[usize], bytes_max: usize) -> Result<Vec<u8>, InflateError> {
    let mut into = Vec::new();
    let result = cuts
        .windows(2)
        .try_for_each(|cut| deflate.inflate(&payload[cut[0]..cut[1]], false, &mut into, bytes_max))
        .and_then(|()| deflate.inflate(&[], true, &mut into, bytes_max));
    assert!(into.len() <= bytes_max, "no byte more than allowed");
    result.map(|()| into)
}
