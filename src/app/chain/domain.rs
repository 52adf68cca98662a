//! Owns what a quote is, and which ones are accepted.
//!
//! The one idea: parse, do not check. What a client sends becomes a [`NewQuote`] or the list of everything that is wrong
//! with it; whoever holds a [`NewQuote`] need not ask again.
//!
//! Never: does I/O; stops at the first mistake.
//! Limits: [`TEXT_CHARS_MAX`], [`AUTHOR_CHARS_MAX`], [`SOURCE_CHARS_MAX`], [`PAGE_QUOTES_MAX`].

use std::fmt;

use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};

/// Characters of a text.
pub const TEXT_CHARS_MAX: usize = 280;

/// Characters of an author's name.
pub const AUTHOR_CHARS_MAX: usize = 80;

/// Characters of a source.
pub const SOURCE_CHARS_MAX: usize = 120;

/// Quotes on one page.
pub const PAGE_QUOTES_MAX: u32 = 100;

/// Unknown members that are named; a list of all would be as long as the client likes.
const UNKNOWN_NAMED_MAX: usize = 8;

const PAGE_QUOTES: u32 = 10;

/// The number of a quote, from 1.
pub type QuoteId = u64;

/// A quote.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Quote {
    /// Its number.
    pub id: QuoteId,
    /// What was said.
    pub text: String,
    /// Who said it.
    pub author: String,
    /// Where it is found.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub source: Option<String>,
}

/// A quote that may be added.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct NewQuote {
    text: String,
    author: String,
    source: Option<String>,
}

/// Everything that is wrong with an input: names and what is wrong with each.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct FieldErrors(pub Vec<(String, String)>);

/// Which page of a list is wanted, as the query says it.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Deserialize)]
pub struct PageQuery {
    page: Option<u32>,
    limit: Option<u32>,
}

/// A page that can be had: quotes from `skip` on, at most `limit`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Page {
    number: u32,
    limit: u32,
}

/// Where a page stands in its list.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
pub struct PageMeta {
    page: u32,
    limit: u32,
    total: u64,
    pages: u64,
}

impl NewQuote {
    /// The quote that the members of a JSON object describe.
    ///
    /// # Errors
    /// Every member that is missing, wrong or unknown.
    pub fn parse(mut members: Map<String, Value>) -> Result<NewQuote, FieldErrors> {
        let mut errors = FieldErrors::default();
        let mut member = |name: &str, chars_max: usize| {
            let parsed = line(members.remove(name).unwrap_or(Value::Null), chars_max);
            parsed.map_err(|wrong| errors.0.push((name.to_owned(), wrong))).ok().flatten()
        };
        let text = member("text", TEXT_CHARS_MAX);
        let author = member("author", AUTHOR_CHARS_MAX);
        let source = member("source", SOURCE_CHARS_MAX);
        errors.require("text", text.is_some());
        errors.require("author", author.is_some());
        errors.refuse_unknown(&members);
        match (text, author) {
            (Some(text), Some(author)) if errors.0.is_empty() => Ok(NewQuote { text, author, source }),
            _ => Err(errors),
        }
    }

    /// A quote that the program brings along.
    pub(super) fn known(text: &str, author: &str, source: &str) -> NewQuote {
        NewQuote { text: text.to_owned(), author: author.to_owned(), source: Some(source.to_owned()) }
    }

    /// This quote, once it has a number.
    pub fn numbered(self, id: QuoteId) -> Quote {
        let NewQuote { text, author, source } = self;
        Quote { id, text, author, source }
    }
}

impl FieldErrors {
    fn require(&mut self, name: &str, there: bool) {
        if !there && self.0.iter().all(|(other, _)| other != name) {
            self.0.push((name.to_owned(), "is missing".to_owned()));
        }
    }

    fn refuse_unknown(&mut self, left: &Map<String, Value>) {
        let known = "is not known; a quote has text, author and source";
        let named = left.keys().take(UNKNOWN_NAMED_MAX);
        self.0.extend(named.map(|name| (name.chars().take(AUTHOR_CHARS_MAX).collect(), known.to_owned())));
    }
}

impl fmt::Display for FieldErrors {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (index, (name, wrong)) in self.0.iter().enumerate() {
            write!(f, "{}{name} {wrong}", if index > 0 { "; " } else { "" })?;
        }
        Ok(())
    }
}

impl PageQuery {
    /// The page, by default the first with ten quotes.
    ///
    /// # Errors
    /// Every number that is out of its range.
    pub fn page(self) -> Result<Page, FieldErrors> {
        let (number, limit) = (self.page.unwrap_or(1), self.limit.unwrap_or(PAGE_QUOTES));
        let mut errors = FieldErrors::default();
        if number == 0 {
            errors.0.push(("page".to_owned(), "is counted from 1".to_owned()));
        }
        if limit == 0 || limit > PAGE_QUOTES_MAX {
            errors.0.push(("limit".to_owned(), format!("is from 1 to {PAGE_QUOTES_MAX}")));
        }
        if errors.0.is_empty() { Ok(Page { number, limit }) } else { Err(errors) }
    }
}

