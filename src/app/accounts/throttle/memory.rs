//! Owns the counts of one process: for each key the time at which all that it was charged will have passed.
//!
//! The one idea: that time is the whole state of a bucket (GCRA). In the future by less than the burst, there is room; in
//! the past, the key is as good as unknown, and is forgotten. The keys are kept in the order of these times too, so that
//! what can be forgotten is at one end.
//!
//! ```text
//!            now                       now + burst · interval
//!   ──────────┼──────────────────────────────┼──────────>
//!    passed   │   passes at  ──charge──>     │  no room
//! ```
//!
//! Never: reads a clock; holds more than `entries_max` keys. When all places are taken, the key goes that would be forgotten
//! soonest: that of a few failures, and not the one that somebody is guessing at.

use std::collections::{BTreeSet, HashMap};
use std::time::Duration;

use super::{Key, Quota};

/// Keys that have passed and are forgotten with each charge: more than are added.
const FORGOTTEN_A_CHARGE: usize = 4;

/// Times are counted from one epoch.
#[derive(Debug)]
pub(super) struct Table {
    entries_max: usize,
    passes_at: HashMap<Key, Duration>,
    in_order: BTreeSet<(Duration, Key)>,
}

impl Table {
    pub fn new(entries_max: usize) -> Table {
        assert!(entries_max > 0, "a table has room");
        Table { entries_max, passes_at: HashMap::new(), in_order: BTreeSet::new() }
    }

    /// The most that `entries_max` keys take. A hash table is at most half empty, but for a moment when it doubles; the
    /// leaves of a tree are.
    pub fn bytes_max(entries_max: usize) -> u64 {
        let places = (entries_max * 8 / 7 + 1).next_power_of_two();
        let hashed = places * (size_of::<(Key, Duration)>() + 1) * 3 / 2;
        let in_order = entries_max * size_of::<(Duration, Key)>() * 5 / 2;
        (hashed + in_order) as u64
    }

    /// Charges each key one, if all have room. Otherwise none, and says how long until all have.
    pub fn charge(&mut self, keys: &[(Key, Quota)], now: Duration) -> Duration {
        self.forget_passed(now);
        let wait = keys.iter().map(|&(key, quota)| {
            let room_until = now + quota.interval * quota.burst;
            self.charged(key, quota, now).saturating_sub(room_until)
        });
        let wait = wait.max().unwrap_or_default();
        if wait.is_zero() {
            for &(key, quota) in keys {
                self.set(key, self.charged(key, quota, now));
            }
        }
        wait
    }

    /// When all that each of them was charged so far will have passed.
    pub fn passes_at(&self, keys: &[(Key, Quota)]) -> Vec<Duration> {
        keys.iter().map(|(key, _)| self.passes_at.get(key).copied().unwrap_or_default()).collect()
    }

    /// Takes off each key what is left at `now` of one charge, which would have passed at `own`.
    pub fn give_back(&mut self, keys: &[(Key, Quota)], own: &[Duration], now: Duration) {
        for (&(key, quota), own) in keys.iter().zip(own) {
            let left = own.saturating_sub(now).min(quota.interval);
            if let Some(&passes_at) = self.passes_at.get(&key) {
                self.set(key, passes_at.saturating_sub(left));
            }
        }
    }

    /// When `key` will have passed after one more.
    fn charged(&self, key: Key, quota: Quota, now: Duration) -> Duration {
        self.passes_at.get(&key).map_or(now, |&passes_at| passes_at.max(now)) + quota.interval
    }

    fn set(&mut self, key: Key, passes_at: Duration) {
        if let Some(before) = self.passes_at.insert(key, passes_at) {
            self.in_order.remove(&(before, key));
        } else if self.passes_at.len() > self.entries_max {
            self.forget_first(Duration::MAX);
        }
        self.in_order.insert((passes_at, key));
    }

    fn forget_passed(&mut self, now: Duration) {
        for _ in 0..FORGOTTEN_A_CHARGE {
            self.forget_first(now);
        }
    }

