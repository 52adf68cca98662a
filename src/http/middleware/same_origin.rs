//! Owns the first defence against cross-site request forgery: what changes something comes from our own pages, or from no
//! page at all.
//!
//! | method | `Sec-Fetch-Site` | `Origin` | verdict |
//! |---|---|---|---|
//! | GET, HEAD, OPTIONS, TRACE | | | goes on: it changes nothing |
//! | any other | `same-origin`, `none` | | goes on |
//! | | anything else | | 403 |
//! | | missing | of the host that is asked | goes on |
//! | | missing | anything else, `null` too | 403 |
//! | | missing | missing | goes on: no browser sends it so |
//!
//! The one idea: a browser says of itself where a request comes from, and no page can make it say otherwise. `same-site` is
//! refused: to a browser all ports of a host are one site, so are its subdomains, and SameSite cookies are sent to them.
//!
//! It is the first defence and not the only one. A client that says nothing is no browser and has nobody's cookies but its
//! own; should one exist that does, a token of the session still stands behind this.
//!
//! Spec: Fetch Metadata Request Headers 2.3 (`Sec-Fetch-Site`; sent over TLS and to loopback only, hence `Origin`); RFC 6454
//! 7 (`Origin`), 7.3 (`null`: a page that has none, so anybody's); RFC 9110 9.2.1 (safe methods).
//! Never: looks at `Referer`, which pages can leave out; lets one of two contradicting fields decide.
//! Place: behind what lets pages read the refusal, before a quota is used up.

use crate::http::field::name;
use crate::http::handler::Link;
use crate::http::middleware::Place;
use crate::http::{Fault, Handler, IntoResponse, Method, Middleware, Problem, Request, Response};

/// Where the page stands that asks, as a browser sees it.
const FETCH_SITE: &str = "Sec-Fetch-Site";

/// Refuses what pages of another origin send, where it could change something: 403.
#[derive(Clone, Copy, Debug, Default)]
pub struct SameOrigin;

impl Middleware for SameOrigin {
    async fn handle<N: Handler>(&self, request: Request, next: &N) -> Response {
        match admit(&request) {
            Ok(()) => next.handle(request).await,
            Err(problem) => problem.into_response(),
        }
    }

    fn link(&self) -> Link {
        Link { name: "same_origin", place: Some(Place::SameOrigin) }
    }
}

/// Lets a request go on that changes nothing, or that no foreign page has sent.
///
/// # Errors
/// 403 for any other.
pub fn admit(request: &Request) -> Result<(), Problem> {
    if is_safe(request.method()) {
        return Ok(());
    }
    let fields = request.fields();
    let foreign = if fields.contains(FETCH_SITE) {
        fields.all(FETCH_SITE).find(|site| !matches!(*site, b"same-origin" | b"none")).map(|site| (FETCH_SITE, site))
    } else {
        let foreign = fields.all(name::ORIGIN).find(|origin| !is_of_asked_host(origin, request));
        foreign.map(|origin| (name::ORIGIN, origin))
    };
    foreign.map_or(Ok(()), |(field, value)| {
        let detail = format!("{field} is {}", value.escape_ascii());
        Err(Problem::new(Fault::ForeignPage).with_field(field).with_detail(detail))
    })
}

/// Whether `origin` is of the host that `request` asks. A browser writes it as scheme, host, and port unless it is the
/// scheme's own (RFC 6454 6.2). The scheme is not compared: whoever ends TLS before us has another one than we see.
pub fn is_of_asked_host(origin: &[u8], request: &Request) -> bool {
    let same = || {
        let (scheme, page) = std::str::from_utf8(origin).ok()?.split_once("://")?;
        let asked = request.authority()?;
        let port = match scheme {
            "http" => ":80",
            "https" => ":443",
            _ => return None,
        };
        let bare = |authority: &str| authority.strip_suffix(port).unwrap_or(authority).to_ascii_lowercase();
        Some(bare(page) == bare(asked))
    };
    same().unwrap_or(false)
}

