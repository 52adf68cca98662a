//! Owns why something is not done: the one enum that all layers speak.
//!
//! Its status and its answer are the handlers' (`handlers/refusal.rs`): below them nobody knows that there is HTTP.
//!
//! Never: carries what a client may not see into an answer: the details of [`Error::Unavailable`] and [`Error::Failed`] are for
//! the log.

use std::fmt;
use std::time::Duration;

use crate::app::inventory::domain::Invalid;
use crate::app::inventory::domain::order::Status;
use crate::db;

/// When a client that is told to come again may do so: a database that is back is used again within this.
pub const RETRY_AFTER: Duration = db::RETRY_AFTER;

/// Details of a failure, for the log.
pub type Details = Box<dyn std::error::Error + Send + Sync>;

/// Why something is not done.
#[derive(Debug)]
#[non_exhaustive]
pub enum Error {
    /// The input is wrong.
    Invalid(Invalid),
    /// There is no such product, or order.
    NotFound(&'static str),
    /// It was changed since the client has seen it.
    Stale,
    /// Other products have the SKUs of these, counted from 0.
    SkuTaken(Vec<usize>),
    /// It contradicts what is there; each place is named.
    Conflict(Invalid),
    /// Lines of the order cannot be had.
    OutOfStock(Invalid),
    /// The order is past that.
    NotCancellable(Status),
    /// The key has stood for another request.
    KeyReused,
    /// A request with the key is at work.
    KeyAtWork,
    /// Another transaction was in the way. Nothing was done, and doing it again may go well.
    Contended,
    /// There is no room for another one of these.
    Full(&'static str),
    /// The database is away, or did not answer in time. It may have been done.
    Unavailable(Details),
    /// The database is away, and was not asked: nothing was done.
    Unreached(Details),
    /// It took longer than there was time for. It may have been done.
    TimedOut(Details),
    /// Something is there, or was said, that should not.
    Failed(Details),
}

impl Error {
    /// Whether it is certain that nothing was changed.
    pub fn is_without_effect(&self) -> bool {
        !matches!(self, Error::Unavailable(_) | Error::TimedOut(_) | Error::Failed(_))
    }
}

impl From<Invalid> for Error {
    fn from(invalid: Invalid) -> Error {
        Error::Invalid(invalid)
    }
}

impl fmt::Display for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Error::Invalid(invalid) | Error::Conflict(invalid) | Error::OutOfStock(invalid) => invalid.fmt(f),
            Error::NotFound(what) => write!(f, "there is no such {what}"),
            Error::Stale => f.write_str("it was changed since: read it again"),
            Error::SkuTaken(_) => f.write_str("another product has this SKU"),
            Error::NotCancellable(status) => write!(f, "the order is {}: it cannot be cancelled", status.text()),
            Error::KeyReused => f.write_str("the key has stood for another request: take a new one"),
            Error::KeyAtWork => f.write_str("a request with this key is at work: ask again in a moment"),
            Error::Contended => f.write_str("others are changing the same: ask again in a moment"),
            Error::Full(what) => write!(f, "there is no room for another {what}"),
            Error::Unavailable(_) | Error::Unreached(_) => f.write_str("the database is away: ask again in a moment"),
            Error::TimedOut(_) => f.write_str("it took too long: ask again in a moment"),
            Error::Failed(_) => f.write_str("the fault is ours, and was logged"),
        }
    }
}

impl std::error::Error for Error {}
