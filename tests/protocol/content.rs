//! Content of requests: how it arrives, who reads it, what is left of it, and what is asked of its sender.

use std::io::ErrorKind;
use std::time::Duration;

use firstbyte::http::test::{TestConnection, TestServer, WIRE_BYTES};
use firstbyte::http::{Handler, Limits, Request, Server, Status};
use tokio::time::{sleep, timeout};

use crate::stage::{After, PRODUCED, check, routes, send, server, state, summary, wire};

const NEXT: (&str, &str) = ("GET /hello HTTP/1.1|Host: x||", "200 hello");
/// The bytes with which a request that is hidden in content begins.
const HIDDEN: &str = "GET /bytes/99 HTTP/1.1|Host: x||";

#[tokio::test(start_paused = true)]
async fn content_arrives_cut_anywhere() {
    let server = server();
    for (request, answer) in [
        ("POST /collect HTTP/1.1|Host: x|Content-Length: 5||hello", "200 5 bytes"),
        ("POST /collect HTTP/1.1|Host: x|Content-Length: 0||", "200 0 bytes"),
        ("POST /collect HTTP/1.1|Host: x||", "200 0 bytes"),
        ("POST /collect HTTP/1.1|Host: x|Transfer-Encoding: chunked||3|abc|2;a=b|de|0||", "200 5 bytes"),
        ("POST /collect HTTP/1.1|Host: x|Transfer-Encoding: chunked||0||", "200 0 bytes"),
        ("POST /collect HTTP/1.0|Connection: keep-alive|Content-Length: 5||hello", "200 keep-alive 5 bytes"),
        ("POST /echo HTTP/1.1|Host: x|Content-Length: 5||hello", "200 hello"),
        ("POST /echo HTTP/1.1|Host: x|Transfer-Encoding: chunked||3|abc|2|de|0||", "200 abcde"),
        ("POST /trailers HTTP/1.1|Host: x|Transfer-Encoding: chunked||1|a|0|X-Sum: 1||", "200 {\"X-Sum\": \"1\"}"),
        ("POST /first HTTP/1.1|Host: x|Content-Length: 5||hello", "200 some"),
        ("POST /ignore HTTP/1.1|Host: x|Content-Length: 5||hello", "200 ignored"),
        ("POST /refuse HTTP/1.1|Host: x|Content-Length: 5||hello", "403"),
        ("POST /keep HTTP/1.1|Host: x|Content-Length: 5||hello", "200 kept"),
        ("POST /small HTTP/1.1|Host: x|Content-Length: 8||12345678", "200 8 bytes"),
        ("POST /collect HTTP/1.1|Host: x|Content-Length: 35||GET /bytes/99 HTTP/1.1|Host: x||", "200 35 bytes"),
        ("POST /ignore HTTP/1.1|Host: x|Content-Length: 35||GET /bytes/99 HTTP/1.1|Host: x||", "200 ignored"),
    ] {
        check(&server, &[(request, answer), NEXT], After::Open).await;
    }
    assert_eq!(wire(HIDDEN).len(), 35);
}

/// Sends `head`, then `content` once the server has looked, and a request behind it.
async fn answer_to(server: &TestServer<impl Handler>, head: &str, content: &str) -> (String, After) {
    let mut connection = server.connect();
    send(&mut connection, wire(head).as_bytes()).await;
    send(&mut connection, wire(content).as_bytes()).await;
    let answer = summary(&connection.read_response().await);
    (answer, state(&mut connection).await)
}

