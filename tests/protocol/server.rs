//! Persistence, methods and statuses, expectations, refused heads, recycled heads: what every exchange keeps.

use std::net::SocketAddr;
use std::time::Duration;

use firstbyte::http::test::TestServer;
use firstbyte::http::{Fault, IntoResponse, Method, Problem, Request, Response, Server, Status};

use crate::stage::{After, check, server, state, wire};

#[tokio::test(start_paused = true)]
async fn a_connection_lives_as_long_as_both_ends_want() {
    let server = server();
    let open = "GET /hello HTTP/1.1|Host: x||";
    for (request, answer, after) in [
        ("GET /hello HTTP/1.1|Host: x||", "200 hello", After::Open),
        ("GET /hello HTTP/1.1|Host: x|Connection: keep-alive||", "200 hello", After::Open),
        ("GET /hello HTTP/1.1|Host: x|Connection: CLOSE||", "200 close hello", After::Closed),
        ("GET /hello HTTP/1.1|Host: x|Connection: keep-alive, close||", "200 close hello", After::Closed),
        ("GET /hello HTTP/1.0||", "200 close hello", After::Closed),
        ("GET /hello HTTP/1.0|Connection: keep-alive||", "200 keep-alive hello", After::Open),
        ("GET /stream HTTP/1.0|Connection: keep-alive||", "200 close piece 0;piece 1;piece 2;", After::Closed),
        ("GET /stream HTTP/1.1|Host: x||", "200 piece 0;piece 1;piece 2;", After::Open),
        ("GET /close HTTP/1.1|Host: x||", "200 close bye", After::Closed),
        ("GET /nothing HTTP/1.1|Host: x||", "404 HTTP-ROUTE-001", After::Open),
        ("GET /panic HTTP/1.1|Host: x||", "500 HTTP-SERVER-001 close", After::Closed),
        ("GET /panic-apart HTTP/1.1|Host: x||", "500 HTTP-SERVER-001 close", After::Closed),
        ("GET /panics-first HTTP/1.1|Host: x||", "500 HTTP-SERVER-006 close", After::Closed),
        ("GET /interim HTTP/1.1|Host: x||", "500 HTTP-SERVER-007", After::Open),
    ] {
        let next = if after == After::Open { "200 hello" } else { "" };
        check(&server, &[(request, answer), (open, next)], after).await;
    }
    tokio::time::sleep(Duration::from_secs(3)).await;
    assert!(server.watched().registry.is_empty(), "a client that has left is forgotten");
}

#[tokio::test(start_paused = true)]
async fn methods_and_statuses_without_content_keep_the_framing() {
    let server = server();
    let next = ("GET /hello HTTP/1.1|Host: x||", "200 hello");
    for (request, answer) in [
        ("HEAD /hello HTTP/1.1|Host: x||", "200"),
        ("HEAD /stream HTTP/1.1|Host: x||", "200"),
        ("HEAD /bytes/100000 HTTP/1.1|Host: x||", "200"),
        ("GET /empty HTTP/1.1|Host: x||", "204"),
        ("HEAD /empty HTTP/1.1|Host: x||", "204"),
        ("GET /unchanged HTTP/1.1|Host: x||", "304"),
        ("OPTIONS /hello HTTP/1.1|Host: x||", "204 [GET, HEAD, OPTIONS]"),
        ("OPTIONS * HTTP/1.1|Host: x||", "204"),
        ("OPTIONS http://x HTTP/1.1|Host: x||", "204"),
        ("POST /hello HTTP/1.1|Host: x|Content-Length: 0||", "405 HTTP-ROUTE-002 [GET, HEAD, OPTIONS]"),
        ("GET /echo HTTP/1.1|Host: x||", "405 HTTP-ROUTE-002 [OPTIONS, POST]"),
        ("BREW /hello HTTP/1.1|Host: x||", "501 HTTP-ROUTE-003"),
        ("CONNECT x:1 HTTP/1.1|Host: x:1||", "501 HTTP-ROUTE-003"),
        ("|| GET".trim_end_matches(" GET"), ""),
    ] {
        check(&server, &[(request, answer), next], After::Open).await;
    }
}

#[tokio::test(start_paused = true)]
async fn head_says_what_get_says() {
    let server = server();
    for path in ["/hello", "/stream", "/bytes/70000", "/empty", "/unchanged", "/nothing"] {
        let mut connection = server.connect();
        let mut answers = Vec::new();
        for method in [Method::GET, Method::HEAD] {
            connection.send(wire(&format!("{method} {path} HTTP/1.1|Host: x||"))).await;
            let mut answer = connection.read_response_to(method).await;
            // RFC 9112 6.1: a response to HEAD may leave it out.
            answer.fields.remove("Transfer-Encoding");
            answers.push(answer);
        }
        let [get, head] = &answers[..] else { unreachable!("two answers") };
        assert!(head.content.is_empty());
        assert_eq!((head.status, format!("{:?}", head.fields)), (get.status, format!("{:?}", get.fields)), "{path}");
    }
}

