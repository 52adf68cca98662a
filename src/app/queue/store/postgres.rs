//! Owns jobs in PostgreSQL: what each step of a life is asked of the database, and what is made of its rows.
//!
//! The one idea: a step of a life is one statement, and the clock of the database is in each: nodes whose clocks differ agree all
//! the same. A statement that may not find its row in the state that it leaves from changes nothing, and says so by giving no row.
//!
//! Never: holds a lock from one statement to the next, but where jobs with keys are stored together; waits for a row that another
//! worker has when it claims, rescues, promotes or forgets.

mod statements;

use std::collections::HashMap;
use std::time::Duration;

use jiff::Timestamp;
use serde_json::Value;
use tokio_postgres::Row;

use self::statements as sql;
use super::{Asked, BATCH, ERRORS_MAX, Finish, HEARD_TIME, Held, Moved, Outcome, Retention, SUSPECT_LOST, words};
use crate::app::queue::Enqueued;
use crate::app::queue::domain::{
    Attempt, Counted, Counts, Cursor, DELAY_MAX, Filter, Job, JobId, JobKey, KindName, NewJob, Page, State, When,
};
use crate::app::queue::error::QueueError;
use crate::db;
use crate::db::Failure;
use crate::db::postgres::{Client, Listener, ToSql, Transaction};

/// How often a key that was there, and then was not, is tried again.
const KEY_ATTEMPTS: usize = 3;

#[derive(Clone)]
pub(in crate::app::queue) struct Postgres {
    database: db::Postgres,
}

impl Postgres {
    pub fn new(database: db::Postgres) -> Postgres {
        Postgres { database }
    }

    pub async fn enqueue(&self, jobs: &[NewJob]) -> Result<Vec<Enqueued>, QueueError> {
        let mut client = self.client().await?;
        let rows = Rows::of(jobs);
        if jobs.iter().all(|job| job.key.is_none()) {
            let stored = client.query(sql::ENQUEUE, &rows.params()).await?;
            return enqueued(jobs, &rows.ids, &stored);
        }
        let mut transaction = client.transaction().await?;
        let enqueued = enqueue(&mut transaction, jobs, &rows).await?;
        transaction.commit().await?;
        Ok(enqueued)
    }

    pub async fn enqueue_in(&self, transaction: &mut Transaction<'_>, job: &NewJob) -> Result<Enqueued, QueueError> {
        let jobs = std::slice::from_ref(job);
        let mut enqueued = enqueue(transaction, jobs, &Rows::of(jobs)).await?;
        // The database tells it once a transaction, when that commits.
        transaction.execute(sql::TELL, &[&sql::WORK]).await?;
        Ok(enqueued.swap_remove(0))
    }

    pub async fn tell(&self, word: &str) -> Result<(), QueueError> {
        self.client().await?.execute(sql::TELL, &[&word]).await?;
        Ok(())
    }

    pub fn listen(&self) -> Listener {
        self.database.listen(sql::CHANNEL)
    }

    pub async fn find(&self, id: JobId) -> Result<Option<Job>, QueueError> {
        let row = self.client().await?.query_opt(sql::FIND, &[&id.uuid()]).await?;
        row.as_ref().map(job).transpose()
    }

    pub async fn list(&self, filter: &Filter, after: Option<Cursor>, limit: usize) -> Result<Page, QueueError> {
        let statement = sql::list(filter.state);
        let after = after.map(|Cursor(id)| id.uuid());
        let kind = filter.kind.as_ref().map(KindName::text);
        let rows = self.client().await?.query(&statement, &[&after, &kind, &number(limit + 1)]).await?;
        Ok(Page::of(rows.iter().map(job).collect::<Result<_, _>>()?, limit))
    }

    pub async fn counts(&self) -> Result<Counts, QueueError> {
        let rows = self.client().await?.query(sql::COUNTS, &[]).await?;
        let mut counts = Counts::default();
        for row in &rows {
            let (jobs, age): (i64, Option<f64>) = (column(row, "jobs")?, column(row, "age")?);
            let oldest = age.map(|age| Duration::from_secs_f64(age.clamp(0.0, 1e9)));
            counts.oldest_ready = counts.oldest_ready.max(oldest);
            counts.by.push(Counted { state: state(row)?, kind: kind(row)?, jobs: jobs.unsigned_abs() });
        }
        counts.by.sort();
        Ok(counts)
    }

    pub async fn retry(&self, id: JobId) -> Result<Job, QueueError> {
        self.change(sql::RETRY, id).await
    }

