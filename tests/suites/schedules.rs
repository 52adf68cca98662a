//! What every place that keeps schedules does alike. Run over memory by the unit tests of `app::queue`, over PostgreSQL by
//! `tests/system/schedules.rs`.

use std::time::Duration;

use firstbyte::app::queue::Queue;
use firstbyte::app::queue::cron::{Cron, Zone};
use firstbyte::app::queue::domain::{Filter, Job, KindName, PAYLOAD_BYTES_MAX};
use firstbyte::app::queue::schedule::{NewSchedule, SCHEDULES_MAX, Schedule, ScheduleError, ScheduleName, Schedules};
use serde_json::json;

const HOUR: Duration = Duration::from_secs(3_600);

/// As late as anything here may be.
const WINDOW: Duration = HOUR.saturating_mul(12);

/// Everything that is asked of a place without schedules; `pass` lets time pass for them.
pub async fn schedules(schedules: Schedules, queue: Queue, pass: impl AsyncFn(Duration)) {
    let stage = &Stage { schedules, queue };
    what_is_stored_is_found_until_it_is_deleted(stage).await;
    an_instant_becomes_one_job(stage, &pass).await;
    of_many_nodes_one_makes_the_job(stage, &pass).await;
    of_what_was_missed_the_latest_runs_within_the_window(stage, &pass).await;
    what_passes_while_it_is_disabled_is_not_made_up_for(stage, &pass).await;
    there_are_no_more_than_there_may_be(stage).await;
}

struct Stage {
    schedules: Schedules,
    queue: Queue,
}

impl Stage {
    async fn every_minute(&self, name: &str) -> Schedule {
        self.schedules.create(&new(name, "* * * * *")).await.unwrap()
    }

    async fn made(&self, window: Duration) -> usize {
        self.schedules.look(window).await.unwrap().made
    }

    /// The jobs of the schedule called `kind`, the newest first.
    async fn jobs(&self, kind: &str) -> Vec<Job> {
        let filter = Filter { kind: Some(KindName::known(kind)), ..Filter::default() };
        self.queue.list(&filter, None, 100).await.unwrap().jobs
    }

    async fn delete(&self, name: &str) {
        self.schedules.delete(&called(name)).await.unwrap();
    }
}

fn called(name: &str) -> ScheduleName {
    ScheduleName::parse(name).unwrap()
}

/// Its jobs are of a kind of its own.
fn new(name: &str, cron: &str) -> NewSchedule {
    NewSchedule::new(called(name), Cron::parse(cron).unwrap(), KindName::known(name), json!({"of": name}))
}

async fn what_is_stored_is_found_until_it_is_deleted(stage: &Stage) {
    let schedules = &stage.schedules;
    let new = new("find", "30 2 * * SUN");
    let new = NewSchedule { cron: new.cron.in_zone(Zone::parse("Europe/Berlin").unwrap()), ..new };
    let stored = schedules.create(&new).await.unwrap();
    assert_eq!((&stored.what, stored.seen_until, stored.last), (&new, stored.created_at, None));
    let (found, now) = schedules.find(&new.name).await.unwrap();
    assert_eq!(found, stored);
    assert!(now >= stored.created_at);
    assert_eq!(found.next(now), new.cron.next(now));
    let listed = schedules.list().await.unwrap();
    assert_eq!((listed.schedules, listed.unreadable), (vec![stored], Vec::new()));
    assert!(matches!(schedules.create(&new).await, Err(ScheduleError::Taken)));
    stage.delete("find").await;
    assert!(matches!(schedules.delete(&new.name).await, Err(ScheduleError::Unknown)));
    assert!(matches!(schedules.find(&new.name).await, Err(ScheduleError::Unknown)));
    assert!(matches!(schedules.enable(&new.name, true).await, Err(ScheduleError::Unknown)));
    let large = NewSchedule { payload: json!("x".repeat(PAYLOAD_BYTES_MAX)), ..new };
    assert!(matches!(schedules.create(&large).await, Err(ScheduleError::TooLarge { .. })));
}

