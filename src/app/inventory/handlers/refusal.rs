//! Owns how a refusal is worded: problem details, whoever refuses.
//!
//! | what | status | `code` |
//! |---|---|---|
//! | what the server itself refuses: no such route, method, type, JSON; too long, too slow | its own | `HTTP-…`, as in `/errors` |
//! | no Idempotency-Key where one is needed, or one that is none | 400 | `idempotency_key_missing`, `idempotency_key_malformed` |
//! | no such product, order; an id that is no UUID | 404 | `product_not_found`, `order_not_found` |
//! | an SKU that another product has | 409 | `conflict`, with `errors` |
//! | lines that cannot be had | 409 | `out_of_stock`, with `errors` |
//! | an order that is past that | 409 | `not_cancellable` |
//! | a request with the key is at work | 409, Retry-After | `idempotency_key_at_work` |
//! | it was changed since | 412 | `stale` |
//! | content that is no merge patch | 415 | `no_merge_patch` |
//! | content or query that is wrong | 422 | `invalid`, with `errors` |
//! | a key that has stood for something else | 422 | `idempotency_key_reused` |
//! | no If-Match on a change | 428 | `if_match_missing` |
//! | the database is away, took too long; others are in the way | 503, Retry-After | `unavailable`, `timed_out`, `contended` |
//! | memory is full | 507 | `full` |
//!
//! The one idea: one shape. [`Problems`] puts into it what the layers inside refuse by themselves, so that a client parses one
//! thing when the status is no success.
//!
//! Spec: RFC 9457 3 (members), 4.2.1 (`about:blank`: the title is that of the status).
//! Never: sends what went wrong inside.

use serde::Serialize;

use crate::app::inventory::domain::{At, Invalid};
use crate::app::inventory::error::{Error, RETRY_AFTER};
use crate::app::inventory::handlers::content::MERGE_PATCH;
use crate::http::handler::Link;
use crate::http::{Fault, Handler, IntoResponse, Middleware, Problem, Rejection, Request, Response, Status};

const PROBLEM: &str = "application/problem+json";

/// Why there is no other answer.
#[derive(Debug)]
pub(super) enum Refused {
    /// The content could not be read.
    Rejected(Rejection),
    /// The service has not done it.
    Error(Error),
    IfMatchMissing,
    KeyMissing,
    KeyMalformed,
    NoMergePatch,
}

/// Puts the refusals of the layers inside into the shape of this application. Their other fields stay.
#[derive(Clone, Copy, Debug, Default)]
pub struct Problems;

#[derive(Serialize)]
struct Details<'a> {
    r#type: &'static str,
    title: &'static str,
    status: u16,
    code: &'a str,
    detail: &'a str,
    #[serde(skip_serializing_if = "Option::is_none")]
    errors: Option<&'a Invalid>,
}

impl Refused {
    fn status(&self) -> (Status, &'static str) {
        match self {
            Refused::Rejected(rejection) => (rejection.problem().fault().status(), rejection.problem().fault().code()),
            Refused::IfMatchMissing => (Status::PRECONDITION_REQUIRED, "if_match_missing"),
            Refused::KeyMissing => (Status::BAD_REQUEST, "idempotency_key_missing"),
            Refused::KeyMalformed => (Status::BAD_REQUEST, "idempotency_key_malformed"),
            Refused::NoMergePatch => (Status::UNSUPPORTED_MEDIA_TYPE, "no_merge_patch"),
            Refused::Error(error) => status_of(error),
        }
    }

    fn detail(&self) -> String {
        match self {
            Refused::Rejected(rejection) => rejection.to_string(),
            Refused::IfMatchMissing => {
                "a change says in If-Match which version it was made for: the ETag of a GET".to_owned()
            }
            Refused::KeyMissing => "an order has an Idempotency-Key, so that it can be sent again".to_owned(),
            Refused::KeyMalformed => "an Idempotency-Key is one line of 1 to 255 visible ASCII characters".to_owned(),
            Refused::NoMergePatch => format!("a patch is {MERGE_PATCH} (RFC 7396)"),
            Refused::Error(Error::Invalid(_)) => "each mistake is named with its place".to_owned(),
            Refused::Error(Error::OutOfStock(_)) => {
                "nothing was ordered: each line that cannot be had is named".to_owned()
            }
            Refused::Error(Error::Conflict(_)) => "it contradicts what is there: each place is named".to_owned(),
            Refused::Error(error) => error.to_string(),
        }
    }

    fn errors(&self) -> Option<&Invalid> {
        match self {
            Refused::Error(Error::Invalid(errors) | Error::Conflict(errors) | Error::OutOfStock(errors)) => {
                Some(errors)
            }
            _ => None,
        }
    }
}

