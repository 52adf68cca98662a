//! Owns the rows of this application in the catalogue of bounds, and the memory that it may keep.

use super::WebhooksConfig;
use super::domain::event::{PATTERNS_MAX, TYPE_CHARS_MAX};
use super::domain::url::URL_BYTES_MAX;
use super::monitor::CHANGES_MAX;
use super::store::Store;
use crate::http::Fault;
use crate::http::bounds::{Amount, Bound, Part, Seen};

/// What a change takes that a watcher may be behind.
const CHANGE_BYTES: u64 = 1024 + URL_BYTES_MAX as u64;

/// What the application bounds for itself.
pub(super) fn rows(config: &WebhooksConfig) -> Vec<Bound> {
    let WebhooksConfig { store, backoff, .. } = config;
    vec![
        Bound::fixed("webhooks_workers", Amount::count(config.workers))
            .bounds("Attempts at a time, to all endpoints together")
            .larger("more connections, and more of the machine, are taken by what nobody waits for")
            .seen(Seen::Waits),
        Bound::fixed("webhooks_at_host_max", Amount::count(config.at_host_max))
            .bounds("Attempts at a time at one host and port, by all nodes together")
            .larger("one slow host takes more of the workers, and one that is weak more at once")
            .seen(Seen::Waits),
        Bound::fixed("webhooks_try_time", Amount::Time(config.try_time))
            .bounds("One attempt, from the look-up of its host to the head of the answer")
            .larger("a receiver that hangs holds a worker for longer")
            .seen(Seen::Close),
        Bound::fixed("webhooks_answer_bytes_max", Amount::Bytes(config.answer_bytes_max))
            .bounds("Content of a receiver's answer that is read, to use its connection again")
            .larger("more is read that nobody looks at")
            .seen(Seen::Close),
        Bound::fixed("webhooks_tries_max", Amount::Count(backoff.tries_max.into()))
            .bounds("Attempts of a delivery, before it is given up")
            .larger("what will never go well is tried for longer")
            .seen(Seen::Nothing),
        Bound::fixed("webhooks_retry_after_max", Amount::Time(backoff.retry_after_max))
            .bounds("The wait that a receiver may ask for")
            .larger("a receiver can put off its deliveries for longer")
            .seen(Seen::Nothing),
        Bound::fixed("webhooks_failing_max", Amount::Time(config.failing_max))
            .bounds("How long an endpoint may fail at every attempt, before it is disabled")
            .larger("endpoints that nobody has any more take workers for longer")
            .seen(Seen::Nothing),
        Bound::fixed("webhooks_lease", Amount::Time(config.lease))
            .bounds("How long a delivery is one node's; longer than an attempt")
            .larger("what a node that died was at waits for longer")
            .seen(Seen::Waits),
        Bound::fixed("webhooks_drain", Amount::Time(config.drain))
            .bounds("From the signal on, for what is at work; in memory for all that is due")
            .larger("the process ends later")
            .seen(Seen::Nothing),
        Bound::fixed("webhooks_endpoints_max", Amount::count(store.endpoints_max))
            .bounds("Endpoints; registering another one is answered 507")
            .larger("one event makes more requests")
            .seen(Seen::Refused(507)),
        Bound::fixed("webhooks_pending_max", Amount::count(store.pending_max))
            .bounds("Deliveries that are pending; an event that would make more is answered 503")
            .larger("what waits takes more memory, and waits for longer")
            .seen(Seen::Refused(503)),
        Bound::fixed("webhooks_pending_at_endpoint_max", Amount::count(store.pending_at_endpoint_max))
            .bounds("Deliveries that are pending at one endpoint; more are given up, untried, there alone")
            .larger("one endpoint that is slow or away takes more of the room of all")
            .seen(Seen::Nothing),
        Bound::fixed("webhooks_messages_max", Amount::count(store.messages_max))
            .bounds("Messages that are kept in memory; the oldest that is finished makes room")
            .larger("they take more memory")
            .seen(Seen::Nothing),
        Bound::fixed("webhooks_content_bytes_max", Amount::Bytes(config.content_bytes_max))
            .bounds("Content of a request")
            .larger("each message that is kept takes more, and is sent to each endpoint")
            .seen(Seen::Answer(Fault::ContentTooLarge)),
        Bound::fixed("webhooks_timeout", Amount::Time(config.timeout))
            .bounds("From a request to the head of its answer")
            .larger("a slow store holds more requests")
            .seen(Seen::Answer(Fault::HandlerTimedOut)),
        Bound::fixed("webhooks_look_time", Amount::Time(config.look_time))
            .bounds("The look-up of a host that is being registered")
            .larger("a slow resolver holds more requests")
            .seen(Seen::Refused(422)),
        Bound::fixed("webhooks_lookups_max", Amount::count(config.lookups_max))
            .bounds("Hosts that are being registered and looked up; another one is answered 503")
            .larger("names whose servers are silent hold more threads")
            .seen(Seen::Refused(503)),
        Bound::fixed("webhooks_watchers_max", Amount::count(config.watchers_max))
            .bounds("Readers of the live page; another one is answered 503")
            .larger("each is told of each attempt")
            .seen(Seen::Refused(503)),
        Bound::fixed("webhooks_url_bytes_max", Amount::count(URL_BYTES_MAX))
            .bounds("The URL of an endpoint")
            .larger("each endpoint takes more memory")
            .seen(Seen::Refused(422)),
        Bound::fixed("webhooks_patterns_max", Amount::count(PATTERNS_MAX))
            .bounds("Patterns of an endpoint's events")
            .larger("each event is compared with more of them")
            .seen(Seen::Refused(422)),
        Bound::fixed("webhooks_type_chars_max", Amount::count(TYPE_CHARS_MAX))
            .bounds("The type of an event")
            .larger("it takes more memory")
            .seen(Seen::Refused(422)),
    ]
}

/// What the application may keep. `is_memory`: without a database.
pub(super) fn kept(config: &WebhooksConfig, is_memory: bool) -> Vec<Part> {
    let live = Part::of_process(
        "webhooks: what watchers are behind",
        "changes that are not read yet, once for all of them",
        CHANGES_MAX as u64 * CHANGE_BYTES,
    );
    let answers = Part::of_process(
        "webhooks: answers",
        "webhooks_workers, each with webhooks_answer_bytes_max and a message",
        config.workers as u64 * (config.answer_bytes_max + config.payload_bytes_max() + 64 * 1024),
    );
    let store = Part::of_process(
        "webhooks: endpoints, messages, deliveries",
        "as many of each as may be, the longest, with the longest logs",
        Store::bytes_max(&config.store, config.payload_bytes_max()),
    );
    if is_memory { vec![live, answers, store] } else { vec![live, answers] }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::app::webhooks::store::Bounds;

    #[test]
    fn memory_rises_with_what_is_counted_and_kept() {
        let sum =
            |config: &WebhooksConfig| kept(config, true).iter().map(|part| part.bytes.expect("counted")).sum::<u64>();
        let base = sum(&WebhooksConfig::default());
        for config in [
            WebhooksConfig { workers: 20, ..WebhooksConfig::default() },
            WebhooksConfig { content_bytes_max: 1 << 20, ..WebhooksConfig::default() },
            WebhooksConfig { store: Bounds { pending_max: 20_000, ..Bounds::default() }, ..WebhooksConfig::default() },
            WebhooksConfig { store: Bounds { endpoints_max: 2_000, ..Bounds::default() }, ..WebhooksConfig::default() },
        ] {
            assert!(sum(&config) > base);
        }
    }
}
