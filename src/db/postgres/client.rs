//! Owns one connection on loan, and what becomes of it when its statement is given up.
//!
//! ```text
//!   Client ──begin──> InUse ──statement──> answer ──> end: nothing goes on any more
//!                       └ dropped before: the connection leaves the client
//!                            └──> cancel ──> ROLLBACK ──done──> back into the pool
//!                                              └ not in time──> closed
//! ```
//!
//! The one idea: a connection goes back into the pool by being dropped, so it may only be dropped while nothing goes on. Who gives
//! up a statement, by a deadline or by dropping its future, takes the connection out of the client and has it cleaned first.
//!
//! Never: gives a connection to somebody else while a statement of this client is at work on it.
//! Invariants: outside of a call, a connection in a `Client` is idle, and in no transaction unless a [`Transaction`] lives.

use std::future::poll_fn;
use std::pin::pin;
use std::sync::Arc;
use std::time::Duration;

use deadpool_postgres::Object;
use futures_core::Stream;
use tokio::runtime::Handle;
use tokio::time::{Instant, timeout};
use tokio_postgres::error::SqlState;
use tokio_postgres::types::ToSql;
use tokio_postgres::{Error, Row};

use super::Shared;
use super::connector::STATEMENT_SLACK;
use super::failure::Failure;
use crate::db::tally::outcomes;

/// How long a connection may take to become clean. Its place in the pool is taken meanwhile.
const CLEAN_TIME: Duration = Duration::from_secs(1);

/// Parameters of a statement: `$1`, `$2` …
pub type Params<'a> = &'a [&'a (dyn ToSql + Sync)];

/// A connection, for as long as it is held.
pub struct Client {
    /// Gone when a statement was given up.
    connection: Option<Object>,
    /// Whether a transaction may have begun on it.
    in_transaction: bool,
    deadline: Option<Instant>,
    shared: Arc<Shared>,
}

/// What transactions see of one another: PostgreSQL, 13.2.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Isolation {
    /// Each statement sees what was committed before it began.
    #[default]
    ReadCommitted,
    /// All statements see what was committed before the first one. Who changes a row that another has changed meanwhile meets
    /// [`Failure::Serialization`].
    RepeatableRead,
    /// As if transactions were done one after the other. Where they cannot, one of them meets [`Failure::Serialization`].
    Serializable,
}

/// Statements that are done all or not at all. Dropped, it is rolled back.
pub struct Transaction<'a> {
    client: &'a mut Client,
    has_failed: bool,
}

impl Client {
    pub(super) fn new(connection: Object, shared: Arc<Shared>) -> Client {
        Client { connection: Some(connection), in_transaction: false, deadline: None, shared }
    }

    /// Statements from now on end at `deadline`, if they do not end before by [`PostgresConfig::statement_time`]: they are told
    /// to stop, and are [`Failure::TimedOut`]. So is what is asked later than that, and nothing is sent for it.
    ///
    /// [`PostgresConfig::statement_time`]: super::PostgresConfig::statement_time
    pub fn until(&mut self, deadline: Instant) {
        self.deadline = Some(deadline);
    }

    /// The rows of a statement, all of them at once: how many there may be is the statement's to bound. It is prepared once
    /// for each connection, and its preparation kept: it is a constant.
    ///
    /// # Errors
    /// See [`Failure`]. After [`Failure::Unavailable`] and [`Failure::TimedOut`] the statement may have been done.
    ///
    /// # Cancel safety
    /// When it is dropped, the statement is told to stop; it may be done all the same.
    pub async fn query(&mut self, sql: &str, params: Params<'_>) -> Result<Vec<Row>, Failure> {
        self.renew().await?;
        Ok(self.ask(Ask::Statement(sql, params)).await?.rows)
    }

    /// The first row of a statement, if it has one. Errors and cancel safety are those of [`Client::query`].
    ///
    /// # Errors
    /// As for [`Client::query`].
    pub async fn query_opt(&mut self, sql: &str, params: Params<'_>) -> Result<Option<Row>, Failure> {
        Ok(self.query(sql, params).await?.into_iter().next())
    }

    /// How many rows a statement has changed. Errors and cancel safety are those of [`Client::query`].
    ///
    /// # Errors
    /// As for [`Client::query`].
    pub async fn execute(&mut self, sql: &str, params: Params<'_>) -> Result<u64, Failure> {
        self.renew().await?;
        Ok(self.ask(Ask::Statement(sql, params)).await?.affected)
    }

