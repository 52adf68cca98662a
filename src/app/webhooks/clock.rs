//! Owns what time it is, and what chance there is: two things that a test has to set.
//!
//! The one idea: rules get both as values, and there is one place that each comes from. Over PostgreSQL the order of things is
//! the database's clock; this one says the time that is signed.

use std::fmt;
use std::sync::{Arc, Mutex};

use jiff::{SignedDuration, Timestamp};
use tokio::time::Instant;

use crate::crypto;
use crate::net::lock::lock;

/// Says what time it is.
#[derive(Clone)]
pub struct Clock(Arc<dyn Fn() -> Timestamp + Send + Sync>);

/// A number between 0 and 1, another one each time.
#[derive(Clone)]
pub struct Chance(Arc<dyn Fn() -> f64 + Send + Sync>);

impl Clock {
    /// The clock of the machine.
    pub fn system() -> Clock {
        Clock(Arc::new(Timestamp::now))
    }

    /// A clock that began at `at` and goes as tokio's does: one that a test can stop.
    pub fn from(at: Timestamp) -> Clock {
        let begun = Instant::now();
        Clock(Arc::new(move || {
            SignedDuration::try_from(begun.elapsed()).ok().and_then(|passed| at.checked_add(passed).ok()).unwrap_or(at)
        }))
    }

    /// Now.
    pub fn now(&self) -> Timestamp {
        (self.0)()
    }
}

impl Chance {
    /// What nobody can foresee.
    pub fn system() -> Chance {
        Chance(Arc::new(|| share(u64::from_be_bytes(crypto::random()))))
    }

    /// The same row of numbers for the same seed.
    pub fn seeded(seed: u64) -> Chance {
        let state = Mutex::new(seed);
        Chance(Arc::new(move || {
            let mut state = lock(&state);
            // SplitMix64, by Steele, Lea and Flood.
            *state = state.wrapping_add(0x9e37_79b9_7f4a_7c15);
            let mixed = (*state ^ (*state >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
            let mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
            share(mixed ^ (mixed >> 31))
        }))
    }

    /// The next number.
    pub fn next(&self) -> f64 {
        (self.0)()
    }
}

/// The upper bits as a share of one: as many as an `f64` holds.
fn share(bits: u64) -> f64 {
    (bits >> 11) as f64 / (1_u64 << 53) as f64
}

impl fmt::Debug for Clock {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Clock({})", self.now())
    }
}

impl fmt::Debug for Chance {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Chance")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_seed_gives_a_row_of_shares() {
        let row = |seed| {
            let chance = Chance::seeded(seed);
            (0..1_000).map(|_| chance.next()).collect::<Vec<_>>()
        };
        let shares = row(7);
        assert!(shares.iter().all(|share| (0.0..1.0).contains(share)));
        let mean = shares.iter().sum::<f64>() / 1_000.0;
        assert!((0.45..0.55).contains(&mean), "{mean}");
        assert_eq!(shares, row(7));
        assert_ne!(shares, row(8));
    }
}
