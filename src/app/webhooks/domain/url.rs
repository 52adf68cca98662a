//! Owns which addresses an endpoint may have: the first of two looks, at what is written.
//!
//! | written | verdict |
//! |---|---|
//! | `http://hooks.example.com/a`, `http://93.184.215.14:8080/` | goes on to be looked up, and looked at again at each connection |
//! | `https://…` | refused: it would need TLS, which this client has none of |
//! | `http://user:secret@…`, `…#top` | refused |
//! | port 0, 1 to 1023 but 80, and those of databases | refused: webhooks are not what is spoken there |
//! | `127.0.0.1`, `[::1]`, `[::ffff:7f00:1]`, `169.254.169.254` … | refused as not public |
//! | `0x7f.1`, `2130706433`, `127.1`, `0177.0.0.1` | refused: a name whose last word is a number is an address in disguise |
//! | `localhost`, `a.localhost`, `printer.local`, `db.internal`, `db` | refused: names that mean something else on each machine |
//! | `hooks.example.com.` | refused: one spelling a name |
//!
//! The one idea: this look is for whoever registers, so that a mistake is told at once. What protects is the second one, at the
//! connection ([`PublicOnly`](crate::http::client::PublicOnly)): a name may say something else by then.
//!
//! Spec: RFC 6761 6, RFC 6762 3, RFC 8375 (special names); the WHATWG URL standard 3.5 ("ends in a number").
//! Never: resolves a name.

use std::fmt;
use std::net::{IpAddr, SocketAddr};

use serde::{Serialize, Serializer};

use crate::http::Url;
use crate::http::client::public_only::{NotPublic, admit};
use crate::http::url::{Origin, Scheme, UrlError};

/// Bytes of an endpoint's URL.
pub const URL_BYTES_MAX: usize = 2_048;

/// Ports above 1023 at which something listens that takes the first line of a request for a command, or should not be asked
/// by strangers.
const PORTS_NEVER: [u16; 18] = [
    1_433, 1_521, 2_049, 2_375, 2_376, 2_379, 3_306, 3_389, 4_190, 5_432, 5_672, 6_000, 6_379, 6_667, 9_200, 10_250,
    11_211, 27_017,
];

/// Last words of names that are not everybody's.
const NAMES_NEVER: [&str; 12] = [
    "localhost",
    "local",
    "localdomain",
    "internal",
    "intranet",
    "private",
    "corp",
    "home",
    "lan",
    "arpa",
    "invalid",
    "onion",
];

/// Below this, names lead to the receivers of the demonstration, and to nothing else: no resolver is asked for them (RFC 6761
/// 6.4 sees to it that none knows them).
pub const DEMO_DOMAIN: &str = "demo.invalid";

/// Where an endpoint is. It was looked at.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct EndpointUrl {
    url: Url,
}

/// Whether addresses that are not public may be named.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Reach {
    /// No.
    Public,
    /// Yes: `--webhooks-allow-private`.
    Anywhere,
}

/// Why an address is not taken.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum EndpointUrlError {
    /// It is no URL.
    Url(UrlError),
    /// It is longer than [`URL_BYTES_MAX`].
    TooLong,
    /// It asks for TLS.
    Https,
    /// It has a fragment, which no request carries.
    Fragment,
    /// Something else is spoken at this port.
    Port(u16),
    /// Its host is an address that is spelled as nobody spells one.
    Disguised,
    /// Its host is no name.
    Name,
    /// Its host is a name that only some machines know.
    Local,
    /// Its host is an address that is not public.
    NotPublic(NotPublic),
}

impl EndpointUrl {
    /// Reads and looks at an address.
    ///
    /// # Errors
    /// What is wrong with it.
    pub fn parse(text: &str, reach: Reach) -> Result<EndpointUrl, EndpointUrlError> {
        if text.len() > URL_BYTES_MAX {
            return Err(EndpointUrlError::TooLong);
        }
        let url = Url::parse(text).map_err(EndpointUrlError::Url)?;
        if url.scheme() == Scheme::Https {
            return Err(EndpointUrlError::Https);
        }
        if text.contains('#') {
            return Err(EndpointUrlError::Fragment);
        }
        let origin = url.origin();
        check_port(origin.port())?;
        check_host(origin.host(), reach)?;
        Ok(EndpointUrl { url })
    }

    /// For a request.
    pub fn url(&self) -> &Url {
        &self.url
    }

    /// What it has in common with the endpoints that it shares a server with: host and port. Workers and failures are counted by
    /// it. Who has several names or ports has several of these: what bounds them all is the number of workers.
    pub fn host(&self) -> String {
        host_of(&self.url.origin())
    }

    /// Whether it leads to a receiver of the demonstration.
    pub fn is_demo(&self) -> bool {
        is_demo(self.url.origin().host())
    }
}

/// Host and port as one word: the same for an address however it is spelled.
pub fn host_of(origin: &Origin) -> String {
    match origin.host().parse::<IpAddr>() {
        Ok(address) => SocketAddr::new(address, origin.port()).to_string(),
        Err(_) => format!("{}:{}", origin.host(), origin.port()),
    }
}

