//! Owns what an order is, which ones are accepted, and what it takes.
//!
//! ```text
//!            ┌─────────> confirmed      by the job behind `notify`
//!   placed ──┤
//!            └─────────> cancelled      gives back what it took, once
//! ```
//!
//! The one idea: what an order comes to is computed here, from the products as they are while nobody else can change them. A
//! repository only holds them still and writes down what comes of it.
//!
//! Never: takes a part of an order; computes with fractions.
//! Invariants: the total is the sum of its lines, and fits: 50 lines × 1,000 pieces × 100,000,000.
//! Limits: [`LINES_MAX`], [`QUANTITY`].

use std::collections::{BTreeMap, HashMap};
use std::ops::RangeInclusive;

use jiff::Timestamp;
use serde::{Deserialize, Serialize};
use serde_json::Value;
use uuid::Uuid;

use crate::app::inventory::domain::cursor::{Key, Position, parse_id};
use crate::app::inventory::domain::members::{Members, Text};
use crate::app::inventory::domain::{At, Invalid};

/// Lines of an order.
pub const LINES_MAX: usize = 50;

/// Pieces of a line.
pub const QUANTITY: RangeInclusive<i64> = 1..=1_000;

/// An order.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Order {
    /// Its number.
    pub id: Uuid,
    /// What has become of it.
    pub status: Status,
    /// What was ordered, in the order of the request.
    pub lines: Vec<Line>,
    /// What it comes to, in minor units.
    pub total_cents: i64,
    /// Of all prices.
    pub currency: String,
    /// When it was placed.
    pub created_at: Timestamp,
    /// When its status was changed last.
    pub updated_at: Timestamp,
}

/// What has become of an order.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Status {
    /// It has taken its stock.
    Placed,
    /// Who has ordered was told.
    Confirmed,
    /// It has given its stock back.
    Cancelled,
}

/// A line of an order. The price is that of the moment.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Line {
    /// Of what.
    pub product_id: Uuid,
    /// What that was called.
    pub sku: String,
    /// How many.
    pub quantity: i64,
    /// What one costs.
    pub unit_price_cents: i64,
}

/// An order that may be placed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Draft {
    /// Its number.
    pub id: Uuid,
    /// What is wanted, and how many.
    pub lines: Vec<(Uuid, i64)>,
    /// Whether somebody is to be told.
    pub notify: bool,
    /// When.
    pub at: Timestamp,
}

/// What a product is to an order.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Offer {
    /// What it is called.
    pub sku: String,
    /// What a piece costs.
    pub price_cents: i64,
    /// In what.
    pub currency: String,
    /// How many there are.
    pub stock: i64,
}

/// Pieces of each product, in the order of their numbers: whoever takes several takes them in this order.
pub type Pieces = BTreeMap<Uuid, i64>;

impl Status {
    /// Each of them.
    pub const ALL: [Status; 3] = [Status::Placed, Status::Confirmed, Status::Cancelled];

    /// As it is written.
    pub fn text(self) -> &'static str {
        match self {
            Status::Placed => "placed",
            Status::Confirmed => "confirmed",
            Status::Cancelled => "cancelled",
        }
    }

    /// The status that `text` names.
    pub fn parse(text: &str) -> Option<Status> {
        Status::ALL.into_iter().find(|status| status.text() == text)
    }
}

impl Draft {
    /// The order that a JSON object describes.
    ///
    /// # Errors
    /// Everything that is wrong with it.
    pub fn parse(value: Value, id: Uuid, at: Timestamp) -> Result<Draft, Invalid> {
        let mut invalid = Invalid::default();
        let draft = draft(value, id, at, &mut invalid);
        invalid.or(draft)
    }

    /// Pieces that it wants of each product.
    pub fn pieces(&self) -> Pieces {
        pieces(self.lines.iter().copied())
    }

    /// What it comes to, with the products as they are.
    ///
    /// # Errors
    /// Every line that cannot be had.
    pub fn price(&self, offers: &HashMap<Uuid, Offer>) -> Result<Order, Invalid> {
        let (mut invalid, mut lines, mut taken) = (Invalid::default(), Vec::new(), Pieces::new());
        let currency = self.lines.iter().find_map(|(id, _)| offers.get(id)).map(|offer| offer.currency.clone());
        for (index, &(product_id, quantity)) in self.lines.iter().enumerate() {
            let at = format!("/lines/{index}");
            let Some(offer) = offers.get(&product_id) else {
                invalid.add(At::member(&at, "product_id"), "unknown_product", "there is no such product");
                continue;
            };
            if Some(&offer.currency) != currency.as_ref() {
                let detail = "has a price in another currency than the lines before";
                invalid.add(At::member(&at, "product_id"), "mixed_currencies", detail);
            }
            let taken = taken.entry(product_id).or_default();
            if *taken + quantity > offer.stock {
                let detail = format!("there are {} left", offer.stock - *taken);
                invalid.add(At::member(&at, "quantity"), "out_of_stock", detail);
                continue;
            }
            *taken += quantity;
            lines.push(Line { product_id, sku: offer.sku.clone(), quantity, unit_price_cents: offer.price_cents });
        }
        let order = currency.map(|currency| Order {
            id: self.id,
            status: Status::Placed,
            total_cents: lines.iter().map(|line| line.quantity * line.unit_price_cents).sum(),
            lines,
            currency,
            created_at: self.at,
            updated_at: self.at,
        });
        invalid.or(order)
    }
}

