//! Owns how a product is shown to be edited: the form, what is wrong beside each field, and two versions side by side when
//! somebody else was faster.
//!
//! ```text
//!   ┌ Edit ───────────────────┐ ┌ Order ──────┐
//!   │ name, sku, tags, price… │ │ pieces      │
//!   │ what is wrong, below    │ ├ Facts ──────┤
//!   │ [Save]                  │ ├ [Delete] ───┤
//!   └─────────────────────────┘ └─────────────┘
//! ```
//!
//! Spec: HTML 4.10 (forms); WAI-ARIA 1.2 6.7 (`aria-invalid`, `aria-describedby`).
//! Never: writes a text that was not escaped; has a `maxlength`, by which a browser cuts what is pasted without a word.

use jiff::Timestamp;
use uuid::Uuid;

use super::form::{FIELDS, Field, Form, OrderForm};
use super::{PREFIX, money};
use crate::app::inventory::domain::invalid::{At, Mistake};
use crate::app::inventory::domain::product::{PRICE_CENTS, TAGS_MAX};
use crate::app::inventory::domain::{Key, Product};
use crate::app::page::escaped;

/// A product, and what somebody has written about it.
#[derive(Clone, Copy, Debug)]
pub(super) struct Desk<'a> {
    pub(super) product: &'a Product,
    pub(super) form: &'a Form,
    pub(super) order: &'a OrderForm,
    /// What is wrong with the form, or with the order.
    pub(super) mistakes: &'a [Mistake],
    /// For the next order.
    pub(super) key: &'a Key,
}

/// The form of a product that is not there yet.
pub(super) fn new(form: &Form, mistakes: &[Mistake]) -> String {
    format!(
        "<form class=\"card\" method=\"post\" action=\"{PREFIX}/products\">\n{}\
         <div class=\"actions\"><button>Add it</button></div>\n</form>\n",
        fields(form, mistakes)
    )
}

/// The form of a product that cannot be shown now, to be sent again.
pub(super) fn again(id: Uuid, form: &Form) -> String {
    format!(
        "<form class=\"card\" method=\"post\" action=\"{PREFIX}/products/{id}\">\n\
         <input type=\"hidden\" name=\"version\" value=\"{}\">\n{}\
         <div class=\"actions\"><button>Save</button></div>\n</form>\n",
        escaped(&form.version),
        fields(form, &[])
    )
}

/// An order of a product that cannot be shown now, to be sent again as it was.
pub(super) fn order_again(order: &OrderForm) -> String {
    let OrderForm { product_id, quantity, notify, key } = order;
    let members = [("product_id", product_id), ("quantity", quantity), ("notify", notify), ("key", key)];
    let hidden = |(name, value): (&str, &String)| {
        format!("<input type=\"hidden\" name=\"{name}\" value=\"{}\">\n", escaped(value))
    };
    format!(
        "<form class=\"card\" method=\"post\" action=\"{PREFIX}/orders\">\n{}<p class=\"hint\">Sent again, it counts once.</p>\n\
         <div class=\"actions\"><button>Order</button></div>\n</form>\n",
        members.map(hidden).concat()
    )
}

