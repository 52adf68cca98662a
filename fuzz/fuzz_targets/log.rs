//! Fuzzes the access log: any bytes come in, and for each request that a handler sees there is one line, with the fields
//! that it always has and no other, whatever the peer chose.
//!
//! ```text
//!   bytes ──> server ──> RequestId ──> Logger ──> handler: so many requests
//!                                        ├─ text: as many lines, of visible ASCII, each with the keys in their order
//!                                        └─ JSON: as many lines, each one object, that says the same
//! ```

#![no_main]

use std::io;
use std::sync::atomic::{AtomicUsize, Ordering::Relaxed};
use std::sync::{Arc, Mutex};

use firstbyte::http::handler::Around;
use firstbyte::http::middleware::{Logger, RequestId};
use firstbyte::http::test::TestServer;
use firstbyte::http::{Handler, Middleware, Request, Response, Server, Status};
use firstbyte_fuzz::tape::{Paused, lock};
use libfuzzer_sys::fuzz_target;
use serde_json::Value;
use tracing_subscriber::filter::filter_fn;
use tracing_subscriber::fmt::MakeWriter;
use tracing_subscriber::prelude::*;

/// The keys of a line, in their order. There is neither a route here nor a stream that ends badly.
const KEYS: [&str; 7] = ["method", "request_target", "status", "bytes", "duration_us", "client", "request_id"];

thread_local! {
    static STAGE: Stage = Stage::new();
}

fuzz_target!(|input: &[u8]| STAGE.with(|stage| stage.play(input)));

/// What was logged.
#[derive(Clone, Default)]
struct Log(Arc<Mutex<Vec<u8>>>);

impl Log {
    fn take(&self) -> String {
        String::from_utf8(std::mem::take(&mut lock(&self.0))).expect("UTF-8")
    }
}

impl io::Write for Log {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        lock(&self.0).extend_from_slice(bytes);
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

/// Counts what it answers.
#[derive(Clone, Default)]
struct Counting(Arc<AtomicUsize>);

impl Handler for Counting {
    async fn handle(&self, _: Request) -> Response {
        self.0.fetch_add(1, Relaxed);
        Response::new(Status::OK)
    }
}

struct Stage {
    clock: Paused,
    server: TestServer<Chain>,
    handled: Counting,
    text: Log,
    json: Log,
}

type Chain = Around<RequestId, Around<Logger, Counting>>;

impl Stage {
    /// Logs what this process logs: there is one stage.
    fn new() -> Stage {
        let (handled, text, json) = (Counting::default(), Log::default(), Log::default());
        let only_access = || filter_fn(|event| event.target() == "access");
        let lines = tracing_subscriber::fmt::layer().without_time().with_ansi(false).with_writer(text.clone());
        let objects = tracing_subscriber::fmt::layer().json().flatten_event(true).with_writer(json.clone());
        tracing_subscriber::registry()
            .with(lines.with_filter(only_access()))
            .with(objects.with_filter(only_access()))
            .init();
        let server = TestServer::new(Server::new(RequestId.around(Logger.around(handled.clone()))));
        Stage { clock: Paused::default(), server, handled, text, json }
    }

    fn play(&self, input: &[u8]) {
        self.clock.answers(&self.server, input);
        let handled = self.handled.0.swap(0, Relaxed);
        let (text, json) = (self.text.take(), self.json.take());
        let lines = whole_lines(&text, handled);
        for (line, object) in lines.zip(whole_lines(&json, handled)) {
            check(line, object).unwrap_or_else(|wrong| panic!("{wrong} in {line:?} and {object:?}"));
        }
    }
}

fn whole_lines(log: &str, expected: usize) -> impl Iterator<Item = &str> {
    assert_eq!(log.split_terminator('\n').count(), expected, "{log:?}");
    assert!(log.is_empty() || log.ends_with('\n'), "{log:?}");
    log.split_terminator('\n')
}

/// A line says what its object says, in words that end where they end.
fn check(line: &str, object: &str) -> Result<(), String> {
    let object: Value = serde_json::from_str(object).map_err(|error| error.to_string())?;
    let fields = line.trim_start().strip_prefix("INFO access: ").ok_or("no beginning")?;
    if !fields.bytes().all(|byte| byte == b' ' || byte.is_ascii_graphic()) {
        return Err("something invisible".to_owned());
    }
    let mut words = fields.split(' ');
    for key in KEYS {
        let word = words.next().ok_or("a word is missing")?;
        let said = word.strip_prefix(key).and_then(|rest| rest.strip_prefix('=')).ok_or("another word")?;
        let other = &object[key];
        let other = other.as_str().map_or_else(|| other.to_string(), str::to_owned);
        if said.trim_matches('"') != other {
            return Err(format!("two opinions on {key}"));
        }
    }
    words.next().map_or(Ok(()), |word| Err(format!("{word} besides")))
}
