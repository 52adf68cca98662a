//! Owns the peer on hyper: its HTTP/1.1 connection, and the accept loop that hyper leaves to whoever uses it.
//!
//! hyper has no router either, so the target is compared by hand. Defaults but for two things: a timer, without which the
//! default deadline of a head would not count, and TCP_NODELAY, which every other peer sets by itself or is told to.
//!
//! With `--pipeline-flush` the answers to pipelined requests leave together. hyper calls that experimental, and with reason:
//! its answer to a malformed request is not sent while bytes behind it are unread. So it is a peer of its own.

use std::convert::Infallible;
use std::io;
use std::net::Ipv4Addr;
use std::pin::Pin;
use std::task::{Context, Poll};

use http_body_util::combinators::BoxBody;
use http_body_util::{BodyExt, Empty, Full};
use hyper::body::{Body, Bytes, Frame, Incoming, SizeHint};
use hyper::header::{ALLOW, CONTENT_TYPE, HeaderName, HeaderValue, SERVER};
use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper::{Method, Request, Response, StatusCode};
use hyper_util::rt::{TokioIo, TokioTimer};
use tokio::net::TcpListener;

type Content = BoxBody<Bytes, hyper::Error>;

#[tokio::main]
async fn main() -> io::Result<()> {
    let port =
        std::env::args().nth(1).and_then(|port| port.parse().ok()).expect("usage: hyper PORT [--pipeline-flush]");
    let pipeline_flush = std::env::args().nth(2).is_some_and(|flag| flag == "--pipeline-flush");
    let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, port)).await?;
    println!("listening on http://{}", listener.local_addr()?);
    loop {
        // Out of descriptors, or a peer that has left: the next one may do better.
        let Ok((stream, _)) = listener.accept().await else { continue };
        tokio::spawn(async move {
            let _ = stream.set_nodelay(true);
            let connection = http1::Builder::new()
                .timer(TokioTimer::new())
                .pipeline_flush(pipeline_flush)
                .serve_connection(TokioIo::new(stream), service_fn(answer));
            // What was wrong with a connection has been answered by hyper, and nobody else wants to know.
            let _ = connection.await;
        });
    }
}

async fn answer(request: Request<Incoming>) -> Result<Response<Content>, Infallible> {
    Ok(match (request.uri().path(), request.method()) {
        ("/" | "/plaintext", &Method::GET | &Method::HEAD) => {
            let content = Full::new(Bytes::from_static(b"Hello, World!"));
            with(CONTENT_TYPE, "text/plain", content.map_err(|never| match never {}).boxed())
        }
        ("/echo", &Method::POST) => with(CONTENT_TYPE, "application/octet-stream", request.into_body().boxed()),
        (path, &Method::GET) if path.starts_with("/bytes/") => match path["/bytes/".len()..].parse() {
            Ok(left) => with(CONTENT_TYPE, "application/octet-stream", Pattern { left }.boxed()),
            Err(_) => refuse(StatusCode::BAD_REQUEST, Response::new(nothing())),
        },
        ("/" | "/plaintext", _) => refuse(StatusCode::METHOD_NOT_ALLOWED, with(ALLOW, "GET, HEAD", nothing())),
        ("/echo", _) => refuse(StatusCode::METHOD_NOT_ALLOWED, with(ALLOW, "POST", nothing())),
        _ => refuse(StatusCode::NOT_FOUND, Response::new(nothing())),
    })
}

fn with(name: HeaderName, value: &'static str, content: Content) -> Response<Content> {
    let mut response = Response::new(content);
    response.headers_mut().insert(SERVER, HeaderValue::from_static("hyper"));
    response.headers_mut().insert(name, HeaderValue::from_static(value));
    response
}

fn refuse(status: StatusCode, mut response: Response<Content>) -> Response<Content> {
    *response.status_mut() = status;
    response
}

fn nothing() -> Content {
    Empty::new().map_err(|never| match never {}).boxed()
}

/// Content that is made as it is sent, a static block at a time, as firstbyte's.
struct Pattern {
    left: u64,
}

static BLOCK: [u8; 64_256] = [251; 64_256];

impl Body for Pattern {
    type Data = Bytes;
    type Error = hyper::Error;

    fn poll_frame(mut self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<Option<Result<Frame<Bytes>, hyper::Error>>> {
        let count = self.left.min(BLOCK.len() as u64);
        self.left -= count;
        Poll::Ready((count > 0).then(|| Ok(Frame::data(Bytes::from_static(&BLOCK[..count as usize])))))
    }

    fn size_hint(&self) -> SizeHint {
        SizeHint::with_exact(self.left)
    }
}
