//! Lists: in each order, page by page, whatever happens meanwhile; and what is found.

use std::collections::BTreeSet;

use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use firstbyte::http::{Method, Request};
use serde_json::{Value, json};

use super::client::{Client, id, unique};

pub async fn all(client: &Client) {
    every_order_is_walked_page_by_page(client).await;
    a_page_goes_on_where_it_was_whatever_comes_and_goes(client).await;
    what_is_asked_for_is_found(client).await;
    what_means_something_in_a_pattern_is_text_here(client).await;
    a_cursor_that_was_made_up_is_refused(client).await;
}

/// All rows of a list, asked for so many at a time.
async fn walk(client: &Client, query: &str, limit: usize) -> Vec<Value> {
    let (mut rows, mut target) = (Vec::new(), format!("/api/v1/products?{query}&limit={limit}"));
    loop {
        let answer = client.ask(Request::get(&target)).await;
        let page: Value = answer.json();
        assert_eq!(answer.status.code(), 200, "{page}");
        assert_eq!(page["meta"]["limit"], limit);
        let data = page["data"].as_array().unwrap();
        rows.extend(data.iter().cloned());
        let link = answer.field("link").map(str::to_owned);
        match (page["meta"]["next"].as_str(), link) {
            (None, None) => return rows,
            (Some(_), Some(link)) => {
                assert_eq!(data.len(), limit, "only the last page is short");
                target = link.strip_prefix('<').unwrap().strip_suffix(">; rel=\"next\"").unwrap().to_owned();
            }
            other => panic!("{other:?}"),
        }
    }
}

async fn every_order_is_walked_page_by_page(client: &Client) {
    let tag = unique("tag");
    // Many are alike, so that ties are broken on the edges of pages.
    for number in 0..11_i64 {
        let name = ["Zange", "ahle", "Ähre", "Bolt"][(number % 4) as usize];
        let members = json!({"name": name, "price_cents": number % 3, "stock": number % 2, "tags": [tag]});
        client.product(members).await;
    }
    let key = |sort: &str, row: &Value| match sort.trim_start_matches('-') {
        "name" => (row["name"].as_str().unwrap().to_owned(), 0, id(row).to_owned()),
        "created_at" => {
            let at: jiff::Timestamp = row["created_at"].as_str().unwrap().parse().unwrap();
            (String::new(), at.as_microsecond(), id(row).to_owned())
        }
        number => (String::new(), row[number].as_i64().unwrap(), id(row).to_owned()),
    };
    for sort in ["created_at", "name", "price_cents", "stock"].into_iter().flat_map(|s| [s.to_owned(), format!("-{s}")])
    {
        for limit in [1, 2, 3, 10, 11, 12, 100] {
            let rows = walk(client, &format!("tag={tag}&sort={sort}"), limit).await;
            assert_eq!(rows.len(), 11, "{sort} {limit}");
            let mut keys: Vec<_> = rows.iter().map(|row| key(&sort, row)).collect();
            if sort.starts_with('-') {
                keys.reverse();
            }
            assert!(keys.is_sorted_by(|one, other| one < other), "{sort} {limit}: {keys:?}");
        }
    }
}

async fn a_page_goes_on_where_it_was_whatever_comes_and_goes(client: &Client) {
    let tag = unique("tag");
    let add = async |price: i64| client.product(json!({"tags": [tag], "price_cents": price})).await;
    let mut there = Vec::new();
    for price in [10, 20, 30, 40, 50, 60] {
        there.push(add(price).await);
    }
    let first = client.get(&format!("/products?tag={tag}&sort=price_cents&limit=3")).await.1;
    let after = first["meta"]["next"].as_str().unwrap().to_owned();
    // Before and behind the edge; and the row of the edge itself goes.
    for price in [5, 31, 35] {
        add(price).await;
    }
    let gone = Request::of(Method::DELETE, &format!("/api/v1/products/{}", id(&there[2]))).with("If-Match", "*");
    assert_eq!(client.ask(gone).await.status.code(), 204);
    let rest = client.get(&format!("/products?tag={tag}&sort=price_cents&limit=100&after={after}")).await.1;
    let prices: Vec<i64> =
        rest["data"].as_array().unwrap().iter().map(|row| row["price_cents"].as_i64().unwrap()).collect();
    assert_eq!(prices, [31, 35, 40, 50, 60], "each that stays once, and what has come behind the edge");
    let (status, refused) = client.get(&format!("/products?sort=-price_cents&after={after}")).await;
    assert_eq!((status, &refused["errors"][0]["parameter"]), (422, &json!("after")), "it is of another order");
}

