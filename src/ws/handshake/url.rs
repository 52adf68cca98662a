//! Owns the address of a WebSocket: what `ws://` means.
//!
//! ```text
//!   ws://example.com:8080/chat?room=1
//!        ────┬─────────── ────┬──────
//!        authority: Host    target: the request-line
//!        host, port: whom to connect to
//! ```
//!
//! Spec: RFC 6455 3 and 4.1 (items 1, 3 and 4); RFC 3986 3.2. Stricter than they demand: no userinfo, and a byte that no
//! request-line may hold is refused, not escaped in silence.
//! Never: resolves a name; takes `wss://` for `ws://`: who asks for a secret channel does not want another.

use std::fmt;

use crate::http::url::{BYTES_MAX, Place, PlaceError};

/// RFC 6455 3: the port of `ws` when none is named.
const PORT: u16 = 80;

/// The address of a WebSocket, in the parts that a handshake needs.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Url(Place);

/// Why an address is none.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum UrlError {
    /// `wss://`: this client speaks no TLS.
    Secure,
    /// `http://` and others, or no scheme at all.
    Scheme,
    /// What stands for host and port is neither, from this byte of the address on.
    Authority(usize),
    /// RFC 6455 3: a fragment means nothing here. It begins at this byte.
    Fragment(usize),
    /// This byte cannot stand in a path or query.
    Target(usize),
    /// It is longer than 8 KiB.
    TooLong,
}

impl Url {
    /// Reads `ws://host[:port][/path][?query]`.
    ///
    /// # Errors
    /// What is wrong with it, and at which byte.
    pub fn parse(address: &str) -> Result<Url, UrlError> {
        let (scheme, rest) = address.split_once("://").ok_or(UrlError::Scheme)?;
        match scheme {
            // RFC 3986 3.1: the case of a scheme does not matter.
            _ if scheme.eq_ignore_ascii_case("ws") => {}
            _ if scheme.eq_ignore_ascii_case("wss") => return Err(UrlError::Secure),
            _ => return Err(UrlError::Scheme),
        }
        if address.len() > BYTES_MAX {
            return Err(UrlError::TooLong);
        }
        let at = address.len() - rest.len();
        // RFC 6455 3: a fragment is no part of it. What stands before one is looked at first.
        let fragment = rest.find('#');
        let place = Place::parse(&rest[..fragment.unwrap_or(rest.len())]).map_err(|error| UrlError::of(error, at))?;
        fragment.map_or(Ok(Url(place)), |fragment| Err(UrlError::Fragment(at + fragment)))
    }

    /// Host and port as they were written: the value of Host.
    pub fn authority(&self) -> &str {
        &self.0.authority
    }

    /// The name or address to connect to; an IPv6 address without its brackets.
    pub fn host(&self) -> &str {
        self.0.host()
    }

    /// The port to connect to.
    pub fn port(&self) -> u16 {
        self.0.port().unwrap_or(PORT)
    }

    /// Path and query: the request-target.
    pub fn target(&self) -> &str {
        &self.0.target
    }
}

impl UrlError {
    /// What is wrong with what stands behind the first `count` bytes.
    fn of(error: PlaceError, count: usize) -> UrlError {
        match error {
            PlaceError::Authority(at) => UrlError::Authority(at + count),
            PlaceError::Target(at) => UrlError::Target(at + count),
        }
    }
}

impl fmt::Display for Url {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "ws://{}{}", self.authority(), self.target())
    }
}

impl fmt::Display for UrlError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            UrlError::Secure => {
                f.write_str("wss:// needs TLS, which this client does not speak: ws://, or a proxy that adds it")
            }
            UrlError::Scheme => f.write_str("an address begins with ws://, as in ws://127.0.0.1:8080/ws"),
            UrlError::Authority(at) => write!(f, "no HOST or HOST:PORT at byte {at}, as in ws://127.0.0.1:8080/ws"),
            UrlError::Fragment(at) => {
                write!(f, "a fragment, at byte {at}, has no meaning in ws:// (RFC 6455 3): a # is written %23")
            }
            UrlError::Target(at) => write!(f, "byte {at} cannot stand in a path or query as it is: write it as %XX"),
            UrlError::TooLong => write!(f, "longer than {BYTES_MAX} bytes"),
        }
    }
}

impl std::error::Error for UrlError {}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_address_comes_apart() {
        for (address, authority, host, port, target) in [
            ("ws://example.com", "example.com", "example.com", 80, "/"),
            ("WS://example.com/", "example.com", "example.com", 80, "/"),
            ("ws://127.0.0.1:8080/ws", "127.0.0.1:8080", "127.0.0.1", 8080, "/ws"),
            ("ws://[::1]:81/a/b?c=d&e", "[::1]:81", "::1", 81, "/a/b?c=d&e"),
            ("ws://[2001:db8::1]/", "[2001:db8::1]", "2001:db8::1", 80, "/"),
            ("ws://localhost?a=b", "localhost", "localhost", 80, "/?a=b"),
            ("ws://localhost:/x", "localhost:", "localhost", 80, "/x"),
            ("ws://h/a%20b?%23", "h", "h", 80, "/a%20b?%23"),
        ] {
            let url = Url::parse(address).expect(address);
            assert_eq!((url.authority(), url.host(), url.port(), url.target()), (authority, host, port, target));
            assert_eq!(Url::parse(&url.to_string()), Ok(url), "{address}");
        }
    }

    #[test]
    fn what_is_no_address_is_refused_where_it_is_not() {
        for (address, expected) in [
            ("", UrlError::Scheme),
            ("example.com/ws", UrlError::Scheme),
            ("//example.com", UrlError::Scheme),
            ("http://example.com", UrlError::Scheme),
            ("wss://example.com", UrlError::Secure),
            ("WSS://example.com", UrlError::Secure),
            ("ws://", UrlError::Authority(5)),
            ("ws:///ws", UrlError::Authority(5)),
            ("ws://:80/", UrlError::Authority(5)),
            ("ws://user@host/", UrlError::Authority(9)),
            ("ws://user:secret@host/", UrlError::Authority(10)),
            ("ws://a b/", UrlError::Authority(6)),
            ("ws://a\r\nHost: b/", UrlError::Authority(6)),
            ("ws://a:99999/", UrlError::Authority(11)),
            ("ws://[::1/", UrlError::Authority(9)),
            ("ws://::1/", UrlError::Authority(5)),
            ("ws://a/#b", UrlError::Fragment(7)),
            ("ws://a#b", UrlError::Fragment(6)),
            ("ws://a/?b#", UrlError::Fragment(9)),
            ("ws://a/b c", UrlError::Target(8)),
            ("ws://a/ HTTP/1.1\r\nX: y\r\n\r\n", UrlError::Target(7)),
            ("ws://a/é", UrlError::Target(7)),
            ("ws://a?b\0", UrlError::Target(8)),
        ] {
            assert_eq!(Url::parse(address), Err(expected), "{address:?}");
        }
        let long = format!("ws://a/{}", "b".repeat(BYTES_MAX));
        assert_eq!(Url::parse(&long), Err(UrlError::TooLong));
    }
}
