//! Owns the bounds as a page: what was met stands out, and every name is an anchor.
//!
//! Spec: none.
//! Never: writes a text that [`escaped`] has not seen.

use crate::app::errors;
use crate::app::limits::{Counted, EXPLAINED, Shown, about, sum};
use crate::app::page::escaped;
use crate::http::bounds::{Bound, Memory, Part};
use crate::http::error::Entry;

/// The inside of the page.
pub(super) fn of(shown: &Shown, counted: &Counted<'_>) -> String {
    let groups: String = shown.groups().map(|(group, rows)| section(shown, group.name(), rows, counted)).collect();
    let contents: String = shown.groups().map(|(group, _)| contents_line(group.name())).collect();
    format!(
        "<h1>Limits</h1>\n<p class=\"lead\">Every limit and deadline in force, what a peer sees when it meets one, and how \
         often that happened since the start.</p>\n{}\
         <nav class=\"contents\" aria-label=\"Groups of bounds\"><ul>\n{contents}{}{}</ul></nav>\n{groups}{}{}",
        met(shown, counted),
        contents_line("Memory"),
        contents_line("Refusals"),
        memory(&shown.memory),
        refusals(counted),
    )
}

fn anchor(heading: &str) -> String {
    heading.to_ascii_lowercase().replace(' ', "-")
}

fn contents_line(heading: &str) -> String {
    format!("<li><a href=\"#{}\">{}</a></li>\n", anchor(heading), escaped(heading))
}

/// The short answer: what was met, and what the process has seen.
fn met(shown: &Shown, counted: &Counted<'_>) -> String {
    let counts = counted.tally.listeners();
    let met = shown.bounds.iter().filter(|row| row.hits(counted.tally) > Some(0));
    let met: Vec<String> = met.map(|row| format!("<a href=\"#{0}\"><code>{0}</code></a>", escaped(row.name))).collect();
    let met = if met.is_empty() { "No bound was met.".to_owned() } else { format!("Met: {}.", met.join(", ")) };
    format!(
        "<p class=\"met-all\">{met}</p>\n<p class=\"aside\">{} connections accepted, {} open; {} calls of accept failed; {} \
         panics of handlers. Memory: <a href=\"#memory\">{}</a>.</p>\n",
        counts.accepted,
        counts.open,
        counts.errors,
        counted.panics,
        escaped(&sum(&shown.memory)),
    )
}

fn section(shown: &Shown, name: &str, rows: &[Bound], counted: &Counted<'_>) -> String {
    let rows: String = rows.iter().map(|row| row_html(shown, row, counted)).collect();
    titled(name, &rows)
}

fn titled(name: &str, inside: &str) -> String {
    let (anchor, name) = (anchor(name), escaped(name));
    format!("<section aria-labelledby=\"{anchor}\">\n<h2 id=\"{anchor}\">{name}</h2>\n{inside}</section>\n")
}

fn row_html(shown: &Shown, row: &Bound, counted: &Counted<'_>) -> String {
    let hits = row.hits(counted.tally);
    let met = if hits > Some(0) { " class=\"met\"" } else { "" };
    let hits = hits.map_or("not counted".to_owned(), |hits| format!("{hits} &times;"));
    let set_by = match shown.default_of(row) {
        _ if row.is_fixed => "fixed".to_owned(),
        Some(default) => format!("set; default {default}"),
        None => "default".to_owned(),
    };
    format!(
        "<article id=\"{name}\"{met}>\n<h3><a href=\"#{name}\"><code>{name}</code></a></h3>\n\
         <p class=\"value\"><b>{}</b> <span class=\"set\">{}</span></p>\n<p class=\"hits\">{hits}</p>\n\
         <p class=\"seen\">{}</p>\n<p class=\"words\">{}. <span class=\"label\">Larger:</span> {}.</p>\n</article>\n",
        escaped(&row.amount.to_string()),
        escaped(&set_by),
        seen(row),
        escaped(row.bounds),
        escaped(row.larger),
        name = escaped(row.name),
    )
}

fn seen(row: &Bound) -> String {
    let words = escaped(&row.seen.words());
    match row.seen.code() {
        Some(code) => format!("{words} <a href=\"{}#{code}\">{code}</a>", errors::PATH),
        None => words,
    }
}

fn memory(memory: &Memory) -> String {
    let rows: String = memory.parts.iter().map(|part| part_html(memory, part)).collect();
    let connections = memory.connections.map_or_else(|_| "any number of".to_owned(), |count| count.to_string());
    titled(
        "Memory",
        &format!(
            "<p><b>{}</b>, for {connections} connections and {} threads.</p>\n<p class=\"aside\">{}</p>\n\
             <div class=\"scroll\"><table>\n<thead><tr><th scope=\"col\">part</th><th scope=\"col\">each</th>\
             <th scope=\"col\" class=\"n\">bytes</th><th scope=\"col\" class=\"n\">in all</th></tr></thead>\n\
             <tbody>\n{rows}</tbody></table></div>\n",
            escaped(&sum(memory)),
            memory.threads,
            escaped(EXPLAINED),
        ),
    )
}

fn part_html(memory: &Memory, part: &Part) -> String {
    let shown = |bytes: Result<u64, &str>| bytes.map_or_else(|_| "off".to_owned(), about);
    format!(
        "<tr><td>{}<br><span class=\"set\">{}</span></td><td>{}</td><td class=\"n\">{}</td><td class=\"n\">{}</td></tr>\n",
        escaped(part.what),
        escaped(part.why),
        part.each.name(),
        shown(part.bytes),
        shown(memory.bytes_of(part)),
    )
}

fn refusals(counted: &Counted<'_>) -> String {
    let rows: String = counted.refusals().map(refusal_html).collect();
    let none = if rows.is_empty() { "<p>Nothing was refused.</p>\n" } else { "" };
    titled("Refusals", &format!("{none}<ul class=\"refusals\">\n{rows}</ul>\n"))
}

fn refusal_html((entry, count): (&Entry, u64)) -> String {
    format!(
        "<li><b>{count} &times;</b> <a href=\"{}#{code}\"><code>{code}</code></a> {}</li>\n",
        errors::PATH,
        escaped(entry.title),
        code = entry.code,
    )
}
