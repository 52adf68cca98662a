//! Owns the rows on methods: which are served, and what is said to the others.
//!
//! The one idea: a probe may meet a server with something to lose. So nothing is deleted or replaced: such methods ask
//! for what is not there.
//!
//! Spec: RFC 9110 7.6.2, 9.1, 9.3, 10.2.1, 14.5, 15.5.6, 15.6.2.
//! Never: code beside the rows.

use crate::conformance::Requirement;
use crate::conformance::requirement::Step::{Send, SendHead};
use crate::conformance::requirement::{choice, must, should};
use crate::conformance::seen::ensure;

use super::shape::get;

pub(super) const ROWS: &[Requirement] = &[
    must("method/get", "RFC 9110 9.1", "GET is supported")
        .decided("200")
        .probe(&[Send(get!("Connection: close"))], |seen| seen.served()),
    must("method/head", "RFC 9110 9.1", "HEAD is supported wherever GET is")
        .decided("200")
        .probe(&[SendHead("HEAD {get} HTTP/1.1\r\nHost: {host}\r\nConnection: close\r\n\r\n")], |seen| seen.served()),
    should("method/unknown", "RFC 9110 9.1", "a method that is not known is answered with 501")
        .decided("501 HTTP-ROUTE-003")
        .probe(&[Send("BREW {get} HTTP/1.1\r\nHost: {host}\r\nConnection: close\r\n\r\n")], |seen| {
            seen.refused(&[501])
        }),
    should("method/case", "RFC 9110 9.1", "methods are case-sensitive: get is one that is not known")
        .decided("501 HTTP-ROUTE-003")
        .probe(&[Send("get {get} HTTP/1.1\r\nHost: {host}\r\nConnection: close\r\n\r\n")], |seen| seen.refused(&[501])),
    should("method/not-allowed", "RFC 9110 9.1", "a method that is known, but not allowed here, is answered with 405")
        .decided("405 HTTP-ROUTE-002")
        .probe(&[Send(POST)], |seen| {
            // GET finds something there: 404 blames the method. What other refusals blame is not known.
            let status = seen.only()?.status;
            ensure(status >= 200 && status != 404, || format!("{status}, not 405"))
        }),
    must("method/allow", "RFC 9110 15.5.6", "a 405 lists in Allow what is allowed")
        .decided("405 HTTP-ROUTE-002")
        .probe(&[Send(POST)], |seen| {
            let answer = seen.only()?;
            if answer.status == 405 { answer.allows() } else { Ok(()) }
        }),
    // OPTIONS.
    should("method/options", "RFC 9110 9.3.7", "a successful answer to OPTIONS says what is supported, as by Allow")
        .decided("204")
        .probe(&[Send("OPTIONS {get} HTTP/1.1\r\nHost: {host}\r\nConnection: close\r\n\r\n")], |seen| {
            let answer = seen.only()?;
            if answer.status < 300 { answer.allows() } else { Ok(()) }
        }),
    choice("method/options-asterisk", "RFC 9110 9.3.7", "OPTIONS * asks for the server as a whole: a ping")
        .decided("204")
        .probe(&[Send("OPTIONS * HTTP/1.1\r\nHost: {host}\r\nConnection: close\r\n\r\n")], |seen| {
            seen.refused(&[200, 204])
        }),
    choice("method/max-forwards", "RFC 9110 7.6.2", "Max-Forwards: 0 makes whoever gets it the last recipient")
        .decided("204")
        .probe(
            &[Send("OPTIONS {get} HTTP/1.1\r\nHost: {host}\r\nMax-Forwards: 0\r\nConnection: close\r\n\r\n")],
            |seen| seen.refused(&[200, 204]),
        ),
    // TRACE and CONNECT.
    should("method/trace-secrets", "RFC 9110 9.3.8", "an answer to TRACE leaves out what is likely to be secret")
        .decided("405 HTTP-ROUTE-002")
        .probe(
            &[Send(concat!(
                "TRACE {get} HTTP/1.1\r\nHost: {host}\r\nConnection: close\r\n",
                "Cookie: sid=a-secret\r\nAuthorization: Basic YS1zZWNyZXQ6\r\n\r\n",
            ))],
            |seen| {
                let content = String::from_utf8_lossy(&seen.only()?.content);
                let is_kept = !content.contains("a-secret") && !content.contains("YS1zZWNyZXQ6");
                ensure(is_kept, || "the secrets stand in the content".to_owned())
            },
        ),
    choice("method/trace", "RFC 9110 9.3.8", "TRACE may be left unsupported")
        .decided("405 HTTP-ROUTE-002")
        .probe(&[Send("TRACE {get} HTTP/1.1\r\nHost: {host}\r\nConnection: close\r\n\r\n")], |seen| {
            seen.refused(&[405, 501])
        }),
    choice("method/trace-content", "RFC 9110 9.3.8", "a client must not send content with TRACE; it may be refused")
        .decided("400 H1-FRAME-011")
        .probe(&[Send("TRACE {get} HTTP/1.1\r\nHost: {host}\r\nContent-Length: 5\r\n\r\nhello"), Send(NEXT)], |seen| {
            seen.refused(&[400, 405, 501])
        }),
    must("method/connect-framing", "RFC 9110 9.3.6", "a 2xx to CONNECT declares no content")
        .decided("501 HTTP-ROUTE-003")
        .probe(&[Send(CONNECT)], |seen| {
            let Some(answer) = seen.finals().next() else { return Ok(()) };
            if answer.status < 300 {
                answer.lacks("Content-Length").and(answer.lacks("Transfer-Encoding"))
            } else {
                Ok(())
            }
        }),
    choice("method/connect", "RFC 9110 9.3.6", "an origin server need not build tunnels")
        .decided("501 HTTP-ROUTE-003")
        .probe(&[Send(CONNECT)], |seen| seen.refused(&[400, 403, 404, 405, 501])),
    choice("method/connect-content", "RFC 9110 9.3.6", "CONNECT has no content; what claims to be some may be refused")
        .decided("400 H1-FRAME-011")
        .probe(
            &[
                Send("CONNECT a.invalid:443 HTTP/1.1\r\nHost: a.invalid:443\r\nContent-Length: 5\r\n\r\nhello"),
                Send(NEXT),
            ],
            |seen| seen.refused(&[400, 405, 501]),
        ),
    // PUT.
    should("method/partial-put", "RFC 9110 14.5", "a PUT of a part is refused where parts cannot be put")
        .decided("404 HTTP-ROUTE-001")
        .probe(
            &[Send(concat!(
                "PUT /nothing/is/here HTTP/1.1\r\nHost: {host}\r\nConnection: close\r\n",
                "Content-Range: bytes 0-4/10\r\nContent-Length: 5\r\n\r\nhello",
            ))],
            |seen| {
                let status = seen.only()?.status;
                ensure(status >= 300, || format!("{status}, as if the part were the whole"))
            },
        ),
];

/// Asks a resource that is known for GET to process nothing.
const POST: &str = "POST {get} HTTP/1.1\r\nHost: {host}\r\nContent-Length: 0\r\nConnection: close\r\n\r\n";

/// Asks for a tunnel to where there is nothing (RFC 2606 2).
const CONNECT: &str = "CONNECT a.invalid:443 HTTP/1.1\r\nHost: a.invalid:443\r\nConnection: close\r\n\r\n";

/// A last request.
const NEXT: &str = get!("Connection: close");
