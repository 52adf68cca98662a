//! Owns what a stored job is: its state, what has become of its tries, and how jobs are looked for.
//!
//! ```text
//!              ┌──────────── run_at ────────────┐
//!   enqueue ──>│ Scheduled                      v
//!      └───────┼──────────────────────────────> Ready ──claim──> Running ──> Completed
//!              │        failed, again later       ^                 │ ├────> Dead       no try is left, or it said so
//!              └────────────────────────<─────────┼─────────────────┤ └────> Cancelled
//!                                                 └── worker lost ──┘
//!   Dead, Cancelled, Discarded ──retry──> Ready      Dead ──discard──> Discarded
//! ```
//!
//! Never: decides.

use std::fmt;
use std::str::FromStr;
use std::time::Duration;

use jiff::Timestamp;
use serde::{Serialize, Serializer};
use serde_json::Value;

use super::{JobId, JobKey, KindName, NewJob};

/// Where a job is in its life.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum State {
    /// Its time has not come.
    Scheduled,
    /// It waits for a worker.
    Ready,
    /// A worker has it.
    Running,
    /// Done.
    Completed,
    /// A dead letter: it is not tried again by itself.
    Dead,
    /// Somebody wanted it no more before it was done.
    Cancelled,
    /// A dead letter that somebody has looked at and put away.
    Discarded,
}

/// A stored job.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Job {
    /// Its number.
    pub id: JobId,
    /// What kind of work.
    pub kind: KindName,
    /// What the work is about.
    pub payload: Value,
    /// Where it is in its life.
    pub state: State,
    /// Under which key it is unique.
    pub key: Option<JobKey>,
    /// Higher goes first.
    pub priority: i16,
    /// How often it was claimed, the try that goes on included.
    pub tries: u16,
    /// How often it may be.
    pub tries_max: u16,
    /// How long a try may take.
    #[serde(rename = "timeout_ms", serialize_with = "milliseconds")]
    pub timeout: Duration,
    /// Not before this.
    pub run_at: Timestamp,
    /// When it was stored.
    pub created_at: Timestamp,
    /// When it was claimed last.
    pub claimed_at: Option<Timestamp>,
    /// When it came to its end.
    pub finished_at: Option<Timestamp>,
    /// Until when its worker need not give a sign of life, if it is running.
    pub lease_until: Option<Timestamp>,
    /// Which worker has claimed it last.
    pub worker: Option<String>,
    /// The number of its last claim: greater than that of any claim before, of any job. 0: it was never claimed.
    pub fence: i64,
    /// How often its worker was lost with it since it last said something itself.
    pub lost: u16,
    /// Whether somebody has asked for its end while it runs.
    pub is_cancelling: bool,
    /// What came of it.
    pub result: Option<Value>,
    /// The last tries that failed, the latest last.
    pub errors: Vec<Attempt>,
}

/// A try that failed.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, serde::Deserialize)]
pub struct Attempt {
    /// When.
    pub at: Timestamp,
    /// Which one, from 1.
    #[serde(rename = "try")]
    pub number: u16,
    /// Why, in words.
    pub why: String,
}

/// Which jobs are looked for. The default: all.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Filter {
    /// In this state.
    pub state: Option<State>,
    /// Of this kind.
    pub kind: Option<KindName>,
}

/// A place in a list of jobs, behind the last one that was seen.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Cursor(pub(in crate::app::queue) JobId);

/// A part of a list of jobs, the newest first.
#[derive(Clone, Debug, PartialEq)]
pub struct Page {
    /// The jobs.
    pub jobs: Vec<Job>,
    /// Where the next part begins, if there is one.
    pub next: Option<Cursor>,
}

/// How many jobs there are.
#[derive(Clone, Debug, Default, PartialEq, Serialize)]
pub struct Counts {
    /// By state and kind, those that there are, in order.
    pub by: Vec<Counted>,
    /// How long the ready job has waited that has waited longest.
    #[serde(rename = "oldest_ready_seconds", serialize_with = "seconds")]
    pub oldest_ready: Option<Duration>,
}

/// How many jobs of one kind are in one state.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize)]
pub struct Counted {
    /// The state.
    pub state: State,
    /// The kind.
    pub kind: KindName,
    /// So many.
    pub jobs: u64,
}

impl Job {
    /// What `new` is once it is stored.
    pub(in crate::app::queue) fn begun(
        new: &NewJob,
        id: JobId,
        state: State,
        run_at: Timestamp,
        created_at: Timestamp,
    ) -> Job {
        Job {
            id,
            kind: new.kind.clone(),
            payload: new.payload.clone(),
            state,
            key: new.key.clone(),
            priority: new.priority,
            tries: 0,
            tries_max: new.tries_max,
            timeout: new.timeout,
            run_at,
            created_at,
            claimed_at: None,
            finished_at: None,
            lease_until: None,
            worker: None,
            fence: 0,
            lost: 0,
            is_cancelling: false,
            result: None,
            errors: Vec::new(),
        }
    }
}

impl State {
    /// All of them, in the order of a life.
    pub const ALL: [State; 7] = [
        State::Scheduled,
        State::Ready,
        State::Running,
        State::Completed,
        State::Dead,
        State::Cancelled,
        State::Discarded,
    ];

    /// As it is written.
    pub fn text(self) -> &'static str {
        match self {
            State::Scheduled => "scheduled",
            State::Ready => "ready",
            State::Running => "running",
            State::Completed => "completed",
            State::Dead => "dead",
            State::Cancelled => "cancelled",
            State::Discarded => "discarded",
        }
    }

    /// The state that `text` names.
    pub fn parse(text: &str) -> Option<State> {
        State::ALL.into_iter().find(|state| state.text() == text)
    }

    /// Whether nothing becomes of it by itself.
    pub fn is_over(self) -> bool {
        matches!(self, State::Completed | State::Dead | State::Cancelled | State::Discarded)
    }
}

impl Counts {
    /// Those in `state`, of all kinds.
    pub fn of(&self, state: State) -> u64 {
        self.by.iter().filter(|counted| counted.state == state).map(|counted| counted.jobs).sum()
    }
}

impl Cursor {
    /// Behind `job`.
    pub fn behind(job: &Job) -> Cursor {
        Cursor(job.id)
    }
}

impl Page {
    /// The first `limit` of `jobs`, of which one more was looked for.
    pub(in crate::app::queue) fn of(mut jobs: Vec<Job>, limit: usize) -> Page {
        let is_last = jobs.len() <= limit;
        jobs.truncate(limit);
        let next = jobs.last().filter(|_| !is_last).map(Cursor::behind);
        Page { jobs, next }
    }
}

impl fmt::Display for State {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.text())
    }
}

impl fmt::Display for Cursor {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

impl FromStr for Cursor {
    type Err = uuid::Error;

    fn from_str(text: &str) -> Result<Cursor, uuid::Error> {
        text.parse().map(Cursor)
    }
}

fn milliseconds<S: Serializer>(time: &Duration, serializer: S) -> Result<S::Ok, S::Error> {
    serializer.serialize_u64(u64::try_from(time.as_millis()).unwrap_or(u64::MAX))
}

fn seconds<S: Serializer>(time: &Option<Duration>, serializer: S) -> Result<S::Ok, S::Error> {
    time.map(|time| time.as_secs_f64()).serialize(serializer)
}
