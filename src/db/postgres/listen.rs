//! Owns a connection that only listens: what others have said by NOTIFY, and when something may have been missed.
//!
//! ```text
//!   next() ──no session──> connect, LISTEN ──> Heard::Anew      look yourself: nobody kept what was said meanwhile
//!              │                                  │
//!              └<── closed ──────────────────── wait ──> Heard::Said(payload)
//! ```
//!
//! The one idea: what is said by NOTIFY is a hint, and never news by itself. A session begins by saying so: whoever listens looks
//! for himself then, and has missed nothing.
//!
//! It has a connection of its own, beside the pool's: one that listens is not lent to anybody else.
//!
//! Spec: PostgreSQL, LISTEN and NOTIFY: what is said in a transaction is heard when it commits, once for each payload.
//! Never: keeps what was said while nobody asked, beyond what the connection holds.

use std::future::poll_fn;

use tokio::time::timeout;
use tokio_postgres::tls::NoTlsStream;
use tokio_postgres::{AsyncMessage, Client, Connection, Socket};

use super::{CONNECT_TIME, Postgres, pause};

/// What was heard.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Heard {
    /// It listens from now on. What was said before was not heard.
    Anew,
    /// Somebody has said this.
    Said(String),
}

/// Listens at one channel, for as long as it is asked.
pub struct Listener {
    postgres: Postgres,
    channel: String,
    session: Option<Session>,
}

struct Session {
    /// Dropped, it would end the connection.
    _client: Client,
    connection: Connection<Socket, NoTlsStream>,
}

impl Postgres {
    /// Listens at `channel`, which is a constant of the program: a small letter, then small letters, digits and `_`.
    ///
    /// # Panics
    /// On another name, which would have to be quoted.
    pub fn listen(&self, channel: &str) -> Listener {
        let is_plain = |byte: u8| byte.is_ascii_lowercase() || byte.is_ascii_digit() || byte == b'_';
        assert!(channel.starts_with(|first: char| first.is_ascii_lowercase()) && channel.bytes().all(is_plain));
        Listener { postgres: self.clone(), channel: channel.to_owned(), session: None }
    }
}

impl Listener {
    /// What is heard next. Waits for as long as there is nothing, also while the server is away.
    ///
    /// # Cancel safety
    /// Nothing is lost when it is dropped: a session that was about to begin begins another time, and is told of then.
    pub async fn next(&mut self) -> Heard {
        loop {
            let Some(session) = &mut self.session else {
                // A server that is known to be away is not knocked at by everybody.
                if self.postgres.shared.presence.here().await.is_ok()
                    && let Some(session) = Session::begin(&self.postgres, &self.channel).await
                {
                    self.session = Some(session);
                    return Heard::Anew;
                }
                pause().await;
                continue;
            };
            match session.message().await {
                Some(AsyncMessage::Notification(said)) => return Heard::Said(said.payload().to_owned()),
                Some(_) => {}
                None => self.session = None,
            }
        }
    }
}

impl Session {
    async fn begin(postgres: &Postgres, channel: &str) -> Option<Session> {
        let begin = async {
            let (client, connection) = postgres.shared.connector.open().await.ok()?;
            let mut session = Session { _client: client, connection };
            session.listen(channel).await?;
            Some(session)
        };
        timeout(CONNECT_TIME, begin).await.ok().flatten()
    }

    /// What was said already is heard by no one: whoever is told of a new session looks for himself.
    async fn listen(&mut self, channel: &str) -> Option<()> {
        let Session { _client: client, connection } = self;
        let statement = format!("LISTEN {channel}");
        let mut asked = std::pin::pin!(client.batch_execute(&statement));
        loop {
            tokio::select! {
                listening = &mut asked => return listening.ok(),
                message = message(connection) => drop(message?),
            }
        }
    }

    async fn message(&mut self) -> Option<AsyncMessage> {
        message(&mut self.connection).await
    }
}

/// `None`: the connection is closed.
async fn message(connection: &mut Connection<Socket, NoTlsStream>) -> Option<AsyncMessage> {
    poll_fn(|context| connection.poll_message(context)).await.and_then(Result::ok)
}
