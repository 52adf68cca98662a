//! Owns how products are shown in a list: what was searched for, a page of what was found, the way to the next.
//!
//! The one idea: the address is the search, in the words of the API. So a search can be kept, sent to somebody, and asked by
//! a program.
//!
//! Never: writes a text that was not escaped.

use form_urlencoded::Serializer;
use serde::Deserialize;

use super::{PREFIX, money};
use crate::app::inventory::domain::Product;
use crate::app::page::escaped;

/// What is asked for, as it stands in the address. What is not asked for is empty.
#[derive(Clone, Debug, Default, PartialEq, Eq, Deserialize)]
#[serde(default)]
pub(super) struct Asked {
    pub(super) q: String,
    pub(super) sort: String,
    pub(super) tag: String,
    pub(super) in_stock: String,
    pub(super) after: String,
}

/// The orders to choose from, the usual one first.
const SORTS: [(&str, &str); 8] = [
    ("created_at", "oldest first"),
    ("-created_at", "latest first"),
    ("name", "name, A to Z"),
    ("-name", "name, Z to A"),
    ("price_cents", "cheapest first"),
    ("-price_cents", "dearest first"),
    ("stock", "fewest first"),
    ("-stock", "most first"),
];

impl Asked {
    /// The query for it: what the API would be asked.
    pub(super) fn query(&self) -> String {
        let Asked { q, sort, tag, in_stock, after } = self;
        let pairs = [("q", q), ("sort", sort), ("tag", tag), ("in_stock", in_stock), ("after", after)];
        Serializer::new(String::new()).extend_pairs(pairs.iter().filter(|(_, value)| !value.is_empty())).finish()
    }

    /// The address of this search, from `after` on.
    fn address(&self, after: &str) -> String {
        let query = Asked { after: after.to_owned(), ..self.clone() }.query();
        escaped(&if query.is_empty() { PREFIX.to_owned() } else { format!("{PREFIX}?{query}") })
    }
}

/// The search, and a page of what it finds: `next` is where the one behind it begins.
pub(super) fn shelf(asked: &Asked, products: &[Product], next: Option<&str>) -> String {
    let found = if products.is_empty() {
        "<p class=\"empty\">Nothing is found.</p>\n".to_owned()
    } else {
        let rows: String = products.iter().map(row).collect();
        format!(
            "<table class=\"shelf\">\n<thead><tr><th scope=\"col\">Product</th><th scope=\"col\">Tags</th>\
             <th scope=\"col\" class=\"n\">Price</th><th scope=\"col\" class=\"n\">Stock</th></tr></thead>\n\
             <tbody>\n{rows}</tbody>\n</table>\n"
        )
    };
    format!("{}{found}{}", search(asked), pager(asked, next))
}

/// The form of a search, with what was searched for.
pub(super) fn search(asked: &Asked) -> String {
    let options: String = SORTS.iter().map(|(sort, words)| option(sort, words, &asked.sort)).collect();
    let tag = if asked.tag.is_empty() {
        String::new()
    } else {
        let tag = escaped(&asked.tag);
        let all = Asked { tag: String::new(), ..asked.clone() }.address("");
        format!(
            "<input type=\"hidden\" name=\"tag\" value=\"{tag}\">\n\
             <p class=\"chosen\">Tagged <b>{tag}</b> · <a href=\"{all}\">whatever its tags</a></p>\n"
        )
    };
    format!(
        "<form class=\"search\" role=\"search\" action=\"{PREFIX}\">\n\
         <div><label for=\"q\">Search</label>\n<input id=\"q\" name=\"q\" type=\"search\" value=\"{q}\" \
         placeholder=\"name, SKU, description\"></div>\n\
         <div><label for=\"sort\">Order</label>\n<select id=\"sort\" name=\"sort\">\n{options}</select></div>\n\
         <label class=\"check\"><input type=\"checkbox\" name=\"in_stock\" value=\"true\"{checked}> In stock</label>\n\
         <button>Search</button>\n{tag}</form>\n",
        q = escaped(&asked.q),
        checked = if asked.in_stock == "true" { " checked" } else { "" },
    )
}

fn option(sort: &str, words: &str, chosen: &str) -> String {
    let selected = if sort == chosen { " selected" } else { "" };
    format!("<option value=\"{sort}\"{selected}>{words}</option>\n")
}

