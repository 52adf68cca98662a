//! Owns the ledger: what RFC 9110 and RFC 9112 require of a server, and how anybody can see whether a server keeps it.
//!
//! The one idea: a requirement is worth what can be seen of it from outside. So a row holds the section, the rule in our
//! words, what firstbyte does, and a probe: bytes to send and a judgement on what comes back. The probes know nothing of
//! firstbyte; any server can be asked.
//!
//! ```text
//!   Requirement ── Probe ── steps ──> a connection ──> Seen ── holds ──> kept, or what was seen instead
//!                     └─ or the name of a test, where the outside shows nothing
//! ```
//!
//! The same rows are played over memory against our own server, where the decision is checked to the code, and over
//! sockets by `firstbyte check`. CONFORMANCE.md is this ledger, printed.
//!
//! Spec: RFC 9110, RFC 9112, row by row.
//! Never: lets a server fail for a choice that the RFC leaves to it: such rows are [`Level::Choice`].

pub mod answer;
pub mod examine;
pub mod ledger;
pub mod play;
pub mod receive;
pub mod requirement;
pub mod seen;
pub mod subject;

pub use answer::Answer;
pub use examine::{Finding, Manner, Outcome, Score, Trace, examine};
pub use ledger::rows;
pub use play::{Pace, Target, play};
pub use requirement::{Level, Probe, Proof, Requirement, Step};
pub use seen::{Ending, Seen, Verdict};
pub use subject::{Subject, Unreachable};
