//! Owns the parameters of a request to the issuer, as they came in a form.
//!
//! The one idea: a parameter means one thing to whoever reads it. One that stands twice could mean one to us and another to
//! the proxy before us, so it is refused, whatever its values are.
//!
//! Spec: RFC 6749 3.2 (a parameter without a value is one that was not sent; unknown ones are ignored; none stands twice),
//! Appendix B (the form is UTF-8); RFC 8707 2 and RFC 8693 2.1 (`resource` and `audience` may stand more than once).
//! Stricter: values hold no control characters, and are bounded.
//! Never: shows a value by `Debug`: half of them are secrets.
//! Limits: [`PARAMETERS_MAX`], [`VALUE_BYTES_MAX`].

use std::fmt;

use crate::app::identity::domain::refused::{Code, Refused};

/// Parameters of a request, known and unknown.
pub const PARAMETERS_MAX: usize = 24;

/// Bytes of a value. The longest there are, are tokens.
pub const VALUE_BYTES_MAX: usize = 4096;

/// Parameters that may stand more than once.
const REPEATED: [&str; 2] = ["resource", "audience"];

/// The parameters of one request.
#[derive(Clone, Default, PartialEq, Eq)]
pub struct Parameters(Vec<(String, String)>);

impl Parameters {
    /// The parameters that `pairs` are.
    ///
    /// # Errors
    /// `invalid_request` for one that stands twice, for one that is too long or holds control characters, and for too many.
    pub fn parse(pairs: Vec<(String, String)>) -> Result<Parameters, Refused> {
        let refuse = |description| Err(Code::InvalidRequest.because(description));
        if pairs.len() > PARAMETERS_MAX {
            return refuse("there are too many parameters");
        }
        if pairs.iter().any(|(name, value)| name.len() > VALUE_BYTES_MAX || value.len() > VALUE_BYTES_MAX) {
            return refuse("a parameter is too long");
        }
        // What was no UTF-8 has become U+FFFD on its way here.
        let is_text = |text: &str| !text.chars().any(|char| char.is_control() || char == char::REPLACEMENT_CHARACTER);
        if !pairs.iter().all(|(name, value)| is_text(name) && is_text(value)) {
            return refuse("a parameter holds a control character, or is not UTF-8");
        }
        let is_twice = |(index, (name, _)): (usize, &(String, String))| {
            !REPEATED.contains(&name.as_str()) && pairs[..index].iter().any(|(other, _)| other == name)
        };
        if pairs.iter().enumerate().any(is_twice) {
            return refuse("a parameter stands twice");
        }
        Ok(Parameters(pairs.into_iter().filter(|(_, value)| !value.is_empty()).collect()))
    }

    /// The value of `name`.
    pub fn get(&self, name: &str) -> Option<&str> {
        self.0.iter().find(|(other, _)| other == name).map(|(_, value)| value.as_str())
    }

    /// All values of `name`, in order.
    pub fn all<'a>(&'a self, name: &'a str) -> impl Iterator<Item = &'a str> {
        self.0.iter().filter(move |(other, _)| other == name).map(|(_, value)| value.as_str())
    }

    /// The value of `name`, which must be there.
    ///
    /// # Errors
    /// `invalid_request` with `missing`.
    pub fn require(&self, name: &str, missing: &'static str) -> Result<&str, Refused> {
        self.get(name).ok_or(Code::InvalidRequest.because(missing))
    }
}

impl fmt::Debug for Parameters {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_list().entries(self.0.iter().map(|(name, _)| name)).finish()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parse(pairs: &[(&str, &str)]) -> Result<Parameters, Refused> {
        Parameters::parse(pairs.iter().map(|&(name, value)| (name.to_owned(), value.to_owned())).collect())
    }

    #[test]
    fn a_parameter_without_a_value_was_not_sent() {
        let parameters = parse(&[("scope", ""), ("grant_type", "password"), ("unknown", "x")]).expect("parameters");
        assert_eq!((parameters.get("scope"), parameters.get("grant_type")), (None, Some("password")));
        assert!(parameters.require("scope", "scope is missing").is_err());
        let audiences = parse(&[("audience", "a"), ("audience", "b")]).expect("more than one is allowed");
        assert_eq!(audiences.all("audience").collect::<Vec<_>>(), ["a", "b"]);
    }

    #[test]
    fn what_could_mean_two_things_is_refused() {
        let long = "x".repeat(VALUE_BYTES_MAX + 1);
        let many: Vec<(String, String)> = (0..=PARAMETERS_MAX).map(|n| (n.to_string(), "x".to_owned())).collect();
        let cases: &[&[(&str, &str)]] = &[
            &[("client_id", "a"), ("client_id", "b")],
            &[("client_id", "a"), ("client_id", "a")],
            // An empty one and a full one: one reader takes the first, another the last.
            &[("scope", ""), ("scope", "a")],
            &[("unknown", "a"), ("unknown", "b")],
            &[("password", "a\0b")],
            &[("username", "ada\nbob")],
            &[("password", "\u{fffd}")],
            &[("a\u{1b}", "x")],
            &[("password", &long)],
            &[(&long, "x")],
        ];
        for pairs in cases {
            assert_eq!(parse(pairs).expect_err("refused").code, Code::InvalidRequest, "{pairs:.80?}");
        }
        assert!(Parameters::parse(many).is_err());
    }

    #[test]
    fn values_are_not_shown() {
        let parameters = parse(&[("password", "analytical-engine")]).expect("parameters");
        assert_eq!(format!("{parameters:?}"), "[\"password\"]");
    }
}
