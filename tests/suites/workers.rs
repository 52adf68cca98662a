//! What workers do alike wherever the jobs are. Run over memory by the unit tests of `app::queue`, over PostgreSQL by
//! `tests/system/queue.rs`.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering::Relaxed};
use std::time::Duration;

use firstbyte::app::queue::backoff::Backoff;
use firstbyte::app::queue::domain::{Filter, Job, JobId, KindName, NewJob, State, When};
use firstbyte::app::queue::workers::{Ended, Workers, WorkersConfig};
use firstbyte::app::queue::{JobError, Kinds, Queue, Running, demo};
use firstbyte::net::context::Reason;
use firstbyte::net::shutdown::Shutdown;
use serde_json::{Value, json};
use tokio::time::{Instant, sleep, timeout};

/// Longer than anything here takes.
const SOON: Duration = Duration::from_secs(20);

/// Fast enough for a test that may be run by a real clock.
fn config() -> WorkersConfig {
    WorkersConfig {
        concurrency: 8,
        lease: Duration::from_secs(2),
        heartbeat: Duration::from_millis(100),
        poll: Duration::from_millis(100),
        drain: Duration::from_millis(300),
        backoff: Backoff { base: Duration::from_millis(5), max: Duration::from_millis(20) },
    }
}

fn new(kind: &str, payload: Value) -> NewJob {
    NewJob::new(KindName::known(kind), payload)
}

async fn add(queue: &Queue, job: NewJob) -> JobId {
    queue.enqueue(&job).await.unwrap().job.id
}

/// The job, once it is in `state`.
async fn once(queue: &Queue, id: JobId, state: State) -> Job {
    let begun = Instant::now();
    loop {
        let job = queue.find(id).await.unwrap().expect("it is there");
        if job.state == state {
            return job;
        }
        assert!(begun.elapsed() < SOON, "{job:?} is not {state}");
        sleep(Duration::from_millis(5)).await;
    }
}

fn start(queue: &Queue, kinds: Kinds) -> Workers {
    Workers::start(queue.clone(), kinds, config(), Shutdown::new())
}

/// Everything that is asked of workers, over queues without jobs, each with nobody else's.
pub async fn workers(queue: Queue) {
    what_becomes_of_each_kind(&queue).await;
    a_job_takes_no_longer_than_it_may(&queue).await;
    work_that_blocks_its_thread_does_not_hold_the_job(&queue).await;
    a_running_job_is_cancelled(&queue).await;
    an_unknown_kind_waits_for_whoever_knows_it(&queue).await;
    no_more_at_a_time_than_there_are_places(&queue).await;
    a_flood_that_hangs_leaves_places_to_others(&queue).await;
    what_is_at_work_is_finished_at_the_end(&queue).await;
    what_does_not_end_is_given_back(&queue).await;
    a_signal_claims_nothing_more_and_a_second_gives_back(&queue).await;
    jobs_that_wait_are_worked_at_once_and_on_time(&queue).await;
    retries_are_put_off_as_they_say(&queue).await;
}

async fn what_becomes_of_each_kind(queue: &Queue) {
    let workers = start(queue, demo::kinds(Kinds::new(), None));
    let echo = add(queue, new("echo", json!({"a": "é"}))).await;
    let done = once(queue, echo, State::Completed).await;
    assert_eq!((done.result, done.tries, done.errors.len()), (Some(json!({"a": "é"})), 1, 0));

    let flaky = add(queue, new("flaky", json!({"fail_times": 2}))).await;
    let done = once(queue, flaky, State::Completed).await;
    assert_eq!((done.result, done.tries, done.errors.len()), (Some(json!({"tries": 3})), 3, 2));

    let fail = add(queue, new("fail", Value::Null).tries_max(3)).await;
    let dead = once(queue, fail, State::Dead).await;
    assert_eq!((dead.tries, dead.errors.len(), dead.errors[2].why.as_str()), (3, 3, "it fails each time"));

    let panic = add(queue, new("panic", Value::Null).tries_max(2)).await;
    let dead = once(queue, panic, State::Dead).await;
    assert_eq!((dead.tries, dead.errors[1].why.as_str()), (2, "it panicked: it panics each time"));
    assert_eq!(workers.end().await, Ended::default());
}

async fn a_job_takes_no_longer_than_it_may(queue: &Queue) {
    let workers = start(queue, demo::kinds(Kinds::new(), None));
    let slow = new("sleep", json!({"ms": 60_000})).timeout(Duration::from_millis(20)).tries_max(2);
    let dead = once(queue, add(queue, slow).await, State::Dead).await;
    assert_eq!((dead.tries, dead.errors[1].why.as_str()), (2, "it took longer than 20ms"));
    workers.end().await;
}

