//! Owns why a service does not do as it was asked, and how that is answered.
//!
//! The one idea: one enum, one `match`. Who asks is known before: 401 and 403 are not here but in the table of routes.
//!
//! | what | status | code |
//! |---|---|---|
//! | input that cannot be read at all | that of the rejection | that of the catalogue |
//! | input with wrong members | 422 | `invalid_item`, `invalid_invoice` |
//! | nothing has this number | 404 | `item_not_found` |
//! | as many are kept as may be | 507 | `store_full` |

use crate::http::envelope::Failure;
use crate::http::{IntoResponse, Problem, Rejection, Response, Status};

/// Why a request fails.
#[derive(Debug)]
#[non_exhaustive]
pub enum Error {
    /// The input could not be read.
    Rejected(Rejection),
    /// Members of the input are wrong: which, and why.
    Invalid {
        /// The code of the answer.
        code: &'static str,
        /// Each wrong member.
        members: Vec<(&'static str, String)>,
    },
    /// No item has this number.
    NotFound(u64),
    /// That many are kept already.
    Full(usize),
    /// A handler runs where nobody was asked who they are.
    NoPrincipal,
}

impl From<Rejection> for Error {
    fn from(rejection: Rejection) -> Error {
        Error::Rejected(rejection)
    }
}

#[diagnostic::do_not_recommend]
impl IntoResponse for Error {
    fn into_response(self) -> Response {
        match self {
            Error::Rejected(rejection) => rejection.into_response(),
            Error::NoPrincipal => Problem::internal("a handler of a service runs without a principal").into_response(),
            Error::Invalid { code, members } => {
                let failure = Failure::new(Status::UNPROCESSABLE_CONTENT, code, "members are wrong");
                members
                    .into_iter()
                    .fold(failure, |failure, (name, wrong)| failure.with_field(name, wrong))
                    .into_response()
            }
            Error::NotFound(id) => {
                Failure::new(Status::NOT_FOUND, "item_not_found", format!("no item has number {id}")).into_response()
            }
            Error::Full(max) => {
                Failure::new(Status::INSUFFICIENT_STORAGE, "store_full", format!("{max} are kept already"))
                    .into_response()
            }
        }
    }
}
