//! Owns the table of field names that the inspector can explain: where each is defined and what its value says.
//!
//! Spec: the registrations of RFC 9110 18.4, RFC 9111 8.1, RFC 9112 12.1, RFC 6265 and RFC 6455 11.3, and what browsers
//! send besides (the Fetch standard has no sections to number).
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
            assert!(known.section.starts_with("RFC "), "{}", known.name);
        }
    }
}
