//! Owns how jobs and schedules look: HTML, and nothing that decides.
//!
//! The one idea: a part that changes by itself has `data-live` and an id, so that a script can put in the new one for the old.
//!
//! Never: writes a text that was not escaped.

use std::time::Duration;

use jiff::Timestamp;
use serde_json::Value;

use crate::app::jobs::error::Error;
use crate::app::jobs::{BULK_MAX, JobsConfig, PREFIX};
use crate::app::page::escaped;
use crate::app::queue::domain::{Attempt, Counts, Filter, Job, JobId, Page, State};
use crate::app::queue::schedule::{Listed, Schedule};

/// What stands above everything.
pub(super) const HEADING: &str = "<h1><a href=\"/jobs\">Jobs</a></h1>\n<p class=\"lead\">Work that was promised and is done later: written down \
                                  before anybody is told, tried again when it fails, put aside when it cannot be done.</p>\n";

/// The list, and all around it.
pub(super) struct List<'a> {
    pub filter: &'a Filter,
    pub is_first: bool,
    pub page: &'a Page,
    pub counts: &'a Counts,
    pub schedules: &'a Listed,
    pub config: &'a JobsConfig,
}

impl List<'_> {
    pub fn html(&self) -> String {
        format!(
            "{}<section id=\"jobs\" data-live>\n{}{}{}</section>\n<div class=\"cards\">\n{}{}</div>\n\
             <h2 id=\"schedules\">Schedules</h2>\n{}",
            self.place(),
            self.tabs(),
            self.rows(),
            self.more(),
            self.new_job(),
            self.new_schedule(),
            self.schedules(),
        )
    }

    fn place(&self) -> &'static str {
        if self.config.is_in_memory {
            "<p class=\"aside\">These are in memory: what is not done when this process ends is lost. A database keeps them: \
             <code>--database-url</code>.</p>\n"
        } else {
            ""
        }
    }

    fn tabs(&self) -> String {
        let all: u64 = State::ALL.into_iter().map(|state| self.counts.of(state)).sum();
        let tab = |state: Option<State>, count: u64| {
            let (name, query) = match state {
                Some(state) => (state.text(), format!("?state={state}")),
                None => ("all", String::new()),
            };
            let current = if self.filter.state == state { " aria-current=\"page\"" } else { "" };
            format!("<a href=\"{PREFIX}{query}\" class=\"{name}\"{current}>{name} <b>{count}</b></a>\n")
        };
        let tabs: String = State::ALL.into_iter().map(|state| tab(Some(state), self.counts.of(state))).collect();
        let oldest = self.counts.oldest_ready.map_or(String::new(), |age| {
            format!("<p class=\"aside\">The job that has waited longest has waited {}.</p>\n", span(age))
        });
        format!("<nav class=\"states\" aria-label=\"States\">\n{}{tabs}</nav>\n{oldest}", tab(None, all))
    }

    fn rows(&self) -> String {
        if self.page.jobs.is_empty() {
            return "<p class=\"none\">There are none.</p>\n".to_owned();
        }
        let now = self.schedules.now;
        let rows: String = self.page.jobs.iter().map(|job| row(job, now)).collect();
        format!(
            "<table class=\"jobs\">\n<thead><tr><th>Kind</th><th>State</th><th>Tries</th><th>When</th><th><span class=\"quiet\">Do</span></th>\
             </tr></thead>\n<tbody>\n{rows}</tbody>\n</table>\n"
        )
    }

    fn more(&self) -> String {
        let state = self.filter.state.map_or(String::new(), |state| format!("state={state}&amp;"));
        let kind = self.filter.kind.as_ref().map_or(String::new(), |kind| format!("kind={kind}&amp;"));
        let newest = format!("<a href=\"{PREFIX}?{state}{kind}\">Newest</a>\n");
        let older = self.page.next.map(|next| format!("<a href=\"{PREFIX}?{state}{kind}after={next}\">Older</a>\n"));
        let newest = if self.is_first { None } else { Some(newest) };
        let retry = (self.filter.state == Some(State::Dead) && !self.page.jobs.is_empty()).then(|| {
            let words = format!("Retry the newest, at most {BULK_MAX}");
            form(&format!("{PREFIX}/dead/retry"), "", &words, "")
        });
        let parts: String = [newest, older, retry].into_iter().flatten().collect();
        if parts.is_empty() { parts } else { format!("<div class=\"actions\">{parts}</div>\n") }
    }

    fn new_job(&self) -> String {
        format!(
            "<form class=\"card\" method=\"post\" action=\"{PREFIX}/enqueue\">\n<h2>A new job</h2>\n\
             <input type=\"hidden\" name=\"key\" value=\"form:{}\">\n{}\
             <label for=\"job-payload\">Payload, JSON</label>\n\
             <textarea id=\"job-payload\" name=\"payload\" rows=\"2\" spellcheck=\"false\" placeholder='{{\"hello\": \"world\"}}'></textarea>\n\
             <div class=\"pair\">{}{}</div>\n<button>Enqueue</button>\n</form>\n",
            JobId::new(),
            self.kind("job"),
            number("job-delay", "delay_ms", "Delay, ms", 0),
            number("job-tries", "tries_max", "Tries", 1),
        )
    }

    fn new_schedule(&self) -> String {
        format!(
            "<form class=\"card\" method=\"post\" action=\"{PREFIX}/schedules\">\n<h2>A new schedule</h2>\n\
             <div class=\"pair\">{}{}</div>\n<div class=\"pair\">{}{}</div>\n\
             <label for=\"schedule-payload\">Payload, JSON</label>\n\
             <textarea id=\"schedule-payload\" name=\"payload\" rows=\"1\" spellcheck=\"false\"></textarea>\n<button>Schedule</button>\n</form>\n",
            text("schedule-name", "name", "Name", "nightly-report", true),
            self.kind("schedule"),
            text("schedule-cron", "cron", "Cron", "*/5 9-17 * * MON-FRI", true),
            text("schedule-zone", "zone", "Zone", "UTC", false),
        )
    }

    /// A choice among the kinds that are worked here; any name, when none are.
    fn kind(&self, of: &str) -> String {
        let label = format!("<div><label for=\"{of}-kind\">Kind</label>\n");
        if self.config.kinds.is_empty() {
            return label + &format!("<input id=\"{of}-kind\" name=\"kind\" required></div>\n");
        }
        let option = |kind: &_| format!("<option>{}</option>", escaped(&format!("{kind}")));
        let options: String = self.config.kinds.iter().map(option).collect();
        label + &format!("<select id=\"{of}-kind\" name=\"kind\">{options}</select></div>\n")
    }

    fn schedules(&self) -> String {
        let Listed { now, schedules, unreadable } = self.schedules;
        let rows: String = schedules.iter().map(|schedule| schedule_row(schedule, *now)).collect();
        let unreadable: String = unreadable
            .iter()
            .map(|name| {
                format!("<p class=\"aside\">{} was stored by another build, which reads it.</p>\n", escaped(name))
            })
            .collect();
        let rows = if rows.is_empty() {
            "<p class=\"none\">There are none.</p>\n".to_owned()
        } else {
            format!("<ul class=\"schedules\">\n{rows}</ul>\n")
        };
        format!("<section id=\"schedule-list\" data-live>\n{rows}{unreadable}</section>\n")
    }
}

