//! permessage-deflate against a second reader of DEFLATE: what is sent, and whatever can be received.

use firstbyte::ws::Role;
use firstbyte::ws::deflate::{Compression, Deflate, InflateError, Params};
use proptest::prelude::*;

use crate::judge::draw::Draw;
use crate::judge::inflate::inflate;

const BYTES_MAX: usize = 8 << 20;

/// Some JSON, some noise and some repeats, so many bytes long.
fn text(draw: &mut Draw, len: usize) -> Vec<u8> {
    let words = ["{\"id\":", ",\"text\":\"", "hello", "\"},", "room", " ", "stroke", "[]"];
    let mut text = Vec::with_capacity(len + 64);
    while text.len() < len {
        match draw.next(12) {
            0 => text.extend((0..draw.next(40)).map(|_| draw.next(256) as u8).collect::<Vec<_>>()),
            1 => {
                let from = draw.next(text.len() + 1);
                let again = text[from..text.len().min(from + draw.next(300))].to_vec();
                text.extend(again);
            }
            2 | 3 => text.extend(draw.next(100_000).to_string().bytes()),
            _ => text.extend_from_slice(draw.of_these(&words).as_bytes()),
        }
    }
    text.truncate(len);
    text
}

/// Messages of all sizes.
fn messages(draw: &mut Draw, count: usize) -> Vec<Vec<u8>> {
    (0..count)
        .map(|_| {
            let most = *draw.of_these(&[2, 70, 500, 3_000, 40_000]);
            let len = draw.next(most);
            text(draw, len)
        })
        .collect()
}

fn receive(deflate: &mut Deflate, pieces: &[&[u8]], bytes_max: usize) -> Result<Vec<u8>, InflateError> {
    let mut into = Vec::new();
    for (at, piece) in pieces.iter().enumerate() {
        let result = deflate.inflate(piece, at + 1 == pieces.len(), &mut into, bytes_max);
        assert!(into.len() <= bytes_max);
        result?;
    }
    Ok(into)
}

fn pieces<'a>(draw: &mut Draw, payload: &'a [u8]) -> Vec<&'a [u8]> {
    let cuts = draw.cuts(payload.len(), 6);
    cuts.windows(2).map(|cut| &payload[cut[0]..cut[1]]).collect()
}

/// Bytes that the receiver of a direction remembers.
fn remembered(seen: &[u8], takeover: bool, bits: u8) -> &[u8] {
    if takeover { &seen[seen.len().saturating_sub(1 << bits)..] } else { &[] }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 24, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn what_is_sent_is_read_by_any_reader_with_the_agreed_window(
        seed: u64,
        bits in 8_u8..=15,
        level in 1_u32..=9,
        takeover: bool,
        role in prop::sample::select(vec![Role::Server, Role::Client]),
    ) {
        let mut draw = Draw::of(&seed.to_le_bytes());
        let config = Compression {
            level,
            context_takeover: takeover,
            memory_bytes_max: 1 << 16,
            message_bytes_min: draw.next(3) * 100,
            ..Compression::default()
        };
        let params = Params {
            server_no_context_takeover: !takeover,
            client_no_context_takeover: !takeover,
            server_max_window_bits: Some(bits),
            client_max_window_bits: Some(bits),
        };
        let other = if role == Role::Server { Role::Client } else { Role::Server };
        let (mut sender, mut receiver) = (Deflate::new(role, params, &config), Deflate::new(other, params, &config));
        let mut seen = Vec::new();
        for message in messages(&mut draw, 8) {
            let Some(payload) = sender.deflate(&message) else { continue };
            prop_assert!(payload.len() < message.len());
            let read = inflate(&payload, remembered(&seen, takeover, bits)).expect("we wrote it");
            prop_assert!(read.message == message);
            prop_assert!(read.farthest <= 1 << bits, "{} bytes back, {bits} bits", read.farthest);
            let received = receive(&mut receiver, &pieces(&mut draw, &payload), message.len());
            prop_assert!(received.as_deref() == Ok(&message));
            seen.extend(message);
        }
    }

    #[test]
    fn whatever_is_received_means_the_same_to_another_reader(seed: u64, takeover: bool) {
        let mut draw = Draw::of(&seed.to_le_bytes());
        let config = Compression { message_bytes_min: 0, level: 1 + draw.next(9) as u32, ..Compression::default() };
        let params = Params { client_no_context_takeover: !takeover, ..Params::default() };
        let mut client = Deflate::new(Role::Client, params, &config);
        let mut server = Deflate::new(Role::Server, params, &config);
        let mut seen = Vec::new();
        for _ in 0..40 {
            let len = draw.next(600);
            let message = text(&mut draw, len);
            let Some(payload) = client.deflate(&message) else { continue };
            let payload = mutate(&mut draw, &payload);
            let expected = inflate(&payload, remembered(&seen, takeover, 15)).map(|read| read.message);
            let received = receive(&mut server, &pieces(&mut draw, &payload), BYTES_MAX);
            prop_assert_eq!(received.as_ref().ok(), expected.as_ref(), "{:02x?}", payload);
            match expected {
                Some(message) => seen.extend(message),
                None => {
                    server = Deflate::new(Role::Server, params, &config);
                    seen.clear();
                }
            }
        }
    }
}

/// Changes a payload a little, or not at all.
fn mutate(draw: &mut Draw, payload: &[u8]) -> Vec<u8> {
    let mut payload = payload.to_vec();
    match draw.next(6) {
        0 => payload.truncate(draw.next(payload.len() + 1)),
        1 => {
            let at = draw.next(payload.len());
            payload[at] ^= 1 << draw.next(8);
        }
        2 => payload.extend_from_slice(&[0x00, 0x00, 0xFF, 0xFF]),
        3 => payload[0] |= 1,
        4 => payload.extend([draw.next(256) as u8, draw.next(256) as u8]),
        _ => {}
    }
    payload
}
