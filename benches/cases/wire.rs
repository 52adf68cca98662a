//! Owns whole servers to be measured, and the two ways to talk to them without a kernel.
//!
//! ```text
//!   Tape      request, request, … FIN ──> server ──> counted and dropped     the server's own cost, nothing else
//!   Client    task ──duplex──> server ──duplex──> task                       with wakes and a peer, like a socket
//! ```

use std::io::{self, IoSlice};
use std::net::{Ipv4Addr, SocketAddr};
use std::sync::atomic::{AtomicUsize, Ordering::Relaxed};
use std::sync::{Arc, OnceLock};
use std::task::{Context, Poll};
use std::time::Duration;

use firstbyte::http::durations::Durations;
use firstbyte::http::middleware::{
    BodyLimit, Cors, Logger, RateLimit, Recover, RequestId, SecurityHeaders, Timeout, TrustedProxies, order,
};
use firstbyte::http::router::Routes;
use firstbyte::http::server::Watched;
use firstbyte::http::test::TestServer;
use firstbyte::http::{Handler, Json, Middleware, Request, Router, Server};
use firstbyte::net::{Duplex, MemoryStream, ReadHalf, WriteHalf, duplex};
use serde::Serialize;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::runtime::Runtime;

/// The address that the measured peer pretends to have.
const PEER: SocketAddr = SocketAddr::new(std::net::IpAddr::V4(Ipv4Addr::LOCALHOST), 1);

/// Bytes on the way in either direction of a [`Client`].
const DUPLEX_BYTES: usize = 64 * 1024;

/// One kind of traffic: what is sent at once, how many answers that brings, and what each ends with.
#[derive(Clone, Debug)]
pub struct Traffic {
    /// Its name in tables.
    pub name: &'static str,
    /// The bytes that are sent at once.
    pub batch: Vec<u8>,
    /// Requests in them.
    pub requests: usize,
    /// The content of each answer.
    pub content: Vec<u8>,
    /// What stands around the routes. What it costs is the difference to the same traffic without. No peer has its like.
    pub layers: Layers,
}

/// Stock middleware around the routes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Layers {
    /// None.
    None,
    /// None, but the server counts how long each request takes, as `firstbyte serve` does.
    Counted,
    /// What a public API has at least: [`five`].
    Five,
    /// All of them: [`nine`].
    Nine,
}

impl Traffic {
    fn new(name: &'static str, request: &[u8], requests: usize, content: &[u8]) -> Traffic {
        let (batch, content) = (request.repeat(requests), content.to_vec());
        Traffic { name, batch, requests, content, layers: Layers::None }
    }

    /// Checks the bytes that a server sent for one batch.
    ///
    /// # Panics
    /// When they are not the answers.
    fn check(&self, answers: &[u8]) {
        let text = String::from_utf8_lossy(answers);
        assert_eq!(text.matches("HTTP/1.1 200 OK\r\n").count(), self.requests, "{}: {text}", self.name);
        let head = text.find("\r\n\r\n").expect("a head") + 4;
        assert_eq!(answers.len(), (head + self.content.len()) * self.requests, "{}: {text}", self.name);
        for answer in answers.chunks(head + self.content.len()) {
            assert_eq!(&answer[head..], self.content, "{}: {text}", self.name);
        }
    }
}

