//! Owns who the client is when proxies stand between.
//!
//! The one idea: a forwarding field is a list in which every hop has appended whom it saw. What a trusted hop wrote is
//! true; what stands left of it was written by whom that one saw. So the list is read from the right, for as long as the
//! writer is trusted.
//!
//! ```text
//!   X-Forwarded-For: 8.8.8.8, 203.0.113.9, 10.0.0.2          peer: 10.0.0.1      trusted: 10.0.0.0/8
//!                    └ forged    └ client <── trusted <────────┘ trusted
//!                      by 203…     of 10.0.0.2
//! ```
//!
//! When a member cannot be read (`unknown`, an obfuscated name, rubbish), the client is the last address that was learned
//! from a trusted hop. When `Forwarded` and `X-Forwarded-For` are both there and disagree, one of them was not written by
//! our proxy but passed through from the client, and nobody can say which: then neither is believed.
//!
//! Spec: RFC 7239 4 (Forwarded), 6 (nodes), 8.1 (validity of the field).
//! Never: believes a peer that is not in a configured range; believes `host`, `proto` or `by`.
//! Limits: `head_bytes_max` bounds the list.
//! Place: before everything that asks who the client is.

pub mod cidr;
mod forwarded;

use std::net::IpAddr;

pub use cidr::{Cidr, CidrError};

use crate::http::handler::Link;
use crate::http::middleware::Place;
use crate::http::{Fields, Handler, Middleware, Request, Response};

/// Sets [`Request::client`] to what proxies in the given ranges say.
#[derive(Clone, Debug, Default)]
pub struct TrustedProxies {
    ranges: Vec<Cidr>,
}

impl TrustedProxies {
    /// Believes proxies with an address in one of `ranges`. Without a range nobody is believed.
    pub fn new(ranges: impl IntoIterator<Item = Cidr>) -> TrustedProxies {
        TrustedProxies { ranges: ranges.into_iter().collect() }
    }

    /// The client that `fields` tell of, when they come from `peer`.
    fn client(&self, peer: IpAddr, fields: &Fields) -> IpAddr {
        if !self.trusts(peer) {
            return peer;
        }
        let told = [forwarded::hops(fields), forwarded::x_hops(fields)];
        let mut clients = told.iter().flatten().map(|hops| self.walk(peer, hops));
        match (clients.next(), clients.next()) {
            (Some(client), None) => client,
            (Some(client), Some(same)) if client == same => client,
            _ => peer,
        }
    }

    /// Goes from hop to hop, from the right, for as long as each is trusted.
    fn walk(&self, peer: IpAddr, hops: &[Option<IpAddr>]) -> IpAddr {
        let mut client = peer;
        for hop in hops.iter().rev() {
            match hop {
                Some(seen) if self.trusts(client) => client = *seen,
                _ => return client,
            }
        }
        client
    }

    fn trusts(&self, addr: IpAddr) -> bool {
        self.ranges.iter().any(|range| range.contains(addr))
    }
}

impl Middleware for TrustedProxies {
    async fn handle<N: Handler>(&self, mut request: Request, next: &N) -> Response {
        let peer = request.peer().addr().ip().to_canonical();
        let client = self.client(peer, request.fields());
        if client != peer {
            request.set_client(client);
        }
        next.handle(request).await
    }

    fn link(&self) -> Link {
        Link { name: "trusted_proxies", place: Some(Place::TrustedProxies) }
    }
}

#[cfg(test)]
mod tests {
    use std::net::SocketAddr;

    use super::*;

    const PROXY: &str = "10.0.0.1";
    const ATTACKER: &str = "198.51.100.66";

    async fn client(peer: &str, fields: &[(&str, &str)]) -> String {
        let ranges = ["10.0.0.0/8", "2001:db8:aa::/48"].map(|range| range.parse().expect("a range"));
        let peer = SocketAddr::new(peer.parse().expect("an address"), 4711);
        let mut request = Request::get("/").with_peer(peer);
        for (name, value) in fields {
            request = request.with(name, value);
        }
        let handler =
            TrustedProxies::new(ranges).around(|request: Request| async move { request.client().to_string() });
        let mut response = handler.handle(request).await;
        String::from_utf8(response.body_mut().collect(100).await.expect("text").to_vec()).expect("UTF-8")
    }

    /// `fields` from the proxy mean that `expected` is the client; from anybody else they mean nothing.
    async fn check(fields: &[(&str, &str)], expected: &str) {
        assert_eq!(client(PROXY, fields).await, expected, "{fields:?}");
        assert_eq!(client(ATTACKER, fields).await, ATTACKER, "believed a stranger: {fields:?}");
    }

