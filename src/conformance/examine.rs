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
//! A server that no longer answers, or drips its answers, is not asked on: what failed before stands.
//!
//! Never: prints. Rows that a test of ours shows are not asked: nothing of them is seen from outside.
//! Limits: `SILENT_MAX`, `TRIES_MAX`, `AGAIN_WHOLES_MAX`; of what was seen `SHOWN_BYTES_MAX` outlive its judgement.

use std::sync::Arc;

use tokio::task::JoinSet;
use tokio::time::Instant;

use crate::conformance::play::Pace;
use crate::conformance::requirement::{Level, Probe, Proof, Requirement};
use crate::conformance::seen::{Ending, Seen};
use crate::conformance::subject::Subject;

/// How often a row is asked again, as long as a reset leaves open what the answer was.
const TRIES_MAX: usize = 3;

/// Failures in a row in which nothing came at all, behind which the server is asked whether it is still there. Of rows that
/// took all the time there is so many are borne in all.
const SILENT_MAX: usize = 16;

/// How long the asking again may take, in times of [`Pace::whole`]: what is not asked again by then stands.
const AGAIN_WHOLES_MAX: u32 = 8;

/// Bytes of what came that a [`Trace`] keeps.
pub const SHOWN_BYTES_MAX: usize = 4 << 10;

/// Why rows are skipped.
const NO_ECHO: &str = "they need a resource that echoes";
const NO_ANSWER: &str = "the server has stopped to answer, or is too slow";

/// How a server is examined.
#[derive(Clone, Copy, Debug)]
pub struct Manner {
    /// Connections at once, at least 1.
    pub jobs: usize,
    /// How long everything may take. What is asked again gets twice the time, but for that of all together.
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
    pub trace: Option<Trace>,
}

/// What is left of [`Seen`] when it is judged: enough to show it.
#[derive(Clone, Debug)]
pub struct Trace {
    /// The beginning of what came: [`SHOWN_BYTES_MAX`] at most.
    pub received: Vec<u8>,
    /// How many bytes that were in all.
    pub received_count: u64,
    /// How it ended.
    pub ending: Ending,
    /// Whether all the time that a probe may take was over before that.
    pub ran_out: bool,
    /// Whether there was a final answer.
    pub is_answered: bool,
}

/// What came of a row.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Outcome {
    /// The requirement is kept.
    Kept,
    /// It is not, and what was seen instead. For a choice: the server has taken the other side.
    Failed(String),
    /// It was not asked, since.
    Skipped(&'static str),
}

/// How many rows of each level were kept.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Score {
    /// Of [`Level::Must`].
    pub must: Tally,
    /// Of [`Level::Should`].
    pub should: Tally,
    /// Of [`Level::Choice`]: where the server chooses as firstbyte does.
    pub choice: Tally,
    /// Rows of all levels that were not asked.
    pub skipped: usize,
    /// Those of them that were not asked since the server no longer answered: of these nothing is known.
    pub unanswered: usize,
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

/// Asks `subject` all of `rows` that have a probe, until it is done or dead. The findings are in the order of the rows.
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
    progress: impl FnMut(Progress),
) -> Vec<Finding> {
    assert!(manner.jobs > 0, "somebody has to ask");
    let findings = rows.into_iter().filter_map(|row| unasked(row, subject)).collect();
    let mut examination = Examination { findings, subject: Arc::new(subject.clone()), manner, progress, done: 0 };
    let doubtful = examination.ask_all().await;
    examination.ask_again(doubtful).await;
    examination.tell(examination.findings.len() - examination.done);
    examination.findings
}

struct Examination<P> {
    findings: Vec<Finding>,
    subject: Arc<Subject>,
    manner: Manner,
    progress: P,
    /// Findings that do not change any more.
    done: usize,
}

