//! Owns the threads that passwords are hashed on: as many as there are cores, behind a queue that has an end.
//!
//! ```text
//!   run ──> [ job | job | job ] ──> thread, thread      each of the lowest priority but one that the system has
//!     └ full: Busy       └ nobody waits for it any more: left out
//! ```
//!
//! The one idea: a hash takes a quarter of a second of one core, on purpose, so whoever may ask for hashes may ask for all
//! cores. The threads give way to those that serve: the scheduler runs them where nothing else wants to run. And a queue
//! that is full is said at once, since a wait that is longer than a client's patience only makes the queue longer.
//!
//! Never: runs a job that nobody waits for any more; loses a thread to a job that panics.

use std::collections::VecDeque;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::{Arc, Condvar, Mutex, PoisonError};
use std::time::{Duration, Instant};

use tokio::sync::oneshot;

use crate::net::lock::lock;

/// 19 is the lowest. One above it is left for who wants to have even less.
#[cfg(target_os = "linux")]
const NICENESS: i32 = 18;

/// What is told to wait at least.
const RETRY_AFTER_MIN: Duration = Duration::from_secs(1);

/// There is no room in the queue.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Busy {
    /// When there will be, as long as the jobs go on as they do.
    pub retry_after: Duration,
}

/// The threads and their queue. The threads end with the last of its clones.
#[derive(Clone)]
pub struct Pool {
    threads: Arc<Threads>,
}

/// Ends the threads when it is dropped: they hold what they share with it, and not itself.
struct Threads {
    shared: Arc<Shared>,
    count: usize,
    queue_max: usize,
}

struct Shared {
    queue: Mutex<Queue>,
    /// There is a job, or there will be none.
    changed: Condvar,
}

#[derive(Default)]
struct Queue {
    jobs: VecDeque<Job>,
    is_over: bool,
    /// Threads that there are.
    started: usize,
    /// How long the last job took.
    took: Duration,
}

type Job = Box<dyn FnOnce() + Send>;

impl Pool {
    /// `threads` threads, and room for `queue_max` jobs that wait for one. A thread is started when there is a job for it.
    ///
    /// # Panics
    /// When one of the numbers is 0.
    pub fn new(threads: usize, queue_max: usize) -> Pool {
        assert!(threads > 0 && queue_max > 0, "a pool has threads and room");
        let shared = Arc::new(Shared { queue: Mutex::default(), changed: Condvar::new() });
        Pool { threads: Arc::new(Threads { shared, count: threads, queue_max }) }
    }

    /// What `work` gives, once a thread has done it.
    ///
    /// # Errors
    /// When there is no room for it. When it panicked, too: nothing is known then, as if it had not run.
    ///
    /// # Cancel safety
    /// Dropped, it is left out if it has not begun.
    pub async fn run<T: Send + 'static>(&self, work: impl FnOnce() -> T + Send + 'static) -> Result<T, Busy> {
        let (sender, receiver) = oneshot::channel();
        let job = Box::new(move || {
            if !sender.is_closed() {
                let _ = sender.send(work());
            }
        });
        self.push(job)?;
        receiver.await.map_err(|_| Busy { retry_after: RETRY_AFTER_MIN })
    }

    /// Jobs that wait for a thread.
    #[cfg(test)]
    pub fn waiting(&self) -> usize {
        lock(&self.threads.shared.queue).jobs.len()
    }

    fn push(&self, job: Job) -> Result<(), Busy> {
        let Threads { shared, count, queue_max } = &*self.threads;
        let mut queue = lock(&shared.queue);
        if queue.jobs.len() >= *queue_max {
            let waits = queue.took * (queue.jobs.len() / count) as u32;
            return Err(Busy { retry_after: waits.max(RETRY_AFTER_MIN) });
        }
        if queue.started < *count {
            queue.started += usize::from(start(shared));
        }
        if queue.started == 0 {
            return Err(Busy { retry_after: RETRY_AFTER_MIN });
        }
        queue.jobs.push_back(job);
        drop(queue);
        shared.changed.notify_one();
        Ok(())
    }
}

impl Drop for Threads {
    fn drop(&mut self) {
        lock(&self.shared.queue).is_over = true;
        self.shared.changed.notify_all();
    }
}

