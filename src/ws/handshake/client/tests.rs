//! What a client asks, and what it makes of answers: cut at every byte, each verdict is the same.

use super::*;

const NONCE: [u8; 16] = *b"the sample nonce";
/// RFC 6455 1.3 has the same words as an example.
const KEY: &str = "dGhlIHNhbXBsZSBub25jZQ==";
const YES: &str = "HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n\
                   Sec-WebSocket-Accept: s3pPLMBiTxaQ9kYGzzhZRbK+xOo=\r\n";

fn url(address: &str) -> Url {
    Url::parse(address).expect("an address")
}

fn handshake(protocols: &[&str], extensions: Option<&str>) -> Handshake {
    let protocols: Vec<String> = protocols.iter().map(|&name| name.to_owned()).collect();
    let ask = Ask { protocols: &protocols, extensions, fields: &[] };
    Handshake::new(&url("ws://x/"), &ask, NONCE).expect("askable")
}

/// What comes of an answer in pieces, and then the end.
fn receive(mut handshake: Handshake, pieces: &[&[u8]]) -> Result<Agreed, HandshakeError> {
    for (index, piece) in pieces.iter().enumerate() {
        if let Some(mut agreed) = handshake.receive(piece)? {
            // What is still with the system is read by whoever reads next.
            pieces[index + 1..].iter().for_each(|later| agreed.early.extend_from_slice(later));
            return Ok(agreed);
        }
    }
    Err(handshake.ended())
}

/// Whole, byte by byte, and cut in two at every byte.
fn check_with(protocols: &[&str], extensions: Option<&str>, answer: &[u8], expected: &Result<Agreed, HandshakeError>) {
    let verdict = |pieces: &[&[u8]]| receive(handshake(protocols, extensions), pieces);
    let shown = answer.escape_ascii();
    // How much of what is no HTTP is shown depends on how much of it is there.
    let kind = |verdict: Result<Agreed, HandshakeError>| match verdict {
        Err(HandshakeError::NotHttp(_)) => Err(HandshakeError::NotHttp(String::new())),
        other => other,
    };
    assert_eq!(&kind(verdict(&[answer])), expected, "{shown}");
    assert_eq!(&kind(verdict(&answer.chunks(1).collect::<Vec<_>>())), expected, "byte by byte: {shown}");
    for at in 1..answer.len() {
        assert_eq!(&kind(verdict(&[&answer[..at], &answer[at..]])), expected, "cut at {at}: {shown}");
    }
}

fn check(answer: &str, expected: &Result<Agreed, HandshakeError>) {
    check_with(&[], None, answer.as_bytes(), expected);
}

fn agreed(protocol: Option<&str>, extensions: &str, early: &[u8]) -> Result<Agreed, HandshakeError> {
    Ok(Agreed { protocol: protocol.map(str::to_owned), extensions: extensions.to_owned(), early: early.to_vec() })
}

fn refused(status: u16, reason: &str, content: &str) -> Result<Agreed, HandshakeError> {
    let refusal = Refusal { status, reason: reason.to_owned(), location: None, content: content.to_owned() };
    Err(HandshakeError::Refused(refusal))
}

#[test]
fn the_request_says_what_the_rfc_demands() {
    let ask = Ask {
        protocols: &["chat".to_owned(), "superchat".to_owned()],
        extensions: Some("permessage-deflate"),
        fields: &[("Origin".to_owned(), "http://x".to_owned()), ("Cookie".to_owned(), "a=b".to_owned())],
    };
    let full = Handshake::new(&url("ws://[::1]:8080/chat?room=1"), &ask, NONCE).expect("askable");
    let expected = format!(
        "GET /chat?room=1 HTTP/1.1\r\nHost: [::1]:8080\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n\
         Sec-WebSocket-Key: {KEY}\r\nSec-WebSocket-Version: 13\r\nSec-WebSocket-Protocol: chat, superchat\r\n\
         Sec-WebSocket-Extensions: permessage-deflate\r\nOrigin: http://x\r\nCookie: a=b\r\n\r\n"
    );
    assert_eq!(full.request().escape_ascii().to_string(), expected.as_bytes().escape_ascii().to_string());
    let ask = Ask { fields: &[("HOST".to_owned(), "other:1".to_owned())], ..Ask::default() };
    let other = Handshake::new(&url("ws://x"), &ask, NONCE).expect("askable");
    let text = String::from_utf8(other.request().to_vec()).expect("ASCII");
    assert!(text.starts_with("GET / HTTP/1.1\r\nHost: other:1\r\n") && text.matches("ost:").count() == 1, "{text}");
    assert!(!text.contains("Protocol") && !text.contains("Extensions"), "{text}");
}

