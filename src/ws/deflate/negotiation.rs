//! Owns the negotiation: which offer a server accepts and with what, what a client offers and which answers it takes.
//!
//! The one idea: memory decides. Without context takeover nothing is kept, so whatever is asked for can be had. With it, a
//! window for each direction has to fit into `memory_bytes_max`: the server's is the server's to choose, the client's can be
//! limited only where the client has said that it understands that; where not, it goes without context takeover, which
//! every client has to understand.
//!
//! Spec: RFC 7692 5 (offers in order of preference, the answer), 7 (what declines an offer, what fails the connection), 7.1.
//! Never: fails a connection for an offer; accepts an answer that was not offered.

use std::fmt;

use super::extension::{Extension, elements};
use super::parameters::{Offer, PERMESSAGE_DEFLATE, Params};
use super::{Compression, WINDOW_BITS};

/// The server's answer to the values of all Sec-WebSocket-Extensions lines, in the order received: the first offer that can
/// be met. `None`: there is none, and the connection goes without.
pub fn accept<'a>(offers: impl IntoIterator<Item = &'a str>, config: &Compression) -> Option<Params> {
    let extensions = offers.into_iter().flat_map(elements).flatten();
    extensions
        .filter(is_ours)
        .filter_map(|extension| Offer::parse(&extension))
        .map(|offer| answer(&offer, config))
        .next()
}

/// The answer to one offer.
fn answer(offer: &Offer, config: &Compression) -> Params {
    let takeover_bits = config.takeover_bits();
    let own_bits = takeover_bits.unwrap_or(config.window_bits).clamp(*WINDOW_BITS.start(), *WINDOW_BITS.end());
    // RFC 7692 7.1.2.2: a client that has not said so does not understand a limit.
    let client_bits = match (offer.client_max_window_bits, takeover_bits) {
        (Some(hint), Some(bits)) => Some(hint.unwrap_or(bits).min(bits)),
        (Some(hint), None) => hint,
        (None, _) => None,
    };
    let client_fits = takeover_bits.is_some_and(|bits| client_bits.unwrap_or(*WINDOW_BITS.end()) <= bits);
    Params {
        server_no_context_takeover: offer.server_no_context_takeover || takeover_bits.is_none(),
        // RFC 7692 7.1.1.2: a server may say so whether or not the client has.
        client_no_context_takeover: offer.client_no_context_takeover || !client_fits,
        // RFC 7692 7.1.2.1: accepted by the same or a smaller value. Who was not asked uses a smaller window in silence.
        server_max_window_bits: offer.server_max_window_bits.map(|bits| bits.min(own_bits)),
        client_max_window_bits: client_bits,
    }
}

/// What a client offers: the value of Sec-WebSocket-Extensions.
pub fn offer(config: &Compression) -> String {
    offers(config).map(|offer| offer.to_string()).collect::<Vec<_>>().join(", ")
}

/// In order of preference. RFC 7692 5.1: a server that cannot limit its window may have the second.
fn offers(config: &Compression) -> impl Iterator<Item = Offer> {
    let without = Offer {
        server_no_context_takeover: true,
        client_no_context_takeover: config.takeover_bits().is_none(),
        server_max_window_bits: None,
        client_max_window_bits: Some(None),
    };
    let with = config.takeover_bits().map(|bits| Offer {
        server_no_context_takeover: false,
        server_max_window_bits: (bits < *WINDOW_BITS.end()).then_some(bits),
        ..without
    });
    with.into_iter().chain([without])
}

/// Why a client fails the connection (RFC 7692 5.1, 7).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Disagreement {
    /// The answer is no list of extensions.
    Malformed,
    /// It has an extension that was not offered, or one twice.
    Extension,
    /// It has an unknown parameter, one twice, or one without a valid value.
    Parameter,
    /// It is valid, but answers no offer of ours.
    NotOffered,
}

impl fmt::Display for Disagreement {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Disagreement::Malformed => "Sec-WebSocket-Extensions is malformed (RFC 6455 9.1)",
            Disagreement::Extension => "the server has answered with an extension that was not offered (RFC 6455 4.1)",
            Disagreement::Parameter => {
                "a parameter of permessage-deflate is unknown, repeated or ill-valued (RFC 7692 7)"
            }
            Disagreement::NotOffered => "the server has agreed to what was not offered (RFC 7692 7.1)",
        })
    }
}

impl std::error::Error for Disagreement {}

/// The client's check of the server's answer: the values of all its Sec-WebSocket-Extensions lines. `None`: the server has
/// declined.
///
/// # Errors
/// Why the connection has to be failed.
pub fn agreed<'a>(
    answers: impl IntoIterator<Item = &'a str>,
    config: &Compression,
) -> Result<Option<Params>, Disagreement> {
    let mut extensions = answers.into_iter().flat_map(elements);
    let Some(extension) = extensions.next() else { return Ok(None) };
    let extension = extension.ok_or(Disagreement::Malformed)?;
    if !is_ours(&extension) || extensions.next().is_some() {
        return Err(Disagreement::Extension);
    }
    let answer = Offer::parse(&extension).and_then(|answer| answer.as_answer()).ok_or(Disagreement::Parameter)?;
    let is_met = offers(config).any(|offer| meets(&answer, &offer));
    if is_met { Ok(Some(answer)) } else { Err(Disagreement::NotOffered) }
}

/// Whether a server that gives this answer has met the offer.
fn meets(answer: &Params, offer: &Offer) -> bool {
    let takeover = answer.server_no_context_takeover || !offer.server_no_context_takeover;
    // RFC 7692 7.1.2.1: a limit that was asked for has to be there, the same or smaller.
    let server_bits =
        offer.server_max_window_bits.is_none_or(|most| answer.server_max_window_bits.is_some_and(|bits| bits <= most));
    // RFC 7692 7.1.2.2: never, unless the offer has it.
    let client_bits = answer.client_max_window_bits.is_none() || offer.client_max_window_bits.is_some();
    takeover && server_bits && client_bits
}

fn is_ours(extension: &Extension<'_>) -> bool {
    extension.name == PERMESSAGE_DEFLATE
}
