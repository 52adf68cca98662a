//! Owns the way from an address to an open WebSocket: TCP, the opening handshake, and then the driver.
//!
//! ```text
//!   ws://host:port/path ──TCP──▶ stream ──handshake──▶ Opened ──a task that drives it──▶ Socket
//!                  connect_within     handshake_within    └─ bytes that came behind the answer
//! ```
//!
//! ```no_run
//! use firstbyte::ws::client::{ClientConfig, connect};
//!
//! # async fn run() -> Result<(), Box<dyn std::error::Error>> {
//! let mut socket = connect("ws://127.0.0.1:8080/ws", &ClientConfig::default()).await?;
//! socket.send("hello").await?;
//! while let Some(message) = socket.next().await {
//!     println!("{message:?}");
//! }
//! # Ok(()) }
//! ```
//!
//! Spec: RFC 6455 4.1 (items 1, 4 and 5 of the first list). Item 2 asks for one opening handshake at a time for each server:
//! whoever opens many at once knows whose server that is, and this does not hold them back.
//! Never: follows a redirection; tries again; speaks TLS.

use std::fmt;
use std::io;
use std::sync::Arc;
use std::time::Duration;

use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio::time::{Instant, timeout};

use crate::net::connection::{Connection, Inbound};
use crate::net::deadline::Phase;
use crate::net::registry::{Card, Registered, Registry};
use crate::net::shutdown::Shutdown;
use crate::net::tap::{Hub, Tap, What};
use crate::net::transport::Transport;
use crate::ws::Role;
use crate::ws::config::Config;
use crate::ws::deflate::{self, Deflate, Disagreement};
use crate::ws::driver::Driver;
use crate::ws::handshake::client::{Agreed, Ask, AskError, Handshake, HandshakeError};
use crate::ws::handshake::url::{Url, UrlError};
use crate::ws::keys::Keys;
use crate::ws::machine::Machine;
use crate::ws::outbox::Mailbox;
use crate::ws::socket::Socket;

/// Bytes that are read at once of an answer.
const READ_BYTES: usize = 4 * 1024;

/// How a client opens a WebSocket.
#[derive(Clone, Debug)]
pub struct ClientConfig {
    /// Subprotocols that are offered, the preferred one first. Default none.
    pub protocols: Vec<String>,
    /// Further field lines of the request, such as Origin, Cookie or Authorization. Default none. One called Host takes
    /// the place of ours.
    pub fields: Vec<(String, String)>,
    /// How long a TCP connection may take to come about, looking up its name included. Default 10 s.
    pub connect_within: Duration,
    /// How long the answer to the handshake may take from then on. Default 10 s.
    pub handshake_within: Duration,
    /// How the socket behaves from then on. Its `protocols` and `origins` are for servers.
    pub socket: Config,
    /// The table that connections are entered in.
    pub registry: Arc<Registry>,
    /// Where their events are told while somebody watches.
    pub hub: Arc<Hub>,
}

impl Default for ClientConfig {
    fn default() -> ClientConfig {
        ClientConfig {
            protocols: Vec::new(),
            fields: Vec::new(),
            connect_within: Duration::from_secs(10),
            handshake_within: Duration::from_secs(10),
            socket: Config::default(),
            registry: Registry::new(),
            hub: Hub::new(),
        }
    }
}

/// A connection after its opening handshake.
#[derive(Debug)]
pub struct Opened {
    /// The connection. What the server sends next is frames.
    pub stream: TcpStream,
    /// What was agreed, and the frames that have come already.
    pub agreed: Agreed,
    registered: Registered,
    tap: Tap,
}

/// Why there is no WebSocket.
#[derive(Debug)]
pub enum ConnectError {
    /// The address is none.
    Url(UrlError),
    /// What the configuration wants cannot be asked.
    Ask(AskError),
    /// No connection came about.
    Connect(io::Error),
    /// The connection did not come about in time.
    ConnectTimeout,
    /// The connection broke during the handshake.
    Broken(io::Error),
    /// The answer did not come in time.
    HandshakeTimeout,
    /// The answer was not a yes.
    Handshake(HandshakeError),
    /// It agreed to an extension that was not offered so.
    Extensions(Disagreement),
    /// The system has no random bytes.
    Random(io::Error),
}

