//! Owns a connector for addresses that strangers have written: it reaches what is public, and nothing else.
//!
//! ```text
//!   Origin ──resolve, once──> addresses ──every one public?──> dial one of THESE ──> Stream
//!                                            └─ no: NotPublic, nothing is dialled
//! ```
//!
//! The one idea: the address that was looked at is the one that is dialled. A name that is looked up twice, once for the look
//! and once for the connection, can say two things (DNS rebinding); here it is looked up once, when the connection is made, and
//! what comes of that is a number.
//!
//! A name that has one private address among public ones is refused whole: nobody who means well has such a name. How an
//! address is spelled does not matter, `0x7f.1` or `2130706433` say: whatever the resolver makes of it is looked at.
//!
//! A connection at rest is used again without another look: it goes where it was dialled to.
//!
//! Never: follows a redirection (that is the client's, which asks here again for each origin); speaks TLS; uses a proxy.
//! Limits: [`ADDRESSES_MAX`], [`LOOKUPS_MAX`].

use std::fmt;
use std::future::Future;
use std::io;
use std::net::{IpAddr, SocketAddr, ToSocketAddrs};
use std::pin::Pin;
use std::sync::Arc;

use tokio::net::TcpStream;
use tokio::sync::Semaphore;
use tokio::task::spawn_blocking;

use super::connector::{Connecting, Connector, Stream, boxed, in_the_clear};
use crate::http::url::Origin;
use crate::net::public::private_range;

/// Addresses of a name that are tried; a name may have more.
pub const ADDRESSES_MAX: usize = 8;

/// Names that are looked up at a time, where nothing else is said. A name whose servers are silent holds a thread for half a
/// minute, long after whoever asked has given up; of the threads for such work there are 512, and others need some, too.
pub const LOOKUPS_MAX: usize = 64;

/// Addresses that are being looked up.
pub type Resolving<'a> = Pin<Box<dyn Future<Output = io::Result<Vec<SocketAddr>>> + Send + 'a>>;

/// What lies between a name and a stream: the seam at which a test lies.
pub trait Network: Send + Sync + 'static {
    /// All addresses of `host`, which may be one.
    fn resolve<'a>(&'a self, host: &'a str, port: u16) -> Resolving<'a>;

    /// A stream to `address`.
    fn dial(&self, address: SocketAddr) -> Connecting<'_>;
}

/// The resolver of the system, and TCP.
#[derive(Clone, Debug)]
pub struct System {
    lookups: Arc<Semaphore>,
}

/// Connects to public addresses alone, over `http`.
#[derive(Clone, Debug)]
pub struct PublicOnly<N = System> {
    network: N,
    allow_private: bool,
}

/// Why an origin is not dialled.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct NotPublic {
    /// An address of it.
    pub address: IpAddr,
    /// The range that the address is in.
    pub range: &'static str,
}

impl PublicOnly<System> {
    /// Over TCP. `allow_private` switches the look off: for machines on which there is nothing to be reached by others.
    pub fn new(allow_private: bool) -> PublicOnly<System> {
        PublicOnly::over(System::new(LOOKUPS_MAX), allow_private)
    }
}

impl<N: Network> PublicOnly<N> {
    /// Over another network.
    pub fn over(network: N, allow_private: bool) -> PublicOnly<N> {
        PublicOnly { network, allow_private }
    }

    /// Looks `host` up, and at what it finds: what a connection would do that began now. It may find something else by the
    /// time that one does.
    ///
    /// # Errors
    /// [`NotPublic`] inside an error of [`io::ErrorKind::PermissionDenied`]; [`io::ErrorKind::ResourceBusy`] when as many names
    /// as may be are looked up; [`io::ErrorKind::NotFound`] for a name that is none.
    ///
    /// # Cancel safety
    /// Dropping the future loses nothing; a thread may be left that waits for the system's resolver.
    pub async fn look(&self, host: &str, port: u16) -> io::Result<Vec<SocketAddr>> {
        let mut addresses = match host.parse::<IpAddr>() {
            Ok(address) => vec![SocketAddr::new(address, port)],
            Err(_) => self.network.resolve(host, port).await.map_err(not_found)?,
        };
        if !self.allow_private {
            addresses.iter().try_for_each(|address| admit(address.ip())).map_err(refused)?;
        }
        addresses.truncate(ADDRESSES_MAX);
        Ok(addresses)
    }
}