/// One job, and how it has fared.
pub(super) fn job(job: &Job) -> String {
    let facts = [
        ("Id", Some(format!("<code>{}</code>", job.id))),
        ("Key", job.key.as_ref().map(|key| format!("<code>{}</code>", escaped(key.text())))),
        ("Tries", Some(format!("{} of {}", job.tries, job.tries_max))),
        ("Priority", Some(job.priority.to_string())),
        ("Time for a try", Some(span(job.timeout))),
        ("Stored", Some(time(job.created_at))),
        ("Not before", Some(time(job.run_at))),
        ("Claimed", job.claimed_at.map(time)),
        ("Finished", job.finished_at.map(time)),
        ("Lease until", job.lease_until.map(time)),
        ("Worker", job.worker.as_ref().map(|worker| format!("<code>{}</code>", escaped(worker)))),
        ("Fence", (job.fence > 0).then(|| job.fence.to_string())),
    ];
    let facts: String = facts
        .into_iter()
        .filter_map(|(name, value)| Some(format!("<div><dt>{name}</dt><dd>{}</dd></div>\n", value?)))
        .collect();
    let tries: String = job.errors.iter().map(attempt).collect();
    let tries = if tries.is_empty() {
        "<p class=\"none\">None has failed.</p>\n".to_owned()
    } else {
        format!("<ol class=\"tries\">\n{tries}</ol>\n")
    };
    let result = job.result.as_ref().map_or(String::new(), |result| format!("<h2>Result</h2>\n{}", json(result)));
    format!(
        "<section id=\"job\" data-live>\n<h2>{} {}</h2>\n<div class=\"actions\">{}</div>\n<dl class=\"facts\">\n{facts}</dl>\n\
         <h2>Tries that failed</h2>\n{tries}<h2>Payload</h2>\n{}{result}</section>\n<p><a href=\"{PREFIX}\">All jobs</a></p>\n",
        escaped(job.kind.text()),
        badge(job),
        actions(job),
        json(&job.payload),
    )
}

