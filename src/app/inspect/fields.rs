//! Owns the table of field names that the inspector can explain: where each is defined and what its value says.
//!
//! Spec: the registrations of RFC 9110 18.4, RFC 9111 8.1, RFC 9112 12.1, RFC 6265 and RFC 6455 11.3. What browsers and
//! proxies send besides is cited by its document alone: living standards move their sections.
//! Never: judges a value.

/// What is known of a field.
#[derive(Clone, Copy, Debug)]
pub struct Known {
    /// Its name, as it is usually written.
    pub name: &'static str,
    /// The section that defines it; of Host the one that demands it.
    pub section: &'static str,
    /// What its value says, in a few words.
    pub meaning: &'static str,
}

/// What is known of the field called `name`, whatever its case.
pub fn lookup(name: &[u8]) -> Option<&'static Known> {
    FIELDS.iter().find(|known| known.name.as_bytes().eq_ignore_ascii_case(name.trim_ascii()))
}

macro_rules! fields {
    ($($name:literal $section:literal $meaning:literal;)+) => {
        /// All fields that can be explained.
        pub static FIELDS: &[Known] = &[$(Known { name: $name, section: $section, meaning: $meaning },)+];
    };
}

fields! {
    // The message and its connection.
    "Host" "RFC 9112 3.2" "the site that is asked for";
    "Content-Length" "RFC 9110 8.6" "bytes of content that follow";
    "Transfer-Encoding" "RFC 9112 6.1" "how the content is coded for the way";
    "Connection" "RFC 9110 7.6.1" "what holds for this connection only";
    "Keep-Alive" "RFC 9112 C.2.2" "how long an HTTP/1.0 connection may stay open";
    "Expect" "RFC 9110 10.1.1" "what must be so before the content is sent";
    "TE" "RFC 9110 10.1.4" "transfer codings and trailers that the client takes";
    "Trailer" "RFC 9110 6.6.2" "fields that will follow the content";
    "Upgrade" "RFC 9110 7.8" "another protocol to go on with";
    "Via" "RFC 9110 7.6.3" "the hops it has passed";
    "Max-Forwards" "RFC 9110 7.6.2" "hops that it may still pass";
    "Date" "RFC 9110 6.6.1" "when the message was made";

    // What the content is.
    "Content-Type" "RFC 9110 8.3" "the media type of the content";
    "Content-Encoding" "RFC 9110 8.4" "how the content is compressed";
    "Content-Language" "RFC 9110 8.5" "whom the content is for";
    "Content-Location" "RFC 9110 8.7" "another address of this content";
    "Content-Range" "RFC 9110 14.4" "which part of the whole this is";
    "Last-Modified" "RFC 9110 8.8.2" "when the resource last changed";
    "ETag" "RFC 9110 8.8.3" "names this state of the resource";

    // What the client asks for.
    "Accept" "RFC 9110 12.5.1" "media types that the client prefers";
    "Accept-Charset" "RFC 9110 12.5.2" "character sets that the client prefers";
    "Accept-Encoding" "RFC 9110 12.5.3" "compressions that the client reads";
    "Accept-Language" "RFC 9110 12.5.4" "languages that the client prefers";
    "User-Agent" "RFC 9110 10.1.5" "the program that asks";
    "Referer" "RFC 9110 10.1.3" "the page that led here";
    "From" "RFC 9110 10.1.2" "who answers for the client";
    "Range" "RFC 9110 14.2" "the part that is wanted";
    "If-Match" "RFC 9110 13.1.1" "only if the resource is in this state";
    "If-None-Match" "RFC 9110 13.1.2" "only if the resource is in another state";
    "If-Modified-Since" "RFC 9110 13.1.3" "only if it has changed since";
    "If-Unmodified-Since" "RFC 9110 13.1.4" "only if it has not changed since";
    "If-Range" "RFC 9110 13.1.5" "the part only if the state is this one";
    "Authorization" "RFC 9110 11.6.2" "credentials, masked here";
    "Proxy-Authorization" "RFC 9110 11.7.2" "credentials for the proxy, masked here";
    "Cookie" "RFC 6265 4.2" "what the server had asked to keep, masked here";

    // What the server says.
    "Server" "RFC 9110 10.2.4" "the program that answers";
    "Location" "RFC 9110 10.2.2" "where it is";
    "Allow" "RFC 9110 10.2.1" "the methods that the resource answers";
    "Retry-After" "RFC 9110 10.2.3" "when to ask again";
    "Vary" "RFC 9110 12.5.5" "the request fields that chose this answer";
    "Accept-Ranges" "RFC 9110 14.3" "whether parts can be had";
    "WWW-Authenticate" "RFC 9110 11.6.1" "how to authenticate";
    "Proxy-Authenticate" "RFC 9110 11.7.1" "how to authenticate with the proxy";
    "Authentication-Info" "RFC 9110 11.6.3" "how the authentication went";
    "Set-Cookie" "RFC 6265 4.1" "what the client is asked to keep, masked here";

    // Caches.
    "Age" "RFC 9111 5.1" "seconds that it has lain in caches";
    "Cache-Control" "RFC 9111 5.2" "what caches may do";
    "Expires" "RFC 9111 5.3" "until when it is fresh";
    "Pragma" "RFC 9111 5.4" "an older word for Cache-Control";

    // What browsers say of a request, and what they are told.
    "Origin" "RFC 6454" "the site whose page asks";
    "Upgrade-Insecure-Requests" "Upgrade Insecure Requests" "the browser would rather have https";
    "Sec-Fetch-Site" "Fetch Metadata" "how far away the page is that asks";
    "Sec-Fetch-Mode" "Fetch Metadata" "what kind of request it is";
    "Sec-Fetch-User" "Fetch Metadata" "a person asked for it";
    "Sec-Fetch-Dest" "Fetch Metadata" "what the answer is for";
    "Sec-CH-UA" "User-Agent Client Hints" "the browser and its version";
    "Sec-CH-UA-Mobile" "User-Agent Client Hints" "whether it is a phone";
    "Sec-CH-UA-Platform" "User-Agent Client Hints" "the operating system";
    "DNT" "Tracking Preference Expression" "the visitor does not want to be tracked";
    "Priority" "RFC 9218" "how urgent the answer is";
    "Last-Event-ID" "HTML: Server-Sent Events" "the last event that was seen";
    "Content-Disposition" "RFC 6266" "whether to show it or to keep it, and its name";
    "Link" "RFC 8288" "what it is related to";
    "Strict-Transport-Security" "RFC 6797" "from now on only https";
    "Content-Security-Policy" "Content Security Policy" "what the page may load and do";
    "X-Content-Type-Options" "Fetch" "the media type is not to be guessed";
    "Referrer-Policy" "Referrer Policy" "what a click from here tells the next page";
    "Cross-Origin-Resource-Policy" "Fetch" "which sites may use the answer";
    "Access-Control-Request-Method" "Fetch" "the method that a page elsewhere wants to use";
    "Access-Control-Request-Headers" "Fetch" "the fields that a page elsewhere wants to send";
    "Access-Control-Allow-Origin" "Fetch" "the site whose pages may read the answer";
    "Access-Control-Allow-Methods" "Fetch" "the methods that pages elsewhere may use";
    "Access-Control-Allow-Headers" "Fetch" "the fields that pages elsewhere may send";
    "Access-Control-Expose-Headers" "Fetch" "the fields that pages elsewhere may read";
    "Access-Control-Allow-Credentials" "Fetch" "whether pages elsewhere may send cookies";
    "Access-Control-Max-Age" "Fetch" "seconds for which this holds";

    // What proxies and logs add.
    "Forwarded" "RFC 7239" "whom the proxies speak for";
    "X-Forwarded-For" "custom" "addresses that the proxies speak for";
    "X-Request-Id" "custom" "names the request in logs";
    "traceparent" "Trace Context" "names the trace that the request is part of";
    "Idempotency-Key" "custom" "the same key is the same request, sent again";

    // WebSocket.
    "Sec-WebSocket-Key" "RFC 6455 11.3.1" "proves that the server understood";
    "Sec-WebSocket-Extensions" "RFC 6455 11.3.2" "extensions of the protocol";
    "Sec-WebSocket-Accept" "RFC 6455 11.3.3" "the proof, made from the key";
    "Sec-WebSocket-Protocol" "RFC 6455 11.3.4" "the protocol inside";
    "Sec-WebSocket-Version" "RFC 6455 11.3.5" "the version of the protocol";
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_found_whatever_their_case_and_are_named_once() {
        assert_eq!(lookup(b"hOsT").map(|known| known.section), Some("RFC 9112 3.2"));
        assert!(lookup(b"X-Unknown").is_none());
        for known in FIELDS {
            assert!(
                std::ptr::eq(lookup(known.name.as_bytes()).expect("listed"), known),
                "{} is listed twice",
                known.name
            );
        }
    }
}