impl<N: Network> Connector for PublicOnly<N> {
    fn connect<'a>(&'a self, origin: &'a Origin) -> Connecting<'a> {
        Box::pin(async move {
            in_the_clear(origin)?;
            let mut last = io::Error::new(io::ErrorKind::NotFound, "the name has no address");
            for address in self.look(origin.host(), origin.port()).await? {
                match self.network.dial(address).await {
                    Ok(stream) => return Ok(stream),
                    Err(error) => last = error,
                }
            }
            Err(last)
        })
    }
}

impl System {
    /// Looks up at most `lookups_max` names at a time.
    pub fn new(lookups_max: usize) -> System {
        System { lookups: Arc::new(Semaphore::new(lookups_max)) }
    }

    /// Runs `look` on a thread that may wait. Its place is taken until that thread is free again, and not until nobody waits for
    /// it any more.
    async fn seated<T: Send + 'static>(&self, look: impl FnOnce() -> io::Result<T> + Send + 'static) -> io::Result<T> {
        let busy = |_| io::Error::new(io::ErrorKind::ResourceBusy, "as many names as may be are being looked up");
        let seat = Arc::clone(&self.lookups).try_acquire_owned().map_err(busy)?;
        let looking = spawn_blocking(move || {
            let _seat = seat;
            look()
        });
        looking.await.map_err(io::Error::other)?
    }
}

impl Network for System {
    fn resolve<'a>(&'a self, host: &'a str, port: u16) -> Resolving<'a> {
        let host = host.to_owned();
        Box::pin(self.seated(move || Ok((host.as_str(), port).to_socket_addrs()?.collect())))
    }

    fn dial(&self, address: SocketAddr) -> Connecting<'_> {
        Box::pin(async move { tcp(address).await })
    }
}

async fn tcp(address: SocketAddr) -> io::Result<Stream> {
    let stream = TcpStream::connect(address).await?;
    // A request is gathered before it is written.
    stream.set_nodelay(true)?;
    Ok(boxed(stream))
}

/// Whether `address` may be dialled.
///
/// # Errors
/// [`NotPublic`].
pub fn admit(address: IpAddr) -> Result<(), NotPublic> {
    private_range(address).map_or(Ok(()), |range| Err(NotPublic { address, range }))
}

impl NotPublic {
    /// The refusal inside an error of this connector.
    pub fn of(error: &io::Error) -> Option<NotPublic> {
        error.get_ref()?.downcast_ref().copied()
    }
}

/// However a resolver says it: there is no such name, or nobody knows.
fn not_found(error: io::Error) -> io::Error {
    if error.kind() == io::ErrorKind::ResourceBusy { error } else { io::Error::new(io::ErrorKind::NotFound, error) }
}

fn refused(why: NotPublic) -> io::Error {
    io::Error::new(io::ErrorKind::PermissionDenied, why)
}

impl fmt::Display for NotPublic {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} is not a public address: {}", self.address, self.range)
    }
}

impl std::error::Error for NotPublic {}

#[cfg(test)]
mod tests {
    use std::sync::{Arc, Mutex};

    use super::*;
    use crate::http::Url;
    use crate::net::duplex;

    /// A network in which a name says something else each time, and which writes down what is dialled.
    #[derive(Clone, Default)]
    struct Told {
        answers: Arc<Mutex<Vec<Vec<&'static str>>>>,
        dialled: Arc<Mutex<Vec<String>>>,
    }

    impl Network for Told {
        fn resolve<'a>(&'a self, _: &'a str, port: u16) -> Resolving<'a> {
            let mut answers = self.answers.lock().expect("a lock");
            let answer = if answers.is_empty() { Vec::new() } else { answers.remove(0) };
            let addresses =
                answer.iter().map(|ip| SocketAddr::new(ip.parse().expect("an address"), port)).collect::<Vec<_>>();
            Box::pin(async { Ok(addresses) })
        }

