//! Every answer that a peer may give, and many that it may not.

use firstbyte::http::client::{ClientConfig, Outgoing};
use firstbyte::http::{Fault, Method};

use super::*;
use crate::stage::wire;

/// What becomes of the connection behind the answer.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum After {
    /// It is at rest, to be used again.
    Kept,
    /// It is closed.
    Closed,
}
use After::{Closed, Kept};

/// Whether the peer sends a FIN behind what it says.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Says {
    AndStays,
    AndCloses,
}
use Says::{AndCloses, AndStays};

async fn play(method: Method, pieces: &[&[u8]], says: Says) -> (String, After) {
    let (client, mut peers) = dial(ClientConfig::default());
    let asking = outcome(&client, Outgoing::new(method, &url("http://peer/")));
    let answering = async {
        let mut peer = peers.accept().await;
        peer.request().await;
        for piece in pieces {
            if patiently(peer.stream.write_all(piece)).await.is_err() {
                break;
            }
            tokio::task::yield_now().await;
        }
        if says == AndCloses {
            peer.finish().await;
        }
        peer
    };
    let (outcome, _peer) = tokio::join!(asking, answering);
    let counts = client.counts();
    assert_eq!(counts.open, counts.idle, "an exchange that is over holds no connection");
    (outcome, if counts.idle == 1 { Kept } else { Closed })
}

/// Whole, byte by byte, and cut in two at each byte.
async fn check(method: Method, answer: &str, says: Says, expected: (&str, After)) {
    let bytes = wire(answer).into_bytes();
    let expected = (expected.0.to_owned(), expected.1);
    assert_eq!(play(method, &[&bytes], says).await, expected, "{answer}");
    assert_eq!(play(method, &bytes.chunks(1).collect::<Vec<_>>(), says).await, expected, "byte by byte: {answer}");
    for cut in 1..bytes.len() {
        assert_eq!(play(method, &[&bytes[..cut], &bytes[cut..]], says).await, expected, "cut at {cut}: {answer}");
    }
}

#[tokio::test(start_paused = true)]
async fn answers_end_where_their_heads_say() {
    let (get, head, post) = (Method::GET, Method::HEAD, Method::POST);
    for (method, answer, says, expected) in [
        (get, "HTTP/1.1 200 OK|Content-Length: 5||hello", AndStays, ("200 hello", Kept)),
        (get, "HTTP/1.1 200 OK|Content-Length: 0||", AndStays, ("200 ", Kept)),
        (get, "HTTP/1.1 404|content-length:2||no", AndStays, ("404 no", Kept)),
        (get, "HTTP/1.1 200 OK|Transfer-Encoding: chunked||3|abc|2;x=y|de|0|Sum: 1||", AndStays, ("200 abcde", Kept)),
        (get, "HTTP/1.1 200 OK||until the end", AndCloses, ("200 until the end", Closed)),
        (get, "HTTP/1.0 200 OK||old", AndCloses, ("200 old", Closed)),
        (get, "HTTP/1.0 200 OK|Content-Length: 3||old", AndStays, ("200 old", Closed)),
        (get, "HTTP/1.0 200 OK|Connection: keep-alive|Content-Length: 3||old", AndStays, ("200 old", Kept)),
        (get, "HTTP/1.1 200 OK|Connection: close|Content-Length: 2||ok", AndStays, ("200 ok", Closed)),
        (get, "HTTP/1.1 204 No||", AndStays, ("204 ", Kept)),
        (get, "HTTP/1.1 304 No|Content-Length: 500||", AndStays, ("304 ", Kept)),
        (head, "HTTP/1.1 200 OK|Content-Length: 500||", AndStays, ("200 ", Kept)),
        (head, "HTTP/1.1 200 OK|Transfer-Encoding: chunked||", AndStays, ("200 ", Kept)),
        (post, "HTTP/1.1 205 Reset|Content-Length: 2||ab", AndStays, ("205 ab", Kept)),
        (
            get,
            "HTTP/1.1 100 Continue||HTTP/1.1 103|Link: x||HTTP/1.1 200 OK|Content-Length: 2||ok",
            AndStays,
            ("200 ok", Kept),
        ),
    ] {
        check(method, answer, says, expected).await;
    }
}

