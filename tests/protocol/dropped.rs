//! The driver's future dropped after any number of polls: nothing stays behind.

use std::future::Future;
use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering::Relaxed};
use std::task::{Context, Poll};
use std::time::Duration;

use firstbyte::http::test::TestServer;
use firstbyte::http::{Body, Handler, Request, Response, Server};
use firstbyte::net::memory::{MemoryStream, duplex};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::time::sleep;

use crate::stage::{routes, wire};

/// A future that is over after so many polls, whatever it was at.
pub struct Cut<F> {
    pub inner: Option<Pin<Box<F>>>,
    pub polls_left: usize,
}

impl<F: Future> Future for Cut<F> {
    type Output = bool;

    /// Whether the inner future has come to its end.
    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<bool> {
        if self.polls_left == 0 {
            self.inner = None;
            return Poll::Ready(false);
        }
        self.polls_left -= 1;
        let inner = self.inner.as_mut().expect("it is not polled after its end");
        inner.as_mut().poll(cx).map(|_| true)
    }
}

/// Counts handlers that are at work.
struct AtWork {
    routes: firstbyte::http::router::Routes,
    count: Arc<AtomicUsize>,
}

struct Leaving(Arc<AtomicUsize>);

impl Drop for Leaving {
    fn drop(&mut self) {
        self.0.fetch_sub(1, Relaxed);
    }
}

impl Handler for AtWork {
    async fn handle(&self, request: Request) -> Response {
        self.count.fetch_add(1, Relaxed);
        let _leaving = Leaving(Arc::clone(&self.count));
        let watched = request.context().clone();
        let count = Arc::clone(&self.count);
        count.fetch_add(1, Relaxed);
        tokio::spawn(async move {
            watched.cancelled().await;
            count.fetch_sub(1, Relaxed);
        });
        self.routes.handle(request).await
    }
}

/// Goes through all that a connection can be at, in pieces.
async fn client(mut stream: MemoryStream) {
    let mut room = vec![0; 10_000];
    for (sent, reads) in [
        ("GET /hello HTTP/1.1|Ho", false),
        ("st: x||GET /slow HTTP/1.1|Host: x||GET /stream HTTP/1.1|Host: x||", true),
        ("POST /echo HTTP/1.1|Host: x|Expect: 100-continue|Transfer-Encoding: chunked||", true),
        ("3|abc|", true),
        ("0||POST /first HTTP/1.1|Host: x|Content-Length: 6||one", true),
        ("two", false),
        ("POST /ignore HTTP/1.1|Host: x|Content-Length: 6||one", true),
        ("two", false),
        ("POST /keep HTTP/1.1|Host: x|Content-Length: 6||one", true),
        ("two", false),
        ("GET /bytes/100000 HTTP/1.1|Host: x||", true),
        ("GET /slow HTTP/1.1|Host: x|Connection: close||", true),
        ("more than was asked for", false),
    ] {
        if stream.write_all(wire(sent).as_bytes()).await.is_err() {
            return;
        }
        sleep(Duration::from_millis(10)).await;
        if reads && !matches!(stream.read(&mut room).await, Ok(1..)) {
            return;
        }
    }
    let _ = stream.shutdown().await;
    while matches!(stream.read(&mut room).await, Ok(1..)) {}
}

#[tokio::test(start_paused = true)]
async fn a_driver_may_be_dropped_at_every_await() {
    let count = Arc::new(AtomicUsize::new(0));
    let server = TestServer::new(Server::new(AtWork { routes: routes(), count: Arc::clone(&count) }));
    let mut ended = false;
    for polls_left in 0..200 {
        let (mine, theirs) = duplex(4096);
        let inner = Box::pin(server.drive(([127, 0, 0, 1], 1).into(), theirs));
        let driver = tokio::spawn(Cut { inner: Some(inner), polls_left });
        let client = tokio::spawn(client(mine));
        // It may be waiting for a wake-up that never comes when the client has nothing more to say.
        if let Ok(done) = tokio::time::timeout(Duration::from_secs(200), driver).await {
            ended = done.expect("no panic");
        }
        client.await.unwrap();
        sleep(Duration::from_secs(1)).await;
        assert_eq!(server.watched().registry.len(), 0, "after {polls_left} polls");
        assert_eq!(count.load(Relaxed), 0, "after {polls_left} polls");
        if ended {
            assert!(polls_left > 20, "{polls_left}");
            return;
        }
    }
    panic!("the script does not come to its end");
}

#[tokio::test(start_paused = true)]
async fn a_body_that_outlives_its_driver_ends() {
    let server = TestServer::new(Server::new(|request: Request| async {
        tokio::spawn(async move {
            let mut content: Body = request.into_content();
            while let Some(Ok(_)) = content.next().await {}
        });
        std::future::pending::<Response>().await
    }));
    let (mut mine, theirs) = duplex(4096);
    let driver = tokio::spawn(server.drive(([127, 0, 0, 1], 1).into(), theirs));
    mine.write_all(wire("POST / HTTP/1.1|Host: x|Content-Length: 10||one").as_bytes()).await.unwrap();
    sleep(Duration::from_secs(1)).await;
    driver.abort();
    let mut rest = Vec::new();
    mine.read_to_end(&mut rest).await.unwrap();
    assert!(rest.is_empty() && server.watched().registry.is_empty());
    // The receiving half is held by the body until the rate has run out: then the kernel would refuse more.
    mine.write_all(b"x").await.unwrap();
    sleep(Duration::from_secs(11)).await;
    let _ = mine.write_all(b"x").await;
    assert!(mine.write_all(b"x").await.is_err());
}
