//! Owns the vector instructions of x86: AVX2, 32 bytes at a time, and SSSE3, 16 at a time.
//!
//! The one idea: a byte is two halves of four bits, and one instruction, `pshufb`, looks sixteen or 32 halves up in a
//! table of sixteen rows at once. What both lookups have in common says which kinds the byte is of.
//!
//! ```text
//!   byte ':' 0x3a    low half  a   COLUMNS[a]  . . . x x x . x       bits: see the table
//!                    high half 3   ROWS[3]     . . . . . . x .
//!                                  and         . . . . . . . .       of no kind of tchar: a name ends here
//! ```
//!
//! What is behind the end is never read: the last block is read so that it ends with the bytes, and its masks are shifted
//! to where it was asked for. Vectors are only made from arrays of their size, so the compiler sees to that.
//!
//! Invariant: a value of type [`Avx2`] or [`Ssse3`] exists only where the machine has these instructions; that makes calling
//! them safe.
#![allow(unsafe_code, reason = "arrays become vectors; calls of what the machine was asked for")]

use std::arch::x86_64::*;
use std::sync::atomic::{AtomicU8, Ordering};

use crate::http::h1::grammar::{is_field_value, is_token};
use crate::http::h1::scan::{BLOCK, Class, Lanes, Stops, Twin, Work};

/// The machine has AVX2, and the BMI that came with it.
#[derive(Clone, Copy, Debug)]
pub(super) struct Avx2(());

/// The machine has SSSE3.
#[derive(Clone, Copy, Debug)]
pub(super) struct Ssse3(());

/// The instructions in use: the widest of this machine, unless others were chosen.
#[derive(Clone, Copy, Debug)]
pub(super) enum InUse {
    Avx2(Avx2),
    Ssse3(Ssse3),
    Neither,
}

const UNKNOWN: u8 = 0;
const AVX2: u8 = 1;
const SSSE3: u8 = 2;
const NEITHER: u8 = 3;

/// What is in use. AVX2 and SSSE3 are only written when the machine was asked and has them.
static IN_USE: AtomicU8 = AtomicU8::new(UNKNOWN);

#[inline(always)]
pub(super) fn in_use() -> InUse {
    match IN_USE.load(Ordering::Relaxed) {
        AVX2 => InUse::Avx2(Avx2(())),
        SSSE3 => InUse::Ssse3(Ssse3(())),
        NEITHER => InUse::Neither,
        _ => ask(),
    }
}

#[cold]
fn ask() -> InUse {
    Twin::ALL.into_iter().find(|&twin| use_only(twin)).map_or(InUse::Neither, |_| in_use())
}

pub(super) fn use_only(twin: Twin) -> bool {
    let (has, known) = match twin {
        Twin::Avx2 => (Avx2::ask().is_some(), AVX2),
        Twin::Ssse3 => (Ssse3::ask().is_some(), SSSE3),
        Twin::Portable => (true, NEITHER),
    };
    if has {
        IN_USE.store(known, Ordering::Relaxed);
    }
    has
}

impl Avx2 {
    pub(super) fn ask() -> Option<Avx2> {
        let has =
            is_x86_feature_detected!("avx2") && is_x86_feature_detected!("bmi1") && is_x86_feature_detected!("bmi2");
        has.then_some(Avx2(()))
    }

    #[inline(always)]
    pub(super) fn run<W: Work>(self, bytes: &[u8], work: W) -> W::Output {
        #[target_feature(enable = "avx2,bmi1,bmi2")]
        fn inside<W: Work>(lanes: Avx2, bytes: &[u8], work: W) -> W::Output {
            work.run(lanes, bytes)
        }
        // SAFETY: there is a token, so the machine has these instructions.
        unsafe { inside(self, bytes, work) }
    }
}

impl Ssse3 {
    pub(super) fn ask() -> Option<Ssse3> {
        is_x86_feature_detected!("ssse3").then_some(Ssse3(()))
    }

