//! Criterion benches of firstbyte.
