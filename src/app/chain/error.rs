//! Owns why a request for quotes fails, and how that is answered.
//!
//! The one idea: one enum, one `match`. Details of a failure inside go to the log; the client gets a code.
//!
//! | what | status | code |
//! |---|---|---|
//! | input that cannot be read at all | that of the rejection | that of the catalogue |
//! | a query with numbers out of range | 400 | `invalid_query` |
//! | a quote with wrong members | 422 | `invalid_quote` |
//! | no such quote | 404 | `quote_not_found` |
//! | the store keeps as many as it may | 507 | `store_full` |
//! | the store failed | 500 | `HTTP-SERVER-007` |

use crate::app::chain::domain::{FieldErrors, QuoteId};
use crate::app::chain::store::StoreError;
use crate::http::envelope::Failure;
use crate::http::{IntoResponse, Problem, Rejection, Response, Status};

/// Why there is no quote to answer with.
#[derive(Debug)]
#[non_exhaustive]
pub enum Error {
    /// The input could not be read.
    Rejected(Rejection),
    /// The query asks for a page that cannot be had.
    InvalidQuery(FieldErrors),
    /// The content is no quote.
    InvalidQuote(FieldErrors),
    /// No quote has this number.
    NotFound(QuoteId),
    /// There is no quote at all.
    NoQuotes,
    /// The store did not do as asked.
    Store(StoreError),
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
        const NOT_FOUND: (Status, &str) = (Status::NOT_FOUND, "quote_not_found");
        let (status, code, message, fields) = match self {
            Error::Rejected(rejection) => return rejection.into_response(),
            Error::Store(StoreError::Failed(error)) => return Problem::internal(error).into_response(),
            Error::InvalidQuery(fields) => (Status::BAD_REQUEST, "invalid_query", fields.to_string(), fields),
            Error::InvalidQuote(fields) => (Status::UNPROCESSABLE_CONTENT, "invalid_quote", fields.to_string(), fields),
            Error::NotFound(id) => {
                (NOT_FOUND.0, NOT_FOUND.1, format!("no quote has number {id}"), FieldErrors::default())
            }
            Error::NoQuotes => (NOT_FOUND.0, NOT_FOUND.1, "there is no quote".to_owned(), FieldErrors::default()),
            Error::Store(full @ StoreError::Full { .. }) => {
                (Status::INSUFFICIENT_STORAGE, "store_full", full.to_string(), FieldErrors::default())
            }
        };
        let failure = Failure::new(status, code, message);
        fields.0.into_iter().fold(failure, |failure, (name, wrong)| failure.with_field(name, wrong)).into_response()
    }
}
