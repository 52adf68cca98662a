use std::time::Duration;

use super::error::{AuthenticateError, ChangePasswordError, RegisterError};
use super::throttle::{Quota, ThrottleConfig};
use super::*;

const HOME: IpAddr = IpAddr::V4(std::net::Ipv4Addr::LOCALHOST);
const PASSWORD: &str = "analytical-engine";

fn config(cost: u32) -> AccountsConfig {
    AccountsConfig { cost: Cost::of_tests(cost), hashes_max: 2, waiting_hashes_max: 64 }
}

/// Who is let in as often as he likes.
fn open() -> ThrottleConfig {
    let quota = Quota { burst: 1_000_000, interval: Duration::from_secs(1) };
    ThrottleConfig { name: quota, address: quota, registration: quota, ..ThrottleConfig::default() }
}

fn accounts(throttle: ThrottleConfig) -> Accounts {
    Accounts::new(config(4), Store::empty(10), Throttle::memory(throttle))
}

async fn with_ada(throttle: ThrottleConfig) -> (Accounts, Account) {
    let accounts = accounts(throttle);
    let ada = accounts.register("ada", PASSWORD, HOME).await.expect("a name and a password");
    (accounts, ada)
}

#[tokio::test]
async fn who_has_registered_is_known_and_nobody_else() {
    let (accounts, ada) = with_ada(open()).await;
    assert_eq!((ada.name.text(), ada.roles.as_slice(), ada.generation), ("ada", &[Role::Customer][..], 1));
    for name in ["ada", "ADA", " Ada "] {
        assert_eq!(accounts.authenticate(name, PASSWORD, HOME).await.expect("it is right"), ada, "{name}");
    }
    for (name, password) in [
        ("ada", "difference-engine"),
        ("ada", ""),
        ("ada", "analytical-engine "),
        ("ada", "Analytical-Engine"),
        ("ada", &"x".repeat(100_000)),
        ("ada", "analytical-engine\0"),
        ("bob", PASSWORD),
        ("", PASSWORD),
        ("ada\0", PASSWORD),
        ("' or 1=1 --", PASSWORD),
        (&"a".repeat(100_000), PASSWORD),
    ] {
        let refused = accounts.authenticate(name, password, HOME).await;
        assert!(matches!(refused, Err(AuthenticateError::Refused)), "{name:.20} {password:.20}: {refused:?}");
    }
    assert_eq!(accounts.find(ada.id).await.expect("it is there"), Some(ada));
    assert_eq!(accounts.find(AccountId::random()).await.expect("it answers"), None);
}

#[tokio::test]
async fn unknown_names_wrong_passwords_and_impossible_ones_take_the_same_steps() {
    let (accounts, _) = with_ada(open()).await;
    let long = "x".repeat(73);
    for (name, password) in [
        ("ada", PASSWORD),
        ("ada", "difference-engine"),
        ("ada", long.as_str()),
        ("ada", "nul\0nul\0nul"),
        ("ada", ""),
        ("nobody", PASSWORD),
        ("nobody", &long),
        ("no name at all", PASSWORD),
        ("", ""),
    ] {
        let before = accounts.work();
        let _ = accounts.authenticate(name, password, HOME).await;
        let after = accounts.work();
        let done = (after.rounds - before.rounds, after.look_ups - before.look_ups);
        assert_eq!(done, (1 << 4, 1), "{name} {password}");
    }
}

#[tokio::test]
async fn what_is_wrong_with_a_registration_is_said_before_anything_is_done() {
    let accounts = accounts(open());
    let check = async |name: &str, password: &str, expected: fn(&RegisterError) -> bool| {
        let refused = accounts.register(name, password, HOME).await.expect_err("it is refused");
        assert!(expected(&refused), "{name} {password}: {refused:?}");
    };
    check("a", PASSWORD, |error| matches!(error, RegisterError::Name(_))).await;
    check("ada", "1234567", |error| matches!(error, RegisterError::Password(_))).await;
    check("ada", &"é".repeat(37), |error| matches!(error, RegisterError::Password(_))).await;
    assert_eq!(accounts.work(), Work { rounds: 0, look_ups: 0 });
    accounts.register("ada", &"é".repeat(36), HOME).await.expect("72 bytes");
    check("ADA", PASSWORD, |error| matches!(error, RegisterError::Taken)).await;
    for number in 1..10 {
        accounts.register(&format!("user{number}"), PASSWORD, HOME).await.expect("room");
    }
    check("one-more", PASSWORD, |error| matches!(error, RegisterError::Full)).await;
}

