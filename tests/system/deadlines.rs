//! Peers that take their time: each is cut when its time is over, and an honest one never is.

use std::io::{Read, Write};
use std::process::Command;
use std::time::{Duration, Instant};

use crate::client::Client;
use crate::server::Server;
use crate::tools;

/// What a peer sends at first, and then again and again, until the server closes.
struct Peer {
    /// Requests that it has had answered before.
    served: usize,
    opening: &'static str,
    piece: &'static str,
    every: Duration,
    /// What the server says last, and after how many seconds it closes, counted from `opening`, with the defaults.
    last: &'static str,
    after: f64,
}

const MOMENT: Duration = Duration::from_millis(100);
const ONE: &str = "GET /plaintext HTTP/1.1\r\nHost: x\r\n\r\n";
const CONTENT: &str = "POST /anything HTTP/1.1\r\nHost: x\r\nContent-Length: 1000000\r\n\r\n";
const CHUNKS: &str = "POST /anything HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\n";
/// Every quarter of a second, that is 736 bytes a second.
const LINES: &str = "a chunk of content that comes at less than one kibibyte a second, as a line of ninety bytes\n\
                     a chunk of content that comes at less than one kibibyte a second, as a line of ninety bytes\n";

#[rustfmt::skip]
const PEERS: &[Peer] = &[
    Peer { served: 0, opening: "", piece: "", every: MOMENT, last: "", after: 5.0 },
    Peer { served: 0, opening: "", piece: "\r\n", every: Duration::from_secs(1), last: "", after: 5.0 },
    Peer { served: 0, opening: "GET /", piece: "", every: MOMENT, last: "408", after: 5.0 },
    Peer { served: 0, opening: "GET /", piece: "x", every: MOMENT, last: "408", after: 5.0 },
    Peer { served: 1, opening: "G", piece: "", every: MOMENT, last: "408", after: 5.0 },
    Peer { served: 1, opening: "GET /", piece: "x", every: MOMENT, last: "408", after: 5.0 },
    Peer { served: 9, opening: "GET / HTTP/1.1\r\nX: ", piece: "x", every: MOMENT, last: "408", after: 5.0 },
    Peer { served: 0, opening: "GET /plaintext HTTP/1.1\r\nHost: x\r\n\r\nGET", piece: "",
            every: MOMENT, last: "408", after: 5.0 },
    Peer { served: 0, opening: CONTENT, piece: "", every: MOMENT, last: "408", after: 10.0 },
    Peer { served: 0, opening: CONTENT, piece: "x", every: MOMENT, last: "408", after: 10.0 },
    Peer { served: 3, opening: CHUNKS, piece: "1\r\nx\r\n", every: MOMENT, last: "408", after: 10.0 },
    Peer { served: 0, opening: CONTENT, piece: LINES, every: Duration::from_millis(250), last: "408", after: 10.0 },
];

impl Peer {
    /// Does what it does, and says what it was answered last and after how long it was closed.
    fn play(&self, server: &Server) -> (String, Duration) {
        let mut stream = server.connect();
        let begun = Instant::now();
        let mut said = Vec::new();
        let mut room = [0; 4096];
        for _ in 0..self.served {
            stream.write_all(ONE.as_bytes()).unwrap();
            assert!(stream.read(&mut room).unwrap() > 100);
        }
        // Silence is counted from the accept on.
        let begin = if self.served == 0 { begun } else { Instant::now() };
        stream.write_all(self.opening.as_bytes()).unwrap();
        stream.set_read_timeout(Some(self.every)).unwrap();
        loop {
            match stream.read(&mut room) {
                Ok(0) => return (String::from_utf8(said).unwrap(), begin.elapsed()),
                Ok(count) => said.extend(&room[..count]),
                // Nothing has come for a moment. The server may close first, then the answer is still to be read.
                Err(_) => drop(stream.write_all(self.piece.as_bytes())),
            }
        }
    }

    fn check(&self, server: &Server) -> Duration {
        let (said, after) = self.play(server);
        let shown = format!("{} requests, {:?}, then {:?}", self.served, self.opening, self.piece);
        assert_eq!(said.contains(&format!("HTTP/1.1 {} ", self.last)), !self.last.is_empty(), "{shown}: {said:?}");
        assert_eq!(said.is_empty(), self.last.is_empty(), "{shown}: {said:?}");
        assert_eq!(said.contains("\r\nConnection: close\r\n"), !self.last.is_empty(), "{shown}: {said:?}");
        after
    }
}

/// All at once. Gives how long each took.
fn check_all(server: &Server) -> Vec<Duration> {
    std::thread::scope(|scope| {
        let peers: Vec<_> = PEERS.iter().map(|peer| scope.spawn(|| peer.check(server))).collect();
        peers.into_iter().map(|peer| peer.join().unwrap()).collect()
    })
}

#[test]
fn slow_peers_are_cut_whatever_they_were_answered_before() {
    let flags = ["--first-byte-deadline=1s", "--head-deadline=1s", "--content-rate=1KiB/s over 1s, credit 1s"];
    for (peer, after) in PEERS.iter().zip(check_all(&Server::start(&flags))) {
        assert!(after >= Duration::from_secs(1), "{:?}: too early, after {after:?}", peer.opening);
    }
}

#[test]
#[ignore = "takes a while: make soak"]
fn slow_peers_are_cut_after_the_time_that_is_promised() {
    for (peer, after) in PEERS.iter().zip(check_all(&Server::start(&[]))) {
        eprintln!(
            "{:>5.2} s: {} answered, {:?}, then {:?}",
            after.as_secs_f64(),
            peer.served,
            peer.opening,
            peer.piece
        );
        assert!((after.as_secs_f64() - peer.after).abs() <= 1.0, "{:?}: {after:?}", peer.opening);
    }
}

#[test]
#[ignore = "takes a minute: make soak"]
fn a_head_in_two_packets_after_a_long_silence_is_answered() {
    let server = Server::start(&[]);
    let mut client = Client::connect(server.addr).unwrap();
    for silence in [3, 50] {
        std::thread::sleep(Duration::from_secs(silence));
        for half in ["GET /plaintext HTTP/1.1\r\nHo", "st: x\r\n\r\n"] {
            client.send(half.as_bytes());
            std::thread::sleep(Duration::from_secs(2));
        }
        assert_eq!(client.read_answer().unwrap().status, 200, "after {silence} s");
    }
}

#[test]
#[ignore = "takes two minutes: make soak"]
fn an_honest_upload_that_is_slow_is_never_cut() {
    let Some(curl) = tools::find("curl") else { return };
    let server = Server::start(&[]);
    let content = server.folder.join("content");
    std::fs::write(&content, vec![b'x'; 120 * 64 * 1024]).unwrap();
    let mut curl = Command::new(curl);
    curl.args(["-sS", "--limit-rate", "64k", "-o", "/dev/null", "-w", "%{http_code} %{size_download}", "-T"]);
    let output = curl.arg(&content).arg(server.url("/echo")).output().unwrap();
    assert_eq!(String::from_utf8_lossy(&output.stdout), "200 7864320");
}
