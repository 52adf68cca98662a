//! Fuzzes a whole server: arbitrary bytes, cut arbitrarily, over memory and under a paused clock.
//!
//! ```text
//!   bytes ── in one piece ──> server ──> answers ──┐
//!         ── cut ───────────> server ──> answers ──┴─ of the same statuses, unless content was streamed or ignored
//!                                          │
//!            each: well-formed, framed as httparse and RFC 9112 6.3 read it, of a documented status
//!            all:  one for every request that began; the connection ends, with a FIN, after a `close` or our own FIN
//!            and the handlers saw the requests that the cores find in the bytes, no other: nothing was smuggled
//! ```
//!
//! How the bytes are cut, and whether the client sends a FIN behind them, is drawn from a checksum of the bytes: so a
//! file of the corpus is a request and nothing else, and every finding repeats.

#![no_main]

use std::cell::RefCell;
use std::fmt;
use std::net::{Ipv4Addr, SocketAddr};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use firstbyte::http::error::CATALOGUE;
use firstbyte::http::h1::chunked::decode_whole;
use firstbyte::http::h1::framing::{Content, decide_request};
use firstbyte::http::h1::head::{HeadParser, Progress, RequestHead};
use firstbyte::http::input::Rejection;
use firstbyte::http::target::parse_target;
use firstbyte::http::test::TestServer;
use firstbyte::http::{Handler, IntoResponse, Limits, Method, Request, Response, Server, Status};
use firstbyte::net::{MemoryStream, duplex};
use libfuzzer_sys::fuzz_target;
use tokio::io::{AsyncReadExt, AsyncWriteExt, ReadHalf, WriteHalf};
use tokio::runtime::Runtime;
use tokio::time::timeout;

/// Longer than all deadlines of a connection together. Virtual: nobody waits.
const PATIENCE: Duration = Duration::from_secs(3_600);

/// Bytes that the wire holds in each direction: little, so that writes have to wait.
const WIRE_BYTES: usize = 512;

thread_local! {
    static RUNTIME: RefCell<Runtime> = RefCell::new(
        tokio::runtime::Builder::new_current_thread().enable_time().start_paused(true).build().expect("a runtime"),
    );
}

fuzz_target!(|input: &[u8]| {
    let mut draw = Draw::of(input);
    let limits = Limits {
        head_bytes_max: 1_024,
        field_lines_max: 12,
        target_bytes_max: 256,
        leading_empty_lines_max: 4,
        content_bytes_max: 512,
        drain_bytes_max: 256,
        output_bytes_max: 1_024,
        lenient_lines: draw.next(4) == 0,
        ..Limits::default()
    };
    let finishes = draw.next(2) == 0;
    let cuts = draw.cuts(input.len());
    let (whole, cut) = RUNTIME.with_borrow(|runtime| {
        let whole = runtime.block_on(play(&[input], finishes, &limits));
        let pieces: Vec<&[u8]> = cuts.windows(2).map(|cut| &input[cut[0]..cut[1]]).collect();
        (whole, runtime.block_on(play(&pieces, finishes, &limits)))
    });
    let begun = requests_begun(input, &limits);
    let statuses = whole.check(&begun);
    let statuses_cut = cut.check(&begun);
    if !whole.seen.depends_on_timing && !cut.seen.depends_on_timing {
        assert_eq!(statuses, statuses_cut, "{whole:?}\n{cut:?}");
    }
});

/// Numbers drawn from a checksum.
struct Draw(u64);

impl Draw {
    fn of(input: &[u8]) -> Draw {
        // FNV-1a.
        Draw(
            input
                .iter()
                .fold(0xcbf2_9ce4_8422_2325, |sum, &byte| (sum ^ u64::from(byte)).wrapping_mul(0x100_0000_01b3)),
        )
    }

    /// A number below `end`.
    fn next(&mut self, end: usize) -> usize {
        // Xorshift; the checksum of anything is as good as never 0.
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        (self.0 >> 16) as usize % end
    }

    /// Where `len` bytes are cut: from 0 to `len`, ascending.
    fn cuts(&mut self, len: usize) -> Vec<usize> {
        let mut cuts = vec![0, len];
        let most = if self.next(16) == 0 { len } else { 6 };
        for _ in 0..self.next(most + 1) {
            cuts.push(self.next(len + 1));
        }
        cuts.sort_unstable();
        cuts
    }
}

