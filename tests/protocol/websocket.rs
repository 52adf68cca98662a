//! A WebSocket server in memory: what it says to frames, to silence, to peers that do not read, and to the end of the server.
//!
//! Frames are sent masked with a key of zeros, so that they can be read here.

use std::sync::{Arc, Mutex};
use std::time::Duration;

use firstbyte::http::router::Routes;
use firstbyte::http::test::{TestConnection, TestServer};
use firstbyte::http::{Request, Router, Server};
use firstbyte::net::deadline::Rate;
use firstbyte::ws::frame::{self, Opcode};
use firstbyte::ws::{
    self, CloseCode, Config, Ended, Late, Limits, Message, Origins, Overflow, Prepared, Refused, Socket,
};
use tokio::sync::Notify;
use tokio::time::{Instant, sleep};

use crate::stage::wire;

const SECOND: Duration = Duration::from_secs(1);

/// The handshake of RFC 6455 1.3, with more lines.
fn asking(lines: &str) -> String {
    let head = "GET / HTTP/1.1|Host: x|Connection: upgrade|Upgrade: websocket|Sec-WebSocket-Version: 13|\
                Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==|";
    wire(&format!("{head}{lines}|"))
}

/// A frame as a client sends it.
fn masked(first: u8, payload: &[u8]) -> Vec<u8> {
    let length = match payload.len() {
        len @ ..126 => vec![0x80 | len as u8],
        len @ ..0x1_0000 => [&[0xfe][..], &(len as u16).to_be_bytes()].concat(),
        len => [&[0xff][..], &(len as u64).to_be_bytes()].concat(),
    };
    [&[first][..], &length, &[0; 4], payload].concat()
}

fn text(payload: &str) -> Vec<u8> {
    masked(0x81, payload.as_bytes())
}

fn close(code: u16) -> Vec<u8> {
    masked(0x88, &code.to_be_bytes())
}

/// Frames of the server, in words.
fn words(mut bytes: &[u8]) -> Vec<String> {
    let mut words = Vec::new();
    while let Ok(Some((header, len))) = frame::parse(bytes) {
        let Some((payload, rest)) = bytes[len..].split_at_checked(header.length as usize) else { break };
        let shown = payload.escape_ascii();
        words.push(match header.opcode {
            Opcode::Text => format!("text {shown}"),
            Opcode::Binary => format!("binary {shown}"),
            Opcode::Continuation => format!("continuation {shown}"),
            Opcode::Ping => format!("ping {shown}"),
            Opcode::Pong => format!("pong {shown}"),
            Opcode::Close if payload.is_empty() => "close".to_owned(),
            Opcode::Close => format!("close {}", u16::from_be_bytes([payload[0], payload[1]])),
        });
        bytes = rest;
    }
    assert!(bytes.is_empty(), "half a frame: {bytes:?}");
    words
}

/// A server that upgrades every request to `application`, and how its sockets have ended.
struct Stage {
    server: TestServer<Routes>,
    ended: Arc<Mutex<Vec<Ended>>>,
}

