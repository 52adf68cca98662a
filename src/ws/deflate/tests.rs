//! Both directions together: the RFC's examples, what is refused, what is held, what is worth it.

use flate2::{Compress, FlushCompress};

use super::sender::EMPTY_BLOCK_END;
use super::*;

const ROOMY: usize = 1 << 20;

/// "Hello" in one block (RFC 7692 7.2.3.1).
const HELLO: &[u8] = &[0xF2, 0x48, 0xCD, 0xC9, 0xC9, 0x07, 0x00];

fn takeover() -> Compression {
    Compression { context_takeover: true, message_bytes_min: 0, ..Compression::default() }
}

/// A server and its client, agreed on what both configure.
fn pair(config: &Compression) -> (Deflate, Deflate) {
    let params = accept([offer(config).as_str()], config).unwrap();
    (Deflate::new(Role::Server, params, config), Deflate::new(Role::Client, params, config))
}

/// A server whose client has agreed to everything that there is.
fn server() -> Deflate {
    Deflate::new(Role::Server, Params::default(), &Compression::default())
}

/// Inflates a message that arrives in pieces of `size`.
fn inflate_in(size: usize, deflate: &mut Deflate, payload: &[u8], bytes_max: usize) -> Result<Vec<u8>, InflateError> {
    let mut into = Vec::new();
    let result = payload
        .chunks(size)
        .try_for_each(|piece| deflate.inflate(piece, false, &mut into, bytes_max))
        .and_then(|()| deflate.inflate(&[], true, &mut into, bytes_max));
    assert!(into.len() <= bytes_max, "no byte more than allowed");
    assert!(into.capacity() <= 2 * bytes_max + 1, "nor the memory for it");
    result.map(|()| into)
}

fn inflate(deflate: &mut Deflate, payload: &[u8]) -> Result<Vec<u8>, InflateError> {
    let mut into = Vec::new();
    deflate.inflate(payload, true, &mut into, ROOMY).map(|()| into)
}

/// Some compressor's payload of `message`.
fn payload(message: &[u8]) -> Vec<u8> {
    let mut output = Vec::with_capacity(message.len() + 100);
    let mut stream = Compress::new(flate2::Compression::new(9), false);
    stream.compress_vec(message, &mut output, FlushCompress::Sync).unwrap();
    output.truncate(output.len() - EMPTY_BLOCK_END.len());
    output
}

/// Bytes that cannot be compressed.
fn noise(seed: u64, len: usize) -> Vec<u8> {
    let mut random = fastrand::Rng::with_seed(seed);
    (0..len).map(|_| random.u8(..)).collect()
}

#[test]
fn the_examples_of_the_rfc_are_read() {
    fn check(section: &str, payloads: &[&[u8]], expected: &str) {
        for size in [1, 2, 3, 5, 100] {
            let mut server = server();
            for payload in payloads {
                let message = inflate_in(size, &mut server, payload, ROOMY);
                assert_eq!(message.as_deref(), Ok(expected.as_bytes()), "{section} in pieces of {size}");
            }
        }
    }
    check("7.2.3.1, one block", &[HELLO], "Hello");
    check("7.2.3.2, a shared window", &[HELLO, &[0xF2, 0x00, 0x11, 0x00, 0x00]], "Hello");
    check("7.2.3.3, no compression", &[b"\x00\x05\x00\xFA\xFFHello\x00"], "Hello");
    check("7.2.3.4, BFINAL", &[&[0xF3, 0x48, 0xCD, 0xC9, 0xC9, 0x07, 0x00, 0x00]], "Hello");
    let two_blocks = [0xF2, 0x48, 0x05, 0x00, 0x00, 0x00, 0xFF, 0xFF, 0xCA, 0xC9, 0xC9, 0x07, 0x00];
    check("7.2.3.5, two blocks", &[&two_blocks], "Hello");
    check("7.2.3.6, nothing", &[&[0x00]], "");
}

