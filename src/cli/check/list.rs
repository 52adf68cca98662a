//! Owns the ledger in print: text for a terminal, and Markdown, which is CONFORMANCE.md.
//!
//! Never: says anything of a row that the row does not.

use firstbyte::conformance::{Level, Proof, Requirement};

const INTRODUCTION: &str = "\
# Conformance

What RFC 9110 and RFC 9112 require of a server, row by row, and what firstbyte does. The rows are constants in
[src/conformance/ledger](src/conformance/ledger). Nearly each has a probe: bytes to send, and a judgement on what comes
back. Tests play every probe against firstbyte, whole, byte by byte (up to 32 KiB) and cut in two, and compare the decision to
the status and the code; `firstbyte check http://HOST:PORT` plays them against any server. Where the outside shows nothing, a
test of ours is named.

MUST and SHOULD are those of RFC 2119. A choice is what the text leaves to the server: no server fails by choosing otherwise
than firstbyte, but it is told where.

firstbyte goes against four rows, knowingly. It refuses empty members of Transfer-Encoding, before `chunked` and behind it,
and bad white space in a chunk line: MUSTs, but readers differ on them, and each decides where a request ends, which is how
requests are smuggled. And it reads the eight marks in a query that browsers send as they are, which SHOULD be refused. These
rows say *against the text*, and nobody is asked about them.

This page is printed by `make conformance`, from the same rows.
";

/// The rows, a paragraph each.
pub fn text(rows: &[&Requirement]) -> String {
    let paragraph = |row: &&Requirement| {
        let Requirement { id, section, level, says, .. } = row;
        format!("{id}  {level}  {section}\n  {says}\n  firstbyte: {}\n", decision(row, ""))
    };
    let paragraphs: Vec<String> = rows.iter().map(paragraph).collect();
    paragraphs.join("\n")
}

/// The rows, a table for each family.
pub fn markdown(rows: &[&Requirement]) -> String {
    let mut text = INTRODUCTION.to_owned() + &counts(rows);
    let mut family = "";
    for row in rows {
        if row.family() != family {
            family = row.family();
            text += &format!(
                "\n## {family}\n\n| row | level | section | requirement | firstbyte |\n|---|---|---|---|---|\n"
            );
        }
        let cells = [&format!("`{}`", row.name()), &row.level.to_string(), row.section, row.says, &decision(row, "`")];
        text += &format!("| {} |\n", cells.map(|cell| cell.replace('|', "\\|")).join(" | "));
    }
    text
}

fn counts(rows: &[&Requirement]) -> String {
    let mut text = "\n| | rows | by a probe | by a test | against the text |\n|---|---|---|---|---|\n".to_owned();
    for level in [Level::Must, Level::Should, Level::Choice] {
        let of_level: Vec<_> = rows.iter().filter(|row| row.level == level).collect();
        let all = of_level.len();
        let probes = of_level.iter().filter(|row| matches!(row.proof, Proof::Probe(_))).count();
        let departures = of_level.iter().filter(|row| matches!(row.proof, Proof::Departure(_))).count();
        text += &format!("| {level} | {all} | {probes} | {} | {departures} |\n", all - probes - departures);
    }
    text
}

/// What firstbyte does, and the test that shows it where no probe does.
fn decision(row: &Requirement, quote: &str) -> String {
    match row.proof {
        Proof::Probe(_) => row.decision.to_owned(),
        Proof::Test(name) if row.decision.is_empty() => format!("{quote}{name}{quote}"),
        Proof::Test(name) => format!("{}: {quote}{name}{quote}", row.decision),
        Proof::Departure(name) => format!("against the text: {}: {quote}{name}{quote}", row.decision),
    }
}
