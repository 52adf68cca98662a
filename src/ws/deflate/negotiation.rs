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

#[cfg(test)]
mod tests {
    use super::*;

    const KIB: usize = 1024;

    fn without() -> Compression {
        Compression::default()
    }

    fn with(memory_bytes_max: usize) -> Compression {
        Compression { context_takeover: true, memory_bytes_max, ..Compression::default() }
    }

    #[test]
    fn an_offer_is_answered_with_what_fits_the_memory() {
        fn check(config: &Compression, offer: &str, expected: &str) {
            let answer = accept([offer], config).map(|params| params.to_string());
            assert_eq!(answer.as_deref(), Some(expected), "{offer}");
            // The answer is understood as what was meant.
            let extension = elements(expected).next().flatten().expect("one element");
            assert_eq!(Offer::parse(&extension).and_then(|offer| offer.as_answer()), accept([offer], config));
        }
        let neither = "permessage-deflate; server_no_context_takeover; client_no_context_takeover";
        for (offer, limits) in [
            ("permessage-deflate", ""),
            ("permessage-deflate; client_max_window_bits", ""),
            ("permessage-deflate; client_max_window_bits=9", "; client_max_window_bits=9"),
            ("permessage-deflate; server_max_window_bits=9", "; server_max_window_bits=9"),
            ("permessage-deflate; server_max_window_bits=8", "; server_max_window_bits=8"),
            ("permessage-deflate; server_max_window_bits=15", "; server_max_window_bits=15"),
            ("permessage-deflate; server_max_window_bits=\"10\"", "; server_max_window_bits=10"),
            ("permessage-deflate;server_no_context_takeover;client_no_context_takeover", ""),
        ] {
            check(&without(), offer, &format!("{neither}{limits}"));
            // Not even the smallest window fits.
            check(&with(511), offer, &format!("{neither}{limits}"));
        }
        let offered = "permessage-deflate; client_max_window_bits";
        check(&with(64 * KIB), offered, "permessage-deflate; client_max_window_bits=15");
        check(&with(64 * KIB - 1), offered, "permessage-deflate; client_max_window_bits=14");
        check(&with(512), offered, "permessage-deflate; client_max_window_bits=8");
        let both = "permessage-deflate; server_max_window_bits=13; client_max_window_bits=11";
        check(&with(8 * KIB), both, "permessage-deflate; server_max_window_bits=12; client_max_window_bits=11");
        check(&with(64 * KIB), both, both);
        // A client that cannot be limited keeps nothing, so neither do we.
        check(&with(64 * KIB), "permessage-deflate", "permessage-deflate");
        check(&with(32 * KIB), "permessage-deflate", "permessage-deflate; client_no_context_takeover");
        let asked = "permessage-deflate; server_no_context_takeover; client_max_window_bits";
        check(&with(64 * KIB), asked, &format!("{asked}=15"));
        let narrow = Compression { window_bits: 10, ..with(64 * KIB) };
        check(&narrow, both, "permessage-deflate; server_max_window_bits=10; client_max_window_bits=10");
    }

    #[test]
    fn an_offer_that_is_not_valid_is_passed_over() {
        let valid = "permessage-deflate; server_max_window_bits=11";
        for offer in [
            "x-webkit-deflate-frame",
            "Permessage-Deflate",
            "permessage-deflate; unknown",
            "permessage-deflate; unknown=1",
            "permessage-deflate; Server_no_context_takeover",
            "permessage-deflate; server_no_context_takeover=1",
            "permessage-deflate; server_no_context_takeover=true",
            "permessage-deflate; client_no_context_takeover=\"\"",
            "permessage-deflate; server_no_context_takeover; server_no_context_takeover",
            "permessage-deflate; client_no_context_takeover; client_no_context_takeover",
            "permessage-deflate; server_max_window_bits",
            "permessage-deflate; server_max_window_bits=",
            "permessage-deflate; server_max_window_bits=7",
            "permessage-deflate; server_max_window_bits=16",
            "permessage-deflate; server_max_window_bits=010",
            "permessage-deflate; server_max_window_bits=+9",
            "permessage-deflate; server_max_window_bits=-9",
            "permessage-deflate; server_max_window_bits=9.0",
            "permessage-deflate; server_max_window_bits=0x9",
            "permessage-deflate; server_max_window_bits=256",
            "permessage-deflate; server_max_window_bits=99999999999999999999",
            "permessage-deflate; server_max_window_bits=ten",
            "permessage-deflate; server_max_window_bits=\"1 0\"",
            "permessage-deflate; server_max_window_bits=10; server_max_window_bits=10",
            "permessage-deflate; client_max_window_bits=7",
            "permessage-deflate; client_max_window_bits=16",
            "permessage-deflate; client_max_window_bits; client_max_window_bits",
            "permessage-deflate; client_max_window_bits; client_max_window_bits=10",
            "permessage-deflate client_max_window_bits",
            "permessage-deflate;",
            "permessage-deflate=1",
        ] {
            assert_eq!(accept([offer], &without()), None, "{offer}");
            let limit = |values: &[&str]| accept(values.iter().copied(), &without())?.server_max_window_bits;
            assert_eq!(limit(&[offer, valid]), Some(11), "{offer}, on two lines");
            assert_eq!(limit(&[&format!("{offer}, {valid}")]), Some(11), "{offer}, on one line");
            assert_eq!(limit(&[&format!("{valid}, {offer}")]), Some(11), "{offer}, behind");
        }
        assert_eq!(accept([], &without()), None);
        assert_eq!(accept([""], &without()), None);
    }

