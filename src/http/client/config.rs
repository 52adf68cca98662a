//! Owns every bound that a client puts on its peers and on itself.
//!
//! The one idea: whoever asks waits, and waiting is what a peer can make expensive. So each phase of an exchange has a
//! deadline, content has a least rate, and connections, waiting callers and bytes are counted.
//!
//! ```text
//!   wait ─ connect ─ write ─ answer ──────────── content ─ idle ─ write ─ …
//!   `wait`  `connect` `write_rate`  `answer`  `head`   `content_rate`  `idle`
//!   └───────────────────────────── `total` ─────────────────┘
//! ```
//!
//! Spec: RFC 9112 9.4 (a client limits its connections), 9.5 (timeouts).
//! Never: reads a clock.

use std::time::Duration;

use crate::http::Limits;
use crate::net::deadline::Rate;

/// The bounds of one client. Every field is on by default; "off" has to be spelled out as the type's `MAX`, or a rate of 0.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ClientConfig {
    /// For a place among the connections to an origin. Default 5 s. Larger: callers pile up behind a slow origin.
    pub wait: Duration,
    /// For a connection to come about, looking up its name included. Default 5 s. Larger: a host that drops packets holds
    /// its callers.
    pub connect: Duration,
    /// While the request is being sent. Default 1 KiB/s over 15 s. Slower: a peer that does not read holds requests. It
    /// sees a close.
    pub write_rate: Rate,
    /// From the last byte of the request to that of the answer's head, interim answers included. Default 30 s. Larger: a
    /// server that hangs holds its callers. It sees a close.
    pub answer: Duration,
    /// From the first byte of a head to its last. Default 5 s. Larger: a head that trickles holds its caller.
    pub head: Duration,
    /// While content is awaited. Default 1 KiB/s over 10 s. Slower: content that trickles holds its caller. It does not run
    /// while the request is still being produced: the server may wait for more of it.
    pub content_rate: Rate,
    /// For a request in all, from [`send`](crate::http::client::Client::send) to the end of the answer's content, every
    /// redirection included. Default 5 min. Larger: no caller can say when it is done. For streams of events it has to be
    /// off: see [`Outgoing::within`](crate::http::client::Outgoing::within).
    pub total: Duration,
    /// For which a connection is kept for the next request. Default 30 s. Larger: idle connections hold descriptors at both
    /// ends, and more of them have been closed by the server when they are used.
    pub idle: Duration,
    /// Connections to one origin. Default 32. Larger: one origin can be made to hold more of them.
    pub connections_per_origin_max: usize,
    /// Connections in all, those at rest included. Default 256. Larger: more descriptors.
    pub connections_max: usize,
    /// Callers that wait for a connection, in all. Default 1,024. Larger: more of them time out. Who comes then is told at
    /// once.
    pub waiting_max: usize,
    /// Bytes of the head of an answer, of the interim ones before it too. Default 64 KiB. Larger: each connection may hold
    /// that much while it trickles in.
    pub head_bytes_max: usize,
    /// Field lines in one head. Default 100. Larger: more work for each lookup.
    pub field_lines_max: usize,
    /// Bytes of content that [`Answer::collect`](crate::http::client::Answer::collect) keeps. Default 1 MiB. Larger: each
    /// answer that is collected may hold that much. Content that is streamed is not bounded: who reads it decides.
    pub content_bytes_max: u64,
    /// Bytes of content that are read of a redirection, to use its connection again. Default 16 KiB. Larger: more work for
    /// what nobody looks at.
    pub drain_bytes_max: u64,
}

impl Default for ClientConfig {
    fn default() -> ClientConfig {
        let second = Duration::from_secs(1);
        ClientConfig {
            wait: 5 * second,
            connect: 5 * second,
            write_rate: Rate { bytes_per_second: 1024, over: 15 * second, credit: 60 * second },
            answer: 30 * second,
            head: 5 * second,
            content_rate: Rate { bytes_per_second: 1024, over: 10 * second, credit: 10 * second },
            total: 300 * second,
            idle: 30 * second,
            connections_per_origin_max: 32,
            connections_max: 256,
            waiting_max: 1024,
            head_bytes_max: 64 * 1024,
            field_lines_max: 100,
            content_bytes_max: 1024 * 1024,
            drain_bytes_max: 16 * 1024,
        }
    }
}

impl ClientConfig {
    /// What the parsers obey.
    pub(super) fn limits(&self) -> Limits {
        Limits { head_bytes_max: self.head_bytes_max, field_lines_max: self.field_lines_max, ..Limits::default() }
    }
}
