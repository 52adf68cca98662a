//! Owns what is told at the end: one table for people, one document for programs.
//!
//! Never: measures.

use std::fmt::Write;
use std::time::Duration;

use serde::Serialize;

use super::client::Tally;
use super::{Losses, Moment, Wanted};

/// What was measured, beside what clients counted.
pub struct Measured {
    pub has_server: bool,
    pub opened_in: Duration,
    pub measured: Duration,
    /// Before the first client, with all of them at rest, at the first and the last moment of the measurement.
    pub before: Moment,
    pub idle: Moment,
    pub first: Moment,
    pub last: Moment,
}

/// The end of it.
#[derive(Debug, Serialize)]
pub struct Report {
    url: String,
    mode: &'static str,
    clients: usize,
    size_bytes: usize,
    kind: &'static str,
    seconds: f64,
    opened_per_second: f64,
    messages: Messages,
    latency_us: Latency,
    server: Option<Cost>,
    client: Own,
}

/// Messages over the whole run, and how many a second while it was measured.
#[derive(Debug, Serialize)]
struct Messages {
    sent: u64,
    expected: u64,
    arrived: u64,
    arrived_per_second: f64,
    lost: u64,
    repeated: u64,
    wrong: u64,
    clients_closed: u64,
    first_closed: Option<String>,
}

/// From sending to arrival, in microseconds.
#[derive(Debug, Serialize)]
struct Latency {
    measured: u64,
    p50: f64,
    p90: f64,
    p99: f64,
    p999: f64,
    max: f64,
}

/// What the server has cost.
#[derive(Debug, Serialize)]
struct Cost {
    cpu_percent: f64,
    cpu_us_per_message: f64,
    rss_before_bytes: u64,
    rss_idle_bytes: u64,
    rss_loaded_bytes: u64,
    rss_idle_bytes_per_client: u64,
    rss_loaded_bytes_per_client: u64,
}

/// What the clients have cost, so that nobody takes their limit for the server's.
#[derive(Debug, Serialize)]
struct Own {
    cpu_percent: f64,
    cpu_us_per_message: f64,
}

impl Report {
    pub fn new(wanted: &Wanted, tally: &Tally, losses: &Losses, measured: Measured) -> Report {
        let Measured { has_server, opened_in, measured, before, idle, first, last } = measured;
        let arrived = last.arrived - first.arrived;
        let micros = |share| tally.times.per_mille(share) as f64 / 1000.0;
        let per_client = |bytes: u64| bytes.saturating_sub(before.server.rss_bytes) / wanted.clients as u64;
        let cpu = |from: Duration, to: Duration| {
            let spent = to.saturating_sub(from).as_secs_f64();
            (100.0 * spent / measured.as_secs_f64(), spent * 1e6 / arrived.max(1) as f64)
        };
        let (cpu_percent, cpu_us_per_message) = cpu(first.server.cpu, last.server.cpu);
        let own = cpu(first.own.cpu, last.own.cpu);
        Report {
            url: wanted.url.clone(),
            mode: if wanted.room { "room" } else { "echo" },
            clients: wanted.clients,
            size_bytes: wanted.size,
            kind: if wanted.text { "text" } else { "binary" },
            seconds: measured.as_secs_f64(),
            opened_per_second: wanted.clients as f64 / opened_in.as_secs_f64(),
            messages: Messages {
                sent: tally.sent,
                expected: losses.expected,
                arrived: tally.arrived,
                arrived_per_second: arrived as f64 / measured.as_secs_f64(),
                lost: losses.lost,
                repeated: losses.repeated,
                wrong: tally.wrong + losses.mixed_up,
                clients_closed: tally.closed,
                first_closed: tally.first_closed.clone(),
            },
            latency_us: Latency {
                measured: tally.times.count(),
                p50: micros(500),
                p90: micros(900),
                p99: micros(990),
                p999: micros(999),
                max: tally.times.max() as f64 / 1000.0,
            },
            server: has_server.then(|| Cost {
                cpu_percent,
                cpu_us_per_message,
                rss_before_bytes: before.server.rss_bytes,
                rss_idle_bytes: idle.server.rss_bytes,
                rss_loaded_bytes: last.server.rss_bytes,
                rss_idle_bytes_per_client: per_client(idle.server.rss_bytes),
                rss_loaded_bytes_per_client: per_client(last.server.rss_bytes),
            }),
            client: Own { cpu_percent: own.0, cpu_us_per_message: own.1 },
        }
    }

    /// Whether everything came that was sent, and as it was sent.
    pub fn is_clean(&self) -> bool {
        let Messages { lost, repeated, wrong, clients_closed, .. } = self.messages;
        lost + repeated + wrong + clients_closed == 0
    }

    /// For programs.
    pub fn json(&self) -> String {
        // Numbers, and text that is UTF-8.
        serde_json::to_string_pretty(self).unwrap_or_default() + "\n"
    }

    /// For people.
    pub fn text(&self, colours: bool) -> String {
        let Report { url, mode, clients, size_bytes, kind, seconds, messages, latency_us, .. } = self;
        let mut out = format!("{mode} at {url}: {clients} clients, {size_bytes} bytes of {kind}, {seconds:.1} s\n\n");
        let mut row = |name: &str, what: String| {
            let _ = writeln!(out, "  {name:<10} {what}");
        };
        row("opened", format!("{:.0} clients/s", self.opened_per_second));
        row("arrived", format!("{:.0} messages/s", messages.arrived_per_second));
        row("losses", self.losses(colours));
        if let Some(why) = &messages.first_closed {
            row("", format!("the first that was closed: {why}"));
        }
        let Latency { p50, p90, p99, p999, max, .. } = *latency_us;
        let times = [("p50", p50), ("p90", p90), ("p99", p99), ("p99.9", p999), ("max", max)];
        row("latency", times.map(|(name, micros)| format!("{name} {}", time(micros))).join("   "));
        match &self.server {
            None => row("server", "its process is not known: name it by --pid".to_owned()),
            Some(cost) => {
                row(
                    "server",
                    format!(
                        "{:.2} µs of processor for each message, {:.0} % of a processor",
                        cost.cpu_us_per_message, cost.cpu_percent
                    ),
                );
                let kib = |bytes: u64| format!("{:.1} KiB", bytes as f64 / 1024.0);
                row(
                    "memory",
                    format!(
                        "{} for each client at rest, {} under load ({} before the first)",
                        kib(cost.rss_idle_bytes_per_client),
                        kib(cost.rss_loaded_bytes_per_client),
                        kib(cost.rss_before_bytes)
                    ),
                );
            }
        }
        row(
            "clients",
            format!(
                "{:.2} µs for each message, {:.0} % of a processor",
                self.client.cpu_us_per_message, self.client.cpu_percent
            ),
        );
        out
    }

    fn losses(&self, colours: bool) -> String {
        let Messages { expected, lost, repeated, wrong, clients_closed, .. } = self.messages;
        if self.is_clean() {
            return format!("none of {expected} messages");
        }
        let (red, plain) = if colours { ("\x1b[31m", "\x1b[0m") } else { ("", "") };
        format!(
            "{red}{lost} of {expected} lost, {repeated} came twice, {wrong} wrong, {clients_closed} clients were closed{plain}"
        )
    }
}

fn time(micros: f64) -> String {
    match micros {
        ..1000.0 => format!("{micros:.0} µs"),
        ..1_000_000.0 => format!("{:.1} ms", micros / 1e3),
        _ => format!("{:.2} s", micros / 1e6),
    }
}
