//! The queue over a real PostgreSQL.

use firstbyte::app::queue::store::Store;
use firstbyte::app::queue::{MIGRATIONS, Queue, QueueConfig};

use rustix::process::Signal;

use crate::database::Database;
use crate::server::{Server, firstbyte, run, wait_for};
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
