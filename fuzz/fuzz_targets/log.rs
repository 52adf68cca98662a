//! Fuzzes the log: any bytes come in, and for each request that a handler sees there is one line in the access log, with
//! the fields that it always has and no other, and for each failure of a handler one line that says it.
//!
//! ```text
//!   bytes ──> server ──> RequestId ──> Logger ──> handler: so many requests; fails where there is content, and quotes it
//!                                        ├─ text: as many lines, of visible ASCII, each with the keys in their order
//!                                        └─ JSON: as many lines, each one object, that says the same
//! ```

#![no_main]

use std::sync::{Arc, Mutex};

use firstbyte::http::explain::Problem;
use firstbyte::http::handler::Around;
use firstbyte::http::middleware::{Logger, RequestId};
use firstbyte::http::test::TestServer;
use firstbyte::http::{Handler, IntoResponse, Middleware, Request, Response, Server, Status};
use firstbyte_fuzz::judge::log::Log;
use firstbyte_fuzz::tape::{Paused, lock};
use libfuzzer_sys::fuzz_target;
use serde_json::Value;
use tracing_subscriber::filter::LevelFilter;
use tracing_subscriber::prelude::*;

/// The keys of a line, in their order. There is neither a route here nor a stream that ends badly.
const KEYS: [&str; 7] = ["method", "request_target", "status", "bytes", "duration_us", "client", "request_id"];

thread_local! {
    static STAGE: Stage = Stage::new();
}

fuzz_target!(|input: &[u8]| STAGE.with(|stage| stage.play(input)));

/// What was handled.
#[derive(Clone, Default)]
struct Counting(Arc<Mutex<Counts>>);

#[derive(Default)]
struct Counts {
    requests: usize,
    failures: usize,
}

impl Handler for Counting {
    async fn handle(&self, mut request: Request) -> Response {
        lock(&self.0).requests += 1;
        match request.content().collect(u64::MAX).await {
            Ok(content) if content.is_empty() => Response::new(Status::OK),
            Ok(content) => {
                lock(&self.0).failures += 1;
                Problem::internal(String::from_utf8_lossy(&content)).into_response()
            }
            Err(error) => Problem::of_body(error).into_response(),
        }
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
        let lines = tracing_subscriber::fmt::layer().without_time().with_ansi(false).with_writer(text.clone());
        let objects = tracing_subscriber::fmt::layer().json().flatten_event(true).with_writer(json.clone());
        tracing_subscriber::registry().with(LevelFilter::INFO).with(lines).with(objects).init();
        let server = TestServer::new(Server::new(RequestId.around(Logger.around(handled.clone()))));
        Stage { clock: Paused::default(), server, handled, text, json }
    }

    fn play(&self, input: &[u8]) {
        self.clock.answers(&self.server, input);
        let Counts { requests, failures } = std::mem::take(&mut *lock(&self.handled.0));
        let (text, json) = (self.text.take(), self.json.take());
        let (lines, objects) = (whole_lines(&text), whole_lines(&json));
        assert_eq!((lines.len(), objects.len()), (requests + failures, requests + failures), "{text}");
        let mut access = 0;
        for (line, object) in lines.into_iter().zip(objects) {
            access +=
                usize::from(check(line, object).unwrap_or_else(|wrong| panic!("{wrong} in {line:?}, {object:?}")));
        }
        assert_eq!(access, requests, "{text}");
    }
}

fn whole_lines(log: &str) -> Vec<&str> {
    assert!(log.is_empty() || log.ends_with('\n'), "{log:?}");
    log.split_terminator(['\n', '\r']).collect()
}

/// A line says what its object says, in words that end where they end. Whether it is one of the access log.
fn check(line: &str, object: &str) -> Result<bool, String> {
    let object: Value = serde_json::from_str(object).map_err(|error| error.to_string())?;
    if line.chars().any(char::is_control) {
        return Err("a control".to_owned());
    }
    let (level, rest) = line.trim_start().split_once(' ').ok_or("no level")?;
    if object["target"] != "access" {
        let is_failure =
            rest.starts_with("firstbyte::http::explain: a handler failed detail=\"") && rest.ends_with('"');
        return if is_failure && level == "ERROR" { Ok(false) } else { Err("another line".to_owned()) };
    }
    let fields = rest.strip_prefix("access: ").ok_or("no beginning")?;
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
    words.next().map_or(Ok(true), |word| Err(format!("{word} besides")))
}
