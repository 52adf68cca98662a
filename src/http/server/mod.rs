//! Owns the server: accepts connections, drives each in its own task, and ends when told to.
//!
//! ```text
//!   Listener ──accept──> Accepted{stream, permit} ──spawn──> Driver ──> handler
//!      │                                                       │
//!      └── shutdown begins: take what waits, stop listening    └── idle: close soon; at work: answer with `close`
//!          … then wait until no permit is out, at most `deadlines.drain`, then cancel
//! ```
//!
//! Spec: RFC 9112 9 (connection management).
//! Never: parses; knows a route.

mod answer;
mod content;
mod drive;
mod idle;
mod refusal;
pub mod trace;
mod wait;

pub(crate) use answer::BATCH_BYTES;
pub(crate) use wait::{AHEAD_BYTES_MAX, DRAINING_LINGER};

use std::io;
use std::net::SocketAddr;
use std::pin::pin;
use std::sync::Arc;
use std::time::Duration;

use tokio::time::timeout;

use crate::http::durations::Durations;
use crate::http::explain::{Place, Problem};
use crate::http::request::Reception;
use crate::http::server::drive::Driver;
use crate::http::server::idle::{Idle, Life};
use crate::http::tally::{Reached, Tally};
use crate::http::{Fault, Handler, Limits};
use crate::net::admission::Permit;
use crate::net::context::{Context, Reason};
use crate::net::deadline::Deadlines;
use crate::net::listener::{Arrival, Listener, ListenerConfig};
use crate::net::registry::Registry;
use crate::net::shutdown::Shutdown;
use crate::net::tap::Hub;
use crate::net::transport::Transport;

/// How long a closing listener takes what waits in the kernel.
pub(crate) const PENDING_TIME: Duration = Duration::from_millis(100);

/// How often the deadlines of connections that wait are looked at, at least.
pub(crate) const LOOK_TIME_MAX: Duration = Duration::from_millis(500);

/// How long what was cut may take to notice.
pub(crate) const CUT_TIME: Duration = Duration::from_secs(1);

/// A server for one handler. Limits and deadlines are on; everything has a default.
///
/// ```no_run
/// # async fn run() -> std::io::Result<()> {
/// use firstbyte::http::{Request, Server};
///
/// Server::new(|_: Request| async { "Hello, World!" }).listen("127.0.0.1:8080").await?;
/// # Ok(()) }
/// ```
#[derive(Debug)]
pub struct Server<H> {
    handler: H,
    config: Config,
    listener: ListenerConfig,
    watch: Watched,
}

/// What every connection of a server obeys.
#[derive(Clone, Debug, Default)]
pub(crate) struct Config {
    pub(crate) limits: Limits,
    pub(crate) deadlines: Deadlines,
    pub(crate) terse_errors: bool,
    pub(crate) place: Place,
}

/// Where a server can be watched and stopped: the handles that an application may share with it.
#[derive(Clone, Debug)]
pub struct Watched {
    /// Begins and forces the shutdown.
    pub shutdown: Shutdown,
    /// The table of open connections.
    pub registry: Arc<Registry>,
    /// The events of connections.
    pub hub: Arc<Hub>,
    /// The counts of what was refused, and of bounds that were met.
    pub tally: Arc<Tally>,
    /// How long requests took, where somebody wants to know: it costs each of them a look at the clock.
    pub durations: Option<Arc<Durations>>,
}

impl Default for Watched {
    fn default() -> Self {
        Watched {
            shutdown: Shutdown::new(),
            registry: Registry::new(),
            hub: Hub::new(),
            tally: Arc::default(),
            durations: None,
        }
    }
}

/// How a server has ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Ended {
    /// Every connection was served to its end.
    Drained,
    /// The drain deadline passed, or a second signal came: so many connections were cut.
    Cut {
        /// Connections that were open.
        connections: usize,
    },
}

/// What the connections of one server share.
pub(crate) struct Shared<H> {
    pub(crate) handler: H,
    pub(crate) config: Config,
    pub(crate) watch: Watched,
    reception: Arc<Reception>,
}

impl<H: Handler> Server<H> {
    /// A server with default limits and deadlines.
    pub fn new(handler: H) -> Server<H> {
        Server { handler, config: Config::default(), listener: ListenerConfig::default(), watch: Watched::default() }
    }

    /// Replaces the limits.
    ///
    /// # Panics
    /// When `head_bytes_max` is 0 or above 1 GiB: no request could be read, or none bounded.
    pub fn limits(mut self, limits: Limits) -> Server<H> {
        assert!((1..=1 << 30).contains(&limits.head_bytes_max), "head_bytes_max is {}", limits.head_bytes_max);
        self.config.limits = limits;
        self
    }

    /// Replaces the deadlines.
    pub fn deadlines(mut self, deadlines: Deadlines) -> Server<H> {
        self.config.deadlines = deadlines;
        self
    }

