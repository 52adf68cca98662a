//! Owns `firstbyte service`: one service in a process of its own, which knows of its issuer nothing but the URL.
//!
//! ```text
//!   firstbyte serve ── /identity/.well-known/… <──keys── firstbyte service catalog <──token── client
//!         └─────────────────────────── token ─────────────────────────────────────────────────┘
//! ```
//!
//! Never: needs the issuer to start; asks it about a token.

use std::collections::HashMap;
use std::process::ExitCode;
use std::sync::Arc;

use clap::{Arg, ArgMatches, Command};
use firstbyte::app::health::{self, Dependency, Health};
use firstbyte::app::services::issuer::Issuer;
use firstbyte::app::services::key_cache::{KeyCache, KeySource};
use firstbyte::app::services::{self, BILLING, BILLING_PREFIX, CATALOG, CATALOG_PREFIX, ServicesConfig};
use firstbyte::app::{errors, page};
use firstbyte::http::router::Routes;
use firstbyte::http::server::{Ended, Watched};
use firstbyte::http::{Handler, Router};

use super::applications::{self, IN_MEMORY, introduced};
use super::serve::{self, Failure};
use super::settings::{Group, Settings};
use super::{arguments, load, refuse, tell_hints};

const EXAMPLES: &str = "\
Examples:
  firstbyte serve                                        the issuer, at /identity
  firstbyte service catalog --listen 127.0.0.1:8081 \\
      --issuer http://127.0.0.1:8080/identity            the catalogue beside it
  curl -i http://127.0.0.1:8081/catalog/items            401, and what to bring
  curl -s http://127.0.0.1:8081/readyz                   whether it has the issuer's keys

The service takes tokens of that issuer, whose URL is their `iss` byte by byte, and of no other. It fetches the issuer's \
public keys and verifies by itself. It starts without the issuer and answers 503 until the first keys are there; with keys \
it goes on for an hour while the issuer is away.

Over http:// whoever sits between can put other keys in their place: an issuer on another machine needs a network that \
nobody else is in.

Signals and exit codes are those of `firstbyte serve`.";

/// What a service has use for, besides all limits and deadlines.
const SERVER_SETTINGS: [&str; 6] = ["listen", "workers", "log", "log_format", "terse_errors", "lenient_lines"];

/// What is asked of `serve` alone.
const OF_SERVE: [&str; 3] = ["check-config", "print-config", "print-limits"];

/// The variable in place of `--issuer`.
const ISSUER_VARIABLE: &str = "FIRSTBYTE_ISSUER";

/// The subcommand.
pub fn command() -> Command {
    let name = Arg::new("name").value_name("NAME").value_parser([CATALOG, BILLING]).required(true);
    let issuer = Arg::new("issuer").long("issuer").value_name("URL");
    let settings = arguments().filter(|arg| {
        let is_of = |group: Group| arg.get_help_heading() == Some(group.heading());
        let name = arg.get_id().as_str();
        let is_foreign = is_of(Group::Services) || is_of(Group::Server) && !SERVER_SETTINGS.contains(&name);
        !is_foreign && !OF_SERVE.contains(&name)
    });
    Command::new("service")
        .about("Serve one service by itself: it takes tokens of an issuer that is elsewhere")
        .after_help("More with --help: limits, examples.")
        .after_long_help(EXAMPLES)
        .arg(name.help("Which service"))
        .arg(issuer.help(format!("Whose tokens are taken; also by {ISSUER_VARIABLE}")))
        .args(settings)
        .max_term_width(120)
}

/// Serves until told to stop.
pub fn run(matches: &ArgMatches, environment: &HashMap<String, String>) -> ExitCode {
    let variable = environment.get(ISSUER_VARIABLE).filter(|value| !value.is_empty()).map(|url| (ISSUER_VARIABLE, url));
    let issuer = matches.get_one::<String>("issuer").map(|url| ("--issuer", url)).or(variable);
    let issuer = match issuer.map(|(place, url)| (place, url, Issuer::parse(url))) {
        Some((_, _, Ok(issuer))) => Ok(issuer),
        Some((place, url, Err(error))) => Err(format!("{place}: `{url}`: {error}")),
        None => {
            Err("--issuer: whose tokens are taken? The issuer of `firstbyte serve` is http://127.0.0.1:8080/identity"
                .to_owned())
        }
    };
    let name = matches.get_one::<String>("name").map_or(CATALOG, |name| name.as_str());
    match (issuer, load(matches, environment)) {
        (Ok(issuer), Ok(effective)) => {
            tell_hints(&effective);
            serve::process(effective.settings, |settings| serve_one(name.to_owned(), issuer, settings))
        }
        (issuer, effective) => {
            let mut complaints = effective.err().unwrap_or_default();
            complaints.extend(issuer.err());
            refuse(&complaints)
        }
    }
}

async fn serve_one(name: String, issuer: Issuer, mut settings: Settings) -> Result<Ended, Failure> {
    let watched = Watched::default();
    let listeners = serve::open(&mut settings, &watched)?;
    if !issuer.is_loopback() {
        tracing::warn!(
            issuer = issuer.name(),
            "the issuer's keys come in the clear: whoever sits between can change them"
        );
    }
    let config = ServicesConfig { issuer: issuer.name().to_owned(), ..ServicesConfig::default() };
    let keys = KeyCache::new(KeySource::remote(issuer, Issuer::client()), config.keys.clone());
    let routes = match name.as_str() {
        BILLING => routes(BILLING_PREFIX, services::billing(&config, keys.clone()), keys, &watched),
        _ => routes(CATALOG_PREFIX, services::catalog(&config, keys.clone()), keys, &watched),
    };
    Ok(serve::until_told(Arc::new(routes?), listeners, &settings, &watched).await)
}

fn routes(prefix: &str, service: impl Handler, keys: KeyCache, watched: &Watched) -> Result<Routes, Failure> {
    let service = introduced(prefix.trim_start_matches('/'), service, IN_MEMORY).map_err(Failure::Applications)?;
    let keys = Dependency::new("keys", move || std::future::ready(keys.check()));
    let router = errors::routes(page::routes(Router::new(())));
    let router = health::routes(router, Health::new(watched.shutdown.clone(), vec![keys]));
    let routes = router.mount(prefix, service).build();
    routes.map_err(applications::Failure::Routes).map_err(Failure::Applications)
}
