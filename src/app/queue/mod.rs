//! Work that outlives the request that asked for it: a queue of jobs, kept in memory or in PostgreSQL, and the workers of it.
//!
//! ```text
//!   enqueue, enqueue_in(transaction) ──> Store ──claim──> Workers ──> a kind's work ──> finish
//!                                          │ ^               │
//!                                          │ └── beat ───────┤ every 2 s: alive for 6 s more
//!                                          └──── rescue <────┘ what had a worker that is no more
//! ```
//!
//! The one idea: a job is written down before anybody is told that it will be done, and it is done at least once. A claim has a
//! lease and a number. Whose lease is over has lost its jobs, and its number is refused from then on: so the record has one end
//! for each job, and an effect that names its number can be refused too where it counts.
//!
//! Here are no routes: whoever wants work done later leans on this, as on the accounts.
//!
//! Never: promises what memory cannot keep: a queue in memory goes with its process.
//! Limits: [`QueueConfig`], [`WorkersConfig`], those of [`domain`].

pub mod backoff;
mod bounds;
pub mod cron;
pub mod demo;
pub mod domain;
mod error;
pub mod kinds;
mod metrics;
pub mod schedule;
mod signals;
pub mod store;
pub mod workers;

use std::sync::Arc;
use std::time::Duration;

use serde::Serialize;

use crate::db::postgres::Transaction;
use crate::db::{Migration, Postgres};
use domain::{Counts, Cursor, Filter, Job, JobId, NewJob, PAYLOAD_BYTES_MAX, Page, State};
use metrics::Depth;
use prometheus_client::registry::Registry;
use signals::Signals;
use store::{Retention, Store};

pub use error::QueueError;
pub use kinds::{JobError, Kinds, Running};
pub use workers::{Workers, WorkersConfig};

/// The shape of a database, in the order of its files.
pub const MIGRATIONS: &[Migration] = &[
    Migration {
        name: "queue/0001_queue",
        sql: include_str!("migrations/0001_queue.sql"),
        down: Some(include_str!("migrations/0001_queue.down.sql")),
    },
    Migration {
        name: "queue/0002_schedules",
        sql: include_str!("migrations/0002_schedules.sql"),
        down: Some(include_str!("migrations/0002_schedules.down.sql")),
    },
];

/// What a queue is made with.
#[derive(Clone, Debug, PartialEq)]
pub struct QueueConfig {
    /// Jobs that are kept in memory, those that are over included. Default: 2,000.
    pub in_memory_max: usize,
    /// How long a job that was completed, cancelled or discarded is kept, and its key with it. Default: a day.
    pub keep_over: Duration,
    /// How long a dead letter is kept. Default: 14 days.
    pub keep_dead: Duration,
}

impl Default for QueueConfig {
    fn default() -> QueueConfig {
        const DAY: Duration = Duration::from_secs(24 * 60 * 60);
        QueueConfig { in_memory_max: 2_000, keep_over: DAY, keep_dead: 14 * DAY }
    }
}

/// A queue. A clone is the same one.
#[derive(Clone)]
pub struct Queue {
    inner: Arc<Inner>,
}

struct Inner {
    config: QueueConfig,
    store: Store,
    signals: Signals,
}

/// What has become of a job that was to be stored.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Enqueued {
    /// The job; the first one when its key was there already.
    pub job: Job,
    /// Whether it was not there before.
    pub is_new: bool,
}

impl Queue {
    /// Jobs in memory: gone with the process.
    pub fn memory(config: QueueConfig) -> Queue {
        let store = Store::memory(config.in_memory_max);
        Queue::over(config, store)
    }

    /// Jobs in a database, which all its nodes share. It has the [`MIGRATIONS`].
    ///
    /// # Panics
    /// Outside of a tokio runtime.
    pub fn postgres(config: QueueConfig, database: Postgres) -> Queue {
        Queue::over(config, Store::postgres(database))
    }

    fn over(config: QueueConfig, store: Store) -> Queue {
        let signals = Signals::new(&store);
        Queue { inner: Arc::new(Inner { config, store, signals }) }
    }

    /// Whether other processes have the same jobs: where they are in memory, they go with this one.
    pub fn is_shared(&self) -> bool {
        self.inner.store.is_shared()
    }

