//! Owns the two forms that numbers of a service have in `/metrics`: counters that go by an outcome, and what is looked up when
//! somebody asks.
//!
//! Never: makes a label of what a peer has sent.
//! Invariants: all outcomes are there from the start, so that one that has not happened yet is a zero, and no hole.

use std::fmt;

use prometheus_client::collector::Collector;
use prometheus_client::encoding::{DescriptorEncoder, EncodeMetric};
use prometheus_client::metrics::counter::Counter;
use prometheus_client::metrics::family::Family;
use prometheus_client::metrics::gauge::ConstGauge;
use prometheus_client::registry::Registry;

/// The label, and what it says.
type Label = [(&'static str, &'static str); 1];

/// What may come of something. Each is a place among the counters.
pub(super) trait Outcome: Copy + 'static {
    /// All of them, as labels, in the order of their places.
    const NAMES: &'static [&'static str];

    fn place(self) -> usize;
}

/// An [`Outcome`] from its variants and their labels.
macro_rules! outcomes {
    ($(#[$about:meta])* $visible:vis enum $name:ident { $($(#[$what:meta])* $variant:ident = $label:literal,)+ }) => {
        $(#[$about])*
        #[derive(Clone, Copy, Debug, PartialEq, Eq)]
        $visible enum $name {
            $($(#[$what])* $variant,)+
        }

        impl $crate::db::tally::Outcome for $name {
            const NAMES: &'static [&'static str] = &[$($label),+];

            fn place(self) -> usize {
                self as usize
            }
        }
    };
}
pub(super) use outcomes;

/// A counter for each outcome.
#[derive(Clone, Debug)]
pub(super) struct Tally {
    family: Family<Label, Counter>,
    counters: Vec<Counter>,
}

impl Tally {
    pub fn of<O: Outcome>() -> Tally {
        let family = Family::<Label, Counter>::default();
        let counters = O::NAMES.iter().map(|name| family.get_or_create_owned(&[("outcome", *name)])).collect();
        Tally { family, counters }
    }

    pub fn add(&self, outcome: impl Outcome) {
        self.counters[outcome.place()].inc();
    }

    pub fn register(&self, registry: &mut Registry, name: &str, help: &str) {
        registry.register(name, help, self.family.clone());
    }
}

/// What a gauge is called, and what it says.
pub(super) type GaugeName = (&'static str, &'static str);

/// Whether a service is there.
pub(super) const UP: GaugeName = ("up", "Whether it is there: 1, or 0");

/// Gauges whose values are looked up when they are asked for.
pub(super) struct Gauges<F> {
    look: F,
}

impl<const N: usize, F: Fn() -> [(GaugeName, i64); N] + Send + Sync + 'static> Gauges<F> {
    pub fn new(look: F) -> Gauges<F> {
        Gauges { look }
    }
}

impl<const N: usize, F: Fn() -> [(GaugeName, i64); N] + Send + Sync + 'static> Collector for Gauges<F> {
    fn encode(&self, mut encoder: DescriptorEncoder<'_>) -> fmt::Result {
        for ((name, help), value) in (self.look)() {
            let gauge = ConstGauge::new(value);
            gauge.encode(encoder.encode_descriptor(name, help, None, gauge.metric_type())?)?;
        }
        Ok(())
    }
}

impl<F> fmt::Debug for Gauges<F> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Gauges")
    }
}