        fn dial(&self, address: SocketAddr) -> Connecting<'_> {
            self.dialled.lock().expect("a lock").push(address.to_string());
            Box::pin(async move {
                if address.port() == 9 {
                    return Err(io::ErrorKind::ConnectionRefused.into());
                }
                Ok(boxed(duplex(1024).0))
            })
        }
    }

    fn told(answers: &[&[&'static str]]) -> Told {
        let told = Told::default();
        *told.answers.lock().expect("a lock") = answers.iter().map(|answer| answer.to_vec()).collect();
        told
    }

    async fn connect(told: &Told, url: &str, allow_private: bool) -> Result<(), io::Error> {
        let connector = PublicOnly::over(told.clone(), allow_private);
        let origin = Url::parse(url).expect("a URL").origin();
        connector.connect(&origin).await.map(drop)
    }

    fn dialled(told: &Told) -> Vec<String> {
        told.dialled.lock().expect("a lock").clone()
    }

    #[tokio::test]
    async fn what_was_looked_at_is_what_is_dialled() {
        // The name turns to the inside as soon as it was looked up once.
        let told = told(&[&["93.184.215.14"], &["127.0.0.1"], &["127.0.0.1"]]);
        connect(&told, "http://rebinds.example/", false).await.expect("public when it was looked at");
        assert_eq!(dialled(&told), ["93.184.215.14:80"], "looked up once");
        let error = connect(&told, "http://rebinds.example/", false).await.expect_err("it is inside now");
        assert_eq!(NotPublic::of(&error).map(|why| why.range), Some("loopback"));
        assert_eq!(dialled(&told).len(), 1, "and nothing was dialled");
    }

    #[tokio::test]
    async fn one_private_address_among_public_ones_spoils_the_name() {
        for addresses in [
            &["93.184.215.14", "10.0.0.1"][..],
            &["10.0.0.1", "93.184.215.14"],
            &["2606:4700::1", "::ffff:127.0.0.1"],
            &["1.1.1.1", "1.1.1.2", "1.1.1.3", "1.1.1.4", "1.1.1.5", "1.1.1.6", "1.1.1.7", "1.1.1.8", "127.0.0.1"],
        ] {
            let told = told(&[addresses]);
            let error = connect(&told, "http://two.example/", false).await.expect_err("refused");
            assert_eq!(error.kind(), io::ErrorKind::PermissionDenied);
            assert_eq!(dialled(&told), Vec::<String>::new(), "{addresses:?}");
        }
    }

    #[tokio::test]
    async fn the_next_address_is_tried_and_no_name_is_looked_up_for_a_number() {
        let told = told(&[&["1.1.1.1", "1.1.1.2"], &[]]);
        assert!(connect(&told, "http://down.example:9/", false).await.is_err());
        assert_eq!(dialled(&told), ["1.1.1.1:9", "1.1.1.2:9"]);
        assert_eq!(
            connect(&told, "http://nothing.example/", false).await.expect_err("no address").kind(),
            io::ErrorKind::NotFound
        );
        connect(&told, "http://[2606:4700::1]:8080/", false).await.expect("a number");
        assert_eq!(dialled(&told)[2], "[2606:4700::1]:8080");
        for url in ["http://127.0.0.1/", "http://[::1]/", "http://[::ffff:127.0.0.1]/", "http://169.254.169.254/"] {
            assert!(connect(&told, url, false).await.is_err(), "{url}");
        }
        assert_eq!(dialled(&told).len(), 3);
    }

    #[tokio::test]
    async fn spellings_that_the_system_takes_for_an_address_are_looked_at_as_addresses() {
        let connector = PublicOnly::new(false);
        let mut refused = 0;
        for host in ["127.1", "2130706433", "0x7f.1", "0x7f000001", "0177.0.0.1", "0", "localhost"] {
            let error = connector.look(host, 80).await.expect_err(host);
            // Not every system knows each of them.
            let is_unknown = error.kind() == io::ErrorKind::NotFound;
            assert!(is_unknown || NotPublic::of(&error).is_some(), "{host}: {error}");
            refused += usize::from(!is_unknown);
        }
        assert!(refused > 0, "none of them was found");
    }

    #[tokio::test]
    async fn a_look_up_keeps_its_place_until_its_thread_is_free() {
        let system = System::new(1);
        let (begun, has_begun) = tokio::sync::oneshot::channel();
        let (go, wait) = std::sync::mpsc::channel::<()>();
        let slow = system.clone();
        let asking = tokio::spawn(async move {
            let look = move || {
                let _ = begun.send(());
                let _ = wait.recv();
                Ok(())
            };
            slow.seated(look).await
        });
        has_begun.await.expect("a thread");
        asking.abort();
        assert!(asking.await.is_err(), "nobody waits for it any more");
        let connector = PublicOnly::over(system.clone(), false);
        let busy = connector.look("localhost", 80).await.expect_err("its thread is still at it");
        assert_eq!(busy.kind(), io::ErrorKind::ResourceBusy);
        assert!(connector.look("1.1.1.1", 80).await.is_ok(), "what is no name needs none");
        drop(go);
        let _free = system.lookups.acquire().await.expect("it is free again");
    }

    #[tokio::test]
    async fn private_addresses_can_be_allowed_and_https_cannot() {
        let told = told(&[&["127.0.0.1"]]);
        connect(&told, "http://here.example/", true).await.expect("allowed");
        assert_eq!(dialled(&told), ["127.0.0.1:80"]);
        assert_eq!(
            connect(&told, "https://here.example/", true).await.expect_err("no TLS").kind(),
            io::ErrorKind::Unsupported
        );
    }
}
