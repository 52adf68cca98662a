//! Owns which jobs this process has on its hands, and what it asks for next.
//!
//! ```text
//!   8 places, 5 taken:  echo ×4   sleep ×1          ask for 3, of echo no more than 6 - 4 = 2,
//!                       └ at most 6: two are left    sleep first: it has the fewest
//!                         to the other kinds
//! ```
//!
//! The one idea: no kind may take all places while there are others. A kind whose jobs hang or fail without end fills three
//! quarters, and the others go on in the rest; of kinds that wait, the one with the fewest places comes first.
//!
//! A suspect is worked beside no other one: it may kill the process, and those that are innocent with it. That is seen soon. One
//! that goes on for longer than [`Floor::quarantine`] hangs or is slow, like any other job, and must not keep the other
//! suspects waiting.
//!
//! Never: waits; asks a clock.
//! Invariants: no more jobs than places; a fence stands for one place.

use std::collections::{BTreeMap, BTreeSet, HashMap, HashSet};
use std::time::Duration;

use tokio::time::Instant;

use crate::app::queue::domain::{Job, JobId, KindName};
use crate::app::queue::store::{Ask, Asked, SUSPECT_LOST};
use crate::net::context::{Context, Reason};

/// The places of a process.
pub(super) struct Floor {
    kinds: Vec<KindName>,
    places_max: usize,
    /// For how long a suspect is worked alone.
    quarantine: Duration,
    taken: HashMap<i64, Place>,
    /// Kinds of which there was something when they were asked for last.
    active: BTreeSet<KindName>,
    /// Counts the asks, so that kinds that are alike take turns.
    round: usize,
}

struct Place {
    id: JobId,
    kind: KindName,
    /// Until when it is the one suspect. `None`: it is none.
    suspect_until: Option<Instant>,
    context: Context,
    stopped: Option<Stopped>,
}

/// Why a try was stopped from here.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Stopped {
    /// Somebody wants the job no more.
    Cancelled,
    /// The worker could not say in time that it is alive: another one may have the job.
    LeaseOver,
    /// The worker ends.
    Ending,
}

impl Floor {
    pub fn new(kinds: Vec<KindName>, places_max: usize, quarantine: Duration) -> Floor {
        Floor { kinds, places_max, quarantine, taken: HashMap::new(), active: BTreeSet::new(), round: 0 }
    }

    /// What to ask for now. `None` when there is no place for anything.
    pub fn ask(&mut self, now: Instant) -> Option<Asked> {
        let free = self.places_max.saturating_sub(self.taken.len());
        if free == 0 || self.kinds.is_empty() {
            return None;
        }
        self.round += 1;
        let mut of_kind: BTreeMap<&KindName, usize> = BTreeMap::new();
        for place in self.taken.values() {
            *of_kind.entry(&place.kind).or_default() += 1;
        }
        let most = self.most_of_a_kind();
        let even = free.div_ceil(self.active.len().max(1));
        let mut asks: Vec<(usize, Ask)> = Vec::with_capacity(self.kinds.len());
        let turn = self.round % self.kinds.len();
        for kind in self.kinds[turn..].iter().chain(&self.kinds[..turn]) {
            let has = of_kind.get(kind).copied().unwrap_or(0);
            let share = if self.active.contains(kind) || self.active.is_empty() { even } else { 1 };
            let share = share.min(most.saturating_sub(has));
            asks.push((has, Ask { kind: kind.clone(), share }));
        }
        asks.retain(|(_, ask)| ask.share > 0);
        asks.sort_by_key(|(has, _)| *has);
        let has_suspect = self.taken.values().any(|place| place.suspect_until.is_some_and(|until| now < until));
        // Where a kind has one place alone, suspects and others take turns.
        let may_suspect = !has_suspect && (most > 1 || self.round.is_multiple_of(2));
        let asks: Vec<Ask> = asks.into_iter().map(|(_, ask)| ask).collect();
        (!asks.is_empty()).then(|| Asked { asks, jobs_max: free, suspects_max: usize::from(may_suspect) })
    }

    /// Learns from what `asked` has brought. Whether there may be more.
    pub fn learn(&mut self, asked: &Asked, brought: &[Job]) -> bool {
        let mut of_kind: BTreeMap<&KindName, usize> = BTreeMap::new();
        for job in brought {
            *of_kind.entry(&job.kind).or_default() += 1;
        }
        let mut may_be_more = false;
        let was_cut = brought.len() >= asked.jobs_max;
        for ask in &asked.asks {
            match of_kind.get(&ask.kind) {
                Some(number) => {
                    may_be_more |= *number >= ask.share;
                    self.active.insert(ask.kind.clone());
                }
                // Those behind the last place were not looked for.
                None if !was_cut => drop(self.active.remove(&ask.kind)),
                None => {}
            }
        }
        may_be_more || was_cut
    }

