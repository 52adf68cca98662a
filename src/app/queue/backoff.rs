//! Owns how long a job that failed waits before its next try.
//!
//! The one idea: full jitter. The time is drawn evenly between nothing and a bound that doubles with each try, so that a
//! thousand jobs that failed together because one thing was away do not come back together.
//!
//! Never: draws: the random number is given.

use std::time::Duration;

/// How the bound grows.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Backoff {
    /// The bound after the first try. Default: 1 s.
    pub base: Duration,
    /// The largest bound. Default: 1 h.
    pub max: Duration,
}

impl Default for Backoff {
    fn default() -> Backoff {
        Backoff { base: Duration::from_secs(1), max: Duration::from_secs(3_600) }
    }
}

impl Backoff {
    /// The bound after try number `number`, from 1.
    pub fn bound(&self, number: u16) -> Duration {
        let doublings = u32::from(number.saturating_sub(1)).min(31);
        self.base.saturating_mul(1 << doublings).min(self.max)
    }

    /// The time after try number `number`; `random` is any number.
    pub fn delay(&self, number: u16, random: u32) -> Duration {
        self.bound(number).mul_f64(f64::from(random) / f64::from(u32::MAX))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_bound_doubles_up_to_the_largest() {
        let backoff = Backoff { base: Duration::from_secs(1), max: Duration::from_secs(100) };
        let bounds: Vec<u64> = [0, 1, 2, 3, 7, 8, 9, u16::MAX].map(|number| backoff.bound(number).as_secs()).into();
        assert_eq!(bounds, [1, 1, 2, 4, 64, 100, 100, 100]);
    }

    #[test]
    fn the_time_is_drawn_from_nothing_to_the_bound() {
        let backoff = Backoff { base: Duration::from_secs(8), max: Duration::MAX };
        assert_eq!(backoff.delay(2, 0), Duration::ZERO);
        assert_eq!(backoff.delay(2, u32::MAX), Duration::from_secs(16));
        let half = backoff.delay(2, u32::MAX / 2);
        assert!(half > Duration::from_millis(7_999) && half <= Duration::from_secs(8), "{half:?}");
    }
}
