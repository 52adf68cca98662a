//! Owns the content of a message: one type for all of it, in both directions.
//!
//! The one idea: content is empty, or bytes that are all there, or a source that yields them one piece at a time and is
//! asked only when there is room for the next. Who yields (the connection, an application, a channel) does not show.
//!
//! ```text
//!   connection ── h1 decoder ──┐                       ┌── handler: next(), collect()
//!   application ── stream ─────┼── Body ── poll_next ──┤
//!   another task ── channel ───┘                       └── h1 encoder ── connection
//! ```
//!
//! Spec: RFC 9110 6.4 (content), 8.6 (length).
//! Never: reads ahead: a piece that nobody asked for stays in the kernel, and that is the backpressure.
//! Invariant: once `None` or an error was yielded, only `None` follows.
//! Limits: [`Body::limit`], set from `content_bytes_max` unless a route says otherwise.

use std::fmt;
use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering::Relaxed};
use std::task::{Context, Poll, ready};

use bytes::{Bytes, BytesMut};
use futures_core::Stream;
use tokio::sync::mpsc;

use crate::http::{Fault, Fields, Problem};

/// Why content ended before its end.
#[derive(Debug)]
#[non_exhaustive]
pub enum BodyError {
    /// It is longer than the limit, in bytes. The sender erred.
    TooLarge {
        /// The limit that was in force.
        limit: u64,
    },
    /// Its framing breaks RFC 9112 7: what is wrong, and where. The sender erred.
    Malformed(Box<Problem>),
    /// It came below the least rate that the server accepts. The sender erred.
    TooSlow,
    /// The connection ended first. The sender erred, or its network did.
    Incomplete,
    /// The application that was to produce it failed.
    Source(Box<dyn std::error::Error + Send + Sync>),
}

impl BodyError {
    /// The row of the catalogue that describes this error.
    pub fn fault(&self) -> Fault {
        match self {
            BodyError::TooLarge { .. } => Fault::ContentTooLarge,
            BodyError::Malformed(problem) => problem.fault(),
            BodyError::TooSlow => Fault::ContentTimeout,
            BodyError::Incomplete => Fault::ContentIncomplete,
            BodyError::Source(_) => Fault::ContentStreamFailed,
        }
    }
}

impl Problem {
    /// Why content could not be used.
    pub fn of_body(error: BodyError) -> Problem {
        match error {
            BodyError::Malformed(problem) => *problem,
            BodyError::TooLarge { limit } => Problem::new(Fault::ContentTooLarge)
                .with_detail(format!("at most {limit} bytes of content are accepted here")),
            BodyError::TooSlow => Problem::new(Fault::ContentTimeout),
            BodyError::Incomplete => Problem::new(Fault::ContentIncomplete),
            BodyError::Source(error) => {
                // As a string: see `Problem::internal`.
                tracing::error!(error = error.to_string(), "content could not be produced");
                Problem::new(Fault::ContentStreamFailed)
            }
        }
    }
}

impl fmt::Display for BodyError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            BodyError::TooLarge { limit } => write!(f, "content is longer than {limit} bytes"),
            BodyError::Malformed(problem) => write!(f, "content is malformed: {}", problem.fault().title()),
            BodyError::TooSlow => f.write_str("content came too slowly"),
            BodyError::Incomplete => f.write_str("the connection ended within the content"),
            BodyError::Source(error) => write!(f, "content could not be produced: {error}"),
        }
    }
}

impl std::error::Error for BodyError {}