    /// Gives `job` a place.
    pub fn begin(&mut self, job: &Job, context: Context, now: Instant) {
        let suspect_until = (job.lost >= SUSPECT_LOST).then(|| now + self.quarantine);
        let place = Place { id: job.id, kind: job.kind.clone(), suspect_until, context, stopped: None };
        let before = self.taken.insert(job.fence, place);
        assert!(before.is_none(), "two claims have one number");
    }

    /// The place of the claim is free.
    pub fn end(&mut self, fence: i64) {
        self.taken.remove(&fence);
    }

    /// Whether a place that becomes free is asked for at once.
    pub fn has_active(&self) -> bool {
        !self.active.is_empty()
    }

    /// The claims that have a place.
    pub fn fences(&self) -> HashSet<i64> {
        self.taken.keys().copied().collect()
    }

    pub fn len(&self) -> usize {
        self.taken.len()
    }

    /// Why the try of the claim was stopped, if it was.
    pub fn stopped(&self, fence: i64) -> Option<Stopped> {
        self.taken.get(&fence).and_then(|place| place.stopped)
    }

    /// Stops the try of the job called `id`, for somebody who wants it no more.
    pub fn cancel(&mut self, id: JobId) {
        self.taken.values_mut().filter(|place| place.id == id).for_each(|place| place.stop(Stopped::Cancelled));
    }

    /// Stops the try of one claim.
    pub fn stop_one(&mut self, fence: i64, why: Stopped) {
        self.taken.get_mut(&fence).into_iter().for_each(|place| place.stop(why));
    }

    /// Stops all tries.
    pub fn stop(&mut self, why: Stopped) {
        self.taken.values_mut().for_each(|place| place.stop(why));
    }

    /// Places that one kind may have: three quarters where there are others.
    fn most_of_a_kind(&self) -> usize {
        match self.kinds.len() {
            1 => self.places_max,
            _ => (self.places_max - self.places_max.div_ceil(4)).max(1),
        }
    }
}

impl Place {
    fn stop(&mut self, why: Stopped) {
        if self.stopped.is_none() {
            self.stopped = Some(why);
            let reason = if why == Stopped::Ending { Reason::Shutdown } else { Reason::Caller };
            self.context.cancel(reason);
        }
    }
}

#[cfg(test)]
mod tests {
    use jiff::Timestamp;
    use serde_json::Value;

    use super::*;
    use crate::app::queue::domain::{NewJob, State};

    const QUARANTINE: Duration = Duration::from_secs(2);

    fn job(kind: &str, fence: i64, lost: u16) -> Job {
        let new = NewJob::new(KindName::known(kind), Value::Null);
        let job = Job::begun(&new, JobId::new(), State::Running, Timestamp::UNIX_EPOCH, Timestamp::UNIX_EPOCH);
        Job { fence, lost, ..job }
    }

    fn floor(kinds: &[&str], places_max: usize) -> Floor {
        Floor::new(kinds.iter().map(|kind| KindName::known(kind)).collect(), places_max, QUARANTINE)
    }

    fn shares(asked: &Asked) -> Vec<(&str, usize)> {
        asked.asks.iter().map(|ask| (ask.kind.text(), ask.share)).collect()
    }

    #[test]
    fn a_kind_that_hangs_leaves_a_quarter_to_the_others() {
        let mut floor = floor(&["poison", "a", "b"], 8);
        let asked = floor.ask(Instant::now()).expect("places");
        assert_eq!(asked.jobs_max, 8);
        assert!(asked.asks.iter().all(|ask| ask.share == 6), "{asked:?}");
        let brought: Vec<Job> = (0..6).map(|fence| job("poison", fence, 0)).collect();
        brought.iter().for_each(|job| floor.begin(job, Context::root(), Instant::now()));
        assert!(floor.learn(&asked, &brought));
        for _ in 0..10 {
            let asked = floor.ask(Instant::now()).expect("two places");
            assert_eq!(asked.jobs_max, 2);
            assert!(asked.asks.iter().all(|ask| ask.kind.text() != "poison"), "{asked:?}");
        }
    }

