//! Fuzzes a whole server. What must hold stands in `tests/judge/exchange.rs`.

#![no_main]

use firstbyte_fuzz::judge::exchange::Exchanges;
use libfuzzer_sys::fuzz_target;

thread_local! {
    static EXCHANGES: Exchanges = Exchanges::default();
}

fuzz_target!(|input: &[u8]| EXCHANGES.with(|exchanges| drop(exchanges.judge(input))));
