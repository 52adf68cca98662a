//! Owns the circuit breaker: a peer that fails is left alone for a while, and asked again by a few before all come back.
//!
//! The one idea: whoever wants to call asks for a [`Permit`] first and says afterwards how it went. While the circuit is open
//! nobody waits for a peer that does not answer, and the peer is not held down by those who wait for it.
//!
//! ```text
//!   permit() ─▶ Permit ─ the call ─ success() │ failure() │ failure_until(Retry-After) │ dropped: neither
//!      └──────▶ Open { retry_after }                                     the states: breaker/circuit.rs
//! ```
//!
//! ```
//! use firstbyte::http::client::breaker::{Breaker, BreakerConfig, State};
//!
//! let breaker = Breaker::new(BreakerConfig { consecutive_failures: 2, ..BreakerConfig::default() });
//! for _ in 0..2 {
//!     breaker.permit().expect("closed").failure();
//! }
//! assert_eq!(breaker.state(), State::Open);
//! assert!(breaker.permit().is_err());
//! ```
//!
//! Spec: RFC 9110 10.2.3 (Retry-After).
//! Never: calls anybody; waits; sets a timer: an open circuit is half open as soon as somebody asks late enough.
//! Invariants: a permit ends once. Nothing is awaited under the lock.
//! Limits: all in [`BreakerConfig`]; [`Breakers`] has its own.

mod circuit;
mod table;
mod window;

use std::fmt;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use tokio::time::Instant;

use crate::http::client::breaker::circuit::{Circuit, Epoch, Outcome};
use crate::net::lock::lock;

pub use table::Breakers;

/// The longest [`BreakerConfig::open_max`].
const OPEN_MAX: Duration = Duration::from_secs(24 * 60 * 60);

/// When a circuit opens and closes. A threshold is off at its type's `MAX`.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct BreakerConfig {
    /// Failures in a row that open it. Default 5. Larger: a peer that is away is waited for more often.
    pub consecutive_failures: u32,
    /// The time over which the ratio of failures is taken, exact to a tenth. Default 30 s. Larger: old failures count on.
    pub window: Duration,
    /// Calls in the window below which the ratio says nothing. Default 20. Smaller: a few unlucky calls open it.
    pub window_calls_min: u32,
    /// The share of failures in the window that opens it, above 0 and up to 1. Default 0.5. Larger: more calls fail before it
    /// does.
    pub failure_ratio: f64,
    /// How long it is open the first time. Default 10 s. Larger: a peer that is back is found later.
    pub open: Duration,
    /// How long it is open at most: the time doubles with every probe that fails, and a peer's Retry-After is respected up
    /// to here. Default 5 min, at most a day. Larger: a peer can shut itself out for longer.
    pub open_max: Duration,
    /// Calls at a time while it is half open. Default 1. Larger: a peer that is still away is waited for by more.
    pub half_open_permits: u32,
    /// Probes that succeed, none failing between them, before it is closed. Default 2. Larger: a peer that is back is used
    /// later.
    pub successes_to_close: u32,
}

/// The circuit breaker before one peer. Its clones share their state.
#[derive(Clone)]
pub struct Breaker(Arc<Mutex<Circuit>>);

/// The right to one call. Dropped, it counts as neither success nor failure, and its place is free again.
#[must_use = "say how the call went; a permit that is dropped says nothing"]
pub struct Permit {
    breaker: Breaker,
    epoch: Epoch,
    is_over: bool,
}

/// The peer is not to be called now.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Open {
    /// When it is worth asking again. Where probes are out, a guess of at most a second.
    pub retry_after: Duration,
}

/// What a call would find.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum State {
    /// Calls are allowed.
    Closed,
    /// None is.
    Open,
    /// A few are, to find out whether the peer is back.
    HalfOpen,
}

/// All that is to be shown of a breaker.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Snapshot {
    /// What a call would find.
    pub state: State,
    /// For how long it stays open.
    pub retry_after: Option<Duration>,
    /// Failures since the last success, while it is closed.
    pub failures_in_row: u32,
    /// Calls that have ended within the window, while it is closed.
    pub window_calls: u32,
    /// Those of them that failed.
    pub window_failures: u32,
    /// How often it has opened, for good and all.
    pub opened: u64,
    /// Calls that were not allowed.
    pub refused: u64,
    /// Calls that succeeded, late ones too.
    pub succeeded: u64,
    /// Calls that failed, late ones too.
    pub failed: u64,
}

