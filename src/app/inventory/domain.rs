//! Owns what products and orders are, which ones are accepted, and what becomes of stock. No I/O; no rule
//! asks a clock: moments and numbers are given, by [`now`] and [`new_id`].
//!
//! ```text
//!   JSON, query ──parse──> Details, Lines, ProductQuery │ Invalid: everything that is wrong, at once
//!   Details ──> Product ──> Order::price: lines, total, what is taken │ which lines cannot be had
//! ```
//!
//! The one idea: parse, do not check. Whoever holds one of these values need not ask again whether it is right; the same rules
//! hold whichever repository keeps them, because they are here and not there.
//!
//! Never: names a repository, a database or HTTP.

pub mod cursor;
pub mod invalid;
pub mod listing;
pub mod members;
pub mod once;
pub mod order;
pub mod preconditions;
pub mod product;

use std::time::{SystemTime, UNIX_EPOCH};

use jiff::Timestamp;
use uuid::{Builder, Uuid};

use crate::crypto;

pub use cursor::{Cursor, Position};
pub use invalid::{At, Invalid};
pub use listing::{OrderQuery, Page, ProductQuery};
pub use once::{Claim, Key, Once};
pub use order::{Draft, Order};
pub use preconditions::Preconditions;
pub use product::{Details, Product};

/// A new number for a product or an order: version 7 (RFC 9562 5.7), so that later ones are greater, roughly.
pub fn new_id() -> Uuid {
    let since = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
    let millis = u64::try_from(since.as_millis()).unwrap_or(u64::MAX);
    Builder::from_unix_timestamp_millis(millis, &crypto::random()).into_uuid()
}

/// This moment, as fine as a database keeps it: in microseconds.
pub fn now() -> Timestamp {
    let now = Timestamp::now();
    Timestamp::from_microsecond(now.as_microsecond()).unwrap_or(now)
}
