//! Owns what the two services deal in: items of a catalogue, and invoices. As little as is needed to have something to
//! protect.
//!
//! The one idea: money is whole cents, and texts are parsed once.
//!
//! Never: does I/O; stops at the first mistake.
//! Limits: [`TEXT_CHARS_MAX`], [`CENTS_MAX`].

use serde::{Deserialize, Serialize};

use crate::app::services::error::Error;

/// Characters of a name, a customer or a text.
pub const TEXT_CHARS_MAX: usize = 120;

/// The largest price, in cents.
pub const CENTS_MAX: u64 = 100_000_000;

/// Something that is sold.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Item {
    /// Its number.
    pub id: u64,
    /// What it is.
    pub name: String,
    /// What it costs.
    pub cents: u64,
}

/// What somebody owes.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Invoice {
    /// Its number.
    pub id: u64,
    /// Who owes: the subject of their tokens.
    pub customer: String,
    /// What for.
    pub text: String,
    /// How much.
    pub cents: u64,
}

/// An item as a client describes it.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct NewItem {
    name: String,
    cents: u64,
}

/// An invoice as a client describes it.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct NewInvoice {
    customer: String,
    text: String,
    cents: u64,
}

impl NewItem {
    /// The item, once it has a number.
    ///
    /// # Errors
    /// [`Error::Invalid`], with every member that is wrong.
    pub fn numbered(self, id: u64) -> Result<Item, Error> {
        let NewItem { name, cents } = self;
        refuse("invalid_item", [("name", line(&name)), ("cents", price(cents))])?;
        Ok(Item { id, name, cents })
    }
}

impl NewInvoice {
    /// The invoice, once it has a number.
    ///
    /// # Errors
    /// [`Error::Invalid`], with every member that is wrong.
    pub fn numbered(self, id: u64) -> Result<Invoice, Error> {
        let NewInvoice { customer, text, cents } = self;
        refuse("invalid_invoice", [("customer", line(&customer)), ("text", line(&text)), ("cents", price(cents))])?;
        Ok(Invoice { id, customer, text, cents })
    }
}

fn refuse<const N: usize>(code: &'static str, members: [(&'static str, Option<String>); N]) -> Result<(), Error> {
    let members: Vec<_> = members.into_iter().filter_map(|(name, wrong)| Some((name, wrong?))).collect();
    if members.is_empty() { Ok(()) } else { Err(Error::Invalid { code, members }) }
}

fn line(text: &str) -> Option<String> {
    let chars = text.chars().count();
    match text {
        _ if !(1..=TEXT_CHARS_MAX).contains(&chars) => Some(format!("has from 1 to {TEXT_CHARS_MAX} characters")),
        _ if text.chars().any(char::is_control) => Some("has no control characters".to_owned()),
        _ if text.trim() != text => Some("has no space at its ends".to_owned()),
        _ => None,
    }
}

fn price(cents: u64) -> Option<String> {
    (!(1..=CENTS_MAX).contains(&cents)).then(|| format!("is from 1 to {CENTS_MAX}"))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn wrong_members(json: &str) -> Vec<&'static str> {
        let invoice: NewInvoice = serde_json::from_str(json).expect("the members");
        match invoice.numbered(1) {
            Err(Error::Invalid { members, .. }) => members.into_iter().map(|(name, _)| name).collect(),
            _ => Vec::new(),
        }
    }

    #[test]
    fn every_member_that_is_wrong_is_named() {
        let long = "x".repeat(TEXT_CHARS_MAX + 1);
        for (json, expected) in [
            (r#"{"customer":"a","text":"b","cents":1}"#.to_owned(), &[][..]),
            (r#"{"customer":"","text":" b","cents":0}"#.to_owned(), &["customer", "text", "cents"]),
            (r#"{"customer":"a\r\nb","text":"b","cents":100000001}"#.to_owned(), &["customer", "cents"]),
            (format!(r#"{{"customer":"{long}","text":"b","cents":1}}"#), &["customer"]),
        ] {
            assert_eq!(wrong_members(&json), expected, "{json}");
        }
    }
}
