use std::net::SocketAddr;
use std::time::Duration;

use super::*;
use crate::http::bounds::Seen;
use crate::http::tally::Reached;
use crate::http::test::{Answer, call};
use crate::http::{Fault, Limits, Status};
use crate::net::deadline::Deadlines;

fn in_force() -> InForce {
    InForce { listeners: 1, workers: 2, ..InForce::default() }
}

fn shown() -> Shown {
    let quotes = Bound::fixed("quotes_max", Amount::Count(7)).bounds("Quotes <b>").larger("& more").seen(Seen::Close);
    Shown::new(&in_force()).with([quotes], [Part::of_process("quotes", "2 KiB each", 14 << 10)])
}

async fn answer(watched: &Watched, accept: &str) -> Answer {
    let routes = routes(Router::new(()), shown(), watched, false).build().expect("the routes fit");
    call(&routes, Request::get(PATH).with("Accept", accept)).await
}

#[tokio::test]
async fn every_row_is_listed_in_every_form() {
    for (accept, content_type) in [
        ("text/html", "text/html; charset=utf-8"),
        ("application/json", "application/json"),
        ("*/*", "text/plain; charset=utf-8"),
    ] {
        let answer = answer(&Watched::default(), accept).await;
        assert_eq!((answer.field("content-type"), answer.field("vary")), (Some(content_type), Some("Accept")));
        for bound in &shown().bounds {
            let amount = bound.amount.to_string();
            assert!(answer.text().contains(bound.name) && answer.text().contains(&amount), "{accept}: {}", bound.name);
        }
    }
}

#[tokio::test]
async fn every_name_is_an_anchor_once_and_nothing_is_markup_by_accident() {
    let answer = answer(&Watched::default(), "text/html").await;
    for bound in &shown().bounds {
        assert_eq!(answer.text().matches(&format!("id=\"{}\"", bound.name)).count(), 1, "{}", bound.name);
    }
    assert!(answer.text().contains("Quotes &lt;b&gt;") && answer.text().contains("&amp; more"), "{}", answer.text());
    assert!(answer.text().contains("<a href=\"/errors#H1-HEAD-001\">"), "{}", answer.text());
}

#[tokio::test]
async fn what_was_met_stands_out() {
    let watched = Watched::default();
    assert!(answer(&watched, "text/html").await.text().contains("No bound was met."));
    watched.tally.refused(Fault::HeadTooLarge);
    watched.tally.refused(Fault::NotFound);
    watched.tally.reached(Reached::Idle);
    let html = answer(&watched, "text/html").await;
    for name in ["head_bytes_max", "idle_deadline"] {
        assert!(html.text().contains(&format!("<article id=\"{name}\" class=\"met\">")), "{name}");
    }
    assert_eq!(html.text().matches("class=\"met\"").count(), 2);
    let text = answer(&watched, "text/plain").await;
    let met: Vec<&str> = text.text().lines().filter(|line| line.starts_with('!')).collect();
    assert_eq!(met.len(), 2, "{met:?}");
    let json: serde_json::Value = answer(&watched, "application/json").await.json();
    let hits =
        |name: &str| json["bounds"].as_array().unwrap().iter().find(|row| row["name"] == name).unwrap()["hits"].clone();
    assert_eq!((hits("head_bytes_max"), hits("idle_deadline"), hits("head_deadline")), (1.into(), 1.into(), 0.into()));
    assert_eq!(hits("quotes_max"), serde_json::Value::Null);
    assert_eq!(json["refusals"].as_array().unwrap().len(), 2);
    assert_eq!(json["refusals"][1]["code"], "HTTP-ROUTE-001");
}

#[tokio::test]
async fn programs_get_numbers_and_units() {
    let json: serde_json::Value = answer(&Watched::default(), "application/json").await.json();
    let row = |name: &str| json["bounds"].as_array().unwrap().iter().find(|row| row["name"] == name).unwrap().clone();
    let check = |name: &str, value: u64, unit: &str| {
        assert_eq!((&row(name)["value"], &row(name)["unit"]), (&value.into(), &unit.into()), "{name}");
    };
    check("head_bytes_max", 65_536, "bytes");
    check("field_lines_max", 100, "count");
    check("idle_deadline", 60_000, "ms");
    check("content_rate", 1024, "bytes/s");
    check("lenient_lines", 0, "switch");
    assert_eq!(row("content_rate")["over_ms"], 10_000);
    assert_eq!(row("head_bytes_max")["seen"]["href"], "/errors#H1-HEAD-001");
    assert_eq!(row("head_bytes_max")["flag"], "--head-bytes-max");
    assert_eq!(row("pending_time")["flag"], serde_json::Value::Null);
    let parts = json["memory"]["parts"].as_array().unwrap();
    let sum: u64 = parts.iter().map(|part| part["bytes"].as_u64().unwrap()).sum();
    assert_eq!(json["memory"]["bytes_max"], sum);
}

#[tokio::test]
async fn clients_elsewhere_are_shown_nothing_unless_told_to() {
    let elsewhere = || Request::get(PATH).with_peer(SocketAddr::from(([192, 0, 2, 1], 9)));
    for (allow_remote, status) in [(false, Status::FORBIDDEN), (true, Status::OK)] {
        let routes = routes(Router::new(()), shown(), &Watched::default(), allow_remote).build().expect("it fits");
        let answer = call(&routes, elsewhere()).await;
        assert_eq!(answer.status, status);
        assert_eq!(answer.text().contains("head_bytes_max"), allow_remote);
    }
}

#[test]
fn text_fits_the_terminal_and_says_what_differs() {
    let limits = Limits { head_bytes_max: 1 << 30, content_bytes_max: u64::MAX, ..Limits::default() };
    let deadlines = Deadlines { idle: Duration::MAX, ..Deadlines::default() };
    let text = Shown::new(&InForce { limits, deadlines, ..in_force() }).text();
    for line in text.lines() {
        assert!(line.chars().count() <= 120, "{line}");
        assert!(!line.ends_with(' '), "{line:?}");
    }
    let differs: Vec<&str> =
        text.lines().filter(|line| line.starts_with(" *")).filter_map(|line| line.split_whitespace().nth(1)).collect();
    assert_eq!(differs, ["idle_deadline", "head_bytes_max", "content_bytes_max"]);
    assert!(text.contains("Default: 64KiB."), "{text}");
    assert!(text.contains("Memory: unbounded, because content_bytes_max is off"), "{text}");
    assert!(!text.contains("Since the start"), "{text}");
}

#[test]
fn sums_are_rounded_up() {
    let check = |bytes, expected| assert_eq!(about(bytes), expected);
    check(0, "0 B");
    check(1023, "1023 B");
    check(1024, "1.0 KiB");
    check(1025, "1.1 KiB");
    check(3 << 30, "3.0 GiB");
    check(u64::MAX, "16777216.0 TiB");
}
