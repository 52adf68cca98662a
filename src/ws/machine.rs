//! Owns the protocol behind the handshake: what has arrived becomes events, messages become frames. No I/O, no clock.
//!
//! The one idea: bytes go in as they come, and whatever they complete comes out, one event at a time. How they were cut
//! makes no difference to what comes out.
//!
//! ```text
//!            ┌──────────────── payload whole ───────────────┐
//!            ▼                                              │            ┌─ Message (FIN)
//!   ┌──▶ Header ── rules of the role, order, limits ──▶ Data / Control ──┼─ Ping, Pong
//!   │        │                                              ▲            └─ Close
//!   │        └─ not whole: wait                             │ receive · room + filled
//!   └─ between frames
//!
//!   Open ── we send Close ──▶ CloseSent ─────── Close comes ───▶ Closed
//!     └──── Close comes ────▶ CloseReceived ─── we send Close ─────▲     (a violation counts as a Close that came)
//! ```
//!
//! Spec: RFC 6455 5.1 (who masks), 5.4 (fragments), 5.5 (control frames), 5.5.1 and 7.1 (closing), 6.2 (receiving), 10.4
//! (limits); RFC 7692 6 (RSV1). Stricter: codes that no specification defines are refused in a Close frame, and so are lengths that are not
//! minimal, from either end.
//! Never: reads a clock, chooses a masking key, answers by itself: pongs and Close frames are sent by whoever drives it.
//! Invariants: work is linear in the bytes that come, however they come; memory grows with what has come, not with what
//! was announced; behind a Close frame or a violation nothing is looked at.
//! Limits: all of [`Limits`].

mod assembly;
mod control;
mod rate;
mod room;

use std::time::Instant;

use bytes::Bytes;

use crate::ws::Role;
use crate::ws::close::Close;
use crate::ws::deflate::Deflate;
use crate::ws::frame::{self, CONTROL_PAYLOAD_BYTES_MAX, Header, HeaderBytes, Opcode};
use crate::ws::limits::Limits;
use crate::ws::mask;
use crate::ws::message::{Message, Text};
use crate::ws::utf8;
use crate::ws::violation::Violation;

pub use control::{ControlFrame, Payload};

use assembly::{Assembly, Coming};
use rate::Rate;

/// Payload that is missing must be more than this for [`Machine::room`] to be worth a read of its own.
const ROOM_WORTH_BYTES: u64 = 4 * 1024;

/// What has come.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Event {
    /// A header: only told when [asked for](Machine::tell_headers). Its frame is not judged yet.
    Header(Header),
    /// A message, whole.
    Message(Message),
    /// To be answered by a pong with the same payload (RFC 6455 5.5.2).
    Ping(Payload),
    /// An answer to a ping, or unsolicited.
    Pong(Payload),
    /// The peer's last frame; to be answered by a Close, unless one was sent.
    Close(Option<Close>),
}

/// What one call of [`Machine::receive`] came to.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Received {
    /// Bytes that are done with.
    pub used: usize,
    /// What they completed. With `None` all of the bytes are used, but for the beginning of a header.
    pub event: Option<Event>,
}

/// How far closing has come (RFC 6455 7.1).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum State {
    /// Both ends may send.
    Open,
    /// We have sent a Close frame: we send no data any more, and take what comes until the peer's Close.
    CloseSent,
    /// The peer's Close frame has come, or something that ends the connection as well; ours is to be sent.
    CloseReceived,
    /// Both.
    Closed,
}

impl State {
    /// Whether our Close frame was sent.
    pub fn is_close_sent(self) -> bool {
        matches!(self, State::CloseSent | State::Closed)
    }

    /// Whether nothing that comes is taken any more.
    pub fn is_close_received(self) -> bool {
        matches!(self, State::CloseReceived | State::Closed)
    }

    fn sent(self) -> State {
        if self.is_close_received() { State::Closed } else { State::CloseSent }
    }

    fn received(self) -> State {
        if self.is_close_sent() { State::Closed } else { State::CloseReceived }
    }
}

