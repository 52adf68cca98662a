//! Owns the count of control frames: so many a second, twice as many at once after a pause.
//!
//! The one idea: one point in time stands for the whole past: when the frames so far would have been due, had they come
//! evenly. Who is two seconds ahead of that has used up the pause.
//!
//! Spec: RFC 6455 10.4 (limits are ours to set), 5.5.2 (every ping wants a pong, so pings are work).
//! Never: reads a clock.
//! Limits: `control_frames_per_second`.

use std::time::{Duration, Instant};

/// How far ahead frames may come: twice what a second allows.
const AHEAD_MAX: Duration = Duration::from_secs(2);

/// The control frames of one connection.
#[derive(Clone, Copy, Debug)]
pub(super) struct Rate {
    /// Time that one frame is due; `None` lets none in.
    interval: Option<Duration>,
    /// When the next one is due.
    due: Option<Instant>,
}

impl Rate {
    pub(super) fn new(frames_per_second: u32) -> Rate {
        Rate { interval: Duration::from_secs(1).checked_div(frames_per_second), due: None }
    }

    /// Counts a frame that has come; whether it is one too many.
    pub(super) fn exceeds(&mut self, now: Instant) -> bool {
        let Some(interval) = self.interval else { return true };
        let due = self.due.map_or(now, |due| due.max(now)) + interval;
        self.due = Some(due);
        due.duration_since(now) > AHEAD_MAX
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Frames that are let in at once after `pause` behind a burst without end.
    fn let_in(frames_per_second: u32, pause: Duration) -> usize {
        let (mut rate, start) = (Rate::new(frames_per_second), Instant::now());
        let mut burst = |at| (0..1000).take_while(|_| !rate.exceeds(at)).count();
        if pause.is_zero() {
            return burst(start);
        }
        burst(start);
        // The frame that was one too many ended the connection; here it counts.
        burst(start + pause + Duration::from_secs(1).checked_div(frames_per_second).unwrap_or_default())
    }

    #[test]
    fn twice_the_rate_comes_at_once_and_the_rate_comes_back_each_second() {
        for rate in [1, 2, 3, 7, 100] {
            assert_eq!(let_in(rate, Duration::ZERO), 2 * rate as usize);
            assert_eq!(let_in(rate, Duration::from_secs(1)), rate as usize, "{rate}");
            assert_eq!(let_in(rate, Duration::from_secs(60)), 2 * rate as usize, "{rate}");
        }
        assert_eq!(let_in(0, Duration::ZERO), 0);
        assert_eq!(let_in(u32::MAX, Duration::ZERO), 1000);
    }

    #[test]
    fn an_even_stream_at_the_rate_never_exceeds_it() {
        let (mut rate, start) = (Rate::new(100), Instant::now());
        assert!((0..10_000).all(|n| !rate.exceeds(start + n * Duration::from_millis(10))));
    }
}
