//! Owns the in-process client: drives a handler as a function, or a whole server over memory, without a socket.
//!
//! The one idea: an [`Answer`] is the same value however it was got, so a test that began with a function goes over the
//! wire by changing one line.
//!
//! ```text
//!   call(&handler, request) ──────────────────────────────────────────────> Answer
//!   TestServer ── connect ──> TestConnection ── bytes ──> driver ──> bytes ──> Answer
//!                             send · finish · reset       (the real one, over net::memory)
//! ```
//!
//! Run tests with `#[tokio::test(start_paused = true)]`: the clock then jumps to the next deadline as soon as nobody has
//! work, so a test of a 60 s deadline takes no time and always goes the same way.
//!
//! ```
//! use firstbyte::http::test::{TestServer, call};
//! use firstbyte::http::{Request, Server};
//!
//! # #[tokio::main(flavor = "current_thread")]
//! # async fn main() {
//! let hello = |_: Request| async { "Hello, World!" };
//! assert_eq!(call(&hello, Request::get("/")).await.text(), "Hello, World!");
//!
//! let mut connection = TestServer::new(Server::new(hello)).connect();
//! connection.send("GET / HTTP/1.1\r\nHost: x\r\n\r\n").await;
//! assert_eq!(connection.read_response().await.text(), "Hello, World!");
//! # }
//! ```
//!
//! Spec: RFC 9112 4 (status-line), 6.3 (length of a response), 7.1 (chunks); RFC 9110 15 (status codes).
//! Stricter than a client should be: what a server of ours must not send is a panic, as is all that goes wrong.
//! Never: opens a socket; decides anything about requests: it sends the bytes it is given.
//! Limits: [`PATIENCE`] for each wait.

use std::io;
use std::net::{Ipv4Addr, SocketAddr};
use std::sync::{Arc, Once};
use std::time::Duration;

use serde::de::DeserializeOwned;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::runtime::Handle;
use tokio::task::JoinHandle;
use tokio::time::timeout;

use crate::http::h1::chunked::{Decoder, Event};
use crate::http::server::{Shared, Watched};
use crate::http::{Fields, Handler, Limits, Method, Request, Response, Server, Status};
use crate::net::memory::{MemoryStream, duplex};
use crate::net::transport::Transport;

/// How long a wait may last before the test fails: longer than any default deadline.
pub const PATIENCE: Duration = Duration::from_secs(600);

/// Bytes that the memory between client and server holds in each direction, as a kernel would.
pub const WIRE_BYTES: usize = 64 * 1024;

/// Bytes for which each read has room.
const READ_BYTES: usize = 16 * 1024;

/// The limits of what a client here accepts: none that a server is to be tested for.
const TRUSTED: Limits = Limits {
    head_bytes_max: 1 << 20,
    field_lines_max: 1 << 10,
    target_bytes_max: 0,
    method_bytes_max: 0,
    leading_empty_lines_max: 0,
    content_bytes_max: u64::MAX,
    chunk_line_bytes_max: 1 << 10,
    chunk_extension_bytes_max: 0,
    trailer_bytes_max: 1 << 20,
    drain_bytes_max: 0,
    output_bytes_max: 0,
    lenient_lines: false,
};

/// The answer of `handler` to `request`, content collected.
///
/// # Panics
/// When the content breaks off.
pub async fn call(handler: &impl Handler, request: Request) -> Answer {
    Answer::of(handler.handle(request).await).await
}

/// An answer, as its receiver sees it.
#[derive(Clone, Debug)]
pub struct Answer {
    /// The status.
    pub status: Status,
    /// The field lines.
    pub fields: Fields,
    /// The content, transfer coding taken off.
    pub content: Vec<u8>,
    /// The trailer section.
    pub trailers: Fields,
}

impl Answer {
    /// What `response` says.
    ///
    /// # Panics
    /// When its content breaks off.
    pub async fn of(mut response: Response) -> Answer {
        let content = response.body_mut().collect(u64::MAX).await;
        let content = content.unwrap_or_else(|error| panic!("the content broke off: {error}")).to_vec();
        let trailers = response.body_mut().trailers().unwrap_or_default();
        Answer { status: response.status(), fields: response.fields().clone(), content, trailers }
    }