#[tokio::test]
async fn a_password_is_changed_by_who_knows_it() {
    let (accounts, ada) = with_ada(open()).await;
    let refused = accounts.change_password(ada.id, "difference-engine", "engine-of-the-night", HOME).await;
    assert!(matches!(refused, Err(ChangePasswordError::Refused)));
    let refused = accounts.change_password(ada.id, PASSWORD, "short", HOME).await;
    assert!(matches!(refused, Err(ChangePasswordError::Password(_))));
    let changed = accounts.change_password(ada.id, PASSWORD, "engine-of-the-night", HOME).await.expect("it is right");
    assert_eq!(changed, Account { generation: 2, ..ada.clone() });
    assert!(accounts.authenticate("ada", PASSWORD, HOME).await.is_err());
    assert_eq!(accounts.authenticate("ada", "engine-of-the-night", HOME).await.expect("it is right"), changed);
    let refused = accounts.change_password(AccountId::random(), PASSWORD, PASSWORD, HOME).await;
    assert!(matches!(refused, Err(ChangePasswordError::Refused)));
}

#[tokio::test]
async fn of_two_changes_at_once_one_happens() {
    let (accounts, ada) = with_ada(open()).await;
    for round in 0..20 {
        let (before, one, other) = (format!("password-{round}"), format!("one-{round:06}"), format!("two-{round:06}"));
        let present = if round == 0 { PASSWORD.to_owned() } else { before };
        let (first, second) = tokio::join!(
            accounts.change_password(ada.id, &present, &one, HOME),
            accounts.change_password(ada.id, &present, &other, HOME)
        );
        let won = match (&first, &second) {
            (Ok(_), Err(ChangePasswordError::Refused)) => one,
            (Err(ChangePasswordError::Refused), Ok(_)) => other,
            both => panic!("one of both: {both:?}"),
        };
        let next = format!("password-{}", round + 1);
        accounts.change_password(ada.id, &won, &next, HOME).await.expect("that of the winner");
    }
    let ada = accounts.find(ada.id).await.expect("it answers").expect("it is there");
    assert_eq!(ada.generation, 1 + 2 * 20, "one at a time");
}

#[tokio::test]
async fn a_hash_of_another_cost_follows_when_its_holder_logs_in() {
    let store = Store::empty(10);
    let accounts = |cost| Accounts::new(config(cost), store.clone(), Throttle::memory(open()));
    let (old, new) = (accounts(4), accounts(5));
    old.register("ada", PASSWORD, HOME).await.expect("room");
    let cost = async || store.named("ada").await.expect("it answers").expect("it is there").hash.cost();
    assert!(new.authenticate("ada", "difference-engine", HOME).await.is_err());
    assert_eq!(cost().await, Cost::of_tests(4));
    let ada = new.authenticate("ada", PASSWORD, HOME).await.expect("it is right");
    while cost().await != Cost::of_tests(5) {
        tokio::task::yield_now().await;
    }
    assert_eq!(ada.generation, 1);
    let before = new.work().rounds;
    new.authenticate("ada", PASSWORD, HOME).await.expect("it is right");
    assert_eq!(new.work().rounds - before, 1 << 5, "once");
}

fn strict() -> ThrottleConfig {
    let minute = Duration::from_secs(60);
    ThrottleConfig {
        name: Quota { burst: 3, interval: minute },
        address: Quota { burst: 5, interval: minute },
        registration: Quota { burst: 2, interval: minute },
        ..ThrottleConfig::default()
    }
}

async fn attempt(accounts: &Accounts, name: &str, password: &str, from: &str) -> &'static str {
    match accounts.authenticate(name, password, from.parse().expect("an address")).await {
        Ok(_) => "in",
        Err(AuthenticateError::Refused) => "refused",
        Err(AuthenticateError::Obstacle(Obstacle::Throttled { .. })) => "throttled",
        Err(error) => panic!("{error:?}"),
    }
}

