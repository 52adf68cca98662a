//! A real PostgreSQL, killed, stopped and woken: who asks is told in time, nobody hangs, and all is well as soon as it is back.

use std::time::{Duration, Instant};

use firstbyte::db::postgres::{Client, Isolation, PostgresConfig};
use firstbyte::db::{Failure, Migration, Postgres};
use tokio::sync::Barrier;
use tokio::task::JoinSet;
use tokio::time::{sleep, timeout};

use crate::database::{Database, connect};
use crate::server::SOON;
use crate::services::{Kind, Service};

const MIGRATIONS: &[Migration] = &[Migration {
    name: "test/0001_words",
    sql: "CREATE TABLE words (
        id   bigint PRIMARY KEY,
        word text   CONSTRAINT words_word_key UNIQUE CONSTRAINT words_word_check CHECK (word <> ''),
        like_of bigint CONSTRAINT words_like_of_fkey REFERENCES words
    )",
    down: None,
}];

/// Longer than the promise of 250 ms: other tests run at the same time.
const TOLD_TIME: Duration = Duration::from_secs(1);

/// Longer than the promise of a second, likewise.
const BACK_TIME: Duration = Duration::from_secs(5);

/// Twice the second in which it is found again.
const UNASKED_TIME: Duration = Duration::from_secs(2);

/// A client, as soon as the database is there.
async fn client(postgres: &Postgres) -> Client {
    let begun = Instant::now();
    loop {
        match postgres.client().await {
            Ok(client) => return client,
            Err(Failure::Unavailable(why)) => assert!(begun.elapsed() < SOON, "{why}"),
            Err(failure) => panic!("{failure}"),
        }
        sleep(Duration::from_millis(5)).await;
    }
}

/// Asks until the database does as asked, and says how long that took. Nobody waits for long meanwhile.
async fn back(postgres: &Postgres) -> Duration {
    let begun = Instant::now();
    loop {
        let asked = Instant::now();
        let done = postgres.check().await;
        assert!(asked.elapsed() < TOLD_TIME, "{:?}", asked.elapsed());
        if done.is_ok() {
            return begun.elapsed();
        }
        assert!(begun.elapsed() < SOON, "{done:?}");
        sleep(Duration::from_millis(10)).await;
    }
}

async fn insert(postgres: &Postgres, id: i64) -> Result<u64, Failure> {
    postgres.client().await?.execute("INSERT INTO words (id) VALUES ($1)", &[&id]).await
}

/// The longest that one of many waits for a PostgreSQL that does nothing.
async fn told(postgres: &Postgres) -> Duration {
    let asked = (0..100).map(|number| {
        let postgres = postgres.clone();
        tokio::spawn(async move {
            sleep(Duration::from_millis(number * 5)).await;
            let begun = Instant::now();
            (insert(&postgres, fastrand::i64(..)).await, begun.elapsed())
        })
    });
    let mut longest = Duration::ZERO;
    for asked in asked.collect::<Vec<_>>() {
        let (done, took) = timeout(SOON, asked).await.expect("none is stuck").unwrap();
        assert!(matches!(done, Err(Failure::Unavailable(_))), "{done:?}");
        longest = longest.max(took);
    }
    longest
}

#[tokio::test]
async fn statements_do_what_they_say() {
    let Some(database) = Database::new(MIGRATIONS) else { return };
    let postgres = database.open(MIGRATIONS);
    let mut client = client(&postgres).await;
    assert_eq!(client.execute("INSERT INTO words VALUES ($1, $2)", &[&1i64, &"one"]).await.unwrap(), 1);
    let row = client.query_opt("SELECT word FROM words WHERE id = $1", &[&1i64]).await.unwrap().unwrap();
    assert_eq!(row.try_get::<_, &str>("word").unwrap(), "one");
    assert!(client.query_opt("SELECT word FROM words WHERE id = $1", &[&2i64]).await.unwrap().is_none());
    let wrong = client.query("SELECT nothing FROM words", &[]).await;
    assert!(matches!(wrong, Err(Failure::Other(_))), "{wrong:?}");
    assert_eq!(client.query("SELECT word FROM words", &[]).await.unwrap().len(), 1, "it goes on");
    postgres.check().await.unwrap();
}

