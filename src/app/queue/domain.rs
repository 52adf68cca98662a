//! Owns what a job is before it is stored: its kind, its key, when it may run and how often it is tried.
//!
//! The one idea: parse, do not check. A [`KindName`] and a [`JobKey`] fit where they are put, and a [`NewJob`] says everything
//! that a worker has to know, so that any process may work it.
//!
//! Spec: RFC 9562 5.7 and 6.2 (UUIDs of version 7, monotonic within this process).
//! Never: does I/O; says what time it is for others: [`When`] is resolved by the clock of the store.
//! Limits: [`KIND_CHARS_MAX`], [`KEY_BYTES_MAX`], [`PAYLOAD_BYTES_MAX`], [`TRIES`], [`TIMEOUT`], [`DELAY_MAX`].

mod job;

use std::fmt;
use std::ops::RangeInclusive;
use std::str::FromStr;
use std::sync::atomic::{AtomicU64, Ordering::Relaxed};
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use jiff::Timestamp;
use serde::{Serialize, Serializer};
use serde_json::Value;
use uuid::{Builder, Uuid};

use crate::crypto;

pub use job::{Attempt, Counted, Counts, Cursor, Filter, Job, Page, State};

/// Characters of a kind.
pub const KIND_CHARS_MAX: usize = 64;

/// Bytes of a key.
pub const KEY_BYTES_MAX: usize = 255;

/// Bytes of a payload as JSON, and of a result.
pub const PAYLOAD_BYTES_MAX: usize = 64 * 1024;

/// How often a job may be tried.
pub const TRIES: RangeInclusive<u16> = 1..=1_000;

/// How long a try may take.
pub const TIMEOUT: RangeInclusive<Duration> = Duration::from_millis(1)..=Duration::from_secs(24 * 60 * 60);

/// How far ahead a job may be put off.
pub const DELAY_MAX: Duration = Duration::from_secs(366 * 24 * 60 * 60);

/// What is tried when nothing is said.
const TRIES_DEFAULT: u16 = 10;

const TIMEOUT_DEFAULT: Duration = Duration::from_secs(30);

/// The number of a job: a UUID of version 7, so that a table is filled at its end and a list has an order.
#[derive(Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct JobId(Uuid);

/// What kind of work a job is: `order.confirm`. A small letter, then small letters, digits, `.`, `_` and `-`.
#[derive(Clone, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct KindName(String);

/// What makes a second job of the same request the first one: an idempotency key. No control characters.
#[derive(Clone, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct JobKey(String);

/// Why a text is no kind or no key.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum NameError {
    /// Nothing, or more than it may have.
    Length,
    /// A character that it may not have.
    Character,
}

/// When a job may run, by the clock of the store.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum When {
    /// As soon as there is a worker.
    #[default]
    Now,
    /// After so long.
    In(Duration),
    /// Not before this.
    At(Timestamp),
}

/// A job that is to be stored.
#[derive(Clone, Debug, PartialEq)]
pub struct NewJob {
    /// What kind of work.
    pub kind: KindName,
    /// What the work is about, at most [`PAYLOAD_BYTES_MAX`] as JSON.
    pub payload: Value,
    /// Under a key that is there already nothing is stored.
    pub key: Option<JobKey>,
    /// Of the jobs of one kind, those of higher priority go first. Default: 0.
    pub priority: i16,
    /// When. Default: now.
    pub run_at: When,
    /// How often it is tried before it is a dead letter. A try that killed its worker counts. Default: 10.
    pub tries_max: u16,
    /// How long a try may take, in whole milliseconds. Default: 30 s.
    pub timeout: Duration,
}