/// The kinds of traffic that are measured.
pub fn traffic() -> [Traffic; 10] {
    let hello = b"Hello, World!";
    let plaintext: &[u8] = include_bytes!("../../tests/corpus/bench/benchmark-client-169.http");
    let json = replaced(plaintext, "/plaintext", "/json");
    let user = replaced(plaintext, "/plaintext", "/users/7");
    let echo = [b"POST /echo HTTP/1.1\r\nHost: a\r\nContent-Length: 1024\r\n\r\n".as_slice(), &[b'x'; 1024]].concat();
    let chunked = [
        b"POST /echo HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n400\r\n".as_slice(),
        &[b'x'; 1024],
        b"\r\n0\r\n\r\n",
    ];
    [
        Traffic::new("/plaintext", plaintext, 1, hello),
        Traffic::new("/plaintext pipelined by 16", plaintext, 16, hello),
        Traffic { layers: Layers::Counted, ..Traffic::new("/plaintext counted", plaintext, 1, hello) },
        Traffic {
            layers: Layers::Counted,
            ..Traffic::new("/plaintext counted, pipelined by 16", plaintext, 16, hello)
        },
        Traffic { layers: Layers::Five, ..Traffic::new("/plaintext behind five middleware", plaintext, 1, hello) },
        Traffic { layers: Layers::Nine, ..Traffic::new("/plaintext behind nine middleware", plaintext, 1, hello) },
        Traffic::new("/json", &json, 1, br#"{"message":"Hello, World!"}"#),
        Traffic::new("/users/{id}", &user, 1, b"7"),
        Traffic::new("/echo 1 KiB", &echo, 1, &[b'x'; 1024]),
        Traffic::new("/echo 1 KiB chunked", &chunked.concat(), 1, &[b'x'; 1024]),
    ]
}

fn replaced(request: &[u8], from: &str, to: &str) -> Vec<u8> {
    String::from_utf8_lossy(request).replacen(from, to, 1).into_bytes()
}

/// What `/json` answers.
#[derive(Clone, Copy, Serialize)]
pub(crate) struct Message {
    message: &'static str,
}

pub(crate) const JSON_MESSAGE: Message = Message { message: "Hello, World!" };

impl Message {
    pub(crate) fn to_json(self) -> Vec<u8> {
        serde_json::to_vec(&self).expect("a value that JSON can say")
    }
}

/// The routes that the traffic asks for.
fn routes() -> Routes {
    let routes = Router::new(())
        .route("GET /plaintext", |(), _| async { "Hello, World!" })
        .route("GET /json", |(), _| async { Json(JSON_MESSAGE) })
        .route("GET /users/{id}", |(), request: Request| async move { request.target_path()[7..].to_owned() })
        .route("POST /echo", |(), request: Request| async move { request.into_content() })
        .build();
    routes.expect("a table without conflicts")
}

/// Five stock middleware around `handler`. Nobody listens to the logger, and no limit is reached.
pub fn five(handler: impl Handler) -> impl Handler {
    let chain = Cors::any().around(unreached().around(handler));
    let chain = RequestId.around(Logger.around(Recover.around(chain)));
    assert_eq!(order(&chain).expect("the documented order").len(), 5);
    chain
}

/// All stock middleware around `handler`, as [`five`].
pub fn nine(handler: impl Handler) -> impl Handler {
    let chain = BodyLimit::new(1024 * 1024).around(Timeout::new(Duration::from_secs(5)).around(handler));
    let chain = SecurityHeaders::default().around(Cors::any().around(unreached().around(chain)));
    let chain = RequestId.around(TrustedProxies::new([]).around(Logger.around(Recover.around(chain))));
    assert_eq!(order(&chain).expect("the documented order").len(), 9);
    chain
}

/// A limit that nobody reaches, and that remembers little.
fn unreached() -> RateLimit {
    RateLimit::new(u16::MAX, Duration::from_millis(1))
}

/// A runtime of one thread, with timers.
pub fn runtime() -> Runtime {
    tokio::runtime::Builder::new_current_thread().enable_time().build().expect("a runtime")
}

/// A server that is fed from a tape.
pub struct Tape {
    drive: Box<dyn Fn(Duplex<TapeReader, TapeWriter>)>,
    traffic: Traffic,
}

impl Tape {
    /// A server for `traffic`, whose answers to one batch are checked.
    ///
    /// # Panics
    /// When they are wrong.
    pub fn new(traffic: Traffic) -> Tape {
        let drive = match traffic.layers {
            Layers::None => driving(serving(routes())),
            Layers::Counted => driving(counting(routes())),
            Layers::Five => driving(serving(five(routes()))),
            Layers::Nine => driving(serving(nine(routes()))),
        };
        let tape = Tape { drive, traffic };
        tape.serve(1);
        tape
    }

    /// Serves one connection on which the traffic's batch comes `batches` times. Returns the bytes of all answers.
    ///
    /// # Panics
    /// When an answer is missing, or the first ones are not right.
    pub fn serve(&self, batches: usize) -> usize {
        let (reader, writer) = tape(&self.traffic, batches);
        let sent = Arc::clone(&writer.sent);
        (self.drive)(Duplex { reader, writer });
        sent.check(&self.traffic, batches)
    }
}

/// Serves a connection with `server`, to its end.
fn driving(server: TestServer<impl Handler>) -> Box<dyn Fn(Duplex<TapeReader, TapeWriter>)> {
    let runtime = runtime();
    Box::new(move |stream| runtime.block_on(server.drive(PEER, stream)))
}

fn serving<H: Handler>(handler: H) -> TestServer<H> {
    TestServer::new(Server::new(handler))
}

fn counting<H: Handler>(handler: H) -> TestServer<H> {
    let watched = Watched { durations: Some(Durations::new()), ..Watched::default() };
    TestServer::new(Server::new(handler).watched_by(&watched))
}

/// Both ends of a tape.
pub(crate) fn tape(traffic: &Traffic, batches: usize) -> (TapeReader, TapeWriter) {
    let reader = TapeReader { batch: traffic.batch.clone(), at: 0, left: batches };
    (reader, TapeWriter { sent: Arc::default() })
}

/// What a server has written to a tape.
#[derive(Default)]
pub(crate) struct Sent {
    bytes: AtomicUsize,
    /// The first write: all answers of the first batch, since a server sends them at once.
    first: OnceLock<Vec<u8>>,
}

impl Sent {
    /// Checks the answers to the first batch, and that as many bytes were sent for each of the others.
    pub(crate) fn check(&self, traffic: &Traffic, batches: usize) -> usize {
        let (first, bytes) = (self.first.get().expect("an answer"), self.bytes.load(Relaxed));
        traffic.check(first);
        assert_eq!(bytes, first.len() * batches, "{}", traffic.name);
        bytes
    }

    /// Takes what a server writes at once.
    pub(crate) fn take(&self, slices: &[IoSlice<'_>]) -> usize {
        let count = slices.iter().map(|slice| slice.len()).sum();
        self.first.get_or_init(|| slices.iter().flat_map(|slice| slice.iter().copied()).collect());
        self.bytes.fetch_add(count, Relaxed);
        count
    }
}

pub(crate) struct TapeReader {
    batch: Vec<u8>,
    at: usize,
    left: usize,
}

pub(crate) struct TapeWriter {
    pub(crate) sent: Arc<Sent>,
}

impl ReadHalf for TapeReader {
    fn poll_read(&mut self, _: &mut Context<'_>, into: &mut [u8]) -> Poll<io::Result<usize>> {
        Poll::Ready(Ok(self.read(into)))
    }
}

impl TapeReader {
    /// Copies what is left of the batch in hand into `into`; 0 at the end of the tape.
    pub(crate) fn read(&mut self, into: &mut [u8]) -> usize {
        if self.left == 0 {
            return 0;
        }
        let rest = &self.batch[self.at..];
        let count = rest.len().min(into.len());
        into[..count].copy_from_slice(&rest[..count]);
        self.at += count;
        if self.at == self.batch.len() {
            self.at = 0;
            self.left -= 1;
        }
        count
    }
}

impl WriteHalf for TapeWriter {
    fn poll_write(&mut self, _: &mut Context<'_>, slices: &[IoSlice<'_>]) -> Poll<io::Result<usize>> {
        Poll::Ready(Ok(self.sent.take(slices)))
    }

    fn poll_shutdown(&mut self, _: &mut Context<'_>) -> Poll<io::Result<()>> {
        Poll::Ready(Ok(()))
    }

    fn poll_gone(&mut self, _: &mut Context<'_>) -> Poll<()> {
        Poll::Pending
    }

    fn abort(&mut self) {}
}

/// A client in memory, and the server behind it in a task of the same runtime.
pub struct Client<'r> {
    runtime: &'r Runtime,
    stream: MemoryStream,
    traffic: Traffic,
    answers: Vec<u8>,
}