/// Opens a WebSocket to `url`. A task of its own drives it, until it is over.
///
/// # Errors
/// [`ConnectError`]; nothing is left open then.
///
/// # Cancel safety
/// Dropping the future closes the connection.
///
/// # Panics
/// Outside of a tokio runtime.
pub async fn connect(url: &str, config: &ClientConfig) -> Result<Socket, ConnectError> {
    let keys = Keys::new().map_err(ConnectError::Random)?;
    let Opened { stream, agreed, registered, mut tap } = open(url, config).await?;
    let deflate = agreed_deflate(&agreed, &config.socket)?;
    let connection = connection(stream, &agreed.early, &registered, &tap);
    let mailbox = Arc::new(Mailbox::new(config.socket.queue_bytes_max, config.socket.queue_messages_max));
    let machine = Machine::new(Role::Client, config.socket.limits, deflate);
    let driver = Driver::new(connection, &config.socket, machine, Arc::clone(&mailbox), Some(keys));
    let socket = Socket::new(mailbox, registered.peer(), agreed.protocol);
    tokio::spawn(async move {
        // The application has a task of its own.
        driver.run(async {}).await;
        if tap.is_watched() {
            tap.tell(What::Closed {
                why: "the WebSocket is over".to_owned(),
                card: registered.snapshot(Instant::now()),
            });
        }
    });
    Ok(socket)
}

/// Connects to `url` and does the opening handshake, for those who drive the connection themselves.
///
/// # Errors
/// [`ConnectError`]; nothing is left open then.
///
/// # Cancel safety
/// Dropping the future closes the connection.
pub async fn open(url: &str, config: &ClientConfig) -> Result<Opened, ConnectError> {
    let url = Url::parse(url).map_err(ConnectError::Url)?;
    let extensions = config.socket.compression.as_ref().map(deflate::offer);
    let ask = Ask { protocols: &config.protocols, extensions: extensions.as_deref(), fields: &config.fields };
    let mut nonce = [0; 16];
    getrandom::fill(&mut nonce).map_err(|error| ConnectError::Random(error.into()))?;
    let mut handshake = Handshake::new(&url, &ask, nonce).map_err(ConnectError::Ask)?;
    let mut stream = reach(&url, config.connect_within).await?;
    let registered = config.registry.register(stream.peer_addr().map_err(ConnectError::Connect)?, Instant::now());
    let mut tap = config.hub.tap(&registered);
    if tap.is_watched() {
        tap.tell(What::Connected { peer: registered.peer() });
    }
    handshake.tell_request(&mut tap);
    let answered = timeout(config.handshake_within, shake_hands(&mut stream, &mut handshake)).await;
    handshake.tell_answer(&mut tap);
    match answered {
        Ok(agreed) => Ok(Opened { agreed: agreed?, stream, registered, tap }),
        // A refusal whose content does not end is a refusal all the same.
        Err(_) => Err(match handshake.ended() {
            HandshakeError::Ended => ConnectError::HandshakeTimeout,
            refused => ConnectError::Handshake(refused),
        }),
    }
}

/// permessage-deflate, if the server has agreed to what was offered.
fn agreed_deflate(agreed: &Agreed, config: &Config) -> Result<Option<Deflate>, ConnectError> {
    let Some(compression) = &config.compression else { return Ok(None) };
    let params = deflate::agreed([&*agreed.extensions], compression).map_err(ConnectError::Extensions)?;
    Ok(params.map(|params| Deflate::new(Role::Client, params, compression)))
}

