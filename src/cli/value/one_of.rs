//! Owns settings that are one of a few words, and the words.

use firstbyte::jwt::Algorithm;

use super::{Value, only, quoted};

/// One of a few, by its name.
pub struct OneOf<'a, T: 'static> {
    pub value: &'a mut T,
    /// Their names, and how `--help` lists them.
    pub names: &'static [(&'static str, T)],
    pub hint: &'static str,
}

/// Names of [`LogFormat`].
pub const LOG_FORMATS: &[(&str, LogFormat)] =
    &[("text", LogFormat::Text), ("json", LogFormat::Json), ("auto", LogFormat::Auto)];

/// Names of [`Algorithm`], as RFC 7518 and RFC 8037 register them.
pub const ALGORITHMS: &[(&str, Algorithm)] = &[
    ("EdDSA", Algorithm::EdDSA),
    ("ES256", Algorithm::ES256),
    ("RS256", Algorithm::RS256),
    ("HS256", Algorithm::HS256),
];

/// How log lines look.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum LogFormat {
    /// Text on a terminal, JSON elsewhere.
    Auto,
    /// Lines for people.
    Text,
    /// One JSON object a line.
    Json,
}

impl<T: Copy + PartialEq> Value for OneOf<'_, T> {
    fn hint(&self) -> &'static str {
        self.hint
    }

    fn read(&mut self, words: &[String]) -> Result<(), String> {
        let word = only(words);
        let found = self.names.iter().find(|(name, _)| *name == word);
        let names = || self.names.iter().map(|(name, _)| format!("`{name}`")).collect::<Vec<_>>().join(", ");
        *self.value = found.ok_or_else(|| format!("`{word}` is none of {}", names()))?.1;
        Ok(())
    }

    fn print(&self) -> String {
        let name = self.names.iter().find(|(_, named)| named == self.value);
        quoted(name.map_or("", |(name, _)| name))
    }
}