impl Page {
    /// Quotes before the first on this page.
    pub fn skip(self) -> u64 {
        u64::from(self.number - 1) * u64::from(self.limit)
    }

    /// Quotes on this page at most.
    pub fn limit(self) -> u32 {
        self.limit
    }

    /// Where this page stands in a list of `total`.
    pub fn of(self, total: u64) -> PageMeta {
        PageMeta { page: self.number, limit: self.limit, total, pages: total.div_ceil(u64::from(self.limit)) }
    }
}

/// One line of text, trimmed; nothing for `null`.
fn line(value: Value, chars_max: usize) -> Result<Option<String>, String> {
    let text = match &value {
        Value::Null => return Ok(None),
        Value::String(text) => text.trim(),
        _ => return Err("is no string".to_owned()),
    };
    let chars = text.chars().count();
    if text.is_empty() {
        Err("is empty".to_owned())
    } else if chars > chars_max {
        Err(format!("has {chars} characters; {chars_max} are accepted"))
    } else if text.chars().any(char::is_control) {
        Err("holds a control character; it is one line of text".to_owned())
    } else {
        Ok(Some(text.to_owned()))
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn parse(quote: Value) -> Result<NewQuote, FieldErrors> {
        let Value::Object(members) = quote else { panic!("an object") };
        NewQuote::parse(members)
    }

    #[test]
    fn a_quote_is_trimmed_and_its_source_may_be_left_out() {
        let quote = parse(json!({"text": " Know thyself. ", "author": "Delphi"})).expect("a quote").numbered(7);
        assert_eq!((quote.id, quote.text.as_str(), quote.source), (7, "Know thyself.", None));
        for source in [json!(null), json!("a temple")] {
            assert!(parse(json!({"text": "x", "author": "y", "source": source})).is_ok());
        }
        let longest = json!({"text": "é".repeat(TEXT_CHARS_MAX), "author": "y".repeat(AUTHOR_CHARS_MAX)});
        assert!(parse(longest).is_ok());
    }

    #[test]
    fn every_mistake_is_named_at_once() {
        let check = |quote: Value, expected: &str| {
            assert_eq!(parse(quote.clone()).expect_err("a mistake").to_string(), expected, "{quote}");
        };
        check(json!({}), "text is missing; author is missing");
        check(json!({"text": null, "author": "y"}), "text is missing");
        check(json!({"text": "", "author": "  "}), "text is empty; author is empty");
        check(
            json!({"text": 7, "author": ["y"], "source": {}}),
            "text is no string; author is no string; source is no string",
        );
        check(json!({"text": "x".repeat(281), "author": "y"}), "text has 281 characters; 280 are accepted");
        for control in ["a\nb", "a\u{1b}[31mb", "a\0b", "a\u{85}b"] {
            check(json!({"text": control, "author": "y"}), "text holds a control character; it is one line of text");
        }
        let unknown = "is not known; a quote has text, author and source";
        check(json!({"text": "x", "author": "y", "id": 1}), &format!("id {unknown}"));
        check(json!({"TEXT": "x", "author": "y"}), &format!("text is missing; TEXT {unknown}"));
    }

    #[test]
    fn many_unknown_members_are_not_all_sent_back() {
        let members: Map<String, Value> = (0..1000).map(|n| (format!("{n:0>200}"), Value::Null)).collect();
        let errors = NewQuote::parse(members).expect_err("a mistake");
        assert_eq!(errors.0.len(), 2 + UNKNOWN_NAMED_MAX);
        assert!(errors.0.iter().all(|(name, _)| name.len() <= AUTHOR_CHARS_MAX));
    }

    #[test]
    fn a_page_is_counted_from_one_and_bounded() {
        let page = |page, limit| PageQuery { page, limit }.page();
        let first = page(None, None).expect("the first");
        assert_eq!((first.skip(), first.limit()), (0, 10));
        let last = page(Some(u32::MAX), Some(100)).expect("far away");
        assert_eq!(last.skip(), (u64::from(u32::MAX) - 1) * 100);
        assert_eq!(first.of(31), PageMeta { page: 1, limit: 10, total: 31, pages: 4 });
        assert_eq!(first.of(0).pages, 0);
        for (number, limit, expected) in [
            (Some(0), None, "page is counted from 1"),
            (None, Some(0), "limit is from 1 to 100"),
            (None, Some(101), "limit is from 1 to 100"),
            (Some(0), Some(u32::MAX), "page is counted from 1; limit is from 1 to 100"),
        ] {
            assert_eq!(page(number, limit).expect_err("out of range").to_string(), expected);
        }
    }
}
