//! What the client sends.

use bytes::Bytes;
use firstbyte::http::client::{ClientConfig, Outgoing};
use firstbyte::http::{Body, Fields, Method};

use super::*;
use crate::stage::wire;

const OK: &str = "HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok";

/// What a peer sees of `request` when it answers at its end.
async fn seen(request: Outgoing, content_bytes: usize) -> String {
    let (client, mut peers) = dial(ClientConfig::default());
    let answering = async {
        let mut peer = peers.accept().await;
        let head = peer.request().await;
        let content = peer.content(content_bytes).await;
        peer.say(OK).await;
        head + &content
    };
    let (outcome, seen) = tokio::join!(outcome(&client, request), answering);
    assert_eq!(outcome, "200 ok");
    assert_eq!(client.counts().idle, 1, "{seen}");
    seen
}

fn stream(pieces: &[&'static str]) -> Body {
    let (sender, body) = Body::channel(16);
    for piece in pieces {
        let sending = sender.clone();
        let piece = *piece;
        tokio::spawn(async move { sending.send(piece).await });
    }
    body
}

#[tokio::test(start_paused = true)]
async fn a_request_is_sent_as_its_caller_says_it() {
    let to = |method| Outgoing::new(method, &url("http://peer:81/a?b=c#d"));
    for (request, expected) in [
        (to(Method::GET), "GET /a?b=c HTTP/1.1|Host: peer:81||"),
        (to(Method::GET).with("Accept", "*/*"), "GET /a?b=c HTTP/1.1|Host: peer:81|Accept: */*||"),
        (to(Method::POST), "POST /a?b=c HTTP/1.1|Host: peer:81|Content-Length: 0||"),
        (to(Method::PUT).with_content("abc"), "PUT /a?b=c HTTP/1.1|Host: peer:81|Content-Length: 3||abc"),
        (
            to(Method::POST).with_content(stream(&["abc", "de"])),
            "POST /a?b=c HTTP/1.1|Host: peer:81|Transfer-Encoding: chunked||3|abc|2|de|0||",
        ),
        (to(Method::GET).with("Host", "other"), "GET /a?b=c HTTP/1.1|Host: other||"),
        (to(Method::GET).with("X", "a\r\nY: b"), "GET /a?b=c HTTP/1.1|Host: peer:81|X: a  Y: b||"),
        (
            to(Method::GET).with("Content-Length", "5").with("Connection", "close"),
            "GET /a?b=c HTTP/1.1|Host: peer:81||",
        ),
    ] {
        let expected = wire(expected);
        let content = expected.len() - expected.find("\r\n\r\n").unwrap() - 4;
        assert_eq!(seen(request, content).await, expected);
    }
}

#[tokio::test(start_paused = true)]
async fn trailers_follow_chunks() {
    struct Summed(Option<Bytes>);
    impl firstbyte::http::body::Source for Summed {
        fn poll_next(
            mut self: std::pin::Pin<&mut Self>,
            _: &mut std::task::Context<'_>,
        ) -> std::task::Poll<Option<Result<Bytes, firstbyte::http::body::BodyError>>> {
            std::task::Poll::Ready(self.0.take().map(Ok))
        }

        fn trailers(self: std::pin::Pin<&mut Self>) -> Option<Fields> {
            let mut fields = Fields::new();
            fields.append("Sum", "7").unwrap();
            fields.append("Content-Length", "9").unwrap();
            Some(fields)
        }
    }
    let request = Outgoing::post(&url("http://peer/"), Body::source(Summed(Some("abc".into()))));
    let expected = wire("POST / HTTP/1.1|Host: peer|Transfer-Encoding: chunked||3|abc|0|Sum: 7||");
    assert_eq!(seen(request, 21).await, expected);
}

#[tokio::test(start_paused = true)]
async fn what_cannot_be_asked_is_the_callers_mistake_and_sends_nothing() {
    let to = |method| Outgoing::new(method, &url("http://peer/"));
    for (request, expected) in [
        (to(Method::CONNECT), "Method(CONNECT); Caller"),
        (to(Method::TRACE).with_content("abc"), "Method(TRACE); Caller"),
        (to(Method::GET).with("Host", "a b"), "Host; Caller"),
        (to(Method::GET).with("Host", "user@a"), "Host; Caller"),
        (to(Method::GET).with("Host", "a").with("Host", "b"), "Host; Caller"),
    ] {
        let (client, _peers) = dial(ClientConfig::default());
        assert_eq!(outcome(&client, request).await, expected);
        assert_eq!(client.counts().opened, 0);
    }
}

/// Says that it has `length` bytes, and has others.
struct Liar(u64, Vec<&'static str>);

impl firstbyte::http::body::Source for Liar {
    fn poll_next(
        mut self: std::pin::Pin<&mut Self>,
        _: &mut std::task::Context<'_>,
    ) -> std::task::Poll<Option<Result<Bytes, firstbyte::http::body::BodyError>>> {
        let piece = (!self.1.is_empty()).then(|| Ok(Bytes::from(self.1.remove(0))));
        std::task::Poll::Ready(piece)
    }

    fn length(&self) -> Option<u64> {
        Some(self.0)
    }
}

#[tokio::test(start_paused = true)]
async fn content_that_is_not_as_long_as_it_said_smuggles_no_request() {
    for (attack, length, pieces) in [
        ("a request behind its content", 3, vec!["abc", "GET /evil HTTP/1.1\r\nHost: peer\r\n\r\n"]),
        ("a piece that goes on", 3, vec!["abcGET /evil HTTP/1.1\r\nHost: peer\r\n\r\n"]),
        ("content that swallows the next request", 30, vec!["abc"]),
    ] {
        let (client, mut peers) = dial(ClientConfig::default());
        let request = Outgoing::post(&url("http://peer/"), Body::source(Liar(length, pieces)));
        let watching = async { peers.accept().await.rest().await };
        let (outcome, sent) = tokio::join!(outcome(&client, request), watching);
        assert_eq!(outcome, "Length; Caller", "{attack}");
        assert!(!sent.contains("evil"), "{attack}: {sent}");
        assert_eq!(client.counts().open, 0, "{attack}: nothing can follow");
    }
}

#[tokio::test(start_paused = true)]
async fn content_that_fails_is_not_ended() {
    let (sender, body) = Body::channel(1);
    let (client, mut peers) = dial(ClientConfig::default());
    let failing = async {
        sender.send("abc").await.unwrap();
        tokio::task::yield_now().await;
        sender.fail("disk on fire").await;
    };
    let watching = async { peers.accept().await.rest().await };
    let asking = outcome(&client, Outgoing::post(&url("http://peer/"), body));
    let (outcome, sent, ()) = tokio::join!(asking, watching, failing);
    assert!(outcome.starts_with("Source(") && outcome.ends_with("; Caller"), "{outcome}");
    assert!(!sent.ends_with("0\r\n\r\n"), "{sent}");
}

#[tokio::test(start_paused = true)]
async fn an_answer_may_come_before_the_request_is_sent() {
    for (answer, keeps_sending) in [
        ("HTTP/1.1 200 OK|Transfer-Encoding: chunked||", true),
        ("HTTP/1.1 413 Too Large|Connection: close|Content-Length: 2||no", false),
    ] {
        let (sender, body) = Body::channel(1);
        let (client, mut peers) = dial(ClientConfig::default());
        let peer = async {
            let mut peer = peers.accept().await;
            peer.answer(&wire(answer)).await;
            peer
        };
        let asking = async { client.send(Outgoing::post(&url("http://peer/"), body)).await.unwrap() };
        let (mut answer, mut peer) = tokio::join!(asking, peer);
        if keeps_sending {
            // As an echo: a piece goes out while the answer is read, and comes back.
            for piece in ["one", "two"] {
                sender.send(piece).await.unwrap();
                let echo = async {
                    let chunk = peer.content(8).await;
                    assert_eq!(chunk, format!("3\r\n{piece}\r\n"));
                    peer.say(chunk).await;
                };
                let (heard, ()) = tokio::join!(answer.next(), echo);
                assert_eq!(heard.unwrap().unwrap(), piece);
            }
            drop(sender);
            let end = async {
                let end = peer.content(5).await;
                peer.say(end).await;
            };
            let (heard, ()) = tokio::join!(answer.next(), end);
            assert!(heard.is_none());
            assert_eq!(client.counts().idle, 1, "both messages are over");
        } else {
            // RFC 9112 9.5: who will close does not read on.
            assert_eq!(answer.collect().await.unwrap(), "no");
            assert_eq!(client.counts().open, 0);
            assert!(sender.send("more").await.is_err(), "the content is dropped");
            assert_eq!(peer.rest().await, "");
        }
    }
}

#[tokio::test(start_paused = true)]
async fn an_early_answer_does_not_cut_what_is_still_to_be_sent() {
    for answer in [OK, "HTTP/1.1 204 No\r\n\r\n", "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n"] {
        let (sender, body) = Body::channel(1);
        let (client, mut peers) = dial(ClientConfig::default());
        let answering = async {
            let mut peer = peers.accept().await;
            peer.answer(answer).await;
            peer
        };
        let asking = async { client.send(Outgoing::post(&url("http://peer/"), body)).await.unwrap() };
        let (mut answer, mut peer) = tokio::join!(asking, answering);
        let sending = async {
            for piece in ["one", "two"] {
                sender.send(piece).await.unwrap();
            }
            drop(sender);
        };
        let (collected, sent, ()) = tokio::join!(answer.collect(), peer.content(21), sending);
        assert_eq!(sent, "3\r\none\r\n3\r\ntwo\r\n0\r\n\r\n");
        collected.unwrap();
        assert_eq!(client.counts().idle, 1, "both messages are over");
    }
}

#[tokio::test(start_paused = true)]
async fn a_server_that_wants_no_more_is_sent_no_more() {
    for (case, answer, closes) in [
        ("it says no", "HTTP/1.1 413 Too Large\r\nContent-Length: 2\r\n\r\nok", false),
        ("it will close", "HTTP/1.1 200 OK\r\nConnection: close\r\nContent-Length: 2\r\n\r\nok", false),
        ("it closes", OK, true),
        ("it says more than its answer", "HTTP/1.1 204 No\r\n\r\n", false),
    ] {
        let (sender, body) = Body::channel(1);
        let (client, mut peers) = dial(ClientConfig::default());
        let answering = async {
            let mut peer = peers.accept().await;
            peer.answer(answer).await;
            if closes {
                peer.finish().await;
            } else if answer.contains("204") {
                peer.say("HTTP/1.1 200 OK\r\n").await;
            }
            peer
        };
        let asking = outcome(&client, Outgoing::post(&url("http://peer/"), body));
        let (_, mut peer) = tokio::join!(asking, answering);
        assert_eq!(client.counts().open, 0, "{case}");
        assert!(sender.send("more").await.is_err(), "{case}: the content is dropped");
        assert_eq!(peer.rest().await, "", "{case}");
    }
}

#[tokio::test(start_paused = true)]
async fn what_is_for_one_hop_is_not_sent_on() {
    let mut fields = Fields::new();
    for (name, value) in [("Accept", "*/*"), ("X-Hop", "1"), ("Connection", "x-hop, Forwarded"), ("Forwarded", "for=a")]
    {
        fields.append(name, value).unwrap();
    }
    let request = get().with_fields(fields).with("Forwarded", "for=b");
    let expected = wire("GET / HTTP/1.1|Host: peer|Accept: */*|Forwarded: for=b||");
    assert_eq!(seen(request, 0).await, expected, "who asks us cannot take away what we add");
}

#[tokio::test(start_paused = true)]
async fn a_refusal_is_read_though_the_peer_takes_no_more() {
    let (client, mut peers) = dial(ClientConfig::default());
    let refusing = async {
        let mut peer = peers.accept().await;
        peer.request().await;
        peer.say("HTTP/1.1 413 Too Large\r\nContent-Length: 2\r\nConnection: close\r\n\r\nno").await;
        peer.finish().await;
        // Content that nobody reads fills the wire.
        peer
    };
    let request = Outgoing::post(&url("http://peer/"), vec![b'x'; 4 * WIRE_BYTES]);
    let (outcome, _peer) = tokio::join!(outcome(&client, request), refusing);
    assert_eq!(outcome, "413 no");
}
