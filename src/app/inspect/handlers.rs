//! Owns the answers of the inspector: the page, the table and one connection's exchange, each at rest and live.
//!
//! The one idea: a live answer is a task that looks at the registry and the histories some times a second, and does not
//! subscribe to every event: it has the same work whether the server is idle or busy, and no crowd of other connections
//! makes it miss the one that is looked at.
//!
//! Spec: WHATWG HTML 9.2 (Server-Sent Events).
//! Never: keeps a [`Watch`](crate::net::tap::Watch) after its viewer has left, or delays a shutdown.

use std::time::Duration;

use serde::Serialize;

use crate::app::inspect::annotate::{Annotator, Line};
use crate::app::inspect::{Inspector, access};
use crate::app::page::{self, Asset, Page, Wanted};
use crate::http::input::Rejection;
use crate::http::sse::{self, EventSender};
use crate::http::{Fault, Problem, Request, Response, Router};
use crate::net::tap::{Event, What};

/// How often the table is sent.
const TABLE_EVERY: Duration = Duration::from_millis(250);

/// How often the new events of one connection are sent.
const LINES_EVERY: Duration = Duration::from_millis(100);

/// Messages that wait for a viewer.
pub(super) const WAITING_MAX: usize = 4;

static STYLE: Asset = Asset::new("/assets/inspect.css", "text/css; charset=utf-8", include_str!("page.css"));
static SCRIPT: Asset = Asset::new("/assets/inspect.js", "text/javascript; charset=utf-8", include_str!("page.js"));

static PAGE: Page<'static> = Page {
    title: "Wire inspector",
    here: "/inspect",
    main: include_str!("page.html"),
    styles: &[&STYLE],
    scripts: &[&SCRIPT],
};

/// Adds the inspector's routes.
pub fn routes<S: Clone + Send + Sync + 'static>(router: Router<S>, inspector: Inspector) -> Router<S> {
    let [page_of, table_of, events_of, exchange_of, lines_of] = std::array::from_fn(|_| inspector.clone());
    let router = router
        .route("GET /inspect", move |_, request| page(page_of.clone(), request))
        .route("GET /inspect/connections", move |_, request| table(table_of.clone(), request))
        .route("GET /inspect/events", move |_, request| table_events(events_of.clone(), request))
        .route("GET /inspect/connections/{id}", move |_, request| exchange(exchange_of.clone(), request))
        .route("GET /inspect/connections/{id}/events", move |_, request| exchange_events(lines_of.clone(), request));
    SCRIPT.route(STYLE.route(router))
}

/// Lets the request in, and remembers whose connection it came by.
fn admit(inspector: &Inspector, request: &Request) -> Result<(), Problem> {
    access::admit(request, inspector.shared.allow_remote)?;
    inspector.own(request.peer().connection());
    Ok(())
}

async fn page(inspector: Inspector, request: Request) -> Result<Response, Rejection> {
    admit(&inspector, &request)?;
    let response = match page::wanted(&request) {
        Wanted::Html => Response::html(PAGE.html()),
        Wanted::Json => Response::json(&inspector.table()),
        Wanted::Text => Response::text(inspector.table().text()),
    };
    Ok(page::negotiated(response))
}

async fn table(inspector: Inspector, request: Request) -> Result<Response, Rejection> {
    admit(&inspector, &request)?;
    Ok(page::fresh(Response::json(&inspector.table())))
}

async fn table_events(inspector: Inspector, request: Request) -> Result<Response, Rejection> {
    admit(&inspector, &request)?;
    let (events, response) = Response::sse_channel(WAITING_MAX);
    tokio::spawn(async move {
        let _watch = inspector.watched().hub.watch();
        while send(&events, "table", &inspector.table()).await && tick(&inspector, &events, TABLE_EVERY).await {}
    });
    Ok(page::guarded(response))
}

async fn exchange(inspector: Inspector, request: Request) -> Result<Response, Rejection> {
    admit(&inspector, &request)?;
    let connection = known_connection(&inspector, &request)?;
    Ok(page::fresh(Response::json(&Exchange::new(connection).next(&inspector))))
}