/// Something that yields content one piece at a time.
pub trait Source: Send {
    /// The next piece, `None` at the end. An empty piece is left out.
    fn poll_next(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Result<Bytes, BodyError>>>;

    /// Bytes still to come, when that is known for certain.
    fn length(&self) -> Option<u64> {
        None
    }

    /// The trailer section (RFC 9110 6.5), once the end was reached.
    fn trailers(self: Pin<&mut Self>) -> Option<Fields> {
        None
    }
}

/// The content of a request or a response.
pub struct Body {
    inner: Inner,
    limit: u64,
    taken: u64,
}

/// Whether a [`Body`] waits for its source, told to who does not hold it.
#[derive(Debug)]
pub(crate) struct Awaited(Arc<AtomicBool>);

impl Awaited {
    /// Whether the last piece that was asked for has not come.
    pub(crate) fn is_waiting(&self) -> bool {
        self.0.load(Relaxed)
    }
}

#[derive(Default)]
enum Inner {
    #[default]
    Empty,
    Bytes(Bytes),
    Source(Pin<Box<dyn Source>>),
}

impl Body {
    /// No content.
    pub const fn empty() -> Body {
        Body::of(Inner::Empty)
    }

    const fn of(inner: Inner) -> Body {
        Body { inner, limit: u64::MAX, taken: 0 }
    }

    /// Content from a [`Source`].
    pub fn source(source: impl Source + 'static) -> Body {
        Body::of(Inner::Source(Box::pin(source)))
    }

    /// Content from a stream of pieces; its first error ends it.
    pub fn stream<S, B, E>(stream: S) -> Body
    where
        S: Stream<Item = Result<B, E>> + Send + 'static,
        B: Into<Bytes>,
        E: Into<Box<dyn std::error::Error + Send + Sync>>,
    {
        Body::source(StreamSource(Some(Box::pin(stream))))
    }

    /// Content that another task sends. At most `pieces` of them wait; the sender waits for room after that.
    pub fn channel(pieces: usize) -> (BodySender, Body) {
        let (sender, receiver) = mpsc::channel(pieces);
        (BodySender { sender }, Body::source(ChannelSource { receiver }))
    }

    /// Bytes still to come, when that is known for certain.
    pub fn length(&self) -> Option<u64> {
        match &self.inner {
            Inner::Empty => Some(0),
            Inner::Bytes(bytes) => Some(bytes.len() as u64),
            Inner::Source(source) => source.length(),
        }
    }

    /// Whether it is known that nothing is to come.
    pub fn is_empty(&self) -> bool {
        self.length() == Some(0)
    }

    /// Allows `bytes` more bytes; a longer content ends in [`BodyError::TooLarge`]. The last call counts.
    pub fn limit(&mut self, bytes: u64) {
        (self.limit, self.taken) = (bytes, 0);
    }

    /// The next piece, `None` at the end.
    ///
    /// # Errors
    /// Any [`BodyError`]; `None` follows.
    ///
    /// # Cancel safety
    /// Dropping the future loses nothing: a piece is taken only when it is returned.
    pub async fn next(&mut self) -> Option<Result<Bytes, BodyError>> {
        std::future::poll_fn(|cx| self.poll_next(cx)).await
    }

    /// The next piece, `None` at the end.
    pub fn poll_next(&mut self, cx: &mut Context<'_>) -> Poll<Option<Result<Bytes, BodyError>>> {
        let piece = match &mut self.inner {
            Inner::Empty => return Poll::Ready(None),
            Inner::Bytes(bytes) => {
                Some(Ok(std::mem::take(bytes))).filter(|bytes| !matches!(bytes, Ok(b) if b.is_empty()))
            }
            Inner::Source(source) => loop {
                // An empty piece would end a chunked message (RFC 9112 7.1): skip it.
                match ready!(source.as_mut().poll_next(cx)) {
                    Some(Ok(bytes)) if bytes.is_empty() => {}
                    piece => break piece,
                }
            },
        };
        let piece = piece.map(|piece| piece.and_then(|bytes| self.count(bytes)));
        if !matches!((&self.inner, &piece), (Inner::Source(_), Some(Ok(_)) | None)) {
            self.inner = Inner::Empty;
        }
        Poll::Ready(piece)
    }

