//! Owns `firstbyte check`: what may be asked of it, and the way from an address to an exit code.
//!
//! ```text
//!   words ──> Wanted ──reach──> Subject ──examine──> findings ──> text or JSON on standard output
//!                │                 └─ a server that cannot be examined: why, on standard error, and 1
//!                └─ --list ──────────────────────────────────────> the ledger, as text or Markdown
//! ```
//!
//! Never: judges: `firstbyte::conformance` does. Writes to standard output what was not asked for; shows a byte that a
//! server chose as it came: a terminal would obey it.

mod json;
mod list;
mod report;
mod wanted;

use std::io::{self, IsTerminal, Write};
use std::process::ExitCode;

use clap::{Arg, ArgAction, ArgMatches, Command, value_parser};
use firstbyte::conformance::examine::Progress;
use firstbyte::conformance::{Finding, Manner, Requirement, Score, Subject, Target, Unreachable, examine, rows};
use tokio::runtime;

use super::{FAILURE, USAGE, fail, may_colour, print, say};
use wanted::{Only, Url, Wanted};

const EXAMPLES: &str = "\
Examples:
  firstbyte check http://127.0.0.1:8080                the whole ledger
  firstbyte check http://[::1]/ --get /index.html      a page to ask for
  firstbyte check localhost:80 --only must             what is binding
  firstbyte check localhost:80 --only framing/         what requests are smuggled with
  firstbyte check localhost:80 --json > report.json    for programs
  firstbyte check --list                               what would be asked

The server is asked over real sockets, each row on a connection of its own. It needs a path that answers GET with 200 and \
some content, and, for the rows about content, one that answers POST with 200 and the content of the request. Without \
one, those rows are skipped.

A row is a MUST or a SHOULD of RFC 9110 or 9112, or a choice that they leave to the server. Where it chooses \
otherwise than firstbyte that is reported, and is no failure. What fails is asked again, alone and with twice the time, before it counts.

Rows send requests that are malformed, large or cut off, and a PUT and a DELETE of /nothing/is/here. Ask only servers that are yours.

Exit codes:
  0  no MUST is broken
  1  one is, or the server cannot be examined, or it did not answer to the end: then rows were not asked
  2  flags are wrong";

/// The subcommand.
pub fn command() -> Command {
    let path = |name: &'static str, default: &'static str, help: &'static str| {
        let arg = Arg::new(name).long(name).value_name("PATH").value_parser(wanted::path);
        arg.help(format!("{help} [default: {default}]"))
    };
    let switch = |name: &'static str, help: &'static str| {
        Arg::new(name).long(name).action(ArgAction::SetTrue).help(help).help_heading("Output")
    };
    Command::new("check")
        .about("Examine any HTTP/1.1 server: what it keeps of RFC 9110 and 9112, row by row")
        .after_help("More with --help: examples, exit codes.")
        .after_long_help(EXAMPLES)
        .max_term_width(120)
        .arg(
            Arg::new("url")
                .value_name("URL")
                .value_parser(Url::parse)
                .required_unless_present("list")
                .help("Where it is: http://HOST[:PORT][/PATH]; PATH is what is asked for by GET"),
        )
        .arg(path("get", "the path of URL", "A path that answers GET with 200 and some content"))
        .arg(path("echo", "/echo, if it echoes", "A path that answers POST with 200 and the content of the request"))
        .arg(
            Arg::new("only")
                .long("only")
                .value_name("ID|LEVEL")
                .value_parser(Only::parse)
                .action(ArgAction::Append)
                .help("Rows whose id begins so, or of this level (must, should, choice); may stand several times"),
        )
        .arg(
            Arg::new("jobs")
                .long("jobs")
                .value_name("N")
                .value_parser(value_parser!(u16).range(1..=256))
                .default_value("16")
                .help("Connections at once"),
        )
        .arg(
            Arg::new("patience")
                .long("patience")
                .value_name("TIME")
                .value_parser(wanted::patience)
                .default_value("1s")
                .help("How long a silence means that no more comes; an answer is waited for three times as long"),
        )
        .arg(switch("json", "One JSON document").conflicts_with("list"))
        .arg(switch("list", "The rows and what firstbyte does, and nothing is asked").conflicts_with("url"))
        // An address takes the place of `list`, and clap then asks for it no more.
        .arg(switch("markdown", "The list as CONFORMANCE.md").requires("list").conflicts_with("url"))
}

