//! Judges a whole server: arbitrary bytes, cut arbitrarily, over memory and under a paused clock.
//!
//! ```text
//!   bytes ── in one piece ──> server ──> answers ──┐
//!         ── cut ───────────> server ──> answers ──┴─ of the same statuses, unless content was streamed or ignored
//!                                          │
//!            each: well-formed, framed one way, of a documented status
//!            all:  one for every request that began; the connection ends, with a FIN, after a `close` or our own FIN;
//!                  with a reset only where a FIN would make half an answer look whole
//!            and the handlers saw the requests that the cores find in the bytes, no other: nothing was smuggled
//! ```
//!
//! How the bytes are cut, and whether the client sends a FIN behind them, is drawn from the bytes themselves. Servers and
//! runtime are built once and serve one connection after the other.
//!
//! Limits: small ones, so that inputs of a few hundred bytes meet them.

use std::fmt;
use std::net::{Ipv4Addr, SocketAddr};
use std::sync::{Arc, Mutex, MutexGuard};
use std::time::Duration;

use firstbyte::http::error::CATALOGUE;
use firstbyte::http::input::Rejection;
use firstbyte::http::test::TestServer;
use firstbyte::http::{Handler, IntoResponse, Limits, Request, Response, Server, Status};
use firstbyte::net::{MemoryStream, duplex};
use tokio::io::{AsyncReadExt, AsyncWriteExt, ReadHalf, WriteHalf};
use tokio::runtime::{Builder, Runtime};
use tokio::time::timeout;

use super::answers::read_answer;
use super::begun::{Asked, Begun, requests_begun};
use super::draw::Draw;

/// Longer than all deadlines of a connection together. Virtual: nobody waits.
const PATIENCE: Duration = Duration::from_secs(3_600);

/// Bytes that the wire holds in each direction: little, so that writes have to wait.
const WIRE_BYTES: usize = 512;

/// Most places at which an input is cut, nearly always.
const FEW_CUTS: usize = 6;

/// And now and then: a trickle.
const MANY_CUTS: usize = 64;

/// Servers that are asked again and again.
pub struct Exchanges {
    runtime: Runtime,
    strict: Served,
    lenient: Served,
}

impl Default for Exchanges {
    fn default() -> Exchanges {
        let limits = Limits {
            head_bytes_max: 1_024,
            field_lines_max: 12,
            target_bytes_max: 256,
            leading_empty_lines_max: 4,
            content_bytes_max: 512,
            drain_bytes_max: 256,
            output_bytes_max: 1_024,
            ..Limits::default()
        };
        Exchanges {
            runtime: Builder::new_current_thread().enable_time().start_paused(true).build().expect("a runtime"),
            lenient: Served::with(Limits { lenient_lines: true, ..limits.clone() }),
            strict: Served::with(limits),
        }
    }
}

impl Exchanges {
    /// Sends `input`, whole and cut. Says the statuses of the answers to the whole of it.
    ///
    /// # Panics
    /// When anything that is promised does not hold.
    pub fn judge(&self, input: &[u8]) -> Vec<u16> {
        let _shown = ShownOnPanic(input);
        let mut draw = Draw::of(input);
        let served = if draw.next(4) == 0 { &self.lenient } else { &self.strict };
        let finishes = draw.next(2) == 0;
        let most = if draw.next(16) == 0 { MANY_CUTS } else { FEW_CUTS };
        let cuts = draw.cuts(input.len(), most);
        let begun = requests_begun(input, &served.limits);
        let whole = self.runtime.block_on(served.play([input], finishes));
        let statuses = whole.check(&begun);
        let pieces = cuts.windows(2).map(|cut| &input[cut[0]..cut[1]]);
        let cut = self.runtime.block_on(served.play(pieces, finishes));
        let statuses_cut = cut.check(&begun);
        if !whole.seen.depends_on_timing && !cut.seen.depends_on_timing {
            assert_eq!(statuses, statuses_cut, "{whole:?}\n{cut:?}");
        }
        statuses
    }
}

/// Says which bytes made a judge panic, wherever it did.
struct ShownOnPanic<'a>(&'a [u8]);

impl Drop for ShownOnPanic<'_> {
    fn drop(&mut self) {
        if std::thread::panicking() {
            eprintln!("the input was: {}", self.0.escape_ascii());
        }
    }
}

/// A server and its limits.
struct Served {
    server: TestServer<Answering>,
    seen: Arc<Mutex<Seen>>,
    limits: Limits,
}

/// What the handlers saw.
#[derive(Debug, Default)]
struct Seen {
    requests: Vec<Asked>,
    /// Content was streamed back or ignored: whether a fault in it is found before the answer begins depends on how
    /// much of it has come.
    depends_on_timing: bool,
}

/// Reads all content and says how long it was; `/echo` streams it back, `/ignore` does not look at it.
struct Answering(Arc<Mutex<Seen>>);

