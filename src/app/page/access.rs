//! Owns the question who may use what is for the operator: clients on this machine, who asked this machine.
//!
//! The one idea: a page on `evil.example` cannot read another site's answers, unless its name is made to point here (DNS
//! rebinding). Then the connection comes from this machine's own browser, and only `Host` tells.
//!
//! Spec: RFC 9110 7.4 (misdirected requests), 15.5.4 (403), 15.5.20 (421), 7.6.3 (Via).
//! Never: believes a forwarding field; it only refuses because of one: a proxy on this machine speaks for others.

use std::net::{IpAddr, Ipv6Addr};

use crate::http::authority::host;
use crate::http::{Fault, Problem, Request};

/// Fields that tell of a proxy between the client and this server.
const FORWARDING: [&str; 5] = ["Forwarded", "X-Forwarded-For", "X-Forwarded-Host", "X-Real-IP", "Via"];

/// Lets a client on this machine in that named this machine, or anybody when `allow_remote`.
///
/// # Errors
/// 403 for a client elsewhere, 421 for a name that is not this machine's.
pub fn admit(request: &Request, allow_remote: bool) -> Result<(), Problem> {
    if allow_remote {
        return Ok(());
    }
    let is_forwarded = FORWARDING.iter().any(|name| request.fields().contains(name));
    let is_local = [request.peer().addr().ip(), request.client()].into_iter().all(is_loopback);
    if is_forwarded || !is_local {
        return Err(Problem::new(Fault::LoopbackOnly));
    }
    match request.authority() {
        Some(authority) if !is_loopback_name(authority) => {
            Err(Problem::new(Fault::ForeignName).with_detail(format!("{authority} may be anybody's name")))
        }
        // HTTP/1.0 may leave the name out; a browser never does.
        _ => Ok(()),
    }
}

fn is_loopback(addr: IpAddr) -> bool {
    addr.to_canonical().is_loopback()
}

/// Whether an authority is `localhost` or a loopback address, whatever its port.
fn is_loopback_name(authority: &str) -> bool {
    let host = host(authority);
    let literal = host.strip_prefix('[').and_then(|host| host.strip_suffix(']'));
    let addr = match literal {
        Some(literal) => literal.parse::<Ipv6Addr>().ok().map(IpAddr::V6),
        None => host.parse().ok(),
    };
    host.eq_ignore_ascii_case("localhost") || addr.is_some_and(is_loopback)
}

#[cfg(test)]
mod tests {
    use std::net::SocketAddr;

    use super::*;

    const LOCAL: &str = "127.0.0.1:9";

    fn check(peer: &str, fields: &[(&str, &str)], expected: Result<(), Fault>) {
        let mut request = Request::get("/inspect").with_peer(peer.parse::<SocketAddr>().expect("an address"));
        for (name, value) in fields {
            request.fields_mut().set(name, value).expect("a valid line");
        }
        let admitted = admit(&request, false).map_err(|problem| problem.fault());
        assert_eq!(admitted, expected, "{peer} {fields:?}");
        assert!(admit(&request, true).is_ok());
    }

    #[test]
    fn clients_on_this_machine_may_look() {
        for peer in [LOCAL, "127.9.9.9:9", "[::1]:9", "[::ffff:127.0.0.1]:9"] {
            check(peer, &[], Ok(()));
        }
        for host in ["localhost", "LocalHost:8080", "127.0.0.1:8080", "127.0.0.2", "[::1]:80", "[::1]"] {
            check(LOCAL, &[("Host", host)], Ok(()));
        }
    }

    #[test]
    fn clients_elsewhere_may_not() {
        for peer in ["192.168.1.5:9", "8.8.8.8:9", "[2001:db8::1]:9", "[::ffff:10.0.0.1]:9", "0.0.0.0:9"] {
            check(peer, &[], Err(Fault::LoopbackOnly));
        }
    }

    #[test]
    fn those_behind_a_proxy_on_this_machine_may_not() {
        for name in FORWARDING {
            check(LOCAL, &[(name, "127.0.0.1")], Err(Fault::LoopbackOnly));
        }
        let mut request = Request::get("/inspect").with_peer(LOCAL.parse().expect("an address"));
        request.set_client(IpAddr::from([10, 0, 0, 1]));
        assert!(admit(&request, false).is_err());
    }

    #[test]
    fn only_loopback_by_a_loopback_name_is_let_in() {
        for host in [
            "evil.example",
            "evil.example:8080",
            "localhost.evil.example",
            "127.0.0.1.evil.example",
            "127.0.0.1.nip.io",
            "evil-localhost",
            "localhost.",
            "10.0.0.1",
            "[2001:db8::1]",
            "0.0.0.0",
            "[::]",
        ] {
            check(LOCAL, &[("Host", host)], Err(Fault::ForeignName));
        }
    }
}
