//! Owns the routes for programs: JSON or a form in, the envelope out.
//!
//! ```text
//!   POST register, login        {"name", "password"}      ──> 201, 200 with the account, the cookie and a `csrf`
//!   POST password               {"current", "new"}        ──> 200 with the same, anew
//!   POST logout, logout-everywhere                        ──> 204
//!   GET  me                                               ──> 200, 401
//!   GET  sessions · DELETE sessions/{id}                  ──> 200 · 204, 404
//! ```
//!
//! Never: changes anything for a session without `X-CSRF-Token`, or `csrf` in the content; but a login and a registration
//! replace the one that is held, by the origin alone.

use serde::Serialize;

use crate::app::accounts::{AccountId, AccountName, Role};
use crate::app::session::domain::{Session, Timestamp};
use crate::app::session::error::{Done, Error};
use crate::app::session::visit::{Caller, Opened, Visit, forgotten};
use crate::app::session::{API, Sessions};
use crate::http::envelope::Success;
use crate::http::field::name;
use crate::http::router::Routes;
use crate::http::{IntoResponse, Request, Response, Router, Status};

/// Who somebody is.
#[derive(Serialize)]
struct Me<'a> {
    id: AccountId,
    name: &'a AccountName,
    roles: &'a [Role],
    /// To be shown with whatever changes something.
    csrf: String,
}

/// A session in a list. Times are seconds since 1970.
#[derive(Serialize)]
struct Listed {
    id: String,
    device: String,
    created: u64,
    last_used: u64,
    /// Whether it is the one that asks.
    current: bool,
}

pub(super) fn routes(sessions: Sessions) -> Routes {
    let routes = Router::new(sessions).group(API, |router| {
        router
            .route("POST /register", register)
            .route("POST /login", log_in)
            .route("POST /logout", log_out)
            .route("POST /logout-everywhere", log_out_everywhere)
            .route("POST /password", change_password)
            .route("GET /me", me)
            .route("GET /sessions", list)
            .route("DELETE /sessions/{id}", end)
    });
    routes.build().expect("eight patterns that do not meet")
}

async fn register(sessions: Sessions, mut request: Request) -> Response {
    let caller = Caller::of(&request);
    let opened = sessions.register(&caller, &mut request).await;
    let response = begun(&caller, opened);
    if response.status() != Status::OK {
        return response;
    }
    response.with_status(Status::CREATED).with(name::LOCATION, format!("{API}/me"))
}

async fn log_in(sessions: Sessions, mut request: Request) -> Response {
    let caller = Caller::of(&request);
    let opened = sessions.log_in(&caller, &mut request).await;
    begun(&caller, opened)
}

async fn change_password(sessions: Sessions, mut request: Request) -> Response {
    let caller = Caller::of(&request);
    let opened = sessions.change_password(&caller, &mut request).await;
    begun(&caller, opened)
}

async fn log_out(sessions: Sessions, mut request: Request) -> Response {
    let caller = Caller::of(&request);
    let ended = sessions.log_out(&caller, &mut request).await;
    over(&caller, ended)
}

async fn log_out_everywhere(sessions: Sessions, mut request: Request) -> Response {
    let caller = Caller::of(&request);
    let ended = sessions.log_out_everywhere(&caller, &mut request).await;
    over(&caller, ended)
}

async fn me(sessions: Sessions, request: Request) -> Response {
    let caller = Caller::of(&request);
    match sessions.visit(&caller).await {
        Ok(visit) => Success::new(Me::of(&visit)).into_response(),
        Err(error) => refused(&caller, error),
    }
}

async fn list(sessions: Sessions, request: Request) -> Response {
    let caller = Caller::of(&request);
    let listed = async {
        let visit = sessions.visit(&caller).await?;
        let list = sessions.list(&visit).await?;
        Ok(list.iter().map(|session| Listed::of(session, &visit)).collect::<Vec<_>>())
    };
    match listed.await {
        Ok(listed) => Success::new(listed).into_response(),
        Err(error) => refused(&caller, error),
    }
}

async fn end(sessions: Sessions, mut request: Request) -> Response {
    let caller = Caller::of(&request);
    match sessions.end(&caller, &mut request).await {
        Ok(()) => Response::new(Status::NO_CONTENT),
        Err(error) => refused(&caller, error),
    }
}

fn begun(caller: &Caller, opened: Result<Opened, Error>) -> Response {
    match opened {
        Ok(opened) => opened.told_by(Success::new(Me::of(&opened.visit)).into_response()),
        Err(error) => refused(caller, error),
    }
}

fn over(caller: &Caller, ended: Result<(), Error>) -> Response {
    match ended {
        Ok(()) => forgotten(Response::new(Status::NO_CONTENT)),
        Err(error) => refused(caller, error),
    }
}

/// A cookie that never was a token is taken back; one of before the password was changed, too.
fn refused(caller: &Caller, error: Error) -> Response {
    let opens_nothing = match &error {
        Error::NotLoggedIn | Error::Cookie(_) => caller.holds_no_token(),
        Error::After(Done::PasswordChanged, _) => true,
        _ => false,
    };
    let response = error.into_response();
    if opens_nothing { forgotten(response) } else { response }
}

impl Me<'_> {
    fn of(visit: &Visit) -> Me<'_> {
        let account = &visit.account;
        Me { id: account.id, name: &account.name, roles: &account.roles, csrf: visit.csrf_token() }
    }
}

impl Listed {
    fn of(session: &Session, visit: &Visit) -> Listed {
        let seconds = |Timestamp(millis): Timestamp| millis / 1000;
        Listed {
            id: session.id().to_string(),
            device: session.device.text().to_owned(),
            created: seconds(session.created),
            last_used: seconds(session.used),
            current: session.hash == visit.session.hash,
        }
    }
}