/// One end of a connection, behind the handshake.
#[derive(Debug)]
pub struct Machine {
    role: Role,
    limits: Limits,
    state: State,
    reading: Reading,
    message: Option<InMessage>,
    deflate: Option<Deflate>,
    control_frames: Rate,
    tells_headers: bool,
}

/// Where in a frame the next byte belongs.
#[derive(Debug)]
enum Reading {
    /// Before or in a header.
    Header,
    /// Behind a header that was told and is not judged yet.
    Told(Header),
    /// In the payload of a data frame.
    Data(Data),
    /// In the payload of a control frame.
    Control(Header, Payload),
}

/// The payload of a data frame.
#[derive(Clone, Copy, Debug)]
struct Data {
    fin: bool,
    mask: Option<[u8; 4]>,
    /// Bytes that have come.
    at: usize,
    /// Bytes that are missing.
    left: u64,
}

/// A message that has begun and not ended.
#[derive(Debug)]
struct InMessage {
    fragments: u32,
    /// RFC 7692 6: as its first frame says.
    compressed: bool,
    assembly: Assembly,
}

impl Machine {
    /// An end on which nothing has come yet. `deflate` is there when the handshake has agreed on it.
    pub fn new(role: Role, limits: Limits, deflate: Option<Deflate>) -> Machine {
        Machine {
            role,
            limits,
            state: State::Open,
            reading: Reading::Header,
            message: None,
            deflate,
            control_frames: Rate::new(limits.control_frames_per_second),
            tells_headers: false,
        }
    }

    /// Takes what has arrived, as far as the next event. Payload in `bytes` is unmasked where it lies.
    ///
    /// Call it again with what is not used until there is no event, also when all is used: behind a header that was told,
    /// an empty payload completes its frame. Bytes behind a Close frame or a violation are dropped (RFC 6455 7.1.1, 7.1.7).
    ///
    /// # Errors
    /// A rule that the peer has broken. The connection is to be closed, with its [close code](Violation::close_code).
    #[inline]
    pub fn receive(&mut self, bytes: &mut [u8], now: Instant) -> Result<Received, Violation> {
        if self.state.is_close_received() {
            return Ok(Received { used: bytes.len(), event: None });
        }
        let received = self.step(bytes, now);
        if received.is_err() {
            // RFC 6455 7.1.7: what comes behind a violation is not processed.
            self.stop_receiving();
        }
        received
    }

    /// Room for payload of a large data frame that is still to come, so that it is read to where its message is.
    /// Empty, unless more than 4 KiB are missing, and where a message is compressed. What has been read there is told to
    /// [`filled`](Machine::filled); until then the room stays the same.
    ///
    /// Memory grows with what has arrived, at most double of it and 64 KiB, never with what was announced.
    pub fn room(&mut self) -> &mut [u8] {
        match (&self.reading, &mut self.message) {
            (Reading::Data(data), Some(message)) if data.left > ROOM_WORTH_BYTES && !message.compressed => {
                message.assembly.room(data.coming())
            }
            _ => &mut [],
        }
    }

    /// Takes the first `count` bytes of [`room`](Machine::room).
    ///
    /// # Errors
    /// As [`receive`](Machine::receive).
    ///
    /// # Panics
    /// When there is less room.
    pub fn filled(&mut self, count: usize) -> Result<Option<Event>, Violation> {
        let filled = self.take_room(count);
        if filled.is_err() {
            self.stop_receiving();
        }
        Ok(filled?.map(Event::Message))
    }

    /// Whether a message has begun and not ended.
    pub fn in_message(&self) -> bool {
        self.message.is_some()
    }

    /// Lets [`receive`](Machine::receive) tell every frame's header, too, before the frame is judged.
    pub fn tell_headers(&mut self, tell: bool) {
        self.tells_headers = tell;
    }

    /// How far closing has come.
    pub fn state(&self) -> State {
        self.state
    }

