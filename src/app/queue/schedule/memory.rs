//! Owns schedules in memory.
//!
//! Never: outlives the process, and never knows another one: so each instant is seen to by whoever is here.

use std::collections::BTreeMap;
use std::sync::Mutex;

use jiff::Timestamp;
use tokio::time::Instant;

use super::{Due, Listed, NewSchedule, SCHEDULES_MAX, Schedule, ScheduleError, ScheduleName, signed};
use crate::app::queue::{Queue, QueueError};
use crate::net::lock::lock;

pub(super) struct Memory {
    /// Goes on with tokio's time, so that tests need not wait.
    begun: (Timestamp, Instant),
    schedules: Mutex<BTreeMap<ScheduleName, Schedule>>,
}

impl Memory {
    pub fn new() -> Memory {
        Memory { begun: (Timestamp::now(), Instant::now()), schedules: Mutex::default() }
    }

    pub fn create(&self, new: &NewSchedule) -> Result<Schedule, ScheduleError> {
        let now = self.now();
        let mut schedules = lock(&self.schedules);
        if schedules.contains_key(&new.name) {
            return Err(ScheduleError::Taken);
        }
        if schedules.len() >= SCHEDULES_MAX {
            return Err(ScheduleError::Full);
        }
        let created = Schedule { what: new.clone(), created_at: now, seen_until: now, last: None };
        schedules.insert(new.name.clone(), created.clone());
        Ok(created)
    }

    pub fn list(&self) -> Result<Listed, ScheduleError> {
        let schedules = lock(&self.schedules).values().cloned().collect();
        Ok(Listed { now: self.now(), schedules, unreadable: Vec::new() })
    }

    pub fn delete(&self, name: &ScheduleName) -> Result<bool, ScheduleError> {
        Ok(lock(&self.schedules).remove(name).is_some())
    }

    pub fn enable(&self, name: &ScheduleName, is_enabled: bool) -> Result<Option<Schedule>, ScheduleError> {
        let now = self.now();
        let mut schedules = lock(&self.schedules);
        Ok(schedules.get_mut(name).map(|schedule| {
            if is_enabled && !schedule.what.is_enabled {
                schedule.seen_until = now;
            }
            schedule.what.is_enabled = is_enabled;
            schedule.clone()
        }))
    }

    /// The queue is in memory too: a key that is there already stands for whoever was faster.
    pub async fn make(&self, queue: &Queue, name: &ScheduleName, due: &Due) -> Result<bool, ScheduleError> {
        let (job, is_new) = match queue.enqueue(&due.job).await {
            Ok(enqueued) => (enqueued.job.id, enqueued.is_new),
            Err(QueueError::Conflict { job }) => (job, false),
            Err(error) => return Err(error.into()),
        };
        if let Some(schedule) = lock(&self.schedules).get_mut(name) {
            (schedule.seen_until, schedule.last) = (schedule.seen_until.max(due.at), Some((due.at, job)));
        }
        Ok(is_new)
    }

    fn now(&self) -> Timestamp {
        let (begun, since) = self.begun;
        begun.checked_add(signed(since.elapsed())).unwrap_or(Timestamp::MAX)
    }
}
