//! Owns the sign of life of a process, and what follows when it cannot be given.
//!
//! ```text
//!   join ──> beat, beat, beat … ──store says: lost──> stop all jobs ──> join anew, under another name
//!                  └ no answer for a lease ──> stop all jobs; the next answer says what has become of it
//! ```
//!
//! The one idea: the store is asked what this process holds, behind each beat. A claim whose answer was lost on the way is in the
//! store and not here: it is given back, and does not wait for the process to die. One that is here and not in the store was taken
//! by somebody: its work stops. Both only when it is so twice: a claim or an end may be under way.
//!
//! Who has missed a beat does not take others for lost until it has been heard twice: it may have been the store that was away, and
//! for all of them. A newcomer, who cannot know, does so too, unless some worker has been in touch all the while.

use std::collections::HashSet;
use std::sync::Arc;
use std::sync::atomic::Ordering::Relaxed;
use std::time::Duration;

use tokio::time::{Instant, sleep, sleep_until, timeout_at};

use super::crew::Crew;
use super::floor::Stopped;
use crate::app::queue::store::{Finish, Held, Outcome};
use crate::crypto;

/// Before the next attempt when a beat was not heard.
const PAUSE: Duration = Duration::from_millis(250);

/// Beats in a row until others may be taken for lost.
const HEARD_MIN: u32 = 2;

/// For as long as there is a runtime.
pub(super) async fn pulse(crew: Arc<Crew>) {
    loop {
        let (name, heard) = join(&crew).await;
        crew.may_rescue.store(heard >= HEARD_MIN, Relaxed);
        crew.name.send_replace(Some(Arc::clone(&name)));
        beat_until_lost(&crew, &name, heard).await;
        tracing::warn!(worker = %name, jobs = crew.floor().len(), "this process was taken for lost: its jobs are those of others");
        crew.name.send_replace(None);
        crew.floor().stop(Stopped::LeaseOver);
    }
}

/// The name under which the process is known from now on, and how many beats it need not wait for.
async fn join(crew: &Crew) -> (Arc<str>, u32) {
    loop {
        let name = new_name();
        match crew.queue.inner.store.join(&name, crew.config.lease).await {
            Ok(was_heard) => return (name, if was_heard { HEARD_MIN } else { 0 }),
            Err(error) => tracing::debug!(%error, "the workers have not joined yet"),
        }
        sleep(PAUSE).await;
    }
}

/// `heard`: beats in a row since one was not heard.
async fn beat_until_lost(crew: &Crew, name: &str, mut heard: u32) {
    let config = &crew.config;
    let mut alive_until = Instant::now() + config.lease;
    let mut doubted = Doubted::default();
    let mut next = Instant::now() + config.heartbeat;
    loop {
        sleep_until(next).await;
        let begun = Instant::now();
        // An answer behind the end of the lease is too late, and the work has to stop by then.
        let limit = begun + config.heartbeat;
        let limit = if begun < alive_until { limit.min(alive_until) } else { limit };
        match timeout_at(limit, crew.queue.inner.store.beat(name, config.lease)).await {
            Ok(Ok(false)) => return,
            Ok(Ok(true)) => {
                alive_until = begun + config.lease;
                heard += 1;
                next = begun + config.heartbeat;
                doubted.reconcile(crew, name, next).await;
            }
            Ok(Err(_)) | Err(_) => {
                heard = 0;
                next = Instant::now() + PAUSE;
            }
        }
        crew.may_rescue.store(heard >= HEARD_MIN, Relaxed);
        if Instant::now() >= alive_until {
            crew.floor().stop(Stopped::LeaseOver);
        } else {
            next = next.min(alive_until);
        }
    }
}

/// A name that no worker has had: its process, and a random number.
fn new_name() -> Arc<str> {
    format!("{}-{:08x}", std::process::id(), u32::from_be_bytes(crypto::random())).into()
}

/// Claims that were in one of the two places at the last look.
#[derive(Default)]
struct Doubted {
    /// In the store and not here.
    there: HashSet<i64>,
    /// Here and not in the store.
    here: HashSet<i64>,
}

impl Doubted {
    /// Stops what is not wanted or no longer ours, and gives back what is in the store alone. No look, no doubt: the next beat
    /// brings another one.
    async fn reconcile(&mut self, crew: &Crew, name: &str, limit: Instant) {
        let Ok(Ok(held)) = timeout_at(limit, crew.queue.inner.store.held(name)).await else { return };
        for held in held.iter().filter(|held| held.is_cancelling) {
            crew.floor().cancel(held.id);
        }
        let fences = crew.floor().fences();
        let (there, here) = compare(&held, &fences);
        for held in held.iter().filter(|held| there.contains(&held.fence) && self.there.contains(&held.fence)) {
            tracing::warn!(job = %held.id, "a claim whose answer was lost is given back");
            drop(crew.write(Finish { id: held.id, fence: held.fence, outcome: Outcome::Released }));
        }
        for fence in here.intersection(&self.here) {
            crew.floor().stop_one(*fence, Stopped::LeaseOver);
        }
        *self = Doubted { there, here };
    }
}

/// What is in the store alone, and what is here alone.
fn compare(held: &[Held], fences: &HashSet<i64>) -> (HashSet<i64>, HashSet<i64>) {
    let held: HashSet<i64> = held.iter().map(|held| held.fence).collect();
    (held.difference(fences).copied().collect(), fences.difference(&held).copied().collect())
}
