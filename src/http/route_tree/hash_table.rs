//! Owns the hash table of the route tree: filled at start-up, then read by every request.
//!
//! The one idea: open addressing. An entry lies in the slot of its hash, or in one of the slots behind it up to the first
//! vacant one; so a search that finds nothing mostly looks at one slot.
//!
//! Never: removes an entry; hashes with a secret: the program chooses what is in the table, and not the peer.
//! Invariant: at most half of the slots are taken, so each search comes to a vacant one.

use std::mem;

/// Entries, each found by the hash that its owner has for it.
#[derive(Debug)]
pub(super) struct HashTable<E> {
    slots: Vec<Option<E>>,
    count: usize,
}

impl<E> HashTable<E> {
    pub(super) const fn new() -> HashTable<E> {
        HashTable { slots: Vec::new(), count: 0 }
    }

    /// The entry with `hash` that `is_it` says yes to.
    #[inline(always)]
    pub(super) fn find(&self, hash: usize, is_it: impl Fn(&E) -> bool) -> Option<&E> {
        let mask = self.slots.len().wrapping_sub(1);
        let mut at = hash & mask;
        while let Some(Some(entry)) = self.slots.get(at) {
            if is_it(entry) {
                return Some(entry);
            }
            at = (at + 1) & mask;
        }
        None
    }

    /// Adds an entry that is not there yet. `hash` is that of any entry.
    pub(super) fn insert(&mut self, entry: E, hash: impl Fn(&E) -> usize) {
        self.count += 1;
        if self.slots.len() < 2 * self.count {
            let slots = (2 * self.count).next_power_of_two();
            let fewer = mem::replace(&mut self.slots, (0..slots).map(|_| None).collect());
            fewer.into_iter().flatten().for_each(|entry| self.place(hash(&entry), entry));
        }
        self.place(hash(&entry), entry);
    }

    fn place(&mut self, hash: usize, entry: E) {
        let mask = self.slots.len() - 1;
        let mut at = hash & mask;
        while self.slots[at].is_some() {
            at = (at + 1) & mask;
        }
        self.slots[at] = Some(entry);
    }

    pub(super) fn is_empty(&self) -> bool {
        self.count == 0
    }

    pub(super) fn iter(&self) -> impl Iterator<Item = &E> {
        self.slots.iter().flatten()
    }
}

/// A hash of `key`: Fibonacci hashing, of which the middle bits depend on the six lowest octets.
#[inline(always)]
pub(super) fn spread(key: u64) -> usize {
    (key.wrapping_mul(0x9e37_79b9_7f4a_7c15) >> 40) as usize
}