    pub async fn discard(&self, id: JobId) -> Result<Job, QueueError> {
        self.change(sql::DISCARD, id).await
    }

    pub async fn cancel(&self, id: JobId) -> Result<Job, QueueError> {
        self.change(sql::CANCEL, id).await
    }

    pub async fn join(&self, worker: &str, lease: Duration) -> Result<bool, QueueError> {
        let params: [&(dyn ToSql + Sync); 3] = [&worker, &milliseconds(lease), &milliseconds(HEARD_TIME)];
        let row = self.client().await?.query_opt(sql::JOIN, &params).await?;
        row.map_or(Ok(false), |row| column(&row, "was_heard"))
    }

    pub async fn beat(&self, worker: &str, lease: Duration) -> Result<bool, QueueError> {
        Ok(self.client().await?.execute(sql::BEAT, &[&worker, &milliseconds(lease)]).await? > 0)
    }

    pub async fn held(&self, worker: &str) -> Result<Vec<Held>, QueueError> {
        let rows = self.client().await?.query(sql::HELD, &[&worker]).await?;
        rows.iter().map(held).collect()
    }

    pub async fn leave(&self, worker: &str) -> Result<(), QueueError> {
        self.client().await?.execute(sql::LEAVE, &[&worker]).await?;
        Ok(())
    }

    pub async fn claim(&self, worker: &str, asked: &Asked) -> Result<Vec<Job>, QueueError> {
        let kinds: Vec<&str> = asked.asks.iter().map(|ask| ask.kind.text()).collect();
        let shares: Vec<i64> = asked.asks.iter().map(|ask| number(ask.share)).collect();
        let (jobs_max, suspects_max) = (number(asked.jobs_max), number(asked.suspects_max));
        let params: [&(dyn ToSql + Sync); 5] = [&worker, &kinds, &shares, &jobs_max, &suspects_max];
        let rows = self.client().await?.query(sql::CLAIM, &params).await?;
        rows.iter().map(job).collect()
    }

    pub async fn finish(&self, finishes: &[Finish]) -> Result<Vec<i64>, QueueError> {
        let ids: Vec<_> = finishes.iter().map(|finish| finish.id.uuid()).collect();
        let fences: Vec<i64> = finishes.iter().map(|finish| finish.fence).collect();
        let settled: Vec<Settled<'_>> = finishes.iter().map(|finish| Settled::of(&finish.outcome)).collect();
        let states: Vec<&str> = settled.iter().map(|settled| settled.state.text()).collect();
        let results: Vec<Option<&Value>> = settled.iter().map(|settled| settled.result).collect();
        let whys: Vec<Option<&str>> = settled.iter().map(|settled| settled.why.as_deref()).collect();
        let delays: Vec<Option<i64>> = settled.iter().map(|settled| settled.delay).collect();
        let released: Vec<bool> = finishes.iter().map(|finish| finish.outcome == Outcome::Released).collect();
        let params: [&(dyn ToSql + Sync); 7] = [&ids, &fences, &states, &results, &whys, &delays, &released];
        let rows = self.client().await?.query(sql::FINISH, &params).await?;
        let taken: Vec<i64> = rows.iter().map(|row| column(row, "fence")).collect::<Result<_, _>>()?;
        Ok(fences.into_iter().filter(|fence| !taken.contains(fence)).collect())
    }

    pub async fn advance(&self, may_rescue: bool) -> Result<Moved, QueueError> {
        let mut client = self.client().await?;
        let mut moved = Moved::default();
        if may_rescue {
            client.execute(sql::LOSE_WORKERS, &[]).await?;
            moved.rescued = client.execute(sql::RESCUE, &[&number(BATCH)]).await?;
        }
        moved.promoted = client.execute(sql::PROMOTE, &[&number(BATCH)]).await?;
        if let Some(row) = client.query_opt(sql::NEXT, &[]).await? {
            let next: Option<f64> = column(&row, "next")?;
            moved.next = next.map(|next| Duration::from_secs_f64(next.clamp(0.0, 1e9)));
        }
        Ok(moved)
    }

    pub async fn sweep(&self, retention: Retention) -> Result<u64, QueueError> {
        let mut client = self.client().await?;
        let mut swept = 0;
        for (state, kept) in [
            (State::Completed, retention.over),
            (State::Cancelled, retention.over),
            (State::Discarded, retention.over),
            (State::Dead, retention.dead),
        ] {
            swept += client.execute(sql::SWEEP, &[&state.text(), &milliseconds(kept), &number(BATCH)]).await?;
        }
        Ok(swept)
    }

