//! Owns the life of the workers of a process, from their first claim to their last word.
//!
//! ```text
//!   Working ──told to end──> Closing ──no job is left, or drain is over, or forced──> Over
//!   claims                   finishes what it has                                     gives back what is left, leaves
//! ```
//!
//! Never: does a job itself; waits for a store without an end once it is told to end.

use std::collections::HashSet;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering::Relaxed};
use std::sync::{Arc, Mutex, MutexGuard};
use std::time::Duration;

use tokio::sync::{Notify, broadcast, mpsc, watch};
use tokio::task::JoinSet;
use tokio::time::{Instant, sleep, sleep_until, timeout};

use super::floor::{Floor, Stopped};
use super::scribe::{Note, scribe};
use super::{Ended, WorkersConfig, pulse, trial};
use crate::app::queue::domain::Job;
use crate::app::queue::metrics::Tally;
use crate::app::queue::signals::Word;
use crate::app::queue::{Kinds, Queue, QueueError};
use crate::crypto;
use crate::db::postgres::Heard;
use crate::net::context::Context;
use crate::net::lock::lock;
use crate::net::shutdown::Shutdown;

/// How long jobs that were stopped may take to give themselves back.
const RELEASE_TIME: Duration = Duration::from_secs(2);

/// Before the next attempt when the store does not do as asked.
const PAUSE: Duration = Duration::from_millis(200);

/// Between two looks for what has been over for long.
const SWEEP_PERIOD: Duration = Duration::from_secs(60);

/// Between two looks for what is due.
const LOOK_TIME: Duration = Duration::from_millis(20);

/// What the tasks of a process share.
pub(super) struct Crew {
    pub queue: Queue,
    pub kinds: Kinds,
    pub config: WorkersConfig,
    pub tally: Tally,
    floor: Mutex<Floor>,
    /// A place was freed.
    pub freed: Notify,
    /// Under which name it is known in the store; none while it has not joined.
    pub name: watch::Sender<Option<Arc<str>>>,
    pub notes: mpsc::UnboundedSender<Note>,
    /// Whether it was in touch with the store lately: who was not does not judge others.
    pub may_rescue: AtomicBool,
    pub is_closing: AtomicBool,
    pub released: AtomicUsize,
}

pub(super) async fn live(
    queue: Queue,
    kinds: Kinds,
    config: WorkersConfig,
    tally: Tally,
    shutdown: Shutdown,
    mut stopped: watch::Receiver<()>,
) -> Ended {
    let (notes, read) = mpsc::unbounded_channel();
    let floor = Mutex::new(Floor::new(kinds.names().cloned().collect(), config.concurrency));
    let crew = Arc::new(Crew {
        queue,
        kinds,
        config,
        tally,
        floor,
        freed: Notify::new(),
        name: watch::Sender::new(None),
        notes,
        may_rescue: AtomicBool::new(false),
        is_closing: AtomicBool::new(false),
        released: AtomicUsize::new(0),
    });
    let mut tasks = JoinSet::new();
    tasks.spawn(scribe(Arc::clone(&crew), read));
    tasks.spawn(pulse::pulse(Arc::clone(&crew)));
    tasks.spawn(ear(Arc::clone(&crew)));
    tasks.spawn(cancellations(Arc::clone(&crew)));
    tasks.spawn(upkeep(Arc::clone(&crew)));
    let mut foreman = tokio::spawn(foreman(Arc::clone(&crew)));
    tokio::select! {
        () = shutdown.draining() => {}
        _ = stopped.changed() => {}
        ended = &mut foreman => {
            if let Err(error) = ended && error.is_panic() {
                std::panic::resume_unwind(error.into_panic());
            }
        }
    }
    crew.is_closing.store(true, Relaxed);
    crew.queue.inner.signals.work_here();
    // A claim that is under way is waited for: its jobs would have to be rescued.
    let _ = timeout(crew.config.lease, foreman).await;
    tokio::select! {
        () = crew.empty() => {}
        () = sleep(crew.config.drain) => {}
        () = shutdown.forced() => {}
    }
    crew.floor().stop(Stopped::Ending);
    let _ = timeout(RELEASE_TIME, crew.empty()).await;
    crew.leave().await;
    let ended = Ended { released: crew.released.load(Relaxed), cut: crew.floor().len() };
    tracing::info!(released = ended.released, cut = ended.cut, "the workers have ended");
    ended
}

impl Crew {
    pub fn floor(&self) -> MutexGuard<'_, Floor> {
        lock(&self.floor)
    }

    /// The place of the claim is free.
    pub fn free(&self, fence: i64) {
        self.floor().end(fence);
        self.freed.notify_waiters();
        self.freed.notify_one();
    }

    async fn empty(&self) {
        loop {
            let freed = self.freed.notified();
            if self.floor().len() == 0 {
                return;
            }
            // The foreman may have been woken in its place.
            let _ = timeout(LOOK_TIME, freed).await;
        }
    }

    /// What it has still is rescued by others at once, and not after its lease.
    async fn leave(&self) {
        let Some(name) = self.name.borrow().clone() else { return };
        match timeout(RELEASE_TIME, self.queue.inner.store.leave(&name)).await {
            Ok(Ok(())) => {}
            Ok(Err(error)) => tracing::warn!(%error, "the workers could not say that they end"),
            Err(_) => tracing::warn!("the workers could not say in time that they end"),
        }
    }

    /// Takes on what was claimed.
    fn begin(self: &Arc<Crew>, claimed: Vec<Job>) {
        let now = Instant::now();
        for job in claimed {
            let context = Context::root().child_with_deadline(now + job.timeout);
            self.floor().begin(&job, context.clone());
            tokio::spawn(trial::trial(Arc::clone(self), job, context));
        }
    }
}

