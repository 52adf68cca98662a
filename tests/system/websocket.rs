//! WebSocket peers that do not do their part, over real sockets: what they cost, when they are cut, and that nobody else
//! notices.

use std::io::{Read, Write};
use std::net::TcpStream;
use std::time::{Duration, Instant};

use firstbyte::ws::frame::{self, Header, Opcode};

use crate::server::{SOON, Server, wait_for};

/// A peer that does only what it is told.
pub struct Peer {
    pub stream: TcpStream,
    received: Vec<u8>,
}

impl Peer {
    pub fn open(server: &Server, path: &str) -> Peer {
        let mut stream = server.connect();
        let head = format!(
            "GET {path} HTTP/1.1\r\nHost: x\r\nConnection: upgrade\r\nUpgrade: websocket\r\n\
             Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n\r\n"
        );
        stream.write_all(head.as_bytes()).unwrap();
        let mut peer = Peer { stream, received: Vec::new() };
        let end = loop {
            match peer.received.windows(4).position(|bytes| bytes == b"\r\n\r\n") {
                Some(at) => break at + 4,
                None => assert!(peer.fill() > 0, "the end came instead of an answer"),
            }
        };
        let head: Vec<u8> = peer.received.drain(..end).collect();
        assert!(head.starts_with(b"HTTP/1.1 101 "), "{}", head.escape_ascii());
        peer
    }

    fn fill(&mut self) -> usize {
        let mut room = vec![0; 256 * 1024];
        // A reset is an end, too.
        let count = self.stream.read(&mut room).unwrap_or(0);
        self.received.extend_from_slice(&room[..count]);
        count
    }

    /// The next frame: its opcode, its length, and its payload's first two bytes.
    pub fn next(&mut self) -> Option<(Opcode, u64, [u8; 2])> {
        loop {
            if let Some((header, len)) = frame::parse(&self.received).unwrap() {
                let end = len + header.length as usize;
                if self.received.len() >= end {
                    let payload = &self.received[len..end];
                    let start = [payload.first().copied().unwrap_or(0), payload.get(1).copied().unwrap_or(0)];
                    self.received.drain(..end);
                    return Some((header.opcode, header.length, start));
                }
            }
            if self.fill() == 0 {
                return None;
            }
        }
    }

    /// The code of the Close that ends what comes, if one does.
    pub fn close_code(&mut self) -> Option<u16> {
        let mut code = None;
        while let Some((opcode, _, start)) = self.next() {
            code = (opcode == Opcode::Close).then(|| u16::from_be_bytes(start));
        }
        code
    }

    pub fn send(&mut self, opcode: Opcode, payload: &[u8]) -> std::io::Result<()> {
        self.stream.write_all(&frame_of(opcode, payload))
    }
}

/// A frame masked with zeros.
pub fn frame_of(opcode: Opcode, payload: &[u8]) -> Vec<u8> {
    let header = Header { fin: true, rsv1: false, opcode, mask: Some([0; 4]), length: payload.len() as u64 };
    [&header.encode()[..], payload].concat()
}

#[test]
fn pings_whose_pongs_nobody_reads_cost_nothing_and_end() {
    let server = Server::start(&[]);
    let mut honest = Peer::open(&server, "/ws");
    let before = server.forget_peak();
    let pings = frame_of(Opcode::Ping, &[b'p'; 125]).repeat(1_000);
    let mut flooders: Vec<Peer> = (0..20).map(|_| Peer::open(&server, "/ws")).collect();
    for flooder in &mut flooders {
        for _ in 0..10 {
            // It may be cut meanwhile.
            let _ = flooder.stream.write_all(&pings);
        }
    }
    honest.send(Opcode::Text, b"still there").unwrap();
    assert_eq!(honest.next(), Some((Opcode::Text, 11, *b"st")));
    let grown = server.status_of("VmHWM:") - before;
    assert!(grown <= 1024, "{grown} KiB more");
    for flooder in &mut flooders {
        // Unread bytes of a closed socket may reset what was said.
        assert!(matches!(flooder.close_code(), Some(1008) | None));
    }
}

#[test]
fn members_that_never_read_are_cut_and_the_others_hear_everything() {
    const MEMBERS: usize = 20;
    const MESSAGES: usize = 400;
    const BYTES: usize = 64 * 1024;
    let server = Server::start(&[]);
    let mut sender = Peer::open(&server, "/room/flood");
    let mut reader = Peer::open(&server, "/room/flood");
    let mut silent: Vec<Peer> = (0..MEMBERS).map(|_| Peer::open(&server, "/room/flood")).collect();
    let before = server.forget_peak();
    let begin = Instant::now();
    for _ in 0..MESSAGES {
        sender.send(Opcode::Binary, &[7; BYTES]).unwrap();
        for member in [&mut sender, &mut reader] {
            assert_eq!(member.next().map(|(_, length, _)| length), Some(BYTES as u64), "who reads hears everything");
        }
    }
    // The two that read are left.
    while server.phases().len() > 2 {
        assert!(begin.elapsed() < SOON, "they are still held");
        std::thread::sleep(Duration::from_millis(20));
    }
    let cut_after = begin.elapsed();
    let grown = server.status_of("VmHWM:") - before;
    println!("{MEMBERS} members that never read: {grown} KiB more, gone after {:.1} s", cut_after.as_secs_f64());
    assert!(grown <= 16 * 1024, "{grown} KiB more");
    for member in &mut silent {
        assert!(matches!(member.close_code(), Some(1008 | 1013) | None));
    }
}

#[test]
fn a_stopped_server_says_going_away() {
    let mut server = Server::start(&[]);
    let mut peer = Peer::open(&server, "/ws");
    peer.send(Opcode::Text, b"first").unwrap();
    assert_eq!(peer.next(), Some((Opcode::Text, 5, *b"fi")));
    server.signal(rustix::process::Signal::TERM);
    assert_eq!(peer.next().map(|(opcode, _, start)| (opcode, start)), Some((Opcode::Close, 1001u16.to_be_bytes())));
    peer.send(Opcode::Close, &1001u16.to_be_bytes()).unwrap();
    assert_eq!(peer.next(), None);
    assert_eq!(server.exit_code(), Some(0));
}

/// So that a dead peer is noticed without a ping: a kernel says that it is gone.
#[test]
fn a_killed_peer_leaves_nothing() {
    let server = Server::start(&[]);
    let first = Peer::open(&server, "/room/x");
    drop(first);
    server.wait_for_phases(&[]);
    let descriptors = server.descriptors();
    for _ in 0..50 {
        let peers: Vec<Peer> = (0..10).map(|_| Peer::open(&server, "/room/x")).collect();
        drop(peers);
    }
    server.wait_for_phases(&[]);
    wait_for("all descriptors are back", || (server.descriptors() <= descriptors).then_some(()));
}
