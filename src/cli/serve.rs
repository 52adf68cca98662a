//! Owns what a serving process does from start to end.
//!
//! ```text
//!   settings ──> runtime ──> listeners, all of them or none
//!                               │
//!        applications ──> routes ──> a server for each listener, one shutdown for all
//!                               │
//!              Drained: 0       └──> Cut: 3
//! ```
//!
//! Never: reads a flag, a variable or a file: [`Settings`] is all it knows.

use std::fmt;
use std::io::{self, Write};
use std::net::SocketAddr;
use std::panic::resume_unwind;
use std::process::ExitCode;
use std::sync::Arc;
use std::time::Duration;

use firstbyte::app::errors;
use firstbyte::app::inspect::{self, Inspector};
use firstbyte::http::durations::Durations;
use firstbyte::http::server::{Ended, Watched};
use firstbyte::http::{Handler, Server};
use firstbyte::net::{Listener, ListenerConfig};
use tokio::runtime::{self, Runtime};
use tokio::task::JoinSet;
use tokio::time::timeout;

use super::applications::{self, Applications};
use super::settings::Settings;
use super::{CUT, FAILURE, descriptors, log, say};

/// How long a cut connection may take to notice. A handler that blocks its thread never does.
const CUT_TIME: Duration = Duration::from_secs(1);

/// How long the last lines of a trace may take.
const TRACE_TIME: Duration = Duration::from_secs(1);

/// Why nothing is served.
pub enum Failure {
    Runtime(io::Error),
    Listen(SocketAddr, io::Error),
    Signals(io::Error),
    Applications(applications::Failure),
}

/// Serves all applications until told to stop.
pub fn serve(settings: Settings) -> ExitCode {
    process(settings, run)
}

/// The life of a process that serves by `run`.
pub fn process<F>(settings: Settings, run: impl FnOnce(Settings) -> F) -> ExitCode
where
    F: Future<Output = Result<Ended, Failure>>,
{
    log::init(&settings.log, settings.log_format);
    let runtime = match runtime(&settings) {
        Ok(runtime) => runtime,
        Err(failure) => return fail(&failure),
    };
    let ended = runtime.block_on(run(settings));
    // Whatever still blocks a thread is not waited for.
    runtime.shutdown_background();
    match ended {
        Ok(Ended::Drained) => ExitCode::SUCCESS,
        Ok(Ended::Cut { connections }) => {
            tracing::warn!(cut = connections, "the shutdown was not clean: connections or jobs were cut");
            ExitCode::from(CUT)
        }
        Err(failure) => fail(&failure),
    }
}

async fn run(mut settings: Settings) -> Result<Ended, Failure> {
    let watched = Watched { durations: Some(Durations::new()), ..Watched::default() };
    let listeners = open(&mut settings, &watched)?;
    let inspector = Inspector::new(&watched, settings.inspect_remote);
    // Port 0 has become another one.
    let address = listeners[0].local_addr().unwrap_or(settings.listen[0]);
    let applications = Applications::open(&settings, address, &watched).map_err(Failure::Applications)?;
    let routes = Arc::new(applications.routes(inspector.clone(), &watched).map_err(Failure::Applications)?);
    let work = applications.work(&watched);
    let trace = settings.trace.then(|| tokio::spawn(inspect::trace_to_terminal(inspector)));
    let ended = until_told(routes, listeners, &settings, &watched).await;
    let (jobs, ()) = tokio::join!(work.end(), applications.end());
    if let Some(trace) = trace {
        // Its last lines are those that tell why it ended. A terminal that is stopped is not waited for.
        let _ = timeout(TRACE_TIME, trace).await;
    }
    Ok(with_jobs(ended, jobs))
}

/// How a process has ended that served and worked, when so many jobs were cut.
pub fn with_jobs(served: Ended, jobs: usize) -> Ended {
    match served {
        Ended::Drained if jobs == 0 => Ended::Drained,
        Ended::Drained => Ended::Cut { connections: jobs },
        Ended::Cut { connections } => Ended::Cut { connections: connections + jobs },
    }
}

/// The listeners of a process that hears signals, bound before anything is said to be ready.
pub fn open(settings: &mut Settings, watched: &Watched) -> Result<Vec<Listener>, Failure> {
    fit_descriptors(settings);
    watched.shutdown.listen_for_signals().map_err(Failure::Signals)?;
    listen(&settings.listen, &settings.listener)
}

