//! The page as a browser uses it: forms are filled in with what the page before had in them, and sent.

use super::*;
use crate::app::inventory::{in_memory, out_of_reach};
use crate::http::middleware::order_line;
use crate::http::test::{Answer, call};

struct Visitor<H> {
    page: H,
}

fn visitor() -> Visitor<impl Handler> {
    Visitor { page: routes(InventoryConfig::default(), in_memory()) }
}

impl<H: Handler> Visitor<H> {
    async fn get(&self, target: &str) -> Answer {
        call(&self.page, Request::get(target)).await
    }

    async fn post(&self, target: &str, pairs: &[(&str, &str)]) -> Answer {
        let content = form_urlencoded::Serializer::new(String::new()).extend_pairs(pairs).finish();
        let request = Request::post(target, content).with("Content-Type", "application/x-www-form-urlencoded");
        call(&self.page, request.with("Sec-Fetch-Site", "same-origin")).await
    }

    /// Where a form has led to.
    async fn done(&self, target: &str, pairs: &[(&str, &str)]) -> String {
        let answer = self.post(target, pairs).await;
        assert_eq!(answer.status, Status::SEE_OTHER, "{target}: {}", answer.text());
        answer.field("location").expect("a place").to_owned()
    }

    /// Adds a product; the target of its page.
    async fn lamp(&self) -> String {
        let place = self.done("/inventory/products", &LAMP).await;
        place.strip_suffix("?done=added").expect("it was added").to_owned()
    }

    /// The page at `target` has each of `parts`.
    async fn shows(&self, target: &str, parts: &[&str]) -> Answer {
        let answer = self.get(target).await;
        assert_eq!(answer.status, Status::OK, "{target}: {}", answer.text());
        has(&answer, parts);
        answer
    }
}

const LAMP: [(&str, &str); 7] = [
    ("sku", "LAMP-7"),
    ("name", "Desk lamp"),
    ("description", "Brass."),
    ("price", "49,90"),
    ("currency", "EUR"),
    ("stock", "3"),
    ("tags", "light\r\ndesk"),
];

/// The form of the lamp with another name, made of `version`.
fn named<'a>(name: &'a str, version: &'a str) -> Vec<(&'a str, &'a str)> {
    let pairs = LAMP.into_iter().map(|(field, value)| if field == "name" { (field, name) } else { (field, value) });
    pairs.chain([("version", version)]).collect()
}

fn has(answer: &Answer, parts: &[&str]) {
    for part in parts {
        assert!(answer.text().contains(part), "{part:?} is not in {}", answer.text());
    }
}

/// What a hidden field of the page has.
fn hidden<'a>(answer: &'a Answer, name: &str) -> &'a str {
    let rest = answer.text().split_once(&format!("name=\"{name}\" value=\"")).expect(name).1;
    rest.split('"').next().expect("a value")
}

fn id_of(place: &str) -> &str {
    place.rsplit_once('/').expect("a path").1
}

#[test]
fn the_chain_is_in_order() {
    let expected =
        "request_id → trusted_proxies → logger → recover → security_headers → same_origin → body_limit → timeout";
    assert_eq!(order_line(&visitor().page).as_deref(), Ok(expected));
}

#[tokio::test]
async fn a_product_is_added_found_changed_and_deleted() {
    let visitor = visitor();
    visitor.shows("/inventory", &["Nothing is found."]).await;
    visitor.shows("/inventory/new", &["value=\"EUR\"", "action=\"/inventory/products\""]).await;
    let place = visitor.lamp().await;
    visitor.shows(&format!("{place}?done=added"), &["It is on the shelf.", "value=\"49.90\"", ">\nlight\ndesk<"]).await;
    visitor.shows("/inventory?q=LAMP&sort=-price_cents&in_stock=true", &[">Desk lamp</a>", ">49.90 EUR<"]).await;
    visitor.shows("/inventory?q=nothing-like-it&tag=", &["Nothing is found."]).await;
    let saved = visitor.done(&place, &named("Reading lamp", "1")).await;
    visitor.shows(&saved, &["<h1>Reading lamp</h1>", "name=\"version\" value=\"2\"", ">Saved.<"]).await;
    let deleted = visitor.done(&format!("{place}/delete"), &[("version", "2")]).await;
    visitor.shows(&deleted, &["It is gone", "Nothing is found."]).await;
    let answer = visitor.get(&place).await;
    assert_eq!(answer.status, Status::NOT_FOUND);
    has(&answer, &["There is no such product."]);
}