impl JobId {
    /// A new one, greater than all that this process has made.
    pub fn new() -> JobId {
        // RFC 9562 6.2 method 1: the 12 bits behind the milliseconds are a counter, which runs over into them.
        static LAST: AtomicU64 = AtomicU64::new(0);
        let since = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
        let now = u64::try_from(since.as_millis()).unwrap_or(u64::MAX >> 12) << 12;
        let next = |last: u64| Some(now.max(last + 1));
        let last = LAST.fetch_update(Relaxed, Relaxed, next).unwrap_or(now);
        let number = now.max(last + 1);
        let mut random: [u8; 10] = crypto::random();
        random[..2].copy_from_slice(&((number & 0xfff) as u16).to_be_bytes());
        JobId(Builder::from_unix_timestamp_millis(number >> 12, &random).into_uuid())
    }

    /// The number as a database keeps it.
    pub fn uuid(self) -> Uuid {
        self.0
    }

    /// The number that a database has kept.
    pub const fn of_uuid(uuid: Uuid) -> JobId {
        JobId(uuid)
    }
}

impl Default for JobId {
    fn default() -> JobId {
        JobId::new()
    }
}

impl KindName {
    /// The kind called `text`.
    ///
    /// # Errors
    /// What no kind is.
    pub fn parse(text: &str) -> Result<KindName, NameError> {
        if !(1..=KIND_CHARS_MAX).contains(&text.len()) {
            return Err(NameError::Length);
        }
        let is_known =
            |byte: u8| byte.is_ascii_lowercase() || byte.is_ascii_digit() || matches!(byte, b'.' | b'_' | b'-');
        if !text.starts_with(|first: char| first.is_ascii_lowercase()) || !text.bytes().all(is_known) {
            return Err(NameError::Character);
        }
        Ok(KindName(text.to_owned()))
    }

    /// The kind called `text`, for a program's own words.
    ///
    /// # Panics
    /// When it is none.
    pub fn known(text: &str) -> KindName {
        KindName::parse(text).unwrap_or_else(|error| panic!("{text}: {error}"))
    }

    /// The name.
    pub fn text(&self) -> &str {
        &self.0
    }
}

impl JobKey {
    /// The key that `text` is.
    ///
    /// # Errors
    /// What no key is.
    pub fn parse(text: &str) -> Result<JobKey, NameError> {
        match text.len() {
            1..=KEY_BYTES_MAX if text.chars().any(char::is_control) => Err(NameError::Character),
            1..=KEY_BYTES_MAX => Ok(JobKey(text.to_owned())),
            _ => Err(NameError::Length),
        }
    }

    /// The key.
    pub fn text(&self) -> &str {
        &self.0
    }
}

impl NewJob {
    /// A job of `kind` about `payload`, all else as it is by default.
    pub fn new(kind: KindName, payload: Value) -> NewJob {
        NewJob {
            kind,
            payload,
            key: None,
            priority: 0,
            run_at: When::Now,
            tries_max: TRIES_DEFAULT,
            timeout: TIMEOUT_DEFAULT,
        }
    }

    /// Under `key`.
    pub fn key(self, key: JobKey) -> NewJob {
        NewJob { key: Some(key), ..self }
    }

    /// With another priority.
    pub fn priority(self, priority: i16) -> NewJob {
        NewJob { priority, ..self }
    }

    /// At another time.
    pub fn run_at(self, run_at: When) -> NewJob {
        NewJob { run_at, ..self }
    }

    /// Tried so often, brought into [`TRIES`].
    pub fn tries_max(self, tries_max: u16) -> NewJob {
        NewJob { tries_max: tries_max.clamp(*TRIES.start(), *TRIES.end()), ..self }
    }

    /// With another time for a try, brought into [`TIMEOUT`].
    pub fn timeout(self, timeout: Duration) -> NewJob {
        NewJob { timeout: timeout.clamp(*TIMEOUT.start(), *TIMEOUT.end()), ..self }
    }

    /// What tells this request from another one under the same key: a hash of all that was asked for.
    pub(super) fn request(&self) -> [u8; 32] {
        let NewJob { kind, payload, key: _, priority, run_at, tries_max, timeout } = self;
        let run_at = match run_at {
            When::Now => String::new(),
            When::In(delay) => format!("+{}", delay.as_millis()),
            When::At(at) => at.to_string(),
        };
        let asked = (kind.text(), payload, priority, run_at, tries_max, timeout.as_millis());
        crypto::sha256(serde_json::to_string(&asked).unwrap_or_default().as_bytes())
    }
}

