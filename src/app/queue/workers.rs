//! Owns the workers of a process: they claim, work, write down what came of it, say that they are alive, and rescue.
//!
//! ```text
//!   foreman ──claim──> floor: places_max ──> a task for each try ──> scribe ──> finish, many at once
//!      ^                 ^                                             └ the store is away: again, the fence decides
//!      │ work            │ lost, cancelled
//!   ear: NOTIFY        pulse: beat every 2 s, for all jobs at once       upkeep: promote, rescue every second; sweep
//! ```
//!
//! The one idea: a job is in its place from its claim until what came of it is written down. So the places bound what is in
//! flight, a store that is away stops the claims by itself, and who counts the places at the end knows what is left.
//!
//! The lease is that of the process: one row, one beat, however many jobs. A process that could not beat for as long as its
//! lease stops its own jobs, since another one may have them by then.
//!
//! Never: works on a job that the store does not know of for longer than two beats, nor the other way round; goes on in parts: when
//! one of its tasks panics, all end.
//! Limits: [`WorkersConfig`].

mod crew;
mod floor;
mod pulse;
mod scribe;
mod trial;

use std::time::Duration;

use prometheus_client::registry::Registry;
use tokio::sync::watch;
use tokio::task::JoinHandle;

use crate::app::queue::backoff::Backoff;
use crate::app::queue::metrics::Tally;
use crate::app::queue::{Kinds, Queue};
use crate::net::shutdown::Shutdown;

/// What workers are made with.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct WorkersConfig {
    /// Jobs at a time. Default: 4.
    pub concurrency: usize,
    /// For how long a worker that gives no sign of life is taken for alive. Default: 6 s: with [`WorkersConfig::poll`] its jobs
    /// are rescued within 8 s.
    pub lease: Duration,
    /// From one sign of life to the next. Default: 2 s.
    pub heartbeat: Duration,
    /// How often workers look by themselves whether there is work, or somebody to rescue. Default: 1 s.
    pub poll: Duration,
    /// How long jobs at work are waited for when the workers end; those that are left are given back. Default: 10 s.
    pub drain: Duration,
    /// How long a job that failed waits.
    pub backoff: Backoff,
}

impl Default for WorkersConfig {
    fn default() -> WorkersConfig {
        WorkersConfig {
            concurrency: 4,
            lease: Duration::from_secs(6),
            heartbeat: Duration::from_secs(2),
            poll: Duration::from_secs(1),
            drain: Duration::from_secs(10),
            backoff: Backoff::default(),
        }
    }
}

/// The workers of a process, at work until they are told to end.
pub struct Workers {
    stop: watch::Sender<()>,
    life: JoinHandle<Ended>,
    /// Closed when they have ended.
    over: watch::Receiver<()>,
    tally: Tally,
}

/// How workers have ended.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Ended {
    /// Jobs that were given back, for others.
    pub released: usize,
    /// Jobs that were left as they were: nothing could be written down of them, or their work did not stop.
    pub cut: usize,
}

impl Workers {
    /// Works the jobs of `queue` that are of one of `kinds`. When `shutdown` drains, nothing more is claimed; when it is
    /// forced, what is at work is given back.
    ///
    /// # Panics
    /// Outside of a tokio runtime; without a place, or with a lease that is not longer than two heartbeats.
    pub fn start(queue: Queue, kinds: Kinds, config: WorkersConfig, shutdown: Shutdown) -> Workers {
        assert!(config.concurrency > 0, "workers have a place");
        assert!(config.lease > 2 * config.heartbeat, "a beat may be late");
        let (stop, stopped) = watch::channel(());
        let tally = Tally::new(kinds.names());
        let (open, over) = watch::channel(());
        let living = crew::live(queue, kinds, config, tally.clone(), shutdown, stopped);
        let life = tokio::spawn(async move {
            // Let go of at the end, whichever it is.
            let _open = open;
            living.await
        });
        Workers { stop, life, over, tally }
    }

    /// Completes when they have ended, which they do by themselves when one of their tasks has panicked: [`Workers::end`] goes on
    /// with that panic.
    ///
    /// # Cancel safety
    /// Dropped, nothing has changed.
    pub fn ended(&self) -> impl Future<Output = ()> + Send + use<> {
        let mut over = self.over.clone();
        async move { while over.changed().await.is_ok() {} }
    }

    /// Adds what these workers have done: tries by kind and outcome, how long they took, claims, rescues, refused ends.
    pub fn register(&self, registry: &mut Registry) {
        self.tally.register(registry);
    }

    /// Ends them: nothing more is claimed, what is at work is finished within [`WorkersConfig::drain`], and what is left then
    /// is given back, with its try.
    ///
    /// # Cancel safety
    /// Dropped, they end all the same.
    pub async fn end(self) -> Ended {
        self.stop.send_replace(());
        match self.life.await {
            Ok(ended) => ended,
            Err(error) if error.is_panic() => std::panic::resume_unwind(error.into_panic()),
            Err(_) => Ended::default(),
        }
    }
}