#[tokio::test(start_paused = true)]
async fn malformed_content_is_refused_wherever_it_is_found() {
    let server = server();
    // With the head it is refused before the handler runs. Later, a handler that reads fails, one that ignores its
    // content has answered, and the connection closes with either.
    for (path, later) in [
        ("/collect", "400 H1-CHUNK-001 close"),
        ("/echo", "400 H1-CHUNK-001 close"),
        ("/first", "400 H1-CHUNK-001 close"),
        ("/ignore", "200 close ignored"),
        ("/refuse", "403 close"),
        ("/small", "400 H1-CHUNK-001 close"),
    ] {
        let head = format!("POST {path} HTTP/1.1|Host: x|Transfer-Encoding: chunked||");
        let content = format!("zz|{HIDDEN}");
        let whole = format!("{head}{content}");
        assert_eq!(
            answer_to(&server, &whole, "").await,
            ("400 H1-CHUNK-001 close".to_owned(), After::Closed),
            "{path}"
        );
        assert_eq!(answer_to(&server, &head, &content).await, (later.to_owned(), After::Closed), "{path}");
        let mut connection = server.connect();
        send(&mut connection, wire(&format!("{head}1|a|")).as_bytes()).await;
        send(&mut connection, wire(&content).as_bytes()).await;
        let said = String::from_utf8(connection.read_to_end().await.unwrap()).unwrap();
        assert_eq!(said.matches("HTTP/1.1 ").count(), 1, "{path}: {said}");
        assert!(!said.ends_with("0\r\n\r\n"), "the answer must not look whole: {said}");
    }
}

#[tokio::test(start_paused = true)]
async fn an_answer_that_only_a_close_ends_and_that_breaks_off_ends_in_a_reset() {
    let server = server();
    for path in ["/break", "/breaks-at-once", "/panics-later", "/endless"] {
        let mut connection = server.connect();
        connection.send(wire(&format!("GET {path} HTTP/1.0||"))).await;
        assert_eq!(connection.read_head().await.status, Status::OK, "{path}");
        if path == "/endless" {
            // The client does not read.
            sleep(Duration::from_secs(100)).await;
        }
        assert_eq!(connection.read_to_end().await.unwrap_err().kind(), ErrorKind::ConnectionReset, "{path}");
    }
    let mut whole = server.connect();
    whole.send(wire("GET /stream HTTP/1.0||")).await;
    assert!(whole.read_to_end().await.unwrap().ends_with(b"piece 2;"));
}

#[tokio::test(start_paused = true)]
async fn an_answer_that_breaks_off_is_lingered_on_as_any_last_one() {
    let server = server();
    let mut connection = server.connect();
    for content in ["POST /echo HTTP/1.1|Host: x|Transfer-Encoding: chunked||", "1|a|", "zz|"] {
        send(&mut connection, wire(content).as_bytes()).await;
    }
    let said = String::from_utf8(connection.read_to_end().await.expect("a FIN")).unwrap();
    assert!(said.ends_with("\r\n1\r\na\r\n"), "{said}");
    assert!(!connection.is_over());
    for _ in 0..2 {
        connection.try_send("more, which is read and dropped").await.expect("no reset that would overtake the answer");
    }
}

#[tokio::test(start_paused = true)]
async fn a_handler_that_hides_malformed_content_is_overruled() {
    async fn hides(mut request: Request) -> Status {
        let _ = request.content().collect(100).await;
        Status::OK
    }
    let server = TestServer::new(Server::new(hides));
    for (content, expected) in [("zz|", "400 H1-CHUNK-001 close"), ("1|ab|", "400 H1-CHUNK-008 close")] {
        let head = "POST / HTTP/1.1|Host: x|Transfer-Encoding: chunked||";
        assert_eq!(answer_to(&server, head, content).await, (expected.to_owned(), After::Closed));
    }
}

#[tokio::test(start_paused = true)]
async fn a_streamed_answer_gives_way_to_a_refusal_of_content() {
    // The first piece of the streamed answer is there when the content turns out to be malformed.
    async fn streams(mut request: Request) -> firstbyte::http::Body {
        let _ = request.content().collect(100).await;
        let (sender, body) = firstbyte::http::Body::channel(1);
        sender.send("a piece that must not count").await.unwrap();
        body
    }
    let server = TestServer::new(Server::new(streams));
    let head = "POST / HTTP/1.1|Host: x|Transfer-Encoding: chunked||";
    assert_eq!(answer_to(&server, head, "zz|").await, ("400 H1-CHUNK-001 close".to_owned(), After::Closed));
}