async fn work_that_blocks_its_thread_does_not_hold_the_job(queue: &Queue) {
    // It blocks a thread, and so sees nothing of its end.
    let kinds = Kinds::new().with("stuck", async |_| {
        tokio::task::block_in_place(|| std::thread::sleep(Duration::from_millis(1_500)));
        Ok(Value::Null)
    });
    let workers = start(queue, kinds);
    let job = new("stuck", Value::Null).timeout(Duration::from_millis(20)).tries_max(1);
    let dead = once(queue, add(queue, job).await, State::Dead).await;
    assert_eq!(dead.errors[0].why, "it took longer than 20ms");
    assert_eq!(workers.end().await, Ended::default(), "it ends when the thread is free");
}

async fn a_running_job_is_cancelled(queue: &Queue) {
    let workers = start(queue, demo::kinds(Kinds::new(), None));
    let id = add(queue, new("sleep", json!({"ms": 60_000})).timeout(SOON * 3)).await;
    once(queue, id, State::Running).await;
    let begun = Instant::now();
    assert!(queue.cancel(id).await.unwrap().is_cancelling);
    let cancelled = once(queue, id, State::Cancelled).await;
    assert!(begun.elapsed() < SOON / 2);
    assert_eq!(cancelled.errors[0].why, "cancelled while it ran");
    workers.end().await;
}

async fn an_unknown_kind_waits_for_whoever_knows_it(queue: &Queue) {
    let unknown = add(queue, new("of.another.node", Value::Null)).await;
    let workers = start(queue, demo::kinds(Kinds::new(), None));
    once(queue, add(queue, new("echo", Value::Null)).await, State::Completed).await;
    assert_eq!(queue.find(unknown).await.unwrap().unwrap().tries, 0);
    workers.end().await;
    let workers = start(queue, Kinds::new().with("of.another.node", async |_| Ok(json!("known"))));
    assert_eq!(once(queue, unknown, State::Completed).await.result, Some(json!("known")));
    workers.end().await;
}

async fn no_more_at_a_time_than_there_are_places(queue: &Queue) {
    let (now, most) = (Arc::new(AtomicUsize::new(0)), Arc::new(AtomicUsize::new(0)));
    let seen = Arc::clone(&most);
    let kinds = Kinds::new().with("count", move |_| {
        let (now, most) = (Arc::clone(&now), Arc::clone(&most));
        async move {
            most.fetch_max(now.fetch_add(1, Relaxed) + 1, Relaxed);
            // The first ones wait until all places are taken.
            while most.load(Relaxed) < 8 {
                sleep(Duration::from_millis(1)).await;
            }
            sleep(Duration::from_millis(2)).await;
            now.fetch_sub(1, Relaxed);
            Ok(Value::Null)
        }
    });
    let workers = start(queue, kinds);
    let jobs = queue.enqueue_many(&vec![new("count", Value::Null); 100]).await.unwrap();
    for job in jobs {
        once(queue, job.job.id, State::Completed).await;
    }
    assert_eq!(seen.load(Relaxed), 8);
    workers.end().await;
}

async fn a_flood_that_hangs_leaves_places_to_others(queue: &Queue) {
    let hangs = new("sleep", json!({"ms": 3_600_000})).priority(i16::MAX).timeout(SOON * 100);
    queue.enqueue_many(&vec![hangs; 100]).await.unwrap();
    let workers = start(queue, demo::kinds(Kinds::new(), None));
    sleep(Duration::from_millis(50)).await;
    for _ in 0..20 {
        let begun = Instant::now();
        once(queue, add(queue, new("echo", Value::Null).priority(i16::MIN)).await, State::Completed).await;
        assert!(begun.elapsed() < SOON / 4);
    }
    let kind = Some(KindName::known("sleep"));
    let running = Filter { state: Some(State::Running), kind: kind.clone() };
    assert_eq!(queue.list(&running, None, 100).await.unwrap().jobs.len(), 6, "three quarters");
    assert_eq!(workers.end().await, Ended { released: 6, cut: 0 });
    let ready = queue.list(&Filter { state: Some(State::Ready), kind }, None, 200).await.unwrap().jobs;
    assert!(ready.len() == 100 && ready.iter().all(|job| job.tries == 0));
    for job in ready {
        queue.cancel(job.id).await.unwrap();
    }
}

