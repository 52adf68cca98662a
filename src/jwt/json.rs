//! Owns how the JSON objects of tokens and keys are read.
//!
//! The one idea: a name stands once, however deep. Of two members with one name some programs take the first and some
//! the last, and whoever can write both shows one to the program that checks and the other to the one that acts.
//!
//! Spec: RFC 7515 4 and RFC 7519 4 (names MUST be unique), RFC 8259 4.
//! Never: reads a number that is not whole as one that is; goes deeper than `serde_json` does (128).

use std::fmt;

use serde::de::{Deserialize, Deserializer, Error, MapAccess, SeqAccess, Visitor};
use serde_json::{Map, Value};

/// Most members of an object.
const MEMBERS_MAX: usize = 64;

/// The members of an object.
pub struct Members(Map<String, Value>);

impl Members {
    /// The object that `json` is, with nothing behind it.
    pub fn parse(json: &[u8]) -> Option<Members> {
        let Strict(value) = serde_json::from_slice(json).ok()?;
        Members::of(value)
    }

    /// The object that a value is, which was in one that was parsed.
    pub fn of(value: Value) -> Option<Members> {
        match value {
            Value::Object(members) => Some(Members(members)),
            _ => None,
        }
    }

    /// The member of that name.
    pub fn member(&self, name: &str) -> Option<&Value> {
        self.0.get(name)
    }

    /// The member of that name, and nothing else.
    pub fn into_member(mut self, name: &str) -> Option<Value> {
        self.0.remove(name)
    }

    /// The member of that name, when there is one, as a text.
    ///
    /// # Errors
    /// The name, when the member is anything else.
    pub fn text(&self, name: &'static str) -> Result<Option<&str>, &'static str> {
        self.member(name).map(|value| value.as_str().ok_or(name)).transpose()
    }
}

/// A value in whose objects each name stands once.
struct Strict(Value);

impl<'de> Deserialize<'de> for Strict {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Strict, D::Error> {
        deserializer.deserialize_any(StrictVisitor).map(Strict)
    }
}

struct StrictVisitor;

impl<'de> Visitor<'de> for StrictVisitor {
    type Value = Value;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("JSON")
    }

    fn visit_unit<E>(self) -> Result<Value, E> {
        Ok(Value::Null)
    }

    fn visit_bool<E>(self, value: bool) -> Result<Value, E> {
        Ok(value.into())
    }

    fn visit_u64<E>(self, value: u64) -> Result<Value, E> {
        Ok(value.into())
    }

    fn visit_i64<E>(self, value: i64) -> Result<Value, E> {
        Ok(value.into())
    }

    fn visit_f64<E>(self, value: f64) -> Result<Value, E> {
        Ok(value.into())
    }

    fn visit_str<E>(self, value: &str) -> Result<Value, E> {
        Ok(value.into())
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut list: A) -> Result<Value, A::Error> {
        let mut values = Vec::new();
        while let Some(Strict(value)) = list.next_element()? {
            values.push(value);
        }
        Ok(values.into())
    }

    fn visit_map<A: MapAccess<'de>>(self, mut object: A) -> Result<Value, A::Error> {
        let mut members = Map::new();
        while let Some(name) = object.next_key::<String>()? {
            if members.len() == MEMBERS_MAX {
                return Err(A::Error::custom("too many members"));
            }
            let Strict(value) = object.next_value()?;
            if members.insert(name, value).is_some() {
                return Err(A::Error::custom("a name stands twice"));
            }
        }
        Ok(members.into())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_object_whose_names_stand_once_is_read_and_nothing_else() {
        let check = |json: &[u8], expected: bool| {
            assert_eq!(Members::parse(json).is_some(), expected, "{}", String::from_utf8_lossy(json));
        };
        check(b"{}", true);
        check(br#" {"a":1,"b":{"a":2}}"#, true);
        check(br#"{"a":1,"a":1}"#, false);
        check(br#"{"a":[{"b":{"c":1,"c":1}}]}"#, false);
        // The same name, spelled in two ways.
        check(br#"{"a":1,"\u0061":2}"#, false);
        for none in
            [&b""[..], b"[]", b"null", b"1", b"\"a\"", b"{", b"{}{}", b"{} x", b"{a:1}", b"{'a':1}", b"{\"a\":1,}"]
        {
            check(none, false);
        }
        check(b"{\"a\":\"\xff\"}", false);
        check(b"\xef\xbb\xbf{}", false);
        check(b"{\"a\":1e999}", false);
        check(b"{\"a\":\"\\ud800\"}", false);
        check(format!("{{\"a\":{}{}}}", "[".repeat(100), "]".repeat(100)).as_bytes(), true);
        check(format!("{{\"a\":{}{}}}", "[".repeat(4000), "]".repeat(4000)).as_bytes(), false);
        let members = |count: usize| {
            let members: Vec<String> = (0..count).map(|number| format!("\"{number}\":0")).collect();
            format!("{{{}}}", members.join(","))
        };
        check(members(64).as_bytes(), true);
        check(members(65).as_bytes(), false);
    }
}
