//! The ledger, row by row: firstbyte keeps what it says, as it says, however the bytes arrive; and other servers do not.
//!
//! The one idea: the rows that judge any server over sockets are played here over memory, where time costs nothing and
//! our decision can be compared to the code.

use std::collections::HashSet;
use std::io;
use std::pin::Pin;
use std::task::{Context, Poll, ready};
use std::time::Duration;

use firstbyte::conformance::{Ending, Level, Pace, Probe, Proof, Requirement, Seen, Step, Target, play, rows};
use firstbyte::http::middleware::from_fn::{Next, from_fn};
use firstbyte::http::router::{RouteOptions, Routes};
use firstbyte::http::test::{TestServer, WIRE_BYTES};
use firstbyte::http::{Request, Router, Server};
use firstbyte::net::memory::{MemoryStream, duplex};
use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt, ReadBuf};
use tokio::time::{Instant, Sleep, sleep};

use crate::attacks::sources;

/// Larger probes are not sent byte by byte.
const BYTEWISE_MAX: usize = 32 * 1024;

/// How the bytes of a probe arrive.
#[derive(Clone, Copy, Debug, PartialEq)]
enum Arrival {
    Whole,
    Bytewise,
    /// In two pieces with a silence between them.
    CutAt(usize),
}

fn routes() -> Routes {
    let large = RouteOptions { content_bytes_max: Some(1 << 31), ..RouteOptions::default() };
    Router::new(())
        .route("GET /", |(), _| async { "Hello, World!\n" })
        .route_with("POST /echo", large, |(), request: Request| async { request.into_content() })
        .build()
        .unwrap()
}

fn target() -> Target {
    Target { host: "conformance.test".to_owned(), get: "/".to_owned(), echo: Some("/echo".to_owned()) }
}

fn probes() -> impl Iterator<Item = (&'static Requirement, Probe)> {
    rows().filter_map(|row| match row.proof {
        Proof::Probe(probe) => Some((row, probe)),
        Proof::Test(_) | Proof::Departure(_) => None,
    })
}

#[tokio::test(start_paused = true)]
async fn every_row_is_kept_as_decided_however_its_bytes_arrive() {
    let server = TestServer::new(Server::new(routes()));
    let mut faults = Vec::new();
    for (row, probe) in probes() {
        for arrival in arrivals(&probe) {
            let (client, end) = duplex(WIRE_BYTES);
            tokio::spawn(server.drive(([127, 0, 0, 1], 1).into(), end));
            let seen = play(Arriving::new(client, arrival), probe.steps, &target(), &Pace::default()).await;
            let verdict = (probe.holds)(&seen).and_then(|()| as_decided(row, &probe, &seen));
            if let Err(why) = verdict {
                let (id, came) = (row.id, seen.received.escape_ascii().to_string());
                faults.push(format!("{id} ({arrival:?}): {why}\n    {came:.2000} {:?}", seen.ending));
                break;
            }
        }
    }
    assert!(faults.is_empty(), "{} rows\n{}", faults.len(), faults.join("\n"));
}

#[tokio::test(start_paused = true)]
async fn a_server_that_does_not_persist_breaks_no_must() {
    let closes = |request, next: Next<_>| async move { next.handle(request).await.with_close() };
    let server = TestServer::new(Server::new(from_fn(closes, routes())));
    let mut failed = Vec::new();
    for (row, probe) in probes().filter(|(row, _)| row.level != Level::Choice) {
        let (client, end) = duplex(WIRE_BYTES);
        tokio::spawn(server.drive(([127, 0, 0, 1], 1).into(), end));
        let seen = play(client, probe.steps, &target(), &Pace::default()).await;
        failed.extend((probe.holds)(&seen).err().map(|why| format!("{}: {why}", row.id)));
    }
    assert_eq!(failed, ["connection/persists: one answer (200), not 2"]);
}

fn arrivals(probe: &Probe) -> Vec<Arrival> {
    let total = bytes_of(probe);
    let cuts = [1, total / 4, total / 2, total * 3 / 4, total.saturating_sub(1)];
    let cuts: Vec<usize> = cuts.into_iter().filter(|&at| (1..total).contains(&at)).collect();
    let bytewise = (total <= BYTEWISE_MAX).then_some(Arrival::Bytewise);
    [Arrival::Whole].into_iter().chain(bytewise).chain(cuts.into_iter().map(Arrival::CutAt)).collect()
}

