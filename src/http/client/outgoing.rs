//! Owns a request on its way out, as its caller writes it.
//!
//! ```
//! use firstbyte::http::client::Outgoing;
//! use firstbyte::http::{Method, Url};
//!
//! let url = Url::parse("http://127.0.0.1:8080/things").unwrap();
//! let request = Outgoing::new(Method::PUT, &url).with("Content-Type", "text/plain").with_content("a thing").redirects(3);
//! ```
//!
//! Spec: RFC 9110 7.6.1 (what is for one hop), 9.2.2 (idempotent methods), 15.4 (redirections).
//! Never: has a say in framing or in the connection (see [`encode_request_head`](crate::http::h1::encode::encode_request_head)).

use std::time::Duration;

use bytes::Bytes;

use crate::http::{Body, Fields, Method, Url};

/// A request to be sent.
#[derive(Debug)]
pub struct Outgoing {
    pub(super) method: Method,
    pub(super) url: Url,
    pub(super) fields: Fields,
    pub(super) content: Body,
    pub(super) redirects_max: usize,
    pub(super) within: Option<Duration>,
}

impl Outgoing {
    /// A request of `method` for `url`, without content.
    pub fn new(method: Method, url: &Url) -> Outgoing {
        Outgoing {
            method,
            url: url.clone(),
            fields: Fields::new(),
            content: Body::empty(),
            redirects_max: 0,
            within: None,
        }
    }

    /// A GET.
    pub fn get(url: &Url) -> Outgoing {
        Outgoing::new(Method::GET, url)
    }

    /// A POST with content.
    pub fn post(url: &Url, content: impl Into<Body>) -> Outgoing {
        Outgoing::new(Method::POST, url).with_content(content)
    }

    /// Adds a field line. Bytes that would split the message become spaces. One called Host takes the place of the URL's;
    /// what concerns framing or the connection is not sent.
    ///
    /// # Panics
    /// When `name` is no token: names come from the program, not from a peer.
    pub fn with(mut self, name: &str, value: impl AsRef<[u8]>) -> Outgoing {
        self.fields.append_escaped(name, value);
        self
    }

    /// Takes `fields` in the place of those so far: what a proxy sends on, without the fields that are for the hop they came
    /// over. What is added afterwards stays, whatever the one before has named.
    pub fn with_fields(mut self, mut fields: Fields) -> Outgoing {
        // RFC 9110 7.6.1: Connection, and every field that it names.
        let names: Vec<_> = fields.list("Connection").map(|name| String::from_utf8_lossy(name).into_owned()).collect();
        for name in names.iter().map(String::as_str).chain(["Connection"]) {
            fields.remove(name);
        }
        self.fields = fields;
        self
    }

    /// Sends `content`. When its length is not known it is sent in chunks: who gives such content says that the server
    /// understands HTTP/1.1 (RFC 9112 6.1). Content that is all there can be sent again, to a new connection or after a
    /// redirection; content from a source cannot.
    ///
    /// A server may answer before it has all of it. Then reading the answer to its end sends the rest (RFC 9110 7.5), and
    /// dropping it breaks the request off; so does an answer that says no (4xx, 5xx), or behind which the server closes
    /// (RFC 9112 9.5).
    pub fn with_content(mut self, content: impl Into<Body>) -> Outgoing {
        self.content = content.into();
        self
    }

    /// Follows up to `redirects_max` redirections (RFC 9110 15.4). Default none: the answer is then the redirection. To
    /// another origin go neither credentials nor cookies; other fields do, and content by 307 and 308.
    pub fn redirects(mut self, redirects_max: usize) -> Outgoing {
        self.redirects_max = redirects_max;
        self
    }

    /// Takes so long at most in all, in the place of [`total`](crate::http::client::ClientConfig::total). `Duration::MAX`
    /// is off.
    pub fn within(mut self, total: Duration) -> Outgoing {
        self.within = Some(total);
        self
    }

    /// The content, if it can be sent again.
    pub(super) fn repeatable(&mut self) -> Option<Bytes> {
        let bytes = self.content.take_ready()?;
        self.content = Body::from(bytes.clone());
        Some(bytes)
    }
}
