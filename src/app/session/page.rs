//! Owns the page: who is logged in, on which devices, and the forms that change it.
//!
//! ```text
//!   GET /session ──> page ──form──> POST /session/… ──done──> 303 ──> GET /session
//!                                        └ not done: the page with what is wrong, under the status of that
//! ```
//!
//! The one idea: forms as they were in 1999. A browser sends them without a script; 303 behind each makes a reload harmless;
//! a hidden field carries the token against forgery, which a page elsewhere cannot read.
//!
//! No field has a `maxlength`: a browser cuts what is pasted there without a word, and the password would be another one.
//!
//! Spec: RFC 9110 15.4.4 (303); HTML 4.10 (forms).
//! Never: puts a password back into a form; writes a text that was not escaped.

use std::time::Duration;

use crate::app::accounts::domain::PASSWORD_BYTES;
use crate::app::page::{self, Asset, Page, escaped};
use crate::app::session::domain::Session;
use crate::app::session::error::{Done, Error};
use crate::app::session::visit::{Caller, Opened, Visit, Visitor, forgotten};
use crate::app::session::{PREFIX, Sessions};
use crate::http::router::Routes;
use crate::http::{Request, Response, Router, Status};

static STYLE: Asset = Asset::new("/assets/session.css", "text/css; charset=utf-8", include_str!("session.css"));

const LEAD: &str = "Whoever has logged in is known again by a cookie. It means nothing to anybody else, and opens nothing any \
                    more from the moment of leaving.";

/// Adds the files that the page needs.
pub(super) fn assets<S: Clone + Send + Sync + 'static>(router: Router<S>) -> Router<S> {
    STYLE.route(router)
}

pub(super) fn routes(sessions: Sessions) -> Routes {
    let routes = Router::new(sessions).group(PREFIX, |router| {
        router
            .route("GET ", show)
            .route("POST /register", register)
            .route("POST /login", log_in)
            .route("POST /logout", log_out)
            .route("POST /logout-everywhere", log_out_everywhere)
            .route("POST /password", change_password)
            .route("POST /sessions/{id}/end", end)
    });
    routes.build().expect("seven patterns that do not meet")
}

async fn show(sessions: Sessions, request: Request) -> Response {
    sessions.shown(&Caller::of(&request), None).await
}

async fn register(sessions: Sessions, mut request: Request) -> Response {
    let caller = Caller::of(&request);
    let opened = sessions.register(&caller, &mut request).await;
    sessions.begun(&caller, opened).await
}

async fn log_in(sessions: Sessions, mut request: Request) -> Response {
    let caller = Caller::of(&request);
    let opened = sessions.log_in(&caller, &mut request).await;
    sessions.begun(&caller, opened).await
}

async fn change_password(sessions: Sessions, mut request: Request) -> Response {
    let caller = Caller::of(&request);
    let opened = sessions.change_password(&caller, &mut request).await;
    sessions.begun(&caller, opened).await
}

async fn log_out(sessions: Sessions, mut request: Request) -> Response {
    let caller = Caller::of(&request);
    let ended = sessions.log_out(&caller, &mut request).await;
    sessions.done(&caller, ended.map(|()| forgotten(back()))).await
}

async fn log_out_everywhere(sessions: Sessions, mut request: Request) -> Response {
    let caller = Caller::of(&request);
    let ended = sessions.log_out_everywhere(&caller, &mut request).await;
    sessions.done(&caller, ended.map(|()| forgotten(back()))).await
}

async fn end(sessions: Sessions, mut request: Request) -> Response {
    let caller = Caller::of(&request);
    let ended = sessions.end(&caller, &mut request).await;
    sessions.done(&caller, ended.map(|()| back())).await
}

/// RFC 9110 15.4.4: the form was done; what there is to see is over there.
fn back() -> Response {
    page::with_forms(Response::redirect(Status::SEE_OTHER, PREFIX))
}

impl Sessions {
    async fn begun(&self, caller: &Caller, opened: Result<Opened, Error>) -> Response {
        self.done(caller, opened.map(|opened| opened.told_by(back()))).await
    }

    async fn done(&self, caller: &Caller, done: Result<Response, Error>) -> Response {
        match done {
            Ok(response) => response,
            // The store of sessions is away, so who asks cannot be seen; what was done must be told all the same.
            Err(error @ Error::After(done, _)) => {
                let response = respond(&notice(Some(&error)), Some(&error));
                if done == Done::PasswordChanged { forgotten(response) } else { response }
            }
            Err(error) => self.shown(caller, Some(error)).await,
        }
    }

    /// The page as the caller sees it, with what went wrong.
    async fn shown(&self, caller: &Caller, error: Option<Error>) -> Response {
        let shown = match self.visitor(caller).await {
            Ok(Visitor::Known(visit)) => self.list(&visit).await.map(|list| {
                let main = notice(error.as_ref()) + &of_known(&visit, &list);
                respond(&main, error.as_ref())
            }),
            Ok(Visitor::Stranger) if caller.holds_no_token() => Ok(forgotten(of_nobody(error.as_ref()))),
            Ok(Visitor::Stranger | Visitor::Nobody) => Ok(of_nobody(error.as_ref())),
            Err(error) => Err(error),
        };
        // What keeps the page from being shown is worse than what it was to tell.
        shown.unwrap_or_else(|error| {
            let response = respond(&notice(Some(&error)), Some(&error));
            if matches!(error, Error::Cookie(_)) { forgotten(response) } else { response }
        })
    }
}