impl Shared {
    /// The life of a thread.
    fn work(&self) {
        give_way();
        while let Some(job) = self.next() {
            let begun = Instant::now();
            // The panic has been told by its hook; who waits learns that nothing will come.
            let _ = catch_unwind(AssertUnwindSafe(job));
            lock(&self.queue).took = begun.elapsed();
        }
    }

    fn next(&self) -> Option<Job> {
        let waits = |queue: &mut Queue| queue.jobs.is_empty() && !queue.is_over;
        let guard = self.changed.wait_while(lock(&self.queue), waits);
        guard.unwrap_or_else(PoisonError::into_inner).jobs.pop_front()
    }
}

/// Whether the system has another thread.
fn start(shared: &Arc<Shared>) -> bool {
    let shared = Arc::clone(shared);
    let thread = std::thread::Builder::new().name("firstbyte-hash".to_owned());
    let started = thread.spawn(move || shared.work());
    if let Err(error) = &started {
        tracing::error!(%error, "there is no thread to hash passwords on");
    }
    started.is_ok()
}

/// Lowers the priority of this thread.
fn give_way() {
    // Linux has a priority for each thread, other systems one for all threads of a process.
    #[cfg(target_os = "linux")]
    if let Err(error) = rustix::process::setpriority_process(None, NICENESS) {
        tracing::warn!(%error, "passwords are hashed with the priority of everything else");
    }
}

#[cfg(test)]
mod tests {
    use std::sync::mpsc;

    use super::*;

    /// A pool of one thread that is at work until the sender is dropped.
    fn occupied(queue_max: usize) -> (Pool, mpsc::Sender<()>) {
        let pool = Pool::new(1, queue_max);
        let (release, held) = mpsc::channel::<()>();
        let (began, begun) = mpsc::channel();
        let job = Box::new(move || {
            began.send(()).expect("somebody waits");
            let _ = held.recv();
        });
        pool.push(job).expect("room");
        begun.recv().expect("it begins");
        (pool, release)
    }

    #[tokio::test]
    async fn what_does_not_fit_is_told_at_once() {
        let (pool, release) = occupied(2);
        let waiting: Vec<_> = (0..2).map(|number| tokio::spawn(run(pool.clone(), number))).collect();
        while pool.waiting() < 2 {
            tokio::task::yield_now().await;
        }
        assert_eq!(pool.run(|| 3).await, Err(Busy { retry_after: RETRY_AFTER_MIN }));
        drop(release);
        for (number, waiting) in waiting.into_iter().enumerate() {
            assert_eq!(waiting.await.expect("no panic"), Ok(number));
        }
    }

    async fn run(pool: Pool, number: usize) -> Result<usize, Busy> {
        pool.run(move || number).await
    }

    #[tokio::test]
    async fn what_nobody_waits_for_is_not_done() {
        let (pool, release) = occupied(2);
        let (did, done) = mpsc::channel();
        let left = tokio::spawn({
            let pool = pool.clone();
            async move { pool.run(move || did.send(()).is_ok()).await }
        });
        while pool.waiting() < 1 {
            tokio::task::yield_now().await;
        }
        left.abort();
        assert!(left.await.is_err());
        drop(release);
        assert_eq!(pool.run(|| ()).await, Ok(()));
        assert!(done.try_recv().is_err(), "it was left out");
    }

    #[tokio::test]
    async fn a_panic_costs_its_job_and_no_thread() {
        let pool = Pool::new(1, 1);
        assert!(pool.run(|| panic!("a fault of ours")).await.is_err());
        assert_eq!(pool.run(|| 7).await, Ok(7));
    }

    #[tokio::test]
    async fn the_threads_end_with_the_pool() {
        let pool = Pool::new(2, 1);
        let shared = Arc::downgrade(&pool.threads.shared);
        assert_eq!(pool.clone().run(|| 1).await, Ok(1));
        drop(pool);
        while shared.strong_count() > 0 {
            tokio::task::yield_now().await;
        }
    }

    #[cfg(target_os = "linux")]
    #[tokio::test]
    async fn the_threads_give_way_and_no_other_thread_does() {
        let niceness = || rustix::process::getpriority_process(None).ok();
        let here = niceness();
        assert_eq!(Pool::new(1, 1).run(niceness).await, Ok(Some(NICENESS)));
        assert_eq!(niceness(), here);
    }
}
