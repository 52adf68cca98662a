//! Owns jobs in memory: the same rules as in PostgreSQL, under one lock.
//!
//! The one idea: a job stands in one table, and in one index by its state. It is taken out of the index before it changes and
//! put into another one behind that, so the two never disagree.
//!
//! Payloads and results are kept as the text of their JSON: as values they would take up to a hundred times as much.
//!
//! Never: outlives the process: what it holds is lost with it, running jobs included. Never knows another process.
//! Invariants: no more than `jobs_max` jobs; those that are over give way to new ones, the oldest first.

use std::cmp::Reverse;
use std::collections::{BTreeMap, BTreeSet, HashMap, HashSet};
use std::sync::Mutex;
use std::time::Duration;

use jiff::{SignedDuration, Timestamp};
use serde_json::Value;
use tokio::time::Instant;

use super::{Asked, BATCH, ERRORS_MAX, Finish, Held, Moved, Outcome, Retention, SUSPECT_LOST, words};
use crate::app::queue::Enqueued;
use crate::app::queue::domain::{
    Attempt, Counted, Counts, Cursor, DELAY_MAX, Filter, Job, JobId, JobKey, KindName, NewJob, Page, State, When,
};
use crate::app::queue::error::QueueError;
use crate::net::lock::lock;

pub(in crate::app::queue) struct Memory {
    jobs_max: usize,
    clock: Clock,
    shelves: Mutex<Shelves>,
}

/// Time that goes on with tokio's, so that tests need not wait.
struct Clock {
    begun: Timestamp,
    since: Instant,
}

#[derive(Default)]
struct Shelves {
    jobs: BTreeMap<JobId, Job>,
    keys: HashMap<JobKey, ([u8; 32], JobId)>,
    scheduled: BTreeSet<(Timestamp, JobId)>,
    /// By whether they are suspects, and by kind, in the order in which they are worked.
    ready: BTreeMap<(bool, KindName), BTreeSet<Turn>>,
    running: BTreeSet<JobId>,
    over: BTreeSet<(Timestamp, JobId)>,
    /// Until when each is taken for alive.
    workers: HashMap<String, Timestamp>,
    last_fence: i64,
}

type Turn = (Reverse<i16>, Timestamp, JobId);

impl Memory {
    pub fn new(jobs_max: usize) -> Memory {
        let clock = Clock { begun: Timestamp::now(), since: Instant::now() };
        Memory { jobs_max, clock, shelves: Mutex::default() }
    }

    pub fn enqueue(&self, jobs: &[NewJob]) -> Result<Vec<Enqueued>, QueueError> {
        let now = self.clock.now();
        let shelves = &mut *lock(&self.shelves);
        let mut ids = Vec::with_capacity(jobs.len());
        let (mut named, mut kept) = (HashMap::new(), HashSet::new());
        for job in jobs {
            let request = job.key.as_ref().map(|key| (key, job.request()));
            let first = request.and_then(|(key, _)| named.get(key).or_else(|| shelves.keys.get(key)).copied());
            match (request, first) {
                (Some((_, request)), Some((of_first, id))) if request != of_first => {
                    return Err(QueueError::Conflict { job: id });
                }
                (_, Some((_, id))) => drop(kept.insert(id)),
                (request, None) => {
                    let id = JobId::new();
                    ids.push(id);
                    named.extend(request.map(|(key, request)| (key, (request, id))));
                }
            }
        }
        shelves.make_room(ids.len(), self.jobs_max, &kept)?;
        let mut ids = ids.into_iter();
        Ok(jobs.iter().map(|job| shelves.add(job, &mut ids, now)).collect())
    }

    pub fn find(&self, id: JobId) -> Result<Option<Job>, QueueError> {
        let shelves = lock(&self.shelves);
        Ok(shelves.jobs.get(&id).map(|job| shelves.shown(job)))
    }

    pub fn list(&self, filter: &Filter, after: Option<Cursor>, limit: usize) -> Result<Page, QueueError> {
        let shelves = lock(&self.shelves);
        let jobs: Box<dyn Iterator<Item = &Job>> = match after {
            Some(Cursor(id)) => Box::new(shelves.jobs.range(..id).rev().map(|(_, job)| job)),
            None => Box::new(shelves.jobs.values().rev()),
        };
        let is_wanted = |job: &&Job| {
            filter.state.is_none_or(|state| job.state == state)
                && filter.kind.as_ref().is_none_or(|kind| job.kind == *kind)
        };
        let jobs = jobs.filter(is_wanted).take(limit + 1).map(|job| shelves.shown(job)).collect();
        Ok(Page::of(jobs, limit))
    }

