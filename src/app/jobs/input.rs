//! Owns how content becomes a job or a schedule, and everything that is wrong with it, at once.
//!
//! The one idea: a form is turned into the JSON that it stands for, and read the same way.
//!
//! ```text
//!   {"kind":"echo","payload":{},"delay_ms":500} ──┐
//!                                                 ├──> Fields ── take, need ──> NewJob, or all that is wrong
//!   kind=echo&payload={}&delay_ms=500 ────────────┘
//! ```
//!
//! Never: takes a part of what it was given and is silent on the rest: an unknown member is wrong too.

use std::fmt::Display;
use std::time::Duration;

use jiff::{SignedDuration, Timestamp};
use serde_json::{Map, Value};

use crate::app::jobs::error::{Error, Wrong};
use crate::app::queue::cron::{Cron, Zone};
use crate::app::queue::domain::{DELAY_MAX, JobKey, KindName, NewJob, PAYLOAD_BYTES_MAX, TIMEOUT, TRIES, When};
use crate::app::queue::schedule::{KEY_PREFIX, NewSchedule, ScheduleName};
use crate::http::Request;

/// The field that makes a request safe to be sent again.
const IDEMPOTENCY_KEY: &str = "Idempotency-Key";

/// Members of a form whose text is JSON.
const JSON_MEMBERS: [&str; 5] = ["payload", "priority", "delay_ms", "tries_max", "timeout_ms"];

/// Reads a job.
///
/// # Errors
/// All that is wrong with it.
pub(super) fn job(content: Value) -> Result<NewJob, Error> {
    let mut fields = Fields::of(content)?;
    let kind = fields.need("kind", name::<KindName>);
    let payload = fields.payload();
    let priority = fields.take("priority", |value| number(value, i64::from(i16::MIN), i64::from(i16::MAX)));
    let delay = fields.take("delay_ms", |value| number(value, 0, DELAY_MAX.as_millis() as i64));
    let at = fields.take("run_at", instant);
    let tries = fields.take("tries_max", |value| number(value, i64::from(*TRIES.start()), i64::from(*TRIES.end())));
    let longest = TIMEOUT.end().as_millis() as i64;
    let timeout = fields.take("timeout_ms", |value| number(value, TIMEOUT.start().as_millis() as i64, longest));
    if delay.is_some() && at.is_some() {
        fields.wrong("delay_ms", "contradictory", "and run_at cannot both be meant");
    }
    fields.end()?;
    let mut job = NewJob::new(kind.ok_or_else(nothing)?, payload);
    job.run_at = match (delay, at) {
        (Some(delay), _) => When::In(Duration::from_millis(delay as u64)),
        (None, Some(at)) => When::At(at),
        (None, None) => When::Now,
    };
    job.priority = priority.map_or(job.priority, |priority| priority as i16);
    job.tries_max = tries.map_or(job.tries_max, |tries| tries as u16);
    job.timeout = timeout.map_or(job.timeout, |timeout| Duration::from_millis(timeout as u64));
    Ok(job)
}

/// Reads a schedule.
///
/// # Errors
/// All that is wrong with it.
pub(super) fn schedule(content: Value) -> Result<NewSchedule, Error> {
    let mut fields = Fields::of(content)?;
    let name = fields.need("name", name::<ScheduleName>);
    let cron = fields.need("cron", |value| Cron::parse(text(&value)?).map_err(|error| error.to_string()));
    let zone = fields.take("zone", |value| Zone::parse(text(&value)?).map_err(|error| error.to_string()));
    let kind = fields.need("kind", self::name::<KindName>);
    let payload = fields.payload();
    let is_enabled =
        fields.take("enabled", |value| value.as_bool().ok_or_else(|| "is neither true nor false".to_owned()));
    fields.end()?;
    let (Some(name), Some(cron), Some(kind)) = (name, cron, kind) else { return Err(nothing()) };
    let new = NewSchedule::new(name, cron.in_zone(zone.unwrap_or(Zone::UTC)), kind, payload);
    Ok(NewSchedule { is_enabled: is_enabled.unwrap_or(true), ..new })
}

/// The key of a request, if it has one.
///
/// # Errors
/// What is no key, is two, or belongs to a schedule.
pub(super) fn key(request: &Request) -> Result<Option<JobKey>, Error> {
    let mut lines = request.fields().all(IDEMPOTENCY_KEY);
    match (lines.next(), lines.next()) {
        (None, _) => Ok(None),
        (Some(line), None) => {
            let text = std::str::from_utf8(line).map_err(|_| Error::Key("is no UTF-8".into()))?;
            key_of(text).map(Some)
        }
        // RFC 9110 5.3: a field that is no list stands once.
        (Some(_), Some(_)) => Err(Error::Key("stands twice".into())),
    }
}

