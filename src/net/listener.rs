//! Owns the listening socket: whom it lets in, how many at once, and how it survives when the machine runs short.
//!
//! The one idea: a connection is paid for before it is taken. A seat of the total cap is held before `accept` is called,
//! so that a full server leaves newcomers in the kernel's queue, where they cost it nothing, and takes each as soon as
//! a seat is free.
//!
//! ```text
//!  seat (total cap) --> accept --> address cap --+--> Accepted  { stream, peer, permit }
//!       ^                 |                      |--> OverLimit { stream, peer, permit }   answer it briefly, close
//!       |                 |                      '--> too many of those: closed here
//!       |                 '- error: the peer's fault   -> next
//!       |                           descriptors, memory -> wait for a close or 50 ms; still short: shed one, repeat
//!       '----------------- Permit dropped: seat back, address counted down, waiters woken
//! ```
//!
//! Shedding: one descriptor is held in reserve. When there is none left, it is given up for a moment to accept one
//! connection and close it: that peer sees a close instead of hanging, twenty times a second at most.
//!
//! Spec: accept(2) of Linux, for its errors.
//! Never: reads or writes a stream; ends because of what a peer did; spins on an error.
//! Invariants: every stream handed out comes with its [`Permit`].
//! Limits: `backlog`, and those of [`Caps`].

use std::future::Future;
use std::io;
use std::net::{IpAddr, SocketAddr};
use std::os::fd::{AsFd, OwnedFd};
use std::sync::atomic::Ordering;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use rustix::io::Errno;
use socket2::{Domain, Protocol, SockRef, Socket, Type};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::SemaphorePermit;
use tokio::time::{Instant, timeout};

use super::admission::{Admission, Caps, Counters, Counts, Permit};
use crate::net::lock::lock;

/// How long to wait for a descriptor or memory before trying again.
pub(crate) const RELIEF: Duration = Duration::from_millis(50);
/// Bytes not yet sent that the kernel takes from one connection. Without this bound it takes megabytes, and tells of room
/// in steps so large that a slow reader looks like one that does not read. Accepted sockets inherit it.
pub(crate) const UNSENT_BYTES_MAX: u32 = 128 * 1024;
/// The least time between two warnings.
const WARNING_INTERVAL: Duration = Duration::from_secs(1);

/// How a listener binds, and its bounds.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ListenerConfig {
    /// Established connections that wait in the kernel to be accepted. Default 4096; Linux lowers it to
    /// `net.core.somaxconn`. Larger: newcomers wait longer at a full server before they learn of it.
    pub backlog: u32,
    /// How many connections there may be.
    pub caps: Caps,
    /// Whether an IPv6 address is for IPv6 only. Default no: `[::]` takes IPv4 too, whatever the system's default is,
    /// and reports such peers by their IPv4 address.
    pub ipv6_only: bool,
    /// Whether other listeners may bind the same address (`SO_REUSEPORT`) and share its connections. Default no: a
    /// second server on the port is an error.
    pub reuse_port: bool,
}

impl Default for ListenerConfig {
    fn default() -> Self {
        ListenerConfig { backlog: 4096, caps: Caps::default(), ipv6_only: false, reuse_port: false }
    }
}

/// A connection that was taken from the queue.
#[derive(Debug)]
pub enum Arrival {
    /// To be served.
    Accepted {
        /// The connection, with `TCP_NODELAY` set.
        stream: TcpStream,
        /// Its other end; IPv4 when it came as an IPv4-mapped IPv6 address.
        peer: SocketAddr,
        /// To be kept as long as the stream, and dropped after it.
        permit: Permit,
    },
    /// To be refused: its address has `connections_per_address_max` open.
    OverLimit {
        /// As in [`Arrival::Accepted`].
        stream: TcpStream,
        /// As in [`Arrival::Accepted`].
        peer: SocketAddr,
        /// Holds a seat of the total cap, so that refusals are bounded too, and none of its address.
        permit: Permit,
    },
}

