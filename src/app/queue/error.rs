//! Owns what may be wrong with what a queue is asked.
//!
//! Never: shows a client why a database is away: that is for the log.

use std::fmt;

use crate::app::queue::domain::{JobId, PAYLOAD_BYTES_MAX, State};
use crate::db::Failure;

/// Why a queue did not do as asked.
#[derive(Debug)]
#[non_exhaustive]
pub enum QueueError {
    /// The payload has more than [`PAYLOAD_BYTES_MAX`].
    TooLarge {
        /// So many.
        bytes: usize,
    },
    /// The key is that of another request.
    Conflict {
        /// The job of that request.
        job: JobId,
    },
    /// There is no such job.
    Unknown,
    /// A job in this state cannot be retried, discarded or cancelled.
    WrongState(State),
    /// The queue in memory holds as many jobs as it may.
    Full,
    /// The database did not do as asked.
    Database(Failure),
}

impl QueueError {
    /// Whether it may go well when it is asked again in a moment.
    pub fn is_unavailable(&self) -> bool {
        match self {
            QueueError::Full => true,
            QueueError::Database(failure) => failure.is_passing(),
            _ => false,
        }
    }
}

impl From<Failure> for QueueError {
    fn from(failure: Failure) -> QueueError {
        QueueError::Database(failure)
    }
}

impl fmt::Display for QueueError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            QueueError::TooLarge { bytes } => {
                write!(f, "the payload has {bytes} bytes, {PAYLOAD_BYTES_MAX} are the most")
            }
            QueueError::Conflict { job } => write!(f, "the key is that of another request, job {job}"),
            QueueError::Unknown => f.write_str("there is no such job"),
            QueueError::WrongState(state) => write!(f, "the job is {state}"),
            QueueError::Full => f.write_str("the queue in memory is full"),
            QueueError::Database(failure) => failure.fmt(f),
        }
    }
}

impl std::error::Error for QueueError {}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_may_go_well_in_a_moment_is_told_apart() {
        for error in [QueueError::Full, Failure::TimedOut.into(), Failure::Serialization.into()] {
            assert!(error.is_unavailable(), "{error}");
        }
        let unique = Failure::Unique { constraint: "jobs_pkey".to_owned() };
        for error in [QueueError::Unknown, QueueError::TooLarge { bytes: 1 }, unique.into()] {
            assert!(!error.is_unavailable(), "{error}");
        }
    }
}
