//! Owns Server-Sent Events: an answer that does not end, each piece of it one event.
//!
//! The one idea: an event is lines of `field: value` up to an empty line, so whoever controls a line break controls the
//! next field. Values are written line by line here, and nowhere else.
//!
//! ```text
//!   Event { event: "join", data: "ada\neve", id: "7" }      event: join\n
//!                                                           id: 7\n
//!                                                           data: ada\n
//!                                                           data: eve\n
//!                                                           \n
//! ```
//!
//! A client that is gone shows only when something is sent to it. In silence a comment goes out every [`HEARTBEAT`].
//!
//! Spec: WHATWG HTML 9.2.5 (lines), 9.2.6 (fields), 9.2.7 (comments against silence); RFC 9111 5.2.2.5 (`no-store`).
//! Never: lets a value begin a line of its own; buffers more events than the sender was told.
//! Cancel safety: an event is taken only when it is sent.

use std::fmt;
use std::pin::Pin;
use std::task::{Context, Poll, ready};
use std::time::Duration;

use bytes::Bytes;
use futures_core::Stream;
use serde::Serialize;
use tokio::sync::mpsc;
use tokio::time::{Instant, Sleep, sleep};

use crate::http::body::{ReaderGone, Source};
use crate::http::field::name;
use crate::http::{Body, BodyError, Response, Status};

/// Silence after which a comment is sent. Proxies cut connections that are silent for longer.
pub const HEARTBEAT: Duration = Duration::from_secs(15);

/// A line that every client skips.
const COMMENT: &[u8] = b":\n";

/// One event.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Event {
    /// Its type; `None` is `message`. A line break in it becomes a space.
    pub event: Option<String>,
    /// What it says. A line break in it stays one: each line is sent as a field of its own.
    pub data: String,
    /// What a client that connects again sends as `Last-Event-ID`. A line break or NUL in it becomes a space.
    pub id: Option<String>,
    /// How long a client waits before it connects again. Sent in milliseconds.
    pub retry: Option<Duration>,
}

impl Event {
    /// An event that says `data`.
    pub fn data(data: impl Into<String>) -> Event {
        Event { data: data.into(), ..Event::default() }
    }

    /// An event that says `value` as JSON.
    ///
    /// # Errors
    /// When it cannot be serialised: a map with keys that are no strings, say.
    pub fn json(value: &impl Serialize) -> Result<Event, serde_json::Error> {
        serde_json::to_string(value).map(Event::data)
    }

    /// Names its type.
    pub fn with_event(mut self, event: impl Into<String>) -> Event {
        self.event = Some(event.into());
        self
    }

    /// Gives it an id.
    pub fn with_id(mut self, id: impl fmt::Display) -> Event {
        self.id = Some(id.to_string());
        self
    }

    /// Says how long to wait before connecting again.
    pub fn with_retry(mut self, retry: Duration) -> Event {
        self.retry = Some(retry);
        self
    }

    /// The lines that say it, the empty one included.
    pub fn encode(&self) -> String {
        let mut lines = String::with_capacity(self.data.len() + 16);
        if let Some(event) = &self.event {
            push_line(&mut lines, "event", event);
        }
        if let Some(id) = &self.id {
            push_line(&mut lines, "id", id);
        }
        if let Some(retry) = self.retry {
            push_line(&mut lines, "retry", &retry.as_millis().to_string());
        }
        for line in lines_of(&self.data) {
            push_line(&mut lines, "data", line);
        }
        lines.push('\n');
        lines
    }
}

/// 9.2.6: one space after the colon is not part of the value, and an id with a NUL is ignored.
fn push_line(lines: &mut String, field: &str, value: &str) {
    lines.push_str(field);
    lines.push_str(": ");
    lines.extend(value.chars().map(|char| if matches!(char, '\r' | '\n' | '\0') { ' ' } else { char }));
    lines.push('\n');
}

/// 9.2.5: a line ends in CR LF, LF or CR. The empty text is one empty line: an event without data is not dispatched.
fn lines_of(text: &str) -> impl Iterator<Item = &str> {
    let mut left = Some(text);
    std::iter::from_fn(move || {
        let text = left?;
        let Some(end) = text.find(['\r', '\n']) else { return left.take() };
        let line_break = if text[end..].starts_with("\r\n") { 2 } else { 1 };
        left = Some(&text[end + line_break..]);
        Some(&text[..end])
    })
}

impl Response {
    /// `200 OK` with the events of a stream, each sent when it comes. The answer ends with the stream.
    pub fn sse<S>(events: S) -> Response
    where
        S: Stream<Item = Event> + Send + 'static,
    {
        let lines = Lines { events: Box::pin(events), silence: Box::pin(sleep(HEARTBEAT)) };
        Response::new(Status::OK)
            .with_content("text/event-stream", Body::source(lines))
            .with(name::CACHE_CONTROL, "no-store")
            .with_endless_content()
    }

    /// As [`Response::sse`], with events that another task sends. At most `events` of them wait; the sender waits for room
    /// after that.
    pub fn sse_channel(events: usize) -> (EventSender, Response) {
        let (sender, receiver) = mpsc::channel(events);
        (EventSender { sender }, Response::sse(Received { receiver }))
    }
}

/// The sending end of [`Response::sse_channel`]. Dropping it ends the answer.
#[derive(Clone, Debug)]
pub struct EventSender {
    sender: mpsc::Sender<Event>,
}