#[test]
fn what_cannot_be_asked_is_refused() {
    let ask = |protocols: &[&str], name: &str, value: &str| {
        let protocols: Vec<String> = protocols.iter().map(|&name| name.to_owned()).collect();
        let fields = [(name.to_owned(), value.to_owned())];
        Handshake::new(&url("ws://x"), &Ask { protocols: &protocols, extensions: None, fields: &fields }, NONCE).err()
    };
    assert_eq!(ask(&["a", "b"], "X", "y"), None);
    for protocols in [&["a", "a"][..], &[""], &["a b"], &["a,b"], &["a\r\nX: y"], &["é"]] {
        assert!(matches!(ask(protocols, "X", "y"), Some(AskError::Protocol(_))), "{protocols:?}");
    }
    for (name, value) in
        [("", "y"), ("X Y", "z"), ("X:", "y"), ("X\r\nY", "z"), ("X", "y\r\nZ: a"), ("X", "\0"), ("é", "")]
    {
        assert!(matches!(ask(&[], name, value), Some(AskError::Field(_))), "{name:?}: {value:?}");
    }
    for name in ["Upgrade", "connection", "sec-websocket-key", "Sec-WebSocket-Version", "Content-Length"] {
        assert!(matches!(ask(&[], name, "1"), Some(AskError::OurField(_))), "{name}");
    }
}

#[test]
fn a_yes_is_taken_with_the_bytes_behind_it() {
    check(&format!("{YES}\r\n"), &agreed(None, "", b""));
    check(&format!("{YES}\r\n\u{1}\u{2}frames\r\n\r\n"), &agreed(None, "", b"\x01\x02frames\r\n\r\n"));
    // RFC 6455 4.1: names and both tokens are matched in any case; RFC 9112 4: the reason may be missing.
    check(
        "HTTP/1.1 101\r\nUPGRADE:WebSocket\r\nconnection: keep-alive, upgrade\r\nX: y\r\n\
         sec-websocket-accept:  s3pPLMBiTxaQ9kYGzzhZRbK+xOo= \r\n\r\n",
        &agreed(None, "", b""),
    );
    // RFC 9110 15.2.
    check(
        &format!("HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 103 Early Hints\r\nLink: x\r\n\r\n{YES}\r\nearly"),
        &agreed(None, "", b"early"),
    );
}

#[test]
fn what_was_offered_may_be_chosen() {
    let answer = format!(
        "{YES}Sec-WebSocket-Protocol: b\r\nSec-WebSocket-Extensions: x; y=1\r\nSec-WebSocket-Extensions: z\r\n\r\n"
    );
    check_with(&["a", "b"], Some("x, z"), answer.as_bytes(), &agreed(Some("b"), "x; y=1, z", b""));
    check_with(&["a"], Some("x"), format!("{YES}\r\n").as_bytes(), &agreed(None, "", b""));
}

#[test]
fn a_yes_that_is_none_is_refused() {
    let upgrade = |value: Option<&str>| Err(HandshakeError::Upgrade(value.map(str::to_owned)));
    let accept = |value: Option<&str>| Err(HandshakeError::Accept(value.map(str::to_owned)));
    let without = |line: &str| format!("{}\r\n", YES.replace(&format!("{line}\r\n"), ""));
    let with = |from: &str, to: &str| format!("{}\r\n", YES.replace(from, to));
    let good = "s3pPLMBiTxaQ9kYGzzhZRbK+xOo=";
    for (answer, expected) in [
        (without("Upgrade: websocket"), upgrade(None)),
        (with(": websocket", ": h2c"), upgrade(Some("h2c"))),
        (with(": websocket", ": websockets"), upgrade(Some("websockets"))),
        (with(": websocket", ": websocket, h2c"), upgrade(Some("websocket, h2c"))),
        (with("Upgrade: websocket\r\n", "Upgrade: a\r\nUpgrade: websocket\r\n"), upgrade(Some("a, websocket"))),
        (without("Connection: Upgrade"), Err(HandshakeError::Connection)),
        (with("Connection: Upgrade", "Connection: keep-alive"), Err(HandshakeError::Connection)),
        (with("Connection: Upgrade", "Connection: upgraded"), Err(HandshakeError::Connection)),
        (without(&format!("Sec-WebSocket-Accept: {good}")), accept(None)),
        (with(good, KEY), accept(Some(KEY))),
        (with(good, "S3PPLMBITXAQ9KYGZZHZRBK+XOO="), accept(Some("S3PPLMBITXAQ9KYGZZHZRBK+XOO="))),
        (with(good, &good[..27]), accept(Some(&good[..27]))),
        (with(good, &format!("{good}\r\nSec-WebSocket-Accept: {good}")), accept(Some(&format!("{good}, {good}")))),
    ] {
        check(&answer, &expected);
    }
}

