//! Sends mutated files of the corpus to a whole server, as the fuzzer does for hours: no crash, no hang, no undocumented
//! status, no answer without a head, no silent close. And what it has found, as it was found: the files of
//! `tests/corpus/exchanges`, whose verdicts are the statuses of all answers.

use std::thread;

use crate::corpus::cases;
use crate::judge::exchange::Exchanges;
use crate::judge::mutate::mutant;

/// Inputs of one run.
const INPUTS: usize = 40_000;

/// Larger files say nothing that smaller ones do not, and take long.
const SEED_BYTES_MAX: usize = 512;

/// What may stand before chunked content.
const CHUNKED: &[u8] = b"POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n";

#[test]
fn no_bytes_crash_hang_or_silence_a_server() {
    let heads = cases("heads", "http").into_iter().map(|case| case.bytes);
    let chunked = cases("chunked", "chunked").into_iter().map(|case| [CHUNKED, &case.bytes].concat());
    let seeds: Vec<Vec<u8>> = heads.chain(chunked).filter(|seed| seed.len() <= SEED_BYTES_MAX).collect();
    let threads = thread::available_parallelism().map_or(1, usize::from);
    thread::scope(|scope| {
        for first in 0..threads {
            let seeds = &seeds;
            scope.spawn(move || {
                let exchanges = Exchanges::default();
                (first..INPUTS).step_by(threads).for_each(|number| drop(exchanges.judge(&mutant(seeds, number))));
            });
        }
    });
}

#[test]
fn what_was_found_stays_found() {
    let exchanges = Exchanges::default();
    for case in cases("exchanges", "http") {
        let statuses: Vec<String> = exchanges.judge(&case.bytes).iter().map(u16::to_string).collect();
        assert_eq!(statuses.join(" "), case.expected[0].1, "{}", case.name);
    }
}
