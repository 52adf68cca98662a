//! Owns what a product is, and which ones are accepted.
//!
//! ```text
//!   Product = id + Details + version + two moments        Details: what a client may write
//!   PUT: Details::parse(content)        PATCH: Details::parse(merge(Details as JSON, content))
//! ```
//!
//! The one idea: a change is a whole. A merge patch is laid over what is there, and what comes of it has to be a product by the
//! same rules as a new one: no rule has a second form.
//!
//! Spec: RFC 7396 2 (merge patch).
//! Never: holds money as anything but whole minor units.
//! Limits: the constants of this file.

use std::ops::RangeInclusive;

use jiff::Timestamp;
use serde::{Deserialize, Serialize};
use serde_json::Value;
use uuid::Uuid;

use crate::app::inventory::domain::members::{Members, Text};
use crate::app::inventory::domain::{At, Invalid};

/// Characters of a name.
pub const NAME_CHARS_MAX: usize = 120;

/// Characters of a description.
pub const DESCRIPTION_CHARS_MAX: usize = 2_000;

/// Minor units of a price: a million of most currencies.
pub const PRICE_CENTS: RangeInclusive<i64> = 0..=100_000_000;

/// Pieces that a client may say there are. What cancelled orders give back is not bounded by it.
pub const STOCK: RangeInclusive<i64> = 0..=1_000_000;

/// Tags of a product.
pub const TAGS_MAX: usize = 10;

/// Characters of a tag.
pub const TAG_CHARS_MAX: usize = 30;

/// Products of one request.
pub const BULK_PRODUCTS_MAX: usize = 500;

/// Characters of an SKU.
const SKU_CHARS: (usize, usize) = (2, 32);

const KNOWN: &str = "sku, name, description, price_cents, currency, stock and tags";

/// One line that is a tag.
pub const TAG: Text = Text::line(1, TAG_CHARS_MAX);

/// A product.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Product {
    /// Its number.
    pub id: Uuid,
    /// What a client may write.
    #[serde(flatten)]
    pub details: Details,
    /// Rises by one with each change, of its stock too. From 1.
    pub version: i64,
    /// When it was added.
    pub created_at: Timestamp,
    /// When it was changed last.
    pub updated_at: Timestamp,
}

/// What a client may write of a product.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Details {
    /// What the shop calls it: `^[A-Z0-9][A-Z0-9-]{1,31}$`, of one living product.
    pub sku: String,
    /// One line.
    pub name: String,
    /// Any lines, none by default.
    pub description: String,
    /// What a piece costs, in minor units of the currency.
    pub price_cents: i64,
    /// ISO 4217: three capitals. `EUR` by default.
    pub currency: String,
    /// Pieces that can be ordered. None by default.
    pub stock: i64,
    /// Words to find it by.
    pub tags: Vec<String>,
}

impl Product {
    /// A new one.
    pub fn new(id: Uuid, details: Details, at: Timestamp) -> Product {
        Product { id, details, version: 1, created_at: at, updated_at: at }
    }

    /// The same product, changed.
    pub fn changed(&self, details: Details, at: Timestamp) -> Product {
        Product { details, version: self.version + 1, updated_at: at.max(self.updated_at), ..*self }
    }
}

impl Details {
    /// The details that a JSON object describes.
    ///
    /// # Errors
    /// Everything that is wrong with it.
    pub fn parse(value: Value) -> Result<Details, Invalid> {
        let mut invalid = Invalid::default();
        let details = Details::parse_at(value, "", &mut invalid);
        invalid.or(details)
    }

    /// As [`Details::parse`], of a value that stands at `at`.
    pub fn parse_at(value: Value, at: &str, invalid: &mut Invalid) -> Option<Details> {
        let mut members = Members::of(value, at, invalid)?;
        let sku = sku(&mut members);
        let name = members.text("name", Text::line(1, NAME_CHARS_MAX), None);
        let lines = Text { chars: (0, DESCRIPTION_CHARS_MAX), has_lines: true };
        let description = members.text("description", lines, Some(""));
        let price_cents = members.number("price_cents", PRICE_CENTS, None);
        let currency = currency(&mut members);
        let stock = members.number("stock", STOCK, Some(0));
        let tags = tags(&mut members);
        members.end(KNOWN);
        Some(Details {
            sku: sku?,
            name: name?,
            description: description?,
            price_cents: price_cents?,
            currency: currency?,
            stock: stock?,
            tags: tags?,
        })
    }

