//! Clients that others wrote: curl and Python's http.client, through the whole of an exchange.

use std::process::Command;

use crate::server::Server;
use crate::tools;

#[test]
fn curl_keeps_its_connection_and_takes_every_kind_of_answer() {
    let Some(curl) = tools::find("curl") else { return };
    let server = Server::start(&[]);
    let check = |args: &[&str], path: &str, expected: &str| {
        let write = "\n%{http_code} %{num_connects}\n";
        let output = Command::new(&curl).args(["-sS", "-w", write]).args(args).arg(server.url(path)).output().unwrap();
        let stdout = String::from_utf8_lossy(&output.stdout).into_owned();
        assert!(output.status.success(), "{path}: {}", String::from_utf8_lossy(&output.stderr));
        assert!(stdout.contains(expected), "{args:?} {path}: {stdout}\nnot {expected}");
    };
    check(&[], "/plaintext", "Hello, World!\n200 1");
    check(&["-I"], "/plaintext", "Content-Length: 13");
    check(&["-d", "some words"], "/echo", "some words\n200");
    check(&["-H", "Expect: 100-continue", "-d", "some words"], "/echo", "some words\n200");
    check(&["-H", "Transfer-Encoding: chunked", "-d", "some words"], "/echo", "some words\n200");
    check(&["--http1.0"], "/plaintext", "Hello, World!\n200");
    check(&["-X", "DELETE"], "/plaintext", "\n405 ");
    check(&["-X", "OPTIONS", "-i"], "/plaintext", "Allow: ");
    check(&["--json", "{}"], "/anything", "\n200 ");
    check(&[&server.url("/json")], "/plaintext", "\n200 0");
}

#[test]
fn head_is_told_the_length_that_get_has() {
    let Some(curl) = tools::find("curl") else { return };
    let server = Server::start(&[]);
    let length = |args: &[&str], path: &str| {
        let output = Command::new(&curl).args(["-sS", "-D", "-"]).args(args).arg(server.url(path)).output().unwrap();
        let head = String::from_utf8_lossy(&output.stdout).into_owned();
        head.lines().find_map(|line| line.strip_prefix("Content-Length: ").map(str::to_owned))
    };
    for path in ["/", "/errors", "/limits", "/anything", "/hello/ada", "/chain/quotes", "/nowhere"] {
        for accept in ["Accept: text/html", "Accept: application/json", "Accept: */*"] {
            let whole = length(&["-H", accept, "-o", "/dev/null"], path);
            assert!(whole.is_some(), "{path} {accept}");
            assert_eq!(length(&["-H", accept, "-I"], path), whole, "{path} {accept}");
        }
    }
}

#[test]
fn python_reuses_a_connection() {
    let Some(python) = tools::find("python3") else { return };
    let server = Server::start(&[]);
    let program = r#"
import http.client, sys
connection = http.client.HTTPConnection(sys.argv[1], timeout=10)
connection.connect()
socket = connection.sock
for method, path, content in [("GET", "/plaintext", None), ("POST", "/echo", b"x" * 100000), ("HEAD", "/json", None),
                              ("POST", "/echo", iter([b"in ", b"pieces"])), ("GET", "/stream/3", None)]:
    connection.request(method, path, content, encode_chunked=hasattr(content, "__next__"),
                       headers={"Transfer-Encoding": "chunked"} if hasattr(content, "__next__") else {})
    answer = connection.getresponse()
    print(method, path, answer.status, len(answer.read()))
    assert connection.sock is socket, "the connection was closed"
"#;
    let output = Command::new(python).args(["-c", program, &server.addr.to_string()]).output().unwrap();
    let stdout = String::from_utf8_lossy(&output.stdout);
    assert!(output.status.success(), "{stdout}{}", String::from_utf8_lossy(&output.stderr));
    let lines: Vec<&str> = stdout.lines().collect();
    assert_eq!(lines[..4], ["GET /plaintext 200 13", "POST /echo 200 100000", "HEAD /json 200 0", "POST /echo 200 9"]);
}

#[test]
fn a_client_that_sends_all_before_it_reads_still_reads_the_refusal() {
    let Some(python) = tools::find("python3") else { return };
    let server = Server::start(&[]);
    let program = r#"
import http.client, sys
for size in (2, 6, 20, 100):
    connection = http.client.HTTPConnection(sys.argv[1], timeout=10)
    connection.request("POST", "/anything", b"x" * (size << 20))
    print(connection.getresponse().status)
"#;
    let output = Command::new(python).args(["-c", program, &server.addr.to_string()]).output().unwrap();
    let stdout = String::from_utf8_lossy(&output.stdout);
    assert_eq!(stdout, "413\n413\n413\n413\n", "{}", String::from_utf8_lossy(&output.stderr));
}