async fn reach(url: &Url, within: Duration) -> Result<TcpStream, ConnectError> {
    let connecting = TcpStream::connect((url.host(), url.port()));
    let stream = timeout(within, connecting).await.map_err(|_| ConnectError::ConnectTimeout)?;
    let stream = stream.map_err(ConnectError::Connect)?;
    // A message is said when it is said; frames are gathered before they are written.
    stream.set_nodelay(true).map_err(ConnectError::Connect)?;
    Ok(stream)
}

async fn shake_hands(stream: &mut TcpStream, handshake: &mut Handshake) -> Result<Agreed, ConnectError> {
    stream.write_all(handshake.request()).await.map_err(ConnectError::Broken)?;
    let mut bytes = [0; READ_BYTES];
    loop {
        let count = match stream.read(&mut bytes).await {
            Ok(0) => return Err(ConnectError::Handshake(handshake.ended())),
            Ok(count) => count,
            Err(error) => return Err(broken(handshake, error)),
        };
        if let Some(agreed) = handshake.receive(&bytes[..count]).map_err(ConnectError::Handshake)? {
            return Ok(agreed);
        }
    }
}

/// The connection as its driver takes it over.
fn connection(stream: TcpStream, early: &[u8], card: &Arc<Card>, tap: &Tap) -> Connection {
    card.enter(Phase::Upgraded, Instant::now());
    let (reader, writer) = stream.split();
    let mut inbound = Inbound::new(reader).boxed();
    inbound.buffer.room(READ_BYTES)[..early.len()].copy_from_slice(early);
    inbound.buffer.filled(early.len());
    let (card, tap) = (Arc::clone(card), tap.clone());
    Connection { inbound, writer: Box::new(writer), card, tap, shutdown: Shutdown::new() }
}

/// A server that refuses and closes may reset the connection before all of its refusal is read.
fn broken(handshake: &mut Handshake, error: io::Error) -> ConnectError {
    match handshake.ended() {
        HandshakeError::Ended => ConnectError::Broken(error),
        refused => ConnectError::Handshake(refused),
    }
}

impl fmt::Display for ConnectError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            ConnectError::Url(error) => error.fmt(f),
            ConnectError::Ask(error) => error.fmt(f),
            ConnectError::Connect(error) => write!(f, "no connection: {error}"),
            ConnectError::ConnectTimeout => f.write_str("no connection came about in time"),
            ConnectError::Broken(error) => write!(f, "the connection broke before the answer was there: {error}"),
            ConnectError::HandshakeTimeout => f.write_str("the server did not answer in time"),
            ConnectError::Handshake(error) => error.fmt(f),
            ConnectError::Extensions(error) => error.fmt(f),
            ConnectError::Random(error) => write!(f, "the system has no random bytes: {error}"),
        }
    }
}

impl std::error::Error for ConnectError {}

#[cfg(test)]
mod tests {
    use tokio::net::TcpListener;

    use super::*;
    use crate::ws::accept_key::accept_key;
    use crate::ws::close::{Close, CloseCode};
    use crate::ws::mask;
    use crate::ws::message::Message;
    use crate::ws::socket::Ended;

    const YES: &str =
        "HTTP/1.1 101 X\r\nUpgrade: websocket\r\nConnection: Upgrade\r\nSec-WebSocket-Accept: KEY\r\n\r\n";

    async fn listen() -> (TcpListener, String) {
        let listener = TcpListener::bind("127.0.0.1:0").await.expect("a port");
        let url = format!("ws://{}/ws", listener.local_addr().expect("bound"));
        (listener, url)
    }

    /// Answers the next client with `answer`, in which KEY stands for the proof, and `frames` in the same breath.
    async fn answer(listener: TcpListener, answer: &str, frames: &[u8]) -> TcpStream {
        let (mut stream, _) = listener.accept().await.expect("a client");
        let mut request = Vec::new();
        while !request.ends_with(b"\r\n\r\n") {
            stream.read_buf(&mut request).await.expect("a request");
        }
        let request = String::from_utf8(request).expect("ASCII");
        let (_, key) = request.split_once("Sec-WebSocket-Key: ").expect("a key");
        let accept = accept_key(key.lines().next().expect("a value").as_bytes());
        let answer = [answer.replace("KEY", &accept).as_bytes(), frames].concat();
        stream.write_all(&answer).await.expect("a client that reads");
        stream
    }