    /// The content as text.
    ///
    /// # Panics
    /// When it is no UTF-8.
    pub fn text(&self) -> &str {
        std::str::from_utf8(&self.content).expect("text")
    }

    /// The content as JSON.
    ///
    /// # Panics
    /// When it is not JSON of that shape.
    pub fn json<T: DeserializeOwned>(&self) -> T {
        serde_json::from_slice(&self.content).unwrap_or_else(|error| panic!("{error}: {}", self.text()))
    }

    /// The value of the first field line called `name`, when it is UTF-8.
    pub fn field(&self, name: &str) -> Option<&str> {
        self.fields.text(name)
    }

    /// Whether the connection ends with this answer, as its head says (RFC 9112 9.6).
    pub fn closes(&self) -> bool {
        self.fields.list("Connection").any(|option| option.eq_ignore_ascii_case(b"close"))
    }
}

/// A whole server over memory. Each connection is a task on the runtime of the test.
pub struct TestServer<H> {
    shared: Arc<Shared<H>>,
    /// Whether the deadlines of waiting connections are looked at, which needs a runtime.
    watching: Once,
}

impl<H: Handler> TestServer<H> {
    /// Takes `server` into service.
    pub fn new(server: Server<H>) -> TestServer<H> {
        TestServer { shared: server.share(), watching: Once::new() }
    }

    /// A new connection from `127.0.0.1`.
    ///
    /// # Panics
    /// Outside of a tokio runtime.
    pub fn connect(&self) -> TestConnection {
        self.connect_from(SocketAddr::from((Ipv4Addr::LOCALHOST, 50_000)))
    }

    /// A new connection from `peer`.
    ///
    /// # Panics
    /// Outside of a tokio runtime.
    pub fn connect_from(&self, peer: SocketAddr) -> TestConnection {
        self.connect_over(peer, WIRE_BYTES, |stream| stream)
    }

    /// A new connection over a wire that holds `wire_bytes` in each direction; `wrap` may put a transport of its own
    /// around the server's end, one that injects faults, say.
    ///
    /// # Panics
    /// Outside of a tokio runtime.
    pub fn connect_over<T: Transport>(
        &self,
        peer: SocketAddr,
        wire_bytes: usize,
        wrap: impl FnOnce(MemoryStream) -> T,
    ) -> TestConnection {
        let (client, server) = duplex(wire_bytes);
        let driver = tokio::spawn(self.drive(peer, wrap(server)));
        TestConnection { stream: client, driver, received: Vec::new(), reading: Reading::Head, trailers: Fields::new() }
    }

    /// What serves one connection to its end, for a test that polls it itself.
    pub fn drive<T: Transport>(&self, peer: SocketAddr, transport: T) -> impl Future<Output = ()> + Send + use<T, H> {
        if let Ok(runtime) = Handle::try_current() {
            self.watching.call_once(|| drop(runtime.spawn(self.shared.watch_deadlines())));
        }
        Arc::clone(&self.shared).drive(transport, peer, None)
    }

    /// Its shutdown, its table of connections, its events.
    pub fn watched(&self) -> &Watched {
        &self.shared.watch
    }

    /// Begins the shutdown: what is at work is finished.
    pub fn shut_down(&self) {
        self.shared.watch.shutdown.begin();
        self.shared.watch.registry.wake_all();
    }

    /// Ends all connections now.
    pub fn force_down(&self) {
        self.shared.force();
    }
}

/// The client's end of one connection to a [`TestServer`]. Dropping it closes it.
pub struct TestConnection {
    stream: MemoryStream,
    driver: JoinHandle<()>,
    received: Vec<u8>,
    reading: Reading,
    trailers: Fields,
}

/// Where in a response the client is.
enum Reading {
    Head,
    Length(u64),
    Chunked(Box<Decoder>),
    UntilClose,
}

impl TestConnection {
    /// Sends `bytes`, as they are. Waits while the wire is full.
    ///
    /// # Panics
    /// When the server takes no more.
    pub async fn send(&mut self, bytes: impl AsRef<[u8]>) {
        self.try_send(bytes).await.expect("the server takes bytes");
    }

    /// As [`TestConnection::send`].
    ///
    /// # Errors
    /// When the server has closed or reset the connection.
    pub async fn try_send(&mut self, bytes: impl AsRef<[u8]>) -> io::Result<()> {
        patiently("the server reads", self.stream.write_all(bytes.as_ref())).await
    }

