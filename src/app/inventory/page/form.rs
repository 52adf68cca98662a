//! Owns a product as it stands in a form: what somebody wrote, right or not, and the content that it would be for the API.
//!
//! ```text
//!   price=49,90&tags=light%0Adesk ──Form──> {"price_cents":4990,"tags":["light","desk"]} ──the domain──> NewProduct
//!                                   │                                                       └> /tags/1 is too long
//!                                   └──────────── shown again, as it was written <──────────────────┘
//! ```
//!
//! The one idea: a form has no rules of its own. It becomes what a program would send, and is judged as that; what was found
//! at a pointer is shown at the field that it came from.
//!
//! Never: loses what somebody has written.

use serde::Deserialize;
use serde_json::{Map, Value, json};

use super::money;
use crate::app::inventory::domain::{Details, Product};

/// What stands in the fields. A field that was not sent is empty.
#[derive(Clone, Debug, Default, PartialEq, Eq, Deserialize)]
#[serde(default)]
pub(super) struct Form {
    pub(super) sku: String,
    pub(super) name: String,
    pub(super) description: String,
    pub(super) price: String,
    pub(super) currency: String,
    pub(super) stock: String,
    pub(super) tags: String,
    /// The version of the product that the form was made of.
    pub(super) version: String,
}

/// An order of one product as it stands in a form.
#[derive(Clone, Debug, Default, PartialEq, Eq, Deserialize)]
#[serde(default)]
pub(super) struct OrderForm {
    pub(super) product_id: String,
    pub(super) quantity: String,
    /// Nothing, where the box was not ticked.
    pub(super) notify: String,
    /// What makes the same form sent twice one order.
    pub(super) key: String,
}

/// A field of the form, the member of the content that it becomes, and how people call it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Field {
    pub(super) name: &'static str,
    pub(super) member: &'static str,
    pub(super) label: &'static str,
}

/// All fields, in the order in which they are shown.
pub(super) const FIELDS: [Field; 7] = [
    Field { name: "name", member: "name", label: "Name" },
    Field { name: "sku", member: "sku", label: "SKU" },
    Field { name: "tags", member: "tags", label: "Tags" },
    Field { name: "price", member: "price_cents", label: "Price" },
    Field { name: "currency", member: "currency", label: "Currency" },
    Field { name: "stock", member: "stock", label: "Stock" },
    Field { name: "description", member: "description", label: "Description" },
];

impl Form {
    /// What is there, to be changed.
    pub(super) fn of(product: &Product) -> Form {
        let Details { sku, name, description, price_cents, currency, stock, tags } = product.details.clone();
        let price = money::amount(price_cents, &currency);
        let (stock, tags, version) = (stock.to_string(), tags.join("\n"), product.version.to_string());
        Form { sku, name, description, price, currency, stock, tags, version }
    }

    /// A new product, of which little is known.
    pub(super) fn empty() -> Form {
        Form { currency: "EUR".to_owned(), stock: "0".to_owned(), ..Form::default() }
    }

    /// The content that a program would send. What is no number stays a text, which the domain refuses.
    pub(super) fn content(&self) -> Map<String, Value> {
        let currency = self.currency.trim();
        let price = money::minor(&self.price, currency).map_or_else(|| self.price.as_str().into(), Value::from);
        let tags: Vec<&str> = self.tags.lines().map(str::trim).filter(|tag| !tag.is_empty()).collect();
        let members = [
            ("sku", self.sku.trim().into()),
            ("name", self.name.trim().into()),
            // HTML 4.10.21.4: line breaks of a form are CRLF.
            ("description", self.description.replace("\r\n", "\n").into()),
            ("price_cents", price),
            ("currency", currency.into()),
            ("stock", number(self.stock.trim())),
            ("tags", tags.into()),
        ];
        members.into_iter().map(|(member, value)| (member.to_owned(), value)).collect()
    }

    /// What stands in a field.
    pub(super) fn text(&self, field: Field) -> &str {
        match field.name {
            "sku" => &self.sku,
            "name" => &self.name,
            "description" => &self.description,
            "price" => &self.price,
            "currency" => &self.currency,
            "stock" => &self.stock,
            _ => &self.tags,
        }
    }
}