    pub fn counts(&self) -> Result<Counts, QueueError> {
        let now = self.clock.now();
        let shelves = lock(&self.shelves);
        let mut by: BTreeMap<(State, &KindName), u64> = BTreeMap::new();
        for job in shelves.jobs.values() {
            *by.entry((job.state, &job.kind)).or_default() += 1;
        }
        let by = by.into_iter().map(|((state, kind), jobs)| Counted { state, kind: kind.clone(), jobs }).collect();
        let oldest = shelves.ready.values().flatten().map(|(_, run_at, _)| *run_at).min();
        Ok(Counts { by, oldest_ready: oldest.map(|oldest| between(oldest, now)) })
    }

    pub fn retry(&self, id: JobId) -> Result<Job, QueueError> {
        let now = self.clock.now();
        let states = [State::Dead, State::Cancelled, State::Discarded, State::Scheduled];
        lock(&self.shelves).change(id, &states, |job| {
            if job.state.is_over() {
                (job.tries, job.lost, job.finished_at) = (0, 0, None);
            }
            (job.state, job.run_at) = (State::Ready, now);
        })
    }

    pub fn discard(&self, id: JobId) -> Result<Job, QueueError> {
        let now = self.clock.now();
        lock(&self.shelves).change(id, &[State::Dead], |job| job.end(State::Discarded, now))
    }

    pub fn cancel(&self, id: JobId) -> Result<Job, QueueError> {
        let now = self.clock.now();
        let states = [State::Scheduled, State::Ready, State::Running];
        lock(&self.shelves).change(id, &states, |job| match job.state {
            State::Running => job.is_cancelling = true,
            _ => job.end(State::Cancelled, now),
        })
    }

    /// It is never away.
    pub fn join(&self, worker: &str, lease: Duration) -> Result<bool, QueueError> {
        let until = after(self.clock.now(), lease);
        lock(&self.shelves).workers.insert(worker.to_owned(), until);
        Ok(true)
    }

    pub fn beat(&self, worker: &str, lease: Duration) -> Result<bool, QueueError> {
        let until = after(self.clock.now(), lease);
        let mut shelves = lock(&self.shelves);
        let alive = shelves.workers.get_mut(worker);
        Ok(alive.map(|alive| *alive = until).is_some())
    }

    pub fn held(&self, worker: &str) -> Result<Vec<Held>, QueueError> {
        let shelves = lock(&self.shelves);
        let running = shelves.running.iter().filter_map(|id| shelves.jobs.get(id));
        let own = running.filter(|job| job.worker.as_deref() == Some(worker));
        Ok(own.map(|job| Held { id: job.id, fence: job.fence, is_cancelling: job.is_cancelling }).collect())
    }

    pub fn leave(&self, worker: &str) -> Result<(), QueueError> {
        lock(&self.shelves).workers.remove(worker);
        Ok(())
    }

    pub fn claim(&self, worker: &str, asked: &Asked) -> Result<Vec<Job>, QueueError> {
        let now = self.clock.now();
        let shelves = &mut *lock(&self.shelves);
        if shelves.workers.get(worker).is_none_or(|until| *until <= now) {
            return Ok(Vec::new());
        }
        let picked = shelves.pick(asked);
        let claimed = picked.into_iter().filter_map(|id| {
            shelves.last_fence += 1;
            let fence = shelves.last_fence;
            let claim = |job: &mut Job| {
                (job.state, job.tries, job.fence) = (State::Running, job.tries + 1, fence);
                (job.worker, job.claimed_at) = (Some(worker.to_owned()), Some(now));
            };
            shelves.change(id, &[State::Ready], claim).ok()
        });
        Ok(claimed.collect())
    }

    pub fn finish(&self, finishes: &[Finish]) -> Result<Vec<i64>, QueueError> {
        let now = self.clock.now();
        let shelves = &mut *lock(&self.shelves);
        let fenced = finishes.iter().filter_map(|Finish { id, fence, outcome }| {
            if shelves.jobs.get(id).is_none_or(|job| job.fence != *fence) {
                return Some(*fence);
            }
            shelves.change(*id, &[State::Running], |job| job.settle(outcome, now)).is_err().then_some(*fence)
        });
        Ok(fenced.collect())
    }

    pub fn advance(&self, may_rescue: bool) -> Result<Moved, QueueError> {
        let now = self.clock.now();
        let shelves = &mut *lock(&self.shelves);
        let rescued = if may_rescue { shelves.rescue(now) } else { 0 };
        let promoted = shelves.promote(now);
        let next = shelves.scheduled.first().map(|(run_at, _)| between(now, *run_at));
        Ok(Moved { promoted, rescued, next })
    }

