//! Owns the running of one plan: a server, its clients, a clock that jumps, and the list of what happened.
//!
//! The one idea: one thread and a paused clock make time an ordinary value. While somebody has work no time passes; when
//! nobody has, the clock jumps to the next timer. A minute of silence costs a microsecond, and a seed runs the same way
//! every time.

use std::sync::Arc;
use std::time::Duration;

use firstbyte::http::test::TestServer;
use firstbyte::http::{Limits, Server};
use firstbyte::net::deadline::Deadlines;
use tokio::runtime::{Builder, Handle};
use tokio::time::{sleep, timeout};

use super::client::{Client, Seen};
use super::journal::{Entry, Event, Journal, WORLD};
use super::plan::{Plan, Script};
use super::service::Service;

/// Answers that may wait. Small, so that the limit is met.
pub const OUTPUT_BYTES_MAX: usize = 4 * 1024;

/// Bytes that lie unread at most: one read.
pub const UNREAD_BYTES_MAX: usize = 16 * 1024;

/// What nobody may wait for: longer than all deadlines of all requests of a client together.
const PATIENCE: Duration = Duration::from_secs(3_600);

/// What is left to itself when the last connection is over: a task that still reads content, or still streams. Longer than
/// its deadline.
const AFTERMATH: Duration = Duration::from_secs(60);

/// What a run was.
pub struct Record {
    pub entries: Vec<Entry>,
    /// What each client saw; nobody, when somebody waited for ever.
    pub seen: Option<Vec<Seen>>,
}

pub fn limits() -> Limits {
    Limits { output_bytes_max: OUTPUT_BYTES_MAX, drain_bytes_max: 2 * 1024, ..Limits::default() }
}

/// Runs a plan on this thread.
pub fn run(plan: &Plan) -> Record {
    let runtime = Builder::new_current_thread().enable_time().start_paused(true).build().expect("a runtime");
    runtime.block_on(async {
        let journal = Journal::new();
        let seen = timeout(PATIENCE, play(plan, &journal)).await.ok();
        Record { entries: journal.take(), seen }
    })
}

async fn play(plan: &Plan, journal: &Journal) -> Vec<Seen> {
    let server = Arc::new(TestServer::new(Server::new(Service(journal.clone())).limits(limits())));
    let _watch = plan.is_watched.then(|| server.watched().hub.watch());
    let play = |(who, script): (usize, &Script)| {
        tokio::spawn(Client::new(who, script.clone(), Arc::clone(&server), journal.clone()).play())
    };
    let clients: Vec<_> = plan.clients.iter().enumerate().map(play).collect();
    let stopping =
        plan.stops_at.map(|at| tokio::spawn(stop(plan.forced_after, at, Arc::clone(&server), journal.clone())));
    let mut seen = Vec::new();
    for client in clients {
        seen.push(client.await.expect("neither client nor driver panics"));
    }
    if let Some(stopping) = stopping {
        stopping.abort();
    }
    journal.note(WORLD, Event::ConnectionsLeft(server.watched().registry.len()));
    sleep(AFTERMATH).await;
    journal.note(WORLD, Event::TasksLeft(Handle::current().metrics().num_alive_tasks()));
    seen
}

/// What a server does that is told to stop.
async fn stop(forced_after: Option<Duration>, at: Duration, server: Arc<TestServer<Service>>, journal: Journal) {
    sleep(at).await;
    journal.note(WORLD, Event::ShutDown);
    server.shut_down();
    sleep(forced_after.unwrap_or(Deadlines::default().drain)).await;
    journal.note(WORLD, Event::Force);
    server.force_down();
}