#[tokio::test]
async fn what_is_wrong_is_said_and_what_was_written_is_kept() {
    let visitor = visitor();
    visitor.lamp().await;
    let mut form = LAMP;
    form[1].1 = "";
    form[3].1 = "much";
    let answer = visitor.post("/inventory/products", &form).await;
    assert_eq!(answer.status, Status::UNPROCESSABLE_CONTENT);
    has(&answer, &["Nothing is saved yet", "id=\"name-told\"", "id=\"price-told\"", "value=\"much\"", ">\nBrass.<"]);
    // Another product has this SKU.
    let answer = visitor.post("/inventory/products", &LAMP).await;
    assert_eq!(answer.status, Status::CONFLICT);
    has(&answer, &["aria-describedby=\"sku-told\" aria-invalid=\"true\"", "value=\"LAMP-7\""]);
    // And so for one that is there.
    let mut form = LAMP;
    form[0].1 = "LAMP-8";
    let other = visitor.done("/inventory/products", &form).await;
    let other = other.strip_suffix("?done=added").expect("it was added");
    let answer = visitor.post(other, &named("Desk lamp", "1")).await;
    assert_eq!(answer.status, Status::CONFLICT);
    has(&answer, &["sku-told\" aria-invalid", "name=\"version\" value=\"1\""]);
}

#[tokio::test]
async fn whoever_is_slower_sees_both_and_may_go_on() {
    let visitor = visitor();
    let place = visitor.lamp().await;
    visitor.done(&place, &named("Hers", "1")).await;
    let answer = visitor.post(&place, &named("Mine", "1")).await;
    assert_eq!(answer.status, Status::PRECONDITION_FAILED);
    has(&answer, &["you have changed version 1, and version 2 is there", "<td class=\"mine\">Mine</td><td>Hers</td>"]);
    visitor.shows(&place, &["<h1>Hers</h1>"]).await;
    visitor.done(&place, &named("Mine", hidden(&answer, "version"))).await;
    visitor.shows(&place, &["<h1>Mine</h1>", "name=\"version\" value=\"3\""]).await;
    for version in ["1", "", "x", "*", "-1", "99999999999999999999"] {
        let answer = visitor.post(&place, &named("Mine", version)).await;
        assert_eq!(answer.status, Status::PRECONDITION_FAILED, "{version}");
        let answer = visitor.post(&format!("{place}/delete"), &[("version", version)]).await;
        assert_eq!(answer.status, Status::PRECONDITION_FAILED, "{version}");
        has(&answer, &["It was changed since", "<h1>Mine</h1>"]);
    }
}

#[tokio::test]
async fn a_form_that_is_sent_twice_orders_once() {
    let visitor = visitor();
    let place = visitor.lamp().await;
    let page = visitor.get(&place).await;
    let form = [("product_id", id_of(&place)), ("quantity", "2"), ("notify", "true"), ("key", hidden(&page, "key"))];
    let first = visitor.done("/inventory/orders", &form).await;
    assert_eq!(visitor.done("/inventory/orders", &form).await, first);
    visitor.shows(&first, &["Ordered", ">99.80 EUR<", ">LAMP-7</a>"]).await;
    visitor.shows(&place, &["1 there, 49.90 EUR each."]).await;
    let mut other = form;
    other[1].1 = "1";
    let answer = visitor.post("/inventory/orders", &other).await;
    assert_eq!(answer.status, Status::UNPROCESSABLE_CONTENT);
    has(&answer, &["The key has stood for another request"]);
    assert_ne!(hidden(&answer, "key"), form[3].1);
}

#[tokio::test]
async fn an_order_that_cannot_be_had_says_so_at_its_field() {
    let visitor = visitor();
    let place = visitor.lamp().await;
    for (quantity, status, words) in [
        ("4", Status::CONFLICT, "There are 3 left."),
        ("0", Status::UNPROCESSABLE_CONTENT, "Is no whole number from 1 to 1000."),
        ("two", Status::UNPROCESSABLE_CONTENT, "Is no number."),
    ] {
        let form = [("product_id", id_of(&place)), ("quantity", quantity), ("key", "k")];
        let answer = visitor.post("/inventory/orders", &form).await;
        assert_eq!(answer.status, status, "{quantity}");
        has(&answer, &[&format!("id=\"quantity-told\">{words}"), &format!("name=\"quantity\" value=\"{quantity}\"")]);
        assert_eq!(hidden(&answer, "key"), "k", "it is still good");
    }
    visitor.shows("/inventory/orders", &["No orders yet."]).await;
    for product in ["", "x", "00000000-0000-0000-0000-000000000000"] {
        let answer = visitor.post("/inventory/orders", &[("product_id", product), ("quantity", "1")]).await;
        assert_eq!(answer.status, Status::NOT_FOUND, "{product}");
    }
}

#[tokio::test]
async fn a_form_that_nobody_could_see_to_can_be_sent_again_as_it_was() {
    let visitor = Visitor { page: routes(InventoryConfig::default(), out_of_reach()) };
    let id = "00000000-0000-7000-8000-000000000007";
    let order = [("product_id", id), ("quantity", "2"), ("key", "mine")];
    let answer = visitor.post("/inventory/orders", &order).await;
    assert_eq!(answer.status, Status::SERVICE_UNAVAILABLE);
    assert_eq!((hidden(&answer, "key"), hidden(&answer, "quantity")), ("mine", "2"), "it may have been done");
    let answer = visitor.post(&format!("/inventory/products/{id}"), &named("Hers", "4")).await;
    assert_eq!(answer.status, Status::SERVICE_UNAVAILABLE);
    has(&answer, &["name=\"version\" value=\"4\"", "value=\"Hers\"", ">\nBrass.<"]);
}

