//! `/metrics` of a server that has been used: what Prometheus' own tool and its Python library make of it.

use std::io::Write;
use std::process::{Command, Stdio};

use crate::server::{Server, wait_for};
use crate::services::{Kind, Service};
use crate::tools;

/// Debian's, which has the library.
const PYTHON: &str = "/usr/bin/python3";

/// Reads OpenMetrics by the rules of its specification, and prints the families.
const OPEN_METRICS: &str = "
import sys
from prometheus_client.openmetrics.parser import text_string_to_metric_families
for family in text_string_to_metric_families(sys.stdin.read()):
    print(family.name, family.type, len(family.samples))
";

/// What a server should not be asked, and what it should.
const TRAFFIC: [&str; 12] = [
    "GET / HTTP/1.1|Host: x||",
    "GET /chain/quotes/3 HTTP/1.1|Host: x||",
    "GET /chain/quotes/4 HTTP/1.1|Host: x||",
    "GET /chain/quotes/\"a\\b HTTP/1.1|Host: x||",
    "GET /no%22thing HTTP/1.1|Host: x||",
    "HEAD /plaintext HTTP/1.1|Host: x||",
    "BREW /plaintext HTTP/1.1|Host: x||",
    "POST /plaintext HTTP/1.1|Host: x|Content-Length: 0||",
    "GET /plaintext HTTP/1.0||",
    "G=T / HTTP/1.1|Host: x||",
    "GET /panic HTTP/1.1|Host: x||",
    "GET / HTTP/1.1|Host: x|Content-Length: 1|Transfer-Encoding: chunked||",
];

fn used() -> Server {
    let server = Server::start(&[]);
    for request in TRAFFIC {
        let request = request.replace('|', "\r\n").replacen("\r\n", "\r\nConnection: close\r\n", 1);
        assert!(server.exchange(request.as_bytes()).starts_with("HTTP/1.1 "), "{request}");
    }
    server
}

fn metrics(server: &Server, accept: &str) -> String {
    let request = format!("GET /metrics HTTP/1.1\r\nHost: localhost\r\nAccept: {accept}\r\nConnection: close\r\n\r\n");
    let answer = server.exchange(request.as_bytes());
    assert!(answer.starts_with("HTTP/1.1 200 "), "{answer}");
    answer.split_once("\r\n\r\n").unwrap().1.to_owned()
}

/// What `command` says to `text`, and whether it is content.
fn fed(mut command: Command, text: &str) -> (bool, String) {
    let mut child = command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap();
    child.stdin.take().unwrap().write_all(text.as_bytes()).unwrap();
    let output = child.wait_with_output().unwrap();
    (output.status.success(), String::from_utf8([output.stdout, output.stderr].concat()).unwrap())
}

/// Compares what promtool says to the metrics of `server` with nothing.
fn check_by_promtool(server: &Server) {
    let Some(promtool) = tools::find("promtool") else { return };
    let mut check = Command::new(promtool);
    check.args(["check", "metrics"]);
    let text = metrics(server, "*/*");
    assert_eq!(fed(check, &text), (true, String::new()), "{text}");
}

/// Reads the metrics of `server` by the rules of OpenMetrics. Their families.
fn check_open_metrics(server: &Server) -> Option<String> {
    let library = Command::new(PYTHON).args(["-c", "import prometheus_client"]).output();
    if !library.is_ok_and(|output| output.status.success()) {
        tools::find("prometheus_client of python3")?;
    }
    let text = metrics(server, "application/openmetrics-text; version=1.0.0");
    let mut python = Command::new(PYTHON);
    python.args(["-c", OPEN_METRICS]);
    let (is_content, families) = fed(python, &text);
    assert!(is_content, "{families}{text}");
    Some(families)
}

#[test]
fn promtool_has_nothing_to_say_about_them() {
    let server = used();
    check_by_promtool(&server);
    check_by_promtool(&server);
}

