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
mod connector;
pub(super) mod failure;
mod listen;

use std::sync::Arc;
use std::time::Duration;

use deadpool_postgres::{Hook, HookError, Manager, ManagerConfig, Object, Pool, RecyclingMethod};
use tokio::task::JoinSet;
use tokio::time::{Instant, sleep, timeout};

pub use client::{Client, Transaction};
pub use failure::Failure;
pub use listen::{Heard, Listener};
pub use tokio_postgres::Row;
pub use tokio_postgres::types::ToSql;

use super::migrations::{self, Applied, Migration};
use super::presence::{CONNECT_TIME, Presence, pause, within};
use super::url::{ServiceUrl, UrlError};
use super::{PATIENCE, Unavailable};
use connector::Connector;

/// Before the next attempt when the database cannot be given its shape, or lets nobody in.
const MIGRATE_PERIOD: Duration = Duration::from_secs(5);

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
        let shared = Arc::new(Shared { presence, connector, pool, config });
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
        Ok(Client::new(self.shared.acquire().await?, Arc::clone(&self.shared)))
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
}

impl Shared {
    /// A connection on which nothing is going on.
    async fn acquire(&self) -> Result<Object, Unavailable> {
        let acquired = within(self.config.patience, async {
            self.presence.here().await?;
            tokio::select! {
                object = self.pool.get() => object.map_err(|error| self.presence.unavailable(error)),
                unavailable = self.presence.away() => Err(unavailable),
            }
        });
        acquired.await.unwrap_or_else(|| {
            self.presence.doubt();
            let max = self.config.connections_max;
            Err(self.presence.unavailable(format_args!("no connection in time: {max} are in use, or do not answer")))
        })
    }

    /// What comes of `work` at the server, unless it takes too long.
    async fn in_time<T>(&self, work: impl Future<Output = T>) -> Result<T, Unavailable> {
        let mut work = std::pin::pin!(work);
        let late = self.config.late_time();
        if let Some(done) = within(late, &mut work).await {
            return Ok(done);
        }
        self.presence.doubt();
        tokio::select! {
            biased;
            done = &mut work => Ok(done),
            unavailable = self.presence.away() => Err(unavailable),
            () = sleep(self.config.statement_time - late) => {
                Err(self.presence.unavailable(format_args!("no answer in {:?}", self.config.statement_time)))
            }
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
