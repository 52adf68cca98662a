//! Owns the writing down of what came of tries, many of them in one statement.
//!
//! The one idea: while one statement is under way the next ones gather, so that a store that is slow is asked for more at once and
//! not more often. A store that is away is asked again until it answers: as long as the claim is the last one it takes what
//! came of it, and when it is not it refuses, so that asking twice harms nothing.
//!
//! Never: forgets a try because the store was away or slow. An outcome that the store refuses for what it is, and would refuse
//! again, is a dead letter.

use std::sync::Arc;
use std::time::Duration;

use tokio::sync::{mpsc, oneshot};
use tokio::time::sleep;

use super::crew::Crew;
use crate::app::queue::QueueError;
use crate::app::queue::domain::{Job, State};
use crate::app::queue::store::{Finish, Outcome, Store};

/// Tries that are written down in one statement.
const NOTES_MAX: usize = 500;

/// Before the next attempt when the store does not answer.
const PAUSE: Duration = Duration::from_millis(100);

/// What is to be written down, and who waits for it.
pub(super) struct Note {
    finish: Finish,
    written: oneshot::Sender<Fate>,
}

/// What has become of it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Fate {
    /// It stands there.
    Written,
    /// The claim was not the last one any more.
    Fenced,
}

impl Crew {
    /// Lets what came of a try be written down. Dropping what it gives changes nothing.
    pub fn write(&self, finish: Finish) -> oneshot::Receiver<Fate> {
        let (written, fate) = oneshot::channel();
        // Without a scribe the workers end, and the claim is rescued.
        let _ = self.notes.send(Note { finish, written });
        fate
    }
}

/// Until nobody is left who has something to write down.
pub(super) async fn scribe(crew: Arc<Crew>, mut notes: mpsc::UnboundedReceiver<Note>) {
    let mut batch = Vec::with_capacity(NOTES_MAX);
    while notes.recv_many(&mut batch, NOTES_MAX).await > 0 {
        let (finishes, waiting): (Vec<_>, Vec<_>) = batch.drain(..).map(|note| (note.finish, note.written)).unzip();
        let fenced = write(&crew.queue.inner.store, &finishes).await;
        for (finish, waiting) in finishes.iter().zip(waiting) {
            let fate = if fenced.contains(&finish.fence) { Fate::Fenced } else { Fate::Written };
            let _ = waiting.send(fate);
        }
    }
}

/// The fences of those that were refused.
async fn write(store: &Store, finishes: &[Finish]) -> Vec<i64> {
    match written(store, finishes).await {
        Ok(fenced) => fenced,
        Err(error) => write_each(store, finishes, error).await,
    }
}

/// As often as it takes, while it is the store that cannot, and not the outcome.
async fn written(store: &Store, finishes: &[Finish]) -> Result<Vec<i64>, QueueError> {
    let mut is_again = false;
    loop {
        match store.finish(finishes).await {
            Ok(fenced) if is_again && !fenced.is_empty() => return Ok(really_fenced(store, finishes, fenced).await),
            Err(error) if error.is_unavailable() => {
                tracing::debug!(%error, tries = finishes.len(), "what came of tries is not written down yet");
                is_again = true;
                sleep(PAUSE).await;
            }
            answer => return answer,
        }
    }
}

/// One of them cannot be stored: it must not take the others with it, and is a dead letter.
async fn write_each(store: &Store, finishes: &[Finish], error: QueueError) -> Vec<i64> {
    tracing::error!(%error, "what came of a try cannot be written down");
    let mut fenced = Vec::new();
    for finish in finishes {
        let dead = Outcome::Dead { why: format!("what came of it cannot be written down: {error}") };
        for outcome in [finish.outcome.clone(), dead] {
            match written(store, &[Finish { outcome, ..finish.clone() }]).await {
                Ok(refused) => {
                    fenced.extend(refused);
                    break;
                }
                Err(error) => tracing::error!(%error, job = %finish.id, "what came of a try is lost"),
            }
        }
    }
    fenced
}

/// Those of `fenced` that were not written by the attempt before, whose answer was lost.
async fn really_fenced(store: &Store, finishes: &[Finish], fenced: Vec<i64>) -> Vec<i64> {
    let mut really = Vec::new();
    for finish in finishes.iter().filter(|finish| fenced.contains(&finish.fence)) {
        let job = store.find(finish.id).await.ok().flatten();
        if !job.is_some_and(|job| stands(&job, finish)) {
            really.push(finish.fence);
        }
    }
    really
}

/// Whether `job` is what `finish` makes of it. Nobody else has that number.
fn stands(job: &Job, finish: &Finish) -> bool {
    let expected: &[State] = match finish.outcome {
        Outcome::Completed(_) => &[State::Completed],
        Outcome::Dead { .. } => &[State::Dead],
        Outcome::Cancelled { .. } => &[State::Cancelled],
        Outcome::Again { .. } | Outcome::Released => &[State::Scheduled, State::Ready, State::Cancelled],
    };
    job.fence == finish.fence && job.lost == 0 && expected.contains(&job.state)
}
