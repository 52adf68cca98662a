//! Owns the bounds as JSON: numbers with their units, for programs.
//!
//! Spec: RFC 8259.
//! Never: a number that means "none": what is off, or not counted, is `null`.

use serde::Serialize;

use crate::app::errors;
use crate::app::limits::{Counted, Shown};
use crate::http::bounds::{Amount, Bound, Part};

#[derive(Serialize)]
pub(super) struct Limits {
    bounds: Vec<Row>,
    memory: Memory,
    counts: Counts,
    refusals: Vec<Refusal>,
}

#[derive(Serialize)]
struct Row {
    name: &'static str,
    group: &'static str,
    /// In `unit`; `null` when it is off.
    value: Option<u64>,
    unit: &'static str,
    /// As a setting is written.
    shown: String,
    /// For a rate: the time over which it is asked for, and what moving at once buys.
    #[serde(skip_serializing_if = "Option::is_none")]
    over_ms: Option<u64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    credit_ms: Option<u64>,
    /// `null` for what is fixed.
    flag: Option<String>,
    is_default: bool,
    bounds: &'static str,
    larger: &'static str,
    seen: Seen,
    /// How often it was met; `null` where that is not counted.
    hits: Option<u64>,
}

#[derive(Serialize)]
struct Seen {
    words: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    code: Option<&'static str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    href: Option<String>,
}

#[derive(Serialize)]
struct Memory {
    /// `null` when a bound is off.
    bytes_max: Option<u64>,
    /// The bounds that are off.
    unbounded_by: Vec<&'static str>,
    connections: Option<u64>,
    threads: u64,
    connection_bytes_max: Option<u64>,
    parts: Vec<MemoryPart>,
}

#[derive(Serialize)]
struct MemoryPart {
    what: &'static str,
    why: &'static str,
    each: &'static str,
    bytes_each: Option<u64>,
    bytes: Option<u64>,
}

#[derive(Serialize)]
struct Counts {
    accepted: u64,
    open: usize,
    accept_errors: u64,
    panics: u64,
}

#[derive(Serialize)]
struct Refusal {
    code: &'static str,
    status: u16,
    title: &'static str,
    count: u64,
}

pub(super) fn of(shown: &Shown, counted: &Counted<'_>) -> Limits {
    let counts = counted.tally.listeners();
    Limits {
        bounds: shown.bounds.iter().map(|bound| row(shown, bound, counted)).collect(),
        memory: memory(shown),
        counts: Counts {
            accepted: counts.accepted,
            open: counts.open,
            accept_errors: counts.errors,
            panics: counted.panics,
        },
        refusals: counted
            .refusals()
            .map(|(entry, count)| Refusal { code: entry.code, status: entry.status.code(), title: entry.title, count })
            .collect(),
    }
}

fn row(shown: &Shown, bound: &Bound, counted: &Counted<'_>) -> Row {
    let times = match bound.amount {
        Amount::Rate(rate) => Some((Amount::Time(rate.over), Amount::Time(rate.credit))),
        _ => None,
    };
    let code = bound.seen.code();
    Row {
        name: bound.name,
        group: bound.group.name(),
        value: bound.amount.number(),
        unit: bound.amount.unit(),
        shown: bound.amount.to_string(),
        over_ms: times.and_then(|(over, _)| over.number()),
        credit_ms: times.and_then(|(_, credit)| credit.number()),
        flag: bound.flag(),
        is_default: shown.default_of(bound).is_none(),
        bounds: bound.bounds,
        larger: bound.larger,
        seen: Seen { words: bound.seen.words(), code, href: code.map(|code| format!("{}#{code}", errors::PATH)) },
        hits: bound.hits(counted.tally),
    }
}

fn memory(shown: &Shown) -> Memory {
    let memory = &shown.memory;
    let total = memory.total();
    let part = |part: &Part| MemoryPart {
        what: part.what,
        why: part.why,
        each: part.each.name(),
        bytes_each: part.bytes.ok(),
        bytes: memory.bytes_of(part).ok(),
    };
    Memory {
        bytes_max: total.as_ref().ok().copied(),
        unbounded_by: total.err().unwrap_or_default(),
        connections: memory.connections.ok(),
        threads: memory.threads,
        connection_bytes_max: memory.of_connection().ok(),
        parts: memory.parts.iter().map(part).collect(),
    }
}
