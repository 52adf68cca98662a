//! Owns `firstbyte migrate`: the shape of the database, looked at and changed by hand.
//!
//! ```text
//!   status ──> a line for each file ──> 0 in order, 3 not
//!   up     ──> whatever is pending
//!   down   ──> what was applied last, if --yes says so
//! ```
//!
//! Never: drops data unless told so twice: by `down`, and by `--yes`.

use std::collections::HashMap;
use std::process::ExitCode;

use clap::{Arg, ArgAction, ArgMatches, Command};
use firstbyte::db::migrations::by_hand::{self, Goal, Session, Standing, State};
use firstbyte::db::migrations::{self, Applied};
use firstbyte::db::{Migration, ServiceUrl};
use tokio::runtime;

use super::{USAGE, applications, arguments, fail, load, print, refuse, say};

const EXAMPLES: &str = "\
Examples:
  export DATABASE_URL=postgres://localhost/firstbyte
  firstbyte migrate status                           what is applied, and what is not
  firstbyte migrate up                               apply whatever is pending
  firstbyte migrate down                             say what would be taken back
  firstbyte migrate down --yes                       take the last file back
  firstbyte migrate down --to NAME --yes             and all that came after NAME

`firstbyte serve` applies what is pending by itself, at its start and whenever it connects: so nodes are stopped before \
anything is taken back, or they apply it again. Many may run this at once, beside nodes that start: a lock of the \
database lets one at a time. Each file is a transaction: it is applied as a whole, or not at all.

Exit codes:
  0  it is done; `status`: all files are applied
  1  a failure, such as a database that is away: what was done before stays done
  2  flags are wrong; `down` without --yes, which has done nothing
  3  `status`: files are pending, or were edited after they had been applied";

/// `status` has found something to do.
const NOT_IN_ORDER: u8 = 3;

/// The subcommand.
pub fn command() -> Command {
    let to = Arg::new("to").long("to").value_name("NAME").help("Take back all that came after this one, which stays");
    let all = Arg::new("all").long("all").action(ArgAction::SetTrue).conflicts_with("to").help("Take all back");
    let yes = Arg::new("yes").long("yes").action(ArgAction::SetTrue);
    let command = |name: &'static str, about: &'static str| {
        let settings = arguments().filter(|arg| ["database_url", "config"].contains(&arg.get_id().as_str()));
        Command::new(name).about(about).args(settings.map(|arg| arg.hide_short_help(false))).max_term_width(120)
    };
    Command::new("migrate")
        .about("Look at the shape of the database, apply what is pending, take it back")
        .after_help("More with --help: examples, exit codes.")
        .after_long_help(EXAMPLES)
        .subcommand_required(true)
        .arg_required_else_help(true)
        .max_term_width(120)
        .subcommand(command("status", "Say of each file whether it is applied"))
        .subcommand(command("up", "Apply whatever is pending"))
        .subcommand(command("down", "Take the last file back, with the data of its tables").args([
            to,
            all,
            yes.help("Do it: without this, it is only said what would be done"),
        ]))
}

/// Does it, and says what was done.
pub fn run(matches: &ArgMatches, environment: &HashMap<String, String>) -> ExitCode {
    let Some((name, matches)) = matches.subcommand() else { return ExitCode::from(USAGE) };
    let settings = match load(matches, environment) {
        Ok(effective) => effective.settings,
        Err(complaints) => return refuse(&complaints),
    };
    let Some(url) = settings.database_url else {
        return refuse(&["--database-url: which database? postgres://user:password@host/name".to_owned()]);
    };
    let runtime = match runtime::Builder::new_current_thread().enable_all().build() {
        Ok(runtime) => runtime,
        Err(error) => return fail(&error.to_string()),
    };
    let files = applications::migrations();
    let done = runtime.block_on(async {
        let session = Session::open(&url).await?;
        match name {
            "up" => up(session, &files).await,
            "down" => down(session, &url, &files, matches).await,
            _ => status(&session, &files).await,
        }
    });
    done.unwrap_or_else(|why| fail(&why))
}

async fn status(session: &Session, files: &[Migration]) -> Result<ExitCode, String> {
    let standings = by_hand::status(&session.client, files).await.map_err(text)?;
    let printed = print(&standings.iter().map(line).collect::<String>());
    let is_in_order = |standing: &Standing| matches!(standing.state, State::Applied | State::Unknown);
    Ok(if standings.iter().all(is_in_order) { printed } else { ExitCode::from(NOT_IN_ORDER) })
}

/// `applied  2026-01-31T12:00:00Z  accounts/0001_accounts`.
fn line(standing: &Standing) -> String {
    let state = match standing.state {
        State::Applied => "applied",
        State::Pending => "pending",
        State::Changed => "changed",
        State::Unknown => "unknown",
    };
    let at = standing.applied_at.map_or("-".to_owned(), |at| format!("{at:.0}"));
    format!("{state}  {at:<20}  {}\n", standing.name)
}

async fn up(mut session: Session, files: &[Migration]) -> Result<ExitCode, String> {
    let Applied { names, unknown } = migrations::apply(&mut session.client, files).await.map_err(text)?;
    for name in &unknown {
        say(&format!("hint: {name} is of a newer program: it is let be"));
    }
    let lines: String = names.iter().map(|name| format!("applied  {name}\n")).collect();
    Ok(print(if lines.is_empty() { "nothing is pending\n" } else { &lines }))
}

async fn down(
    mut session: Session,
    url: &ServiceUrl,
    files: &[Migration],
    matches: &ArgMatches,
) -> Result<ExitCode, String> {
    let goal = match matches.get_one::<String>("to") {
        Some(name) => Goal::Stays(name),
        None if matches.get_flag("all") => Goal::Nothing,
        None => Goal::Last,
    };
    let way = by_hand::way_down(&session.client, files, goal).await.map_err(text)?;
    if way.is_empty() {
        return Ok(print("nothing is to be taken back\n"));
    }
    if !matches.get_flag("yes") {
        say(&format!("error: this drops tables of {url} with their data, and was not done:"));
        way.iter().for_each(|migration| say(&format!("  {}", migration.name)));
        say("\nIt is done with --yes");
        return Ok(ExitCode::from(USAGE));
    }
    // What others have done meanwhile is not done twice, and nothing but what was shown is done.
    let mut printed = ExitCode::SUCCESS;
    for Migration { name, .. } in &way {
        if by_hand::down(&mut session.client, files, goal, name).await.map_err(text)? {
            printed = print(&format!("taken back  {name}\n"));
        } else {
            say(&format!("hint: somebody else has taken {name} back meanwhile"));
        }
    }
    Ok(printed)
}

fn text(error: migrations::MigrationError) -> String {
    error.to_string()
}
