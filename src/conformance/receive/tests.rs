//! What a client makes of good bytes and of bad ones.

use super::*;
use proptest::collection::vec;
use proptest::prelude::*;

/// Lines are written with `|` for CR LF. An answer is shown as its status, its content, `..` when that is not whole,
/// and `!` for each fault; what follows the last one as `+rest`.
#[track_caller]
fn check(input: &str, heads: &[bool], expected: &str) {
    check_bytes(input.replace('|', "\r\n").as_bytes(), heads, Ending::Closed, expected);
}

#[track_caller]
fn check_bytes(input: &[u8], heads: &[bool], ending: Ending, expected: &str) {
    for size in [input.len().max(1), 1, 2, 7] {
        let mut receiver = Receiver::new(heads.to_vec());
        input.chunks(size).for_each(|piece| receiver.take(piece));
        let seen = receiver.finish(ending);
        assert_eq!(summary(&seen), expected, "in pieces of {size}: {}", input.escape_ascii());
        assert_eq!((&*seen.received, seen.received_count), (input, input.len() as u64));
    }
}

fn summary(seen: &Seen) -> String {
    let answer = |answer: &Answer| {
        let end = if answer.is_whole { "" } else { ".." };
        let content = answer.content.escape_ascii();
        format!("{} {content}{end}{}", answer.status, "!".repeat(answer.faults.len())).trim_end().to_owned()
    };
    let mut words: Vec<String> = seen.answers.iter().map(answer).collect();
    words.extend((!seen.rest.is_empty()).then(|| format!("+{}", seen.rest.escape_ascii())));
    words.join("; ")
}

#[test]
fn content_is_as_long_as_its_framing_says() {
    check("HTTP/1.1 200 OK|Content-Length: 2||okHTTP/1.1 204 No Content||", &[], "200 ok; 204");
    check("HTTP/1.1 200 OK|Content-Length: 2, 2|Content-Length: 2||ok", &[], "200 ok");
    check("HTTP/1.1 200 OK|Transfer-Encoding: chunked||2|ok|0||HTTP/1.1 304 N|Content-Length: 9||", &[], "200 ok; 304");
    check("HTTP/1.1 200 OK|Transfer-Encoding: gzip, chunked||0|X: y||", &[], "200");
    check("HTTP/1.1 200 OK||ok", &[], "200 ok");
    check("HTTP/1.1 200 OK|Transfer-Encoding: gzip|Content-Length: 1||ok", &[], "200 ok");
    check("HTTP/1.1 100 Continue||HTTP/1.1 103 Early|A: b||HTTP/1.1 200 OK|Content-Length: 0||", &[], "100; 103; 200");
}

#[test]
fn an_answer_to_head_has_no_content() {
    let answers = "HTTP/1.1 100 Continue||HTTP/1.1 200 OK|Content-Length: 2||HTTP/1.1 200 OK|Content-Length: 2||ok";
    check(answers, &[true, false], "100; 200; 200 ok");
    check("HTTP/1.1 200 OK|Content-Length: 2||ok", &[true], "200; +ok");
}

#[test]
fn content_that_breaks_off_is_not_whole() {
    check("HTTP/1.1 200 OK|Content-Length: 3||ok", &[], "200 ok..");
    check("HTTP/1.1 200 OK|Transfer-Encoding: chunked||2|ok|", &[], "200 ok..");
    for (ending, expected) in [(Ending::Closed, "200 ok"), (Ending::Reset, "200 ok.."), (Ending::Open, "200 ok..")] {
        check_bytes(b"HTTP/1.1 200 OK\r\n\r\nok", &[], ending, expected);
    }
}

#[test]
fn framing_that_is_faulty_ends_with_the_connection_and_is_never_whole() {
    for length in ["2, 3", "", "+2", "2x", "99999999999999999999", "-1"] {
        check(&format!("HTTP/1.1 200 OK|Content-Length: {length}||ok"), &[], "200 ok..!");
    }
    check("HTTP/1.0 200 OK|Transfer-Encoding: chunked||2|ok|0||", &[], "200 2\\r\\nok\\r\\n0\\r\\n\\r\\n..!");
    check("HTTP/1.1 200 OK|Transfer-Encoding: chunked||2|ok!0||", &[], "200 ok..!");
}

