//! Owns services that tests lean on: a Redis, a NATS and a PostgreSQL of one's own, on a free port, in a folder of its own.
//! They can be stopped, woken, killed and started again at the same port; a drop ends them, and so does the end of the
//! process, however it ends.
//!
//! `TEST_REDIS_URL`, `TEST_NATS_URL` and `TEST_DATABASE_URL` name others that are there already, for tests that only talk to
//! them: a test that stops or kills a service has its own. [`Database`](crate::database::Database) has databases in one
//! PostgreSQL for all tests.

use std::fs;
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Output, Stdio};
use std::time::Duration;

use rustix::process::{Pid, Signal, kill_process};

use crate::server::{Folder, wait_for};
use crate::tools;

/// Within which a service that is away is told. Longer than the promise of 250 ms: other tests run at the same time.
pub const TOLD_TIME: Duration = Duration::from_secs(1);

/// Within which a service that is back is used. Longer than the promise of a second, likewise.
pub const BACK_TIME: Duration = Duration::from_secs(5);

/// What a service is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    Redis,
    Nats,
    Postgres,
}

/// A service that a test only talks to.
pub struct Shared {
    pub url: String,
    _own: Option<Service>,
}

/// A service that runs.
pub struct Service {
    kind: Kind,
    program: PathBuf,
    port: u16,
    child: Child,
    guard: Child,
    folder: Folder,
}

/// Waits for the end of whoever holds its standard input, and ends the service: `$1` by the signal `$2`, its folder `$3`.
const GUARD: &str = r#"
    trap '' INT TERM HUP
    read -r nothing
    kill -s "$2" "$1"
    kill -s CONT "$1"
    while kill -0 "$1"; do sleep 0.05; done
    rm -rf "$3""#;

impl Kind {
    /// Those that carry messages.
    pub const BROKERS: [Kind; 2] = [Kind::Redis, Kind::Nats];

    fn program(self) -> &'static str {
        match self {
            Kind::Redis => "redis-server",
            Kind::Nats => "nats-server",
            Kind::Postgres => "postgres",
        }
    }

    fn variable(self) -> &'static str {
        match self {
            Kind::Redis => "TEST_REDIS_URL",
            Kind::Nats => "TEST_NATS_URL",
            Kind::Postgres => "TEST_DATABASE_URL",
        }
    }

    fn scheme(self) -> &'static str {
        match self {
            Kind::Redis => "redis",
            Kind::Nats => "nats",
            Kind::Postgres => "postgres",
        }
    }

    /// The signal that ends it at once and lets it leave nothing behind.
    fn end(self) -> &'static str {
        if self == Kind::Postgres { "QUIT" } else { "KILL" }
    }
}

impl Shared {
    /// The service that the environment names, or one of one's own. `None` as for [`Service::start`].
    pub fn of(kind: Kind) -> Option<Shared> {
        if let Ok(url) = std::env::var(kind.variable()) {
            return Some(Shared { url, _own: None });
        }
        let own = Service::start(kind)?;
        Some(Shared { url: own.url(), _own: Some(own) })
    }
}

impl Service {
    /// A service of one's own. `None`, after a loud line, when the program is missing and need not be there.
    pub fn start(kind: Kind) -> Option<Service> {
        Service::start_with(kind, &[])
    }

    /// The same with more arguments.
    pub fn start_with(kind: Kind, args: &[&str]) -> Option<Service> {
        let program = tools::find(kind.program())?;
        let (folder, port) = (Folder::new(), free_port());
        if kind == Kind::Postgres {
            make_cluster(&program, folder.path());
        }
        let child = spawn(kind, &program, port, &folder, args);
        let guard = guard(&child, kind, &folder);
        let mut service = Service { kind, program, port, child, guard, folder };
        service.wait();
        Some(service)
    }

    pub fn url(&self) -> String {
        let (scheme, port) = (self.kind.scheme(), self.port);
        match self.kind {
            Kind::Postgres => format!("{scheme}://postgres@127.0.0.1:{port}/postgres"),
            _ => format!("{scheme}://127.0.0.1:{port}"),
        }
    }

    /// It is there, but does nothing any more.
    pub fn pause(&self) {
        self.signal(Signal::STOP);
    }

    pub fn resume(&self) {
        self.signal(Signal::CONT);
    }

    /// Ends it at once. What it held in memory is lost.
    pub fn kill(&mut self) {
        self.child.kill().unwrap();
        self.child.wait().unwrap();
    }

    /// Starts it again after [`Service::kill`], where it was.
    pub fn start_again(&mut self) {
        let again = |service: &mut Service| {
            service.child = spawn(service.kind, &service.program, service.port, &service.folder, &[]);
        };
        end_guard(&mut self.guard);
        again(self);
        while !self.is_up() {
            // PostgreSQL does not start before the last process of the one before has ended.
            again(self);
        }
        self.guard = guard(&self.child, self.kind, &self.folder);
    }

    /// Also to the processes that it has started: PostgreSQL has one for each connection.
    fn signal(&self, signal: Signal) {
        let own = Pid::from_child(&self.child);
        // It may have ended, and so may they.
        let _ = kill_process(own, signal);
        for child in children(own) {
            let _ = kill_process(child, signal);
        }
    }

    fn wait(&mut self) {
        assert!(self.is_up(), "{} has ended", self.kind.program());
    }