    /// All that is still to come, as one piece.
    ///
    /// # Errors
    /// [`BodyError::TooLarge`] past `bytes_max`, before anything is read when the length is known; else as
    /// [`Body::next`].
    ///
    /// # Cancel safety
    /// Dropping the future loses the pieces collected so far.
    pub async fn collect(&mut self, bytes_max: u64) -> Result<Bytes, BodyError> {
        let too_large = BodyError::TooLarge { limit: bytes_max };
        if self.length().is_some_and(|length| length > bytes_max) {
            return Err(too_large);
        }
        let Some(first) = self.next().await.transpose()? else { return Ok(Bytes::new()) };
        let Some(second) = self.next().await.transpose()? else { return within(first, bytes_max) };
        let mut all = BytesMut::with_capacity(first.len() + second.len());
        all.extend_from_slice(&first);
        all.extend_from_slice(&second);
        while let Some(piece) = self.next().await.transpose()? {
            if (all.len() + piece.len()) as u64 > bytes_max {
                return Err(too_large);
            }
            all.extend_from_slice(&piece);
        }
        within(all.freeze(), bytes_max)
    }

    /// The trailer section, once the end was reached and if there was one.
    pub fn trailers(&mut self) -> Option<Fields> {
        match &mut self.inner {
            Inner::Source(source) => source.as_mut().trailers(),
            Inner::Empty | Inner::Bytes(_) => None,
        }
    }

    /// Content that is all there, and the trailers that came with it.
    pub(crate) fn whole(content: impl Into<Bytes>, trailers: Fields) -> Body {
        let content = content.into();
        if trailers.is_empty() { Body::from(content) } else { Body::source(WholeSource { content, trailers }) }
    }

    /// Tells from now on whether content is waited for; `None` when all of it is there.
    pub(crate) fn awaited(&mut self) -> Option<Awaited> {
        match std::mem::take(&mut self.inner) {
            Inner::Source(source) => {
                let waiting = Arc::new(AtomicBool::new(false));
                self.inner = Inner::Source(Box::pin(AwaitedSource { source, waiting: Arc::clone(&waiting) }));
                Some(Awaited(waiting))
            }
            ready => {
                self.inner = ready;
                None
            }
        }
    }

    /// Whether all content is there.
    pub(crate) fn is_ready(&self) -> bool {
        !matches!(self.inner, Inner::Source(_))
    }

    /// Whether all content is there, and is `content`.
    pub(crate) fn is_all(&self, content: &[u8]) -> bool {
        match &self.inner {
            Inner::Empty => content.is_empty(),
            Inner::Bytes(bytes) => bytes == content,
            Inner::Source(_) => false,
        }
    }

    /// The content, when all of it is there: lets the encoder put it beside the head without asking twice.
    pub(crate) fn take_ready(&mut self) -> Option<Bytes> {
        match &mut self.inner {
            Inner::Empty => Some(Bytes::new()),
            Inner::Bytes(bytes) => Some(std::mem::take(bytes)),
            Inner::Source(_) => None,
        }
    }

    fn count(&mut self, bytes: Bytes) -> Result<Bytes, BodyError> {
        self.taken = self.taken.saturating_add(bytes.len() as u64);
        if self.taken > self.limit { Err(BodyError::TooLarge { limit: self.limit }) } else { Ok(bytes) }
    }
}

fn within(bytes: Bytes, bytes_max: u64) -> Result<Bytes, BodyError> {
    if bytes.len() as u64 > bytes_max { Err(BodyError::TooLarge { limit: bytes_max }) } else { Ok(bytes) }
}

impl Default for Body {
    fn default() -> Body {
        Body::empty()
    }
}

impl fmt::Debug for Body {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match (&self.inner, self.length()) {
            (Inner::Empty, _) => f.write_str("Body(empty)"),
            (Inner::Bytes(bytes), _) => write!(f, "Body({bytes:?})"),
            (Inner::Source(_), Some(length)) => write!(f, "Body(source of {length} bytes)"),
            (Inner::Source(_), None) => f.write_str("Body(source)"),
        }
    }
}

