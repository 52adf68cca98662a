//! Owns why a question about jobs is not answered as hoped, and how that is said: as problem details to a program, on the page to a
//! person.
//!
//! The one idea: one enum, one `match`. Details of a failure inside go to the log; a client gets a code.
//!
//! | what | status | code |
//! |---|---|---|
//! | input that cannot be read at all | that of the rejection | that of the catalogue |
//! | an `Idempotency-Key` that is none | 400 | `invalid_key` |
//! | no such job, no such schedule | 404 | `job_not_found`, `schedule_not_found` |
//! | a job that is past that | 409 | `wrong_state` |
//! | a schedule of this name | 409 | `schedule_taken` |
//! | wrong fields, each with a pointer to it | 422 | `invalid` |
//! | a key that has stood for another job | 422 | `key_reused` |
//! | no room for another schedule | 507 | `schedules_full` |
//! | a queue in memory that is full; a database that is away | 503 | `queue_full`, `unavailable` |
//! | a fault of ours | 500 | `failed` |
//!
//! Spec: RFC 9457 (`application/problem+json`), RFC 6901 (pointers).

use std::borrow::Cow;

use serde::Serialize;

use crate::app::queue::QueueError;
use crate::app::queue::domain::{JobId, State};
use crate::app::queue::schedule::ScheduleError;
use crate::db::RETRY_AFTER;
use crate::http::explain::{Place, Style};
use crate::http::handler::Link;
use crate::http::{Handler, IntoResponse, Middleware, Rejection, Request, Response, Status};

/// Why a question is not answered as hoped.
#[derive(Debug)]
#[non_exhaustive]
pub enum Error {
    /// The input could not be read.
    Rejected(Rejection),
    /// What is wrong with the field `Idempotency-Key`.
    Key(Cow<'static, str>),
    /// What is wrong with the content: all of it.
    Invalid(Vec<Wrong>),
    /// There is no such job.
    NoSuchJob,
    /// There is no such schedule.
    NoSuchSchedule,
    /// The job is in a state from which that does not lead.
    WrongState(State),
    /// Another schedule has this name.
    ScheduleTaken,
    /// The key is that of another request, whose job this is.
    KeyReused(JobId),
    /// There are as many schedules as there may be.
    SchedulesFull,
    /// The queue in memory is full.
    QueueFull,
    /// The database is away. It may have been done.
    Unavailable(QueueError),
    /// Something is there, or was said, that should not.
    Failed(QueueError),
}

/// What is wrong with one part of the content.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Wrong {
    /// Where it is (RFC 6901).
    pub pointer: String,
    /// For a program.
    pub code: &'static str,
    /// For a person.
    pub detail: String,
}

/// As it is sent (RFC 9457 3).
#[derive(Serialize)]
struct Details<'a> {
    r#type: &'static str,
    title: &'static str,
    status: u16,
    code: &'static str,
    detail: String,
    #[serde(skip_serializing_if = "<[_]>::is_empty")]
    errors: &'a [Wrong],
}

impl Error {
    /// Its status, and its code for a program.
    pub fn status(&self) -> (Status, &'static str) {
        match self {
            Error::Rejected(rejection) => (rejection.problem().fault().status(), rejection.problem().fault().code()),
            Error::Key(_) => (Status::BAD_REQUEST, "invalid_key"),
            Error::NoSuchJob => (Status::NOT_FOUND, "job_not_found"),
            Error::NoSuchSchedule => (Status::NOT_FOUND, "schedule_not_found"),
            Error::WrongState(_) => (Status::CONFLICT, "wrong_state"),
            Error::ScheduleTaken => (Status::CONFLICT, "schedule_taken"),
            Error::Invalid(_) => (Status::UNPROCESSABLE_CONTENT, "invalid"),
            Error::KeyReused(_) => (Status::UNPROCESSABLE_CONTENT, "key_reused"),
            Error::SchedulesFull => (Status::INSUFFICIENT_STORAGE, "schedules_full"),
            Error::QueueFull => (Status::SERVICE_UNAVAILABLE, "queue_full"),
            Error::Unavailable(_) => (Status::SERVICE_UNAVAILABLE, "unavailable"),
            Error::Failed(_) => (Status::INTERNAL_SERVER_ERROR, "failed"),
        }
    }

