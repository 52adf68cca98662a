//! Owns where log lines go and how they look: standard error, as text for people or JSON for programs.
//!
//! A panic is logged too: what the standard library prints instead has the line breaks of whoever chose the words.
//!
//! Spec: <https://no-color.org>: a `NO_COLOR` that is not empty takes the colours away.
//! Never: writes to standard output, which is for what was asked for.

use std::backtrace::{Backtrace, BacktraceStatus};
use std::io::{self, IsTerminal};
use std::panic::PanicHookInfo;

use tracing_subscriber::EnvFilter;

use super::value::LogFormat;

/// Begins to log what `filter` lets through, and panics. Once a process.
pub fn init(filter: &str, format: LogFormat) {
    let terminal = io::stderr().is_terminal();
    // It was read when the settings were: here it is good.
    let filter = EnvFilter::new(without_libraries(filter));
    let lines = tracing_subscriber::fmt().with_env_filter(filter).with_writer(io::stderr);
    match format {
        LogFormat::Auto if !terminal => lines.json().flatten_event(true).init(),
        LogFormat::Json => lines.json().flatten_event(true).init(),
        LogFormat::Auto | LogFormat::Text => {
            let colours = terminal && std::env::var_os("NO_COLOR").is_none_or(|value| value.is_empty());
            lines.with_ansi(colours).with_target(false).init();
        }
    }
    std::panic::set_hook(Box::new(log_panic));
}

/// A library that tells of each attempt to connect is silent, unless `filter` names it: what matters of it is told by us.
fn without_libraries(filter: &str) -> String {
    if filter.contains("async_nats") { filter.to_owned() } else { format!("{filter},async_nats=off") }
}

/// Says where it was; who catches it says what becomes of it.
fn log_panic(panic: &PanicHookInfo<'_>) {
    let place = panic.location().map(ToString::to_string);
    tracing::error!(panic = panic.payload_as_str(), place, "a thread panicked");
    let backtrace = Backtrace::capture();
    if backtrace.status() == BacktraceStatus::Captured {
        eprintln!("{backtrace}");
    }
}
