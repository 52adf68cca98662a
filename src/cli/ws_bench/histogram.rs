//! Owns the times that were measured: how many were how long.
//!
//! The one idea: a bucket is as wide as 1/64 of the times in it, so that a million of them take 20 KiB and a percentile is
//! right to 1.6 %.
//!
//! ```text
//!   nanoseconds  0 1 2 … 127 │ 128 130 132 … 254 │ 256 260 … │ …        64 buckets each time the time doubles
//! ```
//!
//! Invariant: what is told is never less than what was measured.

/// Buckets from one power of two to the next, and how many bits that is.
const STEPS: usize = 1 << STEP_BITS;
const STEP_BITS: u32 = 6;

/// Powers of two: up to 2^42 ns, more than an hour.
const POWERS: usize = 42 - STEP_BITS as usize;

/// How often each time was measured.
pub struct Histogram {
    counts: Vec<u64>,
    count: u64,
    max: u64,
}

impl Histogram {
    pub fn new() -> Histogram {
        Histogram { counts: vec![0; (POWERS + 1) * STEPS], count: 0, max: 0 }
    }

    /// Adds a time.
    #[inline]
    pub fn add(&mut self, nanos: u64) {
        let last = self.counts.len() - 1;
        self.counts[bucket(nanos).min(last)] += 1;
        self.count += 1;
        self.max = self.max.max(nanos);
    }

    /// How many times there are.
    pub fn count(&self) -> u64 {
        self.count
    }

    /// The longest.
    pub fn max(&self) -> u64 {
        self.max
    }

    /// The time that so many of a thousand do not exceed. 0 when there are none.
    pub fn per_mille(&self, share: u64) -> u64 {
        let wanted = (self.count * share).div_ceil(1000).max(1);
        let mut seen = 0;
        let bucket = self.counts.iter().position(|count| {
            seen += count;
            seen >= wanted
        });
        bucket.map_or(0, end).min(self.max)
    }
}

/// The bucket of a time: its highest bit says which power, the bits behind that which step.
#[inline]
fn bucket(nanos: u64) -> usize {
    let shift = (u64::BITS - nanos.leading_zeros()).saturating_sub(STEP_BITS + 1);
    shift as usize * STEPS + (nanos >> shift) as usize
}

/// The longest time of a bucket.
fn end(bucket: usize) -> u64 {
    let shift = (bucket / STEPS).saturating_sub(1);
    let step = (bucket - shift * STEPS) as u64;
    ((step + 1) << shift) - 1
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_bucket_holds_its_times_and_is_narrow() {
        let mut before = None;
        for nanos in (0..4096).chain([1 << 20, (1 << 30) + 12345, (1 << 41) - 1]) {
            let bucket = bucket(nanos);
            assert!(end(bucket) >= nanos && end(bucket) - nanos <= nanos / STEPS as u64, "{nanos}: {}", end(bucket));
            assert!(before.is_none_or(|before| before <= bucket), "{nanos}");
            before = Some(bucket);
        }
        assert!(bucket(1 << 42) <= (POWERS + 1) * STEPS);
    }

    #[test]
    fn percentiles_of_a_thousand_times() {
        let mut histogram = Histogram::new();
        assert_eq!(histogram.per_mille(500), 0);
        (1..=1000).for_each(|micros| histogram.add(micros * 1000));
        for (share, micros) in [(0, 1), (500, 500), (990, 990), (999, 999), (1000, 1000)] {
            let told = histogram.per_mille(share);
            assert!(told >= micros * 1000 && told <= micros * 1016, "{share}: {told}");
        }
        histogram.add(u64::MAX);
        assert_eq!((histogram.max(), histogram.count()), (u64::MAX, 1001));
        assert_eq!(histogram.per_mille(1000), end(histogram.counts.len() - 1), "too long to be told apart");
    }
}
