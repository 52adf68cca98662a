//! Owns the clients: the programs that may ask for tokens, and how they say who they are.
//!
//! The one idea: a client is public or confidential, and its kind decides what is believed. A public one (a program in
//! somebody's hands) cannot keep a secret, so it only says its name; a confidential one (a service) shows a secret, or is not
//! let in.
//!
//! ```text
//!   Authorization: Basic base64(form(id) ":" form(secret)) ─┐
//!   client_id=…&client_secret=…                             ├─> Presented ──> Client, or invalid_client
//!   client_id=…                                             ─┘
//! ```
//!
//! Spec: RFC 6749 2.1 (kinds), 2.3 (one way of authentication in a request), 2.3.1 (Basic, form-coded; or parameters);
//! RFC 7617 2 (Basic); RFC 7235 2.1 as RFC 9110 11.1 (the scheme in any case).
//! Stricter: an `Authorization` of any other scheme is refused, and not looked past.
//! Never: tells an unknown client from a wrong secret, in words or in time; keeps a secret.

use std::borrow::Cow;
use std::fmt;

use base64::Engine;
use base64::engine::general_purpose::STANDARD;

use crate::app::identity::domain::grant::GrantType;
use crate::app::identity::domain::parameters::Parameters;
use crate::app::identity::domain::refused::{Code, Refused};
use crate::app::identity::domain::scope;
use crate::crypto::{self, TokenHash};
use crate::jwt::Scopes;

/// Characters that a name or secret of a client may have.
pub const CREDENTIAL_CHARS_MAX: usize = 256;

const REFUSED: Refused = Code::InvalidClient.because("the client is not known, or did not show that it is the one");

/// A program that may ask for tokens.
#[derive(Clone, Debug)]
pub struct Client {
    id: String,
    secret: Option<TokenHash>,
    grants: Vec<GrantType>,
    scopes: Scopes,
    on_request: Scopes,
    serves: Option<String>,
}

/// All clients there are.
#[derive(Clone, Debug)]
pub struct Clients(Vec<Client>);

/// Who a client says that it is.
#[derive(Clone, PartialEq, Eq)]
pub struct Presented<'a> {
    id: Cow<'a, str>,
    secret: Option<Cow<'a, str>>,
}

impl Client {
    /// A client that cannot keep a secret.
    pub fn public(id: &str) -> Client {
        let (scopes, on_request) = (Scopes::default(), Scopes::default());
        Client { id: id.to_owned(), secret: None, grants: Vec::new(), scopes, on_request, serves: None }
    }

    /// A client that shows `secret`. Of that only the hash is kept, which is enough for a random one of 128 bits or more.
    pub fn confidential(id: &str, secret: &str) -> Client {
        Client { secret: Some(hash(secret)), ..Client::public(id) }
    }

    /// It may use these grants, for these scopes.
    ///
    /// # Panics
    /// When a client that cannot show who it is would be its own grant (RFC 6749 4.4).
    pub fn may(self, grants: &[GrantType], scopes: &[&str]) -> Client {
        let is_itself = grants.contains(&GrantType::ClientCredentials);
        assert!(self.secret.is_some() || !is_itself, "{} is public: it cannot be granted for itself", self.id);
        Client { grants: grants.to_vec(), scopes: scope::known(scopes), ..self }
    }

    /// It may have these scopes too, where it asks for them by name: a token that was asked for without a thought has none.
    pub fn may_ask_for(self, scopes: &[&str]) -> Client {
        Client { on_request: scope::known(scopes), ..self }
    }

    /// It is the service that tokens for `audience` are meant for, and may ask what is in them.
    pub fn serves(self, audience: &str) -> Client {
        Client { serves: Some(audience.to_owned()), ..self }
    }

    /// Its name.
    pub fn id(&self) -> &str {
        &self.id
    }

    /// What it is granted when it asks for nothing.
    pub fn scopes(&self) -> &Scopes {
        &self.scopes
    }

    /// The most that it may be granted.
    pub fn all_scopes(&self) -> Scopes {
        scope::of(self.scopes.iter().chain(self.on_request.iter()))
    }

    /// What it is granted when it asks for `asked`.
    ///
    /// # Errors
    /// `invalid_scope` for what is no list of scopes, and for more than it may be granted.
    pub fn granted(&self, asked: Option<&str>) -> Result<Scopes, Refused> {
        match asked {
            None => Ok(self.scopes.clone()),
            asked => scope::narrowed(&self.all_scopes(), asked),
        }
    }

    /// Whether it shows a secret.
    pub fn is_confidential(&self) -> bool {
        self.secret.is_some()
    }

    /// Whether it may use this kind of grant.
    ///
    /// # Errors
    /// `unauthorized_client`.
    pub fn admit(&self, kind: GrantType) -> Result<(), Refused> {
        let refused = Code::UnauthorizedClient.because("this client may not use this grant_type");
        self.grants.contains(&kind).then_some(()).ok_or(refused)
    }

