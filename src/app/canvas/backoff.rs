//! Owns how long to wait before the next attempt to reach a service: twice as long each time, up to a bound.

use std::time::Duration;

use crate::app::canvas::random::jittered;

const FIRST: Duration = Duration::from_millis(100);

/// A service that comes back is found again within this.
const LONGEST: Duration = Duration::from_secs(5);

/// The wait after `failures` in a row: none, then between half and all of 100 ms, 200 ms … 5 s.
pub fn after(failures: usize) -> Duration {
    let Some(earlier) = failures.checked_sub(1) else { return Duration::ZERO };
    let doublings = u32::try_from(earlier).unwrap_or(u32::MAX);
    jittered(FIRST.saturating_mul(2u32.saturating_pow(doublings)).min(LONGEST))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn waits_grow_up_to_a_bound_and_differ() {
        assert_eq!(after(0), Duration::ZERO);
        for (failures, longest) in [(1, 100), (2, 200), (3, 400), (7, 5000), (usize::MAX, 5000)] {
            let longest = Duration::from_millis(longest);
            let waits = [(); 20].map(|()| after(failures));
            assert!(waits.iter().all(|wait| (longest / 2..=longest).contains(wait)), "{failures}: {waits:?}");
            assert!(waits.iter().any(|wait| *wait != waits[0]), "{failures}: {waits:?}");
        }
    }
}