impl Handler for Answering {
    async fn handle(&self, mut request: Request) -> Response {
        let (echoes, ignores) = (request.target_path() == "/echo", request.target_path() == "/ignore");
        {
            let mut seen = lock(&self.0);
            seen.requests.push((request.method(), request.target().to_owned()));
            seen.depends_on_timing |= echoes || ignores;
        }
        if echoes {
            return request.into_content().into_response();
        }
        if ignores {
            return Status::NO_CONTENT.into_response();
        }
        let bytes_max = request.content_bytes_max();
        match request.content().collect(bytes_max).await {
            Ok(content) => format!("{} bytes", content.len()).into_response(),
            Err(error) => Rejection::from(error).into_response(),
        }
    }
}

fn lock(seen: &Mutex<Seen>) -> MutexGuard<'_, Seen> {
    seen.lock().expect("no panic while locked")
}

impl Served {
    fn with(limits: Limits) -> Served {
        let seen = Arc::<Mutex<Seen>>::default();
        let server = TestServer::new(Server::new(Answering(Arc::clone(&seen))).limits(limits.clone()));
        Served { server, seen, limits }
    }

    /// One connection, on which `pieces` are sent.
    async fn play<'a>(&self, pieces: impl IntoIterator<Item = &'a [u8]>, finishes: bool) -> Played {
        let (client, served) = duplex(WIRE_BYTES);
        let (reader, writer) = tokio::io::split(client);
        let peer = SocketAddr::from((Ipv4Addr::LOCALHOST, 50_000));
        let connection =
            async { tokio::join!(self.server.drive(peer, served), send(writer, pieces, finishes), receive(reader)).2 };
        let (answers, reset) = timeout(PATIENCE, connection).await.expect("a connection that ends");
        Played { answers, reset, seen: std::mem::take(&mut lock(&self.seen)) }
    }
}

/// Sends `pieces`, each after the server had the time to act on the one before. Keeps the stream open.
async fn send<'a>(
    mut writer: WriteHalf<MemoryStream>,
    pieces: impl IntoIterator<Item = &'a [u8]>,
    finishes: bool,
) -> WriteHalf<MemoryStream> {
    for piece in pieces {
        if writer.write_all(piece).await.is_err() {
            return writer;
        }
        for _ in 0..3 {
            tokio::task::yield_now().await;
        }
    }
    if finishes {
        // The server may have closed first.
        let _ = writer.shutdown().await;
    }
    writer
}

/// All that comes, and whether it ends by a reset.
async fn receive(mut reader: ReadHalf<MemoryStream>) -> (Vec<u8>, bool) {
    let mut answers = Vec::with_capacity(WIRE_BYTES);
    let end = reader.read_to_end(&mut answers).await;
    (answers, end.is_err())
}

/// One connection, from the outside.
struct Played {
    answers: Vec<u8>,
    reset: bool,
    seen: Seen,
}

impl fmt::Debug for Played {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:?} answered:\n{}", self.seen, String::from_utf8_lossy(&self.answers))
    }
}

impl Played {
    /// Checks all answers, to the requests `begun`, and says their statuses.
    fn check(&self, begun: &[Begun]) -> Vec<u16> {
        let mut statuses = Vec::new();
        let (mut rest, mut closed, mut may_reset) = (&self.answers[..], false, false);
        while !rest.is_empty() {
            assert!(!closed, "bytes behind the last answer: {self:?}");
            let index = statuses.len();
            let answer = read_answer(rest, begun.get(index).and_then(Begun::method));
            let answer = answer.unwrap_or_else(|wrong| panic!("{wrong}: {self:?}"));
            assert!(!answer.broke_off || self.seen.depends_on_timing, "an answer broke off: {self:?}");
            rest = &rest[answer.len..];
            if answer.status == 100 {
                continue;
            }
            assert!(is_documented(answer.status), "undocumented: {}: {self:?}", answer.status);
            assert!(index < self.seen.requests.len() || answer.closes, "a refusal closes: {self:?}");
            closed = answer.closes || answer.broke_off;
            // RFC 9112 8: behind a FIN, what breaks off would look whole.
            may_reset = answer.ends_by_close && self.seen.depends_on_timing;
            statuses.push(answer.status);
        }
        assert!(!self.reset || may_reset, "a reset in place of a FIN: {self:?}");
        assert!(statuses.len() <= begun.len(), "more answers than requests: {begun:?}, {self:?}");
        assert!(statuses.len() == begun.len() || closed, "silence after {}: {begun:?}, {self:?}", statuses.len());
        assert!(statuses.len() >= self.seen.requests.len(), "a handler's answer was lost: {self:?}");
        let seen = self.seen.requests.iter().map(Some);
        assert!(seen.eq(begun[..self.seen.requests.len()].iter().map(Begun::asked)), "smuggled: {begun:?}, {self:?}");
        statuses
    }
}

/// Said by the handlers here, or to a condition; or a refusal of the catalogue, but never 500, which only a fault of ours
/// would be.
fn is_documented(status: u16) -> bool {
    [200, 204, 304].contains(&status)
        || CATALOGUE.iter().any(|entry| entry.status.code() == status && entry.status != Status::INTERNAL_SERVER_ERROR)
}