async fn exchange_events(inspector: Inspector, request: Request) -> Result<Response, Rejection> {
    admit(&inspector, &request)?;
    let mut exchange = Exchange::new(known_connection(&inspector, &request)?);
    let (events, response) = Response::sse_channel(WAITING_MAX);
    tokio::spawn(async move {
        let _watch = inspector.watched().hub.watch();
        // A mirror that faces a mirror: each message would tell of the one before.
        while !inspector.is_own(exchange.connection) {
            let lines = exchange.next(&inspector);
            let sent = lines.is_empty() || send(&events, "lines", &lines).await;
            if !sent || exchange.is_over || !tick(&inspector, &events, LINES_EVERY).await {
                break;
            }
        }
        // A browser asks again for what just ends.
        let over = Over { closed: exchange.is_over, own: inspector.is_own(exchange.connection) };
        send(&events, "over", &over).await;
    });
    Ok(page::guarded(response))
}

/// The connection that the path names, when there is something to show.
fn known_connection(inspector: &Inspector, request: &Request) -> Result<u64, Rejection> {
    let id = request.path("id")?;
    if inspector.watched().hub.history(id, u64::MAX).is_some() || is_open(inspector, id) {
        return Ok(id);
    }
    let detail = format!("connection {id} is closed, and its events are not kept (any longer)");
    Err(Problem::new(Fault::NotFound).with_detail(detail).into())
}

/// Waits for the next moment to send something; false when there is none.
async fn tick(inspector: &Inspector, events: &EventSender, every: Duration) -> bool {
    tokio::select! {
        biased;
        () = inspector.watched().shutdown.draining() => false,
        () = events.closed() => false,
        () = tokio::time::sleep(every) => true,
    }
}

/// Whether the viewer is still there.
async fn send(events: &EventSender, name: &str, message: &impl Serialize) -> bool {
    // Rows and lines are strings and numbers: they can always be written.
    let Ok(event) = sse::Event::json(message) else { return false };
    events.send(event.with_event(name)).await.is_ok()
}

/// One connection's events as a viewer gets them, piece by piece.
struct Exchange {
    connection: u64,
    annotator: Annotator,
    /// The number of the next event.
    next: u64,
    is_over: bool,
}

/// What is new of an exchange.
#[derive(Serialize)]
struct Lines {
    connection: u64,
    /// Events before these that are not kept.
    missed: u64,
    lines: Vec<TimedLine>,
}

/// Why no more is told.
#[derive(Serialize)]
struct Over {
    /// The connection is closed.
    closed: bool,
    /// It is a viewer's.
    own: bool,
}

#[derive(Serialize)]
struct TimedLine {
    /// Microseconds since the connection was accepted.
    at_us: u64,
    #[serde(flatten)]
    line: Line,
}

impl Exchange {
    fn new(connection: u64) -> Exchange {
        Exchange { connection, annotator: Annotator::new(), next: 0, is_over: false }
    }

    /// The lines of the events since the last call.
    fn next(&mut self, inspector: &Inspector) -> Lines {
        let mut new = Lines { connection: self.connection, missed: 0, lines: Vec::new() };
        let Some(kept) = inspector.watched().hub.history(self.connection, self.next) else {
            self.is_over = !is_open(inspector, self.connection);
            return new;
        };
        new.missed = kept.first - self.next;
        if new.missed > 0 {
            self.annotator.missed();
        }
        self.next = kept.first + kept.events.len() as u64;
        new.lines = kept.events.iter().flat_map(|event| self.annotate(event)).collect();
        new
    }

    fn annotate(&mut self, event: &Event) -> Vec<TimedLine> {
        self.is_over |= matches!(event.what, What::Closed { .. });
        let at_us = event.at.as_micros() as u64;
        self.annotator.annotate(event).into_iter().map(|line| TimedLine { at_us, line }).collect()
    }
}

impl Lines {
    fn is_empty(&self) -> bool {
        self.missed == 0 && self.lines.is_empty()
    }
}

fn is_open(inspector: &Inspector, connection: u64) -> bool {
    inspector.watched().registry.snapshots().iter().any(|card| card.id == connection)
}
