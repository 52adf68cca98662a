//! Owns the reading of `Forwarded` and `X-Forwarded-For` as a list of hops.
//!
//! The one idea: a member that cannot be read is a hop too, an unknown one. It is kept as such, so that the walk stops at
//! it and does not step over.
//!
//! ```text
//!   Forwarded: for=192.0.2.1;proto=https, for="[2001:db8::7]:80", for=_hidden
//!              [ Some(192.0.2.1),         Some(2001:db8::7),      None ]
//! ```
//!
//! Each line is split by itself: a quote that a client leaves open cannot reach into the line that a proxy adds.
//!
//! Spec: RFC 7239 4 (the list and its pairs), 6 (nodes); RFC 9110 5.6.4 (quoted strings).
//! Stricter: a `Forwarded` address with a port, or of IPv6, must be quoted, and IPv6 in brackets (RFC 7239 6).
//! Never: decides whom to believe.

use std::borrow::Cow;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

use crate::http::Fields;
use crate::http::field::split_list;
use crate::http::h1::grammar;

/// Whom each hop of `Forwarded` saw, the client's first; nothing when the field is missing.
pub(super) fn hops(fields: &Fields) -> Option<Vec<Option<IpAddr>>> {
    let elements = fields.all("Forwarded").flat_map(|line| {
        let parts = split_unquoted(line, b',').map(<[u8]>::trim_ascii);
        parts.filter(|element| !element.is_empty()).map(node_of_element)
    });
    Some(elements.collect()).filter(|_| fields.contains("Forwarded"))
}

/// The same for `X-Forwarded-For`, which nobody has specified: addresses with commas between, and some add ports.
pub(super) fn x_hops(fields: &Fields) -> Option<Vec<Option<IpAddr>>> {
    const NAME: &str = "X-Forwarded-For";
    let hops = fields.all(NAME).flat_map(split_list).map(|member| {
        let member = std::str::from_utf8(member).ok()?;
        let bare = member.parse::<Ipv6Addr>().ok().map(IpAddr::V6);
        bare.or_else(|| node(member)).map(|addr| addr.to_canonical())
    });
    Some(hops.collect()).filter(|_| fields.contains(NAME))
}

/// The `for` of one element, when all of the element can be read.
fn node_of_element(element: &[u8]) -> Option<IpAddr> {
    let mut found = None;
    for pair in split_unquoted(element, b';').map(<[u8]>::trim_ascii).filter(|pair| !pair.is_empty()) {
        let equals = pair.iter().position(|&byte| byte == b'=')?;
        let (name, value) = (&pair[..equals], value(&pair[equals + 1..])?);
        if name.is_empty() || !name.iter().copied().all(grammar::is_token) {
            return None;
        }
        // RFC 7239 4: no parameter stands twice in an element.
        if name.eq_ignore_ascii_case(b"for") && found.replace(value).is_some() {
            return None;
        }
    }
    node(std::str::from_utf8(&found?).ok()?).map(|addr| addr.to_canonical())
}

/// `value = token / quoted-string` (RFC 7239 4), without the quotes.
fn value(text: &[u8]) -> Option<Cow<'_, [u8]>> {
    let Some(quoted) = text.strip_prefix(b"\"") else {
        let is_token = !text.is_empty() && text.iter().copied().all(grammar::is_token);
        return is_token.then_some(Cow::Borrowed(text));
    };
    let mut unquoted = Vec::with_capacity(quoted.len());
    let mut bytes = quoted.iter().copied();
    loop {
        match bytes.next()? {
            b'\\' => unquoted.push(bytes.next()?),
            b'"' => return bytes.next().is_none().then_some(Cow::Owned(unquoted)),
            byte => unquoted.push(byte),
        }
    }
}