/// A listening TCP socket.
pub struct Listener {
    socket: TcpListener,
    admission: Arc<Admission>,
    /// Given up for a moment to shed a connection. A second handle to the socket, because that is always to be had.
    reserve: Mutex<Option<OwnedFd>>,
    last_warning: Mutex<Option<Instant>>,
}

impl Listener {
    /// Binds `address` and listens. Port 0 lets the system choose. `SO_REUSEADDR` is set, so that a restarted server
    /// does not wait for connections of the last one to time out.
    ///
    /// # Errors
    /// What the system says: address in use, not permitted, family not supported.
    ///
    /// # Panics
    /// Outside of a tokio runtime with I/O enabled; when a cap is 0, which would serve nobody.
    pub fn bind(address: SocketAddr, config: ListenerConfig) -> io::Result<Listener> {
        let socket = Socket::new(Domain::for_address(address), Type::STREAM, Some(Protocol::TCP))?;
        if address.is_ipv6() {
            socket.set_only_v6(config.ipv6_only)?;
        }
        socket.set_reuse_address(true)?;
        socket.set_reuse_port(config.reuse_port)?;
        socket.bind(&address.into())?;
        socket.listen(i32::try_from(config.backlog).unwrap_or(i32::MAX))?;
        Listener::from_std(socket.into(), config)
    }

    /// Takes over a socket that listens already: inherited from a supervisor or from the process before. What `config`
    /// says about binding has no effect.
    ///
    /// # Errors
    /// When the socket cannot be made non-blocking or registered.
    ///
    /// # Panics
    /// As [`Listener::bind`].
    pub fn from_std(socket: std::net::TcpListener, config: ListenerConfig) -> io::Result<Listener> {
        socket.set_nonblocking(true)?;
        // Accepted sockets inherit it: one call for all of them.
        SockRef::from(&socket).set_tcp_nodelay(true)?;
        #[cfg(target_os = "linux")]
        SockRef::from(&socket).set_tcp_notsent_lowat(UNSENT_BYTES_MAX)?;
        let reserve = socket.as_fd().try_clone_to_owned()?;
        Ok(Listener {
            socket: TcpListener::from_std(socket)?,
            admission: Arc::new(Admission::new(config.caps)),
            reserve: Mutex::new(Some(reserve)),
            last_warning: Mutex::new(None),
        })
    }

    /// The address bound, with the port that the system chose.
    ///
    /// # Errors
    /// What the system says.
    pub fn local_addr(&self) -> io::Result<SocketAddr> {
        self.socket.local_addr()
    }

    /// Waits for the next connection. Faults of single connections and shortages of the machine are survived here.
    ///
    /// # Errors
    /// Only when the listening socket itself is unusable, or the runtime shuts down: calling again will not help.
    ///
    /// # Cancel safety
    /// Dropping the future loses no connection and no seat.
    pub async fn accept(&self) -> io::Result<Arrival> {
        let mut waited = false;
        loop {
            let seat = self.admission.seat().await;
            match self.socket.accept().await {
                Ok((stream, peer)) => {
                    if let Some(arrival) = self.admit(seat, stream, peer) {
                        return Ok(arrival);
                    }
                }
                Err(error) => self.survive(error, &mut waited).await?,
            }
        }
    }

    /// Takes a connection that waits already, for the time between the decision to stop and the closing of the socket:
    /// closing it resets what waits. `None` when nothing waits. Does wait for a seat. While peers keep coming there may
    /// be no end to them: bound the calls, by a deadline or by `backlog`.
    ///
    /// # Errors
    /// As [`Listener::accept`].
    ///
    /// # Cancel safety
    /// Dropping the future loses no connection and no seat.
    pub async fn accept_pending(&self) -> io::Result<Option<Arrival>> {
        let mut waited = false;
        loop {
            let seat = self.admission.seat().await;
            match self.accept_now() {
                Ok((stream, peer)) => {
                    if let Some(arrival) = self.admit(seat, stream, peer) {
                        return Ok(Some(arrival));
                    }
                }
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => return Ok(None),
                Err(error) => self.survive(error, &mut waited).await?,
            }
        }
    }

