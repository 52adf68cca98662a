//! Owns the catalogue of bounds: every limit and deadline in force, with its value, what its peer sees when it is met,
//! what breaks when it is larger, and how often it was met.
//!
//! The one idea: a bound that nobody can look up is a bound that nobody trusts. The structs that carry the bounds are taken
//! apart here without `..`, so that one more field does not compile before it has its row; what is fixed in the code has
//! its row too.
//!
//! ```text
//!   Limits ─┐
//!   Deadlines ─┼─> InForce ──rows()───> name · value · seen · larger · hits(&Tally)     /limits, --print-limits, --help
//!   ListenerConfig ─┘      └─memory()─> parts ──total()──> the most that peers can make the server hold
//! ```
//!
//! Never: bounds anything itself; repeats a value: each is read where it is in force.
//! Invariants: names are unique; the name of what can be set is the key of the setting.

mod amount;
mod memory;
mod rows;

use crate::http::tally::{Reached, Tally};
use crate::http::{Fault, Limits};
use crate::net::ListenerConfig;
use crate::net::admission::Counts;
use crate::net::deadline::Deadlines;

pub use amount::Amount;
#[cfg(test)]
pub(crate) use memory::STATE_BYTES;
pub(crate) use memory::{EVENT_BYTES, map};
pub use memory::{Each, Memory, Part};

/// What a process obeys and is built of.
#[derive(Clone, Debug, Default)]
pub struct InForce {
    /// The bounds of each server.
    pub limits: Limits,
    /// The time that peers are given.
    pub deadlines: Deadlines,
    /// The rules for accepting, the same for each listener.
    pub listener: ListenerConfig,
    /// How many addresses are listened at. Each has `connections_max` of its own.
    pub listeners: usize,
    /// Threads that serve. Each keeps some memory to use again.
    pub workers: usize,
}

/// What a bound is about: the section of the page that it stands in.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Group {
    /// Who may connect.
    Connections,
    /// How long a peer is waited for.
    Time,
    /// The head of a request.
    Heads,
    /// Its content.
    Content,
    /// What is sent.
    Answers,
    /// The end of the server.
    Shutdown,
    /// What is kept to be used again, or to be looked at.
    Kept,
    /// What applications bound for themselves.
    Applications,
}

impl Group {
    /// All groups, in the order in which a connection meets them.
    pub const ALL: [Group; 8] = [
        Group::Connections,
        Group::Time,
        Group::Heads,
        Group::Content,
        Group::Answers,
        Group::Shutdown,
        Group::Kept,
        Group::Applications,
    ];

    /// Its heading.
    pub fn name(self) -> &'static str {
        match self {
            Group::Connections => "Connections",
            Group::Time => "Time",
            Group::Heads => "Heads",
            Group::Content => "Content",
            Group::Answers => "Answers",
            Group::Shutdown => "Shutdown",
            Group::Kept => "Kept in memory",
            Group::Applications => "Applications",
        }
    }
}

/// What the peer sees of a bound that it meets.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Seen {
    /// A row of the catalogue of errors.
    Answer(Fault),
    /// An answer of an application, with this status.
    Refused(u16),
    /// A close, without an answer or behind the last one.
    Close,
    /// A reset: what was still to be sent is not.
    Reset,
    /// It is not accepted yet.
    Waits,
    /// What it sends stays in its kernel.
    NotReadFrom,
    /// What is sent to it stays in our memory until it reads.
    NotSentTo,
    /// What is longer is cut, and the rest goes on.
    Shortened,
    /// Nothing: the oldest is forgotten, or it is allocated anew.
    Nothing,
}

impl Seen {
    /// In a few words, without the code of an answer.
    pub fn words(self) -> String {
        match self {
            Seen::Answer(fault) => fault.status().code().to_string(),
            Seen::Refused(status) => status.to_string(),
            Seen::Close => "a close".to_owned(),
            Seen::Reset => "a reset".to_owned(),
            Seen::Waits => "it waits".to_owned(),
            Seen::NotReadFrom => "it is not read from".to_owned(),
            Seen::NotSentTo => "it is sent no more".to_owned(),
            Seen::Shortened => "it is cut short".to_owned(),
            Seen::Nothing => "nothing".to_owned(),
        }
    }

    /// The code of an answer.
    pub fn code(self) -> Option<&'static str> {
        if let Seen::Answer(fault) = self { Some(fault.code()) } else { None }
    }
}

/// Where it is counted that a bound was met.
#[derive(Clone, Copy, Debug)]
enum Counted {
    Refusals(Fault),
    Times(Reached),
    Listeners(fn(&Counts) -> u64),
    /// It cannot be told apart, or is met all the time and nobody is worse off.
    Nowhere,
}