#[test]
fn a_message_has_ended_where_no_block_is_open() {
    fn check(what: &str, payload: &[u8], expected: Result<&str, InflateError>) {
        for size in [1, 4, 100] {
            let message = inflate_in(size, &mut server(), payload, ROOMY);
            assert_eq!(message.as_deref().map_err(|error| *error), expected.map(str::as_bytes), "{what}, by {size}");
        }
    }
    let corrupt = Err(InflateError::Corrupt);
    check("no octet", b"", Ok(""));
    check("the end of a flush", b"\x00\x00\x00\xFF\xFF", Ok(""));
    check("content and the end of a flush", &[HELLO, &EMPTY_BLOCK_END].concat(), Ok("Hello"));
    check("two flushes", &[HELLO, &EMPTY_BLOCK_END, &[0x00], &EMPTY_BLOCK_END].concat(), Ok("Hello"));
    check("a final block", &[0xF3, 0x48, 0xCD, 0xC9, 0xC9, 0x07, 0x00], Ok("Hello"));
    check("an empty final block", &[0x03, 0x00], Ok(""));
    check("a final block whose end is what is put back", &[0x01], Ok(""));
    check("two streams", &[&[0x03, 0x00, 0x03, 0x00], HELLO].concat(), Ok("Hello"));
    check("half a block", &HELLO[..4], corrupt);
    check("all but the header of the last block", &HELLO[..6], corrupt);
    check("the end of a flush that was not begun", &EMPTY_BLOCK_END, corrupt);
    check("a block without its content", b"\x00\x05\x00\xFA\xFF", corrupt);
    check("a block whose content would be what is put back", b"\x00\x04\x00\xFB\xFF", corrupt);
    check("a block whose content ends as a flush does", b"\x00\x05\x00\xFA\xFF\x00\x00\xFF\xFF", corrupt);
    check("the header of a block with codes", &[0x04], corrupt);
}

#[test]
fn what_is_corrupt_is_refused() {
    fn check(what: &str, payload: &[u8]) {
        for size in [1, 2, 100] {
            let result = inflate_in(size, &mut server(), payload, ROOMY);
            assert_eq!(result, Err(InflateError::Corrupt), "{what}, by {size}");
        }
    }
    check("a block of no type", &[0x06]);
    check("a final block of no type", &[0x07]);
    check("a length that its complement denies", b"\x00\x05\x00\xFA\xFEHello\x00");
    check("a reference to before the first message", &[0xF2, 0x00, 0x11, 0x00, 0x00]);
    check("more code lengths than there are codes", &[0xFC, 0xFF, 0xFF]);
    check("codes that are too many for their lengths", &[0x04, 0x80, 0x92, 0x24, 0x49, 0x92, 0x24, 0x49, 0x92, 0x24]);
    check("a zlib header", &[0x78, 0x9C, 0xCB, 0x48, 0xCD, 0xC9, 0xC9, 0x07, 0x00]);
    check("a gzip header", &[0x1F, 0x8B, 0x08, 0x00, 0x00, 0x00, 0x00, 0x00]);
    check("text", b"Hello");
    check("garbage behind a final block", &[0x03, 0x00, 0xFF, 0xFF]);
}

#[test]
fn no_beginning_of_a_message_is_taken_for_the_whole() {
    let whole = payload(include_bytes!("tests.rs").split_at(2000).0);
    for len in 1..whole.len() {
        assert_eq!(inflate(&mut server(), &whole[..len]), Err(InflateError::Corrupt), "{len} of {}", whole.len());
    }
}

#[test]
fn a_bomb_is_refused_while_it_is_inflated() {
    let bomb = payload(&vec![b'a'; 2 * ROOMY]);
    assert!(bomb.len() < 2 * ROOMY / 1000, "it is one");
    for bytes_max in [0, 1, 255, 256, 257, 4096, 70_000] {
        for size in [100, bomb.len()] {
            let result = inflate_in(size, &mut server(), &bomb, bytes_max);
            assert_eq!(result, Err(InflateError::TooLarge), "{bytes_max} in pieces of {size}");
        }
    }
}

#[test]
fn a_message_of_just_the_allowed_size_passes() {
    for len in [0, 1, 255, 256, 257, 1000, 70_000] {
        for message in [vec![0; len], noise(1, len)] {
            let payload = payload(&message);
            for size in [1, 100, payload.len().max(1)] {
                assert!(inflate_in(size, &mut server(), &payload, len).as_ref() == Ok(&message), "{len}");
                if len > 0 {
                    let result = inflate_in(size, &mut server(), &payload, len - 1);
                    assert!(result == Err(InflateError::TooLarge), "{len}");
                }
            }
        }
    }
}

#[test]
fn a_message_of_final_blocks_costs_a_bounded_number_of_streams() {
    assert_eq!(inflate(&mut server(), &[0x03, 0x00].repeat(1024)).as_deref(), Ok(&b""[..]));
    assert_eq!(inflate(&mut server(), &[0x03, 0x00].repeat(1025)), Err(InflateError::Corrupt));
}