#[tokio::test(start_paused = true)]
async fn what_is_behind_an_answer_belongs_to_no_request() {
    const NEXT: &str = "HTTP/1.1 200 OK|Content-Length: 6||poison";
    for (attack, method, answer, expected) in [
        ("a second answer", Method::GET, "HTTP/1.1 200 OK|Content-Length: 2||ok", "200 ok"),
        ("a second answer behind chunks", Method::GET, "HTTP/1.1 200 OK|Transfer-Encoding: chunked||0||", "200 "),
        ("content after a 204", Method::GET, "HTTP/1.1 204 No||", "204 "),
        ("content after a 204 that declares it", Method::GET, "HTTP/1.1 204 No|Content-Length: 41||", "204 "),
        ("content after a 304", Method::GET, "HTTP/1.1 304 No|Content-Length: 41||", "304 "),
        ("content after HEAD", Method::HEAD, "HTTP/1.1 200 OK|Content-Length: 41||", "200 "),
    ] {
        let bytes = wire(&format!("{answer}{NEXT}"));
        let seen = play(Method::parse(method.as_str().as_bytes()).unwrap(), &[bytes.as_bytes()], AndStays).await;
        assert_eq!(seen, (expected.to_owned(), Closed), "{attack}");
    }
}

#[tokio::test(start_paused = true)]
async fn what_is_no_answer_is_refused() {
    for (attack, answer, says, expected) in [
        ("another protocol", "SSH-2.0-OpenSSH_9.6|", AndStays, "Malformed NotHttp at 0; Peer"),
        ("a TLS alert", "\u{15}\u{3}", AndStays, "Malformed NotHttp at 0; Peer"),
        ("HTTP/2", "HTTP/2 200||", AndStays, "Malformed Version at 5; Peer"),
        ("a code that does not exist", "HTTP/1.1 999 X||", AndStays, "Malformed StatusCode at 9; Peer"),
        (
            "a protocol that nobody asked for",
            "HTTP/1.1 101 X|Upgrade: y||",
            AndStays,
            "Malformed SwitchedUnasked at 0; Peer",
        ),
        (
            "a split answer",
            "HTTP/1.1 200 OK|A: b\nContent-Length: 0||",
            AndStays,
            "Malformed Message(BareLf) at 21; Peer",
        ),
        ("a folded line", "HTTP/1.1 200 OK|A: b| c||", AndStays, "Malformed Message(ObsFold) at 23; Peer"),
        (
            "desync by TE and CL",
            "HTTP/1.1 200 OK|Transfer-Encoding: chunked|Content-Length: 5||0||",
            AndStays,
            "Malformed Message(LengthAndTransferEncoding) at 61; Peer",
        ),
        (
            "desync by two lengths",
            "HTTP/1.1 200 OK|Content-Length: 5|Content-Length: 6||hello",
            AndStays,
            "Malformed Message(DuplicateContentLength) at 52; Peer",
        ),
        (
            "a coding that nobody asked for",
            "HTTP/1.1 200 OK|Transfer-Encoding: gzip, chunked||0||",
            AndStays,
            "Malformed Message(UnknownTransferCoding) at 36; Peer",
        ),
        (
            "an interim answer with content that reads as the answer",
            "HTTP/1.1 103 X|Content-Length: 41||HTTP/1.1 200 OK|Content-Length: 6||poison",
            AndStays,
            "Malformed InterimContent at 32; Peer",
        ),
        (
            "an interim answer with chunks",
            "HTTP/1.1 100 X|Transfer-Encoding: chunked||0||",
            AndStays,
            "Malformed InterimContent at 35; Peer",
        ),
        ("nothing", "", AndCloses, "Ended(Answer); Peer"),
        ("half a head", "HTTP/1.1 200 OK|Content-Le", AndCloses, "Ended(Head); Peer"),
        ("only an interim answer", "HTTP/1.1 100 Continue||", AndCloses, "Ended(Head); Peer"),
    ] {
        println!("{attack}");
        check(Method::GET, answer, says, (expected, Closed)).await;
    }
}

