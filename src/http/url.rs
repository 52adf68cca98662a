//! Owns the address of a resource: what `http://` means to a client.
//!
//! ```text
//!   http://example.com:8080/keys?kid=1#top
//!   ─┬──   ────┬─────────── ────┬───── ─┬─
//!   scheme  authority: Host   target   fragment: stays here (RFC 9110 7.1)
//!           origin: scheme, host, port: whom to connect to, and whose secrets they are
//! ```
//!
//! Spec: RFC 3986 3, 4.2, 5.2 (references), RFC 9110 4.2 (http and https), 4.3.1 (origin), 7.1. Stricter than they demand: no
//! userinfo (RFC 9110 4.2.4), and a byte that no request-line may hold is refused, not escaped in silence.
//! Never: resolves a name; changes the scheme.

use std::fmt;

use crate::http::authority;
use crate::http::h1::grammar;

/// Bytes of an address: what servers take as a request-target, and a name before it.
pub const BYTES_MAX: usize = 8 * 1024;

/// How to speak to an origin.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Scheme {
    /// In the clear.
    Http,
    /// Over TLS. It needs a [`Connector`](crate::http::client::Connector) that has it.
    Https,
}

/// Whom to connect to, and the border that credentials do not cross (RFC 9110 4.3.1).
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Origin {
    scheme: Scheme,
    host: String,
    port: u16,
}

/// The address of a resource, in the parts that a request needs.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Url {
    scheme: Scheme,
    place: Place,
}

/// What stands behind the scheme, whichever it is: whom to ask and what for.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Place {
    pub(crate) authority: String,
    pub(crate) target: String,
}

/// What is wrong with what stands behind the scheme, and at which byte of it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum PlaceError {
    Authority(usize),
    Target(usize),
}

/// Why an address is none.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum UrlError {
    /// Neither `http://` nor `https://`, or no scheme at all.
    Scheme,
    /// What stands for host and port is neither, from this byte of the address on.
    Authority(usize),
    /// This byte cannot stand in a path or query.
    Target(usize),
    /// It is longer than [`BYTES_MAX`].
    TooLong,
}

impl Scheme {
    /// Its name.
    pub fn as_str(self) -> &'static str {
        match self {
            Scheme::Http => "http",
            Scheme::Https => "https",
        }
    }

    /// The port when none is named (RFC 9110 4.2.1 and 4.2.2).
    pub fn port(self) -> u16 {
        match self {
            Scheme::Http => 80,
            Scheme::Https => 443,
        }
    }

    /// RFC 3986 3.1: its case does not matter.
    fn parse(name: &str) -> Option<Scheme> {
        [Scheme::Http, Scheme::Https].into_iter().find(|scheme| scheme.as_str().eq_ignore_ascii_case(name))
    }
}

impl Origin {
    /// How to speak to it.
    pub fn scheme(&self) -> Scheme {
        self.scheme
    }

    /// The name or address to connect to, in lower case; an IPv6 address without its brackets.
    pub fn host(&self) -> &str {
        &self.host
    }

    /// The port to connect to.
    pub fn port(&self) -> u16 {
        self.port
    }
}

impl Url {
    /// Reads `http://host[:port][/path][?query][#fragment]`. The fragment is dropped: no request carries one.
    ///
    /// # Errors
    /// What is wrong with it, and at which byte.
    pub fn parse(address: &str) -> Result<Url, UrlError> {
        if address.len() > BYTES_MAX {
            return Err(UrlError::TooLong);
        }
        let (scheme, rest) = address.split_once("://").ok_or(UrlError::Scheme)?;
        let scheme = Scheme::parse(scheme).ok_or(UrlError::Scheme)?;
        let at = address.len() - rest.len();
        let place = Place::parse(without_fragment(rest)).map_err(|error| error.behind(at))?;
        Ok(Url { scheme, place })
    }

    /// How to speak to its origin.
    pub fn scheme(&self) -> Scheme {
        self.scheme
    }

    /// Host and port as they were written: the value of Host.
    pub fn authority(&self) -> &str {
        &self.place.authority
    }

    /// Path and query: the request-target.
    pub fn target(&self) -> &str {
        &self.place.target
    }

    /// Whom to connect to.
    pub fn origin(&self) -> Origin {
        let port = self.place.port().unwrap_or(self.scheme.port());
        Origin { scheme: self.scheme, host: self.place.host().to_ascii_lowercase(), port }
    }

