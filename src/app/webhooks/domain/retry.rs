//! Owns what an attempt means: delivered, gone, to be tried again and when, or given up.
//!
//! ```text
//!   2xx ──> Delivered        410 ──> Gone        all else ──> Again, in random(0 ..= min(max, first × 2^(tries-1)))
//!   (a redirection too: it is not followed)                    or as Retry-After says, up to retry_after_max
//!                                                 tries_max ──> GivenUp
//! ```
//!
//! The one idea: full jitter. What failed together because a receiver was away does not come back together: each waits for a
//! time of its own between nothing and the bound, and the bound doubles.
//!
//! Spec: RFC 9110 10.2.3 (Retry-After), 15.4 (3xx), 15.5.11 (410); Standard Webhooks 1.0 ("Deliverability and reliability").
//! Never: reads a clock; finds its own chance.

use std::time::Duration;

use jiff::Timestamp;
use jiff::fmt::rfc2822;

/// When to try again.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Backoff {
    /// The bound of the first wait. Default: 1 s.
    pub first: Duration,
    /// The bound of any wait. Default: 1 h.
    pub max: Duration,
    /// Attempts in all. Default: 15, which is about two hours on average, and four at most.
    pub tries_max: u32,
    /// The longest wait that a receiver may ask for. Default: 1 h.
    pub retry_after_max: Duration,
}

/// What becomes of a delivery.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Verdict {
    /// The receiver has it.
    Delivered,
    /// The receiver wants nothing any more: its endpoint is disabled.
    Gone,
    /// It is tried again, so long from now.
    Again(Duration),
    /// It was tried often enough.
    GivenUp,
}

impl Default for Backoff {
    fn default() -> Backoff {
        let hour = Duration::from_secs(3_600);
        Backoff { first: Duration::from_secs(1), max: hour, tries_max: 15, retry_after_max: hour }
    }
}

impl Backoff {
    /// What attempt number `tries` (from 1) means, which was answered with `status`, or not at all. `chance` is in 0 ..= 1.
    pub fn decide(&self, status: Option<u16>, retry_after: Option<Duration>, tries: u32, chance: f64) -> Verdict {
        match status {
            Some(200..=299) => return Verdict::Delivered,
            Some(410) => return Verdict::Gone,
            _ if tries >= self.tries_max => return Verdict::GivenUp,
            _ => {}
        }
        let wait = self.bound(tries).mul_f64(chance.clamp(0.0, 1.0));
        let asked = retry_after.unwrap_or_default().min(self.retry_after_max);
        Verdict::Again(wait.max(asked))
    }

    /// The longest wait behind attempt number `tries`.
    fn bound(&self, tries: u32) -> Duration {
        let doubled = 1_u32.checked_shl(tries.saturating_sub(1)).unwrap_or(u32::MAX);
        self.first.saturating_mul(doubled).min(self.max)
    }
}

/// What a Retry-After says at `now`: seconds, or a date. A date that is over is no wait.
pub fn retry_after(value: &str, now: Timestamp) -> Option<Duration> {
    if !value.is_empty() && value.bytes().all(|byte| byte.is_ascii_digit()) {
        // RFC 9110 10.2.3: delay-seconds. A number that is too long is a long time.
        return Some(Duration::from_secs(value.parse().unwrap_or(u64::from(u32::MAX))));
    }
    let date = rfc2822::DateTimeParser::new().parse_timestamp(value).ok()?;
    Some(Duration::try_from(date.duration_since(now)).unwrap_or_default())
}

#[cfg(test)]
mod tests {
    use super::*;

    const SECOND: Duration = Duration::from_secs(1);

    fn check(status: Option<u16>, tries: u32, expected: Verdict) {
        assert_eq!(Backoff::default().decide(status, None, tries, 1.0), expected, "{status:?} {tries}");
    }

    #[test]
    fn an_answer_is_a_verdict() {
        for status in [200, 201, 202, 204, 226, 299] {
            check(Some(status), 15, Verdict::Delivered);
        }
        check(Some(410), 1, Verdict::Gone);
        for status in [None, Some(300), Some(301), Some(302), Some(307), Some(308), Some(400), Some(404), Some(500)] {
            check(status, 1, Verdict::Again(SECOND));
            check(status, 15, Verdict::GivenUp);
        }
    }

    #[test]
    fn waits_double_up_to_their_bound_and_chance_shortens_them() {
        let again =
            |tries, chance| Backoff { tries_max: u32::MAX, ..Backoff::default() }.decide(None, None, tries, chance);
        for (tries, seconds) in
            [(1, 1), (2, 2), (3, 4), (12, 2_048), (13, 3_600), (32, 3_600), (33, 3_600), (1_000, 3_600)]
        {
            assert_eq!(again(tries, 1.0), Verdict::Again(seconds * SECOND), "{tries}");
            assert_eq!(again(tries, 0.0), Verdict::Again(Duration::ZERO));
            assert_eq!(again(tries, 0.5), Verdict::Again(seconds * SECOND / 2));
        }
        assert_eq!(again(1, f64::INFINITY), Verdict::Again(SECOND));
    }

    #[test]
    fn a_receiver_may_ask_for_time_and_not_for_all_of_it() {
        let ask = |seconds, chance| Backoff::default().decide(Some(503), Some(seconds * SECOND), 1, chance);
        assert_eq!(ask(30, 0.0), Verdict::Again(30 * SECOND));
        assert_eq!(ask(0, 1.0), Verdict::Again(SECOND), "it cannot ask for less");
        assert_eq!(ask(1_000_000, 0.0), Verdict::Again(3_600 * SECOND));
        assert_eq!(Backoff::default().decide(Some(503), Some(SECOND), 15, 0.0), Verdict::GivenUp);
    }

    #[test]
    fn retry_after_is_seconds_or_a_date() {
        // 6 November 1994, 08:49:37.
        let now = Timestamp::from_second(784_111_777).expect("a time");
        for (value, expected) in [
            ("0", Some(0)),
            ("120", Some(120)),
            ("99999999999999999999999", Some(u64::from(u32::MAX))),
            ("Sun, 06 Nov 1994 08:50:37 GMT", Some(60)),
            ("Sun, 06 Nov 1994 08:49:37 GMT", Some(0)),
            ("Sun, 06 Nov 1994 08:00:00 GMT", Some(0)),
            ("", None),
            ("-1", None),
            ("1.5", None),
            ("soon", None),
            ("1 s", None),
        ] {
            assert_eq!(retry_after(value, now), expected.map(Duration::from_secs), "{value:?}");
        }
    }
}