    pub fn sweep(&self, retention: Retention) -> Result<u64, QueueError> {
        let now = self.clock.now();
        let shelves = &mut *lock(&self.shelves);
        let is_old = |(finished_at, id): &&(Timestamp, JobId)| {
            let is_dead = shelves.jobs.get(id).is_some_and(|job| job.state == State::Dead);
            between(*finished_at, now) >= if is_dead { retention.dead } else { retention.over }
        };
        let old: Vec<JobId> = shelves.over.iter().filter(is_old).take(BATCH).map(|(_, id)| *id).collect();
        old.iter().for_each(|id| shelves.forget(*id));
        Ok(old.len() as u64)
    }
}

impl Shelves {
    /// Lets go of jobs that are over and not to be `kept` until `new` more fit in.
    fn make_room(&mut self, new: usize, jobs_max: usize, kept: &HashSet<JobId>) -> Result<(), QueueError> {
        let surplus = (self.jobs.len() + new).saturating_sub(jobs_max);
        let over = self.over.iter().map(|(_, id)| *id).filter(|id| !kept.contains(id));
        let old: Vec<JobId> = over.take(surplus).collect();
        if old.len() < surplus {
            return Err(QueueError::Full);
        }
        old.iter().for_each(|id| self.forget(*id));
        Ok(())
    }

    /// What is not there already takes the next of `ids`.
    fn add(&mut self, new: &NewJob, ids: &mut impl Iterator<Item = JobId>, now: Timestamp) -> Enqueued {
        let first = new.key.as_ref().and_then(|key| self.keys.get(key)).and_then(|(_, id)| self.jobs.get(id));
        if let Some(first) = first {
            return Enqueued { job: self.shown(first), is_new: false };
        }
        let run_at = match new.run_at {
            When::Now => now,
            When::In(delay) => after(now, delay.min(DELAY_MAX)),
            When::At(at) => at.clamp(now, after(now, DELAY_MAX)),
        };
        let state = if run_at > now { State::Scheduled } else { State::Ready };
        let id = ids.next().expect("there is one for each that is new");
        let job = Job::begun(new, id, state, run_at, now);
        if let Some(key) = &new.key {
            self.keys.insert(key.clone(), (new.request(), job.id));
        }
        self.shelve(&job);
        self.jobs.insert(job.id, Job { payload: packed(&job.payload), ..job.clone() });
        Enqueued { job, is_new: true }
    }

    /// Does `change` to the job called `id`, if it is in one of `states`.
    fn change(&mut self, id: JobId, states: &[State], change: impl FnOnce(&mut Job)) -> Result<Job, QueueError> {
        let Some(mut job) = self.jobs.remove(&id) else { return Err(QueueError::Unknown) };
        let was = job.state;
        if states.contains(&was) {
            self.unshelve(&job);
            change(&mut job);
            self.shelve(&job);
        }
        let shown = self.shown(&job);
        self.jobs.insert(id, job);
        if states.contains(&was) { Ok(shown) } else { Err(QueueError::WrongState(was)) }
    }

    fn forget(&mut self, id: JobId) {
        let Some(job) = self.jobs.remove(&id) else { return };
        self.unshelve(&job);
        if let Some(key) = &job.key {
            self.keys.remove(key);
        }
    }

    fn shelve(&mut self, job: &Job) {
        match job.state {
            State::Scheduled => drop(self.scheduled.insert((job.run_at, job.id))),
            State::Ready => drop(self.ready.entry(lane(job)).or_default().insert(turn(job))),
            State::Running => drop(self.running.insert(job.id)),
            _ => drop(self.over.insert((job.finished_at.unwrap_or(job.created_at), job.id))),
        }
    }

    fn unshelve(&mut self, job: &Job) {
        match job.state {
            State::Scheduled => drop(self.scheduled.remove(&(job.run_at, job.id))),
            State::Ready => {
                let lane = lane(job);
                let turns = self.ready.entry(lane.clone()).or_default();
                turns.remove(&turn(job));
                if turns.is_empty() {
                    self.ready.remove(&lane);
                }
            }
            State::Running => drop(self.running.remove(&job.id)),
            _ => drop(self.over.remove(&(job.finished_at.unwrap_or(job.created_at), job.id))),
        }
    }

    /// The job as it is shown: with values, and with the lease of its worker.
    fn shown(&self, job: &Job) -> Job {
        let worker = job.worker.as_ref().filter(|_| job.state == State::Running);
        let lease_until = worker.and_then(|worker| self.workers.get(worker).copied());
        let (payload, result) = (unpacked(&job.payload), job.result.as_ref().map(unpacked));
        Job { lease_until, payload, result, ..job.clone() }
    }

