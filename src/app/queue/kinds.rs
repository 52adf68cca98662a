//! Owns which kinds of work a process knows, and what a piece of work is given and may say.
//!
//! ```text
//!   job.kind ──Kinds──> work(Running) ──> Ok(result)          Completed
//!                          │              Retry, panic        later again, or Dead when no try is left
//!                          │              Dead                Dead
//!                          └ context: its time is over, its worker stops, somebody wants it no more
//! ```
//!
//! Never: runs anything itself. A kind that a process does not know stays for one that does.

use std::collections::BTreeMap;
use std::fmt;
use std::pin::Pin;
use std::sync::Arc;
use std::time::Duration;

use serde_json::Value;

use crate::app::queue::domain::{JobId, KindName};
use crate::net::context::Context;

/// What one try is given.
#[derive(Clone, Debug)]
pub struct Running {
    /// The job.
    pub id: JobId,
    /// What the work is about.
    pub payload: Value,
    /// Which try this is, from 1.
    pub try_number: u16,
    /// The number of the claim: a place that has seen a greater one must refuse what this try brings.
    pub fence: i64,
    /// When to stop. The work is dropped then at its next `.await`.
    pub context: Context,
}

/// Why a try came to nothing.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum JobError {
    /// Again, after a time that grows with the tries.
    Retry(String),
    /// Again, after this time: who was asked has said so.
    RetryIn(Duration, String),
    /// It will never go well.
    Dead(String),
}

/// What is done for one kind.
pub(super) type Work = dyn Fn(Running) -> Pin<Box<dyn Future<Output = Result<Value, JobError>> + Send>> + Send + Sync;

/// The kinds that a process works, by name. A clone is the same.
#[derive(Clone, Default)]
pub struct Kinds {
    by_name: BTreeMap<KindName, Arc<Work>>,
}

impl Kinds {
    /// None.
    pub fn new() -> Kinds {
        Kinds::default()
    }

    /// These and one called `name`, whose jobs are done by `work`.
    ///
    /// # Panics
    /// When `name` is no [`KindName`], or is there already.
    pub fn with<W, F>(mut self, name: &str, work: W) -> Kinds
    where
        W: Fn(Running) -> F + Send + Sync + 'static,
        F: Future<Output = Result<Value, JobError>> + Send + 'static,
    {
        let work: Arc<Work> = Arc::new(move |running| Box::pin(work(running)));
        let before = self.by_name.insert(KindName::known(name), work);
        assert!(before.is_none(), "two kinds are called {name}");
        self
    }

    /// Their names, in order.
    pub fn names(&self) -> impl Iterator<Item = &KindName> {
        self.by_name.keys()
    }

    pub(super) fn work(&self, name: &KindName) -> Option<&Arc<Work>> {
        self.by_name.get(name)
    }
}

impl fmt::Debug for Kinds {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_set().entries(self.names()).finish()
    }
}

impl fmt::Display for JobError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (JobError::Retry(why) | JobError::RetryIn(_, why) | JobError::Dead(why)) = self;
        f.write_str(why)
    }
}

impl std::error::Error for JobError {}
