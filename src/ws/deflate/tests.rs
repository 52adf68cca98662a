//! Both directions together: the RFC's examples, round trips under all parameters, attacks.

use super::*;

const ROOMY: usize = 1 << 20;

fn pair(params: Params, config: &Compression) -> (Deflate, Deflate) {
    (Deflate::new(Role::Server, params, config), Deflate::new(Role::Client, params, config))
}

/// A server that receives with context takeover, or without.
fn receiver(takeover: bool) -> Deflate {
    let params = Params { client_no_context_takeover: !takeover, ..Params::default() };
    Deflate::new(Role::Server, params, &Compression::default())
}

/// Inflates a message that arrives in pieces of `size`.
fn inflate_in(size: usize, deflate: &mut Deflate, payload: &[u8], bytes_max: usize) -> Result<Vec<u8>, InflateError> {
    let mut into = Vec::new();
    for piece in payload.chunks(size) {
        deflate.inflate(piece, false, &mut into, bytes_max)?;
    }
    deflate.inflate(&[], true, &mut into, bytes_max)?;
    Ok(into)
}

#[test]
fn the_examples_of_the_rfc_are_read() {
    fn check(payloads: &[&[u8]], expected: &[u8]) {
        for size in [1, 2, 3, 5, 100] {
            let mut deflate = receiver(true);
            for payload in payloads {
                assert_eq!(inflate_in(size, &mut deflate, payload, ROOMY).as_deref(), Ok(expected), "{payload:02x?}");
            }
        }
    }
    // 7.2.3.1: one block.
    check(&[&[0xF2, 0x48, 0xCD, 0xC9, 0xC9, 0x07, 0x00]], b"Hello");
    // 7.2.3.2: the second refers to the first.
    check(&[&[0xF2, 0x48, 0xCD, 0xC9, 0xC9, 0x07, 0x00], &[0xF2, 0x00, 0x11, 0x00, 0x00]], b"Hello");
    // 7.2.3.3: a block without compression.
    check(&[&[0x00, 0x05, 0x00, 0xFA, 0xFF, 0x48, 0x65, 0x6C, 0x6C, 0x6F, 0x00]], b"Hello");
    // 7.2.3.4: a final block.
    check(&[&[0xF3, 0x48, 0xCD, 0xC9, 0xC9, 0x07, 0x00, 0x00]], b"Hello");
    // 7.2.3.5: two blocks, with a flush between them.
    check(&[&[0xF2, 0x48, 0x05, 0x00, 0x00, 0x00, 0xFF, 0xFF, 0xCA, 0xC9, 0xC9, 0x07, 0x00]], b"Hello");
    // 7.2.3.6: nothing.
    check(&[&[0x00]], b"");
}

#[test]
fn hello_is_compressed_as_in_the_rfc() {
    let config = Compression { message_bytes_min: 0, context_takeover: true, level: 6, ..Compression::default() };
    let (mut server, mut client) = pair(Params::default(), &config);
    let hello = b"Hello, Hello, Hello, Hello";
    for _ in 0..2 {
        let payload = server.deflate(hello).unwrap();
        assert_eq!(inflate_in(3, &mut client, &payload, ROOMY).as_deref(), Ok(&hello[..]));
    }
}

/// zlib-rs does not forget all of a stream that is reset before it was read to its end: where its output began, whether a
/// block was open.
#[test]
fn giving_up_on_a_message_leaves_nothing_for_the_next_one() {
    let mut random = fastrand::Rng::with_seed(5);
    let noise: Vec<u8> = std::iter::repeat_with(|| random.u8(..)).take(64_000).collect();
    let text = b"the next message of this thread, on another connection; ".repeat(20);
    for level in [1, 6] {
        let config = Compression { level, ..Compression::default() };
        for len in [1000, 40_000, noise.len()] {
            let (mut server, _) = pair(Params::default(), &config);
            for _ in 0..2 {
                assert_eq!(server.deflate(&noise[..len]), None, "{len} bytes at level {level}");
            }
            let (mut server, mut client) = pair(Params::default(), &config);
            let payload = server.deflate(&text).unwrap();
            assert_eq!(
                inflate_in(100, &mut client, &payload, ROOMY).as_ref(),
                Ok(&text),
                "{len} bytes at level {level}"
            );
        }
    }
}
