//! Owns the connections to a PostgreSQL: a pool for statements, and one session that knows whether the server is there.
//!
//! ```text
//!   client() ──> Presence: here? ──> pool, connections_max ──> Client ──> statement ─── answer ──> back into the pool
//!                   ▲                                                       │ └ 75 ms: is it there?
//!                   │                                                       │ └ statement_time, or dropped:
//!                upkeep: one session of its own                             └──> told to stop, seen to end,
//!                        connect · migrate · ask · connect again                 then back into the pool, or closed
//! ```
//!
//! The one idea: a late answer and an absent server are told apart. A statement may take seconds when it waits for a lock; when
//! it is late, upkeep asks the server for a sign of life, and if there is none, everybody who waits is told at once.
//!
//! Never: gives out a connection on which something is still going on; does a statement twice; gives a client before the
//! database has its shape.
//! Limits: [`PostgresConfig`].

mod client;
pub(super) mod connector;
pub(super) mod failure;
mod listen;

use std::sync::Arc;
use std::time::Duration;

use deadpool_postgres::{Hook, HookError, Manager, ManagerConfig, Object, Pool, RecyclingMethod};
use prometheus_client::metrics::counter::Counter;
use prometheus_client::metrics::histogram::Histogram;
use prometheus_client::registry::{Registry, Unit};
use tokio::task::JoinSet;
use tokio::time::{Instant, sleep, sleep_until, timeout};

pub use client::{Client, Isolation, Transaction};
pub use failure::Failure;
pub use listen::{Heard, Listener};
pub use tokio_postgres::Row;
pub use tokio_postgres::types::ToSql;

use super::migrations::{self, Applied, Migration};
use super::presence::{CONNECT_TIME, Presence, pause, within};
use super::tally::{Gauges, Tally, UP};
use super::url::{ServiceUrl, UrlError};
use super::{PATIENCE, Unavailable};
use client::{Cleaning, Statement};
use connector::Connector;

/// Before the next attempt when the database cannot be given its shape, or lets nobody in.
const MIGRATE_PERIOD: Duration = Duration::from_secs(5);

/// Bounds of the histogram of statements, in seconds: those that OpenTelemetry gives to operations of a database.
const SECONDS: [f64; 9] = [0.001, 0.005, 0.01, 0.05, 0.1, 0.5, 1.0, 5.0, 10.0];

/// What a PostgreSQL is opened with.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct PostgresConfig {
    /// Connections for statements; upkeep has one more. Default: 16.
    pub connections_max: usize,
    /// How long a statement may take while the server is there. Default: 5 s.
    pub statement_time: Duration,
    /// How long anybody waits for a server that may be away, or for a connection. Default: [`PATIENCE`].
    pub patience: Duration,
}

impl PostgresConfig {
    /// After this a statement is late, and the server is asked whether it is there.
    fn late_time(&self) -> Duration {
        self.statement_time.min(self.patience / 3)
    }

    /// How long the server may take to say so. Both make [`PostgresConfig::patience`].
    fn sign_time(&self) -> Duration {
        self.patience - self.patience / 3
    }
}

impl Default for PostgresConfig {
    fn default() -> Self {
        PostgresConfig { connections_max: 16, statement_time: Duration::from_secs(5), patience: PATIENCE }
    }
}

/// A PostgreSQL, which need not be there. Clones share its connections.
#[derive(Clone)]
pub struct Postgres {
    shared: Arc<Shared>,
    /// Ends when the last handle goes.
    _upkeep: Arc<JoinSet<()>>,
}

struct Shared {
    presence: Presence<()>,
    connector: Connector,
    pool: Pool,
    config: PostgresConfig,
    counts: Counts,
}

/// What `/metrics` tells of it.
struct Counts {
    statements: Tally,
    seconds: Histogram,
    cleanings: Tally,
    none_in_time: Counter,
}

/// The connections of a pool.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct PoolStatus {
    /// Those that there are.
    pub size: usize,
    /// Those that are on loan, or are being made, or cleaned.
    pub in_use: usize,
    /// Who waits for one.
    pub waiting: usize,
    /// Those that there may be: [`PostgresConfig::connections_max`].
    pub max: usize,
}

/// Whether `url` is that of a PostgreSQL: `postgres://[user:password@]host[:port][/database]`.
///
/// # Errors
/// What is wrong with it.
pub fn check(url: &ServiceUrl) -> Result<(), UrlError> {
    Connector::new(url, PostgresConfig::default().statement_time).map(drop)
}

impl Postgres {
    /// The database at `url`. It is looked for from now on, and given its shape by `migrations`.
    ///
    /// # Errors
    /// A URL that is none of a PostgreSQL.
    ///
    /// # Panics
    /// Outside of a tokio runtime, and when two migrations have one name.
    pub fn open(url: &ServiceUrl, migrations: &[Migration]) -> Result<Postgres, UrlError> {
        Postgres::open_with(url, migrations, PostgresConfig::default())
    }

