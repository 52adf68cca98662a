//! Judges mutated files of the corpus: by ourselves whole and in pieces, and heads by httparse too. Where the two
//! parsers differ, the difference must be of a kind listed here with its reason; anything else is a fault in one.
//!
//! The one idea: a second opinion is worth most where nobody thought of a case. So the files are mutated at random
//! (with a fixed seed), and agreement on an accepted head means agreement on every byte of every piece.

use std::cell::RefCell;
use std::collections::BTreeSet;

use firstbyte::http::h1::head::{HeadParser, Progress, RequestHead};
use firstbyte::http::{Fault, Limits, ProtocolError, Version};
use proptest::collection::vec;
use proptest::prelude::*;
use proptest::test_runner::{Config, RngAlgorithm, TestRng, TestRunner};

use crate::corpus::{cases, judge_chunked, judge_head, judge_whole};

/// What a parser made of the bytes.
#[derive(Clone, Debug, PartialEq, Eq)]
enum Verdict<Why> {
    Done(Head),
    NeedMore,
    Refused(Why),
}

#[derive(Clone, Debug, PartialEq, Eq)]
struct Head {
    len: usize,
    method: Vec<u8>,
    target: Vec<u8>,
    version: u8,
    fields: Vec<(Vec<u8>, Vec<u8>)>,
}

fn ours(input: &[u8]) -> Verdict<ProtocolError> {
    let mut head = RequestHead::default();
    match HeadParser::default().parse(input, &Limits::default(), &mut head) {
        Ok(Progress::NeedMore) => Verdict::NeedMore,
        Err(error) => Verdict::Refused(error),
        Ok(Progress::Done { len }) => Verdict::Done(Head {
            len,
            method: head.method().of(input).to_vec(),
            target: head.target().of(input).to_vec(),
            version: if head.version() == Version::Http10 { 0 } else { 1 },
            fields: (head.take_fields(input.to_vec()).iter())
                .map(|(name, value)| (name.as_bytes().to_vec(), value.to_vec()))
                .collect(),
        }),
    }
}

fn theirs(input: &[u8]) -> Verdict<httparse::Error> {
    let mut headers = [httparse::EMPTY_HEADER; 128];
    let mut request = httparse::Request::new(&mut headers);
    match request.parse(input) {
        Ok(httparse::Status::Partial) => Verdict::NeedMore,
        Err(error) => Verdict::Refused(error),
        Ok(httparse::Status::Complete(len)) => Verdict::Done(Head {
            len,
            method: request.method.unwrap_or_default().as_bytes().to_vec(),
            target: request.path.unwrap_or_default().as_bytes().to_vec(),
            version: request.version.unwrap_or_default(),
            fields: (request.headers.iter())
                .map(|header| (header.name.as_bytes().to_vec(), header.value.to_vec()))
                .collect(),
        }),
    }
}

/// Where the two may differ, and why.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
enum Difference {
    /// We refuse a bare LF: hops that take it and hops that do not see different lines.
    BareLf,
    /// We refuse a fragment: RFC 9112 3.2 has none.
    Fragment,
    /// We refuse what no URI holds: controls, quotes, angle brackets, bytes from 0x80 on.
    TargetByte,
    /// We refuse a method longer than any known: RFC 9112 3, 501.
    LongMethod,
    /// We count the empty lines before a request-line.
    EmptyLines,
    /// We count the field lines; httparse is given room for more here.
    FieldLines,
    /// We take HTTP/1.2 to HTTP/1.9 for HTTP/1.1: RFC 9110 2.5.
    MinorVersion,
    /// We say what a CR is once the byte behind it is there.
    LastCr,
}

const ALL: [Difference; 8] = {
    use Difference::*;
    [BareLf, Fragment, TargetByte, LongMethod, EmptyLines, FieldLines, MinorVersion, LastCr]
};

/// What explains the two verdicts: `Ok(None)` when they agree, an error when nothing does.
fn difference(
    input: &[u8],
    ours: &Verdict<ProtocolError>,
    theirs: &Verdict<httparse::Error>,
) -> Result<Option<Difference>, String> {
    let unexplained = || Err(format!("{}\n{ours:?}\n{theirs:?}", input.escape_ascii()));
    Ok(Some(match (ours, theirs) {
        (Verdict::Refused(_), Verdict::Refused(_)) | (Verdict::NeedMore, Verdict::NeedMore) => return Ok(None),
        (Verdict::Done(ours), Verdict::Done(theirs)) if ours == theirs => return Ok(None),
        (Verdict::Refused(error), Verdict::Done(_) | Verdict::NeedMore) => match error.fault {
            Fault::BareLf => Difference::BareLf,
            Fault::FragmentInTarget => Difference::Fragment,
            Fault::TargetByte => Difference::TargetByte,
            Fault::MethodTooLong => Difference::LongMethod,
            Fault::TooManyEmptyLines => Difference::EmptyLines,
            Fault::TooManyFieldLines => Difference::FieldLines,
            _ => return unexplained(),
        },
        (Verdict::NeedMore, Verdict::Refused(_)) if input.ends_with(b"\r") => Difference::LastCr,
        (Verdict::Done(_) | Verdict::NeedMore, Verdict::Refused(httparse::Error::Version)) => Difference::MinorVersion,
        _ => return unexplained(),
    }))
}

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
    let seen = RefCell::new(BTreeSet::new());
    over_mutants("heads", "http", |bytes| {
        let difference = difference(bytes, &ours(bytes), &theirs(bytes));
        seen.borrow_mut().extend(difference.map_err(TestCaseError::fail)?);
        Ok(())
    });
    assert_eq!(seen.into_inner(), BTreeSet::from(ALL), "a listed difference that does not occur");
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
