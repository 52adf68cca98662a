//! Owns the request-target: which of the four forms it has, and where its parts lie in the head.
//!
//! ```text
//!   origin-form      /where?q=now                     GET, POST, …: the usual one
//!   absolute-form    http://host:80/where?q=now       to a proxy; a server must accept it too
//!   authority-form   host:443                         CONNECT, and only CONNECT
//!   asterisk-form    *                                OPTIONS, and only OPTIONS
//! ```
//!
//! The one idea: a path is put into one spelling before anything looks at it, so that a rule for `/admin` cannot be
//! walked around by `/x/../admin` or `/%61dmin`. A path that has this spelling already is used where it lies.
//!
//! Spec: RFC 9112 3.2, RFC 3986 2 and 3, 5.2.4 (dot segments), 6.2.2 (normal form), RFC 9110 4.2, 7.4. Stricter than they
//! demand: a path that climbs above its root is refused (5.2.4 would clip it), so is a triplet that spells NUL.
//! More lenient in one point: a query may hold the eight bytes that browsers leave raw ([`grammar::is_query`]).
//! Never: decodes `%2F` (it would become a separator) or any other triplet that is not `unreserved`.
//! Invariants: a path begins with `/` (or is `*`, or, for CONNECT, empty), has no dot segment, and is ASCII.

use crate::http::authority::{port, validate_authority_in};
use crate::http::h1::grammar::{self, TripletFault};
use crate::http::h1::head::{RequestHead, Span};
use crate::http::{Fault, Method, ProtocolError};

/// The form of a request-target (RFC 9112 3.2).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Form {
    /// A path and perhaps a query (3.2.1).
    Origin,
    /// A whole http URI (3.2.2). Its authority replaces the Host field.
    Absolute,
    /// A host and a port, for CONNECT (3.2.3).
    Authority,
    /// `*`, the server as a whole, for OPTIONS (3.2.4).
    Asterisk,
}

/// A valid request-target, as places in the head that it came in.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Target {
    form: Form,
    raw: Span,
    authority: Option<Span>,
    path: Path,
    query: Option<Span>,
}

#[derive(Clone, Debug, PartialEq, Eq)]
enum Path {
    /// It is in normal form where it lies.
    Received(Span),
    /// Its normal form, where it came otherwise.
    Normal(Box<str>),
}

impl Default for Target {
    /// The empty target, until one is parsed.
    fn default() -> Target {
        let nowhere = Span::default();
        Target { form: Form::Origin, raw: nowhere, authority: None, path: Path::Received(nowhere), query: None }
    }
}

impl Target {
    /// Becomes the target of `parsed`, whose bytes are `head`: as by [`parse_target`], without looking again at what the
    /// parser has seen to be plain.
    ///
    /// # Errors
    /// As [`parse_target`]: nothing is changed then.
    #[inline]
    pub(crate) fn take(&mut self, method: Method, head: &[u8], parsed: &RequestHead) -> Result<(), ProtocolError> {
        let raw = parsed.target;
        // No `?` ends the path, no `%` or dot is in it, and no other byte is anything but `pchar` or `/` (RFC 3986 3.3).
        let is_plain_path = parsed.target_is_plain && raw.of(head).first() == Some(&b'/');
        *self = if is_plain_path && method != Method::CONNECT {
            Target { form: Form::Origin, raw, authority: None, path: Path::Received(raw), query: None }
        } else {
            parse_target(method, head, raw)?
        };
        Ok(())
    }

    /// Which form it has.
    pub fn form(&self) -> Form {
        self.form
    }

    /// All of it, as received. `head` is the head it was parsed from, here and below.
    pub fn raw<'a>(&self, head: &'a [u8]) -> &'a [u8] {
        self.raw.of(head)
    }

    /// The path in normal form: dot segments removed, triplets of unreserved bytes decoded, other triplets in upper
    /// case. `*` in asterisk-form, empty in authority-form.
    pub fn path<'a>(&'a self, head: &'a [u8]) -> &'a str {
        std::str::from_utf8(self.path_bytes(head)).unwrap_or_default()
    }

    /// The path as [`Target::path`] has it, for whoever needs no text: that asks for a check of its bytes.
    pub(crate) fn path_bytes<'a>(&'a self, head: &'a [u8]) -> &'a [u8] {
        match &self.path {
            Path::Received(span) => span.of(head),
            Path::Normal(path) => path.as_bytes(),
        }
    }

    /// What stands behind the `?`, as received.
    pub fn query<'a>(&self, head: &'a [u8]) -> Option<&'a [u8]> {
        self.query.map(|span| span.of(head))
    }

    /// The host and port that the target names itself: in absolute-form and authority-form.
    pub fn authority<'a>(&self, head: &'a [u8]) -> Option<&'a [u8]> {
        self.authority.map(|span| span.of(head))
    }
}

