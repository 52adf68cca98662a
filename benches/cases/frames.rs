//! Owns messages of a WebSocket client to be read by a server: by ours, by tungstenite, by fastwebsockets.
//!
//! Everybody reads from the same tape into a buffer of its own, takes frames apart, unmasks, checks that text is UTF-8, and
//! hands over a message that owns its bytes. Work that is not equal: fastwebsockets lends a message of one frame from its
//! buffer and copies nothing, so a copy is made here; and it has no limits on fragments and control frames.

use std::io::{self, Read, Write};
use std::pin::{Pin, pin};
use std::task::{Context, Poll, Waker};
use std::time::Instant;

use bytes::Bytes;
use fastwebsockets::{FragmentCollector, Payload};
use firstbyte::ws::Role;
use firstbyte::ws::frame::{Header, Opcode};
use firstbyte::ws::limits::Limits;
use firstbyte::ws::machine::{Event, Machine};
use firstbyte::ws::mask;
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};

/// Name, what a message consists of again and again, bytes of each, and how many of them.
pub const TRAFFIC: [(&str, Option<&str>, usize, usize); 6] = [
    ("text 64 B", Some("the quick brown fox "), 64, 256),
    ("text 1 KiB", Some("the quick brown fox "), 1_024, 64),
    ("text 64 KiB", Some("the quick brown fox "), 65_536, 4),
    ("greek 1 KiB", Some("ταχίστη αλώπηξ "), 1_024, 64),
    ("binary 1 KiB", None, 1_024, 64),
    ("binary 64 KiB", None, 65_536, 4),
];

/// Says how many bytes the messages on a tape have.
pub type Reader = fn(&[u8]) -> usize;

/// The peers.
pub const PEERS: [(&str, Reader); 2] = [("tungstenite", tungstenite), ("fastwebsockets", fastwebsockets)];

/// Bytes that a read brings at most.
const READ_BYTES: usize = 16 * 1_024;

/// The frames of `count` messages of at most `size` bytes, masked, and the bytes of all messages together.
pub fn encode(text: Option<&str>, size: usize, count: usize) -> (Vec<u8>, usize) {
    let payload = match text {
        Some(text) => {
            let mut repeated = text.repeat(size / text.len() + 1);
            repeated.truncate(repeated.floor_char_boundary(size));
            repeated.into_bytes()
        }
        None => (0..size).map(|i| (i * 131) as u8).collect(),
    };
    let opcode = if text.is_some() { Opcode::Text } else { Opcode::Binary };
    let mut frames = Vec::new();
    for number in 0..count as u32 {
        let key = number.wrapping_mul(0x9e37_79b9).to_be_bytes();
        let header = Header { fin: true, rsv1: false, opcode, mask: Some(key), length: payload.len() as u64 };
        frames.extend_from_slice(&header.encode());
        mask::extend(&mut frames, &payload, key, 0);
    }
    (frames, payload.len() * count)
}

/// Our machine, driven as its driver does.
pub struct Ours {
    machine: Machine,
    buffer: Vec<u8>,
    now: Instant,
}

impl Default for Ours {
    fn default() -> Ours {
        Ours {
            machine: Machine::new(Role::Server, Limits::default(), None),
            buffer: vec![0; READ_BYTES],
            now: Instant::now(),
        }
    }
}

impl Ours {
    /// Bytes of all messages in `tape`.
    ///
    /// # Panics
    /// When there is anything else.
    pub fn read(&mut self, mut tape: &[u8]) -> usize {
        let (mut bytes, mut held) = (0, 0);
        while !tape.is_empty() {
            let room = self.machine.room();
            if held == 0 && !room.is_empty() {
                let count = tape.read(room).expect("memory");
                bytes += self.machine.filled(count).expect("well-formed").map_or(0, |event| message_bytes(&event));
                continue;
            }
            let end = held + tape.read(&mut self.buffer[held..]).expect("memory");
            let mut used = 0;
            loop {
                let received = self.machine.receive(&mut self.buffer[used..end], self.now).expect("well-formed");
                used += received.used;
                let Some(event) = received.event else { break };
                bytes += message_bytes(&event);
            }
            self.buffer.copy_within(used..end, 0);
            held = end - used;
        }
        bytes
    }
}

fn message_bytes(event: &Event) -> usize {
    let Event::Message(message) = event else { panic!("no message") };
    message.len()
}

/// Bytes of all messages in `tape`, by tungstenite.
///
/// # Panics
/// When there is anything else.
pub fn tungstenite(tape: &[u8]) -> usize {
    let mut socket = tungstenite::WebSocket::from_raw_socket(Tape(tape), tungstenite::protocol::Role::Server, None);
    let mut bytes = 0;
    // The tape ends without a Close frame.
    while let Ok(message) = socket.read() {
        bytes += message.len();
    }
    bytes
}

/// Bytes of all messages in `tape`, by fastwebsockets.
///
/// # Panics
/// When it waits: a tape never does.
pub fn fastwebsockets(tape: &[u8]) -> usize {
    let socket = fastwebsockets::WebSocket::after_handshake(Tape(tape), fastwebsockets::Role::Server);
    let mut socket = FragmentCollector::new(socket);
    let reading = pin!(async {
        let mut bytes = 0;
        while let Ok(frame) = socket.read_frame().await {
            let message = match frame.payload {
                Payload::Owned(payload) => Bytes::from(payload),
                payload => Bytes::copy_from_slice(&payload),
            };
            bytes += message.len();
        }
        bytes
    });
    match reading.poll(&mut Context::from_waker(Waker::noop())) {
        Poll::Ready(bytes) => bytes,
        Poll::Pending => panic!("a tape never waits"),
    }
}

/// Checks that everybody finds all messages.
///
/// # Panics
/// When somebody does not.
pub fn check(tape: &[u8], bytes: usize) {
    let mut ours = Ours::default();
    assert_eq!([ours.read(tape), ours.read(tape), tungstenite(tape), fastwebsockets(tape)], [bytes; 4]);
}

/// What a client has sent. What is sent to it is dropped.
struct Tape<'a>(&'a [u8]);

impl Read for Tape<'_> {
    fn read(&mut self, into: &mut [u8]) -> io::Result<usize> {
        let most = into.len().min(READ_BYTES);
        self.0.read(&mut into[..most])
    }
}

impl Write for Tape<'_> {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

impl AsyncRead for Tape<'_> {
    fn poll_read(mut self: Pin<&mut Self>, _: &mut Context<'_>, into: &mut ReadBuf<'_>) -> Poll<io::Result<()>> {
        let count = self.0.len().min(into.remaining()).min(READ_BYTES);
        let (read, rest) = self.0.split_at(count);
        into.put_slice(read);
        self.0 = rest;
        Poll::Ready(Ok(()))
    }
}

impl AsyncWrite for Tape<'_> {
    fn poll_write(self: Pin<&mut Self>, _: &mut Context<'_>, bytes: &[u8]) -> Poll<io::Result<usize>> {
        Poll::Ready(Ok(bytes.len()))
    }

    fn poll_flush(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<io::Result<()>> {
        Poll::Ready(Ok(()))
    }

    fn poll_shutdown(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<io::Result<()>> {
        Poll::Ready(Ok(()))
    }
}
