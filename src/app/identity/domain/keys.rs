//! Owns the life of a signing key, and what a rotation does.
//!
//! ```text
//!   next ───rotate───> active ───rotate───> retired ───the last token it signed has expired───> gone
//!   published          signs                verifies
//! ```
//!
//! The one idea: a key is published before it signs, and stays published for as long as anything that it has signed may be
//! shown. So no verifier meets a key that it could not have known, and a rotation refuses nobody.
//!
//! All rules are here, as functions from the list of keys to the next list; a store applies them under its lock, so that ten
//! nodes that start at once, or two that rotate, do it one behind the other.
//!
//! Spec: RFC 7517 4.5 (`kid`); RFC 7515 10.? is nobody's: how keys are rotated is left to us.
//! Never: shows a private key; signs with a key that is not active.
//! Invariants: one key is active, at most one is next; names are unique.
//! Limits: [`KEYS_MAX`].


/// Keys that are kept at a time. Who rotates more often than they retire is refused.
pub const KEYS_MAX: usize = 16;

/// What a key is for, now.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum State {
    /// It will sign after the next rotation.
    Next,
    /// It signs.
    Active,
    /// It has signed: it verifies.
    Retired,
}
