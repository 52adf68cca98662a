//! Owns chunked content to be decoded, and both decoders of it: ours, and a loop around httparse's chunk-size parser.
//!
//! The peer's loop checks what our decoder checks: the CR LF behind the data, and the empty trailer section. Neither
//! copies the data.

use firstbyte::http::Limits;
use firstbyte::http::h1::chunked::{CHUNK_DATA_END, Decoder, Event, decode_whole, encode_chunk_head, encode_end};

/// Name, bytes in each chunk and chunks of each message.
pub const MESSAGES: [(&str, usize, usize); 3] =
    [("1 x 64 KiB", 65_536, 1), ("64 x 1 KiB", 1_024, 64), ("512 x 16 B", 16, 512)];

/// Content of `count` chunks of `size` bytes each.
pub fn encode(size: usize, count: usize) -> Vec<u8> {
    let data = vec![b'x'; size];
    let mut out = Vec::new();
    encode_into(&data, count, &mut out);
    out
}

/// Appends `count` chunks of `data` and the end.
#[inline]
pub fn encode_into(data: &[u8], count: usize, out: &mut Vec<u8>) {
    for _ in 0..count {
        encode_chunk_head(data.len(), out);
        out.extend_from_slice(data);
        out.extend_from_slice(CHUNK_DATA_END);
    }
    encode_end(out, None);
}

/// Bytes of data in `message`, which arrives in pieces of at most `piece` bytes.
///
/// # Panics
/// When `message` is not whole chunked content.
#[inline]
pub fn ours(message: &[u8], piece: usize, limits: &Limits) -> u64 {
    let (mut decoder, mut data) = (Decoder::default(), 0);
    for mut input in message.chunks(piece) {
        while !input.is_empty() {
            let step = decoder.step(input, limits).expect("valid chunks");
            input = &input[step.used..];
            match step.event {
                Event::Data { len } => data += len as u64,
                Event::NeedMore | Event::ChunkHead { .. } => {}
                Event::End => return data,
            }
        }
    }
    panic!("no end after {data} bytes");
}

/// Bytes of data in `message`, by httparse.
///
/// # Panics
/// When `message` is not whole chunked content.
#[inline]
pub fn peer(message: &[u8]) -> u64 {
    let (mut rest, mut data) = (message, 0);
    loop {
        let Ok(httparse::Status::Complete((line, size))) = httparse::parse_chunk_size(rest) else {
            panic!("no chunk line after {data} bytes");
        };
        let end = line + size as usize;
        assert_eq!(&rest[end..end + 2], b"\r\n");
        rest = &rest[end + 2..];
        data += size;
        if size == 0 {
            assert!(rest.is_empty());
            return data;
        }
    }
}

/// Checks that everybody finds the data in a message.
///
/// # Panics
/// When somebody does not.
pub fn check(size: usize, count: usize) {
    let (message, limits) = (encode(size, count), Limits::default());
    let whole = decode_whole(&message, &limits).expect("valid chunks").expect("whole content");
    assert_eq!((whole.content, whole.used), (vec![b'x'; size * count], message.len()));
    let data = (size * count) as u64;
    for piece in [message.len(), 1_000, 1] {
        assert_eq!(ours(&message, piece, &limits), data);
    }
    assert_eq!(peer(&message), data);
}
