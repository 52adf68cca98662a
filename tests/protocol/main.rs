//! Tests of the protocol in memory: no sockets, no ports, no sleeps.

#![allow(clippy::unwrap_used, reason = "all of this is tests")]

mod corpus;
mod differential;