#[tokio::test]
async fn a_constraint_that_is_not_kept_is_named() {
    let Some(database) = Database::new(MIGRATIONS) else { return };
    let postgres = database.open(MIGRATIONS);
    let mut client = client(&postgres).await;
    client.execute("INSERT INTO words VALUES (1, 'one')", &[]).await.unwrap();
    let mut check = async |values: &str, expected: &str| {
        let failure = client.execute(&format!("INSERT INTO words VALUES {values}"), &[]).await.unwrap_err();
        let seen = match &failure {
            Failure::Unique { constraint } => format!("unique {constraint}"),
            Failure::ForeignKey { constraint } => format!("foreign key {constraint}"),
            Failure::Check { constraint } => format!("check {constraint}"),
            Failure::NotNull { column } => format!("not null {column}"),
            failure => panic!("{values}: {failure}"),
        };
        assert_eq!(seen, expected, "{values}");
        assert!(!failure.is_passing());
    };
    check("(1, 'two')", "unique words_pkey").await;
    check("(2, 'one')", "unique words_word_key").await;
    check("(2, '')", "check words_word_check").await;
    check("(2, 'two', 3)", "foreign key words_like_of_fkey").await;
    check("(NULL, 'two')", "not null id").await;
}

#[tokio::test]
async fn a_deadline_ends_statements_at_the_server_and_begins_none() {
    const SLEEP: &str = "SELECT pg_sleep(60)";
    let Some(database) = Database::new(MIGRATIONS) else { return };
    let postgres = database.open(MIGRATIONS);
    client(&postgres).await;
    let session = database.session().await;
    for in_transaction in [false, true] {
        let mut client = client(&postgres).await;
        let begun = Instant::now();
        client.until(tokio::time::Instant::now() + Duration::from_millis(300));
        let late = if in_transaction {
            let mut transaction = client.transaction().await.unwrap();
            let row = transaction.query_opt("SHOW statement_timeout", &[]).await.unwrap().unwrap();
            assert!(row.get::<_, &str>(0).ends_with("ms"), "the server ends it by itself, too");
            transaction.query(SLEEP, &[]).await
        } else {
            client.query(SLEEP, &[]).await
        };
        assert!(matches!(late, Err(Failure::TimedOut)), "{late:?}");
        assert!(begun.elapsed() < TOLD_TIME, "{:?}", begun.elapsed());
        assert!(matches!(client.execute("INSERT INTO words VALUES (1)", &[]).await, Err(Failure::TimedOut)));
        let busy = "SELECT count(*) FROM pg_stat_activity
            WHERE datname = current_database() AND pid <> pg_backend_pid() AND state <> 'idle'";
        while session.query_one(busy, &[]).await.unwrap().get::<_, i64>(0) > 0 {
            assert!(begun.elapsed() < SOON, "it is at work");
        }
    }
    let mut client = client(&postgres).await;
    assert!(client.query("SELECT FROM words", &[]).await.unwrap().is_empty());
    let row = client.query_opt("SHOW statement_timeout", &[]).await.unwrap().unwrap();
    assert!(!row.get::<_, &str>(0).ends_with("ms"), "the next one has its own time");
}

#[tokio::test]
async fn transactions_see_of_each_other_what_they_ask_for() {
    let Some(database) = Database::new(MIGRATIONS) else { return };
    let postgres = database.open(MIGRATIONS);
    for (isolation, words, sees) in [
        (Isolation::ReadCommitted, "read committed", 1),
        (Isolation::RepeatableRead, "repeatable read", 0),
        (Isolation::Serializable, "serializable", 0),
    ] {
        let (mut client, mut other) = (client(&postgres).await, client(&postgres).await);
        let mut transaction = client.transaction_with(isolation).await.unwrap();
        let row = transaction.query_opt("SHOW transaction_isolation", &[]).await.unwrap().unwrap();
        assert_eq!(row.get::<_, &str>(0), words);
        other.execute("DELETE FROM words", &[]).await.unwrap();
        assert!(transaction.query("SELECT id FROM words", &[]).await.unwrap().is_empty());
        other.execute("INSERT INTO words VALUES (1)", &[]).await.unwrap();
        assert_eq!(transaction.query("SELECT id FROM words", &[]).await.unwrap().len(), sees, "{words}");
        transaction.commit().await.unwrap();
    }
}

