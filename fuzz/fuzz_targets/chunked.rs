//! Fuzzes the chunked coding.
//!
//! ```text
//!   bytes ── whole, byte by byte, many splits, decode_whole ── the same content, trailers, end and fault
//!     │ accepted: encoded again and decoded again, equal
//!     └── taken as content, cut into chunks, encoded ── decoded: the same bytes
//! ```

#![no_main]

use firstbyte::http::h1::chunked::{CHUNK_DATA_END, Decoder, Event, decode_whole, encode_chunk_head, encode_end};
use firstbyte::http::{Fields, Limits, ProtocolError};
use libfuzzer_sys::fuzz_target;

/// Places at which the bytes are split in two.
const SPLITS: usize = 24;

fuzz_target!(|input: &[u8]| {
    let tight = Limits {
        chunk_line_bytes_max: 12,
        chunk_extension_bytes_max: 16,
        trailer_bytes_max: 40,
        field_lines_max: 2,
        lenient_lines: true,
        ..Limits::default()
    };
    for limits in [Limits::default(), tight] {
        let whole = decode([input], &limits);
        assert_eq!(whole, decode(input.chunks(1), &limits), "byte by byte");
        for split in (0..input.len()).step_by(input.len() / SPLITS + 1) {
            assert_eq!(whole, decode([&input[..split], &input[split..]], &limits), "split at {split}");
        }
        match &whole {
            Ok(decoded) if decoded.ended => check_accepted(decoded, input, &limits),
            Ok(_) => assert!(decode_whole(input, &limits).expect("no fault").is_none()),
            Err(error) => {
                assert_eq!(decode_whole(input, &limits).expect_err("a fault"), *error);
                assert!(error.at <= input.len());
            }
        }
    }
    round_trip(input);
});

/// What came of some bytes.
#[derive(Debug, Default, PartialEq, Eq)]
struct Decoded {
    content: Vec<u8>,
    trailers: Vec<(Vec<u8>, Vec<u8>)>,
    used: usize,
    ended: bool,
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
                    decoded.trailers = lines(&decoder.take_trailers());
                    return Ok(decoded);
                }
            }
            input = &input[step.used..];
        }
    }
    Ok(decoded)
}

fn lines(fields: &Fields) -> Vec<(Vec<u8>, Vec<u8>)> {
    fields.iter().map(|(name, value)| (name.as_bytes().to_vec(), value.to_vec())).collect()
}

fn check_accepted(decoded: &Decoded, input: &[u8], limits: &Limits) {
    let whole = decode_whole(input, limits).expect("no fault").expect("an end");
    assert_eq!(
        (&whole.content, lines(&whole.trailers), whole.used),
        (&decoded.content, decoded.trailers.clone(), decoded.used)
    );
    let mut again = Vec::new();
    for chunk in decoded.content.chunks(usize::MAX) {
        encode_chunk(chunk, &mut again);
    }
    encode_end(&mut again, Some(&whole.trailers));
    // ": " may be longer than what stood there.
    let roomy = Limits { trailer_bytes_max: usize::MAX, ..Limits::default() };
    let second = decode_whole(&again, &roomy).expect("what was accepted").expect("an end");
    assert_eq!((second.content, lines(&second.trailers)), (whole.content, lines(&whole.trailers)));
    assert_eq!(second.used, again.len());
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
