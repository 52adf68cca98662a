//! Sends mutated files of the corpus to a whole server, as the fuzzer does for hours: no crash, no hang, no undocumented
//! status, no answer without a head, no silent close.

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
                (first..INPUTS).step_by(threads).for_each(|number| exchanges.judge(&mutant(seeds, number)));
            });
        }
    });
}