fn respond(main: &str, error: Option<&Error>) -> Response {
    let main = format!("<h1>Sessions</h1>\n<p class=\"lead\">{LEAD}</p>\n{main}");
    let html = Page { title: "Sessions", here: PREFIX, main: &main, styles: &[&STYLE], scripts: &[] }.html();
    let response = page::with_forms(Response::html(html));
    let Some(error) = error else { return response };
    error.log();
    error.told_by(response.with_status(error.status().0))
}

fn notice(error: Option<&Error>) -> String {
    let words = |error: &Error| {
        let message = error.message();
        let (first, rest) = message.split_at(message.chars().next().map_or(0, char::len_utf8));
        format!("<p class=\"notice\" role=\"alert\">{}{}.</p>\n", escaped(&first.to_uppercase()), escaped(rest))
    };
    error.map_or(String::new(), words)
}

fn of_nobody(error: Option<&Error>) -> Response {
    let (min, max) = (PASSWORD_BYTES.start(), PASSWORD_BYTES.end());
    let main = format!(
        "{}<div class=\"cards\">\n\
         <form class=\"card\" method=\"post\" action=\"{PREFIX}/login\">\n<h2>Log in</h2>\n{}{}\
         <button>Log in</button>\n</form>\n\
         <form class=\"card\" method=\"post\" action=\"{PREFIX}/register\">\n<h2>Register</h2>\n{}{}\
         <p class=\"hint\">From {min} to {max} bytes, whatever they are: an é has two.</p>\n\
         <button>Register</button>\n</form>\n</div>\n",
        notice(error),
        input("login-name", "name", "Name", "text", "username"),
        input("login-password", "password", "Password", "password", "current-password"),
        input("register-name", "name", "Name", "text", "username"),
        input("register-password", "password", "Password", "password", "new-password"),
    );
    respond(&main, error)
}

fn of_known(visit: &Visit, list: &[Session]) -> String {
    let csrf = format!("<input type=\"hidden\" name=\"csrf\" value=\"{}\">\n", escaped(&visit.csrf_token()));
    let roles: Vec<_> = visit.account.roles.iter().map(|role| role.text()).collect();
    let rows: String = list.iter().map(|session| row(session, visit, &csrf)).collect();
    format!(
        "<p class=\"who\">You are <b>{name}</b> <span class=\"roles\">{roles}</span></p>\n\
         <h2>Where you are logged in</h2>\n<ul class=\"devices\">\n{rows}</ul>\n\
         <div class=\"actions\">\n\
         <form method=\"post\" action=\"{PREFIX}/logout\">\n{csrf}<button>Log out</button>\n</form>\n\
         <form method=\"post\" action=\"{PREFIX}/logout-everywhere\">\n{csrf}<button class=\"quiet\">Log out everywhere</button>\n\
         </form>\n</div>\n\
         <form class=\"card\" method=\"post\" action=\"{PREFIX}/password\">\n<h2>Change the password</h2>\n{csrf}\
         <input type=\"text\" name=\"name\" value=\"{name}\" autocomplete=\"username\" hidden>\n{current}{new}\
         <p class=\"hint\">You stay logged in here, and nowhere else.</p>\n<button>Change</button>\n</form>\n",
        name = escaped(visit.account.name.text()),
        roles = escaped(&roles.join(", ")),
        current = input("current", "current", "Present password", "password", "current-password"),
        new = input("new", "new", "New password", "password", "new-password"),
    )
}

fn row(session: &Session, visit: &Visit, csrf: &str) -> String {
    let used = format!("opened {}, used {}", ago(session.created.elapsed()), ago(session.used.elapsed()));
    let end = if session.hash == visit.session.hash {
        "<span class=\"this\">this one</span>".to_owned()
    } else {
        let id = session.id();
        let label = format!("End the session on {}, {used}", session.device.text());
        format!(
            "<form method=\"post\" action=\"{PREFIX}/sessions/{id}/end\">\n{csrf}\
             <button class=\"quiet\" aria-label=\"{}\">End</button></form>",
            escaped(&label)
        )
    };
    let device = escaped(session.device.text());
    format!("<li><span class=\"device\">{device}</span> <span class=\"used\">{used}</span> {end}</li>\n")
}

fn input(id: &str, name: &str, label: &str, kind: &str, autocomplete: &str) -> String {
    // Names are written as they are, whatever a phone would make of them.
    let plain = if kind == "text" { " autocapitalize=\"none\" spellcheck=\"false\"" } else { "" };
    format!(
        "<label for=\"{id}\">{label}</label>\n\
         <input id=\"{id}\" name=\"{name}\" type=\"{kind}\" autocomplete=\"{autocomplete}\"{plain} required>\n"
    )
}

/// A span as people say it.
fn ago(span: Duration) -> String {
    let minutes = span.as_secs() / 60;
    let say = |count: u64, unit: &str| format!("{count} {unit}{} ago", if count == 1 { "" } else { "s" });
    match minutes {
        0 => "just now".to_owned(),
        1..60 => say(minutes, "minute"),
        60..1440 => say(minutes / 60, "hour"),
        _ => say(minutes / 1440, "day"),
    }
}