    /// The frame of a message, compressed where that was agreed and is worth it. `mask` is a fresh key from a client
    /// (RFC 6455 5.3), nothing from a server.
    ///
    /// # Panics
    /// When a Close frame was sent: nothing follows it (RFC 6455 5.5.1). When the mask is not the role's.
    #[inline]
    pub fn encode(&mut self, message: Message, mask: Option<[u8; 4]>) -> Frame {
        assert!(!self.state.is_close_sent(), "no data behind a Close frame (RFC 6455 5.5.1)");
        self.check_mask(mask);
        let compressed = self.deflate.as_mut().and_then(|deflate| deflate.deflate(message.as_bytes()));
        let rsv1 = compressed.is_some();
        let opcode = message.opcode();
        let payload = compressed.unwrap_or_else(|| message.into());
        let header = Header { fin: true, rsv1, opcode, mask, length: payload.len() as u64 };
        Frame { header: header.encode(), payload: masked(payload, mask) }
    }

    /// A Ping frame.
    ///
    /// # Panics
    /// When the payload is longer than 125 bytes, or the mask is not the role's.
    pub fn encode_ping(&mut self, payload: &[u8], mask: Option<[u8; 4]>) -> ControlFrame {
        self.encode_control(Opcode::Ping, payload, mask)
    }

    /// A Pong frame: with a ping's payload its answer (RFC 6455 5.5.3).
    ///
    /// # Panics
    /// As [`encode_ping`](Machine::encode_ping).
    pub fn encode_pong(&mut self, payload: &[u8], mask: Option<[u8; 4]>) -> ControlFrame {
        self.encode_control(Opcode::Pong, payload, mask)
    }

    /// The Close frame, the last frame of this end.
    ///
    /// # Panics
    /// When one was sent, or the mask is not the role's.
    pub fn encode_close(&mut self, close: Option<&Close>, mask: Option<[u8; 4]>) -> ControlFrame {
        assert!(!self.state.is_close_sent(), "one Close frame is sent (RFC 6455 5.5.1)");
        self.state = self.state.sent();
        let mut payload = Payload::default();
        if let Some(close) = close {
            payload.push(&close.code().get().to_be_bytes());
            payload.push(close.reason().as_bytes());
        }
        self.encode_control(Opcode::Close, &payload, mask)
    }

    fn encode_control(&self, opcode: Opcode, payload: &[u8], mask: Option<[u8; 4]>) -> ControlFrame {
        assert!(payload.len() <= CONTROL_PAYLOAD_BYTES_MAX, "RFC 6455 5.5: 125 bytes at most");
        self.check_mask(mask);
        let header = Header { fin: true, rsv1: false, opcode, mask, length: payload.len() as u64 };
        ControlFrame::new(&header, payload)
    }

    fn check_mask(&self, mask: Option<[u8; 4]>) {
        assert_eq!(mask.is_some(), self.role == Role::Client, "RFC 6455 5.1: a client masks, a server does not");
    }

    /// Nothing that comes is taken any more, so nothing is held for it. What is sent from here on is not compressed.
    fn stop_receiving(&mut self) {
        self.state = self.state.received();
        self.reading = Reading::Header;
        self.message = None;
        self.deflate = None;
    }

    fn step(&mut self, bytes: &mut [u8], now: Instant) -> Result<Received, Violation> {
        let mut used = 0;
        loop {
            let rest = &mut bytes[used..];
            let (taken, event) = match &self.reading {
                Reading::Header | Reading::Told(_) => {
                    let Some((header, len)) = self.next_header(rest)? else {
                        return Ok(Received { used, event: None });
                    };
                    used += len;
                    if self.tells_headers && len > 0 {
                        self.reading = Reading::Told(header);
                        return Ok(Received { used, event: Some(Event::Header(header)) });
                    }
                    self.judge(&header, now)?;
                    if let Some(payload) = self.whole(&header, &mut bytes[used..]) {
                        used += payload.len();
                        return Ok(Received { used, event: Some(Event::Message(whole_message(&header, payload)?)) });
                    }
                    self.begin(&header);
                    continue;
                }
                Reading::Data(_) => self.take_data(rest)?,
                Reading::Control(..) => self.take_control(rest)?,
            };
            used += taken;
            if event.is_some() || !matches!(self.reading, Reading::Header) {
                return Ok(Received { used, event });
            }
        }
    }