/// The method and the target of a request.
type Asked = (Method, String);

/// What the handlers saw.
#[derive(Clone, Debug, Default)]
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
            let mut seen = self.0.lock().expect("no panic while locked");
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

/// One connection, from the outside.
struct Played {
    answers: Vec<u8>,
    seen: Seen,
}

impl fmt::Debug for Played {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:?} answered:\n{}", self.seen, String::from_utf8_lossy(&self.answers))
    }
}

async fn play(pieces: &[&[u8]], finishes: bool, limits: &Limits) -> Played {
    let seen = Arc::<Mutex<Seen>>::default();
    let server = TestServer::new(Server::new(Answering(Arc::clone(&seen))).limits(limits.clone()));
    let (client, served) = duplex(WIRE_BYTES);
    let (reader, writer) = tokio::io::split(client);
    let peer = SocketAddr::from((Ipv4Addr::LOCALHOST, 50_000));
    let connection =
        async { tokio::join!(server.drive(peer, served), send(writer, pieces, finishes), receive(reader)).2 };
    let answers = timeout(PATIENCE, connection).await.expect("a connection that ends");
    let seen = seen.lock().expect("no panic while locked").clone();
    Played { answers, seen }
}

/// Sends `pieces`, each after the server had the time to act on the one before. Keeps the stream open.
async fn send(mut writer: WriteHalf<MemoryStream>, pieces: &[&[u8]], finishes: bool) -> WriteHalf<MemoryStream> {
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

async fn receive(mut reader: ReadHalf<MemoryStream>) -> Vec<u8> {
    let mut answers = Vec::new();
    reader.read_to_end(&mut answers).await.expect("an end by FIN, not by reset");
    answers
}

/// What a client makes of one answer.
struct Answer {
    status: u16,
    closes: bool,
    len: usize,
    broke_off: bool,
}

impl Played {
    /// Checks all answers, to the requests `begun`, and says their statuses.
    fn check(&self, begun: &[Begun]) -> Vec<u16> {
        let mut statuses = Vec::new();
        let (mut rest, mut closed) = (&self.answers[..], false);
        while !rest.is_empty() {
            assert!(!closed, "bytes behind the last answer: {self:?}");
            let index = statuses.len();
            let answer = self.answer(rest, begun.get(index).and_then(Begun::method));
            rest = &rest[answer.len..];
            if answer.status == 100 {
                continue;
            }
            let documented = [200, 204].contains(&answer.status)
                || CATALOGUE.iter().any(|entry| entry.status.code() == answer.status && answer.status != 500);
            assert!(documented, "undocumented: {}: {self:?}", answer.status);
            assert!(index < self.seen.requests.len() || answer.closes, "a refusal closes: {self:?}");
            closed = answer.closes || answer.broke_off;
            statuses.push(answer.status);
        }
        assert!(statuses.len() <= begun.len(), "more answers than requests: {begun:?}, {self:?}");
        assert!(statuses.len() == begun.len() || closed, "silence after {}: {begun:?}, {self:?}", statuses.len());
        assert!(statuses.len() >= self.seen.requests.len(), "a handler's answer was lost: {self:?}");
        let seen = self.seen.requests.iter().map(Some);
        assert!(seen.eq(begun[..self.seen.requests.len()].iter().map(Begun::asked)), "smuggled: {begun:?}, {self:?}");
        statuses
    }

    /// Reads one answer off `bytes`: to a request of `method`, or to something whose method is not known.
    fn answer(&self, bytes: &[u8], method: Option<Method>) -> Answer {
        let mut slots = [httparse::EMPTY_HEADER; 64];
        let mut head = httparse::Response::new(&mut slots);
        let Ok(httparse::Status::Complete(head_len)) = head.parse(bytes) else { panic!("no head: {self:?}") };
        assert_eq!(head.version, Some(1));
        let status = head.code.expect("a whole head");
        let all = |name: &str| -> Vec<&[u8]> {
            let named = head.headers.iter().filter(|header| header.name.eq_ignore_ascii_case(name));
            named.map(|header| header.value).collect()
        };
        let (lengths, codings) = (all("Content-Length"), all("Transfer-Encoding"));
        let closes = all("Connection").contains(&b"close".as_slice());
        let (len, broke_off) = match (&lengths[..], &codings[..]) {
            _ if status == 100 || status == 204 => {
                assert!(lengths.is_empty() && codings.is_empty(), "content where there is none: {self:?}");
                (0, false)
            }
            _ if method == Some(Method::HEAD) => (0, false),
            // RFC 9112 6.3 item 2: a tunnel follows, here one without bytes.
            _ if method == Some(Method::CONNECT) && status / 100 == 2 => (0, false),
            ([length], []) => {
                let length = std::str::from_utf8(length).ok().and_then(|length| length.parse::<usize>().ok());
                let length = length.unwrap_or_else(|| panic!("no length: {self:?}"));
                (length.min(bytes.len() - head_len), length > bytes.len() - head_len)
            }
            ([], [b"chunked"]) => match decode_whole(&bytes[head_len..], &Limits::default()) {
                Ok(Some(whole)) => (whole.used, false),
                Ok(None) => (bytes.len() - head_len, true),
                Err(error) => panic!("{error}: {self:?}"),
            },
            ([], []) => {
                assert!(closes, "content without an end: {self:?}");
                (bytes.len() - head_len, false)
            }
            _ => panic!("two opinions on framing: {self:?}"),
        };
        assert!(!broke_off || self.seen.depends_on_timing, "an answer broke off: {self:?}");
        Answer { status, closes, len: head_len + len, broke_off }
    }
}

/// A request that has begun, as far as the cores can tell.
#[derive(Debug)]
enum Begun {
    Understood(Asked),
    /// Its head is malformed or incomplete; its first bytes may still say that no content is wanted.
    Refused {
        to_head: bool,
    },
}

impl Begun {
    fn asked(&self) -> Option<&Asked> {
        if let Begun::Understood(asked) = self { Some(asked) } else { None }
    }

    fn method(&self) -> Option<Method> {
        match self {
            Begun::Understood(asked) => Some(asked.0),
            Begun::Refused { to_head } => to_head.then_some(Method::HEAD),
        }
    }
}

/// RFC 9110 9.3.2: no content in the answer, also where the rest of the head is wrong.
fn asks_for_head(understood: &[u8]) -> bool {
    understood.trim_ascii_start().starts_with(b"HEAD ")
}

/// The requests that begin in `input`, as far as the cores can tell: up to the first that is malformed, incomplete or
/// the last of its connection.
fn requests_begun(input: &[u8], limits: &Limits) -> Vec<Begun> {
    let (mut rest, mut begun) = (input, Vec::new());
    loop {
        let mut head = RequestHead::default();
        let len = match HeadParser::default().parse(rest, limits, &mut head) {
            Ok(Progress::Done { len }) => len,
            Ok(Progress::NeedMore) if rest.iter().all(|byte| matches!(byte, b'\r' | b'\n')) => return begun,
            refused => {
                let understood = refused.map_or_else(|error| &rest[..error.at], |_| rest);
                begun.push(Begun::Refused { to_head: asks_for_head(understood) });
                return begun;
            }
        };
        let method = Method::parse(head.method().of(rest)).expect("what the parser accepts");
        let target = String::from_utf8_lossy(head.target().of(rest)).into_owned();
        begun.push(Begun::Understood((method, target)));
        match content_len(method, head, rest, len, limits) {
            Some(used) => rest = &rest[len + used..],
            None => return begun,
        }
    }
}

/// Bytes of the content behind a head of `len` bytes, unless the request is refused, incomplete or the last.
fn content_len(method: Method, mut head: RequestHead, bytes: &[u8], len: usize, limits: &Limits) -> Option<usize> {
    let (version, target) = (head.version(), parse_target(method, bytes, head.target()));
    let framing = decide_request(version, method, &head.take_fields(bytes[..len].to_vec())).ok()?;
    let content = &bytes[len..];
    let used = match framing.content {
        Content::None => Some(0),
        Content::Length(length) => usize::try_from(length).ok().filter(|length| *length <= content.len()),
        Content::Chunked => decode_whole(content, limits).ok()?.map(|whole| whole.used),
    };
    used.filter(|_| target.is_ok() && framing.keep_alive)
}