#[tokio::test]
async fn failures_are_counted_for_each_name_whether_there_is_such_an_account_or_not() {
    for name in ["ada", "nobody", "no name at all", &"x".repeat(10_000)] {
        let (accounts, _) = with_ada(strict()).await;
        let mut seen = Vec::new();
        for address in 1..6 {
            seen.push(attempt(&accounts, name, "difference-engine", &format!("192.0.2.{address}")).await);
        }
        assert_eq!(seen, ["refused", "refused", "refused", "throttled", "throttled"], "{name:.20}");
        let before = accounts.work();
        assert_eq!(attempt(&accounts, &name.to_uppercase(), PASSWORD, "192.0.2.99").await, "throttled");
        assert_eq!(accounts.work(), before, "and nothing was hashed or looked up");
        if name != "ada" {
            assert_eq!(attempt(&accounts, "ada", PASSWORD, "192.0.2.99").await, "in", "nobody else is kept out");
        }
    }
}

#[tokio::test]
async fn failures_are_counted_for_each_address_and_a_success_forgives_none() {
    let (accounts, _) = with_ada(strict()).await;
    let mut seen = Vec::new();
    for number in 0..7 {
        // Who has an account guesses at others, and logs in between.
        assert_eq!(attempt(&accounts, "ada", PASSWORD, "192.0.2.1").await, if number > 4 { "throttled" } else { "in" });
        seen.push(attempt(&accounts, &format!("user{number}"), PASSWORD, "192.0.2.1").await);
    }
    assert_eq!(seen, [vec!["refused"; 5], vec!["throttled"; 2]].concat());
    assert_eq!(attempt(&accounts, "ada", PASSWORD, "192.0.2.2").await, "in");
    for number in 0..5 {
        let from = format!("2001:db8:1:2::{number}");
        assert_eq!(attempt(&accounts, &format!("other{number}"), PASSWORD, &from).await, "refused");
    }
    assert_eq!(attempt(&accounts, "ada", PASSWORD, "2001:db8:1:2:ffff::").await, "throttled", "of one /64");
    assert_eq!(attempt(&accounts, "ada", PASSWORD, "2001:db8:1:3::").await, "in");
}

#[tokio::test]
async fn a_thousand_guesses_at_once_are_no_more_than_three() {
    let (accounts, _) = with_ada(strict()).await;
    let before = accounts.work();
    let guesses = (0..1000).map(|number| {
        let accounts = accounts.clone();
        let from = std::net::Ipv4Addr::from_bits(number).into();
        tokio::spawn(async move { accounts.authenticate("ada", "difference-engine", from).await.is_ok() })
    });
    for guess in guesses.collect::<Vec<_>>() {
        assert!(!guess.await.expect("no panic"));
    }
    assert_eq!(accounts.work().look_ups - before.look_ups, 3);
}

/// A page that is loaded again and again by somebody who is in a hurry.
#[tokio::test]
async fn who_leaves_before_the_verdict_pays_for_a_wrong_password_and_not_for_a_right_one() {
    let (accounts, _) = with_ada(strict()).await;
    // Leaves once the hash has begun. Who is refused before there is one, since a charge is still to be given back, comes again.
    let abandoned = async |password: &'static str| {
        let before = accounts.work().rounds;
        while accounts.work().rounds == before {
            let attempt = tokio::spawn({
                let accounts = accounts.clone();
                async move { accounts.authenticate("ada", password, HOME).await }
            });
            while accounts.work().rounds == before && !attempt.is_finished() {
                tokio::task::yield_now().await;
            }
            attempt.abort();
            let _ = attempt.await;
        }
    };
    for _ in 0..10 {
        abandoned(PASSWORD).await;
        // The charge is given back by now, or soon.
        while attempt(&accounts, "ada", PASSWORD, "127.0.0.1").await == "throttled" {
            tokio::task::yield_now().await;
        }
    }
    for _ in 0..3 {
        abandoned("difference-engine").await;
    }
    assert_eq!(attempt(&accounts, "ada", PASSWORD, "192.0.2.9").await, "throttled");
}

