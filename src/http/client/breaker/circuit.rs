//! Owns the states of a circuit breaker: may the peer be called now, and what does the end of a call change?
//!
//! The one idea: what a call has found out belongs to the state in which it was allowed. Every transition begins a new epoch,
//! every permit remembers its own, and the end of a call of an earlier epoch changes no count: a slow failure from before
//! does not shut what a probe has just opened.
//!
//! ```text
//!            failures in a row, or their ratio; "Retry-After"
//!   Closed ───────────────────────────────────────────────────▶ Open { until }
//!      ▲                                                          │  ▲
//!      │ `successes_to_close` probes in a row      asked at `until` │  │ a probe fails: twice as long, to `open_max`
//!      └────────────────────────── HalfOpen { out, succeeded } ◀──┘  │
//!                                             └──────────────────────┘
//! ```
//!
//! Spec: RFC 9110 10.2.3 (Retry-After: how long the peer ought to be left alone).
//! Never: reads a clock; is opened by a success.
//! Invariants: at most `half_open_permits` calls are out while it is half open; it is open for at least what a peer has asked
//! for, and never longer than `open_max` from the last word of it.

use std::time::{Duration, Instant};

use crate::http::client::breaker::window::Window;
use crate::http::client::breaker::{BreakerConfig, Open, Snapshot, State};

/// What they are told who come while all probes are out: by then one of them is likely to be back.
const PROBE_WAIT_MAX: Duration = Duration::from_secs(1);

/// The circuit to one peer.
#[derive(Clone, Debug)]
pub(super) struct Circuit {
    config: BreakerConfig,
    phase: Phase,
    /// Counts the transitions.
    epoch: u64,
    /// For how long it is open the next time by its own count.
    pause: Duration,
    totals: Totals,
}

#[derive(Clone, Debug)]
enum Phase {
    Closed { failures_in_row: u32, window: Window },
    Open { until: Instant },
    HalfOpen { out: u32, succeeded: u32 },
}

#[derive(Clone, Copy, Debug, Default)]
struct Totals {
    opened: u64,
    refused: u64,
    succeeded: u64,
    failed: u64,
}

/// In which state a call was allowed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Epoch(u64);

/// How a call has ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Outcome {
    Success,
    /// And for how long the peer wants to be left alone, where it has said so.
    Failure(Option<Duration>),
    /// Nobody knows.
    Abandoned,
}

impl Circuit {
    /// # Panics
    /// See [`Breaker::new`](super::Breaker::new).
    pub(super) fn new(config: BreakerConfig, now: Instant) -> Circuit {
        config.check();
        let phase = Phase::closed(&config, now);
        Circuit { pause: config.open, config, phase, epoch: 0, totals: Totals::default() }
    }

    /// Allows a call, or says how long to wait.
    pub(super) fn permit(&mut self, now: Instant) -> Result<Epoch, Open> {
        if matches!(self.phase, Phase::Open { until } if until <= now) {
            self.enter(Phase::HalfOpen { out: 0, succeeded: 0 });
        }
        let retry_after = match &mut self.phase {
            Phase::Closed { .. } => return Ok(Epoch(self.epoch)),
            Phase::HalfOpen { out, .. } if *out < self.config.half_open_permits => {
                *out += 1;
                return Ok(Epoch(self.epoch));
            }
            Phase::HalfOpen { .. } => self.config.open.min(PROBE_WAIT_MAX),
            Phase::Open { until } => until.saturating_duration_since(now),
        };
        self.totals.refused += 1;
        Err(Open { retry_after })
    }

    /// A call is over.
    pub(super) fn end(&mut self, Epoch(epoch): Epoch, outcome: Outcome, now: Instant) {
        match outcome {
            Outcome::Success => self.totals.succeeded += 1,
            Outcome::Failure(_) => self.totals.failed += 1,
            Outcome::Abandoned => {}
        }
        match outcome {
            _ if epoch != self.epoch => self.end_late(outcome, now),
            Outcome::Success => self.succeed(now),
            Outcome::Failure(wanted) => self.fail(wanted, now),
            Outcome::Abandoned => self.give_back(),
        }
    }

    /// What the next call would find.
    pub(super) fn state(&self, now: Instant) -> State {
        match self.phase {
            Phase::Closed { .. } => State::Closed,
            Phase::Open { until } if now < until => State::Open,
            Phase::Open { .. } | Phase::HalfOpen { .. } => State::HalfOpen,
        }
    }

