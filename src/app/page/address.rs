//! Owns the address that a visitor used, fit to stand in a command line.
//!
//! The one idea: what a page proposes can be pasted, whatever name or port the server is reached by.
//!
//! Spec: RFC 9110 7.2 (Host).
//! Never: gives back a byte that means anything to a shell.

use std::net::{Ipv4Addr, SocketAddr};

use crate::http::Request;
use crate::http::explain::{addressed, host};

/// The address that a visitor used.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Address {
    host: String,
    port: u16,
}

impl Address {
    /// From `Host`, as long as no byte of it means anything to a shell; else where the server listens.
    pub fn of(request: &Request) -> Address {
        let is_plain = |byte: u8| byte.is_ascii_alphanumeric() || b".-:[]".contains(&byte);
        let authority = request.authority().filter(|authority| authority.bytes().all(is_plain));
        let Some(authority) = authority else { return Address::listening(request.peer().listener()) };
        match authority.rsplit_once(':') {
            Some((host, port)) if !port.contains(']') => {
                Address { host: host.to_owned(), port: port.parse().unwrap_or(80) }
            }
            _ => Address { host: authority.to_owned(), port: 80 },
        }
    }

    /// The address of a listener, or the default one.
    fn listening(address: Option<SocketAddr>) -> Address {
        let address = address.unwrap_or(SocketAddr::from((Ipv4Addr::LOCALHOST, 8080)));
        Address { host: host(address), port: address.port() }
    }

    /// `line` with `{at}`, `{host}` and `{port}` as the address has them.
    pub fn fill(&self, line: &str) -> String {
        let at = if self.port == 80 { self.host.clone() } else { format!("{}:{}", self.host, self.port) };
        // nc takes an IPv6 address without its brackets.
        let host = self.host.trim_matches(['[', ']']);
        line.replace("{at}", &at).replace("{host}", host).replace("{port}", &self.port.to_string())
    }

    /// A remedy of the catalogue, for this address.
    pub fn fill_remedy(&self, remedy: &str) -> String {
        addressed(remedy, &self.host, self.port)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn command_lines_name_the_visitors_address() {
        let check = |host: &str, expected: &str| {
            let mut request = Request::get("/");
            request.fields_mut().set("Host", host).expect("a valid line");
            let address = Address::of(&request);
            assert_eq!(address.fill("{at} {host} {port}"), expected);
            assert_eq!(address.fill_remedy("127.0.0.1:8080 127.0.0.1 8080"), expected);
        };
        check("127.0.0.1:8080", "127.0.0.1:8080 127.0.0.1 8080");
        check("example.com", "example.com example.com 80");
        check("[::1]:81", "[::1]:81 ::1 81");
        check("[::1]", "[::1] ::1 80");
        for shell in ["x;reboot", "$(reboot)", "a'b", "a&b", "a!b"] {
            check(shell, "127.0.0.1:8080 127.0.0.1 8080");
        }
    }
}
