//! Files of SQL on a real PostgreSQL: each is applied once, as a whole, by whichever of many nodes comes first.

use std::time::Duration;

use firstbyte::db::migrations::{Applied, LOCK_TIME, Migration, MigrationError, apply};
use firstbyte::db::{Failure, Postgres};
use tokio::task::JoinSet;
use tokio::time::{Instant, sleep};
use tokio_postgres::Client;

use crate::database::Database;
use crate::server::SOON;

const FIRST: Migration =
    Migration { name: "test/0001_first", sql: "CREATE TABLE first (id bigint)", down: Some("DROP TABLE first") };
const SECOND: Migration = Migration {
    name: "test/0002_second",
    sql: "ALTER TABLE first ADD word text; INSERT INTO first VALUES (1, 'one');",
    down: Some("DELETE FROM first WHERE id = 1; ALTER TABLE first DROP word;"),
};

/// What is written down in the database.
async fn written(session: &Client) -> Vec<String> {
    let rows = session.query("SELECT name FROM firstbyte_migrations ORDER BY name", &[]).await.unwrap();
    rows.iter().map(|row| row.get(0)).collect()
}

#[tokio::test]
async fn a_file_is_applied_once_and_in_order() {
    let Some(database) = Database::new(&[]) else { return };
    let mut session = database.session().await;
    let nothing = Applied::default();
    assert_eq!(apply(&mut session, &[]).await.unwrap(), nothing);
    assert_eq!(apply(&mut session, &[FIRST]).await.unwrap().names, [FIRST.name]);
    assert_eq!(apply(&mut session, &[FIRST]).await.unwrap(), nothing);
    assert_eq!(apply(&mut session, &[FIRST, SECOND]).await.unwrap().names, [SECOND.name]);
    assert_eq!(apply(&mut session, &[FIRST, SECOND]).await.unwrap(), nothing);
    assert_eq!(written(&session).await, [FIRST.name, SECOND.name]);
    let row = session.query_one("SELECT word FROM first", &[]).await.unwrap();
    assert_eq!(row.get::<_, &str>(0), "one");
}

/// Whoever wants the table waits behind a file that waits for it: so the file gives up, and is not tried again at once.
#[tokio::test]
async fn a_file_does_not_wait_long_for_a_table_that_is_in_use() {
    let Some(database) = Database::new(&[FIRST]) else { return };
    let (mut session, reader) = (database.session().await, database.session().await);
    reader.batch_execute("BEGIN; SELECT * FROM first").await.unwrap();
    let begun = Instant::now();
    let error = apply(&mut session, &[FIRST, SECOND]).await.unwrap_err();
    assert!(matches!(error, MigrationError::Failed { name, .. } if name == SECOND.name), "{error}");
    assert!(error.to_string().contains("55P03") && begun.elapsed() < LOCK_TIME / 2, "{error}");
    reader.batch_execute("ROLLBACK").await.unwrap();
    assert_eq!(apply(&mut session, &[FIRST, SECOND]).await.unwrap().names, [SECOND.name]);
}

#[tokio::test]
async fn files_of_a_newer_node_are_let_be() {
    let Some(database) = Database::new(&[FIRST, SECOND]) else { return };
    let mut session = database.session().await;
    let applied = apply(&mut session, &[FIRST]).await.unwrap();
    assert_eq!(applied, Applied { names: vec![], unknown: vec![SECOND.name.to_owned()] });
    let postgres = database.open(&[FIRST]);
    ready(&postgres).await.unwrap();
}

#[tokio::test]
async fn a_file_that_was_edited_keeps_the_node_unready_and_is_named() {
    let Some(database) = Database::new(&[FIRST]) else { return };
    let edited = Migration { sql: "CREATE TABLE first (id bigint, more text)", ..FIRST };
    let mut session = database.session().await;
    let error = apply(&mut session, &[edited, SECOND]).await.unwrap_err();
    assert!(matches!(error, MigrationError::Changed { name } if name == FIRST.name), "{error}");
    assert_eq!(written(&session).await, [FIRST.name], "and nothing after it was applied");
    let why = ready(&database.open(&[edited, SECOND])).await.unwrap_err();
    assert!(why.contains("migration test/0001_first was edited"), "{why}");
}

#[tokio::test]
async fn a_file_that_fails_leaves_nothing_behind() {
    let Some(database) = Database::new(&[]) else { return };
    let broken =
        Migration { name: "test/0002_broken", sql: "CREATE TABLE half (id bigint); SELECT nothing;", down: None };
    let mut session = database.session().await;
    let error = apply(&mut session, &[FIRST, broken]).await.unwrap_err();
    assert!(matches!(error, MigrationError::Failed { name, .. } if name == broken.name), "{error}");
    assert!(error.to_string().contains("column \"nothing\" does not exist"), "{error}");
    assert_eq!(written(&session).await, [FIRST.name]);
    assert!(session.query("SELECT * FROM half", &[]).await.is_err());
    assert_eq!(apply(&mut session, &[FIRST]).await.unwrap(), Applied::default(), "the session goes on");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn ten_nodes_that_start_at_once_on_an_empty_database_all_come_up() {
    let Some(database) = Database::new(&[]) else { return };
    let mut nodes = JoinSet::new();
    for _ in 0..10 {
        let postgres = database.open(&[FIRST, SECOND]);
        nodes.spawn(async move { ready(&postgres).await });
    }
    for ready in nodes.join_all().await {
        ready.unwrap();
    }
    let session = database.session().await;
    assert_eq!(written(&session).await, [FIRST.name, SECOND.name]);
    let count: i64 = session.query_one("SELECT count(*) FROM first", &[]).await.unwrap().get(0);
    assert_eq!(count, 1, "each file was applied once");
}

/// Waits until it can be used, or is known never to be: then why.
async fn ready(postgres: &Postgres) -> Result<(), String> {
    let begun = Instant::now();
    loop {
        match postgres.client().await {
            Ok(_) => return Ok(()),
            Err(Failure::Unavailable(why)) if why.to_string().contains("migration") => return Err(why.to_string()),
            Err(why) => assert!(begun.elapsed() < SOON, "{why}"),
        }
        sleep(Duration::from_millis(5)).await;
    }
}
