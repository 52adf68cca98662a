//! Owns what can be done with sessions, whatever the answer looks like: for the page and for programs alike.
//!
//! ```text
//!   cookie ──> Token ──> hash ──> store ──> Session ──> account of the same generation ──> Visit
//!     └ none: nobody   │          └ none                └ of an earlier one: over, and deleted
//!                      └ none: it never was a token of ours, and is taken back
//! ```
//!
//! The one idea: a token comes into the world here, when somebody has just proven who he is, and nowhere else. Whatever a
//! client brings along is looked up and never taken over, so a session that an attacker has put into somebody's browser
//! does not become that somebody's (fixation). Each proof gives a new token: a login, a registration, another password.
//!
//! A cookie that was a token once is left where it is: it opens nothing, and an answer to an older request that took it back
//! would take the one that a login has set meanwhile.
//!
//! Never: answers; changes anything for a session without its token against forgery, but ends the one that is held when
//! somebody logs in or registers.

use std::net::IpAddr;

use serde::Deserialize;
use serde::de::DeserializeOwned;

use crate::app::accounts::Account;
use crate::app::session::Sessions;
use crate::app::session::domain::{Device, NewSession, Session, SessionId};
use crate::app::session::error::{Done, Error};
use crate::app::session::store::Replaced;
use crate::crypto::Token;
use crate::http::cookie::{Cookie, CookieError, SET_COOKIE, SameSite};
use crate::http::field::name;
use crate::http::{Request, Response};

/// The one cookie. It lives until the browser is closed, and no longer than the server lets it.
pub const SESSION: Cookie = Cookie::host("session").same_site(SameSite::Strict);

/// Where a program shows the token against forgery. A page of another origin cannot set a field of its own.
const CSRF_FIELD: &str = "X-CSRF-Token";

/// What a request brings along, besides its content: what it says of who sends it.
pub struct Caller {
    held: Result<Held, CookieError>,
    address: IpAddr,
    device: Device,
    /// The token against forgery, where it stands in the head.
    csrf: Option<String>,
}

/// What the cookie holds.
enum Held {
    Nothing,
    Token(Token),
    /// What was never a token of ours.
    Other,
}

/// Who asks.
#[derive(Debug)]
pub enum Visitor {
    /// Somebody without a cookie.
    Nobody,
    /// Somebody whose cookie opens nothing.
    Stranger,
    /// Somebody who has logged in.
    Known(Visit),
}

/// Somebody who has logged in.
#[derive(Debug)]
pub struct Visit {
    /// By this session.
    pub session: Session,
    /// As this account, as it is now.
    pub account: Account,
}

/// A session that was just opened, and what its holder is given.
pub struct Opened {
    /// The visit that begins with it.
    pub visit: Visit,
    token: Token,
}

#[derive(Deserialize)]
struct Credentials {
    name: String,
    password: String,
}

#[derive(Deserialize)]
struct Change {
    current: String,
    new: String,
    csrf: Option<String>,
}

#[derive(Default, Deserialize)]
struct Confirmation {
    csrf: Option<String>,
}

impl Caller {
    /// Who sends `request`.
    pub fn of(request: &Request) -> Caller {
        let held = SESSION.read(request.fields()).map(|value| match value.map(str::parse) {
            None => Held::Nothing,
            Some(Ok(token)) => Held::Token(token),
            Some(Err(_)) => Held::Other,
        });
        let device = Device::of(request.field("User-Agent"));
        let csrf = request.field(CSRF_FIELD).map(str::to_owned);
        Caller { held, address: request.client(), device, csrf }
    }

    /// Whether there is a cookie that never was a token of ours.
    pub fn holds_no_token(&self) -> bool {
        matches!(self.held, Ok(Held::Other) | Err(_))
    }

    /// What goes when somebody has proven who he is: the session that was used up to now. Nobody needs it, and whoever else
    /// holds its token shall not have it.
    fn replaced(&self) -> Replaced {
        match &self.held {
            Ok(Held::Token(token)) => Replaced::One(token.hash()),
            _ => Replaced::Nothing,
        }
    }
}

impl Sessions {
    /// Who the caller is. Uses the session.
    ///
    /// # Errors
    /// Cookies that contradict each other; a store that does not answer.
    pub async fn visitor(&self, caller: &Caller) -> Result<Visitor, Error> {
        let token = match caller.held.as_ref().map_err(|error| Error::Cookie(*error))? {
            Held::Nothing => return Ok(Visitor::Nobody),
            Held::Other => return Ok(Visitor::Stranger),
            Held::Token(token) => token,
        };
        let Some(session) = self.store.find(&token.hash()).await? else { return Ok(Visitor::Stranger) };
        match self.accounts.find(session.account).await? {
            Some(account) if account.generation == session.generation => Ok(Visitor::Known(Visit { session, account })),
            // Of before the password was changed, and not ended then.
            Some(account) if account.generation > session.generation => {
                self.store.end_held(&session.hash).await?;
                Ok(Visitor::Stranger)
            }
            // Of an account that is not here. Another node may know it: this one shall not end what it does not understand.
            _ => Ok(Visitor::Stranger),
        }
    }

