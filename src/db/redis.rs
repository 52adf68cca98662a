//! Owns the connection to a Redis.
//!
//! The one idea: one connection carries everybody's commands, one behind the other. Its answers come in the order of the
//! commands, so an answer that comes too late is thrown away by the client library and never taken for another's.
//!
//! ```text
//!   run ──> Presence ──> MultiplexedConnection ══ one socket ══> Redis
//!     └ no answer in PATIENCE: Unavailable, and upkeep asks PING
//!                                                 └ no answer either: closed, away, connect again
//! ```
//!
//! The client library's own manager connects again when the next command fails, so the first command after an outage
//! fails however long ago the outage ended. Here a task looks for Redis all the time.
//!
//! Never: sends a command twice; speaks TLS.
//! Limits: [`PATIENCE`] from a call to its result.

use std::fmt::Display;
use std::sync::Arc;
use std::time::Duration;

use prometheus_client::registry::Registry;
use redis::aio::MultiplexedConnection;
use redis::{
    AsyncConnectionConfig, Client, Cmd, ConnectionAddr, ErrorKind, FromRedisValue, Pipeline, RedisError, RedisResult,
    ScriptInvocation, cmd,
};
use tokio::net::TcpStream;
use tokio::task::JoinSet;
use tokio::time::timeout;

use super::presence::{CONNECT_TIME, Presence, pause, within};
use super::tally::{Gauges, Tally, UP, outcomes};
use super::url::{ServiceUrl, UrlError};
use super::{PATIENCE, Unavailable};

type Connection = MultiplexedConnection;

/// A Redis, which need not be there. Clones share its connection.
#[derive(Clone)]
pub struct Redis {
    shared: Arc<Shared>,
    /// How long a command may take in all.
    answer_time: Duration,
}

struct Shared {
    presence: Arc<Presence<Connection>>,
    commands: Tally,
    /// Ends when the last handle goes.
    _upkeep: JoinSet<()>,
}

/// Whether `url` is that of a Redis: `redis://[user:password@]host[:port][/database]`.
///
/// # Errors
/// What is wrong with it.
pub fn check(url: &ServiceUrl) -> Result<(), UrlError> {
    client(url).map(drop)
}

impl Redis {
    /// The Redis at `url`. It is looked for from now on.
    ///
    /// # Errors
    /// A URL that is none of a Redis.
    ///
    /// # Panics
    /// Outside of a tokio runtime.
    pub fn open(url: &ServiceUrl) -> Result<Redis, UrlError> {
        Redis::open_with(url, PATIENCE)
    }

    /// The same for commands that may take longer than [`PATIENCE`].
    ///
    /// # Errors
    /// A URL that is none of a Redis.
    ///
    /// # Panics
    /// Outside of a tokio runtime.
    pub fn open_with(url: &ServiceUrl, answer_time: Duration) -> Result<Redis, UrlError> {
        let client = client(url)?;
        let presence = Arc::new(Presence::new("Redis", &url.to_string(), answer_time));
        let mut tasks = JoinSet::new();
        tasks.spawn(upkeep(client, Arc::clone(&presence), answer_time));
        Ok(Redis {
            shared: Arc::new(Shared { presence, commands: Tally::of::<Command>(), _upkeep: tasks }),
            answer_time,
        })
    }

    /// The same connection, for commands that are given up after `answer_time`: who has another way takes it sooner.
    pub fn with_answer_time(&self, answer_time: Duration) -> Redis {
        Redis { answer_time, ..self.clone() }
    }

    /// What `command` is answered.
    ///
    /// # Errors
    /// A Redis that is away, does not answer in time, refuses the command, or answers something else than a `T`. Unless it
    /// refuses, the command may have been done.
    ///
    /// # Cancel safety
    /// When it is dropped, the command may be done all the same. Others are not disturbed.
    pub async fn run<T: FromRedisValue>(&self, command: &Cmd) -> Result<T, Unavailable> {
        self.in_time(async |mut connection| command.query_async(&mut connection).await).await
    }

    /// What `pipeline` is answered. Errors and cancel safety are those of [`Redis::run`].
    ///
    /// # Errors
    /// As for [`Redis::run`].
    pub async fn run_pipeline<T: FromRedisValue>(&self, pipeline: &Pipeline) -> Result<T, Unavailable> {
        self.in_time(async |mut connection| pipeline.query_async(&mut connection).await).await
    }

    /// What `script` gives. Redis is sent its text when it does not know it. Errors and cancel safety are those of
    /// [`Redis::run`].
    ///
    /// # Errors
    /// As for [`Redis::run`].
    pub async fn run_script<T: FromRedisValue>(&self, script: &ScriptInvocation<'_>) -> Result<T, Unavailable> {
        self.in_time(async |mut connection| script.invoke_async(&mut connection).await).await
    }