#[tokio::test]
async fn of_two_that_cannot_be_done_one_after_the_other_one_is_told_to_begin_again() {
    let Some(database) = Database::new(MIGRATIONS) else { return };
    let postgres = database.open(MIGRATIONS);
    let both_have_looked = Barrier::new(2);
    let add_if_alone = async |id: i64| {
        let mut client = client(&postgres).await;
        let mut transaction = client.transaction_with(Isolation::Serializable).await?;
        let there = transaction.query("SELECT id FROM words", &[]).await?;
        both_have_looked.wait().await;
        assert!(there.is_empty());
        transaction.execute("INSERT INTO words VALUES ($1)", &[&id]).await?;
        transaction.commit().await
    };
    let (one, other) = tokio::join!(add_if_alone(1), add_if_alone(2));
    let [lost, won] = if one.is_err() { [one, other] } else { [other, one] };
    assert!(matches!(lost, Err(Failure::Serialization)), "{lost:?}");
    won.unwrap();
}

#[tokio::test]
async fn the_server_ends_what_a_node_that_is_gone_has_begun() {
    let Some(database) = Database::new(MIGRATIONS) else { return };
    let postgres = Postgres::open(&database.url(), MIGRATIONS).unwrap();
    let mut client = client(&postgres).await;
    for (setting, expected) in [
        ("statement_timeout", "6s"),
        ("idle_in_transaction_session_timeout", "10s"),
        ("client_connection_check_interval", "100ms"),
    ] {
        let row = client.query_opt(&format!("SHOW {setting}"), &[]).await.unwrap().unwrap();
        assert_eq!(row.try_get::<_, &str>(0).unwrap(), expected, "{setting}");
    }
    // One that has stopped in a transaction, with less time: its lock goes to another.
    let mut transaction = client.transaction().await.unwrap();
    transaction.execute("SELECT pg_advisory_xact_lock(7)", &[]).await.unwrap();
    transaction.execute("SET LOCAL idle_in_transaction_session_timeout = '50ms'", &[]).await.unwrap();
    let session = database.session().await;
    timeout(SOON, session.execute("SELECT pg_advisory_lock(7)", &[])).await.expect("it is let go of").unwrap();
    assert!(transaction.commit().await.is_err());
}

#[tokio::test]
async fn a_transaction_is_done_as_a_whole_or_not_at_all() {
    const INSERT: &str = "INSERT INTO words (id) VALUES ($1)";
    let Some(database) = Database::new(MIGRATIONS) else { return };
    let postgres = database.open(MIGRATIONS);
    let mut client = client(&postgres).await;
    let mut transaction = client.transaction().await.unwrap();
    transaction.execute(INSERT, &[&1i64]).await.unwrap();
    drop(transaction);
    assert_eq!(client.query("SELECT id FROM words", &[]).await.unwrap().len(), 0, "the client goes on without it");
    let mut transaction = client.transaction().await.unwrap();
    transaction.execute(INSERT, &[&2i64]).await.unwrap();
    transaction.commit().await.unwrap();
    let mut transaction = client.transaction().await.unwrap();
    transaction.execute(INSERT, &[&3i64]).await.unwrap();
    let failure = transaction.execute(INSERT, &[&2i64]).await.unwrap_err();
    assert!(matches!(failure, Failure::Unique { .. }));
    drop(transaction);
    let ids: Vec<i64> = client.query("SELECT id FROM words", &[]).await.unwrap().iter().map(|row| row.get(0)).collect();
    assert_eq!(ids, [2]);
}

