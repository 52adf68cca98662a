//! All attacks at once, and an honest client in the middle of them that must not notice.
//!
//! The attackers come from addresses of their own in 127.0.0.0/8, which the server is told to hold to its cap.

use std::io::{self, Read, Write};
use std::net::{Ipv4Addr, SocketAddr, TcpStream};
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering::Relaxed};
use std::time::{Duration, Instant};

use socket2::{Domain, Socket, Type};

use crate::client::Client;
use crate::floods::{CONTENTS, HEADS, pipeline_unread};
use crate::resets::{Leaving, STAGES, come_and_leave};
use crate::server::{SOON, Server, wait_for};

/// A connection that an attacker holds, and what it does with it some times a second; an error is its end.
struct Held {
    opening: &'static str,
    again: fn(&mut TcpStream) -> io::Result<()>,
}

/// Time between two moves of a slow attacker.
const MOVE: Duration = Duration::from_millis(50);

#[rustfmt::skip]
const SLOW: [(&str, Held); 5] = [
    ("silence", Held { opening: "", again: is_open }),
    ("slow heads", Held { opening: "GET /plaintext HTTP/1.1\r\nX: ", again: trickle }),
    ("slow contents", Held { opening: "POST /anything HTTP/1.1\r\nHost: x\r\nContent-Length: 100000\r\n\r\n",
                             again: trickle }),
    ("unread answers", Held { opening: "GET /big HTTP/1.1\r\nHost: x\r\n\r\n", again: |_| Ok(()) }),
    ("handlers kept waiting", Held { opening: "GET /slow?ms=5000 HTTP/1.1\r\nHost: x\r\n\r\n", again: is_open }),
];

fn trickle(stream: &mut TcpStream) -> io::Result<()> {
    stream.write_all(b"x")?;
    is_open(stream)
}

/// Whether the server has neither answered nor closed.
fn is_open(stream: &mut TcpStream) -> io::Result<()> {
    stream.set_nonblocking(true)?;
    let read = stream.read(&mut [0; 1024]);
    stream.set_nonblocking(false)?;
    match read {
        Err(error) if error.kind() == io::ErrorKind::WouldBlock => Ok(()),
        _ => Err(io::ErrorKind::UnexpectedEof.into()),
    }
}

/// The war: where, from whom, how often each attack was made, and whether it goes on.
struct Siege<'a> {
    server: &'a Server,
    made: Vec<(&'static str, AtomicUsize)>,
    over: AtomicBool,
}

