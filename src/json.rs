//! Owns how JSON is read where two programs must not read it differently.
//!
//! The one idea: a name stands once, however deep. Of two members with one name some programs take the first and some
//! the last, and whoever can write both shows one to the program that checks and the other to the one that acts.
//!
//! Spec: RFC 8259 4 (names SHOULD be unique: here they must).
//! Never: goes deeper than `serde_json` does (128).

use std::fmt;

use serde::de::{Deserialize, Deserializer, Error, MapAccess, SeqAccess, Visitor};
use serde_json::{Map, Value};

/// A value in whose objects each name stands once. None of them has more than `MEMBERS_MAX` members.
#[derive(Clone, Debug, PartialEq)]
pub struct Unique<const MEMBERS_MAX: usize = { usize::MAX }>(pub Value);

impl<'de, const MEMBERS_MAX: usize> Deserialize<'de> for Unique<MEMBERS_MAX> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_any(UniqueVisitor::<MEMBERS_MAX>).map(Unique)
    }
}

struct UniqueVisitor<const MEMBERS_MAX: usize>;

impl<'de, const MEMBERS_MAX: usize> Visitor<'de> for UniqueVisitor<MEMBERS_MAX> {
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
        while let Some(Unique::<MEMBERS_MAX>(value)) = list.next_element()? {
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
            let Unique::<MEMBERS_MAX>(value) = object.next_value()?;
            if members.contains_key(&name) {
                return Err(A::Error::custom(format_args!("duplicate field `{name}`")));
            }
            members.insert(name, value);
        }
        Ok(members.into())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_name_stands_once_however_deep_and_however_spelled() {
        let check = |json: &str, expected: Result<(), &str>| {
            let read: Result<Unique<2>, _> = serde_json::from_str(json);
            let why = read.map(drop).map_err(|error| error.to_string());
            match expected {
                Ok(()) => assert_eq!(why, Ok(()), "{json}"),
                Err(part) => assert!(why.as_ref().is_err_and(|why| why.contains(part)), "{json}: {why:?}"),
            }
        };
        check(r#"[null,true,-1,1.5,"a",{"a":1,"b":{"a":2}}]"#, Ok(()));
        check(r#"{"a":1,"a":1}"#, Err("duplicate field `a`"));
        check(r#"[{"b":{"c":1,"\u0063":2}}]"#, Err("duplicate field `c`"));
        check(r#"{"a":1,"b":2,"c":3}"#, Err("too many members"));
        check(&"[".repeat(200), Err("recursion limit"));
    }
}
