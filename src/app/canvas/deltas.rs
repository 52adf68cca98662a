//! Owns the latest deltas of a room, for those whose connection broke.
//!
//! The one idea: no more is kept than a snapshot would take. Who has missed more than that is better off with a snapshot.
//!
//! Invariants: sequence numbers rise by one; [`Deltas::BYTES_MAX`] and [`Deltas::COUNT_MAX`] hold.

use std::collections::VecDeque;

use crate::app::canvas::domain::PLACES;
use crate::ws::Prepared;

/// The latest deltas.
#[derive(Debug, Default)]
pub struct Deltas {
    kept: VecDeque<Prepared>,
    bytes: usize,
    /// The number of the last one.
    seq: u32,
}

impl Deltas {
    /// Bytes of all that are kept.
    pub const BYTES_MAX: usize = PLACES;

    /// How many are kept: those of 25 s in which somebody draws all the time.
    pub const COUNT_MAX: usize = 512;

    /// None, behind number `seq`.
    pub fn behind(seq: u32) -> Deltas {
        Deltas { seq, ..Deltas::default() }
    }

    /// The number of the last one, 0 before the first.
    pub fn seq(&self) -> u32 {
        self.seq
    }

    /// Takes one more. `None` when there is no number for it: then nothing is kept any more.
    pub fn push(&mut self, encode: impl FnOnce(u32) -> Prepared) -> Option<Prepared> {
        let Some(seq) = self.seq.checked_add(1) else {
            *self = Deltas::default();
            return None;
        };
        let delta = encode(seq);
        self.seq = seq;
        self.bytes += delta.frame().len();
        self.kept.push_back(delta.clone());
        while self.bytes > Deltas::BYTES_MAX || self.kept.len() > Deltas::COUNT_MAX {
            let Some(oldest) = self.kept.pop_front() else { break };
            self.bytes -= oldest.frame().len();
        }
        Some(delta)
    }

    /// Those behind number `seq`; `None` when they are not all kept, or `seq` was never given.
    pub fn since(&self, seq: u32) -> Option<impl Iterator<Item = &Prepared>> {
        let missed = usize::try_from(self.seq.checked_sub(seq)?).ok()?;
        Some(self.kept.range(self.kept.len().checked_sub(missed)?..))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn pushed(count: u32, bytes: usize) -> Deltas {
        let mut deltas = Deltas::default();
        for _ in 0..count {
            deltas.push(|seq| Prepared::new([&seq.to_be_bytes()[..], &vec![0; bytes]].concat()));
        }
        deltas
    }

    fn since(deltas: &Deltas, seq: u32) -> Option<Vec<u32>> {
        let number = |delta: &Prepared| u32::from_be_bytes(delta.message().as_bytes()[..4].try_into().expect("four"));
        deltas.since(seq).map(|missed| missed.map(number).collect())
    }

    #[test]
    fn what_was_missed_is_told_exactly_or_not_at_all() {
        let deltas = pushed(5, 1);
        assert_eq!(since(&deltas, 5), Some(vec![]));
        assert_eq!(since(&deltas, 3), Some(vec![4, 5]));
        assert_eq!(since(&deltas, 0), Some(vec![1, 2, 3, 4, 5]));
        for never in [6, u32::MAX] {
            assert_eq!(since(&deltas, never), None);
        }
        assert_eq!(since(&Deltas::default(), 0), Some(vec![]));
        let many = pushed(600, 1);
        assert_eq!(since(&many, 87), None);
        assert_eq!(since(&many, 88).map(|missed| missed.len()), Some(Deltas::COUNT_MAX));
    }

    #[test]
    fn what_is_kept_is_bounded() {
        let large = pushed(100, 10_000);
        assert!(large.bytes <= Deltas::BYTES_MAX && large.kept.len() == 6, "{}", large.kept.len());
        let larger_than_all = pushed(3, 100_000);
        assert_eq!(
            (larger_than_all.bytes, since(&larger_than_all, 2), since(&larger_than_all, 3)),
            (0, None, Some(vec![]))
        );
    }

    #[test]
    fn numbers_end() {
        let mut deltas = Deltas { seq: u32::MAX, ..Deltas::default() };
        assert!(deltas.push(|_| panic!("there is no number")).is_none());
        assert_eq!(deltas.seq(), 0);
    }
}
