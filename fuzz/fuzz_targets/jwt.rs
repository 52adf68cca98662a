//! Fuzzes tokens and key sets. What must hold stands in `tests/judge/jwt.rs`.

#![no_main]

use firstbyte_fuzz::judge::jwt::judge;
use libfuzzer_sys::fuzz_target;

fuzz_target!(|input: &[u8]| {
    judge(input);
});