fn bytes_of(probe: &Probe) -> usize {
    let times = |step: &Step| if let Step::Fill(_, times) = step { *times } else { 1 };
    probe.steps.iter().map(|step| target().fill_in(step).len() * times(step)).sum()
}

/// The decision names the status of the first final answer and the code in it, or `close`.
fn as_decided(row: &Requirement, probe: &Probe, seen: &Seen) -> Result<(), String> {
    let mut words = row.decision.split_ascii_whitespace().map(|word| word.trim_matches([',', ':', ';']));
    let (first, second) = (words.next().unwrap_or_default(), words.next().unwrap_or_default());
    let answer = seen.finals().next();
    let status = answer.map_or("close".to_owned(), |answer| answer.status.to_string());
    // An answer that has begun when a fault is found cannot say so any more.
    if answer.is_some_and(|answer| !answer.is_whole) && row.decision.ends_with("breaks off") {
        return Ok(());
    }
    if first != status {
        return Err(format!("{status}, decided is {}", row.decision));
    }
    let is_head = probe.steps.iter().any(|step| matches!(step, Step::SendHead(_)));
    let is_code = second.starts_with("H1-") || second.starts_with("HTTP-");
    let content = answer.map(|answer| String::from_utf8_lossy(&answer.content)).unwrap_or_default();
    if is_code && !is_head && !content.contains(second) {
        return Err(format!("not {second}"));
    }
    Ok(())
}

#[test]
fn rows_are_written_alike() {
    let sources = sources();
    let mut ids = HashSet::new();
    for row in rows() {
        let id = row.id;
        assert!(ids.insert(id), "{id} stands twice");
        let is_name = |name: &str| {
            !name.is_empty() && name.bytes().all(|byte| byte.is_ascii_lowercase() || b"-0123456789".contains(&byte))
        };
        let (family, name) = id.split_once('/').unwrap_or_default();
        assert!(is_name(family) && is_name(name), "{id} is no family/name");
        let file = format!("src/conformance/ledger/{}.rs", family.replace('-', "_"));
        assert!(
            std::fs::read_to_string(&file).unwrap_or_default().contains(&format!("\"{id}\"")),
            "{id} is not in {file}"
        );
        assert!(is_section(row.section), "{id}: {:?} is no section", row.section);
        assert!(!row.says.is_empty() && !row.says.ends_with('.'), "{id}: {:?}", row.says);
        // A report shows a row alone.
        let first = row.says.split(' ').next().unwrap_or_default();
        assert!(!["so", "nor", "also", "it", "likewise"].contains(&first), "{id} leans on another row: {first}");
        match row.proof {
            Proof::Test(test) | Proof::Departure(test) => {
                assert!(sources.contains(&format!("fn {test}(")), "{id}: no test is called {test}")
            }
            Proof::Probe(probe) => {
                let first = row.decision.split([' ', ',', ':', ';']).next().unwrap_or_default();
                assert!(first == "close" || first.parse::<u16>().is_ok(), "{id}: decided is {:?}", row.decision);
                assert!(probe.steps.iter().any(|step| !matches!(step, Step::Await | Step::Pause)), "{id} does nothing");
            }
        }
    }
}

/// `RFC 9112 6.3`, several with commas or `RFC` between them.
fn is_section(section: &str) -> bool {
    let mut words = section.split([' ', ',']).filter(|word| !word.is_empty());
    let is_number = |word: &str| word.bytes().all(|byte| byte.is_ascii_digit() || byte == b'.') && !word.ends_with('.');
    words.next() == Some("RFC")
        && words.all(|word| word == "RFC" || is_number(word))
        && section.len() > "RFC 9112".len()
}

/// A server that is none.
#[derive(Clone, Copy, Debug)]
enum Broken {
    ClosesAtOnce,
    Silent,
    /// 200 to every read, and the connection stays open.
    AgreesToAll,
    /// What no client understands, then a close.
    Garbage,
    /// A head that promises more than comes.
    BreaksOff,
    /// 400 to everything, and a close.
    RefusesAll,
    /// A greeting, as other protocols have it.
    SpeaksFirst,
    /// Another protocol, whatever was asked for.
    Switches,
}

