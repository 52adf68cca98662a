//! permessage-deflate against a second reader of DEFLATE: what is sent, and whatever can be received.

use proptest::prelude::*;

use crate::judge::deflate::Conversation;
use crate::judge::draw::Draw;

proptest! {
    #![proptest_config(ProptestConfig { cases: 24, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn what_is_sent_is_read_by_any_reader_with_the_agreed_window(seed: u64) {
        let mut draw = Draw::of(&seed.to_le_bytes());
        let mut conversation = Conversation::new(&mut draw);
        for _ in 0..8 {
            let most = *draw.of_these(&[2, 70, 500, 3_000, 40_000]);
            let message = text(&mut draw, most);
            conversation.send(&message, &mut draw);
        }
    }

    #[test]
    fn whatever_is_received_means_the_same_to_another_reader(seed: u64) {
        let mut draw = Draw::of(&seed.to_le_bytes());
        let mut conversation = Conversation::new(&mut draw);
        for _ in 0..40 {
            let message = text(&mut draw, 600);
            if let Some(payload) = conversation.send(&message, &mut draw) {
                let payload = mutant(&mut draw, payload);
                conversation.receive(&payload, &mut draw);
            }
        }
    }
}

/// Some JSON, some noise and some repeats, less than `most` bytes.
fn text(draw: &mut Draw, most: usize) -> Vec<u8> {
    let words = ["{\"id\":", ",\"text\":\"", "hello", "\"},", "room", " ", "stroke", "[]"];
    let (len, mut text) = (draw.next(most), Vec::new());
    while text.len() < len {
        match draw.next(12) {
            0 => text.extend((0..draw.next(40)).map(|_| draw.next(256) as u8).collect::<Vec<_>>()),
            1 => {
                let from = draw.next(text.len() + 1);
                let to = text.len().min(from + draw.next(300));
                text.extend_from_within(from..to);
            }
            2 | 3 => text.extend_from_slice(draw.next(100_000).to_string().as_bytes()),
            _ => text.extend_from_slice(draw.of_these(&words).as_bytes()),
        }
    }
    text.truncate(len);
    text
}

/// A payload changed a little, or not at all.
fn mutant(draw: &mut Draw, mut payload: Vec<u8>) -> Vec<u8> {
    let at = draw.next(payload.len());
    match draw.next(6) {
        0 => payload.truncate(at),
        1 => payload[at] ^= 1 << draw.next(8),
        2 => payload.extend_from_slice(&[0x00, 0x00, 0xFF, 0xFF]),
        3 => payload[0] |= 1,
        4 => payload.extend([draw.next(256) as u8, draw.next(256) as u8]),
        _ => {}
    }
    payload
}
