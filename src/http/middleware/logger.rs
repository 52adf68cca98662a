//! Owns the access log: one line for each request, written when it is known how it ended.
//!
//! The one idea: the line is a value that writes itself when it is dropped. Whatever happens to a request (an answer, a
//! stream that ends or breaks, a client that leaves), somebody drops the line, once.
//!
//! ```text
//!   handler answers, content is there      written at once, with its length
//!   handler answers with a stream          written when the stream ends, with the bytes taken from it
//!   stream fails, or nobody takes its end  the same, with end=failed or end=cut
//!   handler is dropped, client gone        written as 499
//!   handler is dropped at its deadline     written as 503, which is what the server sends
//! ```
//!
//! Level: 5xx is `ERROR`, and so is a stream that failed by our fault; everything else is `INFO`. A 4xx is the client's
//! fault: a scanner must not be able to wake anybody.
//! Target: `access`, so that `RUST_LOG=info,access=error` keeps the failures alone.
//!
//! Fields: `method`, `request_target`, `status`, `bytes` of content, `duration_us`, `client`, and where they are known
//! `request_id`, `route` (the pattern; that of the mount, when no answer told a nearer one), `end`. The status is the handler's: where a stream fails before its first piece, the
//! server may still send another one, and `end=failed` tells.
//!
//! Spec: RFC 9110 17.3 and CWE-117: what a peer chose is written in visible ASCII alone, so that no line can be forged and
//! no terminal be steered.
//! Never: writes a field of the request, which may be a secret; counts bytes of heads or framing.
//! Limits: [`LOGGED_BYTES_MAX`] bytes of the target are written.
//! Place: behind what names the request and its client, outside of everything that may answer.

use std::fmt;
use std::net::IpAddr;
use std::pin::Pin;
use std::task::{Context as TaskContext, Poll, ready};

use bytes::Bytes;
use tokio::time::Instant;

use crate::http::body::{BodyError, Source};
use crate::http::handler::Link;
use crate::http::middleware::Place;
use crate::http::middleware::request_id::RequestIdValue;
use crate::http::{Body, Fields, Handler, Method, Middleware, Request, Response, Status};
use crate::net::context::{Context, Reason};

/// Bytes of a request-target that are written.
pub const LOGGED_BYTES_MAX: usize = 1024;

/// Writes one line for each request to the `access` target of `tracing`.
#[derive(Clone, Copy, Debug, Default)]
pub struct Logger;

impl Middleware for Logger {
    async fn handle<N: Handler>(&self, request: Request, next: &N) -> Response {
        // No level is let through where errors are not: then nothing is prepared for a line that nobody would see.
        let listens = tracing::enabled!(target: "access", tracing::Level::ERROR);
        let line = listens.then(|| Line::begin(&request));
        let mut response = next.handle(request).await;
        let Some(mut line) = line else { return response };
        line.answered(&response);
        if line.method != Method::HEAD && !response.status().forbids_content() {
            let body = std::mem::take(response.body_mut());
            *response.body_mut() = line.follow(body);
        }
        response
    }

    fn link(&self) -> Link {
        Link { name: "logger", place: Some(Place::Logger) }
    }
}

/// What is known of one request. Written when dropped.
struct Line {
    method: Method,
    target: String,
    client: IpAddr,
    id: Option<RequestIdValue>,
    context: Context,
    start: Instant,
    status: Option<Status>,
    route: Option<&'static str>,
    bytes: u64,
    end: End,
}

/// How the content of the answer ended.
#[derive(Clone, Copy, PartialEq, Eq)]
enum End {
    Whole,
    /// With the status that describes the failure.
    Failed(Status),
    Cut,
}

impl Line {
    fn begin(request: &Request) -> Line {
        Line {
            method: request.method(),
            target: visible(request.target()),
            client: request.client(),
            id: request.value().copied(),
            context: request.context().clone(),
            start: Instant::now(),
            status: None,
            route: request.pattern(),
            bytes: 0,
            end: End::Whole,
        }
    }

    fn answered(&mut self, response: &Response) {
        self.status = Some(response.status());
        self.route = response.pattern().or(self.route);
    }

    /// Writes the line at the end of `body`: now, when all of it is there.
    fn follow(mut self, body: Body) -> Body {
        if body.is_ready() {
            self.bytes = body.length().unwrap_or_default();
            return body;
        }
        self.end = End::Cut;
        Body::source(Followed { body, line: Some(self) })
    }

