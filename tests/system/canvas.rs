//! The canvas over real sockets: members that vanish, that are strange, that do not read; and what is left of them.

use std::io::Write;
use std::net::{Shutdown, TcpStream};
use std::time::{Duration, Instant};

use firstbyte::app::canvas::domain::{Colour, Point};
use firstbyte::app::canvas::protocol::{FromClient, Hello, Stroke};
use firstbyte::ws::frame::Opcode;
use serde_json::Value;

use crate::server::{SOON, Server, wait_for};
use crate::websocket::{Peer, frame_of};

/// Connections that vanish in `make test`, in batches.
const VANISHING: usize = 10_000;
const BATCH: usize = 400;

const HANDSHAKE: &str = "GET /canvas/lobby/ws HTTP/1.1\r\nHost: x\r\nConnection: upgrade\r\nUpgrade: websocket\r\n\
                         Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n\r\n";

const WELCOME: u8 = 0x81;
const DELTA: u8 = 0x83;

fn hello() -> Vec<u8> {
    FromClient::Hello(Hello::default()).encode()
}

fn stroke(points: &[[u8; 2]]) -> Vec<u8> {
    let colour = Colour::new(7).unwrap();
    FromClient::Stroke(Stroke::new(false, true, colour, points).unwrap()).encode()
}

fn join(server: &Server, room: &str) -> Peer {
    let mut peer = Peer::open(server, &format!("/canvas/{room}/ws"));
    peer.send(Opcode::Binary, &hello()).unwrap();
    assert_eq!(peer.next().map(|(_, _, start)| start[0]), Some(WELCOME));
    peer
}

/// The code of the Close that comes, without waiting for the end behind it.
fn closed(peer: &mut Peer) -> Option<u16> {
    loop {
        let (opcode, _, start) = peer.next()?;
        if opcode == Opcode::Close {
            return Some(u16::from_be_bytes(start));
        }
    }
}

/// The rooms as the list for programs has them.
fn rooms(server: &Server) -> Value {
    let answer =
        server.exchange(b"GET /canvas HTTP/1.1\r\nHost: x\r\nAccept: application/json\r\nConnection: close\r\n\r\n");
    serde_json::from_str(answer.split_once("\r\n\r\n").unwrap().1).unwrap()
}

fn wait_for_members(server: &Server, expected: u64) {
    wait_for("its members", || (rooms(server)[0]["members"] == expected).then_some(()));
}

/// Opens `count` members, each of which draws and points and then dies in its own way: by a reset, with its queue unread, in
/// the middle of a frame.
fn vanish(server: &Server, count: usize) {
    let pointing = FromClient::Cursor(Point { x: 1, y: 1 }).encode();
    let words = [hello(), stroke(&[[1, 2]]), pointing].map(|message| frame_of(Opcode::Binary, &message)).concat();
    let peers: Vec<TcpStream> = (0..count)
        .map(|at| {
            let mut stream = server.connect();
            let end = if at % 4 == 3 { words.len() - 1 } else { words.len() };
            stream.write_all(&[HANDSHAKE.as_bytes(), &words[..end]].concat()).unwrap();
            stream
        })
        .collect();
    for (at, stream) in peers.iter().enumerate() {
        // The last of those that are waited for is in the room: then all are, or will be and find nobody.
        wait_for("an answer", || (stream.peek(&mut [0; 200]).unwrap() == 200).then_some(()));
        match at % 4 {
            0 => rustix::net::sockopt::set_socket_linger(stream, Some(Duration::ZERO)).unwrap(),
            1 => stream.shutdown(Shutdown::Write).unwrap(),
            _ => {}
        }
    }
}

