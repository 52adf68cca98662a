//! Owns the sign of life of a process, and what follows when it cannot be given.
//!
//! ```text
//!   join ──> beat, beat, beat … ──store says: lost──> stop all jobs ──> join anew, under another name
//!                  └ no answer for a lease ──> stop all jobs; the next answer says what has become of it
//! ```
//!
//! The one idea: the store says what this process holds, with each beat. A claim whose answer was lost on the way is in the store
//! and not here: it is given back, and does not wait for the process to die.
//!
//! Who has missed a beat does not take others for lost until it has been heard twice: it may have been the store that was away, and
//! for all of them.

use std::collections::HashSet;
use std::sync::Arc;
use std::sync::atomic::Ordering::Relaxed;
use std::time::Duration;

use tokio::time::{Instant, sleep, timeout};

use super::crew::{Crew, new_name, unknown};
use super::floor::Stopped;
use crate::app::queue::store::{Beat, Finish, Held, Outcome};

/// Before the next attempt when a beat was not heard.
const PAUSE: Duration = Duration::from_millis(250);

/// For as long as there is a runtime.
pub(super) async fn pulse(crew: Arc<Crew>) {
    loop {
        let name = join(&crew).await;
        crew.name.send_replace(Some(Arc::clone(&name)));
        beat_until_lost(&crew, &name).await;
        tracing::warn!(worker = %name, jobs = crew.floor().len(), "this process was taken for lost: its jobs are those of others");
        crew.name.send_replace(None);
        crew.floor().stop(Stopped::LeaseOver);
    }
}

/// The name under which the process is known from now on.
async fn join(crew: &Crew) -> Arc<str> {
    loop {
        let name = new_name();
        match crew.queue.inner.store.join(&name, crew.config.lease).await {
            Ok(()) => {
                crew.may_rescue.store(true, Relaxed);
                return name;
            }
            Err(error) => tracing::debug!(%error, "the workers have not joined yet"),
        }
        sleep(PAUSE).await;
    }
}

async fn beat_until_lost(crew: &Crew, name: &str) {
    let config = &crew.config;
    let mut alive_until = Instant::now() + config.lease;
    let mut missing = HashSet::new();
    // Beats in a row since one was not heard.
    let mut heard = 2_u32;
    let mut wait = config.heartbeat;
    loop {
        sleep(wait).await;
        let begun = Instant::now();
        let beat = timeout(config.heartbeat, crew.queue.inner.store.beat(name, config.lease)).await;
        match beat {
            Ok(Ok(Beat { is_lost: true, .. })) => return,
            Ok(Ok(Beat { held, .. })) => {
                alive_until = begun + config.lease;
                heard += 1;
                wait = config.heartbeat;
                reconcile(crew, &held, &mut missing);
            }
            Ok(Err(_)) | Err(_) => {
                heard = 0;
                wait = PAUSE;
            }
        }
        crew.may_rescue.store(heard >= 2, Relaxed);
        if Instant::now() >= alive_until {
            crew.floor().stop(Stopped::LeaseOver);
        }
    }
}

/// Stops what is not wanted, and gives back what was missing here at the last beat too.
fn reconcile(crew: &Crew, held: &[Held], missing: &mut HashSet<i64>) {
    for held in held.iter().filter(|held| held.is_cancelling) {
        crew.floor().cancel(held.id);
    }
    let unknown = unknown(crew, held);
    for held in held.iter().filter(|held| unknown.contains(&held.fence) && missing.contains(&held.fence)) {
        tracing::warn!(job = %held.id, "a claim whose answer was lost is given back");
        drop(crew.write(Finish { id: held.id, fence: held.fence, outcome: Outcome::Released }));
    }
    *missing = unknown;
}
