//! Jobs and schedules of real nodes on one PostgreSQL, and the page of them in a browser.

use std::collections::HashSet;
use std::process::Command;

use rustix::process::Signal;
use serde_json::{Value, json};
use tokio_postgres::Client;

use crate::chromium::Browser;
use crate::database::Database;
use crate::server::{Server, wait_for};
use crate::tools;

/// A node on the database, with two workers.
fn node(database: &Database) -> Server {
    Server::start(&["--job-workers", "2", "--database-url", database.url().expose()])
}

/// The JSON that a node answers, whatever its status.
fn ask(node: &Server, args: &[&str], path: &str) -> Value {
    let output = Command::new("curl").args(["-s", "--max-time", "10"]).args(args).arg(node.url(path)).output().unwrap();
    serde_json::from_slice(&output.stdout).unwrap_or_default()
}

fn post(node: &Server, path: &str, content: &Value) -> Value {
    ask(node, &["--json", &content.to_string()], path)
}

/// Waits until the node has found its database.
fn is_ready(node: &Server) {
    wait_for("the node is ready", || ask(node, &[], "/jobs/api/counts")["data"].is_object().then_some(()));
}

/// All jobs, as a node lists them.
fn jobs(node: &Server) -> Vec<Value> {
    let listed = ask(node, &[], "/jobs/api/jobs?limit=100");
    listed["data"].as_array().unwrap_or_else(|| panic!("{listed}")).clone()
}

/// Forgets all jobs, lets schedules have seen to nothing for a minute and a half, and has `node` look at once.
async fn let_a_minute_pass(session: &Client, node: &Server) {
    let rewind = "DELETE FROM queue_jobs;
         UPDATE queue_schedules SET seen_until = clock_timestamp() - interval '90 seconds'";
    session.batch_execute(rewind).await.unwrap();
    let name = format!("wake-{}", fastrand::u32(..));
    assert!(
        post(node, "/jobs/api/schedules", &json!({"name": name, "cron": "@yearly", "kind": "echo"}))["data"]
            .is_object()
    );
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn two_nodes_share_jobs_and_schedules_and_one_that_is_killed_leaves_the_other_to_go_on() {
    if !tools::all(&["curl"]) {
        return;
    }
    let Some(database) = Database::new(&[]) else { return };
    let (first, second) = (node(&database), node(&database));
    is_ready(&first);
    is_ready(&second);
    for number in 0..20 {
        let job = post(&first, "/jobs/api/jobs", &json!({"kind": "echo", "payload": number}));
        assert_eq!(job["data"]["state"], "ready", "{job}");
    }
    wait_for("all are done, as the other node sees it", || {
        jobs(&second).iter().all(|job| job["state"] == "completed").then_some(())
    });
    let results: HashSet<_> = jobs(&second).iter().map(|job| job["result"].as_u64().unwrap()).collect();
    assert_eq!(results.len(), 20);

    let session = database.session().await;
    let schedule = json!({"name": "minutely", "cron": "* * * * *", "kind": "echo", "payload": "again"});
    assert_eq!(post(&first, "/jobs/api/schedules", &schedule)["data"]["enabled"], true);
    assert_eq!(post(&second, "/jobs/api/schedules", &schedule)["code"], "schedule_taken");
    let_a_minute_pass(&session, &second).await;
    wait_for("a job of the schedule is done", || {
        jobs(&second).iter().any(|job| job["state"] == "completed").then_some(())
    });
    let made = jobs(&second);
    let keys: HashSet<_> = made.iter().map(|job| job["key"].as_str().unwrap().to_owned()).collect();
    // A minute may have begun meanwhile, and is an instant of its own.
    assert!(keys.len() == made.len() && made.len() <= 2, "{made:?}");
    assert!(keys.iter().all(|key| key.starts_with("schedule:minutely:")), "{keys:?}");

    first.signal(Signal::KILL);
    let_a_minute_pass(&session, &second).await;
    wait_for("the node that is left makes it and works it", || {
        jobs(&second).iter().any(|job| job["state"] == "completed").then_some(())
    });
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_database_that_is_away_is_told_in_time_with_when_to_come_again() {
    if !tools::all(&["curl"]) {
        return;
    }
    let node = Server::start(&["--database-url", "postgres://127.0.0.1:1/nowhere"]);
    let job = json!({"kind": "echo"}).to_string();
    for (args, path) in
        [(vec!["--json", job.as_str()], "/jobs/api/jobs"), (vec![], "/jobs/api/schedules"), (vec![], "/jobs")]
    {
        let output =
            Command::new("curl").args(["-si", "--max-time", "10"]).args(args).arg(node.url(path)).output().unwrap();
        let answer = String::from_utf8_lossy(&output.stdout);
        assert!(answer.starts_with("HTTP/1.1 503 ") && answer.contains("\r\nRetry-After: "), "{path}: {answer}");
        assert!(!answer.contains("127.0.0.1:1"), "where it is, is nobody else's business: {answer}");
    }
}

#[test]
fn the_page_hands_work_in_and_shows_how_it_fares() {
    let Some(mut browser) = Browser::start() else { return };
    let server = Server::start(&[]);
    browser.view(1280, "light");
    browser.open(&server.url("/jobs"));
    browser.shows("There are none.");
    let long = [("kind", "sleep"), ("payload", "{\"ms\": 60000}"), ("tries_max", "3")];
    browser.submit("/jobs/enqueue", &long);
    // The page of the job; it changes by itself.
    browser.shows("running");
    assert_ne!(browser.eval("location.pathname"), "/jobs");
    browser.eval("void document.querySelector('form[action$=\"/cancel\"]').requestSubmit()");
    browser.shows("cancelled");
    browser.open(&server.url("/jobs"));
    browser.submit("/jobs/enqueue", &[("kind", "fail"), ("payload", "{\"a\": \"<b>\"}"), ("tries_max", "1")]);
    browser.shows("it fails each time");
    browser.pictures("jobs-one");
    browser.open(&server.url("/jobs"));
    browser.submit("/jobs/enqueue", &[("kind", "echo"), ("delay_ms", "3600000")]);
    browser.shows("scheduled");
    browser.open(&server.url("/jobs"));
    let nightly = [("name", "nightly"), ("cron", "30 2 * * *"), ("zone", "Europe/Berlin"), ("kind", "echo")];
    browser.submit("/jobs/schedules", &nightly);
    browser.shows("nightly 30 2 * * *");
    browser.submit("/jobs/schedules", &[("name", "odd"), ("cron", "0 0 30 2 *"), ("kind", "echo")]);
    browser.shows("it would never run");
    browser.open(&server.url("/jobs"));
    browser.pictures("jobs");
    browser.eval("void document.querySelector('a.dead').click()");
    browser.shows("Retry the newest");
    browser.eval("void document.querySelector('form[action$=\"/discard\"]').requestSubmit()");
    browser.shows("discarded");
    // What a browser says of a page that was answered with an error status is no fault of the page.
    browser.complaints.retain(|complaint| !complaint.contains("Failed to load resource"));
    assert!(browser.complaints.is_empty(), "{:#?}", browser.complaints);
}
