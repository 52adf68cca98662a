//! Fuzzes the reading of heads by each way of searching that this machine has: AVX2, SSSE3, and byte by byte.
//!
//! ```text
//!   bytes ── Avx2 ─────┐
//!         ── Ssse3 ────┼─ the same verdict, the same offsets
//!         ── Portable ─┘
//! ```
//!
//! The bytes stand at the beginning of a larger buffer, and what follows them there is no part of what is parsed: a search
//! that looks behind its end finds a line end there and not what the others find.

#![no_main]

use firstbyte::http::Limits;
use firstbyte::http::h1::head::{HeadParser, Progress, RequestHead};
use firstbyte::http::h1::scan::{Twin, use_only};
use firstbyte_fuzz::told::{Told, Verdict};
use libfuzzer_sys::fuzz_target;

fuzz_target!(|input: &[u8]| {
    let mut bytes = input.to_vec();
    bytes.extend_from_slice(&b": a\r\n\r\n".repeat(16));
    let verdicts = Twin::ALL.into_iter().filter(|&twin| use_only(twin)).map(|_| parse(&bytes[..input.len()]));
    let verdicts: Vec<Verdict> = verdicts.collect();
    for verdict in &verdicts[1..] {
        assert_eq!(*verdict, verdicts[0]);
    }
});

fn parse(bytes: &[u8]) -> Verdict {
    let mut head = RequestHead::default();
    let Progress::Done { len } = HeadParser::default().parse(bytes, &Limits::default(), &mut head)? else {
        return Ok(None);
    };
    Ok(Some(Told::of(head, &bytes[..len])))
}
