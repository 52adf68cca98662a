//! Owns the threads that passwords are hashed on: as many as there are cores, behind a queue that has an end.
//!
//! ```text
//!   run ──> [ job | job | job ] ──> thread, thread      each of the lowest priority but one that the system has
//!     └ full, or one network has its share of it: Busy
//!          but first those go that nobody waits for any more
//! ```
//!
//! The one idea: a hash takes a quarter of a second of one core, on purpose, so whoever may ask for hashes may ask for all
//! cores. The threads give way to those that serve: the scheduler runs them where nothing else wants to run. And a queue
//! that is full is said at once, since a wait that is longer than a client's patience only makes the queue longer.
//!
//! A network has a share of the places and no more, those at work and those that wait: otherwise whoever asks most often,
//! with right passwords, which nothing is charged for, would have them all.
//!
//! Never: runs a job that nobody waits for any more; loses a thread to a job that panics.

use std::collections::{HashMap, VecDeque};
use std::mem;
use std::net::IpAddr;
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
    share_max: usize,
}

struct Shared {
    queue: Mutex<Queue>,
    /// There is a job, or there will be none.
    changed: Condvar,
}

#[derive(Default)]
struct Queue {
    jobs: VecDeque<Job>,
    /// Jobs of each network that wait or are at work.
    in_hand: HashMap<IpAddr, usize>,
    is_over: bool,
    /// Threads that there are.
    started: usize,
    /// How long the last job took.
    took: Duration,
}

struct Job {
    network: IpAddr,
    work: Box<dyn Work>,
}

/// What a thread is to do for somebody who waits.
trait Work: Send {
    fn is_awaited(&self) -> bool;
    /// Does it, and gives what tells who waits: later, when its place is free again.
    fn run(self: Box<Self>) -> Tell;
}

type Tell = Box<dyn FnOnce()>;

struct Awaited<T, F> {
    sender: oneshot::Sender<T>,
    work: F,
}

impl<T: Send + 'static, F: FnOnce() -> T + Send> Work for Awaited<T, F> {
    fn is_awaited(&self) -> bool {
        !self.sender.is_closed()
    }

    fn run(self: Box<Self>) -> Tell {
        if !self.is_awaited() {
            return Box::new(|| ());
        }
        let Awaited { sender, work } = *self;
        let done = work();
        Box::new(move || drop(sender.send(done)))
    }
}

impl Pool {
    /// `threads` threads, and room for `queue_max` jobs that wait for one. A network has `share_max` of all at a time. A
    /// thread is started when there is a job for it.
    ///
    /// # Panics
    /// When one of the numbers is 0.
    pub fn new(threads: usize, queue_max: usize, share_max: usize) -> Pool {
        assert!(threads > 0 && queue_max > 0 && share_max > 0, "a pool has threads and room");
        let shared = Arc::new(Shared { queue: Mutex::default(), changed: Condvar::new() });
        Pool { threads: Arc::new(Threads { shared, count: threads, queue_max, share_max }) }
    }

    /// What `work` gives, once a thread has done it for somebody in `network`.
    ///
    /// # Errors
    /// When there is no room for it, or `network` has its share of it. When it panicked, too: nothing is known then, as if it
    /// had not run.
    ///
    /// # Cancel safety
    /// Dropped, it is left out if it has not begun.
    pub async fn run<T: Send + 'static>(
        &self,
        network: IpAddr,
        work: impl FnOnce() -> T + Send + 'static,
    ) -> Result<T, Busy> {
        let (sender, receiver) = oneshot::channel();
        self.push(Job { network, work: Box::new(Awaited { sender, work }) })?;
        receiver.await.map_err(|_| Busy { retry_after: RETRY_AFTER_MIN })
    }

    /// Jobs that wait for a thread.
    #[cfg(test)]
    pub fn waiting(&self) -> usize {
        lock(&self.threads.shared.queue).jobs.len()
    }

    fn push(&self, job: Job) -> Result<(), Busy> {
        let Threads { shared, count, queue_max, share_max } = &*self.threads;
        let mut queue = lock(&shared.queue);
        let is_full = |queue: &Queue| queue.jobs.len() >= *queue_max || queue.in_hand_of(job.network) >= *share_max;
        if is_full(&queue) {
            queue.leave_out();
        }
        if is_full(&queue) {
            let waits = queue.took * (queue.jobs.len() / count) as u32;
            return Err(Busy { retry_after: waits.max(RETRY_AFTER_MIN) });
        }
        if queue.started < *count {
            queue.started += usize::from(start(shared));
        }
        if queue.started == 0 {
            return Err(Busy { retry_after: RETRY_AFTER_MIN });
        }
        *queue.in_hand.entry(job.network).or_default() += 1;
        queue.jobs.push_back(job);
        drop(queue);
        shared.changed.notify_one();
        Ok(())
    }
}

impl Queue {
    fn in_hand_of(&self, network: IpAddr) -> usize {
        self.in_hand.get(&network).copied().unwrap_or_default()
    }

    /// Forgets the jobs that nobody waits for any more.
    fn leave_out(&mut self) {
        let (awaited, left) = mem::take(&mut self.jobs).into_iter().partition(|job| job.work.is_awaited());
        self.jobs = awaited;
        let left: VecDeque<Job> = left;
        left.iter().for_each(|job| self.done(job.network));
    }