    /// What becomes of a request whose handler is dropped before it has answered.
    fn unanswered(&self) -> Status {
        if std::thread::panicking() {
            return Status::INTERNAL_SERVER_ERROR;
        }
        match self.context.reason() {
            Some(Reason::DeadlineExceeded | Reason::Shutdown) => Status::SERVICE_UNAVAILABLE,
            Some(Reason::PeerGone | Reason::Caller) | None => Status::CLIENT_CLOSED_REQUEST,
        }
    }
}

impl Drop for Line {
    fn drop(&mut self) {
        let status = self.status.unwrap_or_else(|| self.unanswered());
        let end = match self.end {
            End::Whole => None,
            End::Failed(_) => Some("failed"),
            End::Cut => Some("cut"),
        };
        macro_rules! write_line {
            ($level:ident) => {
                tracing::$level!(
                    target: "access",
                    method = %self.method,
                    request_target = %self.target,
                    status = status.code(),
                    bytes = self.bytes,
                    duration_us = self.start.elapsed().as_micros() as u64,
                    client = %self.client,
                    request_id = self.id.as_ref().map(RequestIdValue::as_str),
                    route = self.route,
                    end,
                )
            };
        }
        let worst = if let End::Failed(failure) = self.end { failure.max(status) } else { status };
        if worst.code() >= 500 { write_line!(error) } else { write_line!(info) }
    }
}

/// A stream that is counted.
struct Followed {
    body: Body,
    line: Option<Line>,
}

impl Source for Followed {
    fn poll_next(mut self: Pin<&mut Self>, cx: &mut TaskContext<'_>) -> Poll<Option<Result<Bytes, BodyError>>> {
        let piece = ready!(self.body.poll_next(cx));
        if let Some(line) = &mut self.line {
            match &piece {
                Some(Ok(bytes)) => line.bytes += bytes.len() as u64,
                Some(Err(error)) => line.end = End::Failed(error.fault().status()),
                None => line.end = End::Whole,
            }
        }
        if !matches!(piece, Some(Ok(_))) {
            self.line = None;
        }
        Poll::Ready(piece)
    }

    fn length(&self) -> Option<u64> {
        self.body.length()
    }

    fn trailers(mut self: Pin<&mut Self>) -> Option<Fields> {
        self.body.trailers()
    }
}

/// `target` as it is written. Nearly every one is written as it came.
fn visible(target: &str) -> String {
    let is_plain = target.len() <= LOGGED_BYTES_MAX && target.bytes().all(is_plain);
    if is_plain { target.to_owned() } else { Visible(target.as_bytes()).to_string() }
}

/// What is written as it is.
fn is_plain(byte: u8) -> bool {
    byte.is_ascii_graphic() && !matches!(byte, b'"' | b'\\')
}

/// Bytes from a peer as one word of visible ASCII: no space, quote or backslash, so that it ends where it ends.
struct Visible<'a>(&'a [u8]);

impl fmt::Display for Visible<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (shown, rest) = self.0.split_at(self.0.len().min(LOGGED_BYTES_MAX));
        for run in shown.chunk_by(|&a, &b| is_plain(a) == is_plain(b)) {
            match std::str::from_utf8(run) {
                Ok(text) if is_plain(run[0]) => f.write_str(text)?,
                _ => run.iter().try_for_each(|byte| write!(f, "\\x{byte:02x}"))?,
            }
        }
        if rest.is_empty() { Ok(()) } else { write!(f, "\\+{}", rest.len()) }
    }
}

#[cfg(test)]
mod tests {
    use std::io;
    use std::sync::{Arc, Mutex};
    use std::time::Duration;

    use tokio::time::{advance, sleep};
    use tracing_subscriber::fmt::MakeWriter;

    use super::*;
    use crate::http::middleware::{Recover, RequestId};
    use crate::http::{Router, Status};

    /// What was logged on this thread.
    #[derive(Clone, Default)]
    struct Log(Arc<Mutex<Vec<u8>>>);

    impl Log {
        fn watch() -> (Log, tracing::subscriber::DefaultGuard) {
            let log = Log::default();
            let lines = tracing_subscriber::fmt().with_writer(log.clone()).without_time().with_ansi(false);
            let guard = tracing::subscriber::set_default(lines.with_max_level(tracing::Level::TRACE).finish());
            (log, guard)
        }

        fn lines(&self) -> Vec<String> {
            let text = String::from_utf8(self.0.lock().expect("no panic").clone()).expect("UTF-8");
            text.lines().filter(|line| line.contains(" access: ")).map(|line| line.trim().to_owned()).collect()
        }