async fn what_is_at_work_is_finished_at_the_end(queue: &Queue) {
    let workers = start(queue, demo::kinds(Kinds::new(), None));
    let id = add(queue, new("sleep", json!({"ms": 100}))).await;
    once(queue, id, State::Running).await;
    assert_eq!(workers.end().await, Ended::default());
    assert_eq!(queue.find(id).await.unwrap().unwrap().state, State::Completed);
    let later = add(queue, new("echo", Value::Null)).await;
    sleep(Duration::from_millis(200)).await;
    assert_eq!(queue.cancel(later).await.unwrap().state, State::Cancelled, "nobody claims any more");
}

async fn what_does_not_end_is_given_back(queue: &Queue) {
    let (said, hear) = std::sync::mpsc::channel();
    // It sees that it has to end, and takes a moment.
    let kinds = Kinds::new().with("long", move |running: Running| {
        let (said, context) = (said.clone(), running.context.clone());
        async move {
            tokio::spawn(async move { said.send(context.cancelled().await) });
            std::future::pending().await
        }
    });
    let workers = start(queue, kinds);
    let id = add(queue, new("long", Value::Null).tries_max(1)).await;
    once(queue, id, State::Running).await;
    assert_eq!(workers.end().await, Ended { released: 1, cut: 0 });
    assert_eq!(hear.recv_timeout(SOON), Ok(Reason::Shutdown));
    let job = queue.find(id).await.unwrap().unwrap();
    assert_eq!((job.state, job.tries, job.errors.len()), (State::Ready, 0, 0), "the try was not its fault");
    queue.cancel(id).await.unwrap();
}

async fn a_signal_claims_nothing_more_and_a_second_gives_back(queue: &Queue) {
    let shutdown = Shutdown::new();
    let patient = WorkersConfig { drain: SOON * 3, ..config() };
    let workers = Workers::start(queue.clone(), demo::kinds(Kinds::new(), None), patient, shutdown.clone());
    let id = add(queue, new("sleep", json!({"ms": 3_600_000})).timeout(SOON * 100)).await;
    once(queue, id, State::Running).await;
    shutdown.begin();
    sleep(Duration::from_millis(50)).await;
    let late = add(queue, new("echo", Value::Null)).await;
    sleep(Duration::from_millis(150)).await;
    assert_eq!(queue.find(late).await.unwrap().unwrap().state, State::Ready);
    assert_eq!(queue.find(id).await.unwrap().unwrap().state, State::Running);
    shutdown.force();
    assert_eq!(timeout(SOON, workers.end()).await.unwrap(), Ended { released: 1, cut: 0 });
    for id in [id, late] {
        queue.cancel(id).await.unwrap();
    }
}

async fn jobs_that_wait_are_worked_at_once_and_on_time(queue: &Queue) {
    let slow = WorkersConfig { poll: SOON * 2, ..config() };
    let workers = Workers::start(queue.clone(), demo::kinds(Kinds::new(), None), slow, Shutdown::new());
    once(queue, add(queue, new("echo", Value::Null)).await, State::Completed).await;
    // Nobody looks by himself: these are told.
    for _ in 0..5 {
        let begun = Instant::now();
        once(queue, add(queue, new("echo", Value::Null)).await, State::Completed).await;
        assert!(begun.elapsed() < SOON / 4, "{:?}", begun.elapsed());
    }
    let begun = Instant::now();
    let put_off = new("echo", Value::Null).run_at(When::In(Duration::from_millis(150)));
    let done = once(queue, add(queue, put_off).await, State::Completed).await;
    assert!(done.claimed_at >= Some(done.run_at));
    assert!(begun.elapsed() >= Duration::from_millis(150) && begun.elapsed() < SOON / 4, "{:?}", begun.elapsed());
    workers.end().await;
}

async fn retries_are_put_off_as_they_say(queue: &Queue) {
    let kinds = Kinds::new()
        .with("in", async |_| Err(JobError::RetryIn(Duration::from_secs(3_600), "come back".to_owned())))
        .with("dead", async |_| Err(JobError::Dead("never".to_owned())));
    let workers = start(queue, kinds);
    let put_off = once(queue, add(queue, new("in", Value::Null)).await, State::Scheduled).await;
    assert!(put_off.run_at > put_off.created_at + Duration::from_secs(3_500));
    let dead = once(queue, add(queue, new("dead", Value::Null)).await, State::Dead).await;
    assert_eq!((dead.tries, dead.errors[0].why.as_str()), (1, "never"));
    queue.cancel(put_off.id).await.unwrap();
    workers.end().await;
}