    /// The next header and how many of `bytes` it has: none, when it was told.
    #[inline]
    fn next_header(&mut self, bytes: &[u8]) -> Result<Option<(Header, usize)>, Violation> {
        let Reading::Told(header) = self.reading else { return frame::parse(bytes) };
        self.reading = Reading::Header;
        Ok(Some((header, 0)))
    }

    /// The payload of the usual frame: a whole message, all of which is in `rest`, and not compressed.
    #[inline]
    fn whole<'a>(&self, header: &Header, rest: &'a mut [u8]) -> Option<&'a mut [u8]> {
        let usual = header.fin && !header.rsv1 && !header.opcode.is_control() && self.message.is_none();
        if usual && rest.len() as u64 >= header.length { Some(&mut rest[..header.length as usize]) } else { None }
    }

    /// Begins with a frame whose payload is still to be taken.
    fn begin(&mut self, header: &Header) {
        if header.opcode.is_control() {
            self.reading = Reading::Control(*header, Payload::default());
            return;
        }
        let message = self.message.get_or_insert_with(|| InMessage {
            fragments: 0,
            compressed: header.rsv1,
            assembly: Assembly::new(header.opcode == Opcode::Text),
        });
        message.fragments += 1;
        self.reading = Reading::Data(Data { fin: header.fin, mask: header.mask, at: 0, left: header.length });
    }

    /// All that can be said of a frame before its payload has come.
    #[inline]
    fn judge(&mut self, header: &Header, now: Instant) -> Result<(), Violation> {
        // RFC 6455 5.1: a client masks all frames, a server none.
        match self.role {
            Role::Server if header.mask.is_none() => return Err(Violation::Unmasked),
            Role::Client if header.mask.is_some() => return Err(Violation::Masked),
            _ => {}
        }
        if header.rsv1 {
            self.judge_compression(header)?;
        }
        if header.opcode.is_control() {
            return if self.control_frames.exceeds(now) { Err(Violation::ControlFlood) } else { Ok(()) };
        }
        self.judge_order(header)?;
        self.judge_size(header)
    }

    /// RFC 7692 6: RSV1 is for the first frame of a data message.
    fn judge_compression(&self, header: &Header) -> Result<(), Violation> {
        match header.opcode {
            // RFC 6455 5.2: a bit that no extension gives a meaning.
            _ if self.deflate.is_none() => Err(Violation::CompressionNotAgreed),
            Opcode::Text | Opcode::Binary => Ok(()),
            Opcode::Continuation => Err(Violation::CompressedContinuation),
            _ => Err(Violation::CompressedControl),
        }
    }

    /// RFC 6455 5.4: fragments follow their beginning, and no message begins between them.
    fn judge_order(&self, header: &Header) -> Result<(), Violation> {
        match (&self.message, header.opcode == Opcode::Continuation) {
            (None, true) => Err(Violation::ContinuationWithoutMessage),
            (Some(_), false) => Err(Violation::MessageInsideMessage),
            (Some(message), true) if message.fragments >= self.limits.fragments_max => Err(Violation::TooManyFragments),
            _ => Ok(()),
        }
    }

    /// RFC 6455 10.4: a frame of 2^60 bytes is refused before any of them.
    fn judge_size(&self, header: &Header) -> Result<(), Violation> {
        if header.length > self.limits.frame_bytes_max {
            return Err(Violation::FrameTooLarge);
        }
        let (compressed, so_far) = match &self.message {
            Some(message) => (message.compressed, message.assembly.len()),
            None => (header.rsv1, 0),
        };
        let left = (self.limits.message_bytes_max - so_far) as u64;
        // What a compressed one comes to, its length does not say.
        if header.length > left && !compressed { Err(Violation::MessageTooLarge) } else { Ok(()) }
    }

    /// Takes what is there of a data frame's payload.
    fn take_data(&mut self, rest: &mut [u8]) -> Result<(usize, Option<Event>), Violation> {
        let (Reading::Data(data), Some(message)) = (&mut self.reading, &mut self.message) else {
            unreachable!("a data frame belongs to a message");
        };
        let count = usize::try_from(data.left).map_or(rest.len(), |left| left.min(rest.len()));
        let (mask, at) = data.advance(count);
        let come = &mut rest[..count];
        match &mut self.deflate {
            Some(deflate) if message.compressed => {
                if let Some(key) = mask {
                    mask::apply(come, key, at);
                }
                let last = data.fin && data.left == 0;
                message.assembly.inflate(deflate, come, last, self.limits.message_bytes_max)?;
            }
            _ => message.assembly.push(come, mask, at, data.coming())?,
        }
        Ok((count, self.end_of_data()?.map(Event::Message)))
    }

    /// Takes what was read into the room.
    fn take_room(&mut self, count: usize) -> Result<Option<Message>, Violation> {
        let (Reading::Data(data), Some(message)) = (&mut self.reading, &mut self.message) else {
            assert_eq!(count, 0, "nothing is read where there is no room");
            return Ok(None);
        };
        let (mask, at) = data.advance(count);
        message.assembly.take(count, mask, at)?;
        self.end_of_data()
    }

    /// Goes on behind a data frame that is whole; behind the last one there is a message.
    fn end_of_data(&mut self) -> Result<Option<Message>, Violation> {
        let Reading::Data(Data { fin, left: 0, .. }) = self.reading else { return Ok(None) };
        self.reading = Reading::Header;
        if !fin {
            return Ok(None);
        }
        self.message.take().map(|message| message.assembly.finish()).transpose()
    }

    /// Takes what is there of a control frame's payload.
    fn take_control(&mut self, rest: &mut [u8]) -> Result<(usize, Option<Event>), Violation> {
        let Reading::Control(header, payload) = &mut self.reading else {
            unreachable!("called in a control frame");
        };
        let count = (header.length as usize - payload.len()).min(rest.len());
        let come = &mut rest[..count];
        if let Some(key) = header.mask {
            mask::apply(come, key, payload.len());
        }
        payload.push(come);
        if payload.len() < header.length as usize {
            return Ok((count, None));
        }
        let (opcode, payload) = (header.opcode, *payload);
        self.reading = Reading::Header;
        let event = match opcode {
            Opcode::Ping => Event::Ping(payload),
            Opcode::Pong => Event::Pong(payload),
            _ => {
                let close = Close::parse(&payload)?;
                self.stop_receiving();
                Event::Close(close)
            }
        };
        Ok((count, Some(event)))
    }
}