    /// Adds how many jobs there are, by state and kind, and how long the oldest has waited. Counted every 10 s.
    ///
    /// # Panics
    /// Outside of a tokio runtime.
    pub fn register(&self, registry: &mut Registry) {
        Depth::register(self, registry);
    }

    /// Stores a job. When its key is there already, the job of that is given instead.
    ///
    /// # Errors
    /// A payload that is too large, a key of another request, a store that is full or away: then it may have been stored, and
    /// only a job with a key can be asked for again without fear.
    ///
    /// # Cancel safety
    /// Dropped, it was stored or not, as a whole. So it is for all of these.
    pub async fn enqueue(&self, job: &NewJob) -> Result<Enqueued, QueueError> {
        let mut enqueued = self.enqueue_many(std::slice::from_ref(job)).await?;
        Ok(enqueued.swap_remove(0))
    }

    /// Stores jobs, all of them or none, in their order.
    ///
    /// # Errors
    /// As for [`Queue::enqueue`].
    pub async fn enqueue_many(&self, jobs: &[NewJob]) -> Result<Vec<Enqueued>, QueueError> {
        jobs.iter().try_for_each(check)?;
        let enqueued = self.inner.store.enqueue(jobs).await?;
        let is_new = |state| enqueued.iter().any(|enqueued| enqueued.is_new && enqueued.job.state == state);
        if is_new(State::Ready) {
            self.inner.signals.work();
        }
        if is_new(State::Scheduled) {
            self.inner.signals.planned();
        }
        Ok(enqueued)
    }

    /// Stores a job if `transaction` commits.
    ///
    /// # Errors
    /// As for [`Queue::enqueue`].
    ///
    /// # Panics
    /// On a queue in memory, which no transaction could take back.
    pub async fn enqueue_in(&self, transaction: &mut Transaction<'_>, job: &NewJob) -> Result<Enqueued, QueueError> {
        check(job)?;
        self.inner.store.enqueue_in(transaction, job).await
    }

    /// The job called `id`.
    ///
    /// # Errors
    /// A store that does not answer.
    pub async fn find(&self, id: JobId) -> Result<Option<Job>, QueueError> {
        self.inner.store.find(id).await
    }

    /// At most `limit` jobs, the newest first, behind `after`.
    ///
    /// # Errors
    /// A store that does not answer.
    pub async fn list(&self, filter: &Filter, after: Option<Cursor>, limit: usize) -> Result<Page, QueueError> {
        self.inner.store.list(filter, after, limit).await
    }

    /// How many jobs there are.
    ///
    /// # Errors
    /// A store that does not answer.
    pub async fn counts(&self) -> Result<Counts, QueueError> {
        self.inner.store.counts().await
    }

    /// Makes a job ready that is dead, cancelled, discarded or put off: now, with all its tries.
    ///
    /// # Errors
    /// [`QueueError::Unknown`], [`QueueError::WrongState`], a store that does not answer. So it is for the next two.
    pub async fn retry(&self, id: JobId) -> Result<Job, QueueError> {
        let job = self.inner.store.retry(id).await?;
        self.inner.signals.work();
        Ok(job)
    }

    /// Puts a dead letter away.
    ///
    /// # Errors
    /// As for [`Queue::retry`].
    pub async fn discard(&self, id: JobId) -> Result<Job, QueueError> {
        self.inner.store.discard(id).await
    }

    /// Ends a job that waits, and asks for the end of one that runs: its context is cancelled, and what it has done by then
    /// stays done.
    ///
    /// # Errors
    /// As for [`Queue::retry`].
    pub async fn cancel(&self, id: JobId) -> Result<Job, QueueError> {
        let job = self.inner.store.cancel(id).await?;
        if job.state == State::Running {
            let word = self.inner.signals.cancelled(id);
            if let Err(error) = self.inner.store.tell(&word).await {
                tracing::debug!(%error, %id, "the worker of a cancelled job hears of it by its next beat");
            }
        }
        Ok(job)
    }
}

impl QueueConfig {
    fn retention(&self) -> Retention {
        Retention { over: self.keep_over, dead: self.keep_dead }
    }
}

fn check(job: &NewJob) -> Result<(), QueueError> {
    let bytes = serde_json::to_vec(&job.payload).map_or(usize::MAX, |json| json.len());
    if bytes > PAYLOAD_BYTES_MAX { Err(QueueError::TooLarge { bytes }) } else { Ok(()) }
}

#[cfg(test)]
mod tests;