    #[inline(always)]
    pub(super) fn run<W: Work>(self, bytes: &[u8], work: W) -> W::Output {
        #[target_feature(enable = "ssse3")]
        fn inside<W: Work>(lanes: Ssse3, bytes: &[u8], work: W) -> W::Output {
            work.run(lanes, bytes)
        }
        // SAFETY: there is a token, so the machine has these instructions.
        unsafe { inside(self, bytes, work) }
    }
}

impl Lanes for Avx2 {
    #[inline(always)]
    fn stops(self, bytes: &[u8], at: usize) -> Stops {
        // SAFETY: there is a token, so the machine has these instructions.
        unsafe { avx2::stops(bytes, at) }
    }

    #[inline(always)]
    fn class_end(self, bytes: &[u8], from: usize, class: &Class) -> usize {
        // SAFETY: there is a token, and what has AVX2 has SSSE3.
        unsafe { ssse3::class_end(bytes, from, class) }
    }
}

impl Lanes for Ssse3 {
    #[inline(always)]
    fn stops(self, bytes: &[u8], at: usize) -> Stops {
        // SAFETY: there is a token, so the machine has these instructions.
        unsafe { ssse3::stops(bytes, at) }
    }

    #[inline(always)]
    fn class_end(self, bytes: &[u8], from: usize, class: &Class) -> usize {
        // SAFETY: there is a token, so the machine has these instructions.
        unsafe { ssse3::class_end(bytes, from, class) }
    }
}

/// Kinds of bytes, a bit each. The `tchar` of one high half are one kind, or of two.
mod kind {
    pub(super) const TCHAR_2: u8 = 1 << 0;
    pub(super) const TCHAR_3: u8 = 1 << 1;
    pub(super) const TCHAR_4: u8 = 1 << 2;
    pub(super) const TCHAR_5: u8 = 1 << 3;
    pub(super) const TCHAR_7: u8 = 1 << 4;
    pub(super) const CONTROL: u8 = 1 << 5;
    pub(super) const LIKE_HTAB: u8 = 1 << 6;
    pub(super) const DEL: u8 = 1 << 7;

    pub(super) const TCHAR: u8 = TCHAR_2 | TCHAR_3 | TCHAR_4 | TCHAR_5 | TCHAR_7;
    pub(super) const NO_VALUE: u8 = CONTROL | LIKE_HTAB | DEL;
}

/// By the high half of a byte. All of 0x60 to 0x6f is `tchar`, and so is what 0x3_ and 0x4_ have between them.
const ROWS: [u8; 16] = {
    use self::kind::*;
    let (six, one) = (TCHAR_3 | TCHAR_4, CONTROL | LIKE_HTAB);
    [CONTROL, one, TCHAR_2, TCHAR_3, TCHAR_4, TCHAR_5, six, TCHAR_7 | DEL, 0, 0, 0, 0, 0, 0, 0, 0]
};

/// By the low half of a byte.
const COLUMNS: [u8; 16] = {
    use self::kind::*;
    let mut columns = [0; 16];
    let mut low = 0;
    while low < 16 {
        let tchars = [(0x20, TCHAR_2), (0x30, TCHAR_3), (0x40, TCHAR_4), (0x50, TCHAR_5), (0x70, TCHAR_7)];
        let mut row = 0;
        while row < tchars.len() {
            columns[low] |= if is_token(tchars[row].0 | low as u8) { tchars[row].1 } else { 0 };
            row += 1;
        }
        columns[low] |= if is_field_value(low as u8) { LIKE_HTAB } else { CONTROL };
        columns[low] |= if is_field_value(0x70 | low as u8) { 0 } else { DEL };
        low += 1;
    }
    columns
};

/// By the high half of a byte: its bit in a row of a [`Class`].
const HIGH_HALVES: [u8; 16] = [1, 2, 4, 8, 16, 32, 64, 128, 0, 0, 0, 0, 0, 0, 0, 0];

/// What is no stop, a bit a byte: the reverse of [`Stops`], since a shift moves zeros in and behind the end are stops.
#[derive(Clone, Copy)]
struct Passed {
    name: u64,
    value: u64,
}