impl Desk<'_> {
    /// All that can be done with a product.
    pub(super) fn html(&self) -> String {
        self.with_button("Save")
    }

    /// The same, and what it says beside what was to be saved: somebody else has changed it meanwhile.
    pub(super) fn stale_html(&self) -> String {
        let there = Form::of(self.product);
        let (one, other) = (self.form.content(), there.content());
        let differing = FIELDS.iter().filter(|field| one[field.member] != other[field.member]);
        let rows: String = differing.map(|field| row(*field, self.form, &there)).collect();
        let both = if rows.is_empty() {
            "<p>Nothing but the version: it says what you say.</p>\n".to_owned()
        } else {
            format!(
                "<table class=\"both\">\n<thead><tr><td></td><th scope=\"col\">Yours</th><th scope=\"col\">There now</th></tr>\
                 </thead>\n<tbody>\n{rows}</tbody>\n</table>\n"
            )
        };
        // What was written is kept, and would now be saved over what has just been shown.
        let mine = Form { version: there.version.clone(), ..self.form.clone() };
        format!(
            "<section class=\"card\" aria-labelledby=\"both\">\n<h2 id=\"both\">What differs</h2>\n{both}\
             <div class=\"actions\"><a class=\"button quiet\" href=\"{PREFIX}/products/{}\">Drop mine</a></div>\n</section>\n{}",
            self.product.id,
            Desk { form: &mine, ..*self }.with_button("Save mine over it"),
        )
    }

    fn with_button(&self, save: &str) -> String {
        let Product { id, version, .. } = self.product;
        format!(
            "<div class=\"desk\">\n<form class=\"card\" method=\"post\" action=\"{PREFIX}/products/{id}\">\n<h2>Edit</h2>\n\
             <input type=\"hidden\" name=\"version\" value=\"{seen}\">\n{fields}\
             <div class=\"actions\"><button>{save}</button></div>\n</form>\n<div>\n{order}{facts}\
             <form class=\"card\" method=\"post\" action=\"{PREFIX}/products/{id}/delete\">\n<h2>Delete</h2>\n\
             <input type=\"hidden\" name=\"version\" value=\"{version}\">\n\
             <p class=\"hint\">Orders keep what they say of it.</p>\n\
             <div class=\"actions\"><button class=\"grave\">Delete</button></div>\n</form>\n</div>\n</div>\n",
            seen = escaped(&self.form.version),
            fields = fields(self.form, self.mistakes),
            order = self.order_html(),
            facts = facts(self.product),
        )
    }

    /// The key is made with the page: whoever clicks twice orders once.
    fn order_html(&self) -> String {
        let Desk { product, order, mistakes, key, .. } = self;
        let is_of_order = |place: &str| place.starts_with("/lines") || place == "/notify";
        let words = mistakes.iter().filter(|mistake| pointer(mistake).is_some_and(is_of_order));
        let words: Vec<_> = words.map(|mistake| format!("{}.", capitalized(&mistake.detail))).collect();
        let there = format!("{} there, {} each.", product.details.stock, price(product));
        let (described, told) = told("quantity", &words.join(" "), Some(&there));
        format!(
            "<form class=\"card\" method=\"post\" action=\"{PREFIX}/orders\">\n<h2>Order</h2>\n\
             <input type=\"hidden\" name=\"product_id\" value=\"{id}\">\n\
             <input type=\"hidden\" name=\"key\" value=\"{key}\">\n\
             <label for=\"quantity\">Pieces</label>\n\
             <input id=\"quantity\" name=\"quantity\" value=\"{quantity}\" inputmode=\"numeric\" autocomplete=\"off\"{described}>\n\
             {told}<label class=\"check\"><input type=\"checkbox\" name=\"notify\" value=\"true\"{checked}> Confirm it by a job\
             </label>\n<div class=\"actions\"><button>Order</button></div>\n</form>\n",
            id = product.id,
            key = escaped(key.text()),
            quantity = escaped(&order.quantity),
            checked = if order.notify.is_empty() { "" } else { " checked" },
        )
    }
}

fn row(field: Field, mine: &Form, there: &Form) -> String {
    format!(
        "<tr><th scope=\"row\">{}</th><td class=\"mine\">{}</td><td>{}</td></tr>\n",
        field.label,
        escaped(mine.text(field)),
        escaped(there.text(field))
    )
}

fn price(product: &Product) -> String {
    money::price(product.details.price_cents, &product.details.currency)
}

fn facts(product: &Product) -> String {
    format!(
        "<section class=\"card\" aria-labelledby=\"facts\">\n<h2 id=\"facts\">Facts</h2>\n<dl class=\"facts\">\
         <dt>version</dt><dd>{}</dd><dt>added</dt><dd>{}</dd><dt>changed</dt><dd>{}</dd>\
         <dt>as JSON</dt><dd><a href=\"/api/v1/products/{id}\"><code>{id}</code></a></dd></dl>\n</section>\n",
        product.version,
        moment(product.created_at),
        moment(product.updated_at),
        id = product.id,
    )
}

fn fields(form: &Form, mistakes: &[Mistake]) -> String {
    let fields: String = FIELDS.iter().map(|field| field_html(*field, form, mistakes)).collect();
    format!("<div class=\"fields\">\n{fields}</div>\n")
}