    /// Whether a token that was given to `client` for `audience` is this one's business (RFC 7662 4: others are not told).
    pub fn may_look_into(&self, client: &str, audience: &[String]) -> bool {
        self.id == client || self.serves.as_ref().is_some_and(|served| audience.contains(served))
    }
}

impl Clients {
    /// These clients.
    ///
    /// # Panics
    /// When two have one name, or one has the name that an account could have as a subject (RFC 9068 5): a UUID.
    pub fn new(clients: Vec<Client>) -> Clients {
        for (index, client) in clients.iter().enumerate() {
            assert!(clients[..index].iter().all(|other| other.id != client.id), "{} stands twice", client.id);
            assert!(uuid::Uuid::parse_str(&client.id).is_err(), "{} could be an account", client.id);
        }
        Clients(clients)
    }

    /// Each of them.
    pub fn iter(&self) -> impl Iterator<Item = &Client> {
        self.0.iter()
    }

    /// The client that `presented` is.
    ///
    /// # Errors
    /// `invalid_client` for an unknown one, for a wrong secret, for one that is missing, and for one that a public client
    /// shows: whoever believes that it has a secret is not this client.
    pub fn authenticate(&self, presented: &Presented<'_>) -> Result<&Client, Refused> {
        let client = self.0.iter().find(|client| client.id == presented.id);
        // An unknown client is compared as well, with what nobody has.
        let kept = client.map_or(Some(TokenHash::of_bytes([0; 32])), |client| client.secret);
        let is_shown = match (&presented.secret, kept) {
            (None, None) => true,
            (Some(secret), Some(kept)) => crypto::is_same(hash(secret).bytes(), kept.bytes()),
            _ => false,
        };
        client.filter(|_| is_shown).ok_or(REFUSED)
    }
}

impl<'a> Presented<'a> {
    /// The name.
    pub fn id(&self) -> &str {
        &self.id
    }

    /// Whether there is a secret with it, right or wrong.
    pub fn has_secret(&self) -> bool {
        self.secret.is_some()
    }

    /// Who a request says that it is from: by its field lines `Authorization`, or by its parameters.
    ///
    /// # Errors
    /// `invalid_client` for none and for what cannot be read; `invalid_request` for two ways at once.
    pub fn of(
        mut authorization: impl Iterator<Item = &'a [u8]>,
        parameters: &'a Parameters,
    ) -> Result<Presented<'a>, Refused> {
        let (id, secret) = (parameters.get("client_id"), parameters.get("client_secret"));
        let Some(value) = authorization.next() else {
            let id =
                id.ok_or(Code::InvalidClient.because("who asks? client_id, or Authorization: Basic, is missing"))?;
            return Presented::bounded(id.into(), secret.map(Cow::Borrowed));
        };
        if authorization.next().is_some() || secret.is_some() {
            return Err(Code::InvalidRequest.because("the client shows more than one thing to be known by"));
        }
        let presented = Presented::basic(value)?;
        if id.is_some_and(|id| id != presented.id) {
            return Err(Code::InvalidRequest.because("client_id and Authorization name two clients"));
        }
        Ok(presented)
    }

    fn basic(value: &[u8]) -> Result<Presented<'a>, Refused> {
        const UNREAD: Refused = Code::InvalidClient.because("Authorization is not Basic, with client_id and secret");
        let (scheme, credentials) = value.split_at_checked(b"Basic ".len()).ok_or(UNREAD)?;
        // Four characters are three bytes; an escape may take three bytes for one.
        if !scheme.eq_ignore_ascii_case(b"Basic ") || credentials.len() > 8 * CREDENTIAL_CHARS_MAX {
            return Err(UNREAD);
        }
        let decoded = STANDARD.decode(credentials.trim_ascii()).ok().and_then(|bytes| String::from_utf8(bytes).ok());
        let decoded = decoded.ok_or(UNREAD)?;
        let (id, secret) = decoded.split_once(':').ok_or(UNREAD)?;
        // RFC 6749 2.3.1: both are form-coded before they are put together.
        Presented::bounded(form_decoded(id).into(), Some(form_decoded(secret).into()))
    }

    fn bounded(id: Cow<'a, str>, secret: Option<Cow<'a, str>>) -> Result<Presented<'a>, Refused> {
        let fits = |text: &str| text.len() <= CREDENTIAL_CHARS_MAX;
        let all_fit = fits(&id) && secret.as_deref().is_none_or(fits);
        // An empty secret is none: RFC 6749 2.3.1 lets it be left out, and so an empty one opens nothing.
        let secret = secret.filter(|secret| !secret.is_empty());
        if all_fit { Ok(Presented { id, secret }) } else { Err(REFUSED) }
    }
}

impl fmt::Debug for Presented<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let secret = self.secret.as_ref().map(|_| "***");
        f.debug_struct("Presented").field("id", &self.id).field("secret", &secret).finish()
    }
}

fn hash(secret: &str) -> TokenHash {
    TokenHash::of_bytes(crypto::sha256(secret.as_bytes()))
}

