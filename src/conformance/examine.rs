//! Owns the examination of a server over sockets: every row on a connection of its own, many at once.
//!
//! The one idea: what fails in a crowd is asked again alone, with more patience, before it counts: a server is judged by
//! its rules, not by the load that the judge makes.
//!
//! ```text
//!   rows ──jobs at once──> kept
//!                    └───> failed, or lost by a reset ──again, one by one──> kept, or failed
//!   rows that need an echo, where there is none ───────> skipped
//! ```
//!
//! Never: prints. Rows that a test of ours shows are not asked: nothing of them is seen from outside.

use std::sync::Arc;

use tokio::task::JoinSet;

use crate::conformance::play::Pace;
use crate::conformance::requirement::{Level, Probe, Proof, Requirement};
use crate::conformance::seen::{Ending, Seen};
use crate::conformance::subject::Subject;

/// How often a row is asked again, as long as a reset leaves open what the answer was.
const TRIES_MAX: usize = 3;

/// How a server is examined.
#[derive(Clone, Copy, Debug)]
pub struct Manner {
    /// Connections at once, at least 1.
    pub jobs: usize,
    /// How long everything may take. What is asked again gets twice the time.
    pub pace: Pace,
}

/// What was found about one row.
#[derive(Clone, Debug)]
pub struct Finding {
    /// The row.
    pub row: &'static Requirement,
    /// What shows it.
    pub probe: Probe,
    /// What came of it.
    pub outcome: Outcome,
    /// What was seen, if there was a connection.
    pub seen: Option<Seen>,
}

/// What came of a row.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Outcome {
    /// The requirement is kept.
    Kept,
    /// It is not, and what was seen instead. For a choice: the server has taken the other side.
    Failed(String),
    /// It was not asked, and why.
    Skipped(&'static str),
}

/// How many rows of each level were kept.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Score {
    /// Of [`Level::Must`].
    pub must: Tally,
    /// Of [`Level::Should`].
    pub should: Tally,
    /// Of [`Level::Choice`]: where the server is strict.
    pub choice: Tally,
    /// Rows of all levels that were not asked.
    pub skipped: usize,
}

/// A part of a whole.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Tally {
    /// Rows that are kept.
    pub kept: usize,
    /// Rows that were asked.
    pub asked: usize,
}

/// How far an examination is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Progress {
    /// Rows that are decided.
    pub done: usize,
    /// Rows in all.
    pub all: usize,
}

/// Asks `subject` all of `rows` that have a probe. The findings are in the order of the rows.
///
/// # Cancel safety
/// Dropping the future closes all connections.
///
/// # Panics
/// When no jobs are allowed.
pub async fn examine(
    subject: &Subject,
    rows: impl IntoIterator<Item = &'static Requirement>,
    manner: Manner,
    mut progress: impl FnMut(Progress),
) -> Vec<Finding> {
    assert!(manner.jobs > 0, "somebody has to ask");
    let mut findings: Vec<Finding> = rows.into_iter().filter_map(|row| unasked(row, subject)).collect();
    let all = findings.len();
    let (mut waiting, mut at_work) = (0..all, JoinSet::new());
    let subject = Arc::new(subject.clone());
    let (mut done, mut again) = (0, Vec::new());
    loop {
        while at_work.len() < manner.jobs
            && let Some(index) = waiting.next()
        {
            let (finding, subject) = (findings[index].clone(), Arc::clone(&subject));
            at_work.spawn(async move { (index, ask(finding, &subject, &manner.pace).await) });
        }
        let Some(asked) = at_work.join_next().await else { break };
        let (index, finding) = asked.unwrap_or_else(|error| std::panic::resume_unwind(error.into_panic()));
        if is_doubtful(&finding) {
            again.push(index);
        } else {
            done += 1;
        }
        findings[index] = finding;
        progress(Progress { done, all });
    }
    for index in again {
        for _ in 0..TRIES_MAX {
            findings[index] = ask(findings[index].clone(), &subject, &patient(manner.pace)).await;
            if !is_lost(&findings[index]) {
                break;
            }
        }
        done += 1;
        progress(Progress { done, all });
    }
    findings
}

impl Score {
    /// Counts.
    pub fn of(findings: &[Finding]) -> Score {
        let mut score = Score::default();
        for finding in findings {
            let tally = match finding.row.level {
                Level::Must => &mut score.must,
                Level::Should => &mut score.should,
                Level::Choice => &mut score.choice,
            };
            match finding.outcome {
                Outcome::Skipped(_) => score.skipped += 1,
                Outcome::Kept => *tally = Tally { kept: tally.kept + 1, asked: tally.asked + 1 },
                Outcome::Failed(_) => tally.asked += 1,
            }
        }
        score
    }
}

impl Tally {
    /// Rows that are not kept.
    pub fn failed(&self) -> usize {
        self.asked - self.kept
    }
}

fn unasked(row: &'static Requirement, subject: &Subject) -> Option<Finding> {
    let Proof::Probe(probe) = row.proof else { return None };
    let without_echo = probe.needs_echo() && subject.target.echo.is_none();
    let outcome = if without_echo { Outcome::Skipped("it needs a resource that echoes") } else { Outcome::Kept };
    Some(Finding { row, probe, outcome, seen: None })
}

async fn ask(mut finding: Finding, subject: &Subject, pace: &Pace) -> Finding {
    if matches!(finding.outcome, Outcome::Skipped(_)) {
        return finding;
    }
    let seen = subject.play(finding.probe.steps, pace).await;
    let verdict = match &seen {
        Ok(seen) => (finding.probe.holds)(seen),
        Err(error) => Err(format!("no connection: {error}")),
    };
    finding.outcome = verdict.map_or_else(Outcome::Failed, |()| Outcome::Kept);
    finding.seen = seen.ok();
    finding
}

/// Whether a finding may owe itself to the load, or to luck.
fn is_doubtful(finding: &Finding) -> bool {
    let failed = matches!(finding.outcome, Outcome::Failed(_)) && finding.row.level != Level::Choice;
    failed || is_lost(finding)
}

/// Whether there may have been an answer: RFC 9112 9.6 tells how a reset takes it away from the one who has not yet read
/// it.
fn is_lost(finding: &Finding) -> bool {
    let lost = |seen: &Seen| seen.ending == Ending::Reset && seen.finals().next().is_none();
    let is_asked = !matches!(finding.outcome, Outcome::Skipped(_));
    is_asked && finding.seen.as_ref().is_none_or(lost)
}

fn patient(pace: Pace) -> Pace {
    Pace { pause: 2 * pace.pause, answer: 2 * pace.answer, silence: 2 * pace.silence, whole: 2 * pace.whole }
}
