//! Judges every file of `tests/corpus` and compares with the verdict that lies beside it.
//!
//! ```text
//!   smuggle-cl-te.http        the bytes, as they would come from a peer
//!   smuggle-cl-te.verdict     limits head_bytes_max=40                          where the default limits do not do
//!                             refuse H1-FRAME-001 at 71                         or "ok …", or "more"
//!                             lenient ok GET / 1.1 1 fields, …                  where lenient_lines changes it
//!
//!                             Why: the attack, or the rule.
//! ```
//!
//! The one idea: a verdict must not depend on how the bytes were cut. Each file is fed whole, byte by byte, at every
//! split, and with another message behind it.

use std::collections::BTreeSet;
use std::fmt::Write as _;
use std::fs;
use std::path::{Path, PathBuf};

use firstbyte::http::error::CATALOGUE;
use firstbyte::http::h1::chunked::{Decoder, Event, decode_whole};
use firstbyte::http::h1::framing::{Content, decide_request};
use firstbyte::http::h1::head::{HeadParser, Progress, RequestHead};
use firstbyte::http::target::parse_target;
use firstbyte::http::{Fields, Limits, Method, ProtocolError, Version};

/// What a peer might send behind a message to be read as part of it.
const BEHIND: &[u8] = b"GET /behind HTTP/1.1\r\nHost: behind.example\r\n\r\n";

/// Up to this size a file is split at every byte.
const SPLIT_EVERYWHERE_MAX: usize = 2048;

/// One file, and what each set of limits makes of it.
pub struct Case {
    pub name: String,
    pub bytes: Vec<u8>,
    pub expected: Vec<(Limits, String)>,
}

/// All files of one folder.
pub fn cases(folder: &str, extension: &str) -> Vec<Case> {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/corpus").join(folder);
    let mut files: Vec<PathBuf> = fs::read_dir(&folder).expect("a folder").map(|entry| entry.unwrap().path()).collect();
    files.sort();
    let verdicts = files.iter().filter(|file| file.extension().is_some_and(|found| found == "verdict")).count();
    files.retain(|file| file.extension().is_some_and(|found| found == extension));
    assert_eq!(files.len(), verdicts, "each file has its verdict, and each verdict its file");
    files.iter().map(|file| read_case(file)).collect()
}

fn read_case(file: &Path) -> Case {
    let name = file.file_stem().unwrap().to_string_lossy().into_owned();
    let verdict = fs::read_to_string(file.with_extension("verdict")).expect(&name);
    let (verdicts, why) = verdict.split_once("\n\n").expect(&name);
    assert!(!why.trim().is_empty(), "{name} says why");
    let mut limits = Limits::default();
    let mut expected = Vec::new();
    for line in verdicts.lines() {
        if let Some(changes) = line.strip_prefix("limits ") {
            changes.split(' ').for_each(|change| set_limit(&mut limits, change));
        } else if let Some(verdict) = line.strip_prefix("lenient ") {
            expected.push((Limits { lenient_lines: true, ..limits.clone() }, verdict.to_owned()));
        } else {
            expected.push((limits.clone(), line.to_owned()));
        }
    }
    Case { name, bytes: fs::read(file).expect("a file"), expected }
}

fn set_limit(limits: &mut Limits, change: &str) {
    let (name, value) = change.split_once('=').expect(change);
    let limit = match name {
        "head_bytes_max" => &mut limits.head_bytes_max,
        "field_lines_max" => &mut limits.field_lines_max,
        "target_bytes_max" => &mut limits.target_bytes_max,
        "chunk_extension_bytes_max" => &mut limits.chunk_extension_bytes_max,
        _ => panic!("no limit of that name: {change}"),
    };
    *limit = value.parse().expect(change);
}

/// Compares what `judge` says with what is written, however the bytes arrive.
fn check(case: &Case, judge: impl Fn(&[u8], &mut dyn Iterator<Item = usize>, &Limits) -> String) {
    let (name, bytes, len) = (&case.name, &case.bytes, case.bytes.len());
    for (limits, expected) in &case.expected {
        assert_eq!(&judge(bytes, &mut [len].into_iter(), limits), expected, "{name}, whole");
        assert_eq!(&judge(bytes, &mut (0..=len), limits), expected, "{name}, byte by byte");
        let step = if len <= SPLIT_EVERYWHERE_MAX { 1 } else { 509 };
        for split in (0..=len).step_by(step) {
            let verdict = judge(bytes, &mut [split, len].into_iter(), limits);
            assert_eq!(&verdict, expected, "{name}, split at {split}");
        }
        if expected != "more" {
            let more = [bytes, BEHIND].concat();
            assert_eq!(&judge(&more, &mut [more.len()].into_iter(), limits), expected, "{name}, and another behind");
        }
    }
}

/// The verdict on a head of which ever more arrives: up to each of `ends` in turn.
pub fn judge_head(input: &[u8], ends: &mut dyn Iterator<Item = usize>, limits: &Limits) -> String {
    let (mut parser, mut head) = (HeadParser::default(), RequestHead::default());
    for end in ends {
        match parser.parse(&input[..end], limits, &mut head) {
            Ok(Progress::NeedMore) => {}
            Ok(Progress::Done { len }) => return describe(&input[..len], head).unwrap_or_else(refused),
            Err(error) => return refused(error),
        }
    }
    "more".to_owned()
}

