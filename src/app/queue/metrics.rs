//! Owns what a queue and its workers show to whoever watches them.
//!
//! The one idea: kinds are labels, so their number is bounded: workers show those that they know, and the depth those of which
//! there is most; the others are `_OTHER` together.
//!
//! Never: asks the store when it is looked at: the depth is counted every ten seconds, whoever looks and however often.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::{Arc, Mutex, Weak};
use std::time::Duration;

use prometheus_client::collector::Collector;
use prometheus_client::encoding::{DescriptorEncoder, EncodeLabelSet, EncodeMetric};
use prometheus_client::metrics::counter::Counter;
use prometheus_client::metrics::family::Family;
use prometheus_client::metrics::gauge::ConstGauge;
use prometheus_client::metrics::histogram::Histogram;
use prometheus_client::registry::{Registry, Unit};
use tokio::time::sleep;

use crate::app::queue::Queue;
use crate::app::queue::domain::{Counted, Counts, KindName, State};
use crate::app::queue::store::{Moved, Outcome};
use crate::net::lock::lock;

/// Kinds that the depth names.
pub const KINDS_MAX: usize = 50;

/// Between two counts.
const COUNT_PERIOD: Duration = Duration::from_secs(10);

const OTHER: &str = "_OTHER";

/// Upper bounds of durations, in seconds: from a look into a cache to work of many minutes.
const BUCKETS: [f64; 12] = [0.001, 0.005, 0.025, 0.1, 0.25, 0.5, 1.0, 2.5, 10.0, 30.0, 120.0, 600.0];

#[derive(Clone, Debug, PartialEq, Eq, Hash, EncodeLabelSet)]
struct OfKind {
    kind: String,
}

#[derive(Clone, Debug, PartialEq, Eq, Hash, EncodeLabelSet)]
struct OfTry {
    kind: String,
    outcome: &'static str,
}

/// What the workers of a process have done. A clone is the same.
#[derive(Clone)]
pub(super) struct Tally {
    kinds: Arc<BTreeSet<KindName>>,
    tries: Family<OfTry, Counter>,
    durations: Family<OfKind, Histogram, fn() -> Histogram>,
    claims: Counter,
    claimed: Counter,
    rescued: Counter,
    promoted: Counter,
    fenced: Counter,
}

impl Tally {
    pub fn new<'a>(kinds: impl Iterator<Item = &'a KindName>) -> Tally {
        Tally {
            kinds: Arc::new(kinds.cloned().collect()),
            tries: Family::default(),
            durations: Family::new_with_constructor(|| Histogram::new(BUCKETS)),
            claims: Counter::default(),
            claimed: Counter::default(),
            rescued: Counter::default(),
            promoted: Counter::default(),
            fenced: Counter::default(),
        }
    }

    pub fn register(&self, registry: &mut Registry) {
        let Tally { kinds: _, tries, durations, claims, claimed, rescued, promoted, fenced } = self.clone();
        registry.register("jobs_tries", "Tries of jobs that have come to an end, by what came of them", tries);
        let help = "How long tries took";
        registry.register_with_unit("jobs_try_duration", help, Unit::Seconds, durations);
        registry.register("jobs_claims", "Times that workers have asked for jobs", claims);
        registry.register("jobs_claimed", "Jobs that workers were given", claimed);
        registry.register("jobs_rescued", "Jobs that were taken from workers that were lost", rescued);
        registry.register("jobs_promoted", "Jobs whose time has come", promoted);
        registry.register("jobs_fenced", "Tries that came to their end when another worker had the job", fenced);
    }

    pub fn claimed(&self, jobs: usize) {
        self.claims.inc();
        self.claimed.inc_by(jobs as u64);
    }

    pub fn moved(&self, moved: &Moved) {
        self.rescued.inc_by(moved.rescued);
        self.promoted.inc_by(moved.promoted);
    }

    pub fn fenced(&self) {
        self.fenced.inc();
    }

    pub fn tried(&self, kind: &KindName, outcome: &Outcome, took: Duration) {
        assert!(self.kinds.contains(kind), "no other kind is worked");
        let kind = kind.text().to_owned();
        let outcome = match outcome {
            Outcome::Completed(_) => "completed",
            Outcome::Again { .. } => "failed",
            Outcome::Dead { .. } => "dead",
            Outcome::Cancelled { .. } => "cancelled",
            Outcome::Released => "released",
        };
        self.durations.get_or_create(&OfKind { kind: kind.clone() }).observe(took.as_secs_f64());
        self.tries.get_or_create(&OfTry { kind, outcome }).inc();
    }
}

