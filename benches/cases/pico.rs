//! Owns picohttpparser as its C callers use it: the parser that others measure themselves by. On x86-64 it is built with
//! its SSE4.2 path.
//!
//! Equal work: as [`crate::heads`]. Room for as many lines, which nobody zeroes. It checks less: any byte from 0x80 on may
//! stand in a target, and a bare LF ends a line.
#![allow(unsafe_code, reason = "calls of C")]

use std::mem::MaybeUninit;
use std::{ptr, slice};

use picohttpparser_sys::{phr_header, phr_parse_request};

use crate::heads::SLOTS;

/// picohttpparser with what its caller can keep between heads.
pub struct Pico {
    slots: Box<[MaybeUninit<phr_header>; SLOTS]>,
}

/// One head as picohttpparser found it.
pub struct Found<'a> {
    /// Bytes of the head.
    pub len: usize,
    /// The method.
    pub method: &'a [u8],
    /// The request-target.
    pub target: &'a [u8],
    /// The minor version.
    pub minor: u8,
    lines: &'a [phr_header],
}

impl Pico {
    /// Room for [`SLOTS`] lines.
    #[allow(clippy::new_without_default)]
    pub fn new() -> Pico {
        Pico { slots: Box::new([const { MaybeUninit::uninit() }; SLOTS]) }
    }

    /// The head in `bytes`.
    #[inline]
    pub fn parse<'a>(&'a mut self, bytes: &'a [u8]) -> Found<'a> {
        let (mut method, mut method_len, mut target, mut target_len) = (ptr::null(), 0, ptr::null(), 0);
        let (mut minor, mut lines) = (0, SLOTS);
        // SAFETY: `bytes` and the slots are as long as is said; the pointers are to places that live until the return.
        let len = unsafe {
            phr_parse_request(
                bytes.as_ptr().cast(),
                bytes.len(),
                &raw mut method,
                &raw mut method_len,
                &raw mut target,
                &raw mut target_len,
                &raw mut minor,
                self.slots.as_mut_ptr().cast(),
                &raw mut lines,
                0,
            )
        };
        assert!(len > 0, "refused or not complete: {len}");
        // SAFETY: a head was found, so the pieces lie in `bytes`, and the first slots are written.
        unsafe {
            Found {
                len: len as usize,
                method: slice::from_raw_parts(method.cast(), method_len),
                target: slice::from_raw_parts(target.cast(), target_len),
                minor: minor as u8,
                lines: slice::from_raw_parts(self.slots.as_ptr().cast(), lines),
            }
        }
    }
}

impl Found<'_> {
    /// Name and value of each line.
    pub fn lines(&self) -> impl Iterator<Item = (&[u8], &[u8])> {
        // SAFETY: the pieces lie in the bytes that were parsed.
        self.lines.iter().map(|line| unsafe {
            assert!(!line.name.is_null(), "a folded line");
            let name = slice::from_raw_parts(line.name.cast(), line.name_len);
            (name, slice::from_raw_parts(line.value.cast(), line.value_len))
        })
    }
}