/// Parses the target at `span` in `head`, as [`crate::http::h1::head::HeadParser`] found it.
///
/// # Errors
/// The first fault in byte order, at its offset in `head`.
pub fn parse_target(method: Method, head: &[u8], span: Span) -> Result<Target, ProtocolError> {
    match span.of(head) {
        _ if method == Method::CONNECT => authority_form(head, span),
        [b'/', ..] => with_path(Form::Origin, head, span, None, span.start),
        b"*" if method == Method::OPTIONS => {
            Ok(Target { form: Form::Asterisk, raw: span, authority: None, path: Path::Received(span), query: None })
        }
        b"*" => Err(Fault::AsteriskWithoutOptions.at(span.start as usize)),
        _ => absolute_form(method, head, span),
    }
}

/// RFC 9112 3.2.3, and RFC 9110 9.3.6: an empty or invalid port must be refused.
fn authority_form(head: &[u8], raw: Span) -> Result<Target, ProtocolError> {
    let authority = raw.of(head);
    let fault = |at: usize| Fault::ConnectWithoutAuthority.at(raw.start as usize + at);
    validate_authority_in(head, raw).map_err(fault)?;
    match port(authority) {
        None | Some(0) => Err(fault(authority.len())),
        Some(_) => {
            let path = Path::Received(Span { start: raw.end, end: raw.end });
            Ok(Target { form: Form::Authority, raw, authority: Some(raw), path, query: None })
        }
    }
}

/// RFC 9112 3.2.2: a server must accept it; RFC 9110 4.2: `scheme "://" authority path-abempty [ "?" query ]`.
fn absolute_form(method: Method, head: &[u8], raw: Span) -> Result<Target, ProtocolError> {
    let uri = raw.of(head);
    let scheme_len = uri.windows(3).position(|window| window == b"://");
    let Some(scheme_len) = scheme_len else { return Err(Fault::TargetForm.at(raw.start as usize)) };
    let scheme = &uri[..scheme_len];
    // RFC 9110 7.4: an https resource must not be served in the clear. This server has no TLS of its own.
    if scheme.eq_ignore_ascii_case(b"https") {
        return Err(Fault::HttpsInTheClear.at(raw.start as usize));
    }
    if !scheme.eq_ignore_ascii_case(b"http") {
        return Err(Fault::UnknownScheme.at(raw.start as usize));
    }
    let start = scheme_len + 3;
    let rest = &uri[start..];
    let len = rest.iter().position(|byte| matches!(byte, b'/' | b'?')).unwrap_or(rest.len());
    let authority = Span { start: raw.start + start as u32, end: raw.start + (start + len) as u32 };
    validate_authority_in(head, authority)
        .map_err(|at| Fault::InvalidTargetAuthority.at(authority.start as usize + at))?;
    let mut target = with_path(Form::Absolute, head, raw, Some(authority), authority.end)?;
    if matches!(target.path, Path::Received(span) if span.start == span.end) {
        // RFC 9110 4.2.3: an empty path is "/", but RFC 9112 3.2.4: with OPTIONS and no query it asks for "*".
        let path = if method == Method::OPTIONS && target.query.is_none() { "*" } else { "/" };
        target.path = Path::Normal(path.into());
    }
    Ok(target)
}

/// The target whose path begins at `start` and runs to the query or the end.
fn with_path(form: Form, head: &[u8], raw: Span, authority: Option<Span>, start: u32) -> Result<Target, ProtocolError> {
    let all = Span { start, end: raw.end };
    let path_len = all.of(head).iter().position(|&byte| byte == b'?');
    let path = Span { start, end: path_len.map_or(raw.end, |len| start + len as u32) };
    let query = (path.end < raw.end).then_some(Span { start: path.end + 1, end: raw.end });
    let path = parse_path(head, path)?;
    if let Some(query) = query {
        check_component(head, query, grammar::query_end)?;
    }
    Ok(Target { form, raw, authority, path, query })
}

/// RFC 3986 3.3. One look decides whether the path can stay as it lies.
fn parse_path(head: &[u8], span: Span) -> Result<Path, ProtocolError> {
    if grammar::plain_path_end(head, span.start as usize) >= span.end as usize {
        return Ok(Path::Received(span));
    }
    check_component(head, span, grammar::path_end)?;
    let path = span.of(head);
    let has_dot_segment = path.contains(&b'.') && path.windows(2).any(|pair| pair == b"/.");
    if has_dot_segment || path.contains(&b'%') {
        return normalise(path, span.start as usize);
    }
    Ok(Path::Received(span))
}

