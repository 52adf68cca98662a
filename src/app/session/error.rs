//! Owns why a question about sessions is not answered as hoped, and how that is said: in the envelope to a program, on the
//! page to a person.
//!
//! The one idea: one enum, one `match`. Details of a failure inside go to the log; a client gets a code.
//!
//! | what | status | code |
//! |---|---|---|
//! | input that cannot be read at all | that of the rejection | that of the catalogue |
//! | two session cookies, or one that was never set | 400 | `invalid_cookie` |
//! | no session, or one that is over | 401 | `not_logged_in` |
//! | unknown name, wrong password, impossible password | 401 | `wrong_credentials` |
//! | the present password is another one | 403 | `wrong_password` |
//! | no token against forgery, or one of another session | 403 | `wrong_csrf_token` |
//! | no such session of one's own | 404 | `session_not_found` |
//! | the name is taken | 409 | `name_taken` |
//! | no name or no password | 422 | `invalid_account` |
//! | too many attempts | 429 | `too_many_attempts` |
//! | too many passwords wait to be hashed | 503 | `too_busy` |
//! | a store does not answer | 503 | `unavailable` |
//! | what was asked is done, and then the sessions do not answer | 503 | `done_without_session` |
//! | no room for another account | 507 | `store_full` |
//! | a store failed | 500 | `failed` |

use crate::app::accounts::error::Details;
use crate::app::accounts::store::StoreError as AccountStoreError;
use crate::app::accounts::{AuthenticateError, ChangePasswordError, Obstacle, RegisterError};
use crate::app::session::store::StoreError;
use crate::db::RETRY_AFTER;
use crate::http::cookie::CookieError;
use crate::http::envelope::Failure;
use crate::http::{IntoResponse, Rejection, Response, Status};

/// Says how to be let in (RFC 9110 11.6.1). The scheme has no specification that is finished; browsers do not act on it.
const CHALLENGE: (&str, &str) = ("WWW-Authenticate", "Cookie realm=\"firstbyte\"");

/// Why a question is not answered as hoped.
#[derive(Debug)]
#[non_exhaustive]
pub enum Error {
    /// The input could not be read.
    Rejected(Rejection),
    /// It cannot be seen which session is meant.
    Cookie(CookieError),
    /// There is no session.
    NotLoggedIn,
    /// Name and password are not right together.
    WrongCredentials,
    /// The present password is not right.
    WrongPassword,
    /// The token against forgery is not this session's.
    WrongCsrfToken,
    /// The account has no such session.
    NoSuchSession,
    /// What is wrong with a field.
    Invalid(&'static str, String),
    /// Another account has the name.
    NameTaken,
    /// There is no room for another account.
    Full,
    /// Nothing was looked at, whatever was asked.
    Obstacle(Obstacle),
    /// This was done, and then the store of sessions did not answer: nobody is to try it again.
    After(Done, Details),
}

/// What was done before a session could be opened.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Done {
    /// The account has another password.
    PasswordChanged,
    /// There is an account.
    Registered,
}

impl Error {
    /// As it is told when `done` came before it.
    pub fn after(self, done: Done) -> Error {
        match self {
            Error::Obstacle(Obstacle::Unavailable(details)) => Error::After(done, details),
            other => other,
        }
    }

    /// Its status, and its code for a program.
    pub fn status(&self) -> (Status, &'static str) {
        match self {
            Error::Rejected(rejection) => (rejection.problem().fault().status(), rejection.problem().fault().code()),
            Error::Cookie(_) => (Status::BAD_REQUEST, "invalid_cookie"),
            Error::NotLoggedIn => (Status::UNAUTHORIZED, "not_logged_in"),
            Error::WrongCredentials => (Status::UNAUTHORIZED, "wrong_credentials"),
            Error::WrongPassword => (Status::FORBIDDEN, "wrong_password"),
            Error::WrongCsrfToken => (Status::FORBIDDEN, "wrong_csrf_token"),
            Error::NoSuchSession => (Status::NOT_FOUND, "session_not_found"),
            Error::NameTaken => (Status::CONFLICT, "name_taken"),
            Error::Invalid(..) => (Status::UNPROCESSABLE_CONTENT, "invalid_account"),
            Error::Obstacle(Obstacle::Throttled { .. }) => (Status::TOO_MANY_REQUESTS, "too_many_attempts"),
            Error::Obstacle(Obstacle::Busy { .. }) => (Status::SERVICE_UNAVAILABLE, "too_busy"),
            Error::Obstacle(Obstacle::Unavailable(_)) => (Status::SERVICE_UNAVAILABLE, "unavailable"),
            Error::After(..) => (Status::SERVICE_UNAVAILABLE, "done_without_session"),
            Error::Full => (Status::INSUFFICIENT_STORAGE, "store_full"),
            Error::Obstacle(Obstacle::Failed(_)) => (Status::INTERNAL_SERVER_ERROR, "failed"),
        }
    }