#[test]
fn what_was_not_offered_may_not_be_chosen() {
    let protocol = |value: &str| Err(HandshakeError::Protocol(value.to_owned()));
    for (offered, line, expected) in [
        (&[][..], "Sec-WebSocket-Protocol: a", protocol("a")),
        (&["a"], "Sec-WebSocket-Protocol: b", protocol("b")),
        (&["a"], "Sec-WebSocket-Protocol: A", protocol("A")),
        (&["a", "b"], "Sec-WebSocket-Protocol: a, b", protocol("a, b")),
        (&["a", "b"], "Sec-WebSocket-Protocol: a\r\nSec-WebSocket-Protocol: b", protocol("a, b")),
        (&["a"], "Sec-WebSocket-Protocol:", protocol("")),
        (&[], "Sec-WebSocket-Extensions: x", Err(HandshakeError::Extension("x".to_owned()))),
    ] {
        check_with(offered, None, format!("{YES}{line}\r\n\r\n").as_bytes(), &expected);
    }
}

#[test]
fn another_status_is_told_with_how_its_content_begins() {
    check("HTTP/1.1 404 Not Found\r\nContent-Length: 5\r\n\r\nnot here", &refused(404, "Not Found", "not h"));
    check("HTTP/1.1 403 Forbidden\r\nContent-Length: 9\r\n\r\nnot", &refused(403, "Forbidden", "not"));
    check("HTTP/1.1 204\r\n\r\nrest", &refused(204, "", ""));
    check("HTTP/1.1 200 OK\r\n\r\nuntil the close", &refused(200, "OK", "until the close"));
    check(
        "HTTP/1.1 426 \r\nTransfer-Encoding: chunked\r\n\r\n3\r\nabc\r\n2;x=y\r\nde\r\n0\r\n\r\n",
        &refused(426, "", "abcde"),
    );
    check("HTTP/1.1 500 X\r\nTransfer-Encoding: chunked\r\n\r\n3\r\nabcde\r\n", &refused(500, "X", "abc"));
    let location = Refusal { status: 301, location: Some("ws://y/".to_owned()), ..Refusal::default() };
    check("HTTP/1.1 301\r\nLocation: ws://y/\r\nContent-Length: 0\r\n\r\n", &Err(HandshakeError::Refused(location)));
}

#[test]
fn what_a_refusal_says_is_bounded() {
    let long = "x".repeat(CONTENT_BYTES_MAX);
    for head in ["", "Content-Length: 99999999999\r\n", "Transfer-Encoding: chunked\r\n"] {
        let size = if head.starts_with('T') { "fffffff\r\n" } else { "" };
        let answer = format!("HTTP/1.1 403 No\r\n{head}\r\n{size}{long}{long}");
        assert_eq!(receive(handshake(&[], None), &[answer.as_bytes()]), refused(403, "No", &long), "{head}");
    }
}

#[test]
fn what_is_no_answer_is_refused_at_once() {
    let not_http = Err(HandshakeError::NotHttp(String::new()));
    for answer in [
        "SSH-2.0-OpenSSH_9.6\r\n",
        "\u{15}\u{3}\u{1}",
        "http/1.1 101 Switching Protocols\r\n",
        "HTTP/1.0 101 Switching Protocols\r\n\r\n",
        "HTTP/2 101\r\n",
        "HTTP/1.1  101 X\r\n",
        "HTTP/1.1 1O1 X\r\n",
        "HTTP/1.1 1010 X\r\n",
        "HTTP/1.1 10\r\n",
        "HTTP/1.1 601 X\r\n",
        "HTTP/1.1 101 X\n",
        "HTTP/1.1 101 \u{1}\r\n",
        "\r\nHTTP/1.1 101 X\r\n",
    ] {
        check(answer, &not_http);
    }
    assert_eq!(handshake(&[], None).receive(b"S"), Err(HandshakeError::NotHttp("S".to_owned())), "at the first byte");
}

#[test]
fn a_refusal_may_be_older_than_a_yes() {
    check("HTTP/1.0 403 No\r\n\r\nproxy", &refused(403, "No", "proxy"));
    check("HTTP/1.0 403 No\r\nContent-Length: 2\r\n\r\nno", &refused(403, "No", "no"));
}

