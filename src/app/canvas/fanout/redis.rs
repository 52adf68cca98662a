//! Owns the fan-out through Redis: one channel for each room, `firstbyte:canvas:{room}`, and one pattern for all of them.
//!
//! The one idea: a link is two connections, one to publish and one that has subscribed, and they live and die together. So
//! there is one state, one wait before the next attempt, and one line in the log.
//!
//! ```text
//!   away ──connect, PSUBSCRIBE──> joined ──closed, no answer to PING, PUBLISH failed──> away
//!    ^ └ failed: wait, jittered, up to 5 s ┘                                            │
//!    └──────────────────────────────────────────────────────────────────────────────────┘
//! ```
//!
//! Never: publishes again what was lost.
//! Limits: [`ANSWER_TIME`] for each answer, and a PING in each [`PING_PERIOD`]: a broker that hangs is away after both.

use std::fmt;
use std::time::Duration;

use bytes::Bytes;
use redis::aio::{MultiplexedConnection, PubSubSink, PubSubStream};
use redis::{AsyncConnectionConfig, Client, RedisError};
use tokio::time::{Instant, error::Elapsed, sleep, timeout};

use super::link::{Driver, Queued, Receiver, Rooms, Taken};
use super::next;
use crate::app::canvas::backoff;
use crate::db::url::{ServiceUrl, UrlError};

const PREFIX: &str = "firstbyte:canvas:";
const ANSWER_TIME: Duration = Duration::from_secs(2);
const PING_PERIOD: Duration = Duration::from_secs(1);

/// A link that has lasted for so long was a good one.
const STEADY_TIME: Duration = Duration::from_secs(5);

/// Messages, and about how many bytes, that are published in one round trip.
const BATCH_MAX: usize = 64;
const BATCH_BYTES_MAX: usize = 1 << 20;

/// Whether the client library can make something of `url`.
pub(super) fn check(url: &ServiceUrl) -> Result<(), UrlError> {
    Client::open(url.expose()).map(drop).map_err(|_| UrlError::Malformed)
}

/// Carries messages until there is no handle any more.
pub(super) async fn run(url: ServiceUrl, mut driver: Driver) {
    let client = Client::open(url.expose()).expect("an address that was checked");
    let mut failures = 0;
    while !driver.queued.is_closed() {
        match Link::connect(&client).await {
            Ok(link) => {
                driver.rooms.joined();
                let since = Instant::now();
                match link.carry(&mut driver).await {
                    Ok(()) => return,
                    Err(lost) => driver.rooms.away(&lost),
                }
                // One that lets us in and then refuses each message is not asked ten times a second.
                if since.elapsed() >= STEADY_TIME {
                    failures = 0;
                }
            }
            Err(failure) => driver.rooms.away(&failure),
        }
        failures += 1;
        sleep(backoff::after(failures)).await;
    }
}

/// Two connections, of which one has subscribed.
struct Link {
    publishing: MultiplexedConnection,
    subscriber: PubSubSink,
    heard: PubSubStream,
}

/// Why there is no link, or none any more.
enum Lost {
    Redis(RedisError),
    /// No answer within [`ANSWER_TIME`].
    Silent,
    /// The subscription was closed.
    Closed,
}

impl Link {
    async fn connect(client: &Client) -> Result<Link, Lost> {
        let config = AsyncConnectionConfig::new()
            .set_connection_timeout(Some(ANSWER_TIME))
            .set_response_timeout(Some(ANSWER_TIME));
        let publishing = client.get_multiplexed_async_connection_with_config(&config).await?;
        let (mut subscriber, heard) = timeout(ANSWER_TIME, client.get_async_pubsub()).await??.split();
        timeout(ANSWER_TIME, subscriber.psubscribe(format!("{PREFIX}*"))).await??;
        Ok(Link { publishing, subscriber, heard })
    }

    /// Ends well when there is no handle any more.
    async fn carry(self, Driver { queued, rooms }: &mut Driver) -> Result<(), Lost> {
        let Link { publishing, subscriber, heard } = self;
        tokio::select! {
            published = publish(publishing, queued, rooms) => published,
            lost = hear(heard, rooms) => Err(lost),
            lost = ping(subscriber) => Err(lost),
        }
    }
}

async fn publish(
    mut connection: MultiplexedConnection,
    queued: &mut Receiver<Queued>,
    rooms: &Rooms,
) -> Result<(), Lost> {
    while let Some(first) = queued.next().await {
        let mut pipeline = redis::pipe();
        let (mut batch, mut bytes) = (vec![first], 0);
        while let Some(Taken { item: Queued { room, message }, .. }) = batch.last() {
            bytes += message.len();
            pipeline.publish(format!("{PREFIX}{room}"), rooms.envelope(message)).ignore();
            let has_room = batch.len() < BATCH_MAX && bytes < BATCH_BYTES_MAX;
            let Some(next) = has_room.then(|| queued.next_now()).flatten() else { break };
            batch.push(next);
        }
        if let Err(error) = pipeline.query_async::<()>(&mut connection).await {
            rooms.lost(batch.len());
            return Err(error.into());
        }
    }
    Ok(())
}

async fn hear(mut heard: PubSubStream, rooms: &Rooms) -> Lost {
    while let Some(message) = next(&mut heard).await {
        if let Some(room) = message.get_channel_name().strip_prefix(PREFIX) {
            rooms.heard(room, Bytes::copy_from_slice(message.get_payload_bytes()));
        }
    }
    Lost::Closed
}

/// Ends when the broker does not answer. A subscription alone would not notice.
async fn ping(mut subscriber: PubSubSink) -> Lost {
    loop {
        sleep(PING_PERIOD).await;
        match timeout(ANSWER_TIME, subscriber.ping::<redis::Value>()).await {
            Ok(Ok(_)) => {}
            Ok(Err(error)) => return error.into(),
            Err(elapsed) => return elapsed.into(),
        }
    }
}

impl From<RedisError> for Lost {
    fn from(error: RedisError) -> Lost {
        Lost::Redis(error)
    }
}

impl From<Elapsed> for Lost {
    fn from(_: Elapsed) -> Lost {
        Lost::Silent
    }
}

impl fmt::Display for Lost {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Lost::Redis(error) => error.fmt(f),
            Lost::Silent => write!(f, "no answer within {ANSWER_TIME:?}"),
            Lost::Closed => f.write_str("the connection was closed"),
        }
    }
}
