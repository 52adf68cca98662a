//! Lets a client read the files of `tests/corpus/answers`, and mutants of them, as the fuzzer does for hours: the same
//! verdict however they are cut, and the same from the cores and from the whole client.

use std::thread;

use firstbyte::http::Method;

use crate::corpus::cases;
use crate::judge::draw::Draw;
use crate::judge::mutate::mutant;
use crate::judge::received::Asking;

/// Inputs of one run.
const INPUTS: usize = 20_000;

#[test]
fn every_file_has_its_verdict() {
    let asking = Asking::default();
    for case in cases("answers", "http") {
        // What was asked is the first word of the name, when it is a method.
        let first = case.name.split('-').next().unwrap().to_ascii_uppercase();
        let method = Method::parse(first.as_bytes()).filter(Method::is_registered).unwrap_or(Method::GET);
        let outcome = asking.judge_to(method, &case.bytes, &mut Draw::of(&case.bytes));
        assert_eq!(outcome.to_string(), case.expected[0].1, "{}", case.name);
    }
}

#[test]
fn no_bytes_are_read_in_two_ways() {
    let mut seeds: Vec<Vec<u8>> = cases("answers", "http").into_iter().map(|case| case.bytes).collect();
    let chunked = cases("chunked", "chunked").into_iter().filter(|case| case.bytes.len() <= 256);
    seeds.extend(chunked.map(|case| {
        let begin = b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n";
        [&begin[..], &case.bytes].concat()
    }));
    let threads = thread::available_parallelism().map_or(1, usize::from);
    thread::scope(|scope| {
        for first in 0..threads {
            let seeds = &seeds;
            scope.spawn(move || {
                let asking = Asking::default();
                (first..INPUTS).step_by(threads).for_each(|number| drop(asking.judge(&mutant(seeds, number))));
            });
        }
    });
}
