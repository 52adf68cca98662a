use std::time::Duration;

use serde_json::json;
use tokio::time::{Instant, advance, sleep};

use super::*;
use crate::app::queue::QueueConfig;
use crate::app::queue::domain::{Filter, Job};
use crate::net::shutdown::Shutdown;

#[path = "../../../../tests/suites/schedules.rs"]
mod suite;

fn memory() -> (Schedules, Queue) {
    let queue = Queue::memory(QueueConfig::default());
    (Schedules::memory(queue.clone()), queue)
}

fn new(name: &str, cron: &str) -> NewSchedule {
    NewSchedule::new(
        ScheduleName::parse(name).unwrap(),
        Cron::parse(cron).unwrap(),
        KindName::known("echo"),
        json!({"of": name}),
    )
}

async fn jobs(queue: &Queue) -> Vec<Job> {
    queue.list(&Filter::default(), None, 1_000).await.unwrap().jobs
}

#[tokio::test(start_paused = true)]
async fn memory_keeps_schedules_as_every_place_does() {
    let (schedules, queue) = memory();
    suite::schedules(schedules, queue, async |time| advance(time).await).await;
}

fn at(text: &str) -> Timestamp {
    text.parse().expect(text)
}

/// What `cron` owes that is seen to until `seen_until`, when it is `now`.
fn check(cron: &str, seen_until: &str, now: &str, window_hours: i64, expected: Option<(&str, u64)>) {
    let seen_until = at(seen_until);
    let schedule = Schedule { what: new("x", cron), created_at: seen_until, seen_until, last: None };
    let due = schedule.due(at(now), SignedDuration::from_hours(window_hours));
    let due = due.map(|due| (due.at, due.missed));
    assert_eq!(due, expected.map(|(instant, missed)| (at(instant), missed)), "{cron} at {now}");
}

#[test]
fn the_latest_instant_that_was_not_seen_to_is_due() {
    let seen = "2026-01-01T00:00:00Z";
    check("0 9 * * *", seen, "2026-01-01T08:59:59.999Z", 12, None);
    check("0 9 * * *", seen, "2026-01-01T09:00:00Z", 12, Some(("2026-01-01T09:00:00Z", 0)));
    check("0 9 * * *", seen, "2026-01-01T20:59:00Z", 12, Some(("2026-01-01T09:00:00Z", 0)));
    // Too late by now, and so is all that was before.
    check("0 9 * * *", seen, "2026-01-01T21:00:00Z", 12, None);
    check("0 9 * * *", seen, "2026-01-05T21:00:00Z", 12, None);
    check("0 9 * * *", seen, "2026-01-05T10:00:00Z", 12, Some(("2026-01-05T09:00:00Z", 0)));
    // Of the many that were missed, the latest.
    check("*/5 * * * *", seen, "2026-01-01T01:02:00Z", 12, Some(("2026-01-01T01:00:00Z", 11)));
    check("*/5 * * * *", "2026-01-01T01:00:00Z", "2026-01-01T01:02:00Z", 12, None);
    // A clock that was put back: it rests.
    check("*/5 * * * *", seen, "2025-12-31T23:00:00Z", 12, None);
}

#[test]
fn the_job_of_an_instant_is_the_same_whoever_makes_it() {
    let job = new("nightly", "@daily").job(at("2026-01-02T00:00:00Z"));
    assert_eq!(job, new("nightly", "@daily").job(at("2026-01-02T00:00:00Z")));
    assert_eq!(job.key.as_ref().map(JobKey::text), Some("schedule:nightly:1767312000"));
    assert_eq!(job.run_at, When::At(at("2026-01-02T00:00:00Z")));
}

#[tokio::test(start_paused = true)]
async fn a_scheduler_makes_each_job_at_its_instant() {
    let (schedules, queue) = memory();
    let shutdown = Shutdown::new();
    let scheduler = Scheduler::start(schedules.clone(), SchedulerConfig::default(), shutdown.clone());
    // Stored while it sleeps.
    sleep(Duration::from_secs(2)).await;
    schedules.create(&new("minutely", "* * * * *")).await.unwrap();
    sleep(Duration::from_secs(600)).await;
    let jobs = jobs(&queue).await;
    assert!((10..=11).contains(&jobs.len()), "{}", jobs.len());
    for job in &jobs {
        let instant: i64 = job.key.as_ref().unwrap().text().rsplit(':').next().unwrap().parse().unwrap();
        let late = job.created_at.duration_since(Timestamp::from_second(instant).unwrap());
        assert!(late >= SignedDuration::ZERO && late < SignedDuration::from_millis(100), "{late:?}");
    }
    let begun = Instant::now();
    shutdown.begin();
    scheduler.end().await;
    assert_eq!(begun.elapsed(), Duration::ZERO, "a shutdown does not wait for it");
}

#[tokio::test(start_paused = true)]
async fn two_schedulers_on_one_place_make_one_job_of_an_instant() {
    let (schedules, queue) = memory();
    schedules.create(&new("minutely", "* * * * *")).await.unwrap();
    schedules.create(&new("two", "*/2 * * * *")).await.unwrap();
    let shutdown = Shutdown::new();
    let start = || Scheduler::start(schedules.clone(), SchedulerConfig::default(), shutdown.clone());
    let both = [start(), start()];
    sleep(Duration::from_secs(1_200)).await;
    shutdown.begin();
    for scheduler in both {
        scheduler.end().await;
    }
    let jobs = jobs(&queue).await;
    assert_eq!(jobs.len(), 30);
    let keys: std::collections::HashSet<_> = jobs.iter().map(|job| job.key.clone()).collect();
    assert_eq!(keys.len(), 30);
}

#[tokio::test(start_paused = true)]
async fn a_queue_that_is_full_gets_the_job_when_there_is_room() {
    let queue = Queue::memory(QueueConfig { in_memory_max: 1, ..QueueConfig::default() });
    let schedules = Schedules::memory(queue.clone());
    let only = queue.enqueue(&NewJob::new(KindName::known("other"), json!(null))).await.unwrap().job;
    schedules.create(&new("minutely", "* * * * *")).await.unwrap();
    advance(Duration::from_secs(60)).await;
    let window = Duration::from_secs(3_600);
    assert!(schedules.look(window).await.is_err_and(|error| error.is_unavailable()));
    queue.cancel(only.id).await.unwrap();
    assert_eq!(schedules.look(window).await.unwrap().made, 1);
}
