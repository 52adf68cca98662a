//! Owns services that tests lean on: a Redis and a NATS of one's own, on a free port, in a folder of its own. They can be
//! stopped, woken, killed and started again at the same port; a drop ends them.
//!
//! `TEST_REDIS_URL` and `TEST_NATS_URL` name others that are there already, for tests that only talk to them: a test that
//! stops or kills a service has its own.

use std::net::{SocketAddr, TcpListener, TcpStream};
use std::path::PathBuf;
use std::process::{Child, Command, Stdio};

use rustix::process::{Pid, Signal, kill_process};

use crate::server::{Folder, wait_for};
use crate::tools;

/// What a service is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    Redis,
    Nats,
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
    folder: Folder,
}

impl Kind {
    pub const ALL: [Kind; 2] = [Kind::Redis, Kind::Nats];

    fn program(self) -> &'static str {
        match self {
            Kind::Redis => "redis-server",
            Kind::Nats => "nats-server",
        }
    }

    fn variable(self) -> &'static str {
        match self {
            Kind::Redis => "TEST_REDIS_URL",
            Kind::Nats => "TEST_NATS_URL",
        }
    }

    fn scheme(self) -> &'static str {
        match self {
            Kind::Redis => "redis",
            Kind::Nats => "nats",
        }
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
        let child = spawn(kind, &program, port, &folder, args);
        let mut service = Service { kind, program, port, child, folder };
        service.wait();
        Some(service)
    }

    pub fn url(&self) -> String {
        format!("{}://127.0.0.1:{}", self.kind.scheme(), self.port)
    }

    /// It is there, but does nothing any more.
    pub fn pause(&self) {
        self.signal(Signal::STOP);
    }

    pub fn resume(&self) {
        self.signal(Signal::CONT);
    }

    /// Ends it at once. What it held is lost.
    pub fn kill(&mut self) {
        self.child.kill().unwrap();
        self.child.wait().unwrap();
    }

    /// Starts it again after [`Service::kill`], where it was.
    pub fn start_again(&mut self) {
        self.child = spawn(self.kind, &self.program, self.port, &self.folder, &[]);
        self.wait();
    }

    fn signal(&self, signal: Signal) {
        kill_process(Pid::from_child(&self.child), signal).unwrap();
    }

    fn wait(&mut self) {
        let address = SocketAddr::from(([127, 0, 0, 1], self.port));
        wait_for(&format!("{} at {address}", self.kind.program()), || {
            assert_eq!(self.child.try_wait().unwrap(), None, "{} has ended", self.kind.program());
            TcpStream::connect(address).ok()
        });
    }
}

impl Drop for Service {
    fn drop(&mut self) {
        // A process that is stopped is killed as well.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// Runs `test` with each kind of service that there is, at once.
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

fn spawn(kind: Kind, program: &PathBuf, port: u16, folder: &Folder, args: &[&str]) -> Child {
    let mut command = Command::new(program);
    match kind {
        Kind::Redis => {
            command.args(["--save", "", "--appendonly", "no", "--bind", "127.0.0.1", "--dir"]).arg(folder.path());
        }
        Kind::Nats => {
            command.args(["--addr", "127.0.0.1"]);
        }
    }
    command.args(["--port", &port.to_string()]).args(args).current_dir(folder.path());
    command.stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::null()).spawn().unwrap()
}