#[tokio::test]
async fn transactions_in_each_others_way_are_told_apart_from_faults() {
    let Some(database) = Database::new(MIGRATIONS) else { return };
    let postgres = database.open(MIGRATIONS);
    client(&postgres).await.execute("INSERT INTO words VALUES (1), (2)", &[]).await.unwrap();
    let both_hold_one = Barrier::new(2);
    let update = async |first: i64, second: i64| {
        const UPDATE: &str = "UPDATE words SET word = NULL WHERE id = $1";
        let mut client = client(&postgres).await;
        let mut transaction = client.transaction().await?;
        transaction.execute(UPDATE, &[&first]).await?;
        both_hold_one.wait().await;
        transaction.execute(UPDATE, &[&second]).await?;
        transaction.commit().await
    };
    let (one, other) = tokio::join!(update(1, 2), update(2, 1));
    let [lost, won] = if one.is_err() { [one, other] } else { [other, one] };
    assert!(matches!(lost, Err(Failure::Serialization)), "{lost:?}");
    won.unwrap();
}

#[tokio::test]
async fn a_postgresql_that_is_killed_and_stopped_is_told_in_time_and_used_when_it_is_back() {
    let Some(mut service) = Service::start(Kind::Postgres) else { return };
    let postgres = Postgres::open(&service.url().parse().unwrap(), MIGRATIONS).unwrap();
    client(&postgres).await;
    for _ in 0..2 {
        service.kill();
        let longest = told(&postgres).await;
        service.start_again();
        let back_after = back(&postgres).await;
        println!("postgresql killed: told within {longest:?}, back after {back_after:?}");
        assert!(longest < TOLD_TIME && back_after < BACK_TIME);

        // Connections in the pool, and statements under way on them.
        let mut slow = JoinSet::new();
        for _ in 0..5 {
            let mut client = client(&postgres).await;
            slow.spawn(async move { client.query("SELECT pg_sleep(60)", &[]).await.map(drop) });
        }
        service.pause();
        let longest = told(&postgres).await;
        for done in timeout(SOON, slow.join_all()).await.unwrap() {
            assert!(matches!(done, Err(Failure::Unavailable(_))), "{done:?}");
        }
        service.resume();
        let back_after = back(&postgres).await;
        println!("postgresql stopped: told within {longest:?}, back after {back_after:?}");
        assert!(longest < TOLD_TIME && back_after < BACK_TIME);
    }
    service.kill();
    service.start_again();
    // Nobody asks meanwhile: what waits in the pool is broken, and not given out.
    sleep(UNASKED_TIME).await;
    for id in 0..20 {
        insert(&postgres, id).await.unwrap();
    }
}

#[tokio::test]
async fn a_slow_statement_is_not_an_absence() {
    let Some(database) = Database::new(MIGRATIONS) else { return };
    let config = PostgresConfig { statement_time: Duration::from_secs(2), ..PostgresConfig::default() };
    let postgres = Postgres::open_with(&database.url(), MIGRATIONS, config).unwrap();
    let mut slow = client(&postgres).await;
    let rows = slow.query("SELECT pg_sleep(0.5)", &[]).await.unwrap();
    assert_eq!(rows.len(), 1);
    let begun = Instant::now();
    let late = slow.query("SELECT pg_sleep(30)", &[]).await;
    assert!(matches!(late, Err(Failure::TimedOut)), "{late:?}");
    assert!(begun.elapsed() < SOON);
    assert_eq!(slow.query("SELECT 1", &[]).await.unwrap().len(), 1, "it goes on with another connection");
}

