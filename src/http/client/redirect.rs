//! Owns the decision where a redirection leads, and with what.
//!
//! The one idea: a server that redirects chooses the next address, so it must not choose who gets our secrets. The
//! fields that are secrets by their name, or that tell where somebody was, stay with their origin. Every other field of the
//! caller goes along, and so does content by 307 and 308: who sends a key in a field of its own, or a password in a form, to
//! a server that may send it on, follows no redirection ([`Outgoing::redirects`], off unless asked for).
//!
//! ```text
//!   status     method                          content
//!   ───────    ─────────────────────────────   ──────────────────────────────────
//!   301, 302   POST becomes GET, others stay   dropped with the POST, else sent again
//!   303        GET; HEAD stays                 dropped
//!   307, 308   stays                           sent again
//! ```
//!
//! Spec: RFC 9110 15.4 (what is changed), 15.4.2 to 15.4.9, 10.2.2 (Location); RFC 3986 5.2. 300, 304 and 305 are answers.
//! Never: follows from https to http; takes a field of [`OF_ORIGIN`] across origins; sends content twice
//! that can be produced once: such a redirection is an answer.

use bytes::Bytes;

use crate::http::client::{Answer, ClientError, Outgoing};
use crate::http::field::name;
use crate::http::url::Scheme;
use crate::http::{Body, Fields, Method, Status, Url};

/// RFC 9110 15.4 items 2 and 3: fields that are for one origin alone. Host is the new one's.
const OF_ORIGIN: [&str; 6] = ["Authorization", "Cookie", "Proxy-Authorization", "Host", "Origin", "Referer"];

/// RFC 9110 15.4 item 5: fields about content, and conditions on what is changed, which a GET in the place of another method has no use for.
const OF_CONTENT: [&str; 13] = [
    "Content-Type",
    "Content-Encoding",
    "Content-Language",
    "Content-Location",
    "Content-Range",
    "Content-Digest",
    "Repr-Digest",
    "Digest",
    "Last-Modified",
    "If-Match",
    "If-None-Match",
    "If-Modified-Since",
    "If-Unmodified-Since",
];

/// The request that `answer` leads to, if it leads to one and the caller wants it followed. `kept` is the content of
/// `request`, if it can be sent again.
///
/// # Errors
/// [`ClientError::Location`], [`ClientError::Downgrade`].
pub(super) fn decide(
    request: &Outgoing,
    kept: Option<Bytes>,
    answer: &Answer,
) -> Result<Option<Outgoing>, ClientError> {
    if request.redirects_max == 0 || !answer.fields.contains(name::LOCATION) {
        return Ok(None);
    }
    let (method, content) = match (answer.status, request.method, kept) {
        (Status::SEE_OTHER, Method::HEAD, _) => (Method::HEAD, None),
        (Status::SEE_OTHER, ..) | (Status::MOVED_PERMANENTLY | Status::FOUND, Method::POST, _) => (Method::GET, None),
        (Status::MOVED_PERMANENTLY | Status::FOUND, method, Some(kept))
        | (Status::TEMPORARY_REDIRECT | Status::PERMANENT_REDIRECT, method, Some(kept)) => (method, Some(kept)),
        _ => return Ok(None),
    };
    let url = location(&request.url, &answer.fields)?;
    if request.url.scheme() == Scheme::Https && url.scheme() == Scheme::Http {
        return Err(ClientError::Downgrade);
    }
    let mut fields = request.fields.clone();
    if url.origin() != request.url.origin() {
        remove_all(&mut fields, &OF_ORIGIN);
    }
    if method != request.method {
        remove_all(&mut fields, &OF_CONTENT);
    }
    let content = content.map_or(Body::empty(), Body::from);
    let (redirects_max, within) = (request.redirects_max, request.within);
    Ok(Some(Outgoing { method, url, fields, content, redirects_max, within }))
}

/// RFC 9110 10.2.2: one reference, relative to what was asked.
fn location(asked: &Url, fields: &Fields) -> Result<Url, ClientError> {
    let mut lines = fields.all(name::LOCATION);
    let (Some(line), None) = (lines.next(), lines.next()) else { return Err(ClientError::Location(None)) };
    let reference = std::str::from_utf8(line).map_err(|_| ClientError::Location(None))?;
    asked.join(reference).map_err(|error| ClientError::Location(Some(error)))
}