#[tokio::test(start_paused = true)]
async fn servers_that_are_none_do_not_keep_the_ledger_and_every_row_can_fail() {
    let mut never_failed: Vec<&str> = probes().map(|(row, _)| row.id).collect();
    for broken in Broken::ALL {
        let mut kept = Vec::new();
        for (row, probe) in probes() {
            let (client, end) = duplex(WIRE_BYTES);
            tokio::spawn(broken.serve(end));
            let seen = play(client, probe.steps, &target(), &Pace::default()).await;
            if (probe.holds)(&seen).is_ok() {
                kept.push(row.id);
            }
        }
        never_failed.retain(|id| kept.contains(id));
        // To refuse everything is right where a refusal is asked for. Of the others, a few rows ask for no more than a close,
        // or say what must not be in an answer.
        let most = if matches!(broken, Broken::RefusesAll) { 70 } else { 10 };
        let of = probes().count();
        assert!(kept.len() * 100 <= of * most, "{broken:?} keeps {} of {of}: {kept:?}", kept.len());
    }
    assert!(never_failed.is_empty(), "no broken server fails these: {never_failed:?}");
}

impl Broken {
    const ALL: [Broken; 8] = [
        Broken::ClosesAtOnce,
        Broken::Silent,
        Broken::AgreesToAll,
        Broken::Garbage,
        Broken::BreaksOff,
        Broken::RefusesAll,
        Broken::SpeaksFirst,
        Broken::Switches,
    ];

    async fn serve(self, mut stream: MemoryStream) {
        let mut buffer = [0; 16 * 1024];
        let say = match self {
            Broken::ClosesAtOnce => return,
            Broken::Silent => Vec::new(),
            Broken::AgreesToAll => b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok".to_vec(),
            Broken::Garbage => (0..100_000_u32).map(|index| (index.wrapping_mul(2_654_435_761) >> 24) as u8).collect(),
            Broken::BreaksOff => b"HTTP/1.1 200 OK\r\nContent-Length: 200\r\n\r\nok".to_vec(),
            Broken::SpeaksFirst => b"220 mail.invalid ESMTP\r\n".to_vec(),
            Broken::Switches => b"HTTP/1.1 101 Switching Protocols\r\nUpgrade: other/1\r\n\r\n".to_vec(),
            Broken::RefusesAll => {
                b"HTTP/1.1 400 Bad Request\r\nContent-Length: 0\r\nConnection: close\r\n\r\n".to_vec()
            }
        };
        let speaks_first = matches!(self, Broken::SpeaksFirst);
        while speaks_first || matches!(stream.read(&mut buffer).await, Ok(1..)) {
            let goes_on = matches!(self, Broken::Silent | Broken::AgreesToAll);
            if stream.write_all(&say).await.is_err() || !goes_on {
                break;
            }
        }
    }
}

#[tokio::test(start_paused = true)]
async fn a_server_that_never_ends_is_left() {
    for endless in ["HTTP/1.1 100 Continue\r\n\r\n", "x", "HTTP/1.1 200 OK\r\nX: y\r\n", "HTTP/1.1 200 OK\r\n\r\n"] {
        let (client, mut end) = duplex(WIRE_BYTES);
        let piece = endless.repeat(32 * 1024 / endless.len());
        tokio::spawn(async move { while end.write_all(piece.as_bytes()).await.is_ok() {} });
        let steps = [Step::Send("GET / HTTP/1.1\r\n\r\n"), Step::Await, Step::Fill("x", 1 << 20)];
        let seen = play(client, &steps, &target(), &Pace::default()).await;
        assert!(seen.all(1).is_err(), "{endless:?}");
        assert!(seen.received.len() + seen.rest.len() <= 3 << 20, "{endless:?}");
    }
}

