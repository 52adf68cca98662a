//! Owns the peer of the whole server: hyper's HTTP/1.1 server, fed from the same tape.
//!
//! Equal work, as near as it gets: one connection, the same bytes, the same answers but for the fields that each server
//! adds. hyper has no router: here the target is compared by hand, in the order of the table. Ours looks up a table,
//! keeps deadlines and counts what an operator wants to see; hyper is given no timer.

use std::convert::Infallible;
use std::io::{self, IoSlice};
use std::pin::Pin;
use std::task::{Context, Poll};

use bytes::Bytes;
use http_body_util::{BodyExt, Full};
use hyper::body::Incoming;
use hyper::header::{CONTENT_TYPE, HeaderValue};
use hyper::rt::{Read, ReadBufCursor, Write};
use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper::{Method, Request, Response, StatusCode};
use tokio::runtime::Runtime;

use crate::wire::{JSON_MESSAGE, TapeReader, TapeWriter, Traffic, runtime, tape};

/// A hyper server that is fed from a tape.
pub struct HyperTape {
    runtime: Runtime,
    traffic: Traffic,
}

impl HyperTape {
    /// A server for `traffic`, whose answers to one batch are checked.
    ///
    /// # Panics
    /// When they are wrong.
    pub fn new(traffic: Traffic) -> HyperTape {
        let tape = HyperTape { runtime: runtime(), traffic };
        tape.serve(1);
        tape
    }

    /// Serves one connection on which the traffic's batch comes `batches` times. Returns the bytes of all answers.
    ///
    /// # Panics
    /// When an answer is missing, or the first ones are not right.
    pub fn serve(&self, batches: usize) -> usize {
        let (reader, writer) = tape(&self.traffic, batches);
        let sent = std::sync::Arc::clone(&writer.sent);
        let mut server = http1::Builder::new();
        let connection =
            server.pipeline_flush(true).half_close(true).serve_connection(Both(reader, writer), service_fn(answer));
        self.runtime.block_on(connection).expect("a connection without errors");
        sent.check(&self.traffic, batches)
    }
}

async fn answer(request: Request<Incoming>) -> Result<Response<Full<Bytes>>, Infallible> {
    let path = request.uri().path();
    Ok(match (request.method(), path) {
        (&Method::GET, "/plaintext") => text("text/plain; charset=utf-8", Bytes::from_static(b"Hello, World!")),
        (&Method::GET, "/json") => text("application/json", JSON_MESSAGE.to_json().into()),
        (&Method::GET, _) if path.starts_with("/users/") => {
            text("text/plain; charset=utf-8", Bytes::copy_from_slice(&path.as_bytes()[7..]))
        }
        (&Method::POST, "/echo") => {
            let content = request.into_body().collect().await.expect("content").to_bytes();
            text("application/octet-stream", content)
        }
        _ => {
            let mut response = Response::new(Full::default());
            *response.status_mut() = StatusCode::NOT_FOUND;
            response
        }
    })
}

fn text(content_type: &'static str, content: Bytes) -> Response<Full<Bytes>> {
    let mut response = Response::new(Full::new(content));
    response.headers_mut().insert(CONTENT_TYPE, HeaderValue::from_static(content_type));
    response
}

/// Both ends of a tape as hyper wants them.
struct Both(TapeReader, TapeWriter);

impl Read for Both {
    fn poll_read(mut self: Pin<&mut Self>, _: &mut Context<'_>, mut into: ReadBufCursor<'_>) -> Poll<io::Result<()>> {
        let mut room = [0; 8 * 1024];
        let most = room.len().min(into.remaining());
        let count = self.0.read(&mut room[..most]);
        into.put_slice(&room[..count]);
        Poll::Ready(Ok(()))
    }
}

impl Write for Both {
    fn poll_write(self: Pin<&mut Self>, cx: &mut Context<'_>, bytes: &[u8]) -> Poll<io::Result<usize>> {
        self.poll_write_vectored(cx, &[IoSlice::new(bytes)])
    }

    fn poll_write_vectored(
        self: Pin<&mut Self>,
        _: &mut Context<'_>,
        slices: &[IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        Poll::Ready(Ok(self.1.sent.take(slices)))
    }

    fn is_write_vectored(&self) -> bool {
        true
    }

    fn poll_flush(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<io::Result<()>> {
        Poll::Ready(Ok(()))
    }

    fn poll_shutdown(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<io::Result<()>> {
        Poll::Ready(Ok(()))
    }
}
