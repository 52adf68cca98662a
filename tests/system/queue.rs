//! The queue over a real PostgreSQL.

use std::time::Duration;

use firstbyte::app::queue::domain::{Job, JobId, KindName, NewJob, State};
use firstbyte::app::queue::store::Store;
use firstbyte::app::queue::workers::{Ended, Workers, WorkersConfig};
use firstbyte::app::queue::{Kinds, MIGRATIONS, Queue, QueueConfig, Running, demo};
use firstbyte::db::{Postgres, PostgresConfig};
use firstbyte::net::context::Reason;
use firstbyte::net::shutdown::Shutdown;
use rustix::process::Signal;
use serde_json::json;

use crate::database::Database;
use crate::server::{SOON, Server, firstbyte, run, wait_for};
use crate::suites::{queue as suite, workers};

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn postgresql_keeps_jobs_as_every_store_does() {
    let Some(database) = Database::new(MIGRATIONS) else { return };
    suite::store(Store::postgres(database.open(MIGRATIONS))).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn workers_do_their_work_over_postgresql() {
    let Some(database) = Database::new(MIGRATIONS) else { return };
    workers::workers(Queue::postgres(QueueConfig::default(), database.open(MIGRATIONS))).await;
}

/// An outage, as a newcomer finds it: all are silent, and those that live are about to be heard.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn who_joins_knows_whether_the_silent_are_lost() {
    let Some(database) = Database::new(MIGRATIONS) else { return };
    let (store, session) = (Store::postgres(database.open(MIGRATIONS)), database.session().await);
    let row = async |alive: &str, begun: &str| {
        let row = format!(
            "UPDATE queue_workers SET alive_until = now() + interval '{alive}', begun_at = now() - interval '{begun}'"
        );
        session.batch_execute(&row).await.unwrap();
    };
    assert!(!store.join("first", SOON).await.unwrap(), "nobody was heard");
    for (alive, begun, expected) in
        [("5 s", "1 s", false), ("5 s", "1 h", true), ("-1 s", "1 h", false), ("-1 h", "1 h", false)]
    {
        row(alive, begun).await;
        let name = format!("newcomer {alive} {begun}");
        assert_eq!(store.join(&name, SOON).await.unwrap(), expected, "{name}");
        store.leave(&name).await.unwrap();
    }
    assert!(store.beat("first", SOON).await.unwrap(), "nobody has taken it for lost");
    assert!(!store.join("at its heels", SOON).await.unwrap(), "it was silent for a lease: it begins anew");
}

/// Nothing can be written down for longer than a statement may take, while workers are heard.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_is_done_is_done_however_long_its_writing_down_takes() {
    let Some(database) = Database::new(MIGRATIONS) else { return };
    let impatient = PostgresConfig { statement_time: Duration::from_millis(150), ..PostgresConfig::default() };
    let worked =
        Queue::postgres(QueueConfig::default(), Postgres::open_with(&database.url(), MIGRATIONS, impatient).unwrap());
    let queue = Queue::postgres(QueueConfig::default(), database.open(MIGRATIONS));
    let config = WorkersConfig {
        lease: Duration::from_secs(1),
        heartbeat: Duration::from_millis(200),
        ..WorkersConfig::default()
    };
    let workers = Workers::start(worked, demo::kinds(Kinds::new(), None), config, Shutdown::new());
    let jobs = [("sleep", json!({"ms": 300})), ("echo", json!(1))]
        .map(|(kind, payload)| NewJob::new(KindName::known(kind), payload).tries_max(1));
    let slow = queue.enqueue(&jobs[0]).await.unwrap().job.id;
    until(&queue, slow, State::Running).await;
    let mut session = database.session().await;
    let transaction = session.transaction().await.unwrap();
    transaction.batch_execute("LOCK TABLE queue_jobs").await.unwrap();
    tokio::time::sleep(Duration::from_millis(1_500)).await;
    transaction.commit().await.unwrap();
    let done = until(&queue, slow, State::Completed).await;
    assert_eq!((done.tries, done.errors.len()), (1, 0), "{done:?}");
    let echo = queue.enqueue(&jobs[1]).await.unwrap().job.id;
    until(&queue, echo, State::Completed).await;
    assert_eq!(workers.end().await, Ended::default());
}

