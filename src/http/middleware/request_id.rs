//! Owns the name of a request: one short id that the client, the log and the services behind can all quote.
//!
//! The one idea: whoever comes first names it. An id that a proxy or client sends is kept when it is harmless; otherwise
//! a new one is made, a UUID whose first bits are the time, so that ids sort as their requests came.
//!
//! ```text
//!   X-Request-Id: job-7  ──> [RequestIdValue "job-7"] ──> handler ──> X-Request-Id: job-7
//!   X-Request-Id: a"b\n  ──> [RequestIdValue 0198…]   ──> handler ──> X-Request-Id: 0198…
//! ```
//!
//! An id is a label and no secret: clients choose it, so nothing may be decided by it.
//!
//! Spec: RFC 9562 5.7 (UUIDv7), 6.2 (monotonicity).
//! Never: takes a byte into an id that could break a log line, a URL or a field.
//! Invariant: an id has 1 to [`ID_BYTES_MAX`] bytes of `A-Z a-z 0-9 . _ -`.
//! Place: outermost, so that whatever happens inside has a name.

use std::fmt;
use std::hash::{BuildHasher, RandomState};
use std::sync::LazyLock;
use std::sync::atomic::{AtomicU64, Ordering::Relaxed};
use std::time::{SystemTime, UNIX_EPOCH};

use uuid::{Builder, Uuid};

use crate::http::field::{OwnStart, name};
use crate::http::handler::Link;
use crate::http::middleware::Place;
use crate::http::{Fields, Handler, Middleware, Request, Response};

/// Longest id that is taken from a client, in bytes.
pub const ID_BYTES_MAX: usize = 64;

/// How the line of an answer begins.
const LINE: OwnStart = OwnStart::new("X-Request-Id: ");

/// Names each request: [`RequestIdValue`] inside, `X-Request-Id` in the answer.
#[derive(Clone, Copy, Debug, Default)]
pub struct RequestId;

/// The id of a request: `request.value::<RequestIdValue>()`.
#[derive(Clone, Copy, PartialEq, Eq)]
pub struct RequestIdValue {
    bytes: [u8; ID_BYTES_MAX],
    len: u8,
}

impl Middleware for RequestId {
    async fn handle<N: Handler>(&self, mut request: Request, next: &N) -> Response {
        let id = RequestIdValue::received(request.fields()).unwrap_or_else(RequestIdValue::new);
        request.insert(id);
        let mut response = next.handle(request).await;
        response.fields_mut().remove(name::X_REQUEST_ID);
        // Where it came with the request, it was looked through byte by byte when it was read.
        response.fields_mut().push_own_with(&LINE, &[id.as_bytes()]);
        response
    }

    fn link(&self) -> Link {
        Link { name: "request_id", place: Some(Place::RequestId) }
    }
}

impl RequestIdValue {
    /// A new id, later in order than those made before it in this process.
    #[allow(clippy::new_without_default)]
    pub fn new() -> RequestIdValue {
        let mut bytes = [0; ID_BYTES_MAX];
        let len = next_uuid().as_hyphenated().encode_lower(&mut bytes).len() as u8;
        RequestIdValue { bytes, len }
    }

    /// `id`, when it is harmless.
    pub fn parse(id: &[u8]) -> Option<RequestIdValue> {
        let harmless = |&byte: &u8| byte.is_ascii_alphanumeric() || matches!(byte, b'.' | b'_' | b'-');
        if id.is_empty() || id.len() > ID_BYTES_MAX || !id.iter().all(harmless) {
            return None;
        }
        let mut bytes = [0; ID_BYTES_MAX];
        bytes[..id.len()].copy_from_slice(id);
        Some(RequestIdValue { bytes, len: id.len() as u8 })
    }

    /// The id.
    pub fn as_str(&self) -> &str {
        std::str::from_utf8(self.as_bytes()).unwrap_or_default()
    }

    fn as_bytes(&self) -> &[u8] {
        &self.bytes[..usize::from(self.len)]
    }

