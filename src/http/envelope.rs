//! Owns the shape that JSON applications answer in: one envelope, the same for success and failure.
//!
//! ```text
//!   {"success":true,"data":…}                            {"success":false,"error":{"code":…,"message":…}}
//!   {"success":true,"data":…,"meta":{"page":1,…}}        {"success":false,"error":{…,"fields":{"text":"is empty"}}}
//! ```
//!
//! The one idea: a program looks at one member first and knows the rest. So nothing may answer in another shape: the
//! middleware [`Envelope`] puts what the server refuses by itself (404, 405, 413, 429, 500 …) into a failure too. The
//! status says the same as ever; the envelope repeats nothing of it.
//!
//! Codes: those of the catalogue, as `/errors` lists them, in capitals; an application's own in lower case. They do not
//! change; messages may.
//!
//! Spec: RFC 8259 (JSON), RFC 9110 15.
//! Never: sends what went wrong inside.

use serde::ser::{Serialize, SerializeMap, SerializeStruct, Serializer};

use crate::http::field::name;
use crate::http::handler::Link;
use crate::http::{Handler, IntoResponse, Middleware, Problem, Request, Response, Status};

/// An answer with data, and perhaps with what there is to say about the data.
///
/// ```
/// use firstbyte::http::IntoResponse;
/// use firstbyte::http::envelope::Success;
///
/// let response = Success::new(["a", "b"]).into_response();
/// assert_eq!(response.field("content-type"), Some("application/json"));
/// ```
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Success<T, M = ()> {
    data: T,
    meta: Option<M>,
}

/// An answer that says why there is no data.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Failure {
    status: Status,
    code: &'static str,
    message: String,
    fields: Vec<(String, String)>,
}

/// Puts the refusals of the layers inside into a [`Failure`]. Their other fields stay.
#[derive(Clone, Copy, Debug, Default)]
pub struct Envelope;

impl<T> Success<T> {
    /// An answer with `data`.
    pub fn new(data: T) -> Success<T> {
        Success { data, meta: None }
    }

    /// Adds what there is to say about the data: which page it is, say.
    pub fn with_meta<M>(self, meta: M) -> Success<T, M> {
        Success { data: self.data, meta: Some(meta) }
    }
}

impl Failure {
    /// A failure that `message` explains to a person and `code` to a program.
    pub fn new(status: Status, code: &'static str, message: impl Into<String>) -> Failure {
        Failure { status, code, message: message.into(), fields: Vec::new() }
    }

    /// Adds what is wrong with one field of the input. A name stands once: the first word counts.
    pub fn with_field(mut self, field: impl Into<String>, message: impl Into<String>) -> Failure {
        let field = field.into();
        if self.fields.iter().all(|(other, _)| *other != field) {
            self.fields.push((field, message.into()));
        }
        self
    }
}

impl From<&Problem> for Failure {
    fn from(problem: &Problem) -> Failure {
        let fault = problem.fault();
        let failure = Failure::new(fault.status(), fault.code(), fault.title());
        match (problem.field(), problem.detail()) {
            (Some(field), detail) => failure.with_field(field, detail.unwrap_or("is wrong")),
            (None, Some(detail)) => Failure { message: format!("{}: {detail}", failure.message), ..failure },
            (None, None) => failure,
        }
    }
}

impl Middleware for Envelope {
    async fn handle<N: Handler>(&self, request: Request, next: &N) -> Response {
        let response = next.handle(request).await;
        // The problem stays with the answer: it is logged, traced and counted as what it is.
        let Some(problem) = response.problem() else { return response };
        // The status may have been changed on the way here; the problem's is where it began.
        let failure = Failure { status: response.status(), ..Failure::from(problem) };
        let mut enveloped = failure.into_response();
        let content = std::mem::take(enveloped.body_mut());
        response.with_content(enveloped.field(name::CONTENT_TYPE).unwrap_or_default(), content)
    }

    fn link(&self) -> Link {
        Link { name: "envelope", place: None }
    }
}

impl<T: Serialize, M: Serialize> Serialize for Success<T, M> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let mut envelope = serializer.serialize_struct("Success", 2 + usize::from(self.meta.is_some()))?;
        envelope.serialize_field("success", &true)?;
        envelope.serialize_field("data", &self.data)?;
        if let Some(meta) = &self.meta {
            envelope.serialize_field("meta", meta)?;
        }
        envelope.end()
    }
}

impl Serialize for Failure {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let mut envelope = serializer.serialize_struct("Failure", 2)?;
        envelope.serialize_field("success", &false)?;
        envelope.serialize_field("error", &Error(self))?;
        envelope.end()
    }
}

/// The member `error`.
struct Error<'a>(&'a Failure);

impl Serialize for Error<'_> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let Failure { code, message, fields, .. } = self.0;
        let mut error = serializer.serialize_struct("Error", 2 + usize::from(!fields.is_empty()))?;
        error.serialize_field("code", code)?;
        error.serialize_field("message", message)?;
        if !fields.is_empty() {
            error.serialize_field("fields", &Fields(fields))?;
        }
        error.end()
    }
}