/// The key that a client has chosen.
///
/// # Errors
/// What is no key, or belongs to a schedule: who takes it keeps that instant from running.
pub(super) fn key_of(text: &str) -> Result<JobKey, Error> {
    if text.starts_with(KEY_PREFIX) {
        return Err(Error::Key(format!("begins with {KEY_PREFIX}, as those of schedules do").into()));
    }
    JobKey::parse(text).map_err(|error| Error::Key(format!("is none: {error}").into()))
}

/// A form as the JSON that it stands for. Fields that are empty are not there.
///
/// # Errors
/// A payload that is no JSON.
pub(super) fn of_form(pairs: Vec<(String, String)>) -> Result<Value, Error> {
    let mut members = Map::new();
    let mut wrongs = Vec::new();
    for (name, text) in pairs.into_iter().filter(|(_, text)| !text.trim().is_empty()) {
        let value = if JSON_MEMBERS.contains(&name.as_str()) {
            serde_json::from_str(&text).unwrap_or_else(|error| {
                wrongs.push(Wrong::of(&name, "invalid", format!("is no JSON: {error}")));
                Value::Null
            })
        } else {
            Value::String(text.trim().to_owned())
        };
        members.insert(name, value);
    }
    if wrongs.is_empty() { Ok(Value::Object(members)) } else { Err(Error::Invalid(wrongs)) }
}

/// The members of an object that were not read yet, and what was wrong with those that were.
struct Fields {
    members: Map<String, Value>,
    wrongs: Vec<Wrong>,
}

impl Fields {
    fn of(content: Value) -> Result<Fields, Error> {
        match content {
            Value::Object(members) => Ok(Fields { members, wrongs: Vec::new() }),
            _ => {
                let wrong = Wrong { pointer: String::new(), code: "invalid", detail: "is no object".to_owned() };
                Err(Error::Invalid(vec![wrong]))
            }
        }
    }

    fn take<T>(&mut self, name: &str, read: impl FnOnce(Value) -> Result<T, String>) -> Option<T> {
        let value = self.members.remove(name).filter(|value| !value.is_null())?;
        match read(value) {
            Ok(read) => Some(read),
            Err(detail) => {
                self.wrong(name, "invalid", detail);
                None
            }
        }
    }

    fn need<T>(&mut self, name: &str, read: impl FnOnce(Value) -> Result<T, String>) -> Option<T> {
        if self.members.get(name).is_none_or(Value::is_null) {
            self.members.remove(name);
            self.wrong(name, "missing", "is missing");
            return None;
        }
        self.take(name, read)
    }

    fn payload(&mut self) -> Value {
        let payload = self.members.remove("payload").unwrap_or_default();
        let bytes = serde_json::to_vec(&payload).map_or(usize::MAX, |json| json.len());
        if bytes > PAYLOAD_BYTES_MAX {
            self.wrong("payload", "too_large", format!("has {bytes} bytes; {PAYLOAD_BYTES_MAX} are the most"));
        }
        payload
    }

    fn wrong(&mut self, name: &str, code: &'static str, detail: impl Into<String>) {
        self.wrongs.push(Wrong::of(name, code, detail));
    }

    fn end(mut self) -> Result<(), Error> {
        let unknown = self.members.keys().map(|name| Wrong::of(name, "unknown", "is not known"));
        self.wrongs.extend(unknown);
        if self.wrongs.is_empty() { Ok(()) } else { Err(Error::Invalid(self.wrongs)) }
    }
}

/// What is there whenever nothing is wrong.
fn nothing() -> Error {
    Error::Invalid(Vec::new())
}

fn text(value: &Value) -> Result<&str, String> {
    value.as_str().ok_or_else(|| "is no text".to_owned())
}

fn name<T: std::str::FromStr<Err: Display>>(value: Value) -> Result<T, String> {
    text(&value)?.parse().map_err(|error| format!("is no name: {error}"))
}

/// The queue would bring it nearer without a word. This clock is near enough to that of the queue to say so.
fn instant(value: Value) -> Result<Timestamp, String> {
    let at: Timestamp = text(&value)?.parse().map_err(|_| "is no instant, as in 2026-11-21T14:30:00Z".to_owned())?;
    let latest = Timestamp::now().saturating_add(SignedDuration::try_from(DELAY_MAX).unwrap_or_default());
    if latest.is_ok_and(|latest| at > latest) { Err("is more than a year ahead".to_owned()) } else { Ok(at) }
}

fn number(value: Value, min: i64, max: i64) -> Result<i64, String> {
    let number = value.as_i64().filter(|number| (min..=max).contains(number));
    number.ok_or_else(|| format!("is no whole number from {min} to {max}"))
}
