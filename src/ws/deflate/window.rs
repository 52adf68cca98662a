//! Owns a window: the last bytes of what went in one direction, to which the next message may refer.
//!
//! Invariant: holds at most its size, and no more memory than that.

/// The last bytes that went in one direction.
#[derive(Debug)]
pub(super) struct Window {
    bytes: Vec<u8>,
    bytes_max: usize,
}

impl Window {
    /// An empty window of `2^bits` bytes. Allocates nothing before there is something to remember.
    pub(super) fn new(bits: u8) -> Window {
        Window { bytes: Vec::new(), bytes_max: 1 << bits }
    }

    /// What is remembered, oldest first.
    pub(super) fn bytes(&self) -> &[u8] {
        &self.bytes
    }

    /// Bytes of memory in use.
    #[cfg(test)]
    pub(super) fn memory_bytes(&self) -> usize {
        self.bytes.capacity()
    }

    /// Remembers what went by, and forgets what is too long ago.
    pub(super) fn push(&mut self, bytes: &[u8]) {
        let newest = &bytes[bytes.len().saturating_sub(self.bytes_max)..];
        let too_many = (self.bytes.len() + newest.len()).saturating_sub(self.bytes_max);
        self.bytes.drain(..too_many);
        self.reserve(newest.len());
        self.bytes.extend_from_slice(newest);
    }

    /// Makes room as a vector would, but never for more than there can be.
    fn reserve(&mut self, more: usize) {
        let needed = self.bytes.len() + more;
        if needed > self.bytes.capacity() {
            let capacity = (2 * self.bytes.capacity()).clamp(needed, self.bytes_max);
            self.bytes.reserve_exact(capacity - self.bytes.len());
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_newest_bytes_are_remembered_and_no_memory_beyond_them() {
        let mut window = Window::new(8);
        let mut all: Vec<u8> = Vec::new();
        for len in [0, 1, 100, 155, 1, 255, 256, 257, 1000, 3] {
            let piece: Vec<u8> = (0..len).map(|at| (at + len) as u8).collect();
            window.push(&piece);
            all.extend(&piece);
            assert_eq!(window.bytes(), &all[all.len().saturating_sub(256)..]);
            assert!(window.memory_bytes() <= 256, "{}", window.memory_bytes());
        }
    }
}