#[test]
fn they_are_open_metrics_where_those_are_asked_for() {
    let Some(families) = check_open_metrics(&used()) else { return };
    for family in
        ["http_server_request_duration_seconds histogram", "firstbyte_build info 1", "process_open_fds gauge 1"]
    {
        assert!(families.contains(family), "{family}: {families}");
    }
}

#[test]
fn those_of_services_are_among_them_and_as_they_should_be() {
    let (Some(redis), Some(postgres)) = (Service::start(Kind::Redis), Service::start(Kind::Postgres)) else { return };
    let server = Server::start(&["--redis-url", &redis.url(), "--database-url", &postgres.url()]);
    wait_for("both services", || {
        let text = metrics(&server, "*/*");
        ["firstbyte_redis_up 1\n", "firstbyte_postgres_up 1\n"].iter().all(|up| text.contains(up)).then_some(())
    });
    check_by_promtool(&server);
    check_open_metrics(&server);
}

#[test]
fn what_has_happened_is_in_them() {
    let server = used();
    let text = metrics(&server, "*/*");
    for (method, route, status, count) in [
        ("GET", "/", 200, 1),
        ("GET", "/chain/quotes/{id}", 200, 2),
        ("GET", "", 404, 1),
        ("HEAD", "/plaintext", 200, 1),
        ("_OTHER", "", 501, 1),
        ("POST", "", 405, 1),
        ("GET", "/plaintext", 200, 1),
        // Without a place, though the method was understood, and without either.
        ("GET", "", 400, 2),
        ("_OTHER", "", 400, 1),
        ("GET", "/panic", 500, 1),
    ] {
        let labels = format!(
            "{{http_request_method=\"{method}\",http_route=\"{route}\",http_response_status_code=\"{status}\"}} {count}\n"
        );
        assert!(text.contains(&format!("http_server_request_duration_seconds_count{labels}")), "{labels}: {text}");
    }
    for sample in [
        "firstbyte_connections{state=\"handler\"} ",
        "firstbyte_connections_opened_total 13\n",
        "firstbyte_handler_panics_total 1\n",
    ] {
        assert!(text.contains(sample), "{sample}: {text}");
    }
    // This one is not yet over.
    assert!(!text.contains("http_route=\"/metrics\""), "{text}");
    assert!(metrics(&server, "*/*").contains("http_route=\"/metrics\""));
}

#[test]
fn a_thousand_made_up_requests_leave_no_label_behind() {
    let server = used();
    let before = metrics(&server, "*/*").lines().count();
    let mut connection = server.connect();
    let requests: String = (0..1000)
        .map(|n| format!("M{n} /made-up-{n} HTTP/1.1\r\nHost: made-up-{n}\r\nUser-Agent: made-up-{n}\r\n\r\n"))
        .collect();
    let mut reading = connection.try_clone().unwrap();
    let reader = std::thread::spawn(move || {
        let mut all = String::new();
        std::io::Read::read_to_string(&mut reading, &mut all).unwrap();
        all
    });
    connection.write_all(requests.as_bytes()).unwrap();
    connection.shutdown(std::net::Shutdown::Write).unwrap();
    assert_eq!(reader.join().unwrap().matches("HTTP/1.1 501 ").count(), 1000);
    let after = metrics(&server, "*/*");
    assert!(!after.contains("made-up"), "{after}");
    // The scrape before has its own series by now.
    assert!(after.lines().count() <= before + 17, "{before} lines, and {} now", after.lines().count());
    assert!(after.contains(
        "http_server_request_duration_seconds_count{http_request_method=\"_OTHER\",http_route=\"\",\
         http_response_status_code=\"501\"} 1001\n"
    ));
}

#[test]
fn those_elsewhere_may_read_them_where_the_server_was_told_so() {
    let ask = "GET /metrics HTTP/1.1\r\nHost: node.example\r\nConnection: close\r\n\r\n";
    assert!(Server::start(&[]).exchange(ask.as_bytes()).starts_with("HTTP/1.1 421 "));
    assert!(Server::start(&["--metrics-remote"]).exchange(ask.as_bytes()).starts_with("HTTP/1.1 200 "));
}