/// What one value of a form stands for.
fn form_decoded(text: &str) -> String {
    // As the value of a pair, in which `&` and `=` have no meaning: they are escaped where they are meant.
    let pair = format!("v={}", text.replace('&', "%26"));
    form_urlencoded::parse(pair.as_bytes()).next().map(|(_, value)| value.into_owned()).unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn clients() -> Clients {
        Clients::new(vec![
            Client::public("demo-cli").may(&[GrantType::Password], &["read"]),
            Client::confidential("stock-robot", "only-for-the-lesson").serves("catalog"),
            Client::confidential("a b", "é:+&=%"),
        ])
    }

    fn check(authorization: &[&str], pairs: &[(&str, &str)], expected: Result<&str, Code>) {
        let pairs = pairs.iter().map(|&(name, value)| (name.to_owned(), value.to_owned())).collect();
        let parameters = Parameters::parse(pairs).expect("parameters");
        let clients = clients();
        let lines = authorization.iter().map(|line| line.as_bytes());
        let client = Presented::of(lines, &parameters).and_then(|presented| clients.authenticate(&presented));
        assert_eq!(
            client.map(Client::id).map_err(|refused| refused.code),
            expected,
            "{authorization:?} {parameters:?}"
        );
    }

    fn basic(credentials: &str) -> String {
        format!("Basic {}", STANDARD.encode(credentials))
    }

    #[test]
    fn a_client_is_known_by_its_name_or_its_secret() {
        check(&[], &[("client_id", "demo-cli")], Ok("demo-cli"));
        check(&[], &[("client_id", "stock-robot"), ("client_secret", "only-for-the-lesson")], Ok("stock-robot"));
        let robot = basic("stock-robot:only-for-the-lesson");
        check(&[&robot], &[], Ok("stock-robot"));
        check(&[&robot.replace("Basic", "bAsIc")], &[("client_id", "stock-robot")], Ok("stock-robot"));
        check(&[&basic("a+b:%C3%A9%3A%2B%26%3D%25")], &[], Ok("a b"));
        // A public client that curl is told a name of has an empty secret.
        check(&[&basic("demo-cli:")], &[], Ok("demo-cli"));
    }

    #[test]
    fn nobody_is_let_in_as_another_one() {
        let robot = basic("stock-robot:only-for-the-lesson");
        check(&[], &[], Err(Code::InvalidClient));
        for id in ["nobody", "STOCK-ROBOT", "stock-robot", "stock-robot ", ""] {
            check(&[], &[("client_id", id)], Err(Code::InvalidClient));
        }
        for secret in ["", "only-for-the-lesso", "only-for-the-lesson ", "Only-for-the-lesson"] {
            check(&[], &[("client_id", "stock-robot"), ("client_secret", secret)], Err(Code::InvalidClient));
            check(&[&basic(&format!("stock-robot:{secret}"))], &[], Err(Code::InvalidClient));
        }
        // A public client has no secret: whoever shows one means another.
        check(&[], &[("client_id", "demo-cli"), ("client_secret", "x")], Err(Code::InvalidClient));
        let long = basic(&format!("stock-robot:{}", "x".repeat(CREDENTIAL_CHARS_MAX + 1)));
        for unread in ["", "Basic", "Basic ", "Basic !", "Bearer x", "Basicx", &basic("stock-robot"), &long] {
            check(&[unread], &[], Err(Code::InvalidClient));
        }
        check(&["Bearer x"], &[("client_id", "demo-cli")], Err(Code::InvalidClient));
        check(&[&robot, &robot], &[], Err(Code::InvalidRequest));
        check(&[&robot], &[("client_id", "demo-cli")], Err(Code::InvalidRequest));
        check(&[&robot], &[("client_secret", "only-for-the-lesson")], Err(Code::InvalidRequest));
    }

    #[test]
    fn what_a_client_may_is_said_for_each() {
        let clients = clients();
        let cli = clients.iter().next().expect("one");
        assert!(cli.admit(GrantType::Password).is_ok());
        assert_eq!(cli.admit(GrantType::RefreshToken).expect_err("refused").code, Code::UnauthorizedClient);
        let robot = clients.iter().nth(1).expect("two");
        assert!(robot.may_look_into("demo-cli", &["catalog".to_owned()]));
        assert!(robot.may_look_into("stock-robot", &[]));
        assert!(!robot.may_look_into("demo-cli", &["billing".to_owned()]));
        assert!(!cli.may_look_into("stock-robot", &[]));
    }

    #[test]
    #[should_panic(expected = "public")]
    fn a_public_client_is_no_grant() {
        let _ = Client::public("x").may(&[GrantType::ClientCredentials], &[]);
    }

    #[test]
    #[should_panic(expected = "could be an account")]
    fn a_client_is_never_taken_for_an_account() {
        let _ = Clients::new(vec![Client::public("018f2b6a-7c1e-7000-8000-000000000001")]);
    }

    #[test]
    fn secrets_are_not_shown() {
        let presented = Presented { id: "x".into(), secret: Some("only-for-the-lesson".into()) };
        assert!(!format!("{presented:?} {:?}", clients()).contains("lesson"));
    }
}
