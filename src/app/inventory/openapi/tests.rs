//! The document beside the code: what both say must be the same.

use std::borrow::Cow;
use std::collections::{BTreeMap, BTreeSet, HashMap};

use jiff::Timestamp;
use serde_json::{Map, Value, json};
use uuid::Uuid;

use crate::app::inventory::domain::invalid::At;
use crate::app::inventory::domain::listing::PageMeta;
use crate::app::inventory::domain::order::{Offer, Status};
use crate::app::inventory::domain::product::parse_bulk;
use crate::app::inventory::domain::{Details, Invalid, Key, OrderQuery, Product, ProductQuery, order::Draft};
use crate::app::inventory::{PREFIX, table};
use crate::http::envelope::Success;
use crate::http::pattern::Pattern;

fn document() -> Value {
    serde_json::from_str(include_str!("../openapi.json")).expect("JSON")
}

/// What `value` is, or refers to.
fn resolved<'a>(document: &'a Value, value: &'a Value) -> &'a Value {
    let Some(place) = value["$ref"].as_str() else { return value };
    let pointer = place.strip_prefix('#').expect("a place in this document");
    document.pointer(pointer).unwrap_or_else(|| panic!("nothing is at {place}"))
}

fn schema<'a>(document: &'a Value, name: &str) -> &'a Value {
    &document["components"]["schemas"][name]
}

/// Each operation with its method and path.
fn operations(document: &Value) -> Vec<(String, &Value)> {
    const METHODS: [&str; 8] = ["get", "put", "post", "delete", "options", "head", "patch", "trace"];
    let of_path = |(path, item): (&String, &'_ Value)| {
        let methods = METHODS.iter().filter(|method| item.get(method).is_some());
        methods.map(|method| format!("{} {path}", method.to_uppercase())).collect::<Vec<_>>()
    };
    let labels = document["paths"].as_object().expect("paths").iter().flat_map(of_path);
    let operation = |label: String| {
        let (method, path) = label.split_once(' ').expect("both");
        let operation = &document["paths"][path][method.to_lowercase()];
        (label, operation)
    };
    labels.map(operation).collect()
}

fn names(object: &Value) -> BTreeSet<&str> {
    object.as_object().expect("an object").keys().map(String::as_str).collect()
}

fn listed(list: &Value) -> BTreeSet<&str> {
    list.as_array().into_iter().flatten().filter_map(Value::as_str).collect()
}

/// A value that `schema` allows; another one for another number.
fn sample(document: &Value, of: &Value, number: u64) -> Value {
    let of = resolved(document, of);
    match of["type"].as_str() {
        _ if of["format"] == "uuid" => json!(Uuid::from_u128(number.into())),
        Some("object") => {
            let members = listed(&of["required"]).into_iter().map(|name| {
                let member = sample(document, &of["properties"][name], number);
                (name.to_owned(), member)
            });
            Value::Object(members.collect())
        }
        Some("array") => json!([sample(document, &of["items"], number)]),
        Some("integer") => json!(of["minimum"].as_i64().unwrap_or(0)),
        Some("boolean") => json!(true),
        _ => {
            json!(format!("{number:0>width$}", width = usize::try_from(of["minLength"].as_u64().unwrap_or(3)).unwrap()))
        }
    }
}

/// Values at the edges of what `schema` allows, and values right behind them.
fn edges(document: &Value, of: &Value) -> (Vec<Value>, Vec<Value>) {
    let of = resolved(document, of);
    let count = |name: &str| of[name].as_u64();
    let both = |min: Option<u64>, max: Option<u64>, make: &dyn Fn(u64) -> Value| {
        let inside = [min, max].into_iter().flatten().map(make).collect();
        let outside = [min.and_then(|min| min.checked_sub(1)), max.map(|max| max + 1)];
        (inside, outside.into_iter().flatten().map(make).chain([json!({})]).collect())
    };
    match of["type"].as_str() {
        _ if of["format"] == "uuid" => (vec![json!(Uuid::max())], vec![json!("x"), json!(Uuid::nil().simple())]),
        Some("string") => {
            both(count("minLength"), count("maxLength"), &|count| json!("A".repeat(usize::try_from(count).unwrap())))
        }
        Some("array") => both(count("minItems").or(Some(0)), count("maxItems"), &|count| {
            (1..=count).map(|number| sample(document, &of["items"], 1_000 + number)).collect()
        }),
        Some("boolean") => (vec![json!(true), json!(false)], vec![json!(0), json!("true")]),
        _ => {
            let (min, max) = (of["minimum"].as_i64().expect("a least"), of["maximum"].as_i64().expect("a greatest"));
            let outside = vec![json!(min - 1), json!(max + 1), json!(min.to_string()), json!(0.5)];
            (vec![json!(min), json!(max), json!(1.0)], outside)
        }
    }
}

