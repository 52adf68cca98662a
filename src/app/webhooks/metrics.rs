//! Owns what is counted of webhooks.
//!
//! Never: has a label that a client chooses: hosts and event types are theirs.

use std::time::Duration;

use prometheus_client::encoding::EncodeLabelSet;
use prometheus_client::metrics::counter::Counter;
use prometheus_client::metrics::family::Family;
use prometheus_client::metrics::gauge::Gauge;
use prometheus_client::metrics::histogram::Histogram;
use prometheus_client::registry::{Registry, Unit};

use crate::app::webhooks::domain::retry::Verdict;
use crate::app::webhooks::store::Backlog;

/// Seconds: from a receiver next door to one that is given up.
const BUCKETS: [f64; 12] = [0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0, 15.0];

/// Names are the program's.
#[derive(Clone, Debug, PartialEq, Eq, Hash, EncodeLabelSet)]
struct ByOutcome {
    outcome: &'static str,
}

#[derive(Clone, Debug, PartialEq, Eq, Hash, EncodeLabelSet)]
struct ByState {
    state: &'static str,
}

#[derive(Clone)]
pub(super) struct Metrics {
    pub(super) events: Counter,
    pub(super) overflowed: Counter,
    attempts: Family<ByOutcome, Counter>,
    durations: Histogram,
    pending: Gauge,
    at_work: Gauge,
    oldest: Gauge,
    circuits: Family<ByState, Gauge>,
    pub(super) endpoints_disabled: Counter,
}

impl Metrics {
    pub(super) fn new() -> Metrics {
        Metrics {
            events: Counter::default(),
            overflowed: Counter::default(),
            attempts: Family::default(),
            durations: Histogram::new(BUCKETS),
            pending: Gauge::default(),
            at_work: Gauge::default(),
            oldest: Gauge::default(),
            circuits: Family::default(),
            endpoints_disabled: Counter::default(),
        }
    }

    pub(super) fn attempted(&self, verdict: Verdict, took: Duration) {
        let outcome = match verdict {
            Verdict::Delivered => "delivered",
            Verdict::Again(_) => "retried",
            Verdict::GivenUp => "given_up",
            Verdict::Gone => "gone",
        };
        self.attempts.get_or_create(&ByOutcome { outcome }).inc();
        self.durations.observe(took.as_secs_f64());
    }

    pub(super) fn look(&self, backlog: &Backlog, open: usize, half_open: usize) {
        let count = |number: u64| i64::try_from(number).unwrap_or(i64::MAX);
        self.pending.set(count(backlog.pending));
        self.at_work.set(count(backlog.at_work));
        self.oldest.set(count(backlog.oldest.as_secs()));
        for (state, number) in [("open", open), ("half_open", half_open)] {
            self.circuits.get_or_create(&ByState { state }).set(count(number as u64));
        }
    }

    pub(super) fn register(&self, registry: &mut Registry) {
        let webhooks = registry.sub_registry_with_prefix("webhooks");
        webhooks.register("events", "Events that were taken", self.events.clone());
        let about = "Deliveries that were given up untried, since as many as may be were pending at their endpoint";
        webhooks.register("overflowed", about, self.overflowed.clone());
        webhooks.register("attempts", "Attempts to deliver, by what came of them", self.attempts.clone());
        let about = "From the beginning of an attempt to the head of its answer";
        webhooks.register_with_unit("attempt_duration", about, Unit::Seconds, self.durations.clone());
        webhooks.register("deliveries_pending", "Deliveries that are pending, at all nodes", self.pending.clone());
        webhooks.register("deliveries_at_work", "Deliveries that are at work, at all nodes", self.at_work.clone());
        let about = "How long the first of the pending deliveries has been due";
        webhooks.register_with_unit("delivery_oldest_age", about, Unit::Seconds, self.oldest.clone());
        webhooks.register("circuits", "Hosts that are left alone, or probed", self.circuits.clone());
        let about = "Endpoints that were disabled because they are gone or have failed for too long";
        webhooks.register("endpoints_disabled", about, self.endpoints_disabled.clone());
    }
}