/// Whether `host` is one of the demonstration's.
pub fn is_demo(host: &str) -> bool {
    host.strip_suffix(DEMO_DOMAIN).is_some_and(|front| front.ends_with('.'))
}

fn check_port(port: u16) -> Result<(), EndpointUrlError> {
    let is_taken = port == 80 || (port >= 1_024 && !PORTS_NEVER.contains(&port));
    if is_taken { Ok(()) } else { Err(EndpointUrlError::Port(port)) }
}

fn check_host(host: &str, reach: Reach) -> Result<(), EndpointUrlError> {
    if let Ok(address) = host.parse::<IpAddr>() {
        return if reach == Reach::Anywhere { Ok(()) } else { admit(address).map_err(EndpointUrlError::NotPublic) };
    }
    let labels: Vec<&str> = host.split('.').collect();
    let last = labels.last().copied().unwrap_or_default();
    // The full stop that may stand behind a name does not make a number a name.
    if labels.iter().rfind(|label| !label.is_empty()).is_some_and(|label| is_number(label)) {
        return Err(EndpointUrlError::Disguised);
    }
    if host.len() > 253 || !labels.iter().all(|label| is_label(label)) {
        return Err(EndpointUrlError::Name);
    }
    let is_local = labels.len() == 1 || NAMES_NEVER.contains(&last);
    if is_local && reach == Reach::Public && !is_demo(host) {
        return Err(EndpointUrlError::Local);
    }
    Ok(())
}

/// Whether a resolver may take a name that ends so for an address of IPv4: digits, or `0x`.
fn is_number(label: &str) -> bool {
    let hex = label.strip_prefix("0x").or_else(|| label.strip_prefix("0X"));
    hex.is_some_and(|hex| hex.bytes().all(|byte| byte.is_ascii_hexdigit()))
        || label.bytes().all(|byte| byte.is_ascii_digit())
}

/// RFC 1123 2.1: letters, digits and hyphens inside. An underscore is let be: some hosts have one.
fn is_label(label: &str) -> bool {
    let is_inside = |byte: u8| byte.is_ascii_alphanumeric() || byte == b'-' || byte == b'_';
    (1..=63).contains(&label.len()) && label.bytes().all(is_inside) && !label.starts_with('-') && !label.ends_with('-')
}

impl fmt::Display for EndpointUrl {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.url.fmt(f)
    }
}

impl Serialize for EndpointUrl {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(&self.url)
    }
}

impl fmt::Display for EndpointUrlError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            EndpointUrlError::Url(error) => error.fmt(f),
            EndpointUrlError::TooLong => write!(f, "is longer than {URL_BYTES_MAX} bytes"),
            EndpointUrlError::Https => f.write_str("is https, which this server cannot speak as a client: http alone"),
            EndpointUrlError::Fragment => f.write_str("has a fragment, which no request carries"),
            EndpointUrlError::Port(port) => write!(f, "has port {port}: 80, or one above 1023 that is no database's"),
            EndpointUrlError::Disguised => f.write_str("has a host that is an address in disguise: write a.b.c.d"),
            EndpointUrlError::Name => f.write_str("has a host that is no name, without a full stop at its end"),
            EndpointUrlError::Local => f.write_str("has a host that only some machines know"),
            EndpointUrlError::NotPublic(why) => write!(f, "leads inside: {why}"),
        }
    }
}

impl std::error::Error for EndpointUrlError {}

#[cfg(test)]
mod tests {
    use super::*;

    fn parse(text: &str) -> Result<String, String> {
        EndpointUrl::parse(text, Reach::Public).map(|url| url.host()).map_err(|error| format!("{error:?}"))
    }

    #[test]
    fn public_places_are_taken() {
        for (text, host) in [
            ("http://hooks.example.com/a?b=c", "hooks.example.com:80"),
            ("HTTP://Hooks.Example.com:8080", "hooks.example.com:8080"),
            ("http://93.184.215.14/", "93.184.215.14:80"),
            ("http://[2606:4700::1111]:8080/x", "[2606:4700::1111]:8080"),
            ("http://[2606:4700:0:0::1111]:8080/x", "[2606:4700::1111]:8080"),
            ("http://[2606:4700:0::0:1111]:8080/x", "[2606:4700::1111]:8080"),
            ("http://xn--bcher-kva.example/", "xn--bcher-kva.example:80"),
            ("http://10.example.com/", "10.example.com:80"),
            ("http://r7.demo.invalid/x", "r7.demo.invalid:80"),
        ] {
            assert_eq!(parse(text), Ok(host.to_owned()), "{text}");
        }
        assert!(EndpointUrl::parse("http://r7.demo.invalid/", Reach::Public).is_ok_and(|url| url.is_demo()));
        assert!(!EndpointUrl::parse("http://xdemo.example/", Reach::Public).is_ok_and(|url| url.is_demo()));
    }