    /// Forgets the key that passes first, if it does until `time`.
    fn forget_first(&mut self, time: Duration) {
        if self.in_order.first().is_some_and(|(passes_at, _)| *passes_at <= time) {
            let first = self.in_order.pop_first();
            first.map(|(_, key)| self.passes_at.remove(&key));
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const SECOND: Duration = Duration::from_secs(1);
    const QUOTA: Quota = Quota { burst: 3, interval: Duration::from_secs(10) };

    fn key(number: u8) -> Key {
        Key([number; 16])
    }

    fn one(number: u8) -> [(Key, Quota); 1] {
        [(key(number), QUOTA)]
    }

    #[test]
    fn a_burst_passes_and_then_one_after_each_interval() {
        let mut table = Table::new(10);
        let mut charge = |second: u32| table.charge(&one(1), second * SECOND).as_secs();
        assert_eq!([charge(0), charge(0), charge(0)], [0, 0, 0]);
        assert_eq!((charge(0), charge(4)), (10, 6), "refused ones are not counted");
        assert_eq!((charge(10), charge(10), charge(19)), (0, 10, 1));
        assert_eq!(
            [charge(100), charge(100), charge(100), charge(100)],
            [0, 0, 0, 10],
            "no more than the burst is saved"
        );
    }

    #[test]
    fn all_are_charged_or_none() {
        let mut table = Table::new(10);
        let both = [one(1)[0], (key(2), Quota { burst: 1, ..QUOTA })];
        assert_eq!(table.charge(&both, SECOND), Duration::ZERO);
        for _ in 0..9 {
            assert_eq!(table.charge(&both, SECOND), 10 * SECOND);
        }
        assert_eq!(table.charge(&one(1), SECOND), Duration::ZERO, "the first key was charged once so far");
        assert_eq!(table.charge(&one(1), SECOND), Duration::ZERO);
        assert_eq!(table.charge(&one(1), SECOND), 10 * SECOND);
    }

    #[test]
    fn what_is_given_back_is_one_and_no_more() {
        let mut table = Table::new(10);
        for _ in 0..3 {
            assert!(table.charge(&one(1), SECOND).is_zero());
        }
        let own = table.passes_at(&one(1));
        table.give_back(&one(1), &own, SECOND);
        assert!(table.charge(&one(1), SECOND).is_zero());
        assert!(!table.charge(&one(1), SECOND).is_zero(), "the failures before it count");
        table.give_back(&one(9), &own, SECOND);
        assert!(!table.passes_at.contains_key(&key(9)));
    }

    #[test]
    fn what_has_passed_is_not_given_back_out_of_what_others_were_charged_since() {
        let check = |given_back: u32, passes: u32| {
            let mut table = Table::new(10);
            assert!(table.charge(&one(1), Duration::ZERO).is_zero());
            let own = table.passes_at(&one(1));
            assert!(table.charge(&one(1), 4 * SECOND).is_zero(), "the failure of somebody else");
            table.give_back(&one(1), &own, given_back * SECOND);
            assert_eq!(table.passes_at(&one(1)), [passes * SECOND], "at {given_back} s");
        };
        check(4, 14);
        check(7, 17);
        check(10, 20);
        check(12, 20);
    }

    #[test]
    fn what_has_passed_is_forgotten_and_what_is_guessed_at_is_not() {
        let mut table = Table::new(4);
        for _ in 0..3 {
            assert!(table.charge(&one(0), SECOND).is_zero());
        }
        for number in 1..=200 {
            assert!(table.charge(&one(number), SECOND).is_zero());
            assert!(table.passes_at.len() <= 4 && table.in_order.len() == table.passes_at.len());
        }
        assert!(!table.charge(&one(0), SECOND).is_zero(), "a flood of others makes nobody forget it");
        assert!(table.charge(&one(7), 1000 * SECOND).is_zero());
        assert_eq!(table.passes_at.len(), 1);
    }
}
