//! Owns who may read our answers from a page of another origin.
//!
//! The one idea: a browser sends most requests anyway and hides the answer from the page unless we say otherwise. So this
//! layer grants reading and refuses nothing: it is no protection of the server, and a request from a foreign page is
//! handled like any other.
//!
//! ```text
//!   OPTIONS + Origin + Access-Control-Request-Method    a preflight: answered here, 204
//!   anything else                                       handled inside; the answer gets the grant
//! ```
//!
//! Caches: when the grant depends on the origin, every answer says `Vary: Origin`, also one to a request without an
//! origin; otherwise a cache would give the answer for one page to another. When any origin is granted, every answer says
//! `*`, and nothing varies.
//!
//! Spec: Fetch 3.2 (CORS protocol), RFC 6454 7 (`Origin`), RFC 9110 12.5.5 (`Vary`).
//! Never: grants credentials to any origin; reflects an origin that is not in the list; touches a grant that a handler made.
//! Place: before the limiter: a preflight is the browser's question, not the client's request.

use std::fmt;
use std::time::Duration;

use crate::http::field::name;
use crate::http::handler::Link;
use crate::http::middleware::Place;
use crate::http::{Fields, Handler, Method, Middleware, Request, Response, Status};

const ALLOW_ORIGIN: &str = "Access-Control-Allow-Origin";
const ALLOW_CREDENTIALS: &str = "Access-Control-Allow-Credentials";
const ALLOW_METHODS: &str = "Access-Control-Allow-Methods";
const ALLOW_FIELDS: &str = "Access-Control-Allow-Headers";
const EXPOSE_FIELDS: &str = "Access-Control-Expose-Headers";
const MAX_AGE: &str = "Access-Control-Max-Age";
const REQUEST_METHOD: &str = "Access-Control-Request-Method";

/// Grants pages of other origins to read answers.
#[derive(Clone, Debug)]
pub struct Cors {
    origins: Origins,
    credentials: bool,
    methods: String,
    fields: String,
    exposed: String,
    max_age: Duration,
    /// What every answer gets when any origin is granted.
    granted_to_any: Fields,
}

#[derive(Clone, Debug)]
enum Origins {
    Any,
    Listed(Vec<String>),
}

/// Why a text is no origin that a browser would send.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct OriginError {
    origin: String,
    why: &'static str,
}

impl Cors {
    /// Grants every origin, without credentials.
    pub fn any() -> Cors {
        let cors = Cors {
            origins: Origins::Any,
            credentials: false,
            methods: "GET, HEAD, POST, PUT, PATCH, DELETE".to_owned(),
            fields: "Content-Type, Authorization, X-Request-Id".to_owned(),
            exposed: String::new(),
            max_age: Duration::from_secs(600),
            granted_to_any: Fields::new(),
        };
        cors.expose(&["Location", "Retry-After", "RateLimit", "RateLimit-Policy", "X-Request-Id"])
    }

    /// Grants these origins, each written as a browser writes it: `https://app.example` or `http://localhost:3000`.
    ///
    /// # Errors
    /// [`OriginError`] for the first that no browser would ever send.
    pub fn origins<I>(origins: I) -> Result<Cors, OriginError>
    where
        I: IntoIterator,
        I::Item: Into<String>,
    {
        let checked = |origin: I::Item| {
            let origin = origin.into();
            match fault_of(&origin) {
                Some(why) => Err(OriginError { origin, why }),
                None => Ok(origin),
            }
        };
        let listed = origins.into_iter().map(checked).collect::<Result<_, _>>()?;
        Ok(Cors { origins: Origins::Listed(listed), ..Cors::any() })
    }

    /// Grants cookies and the like to the listed origins.
    ///
    /// # Panics
    /// When any origin is granted: every page in the world could then act in the name of its visitor.
    pub fn credentials(mut self) -> Cors {
        assert!(matches!(self.origins, Origins::Listed(_)), "credentials are granted to listed origins only");
        self.credentials = true;
        self
    }

    /// Replaces the methods that pages may use.
    pub fn methods(mut self, methods: &[Method]) -> Cors {
        self.methods = methods.iter().map(Method::as_str).collect::<Vec<_>>().join(", ");
        self
    }

    /// Replaces the request fields that pages may set.
    pub fn fields(mut self, names: &[&str]) -> Cors {
        self.fields = names.join(", ");
        self
    }

    /// Replaces the response fields that pages may read, besides those that they always may.
    pub fn expose(mut self, names: &[&str]) -> Cors {
        self.exposed = names.join(", ");
        self.granted_to_any = Fields::new();
        self.granted_to_any.append_escaped(ALLOW_ORIGIN, "*");
        expose(&mut self.granted_to_any, &self.exposed);
        self
    }

    /// Replaces how long a browser need not ask again.
    pub fn max_age(mut self, max_age: Duration) -> Cors {
        self.max_age = max_age;
        self
    }

