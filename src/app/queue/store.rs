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
use crate::db::postgres::{Listener, Transaction};

use memory::Memory;
use postgres::Postgres;

/// Tries that failed which are remembered of a job.
pub const ERRORS_MAX: usize = 10;

/// Bytes of the words of one.
pub const WHY_BYTES_MAX: usize = 1_024;

/// A job whose worker was lost with it so often in a row is a suspect: it may have been the reason. One such loss is most often
/// that of a machine. Suspects are claimed one at a time by a process, so that those that are innocent are not lost with
/// the one that is not.
pub const SUSPECT_LOST: u16 = 2;

/// Jobs that one statement moves on.
pub(super) const BATCH: usize = 1_000;

/// For how long somebody has to have been in touch with the store before those that are silent are taken for lost: after an outage
/// all are silent at first.
const HEARD_TIME: Duration = Duration::from_secs(3);

/// Keeps jobs. A clone keeps them in the same place.
#[derive(Clone)]
pub struct Store {
    form: Form,
}

#[derive(Clone)]
enum Form {
    Memory(Arc<Memory>),
    Postgres(Postgres),
}

/// How many jobs of one kind a worker wants.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Ask {
    /// The kind.
    pub kind: KindName,
    /// So many.
    pub share: usize,
}

/// What a worker wants.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Asked {
    /// Of these kinds, in this order.
    pub asks: Vec<Ask>,
    /// No more than this in all.
    pub jobs_max: usize,
    /// Of these, so many suspects.
    pub suspects_max: usize,
}

/// What has come of a claim.
#[derive(Clone, Debug, PartialEq)]
pub struct Finish {
    /// The job.
    pub id: JobId,
    /// The number of the claim.
    pub fence: i64,
    /// What has come of it.
    pub outcome: Outcome,
}

/// What a try may come to.
#[derive(Clone, Debug, PartialEq)]
pub enum Outcome {
    /// It is done, with this result.
    Completed(Value),
    /// Once more.
    Again {
        /// After this time.
        delay: Duration,
        /// For this reason.
        why: String,
    },
    /// Not any more.
    Dead {
        /// For this reason.
        why: String,
    },
    /// Somebody wanted it no more.
    Cancelled {
        /// In which words.
        why: String,
    },
    /// Its worker stops. The try is given back.
    Released,
}

/// A claim that has not come to an end.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Held {
    /// The job.
    pub id: JobId,
    /// The number of the claim.
    pub fence: i64,
    /// Whether nobody wants it any more.
    pub is_cancelling: bool,
}

/// What was moved on because its time has come.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Moved {
    /// From scheduled to ready.
    pub promoted: u64,
    /// Taken from workers that were lost.
    pub rescued: u64,
    /// Until the next scheduled job.
    pub next: Option<Duration>,
}

/// How long jobs that are over are kept.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Retention {
    /// Completed, cancelled, discarded.
    pub over: Duration,
    /// Dead letters.
    pub dead: Duration,
}

/// Does `$call` at whichever place it is.
macro_rules! at {
    ($store:expr, $place:ident => $call:expr) => {
        match &$store.form {
            Form::Memory($place) => $call,
            Form::Postgres($place) => $call.await,
        }
    };
}

impl Store {
    /// At most `jobs_max` jobs in memory: gone with the process.
    pub fn memory(jobs_max: usize) -> Store {
        Store { form: Form::Memory(Arc::new(Memory::new(jobs_max))) }
    }

    /// Jobs in a database, which all its nodes share. It has the [`MIGRATIONS`](super::MIGRATIONS).
    pub fn postgres(database: db::Postgres) -> Store {
        Store { form: Form::Postgres(Postgres::new(database)) }
    }

    /// Whether other processes may have the same jobs.
    pub fn is_shared(&self) -> bool {
        matches!(self.form, Form::Postgres(_))
    }

    /// Says `word` to all who listen in other processes.
    ///
    /// # Errors
    /// As for [`Store::enqueue`].
    pub async fn tell(&self, word: &str) -> Result<(), QueueError> {
        match &self.form {
            Form::Memory(_) => Ok(()),
            Form::Postgres(postgres) => postgres.tell(word).await,
        }
    }

    /// Hears what others say, where there are others.
    pub(super) fn listen(&self) -> Option<Listener> {
        match &self.form {
            Form::Memory(_) => None,
            Form::Postgres(postgres) => Some(postgres.listen()),
        }
    }

