//! Owns the trace on the terminal: `firstbyte serve --trace` prints the life of every connection to standard error.
//!
//! The one idea: the server never waits for a terminal. A task takes the events, a thread of its own words and prints them;
//! when the terminal is slower than the server, events are missed, and the trace says how many.
//!
//! ```text
//!   connections ──> Hub ──> task ──(QUEUE_EVENTS_MAX)──> thread: annotate, print ──> stderr
//!                    └ laps a slow task: "… 12 events missed"
//! ```
//!
//! Standard error, so that what a program prints to standard output stays clean. Colours only on a terminal, and not
//! when `NO_COLOR` is set (no-color.org).
//!
//! Never: blocks the server; prints a control byte of a peer unescaped.
//! Limits: `QUEUE_EVENTS_MAX`, `CONNECTIONS_MAX`, below.

use std::collections::{HashMap, HashSet};
use std::fmt::Write as _;
use std::io::{self, IsTerminal, Write};
use std::sync::Arc;
use std::time::Duration;

use tokio::sync::{mpsc, oneshot};
use tokio::time::sleep;

use crate::app::inspect::Inspector;
use crate::app::inspect::annotate::{Annotator, Kind, Line, Way};
use crate::net::tap::{Event, Missed, What};

/// Events that wait for the printing thread.
pub(super) const QUEUE_EVENTS_MAX: usize = 256;

/// Connections whose offsets are remembered.
pub(super) const CONNECTIONS_MAX: usize = 4096;

/// Columns of the bytes; longer ones push the meaning aside.
const TEXT_COLUMNS: usize = 42;

/// Characters of the bytes that are printed.
const TEXT_CHARS_MAX: usize = 100;

/// How often an ending trace looks whether the last connection is over.
const END_CHECK: Duration = Duration::from_millis(20);

type Told = Result<Arc<Event>, Missed>;

/// Prints the life of every connection to standard error, until the server has shut down or nobody can read it. The
/// inspector's own connections are left out as soon as they are known.
///
/// # Cancel safety
/// Dropping the future ends the trace; what was taken is still printed.
pub async fn trace_to_terminal(inspector: Inspector) {
    let stderr = io::stderr();
    let colours = stderr.is_terminal() && std::env::var_os("NO_COLOR").is_none_or(|value| value.is_empty());
    trace_to(stderr, colours, inspector).await;
}

/// As [`trace_to_terminal`], to any writer. It is written to on a thread of its own.
pub async fn trace_to(writer: impl Write + Send + 'static, colours: bool, inspector: Inspector) {
    let (events, queue) = mpsc::channel(QUEUE_EVENTS_MAX);
    let (done, printed) = oneshot::channel::<()>();
    // Not a task: a write to a stopped terminal lasts until it goes on.
    std::thread::spawn(move || {
        // An error means that nobody reads: then nothing is to be said.
        let _ = print(queue, writer, &mut Printer::new(colours));
        drop(done);
    });
    forward(&inspector, events).await;
    let _ = printed.await;
}

async fn forward(inspector: &Inspector, events: mpsc::Sender<Told>) {
    let mut watch = inspector.watched().hub.watch();
    // Connections of which something was printed and whose end was not seen.
    let mut traced = HashSet::new();
    loop {
        let told = tokio::select! {
            biased;
            told = watch.next() => told,
            () = all_over(inspector) => return,
        };
        let Some(told) = leave_out_own(inspector, told, &mut traced) else { continue };
        if events.send(told).await.is_err() {
            return;
        }
    }
}

/// What is printed of `told`: of a connection that turns out to be the inspector's own, that it is, and then nothing.
fn leave_out_own(inspector: &Inspector, told: Told, traced: &mut HashSet<u64>) -> Option<Told> {
    let event = match told {
        Ok(event) => event,
        Err(missed) => {
            traced.clear();
            return Some(Err(missed));
        }
    };
    let Event { connection, at, when, .. } = *event;
    if inspector.is_own(connection) {
        let decision = "the inspector's own: not traced further".to_owned();
        let last = Event { connection, at, when, what: What::Decided { decision, section: "" } };
        return traced.remove(&connection).then(|| Ok(Arc::new(last)));
    }
    if matches!(event.what, What::Closed { .. }) {
        traced.remove(&connection);
    } else {
        traced.insert(connection);
    }
    Some(Ok(event))
}

