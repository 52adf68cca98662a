//! Owns the question what a process has cost: its processor time and its memory, as the kernel counts them.
//!
//! ```text
//!   address ──/proc/net/tcp──▶ inode of the listening socket ──/proc/*/fd──▶ pid ──▶ stat: time, status: VmRSS
//! ```
//!
//! Spec: proc(5). Elsewhere than on Linux nothing is found.
//! Never: fails: what cannot be known is not told.

use std::fs;
use std::net::SocketAddr;
use std::path::Path;
use std::time::Duration;

/// What a process has cost so far.
#[derive(Clone, Copy, Debug, Default)]
pub struct Usage {
    /// Processor time, in the kernel and outside, of all of its threads.
    pub cpu: Duration,
    /// Memory that it has now.
    pub rss_bytes: u64,
}

/// What the process has cost, unless it is gone.
pub fn usage(pid: u32) -> Option<Usage> {
    let stat = fs::read_to_string(format!("/proc/{pid}/stat")).ok()?;
    let status = fs::read_to_string(format!("/proc/{pid}/status")).ok()?;
    Some(Usage { cpu: cpu(&stat)?, rss_bytes: rss_bytes(&status)? })
}

/// The process of this machine that listens at `address`, when we may know.
pub fn listening_at(address: SocketAddr) -> Option<u32> {
    let inode = ["/proc/net/tcp", "/proc/net/tcp6"].iter().find_map(|path| {
        let table = fs::read_to_string(path).ok()?;
        listener(&table, address.port()).map(str::to_owned)
    })?;
    let wanted = format!("socket:[{inode}]");
    let processes = fs::read_dir("/proc").ok()?.filter_map(Result::ok);
    let mut pids = processes.filter_map(|entry| Some((entry.file_name().to_str()?.parse().ok()?, entry.path())));
    pids.find(|(_, path)| holds(path, &wanted)).map(|(pid, _)| pid)
}

fn holds(process: &Path, socket: &str) -> bool {
    let descriptors = fs::read_dir(process.join("fd")).into_iter().flatten().filter_map(Result::ok);
    descriptors.filter_map(|entry| fs::read_link(entry.path()).ok()).any(|link| link.as_os_str() == socket)
}

/// The inode of the socket that listens at `port`: columns 2 (address), 4 (state, 0A) and 10.
fn listener(table: &str, port: u16) -> Option<&str> {
    let end = format!(":{port:04X}");
    table.lines().skip(1).find_map(|line| {
        let mut columns = line.split_ascii_whitespace().skip(1);
        let (address, state) = (columns.next()?, columns.nth(1)?);
        let inode = columns.nth(5)?;
        (address.ends_with(&end) && state == "0A").then_some(inode)
    })
}

/// Fields 14 and 15, counted behind the name, which may hold spaces and parentheses.
fn cpu(stat: &str) -> Option<Duration> {
    let (_, rest) = stat.rsplit_once(')')?;
    let mut fields = rest.split_ascii_whitespace().skip(11);
    let ticks = fields.next()?.parse::<u64>().ok()? + fields.next()?.parse::<u64>().ok()?;
    let per_second = rustix::param::clock_ticks_per_second().max(1);
    Some(Duration::from_millis(ticks * 1000 / per_second))
}

fn rss_bytes(status: &str) -> Option<u64> {
    let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:"))?;
    line.split_ascii_whitespace().next()?.parse::<u64>().ok().map(|kib| kib * 1024)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_tables_of_the_kernel_are_read() {
        let table = "  sl  local_address rem_address   st tx_queue rx_queue tr tm->when retrnsmt   uid  timeout inode\n\
             0: 0100007F:1F90 0100007F:C001 01 00000000:00000000 00:00000000 00000000  1000  0 111 1 0 20 4 30 10 -1\n\
             1: 0100007F:1F90 00000000:0000 0A 00000000:00000000 00:00000000 00000000  1000  0 222 1 0 100 0 0 10 0\n";
        assert_eq!(listener(table, 8080), Some("222"));
        assert_eq!(listener(table, 8081), None);
        let stat = "7 (a) b) c) S 1 7 7 0 -1 4194560 1 0 0 0 150 50 0 0 20 0 1 0 1 1 1";
        assert_eq!(cpu(stat), Some(Duration::from_secs(2)));
        assert_eq!(rss_bytes("Name:\tx\nVmPeak:\t9 kB\nVmRSS:\t    12 kB\n"), Some(12 * 1024));
    }

    #[test]
    fn we_find_ourselves() {
        let listener = std::net::TcpListener::bind("127.0.0.1:0").expect("a port");
        let pid = listening_at(listener.local_addr().expect("bound"));
        assert_eq!(pid, Some(std::process::id()));
        assert!(usage(std::process::id()).is_some_and(|usage| usage.rss_bytes > 100_000));
        assert!(usage(u32::MAX).is_none());
    }
}
