use bytes::Bytes;
use tokio::time::Instant;

use super::*;

const PEER: std::net::SocketAddr = std::net::SocketAddr::new(std::net::IpAddr::V4(std::net::Ipv4Addr::LOCALHOST), 9);

fn event(what: What) -> Event {
    Event { connection: 1, at: Duration::ZERO, when: Instant::now(), what }
}

fn received(part: Part, bytes: &[u8]) -> What {
    What::Received { part, bytes: Bytes::copy_from_slice(bytes), length: bytes.len() }
}

fn sent(part: Part, bytes: &[u8]) -> What {
    What::Sent { part, bytes: Bytes::copy_from_slice(bytes), length: bytes.len() }
}

/// A line as one string: way, offsets, text, note, section.
fn show(line: &Line) -> String {
    let way = match line.way {
        Way::In => "in",
        Way::Out => "out",
        Way::Here => "--",
    };
    let bytes = line.bytes.map_or("?".to_owned(), |(start, end)| format!("{start}..{end}"));
    format!("{way} {bytes} | {} | {} | {}", line.text, line.note, line.section)
}

/// The lines of `events`, which follow each other on one connection.
fn check(events: impl IntoIterator<Item = What>, expected: &[&str]) {
    let mut annotator = Annotator::new();
    let lines: Vec<String> =
        events.into_iter().flat_map(|what| annotator.annotate(&event(what))).map(|line| show(&line)).collect();
    assert_eq!(lines, expected);
}

#[test]
fn a_request_is_told_line_by_line() {
    check(
        [
            received(
                trace::REQUEST_HEAD,
                b"\r\nPOST /echo HTTP/1.1\r\nhost: x\r\nContent-Length: 5\r\nX-Mine: \xff\r\n\r\n",
            ),
            received(trace::CONTENT, b"he\0\x1b["),
        ],
        &[
            r"in 0..2 | \r\n | an empty line before the request-line | RFC 9112 2.2",
            r"in 2..23 | POST /echo HTTP/1.1\r\n | request-line: POST, origin-form | RFC 9112 3",
            r"in 23..32 | host: x\r\n | the site that is asked for | RFC 9112 3.2",
            r"in 32..51 | Content-Length: 5\r\n | bytes of content that follow | RFC 9110 8.6",
            r"in 51..62 | X-Mine: \xff\r\n | a field line | RFC 9112 5",
            r"in 62..64 | \r\n | the head ends | RFC 9112 2.1",
            r"in 0..5 | he\x00\x1b[ | content, 5 bytes | RFC 9112 6",
        ],
    );
}

#[test]
fn an_answer_is_told_line_by_line() {
    check(
        [
            sent(trace::INTERIM_HEAD, b"HTTP/1.1 100 Continue\r\n\r\n"),
            sent(trace::ANSWER_HEAD, b"HTTP/1.1 404 Not Found\r\nDate: now\r\n\r\n"),
            sent(trace::CONTENT, b"x"),
        ],
        &[
            r"out 0..23 | HTTP/1.1 100 Continue\r\n | status-line: interim | RFC 9112 4",
            r"out 23..25 | \r\n | the head ends | RFC 9112 2.1",
            r"out 0..24 | HTTP/1.1 404 Not Found\r\n | status-line: the client erred | RFC 9112 4",
            r"out 24..35 | Date: now\r\n | when the message was made | RFC 9110 6.6.1",
            r"out 35..37 | \r\n | the head ends | RFC 9112 2.1",
            r"out 0..1 | x | content, 1 byte | RFC 9112 6",
        ],
    );
}

#[test]
fn an_answer_that_was_begun_ahead_goes_on() {
    check(
        [sent(trace::ANSWER_BEGIN, b"HTTP/1.1 "), sent(trace::ANSWER_HEAD, b"200 OK\r\n\r\n")],
        &[
            "out 0..9 | HTTP/1.1  | status-line, so far | RFC 9112 4",
            r"out 9..17 | 200 OK\r\n | status-line: successful | RFC 9112 4",
            r"out 17..19 | \r\n | the head ends | RFC 9112 2.1",
        ],
    );
}

