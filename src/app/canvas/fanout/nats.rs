//! Owns the fan-out through NATS: one subject for each room, `firstbyte.canvas.{room}`, and one wildcard for all of them.
//!
//! The one idea: the client library keeps the connection, and subscribes anew on each that it makes. It is told how long to
//! wait between two attempts, and tells what becomes of the connection.
//!
//! Core NATS, without JetStream and without a queue group: every node that is there hears everything, at most once.
//!
//! Never: publishes again what was lost.
//! Limits: a PING in each [`PING_PERIOD`]: a broker that hangs is away after three of them.

use std::time::Duration;

use async_nats::{Client, ConnectOptions, Event as Change, ServerAddr, Subscriber};
use tokio::sync::mpsc;
use tokio::time::{sleep, timeout};

use super::link::{Driver, Queued, Receiver, Rooms};
use super::next;
use crate::app::canvas::backoff;
use crate::db::url::{ServiceUrl, UrlError};

const PREFIX: &str = "firstbyte.canvas.";
const ANSWER_TIME: Duration = Duration::from_secs(2);
const PING_PERIOD: Duration = Duration::from_secs(1);

/// Messages on their way to the broker in the client library. Those that wait are in our queue, which is bounded in bytes.
const SENDING_MESSAGES_MAX: usize = 64;

/// Messages that the client library has read and we have not: what comes in a burst, before we are woken.
const READ_MESSAGES_MAX: usize = 1024;

/// Why a connection cannot be made or kept.
type Failure = Box<dyn std::error::Error + Send + Sync>;

/// Whether the client library can make something of `url`.
pub(super) fn check(url: &ServiceUrl) -> Result<(), UrlError> {
    url.without_login().parse::<ServerAddr>().map(drop).map_err(|_| UrlError::Malformed)
}

/// Carries messages until there is no handle any more.
pub(super) async fn run(url: ServiceUrl, mut driver: Driver) {
    let mut failures = 0;
    while !driver.queued.is_closed() {
        match carry(&url, &mut driver).await {
            Ok(()) => return,
            // The library goes on by itself after all that can be mended: this is rare.
            Err(failure) => driver.rooms.away(&failure),
        }
        failures += 1;
        sleep(backoff::after(failures)).await;
    }
}

/// Ends well when there is no handle any more.
async fn carry(url: &ServiceUrl, driver: &mut Driver) -> Result<(), Failure> {
    let (change, changes) = mpsc::unbounded_channel();
    let address: ServerAddr = url.without_login().parse()?;
    let client = options(url, change).connect(address).await?;
    let heard = client.subscribe(format!("{PREFIX}*")).await?;
    let Driver { queued, rooms } = driver;
    tokio::select! {
        published = publish(&client, queued, rooms) => published?,
        () = hear(heard, rooms) => return Err("the subscription has ended".into()),
        () = follow(changes, &client, rooms) => return Err("the connection has ended".into()),
    }
    // What was published last is on its way, but not there.
    let _ = timeout(ANSWER_TIME, client.flush()).await;
    Ok(())
}

fn options(url: &ServiceUrl, change: mpsc::UnboundedSender<Change>) -> ConnectOptions {
    let options = ConnectOptions::new()
        .name("firstbyte")
        .retry_on_initial_connect()
        .no_echo()
        .connection_timeout(ANSWER_TIME)
        .ping_interval(PING_PERIOD)
        .client_capacity(SENDING_MESSAGES_MAX)
        .subscription_capacity(READ_MESSAGES_MAX)
        // The first attempt is one, too.
        .reconnect_delay_callback(|attempts| backoff::after(attempts.saturating_sub(1)))
        .event_callback(move |event| {
            let _ = change.send(event);
            std::future::ready(())
        });
    match url.login() {
        None => options,
        Some((token, None)) => options.token(token),
        Some((user, Some(password))) => options.user_and_password(user, password),
    }
}

/// Tells what becomes of the connection.
async fn follow(mut changes: mpsc::UnboundedReceiver<Change>, client: &Client, rooms: &Rooms) {
    let mut has_complained = false;
    while let Some(change) = changes.recv().await {
        match change {
            Change::Connected => {
                has_complained = false;
                // The subscription goes out before anything that the rooms then say.
                let _ = timeout(ANSWER_TIME, client.flush()).await;
                rooms.joined();
            }
            Change::Disconnected => rooms.away(&"the connection was lost"),
            Change::ClientError(error) => rooms.away(&error),
            // It says so for every message that we must not publish.
            Change::ServerError(error) if !std::mem::replace(&mut has_complained, true) => rooms.complain(&error),
            Change::ServerError(_) => rooms.lost(1),
            // We are too slow, or the library is: the nodes mend what was lost.
            Change::SlowConsumer(_) => rooms.lost(1),
            Change::Closed => return,
            Change::LameDuckMode | Change::Draining => {}
        }
    }
}

async fn publish(client: &Client, queued: &mut Receiver<Queued>, rooms: &Rooms) -> Result<(), Failure> {
    while let Some(mut taken) = queued.next().await {
        // Waits while the connection is away: then our queue fills, and drops.
        loop {
            let Queued { room, message } = &taken.item;
            client.publish(format!("{PREFIX}{room}"), rooms.envelope(message).into()).await?;
            let Some(next) = queued.next_now() else { break };
            taken = next;
        }
        client.flush().await?;
    }
    Ok(())
}

async fn hear(mut heard: Subscriber, rooms: &Rooms) {
    while let Some(message) = next(&mut heard).await {
        if let Some(room) = message.subject.strip_prefix(PREFIX) {
            rooms.heard(room, message.payload);
        }
    }
}