    /// Whether it is there.
    ///
    /// # Errors
    /// Why not.
    pub async fn check(&self) -> Result<(), Unavailable> {
        // If it has become silent just now, whoever asks next is told.
        self.shared.presence.doubt();
        self.shared.presence.here().await.map(drop)
    }

    async fn in_time<T>(&self, work: impl AsyncFnOnce(Connection) -> RedisResult<T>) -> Result<T, Unavailable> {
        let (presence, answer_time) = (&self.shared.presence, self.answer_time);
        let done = within(answer_time, async {
            let connection = presence.here().await?;
            Ok(work(connection).await)
        });
        let (outcome, answer) = match done.await {
            Some(Ok(Ok(answer))) => (Command::Done, Ok(answer)),
            Some(Ok(Err(error))) if is_of_connection(&error) => (Command::Away, Err(presence.unavailable(error))),
            Some(Ok(Err(error))) => (Command::Refused, Err(presence.refuses(&error))),
            Some(Err(unavailable)) => (Command::Away, Err(unavailable)),
            None => {
                presence.doubt();
                (Command::Late, Err(presence.unavailable(format_args!("no answer in {answer_time:?}"))))
            }
        };
        self.shared.commands.add(outcome);
        answer
    }

    /// Its metrics.
    pub fn register(&self, registry: &mut Registry) {
        let registry = registry.sub_registry_with_prefix("firstbyte_redis");
        self.shared.commands.register(registry, "commands", "Commands, pipelines and scripts, by what came of them");
        let presence = Arc::clone(&self.shared.presence);
        registry.register_collector(Box::new(Gauges::new(move || [(UP, i64::from(presence.is_known()))])));
    }
}

outcomes! {
    /// What has come of a command.
    enum Command {
        Done = "done",
        /// Redis is there, and does not do it.
        Refused = "refused",
        /// Nothing was said in time. It may have been done.
        Late = "late",
        Away = "away",
    }
}

/// Whether the connection failed, and not the command.
fn is_of_connection(error: &RedisError) -> bool {
    error.kind() == ErrorKind::Io || error.is_unrecoverable_error()
}

fn client(url: &ServiceUrl) -> Result<Client, UrlError> {
    if url.scheme() != "redis" {
        return Err(UrlError::Scheme);
    }
    let client = Client::open(url.expose()).map_err(|_| UrlError::Malformed)?;
    let is_tcp = matches!(client.get_connection_info().addr(), ConnectionAddr::Tcp(..));
    if is_tcp { Ok(client) } else { Err(UrlError::Scheme) }
}

/// Keeps a connection, for as long as anybody has a handle.
async fn upkeep(client: Client, presence: Arc<Presence<Connection>>, answer_time: Duration) {
    loop {
        match presence.look(timeout(CONNECT_TIME, connect(&client))).await {
            Ok(Ok((connection, driver))) => {
                presence.is_here(connection.clone());
                tokio::select! {
                    () = driver => presence.is_lost(),
                    why = silence(&presence, connection, answer_time) => presence.is_away(&why),
                }
            }
            Ok(Err(why)) => presence.is_away(&why),
            Err(_) => presence.is_away(&"it does not answer"),
        }
        pause().await;
    }
}

/// Waits until Redis does not answer any more.
async fn silence(presence: &Presence<Connection>, mut connection: Connection, answer_time: Duration) -> impl Display {
    loop {
        presence.doubted().await;
        match within(answer_time, cmd("PING").query_async::<()>(&mut connection)).await {
            // Busy with a script, or in need of memory: it is there.
            Some(Err(error)) if is_of_connection(&error) => return error.to_string(),
            Some(_) => {}
            None => return "it has ceased to answer".to_owned(),
        }
    }
}

/// A connection and what moves its bytes.
async fn connect(client: &Client) -> RedisResult<(Connection, impl Future<Output = ()> + 'static)> {
    let info = client.get_connection_info();
    let ConnectionAddr::Tcp(host, port) = info.addr() else { unreachable!("other addresses were refused") };
    let stream = TcpStream::connect((host.as_str(), *port)).await?;
    stream.set_nodelay(true)?;
    // Whoever asks has a deadline, and upkeep has.
    let config = AsyncConnectionConfig::new().set_response_timeout(None);
    MultiplexedConnection::new_with_config(info.redis_settings(), stream, config).await
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_no_redis_to_be_spoken_to_is_refused() {
        let check = |text: &str, expected| assert_eq!(check(&text.parse().expect("a URL")), expected, "{text}");
        for text in ["redis://h", "redis://user:se%20cret@h:1/2", "redis://[::1]:1"] {
            check(text, Ok(()));
        }
        for text in ["rediss://h", "unix://h", "postgres://h", "valkeys://h"] {
            check(text, Err(UrlError::Scheme));
        }
        for text in ["redis://h:x", "redis://h:99999", "redis://h/name"] {
            check(text, Err(UrlError::Malformed));
        }
    }
}
