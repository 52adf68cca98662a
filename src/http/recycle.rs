//! Owns the free lists of heads: a head that has served gives its allocations to the next one on the same thread.
//!
//! The one idea: requests and responses are one pointer to a boxed head each, cheap to move through every layer, and the
//! box is not paid for each time.
//!
//! Never: keeps more than [`KEPT_MAX`] heads a thread, or one that has grown past what [`Recycle::recycle`] accepts:
//! what a peer made large is given back to the allocator.

use std::ops::{Deref, DerefMut};
use std::thread::LocalKey;

use crate::net::free_list::FreeList;

/// Free heads kept a thread and a kind.
pub(crate) const KEPT_MAX: usize = 32;

/// Gives a head its thread's free list: the first half of [`Recycle`].
macro_rules! recycled_by_thread {
    () => {
        fn free_list() -> &'static std::thread::LocalKey<$crate::net::free_list::FreeList<Box<Self>>> {
            use $crate::http::recycle::KEPT_MAX;
            use $crate::net::free_list::FreeList;

            thread_local! {
                static FREE: FreeList<Box<Head>> = const { FreeList::new(KEPT_MAX) };
            }
            &FREE
        }
    };
}
pub(crate) use recycled_by_thread;

/// A head that can be used again.
pub(crate) trait Recycle: Default + 'static {
    /// The thread's free list.
    fn free_list() -> &'static LocalKey<FreeList<Box<Self>>>;

    /// Forgets all content and says whether the memory is worth keeping.
    fn recycle(&mut self) -> bool;
}

/// A box from the thread's free list, which goes back there when dropped.
pub(crate) struct Recycled<T: Recycle>(Option<Box<T>>);

impl<T: Recycle> Recycled<T> {
    pub(crate) fn take() -> Recycled<T> {
        Recycled(Some(FreeList::take(T::free_list()).unwrap_or_default()))
    }
}

impl<T: Recycle> Drop for Recycled<T> {
    fn drop(&mut self) {
        let Some(mut head) = self.0.take() else { return };
        if head.recycle() {
            FreeList::give(T::free_list(), head);
        }
    }
}

impl<T: Recycle> Deref for Recycled<T> {
    type Target = T;

    fn deref(&self) -> &T {
        self.0.as_deref().expect("a head is there until it is dropped")
    }
}

impl<T: Recycle> DerefMut for Recycled<T> {
    fn deref_mut(&mut self) -> &mut T {
        self.0.as_deref_mut().expect("a head is there until it is dropped")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[derive(Default)]
    struct Head {
        bytes: Vec<u8>,
    }

    impl Recycle for Head {
        recycled_by_thread!();

        fn recycle(&mut self) -> bool {
            self.bytes.clear();
            self.bytes.capacity() <= 64
        }
    }

    #[test]
    fn memory_comes_back_empty_and_large_memory_does_not() {
        let mut head = Recycled::<Head>::take();
        head.bytes.extend_from_slice(b"secret");
        let address = head.bytes.as_ptr();
        drop(head);
        let mut again = Recycled::<Head>::take();
        assert_eq!((again.bytes.as_ptr(), again.bytes.len()), (address, 0));
        again.bytes.reserve(1000);
        drop(again);
        assert_eq!(Recycled::<Head>::take().bytes.capacity(), 0);
    }

    #[test]
    fn the_list_is_bounded() {
        let many: Vec<_> = (0..KEPT_MAX * 2).map(|_| Recycled::<Head>::take()).collect();
        drop(many);
        let kept = std::iter::from_fn(|| FreeList::take(Head::free_list())).count();
        assert_eq!(kept, KEPT_MAX);
    }
}
