//! Owns the one way in which locks are taken.
//!
//! What stands behind the locks of this crate is plain data that no panic leaves half-written, so a lock that was held
//! during a panic is taken like any other.

use std::sync::{Mutex, MutexGuard, PoisonError};

/// Takes the lock, whatever has happened under it.
#[inline]
pub(crate) fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}
