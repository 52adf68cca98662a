//! Owns schedules in PostgreSQL, and how of any number of nodes one makes the job of an instant.
//!
//! The one idea: `UPDATE … WHERE seen_until < instant` is the election. Who changes the row goes on; who comes second waits for
//! the first's transaction, and changes none.
//!
//! Never: says what time it is: `now()` does.

use jiff::Timestamp;
use serde_json::Value;
use uuid::Uuid;

use super::{Due, Listed, NewSchedule, SCHEDULES_MAX, Schedule, ScheduleError, ScheduleName};
use crate::app::queue::cron::{Cron, Zone};
use crate::app::queue::domain::{JobId, KindName};
use crate::app::queue::{Queue, QueueError};
use crate::db;
use crate::db::postgres::{Failure, Row};

/// Columns of a schedule, in the order of [`read`]. JSON goes as text, so that numbers stay as they were written.
macro_rules! columns {
    () => {
        "name, cron, zone, kind, payload, is_enabled, created_at, seen_until, last_at, last_job"
    };
}

const LIST: &str = concat!("SELECT ", columns!(), " FROM queue_schedules ORDER BY name");

const NOW: &str = "SELECT clock_timestamp()";

const LOCK: &str = "LOCK TABLE queue_schedules IN SHARE ROW EXCLUSIVE MODE";

const COUNT: &str = "SELECT count(*) FROM queue_schedules";

const CREATE: &str = concat!(
    "INSERT INTO queue_schedules (name, cron, zone, kind, payload, is_enabled) VALUES ($1, $2, $3, $4, $5, $6)
     ON CONFLICT (name) DO NOTHING RETURNING ",
    columns!()
);

const DELETE: &str = "DELETE FROM queue_schedules WHERE name = $1";

/// What has passed while it was disabled is seen to.
const ENABLE: &str = concat!(
    "UPDATE queue_schedules
     SET seen_until = CASE WHEN $2 AND NOT is_enabled THEN greatest(seen_until, clock_timestamp()) ELSE seen_until END,
         is_enabled = $2
     WHERE name = $1 RETURNING ",
    columns!()
);

/// Of a schedule that is still the one that was looked at.
const ELECT: &str = "UPDATE queue_schedules SET seen_until = $2
     WHERE name = $1 AND seen_until < $2 AND is_enabled AND created_at = $3";

const LAST: &str = "UPDATE queue_schedules SET last_at = $2, last_job = $3 WHERE name = $1";

#[derive(Clone)]
pub(super) struct Postgres {
    database: db::Postgres,
}

impl Postgres {
    pub fn new(database: db::Postgres) -> Postgres {
        Postgres { database }
    }

    pub async fn create(&self, new: &NewSchedule) -> Result<Schedule, ScheduleError> {
        let mut client = self.database.client().await?;
        let mut transaction = client.transaction().await?;
        transaction.execute(LOCK, &[]).await?;
        let count: i64 = transaction.query_opt(COUNT, &[]).await?.map_or(0, |row| row.get(0));
        let NewSchedule { name, cron, kind, payload, is_enabled } = new;
        let (cron_text, zone) = (cron.to_string(), cron.zone().name());
        let params: &[&(dyn db::postgres::ToSql + Sync)] =
            &[&name.text(), &cron_text, &zone, &kind.text(), payload, is_enabled];
        let Some(row) = transaction.query_opt(CREATE, params).await? else { return Err(ScheduleError::Taken) };
        if count >= SCHEDULES_MAX as i64 {
            return Err(ScheduleError::Full);
        }
        transaction.commit().await?;
        read(&row).ok_or(ScheduleError::Unknown)
    }

    pub async fn list(&self) -> Result<Listed, ScheduleError> {
        let mut client = self.database.client().await?;
        let rows = client.query(LIST, &[]).await?;
        // Behind the rows: an instant that is due by this clock is due for each of them.
        let now = client.query_opt(NOW, &[]).await?.map_or(Timestamp::MIN, |row| row.get(0));
        let mut listed = Listed { now, schedules: Vec::new(), unreadable: Vec::new() };
        for row in &rows {
            match read(row) {
                Some(schedule) => listed.schedules.push(schedule),
                None => listed.unreadable.push(row.get(0)),
            }
        }
        Ok(listed)
    }

    pub async fn delete(&self, name: &ScheduleName) -> Result<bool, ScheduleError> {
        Ok(self.database.client().await?.execute(DELETE, &[&name.text()]).await? > 0)
    }

    pub async fn enable(&self, name: &ScheduleName, is_enabled: bool) -> Result<Option<Schedule>, ScheduleError> {
        let row = self.database.client().await?.query_opt(ENABLE, &[&name.text(), &is_enabled]).await?;
        Ok(row.as_ref().and_then(read))
    }

    /// Whether this node was the first.
    pub async fn make(&self, queue: &Queue, schedule: &Schedule, due: &Due) -> Result<bool, ScheduleError> {
        let name = schedule.what.name.text();
        let mut client = self.database.client().await?;
        let mut transaction = client.transaction().await?;
        if transaction.execute(ELECT, &[&name, &due.at, &schedule.created_at]).await? == 0 {
            return Ok(false);
        }
        let (job, is_new) = match queue.enqueue_in(&mut transaction, &due.job).await {
            Ok(enqueued) => (enqueued.job.id, enqueued.is_new),
            // A schedule of this name had this instant, and was another one.
            Err(QueueError::Conflict { job }) => (job, false),
            Err(error) => return Err(error.into()),
        };
        transaction.execute(LAST, &[&name, &due.at, &job.uuid()]).await?;
        transaction.commit().await?;
        Ok(is_new)
    }
}

/// A schedule as it was stored, if this node can read it.
fn read(row: &Row) -> Option<Schedule> {
    let text = |at: usize| row.get::<_, &str>(at);
    let cron = Cron::parse(text(1)).ok()?.in_zone(Zone::parse(text(2)).ok()?);
    let last: (Option<Timestamp>, Option<Uuid>) = (row.get(8), row.get(9));
    let what = NewSchedule {
        name: ScheduleName::parse(text(0)).ok()?,
        cron,
        kind: KindName::parse(text(3)).ok()?,
        payload: row.get::<_, Value>(4),
        is_enabled: row.get(5),
    };
    let last = last.0.zip(last.1.map(JobId::of_uuid));
    Some(Schedule { what, created_at: row.get(6), seen_until: row.get(7), last })
}

impl From<db::Unavailable> for ScheduleError {
    fn from(unavailable: db::Unavailable) -> ScheduleError {
        Failure::from(unavailable).into()
    }
}
