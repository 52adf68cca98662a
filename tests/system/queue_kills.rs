//! Promise 23: jobs survive their workers. Real `firstbyte worker` processes over a real PostgreSQL of their own are killed by
//! SIGKILL again and again, and what they have done is read from what the jobs themselves have written.
//!
//! ```text
//!   queue_effects   job  fence  what       begun: each try that got so far     effect: once a job, under the fence in force
//!   queue_jobs      state, tries, fence, errors: every lost worker stands there
//!   kills           when, whom: kept here
//! ```

#![allow(clippy::print_stdout, reason = "the figures of the promise")]

use std::collections::{HashMap, HashSet};
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use firstbyte::app::queue::domain::{Filter, Job, JobId, KindName, NewJob, State};
use firstbyte::app::queue::{MIGRATIONS, Queue, QueueConfig};
use firstbyte::db::{Postgres, PostgresConfig};
use jiff::Timestamp;
use rustix::process::{Pid, Signal, kill_process};
use serde_json::{Value, json};
use tokio::time::sleep;

use crate::database::connect;
use crate::server::{SOON, firstbyte};
use crate::services::{Kind, Service};

/// Within this a job of a worker that was lost is ready again.
const RESCUE_TIME: Duration = Duration::from_secs(10);

/// What is asked of the promise.
struct Siege {
    jobs: usize,
    /// Milliseconds of each.
    work: u64,
    workers: usize,
    concurrency: usize,
    kill_period: Duration,
    kills_max: usize,
    /// How long it may take in all.
    limit: Duration,
}

/// Workers in processes of their own.
struct Fleet {
    url: String,
    concurrency: usize,
    workers: Vec<Child>,
    /// When each process was killed, by its number.
    killed: HashMap<u32, Timestamp>,
}

impl Fleet {
    fn start(url: &str, workers: usize, concurrency: usize) -> Fleet {
        let mut fleet = Fleet { url: url.to_owned(), concurrency, workers: Vec::new(), killed: HashMap::new() };
        fleet.workers = (0..workers).map(|_| fleet.worker()).collect();
        fleet
    }

    fn worker(&self) -> Child {
        let mut command: Command = firstbyte();
        command.args(["worker", "--log", "error", "--workers", "1", "--database-url", &self.url]);
        command.arg(format!("--concurrency={}", self.concurrency));
        command.stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::null()).spawn().unwrap()
    }

    /// Kills the one at `place`, and starts another one.
    fn kill(&mut self, place: usize) {
        let new = self.worker();
        let mut old = std::mem::replace(&mut self.workers[place], new);
        self.killed.insert(old.id(), Timestamp::now());
        old.kill().unwrap();
        old.wait().unwrap();
    }
}

impl Drop for Fleet {
    fn drop(&mut self) {
        for worker in &mut self.workers {
            let _ = worker.kill();
            let _ = worker.wait();
        }
    }
}

fn open(service: &Service) -> Postgres {
    let config = PostgresConfig { statement_time: SOON, patience: SOON, ..PostgresConfig::default() };
    Postgres::open_with(&service.url().parse().unwrap(), MIGRATIONS, config).unwrap()
}

fn job(kind: &str, payload: Value) -> NewJob {
    NewJob::new(KindName::known(kind), payload)
}

/// All jobs of a kind.
async fn all(queue: &Queue, kind: &str) -> Vec<Job> {
    let filter = Filter { state: None, kind: Some(KindName::known(kind)) };
    let (mut jobs, mut after) = (Vec::new(), None);
    loop {
        let page = queue.list(&filter, after, 1_000).await.unwrap();
        jobs.extend(page.jobs);
        match page.next {
            Some(next) => after = Some(next),
            None => return jobs,
        }
    }
}

/// Jobs, poison among them, and kills until all are over. Checks all that was promised.
async fn besiege(siege: Siege) {
    let Some(service) = Service::start(Kind::Postgres) else { return };
    let queue = Queue::postgres(QueueConfig::default(), open(&service));
    // Poison of the highest priority, more than there are places: it fails, hangs and panics, and never goes well.
    let poison = [("fail", json!(null)), ("panic", json!(null)), ("sleep", json!({"ms": 3_600_000}))];
    for (kind, payload) in poison {
        let poison = job(kind, payload).priority(i16::MAX).timeout(Duration::from_secs(1_000)).tries_max(1_000);
        queue.enqueue_many(&vec![poison; siege.workers * siege.concurrency]).await.unwrap();
    }
    let work = job("effect", json!({"ms": siege.work})).tries_max(1_000);
    let mut expected: HashSet<JobId> = HashSet::new();
    for _ in 0..siege.jobs.div_ceil(1_000) {
        let many = vec![work.clone(); siege.jobs.min(1_000)];
        expected.extend(queue.enqueue_many(&many).await.unwrap().iter().map(|enqueued| enqueued.job.id));
    }
    let begun = Instant::now();
    let mut fleet = Fleet::start(&service.url(), siege.workers, siege.concurrency);
    let session = connect(&service.url()).await;
    let left = "SELECT count(*) FROM queue_jobs WHERE kind = 'effect' AND finished_at IS NULL";
    let mut next = 0;
    while session.query_one(left, &[]).await.unwrap().get::<_, i64>(0) > 0 {
        assert!(begun.elapsed() < siege.limit, "{:?}", queue.counts().await);
        sleep(siege.kill_period).await;
        if next < siege.kills_max {
            fleet.kill(next % siege.workers);
            next += 1;
        }
    }
    let took = begun.elapsed();
    let jobs = all(&queue, "effect").await;
    assert_eq!(jobs.iter().map(|job| job.id).collect::<HashSet<_>>(), expected, "nothing is lost");
    assert!(jobs.iter().all(|job| job.state == State::Completed), "all are done");
    let (tries, effects_late) = check_history(&session, &jobs).await;
    let rescued = check_rescues(&queue, &fleet).await;
    eprintln!(
        "{} jobs, {} kills: {took:?}, {tries} tries, {} rescues, the last after {:?}; {effects_late} effects by an earlier try",
        jobs.len(),
        fleet.killed.len(),
        rescued.len(),
        rescued.iter().max().copied().unwrap_or_default(),
    );
    assert!(fleet.killed.len() >= 3 && !rescued.is_empty(), "the siege was one");
}