    /// The job as it is after a statement of which the state that it leaves from is a part.
    async fn change(&self, statement: &str, id: JobId) -> Result<Job, QueueError> {
        let mut client = self.client().await?;
        if let Some(row) = client.query_opt(statement, &[&id.uuid()]).await? {
            return job(&row);
        }
        match client.query_opt(sql::FIND, &[&id.uuid()]).await? {
            None => Err(QueueError::Unknown),
            Some(row) => Err(QueueError::WrongState(state(&row)?)),
        }
    }

    async fn client(&self) -> Result<Client, QueueError> {
        Ok(self.database.client().await?)
    }
}

/// New jobs, column by column.
struct Rows<'a> {
    ids: Vec<uuid::Uuid>,
    kinds: Vec<&'a str>,
    payloads: Vec<&'a Value>,
    keys: Vec<Option<&'a str>>,
    requests: Vec<Option<Vec<u8>>>,
    priorities: Vec<i16>,
    tries_max: Vec<i16>,
    timeouts: Vec<i32>,
    delays: Vec<Option<i64>>,
    times: Vec<Option<Timestamp>>,
}

impl<'a> Rows<'a> {
    fn of(jobs: &'a [NewJob]) -> Rows<'a> {
        Rows {
            ids: jobs.iter().map(|_| JobId::new().uuid()).collect(),
            kinds: jobs.iter().map(|job| job.kind.text()).collect(),
            payloads: jobs.iter().map(|job| &job.payload).collect(),
            keys: jobs.iter().map(|job| job.key.as_ref().map(JobKey::text)).collect(),
            requests: jobs.iter().map(|job| job.key.as_ref().map(|_| job.request().to_vec())).collect(),
            priorities: jobs.iter().map(|job| job.priority).collect(),
            tries_max: jobs.iter().map(|job| i16::try_from(job.tries_max).unwrap_or(i16::MAX)).collect(),
            timeouts: jobs.iter().map(|job| i32::try_from(job.timeout.as_millis()).unwrap_or(i32::MAX)).collect(),
            delays: jobs.iter().map(|job| delay(&job.run_at)).collect(),
            times: jobs.iter().map(|job| time(&job.run_at)).collect(),
        }
    }

    fn params(&self) -> [&(dyn ToSql + Sync); 10] {
        [
            &self.ids,
            &self.kinds,
            &self.payloads,
            &self.keys,
            &self.requests,
            &self.priorities,
            &self.tries_max,
            &self.timeouts,
            &self.delays,
            &self.times,
        ]
    }
}

fn delay(run_at: &When) -> Option<i64> {
    if let When::In(delay) = run_at { Some(milliseconds(*delay)) } else { None }
}

fn time(run_at: &When) -> Option<Timestamp> {
    // What is past is now, and the database knows no time as early as ours may be.
    if let When::At(at) = run_at { Some((*at).max(Timestamp::UNIX_EPOCH)) } else { None }
}

async fn enqueue(
    transaction: &mut Transaction<'_>,
    jobs: &[NewJob],
    rows: &Rows<'_>,
) -> Result<Vec<Enqueued>, QueueError> {
    let mut stored = transaction.query(sql::ENQUEUE, &rows.params()).await?;
    for _ in 0..KEY_ATTEMPTS {
        let first = transaction.query(sql::FIND_KEYS, &[&rows.keys]).await?;
        let by_id = by_id(&stored)?;
        let enqueued: Option<Vec<Enqueued>> =
            jobs.iter().zip(&rows.ids).map(|(job, id)| one(job, *id, &by_id, &first)).collect::<Result<_, _>>()?;
        if let Some(enqueued) = enqueued {
            return Ok(enqueued);
        }
        // A key that was there was swept away before it was looked at.
        stored.extend(transaction.query(sql::ENQUEUE, &rows.params()).await?);
    }
    Err(QueueError::Database(Failure::Serialization))
}

fn enqueued(jobs: &[NewJob], ids: &[uuid::Uuid], stored: &[Row]) -> Result<Vec<Enqueued>, QueueError> {
    let by_id = by_id(stored)?;
    let enqueued = jobs.iter().zip(ids).filter_map(|(new, id)| by_id.get(id).map(|row| new_job(new, *id, row)));
    enqueued.collect()
}

/// Rows come in whichever order.
fn by_id(rows: &[Row]) -> Result<HashMap<uuid::Uuid, &Row>, QueueError> {
    rows.iter().map(|row| Ok((column(row, "id")?, row))).collect()
}

/// What has become of one of many: it was stored, or its key was there. `None`: neither.
fn one(
    new: &NewJob,
    id: uuid::Uuid,
    stored: &HashMap<uuid::Uuid, &Row>,
    first: &[Row],
) -> Result<Option<Enqueued>, QueueError> {
    if let Some(row) = stored.get(&id) {
        return new_job(new, id, row).map(Some);
    }
    for row in first {
        if column::<&str>(row, "key")? == new.key.as_ref().map_or("", JobKey::text) {
            let (first, request): (Job, &[u8]) = (job(row)?, column(row, "request")?);
            if *request != new.request() {
                return Err(QueueError::Conflict { job: first.id });
            }
            return Ok(Some(Enqueued { job: first, is_new: false }));
        }
    }
    Ok(None)
}

fn new_job(new: &NewJob, id: uuid::Uuid, row: &Row) -> Result<Enqueued, QueueError> {
    let (run_at, created_at) = (column(row, "run_at")?, column(row, "created_at")?);
    Ok(Enqueued { job: Job::begun(new, JobId::of_uuid(id), state(row)?, run_at, created_at), is_new: true })
}

/// What an outcome changes.
struct Settled<'a> {
    state: State,
    result: Option<&'a Value>,
    why: Option<String>,
    delay: Option<i64>,
}