#[tokio::test(start_paused = true)]
async fn content_that_ends_too_early_is_answered() {
    let server = server();
    for (path, expected) in [
        ("/collect", "400 H1-CONTENT-002 close"),
        ("/echo", "400 H1-CONTENT-002 close"),
        ("/first", "400 H1-CONTENT-002 close"),
        ("/ignore", "200 ignored"),
        ("/refuse", "403"),
    ] {
        for (framing, content) in [("Content-Length: 5", ""), ("Transfer-Encoding: chunked", "5|")] {
            let mut connection = server.connect();
            send(&mut connection, wire(&format!("POST {path} HTTP/1.1|Host: x|{framing}||{content}")).as_bytes()).await;
            connection.finish().await;
            let answer = summary(&connection.read_response().await);
            assert_eq!(answer.replace(" close", ""), expected.replace(" close", ""), "{path} {framing}");
            connection.expect_closed().await;
        }
    }
}

#[tokio::test(start_paused = true)]
async fn too_much_content_is_refused_with_and_without_a_length() {
    let server = server();
    // Declared: refused at the head. Little is left: it is drained and the connection goes on. Much: close.
    let small = "POST /small HTTP/1.1|Host: x|Content-Length: 9||123456789";
    check(&server, &[(small, "413 H1-CONTENT-001"), NEXT], After::Open).await;
    let much = "POST /small HTTP/1.1|Host: x|Content-Length: 300000||";
    check(&server, &[(much, "413 H1-CONTENT-001 close")], After::Closed).await;
    // Not declared: refused when the ninth byte has come, and the end is not known.
    let head = "POST /small HTTP/1.1|Host: x|Transfer-Encoding: chunked||";
    let closes = |answer: &str| (answer.to_owned(), After::Closed);
    assert_eq!(answer_to(&server, head, "8|12345678|1|9|").await, closes("413 H1-CONTENT-001 close"));
    assert_eq!(answer_to(&server, head, "ffffffff|123456789").await, closes("413 H1-CONTENT-001 close"));
}

#[tokio::test(start_paused = true)]
async fn the_servers_limit_holds_without_a_router() {
    let limits = Limits { content_bytes_max: 8, ..Limits::default() };
    async fn count(mut request: Request) -> firstbyte::http::Response {
        use firstbyte::http::{IntoResponse, Problem};
        match request.content().collect(1 << 20).await {
            Ok(content) => format!("{} bytes", content.len()).into_response(),
            Err(error) => Problem::of_body(error).into_response(),
        }
    }
    let server = TestServer::new(Server::new(count).limits(limits));
    let head = "POST / HTTP/1.1|Host: x|Content-Length: 9||";
    for (head, content) in [(format!("{head}123456789"), ""), (head.to_owned(), "123456789")] {
        assert_eq!(answer_to(&server, &head, content).await.0, "413 H1-CONTENT-001");
    }
}

#[tokio::test(start_paused = true)]
async fn unread_content_is_drained_up_to_a_limit_or_the_close_is_announced() {
    let limits = Limits { drain_bytes_max: 1_000, ..Limits::default() };
    let server = TestServer::new(Server::new(routes()).limits(limits));
    for (length, expected) in [(1_000, "200 ignored"), (1_001, "200 close ignored")] {
        let mut connection = server.connect();
        send(&mut connection, wire(&format!("POST /ignore HTTP/1.1|Host: x|Content-Length: {length}||")).as_bytes())
            .await;
        assert_eq!(summary(&connection.read_response().await), expected);
        let _ = connection.try_send(vec![b'x'; length]).await;
        send(&mut connection, wire(NEXT.0).as_bytes()).await;
        if length <= 1_000 {
            assert_eq!(summary(&connection.read_response().await), NEXT.1);
        } else {
            assert_eq!(state(&mut connection).await, After::Closed);
        }
    }
}

