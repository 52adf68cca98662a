//! Owns the rows of the catalogue, and nothing else.
//!
//! The one idea: a table that reads top to bottom as the life of a request: its lines, its target, its fields, where
//! its content ends, then the route, the handler's input, the server itself.
//!
//! Spec: each row names its section.
//! Never: code. What a row means is in [`super`].
//! Invariant: a family's numbers rise by one; a new fault goes to the end of its family.

use super::Entry;
use crate::http::Status;

catalogue! {
    // The lines of a head, and the method (RFC 9112 2.2, 3 and 3.1).
    BareLf "H1-LINE-001" BAD_REQUEST
        "a line ends in a bare LF"
        expected "each line of the head ends in CR LF"
        section "RFC 9112 2.2"
        remedy r"printf 'GET / HTTP/1.1\r\nHost: localhost\r\n\r\n' | nc -N 127.0.0.1 8080   # or start the server with --lenient-lines";
    BareCr "H1-LINE-002" BAD_REQUEST
        "a CR stands alone"
        expected "a CR is always followed by LF and ends the line"
        section "RFC 9112 2.2"
        remedy r"printf 'GET / HTTP/1.1\r\nHost: localhost\r\n\r\n' | nc -N 127.0.0.1 8080";
    TooManyEmptyLines "H1-LINE-003" BAD_REQUEST
        "too many empty lines stand before the request-line"
        expected "the first line is the request-line, such as GET / HTTP/1.1"
        section "RFC 9112 2.2"
        remedy r"printf 'GET / HTTP/1.1\r\nHost: localhost\r\n\r\n' | nc -N 127.0.0.1 8080";
    TlsHandshake "H1-LINE-004" BAD_REQUEST
        "the peer speaks TLS and this port speaks plain HTTP"
        expected "the connection starts with a request-line; this port has no TLS"
        section "RFC 9112 9.7"
        remedy "curl http://127.0.0.1:8080/   # http, not https";
    WhitespaceBeforeMethod "H1-LINE-005" BAD_REQUEST
        "white space stands before the method"
        expected "the request-line begins with the method"
        section "RFC 9112 3"
        remedy r"printf 'GET / HTTP/1.1\r\nHost: localhost\r\n\r\n' | nc -N 127.0.0.1 8080";
    MethodByte "H1-LINE-006" BAD_REQUEST
        "the method holds a byte that no method may hold"
        expected "the method is a token: letters, digits and !#$%&'*+-.^_`|~, then one space"
        section "RFC 9112 3.1"
        remedy "curl -X GET http://127.0.0.1:8080/";
    MethodTooLong "H1-LINE-007" NOT_IMPLEMENTED
        "the method is longer than any that is known"
        expected "a method such as GET, POST or DELETE, of at most method_bytes_max bytes"
        section "RFC 9112 3"
        remedy "curl -X GET http://127.0.0.1:8080/";
    MissingTarget "H1-LINE-008" BAD_REQUEST
        "the request-line ends without a request-target"
        expected "method, one space, request-target, one space, version"
        section "RFC 9112 3"
        remedy r"printf 'GET / HTTP/1.1\r\nHost: localhost\r\n\r\n' | nc -N 127.0.0.1 8080";
    ExtraSpace "H1-LINE-009" BAD_REQUEST
        "more than one space separates two parts of the request-line"
        expected "exactly one space between method and target, and between target and version"
        section "RFC 9112 3"
        remedy r"printf 'GET / HTTP/1.1\r\nHost: localhost\r\n\r\n' | nc -N 127.0.0.1 8080";
    RequestLineTail "H1-LINE-010" BAD_REQUEST
        "something stands between the version and the line end"
        expected "CR LF directly behind the version"
        section "RFC 9112 3"
        remedy r"printf 'GET / HTTP/1.1\r\nHost: localhost\r\n\r\n' | nc -N 127.0.0.1 8080";

    // The request-target (RFC 9112 3.2, RFC 3986).
    TargetByte "H1-TARGET-001" BAD_REQUEST
        "the request-target holds a byte that must be percent-encoded"
        expected "only the characters of a URI; any other byte as a % and two hex digits, a space as %20"
        section "RFC 9112 3.2"
        remedy "curl -G --data-urlencode 'q=a b' http://127.0.0.1:8080/";
    FragmentInTarget "H1-TARGET-002" BAD_REQUEST
        "the request-target holds a fragment"
        expected "the part from # on stays with the client; a # that is data is sent as %23"
        section "RFC 9112 3.2"
        remedy "curl 'http://127.0.0.1:8080/a%23b'";
    TargetTooLong "H1-TARGET-003" URI_TOO_LONG
        "the request-target is too long"
        expected "a request-target of at most target_bytes_max bytes; longer input goes into the content"
        section "RFC 9112 3"
        remedy "curl --data-binary @long.txt http://127.0.0.1:8080/echo";
    TargetForm "H1-TARGET-004" BAD_REQUEST
        "the request-target has none of the forms that a request may use"
        expected "a path that begins with /, or a whole http URI"
        section "RFC 9112 3.2"
        remedy r"printf 'GET / HTTP/1.1\r\nHost: localhost\r\n\r\n' | nc -N 127.0.0.1 8080";
    AsteriskWithoutOptions "H1-TARGET-005" BAD_REQUEST
        "only OPTIONS may ask for *"
        expected "a path that begins with /, or the method OPTIONS"
        section "RFC 9112 3.2.4"
        remedy "curl -X OPTIONS --request-target '*' http://127.0.0.1:8080/";
    ConnectWithoutAuthority "H1-TARGET-006" BAD_REQUEST
        "CONNECT needs a host and a port"
        expected "host:port as the whole request-target, with a port from 1 to 65535"
        section "RFC 9112 3.2.3"
        remedy r"printf 'CONNECT example.com:443 HTTP/1.1\r\nHost: example.com:443\r\n\r\n' | nc -N 127.0.0.1 8080";
    UnknownScheme "H1-TARGET-007" BAD_REQUEST
        "the request-target is a URI of another scheme than http"
        expected "http://host/path, or just the path"
        section "RFC 9112 3.2.2"
        remedy "curl --request-target 'http://localhost/' http://127.0.0.1:8080/";
    InvalidTargetAuthority "H1-TARGET-008" BAD_REQUEST
        "the authority in the request-target is no host with an optional port"
        expected "a name, an IPv4 address or [IPv6], then perhaps : and a port; no user, no comma"
        section "RFC 9110 4.2"
        remedy "curl --request-target 'http://localhost/' http://127.0.0.1:8080/";
    BadPercentEncoding "H1-TARGET-009" BAD_REQUEST
        "a % in the request-target is not followed by two hex digits"
        expected "% and two hex digits; a % that is data is sent as %25"
        section "RFC 3986 2.1"
        remedy "curl 'http://127.0.0.1:8080/100%25'";
    EncodedNul "H1-TARGET-010" BAD_REQUEST
        "the request-target spells a NUL byte"
        expected "no %00: files, databases and C strings end there"
        section "RFC 3986 7.3"
        remedy "curl http://127.0.0.1:8080/";
    PathAboveRoot "H1-TARGET-011" BAD_REQUEST
        "the path climbs above its root"
        expected "no more .. segments than segments before them"
        section "RFC 3986 5.2.4"
        remedy "curl --path-as-is http://127.0.0.1:8080/a/../";
    HttpsInTheClear "H1-TARGET-012" MISDIRECTED_REQUEST
        "the request-target is an https URI, and the connection has no TLS"
        expected "http://host/path, or just the path; what ends TLS for this server sends just the path"
        section "RFC 9110 7.4"
        remedy "curl --request-target 'http://localhost/' http://127.0.0.1:8080/";

    // The version (RFC 9112 2.3).
    MissingVersion "H1-VERSION-001" BAD_REQUEST
        "the request-line ends without a version"
        expected "one space and HTTP/1.1 behind the request-target; HTTP/0.9 is not spoken"
        section "RFC 9112 3"
        remedy r"printf 'GET / HTTP/1.1\r\nHost: localhost\r\n\r\n' | nc -N 127.0.0.1 8080";
    MalformedVersion "H1-VERSION-002" BAD_REQUEST
        "the version is not spelled HTTP/1.1"
        expected "HTTP in capitals, a slash, a digit, a dot, a digit; a space in the target is sent as %20"
        section "RFC 9112 2.3"
        remedy r"printf 'GET / HTTP/1.1\r\nHost: localhost\r\n\r\n' | nc -N 127.0.0.1 8080";
    UnsupportedVersion "H1-VERSION-003" HTTP_VERSION_NOT_SUPPORTED
        "the major version is not 1"
        expected "HTTP/1.1 or HTTP/1.0"
        section "RFC 9110 15.6.6"
        remedy "curl --http1.1 http://127.0.0.1:8080/";

    // The field section of a head or of trailers (RFC 9112 5).
    HeadTooLarge "H1-HEAD-001" REQUEST_HEADER_FIELDS_TOO_LARGE
        "the head is too large"
        expected "a head of at most head_bytes_max bytes, from the request-line to the empty line"
        section "RFC 6585 5"
        remedy "curl -H 'Cookie: sid=1' http://127.0.0.1:8080/   # large heads are mostly cookies";
    TooManyFieldLines "H1-HEAD-002" REQUEST_HEADER_FIELDS_TOO_LARGE
        "there are too many field lines"
        expected "at most field_lines_max lines"
        section "RFC 6585 5"
        remedy "curl -H 'X-List: a, b, c' http://127.0.0.1:8080/   # one line holds a list";
    WhitespaceBeforeFirstField "H1-HEAD-003" BAD_REQUEST
        "white space stands before the first field line"
        expected "the first field line begins with its name"
        section "RFC 9112 2.2"
        remedy r"printf 'GET / HTTP/1.1\r\nHost: localhost\r\n\r\n' | nc -N 127.0.0.1 8080";
    ObsFold "H1-HEAD-004" BAD_REQUEST
        "a field value continues on the next line"
        expected "each field value on one line; folding is obsolete"
        section "RFC 9112 5.2"
        remedy r"printf 'GET / HTTP/1.1\r\nHost: localhost\r\nX-Long: one two\r\n\r\n' | nc -N 127.0.0.1 8080";
    EmptyFieldName "H1-HEAD-005" BAD_REQUEST
        "a field line begins with its colon"
        expected "a field name, a colon, a value"
        section "RFC 9112 5"
        remedy r"printf 'GET / HTTP/1.1\r\nHost: localhost\r\nX-Name: value\r\n\r\n' | nc -N 127.0.0.1 8080";
    WhitespaceBeforeColon "H1-HEAD-006" BAD_REQUEST
        "white space stands in a field name or before its colon"
        expected "the colon directly behind the name"
        section "RFC 9112 5.1"
        remedy r"printf 'GET / HTTP/1.1\r\nHost: localhost\r\nX-Name: value\r\n\r\n' | nc -N 127.0.0.1 8080";
    FieldNameByte "H1-HEAD-007" BAD_REQUEST
        "a field name holds a byte that no name may hold"
        expected "a token: letters, digits and !#$%&'*+-.^_`|~, then the colon"
        section "RFC 9110 5.1"
        remedy r"printf 'GET / HTTP/1.1\r\nHost: localhost\r\nX-Name: value\r\n\r\n' | nc -N 127.0.0.1 8080";
    MissingColon "H1-HEAD-008" BAD_REQUEST
        "a field line has no colon"
        expected "a field name, a colon, a value; an empty line ends the head"
        section "RFC 9112 5"
        remedy r"printf 'GET / HTTP/1.1\r\nHost: localhost\r\nX-Name: value\r\n\r\n' | nc -N 127.0.0.1 8080";
    FieldValueByte "H1-HEAD-009" BAD_REQUEST
        "a field value holds a control byte"
        expected "visible bytes, spaces and tabs; anything else encoded, say as base64"
        section "RFC 9110 5.5"
        remedy r#"curl -H "X-Data: $(printf 'a\0b' | base64)" http://127.0.0.1:8080/"#;

    // The Host field (RFC 9112 3.2, RFC 9110 7.2).
    MissingHost "H1-HOST-001" BAD_REQUEST
        "the request has no Host field"
        expected "one Host line in every HTTP/1.1 request"
        section "RFC 9112 3.2"
        remedy r"printf 'GET / HTTP/1.1\r\nHost: localhost\r\n\r\n' | nc -N 127.0.0.1 8080";
    DuplicateHost "H1-HOST-002" BAD_REQUEST
        "the request has two Host lines"
        expected "one Host line; with two, each hop may serve another site"
        section "RFC 9112 3.2"
        remedy r"printf 'GET / HTTP/1.1\r\nHost: localhost\r\n\r\n' | nc -N 127.0.0.1 8080";
    EmptyHost "H1-HOST-003" BAD_REQUEST
        "the Host field is empty"
        expected "the host of the URI: an http URI always has one"
        section "RFC 9110 4.2.1"
        remedy r"printf 'GET / HTTP/1.1\r\nHost: localhost\r\n\r\n' | nc -N 127.0.0.1 8080";
    InvalidHost "H1-HOST-004" BAD_REQUEST
        "the Host field is no host with an optional port"
        expected "a name, an IPv4 address or [IPv6], then perhaps : and a port"
        section "RFC 9112 3.2"
        remedy "curl -H 'Host: localhost' http://127.0.0.1:8080/";

    // Where the content ends (RFC 9112 6): every rule against request smuggling.
    LengthAndTransferEncoding "H1-FRAME-001" BAD_REQUEST
        "the request has both Content-Length and Transfer-Encoding"
        expected "one of the two; hops that choose differently see different requests"
        section "RFC 9112 6.3"
        remedy "curl -d 'hello' http://127.0.0.1:8080/echo";
    TransferEncodingInHttp10 "H1-FRAME-002" BAD_REQUEST
        "an HTTP/1.0 request has Transfer-Encoding"
        expected "Content-Length: HTTP/1.0 knows no transfer coding"
        section "RFC 9112 6.1"
        remedy "curl --http1.0 -d 'hello' http://127.0.0.1:8080/echo";
    ChunkedNotFinal "H1-FRAME-003" BAD_REQUEST
        "the last transfer coding is not chunked"
        expected "Transfer-Encoding: chunked, or Content-Length"
        section "RFC 9112 6.3"
        remedy "curl -H 'Transfer-Encoding: chunked' -d 'hello' http://127.0.0.1:8080/echo";
    ChunkedTwice "H1-FRAME-004" BAD_REQUEST
        "the content is said to be chunked more than once"
        expected "Transfer-Encoding: chunked, once"
        section "RFC 9112 6.1"
        remedy "curl -H 'Transfer-Encoding: chunked' -d 'hello' http://127.0.0.1:8080/echo";
    UnknownTransferCoding "H1-FRAME-005" NOT_IMPLEMENTED
        "a transfer coding other than chunked is used"
        expected "Transfer-Encoding: chunked; compressed content is named by Content-Encoding"
        section "RFC 9112 6.1"
        remedy "gzip -c file | curl -H 'Content-Encoding: gzip' --data-binary @- http://127.0.0.1:8080/echo";
    MalformedTransferEncoding "H1-FRAME-006" BAD_REQUEST
        "Transfer-Encoding is no list of transfer codings"
        expected "Transfer-Encoding: chunked, without parameters or empty members"
        section "RFC 9112 7.1"
        remedy "curl -H 'Transfer-Encoding: chunked' -d 'hello' http://127.0.0.1:8080/echo";
    DuplicateContentLength "H1-FRAME-007" BAD_REQUEST
        "the request has two Content-Length lines"
        expected "one Content-Length line, even when both say the same"
        section "RFC 9112 6.3"
        remedy "curl -d 'hello' http://127.0.0.1:8080/echo";
    ContentLengthList "H1-FRAME-008" BAD_REQUEST
        "Content-Length is a list"
        expected "one number, even when all members say the same"
        section "RFC 9112 6.3"
        remedy "curl -d 'hello' http://127.0.0.1:8080/echo";
    InvalidContentLength "H1-FRAME-009" BAD_REQUEST
        "Content-Length is no decimal number"
        expected "digits only: no sign, no space, no hex"
        section "RFC 9110 8.6"
        remedy "curl -d 'hello' http://127.0.0.1:8080/echo";
    ContentLengthOverflow "H1-FRAME-010" BAD_REQUEST
        "Content-Length is larger than any content can be"
        expected "a number below 2 to the power of 64"
        section "RFC 9110 8.6"
        remedy "curl -d 'hello' http://127.0.0.1:8080/echo";
    ContentNotAllowed "H1-FRAME-011" BAD_REQUEST
        "CONNECT and TRACE have no content"
        expected "no Transfer-Encoding, and no Content-Length but 0"
        section "RFC 9110 9.3"
        remedy "curl -X TRACE http://127.0.0.1:8080/";

    // Chunked content (RFC 9112 7.1). Offsets count from the first byte of the content.
    ChunkSizeByte "H1-CHUNK-001" BAD_REQUEST
        "a chunk does not begin with its size in hex digits"
        expected "hex digits, then CR LF; 0 for the last chunk"
        section "RFC 9112 7.1"
        remedy r"printf 'POST /echo HTTP/1.1\r\nHost: localhost\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nhello\r\n0\r\n\r\n' | nc -N 127.0.0.1 8080";
    ChunkSizeOverflow "H1-CHUNK-002" BAD_REQUEST
        "a chunk's size is larger than any chunk can be"
        expected "a size below 2 to the power of 64"
        section "RFC 9112 7.1"
        remedy r"printf 'POST /echo HTTP/1.1\r\nHost: localhost\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nhello\r\n0\r\n\r\n' | nc -N 127.0.0.1 8080";
    ChunkLineEnd "H1-CHUNK-003" BAD_REQUEST
        "a line of chunked content does not end in CR LF"
        expected "CR LF, never a bare LF or CR, whatever --lenient-lines says"
        section "RFC 9112 7.1"
        remedy r"printf 'POST /echo HTTP/1.1\r\nHost: localhost\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nhello\r\n0\r\n\r\n' | nc -N 127.0.0.1 8080";
    ChunkLineTooLong "H1-CHUNK-004" BAD_REQUEST
        "a chunk's line is too long"
        expected "size and extensions in at most chunk_line_bytes_max bytes"
        section "RFC 9112 7.1.1"
        remedy r"printf 'POST /echo HTTP/1.1\r\nHost: localhost\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nhello\r\n0\r\n\r\n' | nc -N 127.0.0.1 8080";
    WhitespaceInChunkLine "H1-CHUNK-005" BAD_REQUEST
        "white space stands in a chunk's line"
        expected "the size, then directly CR LF or a semicolon"
        section "RFC 9112 7.1.1"
        remedy r"printf 'POST /echo HTTP/1.1\r\nHost: localhost\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nhello\r\n0\r\n\r\n' | nc -N 127.0.0.1 8080";
    InvalidChunkExtension "H1-CHUNK-006" BAD_REQUEST
        "a chunk extension is malformed"
        expected "semicolon, name, then perhaps = and a token or quoted string"
        section "RFC 9112 7.1.1"
        remedy r"printf 'POST /echo HTTP/1.1\r\nHost: localhost\r\nTransfer-Encoding: chunked\r\n\r\n5;name=value\r\nhello\r\n0\r\n\r\n' | nc -N 127.0.0.1 8080";
    ChunkExtensionsTooLong "H1-CHUNK-007" BAD_REQUEST
        "the chunk extensions of one message are too long"
        expected "at most chunk_extension_bytes_max bytes of them in all"
        section "RFC 9112 7.1.1"
        remedy r"printf 'POST /echo HTTP/1.1\r\nHost: localhost\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nhello\r\n0\r\n\r\n' | nc -N 127.0.0.1 8080";
    ChunkDataEnd "H1-CHUNK-008" BAD_REQUEST
        "a chunk's data is longer or shorter than its size says"
        expected "CR LF directly behind the data"
        section "RFC 9112 7.1"
        remedy r"printf 'POST /echo HTTP/1.1\r\nHost: localhost\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nhello\r\n0\r\n\r\n' | nc -N 127.0.0.1 8080";
    TrailersTooLarge "H1-CHUNK-009" REQUEST_HEADER_FIELDS_TOO_LARGE
        "the trailer section is too large"
        expected "at most trailer_bytes_max bytes between the last chunk and the end"
        section "RFC 9112 7.1.2"
        remedy r"printf 'POST /echo HTTP/1.1\r\nHost: localhost\r\nTransfer-Encoding: chunked\r\n\r\n0\r\nX-Sum: 1\r\n\r\n' | nc -N 127.0.0.1 8080";
    ForbiddenTrailer "H1-CHUNK-010" BAD_REQUEST
        "a trailer field belongs into the head"
        expected "no fields for framing, routing, authentication or the type of the content in trailers"
        section "RFC 9110 6.5.1"
        remedy r"printf 'POST /echo HTTP/1.1\r\nHost: localhost\r\nTransfer-Encoding: chunked\r\n\r\n0\r\nX-Sum: 1\r\n\r\n' | nc -N 127.0.0.1 8080";

    // The Expect field (RFC 9110 10.1.1).
    UnknownExpectation "H1-EXPECT-001" EXPECTATION_FAILED
        "the request expects something that is not known here"
        expected "100-continue, or no Expect field"
        section "RFC 9110 10.1.1"
        remedy "curl -H 'Expect: 100-continue' -d 'hello' http://127.0.0.1:8080/echo";

    // A connection that ends too early (RFC 9112 8).
    IncompleteHead "H1-END-001" BAD_REQUEST
        "the connection ended within the head"
        expected "an empty line, which ends the head, before the end of the input"
        section "RFC 9112 8"
        remedy r"printf 'GET / HTTP/1.1\r\nHost: localhost\r\n\r\n' | nc -N 127.0.0.1 8080";

    // Deadlines on what the peer sends.
    HeadTimeout "H1-TIME-001" REQUEST_TIMEOUT
        "the head did not arrive in time"
        expected "the whole head, its empty line included, within the head deadline"
        section "RFC 9110 15.5.9"
        remedy r"printf 'GET / HTTP/1.1\r\nHost: localhost\r\n\r\n' | nc -N 127.0.0.1 8080   # to type it: firstbyte serve --lenient-lines --first-byte-deadline 60s --head-deadline 60s";
    ContentTimeout "H1-TIME-002" REQUEST_TIMEOUT
        "the content arrives too slowly"
        expected "content at the least rate that is asked for, counted over some seconds"
        section "RFC 9110 15.5.9"
        remedy "curl -T file --limit-rate 64K http://127.0.0.1:8080/echo";

    // The content as a whole.
    ContentTooLarge "H1-CONTENT-001" CONTENT_TOO_LARGE
        "the content is larger than this route accepts"
        expected "content within the route's limit; the answer names it"
        section "RFC 9110 15.5.14"
        remedy "curl -d 'hello' http://127.0.0.1:8080/echo";
    ContentIncomplete "H1-CONTENT-002" BAD_REQUEST
        "the connection ended before the content did"
        expected "as many bytes as Content-Length says, or chunks up to the last one"
        section "RFC 9112 8"
        remedy "curl -d 'hello' http://127.0.0.1:8080/echo";

    // Which handler (RFC 9110 15.5).
    NotFound "HTTP-ROUTE-001" NOT_FOUND
        "nothing is served at this path"
        expected "a path that a route names; / lists them"
        section "RFC 9110 15.5.5"
        remedy "curl http://127.0.0.1:8080/";
    MethodNotAllowed "HTTP-ROUTE-002" METHOD_NOT_ALLOWED
        "the path is served, but not with this method"
        expected "one of the methods that the Allow field lists"
        section "RFC 9110 15.5.6"
        remedy "curl -i -X OPTIONS http://127.0.0.1:8080/";
    MethodNotImplemented "HTTP-ROUTE-003" NOT_IMPLEMENTED
        "no route names this method, and this path does not take every method"
        expected "GET, HEAD, POST, PUT, PATCH, DELETE or OPTIONS, in capitals: methods are case-sensitive"
        section "RFC 9110 15.6.2"
        remedy "curl -X GET http://127.0.0.1:8080/";

    // Who asks (RFC 6750 3.1).
    NoCredentials "HTTP-AUTH-001" UNAUTHORIZED
        "this is for those who say who they are"
        expected "an access token in the Authorization field, as Bearer; WWW-Authenticate names what is protected"
        section "RFC 6750 3"
        remedy "curl -H \"Authorization: Bearer $TOKEN\" http://127.0.0.1:8080/PATH   # a token of the issuer";
    InvalidToken "HTTP-AUTH-002" UNAUTHORIZED
        "the access token is not valid here"
        expected "a token that has not expired, of the issuer of this service and for this service"
        section "RFC 6750 3.1"
        remedy "curl -H \"Authorization: Bearer $TOKEN\" http://127.0.0.1:8080/PATH   # a new token of the issuer";
    MalformedCredentials "HTTP-AUTH-003" BAD_REQUEST
        "there is no token in the Authorization field, or there are two"
        expected "one Authorization field: Bearer, then one token"
        section "RFC 6750 2.1"
        remedy "curl -H \"Authorization: Bearer $TOKEN\" http://127.0.0.1:8080/PATH";
    InsufficientScope "HTTP-AUTH-004" FORBIDDEN
        "the access token does not grant this"
        expected "a token with the scopes and the roles that this route asks for; another one of the same kind will not do"
        section "RFC 6750 3.1"
        remedy "curl -H \"Authorization: Bearer $TOKEN\" http://127.0.0.1:8080/PATH   # a token with more scopes";
    CredentialsUnverified "HTTP-AUTH-005" SERVICE_UNAVAILABLE
        "whether the credentials are right cannot be told now"
        expected "the same request after Retry-After seconds"
        section "RFC 9110 15.6.4"
        remedy "curl --retry 3 -H \"Authorization: Bearer $TOKEN\" http://127.0.0.1:8080/PATH";

    // Who may have it.
    LoopbackOnly "HTTP-ACCESS-001" FORBIDDEN
        "this is shown to clients on the server's own machine"
        expected "a connection from 127.0.0.1 or ::1, not by way of a proxy; or a server that was told to show it to all"
        section "RFC 9110 15.5.4"
        remedy "curl http://127.0.0.1:8080/inspect   # on that machine, say by ssh";
    ForeignName "HTTP-ACCESS-002" MISDIRECTED_REQUEST
        "this is shown to those who ask for the server's own machine by its name"
        expected "localhost, 127.0.0.1 or [::1] in the Host field: another name may be made to point here (DNS rebinding)"
        section "RFC 9110 7.4"
        remedy "curl http://127.0.0.1:8080/inspect";
    ForeignPage "HTTP-ACCESS-003" FORBIDDEN
        "a page of another origin must not send this"
        expected "Sec-Fetch-Site: same-origin, or an Origin of the host that is asked; or none of both, as programs send it"
        section "RFC 6454 7"
        remedy "curl -X POST http://127.0.0.1:8080/PATH   # or from a page of this server";

    // Another protocol on the same connection (RFC 9110 7.8, RFC 6455 4.2).
    WebSocketOnly "HTTP-UPGRADE-001" UPGRADE_REQUIRED
        "this is served over WebSocket"
        expected "GET over HTTP/1.1 with Connection: upgrade and Upgrade: websocket"
        section "RFC 9110 15.5.22"
        remedy "firstbyte ws ws://127.0.0.1:8080/ws";
    WebSocketVersion "HTTP-UPGRADE-002" UPGRADE_REQUIRED
        "the version of the WebSocket protocol is not spoken here"
        expected "Sec-WebSocket-Version: 13"
        section "RFC 6455 4.4"
        remedy "firstbyte ws ws://127.0.0.1:8080/ws";
    WebSocketKey "HTTP-UPGRADE-003" BAD_REQUEST
        "Sec-WebSocket-Key is no nonce of 16 bytes"
        expected "one Sec-WebSocket-Key field: 16 random bytes in base64, new for each handshake"
        section "RFC 6455 4.1"
        remedy "curl -iN -H 'Connection: upgrade' -H 'Upgrade: websocket' -H 'Sec-WebSocket-Version: 13' -H \"Sec-WebSocket-Key: $(openssl rand -base64 16)\" http://127.0.0.1:8080/ws";
    ForeignOrigin "HTTP-UPGRADE-004" FORBIDDEN
        "a page of another site must not open this socket"
        expected "an Origin of the host that is asked, or none, as programs send it"
        section "RFC 6455 10.2"
        remedy "firstbyte ws ws://127.0.0.1:8080/ws";

    // What is read under a condition (RFC 9110 13).
    PreconditionFailed "HTTP-CONDITION-001" PRECONDITION_FAILED
        "what is here is not what If-Match names"
        expected "the ETag of the present answer in If-Match, or *, or no If-Match field"
        section "RFC 9110 13.1.1"
        remedy "curl -si http://127.0.0.1:8080/   # its ETag, if it has one";

    // What a handler reads from a request.
    MalformedJson "HTTP-INPUT-001" BAD_REQUEST
        "the content is no JSON"
        expected "one JSON value in UTF-8"
        section "RFC 8259 2"
        remedy r#"curl --json '{"name":"ada"}' http://127.0.0.1:8080/anything"#;
    InvalidJsonField "HTTP-INPUT-002" UNPROCESSABLE_CONTENT
        "a field of the JSON is missing or has a wrong value"
        expected "the fields that this route documents"
        section "RFC 9110 15.5.21"
        remedy r#"curl --json '{"name":"ada"}' http://127.0.0.1:8080/anything"#;
    WrongMediaType "HTTP-INPUT-003" UNSUPPORTED_MEDIA_TYPE
        "the content is not of a type that this route reads"
        expected "the Content-Type that this route documents"
        section "RFC 9110 15.5.16"
        remedy "curl -H 'Content-Type: application/json' -d '{}' http://127.0.0.1:8080/anything";
    InvalidPathParameter "HTTP-INPUT-004" BAD_REQUEST
        "a part of the path has a wrong value"
        expected "a path whose parts fit the route's pattern"
        section "RFC 9110 15.5.1"
        remedy "curl http://127.0.0.1:8080/PATH   # each part a value that the route's pattern takes";
    MissingQueryField "HTTP-INPUT-005" BAD_REQUEST
        "a query field is missing"
        expected "the query fields that this route documents"
        section "RFC 9110 15.5.1"
        remedy "curl 'http://127.0.0.1:8080/PATH?NAME=VALUE'   # as this route documents";
    InvalidQueryField "HTTP-INPUT-006" BAD_REQUEST
        "a query field has a wrong value"
        expected "a value of the kind that this route documents"
        section "RFC 9110 15.5.1"
        remedy "curl 'http://127.0.0.1:8080/PATH?NAME=VALUE'   # as this route documents";
    MissingFormField "HTTP-INPUT-007" UNPROCESSABLE_CONTENT
        "a form field is missing"
        expected "the form fields that this route documents"
        section "RFC 9110 15.5.21"
        remedy "curl -d 'name=ada' http://127.0.0.1:8080/anything";
    InvalidFormField "HTTP-INPUT-008" UNPROCESSABLE_CONTENT
        "a form field has a wrong value"
        expected "a value of the kind that this route documents"
        section "RFC 9110 15.5.21"
        remedy "curl -d 'name=ada' http://127.0.0.1:8080/anything";
    InvalidText "HTTP-INPUT-009" BAD_REQUEST
        "the content is no UTF-8 text"
        expected "text in UTF-8"
        section "RFC 3629 4"
        remedy "iconv -t UTF-8 file | curl --data-binary @- http://127.0.0.1:8080/echo";

    // What went wrong on our side, or is refused to protect it.
    HandlerPanicked "HTTP-SERVER-001" INTERNAL_SERVER_ERROR
        "the handler panicked"
        expected "nothing else from you: the fault is ours and was logged"
        section "RFC 9110 15.6.1"
        remedy "curl -i http://127.0.0.1:8080/   # X-Request-Id names the log line";
    HandlerTimedOut "HTTP-SERVER-002" SERVICE_UNAVAILABLE
        "the handler did not answer in time"
        expected "the same request, later"
        section "RFC 9110 15.6.4"
        remedy "curl --retry 3 http://127.0.0.1:8080/";
    TooManyConnections "HTTP-SERVER-003" SERVICE_UNAVAILABLE
        "too many connections are open"
        expected "fewer connections, or the same request after Retry-After seconds"
        section "RFC 9110 15.6.4"
        remedy "curl --retry 3 http://127.0.0.1:8080/";
    RateLimited "HTTP-SERVER-004" TOO_MANY_REQUESTS
        "too many requests came from this address"
        expected "a pause of Retry-After seconds"
        section "RFC 6585 4"
        remedy "curl --retry 3 http://127.0.0.1:8080/";
    Draining "HTTP-SERVER-005" SERVICE_UNAVAILABLE
        "the server is shutting down"
        expected "the same request on a new connection"
        section "RFC 9110 15.6.4"
        remedy "curl --retry 3 --retry-connrefused http://127.0.0.1:8080/";
    ContentStreamFailed "HTTP-SERVER-006" INTERNAL_SERVER_ERROR
        "the content of the answer could not be produced"
        expected "nothing else from you: the fault is ours and was logged"
        section "RFC 9110 15.6.1"
        remedy "curl -i http://127.0.0.1:8080/   # X-Request-Id names the log line";
    HandlerFailed "HTTP-SERVER-007" INTERNAL_SERVER_ERROR
        "the handler failed"
        expected "nothing else from you: the fault is ours and was logged"
        section "RFC 9110 15.6.1"
        remedy "curl -i http://127.0.0.1:8080/   # X-Request-Id names the log line";
    TooManyAddresses "HTTP-SERVER-008" SERVICE_UNAVAILABLE
        "more addresses ask than can be counted"
        expected "the same request after Retry-After seconds"
        section "RFC 9110 15.6.4"
        remedy "curl --retry 3 http://127.0.0.1:8080/";
}
