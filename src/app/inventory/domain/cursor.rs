//! Owns the place in a list from which it goes on.
//!
//! ```text
//!   sort=-price_cents      last of the page: price 500, id 0199…        after=WyItcHJpY2VfY2VudHMiLDUwMCwiMDE5OS4uLiJd
//!                                                                        ["-price_cents",500,"0199…"] in base64url
//! ```
//!
//! The one idea: a page begins behind a row, and not behind a number of rows. Whatever is added or removed meanwhile, no row is
//! shown twice and none that stays is left out. Rows that are alike in the key are told apart by their id. A row whose key changes
//! meanwhile, its stock or its price, changes its place: it may be seen twice, or never.
//!
//! A client takes it from an answer and brings it back. Whoever makes one up gets the page behind the place that he has made up:
//! there is nothing to protect, so it is not signed. It is read as strictly as any other input.
//!
//! Spec: RFC 4648 5 (base64url, without padding).
//! Never: accepts a cursor of another order; holds a key that no product can have.
//! Limits: [`CURSOR_BYTES_MAX`].

use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use jiff::Timestamp;
use serde_json::{Value, json};
use uuid::Uuid;

use crate::app::inventory::domain::product::NAME_CHARS_MAX;

/// Bytes of a cursor: that of the longest name, each of its characters escaped.
pub const CURSOR_BYTES_MAX: usize = 2_048;

/// A place in a list in the order of `sort`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Cursor {
    /// The order, as the query spells it.
    pub sort: &'static str,
    /// The row that the page begins behind.
    pub position: Position,
}

/// The key of a row, and its id.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Position {
    /// What the list is sorted by.
    pub key: Key,
    /// What tells rows apart that are alike in it.
    pub id: Uuid,
}

/// What a list is sorted by. Keys of one list are of one kind.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Key {
    /// Compared byte by byte.
    Text(String),
    /// A number.
    Number(i64),
    /// A moment.
    At(Timestamp),
}

impl Cursor {
    /// The text that a client brings back.
    pub fn encode(&self) -> String {
        let key = match &self.position.key {
            Key::Text(text) => json!(text),
            Key::Number(number) => json!(number),
            Key::At(at) => json!(at.as_microsecond()),
        };
        URL_SAFE_NO_PAD.encode(json!([self.sort, key, self.position.id.to_string()]).to_string())
    }

    /// The position that `text` names in a list sorted by `sort`, whose keys are of the kind of `like`.
    pub fn decode(text: &str, sort: &'static str, like: &Key) -> Option<Cursor> {
        if text.len() > CURSOR_BYTES_MAX {
            return None;
        }
        let [named, key, id]: [Value; 3] = serde_json::from_slice(&URL_SAFE_NO_PAD.decode(text).ok()?).ok()?;
        if named != sort {
            return None;
        }
        let key = match (like, key) {
            (Key::Text(_), Value::String(text)) if is_name(&text) => Key::Text(text),
            (Key::Number(_), Value::Number(number)) => Key::Number(number.as_i64()?),
            (Key::At(_), Value::Number(micros)) => Key::At(moment(micros.as_i64()?)?),
            _ => return None,
        };
        Some(Cursor { sort, position: Position { key, id: parse_id(id.as_str()?)? } })
    }
}

/// A number in the one form that is used here: lower and upper case, with hyphens.
pub fn parse_id(text: &str) -> Option<Uuid> {
    const HYPHENATED_LEN: usize = 36;
    (text.len() == HYPHENATED_LEN).then(|| Uuid::try_parse(text).ok()).flatten()
}

/// PostgreSQL takes no NUL, and no product has a longer name.
fn is_name(text: &str) -> bool {
    !text.contains(char::is_control) && text.chars().count() <= NAME_CHARS_MAX
}

/// PostgreSQL has not all the years that a [`Timestamp`] has; nothing is older than the epoch.
fn moment(micros: i64) -> Option<Timestamp> {
    Timestamp::from_microsecond(micros).ok().filter(|at| *at >= Timestamp::UNIX_EPOCH)
}

#[cfg(test)]
mod tests {
    use super::*;

    const LIKE: [Key; 3] = [Key::Text(String::new()), Key::Number(0), Key::At(Timestamp::UNIX_EPOCH)];

    #[test]
    fn a_cursor_is_read_as_it_was_written() {
        let id = Uuid::from_u128(7);
        for (key, like) in [
            (Key::Text("😀\"\\".repeat(40)), &LIKE[0]),
            (Key::Text(String::new()), &LIKE[0]),
            (Key::Number(i64::MIN), &LIKE[1]),
            (Key::At(Timestamp::from_microsecond(1_800_000_000_000_001).unwrap()), &LIKE[2]),
        ] {
            let cursor = Cursor { sort: "-name", position: Position { key, id } };
            assert_eq!(Cursor::decode(&cursor.encode(), "-name", like).as_ref(), Some(&cursor));
            assert_eq!(Cursor::decode(&cursor.encode(), "name", like), None, "of another order");
        }
    }

    #[test]
    fn what_was_not_given_out_is_refused() {
        let id = "00000000-0000-0000-0000-000000000007";
        let check = |json: String, like: usize, expected: bool| {
            let decoded = Cursor::decode(&URL_SAFE_NO_PAD.encode(&json), "name", &LIKE[like]);
            assert_eq!(decoded.is_some(), expected, "{json}");
        };
        check(format!(r#"["name","x","{id}"]"#), 0, true);
        check(format!(r#"["name",7,"{id}"]"#), 1, true);
        for (key, like) in [
            ("7", 0),
            (r#""\u0000""#, 0),
            ("null", 0),
            (r#""x""#, 1),
            ("0.5", 1),
            ("9223372036854775808", 1),
            ("1e99", 1),
            ("9223372036854775807", 2),
            ("-377000000000000000", 2),
            ("-1", 2),
            ("{}", 2),
        ] {
            check(format!(r#"["name",{key},"{id}"]"#), like, false);
        }
        check(format!(r#"["name","{}","{id}"]"#, "x".repeat(121)), 0, false);
        for json in [r#"["name","x"]"#, r#"["name","x","y"]"#, "{}", "", "7", r#"["name","x","y","z"]"#] {
            check(json.to_owned(), 0, false);
        }
        for text in ["", "!", "AAAA", "bmFtZQ==", &"A".repeat(CURSOR_BYTES_MAX + 1), "' OR 1=1"] {
            assert_eq!(Cursor::decode(text, "name", &LIKE[0]), None, "{text:.20}");
        }
        for id in ["{00000000-0000-0000-0000-000000000007}", "00000000000000000000000000000007", "7", ""] {
            assert_eq!(parse_id(id), None, "{id}");
        }
    }
}
