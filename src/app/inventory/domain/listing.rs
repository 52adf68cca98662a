//! Owns which part of a list is asked for: how many, in which order, from where on, and which ones.
//!
//! The one idea: a query is parsed like any other input: every parameter that is unknown, stands twice or is out of its range is
//! told at once. What was misspelled would otherwise be a filter that does nothing.
//!
//! Spec: the WHATWG URL standard 5 (queries).
//! Never: leaves a list without an end.
//! Limits: [`PAGE_MAX`], [`SEARCH_CHARS_MAX`].

use std::borrow::Cow;
use std::collections::BTreeMap;
use std::collections::btree_map::Entry;

use jiff::Timestamp;
use serde::Serialize;

use crate::app::inventory::domain::cursor::{Cursor, Key, Position};
use crate::app::inventory::domain::order::Status;
use crate::app::inventory::domain::product::{PRICE_CENTS, TAG, folded};
use crate::app::inventory::domain::{At, Invalid, Order, Product};

/// Rows on one page.
pub const PAGE_MAX: usize = 100;

/// Rows on one page, unless it is asked for more or fewer.
pub const PAGE: usize = 20;

/// Characters of what is searched for.
pub const SEARCH_CHARS_MAX: usize = 100;

/// What products are sorted by.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum By {
    /// When they were added.
    CreatedAt,
    /// Their names, byte by byte.
    Name,
    /// Their prices, whatever the currency.
    Price,
    /// How many there are.
    Stock,
}

/// An order of products.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Sort {
    /// By what.
    pub by: By,
    /// Whether the greatest comes first.
    pub is_descending: bool,
}

/// Which products are asked for.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ProductQuery {
    /// Rows at most.
    pub limit: usize,
    /// In which order.
    pub sort: Sort,
    /// Behind which.
    pub after: Option<Position>,
    /// What their name, SKU or description has, in lower case.
    pub search: Option<String>,
    /// What they cost at least.
    pub min_price: Option<i64>,
    /// What they cost at most.
    pub max_price: Option<i64>,
    /// A tag that they have.
    pub tag: Option<String>,
    /// Whether there are some.
    pub in_stock: Option<bool>,
}

/// Which orders are asked for: the newest first.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct OrderQuery {
    /// Rows at most.
    pub limit: usize,
    /// Behind which.
    pub after: Option<Position>,
    /// What has become of them.
    pub status: Option<Status>,
}

/// A part of a list.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Page<T> {
    /// The rows.
    pub rows: Vec<T>,
    /// Where it goes on.
    pub meta: PageMeta,
}

/// Where a page stands in its list.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct PageMeta {
    /// The cursor of the next page; nothing on the last one.
    pub next: Option<String>,
    /// Rows at most.
    pub limit: usize,
}

/// The one order of orders.
pub const ORDERS_SORT: &str = "-created_at";

const SORTS: [(&str, Sort); 8] = [
    ("created_at", Sort { by: By::CreatedAt, is_descending: false }),
    ("-created_at", Sort { by: By::CreatedAt, is_descending: true }),
    ("name", Sort { by: By::Name, is_descending: false }),
    ("-name", Sort { by: By::Name, is_descending: true }),
    ("price_cents", Sort { by: By::Price, is_descending: false }),
    ("-price_cents", Sort { by: By::Price, is_descending: true }),
    ("stock", Sort { by: By::Stock, is_descending: false }),
    ("-stock", Sort { by: By::Stock, is_descending: true }),
];

impl Sort {
    /// Each of them.
    pub const ALL: [Sort; 8] =
        [SORTS[0].1, SORTS[1].1, SORTS[2].1, SORTS[3].1, SORTS[4].1, SORTS[5].1, SORTS[6].1, SORTS[7].1];

    /// As the query spells it.
    pub fn text(self) -> &'static str {
        SORTS.iter().find(|(_, sort)| *sort == self).map_or("", |(text, _)| text)
    }

    /// Where `product` stands.
    pub fn position(self, product: &Product) -> Position {
        let key = match self.by {
            By::CreatedAt => Key::At(product.created_at),
            By::Name => Key::Text(product.details.name.clone()),
            By::Price => Key::Number(product.details.price_cents),
            By::Stock => Key::Number(product.details.stock),
        };
        Position { key, id: product.id }
    }

    fn key(self) -> Key {
        match self.by {
            By::CreatedAt => Key::At(Timestamp::UNIX_EPOCH),
            By::Name => Key::Text(String::new()),
            By::Price | By::Stock => Key::Number(0),
        }
    }
}

