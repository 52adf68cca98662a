//! Owns the canvas: a grid of pixels that everybody in a room draws on at once. `README.md` beside this file has its
//! protocol, byte by byte.

mod allowance;
mod backoff;
mod deltas;
pub mod domain;
pub mod fanout;
pub mod grid;
mod ground;
mod history;
mod member;
mod places;
mod presence;
pub mod protocol;
mod random;
pub mod replica;
mod room;
pub mod runs;
mod seat;
pub mod service;
mod stamped;
pub mod store;