/// RFC 9110 9.2.1.
fn is_safe(method: Method) -> bool {
    [Method::GET, Method::HEAD, Method::OPTIONS, Method::TRACE].contains(&method)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::http::test::call;

    /// A POST to `localhost:8080`.
    fn post(fields: &[(&str, &str)]) -> Request {
        let mut request = Request::post("/", "");
        request.fields_mut().set("Host", "localhost:8080").expect("a line");
        fields.iter().fold(request, |request, (name, value)| request.with(name, value))
    }

    fn check(fields: &[(&str, &str)], is_admitted: bool) {
        assert_eq!(admit(&post(fields)).is_ok(), is_admitted, "{fields:?}");
    }

    #[test]
    fn our_own_pages_and_programs_go_on() {
        check(&[], true);
        check(&[("Sec-Fetch-Site", "same-origin")], true);
        check(&[("Sec-Fetch-Site", "none")], true);
        check(&[("Sec-Fetch-Site", "same-origin"), ("Origin", "http://localhost:8080")], true);
        // Behind what ends TLS and has another name outside.
        check(&[("Sec-Fetch-Site", "same-origin"), ("Origin", "https://www.example")], true);
        check(&[("Origin", "http://localhost:8080")], true);
        check(&[("Origin", "https://LOCALHOST:8080")], true);
    }

    #[test]
    fn pages_from_elsewhere_do_not() {
        // Another site, another port or subdomain of ours, and what a browser may say one day.
        for site in ["cross-site", "same-site", "", "Same-Origin", "same-origin, none", "none-of-yours"] {
            check(&[("Sec-Fetch-Site", site)], false);
            check(&[("Sec-Fetch-Site", site), ("Origin", "http://localhost:8080")], false);
        }
        // A sandboxed frame, a redirect from elsewhere, a file: they share this origin with everybody.
        check(&[("Origin", "null")], false);
        for origin in [
            "http://evil.example",
            "http://localhost",
            "http://localhost:8081",
            "http://localhost:80801",
            "http://localhost:8080.evil.example",
            "http://evil.example?localhost:8080",
            "http://user@localhost:8080",
            "http://localhost:8080/",
            "http://127.0.0.1:8080",
            "ftp://localhost:8080",
            "localhost:8080",
            "http://",
            "",
            "NULL",
        ] {
            check(&[("Origin", origin)], false);
        }
    }

    #[test]
    fn two_fields_do_not_choose_between_themselves() {
        check(&[("Sec-Fetch-Site", "same-origin"), ("Sec-Fetch-Site", "cross-site")], false);
        check(&[("Sec-Fetch-Site", "cross-site"), ("Sec-Fetch-Site", "same-origin")], false);
        check(&[("Origin", "http://localhost:8080"), ("Origin", "http://evil.example")], false);
    }

    #[test]
    fn a_default_port_need_not_be_written() {
        let mut request = post(&[("Origin", "https://shop.example")]);
        for (host, is_admitted) in
            [("shop.example", true), ("shop.example:443", true), ("shop.example:80", false), ("example", false)]
        {
            request.fields_mut().set("Host", host).expect("a line");
            assert_eq!(admit(&request).is_ok(), is_admitted, "{host}");
        }
    }

    #[tokio::test]
    async fn every_method_that_may_change_something_is_looked_at() {
        let handler = SameOrigin.around(|_: Request| async { "done" });
        for (method, expected) in [
            (Method::GET, 200),
            (Method::HEAD, 200),
            (Method::OPTIONS, 200),
            (Method::POST, 403),
            (Method::PUT, 403),
            (Method::PATCH, 403),
            (Method::DELETE, 403),
            (Method::parse(b"PROPPATCH").expect("a token"), 403),
        ] {
            let answer = call(&handler, Request::of(method, "/").with("Origin", "http://evil.example")).await;
            assert_eq!(answer.status.code(), expected, "{method}");
        }
        let answer = call(&handler, Request::post("/", "").with("Origin", "null")).await;
        assert!(answer.text().contains("HTTP-ACCESS-"), "{}", answer.text());
        assert!(answer.text().contains("Origin is null"), "{}", answer.text());
    }
}
