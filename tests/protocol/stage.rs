//! Owns the server that these tests talk to, and the one way in which they state what it says.
//!
//! The one idea: an exchange is two lines, what is sent and what is answered, and every table of exchanges is played
//! whole, one at a time, byte by byte and cut in two at each byte, over a wire that flows and one that stutters, watched
//! and not: the answers must be the same.

use std::cell::Cell;
use std::io::{self, IoSlice};
use std::pin::Pin;
use std::task::{Context, Poll, ready};
use std::time::Duration;

use bytes::Bytes;
use firstbyte::http::body::{BodyError, Source};
use firstbyte::http::router::{Disconnect, RouteOptions, Routes};
use firstbyte::http::test::{Answer, TestConnection, TestServer, WIRE_BYTES};
use firstbyte::http::{Body, IntoResponse, Method, Problem, Request, Response, Router, Server, Status};
use firstbyte::net::memory::MemoryStream;
use firstbyte::net::transport::{Duplex, ReadHalf, Transport, WriteHalf};
use tokio::task::yield_now;
use tokio::time::{sleep, timeout};

/// Whether the server has closed after the last answer.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum After {
    Open,
    Closed,
}

/// How the bytes of a script arrive.
#[derive(Clone, Copy, Debug)]
enum Arrival {
    Whole,
    OneByOne,
    Bytewise,
    CutAt(usize),
}

/// Lines are written with `|` for CR LF.
pub fn wire(text: &str) -> String {
    text.replace('|', "\r\n")
}

/// Sends all requests and compares each answer's summary; an answer of "" is not awaited.
pub async fn check(server: &TestServer<impl firstbyte::http::Handler>, exchanges: &[(&str, &str)], after: After) {
    let length = exchanges.iter().map(|(request, _)| wire(request).len()).sum();
    let cuts = (1..length).map(Arrival::CutAt);
    for (index, arrival) in [Arrival::Whole, Arrival::OneByOne, Arrival::Bytewise].into_iter().chain(cuts).enumerate() {
        let _watch = (index % 3 == 0).then(|| server.watched().hub.watch());
        let mut connection = if index % 2 == 0 { server.connect() } else { stuttering(server) };
        let answers = play(&mut connection, exchanges, arrival).await;
        let expected: Vec<_> =
            exchanges.iter().map(|(_, answer)| *answer).filter(|answer| !answer.is_empty()).collect();
        assert_eq!(answers, expected, "{arrival:?} {exchanges:?}");
        assert_eq!(state(&mut connection).await, after, "{arrival:?} {exchanges:?}");
    }
}

/// A connection whose server reads and writes a few bytes at a time, and is kept waiting before each.
fn stuttering(server: &TestServer<impl firstbyte::http::Handler>) -> TestConnection {
    let stutter = |stream: MemoryStream| {
        let (reader, writer) = stream.split();
        Duplex { reader: Stutter { half: reader, ready: false }, writer: Stutter { half: writer, ready: false } }
    };
    server.connect_over(([127, 0, 0, 1], 1).into(), WIRE_BYTES, stutter)
}

/// A half that is ready every second time, for at most [`STUTTER_BYTES`].
struct Stutter<H> {
    half: H,
    ready: bool,
}

const STUTTER_BYTES: usize = 13;

impl<H> Stutter<H> {
    fn poll_ready(&mut self, cx: &Context<'_>) -> Poll<()> {
        self.ready = !self.ready;
        if self.ready {
            return Poll::Ready(());
        }
        cx.waker().wake_by_ref();
        Poll::Pending
    }
}

impl<H: ReadHalf> ReadHalf for Stutter<H> {
    fn poll_read(&mut self, cx: &mut Context<'_>, into: &mut [u8]) -> Poll<io::Result<usize>> {
        ready!(self.poll_ready(cx));
        let room = into.len().min(STUTTER_BYTES);
        self.half.poll_read(cx, &mut into[..room])
    }
}

impl<H: WriteHalf> WriteHalf for Stutter<H> {
    fn poll_write(&mut self, cx: &mut Context<'_>, slices: &[IoSlice<'_>]) -> Poll<io::Result<usize>> {
        ready!(self.poll_ready(cx));
        let first = slices.iter().find(|slice| !slice.is_empty()).map_or(&[][..], |slice| slice);
        self.half.poll_write(cx, &[IoSlice::new(&first[..first.len().min(STUTTER_BYTES)])])
    }

    fn poll_shutdown(&mut self, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        ready!(self.poll_ready(cx));
        self.half.poll_shutdown(cx)
    }

    fn poll_gone(&mut self, cx: &mut Context<'_>) -> Poll<()> {
        self.half.poll_gone(cx)
    }

    fn rest(&mut self) {
        self.half.rest();
    }

    fn abort(&mut self) {
        self.half.abort();
    }
}