/// One bound.
#[derive(Clone, Copy, Debug)]
pub struct Bound {
    /// The key of its setting, or a name of the same kind.
    pub name: &'static str,
    /// What it is about.
    pub group: Group,
    /// Its value.
    pub amount: Amount,
    /// Whether it is fixed in the code, and no setting changes it.
    pub is_fixed: bool,
    /// What it bounds, without a full stop.
    pub bounds: &'static str,
    /// What the peer sees.
    pub seen: Seen,
    /// What breaks when it is larger, without a full stop.
    pub larger: &'static str,
    counted: Counted,
}

impl Bound {
    /// A bound that can be set.
    pub const fn set(name: &'static str, amount: Amount) -> Bound {
        let (group, seen, counted) = (Group::Applications, Seen::Nothing, Counted::Nowhere);
        Bound { name, group, amount, is_fixed: false, bounds: "", seen, larger: "", counted }
    }

    /// A bound that is fixed in the code.
    pub const fn fixed(name: &'static str, amount: Amount) -> Bound {
        Bound { is_fixed: true, ..Bound::set(name, amount) }
    }

    /// Says what it bounds.
    pub const fn bounds(self, bounds: &'static str) -> Bound {
        Bound { bounds, ..self }
    }

    /// Says what breaks when it is larger.
    pub const fn larger(self, larger: &'static str) -> Bound {
        Bound { larger, ..self }
    }

    /// Says what the peer sees.
    pub const fn seen(self, seen: Seen) -> Bound {
        Bound { seen, ..self }
    }

    /// It is answered with `fault`, and with this alone.
    pub const fn refused(self, fault: Fault) -> Bound {
        Bound { seen: Seen::Answer(fault), counted: Counted::Refusals(fault), ..self }
    }

    /// It is counted as `reached`.
    pub(crate) const fn times(self, reached: Reached) -> Bound {
        Bound { counted: Counted::Times(reached), ..self }
    }

    /// It is counted by the listeners.
    pub(crate) const fn at_listeners(self, count: fn(&Counts) -> u64) -> Bound {
        Bound { counted: Counted::Listeners(count), ..self }
    }

    /// How often it was met; `None` where that is not counted.
    pub fn hits(&self, tally: &Tally) -> Option<u64> {
        match self.counted {
            Counted::Refusals(fault) => Some(tally.refusals(fault)),
            Counted::Times(reached) => Some(tally.times(reached)),
            Counted::Listeners(count) => Some(count(&tally.listeners())),
            Counted::Nowhere => None,
        }
    }

    /// The flag that sets it.
    pub fn flag(&self) -> Option<String> {
        (!self.is_fixed).then(|| format!("--{}", self.name.replace('_', "-")))
    }
}

impl InForce {
    /// Every bound, group after group.
    pub fn rows(&self) -> Vec<Bound> {
        rows::of(self)
    }

    /// The most memory that peers can make the server hold.
    pub fn memory(&self) -> Memory {
        memory::of(self)
    }
}

#[cfg(test)]
mod tests {
    use std::collections::HashSet;

    use super::*;

    fn rows() -> Vec<Bound> {
        InForce::default().rows()
    }

    #[test]
    fn names_are_unique_and_words_are_there() {
        let mut names = HashSet::new();
        for row in rows() {
            assert!(names.insert(row.name), "{}", row.name);
            for words in [row.bounds, row.larger] {
                assert!(!words.is_empty() && !words.ends_with('.'), "{}: {words:?}", row.name);
            }
            let fits = row.bounds.len() + row.larger.len() < 220;
            assert!(fits, "{} is too wordy", row.name);
        }
    }

    #[test]
    fn groups_stand_together_and_in_order() {
        let groups: Vec<Group> = rows().iter().map(|row| row.group).collect();
        assert!(groups.is_sorted());
        let used: HashSet<Group> = groups.into_iter().collect();
        assert_eq!(used.len(), Group::ALL.len() - 1, "applications add theirs");
    }

    #[test]
    fn every_bound_that_is_reached_has_one_row_that_tells_it() {
        for reached in Reached::ALL {
            let tally = Tally::default();
            tally.reached(*reached);
            let told: Vec<_> = rows().iter().filter(|row| row.hits(&tally) == Some(1)).map(|row| row.name).collect();
            assert_eq!(told, [reached.name()]);
        }
    }

    #[test]
    fn a_fault_is_counted_by_one_row_at_most() {
        for entry in crate::http::error::CATALOGUE {
            let tally = Tally::default();
            tally.refused(entry.fault);
            let told = rows().iter().filter(|row| row.hits(&tally) == Some(1)).count();
            assert!(told <= 1, "{}", entry.code);
        }
    }

    #[test]
    fn what_can_be_set_is_set() {
        let limits = Limits { head_bytes_max: 77, ..Limits::default() };
        let row = InForce { limits, ..InForce::default() }.rows().into_iter().find(|row| row.name == "head_bytes_max");
        assert_eq!(row.map(|row| (row.amount, row.flag())), Some((Amount::Bytes(77), Some("--head-bytes-max".into()))));
    }
}
