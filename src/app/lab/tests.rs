//! Owns the cases of the lab: each route's answer, and what it refuses.

use serde_json::{Value, json};
use tokio::time::Instant;

use super::*;
use crate::http::router::Routes;
use crate::http::{Body, Handler, Limits, Method, Response, Status};

fn lab() -> Routes {
    routes(Router::new(())).build().expect("the lab's table has no conflict")
}

async fn ask(request: Request) -> Response {
    lab().handle(request).await
}

async fn content(response: &mut Response) -> Vec<u8> {
    response.body_mut().collect(u64::MAX).await.expect("content").to_vec()
}

/// Status and content of what `GET target` answers.
async fn get(target: &str) -> (u16, String) {
    let mut response = ask(Request::get(target)).await;
    let content = content(&mut response).await;
    (response.status().code(), String::from_utf8_lossy(&content).into_owned())
}

async fn shown(request: Request) -> Value {
    let mut response = ask(request).await;
    assert_eq!((response.status(), response.field("content-type")), (Status::OK, Some("application/json")));
    serde_json::from_slice(&content(&mut response).await).expect("JSON")
}

#[tokio::test]
async fn what_benchmarks_ask_for_is_exact() {
    for (target, content_type, expected) in [
        ("/plaintext", "text/plain; charset=utf-8", "Hello, World!"),
        ("/json", "application/json", r#"{"message":"Hello, World!"}"#),
        ("/hello/ada", "text/plain; charset=utf-8", "Hello, ada!\n"),
        ("/users/42", "text/plain; charset=utf-8", "42"),
        ("/users/a%20b%2Fc%C3%A9", "text/plain; charset=utf-8", "a b/cé"),
    ] {
        let mut response = ask(Request::get(target)).await;
        assert_eq!((response.status(), response.field("content-type")), (Status::OK, Some(content_type)), "{target}");
        assert_eq!(content(&mut response).await, expected.as_bytes(), "{target}");
    }
    assert_eq!(get("/users/%FF").await.0, 400);
    assert_eq!(get("/users/").await.0, 404);
}

#[tokio::test]
async fn echo_is_the_content_and_its_type() {
    let method = |name: &str| Method::parse(name.as_bytes()).expect("a method");
    for name in ["POST", "PUT", "PATCH"] {
        let request = Request::of(method(name), "/echo").with_content("hi").with("Content-Type", "text/x-lab; a=b");
        let mut response = ask(request).await;
        assert_eq!(response.field("content-type"), Some("text/x-lab; a=b"), "{name}");
        assert_eq!(content(&mut response).await, b"hi", "{name}");
    }
    let mut response = ask(Request::post("/echo", &b"\0\xff"[..])).await;
    assert_eq!(response.field("content-type"), Some("application/octet-stream"));
    assert_eq!(content(&mut response).await, b"\0\xff");
    assert_eq!(ask(Request::get("/echo")).await.status(), Status::METHOD_NOT_ALLOWED);
}

#[tokio::test]
async fn echo_answers_before_the_content_is_there() {
    let (sender, body) = Body::channel(1);
    let mut response = ask(Request::post("/echo", body)).await;
    for piece in ["a", "b"] {
        sender.send(piece).await.expect("the answer is there");
        assert_eq!(response.body_mut().next().await.expect("a piece").expect("no error"), piece);
    }
    drop(sender);
    assert!(response.body_mut().next().await.is_none());
}

/// Content that says how long it is, and yields nothing.
struct Claimed(u64);

impl crate::http::body::Source for Claimed {
    fn poll_next(
        self: std::pin::Pin<&mut Self>,
        _: &mut std::task::Context<'_>,
    ) -> std::task::Poll<Option<Result<bytes::Bytes, crate::http::BodyError>>> {
        std::task::Poll::Ready(None)
    }

    fn length(&self) -> Option<u64> {
        Some(self.0)
    }
}

#[tokio::test]
async fn content_past_the_limit_is_refused_at_the_head() {
    for (target, length, status) in [
        ("/echo", ECHO_BYTES_MAX, 200),
        ("/echo", ECHO_BYTES_MAX + 1, 413),
        ("/anything", 1 << 20, 200),
        ("/anything", (1 << 20) + 1, 413),
    ] {
        let mut request = Request::post(target, Body::source(Claimed(length)));
        request.limit_content(Limits::default().content_bytes_max);
        assert_eq!(ask(request).await.status().code(), status, "{target} {length}");
    }
}

#[tokio::test]
async fn bytes_follow_from_their_offset() {
    let block = produce::PERIOD * 256;
    for length in [0, 1, 250, 251, 252, block - 1, block, block + 1, 200_000] {
        let mut response = ask(Request::get(&format!("/bytes/{length}"))).await;
        assert_eq!(response.body().length(), Some(length as u64));
        let bytes = content(&mut response).await;
        assert!(bytes.iter().enumerate().all(|(at, &byte)| usize::from(byte) == at % produce::PERIOD), "{length}");
        assert_eq!(bytes.len(), length);
    }
    assert_eq!(ask(Request::get("/big")).await.body().length(), Some(64 * 1024 * 1024));
    assert_eq!(ask(Request::get(&format!("/bytes/{BYTES_MAX}"))).await.body().length(), Some(BYTES_MAX));
}

#[tokio::test]
async fn what_is_out_of_bounds_is_refused_by_name() {
    for (target, fault, field) in [
        ("/bytes/1073741825", Fault::InvalidPathParameter, "n"),
        ("/bytes/-1", Fault::InvalidPathParameter, "n"),
        ("/bytes/x", Fault::InvalidPathParameter, "n"),
        ("/stream/100001", Fault::InvalidPathParameter, "n"),
        ("/redirect/1001", Fault::InvalidPathParameter, "n"),
        ("/redirect/99999999999999999999", Fault::InvalidPathParameter, "n"),
        ("/status/abc", Fault::InvalidPathParameter, "code"),
        ("/status/65736", Fault::InvalidPathParameter, "code"),
        ("/status/100", Fault::InvalidPathParameter, "code"),
        ("/status/199", Fault::InvalidPathParameter, "code"),
        ("/status/99", Fault::InvalidPathParameter, "code"),
        ("/status/600", Fault::InvalidPathParameter, "code"),
        ("/slow?ms=60001", Fault::InvalidQueryField, "ms"),
        ("/slow?ms=-1", Fault::InvalidQueryField, "ms"),
        ("/slow?ms=", Fault::InvalidQueryField, "ms"),
        ("/slow?ms=1&ms=2", Fault::InvalidQueryField, "ms"),
        ("/drip?bytes=1048577", Fault::InvalidQueryField, "bytes"),
        ("/drip?ms=60001", Fault::InvalidQueryField, "ms"),
        ("/sse?count=100001", Fault::InvalidQueryField, "count"),
        ("/sse?ms=60001", Fault::InvalidQueryField, "ms"),
        ("/cookies/set", Fault::MissingQueryField, "name"),
        ("/cookies/set?a=b%3B+Domain=x", Fault::InvalidQueryField, "a"),
        ("/cookies/set?a=b%0D%0ASet-Cookie:c=d", Fault::InvalidQueryField, "a"),
        ("/cookies/set?a%3Bb=c", Fault::InvalidQueryField, "a;b"),
        ("/cookies/set?a=b&%20=c", Fault::InvalidQueryField, " "),
    ] {
        let response = ask(Request::get(target)).await;
        let problem = response.problem().expect(target);
        assert_eq!((response.status().code(), problem.fault(), problem.field()), (400, fault, Some(field)), "{target}");
    }
}

#[tokio::test(start_paused = true)]
async fn slow_waits_as_long_as_it_says() {
    for (target, ms) in [("/slow", 2000), ("/slow?ms=7", 7), ("/slow?ms=0", 0), ("/slow?ms=60000", 60_000)] {
        let begin = Instant::now();
        assert_eq!(get(target).await, (200, format!("waited {ms} ms\n")));
        assert_eq!(begin.elapsed().as_millis(), ms, "{target}");
    }
}

#[tokio::test(start_paused = true)]
async fn a_drip_spreads_its_bytes_over_its_time() {
    for (target, pieces, bytes, ms) in [
        ("/drip", 10, 10, 1000),
        ("/drip?bytes=3&ms=300", 3, 3, 300),
        ("/drip?bytes=1000&ms=100", 10, 1000, 100),
        ("/drip?bytes=7&ms=30", 3, 7, 30),
        ("/drip?bytes=5&ms=0", 1, 5, 0),
        ("/drip?bytes=0&ms=60000", 0, 0, 0),
        ("/drip?bytes=1048576&ms=60000", 6000, 1_048_576, 60_000),
    ] {
        let begin = Instant::now();
        let mut response = ask(Request::get(target)).await;
        assert_eq!((begin.elapsed().as_millis(), response.body().length()), (0, Some(bytes)), "{target}");
        let (mut seen, mut length) = (0, 0);
        while let Some(piece) = response.body_mut().next().await {
            seen += 1;
            length += piece.expect("no error").len() as u64;
        }
        assert_eq!((seen, length, begin.elapsed().as_millis()), (pieces, bytes, ms), "{target}");
    }
}

#[tokio::test(start_paused = true)]
async fn events_come_one_each_interval_and_go_on_where_a_client_left() {
    let begin = Instant::now();
    let event = |id: u32| format!("id: {id}\ndata: tick {id} of 3\n\n");
    assert_eq!(get("/sse?count=3&ms=500").await, (200, event(1) + &event(2) + &event(3)));
    assert_eq!(begin.elapsed().as_millis(), 1000);
    let mut again = ask(Request::get("/sse?count=3").with("Last-Event-ID", "2")).await;
    assert_eq!(content(&mut again).await, event(3).as_bytes());
    let over = ask(Request::get("/sse?count=3").with("Last-Event-ID", "3")).await;
    assert_eq!(over.status(), Status::NO_CONTENT);
}

#[tokio::test]
async fn a_status_comes_with_the_content_and_the_fields_that_it_must_have() {
    for (code, content, field) in [
        (200, "200 OK\n", None),
        (204, "", None),
        (205, "", None),
        (304, "", None),
        (302, "302 Found\n", Some(("location", "/anything"))),
        (401, "401 Unauthorized\n", Some(("www-authenticate", "Basic realm=\"lab\""))),
        (405, "405 Method Not Allowed\n", Some(("allow", "GET"))),
        (426, "426 Upgrade Required\n", Some(("upgrade", "websocket"))),
        (599, "599\n", None),
    ] {
        assert_eq!(get(&format!("/status/{code}")).await, (code, content.to_owned()));
        let response = ask(Request::post(&format!("/status/{code}"), "")).await;
        let (name, value) = field.unzip();
        assert_eq!(name.and_then(|name| response.field(name)), value, "{code}");
    }
}

#[tokio::test]
async fn redirects_count_down_and_end_at_anything() {
    for (target, location) in
        [("/redirect/2", "/redirect/1"), ("/redirect/1", "/redirect/0"), ("/redirect/0", "/anything")]
    {
        let response = ask(Request::get(target)).await;
        assert_eq!((response.status(), response.field("location")), (Status::FOUND, Some(location)));
    }
}

#[tokio::test]
async fn lines_are_pieces_of_no_known_length() {
    let mut response = ask(Request::get("/stream/2")).await;
    assert_eq!(response.body().length(), None);
    assert_eq!(content(&mut response).await, b"{\"line\":1,\"of\":2}\n{\"line\":2,\"of\":2}\n");
    assert_eq!(get("/stream/0").await, (200, String::new()));
}

#[tokio::test]
async fn a_trailer_counts_the_content() {
    let mut response = ask(Request::get("/trailers")).await;
    assert_eq!((response.field("trailer"), response.body().length()), (Some("X-Bytes"), None));
    let length = content(&mut response).await.len().to_string();
    let trailers = response.body_mut().trailers().expect("a trailer section");
    assert_eq!(trailers.text("x-bytes"), Some(&*length));
}

#[tokio::test]
async fn fields_are_shown_as_they_came() {
    let request = Request::get("/headers").with("b", "1").with("A", &b"\xff"[..]).with("b", "2");
    let fields = json!([["Host", "localhost"], ["b", "1"], ["A", "\\xff"], ["b", "2"]]);
    assert_eq!(shown(request).await, json!({ "fields": fields }));
    let request = Request::get("/ip").with_peer(([192, 0, 2, 7], 4711).into());
    assert_eq!(shown(request).await, json!({ "client": "192.0.2.7", "peer": "192.0.2.7:4711", "connection": 0 }));
}

#[tokio::test]
async fn anything_shows_all_that_came() {
    let request = Request::of(Method::parse(b"PURGE").expect("a token"), "/anything/x/../y?a=1&a=%20&b");
    let seen = shown(request.with_content("grüß")).await;
    assert_eq!(
        seen,
        json!({
            "method": "PURGE",
            "target": "/anything/x/../y?a=1&a=%20&b",
            "version": "HTTP/1.1",
            "authority": "localhost",
            "route": "/anything/{rest...}",
            "client": "127.0.0.1",
            "query": [["a", "1"], ["a", " "], ["b", ""]],
            "fields": [["Host", "localhost"]],
            "content": { "bytes": 6, "text": "grüß" },
            "trailers": [],
        })
    );
}

#[tokio::test]
async fn a_trace_shows_no_secrets() {
    for (method, shown_too) in [(Method::TRACE, false), (Method::GET, true)] {
        let request =
            Request::of(method, "/anything").with("cookie", "a=1").with("Authorization", "Basic x").with("b", "2");
        let fields = shown(request).await["fields"].take();
        let secrets = json!([["Host", "localhost"], ["cookie", "a=1"], ["Authorization", "Basic x"], ["b", "2"]]);
        assert_eq!(fields, if shown_too { secrets } else { json!([["Host", "localhost"], ["b", "2"]]) }, "{method}");
    }
}

#[tokio::test]
async fn anything_shows_a_part_of_much_content() {
    let check = async |sent: Vec<u8>, key: &str, expected: String, is_cut: bool| {
        let length = sent.len();
        let content = shown(Request::post("/anything", sent)).await["content"].take();
        assert_eq!((&content["bytes"], &content[key]), (&json!(length), &json!(expected)));
        assert_eq!(content["note"].is_string(), is_cut, "{content}");
    };
    check(vec![b'a'; SHOWN_BYTES_MAX], "text", "a".repeat(SHOWN_BYTES_MAX), false).await;
    check(vec![b'a'; SHOWN_BYTES_MAX + 1], "text", "a".repeat(SHOWN_BYTES_MAX), true).await;
    // Cut within its last character.
    let broken = ["a".repeat(SHOWN_BYTES_MAX - 1), "é".to_owned()].concat();
    check(broken.into_bytes(), "text", "a".repeat(SHOWN_BYTES_MAX - 1), true).await;
    check(b"\xff\0\n".to_vec(), "escaped", "\\xff\\x00\\n".to_owned(), false).await;
    check("é".as_bytes()[..1].to_vec(), "escaped", "\\xc3".to_owned(), false).await;
}

#[tokio::test]
async fn cookies_are_shown_and_set() {
    let request = Request::get("/cookies").with("Cookie", "a=1; b=x=y;c").with("Cookie", "a=2");
    assert_eq!(shown(request).await, json!({ "cookies": [["a", "1"], ["b", "x=y"], ["c", ""], ["a", "2"]] }));
    assert_eq!(shown(Request::get("/cookies")).await, json!({ "cookies": [] }));
    let response = ask(Request::get("/cookies/set?a=1&b=2")).await;
    assert_eq!((response.status(), response.field("location")), (Status::FOUND, Some("/cookies")));
    let set: Vec<_> = response.fields().all("set-cookie").map(String::from_utf8_lossy).collect();
    assert_eq!(set, ["a=1; Path=/cookies; HttpOnly; SameSite=Lax", "b=2; Path=/cookies; HttpOnly; SameSite=Lax"]);
}

#[tokio::test]
#[should_panic(expected = "asked to panic")]
async fn panic_panics() {
    get("/panic").await;
}
