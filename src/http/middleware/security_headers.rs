//! Owns the response fields that tell a browser to be careful.
//!
//! The one idea: strict unless a handler says otherwise. A JSON API needs no script, frame or form; a page that does
//! states its own policy, and what a handler has stated is never touched.
//!
//! | field | default | what it prevents |
//! |---|---|---|
//! | `X-Content-Type-Options` | `nosniff` | text guessed to be a script or a page |
//! | `Content-Security-Policy` | nothing may be loaded, framed or submitted | injected script |
//! | `X-Frame-Options` | `DENY` | clickjacking, in browsers that do not know `frame-ancestors` |
//! | `Referrer-Policy` | `no-referrer` | our URLs leaking to other sites |
//! | `Cross-Origin-Opener-Policy` | `same-origin` | a handle to our window in a foreign one |
//!
//! `Strict-Transport-Security` is missing on purpose: this port has no TLS, and whoever ends TLS before it states that.
//!
//! Spec: Content Security Policy 3, Referrer Policy, Fetch 3.7 (`nosniff`), RFC 7034 (X-Frame-Options).
//! Never: overwrites or doubles a field.
//! Place: outside of everything that may refuse, so that refusals have the fields too.

use crate::http::handler::Link;
use crate::http::middleware::Place;
use crate::http::{Fields, Handler, Middleware, Request, Response};

/// The policy of an answer that states none.
pub const STRICT_POLICY: &str = "default-src 'none'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'";

const POLICY: &str = "Content-Security-Policy";
const FRAME_OPTIONS: &str = "X-Frame-Options";

/// Fields besides the policy and its older form.
const OTHERS: [(&str, &str); 3] = [
    ("X-Content-Type-Options", "nosniff"),
    ("Referrer-Policy", "no-referrer"),
    ("Cross-Origin-Opener-Policy", "same-origin"),
];

/// Adds the fields of the table above to answers that lack them.
#[derive(Clone, Debug)]
pub struct SecurityHeaders {
    policy: String,
    /// What an answer gets that has none of the fields.
    all: Fields,
}

impl Default for SecurityHeaders {
    fn default() -> Self {
        SecurityHeaders::with_policy(STRICT_POLICY.to_owned())
    }
}

impl SecurityHeaders {
    /// Replaces the Content-Security-Policy of answers that state none.
    pub fn policy(self, policy: impl Into<String>) -> SecurityHeaders {
        SecurityHeaders::with_policy(policy.into())
    }

    fn with_policy(policy: String) -> SecurityHeaders {
        let mut headers = SecurityHeaders { policy, all: Fields::new() };
        let mut all = Fields::new();
        headers.complete(&mut all);
        headers.all = all;
        headers
    }

    /// Adds what is missing in `fields`.
    fn complete(&self, fields: &mut Fields) {
        // A handler that states a policy has decided who may frame it: the older field must not contradict.
        if !fields.contains(POLICY) {
            if self.policy.contains("frame-ancestors 'none'") {
                append_absent(fields, FRAME_OPTIONS, "DENY");
            }
            fields.append_escaped(POLICY, &self.policy);
        }
        OTHERS.iter().for_each(|(name, value)| append_absent(fields, name, value));
    }
}

impl Middleware for SecurityHeaders {
    async fn handle<N: Handler>(&self, request: Request, next: &N) -> Response {
        let mut response = next.handle(request).await;
        let fields = response.fields_mut();
        if fields.shares_a_name_with(&self.all) {
            self.complete(fields)
        } else {
            fields.extend(&self.all)
        }
        response
    }

    fn link(&self) -> Link {
        Link { name: "security_headers", place: Some(Place::SecurityHeaders) }
    }
}

fn append_absent(fields: &mut Fields, name: &str, value: &str) {
    if !fields.contains(name) {
        fields.append_escaped(name, value);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    async fn fields_of(answer: fn() -> Response) -> Vec<(String, String)> {
        let handler = SecurityHeaders::default().around(move |_: Request| async move { answer() });
        let response = handler.handle(Request::get("/")).await;
        let text = |value: &[u8]| String::from_utf8_lossy(value).into_owned();
        let mut fields: Vec<_> =
            response.fields().iter().map(|(name, value)| (name.to_lowercase(), text(value))).collect();
        fields.sort();
        fields
    }

    fn check(fields: &[(String, String)], expected: &[(&str, &str)]) {
        let seen: Vec<_> = fields.iter().map(|(name, value)| (name.as_str(), value.as_str())).collect();
        assert_eq!(seen, expected);
    }

    #[tokio::test]
    async fn a_plain_answer_gets_all_of_them() {
        let fields = fields_of(|| Response::new(crate::http::Status::NOT_FOUND)).await;
        check(
            &fields,
            &[
                ("content-security-policy", STRICT_POLICY),
                ("cross-origin-opener-policy", "same-origin"),
                ("referrer-policy", "no-referrer"),
                ("x-content-type-options", "nosniff"),
                ("x-frame-options", "DENY"),
            ],
        );
    }

    #[tokio::test]
    async fn what_the_handler_has_set_stays_and_stands_once() {
        let fields = fields_of(|| {
            Response::new(crate::http::Status::OK)
                .with("content-security-policy", "default-src 'self'; frame-ancestors https://a.example")
                .with("Referrer-Policy", "origin")
                .with("CROSS-ORIGIN-OPENER-POLICY", "unsafe-none")
        })
        .await;
        check(
            &fields,
            &[
                ("content-security-policy", "default-src 'self'; frame-ancestors https://a.example"),
                ("cross-origin-opener-policy", "unsafe-none"),
                ("referrer-policy", "origin"),
                ("x-content-type-options", "nosniff"),
            ],
        );
    }

    #[tokio::test]
    async fn another_default_policy_decides_on_frames_alone() {
        let handler = SecurityHeaders::default().policy("default-src 'self'").around(|_: Request| async { "page" });
        let response = handler.handle(Request::get("/")).await;
        assert_eq!(response.field("content-security-policy"), Some("default-src 'self'"));
        assert_eq!(response.field("x-frame-options"), None);
    }
}