    /// What a person is told.
    pub fn message(&self) -> String {
        match self {
            Error::Rejected(rejection) => rejection.to_string(),
            Error::Cookie(error) => format!("{error}; delete the cookies of this site, and log in again"),
            Error::NotLoggedIn => "there is no session: log in".to_owned(),
            Error::WrongCredentials => "name and password do not belong together".to_owned(),
            Error::WrongPassword => "the present password is another one".to_owned(),
            Error::WrongCsrfToken => {
                "the token against forgery is missing, or of another session: load the page again".to_owned()
            }
            Error::NoSuchSession => "none of your sessions is called so: it may be over".to_owned(),
            Error::NameTaken => "another account has this name".to_owned(),
            Error::Invalid("new", wrong) => format!("the new password {wrong}"),
            Error::Invalid(field, wrong) => format!("the {field} {wrong}"),
            Error::Obstacle(Obstacle::Throttled { retry_after }) => {
                format!("too many attempts: the next one in {} s", retry_after.as_millis().div_ceil(1_000))
            }
            Error::Obstacle(Obstacle::Busy { .. }) => "too many are logging in: try again in a moment".to_owned(),
            Error::Obstacle(Obstacle::Unavailable(_)) => "the sessions are away for a moment: try again".to_owned(),
            Error::After(Done::PasswordChanged, _) => {
                "the password was changed; the sessions are away for a moment: log in with the new one".to_owned()
            }
            Error::After(Done::Registered, _) => {
                "the account was made; the sessions are away for a moment: log in".to_owned()
            }
            Error::Full => "there is no room for another account".to_owned(),
            Error::Obstacle(Obstacle::Failed(_)) => "the fault is ours, and was logged".to_owned(),
        }
    }

    /// Writes what nobody but the log is told.
    pub fn log(&self) {
        match self {
            Error::After(_, details) => tracing::warn!(%details, "no session behind what was done: a store is away"),
            Error::Obstacle(Obstacle::Failed(details)) => tracing::error!(%details, "a store failed"),
            // That it is away was said once, where it is known; this is for each request.
            Error::Obstacle(Obstacle::Unavailable(details)) => tracing::debug!(%details, "answered 503"),
            _ => {}
        }
    }

    /// Adds the fields that tell a client what to do next.
    pub fn told_by(&self, response: Response) -> Response {
        match self {
            Error::Obstacle(obstacle) => match obstacle.retry_after() {
                Some(wait) => response.with_retry_after(wait),
                None => response,
            },
            Error::After(..) => response.with_retry_after(RETRY_AFTER),
            Error::NotLoggedIn | Error::WrongCredentials => response.with(CHALLENGE.0, CHALLENGE.1),
            _ => response,
        }
    }
}

impl From<Rejection> for Error {
    fn from(rejection: Rejection) -> Error {
        Error::Rejected(rejection)
    }
}

impl From<CookieError> for Error {
    fn from(error: CookieError) -> Error {
        Error::Cookie(error)
    }
}

impl From<StoreError> for Error {
    fn from(error: StoreError) -> Error {
        match error {
            StoreError::Unavailable(details) => Error::Obstacle(Obstacle::Unavailable(details)),
            StoreError::Failed(details) => Error::Obstacle(Obstacle::Failed(details)),
        }
    }
}

impl From<AccountStoreError> for Error {
    fn from(error: AccountStoreError) -> Error {
        Obstacle::from(error).into()
    }
}

impl From<Obstacle> for Error {
    fn from(obstacle: Obstacle) -> Error {
        Error::Obstacle(obstacle)
    }
}

impl From<RegisterError> for Error {
    fn from(error: RegisterError) -> Error {
        match error {
            RegisterError::Name(error) => Error::Invalid("name", error.to_string()),
            RegisterError::Password(error) => Error::Invalid("password", error.to_string()),
            RegisterError::Taken => Error::NameTaken,
            RegisterError::Full => Error::Full,
            RegisterError::Obstacle(obstacle) => obstacle.into(),
        }
    }
}

impl From<AuthenticateError> for Error {
    fn from(error: AuthenticateError) -> Error {
        match error {
            AuthenticateError::Refused => Error::WrongCredentials,
            AuthenticateError::Obstacle(obstacle) => obstacle.into(),
        }
    }
}

impl From<ChangePasswordError> for Error {
    fn from(error: ChangePasswordError) -> Error {
        match error {
            ChangePasswordError::Password(error) => Error::Invalid("new", error.to_string()),
            ChangePasswordError::Refused => Error::WrongPassword,
            ChangePasswordError::Obstacle(obstacle) => obstacle.into(),
        }
    }
}

/// For a program.
#[diagnostic::do_not_recommend]
impl IntoResponse for Error {
    fn into_response(self) -> Response {
        self.log();
        let (status, code) = self.status();
        let failure = Failure::new(status, code, self.message());
        let failure = match &self {
            Error::Invalid(field, wrong) => failure.with_field(*field, wrong.as_str()),
            _ => failure,
        };
        let response = self.told_by(failure.into_response());
        // What could not be read says it by itself, and the envelope around it puts that into the same shape.
        if let Error::Rejected(rejection) = self { rejection.into_response() } else { response }
    }
}
