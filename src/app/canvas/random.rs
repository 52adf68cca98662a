//! Owns the chance that the canvas needs: tokens, names of nodes, and waits that are not all of the same length.
//!
//! Never: gives what somebody else could foresee.

use std::time::Duration;

/// 64 bits from the system.
///
/// # Panics
/// When the system has none, which it can have only before it has started up.
pub fn random() -> u64 {
    getrandom::u64().expect("the system has random bits")
}

/// Between half of `time` and all of it, so that those who begin to wait together do not come back together.
pub fn jittered(time: Duration) -> Duration {
    let half = time / 2;
    // The upper half of the bits, as a share of one.
    half + half.mul_f64((random() >> 32) as f64 / f64::from(u32::MAX))
}