/// Claims whenever there is a place and may be work.
async fn foreman(crew: Arc<Crew>) {
    let mut work = crew.queue.inner.signals.on_work();
    let mut name = crew.name.subscribe();
    loop {
        let may_be_more = match claim(&crew).await {
            Ok(may_be_more) => may_be_more,
            Err(error) => {
                tracing::debug!(%error, "nothing was claimed");
                sleep(PAUSE).await;
                false
            }
        };
        if crew.is_closing.load(Relaxed) {
            return;
        }
        if may_be_more {
            continue;
        }
        let is_waited_for = crew.floor().has_active();
        tokio::select! {
            _ = work.changed() => {}
            _ = name.changed() => {}
            () = crew.freed.notified(), if is_waited_for => {}
            () = sleep(crew.config.poll) => {}
        }
        if crew.is_closing.load(Relaxed) {
            return;
        }
    }
}

/// Whether there may be more, and a place for it.
async fn claim(crew: &Arc<Crew>) -> Result<bool, QueueError> {
    let Some(name) = crew.name.borrow().clone() else { return Ok(false) };
    let Some(asked) = crew.floor().ask() else { return Ok(false) };
    let claimed = crew.queue.inner.store.claim(&name, &asked).await?;
    crew.tally.claimed(claimed.len());
    let may_be_more = crew.floor().learn(&asked, &claimed);
    crew.begin(claimed);
    Ok(may_be_more)
}

/// Hears what other processes say.
async fn ear(crew: Arc<Crew>) {
    let signals = &crew.queue.inner.signals;
    let Some(mut listener) = crew.queue.inner.store.listen() else { return };
    loop {
        let word = match listener.next().await {
            Heard::Anew => Some(Word::Work),
            Heard::Said(said) => signals.hear(&said),
        };
        match word {
            Some(Word::Work) => signals.work_here(),
            Some(Word::Cancel(id)) => crew.floor().cancel(id),
            None => {}
        }
    }
}

/// Hears what is cancelled in this process. Those that it misses come by the beat.
async fn cancellations(crew: Arc<Crew>) {
    let mut cancelled = crew.queue.inner.signals.on_cancelled();
    loop {
        match cancelled.recv().await {
            Ok(id) => crew.floor().cancel(id),
            Err(broadcast::error::RecvError::Lagged(_)) => {}
            Err(broadcast::error::RecvError::Closed) => return,
        }
    }
}

/// Makes ready what is due, rescues, forgets.
async fn upkeep(crew: Arc<Crew>) {
    let signals = &crew.queue.inner.signals;
    let mut planned = signals.on_planned();
    let mut swept = Instant::now();
    loop {
        let mut next = Instant::now() + crew.config.poll;
        match crew.queue.inner.store.advance(crew.may_rescue.load(Relaxed)).await {
            Ok(moved) => {
                crew.tally.moved(&moved);
                if moved.rescued > 0 {
                    tracing::warn!(jobs = moved.rescued, "jobs of workers that were lost are ready again");
                }
                if moved.rescued + moved.promoted > 0 {
                    signals.work();
                }
                next = next.min(Instant::now() + moved.next.unwrap_or(crew.config.poll));
            }
            Err(error) => tracing::debug!(%error, "nothing was made ready"),
        }
        if swept.elapsed() >= SWEEP_PERIOD {
            swept = Instant::now();
            sweep(&crew).await;
        }
        sleep(LOOK_TIME).await;
        tokio::select! {
            () = sleep_until(next) => {}
            _ = planned.changed() => {}
        }
    }
}

async fn sweep(crew: &Crew) {
    let retention = crew.queue.inner.config.retention();
    loop {
        match crew.queue.inner.store.sweep(retention).await {
            Ok(0) => return,
            Ok(jobs) => tracing::debug!(jobs, "jobs that were over are forgotten"),
            Err(error) => return tracing::debug!(%error, "nothing was forgotten"),
        }
    }
}

/// A name that no worker has had: its process, and a random number.
pub(super) fn new_name() -> Arc<str> {
    format!("{}-{:08x}", std::process::id(), u32::from_be_bytes(crypto::random())).into()
}

/// The fences that the store has for this process, and the process has not.
pub(super) fn unknown(crew: &Crew, held: &[crate::app::queue::store::Held]) -> HashSet<i64> {
    let floor = crew.floor();
    held.iter().map(|held| held.fence).filter(|fence| !floor.has(*fence)).collect()
}
