//! Owns the pattern of a route: its text, what the text means, and which of two patterns is the more specific.
//!
//! The one idea: a pattern is a set of requests, and every rule about order and conflict is a rule about sets.
//!
//! ```text
//!   pattern   = [ method " " ] [ host ] path              GET /users/{id}        api.example.com/x        /anything
//!   host      = [ "*." ] label *( "." label )             "*" stands for exactly one label
//!   path      = 1*( "/" segment )                         `/x` and `/x/` are different paths
//!   segment   = literal / "{" name "}" / "{" name "...}"
//! ```
//!
//! - A literal matches the segment whose octets, percent-decoded, are its own. It may be written either way.
//! - `{name}` matches one whole segment that is not empty.
//! - `{name...}` stands last and matches zero or more remaining segments, as in Go's ServeMux. The slash before it
//!   belongs to the path: `/files/{rest...}` matches `/files/` and `/files/a/b`, and not `/files`.
//! - No method means any method. GET matches HEAD as well (RFC 9110 9.3.2).
//!
//! Spec: RFC 9110 4.2.3 (host without case, the rest with it; encoded and plain octets are equivalent), 9.1 (methods
//! are case-sensitive). Stricter: `get`, `:id`, `*rest`, `?`, `.` and `//` are refused, each with what to write instead.
//! Never: sees a request; that is the tree's work.
//! Invariants: a rest is the last segment; only the last literal may be empty; names are unique in a pattern.

use std::fmt;

use crate::http::Method;
use crate::http::h1::grammar;

mod error;

pub use error::{PatternError, PatternFault};

/// Most segments in one pattern. It bounds the depth of a lookup.
pub const SEGMENTS_MAX: usize = 64;

/// The set of requests that one route answers.
#[derive(Clone, Debug)]
pub struct Pattern {
    text: Box<str>,
    path_at: usize,
    method: Option<Method>,
    host: Option<Host>,
    segments: Vec<Segment>,
    captures: Vec<Box<str>>,
}

/// The hosts of a pattern that names any, in lower case.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Host {
    Exact(Box<str>),
    /// One label, then a dot and this.
    OneLabelUnder(Box<str>),
}

/// What one segment of a path has to be.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Segment {
    /// These octets, once the segment is percent-decoded. Empty after a trailing slash.
    Literal(Box<[u8]>),
    /// Anything but empty.
    One,
    /// Anything, and whatever follows.
    Rest,
}

/// How the requests of one pattern lie to those of another.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Relation {
    Same,
    /// All of ours are theirs: ours is the more specific.
    Narrower,
    /// All of theirs are ours.
    Wider,
    Disjoint,
    /// Some are shared, and each has some of its own: a conflict.
    Crossing,
}

/// A fault and its offset in the text at hand.
type Refusal = (usize, PatternFault);

impl Pattern {
    /// The pattern that `text` spells; the grammar stands at the head of this file.
    ///
    /// # Errors
    /// [`PatternError`] for the first thing wrong.
    pub fn parse(text: &str) -> Result<Pattern, PatternError> {
        parse_pattern(text).map_err(|(at, fault)| PatternError { text: text.into(), at, fault })
    }

    /// The text as it was given.
    pub fn text(&self) -> &str {
        &self.text
    }

    /// The path of the text, from its first slash.
    pub fn path(&self) -> &str {
        &self.text[self.path_at..]
    }

    /// The method named, or `None` for any.
    pub fn method(&self) -> Option<Method> {
        self.method
    }

    /// The names of the wildcards, in the order of their captures.
    pub fn captures(&self) -> impl ExactSizeIterator<Item = &str> {
        self.captures.iter().map(|name| &**name)
    }

    pub(crate) fn host(&self) -> Option<&Host> {
        self.host.as_ref()
    }

    pub(crate) fn segments(&self) -> &[Segment] {
        &self.segments
    }

    /// Whether neither of the two is more specific, and some request is in both.
    ///
    /// A host is looked at before anything else: one host is more specific than a wildcard host, and that more than
    /// none, whatever the method and the path. So only patterns of one host can conflict (as in Go's ServeMux).
    pub(crate) fn conflicts_with(&self, other: &Pattern) -> bool {
        let relation = || relate_methods(self.method, other.method).and(relate_paths(&self.segments, &other.segments));
        self.host == other.host && matches!(relation(), Relation::Same | Relation::Crossing)
    }