impl Settled<'_> {
    fn of(outcome: &Outcome) -> Settled<'_> {
        let (state, result, why, delay) = match outcome {
            Outcome::Completed(result) => (State::Completed, Some(result), None, None),
            Outcome::Again { delay, why } if delay.is_zero() => (State::Ready, None, Some(why), Some(0)),
            Outcome::Again { delay, why } => (State::Scheduled, None, Some(why), Some(milliseconds(*delay))),
            Outcome::Dead { why } => (State::Dead, None, Some(why), None),
            Outcome::Cancelled { why } => (State::Cancelled, None, Some(why), None),
            Outcome::Released => (State::Ready, None, None, None),
        };
        Settled { state, result, why: why.map(|why| words(why)), delay }
    }
}

fn job(row: &Row) -> Result<Job, QueueError> {
    let errors: Value = column(row, "errors")?;
    let errors: Vec<Attempt> = serde_json::from_value(errors).unwrap_or_default();
    let key: Option<&str> = column(row, "key")?;
    Ok(Job {
        id: JobId::of_uuid(column(row, "id")?),
        kind: kind(row)?,
        payload: column(row, "payload")?,
        state: state(row)?,
        key: key.and_then(|key| JobKey::parse(key).ok()),
        priority: column(row, "priority")?,
        tries: small(row, "tries")?,
        tries_max: small(row, "tries_max")?,
        timeout: Duration::from_millis(column::<i32>(row, "timeout_ms")?.unsigned_abs().into()),
        run_at: column(row, "run_at")?,
        created_at: column(row, "created_at")?,
        claimed_at: column(row, "claimed_at")?,
        finished_at: column(row, "finished_at")?,
        lease_until: column(row, "lease_until")?,
        worker: column(row, "worker")?,
        fence: column(row, "fence")?,
        lost: small(row, "lost")?,
        is_cancelling: column(row, "is_cancelling")?,
        result: column(row, "result")?,
        errors,
    })
}

fn held(row: &Row) -> Result<Held, QueueError> {
    let (fence, is_cancelling) = (column(row, "fence")?, column(row, "is_cancelling")?);
    Ok(Held { id: JobId::of_uuid(column(row, "id")?), fence, is_cancelling })
}

fn column<'a, T: tokio_postgres::types::FromSql<'a>>(row: &'a Row, name: &str) -> Result<T, QueueError> {
    row.try_get(name).map_err(|error| QueueError::Database(error.into()))
}

fn small(row: &Row, name: &str) -> Result<u16, QueueError> {
    Ok(column::<i16>(row, name)?.unsigned_abs())
}

/// A word that this version does not know is that of a newer node, and no job of ours.
fn state(row: &Row) -> Result<State, QueueError> {
    State::parse(column(row, "state")?).ok_or(QueueError::Unknown)
}

fn kind(row: &Row) -> Result<KindName, QueueError> {
    KindName::parse(column(row, "kind")?).map_err(|_| QueueError::Unknown)
}

fn number(count: usize) -> i64 {
    i64::try_from(count).unwrap_or(i64::MAX)
}

fn milliseconds(time: Duration) -> i64 {
    i64::try_from(time.min(DELAY_MAX).as_millis()).unwrap_or(i64::MAX)
}