/// Does what the subcommand says.
pub fn run(matches: &ArgMatches) -> ExitCode {
    let wanted = match Wanted::of(matches) {
        Ok(wanted) => wanted,
        Err(complaint) => {
            say(&format!("error: {complaint}\n\nAll rows: firstbyte check --list"));
            return ExitCode::from(USAGE);
        }
    };
    let chosen: Vec<&'static Requirement> = rows().filter(|row| wanted.includes(row)).collect();
    match &wanted.url {
        None if matches.get_flag("markdown") => print(&list::markdown(&chosen)),
        None => print(&list::text(&chosen)),
        Some(url) => check(&wanted, url, chosen),
    }
}

fn check(wanted: &Wanted, url: &Url, chosen: Vec<&'static Requirement>) -> ExitCode {
    let runtime = match runtime::Builder::new_current_thread().enable_all().build() {
        Ok(runtime) => runtime,
        Err(error) => return fail(&format!("sockets cannot be waited for: {error}")),
    };
    let target = wanted.target(url);
    let subject = match runtime.block_on(Subject::reach(target.clone(), &wanted.pace())) {
        Ok(subject) => subject,
        Err(error) => return fail(&explained(&target, &error)),
    };
    let manner = Manner { jobs: wanted.jobs, pace: wanted.pace() };
    let findings = runtime.block_on(examine(&subject, chosen, manner, show_progress(io::stderr().is_terminal())));
    let is_alive = runtime.block_on(subject.answers(&wanted.pace()));
    if !is_alive {
        say(&format!("warning: {} no longer answers: a row has stopped it, or something else did", url.authority));
    }
    let score = Score::of(&findings);
    if score.unanswered > 0 {
        say(&format!("warning: {} rows were not asked, and nothing is known of them", score.unanswered));
    }
    let printed = print(&told(wanted, url, &subject, &findings, is_alive));
    let is_known = is_alive && score.unanswered == 0;
    if score.must.failed() > 0 || !is_known { ExitCode::from(FAILURE) } else { printed }
}

fn told(wanted: &Wanted, url: &Url, subject: &Subject, findings: &[Finding], is_alive: bool) -> String {
    if wanted.json {
        return json::document(wanted, url, subject, findings, is_alive);
    }
    report::text(url, subject, findings, may_colour(&io::stdout()))
}

/// One line that is written again and again, on a terminal alone.
fn show_progress(is_terminal: bool) -> impl FnMut(Progress) {
    move |Progress { done, all }| {
        if is_terminal {
            let line = if done < all { format!("\r\x1b[K{done} of {all} rows") } else { "\r\x1b[K".to_owned() };
            let mut out = io::stderr().lock();
            // Nobody is left to be shown anything.
            let _ = out.write_all(line.as_bytes()).and_then(|()| out.flush());
        }
    }
}

fn explained(target: &Target, error: &Unreachable) -> String {
    let remedy = match error {
        Unreachable::Name(_) => "Is it spelt right? An address will do, too",
        Unreachable::Connect(_) => "Is it running, and is that its port?",
        Unreachable::NoHttp(came) if came.starts_with("\"\\x15\\x03") => {
            "That is TLS: name a port that speaks plain HTTP"
        }
        Unreachable::Get(_) => "Name a path that does so by --get",
        _ => "Name a port that speaks plain HTTP/1.1",
    };
    format!("{} cannot be examined (GET {}): {error}\n{remedy}", target.host, target.get)
}