/// Right passwords are not charged, so who has a few accounts could have the queue for himself.
#[tokio::test]
async fn one_address_cannot_take_all_places_of_the_others() {
    let config = AccountsConfig { hashes_max: 1, waiting_hashes_max: 7, ..config(10) };
    assert_eq!(config.network_hashes_max(), 2);
    let accounts = Accounts::new(config, Store::empty(10), Throttle::memory(open()));
    accounts.register("ada", PASSWORD, HOME).await.expect("room");
    let flood = (0..50).map(|number| {
        let accounts = accounts.clone();
        let from = std::net::Ipv6Addr::from_bits(0x2001_0db8_u128 << 96 | number).into();
        tokio::spawn(async move { accounts.authenticate("ada", PASSWORD, from).await })
    });
    let flood: Vec<_> = flood.collect();
    tokio::task::yield_now().await;
    accounts.authenticate("ada", PASSWORD, HOME).await.expect("there is room for somebody else");
    let mut busy = 0;
    for one in flood {
        busy += u32::from(one.await.expect("no panic").is_err());
    }
    assert!(busy > 0, "of one /64 two at a time");
}

#[test]
fn a_higher_cost_lets_fewer_wait() {
    let waiting = |cost| {
        let config = AccountsConfig::of_cost(Cost::new(cost).expect("a cost"));
        config.waiting_hashes_max / config.hashes_max
    };
    assert_eq!([waiting(12), waiting(13), waiting(16)], [16, 8, 1]);
}

#[tokio::test]
async fn registrations_are_counted_whatever_comes_of_them() {
    let (accounts, _) = with_ada(strict()).await;
    assert!(matches!(accounts.register("ada", PASSWORD, HOME).await, Err(RegisterError::Taken)));
    let throttled = accounts.register("bob", PASSWORD, HOME).await;
    assert!(matches!(throttled, Err(RegisterError::Obstacle(Obstacle::Throttled { .. }))), "{throttled:?}");
    accounts.register("bob", PASSWORD, [192, 0, 2, 1].into()).await.expect("another address");
}

#[tokio::test]
async fn a_flood_is_told_to_come_again_and_is_not_counted_as_failures() {
    let config = AccountsConfig { hashes_max: 1, waiting_hashes_max: 1, ..config(8) };
    let quota = Quota { burst: 3, interval: Duration::from_secs(3600) };
    let throttle = ThrottleConfig { name: quota, ..open() };
    let accounts = Accounts::new(config, Store::empty(10), Throttle::memory(throttle));
    accounts.register("ada", PASSWORD, HOME).await.expect("room");
    let flood = (0..200).map(|_| {
        let accounts = accounts.clone();
        tokio::spawn(async move { accounts.authenticate("ada", PASSWORD, HOME).await })
    });
    let mut busy = 0;
    for guess in flood.collect::<Vec<_>>() {
        match guess.await.expect("no panic") {
            Ok(_) => {}
            Err(AuthenticateError::Obstacle(Obstacle::Busy { retry_after })) => {
                busy += 1;
                assert!(retry_after >= Duration::from_secs(1));
            }
            Err(AuthenticateError::Obstacle(Obstacle::Throttled { .. })) => {}
            other => panic!("{other:?}"),
        }
    }
    assert!(busy > 0);
    accounts.authenticate("ada", PASSWORD, HOME).await.expect("nothing was charged");
}

#[tokio::test]
async fn the_accounts_of_the_lesson_are_in_memory_and_only_there() {
    let accounts = Accounts::new(AccountsConfig::default(), Store::memory(), Throttle::memory(open()));
    let ada = accounts.authenticate("ada", "analytical-engine", HOME).await.expect("it is right");
    assert_eq!(ada.roles, Role::ALL);
    let on_another_node = Store::memory().named("ada").await.expect("it answers").expect("it is there");
    assert_eq!(ada.id, on_another_node.account.id, "wherever her session is kept");
    let bob = accounts.authenticate("bob", "difference-engine", HOME).await.expect("it is right");
    assert_eq!(bob.roles, [Role::Customer]);
}

#[path = "../../../tests/suites/accounts.rs"]
mod suite;

#[tokio::test]
async fn memory_keeps_accounts_and_counts_attempts_as_every_store_does() {
    suite::store(Store::empty(100)).await;
    suite::throttle(Throttle::memory).await;
}