impl ProductQuery {
    /// The query that `pairs` describe.
    ///
    /// # Errors
    /// Everything that is wrong with it.
    pub fn parse<'a>(pairs: impl Iterator<Item = (Cow<'a, str>, Cow<'a, str>)>) -> Result<ProductQuery, Invalid> {
        let mut parameters = Parameters::of(pairs);
        let limit = parameters.limit();
        let sort = parameters.take("sort", |text| SORTS.iter().find(|(name, _)| *name == text).map(|(_, sort)| *sort));
        let sort = sort.unwrap_or(Sort { by: By::CreatedAt, is_descending: false });
        let after = parameters.after(sort.text(), &sort.key());
        let search = parameters.take("q", |text| is_searchable(text).then(|| folded(text)));
        let price = |text: &str| text.parse().ok().filter(|price| PRICE_CENTS.contains(price));
        let (min_price, max_price) = (parameters.take("min_price", price), parameters.take("max_price", price));
        let tag = parameters.take("tag", |text| TAG.fault(text).is_none().then(|| text.to_owned()));
        let in_stock = parameters.take("in_stock", |text| text.parse().ok());
        parameters.end("limit, after, sort, q, min_price, max_price, tag and in_stock")?;
        Ok(ProductQuery { limit, sort, after, search, min_price, max_price, tag, in_stock })
    }

    /// Whether `product` is one of those that are asked for, wherever it stands.
    pub fn wants(&self, product: &Product) -> bool {
        let details = &product.details;
        self.min_price.is_none_or(|min| details.price_cents >= min)
            && self.max_price.is_none_or(|max| details.price_cents <= max)
            && self.tag.as_ref().is_none_or(|tag| details.tags.contains(tag))
            && self.in_stock.is_none_or(|some| some == (details.stock > 0))
            // Last: it reads the whole text.
            && self.search.as_ref().is_none_or(|search| details.searched().contains(search))
    }

    /// The page that begins `rows`, of which there is one more than asked for unless it is the last.
    pub fn page(&self, rows: Vec<Product>) -> Page<Product> {
        page(rows, self.limit, self.sort.text(), |product| self.sort.position(product))
    }
}

impl OrderQuery {
    /// The query that `pairs` describe.
    ///
    /// # Errors
    /// Everything that is wrong with it.
    pub fn parse<'a>(pairs: impl Iterator<Item = (Cow<'a, str>, Cow<'a, str>)>) -> Result<OrderQuery, Invalid> {
        let mut parameters = Parameters::of(pairs);
        let limit = parameters.limit();
        let after = parameters.after(ORDERS_SORT, &Key::At(Timestamp::UNIX_EPOCH));
        let status = parameters.take("status", Status::parse);
        parameters.end("limit, after and status")?;
        Ok(OrderQuery { limit, after, status })
    }

    /// As [`ProductQuery::page`].
    pub fn page(&self, rows: Vec<Order>) -> Page<Order> {
        page(rows, self.limit, ORDERS_SORT, Order::position)
    }
}

/// That nothing is asked for.
///
/// # Errors
/// Every parameter that there is.
pub fn parse_nothing<'a>(pairs: impl Iterator<Item = (Cow<'a, str>, Cow<'a, str>)>) -> Result<(), Invalid> {
    Parameters::of(pairs).end("none here")
}

fn page<T>(mut rows: Vec<T>, limit: usize, sort: &'static str, position: impl Fn(&T) -> Position) -> Page<T> {
    let goes_on = rows.len() > limit;
    rows.truncate(limit);
    let last = rows.last().filter(|_| goes_on);
    let next = last.map(|row| Cursor { sort, position: position(row) }.encode());
    Page { rows, meta: PageMeta { next, limit } }
}

fn is_searchable(text: &str) -> bool {
    !text.contains(char::is_control) && (1..=SEARCH_CHARS_MAX).contains(&text.chars().count())
}

/// Parameters that are being read.
struct Parameters<'a> {
    values: BTreeMap<Cow<'a, str>, Cow<'a, str>>,
    invalid: Invalid,
}