/// Resolves when the server is shutting down and no connection is left.
async fn all_over(inspector: &Inspector) {
    inspector.watched().shutdown.draining().await;
    while !inspector.watched().registry.is_empty() {
        sleep(END_CHECK).await;
    }
}

/// Prints what comes until nothing more does, as much at once as there is.
fn print(mut queue: mpsc::Receiver<Told>, mut writer: impl Write, printer: &mut Printer) -> io::Result<()> {
    let mut out = String::new();
    while let Some(told) = queue.blocking_recv() {
        printer.print(told, &mut out);
        while let Ok(told) = queue.try_recv() {
            printer.print(told, &mut out);
        }
        writer.write_all(out.as_bytes())?;
        writer.flush()?;
        out.clear();
    }
    Ok(())
}

/// Words events, one aligned line each.
struct Printer {
    colours: bool,
    annotators: HashMap<u64, Annotator>,
}

impl Printer {
    fn new(colours: bool) -> Printer {
        Printer { colours, annotators: HashMap::new() }
    }

    fn print(&mut self, told: Told, out: &mut String) {
        match told {
            Ok(event) => self.print_event(&event, out),
            Err(Missed(count)) => {
                self.annotators.clear();
                *out += &format!("… {count} events missed\n");
            }
        }
    }

    fn print_event(&mut self, event: &Event, out: &mut String) {
        if self.annotators.len() > CONNECTIONS_MAX {
            self.annotators.clear();
        }
        for line in self.annotators.entry(event.connection).or_default().annotate(event) {
            self.print_line(event, &line, out);
        }
        if matches!(event.what, What::Closed { .. }) {
            self.annotators.remove(&event.connection);
        }
    }

    fn print_line(&self, event: &Event, line: &Line, out: &mut String) {
        let way = match line.way {
            Way::In => "in",
            Way::Out => "out",
            Way::Here => "",
        };
        let bytes = line.bytes.map_or(String::new(), |(start, end)| format!("{start}..{end}"));
        let (dim, colour, plain) = if self.colours { ("\x1b[2m", colour(line), "\x1b[0m") } else { ("", "", "") };
        let id = format!("#{}", event.connection);
        let _ = write!(out, "{dim}{id:<5} {:>11}  {way:<3} {bytes:>11}  {plain}{colour}", time(event.at));
        let columns = push_shortened(out, &line.text);
        let _ = write!(out, "{plain}{:width$}  {}", "", line.note, width = TEXT_COLUMNS.saturating_sub(columns));
        if !line.section.is_empty() {
            let _ = write!(out, "{dim}, {}{plain}", line.section);
        }
        out.push('\n');
    }
}

/// Appends `text`, or as much of it as is printed, and says how many columns it took. Bytes of the wire are escaped
/// already; why an answer broke off is in the words of an application, which may be those of a peer.
fn push_shortened(out: &mut String, text: &str) -> usize {
    let visible = |char: char| if char.is_control() { '\u{fffd}' } else { char };
    out.extend(text.chars().take(TEXT_CHARS_MAX).map(visible));
    match text.chars().count() {
        columns @ 0..=TEXT_CHARS_MAX => columns,
        _ => {
            out.push('…');
            TEXT_CHARS_MAX + 1
        }
    }
}

fn time(at: Duration) -> String {
    if at < Duration::from_secs(1) {
        format!("+{:.3}ms", at.as_secs_f64() * 1_000.0)
    } else {
        format!("+{:.3}s", at.as_secs_f64())
    }
}

fn colour(line: &Line) -> &'static str {
    match (line.kind, line.way) {
        (Kind::Refused, _) => "\x1b[31m",
        (Kind::Start, Way::In) => "\x1b[1;36m",
        (Kind::Start, _) => "\x1b[1;32m",
        (_, Way::In) => "\x1b[36m",
        (_, Way::Out) => "\x1b[32m",
        (Kind::Deadline, _) => "\x1b[33m",
        (Kind::Life, _) => "\x1b[1m",
        _ => "",
    }
}

#[cfg(test)]
mod tests {
    use std::net::SocketAddr;
    use std::sync::{Mutex, PoisonError};

    use super::*;
    use crate::http::server::{Watched, trace};
    use crate::net::registry::Card;
    use tokio::time::Instant;

    fn event(at: Duration, what: What) -> Told {
        Ok(Arc::new(Event { connection: 3, at, when: Instant::now(), what }))
    }

    fn printed(colours: bool, told: impl IntoIterator<Item = Told>) -> String {
        let mut printer = Printer::new(colours);
        let mut out = String::new();
        told.into_iter().for_each(|told| printer.print(told, &mut out));
        out
    }