/// What went wrong, in words.
pub(super) fn notice(error: &Error) -> String {
    let message = error.message();
    let (first, rest) = message.split_at(message.chars().next().map_or(0, char::len_utf8));
    format!("<p class=\"notice\" role=\"alert\">{}{}.</p>\n", escaped(&first.to_uppercase()), escaped(rest))
}

fn row(job: &Job, now: Timestamp) -> String {
    let kind = escaped(job.kind.text());
    let why = job
        .errors
        .last()
        .filter(|_| job.result.is_none())
        .map_or(String::new(), |attempt| format!("<span class=\"why\">{}</span>", escaped(&attempt.why)));
    format!(
        "<tr><td><a href=\"{PREFIX}/{}\">{kind}</a>{why}</td><td>{}</td><td>{}/{}</td><td>{}</td><td>{}</td></tr>\n",
        job.id,
        badge(job),
        job.tries,
        job.tries_max,
        when(job, now),
        actions(job),
    )
}

fn badge(job: &Job) -> String {
    let state = job.state;
    let words =
        if job.state == State::Running && job.is_cancelling { "running, to be cancelled" } else { state.text() };
    format!("<span class=\"state {state}\">{words}</span>")
}

/// The time that matters in its state.
fn when(job: &Job, now: Timestamp) -> String {
    let (words, at) = match job.state {
        State::Scheduled => ("", job.run_at),
        State::Running => ("for", job.claimed_at.unwrap_or(job.run_at)),
        _ => ("", job.finished_at.unwrap_or(job.run_at)),
    };
    let distance = Duration::try_from(now.duration_since(at).abs()).unwrap_or_default();
    let shown = match (at > now, words) {
        (true, _) => format!("in {}", span(distance)),
        (false, "for") => format!("for {}", span(distance)),
        (false, _) => format!("{} ago", span(distance)),
    };
    format!("<time datetime=\"{at}\" title=\"{at}\">{shown}</time>")
}

fn actions(job: &Job) -> String {
    let place = |what: &str| format!("{PREFIX}/{}/{what}", job.id);
    let label = |what: &str| format!("{what} {} {}", job.kind, job.id);
    let button = |what: &str, words: &str| form(&place(what), "quiet", words, &label(words));
    match job.state {
        State::Dead => button("retry", "Retry") + &button("discard", "Discard"),
        State::Cancelled | State::Discarded => button("retry", "Retry"),
        State::Scheduled => button("retry", "Run now") + &button("cancel", "Cancel"),
        State::Running if job.is_cancelling => String::new(),
        State::Ready | State::Running => button("cancel", "Cancel"),
        State::Completed => String::new(),
    }
}