impl From<Bytes> for Body {
    fn from(bytes: Bytes) -> Body {
        Body::of(if bytes.is_empty() { Inner::Empty } else { Inner::Bytes(bytes) })
    }
}

macro_rules! body_from {
    ($($owned:ty),+) => { $(
        impl From<$owned> for Body {
            fn from(bytes: $owned) -> Body {
                Body::from(Bytes::from(bytes))
            }
        }
    )+ };
}

body_from!(Vec<u8>, String, &'static str, &'static [u8]);

/// The sending end of [`Body::channel`]. Dropping it ends the content.
#[derive(Clone, Debug)]
pub struct BodySender {
    sender: mpsc::Sender<Result<Bytes, BodyError>>,
}

/// The reader of a [`Body::channel`] is gone: nobody will see what is sent.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ReaderGone;

impl fmt::Display for ReaderGone {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("the reader of this content is gone")
    }
}

impl std::error::Error for ReaderGone {}

impl BodySender {
    /// Sends one piece, after waiting for room. An empty piece is left out.
    ///
    /// # Errors
    /// [`ReaderGone`] when the content was dropped.
    ///
    /// # Cancel safety
    /// Dropping the future sends nothing.
    pub async fn send(&self, piece: impl Into<Bytes>) -> Result<(), ReaderGone> {
        let piece = piece.into();
        if piece.is_empty() {
            return Ok(());
        }
        self.sender.send(Ok(piece)).await.map_err(|_| ReaderGone)
    }

    /// Ends the content with an error, so that its reader does not take it for whole.
    pub async fn fail(self, error: impl Into<Box<dyn std::error::Error + Send + Sync>>) {
        // A reader that is gone needs no error.
        let _ = self.sender.send(Err(BodyError::Source(error.into()))).await;
    }

    /// Resolves when the reader is gone.
    ///
    /// # Cancel safety
    /// Dropping the future loses nothing.
    pub async fn closed(&self) {
        self.sender.closed().await;
    }
}

/// A source that tells whether it is waited for.
struct AwaitedSource {
    source: Pin<Box<dyn Source>>,
    waiting: Arc<AtomicBool>,
}