    #[test]
    fn lines_are_aligned_and_say_where_why_and_what() {
        let head = b"GET / HTTP/1.1\r\nHost: \x1b[31mx\r\n\r\n";
        let head = What::Received { part: trace::REQUEST_HEAD, bytes: (&head[..]).into(), length: head.len() };
        let fired = What::Decided { decision: "d".repeat(200), section: "RFC 9112 9.3" };
        let out = printed(
            false,
            [event(Duration::from_micros(412), head), event(Duration::from_secs(2), fired), Err(Missed(7))],
        );
        let lines: Vec<&str> = out.lines().collect();
        assert_eq!(
            lines[..2],
            [
                r"#3       +0.412ms  in        0..16  GET / HTTP/1.1\r\n                          request-line: GET, origin-form, RFC 9112 3",
                r"#3       +0.412ms  in       16..30  Host: \x1b[31mx\r\n                         the site that is asked for, RFC 9112 3.2",
            ]
        );
        assert!(
            lines[3].starts_with("#3        +2.000s") && lines[3].contains("ddd…  decided, RFC 9112 9.3"),
            "{}",
            lines[3]
        );
        assert_eq!(lines[4], "… 7 events missed");
    }

    #[test]
    fn colours_are_left_out_unless_asked_for() {
        let told = || event(Duration::ZERO, What::Decided { decision: "x".to_owned(), section: "" });
        assert!(!printed(false, [told()]).contains('\x1b'));
        assert!(printed(true, [told()]).contains('\x1b'));
    }

    #[test]
    fn what_an_application_says_does_not_steer_the_terminal() {
        let decision = "the answer broke off: \x1b[2J\r\n#9 forged\u{9b}31m".to_owned();
        let out = printed(false, [event(Duration::ZERO, What::Decided { decision, section: "" })]);
        assert!(out.lines().count() == 1 && out.contains("broke off: \u{fffd}[2J\u{fffd}\u{fffd}#9"), "{out:?}");
        assert!(!out.trim_end().contains(char::is_control), "{out:?}");
    }

    #[derive(Clone, Default)]
    struct Sink(Arc<Mutex<Vec<u8>>>);

    impl Write for Sink {
        fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
            self.0.lock().unwrap_or_else(PoisonError::into_inner).extend_from_slice(bytes);
            Ok(bytes.len())
        }

        fn flush(&mut self) -> io::Result<()> {
            Ok(())
        }
    }

    #[test]
    fn a_connection_that_turns_out_to_be_the_inspectors_own_is_said_to_be_and_left_out() {
        let inspector = Inspector::new(&Watched::default(), false);
        let mut traced = HashSet::new();
        let mut out = String::new();
        let mut printer = Printer::new(false);
        for decision in ["before", "at its request", "after"] {
            let told = event(Duration::ZERO, What::Decided { decision: decision.to_owned(), section: "" });
            if let Some(told) = leave_out_own(&inspector, told, &mut traced) {
                printer.print(told, &mut out);
            }
            inspector.own(3);
        }
        let lines: Vec<&str> = out.lines().collect();
        assert_eq!(lines.len(), 2, "{out}");
        assert!(lines[0].contains("before") && lines[1].contains("the inspector's own"), "{out}");
        assert!(traced.is_empty());
    }

    #[tokio::test]
    async fn it_ends_with_the_server_and_prints_all_but_the_inspectors_own() {
        let watched = Watched::default();
        let inspector = Inspector::new(&watched, false);
        inspector.own(2);
        let sink = Sink::default();
        let tracing = tokio::spawn(trace_to(sink.clone(), false, inspector));
        let mut taps =
            [1, 2].map(|id| watched.hub.tap(&Card::new(id, SocketAddr::from(([127, 0, 0, 1], 9)), Instant::now())));
        while !taps[0].is_watched() {
            tokio::task::yield_now().await;
        }
        taps.iter_mut().for_each(|tap| tap.decided("seen", ""));
        watched.shutdown.begin();
        tracing.await.expect("no panic");
        assert!(!taps[0].is_watched(), "the watch is given back");
        let printed = String::from_utf8(sink.0.lock().expect("whole").clone()).expect("text");
        assert!(printed.contains("#1 ") && !printed.contains("#2 "), "{printed}");
        assert_eq!(printed.lines().count(), 2, "{printed}");
    }
}
