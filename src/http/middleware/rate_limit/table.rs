//! Owns the windows of many clients: finds one by its key, forgets the idle ones, and has an end.
//!
//! The one idea: all windows lie in one array and hang in two lists. A bucket's list finds a key; the list by age says who
//! was served longest ago, so that the idle are always at one end and are forgotten there, two with each request. No task
//! sweeps, and no request pays for more than a few steps.
//!
//! ```text
//!   buckets   [ . | 2 | . | 0 ]              slots   0: key window    1: free    2: key window
//!                   └──> slot 2                        │   <── older ── newer ──>    │
//!                                            oldest ───┘                             └── newest
//! ```
//!
//! When the table is full of clients that are not idle, a newcomer is refused and told when the first place may be free.
//! Forgetting somebody else instead would serve him past his quota, and serving the newcomer uncounted would serve that
//! one past his.
//!
//! Never: reads a clock; hashes (its caller does, with a key that nobody outside knows); forgets a client that is not idle.
//! Invariants: the list by age is sorted by the time of the last serving. `slots.len() <= slots_max`.
//! Limits: [`Table::new`]'s `slots_max`; [`Table::bytes_held`] says what that costs.

use crate::http::middleware::rate_limit::sliding_window::{Quota, Refused, Served, SlidingWindow};

/// Idle clients forgotten with each request: more than one, so that the table shrinks while newcomers come.
const FORGOTTEN_A_REQUEST: usize = 2;

/// No slot.
const NONE: u32 = u32::MAX;

/// What becomes of a request.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Verdict {
    /// It is served.
    Served(Served),
    /// Its client has used up its quota.
    Refused(Refused),
    /// There is no place to count its client in.
    Full {
        /// Ticks until a place is free, at least 1, when nobody else comes first.
        wait: u64,
    },
}

/// The windows of at most `slots_max` clients.
#[derive(Debug)]
pub struct Table {
    quota: Quota,
    slots_max: u32,
    slots: Vec<Slot>,
    /// First slots of the lists of clients with the same hash; a power of two of them, or none.
    buckets: Vec<u32>,
    first_free: u32,
    oldest: u32,
    newest: u32,
    len: u32,
}

#[derive(Debug)]
struct Slot {
    key: u64,
    window: SlidingWindow,
    hash: u32,
    /// The next slot in the bucket, or of the free ones.
    chained: u32,
    older: u32,
    newer: u32,
}

impl Table {
    /// An empty table.
    pub fn new(quota: Quota, slots_max: u32) -> Table {
        assert!(slots_max > 0 && slots_max < NONE, "a table has from 1 to 2^32 - 2 slots");
        let (slots, buckets) = (Vec::new(), Vec::new());
        Table { quota, slots_max, slots, buckets, first_free: NONE, oldest: NONE, newest: NONE, len: 0 }
    }

    /// Serves a request of the client `key` at `now`, or refuses it. `hash` is always the same for the same key.
    pub fn ask(&mut self, key: u64, hash: u32, now: u64) -> Verdict {
        self.forget_idle(now);
        let Some(at) = self.find(key, hash) else { return self.admit(key, hash, now) };
        match self.slots[at as usize].window.ask(now, self.quota) {
            Ok(served) => {
                self.unlink(at);
                self.link_newest(at);
                Verdict::Served(served)
            }
            Err(refused) => Verdict::Refused(refused),
        }
    }

    /// How many clients are remembered.
    pub fn len(&self) -> usize {
        self.len as usize
    }

    /// Whether nobody is remembered.
    pub fn is_empty(&self) -> bool {
        self.len == 0
    }

    /// Bytes allocated. Looks at every slot.
    pub fn bytes_held(&self) -> usize {
        let windows: usize = self.slots.iter().map(|slot| slot.window.bytes_allocated()).sum();
        self.slots.capacity() * size_of::<Slot>() + self.buckets.capacity() * size_of::<u32>() + windows
    }

    /// The most that [`Table::bytes_held`] can become. While the table grows, its old places are there beside the new ones,
    /// whose windows are not yet.
    pub fn bytes_held_max(&self) -> u64 {
        let slots = u64::from(self.slots_max);
        let slot = (size_of::<Slot>() + SlidingWindow::bytes_allocated_max(self.quota)) as u64;
        slots * slot + slots.next_power_of_two() * size_of::<u32>() as u64
    }