    /// Replaces the rules for accepting.
    pub fn listener(mut self, listener: ListenerConfig) -> Server<H> {
        self.listener = listener;
        self
    }

    /// Words refusals in one line: status and code.
    pub fn terse_errors(mut self, terse: bool) -> Server<H> {
        self.config.terse_errors = terse;
        self
    }

    /// Says at which path the application lists all codes, so that refusals name it. Without it they name no page.
    pub fn catalogue_at(mut self, path: &'static str) -> Server<H> {
        self.config.place.catalogue = Some(path);
        self
    }

    /// Shares the handles by which it is watched and stopped.
    pub fn watched_by(mut self, watch: &Watched) -> Server<H> {
        self.watch = watch.clone();
        self
    }

    /// Listens at `addr` and serves until the shutdown.
    ///
    /// A signal ends the process at once, with whatever is at work, unless the shutdown listens for it. Then the first
    /// SIGTERM or SIGINT drains and the second one cuts:
    ///
    /// ```no_run
    /// # async fn run() -> std::io::Result<()> {
    /// # use firstbyte::http::{Request, Server, server::Watched};
    /// # let server = Server::new(|_: Request| async { "Hello, World!" });
    /// let watched = Watched::default();
    /// watched.shutdown.listen_for_signals()?;
    /// server.watched_by(&watched).listen("127.0.0.1:8080").await?;
    /// # Ok(()) }
    /// ```
    ///
    /// # Errors
    /// When the address cannot be listened at.
    pub async fn listen(self, addr: &str) -> io::Result<Ended> {
        let addr = resolve(addr).await?;
        let listener = Listener::bind(addr, self.listener.clone())?;
        Ok(self.serve(listener).await)
    }

    /// Serves the connections of `listener` until the shutdown.
    pub async fn serve(mut self, listener: Listener) -> Ended {
        self.config.place.address = listener.local_addr().ok();
        let shared = self.share();
        let watching = tokio::spawn(shared.watch_deadlines());
        shared.watch.tally.listens(listener.counters());
        accept_until_draining(&shared, &listener).await;
        accept_pending(&shared, &listener).await;
        let drained = listener.drained();
        drop(listener);
        let mut drained = pin!(drained);
        shared.watch.registry.wake_all();
        let in_time = tokio::select! {
            in_time = timeout(shared.config.deadlines.drain, &mut drained) => {
                if in_time.is_err() {
                    shared.watch.tally.reached(Reached::Drain);
                }
                in_time.is_ok()
            }
            () = shared.watch.shutdown.forced() => false,
        };
        let ended = if in_time { Ended::Drained } else { shared.cut(drained).await };
        watching.abort();
        ended
    }

    /// A server without a listener: whoever has a transport drives it.
    pub(crate) fn share(self) -> Arc<Shared<H>> {
        let Server { handler, config, watch, .. } = self;
        let reception = Arc::new(Reception { listener: config.place.address, context: Context::root() });
        Arc::new(Shared { handler, config, watch, reception })
    }
}

impl<H: Handler> Shared<H> {
    /// Serves one connection to its end.
    pub(crate) fn drive<T: Transport>(
        self: Arc<Self>,
        transport: T,
        peer: SocketAddr,
        seat: Option<Permit>,
    ) -> impl Future<Output = ()> + Send + use<T, H> {
        Life::Accepted(Idle::new(&self, transport, peer, seat), self)
    }

    /// Ends connections that have waited for long enough, while there are any.
    pub(crate) fn watch_deadlines(&self) -> impl Future<Output = ()> + Send + use<H> {
        let Deadlines { first_byte, idle, .. } = self.config.deadlines;
        self.watch.registry.watch_deadlines((first_byte.min(idle) / 10).min(LOOK_TIME_MAX))
    }

    async fn refuse(self: Arc<Self>, transport: impl Transport, peer: SocketAddr, seat: Permit, fault: Fault) {
        let accepted = Idle::new(&self, transport, peer, Some(seat));
        Driver::refuse(accepted, &self, Problem::new(fault)).await;
    }

    /// Cancels what is still at work, and waits a moment for it to notice.
    async fn cut(&self, drained: impl Future<Output = ()>) -> Ended {
        let connections = self.watch.registry.len();
        self.force();
        // A handler that blocks its thread, or that runs on without its client, does not.
        let _ = timeout(CUT_TIME, drained).await;
        Ended::Cut { connections }
    }

    /// Ends all connections. Contexts first: who looks why it was dropped finds this reason.
    pub(crate) fn force(&self) {
        self.reception.context.cancel(Reason::Shutdown);
        self.watch.shutdown.force();
        self.watch.registry.wake_all();
    }
}

