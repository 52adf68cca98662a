//! The client, in memory: against peers that follow a script, and against our own server.
//!
//! The one idea: an exchange is a line of what the peer says and a line of what comes of it, and each is played whole, byte
//! by byte and cut in two at each byte: the outcome must be the same.

mod answers;
mod connections;
mod fuzzed;
mod patience;
mod redirections;
mod requests;

use std::io;
use std::sync::Arc;
use std::time::Duration;

use firstbyte::http::client::{Client, ClientConfig, ClientError, Connecting, Connector, Outgoing, boxed};
use firstbyte::http::test::{TestServer, WIRE_BYTES};
use firstbyte::http::url::Origin;
use firstbyte::http::{Handler, Url};
use firstbyte::net::memory::{MemoryStream, duplex};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::sync::mpsc;
use tokio::time::timeout;

/// Connections to peers that the test plays itself.
struct Dialer(mpsc::UnboundedSender<MemoryStream>);

impl Connector for Dialer {
    fn connect<'a>(&'a self, _: &'a Origin) -> Connecting<'a> {
        let (ours, theirs) = duplex(WIRE_BYTES);
        let dialed = self.0.send(theirs);
        Box::pin(async move {
            // A yield, as any real connection has.
            tokio::task::yield_now().await;
            dialed.map(|()| boxed(ours)).map_err(|_| io::ErrorKind::ConnectionRefused.into())
        })
    }
}

/// Connections to a server of ours.
struct Local<H>(Arc<TestServer<H>>);

impl<H: Handler> Connector for Local<H> {
    fn connect<'a>(&'a self, _: &'a Origin) -> Connecting<'a> {
        let (ours, theirs) = duplex(WIRE_BYTES);
        tokio::spawn(self.0.drive(([127, 0, 0, 1], 1).into(), theirs));
        Box::pin(async move { Ok(boxed(ours)) })
    }
}

/// A client, and the other ends of its connections.
fn dial(config: ClientConfig) -> (Client, Peers) {
    let (sender, receiver) = mpsc::unbounded_channel();
    (Client::with_connector(config, Dialer(sender)), Peers(receiver))
}

/// A client of `server`.
fn local<H: Handler>(config: ClientConfig, server: firstbyte::http::Server<H>) -> Client {
    Client::with_connector(config, Local(Arc::new(TestServer::new(server))))
}

fn url(address: &str) -> Url {
    Url::parse(address).unwrap()
}

fn get() -> Outgoing {
    Outgoing::get(&url("http://peer/"))
}

struct Peers(mpsc::UnboundedReceiver<MemoryStream>);

impl Peers {
    /// The next connection.
    async fn accept(&mut self) -> Peer {
        Peer { stream: patiently(self.0.recv()).await.expect("a connection"), received: Vec::new() }
    }
}

/// The other end of one connection.
struct Peer {
    stream: MemoryStream,
    received: Vec<u8>,
}

impl Peer {
    /// The head of the next request.
    async fn request(&mut self) -> String {
        loop {
            if let Some(at) = self.received.windows(4).position(|bytes| bytes == b"\r\n\r\n") {
                return String::from_utf8(self.received.drain(..at + 4).collect()).unwrap();
            }
            assert!(self.fill().await > 0, "the end came instead of a request");
        }
    }

    /// The next `len` bytes of content.
    async fn content(&mut self, len: usize) -> String {
        while self.received.len() < len {
            assert!(self.fill().await > 0, "the end came instead of content");
        }
        String::from_utf8(self.received.drain(..len).collect()).unwrap()
    }

    /// All that comes until the client closes.
    async fn rest(&mut self) -> String {
        while self.fill().await > 0 {}
        String::from_utf8(std::mem::take(&mut self.received)).unwrap()
    }

    async fn fill(&mut self) -> usize {
        // A client that has closed with unread bytes has reset: an end as well.
        patiently(self.stream.read_buf(&mut self.received)).await.unwrap_or(0)
    }

    async fn say(&mut self, bytes: impl AsRef<[u8]>) {
        patiently(self.stream.write_all(bytes.as_ref())).await.expect("the client takes bytes");
        // The client sees what was said before more is said.
        tokio::task::yield_now().await;
    }

    async fn finish(&mut self) {
        self.stream.shutdown().await.unwrap();
    }

    /// Answers the next request.
    async fn answer(&mut self, bytes: &str) -> String {
        let request = self.request().await;
        self.say(bytes).await;
        request
    }
}

/// Longer than any deadline of a client by default.
const PATIENCE: Duration = Duration::from_secs(3600);

async fn patiently<T>(work: impl Future<Output = T>) -> T {
    timeout(PATIENCE, work).await.expect("something happens within an hour")
}

/// What comes of a request: `200 content`, or the error.
async fn outcome(client: &Client, request: Outgoing) -> String {
    match patiently(client.send(request)).await {
        Err(error) => shown(&error),
        Ok(mut answer) => match patiently(answer.collect()).await {
            Ok(content) => format!("{} {}", answer.status.code(), String::from_utf8_lossy(&content)),
            Err(error) => format!("{}: {}", answer.status.code(), shown(&error)),
        },
    }
}

/// Its variant, who erred, and how far it went.
fn shown(error: &ClientError) -> String {
    let variant = match error {
        ClientError::Malformed(error) => format!("Malformed {:?} at {}", error.fault, error.at),
        ClientError::Content(error) => format!("Content: {error}"),
        ClientError::Lost(phase, error) => format!("Lost({phase:?}) {:?}", error.kind()),
        error => format!("{error:?}"),
    };
    format!("{variant}; {:?}", error.blame())
}