#[test]
fn behind_a_final_block_the_window_is_the_same() {
    // RFC 7692 7.2.3.2's second message, which refers to the first one, behind an empty final block.
    let mut server = server();
    assert_eq!(inflate(&mut server, HELLO).as_deref(), Ok(&b"Hello"[..]));
    assert_eq!(inflate(&mut server, &[0x03, 0x00, 0xF2, 0x00, 0x11, 0x00, 0x00]).as_deref(), Ok(&b"Hello"[..]));
    // And in one message: "Hello" in a final block, then the reference.
    let both = [&[0xF3, 0x48, 0xCD, 0xC9, 0xC9, 0x07, 0x00][..], &[0xF2, 0x00, 0x11, 0x00, 0x00]].concat();
    assert_eq!(inflate_in(1, &mut self::server(), &both, ROOMY).as_deref(), Ok(&b"HelloHello"[..]));
}

#[test]
fn nothing_of_one_connection_can_be_referred_to_by_another() {
    let secret = b"a secret that is long enough to be found again, a secret";
    assert!(inflate(&mut server(), &payload(secret)).is_ok());
    // Five bytes from five back, with nothing before them.
    assert_eq!(inflate(&mut server(), &[0xF2, 0x00, 0x11, 0x00, 0x00]), Err(InflateError::Corrupt));
    let config = Compression { message_bytes_min: 0, ..Compression::default() };
    let first = pair(&config).0.deflate(secret);
    assert_eq!(pair(&config).0.deflate(secret), first, "nor is it by what we send");
}

#[test]
fn a_message_that_is_sent_as_it_is_leaves_no_trace() {
    let (mut server, mut client) = pair(&takeover());
    let (mut other, _) = pair(&takeover());
    let texts: Vec<Vec<u8>> = (0..4).map(|at| format!("{at}, and what was said before ").repeat(3).into()).collect();
    for (at, text) in texts.iter().enumerate() {
        let noise = noise(at as u64, 3_000);
        assert_eq!(server.deflate(&noise), None, "noise does not get smaller");
        let sent = server.deflate(text).unwrap();
        assert_eq!(other.deflate(text).unwrap(), sent, "as if nothing had been tried");
        assert_eq!(inflate(&mut client, &sent).as_ref(), Ok(text), "read by who has not seen the noise");
    }
    let again = server.deflate(&texts[0]).unwrap();
    assert!(again.len() < 12, "it refers to the first message: {}", again.len());
}

#[test]
fn between_messages_a_connection_holds_its_windows_and_no_more() {
    for (memory_bytes_max, expected) in [(0, 0), (511, 0), (512, 512), (8 * 1024, 8 * 1024), (100_000, 65_536)] {
        let (mut server, mut client) = pair(&Compression { memory_bytes_max, ..takeover() });
        for at in 0..50 {
            let text = format!("{at} ").repeat(500 + at);
            let payload = server.deflate(text.as_bytes()).unwrap();
            assert_eq!(inflate_in(20, &mut client, &payload, ROOMY).as_deref(), Ok(text.as_bytes()));
            let payload = client.deflate(text.as_bytes()).unwrap();
            assert_eq!(inflate_in(20, &mut server, &payload, ROOMY).as_deref(), Ok(text.as_bytes()));
        }
        assert_eq!((server.memory_bytes(), client.memory_bytes()), (expected, expected), "{memory_bytes_max} allowed");
    }
}

#[test]
fn a_message_that_trickles_costs_what_has_come_of_it() {
    let (mut server, mut into) = (server(), Vec::new());
    let payload = payload(&noise(1, 10_000));
    for (at, byte) in payload.iter().enumerate() {
        server.inflate(&[*byte], false, &mut into, ROOMY).unwrap();
        let held = server.memory_bytes();
        assert!(if at < 4096 { held <= 2 * (at + 8) } else { held == 47_552 }, "{held} bytes for {at}");
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
            let (mut server, _) = pair(&config);
            for _ in 0..2 {
                assert_eq!(server.deflate(&noise[..len]), None, "{len} bytes at level {level}");
            }
            let (mut server, mut client) = pair(&config);
            let payload = server.deflate(&text).unwrap();
            assert_eq!(
                inflate_in(100, &mut client, &payload, ROOMY).as_ref(),
                Ok(&text),
                "{len} bytes at level {level}"
            );
        }
    }
}