        fn line(&self) -> String {
            let lines = self.lines();
            assert_eq!(lines.len(), 1, "{lines:?}");
            lines[0].clone()
        }
    }

    impl io::Write for Log {
        fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
            self.0.lock().expect("no panic").extend_from_slice(bytes);
            Ok(bytes.len())
        }

        fn flush(&mut self) -> io::Result<()> {
            Ok(())
        }
    }

    impl<'a> MakeWriter<'a> for Log {
        type Writer = Log;

        fn make_writer(&'a self) -> Log {
            self.clone()
        }
    }

    #[tokio::test(start_paused = true)]
    async fn an_answer_is_one_line_with_everything_in_it() {
        let (log, _watching) = Log::watch();
        let routes = Router::new(()).route("GET /users/{id}", |(), _| async {
            sleep(Duration::from_millis(3)).await;
            "ada\n"
        });
        let handler = RequestId.around(Logger.around(routes.build().expect("a table")));
        handler.handle(Request::get("/users/7?full=1").with("X-Request-Id", "job-7")).await;
        assert_eq!(
            log.line(),
            "INFO access: method=GET request_target=/users/7?full=1 status=200 bytes=4 duration_us=3000 client=127.0.0.1 \
             request_id=\"job-7\" route=\"GET /users/{id}\""
        );
    }

    #[tokio::test(start_paused = true)]
    async fn an_answer_that_knows_no_route_is_logged_with_that_of_the_mount() {
        let (log, _watching) = Log::watch();
        let inner = Logger.around(|_: Request| async { Status::SERVICE_UNAVAILABLE });
        let routes = Router::new(()).mount("/chain", inner).build().expect("a table");
        routes.handle(Request::get("/chain/quotes")).await;
        assert!(log.line().ends_with("route=\"/chain/{rest...}\""), "{}", log.line());
    }

    #[tokio::test(start_paused = true)]
    async fn the_level_follows_the_status() {
        for (status, level) in
            [(200, "INFO"), (304, "INFO"), (404, "INFO"), (429, "INFO"), (499, "INFO"), (500, "ERROR"), (503, "ERROR")]
        {
            let (log, _watching) = Log::watch();
            let status = Status::new(status).expect("a status");
            Logger.around(move |_: Request| async move { status }).handle(Request::get("/")).await;
            assert!(log.line().starts_with(level), "{}", log.line());
        }
    }

    #[tokio::test(start_paused = true)]
    async fn content_that_is_not_sent_is_not_counted() {
        for (method, status) in [(Method::HEAD, Status::OK), (Method::GET, Status::NOT_MODIFIED)] {
            let (log, _watching) = Log::watch();
            let handler = Logger.around(move |_: Request| async move { (status, "content") });
            handler.handle(Request::of(method, "/")).await;
            assert!(log.line().contains(" bytes=0 "), "{}", log.line());
        }
    }

    #[tokio::test(start_paused = true)]
    async fn a_panic_is_logged_with_its_answer_and_without_one() {
        async fn fails(_: Request) -> Response {
            panic!("on purpose")
        }
        let (log, _watching) = Log::watch();
        Logger.around(Recover.around(fails)).handle(Request::get("/")).await;
        assert!(log.line().contains("status=500"), "{}", log.line());

        let (log, _watching) = Log::watch();
        let handling = tokio::spawn(async { Logger.around(fails).handle(Request::get("/")).await });
        assert!(handling.await.is_err());
        assert!(log.line().contains("status=500"), "{}", log.line());
    }

    /// Streams two pieces, taken as far as `take` does.
    async fn stream(take: impl AsyncFnOnce(Body, &Log)) -> String {
        let (log, _watching) = Log::watch();
        let handler = Logger.around(|_: Request| async {
            let (sender, body) = Body::channel(2);
            for piece in ["abc", "de"] {
                sender.send(piece).await.expect("room");
            }
            body
        });
        let mut response = handler.handle(Request::get("/")).await;
        assert_eq!(log.lines().len(), 0, "nothing is written before the end");
        advance(Duration::from_millis(5)).await;
        take(std::mem::take(response.body_mut()), &log).await;
        log.line()
    }

    #[tokio::test(start_paused = true)]
    async fn a_stream_is_logged_at_its_end_with_what_was_taken() {
        let whole = stream(async |mut body, log| {
            assert_eq!(body.collect(10).await.expect("two pieces"), "abcde");
            assert_eq!(log.lines().len(), 1, "at the end, not when dropped");
        });
        let whole = whole.await;
        assert!(whole.contains(" bytes=5 duration_us=5000 ") && !whole.contains("end="), "{whole}");
        let cut = stream(async |mut body, _| drop(body.next().await)).await;
        assert!(cut.contains("status=200 bytes=3 ") && cut.ends_with("end=\"cut\""), "{cut}");
        let untouched = stream(async |_, _| {}).await;
        assert!(untouched.contains(" bytes=0 ") && untouched.ends_with("end=\"cut\""), "{untouched}");
    }

    #[tokio::test(start_paused = true)]
    async fn a_stream_that_fails_says_so_once() {
        let (log, _watching) = Log::watch();
        let handler = Logger.around(|_: Request| async {
            let (sender, body) = Body::channel(2);
            sender.fail("the disk is on fire").await;
            body
        });
        let mut response = handler.handle(Request::get("/")).await;
        assert!(response.body_mut().next().await.is_some_and(|piece| piece.is_err()));
        assert!(response.body_mut().next().await.is_none());
        drop(response);
        let line = log.line();
        assert!(line.starts_with("ERROR ") && line.ends_with("end=\"failed\""), "{line}");
    }

    #[tokio::test]
    async fn the_length_and_the_trailers_of_an_answer_pass_through() {
        let known = Logger.around(|_: Request| async { "abc" }).handle(Request::get("/")).await;
        assert_eq!(known.body().length(), Some(3));
        let handler = Logger.around(|_: Request| async {
            let mut trailers = Fields::new();
            trailers.append_escaped("X-Sum", "7");
            Response::new(Status::OK).with_content("text/plain", Body::whole("abc", trailers))
        });
        let mut response = handler.handle(Request::get("/")).await;
        assert_eq!(response.body_mut().collect(9).await.expect("a piece"), "abc");
        assert_eq!(response.body_mut().trailers().expect("trailers").text("x-sum"), Some("7"));
    }

    #[tokio::test(start_paused = true)]
    async fn a_dropped_handler_is_logged_by_its_reason() {
        let handler = Arc::new(Logger.around(|_: Request| std::future::pending::<Response>()));
        for (reason, status) in [
            (None, "499"),
            (Some(Reason::PeerGone), "499"),
            (Some(Reason::DeadlineExceeded), "503"),
            (Some(Reason::Shutdown), "503"),
        ] {
            let (log, _watching) = Log::watch();
            let request = Request::get("/");
            let context = request.context().clone();
            let handling = tokio::spawn({
                let handler = Arc::clone(&handler);
                async move { handler.handle(request).await }
            });
            tokio::task::yield_now().await;
            if let Some(reason) = reason {
                context.cancel(reason);
            }
            handling.abort();
            assert!(handling.await.is_err());
            assert!(log.line().contains(&format!("status={status} ")), "{}", log.line());
        }
    }

    #[tokio::test]
    async fn a_peer_cannot_forge_a_line() {
        let (log, _watching) = Log::watch();
        let target = "/a%0d%0aINFO?x=\\n'INFO%20access:";
        let request =
            Request::get(target).with("User-Agent", "x\r\nINFO access: method=GET").with("X-Request-Id", "a b");
        RequestId.around(Logger.around(|_: Request| async { "" })).handle(request).await;
        let line = log.line();
        assert!(line.contains(" request_target=/a%0d%0aINFO?x=\\x5cn'INFO%20access: status=200 "), "{line}");
        assert!(!line.contains("a b"), "{line}");
    }

    #[test]
    fn what_a_peer_chose_is_one_visible_word() {
        let check = |chosen: &[u8], expected: &str| assert_eq!(Visible(chosen).to_string(), expected);
        check(b"/a?b=c&d=%20'", "/a?b=c&d=%20'");
        check(b"/\r\nINFO access:", "/\\x0d\\x0aINFO\\x20access:");
        check(b"/\x1b[2J\x07\x00\x7f", "/\\x1b[2J\\x07\\x00\\x7f");
        check(b"/\" status=200 x=\"", "/\\x22\\x20status=200\\x20x=\\x22");
        check(b"/\\x0d", "/\\x5cx0d");
        check("/é\u{202e}\u{2028}".as_bytes(), "/\\xc3\\xa9\\xe2\\x80\\xae\\xe2\\x80\\xa8");
        let long = Visible(&[b'x'; LOGGED_BYTES_MAX + 7]).to_string();
        assert!(long.len() == LOGGED_BYTES_MAX + 3 && long.ends_with("x\\+7"), "{}", long.len());
    }
}