/// Compares a schema of content with what `parse` accepts.
fn check(name: &str, parse: impl Fn(Value) -> Result<(), Invalid>) {
    let document = document();
    let of = schema(&document, name);
    let least = sample(&document, of, 1_001);
    parse(least.clone()).unwrap_or_else(|invalid| panic!("{name}: {least} {invalid}"));
    let with = |member: &str, value: &Value| {
        let mut content = least.clone();
        content[member] = value.clone();
        content
    };
    let refused_at = |content: Value, place: &str| {
        let invalid = parse(content.clone()).expect_err(&content.to_string());
        let is_there = |at: &At| matches!(at, At::Pointer(found) if found.starts_with(place));
        assert!(invalid.mistakes().iter().any(|mistake| is_there(&mistake.at)), "{name}: {content}: {invalid}");
    };
    assert_eq!(of["additionalProperties"], false, "{name}");
    refused_at(with("nothing-of-ours", &json!(1)), "/nothing-of-ours");
    for (member, of_member) in of["properties"].as_object().expect("members") {
        let (inside, outside) = edges(&document, of_member);
        for value in inside {
            let content = with(member, &value);
            parse(content.clone()).unwrap_or_else(|invalid| panic!("{name}: {content}: {invalid}"));
        }
        for value in outside {
            refused_at(with(member, &value), &format!("/{member}"));
        }
        if listed(&of["required"]).contains(member.as_str()) {
            let mut content = least.clone();
            content.as_object_mut().expect("an object").remove(member);
            refused_at(content, &format!("/{member}"));
        }
    }
}

fn parse_order(value: Value) -> Result<Draft, Invalid> {
    Draft::parse(value, Uuid::nil(), Timestamp::UNIX_EPOCH)
}

#[test]
fn every_route_is_documented_and_nothing_else() {
    let document = document();
    let documented: BTreeSet<String> = operations(&document).into_iter().map(|(label, _)| label).collect();
    let [routes, _] = table();
    let label = |pattern: &Pattern| {
        let method = pattern.method().expect("each route names its method");
        format!("{method} {}", pattern.path().strip_prefix(PREFIX).expect("each route is of the API"))
    };
    assert_eq!(documented, routes.patterns().map(label).collect());
    assert_eq!(document["servers"], json!([{"url": PREFIX}]));
    // What a path captures is a parameter of it.
    for (label, operation) in operations(&document) {
        let path = label.split_once(' ').expect("both").1;
        let lists = [&operation["parameters"], &document["paths"][path]["parameters"]];
        let listed = lists.into_iter().flat_map(|list| list.as_array().into_iter().flatten());
        let of_path =
            listed.map(|parameter| resolved(&document, parameter)).filter(|parameter| parameter["in"] == "path");
        let names: Vec<_> = of_path.map(|parameter| format!("{{{}}}", parameter["name"].as_str().unwrap())).collect();
        assert_eq!(path.split('/').filter(|segment| segment.starts_with('{')).collect::<Vec<_>>(), names, "{label}");
    }
}

#[test]
fn what_it_says_of_content_is_what_is_accepted() {
    check("NewProduct", |value| Details::parse(value).map(drop));
    check("NewProducts", |value| parse_bulk(value).map(drop));
    check("NewOrder", |value| parse_order(value).map(drop));
    check("NewLine", |value| {
        let mut invalid = Invalid::default();
        let Err(found) = parse_order(json!({"lines": [value]})) else { return Ok(()) };
        for mistake in found.mistakes() {
            let At::Pointer(place) = &mistake.at else { continue };
            let place = place.strip_prefix("/lines/0").unwrap_or(place).to_owned();
            invalid.add(At::Pointer(place), mistake.code, mistake.detail.clone());
        }
        Err(invalid)
    });
}