/// Checks every byte of a component, then its triplets. `class_end` says where the bytes end that it may have.
fn check_component(head: &[u8], span: Span, class_end: fn(&[u8], usize) -> usize) -> Result<(), ProtocolError> {
    let (start, end) = (span.start as usize, span.end as usize);
    let wrong = Some(class_end(head, start)).filter(|&at| at < end);
    let triplets = grammar::check_triplets(&head[start..wrong.unwrap_or(end)]);
    match (triplets, wrong) {
        (Err((at, TripletFault::NoHex)), _) => Err(Fault::BadPercentEncoding.at(start + at)),
        (Err((at, TripletFault::Nul)), _) => Err(Fault::EncodedNul.at(start + at)),
        (Ok(()), Some(at)) => Err(Fault::TargetByte.at(at)),
        (Ok(()), None) => Ok(()),
    }
}

/// RFC 3986 6.2.2: triplets in their normal spelling, then 5.2.4: dot segments removed. In this order, since `%2e` is
/// a dot. `offset` is where the path lies in the head.
fn normalise(path: &[u8], offset: usize) -> Result<Path, ProtocolError> {
    let mut normal: Vec<u8> = Vec::with_capacity(path.len());
    let mut at = 0;
    let mut ends_in_dots = false;
    for segment in path.split(|&byte| byte == b'/').skip(1) {
        at += 1;
        let before = normal.len();
        normal.push(b'/');
        push_normal_triplets(segment, &mut normal);
        let dots = match &normal[before + 1..] {
            b"." => Some(before),
            b".." => {
                let parent = normal[..before].iter().rposition(|&byte| byte == b'/');
                Some(parent.ok_or(Fault::PathAboveRoot.at(offset + at))?)
            }
            _ => None,
        };
        normal.truncate(dots.unwrap_or(normal.len()));
        ends_in_dots = dots.is_some();
        at += segment.len();
    }
    if ends_in_dots {
        normal.push(b'/');
    }
    Ok(Path::Normal(String::from_utf8_lossy(&normal).into()))
}