impl Stage {
    fn new<T>(config: Config, application: impl Fn(Socket) -> T + Clone + Send + Sync + 'static) -> Stage
    where
        T: Future<Output = Socket> + Send + 'static,
    {
        let ended = Arc::new(Mutex::new(Vec::new()));
        let told = Arc::clone(&ended);
        let router = Router::new(()).route("/", move |(), request: Request| {
            let (application, told) = (application.clone(), Arc::clone(&told));
            let response = ws::upgrade(&request, &config, |socket| async move {
                let socket = application(socket).await;
                told.lock().unwrap().extend(socket.ended());
            });
            async { response }
        });
        Stage { server: TestServer::new(Server::new(router.build().unwrap())), ended }
    }

    fn echo(config: Config) -> Stage {
        Stage::new(config, echo)
    }

    async fn open(&self) -> TestConnection {
        let mut connection = self.server.connect();
        connection.send(asking("")).await;
        let answer = connection.read_response().await;
        assert_eq!(answer.status.code(), 101);
        assert_eq!(answer.field("Sec-WebSocket-Accept"), Some("s3pPLMBiTxaQ9kYGzzhZRbK+xOo="));
        connection
    }

    fn ended(&self) -> Vec<Ended> {
        std::mem::take(&mut self.ended.lock().unwrap())
    }
}

async fn echo(mut socket: Socket) -> Socket {
    while let Some(message) = socket.next().await {
        if socket.send(message).await.is_err() {
            break;
        }
    }
    socket
}

/// What the server says until it closes the stream.
async fn last_words(mut connection: TestConnection) -> Vec<String> {
    let said = words(&connection.read_to_end().await.unwrap());
    connection.close().await;
    said
}

#[tokio::test(start_paused = true)]
async fn what_is_said_is_answered_however_it_arrives() {
    let large = vec![b'x'; 70_000];
    for (sent, expected) in [
        (vec![text("hello")], "text hello"),
        (vec![masked(0x82, &[0, 255])], r"binary \x00\xff"),
        (vec![masked(0x01, b"he"), masked(0x89, b"?"), masked(0x80, b"llo")], "pong ?, text hello"),
        (vec![text("one"), text(""), text("three")], "text one, text , text three"),
        (vec![masked(0x89, b""), masked(0x8a, b"unasked"), text("x")], "pong , text x"),
        (vec![masked(0x82, &large), text("after")], ""),
    ] {
        let mut sent = sent.concat();
        sent.extend(close(1000));
        for cut in [0, 1, 2, 5, 7, sent.len() / 2, sent.len() - 1] {
            let stage = Stage::echo(Config::default());
            let _watch = (cut % 2 == 1).then(|| stage.server.watched().hub.watch());
            let mut connection = stage.open().await;
            connection.send(&sent[..cut]).await;
            sleep(SECOND).await;
            connection.send(&sent[cut..]).await;
            let said = last_words(connection).await.join(", ");
            match expected {
                "" => assert!(said.starts_with("binary xxx") && said.ends_with("x, text after, close 1000")),
                _ => assert_eq!(said, format!("{expected}, close 1000"), "cut at {cut}"),
            }
            assert!(matches!(&stage.ended()[..], [Ended::Closed(Some(close))] if close.code() == CloseCode::NORMAL));
        }
    }
}

#[tokio::test(start_paused = true)]
async fn frames_that_come_with_the_handshake_are_not_lost() {
    let stage = Stage::echo(Config::default());
    let all = [asking("").as_bytes(), &text("early"), &close(1000)].concat();
    for cut in 1..all.len() {
        let mut connection = stage.server.connect();
        connection.send(&all[..cut]).await;
        connection.send(&all[cut..]).await;
        assert_eq!(connection.read_response().await.status.code(), 101);
        assert_eq!(last_words(connection).await, ["text early", "close 1000"], "cut at {cut}");
    }
}

#[tokio::test(start_paused = true)]
async fn a_handshake_that_is_none_is_refused_with_what_is_missing() {
    let stage = Stage::echo(Config { protocols: &["b", "c"], ..Config::default() });
    let whole = asking("");
    for (from, to, expected) in [
        ("", "", "101"),
        ("GET", "POST", "426"),
        ("Upgrade: websocket", "Upgrade: chat", "426"),
        ("Upgrade: websocket", "Upgrade: h2c, WebSocket", "101"),
        ("Connection: upgrade", "Connection: keep-alive, Upgrade", "101"),
        ("Connection: upgrade", "Connection: keep-alive", "426"),
        ("Version: 13", "Version: 8", "426 13"),
        ("Version: 13", "Version: 13, 8", "426 13"),
        ("Sec-WebSocket-Version: 13\r\n", "", "426 13"),
        ("Key: dGhlIHNhbXBsZSBub25jZQ==", "Key: dGhlIHNhbXBsZQ==", "400"),
        ("Key: dGhlIHNhbXBsZSBub25jZQ==", "Key: dGhlIHNhbXBsZSBub25jZQ", "400"),
        ("Key: dGhlIHNhbXBsZSBub25jZQ==", "Key: ", "400"),
        ("Sec-WebSocket-Key", "Sec-WebSocket-Keys", "400"),
        ("Host: x\r\n", "Host: x\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n", "400"),
        ("Host: x\r\n", "Host: x\r\nOrigin: http://x\r\n", "101"),
        ("Host: x\r\n", "Host: X:80\r\nOrigin: http://x\r\n", "101"),
        ("Host: x\r\n", "Host: x:8080\r\nOrigin: http://x:8080\r\n", "101"),
        ("Host: x\r\n", "Host: x\r\nOrigin: https://x\r\n", "101"),
        ("Host: x\r\n", "Host: x\r\nOrigin: http://x:8080\r\n", "403"),
        ("Host: x\r\n", "Host: x\r\nOrigin: http://x.evil.example\r\n", "403"),
        ("Host: x\r\n", "Host: x\r\nOrigin: null\r\n", "403"),
        ("Host: x\r\n", "Host: x\r\nOrigin: file://x\r\n", "403"),
        ("Host: x\r\n", "Host: x\r\nOrigin: http://x\r\nOrigin: http://evil.example\r\n", "403"),
        ("Host: x\r\n", "Host: x\r\nSec-WebSocket-Protocol: a, c, b\r\n", "101 b"),
        ("Host: x\r\n", "Host: x\r\nSec-WebSocket-Protocol: a\r\nSec-WebSocket-Protocol: c\r\n", "101 c"),
        ("Host: x\r\n", "Host: x\r\nSec-WebSocket-Protocol: a\r\n", "101"),
    ] {
        let mut connection = stage.server.connect();
        connection.send(whole.replacen(from, to, 1)).await;
        let answer = connection.read_head().await;
        let said = ["Sec-WebSocket-Version", "Sec-WebSocket-Protocol"].map(|name| answer.field(name).unwrap_or(""));
        let summary = format!("{} {}", answer.status.code(), said.concat());
        assert_eq!(summary.trim_end(), expected, "{from:?} -> {to:?}");
        let upgrade = [101, 426].contains(&answer.status.code()).then_some("websocket");
        assert_eq!(answer.field("Upgrade"), upgrade, "{from:?} -> {to:?}");
    }
}

#[tokio::test(start_paused = true)]
async fn pages_of_listed_origins_are_let_in_and_no_others() {
    let listed = Origins::These(&["https://a.example"]);
    for (origins, origin, expected) in [
        (listed.clone(), "https://a.example", 101),
        (listed.clone(), "https://b.example", 403),
        (listed, "http://x", 101),
        (Origins::Any, "null", 101),
    ] {
        let stage = Stage::echo(Config { origins, ..Config::default() });
        let mut connection = stage.server.connect();
        connection.send(asking(&format!("Origin: {origin}|"))).await;
        assert_eq!(connection.read_head().await.status.code(), expected, "{origin}");
    }
}

#[tokio::test(start_paused = true)]
async fn a_violation_is_told_and_ends_the_connection() {
    let limits = Limits { message_bytes_max: 10, control_frames_per_second: 5, ..Limits::default() };
    for (sent, expected) in [
        (b"\x81\x01a".to_vec(), "close 1002"),
        (masked(0x81, b"\xff"), "close 1007"),
        (masked(0x82, &[0; 11]), "close 1009"),
        (masked(0x88, b"\x03"), "close 1002"),
        (close(1005), "close 1002"),
        (masked(0x89, b"").repeat(11), "close 1008"),
    ] {
        let stage = Stage::echo(Config { limits, ..Config::default() });
        let mut connection = stage.open().await;
        connection.send(text("first")).await;
        connection.send(&sent).await;
        connection.send(text("too late")).await;
        let said = last_words(connection).await;
        assert_eq!(said.first().map(String::as_str), Some("text first"));
        assert_eq!(said.last().map(String::as_str), Some(expected));
        assert!(!said.iter().any(|said| said.contains("late")), "{said:?}");
        assert!(matches!(stage.ended()[..], [Ended::Violated(_)]));
    }
}

#[tokio::test(start_paused = true)]
async fn what_came_before_the_last_word_is_answered_before_ours() {
    let in_a_task = |socket| async { tokio::spawn(echo(socket)).await.unwrap() };
    let slowly = |mut socket: Socket| async {
        while let Some(message) = socket.next().await {
            sleep(SECOND).await;
            if socket.send(message).await.is_err() {
                break;
            }
        }
        socket
    };
    let never = |mut socket: Socket| async {
        let _ = socket.next().await;
        sleep(SECOND * 100).await;
        socket
    };
    let stages = [
        (Stage::echo(Config::default()), "text before, close"),
        (Stage::new(Config::default(), in_a_task), "text before, close"),
        (Stage::new(Config::default(), slowly), "text before, close"),
        (Stage::new(Config::default(), never), "close"),
    ];
    for (index, (stage, expected)) in stages.into_iter().enumerate() {
        for (last, code) in [(vec![0x81, 0], 1002), (close(4000), 4000)] {
            let mut connection = stage.open().await;
            connection.send([text("before"), last].concat()).await;
            assert_eq!(last_words(connection).await.join(", "), format!("{expected} {code}"), "{index}");
        }
    }
}

#[tokio::test(start_paused = true)]
async fn a_close_is_answered_with_its_code_and_a_stream_that_just_ends_is_noticed() {
    let stage = Stage::echo(Config::default());
    for (sent, expected) in [(close(1000), "close 1000"), (close(4999), "close 4999"), (masked(0x88, b""), "close")] {
        let mut connection = stage.open().await;
        connection.send(&sent).await;
        let begin = Instant::now();
        assert_eq!(words(&connection.read_to_end().await.unwrap()), [expected]);
        connection.close().await;
        assert!(begin.elapsed() < SECOND / 10, "it is over as soon as the peer has closed too");
        assert!(matches!(stage.ended()[..], [Ended::Closed(_)]));
    }
    stage.open().await.close().await;
    assert_eq!(stage.ended(), [Ended::Gone]);
    stage.open().await.reset().await;
    assert_eq!(stage.ended(), [Ended::Gone]);
    assert!(stage.server.watched().registry.is_empty());
}

#[tokio::test(start_paused = true)]
async fn a_peer_that_does_not_answer_a_close_is_left() {
    let stage = Stage::new(Config::default(), |mut socket| async move {
        socket.close(CloseCode::new(4000), "enough");
        while socket.next().await.is_some() {}
        socket
    });
    let mut silent = stage.open().await;
    let begin = Instant::now();
    assert_eq!(words(&silent.received().await), ["close 4000"]);
    assert!(silent.read_to_end().await.is_ok_and(|rest| rest.is_empty()));
    assert_eq!(begin.elapsed().as_secs(), 2);
    silent.close().await;
    assert_eq!(stage.ended(), [Ended::TimedOut(Late::Close)]);
    let mut polite = stage.open().await;
    polite.send(text("on its way")).await;
    polite.send(close(4000)).await;
    assert_eq!(last_words(polite).await, ["close 4000"]);
    assert!(matches!(stage.ended()[..], [Ended::Closed(Some(_))]));
}

#[tokio::test(start_paused = true)]
async fn a_silent_peer_is_asked_whether_it_is_there_and_one_that_is_stays() {
    let stage = Stage::echo(Config::default());
    let mut gone = stage.open().await;
    let begin = Instant::now();
    sleep(SECOND * 29).await;
    assert!(gone.received().await.is_empty());
    sleep(SECOND * 2).await;
    assert_eq!(words(&gone.received().await), ["ping "]);
    assert_eq!(words(&gone.read_to_end().await.unwrap()), ["close 1008"]);
    assert_eq!(begin.elapsed().as_secs(), 42, "30 s of silence, 10 s for the pong, 2 s for its Close");
    gone.close().await;
    assert_eq!(stage.ended(), [Ended::TimedOut(Late::Pong)]);

    let mut there = stage.open().await;
    for _ in 0..15 {
        sleep(SECOND * 31).await;
        assert_eq!(words(&there.received().await), ["ping "]);
        there.send(masked(0x8a, b"")).await;
    }
    there.send(close(1000)).await;
    assert_eq!(last_words(there).await, ["close 1000"]);
}

#[tokio::test(start_paused = true)]
async fn a_message_that_trickles_ends_and_an_honest_one_does_not() {
    let stage = Stage::echo(Config::default());
    let mut slow = stage.open().await;
    slow.send(&masked(0x82, &[0; 100_000])[..20]).await;
    let begin = Instant::now();
    let mut said = Vec::new();
    while begin.elapsed() < SECOND * 60 && !slow.is_over() {
        if slow.try_send(b"x").await.is_err() {
            break;
        }
        sleep(SECOND / 2).await;
        said.extend(slow.received().await);
        if !said.is_empty() {
            break;
        }
    }
    assert_eq!(words(&said), ["close 1008"]);
    assert_eq!(begin.elapsed().as_secs(), 10);
    slow.close().await;
    assert_eq!(stage.ended(), [Ended::TimedOut(Late::Message)]);

    let mut honest = stage.open().await;
    for piece in masked(0x82, &[0; 100_000]).chunks(2_000) {
        honest.send(piece).await;
        sleep(SECOND).await;
    }
    honest.send(close(1000)).await;
    let said = last_words(honest).await;
    assert!(said.len() == 2 && said[0].starts_with("binary "));
}

#[tokio::test(start_paused = true)]
async fn a_control_frame_that_came_in_pieces_is_not_held_against_what_comes_later() {
    let stage = Stage::echo(Config::default());
    let mut connection = stage.open().await;
    for _ in 0..5 {
        for piece in masked(0x8a, b"in pieces").chunks(5) {
            connection.send(piece).await;
            sleep(SECOND * 3).await;
        }
        sleep(SECOND * 25).await;
    }
    connection.send(text("x")).await;
    connection.send(close(1000)).await;
    let said = last_words(connection).await;
    assert_eq!(said[said.len() - 2..], ["text x", "close 1000"]);
}

#[tokio::test(start_paused = true)]
async fn an_application_that_left_a_message_does_not_keep_the_stream_from_ending() {
    let stage = Stage::new(Config::default(), |socket| async move {
        sleep(SECOND * 100).await;
        socket
    });
    let mut connection = stage.open().await;
    connection.send(text("never taken")).await;
    stage.server.shut_down();
    let begin = Instant::now();
    assert_eq!(last_words(connection).await, ["close 1001"]);
    assert_eq!(begin.elapsed().as_secs(), 4, "2 s for its Close, which nobody reads, and 2 s for the application");
}

#[tokio::test(start_paused = true)]
async fn sockets_that_nobody_uses_are_closed() {
    let stage = Stage::echo(Config::default());
    let mut connection = stage.open().await;
    let begin = Instant::now();
    let mut said = Vec::new();
    while !said.contains(&"close 1001".to_owned()) {
        sleep(SECOND * 10).await;
        said = words(&connection.received().await);
        connection.send(masked(0x8a, b"")).await;
    }
    assert_eq!(begin.elapsed().as_secs(), 600);
    connection.close().await;
    assert_eq!(stage.ended(), [Ended::TimedOut(Late::Idle)]);
}

/// Sends without end to a peer that takes nothing.
async fn flood(socket: Socket, overflow: Overflow) -> (Socket, usize, Refused) {
    let sender = socket.sender(overflow);
    let message = Prepared::new(vec![0; 10_000]);
    let mut count = 0;
    let refused = loop {
        match sender.try_send(message.clone()) {
            Ok(()) => count += 1,
            Err(refused) => break refused,
        }
        tokio::task::yield_now().await;
    };
    (socket, count, refused)
}

#[tokio::test(start_paused = true)]
async fn a_peer_that_does_not_read_is_closed_where_that_is_the_rule() {
    let config = Config { queue_bytes_max: 100_000, ..Config::default() };
    let stage = Stage::new(config, |socket| async move {
        let (socket, count, refused) = flood(socket, Overflow::Close).await;
        // The wire and the output hold 64 KiB each.
        assert!((15..30).contains(&count), "{count}");
        assert_eq!(refused, Refused::Closed);
        socket.sender(Overflow::Wait).closed().await;
        let mut socket = socket;
        while socket.next().await.is_some() {}
        socket
    });
    let connection = stage.open().await;
    let begin = Instant::now();
    while !connection.is_over() {
        sleep(SECOND / 10).await;
    }
    assert_eq!(begin.elapsed().as_secs(), 2, "the time for its Close");
    connection.close().await;
    assert_eq!(stage.ended(), [Ended::TimedOut(Late::Close)]);

    // Who reads again in time learns why.
    let connection = stage.open().await;
    sleep(SECOND).await;
    let said = last_words(connection).await;
    assert_eq!(said.last().map(String::as_str), Some("close 1013"));
}

#[tokio::test(start_paused = true)]
async fn what_is_dropped_is_the_oldest_or_what_has_a_newer_word() {
    let go = Arc::new(Notify::new());
    let told = Arc::clone(&go);
    let config = Config { queue_messages_max: 3, ..Config::default() };
    let stage = Stage::new(config, move |mut socket| {
        let told = Arc::clone(&told);
        async move {
            let oldest = socket.sender(Overflow::DropOldest);
            for number in 0..6 {
                oldest.try_send(format!("old {number}")).unwrap();
            }
            told.notified().await;
            let (one, other) = (socket.sender(Overflow::Coalesce), socket.sender(Overflow::Coalesce));
            for number in 0..6 {
                one.try_send(format!("one {number}")).unwrap();
                other.clone().try_send(format!("other {number}")).unwrap();
            }
            let wait = socket.sender(Overflow::Wait);
            wait.try_send("third").unwrap();
            assert_eq!(wait.try_send("too many"), Err(Refused::Full));
            wait.send("waited").await.unwrap();
            while socket.next().await.is_some() {}
            socket
        }
    });
    let mut connection = stage.open().await;
    assert_eq!(words(&connection.received().await), ["text old 3", "text old 4", "text old 5"]);
    go.notify_one();
    let expected = ["text one 5", "text other 5", "text third", "text waited"];
    assert_eq!(words(&connection.received().await), expected);
    connection.send(close(1000)).await;
    assert_eq!(last_words(connection).await, ["close 1000"]);
}

#[tokio::test(start_paused = true)]
async fn a_sender_that_waits_goes_on_when_the_peer_reads_and_one_that_is_dropped_has_sent_nothing() {
    let config = Config { queue_bytes_max: 50_000, ..Config::default() };
    let stage = Stage::new(config, |mut socket| async move {
        let message = || Message::from(vec![7; 20_000]);
        for number in 0..20 {
            // Dropped again and again.
            while tokio::time::timeout(SECOND / 50, socket.send(message())).await.is_err() {}
            assert!(!socket.sender(Overflow::Wait).is_closed(), "{number}");
        }
        while socket.next().await.is_some() {}
        socket
    });
    let mut connection = stage.open().await;
    let mut said = Vec::new();
    for _ in 0..60 {
        sleep(SECOND / 10).await;
        said.extend(connection.received().await);
    }
    assert_eq!(words(&said).len(), 20);
    connection.close().await;
}

#[tokio::test(start_paused = true)]
async fn a_sender_that_waits_is_told_of_room_in_bytes_and_in_messages() {
    let by_bytes = Config { queue_bytes_max: 50_000, ..Config::default() };
    let by_messages = Config { queue_messages_max: 2, ..Config::default() };
    for config in [by_bytes, by_messages] {
        let stage = Stage::new(config, |mut socket| async move {
            for _ in 0..20 {
                socket.send(vec![7; 20_000]).await.unwrap();
            }
            while socket.next().await.is_some() {}
            socket
        });
        let mut connection = stage.open().await;
        let mut said = Vec::new();
        for _ in 0..30 {
            sleep(SECOND / 10).await;
            said.extend(connection.received().await);
        }
        assert_eq!(words(&said).len(), 20);
        connection.close().await;
    }
}

#[tokio::test(start_paused = true)]
async fn a_socket_that_is_dropped_behind_its_close_leaves_no_message_in_the_way() {
    let stage = Stage::new(Config::default(), |socket| async {
        tokio::spawn(async move {
            socket.close(CloseCode::NORMAL, "");
            sleep(SECOND).await;
            drop(socket);
        })
        .await
        .unwrap();
        std::future::pending().await
    });
    let mut connection = stage.open().await;
    let begin = Instant::now();
    connection.send([text("left behind"), close(1000)].concat()).await;
    assert_eq!(words(&connection.received().await), ["close 1000"]);
    assert!(connection.read_to_end().await.unwrap().is_empty());
    assert!(begin.elapsed() < SECOND * 3 / 2, "{:?}", begin.elapsed());
}

#[tokio::test(start_paused = true)]
async fn who_has_said_its_last_word_still_gets_what_it_was_told_before() {
    for last in [close(1000), Vec::new()] {
        let stage = Stage::echo(Config::default());
        let mut connection = stage.server.connect_over(([127, 0, 0, 1], 1).into(), 1_000, |stream| stream);
        connection.send(asking("")).await;
        assert_eq!(connection.read_response().await.status.code(), 101);
        let message = masked(0x82, &[7; 600]);
        for _ in 0..5 {
            connection.send(&message).await;
        }
        connection.send(&last).await;
        connection.finish().await;
        sleep(SECOND / 10).await;
        let said = words(&connection.read_to_end().await.unwrap());
        assert_eq!(said.len(), 5 + usize::from(!last.is_empty()), "{said:?}");
    }
}

#[tokio::test(start_paused = true)]
async fn who_says_everything_in_one_breath_is_answered() {
    let stage = Stage::new(Config::default(), |mut socket| async {
        sleep(SECOND).await;
        while let Some(message) = socket.next().await {
            sleep(SECOND / 2).await;
            let _ = socket.send(message).await;
        }
        socket
    });
    let mut connection = stage.server.connect();
    connection.send([asking("").as_bytes(), &text("one"), &text("two"), &close(1000)].concat()).await;
    connection.finish().await;
    assert_eq!(connection.read_response().await.status.code(), 101);
    assert_eq!(last_words(connection).await, ["text one", "text two", "close 1000"]);
}

#[tokio::test(start_paused = true)]
async fn a_peer_that_does_not_read_at_all_is_cut_by_its_rate() {
    let rate = Rate { bytes_per_second: 1024, over: SECOND * 4, credit: SECOND * 4 };
    let mut config = Config::default();
    config.deadlines.write_rate = rate;
    let stage = Stage::new(config, |socket| async move {
        let mut sent = 0;
        while socket.send(vec![0; 30_000]).await.is_ok() {
            sent += 1;
        }
        assert!(sent < 60, "{sent}");
        socket
    });
    let connection = stage.open().await;
    let begin = Instant::now();
    while !connection.is_over() {
        sleep(SECOND / 10).await;
    }
    assert_eq!(begin.elapsed().as_secs(), 4);
    assert_eq!(stage.ended(), [Ended::TimedOut(Late::Write)]);
}

#[tokio::test(start_paused = true)]
async fn pings_of_a_peer_that_does_not_read_stop_being_read() {
    let limits = Limits { control_frames_per_second: u32::MAX, ..Limits::default() };
    let stage = Stage::echo(Config { limits, ..Config::default() });
    let mut connection = stage.open().await;
    let pings = masked(0x89, &[b'p'; 125]).repeat(100);
    let mut sent = 0;
    while tokio::time::timeout(SECOND / 10, connection.send(&pings)).await.is_ok() {
        sent += pings.len();
        assert!(sent < 1_000_000, "it goes on reading");
    }
    let queued = stage.server.watched().registry.snapshots()[0].queued_bytes;
    assert!((60_000..100_000).contains(&queued), "{queued}");
}

#[tokio::test(start_paused = true)]
async fn an_application_that_takes_nothing_is_not_read_for_and_loses_nobody() {
    let config = Config::default();
    let stage = Stage::new(config, |mut socket| async move {
        sleep(SECOND * 100).await;
        let mut count = 0;
        while socket.next().await.is_some() {
            count += 1;
        }
        assert_eq!(count, 3);
        socket
    });
    let mut connection = stage.open().await;
    connection.send([text("a"), text("b"), text("c")].concat()).await;
    sleep(SECOND * 99).await;
    assert!(connection.received().await.is_empty(), "nobody who is not listened to can be silent");
    sleep(SECOND * 2).await;
    connection.send(close(1000)).await;
    assert_eq!(last_words(connection).await, ["close 1000"]);
}

#[tokio::test(start_paused = true)]
async fn an_application_that_is_busy_elsewhere_is_sent_for_all_the_same() {
    let stage = Stage::new(Config::default(), |mut socket| async move {
        socket.send("sent at once").await.unwrap();
        sleep(SECOND * 20).await;
        while socket.next().await.is_some() {}
        socket
    });
    let mut connection = stage.open().await;
    assert_eq!(words(&connection.received().await), ["text sent at once"]);
    connection.send(masked(0x89, b"there?")).await;
    assert_eq!(words(&connection.received().await), ["pong there?"]);
    connection.close().await;
}

#[tokio::test(start_paused = true)]
async fn an_application_that_never_ends_is_dropped_after_its_connection() {
    struct Dropped(Arc<Notify>);
    impl Drop for Dropped {
        fn drop(&mut self) {
            self.0.notify_one();
        }
    }
    let dropped = Arc::new(Notify::new());
    let guard = Arc::clone(&dropped);
    let stage = Stage::new(Config::default(), move |socket| {
        let guard = Dropped(Arc::clone(&guard));
        async move {
            let _guard = guard;
            sleep(Duration::MAX).await;
            socket
        }
    });
    let connection = stage.open().await;
    let begin = Instant::now();
    drop(connection);
    dropped.notified().await;
    assert_eq!(begin.elapsed().as_secs(), 2);
    assert!(stage.server.watched().registry.is_empty());
}

#[tokio::test(start_paused = true)]
async fn an_application_that_returns_closes_behind_what_it_has_sent() {
    let stage = Stage::new(Config::default(), |socket| async move {
        socket.send("last").await.unwrap();
        // The stage keeps no socket: what it returns is dropped.
        socket
    });
    let mut connection = stage.open().await;
    assert_eq!(words(&connection.received().await), ["text last", "close 1000"]);
    connection.send(close(1000)).await;
    assert!(last_words(connection).await.is_empty());
}

#[tokio::test(start_paused = true)]
async fn a_panic_of_an_application_ends_its_connection_with_1011() {
    let stage = Stage::new(Config::default(), |mut socket| async move {
        let _ = socket.next().await;
        panic!("it fails");
    });
    let mut connection = stage.open().await;
    connection.send(text("x")).await;
    assert_eq!(words(&connection.received().await), ["close 1011"]);
    connection.send(close(1011)).await;
    assert!(last_words(connection).await.is_empty());
}

#[tokio::test(start_paused = true)]
async fn other_tasks_send_and_are_told_of_the_end() {
    let stage = Stage::new(Config::default(), |mut socket| async move {
        let sender = socket.sender(Overflow::Wait);
        let task = tokio::spawn(async move {
            for number in 0..100 {
                sender.send(format!("{number}")).await.unwrap();
            }
            sender.closed().await;
            assert_eq!(sender.try_send("x"), Err(Refused::Closed));
            assert_eq!(sender.send("x").await, Err(Refused::Closed));
            assert_eq!(sender.queued_bytes(), 0);
        });
        while socket.next().await.is_some() {}
        task.await.unwrap();
        socket
    });
    let mut connection = stage.open().await;
    let said = words(&connection.received().await);
    assert_eq!(said, (0..100).map(|number| format!("text {number}")).collect::<Vec<_>>());
    connection.send(close(1000)).await;
    assert_eq!(last_words(connection).await, ["close 1000"]);
    assert_eq!(stage.ended().len(), 1);
}

#[tokio::test(start_paused = true)]
async fn a_shutdown_says_going_away_behind_what_was_queued_and_waits_for_the_answer() {
    let stage = Stage::new(Config::default(), |mut socket| async move {
        // Queued and shut down in one breath.
        while let Some(message) = socket.next().await {
            if message.as_text() == Some("shut down") {
                socket.send("last").await.unwrap();
            }
        }
        socket
    });
    let (mut polite, mut silent) = (stage.open().await, stage.open().await);
    polite.send(text("shut down")).await;
    let begin = Instant::now();
    tokio::task::yield_now().await;
    stage.server.shut_down();
    assert_eq!(words(&polite.received().await), ["text last", "close 1001"]);
    polite.send(close(1001)).await;
    assert!(last_words(polite).await.is_empty());
    assert!(begin.elapsed() < SECOND / 10);
    assert_eq!(words(&silent.read_to_end().await.unwrap()), ["close 1001"]);
    assert_eq!(begin.elapsed().as_secs(), 2);
    silent.close().await;
}

#[tokio::test(start_paused = true)]
async fn a_forced_shutdown_says_what_can_be_said_at_once_and_waits_for_nothing() {
    let stage = Stage::echo(Config::default());
    let mut connection = stage.open().await;
    let begin = Instant::now();
    stage.server.force_down();
    assert_eq!(words(&connection.read_to_end().await.unwrap()), ["close 1001"]);
    assert!(begin.elapsed() < SECOND / 10);
    connection.close().await;
    assert!(stage.server.watched().registry.is_empty());
}
