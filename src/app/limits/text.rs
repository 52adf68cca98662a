//! Owns the bounds as lines for a terminal: columns that line up, in at most 120 of them.
//!
//! Spec: none.
//! Never: wraps in the middle of a word.

use std::fmt::Write as _;

use crate::app::limits::{Counted, EXPLAINED, Shown, about, sum};
use crate::http::bounds::{Bound, Memory};

/// Columns of a line.
const COLUMNS: usize = 120;
/// Columns before the words that explain a row.
const INDENT: &str = "      ";

/// All of it, with counts where there are any.
pub(super) fn of(shown: &Shown, counted: Option<&Counted<'_>>) -> String {
    let mut text = String::from("Limits and deadlines in force. * differs from the default");
    text += if counted.is_some() { ", ! was met since the start.\n" } else { ".\n" };
    for (group, rows) in shown.groups() {
        let _ = writeln!(text, "\n{}", group.name());
        rows.iter().for_each(|row| push_row(&mut text, shown, row, counted));
    }
    push_memory(&mut text, &shown.memory);
    if let Some(counted) = counted {
        push_counts(&mut text, counted);
    }
    text
}

fn push_row(text: &mut String, shown: &Shown, row: &Bound, counted: Option<&Counted<'_>>) {
    let default = shown.default_of(row);
    let hits = counted.map(|counted| row.hits(counted.tally));
    let met = if hits.flatten() > Some(0) { '!' } else { ' ' };
    let differs = if default.is_some() { '*' } else { ' ' };
    let mut line = format!("{met}{differs} {:<28} {:<28}", row.name, row.amount);
    if let Some(hits) = hits {
        let _ = write!(line, " {:>8}", hits.map_or("-".to_owned(), |hits| hits.to_string()));
    }
    let _ = write!(line, "  {}", row.seen.words());
    row.seen.code().iter().for_each(|code| line += &format!(" {code}"));
    line += if row.is_fixed { "  (fixed)" } else { "" };
    *text += line.trim_end();
    let default = default.map_or(String::new(), |default| format!(" Default: {default}."));
    push_wrapped(text, &format!("{}. Larger: {}.{default}", row.bounds, row.larger));
}

/// Words on lines of their own, behind an indent.
fn push_wrapped(text: &mut String, words: &str) {
    let mut columns = COLUMNS;
    for word in words.split(' ') {
        let width = word.chars().count() + 1;
        if columns + width > COLUMNS {
            *text += "\n";
            *text += INDENT;
            columns = INDENT.len();
        } else {
            *text += " ";
            columns += 1;
        }
        *text += word;
        columns += width - 1;
    }
    *text += "\n";
}

fn push_memory(text: &mut String, memory: &Memory) {
    let _ = write!(text, "\nMemory: {}", sum(memory));
    push_wrapped(text, EXPLAINED);
    let connections = memory.connections.map_or_else(|_| "off".to_owned(), |connections| connections.to_string());
    let _ = writeln!(text, "   {:<28} {:<12} {:>12} {:>12}", "part", "each", "bytes", "in all");
    for part in &memory.parts {
        let each = part.bytes.map_or_else(|_| "off".to_owned(), about);
        let all = memory.bytes_of(part).map_or_else(|_| "off".to_owned(), about);
        let _ = write!(text, "   {:<28} {:<12} {each:>12} {all:>12}", part.what, part.each.name());
        push_wrapped(text, part.why);
    }
    let _ = writeln!(text, "   {connections} connections, {} threads", memory.threads);
}

fn push_counts(text: &mut String, counted: &Counted<'_>) {
    let counts = counted.tally.listeners();
    let _ = writeln!(
        text,
        "\nSince the start: {} connections accepted, {} open, {} calls of accept failed, {} panics of handlers",
        counts.accepted, counts.open, counts.errors, counted.panics
    );
    for (entry, count) in counted.refusals() {
        let _ = writeln!(text, "   {count:>8}  {:<18} {}  {}", entry.code, entry.status.code(), entry.title);
    }
}
