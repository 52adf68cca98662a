//! Owns how word goes round that there is work, or that a job is not wanted any more: in this process, and to others.
//!
//! ```text
//!   enqueue ──> work ──> foremen of this process
//!                 └────> teller: NOTIFY, once for all that was stored in 10 ms ──> listeners of other processes
//! ```
//!
//! The one idea: word is a hint. It may come twice or be lost: workers look by themselves every second, and a beat brings what
//! was cancelled. So it can be bundled: PostgreSQL lets one transaction with a NOTIFY commit at a time, and a NOTIFY in each
//! would put all that is stored in a row.
//!
//! Never: says which job there is: whoever hears of one would be early or late.

use std::time::Duration;

use tokio::sync::{broadcast, watch};
use tokio::time::sleep;

use crate::app::queue::domain::JobId;
use crate::app::queue::store::Store;
use crate::crypto;

/// Between two words to others.
const TELL_PERIOD: Duration = Duration::from_millis(10);

/// Jobs whose end was asked for and that a worker has not heard of: those beyond come by its beat.
const CANCELLED_MAX: usize = 256;

/// What there is to say.
const WORK: &str = "work";
const CANCEL: &str = "cancel";

/// Tells those who listen.
pub(super) struct Signals {
    /// Of this process, in what is told to others.
    origin: String,
    work: watch::Sender<()>,
    planned: watch::Sender<()>,
    others: watch::Sender<()>,
    cancelled: broadcast::Sender<JobId>,
}

/// What was heard from another process.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Word {
    Work,
    Cancel(JobId),
}

impl Signals {
    /// Tells other processes by way of `store`.
    pub fn new(store: &Store) -> Signals {
        let origin = u32::from_be_bytes(crypto::random());
        let signals = Signals {
            origin: format!("{origin:08x}"),
            work: watch::Sender::new(()),
            planned: watch::Sender::new(()),
            others: watch::Sender::new(()),
            cancelled: broadcast::Sender::new(CANCELLED_MAX),
        };
        if store.is_shared() {
            let word = format!("{WORK} {}", signals.origin);
            tokio::spawn(tell_others(signals.others.subscribe(), store.clone(), word));
        }
        signals
    }

    /// There is work for whoever has a place.
    pub fn work(&self) {
        self.work_here();
        self.others.send_replace(());
    }

    /// Another process has said so.
    pub fn work_here(&self) {
        self.work.send_replace(());
    }

    /// A job was put off: somebody has to look when its time comes.
    pub fn planned(&self) {
        self.planned.send_replace(());
    }

    /// A job that runs is not wanted any more. What others have to be told.
    pub fn cancelled(&self, id: JobId) -> String {
        let _ = self.cancelled.send(id);
        format!("{CANCEL} {id}")
    }

    /// What is meant, unless this process has said it itself.
    pub fn hear(&self, said: &str) -> Option<Word> {
        match said.split_once(' ') {
            Some((CANCEL, id)) => id.parse().ok().map(Word::Cancel),
            Some((WORK, origin)) if origin == self.origin => None,
            _ => Some(Word::Work),
        }
    }

    pub fn on_work(&self) -> watch::Receiver<()> {
        self.work.subscribe()
    }

    pub fn on_planned(&self) -> watch::Receiver<()> {
        self.planned.subscribe()
    }

    pub fn on_cancelled(&self) -> broadcast::Receiver<JobId> {
        self.cancelled.subscribe()
    }
}

/// Until nobody is left who could enqueue.
async fn tell_others(mut stored: watch::Receiver<()>, store: Store, word: String) {
    while stored.changed().await.is_ok() {
        if let Err(error) = store.tell(&word).await {
            tracing::debug!(%error, "other workers were not told of work: they look by themselves");
        }
        sleep(TELL_PERIOD).await;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn own_words_are_not_heard_and_odd_ones_are_taken_for_work() {
        let (one, other) = (Signals::new(&Store::memory(1)), Signals::new(&Store::memory(1)));
        let id = JobId::new();
        let own = format!("{WORK} {}", one.origin);
        assert_eq!(one.hear(&own), None);
        assert_eq!(other.hear(&own), Some(Word::Work));
        assert_eq!(one.hear(&one.cancelled(id)), Some(Word::Cancel(id)));
        for odd in ["", WORK, "work ", "cancell x", "of a newer node"] {
            assert_eq!(one.hear(odd), Some(Word::Work), "{odd:?}");
        }
        assert_eq!(one.hear("cancel me"), None);
    }
}