    /// The address that `reference` names when it stands in what came from here (RFC 3986 5.2): a redirection, say.
    ///
    /// # Errors
    /// What is wrong with the address that comes of it.
    pub fn join(&self, reference: &str) -> Result<Url, UrlError> {
        let reference = without_fragment(reference);
        let scheme_end = reference.find([':', '/', '?']).filter(|&at| reference.as_bytes()[at] == b':');
        if scheme_end.is_some() {
            return Url::parse(reference);
        }
        let scheme = self.scheme.as_str();
        if reference.starts_with("//") {
            return Url::parse(&format!("{scheme}:{reference}"));
        }
        let (path, query) = split_query(self.target());
        let (given, given_query) = split_query(reference);
        let target = match (given, given_query) {
            ("", "") => format!("{path}{query}"),
            ("", other) => format!("{path}{other}"),
            (absolute, query) if absolute.starts_with('/') => format!("{}{query}", without_dots(absolute)),
            (relative, query) => {
                // RFC 3986 5.2.3: beside the last segment.
                let folder = &path[..path.rfind('/').map_or(0, |slash| slash + 1)];
                format!("{}{query}", without_dots(&format!("{folder}{relative}")))
            }
        };
        Url::parse(&format!("{scheme}://{}{target}", self.authority()))
    }
}

impl Place {
    /// Reads `host[:port][/path][?query]`.
    pub(crate) fn parse(rest: &str) -> Result<Place, PlaceError> {
        let (authority, given) = rest.split_at(rest.find(['/', '?']).unwrap_or(rest.len()));
        authority::validate_authority(authority.as_bytes()).map_err(PlaceError::Authority)?;
        if let Some(at) = given.bytes().position(|byte| !grammar::is_target(byte)) {
            return Err(PlaceError::Target(authority.len() + at));
        }
        // RFC 9110 4.2.3, RFC 6455 3: an empty path is `/`.
        let slash = if given.starts_with('/') { "" } else { "/" };
        Ok(Place { authority: authority.to_owned(), target: format!("{slash}{given}") })
    }

    /// The name or address to connect to; an IPv6 address without its brackets.
    pub(crate) fn host(&self) -> &str {
        authority::host(&self.authority).trim_matches(['[', ']'])
    }

    /// The port, if one is named.
    pub(crate) fn port(&self) -> Option<u16> {
        authority::port(self.authority.as_bytes())
    }
}

impl PlaceError {
    fn behind(self, count: usize) -> UrlError {
        match self {
            PlaceError::Authority(at) => UrlError::Authority(at + count),
            PlaceError::Target(at) => UrlError::Target(at + count),
        }
    }
}

fn without_fragment(reference: &str) -> &str {
    reference.split('#').next().unwrap_or_default()
}

/// Path, and query with its question mark.
fn split_query(target: &str) -> (&str, &str) {
    target.split_at(target.find('?').unwrap_or(target.len()))
}

/// RFC 3986 5.2.4: `.` and `..` taken out of a path that begins with a slash. What climbs above the root stays there.
fn without_dots(path: &str) -> String {
    let mut kept = Vec::new();
    let segments: Vec<&str> = path.split('/').skip(1).collect();
    for (index, &segment) in segments.iter().enumerate() {
        match segment {
            "." | ".." => {
                if segment == ".." {
                    kept.pop();
                }
                // What they name is a folder.
                if index + 1 == segments.len() {
                    kept.push("");
                }
            }
            segment => kept.push(segment),
        }
    }
    format!("/{}", kept.join("/"))
}

impl fmt::Display for Url {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}://{}{}", self.scheme.as_str(), self.place.authority, self.place.target)
    }
}

impl fmt::Display for Origin {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (open, close) = if self.host.contains(':') { ("[", "]") } else { ("", "") };
        write!(f, "{}://{open}{}{close}:{}", self.scheme.as_str(), self.host, self.port)
    }
}

impl fmt::Display for UrlError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            UrlError::Scheme => f.write_str("an address begins with http:// or https://"),
            UrlError::Authority(at) => write!(f, "no HOST or HOST:PORT at byte {at}, as in http://127.0.0.1:8080/"),
            UrlError::Target(at) => write!(f, "byte {at} cannot stand in a path or query as it is: write it as %XX"),
            UrlError::TooLong => write!(f, "longer than {BYTES_MAX} bytes"),
        }
    }
}

impl std::error::Error for UrlError {}

#[cfg(test)]
mod tests {
    use super::*;

