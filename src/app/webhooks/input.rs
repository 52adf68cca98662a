//! Owns what clients may send: JSON objects that become endpoints, changes, events and demonstrations, with everything that is
//! wrong with them told at once.

use std::fmt;

use bytes::Bytes;
use jiff::Timestamp;
use serde_json::{Map, Value, json};

use super::demo::{LATENCY_MS_MAX, RECEIVERS_MAX};
use super::domain::DESCRIPTION_CHARS_MAX;
use super::domain::event::{EventType, Filter};
use super::domain::signature::Secret;
use super::domain::url::{EndpointUrl, Reach};

/// Unknown members that are named; a list of all would be as long as the client likes.
const UNKNOWN_NAMED_MAX: usize = 8;

/// Characters of the name of one.
const UNKNOWN_CHARS_MAX: usize = 64;

/// Everything that is wrong with an input: names and what is wrong with each.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct FieldErrors(pub Vec<(String, String)>);

/// An endpoint that is to be registered.
#[derive(Debug)]
pub(super) struct NewEndpoint {
    pub(super) url: EndpointUrl,
    pub(super) events: Filter,
    pub(super) description: String,
    pub(super) secret: Option<Secret>,
}

/// What of an endpoint is to be another.
#[derive(Debug)]
pub(super) struct EndpointPatch {
    pub(super) url: Option<EndpointUrl>,
    pub(super) events: Option<Filter>,
    pub(super) description: Option<String>,
    pub(super) enabled: Option<bool>,
}

/// An event.
#[derive(Debug)]
pub(super) struct NewEvent {
    pub(super) event_type: EventType,
    pub(super) data: Value,
}

/// A demonstration.
#[derive(Debug)]
pub(super) struct NewDemo {
    pub(super) receivers: usize,
    pub(super) latency_ms: u64,
    pub(super) failing: usize,
}

/// The members of an object, taken one by one, and what was wrong with them.
struct Members {
    left: Map<String, Value>,
    errors: FieldErrors,
}

impl NewEndpoint {
    pub(super) fn parse(members: Map<String, Value>, reach: Reach) -> Result<NewEndpoint, FieldErrors> {
        let mut members = Members::new(members);
        let url = members.url(reach);
        let events = members.events();
        let description = members.description();
        let secret = members.parsed("secret", |text| text.parse::<Secret>().map_err(|error| error.to_string()));
        members.require("url", url.is_some());
        members.require("events", events.is_some());
        members.end()?;
        let (Some(url), Some(events)) = (url, events) else { return Err(FieldErrors::default()) };
        Ok(NewEndpoint { url, events, description: description.unwrap_or_default(), secret })
    }
}

impl EndpointPatch {
    pub(super) fn parse(members: Map<String, Value>, reach: Reach) -> Result<EndpointPatch, FieldErrors> {
        let mut members = Members::new(members);
        let (url, events, description) = (members.url(reach), members.events(), members.description());
        let enabled = members.value("enabled", |value| value.as_bool().ok_or_else(|| "is true or false".to_owned()));
        members.end()?;
        Ok(EndpointPatch { url, events, description, enabled })
    }
}

impl NewEvent {
    pub(super) fn parse(members: Map<String, Value>) -> Result<NewEvent, FieldErrors> {
        let mut members = Members::new(members);
        let event_type = members.parsed("type", |text| EventType::parse(text).map_err(|error| error.to_string()));
        let data = members.left.remove("data");
        members.require("type", event_type.is_some());
        members.require("data", data.is_some());
        members.end()?;
        let (Some(event_type), Some(data)) = (event_type, data) else { return Err(FieldErrors::default()) };
        Ok(NewEvent { event_type, data })
    }

    /// What is sent: Standard Webhooks 1.0, "Payload structure".
    pub(super) fn payload(&self, now: Timestamp) -> Bytes {
        let NewEvent { event_type, data } = self;
        Bytes::from(json!({"type": event_type, "timestamp": now, "data": data}).to_string())
    }
}

impl NewDemo {
    pub(super) fn parse(members: Map<String, Value>) -> Result<NewDemo, FieldErrors> {
        let mut members = Members::new(members);
        let receivers = members.number("receivers", 1, RECEIVERS_MAX as u64).unwrap_or(RECEIVERS_MAX as u64);
        let latency_ms = members.number("latency_ms", 0, LATENCY_MS_MAX).unwrap_or(100);
        let failing = members.number("failing", 0, RECEIVERS_MAX as u64).unwrap_or(0);
        members.end()?;
        let count = |number| usize::try_from(number).unwrap_or(RECEIVERS_MAX);
        Ok(NewDemo { receivers: count(receivers), latency_ms, failing: count(failing) })
    }
}

impl Members {
    fn new(left: Map<String, Value>) -> Members {
        Members { left, errors: FieldErrors::default() }
    }

