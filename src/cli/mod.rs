//! Owns the command line: what may be said, what is then done, and with which exit code it ends.
//!
//! ```text
//!   words ──command()──> flags ─┐
//!   FIRSTBYTE_… ────────────────┼─layers─> settings ──serve──> exit code
//!   --config FILE ──────────────┘        └─ every complaint ─> 2
//!   service NAME ─ the same layers ─────> `service` ─────────> exit code
//!   migrate ────── the same layers ─────> `migrate` ─────────> exit code
//!   worker ─────── the same layers ─────> `worker` ──────────> exit code
//!   check URL ──────────────────────────> `check` ───────────> exit code
//!   ws URL, ws-bench URL ───────────────> `ws`, `ws_bench` ──> exit code
//! ```
//!
//! Never: starts to serve while anything is wrong with what it was told.

mod applications;
mod check;
mod descriptors;
mod layers;
mod log;
mod migrate;
mod serve;
mod service;
mod settings;
mod value;
mod worker;
mod ws;
mod ws_bench;

use std::collections::HashMap;
use std::ffi::OsString;
use std::io::{IsTerminal, Write};
use std::path::PathBuf;
use std::process::ExitCode;

use clap::{Arg, ArgAction, ArgMatches, Command, value_parser};

use layers::{Effective, Layers};
use settings::{Group, SETTINGS, Setting};

/// Something failed while it ran: an address in use, say.
pub const FAILURE: u8 = 1;
/// What was said on the command line, in the environment or in the file cannot be done.
pub const USAGE: u8 = 2;
/// The shutdown was not clean: connections or jobs were cut at the drain deadline or by a second signal.
pub const CUT: u8 = 3;

/// Lines that are laid out have less than 80 columns; a paragraph is one line, which is wrapped where it is shown.
const EXAMPLES: &str = "\
Examples:
  firstbyte                                        serve at 127.0.0.1:8080
  firstbyte serve --listen 127.0.0.1:0             a port the system chooses
  firstbyte serve --lenient-lines                  answer what is typed into nc
  firstbyte serve --trace                          see every byte
  FIRSTBYTE_IDLE_DEADLINE=5s firstbyte             a flag by its variable
  firstbyte serve --print-config > firstbyte.toml  write all settings down
  firstbyte serve --config firstbyte.toml          and use them
  firstbyte check http://127.0.0.1:8080            what it keeps of the RFCs
  firstbyte ws ws://127.0.0.1:8080/ws              talk to a WebSocket

Every flag is a variable too, --idle-deadline is FIRSTBYTE_IDLE_DEADLINE, and a key of the file: idle_deadline. \
A flag wins over a variable, a variable over the file. Sizes are written 512, 64KiB, 1MiB; times 250ms, 5s, 10m, 1h; \
`off` takes a bound away.

Signals: the first SIGTERM or SIGINT (Ctrl-C) stops accepting and finishes what is at work; the second one cuts it.

Exit codes:
  0  a clean end
  1  a failure, such as an address in use
  2  flags, variables or file are wrong
  3  a shutdown that cut connections or jobs, at its deadline or by a signal";

/// Does what the command line says.
pub fn run() -> ExitCode {
    let matches = match command().try_get_matches() {
        Ok(matches) => matches,
        Err(error) => return usage(&error),
    };
    match matches.subcommand() {
        Some(("check", matches)) => check::run(matches),
        Some(("ws", matches)) => ws::run(matches),
        Some(("ws-bench", matches)) => ws_bench::run(matches),
        Some(("service", matches)) => service::run(matches, &environment()),
        Some(("migrate", matches)) => migrate::run(matches, &environment()),
        Some(("worker", matches)) => worker::run(matches, &environment()),
        Some((_, matches)) => act(matches),
        // `serve` is what is meant when nothing is said.
        None => act(&matches),
    }
}

fn environment() -> HashMap<String, String> {
    let lossy = |(name, value): (OsString, OsString)| {
        (name.to_string_lossy().into_owned(), value.to_string_lossy().into_owned())
    };
    std::env::vars_os().map(lossy).collect()
}

