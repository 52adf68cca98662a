//! Owns `firstbyte worker`: workers in a process of their own, beside any number of others.
//!
//! ```text
//!   firstbyte serve ──enqueue──> PostgreSQL <──claim, beat, finish── firstbyte worker, firstbyte worker, …
//! ```
//!
//! Never: works a queue in memory: that is nobody else's.

use std::collections::HashMap;
use std::process::ExitCode;
use std::sync::Arc;

use clap::{Arg, ArgMatches, Command, value_parser};
use firstbyte::app::health::{self, Dependency, Health};
use firstbyte::app::inventory::repositories::Repositories;
use firstbyte::app::inventory::{Inventory, InventoryConfig};
use firstbyte::app::metrics::{self, Metrics};
use firstbyte::app::queue::schedule::{Scheduler, SchedulerConfig, Schedules};
use firstbyte::app::queue::workers::{Workers, WorkersConfig};
use firstbyte::app::queue::{Queue, QueueConfig};
use firstbyte::app::{errors, page};
use firstbyte::db::cache::Cache;
use firstbyte::db::{Postgres, PostgresConfig, ServiceUrl};
use firstbyte::http::Router;
use firstbyte::http::router::Routes;
use firstbyte::http::server::{Ended, Watched};
use firstbyte::net::Listener;

use super::applications::{self, migrations};
use super::serve::{self, Failure};
use super::settings::{Group, Settings};
use super::{arguments, load, refuse, tell_hints};

const EXAMPLES: &str = "\
Examples:
  firstbyte worker --database-url postgres://127.0.0.1/firstbyte
  firstbyte worker --concurrency 64 --log warn       many jobs at a time
  firstbyte worker --listen 127.0.0.1:9090           /healthz, /readyz, /metrics

It works the jobs that `firstbyte serve` and others have stored in that database. Any number of workers share them, on any number \
of machines. One that is killed gives no sign of life, and others take its jobs within 10 seconds.

Signals: the first SIGTERM or SIGINT (Ctrl-C) lets it claim nothing more, finish what is at work within --drain-deadline and give \
back what is left; the second one gives back at once.

Exit codes:
  0  a clean end, jobs given back included
  1  a failure, such as an address in use
  2  flags, variables or file are wrong
  3  jobs were left to be rescued: they did not stop, or the database was away";

/// What a worker has use for, besides all limits and deadlines.
const SETTINGS: [&str; 5] = ["workers", "log", "log_format", "terse_errors", "database_url"];

/// What is asked of `serve` alone.
const OF_SERVE: [&str; 3] = ["check-config", "print-config", "print-limits"];

/// More jobs at a time than any process has connections or threads for.
const CONCURRENCY_MAX: u64 = 10_000;

/// For beats, claims, ends and upkeep, one each.
const QUEUE_CONNECTIONS: usize = 4;

/// The subcommand.
pub fn command() -> Command {
    let concurrency = Arg::new("concurrency")
        .long("concurrency")
        .value_name("JOBS")
        .value_parser(value_parser!(u64).range(1..=CONCURRENCY_MAX))
        .default_value("16")
        .help("Jobs at a time");
    let listen = Arg::new("worker-listen")
        .long("listen")
        .value_name("ADDRESS")
        .help("Address to say at how it is doing: /healthz, /readyz, /metrics. Nowhere, unless given");
    let settings = arguments().filter(|arg| {
        let is_of = |group: Group| arg.get_help_heading() == Some(group.heading());
        let name = arg.get_id().as_str();
        let is_foreign = (is_of(Group::Services) || is_of(Group::Server)) && !SETTINGS.contains(&name);
        !is_foreign && !OF_SERVE.contains(&name)
    });
    Command::new("worker")
        .about("Work the jobs of a database, in a process of their own")
        .after_help("More with --help: limits, examples, exit codes.")
        .after_long_help(EXAMPLES)
        .arg(concurrency)
        .arg(listen)
        .args(settings)
        .max_term_width(120)
}