impl Order {
    /// Where it stands in the list of orders.
    pub fn position(&self) -> Position {
        Position { key: Key::At(self.created_at), id: self.id }
    }

    /// Pieces that it has taken of each product.
    pub fn pieces(&self) -> Pieces {
        pieces(self.lines.iter().map(|line| (line.product_id, line.quantity)))
    }

    /// The same order with another status.
    pub fn with_status(self, status: Status, at: Timestamp) -> Order {
        Order { status, updated_at: at, ..self }
    }
}

fn pieces(lines: impl Iterator<Item = (Uuid, i64)>) -> Pieces {
    let mut pieces = Pieces::new();
    for (id, quantity) in lines {
        *pieces.entry(id).or_default() += quantity;
    }
    pieces
}

fn draft(value: Value, id: Uuid, at: Timestamp, invalid: &mut Invalid) -> Option<Draft> {
    let mut members = Members::of(value, "", invalid)?;
    let values = members.list("lines", (1, LINES_MAX), None);
    let notify = members.flag("notify", false);
    members.end("lines and notify");
    let values = values?;
    let count = values.len();
    let lines = values.into_iter().enumerate().filter_map(|(index, value)| line(value, index, invalid));
    let lines: Vec<_> = lines.collect();
    (lines.len() == count).then_some(Draft { id, lines, notify: notify?, at })
}

fn line(value: Value, index: usize, invalid: &mut Invalid) -> Option<(Uuid, i64)> {
    let at = format!("/lines/{index}");
    let mut members = Members::of(value, &at, invalid)?;
    let product = members.text("product_id", Text::line(0, usize::MAX), None);
    let product = product.and_then(|text| {
        let id = parse_id(&text);
        if id.is_none() {
            members.refuse("product_id", "pattern", "is no UUID with hyphens");
        }
        id
    });
    let quantity = members.number("quantity", QUANTITY, None);
    members.end("product_id and quantity");
    Some((product?, quantity?))
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    const A: Uuid = Uuid::from_u128(1);
    const B: Uuid = Uuid::from_u128(2);

    fn parse(value: Value) -> Result<Draft, Invalid> {
        Draft::parse(value, Uuid::from_u128(9), Timestamp::UNIX_EPOCH)
    }

    fn draft_of(lines: &[(Uuid, i64)]) -> Draft {
        Draft { id: Uuid::from_u128(9), lines: lines.to_vec(), notify: false, at: Timestamp::UNIX_EPOCH }
    }

    fn offers() -> HashMap<Uuid, Offer> {
        let offer = |sku: &str, price_cents, currency: &str, stock| Offer {
            sku: sku.to_owned(),
            price_cents,
            currency: currency.to_owned(),
            stock,
        };
        HashMap::from([
            (A, offer("AA", 250, "EUR", 3)),
            (B, offer("BB", 1, "EUR", 1_000)),
            (Uuid::max(), offer("CC", 7, "USD", 9)),
        ])
    }

    #[test]
    fn what_is_wrong_with_an_order_is_named_line_by_line() {
        let good = json!({"product_id": A, "quantity": 1});
        assert_eq!(parse(json!({"lines": [good, good], "notify": true})).unwrap().lines, [(A, 1), (A, 1)]);
        for (value, expected) in [
            (json!({"lines": []}), "/lines has 0 members; 1 to 50 are accepted"),
            (json!({"lines": vec![&good; 51]}), "/lines has 51 members; 1 to 50 are accepted"),
            (json!({"lines": [good, 7]}), "/lines/1 is no object"),
            (
                json!({"lines": [{"product_id": "x", "quantity": 0}, {}], "notify": 1}),
                "/notify is neither true nor false; /lines/0/product_id is no UUID with hyphens; \
                 /lines/0/quantity is no whole number from 1 to 1000; /lines/1/product_id is missing; \
                 /lines/1/quantity is missing",
            ),
            (json!({"lines": [good], "pay": 1}), "/pay is not known: there are lines and notify"),
        ] {
            assert_eq!(parse(value).expect_err("a mistake").to_string(), expected);
        }
    }

    #[test]
    fn an_order_comes_to_the_sum_of_its_lines() {
        let order = draft_of(&[(B, 1_000), (A, 2), (A, 1)]).price(&offers()).expect("an order");
        assert_eq!((order.total_cents, order.currency.as_str(), order.lines.len()), (1_750, "EUR", 3));
        assert_eq!(order.pieces(), Pieces::from([(A, 3), (B, 1_000)]));
    }

    #[test]
    fn every_line_that_cannot_be_had_is_named() {
        let refused = draft_of(&[(A, 2), (A, 2), (Uuid::nil(), 1), (Uuid::max(), 10), (B, 1)]).price(&offers());
        let expected = "/lines/1/quantity there are 1 left; /lines/2/product_id there is no such product; \
                        /lines/3/product_id has a price in another currency than the lines before; \
                        /lines/3/quantity there are 9 left";
        assert_eq!(refused.expect_err("four mistakes").to_string(), expected);
        let nothing = draft_of(&[(Uuid::nil(), 1)]).price(&offers());
        assert_eq!(nothing.expect_err("a mistake").mistakes().len(), 1);
    }
}