    fn done(&mut self, network: IpAddr) {
        if let Some(count) = self.in_hand.get_mut(&network) {
            *count -= 1;
            if *count == 0 {
                self.in_hand.remove(&network);
            }
        }
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
        while let Some(Job { network, work }) = self.next() {
            let (begun, is_awaited) = (Instant::now(), work.is_awaited());
            // The panic has been told by its hook; who waits learns that nothing will come.
            let tell = catch_unwind(AssertUnwindSafe(|| work.run()));
            let mut queue = lock(&self.queue);
            queue.done(network);
            if is_awaited {
                queue.took = begun.elapsed();
            }
            drop(queue);
            if let Ok(tell) = tell {
                tell();
            }
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

    const HERE: IpAddr = IpAddr::V4(std::net::Ipv4Addr::LOCALHOST);
    const THERE: IpAddr = IpAddr::V4(std::net::Ipv4Addr::new(192, 0, 2, 1));

    /// A pool of one thread that is at work until the sender is dropped.
    fn occupied(queue_max: usize, share_max: usize) -> (Pool, mpsc::Sender<()>) {
        let pool = Pool::new(1, queue_max, share_max);
        let (release, held) = mpsc::channel::<()>();
        let (began, begun) = mpsc::channel();
        let work = move || {
            began.send(()).expect("somebody waits");
            let _ = held.recv();
        };
        let (sender, receiver) = oneshot::channel();
        pool.push(Job { network: HERE, work: Box::new(Awaited { sender, work }) }).expect("room");
        mem::forget(receiver);
        begun.recv().expect("it begins");
        (pool, release)
    }

    #[tokio::test]
    async fn a_network_has_its_share_and_no_more() {
        let (pool, release) = occupied(8, 3);
        let waiting: Vec<_> = (0..2).map(|number| tokio::spawn(run(pool.clone(), number))).collect();
        while pool.waiting() < 2 {
            tokio::task::yield_now().await;
        }
        assert_eq!(
            pool.run(HERE, || 3).await,
            Err(Busy { retry_after: RETRY_AFTER_MIN }),
            "one at work, two that wait"
        );
        let other = tokio::spawn({
            let pool = pool.clone();
            async move { pool.run(THERE, || 4).await }
        });
        while pool.waiting() < 3 {
            tokio::task::yield_now().await;
        }
        // Who has left holds no place.
        waiting.iter().for_each(|waiting| waiting.abort());
        for waiting in waiting {
            assert!(waiting.await.is_err());
        }
        let again = tokio::spawn(run(pool.clone(), 5));
        while pool.waiting() != 2 {
            tokio::task::yield_now().await;
        }
        drop(release);
        assert_eq!((other.await.expect("no panic"), again.await.expect("no panic")), (Ok(4), Ok(5)));
        assert_eq!(pool.run(HERE, || 6).await, Ok(6));
        assert!(lock(&pool.threads.shared.queue).in_hand.is_empty(), "a place is free before its answer is told");
    }

    #[tokio::test]
    async fn who_has_left_a_full_queue_makes_room() {
        let (pool, release) = occupied(1, 8);
        let left = tokio::spawn(run(pool.clone(), 1));
        while pool.waiting() < 1 {
            tokio::task::yield_now().await;
        }
        assert!(pool.run(THERE, || 2).await.is_err());
        left.abort();
        assert!(left.await.is_err());
        let next = tokio::spawn(run(pool.clone(), 3));
        tokio::task::yield_now().await;
        drop(release);
        assert_eq!(next.await.expect("no panic"), Ok(3));
    }

    #[tokio::test]
    async fn what_does_not_fit_is_told_at_once() {
        let (pool, release) = occupied(2, 8);
        let waiting: Vec<_> = (0..2).map(|number| tokio::spawn(run(pool.clone(), number))).collect();
        while pool.waiting() < 2 {
            tokio::task::yield_now().await;
        }
        assert_eq!(pool.run(HERE, || 3).await, Err(Busy { retry_after: RETRY_AFTER_MIN }));
        drop(release);
        for (number, waiting) in waiting.into_iter().enumerate() {
            assert_eq!(waiting.await.expect("no panic"), Ok(number));
        }
    }

    async fn run(pool: Pool, number: usize) -> Result<usize, Busy> {
        pool.run(HERE, move || number).await
    }

    #[tokio::test]
    async fn what_nobody_waits_for_is_not_done() {
        let (pool, release) = occupied(2, 8);
        let (did, done) = mpsc::channel();
        let left = tokio::spawn({
            let pool = pool.clone();
            async move { pool.run(HERE, move || did.send(()).is_ok()).await }
        });
        while pool.waiting() < 1 {
            tokio::task::yield_now().await;
        }
        left.abort();
        assert!(left.await.is_err());
        drop(release);
        assert_eq!(pool.run(HERE, || ()).await, Ok(()));
        assert!(done.try_recv().is_err(), "it was left out");
    }

    #[tokio::test]
    async fn a_panic_costs_its_job_and_no_thread() {
        let pool = Pool::new(1, 1, 8);
        assert!(pool.run(HERE, || panic!("a fault of ours")).await.is_err());
        assert_eq!(pool.run(HERE, || 7).await, Ok(7));
    }

    #[tokio::test]
    async fn the_threads_end_with_the_pool() {
        let pool = Pool::new(2, 1, 1);
        let shared = Arc::downgrade(&pool.threads.shared);
        assert_eq!(pool.clone().run(HERE, || 1).await, Ok(1));
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
        assert_eq!(Pool::new(1, 1, 1).run(HERE, niceness).await, Ok(Some(NICENESS)));
        assert_eq!(niceness(), here);
    }
}
