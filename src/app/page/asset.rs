//! Owns the files that pages need: style sheets, scripts, an icon, each part of the program.
//!
//! The one idea: a browser keeps a file and asks each time whether it is still the same; so a new build is seen at once,
//! and an old one costs an answer without content.
//!
//! Spec: RFC 9110 8.8.3 (ETag), 13.1.2 (If-None-Match, judged by the router); RFC 9111 5.2.2.4 (`no-cache`).
//! Never: reads a file while the server runs.

use crate::app::page::guarded;
use crate::http::field::name;
use crate::http::{Response, Router, Status};

/// A file that a page needs.
#[derive(Debug)]
pub struct Asset {
    path: &'static str,
    content_type: &'static str,
    content: &'static str,
    tag: u64,
}

impl Asset {
    /// A file with its place and its type.
    pub const fn new(path: &'static str, content_type: &'static str, content: &'static str) -> Asset {
        Asset { path, content_type, content, tag: fnv1a(content.as_bytes()) }
    }

    /// Where it is served.
    pub fn path(&self) -> &'static str {
        self.path
    }

    /// Adds its route.
    pub fn route<S: Clone + Send + Sync + 'static>(&'static self, router: Router<S>) -> Router<S> {
        router.route(&format!("GET {}", self.path), move |_, _| async move { self.respond() })
    }

    /// The router compares the tag with those that the browser has.
    fn respond(&self) -> Response {
        let response = guarded(Response::new(Status::OK).with_content(self.content_type, self.content));
        response.with(name::ETAG, format!("\"{:016x}\"", self.tag)).with(name::CACHE_CONTROL, "no-cache")
    }
}

/// A number that changes with the content: enough to tell two builds apart.
const fn fnv1a(bytes: &[u8]) -> u64 {
    let mut hash = 0xcbf2_9ce4_8422_2325_u64;
    let mut at = 0;
    while at < bytes.len() {
        hash = (hash ^ bytes[at] as u64).wrapping_mul(0x0100_0000_01b3);
        at += 1;
    }
    hash
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::http::{Handler, Request};

    static FILE: Asset = Asset::new("/assets/x.css", "text/css", "a{}");

    #[tokio::test]
    async fn it_is_sent_once_for_each_build() {
        let routes = FILE.route(Router::new(())).build().expect("the route fits");
        let first = routes.handle(Request::get("/assets/x.css")).await;
        assert_eq!((first.status(), first.field("cache-control")), (Status::OK, Some("no-cache")));
        let tag = first.field("etag").expect("a tag").to_owned();
        for (sent, status) in [
            (tag.clone(), Status::NOT_MODIFIED),
            (format!("\"x\", W/{tag}"), Status::NOT_MODIFIED),
            ("*".to_owned(), Status::NOT_MODIFIED),
            ("\"x\"".to_owned(), Status::OK),
        ] {
            let again = routes.handle(Request::get("/assets/x.css").with("If-None-Match", &sent)).await;
            assert_eq!(again.status(), status, "{sent}");
        }
        assert_ne!(fnv1a(b"a{}"), fnv1a(b"b{}"));
    }
}
