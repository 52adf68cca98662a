//! Owns who sends a request: the bearer of an access token.
//!
//! ```text
//!   no Authorization, or another scheme   401  Bearer realm="…"                              nothing is wrong yet
//!   two of them, or no token in it        400  …, error="invalid_request"
//!   a token that is not valid             401  …, error="invalid_token", error_description="…"
//!   keys that are away                    503  Retry-After
//!   a valid one                           Principal ──> the layers inside
//! ```
//!
//! The one idea: this layer finds out who it is, and [`Require`](crate::http::middleware::Require) inside whether they
//! may. The first answer is 401, come again with other credentials; the second 403, those will not do.
//!
//! Spec: RFC 6750 2.1 (the field), 3, 3.1 (challenges and errors); RFC 9110 11.4 (credentials), 11.6.1
//! (`WWW-Authenticate`), 15.5.2 (401).
//! Stricter: a token in the query (RFC 6750 2.3) or in a form (2.2) is not looked at: URLs end up in logs and in
//! histories.
//! Never: logs a token; tells a client more than the one word for its token that it can act on.
//! Place: behind the limiter, since verifying costs more than counting; before content is looked at.

use std::fmt::Write;
use std::future::Future;
use std::time::Duration;

use crate::http::field::name;
use crate::http::handler::Link;
use crate::http::middleware::Place;
use crate::http::{Fault, Handler, IntoResponse, Middleware, Problem, Request, Response};

/// Who sends a request, and what they may do: `request.value::<Principal>()`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Principal {
    /// Whom the token is about.
    pub subject: String,
    /// The program that got it.
    pub client: Option<String>,
    /// What it grants.
    pub scopes: Vec<String>,
    /// What its subject is.
    pub roles: Vec<String>,
}

/// Finds out whose a token is.
pub trait Authenticate: Send + Sync + 'static {
    /// The bearer of `token`.
    fn authenticate(&self, token: &str) -> impl Future<Output = Result<Principal, BearerError>> + Send;
}

/// Why nobody is known by a token.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum BearerError {
    /// It is not valid.
    Invalid {
        /// What the client is told; that it has expired, say, since it can get another one then.
        description: &'static str,
    },
    /// It cannot be told now.
    Unavailable {
        /// When it may be.
        retry_after: Duration,
    },
}

/// Lets in who has a valid token.
#[derive(Clone, Debug)]
pub struct Bearer<A> {
    realm: Realm,
    authenticate: A,
}

/// What is protected, as challenges name it. For [`Require`](crate::http::middleware::Require), which stands inside.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Realm(pub(super) &'static str);

impl<A: Authenticate> Bearer<A> {
    /// Asks `authenticate` whose a token is. `realm` names what is protected.
    ///
    /// # Panics
    /// When `realm` has characters that need escapes.
    pub fn new(realm: &'static str, authenticate: A) -> Bearer<A> {
        assert!(realm.chars().all(is_plain), "{realm:?} needs escapes");
        Bearer { realm: Realm(realm), authenticate }
    }
}

impl<A: Authenticate> Middleware for Bearer<A> {
    async fn handle<N: Handler>(&self, mut request: Request, next: &N) -> Response {
        let token = match credentials(&request) {
            Ok(token) => token,
            Err(refusal) => return refusal.answer(self.realm),
        };
        match self.authenticate.authenticate(token).await {
            Ok(principal) => {
                request.insert(self.realm);
                request.insert(principal);
                next.handle(request).await
            }
            Err(BearerError::Invalid { description }) => {
                Refusal { fault: Fault::InvalidToken, error: Some(("invalid_token", description)) }.answer(self.realm)
            }
            Err(BearerError::Unavailable { retry_after }) => {
                Problem::new(Fault::CredentialsUnverified).into_response().with_retry_after(retry_after)
            }
        }
    }

    fn link(&self) -> Link {
        Link { name: "bearer", place: Some(Place::Bearer) }
    }
}

/// Why a request is not let in, and what its challenge says.
struct Refusal {
    fault: Fault,
    error: Option<(&'static str, &'static str)>,
}

impl Refusal {
    fn answer(self, realm: Realm) -> Response {
        let problem = Problem::new(self.fault);
        let problem = match self.error {
            Some((_, description)) => problem.with_detail(description),
            None => problem,
        };
        problem.into_response().with(name::WWW_AUTHENTICATE, challenge(realm, self.error, None))
    }
}

/// The token of a request.
fn credentials(request: &Request) -> Result<&str, Refusal> {
    const MALFORMED: &str = "Authorization: Bearer, then one token";
    let malformed = || Refusal { fault: Fault::MalformedCredentials, error: Some(("invalid_request", MALFORMED)) };
    let mut lines = request.fields().all(name::AUTHORIZATION);
    // RFC 6750 3.1: a request without any authentication information is told no error.
    let missing = || Refusal { fault: Fault::NoCredentials, error: None };
    let line = lines.next().ok_or_else(missing)?;
    // RFC 6750 3.1: more than one way, or a parameter that is repeated. Each hop might take another one.
    if lines.next().is_some() {
        return Err(malformed());
    }
    let line = std::str::from_utf8(line).map_err(|_| malformed())?;
    let (scheme, token) = line.split_once(' ').unwrap_or((line, ""));
    // RFC 9110 11.1: schemes do not tell cases apart.
    if !scheme.eq_ignore_ascii_case("Bearer") {
        return Err(missing());
    }
    let token = token.trim_matches(' ');
    if is_b64token(token) { Ok(token) } else { Err(malformed()) }
}

