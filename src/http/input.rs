//! Owns typed input: what a handler asks of a request, as a value of its own types.
//!
//! The one idea: reading is a method that gives a value or a [`Rejection`], and the rejection is an answer that names the
//! input at fault. A handler writes `?` and reads on.
//!
//! ```text
//!   path("id")  ─┐
//!   query()      ├─> T
//!   json() form()│
//!   text()       └─> Rejection ─> 400 no such syntax · 413 too long · 415 another type · 422 another shape
//! ```
//!
//! Spec: RFC 9110 8.3 (Content-Type), 8.4 (Content-Encoding), 15.5.16 (415 says what is accepted), 15.5.21 (422);
//! RFC 8259 (JSON); RFC 6839 3.1 (`+json`); RFC 3986 2.1 (percent-encoding); the WHATWG URL standard 5 (forms and
//! queries: what is no UTF-8 becomes U+FFFD). Stricter: content without a type is of no type.
//! Never: guesses a type; quotes more than [`QUOTED_CHARS_MAX`] characters of the input.
//! Limits: the route's `content_bytes_max`; 128 levels of JSON.

use std::any::type_name;
use std::borrow::Cow;
use std::fmt;
use std::str::FromStr;

use bytes::Bytes;
use serde::de::DeserializeOwned;
use serde_json::error::Category;

use crate::http::explain::Problem;
use crate::http::field::name;
use crate::http::h1::grammar;
use crate::http::{BodyError, Fault, IntoResponse, Request, Response};

/// Characters that a detail or a field name of a rejection may have: an input's mistake is not sent back whole.
pub const QUOTED_CHARS_MAX: usize = 240;

/// Arrays and objects within each other that the reader of JSON follows: its own bound.
pub const JSON_DEPTH_MAX: usize = 127;

/// Why a request cannot be used, ready to be its answer.
#[derive(Debug)]
pub struct Rejection {
    problem: Box<Problem>,
    /// A field that tells the client what would be accepted.
    remedy: Option<(&'static str, &'static str)>,
}

/// A media type that content may have to be of.
#[derive(Clone, Copy, Debug)]
enum Wanted {
    Json,
    Form,
}

impl Request {
    /// A part of the path: what the wildcard `{name}` of the route's pattern matched, percent-decoded. In the value of a
    /// `{name...}`, a `/` may have been sent as `%2F`.
    ///
    /// # Errors
    /// 400 naming the parameter, when it is no UTF-8 or no `T`.
    ///
    /// # Panics
    /// When the route that was matched has no `{name}`, or none was matched because the handler is called without a
    /// router. Nothing that a peer sends leads there.
    #[track_caller]
    pub fn path<T>(&self, name: &str) -> Result<T, Rejection>
    where
        T: FromStr,
        T::Err: fmt::Display,
    {
        let raw = self.capture(name);
        let refuse = |detail: String| Rejection::of(Fault::InvalidPathParameter, name, detail);
        let text = percent_decoded(raw).ok_or_else(|| refuse(format!("{raw} does not decode to UTF-8")))?;
        text.parse().map_err(|error| refuse(format!("{text:?} is no {}: {error}", short_name::<T>())))
    }

    /// The query, `a=1&b=2`, as a value. A request without a query has an empty one.
    ///
    /// # Errors
    /// 400 naming the field that is missing or wrong.
    pub fn query<T: DeserializeOwned>(&self) -> Result<T, Rejection> {
        let query = self.target_query().unwrap_or_default();
        from_pairs(query.as_bytes(), Fault::MissingQueryField, Fault::InvalidQueryField)
    }

    /// The content, `application/json` or another `+json`, as a value.
    ///
    /// # Errors
    /// 415 for another type; 413 past the route's limit; 400 with line and column where it is no JSON; 422 with the path
    /// of the value that is missing or wrong; whatever ended the content early.
    ///
    /// # Cancel safety
    /// As [`Request::bytes`].
    pub async fn json<T: DeserializeOwned>(&mut self) -> Result<T, Rejection> {
        self.expect_type(Wanted::Json)?;
        from_json(&self.bytes().await?)
    }

    /// The content, `application/x-www-form-urlencoded`, as a value.
    ///
    /// # Errors
    /// 415 for another type; 413 past the route's limit; 422 naming the field that is missing or wrong; whatever ended
    /// the content early.
    ///
    /// # Cancel safety
    /// As [`Request::bytes`].
    pub async fn form<T: DeserializeOwned>(&mut self) -> Result<T, Rejection> {
        self.expect_type(Wanted::Form)?;
        from_pairs(&self.bytes().await?, Fault::MissingFormField, Fault::InvalidFormField)
    }