    /// Sends a FIN: this end sends no more, and still reads.
    pub async fn finish(&mut self) {
        self.stream.shutdown().await.expect("a FIN can always be sent");
    }

    /// Resets the connection, and waits until the server is done with it.
    ///
    /// # Panics
    /// When the server's task has panicked.
    pub async fn reset(self) {
        self.stream.reset();
        patiently("the connection ends", self.driver).await.expect("the driver does not panic");
    }

    /// Closes the connection, and waits until the server is done with it.
    ///
    /// # Panics
    /// As [`TestConnection::reset`].
    pub async fn close(self) {
        drop(self.stream);
        patiently("the connection ends", self.driver).await.expect("the driver does not panic");
    }

    /// Whether the server is done with this connection.
    pub fn is_over(&self) -> bool {
        self.driver.is_finished()
    }

    /// The next response, to any request but HEAD and CONNECT. An interim one (1xx) counts.
    ///
    /// # Panics
    /// When something else comes, or the end.
    ///
    /// # Cancel safety
    /// Dropping the future loses the content read so far.
    pub async fn read_response(&mut self) -> Answer {
        self.read_response_to(Method::GET).await
    }

    /// The next response, to a request of `method`.
    ///
    /// # Panics
    /// As [`TestConnection::read_response`].
    pub async fn read_response_to(&mut self, method: Method) -> Answer {
        let mut answer = self.read_head_to(method).await;
        while let Some(piece) = self.read_piece().await {
            answer.content.extend_from_slice(&piece);
        }
        answer.trailers = std::mem::take(&mut self.trailers);
        answer
    }

    /// The head of the next response; [`TestConnection::read_piece`] reads its content.
    ///
    /// # Panics
    /// As [`TestConnection::read_response`].
    pub async fn read_head(&mut self) -> Answer {
        self.read_head_to(Method::GET).await
    }

    async fn read_head_to(&mut self, method: Method) -> Answer {
        assert!(matches!(self.reading, Reading::Head), "the content of the last response was not read");
        let len = loop {
            match self.received.windows(4).position(|bytes| bytes == b"\r\n\r\n") {
                Some(at) => break at + 4,
                None => assert!(self.fill().await > 0, "the end came instead of a head: {}", self.shown()),
            }
        };
        let head: Vec<u8> = self.received.drain(..len).collect();
        let (status, fields) = parse_head(&head);
        self.reading = Reading::of(method, status, &fields);
        Answer { status, fields, content: Vec::new(), trailers: Fields::new() }
    }

    /// The next piece of the content, as it comes; `None` at the end.
    ///
    /// # Panics
    /// When the content is malformed or breaks off.
    pub async fn read_piece(&mut self) -> Option<Vec<u8>> {
        self.try_read_piece().await.unwrap_or_else(|error| panic!("the content broke off: {error}"))
    }

    /// As [`TestConnection::read_piece`].
    ///
    /// # Errors
    /// When the connection ends before the content does, by a FIN or a reset.
    ///
    /// # Cancel safety
    /// Dropping the future loses nothing.
    pub async fn try_read_piece(&mut self) -> io::Result<Option<Vec<u8>>> {
        loop {
            if let Some(step) = self.step() {
                return Ok(step);
            }
            if self.try_fill().await? == 0 {
                if !matches!(self.reading, Reading::UntilClose) {
                    return Err(io::ErrorKind::UnexpectedEof.into());
                }
                self.reading = Reading::Head;
                return Ok(None);
            }
        }
    }

    /// What comes until the server sends a FIN, as it is. An end without one is an error.
    ///
    /// # Errors
    /// When the server resets the connection.
    pub async fn read_to_end(&mut self) -> io::Result<Vec<u8>> {
        while self.try_fill().await? > 0 {}
        Ok(std::mem::take(&mut self.received))
    }

    /// What has come and comes while no time passes: all that the server has to say for now.
    pub async fn received(&mut self) -> Vec<u8> {
        let _ = timeout(Duration::from_millis(1), async { while self.fill().await > 0 {} }).await;
        std::mem::take(&mut self.received)
    }

