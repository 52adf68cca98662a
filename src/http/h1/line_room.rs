//! Owns the writing of field lines into room that a vector already has.
//!
//! The one idea: `Vec::push` asks for room, and may move the vector, at every line. Here room is made once, so a line is
//! a comparison and five stores; that is a tenth of what parsing a head takes (`instructions parse` in `benches`).
//!
//! ```text
//!   lines   │ there already │ written  . . .   │ room
//!                           ^ taken here       ^ next
//! ```
//!
//! Invariant: the vector's length counts only lines that were written.
#![allow(unsafe_code, reason = "one call: the length of the vector behind lines that were written")]

use std::mem::MaybeUninit;
use std::slice::IterMut;

use crate::http::field::FieldLine;

/// Lines for which there is room at least, unless fewer are allowed.
pub(crate) const LINES_MIN: usize = 16;

/// What writes lines into the room.
pub(super) trait LineWriter {
    /// What comes of it.
    type Output;

    /// Writes them. A method and not a closure, so that it can be `#[inline(always)]`.
    fn write(self, room: &mut LineRoom<'_>) -> Self::Output;
}

/// Lets `writer` write behind `lines`, up to `lines_max` in all, or fewer when the vector would have to grow for them.
#[inline(always)]
pub(super) fn write_behind<W: LineWriter>(lines: &mut Vec<FieldLine>, lines_max: usize, writer: W) -> W::Output {
    lines.reserve(LINES_MIN);
    let before = lines.len();
    let free = lines.spare_capacity_mut();
    let places = free.len().min(lines_max.saturating_sub(before));
    let mut room = LineRoom { free: free[..places].iter_mut() };
    let output = writer.write(&mut room);
    let written = places - room.free.len();
    // SAFETY: a place is only taken by writing a line into it, in order, so that many lines behind `before` are written.
    unsafe { lines.set_len(before + written) };
    output
}

/// Room for field lines.
pub(super) struct LineRoom<'a> {
    free: IterMut<'a, MaybeUninit<FieldLine>>,
}

impl LineRoom<'_> {
    /// Writes a line; `None` when there is no room.
    #[inline(always)]
    pub(super) fn push(&mut self, line: FieldLine) -> Option<()> {
        self.free.next()?.write(line);
        Some(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::http::field::Known;

    fn line(name_start: u32) -> FieldLine {
        FieldLine { name_start, value_start: 0, value_len: 0, name_len: 1, known: Known::Other }
    }

    /// Writes as many lines as there is room for, but so many at most.
    struct Many(usize);

    impl LineWriter for Many {
        type Output = ();

        fn write(self, room: &mut LineRoom<'_>) {
            (0..self.0).take_while(|_| room.push(line(7)).is_some()).for_each(drop);
        }
    }

    #[test]
    fn lines_are_counted_up_to_the_allowed() {
        let mut lines = vec![line(0)];
        for (lines_max, expected) in [(0, 1), (1, 1), (2, 2), (4, 4)] {
            write_behind(&mut lines, lines_max, Many(usize::MAX));
            assert_eq!(lines.len(), expected, "of {lines_max}");
        }
        assert_eq!(lines.iter().map(|line| line.name_start).collect::<Vec<_>>(), [0, 7, 7, 7]);
        write_behind(&mut lines, usize::MAX, Many(0));
        assert_eq!(lines.len(), 4);
        write_behind(&mut lines, usize::MAX, Many(LINES_MIN));
        assert_eq!(lines.len(), 4 + LINES_MIN);
    }
}
