//! Fuzzes what a client makes of answers. What must hold stands in `tests/judge/received.rs`.

#![no_main]

use firstbyte_fuzz::judge::received::Asking;
use libfuzzer_sys::fuzz_target;

thread_local! {
    static ASKING: Asking = Asking::default();
}

fuzz_target!(|input: &[u8]| ASKING.with(|asking| drop(asking.judge(input))));