#[test]
fn a_form_keeps_its_key_until_that_is_used_up() {
    let order = Wanted::Order(OrderForm { key: "mine".to_owned(), ..OrderForm::usual() });
    let away = || -> Box<dyn std::error::Error + Send + Sync> { "away".into() };
    for error in [Error::KeyAtWork, Error::Contended, Error::Unavailable(away()), Error::TimedOut(away())] {
        assert_eq!(next_key(&order, &error).text(), "mine", "{error}");
    }
    assert_ne!(next_key(&order, &Error::KeyReused).text(), "mine");
    assert_ne!(next_key(&Wanted::Delete, &Error::Stale), next_key(&Wanted::Delete, &Error::Stale));
}

#[tokio::test]
async fn an_order_is_listed_and_cancelled_once() {
    let visitor = visitor();
    let place = visitor.lamp().await;
    let placed = visitor.done("/inventory/orders", &[("product_id", id_of(&place)), ("quantity", "3")]).await;
    let order = placed.strip_suffix("?done=placed").expect("it was placed");
    visitor.shows("/inventory/orders?status=placed", &[id_of(order), ">149.70 EUR<"]).await;
    visitor.shows("/inventory/orders?status=cancelled", &["No orders of this kind."]).await;
    let cancelled = visitor.done(&format!("{order}/cancel"), &[]).await;
    visitor.shows(&cancelled, &["is back on the shelf", "class=\"status cancelled\""]).await;
    visitor.shows(&place, &["3 there"]).await;
    let answer = visitor.post(&format!("{order}/cancel"), &[]).await;
    assert_eq!(answer.status, Status::CONFLICT);
    has(&answer, &["it cannot be cancelled"]);
}

#[tokio::test]
async fn pages_lead_through_all_products() {
    let visitor = visitor();
    for number in 10..35 {
        let sku = format!("LAMP-{number}");
        let mut form = LAMP;
        form[0].1 = &sku;
        visitor.done("/inventory/products", &form).await;
    }
    let first = visitor.get("/inventory?q=lamp").await;
    assert_eq!(first.text().matches("class=\"name\"").count(), 20);
    let next = first.text().split("href=\"").find(|link| link.contains(">Next page")).expect("a next page");
    let next = next.split('"').next().expect("a link").replace("&amp;", "&");
    let second = visitor.shows(&next, &["LAMP-34", "First page"]).await;
    assert_eq!(second.text().matches("class=\"name\"").count(), 5);
    assert!(!second.text().contains("Next page"));
}

#[tokio::test]
async fn nobody_else_sends_its_forms_and_nothing_is_taken_for_what_it_is_not() {
    let visitor = visitor();
    let place = visitor.lamp().await;
    for target in
        ["/inventory/products", &place, &format!("{place}/delete"), "/inventory/orders", "/inventory/orders/x/cancel"]
    {
        let forged = Request::post(target, "version=1").with("Content-Type", "application/x-www-form-urlencoded");
        let answer = call(&visitor.page, forged.with("Sec-Fetch-Site", "cross-site")).await;
        assert_eq!(answer.status, Status::FORBIDDEN, "{target}");
    }
    visitor.shows(&place, &["<h1>Desk lamp</h1>"]).await;
    for (target, status) in [
        ("/inventory/products/x", 404),
        ("/inventory/products/00000000-0000-0000-0000-000000000000", 404),
        ("/inventory/orders/x", 404),
        ("/inventory?sort=id", 422),
        ("/inventory?after=x", 422),
        ("/inventory?in_stock=perhaps", 422),
        ("/inventory?q=%07", 422),
        ("/inventory/orders?status=lost", 422),
        ("/inventory?q=a&q=b", 400),
    ] {
        assert_eq!(visitor.get(target).await.status.code(), status, "{target}");
    }
    let json = Request::post("/inventory/products", "{}").with("Content-Type", "application/json");
    assert_eq!(call(&visitor.page, json).await.status.code(), 415);
    let long = "x".repeat(100_000);
    assert_eq!(visitor.post("/inventory/products", &[("name", &long)]).await.status.code(), 413);
}

#[tokio::test]
async fn no_page_runs_a_script_or_is_kept() {
    let visitor = visitor();
    for target in ["/inventory", "/inventory/new", "/inventory/orders", "/inventory/products/x"] {
        let answer = visitor.get(target).await;
        assert_eq!(answer.field("cache-control"), Some("no-store"), "{target}");
        let policy = answer.field("content-security-policy").expect("a policy");
        assert!(policy.contains("default-src 'none'") && !policy.contains("script-src"), "{policy}");
    }
}
