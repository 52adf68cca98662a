//! The machine by itself: every message, and every violation, however the bytes are cut.

use std::time::Instant;

use super::*;

#[test]
fn one_frame_is_one_message() {
    let mut machine = Machine::new(Role::Server, Limits::default());
    let mut bytes = *b"\x81\x85\x37\xfa\x21\x3d\x7f\x9f\x4d\x51\x58";
    let received = machine.receive(&mut bytes, Instant::now());
    assert_eq!(received, Ok(Received { used: 11, event: Some(Event::Message(Message::from("Hello"))) }));
}