/// How many jobs there were when they were counted last.
#[derive(Debug, Default)]
pub(super) struct Depth {
    counts: Mutex<Counts>,
}

/// What is registered: the registry is its owner, and who counts ends with it.
#[derive(Debug)]
struct Shown(Arc<Depth>);

impl Depth {
    pub fn register(queue: &Queue, registry: &mut Registry) {
        let depth = Arc::new(Depth::default());
        tokio::spawn(count(queue.clone(), Arc::downgrade(&depth)));
        registry.register_collector(Box::new(Shown(depth)));
    }
}

async fn count(queue: Queue, depth: Weak<Depth>) {
    while depth.strong_count() > 0 {
        match queue.counts().await {
            Ok(counts) => {
                let Some(depth) = depth.upgrade() else { return };
                *lock(&depth.counts) = counts;
            }
            Err(error) => tracing::debug!(%error, "jobs were not counted"),
        }
        sleep(COUNT_PERIOD).await;
    }
}

impl Collector for Shown {
    fn encode(&self, mut encoder: DescriptorEncoder<'_>) -> Result<(), std::fmt::Error> {
        let counts = lock(&self.0.counts).clone();
        let gauge = ConstGauge::new(0_u64);
        let mut family =
            encoder.encode_descriptor("jobs", "Jobs that there are, by state and kind", None, gauge.metric_type())?;
        for ((state, kind), jobs) in bounded(&counts.by) {
            let labels = [("state", state.text()), ("kind", kind)];
            ConstGauge::new(jobs).encode(family.encode_family(&labels)?)?;
        }
        let oldest = ConstGauge::new(counts.oldest_ready.unwrap_or_default().as_secs_f64());
        let help = "How long the job has waited that is ready longest";
        oldest.encode(encoder.encode_descriptor(
            "jobs_oldest_ready",
            help,
            Some(&Unit::Seconds),
            oldest.metric_type(),
        )?)
    }
}

/// The counts of the [`KINDS_MAX`] kinds of which there is most, and those of all others together.
fn bounded(by: &[Counted]) -> BTreeMap<(State, &str), u64> {
    let mut of_kind: BTreeMap<&str, u64> = BTreeMap::new();
    for counted in by {
        *of_kind.entry(counted.kind.text()).or_default() += counted.jobs;
    }
    let mut kinds: Vec<(&str, u64)> = of_kind.into_iter().collect();
    kinds.sort_by_key(|(_, jobs)| std::cmp::Reverse(*jobs));
    let named: BTreeSet<&str> = kinds.iter().take(KINDS_MAX).map(|(kind, _)| *kind).collect();
    let mut bounded = BTreeMap::new();
    for counted in by {
        let kind = named.get(counted.kind.text()).copied().unwrap_or(OTHER);
        *bounded.entry((counted.state, kind)).or_default() += counted.jobs;
    }
    bounded
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_crowd_of_kinds_is_one_label() {
        let counted = |number: usize| Counted {
            state: State::Ready,
            kind: KindName::known(&format!("k{number}")),
            jobs: if number < 10 { 100 } else { 1 },
        };
        let by: Vec<Counted> = (0..1_000).map(counted).collect();
        let bounded = bounded(&by);
        assert_eq!(bounded.len(), KINDS_MAX + 1);
        assert_eq!(bounded[&(State::Ready, OTHER)], 950);
        assert!((0..10).all(|number| bounded[&(State::Ready, format!("k{number}").as_str())] == 100));
    }
}
