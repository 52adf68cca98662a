//! Fuzzes the parsing of heads.
//!
//! ```text
//!   bytes ── whole ────────┐
//!         ── byte by byte ─┼─ the same verdict at the same offset
//!         ── many splits ──┘        │ accepted
//!                                   ├─ written again and parsed again: equal, and of the same target and framing
//!                                   └─ httparse: accepted too, with the same pieces
//! ```

#![no_main]

use std::ops::ControlFlow;

use firstbyte::http::h1::framing::{RequestFraming, decide_request};
use firstbyte::http::h1::head::{HeadParser, Progress, RequestHead};
use firstbyte::http::target::{Target, parse_target};
use firstbyte::http::{Fault, Limits, Method, ProtocolError, Version};
use libfuzzer_sys::fuzz_target;

/// Places at which the bytes are split in two.
const SPLITS: usize = 24;

fuzz_target!(|input: &[u8]| {
    let tight = Limits {
        head_bytes_max: 80,
        field_lines_max: 3,
        target_bytes_max: 12,
        method_bytes_max: 6,
        leading_empty_lines_max: 2,
        ..Limits::default()
    };
    for limits in [Limits::default(), Limits { lenient_lines: true, ..Limits::default() }, tight] {
        let verdict = parse([input], &limits);
        assert_eq!(verdict, parse(prefixes(input), &limits), "byte by byte");
        for split in (0..input.len()).step_by(input.len() / SPLITS + 1) {
            assert_eq!(verdict, parse([&input[..split], input], &limits), "split at {split}");
        }
        if let Ok(Some(told)) = &verdict {
            check_accepted(told, &input[..told.len], &limits);
        }
        if limits == Limits::default() {
            compare(input, &verdict);
        }
    }
});

/// One head, and the bytes it lies in.
#[derive(Debug, PartialEq, Eq)]
struct Told {
    len: usize,
    method: Vec<u8>,
    target: Vec<u8>,
    version: Version,
    lines: Vec<(Vec<u8>, Vec<u8>)>,
}

type Verdict = Result<Option<Told>, ProtocolError>;

/// The verdict on bytes that arrive as `prefixes`, each longer than the one before.
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
    let (method, target) = (head.method().of(bytes).to_vec(), head.target().of(bytes).to_vec());
    let version = head.version();
    let fields = head.take_fields(bytes[..len].to_vec());
    let lines = fields.iter().map(|(name, value)| (name.as_bytes().to_vec(), value.to_vec())).collect();
    Ok(Some(Told { len, method, target, version, lines }))
}

fn prefixes(input: &[u8]) -> impl Iterator<Item = &[u8]> {
    (0..=input.len()).map(|end| &input[..end])
}

/// What was accepted keeps to the limits, and means the same when it is written in the usual way.
fn check_accepted(told: &Told, head: &[u8], limits: &Limits) {
    assert!(told.len <= limits.head_bytes_max);
    assert!(told.method.len() <= limits.method_bytes_max);
    assert!(told.target.len() <= limits.target_bytes_max);
    assert!(told.lines.len() <= limits.field_lines_max);
    let mut again = [&told.method[..], b" ", &told.target, b" ", version(told.version), b"\r\n"].concat();
    for (name, value) in &told.lines {
        assert!(!value.iter().any(|byte| matches!(byte, b'\r' | b'\n' | 0)));
        assert_eq!(value.trim_ascii(), value);
        again.extend([&name[..], b": ", value, b"\r\n"].concat());
    }
    again.extend_from_slice(b"\r\n");
    let unlimited = Limits { head_bytes_max: usize::MAX, ..Limits::default() };
    let second = parse([&again[..]], &unlimited).expect("what was accepted").expect("a whole head");
    assert_eq!(second.len, again.len());
    assert_eq!(meaning(head, limits), meaning(&again, &unlimited));
    assert_eq!(Told { len: told.len, ..second }, *told);
}

fn version(version: Version) -> &'static [u8] {
    match version {
        Version::Http10 => b"HTTP/1.0",
        Version::Http11 => b"HTTP/1.1",
    }
}

/// What the server will understand of a head: path, query and authority of its target, and its framing; or what is
/// wrong with them. Offsets are left out: they differ between two spellings.
type Meaning = Result<(Parts, Result<(RequestFraming, Option<Vec<u8>>), Fault>), Fault>;
type Parts = (Vec<u8>, Option<Vec<u8>>, Option<Vec<u8>>);

fn meaning(bytes: &[u8], limits: &Limits) -> Meaning {
    let mut head = RequestHead::default();
    let parsed = HeadParser::default().parse(bytes, limits, &mut head);
    assert_eq!(parsed, Ok(Progress::Done { len: bytes.len() }));
    let method = Method::parse(head.method().of(bytes)).expect("what the parser accepts");
    let (target, version) = (head.target(), head.version());
    let fields = head.take_fields(bytes.to_vec());
    let target = parse_target(method, bytes, target).map_err(|error| within(error, bytes).fault)?;
    let framing = decide_request(version, method, &fields);
    let framing = framing.map(|framing| without_offsets(framing, bytes));
    Ok((parts(&target, bytes), framing.map_err(|error| within(error, bytes).fault)))
}

fn parts(target: &Target, bytes: &[u8]) -> Parts {
    let (query, authority) = (target.query(bytes), target.authority(bytes));
    (target.path(bytes).as_bytes().to_vec(), query.map(<[u8]>::to_vec), authority.map(<[u8]>::to_vec))
}

fn without_offsets(framing: RequestFraming, bytes: &[u8]) -> (RequestFraming, Option<Vec<u8>>) {
    let host = framing.host.map(|host| host.of(bytes).to_vec());
    (RequestFraming { host: None, ..framing }, host)
}

/// An error points into the bytes, or right behind them.
fn within(error: ProtocolError, bytes: &[u8]) -> ProtocolError {
    assert!(error.at <= bytes.len(), "{error:?} in {} bytes", bytes.len());
    error
}

/// Compares with httparse. Where it and we may differ, and why, is listed in `tests/protocol/differential.rs`; here are
/// the same differences.
fn compare(input: &[u8], ours: &Verdict) {
    let mut slots = [httparse::EMPTY_HEADER; 128];
    let mut request = httparse::Request::new(&mut slots);
    let theirs = request.parse(input);
    match (ours, theirs) {
        (Ok(Some(_)), Err(httparse::Error::Version)) => {}
        (Ok(Some(told)), theirs) => {
            assert_eq!(theirs, Ok(httparse::Status::Complete(told.len)));
            assert_eq!(request.method.map(str::as_bytes), Some(&told.method[..]));
            assert_eq!(request.path.map(str::as_bytes), Some(&told.target[..]));
            assert_eq!(request.version, Some(u8::from(told.version == Version::Http11)));
            let lines = request.headers.iter().map(|header| (header.name.as_bytes().to_vec(), header.value.to_vec()));
            assert!(lines.eq(told.lines.iter().cloned()));
        }
        (Err(error), Ok(_)) => assert!(
            matches!(
                error.fault,
                Fault::BareLf
                    | Fault::FragmentInTarget
                    | Fault::TargetByte
                    | Fault::MethodTooLong
                    | Fault::TargetTooLong
                    | Fault::TooManyEmptyLines
                    | Fault::TooManyFieldLines
                    | Fault::HeadTooLarge
            ),
            "httparse accepts what we refuse: {error:?}"
        ),
        (Ok(None) | Err(_), _) => {}
    }
}