/// The status of a refusal, and its code for a program.
pub(in crate::app::inventory) fn status_of(error: &Error) -> (Status, &'static str) {
    match error {
        Error::Invalid(_) => (Status::UNPROCESSABLE_CONTENT, "invalid"),
        Error::NotFound("order") => (Status::NOT_FOUND, "order_not_found"),
        Error::NotFound(_) => (Status::NOT_FOUND, "product_not_found"),
        Error::Stale => (Status::PRECONDITION_FAILED, "stale"),
        Error::Conflict(_) | Error::SkuTaken(_) => (Status::CONFLICT, "conflict"),
        Error::OutOfStock(_) => (Status::CONFLICT, "out_of_stock"),
        Error::NotCancellable(_) => (Status::CONFLICT, "not_cancellable"),
        Error::KeyReused => (Status::UNPROCESSABLE_CONTENT, "idempotency_key_reused"),
        Error::KeyAtWork => (Status::CONFLICT, "idempotency_key_at_work"),
        Error::Contended => (Status::SERVICE_UNAVAILABLE, "contended"),
        Error::Full(_) => (Status::INSUFFICIENT_STORAGE, "full"),
        Error::Unavailable(_) | Error::Unreached(_) => (Status::SERVICE_UNAVAILABLE, "unavailable"),
        Error::TimedOut(_) => (Status::SERVICE_UNAVAILABLE, "timed_out"),
        Error::Failed(_) => (Status::INTERNAL_SERVER_ERROR, Fault::HandlerFailed.code()),
    }
}

/// Writes what nobody but the log is told.
pub(in crate::app::inventory) fn log(error: &Error) {
    match error {
        Error::Failed(details) => tracing::error!(%details, "the repository failed"),
        // That it is away was said once, where it is known; this is for each request.
        Error::Unavailable(details) | Error::Unreached(details) | Error::TimedOut(details) => {
            tracing::debug!(%details, "answered 503");
        }
        _ => {}
    }
}

/// Adds the fields that tell a client what to do next.
pub(in crate::app::inventory) fn told_by(error: &Error, response: Response) -> Response {
    match error {
        Error::KeyAtWork | Error::Contended | Error::Unavailable(_) | Error::Unreached(_) | Error::TimedOut(_) => {
            response.with_retry_after(RETRY_AFTER)
        }
        _ => response,
    }
}

#[diagnostic::do_not_recommend]
impl IntoResponse for Refused {
    fn into_response(self) -> Response {
        // What the server refuses by itself, `Problems` words.
        let refused = match self {
            Refused::Rejected(rejection) => return rejection.into_response(),
            refused => refused,
        };
        if let Refused::Error(error) = &refused {
            log(error);
        }
        let (status, code) = refused.status();
        let response = worded(Response::new(status), code, &refused.detail(), refused.errors());
        match &refused {
            Refused::NoMergePatch => response.with("Accept-Patch", MERGE_PATCH),
            Refused::Error(error) => told_by(error, response),
            _ => response,
        }
    }
}

impl Middleware for Problems {
    async fn handle<N: Handler>(&self, request: Request, next: &N) -> Response {
        let response = next.handle(request).await;
        // The problem stays with the answer: it is logged, traced and counted as what it is.
        let Some(problem) = response.problem().cloned() else { return response };
        let fault = problem.fault();
        let detail = match problem.detail() {
            Some(detail) => format!("{}: {detail}", fault.title()),
            None => fault.title().to_owned(),
        };
        let errors = mistake(&problem);
        worded(response, fault.code(), &detail, errors.as_ref())
    }

    fn link(&self) -> Link {
        Link { name: "problems", place: None }
    }
}

/// `response` with the problem as its content.
fn worded(response: Response, code: &str, detail: &str, errors: Option<&Invalid>) -> Response {
    let status = response.status();
    let details =
        Details { r#type: "about:blank", title: status.phrase(), status: status.code(), code, detail, errors };
    // Strings and numbers can always be written.
    response.with_content(PROBLEM, serde_json::to_vec(&details).unwrap_or_default())
}

/// Where content is wrong that could be read: `lines[0].sku` is `/lines/0/sku`.
fn mistake(problem: &Problem) -> Option<Invalid> {
    let field = problem.field().filter(|_| problem.fault() == Fault::InvalidJsonField)?;
    let at = At::Pointer(format!("/{}", field.replace('[', "/").replace(']', "").replace('.', "/")));
    // The reader of content refuses nothing else: any value is JSON, and each name in it stands once.
    Some(Invalid::one(at, "duplicate", problem.detail().unwrap_or("is wrong")))
}

impl From<Error> for Refused {
    fn from(error: Error) -> Refused {
        Refused::Error(error)
    }
}

impl From<Invalid> for Refused {
    fn from(invalid: Invalid) -> Refused {
        Refused::Error(Error::Invalid(invalid))
    }
}

impl From<Rejection> for Refused {
    fn from(rejection: Rejection) -> Refused {
        Refused::Rejected(rejection)
    }
}