fn schedule_row(schedule: &Schedule, now: Timestamp) -> String {
    let what = &schedule.what;
    let name = escaped(what.name.text());
    let place = |verb: &str| format!("{PREFIX}/schedules/{name}/{verb}");
    let next = match schedule.next(now) {
        Some(next) => format!("next {}", civil(schedule, next)),
        None => "disabled".to_owned(),
    };
    let last = schedule
        .last
        .map_or(String::new(), |(at, job)| format!(" · last <a href=\"{PREFIX}/{job}\">{}</a>", civil(schedule, at)));
    let (verb, word) = if what.is_enabled { ("disable", "Disable") } else { ("enable", "Enable") };
    format!(
        "<li><span class=\"name\">{name} <code>{}</code></span> <span class=\"times\">{} · {} · {next}{last}</span>\
         <span class=\"do\">{}{}</span></li>\n",
        escaped(&what.cron.to_string()),
        escaped(what.kind.text()),
        escaped(what.cron.zone().name()),
        form(&place(verb), "quiet", word, &format!("{word} {name}")),
        form(&place("delete"), "quiet", "Delete", &format!("Delete {name}")),
    )
}

/// By the clocks of its zone, which is named beside.
fn civil(schedule: &Schedule, at: Timestamp) -> String {
    let civil = schedule.what.cron.zone().civil(at).strftime("%Y-%m-%d %H:%M");
    format!("<time datetime=\"{at}\">{civil}</time>")
}

fn attempt(attempt: &Attempt) -> String {
    let (number, at, why) = (attempt.number, time(attempt.at), escaped(&attempt.why));
    format!("<li value=\"{number}\"><span class=\"at\">{at}</span> {why}</li>\n")
}

fn form(place: &str, class: &str, words: &str, label: &str) -> String {
    let label = if label.is_empty() { String::new() } else { format!(" aria-label=\"{}\"", escaped(label)) };
    format!("<form method=\"post\" action=\"{place}\"><button class=\"{class}\"{label}>{words}</button></form>")
}

fn text(id: &str, name: &str, label: &str, example: &str, is_required: bool) -> String {
    let required = if is_required { " required" } else { "" };
    format!(
        "<div><label for=\"{id}\">{label}</label>\n<input id=\"{id}\" name=\"{name}\" placeholder=\"{example}\" \
         autocapitalize=\"none\" autocomplete=\"off\" spellcheck=\"false\"{required}></div>\n"
    )
}

fn number(id: &str, name: &str, label: &str, min: u32) -> String {
    format!(
        "<div><label for=\"{id}\">{label}</label>\n<input id=\"{id}\" name=\"{name}\" type=\"number\" min=\"{min}\"></div>\n"
    )
}

fn json(value: &Value) -> String {
    format!("<pre><code>{}</code></pre>\n", escaped(&serde_json::to_string_pretty(value).unwrap_or_default()))
}

fn time(at: Timestamp) -> String {
    format!("<time datetime=\"{at}\">{}</time>", at.strftime("%Y-%m-%d %H:%M:%S%.3f UTC"))
}

/// A span as people say it.
fn span(span: Duration) -> String {
    let seconds = span.as_secs();
    match seconds {
        0 => format!("{} ms", span.as_millis()),
        1..120 => format!("{seconds} s"),
        120..7_200 => format!("{} min", seconds / 60),
        7_200..172_800 => format!("{} h", seconds / 3_600),
        _ => format!("{} days", seconds / 86_400),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn spans_are_said_as_people_say_them() {
        for (seconds, expected) in
            [(0, "0 ms"), (1, "1 s"), (119, "119 s"), (120, "2 min"), (7_200, "2 h"), (172_800, "2 days")]
        {
            assert_eq!(span(Duration::from_secs(seconds)), expected);
        }
        assert_eq!(span(Duration::from_millis(250)), "250 ms");
    }
}
