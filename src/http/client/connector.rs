//! Owns the seam between a client and what carries its bytes.
//!
//! ```text
//!   Origin ──connect──> Stream { reader, writer }
//!      Tcp: http        a TLS library's stream: https        net::duplex: a server in the same process, for tests
//! ```
//!
//! Never: keeps a connection (that is the pool's); sends a byte of HTTP.

use std::future::Future;
use std::io;
use std::pin::Pin;

use tokio::net::TcpStream;

use crate::http::url::{Origin, Scheme};
use crate::net::transport::{Duplex, ReadHalf, Transport, WriteHalf};

/// What a connection is carried by.
pub type Stream = Duplex<Box<dyn ReadHalf>, Box<dyn WriteHalf>>;

/// A connection that is coming about.
pub type Connecting<'a> = Pin<Box<dyn Future<Output = io::Result<Stream>> + Send + 'a>>;

/// What opens connections.
pub trait Connector: Send + Sync + 'static {
    /// Opens one to `origin`. The client says how long that may take: dropping the future gives up.
    ///
    /// For [`Scheme::Https`] it is the connector's to see to it that the peer is who it should be, or to refuse.
    fn connect<'a>(&'a self, origin: &'a Origin) -> Connecting<'a>;
}

/// Connects over TCP, to `http` alone.
#[derive(Clone, Copy, Debug, Default)]
pub struct Tcp;

impl Connector for Tcp {
    fn connect<'a>(&'a self, origin: &'a Origin) -> Connecting<'a> {
        Box::pin(async move {
            in_the_clear(origin)?;
            // Every address of the name is tried, in the order of the resolver.
            let stream = TcpStream::connect((origin.host(), origin.port())).await?;
            // A request is gathered before it is written.
            stream.set_nodelay(true)?;
            Ok(boxed(stream))
        })
    }
}

/// Refuses an origin that is to be reached over a secret channel: who asks for one does not want another.
pub(super) fn in_the_clear(origin: &Origin) -> io::Result<()> {
    match origin.scheme() {
        Scheme::Http => Ok(()),
        Scheme::Https => {
            Err(io::Error::new(io::ErrorKind::Unsupported, "https needs TLS, which this client has none of"))
        }
    }
}

/// `transport` as a stream that does not say what it is.
pub fn boxed(transport: impl Transport) -> Stream {
    let (reader, writer) = transport.split();
    Duplex { reader: Box::new(reader), writer: Box::new(writer) }
}
