//! A signal in the middle of everything: nothing that was begun is lost, and nobody meets a close that was not announced.

use std::sync::atomic::{AtomicUsize, Ordering::Relaxed};
use std::time::{Duration, Instant};

use rustix::process::Signal;

use crate::client::{Client, Loss};
use crate::server::{Server, wait_for};

/// The slowest answer of [`TARGETS`].
const SLOWEST: Duration = Duration::from_millis(200);
/// What clients under load ask for, in turn.
const TARGETS: [&str; 4] = ["/plaintext", "/bytes/200000", "/slow?ms=200", "/users/7"];

/// What became of the clients of one server.
#[derive(Debug, Default)]
struct Tally {
    answered: usize,
    /// Connections that ended with an answer that said so.
    announced: usize,
    losses: Vec<Loss>,
}

/// Asks on one connection until an answer says that it was the last. Every second client thinks for a moment before each
/// request, so that the signal finds its connection idle.
fn ask_until_told(server: &Server, first: usize, ready: &AtomicUsize) -> Tally {
    let thinks = Duration::from_millis(if first.is_multiple_of(2) { 0 } else { first as u64 % 20 });
    let mut client = Client::connect(server.addr).unwrap();
    let mut tally = Tally::default();
    for target in TARGETS.iter().cycle().skip(first) {
        match client.get(target) {
            Ok(answer) => {
                assert_eq!(answer.status, 200, "{target}");
                tally.answered += 1;
                if answer.closes {
                    tally.announced += 1;
                    return tally;
                }
            }
            Err(loss) => {
                tally.losses.push(loss);
                return tally;
            }
        }
        if tally.answered == TARGETS.len() {
            ready.fetch_add(1, Relaxed);
        }
        std::thread::sleep(thinks);
    }
    unreachable!("it asks without end");
}

/// Stops a server while so many clients send request after request, and says how long it took to end.
fn stop_under_load(clients: usize, flags: &[&str]) -> (Tally, Duration) {
    let mut server = Server::start(flags);
    let ready = AtomicUsize::new(0);
    let (tallies, begin) = std::thread::scope(|scope| {
        let (server, ready) = (&server, &ready);
        let asking: Vec<_> =
            (0..clients).map(|first| scope.spawn(move || ask_until_told(server, first, ready))).collect();
        wait_for("all are at it", || (ready.load(Relaxed) == clients).then_some(()));
        // Somewhere within an answer, elsewhere for each client.
        std::thread::sleep(Duration::from_millis(37));
        let begin = Instant::now();
        server.signal(Signal::TERM);
        (asking.into_iter().map(|it| it.join().unwrap()).collect::<Vec<_>>(), begin)
    });
    assert_eq!(server.exit_code(), Some(0), "{}", server.stderr());
    let took = begin.elapsed();
    let all = tallies.into_iter().fold(Tally::default(), |all, tally| Tally {
        answered: all.answered + tally.answered,
        announced: all.announced + tally.announced,
        losses: [all.losses, tally.losses].concat(),
    });
    (all, took)
}

fn check(clients: usize, rounds: usize, flags: &[&str]) -> Duration {
    let mut slowest = Duration::ZERO;
    let mut answered = 0;
    for round in 0..rounds {
        let (tally, took) = stop_under_load(clients, flags);
        assert_eq!((tally.losses, tally.announced), (vec![], clients), "round {round}");
        slowest = slowest.max(took);
        answered += tally.answered;
    }
    eprintln!("{rounds} stops, {clients} clients each: {answered} answers, none lost; the longest took {slowest:?}");
    slowest
}

#[test]
fn a_stop_under_load_loses_nothing_and_nobody_meets_a_close() {
    // The time for a request to come is long here: on a busy machine a moment may last.
    check(16, 3, &["--log=warn", "--drain-idle-deadline=5s"]);
}

#[test]
#[ignore = "takes a while, and measures the release build: make soak"]
fn twenty_stops_under_load_lose_nothing_and_nobody_meets_a_close() {
    let slowest = check(64, 20, &["--log=warn"]);
    assert!(slowest <= SLOWEST + Duration::from_millis(500), "{slowest:?}");
}

