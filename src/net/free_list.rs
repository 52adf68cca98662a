//! Owns what a thread keeps to use again: a bounded list of free things, buffers and heads.
//!
//! The one idea: what one connection gives back serves the next one on the same thread, without a lock and without the
//! allocator.
//!
//! Never: keeps more than its bound; asks whether a thing is worth keeping: who gives it back knows.

use std::cell::RefCell;
use std::thread::LocalKey;

/// A bounded list of free things. One for a thread, in a `thread_local!`.
pub(crate) struct FreeList<T> {
    free: RefCell<Vec<T>>,
    kept_max: usize,
}

impl<T: 'static> FreeList<T> {
    /// An empty list that keeps at most `kept_max` things.
    pub(crate) const fn new(kept_max: usize) -> FreeList<T> {
        FreeList { free: RefCell::new(Vec::new()), kept_max }
    }

    /// Takes one. `None` when none is free, or the list is gone because its thread ends.
    #[inline]
    pub(crate) fn take(list: &'static LocalKey<FreeList<T>>) -> Option<T> {
        list.try_with(|list| list.free.borrow_mut().pop()).ok().flatten()
    }

    /// Gives one back, to be kept when there is room.
    #[inline]
    pub(crate) fn give(list: &'static LocalKey<FreeList<T>>, thing: T) {
        let _ = list.try_with(|list| {
            let mut free = list.free.borrow_mut();
            if free.len() < list.kept_max {
                free.push(thing);
            }
        });
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    thread_local! {
        static FREE: FreeList<Box<u8>> = const { FreeList::new(2) };
    }

    #[test]
    fn what_is_given_back_is_taken_again_up_to_the_bound() {
        assert_eq!(FreeList::take(&FREE), None);
        for thing in 1..=3 {
            FreeList::give(&FREE, Box::new(thing));
        }
        let taken: Vec<_> = std::iter::from_fn(|| FreeList::take(&FREE)).map(|thing| *thing).collect();
        assert_eq!(taken, [2, 1], "the third was one too many");
    }
}
