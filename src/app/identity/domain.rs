//! Owns the rules of the issuer: who asks, for what, and what a refresh token is worth at a moment.
//!
//! The one idea: every rule is a function from values to a value. The clock is a number that is handed in, the store a value
//! that was read; so each rule stands in a table of tests, and the handlers have none of their own.
//!
//! ```text
//!   content ──> Parameters ──> Presented (who) ──> Client ──> Grant (what) ──> Scopes ⊆ those of the client
//!   refresh token + Family + now ──judge──> Rotate · Repeat · Reused · Ended · Forged
//!   keys + now ──rotated──> keys
//! ```
//!
//! Never: does I/O; reads a clock.

pub mod audience;
pub mod client;
pub mod family;
pub mod grant;
pub mod keys;
pub mod parameters;
pub mod refused;
pub mod scope;