/// What the player makes of `steps` against a server that does as `script` says, a byte for each thing: `r` reads, `a` answers,
/// `i` answers in between, `c` closes, `x` resets, `h` holds the connection without reading.
async fn played(steps: &[Step], script: &'static str) -> (Vec<u16>, Ending, Duration) {
    let (client, mut end) = duplex(WIRE_BYTES);
    tokio::spawn(async move {
        for act in script.bytes() {
            match act {
                b'r' => drop(end.read(&mut [0; 16 * 1024]).await),
                b'a' => end.write_all(b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok").await.unwrap_or_default(),
                b'i' => end.write_all(b"HTTP/1.1 100 Continue\r\n\r\n").await.unwrap_or_default(),
                b'x' => return end.reset(),
                b'h' => sleep(Duration::from_secs(600)).await,
                _ => return,
            }
        }
    });
    let start = Instant::now();
    let seen = play(client, steps, &target(), &Pace::default()).await;
    (seen.answers.iter().map(|answer| answer.status).collect(), seen.ending, start.elapsed())
}

#[tokio::test(start_paused = true)]
async fn steps_are_played_as_written_and_waits_are_bounded() {
    let send = Step::Send("GET / HTTP/1.1\r\n\r\n");
    let much = Step::Fill("0123456789abcdef", 1 << 16);
    let [none, moment, silence, answer] = [0, 100, 1000, 3000].map(Duration::from_millis);
    let check = async |steps: &[Step], script, statuses: &[u16], ending, time| {
        assert_eq!(played(steps, script).await, (statuses.to_vec(), ending, time), "{script} {steps:?}");
    };
    check(&[send], "rac", &[200], Ending::Closed, none).await;
    check(&[send], "rah", &[200], Ending::Open, silence).await;
    check(&[send], "rh", &[], Ending::Open, answer + silence).await;
    check(&[send], "rx", &[], Ending::Reset, none).await;
    check(&[send, Step::Await, send], "rirac", &[100, 200], Ending::Closed, none).await;
    check(&[send, Step::Await, send], "rrac", &[200], Ending::Closed, answer).await;
    check(&[send, Step::Await, send, Step::Await, send], "riarac", &[100, 200, 200], Ending::Closed, none).await;
    check(&[send, Step::Pause, send], "rrac", &[200], Ending::Closed, moment).await;
    check(&[send, Step::Finish], "rrac", &[200], Ending::Closed, none).await;
    // An answer in the middle of much is seen, and so is the end; a server that takes nothing does not hold the player.
    check(&[much], "rac", &[200], Ending::Reset, none).await;
    check(&[much, send], "rah", &[200], Ending::Open, answer + silence).await;
    check(&[much, send, Step::Await], "h", &[], Ending::Open, answer + answer + answer + silence).await;
}

/// A client whose bytes arrive in some way.
struct Arriving {
    stream: MemoryStream,
    arrival: Arrival,
    written: usize,
    /// Before the next byte.
    silence: Option<Pin<Box<Sleep>>>,
    is_due: bool,
}

impl Arriving {
    fn new(stream: MemoryStream, arrival: Arrival) -> Arriving {
        Arriving { stream, arrival, written: 0, silence: None, is_due: false }
    }

    fn poll_due(&mut self, cx: &mut Context<'_>) -> Poll<()> {
        match self.arrival {
            Arrival::Bytewise if !std::mem::replace(&mut self.is_due, true) => {
                // The server is woken already, and looks before this comes again.
                cx.waker().wake_by_ref();
                Poll::Pending
            }
            Arrival::CutAt(at) if at == self.written => {
                let silence = self.silence.get_or_insert_with(|| Box::pin(sleep(Duration::from_millis(1))));
                silence.as_mut().poll(cx)
            }
            _ => Poll::Ready(()),
        }
    }
}

impl AsyncRead for Arriving {
    fn poll_read(mut self: Pin<&mut Self>, cx: &mut Context<'_>, into: &mut ReadBuf<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_read(cx, into)
    }
}

impl AsyncWrite for Arriving {
    fn poll_write(mut self: Pin<&mut Self>, cx: &mut Context<'_>, bytes: &[u8]) -> Poll<io::Result<usize>> {
        ready!(self.poll_due(cx));
        let room = match self.arrival {
            Arrival::Bytewise => 1,
            Arrival::CutAt(at) if at > self.written => at - self.written,
            _ => bytes.len(),
        };
        let count = ready!(Pin::new(&mut self.stream).poll_write(cx, &bytes[..bytes.len().min(room)]))?;
        self.written += count;
        self.is_due = false;
        Poll::Ready(Ok(count))
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_flush(cx)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_shutdown(cx)
    }
}