/// What a client that waits for a 100 sees: each `Ok` is what the server says next, each `Err` what the client sends.
async fn converse(server: &TestServer<impl Handler>, script: &[Result<&str, &str>]) -> TestConnection {
    let mut connection = server.connect();
    for step in script {
        match step {
            Err(bytes) => send(&mut connection, wire(bytes).as_bytes()).await,
            Ok("") => assert_eq!(String::from_utf8(connection.received().await).unwrap(), "", "{script:?}"),
            Ok(expected) => assert_eq!(summary(&connection.read_response().await), *expected, "{script:?}"),
        }
    }
    connection
}

#[tokio::test(start_paused = true)]
async fn a_client_is_asked_to_continue_only_when_its_content_is_wanted() {
    let server = server();
    let head = |path: &str| format!("POST {path} HTTP/1.1|Host: x|Content-Length: 5|Expect: 100-continue||");
    let http10 = "POST /collect HTTP/1.0|Content-Length: 5|Expect: 100-continue||";
    let expect_close = async |connection: TestConnection, path: &str| {
        let mut connection = connection;
        assert_eq!(state(&mut connection).await, After::Closed, "{path}");
    };
    // Wanted.
    for (path, answer) in [("/collect", "200 5 bytes"), ("/echo", "200 hello"), ("/first", "200 some")] {
        converse(&server, &[Err(&head(path)), Ok("100"), Err("hello"), Ok(answer), Err(NEXT.0), Ok(NEXT.1)]).await;
    }
    // Asked for, and answered before it has come: it may still come.
    let impatient = head("/impatient");
    converse(&server, &[Err(&impatient), Ok("100"), Ok("200 impatient"), Err("hello"), Err(NEXT.0), Ok(NEXT.1)]).await;
    // Here already, whole or in part.
    let whole = format!("{}hello", head("/collect"));
    converse(&server, &[Err(&whole), Ok("200 5 bytes"), Err(NEXT.0), Ok(NEXT.1)]).await;
    let part = format!("{}hel", head("/collect"));
    converse(&server, &[Err(&part), Ok(""), Err("lo"), Ok("200 5 bytes"), Err(NEXT.0), Ok(NEXT.1)]).await;
    // Not known in HTTP/1.0.
    converse(&server, &[Err(http10), Ok(""), Err("hello"), Ok("200 close 5 bytes")]).await;
    // Not wanted: the final answer comes instead, and whether content follows is not known.
    for (path, answer) in [("/ignore", "200 close ignored"), ("/refuse", "403 close"), ("/small", "200 close 5 bytes")]
    {
        if path != "/small" {
            expect_close(converse(&server, &[Err(&head(path)), Ok(answer), Err(NEXT.0)]).await, path).await;
        }
    }
    let large = "POST /small HTTP/1.1|Host: x|Content-Length: 9|Expect: 100-continue||";
    expect_close(converse(&server, &[Err(large), Ok("413 H1-CONTENT-001 close"), Err(NEXT.0)]).await, "/small").await;
    // Kept by a task that asks after the answer: no 100 may follow it.
    expect_close(converse(&server, &[Err(&head("/keep")), Ok("200 close kept"), Ok("")]).await, "/keep").await;
}

#[tokio::test(start_paused = true)]
async fn a_handler_that_asks_and_does_not_wait_leaves_no_content_to_be_mistaken() {
    // It asks for content and answers in the same poll: the 100 was never sent.
    async fn hasty(mut request: Request) -> Status {
        tokio::select! {
            biased;
            _ = request.content().next() => Status::OK,
            () = std::future::ready(()) => Status::ACCEPTED,
        }
    }
    let server = TestServer::new(Server::new(hasty));
    let head = "POST / HTTP/1.1|Host: x|Content-Length: 35|Expect: 100-continue||";
    let mut connection = converse(&server, &[Err(head), Ok("202 close"), Err(HIDDEN)]).await;
    assert_eq!(state(&mut connection).await, After::Closed);
}

