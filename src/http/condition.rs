//! Owns the conditions of requests that read: whether what a client has is still what it would get.
//!
//! The one idea: the tag of a representation is known when a handler has answered, for it stands in the answer. So the
//! conditions are put aside before the handler and judged behind it. Who changes something must judge before, and itself.
//!
//! ```text
//!   200 to GET or HEAD ── If-Match names another tag ──────> 412
//!                      ── If-None-Match names this tag ────> 304, without the content
//!                      ── else ────────────────────────────> as it is
//! ```
//!
//! Spec: RFC 9110 13.1.1, 13.1.2, 13.2.1 (when), 13.2.2 (in which order), 8.8.3.2 (comparison), 15.4.5 (304).
//! Never: judges dates: no answer here has a modification date, and 13.1.3 and 13.1.4 have them ignored then. Whoever
//! sends Last-Modified judges it. Never changes an answer other than 200.

use crate::http::explain::Problem;
use crate::http::field::{Known, name};
use crate::http::{Body, Fault, Fields, IntoResponse, Method, Response, Status};

/// What a request wants to be true of the representation that it reads.
#[derive(Debug)]
pub(crate) struct Conditions {
    /// The lists of all If-Match lines.
    matches: Option<Vec<u8>>,
    /// The lists of all If-None-Match lines.
    none_matches: Option<Vec<u8>>,
}

impl Conditions {
    /// The conditions of a request, when it has any that are judged here. Most have none, which costs no allocation.
    #[inline]
    pub(crate) fn of(method: Method, fields: &Fields) -> Option<Box<Conditions>> {
        let any = fields.lines.iter().any(|line| matches!(line.known, Known::IfMatch | Known::IfNoneMatch));
        // RFC 9110 13.2.1: ignored where no representation is selected, such as with OPTIONS.
        let reads = method == Method::GET || method == Method::HEAD;
        (any && reads).then(|| Conditions::read(fields))
    }

    #[cold]
    fn read(fields: &Fields) -> Box<Conditions> {
        Box::new(Conditions {
            matches: joined(fields.known(Known::IfMatch)),
            none_matches: joined(fields.known(Known::IfNoneMatch)),
        })
    }

    /// `response`, or what is said in its place.
    pub(crate) fn judge(&self, response: Response) -> Response {
        // RFC 9110 13.2.1: what would fail anyway fails as it would without conditions.
        if response.status() != Status::OK {
            return response;
        }
        let tag = response.fields().get(name::ETAG).and_then(|value| Tags(value).next());
        if self.matches.as_deref().is_some_and(|list| !names(list, tag, is_same)) {
            return Problem::new(Fault::PreconditionFailed).into_response();
        }
        if self.none_matches.as_deref().is_some_and(|list| names(list, tag, is_as_good)) {
            return not_modified(response);
        }
        response
    }
}

/// RFC 9110 5.2: lines of one name are one list.
fn joined<'a>(lines: impl Iterator<Item = &'a [u8]>) -> Option<Vec<u8>> {
    let lines: Vec<&[u8]> = lines.collect();
    (!lines.is_empty()).then(|| lines.join(&b","[..]))
}

/// Whether `list` is `*`, which is any representation, or has a tag that `matches` this one.
fn names(list: &[u8], tag: Option<Tag<'_>>, matches: fn(Tag<'_>, Tag<'_>) -> bool) -> bool {
    list.trim_ascii() == b"*" || tag.is_some_and(|tag| Tags(list).any(|listed| matches(listed, tag)))
}

/// RFC 9110 15.4.5: the fields that a cache needs stay; what describes the content goes with it.
fn not_modified(mut response: Response) -> Response {
    for of_content in [name::CONTENT_TYPE, "Content-Encoding", "Content-Language"] {
        response.fields_mut().remove(of_content);
    }
    *response.body_mut() = Body::empty();
    response.with_status(Status::NOT_MODIFIED)
}

/// RFC 9110 8.8.3: an entity-tag, without its quotes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Tag<'a> {
    is_weak: bool,
    opaque: &'a [u8],
}

/// RFC 9110 8.8.3.2, the strong comparison: byte for byte the same.
fn is_same(one: Tag<'_>, other: Tag<'_>) -> bool {
    one == other && !one.is_weak
}

/// RFC 9110 8.8.3.2, the weak comparison: as good as the same.
fn is_as_good(one: Tag<'_>, other: Tag<'_>) -> bool {
    one.opaque == other.opaque
}