    /// A request, as method and path, that is in both of two conflicting patterns.
    pub(crate) fn example_shared_with(&self, other: &Pattern) -> String {
        let method = match (self.method, other.method) {
            (Some(Method::GET), Some(narrower)) => narrower,
            (ours, theirs) => ours.or(theirs).unwrap_or(Method::GET),
        };
        let mut example = format!("{method} ");
        for index in 0..self.segments.len().max(other.segments.len()) {
            example.push('/');
            match (self.segments.get(index), other.segments.get(index)) {
                (Some(Segment::Literal(octets)), _) | (_, Some(Segment::Literal(octets))) => {
                    encode(octets, &mut example)
                }
                _ => example.push('x'),
            }
        }
        example
    }
}

impl fmt::Display for Pattern {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.text)
    }
}

impl Relation {
    /// The relation of two products of sets, from the relations of their factors.
    fn and(self, other: Relation) -> Relation {
        match (self, other) {
            (Relation::Disjoint, _) | (_, Relation::Disjoint) => Relation::Disjoint,
            (Relation::Same, relation) | (relation, Relation::Same) => relation,
            (ours, theirs) if ours == theirs => ours,
            _ => Relation::Crossing,
        }
    }
}

fn relate_methods(ours: Option<Method>, theirs: Option<Method>) -> Relation {
    match (ours, theirs) {
        (ours, theirs) if ours == theirs => Relation::Same,
        (_, None) | (Some(Method::HEAD), Some(Method::GET)) => Relation::Narrower,
        (None, _) | (Some(Method::GET), Some(Method::HEAD)) => Relation::Wider,
        _ => Relation::Disjoint,
    }
}

fn relate_paths(ours: &[Segment], theirs: &[Segment]) -> Relation {
    let mut relation = Relation::Same;
    let (mut ours, mut theirs) = (ours.iter(), theirs.iter());
    loop {
        let (here, last) = match (ours.next(), theirs.next()) {
            (None, None) => (Relation::Same, true),
            (None, _) | (_, None) => (Relation::Disjoint, true),
            (Some(ours), Some(theirs)) => {
                (relate_segments(ours, theirs), *ours == Segment::Rest || *theirs == Segment::Rest)
            }
        };
        relation = relation.and(here);
        if last || relation == Relation::Disjoint {
            return relation;
        }
    }
}

fn relate_segments(ours: &Segment, theirs: &Segment) -> Relation {
    match (ours, theirs) {
        (ours, theirs) if ours == theirs => Relation::Same,
        (Segment::Literal(_), Segment::Literal(_)) => Relation::Disjoint,
        (Segment::Literal(octets), Segment::One) | (Segment::One, Segment::Literal(octets)) if octets.is_empty() => {
            Relation::Disjoint
        }
        (Segment::Literal(_), _) | (_, Segment::Rest) => Relation::Narrower,
        (_, Segment::Literal(_)) | (Segment::Rest, _) => Relation::Wider,
        (Segment::One, Segment::One) => Relation::Same,
    }
}

fn encode(octets: &[u8], out: &mut String) {
    for &octet in octets {
        match octet {
            b'!'..=b'~' if !b"/?#%".contains(&octet) => out.push(char::from(octet)),
            _ => out.push_str(&format!("%{octet:02X}")),
        }
    }
}

fn parse_pattern(text: &str) -> Result<Pattern, Refusal> {
    let path_at = text.find('/').ok_or((text.len(), PatternFault::NoPath))?;
    let (method, host_at) = match text[..path_at].find(' ') {
        Some(space) => (Some(parse_method(&text[..space])?), space + 1),
        None => (None, 0),
    };
    let host = within(host_at, parse_host(&text[host_at..path_at]))?;
    let (segments, captures) = within(path_at + 1, parse_path(&text[path_at + 1..]))?;
    Ok(Pattern { text: text.into(), path_at, method, host, segments, captures })
}

/// Moves the offset of a refusal from a part to the whole, where the part begins at `start`.
fn within<T>(start: usize, result: Result<T, Refusal>) -> Result<T, Refusal> {
    result.map_err(|(at, fault)| (start + at, fault))
}

fn parse_method(token: &str) -> Result<Method, Refusal> {
    let registered = |token: &str| Method::parse(token.as_bytes()).filter(Method::is_registered);
    // RFC 9110 9.1: the method is case-sensitive, so `get` would never be asked for.
    if registered(token).is_none() && registered(&token.to_ascii_uppercase()).is_some() {
        return Err((0, PatternFault::MethodCase));
    }
    Method::parse(token.as_bytes()).ok_or((0, PatternFault::Method))
}