    /// Begins a transaction. Errors and cancel safety are those of [`Client::query`].
    ///
    /// # Errors
    /// As for [`Client::query`].
    pub async fn transaction(&mut self) -> Result<Transaction<'_>, Failure> {
        self.transaction_with(Isolation::ReadCommitted).await
    }

    /// Begins a transaction that sees of others what `isolation` says. Errors and cancel safety are those of [`Client::query`].
    ///
    /// # Errors
    /// As for [`Client::query`].
    pub async fn transaction_with(&mut self, isolation: Isolation) -> Result<Transaction<'_>, Failure> {
        self.renew().await?;
        let begin = self.begin(isolation);
        self.in_transaction = true;
        let transaction = Transaction { client: self, has_failed: false };
        transaction.client.ask(Ask::Command(&begin)).await?;
        Ok(transaction)
    }

    /// One message: a deadline costs no further one. The server keeps it by itself when this node is gone.
    fn begin(&self, isolation: Isolation) -> String {
        let level = isolation.words();
        match self.left() {
            Some(left) if left < self.shared.config.statement_time => {
                let ms = (left + STATEMENT_SLACK).as_millis();
                format!("BEGIN ISOLATION LEVEL {level}; SET LOCAL statement_timeout = {ms}")
            }
            _ => format!("BEGIN ISOLATION LEVEL {level}"),
        }
    }

    fn left(&self) -> Option<Duration> {
        self.deadline.map(|deadline| deadline.saturating_duration_since(Instant::now()))
    }

    /// Another connection in place of one that was closed, or given up. Nothing was sent on it for what comes now.
    async fn renew(&mut self) -> Result<(), Failure> {
        if self.connection.as_ref().is_none_or(|connection| connection.is_closed()) {
            // The old one first: there may be no place for two.
            self.connection = None;
            self.connection = Some(self.shared.acquire(self.deadline).await?);
        }
        Ok(())
    }

    async fn ask(&mut self, ask: Ask<'_>) -> Result<Answer, Failure> {
        let (shared, deadline) = (Arc::clone(&self.shared), self.deadline);
        if self.left().is_some_and(|left| left.is_zero()) {
            return Err(Failure::TimedOut);
        }
        let mut in_use = InUse { client: self, is_over: false, outcome: Statement::Dropped };
        let Some(connection) = &in_use.client.connection else {
            return Err(shared.presence.unavailable("the transaction was given up").into());
        };
        let begun = Instant::now();
        let answer = shared.in_time(deadline, ask.on(connection)).await;
        let answer = answer.and_then(|answer| {
            in_use.is_over = true;
            shared.counts.seconds.observe(begun.elapsed().as_secs_f64());
            answer.map_err(|error| {
                Failure::of(error, |why| {
                    shared.presence.doubt();
                    shared.presence.unavailable(why)
                })
            })
        });
        in_use.outcome = Statement::of(&answer);
        answer
    }

    /// Takes the connection away, and lets it be used again when nothing goes on any more.
    fn give_up(&mut self, is_busy: bool) {
        // An empty statement comes after whatever is still going on, as any other would.
        let last = if std::mem::take(&mut self.in_transaction) { "ROLLBACK" } else { "" };
        let Some(connection) = self.connection.take() else { return };
        let shared = Arc::clone(&self.shared);
        match Handle::try_current() {
            Ok(runtime) => drop(runtime.spawn(clean(connection, is_busy, last, shared))),
            Err(_) => drop(Object::take(connection)),
        }
    }
}

impl Isolation {
    fn words(self) -> &'static str {
        match self {
            Isolation::ReadCommitted => "READ COMMITTED",
            Isolation::RepeatableRead => "REPEATABLE READ",
            Isolation::Serializable => "SERIALIZABLE",
        }
    }
}

impl Transaction<'_> {
    /// As [`Client::query`]. After a failure the transaction can only be dropped.
    ///
    /// # Errors
    /// As for [`Client::query`].
    pub async fn query(&mut self, sql: &str, params: Params<'_>) -> Result<Vec<Row>, Failure> {
        Ok(self.ask(Ask::Statement(sql, params)).await?.rows)
    }

    /// As [`Client::query_opt`].
    ///
    /// # Errors
    /// As for [`Client::query`].
    pub async fn query_opt(&mut self, sql: &str, params: Params<'_>) -> Result<Option<Row>, Failure> {
        Ok(self.query(sql, params).await?.into_iter().next())
    }

    /// As [`Client::execute`].
    ///
    /// # Errors
    /// As for [`Client::query`].
    pub async fn execute(&mut self, sql: &str, params: Params<'_>) -> Result<u64, Failure> {
        Ok(self.ask(Ask::Statement(sql, params)).await?.affected)
    }

    /// Does all of it. After [`Failure::Unavailable`] and [`Failure::TimedOut`] it may have been done.
    ///
    /// # Errors
    /// As for [`Client::query`].
    ///
    /// # Panics
    /// When a statement of it has failed: the database would roll it back, and say that all is well.
    pub async fn commit(mut self) -> Result<(), Failure> {
        assert!(!self.has_failed, "a transaction of which a part has failed is dropped, not committed");
        self.ask(Ask::Command("COMMIT")).await?;
        self.client.in_transaction = false;
        Ok(())
    }

    /// Does nothing of it, and has let go of its locks when this returns. Dropped, it does so in a moment.
    ///
    /// # Errors
    /// As for [`Client::query`]; it is rolled back all the same.
    pub async fn rollback(mut self) -> Result<(), Failure> {
        self.ask(Ask::Command("ROLLBACK")).await?;
        self.client.in_transaction = false;
        Ok(())
    }

    async fn ask(&mut self, ask: Ask<'_>) -> Result<Answer, Failure> {
        let answer = self.client.ask(ask).await;
        self.has_failed |= answer.is_err();
        answer
    }
}