    /// The id that came with the request. Two of them are none: each hop might quote another one.
    fn received(fields: &Fields) -> Option<RequestIdValue> {
        let mut lines = fields.all(name::X_REQUEST_ID);
        let first = lines.next()?;
        if lines.next().is_some() { None } else { RequestIdValue::parse(first) }
    }
}

/// A new UUID of version 7: 48 bits of time, 12 of a counter, 62 scattered from a seed.
///
/// RFC 9562 6.2: the counter keeps those of one millisecond in order; when it is full, the time goes ahead of the clock.
/// The last bits are what stands before them, scattered from a seed that each process draws: an id is no secret.
fn next_uuid() -> Uuid {
    static LAST: AtomicU64 = AtomicU64::new(0);
    static SEED: LazyLock<u64> = LazyLock::new(|| RandomState::new().hash_one(()));
    let since_1970 = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
    let clock_ms = since_1970.as_secs() * 1000 + u64::from(since_1970.subsec_millis());
    let after = |last: u64| (clock_ms << COUNTER_BITS).max(last + 1);
    let last = LAST.fetch_update(Relaxed, Relaxed, |last| Some(after(last))).unwrap_or_default();
    let place = after(last);
    let mut rest = [0; 10];
    rest[..2].copy_from_slice(&(place as u16).to_be_bytes());
    rest[2..].copy_from_slice(&scattered(place ^ *SEED).to_be_bytes());
    Builder::from_unix_timestamp_millis(place >> COUNTER_BITS, &rest).into_uuid()
}

/// Another number for each number, which differs in about half of its bits (the finish of SplitMix64).
const fn scattered(number: u64) -> u64 {
    let number = (number ^ number >> 30).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    let number = (number ^ number >> 27).wrapping_mul(0x94d0_49bb_1331_11eb);
    number ^ number >> 31
}

/// Bits of [`next_uuid`]'s counter: those that RFC 9562 5.7 calls `rand_a`.
const COUNTER_BITS: u32 = 12;

impl fmt::Display for RequestIdValue {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

impl fmt::Debug for RequestIdValue {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "RequestIdValue({self})")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// What the handler sees, and the field of the answer.
    async fn ids(request: Request) -> (String, String) {
        async fn tell(request: Request) -> String {
            request.value::<RequestIdValue>().expect("an id").to_string()
        }
        let mut response = RequestId.around(tell).handle(request).await;
        let inside = response.body_mut().collect(100).await.expect("a body");
        (String::from_utf8(inside.to_vec()).expect("text"), response.field("x-request-id").expect("a field").to_owned())
    }

    #[tokio::test]
    async fn a_harmless_id_is_kept() {
        for id in ["7", "job-7.retry_2", &"x".repeat(64), "01890a5d-ac96-774b-bcce-b302099a8057"] {
            let (inside, field) = ids(Request::get("/").with("x-request-id", id)).await;
            assert_eq!((inside.as_str(), field.as_str()), (id, id));
        }
    }

    #[tokio::test]
    async fn a_harmful_id_is_replaced() {
        let overlong = "x".repeat(65);
        for id in ["", " ", "a b", "a\"b", "a\tb", "\u{1b}[31mred", "a,b", "<script>", "../..", "é", &overlong] {
            let (inside, field) = ids(Request::get("/").with("x-request-id", id)).await;
            assert_eq!(inside, field);
            assert!(Uuid::parse_str(&field).is_ok_and(|uuid| uuid.get_version_num() == 7), "{id:?} gave {field:?}");
        }
    }

    #[tokio::test]
    async fn two_ids_are_none() {
        let (inside, _) = ids(Request::get("/").with("X-Request-Id", "a").with("X-Request-Id", "b")).await;
        assert!(Uuid::parse_str(&inside).is_ok());
    }

    #[tokio::test]
    async fn new_ids_rise_and_a_handler_cannot_add_a_second() {
        let handler = RequestId.around(|_: Request| async { Response::text("").with("X-Request-Id", "mine") });
        let mut before = String::new();
        for _ in 0..100 {
            let response = handler.handle(Request::get("/")).await;
            assert_eq!(response.fields().all("x-request-id").count(), 1);
            let id = response.field("x-request-id").expect("an id").to_owned();
            assert!(id > before, "{id} after {before}");
            before = id;
        }
    }
}