/// Serves `routes` at each of `listeners`, until a signal has ended it.
pub async fn until_told(
    routes: Arc<impl Handler>,
    listeners: Vec<Listener>,
    settings: &Settings,
    watched: &Watched,
) -> Ended {
    let mut serving = JoinSet::new();
    for listener in listeners {
        announce(&listener);
        let server = Server::new(Arc::clone(&routes))
            .limits(settings.limits.clone())
            .deadlines(settings.deadlines.clone())
            .terse_errors(settings.terse_errors)
            .catalogue_at(errors::PATH)
            .watched_by(watched);
        serving.spawn(server.serve(listener));
    }
    let end = async {
        tokio::select! {
            ended = end_of_all(serving) => ended,
            connections = cut_in_vain(watched) => Ended::Cut { connections },
        }
    };
    // Draining is told of first, even when nothing is left to drain.
    let ((), ended) = tokio::join!(tell_of_draining(watched, settings.deadlines.drain), end);
    ended
}

fn runtime(settings: &Settings) -> Result<Runtime, Failure> {
    let mut builder = runtime::Builder::new_multi_thread();
    builder.worker_threads(settings.workers).thread_name("firstbyte").enable_all().build().map_err(Failure::Runtime)
}

/// The bounds as text, as they would be in force.
pub fn print_limits(mut settings: Settings) -> String {
    fit_descriptors(&mut settings);
    applications::shown(&settings).text()
}

/// A connection that is promised must have a descriptor.
fn fit_descriptors(settings: &mut Settings) {
    let descriptors = descriptors::raise();
    let wanted = settings.listener.caps.connections_max;
    let fitting = descriptors::clamp(wanted, settings.listen.len(), descriptors);
    if fitting < wanted {
        tracing::warn!(wanted, fitting, descriptors, "connections_max is lowered: raise `ulimit -n`, or ask for less");
        settings.listener.caps.connections_max = fitting;
    }
}

fn listen(addresses: &[SocketAddr], config: &ListenerConfig) -> Result<Vec<Listener>, Failure> {
    let bind = |&address| Listener::bind(address, config.clone()).map_err(|error| Failure::Listen(address, error));
    addresses.iter().map(bind).collect()
}

/// The one line that programs wait for.
fn announce(listener: &Listener) {
    let Ok(address) = listener.local_addr() else { return };
    let mut out = io::stdout().lock();
    // Whoever closed the output does not want to read it.
    let _ = writeln!(out, "firstbyte listens on http://{address}").and_then(|()| out.flush());
}

async fn tell_of_draining(watched: &Watched, limit: Duration) {
    watched.shutdown.draining().await;
    let connections = watched.registry.len();
    tracing::info!(connections, ?limit, "draining: no new connections, what is at work is finished");
}

/// Connections are counted for all servers by each: the largest count is the one before the others were cut.
async fn end_of_all(mut serving: JoinSet<Ended>) -> Ended {
    let mut cut = None;
    while let Some(ended) = serving.join_next().await {
        match ended {
            Ok(Ended::Drained) => {}
            Ok(Ended::Cut { connections }) => cut = cut.max(Some(connections)),
            // A process that listens no more must not look as if it did.
            Err(error) if error.is_panic() => resume_unwind(error.into_panic()),
            Err(_) => {}
        }
    }
    cut.map_or(Ended::Drained, |connections| Ended::Cut { connections })
}

/// Gives up on connections that are cut and do not end.
async fn cut_in_vain(watched: &Watched) -> usize {
    watched.shutdown.forced().await;
    tokio::time::sleep(CUT_TIME).await;
    watched.registry.len()
}

fn fail(failure: &Failure) -> ExitCode {
    say(&format!("error: {failure}"));
    ExitCode::from(FAILURE)
}

impl fmt::Display for Failure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Failure::Runtime(error) => write!(f, "the threads that serve cannot be started: {error}"),
            Failure::Signals(error) => write!(f, "signals cannot be listened for: {error}"),
            Failure::Applications(failure) => failure.fmt(f),
            Failure::Listen(address, error) => {
                write!(f, "cannot listen at {address}: {error}\n{}", remedy(*address, error.kind()))
            }
        }
    }
}

fn remedy(address: SocketAddr, kind: io::ErrorKind) -> String {
    let port = address.port();
    match kind {
        io::ErrorKind::AddrInUse => format!(
            "Another process listens there: see which by `ss -ltnp 'sport = :{port}'`, or take a free port by `--listen {}:0`",
            host(address)
        ),
        io::ErrorKind::PermissionDenied => {
            "Ports below 1024 need a right: take a higher one, or give it by `setcap cap_net_bind_service=+ep`"
                .to_owned()
        }
        io::ErrorKind::AddrNotAvailable => {
            "This machine does not have that address: `ip address` lists those that it has; 0.0.0.0 is all of them"
                .to_owned()
        }
        _ => "Another address may work: `--listen 127.0.0.1:8080`".to_owned(),
    }
}

/// The address without its port, as it is written before one.
fn host(address: SocketAddr) -> String {
    match address {
        SocketAddr::V4(address) => address.ip().to_string(),
        SocketAddr::V6(address) => format!("[{}]", address.ip()),
    }
}