#[tokio::test(start_paused = true)]
async fn refused_heads_are_answered_once_and_nothing_behind_them_is() {
    let server = server();
    let hidden = ("GET /hello HTTP/1.1|Host: x||", "");
    for (request, answer) in [
        ("GET /hello HTTP/1.1||", "400 H1-HOST-001 close"),
        ("GET /hello HTTP/2.0|Host: x||", "505 H1-VERSION-003 close"),
        ("GET /hello HTTP/1.1|Host : x||", "400 H1-HEAD-006 close"),
        ("GET /hello HTTP/1.1|Host: x|Content-Length: 1|Transfer-Encoding: chunked||", "400 H1-FRAME-001 close"),
        ("POST /echo HTTP/1.1|Host: x|Transfer-Encoding: gzip, chunked||", "501 H1-FRAME-005 close"),
        ("POST /echo HTTP/1.1|Host: x|Expect: 200-ok|Content-Length: 1||x", "417 H1-EXPECT-001 close"),
        ("GET /hello HTTP/1.1\nHost: x\n\n", "400 H1-LINE-001 close"),
        ("|||||||||GET /hello HTTP/1.1|Host: x||", "400 H1-LINE-003 close"),
        ("\x16\x03\x01", "400 H1-LINE-004 close"),
    ] {
        check(&server, &[(request, answer), hidden], After::Closed).await;
        check(&server, &[("GET /hello HTTP/1.1|Host: x||", "200 hello"), (request, answer)], After::Closed).await;
    }
}

#[tokio::test(start_paused = true)]
async fn refusals_are_worded_as_asked() {
    let check = async |terse: bool, request: &str, content_type: &str, beginning: &str| {
        let handler = |_: Request| async { Status::OK };
        let server = TestServer::new(Server::new(handler).terse_errors(terse).catalogue_at("/codes"));
        let mut connection = server.connect();
        connection.send(wire(request)).await;
        connection.finish().await;
        let answer = connection.read_response().await;
        assert_eq!(answer.field("content-type"), Some(content_type), "{request}");
        assert!(answer.text().starts_with(beginning), "{request}: {}", answer.text());
        assert!(answer.closes());
        connection.expect_closed().await;
    };
    let (text, json) = ("text/plain; charset=utf-8", "application/problem+json");
    for request in
        ["GET / HTTP/1.1|accept: {}|Host : x||", "GET / HTTP/1.1|Accept: {}||", "GET / HTTP/1.1|Accept: {}|Ho"]
    {
        let plain = request.replace("{}", "*/*");
        let program = request.replace("{}", "text/html, application/json");
        check(false, &plain, text, "400 Bad Request  H1-").await;
        check(false, &program, json, "{\"type\":\"/codes#H1-").await;
        check(true, &program, text, "400 Bad Request (H1-").await;
    }
}

/// What a request accepts is looked up when its answer is worded: its head must still be there then.
#[tokio::test(start_paused = true)]
async fn problems_are_worded_as_asked_whenever_a_handler_tells_them() {
    let handler = |mut request: Request| async move {
        match request.target_path() {
            "/later" => tokio::time::sleep(Duration::from_millis(5)).await,
            "/read" => drop(request.content().collect(1 << 20).await),
            _ => {}
        }
        Problem::new(Fault::NotFound)
    };
    let server = TestServer::new(Server::new(handler));
    // The requests around it, and its own content, ask for something else.
    let before = "GET / HTTP/1.1|Host: x||";
    let behind = "GET /later HTTP/1.1|Host: x|Accept: nothing/json||";
    let text = "text/plain; charset=utf-8";
    for (accept, content_type) in [("text/html, application/json", "application/problem+json"), ("a/json, b/c", text)] {
        for (line, framing, content) in [
            ("GET /", "", ""),
            ("GET /later", "", ""),
            ("POST /", "Content-Length: 9|", "Accept: x"),
            ("POST /read", "Content-Length: 9|", "Accept: x"),
            ("POST /read", "Transfer-Encoding: chunked|", "9|Accept: x|0||"),
        ] {
            let request = format!("{line} HTTP/1.1|Host: x|Accept: {accept}|{framing}|{content}");
            let sent = wire(&format!("{before}{request}{behind}"));
            for cut in 0..sent.len() {
                let mut connection = server.connect();
                connection.send(&sent[..cut]).await;
                connection.send(&sent[cut..]).await;
                for expected in [text, content_type, text] {
                    let answer = connection.read_response().await;
                    assert_eq!(answer.field("content-type"), Some(expected), "{request} cut at {cut}");
                }
            }
        }
    }
}

