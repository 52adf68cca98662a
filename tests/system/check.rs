//! `firstbyte check` against ourselves, who keep everything, and against others, who do not.

use std::fs;
use std::io::{Read, Write};
use std::net::TcpListener;
use std::path::Path;
use std::process::{Command, Output};
use std::time::{Duration, Instant};

use serde_json::Value;

use crate::server::{Server, run};
use crate::tools;

/// More than a run against ourselves takes, and less than one that waits where it need not.
const A_RUN: Duration = Duration::from_secs(15);

fn check(url: &str, args: &[&str]) -> Output {
    run(&[&["check", url], args].concat())
}

fn stdout(output: &Output) -> String {
    String::from_utf8(output.stdout.clone()).unwrap()
}

fn stderr(output: &Output) -> String {
    String::from_utf8(output.stderr.clone()).unwrap()
}

fn json(output: &Output) -> Value {
    serde_json::from_slice(&output.stdout).unwrap_or_else(|error| panic!("{error}: {}", stderr(output)))
}

#[test]
fn we_keep_the_whole_ledger_and_are_strict_where_it_leaves_the_choice() {
    let server = Server::start(&[]);
    for paths in [&["--get", "/hello/ada", "--echo", "/echo"][..], &[]] {
        let start = Instant::now();
        let output = check(&server.url(""), paths);
        let report = stdout(&output);
        assert_eq!(output.status.code(), Some(0), "{report}{}", stderr(&output));
        assert!(!report.contains("FAILED") && !report.contains("it differs"), "{report}");
        assert!(report.contains(", 0 skipped; choices: as firstbyte in "), "{report}");
        assert!(output.stderr.is_empty(), "no progress where no terminal is: {}", stderr(&output));
        assert!(start.elapsed() < A_RUN, "{:?}", start.elapsed());
    }
}

#[test]
fn a_report_for_programs_is_one_json_document() {
    let server = Server::start(&[]);
    let report = json(&check(&server.url("/hello/ada"), &["--json", "--only", "host/", "--only", "must"]));
    assert_eq!(report["server"]["url"], server.url(""));
    assert_eq!(report["server"]["software"], "firstbyte");
    assert_eq!(report["options"]["get"], "/hello/ada");
    assert_eq!(report["counts"]["must"]["kept"], report["counts"]["must"]["asked"]);
    let rows = report["rows"].as_array().unwrap();
    assert_eq!(report["counts"]["must"]["asked"], rows.len());
    assert!(rows.len() > 5, "{report}");
    for row in rows {
        assert!(row["id"].as_str().unwrap().starts_with("host/") && row["level"] == "MUST", "{row}");
        assert_eq!((&row["outcome"], &row["why"]), (&"kept".into(), &Value::Null), "{row}");
        assert!(row["sent"].as_str().unwrap().contains("/hello/ada HTTP/1."), "{row}");
    }
}

#[test]
fn a_server_that_keeps_less_gets_its_failures_told_and_exit_code_1() {
    if !tools::all(&["python3"]) {
        return;
    }
    const SERVE: &str = "\
import http.server
class Handler(http.server.SimpleHTTPRequestHandler):
    def log_message(self, *_): pass
server = http.server.ThreadingHTTPServer(('127.0.0.1', 0), Handler)
print('http://127.0.0.1:%d' % server.server_port, flush=True)
server.serve_forever()";
    let mut command = Command::new("python3");
    command.args(["-c", SERVE]).current_dir(env!("CARGO_MANIFEST_DIR"));
    let server = Server::spawn(command);
    let start = Instant::now();
    let output = check(&server.url("/README.md"), &["--patience", "100ms"]);
    let report = stdout(&output);
    assert_eq!(output.status.code(), Some(1), "{report}{}", stderr(&output));
    assert!(start.elapsed() < A_RUN, "{:?}", start.elapsed());
    for expected in [
        "SimpleHTTP/",
        "no echo: POST is answered with 501 ",
        "FAILED  host/missing  MUST  RFC 9112 3.2\n  rule  ",
        "\n  sent  GET /README.md HTTP/1.1\\r\\nConnection: close\\r\\n\\r\\n\n  came  HTTP/1.0 200 OK\\r\\n",
        "\n  why   200, not 400\n",
        "it differs from firstbyte in:",
        "Skipped, since they need a resource that echoes:",
    ] {
        assert!(report.contains(expected), "{expected}\nis not in\n{report}");
    }
    let report = json(&check(&server.url("/README.md"), &["--only", "host/missing", "--json"]));
    assert_eq!((&report["rows"][0]["outcome"], &report["rows"][0]["why"]), (&"failed".into(), &"200, not 400".into()));
    assert_eq!(report["options"]["echo"], Value::Null);
    assert!(report["options"]["no_echo"].as_str().unwrap().starts_with("501 "), "{report}");
    assert_eq!((&report["server"]["answers_at_the_end"], &report["counts"]["unanswered"]), (&true.into(), &0.into()));
}

#[test]
fn a_server_that_cannot_be_examined_is_told_from_one_that_fails() {
    let server = Server::start(&[]);
    let free = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap();
    for (url, args, expected) in [
        (format!("http://{free}"), &[][..], "no connection to 127.0.0.1:"),
        // Too long a label for DNS: no resolver is asked.
        (format!("http://{}.invalid", "a".repeat(64)), &[], "its name cannot be resolved"),
        (server.url("/nothing"), &[], "it answers GET with 404 with the content"),
        (server.url("/"), &["--get", "/status/204"], "it answers GET with 204 without content"),
    ] {
        let output = check(&url, args);
        assert_eq!(output.status.code(), Some(1), "{url}");
        assert!(output.stdout.is_empty(), "{url}: {}", stdout(&output));
        assert!(stderr(&output).contains(expected), "{url}: {}", stderr(&output));
    }
    let output = check(&server.url(""), &["--echo", "/nothing", "--only", "framing/", "--only", "must"]);
    assert_eq!(output.status.code(), Some(0), "{}", stdout(&output));
    assert!(stdout(&output).contains("no echo: POST is answered with 404 "), "{}", stdout(&output));
}

