//! Owns the place of a server, as what it proposes names it.
//!
//! The one idea: the catalogue is written for one address, 127.0.0.1:8080; whoever is refused by a server elsewhere is
//! shown that server's own.
//!
//! Never: looks at a request: what a client says about where it is may not be true.

use std::net::{IpAddr, SocketAddr};

/// Where a server is, so that what a refusal proposes can be pasted and what it names exists.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Place {
    /// Where it listens, when that is known.
    pub address: Option<SocketAddr>,
    /// The path at which all codes are listed, when the application lists them.
    pub catalogue: Option<&'static str>,
}

impl Place {
    /// `remedy` for this server.
    pub(super) fn fill(self, remedy: &str) -> String {
        let Some(address) = self.address else { return remedy.to_owned() };
        addressed(remedy, &host(address), address.port())
    }
}

/// The host of a listening address as a URI names it, IPv6 in brackets.
pub fn host(address: SocketAddr) -> String {
    match address.ip() {
        // A server that listens everywhere listens here too.
        IpAddr::V4(ip) if ip.is_unspecified() => "127.0.0.1".to_owned(),
        IpAddr::V4(ip) => ip.to_string(),
        IpAddr::V6(ip) if ip.is_unspecified() => "[::1]".to_owned(),
        IpAddr::V6(ip) => format!("[{ip}]"),
    }
}

/// A remedy of the catalogue, whose server is at 127.0.0.1:8080, for the server at `host`, IPv6 in brackets, and `port`.
pub fn addressed(remedy: &str, host: &str, port: u16) -> String {
    let at = if port == 80 { host.to_owned() } else { format!("{host}:{port}") };
    // nc takes an IPv6 address without its brackets.
    let apart = format!("{} {port}", host.trim_matches(['[', ']']));
    remedy.replace("127.0.0.1:8080", &at).replace("127.0.0.1 8080", &apart)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn remedies_name_the_server_that_refused() {
        let check = |address: &str, at: &str, apart: &str| {
            let place = Place { address: Some(address.parse().expect("an address")), catalogue: None };
            assert_eq!(
                place.fill("curl http://127.0.0.1:8080/ | nc -N 127.0.0.1 8080"),
                format!("curl http://{at}/ | nc -N {apart}")
            );
        };
        check("127.0.0.1:9000", "127.0.0.1:9000", "127.0.0.1 9000");
        check("192.0.2.1:80", "192.0.2.1", "192.0.2.1 80");
        check("0.0.0.0:9000", "127.0.0.1:9000", "127.0.0.1 9000");
        check("[2001:db8::1]:9000", "[2001:db8::1]:9000", "2001:db8::1 9000");
        check("[::]:9000", "[::1]:9000", "::1 9000");
    }
}
