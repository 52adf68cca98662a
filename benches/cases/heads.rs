//! Owns the heads that are parsed, and the parsers of them: ours, and httparse as it is fastest; picohttpparser is in
//! [`crate::pico`].
//!
//! Equal work: all get the whole head, room for [`SLOTS`] field lines that nobody zeroes, and keep that room between
//! heads. Ours also recognises the fields that decide framing while it goes; httparse's caller would do that afterwards.

use std::mem::MaybeUninit;

use firstbyte::http::h1::head::{HeadParser, Progress, RequestHead};
use firstbyte::http::{Fields, Limits, Version};

use crate::pico::Pico;

/// Field lines that either parser has room for: the default of `field_lines_max`.
pub const SLOTS: usize = 100;

/// Name and bytes of each head, by length.
pub const HEADS: [(&str, &[u8]); 4] = [
    ("27 B shortest", include_bytes!("../../tests/corpus/bench/shortest-27.http")),
    ("169 B benchmark client", include_bytes!("../../tests/corpus/bench/benchmark-client-169.http")),
    ("703 B browser", include_bytes!("../../tests/corpus/bench/browser-703.http")),
    ("809 B cookies", include_bytes!("../../tests/corpus/bench/cookies-809.http")),
];

/// Our parser with what it keeps between heads.
#[derive(Default)]
pub struct Ours {
    limits: Limits,
    head: RequestHead,
}

impl Ours {
    /// The length of the head in `bytes`.
    #[inline]
    pub fn parse(&mut self, bytes: &[u8]) -> usize {
        match HeadParser::default().parse(bytes, &self.limits, &mut self.head) {
            Ok(Progress::Done { len }) => len,
            other => panic!("{other:?}"),
        }
    }
}

/// httparse with what its caller can keep between heads.
pub struct Peer<'a> {
    slots: [MaybeUninit<httparse::Header<'a>>; SLOTS],
}

impl<'a> Peer<'a> {
    /// Room for [`SLOTS`] lines.
    #[allow(clippy::new_without_default)]
    pub fn new() -> Peer<'a> {
        Peer { slots: [const { MaybeUninit::uninit() }; SLOTS] }
    }

    /// The length of the head in `bytes`.
    #[inline]
    pub fn parse<'s>(&'s mut self, bytes: &'a [u8]) -> usize
    where
        'a: 's,
    {
        let mut request = httparse::Request::new(&mut []);
        match request.parse_with_uninit_headers(bytes, &mut self.slots) {
            Ok(httparse::Status::Complete(len)) => len,
            other => panic!("{other:?}"),
        }
    }
}

/// One head in words that all parsers share.
#[derive(Debug, PartialEq, Eq)]
struct Told {
    method: Vec<u8>,
    target: Vec<u8>,
    minor: u8,
    lines: Vec<(String, Vec<u8>)>,
}

/// Checks that both parsers find the same in `bytes`, and all of it.
///
/// # Panics
/// When they do not.
pub fn check(bytes: &[u8]) {
    assert_eq!(Ours::default().parse(bytes), bytes.len());
    assert_eq!(Peer::new().parse(bytes), bytes.len());
    assert_eq!(told_by_ours(bytes), told_by_peer(bytes));
}

/// Checks that picohttpparser finds the same as ours. Apart from [`check`], as valgrind does not know its instructions.
///
/// # Panics
/// When it does not.
pub fn check_pico(bytes: &[u8]) {
    let mut pico = Pico::new();
    let found = pico.parse(bytes);
    assert_eq!(found.len, bytes.len());
    let lines = found.lines().map(|(name, value)| (String::from_utf8_lossy(name).into(), value.into())).collect();
    let told = Told { method: found.method.into(), target: found.target.into(), minor: found.minor, lines };
    assert_eq!(told, told_by_ours(bytes));
}

/// The field section of the head in `bytes`, as a request has it.
pub fn fields(bytes: &[u8]) -> Fields {
    let mut ours = Ours::default();
    ours.parse(bytes);
    ours.head.take_fields(bytes.to_vec())
}

fn told_by_ours(bytes: &[u8]) -> Told {
    let mut ours = Ours::default();
    ours.parse(bytes);
    let head = &ours.head;
    let (method, target) = (head.method().of(bytes).to_vec(), head.target().of(bytes).to_vec());
    let minor = u8::from(head.version() == Version::Http11);
    let fields = fields(bytes);
    Told { method, target, minor, lines: fields.iter().map(|(name, value)| (name.into(), value.into())).collect() }
}

fn told_by_peer(bytes: &[u8]) -> Told {
    let mut slots = [httparse::EMPTY_HEADER; SLOTS];
    let mut request = httparse::Request::new(&mut slots);
    request.parse(bytes).expect("a valid head");
    Told {
        method: request.method.expect("a whole head").into(),
        target: request.path.expect("a whole head").into(),
        minor: request.version.expect("a whole head"),
        lines: request.headers.iter().map(|header| (header.name.into(), header.value.into())).collect(),
    }
}
