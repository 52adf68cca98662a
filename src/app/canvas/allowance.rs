//! Owns how fast one client may draw.
//!
//! The one idea: two buckets of tokens, for messages and for pixels, and a third for being refused: who draws too fast for a
//! moment loses a stroke and is told; who goes on regardless is closed.
//!
//! Never: reads a clock.
//! Limits: [`MESSAGES`], [`PIXELS`], [`REFUSALS`].

use std::time::Instant;

/// What a bucket holds, and what flows in.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Rate {
    /// Tokens each second.
    pub per_second: u32,
    /// Tokens of a full bucket.
    pub burst: u32,
}

/// Messages of any kind. A page sends some 40 a second while its user draws.
pub const MESSAGES: Rate = Rate { per_second: 100, burst: 200 };

/// Pixels. A hand on a mouse draws some 2,000 a second.
pub const PIXELS: Rate = Rate { per_second: 8_192, burst: 16_384 };

/// Messages that were refused, until the connection is closed.
pub const REFUSALS: Rate = Rate { per_second: 5, burst: 100 };

/// What one client has left.
#[derive(Clone, Debug)]
pub struct Allowance {
    messages: Bucket,
    pixels: Bucket,
    refusals: Bucket,
}

/// Whether a message is taken.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Verdict {
    /// It is.
    Taken,
    /// It is not.
    Refused,
    /// It is not, and neither is the client any more.
    Insists,
}

impl Allowance {
    /// All buckets full.
    pub fn new(now: Instant) -> Allowance {
        let [messages, pixels, refusals] = [MESSAGES, PIXELS, REFUSALS].map(|rate| Bucket::new(rate, now));
        Allowance { messages, pixels, refusals }
    }

    /// Pays for a message that sets so many pixels. One that is refused costs nothing but its refusal.
    pub fn spend(&mut self, pixels: usize, now: Instant) -> Verdict {
        let pixels = u32::try_from(pixels).unwrap_or(u32::MAX);
        if self.messages.has(1, now) && self.pixels.has(pixels, now) {
            self.messages.take(1);
            self.pixels.take(pixels);
            return Verdict::Taken;
        }
        if !self.refusals.has(1, now) {
            return Verdict::Insists;
        }
        self.refusals.take(1);
        Verdict::Refused
    }
}

#[derive(Clone, Debug)]
struct Bucket {
    rate: Rate,
    tokens: f64,
    filled: Instant,
}

impl Bucket {
    fn new(rate: Rate, now: Instant) -> Bucket {
        Bucket { rate, tokens: rate.burst.into(), filled: now }
    }

    /// Whether so many are in it, with what has flown in until `now`.
    fn has(&mut self, count: u32, now: Instant) -> bool {
        let passed = now.saturating_duration_since(self.filled);
        self.filled = self.filled.max(now);
        self.tokens += passed.as_secs_f64() * f64::from(self.rate.per_second);
        self.tokens = self.tokens.min(self.rate.burst.into());
        self.tokens >= f64::from(count)
    }

    fn take(&mut self, count: u32) {
        self.tokens -= f64::from(count);
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;

    #[test]
    fn a_hand_is_never_refused() {
        let start = Instant::now();
        let mut allowance = Allowance::new(start);
        for frame in 0..6_000 {
            let now = start + Duration::from_millis(frame * 16);
            assert_eq!(allowance.spend(40, now), Verdict::Taken, "frame {frame}");
        }
    }

    #[test]
    fn who_insists_is_told_apart_from_who_was_hasty() {
        let now = Instant::now();
        let mut allowance = Allowance::new(now);
        let mut spend = |pixels, now| allowance.spend(pixels, now);
        for _ in 0..4 {
            assert_eq!(spend(4_096, now), Verdict::Taken);
        }
        assert_eq!(spend(1, now), Verdict::Refused);
        assert_eq!(spend(4_096, now + Duration::from_millis(499)), Verdict::Refused);
        assert_eq!(spend(4_096, now + Duration::from_millis(500)), Verdict::Taken);
        let refused = (0..).take_while(|_| spend(4_096, now + Duration::from_millis(500)) == Verdict::Refused);
        assert_eq!(refused.count(), 99, "and one above");
        assert_eq!(spend(4_096, now + Duration::from_millis(501)), Verdict::Insists);
    }

    #[test]
    fn messages_are_counted_whatever_they_set_and_time_does_not_run_back() {
        let now = Instant::now();
        let mut allowance = Allowance::new(now + Duration::from_secs(1));
        for _ in 0..200 {
            assert_eq!(allowance.spend(0, now), Verdict::Taken);
        }
        assert_eq!(allowance.spend(0, now), Verdict::Refused);
    }
}
