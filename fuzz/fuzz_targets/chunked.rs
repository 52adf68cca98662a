//! Fuzzes the chunked coding.
//!
//! ```text
//!   bytes ── whole, cut at few places, byte by byte, decode_whole ── the same content, trailers, end and fault
//!     │ accepted: encoded again and decoded again, equal
//!     └── taken as content, cut into chunks, encoded ── decoded: the same bytes
//! ```
//!
//! Which limits are in force and where the bytes are cut is drawn from a checksum of the bytes; one input in sixteen goes
//! byte by byte, and one in eight is taken as content. So an execution costs a few passes, and there are many of them.

#![no_main]

use std::sync::LazyLock;

use firstbyte::http::h1::chunked::{CHUNK_DATA_END, Decoder, Event, decode_whole, encode_chunk_head, encode_end};
use firstbyte::http::{Fields, Limits, ProtocolError};
use firstbyte_fuzz::judge::draw::Draw;
use libfuzzer_sys::fuzz_target;

/// Most places at which the bytes are cut.
const CUTS: usize = 4;

static LIMITS: LazyLock<[Limits; 2]> = LazyLock::new(|| {
    let tight = Limits {
        chunk_line_bytes_max: 12,
        chunk_extension_bytes_max: 16,
        trailer_bytes_max: 40,
        field_lines_max: 2,
        lenient_lines: true,
        ..Limits::default()
    };
    [Limits::default(), tight]
});

fuzz_target!(|input: &[u8]| {
    let mut draw = Draw::of(input);
    let limits = draw.of_these(&*LIMITS);
    let verdict = decode([input], limits);
    let cuts = draw.cuts(input.len(), CUTS);
    assert_eq!(verdict, decode(cuts.windows(2).map(|cut| &input[cut[0]..cut[1]]), limits), "cut at {cuts:?}");
    if draw.next(16) == 0 {
        assert_eq!(verdict, decode(input.chunks(1), limits), "byte by byte");
    }
    match &verdict {
        Ok(decoded) if decoded.ended => check_accepted(decoded, input, limits),
        Ok(_) => assert!(decode_whole(input, limits).expect("no fault").is_none()),
        Err(error) => {
            assert_eq!(decode_whole(input, limits).expect_err("a fault"), *error);
            assert!(error.at <= input.len());
        }
    }
    if draw.next(8) == 0 {
        round_trip(input);
    }
});

/// What came of some bytes.
#[derive(Debug, Default)]
struct Decoded {
    content: Vec<u8>,
    trailers: Fields,
    used: usize,
    ended: bool,
}

impl PartialEq for Decoded {
    fn eq(&self, other: &Decoded) -> bool {
        (&self.content, self.used, self.ended) == (&other.content, other.used, other.ended)
            && self.trailers.iter().eq(other.trailers.iter())
    }
}

/// Decodes bytes that arrive in `pieces`.
fn decode<'a>(pieces: impl IntoIterator<Item = &'a [u8]>, limits: &Limits) -> Result<Decoded, ProtocolError> {
    let (mut decoder, mut decoded) = (Decoder::default(), Decoded::default());
    for mut input in pieces {
        loop {
            let step = decoder.step(input, limits)?;
            decoded.used += step.used;
            assert_eq!(decoder.taken(), decoded.used);
            match step.event {
                Event::NeedMore => {
                    assert_eq!(step.used, input.len(), "more is asked for, and there is more");
                    break;
                }
                Event::ChunkHead { .. } => assert!(step.used > 0),
                Event::Data { len } => {
                    assert!(len > 0 && len == step.used);
                    decoded.content.extend_from_slice(&input[..len]);
                }
                Event::End => {
                    assert_eq!(decoder.step(b"more", limits)?.used, 0, "the end is the end");
                    decoded.ended = true;
                    decoded.trailers = decoder.take_trailers();
                    return Ok(decoded);
                }
            }
            input = &input[step.used..];
        }
    }
    Ok(decoded)
}

fn check_accepted(decoded: &Decoded, input: &[u8], limits: &Limits) {
    let whole = decode_whole(input, limits).expect("no fault").expect("an end");
    assert_eq!((&whole.content, whole.used), (&decoded.content, decoded.used));
    assert!(whole.trailers.iter().eq(decoded.trailers.iter()), "{whole:?}\n{decoded:?}");
    let mut again = Vec::new();
    if !decoded.content.is_empty() {
        encode_chunk(&decoded.content, &mut again);
    }
    encode_end(&mut again, Some(&whole.trailers));
    // ": " may be longer than what stood there.
    let roomy = Limits { trailer_bytes_max: usize::MAX, ..Limits::default() };
    let second = decode_whole(&again, &roomy).expect("what was accepted").expect("an end");
    assert_eq!((second.content, second.used), (whole.content, again.len()));
    assert!(second.trailers.iter().eq(whole.trailers.iter()), "{:?}\n{:?}", second.trailers, whole.trailers);
}

/// Takes `input` for content: each chunk is as long as its first byte says.
fn round_trip(input: &[u8]) {
    let (mut rest, mut encoded) = (input, Vec::new());
    while let Some(&first) = rest.first() {
        let (chunk, behind) = rest.split_at(rest.len().min(usize::from(first).max(1)));
        encode_chunk(chunk, &mut encoded);
        rest = behind;
    }
    encode_end(&mut encoded, None);
    let whole = decode_whole(&encoded, &Limits::default()).expect("what we wrote").expect("an end");
    assert_eq!((&whole.content[..], whole.used), (input, encoded.len()));
    assert!(whole.trailers.is_empty());
}

fn encode_chunk(data: &[u8], out: &mut Vec<u8>) {
    encode_chunk_head(data.len(), out);
    out.extend_from_slice(data);
    out.extend_from_slice(CHUNK_DATA_END);
}