    /// These details with a merge patch laid over them.
    ///
    /// # Errors
    /// Everything that is wrong with what comes of it.
    pub fn patched(&self, patch: Value) -> Result<Details, Invalid> {
        let mut before = self.clone();
        // Cancelled orders may have given back more than a client may say: who says nothing of it is not asked.
        let kept = (patch.is_object() && patch.get("stock").is_none()).then(|| std::mem::take(&mut before.stock));
        let mut value = serde_json::to_value(before).unwrap_or_default();
        merge(&mut value, patch);
        let details = Details::parse(value)?;
        Ok(Details { stock: kept.unwrap_or(details.stock), ..details })
    }

    /// What a search looks into, in lower case. A search has no line breaks, so it finds nothing that spans two of these.
    pub fn searched(&self) -> String {
        folded(&format!("{}\n{}\n{}", self.name, self.sku, self.description))
    }
}

/// In lower case, letter by letter: a part of a text is folded as it is in the whole.
pub fn folded(text: &str) -> String {
    text.chars().flat_map(char::to_lowercase).collect()
}

/// The products of one request, each at `/products/N`.
///
/// # Errors
/// Everything that is wrong with all of them; an SKU that stands twice.
pub fn parse_bulk(value: Value) -> Result<Vec<Details>, Invalid> {
    let mut invalid = Invalid::default();
    let parsed = bulk(value, &mut invalid);
    invalid.or(parsed)
}

fn bulk(value: Value, invalid: &mut Invalid) -> Option<Vec<Details>> {
    let mut members = Members::of(value, "", invalid)?;
    let list = members.list("products", (1, BULK_PRODUCTS_MAX), None);
    members.end("products");
    let mut parsed: Vec<Details> = Vec::new();
    let mut skus = std::collections::HashSet::new();
    for (index, value) in list?.into_iter().enumerate() {
        let at = format!("/products/{index}");
        let Some(details) = Details::parse_at(value, &at, invalid) else { continue };
        if !skus.insert(details.sku.clone()) {
            invalid.add(At::member(&at, "sku"), "duplicate", "stands twice");
        }
        parsed.push(details);
    }
    Some(parsed)
}

fn sku(members: &mut Members<'_>) -> Option<String> {
    let sku = members.text("sku", Text::line(SKU_CHARS.0, SKU_CHARS.1), None)?;
    let is_known = |byte: u8| byte.is_ascii_uppercase() || byte.is_ascii_digit();
    if sku.bytes().all(|byte| is_known(byte) || byte == b'-') && !sku.starts_with('-') {
        return Some(sku);
    }
    members.refuse("sku", "pattern", "is not made of A to Z, 0 to 9 and -, beginning with a letter or digit");
    None
}

fn currency(members: &mut Members<'_>) -> Option<String> {
    let currency = members.text("currency", Text::line(3, 3), Some("EUR"))?;
    if currency.bytes().all(|byte| byte.is_ascii_uppercase()) {
        return Some(currency);
    }
    members.refuse("currency", "pattern", "is no code of three capitals, as in ISO 4217");
    None
}

fn tags(members: &mut Members<'_>) -> Option<Vec<String>> {
    let list = members.list("tags", (0, TAGS_MAX), Some(Vec::new()))?;
    let mut tags: Vec<String> = Vec::with_capacity(list.len());
    let mut is_right = true;
    for (index, value) in list.into_iter().enumerate() {
        let fault = match &value {
            Value::String(tag) if tags.contains(tag) => Some(("duplicate", "stands twice".to_owned())),
            Value::String(tag) => TAG.fault(tag),
            _ => Some(("type", "is no string".to_owned())),
        };
        match (fault, value) {
            (None, Value::String(tag)) => tags.push(tag),
            (fault, _) => {
                let (code, detail) = fault.unwrap_or(("type", String::new()));
                let at = At::Pointer(members.place("tags", index));
                members.invalid().add(at, code, detail);
                is_right = false;
            }
        }
    }
    is_right.then_some(tags)
}