/// What the jobs have written: each effect once, under a fence that its job had. How many tries, and how many jobs were completed
/// by another try than the one that had the effect.
async fn check_history(session: &tokio_postgres::Client, jobs: &[Job]) -> (usize, usize) {
    let rows = session.query("SELECT job, fence, what FROM queue_effects ORDER BY job, fence", &[]).await.unwrap();
    let (mut begun, mut effects) = (HashSet::new(), HashMap::new());
    for row in &rows {
        let (job, fence) = (JobId::of_uuid(row.get("job")), row.get::<_, i64>("fence"));
        if row.get::<_, &str>("what") == "begun" {
            assert!(begun.insert((job, fence)), "a fence is given once");
        } else {
            assert!(effects.insert(job, fence).is_none(), "an effect is had once");
        }
    }
    let mut late = 0;
    for job in jobs {
        let effect = effects.get(&job.id).expect("no job is done without its effect");
        assert!(begun.contains(&(job.id, *effect)) && *effect <= job.fence, "{job:?}");
        assert_eq!(job.result.as_ref().unwrap()["effect_by"], json!(effect), "the record says whose it was");
        late += usize::from(*effect != job.fence);
    }
    (begun.len(), late)
}

/// How long after the death of its worker each job was ready again.
async fn check_rescues(queue: &Queue, fleet: &Fleet) -> Vec<Duration> {
    let mut rescued = Vec::new();
    for kind in ["effect", "sleep", "fail", "panic"] {
        for job in all(queue, kind).await {
            for error in &job.errors {
                let Some(worker) = error.why.strip_prefix("worker lost: ") else { continue };
                let process: u32 = worker.split('-').next().unwrap().parse().unwrap();
                // A process that lives is taken for lost when the machine stands still for longer than a lease.
                let Some(killed) = fleet.killed.get(&process) else { continue };
                let after = Duration::try_from(error.at.duration_since(*killed)).unwrap_or_default();
                assert!(after <= RESCUE_TIME, "{after:?}: {job:?}");
                rescued.push(after);
            }
        }
    }
    rescued
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn jobs_survive_workers_that_are_killed() {
    besiege(Siege {
        jobs: 300,
        work: 20,
        workers: 3,
        concurrency: 8,
        kill_period: Duration::from_millis(500),
        kills_max: 8,
        limit: Duration::from_secs(60),
    })
    .await;
}

/// It has jobs, is stopped for longer than its lease, and goes on when others have done them.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_worker_that_was_stopped_is_refused_when_it_goes_on() {
    let Some(service) = Service::start(Kind::Postgres) else { return };
    let queue = Queue::postgres(QueueConfig::default(), open(&service));
    let session = connect(&service.url()).await;
    let mut fleet = Fleet::start(&service.url(), 1, 8);
    queue.enqueue_many(&vec![job("effect", json!({"ms": 300})); 6]).await.unwrap();
    let begun = "SELECT count(*) FROM queue_effects WHERE what = 'begun'";
    let started = Instant::now();
    while session.query_one(begun, &[]).await.unwrap().get::<_, i64>(0) < 6 {
        assert!(started.elapsed() < SOON, "{:?}", queue.counts().await);
        sleep(Duration::from_millis(5)).await;
    }
    let stopped = Pid::from_child(&fleet.workers[0]);
    kill_process(stopped, Signal::STOP).unwrap();
    fleet.workers.push(fleet.worker());
    let started = Instant::now();
    while queue.counts().await.unwrap().of(State::Completed) < 6 {
        assert!(started.elapsed() < SOON, "{:?}", queue.counts().await);
        sleep(Duration::from_millis(20)).await;
    }
    let before = all(&queue, "effect").await;
    kill_process(stopped, Signal::CONT).unwrap();
    // It learns what has become of it, and joins anew.
    let joined = "SELECT count(*) FROM queue_workers WHERE name LIKE $1";
    let name = format!("{}-%", fleet.workers[0].id());
    while session.query_one(joined, &[&name]).await.unwrap().get::<_, i64>(0) == 0 {
        assert!(started.elapsed() < SOON * 2, "it does not come back");
        sleep(Duration::from_millis(20)).await;
    }
    assert_eq!(all(&queue, "effect").await, before, "what it brought was refused");
    let (tries, late) = check_history(&session, &before).await;
    assert_eq!((tries, late), (12, 0), "each was tried by both, and had its effect by the second");
    let echo = queue.enqueue(&job("echo", Value::Null)).await.unwrap().job.id;
    while queue.find(echo).await.unwrap().unwrap().state != State::Completed {
        assert!(started.elapsed() < SOON * 2);
        sleep(Duration::from_millis(20)).await;
    }
}

/// 10,000 jobs, a kill every half second.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
#[ignore = "takes minutes: make soak"]
async fn ten_thousand_jobs_survive_a_kill_every_half_second() {
    besiege(Siege {
        jobs: 10_000,
        work: 50,
        workers: 4,
        concurrency: 16,
        kill_period: Duration::from_millis(500),
        kills_max: usize::MAX,
        limit: Duration::from_secs(900),
    })
    .await;
}