impl Drop for Transaction<'_> {
    fn drop(&mut self) {
        if self.client.in_transaction {
            self.client.give_up(false);
        }
    }
}

/// A client whose statement is at work.
struct InUse<'a> {
    client: &'a mut Client,
    is_over: bool,
    outcome: Statement,
}

outcomes! {
    /// What has come of a statement.
    pub(super) enum Statement {
        Done = "done",
        /// By a constraint.
        Refused = "refused",
        Serialization = "serialization",
        TimedOut = "timed_out",
        Unavailable = "unavailable",
        /// It is wrong.
        Wrong = "wrong",
        /// Nobody waited for it any more.
        Dropped = "dropped",
    }
}

outcomes! {
    /// What has become of a connection on which something was given up.
    pub(super) enum Cleaning {
        Done = "done",
        Closed = "closed",
    }
}

impl Statement {
    fn of(answer: &Result<Answer, Failure>) -> Statement {
        match answer {
            Ok(_) => Statement::Done,
            Err(Failure::Unavailable(_)) => Statement::Unavailable,
            Err(Failure::TimedOut) => Statement::TimedOut,
            Err(Failure::Serialization) => Statement::Serialization,
            Err(Failure::Other(_)) => Statement::Wrong,
            Err(
                Failure::Unique { .. } | Failure::ForeignKey { .. } | Failure::Check { .. } | Failure::NotNull { .. },
            ) => Statement::Refused,
        }
    }
}

impl Drop for InUse<'_> {
    fn drop(&mut self) {
        self.client.shared.counts.statements.add(self.outcome);
        if !self.is_over {
            self.client.give_up(true);
        }
    }
}

/// Ends what goes on, with `last`; closes the connection when that cannot be had in time.
async fn clean(connection: Object, is_busy: bool, last: &str, shared: Arc<Shared>) {
    let cleaned = timeout(CLEAN_TIME, async {
        if is_busy {
            // When it cannot be told, its end is: the server looks for it while it works.
            let told = timeout(shared.config.patience, shared.connector.cancel(connection.cancel_token()));
            told.await.ok()?.ok()?;
        }
        connection.batch_execute(last).await.ok()
    });
    let is_clean = cleaned.await == Ok(Some(()));
    shared.counts.cleanings.add(if is_clean { Cleaning::Done } else { Cleaning::Closed });
    if !is_clean {
        drop(Object::take(connection));
    }
}

/// What a connection is asked.
enum Ask<'a> {
    Statement(&'a str, Params<'a>),
    Command(&'a str),
}

#[derive(Default)]
struct Answer {
    rows: Vec<Row>,
    affected: u64,
}

impl Ask<'_> {
    async fn on(self, connection: &Object) -> Result<Answer, Error> {
        match self {
            Ask::Command(sql) => connection.batch_execute(sql).await.map(|()| Answer::default()),
            Ask::Statement(sql, params) => {
                let answer = statement(connection, sql, params).await;
                if answer.as_ref().is_err_and(|error| error.code() == Some(&SqlState::FEATURE_NOT_SUPPORTED)) {
                    // A newer node has changed a table: what was prepared gives rows of the old shape, and is refused.
                    connection.statement_cache.remove(sql, &[]);
                }
                answer
            }
        }
    }
}

async fn statement(connection: &Object, sql: &str, params: Params<'_>) -> Result<Answer, Error> {
    let prepared = connection.prepare_cached(sql).await?;
    let mut stream = pin!(connection.query_raw(&prepared, params.iter().copied()).await?);
    let mut rows = Vec::new();
    while let Some(row) = poll_fn(|context| stream.as_mut().poll_next(context)).await {
        rows.push(row?);
    }
    Ok(Answer { rows, affected: stream.rows_affected().unwrap_or_default() })
}