    #[test]
    fn the_first_offer_that_can_be_met_is_accepted() {
        let limit = |values: &[&str]| accept(values.iter().copied(), &without())?.server_max_window_bits;
        let offers = ["permessage-deflate; server_max_window_bits=9", "permessage-deflate; server_max_window_bits=10"];
        assert_eq!(limit(&offers), Some(9));
        assert_eq!(limit(&["x-other; a, x-more", &offers.join(",")]), Some(9));
    }

    #[test]
    fn a_client_offers_what_fits_and_what_every_server_can_meet() {
        let without_takeover =
            "permessage-deflate; server_no_context_takeover; client_no_context_takeover; client_max_window_bits";
        assert_eq!(offer(&without()), without_takeover);
        assert_eq!(offer(&with(0)), without_takeover);
        let fallback = "permessage-deflate; server_no_context_takeover; client_max_window_bits";
        assert_eq!(
            offer(&with(8 * KIB)),
            format!("permessage-deflate; server_max_window_bits=12; client_max_window_bits, {fallback}")
        );
        assert_eq!(offer(&with(64 * KIB)), format!("permessage-deflate; client_max_window_bits, {fallback}"));
    }

    #[test]
    fn an_answer_holds_what_was_offered_or_fails_the_connection() {
        fn check(config: &Compression, answer: &str, expected: Result<(), Disagreement>) {
            assert_eq!(agreed([answer], config).map(drop), expected, "{answer}");
        }
        use Disagreement::{Extension, Malformed, NotOffered, Parameter};
        let neither = "permessage-deflate; server_no_context_takeover";
        assert_eq!(agreed([], &without()), Ok(None));
        assert_eq!(agreed([" , "], &without()), Ok(None));
        for (answer, expected) in [
            (neither.to_owned(), Ok(())),
            (format!("{neither}; client_no_context_takeover"), Ok(())),
            (format!("{neither}; client_max_window_bits=8"), Ok(())),
            (format!("{neither}; server_max_window_bits=15"), Ok(())),
            ("permessage-deflate".to_owned(), Err(NotOffered)),
            ("permessage-deflate; client_no_context_takeover".to_owned(), Err(NotOffered)),
            (format!("{neither}; client_max_window_bits"), Err(Parameter)),
            (format!("{neither}; server_max_window_bits"), Err(Parameter)),
            (format!("{neither}; server_max_window_bits=7"), Err(Parameter)),
            (format!("{neither}; server_no_context_takeover"), Err(Parameter)),
            (format!("{neither}; unknown"), Err(Parameter)),
            (format!("{neither}, {neither}"), Err(Extension)),
            (format!("{neither}, x-other"), Err(Extension)),
            (format!("x-other, {neither}"), Err(Extension)),
            (format!("{neither}, ;"), Err(Extension)),
            ("x-other".to_owned(), Err(Extension)),
            ("permessage-deflate;".to_owned(), Err(Malformed)),
        ] {
            check(&without(), &answer, expected);
        }
        check(&with(8 * KIB), "permessage-deflate; server_max_window_bits=12", Ok(()));
        check(&with(8 * KIB), "permessage-deflate; server_max_window_bits=9; client_max_window_bits=10", Ok(()));
        check(&with(8 * KIB), neither, Ok(()));
        check(&with(8 * KIB), "permessage-deflate", Err(NotOffered));
        check(&with(8 * KIB), "permessage-deflate; server_max_window_bits=13", Err(NotOffered));
        check(&with(64 * KIB), "permessage-deflate", Ok(()));
        // Two lines are one list.
        assert_eq!(agreed([neither, neither], &without()), Err(Extension));
        let other = Offer { client_max_window_bits: None, ..Offer::default() };
        assert!(!meets(&Params { client_max_window_bits: Some(10), ..Params::default() }, &other), "never offered");
    }

    #[test]
    fn client_and_server_agree_whatever_their_memory() {
        let configs = [without(), with(0), with(512), with(8 * KIB), with(64 * KIB)];
        for client in &configs {
            for server in &configs {
                let params = accept([offer(client).as_str()], server).expect("an answer");
                assert_eq!(agreed([params.to_string().as_str()], client), Ok(Some(params)), "{client:?} {server:?}");
            }
        }
    }
}