    fn admit(&mut self, key: u64, hash: u32, now: u64) -> Verdict {
        if self.len == self.slots_max {
            return Verdict::Full { wait: self.slots[self.oldest as usize].window.idle_in(now, self.quota) };
        }
        let window = SlidingWindow::opened(now);
        let served = window.standing(now, self.quota);
        let at = self.place(Slot { key, window, hash, chained: NONE, older: NONE, newer: NONE });
        self.len += 1;
        if self.buckets.len() < self.slots.len() {
            self.rebuild_buckets();
        } else {
            self.link_bucket(at);
        }
        self.link_newest(at);
        Verdict::Served(served)
    }

    /// Forgets some of the clients that were served longest ago, when they are idle.
    fn forget_idle(&mut self, now: u64) {
        for _ in 0..FORGOTTEN_A_REQUEST {
            let at = self.oldest;
            if at == NONE || !self.slots[at as usize].window.is_idle(now, self.quota) {
                return;
            }
            self.remove(at);
        }
    }

    fn find(&self, key: u64, hash: u32) -> Option<u32> {
        let mut at = if self.buckets.is_empty() { NONE } else { self.buckets[self.bucket_of(hash)] };
        while at != NONE {
            let slot = &self.slots[at as usize];
            if slot.key == key {
                return Some(at);
            }
            at = slot.chained;
        }
        None
    }

    /// Puts `slot` into the array.
    fn place(&mut self, slot: Slot) -> u32 {
        let at = self.first_free;
        if at != NONE {
            self.first_free = std::mem::replace(&mut self.slots[at as usize], slot).chained;
            return at;
        }
        let at = self.slots.len();
        if at == self.slots.capacity() {
            self.slots.reserve_exact(at.max(4).min(self.slots_max as usize - at));
        }
        self.slots.push(slot);
        at as u32
    }

    fn remove(&mut self, at: u32) {
        self.unlink(at);
        self.unlink_bucket(at);
        self.len -= 1;
        if self.len == 0 {
            // After a storm of addresses its memory goes back.
            *self = Table::new(self.quota, self.slots_max);
            return;
        }
        let slot = &mut self.slots[at as usize];
        slot.window = SlidingWindow::opened(0);
        slot.chained = std::mem::replace(&mut self.first_free, at);
    }

    /// Doubles the buckets. All slots are taken when that is needed.
    fn rebuild_buckets(&mut self) {
        self.buckets = vec![NONE; self.slots.len().next_power_of_two()];
        for at in 0..self.slots.len() as u32 {
            self.link_bucket(at);
        }
    }

    fn bucket_of(&self, hash: u32) -> usize {
        hash as usize & (self.buckets.len() - 1)
    }

    fn link_bucket(&mut self, at: u32) {
        let bucket = self.bucket_of(self.slots[at as usize].hash);
        self.slots[at as usize].chained = std::mem::replace(&mut self.buckets[bucket], at);
    }

    fn unlink_bucket(&mut self, at: u32) {
        let Slot { hash, chained, .. } = self.slots[at as usize];
        let bucket = self.bucket_of(hash);
        if self.buckets[bucket] == at {
            self.buckets[bucket] = chained;
            return;
        }
        let mut before = self.buckets[bucket] as usize;
        while self.slots[before].chained != at {
            before = self.slots[before].chained as usize;
        }
        self.slots[before].chained = chained;
    }

    fn link_newest(&mut self, at: u32) {
        let older = std::mem::replace(&mut self.newest, at);
        match self.slots.get_mut(older as usize) {
            Some(slot) => slot.newer = at,
            None => self.oldest = at,
        }
        let slot = &mut self.slots[at as usize];
        (slot.older, slot.newer) = (older, NONE);
    }

    fn unlink(&mut self, at: u32) {
        let Slot { older, newer, .. } = self.slots[at as usize];
        match self.slots.get_mut(older as usize) {
            Some(slot) => slot.newer = newer,
            None => self.oldest = newer,
        }
        match self.slots.get_mut(newer as usize) {
            Some(slot) => slot.older = older,
            None => self.newest = older,
        }
    }
}

#[cfg(test)]
mod tests {
    use std::collections::HashMap;

