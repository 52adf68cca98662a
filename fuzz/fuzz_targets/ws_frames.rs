//! Fuzzes the machine of `firstbyte::ws`. What must hold stands in `tests/judge/frames.rs`.

#![no_main]

use firstbyte_fuzz::judge::frames::judge;
use libfuzzer_sys::fuzz_target;

fuzz_target!(|input: &[u8]| drop(judge(input)));
