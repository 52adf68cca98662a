//! Owns the canvas: a grid of pixels that everybody in a room draws on at once. `README.md` beside this file has its
//! protocol, byte by byte.

pub mod domain;
pub mod fanout;
pub mod grid;
mod random;
pub mod replica;
pub mod service;
