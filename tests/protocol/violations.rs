//! What a peer can do wrong behind the handshake, row by row: the bytes it sends, the byte at which it is refused, and the
//! close code and section that it is told.
//!
//! The one idea: a row must come to the same end however its bytes are cut, through whichever door they come in, and
//! whatever stands behind them.
//!
//! Frames for a server are masked by a key of zeros, so that the payload can be read here. The limits are `frames::SMALL`.

use std::collections::HashSet;
use std::fs;
use std::path::{Path, PathBuf};

use firstbyte::ws::Role;
use firstbyte::ws::deflate::Params;
use firstbyte::ws::message::Message;
use firstbyte::ws::violation::Violation::{self, *};

use crate::judge::frames::{End, SMALL, Side, Way, play};

/// One thing that a peer does.
struct Row {
    what: &'static str,
    /// Who receives it.
    side: Side,
    bytes: Vec<u8>,
    /// The bytes of it that have to come until it is refused.
    refused_after: usize,
    violation: Violation,
    close_code: u16,
    section: &'static str,
}

/// Rows of one kind: of one violation, with its code and section.
fn rows(
    violation: Violation,
    close_code: u16,
    section: &'static str,
    rows: &[(&'static str, Role, &[u8], usize)],
) -> Vec<Row> {
    let row = |&(what, role, bytes, refused_after): &(&'static str, Role, &[u8], usize)| Row {
        what,
        side: Side { role, limits: SMALL, params: None },
        bytes: bytes.to_vec(),
        refused_after,
        violation,
        close_code,
        section,
    };
    rows.iter().map(row).collect()
}

#[rustfmt::skip]
fn without_compression() -> Vec<Row> {
    use Role::{Client, Server};
    let long_text = long_text_with_a_fault();
    [
        // What the first byte says.
        rows(ReservedOpcode, 1002, "RFC 6455 5.2", &[
            ("data opcode 3", Server, b"\x83\x80\0\0\0\0", 1),
            ("data opcode 7, more to come", Server, b"\x07\x80\0\0\0\0", 1),
            ("control opcode 11", Server, b"\x8b\x80\0\0\0\0", 1),
            ("control opcode 15", Client, b"\x8f\x00", 1),
            ("a reserved opcode inside of a message", Server, b"\x01\x81\0\0\0\0a\x84\x80\0\0\0\0", 8),
            ("HTTP in place of a frame", Server, b"GET / HTTP/1.1\r\n", 1),
        ]),
        rows(ReservedBit, 1002, "RFC 6455 5.2", &[
            ("RSV2", Server, b"\xa1\x80\0\0\0\0", 1),
            ("RSV3", Server, b"\x91\x80\0\0\0\0", 1),
            ("all three bits", Server, b"\xf1\x80\0\0\0\0", 1),
            ("RSV3 in a ping", Client, b"\x99\x00", 1),
            ("RSV2 in a continuation", Client, b"\x01\x01a\xa0\x01b", 4),
        ]),
        rows(FragmentedControl, 1002, "RFC 6455 5.5", &[
            ("a ping without FIN", Server, b"\x09\x80\0\0\0\0", 1),
            ("a pong without FIN", Client, b"\x0a\x00", 1),
            ("a Close frame without FIN", Server, b"\x08\x82\0\0\0\0\x03\xe8", 1),
        ]),
        // What the length says.
        rows(LongControl, 1002, "RFC 6455 5.5", &[
            ("a ping of 126 bytes", Server, b"\x89\xfe\x00\x7e\0\0\0\0", 2),
            ("a pong of 65,536 bytes", Client, b"\x8a\x7f\0\0\0\0\0\x01\0\0", 2),
            ("a Close frame of 126 bytes", Server, b"\x88\xfe\x00\x7e\0\0\0\0", 2),
            ("a ping whose length is not minimal", Server, b"\x89\xfe\x00\x01\0\0\0\0a", 2),
        ]),
        rows(LengthNotMinimal, 1002, "RFC 6455 5.2", &[
            ("0 in 16 bits", Server, b"\x81\xfe\x00\x00\0\0\0\0", 4),
            ("125 in 16 bits", Client, b"\x82\x7e\x00\x7d", 4),
            ("124 in 16 bits, as in the specification", Client, b"\x82\x7e\x00\x7c", 4),
            ("126 in 64 bits", Server, b"\x82\xff\0\0\0\0\0\0\x00\x7e\0\0\0\0", 8),
            ("65,535 in 64 bits", Client, b"\x82\x7f\0\0\0\0\0\0\xff\xff", 8),
        ]),
        rows(LengthTopBit, 1002, "RFC 6455 5.2", &[
            ("a length of 2^63", Server, b"\x82\xff\x80\0\0\0\0\0\0\0\0\0\0\0", 3),
            ("a length of -1", Client, b"\x82\x7f\xff\xff\xff\xff\xff\xff\xff\xff", 3),
        ]),
        // What the whole header says.
        rows(Unmasked, 1002, "RFC 6455 5.1", &[
            ("text from a client without a mask", Server, b"\x81\x05Hello", 2),
            ("a ping from a client without a mask", Server, b"\x89\x00", 2),
            ("a Close frame from a client without a mask", Server, b"\x88\x02\x03\xe8", 2),
            ("no mask in the second fragment", Server, b"\x01\x81\0\0\0\0a\x80\x01b", 9),
        ]),
        rows(Masked, 1002, "RFC 6455 5.1", &[
            ("text from a server with a mask", Client, b"\x81\x85\x37\xfa\x21\x3d\x7f\x9f\x4d\x51\x58", 6),
            ("a pong from a server with a mask of zeros", Client, b"\x8a\x80\0\0\0\0", 6),
            ("a mask in the second fragment", Client, b"\x01\x01a\x80\x81\0\0\0\0b", 9),
        ]),
        rows(CompressionNotAgreed, 1002, "RFC 6455 5.2", &[
            ("RSV1 in text", Server, b"\xc1\x80\0\0\0\0", 6),
            ("RSV1 in the beginning of a message", Client, b"\x42\x00", 2),
            ("RSV1 in a continuation", Server, b"\x01\x81\0\0\0\0a\xc0\x81\0\0\0\0b", 13),
            ("RSV1 in a ping", Client, b"\xc9\x00", 2),
        ]),
        rows(ContinuationWithoutMessage, 1002, "RFC 6455 5.4", &[
            ("a continuation at the beginning", Server, b"\x80\x81\0\0\0\0a", 6),
            ("one without FIN", Client, b"\x00\x01a", 2),
            ("a continuation behind a whole message", Server, b"\x81\x81\0\0\0\0a\x80\x81\0\0\0\0b", 13),
            ("one more than the message had", Client, b"\x01\x01a\x80\x01b\x80\x01c", 8),
        ]),
        rows(MessageInsideMessage, 1002, "RFC 6455 5.4", &[
            ("text inside of text", Server, b"\x01\x81\0\0\0\0a\x81\x81\0\0\0\0b", 13),
            ("binary inside of text", Client, b"\x01\x01a\x82\x01b", 5),
            ("a message in fragments inside of another", Client, b"\x01\x01a\x01\x01b", 5),
            ("text behind a ping inside of text", Client, b"\x01\x01a\x89\x00\x81\x01b", 7),
        ]),
        rows(ControlFlood, 1008, "RFC 6455 10.4", &[
            ("seven pings at once", Client, b"\x89\x00\x89\x00\x89\x00\x89\x00\x89\x00\x89\x00\x89\x00", 14),
            ("seven pongs that nobody asked for", Client, b"\x8a\x00\x8a\x00\x8a\x00\x8a\x00\x8a\x00\x8a\x00\x8a\x00", 14),
            ("pings and pongs inside of a message", Client,
                b"\x01\x01a\x8a\x00\x89\x00\x8a\x00\x89\x00\x8a\x00\x89\x00\x8a\x7d", 17),
        ]),
        // Limits, on the header alone.
        rows(FrameTooLarge, 1009, "RFC 6455 10.4", &[
            ("a frame of one byte too many", Client, b"\x82\x7e\x5d\xc1", 4),
            ("a frame of 2^60 bytes", Server, b"\x82\xff\x10\0\0\0\0\0\0\0\0\0\0\0", 14),
            ("a frame of all bits but the top one", Client, b"\x81\x7f\x7f\xff\xff\xff\xff\xff\xff\xff", 10),
        ]),
        rows(MessageTooLarge, 1009, "RFC 6455 10.4", &[
            ("a message of one byte too many", Client, b"\x82\x7e\x4e\x21", 4),
            ("a fragment that makes it too large", Client, b"\x01\x01a\x80\x7e\x4e\x20", 7),
            ("an announcement in the beginning", Server, b"\x01\xfe\x4e\x21\0\0\0\0", 8),
        ]),
        rows(TooManyFragments, 1008, "RFC 6455 10.4", &[
            ("five fragments", Client, b"\x01\x01a\x00\x01b\x00\x01c\x00\x01d\x80\x01e", 14),
            ("empty fragments without end", Client, b"\x02\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00", 10),
        ]),
        // Text that is none. Where it comes in pieces, at the first byte that cannot be.
        rows(TextNotUtf8, 1007, "RFC 6455 8.1", &[
            ("a continuation byte first", Client, b"\x81\x01\x80", 3),
            ("0xff", Server, b"\x81\x81\0\0\0\0\xff", 7),
            ("behind a mask", Server, b"\x81\x82\xff\x0f\xf0\x55\x9e\xf0", 8),
            ("overlong NUL", Client, b"\x81\x02\xc0\x80", 3),
            ("overlong slash of three bytes", Client, b"\x81\x03\xe0\x80\xaf", 4),
            ("overlong of four bytes", Client, b"\x81\x04\xf0\x80\x80\xaf", 4),
            ("a surrogate", Client, b"\x81\x03\xed\xa0\x80", 4),
            ("a pair of surrogates", Client, b"\x81\x06\xed\xa0\x80\xed\xb0\x80", 4),
            ("above U+10FFFF", Client, b"\x81\x04\xf4\x90\x80\x80", 4),
            ("five bytes", Client, b"\x81\x05\xf8\x88\x80\x80\x80", 3),
            ("fails at once, not at its end", Client, b"\x01\x7d\xce\xba\xed\xa0\x80edited", 6),
            ("a character that breaks off at the end", Client, b"\x81\x02\xe2\x82", 4),
            ("one that breaks off in the last fragment", Client, b"\x01\x01a\x80\x02\xe2\x82", 7),
            ("one that breaks off before an empty last fragment", Client, b"\x01\x02\xe2\x82\x80\x00", 6),
            ("a character in two fragments, the second wrong", Client, b"\x01\x02\xe2\x82\x80\x01a", 7),
            ("a surrogate in two fragments", Client, b"\x01\x01\xed\x00\x01\xa0", 6),
            ("a fault behind a ping inside of a character", Client, b"\x01\x01\xc3\x89\x00\x80\x01\xc3", 8),
            ("a fault in the first of two fragments", Client, b"\x01\x02a\xff\x80\x00", 4),
            ("a fault behind whole messages", Client, b"\x81\x01a\x82\x01\xff\x81\x01\xff", 9),
            ("a fault in the midst of a long text", Client, &long_text, LONG_FAULT + 5),
        ]),
        // Close frames.
        rows(CloseOfOneByte, 1002, "RFC 6455 5.5.1", &[
            ("half a code", Server, b"\x88\x81\0\0\0\0\x03", 7),
            ("half a code, from a server", Client, b"\x88\x01\x03", 3),
        ]),
        rows(CloseCodeNotAllowed, 1002, "RFC 6455 7.4", &[
            ("0", Client, b"\x88\x02\0\0", 4),
            ("999", Client, b"\x88\x02\x03\xe7", 4),
            ("1004, reserved", Client, b"\x88\x02\x03\xec", 4),
            ("1005, never on the wire", Client, b"\x88\x02\x03\xed", 4),
            ("1006, never on the wire", Server, b"\x88\x82\0\0\0\0\x03\xee", 8),
            ("1015, never on the wire", Client, b"\x88\x02\x03\xf7", 4),
            ("1016, undefined", Client, b"\x88\x02\x03\xf8", 4),
            ("2999, undefined", Client, b"\x88\x02\x0b\xb7", 4),
            ("5000", Client, b"\x88\x02\x13\x88", 4),
            ("65,535, with a reason", Client, b"\x88\x03\xff\xffa", 5),
            ("a wrong code before a wrong reason", Client, b"\x88\x03\x03\xed\xff", 5),
            ("inside of a message", Client, b"\x01\x01a\x88\x02\x03\xed", 7),
        ]),
        rows(CloseReasonNotUtf8, 1007, "RFC 6455 5.5.1", &[
            ("0xff", Client, b"\x88\x03\x03\xe8\xff", 5),
            ("a reason that breaks off", Server, b"\x88\x84\0\0\0\0\x03\xe8\xe2\x82", 10),
            ("a surrogate", Client, b"\x88\x05\x03\xe8\xed\xa0\x80", 7),
        ]),
    ]
    .into_iter()
    .flatten()
    .collect()
}

/// Rows for connections on which compression was agreed.
#[rustfmt::skip]
fn with_compression() -> Vec<Row> {
    use Role::{Client, Server};
    let large = compressed_zeros(20_001);
    let mut rows: Vec<Row> = [
        rows(CompressedControl, 1002, "RFC 7692 6", &[
            ("a compressed ping", Server, b"\xc9\x80\0\0\0\0", 6),
            ("a compressed Close frame", Client, b"\xc8\x00", 2),
            ("a compressed pong inside of a compressed message", Client, b"\x41\x01\xf2\xca\x00", 5),
        ]),
        rows(CompressedContinuation, 1002, "RFC 7692 6", &[
            ("RSV1 in the second fragment, too", Client, b"\x41\x03\xf2\x48\xcd\xc0\x04\xc9\xc9\x07\x00", 7),
            ("RSV1 in the second fragment only", Server, b"\x01\x81\0\0\0\0a\xc0\x81\0\0\0\0b", 13),
            ("RSV1 in a continuation of nothing", Client, b"\xc0\x00", 2),
        ]),
        rows(ReservedBit, 1002, "RFC 6455 5.2", &[
            ("RSV2 beside RSV1", Client, b"\xe1\x07\xf2\x48\xcd\xc9\xc9\x07\x00", 1),
        ]),
        rows(MessageInsideMessage, 1002, "RFC 6455 5.4", &[
            ("a compressed message inside of one that is not", Client, b"\x01\x01a\xc1\x07", 5),
        ]),
        // A short payload is looked at when it is whole: a decompressor is not borrowed for less.
        rows(CorruptCompression, 1007, "RFC 7692 7.2.2", &[
            ("a block of a type that there is not", Client, b"\xc1\x02\x06\x00", 4),
            ("a stored block whose lengths disagree", Client, b"\xc2\x06\x00\x01\x00\x00\x00a", 8),
            ("a reference to before the beginning", Client, b"\xc2\x03\x02\x03\x00", 5),
            ("a message that ends inside of a block", Client, b"\xc1\x03\xf2\x48\xcd", 5),
            ("one whose last fragment is missing a piece", Client, b"\x41\x03\xf2\x48\xcd\x80\x00", 7),
        ]),
        rows(TextNotUtf8, 1007, "RFC 6455 8.1", &[
            ("compressed 0xff", Client, b"\xc1\x07\x00\x01\x00\xfe\xff\xff\x00", 9),
            ("a compressed surrogate in two fragments", Client,
                b"\x41\x06\x00\x03\x00\xfc\xff\xed\x80\x03\xa0\x80\x00", 13),
            ("compressed text that breaks off", Client, b"\xc1\x07\x00\x01\x00\xfe\xff\xc3\x00", 9),
        ]),
        rows(MessageTooLarge, 1009, "RFC 6455 10.4", &[
            ("one that is large only when it is inflated", Client, &large, large.len()),
        ]),
    ]
    .into_iter()
    .flatten()
    .collect();
    rows.iter_mut().for_each(|row| row.side.params = Some(Params::default()));
    rows
}

fn table() -> Vec<Row> {
    let mut table = without_compression();
    table.extend(with_compression());
    table
}

/// A server's frame that comes to so many zeros.
fn compressed_zeros(count: usize) -> Vec<u8> {
    let sender = Side { role: Role::Server, limits: SMALL, params: Some(Params::default()) };
    let frame = sender.machine().encode(Message::from(vec![0; count]), None);
    assert!(frame.payload.len() < 300, "zeros are easy to compress");
    [&frame.header[..], &frame.payload].concat()
}

/// Where the long text is wrong.
const LONG_FAULT: usize = 15_000;

/// Text that is long enough for room to be made for it, in one frame.
fn long_text_with_a_fault() -> Vec<u8> {
    let mut bytes = b"\x81\x7e\x4e\x20".to_vec();
    bytes.extend(std::iter::repeat_n(b'x', 20_000));
    bytes[4 + LONG_FAULT] = 0xf5;
    bytes
}

#[test]
fn every_violation_is_refused_with_its_code_however_it_comes() {
    table().iter().for_each(check);
}

fn check(row: &Row) {
    let Row { what, bytes, refused_after, violation, .. } = row;
    let label = format!("{violation:?}: {what}");
    assert_eq!((violation.close_code().get(), violation.section()), (row.close_code, row.section), "{label}");
    let end = |pieces: &mut dyn Iterator<Item = &[u8]>, way| play(row.side.machine(), pieces, way).end;
    let failed = End::Failed(*violation);
    let behind = [bytes, &b"\x81\x01a"[..]].concat();
    for way in [Way::Receive, Way::Room] {
        assert_eq!(end(&mut [&bytes[..]].into_iter(), way), failed, "{label}, whole");
        assert_eq!(end(&mut [&behind[..]].into_iter(), way), failed, "{label}, with a frame behind");
        assert_eq!(end(&mut bytes.chunks(1), way), failed, "{label}, byte by byte");
        let step = if bytes.len() < 200 { 1 } else { 997 };
        for split in (0..=bytes.len()).step_by(step) {
            let (first, second) = bytes.split_at(split);
            assert_eq!(end(&mut [first, second].into_iter(), way), failed, "{label}, split at {split}");
        }
        let before = &bytes[..refused_after - 1];
        assert_eq!(end(&mut before.chunks(1), way), End::Open, "{label}, one byte before");
        assert_eq!(end(&mut bytes[..*refused_after].chunks(1), way), failed, "{label}, as soon as it shows");
    }
}

#[test]
fn every_violation_has_its_rows() {
    let seen: HashSet<Violation> = table().iter().map(|row| row.violation).collect();
    let missing = Violation::ALL.iter().find(|violation| !seen.contains(violation));
    assert_eq!(missing, None);
}

#[test]
fn the_fuzzers_begin_with_every_row() {
    let writes = std::env::var_os("FIRSTBYTE_WRITE_CORPUS").is_some();
    for row in table() {
        let name =
            format!("{:?} {}", row.violation, row.what).to_lowercase().replace(|c: char| !c.is_alphanumeric(), "-");
        let file = corpus().join(name).with_extension("frames");
        if writes {
            fs::write(&file, &row.bytes).expect("a file of the corpus");
        }
        let bytes = fs::read(&file).unwrap_or_default();
        assert!(bytes == row.bytes, "{}: run this test with FIRSTBYTE_WRITE_CORPUS=1", file.display());
    }
    let files = fs::read_dir(corpus()).expect("the corpus").map(|file| file.unwrap().file_name());
    let rows = files.filter(|name| !name.to_string_lossy().starts_with("good-")).count();
    assert_eq!(rows, table().len(), "a file of the corpus is of no row");
}

/// The files of the corpus that are small: where mutants begin.
pub fn seeds() -> Vec<Vec<u8>> {
    let mut files: Vec<_> = fs::read_dir(corpus()).expect("the corpus").map(|file| file.unwrap().path()).collect();
    files.sort();
    files.iter().map(|file| fs::read(file).unwrap()).filter(|bytes| bytes.len() <= 512).collect()
}

fn corpus() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/corpus/ws")
}