    /// Resolves when no permit is out. Does not borrow the listener: close it first, then wait.
    ///
    /// # Cancel safety
    /// Dropping the future loses nothing.
    pub fn drained(&self) -> impl Future<Output = ()> + Send + use<> {
        let admission = Arc::clone(&self.admission);
        async move { admission.drained().await }
    }

    /// What has happened here.
    pub fn counters(&self) -> Counters {
        Counters(Arc::clone(&self.admission))
    }

    /// `None` when the connection was closed: too many of its kind are being refused.
    fn admit(&self, seat: SemaphorePermit<'_>, stream: TcpStream, peer: SocketAddr) -> Option<Arrival> {
        let peer = canonical(peer);
        match self.admission.admit(seat, peer.ip()) {
            Ok(permit) => Some(Arrival::Accepted { stream, peer, permit }),
            Err(permit) => permit.map(|permit| Arrival::OverLimit { stream, peer, permit }),
        }
    }

    /// Asks the socket itself: tokio would first wait to hear that it is readable.
    fn accept_now(&self) -> io::Result<(TcpStream, SocketAddr)> {
        let (socket, address) = SockRef::from(&self.socket).accept()?;
        socket.set_nonblocking(true)?;
        let peer = address.as_socket().ok_or(io::ErrorKind::InvalidInput)?;
        Ok((TcpStream::from_std(socket.into())?, peer))
    }

    /// Does what lets the next `accept` succeed, or says that nothing will. `waited` remembers that a whole wait brought
    /// nothing: a shortage that passes sooner costs nobody a connection.
    async fn survive(&self, error: io::Error, waited: &mut bool) -> io::Result<()> {
        self.admission.tally.errors.fetch_add(1, Ordering::Relaxed);
        match blame(&error) {
            Blame::Peer => tracing::debug!(%error, "a connection failed before it was accepted"),
            Blame::Listener => return Err(error),
            Blame::Machine => {
                self.warn(&error);
                if *waited {
                    self.shed();
                }
                *waited = timeout(RELIEF, self.admission.closed.notified()).await.is_err();
            }
        }
        Ok(())
    }

    /// Accepts one connection with the reserved descriptor and closes it.
    fn shed(&self) {
        let mut reserve = lock(&self.reserve);
        *reserve = None;
        if SockRef::from(&self.socket).accept().is_ok() {
            self.admission.tally.shed.fetch_add(1, Ordering::Relaxed);
        }
        // Another thread may have been quicker: then the next call tries to get it back.
        *reserve = self.socket.as_fd().try_clone_to_owned().ok();
    }

    fn warn(&self, error: &io::Error) {
        let mut last = lock(&self.last_warning);
        if last.is_none_or(|last| last.elapsed() >= WARNING_INTERVAL) {
            *last = Some(Instant::now());
            let Counts { open, errors, shed, .. } = self.counters().read();
            tracing::warn!(%error, open, errors, shed, "cannot accept connections; those open go on");
        }
    }
}

/// Who is at fault when `accept` fails.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Blame {
    /// The connection: it is gone, the next may be good.
    Peer,
    /// The machine or the process: no descriptor, no memory.
    Machine,
    /// The listening socket: no call will succeed again.
    Listener,
}

fn blame(error: &io::Error) -> Blame {
    match Errno::from_io_error(error) {
        // No code of the system: the runtime is shutting down.
        None | Some(Errno::BADF | Errno::INVAL | Errno::NOTSOCK) => Blame::Listener,
        // accept(2), "Error handling": errors of the network that already wait on the new socket are reported here.
        Some(
            Errno::CONNABORTED
            | Errno::CONNRESET
            | Errno::INTR
            | Errno::PROTO
            | Errno::NOPROTOOPT
            | Errno::OPNOTSUPP
            | Errno::NETDOWN
            | Errno::NETUNREACH
            | Errno::HOSTDOWN
            | Errno::HOSTUNREACH
            | Errno::TIMEDOUT,
        ) => Blame::Peer,
        // EMFILE, ENFILE, ENOBUFS, ENOMEM. What is not known waits with them, because it might not go away at once.
        Some(_) => Blame::Machine,
    }
}