/// `node = nodename [ ":" node-port ]` (RFC 7239 6), when the name is an address.
fn node(text: &str) -> Option<IpAddr> {
    let (addr, port): (IpAddr, _) = match text.strip_prefix('[') {
        Some(bracketed) => {
            let (addr, port) = bracketed.split_once(']')?;
            (addr.parse::<Ipv6Addr>().ok()?.into(), port)
        }
        None => {
            let (addr, port) = text.split_at(text.find(':').unwrap_or(text.len()));
            (addr.parse::<Ipv4Addr>().ok()?.into(), port)
        }
    };
    let in_port = |byte: u8| byte.is_ascii_alphanumeric() || matches!(byte, b'.' | b'_' | b'-');
    let port_ok = port.is_empty() || port.strip_prefix(':').is_some_and(|p| !p.is_empty() && p.bytes().all(in_port));
    port_ok.then_some(addr)
}

/// Splits at `separator` where no quotes are open.
fn split_unquoted(text: &[u8], separator: u8) -> impl Iterator<Item = &[u8]> {
    let (mut quoted, mut escaped) = (false, false);
    text.split(move |&byte| {
        let literal = std::mem::take(&mut escaped);
        match byte {
            b'"' if !literal => quoted = !quoted,
            b'\\' if quoted && !literal => escaped = true,
            _ => {}
        }
        byte == separator && !quoted
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(lines: &[&str], expected: &[Option<&str>]) {
        let mut fields = Fields::new();
        for line in lines {
            fields.append("forwarded", line).expect("a field value");
        }
        let read: Vec<_> = hops(&fields).expect("the field").iter().map(|hop| hop.map(|ip| ip.to_string())).collect();
        assert_eq!(read.iter().map(Option::as_deref).collect::<Vec<_>>(), expected, "{lines:?}");
    }

    #[test]
    fn the_examples_of_rfc_7239_are_read() {
        check(&["for=\"_gazonk\""], &[None]);
        check(&["For=\"[2001:db8:cafe::17]:4711\""], &[Some("2001:db8:cafe::17")]);
        check(&["for=192.0.2.60;proto=http;by=203.0.113.43"], &[Some("192.0.2.60")]);
        check(&["for=192.0.2.43, for=198.51.100.17"], &[Some("192.0.2.43"), Some("198.51.100.17")]);
        check(
            &["for=192.0.2.43,for=\"[2001:db8:cafe::17]\",for=unknown"],
            &[Some("192.0.2.43"), Some("2001:db8:cafe::17"), None],
        );
        check(&["for=_hidden, for=_SEVKISEK"], &[None, None]);
    }

    #[test]
    fn lines_follow_each_other_and_empty_members_are_nothing() {
        check(&["for=192.0.2.1, ,", "for=192.0.2.2"], &[Some("192.0.2.1"), Some("192.0.2.2")]);
        check(&[""], &[]);
        check(&["for=192.0.2.1 ; proto=http; ;"], &[Some("192.0.2.1")]);
        check(&["secret=\"a,b;for=8.8.8.8\\\",\";for=192.0.2.1"], &[Some("192.0.2.1")]);
        assert_eq!(hops(&Fields::new()), None);
    }

    #[test]
    fn a_quote_left_open_ends_with_its_line() {
        check(&["for=\"8.8.8.8", "for=192.0.2.1"], &[None, Some("192.0.2.1")]);
        check(&["for=\"8.8.8.8, for=192.0.2.1"], &[None]);
    }

    #[test]
    fn what_breaks_the_grammar_is_an_unknown_hop() {
        for element in [
            "192.0.2.1",
            "for",
            "for=",
            "=192.0.2.1",
            "for =192.0.2.1",
            "for= 192.0.2.1",
            "for=\"192.0.2.1",
            "for=192.0.2.1\"",
            "for=\"192.0.2.1\"x",
            "for=192.0.2.1;for=192.0.2.1",
            "for=192.0.2.1;FOR=8.8.8.8",
            "for=192.0.2.1:80",
            "for=\"192.0.2.1:\"",
            "for=\"192.0.2.1:8 0\"",
            "for=[2001:db8::1]",
            "for=\"2001:db8::1\"",
            "for=\"[2001:db8::1\"",
            "for=\"[2001:db8::1]80\"",
            "for=\"[192.0.2.1]\"",
            "for=192.0.2.1;pro to=http",
            "for=192.0.2.1;proto",
            "proto=https",
            "for=0300.0.2.1",
        ] {
            check(&[element], &[None]);
        }
    }
}
