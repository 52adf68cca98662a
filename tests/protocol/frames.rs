//! What is sent comes out at the other end, whole and in order, however it was fragmented, interleaved and cut; and no bytes
//! make the machine panic, grow or change its mind.

use std::time::Instant;

use bytes::Bytes;
use firstbyte::ws::Role;
use firstbyte::ws::close::{Close, CloseCode};
use firstbyte::ws::deflate::Params;
use firstbyte::ws::frame::{self, Header, Opcode};
use firstbyte::ws::limits::Limits;
use firstbyte::ws::machine::{Event, Machine, Payload, Received, State};
use firstbyte::ws::mask;
use firstbyte::ws::message::{Message, Text};
use firstbyte::ws::violation::Violation;

use crate::judge::draw::Draw;
use crate::judge::frames::{End, Side, Verdict, Way, judge, play};
use crate::judge::mutate::mutant;
use crate::violations;

/// Random conversations of one run.
const CONVERSATIONS: usize = 250;

/// Mutants of one run.
const INPUTS: usize = 20_000;

/// Bytes of the message that comes byte by byte: were work more than linear, this would take minutes.
const TRICKLED: usize = 256 * 1024;

/// What a peer says, as bytes, and what is to come out.
struct Said {
    sender: Machine,
    /// Who hears it.
    role: Role,
    bytes: Vec<u8>,
    events: Vec<Event>,
}

impl Said {
    fn to(receiver: Side) -> Said {
        let role = if receiver.role == Role::Server { Role::Client } else { Role::Server };
        let sender = Side { role, ..receiver }.machine();
        Said { sender, role: receiver.role, bytes: Vec::new(), events: Vec::new() }
    }

    fn frame(&mut self, header: Header, payload: &[u8], draw: &mut Draw) {
        let mask = (self.role == Role::Server).then(|| (draw.next(1 << 32) as u32).to_be_bytes());
        self.bytes.extend_from_slice(&Header { mask, length: payload.len() as u64, ..header }.encode());
        mask::extend(&mut self.bytes, payload, mask.unwrap_or_default(), 0);
    }

    /// A message in random fragments, with control frames between them.
    fn message(&mut self, message: &Message, draw: &mut Draw) {
        let mask = (self.role == Role::Server).then_some([0; 4]);
        let whole = self.sender.encode(message.clone(), mask);
        let (header, _) = frame::parse(&whole.header).unwrap().unwrap();
        let cuts = draw.cuts(whole.payload.len(), 4);
        let last = cuts.len() - 2;
        for (index, cut) in cuts.windows(2).enumerate() {
            if draw.next(3) == 0 {
                self.control(draw);
            }
            let opcode = if index == 0 { header.opcode } else { Opcode::Continuation };
            let header = Header { fin: index == last, rsv1: header.rsv1 && index == 0, opcode, ..header };
            self.frame(header, &whole.payload[cut[0]..cut[1]], draw);
        }
        self.events.push(Event::Message(message.clone()));
    }

    fn control(&mut self, draw: &mut Draw) {
        let payload: Vec<u8> = (0..draw.next(126)).map(|_| draw.next(256) as u8).collect();
        let (opcode, event): (_, fn(Payload) -> Event) =
            *draw.of_these(&[(Opcode::Ping, Event::Ping as fn(Payload) -> Event), (Opcode::Pong, Event::Pong)]);
        self.events.push(event(Payload::new(&payload)));
        self.frame(Header { fin: true, rsv1: false, opcode, mask: None, length: 0 }, &payload, draw);
    }
}

/// Text or bytes: short ones, ones at the edges of the three forms of a length, long ones.
fn any_message(draw: &mut Draw) -> Message {
    let len = match draw.next(16) {
        0 => *draw.of_these(&[65_535, 65_536, 65_537]),
        1 => draw.next(30_000),
        2..5 => *draw.of_these(&[0, 1, 125, 126, 127]),
        _ => draw.next(300),
    };
    if draw.next(2) == 0 {
        return Message::from((0..len).map(|_| draw.next(256) as u8).collect::<Vec<u8>>());
    }
    const CHARACTERS: &[char] = &['a', '\0', '\u{7f}', 'é', '\u{7ff}', '€', '\u{fffd}', '😀', '\u{10ffff}'];
    let mut text = String::new();
    while text.len() < len {
        text.push(*draw.of_these(CHARACTERS));
    }
    Message::from(text)
}

#[test]
fn what_is_said_comes_out_however_it_is_fragmented_and_cut() {
    for number in 0..CONVERSATIONS {
        let mut draw = Draw::of(&number.to_le_bytes());
        let side = Side {
            role: *draw.of_these(&[Role::Server, Role::Client]),
            limits: Limits::default(),
            params: *draw.of_these(&[None, Some(Params::default())]),
        };
        let (mut said, mut payload) = (Said::to(side), 0);
        for _ in 0..1 + draw.next(4) {
            let message = any_message(&mut draw);
            payload += message.len();
            said.message(&message, &mut draw);
        }
        let expected = Verdict { events: said.events, end: End::Open };
        let cuts = draw.cuts(said.bytes.len(), 12);
        for way in [Way::Receive, Way::Room] {
            let pieces = cuts.windows(2).map(|cut| &said.bytes[cut[0]..cut[1]]);
            assert_eq!(play(side.machine(), pieces, way), expected, "conversation {number} cut at {cuts:?}, {way:?}");
            if payload < 1_000 {
                let verdict = play(side.machine(), said.bytes.chunks(1), way);
                assert_eq!(verdict, expected, "conversation {number}, {way:?}");
            }
        }
    }
}

