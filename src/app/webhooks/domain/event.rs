//! Owns the names of events, and which of them an endpoint wants.
//!
//! ```text
//!   order.created      wanted by:  order.created   order.*   *        not by:  order   orders.*   order.created.*
//! ```
//!
//! Spec: Standard Webhooks 1.0, "Event types" (words joined by full stops).
//! Never: matches a part of a word.

use std::fmt;

use serde::{Serialize, Serializer};

/// Characters of a type.
pub const TYPE_CHARS_MAX: usize = 64;

/// Patterns of a filter.
pub const PATTERNS_MAX: usize = 16;

/// What has happened: `order.created`.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct EventType(String);

/// Which events are wanted: those that one of its patterns matches.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Filter(Vec<Pattern>);

#[derive(Clone, Debug, PartialEq, Eq)]
enum Pattern {
    All,
    /// With its full stop.
    Below(String),
    One(EventType),
}

/// A text names no events.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum EventError {
    /// It is no type.
    Type,
    /// It is no pattern.
    Pattern,
    /// There are none, or more than [`PATTERNS_MAX`].
    Count,
}

impl EventType {
    /// Words of a-z, 0-9 and `_`, joined by full stops.
    ///
    /// # Errors
    /// When it is anything else, or too long.
    pub fn parse(text: &str) -> Result<EventType, EventError> {
        let is_word =
            |word: &str| !word.is_empty() && word.bytes().all(|byte| matches!(byte, b'a'..=b'z' | b'0'..=b'9' | b'_'));
        let is_type = text.len() <= TYPE_CHARS_MAX && text.split('.').all(is_word);
        if is_type { Ok(EventType(text.to_owned())) } else { Err(EventError::Type) }
    }

    /// Its text.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl Filter {
    /// Whatever happens.
    pub fn all() -> Filter {
        Filter(vec![Pattern::All])
    }

    /// `*` for all, `order.*` for all below, or types. A pattern that stands twice counts once.
    ///
    /// # Errors
    /// None of them, too many, or one that is none.
    pub fn parse<T: AsRef<str>>(patterns: &[T]) -> Result<Filter, EventError> {
        if patterns.is_empty() || patterns.len() > PATTERNS_MAX {
            return Err(EventError::Count);
        }
        let mut parsed = Vec::new();
        for pattern in patterns {
            let pattern = Pattern::parse(pattern.as_ref())?;
            if !parsed.contains(&pattern) {
                parsed.push(pattern);
            }
        }
        Ok(Filter(parsed))
    }

    /// Whether an event of this type is wanted.
    pub fn wants(&self, event: &EventType) -> bool {
        self.0.iter().any(|pattern| match pattern {
            Pattern::All => true,
            Pattern::Below(prefix) => event.0.starts_with(prefix),
            Pattern::One(one) => one == event,
        })
    }

    /// Its patterns.
    pub fn patterns(&self) -> Vec<String> {
        self.0.iter().map(Pattern::to_string).collect()
    }
}

impl Pattern {
    fn parse(text: &str) -> Result<Pattern, EventError> {
        if text == "*" {
            return Ok(Pattern::All);
        }
        let parsed = match text.strip_suffix(".*") {
            Some(below) => EventType::parse(below).map(|below| Pattern::Below(format!("{}.", below.0))),
            None => EventType::parse(text).map(Pattern::One),
        };
        parsed.map_err(|_| EventError::Pattern)
    }
}

impl fmt::Display for Pattern {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Pattern::All => f.write_str("*"),
            Pattern::Below(prefix) => write!(f, "{prefix}*"),
            Pattern::One(one) => f.write_str(&one.0),
        }
    }
}

impl fmt::Display for EventType {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl Serialize for EventType {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(&self.0)
    }
}

impl Serialize for Filter {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_seq(self.0.iter().map(Pattern::to_string))
    }
}

impl fmt::Display for EventError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            EventError::Type => {
                write!(f, "is words of a-z, 0-9 and _ joined by full stops, up to {TYPE_CHARS_MAX} characters")
            }
            EventError::Pattern => {
                f.write_str("is *, or a type such as order.created, or one that ends in .* for all below")
            }
            EventError::Count => write!(f, "has 1 to {PATTERNS_MAX} patterns"),
        }
    }
}

impl std::error::Error for EventError {}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(patterns: &[&str], event: &str, expected: bool) {
        let filter = Filter::parse(patterns).expect("a filter");
        assert_eq!(filter.wants(&EventType::parse(event).expect("a type")), expected, "{patterns:?} {event}");
    }

    #[test]
    fn a_filter_wants_whole_words() {
        check(&["*"], "order.created", true);
        check(&["order.*"], "order.created", true);
        check(&["order.*"], "order.line.added", true);
        check(&["order.*"], "order", false);
        check(&["order.*"], "orders.created", false);
        check(&["order.created"], "order.created", true);
        check(&["order.created"], "order.created.twice", false);
        check(&["order.created", "invoice.*"], "invoice.paid", true);
        check(&["order.created", "invoice.*"], "order.paid", false);
    }

    #[test]
    fn what_names_no_events_is_refused() {
        for text in ["", ".", "a.", ".a", "a..b", "Order", "a b", "a-b", "a\n", "é", "a.*", "*", &"a".repeat(65)] {
            assert_eq!(EventType::parse(text), Err(EventError::Type), "{text:?}");
        }
        for text in ["", "**", "*.a", "a.*.b", "a*", ".*", "a..*", "a.**", "%"] {
            assert_eq!(Filter::parse(&[text]), Err(EventError::Pattern), "{text:?}");
        }
        assert_eq!(Filter::parse::<&str>(&[]), Err(EventError::Count));
        assert_eq!(Filter::parse(&["a"; 17]), Err(EventError::Count));
        assert_eq!(Filter::parse(&["a.*", "*", "a.*"]).expect("a filter").patterns(), ["a.*", "*"]);
    }
}