#[tokio::test(start_paused = true)]
async fn a_task_may_read_on_behind_the_answer() {
    let server = server();
    let head = "POST /keep HTTP/1.1|Host: x|Content-Length: 5||";
    converse(&server, &[Err(head), Ok("200 kept"), Err(NEXT.0), Ok("")]).await;
    converse(&server, &[Err(head), Ok("200 kept"), Err("hello"), Err(NEXT.0), Ok(NEXT.1)]).await;
}

#[tokio::test(start_paused = true)]
async fn content_streams_both_ways_and_ends_with_its_connection() {
    let server = server();
    for close in ["", "Connection: close|"] {
        let mut connection = server.connect();
        let head = format!("POST /echo HTTP/1.1|Host: x|{close}Transfer-Encoding: chunked||");
        send(&mut connection, wire(&head).as_bytes()).await;
        let mut answer = None;
        for piece in 0..20 {
            connection.send(format!("3e8\r\n{piece:0>1000}\r\n")).await;
            if answer.is_none() {
                answer = Some(connection.read_head().await);
            }
            let mut echoed = Vec::new();
            while echoed.len() < 1_000 {
                echoed.extend(connection.read_piece().await.unwrap());
            }
            assert_eq!(String::from_utf8(echoed).unwrap(), format!("{piece:0>1000}"));
        }
        connection.send("0\r\n\r\n").await;
        assert_eq!(connection.read_piece().await, None);
        assert_eq!(answer.unwrap().closes(), !close.is_empty());
        assert_eq!(state(&mut connection).await == After::Closed, !close.is_empty());
    }
}

#[tokio::test(start_paused = true)]
async fn the_end_of_a_last_answer_is_sent_however_slowly_it_is_read() {
    let server = server();
    for request in [
        "POST /echo HTTP/1.1|Host: x|Connection: close|Content-Length: 300000||",
        "POST /echo HTTP/1.0|Content-Length: 300000||",
    ] {
        let mut connection = server.connect_over(([127, 0, 0, 1], 1).into(), 4096, |stream| stream);
        send(&mut connection, wire(request).as_bytes()).await;
        let mut sent = 0;
        let mut answer = Vec::new();
        while sent < 300_000 {
            let _ = timeout(Duration::from_millis(1), connection.send(&[b'x'; 1000])).await.map(|()| sent += 1000);
            answer.extend(connection.received().await);
        }
        loop {
            sleep(Duration::from_secs(1)).await;
            let more = connection.received().await;
            if more.is_empty() {
                break;
            }
            answer.extend(more);
        }
        assert!(answer.len() > 300_000, "{} of 300,000 bytes came", answer.len());
    }
}

#[tokio::test(start_paused = true)]
async fn a_handler_that_does_not_read_is_a_client_that_is_not_read_from() {
    async fn busy(_: Request) -> Status {
        sleep(Duration::from_secs(20)).await;
        Status::OK
    }
    let server = TestServer::new(Server::new(busy));
    let mut connection = server.connect();
    connection.send(wire("POST / HTTP/1.1|Host: x|Content-Length: 10000000||")).await;
    let mut sent = 0;
    while timeout(Duration::from_millis(1), connection.send([0; 1024])).await.is_ok() {
        sent += 1024;
    }
    assert!(sent <= WIRE_BYTES + 32 * 1024, "{sent} bytes were taken");
}

#[tokio::test(start_paused = true)]
async fn a_client_that_does_not_read_stops_the_stream() {
    let server = server();
    let mut connection = server.connect();
    connection.send(wire("GET /endless HTTP/1.1|Host: x||")).await;
    sleep(Duration::from_secs(1)).await;
    let produced = PRODUCED.get();
    assert!(produced <= 2 * WIRE_BYTES + 32 * 1024, "{produced} bytes were produced");
    connection.read_head().await;
    let mut read = 0;
    while read < 1 << 20 {
        read += connection.read_piece().await.unwrap().len();
    }
    assert!(PRODUCED.get() <= read + 2 * WIRE_BYTES + 32 * 1024);
    connection.reset().await;
}