    /// The same with another configuration.
    ///
    /// # Errors
    /// A URL that is none of a PostgreSQL.
    ///
    /// # Panics
    /// Outside of a tokio runtime, and when two migrations have one name.
    pub fn open_with(url: &ServiceUrl, migrations: &[Migration], config: PostgresConfig) -> Result<Postgres, UrlError> {
        migrations::names(migrations);
        let connector = Connector::new(url, config.statement_time)?;
        let presence = Presence::new("PostgreSQL", &url.to_string(), config.patience);
        let pool = pool(&connector, config.connections_max);
        let shared = Arc::new(Shared { presence, connector, pool, config, counts: Counts::new() });
        let mut tasks = JoinSet::new();
        tasks.spawn(upkeep(Arc::clone(&shared), migrations.to_vec()));
        Ok(Postgres { shared, _upkeep: Arc::new(tasks) })
    }

    /// A connection for some statements.
    ///
    /// # Errors
    /// [`Failure::Unavailable`]: a server that is away, a database that has not its shape yet, a pool that is used up.
    ///
    /// # Cancel safety
    /// Nothing is lost when it is dropped.
    pub async fn client(&self) -> Result<Client, Failure> {
        Ok(Client::new(self.shared.acquire(None).await?, Arc::clone(&self.shared)))
    }

    /// Whether it is there. Takes no connection: who is asked often and uses them all is busy, and not away.
    ///
    /// # Errors
    /// Why not.
    pub async fn check(&self) -> Result<(), Unavailable> {
        // If it has become silent just now, whoever asks next is told.
        self.shared.presence.doubt();
        self.shared.presence.here().await
    }

    /// How much of the pool is in use.
    pub fn status(&self) -> PoolStatus {
        self.shared.status()
    }

    /// Its metrics.
    pub fn register(&self, registry: &mut Registry) {
        let registry = registry.sub_registry_with_prefix("firstbyte_postgres");
        self.shared.counts.register(registry);
        let shared = Arc::downgrade(&self.shared);
        registry.register_collector(Box::new(Gauges::new(move || {
            let shared = shared.upgrade();
            let status = shared.as_ref().map_or(PoolStatus::NONE, |shared| shared.status());
            let number = |count: usize| i64::try_from(count).unwrap_or(i64::MAX);
            [
                (UP, i64::from(shared.is_some_and(|shared| shared.presence.is_known()))),
                (("connections", "Connections that there are"), number(status.size)),
                (("connections_in_use", "Connections on loan, being made or being cleaned"), number(status.in_use)),
                (("connections_max", "Connections that there may be"), number(status.max)),
                (("connections_awaited", "Who waits for a connection"), number(status.waiting)),
            ]
        })));
    }
}

impl PoolStatus {
    const NONE: PoolStatus = PoolStatus { size: 0, in_use: 0, waiting: 0, max: 0 };
}

impl Counts {
    fn new() -> Counts {
        Counts {
            statements: Tally::of::<Statement>(),
            seconds: Histogram::new(SECONDS),
            cleanings: Tally::of::<Cleaning>(),
            none_in_time: Counter::default(),
        }
    }

    fn register(&self, registry: &mut Registry) {
        self.statements.register(registry, "statements", "Statements, by what came of them");
        let help = "How long they took, those that were given up left out";
        registry.register_with_unit("statement_duration", help, Unit::Seconds, self.seconds.clone());
        let help = "Connections on which something was given up: told to stop and used again, or closed";
        self.cleanings.register(registry, "cleanings", help);
        let help = "Times that there was no connection in time, because all were in use";
        registry.register("connections_none_in_time", help, self.none_in_time.clone());
    }
}

impl Shared {
    /// A connection on which nothing is going on, before `deadline` and [`PostgresConfig::patience`] are over.
    async fn acquire(&self, deadline: Option<Instant>) -> Result<Object, Failure> {
        let left = deadline.map(|deadline| deadline.saturating_duration_since(Instant::now()));
        let patience = left.map_or(self.config.patience, |left| left.min(self.config.patience));
        let mut object = std::pin::pin!(self.object());
        if let Some(done) = within(patience / 3, &mut object).await {
            return Ok(done?);
        }
        // If it has become silent, its connections are in use because of that: upkeep finds out.
        self.presence.doubt();
        // Whoever waits for a place, and not for the server, can be told a little sooner: many are at once.
        match within(patience / 2, &mut object).await {
            Some(done) => Ok(done?),
            None if patience < self.config.patience => Err(Failure::TimedOut),
            None => Err(self.none_in_time().into()),
        }
    }

    async fn object(&self) -> Result<Object, Unavailable> {
        self.presence.here().await?;
        tokio::select! {
            object = self.pool.get() => object.map_err(|error| self.presence.unavailable(error)),
            unavailable = self.presence.away() => Err(unavailable),
        }
    }

    fn none_in_time(&self) -> Unavailable {
        let status = self.status();
        if status.size < status.max {
            return self.presence.unavailable("a connection could not be made in time");
        }
        self.counts.none_in_time.inc();
        self.presence.is_full(&format_args!("no connection in time: {} are in use, or do not answer", status.max))
    }