    fn pick(&self, asked: &Asked) -> Vec<JobId> {
        let of = |is_suspect: bool, kind: &KindName, most: usize| {
            let turns = self.ready.get(&(is_suspect, kind.clone()));
            turns.into_iter().flatten().take(most).map(|(_, _, id)| *id)
        };
        let suspects = asked.asks.iter().flat_map(|ask| of(true, &ask.kind, 1).map(|id| (&ask.kind, id)));
        let suspects: Vec<(&KindName, JobId)> = suspects.take(asked.suspects_max).collect();
        let fresh = asked.asks.iter().flat_map(|ask| {
            let suspected = suspects.iter().filter(|(kind, _)| **kind == ask.kind).count();
            of(false, &ask.kind, ask.share.saturating_sub(suspected))
        });
        suspects.iter().map(|(_, id)| *id).chain(fresh).take(asked.jobs_max).collect()
    }

    fn rescue(&mut self, now: Timestamp) -> u64 {
        self.workers.retain(|_, until| *until > now);
        let is_lost = |id: &&JobId| {
            let worker = self.jobs.get(id).and_then(|job| job.worker.as_ref());
            worker.is_none_or(|worker| !self.workers.contains_key(worker))
        };
        let lost: Vec<JobId> = self.running.iter().filter(is_lost).take(BATCH).copied().collect();
        for id in &lost {
            let _ = self.change(*id, &[State::Running], |job| job.lose_worker(now));
        }
        lost.len() as u64
    }

    fn promote(&mut self, now: Timestamp) -> u64 {
        let due = self.scheduled.iter().take_while(|(run_at, _)| *run_at <= now).take(BATCH);
        let due: Vec<JobId> = due.map(|(_, id)| *id).collect();
        for id in &due {
            let _ = self.change(*id, &[State::Scheduled], |job| job.state = State::Ready);
        }
        due.len() as u64
    }
}

impl Job {
    fn end(&mut self, state: State, now: Timestamp) {
        (self.state, self.finished_at, self.is_cancelling) = (state, Some(now), false);
    }

    fn settle(&mut self, outcome: &Outcome, now: Timestamp) {
        if *outcome != Outcome::Released {
            self.lost = 0;
        }
        match outcome {
            // Who wanted its end has it now.
            Outcome::Again { why, .. } if self.is_cancelling => {
                self.remember(why, now);
                self.end(State::Cancelled, now);
            }
            Outcome::Released if self.is_cancelling => {
                self.tries = self.tries.saturating_sub(1);
                self.end(State::Cancelled, now);
            }
            Outcome::Completed(result) => {
                self.result = Some(packed(result));
                self.end(State::Completed, now);
            }
            Outcome::Again { delay, why } => {
                self.remember(why, now);
                self.run_at = after(now, *delay);
                self.state = if delay.is_zero() { State::Ready } else { State::Scheduled };
            }
            Outcome::Dead { why } => {
                self.remember(why, now);
                self.end(State::Dead, now);
            }
            Outcome::Cancelled { why } => {
                self.remember(why, now);
                self.end(State::Cancelled, now);
            }
            Outcome::Released => (self.state, self.tries) = (State::Ready, self.tries.saturating_sub(1)),
        }
    }

    fn lose_worker(&mut self, now: Timestamp) {
        self.lost += 1;
        let worker = self.worker.as_deref().unwrap_or_default();
        self.remember(&format!("worker lost: {worker}"), now);
        if self.is_cancelling {
            self.end(State::Cancelled, now);
        } else if self.tries >= self.tries_max {
            self.end(State::Dead, now);
        } else {
            self.state = State::Ready;
        }
    }

    fn remember(&mut self, why: &str, now: Timestamp) {
        if self.errors.len() == ERRORS_MAX {
            self.errors.remove(0);
        }
        self.errors.push(Attempt { at: now, number: self.tries, why: words(why) });
    }
}

impl Clock {
    fn now(&self) -> Timestamp {
        after(self.begun, self.since.elapsed())
    }
}

/// A value as the text of its JSON.
fn packed(value: &Value) -> Value {
    Value::String(value.to_string())
}

fn unpacked(text: &Value) -> Value {
    text.as_str().and_then(|text| serde_json::from_str(text).ok()).unwrap_or_default()
}

fn lane(job: &Job) -> (bool, KindName) {
    (job.lost >= SUSPECT_LOST, job.kind.clone())
}

fn turn(job: &Job) -> Turn {
    (Reverse(job.priority), job.run_at, job.id)
}

fn after(begin: Timestamp, time: Duration) -> Timestamp {
    let time = SignedDuration::try_from(time).unwrap_or(SignedDuration::MAX);
    begin.checked_add(time).unwrap_or(Timestamp::MAX)
}

/// From `begin` to `end`; nothing when that is in the past.
fn between(begin: Timestamp, end: Timestamp) -> Duration {
    end.duration_since(begin).try_into().unwrap_or_default()
}
