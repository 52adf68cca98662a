//! Owns the little chance that the canvas needs: names of processes, and waits that are not all of the same length.
//!
//! Never: decides who may do what.

use std::time::Duration;

/// 64 random bits.
pub fn random() -> u64 {
    // A system without randomness cannot make keys or masks either: it does not get here.
    getrandom::u64().unwrap_or_default()
}

/// Between half of `time` and all of it, so that those who begin to wait together do not come back together.
pub fn jittered(time: Duration) -> Duration {
    let half = time / 2;
    // The upper half of the bits, as a share of one.
    half + half.mul_f64((random() >> 32) as f64 / f64::from(u32::MAX))
}