async fn an_instant_becomes_one_job(stage: &Stage, pass: &impl AsyncFn(Duration)) {
    let stored = stage.every_minute("once").await;
    assert_eq!(stage.made(Duration::ZERO).await, 0, "its first instant is behind now");
    pass(Duration::from_secs(61)).await;
    assert_eq!(stage.made(WINDOW).await, 1);
    let (job, schedule) = (&stage.jobs("once").await[0], stage.schedules.find(&called("once")).await.unwrap().0);
    let (at, of) = schedule.last.unwrap();
    assert_eq!((of, schedule.seen_until), (job.id, at));
    assert_eq!(job.payload, stored.what.payload);
    assert_eq!(job.key.as_ref().unwrap().text(), format!("schedule:once:{}", at.as_second()));
    assert_eq!(at.as_second() % 60, 0);
    stage.delete("once").await;
    assert_eq!(stage.jobs("once").await.len(), 1, "jobs stay");
}

async fn of_many_nodes_one_makes_the_job(stage: &Stage, pass: &impl AsyncFn(Duration)) {
    for name in ["many-a", "many-b", "many-c"] {
        stage.every_minute(name).await;
    }
    pass(HOUR).await;
    let mut nodes = tokio::task::JoinSet::new();
    for _ in 0..8 {
        let schedules = stage.schedules.clone();
        nodes.spawn(async move { schedules.look(WINDOW).await.unwrap().made });
    }
    let made: usize = nodes.join_all().await.into_iter().sum();
    let jobs = [stage.jobs("many-a").await, stage.jobs("many-b").await, stage.jobs("many-c").await];
    // A minute may have begun between two of them.
    assert_eq!(made, jobs.iter().map(Vec::len).sum::<usize>());
    assert!((3..=6).contains(&made), "{made}");
    for name in ["many-a", "many-b", "many-c"] {
        stage.delete(name).await;
    }
}

async fn of_what_was_missed_the_latest_runs_within_the_window(stage: &Stage, pass: &impl AsyncFn(Duration)) {
    stage.every_minute("missed").await;
    pass(HOUR).await;
    assert_eq!(stage.made(Duration::ZERO).await, 0, "all of them are too old");
    assert_eq!(stage.made(WINDOW).await, 1);
    let (schedule, now) = stage.schedules.find(&called("missed")).await.unwrap();
    let (at, _) = schedule.last.unwrap();
    assert!(now.duration_since(at).as_secs() < 120, "{at} {now}");
    assert_eq!(stage.jobs("missed").await.len(), 1);
    stage.delete("missed").await;
}

async fn what_passes_while_it_is_disabled_is_not_made_up_for(stage: &Stage, pass: &impl AsyncFn(Duration)) {
    stage.every_minute("rest").await;
    let rested = stage.schedules.enable(&called("rest"), false).await.unwrap();
    assert_eq!(rested.next(rested.created_at), None);
    pass(HOUR).await;
    assert_eq!(stage.made(WINDOW).await, 0);
    let enabled = stage.schedules.enable(&called("rest"), true).await.unwrap();
    assert!(enabled.seen_until > rested.seen_until);
    assert_eq!(stage.made(Duration::ZERO).await, 0);
    assert_eq!(stage.jobs("rest").await.len(), 0);
    pass(Duration::from_secs(61)).await;
    assert_eq!(stage.made(WINDOW).await, 1);
    stage.delete("rest").await;
}

async fn there_are_no_more_than_there_may_be(stage: &Stage) {
    for number in 0..SCHEDULES_MAX {
        stage.schedules.create(&new(&format!("full-{number}"), "@yearly")).await.unwrap();
    }
    assert!(matches!(stage.schedules.create(&new("one-more", "@yearly")).await, Err(ScheduleError::Full)));
    assert!(matches!(stage.schedules.create(&new("full-7", "@yearly")).await, Err(ScheduleError::Taken)));
    stage.delete("full-7").await;
    stage.schedules.create(&new("one-more", "@yearly")).await.unwrap();
}