#[tokio::test]
async fn a_thousand_dropped_statements_leave_nothing_at_work() {
    let Some(database) = Database::new(MIGRATIONS) else { return };
    let postgres = database.open(MIGRATIONS);
    let begun = Instant::now();
    let dropped = (0..1_000).map(|number| {
        let postgres = postgres.clone();
        tokio::spawn(async move {
            // Their turn comes when the places of those before are free, which takes as long as it takes.
            let mut client = loop {
                if let Ok(client) = postgres.client().await {
                    break client;
                }
            };
            let asked = client.query("SELECT pg_sleep(60)", &[]);
            assert!(timeout(Duration::from_millis(number % 4), asked).await.is_err());
        })
    });
    for dropped in dropped.collect::<Vec<_>>() {
        dropped.await.unwrap();
    }
    let session = database.session().await;
    let busy = "SELECT count(*) FROM pg_stat_activity WHERE datname = current_database() AND query LIKE '%pg_sleep%' AND state = 'active' AND pid <> pg_backend_pid()";
    loop {
        let count: i64 = session.query_one(busy, &[]).await.unwrap().get(0);
        if count == 0 {
            break;
        }
        assert!(begun.elapsed() < SOON * 6, "{count} are at work");
        sleep(Duration::from_millis(20)).await;
    }
    println!("1,000 statements dropped, none at work after {:?}", begun.elapsed());
    // Nobody is given a session on which something goes on, or that is about to be told to stop.
    for _ in 0..200 {
        client(&postgres).await.query("SELECT pg_sleep(0.001)", &[]).await.unwrap();
    }
}

#[tokio::test]
async fn transactions_that_are_dropped_anywhere_leave_nothing() {
    let Some(database) = Database::new(MIGRATIONS) else { return };
    let postgres = database.open(MIGRATIONS);
    let dropped = (0..100_i64).map(|number| {
        let postgres = postgres.clone();
        tokio::spawn(async move {
            let mut client = client(&postgres).await;
            let work = async {
                let mut transaction = client.transaction().await?;
                transaction.execute("INSERT INTO words (id) VALUES ($1)", &[&number]).await?;
                transaction.query("SELECT pg_sleep(60)", &[]).await?;
                transaction.commit().await
            };
            assert!(timeout(Duration::from_micros(fastrand::u64(..5_000)), work).await.is_err());
            // The client itself goes on.
            client.query("SELECT 1", &[]).await.unwrap();
        })
    });
    for dropped in dropped.collect::<Vec<_>>() {
        dropped.await.unwrap();
    }
    let session = database.session().await;
    let open = "SELECT count(*) FROM pg_stat_activity WHERE datname = current_database() AND state <> 'idle' AND pid <> pg_backend_pid()";
    let begun = Instant::now();
    while session.query_one(open, &[]).await.unwrap().get::<_, i64>(0) > 0 {
        assert!(begun.elapsed() < SOON, "some are open");
        sleep(Duration::from_millis(20)).await;
    }
    assert!(session.query("SELECT id FROM words", &[]).await.unwrap().is_empty());
}

#[tokio::test]
async fn a_pool_that_is_used_up_is_told_in_time() {
    let Some(database) = Database::new(MIGRATIONS) else { return };
    let config = PostgresConfig { connections_max: 2, ..PostgresConfig::default() };
    let postgres = Postgres::open_with(&database.url(), MIGRATIONS, config).unwrap();
    let _held = [client(&postgres).await, client(&postgres).await];
    let begun = Instant::now();
    let Err(Failure::Unavailable(why)) = postgres.client().await else { panic!("there is none") };
    assert!(why.to_string().contains("2 are in use"), "{why}");
    assert!(begun.elapsed() < TOLD_TIME);
}

#[tokio::test]
async fn a_session_that_is_ended_from_outside_is_replaced() {
    let Some(database) = Database::new(MIGRATIONS) else { return };
    let postgres = database.open(MIGRATIONS);
    let mut client = client(&postgres).await;
    client.query("SELECT 1", &[]).await.unwrap();
    let session = connect(database.url().expose()).await;
    let end = "SELECT pg_terminate_backend(pid, 5000) FROM pg_stat_activity WHERE datname = current_database() AND pid <> pg_backend_pid()";
    session.query(end, &[]).await.unwrap();
    // The first one may have been sent before the end was seen.
    let _ = client.query("SELECT 1", &[]).await;
    client.query("SELECT 1", &[]).await.unwrap();
}
