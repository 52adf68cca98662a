//! Judges mutated files of the corpus: by ourselves whole and in pieces, and heads by httparse too, as
//! `tests/judge/heads.rs` does it for the fuzzer.
//!
//! The one idea: a second opinion is worth most where nobody thought of a case, so the cases are drawn.

use firstbyte::http::Limits;

use crate::corpus::{cases, judge_chunked, judge_head, judge_whole};
use crate::judge::heads::{Difference, compare};
use crate::judge::mutate::mutant;

/// Mutants of one run.
const MUTANTS: usize = 20_000;

/// Mutated files of one folder of the corpus, the same ones every time.
fn mutants(folder: &str, extension: &str) -> impl Iterator<Item = Vec<u8>> {
    let seeds = cases(folder, extension).into_iter().map(|case| case.bytes).filter(|bytes| bytes.len() < 1024);
    let seeds: Vec<Vec<u8>> = seeds.collect();
    (0..MUTANTS).map(move |number| mutant(&seeds, number))
}

/// A few bytes at a time: three divides none of the blocks that the scans take.
fn trickle(len: usize) -> impl Iterator<Item = usize> {
    (0..len).step_by(3).chain([len])
}

#[test]
fn httparse_agrees_or_the_difference_is_listed() {
    let files = cases("heads", "http").into_iter().map(|case| case.bytes);
    let seen: Vec<Difference> =
        files.chain(mutants("heads", "http")).filter_map(|bytes| compare(&bytes).unwrap()).collect();
    let missing: Vec<Difference> = Difference::all().filter(|listed| !seen.contains(listed)).collect();
    assert_eq!(missing, [], "a listed difference that does not occur");
}

#[test]
fn mutated_heads_are_judged_the_same_in_pieces() {
    let limits = Limits::default();
    for bytes in mutants("heads", "http") {
        let whole = judge_head(&bytes, &mut [bytes.len()].into_iter(), &limits);
        let in_pieces = judge_head(&bytes, &mut trickle(bytes.len()), &limits);
        assert_eq!(whole, in_pieces, "{}", bytes.escape_ascii());
    }
}

#[test]
fn mutated_chunked_content_is_judged_the_same_in_pieces() {
    let limits = Limits::default();
    for bytes in mutants("chunked", "chunked") {
        let whole = judge_whole(&bytes, &limits);
        let in_pieces = judge_chunked(&bytes, &mut trickle(bytes.len()), &limits);
        assert_eq!(whole, in_pieces, "{}", bytes.escape_ascii());
    }
}
