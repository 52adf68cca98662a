//! Owns the phase of the server's life, and turns signals into it.
//!
//! The one idea: one value that only goes forward, read everywhere for the price of one load.
//!
//! ```text
//!  Running --begin, first SIGTERM or SIGINT--> Draining --force, second signal--> Forced
//!  accepts and serves      no new connections, answers carry Connection: close    contexts are cancelled
//! ```
//!
//! Never: says how long to drain (the server's limit does, and calls [`Shutdown::force`] when it is over); exits the
//! process.
//! Invariants: the phase never goes back; everyone who waits for a phase that was reached is told.

use std::io;
use std::sync::atomic::{AtomicU8, Ordering};
use std::sync::{Arc, OnceLock};

use tokio::signal::unix::{SignalKind, signal};
use tokio::sync::Notify;
use tokio::time::Instant;

/// Where in its life the server is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
#[repr(u8)]
pub enum Phase {
    /// Accepting and serving.
    Running,
    /// Finishing what was begun, taking on nothing new.
    Draining,
    /// Stopping what is left.
    Forced,
}

/// A handle to the phase. Clones share it.
#[derive(Clone, Debug, Default)]
pub struct Shutdown {
    life: Arc<Life>,
}

#[derive(Debug, Default)]
struct Life {
    phase: AtomicU8,
    /// When it was no longer [`Phase::Running`]; set before the phase changes.
    ended: OnceLock<Instant>,
    changed: Notify,
}

impl Shutdown {
    /// A server in the phase [`Phase::Running`].
    pub fn new() -> Shutdown {
        Shutdown::default()
    }

    /// Starts draining. Does nothing when that has begun.
    pub fn begin(&self) {
        self.advance(Phase::Draining);
    }

    /// Ends draining, also when it has not begun.
    pub fn force(&self) {
        self.advance(Phase::Forced);
    }

    /// The phase now. One load.
    pub fn phase(&self) -> Phase {
        match self.life.phase.load(Ordering::Acquire) {
            0 => Phase::Running,
            1 => Phase::Draining,
            _ => Phase::Forced,
        }
    }

    /// Whether the server takes on nothing new: draining or forced. One load.
    pub fn is_draining(&self) -> bool {
        self.phase() >= Phase::Draining
    }

    /// When draining began, or was skipped by force; `None` while running.
    pub fn draining_since(&self) -> Option<Instant> {
        if self.is_draining() { self.life.ended.get().copied() } else { None }
    }

    /// Waits until draining begins, or is skipped by force.
    ///
    /// # Cancel safety
    /// Dropping the future loses nothing.
    pub async fn draining(&self) {
        self.reached(Phase::Draining).await;
    }

    /// Waits until draining is over by force.
    ///
    /// # Cancel safety
    /// Dropping the future loses nothing.
    pub async fn forced(&self) {
        self.reached(Phase::Forced).await;
    }

    /// Lets the first SIGTERM or SIGINT begin and the second force, whichever they are. Signals that come after this
    /// call has returned are not lost. From then on neither signal ends the process by itself.
    ///
    /// # Errors
    /// When the handlers cannot be installed.
    ///
    /// # Panics
    /// Outside of a tokio runtime with I/O enabled.
    pub fn listen_for_signals(&self) -> io::Result<()> {
        let mut terminate = signal(SignalKind::terminate())?;
        let mut interrupt = signal(SignalKind::interrupt())?;
        let shutdown = self.clone();
        tokio::spawn(async move {
            for phase in [Phase::Draining, Phase::Forced] {
                tokio::select! {
                    _ = terminate.recv() => {}
                    _ = interrupt.recv() => {}
                }
                shutdown.advance(phase);
            }
        });
        Ok(())
    }

    fn advance(&self, phase: Phase) {
        self.life.ended.get_or_init(Instant::now);
        if self.life.phase.fetch_max(phase as u8, Ordering::AcqRel) < phase as u8 {
            self.life.changed.notify_waiters();
        }
    }

    async fn reached(&self, phase: Phase) {
        loop {
            // Made before the question, so that a change that comes in between is not slept through.
            let changed = self.life.changed.notified();
            if self.phase() >= phase {
                return;
            }
            changed.await;
        }
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use rustix::process::{Signal, getpid, kill_process};
    use tokio::time::timeout;

    use super::*;

    fn check(calls: &[fn(&Shutdown)], expected: Phase) {
        let shutdown = Shutdown::new();
        let other = shutdown.clone();
        calls.iter().for_each(|call| call(&shutdown));
        assert_eq!(other.phase(), expected);
        assert_eq!(other.is_draining(), expected != Phase::Running);
        assert_eq!(other.draining_since().is_some(), other.is_draining());
    }

    #[test]
    fn phases_only_go_forward() {
        check(&[], Phase::Running);
        check(&[Shutdown::begin], Phase::Draining);
        check(&[Shutdown::begin, Shutdown::begin], Phase::Draining);
        check(&[Shutdown::force], Phase::Forced);
        check(&[Shutdown::begin, Shutdown::force, Shutdown::force], Phase::Forced);
        check(&[Shutdown::force, Shutdown::begin], Phase::Forced);
    }

    #[tokio::test(start_paused = true)]
    async fn those_who_wait_are_told_before_and_after() {
        let shutdown = Shutdown::new();
        let spawned = shutdown.clone();
        let waiting = tokio::spawn(async move {
            spawned.draining().await;
            spawned.forced().await;
        });
        let second = Duration::from_secs(1);
        assert!(timeout(second, shutdown.draining()).await.is_err());
        shutdown.begin();
        shutdown.draining().await;
        assert!(timeout(second, shutdown.forced()).await.is_err());
        assert!(!waiting.is_finished());
        shutdown.force();
        shutdown.draining().await;
        waiting.await.unwrap();
    }

    #[tokio::test]
    async fn the_first_signal_begins_and_the_second_forces() {
        let shutdown = Shutdown::new();
        shutdown.listen_for_signals().unwrap();
        kill_process(getpid(), Signal::TERM).unwrap();
        timeout(Duration::from_secs(5), shutdown.draining()).await.unwrap();
        assert_eq!(shutdown.phase(), Phase::Draining);
        kill_process(getpid(), Signal::INT).unwrap();
        timeout(Duration::from_secs(5), shutdown.forced()).await.unwrap();
    }
}