fn parse_host(host: &str) -> Result<Option<Host>, Refusal> {
    if host.is_empty() {
        return Ok(None);
    }
    if host.starts_with(' ') || Method::parse(host.as_bytes()).is_some_and(|method| method.is_registered()) {
        return Err((0, PatternFault::Space));
    }
    let under = host.strip_prefix("*.");
    let name = under.unwrap_or(host);
    within(host.len() - name.len(), check_host_name(name))?;
    let name = name.to_ascii_lowercase().into();
    Ok(Some(if under.is_some() { Host::OneLabelUnder(name) } else { Host::Exact(name) }))
}

fn check_host_name(name: &str) -> Result<(), Refusal> {
    let plain = |byte: u8| byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'_' | b'.');
    if let Some(at) = name.bytes().position(|byte| !plain(byte)) {
        return Err(match name.as_bytes()[at] {
            b':' => (at, PatternFault::Port),
            b'*' | b'{' => (at, PatternFault::HostWildcard),
            _ => (at, PatternFault::Host),
        });
    }
    let mut at = 0;
    for label in name.split('.') {
        if label.is_empty() {
            return Err((at, PatternFault::Host));
        }
        at += label.len() + 1;
    }
    Ok(())
}

/// Parses what follows the first slash.
fn parse_path(path: &str) -> Result<(Vec<Segment>, Vec<Box<str>>), Refusal> {
    let (mut segments, mut captures) = (Vec::new(), Vec::<Box<str>>::new());
    let mut at = 0;
    for text in path.split('/') {
        let is_last = at + text.len() == path.len();
        if segments.last() == Some(&Segment::Rest) {
            return Err((at - 1, PatternFault::RestNotLast));
        } else if segments.len() == SEGMENTS_MAX {
            return Err((at, PatternFault::TooManySegments));
        } else if text.is_empty() && !is_last {
            return Err((at, PatternFault::EmptySegment));
        }
        let (segment, name) = within(at, parse_segment(text))?;
        if captures.iter().any(|earlier| Some(&**earlier) == name) {
            return Err((at + 1, PatternFault::NameTwice));
        }
        segments.push(segment);
        captures.extend(name.map(Box::from));
        at += text.len() + 1;
    }
    Ok((segments, captures))
}

fn parse_segment(text: &str) -> Result<(Segment, Option<&str>), Refusal> {
    if text.starts_with([':', '*']) {
        return Err((0, PatternFault::ForeignWildcard));
    }
    let Some(brace) = text.find(['{', '}']) else {
        return parse_literal(text).map(|octets| (Segment::Literal(octets), None));
    };
    let inner = text.strip_prefix('{').and_then(|text| text.strip_suffix('}'));
    let inner = inner.filter(|inner| !inner.contains(['{', '}'])).ok_or((brace, PatternFault::PartOfSegment))?;
    let (segment, name) = match inner.strip_suffix("...") {
        Some(name) => (Segment::Rest, name),
        None => (Segment::One, inner),
    };
    if is_identifier(name) { Ok((segment, Some(name))) } else { Err((1, PatternFault::Name)) }
}

fn is_identifier(name: &str) -> bool {
    !name.is_empty()
        && !name.starts_with(|first: char| first.is_ascii_digit())
        && name.bytes().all(|byte| byte.is_ascii_alphanumeric() || byte == b'_')
}