    /// The content as text, whatever its type is said to be.
    ///
    /// # Errors
    /// 400 naming the first byte that is no UTF-8; 415 when it is compressed; else as [`Request::bytes`].
    ///
    /// # Cancel safety
    /// As [`Request::bytes`].
    pub async fn text(&mut self) -> Result<String, Rejection> {
        self.expect_plain()?;
        String::from_utf8(self.bytes().await?.into()).map_err(|error| {
            let at = error.utf8_error().valid_up_to();
            Problem::new(Fault::InvalidText).with_detail(format!("byte {at} of the content is no UTF-8")).into()
        })
    }

    /// All of the content, as it came.
    ///
    /// # Errors
    /// 413 past [`Request::content_bytes_max`]; what was wrong with the content's framing; 408 when it came too slowly.
    ///
    /// # Cancel safety
    /// Dropping the future loses the content read so far.
    pub async fn bytes(&mut self) -> Result<Bytes, Rejection> {
        let limit = self.content_bytes_max();
        self.content().collect(limit).await.map_err(|error| match error {
            BodyError::TooLarge { .. } => BodyError::TooLarge { limit }.into(),
            error => error.into(),
        })
    }

    /// What the wildcard called `name` matched, as it was sent.
    #[track_caller]
    fn capture(&self, name: &str) -> &str {
        let Some(pattern) = self.head.route else {
            panic!("request.path({name:?}): no route was matched; call the handler through a Router");
        };
        let Some(index) = pattern.captures().position(|captured| captured == name) else {
            panic!("request.path({name:?}): the route `{pattern}` has no {{{name}}}");
        };
        let span = self.head.captures.get(index).expect("a matched route has filled its captures");
        &self.target_path()[span]
    }

    fn expect_type(&self, wanted: Wanted) -> Result<(), Rejection> {
        let mut types = self.fields().all(name::CONTENT_TYPE);
        let detail = match (types.next(), types.next()) {
            (Some(value), None) if wanted.is_met_by(value) => return self.expect_plain(),
            (Some(value), None) => format!("{} is not {}", String::from_utf8_lossy(value), wanted.text()),
            (None, _) => format!("the request has no Content-Type; {} is read here", wanted.text()),
            // RFC 9110 5.3: a field that is no list stands once. Two recipients might believe two different ones.
            (Some(_), Some(_)) => "the request has two Content-Type lines".to_owned(),
        };
        Err(Rejection::of(Fault::WrongMediaType, name::CONTENT_TYPE, detail).with_remedy(name::ACCEPT, wanted.text()))
    }

    /// RFC 9110 8.4: a content coding that is not understood may be answered with 415.
    fn expect_plain(&self) -> Result<(), Rejection> {
        const CONTENT_ENCODING: &str = "Content-Encoding";
        match self.fields().list(CONTENT_ENCODING).find(|coding| !coding.eq_ignore_ascii_case(b"identity")) {
            None => Ok(()),
            Some(coding) => {
                let detail = format!("content coded as {} is not read here", String::from_utf8_lossy(coding));
                let rejection = Rejection::of(Fault::WrongMediaType, CONTENT_ENCODING, detail);
                Err(rejection.with_remedy("Accept-Encoding", "identity"))
            }
        }
    }
}

impl Wanted {
    fn text(self) -> &'static str {
        match self {
            Wanted::Json => "application/json",
            Wanted::Form => "application/x-www-form-urlencoded",
        }
    }

    /// Parameters are not looked at: neither type defines one (RFC 8259 11).
    fn is_met_by(self, content_type: &[u8]) -> bool {
        let essence = content_type.split(|&byte| byte == b';').next().unwrap_or(content_type).trim_ascii();
        essence.eq_ignore_ascii_case(self.text().as_bytes())
            || (matches!(self, Wanted::Json) && is_json_suffixed(essence))
    }
}

/// RFC 6839 3.1: `application/problem+json` is JSON too.
fn is_json_suffixed(essence: &[u8]) -> bool {
    let suffix_at = essence.len().saturating_sub(b"+json".len());
    let (start, suffix) = essence.split_at(suffix_at);
    suffix.eq_ignore_ascii_case(b"+json") && start.iter().position(|&byte| byte == b'/').is_some_and(|slash| slash > 0)
}

