//! Owns the life of the workers of a process, from their first claim to their last word.
//!
//! ```text
//!   Working ──told to end──> Closing ──no job is left, or drain is over, or forced──> Over
//!   claims                   finishes what it has                                     gives back what is left, leaves
//! ```
//!
//! Never: does a job itself; waits for a store without an end once it is told to end.

use std::any::Any;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering::Relaxed};
use std::sync::{Arc, Mutex, MutexGuard};
use std::time::Duration;

use tokio::sync::{Notify, broadcast, mpsc, watch};
use tokio::task::JoinSet;
use tokio::time::{Instant, sleep, sleep_until, timeout};

use super::floor::{Floor, Stopped};
use super::scribe::{Note, scribe};
use super::{Ended, WorkersConfig, pulse, trial};
use crate::app::queue::domain::{Job, KindName};
use crate::app::queue::metrics::Tally;
use crate::app::queue::signals::Word;
use crate::app::queue::store::BATCH;
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
    let mut names: Vec<KindName> = kinds.names().cloned().collect();
    // Processes that do not live long would all begin with the same kind.
    let turn = u32::from_be_bytes(crypto::random()) as usize % names.len().max(1);
    names.rotate_left(turn);
    let floor = Mutex::new(Floor::new(names, config.concurrency, config.heartbeat));
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
    tasks.spawn(forget(Arc::clone(&crew)));
    let mut chief = JoinSet::new();
    chief.spawn(foreman(Arc::clone(&crew)));
    let panic = tokio::select! {
        () = shutdown.draining() => None,
        _ = stopped.changed() => None,
        panic = first_panic(&mut tasks) => Some(panic),
        panic = first_panic(&mut chief) => Some(panic),
    };
    crew.is_closing.store(true, Relaxed);
    crew.queue.inner.signals.work_here();
    if panic.is_none() {
        let drain = crew.config.drain;
        tokio::select! {
            // A claim that is under way is waited for: its jobs would have to be rescued.
            () = async { _ = chief.join_next().await; crew.empty().await } => {}
            () = sleep(drain) => {}
            () = shutdown.forced() => {}
        }
    }
    chief.shutdown().await;
    crew.floor().stop(Stopped::Ending);
    let _ = timeout(RELEASE_TIME, crew.empty()).await;
    crew.leave().await;
    if let Some(panic) = panic {
        tracing::error!("a task of the workers has panicked: they have ended");
        std::panic::resume_unwind(panic);
    }
    let ended = Ended { released: crew.released.load(Relaxed), cut: crew.floor().len() };
    tracing::info!(released = ended.released, cut = ended.cut, "the workers have ended");
    ended
}

/// What the first task that panics has to say. The others end by themselves when there is nothing for them to do.
async fn first_panic(tasks: &mut JoinSet<()>) -> Box<dyn Any + Send> {
    while let Some(ended) = tasks.join_next().await {
        if let Err(error) = ended
            && let Ok(panic) = error.try_into_panic()
        {
            return panic;
        }
    }
    std::future::pending().await
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
            self.floor().begin(&job, context.clone(), now);
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
    let Some(asked) = crew.floor().ask(Instant::now()) else { return Ok(false) };
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

/// Makes ready what is due, and rescues.
async fn upkeep(crew: Arc<Crew>) {
    let signals = &crew.queue.inner.signals;
    let mut planned = signals.on_planned();
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
                let is_more = moved.rescued.max(moved.promoted) >= BATCH as u64;
                let wait = if is_more { Duration::ZERO } else { moved.next.unwrap_or(crew.config.poll) };
                next = next.min(Instant::now() + wait);
            }
            Err(error) => tracing::debug!(%error, "nothing was made ready"),
        }
        sleep(LOOK_TIME).await;
        tokio::select! {
            () = sleep_until(next) => {}
            _ = planned.changed() => {}
        }
    }
}

/// Forgets what has been over for long, beside the upkeep: nobody waits to be rescued while a million jobs are forgotten.
async fn forget(crew: Arc<Crew>) {
    let retention = crew.queue.inner.config.retention();
    loop {
        sleep(SWEEP_PERIOD).await;
        loop {
            match crew.queue.inner.store.sweep(retention).await {
                Ok(0) => break,
                Ok(jobs) => tracing::debug!(jobs, "jobs that were over are forgotten"),
                Err(error) => {
                    tracing::debug!(%error, "nothing was forgotten");
                    break;
                }
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn the_first_panic_is_seen_and_an_end_is_none() {
        let mut tasks = JoinSet::new();
        tasks.spawn(async {});
        tasks.spawn(std::future::pending());
        assert!(timeout(Duration::from_millis(1), first_panic(&mut tasks)).await.is_err());
        tasks.spawn(async { panic!("it was seen") });
        let panic = first_panic(&mut tasks).await;
        assert_eq!(panic.downcast_ref(), Some(&"it was seen"));
    }
}
