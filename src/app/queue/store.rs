//! Owns where jobs are kept: in memory, or in PostgreSQL.
//!
//! The one idea: a store moves a job from one state to the next if it still is in the first, and decides nothing. Who has a job
//! is said by a claim, whose number, the fence, is greater than that of all claims before; what comes of a claim is taken only
//! while that claim is the last one.
//!
//! ```text
//!   claim(worker) ──> fence 7 ──────────────(worker stopped, its lease over)──────── finish(7): refused
//!                                └─ rescue ──> ready ──> claim(other) ──> fence 9 ── finish(9): done
//! ```
//!
//! Never: says what time it is but by the clock of the place.

mod memory;
mod postgres;

use std::sync::Arc;
use std::time::Duration;

use serde_json::Value;

use crate::app::queue::Enqueued;
use crate::app::queue::domain::{Counts, Cursor, Filter, Job, JobId, KindName, NewJob, Page};
use crate::app::queue::error::QueueError;
use crate::db;
use crate::db::postgres::Transaction;

pub(super) use memory::Memory;
pub(super) use postgres::Postgres;

/// Tries that failed which are remembered of a job.
pub const ERRORS_MAX: usize = 10;

/// Bytes of the words of one.
pub const WHY_BYTES_MAX: usize = 1_024;

/// Jobs that one statement moves on.
const BATCH: usize = 1_000;

/// Keeps jobs. A clone keeps them in the same place.
#[derive(Clone)]
pub(super) enum Store {
    Memory(Arc<Memory>),
    Postgres(Postgres),
}

/// How many jobs of one kind a worker wants.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Ask {
    pub kind: KindName,
    pub share: usize,
}

/// What a worker wants: of each kind so many, in this order, and no more than `jobs_max`; besides, so many of those whose last
/// worker was lost with them.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct Asked {
    pub asks: Vec<Ask>,
    pub jobs_max: usize,
    pub suspects_max: usize,
}

/// What has come of a claim.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct Finish {
    pub id: JobId,
    pub fence: i64,
    pub outcome: Outcome,
}

#[derive(Clone, Debug, PartialEq)]
pub(super) enum Outcome {
    Completed(Value),
    Again {
        delay: Duration,
        why: String,
    },
    Dead {
        why: String,
    },
    Cancelled {
        why: String,
    },
    /// Its worker stops. The try is given back.
    Released,
}

/// What a worker hears when it has given a sign of life.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct Beat {
    /// It was taken for lost: its jobs are those of others.
    pub is_lost: bool,
    /// Jobs of its that nobody wants any more.
    pub cancelling: Vec<JobId>,
}

/// What was moved on because its time has come.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Moved {
    /// From scheduled to ready.
    pub promoted: u64,
    /// Taken from workers that were lost.
    pub rescued: u64,
    /// Until the next scheduled job.
    pub next: Option<Duration>,
}

/// How long jobs that are over are kept.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Retention {
    pub over: Duration,
    pub dead: Duration,
}

/// Does `$call` at whichever place it is.
macro_rules! at {
    ($store:expr, $place:ident => $call:expr) => {
        match $store {
            Store::Memory($place) => $call,
            Store::Postgres($place) => $call.await,
        }
    };
}

impl Store {
    pub async fn enqueue(&self, jobs: &[NewJob]) -> Result<Vec<Enqueued>, QueueError> {
        at!(self, place => place.enqueue(jobs))
    }

    /// # Panics
    /// In memory.
    pub async fn enqueue_in(&self, transaction: &mut Transaction<'_>, job: &NewJob) -> Result<Enqueued, QueueError> {
        match self {
            Store::Memory(_) => panic!("a queue in memory is in no transaction of a database"),
            Store::Postgres(postgres) => postgres.enqueue_in(transaction, job).await,
        }
    }

    pub async fn find(&self, id: JobId) -> Result<Option<Job>, QueueError> {
        at!(self, place => place.find(id))
    }

    pub async fn list(&self, filter: &Filter, after: Option<Cursor>, limit: usize) -> Result<Page, QueueError> {
        at!(self, place => place.list(filter, after, limit))
    }

    pub async fn counts(&self) -> Result<Counts, QueueError> {
        at!(self, place => place.counts())
    }

    pub async fn retry(&self, id: JobId) -> Result<Job, QueueError> {
        at!(self, place => place.retry(id))
    }

    pub async fn discard(&self, id: JobId) -> Result<Job, QueueError> {
        at!(self, place => place.discard(id))
    }

    pub async fn cancel(&self, id: JobId) -> Result<Job, QueueError> {
        at!(self, place => place.cancel(id))
    }

    /// Lets `worker` have jobs. It is lost when it gives no sign of life for `lease`.
    pub async fn join(&self, worker: &str, lease: Duration) -> Result<(), QueueError> {
        at!(self, place => place.join(worker, lease))
    }

    pub async fn beat(&self, worker: &str, lease: Duration) -> Result<Beat, QueueError> {
        at!(self, place => place.beat(worker, lease))
    }

    /// `worker` has no jobs any more; those that it has all the same are taken for lost.
    pub async fn leave(&self, worker: &str) -> Result<(), QueueError> {
        at!(self, place => place.leave(worker))
    }

    /// Jobs for `worker`, which has joined. The try has begun when this returns.
    pub async fn claim(&self, worker: &str, asked: &Asked) -> Result<Vec<Job>, QueueError> {
        at!(self, place => place.claim(worker, asked))
    }

    /// Writes down what came of claims, those that are still the last ones of their jobs. The fences of the others.
    pub async fn finish(&self, finishes: &[Finish]) -> Result<Vec<i64>, QueueError> {
        at!(self, place => place.finish(finishes))
    }

    /// Makes ready what is due, and with `may_rescue` what lost workers have had.
    pub async fn advance(&self, may_rescue: bool) -> Result<Moved, QueueError> {
        at!(self, place => place.advance(may_rescue))
    }

    /// Forgets jobs that have been over for long. How many.
    pub async fn sweep(&self, retention: Retention) -> Result<u64, QueueError> {
        at!(self, place => place.sweep(retention))
    }
}

/// The words of a try that failed, cut to [`WHY_BYTES_MAX`], without NUL, which no database takes.
fn words(why: &str) -> String {
    let mut end = why.len().min(WHY_BYTES_MAX);
    while !why.is_char_boundary(end) {
        end -= 1;
    }
    why[..end].replace('\0', "\u{fffd}")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn words_are_cut_where_a_character_ends() {
        let check = |why: &str, expected: &str| assert_eq!(words(why), expected);
        check("", "");
        check("no\0thing", "no\u{fffd}thing");
        check(&"é".repeat(600), &"é".repeat(512));
        check(&format!("a{}", "é".repeat(600)), &format!("a{}", "é".repeat(511)));
    }
}