impl Passed {
    /// The stops of a block that begins `by` bytes behind these.
    #[inline(always)]
    fn stops_from(self, by: usize) -> Stops {
        Stops { name: !self.name.unbounded_shr(by as u32), value: !self.value.unbounded_shr(by as u32) }
    }

    /// The lower and the upper sixteen of 32.
    #[inline(always)]
    fn halves(self) -> (Passed, Passed) {
        let lower = Passed { name: self.name & 0xffff, value: self.value & 0xffff };
        (lower, Passed { name: self.name >> 16, value: self.value >> 16 })
    }

    /// These, and `other` that begins `by` bytes behind them.
    #[inline(always)]
    fn joined(self, other: Passed, by: usize) -> Passed {
        Passed { name: self.name | other.name << by, value: self.value | other.value << by }
    }
}

/// The `LEN` bytes from `at` on, which are there.
#[inline(always)]
fn chunk<const LEN: usize>(bytes: &[u8], at: usize) -> &[u8; LEN] {
    bytes[at..].first_chunk().expect("a whole chunk")
}

mod avx2 {
    use super::*;

    #[inline]
    #[target_feature(enable = "avx2,bmi1,bmi2")]
    pub(super) fn stops(bytes: &[u8], at: usize) -> Stops {
        if let Some(block) = bytes[at..].first_chunk::<BLOCK>() {
            return passed_in_block(block).stops_from(0);
        }
        last_stops(bytes, at)
    }

    /// The bytes up to the end are fewer than a block. Bytes before `at` are looked at again instead.
    #[inline(never)]
    #[target_feature(enable = "avx2,bmi1,bmi2")]
    fn last_stops(bytes: &[u8], at: usize) -> Stops {
        let len = bytes.len();
        if len >= BLOCK {
            return passed_in_block(chunk(bytes, len - BLOCK)).stops_from(at + BLOCK - len);
        }
        if len >= 32 {
            let (first, last) = (passed(wide(chunk(bytes, 0))), passed(wide(chunk(bytes, len - 32))));
            return first.joined(last, len - 32).stops_from(at);
        }
        if len >= 16 {
            let (first, last) = (ssse3::vector(chunk(bytes, 0)), ssse3::vector(chunk(bytes, len - 16)));
            let (first, last) = passed(_mm256_set_m128i(last, first)).halves();
            return first.joined(last, len - 16).stops_from(at);
        }
        ssse3::few_stops(bytes, at)
    }

    #[inline]
    #[target_feature(enable = "avx2,bmi1,bmi2")]
    fn passed_in_block(block: &[u8; BLOCK]) -> Passed {
        let (halves, _) = block.as_chunks::<32>();
        passed(wide(&halves[0])).joined(passed(wide(&halves[1])), 32)
    }

    #[inline]
    #[target_feature(enable = "avx2,bmi1,bmi2")]
    fn passed(bytes: __m256i) -> Passed {
        let (columns, rows) = (both_lanes(&COLUMNS), both_lanes(&ROWS));
        let high = _mm256_and_si256(_mm256_srli_epi16(bytes, 4), _mm256_set1_epi8(0xf));
        let kinds = _mm256_and_si256(_mm256_shuffle_epi8(columns, bytes), _mm256_shuffle_epi8(rows, high));
        let none = _mm256_setzero_si256();
        let no_name = _mm256_cmpeq_epi8(_mm256_and_si256(kinds, _mm256_set1_epi8(kind::TCHAR as i8)), none);
        let value = _mm256_cmpeq_epi8(_mm256_and_si256(kinds, _mm256_set1_epi8(kind::NO_VALUE as i8)), none);
        Passed {
            name: u64::from(!_mm256_movemask_epi8(no_name) as u32),
            value: u64::from(_mm256_movemask_epi8(value) as u32),
        }
    }

    #[inline]
    #[target_feature(enable = "avx2,bmi1,bmi2")]
    fn both_lanes(table: &[u8; 16]) -> __m256i {
        _mm256_broadcastsi128_si256(ssse3::vector(table))
    }

