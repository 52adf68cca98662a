//! Owns the kinds of the lesson: work that goes well, takes long, fails, fails for ever, and panics.
//!
//! | kind | payload | what it does |
//! |---|---|---|
//! | `echo` | anything | gives it back |
//! | `sleep` | `{"ms": 500}` | waits for so long |
//! | `flaky` | `{"fail_times": 2}` | fails so often, and then goes well |
//! | `fail` | anything | fails each time |
//! | `panic` | anything | panics each time |
//! | `effect` | `{"ms": 500}` | writes into the database that it has begun, waits, and has its effect there, once, under its fence |
//!
//! Never: kills its process, which is that of others too.

use std::time::Duration;

use serde_json::{Value, json};
use tokio::time::sleep;

use crate::app::queue::{JobError, Kinds, Running};
use crate::db::{Failure, Postgres};

/// The longest that the lesson waits.
pub const SLEEP_MAX: Duration = Duration::from_secs(3_600);

const BEGUN: &str = "INSERT INTO queue_effects (job, fence, what) VALUES ($1, $2, 'begun')";

/// The row of the job is held while its effect is written: whoever rescues it waits, or was first, and then there is no row.
const EFFECT: &str = "WITH claim AS MATERIALIZED (
        SELECT id, fence FROM queue_jobs WHERE id = $1 AND fence = $2 AND state = 'running' FOR SHARE)
    INSERT INTO queue_effects (job, fence, what) SELECT id, fence, 'effect' FROM claim
    ON CONFLICT (job) WHERE what = 'effect' DO NOTHING";

const IS_DONE: &str = "SELECT fence FROM queue_effects WHERE job = $1 AND what = 'effect'";

/// `kinds` and those of the lesson; with a database, that of the queue, `effect` too.
pub fn kinds(kinds: Kinds, database: Option<Postgres>) -> Kinds {
    let kinds = kinds
        .with("echo", |running| std::future::ready(Ok(running.payload)))
        .with("sleep", async |running: Running| {
            sleep(milliseconds(&running.payload)).await;
            Ok(running.payload)
        })
        .with("flaky", |running| std::future::ready(flaky(&running)))
        .with("fail", |_| std::future::ready(Err(JobError::Retry("it fails each time".to_owned()))))
        .with("panic", panics);
    match database {
        None => kinds,
        Some(database) => kinds.with("effect", move |running| effect(database.clone(), running)),
    }
}

async fn panics(_: Running) -> Result<Value, JobError> {
    panic!("it panics each time")
}

fn flaky(running: &Running) -> Result<Value, JobError> {
    let fail_times = running.payload["fail_times"].as_u64().unwrap_or(1);
    match u64::from(running.try_number) {
        number if number <= fail_times => Err(JobError::Retry(format!("try {number} of those that fail"))),
        number => Ok(json!({"tries": number})),
    }
}

fn milliseconds(payload: &Value) -> Duration {
    Duration::from_millis(payload["ms"].as_u64().unwrap_or(100)).min(SLEEP_MAX)
}

async fn effect(database: Postgres, running: Running) -> Result<Value, JobError> {
    let (job, fence) = (running.id.uuid(), running.fence);
    let mut client = database.client().await.map_err(again)?;
    client.execute(BEGUN, &[&job, &fence]).await.map_err(again)?;
    drop(client);
    sleep(milliseconds(&running.payload)).await;
    let mut client = database.client().await.map_err(again)?;
    let has_effect = client.execute(EFFECT, &[&job, &fence]).await.map_err(again)? == 1;
    let done = client.query_opt(IS_DONE, &[&job]).await.map_err(again)?;
    let done: Option<i64> = done.map(|row| row.try_get(0)).transpose().map_err(|error| again(error.into()))?;
    match done {
        // An earlier try may have had it, and died before it could say so.
        Some(by) => Ok(json!({"effect_by": by, "now": has_effect})),
        None => Err(JobError::Retry("another worker has the job by now".to_owned())),
    }
}

fn again(failure: Failure) -> JobError {
    JobError::Retry(failure.to_string())
}
