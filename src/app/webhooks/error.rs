//! Owns why a question about webhooks is not answered as hoped, and how that is told.
//!
//! The one idea: one enum, one `match`. Details of a failure inside go to the log; the client gets a code.
//!
//! | what | status | code |
//! |---|---|---|
//! | input that cannot be read at all | that of the rejection | that of the catalogue |
//! | an `Idempotency-Key` that is none | 400 | `invalid_key` |
//! | a receiver of the demonstration does not believe a message | 401 | `unsigned` |
//! | no such endpoint, event, delivery | 404 | `not_found` |
//! | a delivery whose endpoint is disabled | 409 | `endpoint_disabled` |
//! | a secret that was rotated too often | 409 | `rotated_too_often` |
//! | wrong members | 422 | `invalid` |
//! | another event under a key that was used | 422 | `key_reused` |
//! | too many watch | 503 | `too_many_watchers` |
//! | too many hosts are looked up | 503 | `too_many_lookups` |
//! | as much is pending as may be | 503 | `too_much_pending` |
//! | the store does not answer | 503 | `unavailable` |
//! | no room for another endpoint | 507 | `store_full` |
//! | the store failed | 500 | `failed` |

use std::time::Duration;

use super::domain::KEY_CHARS_MAX;
use super::domain::signature::Unsigned;
use super::input::FieldErrors;
use super::store::StoreError;
use crate::db::RETRY_AFTER;
use crate::http::envelope::Failure;
use crate::http::{IntoResponse, Rejection, Response, Status};

/// When to come again where as much is pending as may be.
const PENDING_RETRY: Duration = Duration::from_secs(5);

/// Why there is no answer as hoped.
#[derive(Debug)]
#[non_exhaustive]
pub enum Error {
    /// The input could not be read.
    Rejected(Rejection),
    /// The `Idempotency-Key` is empty, too long, or stands twice.
    Key,
    /// A receiver does not take a message for ours.
    Unsigned(Unsigned),
    /// There is no such thing.
    NotFound(&'static str),
    /// What is wrong with the input.
    Invalid(FieldErrors),
    /// So many watch that one more may not.
    Watchers,
    /// So many hosts are being looked up that one more may not.
    LookUps,
    /// The store did not do as asked.
    Store(StoreError),
}

impl Error {
    /// Its status, and its code for a program.
    pub fn status(&self) -> (Status, &'static str) {
        match self {
            Error::Rejected(rejection) => (rejection.problem().fault().status(), rejection.problem().fault().code()),
            Error::Key => (Status::BAD_REQUEST, "invalid_key"),
            Error::Unsigned(_) => (Status::UNAUTHORIZED, "unsigned"),
            Error::NotFound(_) => (Status::NOT_FOUND, "not_found"),
            Error::Store(StoreError::Disabled) => (Status::CONFLICT, "endpoint_disabled"),
            Error::Store(StoreError::Rotated) => (Status::CONFLICT, "rotated_too_often"),
            Error::Invalid(_) => (Status::UNPROCESSABLE_CONTENT, "invalid"),
            Error::Store(StoreError::KeyReused) => (Status::UNPROCESSABLE_CONTENT, "key_reused"),
            Error::Watchers => (Status::SERVICE_UNAVAILABLE, "too_many_watchers"),
            Error::LookUps => (Status::SERVICE_UNAVAILABLE, "too_many_lookups"),
            Error::Store(StoreError::PendingFull) => (Status::SERVICE_UNAVAILABLE, "too_much_pending"),
            Error::Store(StoreError::Unavailable(_)) => (Status::SERVICE_UNAVAILABLE, "unavailable"),
            Error::Store(StoreError::EndpointsFull) => (Status::INSUFFICIENT_STORAGE, "store_full"),
            Error::Store(StoreError::Failed(_)) => (Status::INTERNAL_SERVER_ERROR, "failed"),
        }
    }

    fn message(&self) -> String {
        match self {
            Error::Rejected(rejection) => rejection.to_string(),
            Error::Key => format!("Idempotency-Key stands once and has 1 to {KEY_CHARS_MAX} visible characters"),
            Error::Unsigned(why) => why.to_string(),
            Error::NotFound(what) => format!("there is no such {what}"),
            Error::Invalid(fields) => fields.to_string(),
            Error::Watchers => "too many watch".to_owned(),
            Error::LookUps => "too many hosts are being looked up".to_owned(),
            Error::Store(StoreError::Unavailable(_)) => "the webhooks are away for a moment: try again".to_owned(),
            Error::Store(StoreError::Failed(_)) => "the fault is ours, and was logged".to_owned(),
            Error::Store(error) => error.to_string(),
        }
    }

    fn retry_after(&self) -> Option<Duration> {
        match self {
            Error::Watchers | Error::LookUps | Error::Store(StoreError::PendingFull) => Some(PENDING_RETRY),
            Error::Store(StoreError::Unavailable(_)) => Some(RETRY_AFTER),
            _ => None,
        }
    }

    fn log(&self) {
        match self {
            Error::Store(StoreError::Failed(details)) => tracing::error!(%details, "the store of webhooks failed"),
            // That it is away was said once, where it is known; this is for each request.
            Error::Store(StoreError::Unavailable(details)) => tracing::debug!(%details, "answered 503"),
            _ => {}
        }
    }
}

impl From<Rejection> for Error {
    fn from(rejection: Rejection) -> Error {
        Error::Rejected(rejection)
    }
}

impl From<StoreError> for Error {
    fn from(error: StoreError) -> Error {
        Error::Store(error)
    }
}

#[diagnostic::do_not_recommend]
impl IntoResponse for Error {
    fn into_response(self) -> Response {
        self.log();
        let (status, code) = self.status();
        let (message, retry_after) = (self.message(), self.retry_after());
        let fields = match self {
            // The envelope around it puts that into the same shape.
            Error::Rejected(rejection) => return rejection.into_response(),
            Error::Invalid(fields) => fields,
            _ => FieldErrors::default(),
        };
        let failure = Failure::new(status, code, message);
        let failure = fields.0.into_iter().fold(failure, |failure, (name, wrong)| failure.with_field(name, wrong));
        match retry_after {
            Some(wait) => failure.into_response().with_retry_after(wait),
            None => failure.into_response(),
        }
    }
}
