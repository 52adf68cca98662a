//! `firstbyte migrate` on a real PostgreSQL: what it says, what it does, and with which exit code it ends.

use std::process::{Command, Output};

use firstbyte::db::migrations::by_hand::{self, Goal, State};
use firstbyte::db::migrations::{MigrationError, apply};
use firstbyte::db::{Migration, ServiceUrl};
use tokio::task::JoinSet;

use crate::database::Database;
use crate::server::firstbyte;
use crate::tools;

const FIRST: Migration =
    Migration { name: "b/0001", sql: "CREATE TABLE first (id bigint)", down: Some("DROP TABLE first") };
const SECOND: Migration =
    Migration { name: "a/0001", sql: "CREATE TABLE second (id bigint)", down: Some("DROP TABLE second") };
const FOR_EVER: Migration = Migration { name: "c/0001", sql: "DROP TABLE second", down: None };

/// What it says, and its exit code.
fn migrate(url: &ServiceUrl, words: &[&str]) -> (Option<i32>, String, String) {
    let Output { status, stdout, stderr } =
        firstbyte().arg("migrate").args(words).args(["--database-url", url.expose()]).output().unwrap();
    (status.code(), String::from_utf8(stdout).unwrap(), String::from_utf8(stderr).unwrap())
}

/// The shape of a database, as PostgreSQL writes it down.
fn dump(url: &ServiceUrl) -> Option<String> {
    let output = Command::new(tools::find("pg_dump")?).args(["--schema-only", "--dbname", url.expose()]).output();
    let output = output.unwrap();
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    // `\restrict` has another random word each time.
    let text = String::from_utf8(output.stdout).unwrap();
    Some(text.lines().filter(|line| !line.contains("restrict ")).collect::<Vec<_>>().join("\n"))
}

#[tokio::test]
async fn up_down_and_up_again_is_up() {
    let Some(database) = Database::new(&[]) else { return };
    let url = database.url();
    let (code, before, _) = migrate(&url, &["status"]);
    assert_eq!(code, Some(3), "{before}");
    let files = before.lines().count();
    assert!(files >= 2 && before.lines().all(|line| line.starts_with("pending  -  ")), "{before}");

    let (code, said, errors) = migrate(&url, &["up"]);
    assert_eq!((code, said.lines().count()), (Some(0), files), "{said}{errors}");
    assert_eq!(migrate(&url, &["up"]), (Some(0), "nothing is pending\n".into(), String::new()));
    let (code, status, _) = migrate(&url, &["status"]);
    assert_eq!(code, Some(0));
    assert!(status.lines().all(|line| line.starts_with("applied  20") && line.contains("Z  ")), "{status}");
    let up = dump(&url);

    let (code, said, errors) = migrate(&url, &["down", "--all"]);
    assert_eq!((code, said.as_str()), (Some(2), ""), "not without --yes");
    assert!(errors.contains("--yes") && errors.contains("identity/0001_identity"), "{errors}");
    assert!(errors.contains("***@"), "whoever logs in is masked: {errors}");
    assert_eq!(dump(&url), up, "nothing was done");
    let (code, said, errors) = migrate(&url, &["down", "--all", "--yes"]);
    assert_eq!((code, said.lines().count()), (Some(0), files), "{said}{errors}");
    assert_eq!(migrate(&url, &["down", "--all", "--yes"]).1, "nothing is to be taken back\n");
    assert_eq!(migrate(&url, &["status"]), (Some(3), before, String::new()));
    let left = "SELECT count(*) FROM pg_class JOIN pg_namespace n ON n.oid = relnamespace
        WHERE n.nspname = 'public' AND relname NOT LIKE 'firstbyte_migrations%'";
    let count: i64 = database.session().await.query_one(left, &[]).await.unwrap().get(0);
    assert_eq!(count, 0, "something was left behind");

    assert_eq!(migrate(&url, &["up"]).0, Some(0));
    assert_eq!(dump(&url), up);
}

#[tokio::test]
async fn steps_back_are_those_that_were_asked_for() {
    let Some(database) = Database::new(&[]) else { return };
    let url = database.url();
    migrate(&url, &["up"]);
    let (_, status, _) = migrate(&url, &["status"]);
    let names: Vec<&str> = status.lines().map(|line| line.rsplit(' ').next().unwrap()).collect();
    let (code, said, _) = migrate(&url, &["down", "--yes"]);
    assert_eq!((code, said), (Some(0), format!("taken back  {}\n", names[names.len() - 1])));
    let (code, said, _) = migrate(&url, &["down", "--to", names[0], "--yes"]);
    let taken = said.lines().filter(|line| line.starts_with("taken back  ")).count();
    assert_eq!((code, taken), (Some(0), names.len() - 2), "{said}");
    assert_eq!(migrate(&url, &["down", "--to", names[0], "--yes"]).1, "nothing is to be taken back\n");
    let (code, _, errors) = migrate(&url, &["down", "--to", names[1], "--yes"]);
    assert_eq!(code, Some(1));
    assert!(errors.contains("is not applied"), "{errors}");
}

