//! Owns what is counted of the inventory.
//!
//! Never: makes a label of what a client has sent.

use prometheus_client::metrics::counter::Counter;
use prometheus_client::metrics::family::Family;
use prometheus_client::registry::Registry;

type Label = [(&'static str, &'static str); 1];

/// What may happen.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Event {
    /// An order has taken its stock.
    Placed,
    /// An order was sent again, and had its answer.
    Replayed,
    /// An order could not be had.
    OutOfStock,
    /// An order has given its stock back.
    Cancelled,
    /// An order was confirmed.
    Confirmed,
    /// Another was in the way.
    BegunAgain,
}

/// Counters, all of them there from the start.
pub(super) struct Metrics {
    orders: Family<Label, Counter>,
    begun_again: Counter,
}

impl Default for Metrics {
    fn default() -> Self {
        let metrics = Metrics { orders: Family::default(), begun_again: Counter::default() };
        for event in [Event::Placed, Event::Replayed, Event::OutOfStock, Event::Cancelled, Event::Confirmed] {
            let _ = metrics.orders.get_or_create(&event.label());
        }
        metrics
    }
}

impl Metrics {
    pub(super) fn count(&self, event: Event) {
        match event {
            Event::BegunAgain => self.begun_again.inc(),
            event => self.orders.get_or_create(&event.label()).inc(),
        };
    }

    pub(super) fn register(&self, registry: &mut Registry) {
        let registry = registry.sub_registry_with_prefix("firstbyte_inventory");
        registry.register("orders", "What has become of orders", self.orders.clone());
        let help = "Units of work that were begun again because others were in the way";
        registry.register("begun_again", help, self.begun_again.clone());
    }
}

impl Event {
    fn label(self) -> Label {
        let outcome = match self {
            Event::Placed => "placed",
            Event::Replayed => "replayed",
            Event::OutOfStock => "out_of_stock",
            Event::Cancelled => "cancelled",
            Event::Confirmed => "confirmed",
            Event::BegunAgain => "begun_again",
        };
        [("outcome", outcome)]
    }
}
