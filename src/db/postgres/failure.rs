//! Owns what becomes of an error of PostgreSQL: what an application can act on, and what it can only pass on.
//!
//! ```text
//!   23505, 23503, 23514, 23502: a constraint       ──> Unique, ForeignKey, Check, NotNull, with its name: 409, 422
//!   40001 serialization_failure, 40P01 deadlock    ──> Serialization: begin the transaction again
//!   57P01..3, 53300, 08xxx, 25P03, no connection   ──> Unavailable: 503
//!   57014 query_canceled, 55P03 lock_not_available ──> TimedOut: 503, or 504
//!   all else                                       ──> Other: a fault of ours, 500
//! ```
//!
//! Spec: PostgreSQL, appendix A (error codes).

use std::error::Error as _;
use std::{fmt, io};

use tokio_postgres::Error;
use tokio_postgres::error::{DbError, SqlState};

use crate::db::Unavailable;

/// Why a statement did not do as asked. The details are for the log.
#[derive(Debug)]
#[non_exhaustive]
pub enum Failure {
    /// PostgreSQL is away, or has no room, or all connections are in use. The statement may have been done.
    Unavailable(Unavailable),
    /// It took longer than it may: it was told to stop, or was not begun. The statement may have been done.
    TimedOut,
    /// There is such a row already.
    Unique {
        /// The constraint that says so.
        constraint: String,
    },
    /// A row that is referred to is not there, or one that is to go is referred to.
    ForeignKey {
        /// The constraint that says so.
        constraint: String,
    },
    /// A value is none that a row may have.
    Check {
        /// The constraint that says so.
        constraint: String,
    },
    /// A column has no value, and has to have one.
    NotNull {
        /// The column: PostgreSQL gives such a constraint no name.
        column: String,
    },
    /// Another transaction was in the way: nothing was done, and doing it again may go well.
    Serialization,
    /// The statement is wrong, or its parameters are, or a row is not what it was taken for.
    Other(Error),
}

/// What an error says of where it comes from.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Class {
    Unavailable,
    TimedOut,
    Unique,
    ForeignKey,
    Check,
    NotNull,
    Serialization,
    Other,
}

impl Failure {
    /// Sorts `error`; `unavailable` finds the words when the server is to blame.
    pub(super) fn of(error: Error, unavailable: impl FnOnce(String) -> Unavailable) -> Failure {
        let name = |of: fn(&DbError) -> Option<&str>| error.as_db_error().and_then(of).unwrap_or_default().to_owned();
        let constraint = || name(DbError::constraint);
        match class(&error) {
            Class::Unavailable => Failure::Unavailable(unavailable(words(&error))),
            Class::TimedOut => Failure::TimedOut,
            Class::Unique => Failure::Unique { constraint: constraint() },
            Class::ForeignKey => Failure::ForeignKey { constraint: constraint() },
            Class::Check => Failure::Check { constraint: constraint() },
            Class::NotNull => Failure::NotNull { column: name(DbError::column) },
            Class::Serialization => Failure::Serialization,
            Class::Other => Failure::Other(error),
        }
    }

    /// Whether nobody is to blame who asks: it may go well in a moment, and the answer is 503.
    pub fn is_passing(&self) -> bool {
        matches!(self, Failure::Unavailable(_) | Failure::TimedOut | Failure::Serialization)
    }
}

fn class(error: &Error) -> Class {
    match error.code() {
        Some(code) => class_of_code(code),
        None if is_of_connection(error) => Class::Unavailable,
        None => Class::Other,
    }
}

fn class_of_code(code: &SqlState) -> Class {
    match code.code() {
        "23505" => Class::Unique,
        "23503" => Class::ForeignKey,
        "23514" => Class::Check,
        "23502" => Class::NotNull,
        "40001" | "40P01" => Class::Serialization,
        "57014" | "55P03" => Class::TimedOut,
        // 08 connection exception, 53 insufficient resources, 57P operator intervention, 58 system error; a standby that
        // was promised to be a primary (25006), a transaction in which this node has said nothing for too long (25P03).
        code if ["08", "53", "57P", "58", "25006", "25P03"].iter().any(|class| code.starts_with(class)) => {
            Class::Unavailable
        }
        _ => Class::Other,
    }
}

/// Whether the server is to blame, and not what it was asked.
pub(in crate::db) fn is_of_server(error: &Error) -> bool {
    matches!(class(error), Class::Unavailable | Class::TimedOut)
}

/// Whether a statement was stopped: by its deadline, by hand, or because it waited for a lock for too long.
pub(in crate::db) fn is_stopped(error: &Error) -> bool {
    matches!(error.code(), Some(code) if [SqlState::QUERY_CANCELED, SqlState::LOCK_NOT_AVAILABLE].contains(code))
}

/// Whether the connection failed, and not a statement on it.
fn is_of_connection(error: &Error) -> bool {
    error.is_closed() || error.source().is_some_and(|source| source.is::<io::Error>())
}

/// What an error says, its cause too.
pub(in crate::db) fn words(error: &Error) -> String {
    match (error.as_db_error(), error.source()) {
        (Some(db), _) => format!("{} ({})", db.message(), db.code().code()),
        (None, Some(source)) => format!("{error}: {source}"),
        (None, None) => error.to_string(),
    }
}

/// A column that is not there, or is of another type.
impl From<Error> for Failure {
    fn from(error: Error) -> Failure {
        Failure::Other(error)
    }
}

impl From<Unavailable> for Failure {
    fn from(unavailable: Unavailable) -> Failure {
        Failure::Unavailable(unavailable)
    }
}

impl fmt::Display for Failure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Failure::Unavailable(unavailable) => unavailable.fmt(f),
            Failure::TimedOut => f.write_str("PostgreSQL: it took too long"),
            Failure::Unique { constraint } => write!(f, "there is such a row already ({constraint})"),
            Failure::ForeignKey { constraint } => write!(f, "a row refers to one that is not there ({constraint})"),
            Failure::Check { constraint } => write!(f, "a row may not be like this ({constraint})"),
            Failure::NotNull { column } => write!(f, "a column has no value ({column})"),
            Failure::Serialization => f.write_str("another transaction was in the way"),
            Failure::Other(error) => f.write_str(&words(error)),
        }
    }
}

impl std::error::Error for Failure {}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_an_application_can_do_about_it() {
        let check = |codes: &[&str], expected| {
            for code in codes {
                assert_eq!(class_of_code(&SqlState::from_code(code)), expected, "{code}");
            }
        };
        check(&["23505"], Class::Unique);
        check(&["40001", "40P01"], Class::Serialization);
        check(&["23503"], Class::ForeignKey);
        check(&["23514"], Class::Check);
        check(&["23502"], Class::NotNull);
        check(&["57014", "55P03"], Class::TimedOut);
        check(&["57P01", "57P02", "57P03", "53300", "53200", "08006", "25006", "25P03"], Class::Unavailable);
        check(&["23P01", "42601", "42P01", "22001", "0A000", "25P02", "28P01", "3D000"], Class::Other);
    }
}