/// Somebody takes the row away from under it.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn work_ends_that_the_store_does_not_know_of() {
    let Some(database) = Database::new(MIGRATIONS) else { return };
    let queue = Queue::postgres(QueueConfig::default(), database.open(MIGRATIONS));
    let (said, mut hear) = tokio::sync::mpsc::unbounded_channel();
    let kinds = Kinds::new().with("long", move |running: Running| {
        let said = said.clone();
        async move {
            let context = running.context.clone();
            tokio::spawn(async move { said.send(context.cancelled().await) });
            std::future::pending().await
        }
    });
    let config = WorkersConfig { lease: SOON, heartbeat: Duration::from_millis(50), ..WorkersConfig::default() };
    let workers = Workers::start(queue.clone(), kinds, config, Shutdown::new());
    let long = NewJob::new(KindName::known("long"), json!(null)).timeout(SOON * 100);
    let [taken, left] = [queue.enqueue(&long).await.unwrap().job.id, queue.enqueue(&long).await.unwrap().job.id];
    until(&queue, taken, State::Running).await;
    until(&queue, left, State::Running).await;
    let session = database.session().await;
    session.execute("DELETE FROM queue_jobs WHERE id = $1::text::uuid", &[&taken.to_string()]).await.unwrap();
    assert_eq!(tokio::time::timeout(SOON, hear.recv()).await.unwrap(), Some(Reason::Caller));
    assert_eq!(queue.find(left).await.unwrap().unwrap().state, State::Running);
    queue.cancel(left).await.unwrap();
    until(&queue, left, State::Cancelled).await;
    workers.end().await;
}

/// The job, once it is in `state`.
async fn until(queue: &Queue, id: JobId, state: State) -> Job {
    let begun = std::time::Instant::now();
    loop {
        let job = queue.find(id).await.unwrap().unwrap();
        if job.state == state {
            return job;
        }
        assert!(begun.elapsed() < SOON, "{job:?} is not {state}");
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
}

#[test]
fn a_worker_needs_a_database_and_says_so() {
    let output = run(&["worker"]);
    let stderr = String::from_utf8_lossy(&output.stderr).into_owned();
    assert_eq!(output.status.code(), Some(2), "{stderr}");
    assert!(stderr.contains("--database-url: whose jobs are to be worked?"), "{stderr}");
    let output = run(&["worker", "--database-url", "postgres://h", "--listen", "nowhere"]);
    assert_eq!(output.status.code(), Some(2));
    assert!(String::from_utf8_lossy(&output.stderr).contains("`nowhere` is no address"));
}

#[test]
fn a_worker_says_how_it_is_doing_and_ends_when_it_is_told() {
    let Some(database) = Database::new(&[]) else { return };
    let mut command = firstbyte();
    command.args(["worker", "--listen", "127.0.0.1:0", "--database-url", database.url().expose()]);
    let mut worker = Server::spawn(command);
    let get = |path: &str| {
        worker.exchange(format!("GET {path} HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n").as_bytes())
    };
    wait_for("ready", || get("/readyz").starts_with("HTTP/1.1 200 ").then_some(()));
    wait_for("claims", || (!get("/metrics").contains("jobs_claims_total 0\n")).then_some(()));
    let metrics = get("/metrics");
    for name in ["jobs_claims_total", "jobs_rescued_total", "jobs_fenced_total", "jobs_oldest_ready_seconds"] {
        assert!(metrics.contains(name), "{name}: {metrics}");
    }
    worker.signal(Signal::TERM);
    assert_eq!(worker.exit_code(), Some(0), "{}", worker.stderr());
}
