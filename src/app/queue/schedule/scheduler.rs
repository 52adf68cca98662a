//! Owns the task that looks at the clock.
//!
//! ```text
//!   look ──> a job for each instant that is due ──> sleep until the next, but no longer than look_time ──┐
//!    ^                                                     └ a schedule was stored here: look at once    │
//!    └───────────────────────────────────────────────────────────────────────────────────────────────────┘
//! ```
//!
//! The one idea: every node has one, and none is special. There is no leader to lose.
//!
//! Never: holds up a shutdown: what it is at is done by another node, or at the next start.

use std::time::Duration;

use jiff::Timestamp;
use tokio::task::JoinHandle;
use tokio::time::sleep;

use super::{Looked, ScheduleError, Schedules};
use crate::net::shutdown::Shutdown;

/// Between two looks at a clock that was not quite there yet.
const LOOK_TIME_MIN: Duration = Duration::from_millis(5);

/// Before the next look when the last one failed.
const FAILED_TIME: Duration = Duration::from_secs(1);

/// How a scheduler goes about it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct SchedulerConfig {
    /// How late an instant that was missed may run. Default: 12 h. Larger: an outage of a day is made up for, with a run nobody may
    /// want any more.
    pub window: Duration,
    /// Longest time between two looks. Default: 5 s. A schedule that another node has stored may be as late for its first instant.
    pub look_time: Duration,
}

impl Default for SchedulerConfig {
    fn default() -> SchedulerConfig {
        SchedulerConfig { window: Duration::from_secs(12 * 60 * 60), look_time: Duration::from_secs(5) }
    }
}

/// The task of a process. Dropped, it goes on until the shutdown.
pub struct Scheduler {
    task: JoinHandle<()>,
}

impl Scheduler {
    /// Sees to `schedules` until `shutdown` begins.
    ///
    /// # Panics
    /// Outside of a tokio runtime.
    pub fn start(schedules: Schedules, config: SchedulerConfig, shutdown: Shutdown) -> Scheduler {
        let task = tokio::spawn(async move {
            tokio::select! {
                () = shutdown.draining() => {}
                () = run(&schedules, config) => {}
            }
        });
        Scheduler { task }
    }

    /// Waits for its end, which is at once when the shutdown has begun.
    pub async fn end(self) {
        let _ = self.task.await;
    }
}

/// Dropped anywhere, it leaves no instant half seen to: that is one transaction.
async fn run(schedules: &Schedules, config: SchedulerConfig) {
    let mut unreadable = Vec::new();
    loop {
        let looked = schedules.look(config.window).await;
        let pause = pause(&looked, config.look_time);
        match looked {
            Ok(looked) if looked.unreadable != unreadable => {
                unreadable = looked.unreadable;
                tracing::warn!(
                    schedules = unreadable.join(", "),
                    "schedules that this node cannot read are left to others"
                );
            }
            Ok(_) => {}
            // That a database is away was said once, where it is known.
            Err(error) if error.is_unavailable() => tracing::debug!(%error, "schedules were not seen to"),
            Err(error) => tracing::error!(%error, "schedules were not seen to"),
        }
        tokio::select! {
            () = sleep(pause) => {}
            () = schedules.changed.notified() => {}
        }
    }
}

fn pause(looked: &Result<Looked, ScheduleError>, look_time: Duration) -> Duration {
    let Ok(looked) = looked else { return FAILED_TIME.min(look_time) };
    let until = |next: Timestamp| Duration::try_from(next.duration_since(looked.now)).unwrap_or_default();
    looked.next.map_or(look_time, until).clamp(LOOK_TIME_MIN.min(look_time), look_time)
}