/// The whole command line.
pub fn command() -> Command {
    Command::new("firstbyte")
        .version(env!("CARGO_PKG_VERSION"))
        .about("An HTTP/1.1 server written by hand on raw TCP, with the wire in plain sight")
        .after_help("More with --help: limits, examples, exit codes.")
        .after_long_help(EXAMPLES)
        .args(arguments())
        .args_conflicts_with_subcommands(true)
        .max_term_width(120)
        .subcommand(
            Command::new("serve")
                .about("Serve until told to stop (what is done when no command is given)")
                .after_help("More with --help: limits, examples, exit codes.")
                .after_long_help(EXAMPLES)
                .args(arguments())
                .max_term_width(120),
        )
        .subcommand(service::command())
        .subcommand(migrate::command())
        .subcommand(worker::command())
        .subcommand(check::command())
        .subcommand(ws::command())
        .subcommand(ws_bench::command())
}

fn arguments() -> impl Iterator<Item = Arg> {
    let file = Arg::new("config")
        .long("config")
        .value_name("FILE")
        .value_parser(value_parser!(PathBuf))
        .help("Read settings from a TOML file; also by FIRSTBYTE_CONFIG")
        .help_heading("Configuration");
    let switch = |name: &'static str, help: &'static str| {
        Arg::new(name).long(name).action(ArgAction::SetTrue).help(help).help_heading("Configuration")
    };
    let check = switch("check-config", "Say whether all settings are good, and end");
    let print = switch("print-config", "Print the settings in force as TOML, each with where it came from, and end");
    let limits =
        switch("print-limits", "Print every limit and deadline in force, with the memory that they allow, and end");
    SETTINGS.iter().map(argument).chain([file, check, print, limits])
}

fn argument(setting: &Setting) -> Arg {
    let mut defaults = settings::Settings::default();
    let slot = (setting.slot)(&mut defaults);
    let arg = Arg::new(setting.key)
        .long(setting.flag())
        .value_name(slot.hint())
        .action(if slot.is_list() { ArgAction::Append } else { ArgAction::Set })
        .help_heading(setting.group.heading())
        // What the first look need not show.
        .hide_short_help(setting.group != Group::Server);
    let (first, _) = setting.about.split_once(". ").unwrap_or((setting.about, ""));
    if slot.hint() == value::SWITCH {
        let arg = arg.num_args(0..=1).require_equals(true).default_missing_value("true");
        return arg.help(first).long_help(setting.about);
    }
    let with_default = |about| format!("{about} [default: {}]", slot.print().trim_matches(['"', '[', ']']));
    // What begins with a dash is refused with all else that is wrong, and not before it.
    let arg = arg.allow_hyphen_values(true);
    arg.help(with_default(first)).long_help(with_default(setting.about))
}

fn load(matches: &ArgMatches, environment: &HashMap<String, String>) -> Result<Effective, Vec<String>> {
    let path = matches.get_one::<PathBuf>("config").cloned();
    let path = path.or_else(|| environment.get("FIRSTBYTE_CONFIG").map(PathBuf::from));
    let text = match path.as_ref().map(std::fs::read_to_string).transpose() {
        Ok(text) => text,
        Err(error) => return Err(vec![format!("{}: {error}", path.unwrap_or_default().display())]),
    };
    Layers { file: path.as_deref().zip(text.as_deref()), environment, flags: matches }.load()
}

/// `serve`, or what is asked of its settings in its place.
fn act(matches: &ArgMatches) -> ExitCode {
    let effective = match load(matches, &environment()) {
        Ok(effective) => effective,
        Err(complaints) => return refuse(&complaints),
    };
    tell_hints(&effective);
    if matches.get_flag("print-config") {
        return print(&effective.print());
    }
    if matches.get_flag("print-limits") {
        return print(&serve::print_limits(effective.settings));
    }
    if matches.get_flag("check-config") {
        return print("all settings are good\n");
    }
    serve::serve(effective.settings)
}

