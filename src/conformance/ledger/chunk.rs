//! Owns the rows on chunked content: its sizes, extensions, ends and trailers.
//!
//! The one idea: what the grammar allows is read, whoever needs it; everything else may end the connection, since
//! nobody can say where the next request begins.
//!
//! Spec: RFC 9112 7.1 to 7.1.3, 8; RFC 9110 5.6.3, 6.5.1.
//! Never: code beside the rows.

use crate::conformance::Requirement;
use crate::conformance::requirement::Step::{Fill, Finish, Send};
use crate::conformance::requirement::{choice, must, should};

use super::shape::{chunks, echo, get, hiding_chunks};

pub(super) const ROWS: &[Requirement] = &[
    // What must be read.
    must("chunk/several", "RFC 9112 7.1", "the content is the data of all chunks, in order")
        .decided("200")
        .probe(chunks!("5\r\nhello\r\n1\r\n \r\n5\r\nworld\r\n0\r\n\r\n"), |seen| seen.unchunked(b"hello world")),
    must("chunk/none", "RFC 9112 7.1", "the last chunk may be the only one: the content is empty")
        .decided("200")
        .probe(chunks!("0\r\n\r\n"), |seen| seen.unchunked(b"")),
    must("chunk/next-request", "RFC 9112 7.1", "the next request begins behind the empty line that ends the chunks")
        .decided("200")
        .probe(
            &[
                Send(echo!("Transfer-Encoding: chunked"; "5\r\nhello\r\n0\r\n\r\n")),
                Send(echo!("Content-Length: 5", "Connection: close"; "world")),
            ],
            |seen| {
                let answers = seen.up_to(2)?;
                // RFC 9112 6.3: a server may want to know the length beforehand.
                if answers[0].status == 411 {
                    return Ok(());
                }
                let expected = [&b"hello"[..], b"world"];
                answers.into_iter().zip(expected).try_for_each(|(answer, expected)| answer.says(expected))
            },
        ),
    must("chunk/hex", "RFC 9112 7.1", "a size is hex, in capitals or not")
        .decided("200")
        .probe(chunks!("a\r\n0123456789\r\nA\r\n0123456789\r\n0\r\n\r\n"), |seen| {
            seen.unchunked(b"01234567890123456789")
        }),
    must("chunk/leading-zeros", "RFC 9112 7.1", "a size has as many digits as it likes, and so has the last one")
        .decided("200")
        .probe(chunks!("000005\r\nhello\r\n0000\r\n\r\n"), |seen| seen.unchunked(b"hello")),
    must("chunk/data-is-opaque", "RFC 9112 7.1", "data that looks like chunks is data")
        .decided("200")
        .probe(chunks!("9\r\n\r\n0\r\n\r\n\r\n\r\n0\r\n\r\n"), |seen| seen.unchunked(b"\r\n0\r\n\r\n\r\n")),
    must("chunk/extension", "RFC 9112 7.1.1", "an extension that is not known is ignored")
        .decided("200")
        .probe(chunks!("5;name\r\nhello\r\n0;name=value;other\r\n\r\n"), |seen| seen.unchunked(b"hello")),
    must("chunk/extension-quoted", "RFC 9112 7.1.1", "an extension with a quoted value is ignored up to its quote")
        .decided("200")
        .probe(chunks!("5;a=\"b;c \\\" d\"\r\nhello\r\n0\r\n\r\n"), |seen| seen.unchunked(b"hello")),
    must("chunk/trailers", "RFC 9112 7.1.2", "trailer fields may follow the last chunk, and are no content")
        .decided("200")
        .probe(
            &[
                Send(echo!("Transfer-Encoding: chunked", "Trailer: Sum"; "5\r\nhello\r\n0\r\nSum: 1\r\nNote:\r\n\r\n")),
                Send(get!("Connection: close")),
            ],
            |seen| {
                let first = seen.up_to(2)?[0];
                if first.status == 411 { Ok(()) } else { first.says(b"hello") }
            },
        ),
    must("chunk/trailers-not-merged", "RFC 9110 6.5.1", "a trailer field is no header field: it changes no framing")
        .decided("400 H1-CHUNK-010")
        .probe(
            &[
                Send(echo!("Transfer-Encoding: chunked"; "0\r\nContent-Length: 100\r\n\r\n")),
                Send(get!("Connection: close")),
            ],
            |seen| seen.up_to(2).map(drop).or_else(|_| seen.gave_up()),
        ),
    choice("chunk/trailer-forbidden", "RFC 9110 6.5.1", "a trailer field that belongs into the head may be discarded")
        .decided("400 H1-CHUNK-010: the sender broke a rule, and another reader may have merged it")
        .probe(hiding_chunks!("0\r\nContent-Length: 5\r\n\r\n"), |seen| seen.refused(&[400])),
    choice("chunk/trailer-malformed", "RFC 9112 7.1.2", "trailers are field lines; anything else may be refused")
        .decided("400 H1-HEAD-006")
        .probe(hiding_chunks!("0\r\nwhat is this\r\n\r\n"), |seen| seen.refused(&[400])),
    choice("chunk/trailers-too-large", "RFC 6585 5", "trailers without end may be refused with 431")
        .decided("431 H1-CHUNK-009")
        .probe(
            &[Send(echo!("Transfer-Encoding: chunked"; "0\r\nFill: ")), Fill("0123456789", 10_000), Send("\r\n\r\n")],
            |seen| seen.refused(&[400, 413, 431]),
        ),
    // Sizes.
    must("chunk/size-wraps-64", "RFC 9112 7.1", "a size past 64 bits does not wrap around")
        .decided("400 H1-CHUNK-002")
        .probe(hiding_chunks!("10000000000000005\r\nhello\r\n0\r\n\r\n"), |seen| seen.gave_up()),
    must("chunk/size-wraps-32", "RFC 9112 7.1", "a size past 32 bits does not wrap around")
        .decided("400 H1-CONTENT-002, or the answer that has begun breaks off")
        .probe(
            &[Send(echo!("Transfer-Encoding: chunked"; "100000005\r\nhello\r\n0\r\n\r\n")), Send(get!()), Finish],
            |seen| seen.gave_up(),
        ),
    choice("chunk/size-missing", "RFC 9112 7.1", "a chunk without a size may be refused")
        .decided("400 H1-CHUNK-001")
        .probe(hiding_chunks!(";a\r\nhello\r\n0\r\n\r\n"), |seen| seen.refused(&[400])),
    choice("chunk/size-prefix", "RFC 9112 7.1", "a size with 0x before it may be refused: some read 0, the end")
        .decided("400 H1-CHUNK-001")
        .probe(hiding_chunks!("0x5\r\nhello\r\n0\r\n\r\n"), |seen| seen.refused(&[400])),
    choice("chunk/size-sign", "RFC 9112 7.1", "a size with a sign may be refused")
        .decided("400 H1-CHUNK-001")
        .probe(hiding_chunks!("+5\r\nhello\r\n0\r\n\r\n"), |seen| seen.refused(&[400])),
    choice("chunk/size-negative", "RFC 9112 7.1", "a negative size may be refused")
        .decided("400 H1-CHUNK-001")
        .probe(hiding_chunks!("-1\r\nhello\r\n0\r\n\r\n"), |seen| seen.refused(&[400])),
    choice("chunk/size-underscore", "RFC 9112 7.1", "a size with an underscore, which some skip, may be refused")
        .decided("400 H1-CHUNK-001")
        .probe(hiding_chunks!("0_5\r\nhello\r\n0\r\n\r\n"), |seen| seen.refused(&[400])),
    choice("chunk/size-junk", "RFC 9112 7.1", "letters behind a size may be refused")
        .decided("400 H1-CHUNK-001")
        .probe(hiding_chunks!("5g\r\nhello\r\n0\r\n\r\n"), |seen| seen.refused(&[400])),
    choice("chunk/space-before-size", "RFC 9112 7.1", "a space before a size may be refused")
        .decided("400 H1-CHUNK-005")
        .probe(hiding_chunks!(" 5\r\nhello\r\n0\r\n\r\n"), |seen| seen.refused(&[400])),
    choice("chunk/space-behind-size", "RFC 9112 7.1", "a space between a size and its line end may be refused")
        .decided("400 H1-CHUNK-005")
        .probe(hiding_chunks!("5 \r\nhello\r\n0\r\n\r\n"), |seen| seen.refused(&[400])),
    // Extensions.
    must("chunk/bad-white-space", "RFC 9112 9.3, 11.2", "behind bad white space in a chunk line no request hides")
        .decided("400 H1-CHUNK-005")
        .probe(hiding_chunks!("5 ; a = b\r\nhello\r\n0\r\n\r\n"), |seen| seen.hid_nothing_behind(b"hello")),
    must(
        "chunk/bad-white-space-removed",
        "RFC 9110 5.6.3",
        "bad white space in a chunk line is removed, and it is read",
    )
    .decided("400 H1-CHUNK-005: nobody sends it, and readers that differ were smuggled through")
    .departs("what_is_no_chunk_is_refused"),
    choice("chunk/extension-nameless", "RFC 9112 7.1.1", "an extension without a name may be refused")
        .decided("400 H1-CHUNK-006")
        .probe(hiding_chunks!("5;=a\r\nhello\r\n0\r\n\r\n"), |seen| seen.refused(&[400])),
    choice("chunk/extension-open-quote", "RFC 9112 7.1.1", "an extension whose quote is not closed may be refused")
        .decided("400 H1-CHUNK-006")
        .probe(hiding_chunks!("5;a=\"b\r\nhello\r\n0\r\n\r\n"), |seen| seen.refused(&[400])),
    choice("chunk/extension-control", "RFC 9112 7.1.1", "an extension with a control byte may be refused")
        .decided("400 H1-CHUNK-006")
        .probe(hiding_chunks!("5;a=\x01\r\nhello\r\n0\r\n\r\n"), |seen| seen.refused(&[400])),
    should("chunk/extensions-too-long", "RFC 9112 7.1.1", "extensions have a limit, and 4xx is the answer beyond it")
        .decided("400 H1-CHUNK-004")
        .probe(
            &[
                Send(echo!("Transfer-Encoding: chunked"; "5;a=")),
                Fill("0123456789abcdef", 8_192),
                Send("\r\nhello\r\n0\r\n\r\n"),
            ],
            |seen| seen.refused(&[400, 413, 431]),
        ),
    // Line ends.
    choice("chunk/bare-lf", "RFC 9112 7.1", "a bare LF behind a size may be refused")
        .decided("400 H1-CHUNK-003")
        .probe(hiding_chunks!("5\nhello\r\n0\r\n\r\n"), |seen| seen.refused(&[400])),
    choice("chunk/bare-lf-in-extension", "RFC 9112 7.1.1", "a bare LF in an extension may be refused")
        .decided("400 H1-CHUNK-003")
        .probe(hiding_chunks!("5;a\nhello\r\n0\r\n\r\n"), |seen| seen.refused(&[400])),
    choice("chunk/bare-lf-behind-data", "RFC 9112 7.1", "a bare LF behind data may be refused")
        .decided("400 H1-CHUNK-008, or the answer that has begun breaks off")
        .probe(hiding_chunks!("5\r\nhello\n0\r\n\r\n"), |seen| seen.gave_up()),
    choice("chunk/bare-lf-at-end", "RFC 9112 7.1", "a bare LF behind the last chunk may be refused")
        .decided("400 H1-CHUNK-003, or the answer that has begun breaks off")
        .probe(hiding_chunks!("5\r\nhello\r\n0\n\n"), |seen| seen.gave_up()),
    choice("chunk/bare-cr", "RFC 9112 7.1", "a bare CR behind a size may be refused")
        .decided("400 H1-CHUNK-003")
        .probe(hiding_chunks!("5\rhello\r\n0\r\n\r\n"), |seen| seen.refused(&[400])),
    choice("chunk/data-too-long", "RFC 9112 7.1", "data that is longer than its size may be refused")
        .decided("400 H1-CHUNK-008, or the answer that has begun breaks off")
        .probe(hiding_chunks!("5\r\nhello world\r\n0\r\n\r\n"), |seen| seen.gave_up()),
    choice("chunk/data-unended", "RFC 9112 7.1", "data without a line end behind it may be refused")
        .decided("400 H1-CHUNK-008, or the answer that has begun breaks off")
        .probe(hiding_chunks!("5\r\nhello0\r\n\r\n"), |seen| seen.gave_up()),
    // Ends.
    must(
        "chunk/incomplete-data",
        "RFC 9110 2.4, RFC 9112 8",
        "data that ends with the connection is no complete content",
    )
    .decided("400 H1-CONTENT-002, or the answer that has begun breaks off")
    .probe(&[Send(echo!("Transfer-Encoding: chunked"; "a\r\nhello")), Finish], |seen| seen.gave_up()),
    must(
        "chunk/incomplete-without-last",
        "RFC 9110 2.4, RFC 9112 8",
        "chunks that merely stop are no complete content",
    )
    .decided("400 H1-CONTENT-002, or the answer that has begun breaks off")
    .probe(&[Send(echo!("Transfer-Encoding: chunked"; "5\r\nhello\r\n")), Finish], |seen| seen.gave_up()),
    choice("chunk/incomplete-last", "RFC 9112 7.1, 8", "without its empty line the last chunk may end nothing, or all")
        .decided("400 H1-CONTENT-002, or the answer that has begun breaks off")
        .probe(&[Send(echo!("Transfer-Encoding: chunked"; "5\r\nhello\r\n0\r\n")), Finish], |seen| seen.gave_up()),
];
