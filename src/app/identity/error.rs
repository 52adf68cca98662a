//! Owns why the issuer does not do as asked, and how that is answered.
//!
//! The one idea: one enum, one `match`. The shape is that of OAuth, because its clients know no other; details of a failure
//! inside go to the log.
//!
//! | what | status | `error` |
//! |---|---|---|
//! | content that is no form, or a parameter that is wrong | 400 | `invalid_request` |
//! | content that does not come; what is too long has the answer of the route's limit | that of the rejection | `invalid_request` |
//! | a client that is unknown, or does not show that it is the one | 401 | `invalid_client` |
//! | a password, a refresh token that is not right | 400 | `invalid_grant` |
//! | a grant, scope or audience that is not to be had | 400 | `unauthorized_client`, `unsupported_grant_type`, `invalid_scope`, `invalid_target` |
//! | a token that cannot be revoked | 400 | `unsupported_token_type` |
//! | too many attempts, at a password or at the secret of a client | 429 | `slow_down` |
//! | too many passwords at once, a store that is away or full | 503 | `temporarily_unavailable` |
//! | a rotation that cannot be done now, or at all | 429, 409 | `too_soon`, `too_many_keys`, `no_next_key`, `key_changed` |
//! | a token of no account, where one is asked for | 403 | `insufficient_scope` |
//! | a store that holds what it should not | 500 | as any failure inside |
//!
//! Spec: RFC 6749 5.2 (400 and 401, `WWW-Authenticate`, `no-store`); RFC 8628 3.5 (`slow_down`), RFC 6749 4.1.2.1
//! (`temporarily_unavailable`): 5.2 has no words for either.

use std::time::Duration;

use serde_json::json;

use crate::app::accounts::{AuthenticateError, Obstacle, throttle};
use crate::app::identity::domain::keys::Kept;
use crate::app::identity::domain::refused::{Code, Refused};
use crate::app::identity::store::{ChangeError, StoreError};
use crate::http::field::name;
use crate::http::{IntoResponse, Problem, Rejection, Response, Status};

/// How a client of this issuer may show who it is (RFC 7617 2).
const WHO: &str = "Basic realm=\"firstbyte identity\", charset=\"UTF-8\"";

/// What a bearer's token lacks (RFC 6750 3.1).
const LACKS: &str = "Bearer realm=\"firstbyte identity\", error=\"insufficient_scope\"";

/// What is said of a name or password that is not right, whichever it is.
const NOT_RIGHT: Refused = Code::InvalidGrant.because("name and password are not right together");

/// When there may be room for another family: some end each minute.
const ROOM_AFTER: Duration = Duration::from_secs(60);

/// Why there is no token.
#[derive(Debug)]
#[non_exhaustive]
pub enum Error {
    /// The content could not be read.
    Rejected(Rejection),
    /// The issuer says no.
    Refused(Refused),
    /// Nothing was looked at, whatever was asked.
    Obstacle(Obstacle),
    /// The keys stay as they are.
    Kept(Kept),
    /// The token is of a client that acts for itself.
    NoAccount,
}

impl Error {
    /// The status that it is answered with.
    pub fn status(&self) -> Status {
        match self {
            // RFC 6749 5.2: whatever is wrong with the request is 400; but too much content is not read to find out.
            Error::Rejected(rejection) => match rejection.problem().fault().status() {
                Status::UNSUPPORTED_MEDIA_TYPE | Status::UNPROCESSABLE_CONTENT => Status::BAD_REQUEST,
                status => status,
            },
            Error::Refused(Refused { code: Code::InvalidClient, .. }) => Status::UNAUTHORIZED,
            Error::Refused(_) => Status::BAD_REQUEST,
            Error::Kept(Kept::TooMany { .. } | Kept::TooSoon { .. }) => Status::TOO_MANY_REQUESTS,
            Error::Obstacle(Obstacle::Throttled { .. }) => Status::TOO_MANY_REQUESTS,
            Error::Obstacle(Obstacle::Failed(_)) => Status::INTERNAL_SERVER_ERROR,
            Error::Obstacle(_) => Status::SERVICE_UNAVAILABLE,
            Error::Kept(Kept::NoNext(_) | Kept::Another) => Status::CONFLICT,
            Error::NoAccount => Status::FORBIDDEN,
        }
    }