#[test]
fn what_is_left_out_is_what_it_says() {
    let document = document();
    let least = sample(&document, schema(&document, "NewProduct"), 1_001);
    let details = serde_json::to_value(Details::parse(least.clone()).expect("details")).expect("JSON");
    for (name, of) in schema(&document, "NewProduct")["properties"].as_object().expect("members") {
        if least.get(name).is_none() {
            assert_eq!(details[name], of["default"], "{name}");
        }
    }
    assert_eq!(schema(&document, "NewOrder")["properties"]["notify"]["default"], false);
}

#[test]
fn a_patch_may_name_what_a_product_has() {
    let document = document();
    let (new, patch) = (schema(&document, "NewProduct"), schema(&document, "ProductPatch"));
    assert_eq!(names(&new["properties"]), names(&patch["properties"]));
    let details = Details::parse(sample(&document, new, 1_001)).expect("details");
    for (name, of) in patch["properties"].as_object().expect("members") {
        let takes_null = of["oneOf"].as_array().is_some_and(|either| either.contains(&json!({"type": "null"})));
        assert_eq!(details.patched(json!({name: null})).is_ok(), takes_null, "{name}");
    }
}

#[test]
fn what_it_says_of_queries_is_what_is_accepted() {
    type Parse = fn(&str) -> Result<(), Invalid>;
    let document = document();
    let products: Parse = |query| ProductQuery::parse(form_urlencoded::parse(query.as_bytes())).map(drop);
    let orders: Parse = |query| OrderQuery::parse(form_urlencoded::parse(query.as_bytes())).map(drop);
    for (path, parse) in [("/products", products), ("/orders", orders)] {
        let parameters = document["paths"][path]["get"]["parameters"].as_array().expect("parameters");
        for parameter in parameters {
            let parameter = resolved(&document, parameter);
            let (name, of) = (parameter["name"].as_str().expect("a name"), resolved(&document, &parameter["schema"]));
            let (inside, outside) = match (&of["enum"], name) {
                (Value::Array(words), _) => (words.clone(), vec![json!(""), json!("x")]),
                // A cursor is what an answer has had.
                (_, "after") => (Vec::new(), vec![json!(""), json!("x".repeat(2_049))]),
                _ => edges(&document, of),
            };
            let query = |value: &Value| {
                let text = value.as_str().map_or_else(|| value.to_string(), str::to_owned);
                form_urlencoded::Serializer::new(String::new()).append_pair(name, &text).finish()
            };
            for value in inside.iter().filter(|value| !value.is_f64()) {
                parse(&query(value)).unwrap_or_else(|invalid| panic!("{path}: {name}={value}: {invalid}"));
            }
            // In a query, "1" is a number, and "true" is true.
            let spelled: Vec<String> = inside.iter().map(Value::to_string).collect();
            for value in outside.iter().filter(|value| !value.is_object()) {
                if !value.as_str().is_some_and(|text| spelled.iter().any(|spelled| spelled == text)) {
                    parse(&query(value)).expect_err(&format!("{path}: {name}={value}"));
                }
            }
        }
        parse("nothing-of-ours=1").expect_err("an unknown parameter");
    }
}

#[test]
fn the_defaults_of_a_query_are_those_it_says() {
    let document = document();
    let query = ProductQuery::parse(std::iter::empty::<(Cow<'_, str>, Cow<'_, str>)>()).expect("a query");
    let default = |name: &str| &document["components"]["parameters"][name]["schema"]["default"];
    assert_eq!((default("Limit"), default("Sort")), (&json!(query.limit), &json!(query.sort.text())));
}

#[test]
fn a_key_and_its_bounds() {
    let document = document();
    let (inside, outside) = edges(&document, schema(&document, "IdempotencyKey"));
    let is_key = |value: &Value| value.as_str().is_some_and(|text| Key::parse(text).is_some());
    assert!(inside.iter().all(is_key) && !outside.iter().any(is_key));
}

