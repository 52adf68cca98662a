//! Owns numbers that are drawn from the bytes under test: how they are cut, which limits are in force.
//!
//! The one idea: a checksum of the input is its own source of chance. A file of the corpus is then a request and nothing
//! else, and every finding repeats.

/// Numbers drawn from a checksum.
pub struct Draw(u64);

impl Draw {
    /// The draws that belong to `input`, the same ones every time.
    pub fn of(input: &[u8]) -> Draw {
        let mut sum = 0xcbf2_9ce4_8422_2325 ^ input.len() as u64;
        for piece in input.chunks(8) {
            let mut word = [0; 8];
            word[..piece.len()].copy_from_slice(piece);
            // FNV-1a, eight bytes at a time, the upper bits brought back down.
            sum = (sum ^ u64::from_le_bytes(word)).wrapping_mul(0x100_0000_01b3).rotate_left(29);
        }
        Draw(sum)
    }

    /// A number below `end`.
    pub fn next(&mut self, end: usize) -> usize {
        // SplitMix64: good from any state, 0 included.
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mixed = (self.0 ^ (self.0 >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        let mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        ((mixed ^ (mixed >> 31)) >> 16) as usize % end
    }

    /// One of `choices`.
    pub fn of_these<'a, T>(&mut self, choices: &'a [T]) -> &'a T {
        &choices[self.next(choices.len())]
    }

    /// Where `len` bytes are cut: from 0 to `len`, ascending, at most `most` places between them.
    pub fn cuts(&mut self, len: usize, most: usize) -> Vec<usize> {
        let mut cuts = vec![0, len];
        for _ in 0..self.next(most + 1) {
            cuts.push(self.next(len + 1));
        }
        cuts.sort_unstable();
        cuts
    }
}
