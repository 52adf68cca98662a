//! Fuzzes permessage-deflate, both ways.
//!
//! ```text
//!   bytes ─┬─ a message: compressed, read by a second reader and by us, twice, the second after the first
//!          └─ a payload: inflated whole, in pieces and by the second reader
//! ```
//!
//! Parameters, cuts and the bound are drawn from a checksum of the bytes. What is received refers to a text that was sent
//! before, so that references beyond the message are as likely to hold as not.

#![no_main]

use firstbyte_fuzz::judge::deflate::Conversation;
use firstbyte_fuzz::judge::draw::Draw;
use libfuzzer_sys::fuzz_target;

/// A message that comes first: of words that come again, and longer than the smallest windows.
const FIRST: &[u8] = include_bytes!("ws_deflate.rs");

fuzz_target!(|input: &[u8]| {
    let mut draw = Draw::of(input);
    let mut conversation = Conversation::new(&mut draw);
    conversation.send(&FIRST[..draw.next(FIRST.len())], &mut draw);
    if draw.next(2) == 0 {
        conversation.send(input, &mut draw);
        conversation.send(input, &mut draw);
    }
    conversation.receive(input, &mut draw);
});