    /// The server has closed and said nothing more; closes too, and waits until it is done.
    ///
    /// # Panics
    /// When bytes come, or a reset.
    pub async fn expect_closed(mut self) {
        let rest = self.read_to_end().await.expect("a FIN");
        assert!(rest.is_empty(), "more came: {}", String::from_utf8_lossy(&rest));
        self.close().await;
    }

    /// What the bytes at hand yield: a piece, or the end; `None` when more are needed.
    fn step(&mut self) -> Option<Option<Vec<u8>>> {
        match &mut self.reading {
            Reading::Head => Some(None),
            Reading::Length(0) => {
                self.reading = Reading::Head;
                Some(None)
            }
            _ if self.received.is_empty() => None,
            Reading::Length(left) => {
                let count = self.received.len().min(usize::try_from(*left).unwrap_or(usize::MAX));
                *left -= count as u64;
                Some(Some(self.received.drain(..count).collect()))
            }
            Reading::UntilClose => Some(Some(std::mem::take(&mut self.received))),
            Reading::Chunked(decoder) => {
                let step = decoder.step(&self.received, &TRUSTED).expect("well-formed chunks");
                let bytes = self.received.drain(..step.used).collect();
                match step.event {
                    Event::Data { .. } => Some(Some(bytes)),
                    Event::ChunkHead { .. } => self.step(),
                    Event::NeedMore => None,
                    Event::End => {
                        self.trailers = decoder.take_trailers();
                        self.reading = Reading::Head;
                        Some(None)
                    }
                }
            }
        }
    }

    async fn fill(&mut self) -> usize {
        self.try_fill().await.unwrap_or_else(|error| panic!("{error} behind: {}", self.shown()))
    }

    async fn try_fill(&mut self) -> io::Result<usize> {
        self.received.reserve(READ_BYTES);
        patiently("the server says something", self.stream.read_buf(&mut self.received)).await
    }

    fn shown(&self) -> String {
        format!("{:?}", String::from_utf8_lossy(&self.received))
    }
}

impl Reading {
    /// RFC 9112 6.3, as the receiver of a response.
    fn of(method: Method, status: Status, fields: &Fields) -> Reading {
        let length = fields.all("Content-Length").collect::<Vec<_>>();
        let codings = fields.all("Transfer-Encoding").collect::<Vec<_>>();
        let undeclared = status.is_informational() || status == Status::NO_CONTENT;
        assert!(length.len() + codings.len() <= 1, "one framing field: {fields:?}");
        assert!(!undeclared || length.len() + codings.len() == 0, "no framing in a {status}: {fields:?}");
        match (&*length, &*codings) {
            _ if method == Method::HEAD || status.forbids_content() => Reading::Head,
            _ if method == Method::CONNECT && status.is_success() => Reading::Head,
            ([length], _) => {
                let length = std::str::from_utf8(length).ok().and_then(|length| length.parse().ok());
                Reading::Length(length.expect("Content-Length is a number"))
            }
            (_, [coding]) => {
                assert_eq!(*coding, b"chunked");
                Reading::Chunked(Box::default())
            }
            _ => Reading::UntilClose,
        }
    }
}

/// RFC 9112 4 and 5, in the one way in which firstbyte writes them.
fn parse_head(head: &[u8]) -> (Status, Fields) {
    let text = std::str::from_utf8(head).expect("a head in UTF-8");
    let (line, lines) = text.split_once("\r\n").expect("a head ends in two line ends");
    let status = line.strip_prefix("HTTP/1.1 ").and_then(|rest| rest.split_once(' '));
    let status = status.and_then(|(code, _)| code.parse().ok().and_then(Status::new));
    let mut fields = Fields::new();
    for line in lines.split("\r\n").take_while(|line| !line.is_empty()) {
        let (name, value) = line.split_once(": ").unwrap_or_else(|| panic!("no field line: {line:?}"));
        fields.append(name, value).unwrap_or_else(|error| panic!("{error}: {line:?}"));
    }
    (status.unwrap_or_else(|| panic!("no status-line: {line:?}")), fields)
}

async fn patiently<T>(awaited: &str, work: impl Future<Output = T>) -> T {
    let done = timeout(PATIENCE, work).await;
    done.unwrap_or_else(|_| panic!("waited {} s until {awaited}", PATIENCE.as_secs()))
}
