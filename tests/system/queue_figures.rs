//! How fast the queue is over a real PostgreSQL, for `benches/README.md`:
//! `cargo test --release --test system queue_figures -- --ignored --nocapture`.

#![allow(clippy::print_stdout, reason = "that is what they are for")]

use std::time::{Duration, Instant};

use firstbyte::app::queue::domain::{KindName, NewJob, State};
use firstbyte::app::queue::store::{Ask, Asked, Finish, Outcome, Store};
use firstbyte::app::queue::workers::{Workers, WorkersConfig};
use firstbyte::app::queue::{Kinds, MIGRATIONS, Queue, QueueConfig, demo};
use firstbyte::db::{Postgres, PostgresConfig};
use firstbyte::net::shutdown::Shutdown;
use serde_json::{Value, json};
use tokio_postgres::Client;

use crate::database::connect;
use crate::server::SOON;
use crate::services::{Kind, Service};

const ROUNDS: usize = 3;

fn open(service: &Service) -> Postgres {
    let config = PostgresConfig { statement_time: SOON, patience: SOON, ..PostgresConfig::default() };
    Postgres::open_with(&service.url().parse().unwrap(), MIGRATIONS, config).unwrap()
}

fn echo() -> NewJob {
    NewJob::new(KindName::known("echo"), json!({"order_id": "01a1feae-6089-7000-9cb8-6d75d495786e"}))
}

/// Rounds of something, as so many a second: least, middle, most.
async fn rounds(what: &str, number: usize, mut round: impl AsyncFnMut()) {
    let mut seen = Vec::new();
    for _ in 0..ROUNDS {
        let begun = Instant::now();
        round().await;
        seen.push(number as f64 / begun.elapsed().as_secs_f64());
    }
    seen.sort_by(f64::total_cmp);
    eprintln!("{what}: {:.0} a second ({:.0} to {:.0})", seen[ROUNDS / 2], seen[0], seen[ROUNDS - 1]);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
#[ignore = "figures"]
async fn jobs_stored_and_worked_a_second() {
    let Some(service) = Service::start(Kind::Postgres) else { return };
    let queue = Queue::postgres(QueueConfig::default(), open(&service));
    let session = connect(&service.url()).await;
    queue.enqueue(&echo()).await.unwrap();
    rounds("stored, one after the other", 1_000, async || {
        for _ in 0..1_000 {
            queue.enqueue(&echo()).await.unwrap();
        }
    })
    .await;
    rounds("stored, one each, by 16 at once", 8_000, async || {
        let storing = (0..16).map(|_| {
            let queue = queue.clone();
            tokio::spawn(async move {
                for _ in 0..500 {
                    queue.enqueue(&echo()).await.unwrap();
                }
            })
        });
        for storing in storing.collect::<Vec<_>>() {
            storing.await.unwrap();
        }
    })
    .await;
    let many = vec![echo(); 1_000];
    rounds("stored, by 1,000", 20_000, async || {
        for _ in 0..20 {
            queue.enqueue_many(&many).await.unwrap();
        }
    })
    .await;
    for concurrency in [16, 500] {
        rounds(&format!("worked, {concurrency} at a time"), 20_000, async || {
            for statement in ["TRUNCATE queue_jobs, queue_effects", "VACUUM ANALYZE queue_jobs"] {
                session.batch_execute(statement).await.unwrap();
            }
            for _ in 0..20 {
                queue.enqueue_many(&many).await.unwrap();
            }
            let config = WorkersConfig { concurrency, ..WorkersConfig::default() };
            let begun = Instant::now();
            let workers = Workers::start(queue.clone(), demo::kinds(Kinds::new(), None), config, Shutdown::new());
            let left = "SELECT FROM queue_jobs WHERE state IN ('ready', 'running') LIMIT 1";
            while !session.query(left, &[]).await.unwrap().is_empty() {
                tokio::time::sleep(Duration::from_millis(20)).await;
            }
            eprintln!("    {:.0} a second without the storing", 20_000.0 / begun.elapsed().as_secs_f64());
            workers.end().await;
            assert_eq!(queue.counts().await.unwrap().of(State::Completed), 20_000);
        })
        .await;
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
#[ignore = "figures"]
async fn claims_as_rows_grow_to_a_million() {
    let Some(service) = Service::start(Kind::Postgres) else { return };
    let store = Store::postgres(open(&service));
    let session = connect(&service.url()).await;
    store.enqueue(&[echo()]).await.unwrap();
    store.join("figures", Duration::from_secs(3_600)).await.unwrap();
    let mut there = 0;
    for rows in [50_000, 200_000, 1_000_000] {
        fill(&session, rows - there).await;
        there = rows;
        for jobs_max in [1, 100] {
            let mut took: Vec<Duration> = Vec::new();
            for _ in 0..200 {
                took.push(claim(&store, jobs_max).await);
            }
            took.sort();
            eprintln!(
                "{rows} rows, claims of {jobs_max}: median {:?}, 5 % under {:?}, 95 % under {:?}",
                took[100], took[10], took[190]
            );
        }
    }
    let begun = Instant::now();
    eprintln!("{:?}, counted in {:?}", store.counts().await.unwrap(), begun.elapsed());
    for row in session.query(EXPLAIN, &[]).await.unwrap() {
        eprintln!("{}", row.get::<_, &str>(0));
    }
}

/// The part of a claim that looks for jobs.
const EXPLAIN: &str = "EXPLAIN (ANALYZE, BUFFERS, COSTS OFF, TIMING OFF)
    SELECT id FROM queue_jobs WHERE state = 'ready' AND lost < 2 AND kind = 'echo'
    ORDER BY priority DESC, run_at, id LIMIT 16 FOR UPDATE SKIP LOCKED";

/// Half of them wait, half of them are over.
async fn fill(session: &Client, rows: i32) {
    let statement = "INSERT INTO queue_jobs (id, kind, payload, state, priority, tries_max, timeout_ms, run_at, created_at, finished_at)
        SELECT gen_random_uuid(), 'echo', '{\"a\": 1}', CASE WHEN n % 2 = 0 THEN 'ready' ELSE 'completed' END, n % 7, 10, 30000,
            now(), now(), CASE WHEN n % 2 = 0 THEN NULL ELSE now() END FROM generate_series(1, $1::integer) AS n";
    session.execute(statement, &[&rows]).await.unwrap();
    session.batch_execute("VACUUM ANALYZE queue_jobs").await.unwrap();
}

/// How long a claim takes. What it brings is completed.
async fn claim(store: &Store, jobs_max: usize) -> Duration {
    let asks = vec![Ask { kind: KindName::known("echo"), share: jobs_max }];
    let asked = Asked { asks, jobs_max, suspects_max: 1 };
    let begun = Instant::now();
    let claimed = store.claim("figures", &asked).await.unwrap();
    let took = begun.elapsed();
    let finish = |job: &firstbyte::app::queue::domain::Job| Finish {
        id: job.id,
        fence: job.fence,
        outcome: Outcome::Completed(Value::Null),
    };
    let finishes: Vec<Finish> = claimed.iter().map(finish).collect();
    assert!(store.finish(&finishes).await.unwrap().is_empty());
    took
}