/// RFC 7396 2, in its own words. Recursion ends where the reader of JSON has ended it.
fn merge(target: &mut Value, patch: Value) {
    let Value::Object(patch) = patch else {
        *target = patch;
        return;
    };
    if !target.is_object() {
        *target = Value::Object(serde_json::Map::new());
    }
    let Value::Object(target) = target else { return };
    for (name, value) in patch {
        if value.is_null() {
            target.remove(&name);
        } else {
            merge(target.entry(name).or_insert(Value::Null), value);
        }
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn least() -> Value {
        json!({"sku": "AB-1", "name": "Bolt", "price_cents": 5})
    }

    /// `least` with some members more, or others.
    fn with(members: Value) -> Value {
        let mut value = least();
        for (name, member) in members.as_object().unwrap() {
            value[name] = member.clone();
        }
        value
    }

    fn faults(value: Value) -> Vec<(String, &'static str)> {
        let invalid = Details::parse(value).expect_err("something is wrong");
        let place = |at: &At| match at {
            At::Pointer(place) | At::Parameter(place) => place.clone(),
        };
        invalid.mistakes().iter().map(|mistake| (place(&mistake.at), mistake.code)).collect()
    }

    #[test]
    fn what_is_left_out_is_nothing_and_a_price_is_in_euros() {
        let details = Details::parse(least()).expect("a product");
        assert_eq!((details.description.as_str(), details.currency.as_str(), details.stock), ("", "EUR", 0));
        assert!(details.tags.is_empty());
    }

    #[test]
    fn the_edges_are_inside() {
        for members in [
            json!({"sku": "A0"}),
            json!({"sku": format!("0{}", "-".repeat(31))}),
            json!({"name": "é".repeat(120)}),
            json!({"description": "é\n\t".repeat(666)}),
            json!({"price_cents": 0}),
            json!({"price_cents": 100_000_000}),
            json!({"price_cents": 100.0}),
            json!({"stock": 1_000_000}),
            json!({"tags": (0..10).map(|n| format!("{n:0>30}")).collect::<Vec<_>>()}),
        ] {
            Details::parse(with(members.clone())).unwrap_or_else(|invalid| panic!("{members}: {invalid}"));
        }
    }

    #[test]
    fn what_is_wrong_is_named_by_its_place_and_rule() {
        let check = |members: Value, place: &str, code: &str| {
            assert_eq!(faults(with(members.clone())), [(place.to_owned(), code)].map(|(p, c)| (p, c)), "{members}");
        };
        for sku in ["a1", "A_1", "-A", "Ä1", "A 1"] {
            check(json!({"sku": sku}), "/sku", "pattern");
        }
        check(json!({"sku": "A"}), "/sku", "length");
        check(json!({"sku": "A".repeat(33)}), "/sku", "length");
        check(json!({"name": ""}), "/name", "length");
        check(json!({"name": "x".repeat(121)}), "/name", "length");
        check(json!({"name": null}), "/name", "type");
        for control in ["a\0b", "a\nb", "a\u{1b}[31mb", "a\u{85}b"] {
            check(json!({"name": control}), "/name", "control_character");
        }
        check(json!({"name": " x"}), "/name", "spaces");
        check(json!({"description": "a\0b"}), "/description", "control_character");
        check(json!({"description": "x".repeat(2_001)}), "/description", "length");
        for price in [json!(-1), json!(100_000_001), json!(0.5), json!(u64::MAX), json!(1e300), json!(i64::MIN)] {
            check(json!({"price_cents": price}), "/price_cents", "out_of_range");
        }
        check(json!({"price_cents": "5"}), "/price_cents", "type");
        check(json!({"stock": 1_000_001}), "/stock", "out_of_range");
        check(json!({"stock": true}), "/stock", "type");
        for currency in ["eur", "EU1", "€UR"] {
            check(json!({"currency": currency}), "/currency", "pattern");
        }
        check(json!({"tags": "x"}), "/tags", "type");
        check(json!({"tags": vec!["x"; 11]}), "/tags", "length");
        check(json!({"tags": ["x", "y", "x"]}), "/tags/2", "duplicate");
        check(json!({"tags": ["x", 7]}), "/tags/1", "type");
        check(json!({"tags": [""]}), "/tags/0", "length");
        check(json!({"id": 1}), "/id", "unknown");
        check(json!({"a/b": 1}), "/a~1b", "unknown");
    }

    #[test]
    fn every_mistake_is_named_at_once() {
        let all = faults(json!({"sku": "x", "price_cents": -1, "stock": "", "tags": [1], "year": 1}));
        let places: Vec<&str> = all.iter().map(|(place, _)| place.as_str()).collect();
        assert_eq!(places, ["/sku", "/name", "/price_cents", "/stock", "/tags/0", "/year"]);
        for value in [json!([]), json!(null), json!("x"), json!(7)] {
            assert_eq!(faults(value), [(String::new(), "type")]);
        }
    }

    #[test]
    fn many_products_are_all_looked_at() {
        let invalid = parse_bulk(json!({"products": [least(), 7, with(json!({"name": ""})), least()]}));
        let words = invalid.expect_err("three mistakes").to_string();
        let expected = "/products/1 is no object; /products/2/name has 0 characters; 1 to 120 are accepted; \
                        /products/3/sku stands twice";
        assert_eq!(words, expected);
        for (value, place) in [
            (json!({"products": []}), "/products"),
            (json!({"products": vec![least(); 501]}), "/products"),
            (json!({}), "/products"),
            (json!({"products": [least()], "x": 1}), "/x"),
            (json!([least()]), ""),
        ] {
            let invalid = parse_bulk(value).expect_err("a mistake");
            assert!(matches!(&invalid.mistakes()[0].at, At::Pointer(found) if found == place), "{place}");
        }
    }

    #[test]
    fn a_patch_is_laid_over_what_is_there() {
        let details = Details::parse(with(json!({"description": "d", "tags": ["x"], "stock": 3}))).unwrap();
        let patched = details.patched(json!({"name": "Nut", "description": null, "tags": ["y"]})).unwrap();
        let expected = with(json!({"name": "Nut", "tags": ["y"], "stock": 3}));
        assert_eq!(patched, Details::parse(expected).unwrap());
        assert_eq!(details.patched(json!({})).unwrap(), details);
        // A cancelled order has given back more than a client may say.
        let full = Details { stock: STOCK.end() + 1_000, ..details.clone() };
        let named = Details { name: "Nut".to_owned(), ..full.clone() };
        assert_eq!(full.patched(json!({"name": "Nut"})).unwrap(), named);
        for (patch, stock) in
            [(json!({"stock": 7}), Some(7)), (json!({"stock": null}), Some(0)), (json!({"stock": full.stock}), None)]
        {
            assert_eq!(full.patched(patch).ok().map(|details| details.stock), stock);
        }
        for (patch, place) in [
            (json!({"name": null}), "/name"),
            (json!({"version": 7}), "/version"),
            (json!([]), ""),
            (json!(null), ""),
            (json!({"name": {"a": {"b": null}}}), "/name"),
        ] {
            let invalid = details.patched(patch).expect_err("a mistake");
            assert!(matches!(&invalid.mistakes()[0].at, At::Pointer(found) if found == place), "{place}");
        }
    }

    #[test]
    fn what_stands_in_a_text_is_found_by_it() {
        // The last sigma of a word has a lower case of its own.
        for (whole, part) in [("Hammer", "HAM"), ("ΟΔΟΣΑ", "ΟΔΟΣ"), ("STRAẞE", "straß"), ("ÄHRE", "ähr")]
        {
            assert!(folded(whole).contains(&folded(part)), "{part} in {whole}");
        }
    }

    #[test]
    fn a_product_does_not_become_younger() {
        let (early, late) = (Timestamp::UNIX_EPOCH, Timestamp::from_second(1).unwrap());
        let product = Product::new(Uuid::nil(), Details::parse(least()).unwrap(), late);
        assert_eq!(product.changed(product.details.clone(), early).updated_at, late, "whoever came first waited");
    }
}
