//! Owns how the JSON objects of tokens and keys are read.
//!
//! The one idea: a name stands once, however deep ([`crate::json`]), and an object has an end.
//!
//! Spec: RFC 7515 4 and RFC 7519 4 (names MUST be unique), RFC 8259 4.
//! Never: reads a number that is not whole as one that is; goes deeper than `serde_json` does (128).

use serde_json::{Map, Value};

use crate::json::Unique;

/// Most members of an object.
const MEMBERS_MAX: usize = 64;

/// The members of an object.
pub struct Members(Map<String, Value>);

impl Members {
    /// The object that `json` is, with nothing behind it.
    pub fn parse(json: &[u8]) -> Option<Members> {
        let Unique::<MEMBERS_MAX>(value) = serde_json::from_slice(json).ok()?;
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
