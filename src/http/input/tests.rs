//! Owns the cases of typed input: what becomes a value, and what is refused by which name.
//!
//! Never: reads a socket; a request here is a function's argument.

use super::*;
use crate::http::explain::{Place, Style};
use crate::http::{Body, Handler, Router};
use serde::Deserialize;
use std::collections::HashMap;

#[derive(Debug, Deserialize, PartialEq)]
struct Ada {
    name: String,
    age: u8,
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct Team {
    #[serde(rename = "members")]
    _members: Vec<Ada>,
}

/// Fault, field, and a part of the detail.
type Refused<'a> = (Fault, Option<&'a str>, &'a str);

fn check<T: fmt::Debug>(result: Result<T, Rejection>, (fault, field, detail): Refused<'_>) {
    let rejection = result.expect_err("it is refused");
    let problem = rejection.problem();
    assert_eq!((problem.fault(), problem.field()), (fault, field), "{rejection}");
    assert!(problem.detail().unwrap_or_default().contains(detail), "{rejection}");
    assert!(problem.detail().unwrap_or_default().chars().count() <= QUOTED_CHARS_MAX + 1);
}

fn json(content: impl Into<Body>) -> Request {
    Request::post("/", content).with("Content-Type", "application/json")
}

fn form(content: &'static str) -> Request {
    Request::post("/", content).with("Content-Type", "application/x-www-form-urlencoded")
}

const ADA: &str = r#"{"name":"ada","age":36}"#;

#[tokio::test]
async fn json_becomes_a_value() {
    for content_type in
        ["application/json", "Application/JSON; charset=utf-8", "application/ld+json", "application/vnd.x+JSON ;v=1"]
    {
        let mut request = Request::post("/", ADA).with("content-type", content_type);
        let ada: Ada = request.json().await.expect(content_type);
        assert_eq!(ada, Ada { name: "ada".into(), age: 36 });
    }
}

#[tokio::test]
async fn other_media_types_are_refused_and_the_answer_names_the_right_one() {
    for content_type in ["text/plain", "text/json", "application/jsonp", "+json", "/x+json", "json", "", "a,b", ";"] {
        let mut request = Request::post("/", ADA).with("Content-Type", content_type);
        let rejection = request.json::<Ada>().await.expect_err(content_type);
        let response = rejection.into_response();
        assert_eq!((response.status().code(), response.field("accept")), (415, Some("application/json")));
    }
    let wrong = Fault::WrongMediaType;
    check(Request::post("/", ADA).json::<Ada>().await, (wrong, Some("Content-Type"), "no Content-Type"));
    // A form of another site can send this without being asked first: it must not pass for JSON.
    check(form(ADA).json::<Ada>().await, (wrong, Some("Content-Type"), "is not application/json"));
    check(json(ADA).form::<Ada>().await, (wrong, Some("Content-Type"), "is not application/x-www-form-urlencoded"));
    let twice = json(ADA).with("Content-Type", "text/plain").json::<Ada>().await;
    check(twice, (wrong, Some("Content-Type"), "two Content-Type lines"));
    let compressed = json(ADA).with("Content-Encoding", "identity, gzip").json::<Ada>().await;
    check(compressed, (wrong, Some("Content-Encoding"), "gzip"));
}

#[tokio::test]
async fn what_is_no_json_is_refused_by_line_and_column() {
    for (content, place) in [
        ("", "line 1 column 0"),
        ("{", "line 1 column 1"),
        ("{\"name\":\"ada\",\n  age:36}", "line 2 column 3"),
        (r#"{"name":"ada","age":36,}"#, "trailing comma"),
        (r#"{"name":"ada","age":036}"#, "invalid number"),
        (r#"{"name":"ada","age":36}}"#, "trailing characters"),
        (r#"{"name":"ada","age":36} {"name":"eve","age":1}"#, "trailing characters"),
        ("\u{feff}{}", "line 1 column 1"),
        ("{'name':'ada'}", "line 1 column 2"),
    ] {
        check(json(content).json::<Ada>().await, (Fault::MalformedJson, None, place));
    }
    check(json(&b"\"\xff\""[..]).json::<String>().await, (Fault::MalformedJson, None, "line 1"));
}

#[tokio::test]
async fn json_of_another_shape_is_refused_by_its_path() {
    let invalid = Fault::InvalidJsonField;
    for (content, field, detail) in [
        (r#"{"members":[{"name":"ada","age":"36"}]}"#, Some("members[0].age"), "invalid type: string"),
        (r#"{"members":[{"name":"ada","age":36},{"name":"eve"}]}"#, Some("members[1].age"), "missing field"),
        (r#"{"members":[{"name":"ada","age":256}]}"#, Some("members[0].age"), "256"),
        (r#"{"members":{}}"#, Some("members"), "expected a sequence"),
        ("{}", Some("members"), "missing field"),
        (r#"{"members":[],"members":[]}"#, Some("members"), "duplicate field"),
        (r#"{"members":[],"admin":true}"#, Some("admin"), "unknown field"),
        (r#"{"members":[{"name":"ada","name":"eve"}]}"#, Some("members[0].name"), "duplicate field"),
        ("7", None, "expected struct"),
    ] {
        check(json(content).json::<Team>().await, (invalid, field, detail));
    }
}

#[tokio::test]
async fn an_attack_by_depth_or_echo_stays_small() {
    let deep = "[".repeat(100_000);
    check(json(deep).json::<serde_json::Value>().await, (Fault::MalformedJson, None, "recursion limit"));
    let long = format!(r#"{{"name":"ada","age":"{}"}}"#, "x".repeat(100_000));
    check(json(long).json::<Ada>().await, (Fault::InvalidJsonField, Some("age"), "…"));
    let key = format!(r#"{{"{}":"not a number"}}"#, "k".repeat(100_000));
    let rejection = json(key).json::<HashMap<String, u8>>().await.expect_err("no number");
    assert!(rejection.problem().field().is_some_and(|field| field.len() < 2 * QUOTED_CHARS_MAX));
}

#[tokio::test]
async fn content_past_the_limit_is_refused_and_the_limit_named() {
    let mut request = json(ADA);
    request.limit_content(5);
    check(request.json::<Ada>().await, (Fault::ContentTooLarge, None, "at most 5 bytes"));
    let (sender, body) = Body::channel(4);
    for _ in 0..3 {
        sender.send("xy").await.expect("room");
    }
    let mut request = Request::post("/", body);
    request.limit_content(5);
    check(request.bytes().await, (Fault::ContentTooLarge, None, "at most 5 bytes"));
}

#[tokio::test]
async fn content_that_breaks_off_keeps_its_explanation() {
    let (sender, body) = Body::channel(1);
    sender.fail("disk on fire").await;
    let rejection = Request::post("/", body).bytes().await.expect_err("it broke");
    assert_eq!(rejection.problem().fault(), Fault::ContentStreamFailed);
    let problem = Problem::of_content(Fault::ChunkSizeByte.at(0), b"xyz\r\n", 0);
    let rejection = Rejection::from(BodyError::Malformed(Box::new(problem)));
    let (_, words) = rejection.problem().render(Style::Text, Place::default());
    assert!(words.contains("H1-CHUNK-001") && words.contains("xyz\\r\\n"), "{words}");
}

#[tokio::test]
async fn forms_and_queries_become_values() {
    let ada = Ada { name: "ada lovelace".into(), age: 36 };
    assert_eq!(form("name=ada+lovelace&age=36").form::<Ada>().await.expect("a form"), ada);
    let request = Request::get("/?age=36&name=ada%20lovelace&more=1");
    assert_eq!(request.query::<Ada>().expect("a query"), ada);
    assert!(Request::get("/").query::<HashMap<String, String>>().expect("an empty query").is_empty());
}

#[tokio::test]
async fn wrong_pairs_are_refused_by_name() {
    for (pairs, field, missing, detail) in [
        ("name=ada", "age", true, "missing field"),
        ("", "name", true, "missing field"),
        ("Name=ada&age=1", "name", true, "missing field"),
        ("name=ada&age=x", "age", false, "invalid digit"),
        ("name=ada&age=256", "age", false, "too large"),
        ("name=ada&age=-1", "age", false, "invalid digit"),
        ("name=ada&age", "age", false, "empty string"),
        ("name=ada&age=1&age=2", "age", false, "duplicate field"),
    ] {
        let (of_form, of_query) = match missing {
            true => (Fault::MissingFormField, Fault::MissingQueryField),
            false => (Fault::InvalidFormField, Fault::InvalidQueryField),
        };
        check(form(pairs).form::<Ada>().await, (of_form, Some(field), detail));
        check(Request::get(&format!("/?{pairs}")).query::<Ada>(), (of_query, Some(field), detail));
    }
}

#[tokio::test]
async fn text_is_utf8_or_refused_by_its_byte() {
    assert_eq!(Request::post("/", "grüß").text().await.expect("text"), "grüß");
    check(Request::post("/", &b"ab\xffc"[..]).text().await, (Fault::InvalidText, None, "byte 2"));
    let compressed = Request::post("/", "x").with("Content-Encoding", "br").text().await;
    check(compressed, (Fault::WrongMediaType, Some("Content-Encoding"), "br"));
}

/// Asks a route for its `{id}` as a `T`, and answers with what was asked or refused.
async fn path<T>(pattern: &'static str, name: &'static str, target: &str) -> (u16, String)
where
    T: FromStr + fmt::Display + Send + 'static,
    T::Err: fmt::Display,
{
    let answer = move |(): (), request: Request| async move {
        request.path::<T>(name).map(|value| value.to_string()).map_err(|rejection| {
            assert_eq!(rejection.problem().field(), Some(name));
            (crate::http::Status::BAD_REQUEST, rejection.to_string())
        })
    };
    let routes = Router::new(()).route(pattern, answer).build().expect("one route");
    let mut response = routes.handle(Request::get(target)).await;
    let content = response.body_mut().collect(1000).await.expect("content");
    (response.status().code(), String::from_utf8_lossy(&content).into_owned())
}

#[tokio::test]
async fn a_part_of_the_path_becomes_a_value() {
    let user = "GET /users/{id}";
    assert_eq!(path::<u64>(user, "id", "/users/7?id=8").await, (200, "7".into()));
    for (sent, value) in [("ada", "ada"), ("a%20b", "a b"), ("%C3%A9", "é"), ("a+b", "a+b"), ("%2541", "%41")] {
        assert_eq!(path::<String>(user, "id", &format!("/users/{sent}")).await, (200, value.into()), "{sent}");
    }
    assert_eq!(path::<u8>("GET /{a}/x/{b}", "b", "/1/x/2").await, (200, "2".into()));
    assert_eq!(path::<String>("GET /f/{rest...}", "rest", "/f/a/b%2Fc").await, (200, "a/b/c".into()));
    assert_eq!(path::<String>("GET /f/{rest...}", "rest", "/f/").await, (200, String::new()));
}

#[tokio::test]
async fn a_wrong_part_of_the_path_is_refused_by_name() {
    for (sent, detail) in [
        ("x", "\"x\" is no u64: invalid digit"),
        ("-1", "invalid digit"),
        ("18446744073709551616", "too large"),
        ("%31%20", "is no u64"),
        ("%ff", "%FF does not decode to UTF-8"),
        ("%C0%AF", "does not decode to UTF-8"),
    ] {
        let (status, content) = path::<u64>("GET /users/{id}", "id", &format!("/users/{sent}")).await;
        assert!(status == 400 && content.contains(detail), "{sent}: {content}");
    }
}

#[tokio::test]
#[should_panic(expected = "the route `GET /users/{id}` has no {user}")]
async fn asking_for_a_name_that_the_route_does_not_have_is_our_mistake() {
    path::<u64>("GET /users/{id}", "user", "/users/7").await;
}

#[test]
#[should_panic(expected = "no route was matched")]
fn asking_without_a_router_is_our_mistake() {
    let _ = Request::get("/users/7").path::<u64>("id");
}

#[test]
fn a_result_with_a_rejection_is_small_to_move() {
    assert!(size_of::<Rejection>() <= 40, "{} bytes", size_of::<Rejection>());
}

#[tokio::test]
async fn json_is_followed_to_a_bound_and_no_deeper() {
    for (depth, is_read) in [(JSON_DEPTH_MAX, true), (JSON_DEPTH_MAX + 1, false), (100_000, false)] {
        let nested = "[".repeat(depth) + &"]".repeat(depth);
        let read = json(nested).json::<serde_json::Value>().await;
        assert_eq!(read.is_ok(), is_read, "{depth}");
    }
}