/// Appends `segment`, each triplet of an unreserved byte decoded and each other one in upper case.
fn push_normal_triplets(segment: &[u8], normal: &mut Vec<u8>) {
    let mut rest = segment;
    while let [first, ..] = rest {
        let value = grammar::triplet_value(rest);
        match value {
            Some(value) if grammar::is_unreserved(value) => normal.push(value),
            Some(_) => normal.extend(rest[..3].iter().map(u8::to_ascii_uppercase)),
            None => normal.push(*first),
        }
        rest = &rest[if value.is_some() { 3 } else { 1 }..];
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::http::Limits;
    use crate::http::h1::head::{HeadParser, Progress};

    /// Parses `raw` as it would lie behind `PUT ` in a head; also as the parser of heads hands it on, which must be the
    /// same.
    fn parse(method: Method, raw: &str) -> (String, Result<Target, ProtocolError>) {
        let head = format!("PUT {raw} HTTP/1.1\r\n\r\n");
        let target = parse_target(method, head.as_bytes(), Span::new(4, 4 + raw.len()));
        let mut parsed = RequestHead::default();
        let progress = HeadParser::default().parse(head.as_bytes(), &Limits::default(), &mut parsed);
        assert_eq!(progress, Ok(Progress::Done { len: head.len() }), "{raw}");
        let mut taken = Target::default();
        assert_eq!(taken.take(method, head.as_bytes(), &parsed).map(|()| taken), target, "{raw}");
        (head, target)
    }

    fn check(raw: &str, path: &str, query: Option<&str>) {
        let (head, target) = parse(Method::GET, raw);
        let target = target.expect(raw);
        assert_eq!(target.path(head.as_bytes()), path, "{raw}");
        assert_eq!(target.query(head.as_bytes()), query.map(str::as_bytes), "{raw}");
    }

    fn refuse(method: Method, raw: &str, fault: Fault, at: usize) {
        assert_eq!(parse(method, raw).1, Err(fault.at(4 + at)), "{raw}");
    }

    #[test]
    fn a_path_gets_one_spelling() {
        for (raw, path) in [
            ("/", "/"),
            ("//", "//"),
            ("/a/b.c/.d/..e/f..", "/a/b.c/.d/..e/f.."),
            ("/a/./b", "/a/b"),
            ("/a/../b", "/b"),
            ("/a/b/..", "/a/"),
            ("/a/b/../", "/a/"),
            ("/.", "/"),
            ("/a/.", "/a/"),
            ("/a/%2e%2E/b", "/b"),
            ("/a/.%2e/b", "/b"),
            ("/%61dmin", "/admin"),
            ("/%7Euser", "/~user"),
            ("/a%2fb", "/a%2Fb"),
            ("/a%2f..%2fb", "/a%2F..%2Fb"),
            ("/a//../b", "/a/b"),
            ("/caf%c3%a9", "/caf%C3%A9"),
            ("/%2541", "/%2541"),
        ] {
            check(raw, path, None);
        }
    }

    #[test]
    fn a_query_stays_as_it_came() {
        for (raw, path, query) in [
            ("/?", "/", ""),
            ("/a?b=c&d", "/a", "b=c&d"),
            ("/a?b?c/../d", "/a", "b?c/../d"),
            ("/a/../b?%61", "/b", "%61"),
            ("/a?f[x]={1|2}^`\\", "/a", "f[x]={1|2}^`\\"),
        ] {
            check(raw, path, Some(query));
        }
    }

    #[test]
    fn the_four_forms_are_told_apart() {
        for (method, raw, form, authority, path) in [
            (Method::GET, "/x", Form::Origin, None, "/x"),
            (Method::GET, "http://a:80/x?y", Form::Absolute, Some("a:80"), "/x"),
            (Method::GET, "HTTP://[::1]", Form::Absolute, Some("[::1]"), "/"),
            (Method::GET, "http://a?q", Form::Absolute, Some("a"), "/"),
            (Method::OPTIONS, "http://a", Form::Absolute, Some("a"), "*"),
            (Method::OPTIONS, "http://a/", Form::Absolute, Some("a"), "/"),
            (Method::OPTIONS, "*", Form::Asterisk, None, "*"),
            (Method::CONNECT, "a:443", Form::Authority, Some("a:443"), ""),
            (Method::CONNECT, "[::1]:443", Form::Authority, Some("[::1]:443"), ""),
        ] {
            let (head, target) = parse(method, raw);
            let target = target.expect(raw);
            let head = head.as_bytes();
            assert_eq!((target.form(), target.path(head)), (form, path), "{raw}");
            assert_eq!(target.authority(head), authority.map(str::as_bytes), "{raw}");
            assert_eq!(target.raw(head), raw.as_bytes());
        }
    }

    #[test]
    fn a_form_needs_its_method() {
        refuse(Method::GET, "*", Fault::AsteriskWithoutOptions, 0);
        refuse(Method::OPTIONS, "*a", Fault::TargetForm, 0);
        for raw in ["a:80", "a", "?q", "a/b", ":", "mailto:a"] {
            refuse(Method::GET, raw, Fault::TargetForm, 0);
        }
        for (raw, at) in [("/", 0), ("a", 1), ("a:", 2), ("a:0", 3), ("a:65536", 6), ("u@a:80", 1), ("http://a:80", 5)]
        {
            refuse(Method::CONNECT, raw, Fault::ConnectWithoutAuthority, at);
        }
    }

    #[test]
    fn what_hides_another_target_is_refused() {
        for (raw, fault, at) in [
            ("/..", Fault::PathAboveRoot, 1),
            ("/a/../..", Fault::PathAboveRoot, 6),
            ("/%2e%2e/etc", Fault::PathAboveRoot, 1),
            ("/./../a", Fault::PathAboveRoot, 3),
            ("/a%00b", Fault::EncodedNul, 2),
            ("/a?b=%00", Fault::EncodedNul, 5),
            ("/a%zz", Fault::BadPercentEncoding, 2),
            ("/100%", Fault::BadPercentEncoding, 4),
            ("/a?100%", Fault::BadPercentEncoding, 6),
            ("/a%2|", Fault::BadPercentEncoding, 2),
            ("/a|b", Fault::TargetByte, 2),
            ("/a\\..\\b", Fault::TargetByte, 2),
            ("/[id]", Fault::TargetByte, 1),
            ("https://a/", Fault::HttpsInTheClear, 0),
            ("HttpS://a:443/", Fault::HttpsInTheClear, 0),
            ("ftp://a/", Fault::UnknownScheme, 0),
            ("javascript://a/", Fault::UnknownScheme, 0),
            ("http:///a", Fault::InvalidTargetAuthority, 7),
            ("http://user@a/", Fault::InvalidTargetAuthority, 11),
            ("http://a:b/", Fault::InvalidTargetAuthority, 9),
            ("http://a,b/", Fault::InvalidTargetAuthority, 8),
            ("http://a\\@b/", Fault::InvalidTargetAuthority, 8),
            ("http://a/../b", Fault::PathAboveRoot, 9),
        ] {
            refuse(Method::GET, raw, fault, at);
        }
    }

    #[test]
    fn a_plain_path_is_used_where_it_lies() {
        let (head, target) = parse(Method::GET, "/users/42?x=%20");
        let target = target.expect("valid");
        assert!(std::ptr::eq(target.path(head.as_bytes()).as_bytes(), &head.as_bytes()[4..13]));
    }
}