impl<'r> Client<'r> {
    /// Joins a client to a new server, and checks the answers to one batch.
    ///
    /// # Panics
    /// When they are wrong.
    pub fn connect(runtime: &'r Runtime, traffic: Traffic) -> Client<'r> {
        let answers = vec![0; Tape::new(traffic.clone()).serve(1)];
        let (stream, served) = duplex(DUPLEX_BYTES);
        match traffic.layers {
            Layers::None => runtime.spawn(serving(routes()).drive(PEER, served)),
            Layers::Counted => runtime.spawn(counting(routes()).drive(PEER, served)),
            Layers::Five => runtime.spawn(serving(five(routes())).drive(PEER, served)),
            Layers::Nine => runtime.spawn(serving(nine(routes())).drive(PEER, served)),
        };
        let mut client = Client { runtime, stream, traffic, answers };
        client.exchange();
        client.traffic.check(&client.answers);
        client
    }

    /// Sends one batch and reads its answers.
    ///
    /// # Panics
    /// When the connection ends.
    pub fn exchange(&mut self) {
        let Client { runtime, stream, traffic, answers } = self;
        runtime.block_on(async {
            stream.write_all(&traffic.batch).await.expect("a server that reads");
            stream.read_exact(answers).await.expect("a server that answers");
        });
    }
}
