//! Tests of the protocol in memory: no sockets, no ports, no sleeps.

#![allow(clippy::unwrap_used, reason = "all of this is tests")]

mod attacks;
mod client;
mod conformance;
mod content;
mod corpus;
mod deadlines;
mod deflate;
mod differential;
mod dropped;
mod durations;
mod frames;
mod fuzzed;
mod half_close;
#[path = "../judge/mod.rs"]
mod judge;
mod jwt;
mod pipelining;
mod server;
mod shutdown;
mod simulation;
mod splitting;
mod stage;
mod tally;
mod violations;
mod websocket;
