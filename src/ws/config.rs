//! Owns what a WebSocket may be told: its bounds, the time its peer is given, who may open it.
//!
//! The one idea: everything is on by default, and "off" has to be spelled out as [`Duration::MAX`], `u64::MAX`, or
//! [`Origins::Any`].
//!
//! Spec: RFC 6455 10.2 (Origin), 10.4 (limits), 7.1.1 (who closes first), 5.5.2 (Ping as keepalive).
//! Limits: those of [`Limits`], and the fields below.

use std::time::Duration;

use crate::net::deadline::Rate;
use crate::ws::deflate::Compression;
use crate::ws::limits::Limits;

/// How a socket behaves, for servers and clients alike.
#[derive(Clone, Debug)]
pub struct Config {
    /// What is too large.
    pub limits: Limits,
    /// What takes too long.
    pub deadlines: Deadlines,
    /// permessage-deflate (RFC 7692), when the other end wants it, too. Default: on, without context takeover.
    pub compression: Option<Compression>,
    /// Subprotocols that are spoken here, the preferred one first (RFC 6455 1.9). Default: none.
    pub protocols: &'static [&'static str],
    /// Whose pages may open a socket. Default: those of the host that is asked.
    pub origins: Origins,
    /// Bytes of messages that wait to be sent. Default 1 MiB. Larger: a peer that does not read holds more memory. Met: what
    /// [`Overflow`](crate::ws::Overflow) says. A message may go beyond it when nothing else waits.
    pub queue_bytes_max: usize,
    /// Messages that wait to be sent. Default 1,024. Larger and met: the same.
    pub queue_messages_max: usize,
}

/// The time that a peer is given.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Deadlines {
    /// Silence after which the peer is asked whether it is there. Default 30 s. Larger: who has vanished is noticed later.
    pub ping_after: Duration,
    /// From that question to the next byte of the peer. Default 10 s. Larger: the same. The peer sees Close 1008.
    pub pong_within: Duration,
    /// The least rate of a message that has begun. Default 1 KiB/s over 10 s. Slower: trickled messages hold memory. The
    /// peer sees Close 1008.
    pub message_rate: Rate,
    /// Time without a message in either direction. Default 10 min. Larger: sockets that nobody uses hold descriptors. The
    /// peer sees Close 1001.
    pub idle: Duration,
    /// The least rate at which the peer takes what is sent. Default 1 KiB/s over 10 s. Slower: readers that do not read
    /// hold their queue. The peer sees a reset.
    pub write_rate: Rate,
    /// From our Close to that of the peer, and from there to the end of the stream. Default 2 s. Larger: peers that do not
    /// answer hold descriptors.
    pub close: Duration,
}

/// Whose pages may open a socket: a browser sends the cookies of a site with the handshake, whichever page has asked, and
/// says in `Origin` which one it was (RFC 6455 10.2). Programs send no Origin and are let in.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub enum Origins {
    /// Pages of the host and port that are asked.
    #[default]
    SameHost,
    /// Every page. Only where no cookie matters.
    Any,
    /// Pages of these origins, such as `https://example.com`, and of the host that is asked.
    These(&'static [&'static str]),
}

impl Default for Config {
    fn default() -> Self {
        Config {
            limits: Limits::default(),
            deadlines: Deadlines::default(),
            compression: Some(Compression::default()),
            protocols: &[],
            origins: Origins::default(),
            queue_bytes_max: 1 << 20,
            queue_messages_max: 1024,
        }
    }
}

impl Default for Deadlines {
    fn default() -> Self {
        const SECOND: Duration = Duration::from_secs(1);
        let rate = Rate { bytes_per_second: 1024, over: SECOND * 10, credit: SECOND * 60 };
        Deadlines {
            ping_after: SECOND * 30,
            pong_within: SECOND * 10,
            message_rate: rate,
            idle: SECOND * 600,
            write_rate: rate,
            close: SECOND * 2,
        }
    }
}
