//! Owns room for large messages that is used again: allocating 64 KiB for each, and filling it with zeros, costs as much as
//! receiving them.
//!
//! ```text
//!   this thread's rooms ──take──> a message is read there ──into_bytes──> Bytes ──last count dropped──> that thread's rooms
//! ```
//!
//! Never: shows what lay in a room before: who takes one counts what has come.
//! Limits: [`KEPT_MAX`].

use std::cell::RefCell;

use bytes::Bytes;

/// Bytes of a room.
pub(super) const ROOM_BYTES: usize = 64 * 1024;

/// A message of so many bytes is passed on in its room, a smaller one is copied out: nobody who keeps a few bytes is to keep
/// all of it.
pub(super) const WORTH_BYTES: usize = ROOM_BYTES / 2;

/// Free rooms kept a thread: 1 MiB.
const KEPT_MAX: usize = 16;

thread_local! {
    static FREE: RefCell<Vec<Vec<u8>>> = const { RefCell::new(Vec::new()) };
}

/// A vector of [`ROOM_BYTES`] bytes of no meaning.
pub(super) fn take() -> Vec<u8> {
    let free = FREE.try_with(|free| free.borrow_mut().pop());
    free.ok().flatten().unwrap_or_else(|| vec![0; ROOM_BYTES])
}

/// The first `len` bytes of `room`.
pub(super) fn into_bytes(room: Vec<u8>, len: usize) -> Bytes {
    let room = Room(room);
    if len < WORTH_BYTES { Bytes::copy_from_slice(&room.0[..len]) } else { Bytes::from_owner(room).slice(..len) }
}

struct Room(Vec<u8>);

impl AsRef<[u8]> for Room {
    fn as_ref(&self) -> &[u8] {
        &self.0
    }
}

impl Drop for Room {
    fn drop(&mut self) {
        let room = std::mem::take(&mut self.0);
        // A thread that ends has none left.
        let _ = FREE.try_with(|free| {
            let mut free = free.borrow_mut();
            if free.len() < KEPT_MAX {
                free.push(room);
            }
        });
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_room_is_passed_on_where_it_lies_unless_it_holds_little() {
        for (len, stays) in [(0, false), (WORTH_BYTES - 1, false), (WORTH_BYTES, true), (ROOM_BYTES, true)] {
            let mut room = take();
            room[..len].fill(7);
            let at = room.as_ptr();
            let bytes = into_bytes(room, len);
            assert!(bytes.len() == len && bytes.iter().all(|&byte| byte == 7));
            assert_eq!(bytes.as_ptr() == at, stays, "{len}");
            drop(bytes);
            let again = take();
            assert_eq!(again.as_ptr(), at, "it came back");
            drop(Room(again));
        }
    }
}
