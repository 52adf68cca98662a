//! `firstbyte ws-bench` against our own server: what it counts is what there was.

use serde_json::Value;

use crate::server::{Server, run};

fn bench(server: &Server, path: &str, args: &[&str]) -> (Option<i32>, Value) {
    let url = format!("ws://{}{path}", server.addr);
    let output = run(&[&["ws-bench", &url, "--seconds", "1", "--warm-up", "0", "--json"], args].concat());
    let stderr = String::from_utf8_lossy(&output.stderr);
    assert_eq!(stderr, "", "no progress where no terminal is");
    (output.status.code(), serde_json::from_slice(&output.stdout).unwrap())
}

#[test]
fn echoes_and_rooms_are_counted_and_checked() {
    let server = Server::start(&[]);
    for (path, args, least) in [
        ("/ws", &["--clients", "5", "--in-flight", "3"][..], 100),
        ("/ws", &["--size", "100000", "--text"], 2),
        ("/room/x", &["--room", "--clients", "20", "--rate", "50"], 200),
    ] {
        let (code, report) = bench(&server, path, args);
        let messages = &report["messages"];
        assert_eq!(code, Some(0), "{report}");
        for loss in ["lost", "repeated", "wrong", "clients_closed"] {
            assert_eq!(messages[loss], 0, "{report}");
        }
        assert_eq!(messages["expected"], messages["arrived"], "{report}");
        assert!(messages["arrived"].as_u64().unwrap() >= least, "{report}");
        assert!(report["latency_us"]["p50"].as_f64().unwrap() > 0.0, "{report}");
        assert!(report["server"]["rss_idle_bytes"].as_u64().unwrap() > 1_000_000, "found by its port: {report}");
    }
}

#[test]
fn what_comes_and_was_not_called_is_wrong() {
    let server = Server::start(&[]);
    let (code, report) = bench(&server, "/room/x", &["--clients", "2"]);
    assert_eq!(code, Some(1), "{report}");
    assert!(report["messages"]["wrong"].as_u64().unwrap() > 0, "{report}");
}

#[test]
fn what_cannot_be_asked_is_refused() {
    for args in [
        &["ws-bench"][..],
        &["ws-bench", "http://x"],
        &["ws-bench", "ws://x", "--size", "31"],
        &["ws-bench", "ws://x", "--clients", "0"],
        &["ws-bench", "ws://x", "--rate", "5"],
        &["ws-bench", "ws://x", "--room", "--in-flight", "2"],
    ] {
        assert_eq!(run(args).status.code(), Some(2), "{args:?}");
    }
    let refused = run(&["ws-bench", "ws://127.0.0.1:1/"]);
    assert_eq!(refused.status.code(), Some(1));
    assert!(String::from_utf8_lossy(&refused.stderr).contains("Is it running"));
}