    /// What a person is told.
    pub fn message(&self) -> String {
        match self {
            Error::Rejected(rejection) => rejection.to_string(),
            Error::Key(wrong) => format!("the Idempotency-Key {wrong}"),
            Error::NoSuchJob => "there is no such job: it may have been forgotten".to_owned(),
            Error::NoSuchSchedule => "there is no such schedule".to_owned(),
            Error::WrongState(state) => format!("the job is {state}: that cannot be done with it any more"),
            Error::ScheduleTaken => "there is a schedule of this name: delete it first".to_owned(),
            Error::Invalid(wrongs) => {
                let words: Vec<_> = wrongs.iter().map(|wrong| format!("{} {}", wrong.field(), wrong.detail)).collect();
                words.join("; ")
            }
            Error::KeyReused(job) => format!("the key has stood for another request, job {job}: take a new one"),
            Error::SchedulesFull => "there is no room for another schedule".to_owned(),
            Error::QueueFull => "the queue in memory is full of jobs that are not done: ask again later".to_owned(),
            Error::Unavailable(_) => "the database is away: ask again in a moment".to_owned(),
            Error::Failed(_) => "the fault is ours, and was logged".to_owned(),
        }
    }

    /// Writes what nobody but the log is told.
    pub fn log(&self) {
        match self {
            Error::Failed(error) => tracing::error!(%error, "the queue failed"),
            // That it is away was said once, where it is known; this is for each request.
            Error::Unavailable(error) => tracing::debug!(%error, "answered 503"),
            _ => {}
        }
    }

    /// Adds the field that tells a client when to come again.
    pub fn told_by(&self, response: Response) -> Response {
        match self {
            Error::Unavailable(_) | Error::QueueFull => response.with_retry_after(RETRY_AFTER),
            _ => response,
        }
    }

    fn wrongs(&self) -> &[Wrong] {
        if let Error::Invalid(wrongs) = self { wrongs } else { &[] }
    }
}

impl Wrong {
    /// What is wrong with the member `name`.
    pub fn of(name: &str, code: &'static str, detail: impl Into<String>) -> Wrong {
        let pointer = format!("/{}", name.replace('~', "~0").replace('/', "~1"));
        Wrong { pointer, code, detail: detail.into() }
    }

    fn field(&self) -> &str {
        self.pointer.strip_prefix('/').unwrap_or("the content")
    }
}

impl From<Rejection> for Error {
    fn from(rejection: Rejection) -> Error {
        Error::Rejected(rejection)
    }
}

impl From<QueueError> for Error {
    fn from(error: QueueError) -> Error {
        match error {
            QueueError::TooLarge { .. } => Error::Invalid(vec![Wrong::of("payload", "too_large", error.to_string())]),
            QueueError::Conflict { job } => Error::KeyReused(job),
            QueueError::Unknown => Error::NoSuchJob,
            QueueError::WrongState(state) => Error::WrongState(state),
            QueueError::Full => Error::QueueFull,
            error if error.is_unavailable() => Error::Unavailable(error),
            error => Error::Failed(error),
        }
    }
}

impl From<ScheduleError> for Error {
    fn from(error: ScheduleError) -> Error {
        match error {
            ScheduleError::Taken => Error::ScheduleTaken,
            ScheduleError::Unknown => Error::NoSuchSchedule,
            ScheduleError::Full => Error::SchedulesFull,
            ScheduleError::TooLarge { bytes } => QueueError::TooLarge { bytes }.into(),
            ScheduleError::Queue(error) => error.into(),
        }
    }
}

/// For a program.
#[diagnostic::do_not_recommend]
impl IntoResponse for Error {
    fn into_response(self) -> Response {
        self.log();
        // What could not be read says it by itself.
        let error = match self {
            Error::Rejected(rejection) => return rejection.into_response(),
            error => error,
        };
        let (status, code) = error.status();
        let details = Details {
            // RFC 9457 4.2.1: no more than its status says, and the code.
            r#type: "about:blank",
            title: status.phrase(),
            status: status.code(),
            code,
            detail: error.message(),
            errors: error.wrongs(),
        };
        let json = serde_json::to_string(&details).unwrap_or_default();
        let response = Response::new(status).with_content("application/problem+json", json);
        error.told_by(response)
    }
}

/// Words what the layers inside refuse as problem details, whatever the client accepts: a program reads one shape.
#[derive(Clone, Copy, Debug, Default)]
pub struct Problems;

impl Middleware for Problems {
    async fn handle<N: Handler>(&self, request: Request, next: &N) -> Response {
        let response = next.handle(request).await;
        let Some(problem) = response.problem() else { return response };
        let (content_type, words) = problem.render(Style::Json, Place::default());
        response.with_content(content_type, words)
    }

    fn link(&self) -> Link {
        Link { name: "problems", place: None }
    }
}
