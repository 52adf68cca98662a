//! The stock middleware, one file each, and the order in which they belong.
//!
//! ```text
//!   request ──> RequestId ─> Logger ─> Recover ─> SecurityHeaders ─> Cors ─> TrustedProxies
//!                              ─> RateLimit ─> BodyLimit ─> Timeout ─> handler
//! ```
//!
//! Why this order: every line of the log has an id, every answer has a line, a panic is an answer; refusals carry the
//! fields that let a browser read them; the limiter must know the client before it counts, and counts before anything is
//! read or waited for. [`order`] refuses another one.
//!
//! Never: is needed: a server without middleware is whole.

pub mod recover;

pub use recover::Recover;

use std::fmt;

use crate::http::Handler;

/// Where a stock middleware belongs, outermost first.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
#[allow(missing_docs)]
pub enum Place {
    RequestId,
    Logger,
    Recover,
    SecurityHeaders,
    Cors,
    TrustedProxies,
    RateLimit,
    BodyLimit,
    Timeout,
}

/// Two middleware that stand in the wrong order, or one that stands twice.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct WrongOrder {
    /// The one that stands outside.
    pub outer: &'static str,
    /// The one that stands inside and belongs outside.
    pub inner: &'static str,
}

impl fmt::Display for WrongOrder {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let WrongOrder { outer, inner } = self;
        if outer == inner {
            return write!(f, "{outer} stands twice in the chain: leave one");
        }
        write!(f, "{outer} stands outside {inner}: swap them (the order is documented in http::middleware)")
    }
}

impl std::error::Error for WrongOrder {}

/// The names of the middleware around `handler`, outermost first.
///
/// # Errors
/// [`WrongOrder`] when a stock middleware does not stand where it belongs.
pub fn order(handler: &impl Handler) -> Result<Vec<&'static str>, WrongOrder> {
    let mut chain = Vec::new();
    handler.describe(&mut chain);
    let placed: Vec<_> = chain.iter().filter(|link| link.place.is_some()).collect();
    match placed.windows(2).find(|pair| pair[0].place >= pair[1].place) {
        Some(pair) => Err(WrongOrder { outer: pair[0].name, inner: pair[1].name }),
        None => Ok(chain.iter().map(|link| link.name).collect()),
    }
}