impl Source for AwaitedSource {
    fn poll_next(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Result<Bytes, BodyError>>> {
        let polled = self.source.as_mut().poll_next(cx);
        self.waiting.store(polled.is_pending(), Relaxed);
        polled
    }

    fn length(&self) -> Option<u64> {
        self.source.length()
    }

    fn trailers(mut self: Pin<&mut Self>) -> Option<Fields> {
        self.source.as_mut().trailers()
    }
}

struct WholeSource {
    content: Bytes,
    trailers: Fields,
}

impl Source for WholeSource {
    fn poll_next(mut self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<Option<Result<Bytes, BodyError>>> {
        let content = std::mem::take(&mut self.content);
        Poll::Ready(if content.is_empty() { None } else { Some(Ok(content)) })
    }

    // Its length is known and not told: only content of no stated length is sent on in chunks, and only chunks have
    // trailers.

    fn trailers(mut self: Pin<&mut Self>) -> Option<Fields> {
        Some(std::mem::take(&mut self.trailers))
    }
}

struct ChannelSource {
    receiver: mpsc::Receiver<Result<Bytes, BodyError>>,
}

impl Source for ChannelSource {
    fn poll_next(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Result<Bytes, BodyError>>> {
        self.receiver.poll_recv(cx)
    }
}

/// A stream, until it has ended: one that has must not be asked again.
struct StreamSource<S>(Option<Pin<Box<S>>>);

impl<S, B, E> Source for StreamSource<S>
where
    S: Stream<Item = Result<B, E>> + Send,
    B: Into<Bytes>,
    E: Into<Box<dyn std::error::Error + Send + Sync>>,
{
    fn poll_next(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Result<Bytes, BodyError>>> {
        let Some(stream) = &mut self.0 else { return Poll::Ready(None) };
        let piece = ready!(stream.as_mut().poll_next(cx));
        if piece.is_none() {
            self.0 = None;
        }
        Poll::Ready(piece.map(|piece| piece.map(Into::into).map_err(|error| BodyError::Source(error.into()))))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn whole_bytes_come_once() {
        let mut body = Body::from("abc");
        assert_eq!(body.length(), Some(3));
        assert_eq!(body.next().await.expect("a piece").expect("no error"), "abc");
        assert!(body.next().await.is_none());
        assert!(Body::from("").next().await.is_none());
    }

    #[tokio::test]
    async fn empty_pieces_are_left_out_whoever_makes_them() {
        struct Pieces(Vec<&'static str>);
        impl Source for Pieces {
            fn poll_next(mut self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<Option<Result<Bytes, BodyError>>> {
                Poll::Ready(self.0.pop().map(|piece| Ok(Bytes::from_static(piece.as_bytes()))))
            }
        }
        let mut body = Body::source(Pieces(vec!["", "b", "", "a", ""]));
        for piece in ["a", "b"] {
            assert_eq!(body.next().await.expect("a piece").expect("no error"), piece);
        }
        assert!(body.next().await.is_none());
    }

    #[tokio::test]
    async fn a_stream_that_has_ended_is_not_asked_again() {
        struct Once(Option<Option<Result<&'static str, std::io::Error>>>);
        impl Stream for Once {
            type Item = Result<&'static str, std::io::Error>;

            fn poll_next(mut self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<Option<Self::Item>> {
                let piece = self.0.take().expect("a stream may panic when it is asked beyond its end");
                self.0 = piece.is_some().then_some(None);
                Poll::Ready(piece)
            }
        }
        let mut body = Body::stream(Once(Some(Some(Ok("abc")))));
        assert_eq!(body.collect(10).await.expect("one piece"), "abc");
        assert!(body.next().await.is_none());
    }

    #[tokio::test]
    async fn a_channel_carries_pieces_in_order_and_collects() {
        let (sender, mut body) = Body::channel(1);
        let sending = async move {
            for piece in ["a", "", "b", "c"] {
                sender.send(piece).await.expect("the reader is there");
            }
        };
        let (_, collected) = tokio::join!(sending, body.collect(10));
        assert_eq!(collected.expect("within the limit"), "abc");
    }

    #[tokio::test]
    async fn collect_refuses_what_is_longer() {
        for length in [3, 4, 9] {
            let refused = Body::from(vec![b'x'; length]).collect(2).await;
            assert!(matches!(refused, Err(BodyError::TooLarge { limit: 2 })), "{length}");
        }
        let (sender, mut body) = Body::channel(4);
        for _ in 0..3 {
            sender.send("xy").await.expect("room");
        }
        drop(sender);
        assert!(matches!(body.collect(5).await, Err(BodyError::TooLarge { limit: 5 })));
    }

    #[tokio::test]
    async fn the_limit_counts_over_all_pieces_and_ends_the_body() {
        let (sender, mut body) = Body::channel(4);
        body.limit(3);
        for _ in 0..3 {
            sender.send("xy").await.expect("room");
        }
        assert!(matches!(body.next().await, Some(Ok(_))));
        assert!(matches!(body.next().await, Some(Err(BodyError::TooLarge { limit: 3 }))));
        assert!(body.next().await.is_none());
        let (sender, mut body) = Body::channel(4);
        for _ in 0..2 {
            sender.send("xy").await.expect("room");
            body.limit(3);
            assert!(matches!(body.next().await, Some(Ok(_))), "the last call counts");
        }
    }

    #[tokio::test]
    async fn a_failed_sender_is_no_end() {
        let (sender, mut body) = Body::channel(1);
        sender.fail("disk on fire").await;
        let error = body.next().await.expect("an item").expect_err("an error");
        assert_eq!(error.to_string(), "content could not be produced: disk on fire");
    }
}