async fn found(client: &Client, query: &str) -> BTreeSet<String> {
    walk(client, query, 100).await.iter().map(|row| row["name"].as_str().unwrap().to_owned()).collect()
}

async fn what_is_asked_for_is_found(client: &Client) {
    let tag = unique("tag");
    let both = unique("both");
    for (name, description, price, stock, tags) in [
        ("Hammer", "for nails", 100, 0, json!([tag, both])),
        ("NAIL", "of steel", 5, 1_000, json!([tag])),
        ("Screw", "no nAiL at all", 7, 0, json!([tag, both])),
    ] {
        let members =
            json!({"name": name, "description": description, "price_cents": price, "stock": stock, "tags": tags});
        client.product(members).await;
    }
    let check = async |query: &str, expected: &[&str]| {
        let expected: BTreeSet<String> = expected.iter().map(|name| (*name).to_owned()).collect();
        assert_eq!(found(client, &format!("tag={tag}&{query}")).await, expected, "{query}");
    };
    check("q=nail", &["Hammer", "NAIL", "Screw"]).await;
    check("q=STEEL", &["NAIL"]).await;
    check("q=steel%20%20", &[]).await;
    check("min_price=6", &["Hammer", "Screw"]).await;
    check("max_price=6", &["NAIL"]).await;
    check("min_price=7&max_price=7", &["Screw"]).await;
    check("min_price=8&max_price=7", &[]).await;
    check("in_stock=true", &["NAIL"]).await;
    check("in_stock=false", &["Hammer", "Screw"]).await;
    check("in_stock=false&q=nail&max_price=50&sort=-name", &["Screw"]).await;
    assert_eq!(found(client, &format!("tag={both}")).await.len(), 2);
}

async fn what_means_something_in_a_pattern_is_text_here(client: &Client) {
    let tag = unique("tag");
    for name in ["50% off", "50 off", "a_b", "aXb", "back\\slash", "quote'"] {
        client.product(json!({"name": name, "tags": [tag]})).await;
    }
    for (search, expected) in [
        ("50%25", &["50% off"][..]),
        ("%25", &["50% off"]),
        ("_", &["a_b"]),
        ("a_b", &["a_b"]),
        ("%5C", &["back\\slash"]),
        ("k%5Cs", &["back\\slash"]),
        ("%27", &["quote'"]),
        ("%27%20OR%201=1", &[]),
        ("O", &["50 off", "50% off", "quote'"]),
    ] {
        let expected: BTreeSet<String> = expected.iter().map(|name| (*name).to_owned()).collect();
        assert_eq!(found(client, &format!("tag={tag}&q={search}")).await, expected, "{search}");
    }
}

/// A year that no row can have, and that not every database knows.
async fn a_cursor_that_was_made_up_is_refused(client: &Client) {
    for (path, sort) in [("/products", "created_at"), ("/products", "-created_at"), ("/orders", "-created_at")] {
        for micros in ["-377000000000000000", "-1", "9223372036854775807"] {
            let cursor = format!(r#"["{sort}",{micros},"00000000-0000-0000-0000-000000000007"]"#);
            let sorted = if path == "/products" { format!("&sort={sort}") } else { String::new() };
            let target = format!("{path}?after={}{sorted}", URL_SAFE_NO_PAD.encode(&cursor));
            let (status, refused) = client.get(&target).await;
            assert_eq!((status, &refused["errors"][0]["parameter"]), (422, &json!("after")), "{cursor}");
        }
    }
}