/// RFC 6750 2.1: `b64token = 1*( ALPHA / DIGIT / "-" / "." / "_" / "~" / "+" / "/" ) *"="`.
fn is_b64token(text: &str) -> bool {
    let significant = text.trim_end_matches('=');
    let allowed = |byte: u8| byte.is_ascii_alphanumeric() || b"-._~+/".contains(&byte);
    !significant.is_empty() && significant.bytes().all(allowed)
}

/// RFC 6750 3: the value of `WWW-Authenticate`.
pub(super) fn challenge(realm: Realm, error: Option<(&str, &str)>, scope: Option<&str>) -> String {
    let mut challenge = format!("Bearer realm=\"{}\"", realm.0);
    if let Some((error, description)) = error {
        let plain: String = description.chars().map(|char| if is_plain(char) { char } else { '?' }).collect();
        let _ = write!(challenge, ", error=\"{error}\", error_description=\"{plain}\"");
    }
    if let Some(scope) = scope {
        let _ = write!(challenge, ", scope=\"{scope}\"");
    }
    challenge
}

/// RFC 6750 3: what `error_description` and `scope` may hold, `%x20-21 / %x23-5B / %x5D-7E`: a quoted string as it is.
pub(super) fn is_plain(char: char) -> bool {
    matches!(char, ' '..='!' | '#'..='[' | ']'..='~')
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::http::Status;

    /// Knows `good`, and whoever is away.
    struct Known;

    impl Authenticate for Known {
        async fn authenticate(&self, token: &str) -> Result<Principal, BearerError> {
            match token {
                "good" | "ab-._~+/==" => {
                    Ok(Principal { subject: "ada".to_owned(), client: None, scopes: Vec::new(), roles: Vec::new() })
                }
                "away" => Err(BearerError::Unavailable { retry_after: Duration::from_millis(1_100) }),
                "split" => Err(BearerError::Invalid { description: "a\"\r\nSet-Cookie: b\\é" }),
                _ => Err(BearerError::Invalid { description: "the token has expired" }),
            }
        }
    }

    async fn answer(values: &[&str]) -> Response {
        let inside = |request: Request| async move {
            request.value::<Principal>().map(|principal| principal.subject.clone()).unwrap_or_default()
        };
        let request = values.iter().fold(Request::get("/?access_token=good"), |request, value| {
            request.with(name::AUTHORIZATION, value.as_bytes())
        });
        Bearer::new("here", Known).around(inside).handle(request).await
    }

    async fn check(values: &[&str], status: Status, challenge: Option<&str>) {
        let answer = answer(values).await;
        assert_eq!((answer.status(), answer.field(name::WWW_AUTHENTICATE)), (status, challenge), "{values:?}");
    }

    #[tokio::test]
    async fn who_has_a_valid_token_is_let_in() {
        for value in ["Bearer good", "bearer good", "BEARER   good ", "Bearer ab-._~+/=="] {
            let mut answer = answer(&[value]).await;
            assert_eq!(answer.body_mut().collect(10).await.expect("a name"), "ada", "{value}");
        }
    }

    #[tokio::test]
    async fn who_shows_nothing_is_told_what_to_show_and_no_error() {
        const CHALLENGE: Option<&str> = Some("Bearer realm=\"here\"");
        check(&[], Status::UNAUTHORIZED, CHALLENGE).await;
        for other in ["", "Basic YTpi", "Digest a=b", "Bearerer good", "DPoP good", "good"] {
            check(&[other], Status::UNAUTHORIZED, CHALLENGE).await;
        }
    }

    #[tokio::test]
    async fn what_is_no_token_is_a_bad_request() {
        const CHALLENGE: &str = "Bearer realm=\"here\", error=\"invalid_request\", \
                                 error_description=\"Authorization: Bearer, then one token\"";
        for value in
            ["Bearer", "Bearer ", "Bearer =", "Bearer a b", "Bearer good, Bearer good", "Bearer go\"od", "Bearer gööd"]
        {
            check(&[value], Status::BAD_REQUEST, Some(CHALLENGE)).await;
        }
        check(&["Bearer good", "Bearer good"], Status::BAD_REQUEST, Some(CHALLENGE)).await;
        check(&["Basic YTpi", "Bearer good"], Status::BAD_REQUEST, Some(CHALLENGE)).await;
    }

    #[tokio::test]
    async fn a_token_that_is_not_valid_is_told_so_in_a_few_words() {
        let expired = "Bearer realm=\"here\", error=\"invalid_token\", error_description=\"the token has expired\"";
        check(&["Bearer bad"], Status::UNAUTHORIZED, Some(expired)).await;
        let plain = "Bearer realm=\"here\", error=\"invalid_token\", error_description=\"a???Set-Cookie: b??\"";
        check(&["Bearer split"], Status::UNAUTHORIZED, Some(plain)).await;
    }

    #[tokio::test]
    async fn when_it_cannot_be_told_it_is_said_when_to_come_again() {
        let answer = answer(&["Bearer away"]).await;
        assert_eq!((answer.status(), answer.field(name::RETRY_AFTER)), (Status::SERVICE_UNAVAILABLE, Some("2")));
        assert_eq!(answer.field(name::WWW_AUTHENTICATE), None);
    }
}
