//! Owns schedules: jobs that come again and again, each instant once, whatever number of nodes there are.
//!
//! ```text
//!   node A ─┐                       ┌─ seen_until < 09:00 ? ─yes─> seen_until = 09:00, job `schedule:report:…` ─ commit
//!           ├─ 09:00 by the clock ──┤                                     one transaction
//!   node B ─┘  of the database      └─ no: somebody was faster
//! ```
//!
//! The one idea: that an instant was seen to, and its job, are written down together or not at all. A node that is killed in
//! between has done nothing, and any other does it; two that try at once wait for each other's row. The key of the job names
//! the instant, so not even a schedule that was deleted and made anew has one twice.
//!
//! **Instants that were missed**, because nobody was there: of all of them the latest runs, once, if it is not older than
//! [`SchedulerConfig::window`]. A report that is three hours late is wanted, and twelve of them are not. What was missed while a
//! schedule was disabled, or before it was made, is not made up for.
//!
//! Time is the database's. If its clock is put back, a schedule rests until it has caught up.
//!
//! Spec: instants are those of [`cron`](super::cron).
//! Never: runs a job; that is for workers. Never: keeps a schedule that cannot be read; one that a newer node has stored and this
//! one cannot read is left to those that can.
//! Limits: [`SCHEDULES_MAX`], [`NAME_CHARS_MAX`], [`SchedulerConfig`].

mod memory;
mod postgres;
mod scheduler;
#[cfg(test)]
mod tests;

use std::fmt;
use std::str::FromStr;
use std::sync::Arc;
use std::time::Duration;

use jiff::{SignedDuration, Timestamp};
use serde::{Serialize, Serializer};
use serde_json::Value;
use tokio::sync::Notify;

use crate::app::queue::cron::Cron;
use crate::app::queue::domain::{JobId, JobKey, KindName, NameError, NewJob, PAYLOAD_BYTES_MAX, When};
use crate::app::queue::{Queue, QueueError};
use crate::db;
use crate::db::postgres::Failure;
use memory::Memory;
use postgres::Postgres;

pub use scheduler::{Scheduler, SchedulerConfig};

/// Schedules that are kept. Each node looks at all of them, so they are few.
pub const SCHEDULES_MAX: usize = 100;

/// Characters of a name.
pub const NAME_CHARS_MAX: usize = 64;

/// What the key of a job begins with that a schedule has made. Nobody else's key may.
pub const KEY_PREFIX: &str = "schedule:";

/// What a schedule is called: `nightly-report`. As a kind: a small letter, then small letters, digits, `.`, `_` and `-`.
#[derive(Clone, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct ScheduleName(KindName);

/// A schedule that is to be stored.
#[derive(Clone, Debug, PartialEq)]
pub struct NewSchedule {
    /// What it is called.
    pub name: ScheduleName,
    /// When, and by the clocks of which zone.
    pub cron: Cron,
    /// The kind of its jobs.
    pub kind: KindName,
    /// What each of them is given, at most [`PAYLOAD_BYTES_MAX`] as JSON.
    pub payload: Value,
    /// Whether it runs.
    pub is_enabled: bool,
}

/// A stored schedule.
#[derive(Clone, Debug, PartialEq)]
pub struct Schedule {
    /// What it was stored as.
    pub what: NewSchedule,
    /// When it was stored.
    pub created_at: Timestamp,
    /// Instants until then are seen to.
    pub seen_until: Timestamp,
    /// The last instant that has made a job, and the job.
    pub last: Option<(Timestamp, JobId)>,
}

/// All schedules at one moment.
#[derive(Clone, Debug, PartialEq)]
pub struct Listed {
    /// When, by the clock of the place.
    pub now: Timestamp,
    /// By name.
    pub schedules: Vec<Schedule>,
    /// Names of those that this node cannot read.
    pub unreadable: Vec<String>,
}

/// Why schedules did not do as asked.
#[derive(Debug)]
#[non_exhaustive]
pub enum ScheduleError {
    /// There is one of this name.
    Taken,
    /// There is none of this name.
    Unknown,
    /// There are [`SCHEDULES_MAX`].
    Full,
    /// The payload has more than [`PAYLOAD_BYTES_MAX`].
    TooLarge {
        /// So many.
        bytes: usize,
    },
    /// The queue did not take a job, or the database does not answer.
    Queue(QueueError),
}