impl<P: FnMut(Progress)> Examination<P> {
    /// Asks every row once, and gives those that are to be asked again.
    async fn ask_all(&mut self) -> Vec<usize> {
        let (mut waiting, mut at_work) = (self.to_ask().into_iter(), JoinSet::new());
        let (mut doubtful, mut silent, mut slow) = (Vec::new(), 0, 0);
        loop {
            for index in waiting.by_ref().take(self.manner.jobs - at_work.len()) {
                let (finding, subject, pace) =
                    (self.findings[index].clone(), Arc::clone(&self.subject), self.manner.pace);
                at_work.spawn(async move { (index, ask(finding, &subject, &pace).await) });
            }
            let Some(asked) = at_work.join_next().await else { return doubtful };
            let (index, finding) = asked.unwrap_or_else(|error| std::panic::resume_unwind(error.into_panic()));
            silent = if finding.is_silent() { silent + 1 } else { 0 };
            slow += usize::from(finding.is_slow());
            let is_doubtful = finding.is_doubtful();
            doubtful.extend(is_doubtful.then_some(index));
            self.findings[index] = finding;
            self.tell(usize::from(!is_doubtful));
            if slow >= SILENT_MAX || silent >= SILENT_MAX && !self.subject.answers(&self.manner.pace).await {
                return Vec::new();
            }
        }
    }

    async fn ask_again(&mut self, doubtful: Vec<usize>) {
        let pace = patient(self.manner.pace);
        let end = Instant::now() + AGAIN_WHOLES_MAX * pace.whole;
        for index in doubtful {
            if Instant::now() >= end {
                return;
            }
            let mut finding = ask(self.findings[index].clone(), &self.subject, &pace).await;
            for _ in 1..TRIES_MAX {
                if finding.is_lost() {
                    finding = ask(finding, &self.subject, &pace).await;
                }
            }
            if finding.is_silent() && !self.subject.answers(&pace).await {
                return;
            }
            self.findings[index] = finding;
            self.tell(1);
        }
    }

    /// The rows that are not skipped for what the server does not have.
    fn to_ask(&self) -> Vec<usize> {
        let is_asked = |&index: &usize| self.findings[index].outcome == Outcome::Skipped(NO_ANSWER);
        (0..self.findings.len()).filter(is_asked).collect()
    }

    /// So many more are done.
    fn tell(&mut self, more: usize) {
        self.done += more;
        (self.progress)(Progress { done: self.done, all: self.findings.len() });
    }
}

impl Finding {
    /// Whether nothing at all came, where something was wanted.
    fn is_silent(&self) -> bool {
        let nothing = |trace: &Trace| trace.received.is_empty();
        matches!(self.outcome, Outcome::Failed(_)) && self.trace.as_ref().is_none_or(nothing)
    }

    /// Whether it took all the time there is.
    fn is_slow(&self) -> bool {
        self.trace.as_ref().is_some_and(|trace| trace.ran_out)
    }

    /// Whether it may owe itself to the load, or to luck.
    fn is_doubtful(&self) -> bool {
        let failed = matches!(self.outcome, Outcome::Failed(_)) && self.row.level != Level::Choice;
        failed || self.is_lost()
    }

    /// Whether there may have been an answer: RFC 9112 9.6 tells how a reset takes it away from the one who has not yet
    /// read it.
    fn is_lost(&self) -> bool {
        let lost = |trace: &Trace| trace.ending == Ending::Reset && !trace.is_answered;
        self.trace.as_ref().is_none_or(lost)
    }
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
                Outcome::Skipped(why) => {
                    score.skipped += 1;
                    score.unanswered += usize::from(why == NO_ANSWER);
                }
                Outcome::Kept => *tally = Tally { kept: tally.kept + 1, asked: tally.asked + 1 },
                Outcome::Failed(_) => tally.asked += 1,
            }
        }
        score
    }
}

impl Trace {
    fn of(seen: Seen) -> Trace {
        let is_answered = seen.finals().next().is_some();
        let Seen { ending, ran_out, received_count, .. } = seen;
        let received = seen.received[..seen.received.len().min(SHOWN_BYTES_MAX)].to_vec();
        Trace { received, received_count, ending, ran_out, is_answered }
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
    let why = if without_echo { NO_ECHO } else { NO_ANSWER };
    Some(Finding { row, probe, outcome: Outcome::Skipped(why), trace: None })
}

async fn ask(mut finding: Finding, subject: &Subject, pace: &Pace) -> Finding {
    let seen = subject.play(finding.probe.steps, pace).await;
    let verdict = match &seen {
        Ok(seen) => (finding.probe.holds)(seen),
        Err(error) => Err(format!("no connection: {error}")),
    };
    finding.outcome = verdict.map_or_else(Outcome::Failed, |()| Outcome::Kept);
    finding.trace = seen.ok().map(Trace::of);
    finding
}

fn patient(pace: Pace) -> Pace {
    Pace { pause: 2 * pace.pause, answer: 2 * pace.answer, silence: 2 * pace.silence, ..pace }
}
