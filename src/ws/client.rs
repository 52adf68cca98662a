//! Owns the way from an address to an open WebSocket: TCP, the opening handshake, and then the driver.
//!
//! ```text
//!   ws://host:port/path ──TCP, within connect──▶ stream ──handshake, within handshake──▶ Opened
//!                                                                      stream, what was agreed, early bytes
//! ```
//!
//! Spec: RFC 6455 4.1 (items 1, 4 and 5 of the first list). Item 2 asks for one opening handshake at a time for each server:
//! whoever opens many at once knows whose server that is, and this does not hold them back.
//! Never: follows a redirection; tries again; speaks TLS.

use std::fmt;
use std::io;
use std::time::Duration;

use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio::time::timeout;

use crate::ws::handshake::client::{Agreed, Ask, AskError, Handshake, HandshakeError};
use crate::ws::handshake::url::{Url, UrlError};

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
}

impl Default for ClientConfig {
    fn default() -> ClientConfig {
        ClientConfig {
            protocols: Vec::new(),
            fields: Vec::new(),
            connect_within: Duration::from_secs(10),
            handshake_within: Duration::from_secs(10),
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
    /// The system has no random bytes.
    Random(io::Error),
}

/// Connects to `url` and does the opening handshake.
///
/// # Errors
/// [`ConnectError`]; nothing is left open then.
///
/// # Cancel safety
/// Dropping the future closes the connection.
pub async fn open(url: &str, config: &ClientConfig) -> Result<Opened, ConnectError> {
    let url = Url::parse(url).map_err(ConnectError::Url)?;
    let ask = Ask { protocols: &config.protocols, extensions: None, fields: &config.fields };
    let mut nonce = [0; 16];
    getrandom::fill(&mut nonce).map_err(|error| ConnectError::Random(error.into()))?;
    let mut handshake = Handshake::new(&url, &ask, nonce).map_err(ConnectError::Ask)?;
    let mut stream = connect(&url, config.connect_within).await?;
    match timeout(config.handshake_within, shake_hands(&mut stream, &mut handshake)).await {
        Ok(agreed) => Ok(Opened { agreed: agreed?, stream }),
        // A refusal whose content does not end is a refusal all the same.
        Err(_) => Err(match handshake.ended() {
            HandshakeError::Ended => ConnectError::HandshakeTimeout,
            refused => ConnectError::Handshake(refused),
        }),
    }
}

async fn connect(url: &Url, within: Duration) -> Result<TcpStream, ConnectError> {
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

    /// What comes of a server that answers with `answer`, in which KEY stands for the proof, and then closes or stays.
    async fn against(answer: &'static str, stays: bool) -> Result<Opened, ConnectError> {
        let listener = TcpListener::bind("127.0.0.1:0").await.expect("a port");
        let address = listener.local_addr().expect("bound");
        let server = async {
            let (mut stream, _) = listener.accept().await.expect("a client");
            let mut request = Vec::new();
            while !request.ends_with(b"\r\n\r\n") {
                stream.read_buf(&mut request).await.expect("a request");
            }
            let request = String::from_utf8(request).expect("ASCII");
            let (_, key) = request.split_once("Sec-WebSocket-Key: ").expect("a key");
            let accept = accept_key(key.lines().next().expect("a value").as_bytes());
            stream.write_all(answer.replace("KEY", &accept).as_bytes()).await.expect("a client that reads");
            stays.then_some(stream)
        };
        let config = ClientConfig { handshake_within: Duration::from_millis(200), ..ClientConfig::default() };
        let url = format!("ws://{address}/ws");
        let (opened, _stream) = tokio::join!(open(&url, &config), server);
        opened
    }

    #[tokio::test]
    async fn a_server_that_agrees_is_agreed_with() {
        let yes =
            "HTTP/1.1 101 X\r\nUpgrade: websocket\r\nConnection: Upgrade\r\nSec-WebSocket-Accept: KEY\r\n\r\n\u{1}";
        assert_eq!(against(yes, true).await.expect("a yes").agreed.early, [1]);
    }

    #[tokio::test]
    async fn a_refusal_is_one_however_it_ends() {
        for stays in [true, false] {
            for length in ["", "Content-Length: 2\r\n", "Content-Length: 3\r\n"] {
                let answer = format!("HTTP/1.1 403 No\r\n{length}\r\nno").leak();
                let error = against(answer, stays).await.expect_err("a no");
                let ConnectError::Handshake(HandshakeError::Refused(refusal)) = error else { panic!("{error}") };
                assert_eq!((refusal.status, &*refusal.content), (403, "no"), "{length}");
            }
        }
    }

    #[tokio::test]
    async fn a_server_that_says_nothing_is_waited_for_and_one_that_closes_is_not() {
        assert!(matches!(against("HTTP/1.1 101", true).await, Err(ConnectError::HandshakeTimeout)));
        let ended = against("HTTP/1.1 101", false).await;
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