/// A connection before the signal, what its client sends after it, and what comes until the server closes.
struct Stage {
    name: &'static str,
    phase: &'static str,
    before: &'static str,
    after: &'static str,
    /// What the server says in all begins and ends so.
    begin: &'static str,
    end: &'static str,
}

#[rustfmt::skip]
const STAGES: &[Stage] = &[
    Stage { name: "silent", phase: "idle", before: "", after: "", begin: "", end: "" },
    Stage { name: "a request on its way", phase: "idle",
            before: "", after: "GET /plaintext HTTP/1.1\r\nHost: x\r\n\r\n",
            begin: "HTTP/1.1 200 ", end: "\r\nConnection: close\r\n\r\nHello, World!" },
    Stage { name: "half a head", phase: "head", before: "GET /plaintext HTTP/1.1\r\nHo", after: "",
            begin: "HTTP/1.1 503 ", end: "" },
    Stage { name: "awaited content", phase: "handler",
            before: "POST /anything HTTP/1.1\r\nHost: x\r\nContent-Length: 5\r\n\r\nhe", after: "llo",
            begin: "HTTP/1.1 200 ", end: "}" },
    Stage { name: "a handler at work", phase: "handler",
            before: "GET /slow?ms=2000 HTTP/1.1\r\nHost: x\r\n\r\n", after: "",
            begin: "HTTP/1.1 200 ", end: "waited 2000 ms\n" },
    Stage { name: "a request behind it", phase: "handler",
            before: "GET /slow?ms=2000 HTTP/1.1\r\nHost: x\r\n\r\nGET /plaintext HTTP/1.1\r\nHost: x\r\n\r\n", after: "",
            begin: "HTTP/1.1 200 ", end: "waited 2000 ms\n" },
    Stage { name: "a streamed answer", phase: "write", before: "GET /drip?bytes=9&ms=2000 HTTP/1.1\r\nHost: x\r\n\r\n",
            after: "", begin: "HTTP/1.1 200 ", end: "\r\n\r\n*********" },
    Stage { name: "an answer without end", phase: "write",
            before: "GET /sse?count=1000&ms=100 HTTP/1.1\r\nHost: x\r\n\r\n",
            after: "", begin: "HTTP/1.1 200 ", end: "\n\r\n0\r\n\r\n" },
    Stage { name: "lingering", phase: "linger",
            before: "GET /plaintext HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n",
            after: "", begin: "HTTP/1.1 200 ", end: "Hello, World!" },
];

#[test]
fn a_signal_at_any_stage_ends_it_as_it_should() {
    let mut server = Server::start(&["--linger-deadline=10s", "--drain-idle-deadline=1s"]);
    let mut clients: Vec<(&Stage, Client)> =
        STAGES.iter().map(|stage| (stage, Client::connect(server.addr).unwrap())).collect();
    clients.iter_mut().for_each(|(stage, client)| client.send(stage.before.as_bytes()));
    let mut phases: Vec<&str> = STAGES.iter().map(|stage| stage.phase).collect();
    phases.sort_unstable();
    server.wait_for_phases(&phases);
    let begin = Instant::now();
    server.signal(Signal::TERM);
    wait_for("draining", || server.stderr().contains("draining").then_some(()));
    clients.iter_mut().for_each(|(stage, client)| client.send(stage.after.as_bytes()));
    let said: Vec<_> = clients.into_iter().map(|(stage, client)| (stage, client.read_to_end())).collect();
    assert_eq!(server.exit_code(), Some(0), "{}", server.stderr());
    eprintln!("from the signal to the end: {:?}, of which the slowest answer 2 s", begin.elapsed());
    for (stage, said) in said {
        let said = String::from_utf8(said.unwrap_or_else(|error| panic!("{}: {error}", stage.name))).unwrap();
        assert!(said.starts_with(stage.begin) && said.ends_with(stage.end), "{}: {said:?}", stage.name);
        assert_eq!(said.is_empty(), stage.begin.is_empty(), "{}: {said:?}", stage.name);
    }
}
