//! Owns the rows of the inspector in the catalogue of bounds, and the memory that a trace may take.
//!
//! Never: repeats what [`crate::net::tap`] bounds: events have rows of the server's.

use super::OWN_MAX;
use super::annotate::Annotator;
use super::handlers::WAITING_MAX;
use super::table::{CLOSED_SHOWN, ROWS_MAX};
use super::terminal::{CONNECTIONS_MAX, QUEUE_EVENTS_MAX};
use crate::http::bounds::{Amount, Bound, EVENT_BYTES, Part, Seen, map};
use crate::net::tap::EVENT_BYTES_MAX;

/// What the inspector bounds for itself.
pub fn bounds() -> Vec<Bound> {
    vec![
        Bound::fixed("inspect_rows_max", Amount::count(ROWS_MAX))
            .bounds("Connections of each kind that the table shows, the latest ones")
            .larger("each viewer is sent more, four times a second")
            .seen(Seen::Shortened),
        Bound::fixed("inspect_closed_shown", Amount::Time(CLOSED_SHOWN))
            .bounds("How long a closed connection stays in the table")
            .larger("each viewer is sent more"),
        Bound::fixed("inspect_waiting_max", Amount::count(WAITING_MAX))
            .bounds("Messages that wait for a viewer")
            .larger("a viewer that is slow holds more of them")
            .seen(Seen::NotSentTo),
        Bound::fixed("inspect_viewers_max", Amount::count(OWN_MAX))
            .bounds("Connections of viewers that are remembered, to be left out; the oldest is forgotten")
            .larger("each event is looked up among more"),
        Bound::fixed("trace_events_max", Amount::count(QUEUE_EVENTS_MAX))
            .bounds("Events that wait for the terminal of serve --trace")
            .larger("a terminal that is stopped holds more memory"),
        Bound::fixed("trace_connections_max", Amount::count(CONNECTIONS_MAX))
            .bounds("Connections whose offsets a trace remembers")
            .larger("a trace takes more memory"),
    ]
}

/// What the inspector may keep; a trace is counted where it is asked for.
pub fn kept(traces: bool) -> Vec<Part> {
    let viewers = Part::of_process("inspect: viewers", "inspect_viewers_max", (OWN_MAX * size_of::<u64>()) as u64);
    let queued = QUEUE_EVENTS_MAX as u64 * (EVENT_BYTES_MAX as u64 + EVENT_BYTES);
    let offsets = map(CONNECTIONS_MAX as u64 + 1, size_of::<(u64, Annotator)>());
    let trace = Part::of_process("trace", "trace_events_max and trace_connections_max", queued + offsets);
    if traces { vec![viewers, trace] } else { vec![viewers] }
}
