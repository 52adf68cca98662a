//! Owns the rows of this application in the catalogue of bounds, and the memory that it may keep.
//!
//! Never: bounds anything itself.

use std::time::Duration;

use crate::app::accounts::throttle::Throttle;
use crate::app::identity::domain::keys::{KEYS_MAX, PUBLISH_SECONDS};
use crate::app::identity::domain::parameters::{PARAMETERS_MAX, VALUE_BYTES_MAX};
use crate::app::identity::keyring::STALE_TIME;
use crate::app::identity::store::FAMILY_BYTES_MAX;
use crate::app::identity::{CONTENT_BYTES_MAX, FAMILIES_MAX, GUESSERS_MAX, GUESSES, IdentityConfig, LEEWAY};
use crate::http::bounds::{Amount, Bound, Part, Seen};

/// A key in its forms: as it is kept, as it signs and verifies, as it is published.
const KEY_BYTES_MAX: u64 = 16 * 1024;

/// What the application bounds for itself.
pub(super) fn rows(config: &IdentityConfig) -> Vec<Bound> {
    vec![
        Bound::fixed("identity_access_time", Amount::Time(config.access_time))
            .bounds("Life of an access token")
            .larger("what was taken back is believed for longer by who verifies offline")
            .seen(Seen::Refused(401)),
        Bound::fixed("identity_refresh_time", Amount::Time(config.refresh_time))
            .bounds("From a login to its end, whatever happens")
            .larger("a copied token that nobody misses is good for longer")
            .seen(Seen::Refused(400)),
        Bound::fixed("identity_refresh_idle_time", Amount::Time(config.refresh_idle_time))
            .bounds("From one use of a login to its end")
            .larger("what was forgotten somewhere is good for longer")
            .seen(Seen::Refused(400)),
        Bound::fixed("identity_grace", Amount::Time(config.grace))
            .bounds("In which a spent refresh token gives the same successor once more")
            .larger("a thief has longer to use a token that was just spent")
            .seen(Seen::Refused(400)),
        Bound::fixed("identity_leeway", Amount::Time(LEEWAY))
            .bounds("By which clocks may differ")
            .larger("expired tokens are believed for longer")
            .seen(Seen::Nothing),
        Bound::fixed("identity_families_of_account_max", Amount::count(config.families_of_account_max))
            .bounds("Logins of one account that go on; the one that would end first gives way")
            .larger("one account takes more of the store")
            .seen(Seen::Refused(400)),
        Bound::fixed("identity_families_in_memory_max", Amount::count(FAMILIES_MAX))
            .bounds("Logins that are kept in memory; a database has no such bound")
            .larger("clients fill more memory")
            .seen(Seen::Refused(503)),
        Bound::fixed("identity_keys_max", Amount::count(KEYS_MAX))
            .bounds("Signing keys, retired ones too")
            .larger("a set of keys is longer to send and to look through")
            .seen(Seen::Refused(429)),
        Bound::fixed("identity_keys_publish_time", Amount::Time(Duration::from_secs(PUBLISH_SECONDS)))
            .bounds("In which a key is published before it signs")
            .larger("who rotates keys waits for longer from one time to the next")
            .seen(Seen::Refused(429)),
        Bound::fixed("identity_guesses_max", Amount::count(GUESSES.burst as usize))
            .bounds("Wrong secrets of a client from one address, before there is one a minute")
            .larger("secrets are guessed faster")
            .seen(Seen::Refused(429)),
        Bound::fixed("identity_guessers_max", Amount::count(GUESSERS_MAX))
            .bounds("Clients and addresses whose wrong secrets are counted; those are forgotten first that would be soonest")
            .larger("clients fill more memory")
            .seen(Seen::Nothing),
        Bound::fixed("identity_keys_stale_time", Amount::Time(STALE_TIME))
            .bounds("In which a node signs without seeing the store of keys")
            .larger("retired keys have to verify for longer")
            .seen(Seen::Refused(503)),
        Bound::fixed("identity_content_bytes_max", Amount::Bytes(CONTENT_BYTES_MAX))
            .bounds("Content of a request for a token")
            .larger("more is read of what is refused")
            .seen(Seen::Refused(413)),
        Bound::fixed("identity_parameters_max", Amount::count(PARAMETERS_MAX))
            .bounds("Parameters of a request, known and unknown")
            .larger("more is compared of what is refused")
            .seen(Seen::Refused(400)),
        Bound::fixed("identity_value_bytes_max", Amount::bytes(VALUE_BYTES_MAX))
            .bounds("Bytes of a parameter")
            .larger("longer tokens are looked at")
            .seen(Seen::Refused(400)),
    ]
}

/// What the application may keep.
pub(super) fn kept(in_memory: bool) -> Vec<Part> {
    let keys =
        Part::of_process("identity: keys", "identity_keys_max, in all their forms", KEYS_MAX as u64 * KEY_BYTES_MAX);
    let families = Part::of_process(
        "identity: families",
        "identity_families_in_memory_max, each with the longest names, in two tables",
        FAMILIES_MAX as u64 * FAMILY_BYTES_MAX,
    );
    let guesses =
        Part::of_process("identity: wrong secrets", "identity_guessers_max", Throttle::bytes_max(GUESSERS_MAX));
    if in_memory { vec![keys, guesses, families] } else { vec![keys, guesses] }
}