#[test]
fn chunks_are_told_with_their_sizes() {
    let unseen = What::Received { part: trace::CHUNK_PART, bytes: Bytes::new(), length: 3 };
    check(
        [
            received(trace::REQUEST_HEAD, b"GET * HTTP/1.1\r\n\r\n"),
            received(trace::CHUNK_LINE, b"1a;x=y\r\n"),
            received(trace::CHUNK_DATA, b"hello"),
            received(trace::CHUNK_LINE, b"\r\n0\r\n"),
            unseen,
            received(trace::LAST_CHUNK, b"Sum: 1\r\n\r\n"),
            sent(trace::LAST_CHUNK, b"0\r\n\r\n"),
        ],
        &[
            r"in 0..16 | GET * HTTP/1.1\r\n | request-line: GET, asterisk-form | RFC 9112 3",
            r"in 16..18 | \r\n | the head ends | RFC 9112 2.1",
            r"in 0..8 | 1a;x=y\r\n | a chunk of 26 bytes, with extensions | RFC 9112 7.1",
            "in 8..13 | hello | chunk data, 5 bytes | RFC 9112 7.1",
            r"in 13..15 | \r\n | the chunk's data ends | RFC 9112 7.1",
            r"in 15..18 | 0\r\n | the last chunk: no data | RFC 9112 7.1",
            "in 18..21 | … 3 bytes | part of a chunk line or trailer | ",
            r"in 21..29 | Sum: 1\r\n | a trailer field line | RFC 9112 7.1.2",
            r"in 29..31 | \r\n | the chunked content ends | RFC 9112 7.1",
            r"out ? | 0\r\n | the last chunk: no data | RFC 9112 7.1",
            r"out ? | \r\n | the chunked content ends | RFC 9112 7.1",
        ],
    );
}

#[test]
fn a_refused_head_shows_where_it_stops() {
    check(
        [
            received(trace::REFUSED_HEAD, b"GET / HTTP/1.1\r\nHost"),
            received(trace::REFUSED_REST, b" : x\r\nA: b\r\n\r\n"),
        ],
        &[
            r"in 0..16 | GET / HTTP/1.1\r\n | request-line: GET, origin-form | RFC 9112 3",
            "in 16..20 | Host | a field line, without a colon so far | RFC 9112 5",
            r"in 20..26 |  : x\r\n | refused at byte 20: the first byte that does not fit | RFC 9112 2.2",
            "in 26..34 | … 8 bytes | not looked at | ",
        ],
    );
    check(
        [received(trace::REFUSED_REST, b"\x16\x03\x01")],
        &[r"in ? | \x16\x03\x01 | refused: the first byte that does not fit | RFC 9112 2.2"],
    );
}

#[test]
fn hostile_heads_are_escaped_and_cut() {
    for head in [&b""[..], b"\n", b"\r\r\r", b":", b"\xff\xfe", b"GET", b"GET \n:\n \n", b" \r\n \r\n"] {
        for part in [trace::REQUEST_HEAD, trace::REFUSED_HEAD, trace::REFUSED_REST, trace::CHUNK_LINE] {
            let lines = Annotator::new().annotate(&event(received(part, head)));
            assert!(lines.iter().all(|line| line.text.chars().all(|char| !char.is_control())), "{head:?}");
        }
    }
    let long = What::Sent { part: trace::CONTENT, bytes: vec![b'x'; LINE_BYTES_MAX + 1].into(), length: 5_000 };
    let lines = Annotator::new().annotate(&event(long));
    assert_eq!(lines[0].text.chars().count(), LINE_BYTES_MAX + 1);
    assert_eq!(show(&lines[1]), "out ? | … 4743 bytes | not kept | ");
}

#[test]
fn what_happens_besides_bytes_is_told_too() {
    let card = Snapshot {
        id: 1,
        peer: PEER,
        phase: Phase::Closed,
        age_ms: 1_260,
        in_phase_ms: 0,
        deadline_left_ms: None,
        unread_bytes: 0,
        queued_bytes: 0,
        received_bytes: 78,
        sent_bytes: 200,
        served: 1,
    };
    let refused = What::Decided { decision: "refused with 400".to_owned(), section: "RFC 9112 5.1" };
    check(
        [
            What::Accepted { peer: PEER },
            What::Entered { from: Phase::Idle, to: Phase::Handler },
            What::Armed { phase: Phase::Handler, left: Duration::from_millis(29_990) },
            What::Buffers { unread: 5, queued: 0 },
            refused,
            What::Fired { phase: Phase::Head },
            What::Closed { why: "the peer is gone".to_owned(), card },
        ],
        &[
            "-- ? | accepted from 127.0.0.1:9 | the connection begins | RFC 9112 9.1",
            "-- ? | idle -> handler | the handler is at work | ",
            "-- ? | handler: 30.0 s left | a deadline is armed | RFC 9112 9.5",
            "-- ? | 5 bytes unread, 0 queued | fill of the buffers | ",
            "-- ? | refused with 400 | decided | RFC 9112 5.1",
            "-- ? | head: time is up | the deadline fired | RFC 9112 9.5",
            "-- ? | closed: the peer is gone | 1 request in 1.3 s, 78 bytes in, 200 out | RFC 9112 9.6",
        ],
    );
}

