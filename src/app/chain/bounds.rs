//! Owns the rows of this application in the catalogue of bounds, and the memory that it may keep.
//!
//! The one idea: a row reads its value where the chain reads it, in [`ChainConfig`] and in the domain.
//!
//! Never: bounds anything itself; counts how often a bound was met: the envelope words these refusals, and the log has them.

use crate::app::chain::ChainConfig;
use crate::app::chain::domain::{AUTHOR_CHARS_MAX, PAGE_QUOTES_MAX, SOURCE_CHARS_MAX, TEXT_CHARS_MAX};
use crate::app::chain::memory::MemoryStore;
use crate::http::Fault;
use crate::http::bounds::{Amount, Bound, Part, Seen};

/// What the application bounds for itself.
pub(super) fn rows(config: &ChainConfig) -> Vec<Bound> {
    const QUOTE: &str = "each quote takes more memory; four bytes a character";
    vec![
        Bound::fixed("chain_requests_max", Amount::Count(config.requests_max.into()))
            .bounds("Requests that one address is served in any span of chain_window")
            .larger("one client takes more of the application, and four bytes more of memory for each")
            .seen(Seen::Answer(Fault::RateLimited)),
        Bound::fixed("chain_window", Amount::Time(config.window))
            .bounds("The span in which requests of an address are counted")
            .larger("who has used up the quota waits longer, and is remembered longer")
            .seen(Seen::Answer(Fault::RateLimited)),
        Bound::fixed("chain_addresses_max", Amount::count(config.addresses_max))
            .bounds("Addresses that are counted at a time; newcomers are refused while none of them is idle")
            .larger("a crowd of addresses takes more memory")
            .seen(Seen::Answer(Fault::TooManyAddresses)),
        Bound::fixed("chain_content_bytes_max", Amount::Bytes(config.content_bytes_max))
            .bounds("Content of a request for quotes")
            .larger("each request is read for longer, for a quote that is refused")
            .seen(Seen::Answer(Fault::ContentTooLarge)),
        Bound::fixed("chain_timeout", Amount::Time(config.timeout))
            .bounds("From a request to the head of its answer")
            .larger("a slow store holds more requests")
            .seen(Seen::Answer(Fault::HandlerTimedOut)),
        Bound::fixed("chain_quotes_max", Amount::count(config.quotes_max))
            .bounds("Quotes that are kept; adding another one is answered 507")
            .larger("clients fill more memory, for as long as the process lives")
            .seen(Seen::Refused(507)),
        Bound::fixed("chain_text_chars_max", Amount::count(TEXT_CHARS_MAX))
            .bounds("Characters of a quote's text")
            .larger(QUOTE)
            .seen(Seen::Refused(422)),
        Bound::fixed("chain_author_chars_max", Amount::count(AUTHOR_CHARS_MAX))
            .bounds("Characters of an author's name")
            .larger(QUOTE)
            .seen(Seen::Refused(422)),
        Bound::fixed("chain_source_chars_max", Amount::count(SOURCE_CHARS_MAX))
            .bounds("Characters of a quote's source")
            .larger(QUOTE)
            .seen(Seen::Refused(422)),
        Bound::fixed("chain_page_quotes_max", Amount::Count(PAGE_QUOTES_MAX.into()))
            .bounds("Quotes on one page")
            .larger("one answer holds more of them")
            .seen(Seen::Refused(400)),
    ]
}

/// What the application may keep.
pub(super) fn kept(config: &ChainConfig) -> Vec<Part> {
    vec![
        Part::of_process(
            "chain: addresses",
            "chain_addresses_max, each with chain_requests_max used up",
            config.rate_limit().bytes_held_max(),
        ),
        Part::of_process(
            "chain: quotes",
            "chain_quotes_max of the longest, four bytes a character; their list doubles as it grows",
            MemoryStore::bytes_max(config.quotes_max),
        ),
    ]
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn memory_rises_with_what_is_counted_and_kept() {
        let kept = |config: ChainConfig| kept(&config).iter().map(|part| part.bytes.unwrap()).sum::<u64>();
        let base = kept(ChainConfig::default());
        for config in [
            ChainConfig { requests_max: 200, ..ChainConfig::default() },
            ChainConfig { addresses_max: 1 << 21, ..ChainConfig::default() },
            ChainConfig { quotes_max: 2_000, ..ChainConfig::default() },
        ] {
            assert!(kept(config.clone()) > base, "{config:?}");
        }
    }
}
