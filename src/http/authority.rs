//! Owns the check of an authority: the host, and perhaps the port, that a request names.
//!
//! ```text
//!   example.com:8080     [2001:db8::1]:80     127.0.0.1
//!   ───host──── port     ─────host──── port   ──host───
//! ```
//!
//! Spec: RFC 3986 3.2.2 and 3.2.3, RFC 9110 4.2 and 7.2. Stricter than they demand: no comma in a name (a proxy that
//! joins two Host lines leaves one), no IPvFuture, no zone of an IPv6 address, a port of at most 65535. An empty port
//! (`host:`) is allowed: RFC 9110 4.2.1 says that it means the default one.
//! Never: resolves a name; accepts userinfo (RFC 9110 4.2.4: an error in a reference from outside).

use std::net::Ipv6Addr;

use crate::http::h1::grammar;
use crate::http::h1::head::Span;

/// Checks `host [ ":" port ]`.
///
/// # Errors
/// The offset of the first byte that does not fit; the length when something is missing at the end.
#[inline(never)]
pub fn validate_authority(authority: &[u8]) -> Result<(), usize> {
    let host_end = host_end(authority)?;
    match authority.get(host_end) {
        None => Ok(()),
        Some(b':') => validate_port(&authority[host_end + 1..]).map_err(|at| host_end + 1 + at),
        Some(_) => Err(host_end),
    }
}

/// Checks the authority at `span` in `head`.
///
/// # Errors
/// As [`validate_authority`], the offset counted from the start of the authority.
#[inline(always)]
pub(crate) fn validate_authority_in(head: &[u8], span: Span) -> Result<(), usize> {
    if is_plain(head, span) { Ok(()) } else { validate_authority(span.of(head)) }
}

/// Whether the authority at `span` is a plain host and perhaps a port: valid, and seen to be so at a glance. What stands
/// behind it in `head` is only there to be passed over in blocks.
#[inline]
fn is_plain(head: &[u8], span: Span) -> bool {
    let (start, end) = (span.start as usize, span.end as usize);
    let host_end = grammar::plain_host_end(head, start).min(end);
    host_end > start
        && match head[host_end..end] {
            [] => true,
            [b':', ref port @ ..] => is_plain_port(port),
            _ => false,
        }
}

/// Whether `port` is at most 65535 at a glance: by its length and its first digit.
#[inline]
fn is_plain_port(port: &[u8]) -> bool {
    let fits = port.len() < 5 || port.len() == 5 && port[0] < b'6';
    fits && port.iter().all(u8::is_ascii_digit)
}

/// The port of a valid authority, when it names one.
pub(crate) fn port(authority: &[u8]) -> Option<u16> {
    let colon = authority.iter().rposition(|byte| !byte.is_ascii_digit())?;
    let mut digits = authority[colon + 1..].iter();
    let value = digits.try_fold(0u16, |value, digit| value.checked_mul(10)?.checked_add(u16::from(digit - b'0')));
    value.filter(|_| authority[colon] == b':' && colon + 1 < authority.len())
}

/// `authority` without its port.
pub(crate) fn host(authority: &str) -> &str {
    &authority[..host_len(authority.as_bytes())]
}

/// The length of a valid authority without its port.
pub(crate) fn host_len(authority: &[u8]) -> usize {
    match authority.iter().rposition(|byte| !byte.is_ascii_digit()) {
        Some(colon) if authority[colon] == b':' => colon,
        _ => authority.len(),
    }
}

/// Where the host ends, by all its rules.
fn host_end(authority: &[u8]) -> Result<usize, usize> {
    if authority.first() == Some(&b'[') {
        let close = authority.iter().position(|&byte| byte == b']').ok_or(authority.len())?;
        let literal = std::str::from_utf8(&authority[1..close]).map_err(|_| 1usize)?;
        return literal.parse::<Ipv6Addr>().map(|_| close + 1).map_err(|_| 1);
    }
    let end = authority.iter().position(|&byte| byte == b':').unwrap_or(authority.len());
    let name = &authority[..end];
    match name.iter().position(|&byte| !grammar::is_reg_name(byte)) {
        Some(at) => Err(at),
        // RFC 9110 4.2.1: a recipient must reject an http URI with an empty host.
        None if name.is_empty() => Err(0),
        None => grammar::check_triplets(name).map(|()| end).map_err(|(at, _)| at),
    }
}

fn validate_port(port: &[u8]) -> Result<(), usize> {
    let mut value = 0u32;
    for (at, &byte) in port.iter().enumerate() {
        if !byte.is_ascii_digit() {
            return Err(at);
        }
        value = value * 10 + u32::from(byte - b'0');
        if value > u32::from(u16::MAX) {
            return Err(at);
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(authority: &str, expected: Result<(), usize>) {
        assert_eq!(validate_authority(authority.as_bytes()), expected, "{authority:?}");
    }

    #[test]
    fn hosts_with_and_without_a_port_are_accepted() {
        for authority in [
            "a",
            "example.com",
            "example.com:80",
            "example.com:",
            "example.com:00080",
            "127.0.0.1:65535",
            "[::1]",
            "[2001:db8::ffff:1.2.3.4]:0",
            "a_b-c.d~e!$&'()*+;=",
            "caf%C3%A9.example",
        ] {
            check(authority, Ok(()));
        }
    }

    #[test]
    fn what_hides_another_host_is_refused() {
        for (authority, at) in [
            ("", 0),
            (":80", 0),
            ("a b", 1),
            ("a, b", 1),
            ("a,b", 1),
            ("user@host", 4),
            ("user:pass@host", 5),
            ("a:65536", 6),
            ("a:99999999999999999999", 6),
            ("a:-1", 2),
            ("a:80:80", 4),
            ("a/b", 1),
            ("a?b", 1),
            ("a\\b", 1),
            ("a%", 1),
            ("a%4", 1),
            ("a%zz", 1),
            ("a%00", 1),
            ("[::1", 4),
            ("[]", 1),
            ("[1.2.3.4]", 1),
            ("[fe80::1%25eth0]", 1),
            ("[v1.a]", 1),
            ("[::1]a", 5),
            ("[::1]:x", 6),
            ("::1", 0),
            ("b\u{fc}cher", 1),
        ] {
            check(authority, Err(at));
        }
    }

    #[test]
    fn the_host_is_what_stands_before_the_port() {
        for (authority, expected) in [
            ("a", "a"),
            ("a:80", "a"),
            ("a:", "a"),
            ("[::1]", "[::1]"),
            ("[::1]:80", "[::1]"),
            ("127.0.0.1:1", "127.0.0.1"),
        ] {
            assert_eq!(host(authority), expected, "{authority}");
        }
    }

    #[test]
    fn the_port_is_found_behind_the_host() {
        for (authority, expected) in [
            ("a:80", Some(80)),
            ("[::1]:443", Some(443)),
            ("a:", None),
            ("a", None),
            ("[::80]", None),
            ("1.2.3.4", None),
        ] {
            assert_eq!(port(authority.as_bytes()), expected, "{authority}");
        }
    }
}
