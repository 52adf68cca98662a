//! Owns one try of one job: its work, what came of it, and the place that it takes until that is written down.
//!
//! The one idea: the work runs in a task of its own, so that its panic is its own, and work that does not stop when its time is
//! over is seen: the job goes on elsewhere, and the place is taken for as long as the thread is.
//!
//! Never: lets work ask for another try of a job that was stopped from here; tries a job more often than it may be.

use std::sync::Arc;
use std::time::Duration;

use serde_json::{Value, json};
use tokio::task::JoinError;
use tokio::time::{Instant, sleep};

use super::crew::Crew;
use super::floor::Stopped;
use super::scribe::Fate;
use crate::app::queue::backoff::Backoff;
use crate::app::queue::domain::{Job, PAYLOAD_BYTES_MAX};
use crate::app::queue::store::{Finish, Outcome};
use crate::app::queue::{JobError, Running};
use crate::crypto;
use crate::net::context::{Context, Reason};

/// How long work that was stopped may take to notice.
const STUCK_TIME: Duration = Duration::from_secs(1);

/// Why a try ends that another worker may have by now.
const LEASE_OVER: &str = "its worker could not say in time that it is alive";

/// What the task of a try brings.
type Said = Result<Result<Result<Value, JobError>, Reason>, JoinError>;

/// A try from its claim to its end.
pub(super) async fn trial(crew: Arc<Crew>, job: Job, context: Context) {
    let begun = Instant::now();
    let running = Running {
        id: job.id,
        payload: job.payload.clone(),
        try_number: job.tries,
        fence: job.fence,
        context: context.clone(),
    };
    let work = crew.kinds.work(&job.kind).cloned();
    let limit = context.clone();
    let mut trying = tokio::spawn(async move {
        let work = work.expect("no other kind is asked for");
        limit.run(work(running)).await
    });
    let said = tokio::select! {
        biased;
        said = &mut trying => Some(said),
        () = overdue(&context) => None,
    };
    let is_stuck = said.is_none();
    let stopped = crew.floor().stopped(job.fence);
    let outcome = outcome(&job, stopped, said, crew.config.backoff);
    crew.tally.tried(&job.kind, &outcome, begun.elapsed());
    let was_released = outcome == Outcome::Released;
    // Without an answer the process ends.
    let fate = crew.write(Finish { id: job.id, fence: job.fence, outcome }).await;
    if fate == Ok(Fate::Fenced) {
        crew.tally.fenced();
        tracing::warn!(job = %job.id, kind = %job.kind, fence = job.fence, "a try came to its end too late: it was taken by another worker");
    } else if was_released {
        crew.released.fetch_add(1, std::sync::atomic::Ordering::Relaxed);
    }
    if is_stuck {
        tracing::error!(job = %job.id, kind = %job.kind, "work does not stop when it is told to: it keeps its place");
        trying.abort();
        let _ = trying.await;
    }
    crew.free(job.fence);
}

/// Waits until work that was told to stop should have done so.
async fn overdue(context: &Context) {
    context.cancelled().await;
    sleep(STUCK_TIME).await;
}

/// What becomes of the job; `said` is `None` when the work does not stop.
fn outcome(job: &Job, stopped: Option<Stopped>, said: Option<Said>, backoff: Backoff) -> Outcome {
    let error = match said {
        Some(Ok(Ok(Ok(result)))) => return Outcome::Completed(bounded(result)),
        Some(Ok(Ok(Err(error)))) => error,
        Some(Ok(Err(_))) | None => JobError::Retry(format!("it took longer than {:?}", job.timeout)),
        Some(Err(panic)) => JobError::Retry(format!("it panicked: {}", message(panic))),
    };
    let is_last = job.tries >= job.tries_max;
    match (stopped, error) {
        (Some(Stopped::Cancelled), _) => Outcome::Cancelled { why: "cancelled while it ran".to_owned() },
        (_, JobError::Dead(why)) => Outcome::Dead { why },
        (Some(Stopped::Ending), _) => Outcome::Released,
        // As it would be for a worker that was lost.
        (Some(Stopped::LeaseOver), _) if is_last => Outcome::Dead { why: LEASE_OVER.to_owned() },
        (Some(Stopped::LeaseOver), _) => Outcome::Again { delay: Duration::ZERO, why: LEASE_OVER.to_owned() },
        (None, JobError::Retry(why) | JobError::RetryIn(_, why)) if is_last => Outcome::Dead { why },
        (None, JobError::RetryIn(delay, why)) => Outcome::Again { delay, why },
        (None, JobError::Retry(why)) => {
            let random = u32::from_be_bytes(crypto::random());
            Outcome::Again { delay: backoff.delay(job.tries, random), why }
        }
    }
}

/// The job is done, whatever it has to say: a result that is too large is let go of.
fn bounded(result: Value) -> Value {
    let bytes = serde_json::to_vec(&result).map_or(usize::MAX, |json| json.len());
    if bytes > PAYLOAD_BYTES_MAX { json!({"omitted_bytes": bytes}) } else { result }
}

fn message(error: JoinError) -> String {
    let Ok(panic) = error.try_into_panic() else { return "it was given up".to_owned() };
    let text = panic.downcast_ref::<&str>().map(|text| (*text).to_owned());
    text.or_else(|| panic.downcast_ref::<String>().cloned()).unwrap_or_else(|| "no message".to_owned())
}

#[cfg(test)]
mod tests {
    use jiff::Timestamp;

    use super::*;
    use crate::app::queue::domain::{JobId, KindName, NewJob, State};

    #[test]
    fn what_becomes_of_a_try() {
        let check = |tries: u16, stopped: Option<Stopped>, error: JobError, expected: &str| {
            let new = NewJob::new(KindName::known("k"), Value::Null).tries_max(2);
            let job = Job::begun(&new, JobId::new(), State::Running, Timestamp::UNIX_EPOCH, Timestamp::UNIX_EPOCH);
            let words = format!("{tries}, {stopped:?}, {error:?}");
            let outcome = outcome(&Job { tries, ..job }, stopped, Some(Ok(Ok(Err(error)))), Backoff::default());
            let seen = match outcome {
                Outcome::Again { delay, why } => format!("again in {} s: {why}", delay.as_secs()),
                Outcome::Dead { why } => format!("dead: {why}"),
                Outcome::Cancelled { .. } => "cancelled".to_owned(),
                other => format!("{other:?}"),
            };
            assert_eq!(seen, expected, "{words}");
        };
        let no = || "no".to_owned();
        let hour = || JobError::RetryIn(Duration::from_secs(3_600), no());
        let late = |what: &str| format!("{what}: {LEASE_OVER}");
        check(1, None, hour(), "again in 3600 s: no");
        check(2, None, hour(), "dead: no");
        check(2, None, JobError::Retry(no()), "dead: no");
        check(1, None, JobError::Dead(no()), "dead: no");
        check(1, Some(Stopped::LeaseOver), hour(), &late("again in 0 s"));
        // A job that may be tried once is not tried twice because the store was away.
        check(2, Some(Stopped::LeaseOver), JobError::Retry(no()), &late("dead"));
        check(2, Some(Stopped::Ending), JobError::Retry(no()), "Released");
        // What may never be tried again is not, whatever else stops it.
        for stopped in [Stopped::LeaseOver, Stopped::Ending] {
            check(1, Some(stopped), JobError::Dead(no()), "dead: no");
        }
        for error in [JobError::Retry(no()), hour(), JobError::Dead(no())] {
            check(2, Some(Stopped::Cancelled), error, "cancelled");
        }
    }
}