    #[tokio::test]
    async fn the_client_is_found_behind_any_number_of_proxies() {
        check(&[], PROXY).await;
        check(&[("X-Forwarded-For", "203.0.113.9")], "203.0.113.9").await;
        check(&[("X-Forwarded-For", "203.0.113.9, 10.0.0.3, 10.0.0.2")], "203.0.113.9").await;
        check(&[("X-Forwarded-For", "203.0.113.9"), ("x-forwarded-for", "10.0.0.2")], "203.0.113.9").await;
        check(&[("X-Forwarded-For", "203.0.113.9:8080")], "203.0.113.9").await;
        check(&[("X-Forwarded-For", "2001:db8::7")], "2001:db8::7").await;
        check(&[("X-Forwarded-For", "[2001:db8::7]:8080")], "2001:db8::7").await;
        check(&[("X-Forwarded-For", "2001:db8::7, 2001:db8:aa::1")], "2001:db8::7").await;
        check(&[("X-Forwarded-For", "::ffff:203.0.113.9")], "203.0.113.9").await;
        check(&[("X-Forwarded-For", "10.0.0.9, 10.0.0.2")], "10.0.0.9").await;
        check(&[("Forwarded", "for=203.0.113.9;proto=https;by=10.0.0.1")], "203.0.113.9").await;
        check(&[("Forwarded", "For=\"[2001:db8::7]:4711\", for=\"10.0.0.2:80\"")], "2001:db8::7").await;
        check(&[("Forwarded", "for=203.0.113.9"), ("X-Forwarded-For", "203.0.113.9")], "203.0.113.9").await;
    }

    #[tokio::test]
    async fn what_the_client_wrote_itself_is_not_believed() {
        // The proxy appended the last member; the ones before it were in the client's request.
        check(&[("X-Forwarded-For", "8.8.8.8, 203.0.113.9")], "203.0.113.9").await;
        check(&[("X-Forwarded-For", "10.0.0.5, 203.0.113.9, 10.0.0.2")], "203.0.113.9").await;
        check(&[("X-Forwarded-For", "8.8.8.8"), ("X-Forwarded-For", "203.0.113.9")], "203.0.113.9").await;
        check(&[("Forwarded", "for=8.8.8.8, for=203.0.113.9")], "203.0.113.9").await;
        check(&[("Forwarded", "for=8.8.8.8"), ("Forwarded", "for=203.0.113.9")], "203.0.113.9").await;
    }

    #[tokio::test]
    async fn a_field_that_the_proxy_passed_through_makes_both_unbelievable() {
        check(&[("Forwarded", "for=8.8.8.8"), ("X-Forwarded-For", "203.0.113.9")], PROXY).await;
        check(&[("X-Forwarded-For", "8.8.8.8"), ("Forwarded", "for=203.0.113.9")], PROXY).await;
        check(&[("X-Forwarded-For", "rubbish"), ("Forwarded", "for=203.0.113.9")], PROXY).await;
    }

    #[tokio::test]
    async fn what_cannot_be_read_ends_the_walk_at_the_last_trustworthy_address() {
        for member in
            ["unknown", "_hidden", "rubbish", "203.0.113", "1.2.3.4.5", "203.0.113.9:", "[2001:db8::7", "::1%lo"]
        {
            check(&[("X-Forwarded-For", member)], PROXY).await;
            check(&[("X-Forwarded-For", &format!("8.8.8.8, {member}"))], PROXY).await;
            check(&[("X-Forwarded-For", &format!("8.8.8.8, {member}, 10.0.0.2"))], "10.0.0.2").await;
            check(&[("X-Forwarded-For", &format!("{member}, 203.0.113.9"))], "203.0.113.9").await;
        }
    }

    #[tokio::test]
    async fn quotes_opened_by_the_client_do_not_swallow_or_forge_a_hop() {
        for opened in ["for=\"8.8.8.8", "for=8.8.8.8;x=\"", "for=8.8.8.8;x=\"\\", "x=\"", "\"", "for=8.8.8.8;\""] {
            for appended in ["for=203.0.113.9", "for=\"203.0.113.9:80\"", "for=\"[2001:db8::7]\";by=\"_x\""] {
                let line = format!("{opened}, {appended}");
                let client = client(PROXY, &[("Forwarded", &line)]).await;
                assert!([PROXY, "203.0.113.9", "2001:db8::7"].contains(&client.as_str()), "{line} gave {client}");
            }
        }
    }

    #[tokio::test]
    async fn a_peer_over_ipv6_may_be_an_ipv4_proxy() {
        assert_eq!(client("::ffff:10.0.0.1", &[("X-Forwarded-For", "203.0.113.9")]).await, "203.0.113.9");
        assert_eq!(client("2001:db8:aa::1", &[("X-Forwarded-For", "203.0.113.9")]).await, "203.0.113.9");
        assert_eq!(client("2001:db8:ab::1", &[("X-Forwarded-For", "203.0.113.9")]).await, "2001:db8:ab::1");
    }
}