/// The member `fields`: an object in the order in which its members were found wrong.
struct Fields<'a>(&'a [(String, String)]);

impl Serialize for Fields<'_> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let mut fields = serializer.serialize_map(Some(self.0.len()))?;
        for (field, message) in self.0 {
            fields.serialize_entry(field, message)?;
        }
        fields.end()
    }
}

#[diagnostic::do_not_recommend]
impl<T: Serialize, M: Serialize> IntoResponse for Success<T, M> {
    fn into_response(self) -> Response {
        Response::json(&self)
    }
}

#[diagnostic::do_not_recommend]
impl IntoResponse for Failure {
    fn into_response(self) -> Response {
        Response::json(&self).with_status(self.status)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::http::middleware::{BodyLimit, Recover};
    use crate::http::test::call;
    use crate::http::{Fault, Router};

    async fn check(answer: impl IntoResponse, status: Status, expected: &str) {
        let answer = crate::http::test::Answer::of(answer.into_response()).await;
        assert_eq!((answer.status, answer.text()), (status, expected));
        assert_eq!(answer.field("content-type"), Some("application/json"));
    }

    #[tokio::test]
    async fn success_holds_data_and_perhaps_meta() {
        check(Success::new(7), Status::OK, r#"{"success":true,"data":7}"#).await;
        check(Success::new(()), Status::OK, r#"{"success":true,"data":null}"#).await;
        let paged = Success::new(["a"]).with_meta(std::collections::BTreeMap::from([("page", 1)]));
        check(paged, Status::OK, r#"{"success":true,"data":["a"],"meta":{"page":1}}"#).await;
        check((Status::CREATED, Success::new("x")), Status::CREATED, r#"{"success":true,"data":"x"}"#).await;
    }

    #[tokio::test]
    async fn failure_holds_a_code_and_every_wrong_field_once() {
        let failure = Failure::new(Status::CONFLICT, "taken", "this name is \"taken\"");
        let expected = r#"{"success":false,"error":{"code":"taken","message":"this name is \"taken\""}}"#;
        check(failure, Status::CONFLICT, expected).await;
        let failure = Failure::new(Status::UNPROCESSABLE_CONTENT, "invalid", "two fields are wrong")
            .with_field("text", "is empty")
            .with_field("author", "is missing")
            .with_field("text", "is too long");
        let fields = r#""fields":{"text":"is empty","author":"is missing"}"#;
        let expected =
            format!(r#"{{"success":false,"error":{{"code":"invalid","message":"two fields are wrong",{fields}}}}}"#);
        check(failure, Status::UNPROCESSABLE_CONTENT, &expected).await;
    }

    #[tokio::test]
    async fn what_was_refused_is_known_to_whoever_counts_it() {
        async fn nothing(_: Request) -> Response {
            Problem::new(Fault::NotFound).into_response()
        }
        let response = Envelope.around(nothing).handle(Request::get("/")).await;
        assert_eq!(response.problem().map(Problem::fault), Some(Fault::NotFound));
        assert_eq!(response.field(name::CONTENT_TYPE), Some("application/json"));
    }

    #[tokio::test]
    async fn a_problem_becomes_a_failure() {
        let problem = Problem::new(Fault::NotFound).with_detail("nothing is at /x");
        let expected = r#"{"success":false,"error":{"code":"HTTP-ROUTE-001","message":"nothing is served at this path: nothing is at /x"}}"#;
        check(Failure::from(&problem), Status::NOT_FOUND, expected).await;
        let problem = Problem::new(Fault::InvalidQueryField).with_field("page").with_detail("invalid digit");
        let expected = r#"{"success":false,"error":{"code":"HTTP-INPUT-006","message":"a query field has a wrong value","fields":{"page":"invalid digit"}}}"#;
        check(Failure::from(&problem), Status::BAD_REQUEST, expected).await;
    }

    #[tokio::test]
    async fn whatever_is_refused_inside_comes_in_the_envelope_with_its_fields() {
        let routes = Router::new(())
            .route("GET /ok", |(), _| async { "plain" })
            .route("GET /panic", |(), _| async { panic!("a secret") as &str })
            .build()
            .expect("a table");
        let handler = Envelope.around(Recover.around(BodyLimit::new(1).around(routes)));
        for (request, code) in [
            (Request::get("/nowhere"), "HTTP-ROUTE-001"),
            (Request::post("/ok", ""), "HTTP-ROUTE-002"),
            (Request::post("/ok", "too long"), "H1-CONTENT-001"),
            (Request::get("/panic"), "HTTP-SERVER-001"),
        ] {
            let answer = call(&handler, request).await;
            let json: serde_json::Value = answer.json();
            assert_eq!((&json["success"], &json["error"]["code"]), (&false.into(), &code.into()));
            assert_eq!(answer.fields.all("content-type").collect::<Vec<_>>(), [b"application/json"]);
            assert!(!answer.text().contains("secret"));
        }
        assert!(call(&handler, Request::post("/ok", "")).await.field("allow").is_some());
        assert_eq!(call(&handler, Request::get("/ok")).await.text(), "plain");
    }
}