/// An IPv4-mapped IPv6 address as the IPv4 address that it is. Any other is left alone, zone and all.
fn canonical(peer: SocketAddr) -> SocketAddr {
    match peer.ip().to_canonical() {
        IpAddr::V4(address) => SocketAddr::from((address, peer.port())),
        IpAddr::V6(_) => peer,
    }
}

#[cfg(test)]
mod tests {
    use std::env;
    use std::fs::File;
    use std::io::Read;
    use std::net::{Shutdown, TcpStream as Client};
    use std::process::Command;

    use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};
    use tokio::io::{AsyncReadExt, AsyncWriteExt};

    use super::*;

    /// Longer than any event on the loopback interface takes.
    const SOON: Duration = Duration::from_secs(5);
    /// How long a state is watched that must not change.
    const QUIET: Duration = Duration::from_millis(20);

    fn any_port() -> SocketAddr {
        "127.0.0.1:0".parse().unwrap()
    }

    fn listener(connections_max: usize, connections_per_address_max: usize) -> Listener {
        let caps = Caps { connections_max, connections_per_address_max, cap_loopback: true };
        Listener::bind(any_port(), ListenerConfig { caps, ..ListenerConfig::default() }).unwrap()
    }

    fn connect(listener: &Listener) -> Client {
        Client::connect(listener.local_addr().unwrap()).unwrap()
    }

    /// Connects from another address of the loopback network.
    fn connect_from(source: &str, listener: &Listener) -> Client {
        let socket = Socket::new(Domain::IPV4, Type::STREAM, None).unwrap();
        socket.bind(&SocketAddr::new(source.parse().unwrap(), 0).into()).unwrap();
        socket.connect(&listener.local_addr().unwrap().into()).unwrap();
        socket.into()
    }

    async fn next(listener: &Listener) -> Arrival {
        timeout(SOON, listener.accept()).await.expect("a connection in time").unwrap()
    }

    async fn next_accepted(listener: &Listener) -> (TcpStream, SocketAddr, Permit) {
        match next(listener).await {
            Arrival::Accepted { stream, peer, permit } => (stream, peer, permit),
            Arrival::OverLimit { peer, .. } => panic!("{peer} is over its limit"),
        }
    }

    async fn waits(future: impl Future) -> bool {
        timeout(QUIET, future).await.is_err()
    }

    #[tokio::test]
    async fn a_connection_is_handed_out_ready_and_counted_until_its_permit_drops() {
        let listener = listener(9, 9);
        let client = connect(&listener);
        let (stream, peer, permit) = next_accepted(&listener).await;
        assert!(stream.nodelay().unwrap());
        assert_eq!(peer, client.local_addr().unwrap());
        let counters = listener.counters();
        assert_eq!(counters.read(), Counts { accepted: 1, open: 1, ..Counts::default() });
        drop((stream, permit));
        assert_eq!(counters.read(), Counts { accepted: 1, ..Counts::default() });
    }

    #[tokio::test]
    async fn a_full_server_leaves_newcomers_in_the_queue() {
        let listener = listener(2, 9);
        let clients = [(); 3].map(|()| connect(&listener));
        let first = next_accepted(&listener).await;
        let _second = next_accepted(&listener).await;
        assert!(waits(listener.accept()).await);
        assert!(waits(listener.accept()).await, "a dropped wait keeps no seat");
        drop(first);
        let third = next_accepted(&listener).await;
        assert_eq!(third.1, clients[2].local_addr().unwrap());
        assert_eq!(listener.counters().read(), Counts { accepted: 3, open: 2, full: 2, ..Counts::default() });
    }

    #[tokio::test]
    async fn one_address_cannot_take_all_and_others_are_served() {
        let listener = listener(9, 1);
        let _clients = [connect(&listener), connect(&listener), connect_from("127.0.0.2", &listener)];
        let first = next_accepted(&listener).await;
        let refused = next(&listener).await;
        assert!(matches!(refused, Arrival::OverLimit { .. }));
        let _other = next_accepted(&listener).await;
        let expected = Counts { accepted: 3, open: 3, over_address_limit: 1, ..Counts::default() };
        assert_eq!(listener.counters().read(), expected);
        drop((first, refused));
        let _served_again = connect(&listener);
        next_accepted(&listener).await;
    }

    #[tokio::test]
    async fn the_unspecified_ipv6_address_takes_both_families_unless_told_otherwise() {
        let bind = |ipv6_only| {
            let config = ListenerConfig { ipv6_only, ..ListenerConfig::default() };
            Listener::bind("[::]:0".parse().unwrap(), config)
        };
        let Ok(both) = bind(false) else {
            return println!("left out: this machine has no IPv6");
        };
        let port = both.local_addr().unwrap().port();
        let _ipv4 = Client::connect(("127.0.0.1", port)).unwrap();
        assert_eq!(next_accepted(&both).await.1.ip().to_string(), "127.0.0.1");
        let _ipv6 = Client::connect(("::1", port)).unwrap();
        assert_eq!(next_accepted(&both).await.1.ip().to_string(), "::1");
        let only = bind(true).unwrap();
        assert!(Client::connect(("127.0.0.1", only.local_addr().unwrap().port())).is_err());
    }

    #[tokio::test]
    async fn a_port_is_shared_only_when_both_say_so() {
        let bind =
            |address, reuse_port| Listener::bind(address, ListenerConfig { reuse_port, ..ListenerConfig::default() });
        let alone = bind(any_port(), false).unwrap();
        let taken = bind(alone.local_addr().unwrap(), true);
        assert_eq!(taken.err().map(|error| error.kind()), Some(io::ErrorKind::AddrInUse));
        let shared = bind(any_port(), true).unwrap();
        assert!(bind(shared.local_addr().unwrap(), true).is_ok());
    }

    #[tokio::test]
    async fn an_inherited_socket_is_taken_over() {
        let inherited = std::net::TcpListener::bind(any_port()).unwrap();
        let client = Client::connect(inherited.local_addr().unwrap()).unwrap();
        let listener = Listener::from_std(inherited, ListenerConfig::default()).unwrap();
        assert_eq!(next_accepted(&listener).await.1, client.local_addr().unwrap());
    }

    #[tokio::test]
    async fn what_waits_is_taken_before_the_socket_closes() {
        let listener = listener(3, 9);
        let clients = [(); 3].map(|()| connect(&listener));
        let mut pending = Vec::new();
        while let Some(arrival) = listener.accept_pending().await.unwrap() {
            pending.push(arrival);
            if pending.len() == clients.len() {
                assert!(waits(listener.accept_pending()).await, "it waits for a seat");
                pending.remove(0);
            }
        }
        assert_eq!(pending.len(), 2);
        drop(listener);
        for arrival in pending {
            let Arrival::Accepted { mut stream, .. } = arrival else { panic!("within the limit") };
            stream.write_all(b"served").await.unwrap();
        }
        let mut answer = String::new();
        (&clients[2]).read_to_string(&mut answer).unwrap();
        assert_eq!(answer, "served");
    }

    #[tokio::test]
    async fn drained_waits_for_the_last_permit_after_the_listener_is_closed() {
        let listener = listener(9, 9);
        listener.drained().await;
        let _clients = [connect(&listener), connect(&listener)];
        let (first, second) = (next_accepted(&listener).await, next_accepted(&listener).await);
        let drained = tokio::spawn(listener.drained());
        drop(listener);
        drop(first);
        tokio::task::yield_now().await;
        assert!(!drained.is_finished());
        drop(second);
        timeout(SOON, drained).await.unwrap().unwrap();
    }

    #[tokio::test]
    async fn a_dead_socket_is_an_error_and_no_loop() {
        let listener = listener(9, 9);
        SockRef::from(&listener.socket).shutdown(Shutdown::Both).unwrap();
        let outcome = timeout(SOON, listener.accept()).await.unwrap();
        assert_eq!(outcome.unwrap_err().kind(), io::ErrorKind::InvalidInput);
    }

    #[test]
    fn errors_are_blamed() {
        let check = |errno: Errno, expected| assert_eq!(blame(&errno.into()), expected, "{errno}");
        check(Errno::CONNABORTED, Blame::Peer);
        check(Errno::PROTO, Blame::Peer);
        check(Errno::MFILE, Blame::Machine);
        check(Errno::NFILE, Blame::Machine);
        check(Errno::NOBUFS, Blame::Machine);
        check(Errno::NOMEM, Blame::Machine);
        check(Errno::PERM, Blame::Machine);
        check(Errno::BADF, Blame::Listener);
        assert_eq!(blame(&io::Error::other("shutting down")), Blame::Listener);
    }

    /// The limit of descriptors belongs to the process, so that this test runs itself in one of its own.
    #[test]
    fn a_process_without_descriptors_serves_on_and_recovers_at_once() {
        const CHILD: &str = "FIRSTBYTE_TEST_WITHOUT_DESCRIPTORS";
        if env::var_os(CHILD).is_some() {
            return starve();
        }
        let module = module_path!().split_once("::").unwrap().1;
        let name = format!("{module}::a_process_without_descriptors_serves_on_and_recovers_at_once");
        let child =
            Command::new(env::current_exe().unwrap()).args([&name, "--exact"]).env(CHILD, "1").output().unwrap();
        let output = String::from_utf8_lossy(&child.stdout);
        assert!(child.status.success() && output.contains("1 passed"), "{output}");
    }

    #[tokio::main(flavor = "current_thread")]
    async fn starve() {
        let listener = listener(99, 99);
        let mut old_client = TcpStream::connect(listener.local_addr().unwrap()).await.unwrap();
        let (mut old, _, old_permit) = next_accepted(&listener).await;
        let mut clients = [(); 20].map(|()| connect(&listener));
        setrlimit(Resource::Nofile, Rlimit { current: Some(200), ..getrlimit(Resource::Nofile) }).unwrap();
        let mut files: Vec<File> = std::iter::from_fn(|| File::open("/dev/null").ok()).collect();

        let while_starving = async {
            for _ in 0..3 {
                old_client.write_all(b"still").await.unwrap();
                old.read_exact(&mut [0; 5]).await.unwrap();
                tokio::time::sleep(2 * RELIEF).await;
            }
        };
        tokio::select! {
            _ = listener.accept() => panic!("there is no descriptor for it"),
            () = while_starving => {}
        }
        let starved = listener.counters().read();
        assert!((3..=7).contains(&starved.errors), "about one attempt in 50 ms: {starved:?}");
        assert!(starved.shed > 0 && starved.shed < starved.errors, "{starved:?}");
        assert_eq!(clients[0].read(&mut [0; 1]).unwrap(), 0, "the oldest was shed: closed, not hanging");

        let freed = Instant::now();
        files.pop();
        let (stream, ..) = next_accepted(&listener).await;
        assert!(freed.elapsed() < 2 * RELIEF);
        drop(stream);

        // A connection of our own that closes ends the wait before its time.
        files.push(File::open("/dev/null").unwrap());
        let before = listener.counters().read().errors;
        let close = async {
            tokio::task::yield_now().await;
            drop(old);
            drop(old_permit);
        };
        let (arrival, ()) = tokio::join!(next_accepted(&listener), close);
        assert_eq!(listener.counters().read().errors, before + 1, "{:?}", arrival.1);
    }
}