    fn status(&self) -> PoolStatus {
        let status = self.pool.status();
        let in_use = status.size.saturating_sub(status.available);
        PoolStatus { size: status.size, in_use, waiting: status.waiting, max: status.max_size }
    }

    /// What comes of `work` at the server, unless it takes too long.
    async fn in_time<T>(&self, deadline: Option<Instant>, work: impl Future<Output = T>) -> Result<T, Failure> {
        let mut work = std::pin::pin!(work);
        let begun = Instant::now();
        let end = begun + self.config.statement_time;
        let end = deadline.map_or(end, |deadline| deadline.min(end));
        if let Some(done) = within(self.config.late_time().min(end - begun), &mut work).await {
            return Ok(done);
        }
        self.presence.doubt();
        tokio::select! {
            biased;
            done = &mut work => Ok(done),
            unavailable = self.presence.away() => Err(unavailable.into()),
            () = sleep_until(end) => Err(Failure::TimedOut),
        }
    }
}

fn pool(connector: &Connector, connections_max: usize) -> Pool {
    let config = ManagerConfig { recycling_method: RecyclingMethod::Fast };
    let manager = Manager::from_connect(connector.config.clone(), connector.clone(), config);
    // What the manager would do as well, and put a line into the log for each connection.
    let is_open = Hook::sync_fn(
        |client: &mut deadpool_postgres::ClientWrapper, _| {
            if client.is_closed() { Err(HookError::message("closed")) } else { Ok(()) }
        },
    );
    let pool = Pool::builder(manager).max_size(connections_max).pre_recycle(is_open).build();
    pool.expect("a pool without timeouts of its own needs no runtime")
}

/// Keeps a session, for as long as anybody has a handle.
async fn upkeep(shared: Arc<Shared>, migrations: Vec<Migration>) {
    let presence = &shared.presence;
    loop {
        match presence.look(Session::begin(&shared.connector, &migrations)).await {
            Ok(mut session) => {
                // A server that had vanished may be another one now: nobody would hear from the connections of before.
                shared.pool.retain(|_, _| false);
                presence.is_here(());
                match session.end(&shared).await {
                    End::Closed => presence.is_lost(),
                    End::Silent => presence.is_away(&"it has ceased to answer"),
                }
            }
            Err(NoSession::Unreachable(why)) => presence.is_away(&why),
            Err(NoSession::Refused(why)) => {
                presence.is_away(&why);
                sleep(MIGRATE_PERIOD).await;
            }
        }
        pause().await;
    }
}

/// The session of upkeep.
struct Session {
    client: tokio_postgres::Client,
    /// Moves its bytes, until it is closed or dropped.
    driver: JoinSet<()>,
}

enum End {
    Closed,
    Silent,
}

enum NoSession {
    Unreachable(String),
    /// It is there, and will say the same again in a moment.
    Refused(String),
}

impl Session {
    /// A session with a database that has its shape.
    async fn begin(connector: &Connector, migrations: &[Migration]) -> Result<Session, NoSession> {
        let (client, connection) = match timeout(CONNECT_TIME, connector.open()).await {
            Ok(Ok(opened)) => opened,
            Ok(Err(error)) if failure::is_of_server(&error) => {
                return Err(NoSession::Unreachable(failure::words(&error)));
            }
            Ok(Err(error)) => return Err(NoSession::Refused(failure::words(&error))),
            Err(_) => return Err(NoSession::Unreachable("it does not answer".to_owned())),
        };
        let mut driver = JoinSet::new();
        driver.spawn(async move {
            let _ = connection.await;
        });
        let mut session = Session { client, driver };
        session.migrate(migrations).await?;
        Ok(session)
    }

    async fn migrate(&mut self, migrations: &[Migration]) -> Result<(), NoSession> {
        let begun = Instant::now();
        let Applied { names, unknown } = match migrations::apply(&mut self.client, migrations).await {
            Ok(applied) => applied,
            Err(error) if error.is_of_server() => return Err(NoSession::Unreachable(error.to_string())),
            Err(error) => return Err(NoSession::Refused(error.to_string())),
        };
        if !names.is_empty() {
            tracing::info!(migrations = names.join(", "), took = ?begun.elapsed(), "the database has its shape");
        }
        if !unknown.is_empty() {
            tracing::warn!(
                migrations = unknown.join(", "),
                "a newer node has changed the shape of the database: it is used as it is"
            );
        }
        Ok(())
    }

    /// Waits until the session is closed, or the server gives no sign of life.
    async fn end(&mut self, shared: &Shared) -> End {
        loop {
            tokio::select! {
                _ = self.driver.join_next() => return End::Closed,
                () = shared.presence.doubted() => {}
            }
            match within(shared.config.sign_time(), self.client.simple_query("")).await {
                Some(Ok(_)) => {}
                Some(Err(_)) => return End::Closed,
                None => return End::Silent,
            }
        }
    }
}
