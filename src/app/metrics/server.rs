//! Owns what the servers of this process have counted, as families of metrics.
//!
//! The one idea: nothing is counted here. [`Durations`], [`Tally`](crate::http::tally::Tally) and the table of connections have
//! counted all along, and are read when somebody asks.
//!
//! Spec: OpenTelemetry semantic conventions for HTTP: `http.server.request.duration`, `http.server.active_requests`, whose
//! names the rules for Prometheus turn into `http_server_…`. What they have no name for begins with `firstbyte_`.
//! Never: has a label whose values clients can make up.

use std::fmt::Error;

use prometheus_client::collector::Collector;
use prometheus_client::encoding::{DescriptorEncoder, MetricEncoder, NoLabelSet};
use prometheus_client::metrics::MetricType;
use prometheus_client::registry::{Registry, Unit};

use super::families::{counter, counters, gauge, gauges};
use crate::http::durations::{BOUNDS, Durations, Kind, Observed};
use crate::http::error::CATALOGUE;
use crate::http::middleware::recover;
use crate::http::server::Watched;
use crate::http::tally::{Reached, Tally};
use crate::net::deadline::Phase;
use crate::net::registry::Census;

/// Phases in which a request is at work.
const AT_WORK: [Phase; 3] = [Phase::Handler, Phase::Content, Phase::Write];

/// Adds what `watched` has seen.
pub(super) fn register(registry: &mut Registry, watched: &Watched) {
    registry.register_collector(Box::new(Server(watched.clone())));
}

#[derive(Debug)]
struct Server(Watched);

impl Collector for Server {
    fn encode(&self, mut encoder: DescriptorEncoder<'_>) -> Result<(), Error> {
        let Server(watched) = self;
        if let Some(durations) = &watched.durations {
            requests(&mut encoder, durations)?;
        }
        connections(&mut encoder, &watched.registry.census())?;
        refusals(&mut encoder, &watched.tally)?;
        let draining = i64::from(watched.shutdown.is_draining());
        gauge(&mut encoder, "firstbyte_draining", "Whether the server takes no more connections.", draining)
    }
}

fn requests(encoder: &mut DescriptorEncoder<'_>, durations: &Durations) -> Result<(), Error> {
    let help = "How long requests took, from their head to the last byte of their answer.";
    let name = "http_server_request_duration";
    let mut family = encoder.encode_descriptor(name, help, Some(&Unit::Seconds), MetricType::Histogram)?;
    let mut written = Ok(());
    durations.each(|kind, observed| written = written.and_then(|()| histogram(&mut family, kind, observed)));
    written?;
    let others = durations.others();
    if others.count() > 0 {
        // What OpenTelemetry says of a metric that has more series than it may.
        let mut family = family.encode_family(&[("otel_metric_overflow", "true")])?;
        encode_histogram(&mut family, &others)?;
    }
    Ok(())
}

fn histogram(family: &mut MetricEncoder<'_>, kind: Kind, observed: &Observed) -> Result<(), Error> {
    let Kind { method, route, status } = kind;
    let status = status.to_string();
    let labels = [
        ("http_request_method", method.as_ref().map_or("_OTHER", |method| method.as_str())),
        // An empty label is one that is not there: no route was found.
        ("http_route", route.unwrap_or("")),
        ("http_response_status_code", &status),
    ];
    encode_histogram(&mut family.encode_family(&labels)?, observed)
}

fn encode_histogram(encoder: &mut MetricEncoder<'_>, observed: &Observed) -> Result<(), Error> {
    let bounds = BOUNDS.iter().map(|bound| bound.as_secs_f64()).chain([f64::INFINITY]);
    let buckets: Vec<(f64, u64)> = bounds.zip(observed.buckets).collect();
    encoder.encode_histogram::<NoLabelSet>(observed.sum.as_secs_f64(), observed.count(), &buckets, None)
}

fn connections(encoder: &mut DescriptorEncoder<'_>, census: &Census) -> Result<(), Error> {
    let at_work: usize = AT_WORK.iter().map(|phase| census.phases[*phase as usize]).sum();
    let help = "Requests at work: those whose handler answers at once are over before anybody can count them.";
    gauge(encoder, "http_server_active_requests", help, at_work as i64)?;
    let phases = Phase::ALL.iter().zip(census.phases).filter(|(phase, _)| **phase != Phase::Closed);
    let rows = phases.map(|(phase, count)| ([("state", phase.name())], count as i64));
    gauges(encoder, "firstbyte_connections", "Open connections by what they are at.", rows)?;
    let open: usize = census.phases.iter().sum();
    let opened = census.closed + open as u64;
    counter(encoder, "firstbyte_connections_opened", "Connections accepted, refused ones too.", opened)?;
    counter(encoder, "firstbyte_connections_closed", "Connections that are over.", census.closed)?;
    let traffic = census.traffic;
    counter(encoder, "firstbyte_received_bytes", "Bytes received.", traffic.received_bytes)?;
    counter(encoder, "firstbyte_sent_bytes", "Bytes sent.", traffic.sent_bytes)
}

fn refusals(encoder: &mut DescriptorEncoder<'_>, tally: &Tally) -> Result<(), Error> {
    let rows = CATALOGUE.iter().map(|entry| ([("code", entry.code)], tally.refusals(entry.fault)));
    counters(encoder, "firstbyte_refusals", "Requests refused, by the codes of /errors.", rows)?;
    let rows = Reached::ALL.iter().map(|reached| ([("limit", reached.name())], tally.times(*reached)));
    counters(encoder, "firstbyte_limits_reached", "Bounds that were met, by the names of /limits.", rows)?;
    let listeners = tally.listeners();
    let rows = [
        ("connections_max", listeners.full),
        ("address_limit", listeners.over_address_limit),
        ("no_descriptor", listeners.shed),
        ("too_many_refusals", listeners.unheard),
        ("failed", listeners.errors),
    ];
    let rows = rows.map(|(why, count)| ([("why", why)], count));
    let help = "Times that accepting stood still, failed, or led to a close without a word.";
    counters(encoder, "firstbyte_accept_troubles", help, rows)?;
    counter(encoder, "firstbyte_handler_panics", "Panics of handlers, each answered with 500.", recover::panics())
}
