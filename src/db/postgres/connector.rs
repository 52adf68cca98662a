//! Owns how a PostgreSQL is connected to, and how a statement is told to stop.
//!
//! The one idea: a request to stop is over when the server has closed its connection, and not before. It names a session, and
//! not a statement: one that is still under way would stop whatever that session does next.
//!
//! Never: speaks TLS: a URL that asks for it is refused.

use std::io;
use std::pin::Pin;
use std::time::Duration;

use deadpool_postgres::Connect;
use tokio::io::AsyncReadExt;
use tokio::net::TcpStream;
use tokio::task::JoinHandle;
use tokio_postgres::config::{Host, SslMode};
use tokio_postgres::tls::NoTlsStream;
use tokio_postgres::{CancelToken, Client, Config, Connection, Error, NoTls, Socket};

use crate::db::url::{ServiceUrl, UrlError};

/// After this a connection on which nothing moves shows that it is there, so that no firewall on the way forgets it.
const KEEPALIVE_TIME: Duration = Duration::from_secs(30);

/// After this a connection whose other end has vanished without a word is closed.
const VANISHED_TIME: Duration = Duration::from_secs(45);

/// After this the server rolls back a transaction in which nobody says anything, and closes its connection: a node that was stopped
/// in the middle of one keeps the locks of the others no longer than this.
const IDLE_IN_TRANSACTION_TIME: Duration = Duration::from_secs(10);

/// What the server gives a statement beyond what its node waits for. A node that is gone cannot tell it to stop.
pub(super) const STATEMENT_SLACK: Duration = Duration::from_secs(1);

/// How often the server looks, while it works at a statement, whether its node is still there: what a node that was killed has
/// begun ends within this, and so does what cannot be told to stop because nothing gets through any more but the end of a
/// connection. PostgreSQL has it from version 14 on.
const LOOK_PERIOD: Duration = Duration::from_millis(100);

/// Where a PostgreSQL is and who logs in.
#[derive(Clone)]
pub(in crate::db) struct Connector {
    pub config: Config,
    host: String,
    port: u16,
}

impl Connector {
    /// The one host of `url`, over TCP. A statement is waited for for `statement_time`.
    pub fn new(url: &ServiceUrl, statement_time: Duration) -> Result<Connector, UrlError> {
        if !["postgres", "postgresql"].contains(&url.scheme()) {
            return Err(UrlError::Scheme);
        }
        let mut config: Config = url.expose().parse().map_err(|_| UrlError::Malformed)?;
        if config.get_ssl_mode() == SslMode::Require {
            return Err(UrlError::Secure);
        }
        if config.get_application_name().is_none() {
            config.application_name("firstbyte");
        }
        if config.get_keepalives_idle() == Config::new().get_keepalives_idle() {
            config.keepalives_idle(KEEPALIVE_TIME).keepalives_interval(Duration::from_secs(5)).keepalives_retries(3);
            config.tcp_user_timeout(VANISHED_TIME);
        }
        let deadlines = format!(
            "-c statement_timeout={} -c idle_in_transaction_session_timeout={} -c client_connection_check_interval={}",
            (statement_time + STATEMENT_SLACK).as_millis(),
            IDLE_IN_TRANSACTION_TIME.as_millis(),
            LOOK_PERIOD.as_millis()
        );
        // What the URL says comes last, and counts.
        let options = config.get_options().map_or(deadlines.clone(), |own| format!("{deadlines} {own}"));
        config.options(options);
        let ([Host::Tcp(host)], []) = (config.get_hosts(), config.get_hostaddrs()) else {
            return Err(UrlError::Malformed);
        };
        let port = config.get_ports().first().copied().unwrap_or(5432);
        Ok(Connector { host: host.clone(), port, config })
    }

    /// A session, and what moves its bytes.
    pub async fn open(&self) -> Result<(Client, Connection<Socket, NoTlsStream>), Error> {
        self.config.connect(NoTls).await
    }

    /// Tells the server to stop what the session of `token` does. When this returns, it was told.
    pub async fn cancel(&self, token: CancelToken) -> io::Result<()> {
        let mut stream = TcpStream::connect((self.host.as_str(), self.port)).await?;
        token.cancel_query_raw(&mut stream, NoTls).await.map_err(io::Error::other)?;
        // There is no answer: the server closes when it has passed the request on.
        stream.read_to_end(&mut Vec::new()).await.map(drop)
    }
}

/// For the pool. Why a connection ends is told to whoever uses it, and not to the log.
impl Connect for Connector {
    fn connect(
        &self,
        _: &Config,
    ) -> Pin<Box<dyn Future<Output = Result<(Client, JoinHandle<()>), Error>> + Send + '_>> {
        Box::pin(async move {
            let (client, connection) = self.open().await?;
            let task = tokio::spawn(async move {
                let _ = connection.await;
            });
            Ok((client, task))
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_no_postgresql_to_be_spoken_to_is_refused() {
        let check = |url: &str, expected: Result<(), UrlError>| {
            let url: ServiceUrl = url.parse().expect("a URL");
            assert_eq!(Connector::new(&url, Duration::from_secs(5)).map(drop), expected, "{}", url.expose());
        };
        check("postgres://h", Ok(()));
        check("postgresql://user:se%20cret@h:5433/name?application_name=x&sslmode=disable", Ok(()));
        check("postgres://user@[::1]:1/name?connect_timeout=3", Ok(()));
        check("redis://h", Err(UrlError::Scheme));
        check("http://h", Err(UrlError::Scheme));
        check("postgres://h/name?sslmode=require", Err(UrlError::Secure));
        for url in [
            "postgres://h:x",
            "postgres://h,i/name",
            "postgres://h/?host=/run",
            "postgres://h?hostaddr=::1",
            "postgres://h?x=y",
        ] {
            check(url, Err(UrlError::Malformed));
        }
    }
}
