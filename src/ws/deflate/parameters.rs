//! Owns the parameters of permessage-deflate: what one extension element says, and how it is written.
//!
//! Spec: RFC 7692 7 (what an offer and an answer may hold), 7.1.1 (context takeover), 7.1.2 (window sizes).
//! Invariants: window bits are 8 to 15.

use std::fmt;

use super::WINDOW_BITS;
use super::extension::Extension;

/// The extension's name (RFC 7692 7).
pub(super) const PERMESSAGE_DEFLATE: &str = "permessage-deflate";

const SERVER_NO_CONTEXT_TAKEOVER: &str = "server_no_context_takeover";
const CLIENT_NO_CONTEXT_TAKEOVER: &str = "client_no_context_takeover";
const SERVER_MAX_WINDOW_BITS: &str = "server_max_window_bits";
const CLIENT_MAX_WINDOW_BITS: &str = "client_max_window_bits";

/// What was agreed. `Display` is the server's answer.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Params {
    /// The server compresses each message on its own (RFC 7692 7.1.1.1).
    pub server_no_context_takeover: bool,
    /// The client does (RFC 7692 7.1.1.2).
    pub client_no_context_takeover: bool,
    /// Base-2 logarithm of the server's window, 8 to 15, as the answer says it. `None`: nothing was said, so 15
    /// (RFC 7692 7.1.2.1).
    pub server_max_window_bits: Option<u8>,
    /// The client's (RFC 7692 7.1.2.2).
    pub client_max_window_bits: Option<u8>,
}

/// What was agreed for one direction.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Direction {
    pub(super) no_context_takeover: bool,
    pub(super) window_bits: u8,
}

impl Params {
    /// What was agreed for messages of the server.
    pub(super) fn server(&self) -> Direction {
        Direction::new(self.server_no_context_takeover, self.server_max_window_bits)
    }

    /// What was agreed for messages of the client.
    pub(super) fn client(&self) -> Direction {
        Direction::new(self.client_no_context_takeover, self.client_max_window_bits)
    }
}

impl Direction {
    fn new(no_context_takeover: bool, window_bits: Option<u8>) -> Direction {
        Direction { no_context_takeover, window_bits: window_bits.unwrap_or(*WINDOW_BITS.end()) }
    }
}

impl fmt::Display for Params {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let client_max_window_bits = self.client_max_window_bits.map(Some);
        Offer { client_max_window_bits, ..Offer::from(*self) }.fmt(f)
    }
}

/// What one element of a client's list says. An answer says the same, but that `client_max_window_bits` has a value.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Offer {
    pub(super) server_no_context_takeover: bool,
    pub(super) client_no_context_takeover: bool,
    pub(super) server_max_window_bits: Option<u8>,
    /// RFC 7692 7.1.2.2: without a value, the client understands the parameter in an answer.
    pub(super) client_max_window_bits: Option<Option<u8>>,
}

impl From<Params> for Offer {
    fn from(params: Params) -> Offer {
        Offer {
            server_no_context_takeover: params.server_no_context_takeover,
            client_no_context_takeover: params.client_no_context_takeover,
            server_max_window_bits: params.server_max_window_bits,
            client_max_window_bits: params.client_max_window_bits.map(Some),
        }
    }
}

impl Offer {
    /// Understands an element. RFC 7692 7: `None` when a parameter is unknown, there twice or has no valid value.
    pub(super) fn parse(extension: &Extension<'_>) -> Option<Offer> {
        let mut offer = Offer::default();
        for (name, value) in extension.parameters() {
            let is_first = match name {
                SERVER_NO_CONTEXT_TAKEOVER => value.is_none() && set(&mut offer.server_no_context_takeover),
                CLIENT_NO_CONTEXT_TAKEOVER => value.is_none() && set(&mut offer.client_no_context_takeover),
                SERVER_MAX_WINDOW_BITS => offer.server_max_window_bits.replace(window_bits(value?)?).is_none(),
                CLIENT_MAX_WINDOW_BITS => {
                    let bits = value.map(|value| window_bits(value).ok_or(())).transpose().ok()?;
                    offer.client_max_window_bits.replace(bits).is_none()
                }
                _ => false,
            };
            if !is_first {
                return None;
            }
        }
        Some(offer)
    }

    /// The same as an answer, where it can be one.
    pub(super) fn as_answer(&self) -> Option<Params> {
        let client_max_window_bits = match self.client_max_window_bits {
            Some(None) => return None,
            bits => bits.flatten(),
        };
        Some(Params {
            server_no_context_takeover: self.server_no_context_takeover,
            client_no_context_takeover: self.client_no_context_takeover,
            server_max_window_bits: self.server_max_window_bits,
            client_max_window_bits,
        })
    }
}

/// Sets a flag, and says whether it was not set before.
fn set(flag: &mut bool) -> bool {
    !std::mem::replace(flag, true)
}

/// RFC 7692 7.1.2: a decimal integer without leading zeros, 8 to 15.
fn window_bits(value: &str) -> Option<u8> {
    let is_decimal = value.bytes().all(|byte| byte.is_ascii_digit()) && !value.starts_with('0');
    value.parse().ok().filter(|bits| is_decimal && WINDOW_BITS.contains(bits))
}

impl fmt::Display for Offer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(PERMESSAGE_DEFLATE)?;
        let flags = [
            (self.server_no_context_takeover, SERVER_NO_CONTEXT_TAKEOVER),
            (self.client_no_context_takeover, CLIENT_NO_CONTEXT_TAKEOVER),
        ];
        for (_, name) in flags.into_iter().filter(|(is_set, _)| *is_set) {
            write!(f, "; {name}")?;
        }
        if let Some(bits) = self.server_max_window_bits {
            write!(f, "; {SERVER_MAX_WINDOW_BITS}={bits}")?;
        }
        match self.client_max_window_bits {
            Some(Some(bits)) => write!(f, "; {CLIENT_MAX_WINDOW_BITS}={bits}"),
            Some(None) => write!(f, "; {CLIENT_MAX_WINDOW_BITS}"),
            None => Ok(()),
        }
    }
}