fn from_json<T: DeserializeOwned>(content: &[u8]) -> Result<T, Rejection> {
    let mut deserializer = serde_json::Deserializer::from_slice(content);
    let value = serde_path_to_error::deserialize(&mut deserializer).map_err(|error| {
        let path = error.path().to_string();
        let error = error.into_inner();
        match error.classify() {
            Category::Data => wrong_shape(&path, &error.to_string(), Fault::InvalidJsonField, Fault::InvalidJsonField),
            _ => malformed_json(&error),
        }
    })?;
    deserializer.end().map_err(|error| malformed_json(&error))?;
    Ok(value)
}

fn malformed_json(error: &serde_json::Error) -> Rejection {
    Problem::new(Fault::MalformedJson).with_detail(shortened(&error.to_string())).into()
}

/// A value out of `name=value` pairs.
fn from_pairs<T: DeserializeOwned>(pairs: &[u8], missing: Fault, invalid: Fault) -> Result<T, Rejection> {
    let deserializer = serde_urlencoded::Deserializer::new(form_urlencoded::parse(pairs));
    serde_path_to_error::deserialize(deserializer)
        .map_err(|error| wrong_shape(&error.path().to_string(), &error.inner().to_string(), missing, invalid))
}

/// A value that is well-formed, but not what was asked for. Where a field is missing or stands twice, serde names it in
/// words only, and its path ends at the parent.
fn wrong_shape(path: &str, detail: &str, missing: Fault, invalid: Fault) -> Rejection {
    let is_missing = detail.starts_with("missing field ");
    let in_words = ["missing field `", "duplicate field `"].iter().find_map(|words| detail.strip_prefix(words));
    let named = in_words.and_then(|rest| rest.split_once('`')).map(|(field, _)| field);
    let parent = Some(path).filter(|&path| path != ".");
    let field = [parent, named].into_iter().flatten().collect::<Vec<_>>().join(".");
    let problem = Problem::new(if is_missing { missing } else { invalid }).with_detail(shortened(detail));
    if field.is_empty() { problem.into() } else { problem.with_field(shortened(&field)).into() }
}

/// `raw` with its escapes decoded, unless that is no UTF-8.
fn percent_decoded(raw: &str) -> Option<Cow<'_, str>> {
    if !raw.contains('%') {
        return Some(Cow::Borrowed(raw));
    }
    String::from_utf8(grammar::percent_decoded(raw.as_bytes()).collect()).ok().map(Cow::Owned)
}

/// The name of a type without the modules it lies in.
fn short_name<T>() -> &'static str {
    let name = type_name::<T>();
    let name = name.split('<').next().unwrap_or(name);
    name.rsplit("::").next().unwrap_or(name)
}

fn shortened(text: &str) -> String {
    match text.char_indices().nth(QUOTED_CHARS_MAX) {
        Some((end, _)) => format!("{}…", &text[..end]),
        None => text.to_owned(),
    }
}

impl Rejection {
    fn of(fault: Fault, field: &str, detail: String) -> Rejection {
        Problem::new(fault).with_field(field).with_detail(shortened(&detail)).into()
    }

    fn with_remedy(mut self, name: &'static str, value: &'static str) -> Rejection {
        self.remedy = Some((name, value));
        self
    }

    /// What is wrong, with its code, the input at fault and the details.
    pub fn problem(&self) -> &Problem {
        &self.problem
    }
}

impl From<Problem> for Rejection {
    fn from(problem: Problem) -> Rejection {
        Rejection { problem: Box::new(problem), remedy: None }
    }
}

impl From<BodyError> for Rejection {
    fn from(error: BodyError) -> Rejection {
        Problem::of_body(error).into()
    }
}

#[diagnostic::do_not_recommend]
impl IntoResponse for Rejection {
    fn into_response(self) -> Response {
        let response = self.problem.into_response();
        match self.remedy {
            Some((name, value)) => response.with(name, value),
            None => response,
        }
    }
}

impl fmt::Display for Rejection {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}", self.problem.fault().title())?;
        for part in [self.problem.field(), self.problem.detail()].into_iter().flatten() {
            write!(f, ": {part}")?;
        }
        Ok(())
    }
}

impl std::error::Error for Rejection {}

#[cfg(test)]
mod tests;
