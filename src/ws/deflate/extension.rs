//! Owns the grammar of Sec-WebSocket-Extensions: a list of extensions with their parameters.
//!
//! ```text
//!   permessage-deflate; client_max_window_bits; server_max_window_bits="10", x-other; a=b
//!   └────── element, parameters as name and value, quotes taken off ──────┘  └──────────┘
//! ```
//!
//! Spec: RFC 6455 9.1 (a value is a token once its quotes are off), RFC 9110 5.6.1 (lists), 5.6.2 (tokens), 5.6.4 (quotes).
//! Invariants: names and values are tokens; a malformed element spoils no other one.

use std::borrow::Cow;

/// One element of the list.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Extension<'a> {
    pub(super) name: &'a str,
    parameters: Vec<(&'a str, Option<Cow<'a, str>>)>,
}

impl<'a> Extension<'a> {
    /// Parses one element. `None` when it is malformed.
    fn parse(element: &'a str) -> Option<Extension<'a>> {
        let mut parts = split(element, b';').map(trim);
        let name = parts.next().filter(|name| is_token(name))?;
        let parameters = parts.map(parse_parameter).collect::<Option<_>>()?;
        Some(Extension { name, parameters })
    }

    /// Names and values, in order.
    pub(super) fn parameters(&self) -> impl Iterator<Item = (&'a str, Option<&str>)> {
        self.parameters.iter().map(|(name, value)| (*name, value.as_deref()))
    }
}

/// The elements of one field value, `None` for malformed ones. RFC 9110 5.6.1.2: empty ones are ignored.
pub(super) fn elements(value: &str) -> impl Iterator<Item = Option<Extension<'_>>> {
    split(value, b',').map(trim).filter(|element| !element.is_empty()).map(Extension::parse)
}

fn parse_parameter(part: &str) -> Option<(&str, Option<Cow<'_, str>>)> {
    match part.split_once('=') {
        None => is_token(part).then_some((part, None)),
        Some((name, value)) => {
            let (name, value) = (trim(name), unquote(trim(value))?);
            (is_token(name) && is_token(&value)).then_some((name, Some(value)))
        }
    }
}

/// Takes off the quotes of a quoted-string.
fn unquote(value: &str) -> Option<Cow<'_, str>> {
    let Some(inside) = value.strip_prefix('"') else { return Some(Cow::Borrowed(value)) };
    let inside = inside.strip_suffix('"')?;
    let mut unquoted = String::with_capacity(inside.len());
    let mut chars = inside.chars();
    while let Some(char) = chars.next() {
        match char {
            '\\' => unquoted.push(chars.next()?),
            '"' => return None,
            char => unquoted.push(char),
        }
    }
    Some(Cow::Owned(unquoted))
}

/// The pieces between separators that are not inside of quotes.
fn split(text: &str, separator: u8) -> impl Iterator<Item = &str> {
    let (mut is_quoted, mut is_escaped) = (false, false);
    text.split(move |char: char| {
        let was_escaped = std::mem::take(&mut is_escaped);
        match char {
            '\\' if is_quoted => is_escaped = !was_escaped,
            '"' if !was_escaped => is_quoted = !is_quoted,
            _ => {}
        }
        !is_quoted && char == char::from(separator)
    })
}

fn trim(text: &str) -> &str {
    text.trim_matches([' ', '\t'])
}

fn is_token(text: &str) -> bool {
    let is_tchar = |byte: u8| byte.is_ascii_alphanumeric() || b"!#$%&'*+-.^_`|~".contains(&byte);
    !text.is_empty() && text.bytes().all(is_tchar)
}

#[cfg(test)]
mod tests {
    use super::*;

    /// An element with its parameters.
    type Told<'a> = (&'a str, &'a [(&'a str, Option<&'a str>)]);

    /// All elements, `None` for malformed ones.
    fn check(value: &str, expected: &[Option<Told<'_>>]) {
        let elements: Vec<_> = elements(value).collect();
        let seen: Vec<_> = elements
            .iter()
            .map(|element| element.as_ref().map(|element| (element.name, element.parameters().collect::<Vec<_>>())))
            .collect();
        let expected: Vec<_> = expected.iter().map(|element| element.map(|(name, of)| (name, of.to_vec()))).collect();
        assert_eq!(seen, expected, "{value}");
    }

    #[test]
    fn a_list_comes_apart_into_elements_and_parameters() {
        check("", &[]);
        check(" , ,\t", &[]);
        check("a", &[Some(("a", &[]))]);
        check("a,b;c", &[Some(("a", &[])), Some(("b", &[("c", None)]))]);
        check(" a ;\tb = c ; d , e", &[Some(("a", &[("b", Some("c")), ("d", None)])), Some(("e", &[]))]);
        check(r#"a; b="c""#, &[Some(("a", &[("b", Some("c"))]))]);
        check(r#"a; b="\c\d""#, &[Some(("a", &[("b", Some("cd"))]))]);
    }

    #[test]
    fn what_is_malformed_spoils_no_other_element() {
        for element in [
            ";",
            "a;",
            "a;;b",
            "a;b=",
            "a;=b",
            "a b",
            "a; b c",
            "a; b=c d",
            "a=b",
            "a/b",
            "a; b=\"\"",
            "a; b=\"c d\"",
            "a; b=\"c\"d",
            "a; b=\"c,d\"",
            "a; b=\"c;d\"",
            "a; b=\"c\\\",d\"",
            "a; b=\"c\"d\"\"",
            "ä",
        ] {
            check(&format!("{element}, z"), &[None, Some(("z", &[]))]);
            check(&format!("z, {element}"), &[Some(("z", &[])), None]);
        }
    }

    #[test]
    fn a_quote_that_does_not_end_holds_the_rest() {
        for element in ["a; b=\"c", "a; b=c\"", "a; b=\"c\\\"", "a; b=\""] {
            check(&format!("z, {element}, y"), &[Some(("z", &[])), None]);
        }
    }
}