impl OrderForm {
    /// One piece, to be confirmed.
    pub(super) fn usual() -> OrderForm {
        OrderForm { quantity: "1".to_owned(), notify: "true".to_owned(), ..OrderForm::default() }
    }

    /// The content that a program would send.
    pub(super) fn content(&self) -> Value {
        let line = json!({"product_id": self.product_id, "quantity": number(self.quantity.trim())});
        json!({"lines": [line], "notify": !self.notify.is_empty()})
    }
}

/// A number, or the text that is none.
fn number(text: &str) -> Value {
    text.parse::<i64>().map_or_else(|_| text.into(), Value::from)
}

impl Field {
    /// Whether what was found at `pointer` belongs here: at the member itself, or in it.
    pub(super) fn is_at(self, pointer: &str) -> bool {
        pointer.strip_prefix('/').and_then(|path| path.split('/').next()) == Some(self.member)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn form(pairs: &str) -> Form {
        serde_urlencoded::from_str(pairs).expect("a form")
    }

    fn check(pairs: &str, member: &str, expected: Value) {
        assert_eq!(form(pairs).content()[member], expected, "{pairs}");
    }

    #[test]
    fn a_form_becomes_what_a_program_would_send() {
        let pairs = "sku=+LAMP-7+&name=Desk+lamp&description=a%0D%0Ab&price=49%2C90&currency=EUR&stock=12&tags=light%0D%0A+desk%0D%0A";
        let expected = json!({
            "sku": "LAMP-7", "name": "Desk lamp", "description": "a\nb", "price_cents": 4990, "currency": "EUR", "stock": 12,
            "tags": ["light", "desk"],
        });
        assert_eq!(Value::Object(form(pairs).content()), expected);
    }

    #[test]
    fn what_is_no_number_is_left_to_the_domain() {
        check("price=much&currency=EUR", "price_cents", json!("much"));
        check("price=1.234&currency=EUR", "price_cents", json!("1.234"));
        check("price=", "price_cents", json!(""));
        check("price=500&currency=JPY", "price_cents", json!(500));
        check("stock=-1", "stock", json!(-1));
        check("stock=1.5", "stock", json!("1.5"));
        check("stock=99999999999999999999", "stock", json!("99999999999999999999"));
        check("", "tags", json!([]));
        check("tags=%0A+%0D%0A", "tags", json!([]));
        // One line is one tag, whatever is in it: nothing is lost on the way to the form and back.
        check("tags=a,+b", "tags", json!(["a, b"]));
    }

    #[test]
    fn an_order_of_one_product_is_an_order() {
        let check = |pairs: &str, expected: Value| {
            let form: OrderForm = serde_urlencoded::from_str(pairs).expect("a form");
            assert_eq!(form.content(), expected, "{pairs}");
        };
        let line = |quantity: Value| json!([{"product_id": "x", "quantity": quantity}]);
        check("product_id=x&quantity=+2&notify=true&key=k", json!({"lines": line(json!(2)), "notify": true}));
        check("product_id=x&quantity=two", json!({"lines": line(json!("two")), "notify": false}));
        check("product_id=x", json!({"lines": line(json!("")), "notify": false}));
    }

    #[test]
    fn what_is_found_is_shown_where_it_was_written() {
        let check = |pointer: &str, expected: &[&str]| {
            let found: Vec<_> = FIELDS.iter().filter(|field| field.is_at(pointer)).map(|field| field.name).collect();
            assert_eq!(found, expected, "{pointer}");
        };
        check("/price_cents", &["price"]);
        check("/tags/3", &["tags"]);
        check("/name", &["name"]);
        check("", &[]);
        check("/named", &[]);
        check("/version", &[]);
        check("name", &[]);
    }

    #[test]
    fn every_field_shows_its_own_text() {
        let form = form("sku=1&name=2&description=3&price=4&currency=5&stock=6&tags=7&version=8&other=9");
        let texts: Vec<_> = FIELDS.iter().map(|field| form.text(*field)).collect();
        assert_eq!(texts, ["2", "1", "7", "4", "5", "6", "3"]);
    }
}