    /// Stores jobs, all or none.
    ///
    /// # Errors
    /// Conflicting keys, a store that is full or away. So it is for all of these.
    pub async fn enqueue(&self, jobs: &[NewJob]) -> Result<Vec<Enqueued>, QueueError> {
        at!(self, place => place.enqueue(jobs))
    }

    /// Stores a job if `transaction` commits.
    ///
    /// # Errors
    /// As for [`Store::enqueue`].
    ///
    /// # Panics
    /// In memory.
    pub async fn enqueue_in(&self, transaction: &mut Transaction<'_>, job: &NewJob) -> Result<Enqueued, QueueError> {
        match &self.form {
            Form::Memory(_) => panic!("a queue in memory is in no transaction of a database"),
            Form::Postgres(postgres) => postgres.enqueue_in(transaction, job).await,
        }
    }

    /// The job called `id`.
    ///
    /// # Errors
    /// As for [`Store::enqueue`].
    pub async fn find(&self, id: JobId) -> Result<Option<Job>, QueueError> {
        at!(self, place => place.find(id))
    }

    /// At most `limit` jobs behind `after`, the newest first.
    ///
    /// # Errors
    /// As for [`Store::enqueue`].
    pub async fn list(&self, filter: &Filter, after: Option<Cursor>, limit: usize) -> Result<Page, QueueError> {
        at!(self, place => place.list(filter, after, limit))
    }

    /// How many there are.
    ///
    /// # Errors
    /// As for [`Store::enqueue`].
    pub async fn counts(&self) -> Result<Counts, QueueError> {
        at!(self, place => place.counts())
    }

    /// See [`Queue::retry`](super::Queue::retry).
    ///
    /// # Errors
    /// As there.
    pub async fn retry(&self, id: JobId) -> Result<Job, QueueError> {
        at!(self, place => place.retry(id))
    }

    /// See [`Queue::discard`](super::Queue::discard).
    ///
    /// # Errors
    /// As there.
    pub async fn discard(&self, id: JobId) -> Result<Job, QueueError> {
        at!(self, place => place.discard(id))
    }

    /// See [`Queue::cancel`](super::Queue::cancel).
    ///
    /// # Errors
    /// As there.
    pub async fn cancel(&self, id: JobId) -> Result<Job, QueueError> {
        at!(self, place => place.cancel(id))
    }

    /// Lets `worker` have jobs. It is lost when it gives no sign of life for `lease`. Whether some worker has been in touch for
    /// some seconds, so that those that were not are lost, and it is not the store that was away.
    ///
    /// # Errors
    /// As for [`Store::enqueue`].
    pub async fn join(&self, worker: &str, lease: Duration) -> Result<bool, QueueError> {
        at!(self, place => place.join(worker, lease))
    }

    /// `worker` is alive, and will be taken for that for `lease`. Whether it was: otherwise its jobs are those of others.
    ///
    /// # Errors
    /// As for [`Store::enqueue`].
    pub async fn beat(&self, worker: &str, lease: Duration) -> Result<bool, QueueError> {
        at!(self, place => place.beat(worker, lease))
    }

    /// What `worker` holds, as the store has it.
    ///
    /// # Errors
    /// As for [`Store::enqueue`].
    pub async fn held(&self, worker: &str) -> Result<Vec<Held>, QueueError> {
        at!(self, place => place.held(worker))
    }

    /// `worker` has no jobs any more; those that it has all the same are taken for lost.
    ///
    /// # Errors
    /// As for [`Store::enqueue`].
    pub async fn leave(&self, worker: &str) -> Result<(), QueueError> {
        at!(self, place => place.leave(worker))
    }

    /// Jobs for `worker`, which has joined. The try has begun when this returns.
    ///
    /// # Errors
    /// As for [`Store::enqueue`].
    pub async fn claim(&self, worker: &str, asked: &Asked) -> Result<Vec<Job>, QueueError> {
        at!(self, place => place.claim(worker, asked))
    }

    /// Writes down what came of claims, those that are still the last ones of their jobs. The fences of the others.
    ///
    /// # Errors
    /// As for [`Store::enqueue`].
    pub async fn finish(&self, finishes: &[Finish]) -> Result<Vec<i64>, QueueError> {
        at!(self, place => place.finish(finishes))
    }

    /// Makes ready what is due, and with `may_rescue` what lost workers have had.
    ///
    /// # Errors
    /// As for [`Store::enqueue`].
    pub async fn advance(&self, may_rescue: bool) -> Result<Moved, QueueError> {
        at!(self, place => place.advance(may_rescue))
    }

    /// Forgets jobs that have been over for long. How many.
    ///
    /// # Errors
    /// As for [`Store::enqueue`].
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