impl<'a> Siege<'a> {
    fn new(server: &'a Server) -> Siege<'a> {
        let fast = ["floods of heads", "floods of contents", "unread pipelines", "resets", "connections"];
        let names = SLOW.iter().map(|(name, _)| *name).chain(fast);
        Siege { server, made: names.map(|name| (name, AtomicUsize::new(0))).collect(), over: AtomicBool::new(false) }
    }

    /// Each attack has an address of its own.
    fn connect(&self, attack: usize) -> io::Result<TcpStream> {
        let socket = Socket::new(Domain::IPV4, Type::STREAM, None)?;
        let from = Ipv4Addr::new(127, 0, 1, attack as u8 + 1);
        socket.bind(&SocketAddr::from((from, 0)).into())?;
        socket.connect(&self.server.addr.into())?;
        let stream = TcpStream::from(socket);
        stream.set_read_timeout(Some(SOON))?;
        Ok(stream)
    }

    fn goes_on(&self) -> bool {
        !self.over.load(Relaxed)
    }

    fn made(&self, attack: usize) {
        self.made[attack].1.fetch_add(1, Relaxed);
    }

    /// Holds `count` connections, each replaced when it ends.
    fn hold(&self, attack: usize, count: usize) {
        let held = &SLOW[attack].1;
        let mut streams: Vec<TcpStream> = Vec::new();
        while self.goes_on() {
            streams.retain_mut(|stream| (held.again)(stream).is_ok());
            for _ in streams.len()..count {
                let Ok(mut stream) = self.connect(attack) else { continue };
                if stream.write_all(held.opening.as_bytes()).is_ok() {
                    self.made(attack);
                    streams.push(stream);
                }
            }
            std::thread::sleep(MOVE);
        }
    }

    /// One attack after the other, as fast as they go.
    fn repeat(&self, attack: usize, mut once: impl FnMut(usize, TcpStream)) {
        let mut count = 0;
        while self.goes_on() {
            let Ok(stream) = self.connect(attack) else { continue };
            once(count, stream);
            self.made(attack);
            count += 1;
        }
    }

    /// More connections than one address may have: some are held, the others refused.
    fn flood_connections(&self, attack: usize) {
        while self.goes_on() {
            let crowd: Vec<_> = (0..300).filter_map(|_| self.connect(attack).ok()).collect();
            self.made(attack);
            std::thread::sleep(MOVE);
            drop(crowd);
        }
    }
}

/// What an honest client saw.
#[derive(Debug, Default)]
struct Seen {
    latencies: Vec<Duration>,
    failures: Vec<String>,
}

/// Asks, on a connection that is kept or on a new one each time, until the siege is over.
fn ask_honestly(siege: &Siege<'_>, keeps: bool) -> Seen {
    let mut seen = Seen::default();
    let mut kept = None;
    for target in ["/plaintext", "/json", "/users/7", "/bytes/10000"].iter().cycle() {
        if !siege.goes_on() {
            return seen;
        }
        let begin = Instant::now();
        let mut client = match kept.take() {
            Some(client) => client,
            None => Client::connect(siege.server.addr).unwrap(),
        };
        match client.get(target) {
            Ok(answer) if answer.status == 200 && !answer.content.is_empty() => {
                seen.latencies.push(begin.elapsed());
                kept = keeps.then_some(client);
            }
            other => seen.failures.push(format!("{target}, kept: {keeps}: {other:?}")),
        }
        std::thread::sleep(Duration::from_millis(3));
    }
    unreachable!("it asks without end");
}

/// Lets everything happen at once for so long.
fn check(server: &Server, duration: Duration) {
    let siege = Siege::new(server);
    let seen = std::thread::scope(|scope| {
        let siege = &siege;
        for attack in 0..SLOW.len() {
            scope.spawn(move || siege.hold(attack, 40));
        }
        let fast = SLOW.len();
        let pour = |floods: &'static [crate::floods::Flood]| {
            move |count: usize, stream| drop(floods[count % floods.len()].pour(stream, 1 << 20))
        };
        scope.spawn(move || siege.repeat(fast, pour(HEADS)));
        scope.spawn(move || siege.repeat(fast + 1, pour(CONTENTS)));
        scope.spawn(move || siege.repeat(fast + 2, |_, stream| drop(pipeline_unread(stream, "/plaintext"))));
        scope.spawn(move || {
            siege.repeat(fast + 3, |count, stream| {
                let _ = come_and_leave(stream, STAGES[count % STAGES.len()], Leaving::Reset);
            });
        });
        scope.spawn(move || siege.flood_connections(fast + 4));
        let honest = [false, true].map(|keeps| scope.spawn(move || ask_honestly(siege, keeps)));
        std::thread::sleep(duration);
        siege.over.store(true, Relaxed);
        honest.map(|thread| thread.join().unwrap())
    });
    for (kind, Seen { mut latencies, failures }) in ["a new connection each", "one connection"].iter().zip(seen) {
        assert_eq!(failures, Vec::<String>::new(), "{kind}");
        latencies.sort_unstable();
        let at = |share: usize| latencies[latencies.len() * share / 100];
        eprintln!("{kind}: {} answers, all 200; p50 {:?}, p99 {:?}", latencies.len(), at(50), at(99));
    }
    eprintln!("meanwhile: {:?}", siege.made);
    assert!(siege.made.iter().all(|(_, made)| made.load(Relaxed) > 0), "{:?}", siege.made);
    wait_for("all are forgotten", || server.phases().is_empty().then_some(()));
}

#[test]
fn an_honest_client_does_not_notice_all_attacks_at_once() {
    let rate = "1KiB/s over 500ms, credit 500ms";
    let (content, write) = (format!("--content-rate={rate}"), format!("--write-rate={rate}"));
    let flags = ["--first-byte-deadline=2s", "--head-deadline=2s", "--cap-loopback", "--log=warn"];
    let server = Server::start(&[&flags[..], &[&content, &write]].concat());
    check(&server, Duration::from_secs(3));
    assert_eq!(server.stderr(), "", "no attack reaches the log");
}

#[test]
#[ignore = "takes a while, and measures the release build: make soak"]
fn an_honest_client_does_not_notice_half_a_minute_of_all_attacks() {
    let server = Server::start(&["--cap-loopback", "--log=warn"]);
    check(&server, Duration::from_secs(30));
}
