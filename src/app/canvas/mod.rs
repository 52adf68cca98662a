//! Owns the canvas: a grid of pixels that everybody in a room draws on at once. `README.md` beside this file has its
//! protocol, byte by byte.

mod allowance;
mod deltas;
pub mod domain;
pub mod fanout;
pub mod grid;
mod ground;
mod history;
mod places;
pub mod protocol;
mod random;
pub mod replica;
pub mod runs;
pub mod service;