/// Schedules, and the queue that their jobs go to. A clone keeps them in the same place.
#[derive(Clone)]
pub struct Schedules {
    form: Form,
    queue: Queue,
    /// Told when a schedule was stored here, so that nobody sleeps past it.
    changed: Arc<Notify>,
}

#[derive(Clone)]
enum Form {
    Memory(Arc<Memory>),
    Postgres(Postgres),
}

/// What a schedule owes.
#[derive(Clone, Debug, PartialEq)]
struct Due {
    /// The instant.
    at: Timestamp,
    /// How many before it are not made up for.
    missed: u64,
    job: NewJob,
}

/// What has come of one look at all schedules.
#[derive(Clone, Debug, PartialEq)]
pub struct Looked {
    /// When, by the clock of the place.
    pub now: Timestamp,
    /// The next instant of any.
    pub next: Option<Timestamp>,
    /// Jobs that were made by this look.
    pub made: usize,
    /// Names of those that this node cannot read.
    pub unreadable: Vec<String>,
}

/// Does `$call` at whichever place it is.
macro_rules! at {
    ($schedules:expr, $place:ident => $call:expr) => {
        match &$schedules.form {
            Form::Memory($place) => $call,
            Form::Postgres($place) => $call.await,
        }
    };
}

impl Schedules {
    /// Schedules in memory, as `queue` should be: gone with the process.
    pub fn memory(queue: Queue) -> Schedules {
        Schedules::of(Form::Memory(Arc::new(Memory::new())), queue)
    }

    /// Schedules in the database that `queue` is in.
    pub fn postgres(queue: Queue, database: db::Postgres) -> Schedules {
        Schedules::of(Form::Postgres(Postgres::new(database)), queue)
    }

    fn of(form: Form, queue: Queue) -> Schedules {
        Schedules { form, queue, changed: Arc::default() }
    }

    /// Stores a schedule. Its first instant is behind now.
    ///
    /// # Errors
    /// [`ScheduleError`].
    ///
    /// # Cancel safety
    /// Dropped, it was done or not, as a whole. So it is for all of these.
    pub async fn create(&self, new: &NewSchedule) -> Result<Schedule, ScheduleError> {
        let bytes = serde_json::to_vec(&new.payload).map_or(usize::MAX, |json| json.len());
        if bytes > PAYLOAD_BYTES_MAX {
            return Err(ScheduleError::TooLarge { bytes });
        }
        let created = at!(self, place => place.create(new))?;
        self.changed.notify_one();
        Ok(created)
    }

    /// All of them.
    ///
    /// # Errors
    /// A database that does not answer.
    pub async fn list(&self) -> Result<Listed, ScheduleError> {
        at!(self, place => place.list())
    }

    /// The one called `name`, and what time it is.
    ///
    /// # Errors
    /// [`ScheduleError::Unknown`], a database that does not answer.
    pub async fn find(&self, name: &ScheduleName) -> Result<(Schedule, Timestamp), ScheduleError> {
        let Listed { now, schedules, .. } = self.list().await?;
        let found = schedules.into_iter().find(|schedule| schedule.what.name == *name);
        found.map(|schedule| (schedule, now)).ok_or(ScheduleError::Unknown)
    }

    /// Forgets the one called `name`. Jobs that it has made stay.
    ///
    /// # Errors
    /// [`ScheduleError::Unknown`], a database that does not answer.
    pub async fn delete(&self, name: &ScheduleName) -> Result<(), ScheduleError> {
        if at!(self, place => place.delete(name))? { Ok(()) } else { Err(ScheduleError::Unknown) }
    }

    /// Lets the one called `name` run, from now on, or not.
    ///
    /// # Errors
    /// [`ScheduleError::Unknown`], a database that does not answer.
    pub async fn enable(&self, name: &ScheduleName, is_enabled: bool) -> Result<Schedule, ScheduleError> {
        let enabled = at!(self, place => place.enable(name, is_enabled))?.ok_or(ScheduleError::Unknown)?;
        self.changed.notify_one();
        Ok(enabled)
    }

