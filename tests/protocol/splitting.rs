//! A value from outside in every place of an answer that an application can fill: the answer keeps its shape, so does the
//! one behind it, and so does the log.

use std::pin::Pin;
use std::task::{Context, Poll};

use bytes::Bytes;
use firstbyte::http::body::{BodyError, Source};
use firstbyte::http::field::FieldError;
use firstbyte::http::sse::Event;
use firstbyte::http::test::TestServer;
use firstbyte::http::{Body, Fault, Fields, IntoResponse, Problem, Request, Response, Server, Status};

use crate::judge::log::Log;
use crate::stage::wire;

/// What the same place holds in an honest answer.
const HONEST: &str = "honest";

/// Each tries to begin a line, a field, a message, or to steer what shows it.
const HOSTILE: &[&str] = &[
    "a\r\nEvil: 1",
    "a\nEvil: 1",
    "a\rEvil: 1",
    "a\r\n Evil: 1",
    "\r\n\r\nEvil",
    "a\r\n\r\nHTTP/1.1 200 OK\r\nEvil: 1\r\nContent-Length: 0\r\n\r\n",
    "\r\n0\r\n\r\nHTTP/1.1 200 OK\r\nEvil: 1\r\nContent-Length: 0\r\n\r\n",
    "a\0b",
    "\x1b[2J\x1b]0;Evil\x07",
    "a\x7f\x0b\x0c\x08b",
    "\u{85}\u{2028}\u{9b}31mEvil",
    "5\r\nTransfer-Encoding: chunked",
    "Evil: 1\r\n",
    "\" Evil=\"1",
];

/// A place, and an answer with a value there.
type Place = (&'static str, fn(&str) -> Response);

/// The one place after which there is no next answer.
const BREAKS_OFF: &str = "a stream that fails";

const PLACES: &[Place] = &[
    ("a field", |value| Response::text("x").with("X-Value", value)),
    ("a field that may be refused", |value| refusing(|fields| fields.append("X-Value", value))),
    ("a field that may be refused where it replaces one", |value| refusing(|fields| fields.set("X-Value", value))),
    ("a name that may be refused", |value| {
        let name = if value == HONEST { "X-Value" } else { value };
        refusing(|fields| fields.append(name, HONEST))
    }),
    ("a redirect", |value| Response::redirect(Status::FOUND, value)),
    ("a cookie", |value| Response::text("x").with("Set-Cookie", format!("a={value}; HttpOnly"))),
    ("a content type", |value| Response::text("x").with_content(value, "x")),
    ("framing", |value| Response::text("x").with("Content-Length", value)),
    ("a transfer coding", |value| Response::text("x").with("Transfer-Encoding", value)),
    ("connection options", |value| Response::text("x").with("Connection", value)),
    ("text", |value| Response::text(value.to_owned())),
    ("a page", |value| Response::html(value.to_owned())),
    ("JSON", |value| Response::json(&value)),
    ("a stream", |value| streamed(vec![value.to_owned(), value.to_owned()]).into_response()),
    ("a trailer", |value| Response::text(Body::source(Trailer(value.to_owned())))),
    ("an event", |value| events(Event::data(value))),
    ("the type of an event", |value| events(Event::data("x").with_event(value))),
    ("the id of an event", |value| events(Event::data("x").with_id(value))),
    ("a detail", |value| Problem::new(Fault::NotFound).with_detail(value).into_response()),
    ("a field at fault", |value| Problem::new(Fault::NotFound).with_field(value).into_response()),
    ("a failure", |value| Problem::internal(value).into_response()),
    ("a panic", |value| std::panic::resume_unwind(Box::new(value.to_owned()))),
    (BREAKS_OFF, |value| failing(value).into_response()),
    ("a protocol", |value| Response::upgrade(value, |_| async {})),
];

/// A refused value is not there; what takes its place is.
fn refusing(add: impl FnOnce(&mut Fields) -> Result<(), FieldError>) -> Response {
    let mut response = Response::text("x");
    if add(response.fields_mut()).is_err() {
        response.fields_mut().append("X-Value", "refused").unwrap();
    }
    response
}

/// No content, and a trailer field with this value.
struct Trailer(String);

impl Source for Trailer {
    fn poll_next(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<Option<Result<Bytes, BodyError>>> {
        Poll::Ready(None)
    }

    fn trailers(self: Pin<&mut Self>) -> Option<Fields> {
        let mut trailers = Fields::new();
        trailers.append_escaped("X-Value", &self.0);
        Some(trailers)
    }
}

fn streamed(pieces: Vec<String>) -> Body {
    let (sender, body) = Body::channel(1);
    tokio::spawn(async move {
        for piece in pieces {
            sender.send(piece).await.expect("a reader");
        }
    });
    body
}

fn failing(value: &str) -> Body {
    let (sender, body) = Body::channel(1);
    let value = value.to_owned();
    tokio::spawn(async move { sender.fail(value).await });
    body
}

fn events(event: Event) -> Response {
    let (sender, response) = Response::sse_channel(1);
    tokio::spawn(async move { sender.send(event).await.expect("a reader") });
    response
}

/// What a client and a reader of the log make of an answer.
#[derive(Debug, PartialEq)]
struct Shape {
    status: Status,
    names: Vec<String>,
    trailers: Vec<String>,
    log_lines: usize,
}

/// A server that answers with `value` in `place`, and then as always.
fn server(place: fn(&str) -> Response, value: &'static str) -> TestServer<impl firstbyte::http::Handler> {
    TestServer::new(Server::new(move |request: Request| async move {
        if request.target() == "/" { place(value) } else { Response::text("the next") }
    }))
}

/// Asks for an answer with `value` in `place`, in JSON or not, and for the next one.
async fn shape((name, place): Place, value: &'static str, accept: &str) -> Shape {
    let log = Log::default();
    let lines = tracing_subscriber::fmt().with_writer(log.clone()).without_time().with_ansi(false);
    let _watching = tracing::subscriber::set_default(lines.finish());
    let server = server(place, value);
    let request = wire(&format!("GET / HTTP/1.1|Host: x|Accept: {accept}||"));
    let mut connection = server.connect();
    connection.send(&request).await;
    let raw = String::from_utf8(connection.received().await).expect("UTF-8");
    let head = raw.split("\r\n\r\n").next().expect("a head");
    assert!(!head.replace("\r\n", "").contains(|char: char| char.is_ascii_control()), "{name} {value:?}: {raw:?}");

    let mut connection = server.connect();
    connection.send(&request).await;
    connection.send(wire("GET /next HTTP/1.1|Host: x||")).await;
    let answer = if name == BREAKS_OFF { connection.read_head().await } else { connection.read_response().await };
    if name != BREAKS_OFF && !answer.closes() {
        assert_eq!(connection.read_response().await.text(), "the next", "{name} {value:?}");
    }
    let names = |fields: &Fields| fields.iter().map(|(name, _)| name.to_owned()).collect();
    let log = log.take();
    assert!(!log.replace('\n', "").contains(char::is_control), "{name} {value:?}: {log:?}");
    Shape {
        status: answer.status,
        names: names(&answer.fields),
        trailers: names(&answer.trailers),
        log_lines: log.lines().count(),
    }
}

#[tokio::test(start_paused = true)]
async fn no_value_changes_the_shape_of_an_answer_or_of_the_log() {
    for place in PLACES {
        for accept in ["*/*", "application/json"] {
            let honest = shape(*place, HONEST, accept).await;
            for value in HOSTILE {
                let shape = shape(*place, value, accept).await;
                assert_eq!(shape, honest, "{}: {value:?}", place.0);
            }
        }
    }
}
