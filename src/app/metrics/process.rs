//! Owns what the kernel and the runtime say about this process, under the names that all clients of Prometheus use.
//!
//! Never: keeps anything between two looks; fails: what a system does not tell is left out.
//! Spec: proc(5), `/proc/[pid]/stat`; Prometheus, "Writing client libraries", "Process metrics".

use std::fmt::Error;
use std::fs;

use prometheus_client::collector::Collector;
use prometheus_client::encoding::DescriptorEncoder;
use prometheus_client::metrics::info::Info;
use prometheus_client::registry::Registry;
use rustix::param::{clock_ticks_per_second, page_size};
use rustix::process::{Resource, getrlimit};
use tokio::runtime::Handle;

use super::families::{counter, gauge};

/// Adds the process that this is, and what it was built from.
pub(super) fn register(registry: &mut Registry) {
    let labels = [
        ("version", env!("CARGO_PKG_VERSION")),
        ("architecture", std::env::consts::ARCH),
        ("os", std::env::consts::OS),
        ("profile", if cfg!(debug_assertions) { "debug" } else { "release" }),
    ];
    registry.register("firstbyte_build", "What is running", Info::new(labels));
    registry.register_collector(Box::new(Process));
}

#[derive(Debug)]
struct Process;

impl Collector for Process {
    fn encode(&self, mut encoder: DescriptorEncoder<'_>) -> Result<(), Error> {
        if let Some(seen) = fs::read_to_string("/proc/self/stat").ok().as_deref().and_then(Seen::parse) {
            seen.encode(&mut encoder)?;
        }
        // The list of them is itself one while it is read.
        if let Ok(open) = fs::read_dir("/proc/self/fd") {
            let open = open.count().saturating_sub(1) as i64;
            gauge(&mut encoder, "process_open_fds", "Open file descriptors.", open)?;
        }
        if let Some(most) = getrlimit(Resource::Nofile).current {
            gauge(&mut encoder, "process_max_fds", "File descriptors that may be open.", most as i64)?;
        }
        if let Ok(runtime) = Handle::try_current() {
            let metrics = runtime.metrics();
            let (workers, tasks) = (metrics.num_workers() as i64, metrics.num_alive_tasks() as i64);
            gauge(&mut encoder, "firstbyte_runtime_workers", "Threads that run tasks.", workers)?;
            gauge(&mut encoder, "firstbyte_runtime_tasks", "Tasks that have not ended.", tasks)?;
        }
        Ok(())
    }
}

/// What the kernel says about a process.
#[derive(Clone, Copy, Debug, PartialEq)]
struct Seen {
    cpu_seconds: f64,
    virtual_bytes: u64,
    resident_bytes: u64,
    threads: u64,
    /// Since the machine was started.
    start_seconds: f64,
}

impl Seen {
    /// Reads `1 (name) S …`. The name may hold anything, brackets and spaces too: the last bracket ends it.
    fn parse(stat: &str) -> Option<Seen> {
        let fields: Vec<&str> = stat.rsplit_once(')')?.1.split_ascii_whitespace().collect();
        // proc(5) counts from 1, and two fields stand before the bracket's end.
        let field = |number: usize| fields.get(number - 3)?.parse::<u64>().ok();
        let seconds = |ticks: u64| ticks as f64 / clock_ticks_per_second() as f64;
        Some(Seen {
            cpu_seconds: seconds(field(14)?.checked_add(field(15)?)?),
            threads: field(20)?,
            start_seconds: seconds(field(22)?),
            virtual_bytes: field(23)?,
            resident_bytes: field(24)?.saturating_mul(page_size() as u64),
        })
    }

    fn encode(&self, encoder: &mut DescriptorEncoder<'_>) -> Result<(), Error> {
        let Seen { cpu_seconds, virtual_bytes, resident_bytes, threads, start_seconds } = *self;
        counter(encoder, "process_cpu_seconds", "Processor time, of the process and in the kernel.", cpu_seconds)?;
        gauge(encoder, "process_virtual_memory_bytes", "Address space.", virtual_bytes as i64)?;
        gauge(encoder, "process_resident_memory_bytes", "Memory that is there.", resident_bytes as i64)?;
        gauge(encoder, "process_threads", "Threads.", threads as i64)?;
        let Some(boot) = fs::read_to_string("/proc/stat").ok().as_deref().and_then(boot_seconds) else { return Ok(()) };
        let start = boot as f64 + start_seconds;
        gauge(encoder, "process_start_time_seconds", "When the process was started, since 1970.", start)
    }
}

/// When the machine was started, since 1970.
fn boot_seconds(stat: &str) -> Option<u64> {
    stat.lines().find_map(|line| line.strip_prefix("btime "))?.trim().parse().ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    const STAT: &str =
        "7 (a) (b) S 1 7 7 0 -1 4194560 100 0 0 0 250 50 0 0 20 0 9 0 1000 8192 3 18446744073709551615 1";

    #[test]
    fn a_line_of_the_kernel_is_read_whatever_the_program_is_called() {
        let ticks = clock_ticks_per_second() as f64;
        let expected = Seen {
            cpu_seconds: 300.0 / ticks,
            virtual_bytes: 8192,
            resident_bytes: 3 * page_size() as u64,
            threads: 9,
            start_seconds: 1000.0 / ticks,
        };
        assert_eq!(Seen::parse(STAT), Some(expected));
        for broken in ["", "7 (a", "7 (a) S 1 2", &STAT.replace("8192", "x"), &STAT.replace("250", "-1")] {
            assert_eq!(Seen::parse(broken), None, "{broken}");
        }
        assert_eq!(boot_seconds("cpu 1 2\nbtime 1700000000\n"), Some(1_700_000_000));
        assert_eq!(boot_seconds("cpu 1 2\n"), None);
    }
}
