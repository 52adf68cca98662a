//! Owns permessage-deflate: what is agreed in the handshake, and messages compressed and inflated as it was agreed.
//!
//! The one idea: a compressed message ends at a block and a byte, so between two messages nothing of DEFLATE's machinery has
//! to be kept but its window: the last bytes of what went before. The machinery (250 to 380 KiB for deflating, 47 KiB for
//! inflating) belongs to the thread and is borrowed for a message; a connection has a window for each direction in which
//! context takeover was agreed, and otherwise nothing.
//!
//! ```text
//!   message ── Sender ──▶ payload without 00 00 FF FF, RSV1        payload ── Receiver ──▶ message
//!               │  ▲                                                           │  ▲
//!        borrows│  │last bytes sent (context takeover)                  borrows│  │last bytes received
//!               ▼  │                                                           ▼  │
//!           the thread's pool        Window                        the thread's pool        Window
//! ```
//!
//! Spec: RFC 7692 5 (negotiation), 7.1 (parameters: `negotiation`), 7.2.1 (compression: `sender`), 7.2.2 (decompression:
//! `receiver`); RFC 1951. Section 8 advises against the extension where secrets and what an attacker chose share a
//! context: no context takeover is the default.
//! Never: does I/O; inflates beyond the bound it was given, whatever the ratio; keeps more than `memory_bytes_max` between
//! messages.
//! Invariant: what is sent compressed can be read by whoever has seen what was sent compressed before it, and only that.

mod extension;
mod negotiation;
mod parameters;
mod pool;
mod receiver;
mod sender;
mod window;

use bytes::Bytes;

pub use negotiation::{Disagreement, accept, agreed, offer};
pub use parameters::Params;
pub use receiver::InflateError;

use crate::ws::Role;
use receiver::Receiver;
use sender::Sender;
use window::Window;

/// Smallest and largest base-2 logarithm of a window in bytes (RFC 7692 7.1.2).
const WINDOW_BITS: std::ops::RangeInclusive<u8> = 8..=15;

/// What compression may cost, and when it is tried.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Compression {
    /// How hard is tried, 1 to 9. Default 1. Higher: smaller messages for much more time. JSON of 1 KiB comes to 37 % in
    /// 4 µs at 1, to 29 % in 10 µs at 2, to 27 % in 11 µs at 6; of 64 KiB, to 27 % in 110 µs, to 19 % in 190 µs, to 15 %
    /// in 660 µs.
    pub level: u32,
    /// Whether a message may refer to those before it. Default no. With it small messages shrink to a third of what they
    /// would be otherwise; each connection holds two windows, each message costs the time to index one (3 µs for
    /// 4 KiB, 23 µs for 32 KiB), and what an attacker makes the application send tells about what else it sends.
    pub context_takeover: bool,
    /// Base-2 logarithm of the largest window used for sending, 8 to 15. Default 15.
    pub window_bits: u8,
    /// Bytes that a connection may hold between messages: a window for each direction. Default 8 KiB: 4 KiB each.
    /// Smaller windows are asked for, or none, until they fit. Matters only with `context_takeover`.
    pub memory_bytes_max: usize,
    /// Messages smaller than this are sent as they are, in bytes. Default 256. Smaller: microseconds for a few bytes.
    pub message_bytes_min: usize,
}

impl Default for Compression {
    fn default() -> Compression {
        Compression {
            level: 1,
            context_takeover: false,
            window_bits: 15,
            memory_bytes_max: 8 * 1024,
            message_bytes_min: 256,
        }
    }
}

impl Compression {
    /// The window that each direction may have between messages; `None` when there is none to be kept.
    fn takeover_bits(&self) -> Option<u8> {
        let fits = |bits: &u8| self.memory_bytes_max >> bits >= 2;
        WINDOW_BITS.rev().find(|bits| *bits <= self.window_bits && fits(bits)).filter(|_| self.context_takeover)
    }
}

/// The two directions of a connection on which permessage-deflate was agreed.
#[derive(Debug)]
pub struct Deflate {
    sender: Sender,
    receiver: Receiver,
}

impl Deflate {
    /// Both directions as agreed, with nothing sent or received. Allocates nothing.
    pub fn new(role: Role, params: Params, config: &Compression) -> Deflate {
        let (own, peers) = match role {
            Role::Server => (params.server(), params.client()),
            Role::Client => (params.client(), params.server()),
        };
        // RFC 7692 7.1.1: an endpoint that may take over its context need not.
        let takeover_bits = config.takeover_bits().filter(|_| !own.no_context_takeover);
        let window_bits = own.window_bits.min(takeover_bits.unwrap_or(config.window_bits));
        Deflate {
            sender: Sender::new(config, window_bits, takeover_bits.map(|_| Window::new(window_bits))),
            receiver: Receiver::new((!peers.no_context_takeover).then(|| Window::new(peers.window_bits))),
        }
    }

    /// Inflates the next bytes of a compressed message's payload, `last` with the end of the message, and appends to
    /// `into` what comes out; `into` has to begin with the message and keep all of it, since a message refers to its own
    /// bytes. It never gets longer than `bytes_max`.
    ///
    /// # Errors
    /// What the message is refused for. The connection has to end then: this is of no use any more.
    pub fn inflate(
        &mut self,
        bytes: &[u8],
        last: bool,
        into: &mut Vec<u8>,
        bytes_max: usize,
    ) -> Result<(), InflateError> {
        self.receiver.inflate(bytes, last, into, bytes_max)
    }

    /// The payload of `message` compressed, to be sent with RSV1. `None` when that is not worth it, because the message
    /// is small or would not get smaller: it is then sent as it is.
    pub fn deflate(&mut self, message: &[u8]) -> Option<Bytes> {
        self.sender.deflate(message)
    }

    /// Bytes that are held now: the windows, and what a message that has begun to arrive has borrowed.
    #[cfg(test)]
    fn memory_bytes(&self) -> usize {
        self.sender.memory_bytes() + self.receiver.memory_bytes()
    }
}

#[cfg(test)]
mod tests;