#[test]
fn one_end_understands_the_other() {
    for (sender, receiver, mask) in
        [(Role::Server, Role::Client, None), (Role::Client, Role::Server, Some([1, 2, 3, 4]))]
    {
        let mut draw = Draw::of(b"both ends");
        let mut sender = Machine::new(sender, Limits::default(), None);
        let (mut bytes, mut messages) = (Vec::new(), Vec::new());
        for _ in 0..40 {
            let message = any_message(&mut draw);
            let frame = sender.encode(message.clone(), mask);
            bytes.extend_from_slice(&frame.header);
            bytes.extend_from_slice(&frame.payload);
            messages.push(Event::Message(message));
        }
        let close = Close::new(CloseCode::GOING_AWAY, "bye");
        bytes.extend_from_slice(&sender.encode_close(Some(&close), mask));
        messages.push(Event::Close(Some(close)));
        let verdict = play(Machine::new(receiver, Limits::default(), None), [&bytes[..]], Way::Receive);
        assert_eq!(verdict, Verdict { events: messages, end: End::Closed });
    }
}

#[test]
fn a_server_sends_the_bytes_of_the_message_themselves() {
    let message = Message::from("shared".repeat(100));
    let frame = Machine::new(Role::Server, Limits::default(), None).encode(message.clone(), None);
    assert_eq!(frame.payload.as_ptr(), message.as_bytes().as_ptr());
}

#[test]
fn no_bytes_panic_or_change_the_verdict() {
    let seeds = violations::seeds();
    let failed = (0..INPUTS).filter(|number| matches!(judge(&mutant(&seeds, *number)).end, End::Failed(_))).count();
    assert!((INPUTS / 10..INPUTS).contains(&failed), "{failed} mutants were refused: the corpus has lost its bite");
}

#[test]
fn a_trickle_is_as_good_as_a_flood() {
    let limits = Limits { fragments_max: u32::MAX, ..Limits::default() };
    let text = "0123456é".repeat(TRICKLED / 9);
    let mut said = Said::to(Side { role: Role::Server, limits, params: None });
    let header = Header { fin: true, rsv1: false, opcode: Opcode::Text, mask: None, length: 0 };
    said.frame(header, text.as_bytes(), &mut Draw::of(b"key"));
    for way in [Way::Receive, Way::Room] {
        let verdict = play(Machine::new(Role::Server, limits, None), said.bytes.chunks(1), way);
        assert_eq!(verdict.events, [Event::Message(Message::from(&*text))], "{way:?}");
    }
    // And in tens of thousands of fragments, half of them empty.
    let mut bytes = b"\x01\x00".to_vec();
    text.as_bytes().chunks(10).for_each(|piece| {
        bytes.extend_from_slice(&[0x00, piece.len() as u8]);
        bytes.extend_from_slice(piece);
        bytes.extend_from_slice(&[0x00, 0x00]);
    });
    bytes.extend_from_slice(&[0x80, 0x00]);
    let verdict = play(Machine::new(Role::Client, limits, None), bytes.chunks(1_000), Way::Receive);
    assert_eq!(verdict.events, [Event::Message(Message::from(text))]);
}

#[test]
fn room_grows_with_what_has_come_and_not_with_what_was_announced() {
    let mut machine = Machine::new(Role::Client, Limits::default(), None);
    assert!(machine.room().is_empty() && !machine.in_message());
    let mut header = *b"\x82\x7f\0\0\0\0\x00\x10\0\0";
    machine.receive(&mut header, Instant::now()).unwrap();
    assert!(machine.in_message());
    let (mut come, mut rooms) = (0, Vec::new());
    loop {
        let room = machine.room().len();
        if room == 0 {
            break;
        }
        assert!(room <= come.max(64 * 1024), "{room} bytes of room for {come}");
        assert_eq!(room, machine.room().len(), "asking changes nothing");
        rooms.push(room);
        come += room;
        if let Some(event) = machine.filled(room).unwrap() {
            assert_eq!(event, Event::Message(Message::from(vec![0; 1024 * 1024])));
            break;
        }
    }
    assert_eq!(rooms, [64, 64, 128, 256, 512].map(|kibibytes| kibibytes * 1024));
}

#[test]
fn there_is_no_room_for_little() {
    for (bytes, room) in [(&b"\x82\x7e\x10\x00"[..], 0), (b"\x82\x7e\x10\x01", 4_097), (b"\x82\x7e\x10\x01x", 0)] {
        let mut machine = Machine::new(Role::Client, Limits::default(), None);
        machine.receive(&mut bytes.to_vec(), Instant::now()).unwrap();
        assert_eq!(machine.room().len(), room, "{bytes:x?}");
        assert_eq!(machine.filled(0), Ok(None));
    }
}