    #[test]
    fn what_leads_elsewhere_is_refused_where_it_is_written() {
        for (attack, text, expected) in [
            ("this machine", "http://127.0.0.1/", "NotPublic"),
            ("this machine", "http://127.255.255.254:8080/", "NotPublic"),
            ("this machine", "http://0.0.0.0/", "NotPublic"),
            ("this machine", "http://[::1]/", "NotPublic"),
            ("this machine", "http://[::]/", "NotPublic"),
            ("this machine, mapped", "http://[::ffff:127.0.0.1]/", "NotPublic"),
            ("this machine, mapped", "http://[::ffff:7f00:1]/", "NotPublic"),
            ("this machine, compatible", "http://[::127.0.0.1]/", "NotPublic"),
            ("this machine, 6to4", "http://[2002:7f00:1::]/", "NotPublic"),
            ("this machine, NAT64", "http://[64:ff9b::7f00:1]/", "NotPublic"),
            ("a cloud's metadata", "http://169.254.169.254/latest/meta-data/", "NotPublic"),
            ("a cloud's metadata, mapped", "http://[::ffff:a9fe:a9fe]/", "NotPublic"),
            ("a cloud's metadata, by IPv6", "http://[fd00:ec2::254]/", "NotPublic"),
            ("the office", "http://10.0.0.1/", "NotPublic"),
            ("the office", "http://192.168.0.1/", "NotPublic"),
            ("the office", "http://172.16.0.1/", "NotPublic"),
            ("everybody", "http://255.255.255.255/", "NotPublic"),
            ("the neighbours", "http://[fe80::1]/", "NotPublic"),
            ("one number", "http://2130706433/", "Disguised"),
            ("one hexadecimal number", "http://0x7f000001/", "Disguised"),
            ("hexadecimal and short", "http://0x7f.1/", "Disguised"),
            ("short", "http://127.1/", "Disguised"),
            ("octal", "http://0177.0.0.1/", "Disguised"),
            ("octal, long", "http://0000177.0.0.01/", "Disguised"),
            ("five parts", "http://1.2.3.4.5/", "Disguised"),
            ("a part too large", "http://256.256.256.256/", "Disguised"),
            ("a full stop more", "http://127.0.0.1./", "Disguised"),
            ("hexadecimal, a full stop more", "http://0x7f.1./", "Disguised"),
            ("nothing behind 0x", "http://0x/", "Disguised"),
            ("localhost", "http://localhost/", "Local"),
            ("localhost in capitals", "http://LOCALHOST/", "Local"),
            ("below localhost", "http://a.localhost/", "Local"),
            ("localhost and a full stop", "http://localhost./", "Name"),
            ("a name and a full stop", "http://example.com./", "Name"),
            ("mDNS", "http://printer.local/", "Local"),
            ("a cloud's metadata by name", "http://metadata.google.internal/", "Local"),
            ("a container", "http://redis/", "Local"),
            ("below arpa", "http://1.0.0.127.in-addr.arpa/", "Local"),
            ("another invalid name", "http://demo.invalid/", "Local"),
            ("another invalid name", "http://xdemo.invalid/", "Local"),
            ("no label", "http://a..b/", "Name"),
            ("a hyphen in front", "http://-a.b/", "Name"),
            ("percent", "http://%31%32%37.0.0.1/", "Disguised"),
            ("percent", "http://loc%61lhost.example/", "Name"),
            ("a name before the host", "http://example.com@127.0.0.1/", "Url"),
            ("a password", "http://a:b@example.com/", "Url"),
            ("a backslash", "http://example.com\\@127.0.0.1/", "Url"),
            ("a zone", "http://[fe80::1%25eth0]/", "Url"),
            ("no ASCII", "http://ⓛocalhost/", "Url"),
            ("a fragment", "http://example.com/#@127.0.0.1", "Fragment"),
            ("TLS", "https://example.com/", "Https"),
            ("another protocol", "gopher://example.com:6379/_", "Url"),
            ("a file", "file:///etc/passwd", "Url"),
            ("SMTP", "http://example.com:25/", "Port"),
            ("SSH", "http://example.com:22/", "Port"),
            ("TLS's port", "http://example.com:443/", "Port"),
            ("Redis", "http://example.com:6379/", "Port"),
            ("PostgreSQL", "http://example.com:5432/", "Port"),
            ("Docker", "http://example.com:2375/", "Port"),
            ("port 0", "http://example.com:0/", "Port"),
            ("a line more", "http://example.com/\r\nX: y", "Url"),
        ] {
            let error = parse(text).expect_err(attack);
            assert!(error.starts_with(expected), "{attack}: {text} is {error}");
        }
        assert_eq!(parse(&format!("http://a.b/{}", "c".repeat(URL_BYTES_MAX))), Err("TooLong".to_owned()));
    }

    #[test]
    fn where_private_addresses_are_allowed_spellings_and_ports_are_not_free() {
        let check = |text: &str, expected: bool| {
            assert_eq!(EndpointUrl::parse(text, Reach::Anywhere).is_ok(), expected, "{text}");
        };
        for text in ["http://127.0.0.1:8080/", "http://[::1]:8080/", "http://localhost/", "http://receiver:8080/"] {
            check(text, true);
        }
        for text in
            ["http://127.1/", "http://2130706433/", "http://localhost./", "http://127.0.0.1:22/", "https://localhost/"]
        {
            check(text, false);
        }
    }
}