/// The tags of a list, up to the first thing that is none. A tag may hold commas, so no list of tokens is this.
struct Tags<'a>(&'a [u8]);

impl<'a> Iterator for Tags<'a> {
    type Item = Tag<'a>;

    fn next(&mut self) -> Option<Tag<'a>> {
        let between = self.0.iter().take_while(|byte| matches!(byte, b' ' | b'\t' | b',')).count();
        let text = &self.0[between..];
        let quoted = text.strip_prefix(b"W/").unwrap_or(text);
        let opaque = quoted.strip_prefix(b"\"")?;
        let end = opaque.iter().position(|&byte| byte == b'"')?;
        self.0 = &opaque[end + 1..];
        Some(Tag { is_weak: quoted.len() < text.len(), opaque: &opaque[..end] })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// What becomes of an answer with `status` and `tag`, when the request has these lines.
    fn check(method: Method, lines: &[(&str, &str)], status: u16, tag: Option<&str>, expected: u16) {
        let mut fields = Fields::new();
        for (name, value) in lines {
            fields.append(name, value).expect("a valid line");
        }
        let mut response = Response::text("content").with_status(Status::new(status).expect("in range"));
        if let Some(tag) = tag {
            response = response.with(name::ETAG, tag).with(name::VARY, "Accept");
        }
        let response = match Conditions::of(method, &fields) {
            Some(conditions) => conditions.judge(response),
            None => response,
        };
        assert_eq!(response.status().code(), expected, "{method} {lines:?} {status} {tag:?}");
        if expected == 304 {
            assert_eq!((response.field("etag"), response.field("content-type")), (tag, None));
            assert_eq!(response.body().length(), Some(0));
        }
    }

    #[test]
    fn conditions_are_judged_by_the_tag_of_the_answer() {
        const A: Option<&str> = Some("\"a\"");
        for (name, value, tag, expected) in [
            ("If-None-Match", "\"a\"", A, 304),
            ("if-none-match", "\"x\", W/\"a\"", A, 304),
            ("If-None-Match", "\"x,y\" ,, \"a\"", A, 304),
            ("If-None-Match", "\"a\"", Some("W/\"a\""), 304),
            ("If-None-Match", "*", A, 304),
            ("If-None-Match", "\"b\", \"A\"", A, 200),
            ("If-None-Match", "\"a", A, 200),
            ("If-None-Match", "a", A, 200),
            ("If-None-Match", "", A, 200),
            ("If-None-Match", "\"x, \"a\"", A, 200),
            ("If-None-Match", "\"a\"", None, 200),
            ("If-None-Match", "\"\"", None, 200),
            ("If-Match", "\"a\"", A, 200),
            ("If-Match", "\"x\", \"a\"", A, 200),
            ("If-Match", "*", A, 200),
            ("If-Match", "*", None, 200),
            ("If-Match", "W/\"a\"", A, 412),
            ("If-Match", "W/\"a\"", Some("W/\"a\""), 412),
            ("If-Match", "\"b\"", A, 412),
            ("If-Match", "\"a\"", None, 412),
            ("If-Match", "", A, 412),
        ] {
            for method in [Method::GET, Method::HEAD] {
                check(method, &[(name, value)], 200, tag, expected);
            }
            // The content may be something else, or nothing: nothing was selected.
            check(Method::OPTIONS, &[(name, value)], 200, tag, 200);
            check(Method::POST, &[(name, value)], 200, tag, 200);
            for status in [201, 204, 302, 404, 503] {
                check(Method::GET, &[(name, value)], status, tag, status);
            }
        }
    }

    #[test]
    fn several_conditions_are_judged_in_their_order() {
        const A: Option<&str> = Some("\"a\"");
        for (lines, expected) in [
            (&[][..], 200),
            (&[("If-None-Match", "\"b\""), ("If-None-Match", "\"a\"")], 304),
            (&[("If-Match", "\"b\""), ("If-Match", "\"a\"")], 200),
            (&[("If-None-Match", "\"a\""), ("If-Match", "\"b\"")], 412),
            (&[("If-None-Match", "\"a\""), ("If-Match", "\"a\"")], 304),
            (&[("If-Modified-Since", "Fri, 01 Jan 2100 00:00:00 GMT")], 200),
        ] {
            check(Method::GET, lines, 200, A, expected);
        }
    }
}
