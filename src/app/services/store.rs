//! Owns what the services keep: a numbered shelf in memory, with an end.
//!
//! Never: holds the lock over an await; gives a number twice; survives its process.
//! Limits: `entries_max`.

use std::collections::BTreeMap;
use std::sync::{Mutex, MutexGuard};

use crate::app::services::error::Error;
use crate::net::lock::lock;

/// Entries by number.
#[derive(Debug)]
pub struct Shelf<T> {
    inner: Mutex<Inner<T>>,
    entries_max: usize,
}

#[derive(Debug)]
struct Inner<T> {
    entries: BTreeMap<u64, T>,
    next: u64,
}

impl<T: Clone> Shelf<T> {
    /// A shelf for so many.
    pub fn new(entries_max: usize) -> Shelf<T> {
        Shelf { inner: Mutex::new(Inner { entries: BTreeMap::new(), next: 1 }), entries_max }
    }

    /// Adds the entry that `make` makes of its number.
    ///
    /// # Errors
    /// Those of `make`; [`Error::Full`].
    pub fn add(&self, make: impl FnOnce(u64) -> Result<T, Error>) -> Result<T, Error> {
        let mut inner = self.lock();
        if inner.entries.len() >= self.entries_max {
            return Err(Error::Full(self.entries_max));
        }
        let id = inner.next;
        let entry = make(id)?;
        inner.entries.insert(id, entry.clone());
        inner.next += 1;
        Ok(entry)
    }

    /// The entries that `wanted` wants, in the order of their numbers.
    pub fn list(&self, wanted: impl Fn(&T) -> bool) -> Vec<T> {
        self.lock().entries.values().filter(|entry| wanted(entry)).cloned().collect()
    }

    /// The entry of that number.
    pub fn find(&self, id: u64) -> Option<T> {
        self.lock().entries.get(&id).cloned()
    }

    /// Takes the entry of that number away.
    pub fn remove(&self, id: u64) -> Option<T> {
        self.lock().entries.remove(&id)
    }

    fn lock(&self) -> MutexGuard<'_, Inner<T>> {
        lock(&self.inner)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_are_given_once_and_a_full_shelf_says_so() {
        let shelf = Shelf::new(2);
        assert_eq!(shelf.add(Ok).ok(), Some(1));
        assert!(shelf.add(|_| Err(Error::NotFound(0))).is_err());
        assert_eq!(shelf.add(Ok).ok(), Some(2));
        assert!(matches!(shelf.add(Ok), Err(Error::Full(2))));
        assert_eq!((shelf.remove(1), shelf.remove(1), shelf.find(2)), (Some(1), None, Some(2)));
        assert_eq!(shelf.add(Ok).ok(), Some(3));
        assert_eq!(shelf.list(|&entry| entry > 2), [3]);
    }
}