impl FromStr for JobId {
    type Err = uuid::Error;

    fn from_str(text: &str) -> Result<JobId, uuid::Error> {
        text.parse().map(JobId)
    }
}

impl fmt::Display for JobId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

impl fmt::Debug for JobId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

impl Serialize for JobId {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

impl FromStr for KindName {
    type Err = NameError;

    fn from_str(text: &str) -> Result<KindName, NameError> {
        KindName::parse(text)
    }
}

impl fmt::Display for KindName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl Serialize for KindName {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(&self.0)
    }
}

impl FromStr for JobKey {
    type Err = NameError;

    fn from_str(text: &str) -> Result<JobKey, NameError> {
        JobKey::parse(text)
    }
}

impl fmt::Display for JobKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl Serialize for JobKey {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(&self.0)
    }
}

impl fmt::Display for NameError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            NameError::Length => "it is empty or too long",
            NameError::Character => "it has a character that it may not have",
        })
    }
}

impl std::error::Error for NameError {}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn a_kind_is_a_word_that_fits_everywhere() {
        let check = |text: &str, expected: Result<(), NameError>| {
            assert_eq!(KindName::parse(text).map(drop), expected, "{text:?}");
        };
        for kind in ["a", "order.confirm", "a-1_b.c", &"a".repeat(KIND_CHARS_MAX)] {
            check(kind, Ok(()));
        }
        check("", Err(NameError::Length));
        check(&"a".repeat(KIND_CHARS_MAX + 1), Err(NameError::Length));
        for odd in ["Echo", "1a", ".a", "a b", "a\0", "a\n", "é", "a/b", "a'--", "a{", "a\""] {
            check(odd, Err(NameError::Character));
        }
    }

    #[test]
    fn a_key_is_what_a_client_chose_within_bounds() {
        let check = |text: &str, expected: Result<(), NameError>| {
            assert_eq!(JobKey::parse(text).map(drop), expected, "{text:?}");
        };
        for key in ["a", "schedule:é:1", " ", "'; --", &"k".repeat(KEY_BYTES_MAX)] {
            check(key, Ok(()));
        }
        check("", Err(NameError::Length));
        check(&"é".repeat(KEY_BYTES_MAX / 2 + 1), Err(NameError::Length));
        for odd in ["\0", "a\nb", "\u{7f}", "\u{85}"] {
            check(odd, Err(NameError::Character));
        }
    }

    #[test]
    fn numbers_of_jobs_rise() {
        let ids: Vec<JobId> = (0..10_000).map(|_| JobId::new()).collect();
        assert!(ids.is_sorted_by(|one, other| one < other));
        let version = ids.iter().map(|id| id.uuid().get_version_num()).collect::<std::collections::HashSet<_>>();
        assert_eq!(version.into_iter().collect::<Vec<_>>(), [7]);
        assert_eq!(ids[0].to_string().parse(), Ok(ids[0]));
    }

    #[test]
    fn a_request_is_the_same_only_if_all_of_it_is() {
        let job = || NewJob::new(KindName::known("echo"), json!({"a": 1}));
        let key = JobKey::parse("k").expect("a key");
        assert_eq!(job().request(), job().key(key).request());
        let others = [
            NewJob { kind: KindName::known("ech"), ..job() },
            NewJob { payload: json!({"a": "1"}), ..job() },
            job().priority(1),
            job().tries_max(1),
            job().timeout(Duration::from_secs(1)),
            job().run_at(When::In(Duration::ZERO)),
            job().run_at(When::At(Timestamp::UNIX_EPOCH)),
        ];
        for other in others {
            assert_ne!(job().request(), other.request(), "{other:?}");
        }
    }
}