fn tell_hints(effective: &Effective) {
    effective.hints.iter().for_each(|hint| say(&format!("hint: {hint}")));
}

fn usage(error: &clap::Error) -> ExitCode {
    // Help and version are errors to clap, with exit code 0; there is nothing to do about a closed terminal.
    let _ = error.print();
    ExitCode::from(u8::try_from(error.exit_code()).unwrap_or(USAGE))
}

fn refuse(complaints: &[String]) -> ExitCode {
    let things =
        if complaints.len() == 1 { "one setting is".to_owned() } else { format!("{} settings are", complaints.len()) };
    say(&format!("error: {things} wrong"));
    complaints.iter().for_each(|complaint| say(&format!("  {complaint}")));
    say("\nAll settings: firstbyte --help");
    ExitCode::from(USAGE)
}

/// Prints what was asked for.
fn print(text: &str) -> ExitCode {
    let mut out = std::io::stdout().lock();
    match out.write_all(text.as_bytes()).and_then(|()| out.flush()) {
        Ok(()) => ExitCode::SUCCESS,
        Err(_) => ExitCode::from(FAILURE),
    }
}

/// Says why it cannot be done.
fn fail(why: &str) -> ExitCode {
    say(&format!("error: {why}"));
    ExitCode::from(FAILURE)
}

/// Whether what is written to `stream` may have colours: <https://no-color.org>.
fn may_colour(stream: &impl IsTerminal) -> bool {
    stream.is_terminal() && std::env::var_os("NO_COLOR").is_none_or(|value| value.is_empty())
}

/// Tells the person who started this.
fn say(line: &str) {
    // Nobody is left to be told that nobody listens.
    let _ = writeln!(std::io::stderr(), "{line}");
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_command_line_is_consistent() {
        command().debug_assert();
    }

    #[test]
    fn help_is_laid_out_for_narrow_and_wide_terminals() {
        for columns in [80, 100, 120] {
            let help = command().term_width(columns).render_long_help().to_string();
            assert!(help.lines().all(|line| line.chars().count() <= columns), "{columns}: {help}");
            for line in EXAMPLES.lines().filter(|line| line.starts_with("  ")) {
                assert!(help.lines().any(|shown| shown == line), "{columns}: {line} was wrapped");
            }
        }
    }

    #[test]
    fn a_value_that_begins_with_a_dash_is_refused_with_all_else_that_is_wrong() {
        let words = ["firstbyte", "--field-lines-max", "-1", "--idle-deadline", "soon"];
        let matches = command().try_get_matches_from(words).expect("read later");
        let complaints = load(&matches, &HashMap::new()).expect_err("two faults");
        assert_eq!(complaints.len(), 2, "{complaints:?}");
    }

    #[test]
    fn flags_stand_before_or_after_the_default_command() {
        for words in [&["firstbyte", "--trace"][..], &["firstbyte", "serve", "--trace"]] {
            let matches = command().try_get_matches_from(words).expect("good");
            let matches = matches.subcommand_matches("serve").unwrap_or(&matches);
            assert!(load(matches, &HashMap::new()).expect("good").settings.trace, "{words:?}");
        }
    }

    #[test]
    fn what_is_not_understood_is_refused() {
        for words in [&["firstbyte", "sreve"][..], &["firstbyte", "--trac"], &["firstbyte", "--workers"]] {
            let error = command().try_get_matches_from(words).expect_err("wrong");
            assert_eq!(error.exit_code(), i32::from(USAGE), "{words:?}");
        }
        let error = command().try_get_matches_from(["firstbyte", "--idle-deadlin=5s"]).expect_err("wrong");
        assert!(error.to_string().contains("--idle-deadline"), "{error}");
    }

    #[test]
    fn a_file_that_cannot_be_read_is_named() {
        let matches = command().try_get_matches_from(["firstbyte", "--config", "/nowhere/it.toml"]).expect("good");
        let complaints = load(&matches, &HashMap::new()).expect_err("no such file");
        assert!(complaints[0].starts_with("/nowhere/it.toml: No such file"), "{complaints:?}");
    }
}
