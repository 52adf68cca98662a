//! Judges mutated files of the corpus: by ourselves whole and in pieces, and heads by httparse too, as
//! `tests/judge/heads.rs` does it for the fuzzer.
//!
//! The one idea: a second opinion is worth most where nobody thought of a case. So the files are mutated at random, with
//! a fixed seed.

use std::cell::RefCell;

use firstbyte::http::Limits;
use proptest::collection::vec;
use proptest::prelude::*;
use proptest::test_runner::{Config, RngAlgorithm, TestRng, TestRunner};

use crate::corpus::{cases, judge_chunked, judge_head, judge_whole};
use crate::judge::heads::{Difference, compare};

/// One change of a head.
#[derive(Clone, Debug)]
enum Mutation {
    Replace(usize, u8),
    Insert(usize, u8),
    Delete(usize, usize),
    Repeat(usize, usize),
    CutAt(usize),
}

/// Bytes that mean something in a head, and any others.
fn byte() -> impl Strategy<Value = u8> {
    prop_oneof![prop::sample::select(b"\r\n\t :;,/#%?\"<>{}|\\\0\x0b\x7f\x80\xffHTP.0129Aa-_[]@".to_vec()), any::<u8>(),]
}

fn mutation() -> impl Strategy<Value = Mutation> {
    let place = 0..4096usize;
    prop_oneof![
        4 => (place.clone(), byte()).prop_map(|(at, byte)| Mutation::Replace(at, byte)),
        4 => (place.clone(), byte()).prop_map(|(at, byte)| Mutation::Insert(at, byte)),
        2 => (place.clone(), 1..6usize).prop_map(|(at, len)| Mutation::Delete(at, len)),
        2 => (place.clone(), 1..40usize).prop_map(|(at, len)| Mutation::Repeat(at, len)),
        1 => place.prop_map(Mutation::CutAt),
    ]
}

fn mutate(bytes: &mut Vec<u8>, mutation: &Mutation) {
    let len = bytes.len();
    if len == 0 {
        return;
    }
    match *mutation {
        Mutation::Replace(at, byte) => bytes[at % len] = byte,
        Mutation::Insert(at, byte) => bytes.insert(at % len, byte),
        Mutation::Delete(at, count) => drop(bytes.drain(at % len..(at % len + count).min(len))),
        Mutation::Repeat(at, count) => {
            let piece = bytes[at % len..(at % len + count).min(len)].to_vec();
            bytes.splice(at % len..at % len, piece);
        }
        Mutation::CutAt(at) => bytes.truncate(at % len),
    }
}

/// Runs `property` over mutated files of one folder of the corpus, the same ones every time.
fn over_mutants(folder: &str, extension: &str, property: impl Fn(&[u8]) -> Result<(), TestCaseError>) {
    let seeds = cases(folder, extension).into_iter().map(|case| case.bytes).filter(|bytes| bytes.len() < 1024);
    let strategy = (prop::sample::select(seeds.collect::<Vec<_>>()), vec(mutation(), 0..4));
    let config = Config { cases: 20_000, failure_persistence: None, ..Config::default() };
    let mut runner = TestRunner::new_with_rng(config, TestRng::deterministic_rng(RngAlgorithm::ChaCha));
    let result = runner.run(&strategy, |(mut bytes, mutations)| {
        mutations.iter().for_each(|mutation| mutate(&mut bytes, mutation));
        property(&bytes)
    });
    result.unwrap();
}

/// A few bytes at a time: three divides none of the blocks that the scans take.
fn trickle(len: usize) -> impl Iterator<Item = usize> {
    (0..len).step_by(3).chain([len])
}

#[test]
fn httparse_agrees_or_the_difference_is_listed() {
    let seen = RefCell::new(Vec::new());
    let judge = |bytes: &[u8]| compare(bytes).map(|difference| seen.borrow_mut().extend(difference));
    cases("heads", "http").iter().for_each(|case| judge(&case.bytes).expect(&case.name));
    over_mutants("heads", "http", |bytes| judge(bytes).map_err(TestCaseError::fail));
    let seen = seen.into_inner();
    let missing: Vec<Difference> = Difference::all().filter(|listed| !seen.contains(listed)).collect();
    assert_eq!(missing, [], "a listed difference that does not occur");
}

#[test]
fn mutated_heads_are_judged_the_same_in_pieces() {
    let limits = Limits::default();
    over_mutants("heads", "http", |bytes| {
        let whole = judge_head(bytes, &mut [bytes.len()].into_iter(), &limits);
        let in_pieces = judge_head(bytes, &mut trickle(bytes.len()), &limits);
        prop_assert_eq!(whole, in_pieces, "{}", bytes.escape_ascii());
        Ok(())
    });
}

#[test]
fn mutated_chunked_content_is_judged_the_same_in_pieces() {
    let limits = Limits::default();
    over_mutants("chunked", "chunked", |bytes| {
        let whole = judge_whole(bytes, &limits);
        let in_pieces = judge_chunked(bytes, &mut trickle(bytes.len()), &limits);
        prop_assert_eq!(whole, in_pieces, "{}", bytes.escape_ascii());
        Ok(())
    });
}
