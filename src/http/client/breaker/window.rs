//! Owns how many of the calls of the last while have failed.
//!
//! The one idea: time is cut into [`BUCKETS`] parts of a window, each with two counters. A part that has left the window is
//! cleared when the ring comes to it again, so a call costs the same whether ten or ten million are remembered.
//!
//! ```text
//!   ────┤ 3/0 │ 9/1 │ 0/0 │ … │ 7/7 ├── now       calls / failures of each part, and the sum of all
//!       └ the next one takes its place
//! ```
//!
//! Never: reads a clock.
//! Invariants: the sum is that of the buckets; what is counted is at most a window old, and what is at most nine tenths of
//! one is counted. Time that goes back is time that stands still.

use std::time::{Duration, Instant};

/// Parts of a window. The oldest goes as a whole: a window is exact to a tenth.
const BUCKETS: usize = 10;

/// Calls and their failures over the last window.
#[derive(Clone, Debug)]
pub(super) struct Window {
    began: Instant,
    bucket: Duration,
    /// The newest part, counted from `began`.
    newest: u64,
    buckets: [Calls; BUCKETS],
    sum: Calls,
}

/// How many, and how many of them failed.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Calls {
    pub(super) all: u32,
    pub(super) failed: u32,
}

impl Window {
    pub(super) fn new(length: Duration, now: Instant) -> Window {
        let bucket = (length / BUCKETS as u32).max(Duration::from_nanos(1));
        Window { began: now, bucket, newest: 0, buckets: Default::default(), sum: Calls::default() }
    }

    /// Counts one more call.
    pub(super) fn count(&mut self, has_failed: bool, now: Instant) {
        self.advance(now);
        let index = self.index(self.newest);
        for calls in [&mut self.buckets[index], &mut self.sum] {
            calls.all = calls.all.saturating_add(1);
            calls.failed = calls.failed.saturating_add(u32::from(has_failed));
        }
    }

    /// What is counted at `now`.
    pub(super) fn calls(&mut self, now: Instant) -> Calls {
        self.advance(now);
        self.sum
    }

    /// Clears the parts that have left the window: each once, and never more than there are.
    fn advance(&mut self, now: Instant) {
        let part = now.saturating_duration_since(self.began).as_nanos() / self.bucket.as_nanos();
        let part = u64::try_from(part).unwrap_or(u64::MAX);
        let passed = part.saturating_sub(self.newest).min(BUCKETS as u64);
        self.newest = self.newest.max(part);
        for back in 0..passed {
            let index = self.index(self.newest - back);
            let left = std::mem::take(&mut self.buckets[index]);
            self.sum.all = self.sum.all.saturating_sub(left.all);
            self.sum.failed = self.sum.failed.saturating_sub(left.failed);
        }
    }

    fn index(&self, part: u64) -> usize {
        (part % BUCKETS as u64) as usize
    }
}

#[cfg(test)]
mod tests {
    use proptest::collection::vec;
    use proptest::prelude::*;

    use super::*;

    const LENGTH: Duration = Duration::from_millis(1000);

    proptest! {
        /// The definition: every call is remembered, those of the newest ten parts are counted.
        #[test]
        fn it_counts_what_is_remembered_of_the_newest_parts(
            calls in vec((prop_oneof![8 => 0u64..150, 1 => 900u64..1200, 1 => 0u64..1_000_000], any::<bool>()), 0..200),
        ) {
            let began = Instant::now();
            let mut window = Window::new(LENGTH, began);
            let mut remembered: Vec<(u64, bool)> = Vec::new();
            let mut at = 0;
            for (gap, has_failed) in calls {
                at += gap;
                remembered.push((at / 100, has_failed));
                window.count(has_failed, began + Duration::from_millis(at));
                let recent = remembered.iter().filter(|(part, _)| part + BUCKETS as u64 > at / 100);
                let all = recent.clone().count() as u32;
                let failed = recent.filter(|(_, has_failed)| *has_failed).count() as u32;
                prop_assert_eq!(window.calls(began + Duration::from_millis(at)), Calls { all, failed });
            }
        }
    }

    #[test]
    fn what_is_a_window_old_is_forgotten_and_what_is_younger_by_a_tenth_is_not() {
        let began = Instant::now();
        let mut window = Window::new(LENGTH, began);
        window.count(true, began + Duration::from_millis(99));
        assert_eq!(window.calls(began + Duration::from_millis(999)), Calls { all: 1, failed: 1 });
        assert_eq!(window.calls(began + Duration::from_millis(1000)), Calls::default());
    }

    #[test]
    fn time_that_goes_back_stands_still() {
        let began = Instant::now() + LENGTH;
        let mut window = Window::new(LENGTH, began);
        window.count(true, began + 5 * LENGTH);
        window.count(true, began);
        assert_eq!(window.calls(began - LENGTH), Calls { all: 2, failed: 2 });
        assert_eq!(window.calls(began + 6 * LENGTH), Calls::default());
    }

    #[test]
    fn a_window_of_no_length_and_a_call_at_the_end_of_time_are_survived() {
        let began = Instant::now();
        let mut window = Window::new(Duration::ZERO, began);
        window.count(true, began);
        assert_eq!(window.calls(began + Duration::from_secs(u64::from(u32::MAX))), Calls::default());
    }
}
