//! Owns every bound the HTTP layer puts on a peer, in one struct, so that none hides in a parser.
//!
//! The one idea: a server is as strong as its largest unbounded thing. Each limit says its unit, its default, what
//! breaks when it is larger, and what the peer sees when it is reached.
//!
//! Spec: RFC 9112 2.2, 3 and 5.4 leave the sizes to the server; RFC 9110 5.4 and 15.5 name the answers.
//! Never: reads a clock or a configuration file. Deadlines are bounds on time and live in [`crate::net::deadline`].

/// The bounds of one server. Every field is on by default; "off" has to be spelled out as the type's `MAX`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Limits {
    /// Bytes of one head, start-line to empty line. Default 64 KiB. Larger: each connection may hold that much while
    /// it trickles in. The peer sees 431.
    pub head_bytes_max: usize,
    /// Field lines in one head. Default 100. Larger: more work for each lookup. The peer sees 431.
    pub field_lines_max: usize,
    /// Bytes of the request-target. Default 8 KiB. Larger: longer log lines and routes. The peer sees 414.
    pub target_bytes_max: usize,
    /// Bytes of the method. Default 24, what [`crate::http::Method`] holds inline. The peer sees 501.
    pub method_bytes_max: usize,
    /// Empty lines accepted before a request-line (RFC 9112 2.2). Default 8. Larger: a peer may send nothing, for
    /// longer. The peer sees 400.
    pub leading_empty_lines_max: usize,
    /// Bytes of content that a route accepts unless it says otherwise. Default 1 MiB. Larger: handlers that collect
    /// content hold that much each. The peer sees 413.
    pub content_bytes_max: u64,
    /// Bytes of one chunk line: size and extensions. Default 4 KiB. The peer sees 400.
    pub chunk_line_bytes_max: usize,
    /// Bytes of all chunk extensions of one message (RFC 9112 7.1.1). Default 16 KiB. Larger: bytes that carry
    /// nothing. The peer sees 400.
    pub chunk_extension_bytes_max: usize,
    /// Bytes of the trailer section (RFC 9112 7.1.2). Default 8 KiB. The peer sees 431.
    pub trailer_bytes_max: usize,
    /// Unread content that is read and dropped to keep the connection, in bytes. Default 256 KiB. Larger: more work
    /// for requests that were already refused. The peer sees a close.
    pub drain_bytes_max: u64,
    /// Answers queued in user space before no more requests are read, in bytes. Default 64 KiB. Larger: a reader
    /// that does not read costs more. The peer sees that it is not read from.
    pub output_bytes_max: usize,
    /// Whether a head's lines may end in a bare LF (RFC 9112 2.2 allows it, and request smuggling loves it).
    /// Default no. Never applies to chunk lines.
    pub lenient_lines: bool,
}

impl Default for Limits {
    fn default() -> Self {
        Limits {
            head_bytes_max: 64 * 1024,
            field_lines_max: 100,
            target_bytes_max: 8 * 1024,
            method_bytes_max: crate::http::method::METHOD_BYTES_MAX,
            leading_empty_lines_max: 8,
            content_bytes_max: 1024 * 1024,
            chunk_line_bytes_max: 4 * 1024,
            chunk_extension_bytes_max: 16 * 1024,
            trailer_bytes_max: 8 * 1024,
            drain_bytes_max: 256 * 1024,
            output_bytes_max: 64 * 1024,
            lenient_lines: false,
        }
    }
}