#[test]
fn an_interim_answer_that_declares_content_hides_no_yes() {
    for line in ["Content-Length: 129", "Transfer-Encoding: chunked"] {
        check(&format!("HTTP/1.1 103 X\r\n{line}\r\n\r\n{YES}\r\n"), &Err(HandshakeError::InterimContent));
    }
}

#[test]
fn a_malformed_head_is_refused() {
    for line in ["Upgrade : x\r\n", " folded\r\n", "no colon\r\n", "X: \0\r\n", "X: y\n", "X: a\rb\r\n", ": y\r\n"] {
        let verdict = receive(handshake(&[], None), &[format!("{YES}{line}\r\n").as_bytes()]);
        assert!(matches!(verdict, Err(HandshakeError::Malformed(_))), "{line:?}: {verdict:?}");
    }
}

#[test]
fn a_head_without_an_end_is_bounded() {
    let endless = |begin: &str, line: &str| {
        let mut handshake = handshake(&[], None);
        let mut verdict = handshake.receive(begin.as_bytes());
        for _ in 0..2 * HEAD_BYTES_MAX / line.len() {
            if verdict.is_err() {
                break;
            }
            verdict = handshake.receive(line.as_bytes());
        }
        verdict
    };
    let long = "x".repeat(1000);
    assert_eq!(endless("HTTP/1.1 101 ", &long), Err(HandshakeError::HeadTooLarge));
    assert_eq!(endless(&format!("{YES}X: "), &long), Err(HandshakeError::HeadTooLarge));
    assert_eq!(
        endless("", "HTTP/1.1 100 Continue\r\n\r\n"),
        Err(HandshakeError::HeadTooLarge),
        "interim answers count"
    );
    assert!(matches!(endless(YES, "X: y\r\n"), Err(HandshakeError::Malformed(_))), "so many lines are too many");
}

#[test]
fn an_end_within_the_head_is_told() {
    for answer in ["", "HTTP", "HTTP/1.1 101 Switching", YES] {
        check(answer, &Err(HandshakeError::Ended));
    }
}

#[test]
fn what_a_server_says_does_not_steer_the_terminal() {
    let evil = "\u{1b}[2J".to_owned();
    for error in [
        HandshakeError::Upgrade(Some(evil.clone())),
        HandshakeError::Accept(Some(evil.clone())),
        HandshakeError::Extension(evil.clone()),
        HandshakeError::Protocol(evil.clone()),
        HandshakeError::Refused(Refusal {
            status: 300,
            reason: evil.clone(),
            location: Some(evil.clone()),
            content: evil,
        }),
    ] {
        assert!(!error.to_string().contains('\u{1b}'), "{error:?}");
    }
}

/// Whatever comes, it is judged, and the same however it was cut.
#[test]
fn any_bytes_are_judged_the_same_however_they_are_cut() {
    let seed = format!("HTTP/1.1 103 Hint\r\nLink: x\r\n\r\n{YES}Sec-WebSocket-Protocol: a\r\n\r\nearly");
    let refusal = "HTTP/1.1 403 No\r\nTransfer-Encoding: chunked\r\nContent-Length: 7\r\n\r\n4\r\nabcd\r\n0\r\n\r\n";
    let mut random = fastrand::Rng::with_seed(6455);
    for round in 0..4000 {
        let mut answer = if round % 2 == 0 { seed.clone() } else { refusal.to_owned() }.into_bytes();
        for _ in 0..random.usize(1..4) {
            let at = random.usize(..answer.len());
            match random.u8(..4) {
                0 => answer[at] = random.u8(..),
                1 => answer[at] = *random.choice(b"\r\n :/0, ").expect("some"),
                2 => drop(answer.drain(at..(at + random.usize(1..9)).min(answer.len()))),
                _ => answer.extend_from_within(at..),
            }
            if answer.is_empty() {
                break;
            }
        }
        let kind = |verdict: Result<Agreed, HandshakeError>| match verdict {
            Err(HandshakeError::NotHttp(_)) => Err(HandshakeError::NotHttp(String::new())),
            other => other,
        };
        let whole = kind(receive(handshake(&["a"], None), &[&answer]));
        let pieces: Vec<&[u8]> = answer.chunks(random.usize(1..20)).collect();
        assert_eq!(whole, kind(receive(handshake(&["a"], None), &pieces)), "{}", answer.escape_ascii());
    }
}