#[test]
fn offsets_are_unknown_after_a_gap() {
    let mut annotator = Annotator::new();
    let head = event(received(trace::REQUEST_HEAD, b"GET / HTTP/1.1\r\n\r\n"));
    annotator.annotate(&head);
    annotator.missed();
    assert_eq!(annotator.annotate(&event(received(trace::CONTENT, b"x")))[0].bytes, None);
    annotator.annotate(&head);
    assert_eq!(annotator.annotate(&event(received(trace::CONTENT, b"x")))[0].bytes, Some((0, 1)));
}

#[test]
fn frames_are_told_behind_their_handshake() {
    use crate::ws::trace as frames;
    check(
        [
            received(trace::REQUEST_HEAD, b"GET /ws HTTP/1.1\r\n\r\n"),
            sent(trace::ANSWER_HEAD, b"HTTP/1.1 101 Switching Protocols\r\n\r\n"),
            received(frames::FRAME_HEADER, b"\x01\x83\x00\x00\x00\x00"),
            received(frames::FRAME_HEADER, b"\x89\x80\x01\x02\x03\x04"),
            received(frames::PING, b""),
            sent(frames::FRAME_HEADER, b"\x8a\x00"),
            received(frames::FRAME_HEADER, b"\x80\x82\x00\x00\x00\x00"),
            received(frames::TEXT, b"hello"),
            sent(frames::FRAME_HEADER, b"\x81\x05"),
            sent(frames::TEXT, b"hello"),
            received(frames::NO_FRAME, b"\x83\x01ab"),
            What::Decided { decision: "refused: this opcode is reserved".to_owned(), section: "RFC 6455 5.2" },
            sent(frames::FRAME_HEADER, b"\x88\x04"),
            sent(frames::CLOSE, b"\x03\xeano"),
        ],
        &[
            r"in 0..18 | GET /ws HTTP/1.1\r\n | request-line: GET, origin-form | RFC 9112 3",
            r"in 18..20 | \r\n | the head ends | RFC 9112 2.1",
            r"out 0..34 | HTTP/1.1 101 Switching Protocols\r\n | status-line: interim | RFC 9112 4",
            r"out 34..36 | \r\n | the head ends | RFC 9112 2.1",
            r"in 0..6 | \x01\x83\x00\x00\x00\x00 | opcode 0x1 text, its first fragment: 3 bytes, masked with 00000000 | RFC 6455 5.4",
            r"in 9..15 | \x89\x80\x01\x02\x03\x04 | opcode 0x9 ping, FIN: 0 bytes, masked with 01020304 | RFC 6455 5.5.2",
            r"out 0..2 | \x8a\x00 | opcode 0xa pong, FIN: 0 bytes | RFC 6455 5.5.3",
            r"in 15..21 | \x80\x82\x00\x00\x00\x00 | opcode 0x0 continuation, FIN, the last fragment: 2 bytes, masked with 00000000 | RFC 6455 5.4",
            "in ? | hello | text message, 5 bytes | RFC 6455 5.6",
            r"out 2..4 | \x81\x05 | opcode 0x1 text, FIN, the whole message: 5 bytes | RFC 6455 5.2",
            "out ? | hello | text message, 5 bytes | RFC 6455 5.6",
            r"in ? | \x83\x01\x61\x62 | no header of a frame begins so | RFC 6455 5.2",
            "-- ? | refused: this opcode is reserved | decided | RFC 6455 5.2",
            r"out 9..11 | \x88\x04 | opcode 0x8 close, FIN: 4 bytes | RFC 6455 5.5.1",
            r"out ? | \x03\xeano | 1002 protocol error: The peer broke the protocol. | RFC 6455 5.5.1",
        ],
    );
}

#[test]
fn a_client_asks_and_is_answered() {
    check(
        [
            What::Connected { peer: PEER },
            sent(trace::REQUEST_HEAD, b"GET /ws HTTP/1.1\r\n\r\n"),
            received(trace::ANSWER_HEAD, b"HTTP/1.1 404 Not Found\r\n\r\n"),
        ],
        &[
            "-- ? | connected to 127.0.0.1:9 | the connection begins | RFC 9112 9.1",
            r"out 0..18 | GET /ws HTTP/1.1\r\n | request-line: GET, origin-form | RFC 9112 3",
            r"out 18..20 | \r\n | the head ends | RFC 9112 2.1",
            r"in 0..24 | HTTP/1.1 404 Not Found\r\n | status-line: the client erred | RFC 9112 4",
            r"in 24..26 | \r\n | the head ends | RFC 9112 2.1",
        ],
    );
}