    use proptest::collection::vec;
    use proptest::prelude::*;

    use super::*;

    /// The definition: each key's servings for ever, a key being there while its last one is in the window.
    struct Naive {
        quota: Quota,
        slots_max: usize,
        served: HashMap<u64, Vec<u64>>,
    }

    impl Naive {
        fn ask(&mut self, key: u64, now: u64) -> Verdict {
            let window = self.quota.window;
            let last = |served: &Vec<u64>| *served.last().expect("served once");
            let there: Vec<u64> = self.served.values().map(last).filter(|&at| now - at < window).collect();
            let servings = self.served.get(&key);
            let recent: Vec<u64> = servings.into_iter().flatten().copied().filter(|&at| now - at < window).collect();
            if recent.is_empty() && there.len() == self.slots_max {
                return Verdict::Full { wait: there.iter().min().expect("a slot") + window - now };
            }
            let frees_in = recent.first().copied().unwrap_or(now) + window - now;
            if recent.len() == usize::from(self.quota.requests) {
                return Verdict::Refused(Refused { wait: frees_in });
            }
            self.served.entry(key).or_default().push(now);
            Verdict::Served(Served { left: self.quota.requests - recent.len() as u16 - 1, frees_in })
        }
    }

    proptest! {
        #[test]
        fn it_agrees_with_the_definition_for_every_client(
            requests in 1u16..5,
            window in 1u64..20,
            slots_max in 1u32..6,
            // One hash for all is what an attacker would want.
            hash_bits in 0u32..4,
            asks in vec((0u64..8, 0u64..6), 0..300),
        ) {
            let quota = Quota { requests, window };
            let mut table = Table::new(quota, slots_max);
            let mut naive = Naive { quota, slots_max: slots_max as usize, served: HashMap::new() };
            let mut now = 0;
            for (key, gap) in asks {
                now += gap;
                let hash = key as u32 & ((1 << hash_bits) - 1);
                prop_assert_eq!(table.ask(key, hash, now), naive.ask(key, now));
                prop_assert!(table.len() <= slots_max as usize);
            }
        }
    }

    const QUOTA: Quota = Quota { requests: 3, window: 100 };

    #[test]
    fn a_full_table_refuses_newcomers_and_keeps_its_word_to_the_others() {
        let mut table = Table::new(QUOTA, 4);
        for key in 0..4 {
            assert!(matches!(table.ask(key, 0, key), Verdict::Served(_)));
        }
        assert_eq!(table.ask(9, 0, 10), Verdict::Full { wait: 90 });
        assert_eq!(table.ask(0, 0, 10), Verdict::Served(Served { left: 1, frees_in: 90 }));
        assert_eq!(table.ask(9, 0, 11), Verdict::Full { wait: 90 }, "0 was served again: 1 leaves first");
        assert!(matches!(table.ask(9, 0, 101), Verdict::Served(_)));
    }

    #[test]
    fn refused_requests_do_not_keep_a_client_remembered() {
        let mut table = Table::new(QUOTA, 4);
        for now in 0..99 {
            table.ask(1, 1, now);
        }
        assert_eq!(table.ask(1, 1, 102), Verdict::Served(Served { left: 2, frees_in: 100 }));
    }

    #[test]
    fn idle_clients_are_forgotten_as_others_come_and_memory_goes_back() {
        let mut table = Table::new(QUOTA, 10_000);
        for key in 0..10_000 {
            table.ask(key, key as u32, 0);
        }
        assert_eq!(table.len(), 10_000);
        for request in 0..5_000 {
            table.ask(77_777, 1, 100 + request / 100);
        }
        assert_eq!(table.len(), 1);
        let held = table.bytes_held();
        table.ask(77_777, 1, 1_000);
        assert!(table.bytes_held() < 1_000 && held > 100_000, "{held} bytes, then {}", table.bytes_held());
    }

    #[test]
    fn a_slot_is_small_and_slots_are_not_reserved_past_the_bound() {
        assert_eq!(size_of::<Slot>(), 56);
        let mut table = Table::new(QUOTA, 1_000);
        for key in 0..2_000 {
            table.ask(key, key as u32, 0);
        }
        assert_eq!((table.len(), table.slots.capacity(), table.buckets.len()), (1_000, 1_000, 1_024));
    }
}