    /// Code and words.
    fn words(&self) -> (&'static str, &'static str) {
        match self {
            Error::Rejected(_) => ("invalid_request", "the content is no form: application/x-www-form-urlencoded"),
            Error::Refused(refused) => (refused.code.text(), refused.description),
            Error::Obstacle(Obstacle::Throttled { .. }) => {
                ("slow_down", "there were too many attempts: wait as Retry-After says")
            }
            Error::Obstacle(Obstacle::Busy { .. }) => {
                ("temporarily_unavailable", "there is no room now: wait as Retry-After says")
            }
            Error::Obstacle(Obstacle::Unavailable(_)) => {
                ("temporarily_unavailable", "a store is away: wait as Retry-After says")
            }
            Error::Kept(Kept::TooSoon { .. }) => {
                ("too_soon", "the next key is not known to every service yet: wait as Retry-After says")
            }
            Error::Kept(Kept::TooMany { .. }) => {
                ("too_many_keys", "too many keys are retired: wait as Retry-After says")
            }
            Error::Kept(Kept::NoNext(_)) => {
                ("no_next_key", "there is no other key, or none of that kind can be made here")
            }
            Error::Kept(Kept::Another) => ("key_changed", "another rotation was faster: look at the keys"),
            Error::NoAccount => ("insufficient_scope", "this token is of a client that acts for itself"),
            Error::Obstacle(Obstacle::Failed(_)) => ("server_error", "a failure inside"),
        }
    }

    fn retry_after(&self) -> Option<Duration> {
        match self {
            Error::Obstacle(obstacle) => obstacle.retry_after(),
            Error::Kept(Kept::TooMany { retry_after } | Kept::TooSoon { retry_after }) => {
                Some(Duration::from_secs(*retry_after))
            }
            _ => None,
        }
    }
}

#[diagnostic::do_not_recommend]
impl IntoResponse for Error {
    fn into_response(self) -> Response {
        let (error, description) = self.words();
        let response = match &self {
            Error::Obstacle(Obstacle::Failed(details)) => Problem::internal(details).into_response(),
            _ => Response::json(&json!({"error": error, "error_description": description})).with_status(self.status()),
        };
        if let Error::Obstacle(Obstacle::Unavailable(details)) = &self {
            // That it is away was said once, where it is known; this is for each request.
            tracing::debug!(%details, "answered 503");
        }
        let response = response.with(name::CACHE_CONTROL, "no-store");
        let response = match self.retry_after() {
            Some(after) => response.with_retry_after(after),
            None => response,
        };
        match self.status() {
            Status::UNAUTHORIZED => response.with(name::WWW_AUTHENTICATE, WHO),
            Status::FORBIDDEN => response.with(name::WWW_AUTHENTICATE, LACKS),
            _ => response,
        }
    }
}

impl From<Rejection> for Error {
    fn from(rejection: Rejection) -> Error {
        Error::Rejected(rejection)
    }
}

impl From<Refused> for Error {
    fn from(refused: Refused) -> Error {
        Error::Refused(refused)
    }
}

impl From<StoreError> for Error {
    fn from(error: StoreError) -> Error {
        match error {
            StoreError::Full => Error::Obstacle(Obstacle::Busy { retry_after: ROOM_AFTER }),
            StoreError::Unavailable(details) => Error::Obstacle(Obstacle::Unavailable(details)),
            StoreError::Failed(details) => Error::Obstacle(Obstacle::Failed(details)),
        }
    }
}

impl From<ChangeError> for Error {
    fn from(error: ChangeError) -> Error {
        match error {
            ChangeError::Kept(kept) => Error::Kept(kept),
            ChangeError::Store(error) => error.into(),
        }
    }
}

impl From<throttle::Refused> for Error {
    fn from(refused: throttle::Refused) -> Error {
        Error::Obstacle(refused.into())
    }
}

impl From<Obstacle> for Error {
    fn from(obstacle: Obstacle) -> Error {
        Error::Obstacle(obstacle)
    }
}

impl From<AuthenticateError> for Error {
    fn from(error: AuthenticateError) -> Error {
        match error {
            AuthenticateError::Refused => NOT_RIGHT.into(),
            AuthenticateError::Obstacle(obstacle) => obstacle.into(),
        }
    }
}