async fn play(connection: &mut TestConnection, exchanges: &[(&str, &str)], arrival: Arrival) -> Vec<String> {
    let all: String = exchanges.iter().map(|(request, _)| wire(request)).collect();
    match arrival {
        Arrival::Whole => send(connection, all.as_bytes()).await,
        Arrival::CutAt(at) => {
            send(connection, &all.as_bytes()[..at]).await;
            send(connection, &all.as_bytes()[at..]).await;
        }
        Arrival::Bytewise => {
            for byte in all.as_bytes() {
                send(connection, &[*byte]).await;
            }
        }
        Arrival::OneByOne => {}
    }
    let mut answers = Vec::new();
    for (request, expected) in exchanges {
        if matches!(arrival, Arrival::OneByOne) {
            send(connection, wire(request).as_bytes()).await;
        }
        if !expected.is_empty() {
            let method = Method::parse(request.trim_start_matches('|').split(' ').next().unwrap().as_bytes());
            answers.push(summary(&connection.read_response_to(method.unwrap_or(Method::GET)).await));
        }
    }
    answers
}

/// Sends, and lets the server look. It may have closed already: that is for the answers to tell.
pub async fn send(connection: &mut TestConnection, bytes: &[u8]) {
    let _ = connection.try_send(bytes).await;
    yield_now().await;
}

/// Whether the server has closed, when it has said all.
pub async fn state(connection: &mut TestConnection) -> After {
    match timeout(Duration::from_millis(1), connection.read_to_end()).await {
        Err(_) => {
            let unexpected = connection.received().await;
            assert!(unexpected.is_empty(), "more came: {}", String::from_utf8_lossy(&unexpected));
            After::Open
        }
        Ok(rest) => {
            let rest = rest.expect("a FIN");
            assert!(rest.is_empty(), "more came: {}", String::from_utf8_lossy(&rest));
            After::Closed
        }
    }
}

/// An answer in one line: status, the code of a refusal, framing where it matters, what is said about the connection,
/// and content that is short.
pub fn summary(answer: &Answer) -> String {
    let mut words = vec![answer.status.code().to_string()];
    let text = String::from_utf8_lossy(&answer.content);
    let mut tokens = text.split(|c: char| c.is_whitespace() || "\"()#".contains(c));
    if answer.status.is_error() {
        words.extend(tokens.find(|word| word.starts_with("H1-") || word.starts_with("HTTP-")).map(str::to_owned));
    }
    words.extend(answer.field("allow").map(|methods| format!("[{methods}]")));
    words.extend(answer.fields.list("connection").map(|option| String::from_utf8_lossy(option).into_owned()));
    if !answer.status.is_error() && !answer.content.is_empty() {
        let short = text.chars().count() <= 40;
        words.push(if short { text.into_owned() } else { format!("({} bytes)", answer.content.len()) });
    }
    words.join(" ")
}

/// The server of these tests.
pub fn server() -> TestServer<Routes> {
    TestServer::new(Server::new(routes()))
}

pub fn routes() -> Routes {
    let large = RouteOptions { content_bytes_max: Some(1 << 31), ..RouteOptions::default() };
    let apart = RouteOptions { disconnect: Disconnect::Notify, ..RouteOptions::default() };
    let small = RouteOptions { content_bytes_max: Some(8), ..RouteOptions::default() };
    Router::new(())
        .route("GET /hello", |(), _| async { "hello" })
        .route("GET /empty", |(), _| async { Status::NO_CONTENT })
        .route("GET /unchanged", |(), _| async { Response::text("never sent").with_status(Status::NOT_MODIFIED) })
        .route("GET /close", |(), _| async { Response::text("bye").with_close() })
        .route("GET /interim", |(), _| async { Status::CONTINUE })
        .route("GET /stream", |(), _| async { streamed(3) })
        .route("GET /slow", |(), _| async {
            sleep(Duration::from_secs(2)).await;
            "slow"
        })
        .route("GET /stuck", |(), _| async {
            sleep(Duration::from_secs(1_000)).await;
            "never"
        })
        .route("GET /bytes/{n}", |(), request: Request| async move { vec![b'x'; request.path::<usize>("n").unwrap()] })
        .route("GET /break", |(), _| async { broken() })
        .route("GET /breaks-at-once", |(), _| async { scripted(&[Ok("begun")]) })
        .route("GET /too-short", |(), _| async { declared(8) })
        .route("GET /too-long", |(), _| async { declared(6) })
        .route("GET /panics-first", |(), _| async { scripted(&[Err("panic")]) })
        .route("GET /panics-later", |(), _| async { scripted(&[Ok("begun"), Err("panic")]) })
        .route_with("GET /panic-apart", apart, |(), _| async { panics() })
        .route("GET /panic", |(), _| async { panics() })
        .route_with("POST /echo", large, |(), request: Request| async { request.into_content() })
        .route("POST /collect", |(), request: Request| async { collect(request).await })
        .route_with("POST /small", small, |(), request: Request| async { collect(request).await })
        .route("POST /ignore", |(), _| async { "ignored" })
        .route("POST /first", |(), mut request: Request| async move { first(&mut request).await })
        .route("POST /trailers", |(), request: Request| async { trailers(request).await })
        .route("POST /keep", |(), request: Request| async { keep(request.into_content()) })
        .route("POST /keep/{n}", |(), request: Request| async move {
            let content = vec![b'x'; request.path::<usize>("n").unwrap()];
            keep(request.into_content()).with_content("text/plain", content)
        })
        .route("POST /impatient", |(), mut request: Request| async move {
            let patience = timeout(Duration::from_secs(1), request.content().next()).await;
            if patience.is_ok() { "patient" } else { "impatient" }
        })
        .route("GET /endless", |(), _| async { endless() })
        .route("POST /refuse", |(), _| async { Response::text("no").with_status(Status::FORBIDDEN) })
        .build()
        .unwrap()
}

