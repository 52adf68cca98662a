//! Owns webhooks: an event comes in once, and goes out to everybody who wants it.
//!
//! Never: dials an address that is not public, unless told that it may.

pub mod clock;
pub mod domain;
pub mod store;

#[cfg(test)]
mod tests;
