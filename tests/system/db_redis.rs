//! A real Redis, killed, stopped and woken: who asks is told in time, nobody hangs, and all is well as soon as it is back.

use std::time::{Duration, Instant};

use firstbyte::db::{Redis, Unavailable};
use redis::{Script, cmd, pipe};
use tokio::time::{sleep, timeout};

use crate::server::SOON;
use crate::services::{Kind, Service, Shared};

/// Longer than the promise of 250 ms: other tests run at the same time.
const TOLD_TIME: Duration = Duration::from_secs(1);

/// Longer than the promise of a second, likewise.
const BACK_TIME: Duration = Duration::from_secs(5);

/// Twice the second in which it is found again.
const UNASKED_TIME: Duration = Duration::from_secs(2);

fn open(url: &str) -> Redis {
    Redis::open(&url.parse().unwrap()).unwrap()
}

async fn set(redis: &Redis, key: &str, value: u32) -> Result<(), Unavailable> {
    redis.run(cmd("SET").arg(key).arg(value)).await
}

/// Asks until Redis does as asked, and says how long that took. Nobody waits for long meanwhile.
async fn back(redis: &Redis) -> Duration {
    let begun = Instant::now();
    loop {
        let asked = Instant::now();
        let done = redis.check().await;
        assert!(asked.elapsed() < TOLD_TIME, "{:?}", asked.elapsed());
        if done.is_ok() {
            return begun.elapsed();
        }
        assert!(begun.elapsed() < SOON, "{done:?}");
        sleep(Duration::from_millis(10)).await;
    }
}

/// The longest that one of many waits for a Redis that does nothing.
async fn told(redis: &Redis) -> Duration {
    let asked = (0..100).map(|number| {
        let redis = redis.clone();
        tokio::spawn(async move {
            sleep(Duration::from_millis(number * 5)).await;
            let begun = Instant::now();
            (set(&redis, "key", 1).await, begun.elapsed())
        })
    });
    let mut longest = Duration::ZERO;
    for asked in asked.collect::<Vec<_>>() {
        let (done, took) = timeout(SOON, asked).await.expect("none is stuck").unwrap();
        assert!(done.is_err(), "it is away");
        longest = longest.max(took);
    }
    longest
}

#[tokio::test]
async fn commands_pipelines_and_scripts_are_answered() {
    let Some(shared) = Shared::of(Kind::Redis) else { return };
    let redis = open(&shared.url);
    back(&redis).await;
    let key = format!("test-{:016x}", fastrand::u64(..));
    set(&redis, &key, 7).await.unwrap();
    assert_eq!(redis.run::<u32>(cmd("GET").arg(&key)).await.unwrap(), 7);
    let both: (u32, u32) = redis.run_pipeline(pipe().atomic().incr(&key, 1).incr(&key, 1)).await.unwrap();
    assert_eq!(both, (8, 9));
    let script = Script::new("return redis.call('INCRBY', KEYS[1], ARGV[1])");
    assert_eq!(redis.run_script::<u32>(script.key(&key).arg(5)).await.unwrap(), 14, "its text was sent");
    let spawned = redis.clone();
    let again = async move { spawned.run_script::<u32>(script.key(key).arg(5)).await };
    assert_eq!(tokio::spawn(again).await.unwrap().unwrap(), 19);
    let refused = redis.run::<()>(cmd("INCRBY").arg("key")).await.unwrap_err();
    assert!(refused.to_string().contains("wrong number of arguments"), "{refused}");
    redis.check().await.unwrap();
}

#[tokio::test]
async fn a_redis_that_is_killed_and_stopped_is_told_in_time_and_used_when_it_is_back() {
    let Some(mut service) = Service::start(Kind::Redis) else { return };
    let redis = open(&service.url());
    back(&redis).await;
    for _ in 0..3 {
        service.kill();
        let longest = told(&redis).await;
        service.start_again();
        let back_after = back(&redis).await;
        println!("redis killed: told within {longest:?}, back after {back_after:?}");
        assert!(longest < TOLD_TIME && back_after < BACK_TIME);

        service.pause();
        let longest = told(&redis).await;
        service.resume();
        let back_after = back(&redis).await;
        println!("redis stopped: told within {longest:?}, back after {back_after:?}");
        assert!(longest < TOLD_TIME && back_after < BACK_TIME);
    }
}

#[tokio::test]
async fn the_first_command_after_an_outage_is_answered() {
    let Some(mut service) = Service::start(Kind::Redis) else { return };
    let redis = open(&service.url());
    back(&redis).await;
    service.kill();
    service.start_again();
    // Nobody asks meanwhile.
    sleep(UNASKED_TIME).await;
    set(&redis, "key", 1).await.unwrap();
    service.pause();
    set(&redis, "key", 2).await.unwrap_err();
    service.resume();
    sleep(UNASKED_TIME).await;
    set(&redis, "key", 3).await.unwrap();
}

#[tokio::test]
async fn late_answers_are_nobody_elses() {
    let Some(service) = Service::start(Kind::Redis) else { return };
    let redis = open(&service.url());
    back(&redis).await;
    for number in 0..100 {
        set(&redis, &format!("key-{number}"), number).await.unwrap();
    }
    for round in 0..5 {
        service.pause();
        // Some are dropped, some time out; all are answered later, or never.
        let _ = timeout(Duration::from_millis(5), redis.run::<u32>(cmd("GET").arg("key-1"))).await;
        let late = tokio::spawn({
            let redis = redis.clone();
            async move { redis.run::<u32>(cmd("GET").arg("key-2")).await }
        });
        sleep(Duration::from_millis(50 * round)).await;
        service.resume();
        if let Ok(value) = late.await.unwrap() {
            assert_eq!(value, 2);
        }
        back(&redis).await;
        for number in 0..100 {
            if let Ok(value) = redis.run::<u32>(cmd("GET").arg(format!("key-{number}"))).await {
                assert_eq!(value, number);
            }
        }
    }
}

#[tokio::test]
async fn a_redis_that_is_not_there_yet_is_used_when_it_comes() {
    let Some(mut service) = Service::start(Kind::Redis) else { return };
    service.kill();
    let redis = open(&service.url());
    let begun = Instant::now();
    let error = redis.check().await.unwrap_err();
    assert!(begun.elapsed() < TOLD_TIME);
    assert!(error.to_string().starts_with("Redis at redis://127.0.0.1:"), "{error}");
    service.start_again();
    assert!(back(&redis).await < BACK_TIME);
}
