//! Owns the counts of what was refused and of what ran into a bound, since the process began.
//!
//! The one idea: what is in order is not counted here. A refusal is counted under its fault, where it takes effect: as an
//! answer, or as the reason of a close behind one. A bound that is met without a refusal has a name of its own,
//! [`Reached`]. A request that is answered with 200 touches none of this.
//!
//! ```text
//!   word() ── every answer of the catalogue ──> refused(Fault)  ──┐
//!   wait, content, answer ── a deadline, a rate ──> reached(…)  ──┼── Tally ──> whoever asks
//!   listeners ── seats, addresses, descriptors ──> listens(…)   ──┘
//! ```
//!
//! Never: locks, but when a server begins to listen or somebody reads; counts down.
//! Invariant: a refusal is counted once, a bound each time that it is met.

use std::sync::Mutex;
use std::sync::atomic::{AtomicU64, Ordering::Relaxed};

use crate::http::Fault;
use crate::http::error::CATALOGUE;
use crate::net::admission::{Counters, Counts};
use crate::net::lock::lock;

macro_rules! reached {
    ($( $(#[doc = $doc:literal])+ $variant:ident $name:literal; )+) => {
        /// A bound that was met, where no row of the catalogue says which one.
        #[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
        #[non_exhaustive]
        pub enum Reached {
            $( $(#[doc = $doc])+ $variant, )+
        }

        impl Reached {
            /// All of them, in order.
            pub const ALL: &[Reached] = &[ $( Reached::$variant, )+ ];

            /// Its stable name: that of the bound.
            pub fn name(self) -> &'static str {
                match self {
                    $( Reached::$variant => $name, )+
                }
            }
        }
    };
}

reached! {
    /// Nothing came behind the accept: closed.
    FirstByte "first_byte_deadline";
    /// Nothing came behind an answer: closed.
    Idle "idle_deadline";
    /// A handler was too slow, and its client was told; or a task kept the content too long behind its answer.
    Handler "handler_deadline";
    /// Content came too slowly, whether somebody read it or it was to be dropped.
    ContentRate "content_rate";
    /// The peer took an answer too slowly: closed, the answer unfinished.
    WriteRate "write_rate";
    /// The peer did not close behind the last answer: closed.
    Linger "linger_deadline";
    /// The peer still sent behind the last answer: closed.
    LingerSending "linger_sending_deadline";
    /// The peer did not close behind the last answer of a server that shuts down: closed.
    LingerDraining "draining_linger";
    /// No request came behind the signal to stop, or its head did not end: closed.
    DrainIdle "drain_idle_deadline";
    /// A server had not drained in time: what was at work was cancelled.
    Drain "drain_deadline";
    /// More content was left unread than is dropped to keep a connection: closed.
    DrainBytes "drain_bytes_max";
    /// So much was queued to be sent that a request which had arrived was not taken up until some of it was gone.
    OutputBytes "output_bytes_max";
}

/// The counts of one process, shared by its servers.
#[derive(Debug)]
pub struct Tally {
    faults: [AtomicU64; CATALOGUE.len()],
    reached: [AtomicU64; Reached::ALL.len()],
    listeners: Mutex<Vec<Counters>>,
}

impl Default for Tally {
    fn default() -> Tally {
        Tally {
            faults: [const { AtomicU64::new(0) }; CATALOGUE.len()],
            reached: [const { AtomicU64::new(0) }; Reached::ALL.len()],
            listeners: Mutex::default(),
        }
    }
}

impl Tally {
    /// How often a request was refused because of `fault`.
    pub fn refusals(&self, fault: Fault) -> u64 {
        self.faults[fault as usize].load(Relaxed)
    }

    /// How often a bound was met.
    pub fn times(&self, reached: Reached) -> u64 {
        self.reached[reached as usize].load(Relaxed)
    }

    /// What has happened at the listeners, all together.
    pub fn listeners(&self) -> Counts {
        lock(&self.listeners).iter().map(Counters::read).fold(Counts::default(), Counts::and)
    }

    /// Counts a refusal.
    #[cold]
    pub(crate) fn refused(&self, fault: Fault) {
        self.faults[fault as usize].fetch_add(1, Relaxed);
    }

    /// Counts a bound that was met.
    #[cold]
    pub(crate) fn reached(&self, reached: Reached) {
        self.reached[reached as usize].fetch_add(1, Relaxed);
    }

    /// Counts at one more listener from now on.
    pub(crate) fn listens(&self, counters: Counters) {
        lock(&self.listeners).push(counters);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_is_counted_under_its_own_name() {
        let tally = Tally::default();
        for entry in CATALOGUE {
            tally.refused(entry.fault);
        }
        Reached::ALL.iter().for_each(|reached| tally.reached(*reached));
        assert!(CATALOGUE.iter().all(|entry| tally.refusals(entry.fault) == 1));
        assert!(Reached::ALL.iter().all(|reached| tally.times(*reached) == 1));
        tally.refused(Fault::HeadTimeout);
        tally.reached(Reached::Idle);
        assert_eq!((tally.refusals(Fault::HeadTimeout), tally.times(Reached::Idle)), (2, 2));
        assert_eq!(tally.listeners(), Counts::default());
    }

    #[test]
    fn names_are_unique() {
        let names: std::collections::HashSet<_> = Reached::ALL.iter().map(|reached| reached.name()).collect();
        assert_eq!(names.len(), Reached::ALL.len());
    }
}