    /// The member `name`, as `read` makes it. `null` is a member that is left out.
    fn value<T>(&mut self, name: &str, read: impl FnOnce(&Value) -> Result<T, String>) -> Option<T> {
        let value = self.left.remove(name).filter(|value| !value.is_null())?;
        read(&value).map_err(|wrong| self.errors.0.push((name.to_owned(), wrong))).ok()
    }

    fn parsed<T>(&mut self, name: &str, read: impl FnOnce(&str) -> Result<T, String>) -> Option<T> {
        self.value(name, |value| read(value.as_str().ok_or_else(|| "is no string".to_owned())?))
    }

    fn number(&mut self, name: &str, least: u64, most: u64) -> Option<u64> {
        self.value(name, |value| {
            let number = value.as_u64().filter(|number| (least..=most).contains(number));
            number.ok_or_else(|| format!("is a number from {least} to {most}"))
        })
    }

    fn url(&mut self, reach: Reach) -> Option<EndpointUrl> {
        self.parsed("url", |text| EndpointUrl::parse(text, reach).map_err(|error| error.to_string()))
    }

    fn events(&mut self) -> Option<Filter> {
        self.value("events", |value| {
            let patterns = value.as_array().and_then(|all| all.iter().map(Value::as_str).collect::<Option<Vec<_>>>());
            let patterns = patterns.ok_or_else(|| "is no list of strings".to_owned())?;
            Filter::parse(&patterns).map_err(|error| error.to_string())
        })
    }

    fn description(&mut self) -> Option<String> {
        self.parsed("description", |text| {
            let is_line = !text.chars().any(char::is_control) && text.chars().count() <= DESCRIPTION_CHARS_MAX;
            let wrong = || format!("is one line of up to {DESCRIPTION_CHARS_MAX} characters");
            if is_line { Ok(text.to_owned()) } else { Err(wrong()) }
        })
    }

    fn require(&mut self, name: &str, is_there: bool) {
        if !is_there && self.errors.0.iter().all(|(other, _)| other != name) {
            self.errors.0.push((name.to_owned(), "is missing".to_owned()));
        }
    }

    fn end(mut self) -> Result<(), FieldErrors> {
        let unknown = self.left.keys().take(UNKNOWN_NAMED_MAX);
        self.errors
            .0
            .extend(unknown.map(|name| (name.chars().take(UNKNOWN_CHARS_MAX).collect(), "is not known".to_owned())));
        if self.errors.0.is_empty() { Ok(()) } else { Err(self.errors) }
    }
}

impl FieldErrors {
    /// One thing that is wrong.
    pub fn one(name: &str, wrong: impl Into<String>) -> FieldErrors {
        FieldErrors(vec![(name.to_owned(), wrong.into())])
    }
}

impl fmt::Display for FieldErrors {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (index, (name, wrong)) in self.0.iter().enumerate() {
            write!(f, "{}{name} {wrong}", if index > 0 { "; " } else { "" })?;
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn members(value: Value) -> Map<String, Value> {
        let Value::Object(members) = value else { panic!("an object") };
        members
    }

    #[test]
    fn every_mistake_is_named_at_once() {
        let check = |value: Value, expected: &str| {
            let error = NewEndpoint::parse(members(value.clone()), Reach::Public).expect_err("a mistake");
            assert_eq!(error.to_string(), expected, "{value}");
        };
        check(json!({}), "url is missing; events is missing");
        check(
            json!({"url": null, "events": 7, "secret": 7}),
            "events is no list of strings; secret is no string; url is missing",
        );
        check(
            json!({"url": "http://10.0.0.1/", "events": [], "description": "a\nb", "colour": 1}),
            "url leads inside: 10.0.0.1 is not a public address: private; events has 1 to 16 patterns; \
             description is one line of up to 200 characters; colour is not known",
        );
        let event = NewEvent::parse(members(json!({"type": "A", "more": {}}))).expect_err("a mistake");
        assert_eq!(event.0.len(), 3, "{event}");
        let demo =
            NewDemo::parse(members(json!({"receivers": 51, "latency_ms": -1, "failing": 1.5}))).expect_err("mistakes");
        assert_eq!(demo.0.len(), 3, "{demo}");
    }

    #[test]
    fn what_may_be_left_out_may_be() {
        let endpoint = json!({"url": "http://a.example/", "events": ["*"], "secret": null});
        let endpoint = NewEndpoint::parse(members(endpoint), Reach::Public).expect("an endpoint");
        assert!(endpoint.secret.is_none() && endpoint.description.is_empty());
        let patch = EndpointPatch::parse(members(json!({})), Reach::Public).expect("nothing");
        assert!(patch.url.is_none() && patch.enabled.is_none());
        let event = NewEvent::parse(members(json!({"type": "a.b", "data": null}))).expect("an event");
        let now = Timestamp::from_second(1_800_000_000).expect("a time");
        assert_eq!(event.payload(now), r#"{"data":null,"timestamp":"2027-01-15T08:00:00Z","type":"a.b"}"#);
    }
}
