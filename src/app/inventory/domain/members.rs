//! Owns how the members of a JSON object become values, while everything that is wrong is noted.
//!
//! The one idea: a member is taken out of the object when it is read. What is left at the end is unknown.
//!
//! Never: stops at the first mistake; takes one type for another (`"1"` is no number, `null` is nothing).

use std::ops::RangeInclusive;

use serde_json::{Map, Value};

use crate::app::inventory::domain::{At, Invalid};

/// Unknown members that are named.
const UNKNOWN_NAMED_MAX: usize = 8;

/// An object that is being read.
pub struct Members<'a> {
    members: Map<String, Value>,
    /// Its own place.
    at: &'a str,
    invalid: &'a mut Invalid,
}

/// Which texts are accepted.
#[derive(Clone, Copy, Debug)]
pub struct Text {
    /// How many characters.
    pub chars: (usize, usize),
    /// Whether it may have several lines. One line neither begins nor ends with a space.
    pub has_lines: bool,
}

impl Text {
    /// One line of `min` to `max` characters.
    pub const fn line(min: usize, max: usize) -> Text {
        Text { chars: (min, max), has_lines: false }
    }

    /// What is wrong with `text`.
    pub fn fault(self, text: &str) -> Option<(&'static str, String)> {
        let (min, max) = self.chars;
        let chars = text.chars().count();
        let is_control = |character: char| character.is_control() && !(self.has_lines && "\n\r\t".contains(character));
        if chars < min || chars > max {
            Some(("length", format!("has {chars} characters; {min} to {max} are accepted")))
        } else if text.chars().any(is_control) {
            Some(("control_character", "holds a control character".to_owned()))
        } else if !self.has_lines && (text.starts_with(' ') || text.ends_with(' ')) {
            Some(("spaces", "begins or ends with a space".to_owned()))
        } else {
            None
        }
    }
}

impl<'a> Members<'a> {
    /// The members of `value`, which stands at `at`.
    pub fn of(value: Value, at: &'a str, invalid: &'a mut Invalid) -> Option<Members<'a>> {
        match value {
            Value::Object(members) => Some(Members { members, at, invalid }),
            _ => {
                invalid.add(At::Pointer(at.to_owned()), "type", "is no object");
                None
            }
        }
    }

    /// A member that may be left out.
    pub fn take(&mut self, name: &str) -> Option<Value> {
        self.members.remove(name)
    }

    /// Notes what is wrong with the member called `name`.
    pub fn refuse(&mut self, name: &str, code: &'static str, detail: impl Into<String>) {
        self.invalid.add(At::member(self.at, name), code, detail);
    }

    /// A text. `None` also where it was refused.
    pub fn text(&mut self, name: &str, rule: Text, default: Option<&str>) -> Option<String> {
        let text = match (self.take(name), default) {
            (Some(Value::String(text)), _) => text,
            (None, Some(default)) => return Some(default.to_owned()),
            (None, None) => return self.missing(name),
            (Some(_), _) => {
                self.refuse(name, "type", "is no string");
                return None;
            }
        };
        match rule.fault(&text) {
            None => Some(text),
            Some((code, detail)) => {
                self.refuse(name, code, detail);
                None
            }
        }
    }

    /// A whole number.
    pub fn number(&mut self, name: &str, range: RangeInclusive<i64>, default: Option<i64>) -> Option<i64> {
        let number = match (self.take(name), default) {
            (Some(Value::Number(number)), _) => number,
            (None, Some(default)) => return Some(default),
            (None, None) => return self.missing(name),
            (Some(_), _) => {
                self.refuse(name, "type", "is no number");
                return None;
            }
        };
        let whole = number.as_i64().or_else(|| whole(number.as_f64()?));
        match whole.filter(|whole| range.contains(whole)) {
            Some(whole) => Some(whole),
            None => {
                let (min, max) = range.into_inner();
                self.refuse(name, "out_of_range", format!("is no whole number from {min} to {max}"));
                None
            }
        }
    }

    /// Yes or no.
    pub fn flag(&mut self, name: &str, default: bool) -> Option<bool> {
        match self.take(name) {
            None => Some(default),
            Some(Value::Bool(flag)) => Some(flag),
            Some(_) => {
                self.refuse(name, "type", "is neither true nor false");
                None
            }
        }
    }

    /// A list of so many members.
    pub fn list(&mut self, name: &str, count: (usize, usize), default: Option<Vec<Value>>) -> Option<Vec<Value>> {
        let list = match (self.take(name), default) {
            (Some(Value::Array(list)), _) => list,
            (None, Some(default)) => return Some(default),
            (None, None) => return self.missing(name),
            (Some(_), _) => {
                self.refuse(name, "type", "is no list");
                return None;
            }
        };
        let (min, max) = count;
        if (min..=max).contains(&list.len()) {
            return Some(list);
        }
        self.refuse(name, "length", format!("has {} members; {min} to {max} are accepted", list.len()));
        None
    }

    /// Where the list called `name` has its member `index`.
    pub fn place(&self, name: &str, index: usize) -> String {
        format!("{}/{name}/{index}", self.at)
    }

    /// Where mistakes are noted.
    pub fn invalid(&mut self) -> &mut Invalid {
        self.invalid
    }

    /// Refuses what nobody has asked for.
    pub fn end(self, known: &str) {
        for name in self.members.keys().take(UNKNOWN_NAMED_MAX) {
            self.invalid.add(At::member(self.at, name), "unknown", format!("is not known: there are {known}"));
        }
    }

    fn missing<T>(&mut self, name: &str) -> Option<T> {
        self.refuse(name, "missing", "is missing");
        None
    }
}

/// JSON tells `1` and `1.0` not apart (RFC 8259 6). Beyond 2^53 a fraction cannot be told from none.
fn whole(number: f64) -> Option<i64> {
    const WHOLE_MAX: f64 = 9_007_199_254_740_992.0;
    (number.fract() == 0.0 && number.abs() <= WHOLE_MAX).then_some(number as i64)
}