impl<'a> Parameters<'a> {
    fn of(pairs: impl Iterator<Item = (Cow<'a, str>, Cow<'a, str>)>) -> Parameters<'a> {
        let mut parameters = Parameters { values: BTreeMap::new(), invalid: Invalid::default() };
        for (name, value) in pairs {
            match parameters.values.entry(name) {
                Entry::Occupied(twice) => {
                    parameters.invalid.add(At::parameter(twice.key()), "duplicate", "stands twice");
                }
                Entry::Vacant(place) => {
                    place.insert(value);
                }
            }
        }
        parameters
    }

    /// The value of the parameter called `name`, if it is there and `read` makes something of it.
    fn take<T>(&mut self, name: &str, read: impl FnOnce(&str) -> Option<T>) -> Option<T> {
        let value = self.values.remove(name)?;
        let read = read(&value);
        if read.is_none() {
            self.invalid.add(At::parameter(name), "invalid", rule(name));
        }
        read
    }

    fn limit(&mut self) -> usize {
        self.take("limit", |text| text.parse().ok().filter(|limit| (1..=PAGE_MAX).contains(limit))).unwrap_or(PAGE)
    }

    fn after(&mut self, sort: &'static str, like: &Key) -> Option<Position> {
        self.take("after", |text| Cursor::decode(text, sort, like)).map(|cursor| cursor.position)
    }

    fn end(mut self, known: &str) -> Result<(), Invalid> {
        for name in self.values.keys() {
            self.invalid.add(At::parameter(name), "unknown", format!("is not known: there are {known}"));
        }
        self.invalid.or(Some(()))
    }
}

/// What a parameter has to be.
fn rule(name: &str) -> &'static str {
    match name {
        "limit" => "is a number from 1 to 100",
        "after" => "is the `next` of an answer to the same order",
        "sort" => "is created_at, name, price_cents or stock, perhaps behind a -",
        "q" => "is 1 to 100 characters without control characters",
        "min_price" | "max_price" => "is a number from 0 to 100000000",
        "tag" => "is a tag: 1 to 30 characters",
        "in_stock" => "is true or false",
        "status" => "is placed, confirmed or cancelled",
        _ => "is wrong",
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parse(query: &str) -> Result<ProductQuery, Invalid> {
        ProductQuery::parse(form_urlencoded::parse(query.as_bytes()))
    }

    #[test]
    fn a_query_without_parameters_is_the_first_page() {
        let query = parse("").expect("a query");
        assert_eq!((query.limit, query.sort.text(), query.after), (PAGE, "created_at", None));
    }

    #[test]
    fn every_parameter_is_understood() {
        let text = "limit=100&sort=-stock&q=50%25_%5C&min_price=0&max_price=100000000&tag=a%20b&in_stock=false";
        let query = parse(text).expect("a query");
        assert_eq!((query.limit, query.sort.text(), query.search.as_deref()), (100, "-stock", Some("50%_\\")));
        assert_eq!((query.min_price, query.max_price, query.in_stock), (Some(0), Some(100_000_000), Some(false)));
        assert_eq!(query.tag.as_deref(), Some("a b"));
        for sort in Sort::ALL {
            assert_eq!(parse(&format!("sort={}", sort.text())).expect("a query").sort, sort);
        }
    }

    #[test]
    fn every_parameter_that_is_wrong_is_named_at_once() {
        let check = |query: &str, expected: &[(&str, &str)]| {
            let invalid = parse(query).expect_err(query);
            let found: Vec<_> = invalid.mistakes().iter().map(|mistake| (mistake.at.clone(), mistake.code)).collect();
            let expected: Vec<_> = expected.iter().map(|(name, code)| (At::parameter(name), *code)).collect();
            assert_eq!(found, expected, "{query}");
        };
        for limit in ["0", "101", "-1", "x", "", "1.0", "99999999999999999999", "+"] {
            check(&format!("limit={limit}"), &[("limit", "invalid")]);
        }
        for (name, value) in [
            ("sort", "id"),
            ("sort", "--name"),
            ("sort", ""),
            ("after", "garbage"),
            ("after", ""),
            ("q", ""),
            ("q", "%00"),
            ("min_price", "-1"),
            ("max_price", "100000001"),
            ("min_price", "9223372036854775808"),
            ("tag", ""),
            ("tag", "%00"),
            ("in_stock", "1"),
            ("in_stock", "TRUE"),
        ] {
            check(&format!("{name}={value}"), &[(name, "invalid")]);
        }
        check(&format!("q={}", "x".repeat(101)), &[("q", "invalid")]);
        check("limit=1&limit=1", &[("limit", "duplicate")]);
        check("page=2", &[("page", "unknown")]);
        check("Limit=2", &[("Limit", "unknown")]);
        check("x=1&limit=0&sort=y", &[("limit", "invalid"), ("sort", "invalid"), ("x", "unknown")]);
    }
}
