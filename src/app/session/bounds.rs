//! Owns the rows of this application in the catalogue of bounds, and the memory that it may keep.
//!
//! Never: bounds anything itself.

use crate::app::session::SessionConfig;
use crate::app::session::domain::DEVICE_CHARS_MAX;
use crate::app::session::store::Store;
use crate::http::Fault;
use crate::http::bounds::{Amount, Bound, Part, Seen};
use crate::http::cookie::{COOKIES_BYTES_MAX, COOKIES_MAX};

/// What the application bounds for itself.
pub(super) fn rows(config: &SessionConfig) -> Vec<Bound> {
    let lifetime = &config.lifetime;
    vec![
        Bound::fixed("session_idle", Amount::Time(lifetime.idle))
            .bounds("A session without a use")
            .larger("who finds a browser that was left open has longer")
            .seen(Seen::Refused(401)),
        Bound::fixed("session_absolute", Amount::Time(lifetime.absolute))
            .bounds("A session, however it is used")
            .larger("who has stolen a token keeps it for longer")
            .seen(Seen::Refused(401)),
        Bound::fixed("session_touch", Amount::Time(lifetime.touch))
            .bounds("Between two uses that are written down")
            .larger("fewer writes, and a session that ends as much earlier than session_idle says")
            .seen(Seen::Nothing),
        Bound::fixed("session_per_account_max", Amount::count(lifetime.per_account_max))
            .bounds("Sessions of one account; the oldest ends when another is opened")
            .larger("an account takes more of the store, and its list gets longer")
            .seen(Seen::Nothing),
        Bound::fixed("session_in_memory_max", Amount::count(config.sessions_max))
            .bounds("Sessions that are kept in memory; Redis has its own bound")
            .larger("clients fill more memory")
            .seen(Seen::Nothing),
        Bound::fixed("session_content_bytes_max", Amount::Bytes(config.content_bytes_max))
            .bounds("Content of a request for sessions")
            .larger("each request is read for longer, for a form that is refused")
            .seen(Seen::Answer(Fault::ContentTooLarge)),
        Bound::fixed("session_timeout", Amount::Time(config.timeout))
            .bounds("From a request to the head of its answer")
            .larger("a flood of logins holds more requests")
            .seen(Seen::Answer(Fault::HandlerTimedOut)),
        Bound::fixed("session_device_chars_max", Amount::count(DEVICE_CHARS_MAX))
            .bounds("Characters of what a client calls itself")
            .larger("each session takes more memory")
            .seen(Seen::Shortened),
        Bound::fixed("session_cookies_max", Amount::count(COOKIES_MAX))
            .bounds("Cookies of one request that are looked at")
            .larger("each request is read for longer")
            .seen(Seen::Refused(400)),
        Bound::fixed("session_cookies_bytes_max", Amount::Bytes(COOKIES_BYTES_MAX as u64))
            .bounds("Bytes of all of them")
            .larger("each request is read for longer")
            .seen(Seen::Refused(400)),
    ]
}

/// What the application may keep.
pub(super) fn kept(config: &SessionConfig) -> Vec<Part> {
    vec![Part::of_process(
        "sessions",
        "session_in_memory_max, each of an account of its own; their tables double as they grow",
        Store::bytes_max(config.sessions_max),
    )]
}