impl Breaker {
    /// A closed one.
    ///
    /// # Panics
    /// If a number of `config` is 0, the ratio is not above 0 and up to 1, `open` is longer than `open_max`, or that than a day.
    pub fn new(config: BreakerConfig) -> Breaker {
        Breaker(Arc::new(Mutex::new(Circuit::new(config, now()))))
    }

    /// Asks for a call.
    ///
    /// # Errors
    /// [`Open`]: not now.
    pub fn permit(&self) -> Result<Permit, Open> {
        let epoch = self.with(|circuit, now| circuit.permit(now))?;
        Ok(Permit { breaker: self.clone(), epoch, is_over: false })
    }

    /// What a call would find.
    pub fn state(&self) -> State {
        self.with(|circuit, now| circuit.state(now))
    }

    /// All that is to be shown of it.
    pub fn snapshot(&self) -> Snapshot {
        self.with(|circuit, now| circuit.snapshot(now))
    }

    /// The clock is read under the lock: so it goes forward for the circuit.
    fn with<T>(&self, step: impl FnOnce(&mut Circuit, std::time::Instant) -> T) -> T {
        let mut circuit = lock(&self.0);
        step(&mut circuit, now())
    }
}

/// Tokio's clock, which tests can stop.
fn now() -> std::time::Instant {
    Instant::now().into_std()
}

impl Permit {
    /// The peer has answered as it should.
    pub fn success(self) {
        self.end(Outcome::Success);
    }

    /// It has not: no connection, no answer in time, an answer that is a fault of its own.
    pub fn failure(self) {
        self.end(Outcome::Failure(None));
    }

    /// It has asked to be left alone for `retry_after`, and is, up to `open_max`. Zero is a plain failure.
    pub fn failure_until(self, retry_after: Duration) {
        self.end(Outcome::Failure(Some(retry_after)));
    }

    fn end(mut self, outcome: Outcome) {
        self.is_over = true;
        self.breaker.with(|circuit, now| circuit.end(self.epoch, outcome, now));
    }
}

impl Drop for Permit {
    fn drop(&mut self) {
        if !self.is_over {
            self.breaker.with(|circuit, now| circuit.end(self.epoch, Outcome::Abandoned, now));
        }
    }
}

impl BreakerConfig {
    fn check(&self) {
        assert!(self.consecutive_failures > 0 && self.window_calls_min > 0, "a threshold of 0 opens before any call");
        assert!(!self.window.is_zero(), "a window of no length counts nothing");
        assert!(self.failure_ratio > 0.0 && self.failure_ratio <= 1.0, "a ratio is above 0 and up to 1");
        assert!(!self.open.is_zero() && self.open <= self.open_max, "0 < open <= open_max");
        assert!(self.open_max <= OPEN_MAX, "who is left alone for more than a day is not left alone, but gone");
        assert!(self.half_open_permits > 0 && self.successes_to_close > 0, "without probes it never closes");
    }
}

impl Default for BreakerConfig {
    fn default() -> BreakerConfig {
        BreakerConfig {
            consecutive_failures: 5,
            window: Duration::from_secs(30),
            window_calls_min: 20,
            failure_ratio: 0.5,
            open: Duration::from_secs(10),
            open_max: Duration::from_secs(300),
            half_open_permits: 1,
            successes_to_close: 2,
        }
    }
}

impl State {
    /// All states.
    pub const ALL: [State; 3] = [State::Closed, State::Open, State::HalfOpen];

    /// Its name in metrics and tables.
    pub fn name(self) -> &'static str {
        match self {
            State::Closed => "closed",
            State::Open => "open",
            State::HalfOpen => "half_open",
        }
    }
}

impl fmt::Display for Open {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "the circuit is open: not before {:.1} s", self.retry_after.as_secs_f64())
    }
}

impl std::error::Error for Open {}

impl fmt::Debug for Breaker {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("Breaker").field(&self.snapshot()).finish()
    }
}

impl fmt::Debug for Permit {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Permit").field("epoch", &self.epoch).finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests;