    /// The value of Access-Control-Allow-Origin for a request from `origin`.
    fn grant<'a>(&self, origin: Option<&'a str>) -> Option<&'a str> {
        match &self.origins {
            Origins::Any => Some("*"),
            Origins::Listed(listed) => origin.filter(|origin| listed.iter().any(|granted| granted == origin)),
        }
    }

    fn preflight(&self, granted: Option<&str>) -> Response {
        let mut response = Response::new(Status::NO_CONTENT);
        let fields = response.fields_mut();
        self.tell(fields, granted);
        if granted.is_some() {
            fields.append_escaped(ALLOW_METHODS, &self.methods);
            fields.append_escaped(ALLOW_FIELDS, &self.fields);
            fields.append_escaped(MAX_AGE, self.max_age.as_secs().to_string());
        }
        response
    }

    /// States the grant, and that it depends on the origin.
    fn tell(&self, fields: &mut Fields, granted: Option<&str>) {
        if matches!(self.origins, Origins::Listed(_)) {
            vary_by_origin(fields);
        }
        let Some(granted) = granted else { return };
        fields.append_escaped(ALLOW_ORIGIN, granted);
        if self.credentials {
            fields.append_escaped(ALLOW_CREDENTIALS, "true");
        }
    }
}

impl Middleware for Cors {
    async fn handle<N: Handler>(&self, request: Request, next: &N) -> Response {
        let origin = request.field(name::ORIGIN).map(str::to_owned);
        let granted = self.grant(origin.as_deref());
        if origin.is_some() && request.method() == Method::OPTIONS && request.fields().contains(REQUEST_METHOD) {
            return self.preflight(granted);
        }
        let mut response = next.handle(request).await;
        let fields = response.fields_mut();
        match &self.origins {
            _ if fields.contains(ALLOW_ORIGIN) => {}
            Origins::Any => fields.extend(&self.granted_to_any),
            Origins::Listed(_) => {
                self.tell(fields, granted);
                if granted.is_some() {
                    expose(fields, &self.exposed);
                }
            }
        }
        response
    }

    fn link(&self) -> Link {
        Link { name: "cors", place: Some(Place::Cors) }
    }
}

fn expose(fields: &mut Fields, names: &str) {
    if !names.is_empty() {
        fields.append_escaped(EXPOSE_FIELDS, names);
    }
}

fn vary_by_origin(fields: &mut Fields) {
    let varies = |member: &[u8]| member == b"*" || member.eq_ignore_ascii_case(name::ORIGIN.as_bytes());
    if !fields.list(name::VARY).any(varies) {
        fields.append_escaped(name::VARY, name::ORIGIN);
    }
}

/// Why no browser would send this origin.
fn fault_of(origin: &str) -> Option<&'static str> {
    let Some((scheme, rest)) = origin.split_once("://") else {
        return Some("it has no scheme: write https://app.example");
    };
    let host_byte = |byte: u8| byte.is_ascii_alphanumeric() || matches!(byte, b'.' | b'-' | b'_' | b':' | b'[' | b']');
    if rest.contains('/') {
        Some("an origin ends behind the host or its port, without a slash")
    } else if scheme.is_empty() || rest.is_empty() || !rest.bytes().all(host_byte) {
        Some("it is no scheme://host or scheme://host:port; there are no wildcards")
    } else if origin.bytes().any(|byte| byte.is_ascii_uppercase()) {
        Some("browsers send origins in lower case")
    } else if (scheme == "http" && rest.ends_with(":80")) || (scheme == "https" && rest.ends_with(":443")) {
        Some("browsers leave out the scheme's default port")
    } else {
        None
    }
}

impl fmt::Display for OriginError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:?} is no origin that a browser sends: {}", self.origin, self.why)
    }
}

impl std::error::Error for OriginError {}

#[cfg(test)]
mod tests {
    use super::*;

    const APP: &str = "https://app.example";

    fn listed() -> Cors {
        Cors::origins([APP, "http://localhost:3000"]).expect("origins")
    }

    /// The fields that this layer may set, as `name: value` lines.
    async fn answer(cors: Cors, request: Request) -> (Status, Vec<String>) {
        let handler = cors.around(|request: Request| async move {
            assert_ne!(request.field(REQUEST_METHOD), Some("PUT"), "a preflight reached the handler");
            Response::text("content")
        });
        let response = handler.handle(request).await;
        let ours = |name: &str| name == "Vary" || name.starts_with("Access-Control-");
        let lines = response.fields().iter().filter(|(name, _)| ours(name));
        (response.status(), lines.map(|(name, value)| format!("{name}: {}", String::from_utf8_lossy(value))).collect())
    }

    fn preflight(origin: &str) -> Request {
        Request::of(Method::OPTIONS, "/").with("Origin", origin).with("Access-Control-Request-Method", "PUT")
    }

