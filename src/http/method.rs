//! Owns the request method: the nine registered ones and any other token, in one small value that is copied freely.
//!
//! Spec: RFC 9110 9 (semantics, 9.2.1 safe, 9.2.2 idempotent), RFC 9112 3.1 (`method = token`, case-sensitive),
//! RFC 5789 (PATCH). A method we hold but no route names is answered by the router, not here.
//! Never: allocates; folds case: `get` is not `GET`.

use std::fmt;

/// Longest method held, in bytes. The longest registered one (`UPDATEREDIRECTREF`) has 17.
pub const METHOD_BYTES_MAX: usize = 24;

/// A request method.
#[derive(Clone, Copy, PartialEq, Eq, Hash)]
pub struct Method(Repr);

#[derive(Clone, Copy, PartialEq, Eq, Hash)]
enum Repr {
    Get,
    Head,
    Post,
    Put,
    Delete,
    Connect,
    Options,
    Trace,
    Patch,
    Other([u8; METHOD_BYTES_MAX], u8),
}

impl Method {
    /// Transfer a current representation (RFC 9110 9.3.1).
    pub const GET: Method = Method(Repr::Get);
    /// As GET, without the content (RFC 9110 9.3.2).
    pub const HEAD: Method = Method(Repr::Head);
    /// Process the content by the resource's own rules (RFC 9110 9.3.3).
    pub const POST: Method = Method(Repr::Post);
    /// Replace the representation (RFC 9110 9.3.4).
    pub const PUT: Method = Method(Repr::Put);
    /// Remove the association (RFC 9110 9.3.5).
    pub const DELETE: Method = Method(Repr::Delete);
    /// Establish a tunnel (RFC 9110 9.3.6).
    pub const CONNECT: Method = Method(Repr::Connect);
    /// Describe communication options (RFC 9110 9.3.7).
    pub const OPTIONS: Method = Method(Repr::Options);
    /// Loop the request back (RFC 9110 9.3.8).
    pub const TRACE: Method = Method(Repr::Trace);
    /// Apply a partial change (RFC 5789).
    pub const PATCH: Method = Method(Repr::Patch);

    /// All that RFC 9110 and RFC 5789 define.
    pub(crate) const REGISTERED: [Method; 9] = [
        Method::GET,
        Method::HEAD,
        Method::POST,
        Method::PUT,
        Method::DELETE,
        Method::CONNECT,
        Method::OPTIONS,
        Method::TRACE,
        Method::PATCH,
    ];

    /// The method spelled by `token`, or `None` when that is no token (RFC 9110 5.6.2) or longer than
    /// [`METHOD_BYTES_MAX`].
    #[inline]
    pub fn parse(token: &[u8]) -> Option<Method> {
        let known = match token {
            b"GET" => Repr::Get,
            b"HEAD" => Repr::Head,
            b"POST" => Repr::Post,
            b"PUT" => Repr::Put,
            b"DELETE" => Repr::Delete,
            b"CONNECT" => Repr::Connect,
            b"OPTIONS" => Repr::Options,
            b"TRACE" => Repr::Trace,
            b"PATCH" => Repr::Patch,
            _ => return Method::parse_other(token),
        };
        Some(Method(known))
    }

    fn parse_other(token: &[u8]) -> Option<Method> {
        let fits = !token.is_empty() && token.len() <= METHOD_BYTES_MAX;
        if !fits || !token.iter().all(|&byte| crate::http::h1::grammar::is_token(byte)) {
            return None;
        }
        let mut bytes = [0; METHOD_BYTES_MAX];
        bytes[..token.len()].copy_from_slice(token);
        Some(Method(Repr::Other(bytes, token.len() as u8)))
    }

    /// The method as it stands on the wire.
    pub fn as_str(&self) -> &str {
        match &self.0 {
            Repr::Get => "GET",
            Repr::Head => "HEAD",
            Repr::Post => "POST",
            Repr::Put => "PUT",
            Repr::Delete => "DELETE",
            Repr::Connect => "CONNECT",
            Repr::Options => "OPTIONS",
            Repr::Trace => "TRACE",
            Repr::Patch => "PATCH",
            Repr::Other(bytes, len) => std::str::from_utf8(&bytes[..usize::from(*len)]).unwrap_or(""),
        }
    }

    /// Whether RFC 9110 or RFC 5789 defines it.
    pub fn is_registered(&self) -> bool {
        self.registered_index().is_some()
    }

    /// Its place in [`Method::REGISTERED`], if it is there: a number to compare in place of a name.
    #[inline]
    pub(crate) const fn registered_index(&self) -> Option<usize> {
        Some(match self.0 {
            Repr::Get => 0,
            Repr::Head => 1,
            Repr::Post => 2,
            Repr::Put => 3,
            Repr::Delete => 4,
            Repr::Connect => 5,
            Repr::Options => 6,
            Repr::Trace => 7,
            Repr::Patch => 8,
            Repr::Other(..) => return None,
        })
    }

    /// Whether it asks for no change (RFC 9110 9.2.1).
    pub fn is_safe(&self) -> bool {
        matches!(self.0, Repr::Get | Repr::Head | Repr::Options | Repr::Trace)
    }

    /// Whether asking twice is as good as asking once (RFC 9110 9.2.2). Of a method that is not registered nobody knows.
    pub fn is_idempotent(&self) -> bool {
        self.is_safe() || matches!(self.0, Repr::Put | Repr::Delete)
    }
}

impl fmt::Display for Method {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

impl fmt::Debug for Method {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_registered_method_round_trips() {
        let names = ["GET", "HEAD", "POST", "PUT", "DELETE", "CONNECT", "OPTIONS", "TRACE", "PATCH"];
        for (index, name) in names.into_iter().enumerate() {
            let method = Method::parse(name.as_bytes()).expect(name);
            assert_eq!(method.as_str(), name);
            assert!(method.is_registered());
            assert_eq!((method.registered_index(), Method::REGISTERED[index]), (Some(index), method));
        }
    }

    #[test]
    fn what_may_be_asked_twice_is_what_rfc_9110_9_2_2_names() {
        let idempotent = Method::REGISTERED.into_iter().filter(Method::is_idempotent);
        assert_eq!(
            idempotent.map(|m| m.to_string()).collect::<Vec<_>>().join(" "),
            "GET HEAD PUT DELETE OPTIONS TRACE"
        );
        assert!(!Method::parse(b"PROPFIND").expect("a token").is_idempotent());
    }

    #[test]
    fn other_tokens_are_held_and_case_counts() {
        assert_eq!(Method::parse(b"PROPFIND").map(|m| m.to_string()), Some("PROPFIND".into()));
        assert_ne!(Method::parse(b"get"), Some(Method::GET));
        assert!(!Method::parse(b"get").expect("a token").is_registered());
    }

    #[test]
    fn what_is_no_token_is_refused() {
        for wrong in [&b""[..], b"GE T", b"GET\0", b"G\xc3\x89T", &[b'A'; METHOD_BYTES_MAX + 1]] {
            assert_eq!(Method::parse(wrong), None, "{wrong:?}");
        }
    }
}