fn remove_all(fields: &mut Fields, names: &[&str]) {
    for name in names {
        fields.remove(name);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::http::Version;

    fn url(address: &str) -> Url {
        Url::parse(address).expect("an address")
    }

    fn redirect(status: u16, locations: &[&str]) -> Answer {
        let mut fields = Fields::new();
        for location in locations {
            fields.append("Location", location).expect("a value");
        }
        Answer {
            status: Status::new(status).expect("a status"),
            version: Version::Http11,
            fields,
            body: Body::empty(),
            url: url("http://a/"),
            content_bytes_max: 0,
        }
    }

    fn asked(method: Method, address: &str) -> Outgoing {
        let mut request = Outgoing::new(method, &url(address)).redirects(5);
        for name in [
            "Authorization",
            "COOKIE",
            "Host",
            "Proxy-Authorization",
            "Origin",
            "Referer",
            "Accept",
            "Content-Type",
            "If-Match",
        ] {
            request = request.with(name, "x");
        }
        request
    }

    /// Method, address and fields of what `status` leads to; `None` when it is an answer.
    fn follow(method: Method, status: u16, from: &str, to: &str) -> Option<(Method, String, Vec<String>)> {
        let next = decide(&asked(method, from), Some(Bytes::new()), &redirect(status, &[to])).expect("an address")?;
        let names = next.fields.iter().map(|(name, _)| name.to_ascii_lowercase()).collect();
        Some((next.method, next.url.to_string(), names))
    }

    #[test]
    fn the_method_stays_or_becomes_get() {
        let (get, head, post, put) = (Method::GET, Method::HEAD, Method::POST, Method::PUT);
        for (status, method, expected) in [
            (301, get, Some(get)),
            (301, post, Some(get)),
            (302, post, Some(get)),
            (302, put, Some(put)),
            (303, post, Some(get)),
            (303, put, Some(get)),
            (303, head, Some(head)),
            (307, post, Some(post)),
            (308, put, Some(put)),
            (300, get, None),
            (304, get, None),
            (305, get, None),
            (200, get, None),
            (201, post, None),
            (404, get, None),
        ] {
            let followed = follow(method, status, "http://a/b", "/c");
            assert_eq!(followed.as_ref().map(|next| next.0), expected, "{status} {method}");
            let keeps = followed.is_some_and(|next| next.2.contains(&"content-type".to_owned()));
            assert_eq!(keeps, expected == Some(method), "what concerns content: {status} {method}");
        }
    }

    #[test]
    fn secrets_stay_with_the_origin_that_they_were_given_for() {
        for (attack, from, to, stays) in [
            ("none", "http://a/b", "/c", true),
            ("none: the same port, spelled", "http://a/b", "http://A:80/c", true),
            ("another host", "http://a/b", "http://b/c", false),
            ("a host that ends so", "http://a.example/b", "http://a.example.evil/c", false),
            ("a subdomain", "http://a.example/b", "http://x.a.example/c", false),
            ("another port", "http://a/b", "http://a:8080/c", false),
            ("a host behind two slashes", "http://a/b", "//b/c", false),
            ("another scheme", "http://a/b", "https://a/c", false),
        ] {
            let (_, _, names) = follow(Method::GET, 302, from, to).expect("followed");
            for name in OF_ORIGIN {
                assert_eq!(names.contains(&name.to_ascii_lowercase()), stays, "{attack}: {name}");
            }
            assert!(names.contains(&"accept".to_owned()), "{attack}");
        }
    }

    #[test]
    fn what_should_not_be_followed_is_not() {
        let decide = |request: &Outgoing, kept, answer: &Answer| decide(request, kept, answer);
        let get = asked(Method::GET, "http://a/b");
        assert!(
            decide(&asked(Method::GET, "http://a/").redirects(0), Some(Bytes::new()), &redirect(302, &["/c"]))
                .expect("an answer")
                .is_none()
        );
        assert!(decide(&get, Some(Bytes::new()), &redirect(302, &[])).expect("an answer").is_none());
        let post = asked(Method::POST, "http://a/b");
        assert!(decide(&post, None, &redirect(307, &["/c"])).expect("an answer").is_none(), "content that is gone");
        assert!(
            decide(&post, None, &redirect(303, &["/c"])).expect("an answer").is_some(),
            "content that is not needed"
        );
        let secure = asked(Method::GET, "https://a/b");
        for to in ["http://a/c", "http://b/"] {
            assert!(
                matches!(decide(&secure, Some(Bytes::new()), &redirect(301, &[to])), Err(ClientError::Downgrade)),
                "{to}"
            );
        }
        for (attack, to) in [
            ("two ways", &["/c", "/d"][..]),
            ("a script", &["javascript:alert(1)"]),
            ("a file", &["file:///etc/passwd"]),
            ("a name before the host", &["http://a@evil/"]),
            ("no ASCII", &["/é"]),
        ] {
            let refused = decide(&get, Some(Bytes::new()), &redirect(302, to));
            assert!(matches!(refused, Err(ClientError::Location(_))), "{attack}");
        }
    }
}