    #[tokio::test]
    async fn any_origin_is_granted_with_an_asterisk_and_nothing_varies() {
        let exposed = "Access-Control-Expose-Headers: X-Seen";
        for request in
            [Request::get("/"), Request::get("/").with("Origin", APP), Request::get("/").with("Origin", "null")]
        {
            let (_, fields) = answer(Cors::any().expose(&["X-Seen"]), request).await;
            assert_eq!(fields, ["Access-Control-Allow-Origin: *", exposed]);
        }
    }

    #[tokio::test]
    async fn a_listed_origin_is_granted_and_every_answer_varies() {
        let granted = answer(listed().expose(&[]), Request::get("/").with("Origin", APP)).await;
        assert_eq!(
            granted,
            (Status::OK, vec!["Vary: Origin".to_owned(), format!("Access-Control-Allow-Origin: {APP}")])
        );
        for origin in [
            "https://evil.example",
            "https://app.example.evil",
            "https://app.example:8443",
            "HTTPS://APP.EXAMPLE",
            "null",
            "",
            "*",
        ] {
            let refused = answer(listed(), Request::get("/").with("Origin", origin)).await;
            assert_eq!(refused, (Status::OK, vec!["Vary: Origin".to_owned()]), "{origin}");
        }
        assert_eq!(answer(listed(), Request::get("/")).await.1, ["Vary: Origin"], "without an origin");
    }

    #[tokio::test]
    async fn a_preflight_is_answered_here() {
        let cors =
            listed().methods(&[Method::GET, Method::PUT]).fields(&["Content-Type"]).max_age(Duration::from_secs(5));
        let granted = answer(cors.clone(), preflight("http://localhost:3000")).await;
        let expected = [
            "Vary: Origin",
            "Access-Control-Allow-Origin: http://localhost:3000",
            "Access-Control-Allow-Methods: GET, PUT",
            "Access-Control-Allow-Headers: Content-Type",
            "Access-Control-Max-Age: 5",
        ];
        assert_eq!(granted, (Status::NO_CONTENT, expected.map(str::to_owned).to_vec()));
        let refused = answer(cors, preflight("https://evil.example")).await;
        assert_eq!(refused, (Status::NO_CONTENT, vec!["Vary: Origin".to_owned()]));
        assert_eq!(answer(Cors::any(), preflight(APP)).await.1[0], "Access-Control-Allow-Origin: *");
    }

    #[tokio::test]
    async fn an_ordinary_options_reaches_the_handler() {
        for request in [
            Request::of(Method::OPTIONS, "/"),
            Request::of(Method::OPTIONS, "/").with("Origin", APP),
            Request::of(Method::OPTIONS, "/").with("Access-Control-Request-Method", "GET"),
        ] {
            assert_eq!(answer(listed(), request).await.0, Status::OK);
        }
    }

    #[tokio::test]
    async fn credentials_are_for_listed_origins() {
        let (_, fields) = answer(listed().credentials(), Request::get("/").with("Origin", APP)).await;
        assert!(fields.contains(&"Access-Control-Allow-Credentials: true".to_owned()), "{fields:?}");
        let (_, fields) =
            answer(listed().credentials(), Request::get("/").with("Origin", "https://evil.example")).await;
        assert_eq!(fields, ["Vary: Origin"]);
        assert!(std::panic::catch_unwind(|| Cors::any().credentials()).is_err());
    }

    #[tokio::test]
    async fn what_the_handler_set_is_left_alone() {
        let own = |_: Request| async {
            Response::text("").with("Vary", "accept, ORIGIN").with(ALLOW_ORIGIN, "https://b.example")
        };
        let response = listed().around(own).handle(Request::get("/").with("Origin", APP)).await;
        assert_eq!(response.fields().all(ALLOW_ORIGIN).collect::<Vec<_>>(), [&b"https://b.example"[..]]);
        let varies = |_: Request| async { Response::text("").with("Vary", "accept, ORIGIN") };
        let response = listed().around(varies).handle(Request::get("/")).await;
        assert_eq!(response.fields().all("vary").count(), 1);
    }

    #[test]
    fn an_origin_that_no_browser_sends_is_explained() {
        for wrong in [
            "",
            "*",
            "null",
            "app.example",
            "https://app.example/",
            "https://app.example/path",
            "https://",
            "://app.example",
            "https://*.example",
            "https://a b",
            "https://App.example",
            "HTTPS://app.example",
            "http://app.example:80",
            "https://app.example:443",
            "https://a.example, https://b.example",
        ] {
            assert!(Cors::origins([wrong]).is_err(), "{wrong}");
        }
        for right in ["https://app.example", "http://localhost:3000", "http://[::1]:3000", "https://a.example:80"] {
            assert!(Cors::origins([right]).is_ok(), "{right}");
        }
        let error = Cors::origins(["https://app.example/"]).expect_err("a slash");
        assert!(error.to_string().ends_with("without a slash"), "{error}");
    }
}