fn panics() -> Response {
    panic!("as this test wants it")
}

/// Three pieces of an answer whose length is not known.
fn streamed(pieces: usize) -> Body {
    let (sender, body) = Body::channel(1);
    tokio::spawn(async move {
        for piece in 0..pieces {
            if sender.send(format!("piece {piece};")).await.is_err() {
                return;
            }
        }
    });
    body
}

/// Seven bytes in two pieces, whose source says that there are `length`.
fn declared(length: u64) -> Body {
    struct Declared(u64, Vec<&'static str>);
    impl Source for Declared {
        fn poll_next(mut self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<Option<Result<Bytes, BodyError>>> {
            let piece = self.1.pop();
            self.0 -= piece.map_or(0, |piece| piece.len() as u64).min(self.0);
            Poll::Ready(piece.map(|piece| Ok(Bytes::from_static(piece.as_bytes()))))
        }

        fn length(&self) -> Option<u64> {
            Some(self.0)
        }
    }
    Body::source(Declared(length, vec!["!!", "begun"]))
}

/// Pieces without waiting, then a panic where one is written, else a failure.
fn scripted(script: &'static [Result<&'static str, &'static str>]) -> Body {
    struct Scripted(std::slice::Iter<'static, Result<&'static str, &'static str>>);
    impl Source for Scripted {
        fn poll_next(mut self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<Option<Result<Bytes, BodyError>>> {
            Poll::Ready(Some(match self.0.next() {
                Some(Ok(piece)) => Ok(Bytes::from_static(piece.as_bytes())),
                Some(Err(_)) => panic!("as this test wants it"),
                None => Err(BodyError::Source("as this test wants it".into())),
            }))
        }
    }
    Body::source(Scripted(script.iter()))
}

fn broken() -> Body {
    let (sender, body) = Body::channel(1);
    tokio::spawn(async move {
        sender.send("begun").await.unwrap();
        sender.fail("as this test wants it").await;
    });
    body
}

/// The content's length, or what was wrong with it.
pub async fn collect(mut request: Request) -> Response {
    let most = request.content_bytes_max();
    match request.content().collect(most).await {
        Ok(content) => format!("{} bytes", content.len()).into_response(),
        Err(error) => Problem::of_body(error).into_response(),
    }
}

/// One piece of the content; the rest is dropped.
async fn first(request: &mut Request) -> Response {
    match request.content().next().await {
        Some(Ok(_)) => "some".into_response(),
        Some(Err(error)) => Problem::of_body(error).into_response(),
        None => "none".into_response(),
    }
}

/// The names in the trailer section.
async fn trailers(mut request: Request) -> Response {
    let content = request.content();
    match content.collect(100).await {
        Ok(_) => format!("{:?}", content.trailers().unwrap_or_default()).into_response(),
        Err(error) => Problem::of_body(error).into_response(),
    }
}

/// Answers, while a task reads on.
fn keep(mut content: Body) -> Response {
    tokio::spawn(async move {
        sleep(Duration::from_secs(1)).await;
        while let Some(Ok(_)) = content.next().await {}
    });
    "kept".into_response()
}

thread_local! {
    /// Bytes that [`endless`] has produced in this test, which has a thread of its own.
    pub static PRODUCED: Cell<usize> = const { Cell::new(0) };
}

/// Pieces of 1 KiB without end and without waiting.
fn endless() -> Body {
    struct Endless;
    impl Source for Endless {
        fn poll_next(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<Option<Result<Bytes, BodyError>>> {
            PRODUCED.set(PRODUCED.get() + 1024);
            Poll::Ready(Some(Ok(Bytes::from_static(&[b'x'; 1024]))))
        }
    }
    Body::source(Endless)
}
