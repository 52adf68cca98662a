//! Fuzzes the parsing of heads.
//!
//! ```text
//!   bytes ── whole ────────────┐
//!         ── cut at few places ┼─ the same verdict at the same offset
//!         ── byte by byte ─────┘        │ accepted
//!                                       └─ written again and parsed again: equal, and of the same target and framing
//! ```
//!
//! Which limits are in force and where the bytes are cut is drawn from a checksum of the bytes; one input in sixteen goes
//! byte by byte. So an execution costs a few parses, and there are many of them.

#![no_main]

use std::ops::ControlFlow;
use std::sync::LazyLock;

use firstbyte::http::h1::framing::{RequestFraming, decide_request};
use firstbyte::http::h1::head::{HeadParser, Progress, RequestHead};
use firstbyte::http::target::{Target, parse_target};
use firstbyte::http::{Fault, Limits, Method, ProtocolError};
use firstbyte_fuzz::judge::draw::Draw;
use firstbyte_fuzz::told::{Told, Verdict};
use libfuzzer_sys::fuzz_target;

/// Most places at which the bytes are cut.
const CUTS: usize = 4;

static LIMITS: LazyLock<[Limits; 3]> = LazyLock::new(|| {
    let tight = Limits {
        head_bytes_max: 80,
        field_lines_max: 3,
        target_bytes_max: 12,
        method_bytes_max: 6,
        leading_empty_lines_max: 2,
        ..Limits::default()
    };
    [Limits::default(), Limits { lenient_lines: true, ..Limits::default() }, tight]
});

fuzz_target!(|input: &[u8]| {
    let mut draw = Draw::of(input);
    let limits = draw.of_these(&*LIMITS);
    let verdict = parse([input], limits);
    let cuts = draw.cuts(input.len(), CUTS);
    assert_eq!(verdict, parse(cuts.iter().map(|&end| &input[..end]), limits), "cut at {cuts:?}");
    if draw.next(16) == 0 {
        assert_eq!(verdict, parse((0..=input.len()).map(|end| &input[..end]), limits), "byte by byte");
    }
    match &verdict {
        Ok(Some(told)) => check_accepted(told, &input[..told.len], limits),
        Ok(None) => {}
        Err(error) => assert!(error.at <= input.len(), "{error:?} in {} bytes", input.len()),
    }
});

/// The verdict on bytes that arrive as `prefixes`, none shorter than the one before.
fn parse<'a>(prefixes: impl IntoIterator<Item = &'a [u8]>, limits: &Limits) -> Verdict {
    let (mut parser, mut head) = (HeadParser::default(), RequestHead::default());
    let end = prefixes.into_iter().try_for_each(|bytes| match parser.parse(bytes, limits, &mut head) {
        Ok(Progress::NeedMore) => ControlFlow::Continue(()),
        Ok(Progress::Done { len }) => ControlFlow::Break(Ok((bytes, len))),
        Err(error) => ControlFlow::Break(Err(error)),
    });
    let (bytes, len) = match end {
        ControlFlow::Continue(()) => return Ok(None),
        ControlFlow::Break(end) => end?,
    };
    Ok(Some(Told::of(head, &bytes[..len])))
}

/// What was accepted keeps to the limits, and means the same when it is written in the usual way.
fn check_accepted(told: &Told, head: &[u8], limits: &Limits) {
    let (method, target) = (told.method.of(head), told.target.of(head));
    assert!(told.len <= limits.head_bytes_max);
    assert!(method.len() <= limits.method_bytes_max);
    assert!(target.len() <= limits.target_bytes_max);
    assert!(told.fields.len() <= limits.field_lines_max);
    let mut again = Vec::with_capacity(head.len() + 2 * told.fields.len());
    for piece in [method, b" ", target, b" ", told.version.as_str().as_bytes(), b"\r\n"] {
        again.extend_from_slice(piece);
    }
    for (name, value) in told.fields.iter() {
        assert!(!value.iter().any(|byte| matches!(byte, b'\r' | b'\n' | 0)));
        assert_eq!(value.trim_ascii(), value);
        for piece in [name.as_bytes(), b": ", value, b"\r\n"] {
            again.extend_from_slice(piece);
        }
    }
    again.extend_from_slice(b"\r\n");
    let unlimited = Limits { head_bytes_max: usize::MAX, ..Limits::default() };
    let second = parse([&again[..]], &unlimited).expect("what was accepted").expect("a whole head");
    assert_eq!(second.len, again.len());
    assert_eq!((second.method.of(&again), second.target.of(&again), second.version), (method, target, told.version));
    assert!(second.fields.iter().eq(told.fields.iter()), "{second:?}\n{told:?}");
    assert_eq!(meaning(told, head), meaning(&second, &again));
}

/// What the server will understand of a head: path, query and authority of its target, and its framing; or what is
/// wrong with them. Offsets are left out: they differ between two spellings.
type Meaning<'a> = Result<(Parts<'a>, Result<(RequestFraming, Option<&'a [u8]>), Fault>), Fault>;
type Parts<'a> = (String, Option<&'a [u8]>, Option<&'a [u8]>);

fn meaning<'a>(told: &Told, bytes: &'a [u8]) -> Meaning<'a> {
    let method = Method::parse(told.method.of(bytes)).expect("what the parser accepts");
    let target = parse_target(method, bytes, told.target).map_err(|error| within(error, bytes).fault)?;
    let framing = decide_request(told.version, method, &told.fields);
    let framing = framing.map(|framing| without_offsets(framing, bytes));
    Ok((parts(&target, bytes), framing.map_err(|error| within(error, bytes).fault)))
}

fn parts<'a>(target: &Target, bytes: &'a [u8]) -> Parts<'a> {
    (target.path(bytes).to_owned(), target.query(bytes), target.authority(bytes))
}

fn without_offsets(framing: RequestFraming, bytes: &[u8]) -> (RequestFraming, Option<&[u8]>) {
    let host = framing.host.map(|host| host.of(bytes));
    (RequestFraming { host: None, ..framing }, host)
}

/// An error points into the bytes, or right behind them.
fn within(error: ProtocolError, bytes: &[u8]) -> ProtocolError {
    assert!(error.at <= bytes.len(), "{error:?} in {} bytes", bytes.len());
    error
}