#[test]
fn what_a_client_may_bear_is_borne_and_noted() {
    check("HTTP/1.1 200|Content-Length: 0||", &[], "200");
    check("HTTP/1.1  200\tOK|Content-Length: 0||", &[], "200 !");
    check("HTTP/1.1 200\tOK|Content-Length: 0||", &[], "200 !");
    check("HTTP/2 200 OK|Content-Length: 0||", &[], "200 !");
    check("HTTP/1.1 999 What|Content-Length: 0||", &[], "999 !");
    check("HTTP/1.1 042 What||", &[], "42 !");
    check("HTTP/1.1 200 OK\nContent-Length: 2\n\nok", &[], "200 ok!!!");
    check("HTTP/1.1 200 OK|Content-Length : 2||ok", &[], "200 ok!");
    check("HTTP/1.1 200 OK|X: a|  b|Content-Length: 2||ok", &[], "200 ok!");
    check("HTTP/1.1 200 OK| X: a|no colon|: empty|X Y: z|X: \0|Content-Length: 2||ok", &[], "200 ok!!!!!");
}

#[test]
fn what_is_no_answer_is_rest() {
    check("", &[], "");
    check("<html>", &[], "+<html>");
    check("|HTTP/1.1 200 OK||", &[], "+\\r\\nHTTP/1.1 200 OK\\r\\n\\r\\n");
    for line in ["HTTP/1.1", "HTTP/1.1 2000 OK", "HTTP/1.1 OK", "HTTP/1.1 20x OK", "HTTP/"] {
        check(&format!("{line}||"), &[], &format!("+{line}\\r\\n\\r\\n"));
    }
    check("HTTP/1.1 200 OK|X", &[], "+HTTP/1.1 200 OK\\r\\nX");
    check("HTTP/1.1 200 OK|Content-Length: 2||okHTTP/1.1 2", &[], "200 ok; +HTTP/1.1 2");
    check("HTTP/1.1 101 Switching Protocols||\u{1}", &[], "101; +\\x01");
}

const FRAGMENTS: &[&str] = &[
    "HTTP/1.1 200 OK\r\n",
    "HTTP/1.0 404 \r\n",
    "HTTP/1.1 100 Continue\r\n\r\n",
    "HTTP/1.1 101 Switching Protocols\r\n",
    "HTTP/1.1 204",
    "Content-Length: 5\r\n",
    "Content-Length: 0\r\n",
    "Content-Length: -1\r\n",
    "Transfer-Encoding: chunked\r\n",
    "Transfer-Encoding: x\r\n",
    "X : y\n",
    " folded\r\n",
    "\r\n",
    "\n",
    "\r",
    ":",
    "hello",
    "5\r\nhello\r\n",
    "0\r\n",
    "fffffffffffffffff\r\n",
    "\0\u{7f}é",
];

proptest! {
    #[test]
    fn whatever_comes_is_taken_the_same_however_it_is_cut(
        picks in vec(0..FRAGMENTS.len(), 0..24), size in 1_usize..9, is_head: bool, closes: bool,
    ) {
        let input: String = picks.iter().map(|&pick| FRAGMENTS[pick]).collect();
        let seen = |size: usize| {
            let mut receiver = Receiver::new(vec![is_head]);
            input.as_bytes().chunks(size).for_each(|piece| receiver.take(piece));
            receiver.finish(if closes { Ending::Closed } else { Ending::Reset })
        };
        prop_assert_eq!(summary(&seen(size)), summary(&seen(input.len().max(1))));
    }
}

#[test]
fn what_is_kept_is_bounded() {
    let head = b"HTTP/1.1 200 OK\r\nTransfer-Encoding: gzip\r\n\r\n";
    let lines = b"X: y\r\n".repeat(2 * FIELD_LINES_MAX);
    let ones = [b'1'; 64 << 10];
    let many = [b"HTTP/1.1 204 N\n", &b"a:\n".repeat(FIELD_LINES_MAX - 10)[..], b"\n"].concat();
    for (begin, repeated) in [
        (&head[..], &ones[..]),
        (b"", &ones),
        (b"HTTP/1.1 200 OK\r\n", &lines),
        (b"", b"HTTP/1.1 204 N\r\n\r\n"),
        (b"", &many),
    ] {
        let mut receiver = Receiver::new(Vec::new());
        receiver.take(begin);
        let times = (3 << 20) / repeated.len();
        (0..times).for_each(|_| receiver.take(repeated));
        let seen = receiver.finish(Ending::Closed);
        let content: usize = seen.answers.iter().map(|answer| answer.content.len()).sum();
        assert!(
            content <= KEPT_BYTES_MAX && seen.rest.len() <= KEPT_BYTES_MAX && seen.received.len() == KEPT_BYTES_MAX
        );
        let lines: usize = seen.answers.iter().map(|answer| answer.fields.iter().count()).sum();
        assert!(seen.answers.len() <= ANSWERS_MAX && lines <= LINES_MAX, "{lines} lines");
        assert_eq!(seen.received_count, (begin.len() + times * repeated.len()) as u64);
    }
}
