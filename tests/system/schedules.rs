//! Schedules over a real PostgreSQL: as every place keeps them, and each instant once whatever becomes of a node.

use std::collections::HashSet;
use std::time::{Duration, Instant};

use firstbyte::app::queue::cron::Cron;
use firstbyte::app::queue::domain::{Filter, KindName};
use firstbyte::app::queue::schedule::{NewSchedule, ScheduleName, Schedules};
use firstbyte::app::queue::{MIGRATIONS, Queue, QueueConfig};
use serde_json::json;
use tokio::task::JoinSet;
use tokio_postgres::Client;

use crate::database::Database;
use crate::server::SOON;
use crate::suites::schedules as suite;

const WINDOW: Duration = Duration::from_secs(12 * 3_600);

/// A node: connections of its own.
fn node(database: &Database) -> (Schedules, Queue) {
    let postgres = database.open(MIGRATIONS);
    let queue = Queue::postgres(QueueConfig::default(), postgres.clone());
    (Schedules::postgres(queue.clone(), postgres), queue)
}

/// Lets time pass for all schedules: what they have seen to is longer ago.
async fn pass(session: &Client, time: Duration) {
    let rewind = format!("UPDATE queue_schedules SET seen_until = seen_until - interval '{} seconds'", time.as_secs());
    session.batch_execute(&rewind).await.unwrap();
}

fn every_minute(name: &str) -> NewSchedule {
    let name = ScheduleName::parse(name).unwrap();
    NewSchedule::new(name, Cron::parse("* * * * *").unwrap(), KindName::known("echo"), json!({"a": 1}))
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn postgresql_keeps_schedules_as_every_place_does() {
    let Some(database) = Database::new(MIGRATIONS) else { return };
    let (schedules, queue) = node(&database);
    let session = database.session().await;
    suite::schedules(schedules, queue, async |time| pass(&session, time).await).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn of_two_nodes_that_look_at_once_again_and_again_one_makes_each_job() {
    let Some(database) = Database::new(MIGRATIONS) else { return };
    let nodes = [node(&database), node(&database)];
    let session = database.session().await;
    nodes[0].0.create(&every_minute("both")).await.unwrap();
    let mut made = 0;
    for _ in 0..20 {
        // An instant of its own for each round: the keys of the rounds before are forgotten with their jobs.
        session.batch_execute("DELETE FROM queue_jobs").await.unwrap();
        pass(&session, Duration::from_secs(90)).await;
        let mut looks = JoinSet::new();
        for (schedules, _) in &nodes {
            for _ in 0..2 {
                let schedules = schedules.clone();
                looks.spawn(async move { schedules.look(WINDOW).await.unwrap().made });
            }
        }
        let made_now: usize = looks.join_all().await.into_iter().sum();
        let jobs: i64 = session.query_one("SELECT count(*) FROM queue_jobs", &[]).await.unwrap().get(0);
        assert_eq!(made_now as i64, jobs);
        made += made_now;
    }
    // A minute may begin in a round, and is an instant more.
    assert!((20..=22).contains(&made), "{made}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_node_that_dies_in_the_middle_has_done_nothing_and_another_does_it() {
    let Some(database) = Database::new(MIGRATIONS) else { return };
    let (schedules, queue) = node(&database);
    let session = database.session().await;
    schedules.create(&every_minute("cut")).await.unwrap();
    pass(&session, Duration::from_secs(90)).await;
    // The first node has elected itself, has made the job, and is killed before it commits.
    let dying = database.session().await;
    let pid: i32 = dying.query_one("SELECT pg_backend_pid()", &[]).await.unwrap().get(0);
    let first = "BEGIN; UPDATE queue_schedules SET seen_until = now() WHERE name = 'cut';
         INSERT INTO queue_jobs (id, kind, payload, state, priority, tries_max, timeout_ms, run_at, created_at)
         VALUES (gen_random_uuid(), 'echo', '1', 'ready', 0, 1, 1, now(), now())";
    dying.batch_execute(first).await.unwrap();
    // The second one waits for its row, and goes on when it is gone.
    let look = tokio::spawn(async move { schedules.look(WINDOW).await.unwrap().made });
    let waits = "SELECT count(*) FROM pg_stat_activity WHERE wait_event_type = 'Lock' AND datname = current_database()";
    let begun = Instant::now();
    while session.query_one(waits, &[]).await.unwrap().get::<_, i64>(0) == 0 {
        assert!(begun.elapsed() < SOON && !look.is_finished(), "it does not wait");
        tokio::task::yield_now().await;
    }
    session.execute("SELECT pg_terminate_backend($1)", &[&pid]).await.unwrap();
    assert_eq!(look.await.unwrap(), 1);
    let jobs = queue.list(&Filter::default(), None, 10).await.unwrap().jobs;
    assert_eq!(jobs.len(), 1);
    assert!(jobs[0].key.is_some(), "the job of the second node");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn dropped_anywhere_a_look_makes_each_job_once() {
    let Some(database) = Database::new(MIGRATIONS) else { return };
    let (schedules, queue) = node(&database);
    let session = database.session().await;
    for number in 0..30 {
        schedules.create(&every_minute(&format!("cut-{number}"))).await.unwrap();
    }
    pass(&session, Duration::from_secs(90)).await;
    for millis in 0..40 {
        let _ = tokio::time::timeout(Duration::from_millis(millis), schedules.look(WINDOW)).await;
    }
    schedules.look(WINDOW).await.unwrap();
    let jobs = queue.list(&Filter::default(), None, 1_000).await.unwrap().jobs;
    let keys: HashSet<_> = jobs.iter().map(|job| job.key.clone().unwrap()).collect();
    assert_eq!(keys.len(), jobs.len());
    let count = |number: usize| {
        let name = format!("schedule:cut-{number}:");
        keys.iter().filter(|key| key.text().starts_with(&name)).count()
    };
    // A minute may have begun meanwhile.
    assert!((0..30).all(|number| (1..=2).contains(&count(number))), "{keys:?}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_schedule_that_was_deleted_and_made_anew_has_no_instant_twice() {
    let Some(database) = Database::new(MIGRATIONS) else { return };
    let (schedules, queue) = node(&database);
    let session = database.session().await;
    let mut made = 0;
    for payload in [1, 2, 3] {
        let new = NewSchedule { payload: json!(payload), ..every_minute("anew") };
        schedules.create(&new).await.unwrap();
        pass(&session, Duration::from_secs(90)).await;
        made += schedules.look(WINDOW).await.unwrap().made;
        schedules.delete(&new.name).await.unwrap();
    }
    let jobs = queue.list(&Filter::default(), None, 10).await.unwrap().jobs;
    assert_eq!(jobs.len(), made);
    // A minute may have begun in between.
    assert!((1..=2).contains(&made), "{jobs:?}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_another_build_has_stored_is_left_to_it() {
    let Some(database) = Database::new(MIGRATIONS) else { return };
    let (schedules, _) = node(&database);
    let session = database.session().await;
    schedules.create(&every_minute("known")).await.unwrap();
    let newer = "INSERT INTO queue_schedules (name, cron, zone, kind, payload, is_enabled)
         VALUES ('newer', '0 9 L * *', 'UTC', 'echo', '1', true), ('elsewhere', '0 9 * * *', 'Mars/Olympus', 'echo', '1', true)";
    session.batch_execute(newer).await.unwrap();
    pass(&session, Duration::from_secs(90)).await;
    let looked = schedules.look(WINDOW).await.unwrap();
    assert_eq!((looked.made, looked.unreadable), (1, vec!["elsewhere".to_owned(), "newer".to_owned()]));
}