    #[inline]
    #[target_feature(enable = "avx2,bmi1,bmi2")]
    fn wide(bytes: &[u8; 32]) -> __m256i {
        // SAFETY: both are 32 bytes, of which any are a value.
        unsafe { std::mem::transmute(*bytes) }
    }
}

mod ssse3 {
    use super::*;

    const LANES: usize = 16;

    #[inline]
    #[target_feature(enable = "ssse3")]
    pub(super) fn stops(bytes: &[u8], at: usize) -> Stops {
        if let Some(block) = bytes[at..].first_chunk::<BLOCK>() {
            return passed_in_block(block).stops_from(0);
        }
        if bytes.len() >= BLOCK {
            return passed_in_block(chunk(bytes, bytes.len() - BLOCK)).stops_from(at + BLOCK - bytes.len());
        }
        few_stops(bytes, at)
    }

    /// The bytes are fewer than a block. They are filled up with NUL, which is a stop of either kind.
    #[inline]
    #[target_feature(enable = "ssse3")]
    pub(super) fn few_stops(bytes: &[u8], at: usize) -> Stops {
        let mut block = [0; BLOCK];
        block[..bytes.len()].copy_from_slice(bytes);
        passed_in_block(&block).stops_from(at)
    }

    #[inline]
    #[target_feature(enable = "ssse3")]
    fn passed_in_block(block: &[u8; BLOCK]) -> Passed {
        let (parts, _) = block.as_chunks::<LANES>();
        let (mut all, mut by) = (Passed { name: 0, value: 0 }, 0);
        for part in parts {
            all = all.joined(passed(vector(part)), by);
            by += LANES;
        }
        all
    }

    #[inline]
    #[target_feature(enable = "ssse3")]
    fn passed(bytes: __m128i) -> Passed {
        let high = _mm_and_si128(_mm_srli_epi16(bytes, 4), _mm_set1_epi8(0xf));
        let (columns, rows) = (_mm_shuffle_epi8(vector(&COLUMNS), bytes), _mm_shuffle_epi8(vector(&ROWS), high));
        let (kinds, none) = (_mm_and_si128(columns, rows), _mm_setzero_si128());
        let no_name = _mm_cmpeq_epi8(_mm_and_si128(kinds, _mm_set1_epi8(kind::TCHAR as i8)), none);
        let value = _mm_cmpeq_epi8(_mm_and_si128(kinds, _mm_set1_epi8(kind::NO_VALUE as i8)), none);
        Passed {
            name: u64::from(!_mm_movemask_epi8(no_name) as u16),
            value: u64::from(_mm_movemask_epi8(value) as u16),
        }
    }

    #[inline]
    #[target_feature(enable = "ssse3")]
    pub(super) fn class_end(bytes: &[u8], mut from: usize, class: &Class) -> usize {
        while let Some(part) = bytes[from..].first_chunk::<LANES>() {
            let outside = outside(vector(part), class);
            if outside != 0 {
                return from + outside.trailing_zeros() as usize;
            }
            from += LANES;
        }
        class.end(bytes, from)
    }

    #[inline]
    #[target_feature(enable = "ssse3")]
    fn outside(bytes: __m128i, class: &Class) -> u32 {
        let high = _mm_and_si128(_mm_srli_epi16(bytes, 4), _mm_set1_epi8(0xf));
        let row = _mm_shuffle_epi8(vector(&class.rows), bytes);
        let members = _mm_and_si128(row, _mm_shuffle_epi8(vector(&HIGH_HALVES), high));
        _mm_movemask_epi8(_mm_cmpeq_epi8(members, _mm_setzero_si128())) as u32
    }

    #[inline]
    #[target_feature(enable = "ssse3")]
    pub(super) fn vector(bytes: &[u8; LANES]) -> __m128i {
        // SAFETY: both are 16 bytes, of which any are a value.
        unsafe { std::mem::transmute(*bytes) }
    }
}
