//! Accounts are kept in a real PostgreSQL, and attempts are counted in a real Redis, as they are in memory.

use std::time::{Duration, Instant};

use firstbyte::app::accounts::hasher::Cost;
use firstbyte::app::accounts::store::{MIGRATIONS, Store};
use firstbyte::app::accounts::throttle::Throttle;
use firstbyte::app::accounts::{Accounts, AccountsConfig, AuthenticateError, Obstacle};
use firstbyte::db::Postgres;
use tokio::time::sleep;

use crate::database::Database;
use crate::server::SOON;
use crate::services::{BACK_TIME, Kind, Service, Shared, TOLD_TIME};
use crate::sessions::{PASSWORD, open, unthrottled};
use crate::suites::accounts as suite;

#[tokio::test]
async fn postgresql_keeps_accounts_as_memory_does() {
    let Some(database) = Database::new(MIGRATIONS) else { return };
    let postgres = database.open(MIGRATIONS);
    while postgres.check().await.is_err() {
        sleep(Duration::from_millis(5)).await;
    }
    suite::store(Store::postgres(postgres)).await;
}

#[tokio::test]
async fn redis_counts_attempts_as_memory_does() {
    let Some(shared) = Shared::of(Kind::Redis) else { return };
    let redis = open(&shared.url).await;
    suite::throttle(|config| Throttle::redis(config, redis.clone())).await;
}

#[tokio::test]
async fn a_postgresql_that_is_away_is_told_in_time_and_costs_no_hash_and_no_attempt() {
    let Some(mut service) = Service::start(Kind::Postgres) else { return };
    let postgres = Postgres::open(&service.url().parse().unwrap(), MIGRATIONS).unwrap();
    while postgres.check().await.is_err() {
        sleep(Duration::from_millis(5)).await;
    }
    let config = AccountsConfig { cost: Cost::of_tests(4), ..AccountsConfig::default() };
    let accounts = Accounts::new(config, Store::postgres(postgres), Throttle::memory(unthrottled()));
    let home = [127, 0, 0, 1].into();
    let ada = accounts.register("ada", PASSWORD, home).await.unwrap();
    for _ in 0..2 {
        service.kill();
        let (rounds, asked) = (accounts.work().rounds, Instant::now());
        for _ in 0..5 {
            let away = accounts.authenticate("ada", PASSWORD, home).await;
            assert!(matches!(away, Err(AuthenticateError::Obstacle(Obstacle::Unavailable(_)))), "{away:?}");
        }
        println!("postgresql killed: five told within {:?}", asked.elapsed());
        assert!(asked.elapsed() < 5 * TOLD_TIME && accounts.work().rounds == rounds);
        service.start_again();
        let begun = Instant::now();
        let back = loop {
            match accounts.authenticate("ada", PASSWORD, home).await {
                Ok(account) => break account,
                Err(AuthenticateError::Obstacle(Obstacle::Unavailable(_))) => assert!(begun.elapsed() < SOON),
                Err(error) => panic!("{error:?}"),
            }
            sleep(Duration::from_millis(10)).await;
        };
        println!("postgresql started again: used after {:?}", begun.elapsed());
        assert!(back == ada && begun.elapsed() < BACK_TIME);
    }
}