#[tokio::test]
async fn what_was_edited_and_what_is_newer_is_told_and_not_taken_back() {
    let Some(database) = Database::new(&[]) else { return };
    let (url, session) = (database.url(), database.session().await);
    migrate(&url, &["up"]);
    let newer = "INSERT INTO firstbyte_migrations VALUES ('newer/0001', 'x', now() + interval '1 second')";
    session.execute(newer, &[]).await.unwrap();
    let (code, status, _) = migrate(&url, &["status"]);
    assert_eq!(code, Some(0), "a newer node is no fault: {status}");
    assert!(status.lines().last().unwrap().starts_with("unknown  "), "{status}");
    let (code, _, errors) = migrate(&url, &["up"]);
    assert!(code == Some(0) && errors.contains("newer/0001 is of a newer program"), "{errors}");
    let (code, _, errors) = migrate(&url, &["down", "--yes"]);
    assert!(code == Some(1) && errors.contains("newer/0001 is of a newer program"), "{errors}");
    session.execute("DELETE FROM firstbyte_migrations WHERE name = 'newer/0001'", &[]).await.unwrap();

    session.execute("UPDATE firstbyte_migrations SET checksum = 'x' WHERE name LIKE 'accounts%'", &[]).await.unwrap();
    let (code, status, _) = migrate(&url, &["status"]);
    assert!(code == Some(3) && status.contains("changed  20"), "{status}");
    for words in [&["up"][..], &["down", "--all", "--yes"]] {
        let (code, said, errors) = migrate(&url, words);
        assert_eq!((code, said.as_str()), (Some(1), ""), "the whole way is looked at before the first step");
        assert!(errors.contains("accounts/0001_accounts was edited"), "{errors}");
    }
}

#[test]
fn what_cannot_be_done_is_said() {
    let run = |words: &[&str]| {
        let output = firstbyte().arg("migrate").args(words).env_remove("DATABASE_URL").output().unwrap();
        (output.status.code(), String::from_utf8(output.stderr).unwrap())
    };
    let check = |words: &[&str], code, expected: &str| {
        let (seen, errors) = run(words);
        assert!(seen == Some(code) && errors.contains(expected), "{words:?}: {seen:?} {errors}");
    };
    check(&[], 2, "Usage");
    check(&["sideways"], 2, "sideways");
    check(&["up"], 2, "--database-url: which database?");
    check(&["up", "--yes"], 2, "--yes");
    check(&["down", "--all", "--to", "x"], 2, "cannot be used with");
    check(&["status", "--database-url", "redis://h"], 2, "--database-url");
    check(&["status", "--database-url", "postgres://u:secret@127.0.0.1:1/x"], 1, "postgres://***@127.0.0.1:1/x");
}

/// What came last by the clock goes first, whatever its name and its place in the program.
#[tokio::test]
async fn many_at_once_take_each_file_back_once_and_in_the_order_of_its_coming() {
    let Some(database) = Database::new(&[FIRST]) else { return };
    let files = [SECOND, FIRST];
    apply(&mut database.session().await, &files).await.unwrap();
    let mut people = JoinSet::new();
    for _ in 0..8 {
        let mut session = database.session().await;
        people.spawn(async move {
            let mut taken = Vec::new();
            for name in [SECOND.name, FIRST.name] {
                if by_hand::down(&mut session, &files, Goal::Nothing, name).await.unwrap() {
                    taken.push(name);
                }
            }
            taken
        });
    }
    let mut taken = people.join_all().await.concat();
    taken.sort_unstable();
    assert_eq!(taken, [SECOND.name, FIRST.name]);

    let mut session = database.session().await;
    apply(&mut session, &files[1..]).await.unwrap();
    apply(&mut session, &[SECOND, FIRST, FOR_EVER]).await.unwrap();
    let error = by_hand::down(&mut session, &[SECOND, FIRST, FOR_EVER], Goal::Last, FOR_EVER.name).await.unwrap_err();
    assert!(matches!(error, MigrationError::NoWayBack { name } if name == FOR_EVER.name), "{error}");
    let standings = by_hand::status(&session, &[SECOND, FIRST, FOR_EVER]).await.unwrap();
    assert!(standings.iter().all(|standing| standing.state == State::Applied), "{standings:?}");
}

/// All were shown the same last file. It is gone once, and nobody takes the one before it for it.
#[tokio::test]
async fn many_at_once_take_back_what_they_were_shown_and_no_more() {
    let Some(database) = Database::new(&[FIRST]) else { return };
    let files = [FIRST, SECOND];
    let mut session = database.session().await;
    apply(&mut session, &files).await.unwrap();
    let mut people = JoinSet::new();
    for _ in 0..8 {
        let mut session = database.session().await;
        people.spawn(async move { by_hand::down(&mut session, &files, Goal::Last, SECOND.name).await.unwrap() });
    }
    assert_eq!(people.join_all().await.into_iter().filter(|is_taken| *is_taken).count(), 1);
    let standings = by_hand::status(&session, &files).await.unwrap();
    assert_eq!(standings[0].state, State::Applied, "nobody was shown this one");
    // Somebody applies another file behind the one that was shown.
    apply(&mut session, &files).await.unwrap();
    let error = by_hand::down(&mut session, &files, Goal::Last, FIRST.name).await.unwrap_err();
    assert!(matches!(&error, MigrationError::NotLast { name } if name == FIRST.name), "{error}");
    session.query("SELECT * FROM first, second", &[]).await.unwrap();
}

#[tokio::test]
async fn a_way_back_that_fails_leaves_all_as_it_was() {
    let Some(database) = Database::new(&[]) else { return };
    let mut session = database.session().await;
    let broken = Migration { down: Some("DROP TABLE first; SELECT nothing"), ..FIRST };
    apply(&mut session, &[broken]).await.unwrap();
    let error = by_hand::down(&mut session, &[broken], Goal::Last, broken.name).await.unwrap_err();
    assert!(matches!(error, MigrationError::Failed { .. }), "{error}");
    session.query("SELECT * FROM first", &[]).await.unwrap();
    assert_eq!(by_hand::status(&session, &[broken]).await.unwrap()[0].state, State::Applied);
}
