//! Owns how many descriptors the process may have, and with it how many connections it can hold.
//!
//! The one idea: the soft limit is low for programs of the eighties that use `select`; this one may have what the hard
//! limit allows. What is still too few is known before the first connection comes, not after the last.
//!
//! Spec: getrlimit(2), `RLIMIT_NOFILE`.

use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};

/// Descriptors that are no connections: standard streams, listeners, the runtime, files being served, and some to spare.
const OTHERS: u64 = 64;

/// Raises the soft limit to the hard one. Gives the number of descriptors that there may be; `None` is no limit.
pub fn raise() -> Option<u64> {
    let Rlimit { maximum, .. } = getrlimit(Resource::Nofile);
    // It fails where something forbids the call; then what was allowed before is what there is.
    let _ = setrlimit(Resource::Nofile, Rlimit { current: maximum, maximum });
    getrlimit(Resource::Nofile).current
}

/// How many connections each of `listeners` may have when `wanted` are, and `descriptors` is the bound.
pub fn clamp(wanted: usize, listeners: usize, descriptors: Option<u64>) -> usize {
    let Some(descriptors) = descriptors else { return wanted };
    // With few descriptors, half of them are for connections.
    let connections = descriptors.saturating_sub(OTHERS).max(descriptors / 2) / listeners as u64;
    wanted.min(usize::try_from(connections).unwrap_or(usize::MAX)).max(1)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn connections_fit_into_the_descriptors() {
        assert_eq!(clamp(10_000, 1, None), 10_000);
        assert_eq!(clamp(10_000, 1, Some(1 << 20)), 10_000);
        assert_eq!(clamp(10_000, 1, Some(1024)), 960);
        assert_eq!(clamp(10_000, 2, Some(1024)), 480);
        assert_eq!(clamp(10_000, 1, Some(32)), 16);
        assert_eq!(clamp(10_000, 9, Some(1)), 1);
    }
}
