//! Fuzzes the parsing of heads against httparse. What may differ, and why, stands in `tests/judge/heads.rs`.

#![no_main]

use firstbyte_fuzz::judge::heads::compare;
use libfuzzer_sys::fuzz_target;

fuzz_target!(|input: &[u8]| {
    if let Err(unexplained) = compare(input) {
        panic!("{unexplained}");
    }
});