    /// Makes a job for each instant that nobody has seen to and that is no older than `window`. A schedule whose job cannot be made
    /// does not keep the others from theirs.
    ///
    /// # Errors
    /// A queue that is full, a database that does not answer.
    pub async fn look(&self, window: Duration) -> Result<Looked, ScheduleError> {
        let window = signed(window);
        let Listed { now, schedules, unreadable } = self.list().await?;
        let mut looked = Looked { now, next: None, made: 0, unreadable };
        let mut failed = None;
        for schedule in &schedules {
            if let Some(due) = schedule.due(now, window) {
                match self.make(schedule, &due).await {
                    Ok(is_made) => looked.made += usize::from(is_made),
                    Err(error) => failed = Some(error),
                }
            }
            let next = schedule.next(now);
            looked.next = looked.next.into_iter().chain(next).min();
        }
        failed.map_or(Ok(looked), Err)
    }

    /// Whether the job was made here.
    async fn make(&self, schedule: &Schedule, due: &Due) -> Result<bool, ScheduleError> {
        let name = &schedule.what.name;
        let made = match &self.form {
            Form::Memory(memory) => memory.make(&self.queue, name, due).await,
            Form::Postgres(postgres) => postgres.make(&self.queue, schedule, due).await,
        };
        if let Ok(true) = made {
            let Due { at, missed, .. } = due;
            tracing::debug!(schedule = %name, %at, missed, "a schedule has made a job");
        }
        made
    }
}

impl Schedule {
    /// The next instant, when it is `now`.
    pub fn next(&self, now: Timestamp) -> Option<Timestamp> {
        self.what.cron.next(now.max(self.seen_until)).filter(|_| self.what.is_enabled)
    }

    /// The latest instant that was not seen to. The work is bounded by `window`.
    fn due(&self, now: Timestamp, window: SignedDuration) -> Option<Due> {
        if !self.what.is_enabled {
            return None;
        }
        let oldest = now.checked_sub(window).unwrap_or(Timestamp::MIN);
        let (at, missed) = self.what.cron.latest(self.seen_until.max(oldest), now)?;
        Some(Due { at, missed, job: self.what.job(at) })
    }
}

impl NewSchedule {
    /// A schedule that runs.
    pub fn new(name: ScheduleName, cron: Cron, kind: KindName, payload: Value) -> NewSchedule {
        NewSchedule { name, cron, kind, payload, is_enabled: true }
    }

    /// The job of one instant: the same whoever makes it.
    fn job(&self, at: Timestamp) -> NewJob {
        let key = JobKey::parse(&format!("{KEY_PREFIX}{}:{}", self.name, at.as_second()));
        let key = key.expect("a name and a number fit into a key");
        NewJob::new(self.kind.clone(), self.payload.clone()).key(key).run_at(When::At(at))
    }
}

impl ScheduleName {
    /// The name that `text` is.
    ///
    /// # Errors
    /// What no name is.
    pub fn parse(text: &str) -> Result<ScheduleName, NameError> {
        const { assert!(NAME_CHARS_MAX == crate::app::queue::domain::KIND_CHARS_MAX) };
        KindName::parse(text).map(ScheduleName)
    }

    /// The name.
    pub fn text(&self) -> &str {
        self.0.text()
    }
}

impl FromStr for ScheduleName {
    type Err = NameError;

    fn from_str(text: &str) -> Result<ScheduleName, NameError> {
        ScheduleName::parse(text)
    }
}

impl fmt::Display for ScheduleName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

impl Serialize for ScheduleName {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        self.0.serialize(serializer)
    }
}

impl ScheduleError {
    /// Whether it may go well when it is asked again in a moment.
    pub fn is_unavailable(&self) -> bool {
        matches!(self, ScheduleError::Queue(error) if error.is_unavailable())
    }
}

impl From<QueueError> for ScheduleError {
    fn from(error: QueueError) -> ScheduleError {
        ScheduleError::Queue(error)
    }
}

impl From<Failure> for ScheduleError {
    fn from(failure: Failure) -> ScheduleError {
        ScheduleError::Queue(failure.into())
    }
}

impl fmt::Display for ScheduleError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            ScheduleError::Taken => f.write_str("there is a schedule of this name"),
            ScheduleError::Unknown => f.write_str("there is no such schedule"),
            ScheduleError::Full => write!(f, "there are {SCHEDULES_MAX} schedules already"),
            ScheduleError::TooLarge { bytes } => {
                write!(f, "the payload has {bytes} bytes, {PAYLOAD_BYTES_MAX} are the most")
            }
            ScheduleError::Queue(error) => error.fmt(f),
        }
    }
}

impl std::error::Error for ScheduleError {}

/// As a duration of jiff.
fn signed(time: Duration) -> SignedDuration {
    SignedDuration::try_from(time).unwrap_or(SignedDuration::MAX)
}
