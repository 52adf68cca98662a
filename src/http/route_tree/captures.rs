//! Owns the spans that the wildcards of a pattern matched.
//!
//! The one idea: a capture is two numbers into the path, so a lookup copies no text and decodes nothing.
//!
//! Never: allocates for up to [`CAPTURES_INLINE`] captures.
//! Invariant: the first [`CAPTURES_INLINE`] spans lie in `inline`, and only the ones after them in `spilled`.

use std::ops::Range;

/// Captures that are stored without allocating.
pub const CAPTURES_INLINE: usize = 8;

/// Where the wildcards of a pattern matched, as byte offsets into the path that was looked up. Meant to be used again
/// for the next lookup.
#[derive(Clone, Debug, Default)]
pub struct Captures {
    len: usize,
    inline: [(u32, u32); CAPTURES_INLINE],
    spilled: Vec<(u32, u32)>,
}

impl Captures {
    /// The span of the wildcard that stands at `index` in its pattern. Not empty, unless it is a rest.
    pub fn get(&self, index: usize) -> Option<Range<usize>> {
        if index >= self.len {
            return None;
        }
        let (start, end) = match index.checked_sub(CAPTURES_INLINE) {
            None => self.inline[index],
            Some(index) => self.spilled[index],
        };
        Some(start as usize..end as usize)
    }

    /// All spans, in the order of the wildcards.
    pub fn iter(&self) -> impl Iterator<Item = Range<usize>> {
        (0..self.len).filter_map(|index| self.get(index))
    }

    /// How many wildcards matched.
    pub fn len(&self) -> usize {
        self.len
    }

    /// Whether no wildcard matched.
    pub fn is_empty(&self) -> bool {
        self.len == 0
    }

    /// Adds a span. Its path is known to be shorter than 4 GiB.
    #[inline]
    pub(super) fn push(&mut self, span: Range<usize>) {
        let span = (span.start as u32, span.end as u32);
        match self.inline.get_mut(self.len) {
            Some(place) => *place = span,
            None => self.spilled.push(span),
        }
        self.len += 1;
    }

    /// Forgets all spans but the first `len`, and keeps the memory.
    #[inline]
    pub(crate) fn truncate(&mut self, len: usize) {
        self.len = len;
        self.spilled.truncate(len.saturating_sub(CAPTURES_INLINE));
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn spans_beyond_the_inline_ones_spill_and_come_back() {
        let mut captures = Captures::default();
        for round in 0..2 {
            (0..20).for_each(|index| captures.push(index..index + round));
            assert_eq!(
                captures.iter().collect::<Vec<_>>(),
                (0..20).map(|index| index..index + round).collect::<Vec<_>>()
            );
            captures.truncate(9);
            assert_eq!((captures.len(), captures.get(8), captures.get(9)), (9, Some(8..8 + round), None));
            captures.truncate(7);
            assert_eq!((captures.get(6), captures.get(7), captures.spilled.len()), (Some(6..6 + round), None, 0));
            captures.truncate(0);
            assert!(captures.is_empty());
        }
    }
}