    /// As [`Sessions::visitor`], for what only somebody who has logged in may ask.
    pub async fn visit(&self, caller: &Caller) -> Result<Visit, Error> {
        match self.visitor(caller).await? {
            Visitor::Known(visit) => Ok(visit),
            Visitor::Nobody | Visitor::Stranger => Err(Error::NotLoggedIn),
        }
    }

    /// The sessions that count, the one that was opened last first.
    pub async fn list(&self, visit: &Visit) -> Result<Vec<Session>, Error> {
        let mut list = self.store.list(visit.account.id).await?;
        list.retain(|session| session.generation == visit.account.generation);
        Ok(list)
    }

    pub async fn register(&self, caller: &Caller, request: &mut Request) -> Result<Opened, Error> {
        let Credentials { name, password } = read(request).await?;
        let account = self.accounts.register(&name, &password, caller.address).await?;
        self.open(account, caller, caller.replaced()).await.map_err(|error| error.after(Done::Registered))
    }

    pub async fn log_in(&self, caller: &Caller, request: &mut Request) -> Result<Opened, Error> {
        let Credentials { name, password } = read(request).await?;
        let account = self.accounts.authenticate(&name, &password, caller.address).await?;
        self.open(account, caller, caller.replaced()).await
    }

    /// Ends the session of the caller. Who has none is logged out as well.
    pub async fn log_out(&self, caller: &Caller, request: &mut Request) -> Result<(), Error> {
        let Visitor::Known(visit) = self.visitor(caller).await? else { return Ok(()) };
        visit.confirm(caller, request).await?;
        self.store.end_held(&visit.session.hash).await?;
        Ok(())
    }

    /// Ends all sessions of the account.
    pub async fn log_out_everywhere(&self, caller: &Caller, request: &mut Request) -> Result<(), Error> {
        let visit = self.visit(caller).await?;
        visit.confirm(caller, request).await?;
        self.store.end_all(visit.account.id).await?;
        self.store.end_held(&visit.session.hash).await?;
        Ok(())
    }

    /// Gives the account another password, and opens a new session in place of all that it has.
    pub async fn change_password(&self, caller: &Caller, request: &mut Request) -> Result<Opened, Error> {
        let visit = self.visit(caller).await?;
        let Change { current, new, csrf } = read(request).await?;
        visit.check(caller, csrf.as_deref())?;
        let account = self.accounts.change_password(visit.account.id, &current, &new, caller.address).await?;
        self.open(account, caller, Replaced::All).await.map_err(|error| error.after(Done::PasswordChanged))
    }

    /// Ends one session of the account.
    pub async fn end(&self, caller: &Caller, request: &mut Request) -> Result<(), Error> {
        let visit = self.visit(caller).await?;
        visit.confirm(caller, request).await?;
        let id: SessionId = request.path("id").map_err(|_| Error::NoSuchSession)?;
        if self.store.end(visit.account.id, id).await? { Ok(()) } else { Err(Error::NoSuchSession) }
    }

    async fn open(&self, account: Account, caller: &Caller, replaced: Replaced) -> Result<Opened, Error> {
        let token = Token::random();
        let new = NewSession::of(&account, token.hash(), caller.device.clone());
        // Nothing is opened when the password was changed meanwhile: then it does not belong to the name any more.
        let session = self.store.open(new, replaced).await?.ok_or(Error::WrongCredentials)?;
        Ok(Opened { visit: Visit { session, account }, token })
    }
}

impl Visit {
    /// The token that the forms of this visit must show.
    pub fn csrf_token(&self) -> String {
        self.session.secret.csrf_token()
    }

    /// Reads the token against forgery from `request`, and nothing else. Who shows it in the head may send any content.
    async fn confirm(&self, caller: &Caller, request: &mut Request) -> Result<(), Error> {
        let confirmation = match request.field(name::CONTENT_TYPE) {
            Some(_) if caller.csrf.is_none() => read(request).await?,
            _ => Confirmation::default(),
        };
        self.check(caller, confirmation.csrf.as_deref())
    }

    /// The token may stand in a field of the head, or in the form.
    fn check(&self, caller: &Caller, in_form: Option<&str>) -> Result<(), Error> {
        let shown = caller.csrf.as_deref().or(in_form);
        let is_ours = shown.is_some_and(|shown| self.session.secret.is_csrf_token(shown));
        if is_ours { Ok(()) } else { Err(Error::WrongCsrfToken) }
    }
}

impl Opened {
    /// Hands the token over.
    pub fn told_by(&self, response: Response) -> Response {
        let cookie = SESSION.set(&self.token.expose(), None).expect("base64url is made of cookie-octets");
        response.with(SET_COOKIE, cookie)
    }
}

/// Lets the browser forget its cookie.
pub fn forgotten(response: Response) -> Response {
    response.with(SET_COOKIE, SESSION.clear())
}

/// What a program sends as JSON, or a form.
async fn read<T: DeserializeOwned>(request: &mut Request) -> Result<T, Error> {
    let kind = request.field(name::CONTENT_TYPE).unwrap_or_default();
    // RFC 9110 8.3.1: what stands behind the first semicolon are parameters.
    let is_json = kind.split(';').next().is_some_and(|kind| kind.to_ascii_lowercase().contains("json"));
    Ok(if is_json { request.json().await? } else { request.form().await? })
}