async fn accept_until_draining<H: Handler>(shared: &Arc<Shared<H>>, listener: &Listener) {
    loop {
        tokio::select! {
            biased;
            () = shared.watch.shutdown.draining() => return,
            arrival = listener.accept() => match arrival {
                Ok(arrival) => admit(shared, arrival),
                Err(error) => {
                    tracing::error!(%error, "the listening socket has failed: shutting down");
                    return shared.watch.shutdown.begin();
                }
            },
        }
    }
}

/// Takes the connections that wait in the kernel: closing the listener would reset them.
async fn accept_pending<H: Handler>(shared: &Arc<Shared<H>>, listener: &Listener) {
    let taken = timeout(PENDING_TIME, async {
        while let Ok(Some(arrival)) = listener.accept_pending().await {
            admit(shared, arrival);
        }
    });
    // Peers may go on coming; those that find the socket closed are refused by the kernel.
    let _ = taken.await;
}

fn admit<H: Handler>(shared: &Arc<Shared<H>>, arrival: Arrival) {
    let shared = Arc::clone(shared);
    match arrival {
        Arrival::Accepted { stream, peer, permit } => tokio::spawn(shared.drive(stream, peer, Some(permit))),
        Arrival::OverLimit { stream, peer, permit } => {
            tokio::spawn(shared.refuse(stream, peer, permit, Fault::TooManyConnections))
        }
    };
}

async fn resolve(addr: &str) -> io::Result<SocketAddr> {
    let unknown = || io::Error::new(io::ErrorKind::AddrNotAvailable, format!("{addr} names no address"));
    tokio::net::lookup_host(addr).await?.next().ok_or_else(unknown)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::http::router::{Disconnect, RouteOptions};
    use crate::http::{Request, Router};
    use std::sync::atomic::{AtomicBool, Ordering::Relaxed};
    use tokio::io::AsyncWriteExt;
    use tokio::net::TcpStream;
    use tokio::sync::Notify;

    /// What one handler and its test tell each other.
    #[derive(Clone, Default)]
    struct Work(Arc<(Notify, Notify, AtomicBool)>);

    #[tokio::test]
    async fn the_state_of_a_connection_is_no_larger_than_is_said() {
        let shared = Server::new(|_: Request| async { "hello" }).share();
        let listener = Listener::bind(SocketAddr::from(([127, 0, 0, 1], 0)), ListenerConfig::default()).unwrap();
        let _client = TcpStream::connect(listener.local_addr().unwrap()).await.unwrap();
        let Ok(Arrival::Accepted { stream, peer, permit }) = listener.accept().await else { panic!("it is let in") };
        let task = size_of_val(&Arc::clone(&shared).drive(stream, peer, Some(permit)));
        let pieces = [
            size_of::<drive::Driver<TcpStream>>(),
            size_of::<crate::net::connection::Inbound<<TcpStream as Transport>::Reader>>(),
            size_of::<crate::net::registry::Card>(),
            size_of::<crate::http::request::Peer>(),
            size_of::<crate::http::request::Head>(),
            size_of::<content::Lent<<TcpStream as Transport>::Reader>>(),
            size_of::<content::Loan<<TcpStream as Transport>::Reader>>(),
            2 * size_of::<tokio::time::Sleep>(),
        ];
        // The other half is for what cannot be measured here: boxed futures of answers, the runtime's entry, counters.
        let known = task + pieces.iter().sum::<usize>();
        assert!(known as u64 <= crate::http::bounds::STATE_BYTES / 2, "{known} bytes");
    }

    #[tokio::test]
    async fn a_shutdown_waits_for_work_that_has_outlived_its_client() {
        let work = Work::default();
        let options = RouteOptions { disconnect: Disconnect::Detach, ..RouteOptions::default() };
        let routes =
            Router::new(work.clone()).route_with("GET /", options, |Work(work), request: Request| async move {
                drop(request);
                work.0.notify_one();
                work.1.notified().await;
                work.2.store(true, Relaxed);
            });
        let watched = Watched::default();
        let listener = Listener::bind(SocketAddr::from(([127, 0, 0, 1], 0)), ListenerConfig::default()).unwrap();
        let address = listener.local_addr().unwrap();
        let serving = tokio::spawn(Server::new(routes.build().unwrap()).watched_by(&watched).serve(listener));

        let mut client = TcpStream::connect(address).await.unwrap();
        client.write_all(b"GET / HTTP/1.1\r\nHost: x\r\n\r\n").await.unwrap();
        work.0.0.notified().await;
        drop(client);
        while !watched.registry.is_empty() {
            tokio::task::yield_now().await;
        }
        watched.shutdown.begin();
        watched.shutdown.draining().await;
        assert!(!serving.is_finished(), "the connection is over, and its work is not");
        work.0.1.notify_one();
        assert_eq!(serving.await.unwrap(), Ended::Drained);
        assert!(work.0.2.load(Relaxed));
    }
}