#[test]
fn a_server_that_dies_under_the_questions_is_left_and_told_of() {
    const ANSWER: &[u8] = b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\nConnection: close\r\n\r\nok";
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let url = format!("http://{}", listener.local_addr().unwrap());
    std::thread::spawn(move || {
        let mut held = Vec::new();
        for (index, stream) in listener.incoming().enumerate() {
            let mut stream = stream.unwrap();
            if index < 4 && matches!(stream.read(&mut [0; 1024]), Ok(1..)) {
                stream.write_all(ANSWER).unwrap();
            } else {
                held.push(stream);
            }
        }
    });
    let start = Instant::now();
    let output = check(&url, &["--patience", "30ms"]);
    assert_eq!(output.status.code(), Some(1));
    assert!(start.elapsed() < A_RUN, "{:?}", start.elapsed());
    assert!(stderr(&output).contains("no longer answers"), "{}", stderr(&output));
    assert!(stderr(&output).contains(" rows were not asked"), "{}", stderr(&output));
    assert!(stdout(&output).contains("Skipped, since the server has stopped to answer"), "{}", stdout(&output));
}

#[test]
fn a_server_that_stalls_and_comes_back_has_not_passed() {
    const ANSWER: &[u8] = b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\nConnection: close\r\n\r\nok";
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let authority = listener.local_addr().unwrap().to_string();
    let plain = format!("GET / HTTP/1.1\r\nHost: {authority}\r\nConnection: close\r\n\r\n");
    std::thread::spawn(move || {
        let (mut held, mut plains) = (Vec::new(), 0);
        for stream in listener.incoming() {
            let (mut stream, mut buffer) = (stream.unwrap(), [0; 1024]);
            let count = stream.read(&mut buffer).unwrap_or(0);
            plains += usize::from(&buffer[..count] == plain.as_bytes());
            // Not the second one: that asks whether it is still there, behind many silences.
            if &buffer[..count] == plain.as_bytes() && plains != 2 {
                stream.write_all(ANSWER).unwrap();
            }
            held.push(stream);
        }
    });
    let output = check(&authority, &["--patience", "30ms", "--only", "should"]);
    assert_eq!(output.status.code(), Some(1), "{}", stdout(&output));
    assert!(stderr(&output).contains(" rows were not asked"), "{}", stderr(&output));
    assert!(!stderr(&output).contains("no longer answers"), "{}", stderr(&output));
}

#[test]
fn no_control_byte_of_a_server_reaches_the_terminal() {
    const ANSWER: &str = "HTTP/1.1 200 OK\r\nServer: evil\u{9b}2J\u{7f}\x1b[2J\r\nContent-Length: 4\r\n\r\n\u{9b}ok";
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let url = format!("http://{}", listener.local_addr().unwrap());
    std::thread::spawn(move || {
        for stream in listener.incoming() {
            let mut stream = stream.unwrap();
            let _ = stream.read(&mut [0; 1024]).and_then(|_| stream.write_all(ANSWER.as_bytes()));
        }
    });
    for args in [&["--only", "host/"][..], &["--only", "host/", "--json"]] {
        let output = check(&url, args);
        assert_eq!(output.status.code(), Some(1), "{}", stderr(&output));
        let (told, complaint) = (stdout(&output), stderr(&output));
        let obeyed = |text: &str| text.chars().any(|character| character.is_control() && character != '\n');
        assert!(told.contains("evil") && !obeyed(&told) && !obeyed(&complaint), "{told:?}");
    }
}

#[test]
fn what_makes_no_sense_is_refused() {
    for (url, args, expected) in [
        ("https://localhost", &[][..], "plain HTTP only"),
        ("localhost:http", &[], "is no HOST:PORT"),
        ("localhost", &["--only", "nothing/"], "no row's id begins with `nothing/`"),
        ("localhost", &["--patience", "1"], "`1` is no time"),
        ("localhost", &["--get", "index.html"], "a path begins with `/`"),
    ] {
        let output = check(url, args);
        assert_eq!(output.status.code(), Some(2), "{url} {args:?}");
        assert!(stderr(&output).contains(expected), "{url} {args:?}: {}", stderr(&output));
    }
    assert_eq!(run(&["check"]).status.code(), Some(2));
}

#[test]
fn the_ledger_is_listed() {
    let list = stdout(&run(&["check", "--list", "--only", "host/missing"]));
    assert!(list.starts_with("host/missing  MUST  RFC 9112 3.2\n  ") && list.contains("\n  firstbyte: 400 "), "{list}");
    assert!(stdout(&run(&["check", "--list"])).lines().count() > 500);
}

#[test]
fn conformance_md_is_the_ledger() {
    let page = fs::read_to_string(Path::new(env!("CARGO_MANIFEST_DIR")).join("CONFORMANCE.md")).unwrap();
    let printed = stdout(&run(&["check", "--list", "--markdown"]));
    assert!(page == printed, "CONFORMANCE.md is not what the rows say: print it anew by `make conformance`");
}