#[test]
fn answers_have_the_members_that_it_lists() {
    let document = document();
    let details = Details::parse(sample(&document, schema(&document, "NewProduct"), 1)).expect("details");
    let product = Product::new(Uuid::from_u128(1), details.clone(), Timestamp::UNIX_EPOCH);
    let Details { sku, price_cents, currency, .. } = details;
    let offers = HashMap::from([(product.id, Offer { sku, price_cents, currency, stock: 1 })]);
    let draft = parse_order(json!({"lines": [{"product_id": product.id, "quantity": 1}]})).expect("a draft");
    let order = json!(draft.price(&offers).expect("an order"));
    let mistakes = json!(Invalid::one(At::member("", "sku"), "taken", "is taken"));
    let meta = PageMeta { next: None, limit: 20 };
    let page = json!(Success::new([0]).with_meta(&meta));
    for (name, answer) in [
        ("Product", &json!(product)),
        ("Order", &order),
        ("Line", &order["lines"][0]),
        ("Meta", &json!(meta)),
        ("ProductPage", &page),
        ("OrderPage", &page),
        ("OneProduct", &json!(Success::new(0))),
    ] {
        let of = schema(&document, name);
        assert_eq!(names(answer), names(&of["properties"]), "{name}");
        assert_eq!(names(answer), listed(&of["required"]), "{name}");
    }
    assert!(names(&mistakes[0]).is_subset(&names(&schema(&document, "InputError")["properties"])));
    let statuses: BTreeSet<_> = Status::ALL.map(Status::text).into();
    assert_eq!(listed(&schema(&document, "OrderStatus")["enum"]), statuses);
}

#[test]
fn its_examples_are_acceptable() {
    let document = document();
    let mut accepted = 0;
    for (label, operation) in operations(&document) {
        let content = operation["requestBody"]["content"].as_object().into_iter().flat_map(Map::values);
        for example in content.map(|content| content["example"].clone()) {
            match label.as_str() {
                "POST /products" | "PUT /products/{id}" => drop(Details::parse(example).expect("details")),
                "POST /products/bulk" => drop(parse_bulk(example).expect("products")),
                "POST /orders" => drop(parse_order(example).expect("an order")),
                _ => continue,
            }
            accepted += 1;
        }
    }
    assert_eq!(accepted, 4);
}

#[test]
fn whatever_it_refers_to_is_there() {
    fn each<'a>(value: &'a Value, visit: &mut dyn FnMut(&'a Value)) {
        visit(value);
        match value {
            Value::Object(members) => members.values().for_each(|member| each(member, visit)),
            Value::Array(members) => members.iter().for_each(|member| each(member, visit)),
            _ => {}
        }
    }
    let document = document();
    let mut used = BTreeSet::new();
    each(&document, &mut |value| {
        if let Some(place) = value["$ref"].as_str() {
            resolved(&document, value);
            used.insert(place.to_owned());
        }
    });
    for (kind, components) in document["components"].as_object().expect("components") {
        for name in names(components) {
            assert!(used.contains(&format!("#/components/{kind}/{name}")), "nothing refers to {kind}/{name}");
        }
    }
}

#[test]
fn links_lead_to_operations_and_their_parameters() {
    let document = document();
    let operations = operations(&document);
    let of_id: BTreeMap<&str, &(String, &Value)> =
        operations.iter().map(|of| (of.1["operationId"].as_str().expect("an id"), of)).collect();
    assert_eq!(of_id.len(), operations.len(), "each id stands once");
    let answers = operations.iter().flat_map(|(label, operation)| {
        let answers = operation["responses"].as_object().expect("answers").values();
        answers.map(move |answer| (label, answer))
    });
    for (label, answer) in answers {
        for (name, link) in answer["links"].as_object().into_iter().flatten() {
            let id = link["operationId"].as_str().expect("an id");
            let (target, operation) = of_id.get(id).unwrap_or_else(|| panic!("{label}: {name}: {id}"));
            let path = target.split_once(' ').expect("both").1;
            let lists = [&operation["parameters"], &document["paths"][path]["parameters"]];
            let known: BTreeSet<String> = lists
                .into_iter()
                .flat_map(|list| list.as_array().into_iter().flatten())
                .map(|parameter| resolved(&document, parameter))
                .map(|parameter| format!("{}.{}", parameter["in"], parameter["name"]).replace('"', ""))
                .collect();
            for parameter in link["parameters"].as_object().into_iter().flat_map(Map::keys) {
                assert!(known.contains(parameter), "{label}: {name}: {target} has no {parameter}");
            }
        }
    }
}
