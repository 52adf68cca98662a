//! Owns content that is made while it is sent.
//!
//! The one idea: what can be computed from its offset needs no memory. The bytes are a static block, sent again and again,
//! and its length is a multiple of a prime, so that a lost or doubled piece shows at its first byte.
//!
//! ```text
//!   byte at offset i = i mod 251        00 01 02 … f9 fa 00 01 …
//! ```
//!
//! Never: allocates for content.

use std::pin::Pin;
use std::task::{Context, Poll};

use bytes::Bytes;

use crate::http::body::Source;
use crate::http::field::name;
use crate::http::{Body, BodyError, Fields, Rejection, Request, Response, Status};

use super::{BIG_BYTES, BYTES_MAX, LINES_MAX, path_number};

/// After so many bytes the pattern begins again. No power of two is a multiple of it.
pub(super) const PERIOD: usize = 251;

static BLOCK: [u8; PERIOD * 256] = block();

const fn block() -> [u8; PERIOD * 256] {
    let mut block = [0; PERIOD * 256];
    let mut at = 0;
    while at < block.len() {
        block[at] = (at % PERIOD) as u8;
        at += 1;
    }
    block
}

/// `GET /bytes/{n}`
pub(super) async fn bytes(request: Request) -> Result<Response, Rejection> {
    Ok(pattern(path_number(&request, "n", BYTES_MAX)?))
}

/// `GET /big`
pub(super) async fn big(_: Request) -> Response {
    pattern(BIG_BYTES)
}

fn pattern(length: u64) -> Response {
    let body = match length <= BLOCK.len() as u64 {
        true => Body::from(Bytes::from_static(&BLOCK[..length as usize])),
        false => Body::source(Pattern { left: length }),
    };
    Response::new(Status::OK).with_content("application/octet-stream", body)
}

/// The pattern, a block at a time.
struct Pattern {
    left: u64,
}

impl Source for Pattern {
    fn poll_next(mut self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<Option<Result<Bytes, BodyError>>> {
        let count = self.left.min(BLOCK.len() as u64);
        self.left -= count;
        Poll::Ready((count > 0).then(|| Ok(Bytes::from_static(&BLOCK[..count as usize]))))
    }

    fn length(&self) -> Option<u64> {
        Some(self.left)
    }
}

/// `GET /stream/{n}`: n lines of JSON, each a chunk.
pub(super) async fn stream(request: Request) -> Result<Response, Rejection> {
    let of = path_number(&request, "n", LINES_MAX)?;
    Ok(Response::new(Status::OK).with_content("application/x-ndjson", Body::source(Lines { line: 0, of })))
}

struct Lines {
    line: u64,
    of: u64,
}

impl Source for Lines {
    fn poll_next(mut self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<Option<Result<Bytes, BodyError>>> {
        if self.line == self.of {
            return Poll::Ready(None);
        }
        self.line += 1;
        Poll::Ready(Some(Ok(format!("{{\"line\":{},\"of\":{}}}\n", self.line, self.of).into())))
    }
}

const VERSE: &[u8] = b"the sum comes last\n";

/// `GET /trailers`: chunked content, and a trailer field that counts it (RFC 9110 6.5).
pub(super) async fn trailers(_: Request) -> Response {
    let counted = Counted { piece: Some(Bytes::from_static(VERSE)) };
    Response::text(Body::source(counted)).with(name::TRAILER, "X-Bytes")
}

struct Counted {
    piece: Option<Bytes>,
}

impl Source for Counted {
    fn poll_next(mut self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<Option<Result<Bytes, BodyError>>> {
        Poll::Ready(self.piece.take().map(Ok))
    }

    fn trailers(self: Pin<&mut Self>) -> Option<Fields> {
        let mut trailers = Fields::new();
        trailers.append_escaped("X-Bytes", VERSE.len().to_string());
        Some(trailers)
    }
}