    #[test]
    fn who_has_the_fewest_places_comes_first_and_the_others_take_turns() {
        let mut floor = floor(&["a", "b", "c"], 8);
        floor.begin(&job("a", 1, 0), Context::root(), Instant::now());
        let mut firsts = BTreeSet::new();
        for _ in 0..6 {
            let asked = floor.ask(Instant::now()).expect("places");
            let order = shares(&asked);
            assert_eq!(order[2].0, "a");
            firsts.insert(order[0].0.to_owned());
        }
        assert_eq!(firsts.len(), 2);
    }

    #[test]
    fn kinds_of_which_there_is_nothing_are_looked_at_and_no_more() {
        let mut floor = floor(&["a", "b", "c"], 8);
        let asked = floor.ask(Instant::now()).expect("places");
        floor.learn(&asked, &[job("a", 1, 0)]);
        let asked = floor.ask(Instant::now()).expect("places");
        let mut seen = shares(&asked);
        seen.sort_unstable();
        assert_eq!(seen, [("a", 6), ("b", 1), ("c", 1)]);
        floor.learn(&asked, &[job("a", 2, 0), job("b", 3, 0)]);
        let asked = floor.ask(Instant::now()).expect("places");
        let mut seen = shares(&asked);
        seen.sort_unstable();
        assert_eq!(seen, [("a", 4), ("b", 4), ("c", 1)]);
        assert!(!floor.learn(&asked, &[]));
    }

    #[test]
    fn one_place_is_never_that_of_one_kind_for_ever() {
        let mut floor = floor(&["a", "b"], 1);
        let mut firsts = BTreeSet::new();
        for fence in 0..4 {
            let asked = floor.ask(Instant::now()).expect("a place");
            let (first, share) = shares(&asked)[0];
            assert_eq!(share, 1);
            firsts.insert(first.to_owned());
            let brought = job(first, fence, 0);
            floor.begin(&brought, Context::root(), Instant::now());
            floor.learn(&asked, std::slice::from_ref(&brought));
            assert_eq!(floor.ask(Instant::now()), None);
            floor.end(fence);
        }
        assert_eq!(firsts.len(), 2);
    }

    #[test]
    fn one_suspect_at_a_time() {
        let mut floor = floor(&["a"], 4);
        assert_eq!(floor.ask(Instant::now()).expect("places").suspects_max, 1);
        floor.begin(&job("a", 1, SUSPECT_LOST - 1), Context::root(), Instant::now());
        assert_eq!(floor.ask(Instant::now()).expect("places").suspects_max, 1);
        floor.begin(&job("a", 2, SUSPECT_LOST), Context::root(), Instant::now());
        assert_eq!(floor.ask(Instant::now()).expect("places").suspects_max, 0);
        floor.end(2);
        assert_eq!(floor.ask(Instant::now()).expect("places").suspects_max, 1);
    }

    #[test]
    fn a_suspect_that_hangs_keeps_no_other_one_waiting() {
        let (mut floor, now) = (floor(&["hangs", "innocent"], 4), Instant::now());
        floor.begin(&job("hangs", 1, SUSPECT_LOST), Context::root(), now);
        for (later, expected) in [(Duration::ZERO, 0), (QUARANTINE / 2, 0), (QUARANTINE, 1), (QUARANTINE * 9, 1)] {
            assert_eq!(floor.ask(now + later).expect("places").suspects_max, expected, "{later:?}");
        }
        floor.begin(&job("hangs", 2, SUSPECT_LOST), Context::root(), now + QUARANTINE);
        assert_eq!(floor.ask(now + QUARANTINE).expect("places").suspects_max, 0, "the next one is alone again");
    }

    #[test]
    fn who_is_stopped_knows_why_and_the_first_reason_stays() {
        let mut floor = floor(&["a"], 4);
        let (one, other) = (job("a", 1, 0), job("a", 2, 0));
        let contexts = [Context::root(), Context::root()];
        floor.begin(&one, contexts[0].clone(), Instant::now());
        floor.begin(&other, contexts[1].clone(), Instant::now());
        floor.cancel(one.id);
        assert_eq!((contexts[0].reason(), contexts[1].reason()), (Some(Reason::Caller), None));
        floor.stop(Stopped::Ending);
        assert_eq!((floor.stopped(1), floor.stopped(2)), (Some(Stopped::Cancelled), Some(Stopped::Ending)));
        assert_eq!(contexts[1].reason(), Some(Reason::Shutdown));
        floor.end(1);
        floor.stop_one(1, Stopped::LeaseOver);
        assert!(floor.fences() == HashSet::from([2]) && floor.len() == 1);
    }
}