fn parse_literal(text: &str) -> Result<Box<[u8]>, Refusal> {
    let bytes = text.as_bytes();
    for (at, &byte) in bytes.iter().enumerate() {
        let is_escape = || bytes.get(at + 1..at + 3).is_some_and(|digits| digits.iter().all(u8::is_ascii_hexdigit));
        match byte {
            b'%' if !is_escape() => return Err((at, PatternFault::Escape)),
            b'?' | b'#' | b'\\' | ..=b' ' | 0x7f => return Err((at, PatternFault::Octet)),
            _ => {}
        }
    }
    let octets: Box<[u8]> = grammar::percent_decoded(bytes).collect();
    if matches!(&*octets, b"." | b"..") { Err((0, PatternFault::DotSegment)) } else { Ok(octets) }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// What `text` parses to: its method, host, segments, or the fault and its offset.
    fn check(text: &str, expected: Result<&str, Refusal>) {
        let shown = Pattern::parse(text).map(|pattern| {
            assert_eq!(pattern.text(), text);
            let method = pattern.method().map_or("any".into(), |method| method.to_string());
            let host = match pattern.host() {
                None => "any".into(),
                Some(Host::Exact(name)) => name.to_string(),
                Some(Host::OneLabelUnder(name)) => format!("?.{name}"),
            };
            let segments = pattern.segments().iter().map(|segment| match segment {
                Segment::Literal(octets) => String::from_utf8_lossy(octets).into(),
                Segment::One => "<one>".into(),
                Segment::Rest => "<rest>".into(),
            });
            let segments: Vec<String> = segments.collect();
            format!("{method} {host} [{}] {:?}", segments.join("|"), pattern.captures().collect::<Vec<_>>())
        });
        let shown = shown.map_err(|error| (error.at, error.fault));
        assert_eq!(shown.as_deref().map_err(|refusal| *refusal), expected, "{text:?}");
    }

    #[test]
    fn patterns_are_read() {
        check("/", Ok("any any [] []"));
        check("/anything", Ok("any any [anything] []"));
        check("/x/", Ok("any any [x|] []"));
        check("GET /users/{id}", Ok(r#"GET any [users|<one>] ["id"]"#));
        check("GET /files/{rest...}", Ok(r#"GET any [files|<rest>] ["rest"]"#));
        check("/{a}/b/{_2...}", Ok(r#"any any [<one>|b|<rest>] ["a", "_2"]"#));
        check("PURGE API.example.com/x", Ok("PURGE api.example.com [x] []"));
        check("*.Example.com/", Ok("any ?.example.com [] []"));
        check("localhost/a:b*c", Ok("any localhost [a:b*c] []"));
        check("/caf%C3%A9/é/a%2fb/%25", Ok("any any [café|é|a/b|%] []"));
    }

    #[test]
    fn what_is_no_pattern_is_refused_where_it_goes_wrong() {
        use PatternFault::*;
        for (text, at, fault) in [
            ("", 0, NoPath),
            ("GET", 3, NoPath),
            (" /x", 0, Method),
            ("GE,T /x", 0, Method),
            ("ABCDEFGHIJKLMNOPQRSTUVWXYZ /x", 0, Method),
            ("get /x", 0, MethodCase),
            ("GET  /x", 4, Space),
            ("GET/x", 0, Space),
            ("GET a b/x", 5, Host),
            ("GET exämple.com/x", 6, Host),
            ("a..b/x", 2, Host),
            (".a/x", 0, Host),
            ("a./x", 2, Host),
            ("localhost:8080/x", 9, Port),
            ("a.*.b/x", 2, HostWildcard),
            ("*/x", 0, HostWildcard),
            ("*./x", 2, Host),
            ("{sub}.a/x", 0, HostWildcard),
            ("/a//b", 3, EmptySegment),
            ("//", 1, EmptySegment),
            ("/a/../b", 3, DotSegment),
            ("/%2e", 1, DotSegment),
            ("/a%", 2, Escape),
            ("/%4", 1, Escape),
            ("/%gg", 1, Escape),
            ("/a b", 2, Octet),
            ("/a?b=c", 2, Octet),
            ("/a#b", 2, Octet),
            ("/a\\b", 2, Octet),
            ("/a\r\nb", 2, Octet),
            ("GET /u{id}", 6, PartOfSegment),
            ("/{id}.json", 1, PartOfSegment),
            ("/{id", 1, PartOfSegment),
            ("/id}", 3, PartOfSegment),
            ("/{a}{b}", 1, PartOfSegment),
            ("/{{a}}", 1, PartOfSegment),
            ("/:id", 1, ForeignWildcard),
            ("/files/*", 7, ForeignWildcard),
            ("/*path", 1, ForeignWildcard),
            ("/{}", 2, Name),
            ("/{...}", 2, Name),
            ("/{$}", 2, Name),
            ("/{*path}", 2, Name),
            ("/{1st}", 2, Name),
            ("/{é}", 2, Name),
            ("/{a}/b/{a}", 8, NameTwice),
            ("/{a}/{a...}", 6, NameTwice),
            ("/{a...}/b", 7, RestNotLast),
            ("/{a...}/", 7, RestNotLast),
        ] {
            check(text, Err((at, fault)));
        }
        check(&"/a".repeat(SEGMENTS_MAX + 1), Err((2 * SEGMENTS_MAX + 1, TooManySegments)));
    }
}