fn row(product: &Product) -> String {
    let details = &product.details;
    let tags: String = details.tags.iter().map(|tag| tag_link(tag)).collect();
    let stock = match details.stock {
        0 => "<span class=\"none\">none</span>".to_owned(),
        stock => stock.to_string(),
    };
    format!(
        "<tr><td><a class=\"name\" href=\"{PREFIX}/products/{}\">{}</a><span class=\"sku\">{}</span></td>\
         <td class=\"wide\"><div class=\"tags\">{tags}</div></td><td class=\"n\">{}</td><td class=\"n less\" data-unit=\"left\">{stock}</td></tr>\n",
        product.id,
        escaped(&details.name),
        escaped(&details.sku),
        escaped(&money::price(details.price_cents, &details.currency)),
    )
}

fn tag_link(tag: &str) -> String {
    let asked = Asked { tag: tag.to_owned(), ..Asked::default() };
    format!("<a href=\"{}\">{}</a>", asked.address(""), escaped(tag))
}

fn pager(asked: &Asked, next: Option<&str>) -> String {
    let link = |words: &str, address: &str| format!("<a class=\"button quiet\" href=\"{address}\">{words}</a>\n");
    let first = if asked.after.is_empty() { String::new() } else { link("First page", &asked.address("")) };
    let next = next.map_or(String::new(), |next| link("Next page", &asked.address(next)));
    if first.is_empty() && next.is_empty() {
        return String::new();
    }
    format!("<nav class=\"pager\" aria-label=\"Pages\">\n{first}{next}</nav>\n")
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::app::inventory::domain::listing::Sort;
    use crate::app::inventory::domain::{Details, ProductQuery};
    use jiff::Timestamp;
    use serde_json::json;
    use uuid::Uuid;

    fn asked(query: &str) -> Asked {
        serde_urlencoded::from_str(query).expect("a query")
    }

    fn product(name: &str, stock: i64) -> Product {
        let details = Details::parse(json!({
            "sku": "LAMP-7", "name": name, "price_cents": 4990, "stock": stock, "tags": [name],
        }));
        Product::new(Uuid::from_u128(7), details.expect("details"), Timestamp::UNIX_EPOCH)
    }

    #[test]
    fn every_order_is_one_of_the_domain() {
        let words: Vec<_> = SORTS.iter().map(|(sort, _)| *sort).collect();
        assert_eq!(words.len(), Sort::ALL.len());
        assert!(Sort::ALL.iter().all(|sort| words.contains(&sort.text())));
    }

    #[test]
    fn an_empty_field_asks_for_nothing() {
        assert_eq!(asked("q=&sort=&tag=&in_stock=&after=").query(), "");
        let query = asked("q=a%26b&sort=-name&in_stock=true&after=x").query();
        assert_eq!(query, "q=a%26b&sort=-name&in_stock=true&after=x");
        let of_all = asked("q=a&sort=-name&tag=t&in_stock=true").query();
        ProductQuery::parse(form_urlencoded::parse(of_all.as_bytes())).expect("what the API takes");
    }

    #[test]
    fn the_next_page_is_of_the_same_search() {
        let html = shelf(&asked("q=a%22b&tag=x+y"), &[product("Lamp", 1)], Some("CURSOR"));
        assert!(html.contains("href=\"/inventory?q=a%22b&amp;tag=x+y&amp;after=CURSOR\">Next page"), "{html}");
        assert!(!html.contains("First page"), "{html}");
        assert!(html.contains("href=\"/inventory?q=a%22b\">whatever its tags"), "{html}");
        let html = shelf(&asked("after=CURSOR"), &[product("Lamp", 1)], None);
        assert!(html.contains("href=\"/inventory\">First page") && !html.contains("Next page"), "{html}");
        assert!(!shelf(&asked(""), &[product("Lamp", 1)], None).contains("pager"));
    }

    #[test]
    fn what_was_searched_for_stays_in_the_form() {
        let html = shelf(&asked("q=lamp&sort=-price_cents&in_stock=true"), &[], None);
        for part in ["value=\"lamp\"", "value=\"-price_cents\" selected", "value=\"true\" checked", "Nothing is found."]
        {
            assert!(html.contains(part), "{part}: {html}");
        }
    }

    #[test]
    fn nothing_of_a_client_is_written_as_html() {
        const EVIL: &str = "<script>\"'&";
        let all =
            Asked { q: EVIL.into(), sort: EVIL.into(), tag: EVIL.into(), in_stock: EVIL.into(), after: EVIL.into() };
        let html = shelf(&all, &[product(EVIL, 0)], Some(EVIL));
        assert!(!html.contains("<script") && !html.contains("\"'&"), "{html}");
        assert!(html.contains("&lt;script&gt;") && html.contains("class=\"none\">none<"), "{html}");
    }
}