#[tokio::test(start_paused = true)]
async fn content_that_breaks_off_or_is_malformed_is_not_taken_for_whole() {
    const CHUNKED: &str = "HTTP/1.1 200 OK|Transfer-Encoding: chunked||";
    let incomplete = "200: Content: the connection ended within the content; Peer";
    let malformed = |title: &str| format!("200: Content: content is malformed: {title}; Peer");
    for (attack, answer, expected) in [
        ("cut short of its length", "HTTP/1.1 200 OK|Content-Length: 9||hello".to_owned(), incomplete.to_owned()),
        ("cut between chunks", format!("{CHUNKED}3|abc|"), incomplete.to_owned()),
        ("cut before the last chunk's end", format!("{CHUNKED}3|abc|0|"), incomplete.to_owned()),
        ("a size that overflows", format!("{CHUNKED}fffffffffffffffff|"), malformed(Fault::ChunkSizeOverflow.title())),
        ("a chunk longer than its size", format!("{CHUNKED}3|abcd|0||"), malformed(Fault::ChunkDataEnd.title())),
        ("a bare LF behind a size", format!("{CHUNKED}3\nabc|0||"), malformed(Fault::ChunkLineEnd.title())),
        ("a space behind a size", format!("{CHUNKED}3 |abc|0||"), malformed(Fault::WhitespaceInChunkLine.title())),
        ("no size", format!("{CHUNKED}|abc|0||"), malformed(Fault::ChunkSizeByte.title())),
        (
            "a trailer that frames",
            format!("{CHUNKED}0|Content-Length: 5||"),
            malformed(Fault::ForbiddenTrailer.title()),
        ),
        (
            "a trailer that sets a cookie",
            format!("{CHUNKED}0|Set-Cookie: a=b||"),
            malformed(Fault::ForbiddenTrailer.title()),
        ),
    ] {
        println!("{attack}");
        check(Method::GET, &answer, AndCloses, (&expected, Closed)).await;
    }
}

#[tokio::test(start_paused = true)]
async fn heads_and_interim_answers_are_bounded() {
    let tight = || ClientConfig { head_bytes_max: 1000, field_lines_max: 3, ..ClientConfig::default() };
    let refused = |fault: &str, at: usize| format!("Malformed {fault} at {at}; Peer");
    for (attack, begin, line, expected) in [
        ("an endless reason", "HTTP/1.1 200 ", "xxxxxxxxxx", refused("HeadTooLarge", 1000)),
        ("an endless value", "HTTP/1.1 200 OK\r\nX: ", "xxxxxxxxxx", refused("HeadTooLarge", 1000)),
        ("endless lines", "HTTP/1.1 200 OK\r\n", "X: y\r\n", refused("Message(TooManyFieldLines)", 35)),
        ("endless interim answers", "", "HTTP/1.1 100 Continue\r\n\r\n", refused("HeadTooLarge", 0)),
    ] {
        let (client, mut peers) = dial(tight());
        let answering = async {
            let mut peer = peers.accept().await;
            peer.request().await;
            peer.say(begin).await;
            let mut said = begin.len();
            while patiently(peer.stream.write_all(line.as_bytes())).await.is_ok() {
                said += line.len();
                tokio::task::yield_now().await;
            }
            said
        };
        let (seen, said) = tokio::join!(outcome(&client, get()), answering);
        assert_eq!(seen, expected, "{attack}");
        assert!(said < 2000, "{attack}: {said} bytes were taken");
    }
}

#[tokio::test(start_paused = true)]
async fn what_is_collected_is_bounded_and_what_is_streamed_is_not() {
    let config = || ClientConfig { content_bytes_max: 4, ..ClientConfig::default() };
    for answer in ["Content-Length: 5||hello", "Transfer-Encoding: chunked||3|abc|3|def|0||"] {
        let (client, mut peers) = dial(config());
        let answering = async { peers.accept().await.answer(&wire(&format!("HTTP/1.1 200 OK|{answer}"))).await };
        let (seen, _) = tokio::join!(outcome(&client, get()), answering);
        assert_eq!(seen, "200: Content: content is longer than 4 bytes; Peer", "{answer}");
        let (client, mut peers) = dial(config());
        let answering = async { peers.accept().await.answer(&wire(&format!("HTTP/1.1 200 OK|{answer}"))).await };
        let streaming = async {
            let mut answer = client.send(get()).await.unwrap();
            let mut len = 0;
            while let Some(piece) = answer.next().await {
                len += piece.unwrap().len();
            }
            len
        };
        assert!(tokio::join!(streaming, answering).0 >= 5, "{answer}");
    }
}