/// What the later rules make of a whole head.
fn describe(bytes: &[u8], mut head: RequestHead) -> Result<String, ProtocolError> {
    let method = Method::parse(head.method().of(bytes)).expect("the parser lets only tokens through");
    let version = head.version();
    let target = parse_target(method, bytes, head.target())?;
    let fields = head.take_fields(bytes.to_vec());
    let framing = decide_request(version, method, &fields)?;
    let path = Some(target.path(bytes)).filter(|path| !path.is_empty()).unwrap_or("-");
    let number = if version == Version::Http10 { "1.0" } else { "1.1" };
    let mut verdict = format!("ok {method} {path} {number} {} fields", fields.len());
    let content = match framing.content {
        Content::None => "none".to_owned(),
        Content::Length(length) => format!("length {length}"),
        Content::Chunked => "chunked".to_owned(),
    };
    write!(verdict, ", content {content}, {}", if framing.keep_alive { "keep-alive" } else { "close" }).unwrap();
    for (said, word) in [(framing.expect_continue, ", expect"), (framing.upgrade, ", upgrade")] {
        verdict.push_str(if said { word } else { "" });
    }
    if let Some(host) = target.authority(bytes).or(framing.host.map(|span| span.of(bytes))) {
        write!(verdict, ", host {}", host.escape_ascii()).unwrap();
    }
    Ok(verdict)
}

fn refused(error: ProtocolError) -> String {
    format!("refuse {} at {}", error.fault.code(), error.at)
}

/// The verdict on chunked content of which ever more arrives.
pub fn judge_chunked(input: &[u8], ends: &mut dyn Iterator<Item = usize>, limits: &Limits) -> String {
    let (mut decoder, mut content, mut used) = (Decoder::default(), Vec::new(), 0);
    for end in ends {
        loop {
            let rest = &input[used..end];
            let step = match decoder.step(rest, limits) {
                Ok(step) => step,
                Err(error) => return refused(error),
            };
            used += step.used;
            match step.event {
                Event::NeedMore => break,
                Event::ChunkHead { .. } => {}
                Event::Data { len } => content.extend_from_slice(&rest[..len]),
                Event::End => return describe_content(&content, &decoder.take_trailers(), used),
            }
        }
    }
    "more".to_owned()
}

/// The verdict of the function for content that is there as a whole.
pub fn judge_whole(input: &[u8], limits: &Limits) -> String {
    match decode_whole(input, limits) {
        Ok(None) => "more".to_owned(),
        Ok(Some(whole)) => describe_content(&whole.content, &whole.trailers, whole.used),
        Err(error) => refused(error),
    }
}

fn describe_content(content: &[u8], trailers: &Fields, used: usize) -> String {
    let mut verdict = format!("ok \"{}\"", content.escape_ascii());
    for (name, value) in trailers.iter() {
        write!(verdict, ", trailer {name}: {}", value.escape_ascii()).unwrap();
    }
    write!(verdict, ", used {used}").unwrap();
    verdict
}

#[test]
fn heads_are_judged_the_same_however_they_arrive() {
    cases("heads", "http").iter().for_each(|case| check(case, judge_head));
}

#[test]
fn chunked_content_is_judged_the_same_however_it_arrives() {
    for case in cases("chunked", "chunked") {
        check(&case, judge_chunked);
        for (limits, expected) in &case.expected {
            assert_eq!(&judge_whole(&case.bytes, limits), expected, "{}, decode_whole", case.name);
        }
    }
}

#[test]
fn attacks_outnumber_the_rest() {
    for (folder, extension) in [("heads", "http"), ("chunked", "chunked")] {
        let cases = cases(folder, extension);
        let refused = cases.iter().filter(|case| case.expected[0].1.starts_with("refuse")).count();
        assert!(refused > cases.len() - refused, "{folder}: {refused} of {}", cases.len());
    }
}

#[test]
fn every_fault_of_the_parsers_has_a_case() {
    const FAMILIES: [&str; 8] =
        ["H1-LINE-", "H1-TARGET-", "H1-VERSION-", "H1-HEAD-", "H1-HOST-", "H1-FRAME-", "H1-CHUNK-", "H1-EXPECT-"];
    let cases = cases("heads", "http").into_iter().chain(cases("chunked", "chunked"));
    let verdicts = cases.flat_map(|case| case.expected).map(|(_, verdict)| verdict);
    let seen: BTreeSet<String> = verdicts.filter_map(|verdict| verdict.split(' ').nth(1).map(str::to_owned)).collect();
    let mut missing = CATALOGUE.iter().map(|entry| entry.code).filter(|code| !seen.contains(*code));
    let missing = missing.find(|code| FAMILIES.iter().any(|family| code.starts_with(family)));
    assert_eq!(missing, None, "a file of the corpus shows it");
}
