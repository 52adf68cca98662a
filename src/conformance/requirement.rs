//! Owns the shape of a row of the ledger: a requirement, our decision, and what shows it.
//!
//! The one idea: rows are constants that read as a sentence:
//!
//! ```
//! # use firstbyte::conformance::requirement::{Requirement, Step::Send, should};
//! const ROW: Requirement = should("target/fragment", "RFC 9112 3.2", "a request-target holds no fragment")
//!     .decided("400 H1-TARGET-002")
//!     .probe(&[Send("GET {get}#part HTTP/1.1\r\nHost: {host}\r\n\r\n")], |seen| seen.refused(&[400]));
//! ```
//!
//! Never: sends anything; judges anything.

use std::fmt;

use crate::conformance::seen::{Seen, Verdict};

/// How binding a requirement is (RFC 2119).
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Level {
    /// MUST, MUST NOT, REQUIRED, SHALL.
    Must,
    /// SHOULD, SHOULD NOT, RECOMMENDED, "ought to".
    Should,
    /// The text leaves it to the server. No server fails by choosing otherwise than firstbyte.
    Choice,
}

impl fmt::Display for Level {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Level::Must => "MUST",
            Level::Should => "SHOULD",
            Level::Choice => "choice",
        })
    }
}

/// One row of the ledger.
#[derive(Clone, Copy, Debug)]
pub struct Requirement {
    /// Its stable name, family first, such as `target/fragment`.
    pub id: &'static str,
    /// Where it is said, such as `RFC 9112 3.2`.
    pub section: &'static str,
    /// How binding it is.
    pub level: Level,
    /// The rule, in our words, without a full stop.
    pub says: &'static str,
    /// What firstbyte does. Begins with the status of its first final answer and the code of the fault, when there are
    /// any: both are checked of a probe. `close` for a close without an answer.
    pub decision: &'static str,
    /// What shows it.
    pub proof: Proof,
}

impl Requirement {
    /// The part of the message that it is about: the first half of its id.
    pub fn family(&self) -> &'static str {
        self.id.split_once('/').map_or(self.id, |(family, _)| family)
    }

    /// Its name in its family: the second half of its id.
    pub fn name(&self) -> &'static str {
        self.id.split_once('/').map_or(self.id, |(_, name)| name)
    }
}

/// What shows that a requirement is kept.
#[derive(Clone, Copy, Debug)]
pub enum Proof {
    /// What is seen from outside.
    Probe(Probe),
    /// A test of ours, by its name: the outside shows nothing.
    Test(&'static str),
    /// Nothing: firstbyte goes against the text, knowingly, and the decision says why. A test of ours, by its name, shows
    /// that it does. Nobody is asked.
    Departure(&'static str),
}

/// Bytes to send, and the judgement on what comes back.
#[derive(Clone, Copy, Debug)]
pub struct Probe {
    /// What is done on one connection, in order. Then all is read until the server closes or says no more.
    pub steps: &'static [Step],
    /// Whether what was seen keeps the requirement, or why not.
    pub holds: fn(&Seen) -> Verdict,
}

impl Probe {
    /// Whether the server must have a resource that echoes content.
    pub fn needs_echo(&self) -> bool {
        let texts = self.steps.iter().filter_map(|step| match step {
            Step::Send(text) | Step::SendHead(text) | Step::Fill(text, _) => Some(text),
            Step::Raw(_) | Step::Await | Step::Pause | Step::Finish => None,
        });
        texts.into_iter().any(|text| text.contains("{echo}"))
    }
}

/// One thing done on the connection of a probe.
///
/// In what is sent, `{host}` stands for the server's authority, `{get}` for the path of a resource that answers GET with 200
/// and some content, `{echo}` for that of one that answers POST with 200 and the request's content, `{post}` for `{echo}`
/// where there is one, else for `{get}`: a probe that wants a refusal need not reach a handler.
#[derive(Clone, Copy, Debug)]
pub enum Step {
    /// Sends this.
    Send(&'static str),
    /// Sends this, which is one HEAD request: its answer has no content. In such a probe each step sends one request.
    SendHead(&'static str),
    /// Sends this, which is no text, as it is.
    Raw(&'static [u8]),
    /// Sends this so many times.
    Fill(&'static str, usize),
    /// Waits for the next answer, interim or final, or the end.
    Await,
    /// Waits a moment, so that what follows arrives by itself.
    Pause,
    /// Sends a FIN: the server is told that no more comes, and may still answer.
    Finish,
}

/// A row that is not finished: what is required is said, what we do is not.
#[derive(Clone, Copy, Debug)]
pub struct Draft(Requirement);

/// Begins a row for a MUST.
pub const fn must(id: &'static str, section: &'static str, says: &'static str) -> Draft {
    Draft::new(id, section, Level::Must, says)
}

/// Begins a row for a SHOULD.
pub const fn should(id: &'static str, section: &'static str, says: &'static str) -> Draft {
    Draft::new(id, section, Level::Should, says)
}

/// Begins a row for what the text leaves to the server.
pub const fn choice(id: &'static str, section: &'static str, says: &'static str) -> Draft {
    Draft::new(id, section, Level::Choice, says)
}

impl Draft {
    const fn new(id: &'static str, section: &'static str, level: Level, says: &'static str) -> Draft {
        Draft(Requirement { id, section, level, says, decision: "", proof: Proof::Test("") })
    }

    /// Says what firstbyte does: see [`Requirement::decision`].
    pub const fn decided(mut self, decision: &'static str) -> Draft {
        self.0.decision = decision;
        self
    }

    /// Finishes the row with a probe.
    pub const fn probe(mut self, steps: &'static [Step], holds: fn(&Seen) -> Verdict) -> Requirement {
        self.0.proof = Proof::Probe(Probe { steps, holds });
        self.0
    }

    /// Finishes the row with the name of the test that shows how we go against it.
    pub const fn departs(mut self, name: &'static str) -> Requirement {
        self.0.proof = Proof::Departure(name);
        self.0
    }

    /// Finishes the row with the name of a test.
    pub const fn test(mut self, name: &'static str) -> Requirement {
        self.0.proof = Proof::Test(name);
        self.0
    }
}
