//! Owns what is wrong with an input: where, which rule, in words.
//!
//! The one idea: a mistake has a place. A pointer (RFC 6901) for content, a name for a parameter of the query; a form can show
//! each beside its field.
//!
//! Spec: RFC 6901 3 and 4 (`~0`, `~1`), RFC 9457 3 (extension members).
//! Never: sends back more than [`NAME_CHARS_MAX`] characters of a name that a client has chosen.
//! Limits: [`MISTAKES_MAX`].

use std::fmt;

use serde::Serialize;

/// Mistakes that are told at once.
pub const MISTAKES_MAX: usize = 100;

/// Characters of a client's own name that are repeated.
pub const NAME_CHARS_MAX: usize = 60;

/// Everything that is wrong with an input.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize)]
#[serde(transparent)]
pub struct Invalid(Vec<Mistake>);

/// One thing that is wrong.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Mistake {
    /// Where.
    #[serde(flatten)]
    pub at: At,
    /// Which rule, for a program.
    pub code: &'static str,
    /// The same for a person.
    pub detail: String,
}

/// Where a mistake is.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum At {
    /// In the content: RFC 6901.
    Pointer(String),
    /// In the query.
    Parameter(String),
}

impl At {
    /// The member called `name` of the object at `base`.
    pub fn member(base: &str, name: &str) -> At {
        let name: String = name.chars().take(NAME_CHARS_MAX).collect();
        At::Pointer(format!("{base}/{}", name.replace('~', "~0").replace('/', "~1")))
    }

    /// The parameter called `name`.
    pub fn parameter(name: &str) -> At {
        At::Parameter(name.chars().take(NAME_CHARS_MAX).collect())
    }
}

impl Invalid {
    /// One mistake.
    pub fn one(at: At, code: &'static str, detail: impl Into<String>) -> Invalid {
        let mut invalid = Invalid::default();
        invalid.add(at, code, detail);
        invalid
    }

    /// Adds a mistake, when there are not too many.
    pub fn add(&mut self, at: At, code: &'static str, detail: impl Into<String>) {
        if self.0.len() < MISTAKES_MAX {
            self.0.push(Mistake { at, code, detail: detail.into() });
        }
    }

    /// Whether nothing is wrong.
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// The mistakes, in the order in which they were found.
    pub fn mistakes(&self) -> &[Mistake] {
        &self.0
    }

    /// `value`, if there is one and nothing is wrong.
    ///
    /// # Errors
    /// What is wrong.
    pub fn or<T>(self, value: Option<T>) -> Result<T, Invalid> {
        match value {
            Some(value) if self.is_empty() => Ok(value),
            _ => Err(self),
        }
    }
}

impl fmt::Display for Invalid {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (index, mistake) in self.0.iter().enumerate() {
            let (At::Pointer(place) | At::Parameter(place)) = &mistake.at;
            write!(f, "{}{place} {}", if index > 0 { "; " } else { "" }, mistake.detail)?;
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn a_mistake_tells_its_place_its_rule_and_why() {
        let mut invalid = Invalid::one(At::member("/lines/3", "a/b~c"), "unknown", "is not known");
        invalid.add(At::parameter("limit"), "out_of_range", "is from 1 to 100");
        assert_eq!(
            serde_json::to_value(&invalid).unwrap(),
            json!([
                {"pointer": "/lines/3/a~1b~0c", "code": "unknown", "detail": "is not known"},
                {"parameter": "limit", "code": "out_of_range", "detail": "is from 1 to 100"},
            ])
        );
        assert_eq!(invalid.to_string(), "/lines/3/a~1b~0c is not known; limit is from 1 to 100");
    }

    #[test]
    fn what_is_sent_back_is_bounded() {
        let mut invalid = Invalid::default();
        for _ in 0..1_000 {
            invalid.add(At::member("", &"x".repeat(1_000)), "unknown", "is not known");
        }
        assert_eq!(invalid.mistakes().len(), MISTAKES_MAX);
        assert!(matches!(&invalid.mistakes()[0].at, At::Pointer(place) if place.len() == NAME_CHARS_MAX + 1));
    }
}