    fn url(address: &str) -> Url {
        Url::parse(address).unwrap_or_else(|error| panic!("{address}: {error}"))
    }

    #[test]
    fn an_address_comes_apart() {
        for (address, authority, origin, target) in [
            ("http://example.com", "example.com", "http://example.com:80", "/"),
            ("HTTP://Example.COM/A", "Example.COM", "http://example.com:80", "/A"),
            ("https://example.com?a", "example.com", "https://example.com:443", "/?a"),
            ("http://127.0.0.1:8080/a?b=c", "127.0.0.1:8080", "http://127.0.0.1:8080", "/a?b=c"),
            ("http://[::1]:81/", "[::1]:81", "http://[::1]:81", "/"),
            ("http://h:/x#top", "h:", "http://h:80", "/x"),
            ("http://h#top", "h", "http://h:80", "/"),
        ] {
            let url = url(address);
            assert_eq!((url.authority(), &*url.origin().to_string(), url.target()), (authority, origin, target));
            assert_eq!(Url::parse(&url.to_string()), Ok(url), "{address}");
        }
    }

    #[test]
    fn what_is_no_address_is_refused_where_it_is_not() {
        for (attack, address, expected) in [
            ("nothing", "", UrlError::Scheme),
            ("no scheme", "example.com/keys", UrlError::Scheme),
            ("a file", "file:///etc/passwd", UrlError::Scheme),
            ("another protocol", "gopher://h:6379/_FLUSHALL", UrlError::Scheme),
            ("no host", "http:///keys", UrlError::Authority(7)),
            ("only a port", "http://:80/", UrlError::Authority(7)),
            ("a name before the host", "http://trusted.example@evil/", UrlError::Authority(22)),
            ("a password", "http://user:secret@host/", UrlError::Authority(12)),
            ("a backslash for a slash", "http://evil\\@trusted/", UrlError::Authority(11)),
            ("a port that wraps round", "http://a:65616/", UrlError::Authority(13)),
            ("a line in the host", "http://a\r\nX: y/", UrlError::Authority(8)),
            ("a request in the target", "http://a/ HTTP/1.1\r\nX: y\r\n\r\n", UrlError::Target(9)),
            ("a line in the query", "http://a/?\r\nX: y", UrlError::Target(10)),
            ("a NUL", "http://a/\0", UrlError::Target(9)),
            ("no ASCII", "http://a/é", UrlError::Target(9)),
        ] {
            assert_eq!(Url::parse(address), Err(expected), "{attack}: {address:?}");
        }
        assert_eq!(Url::parse(&format!("http://a/{}", "b".repeat(BYTES_MAX))), Err(UrlError::TooLong));
    }

    #[test]
    fn references_are_resolved_as_rfc_3986_5_4_shows() {
        for (reference, expected) in [
            ("http://g", "http://g/"),
            ("g", "http://a/b/c/g"),
            ("./g", "http://a/b/c/g"),
            ("g/", "http://a/b/c/g/"),
            ("/g", "http://a/g"),
            ("//g", "http://g/"),
            ("?y", "http://a/b/c/d;p?y"),
            ("g?y", "http://a/b/c/g?y"),
            ("#s", "http://a/b/c/d;p?q"),
            ("g?y#s", "http://a/b/c/g?y"),
            ("", "http://a/b/c/d;p?q"),
            (".", "http://a/b/c/"),
            ("./", "http://a/b/c/"),
            ("..", "http://a/b/"),
            ("../g", "http://a/b/g"),
            ("../..", "http://a/"),
            ("../../g", "http://a/g"),
            ("../../../g", "http://a/g"),
            ("/../g", "http://a/g"),
            ("g;x=1/../y", "http://a/b/c/y"),
            ("g?y/../x", "http://a/b/c/g?y/../x"),
            ("/x?u=http://h/", "http://a/x?u=http://h/"),
        ] {
            let joined =
                url("http://a/b/c/d;p?q").join(reference).unwrap_or_else(|error| panic!("{reference}: {error}"));
            assert_eq!(joined.to_string(), expected, "{reference}");
        }
        assert_eq!(url("https://a/b").join("//g/x").map(|url| url.to_string()), Ok("https://g/x".to_owned()));
        for reference in ["javascript:alert(1)", "file:///etc/passwd", "mailto:a@b", "g:h"] {
            assert_eq!(url("http://a/").join(reference), Err(UrlError::Scheme), "{reference}");
        }
        assert!(url("http://a/").join("/a b").is_err() && url("http://a/").join("//u@h/").is_err());
    }
}