    /// All that is to be shown of it.
    pub(super) fn snapshot(&mut self, now: Instant) -> Snapshot {
        let (failures_in_row, calls) = match &mut self.phase {
            Phase::Closed { failures_in_row, window } => (*failures_in_row, window.calls(now)),
            Phase::Open { .. } | Phase::HalfOpen { .. } => Default::default(),
        };
        let retry_after = match self.phase {
            Phase::Open { until } if now < until => Some(until.saturating_duration_since(now)),
            _ => None,
        };
        let Totals { opened, refused, succeeded, failed } = self.totals;
        Snapshot {
            state: self.state(now),
            retry_after,
            failures_in_row,
            window_calls: calls.all,
            window_failures: calls.failed,
            opened,
            refused,
            succeeded,
            failed,
        }
    }

    /// Whether a new one would do as well: closed, and nothing has failed lately; or open, and nobody has asked for so long since
    /// it might have been probed that nothing is known of the peer any more.
    pub(super) fn is_at_rest(&mut self, now: Instant) -> bool {
        match &mut self.phase {
            Phase::Closed { failures_in_row, window } => *failures_in_row == 0 && window.calls(now).failed == 0,
            Phase::Open { until } => *until + self.config.open_max <= now,
            Phase::HalfOpen { .. } => false,
        }
    }

    fn succeed(&mut self, now: Instant) {
        match &mut self.phase {
            Phase::Closed { failures_in_row, window } => {
                *failures_in_row = 0;
                window.count(false, now);
            }
            Phase::HalfOpen { succeeded, .. } if *succeeded + 1 >= self.config.successes_to_close => {
                self.pause = self.config.open;
                self.enter(Phase::closed(&self.config, now));
            }
            Phase::HalfOpen { out, succeeded } => {
                *out -= 1;
                *succeeded += 1;
            }
            Phase::Open { .. } => {}
        }
    }

    fn fail(&mut self, wanted: Option<Duration>, now: Instant) {
        let is_enough = match &mut self.phase {
            Phase::Closed { failures_in_row, window } => {
                *failures_in_row = failures_in_row.saturating_add(1);
                window.count(true, now);
                let calls = window.calls(now);
                let is_high = f64::from(calls.failed) >= self.config.failure_ratio * f64::from(calls.all);
                let has_enough = calls.all >= self.config.window_calls_min;
                *failures_in_row >= self.config.consecutive_failures || (has_enough && is_high)
            }
            Phase::HalfOpen { .. } => true,
            Phase::Open { .. } => return,
        };
        let own = is_enough.then(|| self.take_pause());
        // RFC 9110 10.2.3: one word of the peer is enough. "Now" is a word for no pause at all.
        if let Some(pause) = own.max(self.wanted(wanted)) {
            self.totals.opened += 1;
            self.enter(Phase::Open { until: now + pause });
        }
    }

    /// The end of a call of an earlier state. It is counted nowhere, but what the peer asks for holds while it is left alone.
    fn end_late(&mut self, outcome: Outcome, now: Instant) {
        if let (Outcome::Failure(wanted), Phase::Open { until }) = (outcome, &self.phase)
            && let Some(wanted) = self.wanted(wanted)
        {
            self.phase = Phase::Open { until: (*until).max(now + wanted) };
        }
    }

    fn give_back(&mut self) {
        if let Phase::HalfOpen { out, .. } = &mut self.phase {
            *out -= 1;
        }
    }

    fn wanted(&self, wanted: Option<Duration>) -> Option<Duration> {
        wanted.filter(|wanted| !wanted.is_zero()).map(|wanted| wanted.min(self.config.open_max))
    }

    fn take_pause(&mut self) -> Duration {
        let doubled = self.pause.saturating_mul(2).min(self.config.open_max);
        std::mem::replace(&mut self.pause, doubled)
    }

    fn enter(&mut self, phase: Phase) {
        self.phase = phase;
        self.epoch += 1;
    }
}

impl Phase {
    fn closed(config: &BreakerConfig, now: Instant) -> Phase {
        Phase::Closed { failures_in_row: 0, window: Window::new(config.window, now) }
    }
}

#[cfg(test)]
mod tests;
