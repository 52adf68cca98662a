//! Owns the address of a service that applications lean on, and keeps its password to itself.
//!
//! The one idea: what is shown is not what is used. [`ServiceUrl::expose`] is for the client library; everything else, the log
//! and `--print-config` too, gets the [`Display`](fmt::Display), where `***` stands for whoever logs in, and for a query.
//!
//! Spec: RFC 3986 3.2.1: the userinfo of an authority ends at its `@`.
//! Never: shows a password, or takes the three stars for one.

use std::fmt;
use std::str::FromStr;

use crate::http::h1::grammar;

/// What is shown instead of user and password.
const MASK: &str = "***";

/// `scheme://[user:password@]host[:port][/path]`.
#[derive(Clone, PartialEq, Eq)]
pub struct ServiceUrl {
    text: String,
}

/// Why a text is no address of a service.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum UrlError {
    /// There is no `://`.
    NoUrl,
    /// A service that is not spoken to.
    Scheme,
    /// What it shows in place of a password was given back to it.
    Masked,
    /// It asks for TLS.
    Secure,
    /// The rest cannot be understood: no host, no number for a port.
    Malformed,
}

impl ServiceUrl {
    /// What stands before `://`.
    pub fn scheme(&self) -> &str {
        self.text.split("://").next().unwrap_or_default()
    }

    /// All of it, with the password.
    pub fn expose(&self) -> &str {
        &self.text
    }

    /// All of it but who logs in.
    pub fn without_login(&self) -> String {
        let (scheme, _, rest) = self.parts();
        format!("{scheme}://{rest}")
    }

    /// Who logs in: a user, or a token alone, and a password. Their escapes are decoded.
    pub fn login(&self) -> Option<(String, Option<String>)> {
        let userinfo = self.parts().1?;
        let (user, password) = userinfo.split_once(':').map_or((userinfo, None), |(user, it)| (user, Some(it)));
        Some((decoded(user), password.map(decoded)))
    }

    /// Scheme, userinfo and the rest.
    fn parts(&self) -> (&str, Option<&str>, &str) {
        let (scheme, rest) = self.text.split_once("://").unwrap_or_default();
        let authority = rest.split(['/', '?', '#']).next().unwrap_or_default();
        match authority.rfind('@') {
            Some(at) => (scheme, Some(&rest[..at]), &rest[at + 1..]),
            None => (scheme, None, rest),
        }
    }
}

/// RFC 3986 2.1: what is no UTF-8 afterwards is no name that a service knows.
fn decoded(text: &str) -> String {
    let bytes: Vec<u8> = grammar::percent_decoded(text.as_bytes()).collect();
    String::from_utf8_lossy(&bytes).into_owned()
}

impl FromStr for ServiceUrl {
    type Err = UrlError;

    fn from_str(text: &str) -> Result<ServiceUrl, UrlError> {
        let url = ServiceUrl { text: text.to_owned() };
        match url.parts() {
            ("", _, _) => Err(UrlError::NoUrl),
            (_, Some(MASK), _) => Err(UrlError::Masked),
            (_, _, rest) if rest.split_once('?').is_some_and(|(_, query)| query == MASK) => Err(UrlError::Masked),
            (_, _, rest) if rest.is_empty() || rest.starts_with([':', '/', '?', '#']) => Err(UrlError::Malformed),
            _ if !text.bytes().all(|byte| byte.is_ascii_graphic()) => Err(UrlError::Malformed),
            _ => Ok(url),
        }
    }
}

impl fmt::Display for ServiceUrl {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (scheme, login, rest) = self.parts();
        write!(f, "{scheme}://")?;
        if login.is_some() {
            write!(f, "{MASK}@")?;
        }
        match rest.split_once('?') {
            // A query may hold a password as well.
            Some((place, _)) => write!(f, "{place}?{MASK}"),
            None => f.write_str(rest),
        }
    }
}

impl fmt::Debug for ServiceUrl {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

impl fmt::Display for UrlError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            UrlError::NoUrl => "it has no `://`",
            UrlError::Scheme => "this is no service that is spoken to",
            UrlError::Masked => "user and password were masked when this was printed: write them instead of the stars",
            UrlError::Secure => "TLS is not spoken to services: leave sslmode out, and keep the way to it private",
            UrlError::Malformed => "what follows `://` is no [user:password@]host[:port][/name]",
        })
    }
}

impl std::error::Error for UrlError {}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn who_logs_in_is_masked() {
        let check = |text: &str, shown: &str| {
            let url: ServiceUrl = text.parse().expect(text);
            assert_eq!(url.to_string(), shown);
            assert_eq!(format!("{url:?}"), shown);
            assert_eq!(url.expose(), text);
        };
        check("redis://h", "redis://h");
        check("redis://h:1/2", "redis://h:1/2");
        check("redis://:secret@h:1/2", "redis://***@h:1/2");
        check("nats://token@h", "nats://***@h");
        check("nats://user:secret@h", "nats://***@h");
        check("redis://user:se@cret@h", "redis://***@h");
        check("redis://user:secret@[::1]:1", "redis://***@[::1]:1");
        check("redis://h/with@path", "redis://h/with@path");
        check("postgres://user:secret@h:1/name", "postgres://***@h:1/name");
        check("postgresql://h/name?password=secret", "postgresql://h/name?***");
    }

    #[test]
    fn what_is_no_address_is_refused() {
        let check = |text: &str, expected| assert_eq!(text.parse::<ServiceUrl>(), Err(expected), "{text}");
        for text in ["", "redis", "h:6379", "redis:h", "://h", "redis:/h"] {
            check(text, UrlError::NoUrl);
        }
        for text in
            ["redis://", "redis:///0", "redis://:6379", "redis://u:p@", "redis://?x", "redis://a b", "redis://h\n"]
        {
            check(text, UrlError::Malformed);
        }
        check("redis://***@h", UrlError::Masked);
        check("postgres://h/name?***", UrlError::Masked);
    }
}
