//! Owns the report for programs: one JSON document, with every row that was asked or skipped.
//!
//! Never: leaves a row out that was chosen and has a probe.

use firstbyte::conformance::examine::Tally;
use firstbyte::conformance::{Finding, Level, Outcome, Score, Subject};
use serde::Serialize;

use super::report::{received, sent, shortened};
use super::wanted::{Only, Url, Wanted};

/// Characters of what was sent, and of what came.
const SHOWN_MAX: usize = 4000;

#[derive(Serialize)]
struct Document<'a> {
    server: Server<'a>,
    options: Options,
    counts: Counts,
    rows: Vec<Row<'a>>,
}

#[derive(Serialize)]
struct Server<'a> {
    url: String,
    address: String,
    /// Its Server field.
    software: Option<&'a str>,
}

#[derive(Serialize)]
struct Options {
    get: String,
    /// `null` when nothing echoes.
    echo: Option<String>,
    only: Vec<String>,
    jobs: usize,
    patience_ms: u128,
}

#[derive(Serialize)]
struct Counts {
    must: Part,
    should: Part,
    /// `kept` is where the server is strict.
    choice: Part,
    skipped: usize,
}

#[derive(Serialize)]
struct Part {
    kept: usize,
    asked: usize,
}

#[derive(Serialize)]
struct Row<'a> {
    id: &'a str,
    level: String,
    section: &'a str,
    says: &'a str,
    /// `kept`, `failed`, `skipped`; `lenient` instead of `failed` for a choice.
    outcome: &'a str,
    why: Option<&'a str>,
    /// In escapes, its middle left out when it is long.
    sent: String,
    /// Likewise, and how the connection ended; `null` when nothing was asked.
    received: Option<String>,
}

/// The document, ended by a line end.
pub fn document(wanted: &Wanted, url: &Url, subject: &Subject, findings: &[Finding]) -> String {
    let Score { must, should, choice, skipped } = Score::of(findings);
    let document = Document {
        server: Server {
            url: format!("http://{}", url.authority),
            address: subject.addr.to_string(),
            software: subject.server.as_deref(),
        },
        options: Options {
            get: subject.target.get.clone(),
            echo: subject.target.echo.clone(),
            only: wanted.only.iter().map(Only::to_string).collect(),
            jobs: wanted.jobs,
            patience_ms: wanted.patience.as_millis(),
        },
        counts: Counts { must: part(must), should: part(should), choice: part(choice), skipped },
        rows: findings.iter().map(|finding| row(finding, subject)).collect(),
    };
    serde_json::to_string_pretty(&document).unwrap_or_else(|error| unreachable!("text and numbers: {error}")) + "\n"
}

fn part(Tally { kept, asked }: Tally) -> Part {
    Part { kept, asked }
}

fn row<'a>(finding: &'a Finding, subject: &Subject) -> Row<'a> {
    let row = finding.row;
    let (outcome, why) = match &finding.outcome {
        Outcome::Kept => ("kept", None),
        Outcome::Failed(why) if row.level == Level::Choice => ("lenient", Some(&**why)),
        Outcome::Failed(why) => ("failed", Some(&**why)),
        Outcome::Skipped(why) => ("skipped", Some(*why)),
    };
    Row {
        id: row.id,
        level: row.level.to_string(),
        section: row.section,
        says: row.says,
        outcome,
        why,
        sent: shortened(&sent(&finding.probe, &subject.target), SHOWN_MAX),
        received: finding.seen.as_ref().map(|seen| shortened(&received(seen), SHOWN_MAX)),
    }
}
