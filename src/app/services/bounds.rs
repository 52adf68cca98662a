//! Owns the rows of the services in the catalogue of bounds, and the memory that they may keep.
//!
//! Never: bounds anything itself.

use crate::app::services::ServicesConfig;
use crate::app::services::domain::{CENTS_MAX, Invoice, Item, TEXT_CHARS_MAX};
use crate::app::services::issuer::FETCH_TIME;
use crate::app::services::verifier::LEEWAY_SECONDS;
use crate::http::Fault;
use crate::http::bounds::{Amount, Bound, Part, Seen};
use crate::jwt::{JWKS_BYTES_MAX, JWKS_KEYS_MAX, LIFETIME_SECONDS_MAX, TOKEN_BYTES_MAX};

/// What is bounded.
pub(super) fn rows(config: &ServicesConfig) -> Vec<Bound> {
    let seconds = |seconds| Amount::Time(std::time::Duration::from_secs(seconds));
    vec![
        Bound::fixed("services_token_bytes_max", Amount::Bytes(TOKEN_BYTES_MAX as u64))
            .bounds("An access token")
            .larger("a forged token takes longer to be refused")
            .seen(Seen::Answer(Fault::InvalidToken)),
        Bound::fixed("services_token_lifetime_max", seconds(LIFETIME_SECONDS_MAX))
            .bounds("From the making of an access token to its expiry")
            .larger("a token that was stolen, or taken back, is good for longer")
            .seen(Seen::Answer(Fault::InvalidToken)),
        Bound::fixed("services_leeway", seconds(LEEWAY_SECONDS))
            .bounds("By which the issuer's clock may differ")
            .larger("an expired token is good for longer")
            .seen(Seen::Answer(Fault::InvalidToken)),
        Bound::fixed("services_keys_max", Amount::count(JWKS_KEYS_MAX))
            .bounds("Keys of the issuer")
            .larger("an issuer that has lost its way fills more memory")
            .seen(Seen::Nothing),
        Bound::fixed("services_keys_bytes_max", Amount::Bytes(JWKS_BYTES_MAX as u64))
            .bounds("The issuer's key set")
            .larger("more is read before it is refused")
            .seen(Seen::Nothing),
        Bound::fixed("services_keys_refresh", Amount::Time(config.keys.refresh))
            .bounds("From one fetch of the keys to the next")
            .larger("a key that was withdrawn is relied on for longer")
            .seen(Seen::Nothing),
        Bound::fixed("services_keys_retry", Amount::Time(config.keys.retry))
            .bounds("From a fetch that failed to the next")
            .larger("an issuer that comes back is noticed later")
            .seen(Seen::Nothing),
        Bound::fixed("services_keys_unknown", Amount::Time(config.keys.unknown))
            .bounds("Between two fetches because of unknown keys")
            .larger("a new key is learnt later")
            .seen(Seen::Nothing),
        Bound::fixed("services_keys_wait", Amount::Time(config.keys.wait))
            .bounds("For which a request waits for a fetch of keys")
            .larger("a slow issuer makes slow services")
            .seen(Seen::Answer(Fault::CredentialsUnverified)),
        Bound::fixed("services_keys_fetch_time", Amount::Time(FETCH_TIME))
            .bounds("For each of the two documents of a fetch")
            .larger("an issuer that hangs is noticed later")
            .seen(Seen::Nothing),
        Bound::fixed("services_keys_age_max", Amount::Time(config.keys.age_max))
            .bounds("The age of keys that are relied on while the issuer is away")
            .larger("keys that may have been withdrawn are relied on for longer")
            .seen(Seen::Answer(Fault::CredentialsUnverified)),
        Bound::fixed("services_content_bytes_max", Amount::Bytes(config.content_bytes_max))
            .bounds("Content of a request to a service")
            .larger("each request is read for longer")
            .seen(Seen::Answer(Fault::ContentTooLarge)),
        Bound::fixed("services_timeout", Amount::Time(config.timeout))
            .bounds("From a request to the head of its answer")
            .larger("a slow handler holds more requests")
            .seen(Seen::Answer(Fault::HandlerTimedOut)),
        Bound::fixed("services_entries_max", Amount::count(config.entries_max))
            .bounds("Items that are kept, and invoices; adding another one is answered 507")
            .larger("clients fill more memory, for as long as the process lives")
            .seen(Seen::Refused(507)),
        Bound::fixed("services_text_chars_max", Amount::count(TEXT_CHARS_MAX))
            .bounds("Characters of a name, a customer or a text")
            .larger("each entry takes more memory; four bytes a character")
            .seen(Seen::Refused(422)),
        Bound::fixed("services_cents_max", Amount::Count(CENTS_MAX))
            .bounds("The largest price")
            .larger("a slip of the keyboard costs more")
            .seen(Seen::Refused(422)),
    ]
}

/// What the services may keep.
pub(super) fn kept(config: &ServicesConfig) -> Vec<Part> {
    // A node of a B-tree is at least a third full; each entry has its number beside it.
    let places = 3 * (size_of::<Item>() + size_of::<Invoice>() + 2 * size_of::<u64>()) as u64;
    let texts = 3 * 4 * TEXT_CHARS_MAX as u64;
    vec![
        Part::of_process(
            "services: entries",
            "services_entries_max items and as many invoices, of the longest texts",
            (config.entries_max as u64).saturating_mul(places + texts),
        ),
        Part::of_process(
            "services: keys",
            "services_keys_bytes_max, the set before and the next one",
            2 * JWKS_BYTES_MAX as u64,
        ),
    ]
}