fn field_html(field: Field, form: &Form, mistakes: &[Mistake]) -> String {
    let Field { name, label, .. } = field;
    let text = escaped(form.text(field));
    let (described, told) = told(name, &wrong(field, form, mistakes), hint(name).as_deref());
    let control = match name {
        // HTML 13.1.2.5: the line break behind the tag belongs to nobody.
        "description" | "tags" => format!("<textarea id=\"{name}\" name=\"{name}\"{described}>\n{text}</textarea>\n"),
        _ => format!(
            "<input id=\"{name}\" name=\"{name}\" value=\"{text}\" autocomplete=\"off\"{}{described}>\n",
            keyboard(name)
        ),
    };
    let width = width(name);
    format!("<div class=\"field{width}\">\n<label for=\"{name}\">{label}</label>\n{control}{told}</div>\n")
}

/// What is said below a field, and the attributes that tell the field of it: what is wrong, or else a hint.
fn told(name: &str, wrong: &str, hint: Option<&str>) -> (String, String) {
    let described = format!(" aria-describedby=\"{name}-told\"");
    let words = |class: &str, words: &str| format!("<p class=\"{class}\" id=\"{name}-told\">{}</p>\n", escaped(words));
    match (wrong, hint) {
        ("", None) => (String::new(), String::new()),
        ("", Some(hint)) => (described, words("hint", hint)),
        (wrong, _) => (described + " aria-invalid=\"true\"", words("wrong", wrong)),
    }
}

/// What is wrong with a field, in one sentence each.
fn wrong(field: Field, form: &Form, mistakes: &[Mistake]) -> String {
    let here = mistakes.iter().filter_map(|mistake| Some((pointer(mistake).filter(|at| field.is_at(at))?, mistake)));
    let sentences = here.map(|(pointer, mistake)| {
        let tag = pointer.strip_prefix("/tags/").and_then(|index| index.parse::<usize>().ok());
        let what = tag.map_or(field.label.to_owned(), |index| format!("Tag {}", index + 1));
        match field.name {
            // People write no minor units.
            "price" => format!("{what} is no amount {}.", range(&form.currency)),
            _ => format!("{what} {}.", mistake.detail),
        }
    });
    sentences.collect::<Vec<_>>().join(" ")
}

fn pointer(mistake: &Mistake) -> Option<&str> {
    match &mistake.at {
        At::Pointer(pointer) => Some(pointer),
        At::Parameter(_) => None,
    }
}

/// A sentence of a message.
pub(super) fn capitalized(message: &str) -> String {
    let (first, rest) = message.split_at(message.chars().next().map_or(0, char::len_utf8));
    first.to_uppercase() + rest
}

fn range(currency: &str) -> String {
    let edge = |minor: &i64| money::amount(*minor, currency.trim());
    format!("from {} to {}", edge(PRICE_CENTS.start()), edge(PRICE_CENTS.end()))
}

fn hint(name: &str) -> Option<String> {
    match name {
        "sku" => Some("Capital letters, digits and -; no other product has it.".to_owned()),
        "tags" => Some(format!("One a line, up to {TAGS_MAX}.")),
        _ => None,
    }
}

fn keyboard(name: &str) -> &'static str {
    match name {
        "price" => " inputmode=\"decimal\"",
        "stock" => " inputmode=\"numeric\"",
        "sku" | "currency" => " autocapitalize=\"characters\" spellcheck=\"false\"",
        _ => "",
    }
}

fn width(name: &str) -> &'static str {
    match name {
        "sku" | "tags" => " half",
        "price" | "currency" | "stock" => " third",
        _ => "",
    }
}