impl EventSender {
    /// Sends one event, after waiting for room.
    ///
    /// # Errors
    /// [`ReaderGone`] when the client has left.
    ///
    /// # Cancel safety
    /// Dropping the future sends nothing.
    pub async fn send(&self, event: Event) -> Result<(), ReaderGone> {
        self.sender.send(event).await.map_err(|_| ReaderGone)
    }

    /// Resolves when the client has left: at most [`HEARTBEAT`] and the write deadline after it did.
    ///
    /// # Cancel safety
    /// Dropping the future loses nothing.
    pub async fn closed(&self) {
        self.sender.closed().await;
    }
}

struct Received {
    receiver: mpsc::Receiver<Event>,
}

impl Stream for Received {
    type Item = Event;

    fn poll_next(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Event>> {
        self.receiver.poll_recv(cx)
    }
}

/// Events as lines, and comments in between where nothing else is said.
struct Lines<S> {
    events: Pin<Box<S>>,
    silence: Pin<Box<Sleep>>,
}

impl<S: Stream<Item = Event> + Send> Source for Lines<S> {
    fn poll_next(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Result<Bytes, BodyError>>> {
        let piece = match self.events.as_mut().poll_next(cx) {
            Poll::Ready(Some(event)) => Bytes::from(event.encode()),
            Poll::Ready(None) => return Poll::Ready(None),
            Poll::Pending => {
                ready!(self.silence.as_mut().poll(cx));
                Bytes::from_static(COMMENT)
            }
        };
        self.silence.as_mut().reset(Instant::now() + HEARTBEAT);
        Poll::Ready(Some(Ok(piece)))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(event: Event, lines: &str) {
        assert_eq!(event.encode(), lines, "{event:?}");
    }

    #[test]
    fn an_event_is_fields_and_an_empty_line() {
        check(Event::data("hi"), "data: hi\n\n");
        check(Event::default(), "data: \n\n");
        check(Event::data(" hi"), "data:  hi\n\n");
        check(Event::data("hi").with_event("join").with_id(7), "event: join\nid: 7\ndata: hi\n\n");
        check(Event::data("x").with_retry(Duration::from_secs(2)), "retry: 2000\ndata: x\n\n");
        check(Event::data("x").with_id(""), "id: \ndata: x\n\n");
        check(Event::json(&[1, 2]).expect("numbers"), "data: [1,2]\n\n");
    }

    #[test]
    fn a_line_break_cannot_forge_a_field() {
        for (data, lines) in [
            ("a\nevent: admin", "data: a\ndata: event: admin\n\n"),
            ("a\r\nid: 9", "data: a\ndata: id: 9\n\n"),
            ("a\rretry: 1", "data: a\ndata: retry: 1\n\n"),
            ("a\n\ndata: forged", "data: a\ndata: \ndata: data: forged\n\n"),
            ("a\n", "data: a\ndata: \n\n"),
            ("\r\r\n\n", "data: \ndata: \ndata: \ndata: \n\n"),
            ("a\n:comment", "data: a\ndata: :comment\n\n"),
            ("a\u{2028}b\u{85}", "data: a\u{2028}b\u{85}\n\n"),
        ] {
            check(Event::data(data), lines);
        }
        for line_break in ["\n", "\r", "\0"] {
            check(Event::data("x").with_event(format!("a{line_break}id: 9")), "event: a id: 9\ndata: x\n\n");
            check(Event::data("x").with_id(format!("1{line_break}\ndata: y")), "id: 1  data: y\ndata: x\n\n");
        }
    }

    async fn next(response: &mut Response) -> Option<String> {
        let piece = response.body_mut().next().await?.expect("no error");
        Some(String::from_utf8_lossy(&piece).into_owned())
    }

    #[tokio::test(start_paused = true)]
    async fn a_comment_goes_out_in_silence_only() {
        let (sender, mut response) = Response::sse_channel(1);
        assert_eq!(response.field("content-type"), Some("text/event-stream"));
        assert_eq!(response.field("cache-control"), Some("no-store"));
        let begin = Instant::now();
        for beats in 1..=2 {
            assert_eq!(next(&mut response).await.as_deref(), Some(":\n"));
            assert_eq!(begin.elapsed(), beats * HEARTBEAT);
        }
        tokio::time::advance(HEARTBEAT - Duration::from_secs(1)).await;
        sender.send(Event::data("late")).await.expect("the client is there");
        assert_eq!(next(&mut response).await.as_deref(), Some("data: late\n\n"));
        let last = Instant::now();
        assert_eq!(next(&mut response).await.as_deref(), Some(":\n"));
        assert_eq!(last.elapsed(), HEARTBEAT);
    }

    #[tokio::test]
    async fn the_answer_ends_with_its_sender_and_the_sender_hears_of_a_lost_client() {
        let (sender, mut response) = Response::sse_channel(4);
        sender.send(Event::data("last")).await.expect("room");
        drop(sender);
        assert_eq!(next(&mut response).await.as_deref(), Some("data: last\n\n"));
        assert_eq!(next(&mut response).await, None);
        let (sender, response) = Response::sse_channel(4);
        drop(response);
        sender.closed().await;
        assert_eq!(sender.send(Event::default()).await, Err(ReaderGone));
    }
}
