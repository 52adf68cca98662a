//! Owns the rows of the accounts in the catalogue of bounds, and the memory that they may keep.
//!
//! Never: bounds anything itself.

use crate::app::accounts::domain::{NAME_CHARS, PASSWORD_BYTES};
use crate::app::accounts::store::Store;
use crate::app::accounts::throttle::{Quota, Throttle, ThrottleConfig};
use crate::app::accounts::{ACCOUNTS_MAX, AccountsConfig};
use crate::http::bounds::{Amount, Bound, Part, Seen};

/// What is bounded.
pub(super) fn rows(config: &AccountsConfig, throttle: &ThrottleConfig) -> Vec<Bound> {
    let quota = |name: [&'static str; 2], quota: Quota, bounds: &'static str, larger: &'static str| {
        [
            Bound::fixed(name[0], Amount::Count(quota.burst.into()))
                .bounds(bounds)
                .larger(larger)
                .seen(Seen::Refused(429)),
            Bound::fixed(name[1], Amount::Time(quota.interval))
                .bounds("Until another one of the row before is let through")
                .larger("who has used up the quota waits longer, and is remembered longer")
                .seen(Seen::Refused(429)),
        ]
    };
    let mut rows = vec![
        Bound::fixed("accounts_name_chars_max", Amount::count(*NAME_CHARS.end()))
            .bounds("Characters of an account's name")
            .larger("names take more memory and do not fit into a line")
            .seen(Seen::Refused(422)),
        Bound::fixed("accounts_password_bytes_max", Amount::Bytes(*PASSWORD_BYTES.end() as u64))
            .bounds("Bytes of a password")
            .larger("bcrypt would not read the rest: two passwords would be one")
            .seen(Seen::Refused(422)),
        Bound::fixed("accounts_hashes_max", Amount::count(config.hashes_max))
            .bounds("Passwords that are hashed at a time, on threads that give way to all others")
            .larger("no more is done in a second than the cores can")
            .seen(Seen::Nothing),
        Bound::fixed("accounts_waiting_hashes_max", Amount::count(config.waiting_hashes_max))
            .bounds("Passwords that wait to be hashed")
            .larger("a flood of logins makes each of them wait longer before it is told no")
            .seen(Seen::Refused(503)),
        Bound::fixed("accounts_network_hashes_max", Amount::count(config.network_hashes_max()))
            .bounds("Those of one network, an IPv4 address or a /64, at work or waiting: a quarter of both")
            .larger("fewer networks are enough to keep everybody else from logging in")
            .seen(Seen::Refused(503)),
        Bound::fixed("accounts_in_memory_max", Amount::count(ACCOUNTS_MAX))
            .bounds("Accounts that are kept in memory; a database has no such bound")
            .larger("clients fill more memory, for as long as the process lives")
            .seen(Seen::Refused(507)),
        Bound::fixed("accounts_throttled_max", Amount::count(throttle.entries_max))
            .bounds("Names and addresses whose failures are counted in memory; the soonest forgotten go first")
            .larger("a crowd of names and addresses takes more memory")
            .seen(Seen::Nothing),
    ];
    rows.extend(quota(
        ["accounts_name_failures_max", "accounts_name_failures_interval"],
        throttle.name,
        "Passwords that may be wrong for one name",
        "a password is guessed sooner",
    ));
    rows.extend(quota(
        ["accounts_address_failures_max", "accounts_address_failures_interval"],
        throttle.address,
        "Passwords that may be wrong from one address",
        "one address tries more accounts",
    ));
    rows.extend(quota(
        ["accounts_registrations_max", "accounts_registrations_interval"],
        throttle.registration,
        "Registrations that one address may try",
        "one address fills the store, and asks for more names whether they are taken",
    ));
    rows
}

/// What may be kept.
pub(super) fn kept(throttle: &ThrottleConfig) -> Vec<Part> {
    vec![
        Part::of_process(
            "accounts",
            "accounts_in_memory_max with the longest names, twice in their tables, which double as they grow",
            Store::bytes_max(ACCOUNTS_MAX),
        ),
        Part::of_process(
            "accounts: failures",
            "accounts_throttled_max keys, each in two tables, which double as they grow",
            Throttle::bytes_max(throttle.entries_max),
        ),
    ]
}