#[test]
fn behind_a_close_frame_nothing_is_looked_at() {
    let mut machine = Machine::new(Role::Client, Limits::default(), None);
    // A message that has begun does not go on either.
    let mut bytes = *b"\x01\x01a\x88\x02\x03\xe8\x80\x01b\xff\xff";
    let close = Event::Close(Some(Close::new(CloseCode::NORMAL, "")));
    assert_eq!(machine.receive(&mut bytes, Instant::now()), Ok(Received { used: 7, event: Some(close) }));
    assert_eq!((machine.state(), machine.in_message()), (State::CloseReceived, false));
    assert_eq!(machine.receive(&mut bytes[7..], Instant::now()), Ok(Received { used: 5, event: None }));
    assert!(machine.room().is_empty());
    machine.encode(Message::from("may still be sent"), Some([1; 4]));
    machine.encode_close(None, Some([2; 4]));
    assert_eq!(machine.state(), State::Closed);
}

#[test]
fn behind_a_violation_nothing_is_looked_at() {
    let mut machine = Machine::new(Role::Server, Limits::default(), None);
    assert_eq!(machine.receive(&mut b"\x81\x00".to_vec(), Instant::now()), Err(Violation::Unmasked));
    assert_eq!(machine.state(), State::CloseReceived);
    let mut good = *b"\x81\x80\0\0\0\0";
    assert_eq!(machine.receive(&mut good, Instant::now()), Ok(Received { used: 6, event: None }));
    let close = Close::from(Violation::Unmasked);
    let frame = machine.encode_close(Some(&close), None);
    assert_eq!(frame[..4], [0x88, 2 + close.reason().len() as u8, 0x03, 0xea]);
    assert_eq!(machine.state(), State::Closed);
}

#[test]
fn what_was_on_its_way_still_comes_when_we_have_closed() {
    let mut machine = Machine::new(Role::Server, Limits::default(), None);
    machine.encode_close(Some(&Close::new(CloseCode::NORMAL, "")), None);
    assert_eq!(machine.state(), State::CloseSent);
    let received = machine.receive(&mut b"\x81\x81\0\0\0\0a".to_vec(), Instant::now()).unwrap();
    assert_eq!(received.event, Some(Event::Message(Message::from("a"))));
    let received = machine.receive(&mut b"\x88\x80\0\0\0\0".to_vec(), Instant::now()).unwrap();
    assert_eq!((received.event, machine.state()), (Some(Event::Close(None)), State::Closed));
}

#[test]
#[should_panic = "no data behind a Close frame"]
fn no_data_is_sent_behind_a_close_frame() {
    let mut machine = Machine::new(Role::Server, Limits::default(), None);
    machine.encode_close(None, None);
    machine.encode(Message::from("late"), None);
}

#[test]
#[should_panic = "one Close frame is sent"]
fn one_close_frame_is_sent() {
    let mut machine = Machine::new(Role::Server, Limits::default(), None);
    machine.encode_close(None, None);
    machine.encode_close(None, None);
}

#[test]
#[should_panic = "a client masks"]
fn a_client_never_sends_without_a_mask() {
    Machine::new(Role::Client, Limits::default(), None).encode(Message::from("plain"), None);
}

#[test]
fn headers_are_told_before_their_frames_are_judged_and_change_nothing() {
    let header = |fin, opcode, length| Event::Header(Header { fin, rsv1: false, opcode, mask: None, length });
    let bytes = b"\x01\x01a\x89\x00\x80\x01b\x82\x00\x80\x00";
    let told = |pieces: &mut dyn Iterator<Item = &[u8]>| {
        let mut machine = Machine::new(Role::Client, Limits::default(), None);
        machine.tell_headers(true);
        play(machine, pieces, Way::Receive)
    };
    let verdict = told(&mut [&bytes[..]].into_iter());
    let expected = [
        header(false, Opcode::Text, 1),
        header(true, Opcode::Ping, 0),
        Event::Ping(Payload::new(b"")),
        header(true, Opcode::Continuation, 1),
        Event::Message(Message::from("ab")),
        header(true, Opcode::Binary, 0),
        Event::Message(Message::from(Bytes::new())),
        // The frame that is refused is told, too.
        header(true, Opcode::Continuation, 0),
    ];
    assert_eq!(verdict.events, expected);
    assert_eq!(verdict.end, End::Failed(Violation::ContinuationWithoutMessage));
    assert_eq!(told(&mut bytes.chunks(1)), verdict);
    let untold = play(Machine::new(Role::Client, Limits::default(), None), [&bytes[..]], Way::Receive);
    let events = verdict.events.into_iter().filter(|event| !matches!(event, Event::Header(_)));
    assert_eq!((events.collect::<Vec<_>>(), verdict.end), (untold.events, untold.end));
}

#[test]
fn text_keeps_its_bytes_and_shares_them() {
    let text = Text::from("é");
    let message = Message::from(text.clone());
    assert_eq!(message.as_bytes().as_ptr(), text.as_ptr());
}
