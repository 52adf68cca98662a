//! What is measured, apart from how: the same cases serve the criterion benches, the table of ratios and the count of
//! instructions.
//!
//! ```text
//!   heads · chunks · frames · routes · wire ──┬── head_parse.rs, route.rs …   criterion: where does time go over months
//!   (ours, its peer, and the         ├── ratios.rs                  ours against the peer, interleaved, one table
//!    check that both agree)          └── instructions.rs            valgrind: counts that no busy machine disturbs
//! ```
//!
//! Invariant: every case checks its answer before anybody times it, and the peer's with it where there is a peer.

pub mod chunks;
pub mod frames;
pub mod heads;
pub mod hyper_peer;
pub mod pico;
pub mod routes;
pub mod wire;