    /// What comes of a server that answers so, and then closes or stays.
    async fn against(says: &str, frames: &[u8], stays: bool) -> Result<Opened, ConnectError> {
        let (listener, url) = listen().await;
        let config = ClientConfig { handshake_within: Duration::from_millis(200), ..ClientConfig::default() };
        let server = async {
            let stream = answer(listener, says, frames).await;
            stays.then_some(stream)
        };
        let (opened, _stream) = tokio::join!(open(&url, &config), server);
        opened
    }

    #[tokio::test]
    async fn a_server_that_agrees_is_agreed_with() {
        assert_eq!(against(YES, b"\x81", true).await.expect("a yes").agreed.early, [0x81]);
    }

    #[tokio::test]
    async fn a_socket_hears_what_came_behind_the_answer_and_masks_what_it_says() {
        let (listener, url) = listen().await;
        let server = tokio::spawn(async move {
            let mut stream = answer(listener, YES, b"\x81\x05hello").await;
            let mut frame = [0; 11];
            stream.read_exact(&mut frame).await.expect("a frame");
            stream.write_all(b"\x88\x02\x03\xe8").await.expect("a client that reads");
            let mut close = [0; 8];
            stream.read_exact(&mut close).await.expect("a frame");
            (frame, close)
        });
        let mut socket = connect(&url, &ClientConfig::default()).await.expect("a yes");
        assert_eq!(socket.next().await, Some(Message::from("hello")));
        socket.send("world").await.expect("open");
        assert_eq!(socket.next().await, None);
        assert_eq!(socket.ended(), Some(Ended::Closed(Some(Close::new(CloseCode::NORMAL, "")))));
        let (mut frame, close) = server.await.expect("no panic");
        let key = frame[2..6].try_into().expect("four bytes");
        mask::apply(&mut frame[6..], key, 0);
        assert_eq!((&frame[..2], &frame[6..]), (&b"\x81\x85"[..], &b"world"[..]));
        assert_eq!(close[..2], [0x88, 0x82]);
    }

    #[tokio::test]
    async fn a_refusal_is_one_however_it_ends() {
        for stays in [true, false] {
            for length in ["", "Content-Length: 2\r\n", "Content-Length: 3\r\n"] {
                let says = format!("HTTP/1.1 403 No\r\n{length}\r\nno");
                let error = against(&says, b"", stays).await.expect_err("a no");
                let ConnectError::Handshake(HandshakeError::Refused(refusal)) = error else { panic!("{error}") };
                assert_eq!((refusal.status, &*refusal.content), (403, "no"), "{length}");
            }
        }
    }

    #[tokio::test]
    async fn a_server_that_says_nothing_is_waited_for_and_one_that_closes_is_not() {
        assert!(matches!(against("HTTP/1.1 101", b"", true).await, Err(ConnectError::HandshakeTimeout)));
        let ended = against("HTTP/1.1 101", b"", false).await;
        assert!(matches!(ended, Err(ConnectError::Handshake(HandshakeError::Ended))));
    }

    #[tokio::test]
    async fn what_cannot_be_asked_opens_no_connection() {
        let config = ClientConfig { protocols: vec!["a b".to_owned()], ..ClientConfig::default() };
        assert!(matches!(open("ws://127.0.0.1:1/", &config).await, Err(ConnectError::Ask(_))));
        let config = ClientConfig::default();
        assert!(matches!(open("wss://127.0.0.1/", &config).await, Err(ConnectError::Url(UrlError::Secure))));
        assert!(matches!(open("ws://127.0.0.1:1/", &config).await, Err(ConnectError::Connect(_))));
    }
}
