use tokio::time::advance;

use super::*;

fn config() -> BreakerConfig {
    BreakerConfig { consecutive_failures: 2, successes_to_close: 1, ..BreakerConfig::default() }
}

fn opened() -> Breaker {
    let breaker = Breaker::new(config());
    for _ in 0..2 {
        breaker.permit().expect("closed").failure();
    }
    breaker
}

fn wait(breaker: &Breaker) -> u64 {
    breaker.permit().expect_err("it is open").retry_after.as_secs()
}

#[tokio::test(start_paused = true)]
async fn it_opens_is_half_open_after_its_time_and_closes_by_a_probe() {
    let breaker = opened();
    assert_eq!((breaker.state(), wait(&breaker)), (State::Open, 10));
    advance(Duration::from_secs(9)).await;
    assert_eq!((breaker.state(), wait(&breaker)), (State::Open, 1));
    advance(Duration::from_secs(1)).await;
    assert_eq!(breaker.state(), State::HalfOpen);
    let probe = breaker.permit().expect("half open");
    assert_eq!(wait(&breaker), 1);
    probe.success();
    assert_eq!(breaker.state(), State::Closed);
}

#[tokio::test(start_paused = true)]
async fn while_it_fails_the_time_doubles_to_its_bound() {
    let breaker = opened();
    for expected in [10, 20, 40, 80, 160, 300, 300] {
        assert_eq!(wait(&breaker), expected);
        advance(Duration::from_secs(expected)).await;
        breaker.permit().expect("half open").failure();
    }
}

#[tokio::test(start_paused = true)]
async fn a_half_of_twenty_calls_opens_it() {
    let breaker = Breaker::new(BreakerConfig::default());
    for n in 0..20 {
        assert_eq!(breaker.state(), State::Closed, "after {n}");
        let permit = breaker.permit().expect("closed");
        if n % 2 == 0 {
            permit.success()
        } else {
            permit.failure()
        }
        advance(Duration::from_secs(1)).await;
    }
    assert_eq!(breaker.state(), State::Open);
}

#[tokio::test(start_paused = true)]
async fn a_peer_is_left_alone_for_as_long_as_it_asks_and_no_longer_than_may_be() {
    for (wanted, expected) in [(0, None), (7, Some(7)), (300, Some(300)), (301, Some(300)), (u64::MAX, Some(300))] {
        let breaker = Breaker::new(config());
        breaker.permit().expect("closed").failure_until(Duration::from_secs(wanted));
        assert_eq!(breaker.permit().err().map(|open| open.retry_after.as_secs()), expected, "of {wanted}");
    }
}

#[tokio::test(start_paused = true)]
async fn a_permit_that_is_dropped_says_nothing_and_gives_its_place_back() {
    let breaker = opened();
    advance(Duration::from_secs(10)).await;
    for _ in 0..100 {
        drop(breaker.permit().expect("its place is free"));
    }
    assert_eq!(breaker.state(), State::HalfOpen);
    let snapshot = breaker.snapshot();
    assert_eq!((snapshot.succeeded, snapshot.failed), (0, 2));
    // Also where the caller panics, or its task is ended in the middle of the call.
    let permit = breaker.permit().expect("half open");
    let task = tokio::spawn(async move {
        let _held = permit;
        std::future::pending::<()>().await;
    });
    assert!(breaker.permit().is_err());
    task.abort();
    assert!(task.await.is_err());
    breaker.permit().expect("its place is free").success();
    assert_eq!(breaker.state(), State::Closed);
}

#[tokio::test(start_paused = true)]
async fn a_slow_failure_from_before_does_not_shut_what_a_probe_has_opened() {
    let breaker = Breaker::new(config());
    let slow: Vec<Permit> = (0..10).map(|_| breaker.permit().expect("closed")).collect();
    breaker.permit().expect("closed").failure();
    breaker.permit().expect("closed").failure();
    advance(Duration::from_secs(10)).await;
    breaker.permit().expect("half open").success();
    slow.into_iter().for_each(Permit::failure);
    assert_eq!(breaker.state(), State::Closed);
    assert_eq!(breaker.snapshot().failed, 12);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn of_many_that_come_at_once_as_many_probes_are_let_through_as_may_be() {
    let config = BreakerConfig { open: Duration::from_nanos(1), half_open_permits: 3, ..config() };
    let breaker = Breaker::new(config);
    breaker.permit().expect("closed").failure();
    breaker.permit().expect("closed").failure();
    let tasks: Vec<_> = (0..64)
        .map(|_| {
            tokio::spawn({
                let breaker = breaker.clone();
                async move { breaker.permit().ok() }
            })
        })
        .collect();
    let mut permits = Vec::new();
    for task in tasks {
        permits.extend(task.await.expect("no panic"));
    }
    assert_eq!(permits.len(), 3);
}

#[test]
fn what_makes_no_sense_is_refused_when_it_is_made() {
    let config = BreakerConfig::default();
    let second = Duration::from_secs(1);
    for (config, why) in [
        (BreakerConfig { consecutive_failures: 0, ..config }, "no failures in a row"),
        (BreakerConfig { window_calls_min: 0, ..config }, "no calls"),
        (BreakerConfig { window: Duration::ZERO, ..config }, "no window"),
        (BreakerConfig { failure_ratio: 0.0, ..config }, "every success is enough"),
        (BreakerConfig { failure_ratio: 1.1, ..config }, "more than all"),
        (BreakerConfig { failure_ratio: f64::NAN, ..config }, "no number"),
        (BreakerConfig { open: Duration::ZERO, ..config }, "never open"),
        (BreakerConfig { open: 2 * second, open_max: second, ..config }, "longer than the longest"),
        (BreakerConfig { open_max: Duration::MAX, ..config }, "for ever"),
        (BreakerConfig { half_open_permits: 0, ..config }, "no probe"),
        (BreakerConfig { successes_to_close: 0, ..config }, "no success"),
    ] {
        assert!(std::panic::catch_unwind(|| Breaker::new(config)).is_err(), "{why}");
    }
    let off = BreakerConfig { consecutive_failures: u32::MAX, window_calls_min: u32::MAX, ..config };
    assert_eq!(Breaker::new(off).state(), State::Closed);
}

#[test]
fn what_is_shown_reads_well() {
    let open = Open { retry_after: Duration::from_millis(1250) };
    assert_eq!(open.to_string(), "the circuit is open: not before 1.2 s");
    assert_eq!(State::ALL.map(State::name), ["closed", "open", "half_open"]);
    assert!(format!("{:?}", Breaker::new(config())).contains("Closed"));
}