/// A moment, to the minute.
pub(super) fn moment(at: Timestamp) -> String {
    format!("<time datetime=\"{at}\">{}</time>", at.strftime("%Y-%m-%d %H:%M UTC"))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::app::inventory::domain::{Details, Invalid};
    use serde_json::json;

    const EVIL: &str = "<script>\"'&";

    fn product(name: &str) -> Product {
        let details = Details::parse(json!({
            "sku": "LAMP-7", "name": name, "description": name, "price_cents": 4990, "stock": 3, "tags": ["light", name],
        }));
        Product { version: 4, ..Product::new(Uuid::from_u128(7), details.expect("details"), Timestamp::UNIX_EPOCH) }
    }

    /// The page of `product`, when `form` was sent and `mistakes` were found.
    fn desk(product: &Product, form: &Form, mistakes: &[Mistake], html: impl Fn(&Desk<'_>) -> String) -> String {
        let (key, order) = (Key::parse("k").expect("a key"), OrderForm::default());
        html(&Desk { product, form, order: &order, mistakes, key: &key })
    }

    #[test]
    fn nothing_of_a_client_is_written_as_html() {
        let product = product(EVIL);
        let form = Form { version: EVIL.to_owned(), currency: EVIL.to_owned(), ..Form::of(&product) };
        let order = OrderForm { quantity: EVIL.to_owned(), ..OrderForm::default() };
        let mistakes = Invalid::one(At::member("", "name"), "x", EVIL);
        let key = Key::parse(&"\"<>'".repeat(9)).expect("a key");
        let desk = Desk { product: &product, form: &form, order: &order, mistakes: mistakes.mistakes(), key: &key };
        let order = OrderForm { key: EVIL.to_owned(), ..order.clone() };
        let again = [again(product.id, &form), order_again(&order)].concat();
        for html in [desk.html(), desk.stale_html(), new(&form, mistakes.mistakes()), again] {
            assert!(!html.contains("<script") && !html.contains("\"'&"), "{html}");
            assert!(!html.contains("\"<>'"), "{html}");
        }
    }

    #[test]
    fn the_form_holds_what_is_there_and_its_version() {
        let product = product("Desk lamp");
        let html = desk(&product, &Form::of(&product), &[], |desk| desk.html());
        for part in [
            "name=\"version\" value=\"4\"",
            "name=\"name\" value=\"Desk lamp\"",
            "name=\"price\" value=\"49.90\"",
            ">\nlight\nDesk lamp</textarea>",
            "3 there, 49.90 EUR each.",
        ] {
            assert!(html.contains(part), "{part}: {html}");
        }
        assert!(!html.contains("aria-invalid"), "{html}");
    }

    #[test]
    fn what_is_wrong_stands_at_its_field() {
        let form = Form { price: "much".to_owned(), tags: "a\na".to_owned(), ..Form::empty() };
        let invalid = Details::parse(form.content().into()).expect_err("mistakes");
        let html = new(&form, invalid.mistakes());
        for part in [
            "name=\"price\" value=\"much\"",
            "id=\"price-told\">Price is no amount from 0.00 to 1000000.00.</p>",
            "id=\"tags-told\">Tag 2 stands twice.</p>",
            "id=\"name-told\">Name has 0 characters; 1 to 120 are accepted.</p>",
            "aria-describedby=\"sku-told\" aria-invalid=\"true\"",
        ] {
            assert!(html.contains(part), "{part}: {html}");
        }
        assert_eq!(html.matches("aria-invalid").count(), 4, "{html}");
        let product = product("Lamp");
        let invalid = Invalid::one(At::Pointer("/lines/0/quantity".to_owned()), "out_of_stock", "there are 3 left");
        let html = desk(&product, &Form::of(&product), invalid.mistakes(), |desk| desk.html());
        assert!(html.contains("id=\"quantity-told\">There are 3 left.</p>"), "{html}");
    }

    #[test]
    fn whoever_was_slower_sees_both() {
        let product = product("Desk lamp");
        let mine = Form { name: "My lamp".to_owned(), version: "2".to_owned(), ..Form::of(&product) };
        let html = desk(&product, &mine, &[], |desk| desk.stale_html());
        assert!(html.contains("<td class=\"mine\">My lamp</td><td>Desk lamp</td>"), "{html}");
        assert_eq!(html.matches("class=\"mine\"").count(), 1, "{html}");
        // What was written stays, and the next save knows what is there.
        assert!(html.contains("value=\"My lamp\"") && html.contains("name=\"version\" value=\"4\""), "{html}");
        assert!(!html.contains("value=\"2\""), "{html}");
        let same = Form { version: "2".to_owned(), ..Form::of(&product) };
        assert!(desk(&product, &same, &[], |desk| desk.stale_html()).contains("Nothing but the version"));
    }
}