#[tokio::test(start_paused = true)]
async fn a_refusal_names_the_page_of_codes_where_there_is_one_and_an_applications_own_words_stay() {
    let handler = |request: Request| async move {
        let refused = Problem::new(Fault::NotFound).into_response();
        if request.target_path() == "/own" { refused.with_content("text/plain", "own") } else { refused }
    };
    let check = async |listed: bool, request: &str, holds: &str, holds_not: &str| {
        let server = Server::new(handler);
        let server = TestServer::new(if listed { server.catalogue_at("/codes") } else { server });
        let mut connection = server.connect();
        connection.send(wire(request)).await;
        let answer = connection.read_response().await;
        let words = answer.text();
        assert!(words.contains(holds) && !words.contains(holds_not), "{request}: {words}");
    };
    for request in ["GET / HTTP/1.1|Host: x||", "GET / HTTP/1.1|Host : x||"] {
        check(true, request, "  codes     /codes\n", "/errors").await;
        check(false, request, "  send      ", "codes").await;
    }
    for accept in ["*/*", "application/json"] {
        check(true, &format!("GET /own HTTP/1.1|Host: x|Accept: {accept}||"), "own", "codes").await;
    }
}

#[tokio::test(start_paused = true)]
async fn a_refusal_of_head_has_no_content_and_says_how_much_it_would_have() {
    for rest in [" / HTTP/1.1|Host : x||", " / HTTP/1.1||", " / HTTP/1.1|Ho", " /# HTTP/1.1|Host: x||"] {
        let mut lengths = Vec::new();
        for method in [Method::GET, Method::HEAD] {
            let mut connection = server().connect();
            connection.send(wire(&format!("{method}{rest}"))).await;
            connection.finish().await;
            let answer = connection.read_response_to(method).await;
            assert_eq!((answer.status, answer.closes()), (Status::BAD_REQUEST, true), "{method}{rest}");
            // Content behind the answer to HEAD would be found here.
            connection.expect_closed().await;
            lengths.push(answer.field("content-length").map(str::len));
        }
        assert_eq!(lengths[0], lengths[1], "{rest}");
    }
}

#[tokio::test(start_paused = true)]
async fn a_refusal_can_be_read_by_a_client_that_goes_on_sending() {
    let server = server();
    let mut connection = server.connect();
    connection.send(wire("POST /small HTTP/1.1|Host: x|Content-Length: 3000000||")).await;
    for _ in 0..30 {
        connection.send(vec![b'x'; 100_000]).await;
    }
    let answer = connection.read_response().await;
    assert_eq!((answer.status, answer.closes()), (Status::CONTENT_TOO_LARGE, true));
    connection.expect_closed().await;
}

#[tokio::test(start_paused = true)]
async fn nothing_of_one_request_is_seen_by_the_next() {
    async fn tell(mut request: Request) -> Response {
        let seen = format!(
            "{} {:?} {:?} {:?} {}",
            request.client(),
            request.field("x-secret"),
            request.value::<u32>(),
            request.target_query(),
            request.content_bytes_max(),
        );
        if request.target_path() == "/first" {
            request.insert(7u32);
            request.set_client([9, 9, 9, 9].into());
            request.limit_content(1);
        }
        seen.into_response().with("X-Seen", "once").with_close()
    }
    let server = TestServer::new(Server::new(tell));
    for (request, expected) in [
        ("GET /first?a=b HTTP/1.1|Host: x|X-Secret: s||", "10.0.0.1 Some(\"s\") None Some(\"a=b\") 1048576"),
        ("GET /second HTTP/1.1|Host: x||", "10.0.0.1 None None None 1048576"),
    ] {
        for _ in 0..3 {
            let mut connection = server.connect_from(SocketAddr::from(([10, 0, 0, 1], 1)));
            connection.send(wire(request)).await;
            let answer = connection.read_response().await;
            assert_eq!((answer.text(), answer.fields.all("x-seen").count()), (expected, 1));
            assert_eq!(state(&mut connection).await, After::Closed);
        }
    }
}

#[tokio::test(start_paused = true)]
async fn a_handler_panics_where_it_likes() {
    let before = firstbyte::http::middleware::recover::panics();
    #[allow(clippy::manual_async_fn, reason = "it panics before there is a future")]
    fn at_once(request: Request) -> impl Future<Output = Response> + Send {
        assert_ne!(request.target(), "/at-once", "as this test wants it");
        async move {
            assert_ne!(request.target(), "/first-poll", "as this test wants it");
            tokio::task::yield_now().await;
            panic!("as this test wants it");
        }
    }
    let server = TestServer::new(Server::new(at_once));
    for target in ["/at-once", "/first-poll", "/later"] {
        let request = format!("GET {target} HTTP/1.1|Host: x||");
        check(&server, &[(&request, "500 HTTP-SERVER-001 close")], After::Closed).await;
    }
    assert!(firstbyte::http::middleware::recover::panics() >= before + 3);
}
