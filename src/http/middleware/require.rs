//! Owns whether somebody may: what the bearer of a token must have for a route.
//!
//! The one idea: what a route asks for stands where the route stands, in the table, and not in its handler.
//!
//! ```
//! # use firstbyte::http::{Request, Router};
//! # use firstbyte::http::middleware::Require;
//! # async fn all(_: (), _: Request) -> &'static str { "" }
//! let routes = Router::new(())
//!     .route_behind("GET /invoices/all", Require::scope("billing:read").and_role("accountant"), all)
//!     .build()?;
//! # Ok::<(), firstbyte::http::BuildError>(())
//! ```
//!
//! A scope is what the bearer's program was granted, a role is what the bearer is: a program of the accountant's that
//! was granted reading alone may not write, and a program that was granted all of an apprentice is an apprentice.
//!
//! Spec: RFC 6750 3.1 (`insufficient_scope`), RFC 9110 15.5.4 (403).
//! Never: finds out who it is: [`Bearer`](crate::http::middleware::Bearer) does, outside. Without it nobody is let in.

use crate::http::field::name;
use crate::http::handler::Link;
use crate::http::middleware::bearer::{Principal, Realm, challenge, is_plain};
use crate::http::{Fault, Handler, IntoResponse, Middleware, Problem, Request, Response};

/// Lets in who has all that a route asks for.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Require {
    scopes: Vec<&'static str>,
    roles: Vec<&'static str>,
}

impl Require {
    /// Asks for a scope.
    ///
    /// # Panics
    /// When it is no `scope-token` (RFC 6749 3.3).
    pub fn scope(scope: &'static str) -> Require {
        Require { scopes: Vec::new(), roles: Vec::new() }.and_scope(scope)
    }

    /// Asks for a role.
    ///
    /// # Panics
    /// When it has spaces, or characters that need escapes.
    pub fn role(role: &'static str) -> Require {
        Require { scopes: Vec::new(), roles: Vec::new() }.and_role(role)
    }

    /// Asks for a scope besides.
    ///
    /// # Panics
    /// When it is no `scope-token` (RFC 6749 3.3).
    pub fn and_scope(mut self, scope: &'static str) -> Require {
        self.scopes.push(word(scope));
        self
    }

    /// Asks for a role besides.
    ///
    /// # Panics
    /// When it has spaces, or characters that need escapes.
    pub fn and_role(mut self, role: &'static str) -> Require {
        self.roles.push(word(role));
        self
    }

    /// What `principal` lacks, in words.
    fn lacking(&self, principal: &Principal) -> Option<String> {
        let lacks = |wanted: &[&'static str], has: &[String]| {
            wanted.iter().copied().find(|&wanted| has.iter().all(|own| own != wanted))
        };
        let scope = lacks(&self.scopes, &principal.scopes).map(|scope| format!("the scope {scope} is needed"));
        scope.or_else(|| lacks(&self.roles, &principal.roles).map(|role| format!("the role {role} is needed")))
    }
}

impl Middleware for Require {
    async fn handle<N: Handler>(&self, request: Request, next: &N) -> Response {
        let (Some(principal), Some(&realm)) = (request.value::<Principal>(), request.value::<Realm>()) else {
            return Problem::internal("a route requires something of nobody: no bearer was asked for").into_response();
        };
        let Some(lacking) = self.lacking(principal) else { return next.handle(request).await };
        // RFC 6750 3: the scopes that are necessary, all of them. A role cannot be asked for at the issuer.
        let scopes = (!self.scopes.is_empty()).then(|| self.scopes.join(" "));
        let challenge = challenge(realm, Some(("insufficient_scope", &lacking)), scopes.as_deref());
        let problem = Problem::new(Fault::InsufficientScope).with_detail(lacking);
        problem.into_response().with(name::WWW_AUTHENTICATE, challenge)
    }

    fn link(&self) -> Link {
        Link { name: "require", place: None }
    }
}

fn word(word: &'static str) -> &'static str {
    assert!(!word.is_empty() && word.chars().all(|char| is_plain(char) && char != ' '), "{word:?} is no scope or role");
    word
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::http::Status;

    fn words(words: &str) -> Vec<String> {
        words.split_whitespace().map(str::to_owned).collect()
    }

    /// What somebody of these scopes and roles is answered.
    async fn check(require: Require, (scopes, roles): (&str, &str), expected: Option<&str>) {
        let (scopes, roles) = (words(scopes), words(roles));
        let mut request = Request::get("/");
        request.insert(Realm("here"));
        request.insert(Principal { subject: "ada".to_owned(), client: None, scopes, roles });
        let answer = require.clone().around(|_: Request| async { "in" }).handle(request).await;
        let status = if expected.is_some() { Status::FORBIDDEN } else { Status::OK };
        assert_eq!((answer.status(), answer.field(name::WWW_AUTHENTICATE)), (status, expected), "{require:?}");
    }

    #[tokio::test]
    async fn who_has_all_that_is_asked_for_is_let_in() {
        check(Require::scope("a:read"), ("a:write a:read", ""), None).await;
        check(Require::role("admin"), ("", "customer admin"), None).await;
        check(Require::scope("a:read").and_role("admin").and_scope("b"), ("a:read b", "admin"), None).await;
    }

    #[tokio::test]
    async fn who_lacks_something_is_told_what() {
        let scope = "Bearer realm=\"here\", error=\"insufficient_scope\", \
                     error_description=\"the scope a:read is needed\", scope=\"a:read\"";
        for scopes in ["", "a", "a:reader", "A:READ", "a:rea"] {
            check(Require::scope("a:read"), (scopes, "a:read"), Some(scope)).await;
        }
        let role =
            "Bearer realm=\"here\", error=\"insufficient_scope\", error_description=\"the role admin is needed\"";
        check(Require::role("admin"), ("admin", "customer"), Some(role)).await;
        let both = "Bearer realm=\"here\", error=\"insufficient_scope\", \
                    error_description=\"the role admin is needed\", scope=\"a b\"";
        check(Require::scope("a").and_scope("b").and_role("admin"), ("b a", "customer"), Some(both)).await;
    }

    #[tokio::test]
    async fn where_nobody_was_asked_who_they_are_nobody_is_let_in() {
        let handler = Require::scope("a").around(|_: Request| async { "in" });
        assert_eq!(handler.handle(Request::get("/")).await.status(), Status::INTERNAL_SERVER_ERROR);
    }

    #[test]
    fn what_could_not_stand_in_a_challenge_is_refused_at_the_start() {
        for wrong in ["", "a b", "a\"", "a\\", "a\r\n", "é"] {
            assert!(std::panic::catch_unwind(|| Require::scope(wrong)).is_err(), "{wrong:?}");
            assert!(std::panic::catch_unwind(|| Require::role(wrong)).is_err(), "{wrong:?}");
        }
    }
}