impl Data {
    /// Goes `count` bytes on. The mask, and where these bytes are in the payload.
    fn advance(&mut self, count: usize) -> (Option<[u8; 4]>, usize) {
        let at = self.at;
        assert!(count as u64 <= self.left, "more than the frame holds");
        self.at += count;
        self.left -= count as u64;
        (self.mask, at)
    }

    fn coming(&self) -> Coming {
        Coming { missing: usize::try_from(self.left).unwrap_or(usize::MAX), last: self.fin }
    }
}

/// The message of one frame, all of which is there.
#[inline]
fn whole_message(header: &Header, payload: &mut [u8]) -> Result<Message, Violation> {
    if let Some(key) = header.mask {
        mask::apply(payload, key, 0);
    }
    if header.opcode == Opcode::Binary {
        return Ok(Message::Binary(Bytes::copy_from_slice(payload)));
    }
    let text = utf8::validate(payload).map_err(|_| Violation::TextNotUtf8)?;
    Ok(Message::Text(Text::from(text)))
}

/// A payload as it is sent: masked where it lies when it is nobody else's.
fn masked(payload: Bytes, mask: Option<[u8; 4]>) -> Bytes {
    let Some(key) = mask else { return payload };
    match payload.try_into_mut() {
        Ok(mut own) => {
            mask::apply(&mut own, key, 0);
            own.freeze()
        }
        Err(shared) => {
            let mut bytes = Vec::new();
            mask::extend(&mut bytes, &shared, key, 0);
            Bytes::from(bytes)
        }
    }
}

/// A data frame as it is sent.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Frame {
    /// Its header.
    pub header: HeaderBytes,
    /// Its payload: of an uncompressed frame of a server the message's own bytes.
    pub payload: Bytes,
}
