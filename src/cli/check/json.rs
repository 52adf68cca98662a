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
    options: Options<'a>,
    counts: Counts,
    rows: Vec<Row<'a>>,
}

#[derive(Serialize)]
struct Server<'a> {
    url: String,
    address: String,
    /// Its Server field.
    software: Option<&'a str>,
    /// Whether it answered a plain GET when all was asked.
    answers_at_the_end: bool,
}

#[derive(Serialize)]
struct Options<'a> {
    get: &'a str,
    /// `null` when nothing echoes.
    echo: Option<&'a str>,
    /// Why that does not count which was named.
    no_echo: Option<&'a str>,
    only: Vec<String>,
    jobs: usize,
    patience_ms: u128,
}

#[derive(Serialize)]
struct Counts {
    must: Part,
    should: Part,
    /// `kept` is where the server chooses as firstbyte does.
    choice: Part,
    skipped: usize,
    /// Those of the skipped that the server did not live to be asked: of these nothing is known.
    unanswered: usize,
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
    /// `kept`, `failed`, `skipped`; `differs` instead of `failed` for a choice.
    outcome: &'a str,
    why: Option<&'a str>,
    /// In escapes, its middle left out when it is long.
    sent: String,
    /// Likewise, and how the connection ended; `null` when nothing was asked.
    received: Option<String>,
}

/// The document, ended by a line end. `is_alive` tells whether the server answers still.
pub fn document(wanted: &Wanted, url: &Url, subject: &Subject, findings: &[Finding], is_alive: bool) -> String {
    let Score { must, should, choice, skipped, unanswered } = Score::of(findings);
    let document = Document {
        server: Server {
            url: format!("http://{}", url.authority),
            address: subject.addr.to_string(),
            software: subject.server.as_deref(),
            answers_at_the_end: is_alive,
        },
        options: Options {
            get: &subject.target.get,
            echo: subject.target.echo.as_deref(),
            no_echo: subject.no_echo.as_deref(),
            only: wanted.only.iter().map(Only::to_string).collect(),
            jobs: wanted.jobs,
            patience_ms: wanted.patience.as_millis(),
        },
        counts: Counts { must: part(must), should: part(should), choice: part(choice), skipped, unanswered },
        rows: findings.iter().map(|finding| row(finding, subject)).collect(),
    };
    let json = serde_json::to_string_pretty(&document);
    harmless(&json.unwrap_or_else(|error| unreachable!("text and numbers: {error}"))) + "\n"
}

/// JSON lets DEL and the control bytes of ISO 8859 stand as they are (RFC 8259 7); a terminal would obey them.
fn harmless(json: &str) -> String {
    let mut text = String::with_capacity(json.len());
    for character in json.chars() {
        match character {
            '\u{7f}'..='\u{9f}' => text += &format!("\\u{:04x}", u32::from(character)),
            _ => text.push(character),
        }
    }
    text
}

fn part(Tally { kept, asked }: Tally) -> Part {
    Part { kept, asked }
}

fn row<'a>(finding: &'a Finding, subject: &Subject) -> Row<'a> {
    let row = finding.row;
    let (outcome, why) = match &finding.outcome {
        Outcome::Kept => ("kept", None),
        Outcome::Failed(why) if row.level == Level::Choice => ("differs", Some(&**why)),
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
        received: finding.trace.as_ref().map(|trace| shortened(&received(trace), SHOWN_MAX)),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn no_control_byte_of_a_server_stands_as_it_came() {
        let text = "evil\x1b[2J \u{7f} \u{9b}2J \u{85} \0 \u{a0} ä \u{2028}";
        let json = harmless(&serde_json::to_string(text).unwrap());
        assert!(json.chars().all(|character| !character.is_control()), "{json:?}");
        assert_eq!(serde_json::from_str::<String>(&json).unwrap(), text);
        assert!(json.contains("\\u007f") && json.contains("\\u009b2J"), "{json}");
    }
}
