//! Owns what has happened in one simulation, in the order in which it happened.
//!
//! The one idea: everybody writes into one list: the clients, the network, the handlers, the world. Its order is the truth
//! that the judge argues with ("the handler had ended before the shutdown began"), its text is what a failure shows, and
//! its hash tells whether a seed was replayed exactly.
//!
//! Never: holds bytes of answers: their `Date` is the real one.

use std::fmt;
use std::hash::{DefaultHasher, Hash, Hasher};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use tokio::time::Instant;

use super::message::Id;

/// Who is at it: a client, by its number, or [`WORLD`].
pub type Who = usize;

/// The server as a whole.
pub const WORLD: Who = usize::MAX;

/// What can happen.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Event {
    // What a client does.
    Connects,
    Sends(usize),
    CannotSend,
    HalfCloses,
    Closes,
    Resets,
    StopsSending,
    StopsReading,
    Receives(usize),
    IsAnswered(u16),
    SeesFin,
    SeesReset,
    // What passes the server's end of the wire.
    ServerReads(usize),
    ServerWrites(usize),
    ServerFins,
    ServerResets,
    // What the server does.
    HandlerBegins(Id),
    HandlerEnds(Id),
    /// A handler was asked for what nobody has asked for.
    HandlerForeign,
    /// More lies in a buffer than the limits allow.
    Overflows(u32),
    DriverDropped,
    DriverEnds,
    DriverPanics,
    ShutDown,
    Force,
    /// So many tasks are left when all should be gone.
    TasksLeft(usize),
    ConnectionsLeft(usize),
}

/// One line.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Entry {
    pub at: Duration,
    pub who: Who,
    pub event: Event,
}

/// The list. Clones are handles to the same.
#[derive(Clone)]
pub struct Journal {
    begun: Instant,
    entries: Arc<Mutex<Vec<Entry>>>,
}

impl Journal {
    /// An empty one; the clock is at zero.
    pub fn new() -> Journal {
        Journal { begun: Instant::now(), entries: Arc::new(Mutex::new(Vec::with_capacity(256))) }
    }

    pub fn note(&self, who: Who, event: Event) {
        let at = self.begun.elapsed();
        self.entries.lock().unwrap().push(Entry { at, who, event });
    }

    /// All that was noted so far.
    pub fn take(&self) -> Vec<Entry> {
        std::mem::take(&mut self.entries.lock().unwrap())
    }
}

/// What two runs of one seed have in common, and two different runs have not.
pub fn hash(entries: &[Entry]) -> u64 {
    let mut hasher = DefaultHasher::new();
    entries.hash(&mut hasher);
    hasher.finish()
}

impl fmt::Display for Entry {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let who = if self.who == WORLD { "world   ".to_owned() } else { format!("client {}", self.who) };
        write!(f, "{:>10.3} s  {who}  {:?}", self.at.as_secs_f64(), self.event)
    }
}