    /// Waits until it can be talked to. False when it has ended instead.
    fn is_up(&mut self) -> bool {
        let address = SocketAddr::from(([127, 0, 0, 1], self.port));
        wait_for(&format!("{} at {address}", self.kind.program()), || match self.child.try_wait().unwrap() {
            Some(_) => Some(false),
            None if self.kind == Kind::Postgres => self.is_ready().then_some(true),
            None => TcpStream::connect(address).ok().map(|_| true),
        })
    }

    /// Whether PostgreSQL, which takes connections early, has come up: it says so in the last line of a file.
    fn is_ready(&self) -> bool {
        let status = fs::read_to_string(self.folder.join("data/postmaster.pid")).unwrap_or_default();
        let mut lines = status.lines();
        lines.next() == Some(&self.child.id().to_string())
            && lines.next_back().is_some_and(|last| last.trim() == "ready")
    }
}

impl Drop for Service {
    fn drop(&mut self) {
        end_guard(&mut self.guard);
        if self.kind == Kind::Postgres {
            // At once, and its processes with it.
            self.signal(Signal::QUIT);
            self.signal(Signal::CONT);
            let _ = self.child.wait();
        }
        // A process that is stopped is killed as well.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// Runs `test` with each kind of broker that there is, at once.
pub async fn with_each(test: impl AsyncFn(Service)) {
    let run = async |kind| {
        if let Some(service) = Service::start(kind) {
            test(service).await;
        }
    };
    tokio::join!(run(Kind::Redis), run(Kind::Nats));
}

/// A port that the system gives to nobody by itself, so that it is still free after the service was killed.
fn free_port() -> u16 {
    let is_free = |port: &u16| TcpListener::bind(("127.0.0.1", *port)).is_ok();
    std::iter::repeat_with(|| fastrand::u16(20_000..32_000)).find(is_free).unwrap()
}

fn spawn(kind: Kind, program: &Path, port: u16, folder: &Folder, args: &[&str]) -> Child {
    let mut command = if kind == Kind::Postgres { as_nobody_special(program) } else { Command::new(program) };
    match kind {
        Kind::Redis => {
            command.args(["--save", "", "--appendonly", "no", "--bind", "127.0.0.1", "--dir"]).arg(folder.path());
            command.args(["--port", &port.to_string()]);
        }
        Kind::Nats => {
            command.args(["--addr", "127.0.0.1", "--port", &port.to_string()]);
        }
        Kind::Postgres => {
            command.args(["-F", "-D", "data", "-p", &port.to_string()]);
            for setting in POSTGRES_SETTINGS {
                command.args(["-c", setting]);
            }
        }
    }
    command.args(args).current_dir(folder.path());
    command.stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::null()).spawn().unwrap()
}

/// Nothing survives a crash of the machine, nor has to.
const POSTGRES_SETTINGS: [&str; 7] = [
    "listen_addresses=127.0.0.1",
    "unix_socket_directories=",
    "max_connections=300",
    "shared_buffers=32MB",
    "full_page_writes=off",
    "wal_level=minimal",
    "max_wal_senders=0",
];

/// The files of a PostgreSQL in which `postgres` may do everything.
fn make_cluster(postgres: &Path, folder: &Path) {
    if is_root() {
        let output = |command: &mut Command| command.output().unwrap();
        let Output { stdout, .. } = output(Command::new("id").args(["-u", "postgres"]));
        let user = String::from_utf8(stdout).unwrap().trim().parse().unwrap();
        std::os::unix::fs::chown(folder, Some(user), None).unwrap();
    }
    let initdb = postgres.with_file_name("initdb");
    let made = as_nobody_special(&initdb)
        .args(["-A", "trust", "-N", "-U", "postgres", "-E", "UTF8", "--locale=C", "-D", "data"])
        .current_dir(folder)
        .output()
        .unwrap();
    assert!(made.status.success(), "{}", String::from_utf8_lossy(&made.stderr));
}

/// PostgreSQL does not run as root.
fn as_nobody_special(program: &Path) -> Command {
    if !is_root() {
        return Command::new(program);
    }
    let mut command = Command::new("setpriv");
    command.args(["--reuid=postgres", "--regid=postgres", "--clear-groups"]).arg(program);
    command
}

fn is_root() -> bool {
    rustix::process::geteuid().is_root()
}

fn guard(service: &Child, kind: Kind, folder: &Folder) -> Child {
    let mut command = Command::new("sh");
    command.args(["-c", GUARD, "sh", &service.id().to_string(), kind.end()]).arg(folder.path());
    command.stdin(Stdio::piped()).stdout(Stdio::null()).stderr(Stdio::null()).spawn().unwrap()
}

fn end_guard(guard: &mut Child) {
    let _ = guard.kill();
    let _ = guard.wait();
}

/// The processes that `parent` has started.
fn children(parent: Pid) -> Vec<Pid> {
    let numbers = fs::read_dir("/proc").unwrap().flatten().filter_map(|entry| entry.file_name().to_str()?.parse().ok());
    let is_child = |&number: &i32| {
        // proc_pid_stat(5): the fourth field, behind a name that may hold anything.
        let stat = fs::read_to_string(format!("/proc/{number}/stat")).unwrap_or_default();
        let of = stat.rsplit_once(')').and_then(|(_, rest)| rest.split_whitespace().nth(1)?.parse().ok());
        of == Some(parent.as_raw_nonzero().get())
    };
    numbers.filter(is_child).filter_map(Pid::from_raw).collect()
}