/// Works until told to stop.
pub fn run(matches: &ArgMatches, environment: &HashMap<String, String>) -> ExitCode {
    let address = matches.get_one::<String>("worker-listen").map(|address| (address, address.parse()));
    let address = match address {
        Some((_, Ok(address))) => Ok(Some(address)),
        Some((text, Err(_))) => Err(format!("--listen: `{text}` is no address: 127.0.0.1:9090 is one")),
        None => Ok(None),
    };
    let concurrency = matches.get_one::<u64>("concurrency").map_or(16, |jobs| *jobs as usize);
    match (load(matches, environment), address) {
        (Ok(effective), Ok(address)) if effective.settings.database_url.is_some() => {
            tell_hints(&effective);
            let mut settings = effective.settings;
            settings.listen = address.into_iter().collect();
            serve::process(settings, |settings| work(concurrency, settings))
        }
        (effective, address) => {
            let is_loaded = effective.is_ok();
            let mut complaints = effective.err().unwrap_or_default();
            complaints.extend(address.err());
            if is_loaded && complaints.is_empty() {
                complaints.push(
                    "--database-url: whose jobs are to be worked? Those of `firstbyte serve` in memory are its own; a \
                     database is postgres://127.0.0.1:5432/firstbyte"
                        .to_owned(),
                );
            }
            refuse(&complaints)
        }
    }
}

/// The orders that are to be confirmed. That changes no product, of which there may be copies.
fn orders(database: &Postgres) -> Inventory {
    let config = InventoryConfig::default();
    Inventory::new(config.service, Repositories::postgres(database.clone()), Cache::new(None, config.cache), None)
}

async fn work(concurrency: usize, mut settings: Settings) -> Result<Ended, Failure> {
    let watched = Watched::default();
    let listeners = listen(&mut settings, &watched)?;
    let url = settings.database_url.clone().expect("it was asked for");
    let database = open(&url, (concurrency / 2).clamp(4, 16))?;
    // Of its own: jobs that keep all connections busy keep no beat waiting, nor the ends of other jobs.
    let queue = Queue::postgres(QueueConfig::default(), open(&url, QUEUE_CONNECTIONS)?);
    let kinds = applications::kinds(&orders(&database), Some(database.clone()));
    tracing::info!(?kinds, concurrency, database = %url, "working");
    let config = WorkersConfig { concurrency, drain: settings.deadlines.drain, ..WorkersConfig::default() };
    let schedules = Schedules::postgres(queue.clone(), database.clone());
    let scheduler = Scheduler::start(schedules, SchedulerConfig::default(), watched.shutdown.clone());
    let workers = Workers::start(queue.clone(), kinds, config, watched.shutdown.clone());
    applications::end_with(&workers, &watched.shutdown);
    let metrics = Metrics::new(&watched, false);
    metrics.register(|registry| {
        database.register(registry);
        queue.register(registry);
        workers.register(registry);
    });
    let routes = routes(&watched, &database, metrics)?;
    let served = match listeners.is_empty() {
        true => {
            watched.shutdown.draining().await;
            Ended::Drained
        }
        false => serve::until_told(Arc::new(routes), listeners, &settings, &watched).await,
    };
    scheduler.end().await;
    Ok(serve::with_jobs(served, workers.end().await.cut))
}

/// Hears signals, and listens if it is to.
fn listen(settings: &mut Settings, watched: &Watched) -> Result<Vec<Listener>, Failure> {
    if settings.listen.is_empty() {
        watched.shutdown.listen_for_signals().map_err(Failure::Signals)?;
        return Ok(Vec::new());
    }
    serve::open(settings, watched)
}

fn open(url: &ServiceUrl, connections_max: usize) -> Result<Postgres, Failure> {
    let config = PostgresConfig { connections_max, ..PostgresConfig::default() };
    let failed = |why| Failure::Applications(applications::Failure::Service(url.clone(), why));
    Postgres::open_with(url, &migrations(), config).map_err(failed)
}

fn routes(watched: &Watched, database: &Postgres, metrics: Metrics) -> Result<Routes, Failure> {
    let router = metrics::routes(errors::routes(page::routes(Router::new(()))), metrics);
    let health = Health::new(watched.shutdown.clone(), vec![Dependency::postgres(database)]);
    let routes = health::routes(router, health).build();
    routes.map_err(applications::Failure::Routes).map_err(Failure::Applications)
}