#[test]
fn ten_thousand_members_that_vanish_leave_nothing() {
    let server = Server::start(&[]);
    let mut stays = join(&server, "lobby");
    // What has left is remembered for a minute, a thousand at most: these fill that.
    for _ in 0..4 {
        vanish(&server, BATCH);
    }
    wait_for_members(&server, 1);
    let (descriptors, before) = (server.descriptors(), server.status_of("VmRSS:"));
    let begin = Instant::now();
    for _ in 0..VANISHING / BATCH {
        vanish(&server, BATCH);
    }
    wait_for_members(&server, 1);
    let took = begin.elapsed();
    wait_for("all descriptors are back", || (server.descriptors() <= descriptors).then_some(()));
    let grown = server.status_of("VmRSS:").saturating_sub(before);
    println!("{VANISHING} members that vanished in {:.1} s: {grown} KiB more", took.as_secs_f64());
    // What the allocator rounds up. A seat that is left behind, with what a connection holds, would be 80 MiB.
    assert!(grown <= 4 * 1024, "{grown} KiB more");
    wait_for("the one that stays is alone", || (server.phases().len() == 1).then_some(()));
    stays.send(Opcode::Binary, &stroke(&[[9, 9]])).unwrap();
    let drawn = || stays.next().is_some_and(|(_, length, start)| start[0] == DELTA && length == 8);
    wait_for("its own stroke", std::iter::repeat_with(drawn).find(|drawn| *drawn).map(|_| || Some(())).unwrap());
}

#[test]
fn strange_members_are_told_what_was_wrong() {
    let server = Server::start(&[]);
    let check = |opcode, message: &[u8], joined: bool, code| {
        let mut peer = if joined { join(&server, "lobby") } else { Peer::open(&server, "/canvas/lobby/ws") };
        peer.send(opcode, message).unwrap();
        assert_eq!(closed(&mut peer), Some(code), "{message:?}");
    };
    for joined in [false, true] {
        check(Opcode::Text, b"hello", joined, 1003);
        check(Opcode::Binary, &[], joined, 1008);
        check(Opcode::Binary, &[0x77], joined, 1008);
        check(Opcode::Binary, &[0; 10_000], joined, 1009);
    }
    check(Opcode::Binary, &stroke(&[[1, 1]]), false, 1008);
    check(Opcode::Binary, &hello(), true, 1008);
    check(Opcode::Binary, &[0x02, 0, 32, 1, 1], true, 1008);
    wait_for_members(&server, 0);
}

#[test]
fn who_draws_without_end_is_closed_and_who_says_nothing_too() {
    let server = Server::start(&[]);
    let mut silent = Peer::open(&server, "/canvas/lobby/ws");
    let begin = Instant::now();
    let mut hasty = join(&server, "lobby");
    let flood = frame_of(Opcode::Binary, &stroke(&[[3; 2]; 4_000])).repeat(200);
    // It may be cut meanwhile.
    let _ = hasty.stream.write_all(&flood);
    assert!(matches!(closed(&mut hasty), Some(1008) | None));
    assert_eq!(closed(&mut silent), Some(1008));
    assert!((4..10).contains(&begin.elapsed().as_secs()), "{:?}", begin.elapsed());
}

/// Each has a queue in this kernel and in the server's, which are filled first.
#[test]
fn members_that_never_read_cost_little_and_the_others_see_everything() {
    const SILENT: usize = 20;
    let server = Server::start(&[]);
    let mut drawers: Vec<Peer> = (0..4).map(|_| join(&server, "lobby")).collect();
    let mut reader = join(&server, "lobby");
    let silent: Vec<Peer> = (0..SILENT).map(|_| join(&server, "lobby")).collect();
    let before = server.forget_peak();
    let begin = Instant::now();
    let mut random = fastrand::Rng::with_seed(5);
    let mut deltas = 0;
    while begin.elapsed() < Duration::from_secs(3) {
        for drawer in &mut drawers {
            let points: Vec<[u8; 2]> = (0..1_000).map(|_| [random.u8(..), random.u8(..)]).collect();
            drawer.send(Opcode::Binary, &stroke(&points)).unwrap();
        }
        while let Some((_, _, start)) = reader.next()
            && start[0] != DELTA
        {}
        deltas += 1;
        std::thread::sleep(Duration::from_millis(150));
    }
    let grown = server.status_of("VmHWM:") - before;
    println!("{SILENT} members that never read, {deltas} deltas: {grown} KiB more");
    assert!(grown <= 16 * 1024, "{grown} KiB more");
    drop(silent);
    drop(drawers);
    let left = wait_for("those who left", || Some(rooms(&server)[0]["members"].as_u64()?).filter(|left| *left == 1));
    assert!(left == 1 && begin.elapsed() < SOON);
}
